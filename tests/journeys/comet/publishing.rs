//! Messages of pages and of `POST /channels/…`, in every form in which they arrive.

use serde_json::{Value, json};

use super::heard;
use crate::comet_page::{Page, Session, data_of, without_time};
use crate::http::{Http, publish};
use crate::listening::{Listening, Wire};
use crate::server::Encke;
use crate::websocket::Ws;

fn open(server: &Encke) -> Session {
    Page::anonymous().open(server.http)
}

/// JSON that is awkward for one layer or another.
pub const AWKWARD: [&str; 24] = [
    r#"{"a":1}"#,
    r#"[1,2,[3,{"b":null}]]"#,
    r#""it's""#,
    r#"{"it's":"it's \"q\" it's"}"#,
    r#"{"a":"\\'"}"#,
    r#"{"a":"\\\\'\\'"}"#,
    r#""C:\\dir\\new""#,
    r#"{"path":"C:\\dir\\\"new\""}"#,
    r#"{"lines":"one\ntwo\r\nthree\ttab"}"#,
    r#"{"u":"\u0027\u000a\u2028\u00e9"}"#,
    "{\"raw\":\"\u{2028}\u{2029}\u{7f}\u{feff}\"}",
    r#"{"emoji":"😀 ☃ ünï 日本語 \ud83d\ude00"}"#,
    r#"{"html":"<script>alert('x')</script><!-- ]]> -->"}"#,
    r#"{"sql":"'); DROP TABLE users; --"}"#,
    r#"{"slash":"\/ /"}"#,
    r#"{"pipe":"msg","event":"x","jscode":"alert(1)","error":500,"user_id":1,"data":1}"#,
    r#"{"number":-1.5e10,"big":12345678901234567890,"zero":0}"#,
    r#"{"_cometApi_uuid":"jsapi01234567890","message":"m"}"#,
    r#"[]"#,
    r#"{}"#,
    r#"true"#,
    r#"null"#,
    r#"17"#,
    r#""""#,
];

/// cometql 9, 11: the callback of every other page sees what `web_pipe_send` was given.
#[test]
fn what_a_page_sends_arrives_equal_at_every_script() {
    let server = Encke::start(&[]);
    let mut listeners = [open(&server), Page::old().open(server.http)];
    for listener in &mut listeners {
        listener.subscribe(&["web_a"]);
    }
    for page in [Page::anonymous(), Page::old()] {
        let mut sender = page.open(server.http);
        for text in AWKWARD {
            let report = sender.publish("web_a", "x", text);
            let sent: Value = serde_json::from_str(text).expect("JSON");
            assert_eq!(data_of(&report)["number_messages"], 2, "{text}");
            for listener in &mut listeners {
                let frame = listener.next();
                assert_eq!(heard(&frame, "web_a", "x"), sent, "{text}");
                assert_eq!(frame["user_id"], 0);
            }
        }
    }
}

/// cometql 8, 9: the same from `curl`.
#[test]
fn what_is_posted_arrives_equal_at_every_script() {
    let server = Encke::start(&[]);
    let mut listeners = [open(&server), Page::old().open(server.http)];
    for listener in &mut listeners {
        listener.subscribe(&["news"]);
    }
    let loose = "{ \"a\" :\r\n [ 1 ,\n 2 ] ,\t\"it's\" : \"x\" }";
    for text in AWKWARD.into_iter().chain([loose]) {
        publish(server.http, "news?event=x", text);
        let sent: Value = serde_json::from_str(text).expect("JSON");
        for listener in &mut listeners {
            let frame = listener.next();
            assert_eq!(heard(&frame, "news", "x"), sent, "{text}");
            // The server is no user: the script's callback then sees 0.
            assert!([None, Some(&json!(0))].contains(&frame.get("user_id")), "{frame}");
        }
    }
}

