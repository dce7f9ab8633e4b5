//! What the kernel tells of processes, in `/proc`.

use std::fs;
use std::path::Path;

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
    pids.iter().map(|pid| busy_of(*pid)).sum()
}

fn busy_of(pid: u32) -> Result<f64, String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"));
    let text = text.map_err(|_| format!("--pid: process {pid} has ended"))?;
    // Behind the name, which may hold anything; utime and stime are fields 14 and 15.
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    let times = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = times.filter_map(|field| field.parse::<u64>().ok()).sum();
    // A tick that user space is told is 1/100 s on every Linux there is, and part of one is not told. The
    // threads' own counts are exact, but lack those that have ended.
    Ok((ticks as f64 / 100.0).max(threads_busy_ns(pid) as f64 / 1e9))
}

fn threads_busy_ns(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads.map(|thread| schedstat_ns(&thread.path().join("schedstat"))[0]).sum()
}

/// Nanoseconds that this thread was on a processor, and that it waited for one.
pub fn own_busy_ns() -> [u64; 2] {
    schedstat_ns(Path::new("/proc/thread-self/schedstat"))
}

/// The first two numbers of such a file; 0 where the kernel keeps none.
fn schedstat_ns(path: &Path) -> [u64; 2] {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut numbers = text.split(' ').map(|ns| ns.parse().unwrap_or(0));
    [numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)]
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
