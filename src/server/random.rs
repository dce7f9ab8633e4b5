//! A stream of random bytes from one seed: SHA-1 over seed and counter. Unpredictable with a seed from
//! the kernel, repeatable with a seed from a test.

use sha1::{Digest, Sha1};

/// See the module's documentation.
pub(crate) struct Random {
    seed: [u8; 20],
    counter: u64,
}

impl Random {
    pub fn new(seed: [u8; 20]) -> Random {
        Random { seed, counter: 0 }
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(20) {
            let block = Sha1::new_with_prefix(self.seed).chain_update(self.counter.to_be_bytes());
            self.counter += 1;
            chunk.copy_from_slice(&block.finalize()[..chunk.len()]);
        }
    }
}
