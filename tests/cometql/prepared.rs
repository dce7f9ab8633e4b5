//! Prepared statements: what is bound arrives as it was bound.

use crate::client::{Client, OPEN, Reply, execution, packet, response};
use crate::support::random::Random;
use crate::support::splits::splits;
use encke::cometql::Session;
use encke::hub::command::Command;

const OK: Reply = Reply::Ok { affected: 0, id: 0 };
const INSERT: &str = "INSERT INTO pipes_messages (name, event, message) VALUES (?, ?, ?)";

/// The pipe, event and text of the one message that was published last.
fn published(client: &mut Client) -> (String, String, String) {
    match &client.asked.pop() {
        Some(Command::Publish { messages, .. }) if messages.len() == 1 => (
            messages[0].channel.to_string(),
            messages[0].event.to_string(),
            messages[0].data.as_text().expect("text").to_string(),
        ),
        other => panic!("not one message: {other:?}"),
    }
}

#[test]
fn a_bound_text_arrives_byte_for_byte() {
    let mut client = Client::open();
    let (id, parameters, columns) = client.prepare(INSERT).expect("it is served");
    assert_eq!((parameters, columns), (3, vec![]));
    let long = "x'\\\"".repeat(20_000);
    for text in [
        "plain",
        "",
        r#"{"a":"x\ny"}"#,
        r#"{"a":"x\\ny"}"#,
        r#"{\"a\":\"x\"}"#,
        r#"it's "q" \ 100% ünï ☃ 😀"#,
        r"\'",
        "'",
        "''",
        "\"",
        "`",
        r"\\",
        r"\n",
        r"\%\_",
        "\0",
        "\n\r\t\u{1a}",
        "'); DELETE FROM users_auth; -- ",
        "?",
        "??",
        "NULL",
        "1",
        "-1",
        "0x41",
        "NOW()",
        &long,
    ] {
        assert_eq!(client.execute(id, &[Some("chat"), Some("ev"), Some(text)]), OK, "{text}");
        assert_eq!(published(&mut client), ("chat".into(), "ev".into(), text.into()));
    }
    // As it is with a NULL in the text.
    assert_eq!(client.execute(id, &[Some("chat"), Some(""), None]), OK);
    assert_eq!(published(&mut client).2, "NULL");
    // The same text written into the statement would have been read as MySQL reads it.
    assert_eq!(
        client.message("INSERT INTO pipes_messages (name,event,message) VALUES ('abc','','a\\nb')"),
        "a\nb"
    );
}

#[test]
fn parameters_stand_wherever_values_do() {
    let mut client = Client::open();
    for (sql, values, rows) in [
        ("SELECT ?", &[Some("a")][..], &[&["a"][..]][..]),
        ("SELECT ? AS `?`, '?', \"?\" /* ? */ -- ?", &[Some("a")], &[&["a", "?", "?"]]),
        ("SELECT ? # ?", &[None], &[&["NULL"]]),
        ("SELECT ?, 1, ?;", &[Some("a"), Some("b")], &[&["a", "1", "b"]]),
        ("SELECT 1 LIMIT ?", &[Some("1")], &[&["1"]]),
        ("SELECT 1 LIMIT ?", &[Some("0")], &[]),
        ("SELECT 1 LIMIT ?, ?", &[Some("0"), Some("5")], &[&["1"]]),
        ("SELECT 1 LIMIT ? OFFSET ?", &[Some("5"), Some("1")], &[]),
    ] {
        let (id, parameters, columns) = client.prepare(sql).expect(sql);
        assert_eq!(usize::from(parameters), values.len(), "{sql}");
        let reply = client.execute(id, values);
        assert_eq!(reply.columns(), columns, "{sql}");
        assert_eq!(reply.values(), rows, "{sql}");
    }
    let (id, _, columns) = client.prepare("SELECT ?, ? AS b").unwrap();
    assert_eq!(columns, ["?", "b"]);
    assert_eq!(client.execute(id, &[Some("5"), Some("6")]).columns(), ["?", "b"]);
    let (id, ..) =
        client.prepare("INSERT INTO pipes_messages SET name=?, event='e', message=?").unwrap();
    assert_eq!(client.execute(id, &[Some("abc"), Some("m")]), OK);
    assert_eq!(published(&mut client), ("abc".into(), "e".into(), "m".into()));
}

