//! Clients that come to an encke of their own, use it well, and go: what memory is measured with.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use super::clients::{WAVE, read_head, write};
use super::report::Report;
use crate::support::back_end;
use crate::support::dial::{dial, dial_narrow, widen};
use crate::support::process::{Process, read_some, read_until};

/// What each user shows.
pub const KEY: &str = "0123456789abcdef0123456789abcdef";
/// Messages that each gets while it uses the server: in bursts, and one that nobody has room for.
const MESSAGES: usize = 100;
const BURSTS: [usize; 5] = [20, 20, 20, 20, 19];
const SMALL_BYTES: usize = 64;
/// More than the kernels of both ends keep for a client that has little room.
const BIG_BYTES: usize = 150_000;
/// The great message goes to one of these groups at a time: the kernel has not the memory for all.
const GROUPS: usize = 4;
/// Clients that are in the middle of a message at a time.
const TALKERS: usize = 1_000;
/// The server gives back what a crowd needed half a second after it, and looks once more two seconds later.
const TIDY_UP: Duration = Duration::from_secs(4);

/// One way of listening.
pub struct Way {
    pub name: &'static str,
    /// By the client's number.
    pub request: fn(usize) -> &'static [u8],
    /// What the answer's head has; empty if there is none at first.
    pub status: &'static str,
    /// What is sent as soon as the head is there.
    pub says: fn(usize) -> Vec<u8>,
    /// The group's channel, where it gets the messages, begins with this.
    pub channel: &'static str,
    /// Channels that each listens to.
    pub memberships: usize,
    /// A message in three reads, where clients may speak.
    pub fragments: Vec<Vec<u8>>,
    /// An answer ends the request: it is asked again.
    pub asks_again: bool,
    /// Each needs the key of a user.
    pub has_users: bool,
}

pub struct Guests<'a> {
    way: &'a Way,
    pub encke: Process,
    pub start_bytes: u64,
    sockets: Vec<TcpStream>,
    /// So many of them have used it well.
    used: usize,
    /// Publishes, and asks how things are.
    publisher: TcpStream,
    is_tiny: bool,
}

