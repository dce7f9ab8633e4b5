//! The prepared statements of one connection: their texts, and what is remembered between two executions.
//!
//! Bounds: `STATEMENTS_MAX` statements, since some clients never close one; their texts together, and all
//! that was sent ahead for them together, at most as many bytes as one statement may have. A statement
//! has at most 65,535 parameters (the protocol's), and each has its mark in the text, so what is kept of
//! their types is bounded with the text.
//!
//! COM_STMT_SEND_LONG_DATA may not be answered: what is wrong with it is told by the next execution.

use std::collections::BTreeMap;

use super::Error;
use super::statement::Parameter;
use crate::proto::mysql::prepared::{Execute, Type, Value};

/// Prepared statements of one connection.
pub const STATEMENTS_MAX: usize = 1_000;

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Statements {
    by_id: BTreeMap<u32, Prepared>,
    last_id: u32,
}

/// One prepared statement.
#[derive(Debug)]
pub struct Prepared {
    /// As it came.
    pub text: Box<str>,
    parameters: u16,
    /// Of the last execution; empty before the first.
    types: Vec<Type>,
    /// What was sent ahead, by parameter.
    sent: BTreeMap<u16, Vec<u8>>,
    /// What was wrong with it.
    spoilt: Option<Error>,
}

impl Statements {
    /// Keeps a statement and numbers it.
    pub fn add(
        &mut self,
        text: &str,
        parameters: usize,
        text_bytes_max: usize,
    ) -> Result<(u32, u16), Error> {
        let parameters = u16::try_from(parameters).map_err(|_| Error::TooManyParameters)?;
        let text_bytes: usize = self.by_id.values().map(|one| one.text.len()).sum();
        if self.by_id.len() >= STATEMENTS_MAX || text_bytes + text.len() > text_bytes_max {
            return Err(Error::TooManyStatements(STATEMENTS_MAX));
        }
        let prepared = Prepared {
            text: text.into(),
            parameters,
            types: Vec::new(),
            sent: BTreeMap::new(),
            spoilt: None,
        };
        // Numbers go round after 2^32; what is still open then keeps its own.
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            if self.last_id != 0 && !self.by_id.contains_key(&self.last_id) {
                break;
            }
        }
        self.by_id.insert(self.last_id, prepared);
        Ok((self.last_id, parameters))
    }

    /// The statement of that number.
    pub fn get_mut(&mut self, id: u32) -> Result<&mut Prepared, Error> {
        self.by_id.get_mut(&id).ok_or(Error::NoStatement(id))
    }

    /// Forgets it; it need not be there.
    pub fn remove(&mut self, id: u32) {
        self.by_id.remove(&id);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Appends to what was sent ahead. What cannot be is told when the statement is executed.
    pub fn send_ahead(&mut self, id: u32, parameter: u16, data: &[u8], bytes_max: usize) {
        let sent_bytes: usize = self.by_id.values().map(Prepared::sent_bytes).sum();
        let Some(prepared) = self.by_id.get_mut(&id) else { return };
        if parameter >= prepared.parameters {
            prepared.spoil(Error::WrongArguments("mysqld_stmt_send_long_data"));
        } else if sent_bytes + data.len() > bytes_max {
            prepared.spoil(Error::SentTooMuch(bytes_max));
        } else if prepared.spoilt.is_none() {
            prepared.sent.entry(parameter).or_default().extend_from_slice(data);
        }
    }

    /// What was sent ahead finds no memory: this is told when the statement is executed, and the rest of it
    /// goes.
    pub fn refuse_ahead(&mut self, id: u32) {
        if let Some(prepared) = self.by_id.get_mut(&id) {
            prepared.spoil(Error::OutOfMemory);
        }
    }
}

impl Prepared {
    /// What an execution puts in the places of the parameters. What was sent ahead is used up.
    pub fn bind(&mut self, execute: &Execute<'_>) -> Result<Vec<Parameter>, Error> {
        let mut sent = std::mem::take(&mut self.sent);
        if let Some(error) = self.spoilt.take() {
            return Err(error);
        }
        let is_sent = |index: usize| sent.contains_key(&(index as u16));
        let values = execute
            .values(self.parameters.into(), &mut self.types, is_sent)
            .map_err(|_| Error::WrongArguments("mysqld_stmt_execute"))?;
        let parameter = |(index, value)| match value {
            Value::Null => Ok(Parameter::Null),
            Value::Number(number) => Ok(Parameter::Number(number)),
            Value::Time(text) => Ok(Parameter::Text(text)),
            Value::Bytes(bytes) => text(bytes.to_vec()),
            Value::SentAhead => text(sent.remove(&(index as u16)).unwrap_or_default()),
        };
        values.into_iter().enumerate().map(parameter).collect()
    }

    /// Forgets what was sent ahead.
    pub fn reset(&mut self) {
        self.sent.clear();
        self.spoilt = None;
    }

    /// Remembers what is wrong, and nothing else.
    fn spoil(&mut self, error: Error) {
        self.sent.clear();
        self.spoilt = Some(error);
    }

    fn sent_bytes(&self) -> usize {
        self.sent.values().map(Vec::len).sum()
    }
}

fn text(bytes: Vec<u8>) -> Result<Parameter, Error> {
    String::from_utf8(bytes).map(Parameter::Text).map_err(|_| Error::NotUtf8)
}
