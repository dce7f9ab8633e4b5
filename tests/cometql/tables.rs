//! Every table: what its verbs do to the engine, and what they answer (cometql 33 to 39, 43).

use std::cell::RefCell;
use std::rc::Rc;

use crate::client::{Client, NOW, Reply, TWO_TENANTS, World};
use encke::cometql::Member;
use encke::engines::memory::Limits;
use encke::hub::command::{By, Command, Happened, NewMessage, Outcome, Refusal};
use encke::hub::message::{Data, MessageId, Sender, TenantId};
use encke::hub::names::{ChannelName, EventName};

const T: TenantId = TenantId(0);

fn ok(affected: u64, id: u64) -> Reply {
    Reply::Ok { affected, id }
}

/// Runs statements and expects these answers; rows as `a b|c d`.
fn expect(client: &mut Client, table: &[(&str, &str)]) {
    for (sql, expected) in table {
        let told = match client.query(sql) {
            Reply::Ok { affected, id } => format!("ok {affected} {id}"),
            Reply::Error { number, state, text } => format!("{number} {state} {text}"),
            rows @ Reply::Rows { .. } => {
                let rows: Vec<_> = rows.values().iter().map(|row| row.join(" ")).collect();
                rows.join("|")
            }
            other => panic!("{sql}: {other:?}"),
        };
        let fits = match expected.strip_suffix('…') {
            Some(beginning) => told.starts_with(beginning),
            None => told == *expected,
        };
        let shown: String = sql.chars().take(200).collect();
        assert!(fits, "{shown}\n  told     {told}\n  expected {expected}");
    }
}

fn world() -> Rc<RefCell<World>> {
    World::new(Limits::default())
}

fn arrive(world: &RefCell<World>, tenant: TenantId, user: &str) -> usize {
    let command = Command::Arrive { tenant, user: user.into(), since: None, word: None };
    match world.borrow_mut().run(vec![command]) {
        Outcome::Arrived { waiting, .. } => waiting.len(),
        other => panic!("{other:?}"),
    }
}

fn depart(world: &RefCell<World>, user: &str) {
    let (unread, word) = (Vec::new(), None);
    let (user, upto) = (user.into(), MessageId::MAX);
    let command = Command::Depart { tenant: T, user, unread, upto, word };
    assert_eq!(world.borrow_mut().run(vec![command]), Outcome::Done);
}

fn kicked(world: &RefCell<World>) -> Vec<String> {
    let user = |happened: &Happened| match happened {
        Happened::UserKicked { user, .. } => Some(user.to_string()),
        _ => None,
    };
    world.borrow().feed.iter().filter_map(user).collect()
}

