//! What stops nobody from connecting, but will hurt one day.

use super::stops::{TRACKED_BYTES, free, is_tracking, sysctl};
use super::{Advice, grouped, megabytes};
use crate::config::Config;
use crate::reactor::listener::Address;
use crate::reactor::machine::Machine;

/// A queue of waiting connections shorter than this refuses some in a rush.
const BACKLOG: u64 = 1_024;
/// Clients that may stop reading before anybody should worry.
const STUCK: u64 = 100;
/// What one of them may hold in the kernel without harm, if it is to be set.
const STUCK_BYTES: u64 = 256 * 1024;
/// Pages that are enough for what is on its way: a loop delivers some 100,000 times a second, and a
/// delivery is a page until its client, up to 0.3 s away, has acknowledged it.
const ON_THEIR_WAY: u64 = 32_768;

/// What applies to this machine; `room` is the number of clients it has.
pub(super) fn all(config: &Config, machine: &Machine, room: u64) -> Vec<Advice> {
    let hints = [
        queue(machine),
        handshakes(machine),
        tracking(config, machine),
        stuck_clients(config, machine),
        tcp_memory(config, machine, room),
        records(config, machine),
    ];
    hints.into_iter().flatten().collect()
}

fn hint(words: String, commands: Vec<String>) -> Option<Advice> {
    Some(Advice { words: format!("Hint: {words}"), commands })
}

fn queue(machine: &Machine) -> Option<Advice> {
    let most = machine.somaxconn.filter(|most| *most < BACKLOG)?;
    let words = format!(
        "net.core.somaxconn is {most}: of a rush of new clients the rest has to try again."
    );
    hint(words, vec![sysctl("net.core.somaxconn", 4_096)])
}

/// With SYN cookies, the default, nothing depends on it.
fn handshakes(machine: &Machine) -> Option<Advice> {
    let most = machine.syn_backlog.filter(|most| *most < BACKLOG)?;
    if machine.has_syn_cookies {
        return None;
    }
    let words = format!(
        "net.ipv4.tcp_syncookies is off and net.ipv4.tcp_max_syn_backlog is {most}: a rush of new \
         clients is refused in part."
    );
    hint(words, vec![sysctl("net.ipv4.tcp_syncookies", 1)])
}

fn tracking(config: &Config, machine: &Machine) -> Option<Advice> {
    if !is_tracking(machine) {
        return None;
    }
    let port = config.http.iter().find_map(|address| match address {
        Address::Tcp(address) => Some(address.port()),
        Address::Unix(_) => None,
    })?;
    let words = format!(
        "the firewall tracks every connection, about {TRACKED_BYTES} bytes each. Its port can be \
         exempt, if the firewall's other rules accept what is not tracked:"
    );
    let exempt = |chain: &str, side: &str| {
        format!("iptables -t raw -A {chain} -p tcp --{side} {port} -j CT --notrack")
    };
    hint(words, vec![exempt("PREROUTING", "dport"), exempt("OUTPUT", "sport")])
}

/// Memory for clients, where the machine or the group ends.
fn memory(config: &Config, machine: &Machine) -> Option<u64> {
    let group = machine.group.as_ref().map(|group| group.left);
    let least = [machine.available_bytes, group].into_iter().flatten().min()?;
    Some(free(least, config))
}

fn stuck_clients(config: &Config, machine: &Machine) -> Option<Advice> {
    let most = machine.send_bytes_max.filter(|most| *most > STUCK_BYTES)?;
    if memory(config, machine)? >= STUCK * most {
        return None;
    }
    let words = format!(
        "a client that stops reading may hold {} in the kernel until it is cut, and {STUCK} of them \
         more than there is here. Least, usual and most bytes of a connection that sends:",
        megabytes(most)
    );
    hint(words, vec![format!("sysctl -w net.ipv4.tcp_wmem='4096 16384 {STUCK_BYTES}'")])
}

fn tcp_memory(config: &Config, machine: &Machine, room: u64) -> Option<Advice> {
    let pages = machine.tcp_pages?;
    let page = machine.page_bytes;
    let quarter = (memory(config, machine)? / 4 / page).min(ON_THEIR_WAY);
    if pages >= room.min(ON_THEIR_WAY) || pages * 5 / 4 >= quarter {
        return None;
    }
    let words = format!(
        "net.ipv4.tcp_mem calls {} pages for all buffers a shortage. A delivery is a page until it \
         is acknowledged: with more on their way than that, sending slows down.",
        grouped(pages)
    );
    let (low, high) = (quarter / 4 * 3, quarter / 2 * 3);
    hint(words, vec![format!("sysctl -w net.ipv4.tcp_mem='{low} {quarter} {high}'")])
}

/// History is set aside; this is for those who use CometQL's tables.
fn records(config: &Config, machine: &Machine) -> Option<Advice> {
    config.cometql.as_ref()?.as_ref()?;
    let each = config.history.records_bytes_max + config.history.waiting_bytes_max;
    let bytes = (each * config.tenants.len()) as u64;
    if memory(config, machine)? / 5 > bytes {
        return None;
    }
    let words = format!(
        "what back ends keep by CometQL may take {} more; in [history] of the configuration file:",
        megabytes(bytes)
    );
    let keys = |name: &str, bytes: usize| format!("{name} = {}", bytes / 4);
    let (records, waiting) = (config.history.records_bytes_max, config.history.waiting_bytes_max);
    hint(words, vec![keys("records_bytes_max", records), keys("waiting_bytes_max", waiting)])
}
