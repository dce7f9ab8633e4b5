//! Servers to drive: the real program in a process of its own, or a reactor in a thread of this one.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use encke::engines::memory::{self, MemoryEngine};
use encke::reactor::listener::Address;
use encke::reactor::{Clock, Listen, Reactor, Stop};
use encke::server::Listener;
use encke::server::settings::Settings;

/// The longest that anything here is waited for.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Looks again and again until there is an answer; panics when patience ends.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The real program, listening on ports that the system chose.
pub struct Encke {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    pub http: SocketAddr,
    /// Only where the build has CometQL, and it is not off.
    #[cfg_attr(not(feature = "cometql"), allow(dead_code))]
    pub cometql: Option<SocketAddr>,
}

impl Encke {
    /// Starts it with these arguments; where it listens is added unless they say.
    pub fn start(arguments: &[&str]) -> Encke {
        let mut command = program();
        command.args(listening(arguments));
        Encke::of(command)
    }

    /// Starts whatever `command` becomes in the end, and waits until it is ready.
    pub fn of(mut command: Command) -> Encke {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the program starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let ready = follow(&mut child, Arc::clone(&log));
        if ready.recv_timeout(PATIENCE).is_err() {
            let _ = child.kill();
            panic!("it never became ready: {:#?}", log.lock().unwrap());
        }
        let find = |prefix: &str| {
            let lines = log.lock().unwrap();
            lines.iter().find_map(|line| line.split_once(prefix)?.1.trim().parse().ok())
        };
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let http = find("listening for HTTP on http://").unwrap_or(nowhere);
        let cometql = find("listening for CometQL on ");
        Encke { child, log, http, cometql }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has said on stderr.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Waits until it has said this; its words come through a pipe and a thread.
    pub fn says(&self, words: &str) {
        eventually(words, || self.log().iter().any(|line| line.contains(words)).then_some(()));
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let order = format!("kill -{name} {}", self.pid());
        let status = Command::new("sh").args(["-c", &order]).status().expect("sh runs");
        assert!(status.success(), "{order}");
    }

    /// Waits for its end: exit code, and how long that took.
    pub fn wait(&mut self) -> (Option<i32>, Duration) {
        let from = Instant::now();
        let status = eventually("the program ends", || self.child.try_wait().expect("a child"));
        (status.code(), from.elapsed())
    }

    /// Open descriptors.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("it lives").count()
    }

    /// Resident memory, in bytes.
    pub fn memory(&self) -> usize {
        self.status("VmRSS:")
    }

    /// Of that, pages that are of no file: heap and stack.
    pub fn anonymous(&self) -> usize {
        self.status("RssAnon:")
    }

    fn status(&self, name: &str) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it lives");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a size");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
    }

    /// Processor time used so far.
    pub fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("it lives");
        // Behind the name, which may hold anything; utime and stime are fields 14 and 15, in 1/100 s.
        let (_, fields) = stat.rsplit_once(')').expect("a name");
        let ticks = |index: usize| -> u64 {
            fields.split_whitespace().nth(index).and_then(|field| field.parse().ok()).expect("time")
        };
        Duration::from_millis(10 * (ticks(11) + ticks(12)))
    }
}

impl Drop for Encke {
    fn drop(&mut self) {
        // It may have ended already, as the test wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, in an environment without anything of the tester's.
pub fn program() -> Command {
    bare(Command::new(env!("CARGO_BIN_EXE_encke")))
}

/// A command in an environment without anything that the server listens to.
pub fn bare(mut command: Command) -> Command {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ENCKE_")) {
        command.env_remove(name);
    }
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// These arguments, and where to listen, unless they say so.
pub fn listening(arguments: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let mut listen = |flag: &str| {
        if !arguments.contains(&flag) {
            all.extend([flag.to_owned(), "127.0.0.1:0".to_owned()]);
        }
    };
    listen("--http");
    if cfg!(feature = "cometql") {
        listen("--cometql");
    }
    all
}

/// Collects its log in a thread; the channel hears when all listeners have been named.
fn follow(child: &mut Child, log: Arc<Mutex<Vec<String>>>) -> mpsc::Receiver<()> {
    let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let (ready, heard) = mpsc::channel();
    thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            let is_ready = line.contains("room for ");
            log.lock().unwrap().push(line);
            if is_ready {
                // Nobody may be waiting any more.
                let _ = ready.send(());
            }
        }
    });
    heard
}

/// Runs a command that ends by itself: exit code, stdout, stderr.
pub fn run(mut command: Command) -> (Option<i32>, String, String) {
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let end = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().expect("a child") {
            Some(status) => break status,
            None if Instant::now() > end => {
                let _ = child.kill();
                panic!("it runs, but should have ended by itself");
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    let mut text = (String::new(), String::new());
    child.stdout.take().expect("a pipe").read_to_string(&mut text.0).expect("text");
    child.stderr.take().expect("a pipe").read_to_string(&mut text.1).expect("text");
    (status.code(), text.0, text.1)
}

/// A reactor in a thread, for settings that the command line does not have.
pub struct Inside {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
    pub http: SocketAddr,
    #[cfg_attr(not(feature = "cometql"), allow(dead_code))]
    pub cometql: SocketAddr,
}

impl Inside {
    pub fn start(settings: Settings) -> Inside {
        Inside::keeping(settings, memory::Limits::default())
    }

    /// With bounds for what is kept.
    pub fn keeping(settings: Settings, keep: memory::Limits) -> Inside {
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut reactor = reactor(settings, keep);
            let addresses = reactor.addresses().expect("addresses").into_iter();
            let tcp = addresses.map(|(_, address)| match address {
                Address::Tcp(address) => address,
                Address::Unix(_) => panic!("none was asked for"),
            });
            tell.send((tcp.collect::<Vec<_>>(), reactor.stop_handle())).expect("a listener");
            reactor.run().expect("the loop ends well");
        });
        let (addresses, stop) = told.recv_timeout(PATIENCE).expect("it starts");
        Inside { stop, thread: Some(thread), http: addresses[0], cometql: addresses[1] }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.stop.stop();
        let ended = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            assert!(matches!(ended, Some(Ok(()))), "the server's thread failed");
        }
    }
}

/// A reactor on two ports of this machine: HTTP, then CometQL.
pub fn reactor(settings: Settings, keep: memory::Limits) -> Reactor {
    let clock = Clock::start();
    let engine = MemoryEngine::new(settings.tenants.len(), keep, clock.now());
    let listen = |listener| Listen {
        address: Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0))),
        listener,
        is_proxied: false,
    };
    let listens = [listen(Listener::Http), listen(Listener::CometQl)];
    Reactor::new(settings, Box::new(engine), &listens, clock)
        .expect("a reactor")
        .expect("free ports")
}
