//! What the operator asked for, checked as a whole, and what the server is told of it.
//!
//! | file | holds |
//! |---|---|
//! | `options.rs` | what a flag, a variable and a key of the file set alike |
//! | `bounds.rs` | the keys of `[limits]` and `[history]` |
//! | `file.rs` | the file: every key, and every error with its line |
//! | `memory.rs` | how much memory may be taken |
//! | `show.rs` | a configuration as TOML, secrets masked |
//! | `example.toml` | what `--example-config` prints |

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::engines::memory as kept;
use crate::proto::deflate;
use crate::reactor::Listen;
use crate::reactor::listener::Address;
use crate::server::Listener;
use crate::server::clients::Trusted;
use crate::server::limits::Limits;
use crate::server::settings::{Echo, Origins, Settings, Tenant};
use crate::server::tls::Certificates;
use memory::Memory;

pub(crate) mod bounds;
#[cfg(feature = "config")]
pub(crate) mod file;
#[cfg(not(feature = "config"))]
#[path = "config/file_absent.rs"]
pub(crate) mod file;
pub mod memory;
pub(crate) mod options;
pub(crate) mod show;

/// Port of HTTP when none is given.
pub const HTTP_PORT: u16 = 8080;
/// Port of CometQL when none is given.
pub const COMETQL_PORT: u16 = 3307;
/// Whether this build speaks CometQL.
pub const HAS_COMETQL: bool = cfg!(feature = "cometql");
/// Descriptors that are not clients: standard streams, epoll, listeners, and a few to spare.
pub(crate) const DESCRIPTORS_RESERVED: u64 = 32;

/// A complete configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where to listen for HTTP.
    pub http: Vec<Address>,
    /// Where to listen for HTTP over TLS.
    pub https: Vec<Address>,
    /// Files of certificates, and beside them those of their keys.
    pub tls_certs: Vec<PathBuf>,
    /// See `tls_certs`.
    pub tls_keys: Vec<PathBuf>,
    /// What was in these files when they were read last.
    pub certificates: Certificates,
    /// Where to listen for CometQL: `None` not said, `Some(None)` nowhere.
    pub cometql: Option<Option<Address>>,
    /// Those of these addresses where proxies say first whose connection it is.
    pub proxied: Vec<Address>,
    /// Proxies whose word about their clients is believed.
    pub trusted: Trusted,
    /// At least one; the first is the one whose URLs have no prefix.
    pub tenants: Vec<Tenant>,
    /// Whose pages may use the server.
    pub origins: Vec<HttpOrigin>,
    /// Echo endpoints.
    pub echoes: Vec<Echo>,
    /// Whether messages are compressed for WebSocket clients that can read that.
    pub deflate: bool,
    /// How much memory what users make grow may take.
    pub memory: Memory,
    /// Bounds and waits.
    pub limits: Limits,
    /// What is kept in memory.
    pub history: kept::Limits,
    /// Where a part of it was read from.
    pub file: Option<PathBuf>,
    /// Where everything was said, to be named when it turns out to be wrong.
    pub(crate) places: Places,
}

/// Words for where something was said: `--http`, `ENCKE_HTTP`, `encke.toml:3: http`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Places {
    /// By the option's key.
    pub options: BTreeMap<&'static str, String>,
    /// By the tenant's number; none for the first.
    pub tenants: Vec<String>,
}

/// An origin that was allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpOrigin {
    /// `*`.
    Any,
    /// `https://example.com[:port]`.
    One(Box<str>),
}

impl HttpOrigin {
    /// Reads one (RFC 6454 §6.2).
    pub fn parse(value: &str) -> Result<HttpOrigin, String> {
        if value == "*" {
            return Ok(HttpOrigin::Any);
        }
        let lower = value.to_ascii_lowercase();
        let host = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
        match host {
            Some(host) if !host.is_empty() && !host.contains(['/', ' ', '?', '#', '@']) => {
                Ok(HttpOrigin::One(lower.into()))
            }
            _ => Err(format!("{value:?} is not an origin like https://example.com, or *")),
        }
    }
}

