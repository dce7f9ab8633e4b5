//! A page with CometServerApi.js, official or ours: what it asks, and a check of all that it is told.

mod told;

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

use encke::hub::clock::Now;
use encke::hub::message::MessageId;

use super::ledger::Ledger;
use crate::client::{Line, client_text_frame};
use crate::decode::{EventReader, Part, Reader};
use crate::subscriber::OFFERS;
use crate::support::random::Random;
use crate::truth::Truth;
use crate::wire::Wire;

pub const PIPES: [&str; 6] = ["web_a", "web_b", "track_t", "private_p", "plain", "user_status_1"];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Via {
    WebSocket,
    Stream,
    Poll,
}

/// What a page is given when it acts.
pub struct Context<'a> {
    pub random: &'a mut Random,
    pub truth: &'a Truth,
    pub ledger: &'a mut Ledger,
    pub now: Now,
    pub is_late: bool,
    pub newest_line: u64,
    pub last_kick_ms: u64,
    /// Nothing is dropped from any history.
    pub is_roomy: bool,
    /// Memory was short once.
    pub was_short: bool,
}

pub struct Page {
    pub number: usize,
    pub user: u32,
    pub is_ours: bool,
    version: &'static str,
    uuid: String,
    /// What it listens to, or wants to.
    pub pipes: Vec<&'static str>,
    since: Option<MessageId>,
    msg: Option<MessageId>,
    /// Numbers of the personal messages that it received.
    pub received: HashSet<u64>,
    /// Personal messages that it may never get, because it was away for too long.
    excused: HashSet<u64>,
    pub opens: usize,
    /// The first cursor of its personal messages, and the connection that brought it. What came before
    /// may have gone to a connection that ended before it could tell.
    first_msg: Option<(MessageId, usize)>,
    pub talk: Option<Talk>,
    /// It was refused something: then it comes again.
    gives_up: bool,
}

/// One connection of a page.
pub struct Talk {
    pub line: u64,
    pub via: Via,
    wire: Rc<RefCell<Wire>>,
    reader: Reader,
    received: u64,
    frames: Vec<u8>,
    window_bits: Option<u8>,
    events: EventReader,
    body: Vec<u8>,
    status: u16,
    is_parked: bool,
    pub authorized: Option<bool>,
    had_msg: bool,
    had_since: bool,
    is_introduced: bool,
    /// Lists that were not answered yet.
    asked: VecDeque<Vec<&'static str>>,
    questions: usize,
    /// With the place in the feed from which on each is owed.
    channels: Vec<(&'static str, usize)>,
    /// The last message of a numbered feed.
    last: Option<usize>,
    seen_words: Vec<String>,
    /// From this place on everything must have come; set when all is at rest.
    settled: Option<usize>,
}

impl Page {
    pub fn draw(number: usize, random: &mut Random) -> Page {
        let user = random.below(4) as u32;
        // User 1 has one page, of ours; user 3 one that is not.
        let (user, is_ours) = match number {
            0 => (1, true),
            1 => (3, false),
            _ => (if user % 2 == 1 { 2 } else { user }, !random.one_in(3)),
        };
        let version = match is_ours {
            true => "5.0",
            false => random.pick(&["3.25", "4.08"]),
        };
        Page {
            number,
            user,
            is_ours,
            version,
            uuid: format!("page{number}"),
            pipes: draw_pipes(random),
            since: None,
            msg: None,
            received: HashSet::new(),
            excused: HashSet::new(),
            opens: 0,
            first_msg: None,
            talk: None,
            gives_up: false,
        }
    }

    /// What may explain a failure.
    pub fn explain(&self) -> String {
        let Page { number, user, is_ours, pipes, talk, .. } = self;
        let talk = talk.as_ref().map(|it| (it.via, it.authorized, it.asked.len(), &it.channels));
        format!("page {number} of {user}, ours {is_ours}, {pipes:?}, {talk:?}")
    }

    /// Whether nobody else is its user, and it has a memory.
    pub fn is_alone(&self) -> bool {
        self.user == 1
    }

    pub fn is_up(&self) -> bool {
        self.talk.as_ref().is_some_and(|talk| talk.is_introduced)
    }

