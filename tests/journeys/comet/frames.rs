//! WebSocket as such. Whatever happens, no Close frame leaves on this endpoint: a script that gets
//! one takes it for a wish to be left alone, and never comes back.

use serde_json::json;

use super::heard;
use crate::comet_page::{Page, Session, data_of, marker};
use crate::http::{Http, get, publish};
use crate::server::Encke;
use crate::websocket::{Ws, frame};

fn open(server: &Encke) -> Session {
    Page::anonymous().open(server.http)
}

/// cometql 21: what 4.08's `restart` waits for.
#[test]
fn a_close_frame_is_answered_by_the_end_of_tcp_alone() {
    let server = Encke::start(&[]);
    for payload in [&b""[..], b"\x03\xe8", b"\x03\xe9bye", b"\x0f\xa0"] {
        for page in [Page::anonymous(), Page::old()] {
            let mut session = page.open(server.http);
            session.subscribe(&["web_a"]);
            session.send(frame(0x88, payload));
            session.dropped();
        }
    }
    assert_eq!(open(&server).count("web_a"), 0);
}

/// cometql 21: what was asked before the Close frame is still answered.
#[test]
fn what_came_before_a_close_frame_counts() {
    let server = Encke::start(&[]);
    let mut listener = open(&server);
    listener.subscribe(&["web_a"]);
    let mut session = open(&server);
    let publish = frame(0x81, b"web_pipe2\nweb_a\n\n*\n1");
    let late = frame(0x81, b"web_pipe2\nweb_a\n\n*\n2");
    session.send([publish, frame(0x88, b""), late].concat());
    let frames = session.last_frames();
    assert!(frames.iter().all(|frame| frame["pipe"] == "_answer_to_web_a"), "{frames:?}");
    assert_eq!(heard(&listener.next(), "web_a", ""), json!(1));
    listener.quiet();
}

/// cometql 22: a server that stops.
#[test]
fn a_stopping_server_drops_these_pages_without_a_close_frame() {
    let mut server = Encke::start(&[]);
    let mut sessions = [open(&server), Page::old().open(server.http)];
    let mut native = Ws::connect(server.http, "/channels/web_a");
    for session in &mut sessions {
        session.subscribe(&["web_a", "track_a"]);
    }
    sessions[0].settled();
    server.signal("TERM");
    for session in &mut sessions {
        // Each may hear that the other left.
        let last = session.last_frames();
        assert!(last.iter().all(|frame| frame["event"] == "unsubscription"), "{last:?}");
    }
    assert_eq!(native.closed().0, 1001, "others are told as ever");
    drop((sessions, native));
    assert_eq!(server.wait().0, Some(0));
}

/// cometql 22, by way of the channel URLs: a channel that is deleted ends its subscribers.
#[test]
fn a_deleted_channel_drops_these_pages_without_a_close_frame() {
    let server = Encke::start(&[]);
    let mut session = open(&server);
    session.subscribe(&["news"]);
    let mut http = Http::connect(server.http);
    http.ask("DELETE /channels/news", &[]);
    assert!(http.response().status < 300);
    session.dropped();
}

/// cometql 25.
#[test]
fn a_ping_is_answered_also_between_fragments() {
    let server = Encke::start(&[]);
    let mut session = open(&server);
    session.send(frame(0x89, b"are you there?"));
    assert_eq!(session.next_frame(), (0x8a, b"are you there?".to_vec()));
    session.send(frame(0x89, b""));
    assert_eq!(session.next_frame(), (0x8a, Vec::new()));
    session.send(frame(0x8a, b"an unasked pong"));
    session.send(frame(0x01, b"pipe_count\nweb"));
    session.send(frame(0x89, b"still?"));
    assert_eq!(session.next_frame(), (0x8a, b"still?".to_vec()));
    session.send(frame(0x80, b"_a\n1234567890\n"));
    assert_eq!(session.next()["marker"], "1234567890");
}

/// cometql 25.
#[test]
fn fragmented_text_is_one_command() {
    let server = Encke::start(&[]);
    let mut listener = open(&server);
    listener.subscribe(&["web_a"]);
    let mut session = open(&server);
    let text = "web_pipe2\nweb_a\nx\n*\n{\"text\":\"ü☃😀\"}".as_bytes();
    for bytes in 1..=3 {
        session.send(frame(0x01, b""));
        for piece in text.chunks(bytes) {
            session.send(frame(0x00, piece));
        }
        session.send(frame(0x80, b""));
        assert_eq!(data_of(&session.next())["number_messages"], 1);
        assert_eq!(heard(&listener.next(), "web_a", "x"), json!({"text": "ü☃😀"}));
    }
}

