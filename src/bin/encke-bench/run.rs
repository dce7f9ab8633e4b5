//! The parent: checks limits, leads the workers through a run, and samples the server meanwhile.

use std::thread::sleep;
use std::time::Duration;

use encke::reactor::sys::raise_descriptor_limit;
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::args::{Command, Plan};
use super::clock::{Clock, MILLI, SECOND, unix_ns};
use super::crew::Crew;
use super::load::histogram;
use super::procfs::{self, Memory};
use super::report;
use super::svg;

/// Descriptors of a worker that are no subscribers: pipes, the poll, publishers.
const DESCRIPTORS_BESIDE: usize = 32;
/// What the server gets to come to rest before it is looked at.
const SETTLE: Duration = Duration::from_millis(300);
/// How long the workers get to hear that it begins.
const LEAD: u64 = 200 * MILLI;

/// Memory with so many connections.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    pub connections: u64,
    pub memory: Memory,
}

/// The server's part.
#[derive(Clone, Copy, Default, Debug)]
pub struct Cost {
    pub busy_s: f64,
    pub memory: Memory,
}

/// All that was measured.
pub struct Outcome {
    pub connections: u64,
    pub failed: u64,
    pub closed: u64,
    /// Why the first of those failed.
    pub why: String,
    /// Seconds that were measured, or that opening took.
    pub seconds: f64,
    pub operations: u64,
    pub published: u64,
    /// That should have come and did not.
    pub missing: u64,
    pub sent: u64,
    pub late: u64,
    pub behind_max_ns: u64,
    pub histogram: Histogram<u64>,
    /// Shares of a core that the workers used, and shares of the time that they waited for one.
    pub busy: Vec<f64>,
    pub waited: Vec<f64>,
    pub cost: Option<Cost>,
    pub points: Vec<Point>,
}

/// Does it all; the text is for standard output.
pub fn run(plan: &Plan, arguments: &[String]) -> Result<String, String> {
    check_limits(plan)?;
    // What cannot be read at the end should fail now.
    procfs::memory(&plan.pids)?;
    let epoch = unix_ns();
    let mut parent = Parent {
        plan,
        clock: Clock::since(epoch),
        crew: Crew::start(plan.workers, epoch, arguments)?,
        outcome: Outcome::new(),
    };
    match plan.command {
        Command::Density => parent.density()?,
        Command::Churn => parent.load()?,
        _ => {
            parent.open(plan.connections, &parent.bar(plan.connections as u64, "connecting"))?;
            sleep(SETTLE);
            parent.load()?;
        }
    }
    let outcome = parent.outcome;
    if let Some(file) = &plan.svg {
        let picture = svg::draw(plan, &outcome);
        std::fs::write(file, picture).map_err(|error| format!("cannot write {file}: {error}"))?;
    }
    Ok(if plan.is_json { report::json(plan, &outcome) } else { report::table(plan, &outcome) })
}

/// Says which limit of this machine is in the way, before anything is opened.
fn check_limits(plan: &Plan) -> Result<(), String> {
    let limit = raise_descriptor_limit().map_err(|error| error.to_string())? as usize;
    let share = plan.connections.div_ceil(plan.workers);
    let room = limit.saturating_sub(DESCRIPTORS_BESIDE);
    if share > room {
        return Err(format!(
            "{share} connections in one process, but its limit of open files is {limit} \
             (ulimit -Hn): --workers {}",
            plan.connections.div_ceil(room.max(1))
        ));
    }
    let (low, high) = procfs::port_range();
    let ports = usize::from(high - low) + 1;
    if plan.connections > ports * plan.sources {
        return Err(format!(
            "{} connections, but an address has {ports} ports (net.ipv4.ip_local_port_range): \
             --sources {}",
            plan.connections,
            plan.connections.div_ceil(ports)
        ));
    }
    Ok(())
}

struct Parent<'a> {
    plan: &'a Plan,
    clock: Clock,
    crew: Crew,
    outcome: Outcome,
}

