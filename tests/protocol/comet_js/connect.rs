//! Addresses, and what is read out of them.

use encke::dialects::comet_js::connect::{Api, Hello, Rejection, Uuid, is_path, parse};
use encke::dialects::comet_js::variant::{IDS, JSON, LEGACY};

const UUID: &str = "abcdefghijklmnopqrstuvwxyzABC_-9";

fn hello() -> Hello {
    Hello {
        key: Some("K3y".into()),
        has_bad_key: false,
        user: 7,
        dev_id: 15,
        version: (4, 8),
        uuid: Uuid::new(UUID.as_bytes()),
        api: Api::Official,
        session: None,
        channels: Vec::new(),
        since: None,
        personal_since: None,
        transport_poll: false,
        command_number: None,
    }
}

fn fields(behind: &str) -> String {
    format!("/ws/sesion=K3y&myid=7&devid=15&v=4.08&uuid={UUID}&api={behind}")
}

#[test]
fn four_paths_are_connections() {
    for prefix in ["/ws/", "//ws/", "/comet-server/ws/", "//comet-server/ws/"] {
        assert!(is_path(prefix.as_bytes()), "{prefix}");
        let path = format!("{prefix}{}", &fields("js")[4..]);
        assert_eq!(parse(path.as_bytes(), 256), Ok(hello()), "{prefix}");
    }
    let others = [
        "/ws",
        "ws/",
        "/",
        "",
        "///ws/",
        "/WS/",
        "/wss/",
        "/comet-server/",
        "/comet-server//ws/",
        "/a/ws/",
        "/sesion=K3y&myid=7",
        "/channels/ws/",
    ];
    for path in others {
        assert!(!is_path(path.as_bytes()), "{path}");
    }
}

#[test]
fn fields_are_read_by_place_and_then_by_name() {
    type Change = fn(&mut Hello);
    let long = |len: usize| "k".repeat(len);
    let uuid = format!("{UUID}tail");
    let rows: Vec<(&str, &str, String, Change)> = vec![
        ("as 4.08 sends it", "1.1", fields("js"), |_| {}),
        ("no api at all", "1.1", fields("js").replace("&api=js", ""), |_| {}),
        ("key of 4.08 without one", "1.1", fields("js").replace("K3y", "undefined"), |hello| {
            hello.key = None;
        }),
        ("key of 3.25 without one", "1.1", fields("js").replace("K3y", "null"), |hello| {
            hello.key = None;
        }),
        ("empty key", "1.1", fields("js").replace("K3y", ""), |hello| hello.key = None),
        ("key with an =", "1.1", fields("js").replace("K3y", "a=b"), |hello| {
            hello.key = Some("a=b".into());
        }),
        ("longest key", "1.1", fields("js").replace("K3y", &long(600)), |hello| {
            hello.key = Some("k".repeat(600).into());
        }),
        (
            "too long a key is wrong, no more",
            "1.3",
            fields("js").replace("K3y", &long(601)),
            |hello| {
                (hello.key, hello.has_bad_key) = (None, true);
            },
        ),
        ("user not set", "1.1", fields("js").replace("myid=7", "myid=undefined"), |hello| {
            hello.user = 0;
        }),
        ("user null", "1.1", fields("js").replace("myid=7", "myid=null"), |hello| hello.user = 0),
        ("user negative", "1.1", fields("js").replace("myid=7", "myid=-7"), |hello| hello.user = 0),
        ("user with a sign", "1.1", fields("js").replace("myid=7", "myid=+7"), |hello| {
            hello.user = 0;
        }),
        ("user of letters", "1.1", fields("js").replace("myid=7", "myid=7a"), |hello| {
            hello.user = 0;
        }),
        ("largest user", "1.1", fields("js").replace("myid=7", "myid=2147483648"), |hello| {
            hello.user = 1 << 31;
        }),
        ("too large a user", "1.1", fields("js").replace("myid=7", "myid=2147483649"), |hello| {
            hello.user = 0;
        }),
        (
            "far too large",
            "1.1",
            fields("js").replace("myid=7", &format!("myid={}", "9".repeat(30))),
            |hello| {
                hello.user = 0;
            },
        ),
        ("place counts, not name", "1.1", fields("js").replace("myid=7", "uid=7"), |_| {}),
        ("field without =", "1.1", fields("js").replace("myid=7", "7"), |hello| hello.user = 0),
        ("dev_id of letters", "1.1", fields("js").replace("devid=15", "devid=x"), |hello| {
            hello.dev_id = 0;
        }),
        (
            "dev_id too large",
            "1.1",
            fields("js").replace("devid=15", "devid=4294967296"),
            |hello| {
                hello.dev_id = 0;
            },
        ),
        ("older version", "1.1", fields("js").replace("4.08", "3.25"), |hello| {
            hello.version = (3, 25);
        }),
        ("uuid too long", "1.1", fields("js").replace(UUID, &uuid), |_| {}),
        ("uuid stops at &", "1.1 ours", fields("js").replace(UUID, "short"), |hello| {
            hello.uuid = Uuid::new(b"short");
        }),
        ("uuid empty", "1.1", fields("js").replace(UUID, ""), |hello| hello.uuid = None),
        ("uuid of other characters", "1.1 ours", fields("js").replace(UUID, "a\"b"), |hello| {
            hello.uuid = None;
        }),
        ("unknown field", "ours", fields("js&colour=red"), |_| {}),
        ("our client", "ours", fields("encke"), |hello| hello.api = Api::Encke),
        ("its key", "ours", fields("encke").replace("K3y", "a%26b"), |hello| {
            (hello.api, hello.key) = (Api::Encke, Some("a&b".into()));
        }),
        ("its bad key", "ours", fields("encke").replace("K3y", "a%2"), |hello| {
            (hello.api, hello.key, hello.has_bad_key) = (Api::Encke, None, true);
        }),
        ("keys of others are as they are", "1.1", fields("js").replace("K3y", "a%2"), |hello| {
            hello.key = Some("a%2".into());
        }),
        ("session", "ours", fields("encke&session=0123456789abcdef"), |hello| {
            (hello.api, hello.session) = (Api::Encke, Some("0123456789abcdef".into()));
        }),
        (
            "session before the api",
            "ours",
            fields("x&session=0123456789abcde_&api=encke"),
            |hello| {
                (hello.api, hello.session) = (Api::Encke, Some("0123456789abcde_".into()));
            },
        ),
        ("session of another client", "ours", fields("js&session=short"), |_| {}),
        ("pipes", "ours", fields("js&pipes=web_a,b-2,,web_a,"), |hello| {
            hello.channels = vec![name("web_a"), name("b-2")];
        }),
        ("pipes, percent-encoded", "ours", fields("js&pipes=aa%2Cbb"), |hello| {
            hello.channels = vec![name("aa"), name("bb")];
        }),
        ("no pipes", "ours", fields("js&pipes="), |_| {}),
        ("cursors", "ours", fields("encke&since=1763690000-1&msg=1763690000-2"), |hello| {
            hello.api = Api::Encke;
            hello.since = "1763690000-1".parse().ok();
            hello.personal_since = "1763690000-2".parse().ok();
        }),
        ("no cursors yet", "ours", fields("js&since=&msg="), |_| {}),
        ("polling", "ours", fields("js&transport=poll&n=1763690000123"), |hello| {
            (hello.transport_poll, hello.command_number) = (true, Some(1_763_690_000_123));
        }),
        ("not polling", "ours", fields("js&transport=sse"), |_| {}),
    ];
    for (row, section, path, change) in rows {
        let mut expect = hello();
        change(&mut expect);
        assert_eq!(parse(path.as_bytes(), 256), Ok(expect), "{row} ({section}): {path}");
    }
}

