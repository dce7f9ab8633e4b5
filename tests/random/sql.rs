//! Statements made of known values: whatever is quoted or bound arrives as it was.

use encke::cometql::literal::Literal;
use encke::cometql::statement::{Parameter, Statement};

use crate::Place;
use crate::oracles::sql::check;
use crate::support::random::{Random, rounds};

/// Text of what SQL and JSON trip over.
fn nasty(random: &mut Random) -> String {
    let parts = [
        "'",
        "\"",
        "\\",
        "`",
        ";",
        "--",
        "/*",
        "*/",
        "#",
        "?",
        "%",
        "_",
        "\n",
        "\0",
        "\u{1a}",
        "{",
        "}",
        "a",
        "é",
        "\u{10ffff}",
        "''",
        "\\'",
        "VALUES",
        "@@",
        "$$",
        "N'",
        "0x",
    ];
    (0..random.below(12)).map(|_| random.pick(&parts)).collect()
}

/// As `mysqli_real_escape_string` does, or by doubling quotes; then between those quotes.
fn quoted(text: &str, random: &mut Random) -> String {
    let quote = random.pick(&['\'', '"']);
    let is_doubling = random.one_in(2);
    let mut out = String::from(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            _ if character == quote && is_doubling => out.extend([quote, quote]),
            '\'' | '"' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            '\0' => out.push_str("\\0"),
            '\u{1a}' => out.push_str("\\Z"),
            _ => out.push(character),
        }
    }
    out.push(quote);
    out
}

fn rows_of(statement: Statement) -> Vec<Vec<Literal>> {
    match statement {
        Statement::Insert { rows, columns, .. } => {
            assert_eq!(columns.as_deref().map(<[String]>::len), Some(2));
            rows
        }
        other => panic!("no INSERT: {other:?}"),
    }
}

#[test]
fn quoted_values_arrive_as_they_were() {
    for seed in 0..rounds(1_000) {
        let mut random = Random::new(seed);
        let values: Vec<_> =
            (0..1 + random.below(3)).map(|_| [nasty(&mut random), nasty(&mut random)]).collect();
        let rows: Vec<_> = values
            .iter()
            .map(|row| {
                row.each_ref()
                    .map(|value| quoted(value, &mut random))
                    .join(random.pick(&[",", " , "]))
            })
            .collect();
        let verb =
            random.pick(&["INSERT INTO", "insert into", "REPLACE INTO", "INSERT IGNORE INTO"]);
        let space = random.pick(&[" ", "\n", " /* ; ' */ "]);
        let rows = rows.join("),(");
        let sql = format!("{verb}{space}pipes_messages(name,{space}`message`) VALUES({rows})");
        let _place = Place { seed, input: sql.as_bytes() };
        check(sql.as_bytes());
        let found = rows_of(Statement::parse(&sql).unwrap_or_else(|error| panic!("{error}")));
        let texts = |literal: Literal| literal.text().expect("no expression");
        let found: Vec<Vec<_>> =
            found.into_iter().map(|row| row.into_iter().map(texts).collect()).collect();
        assert_eq!(found, values);
    }
}

#[test]
fn bound_values_mean_themselves() {
    let sql = "INSERT INTO pipes_messages (name, message) VALUES (?, ?), (?, 'x')";
    for seed in 0..rounds(1_000) {
        let mut random = Random::new(seed);
        let values: [String; 3] = std::array::from_fn(|_| nasty(&mut random));
        let parameters = values.iter().cloned().map(Parameter::Text).collect();
        let statement = Statement::execute(sql, parameters).expect("it is the same for all values");
        let rows = rows_of(statement);
        let bound = [&rows[0][0], &rows[0][1], &rows[1][0]];
        for (literal, value) in bound.into_iter().zip(&values) {
            assert_eq!(literal, &Literal::Exact(value.clone()), "seed {seed}");
            assert_eq!(literal.clone().message().as_ref(), Some(value), "seed {seed}");
        }
    }
}
