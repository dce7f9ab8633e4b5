//! A page whose network lets no WebSocket through: it listens by event stream or by polls, and posts
//! its commands. The script is the server's own; CppComet's has no such thing that works.

use std::net::SocketAddr;

use encke::server::settings::Settings;
use serde_json::{Value, json};

use super::heard;
use crate::comet_page::{Page, Script, check, data_of};
use crate::http::{Http, publish, request};
use crate::server::{Encke, Inside};

/// A page and its session.
struct Ours {
    address: SocketAddr,
    target: String,
    pipes: String,
    /// Where it stands, as it was told.
    since: String,
    personal: String,
    commands: u64,
}

impl Ours {
    fn new(address: SocketAddr, page: &Page, session: &str) -> Ours {
        let target = page.target().replace("&api=js", "&api=encke");
        Ours {
            address,
            target: format!("{target}&session={session}"),
            pipes: String::new(),
            since: String::new(),
            personal: String::new(),
            commands: crate::comet_page::now() * 1000,
        }
    }

    fn listening(self, pipes: &str) -> Ours {
        Ours { pipes: pipes.into(), ..self }
    }

    /// What one poll brings; nothing when its time is over.
    #[track_caller]
    fn poll(&mut self) -> Vec<Value> {
        let Ours { target, pipes, since, personal, .. } = &self;
        let line = format!("{target}&transport=poll&pipes={pipes}&since={since}&msg={personal}");
        let answer = Http::connect(self.address).get(&line, &[]);
        if answer.status == 304 {
            return Vec::new();
        }
        self.since = answer.cursor();
        let frames = frames_of(answer.text());
        for frame in &frames {
            match (frame["pipe"].as_str(), frame["id"].as_str(), frame["msg"].as_str()) {
                (Some("sys"), _, Some(id)) | (Some("msg"), Some(id), _) => {
                    self.personal = id.into()
                }
                _ => {}
            }
        }
        frames
    }

    /// Opens an event stream and reads its first frame.
    #[track_caller]
    fn stream(&self) -> Stream {
        let mut http = Http::connect(self.address);
        let line = format!("GET {}&pipes={}", self.target, self.pipes);
        http.ask(&line, &["Accept: text/event-stream"]);
        assert_eq!(http.head().status, 200);
        let mut stream = Stream(http);
        assert_eq!(stream.next()["event"], "serverInfo");
        stream
    }

    /// Posts a command; the answers to it.
    #[track_caller]
    fn command(&mut self, text: &str) -> Vec<Value> {
        self.commands += 1;
        self.same_command(text)
    }

    /// Posts it with the number of the last one, as who has had no answer.
    #[track_caller]
    fn same_command(&self, text: &str) -> Vec<Value> {
        let line = format!("{}&n={}", self.target, self.commands);
        let answer = Http::connect(self.address).post(&line, text);
        assert_eq!(answer.status, 200, "{answer:?}");
        frames_of(answer.text())
    }
}

/// An event stream.
struct Stream(Http);

impl Stream {
    #[track_caller]
    fn next(&mut self) -> Value {
        loop {
            let line = self.0.line();
            if let Some(data) = line.strip_prefix("data: ") {
                return check(data, Script::Ours);
            }
        }
    }
}

/// A JSON array of frames, each of which must be one that a script reads.
#[track_caller]
fn frames_of(text: &str) -> Vec<Value> {
    assert!(!text.trim_end().contains(['\'', '\n']), "{text}");
    let list: Vec<Value> = serde_json::from_str(text).expect("an array");
    list.iter()
        .map(|frame| check(&frame.to_string().replace('\'', "\\u0027"), Script::Ours))
        .collect()
}

const SESSION: &str = "0123456789abcdef";

/// Polls end after a second instead of thirty, sessions after two instead of twenty.
fn quick() -> Inside {
    let mut settings = Settings::default();
    settings.limits.poll_seconds = 1;
    settings.limits.session_seconds = 2;
    Inside::start(settings)
}

/// cometql 29: what CppComet's scripts would post is not found, as ever.
#[test]
fn posts_of_other_scripts_are_404() {
    let server = Encke::start(&[]);
    for page in [Page::anonymous(), Page::old()] {
        let target = page.target();
        let bare = target.trim_start_matches("/ws").to_owned();
        for target in [target, bare] {
            assert_eq!(Http::connect(server.http).post(&target, "web_a").status, 404, "{target}");
        }
    }
}

