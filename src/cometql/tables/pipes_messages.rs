//! `pipes_messages`: an INSERT publishes to the subscribers of a pipe, a SELECT shows its log.

use std::rc::Rc;

use super::{
    Column, Found, Kind, Place, Row, Rows, Table, keys, number, records, required,
    required_message, text,
};
use crate::cometql::Error;
use crate::cometql::run::{Answer, Run};
use crate::hub::command::{By, Command, NewMessage, Outcome};
use crate::hub::message::{Data, Message};

/// The table. All columns but name, event and message are the server's to fill; what an INSERT
/// gives them is ignored.
pub static TABLE: Table = Table {
    name: "pipes_messages",
    columns: COLUMNS,
    key: NAME,
    delete_keys: &[ID],
    is_whole: false,
    is_listed: true,
    insert: Ok(insert),
    select: Ok(select),
    update: Err(Error::NoUpdate("pipes_messages")),
    delete: Ok(delete),
};

const ID: usize = 0;
const NAME: usize = 2;
const COLUMNS: &[Column] = &[
    Column { name: "id", kind: Kind::MessageId, sql_type: "varchar(32)" },
    number("time"),
    text("name", "varchar(64)"),
    number("index"),
    text("event", "varchar(64)"),
    text("message", "text"),
    number("user_id"),
];

/// All rows are published together, or none.
fn insert(rows: Rows, place: &Place<'_>) -> Result<Run, Error> {
    let mut messages = Vec::with_capacity(rows.rows.len());
    for [name, event, message] in rows.take(&TABLE, ["name", "event", "message"]) {
        messages.push(NewMessage {
            channel: keys::pipe(&required(name, "name")?)?,
            event: keys::event(&required(event, "event")?)?,
            data: data(&required_message(message, "message")?, place.limits.message_bytes_max)?,
            sender: None,
        });
    }
    let (tenant, by) = (place.tenant, By::Owner);
    let command = Command::Publish { tenant, messages, by, idempotency_key: None };
    Ok(Run::Ask(vec![command], Box::new(|outcome, _| published(outcome))))
}

fn data(message: &str, bytes_max: usize) -> Result<Data, Error> {
    if message.len() > bytes_max {
        return Err(Error::ValueTooLong { column: "message", bytes_max });
    }
    Ok(Data::text(message))
}

/// CppComet answers an INSERT into this table with no affected row and no id.
fn published(outcome: Outcome) -> Result<Answer, Error> {
    match outcome {
        Outcome::Published { .. } => Ok(Answer::DONE),
        Outcome::Refused(refusal) => Err(refusal.into()),
        other => unreachable!("not an outcome of a publish: {other:?}"),
    }
}

/// Oldest first in each pipe.
fn select(names: Option<Vec<String>>, place: &Place<'_>) -> Result<Found, Error> {
    let channels = keys::pipes(names.unwrap_or_default());
    if channels.is_empty() {
        return Ok(Found::Now(Vec::new()));
    }
    let read = |outcome| match outcome {
        Outcome::Logs(logs) => Ok(logs.iter().flatten().enumerate().map(row).collect()),
        Outcome::Refused(refusal) => Err(refusal.into()),
        other => unreachable!("not logs: {other:?}"),
    };
    let command = Command::Logs { tenant: place.tenant, channels };
    Ok(Found::Ask(command, Box::new(move |outcome, _| read(outcome))))
}

/// The index is the row's place in the whole result.
fn row((index, message): (usize, &Rc<Message>)) -> Row {
    vec![
        message.id.to_string(),
        message.id.second.to_string(),
        message.channel.to_string(),
        index.to_string(),
        message.event.to_string(),
        String::from_utf8_lossy(message.data.as_bytes()).into_owned(),
        message.sender.and_then(|sender| sender.user).unwrap_or(0).to_string(),
    ]
}

/// By name the whole log, by id single messages.
fn delete(column: usize, values: Vec<String>, place: &Place<'_>) -> Result<Run, Error> {
    let tenant = place.tenant;
    let command = if column == ID {
        let ids: Vec<_> = values.iter().filter_map(|id| id.parse().ok()).collect();
        (!ids.is_empty()).then_some(Command::DeleteMessages { tenant, ids })
    } else {
        let channels = keys::pipes(values);
        (!channels.is_empty()).then_some(Command::ClearLogs { tenant, channels })
    };
    Ok(command.map_or(Run::Now(Answer::DONE), |command| {
        Run::Ask(vec![command], Box::new(|outcome, _| records::done(outcome)))
    }))
}
