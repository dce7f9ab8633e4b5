//! Who is at the other end, behind proxies: what a proxy announces before the first byte (the PROXY
//! protocol) or says in every request's head, and whom to believe.
//!
//! ```text
//!  client ─▶ proxy ─▶ proxy ─▶ encke
//!                │        └─ the kernel knows this one, or it announces who asked it
//!                └─ X-Forwarded-For: client, proxy      read from its end, as long as the
//!                                                       one who says so is trusted
//! ```
//! Only connections that came through a proxy have an entry here; all others cost nothing and are asked
//! of the kernel.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::conn::Phase;
use super::deadlines::Tick;
use super::disconnect::Disconnect;
use super::extras::Extra;
use super::lobby::LOBBY;
use super::logs::Warning;
use super::slab::Slab;
use super::socket::Socket;
use super::{Key, Listener, Server};
use crate::hub::clock::Now;
use crate::proto::forwarded;
use crate::proto::http1::Head;
use crate::proto::proxy_protocol::{self, Progress};

/// Why a request is refused that is one too many of its address.
pub(super) const CROWDED: &str = "more connections than one address may have, or open in a second";

/// Addresses with the same first bits (RFC 4632 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32`, or an address alone.
    fn parse(text: &str) -> Option<Network> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(bits_max);
        (bits <= bits_max).then_some(Network { address, bits })
    }

    fn has(self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= self.bits.into()
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= self.bits.into()
            }
            _ => false,
        }
    }
}

/// The proxies whose word about their clients is believed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Trusted {
    networks: Vec<Network>,
    /// Whoever comes by a socket file.
    has_unix: bool,
    /// As they were written.
    texts: Vec<Box<str>>,
}

impl Trusted {
    /// Adds `10.0.0.0/8`, `::1` or `unix`.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        if text == "unix" {
            self.has_unix = true;
        } else {
            let network = Network::parse(text).ok_or_else(|| {
                format!("{text:?} is not an address like 127.0.0.1, 10.0.0.0/8 or unix")
            })?;
            self.networks.push(network);
        }
        self.texts.push(text.into());
        Ok(())
    }

    /// As they were written.
    pub fn texts(&self) -> &[Box<str>] {
        &self.texts
    }

    /// `None` is somebody without an address, at the other end of a socket file.
    pub(super) fn has(&self, address: Option<IpAddr>) -> bool {
        match address {
            Some(address) => self.networks.iter().any(|network| network.has(address)),
            None => self.has_unix,
        }
    }

    /// The client, as a chain of proxies names it, the nearest last: the last that is not one of these,
    /// or the first, if all are.
    fn client(&self, nodes: &[&[u8]]) -> Option<IpAddr> {
        let mut client = None;
        for node in nodes.iter().rev() {
            match forwarded::address(node) {
                Some(address) => {
                    client = Some(address);
                    if !self.has(client) {
                        break;
                    }
                }
                // nginx calls a client on a socket file so.
                None if *node == b"unix:" && self.has_unix => {}
                // Hidden or broken: nobody knows who said what stands before.
                None => break,
            }
        }
        client
    }
}

/// Clients of proxies, by slot. A tree grows by small pieces, and gives them back.
#[derive(Default)]
pub(crate) struct Clients(BTreeMap<u32, Client>);

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Client {
    /// By the PROXY protocol: for as long as the connection lasts.
    announced: Option<IpAddr>,
    /// By the head of its last request.
    forwarded: Option<IpAddr>,
    /// A request was counted among what the client that it came from has opened.
    has_opened: bool,
}

impl Clients {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What a proxy says of the slot's client, if one may and does.
    pub fn named(&self, slot: u32) -> Option<IpAddr> {
        let client = self.0.get(&slot)?;
        client.forwarded.or(client.announced)
    }

    /// The address of a slot's client; `None` on a socket file, and once it is gone.
    pub fn address<S: Socket>(&self, slot: u32, connections: &Slab<S>) -> Option<IpAddr> {
        self.named(slot).or_else(|| peer_address(connections, slot))
    }

    /// The address that a slot's connection counts for: whatever its requests say, it stays the same.
    pub fn connected_from<S: Socket>(&self, slot: u32, connections: &Slab<S>) -> Option<IpAddr> {
        let announced = self.0.get(&slot).and_then(|client| client.announced);
        announced.or_else(|| peer_address(connections, slot))
    }

    /// The slot is free.
    #[inline]
    pub fn forget(&mut self, slot: u32) {
        if !self.0.is_empty() {
            self.0.remove(&slot);
        }
    }

