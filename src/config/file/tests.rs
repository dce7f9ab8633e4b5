use super::*;
use crate::config::memory::Memory;
use crate::config::{HttpOrigin, show};

fn complete(text: &str) -> Result<Config, String> {
    parse("encke.toml", text).and_then(Config::complete)
}

#[test]
fn memory_is_a_text_or_a_number() {
    for (text, expect) in [
        ("memory = 268435456", Memory::Bytes(256 << 20)),
        ("memory = '1GiB'", Memory::Bytes(1 << 30)),
        ("memory = 'off'", Memory::Off),
        ("", Memory::Half),
    ] {
        assert_eq!(complete(text).unwrap().memory, expect, "{text}");
    }
}

/// What the message says first, the file's name left out.
#[track_caller]
fn refused(text: &str, expect: &str) {
    let error = complete(text).expect_err(text);
    let rest = error.strip_prefix("encke.toml:").unwrap_or_else(|| panic!("{error}"));
    assert!(rest.starts_with(expect), "{text}\n  {rest}\n  {expect}");
    assert!(!error.contains('\n'), "one line: {error}");
}

const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn nothing_in_it_is_the_default() {
    assert_eq!(complete("").unwrap(), Config::empty().complete().unwrap());
}

#[test]
fn every_kind_of_key() {
    let text = format!(
        r#"
        http = ["127.0.0.1:80", "unix:/run/encke"]
        cometql = "off"
        origin = "https://Example.com"
        echo = "/echo"
        echo_reverse = ["/ws.php"]
        deflate = false
        memory = "256M"
        publish_key = "k"
        token_secret = "{SECRET}"
        dev_id = 15
        [limits]
        message_bytes_max = 1_000
        retry_ms = 0x10
        [history]
        messages_max = 7
        [[rule]]
        channels = "news*"
        subscribe = "anyone"
        publish = "token"
        presence = "nobody"
        history = 0
        events = true
        json = true
        [[tenant]]
        name = "shop"
        publish_key = "s"
        cometql_password = "p"
        dev_id = 16
        [[tenant.rule]]
        channels = "*"
        "#
    );
    let config = complete(&text).unwrap();
    assert_eq!(config.http.len(), 2);
    assert_eq!(config.cometql, Some(None));
    assert_eq!(config.origins, [HttpOrigin::One("https://example.com".into())]);
    assert_eq!(
        config.echoes.iter().map(|echo| &*echo.path).collect::<Vec<_>>(),
        ["/echo", "/ws.php"]
    );
    assert!(!config.deflate);
    assert_eq!(config.memory, Memory::Bytes(256 << 20));
    assert_eq!((config.limits.message_bytes_max, config.limits.retry_ms), (1_000, 16));
    assert_eq!(config.history.keep.messages_max, 7);
    let [first, shop] = &config.tenants[..] else { panic!("two tenants") };
    assert_eq!((first.publish_key.as_deref(), first.dev_id), (Some("k"), Some(15)));
    assert_eq!(first.token_secret.as_deref(), Some(SECRET));
    let rule = Rule {
        prefix: "news".into(),
        subscribe: Some(Who::Anyone),
        publish: Some(Who::Token),
        presence: Some(Who::Nobody),
        history: Some(0),
        events: true,
        json: true,
    };
    assert_eq!(first.rules, [rule]);
    assert_eq!((&*shop.name, shop.dev_id), ("shop", Some(16)));
    assert_eq!(shop.cometql_password.as_deref(), Some("p"));
    assert_eq!(&*shop.rules[0].prefix, "");
}