impl Config {
    pub(crate) fn empty() -> Config {
        Config {
            http: Vec::new(),
            https: Vec::new(),
            tls_certs: Vec::new(),
            tls_keys: Vec::new(),
            certificates: Certificates::default(),
            cometql: None,
            proxied: Vec::new(),
            trusted: Trusted::default(),
            tenants: vec![Tenant::default()],
            origins: Vec::new(),
            echoes: Vec::new(),
            deflate: deflate::IS_PRESENT,
            memory: Memory::default(),
            limits: Limits::default(),
            history: kept::Limits::default(),
            file: None,
            places: Places { options: BTreeMap::new(), tenants: vec![String::new()] },
        }
    }

    /// The tenant whose URLs have no prefix.
    pub(crate) fn first(&mut self) -> &mut Tenant {
        &mut self.tenants[0]
    }

    /// Fills in the defaults and refuses what would be open to strangers.
    pub(crate) fn complete(mut self) -> Result<Config, String> {
        let loopback = |port| Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        if self.http.is_empty() && self.https.is_empty() {
            self.http.push(loopback(HTTP_PORT));
        }
        if self.cometql.is_none() {
            self.cometql = Some(HAS_COMETQL.then(|| loopback(COMETQL_PORT)));
        }
        if !HAS_COMETQL && matches!(self.cometql, Some(Some(_))) {
            let place = self.place("cometql");
            return Err(format!("{place}: this build of encke has no CometQL (feature cometql)"));
        }
        if self.http.len() + self.https.len() >= crate::reactor::LISTENERS_MAX {
            return Err(format!("{}: too many addresses", self.place("http")));
        }
        self.refuse_proxies_nowhere()?;
        self.refuse_open_doors()?;
        self.read_certificates()?;
        self.refuse_tokens_without_secret()?;
        Ok(self)
    }

    /// The same, but listening where `running` does: listeners stay as they are until a restart. True if
    /// they should have been others.
    pub(crate) fn keep_listeners(&mut self, running: &Config) -> Result<bool, String> {
        let is_other = self.http != running.http
            || self.https != running.https
            || self.cometql != running.cometql
            || self.proxied != running.proxied;
        self.http.clone_from(&running.http);
        self.https.clone_from(&running.https);
        self.cometql.clone_from(&running.cometql);
        self.proxied.clone_from(&running.proxied);
        self.places.options.clone_from(&running.places.options);
        self.refuse_open_doors()?;
        self.refuse_https_without_certificate()?;
        self.certificates.keep_tickets_of(&running.certificates);
        Ok(is_other)
    }

    /// Certificates and keys come in pairs, in the order given.
    fn read_certificates(&mut self) -> Result<(), String> {
        let (certs, keys) = (self.tls_certs.len(), self.tls_keys.len());
        if certs != keys {
            let (cert, key) = (self.place("tls_cert"), self.place("tls_key"));
            return Err(format!(
                "every certificate has a key: {cert} names {certs}, {key} names {keys}"
            ));
        }
        let pairs: Vec<_> = self.tls_certs.iter().cloned().zip(self.tls_keys.clone()).collect();
        let place = self.place("tls_cert");
        self.certificates = Certificates::load(&pairs).map_err(|why| format!("{place}: {why}"))?;
        self.refuse_https_without_certificate()
    }

    fn refuse_https_without_certificate(&self) -> Result<(), String> {
        match self.https.first() {
            Some(address) if self.certificates.is_empty() => Err(format!(
                "{} {address} needs a certificate: --tls-cert FILE and --tls-key FILE (or \
                 ENCKE_TLS_CERT and ENCKE_TLS_KEY, or [[tls]] in a file)",
                self.place("https")
            )),
            _ => Ok(()),
        }
    }

    fn place<'a>(&'a self, key: &'a str) -> &'a str {
        self.places.options.get(key).map_or(key, String::as_str)
    }

    fn refuse_proxies_nowhere(&self) -> Result<(), String> {
        let listens = self.listens();
        let is_heard = |address: &&Address| listens.iter().any(|one| one.address == **address);
        match self.proxied.iter().find(|address| !is_heard(address)) {
            Some(address) => Err(format!(
                "{} {address}: nobody listens there; name an address of http, https or cometql",
                self.place("proxy_protocol")
            )),
            None => Ok(()),
        }
    }

