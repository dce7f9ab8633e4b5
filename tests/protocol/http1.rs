//! Request heads, and the pieces of response heads.

use crate::support::splits::splits;
use encke::proto::http1::{
    Body, EMPTY_LINES_MAX, Error, HEADERS_MAX, HeaderSpace, Limits, Method, Version, parse_head,
    reason, write_date, write_header, write_number, write_status,
};

const LIMITS: Limits = Limits { head_bytes_max: 4_096, target_bytes_max: 1_024 };

/// All of a head that has a meaning.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Wanted {
    method: Method,
    version: Version,
    path: &'static str,
    query: &'static str,
    host: Option<&'static str>,
    keep_alive: bool,
    body: Body,
    expects_continue: bool,
}

const GET: Wanted = Wanted {
    method: Method::Get,
    version: Version::Http11,
    path: "/",
    query: "",
    host: Some("a"),
    keep_alive: true,
    body: Body::None,
    expects_continue: false,
};
const GET10: Wanted = Wanted { version: Version::Http10, host: None, keep_alive: false, ..GET };
const POST: Wanted = Wanted { method: Method::Post, ..GET };
const OPTIONS: Wanted = Wanted { method: Method::Options, ..GET };

struct Row {
    name: &'static str,
    spec: &'static str,
    input: &'static str,
    expect: Result<Wanted, Error>,
}

type Found = Result<Option<(Wanted, usize)>, Error>;

/// One call, its answer turned into something that can be compared.
fn parse(input: &[u8], limits: &Limits) -> Found {
    let leak = |bytes: &[u8]| &*String::from_utf8(bytes.to_vec()).unwrap().leak();
    let mut space = HeaderSpace::new();
    let Some((head, used)) = parse_head(input, &mut space, limits)? else { return Ok(None) };
    assert_eq!(head.size(), used);
    let wanted = Wanted {
        method: head.method,
        version: head.version,
        path: leak(head.path),
        query: leak(head.query),
        host: head.host.map(leak),
        keep_alive: head.keep_alive,
        body: head.body,
        expects_continue: head.expects_continue,
    };
    Ok(Some((wanted, used)))
}

/// Whole, in all splits, doubled, and with a tail: always the same answer.
fn check(name: &str, input: &[u8], limits: &Limits, expect: &Result<Wanted, Error>) {
    let expect: Found = expect.clone().map(|wanted| Some((wanted, input.len())));
    assert_eq!(parse(input, limits), expect, "{name}: whole");
    for pieces in splits(input) {
        let mut received = Vec::new();
        let mut answer = Ok(None);
        for piece in &pieces {
            received.extend_from_slice(piece);
            let now = parse(&received, limits);
            match &answer {
                // Nothing is called complete before its last byte.
                Ok(None) if received.len() < input.len() => {
                    assert!(!matches!(now, Ok(Some(_))), "{name}")
                }
                Ok(_) => {}
                // What was wrong stays wrong in the same way.
                Err(_) => assert_eq!(now, answer, "{name}: {} bytes", received.len()),
            }
            answer = now;
        }
        assert_eq!(answer, expect, "{name}: {} pieces", pieces.len());
    }
    assert_eq!(parse(&[input, input].concat(), limits), expect, "{name}: doubled");
    for tail in [&b"body"[..], b"\n", b"\r\n\r\n", b"\0\xff GET / HTTP/1.1\n"] {
        assert_eq!(parse(&[input, tail].concat(), limits), expect, "{name}: tail {tail:?}");
    }
}

fn check_rows(rows: &[Row]) {
    for row in rows {
        let name = format!("{} ({})", row.name, row.spec);
        check(&name, row.input.as_bytes(), &LIMITS, &row.expect);
    }
}

fn post(lines: &str) -> &'static str {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n").leak()
}

fn get(lines: &str) -> &'static str {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n").leak()
}

fn host(value: &str) -> &'static str {
    format!("GET / HTTP/1.1\r\nHost: {value}\r\n\r\n").leak()
}

fn get10(lines: &str) -> &'static str {
    format!("GET / HTTP/1.0\r\n{lines}\r\n\r\n").leak()
}

/// Rows: name, specification, input => answer.
macro_rules! rows {
    ($($name:literal, $spec:literal, $input:expr => $expect:expr;)*) => {
        check_rows(&[$(Row { name: $name, spec: $spec, input: $input, expect: $expect }),*])
    };
}

