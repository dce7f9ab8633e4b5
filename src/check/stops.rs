//! What bounds the number of clients, and how each bound is raised.
//!
//! The bytes of a client are measured, with 18,000 idle WebSockets on loopback (README.md, "How small, how
//! fast"). Nothing in sysctl changes those of the kernel.

use super::{Advice, grouped, megabytes};
use crate::config::{Config, DESCRIPTORS_RESERVED};
use crate::reactor::machine::Machine;
use crate::server::ceiling;
use crate::server::limits::Limits;

/// What encke itself keeps of an idle subscriber of one channel: 56 in use, 55 to 67 of the process, by how
/// full its arrays happen to be.
pub(super) const USER_BYTES: u64 = 64;
/// What encke and rustls keep of one that speaks TLS 1.3, beside that. (TLS 1.2: three times as much.)
pub(super) const TLS_BYTES: u64 = 1_040;
/// What the kernel keeps of its connection: 3,848 in objects (socket, inode, dentry, file, epoll), which
/// fill their pages to 94 %, and 8 to 16 for a place in the table of descriptors.
pub(super) const KERNEL_BYTES: u64 = 4_096;
/// What nf_conntrack keeps of one, where it is in use: an object of 256 and what hangs on it.
pub(super) const TRACKED_BYTES: u64 = 320;
/// The program itself, before anybody comes, and its shared buffers.
pub(super) const PROGRAM_BYTES: u64 = 4 * 1024 * 1024;

/// One thing that bounds the number of clients.
pub(super) struct Stop {
    /// How many it allows.
    pub clients: u64,
    pub kind: Kind,
    /// How that was reckoned.
    pub why: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Configured,
    Descriptors,
    OpenFiles,
    Registrations,
    Tracked,
    Memory,
    Group,
    Ceiling,
}

impl Stop {
    fn new(kind: Kind, clients: u64, why: String) -> Stop {
        Stop { clients, kind, why }
    }

    pub fn name(&self) -> &'static str {
        match self.kind {
            Kind::Configured => "limits.connections_max",
            Kind::Descriptors => "descriptor limit",
            Kind::OpenFiles => "open files of all",
            Kind::Registrations => "epoll registrations",
            Kind::Tracked => "tracked connections",
            Kind::Memory => "memory",
            Kind::Group => "memory of the cgroup",
            Kind::Ceiling => "memory ceiling",
        }
    }

    /// How there is room for as many as the next stop allows.
    pub fn raise(&self, config: &Config, machine: &Machine, next: &Stop) -> Advice {
        let to = format!("Raise it to the next stop, {} clients", grouped(next.clients));
        let words = match self.kind {
            Kind::Configured => format!("{to}, in [limits] of the configuration file:"),
            Kind::Descriptors => format!(
                "{to}, in the service's unit, the shell (as root) or the container. Each has a limit \
                 of its own; this is that of who ran --check:"
            ),
            Kind::OpenFiles | Kind::Registrations | Kind::Tracked => format!("{to}:"),
            Kind::Memory => {
                let more = grouped((1 << 30) / bytes_each(config, machine) / 1_000 * 1_000);
                let less = match keeps_much(config) {
                    true => ". Or keep less, in [history] of the configuration file:",
                    false => ".",
                };
                format!("Raise it: a GB more is {more} clients more{less}")
            }
            Kind::Group => format!("{to}, for the service or the container:"),
            Kind::Ceiling => format!("{to}, or turn it off:"),
        };
        Advice { words, commands: self.commands(config, machine, next.clients) }
    }

    fn commands(&self, config: &Config, machine: &Machine, clients: u64) -> Vec<String> {
        match self.kind {
            Kind::Configured => vec![format!("connections_max = {clients}")],
            Kind::Descriptors => descriptors(machine, clients),
            Kind::OpenFiles => vec![sysctl("fs.file-max", machine.files_open + clients + 1_024)],
            Kind::Registrations => vec![sysctl("fs.epoll.max_user_watches", clients + 1_024)],
            Kind::Tracked => {
                let used = machine.tracked.map_or(0, |table| table.used);
                vec![sysctl("net.netfilter.nf_conntrack_max", used + clients)]
            }
            Kind::Memory if keeps_much(config) => {
                vec![format!("history_bytes_max = {}", config.history.history_bytes_max / 4)]
            }
            Kind::Memory => Vec::new(),
            Kind::Ceiling => {
                let bytes = clients * own_bytes(config) / 7 * 8;
                vec![format!("--memory {}M", bytes.div_ceil(1024 * 1024) + 1)]
            }
            Kind::Group => {
                let bytes = clients.saturating_sub(self.clients) * bytes_each(config, machine);
                let most = machine.group.as_ref().map_or(0, |group| group.most) + bytes;
                let megabytes = most.div_ceil(1024 * 1024);
                vec![
                    format!("systemctl set-property encke.service MemoryMax={megabytes}M"),
                    format!("podman run --memory={megabytes}m"),
                ]
            }
        }
    }
}

