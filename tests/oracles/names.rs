//! Small texts: cursors, names, percent-encoding.

use encke::hub::message::MessageId;
use encke::hub::names::{CHANNEL_NAME_BYTES_MAX, ChannelName, EventName};
use encke::proto::url::{percent_decode, query_pairs, shown_path};

pub fn check(input: &[u8]) {
    check_encoding(input);
    check_pairs(input);
    check_shown(input);
    if let Ok(name) = ChannelName::new(input) {
        assert_eq!(name.as_bytes(), input);
        assert!(input.len() <= CHANNEL_NAME_BYTES_MAX && input.iter().all(u8::is_ascii_graphic));
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    check_cursor(text);
    if let Ok(name) = EventName::new(text) {
        assert!(
            &*name == text && !text.starts_with("encke:") && !text.contains(['\r', '\n', '\0'])
        );
    }
}

/// What is read is written the same, but for zeros in front.
fn check_cursor(text: &str) {
    let Ok(id) = text.parse::<MessageId>() else { return };
    let bare = |digits: &str| match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        digits => digits.to_owned(),
    };
    let parts: Vec<String> = text.split('-').map(bare).collect();
    assert_eq!(id.to_string(), parts.join("-"), "{text}");
    assert!(id.before() < id || id == MessageId::default(), "{text}");
}

/// RFC 3986 §2.1, a byte at a time.
fn check_encoding(input: &[u8]) {
    let decoded = percent_decode(input);
    let mut expected = Some(Vec::new());
    let mut at = 0;
    while at < input.len() {
        let byte = match input[at] {
            b'%' => {
                let digits =
                    input.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
                let is_hex = digits.is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
                at += 2;
                digits.filter(|_| is_hex).and_then(|hex| u8::from_str_radix(hex, 16).ok())
            }
            byte => Some(byte),
        };
        at += 1;
        expected = expected.zip(byte).map(|(mut text, byte)| {
            text.push(byte);
            text
        });
    }
    assert_eq!(decoded.ok().map(|text| text.into_owned()), expected, "{}", input.escape_ascii());
    let encoded: String = input.iter().map(|byte| format!("%{byte:02X}")).collect();
    assert_eq!(percent_decode(encoded.as_bytes()).as_deref(), Ok(input));
}

/// Encoded wholly, names and values come back as they were.
fn check_pairs(input: &[u8]) {
    for pair in query_pairs(input).flatten() {
        let encode =
            |text: &[u8]| text.iter().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let written = format!("&{}={}", encode(&pair.0), encode(&pair.1));
        let again: Vec<_> = query_pairs(written.as_bytes()).collect();
        assert_eq!(again, [Ok(pair)]);
    }
}

/// No key of CometServerApi's and no name of a session in a log.
fn check_shown(path: &[u8]) {
    let shown = shown_path(path);
    let hidden = fields(path).map(|(index, name, value)| match index == 0 || name == b"session" {
        true => (name, value.map(|_| &b"*"[..])),
        false => (name, value),
    });
    let expected: Vec<_> = hidden.collect();
    let found: Vec<_> = fields(&shown).map(|(_, name, value)| (name, value)).collect();
    assert_eq!(found, expected, "{}", path.escape_ascii());
}

/// Behind the first `/ws/`: number, name, and value if it has one.
fn fields(path: &[u8]) -> impl Iterator<Item = (usize, &[u8], Option<&[u8]>)> {
    let start = path.windows(4).position(|part| part == b"/ws/").map_or(path.len(), |at| at + 4);
    let fields = path[start..].split(|&byte| byte == b'&').enumerate();
    fields.map(|(index, field)| match field.iter().position(|&byte| byte == b'=') {
        Some(equals) => (index, &field[..equals], Some(&field[equals + 1..])),
        None => (index, field, None),
    })
}
