//! Events of known parts, read back by a reader written after the standard.

use encke::proto::sse::{Event, write_comment, write_event, write_retry};

use crate::Place;
use crate::support::event_stream::{Message, read};
use crate::support::random::{Random, rounds};

#[test]
fn events_arrive_in_order_however_they_are_cut() {
    for seed in 0..rounds(2_000) {
        let mut random = Random::new(seed);
        let (mut stream, mut expected, mut last_id) = (Vec::new(), Vec::new(), String::new());
        for _ in 0..random.below(6) {
            let data = text(&mut random);
            let name = text(&mut random).replace(['\r', '\n'], "");
            let id = random.one_in(2).then(|| format!("{}-{}", random.next(), random.below(10)));
            let event = random.one_in(2).then_some(&*name);
            let has_data = !random.one_in(5);
            let sent = has_data.then_some(data.as_bytes());
            write_event(&mut stream, &Event { id: id.as_deref(), event, data: sent });
            last_id = id.unwrap_or(last_id);
            if has_data {
                expected.push(Message {
                    event: event.filter(|name| !name.is_empty()).unwrap_or("message").to_owned(),
                    data: data.replace("\r\n", "\n").replace('\r', "\n"),
                    last_event_id: last_id.clone(),
                });
            }
            match random.below(4) {
                0 => write_comment(&mut stream, &data),
                1 => write_retry(&mut stream, random.next()),
                _ => {}
            }
        }
        let _place = Place { seed, input: &stream };
        let read = read(&random.pieces(&stream));
        assert_eq!((read.messages, read.id), (expected, last_id));
    }
}

fn text(random: &mut Random) -> String {
    let parts = ["", "a", " ", ":", "\r", "\n", "\r\n", "data: x", "id", "é", "\u{feff}", "\t"];
    (0..random.below(8)).map(|_| random.pick(&parts)).collect()
}