#[test]
fn request_lines() {
    rows! {
        "the RFC's example", "RFC 9112 §3.2.1",
            "GET /where?q=now HTTP/1.1\r\nHost: www.example.org\r\n\r\n"
            => Ok(Wanted { path: "/where", query: "q=now", host: Some("www.example.org"), ..GET });
        "every method: HEAD", "RFC 9110 §9.3.2", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
            => Ok(Wanted { method: Method::Head, ..GET });
        "every method: PUT", "RFC 9110 §9.3.4", "PUT / HTTP/1.1\r\nHost: a\r\n\r\n"
            => Ok(Wanted { method: Method::Put, ..GET });
        "every method: DELETE", "RFC 9110 §9.3.5", "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n"
            => Ok(Wanted { method: Method::Delete, ..GET });
        "every method: TRACE", "RFC 9110 §9.3.8", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"
            => Ok(Wanted { method: Method::Trace, ..GET });
        "every method: PATCH", "RFC 5789 §2", "PATCH / HTTP/1.1\r\nHost: a\r\n\r\n"
            => Ok(Wanted { method: Method::Patch, ..GET });
        "HTTP/1.0", "RFC 9112 §2.3", "GET / HTTP/1.0\r\n\r\n" => Ok(GET10);
        "empty lines in front", "RFC 9112 §2.2", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
            => Ok(GET);
        "LF alone, throughout", "RFC 9112 §2.2", "\nGET / HTTP/1.1\nHost: a\n\n" => Ok(GET);
        "signs that browsers leave alone", "RFC 9112 §3.2",
            "GET /a|b?\"^{} HTTP/1.1\r\nHost: a\r\n\r\n"
            => Ok(Wanted { path: "/a|b", query: "\"^{}", ..GET });
        "a second question mark", "RFC 3986 §3.4", "GET /?a?b HTTP/1.1\r\nHost: a\r\n\r\n"
            => Ok(Wanted { query: "a?b", ..GET });
        "an empty query", "RFC 3986 §3.4", "GET /? HTTP/1.1\r\nHost: a\r\n\r\n" => Ok(GET);
        "two slashes are a path", "RFC 9112 §3.2.1", "GET //b/c HTTP/1.1\r\nHost: a\r\n\r\n"
            => Ok(Wanted { path: "//b/c", ..GET });

        "garbage", "RFC 9112 §3", "\x16\x03\x01\x02" => Err(Error::BadRequestLine);
        "unknown method", "RFC 9110 §9.1", "BREW /pot HTTP/1.1\r\n" => Err(Error::UnknownMethod);
        "lower case method", "RFC 9110 §9.1", "get / HTTP/1.1\r\n" => Err(Error::UnknownMethod);
        "no method", "RFC 9112 §3", " / HTTP/1.1\r\n" => Err(Error::BadRequestLine);
        "no token", "RFC 9112 §3.1", "G@T / HTTP/1.1\r\n" => Err(Error::BadRequestLine);
        "tab for a space", "RFC 9112 §3", "GET\t/ HTTP/1.1\r\n" => Err(Error::BadRequestLine);
        "two spaces", "RFC 9112 §3", "GET  / HTTP/1.1\r\n" => Err(Error::BadTarget);
        "space in the target", "RFC 9112 §3.2", "GET /a b HTTP/1.1\r\n"
            => Err(Error::BadRequestLine);
        "space behind the version", "RFC 9112 §3", "GET / HTTP/1.1 \r\n"
            => Err(Error::BadRequestLine);
        "no version", "RFC 9112 §3", "GET /\r\n" => Err(Error::BadTarget);
        "empty version", "RFC 9112 §3", "GET / \r\n" => Err(Error::BadRequestLine);
        "version in lower case", "RFC 9112 §2.3", "GET / http/1.1\r\n"
            => Err(Error::BadRequestLine);
        "version of no digits", "RFC 9112 §2.3", "GET / HTTP/1.x\r\n" => Err(Error::BadRequestLine);
        "version of three digits", "RFC 9112 §2.3", "GET / HTTP/1.10\r\n"
            => Err(Error::BadRequestLine);
        "preface of HTTP/2", "RFC 9113 §3.4", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            => Err(Error::UnsupportedVersion);
        "partial, version seen", "RFC 9110 §15.6.6", "GET / HTTP/2"
            => Err(Error::UnsupportedVersion);
        "HTTP/0.9", "RFC 9110 §15.6.6", "GET / HTTP/0.9\r\n" => Err(Error::UnsupportedVersion);
        "HTTP/1.2", "RFC 9110 §15.6.6", "GET / HTTP/1.2\r\n" => Err(Error::UnsupportedVersion);
        "CR alone", "RFC 9112 §2.2", "GET / HTTP/1.1\rHost: a\r\n\r\n" => Err(Error::BadLineEnd);
        "CR alone in front", "RFC 9112 §2.2", "\r\rGET / HTTP/1.1\r\n" => Err(Error::BadLineEnd);
        "space in front", "RFC 9112 §2.2", "\r\n GET / HTTP/1.1\r\n" => Err(Error::BadRequestLine);
        "fragment", "RFC 9112 §3.2", "GET /a#b HTTP/1.1\r\n" => Err(Error::BadTarget);
        "NUL in the target", "RFC 9112 §3.2", "GET /\0 HTTP/1.1\r\n" => Err(Error::BadTarget);
        "DEL in the target", "RFC 9112 §3.2", "GET /\x7f HTTP/1.1\r\n" => Err(Error::BadTarget);
        "UTF-8 in the target", "RFC 3986 §2", "GET /ä HTTP/1.1\r\n" => Err(Error::BadTarget);
    }
}

