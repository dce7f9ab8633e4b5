//! The server in numbers: what `/stats`, `/metrics` and the dashboard say, and that it is true.

use std::fs;
use std::net::SocketAddr;

use serde_json::Value;
use tungstenite::Message;

use crate::exposition::Exposition;
use crate::http::{Http, get, publish};
use crate::listening::wait_for_count;
use crate::server::{Encke, eventually};
use crate::websocket::{Ws, frame, read_frame, upgrade};

fn scrape(address: SocketAddr) -> Exposition {
    let answer = get(address, "/metrics");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    Exposition::read(answer.text())
}

/// Every difference between two scrapes that is asked for must be exact.
#[track_caller]
fn moved(before: &Exposition, after: &Exposition, expect: &[(&str, f64)]) {
    for &(name, by) in expect {
        assert_eq!(after.value(name) - before.value(name), by, "{name}");
    }
}

/// An event stream, its head read.
fn events(address: SocketAddr, target: &str, headers: &[&str]) -> Http {
    let mut http = Http::connect(address);
    http.ask(&format!("GET {target}"), &[headers, &["Accept: text/event-stream"]].concat());
    let head = http.head();
    assert_eq!(head.status, 200, "{head:?}");
    assert_eq!(head.header("Content-Type"), Some("text/event-stream; charset=utf-8"));
    http
}

/// The next event with data.
fn event(http: &mut Http) -> Value {
    loop {
        if let Some(data) = http.line().strip_prefix("data: ") {
            return serde_json::from_str(data).expect("JSON");
        }
    }
}

#[test]
fn every_metric_is_well_formed_and_in_the_readme() {
    let server = Encke::start(&["--echo", "/echo"]);
    let empty = scrape(server.http);
    let mut echo = Ws::connect(server.http, "/echo");
    echo.text("x");
    echo.read_text();
    publish(server.http, "a", "x");
    get(server.http, "/nothing");
    let busy = scrape(server.http);
    assert_eq!(empty.families, busy.families, "families are there before there is anything to say");
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    for name in busy.families.keys() {
        assert!(readme.contains(&format!("`{name}`")), "README.md does not explain {name}");
    }
    let build = busy.samples.keys().find(|name| name.starts_with("encke_build_info{"));
    assert!(build.unwrap().contains(concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"")));
}

#[test]
fn numbers_move_as_messages_do() {
    let server = Encke::start(&[]);
    let before = scrape(server.http);
    let mut ws = Ws::connect(server.http, "/channels/a,b");
    let mut sse = events(server.http, "/channels/a", &[]);
    let mut poll = Http::connect(server.http);
    poll.ask("GET /channels/a?transport=poll", &[]);
    wait_for_count(server.http, "a", 3);
    let listening = scrape(server.http);
    moved(
        &before,
        &listening,
        &[
            ("encke_connections{phase=\"ws\"}", 1.0),
            ("encke_connections{phase=\"sse\"}", 1.0),
            ("encke_connections{phase=\"poll\"}", 1.0),
            ("encke_clients{transport=\"ws\",dialect=\"native\"}", 1.0),
            ("encke_clients{transport=\"poll\",dialect=\"native\"}", 1.0),
            ("encke_channels", 2.0),
            ("encke_memberships", 4.0),
            ("encke_http_responses_total{code=\"101\"}", 1.0),
            ("encke_delivery_lag_seconds_count", 0.0),
        ],
    );
    publish(server.http, "a", "hello");
    assert_eq!(ws.read_text(), "hello");
    assert_eq!(poll.response().json()[0]["data"], "hello");
    while sse.line() != "data: hello" {}
    let delivered = scrape(server.http);
    moved(
        &listening,
        &delivered,
        &[
            ("encke_published_messages_total", 1.0),
            ("encke_batches_total", 1.0),
            ("encke_renders_total", 3.0),
            ("encke_deliveries_total", 3.0),
            ("encke_delivered_messages_total", 3.0),
            ("encke_batch_seconds_count", 1.0),
            ("encke_delivery_lag_seconds_count", 1.0),
            ("encke_connections{phase=\"poll\"}", -1.0),
            ("encke_history_messages", 1.0),
            ("encke_history_channels", 1.0),
        ],
    );
    for name in ["encke_received_bytes_total", "encke_sent_bytes_total", "encke_turn_seconds_count"]
    {
        assert!(delivered.value(name) > listening.value(name), "{name}");
    }
    let lag = delivered.value("encke_delivery_lag_seconds_sum");
    assert!(lag > 0.0 && lag < 1.0, "{lag}");
    assert!(delivered.value("encke_published_bytes_total") >= 5.0);
    assert!(delivered.value("encke_resident_memory_bytes") > 1e6);
    let each = delivered.value("encke_connection_memory_bytes");
    assert!((16.0..200.0).contains(&each), "{each} bytes a connection");
    drop((ws, sse, poll));
    eventually("all have gone", || {
        let after = scrape(server.http);
        let gone = ["encke_clients{transport=\"ws\",dialect=\"native\"}", "encke_memberships"];
        gone.iter().all(|name| after.value(name) == 0.0).then_some(())
    });
}

