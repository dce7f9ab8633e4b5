//! Bounds: slow readers, too many connections, no descriptors left.

use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use encke::engines::memory;
use encke::server::settings::Settings;

use crate::http::{Http, get, publish, request};
use crate::listening::{Listening, Wire, wait_for_count};
use crate::server::{Encke, Inside, bare, eventually, reactor};
use crate::websocket::{UPGRADE, Ws};

#[test]
fn slow_readers_are_cut_and_counted_and_the_quick_lose_nothing() {
    let server = Encke::start(&[]);
    let memory = server.memory();
    let mut quick = Listening::open(server.http, Wire::WsJson, "a", None);
    let targets = ["/channels/a?transport=sse", "/channels/a?transport=stream", "/channels/a"];
    let slow: Vec<Http> = targets
        .into_iter()
        .map(|target| {
            let mut http = Http::connect(server.http);
            let upgrade = if target == "/channels/a" { &UPGRADE[..] } else { &[] };
            http.ask(&format!("GET {target}"), upgrade);
            http.head();
            http
        })
        .collect();
    wait_for_count(server.http, "a", 4);
    let data = "x".repeat(120 * 1024);
    let mut http = Http::connect(server.http);
    let mut published = 0;
    let stats = eventually("all three are cut", || {
        for _ in 0..8 {
            let id = http.post("/channels/a", &data).id();
            let item = quick.next();
            assert_eq!((item.id, item.data.as_str()), (Some(id), Some(&*data)));
            published += data.len();
        }
        let stats = http.get("/stats", &[]).json();
        let queued = stats["queued_bytes"].as_u64().unwrap();
        assert!(queued <= 3 * 1024 * 1024, "{queued} bytes wait");
        (stats["ended"]["slow"] == 3).then_some(stats)
    });
    assert_eq!((&stats["queued_bytes"], &stats["clients_behind"]), (&0.into(), &0.into()));
    assert_eq!(stats["memberships"], 1);
    let more = server.memory().saturating_sub(memory);
    assert!(more < 16 << 20, "{more} bytes more after {published} were published");
    // What reached them is whole up to where it breaks off.
    for mut slow in slow {
        let read = slow.rest_or_reset();
        assert!(read.len() > 100_000 && read.len() < published + (1 << 20), "{}", read.len());
    }
}

#[test]
fn a_small_outbox_cuts_earlier_but_never_for_history_that_was_asked_for() {
    let mut settings = Settings::default();
    settings.limits.outbox_bytes_max = 10_000;
    let server = Inside::start(settings);
    let names: Vec<String> = (0..64).map(|n| format!("c{n}")).collect();
    let names = names.join(",");
    let mut http = Http::connect(server.http);
    let before = http.post(&format!("/channels/{names}"), "first").id();
    let mut last = Ws::connect(server.http, "/channels/last");
    for _ in 0..2 {
        http.post(&format!("/channels/{names}"), vec![b'x'; 120 * 1024]).id();
    }
    // Heard in order: when this is, all of that is history.
    publish(server.http, "last", "x");
    assert_eq!(last.read_text(), "x");
    let mut sse = Http::connect(server.http);
    let since = format!("Last-Event-ID: {before}");
    sse.ask(&format!("GET /channels/{names}"), &["Accept: text/event-stream", &since]);
    sse.head();
    // Behind by 15 MB at its own wish, and a little more comes.
    publish(server.http, "c0", "live");
    let mut messages = 0;
    loop {
        match sse.line() {
            line if line == "data: live" => break,
            line => messages += usize::from(line.starts_with("data: x")),
        }
    }
    assert_eq!(messages, 128);
    assert_eq!(http.get("/stats", &[]).json()["ended"]["slow"], 0);
}

