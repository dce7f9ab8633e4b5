//! The tables: one file for each, and one line here.
//!
//! A table is its names, and its verbs as functions; or what is said to who tries a verb that it lacks.

mod conference;
mod keys;
mod pipes;
mod pipes_messages;
mod pipes_settings;
mod profiler;
mod records;
mod revoked_tokens;
mod users_auth;
mod users_data;
mod users_in_pipes;
mod users_messages;
mod users_time;

use super::literal::Literal;
use super::run::{DATABASE_PREFIX, Run, Who};
use super::{Account, Context, Error, Limits, View};
use crate::hub::command::{Change, Command, Outcome};
use crate::hub::message::TenantId;

/// Every table there is. `SHOW TABLES` lists those that CppComet lists, in its order.
pub static TABLES: [&Table; 13] = [
    &users_auth::TABLE,
    &users_time::TABLE,
    &users_messages::TABLE,
    &pipes_messages::TABLE,
    &users_in_pipes::TABLE,
    &pipes::TABLE,
    &pipes_settings::TABLE,
    &users_data::TABLE,
    &revoked_tokens::TABLE,
    &conference::CONFERENCE,
    &conference::CONFERENCE_MEMBERS,
    &conference::DIALOGS,
    &profiler::TABLE,
];

/// What a verb does, or why it never does anything.
pub type Verb<F> = Result<F, Error>;

/// Writes rows.
pub type Insert = fn(Rows, &Place<'_>) -> Result<Run, Error>;
/// Reads the rows with these keys, each once, in this order; `None`: all there are.
pub type Select = fn(Option<Vec<String>>, &Place<'_>) -> Result<Found, Error>;
/// Changes columns of the rows with these keys.
pub type Update = fn(Rows, Vec<String>, &Place<'_>) -> Result<Run, Error>;
/// Deletes the rows with these values in the column at this place.
pub type Delete = fn(usize, Vec<String>, &Place<'_>) -> Result<Run, Error>;

/// One table.
pub struct Table {
    /// Its name; compared with case, as CppComet does.
    pub name: &'static str,
    /// Its columns, in the order that `SELECT *` and an INSERT without a column list use.
    pub columns: &'static [Column],
    /// The place of the column that a WHERE has to name.
    pub key: usize,
    /// Places of further columns that DELETE can go by.
    pub delete_keys: &'static [usize],
    /// Whether SELECT also takes no key, and shows all.
    pub is_whole: bool,
    /// Whether `SHOW TABLES` lists it.
    pub is_listed: bool,
    /// INSERT.
    pub insert: Verb<Insert>,
    /// SELECT.
    pub select: Verb<Select>,
    /// UPDATE.
    pub update: Verb<Update>,
    /// DELETE.
    pub delete: Verb<Delete>,
}

/// One column.
pub struct Column {
    /// Its name; compared with case.
    pub name: &'static str,
    /// How its values are compared.
    pub kind: Kind,
    /// Its type, for who asks what the table is like. On the wire every value is text.
    pub sql_type: &'static str,
}

/// How values are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// By size.
    Number,
    /// Byte by byte.
    Text,
    /// By second and count.
    MessageId,
}

/// A column of numbers.
const fn number(name: &'static str) -> Column {
    Column { name, kind: Kind::Number, sql_type: "int(11)" }
}

/// A column of texts.
const fn text(name: &'static str, sql_type: &'static str) -> Column {
    Column { name, kind: Kind::Text, sql_type }
}

/// The values of all columns of a table, in its order.
pub type Row = Vec<String>;

/// What makes rows of an outcome.
pub type Read = Box<dyn FnOnce(Outcome, &dyn View) -> Result<Vec<Row>, Error>>;

/// Rows, or how to get them.
pub enum Found {
    /// These.
    Now(Vec<Row>),
    /// The engine has them.
    Ask(Command, Read),
}

/// On whose behalf, and within which bounds, a verb acts.
pub struct Place<'a> {
    /// Whose tables these are.
    pub tenant: TenantId,
    /// The bounds.
    pub limits: &'a Limits,
    /// The server.
    pub view: &'a dyn View,
    /// Unix time.
    pub unix_second: u64,
    /// What user tokens are signed with, but for the dev_id; without one there are none.
    pub password: Option<&'a str>,
    /// Who signs them.
    pub dev_id: u32,
}

impl<'a> Place<'a> {
    /// Where somebody is.
    pub fn of(who: &Who<'_>, context: &Context<'a>) -> Place<'a> {
        let number = who.user.parse().unwrap_or(0);
        let lets_in = |account: &&Account<'_>| {
            account.tenant == who.tenant && account.dev_id.is_none_or(|own| own == number)
        };
        let account = context.accounts.iter().find(lets_in);
        // Where one account is every dev_id, the database says which one is meant, else the login.
        let of_database = || who.database?.strip_prefix(DATABASE_PREFIX)?.parse().ok();
        let own = account.and_then(|account| account.dev_id);
        Place {
            tenant: who.tenant,
            limits: context.limits,
            view: context.view,
            unix_second: context.unix_second,
            password: account.and_then(|account| account.password),
            dev_id: own.or_else(of_database).unwrap_or(number),
        }
    }
}

