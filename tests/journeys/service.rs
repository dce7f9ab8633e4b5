//! What a service manager hears, and what packages are made of.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use crate::http::Http;
use crate::server::{Encke, PATIENCE, eventually, program};

/// Starts the program under a manager that listens on `socket`, which `name` names.
fn is_told_everything(socket: &UnixDatagram, name: &str) {
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut buffer = [0; 1024];
    let mut hear = || {
        let count = socket.recv(&mut buffer).expect("it says something in time");
        String::from_utf8(buffer[..count].to_vec()).expect("text")
    };
    let mut command = program();
    command.args(["--http", "127.0.0.1:0", "--cometql", "off"]).env("NOTIFY_SOCKET", name);
    let mut server = Encke::of(command);
    let ready = hear();
    let expect = format!("READY=1\nSTATUS=serving HTTP on {}\n", server.http);
    assert_eq!(ready, expect);
    let _stays = Http::connect(server.http).get("/stats", &[]);
    server.signal("TERM");
    let stopping = hear();
    assert!(stopping.starts_with("STOPPING=1\nSTATUS="), "{stopping}");
    assert!(stopping.ends_with("connections take their leave\n"), "{stopping}");
    assert_eq!(server.wait().0, Some(0));
}

#[test]
fn a_manager_at_a_path_hears_of_the_start_and_the_end() {
    let path = std::env::temp_dir().join(format!("encke-notify-{}", std::process::id()));
    let socket = UnixDatagram::bind(&path).expect("a socket");
    is_told_everything(&socket, path.to_str().expect("text"));
    fs::remove_file(path).expect("it is there");
}

#[test]
fn a_manager_at_an_abstract_name_hears_of_the_start_and_the_end() {
    let name = format!("encke-notify-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let socket = UnixDatagram::bind_addr(&address).expect("a socket");
    is_told_everything(&socket, &format!("@{name}"));
}

#[test]
fn a_manager_that_cannot_be_told_is_a_warning() {
    for name in ["/nowhere/at/all", "@encke-nobody-is-here", "vsock:2:1"] {
        let mut command = program();
        command.args(["--http", "127.0.0.1:0", "--cometql", "off"]).env("NOTIFY_SOCKET", name);
        let server = Encke::of(command);
        assert_eq!(Http::connect(server.http).get("/stats", &[]).status, 200);
        eventually("a warning", || {
            let is_it = |line: &String| line.starts_with("warn") && line.contains(name);
            server.log().iter().any(is_it).then_some(())
        });
    }
}

/// A file of the sources.
fn source(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn what_packages_name_is_there() {
    let manifest = source("Cargo.toml");
    let assets = manifest.split("assets = [").nth(1).expect("assets");
    let assets = assets.split("\n]").next().expect("an end");
    let mut named: Vec<&str> = assets.lines().filter_map(|line| line.split('"').nth(1)).collect();
    let container = source(".packaging/Containerfile");
    let copied = container.lines().filter_map(|line| line.strip_prefix("COPY "));
    named.extend(copied.filter_map(|line| line.split(' ').next()));
    assert!(named.len() >= 6, "{named:?}");
    for path in named {
        // What a build makes is looked at by `LONG=1 tests/run`.
        if !path.starts_with("target/") {
            source(path);
        }
    }
    let unit = source(".packaging/encke.service");
    for line in
        ["Type=notify", "ExecStart=/usr/bin/encke", "EnvironmentFile=-/etc/encke/environment"]
    {
        assert!(unit.lines().any(|own| own == line), "{line}");
    }
}

#[test]
fn the_example_environment_names_variables_that_there_are() {
    let help = source("README.md");
    for line in source(".packaging/environment").lines() {
        let setting = line.strip_prefix('#').unwrap_or(line);
        if let Some((name, _)) = setting.split_once('=')
            && name.starts_with("ENCKE_")
        {
            assert!(help.contains(&format!("`{name}`")), "{name}");
        }
    }
}
