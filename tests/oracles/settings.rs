//! Under which settings scripts are played: one byte decides.

use encke::engines::memory;
use encke::server::limits::Limits;
use encke::server::settings::{Echo, Origins, Rule, Settings, Tenant, Who, history};

/// What each bit decides.
pub mod flags {
    /// The tenants have keys and secrets.
    pub const KEYED: u8 = 1;
    /// All bounds are near.
    pub const TIGHT: u8 = 2;
    /// Somebody reads the log.
    pub const WATCHED: u8 = 4;
    /// The engine answers late.
    pub const LATE: u8 = 8;
    /// Pages of all sites may come.
    pub const ANY_ORIGIN: u8 = 16;
    /// Back ends have a password.
    pub const PASSWORD: u8 = 32;
    /// Proxies of this machine are believed.
    pub const TRUSTING: u8 = 64;
    /// Nothing is compressed.
    pub const PLAIN: u8 = 128;
}

pub fn kept(flags: u8, settings: &Settings) -> memory::Limits {
    let keep = memory::Limits::default();
    let keep = match flags & flags::TIGHT {
        0 => keep,
        _ => memory::Limits {
            channels_max: 3,
            guest_channels_max: 2,
            history_bytes_max: 2_000,
            idempotency_keys_max: 2,
            records_max: 3,
            records_bytes_max: 500,
            waiting_messages_max: 2,
            waiting_bytes_max: 500,
            waiting_seconds: 5,
            ..keep
        },
    };
    history(&settings.tenants, keep)
}

pub fn settings(flags: u8) -> Settings {
    let has = |flag: u8| flags & flag != 0;
    let rule = |prefix: &str, who, is_told| Rule {
        prefix: prefix.into(),
        subscribe: Some(who),
        publish: Some(who),
        presence: Some(who),
        history: Some(5),
        events: is_told,
        json: is_told,
    };
    let secret = "0123456789abcdef0123456789abcdef";
    let first = Tenant {
        publish_key: has(flags::KEYED).then(|| "key".into()),
        token_secret: has(flags::KEYED).then(|| secret.into()),
        rules: vec![rule("", Who::Anyone, true), rule("t", Who::Token, false)],
        cometql_password: has(flags::PASSWORD).then(|| "pw".into()),
        ..Tenant::default()
    };
    let shop = Tenant { name: "shop".into(), dev_id: Some(7), ..first.clone() };
    let mut settings = Settings {
        limits: if has(flags::TIGHT) { tight(has(flags::LATE)) } else { hasty() },
        tenants: vec![first, shop],
        origins: Origins { any: has(flags::ANY_ORIGIN), listed: vec!["http://a".into()] },
        echoes: vec![
            Echo { path: "/echo".into(), is_reversed: false },
            Echo { path: "/ohce".into(), is_reversed: true },
        ],
        ..Settings::default()
    };
    settings.deflate &= !has(flags::PLAIN);
    if has(flags::TRUSTING) {
        settings.trusted.add("127.0.0.0/8").expect("a network");
    }
    settings
}

/// Nobody waits long.
fn hasty() -> Limits {
    Limits {
        deleted_seconds: 4,
        head_seconds: 2,
        body_seconds: 3,
        keep_alive_seconds: 4,
        heartbeat_seconds: 3,
        pong_seconds: 2,
        poll_seconds: 2,
        poll_seconds_max: 5,
        session_seconds: 3,
        login_seconds: 2,
        mysql_idle_seconds: 6,
        closing_seconds: 1,
        ..Limits::default()
    }
}

fn tight(is_late: bool) -> Limits {
    let roomy = hasty();
    Limits {
        connections_max: 3,
        connections_per_address_max: 2,
        connects_per_second_per_address_max: 3,
        channels_max: 4,
        subscribers_per_channel_max: 2,
        channels_per_request_max: 3,
        head_bytes_max: 600,
        target_bytes_max: 200,
        message_bytes_max: 300,
        echo_bytes_max: 300,
        outbox_bytes_max: 4_000,
        outboxes_bytes_max: 10_000,
        // Who sends whole requests is not concerned by it: there, how bytes are cut does matter.
        bodies_bytes_max: if is_late { 500 } else { roomy.bodies_bytes_max },
        messages_per_second_max: 5,
        pings_per_second_max: 3,
        statement_bytes_max: 1_000,
        statement_rows_max: 3,
        feed_messages_max: 4,
        feed_bytes_max: 1_000,
        channels_per_session_max: 3,
        held_messages_max: 2,
        texts_max: 3,
        callbacks_max: 1,
        deleted_channels_max: 2,
        deliveries_per_turn: 1,
        reads_per_turn: 1,
        ..roomy
    }
}
