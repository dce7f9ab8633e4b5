//! What an idle subscriber costs in user space: every byte that the allocator gives away, counted as
//! glibc would, with clients that cost nothing themselves.

mod counting;
#[path = "../support/crowd.rs"]
#[allow(dead_code, reason = "benches use the rest")]
mod crowd;
#[path = "../support/wires.rs"]
#[allow(dead_code, reason = "benches use the rest")]
mod wires;

use counting::held_bytes;
use encke::proto::deflate::IS_PRESENT;

use crowd::{Crowd, READABLE, WRITABLE, frame, get, lasting, publishes, upgrade};

/// Bytes of an idle subscriber that are too many, in every way of listening.
const SUBSCRIBER_BYTES_MAX: usize = 128;
/// The same of one more membership, and of one more channel that nobody publishes to.
const MEMBERSHIP_BYTES_MAX: usize = 24;
const CHANNEL_BYTES_MAX: usize = 200;

/// Bytes of a session of CometServerApi with a user and two channels that are too many.
const SESSION_BYTES_MAX: usize = 192;

const CLIENTS: u32 = 10_000;
/// Wires beyond the subscribers'.
const PUBLISHER: u32 = CLIENTS + 1;
const STRAGGLER: u32 = CLIENTS + 2;
const WIRES: usize = CLIENTS as usize + 2;

/// One way of listening, and how such a client talks.
struct Kind {
    name: &'static str,
    request: &'static [u8],
    /// A message in three reads, cut inside a frame and between two: only where clients may speak.
    fragments: &'static [&'static [u8]],
    ten_messages: &'static [u8],
    /// An answer ends the request: it is asked again.
    asks_again: bool,
}

fn kinds() -> Vec<Kind> {
    let ten_messages = publishes("a", 10);
    let plain = |name, request| {
        let (fragments, asks_again) = (&[][..], false);
        Kind { name, request, fragments, ten_messages, asks_again }
    };
    vec![
        Kind { fragments: fragments("raw"), ..plain("WebSocket", upgrade("/channels/a")) },
        Kind {
            fragments: fragments("{\"channel\":\"b\",\"data\":\"x\"}"),
            ..plain("WebSocket, JSON", upgrade("/channels/a?format=json"))
        },
        Kind {
            // A broadcast of theirs is compressed once; what that takes is shared by all.
            fragments: compressed_fragments(),
            ten_messages: ten_long_messages(),
            ..plain("WebSocket, deflate", upgrade_and_compress("/channels/a"))
        },
        plain("event stream", get("/channels/a", "Accept: text/event-stream\r\n")),
        plain("stream", get("/channels/a?transport=stream", "")),
        Kind {
            asks_again: true,
            ..plain("long-poll", get("/channels/a?transport=poll&wait=300", ""))
        },
    ]
}

fn fragments(text: &'static str) -> &'static [&'static [u8]] {
    let (first, second) = text.as_bytes().split_at(1);
    let bytes = lasting([frame(0x01, first), frame(0x80, second)].concat());
    Vec::leak(vec![&bytes[..4], &bytes[4..9], &bytes[9..]])
}

/// A build that cannot compress declines the offer.
fn upgrade_and_compress(target: &str) -> &'static [u8] {
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\nUser-Agent: crowd";
    let request = String::from_utf8_lossy(upgrade(target)).replace("User-Agent: crowd", offer);
    lasting(request.into_bytes())
}

/// Worth compressing.
fn ten_long_messages() -> &'static [u8] {
    let one = format!(
        "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 600\r\n\r\n{:600}",
        "It says the same again. ".repeat(20)
    );
    lasting(one.repeat(10).into_bytes())
}

/// "Hello" of RFC 7692 §7.2.3.1, in two frames.
fn compressed_fragments() -> &'static [&'static [u8]] {
    let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    let rsv1 = if IS_PRESENT { 0x40 } else { 0 };
    let first = if IS_PRESENT { 0x01 } else { 0x02 };
    let bytes = lasting([frame(first | rsv1, &hello[..1]), frame(0x80, &hello[1..])].concat());
    Vec::leak(vec![&bytes[..4], &bytes[4..9], &bytes[9..]])
}

