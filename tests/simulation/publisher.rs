//! Clients that ask and are answered: programs that publish over HTTP, back ends that speak MySQL, and
//! somebody at the echo endpoint.

use std::collections::VecDeque;

use encke::hub::message::TenantId;

use crate::client::{Claim, Context, Line};
use crate::decode::{Frame, Head, Part, Reader, deflate, json, take_frame};
use crate::rules::{Rules, TENANTS};
use crate::subscriber::parse_id;
use crate::support::mysql::{login, packet, take_packet};
use crate::support::websocket::client_frame;

/// One request that has not been answered.
#[derive(Debug)]
struct Asked {
    statuses: &'static [u16],
    is_head_only: bool,
    /// What it publishes.
    data: Option<Vec<u8>>,
    /// How often the key had changed when it was asked.
    rekeys: usize,
}

/// A program with one connection that it keeps, asking without waiting.
pub struct Publisher {
    tenant: TenantId,
    asked: VecDeque<Asked>,
    head: Option<Head>,
    body: Vec<u8>,
    reader: Reader,
    /// It has said that it will ask nothing more.
    is_last: bool,
}

const OK: &[u16] = &[200];
/// The numbers are of the whole server: below a further tenant there are none.
const NUMBERS: &[u16] = &[200, 404];

impl Publisher {
    pub fn new(tenant: TenantId) -> Publisher {
        let (asked, body) = (VecDeque::new(), Vec::new());
        Publisher { tenant, asked, head: None, body, reader: Reader::new(), is_last: false }
    }

    pub fn open(&mut self) {
        *self = Publisher::new(self.tenant);
    }

    /// Sends one request, or several at once.
    pub fn act(&mut self, line: &mut Line, context: &mut Context<'_>) {
        if line.wants_fin || self.is_last {
            return;
        }
        for _ in 0..context.random.pick(&[1, 1, 2, 5]) {
            self.ask(line, context);
        }
        match context.random.below(12) {
            0 => line.wants_fin = true,
            1 => {
                let headers = "Connection: close\r\n";
                self.request(line, context.rules, "GET /stats", headers, b"", NUMBERS);
                line.wants_fin = context.random.one_in(2);
                self.is_last = true;
            }
            _ => {}
        }
    }

    fn ask(&mut self, line: &mut Line, context: &mut Context<'_>) {
        let channel = context.random.pick(&context.rules.channels);
        match context.random.below(24) {
            0 => self.request(line, context.rules, "GET /channels/a,b?last=1000", "", b"", OK),
            1 => self.request(
                line,
                context.rules,
                &format!("GET /channels/{channel}/presence"),
                "",
                b"",
                OK,
            ),
            2 => self.request(line, context.rules, "GET /channels", "", b"", OK),
            3 => self.request(line, context.rules, "GET /stats", "", b"", NUMBERS),
            4 => self.request(line, context.rules, "HEAD /channels/a", "", b"", OK),
            5 => self.request(line, context.rules, "OPTIONS /channels/a", "", b"", &[204]),
            6 => self.request(line, context.rules, "PUT /channels/a", "", b"", &[405]),
            7 => self.request(line, context.rules, "GET /channels/a%20b", "", b"", &[400]),
            8 => self.request(line, context.rules, "GET /channels/a/b/c", "", b"", &[404]),
            9 if self.tenant.0 == 0 => {
                for _ in 0..4 {
                    self.request(line, context.rules, "GET /", "", b"", OK);
                }
            }
            10 if context.random.one_in(4) => {
                self.request(
                    line,
                    context.rules,
                    &format!("DELETE /channels/{channel}"),
                    "",
                    b"",
                    &[200, 404],
                );
            }
            11 => self.publish_in_chunks(line, context),
            _ => self.publish(line, context),
        }
    }

    pub fn publish(&mut self, line: &mut Line, context: &mut Context<'_>) {
        let mut channels: Vec<&str> = Vec::new();
        for _ in 0..context.random.pick(&[1, 1, 1, 2, 4]) {
            let channel = context.random.pick(&context.rules.channels);
            if !channels.contains(&channel) {
                channels.push(channel);
            }
        }
        let data = context.payload();
        let headers = match context.random.below(10) {
            0 => "Expect: 100-continue\r\n".to_owned(),
            1 => format!("Idempotency-Key: key-{}\r\n", *context.counter),
            _ => String::new(),
        };
        let what = format!("POST /channels/{}?event=e", channels.join(","));
        self.request(line, context.rules, &what, &headers, &data, OK);
    }

