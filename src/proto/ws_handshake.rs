//! The opening handshake of WebSocket, the server's half: RFC 6455 §4.2.
//!
//! ```text
//! GET /chat HTTP/1.1                           HTTP/1.1 101 Switching Protocols
//! Host: server.example.com                     Upgrade: websocket
//! Upgrade: websocket                       →   Connection: Upgrade
//! Connection: Upgrade                          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
//! Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==  Sec-WebSocket-Protocol: chat
//! Sec-WebSocket-Protocol: chat, superchat
//! Sec-WebSocket-Version: 13
//! ```
//!
//! The accept value is base64(SHA-1(key + a fixed GUID)): 16 bytes in 24 characters become 20 in
//! 28. Frames begin right behind the request's head; a client may send them before it has the
//! answer.
//!
//! Of extensions there is one, permessage-deflate, with rules of its own (`permessage_deflate.rs`).
//!
//! Limits: those of the head. Left out: `Origin` and paths (decided elsewhere), versions before 13, and
//! HTTP/2's way to open a WebSocket (RFC 8441).
//!
//! ```
//! use encke::proto::ws_handshake::accept_key;
//! assert_eq!(&accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
//! ```

use super::http1::{Head, Method, Version, write_header};
use super::permessage_deflate::{self, Agreed};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

/// Characters of a key: 16 bytes in base64.
pub const KEY_BYTES: usize = 24;
/// Characters of an accept value: 20 bytes in base64.
pub const ACCEPT_BYTES: usize = 28;
/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Why a request opens no WebSocket. The connection may go on as HTTP unless there was a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// Not GET (§4.2.1 item 1).
    NotGet,
    /// HTTP/1.0, which has no Upgrade (§4.2.1 item 1, RFC 9110 §7.8).
    NotHttp11,
    /// `Upgrade` does not name websocket (§4.2.1 item 3): an ordinary request for what only a
    /// WebSocket gives.
    NoUpgrade,
    /// `Connection` does not name upgrade (§4.2.1 item 4). Proxies that know no WebSocket do this.
    NoConnectionUpgrade,
    /// `Sec-WebSocket-Version` is not exactly one 13 (§4.4).
    BadVersion,
    /// `Sec-WebSocket-Key` is not exactly one base64 of 16 bytes (§4.2.1 item 5).
    BadKey,
    /// `Sec-WebSocket-Extensions` is no list of extensions (§9.1).
    BadExtensions,
    /// The request has a body, which could not be told from frames.
    HasBody,
}

impl Error {
    /// The status of the answer.
    pub fn status(self) -> u16 {
        match self {
            Error::NotGet => 405,
            Error::NoUpgrade | Error::BadVersion => 426,
            Error::NotHttp11
            | Error::NoConnectionUpgrade
            | Error::BadKey
            | Error::BadExtensions
            | Error::HasBody => 400,
        }
    }

    /// The header lines that this status needs: Allow (RFC 9110 §15.5.6), Upgrade (RFC 9110
    /// §15.5.22) with its Connection option (RFC 9110 §7.8), and the version that we speak (RFC
    /// 6455 §4.4).
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self.status() {
            405 => &[("Allow", "GET")],
            426 => &[
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Version", "13"),
            ],
            _ => &[],
        }
    }

    /// One line for the body of the answer.
    pub fn explain(self) -> &'static str {
        match self {
            Error::NotGet => "a WebSocket is opened with GET",
            Error::NotHttp11 => "a WebSocket needs HTTP/1.1",
            Error::NoUpgrade => "this URL is for WebSockets: Upgrade: websocket is missing",
            Error::NoConnectionUpgrade => "Connection: Upgrade is missing; did a proxy drop it?",
            Error::BadVersion => "Sec-WebSocket-Version must be 13",
            Error::BadKey => "Sec-WebSocket-Key must be 16 bytes in base64",
            Error::BadExtensions => "Sec-WebSocket-Extensions is not a list of extensions",
            Error::HasBody => "a WebSocket handshake has no body",
        }
    }
}

/// What a valid handshake asks for.
#[derive(Clone, Copy, Debug)]
pub struct Handshake<'a> {
    /// As it was sent; for [`accept_key`].
    pub key: [u8; KEY_BYTES],
    /// How messages may be compressed, if the client offers that (§4.2.1 item 9).
    pub deflate: Option<Agreed>,
    head: Head<'a>,
}