/// cometql 33.
#[test]
fn users_auth() {
    let world = world();
    let mut client = Client::open_in(world.clone());
    let bad_id = "1105 HY000 [12] The id field must be non-negative…";
    expect(
        &mut client,
        &[
            ("INSERT INTO users_auth (id, hash) VALUES (7, 'abc')", "ok 1 7"),
            ("INSERT INTO users_auth (\"id\", 'hash') VALUES ('8', 'X=+/_9')", "ok 1 8"),
            ("INSERT INTO users_auth VALUES (9, word)", "ok 1 9"),
            ("INSERT INTO users_auth (hash, id) VALUES ('new', 7)", "ok 1 7"),
            ("INSERT INTO users_auth VALUES (2147483648, '')", "ok 1 2147483648"),
            ("INSERT INTO users_auth VALUES (20, 'a'), (21, 'b'), (22, 'c')", "ok 3 20"),
            ("INSERT INTO users_auth SET id = 23, hash = 'd'", "ok 1 23"),
            ("SELECT * FROM users_auth WHERE id = 7", "7 new"),
            ("SELECT hash, id FROM users_auth WHERE id IN (9, 1, 8)", "word 9|X=+/_9 8"),
            ("INSERT IGNORE INTO users_auth VALUES (7, 'other')", "ok 0 0"),
            ("INSERT IGNORE INTO users_auth VALUES (7, 'other'), (30, 'fresh')", "ok 1 7"),
            ("REPLACE INTO users_auth VALUES (30, 'old')", "ok 1 30"),
            ("SELECT hash FROM users_auth WHERE id IN (7, 30)", "new|old"),
            (
                "INSERT INTO users_auth (id, hash) VALUES (7, 'k') ON DUPLICATE KEY UPDATE hash = VALUES(hash)",
                "ok 1 7",
            ),
            (
                "INSERT INTO users_auth (id, hash) VALUES (7, 'l') ON DUPLICATE KEY UPDATE hash = 'l'",
                "ok 1 7",
            ),
            (
                "INSERT INTO users_auth (id, hash) VALUES (7, 'm') AS new ON DUPLICATE KEY UPDATE hash = new.hash",
                "ok 1 7",
            ),
            (
                "INSERT INTO users_auth (id, hash) VALUES (7, 'n') ON DUPLICATE KEY UPDATE id = id",
                "ok 0 0",
            ),
            (
                "INSERT INTO users_auth (id, hash) VALUES (7, 'n') ON DUPLICATE KEY UPDATE hash = 'o'",
                "1105 HY000 [2] ON DUPLICATE KEY UPDATE to other values…",
            ),
            ("SELECT hash FROM users_auth WHERE id = 7", "m"),
            ("UPDATE users_auth SET hash = 'u' WHERE id = 7", "ok 1 0"),
            ("UPDATE users_auth SET hash = 'v' WHERE id IN (8, 9, 777)", "ok 2 0"),
            ("UPDATE users_auth SET hash = 'v' WHERE id = 777", "ok 0 0"),
            ("SELECT * FROM users_auth WHERE id IN (7, 8, 777)", "7 u|8 v"),
            ("INSERT INTO users_auth VALUES (0, 'a')", bad_id),
            ("INSERT INTO users_auth VALUES (-5, 'a')", bad_id),
            ("INSERT INTO users_auth VALUES ('+5', 'a')", bad_id),
            ("INSERT INTO users_auth VALUES (1.5, 'a')", bad_id),
            ("INSERT INTO users_auth VALUES ('', 'a')", bad_id),
            ("INSERT INTO users_auth VALUES (x, 'a')", bad_id),
            ("INSERT INTO users_auth VALUES (2147483649, 'a')", bad_id),
            ("INSERT INTO users_auth VALUES (99999999999999999999, 'a')", bad_id),
            ("INSERT INTO users_auth VALUES (5, 'ok'), (0, 'a')", bad_id),
            ("SELECT * FROM users_auth WHERE id = 5", ""),
            (
                "INSERT INTO users_auth VALUES (5, '123456789012345678901234567890123')",
                "1406 22001 [11] Hash string is too long…",
            ),
            ("INSERT INTO users_auth VALUES (5, '12345678901234567890123456789012')", "ok 1 5"),
            (
                "INSERT INTO users_auth VALUES (5, 'a-b')",
                "1105 HY000 [12] Contains an invalid characters in the string hash…",
            ),
            ("INSERT INTO users_auth VALUES (5, 'ä')", "1105 HY000 [12] Contains…"),
            ("INSERT INTO users_auth VALUES (5, NOW())", "1105 HY000 [12] field `hash` must be…"),
            ("INSERT INTO users_auth (id) VALUES (5)", "1105 HY000 [12] field `hash` is required"),
            (
                "INSERT INTO users_auth (id, time) VALUES (5, 1)",
                "1054 42S22 [14] Not a specific column…",
            ),
            ("INSERT INTO users_auth VALUES (5)", "1105 HY000 [14] Error in columns list…"),
            (
                "INSERT INTO users_auth (id, id) VALUES (5, 5)",
                "1105 HY000 [13] Each column in the insert…",
            ),
            ("UPDATE users_auth SET hash = 'a-b' WHERE id = 7", "1105 HY000 [12] Contains…"),
            ("UPDATE users_auth SET id = 3 WHERE id = 7", "1105 HY000 [2] UPDATE of a key…"),
            ("UPDATE users_auth SET hash = 'a'", "1105 HY000 [13] Updating without…"),
            ("UPDATE users_auth SET hash = 'a' WHERE id = 7 AND hash = 'u'", "1105 HY000 [2] …"),
            ("UPDATE users_auth SET hash = 'a' WHERE id = 7 LIMIT 1", "1105 HY000 [2] …"),
            ("UPDATE users_auth SET colour = 'a' WHERE id = 7", "1054 42S22 [14] …"),
        ],
    );
    assert!(kicked(&world).is_empty(), "a new key ends nobody");
}

/// cometql 22, 33: who loses its key is ended.
#[test]
fn users_auth_delete() {
    let world = world();
    let mut client = Client::open_in(world.clone());
    let no_key = "1105 HY000 [13] Deleting without transferring the requested values of the primary key \
                  is not supported…";
    expect(
        &mut client,
        &[
            ("INSERT INTO users_auth VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')", "ok 4 1"),
            ("DELETE FROM users_auth", no_key),
            ("DELETE FROM users_auth WHERE hash = 'a'", no_key),
            ("DELETE FROM users_auth WHERE id <> 1", no_key),
            (
                "DELETE FROM users_auth WHERE id = 1 AND hash = 'a'",
                "1105 HY000 [2] Deleting by another…",
            ),
            ("DELETE FROM users_auth WHERE id = 1 AND colour = 1", "1054 42S22 [14] …"),
            ("DELETE users_auth FROM users_auth WHERE id = 1", "1105 HY000 [2] …"),
            ("SELECT COUNT(*) FROM users_auth WHERE id IN (1, 2, 3, 4)", "4"),
            ("DELETE FROM users_auth WHERE id = 'x'", "ok 0 0"),
        ],
    );
    assert!(kicked(&world).is_empty());
    expect(
        &mut client,
        &[
            ("DELETE FROM users_auth WHERE id IN (1, 2, 3, 99) AND id <> 2 LIMIT 1", "ok 0 0"),
            ("SELECT id FROM users_auth WHERE id IN (1, 2, 3, 4)", "2|4"),
        ],
    );
    assert_eq!(kicked(&world), ["1", "3", "99"]);
}

