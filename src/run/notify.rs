//! What a service manager is told: that we are ready, that we stop, and a line of status.
//!
//! `sd_notify(3)` is a datagram of `NAME=value` lines to the socket that `$NOTIFY_SOCKET` names: a path,
//! or, with `@` in front, a name that lives outside the file system. Without the variable nobody asked,
//! and nothing is sent.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// What may be told.
pub enum State<'a> {
    /// Every listener is open. The text says where.
    Ready(&'a str),
    /// Clients take their leave.
    Stopping(&'a str),
}

/// Somebody to tell, or nobody.
pub struct Manager {
    socket: Option<OsString>,
}

impl Manager {
    /// The one that the environment names.
    pub fn of_environment() -> Manager {
        Manager { socket: std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) }
    }

    /// Tells it. A manager that cannot be told is a reason for a warning, not for an end.
    pub fn tell(&self, state: &State<'_>) {
        if let Some(name) = &self.socket
            && let Err(error) = send(name.as_bytes(), message(state).as_bytes())
        {
            log::warn!("cannot tell the service manager at {}: {error}", name.display());
        }
    }
}

fn message(state: &State<'_>) -> String {
    match state {
        State::Ready(status) => format!("READY=1\nSTATUS={}\n", one_line(status)),
        State::Stopping(status) => format!("STOPPING=1\nSTATUS={}\n", one_line(status)),
    }
}

/// A path may have a line end in it, which would begin a statement of its own.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn send(name: &[u8], message: &[u8]) -> io::Result<()> {
    let address = match name {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        [b'/', ..] => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a path nor a @name")),
    };
    let socket = UnixDatagram::unbound()?;
    // A manager that does not read must not stop us.
    socket.set_nonblocking(true)?;
    socket.send_to_addr(message, &address).map(drop)
}
