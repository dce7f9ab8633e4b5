//! The worker: one thread, one loop. It does what the parent orders, line by line, and answers in JSON.
//!
//! | order | means | answer |
//! |---|---|---|
//! | `open N` | of N connections over all workers, have your share | `opened`, when they live or failed |
//! | `count` | how many live now? | `opened` |
//! | `go BEGIN MEASURE END` | the load, by the common clock | `sent`, when END has come |
//! | `finish N` | so much was published in all | `result`, when that has arrived |
//!
//! The end of the orders is its end.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;

use mio::Interest;
use mio::unix::pipe::Receiver;
use serde_json::{Value, json};

use super::args::{Command, Plan};
use super::churn::Churn;
use super::client::What;
use super::clock::SECOND;
use super::echo::Echo;
use super::fanout::Fanout;
use super::load::{Load, Tally, Window};
use super::net::{Event, Net, ORDERS};
use super::procfs;

/// The variable that makes a process a worker.
pub const VARIABLE: &str = "ENCKE_BENCH_WORKER";
/// Connections of all workers that are on their way at a time: more would overflow short accept queues,
/// and the kernel tries again a second later only.
const OPENING_MAX: usize = 128;
/// Messages that are kept until it begins; in the time that takes, no server sends more to one worker.
const EARLY_MAX: usize = 1 << 17;
/// So many failures, and more than successes: the rest is not tried.
const FAILURES_MAX: u64 = 100;

/// Which of the workers this is.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub index: usize,
    pub count: usize,
    /// When the parent began, in nanoseconds since 1970.
    pub epoch: u64,
}

impl Place {
    /// `INDEX/COUNT/EPOCH`.
    pub fn from_environment() -> Option<Place> {
        let text = std::env::var(VARIABLE).ok()?;
        let mut parts = text.split('/').map(str::parse);
        let mut next = || parts.next()?.ok();
        let (index, count, epoch): (u64, u64, u64) = (next()?, next()?, next()?);
        (index < count).then_some(Place { index: index as usize, count: count as usize, epoch })
    }

    pub fn text(&self) -> String {
        format!("{}/{}/{}", self.index, self.count, self.epoch)
    }

    /// How many of these are ours.
    pub fn share(&self, total: usize) -> usize {
        (total + self.count - 1 - self.index) / self.count
    }
}

/// A load under way.
struct Loading<'a> {
    load: Box<dyn Load + 'a>,
    tally: Tally,
    /// Time on a processor, and waiting for one, when measuring began, and ended.
    busy: [Option<[u64; 2]>; 2],
    is_sent_told: bool,
    is_finished: bool,
}

struct Worker<'a> {
    plan: &'a Plan,
    place: Place,
    net: Net<'a>,
    orders: Receiver,
    heard: Vec<u8>,
    /// Connections to have, begun, and on their way.
    wanted: usize,
    begun: usize,
    under_way: usize,
    is_opening: bool,
    loading: Option<Loading<'a>>,
    /// What has come before the order to begin: another worker may have heard it sooner.
    early: Vec<Event>,
    told_at: u64,
}

/// Serves the parent until it is gone.
pub fn run(plan: &Plan, place: Place) -> Result<(), String> {
    encke::reactor::sys::raise_descriptor_limit().map_err(|error| error.to_string())?;
    procfs::sharpen_timers();
    let failed = |error: io::Error| format!("a worker failed: {error}");
    let net = Net::new(plan, place).map_err(failed)?;
    let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
    let mut orders = Receiver::from(stdin);
    orders.set_nonblocking(true).map_err(failed)?;
    net.registry().register(&mut orders, ORDERS, Interest::READABLE).map_err(failed)?;
    let mut worker = Worker {
        plan,
        place,
        net,
        orders,
        heard: Vec::new(),
        wanted: 0,
        begun: 0,
        under_way: 0,
        is_opening: false,
        loading: None,
        early: Vec::new(),
        told_at: 0,
    };
    worker.serve().map_err(failed)
}