/// cometql 34.
#[test]
fn users_time() {
    let world = world();
    let mut client = Client::open_in(world.clone());
    arrive(&world, T, "5");
    arrive(&world, T, "6");
    world.borrow_mut().second += 10;
    depart(&world, "6");
    let seen = format!("5 0|6 {}|7 -1|0 -1", NOW + 10);
    let read_only = "1105 HY000 [10] Table `users_time` is read only";
    expect(
        &mut client,
        &[
            ("SELECT id, time FROM users_time WHERE id IN( 5, 6, 7, 'x', 0, 5 )", &seen),
            ("SELECT time FROM users_time WHERE id = '5'", "0"),
            ("SELECT * FROM users_time WHERE id IN (5, 7) AND time >= 0", "5 0"),
            ("SELECT id FROM users_time WHERE id IN (5, 6, 7) ORDER BY time", "7|5|6"),
            ("SELECT * FROM users_time WHERE id = 'x'", ""),
            ("INSERT INTO users_time (id, time) VALUES (5, 1)", read_only),
            ("INSERT INTO users_time (colour) VALUES (5)", read_only),
            ("DELETE FROM users_time WHERE id = 5", read_only),
            ("DELETE FROM users_time", read_only),
            ("UPDATE users_time SET time = 1 WHERE id = 5", read_only),
        ],
    );
}

/// cometql 20, 37, 46.
#[test]
fn users_messages() {
    let world = world();
    let mut client = Client::open_in(world.clone());
    let insert = "INSERT INTO users_messages (id, event, message) VALUES";
    let sql = |values: &str| format!("{insert} {values}");
    expect(
        &mut client,
        &[
            (&sql("(5, 'ev', '{\"a\":\\'x\\'}')"), "ok 0 5"),
            (&sql("(5, '', 'zwei'), (6, '', 'drei')"), "ok 0 5"),
            (&sql("(0, '', 'nobody')"), "ok 0 0"),
            (
                "INSERT INTO users_messages (id, index, event, message) VALUES (5, 77, 'e', NULL)",
                "ok 0 5",
            ),
            ("INSERT INTO users_messages VALUES (300, 0, 'e', 'm')", "ok 0 300"),
            (
                "SELECT * FROM users_messages WHERE id = 5",
                "5 0 ev {\"a\":'x'}|5 1  zwei|5 2 e NULL",
            ),
            ("SELECT message FROM users_messages WHERE id IN (6, 5) AND event = ''", "drei|zwei"),
            ("SELECT message FROM users_messages WHERE id = 5 AND index = 1", "zwei"),
            ("SELECT * FROM users_messages WHERE id IN (9, 'x')", ""),
            (&sql("(-1, '', 'x')"), "1105 HY000 [12] The id field must be non-negative…"),
            (
                &sql("(5, 'a b', 'x')"),
                "1105 HY000 [12] The channel name can contain only the characters A-Za-z0-9_-",
            ),
            (
                &sql(&format!("(5, '{}', 'x')", "e".repeat(65))),
                "1406 22001 [11] Channel event_name is too long",
            ),
            (
                &sql(&format!("(5, 'e', '{}')", "x".repeat(100_001))),
                "1406 22001 [11] Data is too long for column 'message'…",
            ),
            (&sql("(5, 'e')"), "1105 HY000 [14] …"),
            (
                "INSERT INTO users_messages (id, message) VALUES (5, 'x')",
                "1105 HY000 [12] field `event` is required",
            ),
            (
                "UPDATE users_messages SET message = 'x' WHERE id = 5",
                "1105 HY000 [2] UPDATE of `users_messages` is not…",
            ),
            ("DELETE FROM users_messages", "1105 HY000 [13] Deleting without…"),
            ("DELETE FROM users_messages WHERE id = 5 AND index = 1", "1105 HY000 [2] …"),
            ("SELECT COUNT(*) FROM users_messages WHERE id = 5", "3"),
            ("DELETE FROM users_messages WHERE id = 6", "ok 0 0"),
            ("DELETE FROM users_messages WHERE id = 'x'", "ok 0 0"),
            ("SELECT COUNT(*) FROM users_messages WHERE id IN (5, 6)", "3"),
        ],
    );
    assert_eq!(arrive(&world, T, "5"), 3, "what waited is there once");
    assert_eq!(arrive(&world, T, "5"), 0);
    expect(
        &mut client,
        &[("SELECT * FROM users_messages WHERE id = 5", ""), (&sql("(5, '', 'live')"), "ok 0 5")],
    );
    assert!(matches!(world.borrow().feed.last(), Some(Happened::ToUser(message))
        if &*message.user == "5" && message.data.as_text() == Some("live")));
    assert_eq!(client.query("SELECT COUNT(*) FROM users_messages WHERE id = 5").values(), [["0"]]);
}

#[test]
fn fourteen_messages_wait_in_order() {
    let mut client = Client::open();
    for n in 1..=14 {
        let sql = format!("INSERT INTO users_messages (id, event, message) VALUES (9, '', '{n}')");
        assert_eq!(client.query(&sql), ok(0, 9));
    }
    let rows = client.query("SELECT index, message FROM users_messages WHERE id = 9").values();
    let expected: Vec<_> = (1..=14).map(|n| vec![(n - 1).to_string(), n.to_string()]).collect();
    assert_eq!(rows, expected);
}