#[test]
fn target_forms() {
    rows! {
        "absolute-form, the RFC's", "RFC 9112 §3.2.2",
            "GET http://www.example.org/pub/WWW/TheProject.html HTTP/1.1\r\nHost: a\r\n\r\n"
            => Ok(Wanted {
                path: "/pub/WWW/TheProject.html", host: Some("www.example.org"), ..GET
            });
        "absolute-form, other cases", "RFC 3986 §3.1",
            "GET HTTPS://b:8/?x=/ HTTP/1.1\r\nHost: a\r\n\r\n"
            => Ok(Wanted { query: "x=/", host: Some("b:8"), ..GET });
        "absolute-form, empty path", "RFC 9110 §4.2.3", "GET http://b?x HTTP/1.1\r\nHost: a\r\n\r\n"
            => Ok(Wanted { query: "x", host: Some("b"), ..GET });
        "absolute-form in HTTP/1.0", "RFC 9112 §3.2.2", "GET http://b/ HTTP/1.0\r\n\r\n"
            => Ok(Wanted { host: Some("b"), ..GET10 });
        "asterisk-form, the RFC's", "RFC 9112 §3.2.4",
            "OPTIONS * HTTP/1.1\r\nHost: www.example.org:8001\r\n\r\n"
            => Ok(Wanted { path: "*", host: Some("www.example.org:8001"), ..OPTIONS });
        "asterisk from absolute-form, the RFC's", "RFC 9112 §3.2.4",
            "OPTIONS http://www.example.org:8001 HTTP/1.1\r\nHost: a\r\n\r\n"
            => Ok(Wanted { path: "*", host: Some("www.example.org:8001"), ..OPTIONS });
        "OPTIONS of a path", "RFC 9112 §3.2.1", "OPTIONS /x HTTP/1.1\r\nHost: a\r\n\r\n"
            => Ok(Wanted { path: "/x", ..OPTIONS });

        "authority-form, the RFC's", "RFC 9112 §3.2.3",
            "CONNECT www.example.com:80 HTTP/1.1\r\nHost: www.example.com\r\n\r\n"
            => Err(Error::Connect);
        "CONNECT of a path", "RFC 9110 §9.3.6", "CONNECT / HTTP/1.1\r\n" => Err(Error::BadTarget);
        "CONNECT without port", "RFC 9110 §9.3.6", "CONNECT www.example.com HTTP/1.1\r\n"
            => Err(Error::BadTarget);
        "authority-form of another method", "RFC 9112 §3.2.3", "GET www.example.com:80 HTTP/1.1\r\n"
            => Err(Error::BadTarget);
        "asterisk of another method", "RFC 9112 §3.2.4", "GET * HTTP/1.1\r\n"
            => Err(Error::BadTarget);
        "asterisk and more", "RFC 9112 §3.2.4", "OPTIONS *a HTTP/1.1\r\n" => Err(Error::BadTarget);
        "no slash", "RFC 9112 §3.2.1", "GET index.html HTTP/1.1\r\n" => Err(Error::BadTarget);
        "query alone", "RFC 9112 §3.2.1", "GET ?a HTTP/1.1\r\n" => Err(Error::BadTarget);
        "another scheme", "RFC 9110 §4.2", "GET ftp://a/ HTTP/1.1\r\n" => Err(Error::BadTarget);
        "empty host", "RFC 9110 §4.2.1", "GET http:///a HTTP/1.1\r\nHost:\r\n\r\n"
            => Err(Error::BadTarget);
        "user information", "RFC 9110 §4.2.4", "GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n"
            => Err(Error::BadTarget);
    }
}

