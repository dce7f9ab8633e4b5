//! The whole server without an operating system: fake sockets, a clock that tests turn, and a seed that
//! decides everything. Over any schedule, every client gets every message of its channels once and in
//! order, or is told.
//!
//! Networks move a byte at a time, call for nothing and break in the midst of anything (`wire.rs`); clocks
//! are set, and stand (`machine.rs`); bounds are low, and reloads bring others (`rules.rs`); the end may
//! come in the midst of it all.
//!
//! `SEEDS=5000` runs more, `SEED=17` runs one, `LONG=1` runs 10,000. A failure names its seed and step.

#[path = "../support/mod.rs"]
mod support;

mod client;
mod comet;
mod decode;
mod lobby;
mod machine;
mod memory;
mod proxy;
mod publisher;
mod rules;
mod subscriber;
mod symptoms;
mod truth;
mod wire;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use world::World;

/// Steps of one seed.
const STEPS: usize = 250;

/// Says where it happened, if it happens.
struct Place {
    seed: u64,
    step: usize,
    is_late: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        if thread::panicking() {
            let engine = if self.is_late { "late engine" } else { "engine in memory" };
            eprintln!("SEED={} step {} ({engine})", self.seed, self.step);
        }
    }
}

fn simulate(seed: u64, is_late: bool) {
    let mut place = Place { seed, step: 0, is_late };
    World::new(seed, is_late).live(STEPS, &mut |step| place.step = step);
}

fn simulate_pages(seed: u64, is_late: bool) {
    let mut place = Place { seed, step: 0, is_late };
    comet::simulate(seed, is_late, &mut |step| place.step = step);
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// The seeds that the environment asks for, or so many.
fn seeds(few: u64) -> std::ops::Range<u64> {
    match (number("SEED"), number("SEEDS"), number("LONG")) {
        (Some(seed), ..) => seed..seed + 1,
        (None, Some(seeds), _) => 0..seeds,
        (None, None, Some(_)) => 0..10_000,
        (None, None, None) => 0..few,
    }
}

/// Lives every one of them, as one that fails says nothing of the next.
fn all(seeds: std::ops::Range<u64>, life: impl Fn(u64)) {
    let has_failed = |seed: &u64| catch_unwind(AssertUnwindSafe(|| life(*seed))).is_err();
    let failed: Vec<u64> = seeds.filter(has_failed).collect();
    assert!(failed.is_empty(), "seeds that failed: {failed:?}");
}

#[test]
fn with_the_engine_in_memory() {
    all(seeds(200), |seed| simulate(seed, false));
}

#[test]
fn with_an_engine_that_answers_late() {
    all(seeds(200), |seed| simulate(seed, true));
}

#[test]
fn pages_with_the_engine_in_memory() {
    all(seeds(200), |seed| simulate_pages(seed, false));
}

#[test]
fn pages_with_an_engine_that_answers_late() {
    all(seeds(200), |seed| simulate_pages(seed, true));
}