/// cometql 35.
#[test]
fn pipes_and_who_is_in_them() {
    let world = world();
    let mut client = Client::open_in(world.clone());
    let somebody = Member {
        user: "12".into(),
        uuid: "u1".into(),
        agent: "Browser/1".into(),
        address: "192.0.2.1".into(),
        origin: "https://a.example".into(),
        language: "de".into(),
    };
    let named = Member { user: "alice".into(), ..Member::default() };
    let members = vec![somebody, named, Member::default()];
    {
        let listeners = &mut world.borrow_mut().listeners.0;
        listeners.insert((T, "web_a".into()), members);
        listeners.insert((TenantId(1), "web_b".into()), vec![Member::default()]);
    }
    let all = "web_a 12 u1 Browser/1 192.0.2.1 https://a.example de|web_a alice     |web_a 0     ";
    expect(
        &mut client,
        &[
            (
                "SELECT name, users FROM pipes WHERE name IN ('web_b', \"web_a\", 'ab', 'a b')",
                "web_b 0|web_a 3",
            ),
            ("SELECT users FROM pipes WHERE name = web_a", "3"),
            ("SELECT * FROM pipes WHERE name IN ('web_a', 'web_b') AND users > 0", "web_a 3"),
            (
                "SELECT name FROM pipes WHERE name IN ('web_b', 'web_a') ORDER BY users DESC",
                "web_a|web_b",
            ),
            ("SELECT * FROM pipes WHERE name = 'ab'", ""),
            ("SELECT * FROM users_in_pipes WHERE name = 'web_a'", all),
            (
                "SELECT user_id FROM users_in_pipes WHERE name IN ('web_b', 'web_a') AND user_id > 0",
                "12|alice",
            ),
            ("SELECT COUNT(*) FROM users_in_pipes WHERE name = 'web_a' AND user_id = 0", "1"),
            ("SELECT * FROM users_in_pipes WHERE name = 'web_b'", ""),
            ("INSERT INTO pipes VALUES ('abc', 1)", "1105 HY000 [10] Table `pipes` is read only"),
            (
                "DELETE FROM pipes WHERE name = 'web_a'",
                "1105 HY000 [10] Table `pipes` is read only",
            ),
            (
                "INSERT INTO users_in_pipes (name) VALUES ('abc')",
                "1105 HY000 [10] Table `users_in_pipes` is read only",
            ),
            (
                "DELETE FROM users_in_pipes WHERE name = 'x'",
                "1105 HY000 [10] Table `users_in_pipes` is read only",
            ),
            ("UPDATE users_in_pipes SET ip = 1 WHERE name = 'x'", "1105 HY000 [10] …"),
        ],
    );
    world.borrow_mut().outcome = Some(Outcome::Counts(vec![40]));
    expect(&mut client, &[("SELECT users FROM pipes WHERE name = 'web_a'", "43")]);
}

/// cometql 18, 36, 38: the log of a pipe.
#[test]
fn pipes_settings_and_pipes_messages() {
    let world = world();
    let mut client = Client::open_in(world.clone());
    let insert = "INSERT INTO pipes_messages (name, event, message) VALUES";
    let sql = |values: &str| format!("{insert} {values}");
    let first = format!("{NOW}-2 {NOW} web_a 0 e two 0|{NOW}-3 {NOW} web_a 1  three 0");
    expect(
        &mut client,
        &[
            (&sql("('web_a', '', 'one')"), "ok 0 0"),
            ("SELECT * FROM pipes_messages WHERE name = 'web_a'", ""),
            (
                "INSERT INTO pipes_settings (\"name\", \"length\") VALUES (\"web_a\", \"3\")",
                "ok 1 0",
            ),
            (&sql("('web_a', 'e', 'two'), ('web_a', '', 'three')"), "ok 0 0"),
            ("SELECT * FROM pipes_messages WHERE name = 'web_a'", &first),
            (
                "SELECT message FROM pipes_messages WHERE name IN ('unknown', 'a b', 'web_a') LIMIT 1",
                "two",
            ),
            (&sql("('web_a', '', 'four'), ('web_a', '', 'five')"), "ok 0 0"),
            ("SELECT message FROM pipes_messages WHERE name = 'web_a'", "three|four|five"),
            ("INSERT INTO pipes_settings VALUES ('web_a', 2)", "ok 1 0"),
            ("SELECT message FROM pipes_messages WHERE name = 'web_a'", "four|five"),
            ("UPDATE pipes_settings SET length = 1 WHERE name = 'web_a'", "ok 1 0"),
            ("UPDATE pipes_settings SET length = 1 WHERE name = 'unknown'", "ok 0 0"),
            ("SELECT message FROM pipes_messages WHERE name = 'web_a'", "five"),
            ("INSERT INTO pipes_settings (name) VALUES ('nul')", "ok 1 0"),
            ("INSERT INTO pipes_settings VALUES ('big', 500), ('less', -3)", "ok 2 0"),
            ("SELECT * FROM pipes_settings", "big 500|less -3|nul 0|web_a 1"),
            (
                "SELECT length FROM pipes_settings WHERE name IN ('web_a', 'x', 'unknown', 'big')",
                "1|500",
            ),
            ("INSERT IGNORE INTO pipes_settings VALUES ('big', 1)", "ok 0 0"),
            (
                "INSERT INTO pipes_settings VALUES ('ab', 5)",
                "1105 HY000 [17] Channel name is too short",
            ),
            ("INSERT INTO pipes_settings VALUES ('a b', 5)", "1105 HY000 [12] The channel name…"),
            (
                "INSERT INTO pipes_settings VALUES ('abc', 'many')",
                "1105 HY000 [12] field `length` must be a whole number",
            ),
            (
                "INSERT INTO pipes_settings VALUES ('abc', 99999999999)",
                "1105 HY000 [12] field `length`…",
            ),
            ("INSERT INTO pipes_settings VALUES ('abc', NOW())", "1105 HY000 [12] field `length`…"),
            (
                "INSERT INTO pipes_settings (length) VALUES (5)",
                "1105 HY000 [12] field `name` is required",
            ),
            (
                "UPDATE pipes_settings SET length = x WHERE name = 'web_a'",
                "1105 HY000 [12] field `length`…",
            ),
            ("DELETE FROM pipes_settings", "1105 HY000 [13] Deleting without…"),
            ("DELETE FROM pipes_settings WHERE name LIKE '%'", "1105 HY000 [13] Deleting without…"),
            ("DELETE FROM pipes_settings WHERE name = 'web_a'", "ok 0 0"),
            ("SELECT name FROM pipes_settings WHERE name = 'web_a'", ""),
            ("SELECT * FROM pipes_messages WHERE name = 'web_a'", ""),
            ("INSERT INTO pipes_settings VALUES ('web_a', 9)", "ok 1 0"),
            ("SELECT * FROM pipes_messages WHERE name = 'web_a'", ""),
            (
                "UPDATE pipes_messages SET message = 'x' WHERE name = 'web_a'",
                "1105 HY000 [2] UPDATE of…",
            ),
        ],
    );
}

