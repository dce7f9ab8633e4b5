//! From a configuration to a running server.

use std::io;

use crate::config::Config;
use crate::engines::memory::MemoryEngine;
use crate::reactor::listener::Address;
use crate::reactor::{BindError, Clock, Reactor, sys};
use crate::server::Listener;

/// Why the server could not start: one line for a person.
#[derive(Debug)]
pub struct StartError(pub String);

/// Serves until told to stop.
pub fn run(config: &Config) -> Result<(), StartError> {
    let descriptors = sys::raise_descriptor_limit()
        .map_err(|error| StartError(format!("cannot read the descriptor limit: {error}")))?;
    let settings = config.settings(descriptors);
    let clients = settings.limits.connections_max;
    let clock = Clock::start();
    let engine = MemoryEngine::new(settings.tenants.len(), config.engine_limits(), clock.now());
    let mut reactor = match Reactor::new(settings, Box::new(engine), &config.listens(), clock) {
        Ok(Ok(reactor)) => reactor,
        Ok(Err(BindError { address, error })) => {
            return Err(StartError(format!("cannot listen on {address}: {error}")));
        }
        Err(error) => return Err(cannot_start(error)),
    };
    reactor.stop_on_signals().map_err(cannot_start)?;
    let addresses = reactor.addresses().map_err(cannot_start)?;
    announce(config, &addresses, clients, descriptors);
    reactor.run().map_err(|error| StartError(format!("the event loop failed: {error}")))
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
            (Listener::CometQl, address) => log::info!("listening for CometQL on {address}"),
        }
    }
    log::info!("room for {clients} clients ({descriptors} descriptors)");
    match config.publish_key {
        None => log::info!(
            "open, but only for this machine: without --publish-key nobody else is served"
        ),
        Some(_) => log::info!("anyone may subscribe; publishing needs the publish key"),
    }
    if let Some((_, Address::Tcp(http))) =
        addresses.iter().find(|(listener, address)| is_page(*listener, address))
    {
        log::info!("open http://{http}/ in two windows and chat, or try:");
        let key = match config.publish_key {
            Some(_) => " -H 'Authorization: Bearer KEY'",
            None => "",
        };
        log::info!("  curl{key} -d 'Hello from curl' http://{http}/channels/SimplePhpChat");
    }
}

fn is_page(listener: Listener, address: &Address) -> bool {
    listener == Listener::Http && matches!(address, Address::Tcp(_))
}
