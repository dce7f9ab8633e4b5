//! The command line becomes a [`Plan`], or one clear line of error.

use super::flags::{self, Flags};
use super::preset::{PRESETS, Preset};
use super::target::{self, Target};
use super::wire::MARK_BYTES;

/// What was asked for.
pub enum Given {
    Plan(Box<Plan>),
    Help,
    Version,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    Density,
    Fanout,
    Echo,
    Churn,
    Poll,
}

/// With what each connection listens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    WebSocket,
    EventStream,
    Stream,
    Poll,
}

/// How a message is published.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Publish {
    /// A POST to this path; the message is the body.
    Post(String),
    /// A WebSocket frame, `{message}` replaced.
    Frame(String),
}

/// What to do, everything checked.
pub struct Plan {
    pub command: Command,
    pub target: Target,
    pub preset: &'static str,
    pub transport: Transport,
    pub path: String,
    pub welcome: String,
    pub subscribe: String,
    pub ready: String,
    pub publish: Publish,
    pub headers: Vec<String>,
    pub connections: usize,
    /// Operations a second over all workers; `None` is the closed loop.
    pub rate: Option<f64>,
    pub duration_s: f64,
    pub warmup_s: f64,
    pub depth: usize,
    pub size: usize,
    pub sources: usize,
    pub workers: usize,
    pub pids: Vec<u32>,
    pub steps: usize,
    pub hold_s: f64,
    pub is_json: bool,
    pub svg: Option<String>,
    pub is_quiet: bool,
}

/// By name, with how many connections there are unless said.
pub const COMMANDS: [(&str, Command, usize); 5] = [
    ("density", Command::Density, 1_000),
    ("fanout", Command::Fanout, 100),
    ("echo", Command::Echo, 100),
    ("churn", Command::Churn, 64),
    ("poll", Command::Poll, 100),
];

pub const TRANSPORTS: [(&str, Transport); 4] = [
    ("ws", Transport::WebSocket),
    ("sse", Transport::EventStream),
    ("stream", Transport::Stream),
    ("poll", Transport::Poll),
];

impl Command {
    pub fn name(self) -> &'static str {
        COMMANDS.iter().find(|(_, command, _)| *command == self).map_or("", |(name, ..)| name)
    }

    /// What one operation is, in the plural.
    pub fn operations(self) -> &'static str {
        match self {
            Command::Density => "connections",
            Command::Fanout => "deliveries",
            Command::Echo => "round trips",
            Command::Churn => "connections",
            Command::Poll => "releases",
        }
    }
}

impl Transport {
    pub fn name(self) -> &'static str {
        TRANSPORTS.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }
}

/// Reads arguments, without the program's name.
pub fn parse(arguments: &[String]) -> Result<Given, String> {
    let is = |flags: [&str; 2]| arguments.iter().any(|given| flags.contains(&given.as_str()));
    if is(["--help", "-h"]) {
        return Ok(Given::Help);
    }
    if is(["--version", "-V"]) {
        return Ok(Given::Version);
    }
    let flags = flags::read(arguments)?;
    let [command, url] = match flags.words.as_slice() {
        [] => return Err("say what to do: density, fanout, echo, churn or poll; see --help".into()),
        [command] => [command.as_str(), ""],
        [command, url] => [command.as_str(), url.as_str()],
        [_, _, third, ..] => return Err(format!("{third:?} is one word too many; see --help")),
    };
    let known = COMMANDS.iter().find(|(name, ..)| *name == command);
    let (_, command, connections) = known.ok_or_else(|| {
        let names: Vec<&str> = COMMANDS.iter().map(|(name, ..)| *name).collect();
        flags::unknown("command", command, &names)
    })?;
    if url.is_empty() {
        return Err(format!("{} needs the server's address, ws://… or http://…", command.name()));
    }
    let target = target::parse(url)?;
    target::check_own(&target, flags.has("--i-own-this-server"))?;
    plan(*command, *connections, target, &flags).map(|plan| Given::Plan(Box::new(plan)))
}

fn plan(
    command: Command,
    connections: usize,
    target: Target,
    flags: &Flags,
) -> Result<Plan, String> {
    let preset = preset(flags)?;
    let transport = transport(command, &target, preset, flags)?;
    let channel = channel(flags.text("--channel").unwrap_or("bench"))?;
    let fill = |text: &str| text.replace("{channel}", channel);
    let path = target.path.clone().or_else(|| preset.path(transport, command == Command::Echo));
    let path = path.ok_or_else(|| {
        let name = if command == Command::Echo { "echo" } else { transport.name() };
        format!(
            "the preset {} knows no path for {name}: put one into the address, as in {}://{}/PATH",
            preset.name,
            if target.is_ws { "ws" } else { "http" },
            target.host
        )
    })?;
    let says = |flag: &str, default: &str| fill(flags.text(flag).unwrap_or(default));
    let is_ws = transport == Transport::WebSocket && command != Command::Echo;
    let (welcome, subscribe, ready) = match is_ws {
        true => (preset.welcome, preset.subscribe, preset.ready),
        false => Default::default(),
    };
    let plan = Plan {
        command,
        preset: preset.name,
        transport,
        path: fill(&path),
        welcome: welcome.to_owned(),
        subscribe: says("--subscribe", subscribe),
        ready: says("--ready", ready),
        publish: publish(&says("--publish", preset.publish))?,
        headers: headers(flags)?,
        connections: flags.count("--connections", connections, 1, 1_000_000)?,
        rate: flags.seconds("--rate", None, 0.01, 1_000_000.0)?,
        duration_s: flags.seconds("--duration", Some(5.0), 0.1, 3_600.0)?.unwrap_or_default(),
        warmup_s: flags.seconds("--warmup", Some(1.0), 0.0, 600.0)?.unwrap_or_default(),
        depth: flags.count("--depth", 1, 1, 1_024)?,
        size: flags.count("--size", 128, MARK_BYTES, 1 << 20)?,
        sources: flags.count("--sources", 1, 1, 250)?,
        workers: flags.count("--workers", 1, 1, 64)?,
        pids: pids(flags.text("--pid").unwrap_or_default())?,
        steps: flags.count("--steps", 5, 1, 100)?,
        hold_s: flags.seconds("--hold", Some(2.0), 0.0, 86_400.0)?.unwrap_or_default(),
        is_json: flags.has("--json"),
        svg: flags.text("--svg").map(str::to_owned),
        is_quiet: flags.has("--quiet"),
        target,
    };
    check(plan)
}

