//! One back end's connection, from greeting to goodbye.
//!
//! | phase    | packet                | then                                             |
//! |----------|-----------------------|--------------------------------------------------|
//! | Greeted  | request for TLS       | Greeted, and inside TLS from then on             |
//! | Greeted  | handshake response    | Ready, Switched, or Closed                       |
//! | Switched | proof                 | Ready or Closed                                  |
//! | Ready    | COM_CHANGE_USER       | Ready or Switched                                |
//! | Ready    | a statement that asks | Asked, until `complete`                          |
//! | Ready    | several statements    | Asked, Resting, until `go_on`, or Ready          |
//! | Ready    | COM_QUIT              | Closed                                           |
//! | Ready    | any other command     | Ready                                            |
//! | any      | bad framing           | Closed                                           |
//!
//! `login` has the first two phases, `commands` all commands but COM_QUERY.
//!
//! Nothing of the input is kept, except statements that wait for those before them: the caller offers
//! what it has, and takes off what was used. An idle session owns its user's and its database's name and
//! no buffer; a nonce lives only until its proof, prepared statements until they are closed.
//!
//! A transaction means nothing: every statement does at once what it does. But clients look into the
//! status word for whether one has begun, so the word tells what was said.

use std::num::NonZeroU16;

use log::debug;

use super::prepared::Statements;
use super::run::{self, Answer, Finish, Run, Who};
use super::statement::Statement;
use super::{Context, Error, Step, View, login, texts, variables};
use crate::hub::command::{Command, Outcome};
use crate::hub::message::TenantId;
use crate::proto::mysql::Code;
use crate::proto::mysql::handshake::{Greeting, Nonce, Plugin, is_tls_request};
use crate::proto::mysql::packet::{self, Writer};
use crate::proto::mysql::resultset::{self, Status};

/// Bound on a packet before login, in bytes. Attributes of real clients are a few hundred.
const LOGIN_BYTES_MAX: usize = 16 * 1024;
/// Statements of one packet that are run before others have their turn.
const STATEMENTS_PER_STEP: usize = 16;

/// One connection.
pub struct Session {
    pub(super) phase: Phase,
    /// The user's name and, behind a NUL, the database, if one is chosen.
    names: Box<str>,
    pub(super) statements: Option<Box<Statements>>,
    pub(super) connection_number: u32,
    pub(super) tenant: TenantId,
    pub(super) status: Status,
    /// The last error that the client was told.
    told: Option<NonZeroU16>,
    /// Of the last packet, whoever sent it; 255 before a command, whose first is 0.
    pub(super) sequence: u8,
    /// Whether one packet may hold several statements.
    pub(super) multi_statements: bool,
    /// Whether this user may do nothing but log in.
    pub(super) is_check: bool,
    /// Whether TLS was offered and not asked for yet.
    may_start_tls: bool,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Session>() <= 64);

pub(super) enum Phase {
    Greeted(Box<Nonce>),
    Switched(Box<Switch>),
    Ready,
    Asked(Box<Asked>),
    Resting(Box<Rest>),
    Closed { login_failed: bool },
}

/// The client was told to prove itself this way.
pub(super) struct Switch {
    pub plugin: Plugin,
    pub nonce: Nonce,
    /// To go into after login; empty is none.
    pub database: Box<str>,
}

/// A statement that waits for the engine.
pub(super) struct Asked {
    finish: Finish,
    form: Form,
    rest: Option<Rest>,
}

/// Statements of a packet that wait for those before them.
pub(super) struct Rest {
    text: Box<str>,
    at: usize,
}

/// How rows are written: as texts, or for a prepared statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    Text,
    Binary,
}

/// Why a text is not run any further. The numbers are where the rest begins; `None`: nothing is left.
enum Stop {
    Done,
    Asks(Vec<Command>, Finish, Option<usize>),
    Rests(usize),
}

