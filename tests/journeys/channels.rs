//! What the channel URLs promise, one by one.

use std::time::{Duration, Instant};

use encke::engines::memory::{self, Keep};
use encke::server::settings::Settings;
use serde_json::{Value, json};

use crate::http::{Http, get, publish, request};
use crate::listening::{Listening, Wire, wait_for_count};
use crate::server::{Encke, Inside};
use crate::websocket::Ws;

/// The data of a history or a poll.
fn data_of(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("an array");
    list.iter().map(|item| item["data"].as_str().expect("text")).collect()
}

fn numbers(id: &str) -> (u64, u64) {
    let (second, n) = id.split_once('-').expect("two numbers");
    (second.parse().expect("a number"), n.parse().expect("a number"))
}

#[test]
fn a_publish_says_its_id_and_how_many_listened() {
    let server = Encke::start(&[]);
    let mut http = Http::connect(server.http);
    let answer = http.post("/channels/a", "x");
    assert_eq!(answer.json()["subscribers"], 0);
    let _one = Ws::connect(server.http, "/channels/a");
    let _both = Ws::connect(server.http, "/channels/a,b");
    assert_eq!(http.post("/channels/a", "x").json()["subscribers"], 2);
    assert_eq!(http.post("/channels/a,b", "x").json()["subscribers"], 3);
    assert!(numbers(&http.post("/channels/c", "").id()) > numbers(&answer.id()));
}

#[test]
fn one_publish_to_several_channels_has_consecutive_ids() {
    let server = Encke::start(&[]);
    let mut all = Listening::open(server.http, Wire::SseJson, "a,b,c", None);
    let last = publish(server.http, "a,b,c,a", "x");
    let items = [all.next(), all.next(), all.next()];
    let channels: Vec<_> = items.iter().map(|item| item.channel.as_deref().unwrap()).collect();
    assert_eq!(channels, ["a", "b", "c"]);
    let ids: Vec<_> = items.iter().map(|item| numbers(item.id.as_deref().unwrap())).collect();
    let last = numbers(&last);
    assert_eq!(ids, [(last.0, last.1 - 2), (last.0, last.1 - 1), last]);
}

#[test]
fn names_are_split_before_they_are_decoded() {
    let server = Encke::start(&[]);
    let mut http = Http::connect(server.http);
    http.post("/channels/%61,A%3Ab%40c%23%24%3D-_.", "x");
    let list = http.get("/channels/a", &[]).json();
    assert_eq!(data_of(&list), ["x"]);
    assert_eq!(http.get("/channels/A:b@c%23$=-_.", &[]).json()[0]["channel"], "A:b@c#$=-_.");
    for (status, target) in [
        (400, "/channels/a%2Cb".to_owned()),
        (400, "/channels/a,".to_owned()),
        (400, "/channels/%ff".to_owned()),
        (400, "/channels/%e2%98%83".to_owned()),
        (400, "/channels/a%2".to_owned()),
        (400, format!("/channels/{}", "n".repeat(201))),
        (200, format!("/channels/{}", "n".repeat(200))),
        (
            400,
            format!("/channels/{}", (0..65).map(|n| n.to_string() + ",").collect::<String>() + "x"),
        ),
        (
            200,
            format!("/channels/{}", (0..63).map(|n| n.to_string() + ",").collect::<String>() + "x"),
        ),
        (404, "/channels/a/b".to_owned()),
    ] {
        assert_eq!(http.get(&target, &[]).status, status, "{target}");
    }
}

#[test]
fn history_is_shown_from_any_point() {
    let server = Encke::start(&[]);
    let mut http = Http::connect(server.http);
    assert_eq!(http.get("/channels/a", &[]).json(), json!([]));
    let ids: Vec<String> = (1..=5).map(|n| http.post("/channels/a", n.to_string()).id()).collect();
    let all = http.get("/channels/a", &[]);
    assert_eq!(data_of(&all.json()), ["1", "2", "3", "4", "5"]);
    assert_eq!(all.cursor(), ids[4]);
    assert_eq!(data_of(&http.get("/channels/a?last=2", &[]).json()), ["4", "5"]);
    assert_eq!(data_of(&http.get("/channels/a?last=0", &[]).json()), [""; 0]);
    let since = format!("/channels/a?since={}", ids[2]);
    assert_eq!(data_of(&http.get(&since, &[]).json()), ["4", "5"]);
    let current = format!("/channels/a?since={}", ids[4]);
    let nothing = http.get(&current, &[]);
    assert_eq!((nothing.status, nothing.cursor()), (304, ids[4].clone()));
    let tag = format!("If-None-Match: \"{}\"", ids[3]);
    assert_eq!(data_of(&http.get("/channels/a", &[&tag]).json()), ["5"]);
    let weak = format!("If-None-Match: W/\"{}\"", ids[4]);
    assert_eq!(http.get("/channels/a", &[&weak]).status, 304);
    http.ask("HEAD /channels/a", &[]);
    let head = http.head();
    assert_eq!((head.status, head.cursor()), (200, ids[4].clone()));
    let length: usize = head.header("Content-Length").unwrap().parse().unwrap();
    assert_eq!(length, all.body.len());
    assert_eq!(http.get("/stats", &[]).status, 200, "no byte of a body was sent");
}

