//! What clients of CometServerApi may have: channels, messages that are held for them, texts of their own.

use encke::server::limits::Limits;

use super::crowd::{Crowd, frame, get, upgrade, upgrade_of};
use super::{SSE, limited, told, wires};

const KEY: &str = "0123456789abcdef0123456789abcdef";
/// An anonymous page, and what else it puts into its address.
fn page(rest: &str) -> String {
    format!("/ws/sesion=null&myid=null&devid=1&v=4.08&uuid=u&api=encke{rest}")
}

fn says(crowd: &mut Crowd, number: u32, text: &str) -> String {
    told(crowd, number, &frame(0x81, text.as_bytes()))
}

#[test]
fn a_session_has_so_many_channels_and_no_more() {
    let mut crowd = limited(9, |limits| limits.channels_per_session_max = 2);
    (1..=3).for_each(|number| crowd.connect(number));
    assert!(told(&mut crowd, 1, upgrade(&page(""))).starts_with("HTTP/1.1 101"));
    let words = says(&mut crowd, 1, "subscription\nweb_a\nweb_b");
    assert!(!words.contains("error"), "at the bound: {words}");
    let words = says(&mut crowd, 1, "subscription\nweb_b\nweb_c\nweb_d");
    assert!(words.contains("Too many letters"), "one past it: {words}");
    assert!(wires::is_open(1));
    let counts = |crowd: &mut Crowd, number: u32| {
        let list = told(crowd, number, get("/channels", ""));
        ["web_a", "web_b", "web_c", "web_d"].map(|name| list.contains(name))
    };
    assert_eq!(counts(&mut crowd, 2), [false, true, true, false], "the first ones stay");
    let words = says(&mut crowd, 1, "subscription\nweb_d\nweb_d\nweb_a");
    assert!(!words.contains("error"), "a name again is no further one: {words}");
    assert_eq!(counts(&mut crowd, 2), [true, false, false, true], "others may take their place");
    crowd.server.verify();
}

#[test]
fn an_address_names_as_many_channels_as_a_session_may_have() {
    let explain = "pipes are more than a client may have";
    for (names, is_let_in) in [("web_a,web_b", true), ("web_a,web_b,web_c", false)] {
        let target = page(&format!("&pipes={names}"));
        let poll = get(&format!("{target}&transport=poll"), "");
        for (request, refusal) in [
            (get(&target, SSE), "HTTP/1.1 400 "),
            (poll, "HTTP/1.1 400 "),
            // A WebSocket is told in its first frame.
            (upgrade(&target), "HTTP/1.1 101 "),
        ] {
            let mut crowd = limited(9, |limits| limits.channels_per_session_max = 2);
            crowd.connect(1);
            let words = told(&mut crowd, 1, request);
            assert_eq!(words.contains(explain), !is_let_in, "{words}");
            assert_eq!(words.contains("serverInfo"), is_let_in, "{words}");
            assert!(is_let_in || words.starts_with(refusal), "{words}");
            crowd.server.verify();
        }
    }
}

/// A user's page with a session that listens by an event stream, and what it has had of its messages: those
/// that it is given, and how far it has them all then.
fn user_comes(crowd: &mut Crowd, cursor: &str) -> (Vec<String>, String) {
    crowd.connect(1);
    let session = "s".repeat(16);
    let fields = format!("myid=7&devid=1&v=4.08&uuid=u&api=encke&session={session}&msg={cursor}");
    let words = told(crowd, 1, get(&format!("/ws/sesion={KEY}&{fields}"), SSE));
    assert!(words.starts_with("HTTP/1.1 200") && words.contains("serverInfo"), "{words}");
    let sent = words.split("sent ").skip(1);
    let number = |text: &str| text.chars().take_while(char::is_ascii_digit).collect();
    let cursor = words.split("\"msg\":\"").nth(1).and_then(|rest| rest.split('"').next());
    (sent.map(number).collect(), cursor.unwrap_or_else(|| panic!("no cursor: {words}")).into())
}

/// Sends the user so many messages.
fn send_to_user(crowd: &mut Crowd, count: usize) {
    crowd.connect(2);
    for n in 1..=count {
        let text = format!("sent {n}");
        let head = "POST /users/7 HTTP/1.1\r\nHost: localhost\r\nContent-Length: ";
        let request = format!("{head}{}\r\n\r\n{text}", text.len());
        assert!(told(crowd, 2, request.as_bytes()).starts_with("HTTP/1.1 200"));
    }
    crowd.leave(2);
    crowd.settle();
}

/// A server that holds two messages for who is away, as user 7 is after a first visit.
fn with_user() -> (Crowd, String) {
    let bounds = |limits: &mut Limits| limits.held_messages_max = 2;
    let keys = vec![("7".into(), KEY.into())];
    let mut crowd = Crowd::with_records(9, |settings| bounds(&mut settings.limits), keys);
    let (messages, cursor) = user_comes(&mut crowd, "");
    assert_eq!(messages, [""; 0]);
    go_away(&mut crowd);
    (crowd, cursor)
}

fn go_away(crowd: &mut Crowd) {
    crowd.leave(1);
    crowd.settle();
    assert_eq!(crowd.server.holdings().detached, 1, "its session stays");
}

#[test]
fn so_many_messages_are_held_for_who_is_away_and_the_oldest_go_for_more() {
    let (mut crowd, _) = with_user();
    for (sent, expect) in [(2, &["1", "2"][..]), (3, &["2", "3"]), (5, &["4", "5"]), (1, &["1"])] {
        send_to_user(&mut crowd, sent);
        assert_eq!(user_comes(&mut crowd, "").0, expect, "of {sent}");
        go_away(&mut crowd);
        crowd.server.verify();
    }
}

#[test]
fn who_says_what_it_has_had_gets_what_was_not_held_too() {
    let (mut crowd, cursor) = with_user();
    send_to_user(&mut crowd, 4);
    assert_eq!(user_comes(&mut crowd, &cursor).0, ["1", "2", "3", "4"]);
    crowd.server.verify();
}

#[test]
fn so_many_texts_are_kept_of_what_sessions_say_of_themselves_and_no_more() {
    let mut crowd = limited(9, |limits| limits.texts_max = 2);
    let comes = |crowd: &mut Crowd, number: u32, agent: &str| {
        crowd.connect(number);
        let words = told(crowd, number, upgrade_of(agent, &page("")));
        assert!(words.starts_with("HTTP/1.1 101") && words.contains("serverInfo"), "{words}");
        crowd.server.holdings().texts
    };
    assert_eq!(comes(&mut crowd, 1, "one"), 1);
    assert_eq!(comes(&mut crowd, 2, "two"), 2, "at the bound");
    assert_eq!(comes(&mut crowd, 3, "three"), 2, "one past it is let in, and not remembered");
    assert_eq!(comes(&mut crowd, 4, "one"), 2);
    crowd.leave(1);
    assert_eq!(comes(&mut crowd, 5, "five"), 2, "another one still says it");
    crowd.leave(2);
    crowd.settle();
    assert_eq!(crowd.server.holdings().texts, 1);
    assert_eq!(comes(&mut crowd, 6, "six"), 2, "there is room again");
    crowd.server.verify();
    (3..=6).for_each(|number| crowd.leave(number));
    crowd.settle();
    assert_eq!(crowd.server.holdings().texts, 0);
}
