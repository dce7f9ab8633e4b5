//! What pages and back ends do.

use crate::client::client_text_frame;
use crate::decode::Reader;

use super::ledger::{Author, Waiting};
use super::page::{Page, Via};
use super::{Owner, PAGES_MAX, World};

/// After this many milliseconds without a connection no session is left of a page.
const GONE_MS: u64 = 26_000;

/// Tries after which a connection is there that can be watched.
const TRIES_MAX: usize = 20;

impl World {
    /// Somebody new, somebody who was here before, or somebody who does not know that it is here still.
    pub(super) fn connect(&mut self) {
        let away: Vec<usize> =
            (0..self.pages.len()).filter(|&index| self.pages[index].talk.is_none()).collect();
        let random = &mut self.machine.random;
        let index = if self.pages.len() < PAGES_MAX && (away.is_empty() || random.one_in(3)) {
            self.pages.push(Page::draw(self.pages.len(), random));
            self.pages.len() - 1
        } else if !away.is_empty() {
            random.pick(&away)
        } else {
            random.below(self.pages.len())
        };
        self.open(index);
    }

    /// Connects a page; false if there is no place for it.
    pub(super) fn open(&mut self, index: usize) -> bool {
        let id = (0..TRIES_MAX).find_map(|_| self.wire(Owner::Page(index)));
        let Some(id) = id else { return false };
        let via = match self.pages[index].is_ours {
            true => self.machine.random.pick(&[Via::WebSocket, Via::Stream, Via::Poll]),
            false => Via::WebSocket,
        };
        let before = self.pages[index].talk.as_ref().map(|talk| talk.line);
        // The page has given the old one up, but the network has not.
        if self.machine.random.one_in(2)
            && let Some(old) = self.wired.iter_mut().find(|wired| Some(wired.id) == before)
        {
            old.line.wants_fin = true;
        }
        let mut line = self.wired.pop().expect("it was just made");
        self.with_page(index, |page, _, context| page.open(id, &mut line.line, via, context));
        self.wired.push(line);
        true
    }

    /// A page that is connected.
    pub(super) fn somebody(&mut self) -> Option<usize> {
        let is_here = |index: &usize| {
            let talk = self.pages[*index].talk.as_ref();
            talk.is_some_and(|talk| {
                self.wired.iter().any(|wired| wired.id == talk.line && !wired.line.wants_fin)
            })
        };
        let here: Vec<usize> = (0..self.pages.len()).filter(is_here).collect();
        (!here.is_empty()).then(|| self.machine.random.pick(&here))
    }

    pub(super) fn resubscribe(&mut self) {
        let Some(index) = self.somebody() else { return };
        if !self.pages[index].is_up() {
            return;
        }
        let before = self.pages[index].pipes.clone();
        let is_new = self.with_page(index, |page, line, context| {
            line.is_some_and(|line| page.resubscribe(line, context))
        });
        if is_new && !self.open(index) {
            // Then it goes on as it was.
            self.pages[index].pipes = before;
        }
    }

    pub(super) fn publish(&mut self) {
        let Some(index) = self.somebody() else { return };
        let page = &self.pages[index];
        if !page.is_up() {
            return;
        }
        let talk = page.talk.as_ref().expect("it is connected");
        let (line, is_socket) = (talk.line, talk.via == Via::WebSocket);
        let author = Author { page: index, line };
        let (number, text) = self.with_page(index, |page, line, context| {
            let (number, text) = page.publication(context);
            context.ledger.authors.insert(number, author);
            if is_socket && let (Some(line), Some(talk)) = (line, &mut page.talk) {
                line.send(&client_text_frame(context.random, text.as_bytes()));
                talk.asks();
            }
            (number, text)
        });
        if !is_socket {
            // A page that hears no answer tries again with the same number.
            let request = self.pages[index].post(number, &text);
            for _ in 0..self.machine.random.pick(&[1, 1, 2]) {
                self.errand(&request);
            }
        }
    }

    pub(super) fn publish_from_outside(&mut self) {
        let number = self.ledger.number();
        let pipe = self.machine.random.pick(&["web_a", "web_b", "private_p", "plain"]);
        self.errand(&post(&format!("/channels/{pipe}"), &format!("m{number} outside")));
    }

    pub(super) fn burst(&mut self) {
        for _ in 0..self.machine.random.pick(&[3, 12]) {
            self.publish_from_outside();
        }
    }

    /// A message for a user: one that waits, which only SQL can say, or one that does not.
    pub(super) fn send_to_user(&mut self) {
        let user = 1 + self.machine.random.below(3) as u32;
        let number = self.ledger.number();
        if self.machine.random.one_in(3) || !cfg!(feature = "cometql") {
            return self.errand(&post(&format!("/users/{user}"), &format!("n{number}")));
        }
        if self.machine.now.ms > self.here_ms[user as usize] + GONE_MS {
            let opens = (0..PAGES_MAX).map(|index| self.pages.get(index).map_or(0, |it| it.opens));
            self.ledger.waiting.insert(number, Waiting { opens: opens.collect() });
        }
        self.back_end.say(format!(
            "INSERT INTO users_messages (id, event, message) VALUES ({user}, 'e', 'w{number}')"
        ));
        self.run_back_end();
    }

    /// A user is sent away, and may come back.
    pub(super) fn kick(&mut self) {
        if !cfg!(feature = "cometql") {
            return;
        }
        let user = 1 + self.machine.random.below(3);
        self.back_end.say(format!("DELETE FROM users_auth WHERE id = {user}"));
        self.back_end
            .say(format!("INSERT INTO users_auth (id, hash) VALUES ({user}, 'key{user}')"));
        self.run_back_end();
    }

    pub(super) fn run_back_end(&mut self) {
        if self.back_end.line.is_none() {
            self.back_end.line = self.wire(Owner::BackEnd);
        }
        let World { wired, back_end, .. } = self;
        let line = wired.iter_mut().find(|wired| Some(wired.id) == back_end.line);
        if let Some(line) = line {
            back_end.go_on(&mut line.line);
        }
    }

    pub(super) fn errand(&mut self, request: &str) {
        let owner = Owner::Errand(Box::new((Reader::new(), None)));
        if self.wire(owner).is_some()
            && let Some(wired) = self.wired.last_mut()
        {
            wired.line.send(request.as_bytes());
        }
    }

    pub(super) fn question(&mut self) {
        let Some(index) = self.somebody() else { return };
        let page = &self.pages[index];
        let is_socket = page.talk.as_ref().is_some_and(|talk| talk.via == Via::WebSocket);
        if page.is_up() && is_socket {
            self.with_page(index, |page, line, context| {
                if let Some(line) = line {
                    page.question(line, context);
                }
            });
        }
    }

    pub(super) fn run_back_end_if_wanted(&mut self) {
        if !self.back_end.is_done() && !self.machine.is_draining {
            self.run_back_end();
        }
    }
}

fn post(target: &str, data: &str) -> String {
    let length = data.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sesame\r\n\
         Content-Length: {length}\r\n\r\n{data}"
    )
}
