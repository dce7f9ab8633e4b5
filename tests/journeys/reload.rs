//! The configuration file: what wins over what, what `--check` says, and SIGHUP under load.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::http::{Http, Response};
use crate::server::{Encke, eventually, program, run};
use crate::websocket::{UPGRADE, Ws, frame, read_frame};

/// A file of one test, removed at its end.
pub struct File(PathBuf);

impl File {
    pub fn new(name: &str, text: &str) -> File {
        let name = format!("encke-{name}-{}.toml", std::process::id());
        let file = File(std::env::temp_dir().join(name));
        file.write(text);
        file
    }

    pub fn write(&self, text: &str) {
        fs::write(&self.0, text).expect("a file");
    }

    pub fn path(&self) -> &str {
        self.0.to_str().expect("a plain name")
    }

    pub fn start(&self) -> Encke {
        Encke::start(&["--config", self.path()])
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // Left behind, it would only be clutter.
        let _ = fs::remove_file(&self.0);
    }
}

fn checked(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command: Command = program();
    command.arg("--check").args(arguments).envs(variables.iter().copied());
    run(command)
}

fn post(server: &Encke, path: &str, key: &str, data: &str) -> Response {
    let mut http = Http::connect(server.http);
    let key = format!("Authorization: Bearer {key}");
    let length = data.len();
    http.send(format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{key}\r\nContent-Length: {length}\r\n\r\n{data}"
    ));
    http.response()
}

/// Sends SIGHUP and waits until the log has one more line with `word`.
fn hang_up(server: &Encke, word: &str) {
    let count = || server.log().iter().filter(|line| line.contains(word)).count();
    let before = count();
    server.signal("HUP");
    eventually(word, || (count() > before).then_some(()));
}

const IN_FORCE: &str = "the new configuration is in force";

#[test]
fn a_flag_wins_over_its_variable_a_variable_over_the_file_the_file_over_the_default() {
    let file = File::new(
        "order",
        "http = ['127.0.0.1:1', '127.0.0.1:2']\norigin = 'https://file.example'\n\
         echo = '/file'\n[limits]\nretry_ms = 77\n",
    );
    let variables = [
        ("ENCKE_CONFIG", file.path()),
        ("ENCKE_ORIGIN", "https://variable.example"),
        ("ENCKE_ECHO", "/variable /two"),
    ];
    let (code, out, err) = checked(&["--echo", "/flag"], &variables);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    for line in [
        "http = [\"127.0.0.1:1\", \"127.0.0.1:2\"]",
        "origin = [\"https://variable.example\"]",
        "echo = [\"/flag\"]",
        "retry_ms = 77",
        "poll_seconds = 30",
    ] {
        assert!(out.lines().any(|known| known == line), "{line}\n{out}");
    }
    let other = File::new("order-flag", "echo = '/other'");
    let (_, out, _) = checked(&["--config", other.path()], &variables[..2]);
    assert!(out.contains("echo = [\"/other\"]"), "{out}");
}

