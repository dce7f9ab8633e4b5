//! `users_data`: a text about each user, for every browser to read.

use super::{Column, Found, Place, Rows, Table, keys, number, records, required, required_message};
use crate::cometql::Error;
use crate::cometql::run::Run;
use crate::hub::command::RecordKind;

/// The table.
pub static TABLE: Table = Table {
    name: "users_data",
    columns: COLUMNS,
    key: 0,
    delete_keys: &[],
    is_whole: false,
    is_listed: false,
    insert: Ok(insert),
    select: Ok(select),
    update: Ok(update),
    delete: Ok(delete),
};

const COLUMNS: &[Column] = &[number("id"), super::text("data", "text")];
const DATA_BYTES_MAX: usize = 65_535;

fn insert(rows: Rows, place: &Place<'_>) -> Result<Run, Error> {
    let (change, mut first_id, mut users) = (rows.change, 0, Vec::new());
    for [id, data] in rows.take(&TABLE, ["id", "data"]) {
        let id = keys::user(&required(id, "id")?, 1)?;
        let data = required_message(data, "data")?;
        check_data(&data)?;
        first_id = if users.is_empty() { u64::from(id) } else { first_id };
        users.push((keys::name_of(id), data.into()));
    }
    Ok(records::write(Vec::new(), RecordKind::UserData, users, change, (place, first_id)))
}

fn check_data(data: &str) -> Result<(), Error> {
    if data.len() > DATA_BYTES_MAX {
        return Err(Error::ValueTooLong { column: "data", bytes_max: DATA_BYTES_MAX });
    }
    Ok(())
}

fn select(ids: Option<Vec<String>>, place: &Place<'_>) -> Result<Found, Error> {
    let row = |id: Box<str>, data: Box<str>| vec![id.into(), data.into()];
    Ok(records::read(RecordKind::UserData, ids.map(keys::users), place, row))
}

fn update(rows: Rows, ids: Vec<String>, place: &Place<'_>) -> Result<Run, Error> {
    let change = rows.change;
    let texts = rows.take(&TABLE, ["data"]).map(|[data]| required_message(data, "data"));
    let data = texts.last().unwrap_or(Err(Error::Required("data")))?;
    check_data(&data)?;
    let users = keys::users(ids).into_iter().map(|id| (id, data.as_str().into())).collect();
    Ok(records::write(Vec::new(), RecordKind::UserData, users, change, (place, 0)))
}

fn delete(_: usize, ids: Vec<String>, place: &Place<'_>) -> Result<Run, Error> {
    Ok(records::delete(Vec::new(), RecordKind::UserData, keys::users(ids), place))
}
