//! How permessage-deflate is agreed on in the opening handshake: RFC 7692 §5 to §7.1, RFC 6455 §9.1.
//!
//! ```text
//! Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits; server_max_window_bits=10,
//!                           permessage-deflate; client_max_window_bits
//! Sec-WebSocket-Extensions: x-other; answer="42"
//!
//! → Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover;
//!                             client_no_context_takeover; server_max_window_bits=10
//! ```
//!
//! | parameter of an offer | value | here |
//! |---|---|---|
//! | `server_no_context_takeover` | none | answered in any case |
//! | `client_no_context_takeover` | none | answered in any case |
//! | `server_max_window_bits` | 8 to 15 | answered with the same; 8 declines the offer |
//! | `client_max_window_bits` | none, or 8 to 15 | allowed; not answered |
//!
//! Neither side takes a context from one message to the next. So all connections can share one compressor
//! and one decompressor (`deflate.rs`), and a message to many is compressed once. zlib makes no raw deflate
//! with a window of 8 bits; it reads any window, so a client may use what it likes.
//!
//! The first offer that can be honoured wins. One with a parameter that is unknown, comes twice, or has a
//! value that it cannot have is declined (§7.1). What is no list of extensions at all fails the handshake.
//! Limits: those of the head. Left out: every other extension.
//!
//! ```
//! use encke::proto::permessage_deflate::agree;
//! let agreed = agree([&b"permessage-deflate; client_max_window_bits"[..]]).unwrap().unwrap();
//! assert_eq!(agreed.window_bits(), 15);
//! assert_eq!(agree([&b"permessage-deflate; server_max_window_bits=8"[..]]), Ok(None));
//! assert!(agree([&b"permessage-deflate; ="[..]]).is_err());
//! ```

use std::borrow::Cow;
use std::ops::RangeInclusive;

use super::http1::is_token_byte;

const NAME: &[u8] = b"permessage-deflate";
/// §7.1.2: of both windows, as powers of two.
const WINDOW_BITS: RangeInclusive<u8> = 8..=15;
/// What zlib's raw deflate can write.
const OWN_WINDOW_BITS_MIN: u8 = 9;
/// Where nothing is said, and the greatest there is.
const WINDOW_BITS_MAX: u8 = 15;

/// What is answered to an offer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Agreed {
    /// 9 to 15, if the client asked for a bound.
    server_max_window_bits: Option<u8>,
}

/// Not a list of extensions (RFC 6455 §9.1): the handshake must fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

impl Agreed {
    /// How far back the server's messages may refer, as a power of two: 9 to 15.
    pub fn window_bits(self) -> u8 {
        self.server_max_window_bits.unwrap_or(WINDOW_BITS_MAX)
    }

    /// Appends the value of the answer's `Sec-WebSocket-Extensions`.
    pub fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(NAME);
        out.extend_from_slice(b"; server_no_context_takeover; client_no_context_takeover");
        if let Some(bits) = self.server_max_window_bits {
            out.extend_from_slice(format!("; server_max_window_bits={bits}").as_bytes());
        }
    }
}

/// Chooses among the offers of all `Sec-WebSocket-Extensions` lines of a request, in their order.
pub fn agree<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<Agreed>, Malformed> {
    let mut chosen = None;
    for line in lines {
        let mut rest = Scanner { rest: line };
        while !rest.is_at_end() {
            // RFC 6455 §9.1 builds on a list rule that allows empty members.
            if !rest.takes(b',') {
                let agreed = take_extension(&mut rest)?;
                chosen = chosen.or(agreed);
            }
        }
    }
    Ok(chosen)
}

/// One extension and its parameters, up to the comma or the end.
fn take_extension(rest: &mut Scanner<'_>) -> Result<Option<Agreed>, Malformed> {
    let mut offer = Offer::default();
    let is_known = rest.take_token()? == NAME;
    while rest.takes(b';') {
        let name = rest.take_token()?;
        let value = if rest.takes(b'=') { Some(rest.take_value()?) } else { None };
        offer.take(name, value.as_deref());
    }
    if !rest.is_at_end() && !rest.takes(b',') {
        return Err(Malformed);
    }
    Ok(offer.answer().filter(|_| is_known))
}