#[test]
fn field_lines() {
    rows! {
        "white space around the value", "RFC 9112 §5.1", host("\t a \t") => Ok(GET);
        "no white space", "RFC 9112 §5.1", "GET / HTTP/1.1\r\nhOST:a\r\n\r\n" => Ok(GET);
        "empty value", "RFC 9110 §5.5", get("X:") => Ok(GET);
        "bytes above ASCII", "RFC 9110 §5.5", get("X: ä") => Ok(GET);

        "space before the colon", "RFC 9112 §5.1", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"
            => Err(Error::BadHeaderName);
        "tab before the colon", "RFC 9112 §5.1", "GET / HTTP/1.1\r\nHost\t: a\r\n\r\n"
            => Err(Error::BadHeaderName);
        "obsolete folding", "RFC 9112 §5.2", get("X: a\r\n b") => Err(Error::BadHeaderName);
        "white space before the first", "RFC 9112 §2.2", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"
            => Err(Error::BadHeaderName);
        "no colon", "RFC 9112 §5", "GET / HTTP/1.1\r\nHost\r\n\r\n" => Err(Error::BadHeaderName);
        "no name", "RFC 9112 §5", "GET / HTTP/1.1\r\n: a\r\n\r\n" => Err(Error::BadHeaderName);
        "name above ASCII", "RFC 9110 §5.1", "GET / HTTP/1.1\r\nHöst: a\r\n\r\n"
            => Err(Error::BadHeaderName);
        "NUL in a value", "RFC 9110 §5.5", "GET / HTTP/1.1\r\nX: a\0b\r\n\r\n"
            => Err(Error::BadHeaderValue);
        "CR in a value", "RFC 9112 §2.2", "GET / HTTP/1.1\r\nX: a\rb\r\n\r\n"
            => Err(Error::BadHeaderValue);
        "CR CR LF", "RFC 9112 §2.2", "GET / HTTP/1.1\r\nX: a\r\r\n\r\n"
            => Err(Error::BadHeaderValue);
        "other controls", "RFC 9110 §5.5", "GET / HTTP/1.1\r\nX: a\x0bb\r\n\r\n"
            => Err(Error::BadHeaderValue);
        "LF among CRLF", "RFC 9112 §2.2", post("X: b\nContent-Length: 5") => Err(Error::BadLineEnd);
        "CRLF among LF", "RFC 9112 §2.2", "GET / HTTP/1.1\nHost: a\r\n\n" => Err(Error::BadLineEnd);
        "the last line differs", "RFC 9112 §2.2", "GET / HTTP/1.1\r\nHost: a\r\n\n"
            => Err(Error::BadLineEnd);
        "CR alone at the end", "RFC 9112 §2.2", "GET / HTTP/1.1\r\nHost: a\r\n\rX"
            => Err(Error::BadLineEnd);
    }
}

#[test]
fn hosts() {
    rows! {
        "name and port", "RFC 9110 §7.2", host("a-b_c.d:80")
            => Ok(Wanted { host: Some("a-b_c.d:80"), ..GET });
        "empty port", "RFC 3986 §3.2.3", host("a:") => Ok(Wanted { host: Some("a:"), ..GET });
        "IPv4", "RFC 3986 §3.2.2", host("127.0.0.1:8080")
            => Ok(Wanted { host: Some("127.0.0.1:8080"), ..GET });
        "IPv6", "RFC 3986 §3.2.2", host("[::1]:8080")
            => Ok(Wanted { host: Some("[::1]:8080"), ..GET });
        "escape", "RFC 3986 §3.2.2", host("a%20b") => Ok(Wanted { host: Some("a%20b"), ..GET });
        "empty beside absolute-form", "RFC 9112 §3.2.2", "GET http://a/ HTTP/1.1\r\nHost:\r\n\r\n"
            => Ok(Wanted { host: Some("a"), ..GET });
        "in HTTP/1.0", "RFC 9112 §3.2", get10("Host: a") => Ok(Wanted { host: Some("a"), ..GET10 });

        "empty", "RFC 9110 §4.2.1", "GET / HTTP/1.1\r\nHost:\r\n\r\n" => Err(Error::BadHost);
        "empty in HTTP/1.0", "RFC 9110 §4.2.1", get10("Host: ") => Err(Error::BadHost);
        "missing", "RFC 9112 §3.2", "GET / HTTP/1.1\r\n\r\n" => Err(Error::MissingHost);
        "missing beside absolute-form", "RFC 9112 §3.2.2", "GET http://a/ HTTP/1.1\r\n\r\n"
            => Err(Error::MissingHost);
        "twice", "RFC 9112 §3.2", get("Host: a") => Err(Error::SecondHost);
        "twice in HTTP/1.0", "RFC 9112 §3.2", get10("Host: a\r\nhost: b") => Err(Error::SecondHost);
        "twice beside absolute-form", "RFC 9112 §3.2",
            "GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" => Err(Error::SecondHost);
        "a list", "RFC 9112 §3.2", host("a, b") => Err(Error::BadHost);
        "user", "RFC 9110 §7.2", host("u@a") => Err(Error::BadHost);
        "path", "RFC 9110 §7.2", host("a/b") => Err(Error::BadHost);
        "port of letters", "RFC 3986 §3.2.3", host("a:b") => Err(Error::BadHost);
        "port alone", "RFC 9110 §4.2.1", host(":80") => Err(Error::BadHost);
        "two ports", "RFC 3986 §3.2.3", host("a:1:2") => Err(Error::BadHost);
        "IPv6 without brackets", "RFC 3986 §3.2.2", host("::1") => Err(Error::BadHost);
        "open bracket", "RFC 3986 §3.2.2", host("[::1") => Err(Error::BadHost);
        "name in brackets", "RFC 3986 §3.2.2", host("[a.b]") => Err(Error::BadHost);
        "text behind brackets", "RFC 3986 §3.2.2", host("[::1]a") => Err(Error::BadHost);
        "half an escape", "RFC 3986 §2.1", host("a%2") => Err(Error::BadHost);
        "above ASCII", "RFC 3986 §3.2.2", host("ä") => Err(Error::BadHost);
        "backslash", "RFC 3986 §3.2.2", host("a\\b") => Err(Error::BadHost);
    }
}

