//! HTTP/1.1 heads: RFC 9112 (message syntax) and RFC 9110 (what the fields mean).
//!
//! ```text
//! POST /channels/a?event=x HTTP/1.1 CRLF     request line: method SP target SP version
//! Host: example.com CRLF                     field lines: name ":" OWS value OWS
//! Content-Length: 5 CRLF
//! CRLF                                       the empty line: the head ends here
//! hello                                      the body, as long as `Body` says; not read here
//! ```
//!
//! [`parse_head`] looks at all bytes of the head each time; nothing is kept between two calls. As
//! soon as a prefix is certainly wrong it says so, and every longer prefix gets that same error:
//! how the network cut the bytes never shows in the answer. The request line is read here, because
//! its limits and its version must be judged while it is still arriving; the field lines are split
//! by `httparse`.
//!
//! Body length follows RFC 9112 §6.3 with one addition: **whatever two readers could understand in
//! two ways is refused**, so that a proxy in front of us never disagrees about where the next
//! request begins. Every [`Error`] is to be answered with its status, then the connection closed.
//!
//! Limits: [`Limits`] for bytes, [`HEADERS_MAX`] field lines, [`EMPTY_LINES_MAX`] empty lines in
//! front. The size of a body is not judged here.
//!
//! Line ends: CRLF, or bare LF (RFC 9112 §2.2: MAY) if *every* line of the head ends so. A mixture
//! is what smuggling looks like (one reader sees one field line, another two), hence refused. Bare
//! CR never passes.
//!
//! Stricter than the RFC demands, on purpose: equal repeated `Content-Length` values, empty list
//! members in `Transfer-Encoding`, and HTTP/1.2 to 1.9 (505, as nobody ever defined them) are
//! refused.
//! Left out: `CONNECT` (501; we are no proxy), schemes other than http and https, `IPvFuture`
//! hosts, obsolete line folding (RFC 9112 §5.2 lets a server refuse it), HTTP/0.9.
//!
//! ```
//! use encke::proto::http1::{HeaderSpace, Limits, Method, parse_head};
//! let input = b"GET /channels/a?last=5 HTTP/1.1\r\nHost: localhost\r\n\r\n";
//! let limits = Limits { head_bytes_max: 16_384, target_bytes_max: 8_192 };
//! let mut space = HeaderSpace::new();
//! let (head, used) = parse_head(input, &mut space, &limits).unwrap().unwrap();
//! assert_eq!((head.method, head.path), (Method::Get, &b"/channels/a"[..]));
//! assert_eq!((head.query, head.keep_alive), (&b"last=5"[..], true));
//! assert_eq!(used, input.len());
//! ```

use std::mem::MaybeUninit;

use super::accept;

mod error;
mod response;
mod target;

pub use error::Error;
pub use response::{CONTINUE, reason, write_date, write_header, write_number, write_status};
use target::{Target, is_authority, parse_target};

/// Most field lines of one head; one more is 431.
pub const HEADERS_MAX: usize = 100;
/// Most empty lines before a request line (RFC 9112 §2.2 asks for at least one); one more is 400.
pub const EMPTY_LINES_MAX: usize = 4;

/// How large a head may be, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// From the first byte to the empty line, both included. Above: 431.
    pub head_bytes_max: usize,
    /// The request target alone. Above: 414.
    pub target_bytes_max: usize,
}

/// The methods that this server has heard of; any other is 501 (RFC 9110 §9.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "RFC 9110 §9.3 and RFC 5789 document them")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Patch,
    Trace,
    Connect,
}

impl Method {
    const ALL: [Method; 9] = [
        Method::Get,
        Method::Head,
        Method::Post,
        Method::Put,
        Method::Delete,
        Method::Options,
        Method::Patch,
        Method::Trace,
        Method::Connect,
    ];

    /// As it stands on the wire. Methods are case-sensitive (RFC 9110 §9.1).
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
            Method::Patch => "PATCH",
            Method::Trace => "TRACE",
            Method::Connect => "CONNECT",
        }
    }

    fn from_token(token: &[u8]) -> Option<Method> {
        Method::ALL.into_iter().find(|method| method.as_str().as_bytes() == token)
    }
}

/// The two versions that have this syntax; any other is 505.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Version {
    Http10,
    Http11,
}

