//! What this machine has to give, from its own files.

use std::fs;
use std::path::Path;

/// What could be found out; `None` where this machine does not say, or says that there is no bound.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    /// This process's limit.
    pub descriptors: u64,
    /// The greatest descriptor limit that this kernel gives a process.
    pub nr_open: Option<u64>,
    /// Files that are open on the whole machine.
    pub files_open: u64,
    /// How many more may be.
    pub files_left: Option<u64>,
    /// Descriptors that a user may have registered with epoll.
    pub watches: Option<u64>,
    /// The firewall's table of connections, where it is loaded.
    pub tracked: Option<Table>,
    /// Memory that programs can have without swapping, in bytes.
    pub available_bytes: Option<u64>,
    /// All there is for this process, in bytes: the machine's, or less if a cgroup bounds it.
    pub memory_bytes: Option<u64>,
    /// The tightest memory limit of this process's cgroups.
    pub group: Option<Group>,
    /// Bytes of a page of memory.
    pub page_bytes: u64,
    /// Pages of buffers of all connections from which on the kernel saves.
    pub tcp_pages: Option<u64>,
    /// What the kernel may hold of a connection whose client does not read, in bytes.
    pub send_bytes_max: Option<u64>,
    /// Connections that may wait to be accepted.
    pub somaxconn: Option<u64>,
    /// Handshakes that may be under way, without SYN cookies.
    pub syn_backlog: Option<u64>,
    pub has_syn_cookies: bool,
}

/// Places in all, and those taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub most: u64,
    pub used: u64,
}

/// A bound on the memory of a group of processes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// Bytes left.
    pub left: u64,
    /// Bytes in all.
    pub most: u64,
    /// The file that says so.
    pub limit: String,
}

/// So great a number says "no bound".
const BOUNDLESS: u64 = 1 << 60;

impl Machine {
    /// Reads `proc` and `sys` under `root`.
    pub fn read(root: &Path, descriptors: u64) -> Machine {
        let proc = root.join("proc");
        let net = proc.join("sys/net");
        let (files_open, files_left) = files(&proc);
        let table = |name: &str| number(&net.join("netfilter").join(name));
        Machine {
            descriptors,
            nr_open: number(&proc.join("sys/fs/nr_open")),
            files_open,
            files_left,
            watches: number(&proc.join("sys/fs/epoll/max_user_watches")),
            tracked: table("nf_conntrack_max")
                .map(|most| Table { most, used: table("nf_conntrack_count").unwrap_or(0) }),
            available_bytes: meminfo(&proc, "MemAvailable:"),
            memory_bytes: memory_bytes(root),
            group: groups(root).into_iter().min_by_key(|group| group.left),
            page_bytes: super::sys::page_bytes(),
            tcp_pages: nth(&net.join("ipv4/tcp_mem"), 1),
            send_bytes_max: nth(&net.join("ipv4/tcp_wmem"), 2),
            somaxconn: number(&net.join("core/somaxconn")),
            syn_backlog: number(&net.join("ipv4/tcp_max_syn_backlog")),
            has_syn_cookies: number(&net.join("ipv4/tcp_syncookies")) != Some(0),
        }
    }
}

fn number(path: &Path) -> Option<u64> {
    nth(path, 0)
}

/// One of several numbers of a file.
fn nth(path: &Path, index: usize) -> Option<u64> {
    fs::read_to_string(path).ok()?.split_whitespace().nth(index)?.parse().ok()
}

/// Open files of the whole machine, and how many more there may be.
fn files(proc: &Path) -> (u64, Option<u64>) {
    let path = proc.join("sys/fs/file-nr");
    // The second counts those that are allocated and free: none, since Linux 2.6.
    let open = number(&path).unwrap_or(0);
    let most = nth(&path, 2).filter(|most| *most < BOUNDLESS);
    (open, most.map(|most| most.saturating_sub(open)))
}

/// All the memory that this process could have, in bytes, with `proc` and `sys` under `root`.
pub(crate) fn memory_bytes(root: &Path) -> Option<u64> {
    let all = meminfo(&root.join("proc"), "MemTotal:");
    groups(root).into_iter().map(|group| group.most).chain(all).min()
}