#[test]
fn many_commands_in_one_segment_and_one_in_many_are_all_answered() {
    let server = Encke::start(&[]);
    let mut session = open(&server);
    let markers: Vec<String> = (0..300).map(|_| marker()).collect();
    let command =
        |marker: &String| frame(0x81, format!("pipe_count\nweb_a\n{marker}\n").as_bytes());
    session.send(markers.iter().flat_map(command).collect::<Vec<u8>>());
    for marker in &markers {
        assert_eq!(session.next()["marker"], marker.as_str());
    }
    for byte in command(&markers[0]) {
        session.send([byte]);
    }
    assert_eq!(session.next()["marker"], markers[0].as_str());
}

/// CppComet obeys a binary frame and hangs up; it is a command here as well.
#[test]
fn a_binary_frame_is_a_command_too() {
    let server = Encke::start(&[]);
    let mut session = open(&server);
    session.send(frame(0x82, b"pipe_count\nweb_a\n1234567890\n"));
    assert_eq!(session.next()["marker"], "1234567890");
}

/// cometql 27.
#[test]
fn every_protocol_error_ends_that_connection_alone_and_without_a_close_frame() {
    let server = Encke::start(&[]);
    let mut listener = open(&server);
    listener.subscribe(&["web_a"]);
    let unmasked = vec![0x81, 1, b'x'];
    let rows: Vec<(&str, Vec<u8>)> = vec![
        ("not masked", unmasked),
        ("a reserved bit", frame(0xc1, b"x")),
        ("a reserved opcode", frame(0x83, b"x")),
        ("a reserved control opcode", frame(0x8b, b"")),
        ("a fragmented ping", frame(0x09, b"x")),
        ("a long ping", frame(0x89, &[0; 126])),
        ("nothing to continue", frame(0x80, b"x")),
        ("a new message inside another", [frame(0x01, b"x"), frame(0x81, b"y")].concat()),
        ("half a close code", frame(0x88, b"x")),
        ("a close code of nobody", frame(0x88, &999_u16.to_be_bytes())),
        ("a reason that is not UTF-8", frame(0x88, b"\x03\xe8\xff")),
        ("a length of sixteen megabytes", vec![0x81, 0xff, 0, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4]),
    ];
    for (name, bytes) in rows {
        let mut session = open(&server);
        session.send(bytes);
        let frames = session.last_frames();
        assert!(frames.is_empty(), "{name}: {frames:?}");
    }
    publish(server.http, "web_a", "1");
    assert_eq!(heard(&listener.next(), "web_a", ""), json!(1));
}

/// cometql 27: CppComet dies of this, and takes every page with it.
#[test]
fn bytes_that_are_not_utf_8_harm_nobody_else() {
    let server = Encke::start(&[]);
    let mut listeners = [open(&server), Page::old().open(server.http)];
    for listener in &mut listeners {
        listener.subscribe(&["web_a"]);
    }
    let bad: [&[u8]; 5] = [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf"];
    let commands: [&[u8]; 6] = [
        b"web_pipe2\nweb_a\nx\n*\n\"",
        b"web_pipe2\nweb_a\n",
        b"web_pipe2\nweb_",
        b"pipe_log\n",
        b"subscription\nweb_a",
        b"statistics\n",
    ];
    for first in [0x81, 0x82] {
        for bad in bad {
            for command in commands {
                let mut session = open(&server);
                session.send(frame(first, &[command, bad, b"\""].concat()));
                let _ = session.try_send(&frame(0x88, b""));
                session.last_frames();
            }
        }
    }
    // Whatever was let through had its bad bytes replaced; `next` has checked that it is text.
    for listener in &mut listeners {
        for frame in listener.settled() {
            assert_eq!(frame["pipe"], "web_a", "{frame}");
        }
    }
    publish(server.http, "web_a", "1");
    for listener in &mut listeners {
        assert_eq!(heard(&listener.next(), "web_a", ""), json!(1));
    }
    assert_eq!(get(server.http, "/info").status, 200);
}
