//! Pages with CometServerApi, official ones and ours, over a network that breaks all the time. Every page
//! of ours sees each message of its channels once and in order over all its connections, except its own,
//! or is told of the loss; what is for a user reaches the user once.

mod acts;
mod back_end;
mod checks;
mod ledger;
mod page;

use encke::engines::memory::{Keep, Limits as EngineLimits};
use encke::hub::command::{Change, Command, RecordKind};
use encke::hub::message::TenantId;
use encke::server::Listener;
use encke::server::limits::Limits;
use encke::server::settings::{Settings, Tenant};

use crate::client::Line;
use crate::decode::{Part, Reader};
use crate::lobby::Else;
use crate::machine::{Inhabited, Machine, Plan};
use crate::memory::{self, CEILING};
use crate::support::random::Random;
use crate::support::websocket::client_frame;
use crate::wire::Weather;
use back_end::BackEnd;
use ledger::Ledger;
use page::{Context, Page, Via};

const STEPS: usize = 220;
const PAGES_MAX: usize = 9;

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
    machine: Machine,
    pages: Vec<Page>,
    wired: Vec<Wired>,
    back_end: BackEnd,
    ledger: Ledger,
    read: usize,
    /// Connections so far.
    count: u64,
    is_late: bool,
    is_roomy: bool,
    /// Memory may run short.
    is_short: bool,
    /// When each user had a connection last.
    here_ms: [u64; 4],
    last_kick_ms: u64,
}

pub fn simulate(seed: u64, is_late: bool, step_to: &mut dyn FnMut(usize)) {
    let mut world = World::new(seed, is_late);
    for step in 0..STEPS {
        step_to(step);
        world.step();
        if step % 73 == 72 {
            memory::end_shortage();
            world.turn();
            world.come_to_rest();
            world.check_pages();
        }
    }
    step_to(STEPS);
    if world.machine.random.one_in(3) {
        return world.shut_down();
    }
    memory::end_shortage();
    world.turn();
    world.gather();
    world.check_idle();
    world.say_something_to_all();
    match world.machine.random.one_in(2) {
        true => {
            world.everybody_leaves();
            world.check_tracks();
        }
        false => world.shut_down(),
    }
}

impl World {
    fn new(seed: u64, is_late: bool) -> World {
        let mut random = Random::new(seed);
        let is_roomy = random.one_in(2);
        let is_short = random.one_in(4);
        let engine = engine_limits(&mut random, is_roomy);
        let settings = settings(&mut random);
        let first = vec![keys()];
        World {
            machine: Machine::new(random, Plan { settings, engine, is_late, first }),
            pages: Vec::new(),
            wired: Vec::new(),
            back_end: BackEnd::default(),
            ledger: Ledger::default(),
            read: 0,
            count: 0,
            is_late,
            is_roomy,
            is_short,
            here_ms: [0; 4],
            last_kick_ms: 0,
        }
    }

    /// Lets something happen, then looks at everything.
    fn step(&mut self) {
        match self.machine.random.below(100) {
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
            89..=90 if self.is_short => self.machine.draw_shortage(),
            89..=96 => self.pass_time(),
            97 => self.machine.set_clock(),
            98 if self.machine.random.one_in(3) => self.reload(),
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
        let World { machine, ledger, wired, pages, read, .. } = self;
        let Machine { random, truth, now, shortage, .. } = machine;
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
            now: *now,
            is_late: self.is_late,
            newest_line: self.count,
            last_kick_ms: self.last_kick_ms,
            is_roomy: self.is_roomy,
            was_short: shortage.was_there,
        };
        act(page, line, &mut context)
    }

    fn wire(&mut self, owner: Owner) -> Option<u64> {
        let listener = match owner {
            Owner::BackEnd => Listener::CometQl,
            _ => Listener::Http,
        };
        let line = match owner {
            // What it says must be heard, and only once.
            Owner::BackEnd => self.machine.connect_in(Weather::fair(), listener)?,
            _ => self.machine.connect(listener)?,
        };
        self.count += 1;
        self.wired.push(Wired { id: self.count, line, owner });
        Some(self.count)
    }

    fn deliver(&mut self) {
        let most = self.machine.random.pick(&[1, 7, 100, 5_000, 1_000_000]);
        for index in 0..self.wired.len() {
            if self.machine.random.one_in(2) {
                self.wired[index].line.deliver(most);
            }
        }
    }

