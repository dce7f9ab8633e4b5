//! What the oracles begin from: the rows of the tables in all tests, and what is made of them.

use super::scripts;
use crate::support::tables::literals;
use crate::support::websocket::client_frame;

/// Every oracle that takes bytes and nothing else, with its name and its rows.
pub fn all() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    Vec::from([
        ("http_head", http_head()),
        ("http_body", http_body()),
        ("websocket", websocket()),
        #[cfg(feature = "deflate")]
        ("deflate", deflate()),
        #[cfg(feature = "cometql")]
        ("mysql", mysql()),
        #[cfg(feature = "cometql")]
        ("sql", sql()),
        ("dialects", dialects()),
        ("names", names()),
        ("json", json()),
        ("fields", fields()),
        ("proxy", proxy()),
        #[cfg(feature = "config")]
        ("config", config()),
        ("server", scripts::all()),
    ])
}

pub fn http_head() -> Vec<Vec<u8>> {
    let literals = literals(&["protocol/http1.rs", "protocol/ws_handshake.rs"]);
    // What is only a field line becomes a request.
    let request = |literal: Vec<u8>| match literal.contains(&b'\n') || !literal.contains(&b':') {
        true => literal,
        false => [b"POST / HTTP/1.1\r\nHost: a\r\n", &literal[..], b"\r\n\r\n"].concat(),
    };
    let mut rows: Vec<_> = literals.into_iter().map(request).collect();
    rows.extend(scripts::requests());
    rows
}

pub fn http_body() -> Vec<Vec<u8>> {
    literals(&["protocol/chunked.rs"])
}

/// Each text as a message whole, in two fragments, and as it is.
pub fn websocket() -> Vec<Vec<u8>> {
    let mut rows = Vec::new();
    for (index, text) in literals(&["protocol/websocket.rs"]).into_iter().enumerate() {
        let mask = [index as u8, 0xfa, 0x21, 0x80];
        let (first, second) = text.split_at(text.len() / 2);
        for opcode in [0x81, 0x82, 0xc1] {
            rows.push(client_frame(opcode, mask, &text));
        }
        let control = &text[..text.len().min(120)];
        let ping = client_frame(0x89, mask, control);
        let close = client_frame(0x88, mask, &[&[0x03, 0xe8], control].concat());
        let fragments = [client_frame(0x01, mask, first), ping, client_frame(0x80, mask, second)];
        rows.push([fragments.concat(), close].concat());
        rows.push(text);
    }
    rows
}

#[cfg(feature = "deflate")]
pub fn deflate() -> Vec<Vec<u8>> {
    use encke::proto::deflate::Compressor;
    let mut rows = literals(&["protocol/deflate.rs"]);
    let mut compressor = Compressor::default();
    for text in rows.clone() {
        for window_bits in [9, 15] {
            let long = text.repeat(1 + 200 / text.len());
            rows.extend(compressor.compress(window_bits, &long).map(<[u8]>::to_vec));
        }
    }
    rows
}

pub fn dialects() -> Vec<Vec<u8>> {
    let files = ["commands", "connect", "content", "frames"];
    let files = files.map(|name| format!("protocol/comet_js/{name}.rs"));
    let mut rows = literals(&files.each_ref().map(String::as_str));
    rows.extend(literals(&["journeys/frames.rs", "journeys/websocket.rs"]));
    rows
}

pub fn names() -> Vec<Vec<u8>> {
    let files = ["protocol/url.rs", "protocol/comet_js/connect.rs", "journeys/requests.rs"];
    let mut rows = literals(&files);
    let cursors = ["1763690000-1", "0-0", "18446744073709551615-4294967295", "01-1", "+1-1", "1-"];
    rows.extend(cursors.map(|cursor| cursor.as_bytes().to_vec()));
    rows
}

pub fn json() -> Vec<Vec<u8>> {
    literals(&["protocol/json.rs", "protocol/comet_js/content.rs"])
}

pub fn fields() -> Vec<Vec<u8>> {
    literals(&[
        "protocol/permessage_deflate.rs",
        "protocol/accept.rs",
        "protocol/forwarded.rs",
        "protocol/json.rs",
    ])
}

pub fn proxy() -> Vec<Vec<u8>> {
    literals(&["protocol/proxy_protocol.rs"])
}

/// Each text as the payload of a packet, and as it is.
#[cfg(feature = "cometql")]
pub fn mysql() -> Vec<Vec<u8>> {
    let mut rows = literals(&["protocol/mysql.rs", "protocol/annotate_mysql.rs"]);
    rows.extend(scripts::logins());
    let packets = rows.iter().map(|row| {
        let [low, middle, high, _] = (row.len() as u32).to_le_bytes();
        [&[low, middle, high, 0], &row[..]].concat()
    });
    let packets: Vec<_> = packets.collect();
    rows.extend(packets);
    rows
}

#[cfg(feature = "cometql")]
pub fn sql() -> Vec<Vec<u8>> {
    let files =
        ["insert", "nasty", "prepared", "select", "several", "show", "statements", "tables"];
    let files = files.map(|name| format!("cometql/{name}.rs"));
    literals(&files.each_ref().map(String::as_str))
}

#[cfg(feature = "config")]
pub fn config() -> Vec<Vec<u8>> {
    let mut rows = literals(&["../src/config/file/tests.rs"]);
    if let Ok(encke::cli::Command::ExampleConfig(example)) =
        encke::cli::parse(["--example-config".to_owned()], |_| None)
    {
        rows.push(example.as_bytes().to_vec());
        // As if every line of it had been wanted.
        rows.push(example.replace("\n#", "\n").into_bytes());
        rows.extend(example.split("\n\n").map(|part| part.replace('#', "").into_bytes()));
    }
    rows
}
