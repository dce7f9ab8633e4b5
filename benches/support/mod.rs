//! A small harness: samples of a chosen length, their median, and how far they spread.
//!
//! `cargo bench` measures; anything else that starts a bench (`cargo test` does) runs every row once and
//! prints no figures, so that benches cannot rot. A word among the arguments picks the rows it occurs in.

#![allow(dead_code, reason = "each bench uses its own part of this")]

#[path = "../../tests/support/crowd.rs"]
pub mod crowd;
pub mod floor;
pub mod process;
#[path = "../../tests/support/wires.rs"]
pub mod wires;

use std::time::{Duration, Instant};

/// Samples of one row.
const SAMPLES: usize = 15;
/// How long a sample is at least.
const SAMPLE: Duration = Duration::from_millis(10);
/// Turns of each side where two are compared.
const CYCLES: usize = 8;

/// What `amount` counts.
#[derive(Clone, Copy)]
pub enum Unit {
    Bytes,
    Operations,
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
        // The first round warms up, and tells how many make a sample.
        let start = Instant::now();
        round();
        if self.is_tiny {
            return;
        }
        let rounds = (SAMPLE.as_nanos() / start.elapsed().as_nanos().max(1)).clamp(1, 1 << 20);
        let sample = |_| {
            let start = Instant::now();
            (0..rounds).for_each(|_| round());
            start.elapsed().as_nanos() as f64 / (rounds as u64 * amount) as f64
        };
        let ns = Spread::of((0..SAMPLES).map(sample).collect());
        match unit {
            Unit::Bytes => println!(
                "{name:52} {:8.0} MB/s ({:.0} to {:.0})",
                1e3 / ns.median,
                1e3 / ns.most,
                1e3 / ns.least
            ),
            Unit::Operations => {
                println!("{name:52} {:8.1} ns   ({:.1} to {:.1})", ns.median, ns.least, ns.most);
            }
        }
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
}
