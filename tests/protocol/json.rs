//! The spine's own JSON, beside `serde_json`.

use encke::proto::json::{DEPTH_MAX, Error, members, string_value, validate, write_string};
use serde_json::Value;

struct Row {
    name: &'static str,
    spec: &'static str,
    input: &'static [u8],
    expect: Result<(), Error>,
}

const BAD: Result<(), Error> = Err(Error::BadSyntax);

fn rows() -> Vec<Row> {
    let row = |name, spec, input, expect| Row { name, spec, input, expect };
    vec![
        row(
            "object, after the RFC's",
            "RFC 8259 §13",
            br#"{"Image":{"Width":800,"Title":"View","Animated":false,"IDs":[116,943]}}"#,
            Ok(()),
        ),
        row(
            "array, after the RFC's",
            "RFC 8259 §13",
            br#"[{"precision":"zip","Latitude":37.7668,"Longitude":-122.3959,"Zip":null}]"#,
            Ok(()),
        ),
        row("three small texts", "RFC 8259 §13", br#""Hello world!""#, Ok(())),
        row("empty containers", "RFC 8259 §4", b"[{},[],[{}],{\"a\":[ ]},{ }]", Ok(())),
        row("white space", "RFC 8259 §2", b" \t\r\n[ 1 ,\t2 , {\"a\" : 1 , \"b\":2 } ]\n", Ok(())),
        row(
            "numbers",
            "RFC 8259 §6",
            b"[0,-0,10,-1.5,1e5,1E+5,0.1e-5,123456789012345678901234567890]",
            Ok(()),
        ),
        row("escapes", "RFC 8259 §7", br#""\"\\\/\b\f\n\r\t\u00e4\uD834\uDD1E""#, Ok(())),
        row("DEL and U+2028", "RFC 8259 §7", "\"\u{7f}\u{2028}\"".as_bytes(), Ok(())),
        row("equal keys", "RFC 8259 §4", br#"{"a":1,"a":2}"#, Ok(())),
        row("empty key", "RFC 8259 §4", br#"{"":1}"#, Ok(())),
        row("nothing", "RFC 8259 §2", b"", BAD),
        row("white space alone", "RFC 8259 §2", b" \n", BAD),
        row("two values", "RFC 8259 §2", b"1 2", BAD),
        row("form feed", "RFC 8259 §2", b"\x0c1", BAD),
        row("byte order mark", "RFC 8259 §8.1", b"\xef\xbb\xbf1", BAD),
        row("comma behind the last", "RFC 8259 §5", b"[1,]", BAD),
        row("comma before the first", "RFC 8259 §5", b"[,1]", BAD),
        row("comma alone", "RFC 8259 §5", b"[,]", BAD),
        row("no comma", "RFC 8259 §5", b"[1 2]", BAD),
        row("open array", "RFC 8259 §5", b"[1", BAD),
        row("open empty array", "RFC 8259 §5", b"[", BAD),
        row("closed twice", "RFC 8259 §5", b"[]]", BAD),
        row("wrong bracket", "RFC 8259 §5", b"[1}", BAD),
        row("wrong bracket, empty", "RFC 8259 §5", b"[}", BAD),
        row("wrong brace, empty", "RFC 8259 §4", b"{]", BAD),
        row("wrong brace", "RFC 8259 §4", b"{\"a\":1]", BAD),
        row("colon in an array", "RFC 8259 §5", b"[\"a\":1]", BAD),
        row("no colon", "RFC 8259 §4", b"{\"a\" 1}", BAD),
        row("no value", "RFC 8259 §4", b"{\"a\":}", BAD),
        row("no key", "RFC 8259 §4", b"{:1}", BAD),
        row("key of no string", "RFC 8259 §4", b"{1:1}", BAD),
        row("comma behind the last member", "RFC 8259 §4", b"{\"a\":1,}", BAD),
        row("open object", "RFC 8259 §4", b"{\"a\":1", BAD),
        row("open behind the comma", "RFC 8259 §4", b"{\"a\":1,", BAD),
        row("leading zero", "RFC 8259 §6", b"01", BAD),
        row("leading zero, negative", "RFC 8259 §6", b"-01", BAD),
        row("plus", "RFC 8259 §6", b"+1", BAD),
        row("minus alone", "RFC 8259 §6", b"-", BAD),
        row("point alone", "RFC 8259 §6", b".5", BAD),
        row("nothing behind the point", "RFC 8259 §6", b"1.", BAD),
        row("nothing behind the e", "RFC 8259 §6", b"1e", BAD),
        row("sign behind the e", "RFC 8259 §6", b"1e+", BAD),
        row("point and e", "RFC 8259 §6", b"1.e5", BAD),
        row("hexadecimal", "RFC 8259 §6", b"0x1", BAD),
        row("NaN", "RFC 8259 §6", b"NaN", BAD),
        row("half a literal", "RFC 8259 §3", b"tru", BAD),
        row("literal in capitals", "RFC 8259 §3", b"True", BAD),
        row("literal and more", "RFC 8259 §3", b"truer", BAD),
        row("open string", "RFC 8259 §7", b"\"a", BAD),
        row("single quotes", "RFC 8259 §7", b"'a'", BAD),
        row("raw newline", "RFC 8259 §7", b"\"a\nb\"", BAD),
        row("raw NUL", "RFC 8259 §7", b"\"\0\"", BAD),
        row("unknown escape", "RFC 8259 §7", br#""\x41""#, BAD),
        row("escape of capital U", "RFC 8259 §7", br#""\U0041""#, BAD),
        row("three digits", "RFC 8259 §7", br#""\u004""#, BAD),
        row("no hex digit", "RFC 8259 §7", br#""\u00g0""#, BAD),
        row("sign for a digit", "RFC 8259 §7", br#""\u+041""#, BAD),
        row("nothing behind the backslash", "RFC 8259 §7", b"\"\\", BAD),
        row("escaped end", "RFC 8259 §7", br#""\""#, BAD),
        row("not UTF-8", "RFC 8259 §8.1", b"\"\xff\"", BAD),
        row("half a character", "RFC 8259 §8.1", b"\"\xc3\"", BAD),
        row("surrogate in UTF-8", "RFC 8259 §8.1", b"\"\xed\xa0\x80\"", BAD),
        row("comment", "RFC 8259 §2", b"1 // one", BAD),
    ]
}

#[test]
fn texts_are_judged_as_serde_json_does() {
    for row in rows() {
        assert_eq!(validate(row.input), row.expect, "{} ({})", row.name, row.spec);
        let theirs = serde_json::from_slice::<Value>(row.input).is_ok();
        assert_eq!(theirs, row.expect.is_ok(), "{} ({}): serde_json", row.name, row.spec);
        // A prefix or a tail is another text; whatever is said of it, it is no panic.
        for end in 0..row.input.len() {
            compare(&row.input[..end]);
        }
        compare(&[row.input, row.input].concat());
        compare(&[row.input, b"\"tail\""].concat());
    }
}

/// Equal verdicts, but for the two differences that the module doc names.
fn compare(text: &[u8]) {
    let ours = validate(text);
    let shown = String::from_utf8_lossy(text);
    match serde_json::from_slice::<Value>(text) {
        Ok(_) => assert_eq!(ours, Ok(()), "{shown:?}"),
        Err(error) if ours.is_ok() => {
            let reason = error.to_string();
            let is_known = ["number out of range", "surrogate", "hex escape"];
            assert!(is_known.iter().any(|known| reason.contains(known)), "{shown:?}: {reason}");
        }
        Err(_) => {}
    }
}

#[test]
fn differences_from_serde_json() {
    let texts: [&[u8]; 6] = [
        b"1e999",
        b"-1e999",
        br#""\ud800""#,
        br#""\udc00""#,
        br#""\ud800\u0041""#,
        br#""\ud800x""#,
    ];
    for text in texts {
        assert_eq!(validate(text), Ok(()), "RFC 8259 §6, §8.2: {text:?}");
        assert!(serde_json::from_slice::<Value>(text).is_err(), "{text:?}");
    }
}

#[test]
fn depth_at_the_limit_and_past() {
    let kinds = [("[", "1", "]"), ("[", "", "]"), ("{\"a\":", "1", "}"), ("[{\"a\":", "{}", "}]")];
    for (open, inner, close) in kinds {
        let per_level = open.matches(['[', '{']).count();
        for levels in 1..=DEPTH_MAX as usize + 2 {
            let text = open.repeat(levels) + inner + &close.repeat(levels);
            let depth = levels * per_level + inner.matches('{').count();
            let expect = if depth <= DEPTH_MAX as usize { Ok(()) } else { Err(Error::TooDeep) };
            assert_eq!(validate(text.as_bytes()), expect, "{depth} of {open}");
            assert_eq!(
                serde_json::from_str::<Value>(&text).is_ok(),
                expect.is_ok(),
                "{depth} of {open}"
            );
        }
    }
    // No stack to overflow, and no long way to the answer.
    assert_eq!(validate(&b"[".repeat(1_000_000)), Err(Error::TooDeep));
    assert_eq!(validate(&b"{\"a\":".repeat(1_000_000)), Err(Error::TooDeep));
    // Width is no depth.
    let wide = format!("[{}1]", "[{}],".repeat(10_000));
    assert_eq!(validate(wide.as_bytes()), Ok(()));
}

#[test]
fn mutated_texts_are_judged_alike() {
    let seeds: Vec<_> = rows().into_iter().map(|row| row.input).collect();
    let alphabet = b"{}[]:,\"\\/ubnetrufalse019-+.eE \t\n\0\x1f\x7f\xc3\xa4\xed\xffdD8cC";
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    for _ in 0..60_000 {
        let mut text = seeds[next(seeds.len())].to_vec();
        for _ in 0..=next(4) {
            let (at, byte) = (next(text.len() + 1), alphabet[next(alphabet.len())]);
            match next(3) {
                0 if at < text.len() => text[at] = byte,
                1 if at < text.len() => drop(text.remove(at)),
                _ => text.insert(at, byte),
            }
        }
        compare(&text);
        compare_members(&text);
    }
}

/// Keys, values and decoded strings of an object, beside serde_json's.
fn compare_members(text: &[u8]) {
    let shown = String::from_utf8_lossy(text);
    match (members(text), serde_json::from_slice::<Value>(text)) {
        (Ok(ours), Ok(Value::Object(theirs))) => {
            let mut last = serde_json::Map::new();
            for (key, raw) in ours {
                let value = serde_json::from_slice::<Value>(raw).expect("a raw value is JSON");
                assert_eq!(string_value(raw).as_deref(), value.as_str(), "{shown:?}");
                last.insert(key.into_owned(), value);
            }
            assert_eq!(last, theirs, "{shown:?}");
        }
        (Err(Error::NotAnObject), Ok(theirs)) => assert!(!theirs.is_object(), "{shown:?}"),
        (Err(error), Ok(_)) => panic!("{error:?} for {shown:?}"),
        (_, Err(_)) => {}
        (Ok(_), Ok(_)) => panic!("no object, but members: {shown:?}"),
    }
}

#[test]
fn members_as_they_were_sent() {
    let text = b" { \"a\" : [1, 2] ,\"\\u0062\":\"x\" , \"c\":{\"d\":{}},\"a\":-1e5 } ";
    let found: Vec<_> = members(text)
        .unwrap()
        .map(|(key, raw)| (key.into_owned(), String::from_utf8_lossy(raw).into_owned()))
        .collect();
    let expect = [("a", "[1, 2]"), ("b", "\"x\""), ("c", "{\"d\":{}}"), ("a", "-1e5")];
    assert_eq!(found, expect.map(|(key, raw)| (key.to_owned(), raw.to_owned())));
    assert_eq!(members(b"{ }").unwrap().count(), 0);
    for text in [&b"[]"[..], b"1", b"\"{\"", b" null"] {
        assert_eq!(members(text).err(), Some(Error::NotAnObject), "{text:?}");
    }
    for text in [&b""[..], b"{", b"{\"a\":1}x", b"{\"a\":\"\xff\"}"] {
        assert_eq!(members(text).err(), Some(Error::BadSyntax), "{text:?}");
    }
}

#[test]
fn strings_decoded() {
    let rows: [(&str, &[u8], Option<&str>); 20] = [
        ("plain", b"\"abc\"", Some("abc")),
        ("empty", b"\"\"", Some("")),
        ("beyond ASCII", "\"äア🌍\"".as_bytes(), Some("äア🌍")),
        ("all short escapes", br#""\"\\\/\b\f\n\r\t""#, Some("\"\\/\u{8}\u{c}\n\r\t")),
        ("escapes among text", br#""a\nb\u00e4c""#, Some("a\nbäc")),
        ("NUL", br#""\u0000""#, Some("\0")),
        ("the RFC's G clef", br#""\uD834\uDD1E""#, Some("𝄞")),
        ("the last character", br#""\udbff\udfff""#, Some("\u{10ffff}")),
        ("lone high", br#""\ud834""#, Some("\u{fffd}")),
        ("lone low", br#""\udd1e!""#, Some("\u{fffd}!")),
        ("high and a letter", br#""\ud834\u0041""#, Some("\u{fffd}A")),
        ("high, high, low", br#""\ud834\ud834\udd1e""#, Some("\u{fffd}𝄞")),
        ("low, high", br#""\udd1e\ud834""#, Some("\u{fffd}\u{fffd}")),
        ("high and a newline", br#""\ud834\n""#, Some("\u{fffd}\n")),
        ("no quotes", b"abc", None),
        ("number", b"1", None),
        ("nothing", b"", None),
        ("one quote", b"\"", None),
        ("more behind it", b"\"a\" ", None),
        ("not UTF-8", b"\"\xff\"", None),
    ];
    for (name, raw, expect) in rows {
        assert_eq!(string_value(raw).as_deref(), expect, "{name} (RFC 8259 §7, §8.2)");
    }
    assert!(matches!(string_value(b"\"abc\""), Some(std::borrow::Cow::Borrowed("abc"))));
}

#[test]
fn strings_written() {
    let rows = [
        ("plain", "a/b", r#""a/b""#),
        ("empty", "", r#""""#),
        ("must be escaped", "\"\\", r#""\"\\""#),
        ("short forms", "\u{8}\u{c}\n\r\t", r#""\b\f\n\r\t""#),
        ("other controls", "\0\u{1}\u{1f}", r#""\u0000\u0001\u001f""#),
        ("left alone", "\u{7f}ä\u{2028}🌍</script>", "\"\u{7f}ä\u{2028}🌍</script>\""),
    ];
    for (name, text, expect) in rows {
        let mut out = Vec::new();
        write_string(&mut out, text);
        assert_eq!(String::from_utf8_lossy(&out), expect, "{name} (RFC 8259 §7)");
        assert_eq!(out, serde_json::to_vec(text).unwrap(), "{name}: serde_json");
        assert_eq!(string_value(&out).as_deref(), Some(text), "{name}: and back");
    }
    for code in 0..=0x2ff {
        let text = format!("<{}>", char::from_u32(code).unwrap());
        let mut out = Vec::new();
        write_string(&mut out, &text);
        assert_eq!(out, serde_json::to_vec(&text).unwrap(), "U+{code:04X}");
    }
}
