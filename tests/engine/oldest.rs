//! What is forgotten when memory is short.

use encke::hub::command::{Change, RecordKind};

use super::*;

#[test]
fn the_oldest_over_all_channels_and_tenants_go_first() {
    each(Limits::default(), |bench| {
        bench.publish("a", "a1");
        bench.publish("b", "b1");
        bench.pass(1);
        bench.publish_for(B, "c", b"c1");
        bench.pass(1);
        bench.publish("b", "b2");
        bench.publish("a", "a2");
        let mut left = Vec::new();
        for _ in 0..5 {
            assert_eq!(bench.engine.forget_oldest(1), 1, "one is enough for a byte");
            let of_b = texts(&bench.read(B, "c", Start::Last(9)));
            left.push([bench.last("a", 9), bench.last("b", 9), of_b].map(|texts| texts.concat()));
        }
        let expect = [
            ["a2", "b1b2", "c1"],
            ["a2", "b2", "c1"],
            ["a2", "b2", ""],
            ["a2", "", ""],
            ["", "", ""],
        ];
        assert_eq!(left, expect);
        assert_eq!(bench.engine.forget_oldest(usize::MAX), 0, "nothing is left");
        assert_eq!(bench.engine.usage(), Usage::default());
    });
}

#[test]
fn nothing_is_lost_without_a_word() {
    each(Limits::default(), |bench| {
        let first = bench.publish("a", "1");
        let second = bench.publish("a", "2");
        let third = bench.publish("b", "3");
        assert_eq!(bench.engine.forget_oldest(1), 1);
        assert_eq!(lost(&bench.after("a", START)), Some((vec!["a"], first)));
        assert_eq!(texts(&bench.after("a", first)), ["2"], "who had it misses nothing");
        assert_eq!(bench.engine.forget_oldest(1), 1);
        assert_eq!(
            lost(&bench.after("a", first)),
            Some((vec!["a"], second)),
            "its channel is gone"
        );
        assert_eq!(bench.after("a", second).lost, None);
        assert_eq!(bench.after("b", second).lost, None);
        // A new channel under the old name goes on from there.
        bench.publish("a", "4");
        assert_eq!(lost(&bench.after("a", first)), Some((vec!["a"], second)));
        assert_eq!(texts(&bench.after("a,b", second)), ["3", "4"]);
        assert_eq!(bench.after("a,b", third).lost, None);
    });
}

#[test]
fn as_much_as_is_wanted_goes_however_many_channels_there_are() {
    each(Limits::default(), |bench| {
        // More than are compared at a time, in an order that is not that of their names.
        for n in 0..9_000 {
            bench.publish(&format!("c{}", n * 7 % 9_000), "x");
        }
        let (mut forgotten, mut rounds) = (0, 0);
        while forgotten < 6_000 {
            forgotten += bench.engine.forget_oldest(500_000);
            rounds += 1;
        }
        assert!(rounds <= 6, "{rounds} rounds");
        assert_eq!(bench.engine.usage().messages, 9_000 - forgotten);
        let kept = |n: usize| format!("c{}", n * 7 % 9_000);
        assert_eq!(bench.last(&kept(forgotten - 1), 9), [""; 0]);
        assert_eq!(bench.last(&kept(forgotten), 9), ["x"]);
    });
}

#[test]
fn logs_give_way_and_what_users_have_not_had_does_not() {
    each(Limits::default(), |bench| {
        let records = vec![("a".into(), "9".into())];
        let change = Change::Put;
        bench.ask(Command::ChangeRecords { tenant: A, kind: RecordKind::Log, records, change });
        bench.publish("a", "logged");
        let send = |user: &str| {
            let (user, event, data) = (user.into(), EventName::default(), Data::text("private"));
            let messages = vec![NewPersonal { user, event, data }];
            Command::DeliverToUsers { tenant: A, messages, waits: true }
        };
        let (user, since) = (Box::from("here"), None);
        bench.ask(Command::Arrive { tenant: A, user, since, word: None });
        bench.ask(send("here"));
        bench.ask(send("away"));
        assert_eq!(bench.engine.forget_oldest(usize::MAX), 1, "the log");
        let Outcome::Logs(logs) = bench.ask(Command::Logs { tenant: A, channels: names("a") })
        else {
            panic!("not a log");
        };
        assert!(logs.concat().is_empty());
        assert_eq!(bench.engine.forget_oldest(usize::MAX), 1, "what was delivered");
        assert_eq!(bench.engine.forget_oldest(usize::MAX), 0);
        let users = vec!["here".into(), "away".into()];
        let Outcome::Waiting(waiting) = bench.ask(Command::Waiting { tenant: A, users }) else {
            panic!("not what waits");
        };
        assert_eq!(waiting.iter().map(Vec::len).collect::<Vec<_>>(), [0, 1]);
    });
}
