//! Input that means harm: answered with an error, quickly, without a stack that overflows.

use std::time::{Duration, Instant};

use crate::client::{Client, Reply};

fn survives(client: &mut Client, sql: &str) -> Reply {
    let begun = Instant::now();
    let reply = client.query(sql);
    let shown: String = sql.chars().take(60).collect();
    assert!(begun.elapsed() < Duration::from_secs(3), "{shown}: {:?}", begun.elapsed());
    reply
}

#[test]
fn depth_is_bounded() {
    let mut client = Client::open();
    let many = 64 * 1024;
    for (prefix, unit) in [
        ("", "("),
        ("SELECT ", "("),
        ("SELECT * FROM ", "("),
        ("SELECT * FROM pipes WHERE ", "("),
        ("INSERT INTO pipes_messages (name) VALUES ", "("),
        ("INSERT INTO pipes_messages ", "("),
        ("SELECT ", "["),
        ("SELECT ", "{"),
        ("SELECT ", "-"),
        ("SELECT ", "- "),
        ("SELECT ", "~"),
        ("SELECT ", "NOT "),
        ("SELECT ", "CASE "),
        ("SELECT ", "INTERVAL "),
        ("SELECT ", "f("),
        ("SELECT 1 ", "+ 1 "),
        ("SELECT 1 ", "IS NULL "),
        ("SELECT 1 ", "COLLATE x "),
        ("SELECT 1 ", "UNION SELECT 1 "),
        ("SELECT 1 FROM a ", "JOIN a "),
        ("SELECT a", ".a"),
        ("SELECT a ", "AND a "),
        ("SELECT 1", "::int"),
        ("SELECT 'a' ", "'a' "),
        ("SELECT 1", ", 1"),
        ("SELECT * FROM a WHERE a IN (", "(1),"),
        ("EXPLAIN ", "EXPLAIN "),
        ("BEGIN ", "BEGIN "),
        ("SET x = ", "("),
        ("SHOW ", "a "),
        ("", "/*"),
        ("", "/*! "),
        ("", "'"),
        ("", "\""),
        ("", "`"),
        ("SELECT ", "@"),
        ("SELECT ", "@@"),
        ("SELECT ", "$"),
        ("SELECT ", "e1"),
        ("SELECT ", "\\"),
        ("SELECT '", "\\"),
        ("SELECT ", "\0"),
        ("", ";"),
        ("", "--\n"),
        ("SELECT 1 LIMIT ", "("),
        ("SELECT * FROM pipes WHERE name = 'a' ", "AND name = 'a' "),
        ("SELECT * FROM pipes WHERE name = 'a' ", "OR NOT name IN (1) "),
        ("SELECT * FROM pipes WHERE ", "NOT (name = 1) AND "),
        ("SELECT * FROM pipes WHERE name = 'abc' ORDER BY name", ", users DESC"),
        ("SELECT * FROM pipes WHERE name LIKE '", "%a"),
        ("SELECT * FROM pipes WHERE name BETWEEN ", "1 AND "),
        ("DELETE FROM users_auth WHERE id IN (1", ", 1"),
        ("DELETE FROM users_auth WHERE id IN (1", ",'x'"),
        ("UPDATE users_auth SET hash = 1", ", hash = 1"),
        ("INSERT INTO users_auth VALUES (1, 'a')", ", (1, 'a')"),
        ("SHOW TABLES ", "FROM CometQL_v1 "),
        ("SHOW COLUMNS FROM a", ".a"),
        ("DESCRIBE ", "a"),
    ] {
        let sql = format!("{prefix}{}", unit.repeat(many / unit.len()));
        survives(&mut client, &sql);
        for count in [1, 2, 5, 7, 8, 9, 20, 49, 51, 200, 499] {
            survives(&mut client, &format!("{prefix}{}", unit.repeat(count)));
            survives(&mut client, &format!("{prefix}{} 1", unit.repeat(count)));
            survives(&mut client, &format!("{prefix}{}1{}", unit.repeat(count), ")".repeat(count)));
        }
    }
    assert!(matches!(client.query("COMMIT"), Reply::Ok { .. }));
}

