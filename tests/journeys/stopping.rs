//! SIGTERM and SIGINT: everybody is told in the words of its protocol, and it is over soon.

use std::net::TcpStream;
use std::time::Duration;

use crate::http::{Http, get, publish};
use crate::listening::{Listening, Wire, wait_for_count};
use crate::server::{Encke, eventually};
use crate::websocket::Ws;

/// Bytes that wait for clients in the server.
fn queued(server: &Encke) -> u64 {
    get(server.http, "/stats").json()["queued_bytes"].as_u64().expect("a number")
}

fn every_client_is_told(signal: &str) {
    let mut server = Encke::start(&["--origin", "*", "--echo", "/echo"]);
    let cursor = publish(server.http, "a", "x");
    let open = |target: &str, headers: &[&str]| {
        let mut http = Http::connect(server.http);
        http.ask(&format!("GET {target}"), headers);
        http
    };
    let mut sockets =
        ["/channels/a", "/channels/a?format=json", "/echo"].map(|to| Ws::connect(server.http, to));
    let mut sse = open("/channels/a", &["Accept: text/event-stream"]);
    sse.head();
    let mut stream = open("/channels/a?transport=stream", &[]);
    stream.head();
    let mut iframe = open("/channels/a?transport=iframe&callback=f", &[]);
    iframe.head();
    iframe.chunk();
    let mut poll = open(&format!("/channels/a?transport=poll&since={cursor}"), &[]);
    let jsonp = format!("/channels/a?transport=poll&callback=f&since={cursor}");
    let mut jsonp = open(&jsonp, &[]);
    let mut half = open("/never", &[]);
    half.response();
    half.send("GET /unfin");
    let mut idle = Http::connect(server.http);
    idle.get("/stats", &[]);
    #[cfg(feature = "cometql")]
    let mut mysql = crate::mysql::MySql::open(server.cometql.expect("a port"), None);
    wait_for_count(server.http, "a", 7);

    server.signal(signal);
    for ws in &mut sockets {
        assert_eq!(ws.closed(), (1001, "server is shutting down".to_owned()));
    }
    sse.rest();
    for endless in [&mut stream, &mut iframe] {
        assert_eq!(endless.chunk(), b"", "the last chunk");
        endless.ends();
    }
    let answer = poll.response();
    assert_eq!((answer.status, answer.cursor()), (304, cursor.clone()));
    assert_eq!(answer.header("Connection"), Some("close"));
    assert_eq!(jsonp.response().text(), format!("/**/f([],\"{cursor}\");"));
    for http in [&mut poll, &mut jsonp, &mut half, &mut idle] {
        http.ends();
    }
    #[cfg(feature = "cometql")]
    {
        let (_, payload) = mysql.packet();
        assert_eq!(u16::from_le_bytes([payload[1], payload[2]]), 1053);
        mysql.ends();
    }
    let address = server.http;
    assert!(TcpStream::connect(address).is_err(), "nobody new is taken");
    drop((sockets, sse, stream, iframe, poll, jsonp, half, idle));
    #[cfg(feature = "cometql")]
    drop(mysql);
    let (code, took) = server.wait();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_millis(1_500), "everybody has gone: {took:?}");
    let log = server.log().join("\n");
    assert!(!log.contains("warn") && !log.contains("error"), "{log}");
}

#[test]
fn sigterm_tells_every_client() {
    every_client_is_told("TERM");
}

#[test]
fn sigint_tells_every_client() {
    every_client_is_told("INT");
}

#[test]
fn clients_that_never_read_or_never_go_hold_it_up_for_less_than_five_seconds() {
    let mut server = Encke::start(&[]);
    let _stays = Listening::open(server.http, Wire::WsRaw, "other", None);
    let mut deaf = Http::connect(server.http);
    deaf.ask("GET /channels/a?transport=stream", &[]);
    deaf.head();
    wait_for_count(server.http, "a", 1);
    let data = vec![b'x'; 120 * 1024];
    eventually("something waits for it", || {
        publish(server.http, "a", &data);
        (queued(&server) > 0).then_some(())
    });
    server.signal("TERM");
    let (code, took) = server.wait();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_second_signal_changes_nothing() {
    let mut server = Encke::start(&[]);
    let mut stays = Http::connect(server.http);
    stays.get("/stats", &[]);
    server.signal("TERM");
    server.signal("TERM");
    server.signal("INT");
    stays.ends();
    drop(stays);
    assert_eq!(server.wait().0, Some(0));
}
