//! Everything but INSERT: what clients say by themselves, and what CometQL answers to the rest.

use crate::client::{Client, Reply, TWO_TENANTS, World, packet};
use encke::engines::memory::Limits;

const OK: Reply = Reply::Ok { affected: 0, id: 0 };

/// All of mysql-clients.md, "Statements sent by itself", "API calls", and reference section 4.4.
#[test]
fn statements_that_clients_send_by_themselves_are_ok() {
    let mut client = Client::open();
    for sql in [
        "SET NAMES utf8mb4",
        "SET NAMES utf8",
        "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_general_ci'",
        "SET AUTOCOMMIT = 0",
        "SET @@session.autocommit = OFF",
        "set autocommit=0",
        "SET character_set_server = 'utf8mb4'",
        "SET collation_connection = 'utf8mb4_unicode_ci'",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET section name value",
        "/*!40101 SET NAMES utf8 */",
        "COMMIT",
        "commit",
        "COMMIT ",
        "ROLLBACK",
        "rollback;",
        "BEGIN",
        "START TRANSACTION",
        "START TRANSACTION ",
        "USE CometQL_v1",
        "use `db_5`;",
        "-- a comment\nCOMMIT",
        "# a comment\nCOMMIT",
        "/* a comment */ COMMIT /* and another */;",
    ] {
        assert_eq!(client.query(sql), OK, "{sql}");
    }
}

#[test]
fn constants_are_selected() {
    let mut client = Client::open();
    let version = concat!("5.7.99-encke-", env!("CARGO_PKG_VERSION"));
    let comment = concat!("encke ", env!("CARGO_PKG_VERSION"), ", a Comet server");
    for (sql, columns, row) in [
        ("SELECT 1", &["1"][..], &["1"][..]),
        ("select 1;", &["1"], &["1"]),
        ("SELECT -1 AS `minus`", &["minus"], &["-1"]),
        ("SELECT 'it''s \\'so\\'' x", &["x"], &["it's 'so'"]),
        ("SELECT \"a\", NULL, TRUE", &["a", "NULL", "true"], &["a", "NULL", "1"]),
        ("SELECT 1 FROM DUAL", &["1"], &["1"]),
        ("SELECT (1)", &["(1)"], &["1"]),
        ("SELECT DATABASE()", &["DATABASE()"], &["NULL"]),
        ("SELECT VERSION()", &["VERSION()"], &[version]),
        ("SELECT USER(), CURRENT_USER()", &["USER()", "CURRENT_USER()"], &["root@%", "root@%"]),
        ("SELECT current_user", &["current_user"], &["root@%"]),
        ("select connection_id()", &["connection_id()"], &["7"]),
        ("select @@version_comment limit 1", &["@@version_comment"], &[comment]),
        ("select @@max_allowed_packet", &["@@max_allowed_packet"], &["200000"]),
        ("SELECT @@no_such_thing", &["@@no_such_thing"], &[""]),
        ("SELECT @mine", &["@mine"], &["NULL"]),
        ("select DATABASE(), USER() limit 1", &["DATABASE()", "USER()"], &["NULL", "root@%"]),
        (
            "SELECT @@session.auto_increment_increment AS a, @@character_set_client AS b, \
             @@GLOBAL.tx_isolation",
            &["a", "b", "@@GLOBAL.tx_isolation"],
            &["1", "utf8mb4", "READ-COMMITTED"],
        ),
        (
            "SELECT NOW(), UNIX_TIMESTAMP()",
            &["NOW()", "UNIX_TIMESTAMP()"],
            &["2025-11-21 01:53:20", "1763690000"],
        ),
    ] {
        let reply = client.query(sql);
        assert_eq!(reply.columns(), columns, "{sql}");
        assert_eq!(reply.values(), [row], "{sql}");
    }
    for sql in ["SELECT 1 LIMIT 0", "SELECT 1 LIMIT 1, 1", "SELECT 1 LIMIT 1 OFFSET 1"] {
        assert!(client.query(sql).values().is_empty(), "{sql}");
    }
    for sql in ["SELECT 1 LIMIT 0, 1", "SELECT 1 LIMIT 5 OFFSET 0"] {
        assert_eq!(client.query(sql).values(), [["1"]], "{sql}");
    }
}