#[test]
fn an_event_stream_hears_what_a_socket_hears() {
    let server = Encke::start(&[]);
    let mut ours = Ours::new(server.http, &Page::anonymous().in_browser('o'), SESSION);
    ours.pipes = "web_a,track_a,private_a".into();
    let mut stream = ours.stream();
    let mut socket = Page::anonymous().in_browser('s').open(server.http);
    socket.subscribe(&["web_a", "track_a"]);
    assert_eq!(data_of(&stream.next()), json!({"user_id": 0, "uuid": "s".repeat(32)}));
    for text in super::publishing::AWKWARD {
        let report = socket.publish("web_a", "x", text);
        assert_eq!(data_of(&report)["number_messages"], 1);
        let sent: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(heard(&stream.next(), "web_a", "x"), sent, "{text}");
    }
    let count = ours.command("pipe_count\nweb_a\n1234567890\n");
    assert_eq!(data_of(&count[0]), json!({"user_in_pipe": 2}));
    drop(stream);
}

#[test]
fn what_a_session_posts_reaches_all_but_itself() {
    let server = Encke::start(&[]);
    let mut ours = Ours::new(server.http, &Page::anonymous(), SESSION).listening("web_a");
    let mut stream = ours.stream();
    let mut socket = Page::anonymous().open(server.http);
    socket.subscribe(&["web_a"]);
    let report = ours.command("web_pipe2\nweb_a\nx\n*\n{\"text\":\"it's\"}");
    assert_eq!(report[0]["pipe"], "_answer_to_web_a");
    assert_eq!(data_of(&report[0])["number_messages"], 1);
    assert_eq!(heard(&socket.next(), "web_a", "x"), json!({"text": "it's"}));
    socket.publish("web_a", "", "2");
    assert_eq!(heard(&stream.next(), "web_a", ""), json!(2), "its own was not sent to it");
    let refused = ours.command("web_pipe2\nother\nx\n*\n1");
    assert_eq!(refused[0]["event"], "error");
    socket.quiet();
}

/// An answer that got lost on the way: the page asks again with the same number.
#[test]
fn a_command_that_is_posted_twice_is_done_once() {
    let server = Encke::start(&[]);
    let mut ours = Ours::new(server.http, &Page::anonymous(), SESSION).listening("web_b");
    let _stream = ours.stream();
    let mut socket = Page::anonymous().open(server.http);
    socket.subscribe(&["web_a"]);
    for n in 0..5 {
        ours.command(&format!("web_pipe2\nweb_a\n\n*\n{n}"));
        for _ in 0..3 {
            ours.same_command(&format!("web_pipe2\nweb_a\n\n*\n{n}"));
        }
        assert_eq!(data_of(&socket.next()), json!(n));
        socket.quiet();
    }
}

#[test]
fn polls_bring_every_message_once_and_in_order() {
    let server = Encke::start(&[]);
    let mut ours = Ours::new(server.http, &Page::anonymous(), SESSION).listening("web_a,web_b");
    assert_eq!(ours.poll()[0]["event"], "serverInfo");
    let address = server.http;
    let count = 300_u64;
    let sender = std::thread::spawn(move || {
        for n in 0..count {
            publish(address, ["web_a", "web_b"][n as usize % 2], n.to_string());
        }
    });
    let mut seen = Vec::new();
    while (seen.len() as u64) < count {
        let frames = ours.poll();
        assert!(!frames.is_empty(), "{} and no more", seen.len());
        seen.extend(frames.iter().map(data_of));
    }
    assert_eq!(seen, (0..count).collect::<Vec<u64>>());
    sender.join().expect("all were sent");
}

