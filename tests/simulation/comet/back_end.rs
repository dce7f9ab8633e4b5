//! A back end that says one statement after the other.

use std::collections::VecDeque;

use crate::client::Line;
use crate::support::mysql::{login, packet, take_packet};

#[derive(Default)]
pub struct BackEnd {
    pub line: Option<u64>,
    statements: VecDeque<String>,
    /// What was said last.
    said: String,
    bytes: Vec<u8>,
    is_ready: bool,
    /// A user's key is, or may be, away.
    pub is_kicking: bool,
}

impl BackEnd {
    pub fn say(&mut self, statement: String) {
        self.is_kicking |= statement.contains("users_auth");
        self.statements.push_back(statement);
    }

    pub fn is_done(&self) -> bool {
        self.statements.is_empty() && (self.is_ready || self.line.is_none())
    }

    /// Its connection is over, and what was said on it and not answered was not heard.
    pub fn end(&mut self) {
        if !self.is_ready {
            self.say_again();
        }
        let statements = std::mem::take(&mut self.statements);
        *self = BackEnd { statements, is_kicking: self.is_kicking, ..BackEnd::default() };
    }

    /// Keys must be there in the end; what it wanted to tell a user nobody hears.
    fn say_again(&mut self) {
        let said = std::mem::take(&mut self.said);
        if said.contains("users_auth") {
            self.statements.push_front(said);
        }
    }

    /// Says the next one, if the last is answered.
    pub fn go_on(&mut self, line: &mut Line) {
        if self.is_ready
            && let Some(statement) = self.statements.pop_front()
        {
            line.send(&packet(0, &[b"\x03", statement.as_bytes()].concat()));
            self.said = statement;
            self.is_ready = false;
        }
    }

    pub fn receive(&mut self, bytes: &[u8], line: &mut Line, is_draining: bool, was_short: bool) {
        self.bytes.extend_from_slice(bytes);
        while let Some((sequence, payload)) = take_packet(&mut self.bytes) {
            match (sequence, payload[0]) {
                (0, 10) => line.send(&packet(1, &login())),
                (_, 0) => {
                    self.is_ready = true;
                    self.is_kicking &= !self.statements.is_empty();
                }
                (_, 0xff) if was_short && payload[1..3] == 1041_u16.to_le_bytes() => {
                    self.say_again();
                    self.is_ready = true;
                }
                (..) if is_draining => line.wants_fin = true,
                (_, first) => panic!("{first:#x}: {}", String::from_utf8_lossy(&payload)),
            }
        }
        self.go_on(line);
    }
}
