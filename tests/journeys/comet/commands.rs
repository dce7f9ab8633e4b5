//! What a page says, with every answer and error.

use serde_json::{Value, json};

use super::heard;
use crate::comet_page::{Page, Session, data_of, marker};
use crate::http::publish;
use crate::server::Encke;

const CHARACTERS: &str = "The channel name can only contain characters A-Za-z0-9_-";

fn open(server: &Encke) -> Session {
    Page::anonymous().open(server.http)
}

/// cometql 7: who listens to what is seen by what arrives.
#[test]
fn a_subscription_replaces_the_one_before() {
    let server = Encke::start(&[]);
    let mut session = open(&server);
    let lists: [&[&str]; 5] = [&["aaa", "bbb"], &["bbb", "ccc"], &["aaa"], &[], &["ccc", "aaa"]];
    for list in lists {
        session.subscribe(list);
        for pipe in ["aaa", "bbb", "ccc"] {
            publish(server.http, pipe, pipe);
        }
        let seen = session.settled();
        let pipes: Vec<&str> = seen.iter().filter_map(|frame| frame["pipe"].as_str()).collect();
        let expect: Vec<&str> =
            ["aaa", "bbb", "ccc"].into_iter().filter(|pipe| list.contains(pipe)).collect();
        assert_eq!(pipes, expect, "{list:?}");
    }
}

/// cometql 7.
#[test]
fn a_pipe_named_twice_delivers_and_counts_once() {
    let server = Encke::start(&[]);
    let mut session = open(&server);
    session.subscribe(&["web_twice", "other", "web_twice", "web_twice"]);
    publish(server.http, "web_twice", "x");
    assert_eq!(heard(&session.next(), "web_twice", ""), "x");
    session.quiet();
    assert_eq!(session.count("web_twice"), 1);
}

/// cometql 7: whatever cannot stand in a name ends it.
#[test]
fn names_are_separated_by_any_byte_that_no_name_has() {
    let server = Encke::start(&[]);
    for list in ["bad name", "bad\r\nname", "bad.name", "\n\nbad,;name\n", "bad\u{e9}name\n\n"] {
        let mut session = open(&server);
        session.command(format!("subscription\n{list}"));
        session.quiet();
        publish(server.http, "bad,name", "x");
        assert_eq!(heard(&session.next(), "bad", ""), "x", "{list:?}");
        assert_eq!(heard(&session.next(), "name", ""), "x", "{list:?}");
    }
}

/// cometql 7: a name of one letter ends the list without a word.
#[test]
fn a_name_of_one_letter_ends_the_list() {
    let server = Encke::start(&[]);
    let mut session = open(&server);
    session.subscribe(&["ab", "x", "later"]);
    publish(server.http, "ab,x,later", "1");
    assert_eq!(heard(&session.next(), "ab", ""), json!(1));
    session.quiet();
}

/// cometql 7.
#[test]
fn a_name_may_have_64_letters_and_with_65_the_connection_ends() {
    let server = Encke::start(&[]);
    let (longest, longer) = ("n".repeat(64), "n".repeat(65));
    for page in [Page::anonymous(), Page::old()] {
        let mut session = page.open(server.http);
        session.subscribe(&["ab", &longest]);
        publish(server.http, &longest, "x");
        assert_eq!(heard(&session.next(), &longest, ""), "x");
        session.command(format!("subscription\nab\n{longer}\ncd"));
        let frames = session.last_frames();
        let [frame] = &frames[..] else { panic!("{frames:?}") };
        assert_eq!((&frame["event"], &frame["pipe"]), (&json!("error"), &json!("sys")));
        let error = json!({"code": "403", "error": "Channel name is too long"});
        assert_eq!(data_of(frame), error);
    }
}

