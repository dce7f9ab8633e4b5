//! The ceiling of memory: what is given up near it, in which order, and what is refused. The heap is one that
//! the test makes up, in KB: a part that it sets, so much for each kept message, so much for each client in a row.

use std::cell::Cell;
use std::ops::Range;

use encke::engines::memory::MemoryEngine;
use encke::engines::{Change, Engine, Output, Token, Usage};
use encke::hub::clock::Now;
use encke::hub::command::Command;
use encke::hub::message::{MessageId, TenantId};
use encke::server::settings::Settings;

use super::crowd::{Crowd, frame, get, lasting, publishes, upgrade};
use super::lobby::{is_refused, is_told_to_come_back};
use super::{SSE, told, wires};

const KB: usize = 1_000;
/// Beyond 7,000 something is given up, until 6,000 is left.
const CEILING: usize = 8_000;
const MESSAGE: usize = 10;
const READER: usize = 200;
const NO_MEMORY: &str = "there is no memory left for this: try again later";

thread_local! {
    static BASE: Cell<usize> = const { Cell::new(0) };
    static KEPT: Cell<usize> = const { Cell::new(0) };
    static READERS: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

fn heap() -> usize {
    let (first, end) = READERS.get();
    let readers = (first..end).filter(|&number| wires::is_open(number)).count();
    (BASE.get() + KEPT.get() * MESSAGE + readers * READER) * KB
}

/// Makes it so many KB in all.
fn set_heap(all: usize) {
    BASE.set(0);
    BASE.set(all - heap() / KB);
}

/// The engine in memory, which tells how much it keeps.
struct Told(MemoryEngine);

impl Told {
    fn tell(&self) {
        KEPT.set(self.0.usage().messages);
    }
}

impl Engine for Told {
    fn submit(&mut self, token: Option<Token>, command: Command, now: Now) {
        self.0.submit(token, command, now);
        self.tell();
    }

    fn counts_members(&self) -> bool {
        self.0.counts_members()
    }

    fn take(&mut self) -> Option<Output> {
        self.0.take()
    }

    fn tick(&mut self, now: Now) {
        self.0.tick(now);
        self.tell();
    }

    fn position(&self, tenant: TenantId) -> MessageId {
        self.0.position(tenant)
    }

    fn reload(&mut self, change: &Change<'_>, now: Now) {
        self.0.reload(change, now);
    }

    fn forget_oldest(&mut self, bytes: usize) -> usize {
        // One at a time, however little is wanted.
        let forgotten = self.0.forget_oldest(bytes.min(1));
        self.tell();
        forgotten
    }

    fn usage(&self) -> Usage {
        self.0.usage()
    }
}

/// A server below that ceiling, with nothing on its heap.
fn crowd(most: usize) -> Crowd {
    BASE.set(0);
    KEPT.set(0);
    READERS.set((0, 0));
    let adjust = |settings: &mut Settings| settings.memory = Some(CEILING * KB);
    let mut crowd = Crowd::served_by(most, adjust, |engine, _| Box::new(Told(engine)));
    crowd.server.measure_heap_by(heap);
    crowd
}

/// Clients that listen to a channel and take nothing any more.
fn deaf(crowd: &mut Crowd, numbers: Range<u32>, channel: &str) {
    for number in numbers.clone() {
        crowd.connect(number);
        crowd.send(number, upgrade(&format!("/channels/{channel}")));
        crowd.settle();
        wires::set_room(number, 0);
    }
    READERS.set((numbers.start, numbers.end));
}

fn shed(crowd: &mut Crowd, number: u32) -> [u64; 3] {
    let stats = told(crowd, number, get("/stats", ""));
    ["readers", "messages", "refused"].map(|what| {
        let from = stats.find("\"shed\":").expect("it is shown");
        let name = format!("\"{what}\":");
        let at = from + stats[from..].find(&name).expect("each is") + name.len();
        stats[at..].split([',', '}']).next().and_then(|text| text.parse().ok()).expect("a number")
    })
}

/// Four deaf clients with 6,600 bytes waiting for each, of 100 kept messages; 1 listens, 2 asks.
fn with_deaf() -> Crowd {
    let mut crowd = crowd(40);
    crowd.connect(1);
    crowd.send(1, upgrade("/channels/a"));
    crowd.connect(2);
    deaf(&mut crowd, 11..15, "a");
    crowd.send(2, publishes("a", 100));
    crowd.settle();
    assert_eq!((KEPT.get(), crowd.server.holdings().outbox_bytes), (100, 4 * 6_600));
    crowd
}

#[test]
fn readers_go_before_history_and_history_before_anybody_is_refused() {
    let mut crowd = with_deaf();
    set_heap(7_000);
    crowd.settle();
    assert_eq!((crowd.server.holdings().outboxes, KEPT.get()), (4, 100), "at the threshold");
    set_heap(7_001);
    crowd.settle();
    // Without the four it is 6,201; without 21 messages 5,991.
    assert_eq!((crowd.server.holdings().outboxes, KEPT.get()), (0, 79), "one past it");
    assert_eq!(shed(&mut crowd, 2), [4, 21, 0]);
    crowd.connect(3);
    assert!(told(&mut crowd, 3, get("/channels/a", SSE)).starts_with("HTTP/1.1 200"), "let in");
    // Whoever has missed what was forgotten is told so, whoever has not gets the rest.
    let history = told(&mut crowd, 2, get("/channels/a?last=100", ""));
    let ids: Vec<&str> =
        history.match_indices("\"id\":\"").map(|(at, _)| &history[at + 6..at + 30]).collect();
    let id = |at: usize| ids[at].split('"').next().unwrap();
    assert_eq!(ids.len(), 79);
    let lost = told(&mut crowd, 2, get("/channels/a?since=1763690000-1", ""));
    assert!(lost.contains("encke:lost"), "{lost}");
    let rest = told(&mut crowd, 2, get(&format!("/channels/a?since={}", id(0)), ""));
    assert_eq!(rest.matches("\"id\":").count(), 78, "{rest}");
    assert!(!rest.contains("encke:lost"));
    // The last 79 are not enough, and then nothing is left but to refuse.
    set_heap(7_001);
    BASE.set(7_001);
    crowd.settle();
    assert_eq!(KEPT.get(), 0);
    crowd.connect(4);
    is_refused(&told(&mut crowd, 4, get("/channels/a", "")), NO_MEMORY);
    let before = wires::written(1);
    assert!(told(&mut crowd, 2, publishes("a", 1)).starts_with("HTTP/1.1 200"));
    assert_eq!(wires::written(1) - before, 66, "who is there is served");
    crowd.server.verify();
}

#[test]
fn no_more_readers_go_than_is_enough_and_those_first_for_whom_most_waits() {
    let mut crowd = crowd(40);
    crowd.connect(1);
    deaf(&mut crowd, 11..14, "b");
    deaf(&mut crowd, 14..24, "a");
    READERS.set((11, 24));
    crowd.send(1, publishes("a", 100));
    crowd.send(1, publishes("b", 80));
    crowd.connect(30);
    crowd.send(30, upgrade("/channels/c"));
    wires::set_room(30, 0);
    crowd.send(1, publishes("c", 1));
    crowd.settle();
    set_heap(7_001);
    crowd.settle();
    assert_eq!(KEPT.get(), 181, "readers were enough");
    assert_eq!((14..24).filter(|&number| wires::is_open(number)).count(), 4, "six of 200 bytes");
    assert!((11..14).all(wires::is_open), "for whom less waits");
    BASE.set(7_001);
    crowd.settle();
    assert!((11..24).all(|number| !wires::is_open(number)));
    assert!(wires::is_open(30), "66 bytes are a trifle");
    crowd.server.verify();
}

#[test]
fn who_is_refused_may_come_again_when_a_quarter_is_free() {
    let mut crowd = crowd(40);
    set_heap(8_000);
    crowd.connect(1);
    assert!(told(&mut crowd, 1, b"").is_empty() && wires::is_open(1));
    let mut number = 1;
    let mut is_let_in = |crowd: &mut Crowd| {
        number += 1;
        crowd.connect(number);
        let words = told(crowd, number, get("/channels/a", SSE));
        let is_let_in = words.contains("retry: 2000\n");
        if !is_let_in {
            is_told_to_come_back(&words, "");
        }
        crowd.leave(number);
        is_let_in
    };
    assert!(!is_let_in(&mut crowd), "nothing can be given up");
    set_heap(6_001);
    crowd.settle();
    assert!(!is_let_in(&mut crowd), "it is not enough yet");
    set_heap(6_000);
    crowd.settle();
    assert!(is_let_in(&mut crowd));
    set_heap(7_000);
    crowd.settle();
    assert!(is_let_in(&mut crowd));
    // Between two looks the ceiling itself decides.
    set_heap(8_000);
    crowd.connect(30);
    set_heap(8_001);
    crowd.connect(31);
    set_heap(6_000);
    assert!(told(&mut crowd, 30, get("/channels/a", SSE)).contains("retry: 2000\n"));
    is_told_to_come_back(&told(&mut crowd, 31, get("/channels/a", SSE)), "");
    crowd.server.verify();
}

#[test]
fn what_would_make_more_is_refused_and_all_else_is_served() {
    let mut crowd = crowd(40);
    for number in 1..=12 {
        crowd.connect(number);
    }
    let listens = [
        (1, upgrade("/channels/a")),
        (2, upgrade("/channels/a?format=json")),
        (3, get("/channels/a?transport=poll", "")),
        (4, upgrade("/channels/a")),
        (5, upgrade("/channels/a")),
    ];
    for (number, bytes) in listens {
        crowd.send(number, bytes);
    }
    crowd.settle();
    set_heap(7_500);
    crowd.settle();
    let is_503 = |words: &str| {
        assert!(words.starts_with("HTTP/1.1 503 ") && words.contains(NO_MEMORY), "{words}");
        assert!(words.contains("\r\nRetry-After: "), "{words}");
    };
    // To subscribers; to nobody.
    assert!(told(&mut crowd, 6, publishes("a", 1)).starts_with("HTTP/1.1 200"));
    is_503(&told(&mut crowd, 6, publishes("nobody", 1)));
    assert!(told(&mut crowd, 6, publishes("nobody,a", 1)).starts_with("HTTP/1.1 200"));
    is_503(&told(&mut crowd, 6, &post("/users/7")));
    assert!(told(&mut crowd, 3, b"").is_empty() && wires::written(3) > 100, "the poll has it");
    // New subscriptions on an old connection, which stays but for event streams.
    is_503(&told(&mut crowd, 6, upgrade("/channels/a")));
    is_503(&told(&mut crowd, 6, get("/channels/a?transport=poll", "")));
    is_503(&told(&mut crowd, 6, upgrade("/echo")));
    assert!(told(&mut crowd, 6, get("/channels/a", "")).starts_with("HTTP/1.1 200"));
    assert!(told(&mut crowd, 6, get("/info", "")).starts_with("HTTP/1.1 200"));
    is_told_to_come_back(&told(&mut crowd, 7, get("/channels/a", SSE)), "");
    // What is not whole.
    let begun = "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx";
    let words = told(&mut crowd, 8, begun.as_bytes());
    assert!(words.starts_with("HTTP/1.1 503 "), "{words}");
    wires::overhear(4);
    crowd.send(4, lasting(frame(0x01, b"begins")));
    crowd.settle();
    assert_eq!(wires::overheard()[2..4], [0x03, 0xf5], "1013");
    // Frames that are published, to others and to nobody.
    assert!(told(&mut crowd, 1, &frame(0x82, b"raw")).contains("raw"));
    let nobody = br#"{"channel":"nobody","data":1}"#;
    let words = told(&mut crowd, 2, &frame(0x81, nobody));
    assert!(words.contains("encke:error") && words.contains(NO_MEMORY), "{words}");
    assert!(wires::is_open(2));
    // Beyond the ceiling nobody may add anything, whoever listens.
    set_heap(8_001);
    is_503(&told(&mut crowd, 6, publishes("a", 1)));
    wires::overhear(5);
    crowd.send(5, lasting(frame(0x81, b"raw")));
    crowd.settle();
    assert_eq!(wires::overheard()[2..4], [0x03, 0xf5], "1013");
    assert!(told(&mut crowd, 9, get("/info", "")).starts_with("HTTP/1.1 200"));
    is_503(&told(&mut crowd, 10, get("/channels/a", "")));
    crowd.server.verify();
    // And then everything is as before.
    set_heap(6_000);
    crowd.settle();
    assert!(told(&mut crowd, 6, publishes("nobody", 1)).starts_with("HTTP/1.1 200"));
    assert!(told(&mut crowd, 11, upgrade("/channels/a")).starts_with("HTTP/1.1 101"));
    assert!(told(&mut crowd, 12, begun.as_bytes()).is_empty());
    crowd.server.verify();
}

fn post(target: &str) -> Vec<u8> {
    let head = format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n");
    [head.as_bytes(), b"x"].concat()
}

#[test]
fn cometserverapi_clients_are_told_in_frames_and_stay() {
    let mut crowd = crowd(20);
    let address = |key: &str| format!("/ws/sesion={key}&myid=0&devid=1&v=4.08&uuid=&api=js");
    crowd.connect(1);
    assert!(told(&mut crowd, 1, upgrade(&address("k"))).starts_with("HTTP/1.1 101"));
    let says = |crowd: &mut Crowd, text: &str| told(crowd, 1, &frame(0x81, text.as_bytes()));
    says(&mut crowd, "subscription\nweb_a");
    set_heap(7_500);
    crowd.settle();
    let code = "\\\"code\\\":\\\"503\\\"";
    let words = says(&mut crowd, "web_pipe2\nweb_nobody\nevent\nM\n*\ndata");
    assert!(words.contains("503") && words.contains("No memory is left"), "{code}: {words}");
    let words = says(&mut crowd, "web_pipe2\nweb_a\nevent\nM\n*\ndata");
    assert!(!words.contains("No memory is left"), "{words}");
    let words = says(&mut crowd, "subscription\nweb_a\nweb_b");
    assert!(words.contains("No memory is left"), "{words}");
    assert_eq!(crowd.server.holdings().memberships, 1);
    assert!(wires::is_open(1));
    crowd.connect(2);
    is_refused(&told(&mut crowd, 2, upgrade(&address("l"))), NO_MEMORY);
    crowd.connect(3);
    is_told_to_come_back(&told(&mut crowd, 3, get(&address("m"), SSE)), "");
    crowd.server.verify();
}

#[test]
fn another_ceiling_is_in_force_at_once() {
    let mut crowd = crowd(9);
    set_heap(7_500);
    crowd.settle();
    crowd.connect(1);
    is_refused(&told(&mut crowd, 1, get("/info", "")), NO_MEMORY);
    for (number, memory) in [(2, Some(8_600 * KB)), (3, None)] {
        let settings = Settings { memory, ..Settings::default() };
        let history = encke::engines::memory::Limits::default();
        crowd.server.reload(settings, history, crowd.now).expect("one tenant");
        crowd.connect(number);
        assert!(told(&mut crowd, number, get("/info", "")).starts_with("HTTP/1.1 200"));
    }
    let stats = told(&mut crowd, 3, get("/stats", ""));
    assert!(stats.contains("\"heap_bytes\":7500000,\"ceiling_bytes\":0,"), "{stats}");
}
