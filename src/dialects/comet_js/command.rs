//! What a client asks: a text whose first line names the command.
//!
//! | first line | then, line by line | of |
//! |---|---|---|
//! | `subscription` | every channel that it wants, instead of those before | all |
//! | `web_pipe2` | channel, event, one character, JSON to the end | all |
//! | `pipe_count` | channel, marker | all |
//! | `pipe_log` | channel, marker | all |
//! | `track_pipe_users` | channel, marker | all |
//! | `user_data` | marker, user | 4 and later |
//! | `user_status` | user | hand-made clients |
//! | `statistics`, `cgi_call`, `CometQL_call` | anything; swallowed | all |
//!
//! Anything else ends the connection without a word. For a command that cannot be done, [`Refused`]
//! says which error frames answer it and whether the connection goes on. Which channels may be
//! published to, counted or listed is for the server to decide; the words for its refusals are
//! [`Complaint`]s, too. Newlines behind the last argument mean nothing, as clients differ in them; but
//! behind the data of a publish they are data.

use super::NAME_BYTES_MAX;
use super::connect::{USER_MAX, is_name_byte};
use crate::hub::message::Data;
use crate::hub::names::{ChannelName, EventName};

/// Longest marker, in bytes; a client's own have ten digits.
pub const MARKER_BYTES_MAX: usize = 64;
/// The bytes that each name of a full subscription may take, with what separates them.
const BYTES_PER_NAME: usize = NAME_BYTES_MAX + 4;

/// What a client asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// To listen to these channels and no others.
    Subscribe {
        /// Each once, at most as many as a connection may have.
        channels: Vec<ChannelName>,
        /// There were more.
        complaint: Option<Complaint>,
    },
    /// To tell a channel's other subscribers something.
    Publish(Publish),
    /// How many listen to a channel.
    Count(Ask),
    /// What a channel keeps.
    History(Ask),
    /// Who listens to a channel.
    Members(Ask),
    /// What is stored about a user.
    UserData {
        /// Whom; at most `USER_MAX`.
        user: u32,
        /// Comes back with the answer.
        marker: Box<str>,
    },
    /// When a user was last there.
    UserStatus {
        /// Who; at most `USER_MAX`.
        user: u32,
    },
    /// Nothing.
    Ignored,
    /// Something that cannot be done.
    Refused(Refused),
}

/// A message from a browser.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Publish {
    /// Where to; any name, allowed or not.
    pub channel: ChannelName,
    /// As what; often the text `undefined`, which is what the client writes for an event not given.
    pub event: EventName,
    /// Whether others are not to learn who sent it.
    pub hidden: bool,
    /// What.
    pub data: Data,
}

/// A question about one channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ask {
    /// Any name, allowed or not.
    pub channel: ChannelName,
    /// Comes back with the answer; at most `MARKER_BYTES_MAX` of the characters of names, or none.
    pub marker: Box<str>,
}

/// No command begins so: the connection ends without a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownCommand;

/// A command that gets one or two error frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// What is wrong.
    pub complaint: Complaint,
    /// What that means for the command, where the client is told.
    pub then: Option<Complaint>,
    /// Whether the connection ends behind them.
    pub closes: bool,
}

impl Refused {
    /// All error frames, in order.
    pub fn complaints(self) -> impl Iterator<Item = Complaint> {
        [Some(self.complaint), self.then].into_iter().flatten()
    }
}

impl From<Complaint> for Refused {
    fn from(complaint: Complaint) -> Refused {
        Refused { complaint, then: None, closes: false }
    }
}

