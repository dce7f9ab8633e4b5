//! From the tree of the `sqlparser` package to a `Statement`: what CometQL has a meaning for.
//!
//! Everything else is `Error::NotServed`, so this file grows with what is served. It never prints
//! or walks an expression before it knows that it is a small one: see the bounds in `statement`.

use sqlparser::ast::{
    self, Expr, FunctionArguments, Ident, LimitClause, ObjectName, Query, SelectItem, SetExpr,
    ShowStatementFilter, ShowStatementFilterPosition, ShowStatementOptions, TableFactor,
    TableObject, UnaryOperator, Use, Value,
};

use super::Error;
use super::literal::Literal;
use super::statement::{
    BOUND, Constant, Item, PLACEHOLDER, Statement, TableName, not_served, syntax,
};

/// Longest select list, in columns.
const COLUMNS_MAX: usize = 1024;

/// Finds the meaning of a whole statement that begins with `verb`.
pub(super) fn understand(statement: ast::Statement, verb: &str) -> Result<Statement, Error> {
    use ast::Statement as Sql;
    match statement {
        Sql::Insert(insert) => insert_of(insert),
        Sql::Query(query) => select(*query),
        Sql::Delete(delete) => {
            let (ast::FromTable::WithFromKeyword(from) | ast::FromTable::WithoutKeyword(from)) =
                delete.from;
            unserved("DELETE", from)
        }
        Sql::Update(update) => unserved("UPDATE", vec![update.table]),
        Sql::StartTransaction { .. } => Ok(Statement::Transaction { is_open: Some(true) }),
        Sql::Commit { chain, .. } | Sql::Rollback { chain, savepoint: None } => {
            Ok(Statement::Transaction { is_open: Some(chain) })
        }
        Sql::Rollback { .. } | Sql::Savepoint { .. } | Sql::ReleaseSavepoint { .. } => {
            Ok(Statement::Transaction { is_open: None })
        }
        Sql::Use(Use::Object(name)) => Ok(Statement::Use(single_name(name)?)),
        Sql::ShowDatabases { show_options, .. } => {
            Ok(Statement::ShowDatabases(like_of(filter_of(&show_options))))
        }
        Sql::ShowTables { full, show_options, .. } => {
            let like = like_of(filter_of(&show_options));
            let database = show_options.show_in.and_then(|place| place.parent_name);
            let database = database.map(single_name).transpose()?;
            Ok(Statement::ShowTables { database, full, like })
        }
        Sql::ShowVariables { filter, .. } => Ok(Statement::ShowVariables(like_of(filter.as_ref()))),
        Sql::ShowStatus { filter, .. } => Ok(Statement::ShowStatus(like_of(filter.as_ref()))),
        Sql::ShowVariable { variable } => show_other(&variable),
        _ => Err(not_served(&format!("{verb} of this kind"))),
    }
}

fn show_other(words: &[Ident]) -> Result<Statement, Error> {
    match words {
        [what, ..] if ["warnings", "errors"].iter().any(|w| what.value.eq_ignore_ascii_case(w)) => {
            Ok(Statement::ShowWarnings)
        }
        [what, ..] => Err(not_served(&format!("SHOW {what}"))),
        [] => Err(syntax(&"SHOW what?")),
    }
}

fn filter_of(options: &ShowStatementOptions) -> Option<&ShowStatementFilter> {
    options.filter_position.as_ref().map(|position| match position {
        ShowStatementFilterPosition::Infix(filter)
        | ShowStatementFilterPosition::Suffix(filter) => filter,
    })
}

/// A WHERE is not looked at: its client gets more rows than it asked for, and picks.
fn like_of(filter: Option<&ShowStatementFilter>) -> Option<String> {
    match filter {
        Some(ShowStatementFilter::Like(raw)) => {
            Literal::Quoted { quote: '\'', raw: raw.clone() }.text()
        }
        _ => None,
    }
}

fn name_parts(name: ObjectName) -> Option<Vec<String>> {
    name.0.into_iter().map(|part| Some(part.as_ident()?.value.clone())).collect()
}

fn single_name(name: ObjectName) -> Result<String, Error> {
    let refused = not_served(&name);
    match name_parts(name).as_deref() {
        Some([name]) => Ok(name.clone()),
        _ => Err(refused),
    }
}

fn table_name(name: ObjectName) -> Result<TableName, Error> {
    let refused = not_served(&name);
    match name_parts(name).as_deref() {
        Some([table]) => Ok(TableName { database: None, table: table.clone() }),
        Some([database, table]) => {
            Ok(TableName { database: Some(database.clone()), table: table.clone() })
        }
        _ => Err(refused),
    }
}

