//! A long-poll's answer: a JSON array of messages, or a JSONP call around it.
//!
//! Every rendered element begins with the comma that separates it from the one before; whoever puts the
//! answer together leaves out the first. So elements are shared by all waiting clients, however they are
//! combined.

use std::borrow::Cow;
use std::fmt;

use super::stream::write_for_script;
use crate::hub::delivery::Payload;

/// What stands before the elements.
pub fn opening(callback: Option<&str>) -> Cow<'static, str> {
    match callback {
        // The comment keeps old Flash players from taking a chosen callback for a file of theirs.
        Some(callback) => format!("/**/{callback}([").into(),
        None => "[".into(),
    }
}

/// What stands behind them. A script cannot read headers, so the cursor is the second argument.
pub fn closing(callback: Option<&str>, cursor: impl fmt::Display) -> Cow<'static, str> {
    match callback {
        Some(_) => format!("],\"{cursor}\");").into(),
        None => "]".into(),
    }
}

/// The media type of the answer.
pub fn content_type(callback: Option<&str>) -> &'static str {
    match callback {
        Some(_) => "text/javascript; charset=utf-8",
        None => "application/json",
    }
}

pub(super) fn frame(payload: Payload<'_>, out: &mut Vec<u8>) {
    out.push(b',');
    // The same bytes serve arrays and scripts: the escapes mean nothing to JSON.
    write_for_script(payload.data, out);
}
