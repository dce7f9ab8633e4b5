//! What is told of connections and requests: a line an event, each beginning with the connection's key
//! (slot and generation) and its peer.
//!
//! | target | level | a line for |
//! |---|---|---|
//! | `encke::connection` | debug | every connection: that it came, why and after how long it went |
//! | `encke::connection` | warn | a client too slow, a connection refused, a login that failed |
//! | `encke::memory` | warn | what was given up near the ceiling |
//! | `encke::access` | info | every request that was answered; a stream when it ends |
//! | `encke::wire` | trace | every unit of every protocol: `wire.rs` |
//!
//! What only a log wants to know (when a connection came, what it asked for) has no place in a slot: it
//! lives here, and only for connections that somebody reads about. Warnings are what strangers can
//! cause, so no more than [`LINES_PER_SECOND`] of a kind are written in a second, and then how many more
//! there were.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use log::Level;

use super::clients::CROWDED;
use super::conn::Phase;
use super::disconnect::Disconnect;
use super::output::Chunk;
use super::slab::Key;
use super::socket::Socket;
use super::{Listener, Server, wire};
use crate::dialects;
use crate::proto::annotate::websocket::Frames;
use crate::proto::http1::Head;
use crate::proto::url::shown_path;

const CONNECTION: &str = "encke::connection";
const ACCESS: &str = "encke::access";
const MEMORY: &str = "encke::memory";

/// Warnings of one kind that are written in one second.
const LINES_PER_SECOND: u32 = 5;

/// Everything that logs remember.
#[derive(Default)]
pub(crate) struct Logs {
    /// Connections that somebody reads about, by slot. Empty where nobody does.
    watched: HashMap<u32, Watched>,
    limiters: [Limiter; Warning::ALL.len()],
    /// Of the limiters some has lines to tell about.
    is_holding_back: bool,
}

/// A connection that somebody reads about.
pub(crate) struct Watched {
    peer: Peer,
    since_ms: u64,
    /// Bytes handed to it, whether its kernel took them already or not.
    sent: u64,
    request: Option<Request>,
    /// Of what the client sends, once it is a WebSocket.
    pub frames: Frames,
}

/// A request under way, or an endless response.
struct Request {
    method: &'static str,
    path: Box<str>,
    since_ms: u64,
    /// `Watched::sent` when it came.
    sent_before: u64,
    /// 0: not answered yet.
    status: u16,
    way: Way,
}

/// Who is at the other end. Sockets of the file system, and those already reset, have no address.
#[derive(Clone, Copy)]
enum Peer {
    Here(Option<SocketAddr>),
    /// Behind a proxy.
    There(IpAddr),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Here(Some(address)) => address.fmt(f),
            Peer::Here(None) => f.write_str("-"),
            Peer::There(address) => address.fmt(f),
        }
    }
}

/// How somebody speaks: dialect and transport, or the protocol alone where it has no dialects.
#[derive(Clone, Copy)]
struct Way(&'static str, &'static str);

const HTTP: Way = Way("", "http");
const COMETQL: Way = Way("", "cometql");

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let between = if self.0.is_empty() { "" } else { "/" };
        write!(f, "{}{between}{}", self.0, self.1)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

/// What a stranger can cause, and would fill a log with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Warning {
    Slow,
    Refused,
    Crowded,
    Login,
    Unwatchable,
    Memory,
}

impl Warning {
    const ALL: [Warning; 6] = [
        Warning::Slow,
        Warning::Refused,
        Warning::Crowded,
        Warning::Login,
        Warning::Unwatchable,
        Warning::Memory,
    ];

    /// How many there were beyond those that have a line.
    fn plural(self) -> &'static str {
        match self {
            Warning::Slow => "more clients were too slow and cut",
            Warning::Refused => "more connections refused: there is no place",
            Warning::Crowded => "more connections refused: too many from one address",
            Warning::Login => "more CometQL logins failed",
            Warning::Unwatchable => "more connections could not be watched",
            Warning::Memory => "more times something was given up near the ceiling of memory",
        }
    }
}

