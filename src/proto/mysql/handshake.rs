//! How a MySQL connection begins: greeting, response, and the proof that the client knows the
//! password.
//!
//! Specification: "Connection Phase", "Protocol::HandshakeV10", "Protocol::HandshakeResponse41",
//! "Protocol::AuthSwitchRequest", "Native Authentication", "Caching_sha2_password information".
//!
//! ```text
//!   greeting   0a, version NUL, u32 connection, nonce[0..8] 00, u16 capabilities (low),
//!              u8 charset, u16 status, u16 capabilities (high), u8 21, 10 × 00, nonce[8..20] 00, plugin NUL
//!   response   u32 capabilities, u32 max packet, u8 charset, 23 filler, user NUL,
//!              proof (lenenc, or u8 length, or NUL-terminated: two capabilities decide),
//!              [database NUL], [plugin NUL], [attributes]
//!   switch     fe, plugin NUL, nonce[0..20] 00
//! ```
//!
//! Proofs, with `+` for concatenation and `nonce` without its NUL:
//!
//! ```text
//!   mysql_native_password   SHA1(password) XOR SHA1(nonce + SHA1(SHA1(password)))          20 bytes
//!   caching_sha2_password   SHA256(password) XOR SHA256(SHA256(SHA256(password)) + nonce)  32 bytes
//! ```
//!
//! A client that wants TLS, where it is offered, sends the response's first 32 bytes alone, and the whole
//! of it again as the first packet inside (Protocol::SSLRequest).
//!
//! Limits: the packet's. Left out: the protocol before 4.1, full authentication. Read over: the filler
//! (libmariadb and mysql2 put bits there), the charset, the greatest packet, the attributes.
//!
//! ```
//! use encke::proto::mysql::handshake::{Nonce, Plugin};
//! let nonce = Nonce::from_random([7; 20]);
//! assert!(!Plugin::Native.proves(b"secret", &nonce, b"no proof at all"));
//! ```

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::Code;
use super::resultset::{CHARSET, Status};
use super::value::{Malformed, Reader};

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 20;

const CONNECT_WITH_DB: u32 = 0x0000_0008;
const COMPRESS: u32 = 0x0000_0020;
const PROTOCOL_41: u32 = 0x0000_0200;
const SSL: u32 = 0x0000_0800;
const SECURE_CONNECTION: u32 = 0x0000_8000;
const MULTI_STATEMENTS: u32 = 0x0001_0000;
const PLUGIN_AUTH: u32 = 0x0008_0000;
const PLUGIN_AUTH_LENENC: u32 = 0x0020_0000;

/// What the greeting offers. LONG_PASSWORD, LONG_FLAG, IGNORE_SPACE, INTERACTIVE and TRANSACTIONS
/// mean nothing here, but old clients look for them. CONNECT_ATTRS is offered so that what clients
/// send anyway has a place. SSL comes with certificates. Not there, because nothing stands behind
/// them: COMPRESS, LOCAL_FILES, DEPRECATE_EOF.
const OFFERED: u32 = 0x0000_0001 // LONG_PASSWORD
    | 0x0000_0004 // LONG_FLAG
    | CONNECT_WITH_DB
    | 0x0000_0100 // IGNORE_SPACE
    | PROTOCOL_41
    | 0x0000_0400 // INTERACTIVE
    | 0x0000_2000 // TRANSACTIONS
    | SECURE_CONNECTION
    | MULTI_STATEMENTS
    | 0x0002_0000 // MULTI_RESULTS
    | PLUGIN_AUTH
    | 0x0010_0000 // CONNECT_ATTRS
    | PLUGIN_AUTH_LENENC;

/// A number used once, for one proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nonce([u8; NONCE_BYTES]);

impl Nonce {
    /// Makes a nonce of random bytes: seven bits of each are used, as clients take it for text, and
    /// neither NUL (its end) nor `$` (a separator in MySQL's stored hashes) may be in it.
    pub fn from_random(random: [u8; NONCE_BYTES]) -> Nonce {
        Nonce(random.map(|byte| match byte & 0x7f {
            0 => 1,
            b'$' => b'%',
            other => other,
        }))
    }

