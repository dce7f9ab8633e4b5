//! What the kernel tells of processes, in `/proc`.

use std::fs;

/// Bytes of memory.
#[derive(Clone, Copy, Default, Debug)]
pub struct Memory {
    /// Private to the process: what would be free without it.
    pub uss: u64,
    /// The same, and its share of what it shares.
    pub pss: u64,
    /// Everything resident.
    pub rss: u64,
    /// The kernel's objects, of the whole machine: both ends of every connection.
    pub slab: u64,
}

/// The memory of these processes together; an error is one line for a person.
pub fn memory(pids: &[u32]) -> Result<Memory, String> {
    let mut sum = Memory { slab: slab(), ..Memory::default() };
    for pid in pids {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(&path).map_err(|error| {
            format!("--pid: cannot read {path}: {error} (be its user, or root)")
        })?;
        sum.uss += field(&text, "Private_Clean:") + field(&text, "Private_Dirty:");
        sum.pss += field(&text, "Pss:");
        sum.rss += field(&text, "Rss:");
    }
    Ok(sum)
}

/// Bytes of the kernel's slab.
pub fn slab() -> u64 {
    field(&fs::read_to_string("/proc/meminfo").unwrap_or_default(), "Slab:")
}

/// `Name:   12 kB`, in bytes.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0) * 1024
}

/// Seconds that these processes have spent on a processor, user and system.
pub fn busy_s(pids: &[u32]) -> Result<f64, String> {
    let ticks = |pid: &u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"));
        let text = text.map_err(|_| format!("--pid: process {pid} has ended"))?;
        // Behind the name, which may hold anything; utime and stime are fields 14 and 15.
        let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
        let times = fields.split_whitespace().skip(11).take(2);
        Ok(times.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>())
    };
    // A tick that user space is told is 1/100 s on every Linux there is.
    pids.iter().map(ticks).sum::<Result<u64, String>>().map(|ticks| ticks as f64 / 100.0)
}

/// Nanoseconds of this thread on a processor.
pub fn own_busy_ns() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

/// The ports that connections may come from.
pub fn port_range() -> (u16, u16) {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut ports = text.split_whitespace().filter_map(|port| port.parse().ok());
    match (ports.next(), ports.next()) {
        (Some(low), Some(high)) if low < high => (low, high),
        _ => (32_768, 60_999),
    }
}

/// Naps become as short as they were meant: a timer of this process is late by a nanosecond at most.
pub fn sharpen_timers() {
    // Where it is refused, naps are 50 microseconds longer.
    let _ = fs::write("/proc/self/timerslack_ns", "1");
}
