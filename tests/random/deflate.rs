//! Compressed messages, from and to a deflate that is told nothing of ours.

use encke::proto::deflate::{Compressor, Decompressor, Error};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use crate::Place;
use crate::oracles::deflate::check;
use crate::support::random::{Random, rounds};

/// Words, numbers, or noise; what compresses well and what does not.
fn message(random: &mut Random) -> Vec<u8> {
    let len = random.pick(&[0, 1, 127, 128, 1_000, 20_000]);
    let words = [&b"{\"text\":\""[..], b"hello ", b"\0\0\0\0\0\0", b"1763690000-", b"\xff\xfe"];
    let mut message = Vec::new();
    while message.len() < len {
        match random.one_in(8) {
            true => message.extend(random.bytes(5)),
            false => message.extend(random.pick(&words)),
        }
    }
    message.truncate(len);
    message
}

#[test]
fn what_another_has_compressed_is_read() {
    let mut decompressor = Decompressor::default();
    for seed in 0..rounds(100).min(20_000) {
        let mut random = Random::new(seed);
        let message = message(&mut random);
        let payload = compressed(&message, &mut random);
        let _place = Place { seed, input: &payload };
        assert_eq!(decompressor.decompress(&payload, message.len()), Ok(&message[..]));
        if let Some(less) = message.len().checked_sub(1) {
            assert_eq!(decompressor.decompress(&payload, less), Err(Error::TooBig));
        }
        if payload.len() < 2_000 {
            check(&payload);
        }
    }
}

/// With any window and level, and with empty blocks and full ones between.
fn compressed(message: &[u8], random: &mut Random) -> Vec<u8> {
    let level = Compression::new(random.below(10) as u32);
    let mut stream = Compress::new_with_window_bits(level, false, random.pick(&[9, 10, 12, 15]));
    let mut payload = Vec::with_capacity(2 * message.len() + 1_000);
    for piece in random.pieces(&message[..message.len().min(50)]) {
        let flush = random.pick(&[FlushCompress::None, FlushCompress::Sync, FlushCompress::Full]);
        stream.compress_vec(piece, &mut payload, flush).unwrap();
    }
    let rest = &message[message.len().min(50)..];
    stream.compress_vec(rest, &mut payload, FlushCompress::Sync).unwrap();
    // Nothing new makes no new block.
    if !payload.ends_with(&[0, 0, 0xff, 0xff]) {
        return vec![0];
    }
    payload.truncate(payload.len() - 4);
    payload
}

#[test]
fn what_is_compressed_here_another_reads() {
    let mut compressor = Compressor::default();
    for seed in 0..rounds(100) {
        let mut random = Random::new(seed);
        let message = message(&mut random);
        let window_bits = 9 + random.below(7) as u8;
        let _place = Place { seed, input: &message };
        let Some(payload) = compressor.compress(window_bits, &message) else { continue };
        assert!(payload.len() < message.len());
        let mut stream = Decompress::new_with_window_bits(false, window_bits);
        let mut read = Vec::with_capacity(message.len() + 1);
        let payload = [payload, &[0, 0, 0xff, 0xff]].concat();
        stream.decompress_vec(&payload, &mut read, FlushDecompress::Sync).unwrap();
        assert_eq!(read, message);
    }
}

/// Little that becomes much is refused before it is much.
#[test]
fn bombs_end_at_their_bound() {
    // Each of them takes a while.
    for seed in 0..rounds(2).min(200) {
        let mut random = Random::new(seed);
        let bomb = vec![random.next() as u8; 1_000_000 + random.below(1_000_000)];
        let mut stream = Compress::new_with_window_bits(Compression::best(), false, 15);
        let mut payload = Vec::with_capacity(10_000);
        stream.compress_vec(&bomb, &mut payload, FlushCompress::Sync).unwrap();
        assert!(payload.len() < 4_000);
        let bytes_max = random.below(100_000);
        let mut decompressor = Decompressor::default();
        let answer = decompressor.decompress(&payload[..payload.len() - 4], bytes_max);
        assert_eq!(answer, Err(Error::TooBig), "seed {seed}");
    }
}
