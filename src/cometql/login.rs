//! Letting a back end in: who it is, how it proves that, which tenant it belongs to.
//!
//! An unknown user and a wrong password are answered alike. How long that answer waits is the server's
//! matter.

use super::session::{Phase, Session, Switch};
use super::{Account, Context, Step, run};
use crate::proto::mysql::Code;
use crate::proto::mysql::command::ChangeUser;
use crate::proto::mysql::handshake::{self, NONCE_BYTES, Nonce, Plugin, Response};
use crate::proto::mysql::resultset::{self, Status};

/// How much of a user's name is kept, in characters: MySQL allows no more either.
const USER_CHARACTERS_MAX: usize = 80;
/// HAProxy's `mysql-check` logs in as this, without a password, and goes. It may do no more.
const CHECK_USER: &str = "haproxy_check";

/// Somebody who wants to be let in.
struct Login<'a> {
    plugin: Plugin,
    nonce: &'a Nonce,
    proof: &'a [u8],
    database: &'a str,
}

impl Session {
    pub(super) fn on_response(
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
        self.set_user(user_name(response.user));
        self.multi_statements = response.multi_statements;
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

    pub(super) fn on_change_user(
        &mut self,
        change: &ChangeUser<'_>,
        context: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        self.forget();
        self.set_user(user_name(change.user));
        let database = String::from_utf8_lossy(change.database);
        let plugin = plugin_of(change.plugin).unwrap_or(Plugin::Native);
        let account = find_account(self.user(), context.accounts);
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
        self.write(out, |writer| {
            writer.packet(|out| handshake::encode_switch(out, plugin, &nonce));
        });
        let switch = Switch { plugin, nonce, database: database.into() };
        self.phase = Phase::Switched(Box::new(switch));
        Step::Replied
    }

    pub(super) fn on_proof(
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
        self.is_check = self.user() == CHECK_USER && plugin.is_no_proof(proof);
        if self.is_check {
            return self.let_in(login, out);
        }
        let proves = |account: &&Account<'_>| match account.password {
            None => true,
            Some(password) => plugin.proves(password.as_bytes(), nonce, proof),
        };
        let account = find_account(self.user(), context.accounts).filter(proves);
        let Some(account) = account else {
            let with = if plugin.is_no_proof(proof) { "NO" } else { "YES" };
            let user = self.user();
            let denied = format!("Access denied for user '{user}' (using password: {with})");
            let text = format!("[16] Authentication failure: {denied}");
            self.end(Code::ACCESS_DENIED, &text, out);
            self.phase = Phase::Closed { login_failed: true };
            return Step::Close;
        };
        self.tenant = account.tenant;
        if !database.is_empty() {
            match run::open_database(database, self.tenant, context.accounts) {
                Ok(name) => self.set_database(&name),
                Err(error) => return self.end(error.code(), &error.to_string(), out),
            }
        }
        self.let_in(login, out)
    }

    fn let_in(&mut self, login: &Login<'_>, out: &mut Vec<u8>) -> Step {
        let Login { plugin, proof, .. } = *login;
        let status = self.status;
        self.write(out, |writer| {
            if plugin == Plugin::CachingSha2 && !plugin.is_no_proof(proof) {
                writer.packet(handshake::encode_fast_success);
            }
            resultset::ok(writer, 0, 0, status);
        });
        self.ready()
    }

    /// As a connection is after its login: COM_RESET_CONNECTION, COM_CHANGE_USER.
    pub(super) fn forget(&mut self) {
        self.statements = None;
        self.status = Status::AUTOCOMMIT;
    }
}

pub(super) fn fresh_nonce(context: &mut Context<'_>) -> Nonce {
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
