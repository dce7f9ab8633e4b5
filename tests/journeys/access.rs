//! Who is let in: this machine alone without a key, and by the key with one.

use crate::http::{Http, Response, publish, request};
use crate::server::Encke;
use crate::websocket::{UPGRADE, Ws, frame, read_frame};

/// A request with a Host of its own.
fn ask(server: &Encke, line: &str, headers: &[&str]) -> Response {
    let mut http = Http::connect(server.http);
    let mut text = format!("{line} HTTP/1.1\r\n");
    for header in headers {
        text += &format!("{header}\r\n");
    }
    if line.starts_with("POST") {
        text += "Content-Length: 1\r\n";
    }
    http.send(text + "\r\n" + if line.starts_with("POST") { "x" } else { "" });
    match http.head() {
        head if [101, 200].contains(&head.status) && !line.contains("/stats") => head,
        mut head => {
            if let Some(length) = head.header("Content-Length") {
                head.body = http.bytes(length.parse().expect("a length"));
            }
            head
        }
    }
}

#[test]
fn without_a_key_only_this_machine_is_served_and_the_answer_says_what_to_do() {
    let server = Encke::start(&[]);
    let lines = ["GET /", "GET /channels/a", "POST /channels/a", "GET /stats", "GET /nothing"];
    let foreign: [&[&str]; 11] = [
        &["Host: example.com"],
        &["Host: localhost.example.com"],
        &["Host: 192.168.1.7:8080"],
        &["Host: [::2]"],
        &["Host: localhost", "Origin: https://example.com"],
        &["Host: localhost", "Origin: null"],
        &["Host: localhost", "Forwarded: for=10.0.0.1"],
        &["Host: localhost", "X-Forwarded-For: 10.0.0.1"],
        &["Host: localhost", "x-forwarded-proto: https"],
        &["Host: localhost", "X-Real-IP: 10.0.0.1"],
        &["Host: localhost", "Via: 1.1 proxy"],
    ];
    for headers in foreign {
        for line in lines {
            let answer = ask(&server, line, headers);
            assert_eq!(answer.status, 403, "{line} {headers:?}");
            assert!(answer.text().contains("--publish-key"), "{}", answer.text());
            assert_eq!(answer.header("Access-Control-Allow-Origin"), None);
        }
        let upgrade = [headers, &UPGRADE].concat();
        assert_eq!(ask(&server, "GET /channels/a", &upgrade).status, 403, "{headers:?}");
    }
    let own: [&[&str]; 6] = [
        &["Host: localhost"],
        &["Host: LOCALHOST:1"],
        &["Host: 127.0.0.1:8080"],
        &["Host: 127.9.9.9"],
        &["Host: [::1]:8080"],
        &["Host: localhost", "Origin: http://127.0.0.1:3000"],
    ];
    for headers in own {
        assert_eq!(ask(&server, "POST /channels/a", headers).status, 200, "{headers:?}");
        let upgrade = [headers, &UPGRADE].concat();
        assert_eq!(ask(&server, "GET /channels/a", &upgrade).status, 101, "{headers:?}");
    }
    // The whole target may name the host (RFC 9112 §3.2.2): it is what counts.
    assert_eq!(ask(&server, "GET http://example.com/", &["Host: localhost"]).status, 403);
    let mut http = Http::connect(server.http);
    http.send("GET /channels/a HTTP/1.0\r\n\r\n");
    assert_eq!(http.response().status, 200);
}

#[test]
fn echo_endpoints_ask_nobody_anything() {
    for arguments in [&["--echo", "/ws"][..], &["--echo", "/ws", "--publish-key", "k"]] {
        let server = Encke::start(arguments);
        let mut http = Http::connect(server.http);
        let headers = [&UPGRADE[..], &["Origin: https://evil.example", "Via: 1.1 proxy"]].concat();
        let text = String::from_utf8(request("GET /ws", &headers, b"")).unwrap();
        http.send(text.replace("Host: localhost", "Host: example.com"));
        assert_eq!(http.head().status, 101);
        http.send(frame(0x81, b"hello"));
        assert_eq!(read_frame(&mut http).1, b"hello");
    }
}

