//! Requests made of known parts, and what no two readers may understand in two ways.

use encke::proto::http1::{
    Body, HeaderSpace, Limits, Method, Version, parse_head, reason, write_header, write_status,
};

use crate::Place;
use crate::oracles::http_head::check;
use crate::support::random::{Random, rounds};

const LIMITS: Limits = Limits { head_bytes_max: 4_096, target_bytes_max: 1_024 };

/// A request, and what it must be read as.
struct Made {
    /// Request line and field lines, each without its end.
    lines: Vec<String>,
    method: Method,
    version: Version,
    path: String,
    query: String,
    host: Option<String>,
    body: Body,
    keep_alive: bool,
}

fn made(random: &mut Random) -> Made {
    let methods = [Method::Get, Method::Head, Method::Post, Method::Put, Method::Delete];
    let method = random.pick(&methods);
    let version = if random.one_in(4) { Version::Http10 } else { Version::Http11 };
    let path = format!("/{}", visible(random, b"?#"));
    let query = if random.one_in(2) { visible(random, b"#") } else { String::new() };
    let mark = if query.is_empty() { "" } else { "?" };
    let host = random.pick(&["a", "example.com:80", "[::1]:8080", "127.0.0.1"]).to_owned();
    let target = match random.one_in(3) {
        true => format!("http://{host}{path}{mark}{query}"),
        false => format!("{path}{mark}{query}"),
    };
    let number = if version == Version::Http11 { "1.1" } else { "1.0" };
    let mut fields = Vec::new();
    let has_host = version == Version::Http11 || random.one_in(2);
    if has_host {
        fields.push(field("Host", &host, random));
    }
    let length = random.below(100_000) as u64;
    let body = match random.below(3) {
        0 => Body::None,
        1 => {
            fields.push(field("Content-Length", &length.to_string(), random));
            Body::Length(length)
        }
        _ if version == Version::Http10 => Body::None,
        _ => {
            fields.push(field("Transfer-Encoding", random.pick(&["chunked", "Chunked"]), random));
            Body::Chunked
        }
    };
    let mut keep_alive = version == Version::Http11;
    if random.one_in(3) {
        keep_alive = random.one_in(2);
        let option = if keep_alive { "x, Keep-Alive" } else { "close,x" };
        fields.push(field("Connection", option, random));
    }
    for _ in 0..random.below(4) {
        let value = visible(random, b"");
        fields.push(field(random.pick(&["X-A", "Accept", "Cookie", "User-Agent"]), &value, random));
    }
    let mut lines = vec![format!("{} {target} HTTP/{number}", method.as_str())];
    while !fields.is_empty() {
        lines.push(fields.swap_remove(random.below(fields.len())));
    }
    let host = (has_host || target.starts_with("http")).then_some(host);
    Made { lines, method, version, path, query, host, body, keep_alive }
}

/// Visible ASCII, without these.
fn visible(random: &mut Random, without: &[u8]) -> String {
    let len = 1 + random.below(20);
    let bytes = (0..len).map(|_| b'!' + random.below(94) as u8);
    bytes.filter(|byte| !without.contains(byte)).map(char::from).collect()
}

/// A field line in any case, with white space where it may be.
fn field(name: &str, value: &str, random: &mut Random) -> String {
    let mut name = name.to_owned();
    if random.one_in(3) {
        name.make_ascii_lowercase();
    }
    let (before, after) = (random.pick(&["", " ", "\t "]), random.pick(&["", " ", "\t"]));
    format!("{name}:{before}{value}{after}")
}

fn joined(lines: &[String], end: &str) -> Vec<u8> {
    format!("{}{end}{end}", lines.join(end)).into_bytes()
}

#[test]
fn requests_are_read_as_they_were_made() {
    for seed in 0..rounds(600) {
        let mut random = Random::new(seed);
        let made = made(&mut random);
        let head_bytes = joined(&made.lines, random.pick(&["\r\n", "\n"]));
        let input = [&head_bytes[..], b"body or the next request\n\n"].concat();
        let _place = Place { seed, input: &input };
        check(&input);
        let mut space = HeaderSpace::new();
        let (head, used) = parse_head(&input, &mut space, &LIMITS).unwrap().expect("all there");
        assert_eq!(used, head_bytes.len());
        assert_eq!((head.method, head.version), (made.method, made.version));
        assert_eq!((head.path, head.query), (made.path.as_bytes(), made.query.as_bytes()));
        assert_eq!(head.host, made.host.as_deref().map(str::as_bytes));
        assert_eq!((head.body, head.keep_alive), (made.body, made.keep_alive));
    }
}

/// Lines that would let two readers see two bodies, or two requests.
const POISON: [&str; 16] = [
    "Content-Length : 5",
    "Content-Length: +5",
    "Content-Length: 5, 5",
    "Content-Length: 0x5",
    "Content-Length: 5 5",
    "Content-Length:",
    "Content-Length: 18446744073709551616",
    "Content-\u{0}Length: 5",
    " Content-Length: 5",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding:\u{b}chunked",
    "Transfer-Encoding : chunked",
    "X: y\rTransfer-Encoding: chunked",
    "Host: another",
];

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    for seed in 0..rounds(600) {
        let mut random = Random::new(seed);
        let made = made(&mut random);
        let mut lines = made.lines;
        let at = 1 + random.below(lines.len());
        let poison = match (made.body, random.one_in(4)) {
            (Body::Length(_) | Body::Chunked, true) => {
                random.pick(&["content-length: 5", "transfer-encoding: chunked"])
            }
            _ => random.pick(&POISON),
        };
        let is_only_host = poison.starts_with("Host") && made.version == Version::Http10;
        lines.insert(at, poison.to_owned());
        let input = joined(&lines, random.pick(&["\r\n", "\n"]));
        let _place = Place { seed, input: &input };
        check(&input);
        let answer =
            parse_head(&input, &mut HeaderSpace::new(), &LIMITS).map(|head| head.is_some());
        assert!(answer.is_err() || is_only_host, "{poison:?}: {answer:?}");
    }
}

/// Whatever stands in a value, the head has as many lines as were written.
#[test]
fn responses_have_the_lines_that_were_written() {
    for seed in 0..rounds(300) {
        let mut random = Random::new(seed);
        let status = random.pick(&[200, 204, 404, 503]);
        let mut head = Vec::new();
        write_status(&mut head, status);
        let values: Vec<_> = (0..random.below(4)).map(|_| random.bytes(10)).collect();
        values.iter().for_each(|value| write_header(&mut head, "X-A", value));
        let _place = Place { seed, input: &head };
        let lines: Vec<_> = head.split(|byte| *byte == b'\n').collect();
        let [first, lines @ .., b""] = &lines[..] else { panic!("no line end") };
        assert_eq!(*first, format!("HTTP/1.1 {status} {}\r", reason(status)).as_bytes());
        assert_eq!(lines.len(), values.len());
        for line in lines {
            assert!(line.starts_with(b"X-A: ") && line.ends_with(b"\r") && !line.contains(&0));
        }
    }
}
