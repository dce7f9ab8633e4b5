//! `revoked_tokens`: tokens that are no longer good.

use super::{Column, Found, Place, Rows, Table, keys, records, required, text, users_auth};
use crate::cometql::Error;
use crate::cometql::run::Run;
use crate::hub::command::{Change, Command, RecordKind};
use crate::proto::jwt::comet_user;

/// The table.
pub static TABLE: Table = Table {
    name: "revoked_tokens",
    columns: COLUMNS,
    key: 0,
    delete_keys: &[],
    is_whole: true,
    is_listed: false,
    insert: Ok(insert),
    select: Ok(select),
    update: Err(Error::NoUpdate("revoked_tokens")),
    delete: Ok(delete),
};

const COLUMNS: &[Column] = &[text("token", "varchar(600)")];
/// Longest token, in bytes.
const TOKEN_BYTES_MAX: usize = 600;
/// What CppComet says to everybody who revokes a token.
const INSERT_ID: u64 = 1;

/// Whose token is good until now loses its key too, and its devices go.
fn insert(rows: Rows, place: &Place<'_>) -> Result<Run, Error> {
    let (change, mut tokens, mut users) = (rows.change, Vec::new(), Vec::new());
    for [token] in rows.take(&TABLE, ["token"]) {
        let token = required(token, "token")?;
        if token.is_empty() {
            return Err(Error::Required("token"));
        }
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Error::ValueTooLong { column: "token", bytes_max: TOKEN_BYTES_MAX });
        }
        // Without a password nothing is a token: everybody could sign with none.
        let user = place.password.filter(|password| !password.is_empty()).and_then(|password| {
            comet_user(token.as_bytes(), password, place.dev_id, place.unix_second)
        });
        users.extend(user.map(keys::name_of));
        tokens.push((token.into(), "".into()));
    }
    let mut before = Vec::new();
    if !users.is_empty() {
        let kind = RecordKind::UserKey;
        let records = users.iter().map(|user| (user.clone(), "".into())).collect();
        let (tenant, change) = (place.tenant, Change::Delete);
        before.push(Command::ChangeRecords { tenant, kind, records, change });
        before.extend(users_auth::kicks(&users, place));
    }
    Ok(records::write(before, RecordKind::RevokedToken, tokens, change, (place, INSERT_ID)))
}

fn select(tokens: Option<Vec<String>>, place: &Place<'_>) -> Result<Found, Error> {
    let keys = tokens.map(|tokens| tokens.into_iter().map(Into::into).collect());
    Ok(records::read(RecordKind::RevokedToken, keys, place, |token, _| vec![token.into()]))
}

fn delete(_: usize, tokens: Vec<String>, place: &Place<'_>) -> Result<Run, Error> {
    let keys = tokens.into_iter().map(Into::into);
    Ok(records::delete(Vec::new(), RecordKind::RevokedToken, keys, place))
}
