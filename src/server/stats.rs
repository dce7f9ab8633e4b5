//! The statistics: every number once, with its names and its meaning, and the two ways to write them all.
//!
//! `/stats` is JSON for people and for the dashboard, `/metrics` is text for Prometheus. To add a number,
//! count it in `metrics.rs`, and give it a row in `METRICS` and in README.md.

use std::borrow::Cow;

use super::audit::Holdings;
use super::ceiling::Shed;
use super::conn::Phase;
use super::disconnect::Disconnect;
use super::histogram::Histogram;
use super::metrics::{Clients, Metrics, Tally};
use crate::dialects;
use crate::engines::Usage;
use crate::hub::delivery::Transport;
use crate::proto::json;
use crate::proto::prometheus::{self, Type};

/// Everything that is shown, at one moment.
pub(crate) struct View<'a> {
    pub metrics: &'a Metrics,
    pub held: Holdings,
    pub history: Usage,
    /// Seconds since the start, and the Unix time of the start.
    pub uptime_seconds: u64,
    pub start_unix_second: u64,
    pub dashboards: usize,
    /// Bytes that connections occupy, and of all that the process has in memory.
    pub connections_bytes: usize,
    pub resident_bytes: u64,
    /// What the program has on its heap, and how much of it there may be.
    pub heap_bytes: usize,
    pub ceiling_bytes: usize,
}

/// A row of the table.
struct Metric {
    /// In `/stats`; a dot opens an object.
    key: &'static str,
    /// In `/metrics`.
    name: &'static str,
    kind: Type,
    help: &'static str,
    value: for<'a> fn(&View<'a>) -> Value<'a>,
}

