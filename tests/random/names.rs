//! Cursors and escapes, there and back.

use encke::hub::message::MessageId;
use encke::proto::url::{percent_decode, query_pairs};

use crate::Place;
use crate::oracles::names::check;
use crate::support::random::{Random, rounds};

#[test]
fn cursors_are_read_as_they_are_written() {
    for seed in 0..rounds(3_000) {
        let mut random = Random::new(seed);
        let second = random.next().checked_shr(random.below(65) as u32).unwrap_or(0);
        let n = (random.next() as u32).checked_shr(random.below(33) as u32).unwrap_or(u32::MAX);
        let id = MessageId { second, n };
        let text = id.to_string();
        let _place = Place { seed, input: text.as_bytes() };
        assert_eq!(text.parse(), Ok(id));
        check(text.as_bytes());
        // Ids are ordered as numbers, whatever their texts are.
        let other = MessageId { second: second ^ 1, n: random.next() as u32 };
        assert_eq!(id < other, (id.second, id.n) < (other.second, other.n));
    }
}

#[test]
fn escaped_text_comes_back() {
    for seed in 0..rounds(2_000) {
        let mut random = Random::new(seed);
        let pairs: Vec<_> = (0..random.below(4))
            .map(|_| [random.below(6), random.below(20)].map(|len| random.bytes(len)))
            .filter(|[name, _]| !name.is_empty())
            .collect();
        let encoded: Vec<_> = pairs
            .iter()
            .map(|pair| pair.each_ref().map(|text| escaped(text, &mut random)).join("="))
            .collect();
        let query = encoded.join(random.pick(&["&", "&&"]));
        let _place = Place { seed, input: query.as_bytes() };
        check(query.as_bytes());
        let found: Vec<_> = query_pairs(query.as_bytes())
            .map(|pair| pair.map(|(name, value)| [name.into_owned(), value.into_owned()]))
            .collect();
        assert_eq!(found, pairs.iter().cloned().map(Ok).collect::<Vec<_>>());
        if let Some([_, value]) = pairs.first() {
            let path = escaped(value, &mut random).replace('+', "%20");
            assert_eq!(percent_decode(path.as_bytes()).as_deref(), Ok(&value[..]));
        }
    }
}

/// What must be escaped, and now and then what need not be.
fn escaped(text: &[u8], random: &mut Random) -> String {
    let escape = |&byte: &u8| match byte {
        b' ' if random.one_in(2) => "+".to_owned(),
        byte if byte.is_ascii_alphanumeric() && !random.one_in(4) => char::from(byte).to_string(),
        byte if random.one_in(2) => format!("%{byte:02x}"),
        byte => format!("%{byte:02X}"),
    };
    text.iter().map(escape).collect()
}
