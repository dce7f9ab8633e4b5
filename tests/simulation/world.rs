//! One seed: a server, its clients, the network between them, and a clock. Each step one thing happens.

use encke::hub::message::TenantId;
use encke::server::{Holdings, Listener, Next};

use crate::client::{Claim, Client, Context, Line, Role};
use crate::lobby::Else;
use crate::machine::{Inhabited, Machine, Plan};
use crate::memory;
use crate::publisher::{EchoClient, MySqlClient, Publisher};
use crate::rules::{Rules, TENANTS};
use crate::subscriber::{Form, Subscriber};
use crate::support::random::Random;
use crate::wire::Weather;

/// Kinds of clients that need bytes of their own: transports, raw or JSON, callbacks, watching or not.
const FORMATS_MAX: u64 = 2 * (2 + 2 + 2 + 3 + 1);

pub struct World {
    machine: Machine,
    clients: Vec<Client>,
    rules: Rules,
    claims: Vec<Claim>,
    counter: u64,
}

impl World {
    pub fn new(seed: u64, is_late: bool) -> World {
        let mut random = Random::new(seed);
        let rules = Rules::draw(&mut random, is_late);
        let (settings, engine) = (rules.settings.clone(), rules.engine.clone());
        World {
            machine: Machine::new(random, Plan { settings, engine, is_late, first: Vec::new() }),
            clients: Vec::new(),
            rules,
            claims: Vec::new(),
            counter: 0,
        }
    }

    /// All steps, and what must hold after them.
    pub fn live(&mut self, steps: usize, step_to: &mut dyn FnMut(usize)) {
        for step in 0..steps {
            step_to(step);
            self.step();
        }
        step_to(steps);
        if self.machine.random.one_in(3) {
            return self.shut_down(false);
        }
        // From now on there is enough for everybody.
        memory::end_shortage();
        self.turn();
        self.gather();
        self.check_at_rest();
        self.check_counts();
        if self.machine.random.one_in(2) {
            self.everybody_leaves();
        } else {
            self.shut_down(true);
        }
    }

    /// Lets something happen, then looks at everything.
    fn step(&mut self) {
        match self.machine.random.below(100) {
            0..=14 => self.connect(),
            15..=39 => self.act(),
            40..=41 => self.burst(),
            42..=62 => self.deliver(),
            63..=82 => self.read_some(),
            83..=85 => self.stall(),
            86..=87 => self.reset(),
            88..=89 => self.half_close(),
            90..=91 if self.rules.is_short => self.draw_shortage(),
            90..=96 => self.pass_time(),
            97 => self.machine.set_clock(),
            98 if self.machine.random.one_in(3) => self.reload(),
            _ => {}
        }
        self.turn();
        self.reap();
        self.verify();
    }

    fn with_client(&mut self, index: usize, act: impl FnOnce(&mut Role, &mut Line, &mut Context)) {
        let World { machine, rules, claims, counter, clients } = self;
        let Machine { random, truth, is_draining, .. } = machine;
        let Client { role, line } = &mut clients[index];
        let Some(line) = line else { return };
        let truth = truth.borrow();
        let is_draining = *is_draining;
        let mut context = Context { random, truth: &truth, rules, claims, counter, is_draining };
        act(role, line, &mut context);
    }

    fn connect(&mut self) {
        // Somebody who was there before comes back, or somebody new comes.
        let away: Vec<usize> = (0..self.clients.len())
            .filter(|&index| self.clients[index].line.is_none() && !self.is_gone(index))
            .collect();
        if !away.is_empty() && (self.machine.random.one_in(2) || self.clients.len() > 24) {
            let index = self.machine.random.pick(&away);
            return self.open(index);
        }
        if self.clients.len() > 24 {
            return;
        }
        let role = self.draw_role();
        self.clients.push(Client { role, line: None });
        self.open(self.clients.len() - 1);
    }

