//! A client that has little room: its server's writes come out short soon, and not only when megabytes
//! wait, as between two ends of one machine.

#![allow(unsafe_code, reason = "the standard library sets no socket options before it connects")]

use std::io;
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Of a segment, as in most networks: the server's own buffer is a multiple of it, which grows with the number
/// of segments that were under way at once.
const SEGMENT_BYTES: libc::c_int = 1400;
/// Of what has come and is not read yet.
const RECEIVED_BYTES: libc::c_int = 4 * 1024;

/// Connects, and never sleeps from then on.
pub fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let SocketAddr::V4(address) = address else { return Err(io::ErrorKind::Unsupported.into()) };
    // SAFETY: no pointers are involved, and the descriptor is new and ours alone.
    let socket = unsafe {
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
        OwnedFd::from_raw_fd(check(libc::socket(libc::AF_INET, kind, 0))?)
    };
    set(&socket, libc::IPPROTO_TCP, libc::TCP_MAXSEG, SEGMENT_BYTES)?;
    set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, RECEIVED_BYTES)?;
    let name = name_of(address);
    // SAFETY: the pointer is to a live address of the length given.
    check(unsafe {
        libc::connect(socket.as_raw_fd(), (&raw const name).cast(), size_of_val(&name) as u32)
    })?;
    let socket = TcpStream::from(socket);
    socket.set_nodelay(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Has room from now on.
pub fn widen(socket: &TcpStream) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, 64 * 1024)
}

fn set(socket: &impl AsRawFd, level: i32, option: i32, value: libc::c_int) -> io::Result<()> {
    let (pointer, bytes) = ((&raw const value).cast(), size_of_val(&value) as u32);
    // SAFETY: the pointer is to a live integer of the length given.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, pointer, bytes) })?;
    Ok(())
}

fn name_of(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
        sin_zero: [0; 8],
    }
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
