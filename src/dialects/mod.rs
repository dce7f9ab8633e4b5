//! Dialects: what clients say, turned into commands of the hub, and messages turned into what they
//! understand. A dialect knows nothing of sockets or transports.

pub mod comet_js;
pub mod native;

use crate::hub::delivery::Payload;
use crate::hub::message::{Message, MessageId, Personal};

/// A client protocol. Dialects are stateless; what is special about a connection is in `variant`, 16 bits
/// that the dialect defines and a slot keeps.
pub trait Dialect: Sync {
    /// Makes a message's payload and hands it to `frame`, or does not: some messages are not for
    /// everybody.
    fn encode(&self, message: &Message, variant: u16, frame: &mut dyn FnMut(Payload<'_>));

    /// Makes the payload of a message that went to a user, not to a channel.
    fn personal(&self, message: &Personal, variant: u16, frame: &mut dyn FnMut(Payload<'_>));

    /// Makes the payload of something that the server says to one client alone.
    fn announce(&self, event: &Announcement<'_>, variant: u16, frame: &mut dyn FnMut(Payload<'_>));
}

/// A word of the server to one client: `encke:lost`, `encke:error`.
#[derive(Clone, Copy, Debug)]
pub struct Announcement<'a> {
    /// The cursor to go on from, if it changes.
    pub id: Option<MessageId>,
    /// What it is; begins `encke:`.
    pub name: &'static str,
    /// JSON.
    pub data: &'a str,
}

/// Number of the native dialect in a slot.
pub const NATIVE: u8 = 0;
/// Number of the echo endpoints: no messages ever reach them.
pub const ECHO: u8 = 1;
/// Number of the dialect of CometServerApi.js.
pub const COMET_JS: u8 = 2;

/// What the dialects are called in the statistics, in the order of their numbers.
pub const NAMES: [&str; 3] = ["native", "echo", "comet"];

/// The dialect of a number, as a slot keeps it.
pub fn dialect(number: u8) -> &'static dyn Dialect {
    match number {
        NATIVE => &native::Native,
        COMET_JS => &comet_js::CometJs,
        _ => &Echo,
    }
}

/// Its name in logs.
pub fn name(number: u8) -> &'static str {
    match number {
        NATIVE => "native",
        COMET_JS => "comet",
        _ => "echo",
    }
}

struct Echo;

impl Dialect for Echo {
    fn encode(&self, _: &Message, _: u16, _: &mut dyn FnMut(Payload<'_>)) {}
    fn personal(&self, _: &Personal, _: u16, _: &mut dyn FnMut(Payload<'_>)) {}
    fn announce(&self, _: &Announcement<'_>, _: u16, _: &mut dyn FnMut(Payload<'_>)) {}
}
