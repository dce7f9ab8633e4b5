//! `encke-bench` against the real server: every command small, what it refuses, and what it says.

#[path = "support/server.rs"]
#[allow(dead_code, reason = "each test program uses its own part of this")]
mod server;

use std::fs;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use server::{Encke, bare, run};
use tungstenite::{Error, Message, accept};

fn bench(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = bare(Command::new(env!("CARGO_BIN_EXE_encke-bench")));
    command.args(arguments);
    run(command)
}

/// Runs a small load, and reads the one object that it prints.
fn measure(arguments: &[&str]) -> Value {
    let small = ["--json", "--quiet", "--warmup", "0", "--duration", "0.3", "--hold", "0"];
    let (code, out, err) = bench(&[arguments, &small].concat());
    assert_eq!((code, err.as_str()), (Some(0), ""), "{arguments:?}: {out}");
    let value: Value = serde_json::from_str(&out).expect("JSON");
    for key in KEYS {
        assert!(value.get(key).is_some(), "{arguments:?}: no {key} in {value}");
    }
    assert_eq!((&value["failed"], &value["closed"]), (&Value::from(0), &Value::from(0)), "{value}");
    value
}

/// What the table at the head of `report.rs` promises.
const KEYS: [&str; 23] = [
    "command",
    "url",
    "preset",
    "transport",
    "size",
    "workers",
    "sources",
    "loop",
    "rate",
    "connections",
    "failed",
    "closed",
    "why",
    "seconds",
    "operations",
    "operations_per_s",
    "published",
    "missing",
    "latency_us",
    "server",
    "points",
    "per_connection",
    "warnings",
];

fn start() -> (Encke, String, String) {
    let encke = Encke::start(&["--echo", "/echo"]);
    let (ws, http) = (format!("ws://{}", encke.http), format!("http://{}", encke.http));
    (encke, ws, http)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn density_holds_connections_and_samples_memory() {
    let (encke, ws, http) = start();
    let pid = encke.pid().to_string();
    let more = ["--steps", "2", "--workers", "2", "--sources", "2"];
    let value = measure(&[&["density", &ws, "-n", "21", "--pid", &pid], &more[..]].concat());
    assert_eq!(value["connections"], 21);
    let points = value["points"].as_array().expect("points");
    let counts: Vec<_> = points.iter().map(|point| number(&point["connections"])).collect();
    assert_eq!(counts, [0.0, 10.0, 21.0]);
    assert!(points.iter().all(|point| number(&point["rss"]) > 1e6 && number(&point["slab"]) > 0.0));
    assert!(value["per_connection"]["uss"].is_number(), "{value}");
    for transport in ["sse", "stream", "poll"] {
        let value = measure(&["density", &http, "-n", "7", "--transport", transport]);
        assert_eq!((&value["connections"], &value["server"]), (&7.into(), &Value::Null));
    }
}

#[test]
fn fanout_reaches_every_subscriber_over_every_transport() {
    let (encke, ws, http) = start();
    let pid = encke.pid().to_string();
    for (url, transport) in [(&ws, "ws"), (&http, "sse"), (&http, "stream"), (&http, "poll")] {
        let open = ["fanout", url, "-n", "5", "--transport", transport, "--rate", "50"];
        let value = measure(&[&open[..], &["--workers", "2", "--pid", &pid]].concat());
        assert_eq!((&value["loop"], &value["missing"]), (&"open".into(), &0.into()), "{value}");
        assert_eq!(number(&value["published"]), 15.0, "a schedule waits for nobody");
        assert_eq!(number(&value["operations"]), 75.0);
        assert_eq!(number(&value["latency_us"]["count"]), 75.0);
        let closed = ["fanout", url, "-n", "5", "--transport", transport, "--depth", "3"];
        let value = measure(&closed);
        assert_eq!((&value["loop"], &value["missing"]), (&"closed".into(), &0.into()), "{value}");
        assert!(number(&value["operations"]) > 0.0, "{value}");
    }
}

#[test]
fn the_comet_dialect_subscribes_and_publishes_by_frames() {
    let (_encke, ws, http) = start();
    for url in [ws, http] {
        let value = measure(&["fanout", &url, "--preset", "comet", "-n", "4", "--rate", "20"]);
        assert_eq!((number(&value["operations"]), &value["missing"]), (24.0, &0.into()), "{value}");
        assert_eq!(value["transport"], "ws", "it has nothing else");
    }
}

/// One client of a server that speaks as Pusher's do.
fn pusher(stream: TcpStream) {
    let mut head = [0; 24];
    stream.peek(&mut head).expect("a request");
    assert_eq!(&head, b"GET /app/key?protocol=7&");
    let mut socket = accept(stream).expect("a handshake");
    let quiet = Duration::from_millis(50);
    socket.get_ref().set_read_timeout(Some(quiet)).expect("a socket takes it");
    match socket.read() {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        said => panic!("before the welcome it said {said:?}"),
    }
    socket.get_ref().set_read_timeout(None).expect("a socket takes it");
    let data = json!({ "socket_id": "1.2", "activity_timeout": 120 }).to_string();
    let welcome = json!({ "event": "pusher:connection_established", "data": data });
    socket.send(Message::text(welcome.to_string())).expect("it listens");
    let said = socket.read().expect("what subscribes").into_text().expect("in text");
    let said: Value = serde_json::from_str(&said).expect("in JSON");
    let expected = json!({ "auth": "", "channel": "bench" });
    assert_eq!(said, json!({ "event": "pusher:subscribe", "data": expected }));
    let event = "pusher_internal:subscription_succeeded";
    let done = json!({ "event": event, "channel": "bench", "data": "{}" });
    socket.send(Message::text(done.to_string())).expect("it listens");
    while socket.read().is_ok() {}
}

#[test]
fn the_pusher_dialect_subscribes_after_the_welcome_and_says_that_it_cannot_publish() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("ws://{}", listener.local_addr().expect("its address"));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(|| pusher(stream));
        }
    });
    let value = measure(&["density", &url, "--preset", "pusher", "-n", "3"]);
    assert_eq!(value["connections"], 3);
    let value = measure(&["churn", &url, "--preset", "pusher", "-n", "2"]);
    assert!(number(&value["operations"]) > 0.0, "{value}");
    let (code, _, err) = bench(&["fanout", &url, "--preset", "pusher"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("the preset pusher cannot publish: say how with --publish"), "{err}");
}

