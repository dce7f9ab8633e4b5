//! What one operation costs beside the floor, which does the same in turns, cycle by cycle.

use super::clients::{Kind, Side};
use super::report::{Measured, Report};
use crate::support::process::Process;

const CYCLES: usize = 8;

/// Name, what is done, with how many clients, and rounds that make some tenths of a second.
const OPERATIONS: [(&str, Kind, usize, usize); 7] = [
    ("delivery, 5,000 WebSockets", Kind::Deliver(1), 5_000, 10),
    ("delivery in bursts of 16, 2,000 WebSockets", Kind::Deliver(16), 2_000, 20),
    ("delivery, 5,000 event streams", Kind::Events, 5_000, 10),
    ("echo, 100 clients", Kind::Echo(1), 100, 200),
    ("echo, 50 clients, 16 in a write", Kind::Echo(16), 50, 400),
    ("connect, handshake, subscribe, close", Kind::Connect, 0, 40),
    ("long-poll release and re-park, 5,000 parked", Kind::Poll, 5_000, 5),
];

pub fn run(report: &mut Report) {
    if !report.wants(&OPERATIONS.map(|(name, ..)| name)) {
        return;
    }
    let servers = [Process::floor(), super::encke()];
    for (name, kind, clients, rounds) in OPERATIONS {
        if report.wants(&[name]) {
            let (clients, rounds) = (report.many(clients), report.times(rounds));
            let sides = servers.each_ref().map(|server| Side::new(server, kind, clients, rounds));
            let [floor, encke] = take_turns(report.times(CYCLES), sides);
            report.add(name, &Measured::ratio(encke, floor, "µs"));
        }
    }
}

/// Microseconds of each side, cycle by cycle. One before them warms up.
pub fn take_turns(cycles: usize, mut sides: [Side<'_>; 2]) -> [Vec<f64>; 2] {
    let mut costs = [Vec::new(), Vec::new()];
    for cycle in 0..=cycles {
        for (side, costs) in sides.iter_mut().zip(&mut costs) {
            let cost = side.cycle();
            if cycle > 0 {
                costs.push(cost);
            }
        }
    }
    costs
}