impl Session {
    /// Begins a connection, with the greeting.
    pub fn start(connection_number: u32, context: &mut Context<'_>, out: &mut Vec<u8>) -> Session {
        let nonce = login::fresh_nonce(context);
        let offers_tls = context.offers_tls;
        let greeting =
            Greeting { version: variables::VERSION, connection_number, nonce: &nonce, offers_tls };
        let mut session = Session {
            phase: Phase::Ready,
            names: "".into(),
            statements: None,
            connection_number,
            tenant: TenantId::default(),
            status: Status::AUTOCOMMIT,
            told: None,
            sequence: u8::MAX,
            multi_statements: false,
            is_check: false,
            may_start_tls: offers_tls,
        };
        session.write(out, |writer| writer.packet(|payload| greeting.encode(payload)));
        session.phase = Phase::Greeted(Box::new(nonce));
        session
    }

    /// Takes at most one packet from the front of `input` and appends its answer to `out`. Returns
    /// how many bytes were used. Not to be called between `Step::Ask` and `complete`, nor before
    /// `go_on`: it would use nothing.
    pub fn feed(
        &mut self,
        input: &[u8],
        context: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> (usize, Step) {
        let payload_bytes_max = match self.phase {
            Phase::Closed { .. } => return (input.len(), Step::Close),
            Phase::Asked(_) | Phase::Resting(_) => return (0, Step::More),
            Phase::Greeted(_) | Phase::Switched(_) => LOGIN_BYTES_MAX,
            // The command's byte comes on top.
            Phase::Ready => context.limits.statement_bytes_max.saturating_add(1),
        };
        let packet = match packet::parse(input, self.sequence.wrapping_add(1), payload_bytes_max) {
            Ok(None) => return (0, Step::More),
            Ok(Some(packet)) => packet,
            Err(error) => {
                self.sequence = error.sequence();
                return (input.len(), self.end(error.code(), error.text(), out));
            }
        };
        self.sequence = packet.sequence;
        let step = match std::mem::replace(&mut self.phase, Phase::Ready) {
            Phase::Greeted(nonce) if self.may_start_tls && is_tls_request(&packet.payload) => {
                self.may_start_tls = false;
                self.phase = Phase::Greeted(nonce);
                Step::StartTls
            }
            Phase::Greeted(nonce) => self.on_response(&packet.payload, &nonce, context, out),
            Phase::Switched(switch) => self.on_proof(&packet.payload, &switch, context, out),
            _ => self.on_command(&packet.payload, context, out),
        };
        (packet.bytes_used, step)
    }

    /// Answers the statement whose commands were handed out.
    pub fn complete(&mut self, outcome: Outcome, view: &dyn View, out: &mut Vec<u8>) {
        let Phase::Asked(asked) = std::mem::replace(&mut self.phase, Phase::Ready) else {
            panic!("an outcome came for a session that had asked nothing");
        };
        let answer = (asked.finish)(outcome, view);
        let rest = asked.rest.filter(|_| answer.is_ok());
        self.answer(answer, asked.form, out);
        match rest {
            Some(rest) => self.phase = Phase::Resting(Box::new(rest)),
            None => {
                self.ready();
            }
        }
    }

    /// Whether statements of the last packet wait for `go_on`.
    pub fn is_resting(&self) -> bool {
        matches!(self.phase, Phase::Resting(_))
    }

    /// Runs more statements of the last packet.
    pub fn go_on(&mut self, context: &Context<'_>, out: &mut Vec<u8>) -> Step {
        match std::mem::replace(&mut self.phase, Phase::Ready) {
            Phase::Resting(rest) => {
                let Rest { text, at } = *rest;
                let stop = self.run_texts(&text[at..], context, out);
                self.stop(stop, |more| Rest { text, at: at + more })
            }
            other => {
                self.phase = other;
                Step::More
            }
        }
    }

    /// Whether the client has logged in.
    pub fn is_authenticated(&self) -> bool {
        matches!(self.phase, Phase::Ready | Phase::Asked(_) | Phase::Resting(_))
    }

    /// Whose back end this is, once it has logged in.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Takes the number of the error that the client was told since this was asked last.
    pub fn take_error(&mut self) -> Option<u16> {
        self.told.take().map(NonZeroU16::get)
    }

    /// The name under which a login has just failed, to be logged and slowed down.
    pub fn failed_login(&self) -> Option<&str> {
        matches!(self.phase, Phase::Closed { login_failed: true }).then_some(self.user())
    }

    /// Says goodbye on the server's behalf. A client that is idle reads it as the answer to its
    /// next command.
    pub fn shut_down(&mut self, out: &mut Vec<u8>) {
        self.say_goodbye(Code::SHUTDOWN, "Server shutdown in progress", out);
    }

    /// The same, as there is no memory for the command that has begun to come.
    pub fn run_out_of_memory(&mut self, out: &mut Vec<u8>) {
        let error = Error::OutOfMemory;
        self.say_goodbye(error.code(), &error.to_string(), out);
    }

    fn say_goodbye(&mut self, code: Code, text: &str, out: &mut Vec<u8>) {
        if !matches!(self.phase, Phase::Closed { .. }) {
            if !matches!(self.phase, Phase::Asked(_) | Phase::Resting(_)) {
                // Behind the packet that the client will send.
                self.sequence = self.sequence.wrapping_add(1);
            }
            self.end(code, text, out);
        }
    }

    pub(super) fn user(&self) -> &str {
        self.names.split('\0').next().unwrap_or_default()
    }

    fn database(&self) -> Option<&str> {
        self.names.split_once('\0').map(|(_, database)| database)
    }

    /// A name without NUL; in no database.
    pub(super) fn set_user(&mut self, user: Box<str>) {
        self.names = user;
    }

    pub(super) fn set_database(&mut self, database: &str) {
        self.names = format!("{}\0{database}", self.user()).into();
    }

    /// Runs what a COM_QUERY says.
    pub(super) fn on_query(
        &mut self,
        text: &[u8],
        context: &Context<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        let Ok(text) = str::from_utf8(text) else {
            self.answer(Err(Error::NotUtf8), Form::Text, out);
            return self.ready();
        };
        let stop = self.run_texts(text, context, out);
        self.stop(stop, |at| Rest { text: text[at..].into(), at: 0 })
    }

    /// Runs one statement after the other, up to the first error.
    fn run_texts(&mut self, text: &str, context: &Context<'_>, out: &mut Vec<u8>) -> Stop {
        let mut left = text;
        for _ in 0..STATEMENTS_PER_STEP {
            let (first, rest) = if self.multi_statements { texts::first(left) } else { (left, "") };
            left = rest;
            let at = (!left.is_empty()).then(|| text.len() - left.len());
            self.status = self.status.with(Status::MORE_RESULTS, at.is_some());
            let run = Statement::parse(first).and_then(|statement| self.run(statement, context));
            match run {
                Ok(Run::Ask(commands, finish)) => return Stop::Asks(commands, finish, at),
                Ok(run) => self.answer_run(run, Form::Text, out),
                Err(error) => {
                    self.answer(Err(error), Form::Text, out);
                    return Stop::Done;
                }
            }
            if at.is_none() {
                return Stop::Done;
            }
        }
        Stop::Rests(text.len() - left.len())
    }

    fn stop(&mut self, stop: Stop, rest_from: impl FnOnce(usize) -> Rest) -> Step {
        match stop {
            Stop::Done => self.ready(),
            Stop::Rests(at) => {
                self.phase = Phase::Resting(Box::new(rest_from(at)));
                Step::GoOn
            }
            Stop::Asks(commands, finish, at) => {
                let asked = Asked { finish, form: Form::Text, rest: at.map(rest_from) };
                self.phase = Phase::Asked(Box::new(asked));
                Step::Ask(commands)
            }
        }
    }

    /// Runs a statement that is alone in its packet.
    pub(super) fn run_one(
        &mut self,
        statement: Result<Statement, Error>,
        form: Form,
        context: &Context<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        match statement.and_then(|statement| self.run(statement, context)) {
            Ok(Run::Ask(commands, finish)) => {
                self.phase = Phase::Asked(Box::new(Asked { finish, form, rest: None }));
                return Step::Ask(commands);
            }
            Ok(run) => self.answer_run(run, form, out),
            Err(error) => self.answer(Err(error), form, out),
        }
        self.ready()
    }

    fn run(&mut self, statement: Statement, context: &Context<'_>) -> Result<Run, Error> {
        debug!("cometql {}: {}", self.connection_number, statement.kind());
        let status = self.status_after(&statement);
        let run = run::run(statement, &self.who(), context)?;
        self.status = status;
        Ok(run)
    }

    fn status_after(&self, statement: &Statement) -> Status {
        match *statement {
            Statement::Set { autocommit: Some(is_on) } => {
                let is_open = self.status.has(Status::IN_TRANSACTION) && !is_on;
                let status = self.status.with(Status::AUTOCOMMIT, is_on);
                status.with(Status::IN_TRANSACTION, is_open)
            }
            Statement::Transaction { is_open: Some(is_open) } => {
                self.status.with(Status::IN_TRANSACTION, is_open)
            }
            _ => self.status,
        }
    }

    pub(super) fn who(&self) -> Who<'_> {
        Who {
            tenant: self.tenant,
            user: self.user(),
            database: self.database(),
            connection_number: self.connection_number,
            is_autocommit: self.status.has(Status::AUTOCOMMIT),
        }
    }

