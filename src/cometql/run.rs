//! What a statement does: an answer at once, or a command for the engine and how its outcome is
//! told.

use super::condition::Condition;
use super::literal::Literal;
use super::select::{each_once, select, titles};
use super::show::{DATABASE, show};
use super::statement::{Constant, Item, Statement, TableName, not_served};
use super::tables::{self, Place, Rows, Table};
use super::{Account, Context, Error, Limits, View, variables};
use crate::hub::command::{Change, Command, Outcome};
use crate::hub::message::TenantId;

/// `db_7` is what the user with dev_id 7 sees.
pub const DATABASE_PREFIX: &str = "db_";

/// Who is asking.
pub struct Who<'a> {
    /// Whose tables and channels.
    pub tenant: TenantId,
    /// The name given at login.
    pub user: &'a str,
    /// The chosen database.
    pub database: Option<&'a str>,
    /// The server's number for this connection.
    pub connection_number: u32,
    /// What the session has made of `autocommit`.
    pub is_autocommit: bool,
}

impl Who<'_> {
    /// What `@@name` can depend on.
    pub(super) fn variables(&self, context: &Context<'_>) -> variables::State {
        variables::State {
            statement_bytes_max: context.limits.statement_bytes_max,
            is_autocommit: self.is_autocommit,
            offers_tls: context.offers_tls,
        }
    }
}

/// What to do with a statement.
pub enum Run {
    /// Answer.
    Now(Answer),
    /// Change to this database, and say OK.
    Use(Box<str>),
    /// Tell the engine all of these in order, and answer what `Finish` makes of the last outcome.
    Ask(Vec<Command>, Finish),
}

/// Turns the engine's outcome into an answer.
pub type Finish = Box<dyn FnOnce(Outcome, &dyn View) -> Result<Answer, Error>>;

/// An answer that is no error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// An OK packet.
    Done {
        /// Its affected rows.
        affected_rows: u64,
        /// Its insert id.
        insert_id: u64,
    },
    /// A result set.
    Rows {
        /// Names of the columns, at least one.
        columns: Vec<String>,
        /// Each with one value for every column; `None` is NULL.
        rows: Vec<Vec<Option<String>>>,
    },
}

impl Answer {
    /// OK, and nothing changed that could be counted.
    pub const DONE: Answer = Answer::Done { affected_rows: 0, insert_id: 0 };
}

/// Runs one statement.
pub fn run(statement: Statement, who: &Who<'_>, context: &Context<'_>) -> Result<Run, Error> {
    match statement {
        Statement::Set { .. } | Statement::Transaction { .. } => Ok(Run::Now(Answer::DONE)),
        Statement::Use(name) => {
            let name = open_database(&name, who.tenant, context.accounts)?;
            Ok(Run::Use(name))
        }
        Statement::Insert { table, columns, rows, change } => {
            let table = find_table(&table, who, context)?;
            insert(table, columns, rows, (change, &Place::of(who, context)))
        }
        Statement::Select(query) => {
            let table = find_table(&query.table, who, context)?;
            select(*query, table, who, context)
        }
        Statement::Update { table, set, condition } => {
            let table = find_table(&table, who, context)?;
            update(table, set, condition, &Place::of(who, context))
        }
        Statement::Delete { table, condition } => {
            let table = find_table(&table, who, context)?;
            delete(table, condition, &Place::of(who, context))
        }
        Statement::SelectConstants { items, has_row } => {
            Ok(select_constants(items, has_row, who, context))
        }
        Statement::Show(what) => show(what, who, context),
    }
}

/// The name of a database that this tenant may be in: `CometQL_v1`, and `db_N` for its own dev_ids.
/// Where no dev_id is configured every N is the same place.
pub fn open_database(
    name: &str,
    tenant: TenantId,
    accounts: &[Account<'_>],
) -> Result<Box<str>, Error> {
    let is_own = |dev_id: u32| {
        let own = |account: &Account<'_>| account.dev_id.is_none_or(|own| own == dev_id);
        accounts.iter().any(|account| account.tenant == tenant && own(account))
    };
    let dev_id = name.strip_prefix(DATABASE_PREFIX).and_then(|number| number.parse().ok());
    if name.eq_ignore_ascii_case(DATABASE) || dev_id.is_some_and(is_own) {
        return Ok(name.into());
    }
    Err(Error::NoDatabase(name.chars().take(64).collect::<String>().into()))
}

/// The table of that name, if it is in a database of whoever asks.
pub fn find_table(
    name: &TableName,
    who: &Who<'_>,
    context: &Context<'_>,
) -> Result<&'static Table, Error> {
    if let Some(database) = &name.database {
        open_database(database, who.tenant, context.accounts)?;
    }
    tables::by_name(&name.table)
}

