//! Every wire form × {live, resumed after a break, lost cursor after a restart}, from one list.

use std::net::SocketAddr;

use encke::server::settings::{Origins, Settings};
use serde_json::{Value, json};

use crate::http::publish;
use crate::listening::{Item, Listening, WIRES, Wire, wait_for_count};
use crate::server::{Encke, Inside};

/// A form without ids, channels and events shows none; a name for what each form shows of a message.
fn shown(wire: Wire, id: &str, channel: &str, event: &str, data: Value) -> Item {
    let is_raw_socket = wire == Wire::WsRaw;
    let is_raw = is_raw_socket || wire == Wire::SseRaw;
    Item {
        id: (!is_raw_socket).then(|| id.to_owned()),
        channel: (!is_raw).then(|| channel.to_owned()),
        event: if is_raw_socket { String::new() } else { event.to_owned() },
        data,
    }
}

fn live(address: SocketAddr) {
    for (index, wire) in WIRES.into_iter().enumerate() {
        let channel = format!("live{index}");
        let mut listening = Listening::open(address, wire, &channel, None);
        wait_for_count(address, &channel, 1);
        let rows: [(&str, &[u8], Value); 5] = [
            ("", b"one", json!("one")),
            ("x", "two\nlines\n\nünï ☃ 😀".as_bytes(), json!("two\nlines\n\nünï ☃ 😀")),
            ("", b"", json!("")),
            ("a b", b"</script>\\ \" ' \t{}", json!("</script>\\ \" ' \t{}")),
            ("", &[0xff, 0, 1], json!({"base64": "/wAB"})),
        ];
        for (event, body, data) in rows {
            let event_in_url = event.replace(' ', "%20");
            let id = publish(address, &format!("{channel}?event={event_in_url}"), body);
            assert_eq!(listening.next(), shown(wire, &id, &channel, event, data), "{wire:?}");
        }
    }
}

fn resumed(address: SocketAddr) {
    for (index, wire) in WIRES.into_iter().enumerate() {
        let channels = format!("a{index},b{index}");
        let (a, b) = (format!("a{index}"), format!("b{index}"));
        let mut listening = Listening::open(address, wire, &channels, None);
        wait_for_count(address, &a, 1);
        let first = publish(address, &a, "first");
        assert_eq!(listening.next(), shown(wire, &first, &a, "", json!("first")), "{wire:?}");
        if wire != Wire::WsRaw {
            assert_eq!(listening.cursor.as_deref(), Some(&*first), "{wire:?}");
        }
        drop(listening);
        let missed = [publish(address, &b, "second"), publish(address, &a, "third")];
        let mut again = Listening::open(address, wire, &channels, Some(&first));
        assert_eq!(again.next(), shown(wire, &missed[0], &b, "", json!("second")), "{wire:?}");
        assert_eq!(again.next(), shown(wire, &missed[1], &a, "", json!("third")), "{wire:?}");
        let live = publish(address, &b, "fourth");
        assert_eq!(again.next(), shown(wire, &live, &b, "", json!("fourth")), "{wire:?}");
    }
}

/// `old` was issued by a server that is gone.
fn told_of_a_loss(address: SocketAddr, old: &str) {
    for (index, wire) in WIRES.into_iter().enumerate() {
        let channel = format!("lost{index}");
        let mut listening = Listening::open(address, wire, &channel, Some(old));
        let told = listening.next();
        if wire == Wire::WsRaw {
            assert_eq!((told.event, told.data), ("closed".to_owned(), json!(4410)));
            continue;
        }
        assert_eq!(told.event, "encke:lost", "{wire:?}");
        assert_eq!(told.data, json!({"channels": [channel], "since": old}), "{wire:?}");
        let go_on_from = told.id.expect("where to go on");
        let next = publish(address, &channel, "next");
        assert_eq!(listening.next(), shown(wire, &next, &channel, "", json!("next")), "{wire:?}");
        // Who breaks off right after being told goes on without a second loss.
        drop(listening);
        let mut again = Listening::open(address, wire, &channel, Some(&go_on_from));
        assert_eq!(again.next(), shown(wire, &next, &channel, "", json!("next")), "{wire:?}");
    }
}

#[test]
fn every_form_live() {
    live(Encke::start(&["--origin", "*"]).http);
}

#[test]
fn every_form_resumes_after_a_break() {
    resumed(Encke::start(&["--origin", "*"]).http);
}

#[test]
fn every_form_is_told_what_a_restart_lost() {
    let mut before = Encke::start(&[]);
    let old = publish(before.http, "lost0", "gone with the server");
    before.signal("TERM");
    assert_eq!(before.wait().0, Some(0));
    told_of_a_loss(Encke::start(&["--origin", "*"]).http, &old);
}

#[test]
fn the_same_journeys_in_one_process_with_batches_that_rest_after_every_delivery() {
    let mut settings =
        Settings { origins: Origins { any: true, listed: Vec::new() }, ..Settings::default() };
    settings.limits.deliveries_per_turn = 1;
    settings.limits.reads_per_turn = 1;
    let old = publish(Inside::start(settings.clone()).http, "lost0", "gone");
    let server = Inside::start(settings);
    live(server.http);
    resumed(server.http);
    told_of_a_loss(server.http, &old);
}
