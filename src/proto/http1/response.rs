//! Writing the head of a response, piece by piece: RFC 9112 §4 and §5, dates as RFC 9110 §5.6.7
//! prefers.
//!
//! ```text
//! HTTP/1.1 200 OK CRLF                       write_status
//! Date: Sun, 06 Nov 1994 08:49:37 GMT CRLF   write_header, its value made by write_date
//! Content-Length: 5 CRLF                     write_header, its value made by write_number
//! CRLF                                       the caller's own
//! ```
//!
//! Which header lines a response has is decided elsewhere. Nothing here allocates beyond `out`
//! itself.
//!
//! ```
//! use encke::proto::http1::{write_header, write_status};
//! let mut out = Vec::new();
//! write_status(&mut out, 204);
//! write_header(&mut out, "Connection", b"close");
//! out.extend_from_slice(b"\r\n");
//! assert_eq!(out, b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
//! ```

/// The usual phrase for a status (RFC 9110 §15, RFC 6585); empty for one that we never send.
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

/// A whole interim response (RFC 9110 §15.2.1), for clients of HTTP/1.1.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The status line. Always HTTP/1.1, to clients of 1.0 as well (RFC 9110 §2.5).
pub fn write_status(out: &mut Vec<u8>, status: u16) {
    debug_assert!((100..=599).contains(&status), "a status has three digits");
    out.extend_from_slice(b"HTTP/1.1 ");
    write_number(out, status.into());
    // RFC 9112 §4: this space stays even where the phrase is empty.
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// One field line. CR, LF and NUL in the value become spaces (RFC 9110 §5.5), so text that came
/// from a client can never begin a line of its own.
pub fn write_header(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    debug_assert!(!name.is_empty() && name.bytes().all(super::is_token_byte), "names are ours");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    let start = out.len();
    out.extend_from_slice(value);
    for byte in &mut out[start..] {
        *byte = if matches!(*byte, b'\r' | b'\n' | b'\0') { b' ' } else { *byte };
    }
    out.extend_from_slice(b"\r\n");
}

/// A number in decimal digits.
pub fn write_number(out: &mut Vec<u8>, n: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = n;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

const DAY_SECONDS: u64 = 86_400;
/// 9999-12-31 23:59:59, the last second that this form can write.
const LAST_SECOND: u64 = 253_402_300_799;
/// 1970-01-01 was a Thursday.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
/// The year as the Romans had it, with its leap day last: (name, days at most).
const MONTHS: [(&str, u64); 12] = [
    ("Mar", 31),
    ("Apr", 30),
    ("May", 31),
    ("Jun", 30),
    ("Jul", 31),
    ("Aug", 31),
    ("Sep", 30),
    ("Oct", 31),
    ("Nov", 30),
    ("Dec", 31),
    ("Jan", 31),
    ("Feb", 29),
];

/// The value of a Date line, such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7,
/// IMF-fixdate). Seconds after the year 9999 are written as its last one.
pub fn write_date(out: &mut Vec<u8>, unix_seconds: u64) {
    let seconds = unix_seconds.min(LAST_SECOND);
    let (days, second) = (seconds / DAY_SECONDS, seconds % DAY_SECONDS);
    let (year, month, day) = calendar(days);
    out.extend_from_slice(WEEKDAYS[(days % 7) as usize].as_bytes());
    out.extend_from_slice(b", ");
    write_two_digits(out, day);
    out.push(b' ');
    out.extend_from_slice(month.as_bytes());
    out.push(b' ');
    // 1970 ≤ year ≤ 9999: always four digits.
    write_number(out, year);
    out.push(b' ');
    write_two_digits(out, second / 3600);
    out.push(b':');
    write_two_digits(out, second / 60 % 60);
    out.push(b':');
    write_two_digits(out, second % 60);
    out.extend_from_slice(b" GMT");
}

fn write_two_digits(out: &mut Vec<u8>, n: u64) {
    out.push(b'0' + (n / 10 % 10) as u8);
    out.push(b'0' + (n % 10) as u8);
}

/// (year, month's name, day of the month) of a day counted from 1970-01-01.
///
/// Counted from 1 March 1600, every period but the last of its kind is one leap day short: 4
/// centuries of 36,524 days, in each 25 times 1,461 days, in each 4 years of 365. What remains at
/// the end of a period (the leap day) belongs to its last part, hence the `min`.
fn calendar(days: u64) -> (u64, &'static str, u64) {
    const FROM_MARCH_1600: u64 = 135_080;
    let days = days + FROM_MARCH_1600;
    let (cycles, rest) = (days / 146_097, days % 146_097);
    let centuries = (rest / 36_524).min(3);
    let rest = rest - centuries * 36_524;
    let (fours, rest) = (rest / 1_461, rest % 1_461);
    let ones = (rest / 365).min(3);
    let mut rest = rest - ones * 365;
    let mut year = 1600 + cycles * 400 + centuries * 100 + fours * 4 + ones;
    let mut month = 0;
    while rest >= MONTHS[month].1 {
        rest -= MONTHS[month].1;
        month += 1;
    }
    // January and February end the Roman year and begin ours.
    year += u64::from(month >= 10);
    (year, MONTHS[month].0, rest + 1)
}
