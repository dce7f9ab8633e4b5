//! Many, long and too fast: every bound has an answer, and nobody else notices.

use std::time::{Duration, Instant};

use encke::server::settings::Settings;
use serde_json::json;

use super::heard;
use crate::comet_page::{Page, Session, data_of};
use crate::http::{get, publish};
use crate::server::{Encke, Inside, eventually};
use crate::websocket::frame;

fn open(server: &Encke) -> Session {
    Page::anonymous().open(server.http)
}

/// cometql 7: too many names are told; the first 32 hold while the connection does.
#[test]
fn too_many_names_are_told_and_the_first_ones_hold() {
    let server = Encke::start(&[]);
    let names: Vec<String> = (0..1000).map(|n| format!("web_{n}")).collect();
    let mut session = open(&server);
    session.command(format!("subscription\n{}", names.join("\n")));
    assert_eq!(session.error(), "Too many letters");
    for n in [0, 31] {
        assert_eq!(session.count(&names[n]), 1, "{n}");
    }
    assert_eq!(session.count(&names[999]), 0);
    publish(server.http, &names[0], "1");
    assert_eq!(heard(&session.next(), &names[0], ""), json!(1));
}

/// cometql 7: a list beyond every bound ends its connection, or is refused; no channel comes of it.
#[test]
fn a_huge_list_costs_nothing() {
    let server = Encke::start(&[]);
    let before = server.memory();
    for separator in ["\n", " ", "\0\n"] {
        let names: Vec<String> = (0..15_000).map(|n| format!("web_{n}")).collect();
        let list = names.join(separator);
        let mut session = open(&server);
        let _ = session.try_send(&frame(0x81, format!("subscription\n{list}").as_bytes()));
        let _ = session.try_send(&frame(0x88, b""));
        let frames = session.last_frames();
        assert!(frames.len() <= 1, "{frames:?}");
    }
    assert_eq!(get(server.http, "/stats").json()["memberships"], 0);
    assert!(server.memory() < before + (8 << 20));
}

/// A command above the bound ends its connection, from its length alone.
#[test]
fn a_command_that_is_too_long_ends_its_connection() {
    let server = Encke::start(&[]);
    let mut listener = open(&server);
    listener.subscribe(&["web_a"]);
    let huge = [&b"web_pipe2\nweb_a\n\n*\n"[..], &vec![b'1'; 1 << 20]].concat();
    let mut whole = open(&server);
    let _ = whole.try_send(&frame(0x81, &huge));
    whole.dropped();
    let mut pieces = open(&server);
    let _ = pieces.try_send(&frame(0x01, b"web_pipe2\nweb_a\n\n*\n"));
    for _ in 0..1000 {
        if pieces.try_send(&frame(0x00, &[b'1'; 1000])).is_err() {
            break;
        }
    }
    pieces.dropped();
    listener.quiet();
}

/// Long markers, ids and lines are no reason for more than an error.
#[test]
fn long_arguments_are_answered_or_refused() {
    let server = Encke::start(&[]);
    let long = "1".repeat(10_000);
    let name = "n".repeat(10_000);
    for command in [
        format!("pipe_count\nweb_a\n{long}\n"),
        format!("pipe_count\nweb_{name}\n1234567890\n"),
        format!("pipe_log\nweb_{name}\n1234567890\n"),
        format!("track_pipe_users\ntrack_{name}\n1234567890"),
        format!("track_pipe_users\ntrack_a\n{long}"),
        format!("user_data\n1234567890\n{long}"),
        format!("user_data\n{long}\n7"),
        format!("user_status\n{long}"),
        format!("statistics\n{long}"),
        long.clone(),
    ] {
        let mut session = open(&server);
        session.command(&command);
        let _ = session.try_send(&frame(0x88, b""));
        let frames = session.last_frames();
        assert!(frames.len() <= 2, "{frames:?}");
        let bytes: usize = frames.iter().map(|frame| frame.to_string().len()).sum();
        assert!(bytes < 1000, "an answer of {bytes} bytes to {}", &command[..20]);
    }
}

/// A page that asks without reading is slowed down or cut; the others do not wait for it.
#[test]
fn a_flood_of_questions_slows_nobody_else() {
    let server = Encke::start(&[]);
    let before = server.memory();
    let mut listener = open(&server);
    listener.subscribe(&["web_a"]);
    let mut flood = open(&server);
    let question = frame(0x81, b"pipe_count\nweb_a\n1234567890\n");
    let questions = question.repeat(1000);
    let writer = std::thread::spawn(move || {
        // Until it is cut, or nothing more is taken.
        let end = Instant::now() + Duration::from_secs(2);
        while Instant::now() < end && flood.try_send(&questions).is_ok() {}
        flood
    });
    let from = Instant::now();
    for n in 0..200 {
        publish(server.http, "web_a", n.to_string());
        assert_eq!(heard(&listener.next(), "web_a", ""), json!(n));
    }
    assert!(from.elapsed() < Duration::from_secs(5), "{:?}", from.elapsed());
    assert!(server.memory() < before + (16 << 20), "{} bytes", server.memory() - before);
    drop(writer);
}

