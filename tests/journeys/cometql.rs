//! A back end that speaks MySQL.

use std::time::{Duration, Instant};

use encke::server::settings::{Settings, Tenant};

use crate::http::get;
use crate::listening::{Listening, Wire};
use crate::mysql::{MySql, Reply, packet};
use crate::server::{Encke, Inside, eventually};
use crate::websocket::Ws;

fn port(server: &Encke) -> std::net::SocketAddr {
    server.cometql.expect("a CometQL port")
}

#[test]
fn an_insert_is_heard_by_every_browser() {
    let server = Encke::start(&[]);
    let mut ws = Ws::connect(server.http, "/channels/SimplePhpChat");
    let mut sse = Listening::open(server.http, Wire::SseJson, "SimplePhpChat,other", None);
    let mut client = MySql::open(port(&server), None);
    let insert = "INSERT INTO pipes_messages (name, event, message) VALUES ";
    assert_eq!(client.query(format!("{insert}('SimplePhpChat', '', 'hello')")), Reply::Ok);
    assert_eq!(ws.read_text(), "hello");
    let rows = "('SimplePhpChat', 'x', 'it\\'s \\\"q\\\" ünï ☃ 😀'), (\"other\", 'y', ''), \
                ('SimplePhpChat', '', 'it''s')";
    assert_eq!(client.query(format!("{insert}{rows}")), Reply::Ok);
    assert_eq!([ws.read_text(), ws.read_text()], ["it's \"q\" ünï ☃ 😀", "it's"]);
    let items = [sse.next(), sse.next(), sse.next(), sse.next()];
    let shown: Vec<_> = items
        .iter()
        .map(|item| (item.channel.as_deref().unwrap(), &*item.event, item.data.as_str().unwrap()))
        .collect();
    assert_eq!(
        shown,
        [
            ("SimplePhpChat", "", "hello"),
            ("SimplePhpChat", "x", "it's \"q\" ünï ☃ 😀"),
            ("other", "y", ""),
            ("SimplePhpChat", "", "it's"),
        ]
    );
}

#[test]
fn every_error_has_mysqls_number_and_the_connection_goes_on() {
    let server = Encke::start(&[]);
    let mut client = MySql::open(port(&server), None);
    let insert = "INSERT INTO pipes_messages (name, event, message) VALUES ";
    let long_name = format!("{insert}('{}', '', 'x')", "n".repeat(65));
    let long_data = format!("{insert}('aaa', '', '{}')", "x".repeat(131_073));
    let bytes = [insert.as_bytes(), b"('aaa', '', '\xff')"].concat();
    let one_is_bad = format!("{insert}('aaa', '', 'fine'), ('aa', '', 'too short a name')");
    let rows: [(u16, &str, &[u8]); 11] = [
        (1064, "42000", b"INSRT INTO pipes_messages"),
        (1064, "42000", b"SELECT"),
        (1146, "42S02", b"INSERT INTO nothing (a) VALUES (1)"),
        (1054, "42S22", b"INSERT INTO pipes_messages (name, colour) VALUES ('aaa', 'x')"),
        (1366, "HY000", &bytes),
        (1406, "22001", long_name.as_bytes()),
        (1406, "22001", long_data.as_bytes()),
        (1105, "HY000", one_is_bad.as_bytes()),
        (1064, "42000", b"DROP TABLE pipes_messages"),
        (
            1105,
            "HY000",
            b"INSERT INTO pipes_messages (name, event, message) VALUES ('a b c', '', 'x')",
        ),
        (1105, "HY000", b""),
    ];
    for (number, state, sql) in rows {
        let what = String::from_utf8_lossy(&sql[..sql.len().min(80)]).into_owned();
        assert_eq!(client.query(sql).error(), (number, state), "{what}");
        assert_eq!(client.command(0x0e, b""), Reply::Ok, "COM_PING after {what}");
    }
    assert_eq!(client.command(0x7f, b"").error(), (1047, "08S01"));
    assert_eq!(client.command(0x02, b"nowhere").error(), (1049, "42000"));
    assert_eq!(client.command(0x02, b"CometQL_v1"), Reply::Ok);
    assert_eq!(client.command(0x16, b"SELECT ? FROM").error().0, 1064);
    assert_eq!(client.command(0x17, b"\x09\0\0\0\0\x01\0\0\0").error(), (1243, "HY000"));
    assert_eq!(get(server.http, "/stats").json()["messages_published"], 0, "all or none");
}

