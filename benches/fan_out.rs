//! Nanoseconds of user space for a delivery: the whole server but for system calls, as the sockets are
//! entries of a table. The clock runs from the publish until every outbox is empty.

mod support;

use support::crowd::{Crowd, WRITABLE, get, publishes, upgrade};
use support::{Bench, Unit, wires};

/// Who listens, and how.
struct Scene {
    name: &'static str,
    clients: u32,
    requests: Vec<&'static [u8]>,
    /// Neighbours in the channel are far from each other in the table.
    is_shuffled: bool,
    /// Each so-many-th client takes nothing at first.
    stalled_one_in: Option<u32>,
}

fn main() {
    let bench = Bench::new();
    let plain = upgrade("/channels/a");
    let mixed = vec![
        plain,
        upgrade("/channels/a?format=json"),
        get("/channels/a", "Accept: text/event-stream\r\n"),
        get("/channels/a?transport=stream", ""),
        upgrade("/channels/a,b"),
    ];
    let one = |name, clients| Scene {
        name,
        clients,
        requests: vec![plain],
        is_shuffled: false,
        stalled_one_in: None,
    };
    let thousand = 1_000;
    let many = if bench.is_tiny { thousand } else { 100_000 };
    let scenes = [
        one("1 subscriber", 1),
        one("1,000", thousand),
        Scene { requests: mixed.clone(), ..one("1,000, mixed formats", thousand) },
        Scene { stalled_one_in: Some(100), ..one("1,000, 1 in 100 stalled", thousand) },
        one("100,000", many),
        Scene { is_shuffled: true, ..one("100,000, shuffled", many) },
        Scene { requests: mixed, is_shuffled: true, ..one("100,000, mixed, shuffled", many) },
        Scene { stalled_one_in: Some(100), ..one("100,000, 1 in 100 stalled", many) },
    ];
    for scene in scenes.iter().filter(|scene| bench.wants(scene.name)) {
        for messages in [1, 16] {
            run(&bench, scene, messages);
        }
    }
}

fn run(bench: &Bench, scene: &Scene, messages: usize) {
    let publisher = scene.clients + 1;
    let mut crowd = Crowd::new(publisher as usize, |_| ());
    for client in 1..=scene.clients {
        crowd.connect(client);
    }
    for client in order(scene) {
        let request = scene.requests[client as usize % scene.requests.len()];
        crowd.send(client, request);
    }
    crowd.connect(publisher);
    crowd.settle();
    let publish = publishes("a", messages);
    let stalled: Vec<u32> = match scene.stalled_one_in {
        Some(n) => (1..=scene.clients).step_by(n as usize).collect(),
        None => Vec::new(),
    };
    let name = match messages {
        1 => scene.name.to_owned(),
        _ => format!("{}, bursts of {messages}", scene.name),
    };
    let written = wires::written(1);
    bench.row(&name, Unit::Operations, u64::from(scene.clients), || {
        for &client in &stalled {
            wires::set_room(client, 0);
        }
        crowd.send(publisher, publish);
        crowd.settle();
        for &client in &stalled {
            wires::set_room(client, usize::MAX);
            crowd.event(client, WRITABLE);
        }
        crowd.settle();
        assert_eq!(crowd.server.holdings().outboxes, 0);
    });
    assert!(wires::written(1) > written, "messages arrived");
}

/// Clients in the order in which they subscribe; their slots have the order in which they connected.
fn order(scene: &Scene) -> Vec<u32> {
    let mut order: Vec<u32> = (1..=scene.clients).collect();
    if scene.is_shuffled {
        let mut random = 1u64;
        for last in (1..order.len()).rev() {
            // Knuth's MMIX generator; its high bits are good enough for this.
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            order.swap(last, (random >> 33) as usize % (last + 1));
        }
    }
    order
}
