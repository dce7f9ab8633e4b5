//! `pipes_messages`: an INSERT publishes to the subscribers of a pipe.

use super::{Place, Rows, Table};
use crate::cometql::Error;
use crate::cometql::literal::Literal;
use crate::cometql::run::{Answer, Run};
use crate::hub::command::{Command, NewMessage, Outcome, Refusal};
use crate::hub::message::Data;
use crate::hub::names::{ChannelName, EventName};

/// The table. All columns but name, event and message are the server's to fill; what an INSERT
/// gives them is ignored.
pub const TABLE: Table = Table {
    name: "pipes_messages",
    columns: &["id", "time", "name", "index", "event", "message", "user_id"],
    insert: Some(insert),
};

const NAME_BYTES_MIN: usize = 3;
const NAME_BYTES_MAX: usize = 64;
const EVENT_BYTES_MAX: usize = 64;

/// All rows are published together, or none.
fn insert(rows: Rows, place: &Place<'_>) -> Result<Run, Error> {
    let name = rows.position(&TABLE, "name")?;
    let event = rows.position(&TABLE, "event")?;
    let message = rows.position(&TABLE, "message")?;
    let mut messages = Vec::with_capacity(rows.rows.len());
    for mut row in rows.rows {
        let mut take = |position: usize| std::mem::replace(&mut row[position], Literal::Expression);
        messages.push(NewMessage {
            channel: channel(take(name).text().ok_or(Error::NotLiteral("name"))?)?,
            event: event_name(take(event).text().ok_or(Error::NotLiteral("event"))?)?,
            data: data(
                take(message).message().ok_or(Error::NotLiteral("message"))?,
                place.limits.message_bytes_max,
            )?,
            sender: None,
        });
    }
    let command = Command::Publish { tenant: place.tenant, messages, idempotency_key: None };
    Ok(Run::Ask(vec![command], Box::new(|outcome, _| published(&outcome))))
}

/// CppComet answers an INSERT into this table with no affected row and no id.
fn published(outcome: &Outcome) -> Result<Answer, Error> {
    match outcome {
        Outcome::Refused(Refusal::TooManyChannels) => Err(Error::TooManyChannels),
        Outcome::Refused(_) => Err(Error::Unavailable),
        Outcome::Published { .. } => Ok(Answer::DONE),
        other => unreachable!("not an outcome of a publish: {other:?}"),
    }
}

fn channel(name: String) -> Result<ChannelName, Error> {
    if name.len() < NAME_BYTES_MIN {
        return Err(Error::NameTooShort);
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(Error::NameTooLong);
    }
    check_characters(&name)?;
    // Narrower than the hub's own rule, so this cannot fail.
    ChannelName::new(name.as_bytes()).map_err(|_| Error::BadCharacter)
}

fn event_name(event: String) -> Result<EventName, Error> {
    if event.len() > EVENT_BYTES_MAX {
        return Err(Error::EventTooLong);
    }
    check_characters(&event)?;
    EventName::new(&event).map_err(|_| Error::BadCharacter)
}

fn check_characters(name: &str) -> Result<(), Error> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if name.bytes().all(is_allowed) { Ok(()) } else { Err(Error::BadCharacter) }
}

fn data(message: String, bytes_max: usize) -> Result<Data, Error> {
    if message.len() > bytes_max {
        return Err(Error::MessageTooLong(bytes_max));
    }
    Ok(Data::text(&message))
}
