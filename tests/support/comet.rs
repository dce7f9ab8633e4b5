//! A page with CometServerApi.js, as the wire sees it: what it sends is written by hand, and every
//! frame that reaches it is checked for what would break the real script.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::http::Http;
use crate::websocket::{UPGRADE, frame, read_frame};

/// Top-level keys that the scripts know, or ignore safely. `jscode`, for one, they would run.
const KEYS: [&str; 15] = [
    "_info",
    "api_data",
    "authorized",
    "data",
    "error",
    "event",
    "event_name",
    "fromQueue",
    "history",
    "marker",
    "message_send_time",
    "pipe",
    "server",
    "user_id",
    "uuid",
];

/// Whose script reads the frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Script {
    /// CppComet's before version 4.
    Old,
    /// CppComet's from then on.
    New,
    /// The server's own, which is shown where it stands.
    Ours,
}

impl Script {
    /// By the `&v=4.08` of a URL; what is no version is old.
    fn of(target: &str) -> Script {
        let version = target.split("&v=").nth(1).and_then(|rest| rest.split('&').next());
        let parts = version.and_then(|version| version.split_once('.'));
        let number = |text: &str| text.parse::<u32>().ok();
        let both = parts.and_then(|(major, minor)| number(major).zip(number(minor)));
        match both {
            Some((4.., _)) if target.contains("&api=encke") => Script::Ours,
            Some((4.., _)) => Script::New,
            _ => Script::Old,
        }
    }
}

/// What stands in the URL: who the page says it is.
#[derive(Clone, Debug)]
pub struct Page {
    pub prefix: &'static str,
    pub key: String,
    pub user: String,
    pub dev: String,
    pub version: String,
    pub uuid: String,
}

impl Page {
    /// What 4.08 sends when it was told nothing.
    pub fn anonymous() -> Page {
        Page {
            prefix: "/ws/",
            key: "undefined".into(),
            user: "undefined".into(),
            dev: "1".into(),
            version: "4.08".into(),
            uuid: "u".repeat(32),
        }
    }

    /// What 3.25 sends when it was told nothing.
    pub fn old() -> Page {
        Page {
            key: "null".into(),
            user: "null".into(),
            version: "3.25".into(),
            ..Page::anonymous()
        }
    }

    /// The same page of this user.
    pub fn of(self, user: u32, key: impl Into<String>) -> Page {
        Page { key: key.into(), user: user.to_string(), ..self }
    }

    /// The same page for this developer.
    pub fn dev(self, dev: u32) -> Page {
        Page { dev: dev.to_string(), ..self }
    }

    /// The same page in another browser: its id is this letter 32 times.
    pub fn in_browser(self, letter: char) -> Page {
        Page { uuid: letter.to_string().repeat(32), ..self }
    }

    pub fn target(&self) -> String {
        let Page { prefix, key, user, dev, version, uuid } = self;
        format!("{prefix}sesion={key}&myid={user}&devid={dev}&v={version}&uuid={uuid}&api=js")
    }

    /// Connects, and reads who the server thinks it is.
    #[track_caller]
    pub fn open(&self, address: SocketAddr) -> Session {
        let mut session = Session::upgrade(address, &self.target());
        session.info = session.next();
        assert_eq!(session.info["event"], "serverInfo", "the first frame: {}", session.info);
        session
    }

    /// The same, and it must be let in as its user.
    #[cfg_attr(not(feature = "cometql"), allow(dead_code))]
    #[track_caller]
    pub fn authorized(&self, address: SocketAddr) -> Session {
        let session = self.open(address);
        assert!(session.is_authorized(), "{self:?}: {}", session.info);
        session
    }
}

/// One WebSocket of a page.
pub struct Session {
    http: Http,
    script: Script,
    /// The first frame.
    pub info: Value,
}

impl Session {
    /// Connects to a URL, and reads nothing but the head of the answer.
    #[track_caller]
    pub fn upgrade(address: SocketAddr, target: &str) -> Session {
        Session::after(crate::websocket::upgrade(address, target), target)
    }

    /// Connects with headers of its own; the status if it was not let in.
    pub fn try_upgrade(
        address: SocketAddr,
        target: &str,
        headers: &[&str],
    ) -> Result<Session, u16> {
        let mut http = Http::connect(address);
        http.ask(&format!("GET {target}"), &[headers, &UPGRADE].concat());
        match http.head().status {
            101 => Ok(Session::after(http, target)),
            status => Err(status),
        }
    }

    /// A connection that was upgraded already.
    pub fn after(http: Http, target: &str) -> Session {
        Session { http, script: Script::of(target), info: Value::Null }
    }

    pub fn is_authorized(&self) -> bool {
        self.info["authorized"] == "true"
    }