/// cometql 24: what is an object stands as one for 4.08, as text for 3.25; all else is text.
#[test]
fn objects_are_embedded_for_new_scripts_and_text_for_old_ones() {
    let server = Encke::start(&[]);
    let mut new = open(&server);
    let mut old = Page::old().open(server.http);
    for session in [&mut new, &mut old] {
        session.subscribe(&["news"]);
    }
    for (text, is_embedded) in [
        (r#"{"a":[1,2]}"#, true),
        (r#"["x"]"#, true),
        (r#""text""#, false),
        ("17", false),
        ("true", false),
        ("plain text", false),
        ("{broken", false),
        ("", false),
    ] {
        publish(server.http, "news", text);
        let expect = if is_embedded { serde_json::from_str(text).unwrap() } else { json!(text) };
        let (event, pipe) = ("", "news");
        let frame = json!({"data": expect, "event": event, "pipe": pipe});
        assert_eq!(without_user(new.timeless()), frame, "{text}");
        let frame = json!({"data": text, "event": event, "event_name": event, "pipe": pipe,
            "api_data": "for major_version < 4"});
        assert_eq!(without_user(old.timeless()), frame, "{text}");
    }
}

fn without_user(mut frame: Value) -> Value {
    if frame["user_id"] == 0 {
        frame.as_object_mut().expect("an object").remove("user_id");
    }
    frame
}

/// cometql 10.
#[test]
fn plain_text_arrives_as_it_is_with_any_event() {
    let server = Encke::start(&[]);
    let mut sessions = [open(&server), Page::old().open(server.http)];
    for session in &mut sessions {
        session.subscribe(&["news"]);
    }
    let texts = [
        "hello",
        "it's",
        "two\nlines\r\n",
        "C:\\dir",
        "\\'",
        "\"half",
        "☃ 😀",
        " 1 a",
        "\u{1}\u{7f}",
    ];
    for event in ["", "x", "Some-Event_1"] {
        for text in texts {
            publish(server.http, &format!("news?event={event}"), text);
            for session in &mut sessions {
                let frame = session.next();
                assert_eq!((&frame["event"], &frame["data"]), (&event.into(), &text.into()));
            }
        }
    }
}

/// cometql 11.
#[test]
fn a_page_reaches_all_others_but_not_itself() {
    let server = Encke::start(&[]);
    let mut sender = open(&server);
    let mut others = [open(&server), open(&server), Page::old().open(server.http)];
    sender.subscribe(&["web_a"]);
    for other in &mut others {
        other.subscribe(&["web_a"]);
    }
    sender.command("web_pipe2\nweb_a\nx\n*\n[\"it's\"]");
    let report = sender.timeless();
    assert_eq!((&report["event"], &report["pipe"]), (&json!("answer"), &json!("_answer_to_web_a")));
    let data = data_of(&report);
    assert_eq!(data["number_messages"], 3, "cometql 13: {report}");
    assert_eq!(data_of(&json!({"data": data["message"]})), json!(["it's"]), "{report}");
    for other in &mut others {
        assert_eq!(heard(&other.next(), "web_a", "x"), json!(["it's"]));
        other.quiet();
    }
    sender.quiet();
    // It need not listen itself, and the pipe need not exist.
    let mut stranger = open(&server);
    assert_eq!(data_of(&stranger.publish("web_a", "", "1"))["number_messages"], 4);
    assert_eq!(data_of(&stranger.publish("web_nowhere", "", "1"))["number_messages"], 0);
}

/// cometql 12.
#[test]
fn an_at_sign_is_taken_away_and_hides_the_sender() {
    let server = Encke::start(&[]);
    let mut listener = open(&server);
    listener.subscribe(&["web_a"]);
    let mut sender = open(&server);
    sender.publish("@web_a", "x", "1");
    let frame = without_time(listener.next());
    assert_eq!((&frame["pipe"], &frame["user_id"]), (&json!("web_a"), &json!(0)), "{frame}");
}

/// What 4.08 sends when it is given no event.
#[test]
fn the_event_may_be_the_word_undefined_or_nothing() {
    let server = Encke::start(&[]);
    let mut listener = open(&server);
    listener.subscribe(&["web_a"]);
    let mut sender = open(&server);
    for event in ["undefined", "", "0", &"e".repeat(64)] {
        sender.publish("web_a", event, "1");
        assert_eq!(heard(&listener.next(), "web_a", event), json!(1));
    }
}

/// One hub: pages of the script, an EventSource and a bare WebSocket hear one another.
#[test]
fn channel_urls_and_pages_hear_one_another() {
    let server = Encke::start(&[]);
    let mut page = open(&server);
    page.subscribe(&["web_chat"]);
    let mut sse = Listening::open(server.http, Wire::SseJson, "web_chat", None);
    let mut raw = Ws::connect(server.http, "/channels/web_chat");
    let report = page.publish("web_chat", "said", r#"{"text":"it's"}"#);
    assert_eq!(data_of(&report)["number_messages"], 2);
    assert_eq!(raw.read_text(), r#"{"text":"it's"}"#);
    let item = sse.next();
    assert_eq!(item.event, "said");
    let data =
        item.data.as_str().map_or(item.data.clone(), |text| serde_json::from_str(text).unwrap());
    assert_eq!(data, json!({"text": "it's"}));
    raw.text("from a bare socket");
    assert_eq!(heard(&page.next(), "web_chat", ""), "from a bare socket");
    let mut http = Http::connect(server.http);
    assert_eq!(http.post("/channels/web_chat", "x").json()["subscribers"], 3);
    assert_eq!(http.get("/channels/web_chat/presence", &[]).json()["count"], 3);
    assert_eq!(page.settled().len(), 1);
    assert_eq!(page.count("web_chat"), 3);
}

/// Data that is not text, and event names that no pipe has, must not break a script.
#[test]
fn what_only_channel_urls_can_say_does_not_break_a_script() {
    let server = Encke::start(&[]);
    let mut sessions = [open(&server), Page::old().open(server.http)];
    for session in &mut sessions {
        session.subscribe(&["news"]);
    }
    let lines = ["news?event=it%27s", "news?event=%22%5C%27", "news?event=%E2%98%83"];
    for line in lines {
        publish(server.http, line, "x");
    }
    for bytes in [&b"\xff\xfe"[..], b"\0", b"ok \xc3", b"{\"a\":\"\xff\"}"] {
        publish(server.http, "news", bytes);
    }
    publish(server.http, "news", "the end");
    for session in &mut sessions {
        let seen = session.settled();
        assert_eq!(seen[0]["event"], "it's");
        assert_eq!(seen[1]["event"], "\"\\'");
        assert_eq!(seen[2]["event"], "☃");
        assert_eq!(seen.last().expect("the last")["data"], "the end");
    }
}

/// cometql 26, and no larger message vanishes either.
#[test]
fn messages_of_65535_bytes_and_more_arrive_whole() {
    let server = Encke::start(&[]);
    let mut sessions = [open(&server), Page::old().open(server.http)];
    for session in &mut sessions {
        session.subscribe(&["web_a"]);
    }
    let mut sender = open(&server);
    for bytes in [65_000, 65_534, 65_535, 65_536, 100_000] {
        let shell = r#"{"a":""}"#.len();
        let text = format!(r#"{{"a":"{}"}}"#, "é'".repeat((bytes - shell) / 3));
        let text = format!("{text}{}", " ".repeat(bytes - text.len()));
        let sent: Value = serde_json::from_str(&text).expect("JSON");
        publish(server.http, "web_a", &text);
        sender.publish("web_a", "", &text);
        for session in &mut sessions {
            assert!(heard(&session.next(), "web_a", "") == sent, "{bytes} bytes, posted");
            assert!(heard(&session.next(), "web_a", "") == sent, "{bytes} bytes, of a page");
        }
    }
}

/// JSON nested deeper than any parser should follow is passed on or refused, and harms nobody.
#[test]
fn deeply_nested_json_is_no_danger() {
    let server = Encke::start(&[]);
    let mut session = open(&server);
    session.subscribe(&["news"]);
    let deep = 50_000;
    for text in ["[".repeat(deep) + &"]".repeat(deep), "[".repeat(deep), "{\"a\":".repeat(20_000)] {
        publish(server.http, "news", &text);
        let frame = session.next_text();
        assert!(frame.len() >= text.len() && !frame.contains('\n'), "{} bytes", frame.len());
    }
    session.quiet();
}

/// cometql 8: one channel, many pipes, in the order of publishing.
#[test]
fn messages_of_several_pipes_come_in_order() {
    let server = Encke::start(&[]);
    let mut session = open(&server);
    session.subscribe(&["aaa", "bbb", "web_c"]);
    let mut http = Http::connect(server.http);
    for n in 0..100 {
        http.post(&format!("/channels/{}", ["aaa", "bbb", "web_c"][n % 3]), n.to_string()).id();
    }
    for n in 0..100 {
        assert_eq!(data_of(&session.next()), json!(n));
    }
}
