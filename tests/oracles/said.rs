//! What a server says is of its protocol, from the first byte to the last.

/// Packets of MySQL, whole.
pub fn check_packets(mut bytes: &[u8]) {
    while let Some((&[low, middle, high, _], rest)) = bytes.split_first_chunk() {
        let length = u32::from_le_bytes([low, middle, high, 0]) as usize;
        bytes = rest.get(length..).expect("a packet is as long as it says");
    }
    assert!(bytes.is_empty(), "a packet has a whole header");
}

/// Responses one behind the other, and what a connection becomes by the last of them.
pub fn check_responses(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        bytes = after_response(bytes);
    }
}

/// Checks the first response; returns what comes behind it.
fn after_response(bytes: &[u8]) -> &[u8] {
    let shown = || bytes.escape_ascii().to_string();
    let end = bytes.windows(4).position(|end| end == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("a whole head: {}", shown()));
    let (head, rest) = (&bytes[..end], &bytes[end + 4..]);
    let head = std::str::from_utf8(head).unwrap_or_else(|_| panic!("a plain head: {}", shown()));
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
    let status = status.and_then(|line| line.get(..3)).unwrap_or_else(|| panic!("{}", shown()));
    let (mut length, mut is_chunked, mut is_event_stream) = (None, false, false);
    for line in lines {
        // Nothing of a client's begins a line of its own.
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?}"));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        assert!(name.bytes().all(is_name) && !value.contains(['\r', '\n', '\0']), "{line:?}");
        match name {
            "Content-Length" => length = Some(value.parse::<usize>().expect("a number")),
            "Transfer-Encoding" => is_chunked = value == "chunked",
            "Content-Type" => is_event_stream = value.starts_with("text/event-stream"),
            _ => {}
        }
    }
    assert!(length.is_none() || !is_chunked, "one way to find the end: {}", shown());
    match (status, length) {
        ("101", _) => {
            check_frames(rest);
            b""
        }
        ("100" | "204" | "304", _) => rest,
        // The answer to HEAD, whose body is only announced.
        _ if rest.is_empty() || rest.starts_with(b"HTTP/1.1 ") => rest,
        (_, Some(length)) => rest.get(length..).unwrap_or_else(|| panic!("all of it: {}", shown())),
        _ if is_chunked => after_chunks(rest),
        _ => {
            assert!(!is_event_stream || rest.ends_with(b"\n\n"), "whole events: {}", shown());
            b""
        }
    }
}

/// Of an endless response perhaps the last chunk is missing, but nothing else.
fn after_chunks(mut bytes: &[u8]) -> &[u8] {
    while !bytes.is_empty() {
        let end = bytes.windows(2).position(|end| end == b"\r\n").expect("a size");
        let size = std::str::from_utf8(&bytes[..end]).expect("digits");
        let size = usize::from_str_radix(size, 16).expect("a size in hexadecimal digits");
        let chunk = bytes.get(end + 2..end + 2 + size).expect("as long as it says");
        bytes = bytes[end + 2 + chunk.len()..].strip_prefix(b"\r\n").expect("its end");
        if size == 0 {
            return bytes;
        }
    }
    bytes
}

/// RFC 6455 §5.2: unmasked, and in as few bytes as can be; a close frame is the last.
fn check_frames(mut bytes: &[u8]) {
    while let Some((&[first, second], rest)) = bytes.split_first_chunk() {
        let opcode = first & 15;
        assert!(first & 0x80 != 0 && second & 0x80 == 0, "whole messages, unmasked");
        assert!(matches!(opcode, 1 | 2 | 8..=10), "opcode {opcode}");
        assert!(first & 0x70 == 0 || first & 0x70 == 0x40 && opcode <= 2, "RSV of {first:02x}");
        let (length, rest) = match (second, rest) {
            (126, [high, low, rest @ ..]) => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                assert!(length > 125);
                (length, rest)
            }
            (127, _) => {
                let (length, rest) = rest.split_first_chunk().expect("a length in 8 bytes");
                let length = u64::from_be_bytes(*length) as usize;
                assert!(length > 65_535);
                (length, rest)
            }
            _ => (usize::from(second), rest),
        };
        let (payload, rest) = rest.split_at_checked(length).expect("as long as it says");
        let is_text = first & 0x40 == 0 && opcode == 1 || opcode == 8;
        let text = if opcode == 8 { payload.get(2..).unwrap_or_default() } else { payload };
        assert!(!is_text || std::str::from_utf8(text).is_ok(), "text is text");
        assert!(opcode < 8 || length <= 125, "a short control frame");
        assert!(opcode != 8 || rest.is_empty(), "nothing behind a close");
        bytes = rest;
    }
    assert!(bytes.is_empty(), "half a head");
}
