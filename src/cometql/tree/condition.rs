//! WHERE.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};

use super::constant::literal;
use super::{Scope, column_of};
use crate::cometql::Error;
use crate::cometql::condition::{Condition, Operator};
use crate::cometql::literal::Literal;
use crate::cometql::statement::not_served;

/// Finds the meaning of a WHERE. Its depth is bounded by the parser's.
pub fn condition(expression: Expr, scope: &Scope) -> Result<Condition, Error> {
    let negated = |is_not: bool, condition: Condition| {
        if is_not { Condition::Not(Box::new(condition)) } else { condition }
    };
    match expression {
        Expr::Nested(inner) => condition(*inner, scope),
        Expr::UnaryOp { op: UnaryOperator::Not | UnaryOperator::BangNot, expr } => {
            Ok(negated(true, condition(*expr, scope)?))
        }
        Expr::BinaryOp { left, op, right } => binary(*left, &op, *right, scope),
        Expr::InList { expr, list, negated: is_not } => {
            let column = column(*expr, scope)?;
            let values = list.into_iter().map(literal).collect();
            Ok(negated(is_not, Condition::In { column, values }))
        }
        Expr::Like { negated: is_not, any: false, expr, pattern, escape_char: None } => {
            let (column, pattern) = (column(*expr, scope)?, literal(*pattern));
            Ok(negated(is_not, Condition::Like { column, pattern }))
        }
        Expr::Between { expr, negated: is_not, low, high } => {
            let column = column(*expr, scope)?;
            let compare = |operator, bound: Expr| {
                let (column, value) = (column.clone(), literal(bound));
                Condition::Compare { column, operator, value }
            };
            let both = vec![
                compare(Operator::GreaterOrEqual, *low),
                compare(Operator::LessOrEqual, *high),
            ];
            Ok(negated(is_not, Condition::All(both)))
        }
        // No column is ever NULL.
        Expr::IsNull(expr) => of_every_row(*expr, false, scope),
        Expr::IsNotNull(expr) => of_every_row(*expr, true, scope),
        Expr::Value(value) => match value.value {
            Value::Boolean(is_true) => Ok(Condition::Always(is_true)),
            Value::Number(digits, _) => Ok(Condition::Always(digits != "0")),
            _ => Err(refused()),
        },
        _ => Err(refused()),
    }
}

fn refused() -> Error {
    not_served(&"a condition of this kind")
}

/// Names a column, so that an unknown one is found, and looks at nothing of it.
fn of_every_row(expression: Expr, is_true: bool, scope: &Scope) -> Result<Condition, Error> {
    let column = column(expression, scope)?;
    if scope.has(&column) {
        Ok(Condition::Always(is_true))
    } else {
        Err(Error::NoColumn(column.into()))
    }
}

fn column(expression: Expr, scope: &Scope) -> Result<String, Error> {
    column_of(expression, scope).ok_or_else(refused)?
}

fn binary(
    left: Expr,
    operator: &BinaryOperator,
    right: Expr,
    scope: &Scope,
) -> Result<Condition, Error> {
    use Operator::*;
    let operator = match operator {
        BinaryOperator::And => {
            return both(left, right, scope, |condition| match condition {
                Condition::All(list) => Ok(list),
                other => Err(other),
            })
            .map(Condition::All);
        }
        BinaryOperator::Or => {
            return both(left, right, scope, |condition| match condition {
                Condition::Any(list) => Ok(list),
                other => Err(other),
            })
            .map(Condition::Any);
        }
        BinaryOperator::Eq | BinaryOperator::Spaceship => Equal,
        BinaryOperator::NotEq => NotEqual,
        BinaryOperator::Lt => Less,
        BinaryOperator::LtEq => LessOrEqual,
        BinaryOperator::Gt => Greater,
        BinaryOperator::GtEq => GreaterOrEqual,
        _ => return Err(refused()),
    };
    match (number(&left), number(&right)) {
        // `1 = 1`, which programs put before their own conditions.
        (Some(left), Some(right)) if operator == Equal => Ok(Condition::Always(left == right)),
        (Some(_), None) => {
            let (column, value) = (column(right, scope)?, literal(left));
            Ok(Condition::Compare { column, operator: operator.mirrored(), value })
        }
        _ => {
            let (column, value) = (column(left, scope)?, literal(right));
            Ok(Condition::Compare { column, operator, value })
        }
    }
}

/// Both sides of an AND or OR; a chain of them becomes one list.
fn both(
    left: Expr,
    right: Expr,
    scope: &Scope,
    list_of: impl Fn(Condition) -> Result<Vec<Condition>, Condition>,
) -> Result<Vec<Condition>, Error> {
    let mut list = list_of(condition(left, scope)?).unwrap_or_else(|single| vec![single]);
    list.push(condition(right, scope)?);
    Ok(list)
}

fn number(expression: &Expr) -> Option<Literal> {
    match expression {
        Expr::Value(value) if matches!(value.value, Value::Number(..)) => {
            Some(literal(expression.clone()))
        }
        _ => None,
    }
}