    fn set(&mut self, slot: u32, client: Client) {
        if client == Client::default() {
            self.0.remove(&slot);
        } else {
            self.0.insert(slot, client);
        }
    }
}

fn peer_address<S: Socket>(connections: &Slab<S>, slot: u32) -> Option<IpAddr> {
    let peer = connections.get(slot).socket.as_ref()?.peer()?;
    Some(peer.ip().to_canonical())
}

impl<S: Socket> Server<S> {
    /// Whose connection this is, as far as it can be known. It is asked only when somebody wants to know.
    #[cfg_attr(not(feature = "cometql"), expect(dead_code, reason = "only its logins ask"))]
    pub(super) fn client_address(&self, slot: u32) -> Option<IpAddr> {
        self.clients.address(slot, &self.connections)
    }

    /// Takes a new connection from a proxy that says first whose it is; `None` as `accept` has it.
    pub fn accept_proxied(&mut self, socket: S, listener: Listener, now: Now) -> Option<Key> {
        let key = self.take(socket, listener, Phase::Proxied, now)?;
        let extra = self.extras.put(Extra::Proxied(listener));
        self.connections.get_mut(key.slot).extra = Some(extra);
        Some(key)
    }

    /// Reads of a PROXY header what is surely missing and no byte more: what follows may be TLS. Returns
    /// whether there may be more to read.
    pub(super) fn read_proxy_header(&mut self, slot: u32) -> bool {
        let mut bytes = self.take_leftover(slot);
        let before = bytes.len();
        let missing = match proxy_protocol::parse(&bytes) {
            Ok(Progress::Missing(missing)) => missing,
            // Neither stays in the box.
            Ok(Progress::Complete { .. }) | Err(_) => 0,
        };
        bytes.resize(before + missing, 0);
        let conn = self.connections.get_mut(slot);
        let Some(socket) = &mut conn.socket else { return false };
        let count = match socket.read(&mut bytes[before..]) {
            Ok(0) => {
                self.at_end(slot);
                return false;
            }
            Ok(count) => count,
            Err(error) => {
                bytes.truncate(before);
                self.keep_header(slot, bytes);
                return self.on_read_error(slot, error.kind());
            }
        };
        bytes.truncate(before + count);
        self.metrics.bytes_in += count as u64;
        match proxy_protocol::parse(&bytes) {
            Ok(Progress::Missing(_)) => self.keep_header(slot, bytes),
            Ok(Progress::Complete { from, .. }) => {
                let announced = from.map(|from| from.ip().to_canonical());
                self.begin_announced(slot, announced);
            }
            Err(error) => {
                self.log_note(slot, format_args!("{}", error.explain()));
                self.cut(slot, Disconnect::ProtocolError);
            }
        }
        // Less than was asked for is read again; the kernel then says that there is nothing.
        self.connections.is_used(slot)
    }

