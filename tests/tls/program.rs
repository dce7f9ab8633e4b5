//! The real program on real sockets: its ports, its names, reloads, and back ends.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::certificates::{Authority, read};
use crate::server::{Encke, PATIENCE, eventually};
use crate::world::{INFO, LISTEN};

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Arguments of a server with one certificate for this machine.
struct Files {
    authority: Authority,
    config: Arc<ClientConfig>,
}

impl Files {
    fn new() -> Files {
        let authority = Authority::new();
        let mut config = ClientConfig::clone(&authority.client(&[&TLS12, &TLS13]));
        // Who comes back with a ticket is not shown the certificate again.
        config.resumption = Resumption::disabled();
        Files { authority, config: Arc::new(config) }
    }

    fn start(&self, arguments: &[&str]) -> Encke {
        let (certificate, key) = self.authority.issue("a", &["localhost"]);
        let (certificate, key) =
            (certificate.to_str().expect("plain"), key.to_str().expect("plain"));
        let tls = ["--https", "127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key];
        Encke::start(&[&tls, arguments].concat())
    }

    fn stream(&self, tcp: TcpStream, name: &str) -> Stream {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let tls = ClientConnection::new(Arc::clone(&self.config), name).expect("a client");
        StreamOwned::new(tls, tcp)
    }

    /// Switches to TLS as a back end does, and logs in without a password. `is_whole`: asks for TLS and begins
    /// it in one write.
    #[cfg(feature = "cometql")]
    fn log_in(&self, mut socket: TcpStream, is_whole: bool) -> Stream {
        let greeting = packet_from(&mut socket);
        let at = greeting.iter().skip(1).position(|&byte| byte == 0).expect("a version") + 1;
        let capabilities = u16::from_le_bytes([greeting[at + 14], greeting[at + 15]]);
        assert_ne!(capabilities & 0x800, 0, "TLS is offered");
        // PROTOCOL_41, SSL, SECURE_CONNECTION, PLUGIN_AUTH; utf8mb4.
        let mut begin = 0x0008_8a00_u32.to_le_bytes().to_vec();
        begin.extend([0, 0, 0, 1, 45]);
        begin.extend([0; 23]);
        let mut request = framed(1, &begin);
        let mut stream = self.stream(socket.try_clone().expect("a socket"), "localhost");
        if is_whole {
            stream.conn.write_tls(&mut request).expect("memory");
        }
        socket.write_all(&request).expect("room");
        let response = [&begin[..], b"root\0\0mysql_native_password\0"].concat();
        stream.write_all(&framed(2, &response)).expect("room");
        stream
    }

    fn connect(&self, server: &Encke, name: &str) -> Stream {
        self.stream(tcp(port(server)), name)
    }
}

fn tcp(address: SocketAddr) -> TcpStream {
    let tcp = TcpStream::connect(address).expect("it listens");
    tcp.set_read_timeout(Some(PATIENCE)).expect("a socket");
    tcp
}

/// Where it listens for HTTPS.
fn port(server: &Encke) -> SocketAddr {
    let line =
        |line: &String| Some(line.split_once("listening for HTTPS on https://")?.1.to_owned());
    let address = server.log().iter().find_map(line).expect("it says so");
    address.trim().parse().expect("an address")
}

/// Reads until this has come.
fn read_until(stream: &mut impl Read, words: &str) -> String {
    let (mut all, mut buffer) = (Vec::new(), [0; 4_096]);
    loop {
        let text = String::from_utf8_lossy(&all);
        if text.contains(words) {
            return text.into_owned();
        }
        let count = stream.read(&mut buffer).expect("bytes");
        assert!(count > 0, "it ended after {text:?}");
        all.extend_from_slice(&buffer[..count]);
    }
}

#[test]
fn both_ports_serve_one_hub() {
    let files = Files::new();
    let server = files.start(&[]);
    let mut listens = files.connect(&server, "localhost");
    listens.write_all(LISTEN).expect("room");
    read_until(&mut listens, "\r\n\r\n");
    let mut plain = tcp(server.http);
    let post = "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello";
    plain.write_all(post.as_bytes()).expect("room");
    read_until(&mut listens, "data: hello");
    let metrics = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut asks = files.connect(&server, "localhost");
    asks.write_all(metrics.as_bytes()).expect("room");
    let numbers = read_until(&mut asks, "encke_tls_handshake_failures_total 0");
    assert!(numbers.contains("encke_tls_connections 2"), "{numbers}");
    assert!(numbers.contains("encke_tls_handshakes_total 2"), "{numbers}");
    let end = asks.read_to_end(&mut Vec::new());
    assert!(end.is_ok(), "the end is no truncation: {end:?}");
}

#[test]
fn each_name_has_its_certificate_and_a_reload_drops_nobody() {
    let files = Files::new();
    let authority = &files.authority;
    let (a, _) = authority.issue("a", &["localhost", "a.example"]);
    let (b, _) = authority.issue("b", &["*.b.example"]);
    let folder = authority.folder.display();
    let pair = |name: &str| {
        format!("[[tls]]\ncert = \"{folder}/{name}.pem\"\nkey = \"{folder}/{name}.key\"\n")
    };
    let text = format!("https = \"127.0.0.1:0\"\n{}{}", pair("a"), pair("b"));
    let file = authority.write("encke.toml", &text);
    let server = Encke::start(&["--config", file.to_str().expect("plain")]);
    let shown = |name: &str| {
        let mut stream = files.connect(&server, name);
        while stream.conn.is_handshaking() {
            // A name that nobody has ends with the client's own refusal.
            let _ = stream.conn.complete_io(&mut stream.sock).ok()?;
        }
        stream.conn.peer_certificates().map(|chain| chain[0].clone())
    };
    assert_eq!(shown("a.example"), Some(read(&a)));
    assert_eq!(shown("x.b.example"), Some(read(&b)));
    assert_eq!(shown("c.example"), None);
    let mut stays = files.connect(&server, "localhost");
    stays.write_all(INFO).expect("room");
    read_until(&mut stays, "\"ok\"");
    // The same file names, with other contents.
    let (a_before, b_before) = (read(&a), read(&b));
    authority.issue("a", &["localhost", "a.example", "c.example"]);
    server.signal("HUP");
    server.says("the new configuration is in force");
    assert_ne!(read(&a), a_before);
    assert_eq!(shown("a.example"), Some(read(&a)));
    assert_eq!(shown("c.example"), Some(read(&a)));
    assert_eq!(shown("x.b.example"), Some(b_before.clone()));
    // A broken one changes nothing.
    fs::write(&b, "no certificate").expect("a file");
    server.signal("HUP");
    server.says("the old configuration stays in force");
    server.says("there is no certificate in");
    assert_eq!(shown("x.b.example"), Some(b_before));
    stays.write_all(INFO).expect("room");
    read_until(&mut stays, "\"ok\"");
}

#[test]
fn files_of_the_command_line_are_read_again_too() {
    let files = Files::new();
    let server = files.start(&[]);
    let certificate = |server: &Encke| {
        let mut stream = files.connect(server, "localhost");
        stream.write_all(INFO).expect("room");
        read_until(&mut stream, "\"ok\"");
        stream.conn.peer_certificates().expect("one")[0].clone()
    };
    let before = certificate(&server);
    let (path, _) = files.authority.issue("a", &["localhost"]);
    server.signal("HUP");
    server.says("the new configuration is in force");
    assert_eq!(certificate(&server), read(&path));
    assert_ne!(before, read(&path));
}

#[test]
fn a_large_request_and_a_slow_reader_on_a_real_socket() {
    let files = Files::new();
    let server = files.start(&["--echo", "/echo"]);
    let mut stream = files.connect(&server, "localhost");
    stream.write_all(&crate::world::upgrade("/echo")).expect("room");
    read_until(&mut stream, "\r\n\r\n");
    let data = vec![b'x'; 4 << 20];
    let frame = crate::support::websocket::client_frame(0x82, [0; 4], &data);
    stream.write_all(&frame).expect("room");
    let mut echo = vec![0; data.len() + 10];
    stream.read_exact(&mut echo).expect("all of it");
    assert!(echo[10..] == data[..]);
}

#[test]
fn the_log_says_what_was_agreed_and_the_wire_shows_what_was_said() {
    let files = Files::new();
    let (certificate, key) = files.authority.issue("a", &["localhost"]);
    let mut command = crate::server::program();
    command.env("RUST_LOG", "info,encke::connection=debug,encke::wire=trace");
    command
        .args(["--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--tls-cert"])
        .arg(certificate);
    command.arg("--tls-key").arg(key);
    command.args(["--cometql", "off"]);
    let server = Encke::of(command);
    let mut stream = files.connect(&server, "localhost");
    stream.write_all(INFO).expect("room");
    read_until(&mut stream, "\"ok\"");
    server.says("TLS, TLS 1.3, TLS13_AES_256_GCM_SHA384");
    server.says("> GET /info");
    server.says("< HTTP/1.1 200 OK");
    let mut wrong = tcp(port(&server));
    wrong.write_all(&[0x16, 3, 1, 0, 4, 9, 0, 0, 0]).expect("room");
    server.says("TLS, failed: ");
}

#[cfg(feature = "cometql")]
#[test]
fn a_back_end_goes_on_inside_tls() {
    let files = Files::new();
    let server = files.start(&[]);
    let cometql = server.cometql.expect("CometQL");
    // In one write and in two: what is behind the request is TLS already.
    for is_whole in [true, false] {
        let mut stream = files.log_in(tcp(cometql), is_whole);
        assert_eq!(packet_from(&mut stream)[0], 0, "let in");
        stream.write_all(&framed(0, b"\x03SELECT 1")).expect("room");
        assert_eq!(packet_from(&mut stream), [1], "one column");
        stream.write_all(&framed(0, b"\x03SHOW VARIABLES LIKE 'have_ssl'")).expect("room");
        while packet_from(&mut stream) != b"\x08have_ssl\x03YES" {}
    }
    eventually("both have left", || {
        let mut asks = files.connect(&server, "localhost");
        let stats = "GET /stats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        asks.write_all(stats.as_bytes()).expect("room");
        let mut text = String::new();
        asks.read_to_string(&mut text).expect("text");
        text.contains("\"tls\":{\"connections\":1,").then_some(())
    });
}

/// What a proxy announces comes before TLS, and before what CometQL says first.
#[test]
fn a_proxy_announces_its_client_in_front_of_tls() {
    let files = Files::new();
    let (certificate, key) = files.authority.issue("a", &["localhost"]);
    let mut command = crate::server::program();
    command.env("RUST_LOG", "info,encke::access=info,encke::connection=debug");
    command.args(crate::server::listening(&["--https", "127.0.0.1:0", "--publish-key", "k"]));
    command.args(["--proxy-protocol", "127.0.0.1:0", "--tls-cert"]).arg(certificate);
    command.arg("--tls-key").arg(key).args(["--cometql-password", "p"]);
    let server = Encke::of(command);
    let announced = |last: u8| {
        let signature = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c";
        [&signature[..], &[192, 0, 2, last], &[127, 0, 0, 1, 0xdc, 0x04, 1, 187]].concat()
    };
    // Byte by byte, in one write with what follows, and in two.
    for (last, path) in [(1, "/bytes"), (2, "/whole"), (3, "/apart")] {
        let mut socket = tcp(port(&server));
        let mut stream = files.stream(socket.try_clone().expect("a socket"), "localhost");
        let mut begin = announced(last);
        match path {
            "/bytes" => begin.iter().for_each(|&byte| socket.write_all(&[byte]).expect("room")),
            "/whole" => {
                stream.conn.write_tls(&mut begin).expect("memory");
                socket.write_all(&begin).expect("room");
            }
            _ => socket.write_all(&begin).expect("room"),
        }
        let ask = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(ask.as_bytes()).expect("room");
        read_until(&mut stream, "HTTP/1.1 404");
        server.says(&format!("192.0.2.{last} GET {path} "));
    }
    // TLS alone, or HTTP, is no header.
    for begin in [&b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"[..], b"GET / HTTP/1.1\r\n\r\n"] {
        let mut socket = tcp(port(&server));
        socket.write_all(begin).expect("room");
        let mut rest = Vec::new();
        // Its end may be a reset: not all of it was read.
        let _ = socket.read_to_end(&mut rest);
        assert!(rest.is_empty(), "{rest:?}");
    }
    #[cfg(feature = "cometql")]
    for is_whole in [true, false] {
        let mut socket = tcp(server.cometql.expect("CometQL"));
        socket.write_all(&announced(9)).expect("room");
        let mut stream = files.log_in(socket, is_whole);
        let answer = packet_from(&mut stream);
        assert_eq!(answer[..3], [0xff, 0x15, 0x04], "without the password: 1045");
        server.says("192.0.2.9 cometql: wrong CometQL password");
    }
}

#[cfg(feature = "cometql")]
#[test]
fn without_certificates_back_ends_are_not_offered_tls() {
    let server = Encke::start(&[]);
    let mut socket = tcp(server.cometql.expect("CometQL"));
    let greeting = packet_from(&mut socket);
    let at = greeting.iter().skip(1).position(|&byte| byte == 0).expect("a version") + 1;
    assert_eq!(u16::from_le_bytes([greeting[at + 14], greeting[at + 15]]) & 0x800, 0);
}

/// One packet's payload.
#[cfg(feature = "cometql")]
fn packet_from(stream: &mut impl Read) -> Vec<u8> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).expect("a packet");
    let mut payload = vec![0; u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize];
    stream.read_exact(&mut payload).expect("a packet");
    payload
}

#[cfg(feature = "cometql")]
fn framed(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_le_bytes();
    [&[length[0], length[1], length[2], sequence], payload].concat()
}
