//! A reader of server-sent events that is written after WHATWG HTML §9.2.6, sentence by sentence.

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    pub event: String,
    pub data: String,
    pub last_event_id: String,
}

#[derive(Default)]
pub struct Reader {
    received: Vec<u8>,
    data: String,
    event: String,
    pub id: String,
    pub retry: Option<u64>,
    pub messages: Vec<Message>,
}

impl Reader {
    /// Takes the lines that are certainly complete: a CR at the end may be half of a CRLF.
    pub fn feed(&mut self, piece: &[u8]) {
        self.received.extend_from_slice(piece);
        while let Some(at) = self.received.iter().position(|byte| b"\r\n".contains(byte)) {
            let end_bytes = match self.received[at..] {
                [b'\r'] => return,
                [b'\r', b'\n', ..] => 2,
                _ => 1,
            };
            let line: Vec<u8> = self.received.drain(..at + end_bytes).take(at).collect();
            self.process(&String::from_utf8_lossy(&line));
        }
    }

    fn process(&mut self, line: &str) {
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.event = value.to_owned(),
            "data" => self.data += &format!("{value}\n"),
            "id" if !value.contains('\0') => self.id = value.to_owned(),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry = value.parse().ok();
            }
            _ => {}
        }
    }

    fn dispatch(&mut self) {
        let (data, event) = (std::mem::take(&mut self.data), std::mem::take(&mut self.event));
        let Some(data) = data.strip_suffix('\n') else { return };
        let event = if event.is_empty() { "message".to_owned() } else { event };
        let last_event_id = self.id.clone();
        self.messages.push(Message { event, data: data.to_owned(), last_event_id });
    }
}

pub fn read(pieces: &[&[u8]]) -> Reader {
    let mut reader = Reader::default();
    pieces.iter().for_each(|piece| reader.feed(piece));
    assert!(reader.received.is_empty() && reader.data.is_empty(), "what is written is complete");
    reader
}
