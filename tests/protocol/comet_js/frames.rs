//! Each frame in each form, read back by a JSON that we did not write.

use encke::dialects::comet_js::CometJs;
use encke::dialects::comet_js::command::{Ask, Complaint, Publish};
use encke::dialects::comet_js::connect::{Rejection, Uuid};
use encke::dialects::comet_js::frames::{self, Answers, BANNER, Member, ServerInfo};
use encke::dialects::comet_js::variant::{IDS, JSON, LEGACY};
use encke::dialects::{Announcement, COMET_JS, Dialect, NAMES, dialect, name};
use encke::hub::message::{Data, Message, MessageId, Personal, Sender, TenantId};
use encke::hub::names::{ChannelName, EventName};
use serde_json::{Value, json};

pub const ID: MessageId = MessageId { second: 1_763_690_000, n: 1 };
const NOW: u64 = 1_763_690_007;
const NEW: u16 = JSON;
const OLD: u16 = JSON | LEGACY;
const OURS: u16 = JSON | IDS;

pub fn channel(name: &str) -> ChannelName {
    ChannelName::new(name.as_bytes()).unwrap()
}

pub fn message(event: &str, data: &[u8], user: Option<u32>) -> Message {
    Message {
        id: ID,
        offset: 1,
        born: 0,
        tenant: TenantId(0),
        channel: channel("web_a"),
        event: EventName::new(event).unwrap(),
        data: Data::new(data),
        sender: user.map(|user| Sender { user: Some(user), except: None }),
    }
}

pub fn to_user(event: &str, data: &[u8]) -> Personal {
    Personal {
        id: ID,
        tenant: TenantId(0),
        user: "7".into(),
        event: EventName::new(event).unwrap(),
        data: Data::new(data),
    }
}

/// What `write` appends, which must be one line, whatever there was before.
pub fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = b"it's\n".to_vec();
    write(&mut out);
    let frame = out.split_off(5);
    assert_eq!(out, b"it's\n", "what was there before");
    let is_bad = |byte: &u8| b"\r\n'".contains(byte);
    assert!(!frame.iter().any(is_bad), "{}", String::from_utf8_lossy(&frame));
    frame
}

fn read(write: impl FnOnce(&mut Vec<u8>)) -> Value {
    serde_json::from_slice(&written(write)).unwrap()
}

fn ask(name: &str) -> Ask {
    Ask { channel: channel(name), marker: "0123456789".into() }
}

#[test]
fn messages_of_channels() {
    let rows = [
        (
            "of a back end",
            "1.6.1",
            (NEW, message("ev", b"{\"a\":1}", None)),
            json!({"data": {"a": 1}, "event": "ev", "pipe": "web_a",
                "message_send_time": 1763690000}),
        ),
        (
            "no event",
            "1.6.1",
            (NEW, message("", b"text", None)),
            json!({"data": "text", "event": "", "pipe": "web_a", "message_send_time": 1763690000}),
        ),
        (
            "of a browser",
            "1.4.2",
            (NEW, message("ev", b"[1]", Some(7))),
            json!({"data": [1], "event": "ev", "pipe": "web_a", "user_id": 7,
                "message_send_time": 1763690000}),
        ),
        (
            "of nobody",
            "1.4.2",
            (NEW, message("ev", b"5", Some(0))),
            json!({"data": "5", "event": "ev", "pipe": "web_a", "user_id": 0,
                "message_send_time": 1763690000}),
        ),
        (
            "with its id",
            "ours",
            (OURS, message("ev", b"{}", Some(7))),
            json!({"data": {}, "event": "ev", "pipe": "web_a", "user_id": 7,
                "message_send_time": 1763690000, "id": "1763690000-1"}),
        ),
        (
            "for older clients",
            "1.5",
            (OLD, message("ev", b"{\"a\":1}", Some(7))),
            json!({"data": "{\"a\":1}", "event": "ev", "event_name": "ev", "pipe": "web_a",
                "api_data": "for major_version < 4", "user_id": 7,
                "message_send_time": 1763690000}),
        ),
        (
            "of the moment",
            "1.6.4",
            (OURS, Message { id: MessageId::default(), ..message("online", b"online", None) }),
            json!({"data": "online", "event": "online", "pipe": "web_a"}),
        ),
        (
            "bytes",
            "ours",
            (NEW, message("", b"\xff\x00", None)),
            json!({"data": {"base64": "/wA="}, "event": "", "pipe": "web_a",
                "message_send_time": 1763690000}),
        ),
        (
            "bytes for older clients",
            "ours",
            (OLD, message("", b"\xff\x00", None)),
            json!({"data": "{\"base64\":\"/wA=\"}", "event": "", "event_name": "",
                "pipe": "web_a", "api_data": "for major_version < 4",
                "message_send_time": 1763690000}),
        ),
    ];
    for (row, section, (variant, message), expect) in rows {
        let frame = read(|out| frames::message(&message, variant, out));
        assert_eq!(frame, expect, "{row} ({section})");
        let payload = read(|out| {
            CometJs.encode(&message, variant, &mut |payload| {
                assert!(payload.is_text && payload.event.is_none(), "{row}");
                let id = expect.get("id").map(|id| id.as_str().unwrap());
                assert_eq!(payload.id, id, "{row}");
                out.extend_from_slice(payload.data);
            });
        });
        assert_eq!(payload, expect, "{row}: encode");
    }
}

