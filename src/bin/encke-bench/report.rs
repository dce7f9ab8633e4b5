//! What was measured, as a table for people and as one JSON object.
//!
//! | key | holds |
//! |---|---|
//! | `command`, `url`, `preset`, `transport`, `size`, `workers`, `sources` | what was asked for |
//! | `loop`, `rate` | `"open"` and a number a second, or `"closed"` and null |
//! | `connections`, `failed`, `closed`, `why` | that lived, never lived, were lost; the first reason |
//! | `seconds`, `operations`, `operations_per_s` | the window, and what was done in it |
//! | `published`, `missing` | over the whole run; deliveries that did not come |
//! | `latency_us` | `p50`, `p90`, `p99`, `p99_9`, `max`, `mean`, `count`; null where there is none |
//! | `server` | `cpu_s`, `cpu_us_per_operation`, `cores`, `uss`, `pss`, `rss`; null without `--pid` |
//! | `points` | of density: `connections`, `uss`, `pss`, `rss`, `slab` (bytes) |
//! | `per_connection` | of density: bytes of `uss`, `pss`, `rss`, `slab`, and `uss_slope`; null without |
//! | `tool` | `cores` of each worker, shares of the time it `waited` for one; `late`, `sent`, `behind_max_us` |
//! | `warnings` | why the figures may not be what they seem |

use std::fmt::Write;

use serde_json::{Value, json};

use super::args::{Command, Plan, Publish};
use super::run::{Cost, Outcome, Point};

/// Shares of a core above which somebody is the bottleneck.
const TOOL_BUSY: f64 = 0.9;
/// The same, of who wants to run and may not.
const TOOL_WAITED: f64 = 0.5;
const SERVER_BUSY: f64 = 0.95;
/// Microseconds for an operation below which no server can be.
const SERVER_US_MIN: f64 = 0.05;
/// So many that are late say nothing; nor does one in a hundred.
const LATE_MIN: u64 = 10;
/// Percentiles that are told.
pub const PERCENTILES: [(&str, &str, f64); 4] =
    [("p50", "p50", 50.0), ("p90", "p90", 90.0), ("p99", "p99", 99.0), ("p99_9", "p99.9", 99.9)];

/// Bytes of one connection.
pub struct PerConnection {
    pub uss: f64,
    pub pss: f64,
    pub rss: f64,
    /// Of the whole machine: both ends.
    pub slab: f64,
    /// From the first sample with connections to the last: without what a server allocates once.
    pub uss_slope: Option<f64>,
}

/// Growth over the connections; `None` where nothing was sampled.
pub fn per_connection(points: &[Point]) -> Option<PerConnection> {
    let ([first, rest @ ..], Some(last)) = (points, points.last()) else { return None };
    let growth = |from: &Point, of: fn(&Point) -> u64| {
        let count = last.connections.saturating_sub(from.connections);
        (count > 0).then(|| (of(last) as f64 - of(from) as f64) / count as f64)
    };
    Some(PerConnection {
        uss: growth(first, |point| point.memory.uss)?,
        pss: growth(first, |point| point.memory.pss)?,
        rss: growth(first, |point| point.memory.rss)?,
        slab: growth(first, |point| point.memory.slab)?,
        uss_slope: rest.first().and_then(|second| growth(second, |point| point.memory.uss)),
    })
}

/// Why the figures may not be what they seem.
pub fn warnings(plan: &Plan, outcome: &Outcome) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(tool_warning(outcome));
    if plan.rate.is_some() && outcome.late > LATE_MIN.max(outcome.sent / 100) {
        lines.push(format!(
            "fell behind the schedule: {} of {} sent more than 2 ms late, the latest by {:.0} ms; \
             this machine is too busy, or the server left no way to send",
            outcome.late,
            outcome.sent,
            outcome.behind_max_ns as f64 / 1e6
        ));
    }
    let cores = outcome.cost.map_or(0.0, |cost| cost.busy_s / outcome.seconds.max(0.001));
    if plan.pids.len() == 1 && cores > SERVER_BUSY && plan.command != Command::Density {
        lines.push(format!("the server used {:.0} % of a core: this is its limit", cores * 100.0));
    }
    lines.extend(troubles(plan, outcome));
    lines
}

