//! The integers and strings inside MySQL packets.
//!
//! Specification: "Protocol Basics", "Integer Types" and "String Types".
//!
//! ```text
//!   fixed        01 | 02 01 | 04 03 02 01            1, 2, 4, 8 bytes, little-endian
//!   lenenc int   00..fa                              the value itself
//!                fc xx xx | fd xx xx xx | fe 8 bytes the value follows
//!                fb                                  not an integer: NULL, in rows
//!   lenenc str   lenenc int, then so many bytes
//!   NUL string   bytes, then 00
//! ```
//!
//! Limits: none of its own; nothing is copied, and a length is believed only as far as bytes are
//! there. A lenenc integer may be longer than it needs to be (clients do not, but the text allows
//! it). Left out: 3 and 6 byte fixed integers, which nothing here has.
//!
//! ```
//! use encke::proto::mysql::value::{Reader, put_lenenc_string};
//! let mut bytes = Vec::new();
//! put_lenenc_string(&mut bytes, b"pipe");
//! assert_eq!(bytes, b"\x04pipe");
//! assert_eq!(Reader::new(&bytes).lenenc_string(), Ok(&b"pipe"[..]));
//! ```

/// The bytes end, or contradict themselves, before the value does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// Walks over a payload, taking one value after the other. Values borrow the payload.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Begins at the first byte.
    pub fn new(payload: &'a [u8]) -> Reader<'a> {
        Reader { rest: payload }
    }

    /// Whether everything has been taken.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// The next `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    /// An integer of `count` bytes, at most 8.
    fn integer(&mut self, count: usize) -> Result<u64, Malformed> {
        assert!(count <= 8, "a MySQL integer has at most 8 bytes");
        let bytes = self.bytes(count)?;
        Ok(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.integer(1)? as u8)
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(self.integer(2)? as u16)
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(self.integer(4)? as u32)
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.integer(8)
    }

    /// A length-encoded integer. `fb` (NULL) and `ff` (an error packet) are none.
    pub fn lenenc_integer(&mut self) -> Result<u64, Malformed> {
        match self.u8()? {
            first @ 0..=0xfa => Ok(u64::from(first)),
            0xfc => self.integer(2),
            0xfd => self.integer(3),
            0xfe => self.integer(8),
            _ => Err(Malformed),
        }
    }

    /// A length-encoded string.
    pub fn lenenc_string(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.lenenc_integer()?;
        self.bytes(usize::try_from(length).map_err(|_| Malformed)?)
    }

    /// A string up to a NUL, which is taken too.
    pub fn nul_string(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.rest.iter().position(|&byte| byte == 0).ok_or(Malformed)?;
        let string = self.bytes(length)?;
        self.bytes(1)?;
        Ok(string)
    }

    /// A string up to a NUL or the end, where old clients leave the NUL out.
    pub fn nul_string_or_rest(&mut self) -> &'a [u8] {
        self.nul_string().unwrap_or_else(|Malformed| self.rest())
    }
}

/// Appends a length-encoded integer, in its shortest form.
pub fn put_lenenc_integer(out: &mut Vec<u8>, value: u64) {
    let bytes = value.to_le_bytes();
    match value {
        0..=0xfa => out.push(bytes[0]),
        0xfb..=0xffff => {
            out.push(0xfc);
            out.extend_from_slice(&bytes[..2]);
        }
        0x1_0000..=0xff_ffff => {
            out.push(0xfd);
            out.extend_from_slice(&bytes[..3]);
        }
        _ => {
            out.push(0xfe);
            out.extend_from_slice(&bytes);
        }
    }
}

/// Appends a length-encoded string.
pub fn put_lenenc_string(out: &mut Vec<u8>, string: &[u8]) {
    put_lenenc_integer(out, string.len() as u64);
    out.extend_from_slice(string);
}