/// A page that sends as fast as it can: every message arrives, in order.
#[test]
fn a_burst_of_messages_arrives_whole_and_in_order() {
    let server = Encke::start(&[]);
    let mut listener = open(&server);
    listener.subscribe(&["web_a"]);
    let mut sender = open(&server);
    let count = 2000;
    let message = |n| frame(0x81, format!("web_pipe2\nweb_a\n\n*\n{n}").as_bytes());
    sender.send((0..count).flat_map(message).collect::<Vec<u8>>());
    for n in 0..count {
        assert_eq!(heard(&listener.next(), "web_a", ""), json!(n));
    }
    for _ in 0..count {
        assert_eq!(data_of(&sender.next())["number_messages"], 1);
    }
}

/// A page that never reads is cut, without a Close frame, and the quick ones lose nothing.
#[test]
fn a_page_that_never_reads_is_cut() {
    let server = Encke::start(&[]);
    let mut quick = open(&server);
    let mut slow = open(&server);
    for session in [&mut quick, &mut slow] {
        session.subscribe(&["web_a"]);
    }
    let text = format!("\"{}\"", "x".repeat(120 * 1024));
    eventually("it is cut", || {
        for _ in 0..8 {
            publish(server.http, "web_a", &text);
            assert_eq!(quick.next()["pipe"], "web_a");
        }
        (quick.count("web_a") == 1).then_some(())
    });
    // What reached it is whole up to where it breaks off.
    let had = slow.last_frames();
    assert!(!had.is_empty() && had.iter().all(|frame| frame["pipe"] == "web_a"));
}

/// A page that has gone without a word: it is asked for a sign of life, and dropped.
#[test]
fn a_page_that_answers_no_ping_is_dropped_without_a_close_frame() {
    let mut settings = Settings::default();
    settings.limits.heartbeat_seconds = 1;
    settings.limits.pong_seconds = 1;
    let server = Inside::start(settings);
    let mut silent = Page::anonymous().open(server.http);
    let mut old = Page::old().open(server.http);
    for session in [&mut silent, &mut old] {
        assert_eq!(session.next_frame().0, 0x89, "a ping");
        session.dropped();
    }
}

/// Of many lists in one segment the last one holds.
#[test]
fn the_last_of_many_lists_holds() {
    let server = Encke::start(&[]);
    let mut watcher = open(&server);
    watcher.subscribe(&["track_0"]);
    let mut session = open(&server);
    let list = |n: usize| format!("subscription\nweb_{n}\ntrack_{n}\nweb_{}\ncommon", n + 1);
    let lists = (0..300).map(|n| frame(0x81, list(n).as_bytes()));
    session.send(lists.collect::<Vec<_>>().concat());
    session.quiet();
    for (pipe, count) in [("web_298", 0), ("web_299", 1), ("web_300", 1), ("track_299", 1)] {
        assert_eq!(session.count(pipe), count, "{pipe}");
    }
    let told: Vec<_> = watcher.settled().into_iter().map(|told| told["event"].clone()).collect();
    assert_eq!(told, ["subscription", "unsubscription"]);
    publish(server.http, "common,web_0", "1");
    assert_eq!(heard(&session.next(), "common", ""), json!(1));
    session.quiet();
}

/// A URL beyond every bound is refused before anything comes of it.
#[test]
fn a_url_that_is_too_long_is_refused() {
    let server = Encke::start(&[]);
    for bytes in [9_000, 20_000] {
        let page = Page::anonymous().in_browser('u');
        let target = Page { key: "k".repeat(bytes), ..page }.target();
        let refused = Session::try_upgrade(server.http, &target, &[]).err();
        assert!(refused.is_some_and(|status| (400..500).contains(&status)), "{refused:?}");
    }
    open(&server).quiet();
}

/// Nothing that stands in a URL can break a frame that others get.
#[test]
fn an_odd_browser_id_breaks_no_frame() {
    let server = Encke::start(&[]);
    let mut watcher = open(&server);
    watcher.subscribe(&["track_a"]);
    for uuid in ["it's", "a%22%5C%0A", "<b>", "a=b", "{}", "..", "\\'", "\"", "%"] {
        let target = Page { uuid: uuid.into(), ..Page::anonymous() }.target();
        // It may be refused, for characters that no URL has.
        let Ok(mut session) = Session::try_upgrade(server.http, &target, &[]) else { continue };
        assert_eq!(session.next()["event"], "serverInfo", "{uuid}");
        session.subscribe(&["track_a"]);
        assert_eq!(watcher.next()["event"], "subscription", "{uuid}");
        assert_eq!(watcher.members("track_a").len(), 2, "{uuid}");
        session.close();
        assert_eq!(watcher.next()["event"], "unsubscription", "{uuid}");
    }
}

/// Coming and going over and over leaves nothing behind.
#[test]
fn a_thousand_visits_leave_nothing_behind() {
    let server = Encke::start(&[]);
    let idle = server.descriptors();
    for n in 0..1000 {
        let mut session = open(&server);
        session.command(format!("subscription\ntrack_{n}\nweb_{n}\ntrust_{n}"));
        if n % 2 == 0 { drop(session.close()) } else { drop(session) }
    }
    eventually("all have gone", || {
        let stats = get(server.http, "/stats").json();
        (stats["memberships"] == 0 && server.descriptors() <= idle + 1).then_some(())
    });
}
