//! SQL to statements: whatever is accepted means what it says, value by value.

use encke::cometql::literal::Literal;
use encke::cometql::statement::{Parameter, Statement, TableName};

pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let parsed = Statement::parse(&text);
    if let Err(error) = &parsed {
        assert!(error.to_string().starts_with(&format!("[{}] ", error.peer_number())));
    }
    if let Ok(statement) = &parsed {
        assert!(!statement.kind().is_empty());
        check_again(statement);
    }
    let Ok((_, parameters)) = Statement::prepare(&text) else { return };
    // A value is never taken for SQL, whatever stands in it.
    let nasty = "'\"`\\';--/*?*/#\n\0";
    let values = || vec![Parameter::Text(nasty.to_owned()); parameters.min(1_000)];
    if let Ok(statement) = Statement::execute(&text, values()) {
        check_bound(&statement, nasty);
    }
    if parameters > 0 {
        assert!(Statement::execute(&text, Vec::new()).is_err(), "a ? has no value: {text}");
    }
}

/// What was bound means itself.
fn check_bound(statement: &Statement, bound: &str) {
    let Statement::Insert { rows, .. } = statement else { return };
    for literal in rows.iter().flatten() {
        if let Literal::Exact(text) = literal {
            assert_eq!(text, bound);
            assert_eq!(literal.clone().message().as_deref(), Some(bound));
        }
    }
}

/// An INSERT written anew from what was understood of it is understood in the same way.
fn check_again(statement: &Statement) {
    let Statement::Insert { table, columns, rows, .. } = statement else { return };
    rows.iter().flatten().for_each(check_literal);
    let Some(text) = written(table, columns.as_deref(), rows) else { return };
    match Statement::parse(&text) {
        Ok(Statement::Insert {
            table: again, columns: columns_again, rows: rows_again, ..
        }) => {
            assert_eq!((&again, &columns_again, &rows_again), (table, columns, rows), "{text}");
        }
        other => panic!("{text}: {other:?}"),
    }
}

/// `None` if there is no way to write it.
fn written(table: &TableName, columns: Option<&[String]>, rows: &[Vec<Literal>]) -> Option<String> {
    let mut text = "INSERT INTO ".to_owned();
    if let Some(database) = &table.database {
        text += &(quoted(database)? + ".");
    }
    text += &quoted(&table.table)?;
    if let Some(columns) = columns {
        let columns: Option<Vec<_>> = columns.iter().map(|column| quoted(column)).collect();
        text += &format!(" ({})", columns?.join(","));
    }
    let row = |row: &Vec<Literal>| {
        let values: Option<Vec<_>> = row.iter().map(value).collect();
        Some(format!("({})", values?.join(",")))
    };
    let rows: Option<Vec<_>> = rows.iter().map(row).collect();
    let rows = rows?;
    (!rows.is_empty()).then(|| text + " VALUES " + &rows.join(","))
}

fn quoted(name: &str) -> Option<String> {
    (!name.contains('`') && !name.is_empty()).then(|| format!("`{name}`"))
}

fn value(literal: &Literal) -> Option<String> {
    match literal {
        Literal::Quoted { quote, raw } => Some(format!("{quote}{raw}{quote}")),
        Literal::Plain(text) => quoted(text),
        Literal::Exact(_) | Literal::Expression => None,
    }
}

/// The text of a literal, by MySQL's table of escapes, read from its end.
fn check_literal(literal: &Literal) {
    let Literal::Quoted { quote, raw } = literal else { return };
    let mut expected = String::new();
    let characters: Vec<char> = raw.chars().collect();
    let mut at = 0;
    while at < characters.len() {
        let next = characters.get(at + 1);
        let (meaning, used) = match (characters[at], next) {
            ('\\', Some('n')) => ("\n".to_owned(), 2),
            ('\\', Some('r')) => ("\r".to_owned(), 2),
            ('\\', Some('t')) => ("\t".to_owned(), 2),
            ('\\', Some('b')) => ("\u{8}".to_owned(), 2),
            ('\\', Some('0')) => ("\0".to_owned(), 2),
            ('\\', Some('Z')) => ("\u{1a}".to_owned(), 2),
            ('\\', Some(wildcard @ ('%' | '_'))) => (format!("\\{wildcard}"), 2),
            ('\\', Some(other)) => (other.to_string(), 2),
            (one, Some(two)) if one == *quote && two == quote => (one.to_string(), 2),
            (one, _) => (one.to_string(), 1),
        };
        expected += &meaning;
        at += used;
    }
    assert_eq!(literal.clone().text().as_deref(), Some(&*expected), "{raw}");
    let message = literal.clone().message().expect("no expression");
    let is_json = encke::proto::json::validate(message.as_bytes()).is_ok();
    assert!(message == expected || is_json, "{raw}: {message}");
}