/// Whether less history would be room for a few thousand clients.
fn keeps_much(config: &Config) -> bool {
    config.history.history_bytes_max >= 16 * 1024 * 1024
}

fn descriptors(machine: &Machine, clients: u64) -> Vec<String> {
    let most = (clients + DESCRIPTORS_RESERVED).next_power_of_two();
    let mut commands = Vec::new();
    if machine.nr_open.is_some_and(|ceiling| ceiling < most) {
        commands.push(sysctl("fs.nr_open", most));
    }
    commands.extend([
        format!("LimitNOFILE={most}"),
        format!("ulimit -Hn {most}"),
        format!("podman run --ulimit nofile={most}"),
    ]);
    commands
}

/// The command that sets it until the next start.
pub(super) fn sysctl(key: &str, value: u64) -> String {
    format!("sysctl -w {key}={value}")
}

/// Every bound that this machine tells of, the first to stop clients first.
pub(super) fn all(config: &Config, machine: &Machine) -> Vec<Stop> {
    let mut stops = vec![configured(config), descriptor_limit(machine)];
    stops.extend(machine.files_left.map(|left| {
        let why = format!("fs.file-max − {} open ones", grouped(machine.files_open));
        Stop::new(Kind::OpenFiles, left, why)
    }));
    stops.extend(machine.watches.map(|watches| {
        let why = "fs.epoll.max_user_watches, for all programs of one user".to_owned();
        Stop::new(Kind::Registrations, watches, why)
    }));
    stops.extend(machine.tracked.map(|table| {
        let why = format!("net.netfilter.nf_conntrack_max − {} in use", grouped(table.used));
        Stop::new(Kind::Tracked, table.most.saturating_sub(table.used), why)
    }));
    stops.extend(memory(Kind::Memory, machine.available_bytes, "available", config, machine));
    if let Some(group) = &machine.group {
        let words = format!("left under {}", group.limit);
        stops.extend(memory(Kind::Group, Some(group.left), &words, config, machine));
    }
    let ceiling = config.memory.ceiling(machine.memory_bytes);
    stops.extend(ceiling.map(|bytes| {
        let near = ceiling::near(usize::try_from(bytes).unwrap_or(usize::MAX)) as u64;
        let each = own_bytes(config);
        let bytes = megabytes(bytes);
        let why = format!("7/8 of --memory, {bytes}; {each} B each, history gives way");
        Stop::new(Kind::Ceiling, near / each, why)
    }));
    // Of two that allow as many, the one that is easier to raise comes first.
    stops.sort_unstable_by_key(|stop| (stop.clients, stop.kind != Kind::Configured));
    stops
}

fn configured(config: &Config) -> Stop {
    let most = config.limits.connections_max;
    let is_default = most == Limits::default().connections_max;
    let why = if is_default { "the default" } else { "as configured" };
    Stop::new(Kind::Configured, most as u64, why.to_owned())
}

fn descriptor_limit(machine: &Machine) -> Stop {
    let ceiling = machine
        .nr_open
        .map_or(String::new(), |most| format!("; fs.nr_open allows {}", grouped(most)));
    let hard = grouped(machine.descriptors);
    let why = format!("ulimit -Hn {hard} − {DESCRIPTORS_RESERVED} for itself{ceiling}");
    let clients = machine.descriptors.saturating_sub(DESCRIPTORS_RESERVED).max(1);
    Stop::new(Kind::Descriptors, clients, why)
}

fn memory(
    kind: Kind,
    bytes: Option<u64>,
    words: &str,
    config: &Config,
    machine: &Machine,
) -> Option<Stop> {
    let bytes = bytes?;
    let history = config.history.history_bytes_max as u64;
    let each = bytes_each(config, machine);
    let tracked = if is_tracking(machine) { format!(" + {TRACKED_BYTES}") } else { String::new() };
    let why = format!(
        "{} {words} − {} history − {}; {} + {}{tracked} B each",
        megabytes(bytes),
        megabytes(history),
        megabytes(PROGRAM_BYTES),
        grouped(own_bytes(config)),
        grouped(KERNEL_BYTES),
    );
    Some(Stop::new(kind, free(bytes, config) / each, why))
}

/// What is left of so many bytes for clients.
pub(super) fn free(bytes: u64, config: &Config) -> u64 {
    bytes.saturating_sub(config.history.history_bytes_max as u64 + PROGRAM_BYTES)
}

fn bytes_each(config: &Config, machine: &Machine) -> u64 {
    own_bytes(config) + KERNEL_BYTES + if is_tracking(machine) { TRACKED_BYTES } else { 0 }
}

/// Of our own. Where TLS is spoken at all, everybody may be one who does.
fn own_bytes(config: &Config) -> u64 {
    USER_BYTES + if config.https.is_empty() { 0 } else { TLS_BYTES }
}

/// The module may be loaded without a rule that has it look at anything.
pub(super) fn is_tracking(machine: &Machine) -> bool {
    machine.tracked.is_some_and(|table| table.used > 0)
}
