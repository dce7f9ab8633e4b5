//! Of pages with CometServerApi.

use encke::engines::memory::Keep;
use encke::server::limits::Limits;

use super::{Bench, Peer, SSE, UPGRADE};
use crate::support::websocket::client_frame;

/// The address of a page of ours, of user 7 or of nobody.
fn page(user: u32, session: char, fields: &str) -> String {
    let session = session.to_string().repeat(16);
    let key = if user == 7 { "key" } else { "" };
    format!("/ws/sesion={key}&myid={user}&devid=1&v=5.0&uuid=u&api=encke&session={session}{fields}")
}

/// A page of user 7 that listens by an event stream.
pub fn streaming(bench: &mut Bench, session: char, fields: &str) -> Peer {
    let peer = bench.connect(1_000_000);
    bench.get(&peer, &page(7, session, fields), SSE);
    peer
}

/// Its connection is gone; the session is not.
pub fn break_off(bench: &mut Bench, peer: &Peer) {
    peer.wire.borrow_mut().reset(false);
    bench.tell(peer);
    bench.turn();
}

/// The same without a session: nothing is left of it when it breaks off.
fn forgetful(bench: &mut Bench, headers: &str) -> Peer {
    let peer = bench.connect(1_000_000);
    bench.get(&peer, "/ws/sesion=key&myid=7&devid=1&v=4.08&uuid=u&api=js", headers);
    peer
}

/// What such a page reads that comes now.
fn newcomer_reads(bench: &mut Bench) -> String {
    let mut new = forgetful(bench, SSE);
    bench.read(&mut new)
}

/// The session of this letter has broken off, and then something came for its user.
pub fn somebody_missed(letter: char, text: &str) -> Bench {
    let mut bench = Bench::plain();
    let back_end = bench.connect(100_000);
    let goes = streaming(&mut bench, letter, "");
    break_off(&mut bench, &goes);
    bench.publish(&back_end, "/users/7", text);
    bench
}

#[test]
fn what_another_device_has_had_does_not_wait_again_when_a_session_ends() {
    let mut bench = Bench::plain();
    let back_end = bench.connect(100_000);
    let (mut stays, goes) = (streaming(&mut bench, 's', ""), streaming(&mut bench, 'g', ""));
    break_off(&mut bench, &goes);
    bench.publish(&back_end, "/users/7", "once");
    assert!(bench.read(&mut stays).contains("once"));
    bench.pass_seconds(25);
    assert_eq!(bench.server.holdings().detached, 0, "one session has ended");
    let mut new = streaming(&mut bench, 'n', "");
    let text = bench.read(&mut new);
    assert!(text.contains("serverInfo") && !text.contains("once"), "{text}");
}

#[test]
fn a_page_that_breaks_before_its_first_frame_gets_what_came_for_it_meanwhile() {
    let mut bench = somebody_missed('s', "once");
    // It never learned a cursor.
    let mut back = streaming(&mut bench, 's', "&since=&msg=");
    let text = bench.read(&mut back);
    assert_eq!(text.matches("once").count(), 1, "{text}");
    let mut other = streaming(&mut bench, 'o', "");
    assert!(!bench.read(&mut other).contains("once"), "it waits for nobody else");
}

#[test]
fn a_page_that_breaks_after_its_first_frame_gets_what_waited_all_the_same() {
    let mut bench = somebody_missed('g', "waits");
    bench.pass_seconds(25);
    let mut cut = streaming(&mut bench, 'c', "");
    let text = bench.read(&mut cut);
    let (_, rest) = text.split_once("\"msg\":\"").expect("a cursor");
    let (cursor, rest) = rest.split_once('"').unwrap();
    assert!(rest.contains("waits"), "{text}");
    // Only the first frame was read.
    break_off(&mut bench, &cut);
    let mut back = streaming(&mut bench, 'c', &format!("&msg={cursor}"));
    let text = bench.read(&mut back);
    assert_eq!(text.matches("waits").count(), 1, "{text}");
}

#[test]
fn what_was_on_its_way_to_a_page_that_goes_waits_for_the_next_one() {
    let mut bench = Bench::plain();
    let back_end = bench.connect(100_000);
    let goes = forgetful(&mut bench, SSE);
    bench.gate.replace(false);
    bench.publish(&back_end, "/users/7", "once");
    break_off(&mut bench, &goes);
    bench.gate.replace(true);
    bench.turn();
    for count in [1, 0] {
        let text = newcomer_reads(&mut bench);
        assert_eq!(text.matches("once").count(), count, "{text}");
    }
}

#[test]
fn what_comes_while_a_page_breaks_before_it_is_known_waits_for_the_next_one() {
    let mut bench = Bench::plain();
    let back_end = bench.connect(100_000);
    bench.slowness.replace(true);
    let goes = forgetful(&mut bench, UPGRADE);
    bench.publish(&back_end, "/users/7", "once");
    break_off(&mut bench, &goes);
    // A ping finds out.
    bench.pass_seconds(30);
    bench.slowness.replace(false);
    bench.turn();
    let text = newcomer_reads(&mut bench);
    assert_eq!(text.matches("once").count(), 1, "{text}");
}

