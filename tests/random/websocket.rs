//! Streams of frames, whole and damaged: any cutting gives what the slow decoder gives.

use encke::proto::websocket::apply_mask;

use crate::Place;
use crate::oracles::websocket::{LIMITS, check};
use crate::support::mutate::damage;
use crate::support::random::{Random, rounds};
use crate::support::websocket::{client_frame, decode, decode_slowly};

#[test]
fn damaged_streams_decode_alike_however_they_are_cut() {
    for seed in 0..rounds(3_000) {
        let mut random = Random::new(seed);
        let mut stream = stream(&mut random);
        // Every fourth stream stays whole.
        for _ in 0..random.below(4) {
            damage(&mut stream, &mut random);
        }
        let _place = Place { seed, input: &stream };
        check(&stream);
    }
}

/// The first byte after which the slow decoder refuses is the byte at which the decoder does.
#[test]
fn errors_are_found_at_the_first_byte_that_shows_them() {
    for seed in 0..rounds(300) {
        let mut random = Random::new(seed);
        let mut stream = stream(&mut random);
        damage(&mut stream, &mut random);
        let bytes: Vec<_> = stream.chunks(1).collect();
        let limits = &LIMITS[random.below(2)];
        let (outcome, given) = decode(&bytes, limits);
        let before = decode_slowly(&stream[..given - usize::from(given > 0)], limits);
        assert_eq!(before.error, None, "seed {seed}: not found at once in {stream:02x?}");
        assert_eq!(decode_slowly(&stream[..given], limits).error, outcome.error, "seed {seed}");
    }
}

#[test]
fn masks_apply_in_any_piece_at_any_alignment() {
    for seed in 0..rounds(2_000) {
        let mut random = Random::new(seed);
        let len = random.below(100);
        let mut bytes = random.bytes(len);
        let mask = [random.next() as u8, 0, random.next() as u8, 0xff];
        let begin = random.below(bytes.len() + 1);
        let offset = random.below(1_000);
        let mut expected = bytes.clone();
        for (i, byte) in expected[begin..].iter_mut().enumerate() {
            *byte ^= mask[(offset + i) % 4];
        }
        apply_mask(&mut bytes[begin..], mask, offset);
        assert_eq!(bytes, expected, "seed {seed}");
    }
}

/// Up to seven messages in fragments, control frames between them; the last may lack its end.
fn stream(random: &mut Random) -> Vec<u8> {
    let mut stream = Vec::new();
    for _ in 0..1 + random.below(7) {
        let is_text = random.one_in(2);
        let mut message = if is_text { text(random) } else { binary(random) };
        let mut opcode = if is_text { 1 } else { 2 };
        if random.one_in(8) {
            opcode |= 0x40;
        }
        while random.one_in(2) {
            let rest = message.split_off(random.below(message.len() + 1));
            stream.extend(frame(opcode, &message, random));
            (opcode, message) = (0, rest);
            if random.one_in(2) {
                control(&mut stream, random);
            }
        }
        stream.extend(frame(0x80 | opcode, &message, random));
        if random.one_in(4) {
            control(&mut stream, random);
        }
    }
    if random.one_in(4) {
        stream.truncate(random.below(stream.len()));
    }
    stream
}

fn control(stream: &mut Vec<u8>, random: &mut Random) {
    let len = random.pick(&[0, 0, 1, 7, 124, 125]);
    let (first, payload) = match random.below(4) {
        0 => (0x89, random.bytes(len)),
        1 => (0x8a, random.bytes(len)),
        2 => (0x88, Vec::new()),
        _ => {
            let code: u16 = random.pick(&[1000, 1001, 1007, 1014, 1015, 3000, 4999]);
            let mut payload = code.to_be_bytes().to_vec();
            payload.extend(text(random));
            payload.truncate(random.pick(&[2, 6, 125]));
            (0x88, payload)
        }
    };
    stream.extend(frame(first, &payload, random));
}

fn frame(first: u8, payload: &[u8], random: &mut Random) -> Vec<u8> {
    let mask = random.pick(&[[0; 4], [0x37, 0xfa, 0x21, 0x3d], [0xff, 0, 0x80, 1]]);
    client_frame(first, mask, payload)
}

fn text(random: &mut Random) -> Vec<u8> {
    let len = random.pick(&[0, 1, 5, 30, 120]);
    let text: String = (0..len).map(|_| random.pick(&['a', 'é', '€', '𝄞', '\u{10ffff}'])).collect();
    text.into_bytes()
}

fn binary(random: &mut Random) -> Vec<u8> {
    let len = random.pick(&[0, 1, 8, 125, 126, 127, 300]);
    random.bytes(len)
}
