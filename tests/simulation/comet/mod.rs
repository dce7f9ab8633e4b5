//! Pages with CometServerApi, official ones and ours, over a network that breaks all the time. Every page
//! of ours sees each message of its channels once and in order over all its connections, except its own,
//! or is told of the loss; what is for a user reaches the user once.

mod back_end;
mod ledger;
mod page;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use encke::engines::Engine;
use encke::engines::memory::{Keep, Limits as EngineLimits, MemoryEngine};
use encke::hub::clock::Now;
use encke::hub::command::{Change, Command, RecordKind};
use encke::hub::message::{MessageId, TenantId};
use encke::server::limits::Limits;
use encke::server::settings::{Settings, Tenant};
use encke::server::{Holdings, Listener, Next, Server};

use crate::client::{Line, client_text_frame};
use crate::decode::{Part, Reader};
use crate::support::late_engine::LateEngine;
use crate::support::random::Random;
use crate::support::websocket::client_frame;
use crate::truth::{Recorded, Truth};
use crate::wire::{FakeSocket, Wire};
use back_end::BackEnd;
use ledger::{Author, Ledger, Waiting};
use page::{Context, Page, Via};

const START: Now = Now { ms: 5_000, unix_second: 1_763_690_000, unix_nanos: 123_456_789 };
const STEPS: usize = 220;
const PAGES_MAX: usize = 9;
/// Rounds within which everything comes to rest.
const ROUNDS_MAX: usize = 60_000;
/// After this many milliseconds without a connection no session is left of a page.
const GONE_MS: u64 = 26_000;

/// One connection, whoever has it.
struct Wired {
    id: u64,
    line: Line,
    owner: Owner,
}

enum Owner {
    Page(usize),
    /// A single request, whose answer must be good.
    Errand(Box<(Reader, Option<u16>)>),
    BackEnd,
}

struct World {
    random: Random,
    server: Server<FakeSocket>,
    now: Now,
    pages: Vec<Page>,
    wired: Vec<Wired>,
    back_end: BackEnd,
    truth: Rc<RefCell<Truth>>,
    ledger: Ledger,
    read: usize,
    lines: u64,
    is_late: bool,
    is_roomy: bool,
    is_draining: bool,
    /// When each user had a connection last.
    here_ms: [u64; 4],
    last_kick_ms: u64,
    pending: Rc<Cell<usize>>,
    next: Next,
    has_full_events: bool,
}

pub fn simulate(seed: u64, is_late: bool, step_to: &mut dyn FnMut(usize)) {
    let mut world = World::new(seed, is_late);
    for step in 0..STEPS {
        step_to(step);
        world.step();
        if step % 73 == 72 {
            world.come_to_rest();
            world.check_pages();
        }
    }
    step_to(STEPS);
    world.gather();
    world.check_idle();
    world.say_something_to_all();
    match world.random.one_in(2) {
        true => world.everybody_leaves(),
        false => world.shut_down(),
    }
}

impl World {
    fn new(seed: u64, is_late: bool) -> World {
        let mut random = Random::new(seed);
        let now = START;
        let is_roomy = random.one_in(2);
        let engine_limits = engine_limits(&mut random, is_roomy);
        let start = MessageId { second: now.unix_second, n: now.unix_nanos };
        let truth = Rc::new(RefCell::new(Truth::new(&[start])));
        let mut pending = Rc::default();
        let mut engine: Box<dyn Engine> = match is_late {
            true => {
                let lateness = random.pick(&[4, 20, 60]);
                let engine = LateEngine::new(1, engine_limits, now, random.next(), lateness);
                pending = engine.pending();
                Box::new(engine)
            }
            false => Box::new(MemoryEngine::new(1, engine_limits, now)),
        };
        keep_keys(&mut *engine, now);
        let engine = Box::new(Recorded { engine, truth: truth.clone() });
        let tenant = Tenant { publish_key: Some("sesame".into()), ..Tenant::default() };
        let limits = limits(&mut random);
        let settings = Settings { limits, tenants: vec![tenant], ..Settings::default() };
        World {
            server: Server::new(settings, engine, [9; 20], now),
            has_full_events: random.one_in(2),
            random,
            now,
            pages: Vec::new(),
            wired: Vec::new(),
            back_end: BackEnd::default(),
            truth,
            ledger: Ledger::default(),
            read: 0,
            lines: 0,
            is_late,
            is_roomy,
            is_draining: false,
            here_ms: [0; 4],
            last_kick_ms: 0,
            pending,
            next: Next::Idle,
        }
    }