#[test]
fn one_connection_too_many_is_told_so_on_either_port() {
    let mut settings = Settings::default();
    settings.limits.connections_max = 3;
    let server = Inside::start(settings);
    let mut ws = Ws::connect(server.http, "/channels/a");
    let mut keeping = Http::connect(server.http);
    keeping.get("/channels/a", &[]);
    let third = Listening::open(server.http, Wire::SseRaw, "a", None);
    for _ in 0..3 {
        let mut http = Http::connect(server.http);
        let answer = http.get("/channels/a", &[]);
        assert_eq!((answer.status, answer.header("Connection")), (503, Some("close")));
        assert!(answer.header("Retry-After").is_some());
        http.ends();
        // Any other answer would end it for ever.
        let mut sse = Http::connect(server.http);
        let answer = sse.get("/channels/a", &["Accept: text/event-stream"]);
        assert_eq!((answer.status, answer.header("Connection")), (200, Some("close")));
        assert!(answer.text().starts_with("retry: "), "{}", answer.text());
        sse.ends();
    }
    #[cfg(feature = "cometql")]
    {
        let mut stream = Http::connect(server.cometql);
        let packet = stream.rest();
        assert_eq!(&packet[..7], b"\x17\0\0\0\xff\x10\x04", "1040 in place of the greeting");
        assert_eq!(packet.len(), 4 + 0x17);
    }
    // Those inside notice nothing; a place that becomes free is taken.
    keeping.post("/channels/a", "x").id();
    assert_eq!(ws.read_text(), "x");
    drop(third);
    eventually("there is room again", || {
        let mut http = Http::connect(server.http);
        let _ = http.try_send(&request("GET /channels/a", &[], b""));
        (http.head().status == 200).then_some(())
    });
    let stats = keeping.get("/stats", &[]).json();
    assert!(stats["connections_refused"].as_u64().unwrap() >= 6);
    assert_eq!(stats["memory"]["shed"]["refused"], 0, "not for want of memory");
}

/// The program with at most so many descriptors.
fn with_descriptors(count: usize) -> Encke {
    let mut command = bare(Command::new("sh"));
    let cometql = if cfg!(feature = "cometql") { "127.0.0.1:0" } else { "off" };
    command.args([
        "-c",
        &format!("ulimit -n {count}; exec \"$0\" --http 127.0.0.1:0 --cometql {cometql}"),
        env!("CARGO_BIN_EXE_encke"),
    ]);
    Encke::of(command)
}

#[test]
fn the_program_keeps_descriptors_in_reserve_and_says_no_before_they_run_out() {
    let server = with_descriptors(64);
    assert!(server.log().iter().any(|line| line.contains("room for 32 clients (64 descriptors)")));
    let mut ws = Ws::connect(server.http, "/channels/a");
    let mut keeping = Http::connect(server.http);
    keeping.get("/stats", &[]);
    let mut crowd: Vec<Http> = (0..80).map(|_| Http::connect(server.http)).collect();
    let refused = keeping_up(&mut crowd);
    assert_eq!(refused, 50, "80 came, 30 found room");
    keeping.post("/channels/a", "x").id();
    assert_eq!(ws.read_text(), "x");
    assert!(!server.log().iter().any(|line| line.contains("cannot accept")));
    drop(crowd);
    eventually("there is room again", || {
        let mut http = Http::connect(server.http);
        let _ = http.try_send(&request("GET /channels/a", &[], b""));
        (http.head().status == 200).then_some(())
    });
}

/// Asks on every connection, and counts those that are told 503.
fn keeping_up(crowd: &mut [Http]) -> usize {
    for http in crowd.iter_mut() {
        let _ = http.try_send(&request("GET /channels/a", &[], b""));
    }
    crowd.iter_mut().filter_map(|http| (http.head().status == 503).then_some(())).count()
}

/// Not a test: what `no_descriptors_left…` starts, in a process of its own, with bounds that the program
/// does not allow itself.
#[test]
#[ignore = "a server, for another test to start"]
fn a_server_without_a_bound_on_connections() {
    env_logger::Builder::new().filter_level(log::LevelFilter::Info).init();
    let mut reactor = reactor(Settings::default(), memory::Limits::default());
    let addresses = reactor.addresses().expect("addresses");
    let http = addresses.first().expect("one").1.to_string();
    eprintln!("listening for HTTP on http://{http}");
    eprintln!("room for everybody");
    reactor.run().expect("the loop ends well");
}