    fn draw_role(&mut self) -> Role {
        let World { machine, rules, claims, counter, .. } = self;
        let Machine { random, truth, .. } = machine;
        let truth = truth.borrow();
        let mut context =
            Context { random, truth: &truth, rules, claims, counter, is_draining: false };
        match context.random.below(16) {
            0..=2 => {
                let tenant = TenantId(context.random.below(TENANTS.len()) as u16);
                Role::Publisher(Box::new(Publisher::new(tenant)))
            }
            3 => Role::Echo(EchoClient::new()),
            4 if cfg!(feature = "cometql") => Role::MySql(MySqlClient::new()),
            5 => Role::Vandal,
            _ => {
                let form = context.random.pick(&Form::ALL);
                Role::Subscriber(Box::new(Subscriber::draw(form, &mut context)))
            }
        }
    }

    fn is_gone(&self, index: usize) -> bool {
        matches!(&self.clients[index].role, Role::Subscriber(subscriber) if subscriber.is_gone)
    }

    fn open(&mut self, index: usize) {
        let listener = match self.clients[index].role {
            Role::MySql(_) => Listener::CometQl,
            _ => Listener::Http,
        };
        self.clients[index].line = self.machine.connect(listener);
        self.with_client(index, |role, line, context| role.open(line, context));
    }

    fn connected(&self) -> Vec<usize> {
        (0..self.clients.len()).filter(|&index| self.clients[index].line.is_some()).collect()
    }

    /// Draws a connected client.
    fn somebody(&mut self) -> Option<usize> {
        let connected = self.connected();
        (!connected.is_empty()).then(|| self.machine.random.pick(&connected))
    }

    fn act(&mut self) {
        let Some(index) = self.somebody() else { return };
        self.with_client(index, |role, line, context| role.act(line, context));
    }

    fn burst(&mut self) {
        let is_publisher = |&index: &usize| matches!(self.clients[index].role, Role::Publisher(_));
        let Some(index) = self.connected().into_iter().find(is_publisher) else { return };
        self.with_client(index, |role, line, context| match role {
            Role::Publisher(publisher) => publisher.burst(line, context),
            _ => unreachable!(),
        });
    }

    fn deliver(&mut self) {
        let most = self.machine.random.pick(&[1, 7, 100, 5_000, 1_000_000]);
        for index in self.connected() {
            if self.machine.random.one_in(2) {
                self.with_client(index, |_, line, _| {
                    line.deliver(most);
                });
            }
        }
    }

    fn read_some(&mut self) {
        let most = self.machine.random.pick(&[1, 50, 3_000, 1_000_000]);
        for index in self.connected() {
            if self.machine.random.one_in(2) {
                self.read(index, most);
            }
        }
    }

    /// A client reads; true if there was anything.
    fn read(&mut self, index: usize, most: usize) -> bool {
        let Some(line) = &mut self.clients[index].line else { return false };
        let bytes = line.take(most);
        if bytes.is_empty() {
            return false;
        }
        self.with_client(index, |role, line, context| role.receive(&bytes, line, context));
        true
    }

    fn stall(&mut self) {
        let Some(index) = self.somebody() else { return };
        self.with_client(index, |_, line, _| {
            line.is_stalled = !line.is_stalled;
        });
    }

    fn reset(&mut self) {
        let Some(index) = self.somebody() else { return };
        let keeps_arrived = self.machine.random.one_in(2);
        self.with_client(index, |_, line, _| {
            line.reset(keeps_arrived);
        });
    }

    fn half_close(&mut self) {
        let Some(index) = self.somebody() else { return };
        self.with_client(index, |_, line, _| line.wants_fin = true);
    }

    fn pass_time(&mut self) {
        let ms = match self.machine.random.below(8) {
            0 => 1_000,
            1 => 1_000 * self.machine.random.below(12) as u64,
            2 => match self.machine.next {
                Next::After(ms) => ms,
                _ => 1,
            },
            _ => self.machine.random.below(300) as u64,
        };
        self.pass(ms);
    }

    fn draw_shortage(&mut self) {
        self.machine.draw_shortage();
        self.rules.tight.memory |= self.machine.shortage.was_there;
    }

