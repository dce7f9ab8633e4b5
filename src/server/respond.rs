//! Answers to HTTP requests.

use std::borrow::Cow;

use super::Server;
use super::conn::{Flags, Phase};
use super::deadlines::Tick;
use super::disconnect::Disconnect;
use super::recent::Wrong;
use super::route::Rejected;
use super::socket::Socket;
use crate::dialects::native::{self, Refusal};
use crate::proto::http1::{self, Head, Method, Version};

/// What must be known of a request to answer it, now or later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub version: Version,
    pub keep_alive: bool,
    /// The request was HEAD: everything but the body.
    pub head_only: bool,
    /// The page's origin, to be named in the answer.
    pub origin: Option<Box<str>>,
}

impl Reply {
    pub fn to(head: &Head<'_>, origin: Option<Box<str>>) -> Reply {
        Reply {
            version: head.version,
            keep_alive: head.keep_alive,
            head_only: head.method == Method::Head,
            origin,
        }
    }

    /// An answer after which the connection ends, whatever was asked.
    pub fn last() -> Reply {
        Reply { version: Version::Http11, keep_alive: false, head_only: false, origin: None }
    }
}

/// A response with a body of known length.
pub(crate) struct Response<'a> {
    pub status: u16,
    pub content_type: &'static str,
    pub cache_control: &'static [u8],
    /// Further headers, written as they are.
    pub headers: Vec<(&'static str, Cow<'a, [u8]>)>,
    pub body: Cow<'a, [u8]>,
}

/// What the server says is of this moment.
const NO_STORE: &[u8] = b"no-store";
/// A proxy that compressed a stream would hold its messages back (RFC 9111 §5.2.2.6).
const ENDLESS: &[u8] = b"no-store, no-transform";

impl<'a> Response<'a> {
    pub fn json(status: u16, body: impl Into<Cow<'a, [u8]>>) -> Response<'a> {
        let content_type = "application/json";
        Response { content_type, body: body.into(), ..Response::empty(status) }
    }

    pub fn empty(status: u16) -> Response<'a> {
        let (headers, body) = (Vec::new(), Cow::Borrowed(&b""[..]));
        Response { status, content_type: "", cache_control: NO_STORE, headers, body }
    }

    pub fn error(status: u16, explain: &str) -> Response<'a> {
        Response::json(status, format!("{}\n", native::error_data(explain)).into_bytes())
    }

    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'a, [u8]>>) -> Response<'a> {
        self.headers.push((name, value.into()));
        self
    }
}

impl<S: Socket> Server<S> {
    /// Answers, and ends the connection if that was the wish.
    pub(super) fn respond(&mut self, slot: u32, reply: &Reply, response: Response<'_>) {
        let body_bytes = response.body.len() as u64;
        self.begin_cached_head(slot, reply, response.status, response.cache_control);
        let out = self.out(slot);
        if !response.content_type.is_empty() {
            http1::write_header(out, "Content-Type", response.content_type.as_bytes());
        }
        // RFC 9110 §8.6, §15.4.5: neither 204 nor 304 has a body to give the length of.
        if !matches!(response.status, 204 | 304) {
            out.extend_from_slice(b"Content-Length: ");
            http1::write_number(out, body_bytes);
            out.extend_from_slice(b"\r\n");
        }
        for (name, value) in &response.headers {
            http1::write_header(out, name, value);
        }
        out.extend_from_slice(b"\r\n");
        if !reply.head_only {
            out.extend_from_slice(&response.body);
        }
        let body_bytes = if reply.head_only { 0 } else { response.body.len() };
        self.log_answer(slot, response.status, body_bytes);
        self.after_response(slot, reply);
    }

    /// Status line and the headers of every response; more headers and an empty line must follow.
    pub(super) fn begin_head(&mut self, slot: u32, reply: &Reply, status: u16) {
        self.begin_cached_head(slot, reply, status, NO_STORE);
    }

    /// The same of a response that has no end.
    pub(super) fn begin_endless_head(&mut self, slot: u32, reply: &Reply) {
        self.begin_cached_head(slot, reply, 200, ENDLESS);
    }

