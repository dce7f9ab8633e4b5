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
//! write_sample(&mut out, "encke_connections", &[("phase", "ws")], 2.0);
//! assert!(out.ends_with(b"\nencke_connections{phase=\"ws\"} 2\n"));
//! ```

use std::fmt::Write;

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

/// One sample. Values up to 2^53 are written exactly.
pub fn write_sample(out: &mut Vec<u8>, name: &str, labels: &[(&str, &str)], value: f64) {
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
    write_all(out, &[" ", &number(value), "\n"]);
}

/// The samples of a histogram: `buckets` holds upper bounds, rising and without `+Inf`, each with how many
/// were at most that.
pub fn write_histogram(
    out: &mut Vec<u8>,
    name: &str,
    buckets: impl Iterator<Item = (f64, u64)>,
    sum: f64,
    count: u64,
) {
    let bucket = format!("{name}_bucket");
    for (bound, up_to) in buckets {
        write_sample(out, &bucket, &[("le", &number(bound))], up_to as f64);
    }
    write_sample(out, &bucket, &[("le", "+Inf")], count as f64);
    write_sample(out, &format!("{name}_sum"), &[], sum);
    write_sample(out, &format!("{name}_count"), &[], count as f64);
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

/// Rust writes neither exponents nor a point that is not needed.
fn number(value: f64) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(text, "{value}");
    text
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
        let sample = text(|out| write_sample(out, "a", &[("b", "\\ \"\n"), ("c", "d")], 1.5));
        assert_eq!(sample, "a{b=\"\\\\ \\\"\\n\",c=\"d\"} 1.5\n");
    }

    #[test]
    fn great_and_small_numbers_have_no_exponent() {
        let sample = |value| text(|out| write_sample(out, "a", &[], value));
        assert_eq!(sample(9_007_199_254_740_992.0), "a 9007199254740992\n");
        assert_eq!(sample(0.000_01), "a 0.00001\n");
        assert_eq!(sample(0.0), "a 0\n");
    }

    #[test]
    fn a_histogram_ends_in_infinity_sum_and_count() {
        let buckets = [(0.5, 1), (1.0, 3)].into_iter();
        let all = text(|out| write_histogram(out, "h", buckets, 2.25, 4));
        let expect = "h_bucket{le=\"0.5\"} 1\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 4\n\
                      h_sum 2.25\nh_count 4\n";
        assert_eq!(all, expect);
    }
}
