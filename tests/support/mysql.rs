//! Packets of the MySQL protocol, as a back end writes and reads them.

/// A packet: its number and what is in it.
pub fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_le_bytes();
    [&[length[0], length[1], length[2], sequence], payload].concat()
}

/// Takes the first packet, if it is whole: its number and what is in it.
pub fn take_packet(bytes: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let head: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
    let end = 4 + u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
    let payload = bytes.get(4..end)?.to_vec();
    bytes.drain(..end);
    Some((head[3], payload))
}

/// A handshake response as mysqlnd writes it, for anybody without a password.
pub fn login() -> Vec<u8> {
    let mut payload = 0x0012_a285_u32.to_le_bytes().to_vec();
    payload.extend([0, 0, 0, 0xc0, 45]);
    payload.extend([0; 23]);
    payload.extend(b"root\0\0");
    payload
}