#[test]
fn last_on_a_subscription_begins_with_the_newest_messages() {
    let server = Encke::start(&[]);
    for n in 0..4 {
        publish(server.http, "a", n.to_string());
    }
    let mut ws = Ws::connect(server.http, "/channels/a?last=2");
    assert_eq!([ws.read_text(), ws.read_text()], ["2", "3"]);
    let mut http = Http::connect(server.http);
    let poll = http.get("/channels/a?transport=poll&last=3", &[]);
    assert_eq!(data_of(&poll.json()), ["1", "2", "3"]);
}

#[test]
fn of_three_cursors_the_right_one_wins() {
    let server = Encke::start(&[]);
    let ids: Vec<String> = (1..=4).map(|n| publish(server.http, "a", n.to_string())).collect();
    let mut http = Http::connect(server.http);
    let since = format!("/channels/a?since={}", ids[0]);
    let tag = format!("If-None-Match: \"{}\"", ids[1]);
    let event = format!("Last-Event-ID: {}", ids[2]);
    assert_eq!(data_of(&http.get(&since, &[]).json()), ["2", "3", "4"]);
    assert_eq!(data_of(&http.get(&since, &[&tag]).json()), ["3", "4"]);
    assert_eq!(data_of(&http.get(&since, &[&tag, &event]).json()), ["4"]);
    // An EventSource that has no id yet.
    assert_eq!(data_of(&http.get(&since, &["Last-Event-ID:"]).json()), ["2", "3", "4"]);
}

#[test]
fn malformed_cursors_are_refused_and_forged_ones_told() {
    let server = Encke::start(&[]);
    let newest = publish(server.http, "a", "x");
    let mut http = Http::connect(server.http);
    for bad in ["1", "x-1", "1-", "-1", "1-1-1", "+1-1", "1-4294967296", "99999999999999999999-1"] {
        let answer = http.get(&format!("/channels/a?since={bad}"), &[]);
        assert_eq!(answer.status, 400, "{bad}");
        let header = format!("Last-Event-ID: {bad}");
        assert_eq!(http.get("/channels/a?transport=sse", &[&header]).status, 400, "{bad}");
    }
    for forged in ["0-0", "1-1", "99999999999-1", "18446744073709551615-4294967295"] {
        let told = http.get(&format!("/channels/a?since={forged}"), &[]);
        let told = told.json();
        assert_eq!(told[0]["event"], "encke:lost", "{forged}");
        assert_eq!(told[0]["data"], json!({"channels": ["a"], "since": forged}));
        let poll = http.get(&format!("/channels/a?transport=poll&since={forged}"), &[]);
        assert_eq!(poll.json()[0]["event"], "encke:lost", "{forged}");
    }
    // From the future there is nothing to come back to but now.
    let future = http.get("/channels/a?since=99999999999-1", &[]);
    assert_eq!(future.json()[0]["id"], *newest);
}

#[test]
fn a_loss_names_only_the_channels_that_lost_something() {
    let keep = memory::Limits {
        keep: Keep { messages_max: 2, ..Keep::DEFAULT },
        ..memory::Limits::default()
    };
    let server = Inside::keeping(Settings::default(), keep);
    let cursor = publish(server.http, "quiet", "0");
    for n in 1..=4 {
        publish(server.http, "busy", n.to_string());
    }
    let list = get(server.http, &format!("/channels/quiet,busy?since={cursor}")).json();
    assert_eq!(list[0]["data"], json!({"channels": ["busy"], "since": cursor}));
    assert_eq!([&list[1]["data"], &list[2]["data"]], ["3", "4"]);
    // The cursor that came with the word is good.
    let go_on = list[0]["id"].as_str().unwrap();
    let again = get(server.http, &format!("/channels/quiet,busy?since={go_on}")).json();
    assert_eq!(data_of(&again), ["3", "4"]);
    assert_eq!(get(server.http, &format!("/channels/quiet?since={cursor}")).status, 304);
}

