//! What clients really do, as scripts for the oracle of the whole server.

use super::server::{Op, Script};
use super::settings::flags;

const HTTP: &[u8] = &[0];
const COMETQL: &[u8] = &[1];
const HTTP_PROXIED: &[u8] = &[2];
const COMETQL_PROXIED: &[u8] = &[3];

const PROXY_LINE: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
const PROXY_BINARY: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x07\xdc\x04\x01\xbb";

/// Requests of every kind, whole.
pub fn requests() -> Vec<Vec<u8>> {
    let mut requests: Vec<Vec<u8>> = [
        "GET / HTTP/1.1",
        "GET /channels HTTP/1.1\r\nAuthorization: Bearer key",
        "GET /channels/a?last=5 HTTP/1.1",
        "GET /channels/a?since=1763690000-1&transport=poll&wait=3 HTTP/1.1",
        "GET /channels/a,b?transport=poll&callback=f&session=0123456789abcdef HTTP/1.1",
        "GET /channels/a?transport=poll HTTP/1.1\r\nIf-None-Match: \"1763690000-123456789\"",
        "GET /channels/a HTTP/1.1\r\nPrefer: wait=2",
        "GET /channels/a,b HTTP/1.1\r\nAccept: text/event-stream",
        "GET /channels/a?presence=1&format=json HTTP/1.1\r\nAccept: text/event-stream",
        "GET /channels/a HTTP/1.1\r\nAccept: text/event-stream\r\nLast-Event-ID: 1-1",
        "GET /channels/a?transport=stream HTTP/1.1",
        "GET /channels/a?transport=iframe&callback=f HTTP/1.0",
        "HEAD /channels/a?transport=sse HTTP/1.1",
        "GET /channels/a/presence HTTP/1.1",
        "DELETE /channels/a HTTP/1.1\r\nAuthorization: Bearer key",
        "OPTIONS /channels/a HTTP/1.1\r\nOrigin: http://a",
        "OPTIONS * HTTP/1.1",
        "GET /info HTTP/1.1\r\nConnection: close",
        "GET /CometServerApi.js HTTP/1.1",
        "GET /shop/channels/a HTTP/1.1",
        "GET http://localhost/channels/a HTTP/1.1\r\nX-Forwarded-For: 192.0.2.9, 127.0.0.1",
        "GET /channels/t?token=eyJhbGciOiJIUzI1NiJ9.e30.x HTTP/1.1",
        "GET /nothing%20here HTTP/1.1",
    ]
    .iter()
    .map(|start| format!("{start}\r\nHost: localhost\r\n\r\n").into_bytes())
    .collect();
    requests.extend([
        post("/channels/a", "hello"),
        post("/channels/a,b?event=x", "{\"a\":1}"),
        post("/users/7?event=x", "to one"),
        b"POST /channels/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
          Expect: 100-continue\r\nIdempotency-Key: 1\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n"
            .to_vec(),
        upgrade("/channels/a", ""),
        upgrade("/channels/a,b?format=json&presence=1", ""),
        upgrade("/channels/a", "Sec-WebSocket-Protocol: encke.json\r\n"),
        upgrade(
            "/echo",
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
        ),
        upgrade("/ohce", ""),
        comet("api=js"),
        comet("api=encke&session=0123456789abcdef&pipes=web_a,track_b&since=1763690000-1&msg="),
    ]);
    requests
}

fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n");
    format!("{head}Authorization: Bearer key\r\n\r\n{body}").into_bytes()
}

fn upgrade(path: &str, lines: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n"
    )
    .into_bytes()
}

fn comet(fields: &str) -> Vec<u8> {
    let fields = format!("sesion=key7&myid=7&devid=1&v=4.08&uuid=0123456789abcdef&{fields}");
    upgrade(&format!("/ws/{fields}"), "")
}