#[test]
fn an_event_may_hold_what_a_frame_may_not() {
    let event = "it's \"so\" \\'";
    let frame = read(|out| frames::message(&message(event, b"", None), OLD, out));
    assert_eq!((frame["event"].as_str(), frame["event_name"].as_str()), (Some(event), Some(event)));
}

#[test]
fn kept_messages() {
    let expect = json!({"data": {"a": 1}, "event": "ev", "fromQueue": true, "history": true,
        "user_id": 7, "pipe": "web_a", "message_send_time": 1763690000});
    let kept = message("ev", b"{\"a\":1}", Some(7));
    assert_eq!(read(|out| frames::history_message(&kept, "m", NEW, out)), expect, "1.4.4");

    let of_a_back_end = message("ev", b"x", None);
    let frame = read(|out| frames::history_message(&of_a_back_end, "m", OURS, out));
    assert_eq!(frame["user_id"], 0, "1.4.4");
    assert_eq!((&frame["id"], &frame["marker"]), (&json!("1763690000-1"), &json!("m")), "ours");
    let frame = read(|out| frames::history_message(&kept, "m", OLD, out));
    assert_eq!(frame["data"], "{\"a\":1}", "1.5");
    assert_eq!((&frame["history"], &frame["event_name"]), (&json!(true), &json!("ev")), "1.5");
}

#[test]
fn personal_messages() {
    let live = json!({"data": {"a": 1}, "event": "ev", "pipe": "msg"});
    let personal = to_user("ev", b"{\"a\":1}");
    assert_eq!(read(|out| frames::personal(&personal, NEW, out)), live, "1.6.2");

    let mut expect = live.clone();
    expect["id"] = json!("1763690000-1");
    let frame = read(|out| {
        CometJs.personal(&personal, OURS, &mut |payload| {
            assert_eq!((payload.id, payload.is_text), (None, true), "an id there is a channel's");
            out.extend_from_slice(payload.data);
        });
    });
    assert_eq!(frame, expect, "ours");
    let mut expect = live.clone();
    expect["fromQueue"] = json!(true);
    expect["message_send_time"] = json!(1763690000);
    assert_eq!(read(|out| frames::queued_personal(&personal, NEW, out)), expect, "1.6.3");
    expect["id"] = json!("1763690000-1");
    assert_eq!(read(|out| frames::queued_personal(&personal, OURS, out)), expect, "ours");

    let expect = json!({"data": "{\"a\":1}", "event": "ev", "event_name": "ev", "pipe": "msg",
        "api_data": "for major_version < 4"});
    let frame = read(|out| {
        CometJs.personal(&personal, OLD, &mut |payload| {
            assert_eq!(payload.id, None);
            out.extend_from_slice(payload.data);
        });
    });
    assert_eq!(frame, expect, "1.5");
}

#[test]
fn what_the_server_says_of_the_moment_is_not_shown() {
    for event in ["encke:presence", "encke:join", "encke:leave"] {
        let of_server = Message { event: EventName::of_server(event), ..message("", b"{}", None) };
        for variant in [NEW, OLD, OURS] {
            CometJs.encode(&of_server, variant, &mut |_| panic!("{event} was shown"));
        }
    }
}