#[test]
fn check_masks_secrets_and_says_how_many_clients_fit() {
    let file = File::new("check", "publish_key = 'hidden'\n[limits]\nconnections_max = 1234\n");
    let (code, out, err) = checked(&["--config", file.path()], &[]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("publish_key = \"****\"") && !out.contains("hidden"), "{out}");
    assert!(out.contains("connections_max = "), "{out}");
    for words in ["# Room for about ", "\n# > ", " limits.connections_max ", " descriptor limit "] {
        assert!(out.contains(words), "{words}\n{out}");
    }
    assert!(out.contains(" memory ") && out.contains("\n# Raise it"), "{out}");
    file.write("\nhtpp = 'x'\n");
    let (code, out, err) = checked(&["--config", file.path()], &[]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    let expect =
        format!("encke: {}:2: unknown key \"htpp\"; did you mean \"http\"?\n", file.path());
    assert_eq!(err, expect);
}

#[test]
fn the_example_is_printed_and_serves() {
    let mut command = program();
    command.arg("--example-config");
    let (code, out, err) = run(command);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let file = File::new("example", &out);
    let server = file.start();
    assert_eq!(Http::connect(server.http).get("/channels/a", &[]).status, 200);
}

#[test]
fn sighup_puts_a_new_key_in_force_and_drops_nobody() {
    let file = File::new("key", "publish_key = 'old'\n[limits]\nmessage_bytes_max = 100\n");
    let server = file.start();
    let mut subscriber = Ws::connect(server.http, "/channels/a");
    assert_eq!(post(&server, "/channels/a", "old", "one").status, 200);
    assert_eq!(subscriber.read_text(), "one");
    file.write(
        "publish_key = 'new'\n[limits]\nmessage_bytes_max = 10\n[history]\nmessages_max = 1\n",
    );
    hang_up(&server, IN_FORCE);
    assert_eq!(post(&server, "/channels/a", "old", "x").status, 401);
    assert_eq!(post(&server, "/channels/a", "new", "too long for it").status, 413);
    assert_eq!(post(&server, "/channels/a", "new", "two").status, 200);
    assert_eq!(subscriber.read_text(), "two", "who was there before is there still");
    let kept = Http::connect(server.http).get("/channels/a", &[]);
    assert!(kept.text().contains("two") && !kept.text().contains("one"), "{}", kept.text());
}

#[test]
fn who_showed_the_old_key_has_shown_nothing() {
    let file = File::new("rekeyed", "publish_key = 'old'\n");
    let server = file.start();
    let mut writer = Http::connect(server.http);
    let headers = [&UPGRADE[..], &["Authorization: Bearer old"]].concat();
    writer.ask("GET /channels/a?format=json", &headers);
    assert_eq!(writer.head().status, 101);
    let read = |writer: &mut Http| String::from_utf8(read_frame(writer).1).expect("text");
    writer.send(frame(0x81, b"{\"data\":\"one\"}"));
    assert!(read(&mut writer).contains("one"));
    file.write("publish_key = 'new'\n");
    hang_up(&server, IN_FORCE);
    writer.send(frame(0x81, b"{\"data\":\"two\"}"));
    assert!(read(&mut writer).contains("encke:error"));
    assert_eq!(post(&server, "/channels/a", "new", "three").status, 200);
    assert!(read(&mut writer).contains("three"), "but it goes on listening");
}

#[test]
fn a_broken_file_changes_nothing_and_says_so_in_one_line() {
    let file = File::new("broken", "publish_key = 'old'\n");
    let server = file.start();
    let mut subscriber = Ws::connect(server.http, "/channels/a");
    for (broken, word) in [
        (
            "publish_key = 'new'\n[limits]\nretry_ms = 'soon'\n",
            ":3: limits.retry_ms: \"soon\" is not a whole number",
        ),
        ("publish_key = \n", ":1: "),
    ] {
        file.write(broken);
        hang_up(&server, &format!("the old configuration stays in force: {}{word}", file.path()));
        let is_whole = |line: &String| line.starts_with("info ") || line.starts_with("error ");
        assert!(server.log().iter().all(is_whole), "each is one line: {:?}", server.log());
    }
    fs::remove_file(&file.0).expect("it is there");
    hang_up(&server, "the old configuration stays in force: cannot read ");
    assert_eq!(post(&server, "/channels/a", "new", "x").status, 401);
    assert_eq!(post(&server, "/channels/a", "old", "still").status, 200);
    assert_eq!(subscriber.read_text(), "still");
    file.write("publish_key = 'newer'\n");
    hang_up(&server, IN_FORCE);
    assert_eq!(post(&server, "/channels/a", "newer", "mended").status, 200);
    assert_eq!(subscriber.read_text(), "mended");
}

#[test]
fn tenants_come_and_change_and_go() {
    let shop = |key: &str| {
        format!("publish_key = 'k'\n[[tenant]]\nname = 'shop'\npublish_key = '{key}'\n")
    };
    let file = File::new("tenants", &shop("s1"));
    let server = file.start();
    let mut first = Ws::connect(server.http, "/channels/a");
    let mut shopper = Ws::connect(server.http, "/shop/channels/a");
    let mut http = Http::connect(server.http);
    http.ask("GET /shop/channels/a", &["Accept: text/event-stream"]);
    http.head();
    assert_eq!(post(&server, "/shop/channels/a", "s1", "for the shop").status, 200);
    assert_eq!(shopper.read_text(), "for the shop");
    // Changed, with another one before it in the file.
    file.write(&(shop("s2") + "[[tenant]]\nname = 'blog'\npublish_key = 'b'\n"));
    hang_up(&server, IN_FORCE);
    assert_eq!(post(&server, "/shop/channels/a", "s1", "x").status, 401);
    assert_eq!(post(&server, "/shop/channels/a", "s2", "again").status, 200);
    assert_eq!(shopper.read_text(), "again");
    let mut reader = Ws::connect(server.http, "/blog/channels/a");
    assert_eq!(post(&server, "/blog/channels/a", "b", "for the blog").status, 200);
    assert_eq!(reader.read_text(), "for the blog");
    // Gone: its subscribers are told, and nobody else notices.
    file.write("publish_key = 'k'\n[[tenant]]\nname = 'blog'\npublish_key = 'b'\n");
    hang_up(&server, IN_FORCE);
    assert_eq!(shopper.closed(), (4404, "tenant was removed".to_owned()));
    http.rest();
    assert_eq!(post(&server, "/shop/channels/a", "s2", "x").status, 404);
    assert_eq!(post(&server, "/channels/a", "k", "for the first").status, 200);
    assert_eq!(first.read_text(), "for the first");
    assert_eq!(post(&server, "/blog/channels/a", "b", "still").status, 200);
    assert_eq!(reader.read_text(), "still");
    // Back again, with nothing of what was.
    file.write(&shop("s3"));
    hang_up(&server, IN_FORCE);
    assert_eq!(reader.closed().0, 4404);
    let kept = Http::connect(server.http).get("/shop/channels/a", &[]);
    assert_eq!((kept.status, kept.text().trim()), (200, "[]"));
}

#[cfg(feature = "cometql")]
#[test]
fn a_back_end_of_a_removed_tenant_goes_too() {
    use crate::mysql::{MySql, Reply};
    let file =
        File::new("back-end", "[[tenant]]\nname = 'shop'\ndev_id = 16\ncometql_password = 'p'\n");
    let server = file.start();
    let address = server.cometql.expect("a port");
    let log_in = |user: &str, password: Option<&str>| {
        let mut client = MySql::connect(address);
        let reply = client.log_in(user, password);
        (client, reply == Reply::Ok)
    };
    let (mut other, is_in) = log_in("15", None);
    assert!(is_in);
    let (mut own, is_in) = log_in("16", Some("p"));
    assert!(is_in);
    assert!(!log_in("16", Some("wrong")).1);
    file.write("");
    hang_up(&server, IN_FORCE);
    own.packet();
    own.ends();
    other.query("SELECT 1");
    // The number is the first tenant's now, as every other.
    assert!(log_in("16", Some("wrong")).1);
}

#[test]
fn what_would_be_safe_elsewhere_is_measured_by_where_it_listens() {
    let file = File::new("listeners", "publish_key = 'k'\nhttp = '0.0.0.0:0'\ncometql = 'off'\n");
    let mut command = program();
    command.args(["--config", file.path()]);
    let server = Encke::of(command);
    file.write("http = '127.0.0.1:0'\ncometql = 'off'\n");
    hang_up(&server, ":2: http 0.0.0.0:0 is reachable from other machines");
}

#[test]
fn other_addresses_wait_for_a_restart() {
    let file = File::new("addresses", "http = '127.0.0.1:0'\ncometql = 'off'\n");
    let mut command = program();
    command.args(["--config", file.path()]);
    let server = Encke::of(command);
    file.write("http = '127.0.0.1:1'\ncometql = 'off'\n");
    hang_up(&server, "other addresses need a restart");
    // What guards the port that is open counts, not what the file would open.
    assert_eq!(Http::connect(server.http).get("/channels/a", &[]).status, 200);
}

#[test]
fn without_a_file_there_is_nothing_to_reload() {
    let server = Encke::start(&[]);
    let mut subscriber = Ws::connect(server.http, "/channels/a");
    hang_up(&server, "there is no file to read again");
    assert_eq!(post(&server, "/channels/a", "any", "x").status, 200);
    assert_eq!(subscriber.read_text(), "x");
}

#[test]
fn without_a_terminal_there_are_no_colours() {
    let server = Encke::start(&[]);
    assert!(server.log().iter().all(|line| !line.contains('\u{1b}')), "{:?}", server.log());
}
