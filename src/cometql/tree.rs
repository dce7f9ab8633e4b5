//! From the tree of the `sqlparser` package to a `Statement`: what CometQL has a meaning for.
//!
//! Everything else is `Error::NotServed`, so these files grow with what is served. They never print
//! or walk an expression before they know that it is a small one: see the bounds in `statement`.

mod condition;
mod constant;
mod insert;
mod select;
pub(super) mod show;

use sqlparser::ast::{self, Expr, ObjectName, Use, Value};

use super::Error;
use super::statement::{Statement, TableName, not_served};
use super::tables::{self, short};

/// Finds the meaning of a whole statement that begins with `verb`.
pub(super) fn understand(statement: ast::Statement, verb: &str) -> Result<Statement, Error> {
    use ast::Statement as Sql;
    match statement {
        Sql::Insert(insert) => insert::insert(insert),
        Sql::Query(query) => select::select(*query),
        Sql::Update(update) => insert::update(update),
        Sql::Delete(delete) => insert::delete(delete),
        Sql::StartTransaction { .. } => Ok(Statement::Transaction { is_open: Some(true) }),
        Sql::Commit { chain, .. } | Sql::Rollback { chain, savepoint: None } => {
            Ok(Statement::Transaction { is_open: Some(chain) })
        }
        Sql::Rollback { .. } | Sql::Savepoint { .. } | Sql::ReleaseSavepoint { .. } => {
            Ok(Statement::Transaction { is_open: None })
        }
        Sql::Use(Use::Object(name)) => Ok(Statement::Use(single_name(name)?)),
        _ => Err(not_served(&format!("{verb} of this kind"))),
    }
}

/// The table whose columns are meant.
pub(super) struct Scope {
    table: TableName,
    alias: Option<String>,
}

impl Scope {
    fn is_called(&self, name: &str) -> bool {
        *self.alias.as_deref().unwrap_or(&self.table.table) == *name
    }

    /// Whether the table has a column of this name.
    fn has(&self, column: &str) -> bool {
        let table = tables::by_name(&self.table.table);
        table.is_ok_and(|table| table.place_of(column).is_ok())
    }
}

fn name_parts(name: &ObjectName) -> Option<Vec<String>> {
    name.0.iter().map(|part| Some(part.as_ident()?.value.clone())).collect()
}

fn single_name(name: ObjectName) -> Result<String, Error> {
    match name_parts(&name).as_deref() {
        Some([name]) => Ok(name.clone()),
        _ => Err(not_served(&name)),
    }
}

/// A column, perhaps with its table before it.
fn column_of_name(name: ObjectName, scope: &Scope) -> Result<String, Error> {
    let parts = name_parts(&name).ok_or_else(|| not_served(&name))?;
    column_of_parts(parts, scope)
}

fn column_of_parts(mut parts: Vec<String>, scope: &Scope) -> Result<String, Error> {
    let column = parts.pop().unwrap_or_default();
    match parts.last() {
        Some(table) if !scope.is_called(table) => Err(Error::NoColumn(short(&column))),
        _ => Ok(column),
    }
}

/// The column that an expression names, if it names one. CppComet takes a quoted word for one too.
fn column_of(expression: Expr, scope: &Scope) -> Option<Result<String, Error>> {
    match expression {
        Expr::Identifier(name) => Some(Ok(name.value)),
        Expr::CompoundIdentifier(names) => {
            let parts = names.into_iter().map(|name| name.value).collect();
            Some(column_of_parts(parts, scope))
        }
        Expr::Value(value) => match value.value {
            Value::SingleQuotedString(name) | Value::DoubleQuotedString(name) => Some(Ok(name)),
            _ => None,
        },
        Expr::Nested(inner) => column_of(*inner, scope),
        _ => None,
    }
}

fn table_name(name: ObjectName) -> Result<TableName, Error> {
    match name_parts(&name).as_deref() {
        Some([table]) => Ok(TableName { database: None, table: table.clone() }),
        Some([database, table]) => {
            Ok(TableName { database: Some(database.clone()), table: table.clone() })
        }
        _ => Err(not_served(&name)),
    }
}
