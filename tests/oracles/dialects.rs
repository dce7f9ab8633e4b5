//! What clients say in the dialects, and what they are told about it.

use encke::dialects::comet_js::command::{self, Command};
use encke::dialects::comet_js::connect::{self, KEY_BYTES_MAX, USER_MAX};
use encke::dialects::comet_js::frames::Answers;
use encke::dialects::comet_js::{NAME_BYTES_MAX, variant};
use encke::dialects::{COMET_JS, NATIVE, dialect, native};
use encke::hub::delivery::{Payload, Transport};
use encke::hub::message::{Data, Message, MessageId, Personal, Sender, TenantId};
use encke::hub::names::{ChannelName, EventName};
use encke::transports::{Framing, frame};
use serde_json::Value;

use crate::support::event_stream;

const NAMES_MAX: usize = 8;
const ID: MessageId = MessageId { second: 1_763_690_000, n: 1 };

pub fn check(input: &[u8]) {
    check_address(input);
    check_message(input);
    let Ok(text) = std::str::from_utf8(input) else { return };
    check_command(text);
    check_client_json(text);
}

/// Who connects as CometServerApi.js does.
fn check_address(input: &[u8]) {
    for path in [input.to_vec(), [b"/ws/", input].concat()] {
        match connect::parse(&path, 8) {
            Ok(hello) => {
                assert!(connect::is_path(&path));
                assert!(hello.user <= USER_MAX && hello.channels.len() <= 8);
                assert!(hello.key.as_ref().is_none_or(|key| key.len() <= KEY_BYTES_MAX));
                assert!(hello.key.is_none() || !hello.has_bad_key);
                let uuid = hello.uuid.map(|uuid| uuid.to_string()).unwrap_or_default();
                assert_eq!(connect::Uuid::new(uuid.as_bytes()), hello.uuid);
                assert_eq!(hello.variant() & !0x7f, 0);
            }
            Err(rejection) => assert!(rejection.code > 400, "it would come back"),
        }
    }
}

/// A command's bounds, and answers that are one line of JSON without an apostrophe.
fn check_command(text: &str) {
    let Ok(command) = command::parse(text, NAMES_MAX) else { return };
    let answers = |variant| Answers { variant, unix_second: ID.second };
    for variant in [variant::JSON, variant::JSON | variant::LEGACY, variant::JSON | variant::IDS] {
        let mut out = Vec::new();
        match &command {
            Command::Subscribe { channels, .. } => {
                assert!(channels.len() <= NAMES_MAX);
                assert!(channels.iter().all(|name| name.len() <= NAME_BYTES_MAX));
                answers(variant).subscribed(channels, Some(ID), &mut out);
            }
            Command::Publish(publish) => {
                assert!(publish.event.len() <= NAME_BYTES_MAX);
                answers(variant).published(publish, 3, &mut out);
            }
            Command::Count(ask) => answers(variant).count(ask, 3, &mut out),
            Command::Members(ask) => answers(variant).members(ask, [], &mut out),
            Command::UserData { user, marker } => {
                assert!(*user <= USER_MAX);
                answers(variant).user_data(*user, text, marker, &mut out);
            }
            Command::UserStatus { user } => answers(variant).user_status(*user, -1, &mut out),
            Command::Refused(refused) => {
                for complaint in refused.complaints() {
                    out.clear();
                    answers(variant).error(complaint, &mut out);
                }
            }
            Command::History(_) | Command::Ignored => {}
        }
        if !out.is_empty() {
            check_comet_frame(&out);
        }
    }
}