    /// The bytes that go into a proof.
    pub fn as_bytes(&self) -> &[u8; NONCE_BYTES] {
        &self.0
    }
}

/// The ways of proving a password that are known here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plugin {
    /// `mysql_native_password`, which the greeting names.
    Native,
    /// `caching_sha2_password`, of which only the fast way is spoken.
    CachingSha2,
}

impl Plugin {
    /// The plugin of that name.
    pub fn by_name(name: &[u8]) -> Option<Plugin> {
        [Plugin::Native, Plugin::CachingSha2].into_iter().find(|p| p.name().as_bytes() == name)
    }

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Plugin::Native => "mysql_native_password",
            Plugin::CachingSha2 => "caching_sha2_password",
        }
    }

    /// Whether `proof` shows that its maker knows the password. Takes the same time for every proof
    /// of the right length.
    pub fn proves(self, password: &[u8], nonce: &Nonce, proof: &[u8]) -> bool {
        if password.is_empty() || self.is_no_proof(proof) {
            return password.is_empty() && self.is_no_proof(proof);
        }
        match self {
            Plugin::Native => same(&native_proof(password, nonce), proof),
            Plugin::CachingSha2 => same(&caching_sha2_proof(password, nonce), proof),
        }
    }

    /// Whether this is what a client without a password sends. (caching_sha2_password: one NUL.)
    pub fn is_no_proof(self, proof: &[u8]) -> bool {
        proof.is_empty() || self == Plugin::CachingSha2 && proof == [0]
    }
}

/// The proof that `mysql_native_password` asks for.
pub fn native_proof(password: &[u8], nonce: &Nonce) -> [u8; 20] {
    let hash: [u8; 20] = Sha1::digest(password).into();
    let stored = Sha1::digest(hash);
    let mask: [u8; 20] = Sha1::new().chain_update(nonce.0).chain_update(stored).finalize().into();
    std::array::from_fn(|i| hash[i] ^ mask[i])
}

/// The proof that `caching_sha2_password` asks for first.
pub fn caching_sha2_proof(password: &[u8], nonce: &Nonce) -> [u8; 32] {
    let hash: [u8; 32] = Sha256::digest(password).into();
    let stored = Sha256::digest(hash);
    let mask: [u8; 32] = Sha256::new().chain_update(stored).chain_update(nonce.0).finalize().into();
    std::array::from_fn(|i| hash[i] ^ mask[i])
}

/// Compares without stopping at the first difference.
fn same(expected: &[u8], given: &[u8]) -> bool {
    expected.len() == given.len()
        && expected.iter().zip(given).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// The server's first packet.
#[derive(Clone, Debug)]
pub struct Greeting<'a> {
    /// Begins with digits and dots: some clients read it as a number. No NUL.
    pub version: &'a str,
    /// Number of the connection, as CONNECTION_ID() tells it.
    pub connection_number: u32,
    /// For the proof.
    pub nonce: &'a Nonce,
    /// Whether the client may go on inside TLS.
    pub offers_tls: bool,
}

impl Greeting<'_> {
    /// Appends the payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let offered = if self.offers_tls { OFFERED | SSL } else { OFFERED };
        let [low0, low1, high0, high1] = offered.to_le_bytes();
        out.push(10);
        put_nul_string(out, self.version.as_bytes());
        out.extend_from_slice(&self.connection_number.to_le_bytes());
        put_nul_string(out, &self.nonce.0[..8]);
        out.extend_from_slice(&[low0, low1, CHARSET]);
        out.extend_from_slice(&Status::AUTOCOMMIT.to_le_bytes());
        out.extend_from_slice(&[high0, high1, NONCE_BYTES as u8 + 1]);
        out.extend_from_slice(&[0; 10]);
        put_nul_string(out, &self.nonce.0[8..]);
        put_nul_string(out, Plugin::Native.name().as_bytes());
    }
}