impl Parent<'_> {
    fn bar(&self, length: u64, what: &'static str) -> ProgressBar {
        let target = match self.plan.is_quiet {
            true => ProgressDrawTarget::hidden(),
            // Hides itself where stderr is no terminal.
            false => ProgressDrawTarget::stderr(),
        };
        let style = ProgressStyle::with_template("{msg:11} {wide_bar} {pos}/{len} {elapsed}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::with_draw_target(Some(length), target).with_style(style).with_message(what)
    }

    /// Has so many connections over all workers.
    fn open(&mut self, count: usize, bar: &ProgressBar) -> Result<(), String> {
        self.crew.order(&format!("open {count}"))?;
        let mut live = vec![0; self.plan.workers];
        // A server that takes 200 a second is slow; one that does not answer costs 10 seconds a wave.
        let patience = Duration::from_secs(60 + count as u64 / 200);
        let said = self.crew.answers("opened", patience, |index, value| {
            live[index] = number(value, "live");
            bar.set_position(live.iter().sum());
        })?;
        self.outcome.count(&said);
        bar.set_position(self.outcome.connections);
        match self.outcome.connections {
            0 => Err(format!("{}: {}", self.plan.target.url, self.outcome.why)),
            _ => Ok(()),
        }
    }

    fn density(&mut self) -> Result<(), String> {
        let plan = self.plan;
        let bar = self.bar(plan.connections as u64, "connecting");
        self.sample(0)?;
        let busy = procfs::busy_s(&plan.pids)?;
        for step in 1..=plan.steps {
            let count = plan.connections * step / plan.steps;
            if count as u64 <= self.outcome.connections {
                continue;
            }
            let begin = self.clock.now();
            self.open(count, &bar)?;
            self.outcome.seconds += (self.clock.now() - begin) as f64 / SECOND as f64;
            sleep(SETTLE);
            self.sample(self.outcome.connections)?;
        }
        bar.finish_and_clear();
        self.outcome.operations = self.outcome.connections;
        let spent = procfs::busy_s(&plan.pids)? - busy;
        sleep(Duration::from_secs_f64(plan.hold_s));
        self.crew.order("count")?;
        let said = self.crew.answers("opened", Duration::from_secs(10), |_, _| ())?;
        self.outcome.count(&said);
        self.outcome.cost = cost(plan, spent)?;
        Ok(())
    }

    fn sample(&mut self, connections: u64) -> Result<(), String> {
        let memory = procfs::memory(&self.plan.pids)?;
        self.outcome.points.push(Point { connections, memory });
        Ok(())
    }

    fn load(&mut self) -> Result<(), String> {
        let plan = self.plan;
        let ns = |seconds: f64| (seconds * SECOND as f64) as u64;
        let begin = self.clock.now() + LEAD;
        let measure = begin + ns(plan.warmup_s);
        let end = measure + ns(plan.duration_s);
        self.crew.order(&format!("go {begin} {measure} {end}"))?;
        let bar = self.bar((end - begin) / SECOND, "measuring");
        self.wait_until(measure, begin, &bar);
        let busy = procfs::busy_s(&plan.pids)?;
        self.wait_until(end, begin, &bar);
        let spent = procfs::busy_s(&plan.pids)? - busy;
        bar.finish_and_clear();
        let patience = Duration::from_secs(30);
        let sent = self.crew.answers("sent", patience, |_, _| ())?;
        let published: u64 = sent.iter().map(|value| number(value, "published")).sum();
        self.crew.order(&format!("finish {published}"))?;
        let results = self.crew.answers("result", patience, |_, _| ())?;
        self.outcome.seconds = plan.duration_s;
        self.outcome.add(plan, &results);
        self.outcome.cost = cost(plan, spent)?;
        Ok(())
    }

    fn wait_until(&self, at: u64, begin: u64, bar: &ProgressBar) {
        loop {
            let now = self.clock.now();
            if now >= at {
                return;
            }
            bar.set_position(now.saturating_sub(begin) / SECOND);
            sleep(Duration::from_nanos((at - now).min(SECOND / 5)));
        }
    }
}

fn cost(plan: &Plan, busy_s: f64) -> Result<Option<Cost>, String> {
    if plan.pids.is_empty() {
        return Ok(None);
    }
    Ok(Some(Cost { busy_s, memory: procfs::memory(&plan.pids)? }))
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or(0)
}

impl Outcome {
    fn new() -> Outcome {
        Outcome {
            connections: 0,
            failed: 0,
            closed: 0,
            why: String::new(),
            seconds: 0.0,
            operations: 0,
            published: 0,
            missing: 0,
            sent: 0,
            late: 0,
            behind_max_ns: 0,
            histogram: histogram(),
            busy: Vec::new(),
            waited: Vec::new(),
            cost: None,
            points: Vec::new(),
        }
    }

    /// What the workers say of their connections.
    fn count(&mut self, said: &[Value]) {
        self.connections = said.iter().map(|value| number(value, "live")).sum();
        self.troubles(said);
    }

    fn troubles(&mut self, said: &[Value]) {
        let sum = |key: &str| said.iter().map(|value| number(value, key)).sum();
        (self.failed, self.closed) = (sum("failed"), sum("closed"));
        let mut why = said.iter().filter_map(|value| value["why"].as_str());
        self.why = why.find(|why| !why.is_empty()).unwrap_or_default().to_owned();
    }

    fn add(&mut self, plan: &Plan, results: &[Value]) {
        let sum = |key: &str| results.iter().map(|value| number(value, key)).sum::<u64>();
        self.troubles(results);
        self.operations = sum("operations");
        self.published = sum("published");
        (self.sent, self.late) = (sum("sent"), sum("late"));
        let behind = results.iter().map(|value| number(value, "behind_max_ns"));
        self.behind_max_ns = behind.max().unwrap_or(0);
        let shares = |key: &str| results.iter().filter_map(|value| value[key].as_f64()).collect();
        (self.busy, self.waited) = (shares("busy"), shares("waited"));
        if matches!(plan.command, Command::Fanout | Command::Poll) {
            let expected = self.published * self.connections;
            self.missing = expected.saturating_sub(sum("received"));
        }
        for pair in results.iter().filter_map(|value| value["histogram"].as_array()).flatten() {
            let (value, count) = (pair[0].as_u64().unwrap_or(1), pair[1].as_u64().unwrap_or(0));
            self.histogram.saturating_record_n(value, count);
        }
    }
}