    /// Very many at once.
    pub fn burst(&mut self, line: &mut Line, context: &mut Context<'_>) {
        if line.wants_fin || self.is_last {
            return;
        }
        for _ in 0..150 {
            let channels = context.rules.channels.join(",");
            *context.counter += 1;
            let data = format!("#{}#", context.counter).into_bytes();
            self.request(line, context.rules, &format!("POST /channels/{channels}"), "", &data, OK);
        }
    }

    fn publish_in_chunks(&mut self, line: &mut Line, context: &mut Context<'_>) {
        let data = context.payload();
        let mut body = Vec::new();
        for piece in context.random.pieces(&data) {
            body.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            body.extend_from_slice(piece);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"0\r\n\r\n");
        let headers = "Transfer-Encoding: chunked\r\n";
        self.send(line, context.rules, "POST /channels/a", headers, &body);
        let (data, rekeys) = (Some(data), context.rules.rekeys);
        self.asked.push_back(Asked { statuses: OK, is_head_only: false, data, rekeys });
    }

    fn request(
        &mut self,
        line: &mut Line,
        rules: &Rules,
        what: &str,
        headers: &str,
        body: &[u8],
        statuses: &'static [u16],
    ) {
        let is_post = what.starts_with("POST");
        let mut headers = headers.to_owned();
        if is_post {
            headers.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        self.send(line, rules, what, &headers, body);
        let data = is_post.then(|| body.to_vec());
        let (is_head_only, rekeys) = (what.starts_with("HEAD"), rules.rekeys);
        self.asked.push_back(Asked { statuses, is_head_only, data, rekeys });
    }

    /// Sends `GET /a` or the like.
    fn send(&self, line: &mut Line, rules: &Rules, what: &str, headers: &str, body: &[u8]) {
        let shop = &TENANTS[usize::from(self.tenant.0)];
        let (prefix, authorization) = (shop.prefix(), rules.authorization(shop));
        let (method, path) = what.split_once(' ').expect("a method");
        let head = format!(
            "{method} {prefix}{path} HTTP/1.1\r\nHost: localhost\r\n{authorization}{headers}\r\n"
        );
        line.send(head.as_bytes());
        line.send(body);
    }

    pub fn receive(&mut self, bytes: &[u8], line: &mut Line, context: &mut Context<'_>) {
        self.reader.push(bytes);
        loop {
            let is_head_only = self.asked.front().is_some_and(|asked| asked.is_head_only);
            match self.reader.next(is_head_only) {
                Some(Part::Head(head, _)) if head.status == 100 => {}
                Some(Part::Head(head, _)) => self.head = Some(head),
                Some(Part::Data(data)) => self.body.extend_from_slice(&data),
                Some(Part::End) => self.on_answer(line, context),
                None => return,
            }
        }
    }

    fn on_answer(&mut self, line: &mut Line, context: &mut Context<'_>) {
        let body = std::mem::take(&mut self.body);
        let status = self.head.as_ref().map_or(0, |head| head.status);
        let is_last =
            self.head.as_ref().is_some_and(|head| head.header("Connection") == Some("close"));
        let Some(asked) = self.asked.pop_front() else {
            // Nothing was asked: the server says that it has waited long enough.
            assert!(matches!(status, 408 | 503), "{status} for nothing");
            return;
        };
        if status == 408 {
            assert!(line.is_excused(), "408 for a request, {}", line.explain());
            line.wants_fin = true;
            return;
        }
        let tight = &context.rules.tight;
        let was_rekeyed = asked.rekeys != context.rules.rekeys;
        let has_reason = match status {
            // Whose key went while its body came is a guest, and there may be no room for guests.
            503 if was_rekeyed && asked.data.is_some() => true,
            503 => {
                (asked.data.is_some() && tight.histories)
                    || tight.memory
                    || (is_last && tight.bodies)
                    || context.is_draining
            }
            401 => was_rekeyed,
            _ => false,
        };
        assert!(
            asked.statuses.contains(&status) || has_reason,
            "{status} {}",
            String::from_utf8_lossy(&body)
        );
        if has_reason && is_last {
            // What was asked after it is not answered.
            line.excuse();
            line.wants_fin = true;
        }
        if let (Some(data), 200) = (asked.data, status) {
            let answer = json(std::str::from_utf8(&body).expect("JSON is text"));
            let id = parse_id(answer["id"].as_str().expect("an id"));
            context.claims.push(Claim { tenant: self.tenant, id, data });
        }
    }

    pub fn check_answered(&self, line: &Line) {
        let about = line.explain();
        assert!(
            self.asked.is_empty(),
            "not answered after {:?}: {:?}, {about}",
            self.head,
            self.asked
        );
        assert!(self.reader.is_between(), "the last answer is not whole");
    }
}

/// Somebody who hears what they say.
pub struct EchoClient {
    sent: VecDeque<Vec<u8>>,
    frames: Vec<u8>,
    reader: Reader,
    is_open: bool,
    window_bits: Option<u8>,
}

impl EchoClient {
    pub fn new() -> EchoClient {
        let (sent, frames) = (VecDeque::new(), Vec::new());
        EchoClient { sent, frames, reader: Reader::new(), is_open: false, window_bits: None }
    }