/// What went wrong, and what of the command line may be wrong.
fn troubles(plan: &Plan, outcome: &Outcome) -> Vec<String> {
    let mut lines = Vec::new();
    let us = outcome.cost.and_then(|cost| us_per_operation(&cost, outcome));
    if us.is_some_and(|us| us < SERVER_US_MIN) {
        lines.push("--pid: this process has hardly worked; is it only the server's parent?".into());
    }
    if outcome.failed + outcome.closed > 0 {
        lines.push(format!(
            "connections that failed: {}, that were lost: {}; the first: {}",
            outcome.failed, outcome.closed, outcome.why
        ));
    }
    if outcome.missing > 0 {
        lines.push(format!("{} deliveries did not come within 3 s", outcome.missing));
    }
    if plan.command == Command::Echo && outcome.operations > outcome.sent {
        lines.push(format!(
            "{} came back of {} sent: {} is no echo, everybody hears it",
            outcome.operations, outcome.sent, plan.path
        ));
    }
    if outcome.operations == 0 {
        lines.push(format!(
            "not one of the {} was measured{}",
            plan.command.operations(),
            why(plan)
        ));
    }
    lines
}

/// Whether the figures are the tool's own, or those of a machine with too much to do.
fn tool_warning(outcome: &Outcome) -> Option<String> {
    let most = |shares: &[f64]| shares.iter().copied().fold(0.0, f64::max) * 100.0;
    let (busy, waited) = (most(&outcome.busy), most(&outcome.waited));
    if busy > TOOL_BUSY * 100.0 {
        return Some(format!(
            "the tool itself is the bottleneck: a worker used {busy:.0} % of a core; more --workers, \
             or less load"
        ));
    }
    (waited > TOOL_WAITED * 100.0).then(|| {
        format!(
            "this machine is too busy: a worker waited for a core {waited:.0} % of the time, and so \
             may the server"
        )
    })
}

/// What may be wrong when nothing came.
fn why(plan: &Plan) -> String {
    let publish = match (plan.command, &plan.publish) {
        (Command::Fanout | Command::Poll, Publish::Post(path)) => format!("POST {path}"),
        (Command::Fanout | Command::Poll, Publish::Frame(_)) => "frames".to_owned(),
        _ => return String::new(),
    };
    format!(": published by {publish}, listened on {}", plan.path)
}

/// One object, on one line.
pub fn json(plan: &Plan, outcome: &Outcome) -> String {
    let points = outcome.points.iter().map(|point| {
        let memory = &point.memory;
        json!({ "connections": point.connections, "uss": memory.uss, "pss": memory.pss,
                "rss": memory.rss, "slab": memory.slab })
    });
    let each = per_connection(&outcome.points).filter(|_| !plan.pids.is_empty());
    let object = json!({
        "command": plan.command.name(),
        "url": plan.target.url,
        "preset": plan.preset,
        "transport": plan.transport.name(),
        "size": plan.size,
        "workers": plan.workers,
        "sources": plan.sources,
        "loop": if plan.rate.is_some() { "open" } else { "closed" },
        "rate": plan.rate,
        "connections": outcome.connections,
        "failed": outcome.failed,
        "closed": outcome.closed,
        "why": outcome.why,
        "seconds": outcome.seconds,
        "operations": outcome.operations,
        "operations_per_s": per_second(outcome),
        "published": outcome.published,
        "missing": outcome.missing,
        "latency_us": latency(outcome),
        "server": outcome.cost.map(|cost| server(&cost, outcome)),
        "points": points.collect::<Vec<_>>(),
        "per_connection": each.map(|each| json!({
            "uss": each.uss, "pss": each.pss, "rss": each.rss, "slab": each.slab,
            "uss_slope": each.uss_slope,
        })),
        "tool": {
            "cores": outcome.busy,
            "waited": outcome.waited,
            "late": outcome.late,
            "sent": outcome.sent,
            "behind_max_us": outcome.behind_max_ns as f64 / 1e3,
        },
        "warnings": warnings(plan, outcome),
    });
    format!("{object}\n")
}

fn latency(outcome: &Outcome) -> Value {
    let histogram = &outcome.histogram;
    if histogram.is_empty() {
        return Value::Null;
    }
    let mut object = json!({
        "max": histogram.max() as f64 / 1e3,
        "mean": histogram.mean() / 1e3,
        "count": histogram.len(),
    });
    for (key, _, percentile) in PERCENTILES {
        object[key] = json!(histogram.value_at_percentile(percentile) as f64 / 1e3);
    }
    object
}

fn server(cost: &Cost, outcome: &Outcome) -> Value {
    json!({
        "cpu_s": cost.busy_s,
        "cpu_us_per_operation": us_per_operation(cost, outcome),
        "cores": cost.busy_s / outcome.seconds.max(0.001),
        "uss": cost.memory.uss,
        "pss": cost.memory.pss,
        "rss": cost.memory.rss,
    })
}

fn us_per_operation(cost: &Cost, outcome: &Outcome) -> Option<f64> {
    (outcome.operations > 0).then(|| cost.busy_s * 1e6 / outcome.operations as f64)
}

fn per_second(outcome: &Outcome) -> f64 {
    outcome.operations as f64 / outcome.seconds.max(0.001)
}