#[test]
fn a_poll_waits_as_long_as_it_asked() {
    let server = Encke::start(&[]);
    let cursor = publish(server.http, "a", "x");
    let mut http = Http::connect(server.http);
    let tag = format!("If-None-Match: \"{cursor}\"");
    let from = Instant::now();
    let answer = http.get("/channels/a", &["Prefer: wait=1", &tag]);
    assert_eq!((answer.status, answer.cursor()), (304, cursor.clone()));
    assert!((1..4).contains(&from.elapsed().as_secs()), "{:?}", from.elapsed());
    // The same connection goes on.
    publish(server.http, "a", "y");
    assert_eq!(
        data_of(&http.get("/channels/a", &["Prefer: respond-async, wait=30", &tag]).json()),
        ["y"]
    );
    for bad in ["wait=x", "wait=-1", "last=x", "transport=udp", "format=xml", "session=short"] {
        let answer = http.get(&format!("/channels/a?transport=poll&{bad}"), &[]);
        assert_eq!(answer.status, 400, "{bad}");
    }
}

#[test]
fn jsonp_is_for_servers_that_are_open_to_every_page() {
    let closed = Encke::start(&[]);
    let target = "/channels/a?transport=poll&last=1&callback=app.got";
    assert_eq!(get(closed.http, target).status, 403);
    let open = Encke::start(&["--origin", "*"]);
    publish(open.http, "a", "x");
    let answer = get(open.http, target);
    assert_eq!(answer.header("Content-Type"), Some("text/javascript; charset=utf-8"));
    assert!(answer.text().starts_with("/**/app.got([{"), "{}", answer.text());
    let long = "c".repeat(65);
    for bad in ["", "alert(1)", "a%3Cb", "a%0Ab", &long] {
        for transport in ["poll", "iframe"] {
            let target = format!("/channels/a?transport={transport}&callback={bad}");
            assert_eq!(get(open.http, &target).status, 400, "{target}");
        }
    }
    assert_eq!(get(open.http, "/channels/a?transport=iframe").status, 400);
    // When its time is over a script gets an empty list, not a status.
    let cursor = publish(open.http, "a", "y");
    let target = format!("/channels/a?transport=poll&callback=f&wait=0&since={cursor}");
    let answer = get(open.http, &target);
    assert_eq!((answer.status, answer.text()), (200, &*format!("/**/f([],\"{cursor}\");")));
}

#[test]
fn options_answers_people_and_preflights() {
    let server = Encke::start(&[]);
    let mut http = Http::connect(server.http);
    http.ask("OPTIONS /channels/a", &[]);
    let answer = http.response();
    assert_eq!(
        (answer.status, answer.header("Allow")),
        (204, Some("GET, HEAD, POST, DELETE, OPTIONS"))
    );
    assert_eq!(answer.header("Access-Control-Allow-Methods"), None);
    let preflight = [
        "Origin: http://localhost:3000",
        "Access-Control-Request-Method: POST",
        "Access-Control-Request-Headers: idempotency-key",
        "Access-Control-Request-Private-Network: true",
    ];
    http.ask("OPTIONS /channels/a", &preflight);
    let answer = http.response();
    assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("http://localhost:3000"));
    assert_eq!(answer.header("Vary"), Some("Origin"));
    assert_eq!(answer.header("Access-Control-Allow-Private-Network"), Some("true"));
    assert!(answer.header("Access-Control-Allow-Methods").unwrap().contains("DELETE"));
    let headers = answer.header("Access-Control-Allow-Headers").unwrap();
    for name in ["Idempotency-Key", "If-None-Match", "Last-Event-ID", "Authorization", "Prefer"] {
        assert!(headers.contains(name), "{headers}");
    }
    http.ask("OPTIONS *", &[]);
    assert_eq!(http.response().status, 204);
    // The answer that follows names the page as well, and lets it read the cursor.
    let answer = http.get("/channels/a", &["Origin: http://localhost:3000"]);
    assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("http://localhost:3000"));
    assert_eq!(answer.header("Access-Control-Expose-Headers"), Some("ETag"));
    // Streams and parked polls too.
    http.send(request(
        "GET /channels/a?transport=poll&wait=0",
        &["Origin: http://localhost:3000"],
        b"",
    ));
    let answer = http.response();
    assert_eq!(answer.status, 304);
    assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("http://localhost:3000"));
    http.ask("GET /channels/a?transport=sse", &["Origin: http://localhost:3000"]);
    assert_eq!(http.head().header("Access-Control-Allow-Origin"), Some("http://localhost:3000"));
}

