//! The workers, seen from the parent: orders go out, answers come in, nobody is waited for for ever.

use std::env;
use std::io::{ErrorKind, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mio::unix::pipe::Receiver;
use mio::{Events, Interest, Poll, Token};
use serde_json::Value;

use super::worker::{Place, VARIABLE};

/// The longest answer of a worker: a histogram has at most some 20,000 lines.
const ANSWER_BYTES_MAX: usize = 4 << 20;

struct Member {
    child: Child,
    answers: Receiver,
    heard: Vec<u8>,
}

/// All workers. They end with this value.
pub struct Crew {
    members: Vec<Member>,
    poll: Poll,
}

impl Crew {
    /// Starts this program again, so many times, with the same arguments.
    pub fn start(count: usize, epoch: u64, arguments: &[String]) -> Result<Crew, String> {
        let failed = |error: std::io::Error| format!("cannot start a worker: {error}");
        let this = env::current_exe().map_err(failed)?;
        let poll = Poll::new().map_err(failed)?;
        let mut members = Vec::new();
        for index in 0..count {
            let mut child = Command::new(&this)
                .args(arguments)
                .env(VARIABLE, Place { index, count, epoch }.text())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .map_err(failed)?;
            let Some(stdout) = child.stdout.take() else { continue };
            let mut answers = Receiver::from(stdout);
            answers.set_nonblocking(true).map_err(failed)?;
            let token = Token(index);
            poll.registry().register(&mut answers, token, Interest::READABLE).map_err(failed)?;
            members.push(Member { child, answers, heard: Vec::new() });
        }
        Ok(Crew { members, poll })
    }

    /// Tells all of them one line.
    pub fn order(&mut self, line: &str) -> Result<(), String> {
        for member in &mut self.members {
            let Some(stdin) = &mut member.child.stdin else { continue };
            let told = stdin.write_all(format!("{line}\n").as_bytes());
            told.map_err(|error| format!("a worker is gone: {error}"))?;
        }
        Ok(())
    }

    /// Waits until each has said `word` once; `other` hears what is said before, with the speaker's index.
    pub fn answers(
        &mut self,
        word: &str,
        patience: Duration,
        mut other: impl FnMut(usize, &Value),
    ) -> Result<Vec<Value>, String> {
        let end = Instant::now() + patience;
        let mut said: Vec<Option<Value>> = self.members.iter().map(|_| None).collect();
        let mut events = Events::with_capacity(64);
        while said.iter().any(Option::is_none) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("the workers did not say {word:?} in time"));
            }
            match self.poll.poll(&mut events, Some(left)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                waited => waited.map_err(|error| error.to_string())?,
            }
            for (index, member) in self.members.iter_mut().enumerate() {
                for value in member.read()? {
                    if value["say"] == word {
                        said[index] = Some(value);
                    } else {
                        other(index, &value);
                    }
                }
            }
        }
        Ok(said.into_iter().flatten().collect())
    }
}

impl Member {
    /// What it has said since.
    fn read(&mut self) -> Result<Vec<Value>, String> {
        let mut bytes = [0; 16 * 1_024];
        loop {
            match self.answers.read(&mut bytes) {
                // It has told stderr why.
                Ok(0) => return Err("a worker has ended".into()),
                Ok(count) => self.heard.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("a worker is gone: {error}")),
            }
        }
        let mut values = Vec::new();
        while let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            let value = serde_json::from_slice(&line);
            values.push(value.map_err(|error| format!("a worker says nonsense: {error}"))?);
        }
        if self.heard.len() > ANSWER_BYTES_MAX {
            return Err("a worker talks too much".into());
        }
        Ok(values)
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for member in &mut self.members {
            // The end of its orders is its end; closing many sockets may take it a moment.
            member.child.stdin = None;
        }
        for member in &mut self.members {
            let _ = member.child.wait();
        }
    }
}
