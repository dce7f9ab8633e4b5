//! Users: who is here, what is sent to them, and what waits.

use encke::hub::command::{NewPersonal, Seen};
use encke::hub::message::Personal;

use super::*;

fn word(text: &str) -> Option<NewMessage> {
    let (channel, event) = (name("user_status_7"), EventName::new(text).expect("a good name"));
    Some(NewMessage { channel, event, data: Data::text(text), sender: None })
}

pub fn arrive(bench: &mut Bench, user: &str, since: Option<MessageId>) -> (Vec<String>, MessageId) {
    let (tenant, user) = (A, Box::from(user));
    match bench.ask(Command::Arrive { tenant, user, since, word: word("online") }) {
        Outcome::Arrived { waiting, newest, .. } => (personal(&waiting), newest),
        other => panic!("{other:?}"),
    }
}

/// A device goes that has had everything but this.
pub fn depart(bench: &mut Bench, user: &str, unread: Vec<Rc<Personal>>) {
    depart_at(bench, user, unread, MessageId::MAX);
}

fn depart_at(bench: &mut Bench, user: &str, unread: Vec<Rc<Personal>>, upto: MessageId) {
    let (tenant, user) = (A, Box::from(user));
    let command = Command::Depart { tenant, user, unread, upto, word: word("offline") };
    assert_eq!(bench.ask(command), Outcome::Done);
}

fn send(bench: &mut Bench, user: &str, text: &str) -> Outcome {
    send_all(bench, &[(user, text)])
}

fn send_all(bench: &mut Bench, messages: &[(&str, &str)]) -> Outcome {
    let message = |&(user, text): &(&str, &str)| {
        let (user, event) = (Box::from(user), EventName::default());
        NewPersonal { user, event, data: Data::text(text) }
    };
    let messages = messages.iter().map(message).collect();
    bench.ask(Command::DeliverToUsers { tenant: A, messages, waits: true })
}

pub fn waiting(bench: &mut Bench, user: &str) -> Vec<String> {
    match bench.ask(Command::Waiting { tenant: A, users: vec![user.into()] }) {
        Outcome::Waiting(lists) => personal(&lists[0]),
        other => panic!("{other:?}"),
    }
}

fn personal(messages: &[Rc<Personal>]) -> Vec<String> {
    messages.iter().map(|message| message.data.as_text().expect("text").to_owned()).collect()
}

fn seen(bench: &mut Bench, user: &str) -> Seen {
    match bench.ask(Command::LastSeen { tenant: A, users: vec![user.into()] }) {
        Outcome::LastSeen(seen) => seen[0],
        other => panic!("{other:?}"),
    }
}

/// What was said of the moment, by event.
fn said(bench: &Bench) -> Vec<String> {
    let event = |happened: &Happened| match happened {
        Happened::Said(message) => Some(message.event.to_string()),
        _ => None,
    };
    bench.feed.iter().filter_map(event).collect()
}

#[test]
fn words_are_said_when_the_first_device_comes_and_the_last_one_goes() {
    each(Limits::default(), |bench| {
        assert_eq!(seen(bench, "7"), Seen::Never);
        arrive(bench, "7", None);
        arrive(bench, "7", None);
        assert_eq!((said(bench), seen(bench, "7")), (vec!["online".to_owned()], Seen::Now));
        depart(bench, "7", Vec::new());
        assert_eq!(said(bench).len(), 1);
        bench.second += 5;
        depart(bench, "7", Vec::new());
        assert_eq!(said(bench), ["online", "offline"]);
        assert_eq!(seen(bench, "7"), Seen::At(SECOND + 5));
        depart(bench, "7", Vec::new());
        depart(bench, "stranger", Vec::new());
        arrive(bench, "7", None);
        assert_eq!(seen(bench, "7"), Seen::Now, "one departure too many does no harm");
    });
}

#[test]
fn what_is_sent_to_somebody_away_waits_and_is_had_once() {
    each(Limits::default(), |bench| {
        for text in ["1", "2", "3"] {
            assert_eq!(send(bench, "7", text), Outcome::Delivered(0));
        }
        assert_eq!(waiting(bench, "7"), ["1", "2", "3"]);
        assert_eq!(arrive(bench, "7", None).0, ["1", "2", "3"]);
        assert_eq!(arrive(bench, "7", None).0, [""; 0], "another device comes too late");
        assert_eq!(waiting(bench, "7"), [""; 0]);
        send(bench, "7", "4");
        assert_eq!(waiting(bench, "7"), [""; 0], "there are devices");
        depart(bench, "7", Vec::new());
        depart(bench, "7", Vec::new());
        send(bench, "7", "5");
        let forget = Command::ForgetWaiting { tenant: A, users: vec!["7".into(), "8".into()] };
        assert_eq!(bench.ask(forget), Outcome::Changed(1));
        assert_eq!(arrive(bench, "7", None).0, [""; 0]);
    });
}