#[test]
fn body_lengths() {
    let length = |length| Ok(Wanted { body: Body::Length(length), ..POST });
    let chunked = || Ok(Wanted { body: Body::Chunked, ..POST });
    rows! {
        "none", "RFC 9112 §6.3", "POST / HTTP/1.1\r\nHost: a\r\n\r\n" => Ok(POST);
        "a length", "RFC 9110 §8.6", post("Content-Length: 3495") => length(3495);
        "zero", "RFC 9110 §8.6", post("Content-Length: 0") => length(0);
        "leading zeros", "RFC 9110 §8.6", post("content-length:007") => length(7);
        "the greatest", "RFC 9110 §8.6", post("Content-Length: 18446744073709551615")
            => length(u64::MAX);
        "a body behind GET", "RFC 9110 §9.3.1", get("Content-Length: 1")
            => Ok(Wanted { body: Body::Length(1), ..GET });
        "a length in HTTP/1.0", "RFC 9112 §6.3", get10("Content-Length: 1")
            => Ok(Wanted { body: Body::Length(1), ..GET10 });
        "chunked", "RFC 9112 §6.1", post("Transfer-Encoding: chunked") => chunked();
        "chunked in capitals", "RFC 9112 §7", post("Transfer-Encoding: CHUNKED") => chunked();

        "empty length", "RFC 9110 §8.6", post("Content-Length:") => Err(Error::BadContentLength);
        "plus sign", "RFC 9110 §8.6", post("Content-Length: +5") => Err(Error::BadContentLength);
        "minus sign", "RFC 9110 §8.6", post("Content-Length: -5") => Err(Error::BadContentLength);
        "space inside", "RFC 9110 §8.6", post("Content-Length: 1 2")
            => Err(Error::BadContentLength);
        "hexadecimal", "RFC 9110 §8.6", post("Content-Length: 0x5") => Err(Error::BadContentLength);
        "overflow by one", "RFC 9110 §8.6", post("Content-Length: 18446744073709551616")
            => Err(Error::BadContentLength);
        "a list of equals", "RFC 9112 §6.3", post("Content-Length: 5, 5")
            => Err(Error::BadContentLength);
        "two different", "RFC 9112 §6.3", post("Content-Length: 5\r\nContent-Length: 6")
            => Err(Error::SecondContentLength);
        "two equal", "RFC 9112 §6.3", post("Content-Length: 5\r\nContent-Length: 5")
            => Err(Error::SecondContentLength);
        "length and chunked", "RFC 9112 §6.1",
            post("Content-Length: 5\r\nTransfer-Encoding: chunked")
            => Err(Error::LengthAndEncoding);
        "chunked and length", "RFC 9112 §6.1",
            post("Transfer-Encoding: chunked\r\nContent-Length: 5")
            => Err(Error::LengthAndEncoding);
        "empty encoding and length", "RFC 9112 §6.1",
            post("Transfer-Encoding:\r\nContent-Length: 5") => Err(Error::LengthAndEncoding);
        "chunked in HTTP/1.0", "RFC 9112 §6.1",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" => Err(Error::EncodingOnHttp10);
        "both in HTTP/1.0", "RFC 9112 §6.1",
            "POST / HTTP/1.0\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
            => Err(Error::EncodingOnHttp10);
        "gzip alone", "RFC 9112 §6.1", post("Transfer-Encoding: gzip")
            => Err(Error::UnknownTransferEncoding);
        "identity, which is gone", "RFC 9112 §7", post("Transfer-Encoding: identity")
            => Err(Error::UnknownTransferEncoding);
        "nearly chunked", "RFC 9112 §7", post("Transfer-Encoding: xchunked")
            => Err(Error::UnknownTransferEncoding);
        "gzip, chunked", "RFC 9112 §6.1", post("Transfer-Encoding: gzip, chunked")
            => Err(Error::UnknownTransferEncoding);
        "gzip and chunked in two lines", "RFC 9112 §6.1",
            post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked")
            => Err(Error::UnknownTransferEncoding);
        "chunked, gzip", "RFC 9112 §6.3", post("Transfer-Encoding: chunked, gzip")
            => Err(Error::BadTransferEncoding);
        "chunked twice", "RFC 9112 §6.1", post("Transfer-Encoding: chunked, chunked")
            => Err(Error::BadTransferEncoding);
        "chunked in two lines", "RFC 9112 §6.1",
            post("Transfer-Encoding: chunked\r\ntransfer-encoding: chunked")
            => Err(Error::BadTransferEncoding);
        "chunked with a parameter", "RFC 9112 §7.1", post("Transfer-Encoding: chunked;q=1")
            => Err(Error::BadTransferEncoding);
        "chunked in quotes", "RFC 9112 §7", post("Transfer-Encoding: \"chunked\"")
            => Err(Error::BadTransferEncoding);
        "hidden in a quoted string", "RFC 9112 §7", post("Transfer-Encoding: x;a=\", chunked")
            => Err(Error::UnknownTransferEncoding);
        "empty member", "RFC 9110 §5.6.1", post("Transfer-Encoding: ,chunked")
            => Err(Error::BadTransferEncoding);
        "empty encoding", "RFC 9112 §6.1", post("Transfer-Encoding:")
            => Err(Error::BadTransferEncoding);
        "space for the comma", "RFC 9112 §7", post("Transfer-Encoding: gzip chunked")
            => Err(Error::BadTransferEncoding);
    }
}

