//! WebSocket as such: echo, fragments, publishing, closes.

use std::io::Write;

use serde_json::json;
use tungstenite::Message;

use crate::http::{Http, get, publish};
use crate::listening::{Listening, Wire};
use crate::server::{Encke, eventually};
use crate::websocket::{UPGRADE, Ws, frame, read_close, read_frame, upgrade};

const ECHOES: [&str; 4] = ["--echo", "/echo", "--echo-reverse", "/ws.php"];

#[test]
fn echo_sends_back_what_it_gets_and_the_other_reverses_text() {
    let server = Encke::start(&ECHOES);
    let mut echo = Ws::connect(server.http, "/echo");
    let mut reverse = Ws::connect(server.http, "/ws.php");
    for text in ["", "x", "äöü ☃ 😀 Straße", &"long ".repeat(20_000)] {
        echo.text(text);
        assert_eq!(echo.read_text(), text);
        reverse.text(text);
        assert_eq!(reverse.read_text(), text.chars().rev().collect::<String>());
    }
    let bytes = vec![0xff, 0, 0x80, 1];
    for ws in [&mut echo, &mut reverse] {
        ws.send(Message::binary(bytes.clone()));
        assert_eq!(ws.read(), Message::binary(bytes.clone()));
    }
}

/// RFC 6455 §4.1: a client that is answered a subprotocol other than those it named closes.
#[test]
fn a_subprotocol_is_agreed_on_in_its_own_letters() {
    let server = Encke::start(&[]);
    for (offer, expect) in [
        ("encke.json", Some("encke.json")),
        ("other, encke.json", Some("encke.json")),
        ("ENCKE.JSON", None),
        ("encke.json2", None),
    ] {
        let mut http = Http::connect(server.http);
        let offer = format!("Sec-WebSocket-Protocol: {offer}");
        http.ask("GET /channels/a", &[&UPGRADE[..], &[&offer]].concat());
        let head = http.head();
        assert_eq!((head.status, head.header("Sec-WebSocket-Protocol")), (101, expect), "{offer}");
    }
}

#[test]
fn echo_takes_sixteen_megabytes_and_not_a_byte_more() {
    let server = Encke::start(&ECHOES);
    let mut ws = Ws::connect(server.http, "/echo");
    let largest = vec![0x5a; 16 * 1024 * 1024];
    ws.send(Message::binary(largest.clone()));
    assert!(ws.read() == Message::binary(largest), "it comes back whole");
    let mut raw = upgrade(server.http, "/echo");
    raw.send([0x82, 0xff, 0, 0, 0, 0, 1, 0, 0, 1, 1, 2, 3, 4]);
    assert_eq!(read_close(&mut raw), 1009, "from the head alone");
    drop(ws);
    eventually("the memory comes back", || (server.memory() < 64 << 20).then_some(()));
}

#[test]
fn fragments_make_one_message_with_pings_between_them() {
    let server = Encke::start(&ECHOES);
    let mut ws = upgrade(server.http, "/echo");
    let text = "ü☃😀".as_bytes();
    ws.send(frame(0x01, &text[..1]));
    for (index, byte) in text[1..].iter().enumerate() {
        ws.send(frame(0x89, &[index as u8]));
        assert_eq!(read_frame(&mut ws), (0x8a, vec![index as u8]), "a pong");
        ws.send(frame(0x00, &[*byte]));
    }
    ws.send(frame(0x80, b""));
    assert_eq!(read_frame(&mut ws), (0x81, text.to_vec()));
    // Byte by byte, and several frames at once.
    for byte in frame(0x82, &[7; 300]) {
        ws.send([byte]);
    }
    assert_eq!(read_frame(&mut ws), (0x82, vec![7; 300]));
    ws.send([frame(0x81, b"a"), frame(0x8a, b"an unasked pong"), frame(0x81, b"b")].concat());
    assert_eq!(read_frame(&mut ws).1, b"a");
    assert_eq!(read_frame(&mut ws).1, b"b");
}

#[test]
fn a_first_frame_may_follow_the_request_at_once() {
    let server = Encke::start(&ECHOES);
    let mut http = crate::http::Http::connect(server.http);
    let request = crate::http::request("GET /echo", &crate::websocket::UPGRADE, b"");
    http.send([request, frame(0x81, b"early")].concat());
    assert_eq!(http.head().status, 101);
    assert_eq!(read_frame(&mut http), (0x81, b"early".to_vec()));
}

