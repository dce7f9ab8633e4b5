//! What back ends may ask for in one statement, and what they are shown of texts beyond the bound.

use encke::server::Listener;

use super::crowd::{Crowd, frame, upgrade, upgrade_of};
use super::mysql::{login, packet, take_packet};
use super::{bytes_told, limited, told, wires};

/// An anonymous page.
const PAGE: &str = "/ws/sesion=null&myid=null&devid=1&v=4.08&uuid=u&api=js";

/// The payloads of what a back end is told after this packet.
fn answers(crowd: &mut Crowd, number: u32, packet: &[u8]) -> Vec<Vec<u8>> {
    let mut bytes = bytes_told(crowd, number, packet);
    std::iter::from_fn(|| take_packet(&mut bytes)).map(|(_, payload)| payload).collect()
}

/// A back end logs in, where no password is asked for.
fn back_end(crowd: &mut Crowd, number: u32) {
    crowd.connect_to(Listener::CometQl, number);
    let answer = answers(crowd, number, &packet(1, &login()));
    assert_eq!(answer.last().map(|payload| payload[0]), Some(0), "OK: {answer:?}");
}

fn query(crowd: &mut Crowd, number: u32, sql: &str) -> Vec<Vec<u8>> {
    answers(crowd, number, &packet(0, &[b"\x03", sql.as_bytes()].concat()))
}

/// An OK, or the number and text of an error.
fn outcome(answer: &[Vec<u8>]) -> Result<(), (u16, String)> {
    match &answer[0][..] {
        [0, ..] => Ok(()),
        [0xff, low, high, text @ ..] => {
            let text = String::from_utf8_lossy(text).into_owned();
            Err((u16::from_le_bytes([*low, *high]), text))
        }
        other => panic!("{other:?}"),
    }
}

fn insert(rows: usize) -> String {
    let rows = vec!["('abc', '', 'x')"; rows].join(", ");
    format!("INSERT INTO pipes_messages (name, event, message) VALUES {rows}")
}

#[test]
fn an_insert_has_so_many_rows_and_no_more() {
    let mut crowd = limited(9, |limits| limits.statement_rows_max = 3);
    back_end(&mut crowd, 1);
    crowd.connect(2);
    told(&mut crowd, 2, upgrade("/channels/abc"));
    let before = wires::written(2);
    assert_eq!(outcome(&query(&mut crowd, 1, &insert(3))), Ok(()), "at the bound");
    assert_eq!(wires::written(2) - before, 3 * 3);
    let text = "#HY000[19] Too many rows in one insert: at most 3".to_owned();
    assert_eq!(outcome(&query(&mut crowd, 1, &insert(4))), Err((1105, text)), "one past it");
    assert_eq!(wires::written(2) - before, 3 * 3, "and none of them is published");
    assert_eq!(outcome(&query(&mut crowd, 1, &insert(1))), Ok(()));
    crowd.server.verify();
}

#[test]
fn a_statement_has_so_many_bytes_and_no_more() {
    let mut crowd = limited(9, |limits| limits.statement_bytes_max = 200);
    back_end(&mut crowd, 1);
    let sql = |bytes: usize| format!("COMMIT/*{}*/", "-".repeat(bytes - 10));
    assert_eq!(outcome(&query(&mut crowd, 1, &sql(200))), Ok(()), "at the bound");
    let text = "#08S01Got a packet bigger than 'max_allowed_packet' bytes".to_owned();
    assert_eq!(outcome(&query(&mut crowd, 1, &sql(201))), Err((1153, text)), "one past it");
    crowd.wait(5);
    assert!(!wires::is_open(1), "what follows it cannot be told from it");
    back_end(&mut crowd, 2);
    assert_eq!(outcome(&query(&mut crowd, 2, "COMMIT")), Ok(()));
}

#[test]
fn texts_beyond_the_bound_are_not_shown() {
    let mut crowd = limited(9, |limits| limits.texts_max = 1);
    back_end(&mut crowd, 9);
    for (number, agent) in [(1, "first"), (2, "second")] {
        crowd.connect(number);
        told(&mut crowd, number, upgrade_of(agent, PAGE));
        told(&mut crowd, number, &frame(0x81, b"subscription\nweb_a"));
    }
    let agents = |crowd: &mut Crowd| {
        let sql = "SELECT user_agent FROM users_in_pipes WHERE name = 'web_a'";
        let rows = query(crowd, 9, sql);
        // One column, its definition, an EOF, the rows, an EOF.
        let text = |row: &Vec<u8>| String::from_utf8_lossy(&row[1..]).into_owned();
        let mut agents: Vec<String> = rows[3..rows.len() - 1].iter().map(text).collect();
        agents.sort();
        agents
    };
    assert_eq!(agents(&mut crowd), ["", "first"]);
    crowd.leave(1);
    crowd.leave(2);
    crowd.settle();
    crowd.connect(3);
    told(&mut crowd, 3, upgrade(PAGE));
    told(&mut crowd, 3, &frame(0x81, b"subscription\nweb_a"));
    assert_eq!(agents(&mut crowd), ["crowd"], "there is room again");
}

#[test]
fn who_does_not_log_in_is_closed_and_who_asks_nothing_more_too() {
    let closes_after = |crowd: &mut Crowd, number: u32| {
        let closes = |crowd: &mut Crowd| {
            crowd.wait(1);
            !wires::is_open(number)
        };
        (1..=100).find(|_| closes(crowd)).expect("it is closed")
    };
    let mut crowd = limited(9, |limits| {
        (limits.login_seconds, limits.mysql_idle_seconds) = (4, 9);
    });
    crowd.connect_to(Listener::CometQl, 1);
    assert_eq!(closes_after(&mut crowd, 1), 4);
    back_end(&mut crowd, 2);
    crowd.wait(8);
    assert_eq!(outcome(&query(&mut crowd, 2, "COMMIT")), Ok(()), "a second before");
    assert_eq!(closes_after(&mut crowd, 2), 9);
    crowd.connect_to(Listener::CometQl, 3);
    crowd.leave(3);
    back_end(&mut crowd, 4);
    assert_eq!(outcome(&query(&mut crowd, 4, "COMMIT")), Ok(()), "others may come");
}