/// The rows of an INSERT, or the one of an UPDATE: each has as many values as there are columns.
pub struct Rows {
    /// Places in `Table::columns`, each at most once, in the order of the values.
    pub columns: Vec<usize>,
    /// The values.
    pub rows: Vec<Vec<Literal>>,
    /// Which of them are written.
    pub change: Change,
}

impl Rows {
    /// The values of some columns, row by row; `None` if the statement has none for it.
    pub fn take<const N: usize>(
        self,
        table: &Table,
        names: [&'static str; N],
    ) -> impl Iterator<Item = [Option<Literal>; N]> {
        let positions = names.map(|name| {
            let place = table.columns.iter().position(|column| column.name == name);
            self.columns.iter().position(|&at| Some(at) == place)
        });
        self.rows.into_iter().map(move |mut row| {
            positions.map(|at| Some(std::mem::replace(&mut row[at?], Literal::Expression)))
        })
    }
}

/// The text of a value without which the row says nothing.
fn required(value: Option<Literal>, name: &'static str) -> Result<String, Error> {
    value.ok_or(Error::Required(name))?.text().ok_or(Error::NotLiteral(name))
}

/// The same for a text that browsers will read.
fn required_message(value: Option<Literal>, name: &'static str) -> Result<String, Error> {
    value.ok_or(Error::Required(name))?.message().ok_or(Error::NotLiteral(name))
}

/// Reads a table that never has a row.
fn empty(_: Option<Vec<String>>, _: &Place<'_>) -> Result<Found, Error> {
    Ok(Found::Now(Vec::new()))
}

impl Table {
    /// A table of what the server knows by itself, by the first column.
    const fn read_only(name: &'static str, columns: &'static [Column], select: Select) -> Table {
        Table {
            name,
            columns,
            key: 0,
            delete_keys: &[],
            is_whole: false,
            is_listed: true,
            insert: Err(Error::ReadOnly(name)),
            select: Ok(select),
            update: Err(Error::ReadOnly(name)),
            delete: Err(Error::ReadOnly(name)),
        }
    }

    /// The place of a column.
    pub fn place_of(&self, name: &str) -> Result<usize, Error> {
        let place = self.columns.iter().position(|column| column.name == name);
        place.ok_or_else(|| Error::NoColumn(short(name)))
    }
}

/// As much of a name as an error shows.
pub fn short(name: &str) -> Box<str> {
    name.chars().take(64).collect::<String>().into()
}

/// The table of that name.
pub fn by_name(name: &str) -> Result<&'static Table, Error> {
    let table = TABLES.iter().find(|table| table.name == name);
    table.copied().ok_or_else(|| Error::NoTable(short(name)))
}
