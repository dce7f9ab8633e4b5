//! INSERT, REPLACE, UPDATE and DELETE.

use sqlparser::ast::{
    self, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, OnInsert, SetExpr,
};
use sqlparser::ast::{TableFactor, TableObject, TableWithJoins};

use super::condition::condition;
use super::constant::literal;
use super::{Scope, column_of_name, table_name};
use crate::cometql::Error;
use crate::cometql::literal::Literal;
use crate::cometql::statement::{Statement, not_served};
use crate::hub::command::Change;

/// INSERT and REPLACE.
pub fn insert(insert: ast::Insert) -> Result<Statement, Error> {
    if insert.returning.is_some() {
        return Err(not_served(&"RETURNING"));
    }
    let TableObject::TableName(table) = insert.table else {
        return Err(not_served(&"INSERT into anything but a table"));
    };
    let scope = Scope { table: table_name(table)?, alias: None };
    let (columns, rows) = if insert.assignments.is_empty() {
        let columns = insert.columns.into_iter().map(|name| column_of_name(name, &scope));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let Some(SetExpr::Values(values)) = insert.source.map(|query| *query.body) else {
            return Err(not_served(&"INSERT without VALUES"));
        };
        let rows = values.rows.into_iter();
        let rows: Vec<Vec<_>> =
            rows.map(|row| row.content.into_iter().map(literal).collect()).collect();
        ((!columns.is_empty()).then_some(columns), rows)
    } else {
        let (columns, row) = assignments(insert.assignments, &scope)?.into_iter().unzip();
        (Some(columns), vec![row])
    };
    let change = match insert.on {
        None if insert.ignore => Change::PutNew,
        None => Change::Put,
        Some(OnInsert::DuplicateKeyUpdate(list)) => on_duplicate(list, &columns, &rows, &scope)?,
        Some(_) => return Err(not_served(&"ON CONFLICT")),
    };
    Ok(Statement::Insert { table: scope.table, columns, rows, change })
}

/// `ON DUPLICATE KEY UPDATE` is an upsert where every column gets the value that the INSERT has for it,
/// and does nothing where every column gets its own.
fn on_duplicate(
    list: Vec<ast::Assignment>,
    columns: &Option<Vec<String>>,
    rows: &[Vec<Literal>],
    scope: &Scope,
) -> Result<Change, Error> {
    let (mut is_upsert, mut is_idle) = (true, true);
    for assignment in list {
        let column = assigned(assignment.target, scope)?;
        let is_own = |name: &ast::Ident| name.value == column;
        let is_same = match &assignment.value {
            Expr::Identifier(name) => is_own(name),
            Expr::CompoundIdentifier(names) => {
                names.first().is_some_and(|name| name.value == scope.table.table)
                    && names.last().is_some_and(is_own)
            }
            _ => false,
        };
        let is_new = match &assignment.value {
            Expr::Function(function) => is_values_of(function, &column),
            // `VALUES (…) AS new ON DUPLICATE KEY UPDATE data = new.data`.
            Expr::CompoundIdentifier(names) => !is_same && names.last().is_some_and(is_own),
            _ => {
                let place =
                    columns.as_ref().and_then(|all| all.iter().position(|it| *it == column));
                let value = literal(assignment.value.clone());
                value != Literal::Expression
                    && place.is_some_and(|at| rows.iter().all(|row| row.get(at) == Some(&value)))
            }
        };
        is_idle &= is_same;
        is_upsert &= is_new;
    }
    match (is_idle, is_upsert) {
        (true, _) => Ok(Change::PutNew),
        (_, true) => Ok(Change::Put),
        _ => Err(not_served(&"ON DUPLICATE KEY UPDATE to other values than those of the INSERT")),
    }
}

fn is_values_of(function: &ast::Function, column: &str) -> bool {
    let FunctionArguments::List(list) = &function.args else { return false };
    let is_values = function.name.0.last().and_then(|part| part.as_ident()).is_some_and(|name| {
        name.value.eq_ignore_ascii_case("values") || name.value.eq_ignore_ascii_case("value")
    });
    let is_column = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(name))) => name.value == column,
        _ => false,
    };
    is_values && matches!(&list.args[..], [argument] if is_column(argument))
}

/// UPDATE.
pub fn update(update: ast::Update) -> Result<Statement, Error> {
    if update.from.is_some() || update.returning.is_some() || update.limit.is_some() {
        return Err(not_served(&"UPDATE with FROM, RETURNING or LIMIT"));
    }
    let scope = only_table(vec![update.table])?;
    let set = assignments(update.assignments, &scope)?;
    let condition = update.selection.map(|it| condition(it, &scope)).transpose()?;
    Ok(Statement::Update { table: scope.table, set, condition })
}

/// As in CppComet a LIMIT does nothing.
pub fn delete(delete: ast::Delete) -> Result<Statement, Error> {
    if !delete.tables.is_empty() || delete.using.is_some() || delete.returning.is_some() {
        return Err(not_served(&"DELETE from several tables, or with RETURNING"));
    }
    let (ast::FromTable::WithFromKeyword(from) | ast::FromTable::WithoutKeyword(from)) =
        delete.from;
    let scope = only_table(from)?;
    let condition = delete.selection.map(|it| condition(it, &scope)).transpose()?;
    Ok(Statement::Delete { table: scope.table, condition })
}

/// The one table of a FROM.
pub fn only_table(from: Vec<TableWithJoins>) -> Result<Scope, Error> {
    let mut from = from.into_iter();
    match (from.next(), from.next()) {
        (
            Some(TableWithJoins { relation: TableFactor::Table { name, alias, .. }, joins }),
            None,
        ) if joins.is_empty() => {
            Ok(Scope { table: table_name(name)?, alias: alias.map(|alias| alias.name.value) })
        }
        _ => Err(not_served(&"anything but one table")),
    }
}

fn assignments(list: Vec<ast::Assignment>, scope: &Scope) -> Result<Vec<(String, Literal)>, Error> {
    list.into_iter()
        .map(|assignment| Ok((assigned(assignment.target, scope)?, literal(assignment.value))))
        .collect()
}

fn assigned(target: ast::AssignmentTarget, scope: &Scope) -> Result<String, Error> {
    match target {
        ast::AssignmentTarget::ColumnName(name) => column_of_name(name, scope),
        ast::AssignmentTarget::Tuple(_) => Err(not_served(&"assignment to several columns")),
    }
}
