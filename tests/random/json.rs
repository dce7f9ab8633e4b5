//! JSON of known values, written by serde_json with any white space.

use encke::proto::json::{members, string_value, validate};
use serde_json::{Map, Value, json};

use crate::Place;
use crate::oracles::json::check;
use crate::support::random::{Random, rounds};

fn value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => json!(random.one_in(2)),
        2 => json!(random.next() as i64),
        // Which every reader finds again, digit by digit.
        3 => json!(f64::from(random.next() as i32) / 8.0),
        4 => json!(text(random)),
        5 => (0..random.below(4)).map(|_| value(random, depth - 1)).collect(),
        _ => object(random, depth),
    }
}

fn object(random: &mut Random, depth: usize) -> Value {
    let count = random.below(5);
    let member = |_| (text(random), value(random, depth.saturating_sub(1)));
    Value::Object((0..count).map(member).collect())
}

fn text(random: &mut Random) -> String {
    let parts =
        ["", "a", "\"", "\\", "/", "\n", "\0", "\u{7f}", "\u{2028}", "é", "\u{10ffff}", "'"];
    (0..random.below(6)).map(|_| random.pick(&parts)).collect()
}

#[test]
fn values_are_taken_apart_as_they_were_put_together() {
    for seed in 0..rounds(2_000) {
        let mut random = Random::new(seed);
        let object = object(&mut random, 4);
        let written = match random.one_in(2) {
            true => serde_json::to_vec(&object).unwrap(),
            false => serde_json::to_vec_pretty(&object).unwrap(),
        };
        let _place = Place { seed, input: &written };
        check(&written);
        assert_eq!(validate(&written), Ok(()));
        let mut found = Map::new();
        for (key, raw) in members(&written).expect("an object") {
            let value: Value = serde_json::from_slice(raw).expect("a value");
            assert_eq!(string_value(raw).as_deref(), value.as_str());
            found.insert(key.into_owned(), value);
        }
        assert_eq!(&Value::Object(found), &object);
        // Whatever is cut off, it is no object any more.
        let end = random.below(written.len());
        assert!(members(&written[..end]).is_err());
    }
}
