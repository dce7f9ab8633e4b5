//! What every engine must do, as one list: run for the engine in memory, and for one that answers late.

#[path = "../support/mod.rs"]
mod support;

mod bounds;
mod logs;
mod oldest;
mod records;
mod users;

use std::rc::Rc;

use encke::engines::memory::{Keep, Limits, MemoryEngine};
use encke::engines::{Change, Engine, Output, Token, Usage};
use encke::hub::clock::Now;
use encke::hub::command::{
    By, Command, Happened, NewMessage, NewPersonal, Outcome, RecordKind, Refusal, Replay, Start,
};
use encke::hub::message::{Data, Message, MessageId, TenantId};
use encke::hub::names::{ChannelName, EventName};
use support::late_engine::LateEngine;

const SECOND: u64 = 1_763_690_000;
const NANOS: u32 = 500_000_000;
const A: TenantId = TenantId(0);
const B: TenantId = TenantId(1);

fn at(second: u64) -> Now {
    Now { ms: (second - SECOND) * 1_000, unix_second: second, unix_nanos: NANOS }
}

fn id(second: u64, n: u32) -> MessageId {
    MessageId { second, n }
}

const START: MessageId = MessageId { second: SECOND, n: NANOS };

fn name(text: &str) -> ChannelName {
    ChannelName::new(text.as_bytes()).expect("a good name")
}

fn names(text: &str) -> Vec<ChannelName> {
    text.split(',').map(name).collect()
}

/// An engine, a clock, and what came out of the feed.
struct Bench {
    engine: Box<dyn Engine>,
    second: u64,
    asked: u32,
    feed: Vec<Happened>,
}

impl Bench {
    fn ask(&mut self, command: Command) -> Outcome {
        self.asked += 1;
        let token = Token { slot: 1, generation: 2, number: self.asked };
        self.engine.submit(Some(token), command, self.now());
        let answers = self.drain();
        let [(answered, outcome)] = &answers[..] else {
            panic!("one answer to one question: {answers:?}");
        };
        assert_eq!(*answered, token);
        outcome.clone()
    }

    /// Takes everything, however late it is.
    fn drain(&mut self) -> Vec<(Token, Outcome)> {
        let mut answers = Vec::new();
        for _ in 0..500 {
            while let Some(output) = self.engine.take() {
                match output {
                    Output::Completed(token, outcome) => answers.push((token, outcome)),
                    Output::Happened(happened) => self.feed.push(happened),
                }
            }
        }
        answers
    }

    fn now(&self) -> Now {
        Now { unix_second: self.second, ..at(self.second.max(SECOND)) }
    }

    /// Lets time pass, with enough ticks for everything that is due.
    fn pass(&mut self, seconds: u64) {
        self.second += seconds;
        for _ in 0..20 {
            self.engine.tick(self.now());
        }
    }

    fn publish_for(&mut self, tenant: TenantId, channels: &str, data: &[u8]) -> Outcome {
        let command = publish(tenant, channels, data, None);
        self.ask(command)
    }

    /// Publishes for tenant A; the id of the last message.
    fn publish(&mut self, channels: &str, data: &str) -> MessageId {
        match self.publish_for(A, channels, data.as_bytes()) {
            Outcome::Published { last, elsewhere: 0 } => last,
            other => panic!("{other:?}"),
        }
    }

    fn read(&mut self, tenant: TenantId, channels: &str, start: Start) -> Replay {
        let command = Command::MessagesAfter { tenant, channels: names(channels), start };
        match self.ask(command) {
            Outcome::Messages(replay) => replay,
            other => panic!("{other:?}"),
        }
    }

    fn after(&mut self, channels: &str, since: MessageId) -> Replay {
        self.read(A, channels, Start::After(since))
    }

    fn last(&mut self, channels: &str, most: u32) -> Vec<String> {
        texts(&self.read(A, channels, Start::Last(most)))
    }

