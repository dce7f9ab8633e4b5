use super::stops::{KERNEL_BYTES, PROGRAM_BYTES, TLS_BYTES, TRACKED_BYTES, USER_BYTES};
use super::*;
use crate::config::memory::Memory;
use crate::reactor::machine::{Group, Machine, Table};

/// A machine of eight gigabytes whose limits nobody has raised.
fn machine() -> Machine {
    Machine {
        descriptors: 20_000,
        nr_open: Some(1_048_576),
        watches: Some(1_800_000),
        available_bytes: Some(8 << 30),
        page_bytes: 4_096,
        tcp_pages: Some(100_000),
        send_bytes_max: Some(4 << 20),
        somaxconn: Some(4_096),
        syn_backlog: Some(128),
        has_syn_cookies: true,
        ..Machine::default()
    }
}

/// A rented one of half a gigabyte.
fn small() -> Machine {
    Machine {
        descriptors: 1_048_576,
        watches: Some(110_000),
        available_bytes: Some(350 << 20),
        tcp_pages: Some(7_418),
        ..machine()
    }
}

fn has(text: &str, line: &str) -> bool {
    text.lines().any(|known| known == line)
}

#[test]
fn the_first_to_stop_is_named_marked_and_raised() {
    let text = capacity(&Config::empty(), &machine());
    let first = "# Room for about 19,968 idle clients; first to stop more: descriptor limit.\n";
    assert!(text.starts_with(first), "{text}");
    let rows: Vec<&str> = text.lines().skip(1).take_while(|line| *line != "#").collect();
    assert_eq!(rows.len(), 4, "{text}");
    assert!(rows[0].starts_with("# > descriptor limit  "), "{text}");
    assert!(rows[0].ends_with("20,000 − 32 for itself; fs.nr_open allows 1,048,576"), "{text}");
    assert!(rows[1..].iter().all(|row| row.starts_with("#   ")), "{text}");
    let ends = rows.iter().map(|row| row.chars().take(42).collect::<String>());
    assert!(ends.into_iter().all(|row| row.ends_with(|c: char| c.is_ascii_digit())), "{text}");
    assert!(text.contains("\n# Raise it to the next stop, 1,000,000 clients, "), "{text}");
    assert!(has(&text, "#     LimitNOFILE=1048576") && !text.contains("fs.nr_open="), "{text}");
    assert!(!text.contains("Hint"), "{text}");
    let mut config = Config::empty();
    config.history.history_bytes_max = 1;
    let text = capacity(&config, &small());
    assert!(text.contains("first to stop more: memory") && !text.contains("history_bytes_max"));
    config.limits.connections_max = 10;
    let text = capacity(&config, &machine());
    assert!(text.contains("about 10 idle clients; first to stop more: limits."), "{text}");
    assert!(
        text.contains("as configured") && has(&text, "#     connections_max = 19968"),
        "{text}"
    );
}

#[test]
fn more_than_the_kernel_gives_a_process_is_raised_first() {
    let mut config = Config::empty();
    config.limits.connections_max = 1_500_000;
    let machine = Machine { descriptors: 1_048_576, ..machine() };
    let text = capacity(&config, &machine);
    let nr_open = text.find("#     sysctl -w fs.nr_open=2097152\n").expect(&text);
    assert!(nr_open < text.find("#     LimitNOFILE=2097152\n").expect(&text), "{text}");
}

#[test]
fn each_stop_stops_and_is_raised_to_the_next() {
    let group = |megabytes: u64| Group {
        left: megabytes << 20,
        most: 200 << 20,
        limit: "/sys/fs/cgroup/memory.max".to_owned(),
    };
    let table = Table { most: 65_536, used: 536 };
    let each = USER_BYTES + KERNEL_BYTES;
    let aside = (64 << 20) + PROGRAM_BYTES;
    let cases = [
        (
            Machine { watches: Some(50_000), ..small() },
            50_000,
            "epoll registrations",
            format!("sysctl -w fs.epoll.max_user_watches={}", ((350 << 20) - aside) / each + 1_024),
        ),
        (
            Machine { files_open: 1_000, files_left: Some(60_000), ..small() },
            60_000,
            "open files of all",
            format!("sysctl -w fs.file-max={}", ((350 << 20) - aside) / each + 2_024),
        ),
        (
            Machine { tracked: Some(table), available_bytes: None, ..small() },
            65_000,
            "tracked connections",
            "sysctl -w net.netfilter.nf_conntrack_max=110536".to_owned(),
        ),
        (
            small(),
            ((350 << 20) - aside) / each,
            "memory",
            "history_bytes_max = 16777216".to_owned(),
        ),
        (
            Machine {
                tracked: Some(table),
                watches: None,
                available_bytes: Some(100 << 20),
                ..small()
            },
            ((100 << 20) - aside) / (each + TRACKED_BYTES),
            "memory",
            "history_bytes_max = 16777216".to_owned(),
        ),
        (
            Machine { group: Some(group(172)), watches: Some(26_000), ..small() },
            26_000,
            "epoll registrations",
            format!("sysctl -w fs.epoll.max_user_watches={}", ((172 << 20) - aside) / each + 1_024),
        ),
        (
            Machine { group: Some(group(78)), watches: Some(26_000), ..small() },
            ((78 << 20) - aside) / each,
            "memory of the cgroup",
            "systemctl set-property encke.service MemoryMax=294M".to_owned(),
        ),
    ];
    for (machine, clients, name, command) in cases {
        let text = capacity(&Config::empty(), &machine);
        let clients = grouped(clients);
        let first =
            format!("# Room for about {clients} idle clients; first to stop more: {name}.\n");
        assert!(text.starts_with(&first), "{first}{text}");
        assert!(text.contains(&format!("# > {name} ")), "{text}");
        assert!(has(&text, &format!("#     {command}")), "{command}\n{text}");
    }
}

