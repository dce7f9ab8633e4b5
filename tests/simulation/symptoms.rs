//! What the seeds found, each reduced to a few lines and named after what a person would have noticed.

mod bounds;
mod pages;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use encke::engines::memory::{Keep, Limits as EngineLimits, MemoryEngine};
use encke::engines::{Change, Engine, Output, Token, Usage};
use encke::hub::clock::Now;
use encke::hub::command::{Change as Records, Command, Outcome, RecordKind};
use encke::hub::message::{MessageId, TenantId};
use encke::server::limits::Limits;
use encke::server::settings::{Settings, Tenant};
use encke::server::{Key, Listener, Server};

use crate::support::websocket::client_frame;
use crate::truth::Truth;
use crate::wire::{FakeSocket, Wire};

const START: Now = Now { ms: 5_000, unix_second: 1_763_690_000, unix_nanos: 7 };

/// An engine whose answers wait until the test lets them go.
struct Gate {
    inner: MemoryEngine,
    is_open: Rc<RefCell<bool>>,
    /// The feed goes on while answers to arrivals wait.
    is_slow: Rc<RefCell<bool>>,
    /// Answers overtake the feed.
    is_hasty: Rc<RefCell<bool>>,
    waiting: VecDeque<Output>,
}

impl Gate {
    fn pass(&mut self) -> Option<Output> {
        let (is_slow, is_hasty) = (*self.is_slow.borrow(), *self.is_hasty.borrow());
        if !is_slow && !is_hasty {
            return self.waiting.pop_front().or_else(|| self.inner.take());
        }
        loop {
            let output = self.inner.take()?;
            let is_to_wait = match output {
                Output::Completed(_, Outcome::Arrived { .. }) => is_slow,
                Output::Completed(..) => false,
                Output::Happened(_) => is_hasty,
            };
            if !is_to_wait {
                return Some(output);
            }
            self.waiting.push_back(output);
        }
    }
}

impl Engine for Gate {
    fn submit(&mut self, token: Option<Token>, command: Command, now: Now) {
        self.inner.submit(token, command, now);
    }

    fn take(&mut self) -> Option<Output> {
        if *self.is_open.borrow() { self.pass() } else { None }
    }

    fn tick(&mut self, now: Now) {
        self.inner.tick(now);
    }

    fn position(&self, tenant: TenantId) -> MessageId {
        self.inner.position(tenant)
    }

    fn reload(&mut self, change: &Change<'_>, now: Now) {
        self.inner.reload(change, now);
    }

    fn forget_oldest(&mut self, bytes: usize) -> usize {
        self.inner.forget_oldest(bytes)
    }

    fn usage(&self) -> Usage {
        self.inner.usage()
    }
}

struct Bench {
    server: Server<FakeSocket>,
    truth: Rc<RefCell<Truth>>,
    now: Now,
    gate: Rc<RefCell<bool>>,
    slowness: Rc<RefCell<bool>>,
    haste: Rc<RefCell<bool>>,
}

struct Peer {
    key: Key,
    wire: Rc<RefCell<Wire>>,
    got: Vec<u8>,
}

impl Bench {
    fn new(limits: Limits, keep: Keep) -> Bench {
        let engine_limits = EngineLimits { keep, ..EngineLimits::default() };
        let gate = Rc::new(RefCell::new(true));
        let mut inner = MemoryEngine::new(1, engine_limits, START);
        let (tenant, kind, change) = (TenantId(0), RecordKind::UserKey, Records::Put);
        let records = vec![("7".into(), "key".into())];
        inner.submit(None, Command::ChangeRecords { tenant, kind, records, change }, START);
        let (slowness, haste) = (Rc::new(RefCell::new(false)), Rc::new(RefCell::new(false)));
        let (is_open, is_slow, is_hasty) = (gate.clone(), slowness.clone(), haste.clone());
        let engine = Gate { inner, is_open, is_slow, is_hasty, waiting: VecDeque::new() };
        let settings = Settings { limits, ..Settings::default() };
        Bench {
            server: Server::new(settings, Box::new(engine), [1; 20], START),
            truth: Rc::new(RefCell::new(Truth::default())),
            now: START,
            gate,
            slowness,
            haste,
        }
    }

