//! Clients that send no more and go on reading (RFC 9112 §9.6), as `nc -N` does; and those that look alike,
//! but have gone.

use crate::http::{Http, get, publish, request};
use crate::listening::wait_for_count;
use crate::server::{Encke, eventually};

/// A poll that waits, of a client that has said that it sends no more; `behind` follows its request.
fn parked(server: &Encke, query: &str, behind: &[u8]) -> Http {
    let mut http = Http::connect(server.http);
    let poll = request(&format!("GET /channels/a?transport=poll{query}"), &[], b"");
    http.send([&poll[..], behind].concat());
    wait_for_count(server.http, "a", 1);
    http.half_close();
    // The server asks whether anybody is there, and who is passes it over (RFC 9110 §15.2.1).
    assert_eq!(http.head().status, 100);
    http
}

#[test]
fn its_poll_is_answered_at_the_release_and_at_the_deadline() {
    let server = Encke::start(&[]);
    let mut http = parked(&server, "&wait=300", b"");
    publish(server.http, "a", "x");
    assert_eq!(http.response().json()[0]["data"], "x");
    http.ends();
    let mut http = parked(&server, "&wait=4", b"");
    // Once more, for proxies that notice only then.
    assert_eq!((http.head().status, http.response().status), (100, 304));
    http.ends();
    // In one breath with the request.
    let mut http = Http::connect(server.http);
    http.ask("GET /channels/a?transport=poll&wait=300", &[]);
    http.half_close();
    assert_eq!(http.head().status, 100);
    publish(server.http, "a", "y");
    assert_eq!(http.response().json()[0]["data"], "y");
    http.ends();
    wait_for_count(server.http, "a", 0);
}

#[test]
fn what_it_asked_behind_a_poll_is_answered_too() {
    let server = Encke::start(&[]);
    let mut http = parked(&server, "&wait=300", &request("GET /info", &[], b"").repeat(3));
    publish(server.http, "a", "x");
    assert_eq!(http.response().json()[0]["data"], "x");
    for _ in 0..3 {
        assert_eq!(http.response().json()["status"], "ok");
    }
    http.ends();
}

#[test]
fn a_poll_whose_client_has_gone_is_over_at_once() {
    let server = Encke::start(&[]);
    let poll = "GET /channels/a?transport=poll&wait=300";
    for _ in 0..20 {
        let mut http = Http::connect(server.http);
        http.ask(poll, &[]);
        wait_for_count(server.http, "a", 1);
        drop(http);
        wait_for_count(server.http, "a", 0);
    }
    let ended = &get(server.http, "/stats").json()["ended"];
    assert_eq!(ended["failed"], 0, "going is no failure: {ended}");
}

/// No client of HTTP/1.0 may be sent an interim response, and no browser half-closes.
#[test]
fn others_that_send_no_more_are_gone() {
    let server = Encke::start(&[]);
    let mut http = Http::connect(server.http);
    http.send("GET /channels/a?transport=poll HTTP/1.0\r\n\r\n");
    wait_for_count(server.http, "a", 1);
    http.half_close();
    http.ends();
    for transport in ["sse", "stream"] {
        let mut http = Http::connect(server.http);
        http.ask(&format!("GET /channels/a?transport={transport}"), &[]);
        wait_for_count(server.http, "a", 1);
        http.half_close();
        http.rest();
        eventually("nobody is there", || {
            (get(server.http, "/stats").json()["memberships"] == 0).then_some(())
        });
    }
}