#[test]
fn the_ceiling_of_memory_is_a_stop_too() {
    let machine = Machine { descriptors: 10_000_000, memory_bytes: Some(64 << 20), ..machine() };
    let row = |config: &Config| {
        let text = capacity(config, &machine);
        text.lines().find(|line| line.contains(" memory ceiling ")).map(str::to_owned)
    };
    let mut config = Config::empty();
    let half = row(&config).unwrap();
    let clients = grouped((28 << 20) / USER_BYTES);
    assert!(half.starts_with("# > ") && half.contains(&clients), "{half}");
    assert!(half.ends_with("7/8 of --memory, 32 MB; 64 B each, history gives way"), "{half}");
    config.limits.connections_max = 655_360;
    let text = capacity(&config, &machine);
    assert!(has(&text, "#     --memory 47M"), "{text}");
    config.memory = Memory::Bytes(1 << 30);
    assert!(row(&config).unwrap().contains("--memory, 1,024 MB; "));
    config.memory = Memory::Off;
    assert_eq!(row(&config), None);
}

#[test]
fn who_speaks_tls_takes_more() {
    let machine = Machine { descriptors: 10_000_000, watches: None, ..machine() };
    let mut config = Config::empty();
    let clients = |config: &Config| {
        let text = capacity(config, &machine);
        let line = text.lines().find(|line| line.contains("> memory ")).expect(&text);
        let number = line.split_whitespace().nth(3).expect(line).replace(',', "");
        (number.parse::<f64>().expect(line), line.to_owned())
    };
    config.limits.connections_max = 100_000_000;
    let (plain, _) = clients(&config);
    config.https.push(crate::config::options::address("127.0.0.1:443").unwrap());
    let (secure, line) = clients(&config);
    let each = (USER_BYTES + KERNEL_BYTES) as f64;
    assert!((plain / secure - (each + TLS_BYTES as f64) / each).abs() < 0.01, "{line}");
    assert!(line.contains("1,104 + 4,096 B each"), "{line}");
}

#[test]
fn a_hint_needs_a_reason() {
    let loaded = Some(Table { most: 1_000_000, used: 0 });
    let in_use = Some(Table { most: 1_000_000, used: 3 });
    let mut config = Config::empty();
    config.http = vec!["127.0.0.1:81".parse().map(crate::reactor::listener::Address::Tcp).unwrap()];
    let cases = [
        ("somaxconn", Machine { somaxconn: Some(128), ..machine() }, true),
        ("tcp_syncookies=1", Machine { has_syn_cookies: false, ..machine() }, true),
        ("tcp_syncookies", machine(), false),
        ("--dport 81 -j CT --notrack", Machine { tracked: in_use, ..machine() }, true),
        ("--sport 81 -j CT --notrack", Machine { tracked: in_use, ..machine() }, true),
        ("--notrack", Machine { tracked: loaded, ..machine() }, false),
        ("tcp_wmem='4096 16384 262144'", small(), true),
        ("tcp_wmem", Machine { send_bytes_max: Some(262_144), ..small() }, false),
        // A quarter of what is left for clients: 282 MB.
        ("tcp_mem='13536 18048 27072'", small(), true),
        ("tcp_mem", Machine { tcp_pages: Some(16_000), ..small() }, false),
        ("tcp_mem", Machine { descriptors: 1_024, ..small() }, false),
    ];
    for (word, machine, is_there) in cases {
        let text = capacity(&config, &machine);
        assert_eq!(text.contains(word), is_there, "{word}\n{text}");
    }
}

#[test]
fn what_back_ends_keep_is_told_where_it_matters() {
    let mut config = Config::empty().complete().unwrap();
    let text = capacity(&config, &small());
    assert_eq!(text.contains("records_bytes_max = 16777216"), crate::config::HAS_COMETQL, "{text}");
    config.cometql = Some(None);
    assert!(!capacity(&config, &small()).contains("records_bytes_max"));
}

#[test]
fn every_line_is_a_comment_of_readable_length() {
    let machine = Machine {
        tracked: Some(Table { most: 9, used: 9 }),
        somaxconn: Some(1),
        has_syn_cookies: false,
        ..small()
    };
    let text = capacity(&Config::empty().complete().unwrap(), &machine);
    for line in text.lines() {
        assert!(line == "#" || line.starts_with("# "), "{line}");
        let is_command = line.starts_with("#     ");
        assert!(is_command || line.chars().count() <= 120, "{line}");
    }
}

#[test]
fn numbers_are_grouped() {
    for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
        assert_eq!(grouped(number), text);
    }
}
