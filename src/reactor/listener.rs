//! Listening sockets, TCP and Unix.

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use mio::net::{TcpListener, UnixListener};

use super::socket::StreamSocket;
use super::sys;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address and a port; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A path in the file system.
    Unix(PathBuf),
}

impl Address {
    /// Whether only programs of this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Address::Tcp(address) => address.ip().is_loopback(),
            Address::Unix(_) => true,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => write!(f, "{address}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An open listener.
pub(super) enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Acceptor {
    pub fn bind(address: &Address) -> io::Result<Acceptor> {
        match address {
            Address::Tcp(address) => {
                let listener = TcpListener::bind(*address)?;
                sys::set_no_delay(listener.as_fd())?;
                sys::lengthen_queue(listener.as_fd())?;
                Ok(Acceptor::Tcp(listener))
            }
            Address::Unix(path) => {
                remove_if_abandoned(path)?;
                let listener = UnixListener::bind(path)?;
                sys::lengthen_queue(listener.as_fd())?;
                Ok(Acceptor::Unix(listener, path.clone()))
            }
        }
    }

    /// Where it really listens.
    pub fn address(&self) -> io::Result<Address> {
        match self {
            Acceptor::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Acceptor::Unix(_, path) => Ok(Address::Unix(path.clone())),
        }
    }

    pub fn descriptor(&self) -> RawFd {
        match self {
            Acceptor::Tcp(listener) => listener.as_raw_fd(),
            Acceptor::Unix(listener, _) => listener.as_raw_fd(),
        }
    }

    pub fn accept(&self) -> io::Result<StreamSocket> {
        let descriptor = match self {
            Acceptor::Tcp(listener) => OwnedFd::from(listener.accept()?.0),
            Acceptor::Unix(listener, _) => OwnedFd::from(listener.accept()?.0),
        };
        Ok(StreamSocket::from(descriptor))
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        if let Acceptor::Unix(_, path) = self {
            // Somebody may have removed it already: then there is nothing to do.
            let _ = fs::remove_file(path);
        }
    }
}

/// A socket file that nobody listens to any more is in the way of a restart.
fn remove_if_abandoned(path: &Path) -> io::Result<()> {
    // Ordinary files refuse connections in the same words, and are not ours to remove.
    if !fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket()) {
        return Ok(());
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        // In use: `bind` will say so.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};
    use std::time::Duration;

    use super::*;

    /// More than what is asked for by default, where the machine allows that.
    fn rush() -> usize {
        let most = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap_or_default();
        most.trim().parse::<usize>().unwrap_or(128).min(300)
    }

    #[test]
    fn a_rush_waits_to_be_accepted() {
        let address = Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let listener = Acceptor::bind(&address).unwrap();
        let Address::Tcp(address) = listener.address().unwrap() else { unreachable!() };
        let wait = Duration::from_secs(10);
        let clients = (0..rush()).map(|_| TcpStream::connect_timeout(&address, wait));
        let clients: Vec<_> = clients.collect::<Result<_, _>>().unwrap();
        assert_eq!(clients.len(), rush());
    }

    #[test]
    fn a_rush_to_a_path_is_not_refused() {
        let path = std::env::temp_dir().join(format!("encke-rush-{}", std::process::id()));
        let _listener = Acceptor::bind(&Address::Unix(path.clone())).unwrap();
        // This one does not wait for a place in the queue.
        let clients = (0..rush()).map(|_| mio::net::UnixStream::connect(&path));
        let clients: Vec<_> = clients.collect::<Result<_, _>>().unwrap();
        assert_eq!(clients.len(), rush());
    }
}
