//! The tables: one file for each, and one line here.
//!
//! A table is its names and the verbs that it knows as functions; a verb that it lacks is `None`.

mod pipes_messages;

use super::literal::Literal;
use super::run::Run;
use super::{Error, Limits};
use crate::hub::message::TenantId;

/// Every table there is.
pub const TABLES: &[&Table] = &[&pipes_messages::TABLE];

/// Tables of CometQL that are not here yet, so that the answer can say so.
const NOT_YET: &[&str] = &[
    "pipes",
    "pipes_settings",
    "users_auth",
    "users_data",
    "users_in_pipes",
    "users_messages",
    "users_time",
    "revoked_tokens",
];

/// What a table does with the rows of an INSERT.
pub type Insert = fn(Rows, &Place<'_>) -> Result<Run, Error>;

/// One table.
pub struct Table {
    /// Its name; compared with case, as CppComet does.
    pub name: &'static str,
    /// Its columns, in the order that `SELECT *` and an INSERT without a column list use.
    pub columns: &'static [&'static str],
    /// What INSERT does, if it may.
    pub insert: Option<Insert>,
}

/// On whose behalf, and within which bounds, a verb acts.
pub struct Place<'a> {
    /// Whose tables these are.
    pub tenant: TenantId,
    /// The bounds.
    pub limits: &'a Limits,
}

/// The rows of an INSERT: every row has as many values as there are columns.
pub struct Rows {
    /// Places in `Table::columns`, each at most once, in the order of the values.
    pub columns: Vec<usize>,
    /// The values.
    pub rows: Vec<Vec<Literal>>,
}

impl Rows {
    /// Where in each row the value of a column is. `Error::Required` if the statement has none.
    pub fn position(&self, table: &Table, column: &'static str) -> Result<usize, Error> {
        let place = table.columns.iter().position(|&name| name == column);
        let position = self.columns.iter().position(|&at| Some(at) == place);
        position.ok_or(Error::Required(column))
    }
}

/// The table of that name.
pub fn by_name(name: &str) -> Result<&'static Table, Error> {
    if let Some(table) = TABLES.iter().find(|table| table.name == name) {
        return Ok(table);
    }
    match NOT_YET.iter().find(|&&later| later == name) {
        Some(later) => Err(Error::TableNotYet(later)),
        None => Err(Error::NoTable(name.into())),
    }
}
