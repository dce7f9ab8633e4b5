//! A connection's slot: what an idle subscriber needs, and not a byte more.
//!
//! ```text
//!  Proxied ──▶ Http, MySql, Lobby
//!  Lobby ──▶ Closing
//!  Http ──upgrade──▶ WebSocket ─┐
//!   │ ├──▶ EventStream ─────────┤
//!   │ ├──▶ Stream ──────────────┼──▶ Closing ──▶ Free
//!   │ └──▶ LongPoll ──▶ Http    │
//!   │         └─ session ─▶ Detached (a slot without a socket) ──▶ Free
//!  MySql ───────────────────────┘
//! ```
//! What has bytes left unread hands them to the phase that follows.

use super::deadlines::Tick;
use super::disconnect::Disconnect;
use super::extras::ExtraIndex;
use super::pool::PoolIndex;
use super::slab::Key;
use crate::hub::delivery::Transport;
use crate::hub::message::TenantId;
use crate::hub::{ChannelId, Membership};

/// What a connection is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Nobody's slot.
    Free,
    /// Between requests, or inside one.
    Http,
    /// After the upgrade.
    WebSocket,
    /// An endless `text/event-stream`.
    EventStream,
    /// Any other endless response.
    Stream,
    /// A parked request: not read from, except to learn that the client went.
    LongPoll,
    /// A back end, speaking the MySQL protocol.
    MySql,
    /// A session between two requests: memberships without a socket.
    Detached,
    /// Our last word is written (or in the outbox); waiting for the peer to close.
    Closing,
    /// A proxy is to say first whose connection it is.
    Proxied,
    /// There is no place for it: once it has asked for something it is told so.
    Lobby,
}

impl Phase {
    pub const COUNT: usize = 11;
    /// Those in which a slot is somebody's, as the statistics show them.
    pub const USED: [Phase; Phase::COUNT - 1] = [
        Phase::Http,
        Phase::WebSocket,
        Phase::EventStream,
        Phase::Stream,
        Phase::LongPoll,
        Phase::Detached,
        Phase::MySql,
        Phase::Closing,
        Phase::Proxied,
        Phase::Lobby,
    ];

    /// Its name in the statistics.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Free => "free",
            Phase::Http => "http",
            Phase::WebSocket => "ws",
            Phase::EventStream => "sse",
            Phase::Stream => "stream",
            Phase::LongPoll => "poll",
            Phase::MySql => "cometql",
            Phase::Detached => "detached",
            Phase::Closing => "closing",
            Phase::Proxied => "proxied",
            Phase::Lobby => "lobby",
        }
    }
}

/// Bits of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Flags(u16);

impl Flags {
    /// The kernel may hold bytes that no further event will announce.
    pub const UNREAD: Flags = Flags(1);
    /// The peer sent FIN, or the socket failed: read on to the end.
    pub const READ_CLOSED: Flags = Flags(1 << 1);
    /// The connection is on the `ready_again` list.
    pub const QUEUED: Flags = Flags(1 << 2);
    /// An engine's answer is awaited; until then nothing more is read.
    pub const ASKING: Flags = Flags(1 << 3);
    /// Messages are held back until the answer to a resume is there.
    pub const HOLDING: Flags = Flags(1 << 4);
    /// Close when the outbox is empty.
    pub const LAST_WORDS: Flags = Flags(1 << 5);
    /// A ping was sent, and nothing heard since.
    pub const AWAITING_PONG: Flags = Flags(1 << 6);
    /// The outbox has not moved since the last heartbeat.
    pub const STALLED: Flags = Flags(1 << 7);
    /// It has published what is not to come back to it.
    pub const HAS_SENT: Flags = Flags(1 << 8);
    /// Counts as present, but gets no messages.
    pub const PRESENCE_ONLY: Flags = Flags(1 << 9);
    /// The last deadline sent a ping: this one only looks for its answer.
    pub const PINGED: Flags = Flags(1 << 11);
    /// The client showed the publish key.
    pub const HAS_KEY: Flags = Flags(1 << 12);
    /// A parked poll's connection goes on after the answer.
    pub const KEEP_ALIVE: Flags = Flags(1 << 13);
    /// A parked poll came by HTTP/1.0.
    pub const HTTP10: Flags = Flags(1 << 14);
    /// A back end pauses: statements of its packet are not run yet, or the answer to its wrong password
    /// waits. Until then nothing more is read.
    pub const PAUSED: Flags = Flags(1 << 15);
    /// A request head has begun and not ended.
    pub const IN_HEAD: Flags = Flags(1 << 10);

    pub fn has(self, flag: Flags) -> bool {
        self.0 & flag.0 != 0
    }

    /// Whether at least one of them is set.
    pub fn has_any<const N: usize>(self, flags: [Flags; N]) -> bool {
        flags.iter().fold(0, |any, flag| any | self.0 & flag.0) != 0
    }

