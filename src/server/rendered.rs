//! A batch in bytes: each part once for each format in use, shared by everybody who gets it.

use super::conn::Format;
use super::outbox::Piece;
use crate::dialects::{Announcement, dialect, native::variant};
use crate::hub::batch::Batch;
use crate::hub::delivery::{Payload, Transport};
use crate::hub::message::{Message, Personal};
use crate::proto::deflate::Compressor;
use crate::transports::{self, Framing};

/// The messages of one part in one format, one after the other.
pub(crate) struct Run {
    all: Piece,
    /// Where each message ends. A message that this format does not show ends where it begins.
    ends: Box<[usize]>,
    /// How many messages this format shows.
    pub shown: u32,
}

impl Run {
    /// All messages, or nothing if this format shows none of them.
    pub fn whole(&self) -> Option<&Piece> {
        Some(&self.all).filter(|all| !all.range.is_empty())
    }

    /// One message.
    pub fn message(&self, index: usize) -> Option<Piece> {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        let range = start..self.ends[index];
        (!range.is_empty()).then(|| Piece { buffer: self.all.buffer.clone(), range })
    }
}

/// All runs of one batch. Made when the first subscriber needs one, dropped with the batch.
pub(crate) struct Rendered {
    parts: Vec<Vec<(Format, Run)>>,
    /// How often something was rendered.
    pub count: u64,
}

impl Rendered {
    pub fn new(parts: usize) -> Rendered {
        Rendered { parts: (0..parts).map(|_| Vec::new()).collect(), count: 0 }
    }

    /// A part in a format. Formats are few, so a list is the fastest map.
    #[inline]
    pub fn run(
        &mut self,
        batch: &Batch,
        part: usize,
        format: Format,
        callbacks: &Callbacks,
        compressor: &mut Compressor,
    ) -> &Run {
        let known = self.parts[part].iter().position(|(known, _)| *known == format);
        let index =
            known.unwrap_or_else(|| self.render(batch, part, format, callbacks, compressor));
        &self.parts[part][index].1
    }

    /// Once for hundreds of visits.
    #[cold]
    fn render(
        &mut self,
        batch: &Batch,
        part: usize,
        format: Format,
        callbacks: &Callbacks,
        compressor: &mut Compressor,
    ) -> usize {
        self.count += 1;
        let indexes = batch.parts[part].messages.iter();
        let messages = indexes.map(|&index| &*batch.messages[index as usize]);
        let runs = &mut self.parts[part];
        let mut encode = |message: &Message, out: &mut Vec<u8>| match format.window_bits() {
            Some(window_bits) => encode_compressed(message, format, window_bits, compressor, out),
            None => encode(message, format, callbacks, out),
        };
        runs.push((format, render(messages, &mut encode)));
        runs.len() - 1
    }
}

fn render<'a>(
    messages: impl Iterator<Item = &'a Message>,
    encode: &mut dyn FnMut(&Message, &mut Vec<u8>),
) -> Run {
    let mut bytes = Vec::new();
    let mut ends = Vec::new();
    let mut shown = 0;
    for message in messages {
        let start = bytes.len();
        encode(message, &mut bytes);
        shown += u32::from(bytes.len() > start);
        ends.push(bytes.len());
    }
    Run { all: Piece::whole(bytes.into()), ends: ends.into(), shown }
}

/// Appends one message for all who share it compressed.
fn encode_compressed(
    message: &Message,
    format: Format,
    window_bits: u8,
    compressor: &mut Compressor,
    out: &mut Vec<u8>,
) {
    dialect(format.dialect).encode(message, format.variant, &mut |payload| {
        transports::websocket::frame_compressed(payload, window_bits, compressor, out);
    });
}

/// Appends one message in a format, for one client alone: that is not worth compressing.
pub(crate) fn encode(message: &Message, format: Format, callbacks: &Callbacks, out: &mut Vec<u8>) {
    let (transport, framing) = framing(format, callbacks);
    dialect(format.dialect).encode(message, format.variant, &mut |payload| {
        transports::frame(transport, framing, payload, out);
    });
}

/// Appends a message for one user in a format.
pub(crate) fn personal(
    message: &Personal,
    format: Format,
    callbacks: &Callbacks,
    out: &mut Vec<u8>,
) {
    let (transport, framing) = framing(format, callbacks);
    dialect(format.dialect).personal(message, format.variant, &mut |payload| {
        transports::frame(transport, framing, payload, out);
    });
}

/// Appends a word of the server in a format.
pub(crate) fn announce(
    event: &Announcement<'_>,
    format: Format,
    callbacks: &Callbacks,
    out: &mut Vec<u8>,
) {
    let (transport, framing) = framing(format, callbacks);
    dialect(format.dialect).announce(event, format.variant, &mut |payload| {
        transports::frame(transport, framing, payload, out);
    });
}

/// Appends a JSON object for one client alone, which its dialect has made already.
pub(crate) fn object(object: &[u8], format: Format, callbacks: &Callbacks, out: &mut Vec<u8>) {
    let (transport, framing) = framing(format, callbacks);
    let payload = Payload { id: None, event: None, data: object, is_text: true };
    transports::frame(transport, framing, payload, out);
}

/// What the transport must know of a format.
pub(crate) fn framing(format: Format, callbacks: &Callbacks) -> (Transport, Framing<'_>) {
    let framing = Framing {
        chunked: format.variant & variant::UNCHUNKED == 0,
        callback: callbacks.name(format.variant >> variant::CALLBACK_SHIFT),
    };
    (format.transport(), framing)
}

/// The callback names of iframe streams in use: a format holds a number, so that all streams with one
/// name share what is rendered. Number 0 is the empty name.
#[derive(Default)]
pub(crate) struct Callbacks {
    names: Vec<(Box<str>, u32)>,
}

impl Callbacks {
    /// Counts one more user of a name; `None` when there are too many names.
    pub fn take(&mut self, name: &str, max: usize) -> Option<u16> {
        let is_same = |(known, users): &(Box<str>, u32)| *users > 0 && &**known == name;
        if let Some(index) = self.names.iter().position(is_same) {
            self.names[index].1 += 1;
            return Some(index as u16 + 1);
        }
        let in_use = self.names.iter().filter(|(_, users)| *users > 0).count();
        if in_use >= max.min(255) {
            return None;
        }
        if let Some(unused) = self.names.iter().position(|(_, users)| *users == 0) {
            self.names[unused] = (name.into(), 1);
            return Some(unused as u16 + 1);
        }
        self.names.push((name.into(), 1));
        Some(self.names.len() as u16)
    }

    /// One user less.
    pub fn give_back(&mut self, number: u16) {
        if let Some(entry) = number.checked_sub(1).and_then(|at| self.names.get_mut(at as usize)) {
            entry.1 -= 1;
        }
    }

    fn name(&self, number: u16) -> &str {
        match number.checked_sub(1) {
            Some(index) => &self.names[usize::from(index)].0,
            None => "",
        }
    }
}
