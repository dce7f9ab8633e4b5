//! The table: rows as they are measured, and at the end what was missed.

use super::{Gate, ROWS};
use crate::support::{Bench, Spread};

/// What a row's gate is in, and its figures where they have no other unit.
#[derive(Clone, Copy, PartialEq)]
pub enum Unit {
    Ratio,
    Bytes,
    Ms,
}

impl Unit {
    pub fn show(self, value: f64) -> String {
        match self {
            Unit::Ratio => format!("{value:.2}"),
            Unit::Bytes => format!("{value:.0} B"),
            Unit::Ms => format!("{value:.1} ms"),
        }
    }

    /// As it is shown: nobody should read that 1.15 misses 1.15.
    fn rounded(self, value: f64) -> f64 {
        match self {
            Unit::Ratio => (value * 100.0).round() / 100.0,
            Unit::Bytes => value.round(),
            Unit::Ms => (value * 10.0).round() / 10.0,
        }
    }
}

/// What was measured of a row.
pub struct Measured {
    /// What the gate judges.
    pub value: f64,
    pub spread: Option<(f64, f64)>,
    pub encke: String,
    /// The same of what it stands beside.
    pub beside: String,
}

impl Measured {
    /// Bytes or milliseconds, which stand for themselves.
    pub fn alone(unit: Unit, value: f64) -> Measured {
        Measured { value, spread: None, encke: unit.show(value), beside: String::new() }
    }

    /// Samples of both, taken in turns: the median of the ratios of neighbours.
    pub fn ratio(encke: Vec<f64>, beside: Vec<f64>, unit: &str) -> Measured {
        let ratios = encke.iter().zip(&beside).map(|(encke, beside)| encke / beside).collect();
        let [ratio, encke, beside] = [ratios, encke, beside].map(Spread::of);
        Measured {
            value: ratio.median,
            spread: Some((ratio.least, ratio.most)),
            encke: format!("{:.2} {unit}", encke.median),
            beside: format!("{:.2} {unit}", beside.median),
        }
    }
}

/// A run, as far as it has come.
pub struct Report {
    pub bench: Bench,
    missed: Vec<String>,
}

impl Report {
    pub fn new(bench: Bench) -> Report {
        Report { bench, missed: Vec::new() }
    }

    /// How many of something: all of them, or a few where nothing is measured.
    pub fn many(&self, count: usize) -> usize {
        if self.bench.is_tiny { count.min(20) } else { count }
    }

    /// The same of what must be fewer.
    pub fn few(&self, count: usize) -> usize {
        if self.bench.is_tiny { count.min(5) } else { count }
    }

    /// How often: so often, or once where nothing is measured.
    pub fn times(&self, times: usize) -> usize {
        if self.bench.is_tiny { 1 } else { times }
    }

    /// Whether one of these rows is wanted.
    pub fn wants(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.bench.wants(name))
    }

    pub fn head(&self) {
        if !self.bench.is_tiny {
            line(["", "encke", "beside it", "ratio (least to most)", "gate", "goal"], "");
        }
    }

    /// A row is measured.
    pub fn add(&mut self, name: &str, measured: &Measured) {
        let row = ROWS.iter().find(|row| row.name == name).expect("a row of the table");
        if self.bench.is_tiny || !self.bench.wants(name) {
            return;
        }
        let Gate { unit, gate, goal, .. } = *row;
        let value = unit.rounded(measured.value);
        let verdict = match value {
            _ if value <= goal => "goal met",
            _ if value <= gate => "met",
            _ => "MISSED",
        };
        let ratio = match measured.spread {
            Some((least, most)) => format!("{value:.2} ({least:.2} to {most:.2})"),
            None if unit == Unit::Ratio => format!("{value:.2}"),
            None => String::new(),
        };
        let [gate, goal, shown] = [gate, goal, value].map(|value| unit.show(value));
        line([name, &measured.encke, &measured.beside, &ratio, &gate, &goal], verdict);
        if verdict == "MISSED" {
            self.missed.push(format!("{name}: {shown}, gate {gate}"));
        }
    }

    pub fn end(&self) {
        if self.bench.is_tiny {
            return;
        }
        match &self.missed[..] {
            [] => println!("\nall gates met"),
            missed => println!("\ngates missed:\n  {}", missed.join("\n  ")),
        }
    }
}

fn line(columns: [&str; 6], verdict: &str) {
    let [name, encke, beside, ratio, gate, goal] = columns;
    let line =
        format!("{name:46} {encke:>10} {beside:>10}  {ratio:22} {gate:>7} {goal:>7}  {verdict}");
    println!("{}", line.trim_end());
}
