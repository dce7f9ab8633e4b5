//! Values: literals of every kind, and what can be selected without a table.

use sqlparser::ast::{self, Expr, FunctionArguments, Ident, UnaryOperator, Value};

use crate::cometql::Error;
use crate::cometql::literal::Literal;
use crate::cometql::statement::{Constant, PLACEHOLDER, not_served, syntax};

/// A value beside a column.
pub fn literal(expression: Expr) -> Literal {
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

/// `TRUE` or `FALSE`.
pub fn is_boolean(expression: &Expr) -> bool {
    matches!(expression, Expr::Value(value) if matches!(value.value, Value::Boolean(_)))
}

/// What can be selected without a table.
pub fn constant(expression: &Expr) -> Result<Constant, Error> {
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