#[test]
fn presence_and_the_list_count_connections() {
    let server = Encke::start(&[]);
    let presence =
        |channel: &str| get(server.http, &format!("/channels/{channel}/presence")).json();
    assert_eq!(presence("a"), json!({"channel": "a", "count": 0, "users": []}));
    let _both = Ws::connect(server.http, "/channels/a,b");
    let one = Listening::open(server.http, Wire::SseRaw, "a", None);
    assert_eq!(presence("a")["count"], 2);
    let mut list: Vec<_> = get(server.http, "/channels").json()["channels"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| (row["channel"].as_str().unwrap().to_owned(), row["subscribers"].clone()))
        .collect();
    list.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(list, [("a".to_owned(), json!(2)), ("b".to_owned(), json!(1))]);
    drop(one);
    wait_for_count(server.http, "a", 1);
    assert_eq!(get(server.http, "/channels/a,b/presence").status, 400);
    let stats = get(server.http, "/stats").json();
    assert_eq!(stats["connections"]["ws"], 1);
    assert_eq!(stats["memberships"], 2);
}

#[test]
fn a_session_counts_between_its_polls() {
    let server = Encke::start(&[]);
    let cursor = publish(server.http, "a", "x");
    let mut http = Http::connect(server.http);
    let target = "/channels/a?transport=poll&session=0123456789abcdef";
    let poll = format!("{target}&since={cursor}");
    http.ask(&format!("GET {poll}"), &[]);
    wait_for_count(server.http, "a", 1);
    let second = publish(server.http, "a", "y");
    assert_eq!(data_of(&http.response().json()), ["y"]);
    wait_for_count(server.http, "a", 1);
    // It comes back on another connection, and still counts once.
    let mut other = Http::connect(server.http);
    other.ask(&format!("GET {target}&since={second}"), &[]);
    publish(server.http, "a", "z");
    assert_eq!(data_of(&other.response().json()), ["z"]);
    wait_for_count(server.http, "a", 1);
    // Without a session it counts only while it is parked.
    let plain = format!("/channels/b?transport=poll&since={cursor}");
    http.ask(&format!("GET {plain}"), &[]);
    wait_for_count(server.http, "b", 1);
    publish(server.http, "b", "x");
    http.response();
    wait_for_count(server.http, "b", 0);
}

#[test]
fn watchers_are_told_how_many_there_are() {
    let server = Encke::start(&[]);
    let mut watcher = Ws::connect(server.http, "/channels/a?format=json&presence=1");
    let mut plain = Ws::connect(server.http, "/channels/a?format=json");
    let count = |ws: &mut Ws, expect: u64| loop {
        let news = ws.read_json();
        assert_eq!(news["event"], "encke:presence");
        assert_eq!(news.get("id"), None);
        if news["data"]["count"] == expect {
            return;
        }
    };
    count(&mut watcher, 2);
    publish(server.http, "a", "x");
    assert_eq!(plain.read_json()["data"], "x", "who did not ask hears no counts");
    drop(plain);
    assert_eq!(watcher.read_json()["data"], "x");
    count(&mut watcher, 1);
}