#[test]
fn the_command_line_on_a_terminal_finds_its_way() {
    let mut client = Client::open();
    assert_eq!(client.query("show databases").values(), [["CometQL_v1"]]);
    let tables = [
        "users_auth",
        "users_time",
        "users_messages",
        "pipes_messages",
        "users_in_pipes",
        "pipes",
        "pipes_settings",
    ];
    assert_eq!(client.query("show tables").values(), tables.map(|table| [table]));
    let columns = ["id", "time", "name", "index", "event", "message", "user_id"];
    let columns = Reply::Fields(columns.map(str::to_string).to_vec());
    assert_eq!(client.command(b"\x04pipes_messages\0\0"), columns);
    assert_eq!(client.query("select @@version_comment limit 1").values().len(), 1);
    assert_eq!(client.query("SELECT DATABASE()").values(), [["NULL"]]);
    assert_eq!(client.command(b"\x02CometQL_v1"), OK);
    assert_eq!(client.query("SELECT DATABASE()").values(), [["CometQL_v1"]]);
    assert_eq!(
        client.command(b"\x09"),
        Reply::Other(
            concat!("Uptime: 60  Version: 5.7.99-encke-", env!("CARGO_PKG_VERSION")).into()
        )
    );
    let sql = "select @@character_set_client, @@character_set_connection, \
               @@character_set_server, @@character_set_database limit 1";
    assert_eq!(client.query(sql).values(), [["utf8mb4"; 4]]);
}

#[test]
fn show() {
    let mut client = Client::open();
    assert_eq!(client.query("SHOW WARNINGS").columns(), ["Level", "Code", "Message"]);
    assert!(client.query("show warnings").values().is_empty());
    let reply = client.query("SHOW VARIABLES LIKE 'lower_case_%'");
    assert_eq!(reply.columns(), ["Variable_name", "Value"]);
    assert_eq!(reply.values(), [["lower_case_table_names", "0"]]);
    let reply = client.query("SHOW SESSION VARIABLES LIKE 'CHARACTER\\_set\\_c%'");
    assert_eq!(reply.values().len(), 2);
    assert!(client.query("SHOW VARIABLES").values().len() > 30);
    let reply = client.query("SHOW VARIABLES LIKE 'have_ssl'");
    assert_eq!(reply.values(), [["have_ssl", "DISABLED"]], "there is no certificate");
    assert!(client.query("SHOW VARIABLES WHERE Variable_name = 'wait_timeout'").values().len() > 1);
    assert!(client.query("SHOW GLOBAL VARIABLES LIKE 'x%'").values().is_empty());
}

/// Number, SQLSTATE and the beginning of the text; the connection goes on.
#[test]
fn errors() {
    let mut client = Client::open();
    let long_name = "a".repeat(65);
    let insert = |values: &str| {
        format!("INSERT INTO pipes_messages (name, event, message) VALUES ({values})")
    };
    for (sql, number, state, text) in [
        ("SELEC 1".to_string(), 1064, "42000", "[3] Syntax error in query: 'SELEC' begins"),
        ("SELECT".into(), 1064, "42000", "[3] Syntax error in query: "),
        ("SELECT * FROM".into(), 1064, "42000", "[3] Syntax error in query: Expected"),
        ("SELECT 'open".into(), 1064, "42000", "[3] Syntax error in query: Unterminated"),
        ("SELECT 1; SELECT 2".into(), 1064, "42000", "[3] Syntax error in query: one statement"),
        ("DROP TABLE pipes".into(), 1064, "42000", "[3] Syntax error"),
        (insert("'abc', '', 'x'") + ")", 1064, "42000", "[3] Syntax error"),
        (insert("'abc', ''; 'x'"), 1064, "42000", "[3] Syntax error"),
        (String::new(), 1105, "HY000", "[17] Data is too short"),
        (" ; -- nothing".into(), 1105, "HY000", "[17] Data is too short"),
        ("USE nowhere".into(), 1049, "42000", "[15] Select database failure: unknown database"),
        ("SHOW TABLES FROM x".into(), 1049, "42000", "[15] "),
        ("USE db_".into(), 1049, "42000", "[15] "),
        ("USE db_x".into(), 1049, "42000", "[15] "),
        ("SELECT * FROM no_such".into(), 1146, "42S02", "[15] Table doesn't exist: 'no_such'"),
        ("UPDATE no_such SET a = 1".into(), 1146, "42S02", "[15] Table doesn't exist"),
        ("INSERT INTO PIPES_MESSAGES VALUES (1)".into(), 1146, "42S02", "[15] Table doesn't exist"),
        ("SELECT * FROM nowhere.pipes_messages".into(), 1049, "42000", "[15] Select database"),
        ("SHOW PLUGINS".into(), 1105, "HY000", "[2] SHOW PLUGINS is not"),
        ("SELECT SLEEP(5)".into(), 1105, "HY000", "[2] the function SLEEP is not yet implemented"),
        ("SELECT 1 + 1".into(), 1105, "HY000", "[2] an expression of this kind is not yet"),
        ("SELECT 1 UNION SELECT 2".into(), 1105, "HY000", "[2] "),
        ("SELECT a".into(), 1054, "42S22", "[14] Not a specific column: unknown column 'a'"),
        (
            "INSERT INTO pipes_messages (name, colour) VALUES (1, 2)".into(),
            1054,
            "42S22",
            "[14] Not a specific column",
        ),
        ("INSERT INTO pipes_messages (name, Event) VALUES (1, 2)".into(), 1054, "42S22", "[14] "),
        (
            "INSERT INTO pipes_messages (name, name) VALUES (1, 2)".into(),
            1105,
            "HY000",
            "[13] Each column",
        ),
        (
            "INSERT INTO pipes_messages (name, event) VALUES ('abc', '')".into(),
            1105,
            "HY000",
            "[12] field `message` is required",
        ),
        (insert("'abc', ''"), 1105, "HY000", "[14] Error in columns list"),
        (
            insert("'abc', '', 'x'), ('abc', ''"),
            1105,
            "HY000",
            "[14] Error in columns list: the number of values in row 2",
        ),
        (insert("'ab', '', 'x'"), 1105, "HY000", "[17] Channel name is too short"),
        (insert("'', '', 'x'"), 1105, "HY000", "[17] Channel name is too short"),
        (
            insert(&format!("'{long_name}', '', 'x'")),
            1406,
            "22001",
            "[11] Channel name is too long",
        ),
        (
            insert(&format!("'abc', '{long_name}', 'x'")),
            1406,
            "22001",
            "[11] Channel event_name is too long",
        ),
        (
            insert(&format!("'abc', '', '{}'", "x".repeat(100_001))),
            1406,
            "22001",
            "[11] Data is too long for column 'message': at most 100000 bytes",
        ),
        (insert("'a b c', '', 'x'"), 1105, "HY000", "[12] The channel name can contain only"),
        (insert("'abc', 'ä', 'x'"), 1105, "HY000", "[12] The channel name can contain only"),
        (insert("'encke:x', '', 'x'"), 1105, "HY000", "[12] The channel name can contain only"),
        (insert("'abc', '', NOW()"), 1105, "HY000", "[12] field `message` must be"),
        (insert(&vec!["'abc','','x'"; 51].join("),(")), 1105, "HY000", "[19] Too many rows"),
    ] {
        let reply = client.query(&sql);
        let error = reply.error();
        let shown: String = sql.chars().take(80).collect();
        assert_eq!((error.0, error.1), (number, state), "{shown}: {}", error.2);
        assert!(error.2.starts_with(text), "{shown}: {}", error.2);
        assert!(client.asked.is_empty(), "{shown}: a part of it was published");
    }
    assert_eq!(client.query("SELECT 1").values(), [["1"]]);
}

