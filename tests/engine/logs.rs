//! Logs: what a channel shows to those who ask for its past in CometQL's way.

use encke::hub::command::{Change, RecordKind};

use super::*;

fn set(bench: &mut Bench, channel: &str, length: &str, change: Change) -> Outcome {
    let records = vec![(channel.into(), length.into())];
    bench.ask(Command::ChangeRecords { tenant: A, kind: RecordKind::Log, records, change })
}

fn logs(bench: &mut Bench, channels: &str) -> Vec<String> {
    let Outcome::Logs(logs) = bench.ask(Command::Logs { tenant: A, channels: names(channels) })
    else {
        panic!("not a log");
    };
    let text = |message: Rc<Message>| message.data.as_text().expect("text").to_owned();
    logs.into_iter().flatten().map(text).collect()
}

#[test]
fn a_log_shows_what_came_since_it_was_turned_on() {
    each(Limits::default(), |bench| {
        bench.publish("a", "before");
        assert_eq!(logs(bench, "a"), [""; 0], "none");
        assert_eq!(set(bench, "a", "2", Change::Put), Outcome::Changed(1));
        assert_eq!(logs(bench, "a"), [""; 0]);
        for text in ["1", "2", "3"] {
            bench.publish("a", text);
        }
        assert_eq!(logs(bench, "a"), ["2", "3"], "the newest two, oldest first");
        set(bench, "a", "1", Change::Put);
        assert_eq!(logs(bench, "a"), ["3"]);
        set(bench, "a", "0", Change::Put);
        assert_eq!(logs(bench, "a"), [""; 0], "0 is none");
        assert_eq!(bench.last("a", 9), ["before", "1", "2", "3"], "the history is another matter");
    });
}

#[test]
fn a_log_is_there_before_its_channel_and_after_its_time() {
    each(keeping(Keep { messages_max: 1, seconds_max: 10, ..Keep::DEFAULT }), |bench| {
        set(bench, "a", "500", Change::Put);
        for n in 0..120 {
            bench.publish("a", &n.to_string());
        }
        bench.pass(100_000);
        let log = logs(bench, "a");
        assert_eq!(
            (log.len(), &*log[0], &*log[98]),
            (99, "21", "119"),
            "at most 99, never too old"
        );
        assert_eq!(set(bench, "a", "", Change::Delete), Outcome::Changed(1));
        bench.pass(1);
        assert_eq!((logs(bench, "a"), bench.engine.usage().messages), (vec![], 0));
    });
}

#[test]
fn a_trusted_channel_has_a_log_of_its_own_accord() {
    each(Limits::default(), |bench| {
        bench.publish("trust_a,web_a", "x");
        assert_eq!(logs(bench, "trust_a,web_a,none"), ["x"]);
        bench.pass(240);
        assert_eq!(logs(bench, "trust_a"), ["x"]);
        bench.pass(1);
        assert_eq!(logs(bench, "trust_a"), [""; 0]);
    });
}

#[test]
fn clearing_hides_and_deleting_forgets() {
    each(Limits::default(), |bench| {
        set(bench, "a", "9", Change::Put);
        bench.publish("a", "1");
        let second = bench.publish("a", "2");
        bench.publish("a", "3");
        let delete = Command::DeleteMessages { tenant: A, ids: vec![second, START] };
        assert_eq!(bench.ask(delete), Outcome::Changed(1));
        assert_eq!(logs(bench, "a"), ["1", "3"]);
        assert_eq!(texts(&bench.after("a", START)), ["1", "3"], "nobody gets it any more");
        assert_eq!(lost(&bench.after("a", START)), None, "and nobody misses it");
        let clear = Command::ClearLogs { tenant: A, channels: names("a,none") };
        assert_eq!(bench.ask(clear), Outcome::Changed(2));
        assert_eq!(logs(bench, "a"), [""; 0]);
        assert_eq!(texts(&bench.after("a", START)), ["1", "3"], "who resumes is not robbed");
        bench.publish("a", "4");
        assert_eq!(logs(bench, "a"), ["4"]);
    });
}