    fn published(&self) -> Vec<Rc<Message>> {
        let message = |happened: &Happened| match happened {
            Happened::Published(message) => Some(message.clone()),
            _ => None,
        };
        self.feed.iter().filter_map(message).collect()
    }
}

fn publish(tenant: TenantId, channels: &str, data: &[u8], key: Option<&str>) -> Command {
    let message = |channel| NewMessage {
        channel,
        event: EventName::new("e").expect("a good name"),
        data: Data::new(data),
        sender: None,
    };
    let messages = names(channels).into_iter().map(message).collect();
    let (by, idempotency_key) = (By::Owner, key.map(Into::into));
    Command::Publish { tenant, messages, by, idempotency_key }
}

fn texts(replay: &Replay) -> Vec<String> {
    let text = |message: &Rc<Message>| message.data.as_text().expect("text").to_owned();
    replay.messages.iter().map(text).collect()
}

/// `Lost` as channels and cursor.
fn lost(replay: &Replay) -> Option<(Vec<&str>, MessageId)> {
    let lost = replay.lost.as_ref()?;
    Some((lost.channels.iter().map(|name| &**name).collect(), lost.resume_from))
}

/// Runs a check on every engine.
fn each(limits: Limits, check: impl Fn(&mut Bench)) {
    for kind in 0..5 {
        let engine: Box<dyn Engine> = match kind {
            0 => Box::new(MemoryEngine::new(2, limits.clone(), at(SECOND))),
            seed => Box::new(LateEngine::new(2, limits.clone(), at(SECOND), seed, 30)),
        };
        check(&mut Bench { engine, second: SECOND, asked: 0, feed: Vec::new() });
    }
}

fn keeping(keep: Keep) -> Limits {
    Limits { keep, ..Limits::default() }
}

#[test]
fn ids_grow_whatever_the_clock_does() {
    each(Limits::default(), |bench| {
        assert_eq!(bench.engine.position(A), START, "the start is the second and its nanoseconds");
        assert_eq!(bench.publish("a", "1"), id(SECOND, NANOS + 1));
        assert_eq!(bench.publish("a", "2"), id(SECOND, NANOS + 2), "it stands still");
        bench.second = SECOND - 100;
        assert_eq!(bench.publish("b", "3"), id(SECOND, NANOS + 3), "it goes back");
        bench.second = SECOND + 7;
        assert_eq!(bench.publish("a", "4"), id(SECOND + 7, 1));
        let ids: Vec<_> = bench.published().iter().map(|message| message.id).collect();
        assert!(ids.is_sorted_by(|one, other| one < other));
        assert_eq!(bench.engine.position(A), id(SECOND + 7, 1));
    });
}

#[test]
fn a_second_full_of_ids_borrows_from_the_next() {
    let start = Now { unix_nanos: u32::MAX - 1, ..at(SECOND) };
    let mut engine = MemoryEngine::new(1, Limits::default(), start);
    for _ in 0..3 {
        engine.submit(None, publish(A, "a", b"x", None), at(SECOND));
    }
    let mut ids = Vec::new();
    while let Some(Output::Happened(Happened::Published(message))) = engine.take() {
        ids.push(message.id);
    }
    assert_eq!(ids, [id(SECOND, u32::MAX), id(SECOND + 1, 1), id(SECOND + 1, 2)]);
}

#[test]
fn one_publish_to_many_channels_is_consecutive_and_answered_once() {
    each(Limits::default(), |bench| {
        assert_eq!(bench.publish("a,b,c", "x"), id(SECOND, NANOS + 3));
        bench.publish("b", "y");
        let seen: Vec<_> = bench
            .published()
            .iter()
            .map(|message| (message.id.n - NANOS, message.channel.to_string(), message.offset))
            .collect();
        let row = |n, channel: &str, offset| (n, channel.to_owned(), offset);
        assert_eq!(seen, [row(1, "a", 1), row(2, "b", 1), row(3, "c", 1), row(4, "b", 2)]);
        let replay = bench.after("a,b,c", START);
        assert_eq!(replay.messages, bench.published(), "what is kept is what was in the feed");
        assert_eq!((replay.newest, replay.lost), (id(SECOND, NANOS + 4), None));
    });
}