    pub(super) fn answer_run(&mut self, run: Run, form: Form, out: &mut Vec<u8>) {
        match run {
            Run::Use(name) => {
                self.set_database(&name);
                self.answer(Ok(Answer::DONE), form, out);
            }
            Run::Now(answer) => self.answer(Ok(answer), form, out),
            Run::Ask(..) => unreachable!("a statement that asks is handed out"),
        }
    }

    pub(super) fn answer(&mut self, answer: Result<Answer, Error>, form: Form, out: &mut Vec<u8>) {
        let status = self.status;
        match answer {
            Ok(Answer::Done { affected_rows, insert_id }) => self.write(out, |writer| {
                resultset::ok(writer, affected_rows, insert_id, status);
            }),
            Ok(Answer::Rows { columns, rows }) => self.write(out, |writer| {
                resultset::columns(writer, &columns, status);
                for row in &rows {
                    match form {
                        Form::Text => resultset::row(writer, row),
                        Form::Binary => resultset::binary_row(writer, row),
                    }
                }
                resultset::eof(writer, status);
            }),
            Err(error) => self.error(error.code(), &error.to_string(), out),
        }
    }

    pub(super) fn error(&mut self, code: Code, text: &str, out: &mut Vec<u8>) {
        self.told = NonZeroU16::new(code.number);
        self.write(out, |writer| resultset::error(writer, code, text));
    }

    /// Writes packets behind the last one.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Writer<'_>)) {
        let mut writer = Writer::new(out, self.sequence.wrapping_add(1));
        write(&mut writer);
        self.sequence = writer.sequence().wrapping_sub(1);
    }

    /// The next packet is a command.
    pub(super) fn ready(&mut self) -> Step {
        self.phase = Phase::Ready;
        self.status = self.status.with(Status::MORE_RESULTS, false);
        self.sequence = u8::MAX;
        Step::Replied
    }

    /// The last word.
    pub(super) fn end(&mut self, code: Code, text: &str, out: &mut Vec<u8>) -> Step {
        self.error(code, text, out);
        self.phase = Phase::Closed { login_failed: false };
        Step::Close
    }
}
