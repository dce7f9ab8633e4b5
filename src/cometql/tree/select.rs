//! SELECT.

use sqlparser::ast::{
    Distinct, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, LimitClause,
    OrderBy, OrderByKind, OrderBySort, Query, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    TableFactor, Value,
};
use sqlparser::ast::{DuplicateTreatment, Function};

use super::condition::condition;
use super::constant::{constant, is_boolean};
use super::insert::only_table;
use super::{Scope, column_of};
use crate::cometql::Error;
use crate::cometql::select::{Select, Shown};
use crate::cometql::statement::{
    BOUND, Constant, Item, PLACEHOLDER, Statement, not_served, syntax,
};

/// Longest select list, in columns.
const COLUMNS_MAX: usize = 1024;

/// SELECT with a table or without one.
pub fn select(query: Query) -> Result<Statement, Error> {
    let SetExpr::Select(select) = *query.body else {
        return Err(not_served(&"a query of this kind"));
    };
    let mut from = select.from;
    from.retain(|table| !is_dual(&table.relation));
    if select.projection.len() > COLUMNS_MAX {
        return Err(Error::TooManyColumns);
    }
    if select.projection.is_empty() {
        return Err(syntax(&"an empty select list"));
    }
    if query.with.is_some() || select.into.is_some() {
        return Err(not_served(&"WITH or INTO"));
    }
    let (skip, most) = limit(query.limit_clause)?;
    if from.is_empty() {
        if select.selection.is_some() {
            return Err(not_served(&"WHERE without a table"));
        }
        let items = select.projection.into_iter().map(|it| item(it, None));
        let constant = |item| match item {
            Ok(Shown::Constant(item)) => Ok(item),
            Ok(_) => Err(not_served(&"SELECT * without a table")),
            Err(error) => Err(error),
        };
        let items = items.map(constant).collect::<Result<Vec<_>, _>>()?;
        return Ok(Statement::SelectConstants { items, has_row: skip == 0 && most > 0 });
    }
    let is_grouped =
        !matches!(&select.group_by, GroupByExpr::Expressions(list, _) if list.is_empty());
    if is_grouped || select.having.is_some() {
        return Err(not_served(&"GROUP BY or HAVING"));
    }
    let scope = only_table(from)?;
    let items = select.projection.into_iter().map(|it| item(it, Some(&scope)));
    Ok(Statement::Select(Box::new(Select {
        items: items.collect::<Result<Vec<_>, _>>()?,
        condition: select.selection.map(|it| condition(it, &scope)).transpose()?,
        order: query.order_by.map_or(Ok(Vec::new()), |it| order(it, &scope))?,
        is_distinct: matches!(select.distinct, Some(Distinct::Distinct)),
        skip,
        most,
        table: scope.table,
    })))
}

fn is_dual(table: &TableFactor) -> bool {
    match table {
        TableFactor::Table { name, .. } => name.to_string().eq_ignore_ascii_case("dual"),
        _ => false,
    }
}

/// How many rows are left out, and how many are shown at most.
fn limit(limit: Option<LimitClause>) -> Result<(usize, usize), Error> {
    let (offset, limit) = match limit {
        None => (None, None),
        Some(LimitClause::LimitOffset { limit, offset, .. }) => {
            (offset.map(|offset| offset.value), limit)
        }
        Some(LimitClause::OffsetCommaLimit { offset, limit }) => (Some(offset), Some(limit)),
    };
    Ok((offset.map_or(Ok(0), row_count)?, limit.map_or(Ok(usize::MAX), row_count)?))
}

fn row_count(expression: Expr) -> Result<usize, Error> {
    match expression {
        Expr::Value(value) => match value.value {
            // More than can be counted is as good as none.
            Value::Number(digits, _) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Ok(digits.parse().unwrap_or(usize::MAX))
            }
            // A prepared statement that has no values yet.
            Value::Placeholder(_) => Ok(usize::MAX),
            _ => Err(syntax(&"LIMIT takes whole numbers")),
        },
        _ => Err(syntax(&"LIMIT takes whole numbers")),
    }
}