impl Worker<'_> {
    fn serve(&mut self) -> io::Result<()> {
        let mut events = Vec::new();
        while self.obey()? {
            let until = self.act()?;
            self.net.turn(until, self.loading.is_some(), &mut events)?;
            for event in &events {
                self.event(*event);
            }
        }
        Ok(())
    }

    /// Reads orders; false when there will be no more.
    fn obey(&mut self) -> io::Result<bool> {
        if !std::mem::take(&mut self.net.has_orders) {
            return Ok(true);
        }
        let mut bytes = [0; 1_024];
        loop {
            match self.orders.read(&mut bytes) {
                Ok(0) => return Ok(false),
                Ok(count) => self.heard.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        while let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).into_owned();
            self.order(&line)?;
        }
        Ok(true)
    }

    fn order(&mut self, line: &str) -> io::Result<()> {
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap_or_default();
        let numbers: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
        match (verb, numbers.as_slice()) {
            ("open", [total]) => {
                self.wanted = self.place.share(*total as usize);
                self.is_opening = true;
            }
            ("count", []) => self.say_opened("opened")?,
            ("go", [begin, measure, end]) => {
                self.begin(Window { begin: *begin, measure: *measure, end: *end });
            }
            ("finish", [published]) => {
                if let Some(loading) = &mut self.loading {
                    loading.is_finished = true;
                    loading.load.finish(*published);
                }
            }
            _ => return Err(io::Error::other(format!("an unknown order: {line:?}"))),
        }
        Ok(())
    }

    fn begin(&mut self, window: Window) {
        let (plan, tally) = (self.plan, Tally::new(window));
        let share = self.place.share(plan.connections);
        let rate = plan.rate.map(|rate| rate * share as f64 / plan.connections as f64);
        let live = self.net.subscribers();
        let load: Box<dyn Load> = match plan.command {
            Command::Echo => Box::new(Echo::new(live, plan.depth, plan.size, &tally, rate)),
            Command::Churn => Box::new(Churn::new(share, &tally, rate)),
            _ => {
                let is_publisher = self.place.index == 0;
                Box::new(Fanout::new(plan, is_publisher, live.len() as u64, &tally))
            }
        };
        let busy = [None; 2];
        self.loading = Some(Loading { load, tally, busy, is_sent_told: false, is_finished: false });
        for event in std::mem::take(&mut self.early) {
            self.event(event);
        }
    }

    /// Does what is due; returns when something will be due again.
    fn act(&mut self) -> io::Result<u64> {
        let now = self.net.clock.now();
        if self.is_opening {
            self.open()?;
        }
        let Some(loading) = &mut self.loading else { return Ok(now + SECOND / 10) };
        let window = loading.tally.window;
        for (edge, at) in [window.measure, window.end].into_iter().enumerate() {
            if now >= at && loading.busy[edge].is_none() {
                loading.busy[edge] = Some(procfs::own_busy_ns());
            }
        }
        let until = loading.load.tick(&mut self.net, &mut loading.tally);
        if now >= window.end && !loading.is_sent_told {
            loading.is_sent_told = true;
            say(&json!({ "say": "sent", "published": loading.tally.published }))?;
        }
        if loading.is_finished && loading.load.is_over(now, loading.tally.received) {
            self.say_result()?;
        }
        Ok(until)
    }

    fn open(&mut self) -> io::Result<()> {
        let places = (OPENING_MAX / self.place.count).max(1);
        let is_hopeless =
            self.net.failed > FAILURES_MAX && self.net.failed as usize > self.begun / 2;
        while self.begun < self.wanted && self.under_way < places && !is_hopeless {
            let number = self.place.index + self.begun * self.place.count;
            let now = self.net.clock.now();
            self.begun += 1;
            if self.net.open(self.net.subscriber(), number, now).is_some() {
                self.under_way += 1;
            }
        }
        let now = self.net.clock.now();
        if self.under_way == 0 && (self.begun == self.wanted || is_hopeless) {
            self.is_opening = false;
            self.say_opened("opened")?;
        } else if now > self.told_at + SECOND / 10 {
            self.told_at = now;
            self.say_opened("opening")?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event) {
        if let Some(loading) = &mut self.loading {
            loading.load.event(&mut self.net, &mut loading.tally, event);
        } else if matches!(event.what, What::Message(_)) && self.early.len() < EARLY_MAX {
            self.early.push(event);
        } else if self.is_opening && matches!(event.what, What::Live | What::Closed) {
            // One that lived and closed meanwhile was counted when it came alive.
            self.under_way = self.under_way.saturating_sub(1);
        }
    }

    fn say_opened(&self, word: &str) -> io::Result<()> {
        let live = self.net.subscribers().len();
        say(&with(json!({ "say": word, "live": live }), self.troubles()))
    }

    fn say_result(&mut self) -> io::Result<()> {
        let Some(loading) = self.loading.take() else { return Ok(()) };
        let [Some(from), Some(to)] = loading.busy else { return Ok(()) };
        let window = loading.tally.window;
        let share =
            |of: usize| (to[of] - from[of]) as f64 / (window.end - window.measure).max(1) as f64;
        let result = with(loading.tally.to_json(), self.troubles());
        say(&with(result, json!({ "say": "result", "busy": share(0), "waited": share(1) })))
    }

    fn troubles(&self) -> Value {
        json!({ "failed": self.net.failed, "closed": self.net.closed, "why": self.net.why })
    }
}

/// One object of two.
fn with(mut one: Value, other: Value) -> Value {
    if let (Some(one), Value::Object(other)) = (one.as_object_mut(), other) {
        one.extend(other);
    }
    one
}

fn say(value: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{value}")?;
    out.flush()
}
