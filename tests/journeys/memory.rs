//! A small ceiling of memory, and everything that can be made to grow made to grow at once.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::http::{Http, request};
#[cfg(feature = "cometql")]
use crate::mysql::{self, MySql, Reply};
use crate::server::{Encke, eventually};
use crate::websocket::{UPGRADE, Ws, frame};

const CEILING: usize = 16 << 20;
/// What the README grants beside the ceiling and what the program had at its start: what a turn needs for a
/// moment, what the allocator cannot give back, and pages of the program itself, which is large unless it is
/// a release build.
const SLACK: usize = 12 << 20;
/// How much more than its heap the server may hold afterwards, in pages of its own, than before: the
/// allocator's habits.
const MORE_MAX: usize = 6 << 20;
const KEY: &str = "Authorization: Bearer key";

/// What a flood leaves open, so that it weighs on the server until all are over.
type Open = Vec<Http>;
type Flood = fn(SocketAddr) -> Open;

/// All of them at once, to their end.
fn flood(address: SocketAddr, floods: &[Flood]) -> Vec<Open> {
    thread::scope(|scope| {
        let all: Vec<_> = floods.iter().map(|flood| scope.spawn(move || flood(address))).collect();
        all.into_iter().map(|flood| flood.join().expect("a flood")).collect()
    })
}

/// A request on a connection of its own, whatever becomes of it.
fn begin(address: SocketAddr, bytes: &[u8]) -> Option<Http> {
    let mut http = Http::connect(address);
    http.try_send(bytes).ok()?;
    Some(http)
}

fn post(channel: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    request(&format!("POST /channels/{channel}"), &[&[KEY], headers].concat(), body)
}

/// Publishes one after the other, anew where the server had enough of the connection.
fn publish_all(address: SocketAddr, requests: impl Iterator<Item = Vec<u8>>) -> Open {
    let mut http = Http::connect(address);
    for bytes in requests {
        if http.try_send(&bytes).is_err() || http.status_if_any().is_none() {
            http = Http::connect(address);
        }
    }
    Vec::new()
}

fn slow_readers(address: SocketAddr) -> Open {
    let ask = request("GET /channels/big", &UPGRADE, b"");
    let readers: Open = (0..8).filter_map(|_| begin(address, &ask)).collect();
    let body = vec![b'x'; 100 * 1024];
    publish_all(address, (0..200).map(|_| post("big", &[], &body)));
    readers
}

fn histories(address: SocketAddr) -> Open {
    let body = vec![b'x'; 64 * 1024];
    publish_all(address, (0..500).map(|n| post(&format!("history{}", n % 150), &[], &body)))
}

fn names(address: SocketAddr) -> Open {
    publish_all(address, (0..4_000).map(|n| post(&format!("{n:0>150}"), &[], b"x")))
}

fn idempotency_keys(address: SocketAddr) -> Open {
    let key = |n: usize| format!("Idempotency-Key: {n:0>200}");
    publish_all(address, (0..300).map(|n| post("keys", &[&key(n)], b"x")))
}

fn unfinished_bodies(address: SocketAddr) -> Open {
    let whole = post("a", &[], &[b'x'; 120 * 1024]);
    (0..200).filter_map(|_| begin(address, &whole[..100 * 1024])).collect()
}

fn unfinished_messages(address: SocketAddr) -> Open {
    let half = &frame(0x82, &vec![b'x'; 2 << 20])[..1 << 20];
    let upgraded = [request("GET /echo", &UPGRADE, b""), half.to_vec()].concat();
    (0..30).filter_map(|_| begin(address, &upgraded)).collect()
}

fn subscriptions(address: SocketAddr) -> Open {
    let channels = |n: usize| {
        let names: Vec<String> = (0..60).map(|of| format!("{n}_{of}_{:0>100}", 0)).collect();
        names.join(",")
    };
    let ask = |n: usize| request(&format!("GET /channels/{}", channels(n)), &UPGRADE, b"");
    (0..150).filter_map(|n| begin(address, &ask(n))).collect()
}

fn callbacks_and_sessions(address: SocketAddr) -> Open {
    let iframe = |n| format!("GET /channels/big?transport=iframe&callback=app.got{n}");
    let poll = |n| format!("GET /channels/s{n}?transport=poll&session={n:0>60}&wait=1");
    let lines = (0..60).map(iframe).chain((0..150).map(poll));
    lines.filter_map(|line| begin(address, &request(&line, &[], b""))).collect()
}

fn idle_connections(address: SocketAddr) -> Open {
    (0..150).map(|_| Http::connect(address)).collect()
}

/// Back ends that have logged in; what they say may be refused.
#[cfg(feature = "cometql")]
fn statements(clients: &mut [MySql]) {
    let prepare = format!(
        "INSERT INTO pipes_messages (name, event, message) VALUES ('chat', '', '{}')",
        "x".repeat(900)
    );
    let is_refused_well = |reply: &Reply| match reply {
        Reply::Ok => false,
        reply => {
            assert_eq!(reply.error(), (1041, "HY000"));
            true
        }
    };
    let half = &mysql::packet(0, &vec![3; 1_000_000])[..900_000];
    for (n, client) in clients.iter_mut().enumerate() {
        match n % 3 {
            // It may be closed before all of that has come.
            0 => drop(client.try_send_raw(half)),
            1 => {
                (0..900).find(|_| is_refused_well(&client.command(0x16, prepare.as_bytes())));
            }
            _ => {
                let row = |row: usize| format!("({}, 'key')", 1_000 * n + row);
                let rows: Vec<String> = (1..200).map(row).collect();
                let insert = format!("INSERT INTO users_auth (id, hash) VALUES {}", rows.join(","));
                is_refused_well(&client.query(insert));
            }
        }
    }
}