impl<'a> Handshake<'a> {
    /// The subprotocols that the client offers, in its order of preference (§4.2.1 item 8).
    pub fn protocols(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.head.list("Sec-WebSocket-Protocol")
    }

    /// Does the client offer this subprotocol? Names are case-sensitive, other than in most HTTP
    /// lists.
    pub fn offers(&self, protocol: &str) -> bool {
        self.protocols().any(|offered| offered == protocol.as_bytes())
    }
}

/// Does the request ask for a WebSocket at all? What else is wrong with it, [`check`] says.
///
/// HTTP/1.0 has no upgrades (RFC 9110 §7.8), and HEAD is GET without its effect (§9.3.2).
pub fn is_upgrade(head: &Head<'_>) -> bool {
    head.has_token("Upgrade", "websocket")
        && head.version == Version::Http11
        && head.method != Method::Head
}

/// Checks all that §4.2.1 asks of the client.
pub fn check<'a>(head: &Head<'a>) -> Result<Handshake<'a>, Error> {
    if !matches!(head.method, Method::Get | Method::Head) {
        return Err(Error::NotGet);
    }
    if head.version != Version::Http11 {
        return Err(Error::NotHttp11);
    }
    if !is_upgrade(head) {
        return Err(Error::NoUpgrade);
    }
    if !head.connection_upgrade {
        return Err(Error::NoConnectionUpgrade);
    }
    if the_only(head, "Sec-WebSocket-Version") != Some(b"13") {
        return Err(Error::BadVersion);
    }
    let key = the_only(head, "Sec-WebSocket-Key").and_then(check_key).ok_or(Error::BadKey)?;
    let extensions = head.headers_named("Sec-WebSocket-Extensions");
    let deflate = permessage_deflate::agree(extensions).map_err(|_| Error::BadExtensions)?;
    if !head.body.is_empty() {
        return Err(Error::HasBody);
    }
    Ok(Handshake { key, deflate, head: *head })
}

/// §11.3.1, §11.3.5: neither key nor version may appear twice in a request.
fn the_only<'a>(head: &Head<'a>, name: &str) -> Option<&'a [u8]> {
    let mut lines = head.headers_named(name);
    let first = lines.next()?;
    lines.next().is_none().then_some(first)
}

/// Base64 of 16 bytes is 22 characters of its alphabet and `==`. Keys made by hand often have stray bits
/// in the last character; nothing depends on these (RFC 4648 §3.5 leaves it to the decoder).
fn check_key(key: &[u8]) -> Option<[u8; KEY_BYTES]> {
    let key = <[u8; KEY_BYTES]>::try_from(key).ok()?;
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() | matches!(byte, b'+' | b'/');
    let (digits, padding) = key.split_at(22);
    // Without a branch, for many bytes at a time.
    let are_digits = digits.iter().fold(true, |all, byte| all & is_digit(byte));
    (are_digits && padding == b"==").then_some(key)
}

/// The value of `Sec-WebSocket-Accept` for a key (§4.2.2 item 5.4).
pub fn accept_key(key: &[u8]) -> [u8; ACCEPT_BYTES] {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut accept = [0; ACCEPT_BYTES];
    let length = STANDARD.encode_slice(digest, &mut accept).expect("20 bytes need 28 characters");
    assert_eq!(length, ACCEPT_BYTES);
    accept
}

/// What the server agrees to besides the protocol itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Answer<'a> {
    /// A subprotocol that the client offered.
    pub protocol: Option<&'a str>,
    /// How messages may be compressed, from the client's [`Handshake::deflate`].
    pub deflate: Option<Agreed>,
}

/// The whole head that accepts a WebSocket (§4.2.2 item 5). Frames follow.
pub fn write_response(out: &mut Vec<u8>, accept: [u8; ACCEPT_BYTES], answer: Answer<'_>) {
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Accept: ",
    );
    out.extend_from_slice(&accept);
    out.extend_from_slice(b"\r\n");
    if let Some(protocol) = answer.protocol {
        write_header(out, "Sec-WebSocket-Protocol", protocol.as_bytes());
    }
    if let Some(agreed) = answer.deflate {
        out.extend_from_slice(b"Sec-WebSocket-Extensions: ");
        agreed.write(out);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}