#[test]
fn what_clients_send_by_themselves_is_answered() {
    let server = Encke::start(&[]);
    let mut client = MySql::open(port(&server), None);
    for statement in [
        "SET NAMES utf8mb4",
        "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_general_ci'",
        "SET @@session.autocommit = OFF",
        "SET AUTOCOMMIT = 0",
        "set autocommit=1",
        "SET character_set_server = 'utf8mb4'",
        "START TRANSACTION",
        "COMMIT ",
        "ROLLBACK",
    ] {
        assert_eq!(client.query(statement), Reply::Ok, "{statement}");
    }
    for (statement, columns) in [
        ("select @@version_comment limit 1", 1),
        ("SELECT DATABASE()", 1),
        ("select DATABASE(), USER() limit 1", 2),
        ("SELECT @@character_set_client, @@character_set_connection", 2),
    ] {
        match client.query(statement) {
            Reply::Rows(rows) => assert_eq!(rows[0].len(), columns, "{statement}"),
            other => panic!("{statement}: {other:?}"),
        }
    }
    client.send(0, &[0x01]);
    client.ends();
}

#[test]
fn pipelined_and_dribbled_packets_are_answered_in_order() {
    let server = Encke::start(&[]);
    let mut ws = Ws::connect(server.http, "/channels/aaa");
    let mut client = MySql::open(port(&server), None);
    let insert = |n: usize| {
        let sql =
            format!("INSERT INTO pipes_messages (name, event, message) VALUES ('aaa', '', 'm{n}')");
        packet(0, &[b"\x03", sql.as_bytes()].concat())
    };
    let mut all: Vec<u8> = (0..200).flat_map(insert).collect();
    all.extend(packet(0, b"\x03nonsense"));
    all.extend(packet(0, b"\x0e"));
    client.send_raw(&all);
    for _ in 0..200 {
        assert_eq!(client.reply(1), Reply::Ok);
    }
    assert_eq!(client.reply(1).error().0, 1064);
    assert_eq!(client.reply(1), Reply::Ok);
    for byte in insert(200) {
        client.send_raw(&[byte]);
    }
    assert_eq!(client.reply(1), Reply::Ok);
    for n in 0..=200 {
        assert_eq!(ws.read_text(), format!("m{n}"));
    }
}

#[test]
fn only_the_right_password_is_let_in() {
    let server = Encke::start(&["--cometql-password", "geheim"]);
    let clients = [None, Some(""), Some("Geheim"), Some("geheim ")].map(|wrong| {
        let mut client = MySql::connect(port(&server));
        client.send_login("root", wrong);
        (wrong, client)
    });
    for (wrong, mut client) in clients {
        assert_eq!(client.reply(2).error(), (1045, "28000"), "{wrong:?}");
        client.ends();
    }
    let mut client = MySql::connect(port(&server));
    assert_eq!(client.log_in_caching("root", "wrong").error(), (1045, "28000"));
    client.ends();
    assert_eq!(MySql::connect(port(&server)).log_in("1", Some("geheim")), Reply::Ok);
    assert_eq!(MySql::connect(port(&server)).log_in_caching("root", "geheim"), Reply::Ok);
    server.says("wrong CometQL password");
    let log = server.log().join("\n");
    assert!(!log.contains("geheim"), "{log}");
    // Before the login nothing else is served.
    let mut client = MySql::connect(port(&server));
    client.send(1, b"\x03INSERT INTO pipes_messages (name, message) VALUES ('aaa', 'x')");
    assert!(matches!(client.reply(2), Reply::Error { .. }));
    client.ends();
    assert_eq!(get(server.http, "/stats").json()["messages_published"], 0);
}

#[test]
fn without_a_password_anybody_of_this_machine_is_let_in() {
    let server = Encke::start(&[]);
    for password in [None, Some(""), Some("anything")] {
        assert_eq!(MySql::connect(port(&server)).log_in("anybody", password), Reply::Ok);
    }
    assert_eq!(MySql::connect(port(&server)).log_in_caching("root", "anything"), Reply::Ok);
}

#[test]
fn packets_out_of_bounds_or_order_end_the_connection() {
    let server = Encke::start(&[]);
    let mut client = MySql::open(port(&server), None);
    client.send_raw(&[0xff, 0xff, 0xff, 0]);
    assert_eq!(client.reply(1).error().0, 1153);
    client.ends();
    let mut client = MySql::open(port(&server), None);
    client.send(5, b"\x0e");
    assert_eq!(client.reply(6).error().0, 1156);
    client.ends();
    let mut client = MySql::connect(port(&server));
    client.send(1, b"not a handshake response");
    assert_eq!(client.reply(2).error().0, 1043);
    client.ends();
    eventually("they are gone", || {
        (get(server.http, "/stats").json()["connections"]["cometql"] == 0).then_some(())
    });
}

