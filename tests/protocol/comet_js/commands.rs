//! Commands, and the errors that answer them.

use encke::dialects::comet_js::command::{
    Ask, Command, Complaint, Publish, Refused, UnknownCommand, parse,
};
use encke::hub::message::Data;
use encke::hub::names::{ChannelName, EventName};

const NAMES_MAX: usize = 4;

fn names(list: &[&str]) -> Vec<ChannelName> {
    list.iter().map(|name| ChannelName::new(name.as_bytes()).unwrap()).collect()
}

fn listen(list: &[&str]) -> Command {
    Command::Subscribe { channels: names(list), complaint: None }
}

fn publish(channel: &str, event: &str, hidden: bool, data: &str) -> Command {
    Command::Publish(Publish {
        channel: names(&[channel]).remove(0),
        event: EventName::new(event).unwrap(),
        hidden,
        data: Data::text(data),
    })
}

fn ask(channel: &str, marker: &str) -> Ask {
    Ask { channel: names(&[channel]).remove(0), marker: marker.into() }
}

#[test]
fn commands_are_understood() {
    let longest = "a".repeat(64);
    let rows = vec![
        ("one", "1.4.1", "subscription\nweb_a".to_owned(), listen(&["web_a"])),
        (
            "several",
            "1.4.1",
            "subscription\nweb_a\nb2\nmy-c".into(),
            listen(&["web_a", "b2", "my-c"]),
        ),
        ("newline at the end", "1.4.1", "subscription\nweb_a\n".into(), listen(&["web_a"])),
        ("none", "1.4.1", "subscription\n".into(), listen(&[])),
        ("name alone", "1.4.1", "subscription".into(), listen(&[])),
        (
            "any other byte separates",
            "1.4.1",
            "subscription\nbad name\r\näöü".into(),
            listen(&["bad", "name"]),
        ),
        (
            "one character ends it",
            "1.4.1",
            "subscription\nweb_a\nb\nweb_c".into(),
            listen(&["web_a"]),
        ),
        (
            "a dot separates",
            "1.4.1",
            "subscription\nweb_a.event".into(),
            listen(&["web_a", "event"]),
        ),
        (
            "each once",
            "1.4.1 ours",
            "subscription\nweb_a\nweb_b\nweb_a".into(),
            listen(&["web_a", "web_b"]),
        ),
        (
            "as many as there may be",
            "1.4.1",
            "subscription\naa\nbb\ncc\ndd".into(),
            listen(&["aa", "bb", "cc", "dd"]),
        ),
        (
            "a repeated one is not too many",
            "1.4.1 ours",
            "subscription\naa\nbb\ncc\ndd\naa".into(),
            listen(&["aa", "bb", "cc", "dd"]),
        ),
        (
            "one too many",
            "1.4.1",
            "subscription\naa\nbb\ncc\ndd\nee".into(),
            Command::Subscribe {
                channels: names(&["aa", "bb", "cc", "dd"]),
                complaint: Some(Complaint::TooManyNames),
            },
        ),
        ("longest name", "1.4.1", format!("subscription\n{longest}"), listen(&[&longest])),
        (
            "publish",
            "1.4.2",
            "web_pipe2\nweb_a\nev\n*\n{\"a\":1}".into(),
            publish("web_a", "ev", false, "{\"a\":1}"),
        ),
        (
            "two arguments of the client",
            "1.4.2",
            "web_pipe2\nweb_a\nundefined\n*\n1".into(),
            publish("web_a", "undefined", false, "1"),
        ),
        (
            "no event",
            "1.4.2",
            "web_pipe2\nweb_a\n\n*\n\"x\"".into(),
            publish("web_a", "", false, "\"x\""),
        ),
        (
            "hidden",
            "1.4.2",
            "web_pipe2\n@web_a\nev\n*\n1".into(),
            publish("web_a", "ev", true, "1"),
        ),
        (
            "newlines in the data",
            "1.4.2",
            "web_pipe2\nweb_a\nev\n*\n[1,\n2]\n".into(),
            publish("web_a", "ev", false, "[1,\n2]\n"),
        ),
        ("no data", "1.4.2", "web_pipe2\nweb_a\nev\n*".into(), publish("web_a", "ev", false, "")),
        (
            "any one character",
            "1.4.2",
            "web_pipe2\nweb_a\nev\né\n1".into(),
            publish("web_a", "ev", false, "1"),
        ),
        (
            "for the server to refuse",
            "1.4.2",
            "web_pipe2\nother\nev\n*\n1".into(),
            publish("other", "ev", false, "1"),
        ),
        (
            "longest names",
            "1.4.2",
            format!("web_pipe2\n{longest}\n{longest}\n*\n1"),
            publish(&longest, &longest, false, "1"),
        ),
        (
            "count",
            "1.4.3",
            "pipe_count\nweb_a\n0123456789\n".into(),
            Command::Count(ask("web_a", "0123456789")),
        ),
        (
            "count, no newline at the end",
            "1.4.3",
            "pipe_count\nweb_a\n12".into(),
            Command::Count(ask("web_a", "12")),
        ),
        (
            "count without a marker",
            "1.4.3",
            "pipe_count\nweb_a".into(),
            Command::Count(ask("web_a", "")),
        ),
        (
            "history",
            "1.4.4",
            "pipe_log\ntrust_a\n12\n".into(),
            Command::History(ask("trust_a", "12")),
        ),
        (
            "members",
            "1.4.5",
            "track_pipe_users\ntrack_a\n12".into(),
            Command::Members(ask("track_a", "12")),
        ),
        (
            "members of what the server refuses",
            "1.4.5",
            "track_pipe_users\nweb_a\n12".into(),
            Command::Members(ask("web_a", "12")),
        ),
        (
            "longest marker",
            "1.4",
            format!("pipe_count\nweb_a\n{longest}\n"),
            Command::Count(ask("web_a", &longest)),
        ),
        (
            "user data",
            "1.4.6",
            "user_data\n12\n7".into(),
            Command::UserData { user: 7, marker: "12".into() },
        ),
        (
            "user data, newline",
            "1.4.6",
            "user_data\n12\n7\n".into(),
            Command::UserData { user: 7, marker: "12".into() },
        ),
        ("last seen", "1.4.6", "user_status\n7".into(), Command::UserStatus { user: 7 }),
        (
            "largest user",
            "1.4.6",
            "user_status\n2147483648".into(),
            Command::UserStatus { user: 1 << 31 },
        ),
        ("statistics", "1.4", "statistics\n{\"url\":\"x\"}".into(), Command::Ignored),
        ("cgi_call", "1.4", "cgi_call\nx".into(), Command::Ignored),
        ("CometQL_call", "1.4", "CometQL_call\n12\na.b.c".into(), Command::Ignored),
    ];
    for (row, section, text, expect) in rows {
        assert_eq!(parse(&text, NAMES_MAX), Ok(expect), "{row} ({section}): {text:?}");
    }
}

