//! An open TLS 1.3 connection with nothing but its keys: the library's own object keeps 3.4 KB, of which
//! most are ciphers ready for the next record, for somebody who may be silent for hours.
//!
//! Specification: RFC 8446 §5 (records), §4.6.3 (KeyUpdate), §6 (alerts). Handshakes, key schedule and
//! ciphers are the library's; here is only which bytes go into which cipher. Its interface for kernels
//! that do TLS (`rustls::kernel`) is made for that.
//!
//! ```text
//!   record   u8 23, u16 0x0303, u16 length, ciphertext of (content, u8 type, zeros), 16 bytes of tag
//! ```
//! A cipher is made for one read or one write and dropped behind it, which costs about as much as one
//! more short record. Limits: 16 KB of content in a record; 32 records in a row that say nothing. Left
//! out: a KeyUpdate in several records, which nobody has a reason to send.

use std::fmt;

use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, Iv, MessageDecrypter, MessageEncrypter, NONCE_LEN,
    OutboundPlainMessage,
};
use rustls::kernel::KernelConnection;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::{
    AlertDescription, CipherSuite, ConnectionTrafficSecrets, ContentType, Error, InvalidMessage,
    PeerMisbehaved, ProtocolVersion, SupportedCipherSuite, Tls13CipherSuite,
};

const HEAD_BYTES: usize = 5;
/// Content of a record (§5.1), and its ciphertext (§5.2).
const CONTENT_BYTES_MAX: usize = 16 * 1024;
const CIPHERTEXT_BYTES_MAX: usize = CONTENT_BYTES_MAX + 256;
/// Records in a row without a byte of content.
const EMPTY_MAX: u8 = 32;

const KEY_UPDATE: u8 = 24;
const WARNING: u8 = 1;
const FATAL: u8 = 2;

/// See the module's documentation.
pub(super) struct Traffic {
    suite: &'static Tls13CipherSuite,
    kernel: Box<KernelConnection<ServerConnectionData>>,
    reads: Keys,
    writes: Keys,
    empty: u8,
    /// The peer asked for other keys, and gets them with the next thing that is said to it. Whoever asks
    /// a thousand times and never reads makes nothing grow.
    owes_keys: bool,
}

/// What makes a cipher, and the number of the next record in it. Two records under one number would
/// give the key away: nothing but `Keys::next` hands numbers out.
struct Keys {
    key: AeadKey,
    iv: Iv,
    sequence: u64,
}

/// What the peer said with its records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Said {
    /// More may come.
    More,
    /// Nothing more will come.
    Close,
}

impl Keys {
    fn new((sequence, secrets): (u64, ConnectionTrafficSecrets)) -> Result<Keys, Error> {
        match secrets {
            ConnectionTrafficSecrets::Aes256Gcm { key, iv }
            | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => {
                Ok(Keys { key, iv, sequence })
            }
            _ => Err(Error::General("these keys are of another length".to_owned())),
        }
    }

    fn copy(&self) -> (AeadKey, Iv) {
        let mut key = [0; 32];
        key.copy_from_slice(self.key.as_ref());
        let mut iv = [0; NONCE_LEN];
        iv.copy_from_slice(self.iv.as_ref());
        (AeadKey::from(key), Iv::new(iv))
    }

    fn next(&mut self) -> u64 {
        let sequence = self.sequence;
        self.sequence = sequence.checked_add(1).expect("keys change long before");
        sequence
    }
}

impl Traffic {
    /// Whether a connection can go on this way: its handshake is over and everything of it is sent, and
    /// its keys are of a length that can be given back to the library.
    pub fn fits(connection: &UnbufferedServerConnection) -> bool {
        let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
        let has_long_keys = matches!(
            suite,
            Some(
                CipherSuite::TLS13_AES_256_GCM_SHA384 | CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
            )
        );
        has_long_keys && !connection.is_handshaking() && !connection.wants_write()
    }

