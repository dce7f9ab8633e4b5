//! Users: keys, what a key allows, online and offline, and being thrown out.

use serde_json::json;

use super::{back_end, heard, publish, register, rows, run};
use crate::comet_page::{Page, Session, data_of, now};
use crate::server::{Encke, eventually};

/// cometql 4.
#[test]
fn the_right_key_authorises_both_generations() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    let longest = "0123456789abcdefABCDEF0123456789";
    for (user, key) in [(1, "k"), (7, longest), (2_147_483_647, "aB3=+_"), (8, "with/slash")] {
        register(&mut sql, user, key);
        for page in [Page::anonymous(), Page::old()] {
            let session = page.of(user, key).open(server.http);
            // The text, as 3.25 does not know the boolean.
            assert_eq!(session.info["authorized"], "true", "{user} {key}");
            assert_eq!(session.info["data"], key);
        }
    }
}

/// cometql 3.
#[test]
fn the_key_of_another_user_or_of_yesterday_does_not() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    register(&mut sql, 7, "seven");
    register(&mut sql, 8, "eight");
    for (user, key) in [
        (7, "eight"),
        (8, "seven"),
        (9, "seven"),
        (0, "seven"),
        (7, "Seven"),
        (7, "seve"),
        (7, "sevenx"),
        (7, ""),
    ] {
        let session = Page::anonymous().of(user, key).open(server.http);
        assert!(!session.is_authorized(), "{user} {key}");
        assert_eq!(session.info["data"], "", "{user} {key}");
    }
    let mut stays = Page::anonymous().of(7, "seven").authorized(server.http);
    register(&mut sql, 7, "changed");
    stays.quiet();
    assert!(!Page::anonymous().of(7, "seven").open(server.http).is_authorized());
    Page::anonymous().of(7, "changed").authorized(server.http);
    stays.subscribe(&["private_a"]);
    publish(&mut sql, "private_a", "", "'still there'");
    assert_eq!(heard(&stays.next(), "private_a", ""), "still there");
}

/// cometql 11: the sender's own other tab hears it, with its number.
#[test]
fn messages_of_a_user_bear_its_number() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    register(&mut sql, 7, "key7");
    let page = Page::anonymous().of(7, "key7");
    let mut sender = page.authorized(server.http);
    let mut tab = page.authorized(server.http);
    let mut guest = Page::old().open(server.http);
    for session in [&mut sender, &mut tab, &mut guest] {
        session.subscribe(&["web_a", "webauth_a"]);
    }
    // cometql 12: `@` hides it, and webauth_ is for users.
    for (to, pipe, user) in
        [("web_a", "web_a", 7), ("@web_a", "web_a", 0), ("webauth_a", "webauth_a", 7)]
    {
        let report = sender.publish(to, "x", "[1]");
        assert_eq!(data_of(&report)["number_messages"], 2, "cometql 13: {report}");
        for session in [&mut tab, &mut guest] {
            let frame = session.next();
            assert_eq!(heard(&frame, pipe, "x"), json!([1]));
            assert_eq!(frame["user_id"], user, "{frame}");
        }
    }
    sender.quiet();
}

/// cometql 11: the whole frame.
#[test]
fn a_message_of_a_user_has_this_form() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    register(&mut sql, 7, "key7");
    let mut sender = Page::anonymous().of(7, "key7").authorized(server.http);
    let mut listener = Page::anonymous().open(server.http);
    listener.subscribe(&["web_a"]);
    sender.publish("web_a", "x", r#"{"a":1}"#);
    let frame = listener.timeless();
    assert_eq!(data_of(&frame), json!({"a": 1}));
    let keys: Vec<&String> = frame.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["data", "event", "pipe", "user_id"]);
}

/// cometql 15, 16.
#[test]
fn members_and_news_of_them_bear_the_users_number() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    register(&mut sql, 7, "key7");
    let mut guest = Page::anonymous().in_browser('g').open(server.http);
    guest.subscribe(&["track_a"]);
    let mut user = Page::old().of(7, "key7").in_browser('u').authorized(server.http);
    user.subscribe(&["track_a"]);
    let member = json!({"user_id": 7, "uuid": "u".repeat(32)});
    assert_eq!(heard(&guest.next(), "track_a", "subscription"), member);
    assert_eq!(guest.members("track_a"), [(7, "u".repeat(32)), (0, "g".repeat(32))]);
    user.close();
    assert_eq!(heard(&guest.next(), "track_a", "unsubscription"), member);
}

/// When a user was here last, as SQL says.
fn last_seen(sql: &mut crate::mysql::MySql, user: u32) -> i64 {
    let rows = rows(sql, &format!("SELECT id, time FROM users_time WHERE id = {user}"));
    assert_eq!(rows[0][0], user.to_string());
    rows[0][1].parse().expect("a number")
}

