//! The TLS of one connection: records in, plaintext out, and the other way round. No socket is known
//! here, and no buffer is kept but for a record that is not whole.
//!
//! ```text
//!  Shaking ──▶ Open ──close_notify──▶ HalfClosed ─┐
//!     └──────────┴──────fault, or our own─────────┴──▶ Ended
//! ```

use std::sync::Arc;

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{Error, ServerConfig};

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
    connection: UnbufferedServerConnection,
    /// The beginning of a record, or of a message of the handshake.
    rest: Vec<u8>,
    state: State,
    /// Whether anything came.
    has_begun: bool,
}

/// There is no end to what can be wrong with bytes; one thing with ours: too many for one key.
#[derive(Debug)]
pub(crate) struct Exhausted;

impl Session {
    pub fn start(config: Arc<ServerConfig>) -> Result<Session, Error> {
        let connection = UnbufferedServerConnection::new(config)?;
        Ok(Session { connection, rest: Vec::new(), state: State::Shaking, has_begun: false })
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
        let version = match self.connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
            _ => "TLS",
        };
        match self.connection.negotiated_cipher_suite() {
            Some(suite) => format!("{version}, {:?}", suite.suite()),
            None => version.to_owned(),
        }
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
        if self.state == State::Ended {
            return Ok(());
        }
        let mut at = 0;
        loop {
            let status = self.connection.process_tls_records(&mut records[at..]);
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
                    self.state = State::HalfClosed;
                    true
                }
                // Early data is not offered, so it does not come.
                Ok(_) => false,
                Err(error) => {
                    self.state = State::Ended;
                    self.append_last_records(&mut records[at + discard..], sealed);
                    self.rest = Vec::new();
                    return Err(error);
                }
            };
            at += discard;
            if !goes_on {
                break;
            }
        }
        if self.state == State::Shaking && !self.connection.is_handshaking() {
            self.state = State::Open;
        }
        self.keep(&records[at..]);
        Ok(())
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

    /// What a fault makes us say. Only as long as there is something: the library aborts if it is shown
    /// the same fault twice.
    fn append_last_records(&mut self, records: &mut [u8], sealed: &mut Vec<u8>) {
        while self.connection.wants_write()
            && let Ok(ConnectionState::EncodeTlsData(mut data)) =
                self.connection.process_tls_records(records).state
        {
            append(sealed, |space| data.encode(space), needed_to_encode);
        }
    }

    /// Appends records with `plain` in them; nothing, after the end.
    pub fn seal(&mut self, plain: &[u8], sealed: &mut Vec<u8>) -> Result<(), Exhausted> {
        if self.state == State::Ended {
            return Ok(());
        }
        loop {
            // With what is left over, as the library counts from its beginning.
            match self.connection.process_tls_records(&mut self.rest).state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    let encrypt = |space: &mut [u8]| traffic.encrypt(plain, space);
                    return match append(sealed, encrypt, needed_to_encrypt) {
                        true => Ok(()),
                        false => Err(Exhausted),
                    };
                }
                // The answer to a change of keys.
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(sealed, |space| data.encode(space), needed_to_encode);
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.state = State::HalfClosed,
                _ => return Err(Exhausted),
            }
        }
    }

    /// Appends the word that ends our side, if there is anybody to say it to.
    pub fn end(&mut self, sealed: &mut Vec<u8>) {
        let is_open = matches!(self.state, State::Open | State::HalfClosed);
        self.state = State::Ended;
        if is_open
            && let Ok(ConnectionState::WriteTraffic(mut traffic)) =
                self.connection.process_tls_records(&mut self.rest).state
        {
            let close = |space: &mut [u8]| traffic.queue_close_notify(space);
            append(sealed, close, needed_to_encrypt);
        }
        self.rest = Vec::new();
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