fn check_client_json(text: &str) {
    match native::parse_client_json(text) {
        Ok(message) => {
            let object: Value = match serde_json::from_str(text) {
                Ok(object) => object,
                // Numbers and surrogates: see `proto/json.rs`.
                Err(_) => return,
            };
            match &object["data"] {
                Value::String(data) => assert_eq!(message.data.as_text(), Some(data.as_str())),
                value => {
                    let data: Value = serde_json::from_slice(message.data.as_bytes()).unwrap();
                    assert_eq!(&data, value);
                }
            }
            let channel = message.channel.map(|name| name.to_string());
            assert_eq!(object.get("channel").and_then(Value::as_str), channel.as_deref());
            let event = object.get("event").and_then(Value::as_str).unwrap_or_default();
            assert_eq!(&*message.event, event);
        }
        Err(refusal) => assert!((400..500).contains(&refusal.status)),
    }
}

/// Anything published comes out of every dialect and transport in the form of that transport.
fn check_message(data: &[u8]) {
    let text = String::from_utf8_lossy(&data[..data.len().min(100)]).into_owned();
    let event = EventName::new(&text).unwrap_or_default();
    let plain = Data::new(data);
    let is_json = std::str::from_utf8(data).is_ok() && encke::proto::json::validate(data).is_ok();
    let data = if is_json { plain.clone().into_json() } else { plain.clone() };
    for data in [plain, data] {
        let message = Message {
            id: ID,
            offset: 1,
            tenant: TenantId(0),
            born: 0,
            channel: ChannelName::new(b"web_a").expect("a name"),
            event: event.clone(),
            data: data.clone(),
            sender: Some(Sender { user: Some(7), except: None }),
        };
        let personal =
            Personal { id: ID, tenant: TenantId(0), user: "7".into(), event: event.clone(), data };
        for variant in
            [variant::JSON, variant::JSON | variant::LEGACY, variant::JSON | variant::IDS]
        {
            let own = dialect(COMET_JS);
            own.encode(&message, variant, &mut |payload| check_comet_frame(payload.data));
            own.personal(&personal, variant, &mut |payload| check_comet_frame(payload.data));
        }
        for variant in [0, native::variant::JSON, native::variant::TEXT_ONLY] {
            let is_object = variant == native::variant::JSON;
            dialect(NATIVE).encode(&message, variant, &mut |payload| {
                check_transports(&payload, is_object);
            });
        }
    }
}

fn check_comet_frame(frame: &[u8]) {
    let is_bad = |byte: &u8| b"\r\n'".contains(byte);
    assert!(!frame.iter().any(is_bad), "{}", frame.escape_ascii());
    check_json(frame);
}

/// Numbers and lone surrogates in somebody's JSON are handed on, and not everybody can read them.
fn check_json(text: &[u8]) {
    assert_eq!(encke::proto::json::validate(text), Ok(()), "{}", text.escape_ascii());
}

fn check_transports(payload: &Payload<'_>, is_object: bool) {
    let rendered = |transport| {
        let mut out = Vec::new();
        frame(transport, Framing { chunked: false, callback: "f" }, *payload, &mut out);
        out
    };
    let stream = rendered(Transport::EventStream);
    if payload.is_text {
        let read = event_stream::read(&[&stream]);
        let [message] = &read.messages[..] else { panic!("{}", stream.escape_ascii()) };
        let lines = String::from_utf8_lossy(payload.data).replace("\r\n", "\n").replace('\r', "\n");
        assert_eq!(message.data, lines);
        assert_eq!(message.last_event_id, payload.id.unwrap_or_default());
        assert_eq!(message.event, payload.event.filter(|e| !e.is_empty()).unwrap_or("message"));
    }
    if !is_object {
        return;
    }
    check_json(payload.data);
    let line = rendered(Transport::Stream);
    assert_eq!(line.iter().position(|&byte| byte == b'\n'), Some(line.len() - 1), "one line");
    let script = String::from_utf8(rendered(Transport::Iframe)).expect("text");
    let inner =
        script.strip_prefix("<script>f(").and_then(|rest| rest.strip_suffix(");</script>\n"));
    let inner = inner.expect("a script");
    assert!(!inner.contains(['<', '\u{2028}', '\u{2029}']), "{inner}");
    check_json(inner.as_bytes());
    let element = rendered(Transport::LongPoll);
    check_json(element.strip_prefix(b",").expect("an element"));
}