    pub fn open(&mut self, line: &mut Line) {
        *self = EchoClient::new();
        line.send(
            b"GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
              Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
              Sec-WebSocket-Extensions: permessage-deflate\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        );
    }

    pub fn act(&mut self, line: &mut Line, context: &mut Context<'_>) {
        if line.wants_fin {
            return;
        }
        for _ in 0..context.random.pick(&[1, 3, 10]) {
            let length = context.random.pick(&[0, 5, 200, 70_000]);
            let mut data = vec![b'x'; length];
            data.extend_from_slice(self.sent.len().to_string().as_bytes());
            self.say(line, context, &data);
            self.sent.push_back(data);
        }
        if context.random.one_in(10) {
            line.send(&client_frame(0x88, [0; 4], &1000_u16.to_be_bytes()));
            line.wants_fin = true;
        }
    }

    /// In one frame or in two, with a ping between; every other one compressed, if it is worth it.
    fn say(&self, line: &mut Line, context: &mut Context<'_>, data: &[u8]) {
        let is_compressed = self.window_bits.is_some() && self.sent.len() % 2 == 1;
        let compressed = is_compressed.then(|| deflate(data, context.random.pick(&[9, 12, 15])));
        let (rsv1, data) = compressed.as_ref().map_or((0, data), |data| (0x40, data));
        if context.random.one_in(2) {
            let mask = (context.random.next() as u32).to_be_bytes();
            return line.send(&client_frame(0x81 | rsv1, mask, data));
        }
        let (head, tail) = data.split_at(context.random.below(data.len() + 1));
        line.send(&client_frame(0x01 | rsv1, [4, 3, 2, 1], head));
        line.send(&client_frame(0x89, [1, 0, 1, 0], b"?"));
        line.send(&client_frame(0x80, [5, 6, 7, 8], tail));
    }

    pub fn receive(&mut self, bytes: &[u8], line: &mut Line, context: &mut Context<'_>) {
        self.reader.push(bytes);
        while let Some(part) = self.reader.next(false) {
            match part {
                Part::Head(head, _) => {
                    self.is_open = head.status == 101;
                    self.window_bits = head.window_bits();
                    let has_reason = match head.status {
                        101 => true,
                        408 => line.may_be_late(),
                        503 => context.is_draining || context.rules.tight.is_crowded(),
                        _ => false,
                    };
                    let about = line.explain();
                    assert!(has_reason || line.is_excused(), "{head:?}, {about}");
                    if !self.is_open {
                        // What it has said already may be taken for another request.
                        line.excuse();
                        line.wants_fin = true;
                    }
                }
                Part::Data(data) => self.frames.extend_from_slice(&data),
                Part::End => {}
            }
        }
        while self.is_open
            && let Some(frame) = take_frame(&mut self.frames, self.window_bits)
        {
            match frame {
                Frame::Text(text) => {
                    let sent = self.sent.pop_front().expect("an echo comes of something");
                    assert_eq!(text.as_bytes(), sent, "echoes are whole and in order");
                }
                Frame::Binary(_) => panic!("nothing binary was said"),
                Frame::Ping(data) => line.send(&client_frame(0x8a, [0; 4], &data)),
                Frame::Pong(data) => assert_eq!(data, b"?"),
                Frame::Close(code) => {
                    let tight = &context.rules.tight;
                    let has_reason = match code {
                        Some(1000) => true,
                        Some(1008) => tight.pings,
                        Some(1013) => tight.is_crowded(),
                        _ => context.is_draining,
                    };
                    assert!(has_reason, "{code:?}");
                    line.wants_fin = true;
                }
            }
        }
    }
}

/// A back end.
pub struct MySqlClient {
    bytes: Vec<u8>,
    stage: Stage,
    asked: usize,
    /// The last error after which nothing more need come.
    pub farewell: Option<u16>,
}

#[derive(PartialEq, Eq, Debug)]
enum Stage {
    Greeting,
    Login,
    Ready,
}

impl MySqlClient {
    pub fn new() -> MySqlClient {
        MySqlClient { bytes: Vec::new(), stage: Stage::Greeting, asked: 0, farewell: None }
    }