#[test]
fn every_kind_of_error_is_counted_by_its_own_number() {
    let server = Encke::start(&[]);
    let before = scrape(server.http);
    for path in ["/nothing", "/nothing", "/channels/a%20b"] {
        get(server.http, path);
    }
    let mut bad = upgrade(server.http, "/channels/a");
    bad.send(frame(0xc1, b"reserved bits"));
    assert_eq!(read_frame(&mut bad).0, 0x88);
    for code in [1000, 3456, 4999] {
        let mut ws = Ws::connect(server.http, "/channels/a");
        let frame = tungstenite::protocol::CloseFrame { code: code.into(), reason: "".into() };
        ws.send(Message::Close(Some(frame)));
        while ws.0.read().is_ok() {}
    }
    get(server.http, "/channels/a?since=1-1");
    let _lost = events(server.http, "/channels/a?since=1-1", &[]);
    let after = scrape(server.http);
    moved(
        &before,
        &after,
        &[
            ("encke_http_responses_total{code=\"404\"}", 2.0),
            ("encke_http_responses_total{code=\"400\"}", 1.0),
            ("encke_websocket_closes_total{side=\"server\",code=\"1002\"}", 1.0),
            ("encke_websocket_closes_total{side=\"client\",code=\"1000\"}", 1.0),
            ("encke_websocket_closes_total{side=\"client\",code=\"other\"}", 2.0),
            ("encke_connections_ended_total{reason=\"protocol_error\"}", 1.0),
            ("encke_cursors_lost_total", 1.0),
        ],
    );
}

#[cfg(feature = "cometql")]
#[test]
fn sql_errors_are_counted_by_mysqls_numbers() {
    let server = Encke::start(&[]);
    let mut back_end = crate::mysql::MySql::open(server.cometql.expect("a port"), None);
    assert_eq!(back_end.query("SELEKT").error().0, 1064);
    assert_eq!(back_end.query("SELEKT").error().0, 1064);
    assert_eq!(back_end.command(99, b"").error().0, 1047);
    let after = scrape(server.http);
    assert_eq!(after.value("encke_sql_errors_total{code=\"1064\"}"), 2.0);
    assert_eq!(after.value("encke_sql_errors_total{code=\"1047\"}"), 1.0);
    assert_eq!(after.value("encke_clients{transport=\"mysql\",dialect=\"cometql\"}"), 1.0);
    let recent = event(&mut events(server.http, "/dashboard/events", &[]))["recent"].clone();
    assert_eq!((&recent[0]["name"], &recent[1]["count"]), (&"1047".into(), &2.into()), "{recent}");
}

