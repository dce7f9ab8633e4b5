//! Messages for one user: live on all its devices, or kept until it comes.

use serde_json::{Value, json};

use super::publishing::AWKWARD;
use super::{back_end, heard, register, rows, run, send_to};
use crate::comet_page::{Page, Session, data_of};
use crate::http::Http;
use crate::mysql::MySql;
use crate::server::Encke;

/// A server where user 7 has the key `key7`, and 8 `key8`.
fn start() -> (Encke, MySql) {
    let server = Encke::start(&[]);
    let mut sql = back_end(&server);
    register(&mut sql, 7, "key7");
    register(&mut sql, 8, "key8");
    (server, sql)
}

fn seven(server: &Encke) -> Session {
    Page::anonymous().of(7, "key7").authorized(server.http)
}

/// cometql 20.
#[test]
fn every_device_of_the_user_hears_it_and_nobody_else() {
    let (server, mut sql) = start();
    let mut devices =
        [seven(&server), seven(&server), Page::old().of(7, "key7").authorized(server.http)];
    let mut others = [
        Page::anonymous().open(server.http),
        Page::anonymous().of(8, "key8").authorized(server.http),
        Page::anonymous().of(7, "wrong").open(server.http),
    ];
    for other in &mut others {
        // The script never names it, but a stranger might.
        other.subscribe(&["msg", "web_a"]);
    }
    for event in ["", "x", "Some-Event_1"] {
        send_to(&mut sql, 7, event, r#"{"a":1}"#);
        for device in &mut devices {
            assert_eq!(heard(&device.next(), "msg", event), json!({"a": 1}));
            device.quiet();
        }
    }
    for other in &mut others {
        other.quiet();
    }
}

/// cometql 20: the exact frames.
#[test]
fn a_personal_message_has_this_form_now_and_later() {
    let (server, mut sql) = start();
    send_to(&mut sql, 7, "x", "plain");
    let mut new = seven(&server);
    let frame = new.next();
    assert!(frame["message_send_time"].is_u64(), "{frame}");
    let expect = json!({"data": "plain", "event": "x", "fromQueue": true, "pipe": "msg"});
    assert_eq!(crate::comet_page::without_time(frame), expect);
    let mut old = Page::old().of(7, "key7").authorized(server.http);
    send_to(&mut sql, 7, "x", "plain");
    assert_eq!(new.timeless(), json!({"data": "plain", "event": "x", "pipe": "msg"}));
    let expect = json!({"data": "plain", "event": "x", "event_name": "x", "pipe": "msg",
        "api_data": "for major_version < 4"});
    assert_eq!(old.timeless(), expect);
}

/// cometql 46, and 20.
#[test]
fn fourteen_messages_for_an_absent_user_arrive_once_and_in_order() {
    let (server, mut sql) = start();
    for n in 0..14 {
        send_to(&mut sql, 7, &format!("e{n}"), &n.to_string());
    }
    send_to(&mut sql, 8, "", "for another");
    let mut device = Page::anonymous().of(7, "key7").open(server.http);
    for n in 0..14 {
        let frame = device.next();
        assert_eq!(heard(&frame, "msg", &format!("e{n}")), json!(n));
        assert_eq!(frame["fromQueue"], true);
    }
    device.quiet();
    // Neither a second device nor the same one again has it twice.
    seven(&server).quiet();
    device.close();
    seven(&server).quiet();
    let rest = rows(&mut sql, "SELECT event FROM users_messages WHERE id = 7");
    assert_eq!(rest, [] as [Vec<String>; 0]);
}

/// cometql 20: for 3.25 alike.
#[test]
fn what_waited_reaches_an_old_script_too() {
    let (server, mut sql) = start();
    send_to(&mut sql, 7, "x", r#"{"a":[1]}"#);
    let mut old = Page::old().of(7, "key7").authorized(server.http);
    assert_eq!(heard(&old.next(), "msg", "x"), json!({"a": [1]}));
    old.quiet();
}

/// cometql 20: no connection but an authorised one of the user takes a message away.
#[test]
fn a_stranger_with_the_users_number_does_not_take_what_waits() {
    let (server, mut sql) = start();
    send_to(&mut sql, 7, "", "for 7");
    for page in [
        Page::anonymous().of(7, "wrong"),
        Page::old().of(7, "null"),
        Page::anonymous().of(8, "key8"),
    ] {
        page.open(server.http).quiet();
    }
    assert_eq!(heard(&seven(&server).next(), "msg", ""), "for 7");
}

/// cometql 20: first what waited, then what comes.
#[test]
fn what_waited_comes_before_what_is_new() {
    let (server, mut sql) = start();
    let mut numbers = 0..;
    for _ in 0..5 {
        for n in numbers.by_ref().take(4) {
            send_to(&mut sql, 7, "", &n.to_string());
        }
        let mut device = seven(&server);
        for n in numbers.by_ref().take(3) {
            send_to(&mut sql, 7, "", &n.to_string());
        }
        let seen: Vec<Value> = device.settled().iter().map(data_of).collect();
        let last = seen.last().and_then(Value::as_u64).expect("some");
        assert_eq!(seen, (last - 6..=last).collect::<Vec<u64>>());
        device.close();
    }
}

/// cometql 20: what one device had live does not wait for another.
#[test]
fn what_was_delivered_does_not_wait() {
    let (server, mut sql) = start();
    let mut device = seven(&server);
    send_to(&mut sql, 7, "", "now");
    assert_eq!(device.next()["data"], "now");
    seven(&server).quiet();
}

/// cometql 20: user 0 is nobody, not everybody who has not logged in.
#[test]
fn what_is_sent_to_user_0_reaches_nobody() {
    let (server, mut sql) = start();
    let mut guests = [Page::anonymous(), Page::old().of(0, "null"), Page::anonymous().of(0, "")]
        .map(|page| page.open(server.http));
    // Taken or refused.
    sql.query("INSERT INTO users_messages (id, event, message) VALUES (0, '', 'for whom?')");
    for guest in &mut guests {
        guest.quiet();
    }
    Page::anonymous().open(server.http).quiet();
}

/// cometql 20: of very many, those that are accepted all arrive; the others are refused aloud.
#[test]
fn no_accepted_message_is_lost_however_many_wait() {
    let (server, mut sql) = start();
    let columns = "INSERT INTO users_messages (id, event, message) VALUES";
    let mut accepted = Vec::new();
    for n in 0..300_u64 {
        if sql.query(format!("{columns} (7, '', '{n}')")) == crate::mysql::Reply::Ok {
            accepted.push(n);
        }
    }
    assert!(accepted.len() >= 14, "{}", accepted.len());
    let seen: Vec<Value> = seven(&server).settled().iter().map(data_of).collect();
    assert_eq!(seen, accepted);
}

/// cometql 20: a user who comes and goes while a back end sends has each message once, in order.
#[test]
fn who_comes_and_goes_gets_each_message_once() {
    let (server, mut sql) = start();
    let count = 500_u64;
    let sender = std::thread::spawn(move || {
        for n in 0..count {
            send_to(&mut sql, 7, "", &n.to_string());
        }
    });
    let mut seen = Vec::new();
    for visit in 0.. {
        let mut device = seven(&server);
        if visit % 3 > 0 {
            seen.extend(device.settled());
        }
        seen.extend(device.close());
        if seen.len() as u64 >= count || sender.is_finished() && visit > 10_000 {
            break;
        }
    }
    sender.join().expect("all were accepted");
    let numbers: Vec<Value> = seen.iter().map(data_of).collect();
    assert_eq!(numbers, (0..count).collect::<Vec<u64>>());
    seven(&server).quiet();
}

#[test]
fn a_back_end_may_look_at_what_waits_and_take_it_back() {
    let (server, mut sql) = start();
    send_to(&mut sql, 7, "x", "one");
    send_to(&mut sql, 7, "y", "two");
    let waits = rows(&mut sql, "SELECT event, message FROM users_messages WHERE id = 7");
    assert_eq!(waits, [["x", "one"], ["y", "two"]]);
    run(&mut sql, "DELETE FROM users_messages WHERE id = 7");
    seven(&server).quiet();
}

/// cometql 9, 20.
#[test]
fn any_json_reaches_the_user_equal() {
    let (server, mut sql) = start();
    let mut devices = [seven(&server), Page::old().of(7, "key7").authorized(server.http)];
    for text in AWKWARD {
        let sent: Value = serde_json::from_str(text).expect("JSON");
        send_to(&mut sql, 7, "x", &text.replace('\'', "''"));
        for device in &mut devices {
            assert_eq!(heard(&device.next(), "msg", "x"), sent, "{text}");
        }
    }
    drop(devices);
    crate::server::eventually("it is away", || {
        (rows(&mut sql, "SELECT time FROM users_time WHERE id = 7") != [["0"]]).then_some(())
    });
    for text in AWKWARD {
        send_to(&mut sql, 7, "x", &text.replace('\'', "''"));
    }
    let mut device = seven(&server);
    for text in AWKWARD {
        let sent: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(heard(&device.next(), "msg", "x"), sent, "{text}");
    }
}

/// One hub: `POST /users/7` reaches the user's pages of this script.
#[test]
fn a_post_to_a_user_reaches_these_devices() {
    let (server, _sql) = start();
    let mut devices = [seven(&server), Page::old().of(7, "key7").authorized(server.http)];
    let mut http = Http::connect(server.http);
    let sent = http.post("/users/7?event=note", "it's for you").json();
    assert_eq!(sent, json!({"devices": 2}));
    for device in &mut devices {
        assert_eq!(heard(&device.next(), "msg", "note"), "it's for you");
        device.quiet();
    }
}
