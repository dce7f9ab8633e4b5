//! SHOW and DESCRIBE (cometql 44).

use crate::client::Client;

/// The seven that CppComet lists, in its order.
const LISTED: [&str; 7] = [
    "users_auth",
    "users_time",
    "users_messages",
    "pipes_messages",
    "users_in_pipes",
    "pipes",
    "pipes_settings",
];

#[test]
fn tables_are_listed_as_cppcomet_lists_them() {
    let mut client = Client::open();
    for sql in ["SHOW TABLES", "SHOW TABLES FROM CometQL_v1", "show tables in db_7;"] {
        let reply = client.query(sql);
        assert_eq!(reply.columns(), ["Tables"], "{sql}");
        assert_eq!(reply.values(), LISTED.map(|name| [name]), "{sql}");
    }
    let full = client.query("SHOW FULL TABLES LIKE 'users%'");
    assert_eq!(full.columns(), ["Tables", "Table_type"]);
    assert_eq!(full.values().len(), 4);
    assert_eq!(full.values()[0], ["users_auth", "BASE TABLE"]);
    assert!(client.query("SHOW TABLES LIKE 'nothing'").values().is_empty());
    assert_eq!(client.query("SHOW DATABASES").values(), [["CometQL_v1"]]);
    assert_eq!(client.query("SHOW SCHEMAS LIKE 'comet%'").values(), [["CometQL_v1"]]);
}

#[test]
fn columns_of_every_table_are_described() {
    let mut client = Client::open();
    let expect =
        [["id", "int(11)", "NO", "PRI", "NULL", ""], ["hash", "varchar(32)", "NO", "", "NULL", ""]];
    for sql in [
        "SHOW COLUMNS FROM users_auth",
        "SHOW FIELDS IN users_auth",
        "SHOW COLUMNS FROM users_auth FROM CometQL_v1",
        "SHOW COLUMNS FROM CometQL_v1.users_auth LIKE '%'",
        "DESCRIBE users_auth",
        "DESC `users_auth`;",
        "EXPLAIN CometQL_v1.users_auth",
        "DESCRIBE users_auth '%'",
    ] {
        let reply = client.query(sql);
        assert_eq!(reply.columns(), ["Field", "Type", "Null", "Key", "Default", "Extra"], "{sql}");
        assert_eq!(reply.values(), expect, "{sql}");
    }
    assert_eq!(client.query("DESCRIBE users_auth hash").values(), expect[1..]);
    assert_eq!(client.query("SHOW COLUMNS FROM users_auth LIKE 'i%'").values(), expect[..1]);
    for (table, columns) in [
        ("users_time", "id time"),
        ("users_messages", "id index event message"),
        ("pipes_messages", "id time name index event message user_id"),
        ("users_in_pipes", "name user_id user_uuid user_agent ip origin language"),
        ("pipes", "name users"),
        ("pipes_settings", "name length"),
        ("users_data", "id data"),
        ("revoked_tokens", "token"),
        ("conference", "name user_id caller_id message profile stream node"),
        ("conference_members", "name user_id join_time last_talking"),
        ("profiler", "tag time calls"),
    ] {
        let rows = client.query(&format!("SHOW COLUMNS FROM {table}")).values();
        let names: Vec<&str> = rows.iter().map(|row| &*row[0]).collect();
        assert_eq!(names.join(" "), columns, "{table}");
        let keys = rows.iter().filter(|row| row[3] == "PRI").count();
        assert_eq!(keys, 1, "{table}");
    }
    let full = client.query("SHOW FULL COLUMNS FROM pipes");
    assert_eq!(full.columns()[2], "Collation");
    assert_eq!(full.values()[0][..4], ["name", "varchar(64)", "utf8mb4_general_ci", "NO"]);
    assert_eq!(full.values()[1][..4], ["users", "int(11)", "NULL", "NO"]);
}