/// A row with more columns than a byte of the bitmap has bits, with and without NULL.
#[test]
fn a_binary_row_has_a_bit_for_each_null() {
    let mut client = Client::open();
    for count in [1, 5, 6, 7, 8, 13, 14, 15, 100, 250] {
        let sql = format!("SELECT {}", vec!["?"; count].join(", "));
        let (id, parameters, columns) = client.prepare(&sql).expect("it is served");
        assert_eq!((usize::from(parameters), columns.len()), (count, count));
        let text = |at: usize| at.to_string();
        for nulls in 1..4 {
            let texts: Vec<Option<String>> =
                (0..count).map(|at| (at % nulls == 0).then(|| text(at))).collect();
            let values: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
            let Reply::Rows { rows, .. } = client.execute(id, &values) else { panic!("no rows") };
            assert_eq!(rows, [texts]);
        }
        client.send(&packet(0, &[&[0x19][..], &id.to_le_bytes()].concat()));
    }
}

#[test]
fn numbers_and_times_are_the_text_that_mysql_shows() {
    let mut client = Client::open();
    let (id, ..) = client.prepare("SELECT ?, ?, ?, ?, ?").unwrap();
    let head = [&[0x17][..], &id.to_le_bytes(), &[0, 1, 0, 0, 0]].concat();
    let types = [1, 0x08, 0, 0x03, 0x80, 0x05, 0, 0x0c, 0, 0x0b, 0];
    let values = [
        &(-5_i64).to_le_bytes()[..],
        &4_000_000_000_u32.to_le_bytes(),
        &1.5_f64.to_le_bytes(),
        &[7, 0xe9, 7, 11, 21, 1, 2, 3],
        &[8, 1, 1, 0, 0, 0, 1, 2, 3],
    ]
    .concat();
    let expect = [["-5", "4000000000", "1.5", "2025-11-21 01:02:03", "-25:02:03"]];
    assert_eq!(client.execute_raw(&[&head[..], &[0], &types, &values].concat()).values(), expect);
    // The types of the last time.
    assert_eq!(client.execute_raw(&[&head[..], &[0, 0], &values].concat()).values(), expect);
    // A number as the count of rows; a negative one as a value.
    let (id, ..) = client.prepare("SELECT 1 LIMIT ?").unwrap();
    let limit = |value: f64| {
        let head = [&[0x17][..], &id.to_le_bytes(), &[0, 1, 0, 0, 0, 0, 1, 5, 0]].concat();
        [head, value.to_le_bytes().to_vec()].concat()
    };
    assert_eq!(client.execute_raw(&limit(1.0)).values(), [["1"]]);
    assert!(client.execute_raw(&limit(0.0)).values().is_empty());
}

fn long_data(id: u32, parameter: u16, data: &[u8]) -> Vec<u8> {
    packet(0, &[&[0x18][..], &id.to_le_bytes(), &parameter.to_le_bytes(), data].concat())
}

/// COM_STMT_EXECUTE whose third value was sent ahead.
fn execute_with_two(id: u32) -> Vec<u8> {
    let mut payload = execution(id, &[Some("chat"), Some(""), Some("")]);
    payload.truncate(payload.len() - 4);
    payload
}

#[test]
fn a_value_may_be_sent_ahead_in_pieces() {
    let mut client = Client::open();
    let (id, ..) = client.prepare(INSERT).unwrap();
    for piece in ["it's ", "", "\\n", " ü"] {
        client.send(&long_data(id, 2, piece.as_bytes()));
        assert!(client.out.is_empty(), "it has no answer");
    }
    assert_eq!(client.execute_raw(&execute_with_two(id)), OK);
    assert_eq!(published(&mut client).2, "it's \\n ü");
    // It is used up; and a reset forgets it.
    assert_eq!(client.execute_raw(&execute_with_two(id)).error().0, 1210);
    client.send(&long_data(id, 2, b"x"));
    assert_eq!(client.command(&[&[0x1a][..], &id.to_le_bytes()].concat()), OK);
    assert_eq!(client.execute(id, &[Some("chat"), Some(""), Some("new")]), OK);
    assert_eq!(published(&mut client).2, "new");
    // What is wrong is told by the execution, once.
    client.send(&long_data(id, 3, b"x"));
    client.send(&long_data(99, 0, b"x"));
    let reply = client.execute(id, &[Some("chat"), Some(""), Some("x")]);
    assert_eq!(
        reply.error(),
        (1210, "HY000", "[12] Incorrect arguments to mysqld_stmt_send_long_data")
    );
    assert_eq!(client.execute(id, &[Some("chat"), Some(""), Some("x")]), OK);
    client.send(&long_data(id, 2, &[0xff]));
    assert_eq!(client.execute_raw(&execute_with_two(id)).error().0, 1366);
}

