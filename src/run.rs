//! From a configuration to a running server.

mod notify;

use std::io;
use std::path::Path;

use crate::config::Config;
use crate::engines::memory::MemoryEngine;
use crate::reactor::listener::Address;
use crate::reactor::{BindError, Clock, Reactor, ReadAgain, Reload, machine, sys};
use crate::server::settings::Tenant;
use crate::server::{Listener, settings};
use notify::{Manager, State};

/// Why the server could not start: one line for a person.
#[derive(Debug)]
pub struct StartError(pub String);

/// Reads the whole configuration once more: arguments, variables, and the file as it is now.
pub type ReadConfig = Box<dyn FnMut() -> Result<Config, String>>;

/// Serves until told to stop. SIGHUP puts in force what `read` then returns.
pub fn run(config: &Config, read: ReadConfig) -> Result<(), StartError> {
    let descriptors = sys::raise_descriptor_limit()
        .map_err(|error| StartError(format!("cannot read the descriptor limit: {error}")))?;
    let settings = config.settings(descriptors, memory_bytes());
    let (clients, ceiling) = (settings.limits.connections_max, settings.memory);
    let clock = Clock::start();
    let history = settings::history(&settings.tenants, config.history.clone());
    let engine = MemoryEngine::new(settings.tenants.len(), history, clock.now());
    let mut reactor = match Reactor::new(settings, Box::new(engine), &config.listens(), clock) {
        Ok(Ok(reactor)) => reactor,
        Ok(Err(BindError { address, error })) => {
            return Err(StartError(format!("cannot listen on {address}: {error}")));
        }
        Err(error) => return Err(cannot_start(error)),
    };
    let read_again = read_again(config.clone(), descriptors, read);
    reactor.obey_signals(read_again).map_err(cannot_start)?;
    let addresses = reactor.addresses().map_err(cannot_start)?;
    match ceiling {
        Some(bytes) => log::info!("a ceiling of {} MB of memory (--memory)", bytes >> 20),
        None => log::info!("no ceiling of memory (--memory)"),
    }
    announce(config, &addresses, clients, descriptors);
    let manager = Manager::of_environment();
    manager.tell(&State::Ready(&format!("serving {}", list(&addresses))));
    reactor.serve().map_err(loop_failed)?;
    let left = reactor.connections();
    manager.tell(&State::Stopping(&format!("{left} connections take their leave")));
    reactor.drain().map_err(loop_failed)
}

/// What there is for this process, now.
fn memory_bytes() -> Option<u64> {
    machine::memory_bytes(Path::new("/"))
}

fn loop_failed(error: io::Error) -> StartError {
    StartError(format!("the event loop failed: {error}"))
}

/// Where the listeners are, in one line.
fn list(addresses: &[(Listener, Address)]) -> String {
    let one = |(listener, address): &(Listener, Address)| match listener {
        Listener::Http => format!("HTTP on {address}"),
        Listener::Https => format!("HTTPS on {address}"),
        Listener::CometQl => format!("CometQL on {address}"),
    };
    addresses.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// What SIGHUP does. A broken file changes nothing; where to listen changes with a restart.
fn read_again(running: Config, descriptors: u64, mut read: ReadConfig) -> ReadAgain {
    Box::new(move || {
        if running.file.is_none() && running.tls_certs.is_empty() {
            log::info!("SIGHUP: there is no file to read again (--config FILE)");
            return None;
        }
        let mut config = match read() {
            Ok(config) => config,
            Err(why) => return stay(&why),
        };
        match config.keep_listeners(&running) {
            Ok(false) => {}
            Ok(true) => {
                log::warn!("http, https, cometql, proxy_protocol: other addresses need a restart")
            }
            Err(why) => return stay(&why),
        }
        Some(Reload {
            settings: config.settings(descriptors, memory_bytes()),
            history: config.history,
        })
    })
}

fn stay(why: &str) -> Option<Reload> {
    log::error!("the old configuration stays in force: {why}");
    None
}

fn cannot_start(error: io::Error) -> StartError {
    StartError(format!("cannot start: {error}"))
}

/// Tells where the server is, who may use it, and what to try next.
fn announce(config: &Config, addresses: &[(Listener, Address)], clients: usize, descriptors: u64) {
    for (listener, address) in addresses {
        match (listener, address) {
            (Listener::Http, Address::Tcp(address)) => {
                log::info!("listening for HTTP on http://{address}");
            }
            (Listener::Http, address) => log::info!("listening for HTTP on {address}"),
            (Listener::Https, Address::Tcp(address)) => {
                log::info!("listening for HTTPS on https://{address}");
            }
            (Listener::Https, address) => log::info!("listening for HTTPS on {address}"),
            (Listener::CometQl, address) => log::info!("listening for CometQL on {address}"),
        }
    }
    log::info!("room for {clients} clients ({descriptors} descriptors)");
    for tenant in &config.tenants {
        log::info!("{}", what_is_open(tenant));
    }
    if config.tenants[0].cometql_password.is_none() && matches!(config.cometql, Some(Some(_))) {
        log::info!("CometQL takes any login, from this machine only, without --cometql-password");
    }
    if let Some((_, Address::Tcp(http))) =
        addresses.iter().find(|(listener, address)| is_page(*listener, address))
    {
        log::info!("open http://{http}/ in two windows and chat, or try:");
        let key = match config.tenants[0].publish_key {
            Some(_) => " -H 'Authorization: Bearer KEY'",
            None => "",
        };
        log::info!("  curl{key} -d 'Hello from curl' http://{http}/channels/SimplePhpChat");
    }
}

/// One line about a tenant.
fn what_is_open(tenant: &Tenant) -> String {
    let open = match (&tenant.publish_key, tenant.rules.len()) {
        (None, 0) => "open, but only for this machine: without --publish-key nobody else is served",
        (None, _) => "only for this machine, where channel rules decide who may do what",
        (Some(_), 0) => "anyone may subscribe; publishing needs the publish key",
        (Some(_), _) => "channel rules decide who may do what without the publish key",
    };
    match &*tenant.name {
        "" => open.to_owned(),
        name => format!(
            "tenant {name}, /{name}/channels/…: {}",
            open.replace("--publish-key", "publish_key")
        ),
    }
}

fn is_page(listener: Listener, address: &Address) -> bool {
    listener == Listener::Http && matches!(address, Address::Tcp(_))
}