    /// Sends one command: lines in one text frame.
    pub fn command(&mut self, text: impl AsRef<[u8]>) {
        self.send(frame(0x81, text.as_ref()));
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.http.send(bytes);
    }

    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.http.try_send(bytes)
    }

    /// The next frame's text.
    #[track_caller]
    pub fn next_text(&mut self) -> String {
        loop {
            let (first, payload) = self.next_frame();
            match first {
                0x81 => return String::from_utf8(payload).expect("a text frame is UTF-8"),
                0x89 => self.send(frame(0x8a, &payload)),
                0x88 => panic!("a Close frame, after which no page ever comes back: {payload:?}"),
                _ => panic!("a frame that begins with {first:#x}: {payload:?}"),
            }
        }
    }

    /// The next frame of any kind: its first byte and its payload.
    pub fn next_frame(&mut self) -> (u8, Vec<u8>) {
        read_frame(&mut self.http)
    }

    /// The next frame, checked.
    #[track_caller]
    pub fn next(&mut self) -> Value {
        let text = self.next_text();
        check(&text, self.script)
    }

    /// The next frame without its time.
    #[track_caller]
    pub fn timeless(&mut self) -> Value {
        without_time(self.next())
    }

    /// The text of the error that must come next.
    #[track_caller]
    pub fn error(&mut self) -> String {
        let frame = self.next();
        assert_eq!((&frame["event"], &frame["pipe"]), (&json!("error"), &json!("sys")), "{frame}");
        let data = data_of(&frame);
        data["error"].as_str().unwrap_or_else(|| panic!("no text: {frame}")).to_owned()
    }

    /// Everything that was on its way has come: what that was.
    #[track_caller]
    pub fn settled(&mut self) -> Vec<Value> {
        let marker = marker();
        self.command(format!("pipe_count\nweb_nobody_is_here\n{marker}\n"));
        let mut seen = Vec::new();
        loop {
            let frame = self.next();
            if frame["marker"] == marker.as_str() {
                return seen;
            }
            seen.push(frame);
        }
    }

    /// Nothing was on its way.
    #[track_caller]
    pub fn quiet(&mut self) {
        let seen = self.settled();
        assert!(seen.is_empty(), "{seen:?}");
    }

    /// Says what it listens to, and waits until that holds. Nothing else may be on its way.
    #[track_caller]
    pub fn subscribe(&mut self, pipes: &[&str]) {
        self.command(format!("subscription\n{}", pipes.join("\n")));
        self.quiet();
    }

    /// `web_pipe_send(pipe, event, json)`: the report on it.
    #[track_caller]
    pub fn publish(&mut self, pipe: &str, event: &str, json: &str) -> Value {
        self.command(format!("web_pipe2\n{pipe}\n{event}\n*\n{json}"));
        let report = self.next();
        let name = format!("_answer_to_{}", pipe.trim_start_matches('@'));
        assert_eq!(report["pipe"], name, "{report}");
        report
    }

    /// `count_users_in_pipe(pipe)`.
    #[track_caller]
    pub fn count(&mut self, pipe: &str) -> u64 {
        let marker = marker();
        self.command(format!("pipe_count\n{pipe}\n{marker}\n"));
        let frame = self.next();
        assert_eq!(frame["marker"], marker.as_str(), "{frame}");
        data_of(&frame)["user_in_pipe"].as_u64().unwrap_or_else(|| panic!("no number: {frame}"))
    }

    /// `getTrackPipeUsers(pipe)`: user and browser of each.
    #[track_caller]
    pub fn members(&mut self, pipe: &str) -> Vec<(u64, String)> {
        let marker = marker();
        self.command(format!("track_pipe_users\n{pipe}\n{marker}"));
        let frame = self.next();
        assert_eq!(frame["marker"], marker.as_str(), "{frame}");
        let list = data_of(&frame);
        let member = |value: &Value| {
            let uuid = value["uuid"].as_str().expect("a browser's id").to_owned();
            (value["user_id"].as_u64().expect("a user's number"), uuid)
        };
        list.as_array().expect("a list").iter().map(member).collect()
    }

    /// `get_pipe_log(pipe)`: everything that comes of it.
    #[track_caller]
    pub fn log(&mut self, pipe: &str) -> Vec<Value> {
        self.command(format!("pipe_log\n{pipe}\n{}\n", marker()));
        self.settled()
    }

    /// `getUserData(user)`.
    #[track_caller]
    pub fn user_data(&mut self, user: u32) -> String {
        let marker = marker();
        self.command(format!("user_data\n{marker}\n{user}"));
        let frame = self.next();
        assert_eq!(frame["marker"], marker.as_str(), "{frame}");
        let data = data_of(&frame);
        assert_eq!(data["user_id"], user, "{frame}");
        data["user_data"].as_str().unwrap_or_else(|| panic!("no text: {frame}")).to_owned()
    }

    /// What comes until the connection ends, which it must without a Close frame: whoever gets one
    /// never reconnects. A frame that breaks off is not counted.
    #[track_caller]
    pub fn last_frames(&mut self) -> Vec<Value> {
        let rest = self.http.rest_or_reset();
        let mut frames = Vec::new();
        let mut at = 0;
        while let Some((first, payload, used)) = split_frame(&rest[at..]) {
            at += used;
            match first {
                0x81 => {
                    let text = std::str::from_utf8(payload).expect("a text frame is UTF-8");
                    frames.push(check(text, self.script));
                }
                0x89 => {}
                _ => panic!("a frame that begins with {first:#x} before the end: {payload:?}"),
            }
        }
        frames
    }

    /// The server has dropped it: no Close frame, and nothing before that either.
    #[track_caller]
    pub fn dropped(&mut self) {
        let frames = self.last_frames();
        assert!(frames.is_empty(), "{frames:?}");
    }

    /// The page closes it, as `socket.close()` does; what came before the end.
    #[track_caller]
    pub fn close(mut self) -> Vec<Value> {
        self.send(frame(0x88, b""));
        self.last_frames()
    }
}

