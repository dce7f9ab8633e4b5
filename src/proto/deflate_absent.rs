//! Stands in for `deflate.rs` in builds without compression: nothing is compressed, nothing can be read.

/// Whether this build can compress.
pub const IS_PRESENT: bool = false;

/// Nothing that was compressed is valid here. It never comes to that: nobody agrees on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// The data is no deflate stream.
    Invalid,
    /// There is more in it than is allowed.
    TooBig,
}

/// Writes messages, in other builds.
#[derive(Debug, Default)]
pub struct Compressor(());

impl Compressor {
    /// There is nothing to give back.
    pub fn forget_unused(&mut self, _: u64) {}

    /// Leaves it as it is.
    pub fn compress(&mut self, _: u8, _: &[u8]) -> Option<&[u8]> {
        None
    }
}

/// Reads messages, in other builds.
#[derive(Debug, Default)]
pub struct Decompressor(());

impl Decompressor {
    /// There is nothing to give back.
    pub fn forget_unused(&mut self, _: u64) {}

    /// Refuses.
    pub fn decompress(&mut self, _: &[u8], _: usize) -> Result<&[u8], Error> {
        Err(Error::Invalid)
    }
}
