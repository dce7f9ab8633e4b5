//! Server-sent events, read back by another reader.

use crate::support::event_stream::{Message, Reader, read};
use crate::support::splits::splits;
use encke::proto::sse::{Event, write_comment, write_event, write_retry};

#[test]
fn the_reader_agrees_with_the_examples() {
    type Expected<'a> = &'a [(&'a str, &'a str, &'a str)];
    let rows: [(&str, &str, Expected<'_>); 5] = [
        (
            "a stock ticker",
            "data: YHOO\ndata: +2\ndata: 10\n\n",
            &[("message", "YHOO\n+2\n10", "")],
        ),
        (
            "four blocks",
            ": test stream\n\ndata: first event\nid: 1\n\n\
             data:second event\nid\n\ndata:  third event\n\n",
            &[
                ("message", "first event", "1"),
                ("message", "second event", ""),
                ("message", " third event", ""),
            ],
        ),
        (
            "two empty ones",
            "data\n\ndata\ndata\n\ndata:",
            &[("message", "", ""), ("message", "\n", "")],
        ),
        ("optional space", "data:test\n\ndata: test\n\n", &[("message", "test", ""); 2]),
        ("all line ends", "event: a\rdata: b\r\ndata: c\n\r", &[("a", "b\nc", "")]),
    ];
    for (name, input, expect) in rows {
        let mut reader = Reader::default();
        reader.feed(input.as_bytes());
        // A CR at the very end waits for a LF.
        reader.feed(b"\n");
        let found: Vec<_> =
            reader.messages.iter().map(|m| (&*m.event, &*m.data, &*m.last_event_id)).collect();
        assert_eq!(found, expect, "{name} (HTML §9.2.6)");
    }
}

struct Row {
    name: &'static str,
    spec: &'static str,
    event: Event<'static>,
    wire: &'static str,
    /// What a listener gets, if one is called: event, data.
    expect: Option<(&'static str, &'static str)>,
}

const fn event(
    id: Option<&'static str>,
    event: Option<&'static str>,
    data: Option<&'static str>,
) -> Event<'static> {
    let data = match data {
        Some(data) => Some(data.as_bytes()),
        None => None,
    };
    Event { id, event, data }
}

#[test]
fn events() {
    const SPEC: &str = "HTML §9.2.5";
    let row = |name, event, wire, expect| Row { name, spec: SPEC, event, wire, expect };
    let rows = [
        row("data alone", event(None, None, Some("a")), "data: a\n\n", Some(("message", "a"))),
        row(
            "all fields",
            event(Some("7-1"), Some("chat"), Some("a")),
            "id: 7-1\nevent: chat\ndata: a\n\n",
            Some(("chat", "a")),
        ),
        row("empty data", event(None, None, Some("")), "data: \n\n", Some(("message", ""))),
        row(
            "empty event",
            event(None, Some(""), Some("a")),
            "event: \ndata: a\n\n",
            Some(("message", "a")),
        ),
        row(
            "LF",
            event(None, None, Some("a\nb")),
            "data: a\ndata: b\n\n",
            Some(("message", "a\nb")),
        ),
        row(
            "CR",
            event(None, None, Some("a\rb")),
            "data: a\ndata: b\n\n",
            Some(("message", "a\nb")),
        ),
        row(
            "CRLF",
            event(None, None, Some("a\r\nb")),
            "data: a\ndata: b\n\n",
            Some(("message", "a\nb")),
        ),
        row(
            "LF CR is two",
            event(None, None, Some("a\n\rb")),
            "data: a\ndata: \ndata: b\n\n",
            Some(("message", "a\n\nb")),
        ),
        row(
            "line ends at both ends",
            event(None, None, Some("\na\r\n")),
            "data: \ndata: a\ndata: \n\n",
            Some(("message", "\na\n")),
        ),
        row(
            "a line end alone",
            event(None, None, Some("\r")),
            "data: \ndata: \n\n",
            Some(("message", "\n")),
        ),
        row(
            "spaces stay",
            event(None, None, Some("  a ")),
            "data:   a \n\n",
            Some(("message", "  a ")),
        ),
        row(
            "colons stay",
            event(None, None, Some(":a: b")),
            "data: :a: b\n\n",
            Some(("message", ":a: b")),
        ),
        // Data can begin no field of its own.
        row(
            "forged fields",
            event(None, None, Some("a\n\nid: 9\nevent: x")),
            "data: a\ndata: \ndata: id: 9\ndata: event: x\n\n",
            Some(("message", "a\n\nid: 9\nevent: x")),
        ),
        row(
            "NUL in data",
            event(None, None, Some("a\0")),
            "data: a\0\n\n",
            Some(("message", "a\0")),
        ),
        row(
            "beyond ASCII",
            event(Some("ä"), None, Some("🌍")),
            "id: ä\ndata: 🌍\n\n",
            Some(("message", "🌍")),
        ),
        row("id alone calls nobody", event(Some("7-1"), None, None), "id: 7-1\n\n", None),
        row("event alone calls nobody", event(None, Some("x"), None), "event: x\n\n", None),
        row("nothing calls nobody", event(None, None, None), "\n", None),
        row(
            "empty id resets",
            event(Some(""), None, Some("a")),
            "id: \ndata: a\n\n",
            Some(("message", "a")),
        ),
    ];
    for row in &rows {
        let name = format!("{} ({})", row.name, row.spec);
        let mut out = Vec::new();
        write_event(&mut out, &row.event);
        assert_eq!(String::from_utf8_lossy(&out), row.wire, "{name}");
        let message = row.expect.map(|(event, data)| Message {
            event: event.to_owned(),
            data: data.to_owned(),
            last_event_id: row.event.id.unwrap_or_default().to_owned(),
        });
        let once: Vec<_> = message.into_iter().collect();
        for pieces in splits(&out) {
            let reader = read(&pieces);
            assert_eq!(reader.messages, once, "{name}: {} pieces", pieces.len());
            assert_eq!(reader.id, row.event.id.unwrap_or_default(), "{name}");
        }
        assert_eq!(read(&[&out, &out]).messages, [&once[..], &once].concat(), "{name}: doubled");
        let with_tail = [&out[..], b": tail\n\ndata: b\n\n"].concat();
        assert_eq!(read(&[&with_tail]).messages.len(), once.len() + 1, "{name}: tail");
    }
}

#[test]
fn comments_and_retry_call_nobody() {
    let written = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        out
    };
    let rows = [
        ("heartbeat", written(&|out| write_comment(out, "")), ":\n\n", None),
        ("words", written(&|out| write_comment(out, "hello")), ": hello\n\n", None),
        (
            "lines",
            written(&|out| write_comment(out, "a\r\nid: 1\rb")),
            ": a\n: id: 1\n: b\n\n",
            None,
        ),
        ("retry", written(&|out| write_retry(out, 3_000)), "retry: 3000\n\n", Some(3_000)),
        ("no delay", written(&|out| write_retry(out, 0)), "retry: 0\n\n", Some(0)),
    ];
    for (name, out, wire, retry) in rows {
        assert_eq!(String::from_utf8_lossy(&out), wire, "{name} (HTML §9.2.5)");
        for pieces in splits(&out) {
            let reader = read(&pieces);
            assert_eq!(
                (reader.messages, reader.id, reader.retry),
                (vec![], String::new(), retry),
                "{name}"
            );
        }
    }
}

/// Every data of up to six of these comes back with its line ends turned into LF.
#[test]
fn any_data_comes_back() {
    let alphabet = ['\r', '\n', ' ', ':', 'd'];
    for length in 0..=6_u32 {
        for count in 0..alphabet.len().pow(length) {
            let letter = |n| alphabet[count / alphabet.len().pow(n) % alphabet.len()];
            let data: String = (0..length).map(letter).collect();
            let mut out = Vec::new();
            write_event(&mut out, &event(Some("1"), Some("e"), None));
            write_event(&mut out, &Event { id: None, event: None, data: Some(data.as_bytes()) });
            let messages = read(&[&out]).messages;
            let expect = data.replace("\r\n", "\n").replace('\r', "\n");
            assert_eq!(messages.len(), 1, "{data:?}");
            assert_eq!(
                (&*messages[0].event, &*messages[0].data),
                ("message", &*expect),
                "{data:?}"
            );
        }
    }
}
