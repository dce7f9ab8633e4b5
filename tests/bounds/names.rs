//! How many names there may be: of channels in a request and in all, of callbacks, of what was deleted.

use encke::server::settings::Settings;

use super::crowd::{Crowd, get, publishes, upgrade};
use super::{SSE, bytes_told, limited, told};

/// Clients 1 to `most`.
fn connected(crowd: &mut Crowd, most: u32) {
    (1..=most).for_each(|number| crowd.connect(number));
}

/// Whether a WebSocket's last words are a close with this code.
fn closes(words: &[u8], code: u16) -> bool {
    let [high, low] = code.to_be_bytes();
    let end = words.windows(4).any(|bytes| bytes[0] == 0x88 && bytes[2..] == [high, low]);
    words.starts_with(b"HTTP/1.1 101") && end
}

#[test]
fn a_request_names_so_many_channels_and_no_more() {
    let mut crowd = limited(9, |limits| limits.channels_per_request_max = 2);
    connected(&mut crowd, 5);
    assert!(told(&mut crowd, 1, get("/channels/a,b", SSE)).starts_with("HTTP/1.1 200"));
    assert!(told(&mut crowd, 2, upgrade("/channels/a,b")).starts_with("HTTP/1.1 101"));
    assert_eq!(crowd.server.holdings().memberships, 4, "at the bound");
    let explain = "{\"error\":\"at most 2 channels a request\"}\n";
    for request in [
        get("/channels/a,b,c", SSE),
        upgrade("/channels/a,b,c"),
        get("/channels/a,b,c?transport=poll", ""),
        get("/channels/a,b,c", ""),
        publishes("a,b,c", 1),
    ] {
        crowd.connect(9);
        let words = told(&mut crowd, 9, request);
        assert!(words.starts_with("HTTP/1.1 400 ") && words.ends_with(explain), "{words}");
        crowd.leave(9);
    }
    assert_eq!(crowd.server.holdings().memberships, 4);
    let words = told(&mut crowd, 3, publishes("a,b", 1));
    assert!(words.starts_with("HTTP/1.1 200"), "{words}");
    assert!(told(&mut crowd, 4, get("/channels/a,b", "")).starts_with("HTTP/1.1 200"));
    assert!(told(&mut crowd, 5, get("/channels/a,b,a,b", SSE)).starts_with("HTTP/1.1 200"));
    crowd.server.verify();
}

#[test]
fn so_many_channels_have_subscribers_and_no_more() {
    let mut crowd = limited(9, |limits| limits.channels_max = 2);
    connected(&mut crowd, 8);
    assert!(told(&mut crowd, 1, get("/channels/a", SSE)).starts_with("HTTP/1.1 200"));
    assert!(told(&mut crowd, 2, upgrade("/channels/b")).starts_with("HTTP/1.1 101"));
    assert_eq!(crowd.server.holdings().channels, 2, "at the bound");
    for request in [get("/channels/c", SSE), get("/channels/a,c?transport=poll", "")] {
        let words = told(&mut crowd, 3, request);
        assert!(words.starts_with("HTTP/1.1 503 ") && words.contains("channels"), "{words}");
        crowd.leave(3);
        crowd.connect(3);
    }
    let words = bytes_told(&mut crowd, 4, upgrade("/channels/c"));
    assert!(closes(&words, 1013), "{:?}", String::from_utf8_lossy(&words));
    // Whoever has no subscriber takes no place, and who comes to a known channel makes none.
    assert!(told(&mut crowd, 5, publishes("c", 1)).starts_with("HTTP/1.1 200"));
    assert!(told(&mut crowd, 6, get("/channels/a,b", SSE)).starts_with("HTTP/1.1 200"));
    assert_eq!(crowd.server.holdings().channels, 2);
    crowd.leave(6);
    crowd.leave(1);
    crowd.settle();
    assert!(told(&mut crowd, 7, get("/channels/c", SSE)).starts_with("HTTP/1.1 200"), "room");
    let words = bytes_told(&mut crowd, 8, upgrade("/channels/a"));
    assert!(closes(&words, 1013), "its place is taken");
    crowd.server.verify();
}