#[test]
fn errors_say_the_line_and_what_to_write_instead() {
    let rows: &[(&str, &str)] = &[
        // TOML itself.
        ("http = \n", "1: "),
        ("a = 1\n[limits\n", "2: "),
        ("publish_key = 'a'\npublish_key = 'b'\n", "2: "),
        // Keys.
        ("\nhtpp = 'x'", "2: unknown key \"htpp\"; did you mean \"http\"?"),
        ("publish-key = 'x'", "1: unknown key \"publish-key\"; did you mean \"publish_key\"?"),
        ("frobnicate = 1", "1: unknown key \"frobnicate\"; encke --example-config"),
        ("retry_ms = 1", "1: \"retry_ms\" does not belong here, but under [limits]"),
        ("[limits]\npublish_key = 'k'", "2: \"publish_key\" does not belong here, but at the top"),
        (
            "[history]\nmesages_max = 1",
            "2: unknown key \"mesages_max\"; did you mean \"messages_max\"?",
        ),
        ("[limit]", "1: unknown key \"limit\"; did you mean \"limits\"?"),
        ("name = 'x'", "1: \"name\" does not belong here, but under [[tenant]]"),
        ("limits = 1", "1: limits: this is a section: write [limits]"),
        // Options.
        ("http = 8080", "1: http: 8080 is not a text: write http = \"…\" or [\"…\", \"…\"]"),
        ("http = [\n'127.0.0.1:1',\n'nonsense']", "3: http: \"nonsense\" is not an address like"),
        ("cometql = ['off']", "1: cometql: a list is not a text: write cometql = \"…\""),
        ("origin = ['example.com']", "1: origin: \"example.com\" is not an origin like"),
        ("echo = 'echo'", "1: echo: \"echo\" is not a path like /echo"),
        ("publish_key = ' '", "1: publish_key: a secret cannot be empty"),
        ("deflate = 'off'", "1: deflate: \"off\" is not true or false: write deflate = true"),
        ("token_secret = 'short'", "1: token_secret: 5 bytes are too few, HS256 needs 32"),
        (
            "\n\nhttp = '0.0.0.0:80'",
            "3: http 0.0.0.0:80 is reachable from other machines: that needs --publish-key",
        ),
        ("memory = 'much'", "1: memory: \"much\" is neither off nor a number of bytes like"),
        ("memory = 1000", "1: memory: 1000 is too little: the program and one turn"),
        ("memory = -1", "1: memory: -1 is out of range"),
        ("memory = 1.5", "1: memory: 1.5 is not a text: write memory = \"…\""),
        // Numbers.
        (
            "[limits]\nmessage_bytes_max = '128K'",
            "2: limits.message_bytes_max: \"128K\" is not a whole number: write one like 131072",
        ),
        ("[limits]\nretry_ms = 1.5", "2: limits.retry_ms: 1.5 is not a whole number"),
        (
            "[limits]\nhead_seconds = 0",
            "2: limits.head_seconds: 0 is out of range: write a number from 1 to 32000",
        ),
        ("[limits]\nhead_seconds = -1", "2: limits.head_seconds: -1 is out of range"),
        ("[history]\nseconds_max = 99999999999999999999", "2: "),
        (
            "dev_id = 4294967296",
            "1: dev_id: 4294967296 is out of range: write a number from 0 to 4294967295",
        ),
        // Rules.
        ("[rule]\nchannels = '*'", "1: rule: every rule begins with [[rule]]"),
        (
            "\n[[rule]]\nsubscribe = 'anyone'",
            "2: this rule does not say for which channels: add channels",
        ),
        (
            "[[rule]]\nchannels = 'news'",
            "2: channels: a rule is for a prefix: write \"news*\", or \"*\" for all",
        ),
        ("[[rule]]\nchannels = 'a b*'", "2: channels: \"a b*\": a channel name may hold"),
        (
            "[[rule]]\nchannels = '*'\npublish = 'everyone'",
            "3: publish: \"everyone\" is nobody: write \"anyone\", \"token\" or \"nobody\"",
        ),
        (
            "[[rule]]\nchannels = '*'\njson = 'yes'",
            "3: json: \"yes\" is not true or false: write json = true",
        ),
        ("[[rule]]\nchannels = '*'\nhistory = -1", "3: history: -1 is out of range"),
        (
            "[[rule]]\nchannels = '*'\nsubscribes = 'token'",
            "3: unknown key \"subscribes\"; did you mean \"subscribe\"?",
        ),
        (
            "[[rule]]\nchannels = '*'\n[[rule]]\nchannels = '*'",
            "3: there is a rule for \"*\" already: make one of both",
        ),
        (
            "[[rule]]\nchannels = '*'\npublish = 'token'",
            "1: the rule for \"*\" asks for tokens, but nothing says what signs them: add token_secret",
        ),
        // Tenants.
        ("[tenant]\nname = 'a'", "1: tenant: every tenant begins with [[tenant]]"),
        ("[[tenant]]\ndev_id = 1", "1: this tenant has no name: add name = \"shop\""),
        ("[[tenant]]\nname = 'a/b'", "2: name: \"a/b\" is no part of a URL"),
        (
            "[[tenant]]\nname = 'apps'",
            "2: name: /apps is a path of the server itself: choose another name, like \"apps1\"",
        ),
        (
            "[[tenant]]\nname = 'a'\n[[tenant]]\nname = 'a'",
            "4: name: there is a tenant \"a\" already",
        ),
        (
            "dev_id = 1\n[[tenant]]\nname = 'a'\ndev_id = 1",
            "4: dev_id: 1 is the first tenant's already: choose another",
        ),
        (
            "[[tenant]]\nname = 'a'\ndev_id = 1\n[[tenant]]\nname = 'b'\ndev_id = 1",
            "6: dev_id: 1 is tenant \"a\"'s already",
        ),
        (
            "[[tenant]]\nname = 'a'\ncometql_password = 'p'",
            "3: cometql_password: back ends log in to a further tenant by its number: add dev_id",
        ),
        (
            "[[tenant]]\nname = 'a'\norigin = '*'",
            "3: \"origin\" does not belong here, but at the top",
        ),
        (
            "[[tenant]]\nname = 'a'\n[[tenant.rule]]\nchannels = 'x'",
            "4: channels: a rule is for a prefix",
        ),
        (
            "http = '0.0.0.0:80'\npublish_key = 'k'\n[[tenant]]\nname = 'a'",
            "3: tenant \"a\" has no publish_key, but encke.toml:1: http 0.0.0.0:80 is reachable",
        ),
        (
            "[[tenant]]\nname = 'a'\n[[tenant.rule]]\nchannels = 'x*'\npublish = 'token'",
            "1: the rule for \"x*\" asks for tokens",
        ),
    ];
    for (text, expect) in rows {
        refused(text, expect);
    }
}