    fn begin_cached_head(&mut self, slot: u32, reply: &Reply, status: u16, cache_control: &[u8]) {
        self.note_response(slot, status);
        let date = self.date();
        let out = self.out(slot);
        http1::write_status(out, status);
        http1::write_header(out, "Date", &date);
        match (reply.keep_alive, reply.version) {
            (false, _) => http1::write_header(out, "Connection", b"close"),
            (true, Version::Http10) => http1::write_header(out, "Connection", b"keep-alive"),
            (true, Version::Http11) => {}
        }
        http1::write_header(out, "Cache-Control", cache_control);
        write_origin(reply, out);
    }

    /// A response begins.
    pub(super) fn note_response(&mut self, slot: u32, status: u16) {
        self.metrics.responses.add(status);
        if status >= 400 {
            self.note(slot, Wrong::Http(status));
        }
    }

    /// The connection is ready for the next request, or ends.
    pub(super) fn after_response(&mut self, slot: u32, reply: &Reply) {
        if !reply.keep_alive {
            return self.finish(slot, Disconnect::Finished);
        }
        let deadline = Tick::after(self.now, self.settings.limits.keep_alive_seconds);
        let conn = self.connections.get_mut(slot);
        debug_assert_eq!(conn.phase, Phase::Http);
        conn.deadline = deadline;
        conn.flags.clear(Flags::ASKING);
        self.has_been_answered(slot);
    }

    /// Refuses a request in the words of HTTP.
    pub(super) fn refuse(&mut self, slot: u32, reply: &Reply, refusal: Refusal) {
        let mut response = Response::error(refusal.status, &refusal.explain);
        if let Some(allow) = refusal.allow {
            response = response.with("Allow", allow.as_bytes());
        }
        if refusal.status == 401 {
            // RFC 9110 §11.6.1.
            response = response.with("WWW-Authenticate", &b"Bearer realm=\"encke\""[..]);
        }
        if matches!(refusal.status, 429 | 503) {
            response = response.with("Retry-After", &b"1"[..]);
        }
        self.respond(slot, reply, response);
    }

    /// Refuses a request that was not let in. Whatever body follows is not read.
    pub(super) fn reject(&mut self, slot: u32, head: &Head<'_>, rejected: Rejected) {
        let mut reply = Reply::to(head, rejected.origin);
        let is_in_lobby = self.connections.get(slot).phase == Phase::Lobby;
        reply.keep_alive &= head.body.is_empty() && !is_in_lobby;
        self.refuse(slot, &reply, rejected.refusal);
    }

    /// The `Date` of this second.
    pub(super) fn date(&mut self) -> [u8; 29] {
        if self.date.0 != self.now.unix_second {
            let mut text = Vec::with_capacity(29);
            http1::write_date(&mut text, self.now.unix_second);
            self.date.0 = self.now.unix_second;
            self.date.1.copy_from_slice(&text[..29]);
        }
        self.date.1
    }
}

/// Fetch standard, "CORS protocol": the origin is named, never `*`, because answers differ by it.
pub(super) fn write_origin(reply: &Reply, out: &mut Vec<u8>) {
    if let Some(origin) = &reply.origin {
        http1::write_header(out, "Access-Control-Allow-Origin", origin.as_bytes());
        http1::write_header(out, "Access-Control-Expose-Headers", b"ETag");
        http1::write_header(out, "Vary", b"Origin");
    }
}

/// OPTIONS: what is allowed here, for people and for a browser's preflight.
pub(super) fn options(reply: &Reply, allow: &'static str) -> Response<'static> {
    let response = Response::empty(204).with("Allow", allow.as_bytes());
    if reply.origin.is_none() {
        return response;
    }
    response
        .with("Access-Control-Allow-Methods", allow.as_bytes())
        .with("Access-Control-Allow-Headers", ALLOWED_HEADERS)
        .with("Access-Control-Max-Age", &b"600"[..])
        // Private Network Access: a page of the Internet asks before it speaks to a private address.
        .with("Access-Control-Allow-Private-Network", &b"true"[..])
}

const ALLOWED_HEADERS: &[u8] =
    b"Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer";
