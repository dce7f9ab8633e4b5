//! HTTP/1.1 as such: order, bodies, statuses, and what could be read in two ways.

use encke::server::settings::Settings;

use crate::http::{Http, get, publish, request};
use crate::listening::wait_for_count;
use crate::server::{Encke, Inside};
use crate::websocket::Ws;

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Encke::start(&[]);
    let mut http = Http::connect(server.http);
    let mut all = Vec::new();
    for n in 0..200 {
        all.extend(request("POST /channels/a", &[], format!("m{n}").as_bytes()));
        all.extend(request("GET /channels/a?last=1", &[], b""));
    }
    all.extend(request("GET /nothing", &[], b""));
    all.extend(request("GET /stats", &["Connection: close"], b""));
    all.extend(request("POST /channels/a", &[], b"behind the last"));
    http.send(all);
    for n in 0..200 {
        let id = http.response().id();
        let list = http.response().json();
        assert_eq!((&list[0]["data"], &list[0]["id"]), (&format!("m{n}").into(), &id.into()));
    }
    assert_eq!(http.response().status, 404);
    assert_eq!(http.response().header("Connection"), Some("close"));
    http.ends();
    assert_eq!(get(server.http, "/channels/a?last=1").json()[0]["data"], "m199");
}

#[test]
fn requests_behind_a_parked_poll_wait_for_its_answer() {
    let server = Encke::start(&[]);
    let mut http = Http::connect(server.http);
    http.send(
        [
            request("GET /channels/a?transport=poll", &[], b""),
            request("POST /channels/a", &[], b"behind"),
            request("GET /channels/a", &[], b""),
        ]
        .concat(),
    );
    wait_for_count(server.http, "a", 1);
    // Some more, which the server has not read: they stay in the kernel.
    let many: Vec<u8> = (0..100).flat_map(|_| request("GET /channels/b", &[], b"")).collect();
    http.send(many);
    assert_eq!(get(server.http, "/channels/a").json().as_array().unwrap().len(), 0);
    publish(server.http, "a", "first");
    assert_eq!(http.response().json()[0]["data"], "first");
    http.response().id();
    assert_eq!(http.response().json()[1]["data"], "behind");
    for _ in 0..100 {
        assert_eq!(http.response().text(), "[]");
    }
}

#[test]
fn a_poll_whose_client_went_is_gone_although_more_was_asked_behind_it() {
    let server = Encke::start(&[]);
    let mut http = Http::connect(server.http);
    http.ask("GET /channels/a?transport=poll", &[]);
    http.ask("POST /channels/a", &[]);
    wait_for_count(server.http, "a", 1);
    drop(http);
    wait_for_count(server.http, "a", 0);
    assert_eq!(get(server.http, "/channels/a").text(), "[]", "nobody waits for that answer");
}

