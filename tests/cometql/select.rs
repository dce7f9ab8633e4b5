//! SELECT: conditions, order, lists and limits (cometql 40, 41, 42).

use crate::client::{Client, Reply};

/// Users 1 to 5 with a hash each, and a log of four messages.
fn filled() -> Client {
    let mut client = Client::open();
    for sql in [
        "INSERT INTO users_auth (id, hash) VALUES (1, 'a'), (2, 'b'), (3, '9'), (4, '10'), (5, 'b')",
        "INSERT INTO pipes_settings (name, length) VALUES ('web_a', 10), ('web_b', 9), ('other', 0)",
        "INSERT INTO pipes_messages (name, event, message) VALUES ('web_a', 'x', 'one'), \
         ('web_a', 'y', 'two'), ('web_b', 'x', 'three'), ('web_a', 'x', '4')",
    ] {
        assert!(matches!(client.query(sql), Reply::Ok { .. }), "{sql}");
    }
    client
}

fn ids(client: &mut Client, rest: &str) -> String {
    let sql = format!("SELECT id FROM users_auth WHERE {rest}");
    match client.query(&sql) {
        reply @ Reply::Rows { .. } => {
            reply.values().iter().map(|row| row[0].clone()).collect::<Vec<_>>().join(" ")
        }
        Reply::Error { text, .. } => text,
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn conditions_name_keys_and_filter() {
    let mut client = filled();
    for (rest, expect) in [
        ("id = 1", "1"),
        ("id = '1'", "1"),
        ("id = \"1\"", "1"),
        ("`id` = `1`", "1"),
        ("'id' = 1", "1"),
        ("\"id\" = 1", "1"),
        ("1 = id", "1"),
        ("(id = 1)", "1"),
        ("id = 001", "1"),
        ("users_auth.id = 1", "1"),
        ("id <=> 1", "1"),
        ("id = 1;", "1"),
        ("id IN (3, 1, 2)", "3 1 2"),
        ("id IN (3, 3, '3', 1)", "3 1"),
        ("id IN( 2, 9, 3, 145 )", "2 3"),
        ("id = 1 OR id = 3", "1 3"),
        ("id = 3 OR id IN (1, 2) OR id = 3", "3 1 2"),
        ("id IN (1, 2) AND id IN (2, 3)", "2"),
        ("id = 1 AND id = 2", ""),
        ("id IN (1, 2, 3) AND NOT id = 2", "1 3"),
        ("id IN (1, 2, 3) AND id <> 2", "1 3"),
        ("id IN (1, 2, 3) AND id != 2", "1 3"),
        ("id IN (1, 2, 3) AND id NOT IN (1, 2)", "3"),
        ("id IN (1, 2, 3, 4) AND id > 2", "3 4"),
        ("id IN (1, 2, 3, 4) AND id >= 2 AND id < 4", "2 3"),
        ("id IN (1, 2, 3, 4) AND 2 < id", "3 4"),
        ("id IN (1, 2, 3, 4) AND id <= 2", "1 2"),
        ("id IN (1, 2, 3, 4) AND id BETWEEN 2 AND 3", "2 3"),
        ("id IN (1, 2, 3, 4) AND id NOT BETWEEN 2 AND 3", "1 4"),
        ("id IN (1, 2, 3, 4, 5) AND hash = 'b'", "2 5"),
        ("id IN (1, 2, 3, 4, 5) AND hash = b", "2 5"),
        ("id IN (1, 2, 3, 4, 5) AND (hash = 'b' OR id = 1)", "1 2 5"),
        ("(id = 1 AND hash = 'x') OR (id = 2 AND hash = 'b')", "2"),
        ("id IN (1, 2) AND hash IN ('b', 'c')", "2"),
        ("id IN (1, 2) AND hash NOT LIKE 'B'", "1"),
        ("id IN (3, 4) AND hash LIKE '1%'", "4"),
        ("id IN (3, 4) AND hash = '09'", ""),
        ("id IN (3, 4) AND hash < 10", "3"),
        ("id IN (1, 2) AND hash IS NULL", ""),
        ("id IN (1, 2) AND hash IS NOT NULL", "1 2"),
        ("1 = 1 AND id = 2", "2"),
        ("1 AND TRUE AND id = 2", "2"),
        ("1 = 0", ""),
        ("FALSE", ""),
        ("id LIKE 1", "1"),
        // No keys: skipped, as values that do not exist are.
        ("id IN (-1, 1.5, 'x', '', NULL, '+1', 99999999999999999999, 2)", "2"),
        ("id = -1", ""),
        ("id = '1 OR 1=1'", ""),
    ] {
        assert_eq!(ids(&mut client, rest), expect, "{rest}");
    }
}

#[test]
fn a_select_without_keys_is_refused() {
    let mut client = filled();
    let no_key = "[13] Selection without transferring the requested values of the primary key is not supported";
    for (rest, text) in [
        ("hash = 'a'", no_key),
        ("id > 1", no_key),
        ("id <> 1", no_key),
        ("id = 1 OR hash = 'a'", no_key),
        ("NOT id = 1", no_key),
        ("id NOT IN (1)", no_key),
        ("id LIKE '%'", no_key),
        ("1 = 1", no_key),
        ("id IS NOT NULL", no_key),
        ("id = 1 AND colour = 2", "[14] Not a specific column: unknown column 'colour'"),
        ("Id = 1", "[14] "),
        ("other.id = 1", "[14] "),
        ("id = 1 AND colour IS NULL", "[14] "),
        ("id IN ()", "[3] "),
        ("id", "[2] "),
        ("id = NOW()", "[2] "),
        ("id + 1 = 2", "[2] "),
        ("id = 1 XOR id = 2", "[2] "),
        ("id RLIKE 1", "[2] "),
        ("id = 1 || id = 2", "[2] "),
        ("id = 1 && id = 2", "[2] "),
        ("(id, hash) = (1, 'a')", "[2] "),
        ("id = (SELECT 1)", "[2] "),
        ("id IN (SELECT 1)", "[2] "),
        ("EXISTS (SELECT 1)", "[2] "),
        ("id = 1 ORDER BY RAND()", "[2] "),
        ("id = 1 ORDER BY colour", "[14] "),
        ("id = 1 GROUP BY id", "[2] "),
        ("id = 1 LIMIT -1", "[3] "),
        ("id = 1 LIMIT 'x'", "[3] "),
    ] {
        let text_told = ids(&mut client, rest);
        assert!(text_told.starts_with(text), "{rest}: {text_told}");
    }
    for (sql, number, state, text) in [
        ("SELECT * FROM users_auth", 1105, "HY000", no_key),
        ("SELECT * FROM pipes", 1105, "HY000", no_key),
        ("SELECT * FROM users_time", 1105, "HY000", no_key),
        ("SELECT * FROM users_messages", 1105, "HY000", no_key),
        ("SELECT * FROM users_in_pipes", 1105, "HY000", no_key),
        ("SELECT * FROM pipes_messages WHERE id = '1-1'", 1105, "HY000", no_key),
        ("SELECT * FROM users_data", 1105, "HY000", no_key),
        ("SELECT colour FROM users_auth WHERE id = 1", 1054, "42S22", "[14] "),
        ("SELECT Id FROM users_auth WHERE id = 1", 1054, "42S22", "[14] "),
        ("SELECT other.id FROM users_auth WHERE id = 1", 1054, "42S22", "[14] "),
        ("SELECT users_auth.id FROM users_auth a WHERE id = 1", 1054, "42S22", "[14] "),
        ("SELECT COUNT(colour) FROM users_auth WHERE id = 1", 1054, "42S22", "[14] "),
        ("SELECT COUNT(*), id FROM users_auth WHERE id = 1", 1105, "HY000", "[2] "),
        ("SELECT MAX(id) FROM users_auth WHERE id = 1", 1105, "HY000", "[2] the function MAX"),
        (
            "SELECT * FROM users_auth, pipes WHERE id = 1",
            1105,
            "HY000",
            "[2] anything but one table",
        ),
        ("SELECT * FROM users_auth JOIN pipes", 1105, "HY000", "[2] JOIN"),
        ("SELECT * FROM (SELECT 1) x", 1105, "HY000", "[2] "),
        ("SELECT * FROM log_event", 1146, "42S02", "[15] Table doesn't exist: 'log_event'"),
        ("SELECT * FROM Users_auth WHERE id = 1", 1146, "42S02", "[15] "),
        ("SELECT * FROM information_schema.tables", 1049, "42000", "[15] "),
    ] {
        let reply = client.query(sql);
        let error = reply.error();
        assert_eq!((error.0, error.1), (number, state), "{sql}: {}", error.2);
        assert!(error.2.starts_with(text), "{sql}: {}", error.2);
    }
}

#[test]
fn lists_limits_and_orders() {
    let mut client = filled();
    let all = "FROM users_auth WHERE id IN (5, 1, 2, 3, 4)";
    for (sql, columns, rows) in [
        (format!("SELECT * {all} LIMIT 1"), "id hash", "5 b"),
        (format!("SELECT hash, id {all} LIMIT 1"), "hash id", "b 5"),
        (format!("SELECT 'hash', \"id\" {all} LIMIT 1"), "hash id", "b 5"),
        (format!("SELECT id AS user, hash k {all} LIMIT 1"), "user k", "5 b"),
        (format!("SELECT users_auth.id, users_auth.* {all} LIMIT 1"), "id id hash", "5 5 b"),
        (format!("SELECT *, 1, 'x' AS y {all} LIMIT 1"), "id hash 1 y", "5 b 1 x"),
        (format!("SELECT id {all} LIMIT 0"), "id", ""),
        (format!("SELECT id {all} LIMIT 0,2"), "id", "5|1"),
        (format!("SELECT id {all} LIMIT 1,1"), "id", "1"),
        (format!("SELECT id {all} LIMIT 2 OFFSET 3"), "id", "3|4"),
        (format!("SELECT id {all} LIMIT 9, 9"), "id", ""),
        (format!("SELECT id {all} LIMIT 99999999999999999999999"), "id", "5|1|2|3|4"),
        (format!("SELECT id {all} ORDER BY id"), "id", "1|2|3|4|5"),
        (format!("SELECT id {all} ORDER BY id DESC LIMIT 2"), "id", "5|4"),
        (format!("SELECT id {all} ORDER BY hash, id DESC"), "id", "3|4|1|5|2"),
        (format!("SELECT id AS n {all} ORDER BY n ASC LIMIT 1"), "n", "1"),
        (format!("SELECT hash {all} ORDER BY users_auth.id LIMIT 1"), "hash", "a"),
        (format!("SELECT DISTINCT hash {all}"), "hash", "b|a|9|10"),
        (format!("SELECT DISTINCT hash {all} LIMIT 2, 1"), "hash", "9"),
        (format!("SELECT COUNT(*) {all}"), "COUNT(*)", "5"),
        (format!("SELECT count(*) AS n {all} AND hash = 'b'"), "n", "2"),
        (
            format!("SELECT COUNT(1), COUNT(id), COUNT(DISTINCT hash) n, 7 {all}"),
            "COUNT(1) COUNT(id) n 7",
            "5 5 4 7",
        ),
        (format!("SELECT COUNT(*) {all} LIMIT 1, 1"), "COUNT(*)", ""),
        ("SELECT COUNT(*) FROM users_auth WHERE id = 99".into(), "COUNT(*)", "0"),
        ("SELECT 1 FROM users_auth WHERE id IN (1, 2)".into(), "1", "1|1"),
        ("SELECT a.id FROM users_auth AS a WHERE a.id = 1 FOR UPDATE".into(), "id", "1"),
        ("SELECT a.* FROM CometQL_v1.users_auth a WHERE id = 1".into(), "id hash", "1 a"),
        ("SELECT SQL_NO_CACHE id FROM db_3.users_auth WHERE id = 1".into(), "id", "1"),
        ("SELECT id, index FROM users_messages WHERE id = 1".into(), "id index", ""),
        ("SELECT id FROM users_auth WHERE id = 99".into(), "id", ""),
        ("SELECT * FROM users_auth WHERE 1=0".into(), "id hash", ""),
        (
            "SELECT name, length FROM pipes_settings".into(),
            "name length",
            "other 0|web_a 10|web_b 9",
        ),
        ("SELECT name FROM pipes_settings ORDER BY length".into(), "name", "other|web_b|web_a"),
        ("SELECT name FROM pipes_settings WHERE name LIKE 'web%'".into(), "name", "web_a|web_b"),
        (
            "SELECT name FROM pipes_settings WHERE length > 0 AND NOT name = 'web_a'".into(),
            "name",
            "web_b",
        ),
        ("SELECT name FROM pipes_settings WHERE name LIKE 'web\\_a'".into(), "name", "web_a"),
        ("SELECT name FROM pipes_settings WHERE name LIKE 'web_a'".into(), "name", "web_a"),
        (
            "SELECT message FROM pipes_messages WHERE name = web_a AND event = 'x'".into(),
            "message",
            "one|4",
        ),
        (
            "SELECT index, message FROM pipes_messages WHERE name IN ('web_b', 'web_a')".into(),
            "index message",
            "0 three|1 one|2 two|3 4",
        ),
        (
            "SELECT message FROM pipes_messages WHERE name IN ('web_a', 'web_b') ORDER BY id DESC"
                .into(),
            "message",
            "4|three|two|one",
        ),
        (
            "SELECT message FROM pipes_messages WHERE name = 'web_a' ORDER BY message".into(),
            "message",
            "4|one|two",
        ),
    ] {
        let reply = client.query(&sql);
        assert!(matches!(reply, Reply::Rows { .. }), "{sql}: {reply:?}");
        assert_eq!(reply.columns().join(" "), columns, "{sql}");
        let told: Vec<_> = reply.values().iter().map(|row| row.join(" ")).collect();
        assert_eq!(told.join("|"), rows, "{sql}");
    }
}

/// In the order of their numbers, and not of their digits.
#[test]
fn ids_of_messages_are_ordered_by_second_and_count() {
    let mut client = Client::open();
    client.query("INSERT INTO pipes_settings VALUES ('abc', 99)");
    for n in 1..=11 {
        client.query(&format!(
            "INSERT INTO pipes_messages (name, event, message) VALUES ('abc', '', {n})"
        ));
    }
    let sql = "SELECT message FROM pipes_messages WHERE name = 'abc' ORDER BY id DESC LIMIT 2";
    assert_eq!(client.query(sql).values(), [["11"], ["10"]]);
    let last =
        client.query("SELECT id FROM pipes_messages WHERE name = 'abc' ORDER BY id DESC LIMIT 1");
    let last = last.values()[0][0].clone();
    assert!(last.ends_with("-11"), "{last}");
    let sql = format!(
        "SELECT message FROM pipes_messages WHERE name = 'abc' AND id < '{last}' AND id > '1-1' \
                       ORDER BY id DESC LIMIT 1"
    );
    assert_eq!(client.query(&sql).values(), [["10"]]);
}

#[test]
fn bounds_of_conditions() {
    let mut client = filled();
    let list = |count: usize| (1..=count).map(|n| n.to_string()).collect::<Vec<_>>();
    let sql = format!("SELECT id FROM users_auth WHERE id IN ({})", list(4_000).join(", "));
    assert_eq!(client.query(&sql).values().len(), 5);
    let quoted = format!("SELECT id FROM users_time WHERE id IN ('{}')", list(4_000).join("', '"));
    assert_eq!(client.query(&quoted).values().len(), 4_000);
    let sql = format!("SELECT id FROM users_auth WHERE id IN ({})", list(4_001).join(","));
    assert!(
        client.query(&sql).error().2.starts_with("[19] Too many values in one IN: at most 4000")
    );
    let equals =
        |count| format!("SELECT id FROM users_auth WHERE id = {}", list(count).join(" OR id = "));
    assert_eq!(client.query(&equals(63)).values().len(), 5);
    assert!(client.query(&equals(64)).error().2.starts_with("[18] Too many conditions"));
    let wide = format!("SELECT {} FROM users_auth WHERE id = 1", vec!["`id`"; 1_024].join(","));
    assert_eq!(client.query(&wide).columns().len(), 1_024);
    let wider = format!("SELECT {} FROM users_auth WHERE id = 1", vec!["`id`"; 1_025].join(","));
    assert!(client.query(&wider).error().2.starts_with("[20] Too many columns"));
    let like = |count| {
        format!("SELECT id FROM users_auth WHERE id = 1 AND hash LIKE '{}'", "%a".repeat(count))
    };
    assert!(client.query(&like(100)).values().is_empty());
    assert!(client.query(&like(101)).error().2.starts_with("[2] LIKE with a pattern"));
}
