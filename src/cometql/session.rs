//! One back end's connection, from greeting to goodbye.
//!
//! | phase    | packet                | then                                             |
//! |----------|-----------------------|--------------------------------------------------|
//! | Greeted  | handshake response    | Ready, Switched, or Closed                       |
//! | Switched | proof                 | Ready or Closed                                  |
//! | Ready    | COM_CHANGE_USER       | Ready or Switched                                |
//! | Ready    | COM_QUERY, to publish | Asked, until `complete`                          |
//! | Ready    | COM_QUIT              | Closed                                           |
//! | Ready    | any other command     | Ready                                            |
//! | any      | bad framing           | Closed                                           |
//!
//! Nothing of the input is kept: the caller offers what it has, and takes off what was used. An
//! idle session owns its user's and its database's name and no buffer; a nonce lives only until its
//! proof.

use std::num::NonZeroU16;

use log::debug;

use super::run::{self, Answer, Finish, Run, Who};
use super::statement::Statement;
use super::{Account, Context, Error, Step, View, variables};
use crate::hub::command::Outcome;
use crate::hub::message::TenantId;
use crate::proto::mysql::command::{ChangeUser, Command};
use crate::proto::mysql::handshake::{self, Greeting, NONCE_BYTES, Nonce, Plugin, Response};
use crate::proto::mysql::packet::{self, Writer};
use crate::proto::mysql::{Code, resultset};

/// Bound on a packet before login, in bytes. Attributes of real clients are a few hundred.
const LOGIN_BYTES_MAX: usize = 16 * 1024;
/// How much of a user's name is kept, in characters: MySQL allows no more either.
const USER_CHARACTERS_MAX: usize = 80;

/// One connection.
pub struct Session {
    phase: Phase,
    user: Box<str>,
    database: Option<Box<str>>,
    connection_number: u32,
    tenant: TenantId,
    /// The number that the client's next packet must have; the answer's is one more.
    sequence: u8,
    /// The last error that the client was told.
    told: Option<NonZeroU16>,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Session>() <= 80);

enum Phase {
    Greeted(Box<Nonce>),
    Switched(Box<Switch>),
    Ready,
    Asked(Finish),
    Closed { login_failed: bool },
}

/// The client was told to prove itself this way.
struct Switch {
    plugin: Plugin,
    nonce: Nonce,
    /// To go into after login; empty is none.
    database: Box<str>,
}

/// Somebody who wants to be let in.
struct Login<'a> {
    plugin: Plugin,
    nonce: &'a Nonce,
    proof: &'a [u8],
    database: &'a str,
}

impl Session {
    /// Begins a connection, with the greeting.
    pub fn start(connection_number: u32, context: &mut Context<'_>, out: &mut Vec<u8>) -> Session {
        let nonce = fresh_nonce(context);
        let greeting = Greeting { version: variables::VERSION, connection_number, nonce: &nonce };
        Writer::new(out, 0).packet(|payload| greeting.encode(payload));
        Session {
            phase: Phase::Greeted(Box::new(nonce)),
            user: "".into(),
            database: None,
            connection_number,
            tenant: TenantId::default(),
            sequence: 1,
            told: None,
        }
    }

