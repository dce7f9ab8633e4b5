//! Who joins and leaves a `track_` pipe, told to the others alone.

use serde_json::{Value, json};

use crate::comet_page::{Page, Session, data_of};
use crate::http::get;
use crate::server::{Encke, eventually};
use crate::websocket::Ws;

fn open(server: &Encke, letter: char) -> Session {
    Page::anonymous().in_browser(letter).open(server.http)
}

/// `letter` did this, and nothing else is told.
#[track_caller]
fn told(session: &mut Session, event: &str, pipe: &str, letter: char) {
    let frame = session.next();
    assert_eq!((&frame["event"], &frame["pipe"]), (&event.into(), &pipe.into()), "{frame}");
    let uuid = letter.to_string().repeat(32);
    assert_eq!(data_of(&frame), json!({"user_id": 0, "uuid": uuid}), "{frame}");
}

/// cometql 16.
#[test]
fn a_newcomer_is_told_to_the_others_and_not_to_itself() {
    let server = Encke::start(&[]);
    let mut first = open(&server, 'a');
    first.subscribe(&["track_a"]);
    let mut old = Page::old().in_browser('o').open(server.http);
    old.subscribe(&["web_x", "track_a", "track_b"]);
    told(&mut first, "subscription", "track_a", 'o');
    let mut second = open(&server, 'b');
    second.subscribe(&["track_a"]);
    told(&mut first, "subscription", "track_a", 'b');
    told(&mut old, "subscription", "track_a", 'b');
    for session in [&mut first, &mut old, &mut second] {
        session.quiet();
    }
}

/// cometql 16: the exact frame.
#[test]
fn joining_and_leaving_have_this_form() {
    let server = Encke::start(&[]);
    let mut first = open(&server, 'a');
    first.subscribe(&["track_a"]);
    let mut second = open(&server, 'b');
    second.subscribe(&["track_a"]);
    second.close();
    let data = json!({"user_id": 0, "uuid": "b".repeat(32)});
    for event in ["subscription", "unsubscription"] {
        let mut frame: Value = first.next();
        assert!(frame["message_send_time"].is_u64(), "{frame}");
        frame.as_object_mut().unwrap().remove("message_send_time");
        assert_eq!(frame, json!({"data": data, "event": event, "pipe": "track_a"}));
    }
}

/// cometql 16: closed by the page, cut off, or by a list without the pipe.
#[test]
fn leaving_is_told_however_it_happens() {
    let server = Encke::start(&[]);
    let mut first = open(&server, 'a');
    first.subscribe(&["track_a"]);
    let leave: [(char, fn(Session)); 4] = [
        ('c', |session| drop(session.close())),
        ('d', drop),
        ('e', |mut session| {
            session.command("nonsense");
            session.dropped();
        }),
        ('f', |mut session| {
            session.subscribe(&["web_a"]);
            session.quiet();
        }),
    ];
    for (letter, leave) in leave {
        let mut session = open(&server, letter);
        session.subscribe(&["track_a"]);
        told(&mut first, "subscription", "track_a", letter);
        leave(session);
        told(&mut first, "unsubscription", "track_a", letter);
        assert_eq!(first.members("track_a").len(), 1);
    }
    first.quiet();
}

/// cometql 16: only real changes are told. Every further `subscription()` of a page sends the whole
/// list.
#[test]
fn the_same_list_again_is_no_news() {
    let server = Encke::start(&[]);
    let mut first = open(&server, 'a');
    first.subscribe(&["track_a", "track_b"]);
    let mut second = open(&server, 'b');
    second.subscribe(&["track_a", "track_b"]);
    told(&mut first, "subscription", "track_a", 'b');
    told(&mut first, "subscription", "track_b", 'b');
    for list in [
        &["track_a", "track_b"][..],
        &["track_b", "web_a", "track_a"],
        &["track_b", "track_a", "track_b"],
    ] {
        second.subscribe(list);
    }
    first.quiet();
    second.subscribe(&["track_b", "track_c"]);
    told(&mut first, "unsubscription", "track_a", 'b');
    first.quiet();
    let newest_first = ['b', 'a'].map(|letter| (0, letter.to_string().repeat(32)));
    assert_eq!(first.members("track_b"), newest_first);
}

/// cometql 15, 16: one entry and one word for each connection, two tabs of a browser included.
#[test]
fn two_tabs_of_a_browser_come_and_go_each_by_itself() {
    let server = Encke::start(&[]);
    let mut first = open(&server, 'a');
    first.subscribe(&["track_a"]);
    let mut tabs = [open(&server, 'b'), open(&server, 'b')];
    for tab in &mut tabs {
        tab.subscribe(&["track_a"]);
        told(&mut first, "subscription", "track_a", 'b');
    }
    tabs[0].settled();
    assert_eq!(first.members("track_a").len(), 3);
    assert_eq!(first.count("track_a"), 3);
    let [one, two] = tabs;
    one.close();
    told(&mut first, "unsubscription", "track_a", 'b');
    drop(two);
    told(&mut first, "unsubscription", "track_a", 'b');
    assert_eq!(first.count("track_a"), 1);
}

/// Whoever listens by a channel URL hears who comes and goes too.
#[test]
fn channel_urls_hear_the_same_news() {
    let server = Encke::start(&[]);
    let mut ws = Ws::connect(server.http, "/channels/track_a?format=json");
    let mut session = open(&server, 'b');
    session.subscribe(&["track_a"]);
    let joined = ws.read_json();
    assert_eq!((&joined["event"], &joined["channel"]), (&json!("subscription"), &json!("track_a")));
    session.close();
    assert_eq!(ws.read_json()["event"], "unsubscription");
    eventually("one is left", || {
        let here = get(server.http, "/channels/track_a/presence").json();
        (here["count"] == 1).then_some(())
    });
}

/// Fifty pages come and go at once: the one that stays can follow them without a gap.
#[test]
fn a_crowd_that_comes_and_goes_is_told_one_by_one() {
    let server = Encke::start(&[]);
    let mut first = open(&server, 'a');
    first.subscribe(&["track_a"]);
    let mut crowd: Vec<Session> = (0..50).map(|_| open(&server, 'c')).collect();
    for session in &mut crowd {
        session.command("subscription\ntrack_a");
    }
    for _ in 0..50 {
        told(&mut first, "subscription", "track_a", 'c');
    }
    drop(crowd);
    for _ in 0..50 {
        told(&mut first, "unsubscription", "track_a", 'c');
    }
    assert_eq!(first.members("track_a").len(), 1);
    first.quiet();
}
