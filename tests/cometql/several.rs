//! Several statements in one packet, and what the status word says of each.

use crate::client::{Client, OPEN, Reply, packet, response};
use encke::hub::command::{Command, Outcome, Refusal};

const OK: Reply = Reply::Ok { affected: 0, id: 0 };
const AUTOCOMMIT: u16 = 2;
const IN_TRANSACTION: u16 = 1;
const MORE: u16 = 8;

fn several() -> Client {
    let mut client = Client::open();
    assert_eq!(client.command(b"\x1b\0\0"), Reply::Eof);
    client
}

fn send(client: &mut Client, sql: &str) -> Vec<(Reply, u16)> {
    client.send(&packet(0, &[b"\x03", sql.as_bytes()].concat()));
    client.replies()
}

fn insert(message: &str) -> String {
    format!("INSERT INTO pipes_messages (name, event, message) VALUES ('abc', '', '{message}')")
}

fn messages(client: &Client) -> Vec<String> {
    let texts = client.asked.iter().flat_map(|command| match command {
        Command::Publish { messages, .. } => {
            messages.iter().map(|one| one.data.as_text().unwrap().to_string()).collect()
        }
        _ => Vec::new(),
    });
    texts.collect()
}

#[test]
fn each_statement_has_its_answer() {
    let mut client = several();
    let replies = send(&mut client, "SELECT 1; COMMIT; SELECT ';' -- end\n;");
    assert_eq!(replies.len(), 3);
    assert_eq!(replies[0].0.values(), [["1"]]);
    assert_eq!(replies[1].0, OK);
    assert_eq!(replies[2].0.values(), [[";"]]);
    let statuses: Vec<u16> = replies.iter().map(|(_, status)| *status).collect();
    assert_eq!(statuses, [AUTOCOMMIT | MORE, AUTOCOMMIT | MORE, AUTOCOMMIT]);
    assert_eq!(client.query("SELECT 1").values(), [["1"]]);
    assert_eq!(client.status, AUTOCOMMIT);
}

#[test]
fn those_that_wait_for_the_engine_keep_their_order() {
    let mut client = several();
    let sql = format!("{}; SELECT 1; {};{};", insert("a"), insert("b;"), insert("c"));
    let replies = send(&mut client, &sql);
    assert_eq!(replies.len(), 4);
    assert_eq!(messages(&client), ["a", "b;", "c"]);
    let more = replies.iter().map(|(_, status)| status & MORE != 0);
    assert_eq!(more.collect::<Vec<_>>(), [true, true, true, false]);
}

#[test]
fn the_first_error_is_the_last_answer() {
    let mut client = several();
    let replies = send(&mut client, &format!("{}; nonsense; {}", insert("a"), insert("b")));
    assert_eq!(replies.len(), 2);
    assert_eq!(replies[1].0.error().0, 1064);
    assert_eq!(messages(&client), ["a"]);
    client.world.borrow_mut().outcome = Some(Outcome::Refused(Refusal::TooManyChannels));
    let replies = send(&mut client, &format!("{}; {}", insert("c"), insert("d")));
    assert_eq!(replies.len(), 1, "an error of the engine ends it too");
    assert_eq!(messages(&client), ["a", "c"]);
    assert_eq!(client.query("COMMIT"), OK);
    assert_eq!(client.status, AUTOCOMMIT);
}

#[test]
fn very_many_statements_are_run_in_order() {
    let mut client = several();
    let replies = send(&mut client, &"SELECT 1;COMMIT;".repeat(2_000));
    assert_eq!(replies.len(), 4_000);
    let last = replies.len() - 1;
    for (at, (reply, status)) in replies.iter().enumerate() {
        assert_eq!(matches!(reply, Reply::Rows { .. }), at % 2 == 0);
        assert_eq!(status & MORE != 0, at < last);
    }
}