#[test]
fn who_does_not_log_in_in_time_is_cut_off() {
    let mut settings = Settings::default();
    settings.limits.login_seconds = 1;
    settings.limits.mysql_idle_seconds = 2;
    settings.tenants =
        vec![Tenant { cometql_password: Some("geheim".into()), ..Tenant::default() }];
    let server = Inside::start(settings);
    let from = Instant::now();
    let mut silent = MySql::connect(server.cometql);
    let mut half = MySql::connect(server.cometql);
    half.send_raw(&[60, 0, 0, 1, 5, 5]);
    let mut idle = MySql::open(server.cometql, Some("geheim"));
    silent.ends();
    half.ends();
    assert!(from.elapsed() < Duration::from_secs(4), "{:?}", from.elapsed());
    idle.ends();
}

/// Who listens, what is kept and what is counted, as the tables of a real server show it.
#[test]
fn tables_show_the_server() {
    let server = Encke::start(&[]);
    let mut ws = Ws::connect(server.http, "/channels/chat");
    let mut client = MySql::open(port(&server), None);
    let rows = |client: &mut MySql, sql: &str| match client.query(sql) {
        Reply::Rows(rows) => {
            let text = |row: &Vec<Option<String>>| {
                row.iter()
                    .map(|value| value.as_deref().unwrap_or("NULL"))
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            rows.iter().map(text).collect::<Vec<_>>().join("|")
        }
        other => panic!("{sql}: {other:?}"),
    };
    let users = "SELECT users FROM pipes WHERE name = 'chat'";
    eventually("a subscriber", || (rows(&mut client, users) == "1").then_some(()));
    assert_eq!(
        rows(&mut client, "SELECT name, user_id FROM users_in_pipes WHERE name = 'chat'"),
        "chat 0"
    );
    for sql in [
        "INSERT INTO pipes_settings VALUES ('chat', 2)",
        "INSERT INTO pipes_messages (name, event, message) VALUES ('chat', 'e', 'one'), ('chat', '', 'two')",
        "INSERT INTO users_auth (id, hash) VALUES (7, 'key')",
        "INSERT INTO users_messages (id, event, message) VALUES (7, '', 'later')",
    ] {
        assert_eq!(client.query(sql), Reply::Ok, "{sql}");
    }
    assert_eq!([ws.read_text(), ws.read_text()], ["one", "two"]);
    for (sql, expect) in [
        ("SELECT index, event, message FROM pipes_messages WHERE name = 'chat'", "0 e one|1  two"),
        ("SELECT * FROM users_auth WHERE id = 7", "7 key"),
        ("SELECT * FROM users_messages WHERE id IN (7, 8)", "7 0  later"),
        ("SELECT * FROM users_time WHERE id = 7", "7 -1"),
        ("SHOW STATUS", "flag session|id 0|user_online 0|server_online 1|messages 2"),
        ("SHOW GLOBAL STATUS LIKE '%end_online'", "frontend_online 1|backend_online 1"),
    ] {
        assert_eq!(rows(&mut client, sql), expect, "{sql}");
    }
    if cfg!(target_os = "linux") {
        assert!(rows(&mut client, "SHOW RAM STATUS").contains("MemTotal "));
        assert!(rows(&mut client, "SHOW AVG STATUS").starts_with("load_avg_1 "));
    }
    drop(ws);
    eventually("nobody", || (rows(&mut client, users) == "0").then_some(()));
}

#[test]
fn a_back_end_reaches_its_own_tenant_alone() {
    let tenant = |name: &str, dev_id, password: &str| Tenant {
        name: name.into(),
        cometql_password: Some(password.into()),
        dev_id: Some(dev_id),
        ..Tenant::default()
    };
    let tenants = vec![tenant("", 1, "one"), tenant("shop", 7, "seven")];
    let server = Inside::start(Settings { tenants, ..Settings::default() });
    let mut first = Ws::connect(server.http, "/channels/news");
    let mut shop = Ws::connect(server.http, "/shop/channels/news");
    let log_in = |user: &str, password: &str| {
        let mut client = MySql::connect(server.cometql);
        let reply = client.log_in(user, Some(password));
        (client, reply)
    };
    for (user, password) in [("1", "seven"), ("7", "one"), ("2", "one"), ("root", "one")] {
        let (_, reply) = log_in(user, password);
        assert_eq!(reply.error(), (1045, "28000"), "{user} {password}");
    }
    for (user, password, text) in [("1", "one", "for the first"), ("7", "seven", "for the shop")] {
        let (mut client, reply) = log_in(user, password);
        assert_eq!(reply, Reply::Ok);
        let insert = "INSERT INTO pipes_messages (name, event, message) VALUES";
        assert_eq!(client.query(format!("{insert} ('news', '', '{text}')")), Reply::Ok);
    }
    assert_eq!(first.read_text(), "for the first");
    assert_eq!(shop.read_text(), "for the shop");
    let kept = get(server.http, "/channels/news").json();
    assert_eq!(kept.as_array().unwrap().len(), 1, "{kept}");
}