/// Looks at the server's memory until the floods are over; the most there was.
fn watch(server: &Encke, is_over: &AtomicBool) -> usize {
    let mut most = 0;
    while !is_over.load(Ordering::Relaxed) {
        most = most.max(server.memory());
        thread::sleep(Duration::from_millis(1));
    }
    most
}

/// What a stranger is told: that all is well, or to come back.
fn stranger(address: SocketAddr) -> Option<u16> {
    let mut http = begin(address, &request("GET /info", &[], b""))?;
    let status = http.status_if_any()?;
    assert!([200, 503].contains(&status), "{status}");
    Some(status)
}

/// An old publisher and an old subscriber; returns how much went through.
fn old_clients(server: &Encke, is_over: &AtomicBool) -> u64 {
    let (mut asked, mut told) = (0, 0);
    let mut old = Ws::connect(server.http, "/channels/old");
    let mut publisher = Http::connect(server.http);
    let mut accepted = 0;
    while !is_over.load(Ordering::Relaxed) {
        publisher.send(post("old", &[], accepted.to_string().as_bytes()));
        let answer = publisher.response();
        match answer.status {
            200 => {
                assert_eq!(old.read_text(), accepted.to_string(), "in order, and every one");
                accepted += 1;
            }
            503 => assert!(answer.header("Retry-After").is_some()),
            other => panic!("{other}: {answer:?}"),
        }
        // Strangers are answered too. At the door what they say may come too late to be read, and their
        // system then throws the answer away.
        asked += 1;
        told += usize::from(stranger(server.http).is_some());
    }
    assert!(told > asked / 2, "{told} of {asked}");
    accepted
}

#[test]
fn whatever_is_flooded_memory_stays_below_its_ceiling_and_comes_back() {
    let arguments = ["--memory", "16M", "--publish-key", "key", "--echo", "/echo"];
    let server = Encke::start(&arguments);
    assert!(server.log().iter().any(|line| line.contains("a ceiling of 16 MB of memory")));
    #[cfg(feature = "cometql")]
    let mut back_ends: Vec<MySql> = {
        let address = server.cometql.expect("it listens");
        (0..12).map(|_| MySql::open(address, None)).collect()
    };
    let (before, before_heap) = (server.memory(), server.anonymous());
    let address = server.http;
    let mut http = Http::connect(address);
    http.get("/info", &[]);
    let is_over = AtomicBool::new(false);
    // What can be given up, then everything at once.
    let first: [Flood; 3] = [slow_readers, histories, names];
    let all: [Flood; 9] = [
        slow_readers,
        histories,
        names,
        idempotency_keys,
        unfinished_bodies,
        unfinished_messages,
        subscriptions,
        callbacks_and_sessions,
        idle_connections,
    ];
    let (most, accepted) = thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&server, &is_over));
        let old = scope.spawn(|| old_clients(&server, &is_over));
        #[cfg(feature = "cometql")]
        let statements = scope.spawn(|| statements(&mut back_ends));
        let open = [flood(address, &first), flood(address, &all)];
        #[cfg(feature = "cometql")]
        statements.join().expect("a flood");
        is_over.store(true, Ordering::Relaxed);
        drop(open);
        (watching.join().expect("a watch"), old.join().expect("old clients"))
    });
    #[cfg(feature = "cometql")]
    drop(back_ends);
    assert!(most < before + CEILING + SLACK, "{most} bytes at the most, {before} before");
    assert!(accepted > 20, "{accepted} messages in all that time");
    let stats = eventually("everybody has gone", || {
        let stats = http.get("/stats", &[KEY]).json();
        let now = |phase: &str| stats["connections"][phase].as_u64().expect("a number");
        // Sessions of polls stay a little longer.
        (now("total") == now("detached") + 1).then_some(stats)
    });
    eventually("who comes is let in", || (stranger(address) == Some(200)).then_some(()));
    let number = |pointer: &str| stats.pointer(pointer).and_then(Value::as_u64).expect("a number");
    assert!(
        number("/memory/shed/messages") > 100 && number("/memory/shed/refused") > 100,
        "{stats}"
    );
    assert_eq!(number("/memory/ceiling_bytes"), CEILING as u64);
    let heap = number("/memory/heap_bytes") as usize;
    assert!(heap <= CEILING / 8 * 7, "{heap}");
    let mut ws = Ws::connect(address, "/channels/new");
    http.send(post("new", &[], b"served"));
    http.response().id();
    assert_eq!(ws.read_text(), "served");
    let bound = before_heap + heap + MORE_MAX;
    eventually("what was freed goes back", || (server.anonymous() < bound).then_some(()));
}