    /// Takes over.
    pub fn of(connection: UnbufferedServerConnection) -> Result<Traffic, Error> {
        let (secrets, kernel) = connection.dangerous_into_kernel_connection()?;
        let SupportedCipherSuite::Tls13(suite) = kernel.negotiated_cipher_suite() else {
            return Err(Error::General("not TLS 1.3".to_owned()));
        };
        let (reads, writes) = (Keys::new(secrets.rx)?, Keys::new(secrets.tx)?);
        Ok(Traffic { suite, kernel: Box::new(kernel), reads, writes, empty: 0, owes_keys: false })
    }

    pub fn suite(&self) -> CipherSuite {
        self.suite.common.suite
    }

    /// Opens whole records; `used` tells how far they went. Appends what they say to `plain`, and to
    /// `sealed` an alert if they are wrong.
    pub fn open(
        &mut self,
        records: &mut [u8],
        used: &mut usize,
        plain: &mut Vec<u8>,
        sealed: &mut Vec<u8>,
    ) -> Result<Said, Error> {
        let said = self.open_records(records, used, plain);
        if let Err(error) = &said
            && let Some(description) = alert_of(error)
        {
            // If that fails too, the end comes without a word.
            let _ = self.seal_alert(FATAL, description, sealed);
        }
        said
    }

    fn open_records(
        &mut self,
        records: &mut [u8],
        used: &mut usize,
        plain: &mut Vec<u8>,
    ) -> Result<Said, Error> {
        let mut cipher: Option<Box<dyn MessageDecrypter>> = None;
        while let Some(length) = whole_record(&records[*used..])? {
            let payload = &mut records[*used + HEAD_BYTES..*used + length];
            *used += length;
            let (typ, version) = (ContentType::ApplicationData, ProtocolVersion::TLSv1_2);
            let record = InboundOpaqueMessage::new(typ, version, payload);
            let decrypter = cipher.get_or_insert_with(|| {
                let (key, iv) = self.reads.copy();
                self.suite.aead_alg.decrypter(key, iv)
            });
            let message = decrypter.decrypt(record, self.reads.next())?;
            match (message.typ, message.payload) {
                (ContentType::ApplicationData, content) if !content.is_empty() => {
                    self.empty = 0;
                    plain.extend_from_slice(content);
                    continue;
                }
                (ContentType::ApplicationData, _) => {}
                (ContentType::Alert, alert) => {
                    if on_alert(alert)? == Said::Close {
                        return Ok(Said::Close);
                    }
                }
                (ContentType::Handshake, message) => {
                    self.on_key_update(message)?;
                    cipher = None;
                }
                _ => return Err(unexpected()),
            }
            self.empty += 1;
            if self.empty > EMPTY_MAX {
                return Err(PeerMisbehaved::TooManyEmptyFragments.into());
            }
        }
        Ok(Said::More)
    }

    /// §4.6.3. It is the last of its record, as keys change behind it.
    fn on_key_update(&mut self, message: &[u8]) -> Result<(), Error> {
        match *message {
            [KEY_UPDATE, 0, 0, 1, 0] => {}
            [KEY_UPDATE, 0, 0, 1, 1] => self.owes_keys = true,
            [KEY_UPDATE, 0, 0, 1, _] => return Err(InvalidMessage::InvalidKeyUpdate.into()),
            _ => return Err(unexpected()),
        }
        self.reads = Keys::new(self.kernel.update_rx_secret()?)?;
        Ok(())
    }

    /// Tells the peer, under the old keys, that what follows is under new ones.
    fn change_keys(&mut self, sealed: &mut Vec<u8>) -> Result<(), Error> {
        let mut cipher = self.encrypter();
        self.seal_record(&mut *cipher, ContentType::Handshake, &[KEY_UPDATE, 0, 0, 1, 0], sealed)?;
        self.writes = Keys::new(self.kernel.update_tx_secret()?)?;
        self.owes_keys = false;
        Ok(())
    }

