//! Request heads: the same answer however they arrive, and never two ways to read one.

use encke::dialects::comet_js::connect;
use encke::dialects::native;
use encke::proto::annotate;
use encke::proto::annotate::http::Carries;
use encke::proto::http1::{Body, Error, Head, HeaderSpace, Limits, Version, parse_head};
use encke::proto::{forwarded, ws_handshake};

const LIMITS: [Limits; 2] = [
    Limits { head_bytes_max: 4_096, target_bytes_max: 1_024 },
    Limits { head_bytes_max: 60, target_bytes_max: 20 },
];
/// Of a longer input not every beginning is looked at.
const BEGINNINGS_MAX: usize = 300;

pub fn check(input: &[u8]) {
    for limits in &LIMITS {
        check_beginnings(input, limits);
    }
    check_lines(&annotate::http::request(input));
    for carries in [Carries::Bodies, Carries::Frames, Carries::Events, Carries::Chunks] {
        check_lines(&annotate::http::sent(input, carries));
    }
    let mut space = HeaderSpace::new();
    if let Ok(Some((head, used))) = parse_head(input, &mut space, &LIMITS[0]) {
        check_obvious(&input[..used], &head);
        check_dialects(&head);
    }
}

/// The first error and the first head that a beginning shows stay for all longer ones.
fn check_beginnings(input: &[u8], limits: &Limits) {
    let last = answer(input, limits);
    if input.len() >= limits.head_bytes_max {
        assert_ne!(last, Ok(None), "who has said so much has said it all");
    }
    let step = input.len().div_ceil(BEGINNINGS_MAX).max(1);
    for end in (0..input.len()).step_by(step) {
        match answer(&input[..end], limits) {
            Ok(None) => {}
            Ok(Some(size)) => {
                assert!(size <= end);
                assert_eq!(last, Ok(Some(size)), "a head stays one: {}", input.escape_ascii());
            }
            error => {
                assert_eq!(last, error, "an error stays: {} at {end}", input.escape_ascii());
            }
        }
    }
    if let Ok(Some(size)) = last {
        let before = answer(&input[..size - 1], limits);
        assert_eq!(before, Ok(None), "no head before its last byte: {}", input.escape_ascii());
    }
}

fn answer(input: &[u8], limits: &Limits) -> Result<Option<usize>, Error> {
    let mut space = HeaderSpace::new();
    let head = parse_head(input, &mut space, limits)?;
    Ok(head.map(|(_, size)| size))
}

/// What every reader of an accepted head must agree on, looked up line by line.
fn check_obvious(text: &[u8], head: &Head<'_>) {
    let shown = || text.escape_ascii().to_string();
    assert_eq!(head.size(), text.len());
    let crlf = text.windows(2).filter(|end| end == b"\r\n").count();
    let lf = text.iter().filter(|&&byte| byte == b'\n').count();
    let cr = text.iter().filter(|&&byte| byte == b'\r').count();
    let leading = text.iter().take_while(|byte| b"\r\n".contains(byte)).count();
    let own = &text[leading..];
    let own_crlf = own.windows(2).filter(|end| end == b"\r\n").count();
    let own_lf = own.iter().filter(|&&byte| byte == b'\n').count();
    assert!(own_crlf == own_lf || own_crlf == 0, "its lines end alike: {}", shown());
    assert!(cr == crlf && crlf <= lf, "no CR stands alone: {}", shown());
    assert!(!text.contains(&0), "{}", shown());

    let (mut lengths, mut encodings, mut hosts) = (Vec::new(), Vec::new(), 0);
    for line in own.split(|&byte| byte == b'\n').skip(1) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            assert!(line.is_empty(), "every line has a name: {}", shown());
            continue;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let is_plain = |byte: &u8| byte.is_ascii_graphic();
        assert!(!name.is_empty() && name.iter().all(is_plain), "no line goes on: {}", shown());
        match &*name.to_ascii_lowercase() {
            b"content-length" => lengths.push(value),
            b"transfer-encoding" => encodings.push(value),
            b"host" => hosts += 1,
            _ => {}
        }
    }
    assert!(hosts == 1 || hosts == 0 && head.version == Version::Http10, "{}", shown());
    match head.body {
        Body::None => assert!(lengths.is_empty() && encodings.is_empty(), "{}", shown()),
        Body::Length(length) => {
            assert!(lengths.len() == 1 && encodings.is_empty(), "two lengths: {}", shown());
            let digits = String::from_utf8(lengths[0].to_vec()).expect("digits");
            assert!(digits.bytes().all(|byte| byte.is_ascii_digit()), "{}", shown());
            assert_eq!(digits.parse(), Ok(length), "{}", shown());
        }
        Body::Chunked => {
            assert!(lengths.is_empty() && encodings.len() == 1, "two lengths: {}", shown());
            assert!(encodings[0].eq_ignore_ascii_case(b"chunked"), "{}", shown());
            assert_eq!(head.version, Version::Http11, "{}", shown());
        }
    }
    let is_visible = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_graphic);
    assert!(is_visible(head.path) && is_visible(head.query), "{}", shown());
    assert!(head.path.starts_with(b"/") || head.path == b"*", "{}", shown());
}

/// Whatever looks at a head next may say no, but must say something.
fn check_dialects(head: &Head<'_>) {
    let below = head.path.strip_prefix(b"/channels");
    let request = native::parse(head, below.unwrap_or(head.path), 8);
    if let Err(refusal) = request {
        assert!((400..500).contains(&refusal.status) && !refusal.explain.is_empty());
    }
    let below = head.path.strip_prefix(b"/users");
    let _ = native::parse_user(head, below.unwrap_or(head.path));
    let _ = native::token(head);
    let _ = (connect::is_path(head.path), connect::parse(head.path, 8));
    for node in forwarded::nodes(head) {
        let _ = forwarded::address(node);
    }
    let _ = head.accepts("text/event-stream");
    match ws_handshake::check(head) {
        Ok(handshake) => assert!(head.body.is_empty() && handshake.key.ends_with(b"==")),
        Err(error) => assert!((400..500).contains(&error.status())),
    }
}

/// Lines for a log: nothing in them can begin another line or speak to a terminal.
pub fn check_lines(lines: &[String]) {
    for line in lines {
        assert!(!line.contains(char::is_control), "a line for eyes: {line:?}");
    }
}