#[test]
fn commands_are_refused() {
    use Complaint::*;
    let stays = |complaint: Complaint| Refused::from(complaint);
    let twice = |complaint, then| Refused { complaint, then: Some(then), closes: false };
    let ends = |complaint| Refused { complaint, then: None, closes: true };
    let long = "a".repeat(65);
    let rows = vec![
        (
            "name too long",
            "1.4.1",
            format!("subscription\nweb_a\n{long}"),
            ends(SubscribedNameTooLong),
        ),
        (
            "list too long",
            "1.4.1",
            format!("subscription\n{}", "aa\n".repeat(91)),
            ends(TooManyNames),
        ),
        (
            "separators too long",
            "1.4.1",
            format!("subscription\n{}", "\n".repeat(273)),
            ends(TooManyNames),
        ),
        ("bad character", "1.4.2", "web_pipe2\nweb_ a\nev\n*\n1".into(), stays(NameCharacter)),
        (
            "bad character, authorised",
            "1.4.2",
            "web_pipe2\nwebauth_.\nev\n*\n1".into(),
            stays(NameCharacter),
        ),
        (
            "bad character, hidden",
            "1.4.2",
            "web_pipe2\n@web_'\nev\n*\n1".into(),
            stays(NameCharacter),
        ),
        ("name too long", "1.4.2", format!("web_pipe2\nweb_{long}\nev\n*\n1"), stays(NameLength)),
        (
            "begins otherwise",
            "1.4.2",
            "web_pipe2\nbad name\nev\n*\n1".into(),
            stays(NotForBrowsers),
        ),
        (
            "too long, begins otherwise",
            "1.4.2",
            format!("web_pipe2\n{long}\nev\n*\n1"),
            stays(NotForBrowsers),
        ),
        (
            "hides in the wrong place",
            "1.4.2",
            "web_pipe2\n@webauth_a\nev\n*\n1".into(),
            stays(NotForBrowsers),
        ),
        ("hides twice", "1.4.2", "web_pipe2\n@@web_a\nev\n*\n1".into(), stays(NotForBrowsers)),
        ("no name", "1.4.2", "web_pipe2\n\nev\n*\n1".into(), stays(NotForBrowsers)),
        ("nothing", "1.4.2", "web_pipe2".into(), stays(NotForBrowsers)),
        ("event character", "1.4.2", "web_pipe2\nweb_a\ne.v\n*\n1".into(), stays(EventCharacter)),
        (
            "event of the server",
            "1.4.2",
            "web_pipe2\nweb_a\nencke:lost\n*\n1".into(),
            stays(EventCharacter),
        ),
        ("event too long", "1.4.2", format!("web_pipe2\nweb_a\n{long}\n*\n1"), stays(EventLength)),
        ("no fourth line", "1.4.2", "web_pipe2\nweb_a\nev".into(), stays(AuthType)),
        ("empty fourth line", "1.4.2", "web_pipe2\nweb_a\nev\n\n1".into(), stays(AuthType)),
        ("long fourth line", "1.4.2", "web_pipe2\nweb_a\nev\n**\n1".into(), stays(AuthType)),
        (
            "count, character",
            "1.4.3",
            "pipe_count\nweb a\n12\n".into(),
            twice(NameCharacter, CountName),
        ),
        (
            "count, length",
            "1.4.3",
            format!("pipe_count\n{long}\n12\n"),
            twice(NameLength, CountName),
        ),
        ("count of nothing", "1.4.3", "pipe_count\n".into(), twice(NameLength, CountName)),
        ("count, marker", "1.4.3", "pipe_count\nweb_a\n1 2\n".into(), stays(Marker)),
        ("count, more lines", "1.4.3", "pipe_count\nweb_a\n12\n13\n".into(), stays(Marker)),
        (
            "history, character",
            "1.4.4",
            "pipe_log\nweb.a\n12\n".into(),
            twice(NameCharacter, HistoryName),
        ),
        (
            "history, length",
            "1.4.4",
            format!("pipe_log\n{long}\n12\n"),
            twice(NameLength, HistoryName),
        ),
        ("history, marker", "1.4.4", "pipe_log\nweb_a\n\"\n".into(), stays(Marker)),
        ("marker too long", "1.4", format!("pipe_log\nweb_a\n{long}\n"), stays(Marker)),
        (
            "members, character",
            "1.4.5",
            "track_pipe_users\ntrack_ä\n12".into(),
            stays(NameCharacter),
        ),
        (
            "members, length",
            "1.4.5",
            format!("track_pipe_users\ntrack_{long}\n12"),
            stays(NameLength),
        ),
        ("members, begins otherwise", "1.4.5", "track_pipe_users\nä\n12".into(), stays(NotTracked)),
        ("members, marker", "1.4.5", "track_pipe_users\ntrack_a\nä".into(), stays(Marker)),
        ("user of letters", "1.4.6", "user_data\n12\nme".into(), stays(User)),
        ("no user", "1.4.6", "user_data\n12\n".into(), stays(User)),
        ("marker alone", "1.4.6", "user_data\n12".into(), stays(User)),
        ("nothing at all", "1.4.6", "user_data".into(), stays(User)),
        ("negative user", "1.4.6", "user_data\n12\n-1".into(), stays(User)),
        ("user with a sign", "1.4.6", "user_data\n12\n+1".into(), stays(User)),
        ("user too large", "1.4.6", "user_data\n12\n2147483649".into(), stays(User)),
        ("user data, marker", "1.4.6", "user_data\n'\n7".into(), stays(Marker)),
        ("last seen of letters", "1.4.6", "user_status\nme".into(), stays(User)),
        ("last seen of nobody", "1.4.6", "user_status\n".into(), stays(User)),
    ];
    for (row, section, text, expect) in rows {
        let expect = Ok(Command::Refused(expect));
        assert_eq!(parse(&text, NAMES_MAX), expect, "{row} ({section}): {text:?}");
    }
}

