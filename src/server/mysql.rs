//! Connections of back ends: bytes to the CometQL session and back, commands to the engine.

mod logins;
mod status;

use super::answers::Ask;
use super::clients::Clients;
use super::comet::Comet;
use super::conn::{Flags, Phase};
use super::deadlines::Tick;
use super::disconnect::Disconnect;
use super::extras::{Extra, ExtraIndex, Extras};
use super::identity::claims_of;
use super::interned::Interned;
use super::logs::Warning;
use super::metrics::Metrics;
use super::recent::Wrong;
use super::settings::{Settings, Tenant};
use super::slab::Slab;
use super::socket::Socket;
use super::{Server, wire};
use crate::cometql::{Account, Context, Limits, Member, Session, StatusKind, Step, View};
use crate::hub::Hub;
use crate::hub::command::Outcome;
use crate::hub::inbox::Inbox;
use crate::hub::members::SubscriberId;
use crate::hub::message::TenantId;
use crate::proto::annotate;
use status::{Facts, Status};

pub(crate) use logins::Logins;

/// What a slot keeps of a back end.
pub(crate) type MySql = Session;

impl<S: Socket> Server<S> {
    /// The server speaks first.
    pub(super) fn greet(&mut self, slot: u32) {
        let mut out = Vec::new();
        let session = self.in_context(|context| {
            Box::new(Session::start(slot.wrapping_add(1), context, &mut out))
        });
        let deadline = Tick::after(self.now, self.settings.limits.login_seconds);
        let extra = self.extras.put(Extra::MySql(Some(session)));
        let conn = self.connections.get_mut(slot);
        conn.extra = Some(extra);
        conn.deadline = deadline;
        self.out(slot).extend_from_slice(&out);
    }

    /// Uses bytes of packets; returns how many. 0: the rest of the packet is not there yet.
    // Apart, so that nothing else pays for its frame.
    #[inline(never)]
    pub(super) fn on_mysql_bytes(&mut self, slot: u32, bytes: &[u8]) -> usize {
        let Some(mut session) = self.take_mysql(slot) else { return bytes.len() };
        let mut out = Vec::new();
        let was_logged_in = session.is_authenticated();
        let (used, step) = self.in_context(|context| session.feed(bytes, context, &mut out));
        if used > 0 && wire::is_on() {
            let lines = annotate::mysql::from_client(&bytes[..used], was_logged_in);
            self.wire_lines(slot, '>', lines);
        }
        let wants_tls = step == Step::StartTls;
        self.after_step(slot, session, step, out);
        if wants_tls {
            self.switch_to_tls(slot, &bytes[used..]);
            return bytes.len();
        }
        used
    }

    /// Runs more statements of a packet that has several.
    #[inline(never)]
    pub(super) fn go_on_mysql(&mut self, slot: u32) {
        let conn = self.connections.get_mut(slot);
        if conn.outbox.is_some() || conn.flags.has(Flags::LAST_WORDS) {
            // It is looked at again when the client has taken what there is.
            return;
        }
        if self.feed_is_full() {
            return self.queue(slot);
        }
        if !self.mysql(slot).is_some_and(Session::is_resting) {
            return;
        }
        let Some(mut session) = self.take_mysql(slot) else { return };
        self.connections.get_mut(slot).flags.clear(Flags::PAUSED);
        let mut out = Vec::new();
        let step = self.in_context(|context| session.go_on(context, &mut out));
        self.after_step(slot, session, step, out);
    }

    /// What a session wants after it was given something.
    fn after_step(&mut self, slot: u32, session: Box<Session>, step: Step, out: Vec<u8>) {
        if session.is_authenticated() {
            let deadline = Tick::after(self.now, self.settings.limits.mysql_idle_seconds);
            self.connections.get_mut(slot).deadline = deadline;
        }
        if let Some(user) = session.failed_login() {
            self.warn(Warning::Login, slot, format_args!("wrong CometQL password for {user:?}"));
            self.put_mysql(slot, session, &[]);
            return self.hold_back(slot, out);
        }
        self.put_mysql(slot, session, &out);
        match step {
            Step::More | Step::Replied | Step::StartTls => {}
            Step::GoOn => self.leave_unfinished(slot),
            Step::Ask(commands) if commands.iter().any(|command| self.is_too_much(command)) => {
                self.refuse_ask(slot, Ask::MySql);
            }
            Step::Ask(mut commands) => {
                let last = commands.pop();
                for mut command in commands {
                    self.apply_rules(&mut command);
                    self.tell(command);
                }
                if let Some(command) = last {
                    self.ask(slot, Ask::MySql, command);
                }
            }
            Step::Close => self.finish(slot, Disconnect::Finished),
        }
    }