/// Appends the payload of an AuthSwitchRequest: prove it again, this way, with this nonce.
pub fn encode_switch(out: &mut Vec<u8>, plugin: Plugin, nonce: &Nonce) {
    out.push(0xfe);
    put_nul_string(out, plugin.name().as_bytes());
    put_nul_string(out, &nonce.0);
}

/// Appends the payload that tells a caching_sha2_password client that its proof was good. OK
/// follows.
pub fn encode_fast_success(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x01, 0x03]);
}

fn put_nul_string(out: &mut Vec<u8>, string: &[u8]) {
    out.extend_from_slice(string);
    out.push(0);
}

/// Whether this payload asks for TLS: what comes next on the wire is a ClientHello.
pub fn is_tls_request(payload: &[u8]) -> bool {
    // Capabilities, greatest packet, charset, filler; a response has at least a user's NUL behind them.
    let [low0, low1, ..] = *payload else { return false };
    payload.len() == 4 + 4 + 1 + 23 && u32::from(u16::from_le_bytes([low0, low1])) & SSL != 0
}

/// The client's first packet. Borrows the packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Response<'a> {
    /// The user's name.
    pub user: &'a [u8],
    /// The proof, empty without a password or where the client waits for a switch.
    pub proof: &'a [u8],
    /// The database to be in; empty is none.
    pub database: &'a [u8],
    /// How the proof was made; empty if the client does not say, which means
    /// `mysql_native_password`.
    pub plugin: &'a [u8],
    /// Whether one COM_QUERY may hold several statements.
    pub multi_statements: bool,
}

/// The response cannot be used; the connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// Cut short, or a request for TLS, which was not offered.
    Malformed,
    /// A client from before MySQL 4.1.
    TooOld,
    /// The client will compress, which was not offered: PHP does so when it is told to, and would wait for
    /// ever.
    Compressed,
}

impl Error {
    /// What to tell the client before closing.
    pub fn code(self) -> Code {
        Code::BAD_HANDSHAKE
    }

    /// MySQL's words for it.
    pub fn text(self) -> &'static str {
        match self {
            Error::Malformed => "Bad handshake",
            Error::TooOld => "Bad handshake: this client is older than MySQL 4.1",
            Error::Compressed => "Bad handshake: compression is not offered here",
        }
    }
}

impl From<Malformed> for Error {
    fn from(_: Malformed) -> Error {
        Error::Malformed
    }
}

impl<'a> Response<'a> {
    /// Reads a packet's payload.
    pub fn parse(payload: &'a [u8]) -> Result<Response<'a>, Error> {
        let mut reader = Reader::new(payload);
        let low = reader.u16()?;
        if u32::from(low) & PROTOCOL_41 == 0 {
            return Err(Error::TooOld);
        }
        if u32::from(low) & COMPRESS != 0 {
            return Err(Error::Compressed);
        }
        // What the server did not offer is not in effect, whatever a client sets.
        let capabilities = (u32::from(low) | u32::from(reader.u16()?) << 16) & OFFERED;
        reader.bytes(4 + 1 + 23)?;
        let user = reader.nul_string()?;
        let proof = if capabilities & PLUGIN_AUTH_LENENC != 0 {
            reader.lenenc_string()?
        } else if capabilities & SECURE_CONNECTION != 0 {
            let length = reader.u8()?;
            reader.bytes(usize::from(length))?
        } else {
            reader.nul_string_or_rest()
        };
        let has = |capability| capabilities & capability != 0;
        let database = if has(CONNECT_WITH_DB) { reader.nul_string_or_rest() } else { b"" };
        let plugin = if has(PLUGIN_AUTH) { reader.nul_string_or_rest() } else { b"" };
        let multi_statements = has(MULTI_STATEMENTS);
        Ok(Response { user, proof, database, plugin, multi_statements })
    }
}