/// Who polls is there between its polls, and for a while after the last one.
#[test]
fn between_two_polls_a_page_has_not_left() {
    let server = quick();
    let mut watcher = Page::anonymous().open(server.http);
    watcher.subscribe(&["track_a"]);
    let page = Page::anonymous().in_browser('o');
    let mut ours = Ours::new(server.http, &page, SESSION).listening("track_a");
    for _ in 0..3 {
        ours.poll();
    }
    assert_eq!(watcher.next()["event"], "subscription");
    watcher.quiet();
    assert_eq!(watcher.next()["event"], "unsubscription");
    assert_eq!(watcher.count("track_a"), 1);
    // It comes back after all.
    ours.poll();
    assert_eq!(watcher.next()["event"], "subscription");
}

/// A stream that breaks off and comes back within its time is no news for anybody.
#[test]
fn a_stream_that_comes_back_was_never_away() {
    let server = Encke::start(&[]);
    let mut watcher = Page::anonymous().open(server.http);
    watcher.subscribe(&["track_a"]);
    let ours = Ours::new(server.http, &Page::anonymous(), SESSION).listening("track_a");
    for _ in 0..5 {
        drop(ours.stream());
    }
    let _stays = ours.stream();
    assert_eq!(watcher.next()["event"], "subscription");
    assert_eq!(watcher.count("track_a"), 2);
    watcher.quiet();
}

/// cometql 27.
#[test]
fn bytes_that_are_not_utf_8_are_replaced_or_refused() {
    let server = Encke::start(&[]);
    let ours = Ours::new(server.http, &Page::anonymous(), SESSION);
    let _stream = ours.stream();
    let mut socket = Page::anonymous().open(server.http);
    socket.subscribe(&["web_a"]);
    for bad in [&b"web_pipe2\nweb_a\nx\n*\n\"\xff\""[..], b"web_pipe2\nweb_\xff\nx\n*\n1", b"\xff"]
    {
        let mut http = Http::connect(server.http);
        http.send(request(&format!("POST {}&n=1", ours.target), &[], bad));
        assert!(http.response().status < 500);
    }
    socket.settled();
    publish(server.http, "web_a", "1");
    assert_eq!(heard(&socket.next(), "web_a", ""), json!(1));
}

/// Polls of a user: what is sent to it comes once, whether it is away, between two polls, or parked.
#[cfg(feature = "cometql")]
#[test]
fn a_user_who_polls_has_each_message_once() {
    let server = Encke::start(&[]);
    let mut sql = super::back_end(&server);
    super::register(&mut sql, 7, "key7");
    let mut watcher = Page::anonymous().open(server.http);
    watcher.subscribe(&["user_status_7"]);
    super::send_to(&mut sql, 7, "", "0");
    let page = Page::anonymous().of(7, "key7");
    let mut ours = Ours::new(server.http, &page, SESSION).listening("web_a,private_a");
    let first = ours.poll();
    assert_eq!(first[0]["authorized"], "true");
    assert_eq!(first[1..].iter().map(data_of).collect::<Vec<_>>(), [0]);
    let mut seen = Vec::new();
    let sender = std::thread::spawn(move || {
        for n in 1..=100 {
            super::send_to(&mut sql, 7, "", &n.to_string());
        }
    });
    while seen.len() < 100 {
        let frames = ours.poll();
        assert!(!frames.is_empty(), "{seen:?} and no more");
        seen.extend(frames.iter().map(data_of));
    }
    sender.join().expect("all were sent");
    assert_eq!(seen, (1..=100).collect::<Vec<u64>>());
    let told = crate::server::eventually("it is there", || {
        let told = watcher.settled();
        (!told.is_empty()).then_some(told)
    });
    assert_eq!(told.len(), 1, "it came once: {told:?}");
    let report = ours.command("web_pipe2\nwebauth_a\nx\n*\n1");
    assert_eq!(report[0]["pipe"], "_answer_to_webauth_a");
}

