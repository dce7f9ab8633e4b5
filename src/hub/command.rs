//! What can be asked of an engine, and what comes back.
//!
//! A dialect turns text into a `Command`; the server adds a token and hands it to the engine; the
//! engine answers with an `Outcome`, at once or later, and puts what happened into its one ordered feed.

use std::rc::Rc;

use super::clock::Now;
use super::message::{Data, Message, MessageId, Personal, Sender, TenantId};
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
    /// The client that sent it.
    pub sender: Option<Sender>,
}

impl NewMessage {
    /// The message, in its place in the tenant's order and in its channel's own.
    pub fn publish(self, tenant: TenantId, id: MessageId, offset: u64, now: Now) -> Message {
        let NewMessage { channel, event, data, sender } = self;
        Message { id, offset, tenant, born: now.second(), channel, event, data, sender }
    }

    /// A word of the moment: it has no place in any order, and is not kept.
    pub fn say(self, tenant: TenantId) -> Message {
        self.publish(tenant, MessageId::default(), 0, Now::default())
    }
}

/// One message for a user, before it has an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPersonal {
    /// Who.
    pub user: Box<str>,
    /// Its kind.
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
    /// By user: the key that its browsers show.
    UserKey,
    /// By user: any text.
    UserData,
    /// By token: it is no longer good.
    RevokedToken,
    /// By channel: how many messages its log shows, as a decimal number. While it is above 0 the engine
    /// keeps so many, however old (at most `LOG_MESSAGES_MAX`).
    Log,
}

/// Most messages that a channel's log shows.
pub const LOG_MESSAGES_MAX: usize = 99;

/// How a set of records is changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// All of them are written.
    Put,
    /// Those whose key is new are written.
    PutNew,
    /// Those whose key is known are written.
    PutKnown,
    /// They are deleted; the values do not matter.
    Delete,
}

/// Who publishes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// A back end, or whoever else showed the publish key.
    Owner,
    /// A client that only the rules let publish.
    Stranger,
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
        /// Who makes the channels that do not exist yet.
        by: By,
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
    /// Changes records: all that the change is about, or none.
    ChangeRecords {
        /// Whose.
        tenant: TenantId,
        /// Of which kind.
        kind: RecordKind,
        /// Keys and contents.
        records: Vec<(Box<str>, Box<str>)>,
        /// How.
        change: Change,
    },
    /// Reads records.
    Records {
        /// Whose.
        tenant: TenantId,
        /// Of which kind.
        kind: RecordKind,
        /// Their keys; `None`: all there are.
        keys: Option<Vec<Box<str>>>,
    },
    /// Reads the newest messages of channels' logs.
    Logs {
        /// Whose.
        tenant: TenantId,
        /// Which, each at most `LOG_MESSAGES_MAX` messages.
        channels: Vec<ChannelName>,
    },
    /// Forgets what is in the logs of channels. Who resumes still gets it.
    ClearLogs {
        /// Whose.
        tenant: TenantId,
        /// Which.
        channels: Vec<ChannelName>,
    },
    /// Forgets single messages, wherever they are.
    DeleteMessages {
        /// Whose.
        tenant: TenantId,
        /// Which.
        ids: Vec<MessageId>,
    },
    /// A device of a user begins to listen. Until `Depart`, messages for the user need not wait.
    Arrive {
        /// Whose user.
        tenant: TenantId,
        /// Who.
        user: Box<str>,
        /// Which messages it wants that went before: those that nobody has had, or those after this id.
        since: Option<MessageId>,
        /// Told to those who listen now, if no other device of the user does.
        word: Option<NewMessage>,
    },
    /// A device is gone; mirrors `Arrive`.
    Depart {
        /// Whose user.
        tenant: TenantId,
        /// Who.
        user: Box<str>,
        /// What it was given and has not had: this waits again.
        unread: Vec<Rc<Personal>>,
        /// What is newer than this was on its way to it, and waits again as well.
        upto: MessageId,
        /// Told to those who listen now, if this was the last one.
        word: Option<NewMessage>,
    },
    /// Sends messages to every device of their users: all or none.
    DeliverToUsers {
        /// Whose users.
        tenant: TenantId,
        /// At least one.
        messages: Vec<NewPersonal>,
        /// Whether each waits for a device, if its user has none.
        waits: bool,
    },
    /// Reads what waits for users.
    Waiting {
        /// Whose users.
        tenant: TenantId,
        /// Who.
        users: Vec<Box<str>>,
    },
    /// Forgets what waits for users.
    ForgetWaiting {
        /// Whose users.
        tenant: TenantId,
        /// Who.
        users: Vec<Box<str>>,
    },
    /// When users were here last.
    LastSeen {
        /// Whose users.
        tenant: TenantId,
        /// Who.
        users: Vec<Box<str>>,
    },
    /// Ends every device of a user, everywhere.
    KickUser {
        /// Whose user.
        tenant: TenantId,
        /// Who.
        user: Box<str>,
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

/// When a user was here last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// Now.
    Now,
    /// Until this Unix second.
    At(u64),
    /// Never, as far as anybody remembers.
    Never,
}

/// Why the engine would not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The bound on channels is reached.
    TooManyChannels,
    /// The bound on records is reached.
    TooManyRecords,
    /// That on memory, before the engine was asked.
    Memory,
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
    /// To `Records`: those that exist, in the order asked, else by key.
    Records(Vec<(Box<str>, Box<str>)>),
    /// To `ChangeRecords`, `ClearLogs`, `DeleteMessages` and `ForgetWaiting`: how many there were.
    Changed(u64),
    /// To `Logs`: of each channel asked, oldest first.
    Logs(Vec<Vec<Rc<Message>>>),
    /// To `Arrive`.
    Arrived {
        /// Whose user, so that an answer that finds nobody can be undone.
        tenant: TenantId,
        /// Who.
        user: Box<str>,
        /// What it is to get now, in order.
        waiting: Vec<Rc<Personal>>,
        /// A cursor that has missed nothing with it.
        newest: MessageId,
    },
    /// To `Waiting`: of each user asked, in order.
    Waiting(Vec<Vec<Rc<Personal>>>),
    /// To `LastSeen`, in the order asked.
    LastSeen(Vec<Seen>),
    /// To `DeliverToUsers`: how many subscribers the users have on other nodes.
    Delivered(u64),
    /// To `Kick`: whether there was anything to forget or anybody to end.
    Kicked(bool),
    /// To `Enter`, `Leave`, `Depart` and `KickUser`.
    Done,
    /// To any.
    Refused(Refusal),
}

/// What happened, in the one order in which every node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A message was published.
    Published(Rc<Message>),
    /// A word of the moment: without an id, for those who listen now.
    Said(Rc<Message>),
    /// A message for one user's devices.
    ToUser(Rc<Personal>),
    /// All devices of a user go.
    UserKicked {
        /// Whose user.
        tenant: TenantId,
        /// Who.
        user: Box<str>,
    },
    /// A channel was forgotten; its subscribers go.
    Kicked {
        /// Whose channel.
        tenant: TenantId,
        /// Which.
        channel: ChannelName,
    },
}
