//! What tables have in common that are records of one kind.

use super::{Found, Place, Row};
use crate::cometql::Error;
use crate::cometql::run::{Answer, Run};
use crate::hub::command::{Change, Command, Outcome, RecordKind};

/// Keys and contents.
pub type Records = Vec<(Box<str>, Box<str>)>;

/// Changes records, after other commands; `first_id` is told if any was changed.
pub fn write(
    mut before: Vec<Command>,
    kind: RecordKind,
    records: Records,
    change: Change,
    (place, first_id): (&Place<'_>, u64),
) -> Run {
    if records.is_empty() {
        return Run::Now(Answer::DONE);
    }
    before.push(Command::ChangeRecords { tenant: place.tenant, kind, records, change });
    let finish = move |outcome| {
        let affected_rows = changed(outcome)?;
        let insert_id = if affected_rows > 0 { first_id } else { 0 };
        Ok(Answer::Done { affected_rows, insert_id })
    };
    Run::Ask(before, Box::new(move |outcome, _| finish(outcome)))
}

/// Deletes records, after other commands. CppComet counts none.
pub fn delete(
    before: Vec<Command>,
    kind: RecordKind,
    keys: impl IntoIterator<Item = Box<str>>,
    place: &Place<'_>,
) -> Run {
    let records: Records = keys.into_iter().map(|key| (key, "".into())).collect();
    match write(before, kind, records, Change::Delete, (place, 0)) {
        Run::Ask(commands, _) => Run::Ask(commands, Box::new(|outcome, _| done(outcome))),
        nothing => nothing,
    }
}

/// Reads records into rows.
pub fn read(
    kind: RecordKind,
    keys: Option<Vec<Box<str>>>,
    place: &Place<'_>,
    row: fn(Box<str>, Box<str>) -> Row,
) -> Found {
    if keys.as_ref().is_some_and(Vec::is_empty) {
        return Found::Now(Vec::new());
    }
    let read = move |outcome| match outcome {
        Outcome::Records(records) => {
            Ok(records.into_iter().map(|(key, value)| row(key, value)).collect())
        }
        Outcome::Refused(refusal) => Err(refusal.into()),
        other => unreachable!("not an outcome of a read: {other:?}"),
    };
    let command = Command::Records { tenant: place.tenant, kind, keys };
    Found::Ask(command, Box::new(move |outcome, _| read(outcome)))
}

/// How many there were.
pub fn changed(outcome: Outcome) -> Result<u64, Error> {
    match outcome {
        Outcome::Changed(count) => Ok(count),
        Outcome::Refused(refusal) => Err(refusal.into()),
        other => unreachable!("not an outcome of a change: {other:?}"),
    }
}

/// The same, where nobody is told how many.
pub fn done(outcome: Outcome) -> Result<Answer, Error> {
    changed(outcome).map(|_| Answer::DONE)
}
