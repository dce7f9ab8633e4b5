//! INSERT INTO pipes_messages: rows, columns, and reference section 3.7, what a quoted text means.

use crate::client::{Client, Reply};
use encke::hub::command::{Command, Outcome, Refusal};

const OK: Reply = Reply::Ok { affected: 0, id: 0 };

fn insert(message: &str) -> String {
    format!("INSERT INTO pipes_messages (name, event, message) VALUES ('abc', 'ev', {message})")
}

/// As PHP's mysqli_real_escape_string does while the status word has no NO_BACKSLASH_ESCAPES.
fn with_backslashes(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '\0' => out.push_str("\\0"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\u{1a}' => out.push_str("\\Z"),
            '\\' | '\'' | '"' => out.extend(['\\', character]),
            other => out.push(other),
        }
    }
    out
}

/// As PHP does after a status word with NO_BACKSLASH_ESCAPES, and people by hand.
fn with_doubled_quotes(text: &str) -> String {
    text.replace('\'', "''")
}

#[test]
fn every_json_arrives_whichever_way_it_was_escaped() {
    let mut client = Client::open();
    for json in [
        r#"{"a":1}"#,
        r#"{"a":"it's"}"#,
        r#"{"a":"''"}"#,
        r#"{"text":"say \"hi\"","path":"C:\\dir\\new"}"#,
        r#"{"a":"line\nbreak\ttab"}"#,
        r#"["☃","😀","\u2603"]"#,
        r#""just 'text'""#,
        "[1, 2.5e3, true, null]",
        "{\"a\":\n1}",
        r#"{"empty":"","q":"\"","b":"\\"}"#,
        r#"{"a":"\\'"}"#,
    ] {
        let escaped = insert(&format!("'{}'", with_backslashes(json)));
        assert_eq!(client.message(&escaped), json, "{escaped}");
        let doubled = insert(&format!("'{}'", with_doubled_quotes(json)));
        assert_eq!(client.message(&doubled), json, "{doubled}");
        let in_double_quotes = insert(&format!("\"{}\"", with_backslashes(json)));
        assert_eq!(client.message(&in_double_quotes), json, "{in_double_quotes}");
        if json.contains('\\') {
            continue; // A backslash would take the first of two double quotes with it.
        }
        let doubled_double = insert(&format!("\"{}\"", json.replace('"', "\"\"")));
        assert_eq!(client.message(&doubled_double), json, "{doubled_double}");
    }
}