#[test]
fn only_who_asked_for_it_may_send_several() {
    let mut client = Client::open();
    let refused =
        |client: &mut Client| assert_eq!(client.query("SELECT 1; SELECT 2").error().0, 1064);
    refused(&mut client);
    assert_eq!(client.command(b"\x1b\0\0"), Reply::Eof);
    assert_eq!(send(&mut client, "SELECT 1; SELECT 2").len(), 2);
    assert_eq!(client.command(b"\x1b\x01\0"), Reply::Eof);
    refused(&mut client);

    // CLIENT_MULTI_STATEMENTS at login, as PDO sets it.
    let mut client = Client::connect(OPEN);
    client.out.clear();
    let mut login = response("root", b"", None, None);
    login[2] |= 0x01;
    client.send(&packet(1, &login));
    assert_eq!(client.reply(2), OK);
    assert_eq!(send(&mut client, "SELECT 1; SELECT 2").len(), 2);
    assert!(client.prepare("SELECT 1; SELECT 2").is_err(), "one statement is prepared at a time");
    assert_eq!(client.query(" ; -- nothing").error().0, 1105);
}

#[test]
fn transactions_and_autocommit_are_told() {
    let mut client = Client::open();
    for (sql, status) in [
        ("SELECT 1", AUTOCOMMIT),
        ("START TRANSACTION ", AUTOCOMMIT | IN_TRANSACTION),
        ("SELECT 1", AUTOCOMMIT | IN_TRANSACTION),
        ("SAVEPOINT one", AUTOCOMMIT | IN_TRANSACTION),
        ("ROLLBACK TO SAVEPOINT one", AUTOCOMMIT | IN_TRANSACTION),
        ("RELEASE SAVEPOINT one", AUTOCOMMIT | IN_TRANSACTION),
        ("COMMIT ", AUTOCOMMIT),
        ("begin", AUTOCOMMIT | IN_TRANSACTION),
        ("rollback;", AUTOCOMMIT),
        ("SET AUTOCOMMIT = 0", 0),
        ("BEGIN", IN_TRANSACTION),
        ("COMMIT AND CHAIN", IN_TRANSACTION),
        ("SET autocommit=1", AUTOCOMMIT),
        ("set autocommit=0", 0),
        ("SET @@session.autocommit = ON", AUTOCOMMIT),
        ("SET @@session.autocommit = OFF", 0),
        ("SET SESSION autocommit = TRUE", AUTOCOMMIT),
        ("SET @@autocommit=0", 0),
        ("SET NAMES utf8mb4, autocommit = 1", AUTOCOMMIT),
        ("SET autocommit=0, sql_mode=''", 0),
        ("SET autocommit := 'on'", AUTOCOMMIT),
        ("SET GLOBAL autocommit = 0", AUTOCOMMIT),
        ("SET @@global.autocommit = 0", AUTOCOMMIT),
        ("SET @autocommit = 0", AUTOCOMMIT),
        ("SET x = 'autocommit = 0'", AUTOCOMMIT),
        ("SET autocommit = 7", AUTOCOMMIT),
        ("SET autocommit", AUTOCOMMIT),
        ("SET", AUTOCOMMIT),
    ] {
        client.query(sql);
        assert_eq!(client.status, status, "{sql}");
    }
    client.query("SET autocommit=0");
    assert_eq!(client.query("SELECT @@autocommit, @@session.autocommit").values(), [["0", "0"]]);
    client.query("BEGIN");
    assert_eq!(client.command(b"\x1f"), OK);
    assert_eq!(client.status, AUTOCOMMIT, "a reset begins anew");
    assert_eq!(client.query("SELECT @@autocommit").values(), [["1"]]);
    let (id, ..) = client.prepare("SET autocommit = ?").unwrap();
    assert_eq!(client.execute(id, &[Some("0")]), OK);
    assert_eq!(client.query("SELECT @@autocommit").values(), [["0"]]);
}
