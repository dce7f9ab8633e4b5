//! `conference`, `conference_members` and `dialogs`: in CppComet the front of a telephone exchange, which
//! is not here. They answer as a CppComet that has none does.

use super::{Column, Table, empty, number, text};
use crate::cometql::Error;

const CONFERENCE_COLUMNS: &[Column] = &[
    text("name", "varchar(64)"),
    number("user_id"),
    number("caller_id"),
    text("message", "text"),
    text("profile", "varchar(64)"),
    text("stream", "varchar(64)"),
    text("node", "varchar(64)"),
];

/// Calls.
pub static CONFERENCE: Table = of_exchange("conference", CONFERENCE_COLUMNS);

const MEMBERS_COLUMNS: &[Column] =
    &[text("name", "varchar(64)"), number("user_id"), number("join_time"), number("last_talking")];

/// Who is in them.
pub static CONFERENCE_MEMBERS: Table = of_exchange("conference_members", MEMBERS_COLUMNS);

const fn of_exchange(name: &'static str, columns: &'static [Column]) -> Table {
    Table {
        name,
        columns,
        key: 0,
        delete_keys: &[],
        is_whole: true,
        is_listed: false,
        insert: Err(Error::NoMediaServer),
        select: Ok(empty),
        update: Err(Error::NoMediaServer),
        delete: Err(Error::NoMediaServer),
    }
}

const DIALOGS_NAME: &str = "dialogs";

/// Never finished in CppComet.
pub static DIALOGS: Table = Table {
    name: DIALOGS_NAME,
    columns: &[],
    key: 0,
    delete_keys: &[],
    is_whole: true,
    is_listed: false,
    insert: Err(Error::NotReady(DIALOGS_NAME)),
    select: Err(Error::NotReady(DIALOGS_NAME)),
    update: Err(Error::NotReady(DIALOGS_NAME)),
    delete: Err(Error::NotReady(DIALOGS_NAME)),
};