#[test]
fn persistence_and_expectations() {
    let once = Wanted { keep_alive: false, ..GET };
    let waits = Wanted { body: Body::Length(5), expects_continue: true, ..POST };
    rows! {
        "1.1 by default", "RFC 9112 §9.3", get("Connection: x") => Ok(GET);
        "close", "RFC 9112 §9.3", get("Connection: close") => Ok(once.clone());
        "close in a list", "RFC 9110 §7.6.1", get("Connection: , x ,Close") => Ok(once.clone());
        "close in a second line", "RFC 9110 §7.6.1", get("Connection: x\r\nConnection: close")
            => Ok(once.clone());
        "close wins", "RFC 9112 §9.3", get("Connection: keep-alive, close") => Ok(once);
        "1.0 by default", "RFC 9112 §9.3", get10("Connection: x") => Ok(GET10);
        "1.0 with keep-alive", "RFC 9112 §9.3", get10("Connection: Keep-Alive")
            => Ok(Wanted { keep_alive: true, ..GET10 });
        "1.0 with both", "RFC 9112 §9.3", get10("Connection: keep-alive, close") => Ok(GET10);
        "expect", "RFC 9110 §10.1.1", post("Content-Length: 5\r\nExpect: 100-Continue")
            => Ok(waits.clone());
        "expect before chunks", "RFC 9110 §10.1.1",
            post("Transfer-Encoding: chunked\r\nExpect: 100-continue")
            => Ok(Wanted { body: Body::Chunked, ..waits });
        "expect without body", "RFC 9110 §10.1.1", post("Expect: 100-continue") => Ok(POST);
        "expect with an empty body", "RFC 9110 §10.1.1",
            post("Expect: 100-continue\r\nContent-Length: 0")
            => Ok(Wanted { body: Body::Length(0), ..POST });
        "expect in 1.0", "RFC 9110 §10.1.1", get10("Content-Length: 5\r\nExpect: 100-continue")
            => Ok(Wanted { body: Body::Length(5), ..GET10 });

        "expect something else", "RFC 9110 §10.1.1", post("Expect: 200-ok")
            => Err(Error::UnknownExpectation);
        "expect more", "RFC 9110 §10.1.1", post("Expect: 100-continue, x")
            => Err(Error::UnknownExpectation);
        "expect with a value", "RFC 9110 §10.1.1", post("Expect: 100-continue=1")
            => Err(Error::UnknownExpectation);
    }
}