#[test]
fn messages_are_deleted_by_name_and_by_id() {
    let world = world();
    let mut client = Client::open_in(world.clone());
    let rows = "('trust_a', '', 1), ('trust_a', '', 2), ('trust_a', '', 3), ('trust_b', '', 4)";
    let insert = format!("INSERT INTO pipes_messages (name, event, message) VALUES {rows}");
    let by_id = format!("DELETE FROM pipes_messages WHERE id = '{NOW}-2'");
    let by_ids =
        format!("DELETE FROM pipes_messages WHERE id IN ('{NOW}-3', 'x', '', '1-1', '{NOW}-99')");
    let all = "SELECT message FROM pipes_messages WHERE name IN ('trust_a', 'trust_b')";
    expect(
        &mut client,
        &[
            (&insert, "ok 0 0"),
            (all, "1|2|3|4"),
            (&by_id, "ok 0 0"),
            (all, "1|3|4"),
            (&by_ids, "ok 0 0"),
            (all, "1|4"),
            ("DELETE FROM pipes_messages WHERE id IN ('x', 7)", "ok 0 0"),
            (
                "DELETE FROM pipes_messages WHERE name = 'trust_a' AND id = '1-1'",
                "1105 HY000 [2] …",
            ),
            ("DELETE FROM pipes_messages WHERE event = ''", "1105 HY000 [13] Deleting without…"),
            ("DELETE FROM pipes_messages WHERE name IN ('trust_a', 'ab')", "ok 0 0"),
            (all, "4"),
        ],
    );
    let sender = Some(Sender { user: Some(12), except: None });
    let channel = ChannelName::new(b"trust_b").expect("a good name");
    let (event, data) = (EventName::default(), Data::new(b"\xff"));
    let messages = vec![NewMessage { channel, event, data, sender }];
    let publish = Command::Publish { tenant: T, messages, by: By::Owner, idempotency_key: None };
    world.borrow_mut().run(vec![publish]);
    let sql = "SELECT user_id, message FROM pipes_messages WHERE name = 'trust_b'";
    expect(&mut client, &[(sql, "0 4|12 \u{fffd}")]);
}