#[test]
fn echo_counts_round_trips_by_the_clock_or_by_the_answers() {
    let (_encke, ws, _) = start();
    let value = measure(&["echo", &ws, "-n", "4", "--rate", "200"]);
    assert_eq!(number(&value["operations"]), 60.0);
    let latency = &value["latency_us"];
    assert!(number(&latency["p50"]) > 0.0 && number(&latency["p50"]) <= number(&latency["max"]));
    let url = format!("{ws}/echo");
    let value = measure(&["echo", &url, "-n", "4", "--depth", "4", "--preset", "ws"]);
    assert!(number(&value["operations"]) > 0.0, "{value}");
}

#[test]
fn churn_connects_and_goes() {
    let (_encke, ws, http) = start();
    let value = measure(&["churn", &ws, "-n", "3", "--rate", "50", "--sources", "2"]);
    assert_eq!(number(&value["operations"]), 15.0);
    let value = measure(&["churn", &http, "-n", "3"]);
    assert!(number(&value["operations"]) > 0.0, "{value}");
}

#[test]
fn polls_are_released_and_park_again() {
    let (_encke, _, http) = start();
    let value = measure(&["poll", &http, "-n", "6", "--rate", "20", "--workers", "2"]);
    assert_eq!((number(&value["operations"]), &value["missing"]), (36.0, &0.into()), "{value}");
    assert_eq!(value["transport"], "poll");
}

#[test]
fn people_get_a_table_and_a_picture() {
    let (encke, ws, _) = start();
    let file = std::env::temp_dir().join(format!("encke-bench-{}.svg", encke.pid()));
    let path = file.to_str().expect("a path in UTF-8");
    let short = ["--duration", "0.2", "--warmup", "0", "--svg", path];
    let (code, out, _) = bench(&[&["echo", &ws, "-n", "2"], &short[..]].concat());
    assert_eq!(code, Some(0));
    assert!(out.contains("round trips") && out.contains("p99.9"), "{out}");
    let picture = fs::read_to_string(&file).expect("the picture");
    fs::remove_file(&file).expect("it was there");
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
    assert!(picture.contains("Round trips on 2 connections") && picture.contains("90 %"));
}