#[test]
fn without_a_token_there_is_no_answer() {
    each(Limits::default(), |bench| {
        let now = bench.now();
        bench.engine.submit(None, publish(A, "a", b"x", None), now);
        assert_eq!(bench.drain(), []);
        assert_eq!(bench.published().len(), 1);
    });
}

#[test]
fn history_is_bounded_by_count() {
    each(keeping(Keep { messages_max: 3, ..Keep::DEFAULT }), |bench| {
        let ids: Vec<_> = (0..5).map(|n| bench.publish("a", &n.to_string())).collect();
        assert_eq!(bench.last("a", u32::MAX), ["2", "3", "4"]);
        assert_eq!(bench.last("a", 2), ["3", "4"]);
        assert_eq!(
            texts(&bench.after("a", ids[1])),
            ["2", "3", "4"],
            "exactly the floor is enough"
        );
        let replay = bench.after("a", ids[0]);
        assert_eq!(lost(&replay), Some((vec!["a"], ids[1])));
        assert_eq!(texts(&replay), ["2", "3", "4"]);
    });
}

#[test]
fn history_is_bounded_by_age() {
    each(keeping(Keep { seconds_max: 10, ..Keep::DEFAULT }), |bench| {
        let first = bench.publish("a", "old");
        bench.pass(10);
        assert_eq!(bench.last("a", 9), ["old"], "at the bound it is still there");
        let second = bench.publish("a", "young");
        bench.second += 1;
        // No tick has been since: reading alone must not show what is too old.
        assert_eq!(bench.last("a", 9), ["young"]);
        assert_eq!(lost(&bench.after("a", START)), Some((vec!["a"], first)));
        assert_eq!(texts(&bench.after("a", first)), ["young"]);
        bench.pass(100);
        assert_eq!(bench.engine.usage(), Usage::default());
        assert_eq!(lost(&bench.after("a", first)), Some((vec!["a"], second)));
        assert_eq!(bench.after("a", second).lost, None);
    });
}

#[test]
fn history_is_bounded_by_bytes_but_keeps_the_newest() {
    each(keeping(Keep { bytes_max: 50, ..Keep::DEFAULT }), |bench| {
        // Each message counts its channel's and its event's name: one byte each here.
        for n in 0..6 {
            bench.publish("a", &format!("{n}4567890"));
        }
        assert_eq!(
            bench.last("a", 9),
            ["14567890", "24567890", "34567890", "44567890", "54567890"]
        );
        let large = "x".repeat(1_000);
        bench.publish("a", &large);
        assert_eq!(bench.last("a", 9), [large], "one message larger than the bound stays alone");
        bench.publish("a", "small");
        assert_eq!(bench.last("a", 9), ["small"]);
    });
}

#[test]
fn the_tail_serves_resuming_and_is_never_listed() {
    each(keeping(Keep::TAIL), |bench| {
        let first = bench.publish("a", "1");
        bench.publish("a", "2");
        assert_eq!(bench.last("a", 9), Vec::<String>::new());
        assert_eq!(texts(&bench.after("a", first)), ["2"]);
        bench.pass(31);
        let second = id(SECOND, NANOS + 2);
        assert_eq!(lost(&bench.after("a", first)), Some((vec!["a"], second)));
    });
}

