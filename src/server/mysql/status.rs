//! `SHOW STATUS`: the names that CppComet has, with what this server counts.
//!
//! Rates are averages since the start, so their interval is the whole uptime. A front end is everything
//! that browsers talk to.

use std::borrow::Cow;

use super::super::metrics::{Clients, Metrics};
use crate::cometql::StatusKind;

/// Names and values, in order.
pub type Status = Vec<(Cow<'static, str>, String)>;

/// What a status is made of.
pub struct Facts<'a> {
    /// The number of the tenant that asks.
    pub dev_id: u32,
    /// Its users that are here.
    pub users: usize,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// What is counted.
    pub metrics: &'a Metrics,
    /// A file of what the kernel tells of the machine; empty if it does not.
    pub kernel_file: fn(&str) -> String,
}

impl Facts<'_> {
    /// One part of the status.
    pub fn status(&self, kind: StatusKind) -> Status {
        match kind {
            StatusKind::Session => self.session(),
            StatusKind::Global => self.global(),
            StatusKind::Average => average(&(self.kernel_file)("loadavg")),
            StatusKind::Uptime => words(&["os_uptime", "os_idle"], &(self.kernel_file)("uptime")),
            StatusKind::Ram => ram(&(self.kernel_file)("meminfo")),
            // That of a server that keeps nothing on a disk.
            StatusKind::FileSystem => Vec::new(),
        }
    }

    fn session(&self) -> Status {
        vec![
            ("flag".into(), "session".into()),
            ("id".into(), self.dev_id.to_string()),
            ("user_online".into(), self.users.to_string()),
            ("server_online".into(), front_ends(self.metrics).now.to_string()),
            ("messages".into(), self.metrics.messages_published.to_string()),
        ]
    }

    fn global(&self) -> Status {
        let seconds = self.uptime_seconds;
        let (front, back) = (front_ends(self.metrics), self.metrics.back_ends);
        let gone = |clients: Clients| clients.opened - clients.now;
        let delivered = self.metrics.messages_delivered;
        let published = self.metrics.messages_published;
        let of_seconds = |unit: f64| format!("{:.2}", seconds as f64 / unit);
        let rate = |count: u64| format!("{:.2}", count as f64 / seconds.max(1) as f64);
        let mut status: Status = vec![
            ("flag".into(), "global".into()),
            ("uptime".into(), seconds.to_string()),
            ("uptime_in_hours".into(), of_seconds(3_600.0)),
            ("uptime_in_days".into(), of_seconds(86_400.0)),
            ("frontend_name".into(), "ws".into()),
            ("backend_name".into(), "cometql".into()),
        ];
        for (name, front, back) in [
            ("stat_interval", seconds.to_string(), seconds.to_string()),
            ("online", front.now.to_string(), back.now.to_string()),
            ("messages", delivered.to_string(), published.to_string()),
            ("add_client", front.opened.to_string(), back.opened.to_string()),
            ("delete_client", gone(front).to_string(), gone(back).to_string()),
            ("messages_ps", rate(delivered), rate(published)),
            ("add_client_ps", rate(front.opened), rate(back.opened)),
            ("delete_client_ps", rate(gone(front)), rate(gone(back))),
            // Not counted here.
            ("network_events", "0".into(), "0".into()),
        ] {
            status.push((format!("frontend_{name}").into(), front));
            status.push((format!("backend_{name}").into(), back));
        }
        status
    }
}

/// Browsers, in all ways that they come.
fn front_ends(metrics: &Metrics) -> Clients {
    let mut sum = Clients::default();
    for clients in metrics.clients.iter().flatten() {
        sum.now += clients.now;
        sum.opened += clients.opened;
    }
    sum
}

/// Names for as many words as there are.
fn words(names: &[&'static str], text: &str) -> Status {
    let words = text.split_whitespace().map(str::to_owned);
    names.iter().map(|&name| Cow::Borrowed(name)).zip(words).collect()
}

/// proc(5): three averages, `running/total` processes, and more.
fn average(loadavg: &str) -> Status {
    let names = ["load_avg_1", "load_avg_2", "load_avg_3", "running_processes", "total_processes"];
    words(&names, &loadavg.replace('/', " "))
}

/// proc(5): `Name:   value kB`, line by line.
fn ram(meminfo: &str) -> Status {
    let pair = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_owned().into(), value.trim().to_owned()))
    };
    meminfo.lines().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel_file(name: &str) -> String {
        match name {
            "loadavg" => "0.50 0.40 0.30 2/345 6789\n",
            "uptime" => "1234.56 2000.00\n",
            "meminfo" => "MemTotal:        8000000 kB\nHugePages_Total:       0\nnonsense\n",
            _ => "",
        }
        .into()
    }

    fn status(kind: StatusKind, kernel_file: fn(&str) -> String) -> String {
        let metrics = Metrics {
            messages_published: 10,
            messages_delivered: 500,
            back_ends: Clients { now: 1, opened: 3 },
            ..Metrics::default()
        };
        let facts =
            Facts { dev_id: 7, users: 2, uptime_seconds: 5_400, metrics: &metrics, kernel_file };
        let pairs = facts.status(kind).into_iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn names_and_their_order_are_cppcomets() {
        for (kind, expect) in [
            (StatusKind::Session, "flag=session id=7 user_online=2 server_online=0 messages=10"),
            (
                StatusKind::Global,
                "flag=global uptime=5400 uptime_in_hours=1.50 uptime_in_days=0.06 \
                 frontend_name=ws backend_name=cometql \
                 frontend_stat_interval=5400 backend_stat_interval=5400 \
                 frontend_online=0 backend_online=1 frontend_messages=500 backend_messages=10 \
                 frontend_add_client=0 backend_add_client=3 \
                 frontend_delete_client=0 backend_delete_client=2 \
                 frontend_messages_ps=0.09 backend_messages_ps=0.00 \
                 frontend_add_client_ps=0.00 backend_add_client_ps=0.00 \
                 frontend_delete_client_ps=0.00 backend_delete_client_ps=0.00 \
                 frontend_network_events=0 backend_network_events=0",
            ),
            (
                StatusKind::Average,
                "load_avg_1=0.50 load_avg_2=0.40 load_avg_3=0.30 running_processes=2 \
                 total_processes=345",
            ),
            (StatusKind::Uptime, "os_uptime=1234.56 os_idle=2000.00"),
            (StatusKind::Ram, "MemTotal=8000000 kB HugePages_Total=0"),
            (StatusKind::FileSystem, ""),
        ] {
            assert_eq!(status(kind, kernel_file), expect);
        }
    }

    #[test]
    fn a_kernel_that_tells_nothing() {
        for kind in [StatusKind::Average, StatusKind::Uptime, StatusKind::Ram] {
            assert_eq!(status(kind, |_| String::new()), "");
        }
    }
}