    /// The operator thinks again.
    fn reload(&mut self) {
        let World { machine, rules, clients, .. } = self;
        let lines = clients.iter_mut().filter_map(|client| client.line.as_mut()).collect();
        rules.rekeys += usize::from(machine.random.one_in(2));
        rules.draw_settings(&mut machine.random);
        machine.reload(rules.settings.clone(), rules.engine.clone(), lines);
    }

    /// Those who only break things go, and everybody who listens is there.
    fn gather(&mut self) {
        for index in self.connected() {
            if matches!(self.clients[index].role, Role::Vandal) {
                self.with_client(index, |_, line, _| line.reset(false));
            }
        }
        self.come_to_rest();
        for _ in 0..20 {
            let is_away = |world: &World, index: usize| {
                let client = &world.clients[index];
                let listens = matches!(client.role, Role::Subscriber(_)) && !world.is_gone(index);
                listens && client.line.is_none()
            };
            let away: Vec<usize> =
                (0..self.clients.len()).filter(|&index| is_away(self, index)).collect();
            if away.is_empty() {
                return;
            }
            for index in away {
                self.open(index);
            }
            self.come_to_rest();
            if self.rules.is_tight() {
                // Not everybody finds room.
                return;
            }
        }
        panic!("somebody never gets in");
    }

    /// Everybody has had everything, and nothing is left over.
    fn check_at_rest(&mut self) {
        for index in self.connected() {
            self.with_client(index, |role, line, context| {
                if let Role::Subscriber(subscriber) = role
                    && subscriber.is_listening()
                {
                    let missing = subscriber.missing(context);
                    assert_eq!(missing, None, "{:?} never came", subscriber.form);
                }
                if !line.wants_fin {
                    role.check_answered(line, context);
                }
            });
        }
        let truth = self.machine.truth.borrow();
        for claim in &self.claims {
            let index = truth.find(claim.tenant, claim.id).expect("what was accepted is published");
            assert_eq!(truth.messages[index].data.as_bytes(), claim.data);
        }
        let held = self.machine.server.holdings();
        let is_pipelining = |client: &&Client| {
            client.line.is_some()
                && matches!(&client.role, Role::Subscriber(poll) if poll.is_pipelining())
        };
        let behind_polls = self.clients.iter().filter(is_pipelining).count();
        let left = Holdings {
            outboxes: held.outboxes,
            outbox_bytes: held.outbox_bytes,
            inputs: held.inputs.saturating_sub(behind_polls),
            input_bytes: if behind_polls == 0 { held.input_bytes } else { 0 },
            asks: held.asks,
            feed: held.feed,
            ..Holdings::default()
        };
        assert_eq!(left, Holdings::default(), "idle costs nothing");
    }

    /// Watchers know how many there are, a moment later.
    fn check_counts(&mut self) {
        // What a new second ends is counted within the same second.
        self.pass(1_000 - self.machine.now.ms % 1_000);
        self.come_to_rest();
        self.pass(900);
        self.come_to_rest();
        let Some(counts) = self.ask("/channels") else { return };
        let Some(stats) = self.ask("/stats") else { return };
        // Whoever left for our question was not on any channel.
        for client in &self.clients {
            let Role::Subscriber(subscriber) = &client.role else { continue };
            if subscriber.is_watching() && client.line.is_some() {
                for (channel, told) in &subscriber.counts {
                    if channel.is_empty() && subscriber.channels.len() > 1 {
                        // A raw event does not say of which channel it tells.
                        continue;
                    }
                    let name = if channel.is_empty() { &subscriber.channels[0] } else { channel };
                    let list = counts["channels"].as_array().expect("a list");
                    let entry = list.iter().find(|entry| entry["channel"] == **name);
                    let count = entry.and_then(|entry| entry["subscribers"].as_u64());
                    assert_eq!(count, Some(*told), "{:?} on {name}", subscriber.form);
                }
            }
        }
        let number = |name: &str| stats[name].as_u64().expect("a number");
        let in_batches = (number("messages_published") + number("batches")) * FORMATS_MAX;
        assert!(number("renders") <= in_batches, "renders: {stats}");
    }

