//! What back ends say by SQL, byte for byte as pages get it.

use serde_json::{Value, json};

use super::publishing::AWKWARD;
use super::{back_end, heard, publish, rows, run};
use crate::comet_page::{Page, Session, data_of, marker};
use crate::server::Encke;

fn sessions(server: &Encke, pipes: &[&str]) -> [Session; 2] {
    [Page::anonymous(), Page::old()].map(|page| {
        let mut session = page.open(server.http);
        session.subscribe(pipes);
        session
    })
}

/// As drivers do when the server says NO_BACKSLASH_ESCAPES.
fn doubled(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// As `mysql_real_escape_string` does otherwise.
fn slashed(text: &str) -> String {
    let mut literal = String::from("'");
    for char in text.chars() {
        match char {
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\0' => literal.push_str("\\0"),
            '\u{1a}' => literal.push_str("\\Z"),
            '\'' | '"' | '\\' => literal.extend(['\\', char]),
            other => literal.push(other),
        }
    }
    literal + "'"
}

/// The same between double quotes.
fn slashed_between_double_quotes(text: &str) -> String {
    let inner = slashed(text);
    format!("\"{}\"", &inner[1..inner.len() - 1])
}

const STYLES: [fn(&str) -> String; 3] = [doubled, slashed, slashed_between_double_quotes];

/// cometql 8.
#[test]
fn an_insert_reaches_its_pipe_and_event() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    let [mut new, mut old] = sessions(&server, &["news", "web_a", "track_a", "trust_a"]);
    new.settled();
    for pipe in ["news", "web_a", "track_a", "trust_a"] {
        for event in ["", "x", "SomeEvent"] {
            publish(&mut sql, pipe, event, r#"'{"a":[1,"x"]}'"#);
            let frame = new.next();
            assert!(frame["message_send_time"].is_u64(), "{frame}");
            let frame = crate::comet_page::without_time(frame);
            let expect = json!({"data": {"a": [1, "x"]}, "event": event, "pipe": pipe});
            assert_eq!(frame, expect);
            assert_eq!(heard(&old.next(), pipe, event), json!({"a": [1, "x"]}));
        }
    }
}

/// cometql 9: raw or escaped in SQL, any JSON arrives equal.
#[test]
fn json_arrives_equal_however_it_was_escaped() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    let [mut new, mut old] = sessions(&server, &["news"]);
    for (index, style) in STYLES.iter().enumerate() {
        for text in AWKWARD {
            publish(&mut sql, "news", "x", &style(text));
            let sent: Value = serde_json::from_str(text).expect("JSON");
            assert_eq!(heard(&new.next(), "news", "x"), sent, "style {index}: {text}");
            assert_eq!(heard(&old.next(), "news", "x"), sent, "style {index}: {text}");
        }
    }
}

/// cometql 9: line breaks between the tokens of JSON, raw in the statement.
#[test]
fn raw_line_breaks_between_tokens_do_not_cut_a_frame() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    let [mut new, mut old] = sessions(&server, &["news"]);
    for text in ["{\n  \"a\": [\r\n 1,\n\t2 ]\n}", "[\n]", "\n{\"it's\":\n\"it's\"}\n"] {
        let sent: Value = serde_json::from_str(text).expect("JSON");
        for style in STYLES {
            publish(&mut sql, "news", "", &style(text));
            assert_eq!(heard(&new.next(), "news", ""), sent, "{text:?}");
            assert_eq!(heard(&old.next(), "news", ""), sent, "{text:?}");
        }
    }
}

/// cometql 10.
#[test]
fn plain_text_arrives_as_text() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    let [mut new, mut old] = sessions(&server, &["news"]);
    for text in ["hello", "it's", "say \"it's\"", "two\nlines\r\n", "a b  c", "ünï ☃ 😀 日本語", ""]
    {
        for style in STYLES {
            publish(&mut sql, "news", "", &style(text));
            for session in [&mut new, &mut old] {
                let frame = session.next();
                assert_eq!(frame["data"], text, "{frame}");
                assert_eq!(frame["event"], "", "{frame}");
            }
        }
    }
    // A backslash is written twice where it is an escape.
    publish(&mut sql, "news", "", "'C:\\\\dir'");
    assert_eq!(new.next()["data"], "C:\\dir");
}