    /// Lets something happen, then looks at everything.
    fn step(&mut self) {
        match self.random.below(100) {
            0..=15 => self.connect(),
            16..=23 => self.resubscribe(),
            24..=36 => self.publish(),
            37..=40 => self.publish_from_outside(),
            41..=46 => self.send_to_user(),
            47 => self.kick(),
            48..=50 => self.question(),
            51..=64 => self.deliver(),
            65..=79 => self.read_some(),
            80..=81 => self.stall(),
            82..=84 => self.reset(),
            85..=86 => self.half_close(),
            87..=88 => self.close_frame(),
            89..=97 => self.pass_time(),
            _ => self.burst(),
        }
        self.turn();
        self.reap();
        self.verify();
    }

    fn with_page<T>(
        &mut self,
        index: usize,
        act: impl FnOnce(&mut Page, Option<&mut Line>, &mut Context) -> T,
    ) -> T {
        let World { random, truth, ledger, wired, pages, read, .. } = self;
        let truth = truth.borrow();
        ledger.read(&truth, read);
        let page = &mut pages[index];
        let line = page.talk.as_ref().map(|talk| talk.line);
        let line = wired.iter_mut().find(|wired| Some(wired.id) == line);
        let line = line.map(|wired| &mut wired.line);
        let mut context = Context {
            random,
            truth: &truth,
            ledger,
            now: self.now,
            is_late: self.is_late,
            newest_line: self.lines,
            last_kick_ms: self.last_kick_ms,
            is_roomy: self.is_roomy,
        };
        act(page, line, &mut context)
    }

    fn wire(&mut self, owner: Owner) -> Option<u64> {
        let to_server_max = self.random.pick(&[200, 4_000, 200_000]);
        let to_client_max = self.random.pick(&[64, 1_000, 20_000, 300_000]);
        let wire = Wire::new(self.truth.clone(), to_server_max, to_client_max);
        let wire = Rc::new(RefCell::new(wire));
        let listener = match owner {
            Owner::BackEnd => Listener::CometQl,
            _ => Listener::Http,
        };
        let socket = FakeSocket(wire.clone());
        let key = self.server.accept(socket, listener, self.now)?;
        self.lines += 1;
        self.wired.push(Wired { id: self.lines, line: Line::new(wire, key), owner });
        Some(self.lines)
    }

    /// Somebody new, somebody who was here before, or somebody who does not know that it is here still.
    fn connect(&mut self) {
        let away: Vec<usize> =
            (0..self.pages.len()).filter(|&index| self.pages[index].talk.is_none()).collect();
        if self.pages.len() < PAGES_MAX && (away.is_empty() || self.random.one_in(3)) {
            let page = Page::draw(self.pages.len(), &mut self.random);
            self.pages.push(page);
            return self.open(self.pages.len() - 1);
        }
        if !away.is_empty() {
            let index = self.random.pick(&away);
            return self.open(index);
        }
        let index = self.random.below(self.pages.len());
        self.open(index);
    }

    fn open(&mut self, index: usize) {
        let Some(id) = self.wire(Owner::Page(index)) else { return };
        let via = match self.pages[index].is_ours {
            true => self.random.pick(&[Via::WebSocket, Via::Stream, Via::Poll]),
            false => Via::WebSocket,
        };
        let before = self.pages[index].talk.as_ref().map(|talk| talk.line);
        // The page has given the old one up, but the network has not.
        if self.random.one_in(2)
            && let Some(old) = self.wired.iter_mut().find(|wired| Some(wired.id) == before)
        {
            old.line.wants_fin = true;
        }
        let mut line = self.wired.pop().expect("it was just made");
        self.with_page(index, |page, _, context| page.open(id, &mut line.line, via, context));
        self.wired.push(line);
    }

    /// A page that is connected.
    fn somebody(&mut self) -> Option<usize> {
        let is_here = |index: &usize| {
            let talk = self.pages[*index].talk.as_ref();
            talk.is_some_and(|talk| {
                self.wired.iter().any(|wired| wired.id == talk.line && !wired.line.wants_fin)
            })
        };
        let here: Vec<usize> = (0..self.pages.len()).filter(is_here).collect();
        (!here.is_empty()).then(|| self.random.pick(&here))
    }