/// How the end of the request's body is found (RFC 9112 §6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body {
    /// The next request begins right behind the head.
    None,
    /// So many bytes follow. May be 0.
    Length(u64),
    /// Chunks follow: see `proto::chunked`.
    Chunked,
}

impl Body {
    /// Whether the next request surely begins right behind the head.
    pub fn is_empty(self) -> bool {
        matches!(self, Body::None | Body::Length(0))
    }
}

/// Room for the field lines of one head, on the stack (3,200 bytes, not zeroed). New for each
/// parse.
pub struct HeaderSpace<'a>([MaybeUninit<httparse::Header<'a>>; HEADERS_MAX]);

impl HeaderSpace<'_> {
    /// Empty room.
    pub fn new() -> Self {
        HeaderSpace([const { MaybeUninit::uninit() }; HEADERS_MAX])
    }
}

impl Default for HeaderSpace<'_> {
    fn default() -> Self {
        HeaderSpace::new()
    }
}

/// One complete request head. All bytes are borrowed from the input.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method.
    pub method: Method,
    /// The version that the client speaks.
    pub version: Version,
    /// Still percent-encoded; begins with `/`, or is `*` for OPTIONS.
    pub path: &'a [u8],
    /// Still encoded, without the `?`; empty if there is none.
    pub query: &'a [u8],
    /// `uri-host [":" port]`, checked: from an absolute target, else from Host (RFC 9112 §3.2.2).
    /// None for HTTP/1.0 without Host; never empty.
    pub host: Option<&'a [u8]>,
    /// May a further request follow on this connection (RFC 9112 §9.3)?
    pub keep_alive: bool,
    /// Does `Connection` name upgrade (RFC 9110 §7.8)?
    pub connection_upgrade: bool,
    /// How long the body is.
    pub body: Body,
    /// The client waits for `100 Continue` before it sends its body, which is not empty.
    pub expects_continue: bool,
    fields: Fields<'a>,
    size: usize,
}

impl<'a> Head<'a> {
    /// The first field line of that name (any case), without white space around the value.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers_named(name).next()
    }

    /// All field lines of that name (any case), in order.
    pub fn headers_named<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.fields.named(name)
    }

    /// The members of a comma-separated field over all its lines, without empty ones (RFC 9110
    /// §5.6.1). For fields whose members hold no quoted strings.
    pub fn list<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.fields.list(name)
    }

    /// Is `token` (any case) a member of that comma-separated field?
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        let is_token = |text: &[u8]| is_alike(text, token.as_bytes());
        // Mostly it stands alone.
        self.headers_named(name).any(is_token) || self.list(name).any(is_token)
    }

    /// Whether the client asks for this media type by name (RFC 9110 §12.5.1).
    pub fn accepts(&self, media: &str) -> bool {
        self.headers_named("Accept").any(|value| accept::names(value, media))
    }

    /// Bytes of the head, from the input's first to the end of the empty line.
    pub fn size(&self) -> usize {
        self.size
    }
}

/// Reads one request head from the front of `input`: it and the bytes used, or `None` if more are
/// needed.
///
/// `None` never lasts: an input of `head_bytes_max` bytes gives a head or an error.
pub fn parse_head<'a>(
    input: &'a [u8],
    space: &'a mut HeaderSpace<'a>,
    limits: &Limits,
) -> Result<Option<(Head<'a>, usize)>, Error> {
    // Errors are found in the order of the bytes, within what a head may use at all.
    let within = &input[..input.len().min(limits.head_bytes_max)];
    let parsed = parse_within(within, space, limits)?;
    if parsed.is_none() && input.len() >= limits.head_bytes_max {
        return Err(Error::HeadTooLarge);
    }
    Ok(parsed)
}

fn parse_within<'a>(
    input: &'a [u8],
    space: &'a mut HeaderSpace<'a>,
    limits: &Limits,
) -> Result<Option<(Head<'a>, usize)>, Error> {
    let Some(start) = skip_empty_lines(input)? else { return Ok(None) };
    let Some(line) = parse_request_line(&input[start..], limits)? else { return Ok(None) };
    let text = &input[start..];
    match parse_fields(text, space) {
        Ok(Some((head_bytes, fields))) if has_alike_lines(&text[..head_bytes], line.has_crlf) => {
            let used = start + head_bytes;
            let head = understand(&line, fields, used)?;
            Ok(Some((head, used)))
        }
        Ok(None) if has_alike_lines(text, line.has_crlf) => Ok(None),
        Ok(_) => Err(Error::BadLineEnd),
        Err(error) => Err(first_error(text, line.has_crlf, error)),
    }
}

