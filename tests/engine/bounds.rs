//! Each bound of the engine: what is there at the limit, what one past it does, and that room comes back.

use encke::hub::command::{Change, RecordKind};

use super::records::change;
use super::users::{arrive, depart, waiting};
use super::*;

/// Messages of `bytes` bytes each, as they count: with their user, and an event without a name.
fn to_users(users: &[&str], bytes: usize) -> Command {
    let message = |&user: &&str| {
        let (event, data) = (EventName::default(), Data::new(&vec![b'x'; bytes - user.len()]));
        NewPersonal { user: user.into(), event, data }
    };
    let messages = users.iter().map(message).collect();
    Command::DeliverToUsers { tenant: A, messages, waits: true }
}

fn put(key: &str, value: &str) -> Command {
    change(A, RecordKind::UserKey, Change::Put, &[(key, value)])
}

const FULL: Outcome = Outcome::Refused(Refusal::TooManyRecords);
const DELIVERED: Outcome = Outcome::Delivered(0);

#[test]
fn so_many_messages_wait_for_a_user_and_no_more() {
    each(Limits { waiting_messages_max: 3, ..Limits::default() }, |bench| {
        assert_eq!(bench.ask(to_users(&["7", "7", "7"], 9)), DELIVERED, "at the limit");
        assert_eq!(bench.ask(to_users(&["7"], 9)), FULL, "one past it");
        assert_eq!(bench.ask(to_users(&["8", "8", "8", "8"], 9)), FULL);
        assert_eq!((waiting(bench, "7").len(), waiting(bench, "8").len()), (3, 0));
        assert_eq!(bench.ask(to_users(&["8", "8", "8"], 9)), DELIVERED, "each has its own");
        assert_eq!(arrive(bench, "7", None).0.len(), 3);
        depart(bench, "7", Vec::new());
        assert_eq!(bench.ask(to_users(&["7", "7", "7"], 9)), DELIVERED, "what was had is no more");
        assert_eq!(bench.ask(to_users(&["7"], 9)), FULL);
    });
    each(Limits { waiting_messages_max: 0, ..Limits::default() }, |bench| {
        assert_eq!(bench.ask(to_users(&["7"], 9)), FULL, "none at all");
        arrive(bench, "7", None);
        assert_eq!(bench.ask(to_users(&["7"], 9)), DELIVERED, "who is here gets it");
    });
}

#[test]
fn so_many_bytes_wait_for_all_users_and_no_more() {
    each(Limits { waiting_bytes_max: 100, ..Limits::default() }, |bench| {
        assert_eq!(bench.ask(to_users(&["7", "8"], 30)), DELIVERED);
        assert_eq!(bench.ask(to_users(&["9"], 41)), FULL, "one past it");
        assert_eq!(bench.ask(to_users(&["9"], 40)), DELIVERED, "at the limit");
        assert_eq!(bench.ask(to_users(&["6"], 1)), FULL);
        let forget = Command::ForgetWaiting { tenant: A, users: vec!["9".into()] };
        assert_eq!(bench.ask(forget), Outcome::Changed(1));
        assert_eq!(bench.ask(to_users(&["6"], 41)), FULL);
        assert_eq!(bench.ask(to_users(&["6"], 40)), DELIVERED, "there is room again");
    });
}

#[test]
fn a_message_waits_for_so_long_and_no_longer() {
    each(Limits { waiting_seconds: 60, ..Limits::default() }, |bench| {
        bench.ask(to_users(&["7", "8"], 9));
        bench.pass(60);
        assert_eq!(waiting(bench, "7").len(), 1);
        assert_eq!(arrive(bench, "7", None).0.len(), 1, "at the limit");
        bench.second += 1;
        // No tick has been since.
        assert_eq!(arrive(bench, "8", None).0.len(), 0, "a second past it");
        bench.pass(0);
        assert_eq!(waiting(bench, "8").len(), 0);
    });
}

