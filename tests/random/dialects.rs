//! Commands and addresses of CometServerApi.js, and JSON of the native dialect, made of known parts.

use encke::dialects::comet_js::command::{self, Command};
use encke::dialects::comet_js::connect::{self, Api};
use encke::dialects::native;
use encke::hub::message::MessageId;
use serde_json::json;

use crate::Place;
use crate::oracles::dialects::check;
use crate::support::random::{Random, rounds};

fn name(random: &mut Random) -> String {
    let letters = b"abcXYZ019_-";
    let len = 2 + random.below(20);
    (0..len).map(|_| char::from(random.pick(letters))).collect()
}

#[test]
fn commands_are_read_as_they_were_made() {
    for seed in 0..rounds(500) {
        let mut random = Random::new(seed);
        let mut channels: Vec<_> = (0..random.below(6)).map(|_| name(&mut random)).collect();
        let list: String = channels
            .iter()
            .map(|name| format!("{name}{}", random.pick(&["\n", "\n\n", ",", " "])))
            .collect();
        channels.dedup();
        let text = format!("subscription\n{list}");
        let _place = Place { seed, input: text.as_bytes() };
        check(text.as_bytes());
        let Ok(Command::Subscribe { channels: found, .. }) = command::parse(&text, 100) else {
            panic!("no subscription")
        };
        assert_eq!(found.iter().map(|name| name.to_string()).collect::<Vec<_>>(), channels);

        let (channel, event) = (format!("web_{}", name(&mut random)), name(&mut random));
        let data: String =
            (0..random.below(5)).map(|_| random.pick(&["\n", "a", "'", "{"])).collect();
        let text = format!("web_pipe2\n{channel}\n{event}\n*\n{data}");
        let _place = Place { seed, input: text.as_bytes() };
        check(text.as_bytes());
        let Ok(Command::Publish(publish)) = command::parse(&text, 100) else {
            panic!("no publish")
        };
        assert_eq!((&*publish.channel, &*publish.event), (&*channel, &*event));
        assert_eq!(publish.data.as_text(), Some(&*data));
    }
}

#[test]
fn addresses_are_read_as_they_were_made() {
    for seed in 0..rounds(500) {
        let mut random = Random::new(seed);
        let (key, uuid) = (name(&mut random), name(&mut random));
        let (user, dev_id) = (random.next() as u32 >> 1, random.next() as u32);
        let id = MessageId { second: random.next(), n: random.next() as u32 };
        let is_ours = random.one_in(2);
        let api = if is_ours { "encke" } else { "js" };
        let mut channels: Vec<_> = (0..random.below(5)).map(|_| name(&mut random)).collect();
        channels.dedup();
        let pipes = channels.join(random.pick(&[",", "%2C", "%2c"]));
        let path = format!(
            "/ws/sesion={key}&myid={user}&devid={dev_id}&v=4.08&uuid={uuid}&api={api}\
             &since={id}&pipes={pipes}&msg="
        );
        let _place = Place { seed, input: path.as_bytes() };
        check(path.as_bytes());
        let hello = connect::parse(path.as_bytes(), 8).expect("a good address");
        assert_eq!((hello.key.as_deref(), hello.user, hello.dev_id), (Some(&*key), user, dev_id));
        assert_eq!(hello.uuid.map(|uuid| uuid.to_string()), Some(uuid));
        assert_eq!(hello.api, if is_ours { Api::Encke } else { Api::Official });
        assert_eq!((hello.since, hello.personal_since), (Some(id), None));
        assert_eq!(
            hello.channels.iter().map(|name| name.to_string()).collect::<Vec<_>>(),
            channels
        );
    }
}

#[test]
fn client_json_is_read_as_it_was_made() {
    for seed in 0..rounds(500) {
        let mut random = Random::new(seed);
        let (channel, event) = (name(&mut random), name(&mut random));
        let data = match random.below(3) {
            0 => json!(format!("\"{}\\\n", name(&mut random))),
            1 => json!([name(&mut random), null, random.next()]),
            _ => json!({ "a": random.one_in(2) }),
        };
        let text = json!({ "event": event, "x": 1, "channel": channel, "data": data }).to_string();
        let _place = Place { seed, input: text.as_bytes() };
        check(text.as_bytes());
        let message = native::parse_client_json(&text).expect("a message");
        assert_eq!(message.channel.as_deref(), Some(&*channel));
        assert_eq!(&*message.event, &*event);
        let expected = data.as_str().map_or_else(|| data.to_string(), str::to_owned);
        assert_eq!(message.data.as_text(), Some(&*expected));
    }
}