/// cometql 39.
#[test]
fn users_data() {
    let mut client = Client::open();
    let (fits, too_long) = ("x".repeat(65_535), "x".repeat(65_536));
    expect(
        &mut client,
        &[
            (r#"INSERT INTO users_data (id, data) VALUES (5, '{\"name\":\"it\'s\"}')"#, "ok 1 5"),
            ("INSERT INTO users_data VALUES (6, ''), (7, 'x y')", "ok 2 6"),
            ("SELECT * FROM users_data WHERE id IN (7, 5, 6, 8)", "7 x y|5 {\"name\":\"it's\"}|6 "),
            ("INSERT INTO users_data VALUES (7, 'new')", "ok 1 7"),
            ("UPDATE users_data SET data = 'newer' WHERE id IN (7, 8)", "ok 1 0"),
            ("SELECT data FROM users_data WHERE id = 7", "newer"),
            ("DELETE FROM users_data WHERE id IN (5, 6)", "ok 0 0"),
            ("SELECT id FROM users_data WHERE id IN (5, 6, 7)", "7"),
            ("INSERT INTO users_data VALUES (0, 'x')", "1105 HY000 [12] The id field…"),
            ("INSERT INTO users_data (id) VALUES (5)", "1105 HY000 [12] field `data` is required"),
            ("DELETE FROM users_data WHERE data = 'x'", "1105 HY000 [13] Deleting without…"),
            (&format!("INSERT INTO users_data VALUES (5, '{fits}')"), "ok 1 5"),
            (
                &format!("INSERT INTO users_data VALUES (5, '{too_long}')"),
                "1406 22001 [11] Data is too long for column 'data': at most 65535 bytes",
            ),
            (
                &format!("UPDATE users_data SET data = '{too_long}' WHERE id = 5"),
                "1406 22001 [11] …",
            ),
        ],
    );
}

/// cometql 39.
#[test]
fn revoked_tokens() {
    let world = world();
    let mut client = Client::open_in(world.clone());
    let (fits, too_long) = ("t".repeat(600), "t".repeat(601));
    expect(
        &mut client,
        &[
            ("SELECT * FROM revoked_tokens", ""),
            ("INSERT INTO revoked_tokens (token) VALUES ('b.b.b')", "ok 1 1"),
            ("INSERT INTO revoked_tokens VALUES ('a'), ('c')", "ok 2 1"),
            ("INSERT INTO revoked_tokens VALUES ('a')", "ok 1 1"),
            ("INSERT IGNORE INTO revoked_tokens VALUES ('a')", "ok 0 0"),
            ("SELECT * FROM revoked_tokens", "a|b.b.b|c"),
            ("SELECT token FROM revoked_tokens WHERE token IN ('c', 'x', 'a')", "c|a"),
            ("SELECT COUNT(*) FROM revoked_tokens", "3"),
            ("SELECT token FROM revoked_tokens WHERE token LIKE 'b%'", "b.b.b"),
            ("DELETE FROM revoked_tokens", "1105 HY000 [13] Deleting without transferring…"),
            ("DELETE FROM revoked_tokens WHERE token = 'b.b.b'", "ok 0 0"),
            ("SELECT * FROM revoked_tokens", "a|c"),
            ("INSERT INTO revoked_tokens VALUES ('')", "1105 HY000 [12] field `token` is required"),
            ("UPDATE revoked_tokens SET token = 'x' WHERE token = 'a'", "1105 HY000 [2] …"),
            (&format!("INSERT INTO revoked_tokens VALUES ('{fits}')"), "ok 1 1"),
            (
                &format!("INSERT INTO revoked_tokens VALUES ('{too_long}')"),
                "1406 22001 [11] Data is too long for column 'token': at most 600 bytes",
            ),
        ],
    );
    assert!(kicked(&world).is_empty());
}

/// cometql 22: whose token is revoked loses its key and is ended; who merely names somebody is not.
#[cfg(feature = "jwt")]
#[test]
fn a_good_token_that_is_revoked_ends_its_user() {
    use encke::proto::jwt::sign;
    let world = world();
    let mut client = Client::log_in(world.clone(), TWO_TENANTS, ("2", "two", None));
    client.query("INSERT INTO users_auth VALUES (7, 'key'), (8, 'key')");
    let claims = |user: u32| format!(r#"{{"user_id":{user},"exp":{}}}"#, NOW + 1);
    let revoke = |token: &str| format!("INSERT INTO revoked_tokens VALUES ('{token}')");
    for wrong in [
        sign(&claims(7), b"two"),
        sign(&claims(7), b"one1"),
        sign(&claims(7), b"two1"),
        sign(&format!(r#"{{"user_id":7,"exp":{NOW}}}"#), b"two2"),
        sign(r#"{"user_id":7}"#, b"two2"),
        sign(&format!(r#"{{"user_id":"7","exp":{}}}"#, NOW + 1), b"two2"),
        sign(&format!(r#"{{"user_id":7.0,"exp":{}}}"#, NOW + 1), b"two2"),
        sign(&format!(r#"{{"user_id":0,"exp":{}}}"#, NOW + 1), b"two2"),
        sign(&format!(r#"{{"user_id":7,"exp":"{}"}}"#, NOW + 1), b"two2"),
        sign(&format!(r#"{{"user_id":7,"exp":{},"nbf":{}}}"#, NOW + 9, NOW + 1), b"two2"),
    ] {
        assert_eq!(client.query(&revoke(&wrong)), ok(1, 1), "{wrong}");
    }
    assert!(kicked(&world).is_empty());
    assert_eq!(client.query(&revoke(&sign(&claims(7), b"two2"))), ok(1, 1));
    assert_eq!(kicked(&world), ["7"]);
    expect(
        &mut client,
        &[
            ("SELECT id FROM users_auth WHERE id IN (7, 8)", "8"),
            ("SELECT COUNT(*) FROM revoked_tokens", "11"),
        ],
    );
}

/// Without a password everybody could sign with none.
#[cfg(feature = "jwt")]
#[test]
fn without_a_password_there_are_no_user_tokens() {
    use encke::proto::jwt::sign;
    let world = world();
    let mut client = Client::open_in(world.clone());
    client.query("INSERT INTO users_auth VALUES (7, 'key')");
    let token = sign(&format!(r#"{{"user_id":7,"exp":{}}}"#, NOW + 100), b"0");
    assert_eq!(client.query(&format!("INSERT INTO revoked_tokens VALUES ('{token}')")), ok(1, 1));
    assert!(kicked(&world).is_empty());
    assert_eq!(client.query("SELECT id FROM users_auth WHERE id = 7").values(), [["7"]]);
}

/// Where one password is good for every dev_id, the login says which one is meant, or the database.
#[cfg(feature = "jwt")]
#[test]
fn the_dev_id_of_a_token_is_that_of_the_login_or_the_database() {
    use crate::client::LOCKED;
    use encke::proto::jwt::sign;
    let claims = format!(r#"{{"user_id":7,"exp":{}}}"#, NOW + 100);
    for (user, database, secret) in [
        ("15", None, "secret15"),
        ("15", Some("CometQL_v1"), "secret15"),
        ("root", None, "secret0"),
        ("root", Some("db_3"), "secret3"),
    ] {
        let world = world();
        let mut client = Client::log_in(world.clone(), LOCKED, (user, "secret", database));
        let token = sign(&claims, secret.as_bytes());
        client.query(&format!("INSERT INTO revoked_tokens VALUES ('{token}')"));
        assert_eq!(kicked(&world), ["7"], "{user} {database:?}");
    }
}

#[test]
fn tables_of_the_telephone_and_others() {
    let mut client = Client::open();
    let no_host = "1105 HY000 [500] field in ini file not set option `host` in section `sip`";
    let not_ready = "1105 HY000 [10] Table `dialogs` is not ready yet";
    let insert = "INSERT INTO conference (name, user_id, caller_id, message, profile, stream) VALUES \
                  ('abc', 1, 2, 'm', 'p', 's')";
    expect(
        &mut client,
        &[
            (insert, no_host),
            ("INSERT INTO conference_members VALUES ('abc', 1, 2, 3)", no_host),
            ("SELECT * FROM conference WHERE name = 'abc'", ""),
            ("SELECT * FROM conference", ""),
            ("SELECT name, user_id FROM conference_members WHERE name = 'abc'", ""),
            ("DELETE FROM conference WHERE name = 'abc' AND user_id = 1", no_host),
            ("INSERT INTO dialogs (id, name) VALUES (1, 'x')", not_ready),
            ("SELECT * FROM dialogs", not_ready),
            ("SELECT * FROM profiler", ""),
            ("SELECT tag, calls FROM profiler WHERE tag = 'x'", ""),
            ("SELECT COUNT(*) FROM profiler", "0"),
            (
                "INSERT INTO profiler VALUES (1, 2, 3)",
                "1105 HY000 [10] Table `profiler` is read only",
            ),
            ("SELECT * FROM log_query", "1146 42S02 [15] Table doesn't exist: 'log_query'"),
            ("INSERT INTO dev_config VALUES (1)", "1146 42S02 [15] …"),
            ("DELETE FROM nothing WHERE a = 1", "1146 42S02 [15] …"),
            ("UPDATE nothing SET a = 1", "1146 42S02 [15] …"),
        ],
    );
}

#[test]
fn two_tenants_never_see_each_others_rows() {
    let world = world();
    let mut one = Client::log_in(world.clone(), TWO_TENANTS, ("1", "one", None));
    let mut two = Client::log_in(world.clone(), TWO_TENANTS, ("2", "two", None));
    for sql in [
        "INSERT INTO users_auth VALUES (7, 'one')",
        "INSERT INTO users_data VALUES (7, 'one')",
        "INSERT INTO revoked_tokens VALUES ('one')",
        "INSERT INTO pipes_settings VALUES ('abc', 9)",
        "INSERT INTO pipes_messages (name, event, message) VALUES ('abc', '', 'one')",
        "INSERT INTO users_messages (id, event, message) VALUES (7, '', 'one')",
    ] {
        assert!(matches!(one.query(sql), Reply::Ok { .. }), "{sql}");
    }
    arrive(&world, TenantId(1), "8");
    let listener = vec![Member::default()];
    world.borrow_mut().listeners.0.insert((TenantId(1), "abc".into()), listener);
    let rows = [
        ("SELECT hash FROM users_auth WHERE id = 7", "one"),
        ("SELECT data FROM users_data WHERE id = 7", "one"),
        ("SELECT token FROM revoked_tokens", "one"),
        ("SELECT length FROM pipes_settings", "9"),
        ("SELECT message FROM pipes_messages WHERE name = 'abc'", "one"),
        ("SELECT message FROM users_messages WHERE id = 7", "one"),
        ("SELECT user_id FROM users_in_pipes WHERE name = 'abc'", "0"),
    ];
    let counted = [
        ("SELECT time FROM users_time WHERE id = 8", "0"),
        ("SELECT users FROM pipes WHERE name = 'abc'", "1"),
    ];
    let nothing = rows.map(|(sql, _)| (sql, ""));
    expect(&mut two, &nothing);
    let nobody = [(counted[0].0, "-1"), (counted[1].0, "0")];
    expect(&mut two, &nobody);
    for sql in [
        "DELETE FROM users_auth WHERE id = 7",
        "DELETE FROM users_data WHERE id = 7",
        "DELETE FROM revoked_tokens WHERE token = 'one'",
        "DELETE FROM pipes_settings WHERE name = 'abc'",
        "DELETE FROM pipes_messages WHERE name = 'abc'",
        "DELETE FROM users_messages WHERE id = 7",
        "UPDATE users_auth SET hash = 'two' WHERE id = 7",
    ] {
        assert_eq!(two.query(sql), ok(0, 0), "{sql}");
    }
    for sql in
        ["SELECT * FROM db_1.users_auth WHERE id = 7", "DELETE FROM db_1.users_auth WHERE id = 7"]
    {
        assert_eq!(two.query(sql).error().0, 1049, "{sql}");
    }
    expect(&mut one, &rows);
    expect(&mut one, &counted);
}

#[test]
fn whatever_the_engine_refuses_is_an_error() {
    let world = world();
    let mut client = Client::open_in(world.clone());
    for (refusal, text) in [
        (Refusal::TooManyChannels, "1105 HY000 [500] There are too many channels"),
        (Refusal::TooManyRecords, "1105 HY000 [500] There is no room for more records"),
        (Refusal::Unavailable, "1105 HY000 [500] The engine is unavailable, try again"),
    ] {
        world.borrow_mut().outcome = Some(Outcome::Refused(refusal));
        for sql in [
            "INSERT INTO users_auth VALUES (7, 'x')",
            "SELECT * FROM users_auth WHERE id = 7",
            "UPDATE users_auth SET hash = 'x' WHERE id = 7",
            "DELETE FROM users_auth WHERE id = 7",
            "SELECT * FROM users_time WHERE id = 7",
            "INSERT INTO users_messages (id, event, message) VALUES (7, '', 'x')",
            "SELECT * FROM users_messages WHERE id = 7",
            "DELETE FROM users_messages WHERE id = 7",
            "SELECT * FROM pipes WHERE name = 'abc'",
            "INSERT INTO pipes_messages (name, event, message) VALUES ('abc', '', 'x')",
            "SELECT * FROM pipes_messages WHERE name = 'abc'",
            "DELETE FROM pipes_messages WHERE name = 'abc'",
            "DELETE FROM pipes_messages WHERE id = '1-1'",
            "INSERT INTO pipes_settings VALUES ('abc', 1)",
            "DELETE FROM pipes_settings WHERE name = 'abc'",
            "INSERT INTO users_data VALUES (7, 'x')",
            "INSERT INTO revoked_tokens VALUES ('x')",
            "SELECT * FROM revoked_tokens",
            "DELETE FROM revoked_tokens WHERE token = 'x'",
        ] {
            expect(&mut client, &[(sql, text)]);
        }
    }
}

#[test]
fn a_full_engine_says_so_and_goes_on() {
    let limits = Limits { records_max: 2, waiting_messages_max: 1, ..Limits::default() };
    let mut client = Client::open_in(World::new(limits));
    let full = "1105 HY000 [500] There is no room for more records";
    expect(
        &mut client,
        &[
            ("INSERT INTO users_auth VALUES (1, 'a'), (2, 'b'), (3, 'c')", full),
            ("SELECT * FROM users_auth WHERE id IN (1, 2, 3)", ""),
            ("INSERT INTO users_auth VALUES (1, 'a'), (2, 'b')", "ok 2 1"),
            ("INSERT INTO users_data VALUES (1, 'a')", full),
            ("INSERT INTO users_auth VALUES (1, 'b')", "ok 1 1"),
            ("INSERT INTO users_messages (id, event, message) VALUES (1, '', 'x')", "ok 0 1"),
            ("INSERT INTO users_messages (id, event, message) VALUES (1, '', 'x')", full),
            ("DELETE FROM users_auth WHERE id = 1", "ok 0 0"),
            ("INSERT INTO users_data VALUES (1, 'a')", "ok 1 1"),
        ],
    );
}

#[test]
fn many_rows_at_once() {
    let mut client = Client::open();
    client.limits.rows_max = 1_000;
    let rows: Vec<_> = (1..=1_000).map(|id| format!("({id}, 'hash{id}')")).collect();
    let insert =
        |count: usize| format!("INSERT INTO users_auth VALUES {}", rows[..count].join(", "));
    assert_eq!(client.query(&insert(1_000)), ok(1_000, 1));
    let ids: Vec<_> = (1..=4_000).map(|id| id.to_string()).collect();
    let delete = format!("DELETE FROM users_auth WHERE id IN ({})", ids.join(","));
    assert_eq!(client.query(&delete), ok(0, 0));
    client.limits.rows_max = 999;
    assert!(client.query(&insert(1_000)).error().2.starts_with("[19] Too many rows"));
    let update = format!("UPDATE users_auth SET hash = 'x' WHERE id IN ({}, 4001)", ids.join(","));
    assert!(client.query(&update).error().2.starts_with("[19] Too many values"));
}