fn insert_of(insert: ast::Insert) -> Result<Statement, Error> {
    if insert.replace_into {
        return Err(not_served(&"REPLACE"));
    }
    if insert.on.is_some() || insert.returning.is_some() || insert.insert_alias.is_some() {
        return Err(not_served(&"ON DUPLICATE KEY or RETURNING"));
    }
    let TableObject::TableName(table) = insert.table else {
        return Err(not_served(&"INSERT into anything but a table"));
    };
    let table = table_name(table)?;
    if !insert.assignments.is_empty() {
        return insert_set(table, insert.assignments);
    }
    let columns = insert.columns.into_iter().map(single_name).collect::<Result<Vec<_>, _>>()?;
    let Some(SetExpr::Values(values)) = insert.source.map(|query| *query.body) else {
        return Err(not_served(&"INSERT without VALUES"));
    };
    let rows = values.rows.into_iter();
    let rows = rows.map(|row| row.content.into_iter().map(literal).collect()).collect();
    Ok(Statement::Insert { table, columns: (!columns.is_empty()).then_some(columns), rows })
}

/// `INSERT INTO t SET a = 1, b = 2`.
fn insert_set(table: TableName, assignments: Vec<ast::Assignment>) -> Result<Statement, Error> {
    let (mut columns, mut row) = (Vec::new(), Vec::new());
    for assignment in assignments {
        let ast::AssignmentTarget::ColumnName(name) = assignment.target else {
            return Err(not_served(&"assignment to several columns"));
        };
        columns.push(single_name(name)?);
        row.push(literal(assignment.value));
    }
    Ok(Statement::Insert { table, columns: Some(columns), rows: vec![row] })
}

fn literal(expression: Expr) -> Literal {
    match expression {
        Expr::Value(value) => literal_value(value.value),
        // CppComet takes a bare word, or a name in backticks, as a value.
        Expr::Identifier(name) => Literal::Plain(name.value),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match literal(*expr) {
            Literal::Plain(number) if number.starts_with(|c: char| c.is_ascii_digit()) => {
                Literal::Plain(format!("-{number}"))
            }
            _ => Literal::Expression,
        },
        // `_utf8mb4'text'`: the bytes are UTF-8 whatever they are called.
        Expr::Prefixed { prefix, value } if prefix.value.starts_with('_') => literal(*value),
        _ => Literal::Expression,
    }
}

fn literal_value(value: Value) -> Literal {
    match value {
        Value::SingleQuotedString(raw) => Literal::Quoted { quote: '\'', raw },
        // What a prepared statement was executed with.
        Value::TripleSingleQuotedString(text) => Literal::Exact(text),
        Value::DoubleQuotedString(raw) => Literal::Quoted { quote: '"', raw },
        Value::NationalStringLiteral(raw) => Literal::Quoted { quote: '\'', raw },
        Value::Number(digits, _) => Literal::Plain(digits),
        Value::HexStringLiteral(digits) => {
            unhex(&digits).map_or(Literal::Expression, Literal::Plain)
        }
        Value::Boolean(value) => Literal::Plain(value.to_string()),
        Value::Null => Literal::Plain("NULL".into()),
        _ => Literal::Expression,
    }
}

/// `X'6869'`, the way some clients write a buffer.
fn unhex(digits: &str) -> Option<String> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let byte = |&[high, low]: &[u8; 2]| Some(digit(high)? << 4 | digit(low)?);
    let bytes = pairs.iter().map(byte).collect::<Option<Vec<u8>>>()?;
    if rest.is_empty() { String::from_utf8(bytes).ok() } else { None }
}

fn unserved(verb: &'static str, tables: Vec<ast::TableWithJoins>) -> Result<Statement, Error> {
    match tables.into_iter().next().map(|table| table.relation) {
        Some(TableFactor::Table { name, .. }) => {
            Ok(Statement::Unserved { verb, table: table_name(name)? })
        }
        _ => Err(not_served(&format!("{verb} without a table"))),
    }
}

fn select(query: Query) -> Result<Statement, Error> {
    let SetExpr::Select(select) = *query.body else {
        return Err(not_served(&"a query of this kind"));
    };
    let mut from = select.from;
    from.retain(|table| !is_dual(&table.relation));
    if !from.is_empty() {
        return unserved("SELECT", from);
    }
    if select.projection.len() > COLUMNS_MAX {
        return Err(Error::TooManyColumns);
    }
    if query.with.is_some() || select.into.is_some() || select.selection.is_some() {
        return Err(not_served(&"WITH, INTO or WHERE without a table"));
    }
    let items = select.projection.into_iter().map(item).collect::<Result<Vec<_>, _>>()?;
    if items.is_empty() {
        return Err(syntax(&"an empty select list"));
    }
    Ok(Statement::SelectConstants { items, has_row: lets_one_row_through(query.limit_clause) })
}