/// Every prefix of a statement, and every statement with one byte changed or left out.
#[test]
fn damaged_statements_never_do_anything_but_err_or_work() {
    let mut client = Client::open();
    let sql = "INSERT INTO `pipes_messages` (name, \"event\", message) VALUES ('abc', '', '{\"a\":\\'x\\'}'), \
               (\"abc\", ev, X'6869');";
    assert!(matches!(client.query(sql), Reply::Ok { .. }));
    for at in 0..sql.len() {
        survives(&mut client, &sql[..at]);
        survives(&mut client, &sql[at..]);
        survives(&mut client, &format!("{}{}", &sql[..at], &sql[at + 1..]));
        for byte in "'\"`\\(),;@-/*# \0x9é".chars() {
            survives(&mut client, &format!("{}{byte}{}", &sql[..at], &sql[at + 1..]));
        }
    }
}

/// Words of the grammar in any order, from a fixed seed.
#[test]
fn random_words_are_survived() {
    let words = [
        "SELECT",
        "INSERT",
        "INTO",
        "VALUES",
        "SHOW",
        "SET",
        "FROM",
        "WHERE",
        "pipes_messages",
        "name",
        "(",
        ")",
        ",",
        "'a'",
        "\"b\"",
        "`c`",
        "1",
        "1.5e3",
        "*",
        "=",
        ".",
        "@@x",
        "@y",
        "LIMIT",
        "IN",
        "NOT",
        "NULL",
        "AND",
        "LIKE",
        "BETWEEN",
        "CASE",
        "WHEN",
        "END",
        "INTERVAL",
        "DAY",
        "CAST",
        "AS",
        "VARIABLES",
        "TABLES",
        "FULL",
        "USE",
        "BEGIN",
        "DELETE",
        "UPDATE",
        "users_auth",
        "id",
        "hash",
        "COUNT",
        "DISTINCT",
        "ORDER",
        "BY",
        "OR",
        "<",
        "STATUS",
        "COLUMNS",
        "ON",
        "DUPLICATE",
        "KEY",
        ";",
        "--",
        "/*",
        "*/",
        "EXISTS",
        "UNION",
        "JOIN",
        "x'0'",
        "?",
        "$1",
        ":a",
        "{",
        "}",
        "[",
        "]",
    ];
    let starts =
        ["SELECT", "INSERT INTO pipes_messages", "SHOW", "DELETE FROM", "UPDATE", "EXPLAIN"];
    let mut client = Client::open();
    let mut seed = 42_u64;
    let mut draw = |bound: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % bound
    };
    for _ in 0..3_000 {
        let mut sql = starts[draw(starts.len())].to_string();
        for _ in 0..draw(40) {
            sql.push(' ');
            sql.push_str(words[draw(words.len())]);
        }
        survives(&mut client, &sql);
    }
}

/// A token and its node take some hundred bytes each, so what becomes tokens is bounded, wherever the
/// scan for literals could be led astray.
#[test]
fn a_statement_of_nothing_but_tokens_is_refused_before_it_grows() {
    let mut client = Client::open();
    let tokens = ",".repeat(70_000);
    for start in [
        "SELECT ",
        "SELECT 'a'",
        "SELECT 'a''b'",
        "SELECT 'a\\'b'",
        "SELECT `a\\`",
        "SELECT b'\\'",
        "SELECT $$'$$",
        "SELECT $a$'$a$",
        "SELECT /* ' */",
        "SELECT /*! ' */",
        "SELECT -- '\n",
        "SELECT # '\n",
        "SELECT --'",
    ] {
        for end in ["", "'"] {
            let reply = survives(&mut client, &format!("{start}{tokens}{end}"));
            let error = reply.error();
            assert!(error.2.starts_with("[11] Data is too long: at most"), "{start}: {}", error.2);
            assert_eq!((error.0, error.1), (1105, "HY000"));
        }
    }
    let long = "'',\\'x".repeat(10_000);
    let sql = format!(
        "/* {long} */ INSERT INTO pipes_messages SET name = 'abc', event = '', message = '{long}'"
    );
    assert!(matches!(client.query(&sql), Reply::Ok { .. }));
}