#[test]
fn stats_hold_the_same_numbers_and_their_older_names() {
    let server = Encke::start(&[]);
    let _ws = Ws::connect(server.http, "/channels/a");
    publish(server.http, "a", "x");
    let stats = get(server.http, "/stats").json();
    assert_eq!(stats["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(stats["connections"]["total"], 2);
    assert_eq!(stats["connections"]["ws"], 1);
    assert_eq!(stats["clients"]["ws"]["native"], 1);
    assert_eq!(stats["messages_published"], 1);
    assert_eq!(stats["history"]["messages"], 1);
    assert_eq!(stats["delivery_lag_seconds"]["count"], 1);
    assert_eq!(stats["delivery_lag_seconds"]["up_to"]["10"], 1);
    assert_eq!(stats["responses"]["200"], 1, "this answer is not in it yet");
    assert_eq!(stats["responses"]["total"], 2);
    assert_eq!(stats["ended"]["slow"], 0);
    assert!(stats["memory"]["resident_bytes"].as_u64().unwrap() > 1_000_000);
}

#[test]
fn the_dashboard_lives_on_one_event_a_second_for_whoever_watches() {
    let server = Encke::start(&[]);
    let _listeners: Vec<Ws> = ["a", "a", "b"]
        .map(|channel| Ws::connect(server.http, &format!("/channels/{channel}")))
        .into();
    get(server.http, "/nothing");
    let mut one = events(server.http, "/dashboard/events", &[]);
    let first = event(&mut one);
    assert_eq!(first["largest"], serde_json::json!([["a", 2], ["b", 1]]));
    assert_eq!(first["busiest"], serde_json::json!([]));
    assert_eq!(first["recent"][0]["name"], "404");
    assert_eq!(first["recent"][0]["kind"], "http");
    assert_eq!(first["stats"]["dashboards"], 1);
    let mut other = events(server.http, "/dashboard/events", &[]);
    event(&mut other);
    for _ in 0..5 {
        publish(server.http, "secret-plans", "the message itself");
    }
    let busy = eventually("the busiest channel is named", || {
        let news = event(&mut one);
        (news["busiest"][0][0] == "secret-plans").then_some(news)
    });
    assert!(busy["at_ms"].as_u64().unwrap() > first["at_ms"].as_u64().unwrap());
    assert!(!busy.to_string().contains("the message itself"));
    drop((one, other));
    eventually("nobody watches", || {
        (scrape(server.http).value("encke_dashboards") == 0.0).then_some(())
    });
    let deliveries = scrape(server.http).value("encke_deliveries_total");
    assert_eq!(deliveries, 0.0, "what dashboards get is no delivery");
}

#[test]
fn so_many_dashboards_and_no_more() {
    let server = Encke::start(&[]);
    let _watchers: Vec<Http> =
        (0..32).map(|_| events(server.http, "/dashboard/events", &[])).collect();
    assert_eq!(get(server.http, "/dashboard/events").status, 503);
    let head = {
        let mut http = Http::connect(server.http);
        http.ask("HEAD /dashboard/events", &[]);
        http.head()
    };
    assert_eq!(head.status, 200, "asking about it is not watching");
}

#[test]
fn numbers_need_the_key_and_the_page_asks_for_it() {
    let server = Encke::start(&["--publish-key", "secret"]);
    let key = "Authorization: Bearer secret";
    for path in ["/stats", "/metrics", "/dashboard/events"] {
        let refused = get(server.http, path);
        assert_eq!(refused.status, 401, "{path}");
        assert!(!refused.text().contains("encke_") && !refused.text().contains("uptime"), "{path}");
        let wrong = Http::connect(server.http).get(path, &["Authorization: Bearer wrong"]);
        assert_eq!(wrong.status, 401, "{path}");
    }
    assert_eq!(Http::connect(server.http).get("/metrics", &[key]).status, 200);
    event(&mut events(server.http, "/dashboard/events", &[key]));
    let page = get(server.http, "/dashboard");
    assert_eq!(page.status, 200, "a browser that opens a page cannot show a key");
    let policy = page.header("Content-Security-Policy").expect("a policy");
    assert!(policy.contains("script-src 'sha256-"), "{policy}");
    assert!(page.body.len() < 30_000, "{} bytes", page.body.len());
}

#[test]
fn without_a_key_only_this_machine_sees_them() {
    let server = Encke::start(&[]);
    for path in ["/stats", "/metrics", "/dashboard", "/dashboard/events"] {
        let mut http = Http::connect(server.http);
        http.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Real-IP: 10.0.0.1\r\n\r\n"));
        assert_eq!(http.response().status, 403, "{path}");
        let mut http = Http::connect(server.http);
        http.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(http.head().status, 200, "{path}");
    }
}