#[test]
fn a_close_is_answered_with_its_code() {
    let server = Encke::start(&ECHOES);
    for (payload, answer) in [
        (&b""[..], &b""[..]),
        (&b"\x03\xe8"[..], &b"\x03\xe8"[..]),
        (&b"\x0f\xa0bye"[..], &b"\x0f\xa0"[..]),
    ] {
        let mut ws = upgrade(server.http, "/echo");
        ws.send([frame(0x88, payload), frame(0x81, b"too late")].concat());
        assert_eq!(read_frame(&mut ws), (0x88, answer.to_vec()));
        ws.ends();
    }
}

#[test]
fn every_protocol_error_has_its_close_code() {
    let server = Encke::start(&ECHOES);
    let unmasked = vec![0x81, 1, b'x'];
    let rows: Vec<(u16, &str, Vec<u8>)> = vec![
        (1002, "not masked", unmasked),
        (1002, "a reserved bit", frame(0xc1, b"x")),
        (1002, "a reserved opcode", frame(0x83, b"x")),
        (1002, "a reserved control opcode", frame(0x8b, b"")),
        (1002, "a fragmented ping", frame(0x09, b"x")),
        (1002, "a long ping", frame(0x89, &[0; 126])),
        (1002, "nothing to continue", frame(0x80, b"x")),
        (1002, "a new message inside another", [frame(0x01, b"x"), frame(0x81, b"y")].concat()),
        (1002, "a length in too many bytes", vec![0x81, 0xfe, 0, 5, 0, 0, 0, 0]),
        (1002, "a length with its highest bit", [&[0x82, 0xff, 0x80][..], &[0; 11]].concat()),
        (1002, "half a close code", frame(0x88, b"x")),
        (1002, "a close code of nobody", frame(0x88, &999_u16.to_be_bytes())),
        (1002, "a close code not to be sent", frame(0x88, &1005_u16.to_be_bytes())),
        (1007, "text that is not UTF-8", frame(0x81, b"\xff")),
        (1007, "known before the end", frame(0x01, b"ok \xed\xa0\x80")),
        (1007, "a character cut off", frame(0x81, "ü".as_bytes().split_last().unwrap().1)),
        (1007, "a reason that is not UTF-8", frame(0x88, b"\x03\xe8\xff")),
    ];
    for (code, name, bytes) in rows {
        for target in ["/echo", "/channels/a", "/channels/a?format=json"] {
            let mut ws = upgrade(server.http, target);
            ws.send(&bytes);
            assert_eq!(read_close(&mut ws), code, "{name} at {target}");
            ws.ends();
        }
    }
    let mut ws = upgrade(server.http, "/channels/a");
    let large = vec![b'x'; 128 * 1024 + 1];
    ws.send(frame(0x81, &large));
    assert_eq!(read_close(&mut ws), 1009);
    let stats = get(server.http, "/stats").json();
    assert_eq!(stats["messages_published"], 0);
    assert_eq!(stats["ended"]["too_big"], 1);
}

#[test]
fn handshakes_that_are_none_are_refused() {
    let server = Encke::start(&[]);
    let all = crate::websocket::UPGRADE;
    let without = |index: usize| -> Vec<&str> {
        let kept = all.iter().enumerate().filter(|(at, _)| *at != index);
        kept.map(|(_, line)| *line).collect()
    };
    let mut old = all;
    old[2] = "Sec-WebSocket-Version: 8";
    let mut short = all;
    short[3] = "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==";
    let rows: [(u16, &str, &[&str]); 6] = [
        (426, "no upgrade", &without(0)),
        (400, "no connection option", &without(1)),
        (426, "no version", &without(2)),
        (400, "no key", &without(3)),
        (426, "an old version", &old),
        (400, "a short key", &short),
    ];
    for (status, name, headers) in rows {
        let mut http = crate::http::Http::connect(server.http);
        let answer = http.get("/channels/a?transport=ws", headers);
        assert_eq!(answer.status, status, "{name}");
        if status == 426 && name != "no upgrade" {
            assert_eq!(answer.header("Sec-WebSocket-Version"), Some("13"), "{name}");
        }
        assert_eq!(http.get("/channels/a", &[]).status, 200, "the connection goes on");
    }
}

