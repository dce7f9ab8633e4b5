//! What a client accepts.

use encke::proto::accept::names;

#[test]
fn a_media_type_is_named_or_not() {
    let rows: [(&str, bool); 16] = [
        ("text/event-stream", true),
        ("TEXT/Event-Stream", true),
        ("application/json, text/event-stream", true),
        ("text/event-stream;q=0.001", true),
        ("text/event-stream ; q=1.000", true),
        ("text/event-stream;charset=utf-8;q=0.5", true),
        // RFC 9110 §12.4.2: a weight of 0 means "not acceptable".
        ("text/event-stream;q=0", false),
        ("text/event-stream; Q=0.", false),
        ("text/event-stream;q=0.000, */*", false),
        ("text/event-stream;charset=utf-8;q=0.0", false),
        ("*/*", false),
        ("text/*", false),
        ("", false),
        ("text/event-streams", false),
        ("x-text/event-stream", false),
        ("text/html;a=text/event-stream", false),
    ];
    for (value, expect) in rows {
        assert_eq!(names(value.as_bytes(), "text/event-stream"), expect, "{value}");
    }
}