#[test]
fn a_device_that_was_cut_off_gets_what_came_since() {
    each(Limits::default(), |bench| {
        send(bench, "7", "1");
        let (first, cursor) = arrive(bench, "7", None);
        assert_eq!(first, ["1"]);
        send(bench, "7", "2");
        depart(bench, "7", Vec::new());
        send(bench, "7", "3");
        let (missed, newest) = arrive(bench, "7", Some(cursor));
        assert_eq!(missed, ["2", "3"], "one was on its way, one waited");
        assert_eq!(arrive(bench, "7", Some(newest)).0, [""; 0]);
        bench.pass(31);
        assert_eq!(arrive(bench, "7", Some(cursor)).0, [""; 0], "had is had after 30 s");
    });
}

#[test]
fn what_a_device_did_not_read_waits_again() {
    each(Limits::default(), |bench| {
        send(bench, "7", "1");
        send(bench, "7", "2");
        let (tenant, user) = (A, Box::from("7"));
        let arrived = bench.ask(Command::Arrive { tenant, user, since: None, word: None });
        let Outcome::Arrived { waiting, .. } = arrived else { panic!("{arrived:?}") };
        depart(bench, "7", waiting[1..].to_vec());
        assert_eq!(arrive(bench, "7", None).0, ["2"]);
    });
}

#[test]
fn what_was_on_its_way_to_a_device_waits_again() {
    each(Limits::default(), |bench| {
        send(bench, "7", "0");
        let (_, cursor) = arrive(bench, "7", None);
        arrive(bench, "7", None);
        send(bench, "7", "1");
        let (_, newer) = arrive(bench, "8", None);
        send(bench, "7", "2");
        depart_at(bench, "7", Vec::new(), newer);
        assert_eq!(waiting(bench, "7"), [""; 0], "the other one is there");
        depart_at(bench, "7", Vec::new(), newer);
        assert_eq!(arrive(bench, "7", None).0, ["2"]);
        assert_eq!(arrive(bench, "7", Some(cursor)).0, ["1", "2"]);
    });
}

#[test]
fn waiting_has_an_end_and_a_bound() {
    let limits = Limits { waiting_messages_max: 2, waiting_seconds: 60, ..Limits::default() };
    each(limits, |bench| {
        send(bench, "7", "1");
        bench.second += 30;
        send(bench, "7", "2");
        let refused = Outcome::Refused(Refusal::TooManyRecords);
        assert_eq!(send(bench, "7", "3"), refused, "nothing accepted is lost");
        let both = [("8", "1"), ("7", "3")];
        assert_eq!(send_all(bench, &both), refused, "all or none");
        assert_eq!(waiting(bench, "8"), [""; 0]);
        bench.pass(31);
        assert_eq!(arrive(bench, "7", None).0, ["2"], "a minute is over for the first");
        for n in 0..10 {
            assert_eq!(send(bench, "7", &n.to_string()), Outcome::Delivered(0), "it is here");
        }
    });
    each(Limits { waiting_bytes_max: 100, ..Limits::default() }, |bench| {
        assert_eq!(send(bench, "7", &"x".repeat(90)), Outcome::Delivered(0));
        let refused = Outcome::Refused(Refusal::TooManyRecords);
        assert_eq!(send(bench, "8", &"x".repeat(90)), refused);
        bench.pass(1_000);
        assert_eq!(send(bench, "8", &"x".repeat(90)), Outcome::Delivered(0), "room came back");
    });
}

#[test]
fn of_too_many_users_those_who_went_first_are_forgotten() {
    each(Limits { records_max: 10, ..Limits::default() }, |bench| {
        arrive(bench, "stays", None);
        for n in 0..30 {
            let user = n.to_string();
            arrive(bench, &user, None);
            bench.second += 1;
            depart(bench, &user, Vec::new());
        }
        assert_eq!(seen(bench, "stays"), Seen::Now);
        assert_eq!(seen(bench, "0"), Seen::Never);
        assert_eq!(seen(bench, "29"), Seen::At(SECOND + 30));
    });
}

#[test]
fn sending_a_user_away_is_in_the_feed() {
    each(Limits::default(), |bench| {
        let (tenant, user) = (A, Box::<str>::from("7"));
        let kick = Command::KickUser { tenant, user: user.clone() };
        assert_eq!(bench.ask(kick), Outcome::Done);
        assert_eq!(bench.feed, [Happened::UserKicked { tenant, user }]);
    });
}
