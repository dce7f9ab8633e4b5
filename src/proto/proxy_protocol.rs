//! The PROXY protocol, versions 1 and 2: what a proxy says of its client before the client's first
//! byte (HAProxy's proxy-protocol.txt §2.1 and §2.2).
//!
//! ```text
//! PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 CRLF     version 1: a line of at most 107 bytes
//!
//! 0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a                  version 2: the signature,
//! 21                                                   version 2, command 0 LOCAL or 1 PROXY,
//! 11                                                   family 1 IPv4, 2 IPv6, 3 Unix; 1 stream, 2 datagram,
//! 00 0c                                                bytes that follow: addresses, then TLVs
//! c0 00 02 01  c6 33 64 07  dc 04  01 bb               source, destination, their ports
//! ```
//! [`parse`] says how many bytes are surely missing, so that a caller can read exactly the header: what
//! follows may be TLS, and is somebody else's to read.
//!
//! Limits: [`LINE_BYTES_MAX`] for version 1, [`HEADER_BYTES_MAX`] for version 2.
//! Left out: what TLVs say, their checksum included, and the names of Unix sockets; they are skipped.
//!
//! ```
//! use encke::proto::proxy_protocol::{Progress, parse};
//! let header = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
//! let from = Some("192.0.2.1:56324".parse().unwrap());
//! assert_eq!(parse(header), Ok(Progress::Complete { used: header.len(), from }));
//! assert_eq!(parse(&header[..20]), Ok(Progress::Missing(2)));
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Most bytes of a header of version 1, its CRLF included (§2.1).
pub const LINE_BYTES_MAX: usize = 107;
/// Most bytes of a header of version 2. Its length could say 64 KB; certificates fit in this.
pub const HEADER_BYTES_MAX: usize = 4_096;

const LINE_START: &[u8] = b"PROXY ";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, two bytes of what it is, and the length of the rest.
const FIXED_BYTES: usize = 16;
/// `PROXY UNKNOWN CRLF`, the shortest header there is.
const BYTES_MIN: usize = 15;

/// How far a header has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// At least so many bytes more belong to it; never 0.
    Missing(usize),
    /// It is there.
    Complete {
        /// Bytes of the header; the client's first byte follows.
        used: usize,
        /// Where the client is; `None` if the proxy speaks for itself (LOCAL), or does not know or say it
        /// in a way that has an IP address.
        from: Option<SocketAddr>,
    },
}

/// Why a header was refused. The connection closes without a word (§2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// The first bytes are those of neither version.
    NoHeader,
    /// A line that is not as §2.1 has it.
    BadLine,
    /// A header above the bound of its version.
    TooLong,
    /// The signature of version 2 with another version behind it.
    BadVersion,
    /// A command other than LOCAL and PROXY.
    BadCommand,
    /// A family or a kind of transport that §2.2 does not have.
    BadFamily,
    /// Fewer bytes than the family's addresses need.
    TooShort,
}

impl Error {
    /// One line for the log.
    pub fn explain(self) -> &'static str {
        match self {
            Error::NoHeader => "no PROXY header came first",
            Error::BadLine => "the line of its PROXY header is malformed",
            Error::TooLong => "its PROXY header is too long",
            Error::BadVersion => "its PROXY header has an unknown version",
            Error::BadCommand => "its PROXY header has an unknown command",
            Error::BadFamily => "its PROXY header has an unknown family of addresses",
            Error::TooShort => "its PROXY header is too short for its addresses",
        }
    }
}

/// Reads the header at the front of `input`.
pub fn parse(input: &[u8]) -> Result<Progress, Error> {
    if is_begun(input, SIGNATURE) && !input.is_empty() {
        parse_binary(input)
    } else if is_begun(input, LINE_START) {
        parse_line(input)
    } else {
        Err(Error::NoHeader)
    }
}

/// Whether `input` begins as `start` does, as far as both go.
fn is_begun(input: &[u8], start: &[u8]) -> bool {
    let common = input.len().min(start.len());
    input[..common] == start[..common]
}

