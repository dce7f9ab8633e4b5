//! Connections of clients that never sleep, from one of several addresses of this machine: one address has
//! only so many ports.

#![allow(unsafe_code, reason = "the standard library sets no socket options before it connects")]

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

/// Addresses, from 127.0.0.1 on, that take turns.
const SOURCES: u32 = 8;
static TURN: AtomicU32 = AtomicU32::new(0);

/// Of a segment, as in most networks: the server's own buffer is a multiple of it, which grows with the number
/// of segments that were under way at once.
const SEGMENT_BYTES: libc::c_int = 1400;
/// Of what has come and is not read yet.
const RECEIVED_BYTES: libc::c_int = 4 * 1024;

/// A connection.
pub fn dial(address: SocketAddr) -> TcpStream {
    open(address, |_| Ok(())).expect("the server accepts")
}

/// One that has little room: the server's writes come out short soon, and not only when megabytes wait, as
/// between two ends of one machine.
pub fn dial_narrow(address: SocketAddr) -> TcpStream {
    let narrow = |socket: &OwnedFd| {
        set(socket, libc::IPPROTO_TCP, libc::TCP_MAXSEG, SEGMENT_BYTES)?;
        set(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, RECEIVED_BYTES)
    };
    open(address, narrow).expect("the server accepts")
}

/// It has room from now on.
pub fn widen(socket: &TcpStream) {
    set(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, 64 * 1024).expect("it is a socket");
}

fn open(address: SocketAddr, adjust: impl Fn(&OwnedFd) -> io::Result<()>) -> io::Result<TcpStream> {
    let SocketAddr::V4(address) = address else { return Err(io::ErrorKind::Unsupported.into()) };
    // SAFETY: no pointers are involved, and the descriptor is new and ours alone.
    let socket = unsafe {
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
        OwnedFd::from_raw_fd(check(libc::socket(libc::AF_INET, kind, 0))?)
    };
    adjust(&socket)?;
    // The port is chosen when it is known where to.
    set(&socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)?;
    let number = TURN.fetch_add(1, Ordering::Relaxed) % SOURCES;
    let source = Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + number);
    let (from, to) = (name_of(SocketAddrV4::new(source, 0)), name_of(address));
    let length = size_of_val(&to) as u32;
    // SAFETY: the pointers are to live addresses of the length given.
    unsafe {
        check(libc::bind(socket.as_raw_fd(), (&raw const from).cast(), length))?;
        check(libc::connect(socket.as_raw_fd(), (&raw const to).cast(), length))?;
    }
    let socket = TcpStream::from(socket);
    socket.set_nodelay(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
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
