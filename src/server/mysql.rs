//! Connections of back ends: bytes to the CometQL session and back, commands to the engine.

use super::answers::Ask;
use super::deadlines::Tick;
use super::disconnect::Disconnect;
use super::logs::Warning;
use super::random::Random;
use super::recent::Wrong;
use super::settings::{Settings, Tenant};
use super::socket::Socket;
use super::subscribe::Extra;
use super::{Server, wire};
use crate::cometql::{Account, Context, Limits, Session, Step};
use crate::hub::clock::Now;
use crate::hub::command::Outcome;
use crate::hub::message::TenantId;
use crate::proto::annotate;

/// What a slot keeps of a back end.
pub(crate) type MySql = Session;

impl<S: Socket> Server<S> {
    /// The server speaks first.
    pub(super) fn greet(&mut self, slot: u32) {
        let mut out = Vec::new();
        let session = in_context(&self.settings, &mut self.random, self.now, |context| {
            Session::start(slot.wrapping_add(1), context, &mut out)
        });
        let deadline = Tick::after(self.now, self.settings.limits.login_seconds);
        let extra = self.extras.put(Extra::MySql(Box::new(session)));
        let conn = self.connections.get_mut(slot);
        conn.extra = Some(extra);
        conn.deadline = deadline;
        self.out(slot).extend_from_slice(&out);
    }

    /// Uses bytes of packets; returns how many. 0: the rest of the packet is not there yet.
    pub(super) fn on_mysql_bytes(&mut self, slot: u32, bytes: &[u8]) -> usize {
        let Some(index) = self.connections.get(slot).extra else { return bytes.len() };
        let Extra::MySql(session) = self.extras.get_mut(index) else { return bytes.len() };
        let mut out = Vec::new();
        let was_logged_in = session.is_authenticated();
        let (used, step) = in_context(&self.settings, &mut self.random, self.now, |context| {
            session.feed(bytes, context, &mut out)
        });
        let is_logged_in = session.is_authenticated();
        let error = session.take_error();
        let failed_login = session.failed_login().map(str::to_owned);
        self.count_sql_error(slot, error);
        if used > 0 && wire::is_on() {
            let lines = annotate::mysql::from_client(&bytes[..used], was_logged_in);
            self.wire_lines(slot, '>', lines);
        }
        self.out(slot).extend_from_slice(&out);
        if is_logged_in {
            let deadline = Tick::after(self.now, self.settings.limits.mysql_idle_seconds);
            self.connections.get_mut(slot).deadline = deadline;
        }
        if let Some(user) = failed_login {
            self.warn(Warning::Login, slot, format_args!("wrong CometQL password for {user:?}"));
        }
        match step {
            Step::More => return 0,
            Step::Replied => {}
            Step::Ask(command) => self.ask(slot, Ask::MySql, command),
            Step::Close => self.finish(slot, Disconnect::Finished),
        }
        used
    }

    /// The engine's answer to a statement.
    pub(super) fn on_mysql_answer(&mut self, slot: u32, outcome: &Outcome) {
        self.with_session(slot, |session, out| session.complete(outcome, out));
    }

    /// Tells a back end that it has to go.
    pub(super) fn end_mysql(&mut self, slot: u32, why: Disconnect) {
        self.with_session(slot, |session, out| session.shut_down(out));
        self.finish(slot, why);
    }

    /// The tenant that a back end has logged in to.
    pub(super) fn mysql_tenant(&self, slot: u32) -> Option<TenantId> {
        match self.extras.get(self.connections.get(slot).extra?) {
            Extra::MySql(session) if session.is_authenticated() => Some(session.tenant()),
            _ => None,
        }
    }

    fn with_session(&mut self, slot: u32, act: impl FnOnce(&mut Session, &mut Vec<u8>)) {
        let Some(index) = self.connections.get(slot).extra else { return };
        let Extra::MySql(session) = self.extras.get_mut(index) else { return };
        let mut out = Vec::new();
        act(session, &mut out);
        let error = session.take_error();
        self.count_sql_error(slot, error);
        self.out(slot).extend_from_slice(&out);
    }

    fn count_sql_error(&mut self, slot: u32, error: Option<u16>) {
        if let Some(number) = error {
            self.metrics.sql_errors.add(number);
            self.note(slot, Wrong::Sql(number));
        }
    }
}

/// The server's packets as text.
pub(super) fn annotate_server(bytes: &[u8]) -> Vec<String> {
    annotate::mysql::from_server(bytes)
}

/// Lets a session act with what it may know of the server.
fn in_context<T>(
    settings: &Settings,
    random: &mut Random,
    now: Now,
    act: impl FnOnce(&mut Context<'_>) -> T,
) -> T {
    let accounts = accounts(settings);
    let limits = Limits {
        statement_bytes_max: settings.limits.statement_bytes_max,
        message_bytes_max: settings.limits.message_bytes_max,
        rows_max: settings.limits.statement_rows_max,
    };
    act(&mut Context {
        accounts: &accounts,
        limits: &limits,
        random: &mut |bytes| random.fill(bytes),
        unix_second: now.unix_second,
    })
}

/// Who has a number of its own comes before who takes all others.
fn accounts(settings: &Settings) -> Vec<Account<'_>> {
    let tenants = settings.tenants.iter().enumerate();
    let mut accounts: Vec<_> =
        tenants.filter_map(|(index, tenant)| account(index, tenant)).collect();
    accounts.sort_by_key(|account| account.dev_id.is_none());
    accounts
}

fn account(index: usize, tenant: &Tenant) -> Option<Account<'_>> {
    let has_one = !tenant.is_removed && (index == 0 || tenant.dev_id.is_some());
    has_one.then_some(Account {
        tenant: TenantId(index as u16),
        dev_id: tenant.dev_id,
        password: tenant.cometql_password.as_deref(),
    })
}