    fn read_some(&mut self) {
        let most = self.machine.random.pick(&[1, 50, 3_000, 1_000_000]);
        for index in 0..self.wired.len() {
            if self.machine.random.one_in(2) {
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
        let bytes = wired.line.take(most);
        if bytes.is_empty() {
            return false;
        }
        let or = Else { is_draining: self.machine.is_draining, ..Else::default() };
        if wired.line.hears_in_lobby(&bytes, or) {
            return true;
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
                let may_refuse = self.machine.is_draining || self.machine.shortage.was_there;
                let is_good = matches!(status, None | Some(200 | 408)) || may_refuse;
                assert!(is_good, "{status:?}");
            }
            Owner::BackEnd => {
                let machine = &self.machine;
                let (is_draining, was_short) = (machine.is_draining, machine.shortage.was_there);
                self.back_end.receive(&bytes, &mut wired.line, is_draining, was_short)
            }
        }
        true
    }

    fn any_line(&mut self) -> Option<usize> {
        let is_page = |index: &usize| matches!(self.wired[*index].owner, Owner::Page(_));
        let lines: Vec<usize> = (0..self.wired.len()).filter(is_page).collect();
        (!lines.is_empty()).then(|| self.machine.random.pick(&lines))
    }

    fn stall(&mut self) {
        let Some(index) = self.any_line() else { return };
        let line = &mut self.wired[index].line;
        line.is_stalled = !line.is_stalled;
    }

    fn reset(&mut self) {
        let keeps_arrived = self.machine.random.one_in(2);
        let Some(index) = self.any_line() else { return };
        self.wired[index].line.reset(keeps_arrived);
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

    /// The operator thinks again.
    fn reload(&mut self) {
        let settings = settings(&mut self.machine.random);
        let engine = engine_limits(&mut self.machine.random, self.is_roomy);
        let lines = self.wired.iter_mut().map(|wired| &mut wired.line).collect();
        self.machine.reload(settings, engine, lines);
    }

    fn pass_time(&mut self) {
        let random = &mut self.machine.random;
        let ms = match random.below(10) {
            0 => 1_000 * random.below(30) as u64,
            1 | 2 => 1_000 * random.below(6) as u64,
            _ => random.below(400) as u64,
        };
        self.pass(ms);
    }
}

impl Inhabited for World {
    fn machine(&mut self) -> &mut Machine {
        &mut self.machine
    }

    fn lines(&mut self) -> Vec<&mut Line> {
        self.wired.iter_mut().map(|wired| &mut wired.line).collect()
    }

    fn hurry(&mut self) -> bool {
        let mut any = false;
        self.run_back_end_if_wanted();
        for index in 0..self.wired.len() {
            any |= self.wired[index].line.deliver(usize::MAX);
            any |= self.read(index, usize::MAX);
        }
        any |= self.poll_again();
        any || !(self.back_end.is_done() || self.machine.is_draining)
    }

    fn turn(&mut self) {
        self.machine.turn(self.wired.iter().map(|wired| &wired.line));
        let now_ms = self.machine.now.ms;
        if self.back_end.is_kicking {
            self.last_kick_ms = now_ms;
        }
        for wired in &self.wired {
            if let Owner::Page(page) = wired.owner
                && !wired.line.wire.borrow().is_closed
            {
                self.here_ms[self.pages[page].user as usize] = now_ms;
            }
        }
    }

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

    fn verify(&mut self) {
        self.machine.verify(self.wired.iter().map(|wired| &wired.line));
    }
}

/// Users 1 to 3 have keys from the beginning.
fn keys() -> Command {
    let records = (1..4).map(|user| (format!("{user}").into(), format!("key{user}").into()));
    let (tenant, kind, change) = (TenantId(0), RecordKind::UserKey, Change::Put);
    Command::ChangeRecords { tenant, kind, records: records.collect(), change }
}

/// What channels keep: everything, or hardly anything.
fn engine_limits(random: &mut Random, is_roomy: bool) -> EngineLimits {
    let (messages_max, seconds_max) = match is_roomy {
        true => (1_000_000, 1_000_000),
        false => (random.pick(&[1, 5, 100]), random.pick(&[3, 600])),
    };
    let bytes_max = if is_roomy { usize::MAX } else { random.pick(&[500, 256 * 1024]) };
    let keep = Keep { messages_max, seconds_max, bytes_max, is_listed: true };
    let history_bytes_max = if is_roomy { usize::MAX } else { random.pick(&[1_000, 1 << 26]) };
    EngineLimits { keep, history_bytes_max, ..EngineLimits::default() }
}

fn settings(random: &mut Random) -> Settings {
    let tenant = Tenant { publish_key: Some("sesame".into()), ..Tenant::default() };
    let limits = Limits {
        feed_messages_max: random.pick(&[4, 100, 4_096]),
        feed_bytes_max: random.pick(&[200, 4_000_000]),
        held_messages_max: random.pick(&[1, 3, 100]),
        outbox_bytes_max: random.pick(&[2_000, 1_000_000]),
        messages_per_second_max: 0,
        deliveries_per_turn: random.pick(&[1, 3, 256]),
        reads_per_turn: random.pick(&[1, 4]),
        heartbeat_seconds: random.pick(&[3, 25]),
        pong_seconds: 2,
        poll_seconds: 5,
        ..Limits::default()
    };
    Settings { limits, tenants: vec![tenant], memory: Some(CEILING), ..Settings::default() }
}