    /// Takes at most one packet from the front of `input` and appends its answer to `out`. Returns
    /// how many bytes were used. Not to be called between `Step::Ask` and `complete`: it would use
    /// nothing.
    pub fn feed(
        &mut self,
        input: &[u8],
        context: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> (usize, Step) {
        let payload_bytes_max = match self.phase {
            Phase::Closed { .. } => return (input.len(), Step::Close),
            Phase::Asked(_) => return (0, Step::More),
            Phase::Greeted(_) | Phase::Switched(_) => LOGIN_BYTES_MAX,
            // The command's byte comes on top.
            Phase::Ready => context.limits.statement_bytes_max.saturating_add(1),
        };
        let packet = match packet::parse(input, self.sequence, payload_bytes_max) {
            Ok(None) => return (0, Step::More),
            Ok(Some(packet)) => packet,
            Err(error) => {
                // Answered after the client's own number, right or wrong: it goes on from there.
                self.sequence = input[packet::HEADER_BYTES - 1];
                return (input.len(), self.end(error.code(), error.text(), out));
            }
        };
        let step = match std::mem::replace(&mut self.phase, Phase::Ready) {
            Phase::Greeted(nonce) => self.on_response(packet.payload, &nonce, context, out),
            Phase::Switched(switch) => self.on_proof(packet.payload, &switch, context, out),
            _ => self.on_command(packet.payload, context, out),
        };
        (packet.bytes_used, step)
    }

    /// Answers the statement whose command `feed` handed out.
    pub fn complete(&mut self, outcome: Outcome, view: &dyn View, out: &mut Vec<u8>) {
        let Phase::Asked(finish) = std::mem::replace(&mut self.phase, Phase::Ready) else {
            panic!("an outcome came for a session that had asked nothing");
        };
        self.answer(finish(outcome, view), out);
    }

    /// Whether the client has logged in.
    pub fn is_authenticated(&self) -> bool {
        matches!(self.phase, Phase::Ready | Phase::Asked(_))
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
        matches!(self.phase, Phase::Closed { login_failed: true }).then_some(&*self.user)
    }

    /// Says goodbye on the server's behalf. A client that is idle reads it as the answer to its
    /// next command.
    pub fn shut_down(&mut self, out: &mut Vec<u8>) {
        if !matches!(self.phase, Phase::Closed { .. }) {
            self.end(Code::SHUTDOWN, "Server shutdown in progress", out);
        }
    }

    fn on_response(
        &mut self,
        payload: &[u8],
        nonce: &Nonce,
        context: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        let response = match Response::parse(payload) {
            Ok(response) => response,
            Err(error) => return self.end(error.code(), error.text(), out),
        };
        self.user = user_name(response.user);
        let database = String::from_utf8_lossy(response.database);
        match plugin_of(response.plugin) {
            Some(plugin @ Plugin::Native) => {
                let proof = response.proof;
                self.log_in(&Login { plugin, nonce, proof, database: &database }, context, out)
            }
            // What such a client has sent was not made for our nonce, or not made at all.
            other => self.switch(other.unwrap_or(Plugin::Native), &database, context, out),
        }
    }

    fn on_change_user(
        &mut self,
        change: &ChangeUser<'_>,
        context: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        self.user = user_name(change.user);
        let database = String::from_utf8_lossy(change.database);
        let plugin = plugin_of(change.plugin).unwrap_or(Plugin::Native);
        let account = find_account(&self.user, context.accounts);
        let is_open = account.is_some_and(|account| account.password.is_none());
        if is_open && plugin == Plugin::Native {
            // Spares clients that know no plugins a packet that they do not know.
            let nonce = fresh_nonce(context);
            let login = Login { plugin, nonce: &nonce, proof: b"", database: &database };
            return self.log_in(&login, context, out);
        }
        self.switch(plugin, &database, context, out)
    }

    fn switch(
        &mut self,
        plugin: Plugin,
        database: &str,
        context: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        let nonce = fresh_nonce(context);
        self.writer(out).packet(|out| handshake::encode_switch(out, plugin, &nonce));
        self.sequence = self.sequence.wrapping_add(2);
        let switch = Switch { plugin, nonce, database: database.into() };
        self.phase = Phase::Switched(Box::new(switch));
        Step::Replied
    }

    fn on_proof(
        &mut self,
        proof: &[u8],
        switch: &Switch,
        context: &Context<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        let Switch { plugin, nonce, database } = switch;
        self.log_in(&Login { plugin: *plugin, nonce, proof, database }, context, out)
    }

    fn log_in(&mut self, login: &Login<'_>, context: &Context<'_>, out: &mut Vec<u8>) -> Step {
        let Login { plugin, nonce, proof, database } = *login;
        let proves = |account: &&Account<'_>| match account.password {
            None => true,
            Some(password) => plugin.proves(password.as_bytes(), nonce, proof),
        };
        let account = find_account(&self.user, context.accounts).filter(proves);
        let Some(account) = account else {
            let with = if plugin.is_no_proof(proof) { "NO" } else { "YES" };
            let user = &self.user;
            let denied = format!("Access denied for user '{user}' (using password: {with})");
            let text = format!("[16] Authentication failure: {denied}");
            self.end(Code::ACCESS_DENIED, &text, out);
            self.phase = Phase::Closed { login_failed: true };
            return Step::Close;
        };
        self.tenant = account.tenant;
        self.database = None;
        if !database.is_empty() {
            match run::open_database(database, self.tenant, context.accounts) {
                Ok(name) => self.database = Some(name),
                Err(error) => return self.end(error.code(), &error.to_string(), out),
            }
        }
        let mut writer = self.writer(out);
        if plugin == Plugin::CachingSha2 && !plugin.is_no_proof(proof) {
            writer.packet(handshake::encode_fast_success);
        }
        resultset::ok(&mut writer, 0, 0);
        self.ready()
    }

