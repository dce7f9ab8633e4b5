//! MySQL packets, and everything that may be in one.

use encke::proto::annotate;
use encke::proto::mysql::command::Command;
use encke::proto::mysql::handshake::{Nonce, Plugin, Response, is_tls_request};
use encke::proto::mysql::packet::{self, HEADER_BYTES, Writer};
use encke::proto::mysql::value::{Reader, put_lenenc_integer, put_lenenc_string};

use super::http_head::check_lines;

const PAYLOAD_BYTES_MAX: usize = 500;

pub fn check(input: &[u8]) {
    check_packet(input);
    check_command(input);
    check_response(input);
    check_values(input);
    check_written(input);
    for is_logged_in in [false, true] {
        check_lines(&annotate::mysql::from_client(input, is_logged_in));
    }
    check_lines(&annotate::mysql::from_server(input));
}

/// The same packet or error from every beginning that shows it.
fn check_packet(input: &[u8]) {
    let sequence = input.get(3).copied().unwrap_or_default();
    let whole = packet::parse(input, sequence, PAYLOAD_BYTES_MAX);
    for end in 0..input.len().min(PAYLOAD_BYTES_MAX) {
        match packet::parse(&input[..end], sequence, PAYLOAD_BYTES_MAX) {
            Ok(None) => {}
            shown => assert_eq!(shown, whole, "{end} of {input:02x?}"),
        }
    }
    if let Ok(Some(packet)) = &whole {
        assert_eq!(packet.payload.len() + HEADER_BYTES, packet.bytes_used);
        assert_eq!(*packet.payload, input[HEADER_BYTES..packet.bytes_used]);
        check_command(&packet.payload);
        check_response(&packet.payload);
    }
}

fn check_command(payload: &[u8]) {
    let Ok(Command::Execute(execute)) = Command::parse(payload) else { return };
    for count in [0, 1, 2, 7, 8, 9, 300] {
        let mut types = Vec::new();
        if let Ok(values) = execute.values(count, &mut types, |index| index == 1) {
            assert_eq!((values.len(), types.len()), (count, count));
            // The types of the last time do where none come.
            let again = execute.values(count, &mut types, |index| index == 1);
            assert_eq!(again, Ok(values));
        }
    }
}

fn check_response(payload: &[u8]) {
    let is_tls = is_tls_request(payload);
    let Ok(response) = Response::parse(payload) else { return };
    assert!(!is_tls, "a response is longer than a request for TLS");
    assert!(!response.user.contains(&0));
    let nonce = Nonce::from_random([7; 20]);
    for plugin in [Plugin::Native, Plugin::CachingSha2] {
        assert!(!plugin.proves(b"secret", &nonce, response.proof), "nobody guesses a proof");
        assert_eq!(plugin.proves(b"", &nonce, response.proof), plugin.is_no_proof(response.proof));
    }
}

fn check_values(input: &[u8]) {
    let mut reader = Reader::new(input);
    if let Ok(value) = reader.lenenc_integer() {
        let mut shortest = Vec::new();
        put_lenenc_integer(&mut shortest, value);
        let used = input.len() - reader.rest().len();
        assert!(shortest.len() <= used, "{value}");
        assert_eq!(Reader::new(&shortest).lenenc_integer(), Ok(value));
    }
    let mut string = Vec::new();
    put_lenenc_string(&mut string, input);
    assert_eq!(Reader::new(&string).lenenc_string(), Ok(input));
    for end in 0..string.len().min(20) {
        assert!(Reader::new(&string[..end]).lenenc_string().is_err());
    }
    let mut reader = Reader::new(input);
    if let Ok(text) = reader.nul_string() {
        assert_eq!([text, b"\0", reader.rest()].concat(), input);
    }
}

fn check_written(payload: &[u8]) {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, 255);
    writer.packet(|out| out.extend_from_slice(payload));
    assert_eq!(writer.sequence(), 0, "255 is followed by 0");
    let packet = packet::parse(&out, 255, payload.len()).expect("it fits").expect("it is whole");
    assert_eq!((&*packet.payload, packet.bytes_used), (payload, out.len()));
}
