//! What one seed has decided for all: how much is kept, which bounds are tight, and what a client that
//! runs into one may be told.

use encke::engines::memory::{Keep, Limits as EngineLimits};
use encke::hub::rules::{Rule, Who};
use encke::server::limits::Limits;
use encke::server::settings::{Echo, Origins, Settings, Tenant};

use crate::memory::CEILING;
use crate::support::random::Random;

/// A tenant as the clients know it.
pub struct Shop {
    pub name: &'static str,
    pub has_key: bool,
}

impl Shop {
    pub fn prefix(&self) -> String {
        if self.name.is_empty() { String::new() } else { format!("/{}", self.name) }
    }
}

pub const TENANTS: [Shop; 2] =
    [Shop { name: "", has_key: false }, Shop { name: "shop", has_key: true }];

/// Keys of the shop, one after the other.
const KEYS: [&str; 2] = ["sesame", "simsim"];

/// How much history there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// Nothing is ever dropped, so no cursor is ever lost.
    All,
    /// What is older than this, and nothing else.
    Seconds(u64),
    Little,
}

/// Bounds that are so low that clients run into them. Once they were, a client may still be told so.
#[derive(Clone, Copy, Default)]
pub struct Tight {
    /// Channels, subscribers of one, callbacks.
    pub listening: bool,
    /// Connections, and those from one address.
    pub connecting: bool,
    pub bodies: bool,
    pub pace: bool,
    pub pings: bool,
    pub outboxes: bool,
    /// Channels with a history.
    pub histories: bool,
    /// Memory, now and then.
    pub memory: bool,
}

impl Tight {
    /// There may be no room for a subscriber, or for what it says.
    pub fn is_full(&self) -> bool {
        self.listening || self.bodies || self.memory
    }

    /// There may be no room for what is not whole yet.
    pub fn is_crowded(&self) -> bool {
        self.bodies || self.memory
    }
}

pub struct Rules {
    pub channels: Vec<&'static str>,
    pub kept: Kept,
    /// Most bytes of a message.
    pub payload_bytes_max: usize,
    pub tight: Tight,
    pub settings: Settings,
    pub engine: EngineLimits,
    /// How often the shop has had another key.
    pub rekeys: usize,
    /// Anybody may publish in the shop.
    pub is_shop_open: bool,
    /// So little may wait for somebody whose past the engine has not found yet.
    pub is_late: bool,
    /// Memory may run short.
    pub is_short: bool,
}

impl Rules {
    pub fn draw(random: &mut Random, is_late: bool) -> Rules {
        let kept = match random.below(6) {
            0..=2 => Kept::All,
            3 => Kept::Seconds(random.pick(&[3, 20])),
            _ => Kept::Little,
        };
        let mut rules = Rules {
            channels: vec!["a", "b", "c", "d", "e"],
            kept,
            payload_bytes_max: random.pick(&[300, 4_000, 25_000]),
            tight: Tight::default(),
            settings: Settings::default(),
            engine: EngineLimits::default(),
            rekeys: 0,
            is_shop_open: false,
            is_late,
            is_short: random.one_in(4),
        };
        rules.draw_settings(random);
        rules
    }

    /// Other bounds and waits; what was tight before may still be felt.
    pub fn draw_settings(&mut self, random: &mut Random) {
        let limits = self.draw_limits(random);
        self.engine = self.draw_engine(random);
        self.is_shop_open = random.one_in(3);
        let publish = self.is_shop_open.then_some(Who::Anyone);
        let tenants = TENANTS.iter().map(|shop| Tenant {
            name: shop.name.into(),
            publish_key: shop.has_key.then(|| self.key().into()),
            dev_id: (!shop.name.is_empty()).then_some(7),
            rules: match shop.has_key {
                true => vec![Rule { publish, ..Rule::default() }],
                false => Vec::new(),
            },
            ..Tenant::default()
        });
        self.settings = Settings {
            limits,
            memory: Some(CEILING),
            tenants: tenants.collect(),
            origins: Origins { any: true, listed: Vec::new() },
            echoes: vec![Echo { path: "/echo".into(), is_reversed: false }],
            deflate: cfg!(feature = "deflate") && !random.one_in(5),
            ..Settings::default()
        };
    }

