//! What a WHERE asks: which keys it names, and whether a row fits.
//!
//! No table is searched: a condition must name the values of the table's key, as CppComet demands, and
//! what is found under them is filtered by the whole condition. So `id IN (1, 2) AND hash <> ''` reads
//! two records and drops those that do not fit.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashSet;

use super::Error;
use super::literal::Literal;
use super::statement::not_served;
use super::tables::{Column, Kind, Table};
use super::variables::is_like;
use crate::hub::message::MessageId;

/// Most comparisons in one WHERE, and lists of them between AND or OR.
const CONDITIONS_MAX: usize = 64;
/// Most values of one IN.
const VALUES_MAX: usize = 4_000;
/// Longest pattern of a LIKE, in bytes: with the length of a text it is a product of work.
const PATTERN_BYTES_MAX: usize = 200;

/// A WHERE as it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Condition {
    /// `1 = 1` and its kind.
    Always(bool),
    /// A column beside a value.
    Compare {
        /// Which column.
        column: String,
        /// How they are to stand.
        operator: Operator,
        /// Which value.
        value: Literal,
    },
    /// A column with one of these values.
    In {
        /// Which column.
        column: String,
        /// Which values.
        values: Vec<Literal>,
    },
    /// A column like a pattern.
    Like {
        /// Which column.
        column: String,
        /// Which pattern.
        pattern: Literal,
    },
    /// Not this.
    Not(Box<Condition>),
    /// Each of these.
    All(Vec<Condition>),
    /// One of these.
    Any(Vec<Condition>),
}

/// How a column's value and another are to stand to each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operator {
    /// `=`.
    Equal,
    /// `<>` or `!=`.
    NotEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
}

/// A condition on the columns of one table, by their places.
pub enum Filter {
    /// Whatever the row is.
    Always(bool),
    /// See `Condition::Compare`.
    Compare { column: usize, operator: Operator, value: String },
    /// See `Condition::In`: in the order written, and to be looked up.
    In { column: usize, values: Vec<String>, known: HashSet<String> },
    /// See `Condition::Like`.
    Like { column: usize, pattern: String },
    /// See `Condition::Not`.
    Not(Box<Filter>),
    /// See `Condition::All`.
    All(Vec<Filter>),
    /// See `Condition::Any`.
    Any(Vec<Filter>),
}

impl Condition {
    /// Finds the columns in a table, and takes the values as texts.
    pub fn on(self, table: &Table) -> Result<Filter, Error> {
        self.bind(table, &mut 0)
    }

    fn bind(self, table: &Table, count: &mut usize) -> Result<Filter, Error> {
        *count += 1;
        if *count > CONDITIONS_MAX {
            return Err(Error::TooManyConditions(CONDITIONS_MAX));
        }
        let all = |conditions: Vec<Condition>, count: &mut usize| {
            let filters = conditions.into_iter().map(|condition| condition.bind(table, count));
            filters.collect::<Result<Vec<_>, _>>()
        };
        Ok(match self {
            Condition::Always(is_true) => Filter::Always(is_true),
            Condition::Not(inner) => Filter::Not(Box::new(inner.bind(table, count)?)),
            Condition::All(conditions) => Filter::All(all(conditions, count)?),
            Condition::Any(conditions) => Filter::Any(all(conditions, count)?),
            Condition::Compare { column, operator, value } => {
                Filter::Compare { column: table.place_of(&column)?, operator, value: text(value)? }
            }
            Condition::In { column, values } => {
                let column = table.place_of(&column)?;
                if values.len() > VALUES_MAX {
                    return Err(Error::TooManyValues(VALUES_MAX));
                }
                let values = values.into_iter().map(text).collect::<Result<Vec<_>, _>>()?;
                let kind = table.columns[column].kind;
                let known = values.iter().map(|value| plain(kind, value).into_owned()).collect();
                Filter::In { column, values, known }
            }
            Condition::Like { column, pattern } => {
                let pattern = text(pattern)?;
                if pattern.len() > PATTERN_BYTES_MAX {
                    return Err(not_served(&"LIKE with a pattern of more than 200 bytes"));
                }
                Filter::Like { column: table.place_of(&column)?, pattern }
            }
        })
    }
}

fn text(value: Literal) -> Result<String, Error> {
    value.text().ok_or_else(|| not_served(&"an expression of this kind in WHERE"))
}

