//! The command line, addresses and socket files.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use crate::http::Http;
use crate::server::{Encke, program, run};

/// A directory of this test alone, removed at its end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("encke-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        Directory(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Left behind, it would only be clutter.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Exit code 2, and one line on stderr that says so.
#[track_caller]
fn refused(arguments: &[&str], expect: &str) {
    let mut command = program();
    command.args(arguments);
    let (code, stdout, stderr) = run(command);
    assert_eq!(code, Some(2), "{arguments:?}: {stderr}");
    assert_eq!(stdout, "");
    assert_eq!(stderr.lines().count(), 1, "{arguments:?}: {stderr}");
    assert!(stderr.starts_with("encke: ") && stderr.contains(expect), "{arguments:?}: {stderr}");
}

#[test]
fn help_and_version_are_answers() {
    for (argument, expect) in [
        ("--help", "--publish-key"),
        ("-h", "usage: encke"),
        ("--version", concat!("encke ", env!("CARGO_PKG_VERSION"))),
        ("-V", concat!("encke ", env!("CARGO_PKG_VERSION"))),
    ] {
        let mut command = program();
        command.arg(argument);
        let (code, stdout, stderr) = run(command);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{argument}");
        assert!(stdout.contains(expect), "{stdout}");
    }
}

#[test]
fn mistakes_end_with_one_line_and_code_2() {
    refused(&["--htp", "127.0.0.1:0"], "did you mean --http?");
    refused(&["--frobnicate"], "--help");
    refused(&["serve"], "serve");
    refused(&["--http"], "--http needs a value");
    refused(&["--http", "8080"], "not an address");
    refused(&["--http", "unix:"], "--http");
    refused(&["--echo", "no-slash", "--http", "127.0.0.1:0"], "not a path");
    refused(&["--origin", "example.com"], "not an origin");
    refused(&["--publish-key", ""], "cannot be empty");
    refused(&["--http", "0.0.0.0:0"], "--publish-key");
    refused(&["--http", "[::]:0"], "--publish-key");
    refused(&["--http", "127.0.0.1:0", "--http", "192.0.2.1:0"], "--publish-key");
    if cfg!(feature = "cometql") {
        let open = ["--http", "127.0.0.1:0", "--cometql", "0.0.0.0:0", "--publish-key", "k"];
        refused(&open, "--cometql-password");
    }
    refused(&["--http", "unix:/nowhere/at/all", "--cometql", "off"], "/nowhere/at/all");
    // An address that is not this machine's.
    refused(&["--http", "192.0.2.1:0", "--publish-key", "k", "--cometql", "off"], "192.0.2.1:0");
}

#[test]
fn a_bad_variable_is_named() {
    let mut command = program();
    command.env("ENCKE_HTTP", "nonsense");
    let (code, _, stderr) = run(command);
    assert_eq!(code, Some(2));
    assert!(stderr.starts_with("encke: ENCKE_HTTP: "), "{stderr}");
}

#[test]
fn a_busy_port_is_named() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = holder.local_addr().expect("an address").to_string();
    refused(&["--http", &address, "--cometql", "off"], &address);
    let both = ["--http", "127.0.0.1:0", "--http", &address, "--cometql", "off"];
    refused(&both, &address);
}

#[test]
fn with_a_key_it_listens_anywhere() {
    let server = Encke::start(&["--http", "0.0.0.0:0", "--publish-key", "k"]);
    let local = std::net::SocketAddr::from(([127, 0, 0, 1], server.http.port()));
    assert_eq!(Http::connect(local).get("/channels/a", &[]).status, 200);
    server.says("anyone may subscribe");
}

#[test]
fn a_unix_socket_serves_like_any_other_and_its_file_goes_with_the_server() {
    let directory = Directory::new("serve");
    let path = directory.file("socket");
    let address = format!("unix:{}", path.display());
    let mut server = Encke::start(&["--http", &address, "--http", "127.0.0.1:0"]);
    let mut over_tcp = crate::websocket::Ws::connect(server.http, "/channels/a");
    let mut http = Http::connect_unix(&path).expect("a socket");
    http.post("/channels/a", "over a file").id();
    assert_eq!(over_tcp.read_text(), "over a file");
    // Another server cannot take it; this one notices nothing.
    refused(&["--http", &address, "--cometql", "off"], &path.display().to_string());
    assert_eq!(http.get("/channels/a", &[]).status, 200);
    drop(http);
    server.signal("TERM");
    assert_eq!(over_tcp.closed().0, 1001);
    drop(over_tcp);
    assert_eq!(server.wait().0, Some(0));
    assert!(!path.exists(), "the file goes too");
}

#[test]
fn a_socket_file_that_nobody_listens_to_is_replaced() {
    let directory = Directory::new("stale");
    let path = directory.file("socket");
    drop(UnixListener::bind(&path).expect("a socket"));
    assert!(path.exists(), "dropped listeners leave their file");
    let address = format!("unix:{}", path.display());
    let _server = Encke::start(&["--http", &address]);
    assert_eq!(Http::connect_unix(&path).expect("a socket").get("/stats", &[]).status, 200);
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let directory = Directory::new("precious");
    let path = directory.file("notes.txt");
    fs::write(&path, "precious").expect("a file");
    let address = format!("unix:{}", path.display());
    refused(&["--http", &address, "--cometql", "off"], "notes.txt");
    assert_eq!(fs::read_to_string(&path).expect("it is still there"), "precious");
}

#[test]
fn a_start_that_fails_half_way_leaves_no_file() {
    let directory = Directory::new("half");
    let path = directory.file("socket");
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let busy = holder.local_addr().expect("an address").to_string();
    let address = format!("unix:{}", path.display());
    refused(&["--http", &address, "--http", &busy, "--cometql", "off"], &busy);
    assert!(!path.exists());
}
