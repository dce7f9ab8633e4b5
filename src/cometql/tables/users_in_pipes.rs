//! `users_in_pipes`: who listens here to each pipe. Read only.

use super::{Column, Found, Place, Row, Table, keys, number, text};
use crate::cometql::{Error, Member};

const NAME: &str = "users_in_pipes";
const COLUMNS: &[Column] = &[
    text("name", "varchar(64)"),
    number("user_id"),
    text("user_uuid", "varchar(32)"),
    text("user_agent", "varchar(250)"),
    text("ip", "varchar(64)"),
    text("origin", "varchar(250)"),
    text("language", "varchar(64)"),
];
/// Most rows of one answer. How many there are in all, `pipes` says.
const ROWS_MAX: usize = 10_000;

/// The table.
pub static TABLE: Table = Table::read_only(NAME, COLUMNS, select);

fn select(names: Option<Vec<String>>, place: &Place<'_>) -> Result<Found, Error> {
    let mut rows = Vec::new();
    for name in keys::pipes(names.unwrap_or_default()) {
        let members = place.view.members(place.tenant, &name, ROWS_MAX - rows.len());
        rows.extend(members.into_iter().map(|member| row(&name, member)));
        if rows.len() >= ROWS_MAX {
            break;
        }
    }
    Ok(Found::Now(rows))
}

/// Who is nobody has the number 0.
fn row(pipe: &str, member: Member) -> Row {
    let Member { user, uuid, agent, address, origin, language } = member;
    let user = if user.is_empty() { "0".into() } else { user.into() };
    vec![pipe.to_owned(), user, uuid, agent.into(), address, origin.into(), language.into()]
}