enum Value<'a> {
    Number(u64),
    /// Names of one or two labels; for each of their values a number.
    By(&'static [&'static str], Vec<Sample>),
    Histogram(&'a Histogram),
    /// Facts that are words: in Prometheus labels of a 1.
    Words(&'static [(&'static str, &'static str)]),
}

/// Values of all labels, and the number.
type Sample = (Vec<Cow<'static, str>>, u64);

use Type::{Counter, Gauge};
use Value::{By, Number, Words};

const fn row(
    key: &'static str,
    name: &'static str,
    kind: Type,
    help: &'static str,
    value: for<'a> fn(&View<'a>) -> Value<'a>,
) -> Metric {
    Metric { key, name, kind, help, value }
}

#[rustfmt::skip]
const METRICS: &[Metric] = &[
    row("", "encke_build_info", Gauge, "What runs here; always 1.", |_| Words(BUILD)),
    row("uptime_seconds", "encke_uptime_seconds", Gauge, "Seconds since the start.",
        |view| Number(view.uptime_seconds)),
    row("start_time_seconds", "encke_start_time_seconds", Gauge, "Unix time of the start.",
        |view| Number(view.start_unix_second)),
    row("connections", "encke_connections", Gauge,
        "Connections by what they are doing, sessions without one included.",
        |view| By(&["phase"], phases(view.metrics))),
    row("clients", "encke_clients", Gauge, "Clients by transport and dialect.",
        |view| By(&["transport", "dialect"], clients(view.metrics, |clients| clients.now))),
    row("clients_opened", "encke_clients_opened_total", Counter,
        "Clients that have come, by transport and dialect; every poll is one.",
        |view| By(&["transport", "dialect"], clients(view.metrics, |clients| clients.opened))),
    row("connections_accepted", "encke_connections_accepted_total", Counter, "Connections accepted.",
        |view| Number(view.metrics.accepted)),
    row("connections_refused", "encke_connections_refused_total", Counter,
        "Connections turned away: there were too many, no memory for them, or the server was stopping.",
        |view| Number(view.metrics.refused)),
    row("tls.connections", "encke_tls_connections", Gauge, "Connections that speak TLS.",
        |view| Number(view.held.tls as u64)),
    row("tls.handshakes", "encke_tls_handshakes_total", Counter, "TLS handshakes that succeeded.",
        |view| Number(view.metrics.tls_handshakes)),
    row("tls.failures", "encke_tls_handshake_failures_total", Counter,
        "TLS handshakes that began and came to nothing.",
        |view| Number(view.metrics.tls_failures)),
    row("ended", "encke_connections_ended_total", Counter, "Connections ended, by reason.",
        |view| By(&["reason"], ended(view.metrics))),
    row("requests", "encke_http_requests_total", Counter, "HTTP requests.",
        |view| Number(view.metrics.requests)),
    row("responses", "encke_http_responses_total", Counter, "HTTP responses by status.",
        |view| By(&["code"], tally(&view.metrics.responses))),
    row("websocket_closes", "encke_websocket_closes_total", Counter,
        "WebSocket closes by who began and code; applications' own codes are \"other\".",
        |view| By(&["side", "code"], closes(view.metrics))),
    row("sql_errors", "encke_sql_errors_total", Counter, "SQL errors by MySQL's number.",
        |view| By(&["code"], tally(&view.metrics.sql_errors))),
    row("channels", "encke_channels", Gauge, "Channels with subscribers.",
        |view| Number(view.held.channels as u64)),
    row("memberships", "encke_memberships", Gauge, "Subscribers of all channels, counted in each.",
        |view| Number(view.held.memberships as u64)),
    row("messages_published", "encke_published_messages_total", Counter, "Messages published.",
        |view| Number(view.metrics.messages_published)),
    row("published_bytes", "encke_published_bytes_total", Counter,
        "Bytes of messages published, with their channels' and events' names.",
        |view| Number(view.metrics.published_bytes)),
    row("feed_messages", "encke_feed_messages", Gauge, "Messages published that wait for a batch.",
        |view| Number(view.held.feed as u64)),
    row("batches", "encke_batches_total", Counter, "Batches: what was published in one turn.",
        |view| Number(view.metrics.batches)),
    row("renders", "encke_renders_total", Counter,
        "Times that a channel's part of a batch was turned into bytes, once for each format in use.",
        |view| Number(view.metrics.renders)),
    row("deliveries", "encke_deliveries_total", Counter,
        "Deliveries: one client's part of one batch, written or queued in one piece.",
        |view| Number(view.metrics.deliveries)),
    row("messages_delivered", "encke_delivered_messages_total", Counter,
        "Messages in all deliveries, counted for each client.",
        |view| Number(view.metrics.messages_delivered)),
    row("cursors_lost", "encke_cursors_lost_total", Counter,
        "Clients that came back with a cursor older than what is kept, and were told.",
        |view| Number(view.metrics.cursors_lost)),
    row("bytes_in", "encke_received_bytes_total", Counter, "Bytes read from sockets.",
        |view| Number(view.metrics.bytes_in)),
    row("bytes_out", "encke_sent_bytes_total", Counter, "Bytes written to sockets.",
        |view| Number(view.metrics.bytes_out)),
    row("clients_behind", "encke_clients_behind", Gauge, "Clients slower than what they get.",
        |view| Number(view.held.outboxes as u64)),
    row("queued_bytes", "encke_queue_bytes", Gauge,
        "Bytes that wait for clients; shared ones count for each who waits.",
        |view| Number(view.metrics.queued_bytes)),
    row("history.channels", "encke_history_channels", Gauge, "Channels with kept messages.",
        |view| Number(view.history.channels as u64)),
    row("history.messages", "encke_history_messages", Gauge, "Kept messages.",
        |view| Number(view.history.messages as u64)),
    row("history.bytes", "encke_history_bytes", Gauge, "Bytes of kept messages.",
        |view| Number(view.history.bytes as u64)),
    row("memory.resident_bytes", "encke_resident_memory_bytes", Gauge,
        "Memory of the whole process (RSS); 0 if the system does not tell.",
        |view| Number(view.resident_bytes)),
    row("memory.heap_bytes", "encke_heap_bytes", Gauge,
        "Memory that the program has asked for, which the ceiling is compared with; 0 if nobody counts.",
        |view| Number(view.heap_bytes as u64)),
    row("memory.ceiling_bytes", "encke_memory_ceiling_bytes", Gauge,
        "What that may be at most (--memory); 0 if there is no ceiling.",
        |view| Number(view.ceiling_bytes as u64)),
    row("memory.shed", "encke_memory_shed_total", Counter,
        "Given up near the ceiling: readers that were cut, messages forgotten, and who or what was refused.",
        |view| By(&["what"], shed(view.metrics))),
    row("memory.connections_bytes", "encke_connections_memory_bytes", Gauge,
        "Bytes of slots, places in channels and side boxes; queues and the kernel's share are not in it.",
        |view| Number(view.connections_bytes as u64)),
    row("memory.per_connection_bytes", "encke_connection_memory_bytes", Gauge,
        "The same divided by the number of connections.",
        |view| Number((view.connections_bytes / view.held.slots.max(1)) as u64)),
    row("dashboards", "encke_dashboards", Gauge, "Dashboards open now.",
        |view| Number(view.dashboards as u64)),
    row("turn_seconds", "encke_turn_seconds", Type::Histogram,
        "Duration of one turn of the loop, the wait not included; its sum is the time at work.",
        |view| Value::Histogram(&view.metrics.lag.turn)),
    row("batch_seconds", "encke_batch_seconds", Type::Histogram,
        "From the first delivery of a batch to its last.",
        |view| Value::Histogram(&view.metrics.lag.batch)),
    row("delivery_lag_seconds", "encke_delivery_lag_seconds", Type::Histogram,
        "From the publish of a batch's oldest message to the batch's last delivery.",
        |view| Value::Histogram(&view.metrics.lag.delivery)),
];

const BUILD: &[(&str, &str)] = &[
    ("version", env!("CARGO_PKG_VERSION")),
    ("os", std::env::consts::OS),
    ("arch", std::env::consts::ARCH),
    ("profile", if cfg!(debug_assertions) { "debug" } else { "release" }),
];

fn phases(metrics: &Metrics) -> Vec<Sample> {
    let count = |phase: Phase| (vec![phase.name().into()], metrics.phases[phase as usize]);
    Phase::USED.into_iter().map(count).collect()
}

fn ended(metrics: &Metrics) -> Vec<Sample> {
    let count = |why: Disconnect| (vec![why.row().name.into()], metrics.ended[why as usize]);
    Disconnect::ALL.into_iter().map(count).collect()
}

fn shed(metrics: &Metrics) -> Vec<Sample> {
    let Shed { readers, messages, refused } = metrics.shed;
    let kinds = [("readers", readers), ("messages", messages), ("refused", refused)];
    kinds.into_iter().map(|(what, count)| (vec![what.into()], count)).collect()
}

/// The native dialect on all its transports, and whatever else has ever come.
fn clients(metrics: &Metrics, number: impl Fn(&Clients) -> u64) -> Vec<Sample> {
    let mut samples = Vec::new();
    for transport in Transport::ALL {
        for (dialect, name) in dialects::NAMES.into_iter().enumerate() {
            let clients = &metrics.clients[dialect][transport as usize];
            if dialect == usize::from(dialects::NATIVE) || clients.opened > 0 {
                samples.push((vec![transport.name().into(), name.into()], number(clients)));
            }
        }
    }
    samples.push((vec!["mysql".into(), "cometql".into()], number(&metrics.back_ends)));
    samples
}

fn tally(tally: &Tally) -> Vec<Sample> {
    let sample = |(number, count): (u16, u64)| (vec![number.to_string().into()], count);
    tally.counts().into_iter().map(sample).collect()
}

fn closes(metrics: &Metrics) -> Vec<Sample> {
    let sides = [("server", &metrics.closes_sent), ("client", &metrics.closes_received)];
    let mut samples = Vec::new();
    for (side, closes) in sides {
        for (code, count) in closes.counts() {
            samples.push((vec![side.into(), code_name(code)], count));
        }
    }
    samples
}

fn code_name(code: u16) -> Cow<'static, str> {
    match code {
        super::metrics::OTHER_CODE => "other".into(),
        code => code.to_string().into(),
    }
}