#[test]
fn connections_are_kept_as_the_versions_have_it() {
    let server = Encke::start(&[]);
    let mut http = Http::connect(server.http);
    assert_eq!(http.get("/stats", &[]).header("Connection"), None);
    assert_eq!(http.get("/stats", &["Connection: x, CLOSE"]).header("Connection"), Some("close"));
    http.ends();
    let mut http = Http::connect(server.http);
    http.send("GET /channels/a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    assert_eq!(http.response().header("Connection"), Some("keep-alive"));
    // A poll over 1.0 keeps it too.
    http.send("GET /channels/a?transport=poll&wait=0 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let answer = http.response();
    assert_eq!((answer.status, answer.header("Connection")), (304, Some("keep-alive")));
    http.send("GET /channels/a HTTP/1.0\r\n\r\n");
    assert_eq!(http.response().header("Connection"), Some("close"));
    http.ends();
}

#[test]
fn bodies_come_by_length_or_in_chunks() {
    let server = Encke::start(&[]);
    let mut ws = Ws::connect(server.http, "/channels/a");
    let mut http = Http::connect(server.http);
    http.send(
        "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: Chunked\r\n\r\n\
         4;ext=\"1\"\r\none \r\n00003\r\ntwo\r\n0\r\nTrailer: x\r\n\r\n",
    );
    http.response().id();
    assert_eq!(ws.read_text(), "one two");
    http.post("/channels/a", "").id();
    assert_eq!(ws.read_text(), "");
    // A body that nobody asked for is read to get past it.
    http.send(request("GET /channels/b", &[], b"GET /nothing HTTP/1.1\r\n\r\n"));
    assert_eq!(http.response().status, 200);
    let largest = vec![b'x'; 128 * 1024];
    http.post("/channels/a", &largest).id();
    assert_eq!(ws.read_text().len(), largest.len());
}

#[test]
fn a_client_that_waits_to_be_told_to_go_on_is_told() {
    let server = Encke::start(&[]);
    let mut http = Http::connect(server.http);
    let head = |length: usize| {
        format!(
            "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\
             Expect: 100-continue\r\n\r\n"
        )
    };
    http.send(head(5));
    assert_eq!(http.head().status, 100);
    http.send("hello");
    http.response().id();
    // Refused from the head alone, before a byte of the body was sent.
    http.send(head(200_000));
    let answer = http.response();
    assert_eq!((answer.status, answer.header("Connection")), (413, Some("close")));
    http.ends();
    let mut http = Http::connect(server.http);
    http.send(head(5).replace("/channels/a", "/nothing"));
    assert_eq!(http.response().status, 404);
    http.ends();
}

#[test]
fn every_refusal_has_its_status() {
    let server = Encke::start(&["--echo", "/echo"]);
    let host = "Host: localhost\r\n";
    let long = "x".repeat(9_000);
    let wide = format!("X: {}\r\n", "y".repeat(8_000)).repeat(3);
    let many = "X: y\r\n".repeat(101);
    let rows: Vec<(u16, String)> = vec![
        (400, "GET /channels/a HTTP/1.1\r\n\r\n".into()),
        (400, format!("GET /channels/a%zz HTTP/1.1\r\n{host}\r\n")),
        (400, format!("GET channels/a HTTP/1.1\r\n{host}\r\n")),
        (400, format!("GET  /channels/a HTTP/1.1\r\n{host}\r\n")),
        (
            400,
            format!("GET /channels/a?transport=sse HTTP/1.1\r\n{host}Content-Length: 1\r\n\r\nx"),
        ),
        (404, format!("GET /nothing HTTP/1.1\r\n{host}\r\n")),
        (405, format!("GET /users/1 HTTP/1.1\r\n{host}\r\n")),
        (405, format!("PUT /channels/a HTTP/1.1\r\n{host}\r\n")),
        (405, format!("PATCH /channels/a HTTP/1.1\r\n{host}\r\n")),
        (405, format!("TRACE / HTTP/1.1\r\n{host}\r\n")),
        (405, format!("POST /channels/a/presence HTTP/1.1\r\n{host}Content-Length: 0\r\n\r\n")),
        (405, format!("DELETE /channels HTTP/1.1\r\n{host}\r\n")),
        (411, format!("POST /channels/a HTTP/1.1\r\n{host}\r\n")),
        (413, format!("POST /channels/a HTTP/1.1\r\n{host}Content-Length: 131073\r\n\r\n")),
        (
            413,
            format!(
                "POST /channels/a HTTP/1.1\r\n{host}Content-Length: 18446744073709551615\r\n\r\n"
            ),
        ),
        (
            413,
            format!(
                "POST /channels/a HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n20001\r\n"
            ),
        ),
        (414, format!("GET /channels/{long} HTTP/1.1\r\n{host}\r\n")),
        (417, format!("POST /channels/a HTTP/1.1\r\n{host}Expect: miracles\r\n\r\n")),
        (426, format!("GET /echo HTTP/1.1\r\n{host}\r\n")),
        (426, format!("GET /channels/a?transport=ws HTTP/1.1\r\n{host}\r\n")),
        (431, format!("GET / HTTP/1.1\r\n{host}{wide}\r\n")),
        (431, format!("GET / HTTP/1.1\r\n{host}{many}\r\n")),
        (501, format!("BREW / HTTP/1.1\r\n{host}\r\n")),
        (501, format!("CONNECT localhost:80 HTTP/1.1\r\n{host}\r\n")),
        (
            501,
            format!("POST /channels/a HTTP/1.1\r\n{host}Transfer-Encoding: gzip, chunked\r\n\r\n"),
        ),
        (505, format!("GET / HTTP/2.0\r\n{host}\r\n")),
        (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into()),
    ];
    for (status, bytes) in rows {
        let mut http = Http::connect(server.http);
        http.send(&bytes);
        let answer = http.response();
        let line = bytes.lines().next().unwrap().chars().take(60).collect::<String>();
        assert_eq!(answer.status, status, "{line}");
        assert!(answer.json()["error"].as_str().is_some_and(|text| text.len() > 5), "{line}");
        assert_eq!(answer.header("Allow").is_some(), status == 405, "{line}");
        if status == 426 {
            assert_eq!(answer.header("Upgrade"), Some("websocket"));
        }
    }
}

#[test]
fn what_proxies_could_read_in_two_ways_is_refused_and_closed() {
    let server = Encke::start(&[]);
    let smuggled = "GET /channels/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for headers in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Content-Length: 3, 3\r\n",
        "Content-Length: +3\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x3\r\n",
        "Content-Length: 3 3\r\n",
        "Content-Length:\r\n",
        "Content-Length : 3\r\n",
        " Content-Length: 3\r\n",
        "X: y\r\n Content-Length: 3\r\n",
        "X: y\nContent-Length: 3\r\n",
        "X: y\rContent-Length: 3\r\n",
        "Content-Length: 3\r\nX: a\0b\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Host: localhost\r\nContent-Length: 3\r\n",
    ] {
        let mut http = Http::connect(server.http);
        http.send(format!(
            "POST /channels/a HTTP/1.1\r\nHost: localhost\r\n{headers}\r\nabc{smuggled}"
        ));
        let answer = http.response();
        assert!([400, 501].contains(&answer.status), "{headers:?}: {answer:?}");
        assert_eq!(answer.header("Connection"), Some("close"), "{headers:?}");
        http.ends();
    }
    for body in [
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "\r\n3\r\nabc\r\n0\r\n\r\n",
        "3;a\nb\r\nabc\r\n0\r\n\r\n",
        "10000000000000003\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\nno colon\r\n\r\n",
    ] {
        let mut http = Http::connect(server.http);
        let head =
            "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
        http.send(format!("{head}{body}{smuggled}"));
        let answer = http.response();
        assert!([400, 413].contains(&answer.status), "{body:?}: {answer:?}");
        assert_eq!(answer.header("Connection"), Some("close"), "{body:?}");
        http.ends();
    }
    assert_eq!(get(server.http, "/stats").json()["messages_published"], 0);
}

#[test]
fn a_refused_request_with_a_body_ends_the_connection_and_its_answer_arrives() {
    let server = Encke::start(&[]);
    for target in ["/nothing", "/channels/a?event=encke:x", "/channels"] {
        let mut http = Http::connect(server.http);
        let body = b"POST /channels/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1_000);
        http.send(request(&format!("POST {target}"), &[], &body));
        let answer = http.response();
        assert!([400, 404, 405].contains(&answer.status), "{answer:?}");
        assert_eq!(answer.header("Connection"), Some("close"));
        http.ends();
    }
}

#[test]
fn a_half_closed_client_gets_its_answer() {
    let server = Encke::start(&[]);
    publish(server.http, "a", "x");
    let mut http = Http::connect(server.http);
    http.ask("GET /channels/a", &[]);
    http.ask("GET /stats", &[]);
    http.half_close();
    assert_eq!(http.response().json()[0]["data"], "x");
    assert_eq!(http.response().status, 200);
    http.ends();
}

#[test]
fn a_half_closed_client_gets_all_of_a_large_answer() {
    let server = Encke::start(&[]);
    // 7.5 MB: more than the kernel takes at once.
    let names: Vec<String> = (0..64).map(|n| format!("c{n}")).collect();
    let names = names.join(",");
    let mut http = Http::connect(server.http);
    http.post(&format!("/channels/{names}"), vec![b'x'; 120 * 1024]).id();
    let mut http = Http::connect(server.http);
    http.ask(&format!("GET /channels/{names}"), &[]);
    http.half_close();
    let answer = http.response();
    assert!(answer.text().ends_with("xxx\"}]"));
    http.ends();
}

#[test]
fn a_slow_client_gets_all_of_a_large_last_answer() {
    let mut settings = Settings::default();
    settings.limits.closing_seconds = 1;
    let server = Inside::start(settings);
    let names: Vec<String> = (0..64).map(|n| format!("c{n}")).collect();
    let names = names.join(",");
    let mut http = Http::connect(server.http);
    http.post(&format!("/channels/{names}"), vec![b'x'; 120 * 1024]).id();
    let mut http = Http::connect(server.http);
    http.ask(&format!("GET /channels/{names}"), &["Connection: close"]);
    let head = http.head();
    let length: usize = head.header("Content-Length").unwrap().parse().unwrap();
    http.bytes(1000);
    // Longer than the server waits for a client's close.
    std::thread::sleep(std::time::Duration::from_millis(2_200));
    http.bytes(length - 1000);
    http.ends();
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = Encke::start(&[]);
    let mut http = Http::connect(server.http);
    let requests = [
        request("POST /channels/a?event=x", &["X-Y: z"], b"hello"),
        b"POST /channels/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\
          3\r\nabc\r\n0\r\n\r\n"
            .to_vec(),
        request("GET /channels/a", &[], b""),
    ];
    for byte in requests.concat() {
        http.send([byte]);
    }
    http.response().id();
    http.response().id();
    let list = http.response().json();
    assert_eq!((&list[0]["data"], &list[1]["data"]), (&"hello".into(), &"abc".into()));
}

#[test]
fn unfinished_requests_end_with_408_and_silent_connections_just_end() {
    let mut settings = Settings::default();
    settings.limits.head_seconds = 1;
    settings.limits.body_seconds = 1;
    settings.limits.keep_alive_seconds = 1;
    let server = Inside::start(settings);
    let mut silent = Http::connect(server.http);
    let mut idle = Http::connect(server.http);
    idle.get("/stats", &[]);
    let starts = [
        "GET / HT",
        "GET / HTTP/1.1\r\nHost: localhost\r\n",
        "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n",
        "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhell",
        "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nh",
    ];
    let mut unfinished: Vec<Http> = starts.iter().map(|_| Http::connect(server.http)).collect();
    for (http, start) in unfinished.iter_mut().zip(starts) {
        http.send(start);
    }
    for (http, start) in unfinished.iter_mut().zip(starts) {
        let answer = http.response();
        assert_eq!((answer.status, answer.header("Connection")), (408, Some("close")), "{start}");
        http.ends();
    }
    silent.ends();
    idle.ends();
    assert_eq!(get(server.http, "/stats").json()["messages_published"], 0);
}

#[test]
fn the_page_is_at_the_root_with_a_strict_policy() {
    let server = Encke::start(&[]);
    let page = get(server.http, "/");
    assert_eq!(page.header("Content-Type"), Some("text/html; charset=utf-8"));
    let policy = page.header("Content-Security-Policy").unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(policy.contains("script-src 'sha256-") && policy.contains("style-src 'sha256-"));
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    #[cfg(feature = "cometql")]
    for path in ["/", "/dashboard"] {
        the_policy_names_what_the_page_has(&get(server.http, path));
    }
    let mut http = Http::connect(server.http);
    http.ask("HEAD /", &[]);
    assert_eq!(http.head().status, 200);
    assert_eq!(http.get("/stats", &[]).status, 200);
}

/// CSP 3 §2.3.1: by the hash of what stands between the tags.
#[cfg(feature = "cometql")]
fn the_policy_names_what_the_page_has(page: &crate::http::Response) {
    use base64::Engine as _;
    use sha2::Digest as _;
    let policy = page.header("Content-Security-Policy").expect("a policy");
    for tag in ["script", "style"] {
        let (_, rest) = page.text().split_once(&format!("<{tag}>")).expect("it begins");
        let (inside, rest) = rest.split_once(&format!("</{tag}>")).expect("it ends");
        assert!(!rest.contains(&format!("<{tag}")), "there is one");
        let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(inside));
        let source = format!("{tag}-src 'sha256-{hash}'");
        assert!(policy.contains(&source), "{source} is not in {policy}");
    }
}