#[test]
fn every_route_is_no_tenant() {
    for name in RESERVED_NAMES {
        refused(&format!("[[tenant]]\nname = '{name}'"), "2: name: /");
    }
}

#[test]
fn errors_show_no_secrets() {
    for text in
        ["publish_key = ['hidden']", "token_secret = 'hidden'", "cometql_password = \"hidden\\q\""]
    {
        let error = complete(text).unwrap_err();
        assert!(!error.contains("hidden"), "{error}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = read(Path::new("/nowhere/encke.toml")).unwrap_err();
    assert!(error.starts_with("cannot read /nowhere/encke.toml: No such file"), "{error}");
}

/// The example with its commented keys taken in.
fn everything_in(example: &str) -> String {
    let is_key = |line: &&str| {
        line.starts_with('#') && line[1..].starts_with(|c: char| c == '[' || c.is_ascii_lowercase())
    };
    let line = |line| if is_key(&line) { &line[1..] } else { line };
    example.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_is_the_default() {
    let example = EXAMPLE.unwrap();
    let mut config = parse("example.toml", example).unwrap();
    if !crate::config::HAS_COMETQL {
        config.cometql = Some(None);
    }
    let mut config = config.complete().unwrap();
    config.places = Config::empty().complete().unwrap().places;
    assert_eq!(config, Config::empty().complete().unwrap());
}

#[test]
fn the_example_has_every_key_and_each_of_its_lines_is_good() {
    let text = everything_in(EXAMPLE.unwrap());
    let mut config = parse("example.toml", &text).unwrap();
    // Nobody has these files.
    assert_eq!((config.tls_certs.drain(..).count(), config.tls_keys.drain(..).count()), (1, 1));
    if !crate::config::HAS_COMETQL {
        config.cometql = Some(None);
    }
    config.complete().unwrap();
    let document = DeTable::parse(&text).unwrap();
    let table = document.get_ref();
    let has = |table: &DeTable<'_>, keys: &[&str]| {
        for &key in keys {
            assert!(table.contains_key(key), "{key} is not in the example");
        }
    };
    has(table, &top_keys());
    let section = |name: &str| table.get(name).unwrap().get_ref().as_table().unwrap();
    has(section("limits"), &bounds::LIMITS.each_ref().map(|bound| bound.key));
    has(section("history"), &bounds::HISTORY.each_ref().map(|bound| bound.key));
    let first =
        |name: &str| table.get(name).unwrap().get_ref().as_array().unwrap().first().unwrap();
    has(first("tls").get_ref().as_table().unwrap(), &TLS_KEYS);
    has(first("rule").get_ref().as_table().unwrap(), &RULE_KEYS);
    let tenant = first("tenant").get_ref().as_table().unwrap();
    has(tenant, &TENANT_KEYS);
    has(tenant, &["name"]);
}

#[test]
fn what_is_shown_is_a_file_that_says_the_same() {
    let mut config = parse("example.toml", &everything_in(EXAMPLE.unwrap())).unwrap();
    if !crate::config::HAS_COMETQL {
        config.cometql = Some(None);
    }
    config.tls_certs.clear();
    config.tls_keys.clear();
    config
        .echoes
        .push(crate::server::settings::Echo { path: "/\"\u{7f}\\".into(), is_reversed: false });
    let config = config.complete().unwrap();
    let shown = show::toml(&config, &config.settings(u64::MAX, None));
    assert_eq!(shown.matches("\"****\"").count(), 6, "{shown}");
    assert!(!shown.contains("secret\"") && !shown.contains("mysqli_connect"), "{shown}");
    // Masked, a secret is too short for one.
    let long = shown.replace("\"****\"", &format!("{SECRET:?}"));
    let mut again = complete(&long).unwrap();
    let mut expect = config;
    for tenant in expect.tenants.iter_mut().chain(&mut again.tenants) {
        (tenant.publish_key, tenant.token_secret, tenant.cometql_password) = (None, None, None);
    }
    again.places = expect.places.clone();
    assert_eq!(again, expect);
}

#[test]
fn the_readme_names_every_key() {
    let readme = include_str!("../../../README.md");
    let numbers = bounds::LIMITS.iter().map(|bound| bound.key);
    let numbers = numbers.chain(bounds::HISTORY.iter().map(|bound| bound.key));
    for key in
        top_keys().into_iter().chain(TENANT_KEYS).chain(RULE_KEYS).chain(TLS_KEYS).chain(numbers)
    {
        assert!(readme.contains(&format!("`{key}`")), "README.md does not name `{key}`");
    }
}
