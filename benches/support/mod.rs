//! A small harness: samples of a chosen length, their median, and how far they spread.
//!
//! `cargo bench` measures; anything else that starts a bench (`cargo test` does) runs every row once and
//! prints no figures, so that benches cannot rot. A word among the arguments picks the rows it occurs in.

#![allow(dead_code, reason = "each bench uses its own part of this")]

#[cfg(feature = "cometql")]
pub mod back_end;
#[path = "../../tests/support/crowd.rs"]
pub mod crowd;
pub mod dial;
pub mod floor;
pub mod process;
#[path = "../../tests/support/wires.rs"]
pub mod wires;

use std::time::{Duration, Instant};

/// Samples of one row.
const SAMPLES: usize = 15;
/// How long a sample is at least.
const SAMPLE: Duration = Duration::from_millis(10);
/// Samples of each side of a pair. They are short, so that few of them are interrupted by somebody else.
const PAIR_SAMPLES: usize = 300;
const PAIR_SAMPLE: Duration = Duration::from_micros(200);
/// Turns of each side where two servers are compared.
const CYCLES: usize = 8;

/// What `amount` counts.
#[derive(Clone, Copy)]
pub enum Unit {
    Bytes,
    Operations,
}

impl Unit {
    fn text(self, ns: &Spread) -> String {
        let median = self.median_text(ns);
        match self {
            Unit::Bytes => format!("{median} ({:.0} to {:.0})", 1e3 / ns.most, 1e3 / ns.least),
            Unit::Operations => format!("{median} ({:.1} to {:.1})", ns.least, ns.most),
        }
    }

    fn median_text(self, ns: &Spread) -> String {
        match self {
            Unit::Bytes => format!("{:.0} MB/s", 1e3 / ns.median),
            Unit::Operations => format!("{:.1} ns", ns.median),
        }
    }
}

/// A row of two.
pub struct Pair<'a> {
    pub name: &'a str,
    /// Beside whom.
    pub theirs: &'a str,
    pub unit: Unit,
    /// What a round of either does.
    pub amount: u64,
}

/// A run of a bench.
pub struct Bench {
    /// Run once, measure nothing.
    pub is_tiny: bool,
    filter: Option<String>,
}

impl Bench {
    /// As the command line says.
    pub fn new() -> Bench {
        let is_given = |flag: &str| std::env::args().skip(1).any(|argument| argument == flag);
        let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
        Bench { is_tiny: !is_given("--bench") || is_given("--test"), filter }
    }

    /// Whether this row is wanted.
    pub fn wants(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()))
    }

    /// Measures one row, whose every round does `amount` of the unit.
    pub fn row(&self, name: &str, unit: Unit, amount: u64, mut round: impl FnMut()) {
        if !self.wants(name) {
            return;
        }
        let Some(rounds) = self.warm_up(SAMPLE, &mut round) else { return };
        let sample = |_| time_ns(rounds, &mut round) / amount as f64;
        println!("{name:52} {}", unit.text(&Spread::of((0..SAMPLES).map(sample).collect())));
    }

    /// Measures two that do the same work: their samples take turns, so that what else the machine does
    /// meets both, and each ratio is of two neighbours. The spread is without the outer tenths.
    pub fn pair(&self, pair: &Pair<'_>, mut ours: impl FnMut(), mut theirs: impl FnMut()) {
        if !self.wants(pair.name) {
            return;
        }
        let rounds = [self.warm_up(PAIR_SAMPLE, &mut ours), self.warm_up(PAIR_SAMPLE, &mut theirs)];
        let [Some(our_rounds), Some(their_rounds)] = rounds else { return };
        let (mut ratios, mut our_times, mut their_times) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..PAIR_SAMPLES {
            let our_ns = time_ns(our_rounds, &mut ours) / pair.amount as f64;
            let their_ns = time_ns(their_rounds, &mut theirs) / pair.amount as f64;
            ratios.push(their_ns / our_ns);
            our_times.push(our_ns);
            their_times.push(their_ns);
        }
        let [ratio, our_time, their_time] = [ratios, our_times, their_times].map(Spread::of_most);
        println!(
            "{:32} {:5.2} × as fast as {:16} ({:.2} to {:.2}); {}, {} {}",
            pair.name,
            ratio.median,
            pair.theirs,
            ratio.least,
            ratio.most,
            pair.unit.text(&our_time),
            pair.theirs,
            pair.unit.median_text(&their_time)
        );
    }

    /// Runs rounds until a sample is long enough, and says how many that takes; `None` when one is all.
    fn warm_up(&self, sample: Duration, round: &mut impl FnMut()) -> Option<u64> {
        round();
        let mut rounds = 1;
        while !self.is_tiny && time_ns(rounds, round) * (rounds as f64) < sample.as_nanos() as f64 {
            rounds *= 2;
        }
        (!self.is_tiny).then_some(rounds)
    }

    /// Compares two servers that take turns, the floor (0) and encke (1). `cycle` returns how many
    /// microseconds of processor time one operation cost that side. Beside the ratio, which is the result,
    /// stands how many operations a second of a processor is enough for.
    pub fn beside_floor(&self, name: &str, mut cycle: impl FnMut(usize) -> f64) {
        let cycles = if self.is_tiny { 1 } else { CYCLES };
        let (mut ratios, mut costs) = (Vec::new(), [Vec::new(), Vec::new()]);
        for _ in 0..cycles {
            let [floor, encke] = [0, 1].map(&mut cycle);
            costs[0].push(floor);
            costs[1].push(encke);
            ratios.push(encke / floor);
        }
        if !self.is_tiny {
            let (ratio, [floor, encke]) = (Spread::of(ratios), costs.map(Spread::of));
            println!(
                "{name:38} {:5.2} × floor ({:.2} to {:.2}); {:.2} µs ({:.0}/s), floor {:.2} µs",
                ratio.median,
                ratio.least,
                ratio.most,
                encke.median,
                1e6 / encke.median,
                floor.median
            );
        }
    }
}

/// Nanoseconds of a round.
fn time_ns(rounds: u64, round: &mut impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..rounds).for_each(|_| round());
    start.elapsed().as_nanos() as f64 / rounds as f64
}

/// Samples in one glance.
pub struct Spread {
    pub least: f64,
    pub median: f64,
    pub most: f64,
}

impl Spread {
    pub fn of(mut samples: Vec<f64>) -> Spread {
        samples.sort_by(f64::total_cmp);
        let at = |index: usize| samples[index];
        Spread { least: at(0), median: at(samples.len() / 2), most: at(samples.len() - 1) }
    }

    /// Without the least tenth and the most.
    fn of_most(mut samples: Vec<f64>) -> Spread {
        samples.sort_by(f64::total_cmp);
        let tenth = samples.len() / 10;
        Spread::of(samples[tenth..samples.len() - tenth].to_vec())
    }
}
