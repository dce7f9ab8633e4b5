//! What everybody has said and sent, by number: every message carries one that no other has.

use std::collections::HashMap;

use encke::hub::message::Message;

use crate::truth::Truth;

/// Who published a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Author {
    pub page: usize,
    /// The connection that it came by.
    pub line: u64,
}

/// A message for a user that was sent while none of the user's devices could be there.
pub struct Waiting {
    /// How often each page had connected by then.
    pub opens: Vec<usize>,
}

#[derive(Default)]
pub struct Ledger {
    counter: u64,
    pub authors: HashMap<u64, Author>,
    /// Where in the feed a message stands.
    pub places: HashMap<u64, usize>,
    pub waiting: HashMap<u64, Waiting>,
    /// Personal messages that some page has received, and the newest connection then.
    pub had: HashMap<u64, u64>,
}

impl Ledger {
    pub fn number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Learns what has left the feed.
    pub fn read(&mut self, truth: &Truth, from: &mut usize) {
        for place in *from..truth.messages.len() {
            if let Some(number) = number_of(&text_of(&truth.messages[place])) {
                let before = self.places.insert(number, place);
                assert_eq!(before, None, "{number} was published twice");
            }
        }
        *from = truth.messages.len();
    }
}

pub fn text_of(message: &Message) -> String {
    String::from_utf8(message.data.as_bytes().to_vec()).expect("all data is text")
}

/// The number in `m17 …`, `w17 …` or `n17 …`.
pub fn number_of(text: &str) -> Option<u64> {
    let word = text.split(' ').next()?;
    word.get(1..)?.parse().ok().filter(|_| word.starts_with(['m', 'w', 'n']))
}