#[test]
fn a_statement_that_is_not_utf8_is_refused_and_the_connection_stays() {
    let mut client = Client::open();
    let reply = client
        .command(b"\x03INSERT INTO pipes_messages (name,event,message) VALUES ('abc','','\xff')");
    let (number, state, text) = reply.error();
    assert_eq!((number, state), (1366, "HY000"));
    assert!(text.starts_with("[12] Incorrect string value"), "{text}");
    assert_eq!(client.query("COMMIT"), OK);
}

#[test]
fn other_commands() {
    let mut client = Client::open();
    assert_eq!(client.command(b"\x0e"), OK);
    assert_eq!(client.command(b"\x1f"), OK);
    assert_eq!(client.command(b"\x1b\0\0"), Reply::Eof);
    for (payload, number, state) in [
        (&b"\x0d"[..], 1047, "08S01"),
        (b"\x0c\x01\0\0\0", 1047, "08S01"),
        (b"\x1b\x02\0", 1047, "08S01"),
        (b"\x04no_such\0", 1146, "42S02"),
        (b"\x07\x01", 1047, "08S01"),
        (b"\x7f", 1047, "08S01"),
        (b"", 1047, "08S01"),
        (b"\x11root", 1835, "HY000"),
        (b"\x02nowhere", 1049, "42000"),
        (b"\x02", 1049, "42000"),
        (b"\x02\xff\xfe", 1049, "42000"),
    ] {
        let reply = client.command(payload);
        let error = reply.error();
        assert_eq!((error.0, error.1), (number, state), "{payload:?}");
    }
    client.send(&packet(0, b"\x19\x01\0\0\0"));
    assert!(client.out.is_empty(), "COM_STMT_CLOSE has no answer");
    assert_eq!(client.command(b"\x0e"), OK);
    client.send(&packet(0, b"\x01"));
    assert!(client.closed && client.out.is_empty());
}

#[test]
fn a_tenant_sees_only_its_own_databases() {
    let world = World::new(Limits::default());
    let mut client = Client::log_in(world, TWO_TENANTS, ("2", "two", Some("db_2")));
    assert_eq!(client.query("SELECT DATABASE()").values(), [["db_2"]]);
    assert_eq!(client.query("USE CometQL_v1"), OK);
    for sql in ["USE db_1", "SHOW TABLES FROM db_1", "SELECT * FROM db_1.pipes_messages"] {
        assert_eq!(client.query(sql).error().0, 1049, "{sql}");
    }
    assert_eq!(client.command(b"\x02db_1").error().0, 1049);
    assert_eq!(
        client.query("INSERT INTO db_2.pipes_messages (name,event,message) VALUES ('abc','','')"),
        OK
    );
    assert!(matches!(
        &client.asked[..],
        [encke::hub::command::Command::Publish { tenant, .. }] if tenant.0 == 2
    ));
}