fn parse_line(input: &[u8]) -> Result<Progress, Error> {
    let within = &input[..input.len().min(LINE_BYTES_MAX)];
    let Some(end) = within.iter().position(|&byte| byte == b'\n') else {
        if within.len() == LINE_BYTES_MAX {
            return Err(Error::TooLong);
        }
        let of_line_end = if within.ends_with(b"\r") { 1 } else { 2 };
        return Ok(Progress::Missing(BYTES_MIN.saturating_sub(within.len()).max(of_line_end)));
    };
    let line = within[..end].strip_suffix(b"\r").ok_or(Error::BadLine)?;
    let text = std::str::from_utf8(line).map_err(|_| Error::BadLine)?;
    let mut words = text.split(' ').skip(1);
    let from = match words.next() {
        // §2.1: whatever follows is to be ignored.
        Some("UNKNOWN") => None,
        Some("TCP4") => Some(parse_addresses::<Ipv4Addr>(words)?),
        Some("TCP6") => Some(parse_addresses::<Ipv6Addr>(words)?),
        _ => return Err(Error::BadLine),
    };
    Ok(Progress::Complete { used: end + 1, from })
}

/// Source, destination, and their ports; the source's are wanted, all are checked.
fn parse_addresses<'a, A>(mut words: impl Iterator<Item = &'a str>) -> Result<SocketAddr, Error>
where
    A: std::str::FromStr + Into<IpAddr>,
{
    let mut next = || words.next().ok_or(Error::BadLine);
    let address = |word: &str| word.parse::<A>().map_err(|_| Error::BadLine);
    let (source, _) = (address(next()?)?, address(next()?)?);
    let (port, _) = (parse_port(next()?)?, parse_port(next()?)?);
    if words.next().is_some() {
        return Err(Error::BadLine);
    }
    Ok(SocketAddr::new(source.into(), port))
}

/// §2.1: decimal, 0 to 65535, no leading zeros.
fn parse_port(word: &str) -> Result<u16, Error> {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_digit());
    let is_short = word.len() == 1 || !word.starts_with('0');
    let port = word.parse().ok().filter(|_| is_plain && is_short);
    port.ok_or(Error::BadLine)
}

fn parse_binary(input: &[u8]) -> Result<Progress, Error> {
    // What is wrong is said as soon as it is there, before the rest is waited for.
    let is_local = match input.get(SIGNATURE.len()) {
        Some(byte) if byte >> 4 != 2 => return Err(Error::BadVersion),
        Some(byte) if byte & 15 > 1 => return Err(Error::BadCommand),
        Some(byte) => byte & 15 == 0,
        None => false,
    };
    let family = input.get(SIGNATURE.len() + 1).copied().unwrap_or_default();
    // §2.2: the receiver of a LOCAL discards everything else.
    let address_bytes = if is_local { 0 } else { address_bytes(family)? };
    let &[high, low] = input.get(FIXED_BYTES - 2..FIXED_BYTES).unwrap_or_default() else {
        return Ok(Progress::Missing(FIXED_BYTES - input.len()));
    };
    let rest = usize::from(u16::from_be_bytes([high, low]));
    let used = FIXED_BYTES + rest;
    if used > HEADER_BYTES_MAX {
        return Err(Error::TooLong);
    }
    if rest < address_bytes {
        return Err(Error::TooShort);
    }
    let Some(rest) = input.get(FIXED_BYTES..used) else {
        return Ok(Progress::Missing(used - input.len()));
    };
    let from = if is_local { None } else { source(family, rest) };
    Ok(Progress::Complete { used, from })
}

/// Bytes of both addresses and their ports, by family (upper half) and transport (lower half).
fn address_bytes(family: u8) -> Result<usize, Error> {
    match family {
        0x00 => Ok(0),
        0x11 | 0x12 => Ok(12),
        0x21 | 0x22 => Ok(36),
        0x31 | 0x32 => Ok(216),
        _ => Err(Error::BadFamily),
    }
}

/// The source of a stream over IP. There are as many bytes as `address_bytes` asks for.
fn source(family: u8, rest: &[u8]) -> Option<SocketAddr> {
    let port = |at: usize| Some(u16::from_be_bytes(rest.get(at..at + 2)?.try_into().ok()?));
    match family {
        0x11 => {
            let address: [u8; 4] = rest.get(..4)?.try_into().ok()?;
            Some(SocketAddr::new(Ipv4Addr::from(address).into(), port(8)?))
        }
        0x21 => {
            let address: [u8; 16] = rest.get(..16)?.try_into().ok()?;
            Some(SocketAddr::new(Ipv6Addr::from(address).into(), port(32)?))
        }
        _ => None,
    }
}
