//! The border between dialects and transports: the two words that both must know.

/// How a client is reached.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Transport {
    /// RFC 6455.
    WebSocket = 0,
    /// `text/event-stream`.
    EventStream = 1,
    /// Endless lines of JSON.
    Stream = 2,
    /// Endless `<script>` elements in a hidden frame.
    Iframe = 3,
    /// One answer a request.
    LongPoll = 4,
}

impl Transport {
    /// All, in the order of their numbers.
    pub const ALL: [Transport; 5] = [
        Transport::WebSocket,
        Transport::EventStream,
        Transport::Stream,
        Transport::Iframe,
        Transport::LongPoll,
    ];

    /// The transport of a number, as a slot keeps it.
    pub fn of(number: u8) -> Transport {
        Transport::ALL[usize::from(number)]
    }

    /// Its value in `?transport=`, and in the statistics.
    pub fn name(self) -> &'static str {
        match self {
            Transport::WebSocket => "ws",
            Transport::EventStream => "sse",
            Transport::Stream => "stream",
            Transport::Iframe => "iframe",
            Transport::LongPoll => "poll",
        }
    }
}

/// What a dialect made of a message, for a transport to frame.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    /// The message's id, for transports that carry one beside the data.
    pub id: Option<&'a str>,
    /// The event name likewise; `None` when it is empty or inside the data.
    pub event: Option<&'a str>,
    /// The data.
    pub data: &'a [u8],
    /// Whether the data is UTF-8.
    pub is_text: bool,
}