/// Lets a few lines a second through and counts the rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Limiter {
    second: u64,
    lines: u32,
    held_back: u64,
}

impl Limiter {
    /// Whether a line may be written now.
    fn admits(&mut self, second: u64) -> bool {
        if self.second != second {
            self.second = second;
            self.lines = 0;
        }
        self.lines += 1;
        let is_admitted = self.lines <= LINES_PER_SECOND;
        self.held_back += u64::from(!is_admitted);
        is_admitted
    }

    /// How many were held back in a second that is over, once.
    fn take_held_back(&mut self, second: u64) -> Option<u64> {
        let is_over = self.held_back > 0 && self.second != second;
        is_over.then(|| std::mem::take(&mut self.held_back))
    }
}

impl Logs {
    /// Whether anybody reads about any connection.
    #[inline(always)]
    pub fn is_watching(&self) -> bool {
        !self.watched.is_empty()
    }

    /// The slot is free.
    #[inline]
    pub fn forget(&mut self, slot: u32) {
        if !self.watched.is_empty() {
            self.watched.remove(&slot);
        }
    }

    pub fn watched(&mut self, slot: u32) -> Option<&mut Watched> {
        self.watched.get_mut(&slot)
    }

    /// Whether a second's end has something to tell.
    pub fn is_holding_back(&self) -> bool {
        self.is_holding_back
    }

    /// Gives back what a storm of connections needed.
    pub fn shrink(&mut self) {
        if self.watched.capacity() > 4 * self.watched.len() {
            self.watched.shrink_to(2 * self.watched.len());
        }
    }

