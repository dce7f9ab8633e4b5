//! The PROXY protocol: headers as HAProxy's specification lays them out.

use crate::support::splits::splits;
use encke::proto::proxy_protocol::{Error, HEADER_BYTES_MAX, LINE_BYTES_MAX, Progress, parse};

type Found = Result<(usize, Option<&'static str>), Error>;

/// Reads piece after piece, as much of each as the parser says is missing.
fn feed(pieces: &[&[u8]]) -> Result<Progress, Error> {
    let mut input = Vec::new();
    let mut progress = parse(&input)?;
    for &byte in pieces.iter().copied().flatten() {
        let Progress::Missing(missing) = progress else { return Ok(progress) };
        assert!(missing > 0);
        input.push(byte);
        progress = parse(&input)?;
        if let Progress::Missing(still) = progress {
            assert!(still + 1 >= missing, "no byte beyond the header was asked for");
        }
    }
    Ok(progress)
}

fn check(name: &str, input: &[u8], expect: Found) {
    let expect = expect.map(|(used, from)| Progress::Complete {
        used,
        from: from.map(|from| from.parse().expect("an address")),
    });
    for pieces in splits(input) {
        assert_eq!(feed(&pieces), expect, "{name}: {} pieces", pieces.len());
    }
    for tail in [&b"GET / HTTP/1.1\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n", b"\0", input] {
        assert_eq!(parse(&[input, tail].concat()), expect, "{name}: tail {tail:?}");
    }
    if expect.is_ok() {
        for end in 0..input.len() {
            let Ok(Progress::Missing(missing)) = parse(&input[..end]) else {
                panic!("{name}: complete after {end} bytes")
            };
            assert!(end + missing <= input.len(), "{name}: reads beyond its end");
        }
    }
}

#[test]
fn lines_of_version_1() {
    const WORST: &str = "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
        ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
    let rows: [(&str, &str, Option<&'static str>); 8] = [
        ("TCP4", "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", Some("192.168.0.1:56324")),
        ("longest TCP4", "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", {
            Some("255.255.255.255:65535")
        }),
        ("TCP6", "PROXY TCP6 2001:db8::1 ::1 4124 80\r\n", Some("[2001:db8::1]:4124")),
        ("longest TCP6", WORST, Some("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535")),
        ("shortest TCP4", "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", Some("0.0.0.0:0")),
        ("UNKNOWN alone", "PROXY UNKNOWN\r\n", None),
        ("UNKNOWN and more", "PROXY UNKNOWN ffff::ffff ffff::ffff 65535 65535\r\n", None),
        ("UNKNOWN and anything", "PROXY UNKNOWN \u{fc} what  ever\r\n", None),
    ];
    for (name, line, from) in rows {
        check(name, line.as_bytes(), Ok((line.len(), from)));
    }
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LINE_BYTES_MAX - 16));
    check("at the bound", longest.as_bytes(), Ok((LINE_BYTES_MAX, None)));
}

#[test]
fn wrong_lines() {
    let too_long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LINE_BYTES_MAX - 15));
    let rows: [(&str, &str, Error); 19] = [
        ("a request", "GET / HTTP/1.1\r\n", Error::NoHeader),
        ("lower case", "proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n", Error::NoHeader),
        ("TLS", "\u{16}\u{3}\u{1}", Error::NoHeader),
        ("no space", "PROXYTCP4 1.1.1.1 2.2.2.2 1 2\r\n", Error::NoHeader),
        ("one past the bound", &too_long, Error::TooLong),
        ("bare LF", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n", Error::BadLine),
        ("CR within", "PROXY TCP4 1.1.1.1\r2.2.2.2 1 2\r\n", Error::BadLine),
        ("family", "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n", Error::BadLine),
        ("no family", "PROXY \r\n", Error::BadLine),
        ("two spaces", "PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n", Error::BadLine),
        ("no ports", "PROXY TCP4 1.1.1.1 2.2.2.2\r\n", Error::BadLine),
        ("one port", "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", Error::BadLine),
        ("a fifth word", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n", Error::BadLine),
        ("large port", "PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n", Error::BadLine),
        ("signed port", "PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n", Error::BadLine),
        ("zero in front of a port", "PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n", Error::BadLine),
        ("zero in front of a number", "PROXY TCP4 1.1.1.01 2.2.2.2 1 2\r\n", Error::BadLine),
        ("IPv6 as TCP4", "PROXY TCP4 ::1 ::2 1 2\r\n", Error::BadLine),
        ("IPv4 as TCP6", "PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n", Error::BadLine),
    ];
    for (name, line, error) in rows {
        check(name, line.as_bytes(), Err(error));
    }
}

const SIGNATURE: [u8; 12] =
    [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];

/// A header of version 2 whose length is what follows.
fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("a length").to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, rest].concat()
}

