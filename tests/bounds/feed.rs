//! What is published and not yet on its way: beyond its bound nobody who publishes is read.

use encke::server::limits::Limits;

use super::crowd::{Crowd, frame, get, lasting, publishes, upgrade};
use super::{limited, told, wires};

/// A published message, as bounds in bytes count it: its channel's name and its data.
const MESSAGE_BYTES: usize = 1 + 64;

/// A subscriber, 1, and four who may publish.
fn crowd(bounds: impl FnOnce(&mut Limits)) -> Crowd {
    let mut crowd = limited(9, bounds);
    for number in 1..=5 {
        crowd.connect(number);
    }
    crowd.send(1, upgrade("/channels/a"));
    crowd.settle();
    crowd
}

/// Lets the third message in and no fourth one, and then all others.
fn three_wait_and_no_more(bounds: impl FnOnce(&mut Limits)) {
    let mut crowd = crowd(bounds);
    let before = wires::written(1);
    wires::overhear(2);
    crowd.send(2, publishes("a", 2));
    assert_eq!((crowd.server.holdings().feed, wires::unread(2)), (2, 0));
    // Of five that come at once one has a place.
    crowd.send(3, publishes("a", 5));
    assert_eq!(crowd.server.holdings().feed, 3, "at the bound");
    let other = publishes("b", 1);
    crowd.send(4, other);
    assert_eq!((crowd.server.holdings().feed, wires::unread(4)), (3, other.len()), "one past it");
    crowd.send(5, get("/info", ""));
    assert!(wires::unread(5) > 0, "it could publish next");
    assert_eq!(wires::written(1), before, "nothing was delivered meanwhile");
    crowd.settle();
    assert!((1..=5).all(wires::is_open));
    assert!((1..=5).all(|number| wires::unread(number) == 0), "everybody was read");
    assert_eq!(wires::written(1) - before, 7 * 66, "and nothing is lost");
    assert_eq!(crowd.server.holdings().feed, 0);
    let words = told(&mut crowd, 4, publishes("b", 1));
    assert!(words.starts_with("HTTP/1.1 200"), "there is room again");
    crowd.server.verify();
}

#[test]
fn so_many_messages_wait_for_a_batch_and_then_publishers_do() {
    three_wait_and_no_more(|limits| limits.feed_messages_max = 3);
}

#[test]
fn so_many_bytes_wait_for_a_batch_and_then_publishers_do() {
    three_wait_and_no_more(|limits| limits.feed_bytes_max = 3 * MESSAGE_BYTES);
    // The one that reaches the bound is let in whole.
    three_wait_and_no_more(|limits| limits.feed_bytes_max = 2 * MESSAGE_BYTES + 1);
}

#[test]
fn frames_wait_for_a_full_feed_as_requests_do() {
    let mut crowd = crowd(|limits| limits.feed_messages_max = 1);
    crowd.send(2, upgrade("/channels/b"));
    crowd.settle();
    let (before, said) = (wires::written(2), frame(0x81, b"said"));
    crowd.send(2, lasting(said.repeat(3)));
    assert_eq!(crowd.server.holdings().feed, 1);
    crowd.settle();
    assert_eq!(wires::written(2) - before, 3 * 6, "one after the other");
    assert_eq!(crowd.server.holdings().input_bytes, 0);
    crowd.server.verify();
}
