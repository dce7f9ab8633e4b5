//! The spine's own JSON, beside serde_json.

use encke::proto::json::{Error, members, string_value, validate, write_string};
use serde_json::{Map, Value};

pub fn check(input: &[u8]) {
    let ours = validate(input);
    let theirs = serde_json::from_slice::<Value>(input);
    match &theirs {
        Ok(_) => assert_eq!(ours, Ok(()), "{}", input.escape_ascii()),
        Err(error) if ours.is_ok() => {
            // The two differences that `proto/json.rs` names.
            let reason = error.to_string();
            let is_known = ["number out of range", "surrogate", "hex escape"];
            let is_known = is_known.iter().any(|known| reason.contains(known));
            assert!(is_known, "{}: {reason}", input.escape_ascii());
        }
        Err(_) => {}
    }
    if let (Ok(members), Ok(Value::Object(theirs))) = (members(input), &theirs) {
        let mut last = Map::new();
        for (key, raw) in members {
            assert_eq!(validate(raw), Ok(()));
            let value: Value = serde_json::from_slice(raw).expect("a value is JSON by itself");
            if let Value::String(text) = &value {
                assert_eq!(string_value(raw).as_deref(), Some(text.as_str()));
            }
            last.insert(key.into_owned(), value);
        }
        assert_eq!(&last, theirs);
    }
    if ours.is_ok() && !input.trim_ascii_start().starts_with(b"{") {
        assert_eq!(members(input).err(), Some(Error::NotAnObject));
    }
    let text = String::from_utf8_lossy(input);
    let mut written = Vec::new();
    write_string(&mut written, &text);
    assert_eq!(serde_json::from_slice::<String>(&written).ok().as_deref(), Some(&*text));
    assert_eq!(string_value(&written).as_deref(), Some(&*text));
}