/// The field lines behind a request line, and the bytes of both, once the empty line is there.
fn parse_fields<'a>(
    text: &'a [u8],
    space: &'a mut HeaderSpace<'a>,
) -> Result<Option<(usize, Fields<'a>)>, Error> {
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(text, &mut space.0) {
        Ok(httparse::Status::Complete(bytes)) => Ok(Some((bytes, Fields::new(request.headers)))),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(error) => Err(match error {
            httparse::Error::TooManyHeaders => Error::TooManyHeaders,
            httparse::Error::HeaderName => Error::BadHeaderName,
            httparse::Error::HeaderValue => Error::BadHeaderValue,
            httparse::Error::NewLine => Error::BadLineEnd,
            // The request line has passed already; these are for completeness.
            httparse::Error::Token | httparse::Error::Version | httparse::Error::Status => {
                Error::BadRequestLine
            }
        }),
    }
}

/// Of an error somewhere and a line that ends otherwise than the first one, what comes first.
fn first_error(text: &[u8], has_crlf: bool, error: Error) -> Error {
    let (alike, is_mixed) = alike_lines(text, has_crlf);
    if !is_mixed {
        return error;
    }
    parse_fields(alike, &mut HeaderSpace::new()).err().unwrap_or(Error::BadLineEnd)
}

/// RFC 9112 §2.2: empty lines before a request line are ignored. Returns where that line begins.
fn skip_empty_lines(input: &[u8]) -> Result<Option<usize>, Error> {
    let mut at = 0;
    for _ in 0..=EMPTY_LINES_MAX {
        match input[at..] {
            [] | [b'\r'] => return Ok(None),
            [b'\r', b'\n', ..] => at += 2,
            [b'\n', ..] => at += 1,
            [b'\r', ..] => return Err(Error::BadLineEnd),
            _ => return Ok(Some(at)),
        }
    }
    Err(Error::BadLineEnd)
}

struct RequestLine<'a> {
    method: Method,
    target: Target<'a>,
    version: Version,
    has_crlf: bool,
}

/// RFC 9112 §3: `method SP request-target SP HTTP-version`, single spaces.
fn parse_request_line<'a>(
    input: &'a [u8],
    limits: &Limits,
) -> Result<Option<RequestLine<'a>>, Error> {
    let Some(method_end) = find_method_end(input)? else { return Ok(None) };
    let rest = &input[method_end + 1..];
    let Some(target_end) = find_target_end(rest, limits.target_bytes_max)? else { return Ok(None) };
    let (target, rest) = (&rest[..target_end], &rest[target_end + 1..]);
    let Some(version) = parse_version(rest)? else { return Ok(None) };
    let has_crlf = match rest[VERSION_BYTES..] {
        [] | [b'\r'] => return Ok(None),
        [b'\r', b'\n', ..] => true,
        [b'\n', ..] => false,
        [b'\r', ..] => return Err(Error::BadLineEnd),
        _ => return Err(Error::BadRequestLine),
    };
    // Only now, so that the preface of HTTP/2 (`PRI * HTTP/2.0`) is a matter of version, not of
    // method.
    let method = Method::from_token(&input[..method_end]).ok_or(Error::UnknownMethod)?;
    let target = parse_target(method, target)?;
    Ok(Some(RequestLine { method, target, version, has_crlf }))
}

fn find_method_end(input: &[u8]) -> Result<Option<usize>, Error> {
    match input.iter().position(|&byte| !is_token_byte(byte)) {
        None => Ok(None),
        Some(at) if at > 0 && input[at] == b' ' => Ok(Some(at)),
        Some(_) => Err(Error::BadRequestLine),
    }
}

/// Visible ASCII without `#` (RFC 3986 §3.5: a fragment never goes over the wire). A little more
/// than RFC 3986 allows, as browsers send `|`, `"` or `^` unescaped.
fn find_target_end(input: &[u8], bytes_max: usize) -> Result<Option<usize>, Error> {
    // Behind a target of full length there is still a space.
    let within = &input[..input.len().min(bytes_max.saturating_add(1))];
    match within.iter().position(|&byte| !matches!(byte, b'!'..=b'~') || byte == b'#') {
        Some(at) if at > 0 && within[at] == b' ' => Ok(Some(at)),
        Some(_) => Err(Error::BadTarget),
        None if input.len() > bytes_max => Err(Error::TargetTooLong),
        None => Ok(None),
    }
}

