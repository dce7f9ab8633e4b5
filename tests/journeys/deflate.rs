//! Compressed WebSocket messages (RFC 7692): who gets them, who does not, and what it costs.

use encke::proto::deflate::{Compressor, Decompressor, IS_PRESENT};
use serde_json::Value;

use crate::http::{Http, get, publish};
use crate::server::{Encke, eventually};
use crate::websocket::{UPGRADE, frame, read_close, read_frame, upgrade};

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits";
const SMALL: &str = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9";
const ANSWER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// A WebSocket that offers compression, and what is answered to that.
fn offering(server: &Encke, target: &str, offer: &str) -> (Http, Option<String>) {
    let mut http = Http::connect(server.http);
    http.ask(&format!("GET {target}"), &[&UPGRADE[..], &[offer]].concat());
    let head = http.head();
    assert_eq!(head.status, 101, "{head:?}");
    let answer = head.header("Sec-WebSocket-Extensions").map(str::to_owned);
    (http, answer)
}

fn long() -> String {
    "It says the same again. ".repeat(400)
}

fn decompressed(payload: &[u8]) -> String {
    let mut decompressor = Decompressor::default();
    let message = decompressor.decompress(payload, 1 << 24).expect("a deflate stream");
    String::from_utf8(message.to_vec()).expect("text")
}

fn compressed(message: &[u8]) -> Vec<u8> {
    Compressor::default().compress(15, message).expect("it becomes smaller").to_vec()
}

fn number(server: &Encke, name: &str) -> u64 {
    let stats: Value = get(server.http, "/stats").json();
    stats[name].as_u64().unwrap_or_else(|| panic!("{name} in {stats}"))
}

#[test]
fn an_offer_is_answered_where_it_can_be_honoured() {
    let server = Encke::start(&["--echo", "/echo"]);
    for target in ["/echo", "/channels/a", "/channels/a?format=json"] {
        let expect = IS_PRESENT.then(|| ANSWER.to_owned());
        assert_eq!(offering(&server, target, OFFER).1, expect, "{target}");
        let expect = IS_PRESENT.then(|| format!("{ANSWER}; server_max_window_bits=9"));
        assert_eq!(offering(&server, target, SMALL).1, expect, "{target}");
    }
    let off = Encke::start(&["--echo", "/echo", "--deflate", "off"]);
    let (mut http, answer) = offering(&off, "/echo", OFFER);
    assert_eq!(answer, None);
    http.send(frame(0xc1, b"\x00"));
    assert_eq!(read_close(&mut http), 1002, "nobody agreed to the bit");
}

#[test]
fn a_message_to_many_is_compressed_once_for_each_window() {
    if !IS_PRESENT {
        return;
    }
    let server = Encke::start(&[]);
    let clients = [None, Some(OFFER), Some(OFFER), Some(SMALL), Some(SMALL), None];
    let mut clients = clients.map(|offer| match offer {
        Some(offer) => (true, offering(&server, "/channels/a", offer).0),
        None => (false, upgrade(server.http, "/channels/a")),
    });
    let (renders, bytes) = (number(&server, "renders"), number(&server, "bytes_out"));
    publish(server.http, "a", long());
    for (is_compressed, http) in &mut clients {
        let (first, payload) = read_frame(http);
        match is_compressed {
            true => assert_eq!((first, decompressed(&payload)), (0xc1, long())),
            false => assert_eq!((first, payload), (0x81, long().into_bytes())),
        }
    }
    assert_eq!(number(&server, "renders") - renders, 3, "as it is, and for two windows");
    let sent = number(&server, "bytes_out") - bytes;
    // Two of six got all of it; the answers with these numbers are in it too.
    let most = 3 * long().len() as u64;
    assert!(sent < most, "{sent} bytes are those that went out");
    publish(server.http, "a", "short");
    for (_, http) in &mut clients {
        assert_eq!(read_frame(http), (0x81, b"short".to_vec()), "that is not worth it");
    }
    let (mut late, _) = offering(&server, "/channels/a?last=2", OFFER);
    assert_eq!(read_frame(&mut late), (0x81, long().into_bytes()), "its past is for it alone");
}