    fn leave_unfinished(&mut self, slot: u32) {
        self.connections.get_mut(slot).flags.set(Flags::PAUSED);
        self.queue(slot);
    }

    /// A wrong password's answer waits; nothing more is read meanwhile.
    fn hold_back(&mut self, slot: u32, answer: Vec<u8>) {
        let key = self.connections.get(slot).key(slot);
        let address = self.client_address(slot);
        let due_ms = self.now.ms + self.logins.failed(address, self.now.ms);
        match self.logins.hold(key, due_ms, answer) {
            Ok(()) => {
                let deadline = Tick::after(self.now, self.settings.limits.login_seconds);
                let conn = self.connections.get_mut(slot);
                conn.flags.set(Flags::PAUSED);
                conn.deadline = deadline;
            }
            Err(answer) => self.turn_down(slot, &answer),
        }
    }

    fn turn_down(&mut self, slot: u32, answer: &[u8]) {
        self.connections.get_mut(slot).flags.clear(Flags::PAUSED);
        self.out(slot).extend_from_slice(answer);
        self.finish(slot, Disconnect::Finished);
    }

    /// Gives the answers that have waited long enough. Returns in how many milliseconds the next has.
    pub(super) fn answer_wrong_logins(&mut self) -> Option<u64> {
        while let Some((key, answer)) = self.logins.take_due(self.now.ms) {
            // Who was told meanwhile that it has to go is told nothing more.
            if self.connections.find(key).is_some_and(|conn| conn.phase == Phase::MySql) {
                self.turn_down(key.slot, &answer);
            }
        }
        self.logins.next_due_ms().map(|due_ms| due_ms - self.now.ms)
    }

    /// The engine's answer to a statement.
    pub(super) fn on_mysql_answer(&mut self, slot: u32, outcome: Outcome) {
        let Some(mut session) = self.take_mysql(slot) else { return };
        let mut out = Vec::new();
        self.in_context(|context| session.complete(outcome, context.view, &mut out));
        let is_resting = session.is_resting();
        self.put_mysql(slot, session, &out);
        if is_resting {
            self.leave_unfinished(slot);
        }
    }

    /// Tells a back end that it has to go.
    pub(super) fn end_mysql(&mut self, slot: u32, why: Disconnect) {
        self.say_goodbye_to(slot, Session::shut_down);
        self.finish(slot, why);
    }

    /// The same, as there is no memory for what it says.
    pub(super) fn end_mysql_for_memory(&mut self, slot: u32) {
        self.say_goodbye_to(slot, Session::run_out_of_memory);
        self.finish(slot, Disconnect::Unavailable);
    }

    fn say_goodbye_to(&mut self, slot: u32, say: impl FnOnce(&mut Session, &mut Vec<u8>)) {
        if let Some(mut session) = self.take_mysql(slot) {
            let mut out = Vec::new();
            say(&mut session, &mut out);
            self.put_mysql(slot, session, &out);
        }
    }

    /// The tenant that a back end has logged in to.
    pub(super) fn mysql_tenant(&self, slot: u32) -> Option<TenantId> {
        let session = self.mysql(slot).filter(|session| session.is_authenticated());
        session.map(Session::tenant)
    }

    /// Whether a client waits to hear that its password is wrong.
    pub(super) fn is_held_back(&self, slot: u32) -> bool {
        self.mysql(slot).is_some_and(|session| session.failed_login().is_some())
    }

    fn mysql(&self, slot: u32) -> Option<&Session> {
        match self.extras.get(self.connections.get(slot).extra?)? {
            Extra::MySql(session) => session.as_deref(),
            _ => None,
        }
    }

    /// Takes a session out while it acts, so that it may look at the server.
    fn take_mysql(&mut self, slot: u32) -> Option<Box<Session>> {
        match self.extras.get_mut(self.connections.get(slot).extra?)? {
            Extra::MySql(session) => session.take(),
            _ => None,
        }
    }