fn ipv6(last: u8, port: [u8; 2]) -> Vec<u8> {
    let mut address = [0; 16];
    (address[0], address[1], address[15]) = (0x20, 0x01, last);
    [&address[..], &[0; 16], &port, &[0x01, 0xbb]].concat()
}

#[test]
fn headers_of_version_2() {
    let ipv4 = [192, 0, 2, 1, 198, 51, 100, 7, 0xdc, 0x04, 0x01, 0xbb];
    // §2.2.7: type, length, value.
    let tlvs = [0x01, 0, 2, b'h', b'2', 0x04, 0, 1, 0];
    let noise = [0xff; 30];
    let with_tlvs = |addresses: &[u8]| [addresses, &tlvs].concat();
    let rows: [(&str, Vec<u8>, Option<&'static str>); 12] = [
        ("TCP over IPv4", binary(0x21, 0x11, &ipv4), Some("192.0.2.1:56324")),
        ("with TLVs", binary(0x21, 0x11, &with_tlvs(&ipv4)), Some("192.0.2.1:56324")),
        ("TCP over IPv6", binary(0x21, 0x21, &ipv6(1, [0x10, 0])), Some("[2001::1]:4096")),
        ("IPv6, TLVs", binary(0x21, 0x21, &with_tlvs(&ipv6(2, [0, 9]))), Some("[2001::2]:9")),
        ("UDP over IPv4", binary(0x21, 0x12, &ipv4), None),
        ("UDP over IPv6", binary(0x21, 0x22, &ipv6(1, [0, 9])), None),
        ("Unix stream", binary(0x21, 0x31, &[b'/'; 216]), None),
        ("Unix datagram", binary(0x21, 0x32, &[b'/'; 216]), None),
        ("unspecified", binary(0x21, 0x00, b""), None),
        ("unspecified, TLVs", binary(0x21, 0x00, &tlvs), None),
        ("LOCAL", binary(0x20, 0x00, b""), None),
        ("LOCAL discards everything", binary(0x20, 0x77, &noise), None),
    ];
    for (name, header, from) in rows {
        check(name, &header, Ok((header.len(), from)));
    }
    let longest = binary(0x21, 0x00, &[0; HEADER_BYTES_MAX - 16]);
    let used = HEADER_BYTES_MAX;
    assert_eq!(parse(&longest), Ok(Progress::Complete { used, from: None }), "at the bound");
}

#[test]
fn wrong_headers_of_version_2() {
    let ipv4 = [0; 12];
    let rows: [(&str, Vec<u8>, Error); 9] = [
        ("version 1", binary(0x11, 0x11, &ipv4), Error::BadVersion),
        ("version 3", binary(0x31, 0x11, &ipv4), Error::BadVersion),
        ("command 2", binary(0x22, 0x11, &ipv4), Error::BadCommand),
        ("family 4", binary(0x21, 0x41, &ipv4), Error::BadFamily),
        ("transport 3", binary(0x21, 0x13, &ipv4), Error::BadFamily),
        ("half of IPv4", binary(0x21, 0x11, &ipv4[..11]), Error::TooShort),
        ("IPv4 as IPv6", binary(0x21, 0x21, &ipv4), Error::TooShort),
        ("one past the bound", binary(0x21, 0, &[0; HEADER_BYTES_MAX - 15]), Error::TooLong),
        ("another signature", [&SIGNATURE[..11], b"\r!\x11\0\0"].concat(), Error::NoHeader),
    ];
    for (name, header, error) in rows {
        assert_eq!(parse(&header), Err(error), "{name}");
        if header.len() < 100 {
            check(name, &header, Err(error));
        }
    }
}
