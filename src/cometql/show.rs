//! SHOW and DESCRIBE: what clients and tools ask before and between statements, in MySQL's shapes.

use super::run::{Answer, Run, Who, find_table, open_database};
use super::statement::TableName;
use super::tables::{Kind, TABLES, Table};
use super::variables::{self, is_like};
use super::{Context, Error};

/// The database that stands for this version of CometQL.
pub const DATABASE: &str = "CometQL_v1";

/// What is to be shown; mostly only names that are like a pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Show {
    /// `SHOW DATABASES`.
    Databases {
        /// Their names.
        like: Option<String>,
    },
    /// `SHOW TABLES`.
    Tables {
        /// `FROM` this database.
        database: Option<String>,
        /// `SHOW FULL TABLES`.
        is_full: bool,
        /// Their names.
        like: Option<String>,
    },
    /// `SHOW COLUMNS`, `DESCRIBE`.
    Columns {
        /// Of which table.
        table: TableName,
        /// `SHOW FULL COLUMNS`.
        is_full: bool,
        /// Their names.
        like: Option<String>,
    },
    /// `SHOW TABLE STATUS`.
    TableStatus {
        /// `FROM` this database.
        database: Option<String>,
        /// Their names.
        like: Option<String>,
    },
    /// `SHOW INDEX`.
    Index {
        /// Of which table.
        table: TableName,
    },
    /// `SHOW CREATE TABLE`.
    CreateTable {
        /// Which.
        table: TableName,
    },
    /// `SHOW STATUS`.
    Status {
        /// Which part.
        kind: StatusKind,
        /// Names in it.
        like: Option<String>,
    },
    /// `SHOW VARIABLES`.
    Variables {
        /// Their names.
        like: Option<String>,
    },
    /// `SHOW PROCESSLIST`.
    ProcessList,
    /// `SHOW WARNINGS` or `SHOW ERRORS`.
    Warnings,
    /// `SHOW ENGINES`.
    Engines,
    /// `SHOW CHARACTER SET`.
    CharacterSets {
        /// Their names.
        like: Option<String>,
    },
    /// `SHOW COLLATION`.
    Collations {
        /// Their names.
        like: Option<String>,
    },
}

/// Which part of the status is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatusKind {
    /// Of the asking tenant.
    Session,
    /// Of the whole server.
    Global,
    /// How busy the machine is.
    Average,
    /// How long the machine has been up.
    Uptime,
    /// The machine's memory.
    Ram,
    /// The machine's disks.
    FileSystem,
}

/// Shows it.
pub fn show(show: Show, who: &Who<'_>, context: &Context<'_>) -> Result<Run, Error> {
    let is_open = |database: Option<String>| match database {
        Some(name) => open_database(&name, who.tenant, context.accounts).map(drop),
        None => Ok(()),
    };
    // What nobody can read has no columns either.
    let shown = |name: &TableName| {
        let table = find_table(name, who, context)?;
        table.select.clone().map(|_| table)
    };
    Ok(match show {
        Show::Databases { like } => named(&["Database"], [[DATABASE]], like),
        Show::Tables { database, is_full, like } => {
            is_open(database)?;
            tables(is_full, like)
        }
        Show::Columns { table, is_full, like } => columns(shown(&table)?, is_full, like),
        Show::TableStatus { database, like } => {
            is_open(database)?;
            table_status(like)
        }
        Show::Index { table } => index(shown(&table)?),
        Show::CreateTable { table } => create_table(shown(&table)?),
        Show::Status { kind, like } => {
            let rows = context.view.status(who.tenant, kind).into_iter();
            named(NAME_AND_VALUE, rows.map(|(name, value)| [name.into_owned(), value]), like)
        }
        Show::Variables { like } => {
            let state = who.variables(context);
            let rows = variables::like(like.as_deref(), &state);
            named(NAME_AND_VALUE, rows.map(|(name, value)| [name.to_owned(), value]), None)
        }
        Show::ProcessList => {
            let number = who.connection_number.to_string();
            named(
                &["ServiceName", "id", "status", "count"],
                [["cometql", &number, "run", "1"]],
                None,
            )
        }
        Show::Warnings => named::<&str, 3>(&["Level", "Code", "Message"], [], None),
        Show::Engines => named(ENGINE_COLUMNS, [ENGINE], None),
        Show::CharacterSets { like } => named(CHARACTER_SET_COLUMNS, [CHARACTER_SET], like),
        Show::Collations { like } => named(COLLATION_COLUMNS, [COLLATION], like),
    })
}

const NAME_AND_VALUE: &[&str; 2] = &["Variable_name", "Value"];
const ENGINE_NAME: &str = "encke";
const ENGINE_COLUMNS: &[&str; 6] =
    &["Engine", "Support", "Comment", "Transactions", "XA", "Savepoints"];
const ENGINE: [&str; 6] =
    [ENGINE_NAME, "DEFAULT", "Channels and users of a Comet server", "NO", "NO", "NO"];
const CHARACTER_SET_COLUMNS: &[&str; 4] =
    &["Charset", "Description", "Default collation", "Maxlen"];