#[test]
fn a_quiet_channel_never_reports_a_loss() {
    each(keeping(Keep { messages_max: 2, ..Keep::DEFAULT }), |bench| {
        for _ in 0..50 {
            bench.publish("busy", "x");
        }
        assert_eq!(bench.after("quiet", START).lost, None);
        assert_eq!(bench.after("busy", bench.engine.position(A)).lost, None);
        bench.publish("quiet", "first");
        let replay = bench.after("quiet", START);
        assert_eq!((lost(&replay), texts(&replay)), (None, vec!["first".to_owned()]));
    });
}

#[test]
fn a_new_record_inherits_the_floor_of_dropped_ones() {
    each(keeping(Keep { seconds_max: 5, ..Keep::DEFAULT }), |bench| {
        let old = bench.publish("a", "old");
        bench.pass(50);
        assert_eq!(bench.engine.usage().channels, 0, "its record is gone");
        // Nobody remembers which channel it was: to be safe, every channel may have lost it.
        assert_eq!(lost(&bench.after("never", START)), Some((vec!["never"], old)));
        bench.publish("a", "new");
        let replay = bench.after("a", START);
        assert_eq!(lost(&replay), Some((vec!["a"], old)));
        assert_eq!(texts(&replay), ["new"]);
        assert_eq!(bench.after("a", old).lost, None);
    });
}

#[test]
fn cursors_from_before_the_start_and_from_the_future_are_lost() {
    each(Limits::default(), |bench| {
        let newest = bench.publish("a", "x");
        let before = id(SECOND, NANOS - 1);
        let replay = bench.after("a,b", before);
        assert_eq!(lost(&replay), Some((vec!["a", "b"], START)));
        assert_eq!(texts(&replay), ["x"]);
        let replay = bench.after("a,b", id(SECOND + 1_000, 1));
        assert_eq!(lost(&replay), Some((vec!["a", "b"], newest)));
        assert_eq!(texts(&replay), Vec::<String>::new());
        assert_eq!(lost(&bench.after("a", id(newest.second, newest.n + 1))).unwrap().1, newest);
        assert_eq!(bench.after("a", newest).lost, None);
    });
}

#[test]
fn one_cursor_for_several_channels_names_every_channel_that_loses() {
    each(keeping(Keep { messages_max: 1, ..Keep::DEFAULT }), |bench| {
        let kept = bench.publish("kept", "k1");
        bench.publish("cut", "c1");
        let floor = id(kept.second, kept.n + 1);
        bench.publish("cut", "c2");
        let late = bench.publish("late", "l1");
        let replay = bench.after("kept,cut,late,quiet", START);
        // What "kept" has lies before the cursor to go on from, so it is given up too, and said so.
        assert_eq!(lost(&replay), Some((vec!["kept", "cut"], floor)));
        assert_eq!(texts(&replay), ["c2", "l1"]);
        assert!(replay.messages.iter().all(|message| message.id > floor));
        assert_eq!(replay.newest, late);
        let replay = bench.after("kept,cut,late,quiet", kept);
        assert_eq!(lost(&replay), Some((vec!["cut"], floor)));
        assert_eq!(bench.after("kept,late,quiet", START).lost, None, "without it nothing is lost");
    });
}

#[test]
fn the_same_key_is_the_same_publish_for_five_minutes() {
    each(Limits { idempotency_keys_max: 2, ..Limits::default() }, |bench| {
        let first = bench.ask(publish(A, "a", b"1", Some("k")));
        assert_eq!(bench.ask(publish(A, "b", b"other", Some("k"))), first);
        assert_eq!(bench.published().len(), 1);
        assert_ne!(bench.ask(publish(B, "a", b"1", Some("k"))), Outcome::Done, "another's key");
        assert_eq!(bench.published().len(), 2, "keys belong to tenants");
        bench.pass(299);
        assert_eq!(bench.ask(publish(A, "a", b"1", Some("k"))), first);
        bench.pass(1);
        assert_ne!(bench.ask(publish(A, "a", b"1", Some("k"))), first);
        // The bound: the oldest key goes first.
        for key in ["l", "m"] {
            bench.ask(publish(A, "a", b"1", Some(key)));
        }
        let before = bench.published().len();
        bench.ask(publish(A, "a", b"1", Some("m")));
        assert_eq!(bench.published().len(), before);
        bench.ask(publish(A, "a", b"1", Some("k")));
        assert_eq!(bench.published().len(), before + 1);
    });
}