#[test]
fn what_cannot_be_done_is_told_in_one_line() {
    let rows: [(&[&str], &str); 19] = [
        (&[], "say what to do: density, fanout, echo, churn or poll"),
        (&["fanuot", "ws://127.0.0.1:1"], "unknown command fanuot; did you mean fanout?"),
        (&["echo"], "echo needs the server's address"),
        (&["echo", "127.0.0.1:1"], "\"127.0.0.1:1\" is not an address such as ws://"),
        (&["echo", "wss://127.0.0.1:1"], "wss://127.0.0.1:1: TLS is not measured"),
        (&["echo", "ws://192.0.2.1:1"], "ws://192.0.2.1:1 is 192.0.2.1, which is not this machine"),
        (&["echo", "ws://127.0.0.1:1", "more"], "\"more\" is one word too many"),
        (
            &["echo", "ws://127.0.0.1:1", "--dept", "1"],
            "unknown option --dept; did you mean --depth?",
        ),
        (&["echo", "ws://127.0.0.1:1", "--depth"], "--depth needs a value"),
        (
            &["echo", "ws://127.0.0.1:1", "--depth", "0"],
            "--depth: \"0\" is not a whole number, 1 to",
        ),
        (&["echo", "ws://127.0.0.1:1", "--rate", "inf"], "--rate: \"inf\" is not a number"),
        (&["echo", "ws://127.0.0.1:1", "--json=1"], "--json takes no value"),
        (&["echo", "ws://127.0.0.1:1", "-n", "1", "-n", "2"], "--connections is given twice"),
        (
            &["echo", "ws://127.0.0.1:1", "--preset", "nchan"],
            "the preset nchan knows no path for echo: put one into the address, as in ws://127",
        ),
        (
            &["echo", "ws://127.0.0.1:1", "-n", "2", "--workers", "3"],
            "--workers 3 is more than the 2",
        ),
        (
            &["echo", "ws://127.0.0.1:1", "--pid", "999999999"],
            "--pid: there is no process 999999999",
        ),
        (&["echo", "ws://127.0.0.1:1", "--header", "x"], "--header: \"x\" is not NAME: VALUE"),
        (&["density", "ws://127.0.0.1:1", "-n", "1000000"], "1000000 connections"),
        (&["echo", "ws://127.0.0.1:1", "--quiet"], "ws://127.0.0.1:1: cannot connect: "),
    ];
    for (arguments, expect) in rows {
        let (code, out, err) = bench(arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}");
        let line = err.strip_prefix("encke-bench: ").expect("its name first");
        assert!(line.starts_with(expect), "{arguments:?}: {line}");
        assert_eq!(line.matches('\n').count(), 1, "{arguments:?}: {line}");
    }
}

#[test]
fn a_limit_says_what_would_help() {
    let ulimited = |limit: &str, arguments: &str| {
        let program = env!("CARGO_BIN_EXE_encke-bench");
        let order =
            format!("ulimit -n {limit}; exec {program} density ws://127.0.0.1:1 {arguments}");
        let mut command = bare(Command::new("sh"));
        command.args(["-c", &order]);
        run(command).2
    };
    let line = ulimited("100", "-n 200");
    assert!(line.contains("its limit of open files is 100 (ulimit -Hn): --workers 3"), "{line}");
    let line = ulimited("19000", "-n 900000 --workers 64");
    assert!(line.contains("ports (net.ipv4.ip_local_port_range): --sources "), "{line}");
}

#[test]
fn a_server_that_refuses_is_quoted() {
    let (_encke, ws, http) = start();
    let (code, _, err) = bench(&["density", &format!("{ws}/nothing"), "-n", "2"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("it answers 404"), "{err}");
    let publish =
        ["--publish", "POST /nowhere", "--duration", "0.2", "--warmup", "0", "--rate", "20"];
    let (code, out, _) = bench(&[&["fanout", &http, "-n", "1"], &publish[..]].concat());
    assert_eq!(code, Some(0));
    assert!(out.contains("it answers 404"), "{out}");
    assert!(out.contains("not one of the deliveries was measured"), "{out}");
}

#[test]
fn what_makes_no_sense_is_noted() {
    let (_encke, ws, http) = start();
    let mut idle = Command::new("sleep").arg("60").spawn().expect("sleep is there");
    let pid = idle.id().to_string();
    let short = ["--duration", "0.3", "--warmup", "0", "--rate", "50", "-n", "3"];
    let elsewhere = format!("{ws}/channels/elsewhere");
    let shared = format!("{ws}/channels/shared");
    let rows: [(&[&str], &str); 4] = [
        (&["fanout", &elsewhere], "published by POST /channels/bench, listened on /channels/else"),
        (&["fanout", &http, "--publish", "POST /nowhere"], "the first: publishing: it answers 404"),
        (&["echo", &shared], "came back of 15 sent: /channels/shared is no echo"),
        (&["echo", &ws, "--pid", &pid], "is it only the server's parent?"),
    ];
    for (arguments, expect) in rows {
        let (code, out, err) = bench(&[arguments, &short[..]].concat());
        assert!(code == Some(0) && out.contains(expect), "{arguments:?}: {out}{err}");
    }
    idle.kill().and_then(|()| idle.wait()).expect("it ends");
    let (_, out, _) = bench(&["density", &ws, "-n", "2", "--hold", "0"]);
    assert!(out.contains("not measured; --pid names the server"), "{out}");
}

#[test]
fn the_help_teaches_and_the_version_is_ours() {
    let (code, out, _) = bench(&["--help"]);
    assert_eq!(code, Some(0));
    for word in ["density", "--preset nchan", "--preset ws", "--i-own-this-server"] {
        assert!(out.contains(word), "{word}");
    }
    let (code, out, _) = bench(&["--version"]);
    assert_eq!((code, out.trim()), (Some(0), concat!("encke-bench ", env!("CARGO_PKG_VERSION"))));
}