#[test]
fn what_is_sent_ahead_is_bounded() {
    let mut client = Client::open();
    let (one, ..) = client.prepare(INSERT).unwrap();
    let (two, ..) = client.prepare(INSERT).unwrap();
    let half = vec![b'x'; client.limits.statement_bytes_max / 2];
    client.send(&long_data(one, 0, &half));
    client.send(&long_data(two, 2, &half));
    client.send(&long_data(two, 2, b"x"));
    let reply = client.execute(two, &[Some("abc"), Some(""), Some("")]);
    let (number, state, text) = reply.error();
    assert_eq!((number, state), (1406, "22001"));
    assert!(text.starts_with("[11] Data is too long: at most 200000 bytes"), "{text}");
    client.send(&long_data(two, 2, &half));
    client.send(&packet(0, &[&[0x19][..], &one.to_le_bytes()].concat()));
    client.send(&long_data(two, 1, b"ev"));
    let mut payload = execution(two, &[Some("abc"), Some(""), Some("")]);
    payload.truncate(payload.len() - 8);
    assert_eq!(client.execute_raw(&payload), OK);
    assert_eq!(published(&mut client), ("abc".into(), "ev".into(), "x".repeat(100_000)));
}

#[test]
fn without_memory_nothing_more_is_kept_and_what_is_there_goes_on() {
    let mut client = Client::open();
    let (id, ..) = client.prepare(INSERT).unwrap();
    client.world.borrow_mut().has_memory = false;
    let refusal = (1041, "HY000", "[500] Out of memory: try again later");
    assert_eq!(client.prepare(INSERT).unwrap_err().error(), refusal);
    assert_eq!(client.execute(id, &[Some("chat"), Some(""), Some("x")]), OK);
    client.send(&long_data(id, 2, b"x"));
    assert_eq!(client.execute_raw(&execute_with_two(id)).error(), refusal);
    client.world.borrow_mut().has_memory = true;
    client.send(&long_data(id, 2, b"x"));
    assert_eq!(client.execute_raw(&execute_with_two(id)), OK);
}

/// Titles are told before a value is known; what a value is beside, decides how it is read (cometql 45).
#[test]
fn tables_are_read_and_changed_with_bound_values() {
    let mut client = Client::open();
    let ok = |affected, id| Reply::Ok { affected, id };
    let mut prepare = |sql: &str, parameters, titles: &[&str]| {
        let (id, count, columns) = client.prepare(sql).expect(sql);
        assert_eq!(
            (count, columns),
            (parameters, titles.iter().map(|it| it.to_string()).collect())
        );
        id
    };
    let insert = prepare("INSERT INTO users_auth (id, hash) VALUES (?, ?), (?, ?)", 4, &[]);
    let select = prepare(
        "SELECT id, hash AS h, ? FROM users_auth WHERE id IN (?, ?) AND hash LIKE ? ORDER BY id LIMIT ?, ?",
        6,
        &["id", "h", "?"],
    );
    let all = prepare(
        "SELECT * FROM pipes_messages WHERE name = ?",
        1,
        &["id", "time", "name", "index", "event", "message", "user_id"],
    );
    let count = prepare("SELECT COUNT(*) FROM users_auth WHERE id = ? OR id = ?", 2, &["COUNT(*)"]);
    let update = prepare("UPDATE users_auth SET hash = ? WHERE id = ?", 2, &[]);
    let delete = prepare("DELETE FROM users_auth WHERE id = ?", 1, &[]);
    let show = prepare(
        "SHOW COLUMNS FROM users_auth LIKE ?",
        1,
        &["Field", "Type", "Null", "Key", "Default", "Extra"],
    );
    let values = [Some("7"), Some("a"), Some("8"), Some("b")];
    assert_eq!(client.execute(insert, &values), ok(2, 7));
    let values = [Some("hash"), Some("8"), Some("7"), Some("%"), Some("0"), Some("5")];
    assert_eq!(client.execute(select, &values).values(), [["7", "a", "hash"], ["8", "b", "hash"]]);
    let values = [None, Some("8"), Some("7 OR 1=1"), Some("%"), Some("0"), Some("1")];
    assert_eq!(client.execute(select, &values).values(), [["8", "b", "NULL"]]);
    assert!(client.execute(all, &[Some("chat")]).values().is_empty());
    assert_eq!(client.execute(count, &[Some("7"), Some("9")]).values(), [["1"]]);
    assert_eq!(client.execute(update, &[Some("c"), Some("7")]), ok(1, 0));
    assert_eq!(client.execute(update, &[Some("it's"), Some("7")]).error().0, 1105);
    assert_eq!(client.execute(delete, &[Some("8")]), ok(0, 0));
    assert_eq!(client.execute(show, &[Some("h%")]).values().len(), 1);
    let sql = "SELECT id, hash FROM users_auth WHERE id IN (7, 8)";
    assert_eq!(client.query(sql).values(), [["7", "c"]]);
    for (sql, number) in [
        ("SELECT colour FROM users_auth WHERE id = ?", 1054),
        ("SELECT * FROM no_such WHERE id = ?", 1146),
        ("UPDATE users_time SET time = ? WHERE id = ?", 1105),
        ("DELETE FROM pipes WHERE name = ?", 1105),
        ("SHOW COLUMNS FROM no_such LIKE ?", 1146),
    ] {
        assert_eq!(client.prepare(sql).expect_err(sql).error().0, number, "{sql}");
    }
}