#[test]
fn what_a_client_sends_compressed_is_published_and_comes_back() {
    if !IS_PRESENT {
        return;
    }
    let server = Encke::start(&["--echo", "/echo", "--echo-reverse", "/reverse"]);
    let payload = compressed(long().as_bytes());
    let (mut sender, _) = offering(&server, "/channels/a", SMALL);
    let mut plain = upgrade(server.http, "/channels/a");
    // Whole, and in three frames with a ping between.
    sender.send(frame(0xc1, &payload));
    sender.send([frame(0x41, &payload[..5]), frame(0x89, b"?"), frame(0x00, b"")].concat());
    sender.send(frame(0x80, &payload[5..]));
    for _ in 0..2 {
        assert_eq!(read_frame(&mut plain), (0x81, long().into_bytes()));
    }
    let seen: Vec<_> = (0..3).map(|_| read_frame(&mut sender)).collect();
    assert!(seen.contains(&(0x8a, b"?".to_vec())));
    assert_eq!(seen.iter().filter(|(_, payload)| decompresses_to(payload, &long())).count(), 2);

    for (target, expect) in [("/echo", long()), ("/reverse", long().chars().rev().collect())] {
        let (mut echo, _) = offering(&server, target, OFFER);
        echo.send([frame(0xc1, &payload), frame(0x81, long().as_bytes())].concat());
        let (first, payload) = read_frame(&mut echo);
        assert_eq!((first, decompressed(&payload)), (0xc1, expect.clone()), "as it came");
        assert_eq!(read_frame(&mut echo), (0x81, expect.into_bytes()), "as it came");
    }
}

fn decompresses_to(payload: &[u8], text: &str) -> bool {
    Decompressor::default().decompress(payload, 1 << 20) == Ok(text.as_bytes())
}

/// A bomb is refused before it takes more room than any message may, on channels and on echo endpoints.
#[test]
fn a_small_message_that_becomes_large_is_refused() {
    if !IS_PRESENT {
        return;
    }
    let server = Encke::start(&["--echo", "/echo"]);
    let most = 128 * 1024;
    let (mut ws, _) = offering(&server, "/channels/a", OFFER);
    ws.send(frame(0xc2, &compressed(&vec![7; most])));
    assert_eq!(decompressed(&read_frame(&mut ws).1).len(), most, "all that a message may have");
    ws.send(frame(0xc2, &compressed(&vec![7; most + 1])));
    assert_eq!(read_close(&mut ws), 1009);
    // A quarter of a megabyte in each block of which there are a thousand.
    let block = [&compressed(&[0; 256 * 1024])[..], &[0, 0, 0xff, 0xff]].concat();
    let bomb = [&block.repeat(1_000)[..], &[0]].concat();
    let before = server.memory();
    let (mut ws, _) = offering(&server, "/echo", OFFER);
    ws.send(frame(0xc2, &bomb));
    assert_eq!(read_close(&mut ws), 1009);
    let after = server.memory();
    assert!(after < before + (24 << 20), "{before} bytes became {after}");
    eventually("the memory comes back", || {
        let (mut ws, _) = offering(&server, "/echo", OFFER);
        ws.send(frame(0xc2, &[0]));
        assert_eq!(read_frame(&mut ws), (0x82, Vec::new()));
        (server.memory() < before + (4 << 20)).then_some(())
    });
}

#[test]
fn what_is_not_compressed_as_was_agreed_is_refused() {
    if !IS_PRESENT {
        return;
    }
    let server = Encke::start(&["--echo", "/echo"]);
    for (name, frames, code) in [
        ("no deflate stream", frame(0xc1, b"Hello"), 1007),
        ("not UTF-8", frame(0xc1, b"\x00\x01\x00\xfe\xff\xff\x00"), 1007),
        ("the bit on a ping", frame(0xc9, b""), 1002),
        ("the bit later", [frame(0x41, b""), frame(0xc0, b"\x00")].concat(), 1002),
    ] {
        let (mut ws, _) = offering(&server, "/echo", OFFER);
        ws.send(frames);
        assert_eq!(read_close(&mut ws), code, "{name}");
        ws.ends();
    }
    let mut http = Http::connect(server.http);
    let malformed = "Sec-WebSocket-Extensions: permessage-deflate; ;";
    http.ask("GET /echo", &[&UPGRADE[..], &[malformed]].concat());
    assert_eq!(http.response().status, 400);
}