/// The parameters of one offer.
#[derive(Default)]
struct Offer {
    has_server_no_context_takeover: bool,
    has_client_no_context_takeover: bool,
    has_client_max_window_bits: bool,
    server_max_window_bits: Option<u8>,
    is_declined: bool,
}

impl Offer {
    fn take(&mut self, name: &[u8], value: Option<&[u8]>) {
        // What `replace` gives back was there before: a parameter comes once.
        let is_fine = match (name, value) {
            (b"server_no_context_takeover", None) => {
                !std::mem::replace(&mut self.has_server_no_context_takeover, true)
            }
            (b"client_no_context_takeover", None) => {
                !std::mem::replace(&mut self.has_client_no_context_takeover, true)
            }
            (b"client_max_window_bits", value) => {
                !std::mem::replace(&mut self.has_client_max_window_bits, true)
                    && value.is_none_or(|value| window_bits(value).is_some())
            }
            (b"server_max_window_bits", Some(value)) => {
                let is_first = self.server_max_window_bits.is_none();
                let bits = window_bits(value).filter(|&bits| bits >= OWN_WINDOW_BITS_MIN);
                self.server_max_window_bits = bits;
                is_first && bits.is_some()
            }
            _ => false,
        };
        self.is_declined |= !is_fine;
    }

    fn answer(self) -> Option<Agreed> {
        let Offer { server_max_window_bits, is_declined, .. } = self;
        (!is_declined).then_some(Agreed { server_max_window_bits })
    }
}

/// §7.1.2.1: "a decimal integer value without leading zeroes between 8 to 15, inclusive".
fn window_bits(value: &[u8]) -> Option<u8> {
    let bits = match *value {
        [ones @ b'1'..=b'9'] => ones - b'0',
        [b'1', ones @ b'0'..=b'9'] => 10 + (ones - b'0'),
        _ => return None,
    };
    WINDOW_BITS.contains(&bits).then_some(bits)
}

/// What is left of a field value, read from the front. Spaces and tabs may stand between any two parts
/// (RFC 6455 §9.1 uses the "implied LWS" of RFC 2616 §2.1).
struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    fn is_at_end(&mut self) -> bool {
        self.rest = self.rest.trim_ascii_start();
        self.rest.is_empty()
    }

    /// Goes past one byte, if it comes next.
    fn takes(&mut self, byte: u8) -> bool {
        self.rest = self.rest.trim_ascii_start();
        let after = self.rest.strip_prefix(&[byte]);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn take_token(&mut self) -> Result<&'a [u8], Malformed> {
        self.rest = self.rest.trim_ascii_start();
        let len = self.rest.iter().take_while(|&&byte| is_token_byte(byte)).count();
        let (token, rest) = self.rest.split_at(len);
        self.rest = rest;
        if token.is_empty() { Err(Malformed) } else { Ok(token) }
    }

    /// A token, or a quoted string that is one once it is unescaped.
    fn take_value(&mut self) -> Result<Cow<'a, [u8]>, Malformed> {
        if !self.takes(b'"') {
            return self.take_token().map(Cow::Borrowed);
        }
        let mut value = Vec::new();
        loop {
            let (byte, rest) = match self.rest {
                [b'"', rest @ ..] => {
                    self.rest = rest;
                    break;
                }
                [b'\\', byte, rest @ ..] | [byte, rest @ ..] => (*byte, rest),
                [] => return Err(Malformed),
            };
            if !is_token_byte(byte) {
                return Err(Malformed);
            }
            value.push(byte);
            self.rest = rest;
        }
        if value.is_empty() { Err(Malformed) } else { Ok(Cow::Owned(value)) }
    }
}