const VERSION_BYTES: usize = "HTTP/1.1".len();

/// RFC 9112 §2.3, byte by byte: the answer to a foreign version does not wait for the end of the
/// line.
fn parse_version(input: &[u8]) -> Result<Option<Version>, Error> {
    if input.starts_with(b"HTTP/1.1") {
        return Ok(Some(Version::Http11));
    }
    for (at, &byte) in input.iter().take(VERSION_BYTES).enumerate() {
        match (at, byte) {
            (5, b'1') | (7, b'0' | b'1') => {}
            (5 | 7, b'0'..=b'9') => return Err(Error::UnsupportedVersion),
            (0..=4 | 6, _) if byte == b"HTTP/1.1"[at] => {}
            _ => return Err(Error::BadRequestLine),
        }
    }
    Ok((input.len() >= VERSION_BYTES).then_some(Version::Http10))
}

/// Whether all lines end as the first one does. Without a branch, for many bytes at a time.
fn has_alike_lines(text: &[u8], has_crlf: bool) -> bool {
    let pairs = text.iter().zip(text.get(1..).unwrap_or_default());
    0 == pairs.fold(0, |odd, (&before, &byte)| {
        odd | u8::from(byte == b'\n') & u8::from((before == b'\r') != has_crlf)
    })
}

/// How far the lines end as the first one does, and whether a line of the other kind follows. Stops
/// behind the empty line that ends the head, so a body is not looked at.
fn alike_lines(text: &[u8], has_crlf: bool) -> (&[u8], bool) {
    let mut end = 0;
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let Some(content) = line.strip_suffix(b"\n") else { break };
        end += line.len();
        if content.ends_with(b"\r") != has_crlf {
            return (&text[..end - 1], true);
        }
        if content.len() == usize::from(has_crlf) {
            return (&text[..end], false);
        }
    }
    (text, false)
}

fn understand<'a>(
    line: &RequestLine<'a>,
    fields: Fields<'a>,
    size: usize,
) -> Result<Head<'a>, Error> {
    let &RequestLine { method, ref target, version, .. } = line;
    let host = host_of(&fields, version)?;
    if target.authority.is_none() && host == Some(b"") {
        return Err(Error::BadHost);
    }
    let body = body_of(&fields, version)?;
    let wants_continue = wants_continue(&fields)?;
    let connection = connection_of(&fields);
    Ok(Head {
        method,
        version,
        path: target.path,
        query: target.query,
        host: target.authority.or(host),
        // RFC 9112 §9.3; `close` is obeyed wherever it stands.
        keep_alive: !connection.close && (version == Version::Http11 || connection.keep_alive),
        connection_upgrade: connection.upgrade,
        body,
        // RFC 9110 §10.1.1: a server ignores the expectation in HTTP/1.0, and without content.
        expects_continue: wants_continue && version == Version::Http11 && !body.is_empty(),
        fields,
        size,
    })
}

/// RFC 9112 §3.2: HTTP/1.1 without Host, any request with two, or with a malformed one, is 400. An empty
/// one is well-formed, but the host of no http URI (RFC 9110 §4.2.1): another must stand in the target.
fn host_of<'a>(fields: &Fields<'a>, version: Version) -> Result<Option<&'a [u8]>, Error> {
    let mut hosts = fields.named("Host");
    match (hosts.next(), hosts.next()) {
        (None, _) if version == Version::Http10 => Ok(None),
        (None, _) => Err(Error::MissingHost),
        (Some(_), Some(_)) => Err(Error::SecondHost),
        (Some(host), None) if host.is_empty() || is_authority(host) => Ok(Some(host)),
        (Some(_), None) => Err(Error::BadHost),
    }
}

/// RFC 9112 §6.3, refusing where it leaves a choice.
fn body_of(fields: &Fields<'_>, version: Version) -> Result<Body, Error> {
    let mut lengths = fields.named("Content-Length");
    let has_encoding = fields.named("Transfer-Encoding").next().is_some();
    match (lengths.next(), lengths.next()) {
        // §6.1: faulty framing, whatever else the head says.
        _ if has_encoding && version == Version::Http10 => Err(Error::EncodingOnHttp10),
        // §6.1, §11.2: the classical smuggling request.
        (Some(_), _) if has_encoding => Err(Error::LengthAndEncoding),
        (None, _) if has_encoding => check_encodings(fields).map(|()| Body::Chunked),
        (None, _) => Ok(Body::None),
        (Some(_), Some(_)) => Err(Error::SecondContentLength),
        (Some(length), None) => parse_length(length).map(Body::Length),
    }
}