#[test]
fn what_cannot_be_prepared_says_so_at_once() {
    let mut client = Client::open();
    for (sql, number, state) in [
        ("SELEC ?", 1064, "42000"),
        ("SELECT ? ?? FROM", 1064, "42000"),
        ("SELECT 1; SELECT 2", 1064, "42000"),
        ("", 1105, "HY000"),
        ("INSERT INTO no_such (a) VALUES (?)", 1146, "42S02"),
        ("INSERT INTO pipes_messages (a) VALUES (?)", 1054, "42S22"),
        ("INSERT INTO pipes_messages (name) VALUES (?, ?)", 1105, "HY000"),
        ("USE nowhere", 1049, "42000"),
    ] {
        let reply = client.prepare(sql).expect_err(sql);
        assert_eq!((reply.error().0, reply.error().1), (number, state), "{sql}");
    }
    assert_eq!(
        client.query("SELECT ?").error().0,
        1064,
        "a mark has no value in a plain statement"
    );
    assert_eq!(client.query("INSERT INTO pipes_messages VALUES (?)").error().0, 1064);
    // What can be found wrong only with the values.
    let (id, ..) = client.prepare(INSERT).unwrap();
    assert_eq!(client.execute(id, &[Some("ab"), Some(""), Some("")]).error().0, 1105);
    assert!(client.asked.is_empty());
}

#[test]
fn an_unknown_statement_is_an_error_and_the_connection_stays() {
    let mut client = Client::open();
    let (id, ..) = client.prepare("SELECT 1").unwrap();
    let unknown = (1243, "HY000");
    for number in [0, id + 1, u32::MAX] {
        let reply = client.execute(number, &[]);
        assert_eq!((reply.error().0, reply.error().1), unknown);
        assert!(reply.error().2.starts_with("[15] Unknown prepared statement handler"));
        let id = number.to_le_bytes();
        assert_eq!(client.command(&[&[0x1a][..], &id].concat()).error().0, 1243);
        assert_eq!(client.command(&[&[0x1c][..], &id, &[1, 0, 0, 0]].concat()).error().0, 1243);
        client.send(&packet(0, &[&[0x19][..], &id].concat()));
        assert!(client.out.is_empty());
    }
    let fetch = [&[0x1c][..], &id.to_le_bytes(), &[1, 0, 0, 0]].concat();
    assert_eq!(client.command(&fetch).error().0, 1421);
    // A cursor that is asked for is never opened: the rows come at once.
    let cursor = [&[0x17][..], &id.to_le_bytes(), &[1, 1, 0, 0, 0]].concat();
    assert_eq!(client.execute_raw(&cursor).values(), [["1"]]);
    assert_eq!(client.status, 0);
    client.send(&packet(0, &[&[0x19][..], &id.to_le_bytes()].concat()));
    assert_eq!(client.execute(id, &[]).error().0, 1243);
}