/// What an error frame complains of. Those marked "server's" are never found here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Complaint {
    /// A subscription to a name over 64 bytes.
    SubscribedNameTooLong,
    /// A subscription to too many channels, or too long a text of them.
    TooManyNames,
    /// A publish to `webauth_…` by nobody in particular: server's.
    NotAuthorized,
    /// A publish to what browsers may not publish to.
    NotForBrowsers,
    /// A channel's name with other characters.
    NameCharacter,
    /// A channel's name that is empty or over 64 bytes.
    NameLength,
    /// An event with other characters.
    EventCharacter,
    /// An event over 64 bytes.
    EventLength,
    /// The line before the data is not one character.
    AuthType,
    /// A channel that browsers may not count: server's.
    NotCounted,
    /// What follows a bad name in `pipe_count`.
    CountName,
    /// What follows a bad name in `pipe_log`.
    HistoryName,
    /// A marker too long, or with other characters.
    Marker,
    /// A channel whose members browsers may not list: server's, or a bad name.
    NotTracked,
    /// A user who is not a number.
    User,
    /// More commands a second than one client may send: server's.
    TooFast,
    /// No memory is left for it: server's.
    NoMemory,
}

impl Complaint {
    /// The data of the error frame, JSON.
    pub fn data(self) -> &'static str {
        match self {
            Complaint::SubscribedNameTooLong => {
                r#"{"code":"403","error":"Channel name is too long"}"#
            }
            Complaint::TooManyNames => r#"{"code":"403","error":"Too many letters"}"#,
            Complaint::TooFast => {
                r#"{"number_messages":-1,"code":"429","error":"Too many messages a second"}"#
            }
            Complaint::NoMemory => {
                r#"{"number_messages":-1,"code":"503","error":"No memory is left for this: try again later"}"#
            }
            Complaint::NotAuthorized => concat!(
                r#"{"number_messages":-1,"error":"[webauth_pipe_msg2] Invalid user auth. In to "#,
                r#"channel with name like webauth_* can not send messages anonim users"}"#
            ),
            Complaint::NotForBrowsers => concat!(
                r#"{"number_messages":-1,"error":"[pipe_msg2] Invalid channel name. "#,
                r#"The channel should begin with web_"}"#
            ),
            Complaint::NameCharacter => concat!(
                r#"{"number_messages":-1,"#,
                r#""error":"The channel name can only contain characters A-Za-z0-9_-"}"#
            ),
            Complaint::NameLength => r#"{"number_messages":-1,"error":"Invalid pipe name length"}"#,
            Complaint::EventCharacter => {
                r#"{"error":"The event name can only contain characters A-Za-z0-9_-"}"#
            }
            Complaint::EventLength => r#"{"error":"Invalid event name length"}"#,
            Complaint::AuthType => r#"{"number_messages":-1,"error":"Invalid value auth_type"}"#,
            Complaint::NotCounted => concat!(
                r#"{"number_messages":-1,"error":"[pipe_count] Invalid channel name. "#,
                r#"The channel should start with web_"}"#
            ),
            Complaint::CountName => r#"{"number_messages":-1,"error":"Invalid pipe name."}"#,
            Complaint::HistoryName => r#"{"number_messages":-1,"error":"Invalid channel name."}"#,
            Complaint::Marker => r#"{"number_messages":-1,"error":"Invalid marker value."}"#,
            Complaint::NotTracked => concat!(
                r#"{"user_id":-1,"error":"[track_pipe_users] Invalid channel name. "#,
                r#"The channel should start with track_"}"#
            ),
            Complaint::User => r#"{"user_id":-1,"user_data":"","error":"Invalid user id"}"#,
        }
    }
}

/// Understands one command. `names_max` is how many channels a connection may have.
pub fn parse(text: &str, names_max: usize) -> Result<Command, UnknownCommand> {
    let (name, rest) = text.split_once('\n').unwrap_or((text, ""));
    let command = match name {
        "subscription" => subscription(rest, names_max),
        "web_pipe2" => publish(rest).map(Command::Publish),
        "pipe_count" => ask(rest, Some(Complaint::CountName)).map(Command::Count),
        "pipe_log" => ask(rest, Some(Complaint::HistoryName)).map(Command::History),
        "track_pipe_users" => members(rest).map(Command::Members),
        "user_data" => user_data(rest),
        "user_status" => user(rest).map(|user| Command::UserStatus { user }),
        "statistics" | "cgi_call" | "CometQL_call" => Ok(Command::Ignored),
        _ => return Err(UnknownCommand),
    };
    Ok(command.unwrap_or_else(Command::Refused))
}

