//! Why a connection ends: one table. Each way of ending is counted by its reason in the statistics.
//!
//! WebSocket close codes: 1000–1015 as RFC 6455 §7.4.1 has them, 44xx are encke's own.

/// A reason to end a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Disconnect {
    /// The peer closed, in whatever way its protocol has.
    ByPeer,
    /// An ordinary end: `Connection: close`, or nothing asked for a while.
    Finished,
    /// The socket failed.
    Failed,
    /// The server stops.
    ShuttingDown,
    /// The peer broke its protocol.
    ProtocolError,
    /// A message that is not UTF-8, or is not compressed as was agreed.
    BadText,
    /// The peer asked for what it may not.
    Refused,
    /// A message above the bound.
    TooBig,
    /// More a second than one client may send.
    TooFast,
    /// Nothing was heard in time.
    Silent,
    /// More waits for this client than it may keep waiting.
    Slow,
    /// The cursor is older than what is kept, on a transport that cannot say so in a message.
    Lost,
    /// The channel was deleted.
    Deleted,
    /// Its token's time is over.
    Expired,
    /// Its user was sent away, everywhere.
    Kicked,
    /// A new configuration has its tenant no more.
    TenantRemoved,
    /// The server cannot do it now.
    Unavailable,
}

/// A row of the table.
pub(crate) struct Row {
    /// Its name in the statistics.
    pub name: &'static str,
    /// WebSocket close code.
    pub code: u16,
    /// Text for the peer.
    pub reason: &'static str,
}

impl Disconnect {
    pub const ALL: [Disconnect; 17] = [
        Disconnect::ByPeer,
        Disconnect::Finished,
        Disconnect::Failed,
        Disconnect::ShuttingDown,
        Disconnect::ProtocolError,
        Disconnect::BadText,
        Disconnect::Refused,
        Disconnect::TooBig,
        Disconnect::TooFast,
        Disconnect::Silent,
        Disconnect::Slow,
        Disconnect::Lost,
        Disconnect::Deleted,
        Disconnect::Expired,
        Disconnect::Kicked,
        Disconnect::TenantRemoved,
        Disconnect::Unavailable,
    ];

    #[rustfmt::skip]
    pub fn row(self) -> Row {
        let (name, code, reason) = match self {
            Disconnect::ByPeer        => ("by_peer",        1000, ""),
            Disconnect::Finished      => ("finished",       1000, ""),
            Disconnect::Failed        => ("failed",         1011, "socket error"),
            Disconnect::ShuttingDown  => ("shutting_down",  1001, "server is shutting down"),
            Disconnect::ProtocolError => ("protocol_error", 1002, "protocol error"),
            Disconnect::BadText       => ("bad_text",       1007, "text is not UTF-8"),
            Disconnect::Refused       => ("refused",        1008, "not allowed"),
            Disconnect::TooBig        => ("too_big",        1009, "message too big"),
            Disconnect::TooFast       => ("too_fast",       1008, "too much in one second"),
            Disconnect::Silent        => ("silent",         4408, "nothing heard in time"),
            Disconnect::Slow          => ("slow",           4413, "too slow: too much is waiting"),
            Disconnect::Lost          => ("lost",           4410, "messages after the cursor are gone"),
            Disconnect::Deleted       => ("deleted",        4404, "channel was deleted"),
            Disconnect::Expired       => ("expired",        4401, "token expired"),
            Disconnect::Kicked        => ("kicked",         4401, "user was sent away"),
            Disconnect::TenantRemoved => ("tenant_removed", 4404, "tenant was removed"),
            Disconnect::Unavailable   => ("unavailable",    1013, "try again later"),
        };
        Row { name, code, reason }
    }
}