    fn plain() -> Bench {
        Bench::new(Limits::default(), Keep::DEFAULT)
    }

    /// A connection to a client that takes so many bytes before it must read.
    fn connect(&mut self, to_client_max: usize) -> Peer {
        self.connect_from(None, to_client_max).expect("there is room")
    }

    fn connect_from(&mut self, peer: Option<&str>, to_client_max: usize) -> Option<Peer> {
        let mut wire = Wire::new(self.truth.clone(), 1_000_000, to_client_max);
        wire.peer = peer.map(|peer| peer.parse().expect("an address"));
        let wire = Rc::new(RefCell::new(wire));
        let socket = FakeSocket(wire.clone());
        let key = self.server.accept(socket, Listener::Http, self.now)?;
        Some(Peer { key, wire, got: Vec::new() })
    }

    /// Bytes arrive, and the server hears of it; nothing else is done.
    fn arrive(&mut self, peer: &Peer, text: &str) {
        let mut bytes: VecDeque<u8> = text.bytes().collect();
        peer.wire.borrow_mut().arrive(&mut bytes, usize::MAX);
        self.tell(peer);
    }

    fn tell(&mut self, peer: &Peer) {
        let event = peer.wire.borrow_mut().take_event(false);
        if let Some(event) = event {
            self.server.ready(peer.key, event, self.now);
        }
    }

    fn get(&mut self, peer: &Peer, target: &str, headers: &str) {
        self.arrive(peer, &format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"));
    }

    fn publish(&mut self, peer: &Peer, target: &str, data: &str) {
        let length = data.len();
        let head = format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}");
        self.arrive(peer, &format!("{head}\r\n\r\n{data}"));
    }

    fn turn(&mut self) {
        self.server.turn(self.now);
        self.server.verify();
    }

    fn reload(&mut self, limits: Limits) {
        let settings = Settings { limits, ..Settings::default() };
        self.server.reload(settings, EngineLimits::default(), self.now).expect("few tenants");
        self.server.verify();
    }

    fn pass_seconds(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now.ms += 1_000;
            self.now.unix_second += 1;
            self.turn();
        }
    }

    /// Reads everything, with as many turns as it takes.
    fn read(&mut self, peer: &mut Peer) -> String {
        for _ in 0..400 {
            peer.wire.borrow_mut().take(usize::MAX, &mut peer.got);
            self.tell(peer);
            self.turn();
        }
        String::from_utf8(std::mem::take(&mut peer.got)).expect("text")
    }
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const SSE: &str = "Accept: text/event-stream\r\n";

fn ids(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("id: ")).collect()
}

#[test]
fn a_long_answer_is_whole_for_who_half_closes_after_asking() {
    for connection in ["", "Connection: close\r\n"] {
        let mut bench = Bench::plain();
        let mut peer = bench.connect(100);
        let mut request =
            format!("GET / HTTP/1.1\r\nHost: localhost\r\n{connection}\r\n").into_bytes().into();
        peer.wire.borrow_mut().arrive(&mut request, usize::MAX);
        peer.wire.borrow_mut().send_fin();
        bench.tell(&peer);
        bench.turn();
        let text = bench.read(&mut peer);
        assert!(text.trim_end().ends_with("</html>") || text.contains("</script>"), "{text}");
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
        assert_eq!(length, body.len().to_string());
        assert_eq!(bench.server.connections(), 0, "and then it is over");
    }
}

