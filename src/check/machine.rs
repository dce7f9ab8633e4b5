//! What this machine has to give, from its own files.

use std::fs;
use std::path::Path;

/// What could be found out; `None` where this machine does not say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Machine {
    /// This process's limit.
    pub descriptors: u64,
    /// Memory that programs can have without swapping, in bytes.
    pub available_bytes: Option<u64>,
    /// What is left under the tightest memory limit of this process's cgroups, in bytes.
    pub cgroup_bytes: Option<u64>,
    /// The greatest descriptor limit that this kernel gives a process.
    pub nr_open: Option<u64>,
    /// Connections that may wait to be accepted.
    pub somaxconn: Option<u64>,
}

impl Machine {
    /// Reads `proc` and `sys` under `root`.
    pub fn read(root: &Path, descriptors: u64) -> Machine {
        let proc = root.join("proc");
        Machine {
            descriptors,
            available_bytes: available_bytes(&proc),
            cgroup_bytes: cgroup_bytes(root),
            nr_open: number(&proc.join("sys/fs/nr_open")),
            somaxconn: number(&proc.join("sys/net/core/somaxconn")),
        }
    }
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn available_bytes(proc: &Path) -> Option<u64> {
    let text = fs::read_to_string(proc.join("meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Files of one version of cgroups.
struct Files {
    limit: &'static str,
    usage: &'static str,
    /// In `memory.stat`: file pages that can be dropped, which count as used.
    reclaimable: &'static str,
}

const V2: Files =
    Files { limit: "memory.max", usage: "memory.current", reclaimable: "inactive_file " };
const V1: Files = Files {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    reclaimable: "total_inactive_file ",
};

/// Every group up to the root bounds those below it. Inside a container the path may be the host's, and
/// only its root is to be seen: that one is always looked at.
fn cgroup_bytes(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    text.lines().filter_map(|line| group_bytes(root, line)).min()
}

/// A line is `number:controllers:path`; version 2 has none of the former.
fn group_bytes(root: &Path, line: &str) -> Option<u64> {
    let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
    let (top, files) = match controllers {
        "" => (root.join("sys/fs/cgroup"), V2),
        _ if controllers.split(',').any(|name| name == "memory") => {
            (root.join("sys/fs/cgroup/memory"), V1)
        }
        _ => return None,
    };
    let group = top.join(path.trim_start_matches('/'));
    let groups = group.ancestors().take_while(|group| group.starts_with(&top));
    groups.filter_map(|group| bytes_left(group, &files)).min()
}

fn bytes_left(group: &Path, files: &Files) -> Option<u64> {
    // "max" is no number, and no limit.
    let limit = number(&group.join(files.limit))?;
    // Version 1 says "none" with a number beyond all memory.
    if limit > 1 << 60 {
        return None;
    }
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let line = stat.lines().find_map(|line| line.strip_prefix(files.reclaimable));
    let reclaimable = line.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    let used = number(&group.join(files.usage)).unwrap_or(0).saturating_sub(reclaimable);
    Some(limit.saturating_sub(used))
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
                ("proc/sys/net/core/somaxconn", "4096\n"),
                ("sys/fs/cgroup/system.slice/encke.service/memory.max", "max\n"),
                ("sys/fs/cgroup/system.slice/memory.max", "1000000\n"),
                ("sys/fs/cgroup/system.slice/memory.current", "300000\n"),
                ("sys/fs/cgroup/system.slice/memory.stat", "anon 1\ninactive_file 100000\n"),
            ],
        );
        let expect = Machine {
            descriptors: 1_024,
            available_bytes: Some(4_096_000),
            cgroup_bytes: Some(800_000),
            nr_open: Some(1_048_576),
            somaxconn: Some(4_096),
        };
        assert_eq!(machine, expect);
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
        assert_eq!(inside.cgroup_bytes, Some(3_000));
        let unbounded = machine(
            "v1-none",
            &[
                ("proc/self/cgroup", group),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ],
        );
        assert_eq!(unbounded.cgroup_bytes, None);
    }

    #[test]
    fn a_machine_that_says_nothing() {
        let machine = machine("none", &[]);
        assert_eq!((machine.available_bytes, machine.cgroup_bytes), (None, None));
    }
}