#[test]
fn a_loss_is_told_to_those_with_cursors() {
    let data = "{\"channels\":[\"web_a\"],\"since\":\"1763690000-0\"}";
    let lost = Announcement { id: Some(ID), name: "encke:lost", data };
    let frame = read(|out| {
        CometJs.announce(&lost, OURS, &mut |payload| {
            assert_eq!(payload.id, Some("1763690000-1"));
            out.extend_from_slice(payload.data);
        });
    });
    let expect = json!({"data": {"channels": ["web_a"], "since": "1763690000-0"},
        "event": "encke:lost", "pipe": "sys", "id": "1763690000-1"});
    assert_eq!(frame, expect);

    let error = Announcement { id: None, name: "encke:error", data: "{}" };
    for (variant, said) in [(NEW, lost), (OLD, lost), (OURS, error)] {
        CometJs.announce(&said, variant, &mut |_| panic!("{} was told {variant}", said.name));
    }
}

/// For every answer: its section, what writes it, and its value for version 4. What it is for
/// version 3 follows from that.
#[test]
fn answers() {
    let now = |variant| Answers { variant, unix_second: NOW };
    let info = ServerInfo { authorized: true, hash: "a1b2", since: Some(ID), personal_since: None };
    let nobody = ServerInfo { authorized: false, hash: "", ..info };
    let publish = Publish {
        channel: channel("web_a"),
        event: EventName::default(),
        hidden: true,
        data: Data::text("{\"a\":\"it's \\\\'\"}"),
    };
    let members = [Member { user: 7, uuid: Uuid::new(b"abc_-9") }, Member { user: 0, uuid: None }];
    type Write<'a> = &'a dyn Fn(u16, &mut Vec<u8>);
    let rows: [(&str, &str, Write, Value); 12] = [
        (
            "authorised",
            "1.2 ours",
            &|variant, out| now(variant).server_info(&info, out),
            json!({"authorized": "true", "data": "a1b2", "event": "serverInfo", "pipe": "sys",
                "server": BANNER}),
        ),
        (
            "not authorised",
            "1.2 ours",
            &|variant, out| now(variant).server_info(&nobody, out),
            json!({"authorized": "false", "data": "", "event": "serverInfo", "pipe": "sys",
                "server": BANNER}),
        ),
        (
            "publish",
            "1.4.2 ours",
            &|variant, out| now(variant).published(&publish, 3, out),
            json!({"data": {"message": "{\"a\":\"it's \\\\'\"}", "number_messages": 3},
                "event": "answer", "pipe": "_answer_to_web_a"}),
        ),
        (
            "count",
            "1.4.3 ours",
            &|variant, out| now(variant).count(&ask("web_a"), 12, out),
            json!({"data": {"user_in_pipe": 12}, "event": "user_in_pipe", "marker": "0123456789",
                "pipe": "_answer_pipe_count"}),
        ),
        (
            "count, nothing to know it by",
            "1.4.3",
            &|variant, out| {
                let asked = Ask { marker: "".into(), ..ask("web_a") };
                now(variant).count(&asked, 0, out);
            },
            json!({"data": {"user_in_pipe": 0}, "event": "user_in_pipe",
                "pipe": "_answer_pipe_count"}),
        ),
        (
            "user data",
            "1.4.6",
            &|variant, out| now(variant).user_data(7, "{\"n\":\"it's\"}", "12", out),
            json!({"data": {"user_data": "{\"n\":\"it's\"}", "user_id": 7}, "event": "answer",
                "marker": "12", "pipe": "_answer"}),
        ),
        (
            "no user data",
            "1.4.6",
            &|variant, out| now(variant).user_data(8, "", "12", out),
            json!({"data": {"user_data": "", "user_id": 8}, "event": "answer",
                "marker": "12", "pipe": "_answer"}),
        ),
        (
            "last seen",
            "1.4.6",
            &|variant, out| now(variant).user_status(7, 1_763_690_000, out),
            json!({"data": {"data": 7, "last_online_time": 7}, "event": "user_status_7",
                "pipe": "_answer_user_status"}),
        ),
        (
            "seen now",
            "1.4.6",
            &|variant, out| now(variant).user_status(7, 0, out),
            json!({"data": {"data": NOW, "last_online_time": NOW}, "event": "user_status_7",
                "pipe": "_answer_user_status"}),
        ),
        (
            "never seen",
            "1.4.6",
            &|variant, out| now(variant).user_status(7, -1, out),
            json!({"data": {"data": NOW + 1, "last_online_time": NOW + 1},
                "event": "user_status_7", "pipe": "_answer_user_status"}),
        ),
        (
            "error",
            "1.4.1",
            &|variant, out| now(variant).error(Complaint::TooManyNames, out),
            json!({"data": {"code": "403", "error": "Too many letters"}, "event": "error",
                "pipe": "sys"}),
        ),
        (
            "error about a user",
            "1.4.6",
            &|variant, out| now(variant).error(Complaint::User, out),
            json!({"data": {"user_id": -1, "user_data": "", "error": "Invalid user id"},
                "event": "error", "pipe": "sys"}),
        ),
    ];
    for (row, section, write, mut expect) in rows {
        expect["message_send_time"] = json!(NOW);
        assert_eq!(read(|out| write(NEW, out)), expect, "{row} ({section})");
        let mut old = read(|out| write(OLD, out));
        assert!(old["data"].is_string(), "{row} (1.5)");
        // What is in the string is the value, unless that was one already.
        if !expect["data"].is_string() {
            old["data"] = serde_json::from_str(old["data"].as_str().unwrap()).unwrap();
        }
        expect["event_name"] = expect["event"].clone();
        expect["api_data"] = json!("for major_version < 4");
        assert_eq!(old, expect, "{row} (1.5)");
    }
    for (variant, pipe) in [(NEW, "_answer"), (OURS, "_answer")] {
        let frame = read(|out| now(variant).members(&ask("track_a"), members, out));
        let expect = json!({"_info": "answer for track_pipe_users", "event": "answer",
            "data": [{"user_id": 7, "uuid": "abc_-9"}, {"user_id": 0, "uuid": ""}],
            "marker": "0123456789", "pipe": pipe, "message_send_time": NOW});
        assert_eq!(frame, expect, "1.4.5");
    }
    let frame = read(|out| now(OLD).members(&ask("track_a"), members, out));
    let list = "[{\"user_id\":7,\"uuid\":\"abc_-9\"},{\"user_id\":0,\"uuid\":\"\"}]";
    assert_eq!((&frame["pipe"], &frame["data"]), (&json!("track_a"), &json!(list)), "1.4.5 ours");
    let frame = read(|out| now(NEW).members(&ask("track_a"), [], out));
    assert_eq!(frame["data"], json!([]), "1.4.5");
}