#[test]
fn a_slow_reader_of_a_last_answer_is_not_cut_while_it_reads() {
    let mut bench = Bench::plain();
    let mut peer = bench.connect(1_000);
    bench.get(&peer, "/", "Connection: close\r\n");
    let mut text = Vec::new();
    for _ in 0..40 {
        bench.pass_seconds(1);
        peer.wire.borrow_mut().take(1_000, &mut text);
        bench.tell(&peer);
    }
    peer.got = text;
    let text = bench.read(&mut peer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    assert_eq!(length, body.len().to_string());
}

#[test]
fn a_poll_whose_channel_also_has_watchers_keeps_its_cursor() {
    let limits = Limits { deliveries_per_turn: 1, ..Limits::default() };
    let mut bench = Bench::new(limits, Keep::DEFAULT);
    let (watcher, mut poll, back_end) =
        (bench.connect(100_000), bench.connect(100_000), bench.connect(100_000));
    bench.get(&watcher, "/channels/a?transport=stream&presence=1", "");
    bench.turn();
    bench.get(&poll, "/channels/a?transport=poll", "");
    let others: Vec<Peer> = (0..9).map(|_| bench.connect(100_000)).collect();
    for other in &others {
        bench.get(other, "/channels/b?transport=stream", "");
    }
    bench.publish(&back_end, "/channels/b", "y");
    bench.turn();
    // That batch rests; the message and the new count get into the next one, in this order.
    bench.publish(&back_end, "/channels/a", "x");
    bench.pass_seconds(1);
    let text = bench.read(&mut poll);
    assert!(text.contains("\"data\":\"x\"") && !text.contains("\"0-0\""), "{text}");
}

#[test]
fn a_heartbeat_does_not_take_the_cursor_back_while_a_batch_rests() {
    let limits = Limits { deliveries_per_turn: 1, heartbeat_seconds: 2, ..Limits::default() };
    let mut bench = Bench::new(limits, Keep::DEFAULT);
    let back_end = bench.connect(1_000_000);
    let mut first = bench.connect(1_000_000);
    bench.get(&first, "/channels/a", SSE);
    let others: Vec<Peer> = (0..20).map(|_| bench.connect(1_000_000)).collect();
    for other in &others {
        bench.get(other, "/channels/a", SSE);
    }
    bench.publish(&back_end, "/channels/a", "x");
    bench.pass_seconds(4);
    first.wire.borrow_mut().take(usize::MAX, &mut first.got);
    let text = String::from_utf8(std::mem::take(&mut first.got)).unwrap();
    let ids: Vec<MessageId> = ids(&text).iter().map(|id| id.parse().unwrap()).collect();
    assert!(ids.len() >= 3 && ids.is_sorted(), "{text}");
}

#[test]
fn a_cursor_from_the_history_does_not_bring_its_message_again() {
    for transport in ["sse", "stream", "poll"] {
        let mut bench = Bench::plain();
        let (back_end, mut reader, mut listener) =
            (bench.connect(100_000), bench.connect(100_000), bench.connect(100_000));
        bench.publish(&back_end, "/channels/a", "known");
        bench.get(&reader, "/channels/a", "");
        reader.wire.borrow_mut().take(usize::MAX, &mut reader.got);
        let text = String::from_utf8(std::mem::take(&mut reader.got)).unwrap();
        assert!(text.contains("known"));
        let tag = text.lines().find_map(|line| line.strip_prefix("ETag: \"")).unwrap();
        let since = tag.trim_end_matches('"').to_owned();
        // No batch has begun yet.
        bench.get(&listener, &format!("/channels/a?transport={transport}&since={since}"), "");
        let text = bench.read(&mut listener);
        assert!(!text.contains("known"), "{transport}: {text}");
        bench.publish(&back_end, "/channels/a", "new");
        assert!(bench.read(&mut listener).contains("new"), "{transport}");
    }
}

#[test]
fn nothing_is_called_lost_that_is_still_on_its_way() {
    let mut bench = Bench::new(Limits::default(), Keep { messages_max: 2, ..Keep::DEFAULT });
    let (back_end, mut listener) = (bench.connect(1_000_000), bench.connect(1_000_000));
    let start = format!("{}-{}", START.unix_second, START.unix_nanos);
    for n in 0..9 {
        bench.publish(&back_end, "/channels/a", &format!("m{n}"));
    }
    bench.get(&listener, &format!("/channels/a?since={start}"), SSE);
    let text = bench.read(&mut listener);
    assert!(!text.contains("encke:lost") && text.contains("m0") && text.contains("m8"), "{text}");
    let ids: Vec<MessageId> = ids(&text).iter().map(|id| id.parse().unwrap()).collect();
    assert!(ids.is_sorted(), "{text}");
}

#[test]
fn an_answer_to_a_poll_that_gave_up_is_not_taken_for_the_next_one() {
    let mut bench = Bench::plain();
    let mut peer = bench.connect(100_000);
    bench.gate.replace(false);
    let start = format!("{}-{}", START.unix_second, START.unix_nanos);
    bench.get(&peer, &format!("/channels/a?transport=poll&wait=1&since={start}"), "");
    bench.pass_seconds(3);
    let text = bench.read(&mut peer);
    assert!(text.contains("304") && text.contains(&start), "it has seen nothing new: {text}");
    bench.publish(&peer, "/channels/a", "x");
    bench.gate.replace(true);
    let text = bench.read(&mut peer);
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("subscribers"), "{text}");
}