fn insert(
    table: &Table,
    columns: Option<Vec<String>>,
    rows: Vec<Vec<Literal>>,
    (change, place): (Change, &Place<'_>),
) -> Result<Run, Error> {
    let (insert, columns) = check_insert(table, columns, &rows, place.limits)?;
    insert(Rows { columns, rows, change }, place)
}

/// What an INSERT must have whatever its values are.
fn check_insert(
    table: &Table,
    columns: Option<Vec<String>>,
    rows: &[Vec<Literal>],
    limits: &Limits,
) -> Result<(tables::Insert, Vec<usize>), Error> {
    let insert = table.insert.clone()?;
    let columns = columns.map_or_else(
        || Ok((0..table.columns.len()).collect()),
        |names| column_places(table, names),
    )?;
    if rows.len() > limits.rows_max {
        return Err(Error::TooManyRows(limits.rows_max));
    }
    if let Some(row) = rows.iter().position(|row| row.len() != columns.len()) {
        return Err(Error::ColumnCount(row + 1));
    }
    Ok((insert, columns))
}

/// What running a statement will answer, before its values are known: the columns of its rows, or none
/// for an OK. What can be found wrong by now is.
pub fn describe(
    statement: Statement,
    who: &Who<'_>,
    context: &Context<'_>,
) -> Result<Vec<String>, Error> {
    match statement {
        Statement::Insert { table, columns, rows, .. } => {
            let table = find_table(&table, who, context)?;
            check_insert(table, columns, &rows, context.limits)?;
            Ok(Vec::new())
        }
        Statement::Select(select) => {
            let table = find_table(&select.table, who, context)?;
            table.select.clone()?;
            titles(&select, table)
        }
        Statement::Update { table, .. } => {
            find_table(&table, who, context)?.update.clone()?;
            Ok(Vec::new())
        }
        Statement::Delete { table, .. } => {
            find_table(&table, who, context)?.delete.clone()?;
            Ok(Vec::new())
        }
        // These are answered at once and change nothing.
        other => match run(other, who, context)? {
            Run::Now(Answer::Rows { columns, .. }) => Ok(columns),
            _ => Ok(Vec::new()),
        },
    }
}

/// The columns of a table, as COM_FIELD_LIST asks for them.
pub fn fields(
    table: String,
    who: &Who<'_>,
    context: &Context<'_>,
) -> Result<Vec<&'static str>, Error> {
    let table = find_table(&TableName { database: None, table }, who, context)?;
    Ok(table.columns.iter().map(|column| column.name).collect())
}

fn update(
    table: &Table,
    set: Vec<(String, Literal)>,
    condition: Option<Condition>,
    place: &Place<'_>,
) -> Result<Run, Error> {
    let update = table.update.clone()?;
    let (names, row): (Vec<_>, Vec<_>) = set.into_iter().unzip();
    let columns = column_places(table, names)?;
    if columns.contains(&table.key) {
        return Err(not_served(&"UPDATE of a key"));
    }
    let (_, keys) = named_keys(table, &[table.key], condition, "Updating")?;
    update(Rows { columns, rows: vec![row], change: Change::PutKnown }, keys, place)
}

fn delete(table: &Table, condition: Option<Condition>, place: &Place<'_>) -> Result<Run, Error> {
    let delete = table.delete.clone()?;
    let columns = [&[table.key], table.delete_keys].concat();
    let (column, keys) = named_keys(table, &columns, condition, "Deleting")?;
    delete(column, keys, place)
}

/// The keys that a condition names, and of which column they are. Rows are not read before they are
/// changed, so the condition may be about nothing else: CppComet ignores the rest, and would change more
/// than was said.
fn named_keys(
    table: &Table,
    columns: &[usize],
    condition: Option<Condition>,
    verb: &'static str,
) -> Result<(usize, Vec<String>), Error> {
    let refused = || Error::NoKey { verb, key: table.columns[table.key].name };
    let filter = condition.ok_or_else(refused)?.on(table)?;
    let named = |&column: &usize| Some((column, filter.values_of(column)?));
    let (column, keys) = columns.iter().find_map(named).ok_or_else(refused)?;
    if !filter.is_about(column) {
        return Err(not_served(&format!("{verb} by another column than the key")));
    }
    let fits = |key: &String| filter.fits(table.columns, &|_| key);
    Ok((column, each_once(keys).into_iter().filter(fits).collect()))
}

fn column_places(table: &Table, names: Vec<String>) -> Result<Vec<usize>, Error> {
    let mut places = Vec::with_capacity(names.len());
    for name in names {
        let place = table.place_of(&name)?;
        if places.contains(&place) {
            return Err(Error::ColumnTwice(tables::short(&name)));
        }
        places.push(place);
    }
    Ok(places)
}

fn select_constants(items: Vec<Item>, has_row: bool, who: &Who<'_>, context: &Context<'_>) -> Run {
    let (mut columns, mut row) = (Vec::new(), Vec::new());
    for item in items {
        columns.push(item.title);
        row.push(value_of(item.constant, who, context));
    }
    Run::Now(Answer::Rows { columns, rows: if has_row { vec![row] } else { Vec::new() } })
}

/// What a constant is for whoever asks; `None` is NULL.
pub fn value_of(constant: Constant, who: &Who<'_>, context: &Context<'_>) -> Option<String> {
    match constant {
        Constant::Null => None,
        Constant::Text(text) => Some(text),
        Constant::Variable(name) => Some(variables::value(&name, &who.variables(context))),
        Constant::Database => who.database.map(str::to_string),
        Constant::Version => Some(variables::VERSION.to_string()),
        Constant::User => Some(format!("{}@%", who.user)),
        Constant::ConnectionId => Some(who.connection_number.to_string()),
        Constant::Now => Some(date_time(context.unix_second)),
        Constant::UnixTimestamp => Some(context.unix_second.to_string()),
    }
}

/// `YYYY-MM-DD hh:mm:ss` in UTC. Days to a date: years counted from March have their leap day last.
fn date_time(unix_second: u64) -> String {
    let (days, second) = (unix_second / 86_400 + 719_468, unix_second % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}