    /// Whether only programs of this machine reach it, as themselves.
    fn is_local(&self, address: &Address) -> bool {
        address.is_local() && !self.proxied.contains(address)
    }

    fn refuse_open_doors(&self) -> Result<(), String> {
        let keyless = self.tenants.iter().position(|tenant| tenant.publish_key.is_none());
        for (key, addresses) in [("http", &self.http), ("https", &self.https)] {
            if let Some(address) = addresses.iter().find(|address| !self.is_local(address))
                && let Some(open) = keyless
            {
                return Err(self.open_door(key, address, open, "publish_key"));
            }
        }
        // A further tenant without a number has no back ends by CometQL.
        let is_open = |(index, tenant): (usize, &Tenant)| {
            tenant.cometql_password.is_none() && (index == 0 || tenant.dev_id.is_some())
        };
        if let Some(Some(address)) = &self.cometql
            && !self.is_local(address)
            && let Some(open) = self.tenants.iter().enumerate().position(is_open)
        {
            return Err(self.open_door("cometql", address, open, "cometql_password"));
        }
        Ok(())
    }

    fn open_door(&self, listener: &str, address: &Address, tenant: usize, key: &str) -> String {
        let place = self.place(listener);
        if tenant > 0 {
            let (at, name) = (&self.places.tenants[tenant], &self.tenants[tenant].name);
            return format!(
                "{at}: tenant {name:?} has no {key}, but {place} {address} is reachable from other \
                 machines: give it one, {key} = \"…\""
            );
        }
        let flag = key.replace('_', "-");
        let variable = key.to_uppercase();
        format!(
            "{place} {address} is reachable from other machines: that needs --{flag} \
             (or ENCKE_{variable}, or {key} in a file)"
        )
    }

    fn refuse_tokens_without_secret(&self) -> Result<(), String> {
        use crate::server::settings::Who;
        for (index, tenant) in self.tenants.iter().enumerate() {
            let asks = |who: Option<Who>| who == Some(Who::Token);
            let rule = tenant
                .rules
                .iter()
                .find(|rule| asks(rule.subscribe) || asks(rule.publish) || asks(rule.presence));
            if let (Some(rule), None) = (rule, &tenant.token_secret) {
                let place = match index {
                    0 => self.place("rule"),
                    _ => &self.places.tenants[index],
                };
                return Err(format!(
                    "{place}: the rule for \"{}*\" asks for tokens, but nothing says what signs them: \
                     add token_secret = \"…\" (openssl rand -base64 32 makes a good one)",
                    rule.prefix
                ));
            }
        }
        Ok(())
    }

    /// Where to listen, and for whom.
    pub fn listens(&self) -> Vec<Listen> {
        let http = self.http.iter().map(|address| (address, Listener::Http));
        let https = self.https.iter().map(|address| (address, Listener::Https));
        let cometql = self.cometql.iter().flatten().map(|address| (address, Listener::CometQl));
        http.chain(https)
            .chain(cometql)
            .map(|(address, listener)| {
                let is_proxied = self.proxied.contains(address);
                Listen { address: address.clone(), listener, is_proxied }
            })
            .collect()
    }

    /// What the server is told, with room for as many clients as there are descriptors, where there are so
    /// many bytes of memory for this process.
    pub fn settings(&self, descriptors: u64, memory_bytes: Option<u64>) -> Settings {
        let mut limits = self.limits.clone();
        let clients = descriptors.saturating_sub(DESCRIPTORS_RESERVED).max(1);
        limits.connections_max = limits.connections_max.min(clients as usize);
        let listed = self.origins.iter().filter_map(|origin| match origin {
            HttpOrigin::One(origin) => Some(origin.clone()),
            HttpOrigin::Any => None,
        });
        let origins =
            Origins { any: self.origins.contains(&HttpOrigin::Any), listed: listed.collect() };
        let (tenants, echoes) = (self.tenants.clone(), self.echoes.clone());
        let (deflate, certificates) = (self.deflate, self.certificates.clone());
        let trusted = self.trusted.clone();
        let memory = self.memory.ceiling(memory_bytes);
        let memory = memory.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        Settings { limits, memory, tenants, origins, echoes, deflate, certificates, trusted }
    }
}