#[test]
fn a_request_is_not_given_up_while_the_engine_thinks() {
    let mut bench = Bench::plain();
    let mut peer = bench.connect(100_000);
    bench.gate.replace(false);
    bench.get(&peer, "/channels/a", "");
    bench.pass_seconds(100);
    assert_eq!(bench.read(&mut peer), "");
    bench.gate.replace(true);
    assert!(bench.read(&mut peer).starts_with("HTTP/1.1 200"));
}

#[test]
fn refused_iframes_do_not_use_callback_names_up() {
    let limits = Limits { channels_max: 0, callbacks_max: 2, ..Limits::default() };
    let mut bench = Bench::new(limits, Keep::DEFAULT);
    let mut peer = bench.connect(100_000);
    for callback in ["a", "b", "c", "d"] {
        bench.get(&peer, &format!("/channels/x?transport=iframe&callback={callback}"), "");
        let text = bench.read(&mut peer);
        assert!(text.contains("too many channels"), "{callback}: {text}");
    }
}

#[test]
fn a_connection_that_breaks_during_pipelined_answers_is_just_gone() {
    let mut bench = Bench::plain();
    let peer = bench.connect(1_000_000);
    let page = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(8);
    let stream = "GET /channels/a?transport=stream HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut bytes = (page + stream).into_bytes().into();
    peer.wire.borrow_mut().arrive(&mut bytes, usize::MAX);
    // What was sent arrived; the answers cannot be written any more.
    peer.wire.borrow_mut().reset(true);
    bench.tell(&peer);
    bench.turn();
    assert_eq!(bench.server.connections(), 0);
}

#[test]
fn a_heartbeat_before_a_slow_past_does_not_skip_it() {
    let limits = Limits { heartbeat_seconds: 2, ..Limits::default() };
    let mut bench = Bench::new(limits, Keep::DEFAULT);
    let (back_end, mut listener) = (bench.connect(100_000), bench.connect(100_000));
    bench.publish(&back_end, "/channels/a", "x");
    bench.turn();
    let start = format!("{}-{}", START.unix_second, START.unix_nanos);
    bench.gate.replace(false);
    bench.get(&listener, &format!("/channels/a?since={start}"), SSE);
    bench.pass_seconds(7);
    let text = bench.read(&mut listener);
    let ids = ids(&text);
    assert!(ids.len() >= 2 && ids.iter().all(|id| *id == start), "{text}");
    bench.gate.replace(true);
    assert!(bench.read(&mut listener).contains("data: x"));
}