    fn resubscribe(&mut self) {
        let Some(index) = self.somebody() else { return };
        if !self.pages[index].is_up() {
            return;
        }
        let is_new = self.with_page(index, |page, line, context| {
            line.is_some_and(|line| page.resubscribe(line, context))
        });
        if is_new {
            self.open(index);
        }
    }

    fn publish(&mut self) {
        let Some(index) = self.somebody() else { return };
        let page = &self.pages[index];
        if !page.is_up() {
            return;
        }
        let talk = page.talk.as_ref().expect("it is connected");
        let (line, is_socket) = (talk.line, talk.via == Via::WebSocket);
        let author = Author { page: index, line };
        let (number, text) = self.with_page(index, |page, line, context| {
            let (number, text) = page.publication(context);
            context.ledger.authors.insert(number, author);
            if is_socket && let (Some(line), Some(talk)) = (line, &mut page.talk) {
                line.send(&client_text_frame(context.random, text.as_bytes()));
                talk.asks();
            }
            (number, text)
        });
        if !is_socket {
            // A page that hears no answer tries again with the same number.
            let request = self.pages[index].post(number, &text);
            for _ in 0..self.random.pick(&[1, 1, 2]) {
                self.errand(&request);
            }
        }
    }

    fn publish_from_outside(&mut self) {
        let number = self.ledger.number();
        let pipe = self.random.pick(&["web_a", "web_b", "private_p", "plain"]);
        self.errand(&post(&format!("/channels/{pipe}"), &format!("m{number} outside")));
    }

    fn burst(&mut self) {
        for _ in 0..self.random.pick(&[3, 12]) {
            self.publish_from_outside();
        }
    }

    /// A message for a user: one that waits, which only SQL can say, or one that does not.
    fn send_to_user(&mut self) {
        let user = 1 + self.random.below(3) as u32;
        let number = self.ledger.number();
        if self.random.one_in(3) || !cfg!(feature = "cometql") {
            return self.errand(&post(&format!("/users/{user}"), &format!("n{number}")));
        }
        if self.now.ms > self.here_ms[user as usize] + GONE_MS {
            let opens = (0..PAGES_MAX).map(|index| self.pages.get(index).map_or(0, |it| it.opens));
            self.ledger.waiting.insert(number, Waiting { opens: opens.collect() });
        }
        self.back_end.say(format!(
            "INSERT INTO users_messages (id, event, message) VALUES ({user}, 'e', 'w{number}')"
        ));
        self.run_back_end();
    }

    /// A user is sent away, and may come back.
    fn kick(&mut self) {
        if !cfg!(feature = "cometql") {
            return;
        }
        let user = 1 + self.random.below(3);
        self.back_end.say(format!("DELETE FROM users_auth WHERE id = {user}"));
        self.back_end
            .say(format!("INSERT INTO users_auth (id, hash) VALUES ({user}, 'key{user}')"));
        self.run_back_end();
    }

    fn run_back_end(&mut self) {
        if self.back_end.line.is_none() {
            self.back_end.line = self.wire(Owner::BackEnd);
        }
        let World { wired, back_end, .. } = self;
        let line = wired.iter_mut().find(|wired| Some(wired.id) == back_end.line);
        if let Some(line) = line {
            back_end.go_on(&mut line.line);
        }
    }

    fn errand(&mut self, request: &str) {
        let owner = Owner::Errand(Box::new((Reader::new(), None)));
        if self.wire(owner).is_some()
            && let Some(wired) = self.wired.last_mut()
        {
            wired.line.send(request.as_bytes());
        }
    }

    fn question(&mut self) {
        let Some(index) = self.somebody() else { return };
        let page = &self.pages[index];
        let is_socket = page.talk.as_ref().is_some_and(|talk| talk.via == Via::WebSocket);
        if page.is_up() && is_socket {
            self.with_page(index, |page, line, context| {
                if let Some(line) = line {
                    page.question(line, context);
                }
            });
        }
    }

    fn deliver(&mut self) {
        let most = self.random.pick(&[1, 7, 100, 5_000, 1_000_000]);
        for index in 0..self.wired.len() {
            if self.random.one_in(2) {
                self.wired[index].line.deliver(most);
            }
        }
    }