#[test]
fn a_deleted_channel_forgets_and_sends_everybody_home() {
    let server = Encke::start(&[]);
    let mut http = Http::connect(server.http);
    let delete = |http: &mut Http, name: &str| {
        http.ask(&format!("DELETE /channels/{name}"), &[]);
        http.response()
    };
    assert_eq!(delete(&mut http, "a").status, 404);
    let older = publish(server.http, "a", "w");
    let cursor = publish(server.http, "a", "x");
    let mut ws = Ws::connect(server.http, "/channels/a");
    let mut sse = Http::connect(server.http);
    sse.ask("GET /channels/a", &["Accept: text/event-stream"]);
    sse.head();
    let mut stream = Http::connect(server.http);
    stream.ask("GET /channels/a?transport=stream", &[]);
    stream.head();
    let mut poll = Http::connect(server.http);
    poll.ask(&format!("GET /channels/a?transport=poll&since={cursor}"), &[]);
    wait_for_count(server.http, "a", 4);
    assert_eq!(delete(&mut http, "a").json(), json!({"deleted": true}));
    assert_eq!(ws.closed().0, 4404);
    sse.rest();
    assert_eq!(stream.chunk(), b"", "the last chunk");
    stream.ends();
    assert_eq!(poll.response().status, 410);
    assert_eq!(get(server.http, "/channels/a").json(), json!([]));
    // An EventSource that returns by itself is told to stay away; everybody else may come.
    let event_id = format!("Last-Event-ID: {cursor}");
    let returning = Http::connect(server.http).get("/channels/a?transport=sse", &[&event_id]);
    assert_eq!(returning.status, 204);
    let mut back = Listening::open(server.http, Wire::SseRaw, "a", None);
    let mut resumed = Listening::open(server.http, Wire::WsJson, "a", Some(&older));
    assert_eq!(resumed.next().event, "encke:lost");
    let id = publish(server.http, "a", "again");
    assert_eq!(back.next().id, Some(id.clone()));
    assert_eq!(resumed.next().id, Some(id.clone()));
    // Its new life has a cursor of its own.
    let mut newer = Listening::open(server.http, Wire::SseRaw, "a", Some(&id));
    publish(server.http, "a", "more");
    assert_eq!(newer.next().data, "more");
}

#[test]
fn an_idempotency_key_publishes_once() {
    let server = Encke::start(&[]);
    let mut ws = Ws::connect(server.http, "/channels/a");
    let ask = |key: &str, body: &str| {
        let header = format!("Idempotency-Key: {key}");
        let mut http = Http::connect(server.http);
        http.send(request("POST /channels/a", &[&header], body.as_bytes()));
        http.response()
    };
    let first = ask("k1", "one").id();
    assert_eq!(ask("k1", "one").id(), first);
    assert_ne!(ask("k2", "two").id(), first);
    assert_eq!([ws.read_text(), ws.read_text()], ["one", "two"]);
    let long = "k".repeat(129);
    assert_eq!(ask(&long, "x").status, 400);
    assert_eq!(ask("", "x").status, 400);
}

#[test]
fn event_names_have_bounds_and_some_are_the_servers() {
    let server = Encke::start(&[]);
    let status = |event: &str| {
        // A refused request with a body ends its connection.
        Http::connect(server.http).post(&format!("/channels/a?event={event}"), "x").status
    };
    assert_eq!(status(&"e".repeat(128)), 200);
    assert_eq!(status("%C3%BC%20%E2%98%83"), 200);
    for bad in ["encke:lost", "encke:", "a%0Ab", "%00", "%7F", "%ff", &"e".repeat(129)] {
        assert_eq!(status(bad), 400, "{bad}");
    }
}

#[test]
fn heartbeats_come_on_every_transport_but_the_parked_poll() {
    let mut settings = Settings::default();
    settings.limits.heartbeat_seconds = 1;
    settings.limits.pong_seconds = 1;
    let server = Inside::start(settings);
    let mut poll = Http::connect(server.http);
    poll.ask("GET /channels/a?transport=poll&wait=300", &[]);
    let mut ws = crate::websocket::upgrade(server.http, "/channels/a");
    let mut sse = Http::connect(server.http);
    sse.ask("GET /channels/a", &["Accept: text/event-stream"]);
    sse.head();
    let mut stream = Http::connect(server.http);
    stream.ask("GET /channels/a?transport=stream", &[]);
    stream.head();
    assert_eq!(crate::websocket::read_frame(&mut ws), (0x89, Vec::new()), "a ping");
    assert_eq!(stream.chunk(), b"\n");
    while sse.line() != ":" {}
    // No pong, no word: the client is taken for dead.
    assert_eq!(ws.rest(), b"");
    let quiet = Duration::from_millis(50);
    poll.stream().set_read_timeout(Some(quiet)).unwrap();
    assert!(std::io::Read::read(&mut poll.stream(), &mut [0]).is_err(), "nothing while parked");
    let stats = get(server.http, "/stats").json();
    assert_eq!((&stats["ended"]["silent"], &stats["connections"]["poll"]), (&json!(1), &json!(1)));
}
