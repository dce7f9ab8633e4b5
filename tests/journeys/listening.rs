//! A subscriber on any wire form, so that one journey can be walked on all of them.

use std::collections::VecDeque;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tungstenite::Message;

use crate::http::{Http, get};
use crate::server::eventually;
use crate::websocket::Ws;

/// Every form in which messages leave the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wire {
    WsRaw,
    WsJson,
    WsSubprotocol,
    SseRaw,
    SseJson,
    Stream,
    /// Without chunks.
    StreamHttp10,
    Iframe,
    Poll,
    /// Only where every origin is allowed.
    Jsonp,
}

pub const WIRES: [Wire; 10] = [
    Wire::WsRaw,
    Wire::WsJson,
    Wire::WsSubprotocol,
    Wire::SseRaw,
    Wire::SseJson,
    Wire::Stream,
    Wire::StreamHttp10,
    Wire::Iframe,
    Wire::Poll,
    Wire::Jsonp,
];

/// What a subscriber hears. A raw form leaves out what it has no place for.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Item {
    pub id: Option<String>,
    pub channel: Option<String>,
    pub event: String,
    pub data: Value,
}

impl Item {
    fn of_json(object: &Value) -> Item {
        let text = |name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
        Item {
            id: text("id"),
            channel: text("channel"),
            event: text("event").unwrap_or_default(),
            data: object["data"].clone(),
        }
    }
}

enum Connection {
    Ws(Box<Ws>),
    Http(Http),
}

/// One subscriber.
pub struct Listening {
    wire: Wire,
    channels: String,
    connection: Connection,
    /// From where it would resume, as far as its wire tells.
    pub cursor: Option<String>,
    heard: VecDeque<Item>,
    /// A poll's request is on its way.
    is_parked: bool,
}

impl Listening {
    /// Subscribes; returns when the server has let it in (for a poll: when its request is sent).
    pub fn open(address: SocketAddr, wire: Wire, channels: &str, since: Option<&str>) -> Listening {
        let query = match wire {
            Wire::WsRaw | Wire::WsSubprotocol | Wire::SseRaw => "?v=1",
            Wire::WsJson | Wire::SseJson => "?format=json",
            Wire::Stream | Wire::StreamHttp10 => "?transport=stream",
            Wire::Iframe => "?transport=iframe&callback=app.got",
            Wire::Poll => "?transport=poll",
            Wire::Jsonp => "?transport=poll&callback=app.got",
        };
        let in_header = matches!(wire, Wire::SseRaw | Wire::SseJson | Wire::Poll);
        let since_in_query = since.filter(|_| !in_header);
        let since_in_query = since_in_query.map(|id| format!("&since={id}")).unwrap_or_default();
        let target = format!("/channels/{channels}{query}{since_in_query}");
        let connection = match wire {
            Wire::WsRaw | Wire::WsJson => Connection::Ws(Box::new(Ws::connect(address, &target))),
            Wire::WsSubprotocol => {
                let (ws, agreed) = Ws::with_protocol(address, &target, Some("encke.json"));
                assert_eq!(agreed.as_deref(), Some("encke.json"));
                Connection::Ws(Box::new(ws))
            }
            _ => Connection::Http(Http::connect(address)),
        };
        let mut listening = Listening {
            wire,
            channels: channels.to_owned(),
            connection,
            cursor: since.map(str::to_owned),
            heard: VecDeque::new(),
            is_parked: false,
        };
        listening.begin(&target);
        listening
    }

    fn begin(&mut self, target: &str) {
        let Connection::Http(http) = &mut self.connection else { return };
        match self.wire {
            Wire::SseRaw | Wire::SseJson => {
                let id = self.cursor.as_ref().map(|id| format!("Last-Event-ID: {id}"));
                let mut headers = vec!["Accept: text/event-stream"];
                headers.extend(id.as_deref());
                http.ask(&format!("GET {target}"), &headers);
                let head = http.head();
                assert_eq!(head.status, 200);
                assert_eq!(head.header("Content-Type"), Some("text/event-stream; charset=utf-8"));
                assert_eq!(http.line(), "retry: 2000");
            }
            Wire::Stream | Wire::Iframe => {
                http.ask(&format!("GET {target}"), &[]);
                assert_eq!(http.head().header("Transfer-Encoding"), Some("chunked"));
                if self.wire == Wire::Iframe {
                    assert!(http.chunk().len() >= 2048, "padding");
                }
            }
            Wire::StreamHttp10 => {
                http.send(format!("GET {target} HTTP/1.0\r\n\r\n"));
                let head = http.head();
                assert_eq!(head.header("Transfer-Encoding"), None);
                assert_eq!(head.header("Connection"), Some("close"));
            }
            _ => self.park(),
        }
    }