#[test]
fn head_limit_at_and_past() {
    let input = b"GET / HTTP/1.1\r\nHost: a\r\nX: 0123456789\r\n\r\n";
    let limits = |head_bytes_max| Limits { head_bytes_max, ..LIMITS };
    check("at the limit", input, &limits(input.len()), &Ok(GET));
    check("one past it", input, &limits(input.len() - 1), &Err(Error::HeadTooLarge));
    // Certain as soon as the head fills the limit without an end.
    assert_eq!(parse(&input[..20], &limits(21)), Ok(None));
    assert_eq!(parse(&input[..20], &limits(20)), Err(Error::HeadTooLarge));
    // What comes first is what is said.
    check(
        "wrong before the limit",
        b"GET / HTTP/1.1\r\nHo st: a\r\n\r\n",
        &limits(19),
        &Err(Error::BadHeaderName),
    );
    check(
        "wrong past the limit",
        b"GET / HTTP/1.1\r\nHo st: a\r\n\r\n",
        &limits(18),
        &Err(Error::HeadTooLarge),
    );
    check("no line end at all", &[b'A'; 64], &limits(64), &Err(Error::HeadTooLarge));
}

#[test]
fn target_limit_at_and_past() {
    let input = b"GET /345678 HTTP/1.1\r\nHost: a\r\n\r\n";
    let limits = |target_bytes_max| Limits { target_bytes_max, ..LIMITS };
    check("at the limit", input, &limits(7), &Ok(Wanted { path: "/345678", ..GET }));
    check("one past it", input, &limits(6), &Err(Error::TargetTooLong));
    assert_eq!(parse(b"GET /345678", &limits(7)), Ok(None));
    assert_eq!(parse(b"GET /345678", &limits(6)), Err(Error::TargetTooLong));
    check(
        "wrong before the limit",
        b"GET /\x01\x01\x01 HTTP/1.1\r\n",
        &limits(2),
        &Err(Error::BadTarget),
    );
    check(
        "wrong past the limit",
        b"GET /2345\x01 HTTP/1.1\r\n",
        &limits(4),
        &Err(Error::TargetTooLong),
    );
}

#[test]
fn header_count_at_and_past() {
    let head = |lines: usize| {
        let mut head = b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec();
        (1..lines).for_each(|_| head.extend_from_slice(b"X: y\r\n"));
        head.extend_from_slice(b"\r\n");
        head
    };
    check("at the limit", &head(HEADERS_MAX), &LIMITS, &Ok(GET));
    check("one past it", &head(HEADERS_MAX + 1), &LIMITS, &Err(Error::TooManyHeaders));
    let partial = head(HEADERS_MAX + 1);
    assert_eq!(parse(&partial[..partial.len() - 2], &LIMITS), Err(Error::TooManyHeaders));
}