#[test]
fn what_a_raw_client_sends_is_published_to_all_its_channels() {
    let server = Encke::start(&[]);
    let mut both = Ws::connect(server.http, "/channels/a,b");
    let mut b = Listening::open(server.http, Wire::WsJson, "b", None);
    both.text("hello");
    assert_eq!([both.read_text(), both.read_text()], ["hello", "hello"], "it receives them too");
    let item = b.next();
    assert_eq!((item.channel.as_deref(), item.data), (Some("b"), json!("hello")));
    both.send(Message::binary(vec![0xff]));
    assert_eq!(both.read(), Message::binary(vec![0xff]));
    assert_eq!(b.next().data, json!({"base64": "/w=="}));
    assert_eq!(get(server.http, "/channels/a").json().as_array().unwrap().len(), 2);
}

#[test]
fn what_a_json_client_sends_names_channel_and_event() {
    let server = Encke::start(&[]);
    let mut ws = Ws::connect(server.http, "/channels/a?format=json");
    let mut other = Ws::connect(server.http, "/channels/other");
    ws.text(r#"{"data":"x ü","event":"typing"}"#);
    let got = ws.read_json();
    assert_eq!(
        (&got["channel"], &got["event"], &got["data"]),
        (&"a".into(), &"typing".into(), &"x ü".into())
    );
    ws.text(r#"{"channel":"other","data":{"n":[1,2]}}"#);
    assert_eq!(other.read_text(), r#"{"n":[1,2]}"#);
    for refused in [
        "hello",
        "{}",
        "[1]",
        r#"{"data":"x""#,
        r#"{"data":"x","channel":5}"#,
        r#"{"data":"x","channel":"a b"}"#,
        r#"{"data":"x","event":"encke:lost"}"#,
        r#"{"data":"x","channel":"private_x"}"#,
        r#"{"data":"x","channel":"track_x"}"#,
    ] {
        ws.text(refused);
        let error = ws.read_json();
        assert_eq!(error["event"], "encke:error", "{refused}");
        assert!(error["data"]["error"].is_string(), "{refused}");
    }
    ws.send(Message::binary(vec![1]));
    assert_eq!(ws.read_json()["event"], "encke:error");
    // It goes on.
    ws.text(r#"{"data":"after"}"#);
    assert_eq!(ws.read_json()["data"], "after");
}

#[test]
fn who_may_not_publish_is_told_in_its_form() {
    let server = Encke::start(&["--publish-key", "secret"]);
    let mut raw = Ws::connect(server.http, "/channels/a");
    raw.text("x");
    assert_eq!(raw.closed().0, 1008);
    let mut json = Ws::connect(server.http, "/channels/a?format=json");
    json.text(r#"{"data":"x"}"#);
    assert_eq!(json.read_json()["event"], "encke:error");
    // With the key in its handshake a client may.
    let mut http = crate::http::Http::connect(server.http);
    let key = ["Authorization: Bearer secret"];
    http.ask("GET /channels/a", &[&crate::websocket::UPGRADE[..], &key].concat());
    assert_eq!(http.head().status, 101);
    http.send(frame(0x81, b"from the owner"));
    assert_eq!(read_frame(&mut http), (0x81, b"from the owner".to_vec()));
    assert_eq!(json.read_json()["data"], "from the owner");
}

#[test]
fn a_client_that_is_cut_off_is_noticed() {
    let server = Encke::start(&ECHOES);
    let listening = Listening::open(server.http, Wire::WsRaw, "a", None);
    let mut half = upgrade(server.http, "/channels/a");
    half.stream().write_all(&frame(0x01, b"never finished")).unwrap();
    drop(listening);
    half.half_close();
    half.ends();
    eventually("both are gone", || {
        let stats = get(server.http, "/stats").json();
        (stats["connections"]["ws"] == 0 && stats["memberships"] == 0).then_some(())
    });
    assert_eq!(publish(server.http, "a", "x").len(), publish(server.http, "a", "x").len());
}