impl Filter {
    /// The only values that a column can have in rows that fit, as far as the condition says; in the
    /// order written, some perhaps twice.
    ///
    /// CppComet takes LIKE for `=`, and many names have a `_` in them: without a `%`, a pattern is
    /// taken as the one value that it spells.
    pub fn values_of(&self, wanted: usize) -> Option<Vec<String>> {
        match self {
            Filter::Always(false) => Some(Vec::new()),
            Filter::Compare { column, operator: Operator::Equal, value } if *column == wanted => {
                Some(vec![value.clone()])
            }
            Filter::In { column, values, .. } if *column == wanted => Some(values.clone()),
            Filter::Like { column, pattern } if *column == wanted => {
                spelled(pattern).map(|value| vec![value])
            }
            Filter::All(filters) => filters.iter().find_map(|filter| filter.values_of(wanted)),
            Filter::Any(filters) => {
                let lists: Option<Vec<_>> =
                    filters.iter().map(|filter| filter.values_of(wanted)).collect();
                lists.map(|lists| lists.concat())
            }
            _ => None,
        }
    }

    /// Whether it looks at no other column than this one.
    pub fn is_about(&self, only: usize) -> bool {
        match self {
            Filter::Always(_) => true,
            Filter::Compare { column, .. }
            | Filter::In { column, .. }
            | Filter::Like { column, .. } => *column == only,
            Filter::Not(inner) => inner.is_about(only),
            Filter::All(filters) | Filter::Any(filters) => {
                filters.iter().all(|filter| filter.is_about(only))
            }
        }
    }

    /// Whether a row fits, whose value in each column is told by its place.
    pub fn fits<'a>(&self, columns: &[Column], value_at: &impl Fn(usize) -> &'a str) -> bool {
        match self {
            Filter::Always(is_true) => *is_true,
            Filter::Compare { column, operator, value } => {
                operator.holds(compare(columns[*column].kind, value_at(*column), value))
            }
            Filter::In { column, known, .. } => {
                known.contains(&*plain(columns[*column].kind, value_at(*column)))
            }
            Filter::Like { column, pattern } => is_like(value_at(*column), pattern),
            Filter::Not(inner) => !inner.fits(columns, value_at),
            Filter::All(filters) => filters.iter().all(|filter| filter.fits(columns, value_at)),
            Filter::Any(filters) => filters.iter().any(|filter| filter.fits(columns, value_at)),
        }
    }
}

impl Operator {
    /// Whether two values that stand so to each other are as wanted.
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Operator::Equal => ordering.is_eq(),
            Operator::NotEqual => ordering.is_ne(),
            Operator::Less => ordering.is_lt(),
            Operator::LessOrEqual => ordering.is_le(),
            Operator::Greater => ordering.is_gt(),
            Operator::GreaterOrEqual => ordering.is_ge(),
        }
    }

    /// The same with both sides exchanged.
    pub fn mirrored(self) -> Operator {
        match self {
            Operator::Less => Operator::Greater,
            Operator::LessOrEqual => Operator::GreaterOrEqual,
            Operator::Greater => Operator::Less,
            Operator::GreaterOrEqual => Operator::LessOrEqual,
            same => same,
        }
    }
}

/// The order of two values of a column: numbers by size and before texts. Texts that differ are never
/// equal, even as numbers, where the column is not one of numbers.
pub fn compare(kind: Kind, left: &str, right: &str) -> Ordering {
    let by_text = || left.cmp(right);
    match (number(left), number(right)) {
        (Some(left), Some(right)) if kind == Kind::Number => left.total_cmp(&right),
        (Some(left), Some(right)) => left.total_cmp(&right).then_with(by_text),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) if kind == Kind::MessageId => {
            left.parse().ok().zip(right.parse().ok()).map_or_else(by_text, by_id)
        }
        (None, None) => by_text(),
    }
}

fn by_id((left, right): (MessageId, MessageId)) -> Ordering {
    left.cmp(&right)
}

/// Decimal digits with at most a sign and a point.
fn number(text: &str) -> Option<f64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"-.".contains(&byte));
    // Zero has two signs, and both are equal.
    if is_plain { text.parse().ok().map(|number: f64| number + 0.0) } else { None }
}

/// A text that equal values share.
fn plain(kind: Kind, text: &str) -> Cow<'_, str> {
    match number(text).filter(|_| kind == Kind::Number) {
        Some(number) => number.to_string().into(),
        None => text.into(),
    }
}

/// What a pattern without a `%` spells.
fn spelled(pattern: &str) -> Option<String> {
    let (mut out, mut rest) = (String::with_capacity(pattern.len()), pattern.chars());
    while let Some(character) = rest.next() {
        match character {
            '%' => return None,
            '\\' => out.push(rest.next().unwrap_or('\\')),
            other => out.push(other),
        }
    }
    Some(out)
}
