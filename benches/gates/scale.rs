//! What grows with the number of subscribers or channels, and should not.

use super::clients::{Kind, Side};
use super::guests::Guests;
use super::memory;
use super::operations::take_turns;
use super::report::{Measured, Report};
use crate::support::process::Process;

const CYCLES: usize = 8;
const MANY: usize = 18_000;
const FEW: usize = 100;
/// Clients that publish to themselves while a thousand others have a hundred channels each.
const ALONE: usize = 100;

const SUBSCRIBERS: &str = "delivery, 18,000 subscribers against 100";
const CHANNELS: &str = "publish, 100,000 other channels against none";

pub fn run(report: &mut Report) {
    subscribers(report);
    channels(report);
}

/// A delivery costs the kernel more as well when it has more sockets to touch: so beside encke's growth
/// stands the floor's, measured before it: one process cannot have the clients of both. The ratio is between
/// the two growths.
fn subscribers(report: &mut Report) {
    if !report.wants(&[SUBSCRIBERS]) {
        return;
    }
    let growth = |start: fn() -> Process| {
        let servers = [start(), start()];
        let (few, many) = (report.few(FEW), report.many(MANY));
        let few = Side::new(&servers[0], Kind::Deliver(1), few, report.times(4 * MANY / FEW));
        let many = Side::new(&servers[1], Kind::Deliver(1), many, report.times(4));
        let [few, many] = take_turns(report.times(CYCLES), [few, many]);
        many.iter().zip(&few).map(|(many, few)| many / few).collect::<Vec<f64>>()
    };
    let [floor, encke] = [Process::floor as fn() -> Process, super::encke].map(growth);
    report.add(SUBSCRIBERS, &Measured::ratio(encke, floor, "×"));
}

fn channels(report: &mut Report) {
    if !report.wants(&[CHANNELS]) {
        return;
    }
    let way = memory::owners();
    let mut crowded = Guests::of(&way, 0, report);
    crowded.come(report.few(1_000));
    let empty = super::encke();
    let rounds = report.times(400);
    let alone = |server| Side::new(server, Kind::Alone, report.few(ALONE), rounds);
    let sides = [&empty, &crowded.encke].map(alone);
    let [empty, crowded] = take_turns(report.times(CYCLES), sides);
    report.add(CHANNELS, &Measured::ratio(crowded, empty, "µs"));
}