#[test]
fn iframes_call_so_many_functions_and_no_more() {
    let mut crowd = limited(9, |limits| limits.callbacks_max = 2);
    connected(&mut crowd, 9);
    let iframe = |name: &str| {
        let target = format!("/channels/a?transport=iframe&callback={name}");
        get(&target, "")
    };
    let is_let_in = |crowd: &mut Crowd, number: u32, name: &str| {
        let words = told(crowd, number, iframe(name));
        let explain = "{\"error\":\"too many callbacks are in use\"}\n";
        let is_refused = words.starts_with("HTTP/1.1 503 ") && words.ends_with(explain);
        assert!(is_refused || words.starts_with("HTTP/1.1 200 "), "{words}");
        !is_refused
    };
    assert!(is_let_in(&mut crowd, 1, "f") && is_let_in(&mut crowd, 2, "g"), "at the bound");
    assert!(!is_let_in(&mut crowd, 3, "h"), "one past it");
    assert!(is_let_in(&mut crowd, 4, "g"), "a name is shared");
    crowd.leave(2);
    crowd.settle();
    assert!(!is_let_in(&mut crowd, 5, "h"), "another page still has it");
    crowd.leave(4);
    crowd.settle();
    assert!(is_let_in(&mut crowd, 6, "h"), "there is room again");
    assert!(told(&mut crowd, 7, get("/channels/a", SSE)).starts_with("HTTP/1.1 200"));
    assert_eq!(crowd.server.holdings().memberships, 3, "who was refused listens to nothing");
    // Another bound is in force at once: a place that was made for more is none.
    crowd.leave(6);
    crowd.settle();
    let mut settings = Settings::default();
    settings.limits.callbacks_max = 1;
    let history = encke::engines::memory::Limits::default();
    crowd.server.reload(settings, history, crowd.now).expect("one tenant");
    assert!(!is_let_in(&mut crowd, 8, "h"));
    assert!(is_let_in(&mut crowd, 9, "f"));
    crowd.server.verify();
}

/// Deletes a channel that somebody wrote to; a cursor from before that.
fn deleted(crowd: &mut Crowd, name: &str) -> String {
    crowd.connect(9);
    let words = told(crowd, 9, publishes(name, 1));
    let id = words.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let id = id.unwrap_or_else(|| panic!("no id: {words}")).to_owned();
    let delete = format!("DELETE /channels/{name} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(told(crowd, 9, delete.as_bytes()).contains("{\"deleted\":true}"));
    crowd.leave(9);
    crowd.settle();
    id
}

/// Whether an EventSource that returns with this cursor is told to stay away.
fn stays_away(crowd: &mut Crowd, name: &str, cursor: &str) -> bool {
    crowd.connect(9);
    let headers = format!("{SSE}Last-Event-ID: {cursor}\r\n");
    let words = told(crowd, 9, get(&format!("/channels/{name}"), &headers));
    crowd.leave(9);
    crowd.settle();
    assert!(["HTTP/1.1 200 ", "HTTP/1.1 204 "].contains(&&words[..13]), "{words}");
    words.starts_with("HTTP/1.1 204 ")
}

#[test]
fn so_many_deleted_channels_are_remembered_and_then_the_oldest_is_forgotten() {
    let mut crowd = limited(9, |limits| limits.deleted_channels_max = 2);
    let (a, b) = (deleted(&mut crowd, "a"), deleted(&mut crowd, "b"));
    assert!(stays_away(&mut crowd, "a", &a) && stays_away(&mut crowd, "b", &b), "at the bound");
    let c = deleted(&mut crowd, "c");
    assert!(!stays_away(&mut crowd, "a", &a), "one past it: it subscribes again");
    assert!(stays_away(&mut crowd, "b", &b) && stays_away(&mut crowd, "c", &c));
    crowd.server.verify();
}

#[test]
fn a_deleted_channel_is_remembered_for_so_long() {
    let mut crowd = limited(9, |limits| limits.deleted_seconds = 5);
    let a = deleted(&mut crowd, "a");
    crowd.wait(2);
    let b = deleted(&mut crowd, "b");
    crowd.now.ms += 2_999;
    assert!(stays_away(&mut crowd, "a", &a), "a moment before");
    crowd.now.ms += 1;
    assert!(!stays_away(&mut crowd, "a", &a), "five seconds after");
    assert!(stays_away(&mut crowd, "b", &b), "each has its own time");
    crowd.wait(2);
    assert!(!stays_away(&mut crowd, "b", &b));
}
