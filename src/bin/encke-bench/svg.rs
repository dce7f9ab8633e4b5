//! A picture of what was measured: memory over connections, or latency over percentiles.

use std::fmt::Write;

use super::args::{Command, Plan};
use super::report::{grouped, per_connection};
use super::run::Outcome;

/// The whole picture, and where the plot is in it.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 680.0;
const TOP: f64 = 92.0;
const BOTTOM: f64 = 352.0;
const COLOURS: [&str; 2] = ["#2563eb", "#94a3b8"];
/// Percentiles of the axis, drawn by how many stay outside.
const TICKS: [(f64, &str); 5] =
    [(0.0, "0 %"), (90.0, "90 %"), (99.0, "99 %"), (99.9, "99.9 %"), (99.99, "99.99 %")];

/// Values, already with what is written beside them.
struct Chart {
    title: String,
    subtitle: String,
    x_title: &'static str,
    y_title: &'static str,
    x_ticks: Vec<(f64, String)>,
    x_max: f64,
    y_max: f64,
    lines: Vec<(&'static str, Vec<(f64, f64)>)>,
}

/// The picture of a run.
pub fn draw(plan: &Plan, outcome: &Outcome) -> String {
    match plan.command {
        Command::Density => density(plan, outcome),
        _ => latency(plan, outcome),
    }
    .to_svg()
}

fn density(plan: &Plan, outcome: &Outcome) -> Chart {
    let x_max =
        outcome.points.iter().map(|point| point.connections).max().unwrap_or(1).max(1) as f64;
    let line = |of: fn(&super::procfs::Memory) -> u64| {
        let all = outcome.points.iter();
        all.map(|point| (point.connections as f64, of(&point.memory) as f64 / 1e6)).collect()
    };
    let lines: Vec<(&str, Vec<(f64, f64)>)> = match plan.pids.is_empty() {
        true => vec![("kernel slab, whole machine", line(|memory| memory.slab))],
        false => vec![("USS", line(|memory| memory.uss)), ("RSS", line(|memory| memory.rss))],
    };
    let each = per_connection(&outcome.points).filter(|_| !plan.pids.is_empty());
    let each = each.map_or(String::new(), |each| format!(": {:.0} bytes each (USS)", each.uss));
    let step = nice(x_max / 4.0);
    let ticks = (0..).map(|n| f64::from(n) * step).take_while(|at| *at <= x_max);
    Chart {
        title: format!("{} idle connections{each}", grouped(outcome.connections)),
        subtitle: format!("{} · {}", plan.target.url, plan.transport.name()),
        x_title: "connections",
        y_title: "MB",
        x_ticks: ticks.map(|at| (at, grouped(at as u64))).collect(),
        x_max,
        y_max: top(&lines),
        lines,
    }
}

fn latency(plan: &Plan, outcome: &Outcome) -> Chart {
    // A percentile's place is the number of nines in it.
    let place = |percentile: f64| -(1.0 - percentile / 100.0).log10();
    let steps = (0..=80).map(|step| f64::from(step) / 20.0);
    let line = steps.map(|nines| {
        let percentile = 100.0 * (1.0 - 10f64.powf(-nines));
        (nines, outcome.histogram.value_at_percentile(percentile) as f64 / 1e6)
    });
    let lines = vec![(plan.command.operations(), line.collect())];
    let pace = match plan.rate {
        Some(rate) => format!("{rate}/s by the clock"),
        None => format!("{} in flight", plan.depth),
    };
    Chart {
        title: format!("{}: latency of {}", plan.command.name(), plan.command.operations()),
        subtitle: format!(
            "{} · {} · {} connections · {pace} · {} measured",
            plan.target.url,
            plan.transport.name(),
            grouped(outcome.connections),
            grouped(outcome.histogram.len())
        ),
        x_title: "percentile",
        y_title: "ms",
        x_ticks: TICKS.iter().map(|(at, name)| (place(*at), (*name).to_owned())).collect(),
        x_max: 4.0,
        y_max: top(&lines),
        lines,
    }
}

/// The end of the axis: what is drawn, with a little room.
fn top(lines: &[(&str, Vec<(f64, f64)>)]) -> f64 {
    let values = lines.iter().flat_map(|(_, line)| line).map(|(_, y)| *y);
    let most = values.fold(0.0, f64::max);
    if most > 0.0 { most * 1.08 } else { 1.0 }
}

/// The nearest of 1, 2, 5, 10, 20 … that is not smaller.
fn nice(step: f64) -> f64 {
    let power = 10f64.powf(step.max(1e-9).log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let fit = factors.into_iter().map(|factor| factor * power).find(|nice| *nice >= step * 0.999);
    fit.unwrap_or(10.0 * power)
}

impl Chart {
    fn x(&self, value: f64) -> f64 {
        LEFT + value / self.x_max * (RIGHT - LEFT)
    }

    fn y(&self, value: f64) -> f64 {
        BOTTOM - value / self.y_max * (BOTTOM - TOP)
    }

    fn to_svg(&self) -> String {
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             width=\"{WIDTH}\" height=\"{HEIGHT}\" font-family=\"system-ui, sans-serif\" \
             font-size=\"12\" fill=\"#475569\">\n\
             <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#ffffff\"/>\n"
        );
        let mut put = |line: String| {
            out.push_str(&line);
            out.push('\n');
        };
        let (title, subtitle) = (escape(&self.title), escape(&self.subtitle));
        put(format!(
            "<text x=\"24\" y=\"34\" font-size=\"18\" font-weight=\"600\" fill=\"#0f172a\">{title}</text>"
        ));
        put(format!("<text x=\"24\" y=\"54\">{subtitle}</text>"));
        self.axes(&mut put);
        for (index, (name, line)) in self.lines.iter().enumerate() {
            self.line(COLOURS[index % COLOURS.len()], line, &mut put);
            self.legend(index, name, &mut put);
        }
        out.push_str("</svg>\n");
        out
    }

    fn axes(&self, put: &mut impl FnMut(String)) {
        let step = nice(self.y_max / 6.0);
        let mut value = 0.0;
        while value <= self.y_max {
            let y = self.y(value);
            put(format!(
                "<path d=\"M{LEFT} {y:.1}H{RIGHT}\" stroke=\"#e2e8f0\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 10.0,
                y + 4.0,
                short(value)
            ));
            value += step;
        }
        for (at, name) in &self.x_ticks {
            let x = self.x(*at);
            put(format!(
                "<path d=\"M{x:.1} {BOTTOM}v5\" stroke=\"#94a3b8\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{name}</text>",
                BOTTOM + 20.0
            ));
        }
        put(format!("<path d=\"M{LEFT} {BOTTOM}H{RIGHT}\" stroke=\"#94a3b8\"/>"));
        put(format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            (LEFT + RIGHT) / 2.0,
            HEIGHT - 22.0,
            self.x_title
        ));
        put(format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 10.0,
            TOP - 8.0,
            self.y_title
        ));
    }

    fn line(&self, colour: &str, line: &[(f64, f64)], put: &mut impl FnMut(String)) {
        let mut path = String::new();
        for (index, (x, y)) in line.iter().enumerate() {
            let command = if index == 0 { 'M' } else { 'L' };
            // Writing to a string cannot fail.
            let _ = write!(path, "{command}{:.1} {:.1}", self.x(*x), self.y(*y));
        }
        put(format!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2.5\" \
             stroke-linejoin=\"round\"/>"
        ));
        // Samples are shown where there are few enough to be told apart.
        for (x, y) in line.iter().filter(|_| line.len() <= 30) {
            let (x, y) = (self.x(*x), self.y(*y));
            put(format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>"));
        }
    }

    fn legend(&self, index: usize, name: &str, put: &mut impl FnMut(String)) {
        let x = LEFT + 16.0 + 80.0 * index as f64;
        let colour = COLOURS[index % COLOURS.len()];
        let (y, text) = (TOP - 8.0, x + 16.0);
        put(format!(
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"10\" height=\"10\" rx=\"2\" fill=\"{colour}\"/>\
             <text x=\"{text:.1}\" y=\"{y:.1}\">{name}</text>",
            y - 9.0
        ));
    }
}

/// A number of an axis, without zeros that say nothing.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The address is the user's.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_numbers_short() {
        assert_eq!([0.3, 1.0, 12.0, 20.0, 7_000.0].map(nice), [0.5, 1.0, 20.0, 20.0, 10_000.0]);
        assert_eq!([0.0, 0.5, 20.0].map(short), ["0", "0.5", "20"]);
        assert_eq!(escape("a?b&c<d>"), "a?b&amp;c&lt;d&gt;");
    }
}