#[test]
fn too_many_channels_refuse_the_whole_publish() {
    each(Limits { channels_max: 2, ..Limits::default() }, |bench| {
        bench.publish("a", "x");
        let refused = Outcome::Refused(Refusal::TooManyChannels);
        assert_eq!(bench.publish_for(A, "a,b,c", b"y"), refused);
        assert_eq!(bench.published().len(), 1, "all or none");
        assert_eq!(bench.engine.usage().messages, 1);
        bench.publish("a,b", "z");
        assert_eq!(bench.publish_for(A, "c", b"y"), refused);
        bench.publish("a", "known channels go on");
        bench.publish_for(B, "c,d", b"another tenant has its own bound");
        bench.pass(1_000);
        bench.publish("c,d", "and room comes back");
    });
}

/// A publish by a client without the key.
fn by_stranger(channels: &str) -> Command {
    let Command::Publish { tenant, messages, .. } = publish(A, channels, b"x", None) else {
        unreachable!()
    };
    Command::Publish { tenant, messages, by: By::Stranger, idempotency_key: None }
}

#[test]
fn strangers_displace_the_quietest_of_their_own_channels_and_nobody_elses() {
    let limits = Limits { channels_max: 10, guest_channels_max: 3, ..Limits::default() };
    each(limits, |bench| {
        bench.publish("own", "mine");
        for n in 0..3 {
            bench.ask(by_stranger(&format!("guest{n}")));
        }
        assert_eq!(bench.engine.usage().channels, 4, "at the bound");
        bench.ask(by_stranger("guest0"));
        bench.ask(by_stranger("guest3"));
        assert_eq!(bench.engine.usage().channels, 4, "one past it");
        assert_eq!(bench.last("guest1", 9), [""; 0], "this was the quietest");
        for kept in ["own", "guest0", "guest2", "guest3"] {
            assert!(!bench.last(kept, 9).is_empty(), "{kept}");
        }
        for n in 0..1_000 {
            assert!(matches!(bench.ask(by_stranger(&format!("r{n}"))), Outcome::Published { .. }));
            assert_eq!(bench.engine.usage().channels, 4);
        }
        assert_eq!(bench.last("own", 9), ["mine"], "a flood of names reaches nobody else's");
        for n in 0..9 {
            bench.publish(&format!("late{n}"), "a back end has room all the same");
        }
        assert_eq!((bench.engine.usage().channels, bench.last("r999", 9).len()), (10, 0));
        let refused = Outcome::Refused(Refusal::TooManyChannels);
        assert_eq!(bench.publish_for(A, "more", b"y"), refused, "its own bound holds for it too");
        assert_eq!(bench.ask(by_stranger("more")), refused);
        assert!(matches!(bench.ask(by_stranger("own")), Outcome::Published { .. }));
    });
}

#[test]
fn what_strangers_say_takes_at_most_half_of_what_is_kept_from_others() {
    let limits = Limits { history_bytes_max: 1_000, ..Limits::default() };
    each(limits, |bench| {
        for n in 0..4 {
            bench.publish_for(A, &format!("own{n}"), &[b'x'; 90]);
        }
        for n in 0..1_000 {
            let Command::Publish { messages, .. } =
                publish(A, &format!("r{}", n % 7), &[b'y'; 90], None)
            else {
                unreachable!()
            };
            let (tenant, by) = (if n % 2 == 0 { A } else { B }, By::Stranger);
            bench.ask(Command::Publish { tenant, messages, by, idempotency_key: None });
            let usage = bench.engine.usage();
            assert!(usage.bytes <= 1_000 && usage.guest_bytes <= usage.bytes, "{usage:?}");
        }
        for n in 0..4 {
            assert_eq!(bench.last(&format!("own{n}"), 9).len(), 1, "own{n} is all there");
        }
        assert!(bench.engine.usage().guest_bytes > 400, "and strangers have theirs");
        bench.publish("r1,r2,r3,r4,r5,r6,r0", "mine");
        bench.pass(1_000);
        assert_eq!(bench.engine.usage(), Usage::default());
    });
}

