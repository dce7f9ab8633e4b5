//! `users_messages`: an INSERT is for all devices of one user, and waits if there is none.

use super::{
    Column, Found, Place, Row, Rows, Table, keys, number, records, required, required_message, text,
};
use crate::cometql::Error;
use crate::cometql::run::{Answer, Run};
use crate::hub::command::{Command, NewPersonal, Outcome};
use crate::hub::message::{Data, Personal};

/// The table. What an INSERT gives for `index` is ignored.
pub static TABLE: Table = Table {
    name: "users_messages",
    columns: COLUMNS,
    key: 0,
    delete_keys: &[],
    is_whole: false,
    is_listed: true,
    insert: Ok(insert),
    select: Ok(select),
    update: Err(Error::NoUpdate("users_messages")),
    delete: Ok(delete),
};

const COLUMNS: &[Column] =
    &[number("id"), number("index"), text("event", "varchar(64)"), text("message", "text")];

/// All rows are sent, or none.
fn insert(rows: Rows, place: &Place<'_>) -> Result<Run, Error> {
    let (mut first_id, mut messages) = (0, Vec::new());
    for [id, event, message] in rows.take(&TABLE, ["id", "event", "message"]) {
        let id = keys::user(&required(id, "id")?, 0)?;
        let event = keys::event(&required(event, "event")?)?;
        let message = required_message(message, "message")?;
        let bytes_max = place.limits.message_bytes_max;
        if message.len() > bytes_max {
            return Err(Error::ValueTooLong { column: "message", bytes_max });
        }
        first_id = if messages.is_empty() { u64::from(id) } else { first_id };
        messages.push(NewPersonal { user: keys::name_of(id), event, data: Data::text(&message) });
    }
    let command = Command::DeliverToUsers { tenant: place.tenant, messages, waits: true };
    let finish = move |outcome| match outcome {
        Outcome::Delivered(_) => Ok(Answer::Done { affected_rows: 0, insert_id: first_id }),
        Outcome::Refused(refusal) => Err(refusal.into()),
        other => unreachable!("not an outcome of a delivery: {other:?}"),
    };
    Ok(Run::Ask(vec![command], Box::new(move |outcome, _| finish(outcome))))
}

/// What waits, oldest first.
fn select(ids: Option<Vec<String>>, place: &Place<'_>) -> Result<Found, Error> {
    let users = keys::users(ids.unwrap_or_default());
    if users.is_empty() {
        return Ok(Found::Now(Vec::new()));
    }
    let read = |outcome| match outcome {
        Outcome::Waiting(queues) => {
            let rows = |queue: &Vec<_>| queue.iter().enumerate().map(row).collect::<Vec<_>>();
            Ok(queues.iter().flat_map(rows).collect())
        }
        Outcome::Refused(refusal) => Err(refusal.into()),
        other => unreachable!("not what waits for users: {other:?}"),
    };
    let command = Command::Waiting { tenant: place.tenant, users };
    Ok(Found::Ask(command, Box::new(move |outcome, _| read(outcome))))
}

fn row((index, message): (usize, &std::rc::Rc<Personal>)) -> Row {
    let content = String::from_utf8_lossy(message.data.as_bytes()).into_owned();
    vec![message.user.to_string(), index.to_string(), message.event.to_string(), content]
}

fn delete(_: usize, ids: Vec<String>, place: &Place<'_>) -> Result<Run, Error> {
    let users = keys::users(ids);
    if users.is_empty() {
        return Ok(Run::Now(Answer::DONE));
    }
    let command = Command::ForgetWaiting { tenant: place.tenant, users };
    Ok(Run::Ask(vec![command], Box::new(|outcome, _| records::done(outcome))))
}