    fn read_some(&mut self) {
        let most = self.random.pick(&[1, 50, 3_000, 1_000_000]);
        for index in 0..self.wired.len() {
            if self.random.one_in(2) {
                self.read(index, most);
            }
        }
        self.poll_again();
    }

    fn poll_again(&mut self) -> bool {
        let mut any = false;
        for index in 0..self.pages.len() {
            any |= self
                .with_page(index, |page, line, _| line.is_some_and(|line| page.poll_again(line)));
        }
        any
    }

    /// A client reads; true if there was anything.
    fn read(&mut self, index: usize, most: usize) -> bool {
        let wired = &mut self.wired[index];
        if wired.line.is_stalled {
            return false;
        }
        let mut bytes = Vec::new();
        wired.line.wire.borrow_mut().take(most, &mut bytes);
        if bytes.is_empty() {
            return false;
        }
        let id = wired.id;
        match &mut wired.owner {
            Owner::Page(page) => {
                let page = *page;
                if self.pages[page].talk.as_ref().is_some_and(|talk| talk.line == id) {
                    self.with_page(page, |page, line, context| {
                        page.receive(&bytes, line.expect("it reads"), context);
                    });
                }
            }
            Owner::Errand(errand) => {
                let (reader, status) = &mut **errand;
                reader.push(&bytes);
                while let Some(part) = reader.next(false) {
                    match part {
                        Part::Head(head, _) => *status = Some(head.status),
                        Part::Data(_) => {}
                        Part::End => wired.line.wants_fin = true,
                    }
                }
                let is_good = matches!(status, None | Some(200 | 408)) || self.is_draining;
                assert!(is_good, "{status:?}");
            }
            Owner::BackEnd => self.back_end.receive(&bytes, &mut wired.line, self.is_draining),
        }
        true
    }

    fn any_line(&mut self) -> Option<usize> {
        let is_page = |index: &usize| matches!(self.wired[*index].owner, Owner::Page(_));
        let lines: Vec<usize> = (0..self.wired.len()).filter(is_page).collect();
        (!lines.is_empty()).then(|| self.random.pick(&lines))
    }

    fn stall(&mut self) {
        let Some(index) = self.any_line() else { return };
        let line = &mut self.wired[index].line;
        line.is_stalled = !line.is_stalled;
    }

    fn reset(&mut self) {
        let keeps_arrived = self.random.one_in(2);
        let Some(index) = self.any_line() else { return };
        self.wired[index].line.wire.borrow_mut().reset(keeps_arrived);
    }

    fn half_close(&mut self) {
        let Some(index) = self.any_line() else { return };
        self.wired[index].line.wants_fin = true;
    }

    /// A page is closed in order.
    fn close_frame(&mut self) {
        let Some(index) = self.somebody() else { return };
        let talk = self.pages[index].talk.as_ref();
        if talk.is_some_and(|talk| talk.via == Via::WebSocket) {
            self.with_page(index, |_, line, _| {
                if let Some(line) = line {
                    line.send(&client_frame(0x88, [0; 4], b""));
                    line.wants_fin = true;
                }
            });
        }
    }

    fn pass_time(&mut self) {
        let ms = match self.random.below(10) {
            0 => 1_000 * self.random.below(30) as u64,
            1 | 2 => 1_000 * self.random.below(6) as u64,
            _ => self.random.below(400) as u64,
        };
        self.pass(ms);
    }

    fn pass(&mut self, ms: u64) {
        let before = self.now.ms / 1000;
        self.now.ms += ms;
        self.now.unix_second += self.now.ms / 1000 - before;
        self.now.unix_nanos = (self.now.ms % 1000) as u32 * 1_000_000;
    }

    /// One round of the reactor.
    fn turn(&mut self) {
        let mut ready = Vec::new();
        for wired in &self.wired {
            let is_taken = !self.random.one_in(8);
            if is_taken
                && let Some(event) = wired.line.wire.borrow_mut().take_event(self.has_full_events)
            {
                ready.push((wired.line.key, event));
            }
        }
        while !ready.is_empty() {
            let (key, event) = ready.swap_remove(self.random.below(ready.len()));
            self.server.ready(key, event, self.now);
        }
        self.next = self.server.turn(self.now);
        if self.back_end.is_kicking {
            self.last_kick_ms = self.now.ms;
        }
        for wired in &self.wired {
            if let Owner::Page(page) = wired.owner
                && !wired.line.wire.borrow().is_closed
            {
                self.here_ms[self.pages[page].user as usize] = self.now.ms;
            }
        }
    }

