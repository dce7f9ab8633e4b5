//! What arrives in a page when its client has done its clean-up (1.6): written here after our own
//! description of it, and run over data that is as nasty as it gets.

use encke::dialects::comet_js::frames::{self, Answers};
use encke::dialects::comet_js::variant::{IDS, JSON, LEGACY};
use encke::hub::message::Message;
use serde_json::{Value, json};

use super::frames::{message, to_user, written};
use crate::support::random::{Random, rounds};

const VARIANTS: [u16; 4] = [JSON, JSON | LEGACY, JSON | IDS, JSON | LEGACY | IDS];

/// What the callback of a page gets as its data; `None` if the client drops the frame.
fn arrives(frame: &[u8], is_legacy: bool) -> Option<Value> {
    let frame = std::str::from_utf8(frame).ok()?.replace("\\'", "'");
    let mut lines = frame.split('\n').map(|line| serde_json::from_str::<Value>(line).ok());
    let mut object = lines.next()??;
    assert!(lines.next().is_none(), "cut in two: {frame}");
    match object["data"].take() {
        Value::String(text) => Some(cleaned(&text)),
        Value::Object(_) | Value::Array(_) if is_legacy => Some(json!("[object Object]")),
        value => Some(value),
    }
}

fn cleaned(text: &str) -> Value {
    let stripped = strip_slashes(text);
    let as_json = |text: &str| serde_json::from_str(text).ok();
    let parsed = as_json(&text.replace("\\'", "'")).or_else(|| as_json(&stripped));
    parsed.or_else(|| as_json(&strip_slashes(&stripped))).unwrap_or(Value::String(stripped))
}

/// A backslash goes, what it stood before stays.
fn strip_slashes(text: &str) -> String {
    let (mut stripped, mut characters) = (String::new(), text.chars());
    while let Some(character) = characters.next() {
        match character {
            '\\' => stripped.extend(characters.next()),
            _ => stripped.push(character),
        }
    }
    stripped
}

struct Row {
    name: &'static str,
    section: &'static str,
    data: &'static str,
    arrives: Value,
}

