//! `users_time`: when users were here last. Read only.

use super::{Column, Found, Place, Table, keys, number};
use crate::cometql::Error;
use crate::hub::command::{Command, Outcome, Seen};

const NAME: &str = "users_time";
const COLUMNS: &[Column] = &[number("id"), number("time")];

/// The table.
pub static TABLE: Table = Table::read_only(NAME, COLUMNS, select);

/// A row for every user asked, known or not.
fn select(ids: Option<Vec<String>>, place: &Place<'_>) -> Result<Found, Error> {
    let users = keys::users(ids.unwrap_or_default());
    if users.is_empty() {
        return Ok(Found::Now(Vec::new()));
    }
    let asked = users.clone();
    let read = move |outcome| match outcome {
        Outcome::LastSeen(seen) => Ok(asked
            .iter()
            .zip(seen)
            .map(|(user, seen)| vec![user.to_string(), time(seen)])
            .collect()),
        Outcome::Refused(refusal) => Err(refusal.into()),
        other => unreachable!("not when users were seen: {other:?}"),
    };
    let command = Command::LastSeen { tenant: place.tenant, users };
    Ok(Found::Ask(command, Box::new(move |outcome, _| read(outcome))))
}

fn time(seen: Seen) -> String {
    match seen {
        Seen::Now => "0".into(),
        Seen::At(second) => second.to_string(),
        Seen::Never => "-1".into(),
    }
}