    pub fn set(&mut self, flag: Flags) {
        self.0 |= flag.0;
    }

    pub fn clear(&mut self, flag: Flags) {
        self.0 &= !flag.0;
    }

    /// Clears the flag and tells whether it was set.
    pub fn take(&mut self, flag: Flags) -> bool {
        let had = self.has(flag);
        self.clear(flag);
        had
    }
}

/// How a subscriber wants its messages: dialect, transport, the dialect's own variant, and whether
/// compressed. Subscribers of one format share every rendered byte.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Format {
    pub dialect: u8,
    way: u8,
    pub variant: u16,
}

impl Format {
    /// In `way`, below this bit: the transport's number. From it on: the window bits of compressed
    /// messages, 9 to 15, or 0.
    const WINDOW_SHIFT: u32 = 4;

    pub const fn new(dialect: u8, transport: Transport, variant: u16) -> Format {
        Format { dialect, way: transport as u8, variant }
    }

    pub fn transport(self) -> Transport {
        Transport::of(self.way & ((1 << Format::WINDOW_SHIFT) - 1))
    }

    /// The same with messages compressed, as permessage-deflate was agreed on; not, with 0.
    pub fn with_window_bits(self, window_bits: u8) -> Format {
        Format { way: self.transport() as u8 | window_bits << Format::WINDOW_SHIFT, ..self }
    }

    /// How far back compressed messages may refer, if messages are compressed.
    pub fn window_bits(self) -> Option<u8> {
        let bits = self.way >> Format::WINDOW_SHIFT;
        (bits > 0).then_some(bits)
    }
}

/// One slot. In release builds 48 bytes with the reactor's socket.
pub(crate) struct Conn<S> {
    pub socket: Option<S>,
    pub generation: u32,
    pub deadline: Tick,
    pub flags: Flags,
    pub phase: Phase,
    pub tenant: TenantId,
    pub format: Format,
    pub first: Membership,
    /// Bytes that the kernel refused.
    pub outbox: Option<PoolIndex>,
    /// Unfinished input.
    pub input: Option<PoolIndex>,
    /// Further memberships.
    pub more: Option<PoolIndex>,
    /// What only some phases have: a MySQL session, a poll's callback, a session's name.
    pub extra: Option<ExtraIndex>,
    /// TLS, for those who speak it.
    pub tls: Option<PoolIndex>,
}

/// No membership. While a slot is free its `place` chains the free list.
pub(crate) const NO_MEMBERSHIP: Membership = Membership { channel: ChannelId(u32::MAX), place: 0 };

const _: () = assert!(size_of::<Conn<std::net::TcpStream>>() <= 48);

impl<S> Conn<S> {
    pub const fn free() -> Conn<S> {
        Conn {
            socket: None,
            generation: 0,
            deadline: Tick::NEVER,
            flags: Flags(0),
            phase: Phase::Free,
            tenant: TenantId(0),
            format: Format::new(0, Transport::WebSocket, 0),
            first: NO_MEMBERSHIP,
            outbox: None,
            input: None,
            more: None,
            extra: None,
            tls: None,
        }
    }

    pub fn key(&self, slot: u32) -> Key {
        Key { slot, generation: self.generation }
    }

    /// Whether further requests, frames or commands may be taken now. With bytes still waiting for the
    /// client, or an answer for the engine, they may not: that is all the flow control there is.
    pub fn takes_input(&self) -> bool {
        matches!(self.phase, Phase::Http | Phase::WebSocket | Phase::MySql | Phase::Lobby)
            && !self.flags.has_any([Flags::ASKING, Flags::PAUSED, Flags::LAST_WORDS])
            && self.outbox.is_none()
    }

    /// Whether all that came is used, and all that goes out is written.
    pub fn has_kept_nothing(&self) -> bool {
        self.outbox.is_none() && self.input.is_none() && !self.flags.has(Flags::PAUSED)
    }

    /// Whether a delivery is nothing but writing what all subscribers of its channel and format share:
    /// one channel, nothing that waits or has to be sealed, and no message that is not for it.
    pub fn takes_whole_parts(&self) -> bool {
        self.more.is_none()
            && self.outbox.is_none()
            && self.tls.is_none()
            && self.phase != Phase::LongPoll
            && !self.flags.has_any([Flags::HOLDING, Flags::HAS_SENT, Flags::PRESENCE_ONLY])
    }

    /// Why nothing can be written to it. Whose poll waits and who said that it sends no more has gone.
    pub fn why_unwritable(&self) -> Disconnect {
        match self.phase {
            Phase::LongPoll if self.flags.has(Flags::READ_CLOSED) => Disconnect::ByPeer,
            _ => Disconnect::Failed,
        }
    }

    /// Whether what the client sends is read only to be thrown away.
    pub fn ignores_input(&self) -> bool {
        matches!(self.phase, Phase::EventStream | Phase::Stream | Phase::Closing)
    }
}