#[test]
fn with_a_key_anyone_listens_and_the_rest_needs_it() {
    let server = Encke::start(&["--publish-key", "secret", "--origin", "https://shop.example"]);
    let world = "Host: push.example.com";
    let key = "Authorization: Bearer secret";
    let anybody = ["GET /", "GET /channels/a", "GET /channels/a?transport=sse"];
    let only_key = [
        "POST /channels/a",
        "DELETE /channels/a",
        "GET /channels",
        "GET /stats",
        "GET /channels/a/presence",
    ];
    for line in anybody {
        assert_eq!(ask(&server, line, &[world]).status, 200, "{line}");
        assert_eq!(ask(&server, line, &[world, "X-Forwarded-For: 10.0.0.1"]).status, 200);
    }
    for line in only_key {
        let refused = ask(&server, line, &[world]);
        assert_eq!(refused.status, 401, "{line}");
        assert_eq!(refused.header("WWW-Authenticate"), Some("Bearer realm=\"encke\""));
        for wrong in ["Bearer secre", "Bearer secrets", "Bearer SECRET", "Basic c2VjcmV0", "Bearer"]
        {
            let wrong = format!("Authorization: {wrong}");
            assert_eq!(ask(&server, line, &[world, &wrong]).status, 401, "{line} {wrong}");
        }
    }
    assert_eq!(ask(&server, "POST /channels/a", &[world, key]).status, 200);
    assert_eq!(ask(&server, "GET /stats", &[world, "Authorization: bEARER  secret"]).status, 200);
    assert_eq!(ask(&server, "GET /channels", &[world, key]).status, 200);
    assert_eq!(ask(&server, "DELETE /channels/a", &[world, key]).status, 200);
    // Channels that are nobody's without their own proof.
    for name in ["private_x", "webauth_x", "private-x", "presence-x", "%23server-to-user-x"] {
        let line = format!("GET /channels/{name}");
        assert_eq!(ask(&server, &line, &[world]).status, 403, "{name}");
        assert_eq!(ask(&server, &line, &[world, key]).status, 200, "{name}");
    }
    // Pages: the server's own and those listed.
    for (status, origin) in [
        (200, "Origin: https://push.example.com"),
        (200, "Origin: https://shop.example"),
        (200, "Origin: HTTPS://SHOP.example"),
        (403, "Origin: https://evil.example"),
        (403, "Origin: https://shop.example.evil.example"),
        (403, "Origin: http://shop.example"),
        (403, "Origin: null"),
    ] {
        assert_eq!(ask(&server, "GET /channels/a", &[world, origin]).status, status, "{origin}");
        let upgrade = [&[world, origin][..], &UPGRADE].concat();
        let expect = if status == 200 { 101 } else { 403 };
        assert_eq!(ask(&server, "GET /channels/a", &upgrade).status, expect, "{origin}");
    }
    let star = Encke::start(&["--publish-key", "secret", "--origin", "*"]);
    let anywhere = [world, "Origin: https://evil.example"];
    assert_eq!(ask(&star, "GET /channels/a", &anywhere).status, 200);
}

#[test]
fn no_channel_name_or_event_is_refused_in_the_open_that_should_not_be() {
    let server = Encke::start(&[]);
    for name in ["private_x", "webauth_x", "private-x", "presence-x"] {
        for line in ["GET /channels/", "POST /channels/"] {
            let line = format!("{line}a,{name}");
            assert_eq!(ask(&server, &line, &["Host: localhost"]).status, 403, "{line}");
        }
    }
    for name in ["track_x", "user_status_7"] {
        let get = format!("GET /channels/{name}");
        assert_eq!(ask(&server, &get, &["Host: localhost"]).status, 200, "{name}");
        let post = format!("POST /channels/{name}");
        assert_eq!(ask(&server, &post, &["Host: localhost"]).status, 403, "{name}");
    }
    publish(server.http, "privately", "x");
}

#[test]
fn secrets_come_by_variables_and_are_not_logged() {
    let mut command = crate::server::program();
    command
        .args(["--http", "127.0.0.1:0"])
        .env("ENCKE_PUBLISH_KEY", "from-the-environment")
        .env("ENCKE_COMETQL", if cfg!(feature = "cometql") { "127.0.0.1:0" } else { "off" })
        .env("ENCKE_ECHO", "/one /two")
        .env("RUST_LOG", "trace");
    let server = Encke::of(command);
    let world = "Host: push.example.com";
    assert_eq!(ask(&server, "POST /channels/a?token=hidden", &[world]).status, 401);
    let key = "Authorization: Bearer from-the-environment";
    assert_eq!(ask(&server, "POST /channels/a?token=hidden", &[world, key]).status, 200);
    for path in ["/one", "/two"] {
        let mut ws = Ws::connect(server.http, path);
        ws.text("x");
        assert_eq!(ws.read_text(), "x");
    }
    let command_line = std::fs::read(format!("/proc/{}/cmdline", server.pid())).unwrap();
    assert!(!String::from_utf8_lossy(&command_line).contains("environment"));
    server.says("POST /channels/a");
    let log = server.log().join("\n");
    assert!(!log.contains("from-the-environment") && !log.contains("hidden"), "{log}");
}