    fn address(&self) -> String {
        let (user, key) = match self.user {
            0 => ("undefined".to_owned(), "undefined".to_owned()),
            user => (user.to_string(), format!("key{user}")),
        };
        let api = if self.is_ours { "encke" } else { "js" };
        let Page { version, uuid, number, .. } = self;
        let mut address =
            format!("/ws/sesion={key}&myid={user}&devid=1&v={version}&uuid={uuid}&api={api}");
        if self.is_ours {
            address.push_str(&format!("&session=session-of-page-{number:04}"));
        }
        address
    }

    fn target(&self, via: Via) -> String {
        let text = |id: Option<MessageId>| id.map_or(String::new(), |id| id.to_string());
        let mut target = self.address();
        if self.is_ours {
            let (since, msg) = (text(self.since), text(self.msg));
            target.push_str(&format!("&pipes={}&since={since}&msg={msg}", self.pipes.join(",")));
        }
        if via == Via::Poll {
            target.push_str("&transport=poll");
        }
        target
    }

    /// Connects; what an older connection still says comes too late.
    pub fn open(&mut self, id: u64, line: &mut Line, via: Via, context: &mut Context<'_>) {
        self.opens += 1;
        if !self.is_ours {
            self.uuid = format!("page{}line{id}", self.number);
        }
        self.talk = Some(Talk::new(id, via, line.wire.clone()));
        self.ask(line);
        if !self.is_ours {
            self.say_pipes(line, context.random);
        }
    }

    /// Sends the request, which for a poll is every request.
    fn ask(&mut self, line: &mut Line) {
        let Some(via) = self.talk.as_ref().map(|talk| talk.via) else { return };
        let target = self.target(via);
        let Some(talk) = &mut self.talk else { return };
        talk.had_msg = self.msg.is_some();
        talk.had_since = self.since.is_some();
        // A poll that goes on is not told who it is.
        talk.authorized = None;
        talk.is_parked = true;
        if self.since.is_some() {
            talk.channels = self.pipes.iter().map(|&pipe| (pipe, 0)).collect();
        }
        talk.is_introduced = talk.via == Via::Poll && self.since.is_some();
        let headers = match talk.via {
            Via::WebSocket => format!(
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 {}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
                OFFERS[self.opens % OFFERS.len()]
            ),
            Via::Stream => "Accept: text/event-stream\r\n".to_owned(),
            Via::Poll => String::new(),
        };
        let agent = self.number % 3;
        line.send(
            format!(
                "GET {target} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a{agent}\r\n{headers}\r\n"
            )
            .as_bytes(),
        );
    }

    /// The next poll, if the last one is answered.
    pub fn poll_again(&mut self, line: &mut Line) -> bool {
        let is_answered = |talk: &Talk| talk.via == Via::Poll && !talk.is_parked;
        let is_due = self.talk.as_ref().is_some_and(is_answered) && !line.wants_fin;
        if is_due {
            self.ask(line);
        }
        is_due
    }

    /// Listens to something else; true if that needs a new connection.
    pub fn resubscribe(&mut self, line: &mut Line, context: &mut Context<'_>) -> bool {
        self.pipes = draw_pipes(context.random);
        let Some(talk) = &self.talk else { return false };
        if talk.via != Via::WebSocket {
            return true;
        }
        self.say_pipes(line, context.random);
        false
    }

    fn say_pipes(&mut self, line: &mut Line, random: &mut Random) {
        let Some(talk) = &mut self.talk else { return };
        let text = format!("subscription\n{}", self.pipes.join("\n"));
        line.send(&client_text_frame(random, text.as_bytes()));
        talk.settled = None;
        talk.seen_words.clear();
        talk.asked.push_back(self.pipes.clone());
        if !self.is_ours {
            // Nothing tells when it holds.
            talk.channels.extend(self.pipes.iter().map(|&pipe| (pipe, usize::MAX)));
        }
    }

    /// The text of a publish.
    pub fn publication(&self, context: &mut Context<'_>) -> (u64, String) {
        let number = context.ledger.number();
        let pipe = context.random.pick(&["web_a", "web_b", "@web_b"]);
        let filler = "x".repeat(context.random.pick(&[0, 10, 400]));
        (number, format!("web_pipe2\n{pipe}\ne\n*\nm{number} {filler}"))
    }