/// cometql 17, and 34 as far as pages make it.
#[test]
fn a_user_is_online_from_its_first_connection_to_its_last() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    register(&mut sql, 7, "key7");
    register(&mut sql, 8, "key8");
    let mut watchers = [Page::anonymous(), Page::old()].map(|page| {
        let mut session = page.open(server.http);
        session.subscribe(&["user_status_7"]);
        session
    });
    assert_eq!(last_seen(&mut sql, 7), -1);
    let page = Page::anonymous().of(7, "key7");
    let mut first = page.authorized(server.http);
    for watcher in &mut watchers {
        assert_eq!(heard(&watcher.next(), "user_status_7", "online"), "online");
    }
    assert_eq!(last_seen(&mut sql, 7), 0);
    let second = page.clone().in_browser('b').authorized(server.http);
    let other = Page::anonymous().of(8, "key8").authorized(server.http);
    let stranger = Page::anonymous().of(7, "wrong").open(server.http);
    first.subscribe(&["web_a"]);
    first.close();
    stranger.close();
    other.close();
    for watcher in &mut watchers {
        watcher.quiet();
    }
    drop(second);
    for watcher in &mut watchers {
        assert_eq!(heard(&watcher.next(), "user_status_7", "offline"), "offline");
    }
    assert!(now().abs_diff(last_seen(&mut sql, 7) as u64) <= 5);
    page.authorized(server.http);
    for event in ["online", "offline"] {
        for watcher in &mut watchers {
            assert_eq!(heard(&watcher.next(), "user_status_7", event), event);
        }
    }
}

/// cometql 17: the exact frame.
#[test]
fn online_has_this_form() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    register(&mut sql, 7, "key7");
    let mut watcher = Page::anonymous().open(server.http);
    watcher.subscribe(&["user_status_7"]);
    let _user = Page::anonymous().of(7, "key7").authorized(server.http);
    let expect = json!({"data": "online", "event": "online", "pipe": "user_status_7"});
    assert_eq!(watcher.timeless(), expect);
}

/// `user_status`: seconds since the user was here; who is here counts from 1970.
#[test]
fn the_status_of_a_user_is_how_long_it_has_been_away() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    register(&mut sql, 7, "key7");
    let mut guest = Page::anonymous().open(server.http);
    let ask = |guest: &mut Session| {
        guest.command("user_status\n7");
        let frame = guest.next();
        assert_eq!(
            (&frame["event"], &frame["pipe"]),
            (&json!("user_status_7"), &json!("_answer_user_status"))
        );
        data_of(&frame)["last_online_time"].as_u64().expect("seconds")
    };
    let user = Page::anonymous().of(7, "key7").authorized(server.http);
    assert!(ask(&mut guest).abs_diff(now()) <= 5);
    user.close();
    eventually("it is away", || (ask(&mut guest) <= 5).then_some(()));
}

/// cometql 22.
#[test]
fn who_loses_its_key_is_dropped_and_comes_back_as_nobody() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    register(&mut sql, 7, "key7");
    register(&mut sql, 8, "key8");
    let mut watcher = Page::anonymous().open(server.http);
    watcher.subscribe(&["user_status_7", "track_a"]);
    let page = Page::anonymous().of(7, "key7").in_browser('s');
    let mut devices =
        [page.authorized(server.http), Page::old().of(7, "key7").authorized(server.http)];
    let mut other = Page::anonymous().of(8, "key8").authorized(server.http);
    let mut pretender = Page::anonymous().of(7, "wrong").open(server.http);
    devices[0].subscribe(&["track_a", "private_a"]);
    run(&mut sql, "DELETE FROM users_auth WHERE id = 7");
    for device in &mut devices {
        device.dropped();
    }
    other.quiet();
    pretender.quiet();
    let seen = eventually("all is told", || {
        let seen = watcher.settled();
        seen.iter().any(|frame| frame["event"] == "offline").then_some(seen)
    });
    assert!(seen.iter().any(|frame| frame["event"] == "unsubscription"), "{seen:?}");
    // What the script does by itself, as it saw no Close frame.
    assert!(!page.open(server.http).is_authorized());
    register(&mut sql, 7, "new7");
    page.of(7, "new7").authorized(server.http);
}

/// cometql 21: another identity on the same page.
#[test]
fn a_page_that_restarts_is_who_it_then_says() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    register(&mut sql, 7, "key7");
    register(&mut sql, 8, "key8");
    let mut listener = Page::anonymous().open(server.http);
    listener.subscribe(&["web_a"]);
    for (page, user) in [
        (Page::anonymous(), 0),
        (Page::anonymous().of(7, "key7"), 7),
        (Page::anonymous().of(8, "key8"), 8),
        (Page::anonymous(), 0),
    ] {
        let mut session = page.open(server.http);
        session.publish("web_a", "", "1");
        assert_eq!(listener.next()["user_id"], user);
        session.close();
    }
}

/// Sixteen devices of one user are all reached.
#[test]
fn sixteen_devices_hear_what_is_for_their_user() {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    register(&mut sql, 7, "key7");
    let page = Page::anonymous().of(7, "key7");
    let mut devices: Vec<Session> = (0..16).map(|_| page.authorized(server.http)).collect();
    super::send_to(&mut sql, 7, "x", "for you");
    for device in &mut devices {
        assert_eq!(heard(&device.next(), "msg", "x"), "for you");
        device.quiet();
    }
}
