//! Who comes when there is no place: taken into the lobby only to be told so, in the words of what was asked.
//!
//! | asked | told |
//! |---|---|
//! | an event stream | 200, `retry:` with a time by chance, and the end: anything else ends an EventSource for ever |
//! | anything else, or half of it | 503 with `Retry-After` |
//! | nothing | nothing, and the end: what answers nothing would be taken for the answer to what is on its way |
//!
//! The lobby has few places, for as long as a request's head may take. Whoever finds it full is told at the
//! door: if the request is there already in the same words, else that of an ordinary one. So are requests
//! on connections that have a place, when there is no memory for what they ask.

use super::conn::{Format, Phase};
use super::disconnect::Disconnect;
use super::respond::{Reply, write_origin};
use super::route::{self, Route};
use super::socket::Socket;
use super::{Listener, Server};
use crate::dialects::NATIVE;
use crate::dialects::native::{Request, error_data};
use crate::hub::delivery::Transport;
use crate::proto::http1::{self, HeaderSpace, Version};
use crate::transports::event_stream;

/// Places beyond those for clients. The descriptors that are set aside have room for them.
const PLACES: usize = 16;
/// When to try again: at the earliest, and after how much more at the latest.
const AGAIN_MS: u64 = 5_000;
const SPREAD_MS: u64 = 25_000;

/// What the connections of the lobby have in place of a format, for as long as they last.
pub(super) const LOBBY: Format = Format::new(NATIVE, Transport::WebSocket, u16::MAX);

/// What somebody is told who cannot be served now.
struct Words<'a> {
    date: [u8; 29],
    reply: &'a Reply,
    /// It is an EventSource.
    is_stream: bool,
    again_ms: u64,
    explain: &'static str,
}

impl Words<'_> {
    fn status(&self) -> u16 {
        if self.is_stream { 200 } else { 503 }
    }

    /// Returns the bytes of the body.
    fn write(&self, out: &mut Vec<u8>) -> usize {
        http1::write_status(out, self.status());
        http1::write_header(out, "Date", &self.date);
        if !self.reply.keep_alive {
            http1::write_header(out, "Connection", b"close");
        }
        http1::write_header(out, "Cache-Control", b"no-store");
        write_origin(self.reply, out);
        let mut body = Vec::new();
        if self.is_stream {
            event_stream::headers(out);
            event_stream::preamble(self.again_ms, &mut body);
        } else {
            http1::write_header(out, "Content-Type", b"application/json");
            out.extend_from_slice(b"Retry-After: ");
            http1::write_number(out, self.again_ms.div_ceil(1_000));
            out.extend_from_slice(b"\r\n");
            body.extend_from_slice(error_data(self.explain).as_bytes());
            body.push(b'\n');
        }
        out.extend_from_slice(b"Content-Length: ");
        http1::write_number(out, body.len() as u64);
        out.extend_from_slice(b"\r\n\r\n");
        if self.reply.head_only {
            return 0;
        }
        out.extend_from_slice(&body);
        body.len()
    }
}

impl<S: Socket> Server<S> {
    /// Whether all places are taken.
    pub(super) fn is_full(&self) -> bool {
        self.connections.len() - self.lobby >= self.settings.limits.connections_max
    }

    /// Whether somebody for whom there is no place may wait in the lobby until it has said what it wants. TLS
    /// says what an EventSource understands without being asked.
    pub(super) fn has_lobby_for(&self, listener: Listener) -> bool {
        let most = self.settings.limits.connections_max + PLACES;
        listener == Listener::Http && self.lobby < PLACES && self.connections.len() < most
    }

    /// Tells a request that there is no place for it now, and when to try again.
    pub(super) fn send_away(&mut self, slot: u32, mut reply: Reply, is_stream: bool) {
        let is_in_lobby = self.connections.get(slot).phase == Phase::Lobby;
        reply.keep_alive &= !is_stream && !is_in_lobby && reply.version != Version::Http10;
        let mut bytes = Vec::new();
        let words = self.words(&reply, is_stream);
        let status = words.status();
        let body_bytes = words.write(&mut bytes);
        self.note_response(slot, status);
        self.out(slot).extend_from_slice(&bytes);
        self.log_answer(slot, status, body_bytes);
        match reply.keep_alive {
            true => self.after_response(slot, &reply),
            false => self.finish(slot, Disconnect::Unavailable),
        }
    }

    fn words<'a>(&mut self, reply: &'a Reply, is_stream: bool) -> Words<'a> {
        let mut random = [0; 8];
        self.random.fill(&mut random);
        let again_ms = AGAIN_MS + u64::from_be_bytes(random) % (SPREAD_MS + 1);
        let explain = match self.ceiling.is_short() {
            true => "there is no memory left for this: try again later",
            false => "all places are taken: try again later",
        };
        Words { date: self.date(), reply, is_stream, again_ms, explain }
    }

    /// Answers a connection that there is no place for, not even in the lobby, as well as one read and one
    /// write can.
    pub(super) fn tell_at_the_door(&mut self, socket: &mut S) -> Vec<u8> {
        let mut buffer = std::mem::take(&mut self.read_buffer);
        // Nothing, or an error: then nothing is known of it.
        let count = socket.read(&mut buffer).unwrap_or(0);
        let (reply, is_stream) = self.asked(&mut buffer[..count]);
        self.read_buffer = buffer;
        let mut bytes = Vec::new();
        self.words(&reply, is_stream).write(&mut bytes);
        bytes
    }

    /// Whether these bytes ask for an event stream that there would be, and how to answer.
    fn asked(&self, bytes: &mut [u8]) -> (Reply, bool) {
        let mut space = HeaderSpace::new();
        let head = http1::parse_head(bytes, &mut space, &self.settings.limits.http());
        let Ok(Some((head, _))) = head else { return (Reply::last(), false) };
        match route::admit(&head, &self.settings, self.now.unix_second) {
            Ok(admitted) => {
                let is_stream = wants_events(&admitted.route, &head);
                (Reply { keep_alive: false, ..Reply::to(&head, admitted.origin) }, is_stream)
            }
            Err(_) => (Reply::last(), false),
        }
    }
}

/// Whether a request makes something that stays.
pub(super) fn begins_to_stay(route: &Route) -> bool {
    matches!(
        route,
        Route::Native(Request::Subscribe(_))
            | Route::Echo { .. }
            | Route::Comet(_)
            | Route::DashboardEvents
    )
}

/// Whether it is an EventSource that asks.
pub(super) fn wants_events(route: &Route, head: &http1::Head<'_>) -> bool {
    match route {
        Route::Native(Request::Subscribe(wish)) => wish.transport == Transport::EventStream,
        Route::Comet(hello) => super::comet::transport(head, hello) == Transport::EventStream,
        _ => false,
    }
}
