//! SELECT from a table: what was found becomes the rows that were asked for.
//!
//! In the order of SQL: WHERE, ORDER BY, select list, DISTINCT, LIMIT. Without an ORDER BY rows come in
//! the order of the key's values in the WHERE.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::condition::{Condition, Filter, compare};
use super::run::{Answer, Run, Who, value_of};
use super::statement::{Item, TableName, not_served};
use super::tables::{Found, Place, Row, Table};
use super::{Context, Error};

/// A SELECT as it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Select {
    /// From which table.
    pub table: TableName,
    /// The select list.
    pub items: Vec<Shown>,
    /// The WHERE.
    pub condition: Option<Condition>,
    /// The columns of ORDER BY, and whether they go down.
    pub order: Vec<(String, bool)>,
    /// Whether equal rows are shown once.
    pub is_distinct: bool,
    /// How many rows are left out at the front.
    pub skip: usize,
    /// How many rows are shown at most.
    pub most: usize,
}

/// One part of a select list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Shown {
    /// `*`.
    All,
    /// A column.
    Column {
        /// How it is called above the rows.
        title: String,
        /// Which.
        column: String,
    },
    /// `COUNT`.
    Count {
        /// How it is called above the rows.
        title: String,
        /// Which column's different values are counted; `None`: rows.
        distinct: Option<String>,
    },
    /// The same in every row.
    Constant(Item),
}

/// Where the value of a shown column comes from.
enum Source {
    Column(usize),
    Rows,
    Different(usize),
    Fixed(Option<String>),
}

/// A SELECT on a known table.
struct Plan {
    table: &'static Table,
    filter: Filter,
    order: Vec<(usize, bool)>,
    sources: Vec<Source>,
    titles: Vec<String>,
    is_distinct: bool,
    skip: usize,
    most: usize,
}

/// The titles of what a SELECT shows. What can be found wrong without the values is.
pub fn titles(select: &Select, table: &Table) -> Result<Vec<String>, Error> {
    let mut titles = Vec::new();
    for item in &select.items {
        match item {
            Shown::All => titles.extend(table.columns.iter().map(|column| column.name.to_owned())),
            Shown::Column { title, column } => {
                table.place_of(column)?;
                titles.push(title.clone());
            }
            Shown::Count { title, .. } => titles.push(title.clone()),
            Shown::Constant(item) => titles.push(item.title.clone()),
        }
    }
    Ok(titles)
}

/// Runs a SELECT.
pub fn select(
    select: Select,
    table: &'static Table,
    who: &Who<'_>,
    context: &Context<'_>,
) -> Result<Run, Error> {
    let read = table.select.clone()?;
    let titles = titles(&select, table)?;
    let sources = sources(select.items, table, who, context)?;
    let order = order(select.order, &sources, &titles, table)?;
    let filter = match select.condition {
        Some(condition) => condition.on(table)?,
        None => Filter::Always(true),
    };
    let keys = filter.values_of(table.key);
    if keys.is_none() && !table.is_whole {
        let (verb, key) = ("Selection", table.columns[table.key].name);
        return Err(Error::NoKey { verb, key });
    }
    let Select { is_distinct, skip, most, .. } = select;
    let plan = Plan { table, filter, order, sources, titles, is_distinct, skip, most };
    let found = read(keys.map(each_once), &Place::of(who, context))?;
    Ok(match found {
        Found::Now(rows) => Run::Now(plan.answer(rows)),
        Found::Ask(command, read) => {
            Run::Ask(vec![command], Box::new(|outcome, view| Ok(plan.answer(read(outcome, view)?))))
        }
    })
}

/// In the order of their first time.
pub fn each_once(mut values: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::with_capacity(values.len());
    values.retain(|value| seen.insert(value.clone()));
    values
}

fn sources(
    items: Vec<Shown>,
    table: &Table,
    who: &Who<'_>,
    context: &Context<'_>,
) -> Result<Vec<Source>, Error> {
    let mut sources = Vec::new();
    for item in items {
        match item {
            Shown::All => sources.extend((0..table.columns.len()).map(Source::Column)),
            Shown::Column { column, .. } => sources.push(Source::Column(table.place_of(&column)?)),
            Shown::Count { distinct: None, .. } => sources.push(Source::Rows),
            Shown::Count { distinct: Some(column), .. } => {
                sources.push(Source::Different(table.place_of(&column)?));
            }
            Shown::Constant(item) => {
                sources.push(Source::Fixed(value_of(item.constant, who, context)));
            }
        }
    }
    let is_one = |source: &Source| matches!(source, Source::Column(_));
    if is_count(&sources) && sources.iter().any(is_one) {
        return Err(not_served(&"COUNT beside a column"));
    }
    Ok(sources)
}

fn is_count(sources: &[Source]) -> bool {
    sources.iter().any(|source| matches!(source, Source::Rows | Source::Different(_)))
}

/// A name is a column's, or the title that it has in the select list.
fn order(
    names: Vec<(String, bool)>,
    sources: &[Source],
    titles: &[String],
    table: &Table,
) -> Result<Vec<(usize, bool)>, Error> {
    let mut order = Vec::with_capacity(names.len());
    for (name, is_down) in names {
        let shown = titles.iter().position(|title| *title == name).map(|place| &sources[place]);
        match shown {
            Some(Source::Column(place)) => order.push((*place, is_down)),
            // The same in every row.
            Some(_) => {}
            None => order.push((table.place_of(&name)?, is_down)),
        }
    }
    Ok(order)
}

impl Plan {
    fn answer(self, mut rows: Vec<Row>) -> Answer {
        let columns = self.table.columns;
        rows.retain(|row| self.filter.fits(columns, &|place| &row[place]));
        rows.sort_by(|left, right| self.compare(left, right));
        let mut rows: Vec<Vec<Option<String>>> = if is_count(&self.sources) {
            vec![self.sources.iter().map(|source| source.count(&rows)).collect()]
        } else {
            rows.iter().map(|row| self.sources.iter().map(|it| it.value(row)).collect()).collect()
        };
        if self.is_distinct {
            let mut seen = HashSet::new();
            rows.retain(|row| seen.insert(row.clone()));
        }
        rows.drain(..self.skip.min(rows.len()));
        rows.truncate(self.most);
        Answer::Rows { columns: self.titles, rows }
    }

    fn compare(&self, left: &Row, right: &Row) -> Ordering {
        let one = |&(place, is_down): &(usize, bool)| {
            let kind = self.table.columns[place].kind;
            let ordering = compare(kind, &left[place], &right[place]);
            if is_down { ordering.reverse() } else { ordering }
        };
        self.order.iter().map(one).find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
    }
}

impl Source {
    fn value(&self, row: &Row) -> Option<String> {
        match self {
            Source::Column(place) => Some(row[*place].clone()),
            Source::Fixed(value) => value.clone(),
            Source::Rows | Source::Different(_) => None,
        }
    }

    fn count(&self, rows: &[Row]) -> Option<String> {
        match self {
            Source::Rows => Some(rows.len().to_string()),
            Source::Different(place) => {
                let values: HashSet<&str> = rows.iter().map(|row| &*row[*place]).collect();
                Some(values.len().to_string())
            }
            Source::Fixed(value) => value.clone(),
            Source::Column(_) => None,
        }
    }
}