#[test]
fn statements_are_bounded_in_number_and_bytes() {
    let mut client = Client::open();
    let mut first = 0;
    for n in 0..1_000 {
        let (id, ..) = client.prepare(&format!("SELECT {n}")).unwrap();
        first = if n == 0 { id } else { first };
    }
    let refused = |reply: Result<_, Reply>| {
        let reply = reply.map(|_: (u32, u16, Vec<String>)| ()).expect_err("it is bounded");
        assert_eq!((reply.error().0, reply.error().1), (1461, "42000"));
        assert!(
            reply.error().2.starts_with("[500] Can't create more than max_prepared_stmt_count")
        );
    };
    refused(client.prepare("SELECT 1"));
    client.send(&packet(0, &[&[0x19][..], &first.to_le_bytes()].concat()));
    let (last, ..) = client.prepare("SELECT 'x'").unwrap();
    assert_eq!(client.execute(last, &[]).values(), [["x"]]);
    assert_eq!(client.command(b"\x1f"), OK);
    assert_eq!(client.execute(last, &[]).error().0, 1243, "a reset forgets them");

    let half = format!("SELECT '{}'", "x".repeat(client.limits.statement_bytes_max / 2 - 8));
    assert!(client.prepare(&half).is_ok());
    refused(client.prepare(&half));
    assert!(client.prepare("SELECT 1").is_ok());
}

#[test]
fn a_change_of_user_forgets_them() {
    let mut client = Client::open();
    let (id, ..) = client.prepare("SELECT 1").unwrap();
    assert_eq!(client.command(b"\x11someone\0\0\0\x2d\0mysql_native_password\0"), OK);
    assert_eq!(client.execute(id, &[]).error().0, 1243);
}

/// A frame of 64 KB has no room for more parameters than can be numbered, and all of them can be used.
#[test]
fn very_many_parameters() {
    let mut client = Client::open();
    let row = "(?,?,?)";
    let sql = format!(
        "INSERT INTO pipes_messages (name,event,message) VALUES {}",
        vec![row; 50].join(",")
    );
    let (id, parameters, _) = client.prepare(&sql).unwrap();
    assert_eq!(parameters, 150);
    assert_eq!(client.execute(id, &[Some("abc"), Some(""), Some("x")].repeat(50)), OK);
    match &client.asked[..] {
        [Command::Publish { messages, .. }] => assert_eq!(messages.len(), 50),
        other => panic!("{other:?}"),
    }
    let reply = client.prepare(&format!("SELECT {}", vec!["?"; 40_000].join(",")));
    assert_eq!(reply.unwrap_err().error().0, 1105);
    let reply = client.prepare(&format!("SELECT {}", vec!["?"; 20_000].join(",")));
    assert_eq!(reply.unwrap_err().error().2, "[20] Too many columns");
}

#[test]
fn a_session_cut_anywhere_prepares_and_executes_the_same() {
    let input = [
        packet(1, &response("root", b"", None, None)),
        packet(0, &[b"\x16", INSERT.as_bytes()].concat()),
        long_data(1, 2, b"a"),
        packet(0, &execute_with_two(1)),
        packet(0, b"\x16SELECT ?"),
        packet(0, &execution(2, &[Some("b")])),
        packet(0, b"\x19\x02\0\0\0"),
        packet(0, &execution(2, &[Some("b")])),
        packet(0, b"\x01"),
    ]
    .concat();
    let mut expected: Option<Vec<u8>> = None;
    for pieces in splits(&input) {
        let mut client = Client::connect(OPEN);
        for piece in &pieces {
            client.send(piece);
        }
        assert!(client.closed);
        assert_eq!(client.asked.len(), 1);
        assert_eq!(expected.get_or_insert(client.out.clone()), &client.out);
    }
}

/// Executions cut, changed and of random bytes: an error or a row, and the connection goes on.
#[test]
fn damaged_executions_never_do_anything_but_err_or_work() {
    let mut client = Client::open();
    let (id, ..) = client.prepare("SELECT ?, ?, ?").unwrap();
    let whole = execution(id, &[Some("a"), None, Some("ccc")]);
    let mut random = Random::new(7);
    let survives = |client: &mut Client, payload: &[u8]| {
        let is_whole =
            matches!(client.execute_raw(payload), Reply::Rows { .. } | Reply::Error { .. });
        assert!(is_whole, "{payload:x?}");
    };
    for end in 1..whole.len() {
        survives(&mut client, &whole[..end]);
        for byte in 0..=255 {
            let mut changed = whole.clone();
            changed[end] = byte;
            survives(&mut client, &changed);
        }
    }
    for _ in 0..20_000 {
        let length = random.below(60);
        let mut payload = [&[0x17][..], &id.to_le_bytes(), &[0, 1, 0, 0, 0]].concat();
        payload.extend((0..length).map(|_| random.below(256) as u8));
        survives(&mut client, &payload);
    }
    assert_eq!(client.execute(id, &[Some("a"), None, Some("c")]).values(), [["a", "NULL", "c"]]);
}

#[test]
fn a_session_without_statements_is_small() {
    assert!(size_of::<Session>() <= 64);
}