fn order(order: OrderBy, scope: &Scope) -> Result<Vec<(String, bool)>, Error> {
    let OrderByKind::Expressions(list) = order.kind else {
        return Err(not_served(&"ORDER BY ALL"));
    };
    let one = |by: sqlparser::ast::OrderByExpr| {
        let column = column_of(by.expr, scope)
            .ok_or_else(|| not_served(&"ORDER BY of anything but a column"))??;
        Ok((column, matches!(by.options.sort, Some(OrderBySort::Desc))))
    };
    list.into_iter().map(one).collect()
}

fn item(item: SelectItem, scope: Option<&Scope>) -> Result<Shown, Error> {
    match item {
        SelectItem::UnnamedExpr(expression) => shown(expression, None, scope),
        SelectItem::ExprWithAlias { expr, alias } => shown(expr, Some(alias.value), scope),
        SelectItem::Wildcard(_) => Ok(Shown::All),
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
            let scope = scope.ok_or_else(|| not_served(&"SELECT * without a table"))?;
            let is_own = name.0.last().and_then(|part| part.as_ident());
            let is_own = is_own.is_some_and(|name| scope.is_called(&name.value));
            if is_own { Ok(Shown::All) } else { Err(not_served(&"a * of another table")) }
        }
        _ => Err(not_served(&"a select list of this kind")),
    }
}

fn shown(expression: Expr, alias: Option<String>, scope: Option<&Scope>) -> Result<Shown, Error> {
    if let Some(scope) = scope {
        if let Expr::Function(function) = &expression
            && function.name.to_string().eq_ignore_ascii_case("count")
        {
            let title = alias.unwrap_or_else(|| function.to_string());
            let distinct = counted(function, scope)?;
            return Ok(Shown::Count { title, distinct });
        }
        let is_column = match &expression {
            // `CURRENT_USER` and its kind are names only without quotes.
            Expr::Identifier(name) => {
                !name.value.starts_with('@') && constant(&expression).is_err()
            }
            Expr::CompoundIdentifier(names) => !names[0].value.starts_with('@'),
            _ => false,
        };
        if is_column && let Some(column) = column_of(expression.clone(), scope) {
            let column = column?;
            return Ok(Shown::Column { title: alias.unwrap_or_else(|| column.clone()), column });
        }
        // A quoted word is a column's name, if a column has it.
        if let Expr::Value(value) = &expression
            && let Value::SingleQuotedString(name) | Value::DoubleQuotedString(name) = &value.value
            && scope.has(name)
        {
            let (title, column) = (alias.unwrap_or_else(|| name.clone()), name.clone());
            return Ok(Shown::Column { title, column });
        }
    }
    let constant = constant(&expression)?;
    let title = alias.unwrap_or_else(|| match (&expression, &constant) {
        (Expr::Value(value), _) if value.span == BOUND => PLACEHOLDER.into(),
        (Expr::Value(_), Constant::Text(text)) if !is_boolean(&expression) => text.clone(),
        _ => expression.to_string(),
    });
    Ok(Shown::Constant(Item { title, constant }))
}

/// What a COUNT counts: `None` for rows, of which no column is ever NULL.
fn counted(function: &Function, scope: &Scope) -> Result<Option<String>, Error> {
    let refused = || not_served(&"COUNT of anything but * or a column");
    let FunctionArguments::List(list) = &function.args else { return Err(refused()) };
    let is_distinct = matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct));
    match &list.args[..] {
        [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] if !is_distinct => Ok(None),
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(_)))] if !is_distinct => Ok(None),
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(expression))] => {
            let column = column_of(expression.clone(), scope).ok_or_else(refused)??;
            if !scope.has(&column) {
                return Err(Error::NoColumn(column.into()));
            }
            Ok(is_distinct.then_some(column))
        }
        _ => Err(refused()),
    }
}