/// For people.
pub fn table(plan: &Plan, outcome: &Outcome) -> String {
    let mut out = String::new();
    let mut row = |name: &str, text: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  {name:14} {text}");
    };
    row("server", format!("{} ({}, {})", plan.target.url, plan.preset, plan.transport.name()));
    row("load", load_text(plan, outcome));
    let name = plan.command.operations();
    row(
        name,
        format!("{} ({}/s)", grouped(outcome.operations), grouped(per_second(outcome) as u64)),
    );
    if !outcome.histogram.is_empty() {
        let at = |percentile| milliseconds(outcome.histogram.value_at_percentile(percentile));
        let mut text = PERCENTILES.map(|(_, name, at_)| format!("{name} {}", at(at_))).join("   ");
        let _ = write!(text, "   max {}   ms", milliseconds(outcome.histogram.max()));
        row("latency", text);
    }
    if let Some(cost) = &outcome.cost {
        let each = us_per_operation(cost, outcome)
            .map_or(String::new(), |us| format!("{us:.2} µs each, "));
        let cores = cost.busy_s / outcome.seconds.max(0.001) * 100.0;
        row("server CPU", format!("{each}{cores:.0} % of a core"));
        let [uss, pss, rss] = [cost.memory.uss, cost.memory.pss, cost.memory.rss].map(megabytes);
        row("server memory", format!("USS {uss}   PSS {pss}   RSS {rss}"));
    }
    match (plan.command, plan.pids.is_empty()) {
        (Command::Density, false) => density_rows(&outcome.points, &mut row),
        (Command::Density, true) => row("memory", "not measured; --pid names the server".into()),
        _ => {}
    }
    let busy = outcome.busy.iter().map(|busy| format!("{:.0} %", busy * 100.0));
    if !outcome.busy.is_empty() {
        row("tool CPU", format!("{} of a core", busy.collect::<Vec<_>>().join(", ")));
    }
    for line in warnings(plan, outcome) {
        row("NOTE", line);
    }
    out
}

fn load_text(plan: &Plan, outcome: &Outcome) -> String {
    let pace = match (plan.command, plan.rate) {
        (Command::Density, _) => format!("held {} s", plan.hold_s),
        (_, Some(rate)) => format!("{rate}/s by the clock, {} s", plan.duration_s),
        (Command::Churn, None) => format!("as fast as answers come, {} s", plan.duration_s),
        _ => format!("{} in flight, {} s", plan.depth, plan.duration_s),
    };
    let count = if plan.command == Command::Churn {
        format!("{} at a time", grouped(plan.connections as u64))
    } else {
        format!("{} connections", grouped(outcome.connections))
    };
    let bytes = match plan.command {
        Command::Density | Command::Churn => String::new(),
        _ => format!(", {} bytes", grouped(plan.size as u64)),
    };
    let workers =
        if plan.workers > 1 { format!(", {} workers", plan.workers) } else { String::new() };
    format!("{count}{bytes}, {pace}{workers}")
}

fn density_rows(points: &[Point], row: &mut impl FnMut(&str, String)) {
    row("", format!("{:>11} {:>12} {:>12} {:>12}", "connections", "USS", "RSS", "kernel slab"));
    for point in points {
        let memory = &point.memory;
        let [uss, rss, slab] = [memory.uss, memory.rss, memory.slab].map(megabytes);
        row("", format!("{:>11} {uss:>12} {rss:>12} {slab:>12}", grouped(point.connections)));
    }
    let Some(each) = per_connection(points) else { return };
    let text = format!("USS {:.0}   PSS {:.0}   RSS {:.0}   bytes", each.uss, each.pss, each.rss);
    row("each", text);
    if let Some(slope) = each.uss_slope {
        row("", format!("USS {slope:.0} bytes from the first step to the last"));
    }
    // Others may have freed more meanwhile.
    if each.slab > 0.0 {
        row("", format!("kernel slab {:.0} bytes: both ends, whole machine", each.slab));
    }
}

/// `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn milliseconds(ns: u64) -> String {
    let ms = ns as f64 / 1e6;
    if ms < 10.0 { format!("{ms:.2}") } else { format!("{ms:.0}") }
}

#[cfg(test)]
mod tests {
    use super::super::procfs::Memory;
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let texts = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn the_slope_leaves_out_what_is_allocated_once() {
        let point =
            |connections, uss| Point { connections, memory: Memory { uss, ..Memory::default() } };
        let points = [point(0, 1_000), point(10, 6_000), point(20, 7_000)];
        let each = per_connection(&points).unwrap();
        assert_eq!((each.uss, each.uss_slope), (300.0, Some(100.0)));
        assert!(per_connection(&points[..1]).is_none());
        assert!(per_connection(&[]).is_none());
    }
}