#[test]
fn an_idle_subscriber_is_small() {
    let mut failures = Vec::new();
    for kind in kinds() {
        let (fresh, used, left) = measure(&kind);
        println!(
            "{:16} {fresh:4} bytes fresh, {used:4} used, {left:5.2} × start when all are gone",
            kind.name
        );
        if fresh.max(used) > SUBSCRIBER_BYTES_MAX {
            failures.push(format!("{}: {fresh} bytes fresh, {used} used", kind.name));
        }
        if left > 1.5 {
            failures.push(format!("{}: {left:.2} × start when all are gone", kind.name));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Bytes of one subscriber, fresh and used, and what is held after all, in units of an empty server.
fn measure(kind: &Kind) -> (usize, usize, f64) {
    let ten_messages = kind.ten_messages;
    let start = heap_of_server(Crowd::new(WIRES, |_| ()));
    let mut crowd = Crowd::new(WIRES, |_| ());
    crowd.connect(PUBLISHER);
    // The channel's history has its full length before anybody listens.
    for _ in 0..10 {
        publish(&mut crowd, ten_messages);
    }
    crowd.leave(PUBLISHER);
    let alone = held_bytes();
    for client in 1..=CLIENTS {
        crowd.connect(client);
        crowd.send(client, kind.request);
    }
    crowd.settle();
    assert_eq!(crowd.server.holdings().memberships, CLIENTS as usize);
    crowd.wait(1);
    let fresh = (held_bytes() - alone) / CLIENTS as usize;
    crowd.connect(PUBLISHER);
    use_well(&mut crowd, kind, ten_messages);
    let used = (held_bytes() - alone) / CLIENTS as usize;
    for client in (1..=CLIENTS).chain([PUBLISHER]) {
        crowd.leave(client);
    }
    crowd.settle();
    // History grows old.
    crowd.wait(700);
    assert_eq!(crowd.server.connections(), 0);
    (fresh, used, heap_of_server(crowd) as f64 / start as f64)
}

/// What a server holds, without what the test holds beside it.
fn heap_of_server(crowd: Crowd) -> usize {
    let before = held_bytes();
    drop(crowd.server);
    before - held_bytes()
}

/// Every client receives 100 messages, one of them in two writes, and sends one in fragments.
fn use_well(crowd: &mut Crowd, kind: &Kind, ten_messages: &'static [u8]) {
    for round in 0..10 {
        if round == 5 {
            (1..=CLIENTS).for_each(|client| wires::set_room(client, 3));
        }
        publish(crowd, ten_messages);
        if round == 5 {
            assert_eq!(crowd.server.holdings().outboxes, CLIENTS as usize, "writes were short");
            for client in 1..=CLIENTS {
                wires::set_room(client, usize::MAX);
                crowd.event(client, WRITABLE);
            }
            crowd.settle();
        }
        if kind.asks_again {
            for client in 1..=CLIENTS {
                crowd.send(client, kind.request);
            }
            crowd.settle();
        }
    }
    for client in (1..=CLIENTS).filter(|_| !kind.fragments.is_empty()) {
        for bytes in kind.fragments {
            crowd.send(client, bytes);
        }
        // Whoever publishes waits while too much is under way.
        if client % 1_000 == 0 {
            crowd.settle();
        }
    }
    crowd.wait(1);
    let held = crowd.server.holdings();
    assert_eq!(held.memberships, CLIENTS as usize, "all are still there");
    assert_eq!(
        (held.outboxes, held.inputs, held.extras, held.feed),
        (0, 0, 0, 0),
        "idle: no boxes"
    );
    crowd.server.verify();
}

/// Everybody is somebody else, in one of 50 browsers, and none of it is in an allocation of its own that
/// could be shared.
#[test]
fn a_session_of_cometserverapi_is_small() {
    let key = |user: u32| (user.to_string().into(), "0123456789abcdef0123456789abcdef".into());
    let requests: Vec<_> = (1..=CLIENTS)
        .map(|user| {
            let target = format!(
                "/ws/sesion=0123456789abcdef0123456789abcdef&myid={user}&devid=1&v=4.08\
                 &uuid=abcdefghijklmnopqrstuvw{user:09}&api=js"
            );
            let request = String::from_utf8_lossy(upgrade(&target)).into_owned();
            let agent = format!("User-Agent: Mozilla/5.0 browser {}", user % 50);
            lasting(request.replace("User-Agent: crowd", &agent).into_bytes())
        })
        .collect();
    let list = lasting(frame(0x81, b"subscription\nweb_chat\nnews"));
    let mut crowd = Crowd::with_records(WIRES, |_| (), (1..=CLIENTS).map(key).collect());
    let alone = held_bytes();
    for (client, request) in (1..=CLIENTS).zip(requests) {
        crowd.connect(client);
        crowd.send(client, request);
        crowd.send(client, list);
    }
    crowd.wait(1);
    let held = crowd.server.holdings();
    assert_eq!((held.memberships, held.texts), (2 * CLIENTS as usize, 50));
    let bytes = (held_bytes() - alone) / CLIENTS as usize;
    println!("{bytes:6} bytes a session of CometServerApi with a user and two channels");
    crowd.server.verify();
    assert!(bytes <= SESSION_BYTES_MAX, "{bytes} bytes a session");
}

fn publish(crowd: &mut Crowd, messages: &'static [u8]) {
    crowd.send(PUBLISHER, messages);
    crowd.settle();
}

/// After a storm that filled every outbox, one slow client alone keeps no room for the others'.
#[test]
fn a_straggler_does_not_keep_the_storms_memory() {
    let ten_messages = publishes("a", 10);
    let mut crowd = Crowd::new(WIRES, |_| ());
    crowd.connect(PUBLISHER);
    let request = upgrade("/channels/a");
    publish(&mut crowd, ten_messages);
    crowd.leave(PUBLISHER);
    let alone = held_bytes();
    crowd.connect(PUBLISHER);
    for client in (1..=CLIENTS).chain([STRAGGLER]) {
        crowd.connect(client);
        crowd.send(client, request);
        wires::set_room(client, 3);
    }
    publish(&mut crowd, ten_messages);
    for client in 1..=CLIENTS {
        wires::set_room(client, usize::MAX);
        crowd.event(client, WRITABLE);
    }
    crowd.wait(1);
    assert_eq!(crowd.server.holdings().outboxes, 1);
    let bytes = (held_bytes() - alone) / CLIENTS as usize;
    println!("beside a straggler {bytes:4} bytes a WebSocket subscriber");
    assert!(bytes <= SUBSCRIBER_BYTES_MAX, "{bytes} bytes");
}

#[test]
fn further_memberships_and_idle_channels_are_small() {
    let names = |from: u32, count: u32| {
        (from..from + count).map(|n| format!("channel-{n}")).collect::<Vec<_>>().join(",")
    };
    let clients_of = |count: u32, target: &dyn Fn(u32) -> String| {
        let mut crowd =
            Crowd::new(WIRES, |settings| settings.limits.channels_per_request_max = 100);
        let requests: Vec<_> = (0..count).map(|client| upgrade(&target(client))).collect();
        let before = held_bytes();
        for (client, request) in (1..=count).zip(requests) {
            crowd.connect(client);
            crowd.send(client, request);
        }
        crowd.settle();
        let held = crowd.server.holdings();
        (held_bytes() - before, held.memberships, held.channels)
    };
    let same = |count| names(0, count);
    let (one, ..) = clients_of(2_000, &|_| format!("/channels/{}", same(1)));
    let (hundred, memberships, _) = clients_of(2_000, &|_| format!("/channels/{}", same(100)));
    assert_eq!(memberships, 200_000);
    let membership = (hundred - one) as f64 / (memberships - 2_000) as f64;
    println!("{membership:6.1} bytes a further membership");
    let (few, _, shared) = clients_of(1_000, &|_| format!("/channels/{}", same(100)));
    let (many, _, channels) =
        clients_of(1_000, &|client| format!("/channels/{}", names(client * 100, 100)));
    assert_eq!((shared, channels), (100, 100_000));
    let channel = (many as f64 - few as f64) / (channels - shared) as f64;
    println!("{channel:6.1} bytes an idle channel");
    assert!(membership <= MEMBERSHIP_BYTES_MAX as f64, "{membership} bytes a membership");
    assert!(channel <= CHANNEL_BYTES_MAX as f64, "{channel} bytes a channel");
}

/// The answer to a parked poll is there as soon as it is written, or the test measures nothing.
#[test]
fn the_clients_are_really_served() {
    for kind in kinds() {
        let mut crowd = Crowd::new(WIRES, |_| ());
        crowd.connect(1);
        crowd.connect(PUBLISHER);
        crowd.send(1, kind.request);
        crowd.event(1, READABLE);
        let greeted = wires::written(1);
        publish(&mut crowd, publishes("a", 1));
        assert!(wires::written(1) >= greeted + 64, "{}: a message came", kind.name);
    }
}