const CHARACTER_SET: [&str; 4] = ["utf8mb4", "UTF-8 Unicode", COLLATION_NAME, "4"];
const COLLATION_COLUMNS: &[&str; 6] =
    &["Collation", "Charset", "Id", "Default", "Compiled", "Sortlen"];
const COLLATION: [&str; 6] = [COLLATION_NAME, "utf8mb4", "45", "Yes", "Yes", "1"];
const COLLATION_NAME: &str = "utf8mb4_general_ci";

/// Rows whose first value is like a pattern; an empty value stays empty.
fn named<T: Into<String> + AsRef<str>, const N: usize>(
    columns: &[&str; N],
    rows: impl IntoIterator<Item = [T; N]>,
    like: Option<String>,
) -> Run {
    let is_wanted =
        |row: &[T; N]| like.as_ref().is_none_or(|pattern| is_like(row[0].as_ref(), pattern));
    let values = |row: [T; N]| row.map(|value| Some(value.into())).to_vec();
    Run::Now(Answer::Rows {
        columns: columns.map(str::to_owned).to_vec(),
        rows: rows.into_iter().filter(is_wanted).map(values).collect(),
    })
}

fn listed() -> impl Iterator<Item = &'static Table> {
    TABLES.into_iter().filter(|table| table.is_listed)
}

/// CppComet calls the column so, and MySQL `Tables_in_` something.
fn tables(is_full: bool, like: Option<String>) -> Run {
    let names = listed().map(|table| table.name);
    if is_full {
        return named(&["Tables", "Table_type"], names.map(|name| [name, "BASE TABLE"]), like);
    }
    named(&["Tables"], names.map(|name| [name]), like)
}

fn columns(table: &Table, is_full: bool, like: Option<String>) -> Run {
    let row = |place: usize| {
        let column = &table.columns[place];
        let key = if place == table.key { "PRI" } else { "" };
        let collation = (column.kind != Kind::Number).then_some(COLLATION_NAME);
        let mut row =
            vec![Some(column.name), Some(column.sql_type), Some("NO"), Some(key), None, Some("")];
        if is_full {
            row.insert(2, collation);
            row.extend([Some("select,insert,update"), Some("")]);
        }
        row.into_iter().map(|value| value.map(str::to_owned)).collect()
    };
    let is_wanted = |place: &usize| {
        like.as_ref().is_none_or(|pattern| is_like(table.columns[*place].name, pattern))
    };
    let mut titles = vec!["Field", "Type", "Null", "Key", "Default", "Extra"];
    if is_full {
        titles.insert(2, "Collation");
        titles.extend(["Privileges", "Comment"]);
    }
    Run::Now(Answer::Rows {
        columns: titles.into_iter().map(str::to_owned).collect(),
        rows: (0..table.columns.len()).filter(is_wanted).map(row).collect(),
    })
}

fn table_status(like: Option<String>) -> Run {
    let columns = [
        "Name",
        "Engine",
        "Version",
        "Row_format",
        "Rows",
        "Avg_row_length",
        "Data_length",
        "Max_data_length",
        "Index_length",
        "Data_free",
        "Auto_increment",
        "Create_time",
        "Update_time",
        "Check_time",
        "Collation",
        "Checksum",
        "Create_options",
        "Comment",
    ];
    let row = |table: &'static Table| {
        let mut row = [""; 18];
        row[..4].copy_from_slice(&[table.name, ENGINE_NAME, "10", "Dynamic"]);
        row[4..10].fill("0");
        row[14] = COLLATION_NAME;
        row
    };
    named(&columns, listed().map(row), like)
}

fn index(table: &Table) -> Run {
    let columns = [
        "Table",
        "Non_unique",
        "Key_name",
        "Seq_in_index",
        "Column_name",
        "Collation",
        "Cardinality",
        "Sub_part",
        "Packed",
        "Null",
        "Index_type",
        "Comment",
        "Index_comment",
    ];
    let row = |key: &str| {
        let start = [table.name, "0", "PRIMARY", "1", key, "A", "0"].map(str::to_owned).map(Some);
        let end = ["", "HASH", "", ""].map(str::to_owned).map(Some);
        [&start[..], &[None, None], &end].concat()
    };
    Run::Now(Answer::Rows {
        columns: columns.map(str::to_owned).to_vec(),
        rows: table.columns.get(table.key).map(|column| row(column.name)).into_iter().collect(),
    })
}

fn create_table(table: &Table) -> Run {
    let column = |column: &super::tables::Column| {
        format!("  `{}` {} NOT NULL,\n", column.name, column.sql_type)
    };
    let columns: String = table.columns.iter().map(column).collect();
    let key = table.columns.get(table.key).map_or("", |column| column.name);
    let text = format!(
        "CREATE TABLE `{}` (\n{columns}  PRIMARY KEY (`{key}`)\n) ENGINE={ENGINE_NAME} DEFAULT CHARSET=utf8mb4",
        table.name
    );
    named(&["Table", "Create Table"], [[table.name.to_owned(), text]], None)
}
