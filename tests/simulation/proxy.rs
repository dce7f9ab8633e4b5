//! Where connections come from, and how a proxy says so.

use std::net::IpAddr;

use crate::support::random::Random;

/// Addresses that people have; one is of this machine, and one nobody knows.
pub const ADDRESSES: [Option<&str>; 5] =
    [None, Some("127.0.0.1"), Some("203.0.113.1"), Some("203.0.113.2"), Some("2001:db8:1:2::3")];

/// What a proxy says before the client's first byte, in version 1 or 2 of its protocol.
pub fn header(from: Option<IpAddr>, random: &mut Random) -> Vec<u8> {
    if random.one_in(2) { line(from) } else { binary(from) }
}

fn line(from: Option<IpAddr>) -> Vec<u8> {
    let text = match from {
        Some(from @ IpAddr::V4(_)) => format!("PROXY TCP4 {from} 198.51.100.7 56324 443\r\n"),
        Some(from @ IpAddr::V6(_)) => format!("PROXY TCP6 {from} 2001:db8::7 56324 443\r\n"),
        None => "PROXY UNKNOWN\r\n".to_owned(),
    };
    text.into_bytes()
}

fn binary(from: Option<IpAddr>) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    match from {
        Some(IpAddr::V4(from)) => {
            bytes.extend([0x21, 0x11, 0, 12]);
            bytes.extend(from.octets());
            bytes.extend([198, 51, 100, 7]);
        }
        Some(IpAddr::V6(from)) => {
            bytes.extend([0x21, 0x21, 0, 36]);
            bytes.extend(from.octets());
            bytes.extend([0; 16]);
        }
        // LOCAL: the proxy itself, and nothing else to say.
        None => {
            bytes.extend([0x20, 0, 0, 0]);
            return bytes;
        }
    }
    bytes.extend([0xdc, 4, 1, 0xbb]);
    bytes
}
