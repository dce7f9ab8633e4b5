//! Servers of their own processes, and clients that cost them nothing but what is asked of them.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server; it ends with this value.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
    /// Where else it listens.
    pub others: Vec<SocketAddr>,
}

enum Output {
    Standard,
    Error,
}

impl Process {
    /// The floor: this program, started with `--floor`.
    pub fn floor() -> Process {
        let this = env::current_exe().expect("this program has a path");
        Process::start(Command::new(this).arg("--floor"), Output::Standard, &["http://"])
    }

    /// encke. The addresses are what its log has behind these words, in this order.
    pub fn encke(arguments: &[&str], words: &[&str]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_encke"));
        Process::start(command.args(arguments), Output::Error, words)
    }

    fn start(command: &mut Command, output: Output, words: &[&str]) -> Process {
        let (piped, null) = (Stdio::piped, Stdio::null);
        let (out, err) = match output {
            Output::Standard => (piped(), null()),
            Output::Error => (null(), piped()),
        };
        let mut child = command.stdout(out).stderr(err).spawn().expect("the server starts");
        let said: Box<dyn Read + Send> = match output {
            Output::Standard => Box::new(child.stdout.take().expect("it is piped")),
            Output::Error => Box::new(child.stderr.take().expect("it is piped")),
        };
        let mut said = BufReader::new(said).lines();
        let address = |words: &&str| {
            let line = said.by_ref().map_while(Result::ok);
            let mut behind = line.filter_map(|line| line.split_once(*words)?.1.parse().ok());
            behind.next().expect("the server tells its address")
        };
        let mut addresses: Vec<SocketAddr> = words.iter().map(address).collect();
        let others = addresses.split_off(1);
        // Whoever writes to a pipe that nobody reads would stop.
        std::thread::spawn(move || said.map_while(Result::ok).for_each(drop));
        Process { child, address: addresses[0], others }
    }

    /// Microseconds on a processor for one of the operations that `act` does and counts.
    pub fn cost_us(&self, act: impl FnOnce() -> usize) -> f64 {
        let before = self.busy_ns();
        let operations = act();
        // What is left to do, such as noticing who went, belongs to it too.
        self.settle();
        (self.busy_ns() - before) as f64 / 1e3 / operations as f64
    }

    /// Waits until the server has nothing left to do: it sleeps, and has not been awake meanwhile.
    pub fn settle(&self) {
        let mut before = None;
        loop {
            std::thread::sleep(Duration::from_millis(3));
            let is_asleep =
                self.proc("stat").rsplit(") ").next().is_some_and(|s| s.starts_with('S'));
            let now = is_asleep.then(|| self.busy_ns());
            if now.is_some() && now == before {
                return;
            }
            before = now;
        }
    }

    /// Bytes of memory that would be free without this process (USS): all that it shares with nobody.
    pub fn own_bytes(&self) -> u64 {
        self.rollup(&["Private_Clean:", "Private_Dirty:"])
    }

    /// The same without pages of files: those of the program are mapped and unmapped, whoever comes or goes.
    pub fn anonymous_bytes(&self) -> u64 {
        self.rollup(&["Anonymous:"])
    }

    /// What the kernel says of the process's memory, once it is at rest.
    fn rollup(&self, fields: &[&str]) -> u64 {
        self.settle();
        let text = self.proc("smaps_rollup");
        let lines = text.lines().filter(|line| fields.iter().any(|field| line.starts_with(field)));
        let kib = |line: &str| line.split_whitespace().nth(1)?.parse::<u64>().ok();
        lines.filter_map(kib).sum::<u64>() * 1024
    }

    fn proc(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(path).expect("the kernel tells")
    }

    /// Time on a processor so far.
    fn busy_ns(&self) -> u64 {
        let text = self.proc("schedstat");
        text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("its first number")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It ends either way.
        let _: io::Result<()> = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads as `read_some` does until the buffer is full.
pub fn read_exact(socket: &mut TcpStream, mut buffer: &mut [u8]) {
    while !buffer.is_empty() {
        let count = read_some(socket, buffer);
        buffer = &mut buffer[count..];
    }
}

/// Reads as `read_some` does until what came ends like this, of which the buffer must have room for all.
pub fn read_until(socket: &mut TcpStream, end: &[u8], buffer: &mut [u8]) -> usize {
    let mut count = 0;
    while !buffer[..count].ends_with(end) {
        assert!(count < buffer.len(), "no end in {}", String::from_utf8_lossy(buffer));
        count += read_some(socket, &mut buffer[count..]);
    }
    count
}

/// Never sleeps in the kernel: waking somebody up would be the server's work, which no remote client is.
pub fn read_some(socket: &mut TcpStream, buffer: &mut [u8]) -> usize {
    loop {
        match socket.read(buffer) {
            Ok(0) => panic!("the server closed a connection"),
            Ok(count) => return count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_micros(200));
            }
            Err(error) => panic!("{error}"),
        }
    }
}