fn comet_over_http(method: &str, fields: &str, body: &str) -> Vec<u8> {
    let fields = format!("/ws/sesion=key7&myid=7&devid=1&v=4.08&uuid=0&api=encke&{fields}");
    let length = body.len();
    format!(
        "{method} {fields} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Answers to the greeting, without and with a proof and a database.
pub fn logins() -> Vec<Vec<u8>> {
    let login = |flags: u32, rest: &[u8]| {
        [&flags.to_le_bytes()[..], &[0, 0, 0, 0xc0, 45], &[0; 23], rest].concat()
    };
    vec![
        login(0x0012_a285, b"root\0\0"),
        login(0x0013_a28d, b"7\0\x03abcCometQL_v1\0"),
        login(0x001a_a28d, b"root\0\0CometQL_v1\0caching_sha2_password\0"),
        login(0x0012_aa85, b""),
    ]
}

fn commands() -> Vec<Vec<u8>> {
    let mut commands: Vec<Vec<u8>> = [
        "INSERT INTO pipes_messages (name, event, message) VALUES ('web_a', 'x', '{\\\"a\\\":1}')",
        "INSERT INTO pipes_messages VALUES ('a', '', 'one'), ('b', '', 'two')",
        "INSERT INTO users_auth (id, hash) VALUES (7, 'key7')",
        "INSERT INTO users_messages (id, event, message) VALUES (7, '', 'to you')",
        "INSERT INTO pipes_settings (name, length) VALUES ('web_a', 10)",
        "SELECT * FROM pipes WHERE name = 'web_a'",
        "SELECT name, users FROM pipes WHERE name IN ('a', \"b\") LIMIT 1",
        "SELECT * FROM users_in_pipes WHERE name = 'web_a'",
        "SELECT 1, @@version, 'x' AS y; SHOW TABLES; SET NAMES utf8",
        "DELETE FROM pipes_messages WHERE name = 'web_a'",
        "DESCRIBE users_auth",
        "BEGIN",
    ]
    .iter()
    .map(|sql| [b"\x03", sql.as_bytes()].concat())
    .collect();
    commands.extend([
        b"\x0e".to_vec(),
        b"\x02CometQL_v1".to_vec(),
        b"\x1b\0\0".to_vec(),
        b"\x11root\0\0CometQL_v1\0".to_vec(),
        b"\x16INSERT INTO pipes_messages (name, event, message) VALUES (?, '', ?)".to_vec(),
        b"\x18\x01\0\0\0\x01\0sent ahead".to_vec(),
        b"\x17\x01\0\0\0\0\x01\0\0\0\0\x01\xfe\0\xfe\0\x05web_a\x03two".to_vec(),
        b"\x1a\x01\0\0\0".to_vec(),
        b"\x19\x01\0\0\0".to_vec(),
        b"\x04users_auth\0".to_vec(),
        b"\x1f".to_vec(),
        b"\x01".to_vec(),
    ]);
    commands
}

const COMET_COMMANDS: [&str; 9] = [
    "subscription\nweb_a\ntrack_b\nuser_status_7",
    "web_pipe2\nweb_a\nsaid\n*\n{\"text\":\"it's\"}",
    "web_pipe2\n@web_a\nundefined\n*\n1",
    "pipe_count\nweb_a\n0123456789",
    "pipe_log\nweb_a\n1",
    "track_pipe_users\ntrack_b\n2",
    "user_data\n3\n7",
    "user_status\n7",
    "statistics\n{}",
];

/// Journeys of one client, of several, and of those who come through a proxy.
pub fn all() -> Vec<Vec<u8>> {
    let mut scripts = Vec::new();
    for (index, request) in requests().iter().enumerate() {
        let flags = [0, flags::KEYED, flags::TIGHT, flags::WATCHED | flags::TRUSTING][index % 4];
        let script = Script::new(index as u8, flags).then(0, Op::Open, HTTP);
        let script = script.then(0, Op::Send, request).then(0, Op::Send, request);
        let script = publish(script).then(0, Op::Wait, &[4]);
        scripts.push(script.then(0, Op::HalfClose, b"").bytes());
    }
    for (index, login) in logins().iter().enumerate() {
        let flags = [0, flags::PASSWORD, flags::WATCHED, flags::LATE][index % 4];
        let mut script = Script::new(index as u8, flags).then(0, Op::Open, COMETQL);
        script = script.then(1, Op::Open, HTTP).then(1, Op::Send, &upgrade("/channels/web_a", ""));
        script = script.then(0, Op::Login, login);
        for command in commands() {
            script = script.then(0, Op::Command, &command);
        }
        scripts.push(script.then(0, Op::Wait, &[2]).bytes());
    }
    scripts.extend([pages(0), pages(flags::WATCHED), pages(flags::TIGHT | flags::LATE)]);
    scripts.extend([echo(), proxied(), slow(0), slow(flags::LATE), sessions(), ending()]);
    scripts.push(wrong_password());
    scripts
}

fn publish(script: Script) -> Script {
    let script = script.then(1, Op::Open, HTTP).then(1, Op::Send, &post("/channels/a,b", "hello"));
    script.then(1, Op::Send, &post("/channels/a?event=x", "\u{0}\u{1}[1]"))
}

/// Two pages of CometServerApi.js, and a back end.
fn pages(flags: u8) -> Vec<u8> {
    let mut script = Script::new(3, flags).then(2, Op::Open, COMETQL);
    script = script.then(2, Op::Login, &logins()[0]).then(2, Op::Command, &commands()[2]);
    script = script.then(0, Op::Open, HTTP).then(1, Op::Open, HTTP);
    script = script.then(0, Op::Send, &comet("api=js")).then(1, Op::Send, &comet("api=js"));
    for command in COMET_COMMANDS {
        let (one, other) = (command.as_bytes(), command.replace("web_a", "web_b"));
        script = script.then(0, Op::Text, one).then(1, Op::Text, other.as_bytes());
    }
    script = script.then(2, Op::Command, &commands()[0]).then(2, Op::Command, &commands()[3]);
    script.then(0, Op::Reset, b"").then(1, Op::HalfClose, b"").bytes()
}

fn echo() -> Vec<u8> {
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let mut script = Script::new(5, 0).then(0, Op::Open, HTTP);
    script = script.then(0, Op::Send, &upgrade("/echo", offer));
    script = script.then(0, Op::Text, "grüße".as_bytes()).then(0, Op::Compressed, b"hello");
    script = script.then(0, Op::Binary, &[0xff, 0]).then(0, Op::Send, b"\x89\x80\0\0\0\0");
    script = script.then(0, Op::Send, b"\x01\x83\0\0\0\0abc\x80\x81\0\0\0\0d");
    script.then(0, Op::Send, b"\x88\x82\0\0\0\0\x03\xe8").bytes()
}

fn proxied() -> Vec<u8> {
    let script = Script::new(6, flags::TRUSTING | flags::WATCHED);
    let script = script.then(0, Op::Open, HTTP_PROXIED).then(1, Op::Open, COMETQL_PROXIED);
    let script = script.then(0, Op::Send, &[PROXY_LINE, &post("/channels/a", "x")].concat());
    script.then(1, Op::Send, PROXY_BINARY).then(1, Op::Login, &logins()[0]).bytes()
}

/// A subscriber that does not read, and many messages.
fn slow(flags: u8) -> Vec<u8> {
    let mut script = Script::new(7, flags | flags::TIGHT).then(0, Op::Open, HTTP);
    script = script.then(0, Op::Send, &upgrade("/channels/a?format=json", ""));
    script = script.then(0, Op::Stall, &[40]);
    for _ in 0..5 {
        script = publish(script).then(0, Op::Text, b"{\"data\":\"mine\"}");
    }
    script.then(0, Op::Read, b"").then(0, Op::Wait, &[4]).bytes()
}

/// A client of our own that changes its transport, and a poll that comes back.
fn sessions() -> Vec<u8> {
    let session = "session=0123456789abcdef";
    let poll =
        format!("GET /channels/a?transport=poll&{session} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut script = Script::new(8, 0).then(0, Op::Open, HTTP);
    script = script.then(0, Op::Send, &comet(&format!("api=encke&{session}&pipes=web_a")));
    script = script.then(1, Op::Open, HTTP);
    let numbered = format!("{session}&n=1&transport=poll");
    script = script.then(1, Op::Send, &comet_over_http("POST", &numbered, COMET_COMMANDS[1]));
    script = script.then(0, Op::Reset, b"").then(0, Op::Open, HTTP);
    script =
        script.then(0, Op::Send, &comet_over_http("GET", &format!("{session}&transport=poll"), ""));
    script = script.then(2, Op::Open, HTTP).then(2, Op::Send, poll.as_bytes());
    publish(script).then(2, Op::Send, poll.as_bytes()).then(0, Op::Wait, &[5]).bytes()
}

/// Its answer waits when the server is told to stop.
fn wrong_password() -> Vec<u8> {
    let script = Script::new(1, flags::PASSWORD).then(0, Op::Open, COMETQL);
    let script = script.then(0, Op::Login, &logins()[1]);
    script.then(1, Op::Drain, b"").then(0, Op::Wait, &[2]).bytes()
}

/// The server stops, after its settings have changed.
fn ending() -> Vec<u8> {
    let mut script = Script::new(9, flags::KEYED);
    for (client, request) in (0..4).zip(requests().iter().rev()) {
        script = script.then(client, Op::Open, HTTP).then(client, Op::Send, request);
    }
    let script = script.then(0, Op::Reload, &[flags::TIGHT]).then(1, Op::Text, b"more");
    script.then(0, Op::Drain, b"").then(0, Op::Open, HTTP).then(2, Op::Wait, &[3]).bytes()
}
