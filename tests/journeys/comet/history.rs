//! `pipe_log`. What SQL has to do with it is in `back_end`.

use serde_json::json;

use super::heard;
use crate::comet_page::{Page, data_of};
use crate::http::publish;
use crate::server::Encke;

/// cometql 18: `trust_` pipes are kept without being asked to.
#[test]
fn a_log_is_the_kept_messages_oldest_first() {
    let server = Encke::start(&[]);
    for n in 0..5 {
        publish(server.http, "trust_a?event=x", format!("{{\"n\":{n},\"text\":\"it's\"}}"));
    }
    for page in [Page::anonymous(), Page::old()] {
        let mut session = page.open(server.http);
        let log = session.log("trust_a");
        assert_eq!(log.len(), 5, "{log:?}");
        for (n, frame) in log.iter().enumerate() {
            assert_eq!(heard(frame, "trust_a", "x"), json!({"n": n, "text": "it's"}));
            assert_eq!(frame["history"], true, "{frame}");
            assert_eq!(frame["fromQueue"], true, "{frame}");
            assert_eq!(frame["user_id"], 0, "{frame}");
            assert!(frame["message_send_time"].is_u64(), "{frame}");
        }
    }
}

/// cometql 18: 4.08 drops messages with a marker that is not its own from ordinary callbacks.
#[test]
fn a_log_for_new_scripts_has_no_marker() {
    let server = Encke::start(&[]);
    publish(server.http, "trust_a", "x");
    let mut session = Page::anonymous().open(server.http);
    assert_eq!(session.log("trust_a")[0].get("marker"), None);
}

/// cometql 18.
#[test]
fn a_log_has_99_messages_at_most_and_they_are_the_newest() {
    let server = Encke::start(&[]);
    for n in 0..120 {
        publish(server.http, "trust_a", n.to_string());
    }
    let mut session = Page::anonymous().open(server.http);
    let log = session.log("trust_a");
    let numbers: Vec<u64> = log.iter().filter_map(|frame| data_of(frame).as_u64()).collect();
    assert_eq!(numbers, (21..120).collect::<Vec<u64>>());
}

/// cometql 18: nothing is sent for a pipe that keeps nothing, and no sign that this was all.
#[test]
fn a_pipe_without_history_is_silent() {
    let server = Encke::start(&[]);
    publish(server.http, "web_a", "x");
    let mut session = Page::anonymous().open(server.http);
    session.subscribe(&["web_a"]);
    for pipe in ["web_a", "web_nothing", "trust_nothing"] {
        let log = session.log(pipe);
        assert!(log.is_empty(), "{log:?}");
    }
}

/// A `trust_` pipe's messages are not sent by themselves.
#[test]
fn subscribing_sends_nothing_of_what_is_kept() {
    let server = Encke::start(&[]);
    publish(server.http, "trust_a", "before");
    let mut session = Page::anonymous().open(server.http);
    session.subscribe(&["trust_a"]);
    publish(server.http, "trust_a", "after");
    assert_eq!(heard(&session.next(), "trust_a", ""), "after");
    session.quiet();
}