#[test]
fn who_comes_back_to_a_displaced_channel_is_told() {
    each(Limits { guest_channels_max: 1, ..Limits::default() }, |bench| {
        let before = bench.engine.position(A);
        bench.ask(by_stranger("a"));
        let seen = bench.engine.position(A);
        bench.ask(by_stranger("a"));
        bench.ask(by_stranger("b"));
        let told = bench.after("a", seen).lost.expect("one message of it is gone");
        assert_eq!(told.channels, names("a"));
        let (own, new) = (bench.publish("own", "x"), bench.after("b", before));
        assert!(new.lost.is_some(), "a record inherits the floor of whatever went before");
        assert_eq!(bench.after("own,a,b", own).lost, None, "who saw all has missed nothing");
    });
}

#[test]
fn a_publish_displaces_no_channel_that_it_names_itself() {
    let limits = Limits { channels_max: 3, guest_channels_max: 3, ..Limits::default() };
    each(limits, |bench| {
        bench.ask(by_stranger("a,b,c"));
        assert!(matches!(bench.ask(by_stranger("a,b,d")), Outcome::Published { .. }));
        assert_eq!((bench.last("a,b", 9).len(), bench.last("c", 9).len()), (4, 0));
        let refused = Outcome::Refused(Refusal::TooManyChannels);
        assert_eq!(bench.ask(by_stranger("a,e,f,g")), refused);
        assert_eq!(bench.last("a,b", 9).len(), 4, "a publish that is refused displaces nobody");
    });
}

#[test]
fn a_back_end_makes_a_guest_its_own() {
    let limits = Limits { guest_channels_max: 1, ..Limits::default() };
    each(limits, |bench| {
        bench.ask(by_stranger("a"));
        bench.publish("a", "adopted");
        bench.ask(by_stranger("b"));
        let change = encke::hub::command::Change::Put;
        let records = vec![("b".into(), "5".into())];
        bench.ask(Command::ChangeRecords { tenant: A, kind: RecordKind::Log, records, change });
        for n in 0..10 {
            bench.ask(by_stranger(&format!("r{n}")));
        }
        assert_eq!(bench.last("a", 9), ["x", "adopted"]);
        assert_eq!(bench.last("b", 9), ["x"], "a log that was turned on stays");
        assert_eq!(bench.engine.usage().channels, 3);
        bench.pass(1_000);
        bench.ask(by_stranger("again"));
        assert_eq!(bench.engine.usage().channels, 2);
    });
}

#[test]
fn a_channel_named_twice_in_one_publish_counts_once() {
    each(Limits { channels_max: 1, ..Limits::default() }, |bench| {
        assert_eq!(bench.publish("a,a", "x").n, NANOS + 2, "an INSERT of two rows may say so");
    });
}

#[test]
fn all_histories_together_stay_within_their_bytes() {
    each(Limits { history_bytes_max: 1_000, ..Limits::default() }, |bench| {
        for n in 0..40 {
            let tenant = if n % 4 == 0 { B } else { A };
            bench.publish_for(tenant, &format!("c{}", n % 7), &[b'x'; 90]);
            assert!(bench.engine.usage().bytes <= 1_000, "{:?}", bench.engine.usage());
        }
        let newest = bench.engine.position(A);
        let replay = bench.after("c0,c1,c2,c3,c4,c5,c6", START);
        assert!(replay.lost.is_some() && !replay.messages.is_empty());
        assert_eq!(replay.newest, newest);
        bench.publish_for(A, "c0", &[b'x'; 2_000]);
        assert!(bench.engine.usage().bytes <= 1_000, "even one that is larger than everything");
    });
}