/// What fits together.
fn check(plan: Plan) -> Result<Plan, String> {
    let ip = plan.target.address.ip();
    if plan.sources > 1 && !(ip.is_ipv4() && ip.is_loopback()) {
        return Err("--sources needs a server on 127.0.0.1: only there are addresses free".into());
    }
    if plan.workers > plan.connections {
        return Err(format!(
            "--workers {} is more than the {} connections to share",
            plan.workers, plan.connections
        ));
    }
    let publishes = matches!(plan.command, Command::Fanout | Command::Poll);
    if let (true, Publish::Frame(text)) = (publishes, &plan.publish) {
        check_frame(text, plan.preset)?;
    }
    if plan.svg.is_some() && plan.command == Command::Churn {
        return Err("--svg draws density, fanout, echo and poll".into());
    }
    Ok(plan)
}

fn check_frame(text: &str, preset: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err(format!("the preset {preset} cannot publish: say how with --publish"));
    }
    match text.contains("{message}") {
        true => Ok(()),
        false => Err("--publish: a frame's text needs {message} in it".into()),
    }
}

fn preset(flags: &Flags) -> Result<&'static Preset, String> {
    let name = flags.text("--preset").unwrap_or(PRESETS[0].name);
    PRESETS.iter().find(|preset| preset.name == name).ok_or_else(|| {
        let names: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
        flags::unknown("preset", name, &names)
    })
}

fn transport(
    command: Command,
    target: &Target,
    preset: &Preset,
    flags: &Flags,
) -> Result<Transport, String> {
    let usual = match command {
        Command::Poll => Transport::Poll,
        Command::Echo => Transport::WebSocket,
        _ if target.is_ws || preset.is_ws_only() => Transport::WebSocket,
        _ => Transport::EventStream,
    };
    let Some(name) = flags.text("--transport") else { return Ok(usual) };
    let known = TRANSPORTS.iter().find(|(known, _)| *known == name);
    let names: Vec<&str> = TRANSPORTS.iter().map(|(name, _)| *name).collect();
    let (_, transport) = known.ok_or_else(|| flags::unknown("transport", name, &names))?;
    match (command, transport) {
        (Command::Echo, Transport::WebSocket) | (Command::Poll, Transport::Poll) => {}
        (Command::Echo | Command::Poll, _) => {
            return Err(format!("{} knows --transport {} only", command.name(), usual.name()));
        }
        (Command::Churn, Transport::Poll) => {
            return Err("churn of long-polls has no answer to wait for; see poll".into());
        }
        _ => {}
    }
    Ok(*transport)
}

fn channel(name: &str) -> Result<&str, String> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:@#$=-".contains(&byte);
    match !name.is_empty() && name.len() <= 200 && name.bytes().all(is_fine) {
        true => Ok(name),
        false => Err(format!("--channel: {name:?} is not 1 to 200 of A-Z a-z 0-9 _.:@#$=-")),
    }
}

fn publish(text: &str) -> Result<Publish, String> {
    match text.strip_prefix("POST ") {
        Some(path) if path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(Publish::Post(path.to_owned()))
        }
        Some(path) => Err(format!("--publish: {path:?} is not a path")),
        None => Ok(Publish::Frame(text.to_owned())),
    }
}

fn headers(flags: &Flags) -> Result<Vec<String>, String> {
    let is_line = |line: &&str| line.contains(": ") && !line.chars().any(char::is_control);
    match flags.texts("--header").find(|line| !is_line(line)) {
        Some(bad) => Err(format!("--header: {bad:?} is not NAME: VALUE")),
        None => Ok(flags.texts("--header").map(str::to_owned).collect()),
    }
}

fn pids(text: &str) -> Result<Vec<u32>, String> {
    let parts = text.split([',', ' ']).filter(|part| !part.is_empty());
    let pid = |part: &str| {
        let pid = part.parse().map_err(|_| format!("--pid: {part:?} is not a number"))?;
        match std::path::Path::new(&format!("/proc/{pid}/stat")).exists() {
            true => Ok(pid),
            false => Err(format!("--pid: there is no process {pid}")),
        }
    };
    parts.map(pid).collect()
}
