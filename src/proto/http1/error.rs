//! What can be wrong with a request head, and how each case is answered. The connection closes
//! after any.

/// Why a request head was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// More bytes than `head_bytes_max` (RFC 6585 §5).
    HeadTooLarge,
    /// More field lines than `HEADERS_MAX` (RFC 6585 §5).
    TooManyHeaders,
    /// A request target above `target_bytes_max` (RFC 9110 §15.5.15).
    TargetTooLong,
    /// Not `method SP target SP HTTP-version` (RFC 9112 §3).
    BadRequestLine,
    /// A target of no known form, or bytes in it that no URL has (RFC 9112 §3.2).
    BadTarget,
    /// Not HTTP/1.0 or HTTP/1.1 (RFC 9110 §15.6.6).
    UnsupportedVersion,
    /// A well-formed method that we do not know (RFC 9110 §9.1).
    UnknownMethod,
    /// CONNECT: known, but for proxies (RFC 9110 §9.3.6).
    Connect,
    /// A field name that is no token: white space before the colon, obsolete folding, no colon (RFC
    /// 9112 §5).
    BadHeaderName,
    /// A control character in a field value: NUL, bare CR (RFC 9110 §5.5).
    BadHeaderValue,
    /// A CR without LF, lines that end in different ways, too many empty ones (RFC 9112 §2.2).
    BadLineEnd,
    /// HTTP/1.1 without Host (RFC 9112 §3.2).
    MissingHost,
    /// More than one Host (RFC 9112 §3.2).
    SecondHost,
    /// A Host that is not `uri-host [":" port]` (RFC 9112 §3.2).
    BadHost,
    /// A Content-Length that is not one decimal number below 2^64 (RFC 9110 §8.6).
    BadContentLength,
    /// Two Content-Length lines, equal or not (RFC 9112 §6.3 lets us refuse both).
    SecondContentLength,
    /// Content-Length together with Transfer-Encoding (RFC 9112 §6.1).
    LengthAndEncoding,
    /// Transfer-Encoding in HTTP/1.0 (RFC 9112 §6.1).
    EncodingOnHttp10,
    /// `chunked` twice, not last or with parameters, or a malformed list (RFC 9112 §6.3, §7.1).
    BadTransferEncoding,
    /// A transfer coding that we do not know (RFC 9112 §6.1).
    UnknownTransferEncoding,
    /// An Expect other than 100-continue (RFC 9110 §10.1.1).
    UnknownExpectation,
}

impl Error {
    /// The status of the answer.
    pub fn status(self) -> u16 {
        match self {
            Error::HeadTooLarge | Error::TooManyHeaders => 431,
            Error::TargetTooLong => 414,
            Error::UnsupportedVersion => 505,
            Error::UnknownMethod | Error::Connect | Error::UnknownTransferEncoding => 501,
            Error::UnknownExpectation => 417,
            Error::BadRequestLine
            | Error::BadTarget
            | Error::BadHeaderName
            | Error::BadHeaderValue
            | Error::BadLineEnd
            | Error::MissingHost
            | Error::SecondHost
            | Error::BadHost
            | Error::BadContentLength
            | Error::SecondContentLength
            | Error::LengthAndEncoding
            | Error::EncodingOnHttp10
            | Error::BadTransferEncoding => 400,
        }
    }

    /// One line for the body of the answer; it repeats nothing that the client sent.
    pub fn explain(self) -> &'static str {
        match self {
            Error::HeadTooLarge => "the request head is too large",
            Error::TooManyHeaders => "the request has too many header lines",
            Error::TargetTooLong => "the URL is too long",
            Error::BadRequestLine => "the request line must be: method, URL, HTTP/1.1",
            Error::BadTarget => "the URL is malformed",
            Error::UnsupportedVersion => "only HTTP/1.0 and HTTP/1.1 are spoken here",
            Error::UnknownMethod => "unknown method",
            Error::Connect => "this server is not a proxy",
            Error::BadHeaderName => "a header name is malformed",
            Error::BadHeaderValue => "a header value holds a control character",
            Error::BadLineEnd => "the lines of a request head must all end in CRLF",
            Error::MissingHost => "the Host header is missing",
            Error::SecondHost => "there is more than one Host header",
            Error::BadHost => "the Host header is malformed",
            Error::BadContentLength => "Content-Length must be one decimal number",
            Error::SecondContentLength => "there is more than one Content-Length header",
            Error::LengthAndEncoding => "Content-Length and Transfer-Encoding exclude each other",
            Error::EncodingOnHttp10 => "HTTP/1.0 has no Transfer-Encoding",
            Error::BadTransferEncoding => "Transfer-Encoding must be chunked, once",
            Error::UnknownTransferEncoding => "no transfer coding but chunked is known here",
            Error::UnknownExpectation => "no expectation but 100-continue is known here",
        }
    }
}