#[test]
fn a_kick_forgets_the_history_and_tells_everybody() {
    each(Limits::default(), |bench| {
        let last = bench.publish("a", "x");
        bench.publish("b", "y");
        let kick = |channel| Command::Kick { tenant: A, channel: name(channel) };
        assert_eq!(bench.ask(kick("a")), Outcome::Kicked(true));
        assert_eq!(bench.ask(kick("a")), Outcome::Kicked(false));
        assert_eq!(bench.ask(kick("never")), Outcome::Kicked(false));
        let kicked = Happened::Kicked { tenant: A, channel: name("a") };
        assert_eq!(bench.feed[2], kicked);
        assert_eq!(bench.last("a,b", 9), ["y"]);
        assert_eq!(lost(&bench.after("a", START)), Some((vec!["a"], last)));
        assert_eq!(bench.engine.usage().channels, 1);
        bench.publish("a", "again");
        assert_eq!(bench.last("a", 9), ["again"]);
    });
}

#[test]
fn nobody_is_elsewhere() {
    each(Limits::default(), |bench| {
        let (tenant, channel) = (A, name("a"));
        let enter = Command::Enter { tenant, channel: channel.clone(), user: Some("u".into()) };
        assert_eq!(bench.ask(enter), Outcome::Done);
        let presence = Command::Presence { tenant, channel: channel.clone() };
        let nobody = Outcome::Presence { count: 0, users: Vec::new() };
        assert_eq!(bench.ask(presence), nobody, "who is here is the hub's to know");
        let counts = Command::Counts { tenant, channels: names("a,b,c") };
        assert_eq!(bench.ask(counts), Outcome::Counts(vec![0, 0, 0]));
        let leave = Command::Leave { tenant, channel, user: Some("u".into()) };
        assert_eq!(bench.ask(leave), Outcome::Done);
        let (event, data) = (EventName::default(), Data::text("hi"));
        let user = Box::from("u");
        let messages = vec![NewPersonal { user, event, data }];
        let deliver = Command::DeliverToUsers { tenant, messages, waits: false };
        assert_eq!(bench.ask(deliver), Outcome::Delivered(0));
        let [Happened::ToUser(message)] = &bench.feed[..] else {
            panic!("it is in the feed, but no message of a channel: {:?}", bench.feed);
        };
        assert_eq!((&*message.user, message.data.as_text()), ("u", Some("hi")));
    });
}

#[test]
fn a_tick_does_a_bounded_amount_of_work() {
    let limits = keeping(Keep { seconds_max: 1, ..Keep::DEFAULT });
    each(limits, |bench| {
        let now = bench.now();
        for n in 0..2_500 {
            bench.engine.submit(None, publish(A, &format!("c{n}"), b"x", None), now);
        }
        bench.drain();
        bench.second += 100;
        let mut left = vec![bench.engine.usage().channels];
        while bench.engine.usage().channels > 0 {
            bench.engine.tick(bench.now());
            left.push(bench.engine.usage().channels);
        }
        assert_eq!(left, [2_500, 1_500, 500, 0]);
    });
}

#[test]
fn usage_is_exact_and_comes_back_to_nothing() {
    each(keeping(Keep { messages_max: 2, ..Keep::DEFAULT }), |bench| {
        bench.publish("ab", "12345");
        bench.publish("ab,c", "1");
        // Channel, event and data: 2 + 1 + 5, 2 + 1 + 1, 1 + 1 + 1.
        assert_eq!(
            bench.engine.usage(),
            Usage { channels: 2, messages: 3, bytes: 15, ..Usage::default() }
        );
        bench.publish("ab", "");
        assert_eq!(
            bench.engine.usage(),
            Usage { channels: 2, messages: 3, bytes: 10, ..Usage::default() }
        );
        bench.ask(Command::Kick { tenant: A, channel: name("c") });
        assert_eq!(
            bench.engine.usage(),
            Usage { channels: 1, messages: 2, bytes: 7, ..Usage::default() }
        );
        bench.pass(601);
        assert_eq!(bench.engine.usage(), Usage::default());
    });
}