/// Any other byte separates names; one of a single character ends the list without a word.
fn subscription(list: &str, names_max: usize) -> Result<Command, Refused> {
    let ending = |complaint| Refused { complaint, then: None, closes: true };
    if list.len() > names_max.saturating_mul(BYTES_PER_NAME) {
        return Err(ending(Complaint::TooManyNames));
    }
    let names = list.as_bytes().split(|&byte| !is_name_byte(byte)).filter(|name| !name.is_empty());
    let mut channels: Vec<ChannelName> = Vec::new();
    for name in names.take_while(|name| name.len() > 1) {
        let name = checked_name(name).map_err(|_| ending(Complaint::SubscribedNameTooLong))?;
        if channels.contains(&name) {
            continue;
        }
        if channels.len() >= names_max {
            let complaint = Some(Complaint::TooManyNames);
            return Ok(Command::Subscribe { channels, complaint });
        }
        channels.push(name);
    }
    Ok(Command::Subscribe { channels, complaint: None })
}

fn publish(text: &str) -> Result<Publish, Refused> {
    let mut lines = text.splitn(4, '\n');
    let name = lines.next().unwrap_or_default();
    let unhidden = name.strip_prefix('@').filter(|name| name.starts_with("web_"));
    let channel = match checked_name(unhidden.unwrap_or(name).as_bytes()) {
        Ok(channel) => channel,
        // How a name begins is asked first; of a good name, by the server.
        Err(_) if unhidden.is_none() && !is_for_browsers(name) => {
            return Err(Complaint::NotForBrowsers.into());
        }
        Err(complaint) => return Err(complaint.into()),
    };
    let event = checked_event(lines.next().unwrap_or_default())?;
    // Once it said who may send; all clients send `*`.
    let auth_type = lines.next().unwrap_or_default();
    if auth_type.chars().count() != 1 {
        return Err(Complaint::AuthType.into());
    }
    let data = Data::text(lines.next().unwrap_or_default());
    Ok(Publish { channel, event, hidden: unhidden.is_some(), data })
}

fn is_for_browsers(name: &str) -> bool {
    name.starts_with("web_") || name.starts_with("webauth_")
}

/// Channel and marker. `then` is told behind what is wrong with the name.
fn ask(text: &str, then: Option<Complaint>) -> Result<Ask, Refused> {
    let text = text.trim_end_matches('\n');
    let (name, marker) = text.split_once('\n').unwrap_or((text, ""));
    let bad_name = |complaint| Refused { complaint, then, closes: false };
    let channel = checked_name(name.as_bytes()).map_err(bad_name)?;
    Ok(Ask { channel, marker: checked_marker(marker)? })
}

fn members(text: &str) -> Result<Ask, Refused> {
    match ask(text, None) {
        Err(_) if !text.starts_with("track_") => Err(Complaint::NotTracked.into()),
        asked => asked,
    }
}

fn user_data(text: &str) -> Result<Command, Refused> {
    let (marker, number) = text.split_once('\n').ok_or(Complaint::User)?;
    let marker = checked_marker(marker)?;
    Ok(Command::UserData { user: user(number)?, marker })
}

fn user(text: &str) -> Result<u32, Refused> {
    let digits = text.trim_end_matches('\n');
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let user = digits.parse().ok().filter(|&user| is_number && user <= USER_MAX);
    Ok(user.ok_or(Complaint::User)?)
}

fn checked_name(name: &[u8]) -> Result<ChannelName, Complaint> {
    if !name.iter().all(|&byte| is_name_byte(byte)) {
        return Err(Complaint::NameCharacter);
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(Complaint::NameLength);
    }
    ChannelName::new(name).map_err(|_| Complaint::NameLength)
}

fn checked_event(name: &str) -> Result<EventName, Complaint> {
    if !name.bytes().all(is_name_byte) {
        return Err(Complaint::EventCharacter);
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(Complaint::EventLength);
    }
    EventName::new(name).map_err(|_| Complaint::EventCharacter)
}

fn checked_marker(marker: &str) -> Result<Box<str>, Complaint> {
    let is_good = marker.len() <= MARKER_BYTES_MAX && marker.bytes().all(is_name_byte);
    if is_good { Ok(marker.into()) } else { Err(Complaint::Marker) }
}