/// cometql 26.
#[test]
fn json_of_65535_bytes_arrives_whole() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    let [mut new, mut old] = sessions(&server, &["news"]);
    let shell = r#"{"a":""}"#.len();
    for bytes in [65_535, 65_536, 100_000] {
        let text = format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - shell));
        let sent: Value = serde_json::from_str(&text).expect("JSON");
        publish(&mut sql, "news", "", &doubled(&text));
        assert!(heard(&new.next(), "news", "") == sent, "{bytes} bytes");
        assert!(heard(&old.next(), "news", "") == sent, "{bytes} bytes");
    }
}

/// cometql 27.
#[test]
fn a_statement_that_is_not_utf_8_harms_nobody() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    let mut all = sessions(&server, &["news"]);
    let insert = b"INSERT INTO pipes_messages (name, event, message) VALUES ('news', '', '";
    for bad in [&b"\xff"[..], b"\xc3", b"\xed\xa0\x80", b"{\"a\":\"\xff\"}"] {
        sql.query([&insert[..], bad, b"')"].concat());
    }
    publish(&mut sql, "news", "last", "'x'");
    for session in &mut all {
        let seen = session.settled();
        assert_eq!(seen.last().expect("the last")["event"], "last");
    }
}

/// cometql 28: a back end may say anything on any pipe, and who may not listen does not hear it.
#[test]
fn private_pipes_are_for_users() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    super::register(&mut sql, 7, "key7");
    let mut user = Page::anonymous().of(7, "key7").authorized(server.http);
    let [mut new, mut old] = sessions(&server, &["private_a", "open_a"]);
    user.subscribe(&["private_a", "open_a"]);
    publish(&mut sql, "private_a", "", "'secret'");
    publish(&mut sql, "open_a", "", "'for all'");
    assert_eq!(heard(&user.next(), "private_a", ""), "secret");
    for session in [&mut user, &mut new, &mut old] {
        assert_eq!(heard(&session.next(), "open_a", ""), "for all");
        session.quiet();
    }
}

/// cometql 18: a pipe keeps what `pipes_settings` says, and shows it oldest first.
#[test]
fn a_log_is_as_long_as_its_setting() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    super::register(&mut sql, 7, "key7");
    let mut user = Page::anonymous().of(7, "key7").authorized(server.http);
    let mut session = Page::anonymous().open(server.http);
    publish(&mut sql, "web_a", "", "'before it was on'");
    run(&mut sql, "INSERT INTO pipes_settings (name, length) VALUES ('web_a', 3)");
    assert_eq!(session.log("web_a"), [] as [Value; 0]);
    publish(&mut sql, "web_a", "x", "'[1]'");
    user.publish("web_a", "y", "[2]");
    session.publish("web_a", "", "[3]");
    let log = session.log("web_a");
    let told: Vec<_> = log
        .iter()
        .map(|frame| (frame["event"].clone(), data_of(frame), frame["user_id"].clone()))
        .collect();
    let expect = [
        (json!("x"), json!([1]), json!(0)),
        (json!("y"), json!([2]), json!(7)),
        (json!(""), json!([3]), json!(0)),
    ];
    assert_eq!(told, expect);
    publish(&mut sql, "web_a", "", "'[4]'");
    let numbers = |session: &mut Session| -> Vec<Value> {
        session.log("web_a").iter().map(|frame| data_of(frame)[0].clone()).collect()
    };
    assert_eq!(numbers(&mut session), [2, 3, 4]);
    run(&mut sql, "INSERT INTO pipes_settings (name, length) VALUES ('web_a', 1)");
    publish(&mut sql, "web_a", "", "'[5]'");
    assert_eq!(numbers(&mut session), [5]);
    run(&mut sql, "DELETE FROM pipes_settings WHERE name = 'web_a'");
    assert_eq!(numbers(&mut session), [] as [u64; 0]);
    publish(&mut sql, "web_a", "", "'[6]'");
    assert_eq!(numbers(&mut session), [] as [u64; 0]);
}