/// RFC 9110 §8.6: `1*DIGIT`; no sign, no list, no overflow.
fn parse_length(text: &[u8]) -> Result<u64, Error> {
    if text.is_empty() {
        return Err(Error::BadContentLength);
    }
    text.iter().try_fold(0u64, |length, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
        digit
            .and_then(|digit| length.checked_mul(10)?.checked_add(digit))
            .ok_or(Error::BadContentLength)
    })
}

/// RFC 9112 §6.1: `chunked` at most once, last, without parameters; we know no other coding.
///
/// §6.3 asks for 400 where chunked is not the last coding, §6.1 for 501 where a coding is unknown.
/// Where both hold (`gzip` alone) practice is 501, which names the cause; the connection closes
/// either way.
fn check_encodings(fields: &Fields<'_>) -> Result<(), Error> {
    let (mut seen_chunked, mut seen_other) = (false, false);
    let lines = fields.named("Transfer-Encoding");
    for member in lines.flat_map(|line| line.split(|&byte| byte == b',')) {
        let mut parts = member.splitn(2, |&byte| byte == b';');
        let name = parts.next().unwrap_or_default().trim_ascii();
        let is_chunked = name.eq_ignore_ascii_case(b"chunked");
        let is_token = !name.is_empty() && name.iter().copied().all(is_token_byte);
        if !is_token || seen_chunked || (is_chunked && parts.next().is_some()) {
            return Err(Error::BadTransferEncoding);
        }
        seen_chunked |= is_chunked;
        seen_other |= !is_chunked;
    }
    if seen_other { Err(Error::UnknownTransferEncoding) } else { Ok(()) }
}

/// The options of `Connection` that mean something here (RFC 9110 §7.6.1).
#[derive(Default)]
struct Connection {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
}

fn connection_of(fields: &Fields<'_>) -> Connection {
    let mut connection = Connection::default();
    for line in fields.named("Connection") {
        for option in line.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            connection.close |= is_alike(option, b"close");
            connection.keep_alive |= is_alike(option, b"keep-alive");
            connection.upgrade |= is_alike(option, b"upgrade");
        }
    }
    connection
}

/// RFC 9110 §10.1.1: the only expectation ever defined is `100-continue`.
fn wants_continue(fields: &Fields<'_>) -> Result<bool, Error> {
    let mut wants = false;
    for expectation in fields.list("Expect") {
        if !expectation.eq_ignore_ascii_case(b"100-continue") {
            return Err(Error::UnknownExpectation);
        }
        wants = true;
    }
    Ok(wants)
}

/// The field lines of one head.
#[derive(Clone, Copy, Debug)]
struct Fields<'a> {
    lines: &'a [httparse::Header<'a>],
    /// The marks of all their names: most names that nobody sent are known without a search.
    marks: u64,
}

impl<'a> Fields<'a> {
    fn new(lines: &'a [httparse::Header<'a>]) -> Fields<'a> {
        Fields { lines, marks: lines.iter().fold(0, |marks, line| marks | mark(line.name)) }
    }

    #[inline]
    fn named<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let lines = if self.marks & mark(name) == 0 { &[] } else { self.lines };
        let named = lines.iter().filter(|line| is_alike(line.name.as_bytes(), name.as_bytes()));
        named.map(|line| line.value)
    }

    fn list<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.named(name)
            .flat_map(|line| line.split(|&byte| byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|member| !member.is_empty())
    }
}

/// One of 64 bits for a name, the same in upper and lower case.
#[inline]
fn mark(name: &str) -> u64 {
    let letter = name.bytes().next().unwrap_or_default() & 0x1f;
    1 << ((7 * name.len() + usize::from(letter)) % 64)
}

/// Equal but for upper and lower case; mostly that is the same, too.
fn is_alike(one: &[u8], other: &[u8]) -> bool {
    one == other || one.eq_ignore_ascii_case(other)
}

/// RFC 9110 §5.6.2 `tchar`.
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}