impl<'a> Guests<'a> {
    /// A server that at most so many will come to.
    pub fn of(way: &'a Way, most: usize, report: &Report) -> Guests<'a> {
        let encke = super::encke();
        let start_bytes = encke.own_bytes();
        if way.has_users {
            let_in(&encke, most);
        }
        let publisher = dial(encke.address);
        Guests {
            way,
            encke,
            start_bytes,
            sockets: Vec::new(),
            used: 0,
            publisher,
            is_tiny: report.bench.is_tiny,
        }
    }

    /// More come, until there are so many.
    pub fn come(&mut self, count: usize) {
        while self.sockets.len() < count {
            let wave = self.sockets.len()..count.min(self.sockets.len() + WAVE);
            let open = |number| {
                let mut socket = dial_narrow(self.encke.address);
                write(&mut socket, (self.way.request)(number));
                socket
            };
            let mut sockets: Vec<TcpStream> = wave.clone().map(open).collect();
            for (number, socket) in wave.zip(&mut sockets).filter(|_| !self.way.status.is_empty()) {
                read_head(socket, self.way.status);
                write(socket, &(self.way.says)(number));
            }
            if self.way.status.is_empty() {
                self.encke.settle();
            }
            self.sockets.append(&mut sockets);
        }
        self.settle();
        assert_eq!(self.stats()["memberships"], count * self.way.memberships);
    }

    /// Each gets 100 messages, one of them in several writes, and sends one in fragments.
    pub fn use_well(&mut self) {
        let before = self.stats()["messages_delivered"].as_u64();
        let everybody: Vec<usize> = (0..GROUPS).collect();
        for messages in BURSTS {
            self.publish(&everybody, messages, SMALL_BYTES);
            self.settle();
            self.ask_again();
        }
        for group in 0..GROUPS {
            self.publish(&[group], 1, BIG_BYTES);
            self.encke.settle();
            // Who has been through this has more room in the kernel the next time.
            let members = |count: usize| (group..count).step_by(GROUPS).count();
            let new = members(self.sockets.len()) - members(self.used);
            let behind = self.stats()["clients_behind"].as_u64();
            // The kernel lets a few have more than they asked for.
            let most = Some(new as u64 * 9 / 10);
            assert!(behind >= most, "{behind:?} of {new} writes were short");
            for socket in self.sockets.iter().skip(group).step_by(GROUPS) {
                widen(socket);
            }
            self.settle();
        }
        self.ask_again();
        for sockets in self.sockets.chunks_mut(TALKERS) {
            for bytes in &self.way.fragments {
                sockets.iter_mut().for_each(|socket| write(socket, bytes));
                self.encke.settle();
            }
        }
        self.settle();
        let stats = self.stats();
        let delivered = stats["messages_delivered"].as_u64().zip(before);
        let delivered = delivered.map(|(after, before)| (after - before) as usize);
        assert_eq!(delivered, Some(MESSAGES * self.sockets.len()), "all got everything");
        assert_eq!(stats["memberships"], self.sockets.len() * self.way.memberships);
        self.used = self.sockets.len();
    }

    /// All go, who publishes the last. Returns what the server has then.
    pub fn leave(mut self) -> u64 {
        self.sockets.clear();
        self.encke.settle();
        assert_eq!(self.stats()["connections"]["total"], 1, "who asks");
        drop(self.publisher);
        if !self.is_tiny {
            sleep(TIDY_UP);
        }
        self.encke.own_bytes()
    }

    /// What the server has for itself once it has had the time to tidy up, but for pages of its file.
    pub fn anonymous_bytes(&self) -> u64 {
        if !self.is_tiny {
            sleep(TIDY_UP);
        }
        self.encke.anonymous_bytes()
    }

    fn ask_again(&mut self) {
        if self.way.asks_again {
            for (number, socket) in self.sockets.iter_mut().enumerate() {
                write(socket, (self.way.request)(number));
            }
            self.encke.settle();
        }
    }

    /// By one write.
    fn publish(&mut self, groups: &[usize], messages: usize, bytes: usize) {
        let channel = |group: &usize| channel(self.way.channel, *group);
        let channels: Vec<String> = groups.iter().map(channel).collect();
        let (channels, data) = (channels.join(","), "x".repeat(bytes));
        let post = format!(
            "POST /channels/{channels} HTTP/1.1\r\nHost: localhost\r\n\
             Content-Length: {bytes}\r\n\r\n{data}"
        );
        write(&mut self.publisher, post.repeat(messages).as_bytes());
        let (mut answers, mut buffer) = (Vec::new(), [0; 4096]);
        while answers.windows(2).filter(|bytes| bytes == b"}\n").count() < messages {
            let count = read_some(&mut self.publisher, &mut buffer);
            answers.extend_from_slice(&buffer[..count]);
        }
    }

    fn stats(&mut self) -> Value {
        write(&mut self.publisher, b"GET /stats HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let mut buffer = [0; 16 * 1024];
        let count = read_until(&mut self.publisher, b"}}}\n", &mut buffer);
        let text = String::from_utf8_lossy(&buffer[..count]);
        let body = text.split_once("\r\n\r\n").expect("a head and a body").1;
        serde_json::from_str(body).expect("JSON")
    }

    /// All have read everything.
    fn settle(&mut self) {
        loop {
            self.encke.settle();
            if self.drain() == 0 && self.stats()["clients_behind"] == 0 {
                return;
            }
        }
    }

    /// Bytes that were there.
    fn drain(&mut self) -> usize {
        let mut buffer = [0; 64 * 1024];
        let mut drained = 0;
        for socket in &mut self.sockets {
            loop {
                match socket.read(&mut buffer) {
                    Ok(0) => panic!("the server closed a connection"),
                    Ok(count) => drained += count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        drained
    }
}

/// Where the group of a client, which has this number, gets its messages.
pub fn channel(begins: &str, number: usize) -> String {
    format!("{begins}-{}", number % GROUPS)
}

/// Users 1 to `most` have a key.
fn let_in(encke: &Process, most: usize) {
    let mut back_end = back_end::log_in(encke.others[0]);
    for first in (1..=most).step_by(1000) {
        let users = first..=most.min(first + 999);
        let rows: Vec<String> = users.map(|user| format!("({user}, '{KEY}')")).collect();
        let sql = format!("INSERT INTO users_auth (id, hash) VALUES {}", rows.join(", "));
        back_end::run(&mut back_end, &sql);
    }
}