#[test]
fn the_rest_has_mysqls_shapes() {
    let mut client = Client::open();
    for (sql, columns, rows) in [
        ("SHOW TABLE STATUS", 18, 7),
        ("SHOW TABLE STATUS FROM CometQL_v1 LIKE 'users%'", 18, 4),
        ("SHOW INDEX FROM users_auth", 13, 1),
        ("SHOW KEYS FROM users_auth IN CometQL_v1", 13, 1),
        ("SHOW INDEXES FROM revoked_tokens WHERE Key_name = 'PRIMARY'", 13, 1),
        ("SHOW CREATE TABLE pipes_settings", 2, 1),
        ("SHOW ENGINES", 6, 1),
        ("SHOW STORAGE ENGINES", 6, 1),
        ("SHOW CHARACTER SET", 4, 1),
        ("SHOW CHARSET LIKE 'latin1'", 4, 0),
        ("SHOW COLLATION", 6, 1),
        ("SHOW COLLATION LIKE 'utf8mb4%'", 6, 1),
        ("SHOW COLLATION WHERE Charset = 'utf8mb4'", 6, 1),
        ("SHOW PROCESSLIST", 4, 1),
        ("SHOW FULL PROCESSLIST", 4, 1),
        ("SHOW WARNINGS LIMIT 5", 3, 0),
        ("SHOW ERRORS", 3, 0),
    ] {
        let reply = client.query(sql);
        assert_eq!((reply.columns().len(), reply.values().len()), (columns, rows), "{sql}");
    }
    let reply = client.query("SHOW PROCESSLIST");
    assert_eq!(reply.columns(), ["ServiceName", "id", "status", "count"]);
    let create = client.query("SHOW CREATE TABLE pipes_settings").values();
    assert_eq!(create[0][0], "pipes_settings");
    let text = "CREATE TABLE `pipes_settings` (\n  `name` varchar(64) NOT NULL,\n  `length` int(11) NOT NULL,\n  \
                PRIMARY KEY (`name`)\n) ENGINE=encke DEFAULT CHARSET=utf8mb4";
    assert_eq!(create[0][1], text);
}

#[test]
fn status_is_asked_of_the_server_by_kind() {
    let mut client = Client::open();
    for (sql, kind) in [
        ("SHOW STATUS", "Session"),
        ("SHOW SESSION STATUS", "Session"),
        ("show global status;", "Global"),
        ("SHOW AVG STATUS", "Average"),
        ("SHOW UPTIME STATUS", "Uptime"),
        ("SHOW RAM STATUS", "Ram"),
        ("SHOW FILESYSTEM STATUS", "FileSystem"),
    ] {
        let reply = client.query(sql);
        assert_eq!(reply.columns(), ["Variable_name", "Value"], "{sql}");
        assert_eq!(reply.values(), [["kind", kind], ["id", "0"]], "{sql}");
    }
    assert_eq!(client.query("SHOW STATUS LIKE 'i_'").values(), [["id", "0"]]);
    assert!(client.query("SHOW STATUS LIKE 'Ssl_cipher'").values().is_empty());
}

#[test]
fn what_cannot_be_shown_is_refused() {
    let mut client = Client::open();
    for (sql, number, text) in [
        ("SHOW", 1064, "[3] "),
        ("SHOW 5", 1064, "[3] "),
        ("SHOW COLUMNS", 1064, "[3] Syntax error in query: Expected: FROM, found: the end"),
        ("SHOW COLUMNS FROM", 1064, "[3] "),
        ("SHOW COLUMNS FROM 'users_auth'", 1064, "[3] "),
        ("SHOW COLUMNS FROM users_auth users_time", 1064, "[3] "),
        ("SHOW TABLES; SHOW TABLES", 1064, "[3] Syntax error in query: one statement"),
        ("SHOW TABLES LIKE", 1064, "[3] "),
        ("SHOW TABLES LIKE 5", 1064, "[3] "),
        ("SHOW TABLE", 1105, "[2] SHOW TABLE is not"),
        ("SHOW CREATE PROCEDURE x", 1105, "[2] SHOW CREATE is not"),
        ("SHOW GRANTS", 1105, "[2] SHOW GRANTS is not"),
        ("DESCRIBE", 1064, "[3] "),
        ("DESCRIBE dialogs", 1105, "[10] Table `dialogs` is not ready yet"),
        ("SHOW CREATE TABLE dialogs", 1105, "[10] Table `dialogs` is not ready yet"),
        ("DESCRIBE nothing", 1146, "[15] Table doesn't exist: 'nothing'"),
        ("SHOW COLUMNS FROM Users_Auth", 1146, "[15] "),
        ("SHOW INDEX FROM nothing", 1146, "[15] "),
        ("SHOW CREATE TABLE nothing", 1146, "[15] "),
        ("SHOW COLUMNS FROM users_auth FROM nowhere", 1049, "[15] "),
        ("SHOW TABLE STATUS FROM nowhere", 1049, "[15] "),
        ("DESCRIBE nowhere.users_auth", 1049, "[15] "),
        ("EXPLAIN SELECT * FROM users_auth WHERE id = 1", 1105, "[2] EXPLAIN of a statement"),
    ] {
        let reply = client.query(sql);
        let error = reply.error();
        assert_eq!(error.0, number, "{sql}: {}", error.2);
        assert!(error.2.starts_with(text), "{sql}: {}", error.2);
    }
}