/// The body of `/metrics`.
pub(crate) fn prometheus(view: &View<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 * 1024);
    for Metric { name, kind, help, value, .. } in METRICS {
        prometheus::write_head(&mut out, name, *kind, help);
        match value(view) {
            Number(number) => prometheus::write_sample(&mut out, name, &[], number),
            Words(words) => prometheus::write_sample(&mut out, name, words, 1),
            Value::Histogram(all) => {
                prometheus::write_histogram(&mut out, name, all.up_to(), all.sum(), all.count());
            }
            By(labels, samples) => {
                for (values, number) in samples {
                    let pairs = labels.iter().zip(&values).map(|(label, value)| (*label, &**value));
                    let pairs: Vec<(&str, &str)> = pairs.collect();
                    prometheus::write_sample(&mut out, name, &pairs, number);
                }
            }
        }
    }
    out
}

/// The body of `/stats`, without the line's end.
pub(crate) fn json(view: &View<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 * 1024);
    let mut open = "";
    for Metric { key, value, .. } in METRICS {
        let (object, key) = key.split_once('.').unwrap_or(("", key));
        if object != open {
            if !open.is_empty() {
                out.push(b'}');
            }
            if !object.is_empty() {
                begin_object(&mut out, object);
            }
            open = object;
        }
        write_value(&mut out, key, value(view));
    }
    out.push(b'}');
    out
}