/// cometql 18: more than 99 are never returned.
#[test]
fn a_log_of_any_length_shows_99() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    run(&mut sql, "INSERT INTO pipes_settings (name, length) VALUES ('web_a', 500)");
    for n in 0..105 {
        publish(&mut sql, "web_a", "", &format!("'{n}'"));
    }
    let mut session = Page::old().open(server.http);
    let log = session.log("web_a");
    let numbers: Vec<Value> = log.iter().map(data_of).collect();
    assert_eq!(numbers, (6..105).collect::<Vec<u64>>());
}

/// cometql 18: what is emptied by SQL is empty for pages.
#[test]
fn a_deleted_log_is_empty() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    let mut session = Page::anonymous().open(server.http);
    run(&mut sql, "INSERT INTO pipes_settings (name, length) VALUES ('web_a', 9)");
    publish(&mut sql, "web_a", "", "'x'");
    assert_eq!(session.log("web_a").len(), 1);
    run(&mut sql, "DELETE FROM pipes_messages WHERE name = 'web_a'");
    assert_eq!(session.log("web_a").len(), 0);
}

/// cometql 19.
#[test]
fn data_of_a_user_is_read_by_every_page() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    for text in [r#"{"name":"it's","path":"C:\\"}"#, "plain it's text", "", "second\nline"] {
        run(&mut sql, &format!("INSERT INTO users_data (id, data) VALUES (7, {})", slashed(text)));
        for page in [Page::anonymous(), Page::old()] {
            let mut session = page.open(server.http);
            assert_eq!(session.user_data(7), text);
            assert_eq!(session.user_data(8), "");
        }
    }
    let mut session = Page::anonymous().open(server.http);
    let asked = marker();
    session.command(format!("user_data\n{asked}\n7"));
    let expect = json!({"data": {"user_data": "second\nline", "user_id": 7}, "event": "answer",
        "marker": asked, "pipe": "_answer"});
    assert_eq!(session.timeless(), expect);
    run(&mut sql, "DELETE FROM users_data WHERE id = 7");
    assert_eq!(session.user_data(7), "");
}

/// cometql 35.
#[test]
fn back_ends_see_what_browsers_say_of_themselves() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    let headers = ["User-Agent: It's (\"me\")", "Accept-Language: de", "Origin: http://localhost"];
    let target = Page::anonymous().target();
    let mut session = Session::try_upgrade(server.http, &target, &headers).expect("an upgrade");
    assert_eq!(session.next()["event"], "serverInfo");
    session.subscribe(&["web_a"]);
    let columns = "SELECT user_agent, origin, language FROM users_in_pipes WHERE name = 'web_a'";
    assert_eq!(rows(&mut sql, columns), [["It's (\"me\")", "http://localhost", "de"]]);
}

/// cometql 35.
#[test]
fn back_ends_see_the_address_of_a_page() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    let mut session = Page::anonymous().open(server.http);
    session.subscribe(&["web_a"]);
    let here = rows(&mut sql, "SELECT ip FROM users_in_pipes WHERE name = 'web_a'");
    assert_eq!(here, [["127.0.0.1"]]);
}

/// What back ends are told about pipes is what pages do.
#[test]
fn back_ends_see_the_pages_on_a_pipe() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    super::register(&mut sql, 7, "key7");
    let mut user = Page::anonymous().of(7, "key7").in_browser('a').authorized(server.http);
    let mut guest = Page::old().in_browser('b').open(server.http);
    user.subscribe(&["web_a"]);
    guest.subscribe(&["web_a", "web_b"]);
    let counts = rows(&mut sql, "SELECT name, users FROM pipes WHERE name IN ('web_a', 'web_b')");
    assert_eq!(counts, [["web_a", "2"], ["web_b", "1"]]);
    let columns = "SELECT user_id, user_uuid FROM users_in_pipes WHERE name = 'web_a'";
    let here = rows(&mut sql, columns);
    let letters = ['b', 'a'].map(|letter| letter.to_string().repeat(32));
    assert_eq!(here, [["0", &letters[0]], ["7", &letters[1]]]);
    drop(guest);
    crate::server::eventually("one is left", || {
        let counts = rows(&mut sql, "SELECT users FROM pipes WHERE name = 'web_a'");
        (counts == [["1"]]).then_some(())
    });
}
