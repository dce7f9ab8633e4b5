//! Compressed messages: bounded, the same from a used decompressor as from a new one, and back again.

use encke::proto::deflate::{Compressor, Decompressor, Error, MESSAGE_BYTES_MIN};

const BYTES_MAX: usize = 3_000;

pub fn check(input: &[u8]) {
    let mut used = Decompressor::default();
    // What was before must not show, whole or not.
    let _ = used.decompress(&input[input.len() / 2..], BYTES_MAX);
    let message = used.decompress(input, BYTES_MAX).map(<[u8]>::to_vec);
    let mut fresh = Decompressor::default();
    assert_eq!(fresh.decompress(input, BYTES_MAX), message.as_deref().map_err(|error| *error));
    match &message {
        Ok(message) => {
            assert!(message.len() <= BYTES_MAX);
            check_there_and_back(message);
            if let Some(least) = message.len().checked_sub(1) {
                assert_eq!(used.decompress(input, least), Err(Error::TooBig), "{input:02x?}");
            }
        }
        // What is behind the bound may be broken, but there is more than it.
        Err(Error::TooBig) => match used.decompress(input, 100 * BYTES_MAX) {
            Ok(more) => assert!(more.len() > BYTES_MAX, "{input:02x?}"),
            Err(Error::TooBig | Error::Invalid) => {}
        },
        Err(Error::Invalid) => {
            assert_eq!(used.decompress(input, 100 * BYTES_MAX), Err(Error::Invalid));
        }
    }
    check_there_and_back(input);
}

/// In one of the windows: whoever tries many messages tries them all.
fn check_there_and_back(message: &[u8]) {
    let window_bits = 9 + (message.len() % 7) as u8;
    let mut compressor = Compressor::default();
    if let Some(payload) = compressor.compress(window_bits, message) {
        assert!(payload.len() < message.len() && message.len() >= MESSAGE_BYTES_MIN);
        assert_eq!(Decompressor::default().decompress(payload, message.len()), Ok(message));
    }
}
