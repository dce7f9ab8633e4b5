//! PROXY headers made of known addresses, read as a server does: no byte more than is surely missing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use encke::proto::proxy_protocol::{Progress, parse};

use crate::Place;
use crate::oracles::proxy::check;
use crate::support::random::{Random, rounds};

#[test]
fn the_source_is_found_and_nothing_behind_the_header_is_touched() {
    for seed in 0..rounds(2_000) {
        let mut random = Random::new(seed);
        let (header, from) = header(&mut random);
        let len = random.below(40);
        let input = [&header[..], &random.bytes(len)].concat();
        let _place = Place { seed, input: &input };
        check(&input);
        let mut read = 0;
        let progress = loop {
            match parse(&input[..read]).expect("a header") {
                Progress::Missing(missing) => {
                    // The kernel may have less than was asked for.
                    read += 1 + random.below(missing);
                    assert!(read <= header.len());
                }
                complete => break complete,
            }
        };
        assert_eq!(progress, Progress::Complete { used: header.len(), from });
    }
}

fn header(random: &mut Random) -> (Vec<u8>, Option<SocketAddr>) {
    let port = random.next() as u16;
    let address: IpAddr = match random.one_in(2) {
        true => Ipv4Addr::from_bits(random.next() as u32).into(),
        false => Ipv6Addr::from_bits(u128::from(random.next()) << 70 | 7).into(),
    };
    let from = SocketAddr::new(address, port);
    let is_known = !random.one_in(4);
    let header = match random.one_in(2) {
        true => line(from, is_known),
        false => binary(from, is_known, random),
    };
    (header, is_known.then_some(from))
}

fn line(from: SocketAddr, is_known: bool) -> Vec<u8> {
    let (ip, port) = (from.ip(), from.port());
    let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
    let family = if is_known { family } else { "UNKNOWN" };
    format!("PROXY {family} {ip} {ip} {port} 443\r\n").into_bytes()
}

fn binary(from: SocketAddr, is_known: bool, random: &mut Random) -> Vec<u8> {
    let (family, ip) = match from.ip() {
        IpAddr::V4(ip) => (0x11, ip.octets().to_vec()),
        IpAddr::V6(ip) => (0x21, ip.octets().to_vec()),
    };
    let len = random.pick(&[0, 3, 300]);
    let ports = [&from.port().to_be_bytes()[..], &[1, 187]].concat();
    let rest = [&ip[..], &ip, &ports, &random.bytes(len)].concat();
    let (command, family) = match (is_known, random.one_in(2)) {
        (true, _) => (0x21, family),
        (false, true) => (0x20, family),
        (false, false) => (0x21, 0x00),
    };
    let start = [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[command, family]].concat();
    [&start[..], &(rest.len() as u16).to_be_bytes(), &rest].concat()
}
