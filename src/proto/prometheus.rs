//! The text that Prometheus reads: exposition format, version 0.0.4.
//!
//! Specification: prometheus.io, "Exposition formats", text-based format.
//!
//! ```text
//! # HELP encke_channels Channels with subscribers. LF     what it is, on one line
//! # TYPE encke_channels gauge LF                           counter, gauge or histogram
//! encke_channels 3 LF                                      name, labels, value
//! encke_connections{phase="ws"} 2 LF
//! # TYPE encke_turn_seconds histogram LF
//! encke_turn_seconds_bucket{le="0.001"} 7 LF               so many took at most a millisecond
//! encke_turn_seconds_bucket{le="+Inf"} 8 LF
//! encke_turn_seconds_sum 0.0123 LF
//! encke_turn_seconds_count 8 LF
//! ```
//!
//! All samples of a family stand together behind its HELP and TYPE. Units are what the names say: seconds
//! and bytes. Limits: none; who chooses labels bounds their values.
//! Left out: summaries, timestamps, exemplars (the format has none).
//!
//! ```
//! use encke::proto::prometheus::{Type, write_head, write_sample};
//! let mut out = Vec::new();
//! write_head(&mut out, "encke_connections", Type::Gauge, "Connections by phase.");
//! write_sample(&mut out, "encke_connections", &[("phase", "ws")], 2);
//! assert!(out.ends_with(b"\nencke_connections{phase=\"ws\"} 2\n"));
//! ```

use std::fmt;

/// What a response of this format calls itself.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What kind of number a family holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    /// It only grows, but for a restart.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counts by size, a sum and a count.
    Histogram,
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Histogram => "histogram",
        }
    }
}

/// Begins a family.
pub fn write_head(out: &mut Vec<u8>, name: &str, kind: Type, help: &str) {
    debug_assert!(is_name(name), "metric names are ours");
    write_all(out, &["# HELP ", name, " "]);
    write_escaped(out, help, false);
    write_all(out, &["\n# TYPE ", name, " ", kind.name(), "\n"]);
}

/// A duration in microseconds, written in seconds: exactly, and without zeros that say nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seconds(pub u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, mut rest) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let mut digits = 6;
        while rest % 10 == 0 {
            (rest, digits) = (rest / 10, digits - 1);
        }
        write!(f, "{whole}.{rest:0digits$}")
    }
}

/// One sample.
pub fn write_sample(
    out: &mut Vec<u8>,
    name: &str,
    labels: &[(&str, &str)],
    value: impl fmt::Display,
) {
    write_all(out, &[name]);
    for (index, (label, text)) in labels.iter().enumerate() {
        debug_assert!(is_name(label), "label names are ours");
        write_all(out, &[if index == 0 { "{" } else { "," }, label, "=\""]);
        write_escaped(out, text, true);
        out.push(b'"');
    }
    if !labels.is_empty() {
        out.push(b'}');
    }
    write_all(out, &[" ", &value.to_string(), "\n"]);
}

/// The samples of a histogram: `buckets` holds upper bounds, rising and without `+Inf`, each with how many
/// were at most that.
pub fn write_histogram(
    out: &mut Vec<u8>,
    name: &str,
    buckets: impl Iterator<Item = (Seconds, u64)>,
    sum: Seconds,
    count: u64,
) {
    let bucket = format!("{name}_bucket");
    for (bound, up_to) in buckets {
        write_sample(out, &bucket, &[("le", &bound.to_string())], up_to);
    }
    write_sample(out, &bucket, &[("le", "+Inf")], count);
    write_sample(out, &format!("{name}_sum"), &[], sum);
    write_sample(out, &format!("{name}_count"), &[], count);
}

/// In HELP a backslash and LF are escaped, in a label's value the quote as well.
fn write_escaped(out: &mut Vec<u8>, text: &str, is_quoted: bool) {
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if is_quoted => out.extend_from_slice(b"\\\""),
            _ => out.push(byte),
        }
    }
}

fn write_all(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

fn is_name(name: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(is_good) && name.starts_with(|first: char| !first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn help_and_labels_are_escaped_each_in_its_way() {
        let head = text(|out| write_head(out, "a", Type::Counter, "one \\ \"two\"\nthree"));
        assert_eq!(head, "# HELP a one \\\\ \"two\"\\nthree\n# TYPE a counter\n");
        let sample = text(|out| write_sample(out, "a", &[("b", "\\ \"\n"), ("c", "d")], 15));
        assert_eq!(sample, "a{b=\"\\\\ \\\"\\n\",c=\"d\"} 15\n");
    }

    #[test]
    fn great_and_small_numbers_have_no_exponent() {
        let great = text(|out| write_sample(out, "a", &[], u64::MAX));
        assert_eq!(great, "a 18446744073709551615\n");
        for (us, expect) in [
            (0, "0"),
            (1, "0.000001"),
            (10, "0.00001"),
            (25, "0.000025"),
            (100_000, "0.1"),
            (1_000_000, "1"),
            (20_000_047, "20.000047"),
            (2_500_000, "2.5"),
        ] {
            assert_eq!(Seconds(us).to_string(), expect);
        }
    }

    #[test]
    fn a_histogram_ends_in_infinity_sum_and_count() {
        let buckets = [(Seconds(500_000), 1), (Seconds(1_000_000), 3)].into_iter();
        let all = text(|out| write_histogram(out, "h", buckets, Seconds(2_250_000), 4));
        let expect = "h_bucket{le=\"0.5\"} 1\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 4\n\
                      h_sum 2.25\nh_count 4\n";
        assert_eq!(all, expect);
    }
}