/// cometql 7: 32 names always fit.
#[test]
fn thirty_two_names_are_no_error() {
    let server = Encke::start(&[]);
    let names: Vec<String> = (0..32).map(|n| format!("web_{n}_{}", "n".repeat(56))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut session = open(&server);
    session.subscribe(&names);
    for name in [names[0], names[31]] {
        assert_eq!(session.count(name), 1);
    }
}

/// cometql 12: each refusal in its words, and the connection goes on.
#[test]
fn what_a_page_may_not_publish_is_refused_in_the_known_words() {
    let server = Encke::start(&[]);
    let mut listener = open(&server);
    listener.subscribe(&["web_a", "other", "webauth_a", "web_"]);
    let mut session = open(&server);
    let (name, event) = ("w".repeat(65), "e".repeat(65));
    let name = format!("web_{name}");
    let auth = "[webauth_pipe_msg2] Invalid user auth. In to channel with name like webauth_* can \
                not send messages anonim users";
    let prefix = "[pipe_msg2] Invalid channel name. The channel should begin with web_";
    let event_characters = "The event name can only contain characters A-Za-z0-9_-";
    for (text, command) in [
        (auth, "web_pipe2\nwebauth_a\nx\n*\n1"),
        // The at sign is for `web_` alone.
        (prefix, "web_pipe2\n@webauth_a\nx\n*\n1"),
        (prefix, "web_pipe2\nother\nx\n*\n1"),
        (prefix, "web_pipe2\nwe\nx\n*\n1"),
        (prefix, "web_pipe2\nprivate_a\nx\n*\n1"),
        (CHARACTERS, "web_pipe2\nweb_a b\nx\n*\n1"),
        (CHARACTERS, "web_pipe2\nweb_a.b\nx\n*\n1"),
        (CHARACTERS, "web_pipe2\nweb_\u{fc}\nx\n*\n1"),
        ("Invalid pipe name length", &format!("web_pipe2\n{name}\nx\n*\n1")),
        (event_characters, "web_pipe2\nweb_a\na b\n*\n1"),
        (event_characters, "web_pipe2\nweb_a\na'b\n*\n1"),
        ("Invalid event name length", &format!("web_pipe2\nweb_a\n{event}\n*\n1")),
        ("Invalid value auth_type", "web_pipe2\nweb_a\nx\n**\n1"),
        ("Invalid value auth_type", "web_pipe2\nweb_a\nx\n\n1"),
    ] {
        session.command(command);
        assert_eq!(session.error(), text, "{command}");
        session.quiet();
    }
    listener.quiet();
    session.publish("web_a", "", "1");
    assert_eq!(heard(&listener.next(), "web_a", ""), json!(1));
}

/// cometql 12: these two have a number beside their text.
#[test]
fn a_refused_prefix_says_that_nobody_was_reached() {
    let server = Encke::start(&[]);
    for page in [Page::anonymous(), Page::old()] {
        let mut session = page.open(server.http);
        for command in ["web_pipe2\nother\nx\n*\n1", "web_pipe2\nwebauth_a\nx\n*\n1"] {
            session.command(command);
            let frame = session.next();
            let data = data_of(&frame);
            assert_eq!(data["number_messages"], -1, "{frame}");
            assert_eq!(data.as_object().map(serde_json::Map::len), Some(2), "{frame}");
        }
    }
}

/// cometql 14.
#[test]
fn connections_are_counted_for_web_and_track_pipes_alone() {
    let server = Encke::start(&[]);
    let mut sessions = [open(&server), open(&server), open(&server)];
    sessions[0].subscribe(&["web_a", "web_b"]);
    sessions[1].subscribe(&["web_a"]);
    for (pipe, count) in [("web_a", 2), ("web_b", 1), ("web_c", 0), ("track_a", 0)] {
        for session in &mut sessions {
            assert_eq!(session.count(pipe), count, "{pipe}");
        }
    }
    let [mut session, ..] = sessions;
    let asked = marker();
    session.command(format!("pipe_count\nweb_a\n{asked}\n"));
    let expect = json!({"data": {"user_in_pipe": 2}, "event": "user_in_pipe", "marker": asked,
        "pipe": "_answer_pipe_count"});
    assert_eq!(session.timeless(), expect);
    let text = "[pipe_count] Invalid channel name. The channel should start with web_";
    for pipe in ["other", "webauth_a", "private_a", "we", "user_status_7"] {
        session.command(format!("pipe_count\n{pipe}\n{}\n", marker()));
        let frame = session.timeless();
        let data = json!({"number_messages": -1, "error": text});
        assert_eq!(frame, json!({"data": data, "event": "error", "pipe": "sys"}), "{pipe}");
    }
    session.quiet();
}

/// cometql 14: of a connection that has gone nothing is left to count.
#[test]
fn who_has_gone_is_not_counted() {
    let server = Encke::start(&[]);
    let mut stays = open(&server);
    let mut goes = open(&server);
    let mut breaks = open(&server);
    for session in [&mut stays, &mut goes, &mut breaks] {
        session.subscribe(&["web_a"]);
    }
    goes.close();
    drop(breaks);
    crate::server::eventually("one is left", || (stays.count("web_a") == 1).then_some(()));
}

/// cometql 14, 18: characters that no name has are told twice.
#[test]
fn a_bad_name_is_two_errors_for_counts_and_logs() {
    let server = Encke::start(&[]);
    for page in [Page::anonymous(), Page::old()] {
        let mut session = page.open(server.http);
        for (command, second) in [
            ("pipe_count\nweb_a b\n1234567890\n", "Invalid pipe name."),
            ("pipe_count\nweb_a.b\n1234567890\n", "Invalid pipe name."),
            ("pipe_log\nweb_a b\n1234567890\n", "Invalid channel name."),
            ("pipe_log\nweb_a'b\n1234567890\n", "Invalid channel name."),
        ] {
            session.command(command);
            assert_eq!(session.error(), CHARACTERS, "{command}");
            assert_eq!(session.error(), second, "{command}");
            session.quiet();
        }
        session.command("pipe_log\nweb_a\nno'marker!\n");
        assert_eq!(session.error(), "Invalid marker value.");
        session.quiet();
    }
}

/// cometql 15: 4.08 goes by the marker, 3.25 by the pipe's own name.
#[test]
fn members_are_listed_newest_first_one_for_each_connection() {
    let server = Encke::start(&[]);
    let mut first = Page::old().in_browser('a').open(server.http);
    first.subscribe(&["track_a"]);
    let mut second = Page::anonymous().in_browser('b').open(server.http);
    second.subscribe(&["track_a"]);
    let mut third = Page::anonymous().in_browser('b').open(server.http);
    third.subscribe(&["track_a"]);
    assert_eq!(first.settled().len(), 2, "it heard them come");
    let member = |letter: &str| json!({"user_id": 0, "uuid": letter.repeat(32)});
    let list = json!([member("b"), member("b"), member("a")]);
    let asked = marker();
    third.command(format!("track_pipe_users\ntrack_a\n{asked}"));
    let expect = json!({"_info": "answer for track_pipe_users", "data": list, "event": "answer",
        "marker": asked, "pipe": "_answer"});
    assert_eq!(third.timeless(), expect);
    first.command(format!("track_pipe_users\ntrack_a\n{asked}"));
    let old = first.timeless();
    assert_eq!((&old["pipe"], &old["marker"]), (&json!("track_a"), &json!(asked)), "{old}");
    assert_eq!(data_of(&old), list);
    assert_eq!(third.members("track_nobody"), []);
}

/// cometql 15.
#[test]
fn members_of_other_pipes_are_refused() {
    let server = Encke::start(&[]);
    let mut session = open(&server);
    session.subscribe(&["web_a"]);
    for pipe in ["web_a", "tra", "private_a"] {
        session.command(format!("track_pipe_users\n{pipe}\n{}", marker()));
        let text = "[track_pipe_users] Invalid channel name. The channel should start with track_";
        let data = json!({"user_id": -1, "error": text});
        let expect = json!({"data": data, "event": "error", "pipe": "sys"});
        assert_eq!(session.timeless(), expect, "{pipe}");
    }
    session.quiet();
}

/// cometql 19.
#[test]
fn data_of_an_unknown_user_is_empty_and_of_no_user_an_error() {
    let server = Encke::start(&[]);
    let mut session = open(&server);
    let asked = marker();
    session.command(format!("user_data\n{asked}\n7"));
    let expect = json!({"data": {"user_data": "", "user_id": 7}, "event": "answer",
        "marker": asked, "pipe": "_answer"});
    assert_eq!(session.timeless(), expect);
    assert_eq!(session.user_data(2_147_483_647), "");
    for user in ["abc", "", "7x", "undefined"] {
        session.command(format!("user_data\n{}\n{user}", marker()));
        let data = json!({"user_id": -1, "user_data": "", "error": "Invalid user id"});
        let expect = json!({"data": data, "event": "error", "pipe": "sys"});
        assert_eq!(session.timeless(), expect, "{user:?}");
    }
    session.quiet();
}

/// Of a user that nobody has seen: as if it had gone at -1.
#[test]
fn the_status_of_an_unknown_user_is_as_long_ago_as_can_be() {
    let server = Encke::start(&[]);
    for page in [Page::anonymous(), Page::old()] {
        let mut session = page.open(server.http);
        session.command("user_status\n7");
        let frame = session.next();
        assert_eq!(frame["pipe"], "_answer_user_status");
        assert_eq!(frame["event"], "user_status_7");
        let data = data_of(&frame);
        assert_eq!(data["data"], data["last_online_time"], "{frame}");
        let seconds = data["data"].as_u64().expect("a number");
        assert!(seconds.abs_diff(crate::comet_page::now() + 1) <= 5, "{frame}");
    }
}

/// cometql 23.
#[test]
fn statistics_and_two_calls_are_swallowed() {
    let server = Encke::start(&[]);
    let mut session = open(&server);
    for command in [
        r#"statistics\n{"url":"http://localhost/","dev_id":1,"version":"4.08"}"#,
        "statistics\n",
        "cgi_call\nanything",
        "CometQL_call\n1234567890\na.b.c",
    ] {
        session.command(command.replace(r"\n", "\n"));
        session.quiet();
    }
}

/// cometql 23.
#[test]
fn an_unknown_command_ends_the_connection() {
    let server = Encke::start(&[]);
    for command in ["nonsense\nx", "Subscription\nweb_a", "{\"type\":\"subscribe\"}", "GET / HTTP"]
    {
        let mut session = open(&server);
        session.command(command);
        session.dropped();
    }
    open(&server).quiet();
}

/// Commands that break off where an argument is due are answered or end the connection, no more.
#[test]
fn commands_without_their_arguments_harm_nobody() {
    let server = Encke::start(&[]);
    let mut listener = open(&server);
    listener.subscribe(&["web_a"]);
    for name in [
        "subscription",
        "web_pipe2",
        "pipe_count",
        "pipe_log",
        "track_pipe_users",
        "user_data",
        "user_status",
        "statistics",
    ] {
        for rest in ["", "\n", "\n\n", "\n\n\n\n\n\n", "\nweb_a", "\nweb_a\n", "\nweb_a\nx", "\n\0"]
        {
            let mut session = open(&server);
            session.command(format!("{name}{rest}"));
            // An answer, an error, or the end: every frame is checked on the way.
            // It may have been dropped before this.
            let _ = session.try_send(&crate::websocket::frame(0x88, b""));
            let frames = session.last_frames();
            assert!(frames.len() <= 2, "{name}{rest:?}: {frames:?}");
        }
    }
    listener.quiet();
}

/// cometql 24: every answer, in the form that scripts before 4 read.
#[test]
fn old_scripts_get_every_answer_in_their_form() {
    let server = Encke::start(&[]);
    let mut session = Page::old().open(server.http);
    let next = |session: &mut Session, command: &str| -> Value {
        session.command(command);
        let frame = session.next();
        assert_eq!(frame["event_name"], frame["event"], "{frame}");
        assert!(frame["data"].is_string(), "{frame}");
        frame
    };
    let count = next(&mut session, "pipe_count\nweb_a\n1234567890\n");
    assert_eq!(data_of(&count), json!({"user_in_pipe": 0}));
    assert_eq!(count["data"], r#"{"user_in_pipe":0}"#);
    let refused = next(&mut session, "pipe_count\nother\n1234567890\n");
    assert_eq!(data_of(&refused)["number_messages"], -1);
    let report = next(&mut session, "web_pipe2\nweb_a\n\n*\n[1]");
    assert_eq!(data_of(&report)["number_messages"], 0);
    let members = next(&mut session, "track_pipe_users\ntrack_a\n1234567890");
    assert_eq!(members["data"], "[]");
    assert_eq!(session.info["event_name"], "serverInfo");
}
