//! The TLS of one connection: records in, plaintext out, and the other way round. No socket is known
//! here, and no buffer is kept but for a record that is not whole.
//!
//! ```text
//!  Shaking ──▶ Open ──close_notify──▶ HalfClosed ─┐
//!     └──────────┴──────fault, or our own─────────┴──▶ Ended
//! ```
//! The library shakes hands, and speaks TLS 1.2 to the end. What TLS 1.3 can be made of its keys alone,
//! `traffic.rs` goes on with.

use std::mem;
use std::sync::Arc;

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{Error, ProtocolVersion, ServerConfig};

use super::traffic::{Said, Traffic};

/// Where a connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// In its handshake.
    Shaking,
    /// Both ways are open.
    Open,
    /// The peer said that nothing more will come (RFC 8446 §6.1).
    HalfClosed,
    /// Nothing more is said or understood.
    Ended,
}

/// See the module's documentation.
pub(crate) struct Session {
    way: Way,
    /// The beginning of a record, or of a message of the handshake.
    rest: Vec<u8>,
    state: State,
    /// Whether anything came.
    has_begun: bool,
}

/// Who makes and reads records.
enum Way {
    Library(Box<UnbufferedServerConnection>),
    Keys(Traffic),
    Nobody,
}

impl Session {
    pub fn start(config: Arc<ServerConfig>) -> Result<Session, Error> {
        let way = Way::Library(Box::new(UnbufferedServerConnection::new(config)?));
        Ok(Session { way, rest: Vec::new(), state: State::Shaking, has_begun: false })
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// Whether the peer has sent anything yet.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Bytes to be put before those that come next.
    pub fn rest(&self) -> &[u8] {
        &self.rest
    }

    /// What was agreed on: `TLS 1.3, TLS13_AES_256_GCM_SHA384`.
    pub fn agreed(&self) -> String {
        let (version, suite) = match &self.way {
            Way::Library(it) => {
                (it.protocol_version(), it.negotiated_cipher_suite().map(|suite| suite.suite()))
            }
            Way::Keys(traffic) => (Some(ProtocolVersion::TLSv1_3), Some(traffic.suite())),
            Way::Nobody => (None, None),
        };
        let version = match version {
            Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
            _ => "TLS",
        };
        suite.map_or(version.to_owned(), |suite| format!("{version}, {suite:?}"))
    }

    /// Takes all that has arrived, `rest` in front of it. Appends what it says to `plain`, and to
    /// `sealed` what must go to the peer whatever comes of this, an alert included.
    pub fn open(
        &mut self,
        records: &mut [u8],
        plain: &mut Vec<u8>,
        sealed: &mut Vec<u8>,
    ) -> Result<(), Error> {
        self.has_begun = true;
        let mut used = 0;
        let said = match &mut self.way {
            Way::Library(connection) => ask_library(connection, records, &mut used, plain, sealed),
            Way::Keys(traffic) => traffic.open(records, &mut used, plain, sealed),
            Way::Nobody => return Ok(()),
        };
        match said {
            Ok(said) => {
                self.advance(said);
                self.keep(&records[used..]);
                self.go_on_with_keys()
            }
            Err(error) => {
                self.give_up();
                Err(error)
            }
        }
    }

    fn advance(&mut self, said: Said) {
        let is_shaking = match &self.way {
            Way::Library(connection) => connection.is_handshaking(),
            _ => false,
        };
        if self.state == State::Shaking && !is_shaking {
            self.state = State::Open;
        }
        if said == Said::Close {
            self.state = State::HalfClosed;
        }
    }

    fn keep(&mut self, rest: &[u8]) {
        if rest.is_empty() || self.state == State::HalfClosed {
            // What comes after the end is nothing.
            self.rest = Vec::new();
        } else {
            self.rest.clear();
            self.rest.extend_from_slice(rest);
        }
    }

    /// Between two records the library is not needed any more, if its keys are enough.
    fn go_on_with_keys(&mut self) -> Result<(), Error> {
        let is_between = self.state == State::Open && self.rest.is_empty();
        match mem::replace(&mut self.way, Way::Nobody) {
            Way::Library(connection) if is_between && Traffic::fits(&connection) => {
                let traffic = Traffic::of(*connection).inspect_err(|_| self.give_up())?;
                self.way = Way::Keys(traffic);
            }
            other => self.way = other,
        }
        Ok(())
    }

    fn give_up(&mut self) {
        self.state = State::Ended;
        self.way = Way::Nobody;
        self.rest = Vec::new();
    }

    /// Appends records with `plain` in them; nothing, after the end.
    pub fn seal(&mut self, plain: &[u8], sealed: &mut Vec<u8>) -> Result<(), Error> {
        match &mut self.way {
            Way::Library(connection) => {
                // With what is left over, as the library counts from its beginning.
                let encrypt = |traffic: &mut WriteTraffic<'_>, space: &mut [u8]| {
                    traffic.encrypt(plain, space)
                };
                let is_sealed = with_library(connection, &mut self.rest, sealed, encrypt);
                if is_sealed { Ok(()) } else { Err(Error::EncryptError) }
            }
            Way::Keys(traffic) => traffic.seal(plain, sealed),
            Way::Nobody => Ok(()),
        }
    }

