//! What is told of connections and requests, and what never is.

use std::process::Command;

use crate::http::{Http, publish};
use crate::listening::wait_for_count;
use crate::server::{Encke, bare, eventually, program};
use crate::websocket::Ws;

/// The program with a filter for its log.
fn logging(filter: &str, arguments: &[&str]) -> Encke {
    let mut command = program();
    command.env("RUST_LOG", filter).args(["--http", "127.0.0.1:0"]).args(arguments);
    if cfg!(feature = "cometql") && !arguments.contains(&"--cometql") {
        command.args(["--cometql", "127.0.0.1:0"]);
    }
    Encke::of(command)
}

/// A line of a target that holds all of these.
fn line_with(server: &Encke, target: &str, parts: &[&str]) -> String {
    eventually(&format!("{target}: {parts:?} in {:#?}", server.log()), || {
        let is_it = |line: &String| {
            line.contains(&format!("{target}: ")) && parts.iter().all(|part| line.contains(part))
        };
        server.log().into_iter().find(is_it)
    })
}

#[test]
fn a_connection_is_told_at_debug_with_its_key_its_peer_and_why_it_ended() {
    let server = logging("info,encke::connection=debug", &[]);
    let mut ws = Ws::connect(server.http, "/channels/a");
    let peer = ws.0.get_ref().local_addr().expect("an address").to_string();
    let target = "encke::connection";
    let came = line_with(&server, target, &[&peer, " http: connected"]);
    assert!(came.starts_with("debug"), "{came}");
    let key = came.split(' ').nth(2).expect("a key").to_owned();
    assert!(key.split_once('.').is_some_and(|(_, generation)| generation != "0"), "{came}");
    ws.0.close(None).expect("a close");
    line_with(&server, target, &[&key, &peer, " native/ws: ended, by_peer, after ", " s"]);
}

#[test]
fn requests_are_told_where_asked_for_and_without_their_query() {
    let server = logging("info,encke::access=info", &[]);
    let target = "encke::access";
    let mut http = Http::connect(server.http);
    http.post("/channels/a?event=secret-event", "hello").id();
    let line = line_with(&server, target, &["POST /channels/a 200 "]);
    assert!(line.ends_with(" ms http"), "{line}");
    http.get("/channels/a?token=secret-token", &[]);
    line_with(&server, target, &["GET /channels/a 200 "]);
    http.get("/nothing", &[]);
    line_with(&server, target, &["GET /nothing 404 "]);
    // Endless responses have their line at their end.
    let mut sse = Http::connect(server.http);
    sse.ask("GET /channels/b?token=secret-token", &["Accept: text/event-stream"]);
    sse.head();
    let mut poll = Http::connect(server.http);
    poll.ask("GET /channels/b?transport=poll", &[]);
    let ws = Ws::connect(server.http, "/channels/b");
    wait_for_count(server.http, "b", 3);
    assert!(!server.log().iter().any(|line| line.contains("GET /channels/b 200")));
    publish(server.http, "b", "x");
    line_with(&server, target, &["GET /channels/b 200 ", " native/poll"]);
    drop((sse, ws));
    line_with(&server, target, &["GET /channels/b 200 ", " native/sse"]);
    line_with(&server, target, &["GET /channels/b 101 ", " native/ws"]);
    // A head that nobody understands has neither method nor path.
    let mut broken = Http::connect(server.http);
    broken.send("nonsense\r\n\r\n");
    assert_eq!(broken.response().status, 400);
    line_with(&server, target, &[" - - 400 "]);
    let log = server.log().join("\n");
    assert!(!log.contains("secret") && !log.contains("hello"), "{log}");
}

#[test]
fn without_being_asked_it_says_nothing_about_clients() {
    let server = Encke::start(&[]);
    // The last line of its own.
    line_with(&server, "encke::run", &["curl"]);
    let lines = server.log().len();
    let mut ws = Ws::connect(server.http, "/channels/a");
    publish(server.http, "a", "hello");
    assert_eq!(ws.read_text(), "hello");
    drop(ws);
    Http::connect(server.http).get("/nothing", &[]);
    assert_eq!(server.log().len(), lines, "{:#?}", server.log());
}