    fn draw_limits(&mut self, random: &mut Random) -> Limits {
        let new = Tight {
            listening: random.one_in(5),
            connecting: random.one_in(6),
            bodies: random.one_in(6),
            pace: random.one_in(4),
            pings: random.one_in(6),
            outboxes: random.one_in(6),
            histories: self.kept == Kept::Little && random.one_in(6),
            memory: false,
        };
        let old = self.tight;
        self.tight = Tight {
            listening: old.listening | new.listening,
            connecting: old.connecting | new.connecting,
            bodies: old.bodies | new.bodies,
            pace: old.pace | new.pace,
            pings: old.pings | new.pings,
            outboxes: old.outboxes | new.outboxes,
            histories: old.histories | new.histories,
            memory: old.memory,
        };
        let (mut or, usual) = (or(random), Limits::default());
        Limits {
            channels_max: or(new.listening, &[1, 3, 1_000], 1_000),
            subscribers_per_channel_max: or(new.listening, &[1, 4, 1_000], 1_000),
            callbacks_max: or(new.listening, &[1, 8], 8),
            connections_max: or(new.connecting, &[1, 5, 12, 1_000], 1_000),
            connections_per_address_max: or(new.connecting, &[1, 3, 0], 0),
            connects_per_second_per_address_max: or(new.connecting, &[1, 0], 0) as u32,
            bodies_bytes_max: or(new.bodies, &[300, 5_000], usual.bodies_bytes_max),
            messages_per_second_max: or(new.pace, &[1, 5], 0) as u32,
            pings_per_second_max: or(new.pings, &[1, 4], 0) as u32,
            outboxes_bytes_max: or(new.outboxes, &[500, 50_000], usual.outboxes_bytes_max),
            outbox_bytes_max: or(true, &[1_000, 5_000, 100_000, 10_000_000], 0),
            feed_messages_max: or(true, &[1, 4, 100, 4_096], 0),
            feed_bytes_max: or(true, &[100, 5_000, 4_000_000, 4_000_000], 0),
            deliveries_per_turn: or(true, &[1, 3, 256], 0),
            reads_per_turn: or(true, &[1, 4], 0),
            presence_interval_ms: or(true, &[100, 800], 0) as u64,
            heartbeat_seconds: or(true, &[3, 25], 0) as u16,
            pong_seconds: 2,
            poll_seconds: 5,
            keep_alive_seconds: or(true, &[3, 75], 0) as u16,
            message_bytes_max: 64 * 1024,
            ..usual
        }
    }

    fn draw_engine(&self, random: &mut Random) -> EngineLimits {
        let all = Keep {
            messages_max: 1_000_000,
            seconds_max: 1_000_000,
            bytes_max: usize::MAX,
            is_listed: true,
        };
        let usual = EngineLimits { history_bytes_max: usize::MAX, ..EngineLimits::default() };
        match self.kept {
            Kept::All => EngineLimits { keep: all, ..usual },
            Kept::Seconds(seconds_max) => {
                EngineLimits { keep: Keep { seconds_max, ..all }, ..usual }
            }
            Kept::Little => EngineLimits {
                keep: Keep {
                    messages_max: random.pick(&[1, 5, 100]),
                    seconds_max: random.pick(&[3, 600]),
                    bytes_max: random.pick(&[2_000, 256 * 1024]),
                    is_listed: random.one_in(2),
                },
                history_bytes_max: random.pick(&[500, 20_000, 1 << 26]),
                channels_max: if self.tight.histories { random.pick(&[2, 4]) } else { 1_000 },
                guest_channels_max: random.pick(&[1, 2, 1_000]),
                ..usual
            },
        }
    }

    pub fn limits(&self) -> &Limits {
        &self.settings.limits
    }

    /// The shop's key of the moment.
    pub fn key(&self) -> &'static str {
        KEYS[self.rekeys % KEYS.len()]
    }

    /// The header that opens everything of a tenant.
    pub fn authorization(&self, shop: &Shop) -> String {
        match shop.has_key {
            true => format!("Authorization: Bearer {}\r\n", self.key()),
            false => String::new(),
        }
    }

    /// Not everybody who comes finds room.
    pub fn is_tight(&self) -> bool {
        self.tight.listening || self.tight.connecting
    }

    /// Whoever has not read all is in danger, however quick it is.
    pub fn may_cut(&self) -> bool {
        self.tight.outboxes || self.tight.memory
    }
}

/// One of these, or the other.
fn or(random: &mut Random) -> impl FnMut(bool, &[usize], usize) -> usize {
    |is_tight, tight, otherwise| if is_tight { random.pick(tight) } else { otherwise }
}