fn write_value(out: &mut Vec<u8>, key: &str, value: Value<'_>) {
    match value {
        Number(number) => write_number(out, key, number),
        By(_, samples) => {
            begin_object(out, key);
            write_number(out, "total", samples.iter().map(|(_, number)| number).sum());
            write_samples(out, &samples);
            out.push(b'}');
        }
        Value::Histogram(all) => {
            begin_object(out, key);
            write_number(out, "count", all.count());
            write_text(out, "sum", &all.sum().to_string());
            begin_object(out, "up_to");
            for (bound, count) in all.up_to() {
                write_number(out, &bound.to_string(), count);
            }
            out.extend_from_slice(b"}}");
        }
        Words(words) => {
            for (key, word) in words {
                let mut quoted = Vec::new();
                json::write_string(&mut quoted, word);
                write_key(out, key);
                out.extend_from_slice(&quoted);
            }
        }
    }
}

/// Samples of one label as members; of two, an object for each value of the first.
fn write_samples(out: &mut Vec<u8>, samples: &[Sample]) {
    for group in samples.chunk_by(|(one, _), (other, _)| one.len() > 1 && one[0] == other[0]) {
        match group {
            [(values, number)] if values.len() == 1 => write_number(out, &values[0], *number),
            _ => {
                begin_object(out, &group[0].0[0]);
                for (values, number) in group {
                    write_number(out, &values[1], *number);
                }
                out.push(b'}');
            }
        }
    }
}

fn begin_object(out: &mut Vec<u8>, key: &str) {
    write_key(out, key);
    out.push(b'{');
}

fn write_number(out: &mut Vec<u8>, key: &str, number: u64) {
    write_text(out, key, &number.to_string());
}

fn write_text(out: &mut Vec<u8>, key: &str, text: &str) {
    write_key(out, key);
    out.extend_from_slice(text.as_bytes());
}

/// The brace or comma before a member, and its key: all keys are words of ours.
fn write_key(out: &mut Vec<u8>, key: &str) {
    match out.last() {
        None => out.push(b'{'),
        Some(b'{') => {}
        Some(_) => out.push(b','),
    }
    out.push(b'"');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
}