/// A stranger who knows the name of a session is not its user.
#[cfg(feature = "cometql")]
#[test]
fn a_session_is_no_proof_of_anything() {
    let server = Encke::start(&[]);
    let mut sql = super::back_end(&server);
    super::register(&mut sql, 7, "key7");
    let user = Ours::new(server.http, &Page::anonymous().of(7, "key7"), SESSION);
    let mut stream = user.listening("private_a").stream();
    let mut stranger = Ours::new(server.http, &Page::anonymous().of(7, "wrong"), SESSION);
    let mut socket = Page::anonymous().open(server.http);
    socket.subscribe(&["web_a"]);
    stranger.command("web_pipe2\nweb_a\n\n*\n1");
    assert_eq!(socket.next()["user_id"], 0);
    let refused = stranger.command("web_pipe2\nwebauth_a\n\n*\n1");
    assert_eq!(refused[0]["event"], "error");
    super::publish(&mut sql, "private_a", "", "'still there'");
    assert_eq!(heard(&stream.next(), "private_a", ""), "still there");
    // Not even by taking its place: what is the user's is not handed over.
    let mut thief = stranger.listening("private_a,web_a");
    let first = thief.poll();
    assert_eq!(first[0]["authorized"], "false");
    super::send_to(&mut sql, 7, "", "for 7");
    publish(server.http, "web_a", "x");
    let heard: Vec<Value> = thief.poll();
    assert!(heard.iter().all(|frame| frame["pipe"] == "web_a"), "{heard:?}");
}

/// A stream that comes back to other pipes: the others hear of what changed, and of nothing else.
#[test]
fn a_session_that_changes_its_pipes_tells_what_changed() {
    let server = Encke::start(&[]);
    let mut watcher = Page::anonymous().open(server.http);
    watcher.subscribe(&["track_a", "track_b", "track_c"]);
    let mut ours = Ours::new(server.http, &Page::anonymous(), SESSION).listening("track_a,track_b");
    let mut first = ours.stream();
    ours.pipes = "track_b,track_c".into();
    let _second = ours.stream();
    let told: Vec<_> = watcher
        .settled()
        .iter()
        .map(|frame| format!("{} {}", frame["event"], frame["pipe"]).replace('"', ""))
        .collect();
    assert_eq!(told[..2], ["subscription track_a", "subscription track_b"]);
    let mut changed = told[2..].to_vec();
    changed.sort();
    assert_eq!(changed, ["subscription track_c", "unsubscription track_a"]);
    // Whoever had its place is gone.
    first.0.rest();
    assert_eq!(watcher.count("track_b"), 2);
}

/// Who was away for longer than anything is kept is told so, and goes on from here.
#[test]
fn a_loss_is_told() {
    let server = Encke::start(&[]);
    publish(server.http, "web_a", "1");
    let mut ours = Ours::new(server.http, &Page::anonymous(), SESSION).listening("web_a");
    ours.since = "1-1".into();
    let frames = ours.poll();
    assert_eq!(frames[0]["event"], "encke:lost", "{frames:?}");
    assert_eq!(data_of(&frames[0])["channels"], json!(["web_a"]));
    publish(server.http, "web_a", "2");
    let frames = ours.poll();
    assert_eq!(data_of(frames.last().expect("the next")), json!(2), "{frames:?}");
}

/// cometql 22: who is thrown out while it polls or is between two polls is nobody when it comes back.
#[cfg(feature = "cometql")]
#[test]
fn a_user_who_polls_is_thrown_out_too() {
    let server = Encke::start(&[]);
    let mut sql = super::back_end(&server);
    super::register(&mut sql, 7, "key7");
    super::register(&mut sql, 8, "key8");
    let mut watcher = Page::anonymous().open(server.http);
    watcher.subscribe(&["user_status_7", "user_status_8"]);
    let mut away = Ours::new(server.http, &Page::anonymous().of(7, "key7"), SESSION);
    assert_eq!(away.poll()[0]["authorized"], "true");
    let other = "fedcba9876543210";
    let mut parked = Ours::new(server.http, &Page::anonymous().of(8, "key8"), other);
    assert_eq!(parked.poll()[0]["authorized"], "true");
    let mut stream = parked.stream();
    super::run(&mut sql, "DELETE FROM users_auth WHERE id IN (7, 8)");
    // The end of the stream, without another message.
    let rest = stream.0.rest();
    assert!(!String::from_utf8_lossy(&rest).contains("data:"), "{rest:?}");
    let mut offline = 0;
    crate::server::eventually("both are offline", || {
        let told = watcher.settled();
        offline += told.iter().filter(|frame| frame["event"] == "offline").count();
        (offline == 2).then_some(())
    });
    for ours in [&mut away, &mut parked] {
        ours.since.clear();
        assert_eq!(ours.poll()[0]["authorized"], "false");
    }
}
