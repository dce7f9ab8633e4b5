//! What the kernel refused: pieces of shared buffers, in order, bounded by whoever fills it.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::rc::Rc;

use super::socket::Socket;

/// A part of a shared buffer.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub buffer: Rc<[u8]>,
    pub range: Range<usize>,
}

impl Piece {
    pub fn whole(buffer: Rc<[u8]>) -> Piece {
        Piece { range: 0..buffer.len(), buffer }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.range.clone()]
    }
}

/// Buffers handed to the kernel in one call.
pub(crate) const SLICES_MAX: usize = 64;

/// Bytes on their way to a socket that is not ready.
#[derive(Default)]
pub(crate) struct Outbox {
    pieces: VecDeque<Piece>,
    bytes: usize,
    /// Whose it is.
    pub slot: u32,
    /// Bytes that do not count towards the bound: history a client asked for.
    pub exempt: usize,
}

impl Outbox {
    pub fn of(slot: u32) -> Outbox {
        Outbox { slot, ..Outbox::default() }
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub fn push(&mut self, piece: Piece) {
        if !piece.range.is_empty() {
            self.bytes += piece.range.len();
            self.pieces.push_back(piece);
        }
    }

    /// Writes until everything is gone or the kernel refuses. Returns the bytes written.
    pub fn flush(&mut self, socket: &mut impl Socket) -> io::Result<usize> {
        let mut total = 0;
        while !self.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let count = self.pieces.len().min(SLICES_MAX);
            for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
                *slice = IoSlice::new(piece.bytes());
            }
            match socket.write_vectored(&slices[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    total += written;
                    self.advance(written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(piece) = self.pieces.front_mut() {
            if written < piece.range.len() {
                piece.range.start += written;
                return;
            }
            written -= piece.range.len();
            self.pieces.pop_front();
        }
    }
}
