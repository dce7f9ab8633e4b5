//! An HTTP client that shows every byte: what it sends is written by hand, what it reads is checked.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// How long a read may take before the test fails.
pub const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// One connection.
pub struct Http<S: Read = TcpStream> {
    reader: BufReader<S>,
}

/// An answer; the body is empty where the head was all that was read.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = all.next().map(|(_, value)| value.as_str());
        assert!(all.next().is_none(), "{name} is there twice: {self:?}");
        value
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The id in the answer to a publish.
    pub fn id(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()["id"].as_str().expect("an id").to_owned()
    }

    /// The cursor of a poll.
    pub fn cursor(&self) -> String {
        self.header("ETag").expect("an ETag").trim_matches('"').to_owned()
    }
}

impl Http<TcpStream> {
    pub fn connect(address: SocketAddr) -> Http {
        let stream = TcpStream::connect(address).expect("somebody listens");
        stream.set_read_timeout(Some(READ_TIMEOUT)).expect("a timeout");
        stream.set_write_timeout(Some(READ_TIMEOUT)).expect("a timeout");
        stream.set_nodelay(true).expect("an option");
        Http { reader: BufReader::new(stream) }
    }

    /// Sends FIN: nothing more will be asked.
    pub fn half_close(&mut self) {
        self.reader.get_ref().shutdown(Shutdown::Write).expect("a shutdown");
    }
}

impl Http<UnixStream> {
    pub fn connect_unix(path: &Path) -> io::Result<Http<UnixStream>> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        Ok(Http { reader: BufReader::new(stream) })
    }
}

impl<S: Read + Write> Http<S> {
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.reader.get_mut().write_all(bytes.as_ref()).expect("a write");
    }

    /// Sends what may be refused half way.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    /// Sends a request with these further header lines, and no body.
    pub fn ask(&mut self, line: &str, headers: &[&str]) {
        self.send(request(line, headers, b""));
    }

    /// The same, and reads the answer.
    pub fn get(&mut self, target: &str, headers: &[&str]) -> Response {
        self.ask(&format!("GET {target}"), headers);
        self.response()
    }

    /// Any request with a body, and its answer.
    pub fn post(&mut self, target: &str, body: impl AsRef<[u8]>) -> Response {
        self.send(request(&format!("POST {target}"), &[], body.as_ref()));
        self.response()
    }

    /// The status of an answer, if one comes whole before the connection ends, in whatever way.
    pub fn status_if_any(&mut self) -> Option<u16> {
        let (mut status, mut length) = (None, 0);
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).ok().filter(|&count| count > 0)?;
            if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
                status = rest[..3].parse().ok();
            } else if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim().parse().expect("a length");
            } else if line == "\r\n" {
                let mut body = vec![0; length];
                return self.reader.read_exact(&mut body).ok().and(status);
            }
        }
    }

    /// A line without its end.
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        let count = self.reader.read_until(b'\n', &mut line).expect("a line in time");
        assert!(count > 0, "the connection ended where a line was due");
        while line.last().is_some_and(|byte| b"\r\n".contains(byte)) {
            line.pop();
        }
        String::from_utf8(line).expect("text")
    }

    /// The head of an answer.
    pub fn head(&mut self) -> Response {
        let line = self.line();
        let mut words = line.splitn(3, ' ');
        assert_eq!(words.next(), Some("HTTP/1.1"), "{line:?}");
        let status = words.next().and_then(|word| word.parse().ok()).expect("a status");
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            match line.split_once(": ") {
                Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
                None => {
                    assert_eq!(line, "", "not a header");
                    return Response { status, headers, body: Vec::new() };
                }
            }
        }
    }

    /// A whole answer, its body by length.
    pub fn response(&mut self) -> Response {
        let mut response = self.head();
        if let Some(length) = response.header("Content-Length") {
            let length = length.parse().expect("a length");
            response.body = self.bytes(length);
        } else {
            assert!([204, 304].contains(&response.status), "no length: {response:?}");
        }
        response
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes).expect("bytes in time");
        bytes
    }

    /// One chunk of a chunked body; empty for the last one.
    pub fn chunk(&mut self) -> Vec<u8> {
        let size = self.line();
        let size = usize::from_str_radix(&size, 16).unwrap_or_else(|_| panic!("size {size:?}"));
        let data = self.bytes(size);
        assert_eq!(self.bytes(2), b"\r\n");
        data
    }

    /// Everything up to the end of the connection.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.reader.read_to_end(&mut rest).expect("an end in time");
        rest
    }

    /// Everything up to the end, also when the end is a reset.
    pub fn rest_or_reset(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.reader.read_to_end(&mut rest) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => panic!("{error}"),
            _ => rest,
        }
    }

    /// The server has closed, and said nothing more.
    #[track_caller]
    pub fn ends(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
    }

    pub fn stream(&self) -> &S {
        self.reader.get_ref()
    }
}

/// A request in bytes. Without a body there is no length, but for POST.
pub fn request(line: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{line} HTTP/1.1\r\nHost: localhost\r\n");
    for header in headers {
        text += &format!("{header}\r\n");
    }
    if !body.is_empty() || line.starts_with("POST") {
        text += &format!("Content-Length: {}\r\n", body.len());
    }
    [text.as_bytes(), b"\r\n", body].concat()
}

/// One GET on a connection of its own.
pub fn get(address: SocketAddr, target: &str) -> Response {
    Http::connect(address).get(target, &[])
}

/// One publish on a connection of its own; returns the id.
pub fn publish(address: SocketAddr, target: &str, body: impl AsRef<[u8]>) -> String {
    Http::connect(address).post(&format!("/channels/{target}"), body).id()
}