fn meminfo(proc: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(proc.join("meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Files of one version of cgroups.
struct Files {
    /// Beyond the first the kernel kills, beyond the second it brakes.
    limits: &'static [&'static str],
    usage: &'static str,
    /// In `memory.stat`: file pages that can be dropped, which count as used.
    reclaimable: &'static str,
}

const V2: Files = Files {
    limits: &["memory.max", "memory.high"],
    usage: "memory.current",
    reclaimable: "inactive_file ",
};
const V1: Files = Files {
    limits: &["memory.limit_in_bytes"],
    usage: "memory.usage_in_bytes",
    reclaimable: "total_inactive_file ",
};

/// Every bound of this process. Every group up to the root bounds those below it. Inside a container the path
/// may be the host's, and only its root is to be seen: that one is always looked at.
fn groups(root: &Path) -> Vec<Group> {
    let text = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    text.lines().flat_map(|line| of_line(root, line)).collect()
}

/// A line is `number:controllers:path`; version 2 has none of the former.
fn of_line(root: &Path, line: &str) -> Vec<Group> {
    let Some((controllers, path)) = line.split_once(':').and_then(|(_, rest)| rest.split_once(':'))
    else {
        return Vec::new();
    };
    let (top, files) = match controllers {
        "" => (root.join("sys/fs/cgroup"), V2),
        _ if controllers.split(',').any(|name| name == "memory") => {
            (root.join("sys/fs/cgroup/memory"), V1)
        }
        _ => return Vec::new(),
    };
    let group = top.join(path.trim_start_matches('/'));
    let groups = group.ancestors().take_while(|group| group.starts_with(&top));
    let limits = groups.flat_map(|group| files.limits.iter().map(move |name| (group, name)));
    limits.filter_map(|(group, name)| bound(root, group, name, &files)).collect()
}

fn bound(root: &Path, group: &Path, name: &str, files: &Files) -> Option<Group> {
    let file = group.join(name);
    // "max" is no number, and no limit; version 1 says it with a number beyond all memory.
    let most = number(&file).filter(|most| *most < BOUNDLESS)?;
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let line = stat.lines().find_map(|line| line.strip_prefix(files.reclaimable));
    let reclaimable = line.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    let used = number(&group.join(files.usage)).unwrap_or(0).saturating_sub(reclaimable);
    let limit = Path::new("/").join(file.strip_prefix(root).unwrap_or(&file));
    Some(Group { left: most.saturating_sub(used), most, limit: limit.display().to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(name: &str, files: &[(&str, &str)]) -> Machine {
        let root =
            std::env::temp_dir().join(format!("encke-machine-{name}-{}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let machine = Machine::read(&root, 1_024);
        // Left behind, it would only be clutter.
        let _ = fs::remove_dir_all(&root);
        machine
    }

    #[test]
    fn version_2_with_a_limit_above_the_own_group() {
        let machine = machine(
            "v2",
            &[
                ("proc/meminfo", "MemTotal:  8000000 kB\nMemAvailable:    4000 kB\n"),
                ("proc/self/cgroup", "0::/system.slice/encke.service\n"),
                ("proc/sys/fs/nr_open", "1048576\n"),
                ("proc/sys/fs/file-nr", "1056\t0\t50000\n"),
                ("proc/sys/fs/epoll/max_user_watches", "110000\n"),
                ("proc/sys/net/core/somaxconn", "4096\n"),
                ("proc/sys/net/ipv4/tcp_mem", "5562\t7418\t11124\n"),
                ("proc/sys/net/ipv4/tcp_wmem", "4096\t16384\t4194304\n"),
                ("proc/sys/net/ipv4/tcp_max_syn_backlog", "128\n"),
                ("proc/sys/net/ipv4/tcp_syncookies", "0\n"),
                ("proc/sys/net/netfilter/nf_conntrack_max", "8192\n"),
                ("proc/sys/net/netfilter/nf_conntrack_count", "31\n"),
                ("sys/fs/cgroup/system.slice/encke.service/memory.max", "max\n"),
                ("sys/fs/cgroup/system.slice/memory.max", "1000000\n"),
                ("sys/fs/cgroup/system.slice/memory.current", "300000\n"),
                ("sys/fs/cgroup/system.slice/memory.stat", "anon 1\ninactive_file 100000\n"),
            ],
        );
        let expect = Machine {
            descriptors: 1_024,
            nr_open: Some(1_048_576),
            files_open: 1_056,
            files_left: Some(48_944),
            watches: Some(110_000),
            tracked: Some(Table { most: 8_192, used: 31 }),
            available_bytes: Some(4_096_000),
            memory_bytes: Some(1_000_000),
            group: Some(Group {
                left: 800_000,
                most: 1_000_000,
                limit: "/sys/fs/cgroup/system.slice/memory.max".to_owned(),
            }),
            page_bytes: machine.page_bytes,
            tcp_pages: Some(7_418),
            send_bytes_max: Some(4_194_304),
            somaxconn: Some(4_096),
            syn_backlog: Some(128),
            has_syn_cookies: false,
        };
        assert_eq!(machine, expect);
        assert!(machine.page_bytes.is_power_of_two());
    }

    #[test]
    fn what_brakes_bounds_as_what_kills_does() {
        let group = |high| {
            machine(
                "high",
                &[
                    ("proc/self/cgroup", "0::/encke\n"),
                    ("sys/fs/cgroup/encke/memory.max", "9000\n"),
                    ("sys/fs/cgroup/encke/memory.high", high),
                    ("sys/fs/cgroup/encke/memory.current", "2000\n"),
                ],
            )
            .group
        };
        let brake = group("5000\n").unwrap();
        assert_eq!((brake.left, &*brake.limit), (3_000, "/sys/fs/cgroup/encke/memory.high"));
        let end = group("max\n").unwrap();
        assert_eq!((end.left, &*end.limit), (7_000, "/sys/fs/cgroup/encke/memory.max"));
    }

    #[test]
    fn version_1_and_a_path_of_the_host() {
        let group = "3:cpu:/docker/1\n5:memory,hugetlb:/docker/1\n";
        let inside = machine(
            "v1",
            &[
                ("proc/self/cgroup", group),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "5000\n"),
                ("sys/fs/cgroup/memory/memory.usage_in_bytes", "2000\n"),
            ],
        );
        assert_eq!(
            inside.group.as_ref().map(|group| (group.left, group.most)),
            Some((3_000, 5_000))
        );
        let unbounded = machine(
            "v1-none",
            &[
                ("proc/self/cgroup", group),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ("proc/sys/fs/file-nr", "1056\t0\t9223372036854775807\n"),
            ],
        );
        assert_eq!((unbounded.group, unbounded.files_left), (None, None));
        assert_eq!((inside.memory_bytes, unbounded.memory_bytes), (Some(5_000), None));
        let whole = machine("v1-whole", &[("proc/meminfo", "MemTotal:  8000 kB\n")]);
        assert_eq!(whole.memory_bytes, Some(8_192_000));
    }

    #[test]
    fn a_machine_that_says_nothing() {
        let machine = machine("none", &[]);
        let expect = Machine {
            descriptors: 1_024,
            page_bytes: machine.page_bytes,
            // Unless somebody says otherwise, they are on.
            has_syn_cookies: true,
            ..Machine::default()
        };
        assert_eq!(machine, expect);
    }
}
