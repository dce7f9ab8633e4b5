//! What a statement does: an answer at once, or a command for the engine and how its outcome is
//! told.

use super::literal::Literal;
use super::statement::{Constant, Item, Statement, TableName};
use super::tables::{self, Place, Rows, TABLES};
use super::{Account, Context, Error, View, variables};
use crate::hub::command::{Command, Outcome};
use crate::hub::message::TenantId;

/// The database that stands for this version of CometQL.
pub const DATABASE: &str = "CometQL_v1";
/// `db_7` is what the user with dev_id 7 sees.
const DATABASE_PREFIX: &str = "db_";

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
    fn variables(&self, context: &Context<'_>) -> variables::State {
        variables::State {
            statement_bytes_max: context.limits.statement_bytes_max,
            is_autocommit: self.is_autocommit,
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

    fn rows(columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Run {
        let values = |row: Vec<String>| row.into_iter().map(Some).collect();
        Run::Now(Answer::Rows {
            columns: columns.iter().map(|name| name.to_string()).collect(),
            rows: rows.into_iter().map(values).collect(),
        })
    }
}

/// Runs one statement.
pub fn run(statement: Statement, who: &Who<'_>, context: &Context<'_>) -> Result<Run, Error> {
    match statement {
        Statement::Set { .. } | Statement::Transaction { .. } => Ok(Run::Now(Answer::DONE)),
        Statement::Use(name) => {
            let name = open_database(&name, who.tenant, context.accounts)?;
            Ok(Run::Use(name))
        }
        Statement::Insert { table, columns, rows } => insert(&table, columns, rows, who, context),
        Statement::Unserved { verb, table } => {
            let table = find_table(&table, who, context)?;
            Err(Error::NotServed(format!("{verb} of `{}`", table.name).into()))
        }
        Statement::SelectConstants { items, has_row } => {
            Ok(select_constants(items, has_row, who, context))
        }
        Statement::ShowDatabases(like) => {
            let rows = fitting([DATABASE], like.as_deref()).map(|name| vec![name]);
            Ok(Answer::rows(&["Database"], rows))
        }
        Statement::ShowTables { database, full, like } => {
            if let Some(name) = database {
                open_database(&name, who.tenant, context.accounts)?;
            }
            Ok(show_tables(full, like.as_deref()))
        }
        Statement::ShowVariables(like) => {
            let state = who.variables(context);
            let rows = variables::like(like.as_deref(), &state);
            let rows = rows.map(|(name, value)| vec![name.to_string(), value]);
            Ok(Answer::rows(&["Variable_name", "Value"], rows))
        }
        Statement::ShowStatus(like) => {
            let rows = fitting(["flag"], like.as_deref()).map(|name| vec![name, "session".into()]);
            Ok(Answer::rows(&["Variable_name", "Value"], rows))
        }
        Statement::ShowWarnings => Ok(Answer::rows(&["Level", "Code", "Message"], [])),
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

fn find_table(
    name: &TableName,
    who: &Who<'_>,
    context: &Context<'_>,
) -> Result<&'static tables::Table, Error> {
    if let Some(database) = &name.database {
        open_database(database, who.tenant, context.accounts)?;
    }
    tables::by_name(&name.table)
}

fn insert(
    table: &TableName,
    columns: Option<Vec<String>>,
    rows: Vec<Vec<Literal>>,
    who: &Who<'_>,
    context: &Context<'_>,
) -> Result<Run, Error> {
    let (insert, columns) = check_insert(table, columns, &rows, who, context)?;
    insert(Rows { columns, rows }, &Place { tenant: who.tenant, limits: context.limits })
}

/// What an INSERT must have whatever its values are.
fn check_insert(
    table: &TableName,
    columns: Option<Vec<String>>,
    rows: &[Vec<Literal>],
    who: &Who<'_>,
    context: &Context<'_>,
) -> Result<(tables::Insert, Vec<usize>), Error> {
    let table = find_table(table, who, context)?;
    let Some(insert) = table.insert else {
        return Err(Error::NotServed(format!("INSERT into `{}`", table.name).into()));
    };
    let columns = columns.map_or_else(
        || Ok((0..table.columns.len()).collect()),
        |names| column_places(table, names),
    )?;
    if rows.len() > context.limits.rows_max {
        return Err(Error::TooManyRows(context.limits.rows_max));
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
        Statement::Insert { table, columns, rows } => {
            check_insert(&table, columns, &rows, who, context)?;
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
) -> Result<&'static [&'static str], Error> {
    Ok(find_table(&TableName { database: None, table }, who, context)?.columns)
}

fn column_places(table: &tables::Table, names: Vec<String>) -> Result<Vec<usize>, Error> {
    let mut places = Vec::with_capacity(names.len());
    for name in names {
        let short = || name.chars().take(64).collect::<String>().into();
        let place = table.columns.iter().position(|&column| column == name);
        let place = place.ok_or_else(|| Error::NoColumn(short()))?;
        if places.contains(&place) {
            return Err(Error::ColumnTwice(short()));
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

fn value_of(constant: Constant, who: &Who<'_>, context: &Context<'_>) -> Option<String> {
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

fn show_tables(full: bool, like: Option<&str>) -> Run {
    let rows = fitting(TABLES.iter().map(|table| table.name), like)
        .map(|name| if full { vec![name, "BASE TABLE".into()] } else { vec![name] });
    Answer::rows(if full { &["Tables", "Table_type"] } else { &["Tables"] }, rows)
}

fn fitting<'a>(
    names: impl IntoIterator<Item = &'a str>,
    like: Option<&str>,
) -> impl Iterator<Item = String> {
    names
        .into_iter()
        .filter(move |name| like.is_none_or(|pattern| variables::is_like(name, pattern)))
        .map(str::to_string)
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