    /// Asks the server something of the first tenant, on a connection of its own, if there is room.
    fn ask(&mut self, path: &str) -> Option<serde_json::Value> {
        let mut line = self.machine.connect_in(Weather::fair(), Listener::Http)?;
        line.wire.borrow_mut().widen();
        line.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        line.wants_fin = true;
        let mut bytes = Vec::new();
        for _ in 0..200 {
            line.deliver(usize::MAX);
            self.machine.turn([&line].into_iter());
            line.wire.borrow_mut().take(usize::MAX, &mut bytes);
        }
        if line.hears_in_lobby(&bytes, Else::default()) {
            return None;
        }
        let text = String::from_utf8(bytes).expect("text");
        if text.is_empty() && line.is_excused() {
            return None;
        }
        let (_, body) = text.split_once("\r\n\r\n").expect("an answer");
        Some(crate::decode::json(body))
    }

    /// The server stops, in the midst of whatever there is: everybody who listens is told in the words of
    /// its protocol, nobody reads half of anything, and all are gone in time.
    fn shut_down(&mut self, is_at_rest: bool) {
        let listening = |(index, client): (usize, &Client)| {
            let line = client.line.as_ref().filter(|_| client.is_to_be_told(&self.rules))?;
            Some((index, line.wire.clone(), line.explain()))
        };
        let listening: Vec<_> = self.clients.iter().enumerate().filter_map(listening).collect();
        for client in &mut self.clients {
            if let Role::MySql(client) = &mut client.role {
                client.farewell = None;
            }
        }
        self.drain();
        for (index, wire, about) in listening {
            if self.rules.may_cut() && wire.borrow().was_full {
                // There was no room for the farewell.
                continue;
            }
            match &self.clients[index].role {
                Role::Subscriber(subscriber) => subscriber.check_farewell(is_at_rest, &about),
                // It may have been ended for want of memory, and not have read so.
                Role::MySql(client) if client.farewell == Some(1041) => assert!(!is_at_rest),
                Role::MySql(client) => assert_eq!(client.farewell, Some(1053)),
                _ => {}
            }
        }
        self.rest_for(5);
        self.check_empty();
    }
}

impl Inhabited for World {
    fn machine(&mut self) -> &mut Machine {
        &mut self.machine
    }

    fn lines(&mut self) -> Vec<&mut Line> {
        self.clients.iter_mut().filter_map(|client| client.line.as_mut()).collect()
    }

    fn hurry(&mut self) -> bool {
        let mut any = false;
        for index in self.connected() {
            self.with_client(index, |_, line, _| any |= line.deliver(usize::MAX));
            any |= self.read(index, usize::MAX);
        }
        any
    }

    fn turn(&mut self) {
        self.machine.turn(self.clients.iter().filter_map(|client| client.line.as_ref()));
    }

    /// Connections that are over for the client too.
    fn reap(&mut self) {
        for index in self.connected() {
            let Some(line) = &self.clients[index].line else { continue };
            let (is_at_end, is_over) = {
                let wire = line.wire.borrow();
                (wire.is_at_end(), wire.is_over())
            };
            if !is_at_end {
                continue;
            }
            if !is_over {
                // The server has said its last word; now the client closes too.
                self.with_client(index, |role, line, context| {
                    if !line.wants_fin {
                        role.ended(line, context);
                    }
                    line.wants_fin = true;
                    line.deliver(usize::MAX);
                });
                continue;
            }
            if !self.clients[index].line.as_ref().is_some_and(|line| line.wire.borrow().is_closed) {
                continue;
            }
            self.with_client(index, |role, line, context| role.ended(line, context));
            self.clients[index].line = None;
        }
    }

    fn verify(&mut self) {
        self.machine.verify(self.clients.iter().filter_map(|client| client.line.as_ref()));
    }
}
