//! Plays what is written in `tests/transcripts/comet_*.txt` against a fresh server.
//!
//! | line | means |
//! |---|---|
//! | `# …` | words for the reader |
//! | `= /ws/…` | the page connects |
//! | `> …` | a line of a command; lines without a gap are one frame |
//! | `< {…}` | the frame that must come now; `"*"` stands for any value |
//! | `x` | the page closes its socket, and gets no Close frame |
//! | `!` | the server drops the page, without a Close frame |
//! | `sql …` | a back end runs a statement |
//!
//! A digit in front names another page. What is not followed by `<` has no answer.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{back_end, run};
use crate::comet_page::Session;
use crate::mysql::MySql;
use crate::server::Encke;

#[test]
fn a_page_with_the_script_4_08() {
    replay(include_str!("../../transcripts/comet_4.08.txt"));
}

#[test]
fn a_page_with_the_script_3_25() {
    replay(include_str!("../../transcripts/comet_3.25.txt"));
}

#[test]
#[should_panic(expected = "line 3")]
fn a_frame_that_is_another_fails() {
    replay("= /ws/sesion=null&myid=null&devid=1&v=4.08&uuid=u&api=js\n\n< {\"data\":\"\"}\n");
}

struct Stage {
    server: Encke,
    sql: MySql,
    pages: BTreeMap<char, Session>,
    /// The page whose command is being read, and the command so far.
    unsent: Option<(char, String)>,
    /// Who was sent a command and has not answered yet.
    asked: Option<char>,
}

fn replay(transcript: &str) {
    let server = Encke::start(&[]);
    let sql = back_end(&server);
    let mut stage = Stage { server, sql, pages: BTreeMap::new(), unsent: None, asked: None };
    for (index, line) in transcript.lines().enumerate() {
        stage.play(line, index + 1);
    }
    stage.play("", 0);
    for page in stage.pages.values_mut() {
        page.quiet();
    }
}

impl Stage {
    fn play(&mut self, line: &str, number: usize) {
        let digit = line.chars().next().filter(char::is_ascii_digit);
        let (name, line) = (digit.unwrap_or('1'), &line[usize::from(digit.is_some())..]);
        let (sign, rest) = line.split_once(' ').unwrap_or((line, ""));
        if sign == ">" {
            match &mut self.unsent {
                Some((page, command)) if *page == name => *command += &format!("\n{rest}"),
                _ => {
                    self.send();
                    self.unsent = Some((name, rest.to_owned()));
                }
            }
            return;
        }
        self.send();
        if sign == "<" {
            self.asked = None;
            let expect: Value = serde_json::from_str(rest)
                .unwrap_or_else(|error| panic!("line {number} is not JSON: {error}"));
            let seen = self.page(name).next();
            assert!(fits(&expect, &seen), "line {number}\nexpected {expect}\ngot      {seen}");
            return;
        }
        if sign.is_empty() || sign == "#" {
            return;
        }
        self.settle();
        match sign {
            "=" => {
                let session = Session::upgrade(self.server.http, rest);
                self.pages.insert(name, session);
            }
            "x" => {
                let last = self.pages.remove(&name).expect("a page").close();
                assert!(last.is_empty(), "line {number}: {last:?}");
            }
            "!" => self.pages.remove(&name).expect("a page").dropped(),
            "sql" => run(&mut self.sql, rest),
            other => panic!("line {number}: what is {other:?}?"),
        }
    }

    fn send(&mut self) {
        if let Some((name, command)) = self.unsent.take() {
            self.settle();
            self.page(name).command(command);
            self.asked = Some(name);
        }
    }

    /// A command without an answer has been obeyed.
    fn settle(&mut self) {
        if let Some(name) = self.asked.take() {
            self.page(name).quiet();
        }
    }

    fn page(&mut self, name: char) -> &mut Session {
        self.pages.get_mut(&name).expect("a page")
    }
}

/// Whether a frame is the one that is written down. Text that is JSON may be written otherwise.
fn fits(expect: &Value, seen: &Value) -> bool {
    match (expect, seen) {
        (Value::String(any), _) if any == "*" => true,
        (Value::Object(expect), Value::Object(seen)) => {
            let same = |(key, value): (&String, &Value)| {
                seen.get(key).is_some_and(|seen| fits(value, seen))
            };
            expect.len() == seen.len() && expect.iter().all(same)
        }
        (Value::Array(expect), Value::Array(seen)) => {
            expect.len() == seen.len() && expect.iter().zip(seen).all(|(one, two)| fits(one, two))
        }
        (Value::String(expect), Value::String(seen)) if expect != seen => {
            let read = |text: &str| {
                let value: Option<Value> = serde_json::from_str(text).ok();
                value.filter(|value| value.is_object() || value.is_array())
            };
            match (read(expect), read(seen)) {
                (Some(expect), Some(seen)) => fits(&expect, &seen),
                _ => false,
            }
        }
        _ => expect == seen,
    }
}
