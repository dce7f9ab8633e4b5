//! Who finds no place and is let into the lobby, to be told just that: 503 and when to try again, or what an
//! EventSource takes for the same.

use std::ops::RangeInclusive;

use crate::decode::{Head, Part, Reader};

/// When to try again.
const AGAIN_SECONDS: RangeInclusive<u64> = 5..=30;

/// How long a request's head may take, and somebody may be silent.
pub const HEAD_MS: u64 = 10_000;

/// Requests that are wrong, wherever they are made, and what they are told.
const WRONG: [(&str, u16); 5] = [
    ("PUT ", 405),
    ("GET /channels/a%20b", 400),
    ("GET /channels/a/b/c", 404),
    ("GET /nothing", 404),
    ("GET /stats", 404),
];

/// Why somebody in the lobby may be told something else.
#[derive(Clone, Copy, Default)]
pub struct Else {
    /// Its key may be one of yesterday.
    pub was_rekeyed: bool,
    /// So much is on its way that heads have to wait.
    pub is_crowded: bool,
    pub is_draining: bool,
    /// The head of what it asked may not have come in time.
    pub is_late: bool,
}

/// A connection in the lobby: what was said there, and what was told.
pub struct Visit {
    said: Vec<u8>,
    reader: Reader,
    head: Option<Head>,
    body: Vec<u8>,
    is_told: bool,
    /// For so long it has been there.
    here_ms: u64,
}

impl Visit {
    pub fn new() -> Visit {
        let (said, body) = (Vec::new(), Vec::new());
        Visit { said, reader: Reader::new(), head: None, body, is_told: false, here_ms: 0 }
    }

    pub fn says(&mut self, bytes: &[u8]) {
        self.said.extend_from_slice(bytes);
    }

    pub fn pass(&mut self, ms: u64) {
        self.here_ms += ms;
    }

    /// Whether it is there so long that it may be told what whoever asks too slowly is told.
    pub fn is_long(&self) -> bool {
        self.here_ms >= HEAD_MS
    }

    /// Whether nothing was asked.
    pub fn is_silent(&self) -> bool {
        self.said.is_empty()
    }

    /// The head of the first request; empty if there is none that is whole.
    fn asked(&self) -> String {
        let end = self.said.windows(4).position(|four| four == b"\r\n\r\n");
        String::from_utf8_lossy(&self.said[..end.unwrap_or(0)]).into_owned()
    }

    /// Whether it has been told all.
    pub fn is_told(&self) -> bool {
        self.is_told
    }

    pub fn receive(&mut self, bytes: &[u8], or: Else) {
        assert!(!self.is_told, "all was said: {}", String::from_utf8_lossy(bytes));
        self.reader.push(bytes);
        let asked = self.asked();
        while let Some(part) = self.reader.next(asked.starts_with("HEAD ")) {
            match part {
                Part::Head(head, _) => self.head = Some(head),
                Part::Data(data) => self.body.extend_from_slice(&data),
                Part::End => {
                    self.is_told = true;
                    self.check(&asked, or);
                }
            }
        }
    }

    fn check(&self, asked: &str, or: Else) {
        let head = self.head.as_ref().expect("a head comes first");
        let about = || format!("{head:?} {} for {asked}", String::from_utf8_lossy(&self.body));
        assert_eq!(head.header("Connection"), Some("close"), "{}", about());
        let is_odd = match head.status {
            503 => or.is_draining || or.is_crowded || or.is_late,
            401 => or.was_rekeyed,
            _ => false,
        };
        if is_odd {
            return;
        }
        if let Some(status) = wrong(asked) {
            return assert_eq!(head.status, status, "{}", about());
        }
        assert_eq!(head.header("Cache-Control"), Some("no-store"), "{}", about());
        if is_stream(asked) {
            assert_eq!(head.status, 200, "{}", about());
            let is_stream = |kind: &str| kind.starts_with("text/event-stream");
            assert!(head.header("Content-Type").is_some_and(is_stream), "{}", about());
            let again = std::str::from_utf8(&self.body).ok().and_then(again_ms);
            let is_in_time = |ms: u64| {
                (1_000 * AGAIN_SECONDS.start()..=1_000 * AGAIN_SECONDS.end()).contains(&ms)
            };
            return assert!(again.is_some_and(is_in_time), "{}", about());
        }
        assert_eq!(head.status, 503, "{}", about());
        let again = head.header("Retry-After").and_then(|text| text.parse().ok());
        assert!(again.is_some_and(|seconds| AGAIN_SECONDS.contains(&seconds)), "{}", about());
    }
}

fn wrong(asked: &str) -> Option<u16> {
    let (path, is_shop) = match asked.replacen("/shop/", "/", 1) {
        path if path != asked => (path, true),
        path => (path, false),
    };
    let is_that = |(text, _): &&(&str, u16)| path.starts_with(text);
    let found = WRONG.iter().find(is_that).map(|&(_, status)| status);
    // The numbers are of the whole server: below a further tenant there are none.
    found.filter(|_| is_shop || !path.starts_with("GET /stats"))
}

/// Whether it is an EventSource that asks.
fn is_stream(asked: &str) -> bool {
    asked.contains("transport=sse") || asked.contains("Accept: text/event-stream")
}

/// The time in a stream that says nothing else.
fn again_ms(body: &str) -> Option<u64> {
    let (retry, rest) = body.split_once('\n')?;
    let is_silent = rest.lines().all(|line| line.is_empty() || line.starts_with(':'));
    retry.strip_prefix("retry: ")?.parse().ok().filter(|_| is_silent)
}
