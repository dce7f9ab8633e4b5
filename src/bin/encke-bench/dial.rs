//! Connecting, from several source addresses: each has its own 28,000 ports.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};

use super::args::Plan;
use super::procfs;
use super::worker::Place;

/// Ports tried before a source address counts as used up.
const PORT_TRIES: usize = 2_048;
/// Which address and port comes next.
pub struct Dialler {
    target: SocketAddr,
    sources: usize,
    place: Place,
    ports: (u16, u16),
    /// Addresses and ports tried so far.
    step: usize,
}

impl Dialler {
    pub fn new(plan: &Plan, place: Place) -> Dialler {
        let ports = procfs::port_range();
        Dialler { target: plan.target.address, sources: plan.sources, place, ports, step: 0 }
    }

    /// Begins a connection from the next source address.
    pub fn connect(&mut self) -> io::Result<TcpStream> {
        let address = self.target;
        if self.sources == 1 {
            return TcpStream::connect(address);
        }
        let mut last = io::Error::from(ErrorKind::AddrNotAvailable);
        for _ in 0..PORT_TRIES {
            self.step += 1;
            match self.connect_from(self.source(), address) {
                Ok(stream) => return Ok(stream),
                Err(error) if is_port_taken(&error) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Workers take turns with the ports, so that none looks where another has been.
    fn source(&self) -> SocketAddr {
        let (source, turn) = (self.step % self.sources, self.step / self.sources);
        let ports = usize::from(self.ports.1 - self.ports.0) + 1;
        let port = (turn * self.place.count + self.place.index) % ports;
        let ip = Ipv4Addr::new(127, 0, 0, source as u8 + 1);
        SocketAddr::new(IpAddr::V4(ip), self.ports.0 + port as u16)
    }

    fn connect_from(&self, source: SocketAddr, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        // A port that waits for the last bytes of an earlier connection may be used again.
        socket.set_reuse_address(true)?;
        socket.bind(&source.into())?;
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
            _ => Ok(TcpStream::from_std(socket.into())),
        }
    }
}

fn is_port_taken(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_taken_port_does_not_make_the_next_search_longer() {
        let mut seen = BTreeSet::new();
        for index in 0..3 {
            let place = Place { index, count: 3, epoch: 0 };
            let target = SocketAddr::from(([127, 0, 0, 1], 80));
            let mut dialler =
                Dialler { target, sources: 2, place, ports: (10_000, 10_999), step: 0 };
            for _ in 0..600 {
                dialler.step += 1;
                assert!(seen.insert(dialler.source()), "each is tried once");
            }
        }
        assert_eq!(seen.len(), 1_800);
        assert!(seen.iter().all(|source| (10_000..11_000).contains(&source.port())));
    }
}