fn name(text: &str) -> encke::hub::names::ChannelName {
    encke::hub::names::ChannelName::new(text.as_bytes()).unwrap()
}

#[test]
fn what_is_missing_is_told() {
    let rows = [
        ("nothing", "1.3", "/ws/", Rejection::NO_SESSION),
        ("no =", "1.3", "/ws/sesion&myid&devid", Rejection::NO_SESSION),
        ("no user", "1.3", "/ws/sesion=K3y", Rejection::NO_USER),
        ("no key, no user", "1.3", "/ws/=", Rejection::NO_USER),
        ("no dev_id", "1.3", "/ws/sesion=K3y&myid=7", Rejection::NO_DEV_ID),
        ("no version", "1.3", "/ws/sesion=K3y&myid=7&devid=15", Rejection::NO_VERSION),
        (
            "another third field",
            "1.3",
            "/ws/sesion=K&myid=7&devid=1&uuid=4.08&",
            Rejection::NO_VERSION,
        ),
        ("version ends it", "1.3", "/ws/sesion=K&myid=7&devid=1&v=4.08", Rejection::NO_VERSION),
        ("one number", "1.3", "/ws/sesion=K&myid=7&devid=1&v=4&uuid=a", Rejection::NO_VERSION),
        ("no minor", "1.3", "/ws/sesion=K&myid=7&devid=1&v=4.&uuid=a", Rejection::NO_VERSION),
        ("no major", "1.3", "/ws/sesion=K&myid=7&devid=1&v=.8&uuid=a", Rejection::NO_VERSION),
        (
            "three numbers",
            "1.3",
            "/ws/sesion=K&myid=7&devid=1&v=4.0.8&uuid=a",
            Rejection::NO_VERSION,
        ),
        ("letters", "1.3", "/ws/sesion=K&myid=7&devid=1&v=4.x&uuid=a", Rejection::NO_VERSION),
        ("negative", "1.3", "/ws/sesion=K&myid=7&devid=1&v=-4.8&uuid=a", Rejection::NO_VERSION),
        ("too large", "1.3", "/ws/sesion=K&myid=7&devid=1&v=65536.0&uuid=a", Rejection::NO_VERSION),
    ];
    for (row, section, path, expect) in rows {
        assert_eq!(parse(path.as_bytes(), 256), Err(expect), "{row} ({section})");
    }
    let codes = [Rejection::NO_SESSION, Rejection::NO_USER, Rejection::NO_DEV_ID];
    assert_eq!(codes.map(|rejection| rejection.code), [401, 401, 406]);
    assert_eq!((Rejection::NO_VERSION.code, Rejection::ORIGIN.code), (418, 423));
}