    fn keep_header(&mut self, slot: u32, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.input(slot).bytes = bytes;
        }
    }

    /// The proxy has said whose connection this is: now it begins.
    fn begin_announced(&mut self, slot: u32, announced: Option<IpAddr>) {
        let extra = self.connections.get_mut(slot).extra.take();
        let Some(Extra::Proxied(listener)) = extra.and_then(|index| self.extras.take(index)) else {
            return self.cut(slot, Disconnect::Failed);
        };
        self.clients.set(slot, Client { announced, ..Client::default() });
        match announced {
            Some(address) => self.log_note(slot, format_args!("comes from {address}")),
            None => self.log_note(slot, format_args!("comes from the proxy itself")),
        }
        let deadline = Tick::after(self.now, self.settings.limits.head_seconds);
        self.connections.get_mut(slot).deadline = deadline;
        if !self.may_enter(slot, announced, listener) {
            return self.cut(slot, Disconnect::Unavailable);
        }
        if self.connections.get(slot).format == LOBBY {
            return self.set_phase(slot, Phase::Lobby);
        }
        self.set_phase(slot, listener.phase());
        self.open(slot, listener);
    }

    /// Whether one more connection may come from where a proxy says; then it is counted there.
    fn may_enter(&mut self, slot: u32, announced: Option<IpAddr>, listener: Listener) -> bool {
        let source = announced.and_then(|address| self.source_of_connection(address, listener));
        let Some(source) = source else { return true };
        let has_place = self.has_place_for(source);
        if has_place {
            self.addresses.enter(slot, source);
        }
        has_place
    }

    /// A request says who asked the proxy, if that is a trusted one. On a connection that a proxy keeps
    /// for several clients, each request counts for itself.
    #[inline]
    pub(super) fn note_client(&mut self, slot: u32, head: &Head<'_>) {
        if !self.settings.trusted.texts.is_empty() {
            self.note_forwarded(slot, head);
        }
    }

    #[inline(never)]
    fn note_forwarded(&mut self, slot: u32, head: &Head<'_>) {
        let nodes = forwarded::nodes(head);
        let Client { announced, has_opened, .. } =
            self.clients.0.get(&slot).copied().unwrap_or_default();
        let mut forwarded = None;
        if !nodes.is_empty() {
            let speaker = announced.or_else(|| peer_address(&self.connections, slot));
            if self.settings.trusted.has(speaker) {
                forwarded = self.settings.trusted.client(&nodes);
            }
        }
        let has_opened = has_opened && forwarded.is_some();
        self.clients.set(slot, Client { announced, forwarded, has_opened });
    }

    /// Counts a request where a trusted proxy says that it comes from; false if it is one too many there.
    /// The first of each of the proxy's connections is a connect, as that of who comes by itself; so is
    /// whatever takes a connection for itself.
    #[inline]
    pub(super) fn may_ask(&mut self, slot: u32, takes_connection: bool) -> bool {
        self.clients.0.is_empty() || self.may_ask_through_proxy(slot, takes_connection)
    }

    #[inline(never)]
    fn may_ask_through_proxy(&mut self, slot: u32, takes_connection: bool) -> bool {
        let Some(client) = self.clients.0.get_mut(&slot) else { return true };
        let (address, is_first) = (client.forwarded, !client.has_opened);
        client.has_opened = address.is_some();
        let Some(source) = address.and_then(|address| self.source_at(address)) else {
            return true;
        };
        let is_connect = is_first || takes_connection;
        let may = self.takes_one_more(source) && (!is_connect || self.may_connect(source));
        if may {
            self.addresses.enter(slot, source);
        } else {
            self.metrics.refused += 1;
            self.warn(Warning::Crowded, slot, format_args!("refused, {CROWDED}"));
        }
        may
    }

    /// A request is answered, and its connection goes on: the client that asked has it no longer.
    #[inline]
    pub(super) fn has_been_answered(&mut self, slot: u32) {
        if !self.clients.0.is_empty()
            && self.clients.0.get(&slot).is_some_and(|client| client.forwarded.is_some())
        {
            self.addresses.leave(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted(texts: &[&str]) -> Trusted {
        let mut trusted = Trusted::default();
        texts.iter().for_each(|text| trusted.add(text).unwrap());
        trusted
    }

    #[test]
    fn a_network_has_those_whose_first_bits_are_its_own() {
        for (text, address, expect) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3/8", "10.9.9.9", true),
            ("192.0.2.128/25", "192.0.2.127", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db9::1", true),
            ("::1", "::1", true),
        ] {
            assert_eq!(trusted(&[text]).has(address.parse().ok()), expect, "{text} {address}");
        }
        assert!(trusted(&["unix"]).has(None));
        assert!(!trusted(&["0.0.0.0/0", "::/0"]).has(None));
        for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0/8", "/8", "localhost", "*"] {
            let line = Trusted::default().add(wrong).unwrap_err();
            assert!(line.contains("is not an address like"), "{wrong}: {line}");
        }
    }

    #[test]
    fn the_last_untrusted_address_wins() {
        let trusted = trusted(&["10.0.0.0/8", "unix"]);
        let rows: [(&[&str], Option<&str>); 9] = [
            (&["203.0.113.9"], Some("203.0.113.9")),
            (&["6.6.6.6", "203.0.113.9"], Some("203.0.113.9")),
            (&["6.6.6.6", "203.0.113.9", "10.0.0.2", "10.0.0.3"], Some("203.0.113.9")),
            (&["10.0.0.1", "10.0.0.2"], Some("10.0.0.1")),
            (&["203.0.113.9", "unix:"], Some("203.0.113.9")),
            (&["6.6.6.6", "unknown"], None),
            (&["6.6.6.6", "unknown", "10.0.0.2"], Some("10.0.0.2")),
            (&["6.6.6.6", "nonsense", "203.0.113.9"], Some("203.0.113.9")),
            (&["::ffff:10.0.0.2"], Some("10.0.0.2")),
        ];
        for (nodes, expect) in rows {
            let nodes: Vec<_> = nodes.iter().map(|node| node.as_bytes()).collect();
            let expect = expect.map(|text| text.parse().unwrap());
            assert_eq!(trusted.client(&nodes), expect, "{nodes:?}");
        }
    }
}
