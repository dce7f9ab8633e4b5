//! Whoever is ready is served, whatever the others do: between two of its turns there are at most so many
//! deliveries and so many bytes of anybody else.

use encke::server::limits::Limits;
use encke::server::{Next, READ_BUFFER_BYTES};

use super::crowd::{Crowd, READABLE, frame, lasting, publishes, upgrade};
use super::{limited, wires};

/// Turns in which everything has to be over.
const TURNS_MAX: usize = 10_000;

/// A client of the echo endpoint.
fn ready_client(crowd: &mut Crowd, number: u32) {
    crowd.connect(number);
    crowd.send(number, upgrade("/echo"));
    crowd.settle();
}

/// It says something and has it back before anything else is done.
fn is_served(crowd: &mut Crowd, number: u32) {
    let before = wires::written(number);
    crowd.send(number, lasting(frame(0x81, b"?")));
    assert_eq!(wires::written(number) - before, 3, "served at once");
}

fn written(clients: u32) -> Vec<u64> {
    (1..=clients).map(wires::written).collect()
}

#[test]
fn a_large_fan_out_lets_others_in_between() {
    const CLIENTS: u32 = 15_000;
    let (publisher, ready) = (CLIENTS + 1, CLIENTS + 2);
    let mut crowd = limited(CLIENTS as usize + 2, |_| ());
    for number in 1..=CLIENTS {
        crowd.connect(number);
        crowd.send(number, upgrade("/channels/a"));
    }
    crowd.connect(publisher);
    ready_client(&mut crowd, ready);
    crowd.send(publisher, publishes("a", 1));
    let most = Limits::default().deliveries_per_turn;
    let (mut reached, mut turns, mut before) = (0, 0, written(CLIENTS));
    while reached < CLIENTS as usize {
        let next = crowd.server.turn(crowd.now);
        let after = written(CLIENTS);
        let deliveries =
            before.iter().zip(&after).filter(|(before, after)| before != after).count();
        assert!(deliveries <= most, "{deliveries} deliveries in one turn");
        is_served(&mut crowd, ready);
        (reached, turns, before) = (reached + deliveries, turns + 1, after);
        assert!(next == Next::Now || reached == CLIENTS as usize, "it stops at {reached}");
    }
    assert_eq!(turns, (CLIENTS as usize).div_ceil(most), "and no turn is wasted");
}

#[test]
fn a_client_that_uploads_without_a_pause_lets_others_in_between() {
    let mut crowd = limited(3, |_| ());
    ready_client(&mut crowd, 1);
    ready_client(&mut crowd, 2);
    let most = Limits::default().reads_per_turn * READ_BUFFER_BYTES;
    let upload = lasting(frame(0x82, &[7; 100]).repeat(20_000));
    wires::send(2, upload);
    let mut left = upload.len();
    crowd.event(2, READABLE);
    let mut next = Next::Now;
    for _ in 0..TURNS_MAX {
        let used = left - wires::unread(2);
        assert!(used <= most, "{used} bytes in one turn");
        left -= used;
        is_served(&mut crowd, 1);
        if left == 0 {
            break;
        }
        assert!(used > 0 && next == Next::Now);
        next = crowd.server.turn(crowd.now);
    }
    assert_eq!(left, 0);
    crowd.settle();
    assert_eq!(crowd.server.holdings().inputs, 0);
}

#[test]
fn a_thousand_that_never_read_hold_nobody_up() {
    const DEAF: u32 = 1_000;
    let (publisher, ready, listener) = (DEAF + 1, DEAF + 2, DEAF + 3);
    let mut crowd = limited(DEAF as usize + 3, |limits| limits.outbox_bytes_max = 5_000);
    for number in 1..=DEAF {
        crowd.connect(number);
        crowd.send(number, upgrade("/channels/a"));
        wires::set_room(number, 10);
    }
    crowd.connect(listener);
    crowd.send(listener, upgrade("/channels/a"));
    crowd.connect(publisher);
    ready_client(&mut crowd, ready);
    let turns_max = (DEAF as usize + 1).div_ceil(Limits::default().deliveries_per_turn) + 1;
    for message in 0..200 {
        let before = wires::written(listener);
        crowd.send(publisher, publishes("a", 1));
        let mut turns = 0;
        while wires::written(listener) == before {
            crowd.server.turn(crowd.now);
            is_served(&mut crowd, ready);
            turns += 1;
            assert!(turns <= turns_max, "message {message} took {turns} turns");
        }
        assert_eq!(wires::written(listener) - before, 66, "each message, once");
        crowd.settle();
        assert!(crowd.server.holdings().outbox_bytes <= DEAF as usize * 5_000);
    }
    assert!((1..=DEAF).all(|number| !wires::is_open(number)), "they are cut, all of them");
    assert!(wires::is_open(listener) && wires::is_open(ready));
    let held = crowd.server.holdings();
    assert_eq!((held.outboxes, held.outbox_bytes, held.memberships), (0, 0, 1));
    crowd.server.verify();
}
