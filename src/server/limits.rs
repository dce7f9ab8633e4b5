//! Every bound and every wait of the server, with its unit, in one table.

use crate::hub;
use crate::proto::http1;

/// See each field; `Default` is what README.md documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time. The start lowers it to what descriptors allow.
    pub connections_max: usize,
    /// Of these, from one address, an IPv6 network of 64 bits being one; 0 is no bound. What comes from
    /// this machine is not counted.
    pub connections_per_address_max: usize,
    /// Connections that one address may open in a second; 0 is no bound.
    pub connects_per_second_per_address_max: u32,
    /// Channels with subscribers, all tenants together.
    pub channels_max: usize,
    /// Subscribers of one channel.
    pub subscribers_per_channel_max: usize,
    /// Channels that one request may name.
    pub channels_per_request_max: usize,
    /// Bytes of a request head, request line included.
    pub head_bytes_max: usize,
    /// Bytes of a request target.
    pub target_bytes_max: usize,
    /// Bytes of a message's data, whatever it came by.
    pub message_bytes_max: usize,
    /// Bytes of a WebSocket message on an echo endpoint.
    pub echo_bytes_max: usize,
    /// Bytes that wait for one client's socket; beyond it the client is cut.
    pub outbox_bytes_max: usize,
    /// Bytes that wait for all clients' sockets; beyond it those for whom most waits are cut.
    pub outboxes_bytes_max: usize,
    /// Bytes of all requests, messages and statements that are not whole yet; beyond it whatever would
    /// make them more is refused.
    pub bodies_bytes_max: usize,
    /// Messages and commands that one client without the publish key may send in a second; 0 is no bound.
    pub messages_per_second_max: u32,
    /// WebSocket pings and pongs that one client may send in a second; 0 is no bound.
    pub pings_per_second_max: u32,
    /// Bytes of a SQL statement; of all that a back end has prepared; of values it has sent ahead for them.
    pub statement_bytes_max: usize,
    /// Rows of one INSERT.
    pub statement_rows_max: usize,
    /// Published messages that wait for the batch under way; beyond it publishers are not read.
    pub feed_messages_max: usize,
    /// Bytes of these messages.
    pub feed_bytes_max: usize,
    /// Channels that one CometServerApi client may listen to.
    pub channels_per_session_max: usize,
    /// Messages for its user that are held for such a client while it is away.
    pub held_messages_max: usize,
    /// Distinct texts kept of what such clients say of themselves (agent, origin, language).
    pub texts_max: usize,
    /// Distinct callback names of iframe streams in use at a time.
    pub callbacks_max: usize,
    /// Deleted channels remembered, so that a returning EventSource is told to stay away.
    pub deleted_channels_max: usize,
    /// How long they are remembered, in seconds.
    pub deleted_seconds: u64,
    /// From the first byte of a request to the end of its head, in seconds.
    pub head_seconds: u16,
    /// From the end of a request's head to the end of its body, in seconds.
    pub body_seconds: u16,
    /// Between two requests, in seconds.
    pub keep_alive_seconds: u16,
    /// Between two heartbeats, in seconds.
    pub heartbeat_seconds: u16,
    /// From a WebSocket ping to any sign of life, in seconds.
    pub pong_seconds: u16,
    /// How long a long-poll waits when it does not say, in seconds.
    pub poll_seconds: u16,
    /// How long it may ask to wait, in seconds.
    pub poll_seconds_max: u16,
    /// How long a session outlives its last request, in seconds.
    pub session_seconds: u16,
    /// From connecting to a MySQL login, in seconds.
    pub login_seconds: u16,
    /// Between two MySQL commands, in seconds.
    pub mysql_idle_seconds: u16,
    /// From our last word to the peer's closing, in seconds.
    pub closing_seconds: u16,
    /// Deliveries of one batch before others are looked after.
    pub deliveries_per_turn: usize,
    /// Reads of one connection before others are looked after.
    pub reads_per_turn: usize,
    /// Between two announcements of how many are on a channel, in milliseconds.
    pub presence_interval_ms: u64,
    /// What an EventSource is told to wait before it returns, in milliseconds.
    pub retry_ms: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections_max: 1_000_000,
            connections_per_address_max: 0,
            connects_per_second_per_address_max: 0,
            channels_max: 1_000_000,
            subscribers_per_channel_max: 1_000_000,
            channels_per_request_max: 64,
            head_bytes_max: 16 * 1024,
            target_bytes_max: 8 * 1024,
            message_bytes_max: 128 * 1024,
            echo_bytes_max: 16 * 1024 * 1024,
            outbox_bytes_max: 1024 * 1024,
            outboxes_bytes_max: 512 * 1024 * 1024,
            bodies_bytes_max: 128 * 1024 * 1024,
            messages_per_second_max: 100,
            pings_per_second_max: 50,
            statement_bytes_max: 1024 * 1024,
            statement_rows_max: 1_000,
            feed_messages_max: 4_096,
            feed_bytes_max: 4 * 1024 * 1024,
            channels_per_session_max: 256,
            held_messages_max: 100,
            texts_max: 10_000,
            callbacks_max: 64,
            deleted_channels_max: 1_024,
            deleted_seconds: 60,
            head_seconds: 10,
            body_seconds: 30,
            keep_alive_seconds: 75,
            heartbeat_seconds: 25,
            pong_seconds: 15,
            poll_seconds: 30,
            poll_seconds_max: 300,
            session_seconds: 20,
            login_seconds: 10,
            mysql_idle_seconds: 28_800,
            closing_seconds: 2,
            deliveries_per_turn: 128,
            reads_per_turn: 4,
            presence_interval_ms: 1_000,
            retry_ms: 2_000,
        }
    }
}

impl Limits {
    pub(crate) fn hub(&self) -> hub::Bounds {
        hub::Bounds {
            channels_max: self.channels_max,
            subscribers_per_channel_max: self.subscribers_per_channel_max,
        }
    }

    pub(crate) fn http(&self) -> http1::Limits {
        http1::Limits {
            head_bytes_max: self.head_bytes_max,
            target_bytes_max: self.target_bytes_max,
        }
    }
}
