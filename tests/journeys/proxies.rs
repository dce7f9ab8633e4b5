//! Behind proxies: whose connection it is, by the PROXY protocol and by headers, and whom to believe.

use crate::http::{Http, request};
use crate::server::{Encke, eventually};

const KEYS: [&str; 4] = ["--publish-key", "k", "--cometql-password", "p"];

/// The access log's line for a path that nobody else asks for.
fn logged(server: &Encke, path: &str) -> String {
    eventually(path, || {
        let lines = server.log();
        lines.into_iter().find(|line| line.contains("encke::access") && line.contains(path))
    })
}

fn start(arguments: &[&str]) -> Encke {
    let mut command = crate::server::program();
    command.env("RUST_LOG", "info,encke::access=info,encke::connection=debug");
    command.args(crate::server::listening(&[&KEYS, arguments].concat()));
    Encke::of(command)
}

fn proxied() -> Encke {
    start(&["--proxy-protocol", "127.0.0.1:0"])
}

/// A header of version 2 for TCP over IPv4.
fn binary(source: [u8; 4]) -> Vec<u8> {
    let signature = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c";
    [&signature[..], &source, &[127, 0, 0, 1], &[0xdc, 0x04, 0, 80]].concat()
}

#[test]
fn a_proxy_announces_its_client() {
    let server = proxied();
    for (path, header, address) in [
        ("/v1", &b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"[..], "192.0.2.1"),
        ("/v1-6", b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n", "2001:db8::1"),
        ("/v2", &binary([192, 0, 2, 7]), "192.0.2.7"),
        ("/mapped", b"PROXY TCP6 ::ffff:192.0.2.3 ::1 1 2\r\n", "192.0.2.3"),
        ("/unknown", b"PROXY UNKNOWN\r\n", "127.0.0.1:"),
        ("/local", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", "127.0.0.1:"),
    ] {
        let mut http = Http::connect(server.http);
        let asked = request(&format!("GET {path}"), &[], b"");
        http.send([header, &asked].concat());
        assert_eq!(http.response().status, 404);
        // Byte by byte, and twice on one connection.
        let mut http = Http::connect(server.http);
        for byte in header {
            http.send([*byte]);
        }
        http.send([&asked[..], &asked].concat());
        assert_eq!((http.response().status, http.response().status), (404, 404));
        let line = logged(&server, &format!(" {path} "));
        assert!(line.contains(&format!(" {address}")), "{line}");
    }
    assert!(server.log().iter().any(|line| line.contains("comes from 192.0.2.7")));
}

#[test]
fn where_a_proxy_is_awaited_nobody_else_is_served() {
    let server = proxied();
    for bytes in [
        &b"GET /info HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        b"PROXY TCP4 192.0.2.1\r\n",
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n",
        b"\r\n\r\n\0\r\nQUIT\n\x11\x11\0\x0c",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
        b"\x16\x03\x01",
    ] {
        let mut http = Http::connect(server.http);
        http.send(bytes);
        let said = http.rest_or_reset();
        assert!(said.is_empty(), "{said:?}");
    }
    server.says("no PROXY header came first");
    // Who goes before it has said so is gone.
    let mut http = Http::connect(server.http);
    http.send("PROXY TCP4 ");
    http.half_close();
    http.ends();
    let mut http = Http::connect(server.http);
    http.send(
        [binary([192, 0, 2, 1]), request("GET /metrics", &["Authorization: Bearer k"], b"")]
            .concat(),
    );
    let metrics = http.response();
    let count = "encke_connections_ended_total{reason=\"protocol_error\"} 6";
    assert!(metrics.text().contains(count), "{}", metrics.text());
}

#[cfg(feature = "config")]
#[test]
fn a_header_that_does_not_come_in_time_ends_the_connection() {
    let file = std::env::temp_dir().join(format!("encke-proxied-{}.toml", std::process::id()));
    std::fs::write(&file, "[limits]\nhead_seconds = 1\n").expect("a file");
    let server = start(&["--proxy-protocol", "127.0.0.1:0", "--config", file.to_str().unwrap()]);
    let _ = std::fs::remove_file(&file);
    let mut silent = Http::connect(server.http);
    let mut slow = Http::connect(server.http);
    slow.send("PROXY TCP4 1");
    assert!(silent.rest_or_reset().is_empty());
    assert!(slow.rest_or_reset().is_empty());
}

#[test]
fn headers_are_believed_of_trusted_proxies_alone() {
    let strangers = start(&["--trusted-proxy", "10.0.0.0/8"]);
    let mut http = Http::connect(strangers.http);
    http.get("/forged", &["X-Forwarded-For: 6.6.6.6"]);
    assert!(logged(&strangers, " /forged ").contains(" 127.0.0.1:"));
    let server = start(&["--trusted-proxy", "127.0.0.1", "--trusted-proxy", "10.0.0.0/8"]);
    // A proxy asks for one client after the other on one connection.
    let mut http = Http::connect(server.http);
    for (path, headers, address) in [
        ("/none", &[][..], " 127.0.0.1:"),
        ("/one", &["X-Forwarded-For: 203.0.113.9"], " 203.0.113.9 "),
        ("/again-none", &[], " 127.0.0.1:"),
        ("/appended", &["X-Forwarded-For: 6.6.6.6, 203.0.113.8"], " 203.0.113.8 "),
        ("/chain", &["X-Forwarded-For: 6.6.6.6, 203.0.113.7, 10.1.1.1"], " 203.0.113.7 "),
        ("/standard", &["Forwarded: for=\"[2001:db8::1]:4\";proto=https"], " 2001:db8::1 "),
        ("/real", &["X-Real-IP: 203.0.113.6"], " 203.0.113.6 "),
        ("/hidden", &["Forwarded: for=_hidden"], " 127.0.0.1:"),
        ("/broken", &["X-Forwarded-For: 6.6.6.6, ' OR 1=1"], " 127.0.0.1:"),
    ] {
        assert_eq!(http.get(path, headers).status, 404);
        let line = logged(&server, &format!(" {path} "));
        assert!(line.contains(address), "{line}");
    }
}

#[test]
fn a_chain_of_proxies_is_followed_from_its_end() {
    // HAProxy in front of encke announces nginx, which is trusted and says who asked it.
    let server = start(&["--proxy-protocol", "127.0.0.1:0", "--trusted-proxy", "192.0.2.0/24"]);
    let forwarded = ["X-Forwarded-For: 203.0.113.9"];
    let mut http = Http::connect(server.http);
    http.send([binary([192, 0, 2, 1]), request("GET /trusted", &forwarded, b"")].concat());
    assert_eq!(http.response().status, 404);
    let mut http = Http::connect(server.http);
    http.send([binary([198, 51, 100, 1]), request("GET /forged", &forwarded, b"")].concat());
    assert_eq!(http.response().status, 404);
    assert!(logged(&server, " /trusted ").contains(" 203.0.113.9 "));
    assert!(logged(&server, " /forged ").contains(" 198.51.100.1 "));
}

#[test]
fn streams_behind_proxies_are_logged_with_their_client() {
    let server = proxied();
    let mut http = Http::connect(server.http);
    let asked = request("GET /channels/streamed?transport=sse", &[], b"");
    http.send([binary([192, 0, 2, 44]), asked].concat());
    assert_eq!(http.head().status, 200);
    drop(http);
    let line = logged(&server, "/channels/streamed");
    assert!(line.contains(" 192.0.2.44 "), "{line}");
}

#[cfg(feature = "cometql")]
#[test]
fn back_ends_see_the_clients_of_proxies_and_not_what_clients_claim() {
    use crate::mysql::{MySql, Reply};
    let server = start(&["--trusted-proxy", "127.0.0.1"]);
    let mut sql = MySql::open(server.cometql.expect("a port"), Some("p"));
    let mut http = Http::connect(server.http);
    let forwarded = ["X-Forwarded-For: 6.6.6.6, 203.0.113.9", "X-Real-IP: 6.6.6.6"];
    http.ask("GET /channels/web_a?transport=sse", &forwarded);
    assert_eq!(http.head().status, 200);
    let mut direct = Http::connect(server.http);
    direct.ask("GET /channels/web_b?transport=sse", &[]);
    assert_eq!(direct.head().status, 200);
    for (pipe, address) in [("web_a", "203.0.113.9"), ("web_b", "127.0.0.1")] {
        let found = sql.query(format!("SELECT ip FROM users_in_pipes WHERE name = '{pipe}'"));
        assert_eq!(found, Reply::Rows(vec![vec![Some(address.to_owned())]]), "{pipe}");
    }
}

/// MySQL's server speaks first, but not before the proxy.
#[cfg(feature = "cometql")]
#[test]
fn back_ends_may_come_through_a_proxy_too() {
    use std::io::{Read, Write};
    let server = proxied();
    let mut stream = std::net::TcpStream::connect(server.cometql.expect("a port")).expect("it");
    stream.set_read_timeout(Some(crate::http::READ_TIMEOUT)).expect("a timeout");
    stream.write_all(&binary([192, 0, 2, 9])).expect("a write");
    let mut greeting = [0; 5];
    stream.read_exact(&mut greeting).expect("a greeting");
    assert_eq!((greeting[3], greeting[4]), (0, 10), "packet 0, protocol version 10");
    server.says("192.0.2.9");
}

#[test]
fn a_listener_for_proxies_is_no_door_for_this_machine_alone() {
    let line = |arguments: &[&str]| {
        let output = crate::server::program().args(arguments).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let open =
        line(&["--http", "127.0.0.1:0", "--cometql", "off", "--proxy-protocol", "127.0.0.1:0"]);
    assert!(open.contains("that needs --publish-key"), "{open}");
    let nowhere = line(&["--http", "127.0.0.1:0", "--proxy-protocol", "127.0.0.1:9"]);
    assert!(nowhere.contains("--proxy-protocol 127.0.0.1:9: nobody listens there"), "{nowhere}");
    let wrong = line(&["--trusted-proxy", "10.0.0.0/33"]);
    assert!(wrong.contains("--trusted-proxy: \"10.0.0.0/33\" is not an address"), "{wrong}");
}
