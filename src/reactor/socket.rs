//! A real socket: one descriptor, TCP and Unix alike.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::server::socket::Socket;

/// A non-blocking stream socket. `std`'s `TcpStream` does for Unix sockets as well: the system calls that
/// it makes ask nothing of the family, but for `peer`, which then has no answer.
pub struct StreamSocket(TcpStream);

impl From<OwnedFd> for StreamSocket {
    fn from(descriptor: OwnedFd) -> StreamSocket {
        StreamSocket(TcpStream::from(descriptor))
    }
}

impl AsRawFd for StreamSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Socket for StreamSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }

    /// One buffer needs no gathering in the kernel.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(buffers)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.0.peer_addr().ok()
    }
}
