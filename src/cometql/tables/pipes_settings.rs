//! `pipes_settings`: how many messages each pipe's log shows. A log is on while that is above 0.

use super::{Column, Found, Place, Rows, Table, keys, number, records, required, text};
use crate::cometql::Error;
use crate::cometql::literal::Literal;
use crate::cometql::run::Run;
use crate::hub::command::{Command, RecordKind};

/// The table.
pub static TABLE: Table = Table {
    name: "pipes_settings",
    columns: COLUMNS,
    key: 0,
    delete_keys: &[],
    is_whole: true,
    is_listed: true,
    insert: Ok(insert),
    select: Ok(select),
    update: Ok(update),
    delete: Ok(delete),
};

const COLUMNS: &[Column] = &[text("name", "varchar(64)"), number("length")];
const LENGTH_DEFAULT: i32 = 0;

fn insert(rows: Rows, place: &Place<'_>) -> Result<Run, Error> {
    let (change, mut settings) = (rows.change, Vec::new());
    for [name, length] in rows.take(&TABLE, ["name", "length"]) {
        let name = keys::pipe(&required(name, "name")?)?;
        let length = length.map_or(Ok(LENGTH_DEFAULT), parse_length)?;
        settings.push(((*name).into(), length.to_string().into()));
    }
    Ok(records::write(Vec::new(), RecordKind::Log, settings, change, (place, 0)))
}

fn parse_length(length: Literal) -> Result<i32, Error> {
    let text = length.text().ok_or(Error::NotLiteral("length"))?;
    text.parse().map_err(|_| Error::NotNumber("length"))
}

fn select(names: Option<Vec<String>>, place: &Place<'_>) -> Result<Found, Error> {
    let row = |name: Box<str>, length: Box<str>| vec![name.into(), length.into()];
    Ok(records::read(RecordKind::Log, names.map(valid), place, row))
}

fn valid(names: Vec<String>) -> Vec<Box<str>> {
    keys::pipes(names).iter().map(|name| (**name).into()).collect()
}

fn update(rows: Rows, names: Vec<String>, place: &Place<'_>) -> Result<Run, Error> {
    let change = rows.change;
    let lengths = rows.take(&TABLE, ["length"]).map(|[length]| length.map(parse_length));
    let length = lengths.last().flatten().unwrap_or(Err(Error::Required("length")))?;
    let setting = |name: Box<str>| (name, length.to_string().into());
    let settings = valid(names).into_iter().map(setting).collect();
    Ok(records::write(Vec::new(), RecordKind::Log, settings, change, (place, 0)))
}

/// What a log has is forgotten with its setting.
fn delete(_: usize, names: Vec<String>, place: &Place<'_>) -> Result<Run, Error> {
    let channels = keys::pipes(names);
    let names: Vec<Box<str>> = channels.iter().map(|name| (**name).into()).collect();
    let clear = Command::ClearLogs { tenant: place.tenant, channels };
    Ok(records::delete(vec![clear], RecordKind::Log, names, place))
}
