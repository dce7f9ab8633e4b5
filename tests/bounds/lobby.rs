//! Who comes when all places are taken, and what each is told.

use super::crowd::{Crowd, get, lasting, upgrade};
use super::{SSE, comes, limited, told, wires};

const COMET: &str = "/ws/sesion=k&myid=0&devid=1&v=4.08&uuid=&api=js";

/// The number after `name`, and the text with a `#` in its place.
pub fn without_number(text: &str, name: &str) -> (u64, String) {
    let at = text.find(name).unwrap_or_else(|| panic!("no {name} in {text}")) + name.len();
    let digits = text[at..].chars().take_while(char::is_ascii_digit).count();
    let number = text[at..at + digits].parse().expect("a number");
    (number, format!("{}#{}", &text[..at], &text[at + digits..]))
}

/// What an EventSource is told: 200, a time by chance, and the end. Returns that time.
pub fn is_told_to_come_back(words: &str, origin: &str) -> u64 {
    let (again_ms, rest) = without_number(words, "retry: ");
    let (length, rest) = without_number(&rest, "Content-Length: ");
    let expect = format!(
        "HTTP/1.1 200 OK\r\nDate: Fri, 21 Nov 2025 01:53:20 GMT\r\nConnection: close\r\n\
         Cache-Control: no-store\r\n{origin}Content-Type: text/event-stream; charset=utf-8\r\n\
         X-Accel-Buffering: no\r\nContent-Length: #\r\n\r\nretry: #\n\n"
    );
    assert_eq!(rest, expect);
    assert_eq!(length as usize, words.len() - words.find("\r\n\r\n").unwrap() - 4);
    assert!((5_000..=30_000).contains(&again_ms), "{again_ms}");
    again_ms
}