#[test]
fn data_arrives() {
    let row = |name, section, data, arrives| Row { name, section, data, arrives };
    let rows = [
        row("object", "1.6", r#"{"a":[1,true,null]}"#, json!({"a": [1, true, null]})),
        row("apostrophe", "cometql 9", r#"{"a":"it's"}"#, json!({"a": "it's"})),
        row("quotes", "cometql 9", r#"{"a":"\"q\""}"#, json!({"a": "\"q\""})),
        row("line break in it", "cometql 9", r#"{"a":"b\nc"}"#, json!({"a": "b\nc"})),
        row("line breaks between", "3.7", "{\r\n\"a\"\n:\n1}\n", json!({"a": 1})),
        row("spaces before", "3.7", " \t\n [\"'\"]", json!(["'"])),
        row("backslash", "cometql 9", r#"{"a":"C:\\dir"}"#, json!({"a": "C:\\dir"})),
        row("both", "cometql 27", r#"{"a":"\\'"}"#, json!({"a": "\\'"})),
        row("both in a key", "cometql 27", r#"{"\\'":"'"}"#, json!({"\\'": "'"})),
        row("emoji", "cometql 9", "{\"a\":\"\u{1f600}\"}", json!({"a": "\u{1f600}"})),
        row(
            "separators",
            "cometql 9",
            "[\"\u{2028}\u{85}\u{7f}\"]",
            json!(["\u{2028}\u{85}\u{7f}"]),
        ),
        row("number", "1.6", "12", json!(12)),
        row("truth", "1.6", "true", json!(true)),
        row("string", "1.6", r#""it's \\'""#, json!("it's \\'")),
        row("text", "cometql 10", "it's plain", json!("it's plain")),
        row("no text", "1.6", "", json!("")),
        row("two lines", "1.6", "one\r\ntwo", json!("one\r\ntwo")),
        row("half an object", "1.6", "{\"a\":'", json!("{\"a\":'")),
        row("text loses backslashes", "1.6", r"back\slash", json!("backslash")),
        row("escaped by SQL", "1.6", r#"{\"a\":\"b\"}"#, json!({"a": "b"})),
        row(
            "its own filter",
            "1.6",
            r#"{"_cometApi_uuid":"jsapi1"}"#,
            json!({"_cometApi_uuid": "jsapi1"}),
        ),
    ];
    for row in rows {
        for variant in VARIANTS {
            let is_legacy = variant & LEGACY != 0;
            let shown = format!("{} ({}), variant {variant}", row.name, row.section);
            let message = message("ev", row.data.as_bytes(), Some(7));
            let frame = written(|out| frames::message(&message, variant, out));
            assert_eq!(arrives(&frame, is_legacy).as_ref(), Some(&row.arrives), "{shown}");
            // Told to be JSON, or found to be: the same.
            if serde_json::from_str::<Value>(row.data).is_ok() {
                let message = Message { data: message.data.clone().into_json(), ..message };
                assert_eq!(written(|out| frames::message(&message, variant, out)), frame);
            }
        }
    }
}

/// Text of what clients, SQL and JSON trip over.
fn nasty_text(random: &mut Random) -> String {
    let parts = [
        "'",
        "\\",
        "\"",
        "\n",
        "\r",
        "\\'",
        "\\\\'",
        "\\n",
        "\\u0027",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "a",
        "0",
        " ",
        "\t",
        "\0",
        "\u{7f}",
        "\u{e4}",
        "\u{2028}",
        "\u{1f600}",
        "null",
    ];
    (0..random.below(12)).map(|_| random.pick(&parts)).collect()
}

fn nasty_value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 4 } else { 6 }) {
        0 => json!(random.below(1000)),
        1 => json!(random.one_in(2)),
        2 | 3 => json!(nasty_text(random)),
        4 => (0..random.below(4)).map(|_| nasty_value(random, depth - 1)).collect(),
        _ => {
            let members =
                (0..random.below(4)).map(|_| (nasty_text(random), nasty_value(random, depth - 1)));
            Value::Object(members.collect())
        }
    }
}

#[test]
fn any_object_arrives_as_it_was() {
    let mut random = Random::new(0x636f_6d65);
    for round in 0..rounds(3_000) {
        let value = json!({"v": nasty_value(&mut random, 4), "w": [nasty_text(&mut random)]});
        let data = if random.one_in(2) {
            serde_json::to_string_pretty(&value).unwrap()
        } else {
            value.to_string()
        };
        let (message, personal) =
            (message("ev", data.as_bytes(), None), to_user("ev", data.as_bytes()));
        for variant in VARIANTS {
            let is_legacy = variant & LEGACY != 0;
            let all = [
                written(|out| frames::message(&message, variant, out)),
                written(|out| frames::history_message(&message, "", variant, out)),
                written(|out| frames::personal(&personal, variant, out)),
                written(|out| frames::queued_personal(&personal, variant, out)),
            ];
            for frame in all {
                let arrived = arrives(&frame, is_legacy);
                assert_eq!(arrived.as_ref(), Some(&value), "round {round}, variant {variant}");
            }
        }
    }
}

#[test]
fn any_data_makes_a_frame() {
    let mut random = Random::new(0x7465_7874);
    for round in 0..rounds(3_000) {
        let text = nasty_text(&mut random);
        let len = random.below(12);
        let bytes = random.bytes(len);
        let answers = |variant| Answers { variant, unix_second: 1 };
        for variant in VARIANTS {
            let is_legacy = variant & LEGACY != 0;
            for data in [text.as_bytes(), &bytes] {
                let frame = written(|out| frames::message(&message("", data, None), variant, out));
                assert!(arrives(&frame, is_legacy).is_some(), "round {round}: {data:?}");
            }
            // Whatever the client does to text, it finds nothing to do to this.
            if !text.contains('\\') && serde_json::from_str::<Value>(&text).is_err() {
                let message = message("", text.as_bytes(), None);
                let frame = written(|out| frames::message(&message, variant, out));
                assert_eq!(arrives(&frame, is_legacy), Some(json!(text)), "round {round}");
            }
            let stored = written(|out| answers(variant).user_data(7, &text, "1", out));
            let expect = json!({"user_data": text, "user_id": 7});
            assert_eq!(arrives(&stored, is_legacy), Some(expect), "round {round}: {text:?}");
        }
    }
}