    /// Appends the word that ends our side, if there is anybody to say it to.
    pub fn end(&mut self, sealed: &mut Vec<u8>) {
        if matches!(self.state, State::Open | State::HalfClosed) {
            match &mut self.way {
                Way::Library(connection) => {
                    let close = |traffic: &mut WriteTraffic<'_>, space: &mut [u8]| {
                        traffic.queue_close_notify(space)
                    };
                    with_library(connection, &mut self.rest, sealed, close);
                }
                // If it cannot be said, the end comes without.
                Way::Keys(traffic) => drop(traffic.close(sealed)),
                Way::Nobody => {}
            }
        }
        self.give_up();
    }
}

type WriteTraffic<'c> = rustls::unbuffered::WriteTraffic<'c, rustls::server::ServerConnectionData>;

/// Lets the library use what is whole of `records`.
fn ask_library(
    connection: &mut UnbufferedServerConnection,
    records: &mut [u8],
    used: &mut usize,
    plain: &mut Vec<u8>,
    sealed: &mut Vec<u8>,
) -> Result<Said, Error> {
    let mut said = Said::More;
    loop {
        let status = connection.process_tls_records(&mut records[*used..]);
        let UnbufferedStatus { mut discard, state } = status;
        let goes_on = match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    let record = record?;
                    discard += record.discard;
                    plain.extend_from_slice(record.payload);
                }
                true
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                append(sealed, |space| data.encode(space), needed_to_encode);
                true
            }
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                true
            }
            Ok(ConnectionState::PeerClosed) => {
                said = Said::Close;
                true
            }
            // Early data is not offered, so it does not come.
            Ok(_) => false,
            Err(error) => {
                append_last_records(connection, &mut records[*used + discard..], sealed);
                return Err(error);
            }
        };
        *used += discard;
        if !goes_on {
            return Ok(said);
        }
    }
}

/// What a fault makes the library say. Only as long as there is something: it aborts if it is shown the
/// same fault twice.
fn append_last_records(
    connection: &mut UnbufferedServerConnection,
    records: &mut [u8],
    sealed: &mut Vec<u8>,
) {
    while connection.wants_write()
        && let Ok(ConnectionState::EncodeTlsData(mut data)) =
            connection.process_tls_records(records).state
    {
        append(sealed, |space| data.encode(space), needed_to_encode);
    }
}

/// Appends what `write` makes, behind what the library itself has to say. False if it cannot.
fn with_library(
    connection: &mut UnbufferedServerConnection,
    rest: &mut [u8],
    sealed: &mut Vec<u8>,
    write: impl Fn(&mut WriteTraffic<'_>, &mut [u8]) -> Result<usize, EncryptError>,
) -> bool {
    loop {
        match connection.process_tls_records(rest).state {
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                return append(sealed, |space| write(&mut traffic, space), needed_to_encrypt);
            }
            // The answer to a change of keys.
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                append(sealed, |space| data.encode(space), needed_to_encode);
            }
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            _ => return false,
        }
    }
}

/// Lets something be written behind what there is, in as much room as it says it needs. False if it
/// cannot be written at all.
fn append<E>(
    out: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, E>,
    needed: impl Fn(E) -> Option<usize>,
) -> bool {
    let from = out.len();
    let mut room = 0;
    // Twice: it says how much it needs, then has that.
    for _ in 0..2 {
        out.resize(from + room, 0);
        match write(&mut out[from..]) {
            Ok(written) => {
                out.truncate(from + written);
                return true;
            }
            Err(error) => match needed(error) {
                Some(bytes) => room = bytes,
                None => break,
            },
        }
    }
    out.truncate(from);
    false
}

fn needed_to_encode(error: EncodeError) -> Option<usize> {
    match error {
        EncodeError::InsufficientSize(error) => Some(error.required_size),
        EncodeError::AlreadyEncoded => None,
    }
}

fn needed_to_encrypt(error: EncryptError) -> Option<usize> {
    match error {
        EncryptError::InsufficientSize(error) => Some(error.required_size),
        EncryptError::EncryptExhausted => None,
    }
}