    /// Puts it back, and passes on what it said.
    fn put_mysql(&mut self, slot: u32, mut session: Box<Session>, said: &[u8]) {
        let error = session.take_error();
        let index = self.connections.get(slot).extra;
        if let Some(extra) = index.and_then(|index| self.extras.get_mut(index)) {
            *extra = Extra::MySql(Some(session));
        }
        self.count_sql_error(slot, error);
        self.out(slot).extend_from_slice(said);
    }

    /// Lets a session act with what it may know of the server.
    fn in_context<T>(&mut self, act: impl FnOnce(&mut Context<'_>) -> T) -> T {
        let uptime_seconds = self.uptime_seconds();
        let settings = &self.settings;
        let accounts = accounts(settings);
        let limits = Limits {
            statement_bytes_max: settings.limits.statement_bytes_max,
            message_bytes_max: settings.limits.message_bytes_max,
            rows_max: settings.limits.statement_rows_max,
        };
        let random = &mut self.random;
        act(&mut Context {
            accounts: &accounts,
            limits: &limits,
            offers_tls: !settings.certificates.is_empty(),
            may_keep: !self.ceiling.is_short(),
            random: &mut |bytes| random.fill(bytes),
            unix_second: self.now.unix_second,
            uptime_seconds,
            view: &Here {
                hub: &self.hub,
                texts: &self.texts,
                connections: &self.connections,
                extras: &self.extras,
                clients: &self.clients,
                inbox: &self.inbox,
                settings,
                metrics: &self.metrics,
                uptime_seconds,
                kernel_file: self.kernel_file,
            },
        })
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

/// The server, as statements see it.
struct Here<'a, S> {
    hub: &'a Hub,
    texts: &'a Interned,
    connections: &'a Slab<S>,
    extras: &'a Extras,
    clients: &'a Clients,
    inbox: &'a Inbox,
    settings: &'a Settings,
    metrics: &'a Metrics,
    uptime_seconds: u64,
    kernel_file: fn(&str) -> String,
}

impl<S: Socket> View for Here<'_, S> {
    fn subscribers(&self, tenant: TenantId, pipe: &str) -> u64 {
        u64::from(self.hub.count(tenant, pipe))
    }

    fn members(&self, tenant: TenantId, pipe: &str, most: usize) -> Vec<Member> {
        let member = |subscriber: SubscriberId| {
            let conn = self.connections.get(subscriber.0);
            let mut member = conn.extra.map(|index| self.member(index)).unwrap_or_default();
            // The kernel knows it for as long as there is a connection; nobody else has to.
            if let Some(address) = self.clients.address(subscriber.0, self.connections) {
                member.address = address.to_string();
            }
            member
        };
        self.hub.subscribers(tenant, pipe).rev().take(most).map(member).collect()
    }

    fn status(&self, tenant: TenantId, kind: StatusKind) -> Status {
        let own = self.settings.tenants.get(usize::from(tenant.0));
        let facts = Facts {
            dev_id: own.and_then(|tenant| tenant.dev_id).unwrap_or(0),
            users: self.inbox.users(tenant),
            uptime_seconds: self.uptime_seconds,
            metrics: self.metrics,
            kernel_file: self.kernel_file,
        };
        facts.status(kind)
    }
}

impl<S> Here<'_, S> {
    /// What somebody has shown of itself.
    fn member(&self, index: ExtraIndex) -> Member {
        if let Some(comet) = self.extras.comet(index) {
            return member_of(comet, self.texts);
        }
        let claims = self.extras.get(index).and_then(claims_of);
        let user = claims.and_then(|claims| claims.user.clone());
        Member { user: user.unwrap_or_default(), ..Member::default() }
    }
}

/// What a client of CometServerApi has shown of itself.
fn member_of(comet: &Comet, texts: &Interned) -> Member {
    let text = |id| texts.text(id).into();
    Member {
        user: comet.user_name().unwrap_or_default(),
        uuid: comet.uuid.map(|uuid| uuid.to_string()).unwrap_or_default(),
        agent: text(comet.agent),
        address: String::new(),
        origin: text(comet.origin),
        language: text(comet.language),
    }
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