#[test]
fn our_own_client_is_told_where_it_stands() {
    let answers = |variant| Answers { variant, unix_second: NOW };
    let later = MessageId { n: 9, ..ID };
    let info =
        ServerInfo { authorized: false, hash: "", since: Some(ID), personal_since: Some(later) };
    let frame = read(|out| answers(OURS).server_info(&info, out));
    assert_eq!((&frame["id"], &frame["msg"]), (&json!("1763690000-1"), &json!("1763690000-9")));

    let list = [channel("web_a"), channel("b2")];
    let frame = read(|out| answers(OURS).subscribed(&list, Some(ID), out));
    let expect = json!({"data": ["web_a", "b2"], "event": "answer",
        "pipe": "_answer_subscription", "id": "1763690000-1", "message_send_time": NOW});
    assert_eq!(frame, expect);
    let frame = read(|out| answers(OURS).subscribed(&[], None, out));
    assert_eq!((&frame["data"], frame.get("id")), (&json!([]), None));
    for variant in [NEW, OLD] {
        let mut out = Vec::new();
        answers(variant).subscribed(&list, Some(ID), &mut out);
        assert_eq!(out, b"", "1.4.1: no acknowledgement");
    }
}

#[test]
fn rejections() {
    let all = [
        Rejection::NO_SESSION,
        Rejection::NO_USER,
        Rejection::NO_DEV_ID,
        Rejection::NO_VERSION,
        Rejection::ORIGIN,
    ];
    for rejection in all {
        let mut frame = read(|out| frames::rejection(&rejection, NOW, out));
        let data = frame["data"].take();
        let expect = json!({"data": null, "error": rejection.code, "event": "error",
            "event_name": "error", "api_data": "for major_version < 4", "pipe": "sys",
            "message_send_time": NOW});
        assert_eq!(frame, expect, "1.3 ours");
        let data: Value = serde_json::from_str(data.as_str().unwrap()).unwrap();
        let expect = json!({"error": rejection.text, "error_code": rejection.code,
            "info": "Closed due to error. See last message."});
        assert_eq!(data, expect, "1.3");
    }
}

#[test]
fn the_table_of_dialects_has_it() {
    assert_eq!((name(COMET_JS), NAMES[usize::from(COMET_JS)]), ("comet", "comet"));
    let mut frames = 0;
    dialect(COMET_JS).encode(&message("", b"x", None), NEW, &mut |_| frames += 1);
    assert_eq!(frames, 1);
}
