//! `profiler`: in CppComet how long its parts took. Here it is always empty: `/metrics` says more.

use super::{Column, Table, empty, number, text};
use crate::cometql::Error;

const NAME: &str = "profiler";
const COLUMNS: &[Column] = &[text("tag", "varchar(64)"), number("time"), number("calls")];

/// The table.
pub static TABLE: Table = Table {
    name: NAME,
    columns: COLUMNS,
    key: 0,
    delete_keys: &[],
    is_whole: true,
    is_listed: false,
    insert: Err(Error::ReadOnly(NAME)),
    select: Ok(empty),
    update: Err(Error::ReadOnly(NAME)),
    delete: Err(Error::ReadOnly(NAME)),
};
