//! What the operator asked for, checked as a whole, and what the server is told of it.

use std::net::{Ipv4Addr, SocketAddr};

use crate::engines::memory;
use crate::reactor::Listen;
use crate::reactor::listener::Address;
use crate::server::Listener;
use crate::server::limits::Limits;
use crate::server::settings::{Echo, Origins, Settings, Tenant};

/// Port of HTTP when none is given.
pub const HTTP_PORT: u16 = 8080;
/// Port of CometQL when none is given.
pub const COMETQL_PORT: u16 = 3307;
/// Whether this build speaks CometQL.
pub const HAS_COMETQL: bool = cfg!(feature = "cometql");
/// Descriptors that are not clients: standard streams, epoll, listeners, and a few to spare.
const DESCRIPTORS_RESERVED: u64 = 32;

/// A complete configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where to listen for HTTP.
    pub http: Vec<Address>,
    /// Where to listen for CometQL: `None` not said, `Some(None)` nowhere.
    pub cometql: Option<Option<Address>>,
    /// What back ends log in with.
    pub cometql_password: Option<Box<str>>,
    /// Who shows it may publish.
    pub publish_key: Option<Box<str>>,
    /// Whose pages may use the server.
    pub origins: Vec<HttpOrigin>,
    /// Echo endpoints.
    pub echoes: Vec<Echo>,
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
            cometql: None,
            cometql_password: None,
            publish_key: None,
            origins: Vec::new(),
            echoes: Vec::new(),
        }
    }

    /// Fills in the defaults and refuses what would be open to strangers.
    pub(crate) fn complete(mut self) -> Result<Config, String> {
        let loopback = |port| Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        if self.http.is_empty() {
            self.http.push(loopback(HTTP_PORT));
        }
        if self.cometql.is_none() {
            self.cometql = Some(HAS_COMETQL.then(|| loopback(COMETQL_PORT)));
        }
        if !HAS_COMETQL && matches!(self.cometql, Some(Some(_))) {
            return Err(
                "--cometql: this build of encke has no CometQL (feature cometql)".to_owned()
            );
        }
        if self.http.len() >= crate::reactor::LISTENERS_MAX {
            return Err("--http: too many addresses".to_owned());
        }
        self.refuse_open_doors()?;
        Ok(self)
    }

    fn refuse_open_doors(&self) -> Result<(), String> {
        if self.publish_key.is_none()
            && let Some(address) = self.http.iter().find(|address| !address.is_local())
        {
            return Err(format!(
                "--http {address} is reachable from other machines: \
                 that needs --publish-key (or ENCKE_PUBLISH_KEY)"
            ));
        }
        if self.cometql_password.is_none()
            && let Some(Some(address)) = &self.cometql
            && !address.is_local()
        {
            return Err(format!(
                "--cometql {address} is reachable from other machines: \
                 that needs --cometql-password (or ENCKE_COMETQL_PASSWORD)"
            ));
        }
        Ok(())
    }

    /// Where to listen, and for whom.
    pub fn listens(&self) -> Vec<Listen> {
        let http = self.http.iter().map(|address| (address, Listener::Http));
        let cometql = self.cometql.iter().flatten().map(|address| (address, Listener::CometQl));
        http.chain(cometql)
            .map(|(address, listener)| Listen { address: address.clone(), listener })
            .collect()
    }

    /// What the server is told, with room for as many clients as there are descriptors.
    pub fn settings(&self, descriptors: u64) -> Settings {
        let mut limits = Limits::default();
        let clients = descriptors.saturating_sub(DESCRIPTORS_RESERVED).max(1);
        limits.connections_max = limits.connections_max.min(clients as usize);
        let tenant = Tenant {
            publish_key: self.publish_key.clone(),
            cometql_password: self.cometql_password.clone(),
            ..Tenant::default()
        };
        let listed = self.origins.iter().filter_map(|origin| match origin {
            HttpOrigin::One(origin) => Some(origin.clone()),
            HttpOrigin::Any => None,
        });
        let origins =
            Origins { any: self.origins.contains(&HttpOrigin::Any), listed: listed.collect() };
        Settings { limits, tenants: vec![tenant], origins, echoes: self.echoes.clone() }
    }

    /// What the engine keeps.
    pub fn engine_limits(&self) -> memory::Limits {
        memory::Limits::default()
    }
}
