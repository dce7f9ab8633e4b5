//! What travels: a message, its id, and the cursor that a client resumes with.
//!
//! An id is `<unix second>-<n>`, compared as two integers and never as text. Within a tenant ids only
//! ever grow: the second is `max(clock, last)`, n counts the messages of that second over all channels.

use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

use super::names::{ChannelName, EventName};

/// Which isolated part of the hub something belongs to: an index into the configured tenants.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Default)]
pub struct TenantId(pub u16);

/// The id of a message, and therefore a cursor: "everything after this".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct MessageId {
    /// Unix time in seconds; never goes back within a tenant.
    pub second: u64,
    /// Counts within that second. The start of a server uses the nanoseconds already gone.
    pub n: u32,
}

impl MessageId {
    /// None is greater: as a cursor, everything was seen.
    pub const MAX: MessageId = MessageId { second: u64::MAX, n: u32::MAX };

    /// The greatest id below this one: as a cursor, everything from this one on.
    pub fn before(self) -> MessageId {
        match self.n.checked_sub(1) {
            Some(n) => MessageId { n, ..self },
            None => MessageId { second: self.second.saturating_sub(1), n: u32::MAX },
        }
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.second, self.n)
    }
}

/// The text is not `<digits>-<digits>` within range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadMessageId;

impl FromStr for MessageId {
    type Err = BadMessageId;

    fn from_str(text: &str) -> Result<MessageId, BadMessageId> {
        let (second, n) = text.split_once('-').ok_or(BadMessageId)?;
        Ok(MessageId { second: decimal(second)?, n: decimal(n)? })
    }
}

/// `str::parse` would also take a leading `+`.
fn decimal<T: FromStr>(digits: &str) -> Result<T, BadMessageId> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(BadMessageId);
    }
    digits.parse().map_err(|_| BadMessageId)
}

/// One published message, shared by everybody who gets it.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// Place in the tenant's order.
    pub id: MessageId,
    /// Place in the channel's own order: 1, 2, 3 … since the channel's record began.
    pub offset: u64,
    /// Whose message it is.
    pub tenant: TenantId,
    /// When it was published, as [`Now::second`](super::clock::Now::second) has it: it grows old by this,
    /// not by the second of its id, which may be far from now.
    pub born: u32,
    /// Where it was published.
    pub channel: ChannelName,
    /// What kind of message its publisher says it is; often empty.
    pub event: EventName,
    /// The content.
    pub data: Data,
    /// Which client published it; `None`: a back end, or the server.
    pub sender: Option<Sender>,
}

/// A connection of this node. To others than its owner it is only equal or not.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConnectionId(pub u64);

/// A client that published, as far as others may know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sender {
    /// The number of its user; 0: nobody, or somebody who does not want to be known. `None`: the client
    /// only caused what the server says.
    pub user: Option<u32>,
    /// The connection that does not get the message, because it is its own.
    pub except: Option<ConnectionId>,
}

/// A message for all devices of one user.
#[derive(Debug, PartialEq, Eq)]
pub struct Personal {
    /// Its place among all messages for users of the tenant, which have an order of their own.
    pub id: MessageId,
    /// Whose user.
    pub tenant: TenantId,
    /// Who.
    pub user: Box<str>,
    /// What kind of message it is.
    pub event: EventName,
    /// The content.
    pub data: Data,
}

impl Personal {
    /// What it counts for in every bound that is in bytes.
    pub fn bytes(&self) -> usize {
        self.user.len() + self.event.len() + self.data.len()
    }
}

impl Message {
    /// What this message counts for in every bound that is in bytes: its variable parts.
    pub fn bytes(&self) -> usize {
        self.channel.len() + self.event.len() + self.data.len()
    }
}

/// A message's content: text when it is UTF-8, else bytes. Checked once, when it is made.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct Data {
    bytes: Rc<[u8]>,
    kind: Kind,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Kind {
    Bytes,
    Text,
    /// Text that is to be passed on as the JSON value that it is.
    Json,
}

impl Data {
    /// Takes any bytes, and finds out whether they are text.
    pub fn new(bytes: &[u8]) -> Data {
        let is_text = std::str::from_utf8(bytes).is_ok();
        Data { kind: if is_text { Kind::Text } else { Kind::Bytes }, bytes: bytes.into() }
    }

    /// Takes text, with nothing to find out.
    pub fn text(text: &str) -> Data {
        Data { bytes: text.as_bytes().into(), kind: Kind::Text }
    }

    /// The same content, to be passed on as a JSON value. It must be one.
    pub fn into_json(self) -> Data {
        Data { kind: Kind::Json, ..self }
    }

    /// Whether it is to be passed on as a JSON value.
    pub fn is_json(&self) -> bool {
        self.kind == Kind::Json
    }

    /// The content as it was published.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The content as text, if it is UTF-8.
    pub fn as_text(&self) -> Option<&str> {
        // The flag spares binary content the scan; text is scanned again, once for each wire form.
        match self.kind {
            Kind::Bytes => None,
            Kind::Text | Kind::Json => std::str::from_utf8(&self.bytes).ok(),
        }
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no content at all, which is allowed.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}
