//! Who asked, as proxies say it.

use encke::proto::forwarded::{address, nodes};
use encke::proto::http1::{HeaderSpace, Limits, parse_head};

fn named(lines: &str) -> Vec<String> {
    let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let limits = Limits { head_bytes_max: 4_096, target_bytes_max: 1_024 };
    let mut space = HeaderSpace::new();
    let (head, _) = parse_head(text.as_bytes(), &mut space, &limits).unwrap().unwrap();
    nodes(&head).into_iter().map(|node| String::from_utf8_lossy(node).into_owned()).collect()
}

#[test]
fn the_nearest_proxy_speaks_last() {
    let rows: [(&str, &[&str]); 12] = [
        ("", &[]),
        ("X-Forwarded-For: 1.1.1.1\r\n", &["1.1.1.1"]),
        ("X-Forwarded-For: 1.1.1.1, 2.2.2.2\r\n", &["1.1.1.1", "2.2.2.2"]),
        ("x-forwarded-for: 1.1.1.1\r\nX-Forwarded-For: b ,,c\r\n", &["1.1.1.1", "b", "c"]),
        ("Forwarded: for=1.1.1.1\r\n", &["1.1.1.1"]),
        ("Forwarded: For=\"[2001:db8::1]:4711\"\r\n", &["[2001:db8::1]:4711"]),
        ("Forwarded: for=_a;by=b;proto=http, proto=https;for=c\r\n", &["_a", "c"]),
        ("Forwarded: for=a\r\nForwarded: for = b\r\n", &["a", "b"]),
        ("Forwarded: host=\"x,for=evil;for=evil\";for=c\r\n", &["c"]),
        ("Forwarded: proto=https\r\n", &[""]),
        ("X-Real-IP: 1.1.1.1\r\n", &["1.1.1.1"]),
        // What a proxy appends to wins over what a client may have brought along.
        ("X-Real-IP: 9.9.9.9\r\nForwarded: for=8.8.8.8\r\nX-Forwarded-For: 1.1.1.1\r\n", {
            &["1.1.1.1"]
        }),
    ];
    for (lines, expect) in rows {
        assert_eq!(named(lines), expect, "{lines}");
    }
}

#[test]
fn a_node_has_an_address_or_none() {
    for (node, expect) in [
        ("192.0.2.1", Some("192.0.2.1")),
        ("192.0.2.1:80", Some("192.0.2.1")),
        ("2001:db8::1", Some("2001:db8::1")),
        ("[2001:db8::1]", Some("2001:db8::1")),
        ("[2001:db8::1]:80", Some("2001:db8::1")),
        ("::ffff:192.0.2.1", Some("192.0.2.1")),
        (" 192.0.2.1 ", Some("192.0.2.1")),
        ("unknown", None),
        ("_hidden", None),
        ("unix:", None),
        ("", None),
        ("192.0.2.1, 192.0.2.2", None),
        ("192.0.2.1:99999", None),
        ("example.com", None),
        ("\u{fc}", None),
    ] {
        let found = address(node.as_bytes());
        assert_eq!(found, expect.map(|text| text.parse().unwrap()), "{node}");
    }
}
