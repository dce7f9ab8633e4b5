//! A back end's side of CometQL: packets, and a login.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use encke::proto::mysql::packet::{HEADER_BYTES, Writer};

use super::process::read_exact;

/// By `mysql_native_password`, without one.
pub fn log_in(address: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(address).expect("the server accepts");
    socket.set_nodelay(true).expect("it is TCP");
    assert_eq!(read_packet(&mut socket)[0], 10, "the greeting of protocol 10");
    // LONG_PASSWORD, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH; 16 MB; utf8mb4.
    let mut response = b"\x01\xa2\x08\0\0\0\0\x01\x2d".to_vec();
    response.extend_from_slice(&[0; 23]);
    response.extend_from_slice(b"root\0\0mysql_native_password\0");
    socket.write_all(&packet(1, &response)).expect("the kernel has room");
    assert_eq!(read_packet(&mut socket)[0], 0, "OK");
    socket
}

/// Runs a statement, which must come to an OK.
pub fn run(socket: &mut TcpStream, sql: &str) {
    socket.write_all(&packet(0, format!("\x03{sql}").as_bytes())).expect("the kernel has room");
    assert_eq!(read_packet(socket)[0], 0, "OK");
}

pub fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    Writer::new(&mut packet, sequence).packet(|out| out.extend_from_slice(payload));
    packet
}

pub fn read_packet(socket: &mut TcpStream) -> Vec<u8> {
    let mut header = [0; HEADER_BYTES];
    read_exact(socket, &mut header);
    let [low, middle, high, _] = header;
    let mut payload = vec![0; u32::from_le_bytes([low, middle, high, 0]) as usize];
    read_exact(socket, &mut payload);
    payload
}
