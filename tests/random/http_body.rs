//! Chunked bodies made of known data, in chunks, extensions and trailers of every kind.

use encke::proto::chunked::Decoder;

use crate::Place;
use crate::oracles::http_body::check;
use crate::support::random::{Random, rounds};

#[test]
fn the_data_comes_back_from_any_chunks() {
    for seed in 0..rounds(1_000) {
        let mut random = Random::new(seed);
        let len = random.pick(&[0, 1, 5, 300, 3_000]);
        let data = random.bytes(len);
        let body = chunked(&data, &mut random);
        let input = [&body[..], b"0\r\n\r\nGET "].concat();
        let _place = Place { seed, input: &input };
        check(&input);
        let (mut decoder, mut out, mut used) = (Decoder::new(), Vec::new(), 0);
        for piece in random.pieces(&input) {
            let (taken, is_done) = decoder.decode(piece, &mut out, data.len()).expect("valid");
            used += taken;
            if is_done {
                break;
            }
        }
        assert_eq!((&out, used), (&data, body.len()));
    }
}

fn chunked(mut data: &[u8], random: &mut Random) -> Vec<u8> {
    let mut body = Vec::new();
    while !data.is_empty() {
        let most = random.pick(&[1, 16, 1_000]).min(data.len());
        let (chunk, rest) = data.split_at(1 + random.below(most));
        body.extend(size(chunk.len(), random));
        body.extend(chunk);
        body.extend(b"\r\n");
        data = rest;
    }
    body.extend(size(0, random));
    for _ in 0..random.below(3) {
        body.extend(random.pick(&["Expires: never\r\n", "x:\r\n", "X-A: \tb;c \r\n"]).as_bytes());
    }
    body.extend(b"\r\n");
    body
}

fn size(len: usize, random: &mut Random) -> Vec<u8> {
    let mut digits = if random.one_in(2) { format!("{len:x}") } else { format!("{len:X}") };
    if random.one_in(4) {
        digits.insert_str(0, &"0".repeat(random.below(17 - digits.len())));
    }
    let extension = random.pick(&["", "", "", ";a", " ;a=b", "\t;a=\"b c\";d", ";\u{e9}"]);
    format!("{digits}{extension}\r\n").into_bytes()
}
