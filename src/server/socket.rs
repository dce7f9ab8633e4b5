//! What the server needs of a socket. The reactor has the real one, the simulation a fake.

use std::io::{self, IoSlice};
use std::net::SocketAddr;

/// A non-blocking, connected, bidirectional byte stream.
pub trait Socket {
    /// Reads what is there; `Ok(0)` means that the peer will send no more.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes as much as fits.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    /// Writes as much as fits, of one or several buffers.
    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Says that nothing more will be written; reading goes on.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// Who is at the other end, if it has an address. Asked only when somebody wants to read it.
    fn peer(&self) -> Option<SocketAddr>;
}
