//! What an operator decides, in the form the server uses.

use super::limits::Limits;
pub use crate::hub::rules::{Rule, Who};

/// Everything the server is told at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bounds and waits.
    pub limits: Limits,
    /// At least one; the first is the one whose URLs have no prefix.
    pub tenants: Vec<Tenant>,
    /// Origins of pages, besides the server's own, that may use it.
    pub origins: Origins,
    /// WebSocket echo endpoints: path, and whether text comes back reversed.
    pub echoes: Vec<Echo>,
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
    /// What its tokens are signed with (JWT, HS256).
    pub token_secret: Option<Box<str>>,
    /// What its channels are open to.
    pub rules: Vec<Rule>,
    /// It was there before a reload and is no more. Its number stays taken: nothing of it can come to
    /// belong to another tenant.
    pub is_removed: bool,
}

/// Who may do something on a channel without the publish key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// Everybody.
    Anyone,
    /// Who shows a token for it.
    Token,
    /// Nobody.
    Nobody,
}

/// What holds for the channels whose names begin alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// How their names begin; empty: all channels.
    pub prefix: Box<str>,
    /// Who may listen, and read what is kept.
    pub subscribe: Option<Who>,
    /// Who may send.
    pub publish: Option<Who>,
    /// Who may see who is there.
    pub presence: Option<Who>,
    /// Messages kept for each of these channels; 0: only a short tail for who comes back.
    pub history: Option<usize>,
    /// Whether joining and leaving are told.
    pub events: bool,
    /// Whether data that is valid JSON is shown as JSON.
    pub json: bool,
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
            tenants: vec![Tenant::default()],
            origins: Origins::default(),
            echoes: Vec::new(),
        }
    }
}
