//! What CometServerApi.js speaks, the browser client of CppComet: pages written for it, versions 3.25
//! and 4.08 alike, connect without a change.
//!
//! | part | direction |
//! |---|---|
//! | [`connect`] | who connects: fields in the path of the address |
//! | [`command`] | what it asks: one text of lines for each command |
//! | [`frames`] | what it is told: one JSON object each, on one line |
//!
//! The client replaces every backslash-apostrophe by an apostrophe before it parses a frame, and
//! reads data that is a string as JSON if it can. [`frames`] writes so that both do no harm. Clients
//! before version 4 take data as strings only; those from 4 on get objects and arrays as they are.

pub mod command;
pub mod connect;
pub mod frames;

use super::{Announcement, Dialect};
use crate::hub::delivery::Payload;
use crate::hub::message::{Message, MessageId, Personal};
use crate::hub::names::RESERVED_EVENT_PREFIX;

/// Longest name of a channel or an event here, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// Bits of this dialect's variant. Those that are not named mean framing to the server, and stay 0.
pub mod variant {
    /// Always set: each message is a JSON object, as the native dialect's bit says.
    pub const JSON: u16 = 1;
    /// The client is older than version 4.
    pub const LEGACY: u16 = 1 << 5;
    /// The client is our own, and is shown ids.
    pub const IDS: u16 = 1 << 6;
}

/// The dialect of CometServerApi.js.
pub struct CometJs;

impl Dialect for CometJs {
    fn encode(&self, message: &Message, variant: u16, frame: &mut dyn FnMut(Payload<'_>)) {
        if message.event.starts_with(RESERVED_EVENT_PREFIX) {
            return;
        }
        let mut object = Vec::with_capacity(message.bytes() + 128);
        frames::message(message, variant, &mut object);
        show(&object, shown_id(Some(message.id), variant), frame);
    }

    fn personal(&self, message: &Personal, variant: u16, frame: &mut dyn FnMut(Payload<'_>)) {
        let mut object = Vec::with_capacity(message.data.len() + 128);
        frames::personal(message, variant, &mut object);
        // The id of an event stream is the cursor of its channels.
        show(&object, None, frame);
    }

    /// Only a loss is told, and only to those who have a cursor to lose.
    fn announce(&self, event: &Announcement<'_>, variant: u16, frame: &mut dyn FnMut(Payload<'_>)) {
        if variant & variant::IDS == 0 || event.name != frames::LOST {
            return;
        }
        let mut object = Vec::with_capacity(event.data.len() + 128);
        frames::lost(event.id, event.data, variant, &mut object);
        show(&object, shown_id(event.id, variant), frame);
    }
}

/// A word of the moment has no id, and not every client is shown one.
fn shown_id(id: Option<MessageId>, variant: u16) -> Option<MessageId> {
    id.filter(|id| *id != MessageId::default() && variant & variant::IDS != 0)
}

fn show(object: &[u8], id: Option<MessageId>, frame: &mut dyn FnMut(Payload<'_>)) {
    let id = id.map(|id| id.to_string());
    frame(Payload { id: id.as_deref(), event: None, data: object, is_text: true });
}