    /// Appends records with `plain` in them.
    pub fn seal(&mut self, plain: &[u8], sealed: &mut Vec<u8>) -> Result<(), Error> {
        if self.owes_keys {
            self.change_keys(sealed)?;
        }
        let mut cipher = self.encrypter();
        for content in plain.chunks(CONTENT_BYTES_MAX) {
            // One is left for the word that keys change (§5.5).
            if self.writes.sequence + 1 >= self.suite.common.confidentiality_limit {
                self.change_keys(sealed)?;
                cipher = self.encrypter();
            }
            self.seal_record(&mut *cipher, ContentType::ApplicationData, content, sealed)?;
        }
        Ok(())
    }

    /// Appends the word that our side is at its end (§6.1).
    pub fn close(&mut self, sealed: &mut Vec<u8>) -> Result<(), Error> {
        self.seal_alert(WARNING, AlertDescription::CloseNotify, sealed)
    }

    fn seal_alert(
        &mut self,
        level: u8,
        description: AlertDescription,
        sealed: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let mut cipher = self.encrypter();
        self.seal_record(&mut *cipher, ContentType::Alert, &[level, description.into()], sealed)
    }

    fn encrypter(&self) -> Box<dyn MessageEncrypter> {
        let (key, iv) = self.writes.copy();
        self.suite.aead_alg.encrypter(key, iv)
    }

    fn seal_record(
        &mut self,
        cipher: &mut dyn MessageEncrypter,
        typ: ContentType,
        content: &[u8],
        sealed: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let version = ProtocolVersion::TLSv1_2;
        let message = OutboundPlainMessage { typ, version, payload: content.into() };
        let record = cipher.encrypt(message, self.writes.next())?;
        sealed.extend_from_slice(&record.encode());
        Ok(())
    }
}

impl fmt::Debug for Traffic {
    /// Keys are nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Traffic(…)")
    }
}

/// Bytes of the record that stands first, if it is whole. The version in it means nothing (§5.1).
fn whole_record(bytes: &[u8]) -> Result<Option<usize>, Error> {
    let Some(&[typ, _, _, high, low]) = bytes.first_chunk() else { return Ok(None) };
    if typ != u8::from(ContentType::ApplicationData) {
        return Err(unexpected());
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > CIPHERTEXT_BYTES_MAX {
        return Err(Error::PeerSentOversizedRecord);
    }
    let all = HEAD_BYTES + length;
    Ok((bytes.len() >= all).then_some(all))
}

/// §6: an alert is the end, whatever level it claims, but for one that only tells why.
fn on_alert(alert: &[u8]) -> Result<Said, Error> {
    let &[_, description] = alert else {
        return Err(InvalidMessage::MissingData("Alert").into());
    };
    match AlertDescription::from(description) {
        AlertDescription::CloseNotify => Ok(Said::Close),
        AlertDescription::UserCanceled => Ok(Said::More),
        description => Err(Error::AlertReceived(description)),
    }
}

fn unexpected() -> Error {
    InvalidMessage::UnexpectedMessage("in open traffic").into()
}

/// What the peer is told of a fault; an alert is not answered (§6.2).
fn alert_of(error: &Error) -> Option<AlertDescription> {
    Some(match error {
        Error::AlertReceived(_) => return None,
        Error::DecryptError => AlertDescription::BadRecordMac,
        Error::PeerSentOversizedRecord => AlertDescription::RecordOverflow,
        Error::InvalidMessage(InvalidMessage::InvalidKeyUpdate) => {
            AlertDescription::IllegalParameter
        }
        Error::InvalidMessage(InvalidMessage::MissingData(_)) => AlertDescription::DecodeError,
        Error::InvalidMessage(_) | Error::PeerMisbehaved(_) => AlertDescription::UnexpectedMessage,
        _ => AlertDescription::InternalError,
    })
}