#[test]
fn what_is_no_command_is_unknown() {
    let rows = [
        "",
        "\n",
        "subscriptions\nweb_a",
        " subscription\nweb_a",
        "Subscription\nweb_a",
        "web_pipe\nweb_a",
        "{\"event\":\"x\"}",
        "statistics2\n{}",
        "pipe_count web_a",
        "user_statu",
        "subscription\r\nweb_a",
    ];
    for text in rows {
        assert_eq!(parse(text, NAMES_MAX), Err(UnknownCommand), "{text:?}");
    }
}

#[test]
fn the_words_of_refusals_are_the_peers() {
    let both = Refused { complaint: Complaint::User, then: Some(Complaint::Marker), closes: false };
    let complaints: Vec<Complaint> = both.complaints().collect();
    assert_eq!(complaints, [Complaint::User, Complaint::Marker]);
    assert_eq!(Refused::from(Complaint::User).complaints().count(), 1);

    use Complaint::*;
    let shapes: [(&[Complaint], &[&str]); 5] = [
        (&[SubscribedNameTooLong, TooManyNames], &["code", "error"]),
        (&[EventCharacter, EventLength], &["error"]),
        (
            &[NotAuthorized, NotForBrowsers, NameCharacter, NameLength, AuthType, NotCounted],
            &["error", "number_messages"],
        ),
        (&[CountName, HistoryName, Marker], &["error", "number_messages"]),
        (&[NotTracked], &["error", "user_id"]),
    ];
    for (complaints, keys) in shapes {
        for complaint in complaints {
            let data: serde_json::Value = serde_json::from_str(complaint.data()).unwrap();
            let mut found: Vec<&str> =
                data.as_object().unwrap().keys().map(String::as_str).collect();
            found.sort();
            assert_eq!(found, keys, "{complaint:?}");
        }
    }
}
