//! `users_auth`: which key makes a browser which user.

use super::{Column, Found, Place, Rows, Table, keys, number, records, required, text};
use crate::cometql::Error;
use crate::cometql::run::Run;
use crate::hub::command::{Command, RecordKind};

/// The table.
pub static TABLE: Table = Table {
    name: "users_auth",
    columns: COLUMNS,
    key: 0,
    delete_keys: &[],
    is_whole: false,
    is_listed: true,
    insert: Ok(insert),
    select: Ok(select),
    update: Ok(update),
    delete: Ok(delete),
};

const COLUMNS: &[Column] = &[number("id"), text("hash", "varchar(32)")];
const HASH_BYTES_MAX: usize = 32;

/// Whoever is connected already stays.
fn insert(rows: Rows, place: &Place<'_>) -> Result<Run, Error> {
    let (change, mut first_id, mut users) = (rows.change, 0, Vec::new());
    for [id, hash] in rows.take(&TABLE, ["id", "hash"]) {
        let id = keys::user(&required(id, "id")?, 1)?;
        let hash = required(hash, "hash")?;
        check_hash(&hash)?;
        first_id = if users.is_empty() { u64::from(id) } else { first_id };
        users.push((keys::name_of(id), hash.into()));
    }
    Ok(records::write(Vec::new(), RecordKind::UserKey, users, change, (place, first_id)))
}

fn check_hash(hash: &str) -> Result<(), Error> {
    if hash.len() > HASH_BYTES_MAX {
        return Err(Error::HashTooLong);
    }
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"=+/_".contains(&byte);
    if hash.bytes().all(is_allowed) { Ok(()) } else { Err(Error::BadHash) }
}

fn select(ids: Option<Vec<String>>, place: &Place<'_>) -> Result<Found, Error> {
    let row = |id: Box<str>, hash: Box<str>| vec![id.into(), hash.into()];
    Ok(records::read(RecordKind::UserKey, ids.map(keys::users), place, row))
}

fn update(rows: Rows, ids: Vec<String>, place: &Place<'_>) -> Result<Run, Error> {
    let change = rows.change;
    let hashes = rows.take(&TABLE, ["hash"]).map(|[hash]| required(hash, "hash"));
    let hash = hashes.last().unwrap_or(Err(Error::Required("hash")))?;
    check_hash(&hash)?;
    let users = keys::users(ids).into_iter().map(|id| (id, hash.as_str().into())).collect();
    Ok(records::write(Vec::new(), RecordKind::UserKey, users, change, (place, 0)))
}

/// Their devices go too.
fn delete(_: usize, ids: Vec<String>, place: &Place<'_>) -> Result<Run, Error> {
    let users = keys::users(ids);
    Ok(records::delete(kicks(&users, place), RecordKind::UserKey, users, place))
}

/// Ends all devices of users.
pub fn kicks(users: &[Box<str>], place: &Place<'_>) -> Vec<Command> {
    let tenant = place.tenant;
    users.iter().map(|user| Command::KickUser { tenant, user: user.clone() }).collect()
}