    /// Tells how many warnings had no line of their own in a second that is over.
    #[inline]
    pub fn tell_held_back(&mut self, now_ms: u64) {
        if self.is_holding_back {
            self.tell_of_seconds_before(now_ms);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_of_seconds_before(&mut self, now_ms: u64) {
        for (limiter, warning) in self.limiters.iter_mut().zip(Warning::ALL) {
            if let Some(count) = limiter.take_held_back(now_ms / 1000) {
                log::warn!(target: CONNECTION, "{count} {}", warning.plural());
            }
        }
        self.is_holding_back = self.limiters.iter().any(|limiter| limiter.held_back > 0);
    }

    fn admits(&mut self, warning: Warning, now_ms: u64) -> bool {
        self.tell_held_back(now_ms);
        let is_admitted = self.limiters[warning as usize].admits(now_ms / 1000);
        self.is_holding_back |= !is_admitted;
        is_admitted
    }
}

impl<S: Socket> Server<S> {
    /// A connection has a slot.
    pub(super) fn log_begin(&mut self, slot: u32) {
        let is_debug = log::log_enabled!(target: CONNECTION, Level::Debug);
        if !is_debug && !wire::is_on() && !log::log_enabled!(target: ACCESS, Level::Info) {
            return;
        }
        let conn = self.connections.get(slot);
        let (key, peer) = (conn.key(slot), self.peer(slot));
        let watched = Watched {
            peer,
            since_ms: self.now.ms,
            sent: 0,
            request: None,
            frames: Frames::default(),
        };
        self.logs.watched.insert(slot, watched);
        log::debug!(target: CONNECTION, "{key} {peer} {}: connected", self.way(slot));
        self.wire_note(slot, format_args!("connected from {peer}"));
    }

    /// A connection ends, or is told to.
    #[inline(never)]
    pub(super) fn log_end(&mut self, slot: u32, why: Disconnect) {
        if why == Disconnect::Slow {
            let waiting = self.waiting_bytes(slot);
            let text = format_args!("cut, too slow: {waiting} bytes were waiting for it");
            self.warn(Warning::Slow, slot, text);
        }
        let client = self.clients.named(slot).map(Peer::There);
        let Some(watched) = self.logs.watched.get_mut(&slot) else { return };
        let peer = client.unwrap_or(watched.peer);
        let (sent, request) = (watched.sent, watched.request.take());
        let ms = self.now.ms.saturating_sub(watched.since_ms);
        let (key, name) = (self.connections.get(slot).key(slot), why.row().name);
        if let Some(request) = request {
            let bytes = sent - request.sent_before;
            write_access(key, peer, &request, bytes, self.now.ms);
        }
        let (seconds, ms) = (ms / 1_000, ms % 1_000);
        let way = self.way(slot);
        log::debug!(target: CONNECTION, "{key} {peer} {way}: ended, {name}, after {seconds}.{ms:03} s");
        self.wire_note(slot, format_args!("ended, {name}"));
    }

    /// What became of its TLS.
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "nothing becomes of it"))]
    #[cold]
    #[inline(never)]
    pub(super) fn log_tls(&self, slot: u32, text: fmt::Arguments<'_>) {
        let (key, peer) = (self.connections.get(slot).key(slot), self.peer(slot));
        log::debug!(target: CONNECTION, "{key} {peer} {}: TLS, {text}", self.way(slot));
        self.wire_note(slot, format_args!("TLS, {text}"));
    }

    /// What became of a connection before its protocol began.
    #[inline(never)]
    pub(super) fn log_note(&self, slot: u32, text: fmt::Arguments<'_>) {
        if log::log_enabled!(target: CONNECTION, Level::Debug) {
            let (key, peer) = (self.connections.get(slot).key(slot), self.peer(slot));
            log::debug!(target: CONNECTION, "{key} {peer} {}: {text}", self.way(slot));
        }
    }

    /// A warning that names a connection; one of many only counts.
    pub(super) fn warn(&mut self, warning: Warning, slot: u32, text: fmt::Arguments<'_>) {
        if log::log_enabled!(target: CONNECTION, Level::Warn)
            && self.logs.admits(warning, self.now.ms)
        {
            let (key, peer) = (self.connections.get(slot).key(slot), self.peer(slot));
            log::warn!(target: CONNECTION, "{key} {peer} {}: {text}", self.way(slot));
        }
    }

    /// Somebody came for whom there is no slot.
    pub(super) fn warn_refused(&mut self, socket: &S, listener: Listener, is_full: bool) {
        let warning = if is_full { Warning::Refused } else { Warning::Crowded };
        if log::log_enabled!(target: CONNECTION, Level::Warn)
            && self.logs.admits(warning, self.now.ms)
        {
            let most = self.settings.limits.connections_max;
            let why = match is_full {
                true if self.ceiling.is_short() => "there is no memory left for it".to_owned(),
                true => format!("all {most} places are taken"),
                false => CROWDED.to_owned(),
            };
            let peer = Peer::Here(socket.peer());
            let way = match listener {
                Listener::Http | Listener::Https => HTTP,
                Listener::CometQl => COMETQL,
            };
            log::warn!(target: CONNECTION, "- {peer} {way}: refused, {why}");
        }
    }

    /// Memory is near its ceiling, and something was given up for it.
    pub(super) fn warn_short(&mut self, readers: u64, messages: u64, is_refusing: bool) {
        if log::log_enabled!(target: MEMORY, Level::Warn)
            && self.logs.admits(Warning::Memory, self.now.ms)
        {
            let (used, most) = (self.ceiling.used(), self.ceiling.bytes().unwrap_or(0));
            let whether = if is_refusing { "who comes is refused" } else { "who comes is let in" };
            log::warn!(
                target: MEMORY,
                "{used} of {most} bytes are in use: {readers} readers were cut and {messages} \
                 messages forgotten; {whether}"
            );
        }
    }

    /// Bytes are handed to a connection, whether its kernel takes them at once or not.
    #[cold]
    #[inline(never)]
    pub(super) fn log_sent(&mut self, slot: u32, chunks: &[Chunk<'_>]) {
        let Some(watched) = self.logs.watched.get_mut(&slot) else { return };
        watched.sent += chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
        if wire::is_on() {
            self.wire_sent(slot, chunks);
        }
    }

    /// A request's head is there.
    #[inline]
    pub(super) fn log_request(&mut self, slot: u32, head: &Head<'_>) {
        if self.logs.is_watching() {
            self.note_request(slot, head);
        }
    }

    #[cold]
    #[inline(never)]
    fn note_request(&mut self, slot: u32, head: &Head<'_>) {
        let Some(watched) = self.logs.watched.get_mut(&slot) else { return };
        watched.request = Some(Request {
            method: head.method.as_str(),
            // The query may hold a token, so it stays out. A head's target is visible ASCII.
            path: String::from_utf8_lossy(&shown_path(head.path)).into(),
            since_ms: self.now.ms,
            sent_before: watched.sent,
            status: 0,
            way: HTTP,
        });
    }

    /// An endless response has begun (`status` 0: a poll is parked). Its line comes when it ends.
    pub(super) fn log_begun(&mut self, slot: u32, status: u16) {
        if !self.logs.is_watching() {
            return;
        }
        let way = self.way(slot);
        if let Some(watched) = self.logs.watched.get_mut(&slot)
            && let Some(request) = &mut watched.request
        {
            request.status = status;
            request.way = way;
        }
    }

    /// A response is complete; its body has so many bytes. Without a request it answers a bad head.
    #[inline]
    pub(super) fn log_answer(&mut self, slot: u32, status: u16, body_bytes: usize) {
        if self.logs.is_watching() {
            self.tell_answer(slot, status, body_bytes);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_answer(&mut self, slot: u32, status: u16, body_bytes: usize) {
        let client = self.clients.named(slot).map(Peer::There);
        let Some(watched) = self.logs.watched.get_mut(&slot) else { return };
        let peer = client.unwrap_or(watched.peer);
        let mut request = watched.request.take().unwrap_or_else(|| Request {
            method: "-",
            path: "-".into(),
            since_ms: self.now.ms,
            sent_before: 0,
            status,
            way: HTTP,
        });
        request.status = status;
        let key = self.connections.get(slot).key(slot);
        write_access(key, peer, &request, body_bytes as u64, self.now.ms);
    }

    /// Asks the kernel, unless it was asked before.
    fn peer(&self, slot: u32) -> Peer {
        if let Some(address) = self.clients.named(slot) {
            return Peer::There(address);
        }
        match self.logs.watched.get(&slot) {
            Some(watched) => watched.peer,
            None => Peer::Here(self.connections.get(slot).socket.as_ref().and_then(Socket::peer)),
        }
    }

    /// Dialect and transport.
    fn way(&self, slot: u32) -> Way {
        let conn = self.connections.get(slot);
        let dialect = dialects::name(conn.format.dialect);
        match conn.phase {
            Phase::Free | Phase::Http | Phase::Lobby => HTTP,
            Phase::MySql => COMETQL,
            Phase::Detached => Way(dialect, "session"),
            Phase::Closing => Way("", "closing"),
            Phase::Proxied => Way("", "proxied"),
            Phase::WebSocket | Phase::EventStream | Phase::Stream | Phase::LongPoll => {
                Way(dialect, conn.format.transport().name())
            }
        }
    }
}

/// `3.17 127.0.0.1:50312 GET /channels/news 200 51 B 4 ms native/sse`.
fn write_access(key: Key, peer: Peer, request: &Request, bytes: u64, now_ms: u64) {
    let Request { method, path, since_ms, status, way, .. } = request;
    let ms = now_ms.saturating_sub(*since_ms);
    log::info!(target: ACCESS, "{key} {peer} {method} {path} {status:03} {bytes} B {ms} ms {way}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_few_lines_and_a_number() {
        let mut limiter = Limiter::default();
        let admitted = (0..1000).filter(|_| limiter.admits(7)).count();
        assert_eq!(admitted, LINES_PER_SECOND as usize);
        assert_eq!(limiter.take_held_back(7), None, "the second is not over");
        assert_eq!(limiter.take_held_back(8), Some(1000 - u64::from(LINES_PER_SECOND)));
        assert_eq!(limiter.take_held_back(8), None, "it is told once");
        assert!(limiter.admits(8), "and then there is room again");
    }
}
