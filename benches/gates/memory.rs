//! Bytes of one more of something: the slope of what the server has for itself between few and many.

use super::guests::{Guests, KEY, Way, channel};
use super::report::{Measured, Report, Unit};
use crate::support::crowd::{frame, get, upgrade};

/// Clients between which the slope is taken.
const FEW: usize = 5_000;
const MANY: usize = 18_000;
/// Clients with a hundred channels each: the same, or its own.
const MEMBERS: usize = 10_000;
const OWNERS: usize = 1_000;
const CHANNELS: usize = 100;

const LEFT: &str = "memory after 18,000 came and went";
const MEMBERSHIP: &str = "further membership (10,000 clients × 100)";
const CHANNEL: &str = "idle channel (100,000)";

pub fn run(report: &mut Report) {
    for way in ways() {
        idle(report, &way);
    }
    memberships(report);
    channels(report);
}

fn plain(name: &'static str, status: &'static str, request: fn(usize) -> &'static [u8]) -> Way {
    Way {
        name,
        request,
        status,
        says: |_| Vec::new(),
        channel: "bench",
        memberships: 1,
        fragments: Vec::new(),
        asks_again: false,
        has_users: false,
    }
}

fn ways() -> [Way; 5] {
    [
        // A message of such a client may go to another channel than everybody's.
        Way {
            fragments: fragments(r#"{"channel":"b","data":"x"}"#),
            ..plain("idle WebSocket", "101", |number| upgrade(&listen(number, "?format=json")))
        },
        plain("idle event stream", "200", |number| {
            get(&listen(number, ""), "Accept: text/event-stream\r\n")
        }),
        plain("idle HTTP stream", "200", |number| get(&listen(number, "?transport=stream"), "")),
        Way {
            asks_again: true,
            ..plain("parked long-poll", "", |number| {
                get(&listen(number, "?transport=poll&wait=300"), "")
            })
        },
        Way {
            says: |number| {
                let list = format!("subscription\n{}\nnews", channel("web_chat", number));
                frame(0x81, list.as_bytes())
            },
            channel: "web_chat",
            memberships: 2,
            fragments: fragments("pipe_count\nweb_none\nmark"),
            has_users: true,
            ..plain("CometServerApi session", "101", session)
        },
    ]
}

fn listen(number: usize, query: &str) -> String {
    format!("/channels/{}{query}", channel("bench", number))
}

/// Somebody else, in one of 50 browsers.
fn session(number: usize) -> &'static [u8] {
    let user = number + 1;
    let target = format!(
        "/comet-server/ws/sesion={KEY}&myid={user}&devid=1&v=4.08\
         &uuid=abcdefghijklmnopqrstuvw{user:09}&api=js"
    );
    let request = String::from_utf8_lossy(upgrade(&target));
    let agent = format!("User-Agent: Mozilla/5.0 browser {}", user % 50);
    request.replace("User-Agent: crowd", &agent).into_bytes().leak()
}

/// Cut inside a frame, and between two.
fn fragments(text: &str) -> Vec<Vec<u8>> {
    let (first, second) = text.as_bytes().split_at(1);
    let bytes = [frame(0x01, first), frame(0x80, second)].concat();
    [&bytes[..4], &bytes[4..9], &bytes[9..]].map(<[u8]>::to_vec).into()
}

fn idle(report: &mut Report, way: &Way) {
    let [fresh, used] = ["fresh", "used"].map(|state| format!("{}, {state}", way.name));
    let is_first = way.name == "idle WebSocket";
    if report.wants(&[&fresh]) || is_first && report.wants(&[LEFT]) {
        let mut guests = Guests::of(way, report.many(MANY), report);
        let bytes = slope(report, &mut guests, |_| ());
        report.add(&fresh, &Measured::alone(Unit::Bytes, bytes));
        if is_first {
            let start_bytes = guests.start_bytes;
            report.add(LEFT, &left(guests.leave(), start_bytes));
        }
    }
    if report.wants(&[&used]) {
        let bytes =
            slope(report, &mut Guests::of(way, report.many(MANY), report), Guests::use_well);
        report.add(&used, &Measured::alone(Unit::Bytes, bytes));
    }
}

/// Bytes for each client, all of whom have done the same.
fn slope<'a>(report: &Report, guests: &mut Guests<'a>, act: fn(&mut Guests<'a>)) -> f64 {
    let (few, many) = (report.few(FEW), report.many(MANY));
    let [before, after] = [few, many].map(|count| {
        guests.come(count);
        act(guests);
        guests.anonymous_bytes() as f64
    });
    (after - before) / (many - few) as f64
}

fn left(bytes: u64, start_bytes: u64) -> Measured {
    let [after, before] = [bytes, start_bytes].map(|bytes| bytes as f64 / 1e6);
    Measured {
        value: after / before,
        spread: None,
        encke: format!("{after:.2} MB"),
        beside: format!("{before:.2} MB"),
    }
}

fn memberships(report: &mut Report) {
    if report.wants(&[MEMBERSHIP]) {
        let clients = report.many(MEMBERS);
        let one = bytes_with(report, clients, &members(1, |_| upgrade(&target(0, 1))));
        let hundred =
            bytes_with(report, clients, &members(CHANNELS, |_| upgrade(&target(0, CHANNELS))));
        let bytes = (hundred - one) / (clients * (CHANNELS - 1)) as f64;
        report.add(MEMBERSHIP, &Measured::alone(Unit::Bytes, bytes));
    }
}

fn channels(report: &mut Report) {
    if report.wants(&[CHANNEL]) {
        let clients = report.many(OWNERS);
        let same =
            bytes_with(report, clients, &members(CHANNELS, |_| upgrade(&target(0, CHANNELS))));
        let own = bytes_with(report, clients, &owners());
        let bytes = (own - same) / ((clients - 1) * CHANNELS) as f64;
        report.add(CHANNEL, &Measured::alone(Unit::Bytes, bytes));
    }
}

/// Bytes that an encke has when so many have come.
fn bytes_with(report: &Report, clients: usize, way: &Way) -> f64 {
    let mut guests = Guests::of(way, clients, report);
    guests.come(clients);
    guests.anonymous_bytes() as f64
}

/// WebSockets with a hundred channels each, which nobody else listens to.
pub fn owners() -> Way {
    members(CHANNELS, |number| upgrade(&target(number * CHANNELS, CHANNELS)))
}

fn members(memberships: usize, request: fn(usize) -> &'static [u8]) -> Way {
    Way { memberships, ..plain("", "101", request) }
}

/// An address of `count` channels from this one on.
fn target(first: usize, count: usize) -> String {
    let names: Vec<String> = (first..first + count).map(|n| format!("channel-{n}")).collect();
    format!("/channels/{}", names.join(","))
}
