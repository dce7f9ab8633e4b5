//! Bytes of the client's side: requests, masked frames out, unmasked frames in, marks in messages.

use std::ops::Range;

use encke::proto::websocket::apply_mask;

/// Bytes of a mark: three letters, the run in 8, the time in 16 hexadecimal digits.
pub const MARK_BYTES: usize = 27;
/// Letters that begin a mark; padding never does.
const MARK: &[u8; 3] = b"ZqX";
/// The longest frame that is read.
const FRAME_BYTES_MAX: u64 = 4 << 20;

/// A message of `size` bytes that carries when it should be sent. Letters and digits alone, so that it
/// passes through JSON, JavaScript and SQL as it is.
pub fn write_message(out: &mut Vec<u8>, run: u32, due: u64, size: usize) {
    out.extend_from_slice(MARK);
    out.extend_from_slice(format!("{run:08x}{due:016x}").as_bytes());
    out.resize(out.len() + size.saturating_sub(MARK_BYTES), b'x');
}

/// Calls `found` with the time in every mark of this run; returns where the next one may begin, at most
/// `MARK_BYTES` before the end.
pub fn find_marks(bytes: &[u8], run: u32, mut found: impl FnMut(u64)) -> usize {
    let mut at = 0;
    while let Some(next) = bytes[at..].iter().position(|byte| *byte == MARK[0]) {
        at += next;
        let Some(mark) = bytes.get(at..at + MARK_BYTES) else { return at };
        at += 1;
        if !mark.starts_with(MARK) {
            continue;
        }
        let hex = |range: Range<usize>| {
            std::str::from_utf8(&mark[range]).ok().and_then(|hex| u64::from_str_radix(hex, 16).ok())
        };
        if hex(3..11) == Some(u64::from(run))
            && let Some(due) = hex(11..MARK_BYTES)
        {
            found(due);
            at += MARK_BYTES - 1;
        }
    }
    bytes.len()
}

/// A client's frame, whole and masked (RFC 6455 §5.3). The mask need not be secret here.
pub fn write_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    out.push(0x80 | opcode);
    match payload.len() {
        short @ 0..126 => out.push(0x80 | short as u8),
        middle @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    let begin = out.len();
    out.extend_from_slice(payload);
    apply_mask(&mut out[begin..], MASK, 0);
}

/// A frame of a server.
pub struct Frame {
    pub opcode: u8,
    /// Where its payload is in the input; the next frame begins at its end.
    pub payload: Range<usize>,
}

/// The first frame of `input`, or `None` when it is not all there.
pub fn parse_frame(input: &[u8]) -> Result<Option<Frame>, &'static str> {
    let [first, second, rest @ ..] = input else { return Ok(None) };
    if second & 0x80 != 0 {
        return Err("the server masked a frame");
    }
    let (length, head) = match second & 0x7f {
        126 => match rest.first_chunk() {
            Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 4),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(bytes) => (u64::from_be_bytes(*bytes), 10),
            None => return Ok(None),
        },
        short => (u64::from(short), 2),
    };
    if length > FRAME_BYTES_MAX {
        return Err("a frame of more than 4 MiB");
    }
    let payload = head..head + length as usize;
    let is_whole = input.len() >= payload.end;
    Ok(is_whole.then_some(Frame { opcode: first & 0x0f, payload }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_whole_and_never_in_part() {
        let mut text = b"[{\"data\":\"".to_vec();
        write_message(&mut text, 7, 1_234, 40);
        text.extend_from_slice(b"ZqZqX");
        write_message(&mut text, 8, 99, MARK_BYTES);
        write_message(&mut text, 7, 5, MARK_BYTES);
        let mut found = Vec::new();
        assert_eq!(find_marks(&text, 7, |due| found.push(due)), text.len());
        assert_eq!(found, [1_234, 5]);
        let cut = &text[..text.len() - 1];
        found.clear();
        let next = find_marks(cut, 7, |due| found.push(due));
        assert_eq!((found.as_slice(), cut.len() - next), ([1_234].as_slice(), MARK_BYTES - 1));
    }

    #[test]
    fn frames_come_whole_or_not_at_all() {
        for length in [0, 125, 126, 0xffff, 0x10000] {
            let mut frame = Vec::new();
            encke::proto::websocket::write_frame(
                &mut frame,
                encke::proto::websocket::Opcode::Text,
                &vec![b'a'; length],
            );
            assert!(parse_frame(&frame[..frame.len() - 1]).unwrap().is_none());
            let whole = parse_frame(&frame).unwrap().unwrap();
            assert_eq!((whole.opcode, whole.payload.len()), (1, length));
            assert_eq!(whole.payload.end, frame.len());
        }
        assert!(parse_frame(b"\x81\x80").is_err());
        assert!(parse_frame(b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
    }

    #[test]
    fn what_we_send_a_server_can_read() {
        use encke::proto::websocket::{Decoder, Event, Limits};
        for length in [0, 5, 126, 70_000] {
            let mut frame = Vec::new();
            write_frame(&mut frame, 1, &vec![b'b'; length]);
            let mut decoder = Decoder::new();
            let limits = Limits { message_bytes_max: 100_000, compressed_bytes_max: None };
            let (used, event) = decoder.decode(&mut frame, &limits).unwrap();
            assert!(matches!(event, Some(Event::Text(text)) if text.len() == length));
            assert_eq!(used, frame.len());
        }
    }
}