#[test]
fn what_a_page_was_given_before_the_feed_brings_it_does_not_wait_again() {
    let mut bench = Bench::plain();
    let back_end = bench.connect(100_000);
    let goes = forgetful(&mut bench, SSE);
    bench.haste.replace(true);
    bench.publish(&back_end, "/users/7", "once");
    break_off(&mut bench, &goes);
    let mut has_it = forgetful(&mut bench, SSE);
    assert!(bench.read(&mut has_it).contains("once"));
    break_off(&mut bench, &has_it);
    bench.haste.replace(false);
    bench.turn();
    let text = newcomer_reads(&mut bench);
    assert!(text.contains("serverInfo") && !text.contains("once"), "{text}");
}

#[test]
fn what_waits_for_a_page_that_finds_no_room_waits_on() {
    let mut bench = somebody_missed('g', "waits");
    bench.pass_seconds(25);
    bench.reload(Limits { subscribers_per_channel_max: 1, ..Limits::default() });
    let first = bench.connect(100_000);
    bench.get(&first, "/channels/web_a", SSE);
    let mut refused = streaming(&mut bench, 'r', "&pipes=web_a");
    let text = bench.read(&mut refused);
    assert!(!text.contains("serverInfo"), "{text}");
    bench.pass_seconds(25);
    let text = newcomer_reads(&mut bench);
    assert_eq!(text.matches("waits").count(), 1, "{text}");
}

#[test]
fn a_page_that_comes_twice_does_not_see_itself_come() {
    let mut bench = Bench::plain();
    let mut watcher = bench.connect(100_000);
    bench.get(&watcher, "/channels/track_t", SSE);
    bench.gate.replace(false);
    let target = page(0, 's', "&pipes=track_t");
    let (first, mut second) = (bench.connect(100_000), bench.connect(100_000));
    bench.get(&first, &target, SSE);
    bench.get(&second, &target, SSE);
    bench.gate.replace(true);
    assert!(bench.read(&mut watcher).contains("event: subscription"));
    let text = bench.read(&mut second);
    assert!(text.contains("serverInfo") && !text.contains("user_id"), "{text}");
}

#[test]
fn a_connection_that_breaks_before_it_is_known_does_not_take_its_session_away() {
    let mut bench = Bench::plain();
    let stays = streaming(&mut bench, 's', "&pipes=web_a");
    bench.gate.replace(false);
    let breaks = bench.connect(100_000);
    bench.get(&breaks, &page(7, 's', "&pipes=web_a"), UPGRADE);
    break_off(&mut bench, &breaks);
    // A ping finds out.
    bench.pass_seconds(30);
    let held = bench.server.holdings();
    assert_eq!((held.slots, held.detached), (1, 0), "the session is where it was");
    bench.gate.replace(true);
    bench.turn();
    break_off(&mut bench, &stays);
    let held = bench.server.holdings();
    assert_eq!((held.slots, held.detached, held.memberships), (1, 1, 1));
}

#[test]
fn channels_given_up_amid_a_batch_cost_nothing_after_it() {
    let limits = Limits { deliveries_per_turn: 1, ..Limits::default() };
    let mut bench = Bench::new(limits, Keep::DEFAULT);
    let mut peer = bench.connect(100_000);
    bench.get(&peer, &page(0, 's', "&pipes=web_a,web_b"), UPGRADE);
    let others: Vec<Peer> = (0..4).map(|_| bench.connect(100_000)).collect();
    for other in &others {
        bench.get(other, "/channels/web_a", SSE);
    }
    let back_end = bench.connect(100_000);
    bench.publish(&back_end, "/channels/web_a", "x");
    bench.turn();
    assert_eq!(bench.server.holdings().furthers, 1);
    // It has had its part, others have not.
    let mut bytes = client_frame(0x81, [0; 4], b"subscription\nweb_a").into();
    peer.wire.borrow_mut().arrive(&mut bytes, usize::MAX);
    bench.tell(&peer);
    let mut got = Vec::new();
    for _ in 0..20 {
        bench.turn();
        peer.wire.borrow_mut().take(usize::MAX, &mut got);
        bench.tell(&peer);
    }
    peer.got = got.split_off(got.windows(4).position(|four| four == b"\r\n\r\n").unwrap());
    assert!(String::from_utf8_lossy(&peer.got).contains("_answer_subscription"));
    assert_eq!(bench.server.holdings().furthers, 0);
}

#[test]
fn more_than_is_held_back_while_a_user_arrives_leaves_no_gap() {
    let limits = Limits { held_messages_max: 1, ..Limits::default() };
    let mut bench = Bench::new(limits, Keep::DEFAULT);
    let back_end = bench.connect(100_000);
    let mut goes = streaming(&mut bench, 's', "");
    let text = bench.read(&mut goes);
    let cursor = text.split("\"msg\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let fields = format!("&since=&msg={}", cursor.expect("a cursor of messages for the user"));
    break_off(&mut bench, &goes);
    // The engine has looked for what waited when these come.
    bench.slowness.replace(true);
    let mut back = streaming(&mut bench, 's', &fields);
    bench.turn();
    bench.publish(&back_end, "/users/7", "first");
    let other = bench.connect(100_000);
    bench.publish(&other, "/users/7", "second");
    bench.turn();
    bench.slowness.replace(false);
    bench.turn();
    let mut text = bench.read(&mut back);
    assert!(!text.contains("second"), "its cursor would be beyond the first: {text}");
    let mut again = streaming(&mut bench, 's', &fields);
    text.push_str(&bench.read(&mut again));
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what}: {text}"));
    assert!(at("first") < at("second"), "{text}");
}