    /// Connections that are over for the client too.
    fn reap(&mut self) {
        for wired in &mut self.wired {
            let is_ended = {
                let wire = wired.line.wire.borrow();
                wire.is_at_end() && !wire.is_over()
            };
            if is_ended {
                // The server has said its last word; now the client closes too.
                wired.line.wants_fin = true;
                wired.line.deliver(usize::MAX);
            }
        }
        let World { wired, pages, back_end, .. } = self;
        wired.retain(|wired| {
            let wire = wired.line.wire.borrow();
            if !wire.is_at_end() || !wire.is_closed {
                return true;
            }
            match &wired.owner {
                Owner::Page(page) => {
                    let page = &mut pages[*page];
                    if page.talk.as_ref().is_some_and(|talk| talk.line == wired.id) {
                        page.talk = None;
                    }
                }
                // Slow ones run out of time.
                Owner::Errand(_) => {}
                Owner::BackEnd => back_end.end(),
            }
            false
        });
    }

    fn verify(&self) {
        self.server.verify();
        let open = self.wired.iter().filter(|wired| !wired.line.wire.borrow().is_closed).count();
        let held = self.server.holdings();
        assert_eq!(held.slots, open + held.detached, "slots are sockets and sessions");
        assert_eq!(self.server.connections(), held.slots);
    }

    /// Everything that can happen without a new wish or the clock happens; nobody is slow.
    fn come_to_rest(&mut self) {
        let mut quiet = 0;
        for _ in 0..ROUNDS_MAX {
            let mut is_quiet = true;
            self.run_back_end_if_wanted();
            for index in 0..self.wired.len() {
                let line = &mut self.wired[index].line;
                line.is_stalled = false;
                line.wire.borrow_mut().widen();
                is_quiet &= !line.deliver(usize::MAX);
                is_quiet &= !self.read(index, usize::MAX);
            }
            is_quiet &= !self.poll_again();
            self.turn();
            self.reap();
            is_quiet &= self.next != Next::Now && self.pending.get() == 0;
            is_quiet &= !self.wired.iter().any(|wired| wired.line.wire.borrow().has_event());
            is_quiet &= self.back_end.is_done() || self.is_draining;
            quiet = if is_quiet { quiet + 1 } else { 0 };
            if quiet == 12 {
                return self.verify();
            }
        }
        panic!("it never comes to rest: {:?} {:?}", self.next, self.server.holdings());
    }

    fn run_back_end_if_wanted(&mut self) {
        if !self.back_end.is_done() && !self.is_draining {
            self.run_back_end();
        }
    }

    fn check_pages(&mut self) {
        for index in 0..self.pages.len() {
            let is_there = self.wired.iter().any(|wired| {
                let talk = self.pages[index].talk.as_ref();
                talk.is_some_and(|talk| talk.line == wired.id) && !wired.line.wants_fin
            });
            if is_there {
                self.with_page(index, |page, _, context| page.check_at_rest(context));
            }
        }
    }

    /// Everybody is there, and nobody twice.
    fn gather(&mut self) {
        for _ in 0..20 {
            self.come_to_rest();
            let away: Vec<usize> =
                (0..self.pages.len()).filter(|&index| self.pages[index].talk.is_none()).collect();
            let current: Vec<u64> =
                self.pages.iter().filter_map(|page| Some(page.talk.as_ref()?.line)).collect();
            let mut is_done = away.is_empty();
            for wired in &mut self.wired {
                if matches!(wired.owner, Owner::Page(_)) && !current.contains(&wired.id) {
                    wired.line.wants_fin = true;
                    is_done = false;
                }
            }
            if is_done {
                return self.check_pages();
            }
            for index in away {
                self.open(index);
            }
        }
        panic!("somebody never gets in");
    }