    pub fn open(&mut self) {
        *self = MySqlClient::new();
    }

    pub fn act(&mut self, line: &mut Line, context: &mut Context<'_>) {
        if self.stage != Stage::Ready || line.wants_fin || self.asked > 3 {
            return;
        }
        if context.random.one_in(20) {
            line.send(&packet(0, b"\x01"));
            line.wants_fin = true;
            return;
        }
        *context.counter += 1;
        let channel = context.random.pick(&context.rules.channels);
        let filler = "y".repeat(context.random.pick(&[0, 30, 3_000]));
        let sql = match context.random.below(8) {
            0 => "SELECT 1".to_owned(),
            1 => "NONSENSE".to_owned(),
            _ => format!(
                "INSERT INTO pipes_messages (name, event, message) VALUES \
                 ('{channel}', 'e', '#{}#{filler}')",
                context.counter
            ),
        };
        line.send(&packet(0, &[b"\x03", sql.as_bytes()].concat()));
        self.asked += 1;
    }

    pub fn receive(&mut self, bytes: &[u8], line: &mut Line, context: &mut Context<'_>) {
        self.bytes.extend_from_slice(bytes);
        while let Some((sequence, payload)) = take_packet(&mut self.bytes) {
            match (&self.stage, payload[0]) {
                (_, 0xff) if u16::from_le_bytes([payload[1], payload[2]]) == 1053 => {
                    assert!(context.is_draining || context.rules.tight.is_crowded());
                    line.excuse();
                    self.farewell = Some(1053);
                    line.wants_fin = true;
                }
                (Stage::Login, 0xff) => {
                    let number = u16::from_le_bytes([payload[1], payload[2]]);
                    assert_eq!(number, 1041, "out of memory");
                    assert!(context.rules.tight.is_crowded());
                    line.excuse();
                    self.farewell = Some(number);
                    line.wants_fin = true;
                }
                (Stage::Greeting, 10) => {
                    assert_eq!(sequence, 0);
                    line.send(&packet(1, &login()));
                    self.stage = Stage::Login;
                }
                (Stage::Login, 0) => self.stage = Stage::Ready,
                (Stage::Ready, 0 | 0xff) => {
                    assert_eq!(sequence, 1);
                    let number = u16::from_le_bytes([payload[1], payload[2]]);
                    if payload[0] == 0xff && number == 1041 {
                        assert!(context.rules.tight.is_crowded(), "there is memory");
                        // What was asked after it may not be answered; it may have meant to go.
                        line.excuse();
                        self.farewell = Some(number);
                        self.asked = self.asked.saturating_sub(1);
                        continue;
                    }
                    self.asked = self.asked.checked_sub(1).expect("an answer to something");
                }
                // A result set: it ends with its second EOF.
                (Stage::Ready, 0xfe) if payload.len() < 9 && sequence > 3 => self.asked -= 1,
                (Stage::Ready, _) => {}
                (stage, first) => panic!("{first:#x} in {stage:?}"),
            }
        }
    }

    /// Whether it knows that it speaks with the server.
    pub fn is_greeted(&self) -> bool {
        self.stage != Stage::Greeting
    }

    pub fn check_answered(&self, line: &Line) {
        let is_answered = self.stage != Stage::Ready || self.asked == 0;
        assert!(is_answered, "a statement was never answered, {}", line.explain());
    }
}
