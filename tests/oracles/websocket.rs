//! Frames: any cutting gives what the slow decoder gives.

use encke::proto::annotate;
use encke::proto::websocket::{Limits, Opcode, decode_usual, write_frame};

use super::http_head::check_lines;
use crate::support::random::Random;
use crate::support::websocket::{Seen, decode, decode_slowly};

/// Without and with compression.
pub const LIMITS: [Limits; 2] = [
    Limits { message_bytes_max: 400, compressed_bytes_max: None },
    Limits { message_bytes_max: 400, compressed_bytes_max: Some(450) },
];

pub fn check(input: &[u8]) {
    for limits in &LIMITS {
        let expected = decode_slowly(input, limits);
        let (whole, _) = decode(&[input], limits);
        assert_eq!(whole, expected, "whole: {input:02x?}");
        let pieces = Random::new(input.len() as u64).pieces(input);
        let (cut, _) = decode(&pieces, limits);
        assert_eq!(cut, expected, "cut: {pieces:02x?}");
        let mut bytes = input.to_vec();
        if let Some(Ok((used, event))) = decode_usual(&mut bytes, limits) {
            let first = expected.events.first().map(|(seen, end)| (seen.clone(), *end));
            assert_eq!(Some((Seen::from(event), used)), first, "the short way: {input:02x?}");
        }
    }
    check_lines(&annotate::websocket::frames(input));
    let mut written = Vec::new();
    write_frame(&mut written, Opcode::Binary, input);
    assert!(written.ends_with(input) && written.len() <= input.len() + 10);
}