#[test]
fn empty_lines_at_and_past() {
    let head =
        |lines: usize| [&b"\r\n".repeat(lines)[..], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
    check("at the limit", &head(EMPTY_LINES_MAX), &LIMITS, &Ok(GET));
    check("one past it", &head(EMPTY_LINES_MAX + 1), &LIMITS, &Err(Error::BadLineEnd));
}

#[test]
fn lookups() {
    let input =
        b"GET / HTTP/1.1\r\nHost: a\r\nAccept: x\r\nACCEPT:  y, Z ;q=1 ,,\tw\r\nEmpty:\r\n\r\n";
    let mut space = HeaderSpace::new();
    let (head, _) = parse_head(input, &mut space, &LIMITS).unwrap().unwrap();
    assert_eq!(head.header("accept"), Some(&b"x"[..]));
    assert_eq!(head.header("Empty"), Some(&b""[..]));
    assert_eq!(head.header("Accep"), None);
    let all: Vec<_> = head.headers_named("Accept").collect();
    assert_eq!(all, [&b"x"[..], b"y, Z ;q=1 ,,\tw"]);
    let members: Vec<_> = head.list("Accept").collect();
    assert_eq!(members, [&b"x"[..], b"y", b"Z ;q=1", b"w"]);
    for (token, is_there) in [("X", true), ("y", true), ("W", true), ("Z", false), ("", false)] {
        assert_eq!(head.has_token("accept", token), is_there, "{token}");
    }
}

#[test]
fn every_error_closes_with_a_status_that_has_a_reason() {
    let statuses = [
        (Error::HeadTooLarge, 431),
        (Error::TooManyHeaders, 431),
        (Error::TargetTooLong, 414),
        (Error::BadRequestLine, 400),
        (Error::BadTarget, 400),
        (Error::UnsupportedVersion, 505),
        (Error::UnknownMethod, 501),
        (Error::Connect, 501),
        (Error::BadHeaderName, 400),
        (Error::BadHeaderValue, 400),
        (Error::BadLineEnd, 400),
        (Error::MissingHost, 400),
        (Error::SecondHost, 400),
        (Error::BadHost, 400),
        (Error::BadContentLength, 400),
        (Error::SecondContentLength, 400),
        (Error::LengthAndEncoding, 400),
        (Error::EncodingOnHttp10, 400),
        (Error::BadTransferEncoding, 400),
        (Error::UnknownTransferEncoding, 501),
        (Error::UnknownExpectation, 417),
    ];
    for (error, status) in statuses {
        assert_eq!(error.status(), status, "{error:?}");
        assert!(!reason(status).is_empty() && !error.explain().is_empty(), "{error:?}");
    }
}

/// Heads that differ from good ones in a few bytes: never a panic, and the same answer however they
/// arrive.
#[test]
fn mutated_heads_answer_alike_in_every_split() {
    let seeds = [
        &b"POST http://b:1/x?y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"[..],
        b"GET / HTTP/1.0\nConnection: keep-alive\nContent-Length: 5\n\n",
        b"\r\nOPTIONS * HTTP/1.1\r\nHost: [::1]\r\nExpect: 100-continue\r\n\r\n",
    ];
    let alphabet = b"\r\n\r\n \t:,/?*#%[]019aH\0\x7f\xff";
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    for _ in 0..3_000 {
        let mut input = seeds[next(seeds.len())].to_vec();
        for _ in 0..=next(3) {
            let (at, byte) = (next(input.len()), alphabet[next(alphabet.len())]);
            match next(3) {
                0 => input[at] = byte,
                1 => input.insert(at, byte),
                _ => drop(input.remove(at)),
            }
        }
        let limits = Limits { head_bytes_max: 40 + next(60), target_bytes_max: 1 + next(20) };
        let describe = || String::from_utf8_lossy(&input).into_owned();
        let answer = |bytes: &[u8]| {
            let mut space = HeaderSpace::new();
            parse_head(bytes, &mut space, &limits).map(|found| found.map(|(_, used)| used))
        };
        let whole = answer(&input);
        let first =
            (0..=input.len()).map(|end| answer(&input[..end])).find(|found| *found != Ok(None));
        assert_eq!(first.unwrap_or(Ok(None)), whole, "{:?} {limits:?}", describe());
    }
}

#[test]
fn response_heads() {
    let written = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = b">".to_vec();
        write(&mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(written(&|out| write_status(out, 200)), ">HTTP/1.1 200 OK\r\n", "RFC 9112 §4");
    assert_eq!(written(&|out| write_status(out, 299)), ">HTTP/1.1 299 \r\n", "RFC 9112 §4");
    assert_eq!(written(&|out| write_header(out, "ETag", b"\"1-2\"")), ">ETag: \"1-2\"\r\n");
    // A value from a client can begin no line of its own (RFC 9110 §5.5).
    assert_eq!(
        written(&|out| write_header(out, "Vary", b"a\r\nSet-Cookie: b\0")),
        ">Vary: a  Set-Cookie: b \r\n"
    );
    for n in [0, 7, 10, 4_294_967_296, u64::MAX] {
        assert_eq!(written(&|out| write_number(out, n)), format!(">{n}"));
    }
}

#[test]
fn dates() {
    let rows = [
        ("the RFC's", "RFC 9110 §5.6.7", 784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("the first", "RFC 9110 §5.6.7", 0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("a leap day", "RFC 9110 §5.6.7", 951_868_799, "Tue, 29 Feb 2000 23:59:59 GMT"),
        ("the day after", "RFC 9110 §5.6.7", 951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
        ("past 32 bits", "RFC 9110 §5.6.7", 4_294_967_296, "Sun, 07 Feb 2106 06:28:16 GMT"),
        ("the last", "RFC 9110 §5.6.7", 253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ("beyond", "RFC 9110 §5.6.7", u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ];
    for (name, spec, seconds, expect) in rows {
        let mut out = Vec::new();
        write_date(&mut out, seconds);
        assert_eq!(String::from_utf8_lossy(&out), expect, "{name} ({spec})");
    }
}

/// Every day to 2500, against a calendar that only knows how to go on by one day.
#[test]
fn dates_day_by_day() {
    let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let months =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (mut year, mut month, mut day) = (1970, 0, 1);
    for days in 0_u64.. {
        if year == 2500 {
            break;
        }
        let mut out = Vec::new();
        write_date(&mut out, days * 86_400 + days % 86_400);
        let (weekday, name) = (weekdays[(days % 7) as usize], months[month]);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with(&format!("{weekday}, {day:02} {name} {year} ")), "{text}");
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let lengths = [31, 28 + u32::from(is_leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        day += 1;
        if day > lengths[month] {
            (day, month) = (1, month + 1);
        }
        if month == 12 {
            (month, year) = (0, year + 1);
        }
    }
}
