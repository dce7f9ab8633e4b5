//! A reader of Prometheus' text format 0.0.4 that takes nothing on trust: every rule of the format, and the
//! conventions for names, are asserted while it reads.

use std::collections::BTreeMap;

/// What stood in one scrape.
pub struct Exposition {
    /// TYPE by family.
    pub families: BTreeMap<String, String>,
    /// Value by name with labels, as written.
    pub samples: BTreeMap<String, f64>,
}

struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Exposition {
    pub fn read(text: &str) -> Exposition {
        assert!(text.ends_with('\n'), "the last line ends too");
        let mut read = Exposition { families: BTreeMap::new(), samples: BTreeMap::new() };
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let (name, help) =
                line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')).expect(line);
            assert!(help.ends_with('.') && help.len() > 10, "{line}");
            let line = lines.next().expect("a TYPE");
            let (again, kind) =
                line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')).expect(line);
            assert_eq!(again, name, "HELP and TYPE stand together");
            check_family(name, kind);
            assert!(read.families.insert(name.to_owned(), kind.to_owned()).is_none(), "{name}");
            let mut samples = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                let sample = read_sample(line);
                let key = line.rsplit_once(' ').expect(line).0.to_owned();
                assert!(read.samples.insert(key, sample.value).is_none(), "twice: {line}");
                samples.push(sample);
            }
            match kind {
                "histogram" => check_histogram(name, &samples),
                _ => assert!(samples.iter().all(|sample| sample.name == name), "{name}"),
            }
        }
        read
    }

    /// A value; 0 for one that is not there, as Prometheus' `rate` has it.
    pub fn value(&self, name: &str) -> f64 {
        let family = name.split('{').next().expect("a name");
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| family.strip_suffix(suffix))
            .filter(|family| self.families.contains_key(*family))
            .unwrap_or(family);
        assert!(self.families.contains_key(family), "no such family: {family}");
        self.samples.get(name).copied().unwrap_or_default()
    }
}

/// prometheus.io, "Metric and label naming".
fn check_family(name: &str, kind: &str) {
    assert!(is_name(name) && name.starts_with("encke_"), "{name}");
    assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
    assert!(["counter", "gauge", "histogram"].contains(&kind), "{kind}");
    for unit in ["milli", "micro", "_ms", "_us", "kilo", "minutes"] {
        assert!(!name.contains(unit), "base units only: {name}");
    }
    for own in ["_bucket", "_sum", "_count"] {
        assert!(!name.ends_with(own), "{name} looks like a part of a histogram");
    }
}

fn is_name(name: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.bytes().all(is_good) && name.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
}

fn read_sample(line: &str) -> Sample {
    let (what, value) = line.rsplit_once(' ').expect(line);
    let value: f64 = value.parse().expect(line);
    assert!(value.is_finite() && value >= 0.0, "{line}");
    let (name, labels) = match what.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').expect(line)),
        None => (what, ""),
    };
    assert!(is_name(name), "{line}");
    let read_label = |pair: &str| {
        let (label, value) = pair.split_once('=').expect(line);
        let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).expect(line);
        assert!(is_name(label) && !value.is_empty() && !value.contains(['"', '\\']), "{line}");
        (label.to_owned(), value.to_owned())
    };
    let labels = labels.split(',').filter(|pair| !pair.is_empty()).map(read_label).collect();
    Sample { name: name.to_owned(), labels, value }
}

fn check_histogram(name: &str, samples: &[Sample]) {
    let (buckets, rest) = samples.split_at(samples.len() - 2);
    let [sum, count] = rest else { panic!("{name} has no sum and count") };
    assert_eq!((&*sum.name, &*count.name), (&*format!("{name}_sum"), &*format!("{name}_count")));
    let (mut last_bound, mut last_count) = (f64::NEG_INFINITY, 0.0);
    for bucket in buckets {
        assert_eq!(bucket.name, format!("{name}_bucket"));
        let [(label, bound)] = &bucket.labels[..] else { panic!("{name}: one label") };
        assert_eq!(label, "le");
        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().expect(bound) };
        assert!(bound > last_bound && bucket.value >= last_count, "{name} rises: {bound}");
        (last_bound, last_count) = (bound, bucket.value);
    }
    assert_eq!((last_bound, last_count), (f64::INFINITY, count.value), "{name} is complete");
}
