//! Pages of other hosts, keys, and rules: CometServerApi has no door of its own.

use encke::server::settings::{Rule, Settings, Tenant, Who};

use super::heard;
use crate::comet_page::{Page, Session};
use crate::http::{Http, request};
use crate::server::{Encke, Inside};
use crate::websocket::UPGRADE;

/// Asks with this Host and these headers; the status.
fn ask(server: &Encke, host: &str, headers: &[&str]) -> u16 {
    let mut http = Http::connect(server.http);
    let headers = [headers, &UPGRADE].concat();
    let line = format!("GET {}", Page::anonymous().target());
    let text = String::from_utf8(request(&line, &headers, b"")).expect("text");
    http.send(text.replace("Host: localhost", &format!("Host: {host}")));
    http.head().status
}

#[test]
fn without_a_key_only_pages_of_this_machine_are_let_in() {
    let server = Encke::start(&[]);
    let none: &[&str] = &[];
    for (expect, host, headers) in [
        (101, "localhost", none),
        (101, "127.0.0.1:8080", none),
        (101, "[::1]:8080", none),
        (101, "localhost", &["Origin: http://127.0.0.1:3000"]),
        (403, "example.com", none),
        (403, "192.168.1.7", none),
        (403, "localhost", &["Origin: https://evil.example"]),
        (403, "localhost", &["Origin: null"]),
        (403, "localhost", &["X-Forwarded-For: 10.0.0.1"]),
        (403, "localhost", &["Via: 1.1 proxy"]),
    ] {
        assert_eq!(ask(&server, host, headers), expect, "{host} {headers:?}");
    }
}

#[test]
fn with_a_key_pages_of_the_same_host_and_of_listed_ones_are_let_in() {
    let server = Encke::start(&["--publish-key", "secret", "--origin", "https://shop.example"]);
    let none: &[&str] = &[];
    let host = "push.example.com";
    for (expect, headers) in [
        (101, none),
        (101, &["Origin: https://push.example.com"]),
        (101, &["Origin: https://shop.example"]),
        (101, &["Origin: https://shop.example", "X-Forwarded-For: 10.0.0.1"]),
        (403, &["Origin: https://evil.example"]),
        (403, &["Origin: https://shop.example.evil.example"]),
        (403, &["Origin: null"]),
    ] {
        assert_eq!(ask(&server, host, headers), expect, "{headers:?}");
    }
}

/// What the prefixes of CometQL allow needs no key: `web_` is for pages.
#[test]
fn with_a_key_pages_still_publish_to_web_and_count() {
    let server = Encke::start(&["--publish-key", "secret"]);
    let mut one = Page::anonymous().open(server.http);
    one.subscribe(&["web_a", "track_a"]);
    let mut two = Page::anonymous().open(server.http);
    two.publish("web_a", "x", "[1]");
    assert_eq!(heard(&one.next(), "web_a", "x"), serde_json::json!([1]));
    assert_eq!(two.count("web_a"), 1);
    assert_eq!(two.members("track_a").len(), 1);
}

/// cometql 28.
#[test]
fn private_pipes_are_skipped_for_anonymous_pages_and_later_ones_are_not() {
    for arguments in [&[][..], &["--publish-key", "secret"]] {
        let server = Encke::start(arguments);
        let publish = |channel: &str| {
            // A refusal ends its connection.
            let mut http = Http::connect(server.http);
            let headers = ["Authorization: Bearer secret"];
            http.send(request(&format!("POST /channels/{channel}"), &headers, b"x"));
            http.response().status
        };
        for page in [Page::anonymous(), Page::old(), Page::anonymous().of(7, "nokey")] {
            let mut session = page.open(server.http);
            session.subscribe(&["before", "private_a", "web_after", "private_b", "last"]);
            // Without a key in the server nobody may, not even this.
            assert_eq!(publish("private_a"), if arguments.is_empty() { 403 } else { 200 });
            for pipe in ["before", "web_after", "last"] {
                assert_eq!(publish(pipe), 200);
                assert_eq!(heard(&session.next(), pipe, ""), "x", "{page:?}");
            }
            session.quiet();
        }
    }
}

#[test]
fn a_rule_of_the_tenant_holds_for_these_pages_too() {
    let rule = |prefix: &str, subscribe| Rule {
        prefix: prefix.into(),
        subscribe: Some(subscribe),
        ..Rule::default()
    };
    let rules = vec![
        rule("room_", Who::Token),
        rule("trust_closed", Who::Nobody),
        rule("web_free", Who::Anyone),
    ];
    let tenant = Tenant {
        publish_key: Some("secret".into()),
        token_secret: Some("a secret that is thirty-two bytes!".into()),
        rules,
        ..Tenant::default()
    };
    let server = Inside::start(Settings { tenants: vec![tenant], ..Settings::default() });
    let mut session = Page::anonymous().open(server.http);
    session.subscribe(&["room_a", "trust_closed_a", "web_free_a", "trust_open_a"]);
    let mut http = Http::connect(server.http);
    for channel in ["room_a", "trust_closed_a", "web_free_a", "trust_open_a"] {
        let headers = ["Authorization: Bearer secret"];
        http.send(request(&format!("POST /channels/{channel}"), &headers, b"x"));
        assert_eq!(http.response().status, 200);
    }
    assert_eq!(heard(&session.next(), "web_free_a", ""), "x");
    assert_eq!(heard(&session.next(), "trust_open_a", ""), "x");
    session.quiet();
    // What may not be heard now may not be read later either.
    for pipe in ["room_a", "trust_closed_a"] {
        session.command(format!("pipe_log\n{pipe}\n1234567890\n"));
        let logged = session.settled();
        assert!(logged.iter().all(|frame| frame["event"] == "error"), "{logged:?}");
    }
    assert_eq!(session.log("trust_open_a").len(), 1);
}

/// What only the server says cannot be forged by a page.
#[test]
fn a_page_cannot_publish_what_only_the_server_says() {
    let server = Encke::start(&[]);
    let mut listener = Page::anonymous().open(server.http);
    listener.subscribe(&["track_a", "user_status_7", "_answer", "sys", "msg"]);
    let mut session = Page::anonymous().open(server.http);
    for pipe in ["track_a", "user_status_7", "_answer", "sys", "msg", "@track_a"] {
        session.command(format!("web_pipe2\n{pipe}\nonline\n*\n\"online\""));
        let text = "[pipe_msg2] Invalid channel name. The channel should begin with web_";
        assert_eq!(session.error(), text, "{pipe}");
    }
    listener.quiet();
}

/// The endpoint is a WebSocket's; a plain GET of it is told so.
#[test]
fn a_request_without_an_upgrade_is_refused() {
    let server = Encke::start(&[]);
    let answer = crate::http::get(server.http, &Page::anonymous().target());
    assert!((400..500).contains(&answer.status), "{answer:?}");
    assert!(Session::try_upgrade(server.http, "/ws", &[]).is_err());
}