#[test]
fn fields_of_our_own_are_refused_when_unreadable() {
    let many: Vec<String> = (0..257).map(|n| format!("pipe{n}")).collect();
    let rows = [
        ("session too short", "encke&session=0123456789abcde".to_owned()),
        ("session too long", format!("encke&session={}", "a".repeat(65))),
        ("session of other characters", "encke&session=0123456789abcdef.".to_owned()),
        ("pipe of one character", "js&pipes=web_a,b".to_owned()),
        ("pipe too long", format!("js&pipes={}", "a".repeat(65))),
        ("pipe with a dot", "js&pipes=web_a.x".to_owned()),
        ("too many pipes", format!("js&pipes={}", many.join(","))),
        ("half an escape", "js&pipes=aa%2".to_owned()),
        ("not UTF-8", "js&pipes=%ff%ff".to_owned()),
        ("bad cursor", "js&since=yesterday".to_owned()),
        ("cursor out of range", "js&since=1-4294967296".to_owned()),
        ("bad personal cursor", "js&msg=1763690000".to_owned()),
        ("unknown transport", "js&transport=pigeon".to_owned()),
        ("no transport", "js&transport=".to_owned()),
        ("transport without this form", "js&transport=iframe".to_owned()),
        ("command number of letters", "js&n=x".to_owned()),
        ("no command number", "js&n".to_owned()),
        ("command number too large", "js&n=18446744073709551616".to_owned()),
    ];
    for (row, behind) in rows {
        let rejection = parse(fields(&behind).as_bytes(), 256).expect_err(row);
        // Up to 400 the client would try again and again.
        assert!(rejection.code > 400 && !rejection.text.is_empty(), "{row}: {rejection:?}");
    }
    let just_enough = many[..256].join(",");
    let path = fields(&format!("js&pipes={just_enough},pipe0"));
    assert_eq!(parse(path.as_bytes(), 256).map(|hello| hello.channels.len()), Ok(256));
}

#[test]
fn a_key_that_is_not_text_is_a_wrong_key() {
    let path = [b"/ws/sesion=\xff&myid=7&devid=15&v=4.08&uuid=", UUID.as_bytes()].concat();
    let expect = Hello { key: None, has_bad_key: true, ..hello() };
    assert_eq!(parse(&path, 256), Ok(expect));
}

#[test]
fn a_uuid_comes_back_as_it_was() {
    for len in 1..=32 {
        for start in 0..UUID.len() {
            let text: String = UUID.chars().cycle().skip(start).take(len).collect();
            let uuid = Uuid::new(text.as_bytes()).unwrap();
            assert_eq!(uuid.to_string(), text);
            assert_ne!(Some(uuid), Uuid::new(&text.as_bytes()[..len - 1]), "{text}");
        }
    }
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    for half in [&alphabet[..32], &alphabet[32..]] {
        assert_eq!(Uuid::new(half.as_bytes()).unwrap().to_string(), half);
    }
    assert_eq!(Uuid::new(alphabet.as_bytes()).unwrap().to_string(), alphabet[..32]);
    assert_eq!(size_of::<Option<Uuid>>(), 26);
    for bad in [&b""[..], b" ", b"a b", b"a.b", b"\xc3\xa4", b"a\0"] {
        assert_eq!(Uuid::new(bad), None, "{bad:?}");
    }
}

#[test]
fn versions_and_clients_have_their_variants() {
    let rows = [
        ((4, 8), Api::Official, JSON),
        ((5, 0), Api::Official, JSON),
        ((3, 25), Api::Official, JSON | LEGACY),
        ((0, 0), Api::Official, JSON | LEGACY),
        ((4, 8), Api::Encke, JSON | IDS),
    ];
    for (version, api, expect) in rows {
        assert_eq!(Hello { version, api, ..hello() }.variant(), expect, "{version:?} {api:?}");
    }
}
