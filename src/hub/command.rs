//! What can be asked of an engine, and what comes back.
//!
//! A dialect turns text into a `Command`; the server adds a token and hands it to the engine; the
//! engine answers with an `Outcome`, at once or later, and puts what happened into its one ordered feed.

use std::rc::Rc;

use super::message::{Data, Message, MessageId, TenantId};
use super::names::{ChannelName, EventName};

/// One message to be published, before it has an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// Where to.
    pub channel: ChannelName,
    /// Its kind; may be empty.
    pub event: EventName,
    /// Its content.
    pub data: Data,
}

/// From where a reader wants a set of channels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// Everything after this id, and word of it if that cannot be had.
    After(MessageId),
    /// The newest `n` kept messages of the whole set.
    Last(u32),
}

/// A kind of record that a back end keeps with us, by key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RecordKind {
    /// What is known of a user id.
    User,
    /// A token that is no longer good.
    Token,
}

/// A request to the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Gives every message an id (consecutive), keeps it, and puts it into the feed: all or none.
    Publish {
        /// Whose channels.
        tenant: TenantId,
        /// At least one.
        messages: Vec<NewMessage>,
        /// A second publish with the same key within 5 minutes gets the first one's answer.
        idempotency_key: Option<Box<str>>,
    },
    /// Reads what is kept of some channels, merged in id order.
    MessagesAfter {
        /// Whose channels.
        tenant: TenantId,
        /// Which.
        channels: Vec<ChannelName>,
        /// From where.
        start: Start,
    },
    /// A subscriber joined here. Nothing waits for the answer.
    Enter {
        /// Whose channel.
        tenant: TenantId,
        /// Which.
        channel: ChannelName,
        /// Who, if the subscriber has an identity.
        user: Option<Box<str>>,
    },
    /// A subscriber left here; mirrors `Enter`.
    Leave {
        /// Whose channel.
        tenant: TenantId,
        /// Which.
        channel: ChannelName,
        /// Who, as it was given to `Enter`.
        user: Option<Box<str>>,
    },
    /// Who is on a channel on other nodes.
    Presence {
        /// Whose channel.
        tenant: TenantId,
        /// Which.
        channel: ChannelName,
    },
    /// How many subscribers each channel has on other nodes.
    Counts {
        /// Whose channels.
        tenant: TenantId,
        /// Which.
        channels: Vec<ChannelName>,
    },
    /// Writes a record.
    PutRecord {
        /// Whose.
        tenant: TenantId,
        /// Of which kind.
        kind: RecordKind,
        /// Its key.
        key: Box<str>,
        /// Its content; `None` deletes it.
        value: Option<Box<str>>,
    },
    /// Reads a record.
    GetRecord {
        /// Whose.
        tenant: TenantId,
        /// Of which kind.
        kind: RecordKind,
        /// Its key.
        key: Box<str>,
    },
    /// Sends one message to every device of a user.
    DeliverToUser {
        /// Whose user.
        tenant: TenantId,
        /// Who.
        user: Box<str>,
        /// Its kind.
        event: EventName,
        /// Its content.
        data: Data,
    },
    /// Forgets a channel's history and ends its subscribers, everywhere.
    Kick {
        /// Whose channel.
        tenant: TenantId,
        /// Which.
        channel: ChannelName,
    },
}

/// Kept messages, as `Command::MessagesAfter` returns them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// In id order.
    pub messages: Vec<Rc<Message>>,
    /// What could not be had, when the cursor was lost.
    pub lost: Option<Lost>,
    /// The newest id issued when this was read: a cursor that has missed nothing of what is here.
    pub newest: MessageId,
}

/// A cursor that the server cannot honour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The channels that (may) have had more than what follows.
    pub channels: Vec<ChannelName>,
    /// The cursor to go on from; every message that follows is newer.
    pub resume_from: MessageId,
}

/// Why the engine would not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The bound on channels is reached.
    TooManyChannels,
    /// The engine cannot be reached, or has too much to do.
    Unavailable,
}

/// The engine's answer to one `Command`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// To `Publish`.
    Published {
        /// The id of the last message.
        last: MessageId,
        /// Subscribers on other nodes, summed over the messages' channels. The hub counts its own.
        elsewhere: u64,
    },
    /// To `MessagesAfter`.
    Messages(Replay),
    /// To `Presence`.
    Presence {
        /// Subscribers on other nodes, anonymous ones included.
        count: u64,
        /// The users among them, each once, sorted.
        users: Vec<Box<str>>,
    },
    /// To `Counts`, in the order asked: subscribers on other nodes.
    Counts(Vec<u64>),
    /// To `GetRecord`.
    Record(Option<Box<str>>),
    /// To `DeliverToUser`: how many subscribers the user has on other nodes.
    Delivered(u64),
    /// To `Kick`: whether there was anything to forget or anybody to end.
    Kicked(bool),
    /// To `Enter`, `Leave` and `PutRecord`.
    Done,
    /// To any.
    Refused(Refusal),
}

/// What happened, in the one order in which every node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A message was published.
    Published(Rc<Message>),
    /// A message for one user's devices.
    ToUser {
        /// Whose user.
        tenant: TenantId,
        /// Who.
        user: Box<str>,
        /// Its kind.
        event: EventName,
        /// Its content.
        data: Data,
    },
    /// A channel was forgotten; its subscribers go.
    Kicked {
        /// Whose channel.
        tenant: TenantId,
        /// Which.
        channel: ChannelName,
    },
}