#[test]
fn no_descriptors_left_is_waited_out_without_spinning() {
    let mut command = bare(Command::new("sh"));
    let myself = std::env::current_exe().expect("a test program");
    let entry = "crowds::a_server_without_a_bound_on_connections";
    command.args(["-c", "ulimit -n 48; exec \"$0\" --exact \"$1\" --ignored --nocapture"]);
    command.arg(myself).arg(entry).stdout(std::process::Stdio::null());
    let server = Encke::of(command);
    let mut ws = Ws::connect(server.http, "/channels/a");
    let mut keeping = Http::connect(server.http);
    keeping.get("/stats", &[]);
    // More than there are descriptors: the rest waits in the kernel's queue, and more keep coming.
    let mut crowd: Vec<TcpStream> = Vec::new();
    let mut come = || crowd.push(TcpStream::connect(server.http).expect("a place in the queue"));
    (0..80).for_each(|_| come());
    let cannot =
        |server: &Encke| server.log().iter().filter(|line| line.contains("cannot accept")).count();
    eventually("descriptors run out", || (cannot(&server) > 0).then_some(()));
    let (before, from) = (server.processor_time(), Instant::now());
    // The old subscriber and the old connection are served all the while.
    for n in 0..30 {
        keeping.post("/channels/a", n.to_string()).id();
        assert_eq!(ws.read_text(), n.to_string());
        come();
        thread::sleep(Duration::from_millis(50));
    }
    let used = server.processor_time() - before;
    assert!(used < Duration::from_millis(500), "{used:?} of 1.5 s");
    let (said, seconds) = (cannot(&server), from.elapsed().as_secs() as usize);
    assert!(said <= seconds + 3, "said {said} times in {seconds} s");
    drop(crowd);
    // Free again: whoever comes now is served, as soon as the pause is over.
    assert_eq!(get(server.http, "/channels/a").json().as_array().unwrap().len(), 30);
    eventually("the crowd is gone", || {
        (keeping.get("/stats", &[]).json()["connections"]["total"] == 2).then_some(())
    });
}

#[test]
fn a_thousand_subscribers_hear_everything_and_leave_nothing() {
    let server = Encke::start(&[]);
    let descriptors = server.descriptors();
    let wires = [Wire::WsRaw, Wire::SseRaw, Wire::Stream, Wire::Poll];
    let open = |n: usize| Listening::open(server.http, wires[n % wires.len()], "a", None);
    let mut all: Vec<Listening> = (0..1_000).map(open).collect();
    wait_for_count(server.http, "a", 1_000);
    let mut http = Http::connect(server.http);
    assert_eq!(http.post("/channels/a", "for all").json()["subscribers"], 1_000);
    for listening in &mut all {
        assert_eq!(listening.next().data, "for all");
    }
    drop(all);
    drop(http);
    wait_for_count(server.http, "a", 0);
    eventually("descriptors are back", || (server.descriptors() == descriptors).then_some(()));
}

#[test]
fn many_publishers_at_once_wait_for_deliveries_instead_of_filling_the_memory() {
    let server = Encke::start(&[]);
    let mut ws = Ws::connect(server.http, "/channels/last");
    let memory = server.memory();
    let one = request("POST /channels/a", &[], &[b'x'; 128 * 1024]);
    let mut largest = 0;
    thread::scope(|scope| {
        let publishers: Vec<_> = (0..32)
            .map(|_| {
                scope.spawn(|| {
                    let mut http = Http::connect(server.http);
                    http.send(one.repeat(8));
                    (0..8).for_each(|_| drop(http.response().id()));
                })
            })
            .collect();
        while !publishers.iter().all(|publisher| publisher.is_finished()) {
            largest = largest.max(server.memory());
            thread::sleep(Duration::from_millis(1));
        }
    });
    publish(server.http, "last", "done");
    assert_eq!(ws.read_text(), "done");
    let more = largest.saturating_sub(memory);
    assert!(more < 24 << 20, "{more} bytes more while 32 MB were published");
}
