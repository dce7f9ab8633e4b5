//! What an operator decides, in the form the server uses.

use super::clients::Trusted;
use super::limits::Limits;
use super::tls::Certificates;
use crate::engines::memory::{self, Keep};
use crate::hub::message::TenantId;
pub use crate::hub::rules::{Rule, Who};
use crate::proto::deflate;

/// Everything the server is told at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bounds and waits.
    pub limits: Limits,
    /// How many bytes of memory what users make grow may take; `None`: as many as there are.
    pub memory: Option<usize>,
    /// At least one; the first is the one whose URLs have no prefix.
    pub tenants: Vec<Tenant>,
    /// Origins of pages, besides the server's own, that may use it.
    pub origins: Origins,
    /// WebSocket echo endpoints: path, and whether text comes back reversed.
    pub echoes: Vec<Echo>,
    /// Whether messages are compressed for WebSocket clients that can read that.
    pub deflate: bool,
    /// For everybody who speaks TLS.
    pub certificates: Certificates,
    /// Proxies whose word about their clients is believed.
    pub trusted: Trusted,
}

/// An isolated part of the hub.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Tenant {
    /// The first segment of its URLs; empty for the first tenant.
    pub name: Box<str>,
    /// Who knows it may do everything. Without one the tenant is open, but only for this machine.
    pub publish_key: Option<Box<str>>,
    /// What its tokens are signed with (HS256); without one there are none.
    pub token_secret: Option<Box<str>>,
    /// What holds for its channels, by the beginning of their names.
    pub rules: Vec<Rule>,
    /// Password of its back ends; without one anybody who reaches the port is a back end.
    pub cometql_password: Option<Box<str>>,
    /// Its number in CometQL; `None`: every number that is no other tenant's, for the first tenant, and
    /// no CometQL at all for a further one.
    pub dev_id: Option<u32>,
    /// It was there before a reload and is no more. Its number stays taken: nothing of it can come to
    /// belong to another tenant.
    pub is_removed: bool,
}

/// Which pages may use the server.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Origins {
    /// `--origin '*'`.
    pub any: bool,
    /// Serialised origins (RFC 6454 §6.2), lower case: `https://example.com`.
    pub listed: Vec<Box<str>>,
}

/// A WebSocket endpoint that sends everything back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echo {
    /// Its path, beginning with a slash.
    pub path: Box<str>,
    /// Whether text comes back with its characters in reverse order.
    pub is_reversed: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            limits: Limits::default(),
            memory: None,
            tenants: vec![Tenant::default()],
            origins: Origins::default(),
            echoes: Vec::new(),
            deflate: deflate::IS_PRESENT,
            certificates: Certificates::default(),
            trusted: Trusted::default(),
        }
    }
}

/// What the engine keeps when the tenants' rules are added to the bounds for all channels.
pub fn history(tenants: &[Tenant], mut limits: memory::Limits) -> memory::Limits {
    let keep = limits.keep;
    let of_rule = |rule: &Rule| match rule.history? {
        0 => Some(Keep { seconds_max: keep.seconds_max.min(Keep::TAIL.seconds_max), ..Keep::TAIL }),
        messages_max => Some(Keep { messages_max, is_listed: true, ..keep }),
    };
    for (index, tenant) in tenants.iter().enumerate() {
        let rules = tenant.rules.iter();
        let kept = rules.filter_map(|rule| Some((rule.prefix.clone(), of_rule(rule)?)));
        let tenant = TenantId(index as u16);
        limits.keep_by_prefix.extend(kept.map(|(prefix, keep)| (tenant, prefix, keep)));
    }
    limits
}