#[test]
fn a_pong_that_nobody_reads_is_no_silence() {
    let mut bench = Bench::plain();
    let peer = bench.connect(100_000);
    bench.get(&peer, "/channels/a", UPGRADE);
    bench.gate.replace(false);
    let mut bytes = client_frame(0x81, [0; 4], b"to be published").into();
    peer.wire.borrow_mut().arrive(&mut bytes, usize::MAX);
    bench.tell(&peer);
    bench.pass_seconds(30);
    // The ping has come, and is answered while the engine still thinks.
    let mut bytes = client_frame(0x8a, [0; 4], b"").into();
    peer.wire.borrow_mut().arrive(&mut bytes, usize::MAX);
    bench.tell(&peer);
    bench.pass_seconds(60);
    assert_eq!(bench.server.connections(), 1);
    bench.gate.replace(true);
    bench.pass_seconds(200);
    assert_eq!(bench.server.connections(), 0, "but now it is silent");
}

#[test]
fn watchers_are_not_left_with_a_count_that_was_true_only_for_a_moment() {
    let mut bench = Bench::plain();
    let (mut watcher, other) = (bench.connect(100_000), bench.connect(100_000));
    bench.get(&watcher, "/channels/a?transport=stream&presence=1", "");
    bench.pass_seconds(2);
    bench.get(&other, "/channels/a?transport=stream", "");
    bench.gate.replace(false);
    bench.pass_seconds(2);
    // Two were counted; now one goes before the engine has answered, and comes back.
    other.wire.borrow_mut().reset(false);
    bench.tell(&other);
    bench.gate.replace(true);
    let (somebody, other) = (bench.connect(100_000), bench.connect(100_000));
    bench.get(&somebody, "/channels/a", "");
    bench.get(&other, "/channels/a?transport=stream", "");
    bench.pass_seconds(3);
    let text = bench.read(&mut watcher);
    let last = text.lines().rfind(|line| line.contains("encke:presence")).unwrap();
    assert!(last.contains("\"count\":2"), "{text}");
}

#[test]
fn a_reload_amid_a_batch_ends_the_removed_tenant_and_nobody_else() {
    let limits = Limits { deliveries_per_turn: 1, ..Limits::default() };
    let mut bench = Bench::new(limits.clone(), Keep::DEFAULT);
    let reload = |bench: &mut Bench, name: &str| {
        let further = Tenant { name: name.into(), ..Tenant::default() };
        let tenants = vec![Tenant::default(), further];
        let settings = Settings { limits: limits.clone(), tenants, ..Settings::default() };
        bench.server.reload(settings, EngineLimits::default(), bench.now).expect("few tenants");
        bench.server.verify();
    };
    reload(&mut bench, "shop");
    let back_end = bench.connect(100_000);
    let listen = |bench: &mut Bench, target: &str| {
        let peer = bench.connect(100_000);
        bench.get(&peer, target, SSE);
        peer
    };
    let mut stay: Vec<Peer> = (0..3).map(|_| listen(&mut bench, "/channels/a")).collect();
    let mut go: Vec<Peer> = (0..3).map(|_| listen(&mut bench, "/shop/channels/a")).collect();
    bench.turn();
    bench.publish(&back_end, "/channels/a", "for all who stay");
    bench.publish(&back_end, "/shop/channels/a", "for all who go");
    bench.turn();
    reload(&mut bench, "blog");
    let mut new = listen(&mut bench, "/blog/channels/a");
    bench.publish(&back_end, "/blog/channels/a", "for the new one");
    for peer in &mut stay {
        let text = bench.read(peer);
        assert_eq!(text.matches("data: for ").count(), 1, "{text}");
        assert!(text.contains("for all who stay"), "{text}");
    }
    let text = bench.read(&mut new);
    assert!(text.contains("for the new one") && !text.contains("for all"), "{text}");
    for peer in &mut go {
        let text = bench.read(peer);
        assert!(!text.contains("who stay") && !text.contains("new one"), "{text}");
        assert!(bench.server.holdings().memberships == 4, "they listen no more");
    }
    bench.pass_seconds(30);
    assert_eq!(bench.server.connections(), 5, "three that stay, a new one, the back end");
}