/// One whole frame of the server's: first byte, payload, bytes used.
fn split_frame(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (length, start) = match *bytes.get(1)? {
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize, 10),
        126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        short => (usize::from(short), 2),
    };
    Some((bytes[0], bytes.get(start..start + length)?, start + length))
}

/// What must hold for every frame that a page gets.
#[track_caller]
pub fn check(text: &str, script: Script) -> Value {
    // The scripts split a frame at line breaks, and take a backslash away before each apostrophe.
    assert!(!text.contains(['\n', '\r', '\'']), "the script would not read this: {text}");
    let value: Value =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"));
    let object = value.as_object().unwrap_or_else(|| panic!("not an object: {text}"));
    for key in object.keys() {
        let is_known = KEYS.contains(&key.as_str())
            || script == Script::Ours && ["id", "msg"].contains(&key.as_str());
        assert!(is_known, "nobody knows the key {key}: {text}");
        let times = text.matches(&format!("\"{key}\":")).count();
        assert!(times <= count(&value, key), "{key} is there twice: {text}");
    }
    assert!(object.contains_key("data"), "without data it is ignored: {text}");
    assert!(object["pipe"].is_string() && object.contains_key("event"), "{text}");
    if let Some(time) = object.get("message_send_time") {
        let time = time.as_u64().unwrap_or_else(|| panic!("not a time: {text}"));
        assert!(now().abs_diff(time) < 120, "a time of long ago: {text}");
    }
    if script == Script::Old {
        assert_eq!(object.get("event_name"), object.get("event"), "{text}");
        assert_eq!(object.get("api_data"), Some(&json!("for major_version < 4")), "{text}");
        assert!(object["data"].is_string() || object["data"].is_number(), "{text}");
    } else {
        let is_old = object.contains_key("event_name") || object.contains_key("api_data");
        assert!(!is_old, "the form of old scripts for a new one: {text}");
    }
    value
}

/// How often a key stands in all of a value, as far as keys look like keys.
fn count(value: &Value, key: &str) -> usize {
    match value {
        Value::Object(object) => {
            object.iter().map(|(name, value)| usize::from(name == key) + count(value, key)).sum()
        }
        Value::Array(list) => list.iter().map(|value| count(value, key)).sum(),
        _ => 0,
    }
}

/// A frame's data as the script hands it to a callback: text that is JSON is read, but without the
/// backslash before an apostrophe, and if need be without any.
pub fn data_of(frame: &Value) -> Value {
    let Some(text) = frame["data"].as_str() else { return frame["data"].clone() };
    let stripped = strip_slashes(text);
    let read = |text: &str| serde_json::from_str(text).ok();
    read(&text.replace("\\'", "'")).or_else(|| read(&stripped)).unwrap_or(Value::String(stripped))
}

fn strip_slashes(text: &str) -> String {
    let mut stripped = String::new();
    let mut rest = text.chars();
    while let Some(char) = rest.next() {
        match char {
            '\\' => match rest.next() {
                Some('0') => stripped.push('\0'),
                Some(other) => stripped.push(other),
                None => {}
            },
            other => stripped.push(other),
        }
    }
    stripped
}

pub fn without_time(mut frame: Value) -> Value {
    frame.as_object_mut().expect("an object").remove("message_send_time");
    frame
}

/// Ten digits, another one each time.
pub fn marker() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1_000_000_007);
    NEXT.fetch_add(1, Ordering::Relaxed).to_string()
}

/// The Unix second.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}