#[test]
fn records_have_so_many_bytes_and_no_more() {
    each(Limits { records_bytes_max: 20, ..Limits::default() }, |bench| {
        assert_eq!(bench.ask(put("1", "123456789")), Outcome::Changed(1));
        assert_eq!(bench.ask(put("2", "1234567890")), FULL, "one past it");
        assert_eq!(bench.ask(put("2", "123456789")), Outcome::Changed(1), "at the limit");
        assert_eq!(bench.ask(put("3", "")), FULL, "keys count");
        let delete = change(A, RecordKind::UserKey, Change::Delete, &[("1", "")]);
        assert_eq!(bench.ask(delete), Outcome::Changed(1));
        assert_eq!(bench.ask(put("3", "123456789")), Outcome::Changed(1), "there is room again");
        assert_eq!(bench.ask(put("4", "")), FULL);
    });
}

#[test]
fn there_are_so_many_records_and_no_more() {
    each(Limits { records_max: 2, ..Limits::default() }, |bench| {
        for key in ["1", "2", "1"] {
            assert_eq!(bench.ask(put(key, "x")), Outcome::Changed(1), "at the limit");
        }
        assert_eq!(bench.ask(put("3", "x")), FULL, "one past it");
    });
}

/// A message in this channel counts ten bytes.
fn ten_bytes(bench: &mut Bench, channel: &str) {
    bench.publish_for(A, channel, &vec![b'x'; 9 - channel.len()]);
}

#[test]
fn histories_have_so_many_bytes_and_for_one_more_the_oldest_of_a_channel_goes() {
    each(Limits { history_bytes_max: 40, ..Limits::default() }, |bench| {
        for channel in ["a", "b", "a", "b"] {
            ten_bytes(bench, channel);
        }
        let usage = bench.engine.usage();
        assert_eq!((usage.messages, usage.bytes), (4, 40), "at the limit");
        bench.publish_for(A, "c", b"");
        let usage = bench.engine.usage();
        assert_eq!((usage.messages, usage.bytes), (4, 32), "one past it");
        assert_eq!((bench.last("a", 9).len(), bench.last("b", 9).len()), (1, 2));
        assert!(bench.after("a", START).lost.is_some(), "and it is told");
        assert_eq!(bench.after("b,c", START).lost, None);
        bench.ask(Command::Kick { tenant: A, channel: name("b") });
        ten_bytes(bench, "a");
        ten_bytes(bench, "a");
        assert_eq!(bench.last("a", 9).len(), 3, "there is room again");
    });
}

#[test]
fn so_many_answers_are_remembered_and_for_one_more_the_oldest_is_forgotten() {
    each(Limits { idempotency_keys_max: 2, ..Limits::default() }, |bench| {
        let is_new = |bench: &mut Bench, key: &str| {
            let before = bench.published().len();
            assert!(matches!(
                bench.ask(publish(A, "a", b"x", Some(key))),
                Outcome::Published { .. }
            ));
            bench.published().len() > before
        };
        assert!(is_new(bench, "k") && is_new(bench, "l"));
        assert!(!is_new(bench, "k") && !is_new(bench, "l"), "at the limit");
        assert!(is_new(bench, "m"), "one past it is published all the same");
        assert!(!is_new(bench, "l") && !is_new(bench, "m"));
        assert!(is_new(bench, "k"), "the oldest was forgotten");
        bench.pass(300);
        assert!(is_new(bench, "n") && is_new(bench, "o"));
        assert!(!is_new(bench, "n"), "what is over takes no room");
    });
}

#[test]
fn strangers_make_so_many_channels_and_for_one_more_the_quietest_goes() {
    each(Limits { guest_channels_max: 2, ..Limits::default() }, |bench| {
        bench.publish("own", "x");
        bench.ask(by_stranger("a"));
        bench.ask(by_stranger("b"));
        assert_eq!(bench.last("own,a,b", 9).len(), 3, "at the limit");
        bench.ask(by_stranger("c"));
        assert_eq!(bench.last("a", 9), [""; 0], "one past it");
        assert_eq!(bench.last("own,b,c", 9).len(), 3);
        bench.ask(Command::Kick { tenant: A, channel: name("b") });
        bench.ask(by_stranger("d"));
        assert_eq!(bench.last("own,c,d", 9).len(), 3, "there is room again");
    });
    each(Limits { guest_channels_max: 0, ..Limits::default() }, |bench| {
        let refused = Outcome::Refused(Refusal::TooManyChannels);
        assert_eq!(bench.ask(by_stranger("a")), refused, "none at all");
        bench.publish("a", "x");
        assert!(matches!(bench.ask(by_stranger("a")), Outcome::Published { .. }));
    });
}
