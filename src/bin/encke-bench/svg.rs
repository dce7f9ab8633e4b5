//! A picture of what was measured: memory over connections, or latency over percentiles.
//!
//! Axes begin at zero. The colours are those of a light page, and of a dark one where the reader's browser
//! prefers that; the ground is part of the picture, so that it can be read on either.

use std::fmt::Write;

use super::args::{Command, Plan, Transport};
use super::report::{grouped, per_connection};
use super::run::{Outcome, Point};

/// The whole picture, and where the plot is in it.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 430.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 724.0;
const TOP: f64 = 124.0;
const BOTTOM: f64 = 368.0;
/// A letter of the legend is hardly wider.
const LETTER: f64 = 6.6;

/// Percentiles of the axis, drawn by how many stay outside; the marked ones say their value.
const TICKS: [(f64, &str, bool); 7] = [
    (0.0, "0 %", false),
    (50.0, "50 %", true),
    (90.0, "90 %", true),
    (99.0, "99 %", true),
    (99.9, "99.9 %", true),
    (99.99, "99.99 %", false),
    (99.999, "99.999 %", false),
];

const STYLE: &str = "<style>
text{font:12px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#59636e}
.ground{fill:#fff;stroke:#d1d9e0}
.title{font-size:17px;font-weight:600;fill:#1f2328}
.mark{font-weight:600;fill:#1f2328}
.grid{stroke:#e5e9ee}
.axis{stroke:#818b98}
.a{color:#0969da}
.b{color:#c77700}
.dot{fill:currentColor}
.line{fill:none;stroke:currentColor;stroke-width:2.5;stroke-linejoin:round;stroke-linecap:round}
.area{fill:currentColor;fill-opacity:.16}
@media (prefers-color-scheme:dark){
text{fill:#9198a1}
.ground{fill:#0d1117;stroke:#3d444d}
.title,.mark{fill:#f0f6fc}
.grid{stroke:#262c36}
.axis{stroke:#656c76}
.a{color:#4493f8}
.b{color:#d29922}
}
</style>
";

/// Values, already with what is written beside them.
struct Chart {
    title: String,
    subtitle: [String; 2],
    x_title: &'static str,
    y_title: &'static str,
    x_ticks: Vec<(f64, String)>,
    x_max: f64,
    y_max: f64,
    series: Vec<Series>,
}

/// One colour.
struct Series {
    name: String,
    /// Its class in the style.
    class: char,
    line: Vec<(f64, f64)>,
    /// Where the area below it ends; nothing is the axis.
    base: Vec<(f64, f64)>,
    /// Points that say what they are.
    marks: Vec<(f64, f64, String)>,
}

/// The picture of a run.
pub fn draw(plan: &Plan, outcome: &Outcome) -> String {
    match plan.command {
        Command::Density => density(plan, outcome),
        _ => latency(plan, outcome),
    }
    .to_svg()
}

/// Server and kernel, one upon the other. What the kernel keeps is half of what its slab grew by: the other
/// half is our end.
fn density(plan: &Plan, outcome: &Outcome) -> Chart {
    let points = &outcome.points;
    let x_max = points.iter().map(|point| point.connections).max().unwrap_or(1).max(1) as f64;
    let empty = points.first().map_or(0, |point| point.memory.slab);
    let at = |point: &Point| point.connections as f64;
    let kernel = |point: &Point| point.memory.slab.saturating_sub(empty) as f64 / 2e6;
    let server = |point: &Point| point.memory.uss as f64 / 1e6;
    let has_server = !plan.pids.is_empty();
    let lower: Vec<_> = points.iter().map(|point| (at(point), server(point))).collect();
    let upper = points.iter().map(|point| (at(point), server(point) + kernel(point)));
    let mut series = vec![Series {
        name: "kernel, for the server's end".to_owned(),
        class: 'b',
        line: upper.collect(),
        base: lower.clone(),
        marks: Vec::new(),
    }];
    if has_server {
        let name = "server (USS)".to_owned();
        series.insert(
            0,
            Series { name, class: 'a', line: lower, base: Vec::new(), marks: Vec::new() },
        );
    }
    if let Some(last) = points.last() {
        let values = [("server", server(last)), ("kernel", kernel(last))];
        let values = if has_server { &values[..] } else { &values[1..] };
        for (series, (word, value)) in series.iter_mut().zip(values) {
            let end = series.line.last().copied();
            series.marks.extend(end.map(|(x, y)| (x, y, format!("{word} {} MB", figure(*value)))));
        }
    }
    let step = nice(x_max / 5.0);
    let ticks = (0..).map(|n| f64::from(n) * step).take_while(|at| *at <= x_max);
    Chart {
        title: density_title(plan, outcome),
        subtitle: [
            format!(
                "{}, subscribed and silent, on {}.",
                transport_name(plan.transport),
                plan.target.url
            ),
            "The kernel's part is half of what its slab grew by: the rest is the load tool's end."
                .to_owned(),
        ],
        x_title: "connections",
        y_title: "MB",
        x_ticks: ticks.map(|at| (at, grouped(at as u64))).collect(),
        x_max,
        y_max: top(&series),
        series,
    }
}

fn density_title(plan: &Plan, outcome: &Outcome) -> String {
    let connections = format!("{} idle connections", grouped(outcome.connections));
    let Some(each) = per_connection(&outcome.points) else { return connections };
    let kernel = format!("{} KB of the kernel", figure(each.slab.max(0.0) / 2e3));
    // What is allocated once is not a connection's.
    let server = format!("{:.0} B each", each.uss_slope.unwrap_or(each.uss));
    match plan.pids.is_empty() {
        true => format!("{connections}: {kernel} each"),
        false => format!("{connections}: {server} + {kernel}"),
    }
}

fn transport_name(transport: Transport) -> &'static str {
    match transport {
        Transport::WebSocket => "WebSockets",
        Transport::EventStream => "Event streams",
        Transport::Stream => "HTTP streams",
        Transport::Poll => "Long-polls",
    }
}

fn latency(plan: &Plan, outcome: &Outcome) -> Chart {
    let histogram = &outcome.histogram;
    let milliseconds = |percentile: f64| histogram.value_at_percentile(percentile) as f64 / 1e6;
    // A percentile's place is the number of nines in it. So many values have no more of them.
    let place = |percentile: f64| -(1.0 - percentile / 100.0).log10();
    let x_max = (histogram.len().max(10) as f64).log10().min(5.3);
    // A twentieth of a nine, so that every full one is among them; at the end stands the greatest.
    let places = (0..).map(|step| f64::from(step) / 20.0).take_while(|nines| *nines < x_max);
    let line = places.map(|nines| (nines, milliseconds(100.0 * (1.0 - 10f64.powf(-nines)))));
    let most = histogram.max() as f64 / 1e6;
    let line = line.chain([(x_max, most)]).collect();
    let ticks = TICKS.iter().filter(|(at, ..)| place(*at) <= x_max);
    // The last word is the greatest value's; who stands too near to it says nothing.
    let marked = ticks.clone().filter(|(at, _, is_marked)| *is_marked && place(*at) < x_max - 0.5);
    let mark = |x: f64, y: f64| (x, y, format!("{} ms", figure(y)));
    let marks = marked.map(|(at, ..)| mark(place(*at), milliseconds(*at)));
    let marks = marks.chain([(x_max, most, format!("max {} ms", figure(most)))]).collect();
    let name = plan.command.operations().to_owned();
    let series = vec![Series { name, class: 'a', line, base: Vec::new(), marks }];
    Chart {
        title: latency_title(plan, outcome),
        subtitle: latency_subtitle(plan, outcome),
        x_title: "percentile: this share was at least as fast",
        y_title: "ms",
        x_ticks: ticks.map(|(at, name, _)| (place(*at), (*name).to_owned())).collect(),
        x_max,
        y_max: top(&series),
        series,
    }
}

fn latency_title(plan: &Plan, outcome: &Outcome) -> String {
    let connections = grouped(outcome.connections);
    match plan.command {
        Command::Fanout => format!("How late each of {connections} subscribers has a message"),
        Command::Poll => format!("How late each of {connections} long-polls is released"),
        _ => format!("Round trips on {connections} connections"),
    }
}

fn latency_subtitle(plan: &Plan, outcome: &Outcome) -> [String; 2] {
    let size = grouped(plan.size as u64);
    let pace = match plan.rate {
        Some(rate) => format!("{rate} messages of {size} bytes a second, by the clock"),
        None => format!("messages of {size} bytes, {} in flight", plan.depth),
    };
    // With a clock, a message that is sent late is late.
    let from = if plan.rate.is_some() { ", each counted from when it was due" } else { "" };
    let cost = match &outcome.cost {
        Some(cost) if outcome.operations > 0 => {
            format!("; {} µs of a core each", figure(cost.busy_s * 1e6 / outcome.operations as f64))
        }
        _ => String::new(),
    };
    let (count, name) = (grouped(outcome.histogram.len()), plan.command.operations());
    let seconds = outcome.seconds;
    [
        format!("{} on {}; {pace}.", transport_name(plan.transport), plan.target.url),
        format!("{count} {name} in {seconds} s{from}{cost}."),
    ]
}

/// The end of the axis: what is drawn, with a little room.
fn top(series: &[Series]) -> f64 {
    let values = series.iter().flat_map(|series| &series.line).map(|(_, y)| *y);
    let most = values.fold(0.0, f64::max);
    if most > 0.0 { most * 1.1 } else { 1.0 }
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
             width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\">\n<title>{}</title>\n{STYLE}\
             <rect class=\"ground\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
            escape(&self.title),
            WIDTH - 1.0,
            HEIGHT - 1.0,
        );
        let mut put = |line: String| {
            out.push_str(&line);
            out.push('\n');
        };
        put(text("title", 24.0, 36.0, "start", &self.title));
        for (y, line) in [58.0, 75.0].into_iter().zip(&self.subtitle) {
            put(text("", 24.0, y, "start", line));
        }
        self.axes(&mut put);
        // What lies below is drawn later, and so are words.
        for series in self.series.iter().rev() {
            self.draw(series, &mut put);
        }
        for series in &self.series {
            self.marks(series, &mut put);
        }
        self.legend(&mut put);
        out.push_str("</svg>\n");
        out
    }

    fn axes(&self, put: &mut impl FnMut(String)) {
        let step = nice(self.y_max / 6.0);
        let mut value = 0.0;
        while value <= self.y_max {
            let y = self.y(value);
            put(format!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>"));
            put(text("", LEFT - 10.0, y + 4.0, "end", &short(value)));
            value += step;
        }
        for (at, name) in &self.x_ticks {
            let x = self.x(*at);
            put(format!("<path class=\"axis\" d=\"M{x:.1} {BOTTOM}v5\"/>"));
            put(text("", x, BOTTOM + 20.0, "middle", name));
        }
        put(format!("<path class=\"axis\" d=\"M{LEFT} {BOTTOM}H{RIGHT}\"/>"));
        put(text("", (LEFT + RIGHT) / 2.0, HEIGHT - 20.0, "middle", self.x_title));
        put(text("", LEFT - 10.0, TOP - 14.0, "end", self.y_title));
    }

    /// A line through all of these, as the inside of a path.
    fn path(&self, line: &mut dyn Iterator<Item = &(f64, f64)>) -> String {
        let mut path = String::new();
        for (x, y) in line {
            let command = if path.is_empty() { 'M' } else { 'L' };
            // Writing to a string cannot fail.
            let _ = write!(path, "{command}{:.1} {:.1}", self.x(*x), self.y(*y));
        }
        path
    }

    fn draw(&self, series: &Series, put: &mut impl FnMut(String)) {
        let path = self.path(&mut series.line.iter());
        let class = series.class;
        let below = match (series.base.as_slice(), series.line.as_slice()) {
            ([], [first, .., last]) => {
                self.path(&mut [(last.0, 0.0), (first.0, 0.0)].iter()).replace('M', "L")
            }
            (base, _) => self.path(&mut base.iter().rev()).replace('M', "L"),
        };
        put(format!("<path class=\"{class} area\" d=\"{path}{below}Z\"/>"));
        put(format!("<path class=\"{class} line\" d=\"{path}\"/>"));
        // Samples are shown where there are few enough to be told apart.
        for (x, y) in series.line.iter().filter(|_| series.line.len() <= 30) {
            put(self.dot(class, *x, *y));
        }
    }

    fn dot(&self, class: char, x: f64, y: f64) -> String {
        let (x, y) = (self.x(x), self.y(y));
        format!("<circle class=\"{class} dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>")
    }

    /// Lines rise, so there is room above them and to the left.
    fn marks(&self, series: &Series, put: &mut impl FnMut(String)) {
        for (x, y, words) in &series.marks {
            put(self.dot(series.class, *x, *y));
            let (x, y) = (self.x(*x), self.y(*y) - 9.0);
            // Near the axis they move to the right, and out of the line's way.
            let end = x.max(LEFT + 4.0 + words.chars().count() as f64 * LETTER);
            put(text("mark", end, y - 1.5 * (end - x), "end", words));
        }
    }

    fn legend(&self, put: &mut impl FnMut(String)) {
        let mut x = LEFT + 6.0;
        for series in &self.series {
            let (class, y) = (series.class, TOP - 23.0);
            put(format!(
                "<rect class=\"{class} dot\" x=\"{x:.1}\" y=\"{y}\" width=\"10\" height=\"10\" rx=\"2\"/>"
            ));
            put(text("", x + 16.0, TOP - 14.0, "start", &series.name));
            x += 40.0 + series.name.chars().count() as f64 * LETTER;
        }
    }
}

/// Words, of one class or none.
fn text(class: &str, x: f64, y: f64, anchor: &str, words: &str) -> String {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    let words = escape(words);
    format!("<text{class} x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>")
}

/// A number of an axis, without zeros that say nothing.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A measured number: three digits of it mean something.
fn figure(value: f64) -> String {
    match value {
        ..1.0 => format!("{value:.2}"),
        1.0..10.0 => format!("{value:.1}"),
        _ => grouped(value.round() as u64),
    }
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
        assert_eq!([0.123, 4.56, 18_000.4].map(figure), ["0.12", "4.6", "18,000"]);
        assert_eq!(escape("a?b&c<d>"), "a?b&amp;c&lt;d&gt;");
    }

    #[test]
    fn an_area_ends_at_the_one_below_or_at_the_axis() {
        let series = |base: &[(f64, f64)]| Series {
            name: "one".to_owned(),
            class: 'a',
            line: vec![(0.0, 5.0), (10.0, 10.0)],
            base: base.to_vec(),
            marks: vec![(10.0, 10.0, "10 MB".to_owned())],
        };
        let chart = Chart {
            title: "a<b".to_owned(),
            subtitle: [String::new(), String::new()],
            x_title: "x",
            y_title: "y",
            x_ticks: Vec::new(),
            x_max: 10.0,
            y_max: 10.0,
            series: vec![series(&[]), series(&[(0.0, 1.0), (10.0, 2.0)])],
        };
        let picture = chart.to_svg();
        let (low, high) = (chart.y(1.0), chart.y(2.0));
        for part in [
            format!("L{RIGHT:.1} {BOTTOM:.1}L{LEFT:.1} {BOTTOM:.1}Z"),
            format!("L{RIGHT:.1} {high:.1}L{LEFT:.1} {low:.1}Z"),
            "<title>a&lt;b</title>".to_owned(),
            "text-anchor=\"end\">10 MB</text>".to_owned(),
        ] {
            assert!(picture.contains(&part), "{part}\n{picture}");
        }
    }
}
