//! Packets as a network delivers them: in pieces, several at once, too large, out of order.

use crate::client::{Client, LOCKED, Listeners, Reply, packet, packets, response};
use crate::support::splits::splits;
use encke::cometql::{Session, Step};
use encke::hub::command::Outcome;
use encke::hub::message::MessageId;

const INSERT: &[u8] =
    b"\x03INSERT INTO pipes_messages (name, event, message) VALUES ('abc', '', 'x')";

#[test]
fn a_session_cut_anywhere_answers_the_same() {
    let input = [
        packet(1, &response("root", b"", Some("CometQL_v1"), Some("mysql_native_password"))),
        packet(0, b"\x03SET NAMES utf8mb4"),
        packet(0, INSERT),
        packet(0, b"\x03SELECT DATABASE()"),
        packet(0, b"\x03nonsense"),
        packet(0, b"\x0e"),
        packet(0, INSERT),
        packet(0, b"\x01"),
    ]
    .concat();
    let mut expected: Option<Vec<u8>> = None;
    for pieces in splits(&input) {
        let mut client = Client::connect(crate::client::OPEN);
        for piece in &pieces {
            client.send(piece);
        }
        assert!(client.closed);
        assert_eq!(client.asked.len(), 2);
        assert_eq!(expected.get_or_insert(client.out.clone()), &client.out);
    }
    let written = packets(&expected.unwrap());
    let kinds: Vec<(u8, u8)> = written.iter().map(|(number, p)| (*number, p[0])).collect();
    assert_eq!(
        kinds,
        [
            (0, 10), // greeting
            (2, 0),  // login
            (1, 0),  // SET
            (1, 0),  // INSERT
            (1, 1),
            (2, 3),
            (3, 0xfe),
            (4, 10),
            (5, 0xfe), // SELECT
            (1, 0xff),
            (1, 0), // ping
            (1, 0), // INSERT
        ]
    );
}

#[test]
fn nothing_is_taken_while_an_answer_is_due() {
    let nobody = Listeners::default();
    let mut client = Client::open();
    let input = [packet(0, INSERT), packet(0, b"\x0e")].concat();
    let limits = client.limits;
    let mut random = |_: &mut [u8]| {};
    let mut context = encke::cometql::Context {
        accounts: client.accounts,
        limits: &limits,
        offers_tls: false,
        may_keep: true,
        random: &mut random,
        unix_second: 0,
        uptime_seconds: 0,
        view: &nobody,
    };
    let mut out = Vec::new();
    let (used, step) = client.session.feed(&input, &mut context, &mut out);
    assert_eq!(used, INSERT.len() + 4);
    assert!(matches!(step, Step::Ask(_)) && out.is_empty());
    assert_eq!(client.session.feed(&input[used..], &mut context, &mut out), (0, Step::More));
    let last = MessageId { second: 1, n: 1 };
    client.session.complete(Outcome::Published { last, elsewhere: 3 }, &nobody, &mut out);
    assert_eq!(packets(&out), [(1, vec![0, 0, 0, 2, 0, 0, 0])]);
    let (used, step) = client.session.feed(&input[used..], &mut context, &mut out);
    assert_eq!((used, step), (5, Step::Replied));
}

#[test]
fn a_statement_at_the_bound_is_run_and_one_above_it_ends_the_connection() {
    let mut client = Client::open();
    let max = client.limits.statement_bytes_max;
    let fitting = format!("COMMIT/*{}*/", "-".repeat(max - 10));
    assert_eq!(client.query(&fitting), Reply::Ok { affected: 0, id: 0 });
    let length = (max as u32 + 2).to_le_bytes();
    client.send(&[length[0], length[1], length[2], 0]);
    assert!(client.closed, "the header is enough");
    let reply = client.reply(1);
    let (number, state, text) = reply.error();
    assert_eq!((number, state), (1153, "08S01"));
    assert_eq!(text, "Got a packet bigger than 'max_allowed_packet' bytes");
}