#[test]
fn plain_text_means_what_mysql_says() {
    let mut client = Client::open();
    for (literal, text) in [
        (r"'hello'", "hello"),
        (r"''", ""),
        (r"'it\'s'", "it's"),
        (r"'it''s'", "it's"),
        (r#"'say "hi"'"#, r#"say "hi""#),
        (r#"'say \"hi\"'"#, r#"say "hi""#),
        (r#""it's""#, "it's"),
        (r#""say ""hi""""#, r#"say "hi""#),
        (r#""say \"hi\"""#, r#"say "hi""#),
        (r"'a\nb\tc\rd'", "a\nb\tc\rd"),
        (r"'back\\slash'", r"back\slash"),
        (r"'C:\\dir\\new'", r"C:\dir\new"),
        (r"'abc\\'", r"abc\"),
        (r"'nul\0 sub\Z bell\b'", "nul\0 sub\u{1a} bell\u{8}"),
        (r"'100\% a\_b'", r"100\% a\_b"),
        (r"'\x\y\e'", "xye"),
        ("'two\nlines'", "two\nlines"),
        ("'ünï ☃ 😀'", "ünï ☃ 😀"),
        (r#"'it\'s \"q\" \\ 100% ünï ☃ 😀'"#, r#"it's "q" \ 100% ünï ☃ 😀"#),
        ("'-- no comment /* none */ ; # none'", "-- no comment /* none */ ; # none"),
        ("'&lt;b&gt;'", "&lt;b&gt;"),
        (r"'\'; DROP TABLE pipes; --'", "'; DROP TABLE pipes; --"),
        ("word", "word"),
        ("`word`", "word"),
        ("5", "5"),
        ("-5", "-5"),
        ("1.5", "1.5"),
        ("NULL", "NULL"),
        ("true", "true"),
        ("'a' 'b'", "ab"),
        ("_utf8mb4'bytes'", "bytes"),
        ("_binary 'bytes'", "bytes"),
        ("X'6869'", "hi"),
        ("N'national'", "national"),
        ("'nul \0 as it is'", "nul \0 as it is"),
    ] {
        assert_eq!(client.message(&insert(literal)), text, "{literal}");
    }
}

/// Reference 3.7 step 1 and its [C]: `\"` stays, so that doubled backslashes never survive.
#[test]
fn json_with_backslashes_between_double_quotes_is_unescaped_once() {
    let mut client = Client::open();
    let sql = insert(r#""{\"b\":\"C:\\\\dir\"}""#);
    assert_eq!(client.message(&sql), r#"{"b":"C:\\dir"}"#);
    let raw = insert(r#"'{"b":"C:\\dir"}'"#);
    assert_eq!(client.message(&raw), r#"{"b":"C:\\dir"}"#);
}

#[test]
fn columns_may_be_quoted_reordered_left_out_or_ignored() {
    let mut client = Client::open();
    for sql in [
        "INSERT INTO pipes_messages (name, event, message) VALUES ('abc', '', 'x')",
        "insert into pipes_messages(name,event,message)values('abc','','x');",
        "INSERT INTO pipes_messages (message, name, event) VALUES ('x', 'abc', '')",
        "INSERT INTO `pipes_messages` (`name`, `event`, `message`) VALUES ('abc', '', 'x')",
        "INSERT INTO pipes_messages (\"name\", 'event', message) VALUES (\"abc\", \"\", \"x\")",
        "INSERT INTO pipes_messages (id, time, name, `index`, event, message, user_id) \
         VALUES (NULL, NOW(), 'abc', 0, '', 'x', 7)",
        "INSERT INTO pipes_messages VALUES ('', 0, 'abc', 0, '', 'x', 0)",
        "INSERT pipes_messages (name, event, message) VALUE ('abc', '', 'x')",
        "INSERT IGNORE INTO pipes_messages (name, event, message) VALUES ('abc', '', 'x')",
        "INSERT INTO pipes_messages SET name = 'abc', event = '', message = 'x'",
        "INSERT INTO CometQL_v1.pipes_messages (name, event, message) VALUES (abc, '', x)",
        "/* why */ INSERT INTO pipes_messages -- where\n (name, event, message) VALUES ('abc','','x')",
        "  \n\tINSERT\nINTO\npipes_messages (name, event, message) VALUES ('abc', '', 'x')  ;  ",
    ] {
        client.asked.clear();
        assert_eq!(client.query(sql), OK, "{sql}");
        let [Command::Publish { tenant, messages, idempotency_key, .. }] = &client.asked[..] else {
            panic!("{sql}: {:?}", client.asked);
        };
        assert_eq!((tenant.0, idempotency_key, messages.len()), (0, &None, 1), "{sql}");
        assert_eq!((&*messages[0].channel, &*messages[0].event), ("abc", ""), "{sql}");
        assert_eq!(messages[0].data.as_text(), Some("x"), "{sql}");
    }
}

#[test]
fn several_rows_are_one_publish_in_order() {
    let mut client = Client::open();
    let rows: Vec<String> =
        (0..50).map(|n| format!("('pipe-{n}', 'e_{n}', '{{\"n\":{n}}}')")).collect();
    let sql = format!("INSERT INTO pipes_messages (name,event,message) VALUES {}", rows.join(", "));
    assert_eq!(client.query(&sql), OK);
    let [Command::Publish { messages, .. }] = &client.asked[..] else { panic!() };
    assert_eq!(messages.len(), 50);
    for (n, message) in messages.iter().enumerate() {
        assert_eq!(&*message.channel, format!("pipe-{n}"));
        assert_eq!(&*message.event, format!("e_{n}"));
        assert_eq!(message.data.as_text(), Some(&*format!("{{\"n\":{n}}}")));
    }
}

#[test]
fn names_at_the_limits() {
    let mut client = Client::open();
    let (name, event) = ("a".repeat(64), "E".repeat(64));
    let message = "m".repeat(100_000);
    let sql = format!(
        "INSERT INTO pipes_messages (name,event,message) VALUES ('{name}','{event}','{message}')"
    );
    assert_eq!(client.message(&sql), message);
    assert_eq!(
        client.message("INSERT INTO pipes_messages (name,event,message) VALUES ('a-_','','')"),
        ""
    );
    assert_eq!(
        client.message("INSERT INTO pipes_messages (name,event,message) VALUES (123,4,5)"),
        "5"
    );
}

#[test]
fn what_the_engine_refuses_is_an_error_and_the_connection_stays() {
    let mut client = Client::open();
    for refusal in [Refusal::Unavailable, Refusal::TooManyChannels] {
        client.world.borrow_mut().outcome = Some(Outcome::Refused(refusal));
        let reply = client.query(&insert("'x'"));
        let (number, state, text) = reply.error();
        assert_eq!((number, state), (1105, "HY000"));
        assert!(text.starts_with("[500] "), "{text}");
    }
    assert_eq!(client.command(b"\x0e"), OK);
}