#[test]
fn tenants_do_not_see_one_another() {
    each(Limits::default(), |bench| {
        bench.publish("a", "mine");
        bench.publish_for(B, "a", b"hers");
        assert_eq!(bench.last("a", 9), ["mine"]);
        assert_eq!(texts(&bench.read(B, "a", Start::Last(9))), ["hers"]);
        assert_eq!(bench.engine.position(B), id(SECOND, NANOS + 1), "each counts for itself");
        bench.ask(Command::Kick { tenant: B, channel: name("a") });
        assert_eq!(bench.last("a", 9), ["mine"]);
        assert_eq!(bench.after("a", START).lost, None);
    });
}

#[test]
fn a_reload_changes_bounds_adds_tenants_and_forgets_those_that_went() {
    each(Limits::default(), |bench| {
        for text in ["one", "two", "three"] {
            bench.publish("a", text);
        }
        bench.publish_for(B, "a", b"hers");
        let limits = keeping(Keep { messages_max: 2, ..Keep::DEFAULT });
        let now = bench.now();
        bench.engine.reload(&Change { tenants: 3, removed: &[B], limits: limits.clone() }, now);
        assert_eq!(bench.last("a", 9), ["two", "three"], "the new bound holds");
        assert_eq!(bench.engine.usage().channels, 1, "nothing is left of B");
        let new = TenantId(2);
        bench.publish_for(new, "a", b"first");
        assert_eq!(texts(&bench.read(new, "a", Start::Last(9))), ["first"]);
        assert_eq!(bench.last("a", 9), ["two", "three"]);
        // B comes back: its ids go on, and a cursor from before is told of its loss.
        let (before, now) = (bench.engine.position(B), bench.now());
        bench.engine.reload(&Change { tenants: 3, removed: &[], limits }, now);
        bench.publish_for(B, "a", b"again");
        assert!(bench.engine.position(B) > before);
        let replay = bench.read(B, "a", Start::After(START));
        assert_eq!(lost(&replay).map(|(channels, _)| channels), Some(vec!["a"]));
        assert_eq!(texts(&replay), ["again"]);
    });
}

#[test]
fn the_late_engine_keeps_both_promises() {
    for seed in 0..50 {
        let mut engine = LateEngine::new(1, Limits::default(), at(SECOND), seed, 20);
        let (mut newest, mut was_late, mut asked) = (START, false, Vec::new());
        for round in 0..200 {
            engine.submit(None, publish(A, "a", b"x", None), at(SECOND));
            let token = Token { slot: round, generation: 1, number: 1 };
            let (tenant, channels) = (A, names("a"));
            let start = Start::After(START);
            asked.push(newest);
            let command = Command::MessagesAfter { tenant, channels, start };
            engine.submit(Some(token), command, at(SECOND));
            for _ in 0..3 {
                match engine.take() {
                    Some(Output::Happened(Happened::Published(message))) => {
                        assert!(message.id > newest, "the feed is in order");
                        newest = message.id;
                    }
                    Some(Output::Completed(token, Outcome::Messages(replay))) => {
                        assert!(replay.newest >= asked[token.slot as usize]);
                        was_late |= token.slot != round;
                    }
                    Some(other) => panic!("{other:?}"),
                    None => {}
                }
                assert_eq!(engine.position(A), newest, "no more than what has left the feed");
            }
        }
        assert!(was_late);
    }
}