/// A statement of 16 MB and more comes as a chain of packets, and its answer's number follows theirs.
#[test]
fn a_statement_above_16_mb_is_a_chain_of_packets() {
    const CHUNK: usize = 0xff_ffff;
    let mut client = Client::open();
    client.limits.statement_bytes_max = 64 << 20;
    let text = |length: usize| format!("\x03COMMIT/*{}*/", "-".repeat(length - 11)).into_bytes();
    for (length, packets) in [(CHUNK - 1, 1), (CHUNK, 2), (CHUNK + 1, 2), (2 * CHUNK + 1, 3)] {
        let text = text(length);
        assert_eq!(text.len(), length);
        let mut at = 0;
        for number in 0..packets {
            let end = length.min(at + CHUNK);
            client.send(&packet(number, &text[at..end]));
            at = end;
        }
        assert_eq!(client.reply(packets), Reply::Ok { affected: 0, id: 0 }, "{length}");
        assert_eq!(client.query("COMMIT"), Reply::Ok { affected: 0, id: 0 });
    }
}

#[test]
fn a_chain_above_the_bound_is_refused_by_its_headers() {
    let mut client = Client::open();
    client.send(&[0xff, 0xff, 0xff, 0]);
    assert_eq!(client.reply(1).error().0, 1153);
    assert!(client.closed);

    let mut client = Client::open();
    client.limits.statement_bytes_max = 20 << 20;
    client.send(&packet(0, &vec![b'x'; 0xff_ffff]));
    assert!(!client.closed);
    client.send(&[3, 0, 0x40, 1]);
    assert_eq!(
        client.reply(2).error(),
        (1153, "08S01", "Got a packet bigger than 'max_allowed_packet' bytes")
    );
    assert!(client.closed);
}

#[test]
fn before_login_a_packet_is_small() {
    let mut client = Client::connect(LOCKED);
    client.out.clear();
    client.send(&[0x01, 0x40, 0x00, 1]);
    assert_eq!(
        client.reply(2).error(),
        (1153, "08S01", "Got a packet bigger than 'max_allowed_packet' bytes",)
    );
    assert!(client.closed);
}

#[test]
fn a_wrong_sequence_number_ends_the_connection() {
    for number in [1, 2, 255] {
        let mut client = Client::open();
        client.send(&packet(number, b"\x0e"));
        let reply = client.reply(number.wrapping_add(1));
        assert_eq!(reply.error(), (1156, "08S01", "Got packets out of order"));
        assert!(client.closed);
        client.send(&packet(0, b"\x0e"));
        assert!(client.out.is_empty(), "nothing is answered after the end");
    }
    let mut client = Client::connect(LOCKED);
    client.out.clear();
    client.send(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(client.reply(b' ' + 1).error().0, 1156);
    assert!(client.closed);
}

/// Each number is what the client waits for next, so that it reports this and not a broken stream.
#[test]
fn shutting_down_is_told_with_the_right_number() {
    let goodbye = (1053, "08S01", "Server shutdown in progress");
    let mut greeted = Client::connect(LOCKED);
    greeted.out.clear();
    greeted.session.shut_down(&mut greeted.out);
    assert_eq!(greeted.reply(2).error(), goodbye);

    let mut switched = Client::connect(LOCKED);
    switched.send(&packet(1, &response("root", b"", None, Some("caching_sha2_password"))));
    switched.out.clear();
    switched.session.shut_down(&mut switched.out);
    assert_eq!(switched.reply(4).error(), goodbye);

    let mut idle = Client::open();
    idle.session.shut_down(&mut idle.out);
    assert_eq!(idle.reply(1).error(), goodbye);
    idle.session.shut_down(&mut idle.out);
    assert!(idle.out.is_empty(), "said once");
    assert!(!idle.session.is_authenticated());
}

#[test]
fn an_idle_session_is_small() {
    assert!(size_of::<Session>() <= 64);
}