#[test]
fn the_wire_is_shown_unit_by_unit() {
    let server = logging("info,encke::wire=trace", &["--publish-key", "secret-key"]);
    let target = "encke::wire";
    let mut ws = Ws::connect(server.http, "/channels/a?x_auth=secret-token");
    line_with(&server, target, &[" * connected from 127.0.0.1:"]);
    line_with(&server, target, &[" > GET /channels/a?x_auth=(12 bytes) HTTP/1.1"]);
    line_with(&server, target, &[" < HTTP/1.1 101 Switching Protocols"]);
    let mut sse = Http::connect(server.http);
    sse.ask("GET /channels/a", &["Accept: text/event-stream"]);
    sse.head();
    let mut stream = Http::connect(server.http);
    stream.ask("GET /channels/a?transport=stream", &[]);
    stream.head();
    let mut http = Http::connect(server.http);
    let key = ["Authorization: Bearer secret-key"];
    http.send(crate::http::request("POST /channels/a", &key, b"hi\n"));
    line_with(&server, target, &[" >   Authorization: Bearer (10 bytes)"]);
    line_with(&server, target, &[" > body, 3 bytes: \"hi\\n\""]);
    assert_eq!(ws.read_text(), "hi\n");
    line_with(
        &server,
        target,
        &[" < frame 81 03: FIN=1 RSV=000 opcode=1 text, MASK=0, ", "\"hi\\n\""],
    );
    line_with(&server, target, &[" < event stream: id \"", "data, 3 bytes in 2 lines: \"hi\\n\""]);
    line_with(&server, target, &[" < chunk, size "]);
    ws.0.close(None).expect("a close");
    line_with(&server, target, &[" > frame 88 80 ", "opcode=8 close, MASK=1, ", "no code"]);
    line_with(&server, target, &[" * ended, by_peer"]);
    // A frame that is refused is shown all the same.
    let mut bad = Ws::connect(server.http, "/channels/a");
    use std::io::Write;
    bad.0.get_mut().write_all(b"\xb3\x00").expect("a write");
    line_with(&server, target, &[" > frame b3 00: FIN=1 RSV=011 opcode=3 reserved, MASK=0"]);
    line_with(&server, target, &[" * refused: a reserved bit is set"]);
    line_with(&server, target, &[" < frame 88 ", "code 1002 (protocol error)"]);
    let log = server.log().join("\n");
    assert!(!log.contains("secret"), "{log}");
}

#[cfg(feature = "cometql")]
#[test]
fn a_back_ends_packets_are_shown_without_its_password() {
    let server = logging("info,encke::wire=trace", &["--cometql-password", "secret"]);
    let target = "encke::wire";
    let address = server.cometql.expect("a port");
    let mut client = crate::mysql::MySql::connect(address);
    line_with(&server, target, &[" < packet 0, ", "greeting, protocol 10"]);
    client.log_in_caching("root", "secret");
    line_with(&server, target, &[" > packet 1, ", "handshake response, user \"root\""]);
    line_with(&server, target, &[" < packet 2, 44 bytes: switch to \"caching_sha2_password\""]);
    line_with(&server, target, &[" > packet 3, 32 bytes: proof (32 bytes)"]);
    line_with(&server, target, &[" < packet 4, 2 bytes: more for the login: 03"]);
    client.query("SELECT @@version");
    line_with(&server, target, &[" > packet 0, 17 bytes: 03 COM_QUERY \"SELECT @@version\""]);
    line_with(&server, target, &[" < packet 2, ", "column 1 \"@@version\", VAR_STRING"]);
    line_with(&server, target, &[" < packet 4, ", ": row \""]);
    client.query("nonsense");
    line_with(&server, target, &[" < packet 1, ", "ff ERR 1064 (SQLSTATE 42000)"]);
    let log = server.log().join("\n");
    assert!(!log.contains("secret"), "{log}");
}

#[cfg(feature = "cometql")]
#[test]
fn a_flood_of_failed_logins_is_a_few_lines_and_a_number() {
    let server = logging("info", &["--cometql-password", "secret"]);
    let address = server.cometql.expect("a port");
    let wrong = |_| {
        let mut client = crate::mysql::MySql::connect(address);
        client.send_login("root", Some("wrong"));
        client
    };
    let clients: Vec<_> = (0..100).map(wrong).collect();
    for mut client in clients {
        client.reply(2).error();
    }
    // Nobody is connected any more, and still it is told.
    let counted = eventually("what was held back is counted", || {
        let log = server.log();
        let is_count = |line: &String| line.contains("more CometQL logins failed");
        let numbers = log.iter().filter(|line| is_count(line));
        let more: usize =
            numbers.filter_map(|line| line.split_whitespace().nth(2)?.parse::<usize>().ok()).sum();
        let lines =
            log.iter().filter(|line| line.contains(" wrong CometQL password for \"root\"")).count();
        (lines + more == 100).then_some(lines)
    });
    assert!((5..=50).contains(&counted), "{counted} lines: {:#?}", server.log());
    line_with(
        &server,
        "encke::connection",
        &["warn", " cometql: wrong CometQL password for \"root\""],
    );
}

#[test]
fn connections_that_are_refused_are_told_too() {
    let mut command = bare(Command::new("sh"));
    let script = "ulimit -n 40 && exec \"$0\" --http 127.0.0.1:0 --cometql off";
    command.args(["-c", script, env!("CARGO_BIN_EXE_encke")]);
    let server = Encke::of(command);
    let clients: Vec<_> = (0..60).map(|_| Http::connect(server.http)).collect();
    line_with(&server, "encke::connection", &["warn", "- 127.0.0.1:", " http: refused, all "]);
    line_with(&server, "encke::connection", &["more connections refused: there is no place"]);
    drop(clients);
}

#[test]
fn a_client_that_is_cut_for_being_slow_is_told() {
    let server = Encke::start(&[]);
    let mut deaf = Http::connect(server.http);
    deaf.ask("GET /channels/a?transport=stream", &[]);
    deaf.head();
    wait_for_count(server.http, "a", 1);
    let data = vec![b'x'; 120 * 1024];
    eventually("it is cut", || {
        publish(server.http, "a", &data);
        server
            .log()
            .iter()
            .any(|line| line.contains("native/stream: cut, too slow: "))
            .then_some(())
    });
}