fn is_dual(table: &TableFactor) -> bool {
    match table {
        TableFactor::Table { name, .. } => name.to_string().eq_ignore_ascii_case("dual"),
        _ => false,
    }
}

fn lets_one_row_through(limit: Option<LimitClause>) -> bool {
    let is_zero = |expression: &Expr| match expression {
        Expr::Value(value) => matches!(&value.value, Value::Number(digits, _) if digits == "0"),
        _ => false,
    };
    match limit {
        None => true,
        Some(LimitClause::LimitOffset { limit, offset, .. }) => {
            !limit.is_some_and(|limit| is_zero(&limit))
                && offset.is_none_or(|offset| is_zero(&offset.value))
        }
        Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
            is_zero(&offset) && !is_zero(&limit)
        }
    }
}

fn item(item: SelectItem) -> Result<Item, Error> {
    match item {
        SelectItem::UnnamedExpr(expression) => {
            let constant = constant(&expression)?;
            let title = match (&expression, &constant) {
                (Expr::Value(value), _) if value.span == BOUND => PLACEHOLDER.into(),
                (Expr::Value(_), Constant::Text(text)) if !is_boolean(&expression) => text.clone(),
                _ => expression.to_string(),
            };
            Ok(Item { title, constant })
        }
        SelectItem::ExprWithAlias { expr, alias } => {
            Ok(Item { title: alias.value, constant: constant(&expr)? })
        }
        _ => Err(not_served(&"SELECT * without a table")),
    }
}

fn is_boolean(expression: &Expr) -> bool {
    matches!(expression, Expr::Value(value) if matches!(value.value, Value::Boolean(_)))
}

fn constant(expression: &Expr) -> Result<Constant, Error> {
    let refused = || not_served(&"an expression of this kind");
    match expression {
        Expr::Value(value) => match &value.value {
            Value::Null => Ok(Constant::Null),
            // Not executed yet.
            Value::Placeholder(mark) if mark == PLACEHOLDER => Ok(Constant::Null),
            Value::Boolean(value) => Ok(Constant::Text(u8::from(*value).to_string())),
            other => literal_value(other.clone()).text().map(Constant::Text).ok_or_else(refused),
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match constant(expr) {
            Ok(Constant::Text(number)) => Ok(Constant::Text(format!("-{number}"))),
            _ => Err(refused()),
        },
        Expr::Nested(inner) => constant(inner),
        Expr::Identifier(name) => match name.quote_style {
            // Only these are functions without parentheses.
            None => {
                bare_function(&name.value).map_or_else(|| variable(std::slice::from_ref(name)), Ok)
            }
            Some(_) => variable(std::slice::from_ref(name)),
        },
        Expr::CompoundIdentifier(names) => variable(names),
        Expr::Function(function) => function_of(function)
            .ok_or_else(|| not_served(&format!("the function {}", function.name))),
        _ => Err(refused()),
    }
}

/// `@@name`, `@@session.name`; and `@name`, which nobody can have set.
fn variable(names: &[Ident]) -> Result<Constant, Error> {
    let (Some(first), Some(last)) = (names.first(), names.last()) else {
        return Err(syntax(&"a name is missing"));
    };
    if first.value.starts_with("@@") {
        let name = last.value.trim_start_matches('@');
        return Ok(Constant::Variable(name.to_string()));
    }
    if first.value.starts_with('@') {
        return Ok(Constant::Null);
    }
    match not_served(&last.value) {
        Error::NotServed(name) => Err(Error::NoColumn(name)),
        other => Err(other),
    }
}

fn bare_function(name: &str) -> Option<Constant> {
    match name.to_ascii_lowercase().as_str() {
        "current_user" => Some(Constant::User),
        "current_timestamp" => Some(Constant::Now),
        _ => None,
    }
}

fn function_of(function: &ast::Function) -> Option<Constant> {
    let has_arguments = match &function.args {
        FunctionArguments::None => false,
        FunctionArguments::List(list) => !list.args.is_empty(),
        FunctionArguments::Subquery(_) => true,
    };
    if has_arguments {
        return None;
    }
    Some(match function.name.to_string().to_ascii_lowercase().as_str() {
        "database" | "schema" => Constant::Database,
        "version" => Constant::Version,
        "user" | "current_user" | "session_user" | "system_user" => Constant::User,
        "connection_id" => Constant::ConnectionId,
        "now" | "current_timestamp" => Constant::Now,
        "unix_timestamp" => Constant::UnixTimestamp,
        "last_insert_id" | "row_count" => Constant::Text("0".into()),
        _ => return None,
    })
}