    /// At rest and with no session left over: idle costs nothing, and what is held is known.
    fn check_idle(&mut self) {
        while self.server.holdings().detached > 0 {
            self.pass(1_000);
            self.gather();
        }
        self.gather();
        let held = self.server.holdings();
        assert_eq!(
            (held.outboxes, held.outbox_bytes, held.inputs),
            (0, 0, 0),
            "idle costs nothing"
        );
        assert_eq!((held.asks, held.feed, held.detached), (0, 0, 0), "idle costs nothing");
        let all: Option<Vec<usize>> = self.pages.iter().map(Page::holds).collect();
        if let Some(all) = all {
            assert_eq!(held.memberships, all.iter().sum::<usize>(), "everybody's channels");
            assert_eq!(held.furthers, all.iter().filter(|count| **count > 1).count());
        }
        let back_ends = usize::from(self.back_end.line.is_some());
        assert_eq!(held.extras, self.pages.len() + back_ends, "one for each page");
    }

    /// Once more, when all is quiet: everybody gets everything.
    fn say_something_to_all(&mut self) {
        for _ in 0..6 {
            self.publish();
            self.publish_from_outside();
            self.send_to_user();
        }
        self.come_to_rest();
        self.check_pages();
    }

    /// Everybody goes; the server is as it was at first.
    fn everybody_leaves(&mut self) {
        for index in 0..self.wired.len() {
            match self.random.one_in(3) {
                true => self.wired[index].line.wire.borrow_mut().reset(false),
                false => self.wired[index].line.wants_fin = true,
            }
        }
        self.come_to_rest();
        for _ in 0..25 {
            self.pass(1_000);
            self.come_to_rest();
        }
        assert_eq!(self.server.holdings(), Holdings::default(), "all closed, all given back");
        self.check_tracks();
    }

    /// Of every page others saw that it came and went, in turn.
    fn check_tracks(&self) {
        let mut there: Vec<(String, i32)> = Vec::new();
        for message in &self.truth.borrow().messages {
            if &*message.channel != "track_t" {
                continue;
            }
            let text = ledger::text_of(message);
            let uuid = text.split("\"uuid\":\"").nth(1).expect("a browser's id").to_owned();
            if !there.iter().any(|known| known.0 == uuid) {
                there.push((uuid.clone(), 0));
            }
            let known = there.iter_mut().find(|known| known.0 == uuid).expect("it is there");
            known.1 += if &*message.event == "subscription" { 1 } else { -1 };
            // Late, what is told without waiting for an answer may overtake itself.
            assert!(self.is_late || (0..=1).contains(&known.1), "{} {text}", &*message.event);
        }
        for (uuid, count) in there {
            assert_eq!(count, 0, "{uuid} has gone");
        }
    }

    /// The server stops.
    fn shut_down(&mut self) {
        self.is_draining = true;
        self.server.drain(self.now);
        self.come_to_rest();
        for _ in 0..5 {
            self.pass(1_000);
            self.come_to_rest();
        }
        assert_eq!(self.server.holdings(), Holdings::default(), "all closed, all given back");
    }
}

fn post(target: &str, data: &str) -> String {
    let length = data.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sesame\r\n\
         Content-Length: {length}\r\n\r\n{data}"
    )
}

/// Users 1 to 3 have keys from the beginning.
fn keep_keys(engine: &mut dyn Engine, now: Now) {
    let records = (1..4).map(|user| (format!("{user}").into(), format!("key{user}").into()));
    let (tenant, kind, change) = (TenantId(0), RecordKind::UserKey, Change::Put);
    let records = records.collect();
    engine.submit(None, Command::ChangeRecords { tenant, kind, records, change }, now);
    // However late it is.
    for _ in 0..100 {
        assert_eq!(engine.take(), None, "nobody waits for an answer");
    }
}

fn engine_limits(random: &mut Random, is_roomy: bool) -> EngineLimits {
    let keep = match is_roomy {
        true => Keep {
            messages_max: 1_000_000,
            seconds_max: 1_000_000,
            bytes_max: usize::MAX,
            is_listed: true,
        },
        false => Keep {
            messages_max: random.pick(&[1, 5, 100]),
            seconds_max: random.pick(&[3, 600]),
            ..Keep::DEFAULT
        },
    };
    EngineLimits { keep, ..EngineLimits::default() }
}

fn limits(random: &mut Random) -> Limits {
    Limits {
        feed_messages_max: random.pick(&[4, 100, 4_096]),
        deliveries_per_turn: random.pick(&[1, 3, 256]),
        reads_per_turn: random.pick(&[1, 4]),
        heartbeat_seconds: random.pick(&[3, 25]),
        pong_seconds: 2,
        poll_seconds: 5,
        ..Limits::default()
    }
}