    /// Asks something, over a WebSocket.
    pub fn question(&mut self, line: &mut Line, context: &mut Context<'_>) {
        let Some(talk) = &mut self.talk else { return };
        let text = context.random.pick(&[
            "pipe_count\nweb_a\n1234567890\n",
            "pipe_count\ntrack_t\n1234567890\n",
            "track_pipe_users\ntrack_t\n1234567890",
            "user_status\n1",
        ]);
        line.send(&client_text_frame(context.random, text.as_bytes()));
        talk.questions += 1;
    }

    /// The request that posts a command with a number.
    pub fn post(&self, number: u64, text: &str) -> String {
        let length = text.len();
        let address = self.address();
        format!(
            "POST {address}&n={number} HTTP/1.1\r\nHost: localhost\r\n\
             Content-Length: {length}\r\n\r\n{text}"
        )
    }

    pub fn receive(&mut self, bytes: &[u8], line: &mut Line, context: &mut Context<'_>) {
        let Some(talk) = &mut self.talk else { return };
        talk.received += bytes.len() as u64;
        talk.reader.push(bytes);
        while let Some(talk) = &mut self.talk
            && let Some(part) = talk.reader.next(false)
        {
            match part {
                // Whether it has gone.
                Part::Head(head, _) if head.status == 100 => assert!(line.wire.borrow().has_fin()),
                Part::Head(head, _) => {
                    talk.status = head.status;
                    talk.window_bits = head.window_bits();
                    talk.body.clear();
                    let good: &[u16] = match talk.via {
                        Via::WebSocket => &[101],
                        Via::Stream => &[200],
                        Via::Poll => &[200, 304],
                    };
                    if !good.contains(&head.status) {
                        // It took too long to ask, its user was sent away, or the server stops.
                        let is_known = matches!(head.status, 408 | 503);
                        assert!(is_known, "{:?}: {head:?}", talk.via);
                        // What it has said already may be taken for another request.
                        self.talk = None;
                        line.wants_fin = true;
                        return;
                    }
                    self.excuse(context);
                }
                Part::Data(data) => match talk.via {
                    Via::WebSocket if talk.status != 101 => {}
                    Via::WebSocket => talk.frames.extend_from_slice(&data),
                    Via::Stream if talk.status != 200 => {}
                    Via::Stream => talk.events.lines.push(&data),
                    Via::Poll => talk.body.extend_from_slice(&data),
                },
                Part::End if talk.via == Via::Stream => {
                    // It was sent away before it began.
                    assert!(context.was_short, "a stream has no end");
                    self.gives_up = true;
                }
                Part::End => self.poll_ended(context),
            }
        }
        self.take_frames(line, context);
        self.take_events(context);
        if std::mem::take(&mut self.gives_up) {
            self.talk = None;
            line.wants_fin = true;
        }
    }

    /// The channels that it has while all is at rest.
    pub fn holds(&self) -> Option<usize> {
        let talk = self.talk.as_ref()?;
        let is_sure = talk.authorized.is_some() || self.user == 0;
        let is_private = talk.authorized == Some(true);
        if !is_sure && self.pipes.contains(&"private_p") {
            return None;
        }
        Some(self.pipes.iter().filter(|pipe| is_private || **pipe != "private_p").count())
    }
}

impl Talk {
    fn new(line: u64, via: Via, wire: Rc<RefCell<Wire>>) -> Talk {
        Talk {
            line,
            via,
            wire,
            reader: Reader::new(),
            received: 0,
            frames: Vec::new(),
            window_bits: None,
            events: EventReader::default(),
            body: Vec::new(),
            status: 0,
            is_parked: false,
            authorized: None,
            had_msg: false,
            had_since: false,
            is_introduced: false,
            asked: VecDeque::new(),
            questions: 0,
            channels: Vec::new(),
            last: None,
            seen_words: Vec::new(),
            settled: None,
        }
    }

    pub fn asks(&mut self) {
        self.questions += 1;
    }

    fn answered(&mut self) {
        self.questions = self.questions.checked_sub(1).expect("an answer to something");
    }
}

fn draw_pipes(random: &mut Random) -> Vec<&'static str> {
    let wanted = random.below(1 << PIPES.len());
    let is_wanted = |&(index, _): &(usize, &'static str)| wanted >> index & 1 == 1;
    let mut pipes: Vec<&str> =
        PIPES.into_iter().enumerate().filter(is_wanted).map(|(_, pipe)| pipe).collect();
    if random.one_in(2) {
        pipes.reverse();
    }
    pipes
}