/// What everybody else is told.
pub fn is_refused(words: &str, explain: &str) {
    let (again, rest) = without_number(words, "Retry-After: ");
    let body = format!("{{\"error\":\"{explain}\"}}\n");
    let expect = format!(
        "HTTP/1.1 503 Service Unavailable\r\nDate: Fri, 21 Nov 2025 01:53:20 GMT\r\n\
         Connection: close\r\nCache-Control: no-store\r\nContent-Type: application/json\r\n\
         Retry-After: #\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(rest, expect);
    assert!((5..=30).contains(&again), "{again}");
}

const TAKEN: &str = "all places are taken: try again later";

/// A server with one place, which is taken.
fn full(most: usize) -> Crowd {
    let mut crowd = limited(most, |limits| limits.connections_max = 1);
    crowd.connect(1);
    assert!(told(&mut crowd, 1, upgrade("/channels/a")).starts_with("HTTP/1.1 101"));
    crowd
}

#[test]
fn everybody_is_told_in_the_words_of_what_was_asked() {
    let mut crowd = full(20);
    let ask = |crowd: &mut Crowd, number: u32, bytes: &'static [u8]| {
        crowd.connect(number);
        assert!(wires::is_open(number), "it may say what it wants");
        let words = told(crowd, number, bytes);
        crowd.leave(number);
        assert!(!wires::is_open(number));
        words
    };
    let comet_sse = get(COMET, "Accept: text/event-stream\r\n");
    let comet_poll = get(&format!("{COMET}&transport=poll"), "");
    for bytes in [
        upgrade("/channels/a"),
        get("/channels/a?transport=poll", ""),
        get("/channels/a?transport=stream", ""),
        get("/channels/a", ""),
        get("/stats", ""),
        upgrade("/echo"),
        upgrade(COMET),
        comet_poll,
        &b"POST /channels/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx"[..],
    ] {
        is_refused(&ask(&mut crowd, 2, bytes), TAKEN);
    }
    let mut times: Vec<u64> = Vec::new();
    for bytes in [get("/channels/a", SSE), get("/channels/a?transport=sse", ""), comet_sse] {
        times.push(is_told_to_come_back(&ask(&mut crowd, 2, bytes), ""));
    }
    times.dedup();
    assert!(times.len() > 1, "not all at once: {times:?}");
    let page = format!("{SSE}Origin: http://localhost:81\r\n");
    let origin = "Access-Control-Allow-Origin: http://localhost:81\r\n\
                  Access-Control-Expose-Headers: ETag\r\nVary: Origin\r\n";
    is_told_to_come_back(&ask(&mut crowd, 2, get("/channels/a", &page)), origin);
    // What would be refused anyway is, and nothing follows.
    assert!(ask(&mut crowd, 2, get("/nothing", "")).starts_with("HTTP/1.1 404 "));
    assert!(ask(&mut crowd, 2, b"nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
    let twice = get("/channels/a", "").repeat(2);
    is_refused(&ask(&mut crowd, 2, lasting(twice)), TAKEN);
    crowd.server.verify();
    assert_eq!(crowd.server.connections(), 1);
    let stats = told(&mut crowd, 1, b"");
    assert_eq!(stats, "", "who has a place notices nothing");
}

#[test]
fn a_head_comes_in_pieces_in_the_lobby_too_but_not_for_ever() {
    let mut crowd = full(9);
    crowd.connect(2);
    for byte in get("/channels/a", SSE) {
        assert!(wires::is_open(2));
        wires::overhear(2);
        crowd.send(2, lasting(vec![*byte]));
    }
    crowd.settle();
    is_told_to_come_back(&String::from_utf8(wires::overheard()).unwrap(), "");
    for (number, half) in [(3, &b"GET /channels"[..]), (4, b"")] {
        crowd.connect(number);
        assert_eq!(told(&mut crowd, number, half), "");
        wires::overhear(number);
        crowd.wait(9);
        assert_eq!(wires::overheard(), b"");
        wires::overhear(number);
        crowd.wait(2);
        let words = String::from_utf8(wires::overheard()).unwrap();
        match half {
            b"" => assert_eq!(words, "", "who asks for nothing is told nothing"),
            _ => assert!(words.starts_with("HTTP/1.1 503 ") && words.contains(TAKEN), "{words}"),
        }
    }
    crowd.wait(3);
    assert!((2..=4).all(|number| !wires::is_open(number)), "who does not close is closed");
    crowd.server.verify();
}

#[test]
fn the_lobby_is_small_and_who_finds_it_full_is_told_at_the_door() {
    let mut crowd = full(40);
    for number in 2..=17 {
        crowd.connect(number);
        assert!(wires::is_open(number), "{number}");
    }
    wires::overhear(18);
    crowd.connect(18);
    assert!(!wires::is_open(18), "one past it");
    is_refused(&String::from_utf8(wires::overheard()).unwrap(), TAKEN);
    for (number, bytes) in [(19, get("/channels/a", SSE)), (20, get("/channels/a", ""))] {
        wires::overhear(number);
        crowd.connect_saying(number, bytes);
        assert!(!wires::is_open(number));
        let words = String::from_utf8(wires::overheard()).unwrap();
        match number {
            19 => drop(is_told_to_come_back(&words, "")),
            _ => is_refused(&words, TAKEN),
        }
    }
    crowd.server.verify();
    // Each has its place until it is gone, told or not.
    told(&mut crowd, 2, get("/channels/a", ""));
    crowd.connect(21);
    assert!(!wires::is_open(21));
    crowd.leave(2);
    crowd.connect(22);
    assert!(wires::is_open(22));
    crowd.leave(1);
    crowd.connect(23);
    assert!(told(&mut crowd, 23, get("/channels/a", SSE)).contains("retry: 2000\n"), "a place");
}

#[test]
fn who_comes_too_often_from_one_address_has_no_place_in_the_lobby() {
    let mut crowd = limited(9, |limits| {
        limits.connections_max = 1;
        limits.connections_per_address_max = 2;
    });
    assert!(comes(&mut crowd, 1, "203.0.113.7"));
    assert!(comes(&mut crowd, 2, "203.0.113.7"), "in the lobby");
    assert!(!comes(&mut crowd, 3, "203.0.113.7"));
    assert!(comes(&mut crowd, 4, "203.0.113.8"));
    crowd.server.verify();
}