    fn on_command(&mut self, payload: &[u8], context: &mut Context<'_>, out: &mut Vec<u8>) -> Step {
        let command = match Command::parse(payload) {
            Ok(command) => command,
            Err(error) => {
                self.error(error.code(), error.text(), out);
                return self.ready();
            }
        };
        match command {
            Command::Quit => {
                self.phase = Phase::Closed { login_failed: false };
                return Step::Close;
            }
            Command::Query(text) => return self.on_query(text, context, out),
            Command::ChangeUser(change) => return self.on_change_user(&change, context, out),
            Command::InitDb(name) => {
                let name = String::from_utf8_lossy(name);
                let opened = run::open_database(&name, self.tenant, context.accounts);
                self.answer_run(opened.map(Run::Use), out);
            }
            Command::Ping | Command::ResetConnection => resultset::ok(&mut self.writer(out), 0, 0),
            Command::FieldList | Command::SetOption => resultset::eof(&mut self.writer(out)),
            Command::Statistics => resultset::text(&mut self.writer(out), variables::VERSION),
            Command::Prepare(_) => {
                let text = "Prepared statements are not supported by this server yet";
                self.error(Code::UNSUPPORTED_PREPARE, text, out);
            }
            Command::Unanswered => {}
            Command::Unserved(name) => {
                debug!("cometql {}: {name} is not served", self.connection_number);
                let text = "Unknown command";
                self.error(Code::UNKNOWN_COMMAND, text, out);
            }
        }
        self.ready()
    }

    fn on_query(&mut self, text: &[u8], context: &Context<'_>, out: &mut Vec<u8>) -> Step {
        let run = self.run(text, context);
        match run {
            Ok(Run::Ask(commands, finish)) => {
                self.phase = Phase::Asked(finish);
                self.sequence = 0;
                Step::Ask(commands)
            }
            other => {
                self.answer_run(other, out);
                self.ready()
            }
        }
    }

    fn run(&self, text: &[u8], context: &Context<'_>) -> Result<Run, Error> {
        let text = str::from_utf8(text).map_err(|_| Error::NotUtf8)?;
        let statement = Statement::parse(text)?;
        debug!("cometql {}: {}", self.connection_number, statement.kind());
        let who = Who {
            tenant: self.tenant,
            user: &self.user,
            database: self.database.as_deref(),
            connection_number: self.connection_number,
        };
        run::run(statement, &who, context)
    }

    fn answer_run(&mut self, run: Result<Run, Error>, out: &mut Vec<u8>) {
        match run {
            Ok(Run::Use(name)) => {
                self.database = Some(name);
                self.answer(Ok(Answer::DONE), out);
            }
            Ok(Run::Now(answer)) => self.answer(Ok(answer), out),
            Ok(Run::Ask(..)) => unreachable!("on_query hands these out"),
            Err(error) => self.answer(Err(error), out),
        }
    }

    fn answer(&mut self, answer: Result<Answer, Error>, out: &mut Vec<u8>) {
        match answer {
            Ok(Answer::Done { affected_rows, insert_id }) => {
                resultset::ok(&mut self.writer(out), affected_rows, insert_id);
            }
            Ok(Answer::Rows { columns, rows }) => {
                let mut writer = self.writer(out);
                resultset::columns(&mut writer, &columns);
                for row in &rows {
                    resultset::row(&mut writer, row);
                }
                resultset::eof(&mut writer);
            }
            Err(error) => self.error(error.code(), &error.to_string(), out),
        }
    }

    fn error(&mut self, code: Code, text: &str, out: &mut Vec<u8>) {
        self.told = NonZeroU16::new(code.number);
        resultset::error(&mut self.writer(out), code, text);
    }

    fn writer<'a>(&self, out: &'a mut Vec<u8>) -> Writer<'a> {
        Writer::new(out, self.sequence.wrapping_add(1))
    }

    /// The next packet is a command.
    fn ready(&mut self) -> Step {
        self.phase = Phase::Ready;
        self.sequence = 0;
        Step::Replied
    }

    /// The last word.
    fn end(&mut self, code: Code, text: &str, out: &mut Vec<u8>) -> Step {
        self.error(code, text, out);
        self.phase = Phase::Closed { login_failed: false };
        Step::Close
    }
}

fn fresh_nonce(context: &mut Context<'_>) -> Nonce {
    let mut random = [0; NONCE_BYTES];
    (context.random)(&mut random);
    Nonce::from_random(random)
}

fn user_name(bytes: &[u8]) -> Box<str> {
    String::from_utf8_lossy(bytes).chars().take(USER_CHARACTERS_MAX).collect::<String>().into()
}

/// A client that names none means the one that was there before plugins.
fn plugin_of(name: &[u8]) -> Option<Plugin> {
    if name.is_empty() { Some(Plugin::Native) } else { Plugin::by_name(name) }
}

fn find_account<'a>(user: &str, accounts: &'a [Account<'a>]) -> Option<&'a Account<'a>> {
    // `root` and every other text that is no number act as 0.
    let dev_id = user.parse().unwrap_or(0);
    accounts.iter().find(|account| account.dev_id.is_none_or(|own| own == dev_id))
}