    fn park(&mut self) {
        let Connection::Http(http) = &mut self.connection else { return };
        let channels = &self.channels;
        match (self.wire, &self.cursor) {
            (Wire::Jsonp, cursor) => {
                let since = cursor.as_deref().unwrap_or_default();
                let query = format!("transport=poll&callback=app.got&since={since}");
                http.ask(&format!("GET /channels/{channels}?{query}"), &[]);
            }
            (_, cursor) => {
                let tag = cursor.as_ref().map(|cursor| format!("If-None-Match: \"{cursor}\""));
                let headers: Vec<&str> = tag.as_deref().into_iter().collect();
                http.ask(&format!("GET /channels/{channels}?transport=poll"), &headers);
            }
        }
        self.is_parked = true;
    }

    /// The next thing heard.
    pub fn next(&mut self) -> Item {
        while self.heard.is_empty() {
            match self.wire {
                Wire::WsRaw | Wire::WsJson | Wire::WsSubprotocol => self.read_frame(),
                Wire::SseRaw | Wire::SseJson => self.read_event(),
                Wire::Poll | Wire::Jsonp => self.read_answer(),
                _ => self.read_line(),
            }
        }
        let item = self.heard.pop_front().expect("just looked");
        if item.id.is_some() {
            self.cursor.clone_from(&item.id);
        }
        item
    }

    fn read_frame(&mut self) {
        let Connection::Ws(ws) = &mut self.connection else { return };
        let item = match ws.read() {
            Message::Text(text) if self.wire == Wire::WsRaw => {
                Item { data: text.as_str().into(), ..Item::default() }
            }
            Message::Text(text) => Item::of_json(&serde_json::from_str(&text).expect("JSON")),
            // Named as the forms without binary do, so that all can be compared.
            Message::Binary(bytes) => {
                Item { data: json!({"base64": STANDARD.encode(bytes)}), ..Item::default() }
            }
            Message::Close(Some(frame)) => {
                let code = u16::from(frame.code);
                Item { event: "closed".to_owned(), data: code.into(), ..Item::default() }
            }
            other => panic!("{other:?}"),
        };
        self.heard.push_back(item);
    }

    /// Lines up to an empty one; an event without data only moves the cursor (WHATWG HTML §9.2.6).
    fn read_event(&mut self) {
        let Connection::Http(http) = &mut self.connection else { return };
        let (mut id, mut event, mut data) = (None, String::new(), Vec::new());
        loop {
            let line = http.line();
            match line.split_once(": ").unwrap_or((line.as_str(), "")) {
                ("", _) => break,
                ("id", value) => id = Some(value.to_owned()),
                ("event", value) => event = value.to_owned(),
                ("data", value) => data.push(value.to_owned()),
                (":" | "retry", _) => {}
                other => panic!("not a field: {other:?}"),
            }
        }
        if id.is_some() {
            self.cursor.clone_from(&id);
        }
        if data.is_empty() {
            return;
        }
        let data = data.join("\n");
        let item = match self.wire {
            Wire::SseJson => {
                let item = Item::of_json(&serde_json::from_str(&data).expect("JSON"));
                assert_eq!(item.id, id, "both ids are one");
                item
            }
            _ => {
                let is_object = event == "encke:lost" || data.starts_with("{\"base64\"");
                let data = match is_object {
                    true => serde_json::from_str(&data).expect("JSON"),
                    false => data.into(),
                };
                Item { id, channel: None, event, data }
            }
        };
        self.heard.push_back(item);
    }

    fn read_line(&mut self) {
        let Connection::Http(http) = &mut self.connection else { return };
        let line = match self.wire {
            Wire::StreamHttp10 => http.line(),
            _ => String::from_utf8(http.chunk()).expect("text"),
        };
        let json = match self.wire {
            Wire::Iframe => {
                let script = line.strip_prefix("<script>app.got(").expect("a script");
                let json = script.strip_suffix(");</script>\n").expect("a whole script");
                assert!(!json.contains('<'), "{json}");
                json
            }
            _ => line.trim_end_matches('\n'),
        };
        if !json.is_empty() {
            self.heard.push_back(Item::of_json(&serde_json::from_str(json).expect("JSON")));
        }
    }

    fn read_answer(&mut self) {
        if !std::mem::take(&mut self.is_parked) {
            self.park();
            self.is_parked = false;
        }
        let Connection::Http(http) = &mut self.connection else { return };
        let answer = http.response();
        assert_eq!(answer.status, 200, "{answer:?}");
        let text = answer.text();
        let items = match self.wire {
            Wire::Jsonp => {
                let call = text.strip_prefix("/**/app.got(").expect("a call");
                let arguments = call.strip_suffix(");").expect("a whole call");
                let arguments: Value =
                    serde_json::from_str(&format!("[{arguments}]")).expect("two arguments");
                assert_eq!(arguments[1], answer.cursor());
                arguments[0].clone()
            }
            _ => answer.json(),
        };
        self.heard.extend(items.as_array().expect("an array").iter().map(Item::of_json));
        self.cursor = Some(answer.cursor());
    }
}

/// Waits until so many listen to a channel.
pub fn wait_for_count(address: SocketAddr, channel: &str, count: u64) {
    eventually(&format!("{count} on {channel}"), || {
        let answer = get(address, &format!("/channels/{channel}/presence"));
        (answer.json()["count"] == count).then_some(())
    });
}
