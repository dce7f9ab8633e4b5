//! The URL of a page, what it is told first, and who is turned away.

use serde_json::json;

use crate::comet_page::{Page, Session, data_of, now};
use crate::http::{Http, get, request};
use crate::server::Encke;
use crate::websocket::{UPGRADE, frame};

/// cometql 1.
#[test]
fn four_spellings_of_the_path_upgrade_and_no_other() {
    let server = Encke::start(&[]);
    for prefix in ["/ws/", "//ws/", "/comet-server/ws/", "//comet-server/ws/"] {
        let mut session = Page { prefix, ..Page::anonymous() }.open(server.http);
        session.quiet();
    }
    for prefix in ["/wss/", "/ws", "/comet/ws/", "/a/ws/", "///ws/", "/comet-server/wx/", "/WS/"] {
        let target = Page { prefix, ..Page::anonymous() }.target();
        let refused = Session::try_upgrade(server.http, &target, &[]).err();
        assert_eq!(refused, Some(404), "{target}");
    }
}

/// cometql 2: exactly this, and nothing before the page asks.
#[test]
fn the_first_frame_is_server_info_whose_data_is_text() {
    let server = Encke::start(&[]);
    for page in [Page::anonymous(), Page::old()] {
        let session = page.open(server.http);
        let info = &session.info;
        assert_eq!(info["pipe"], "sys");
        assert_eq!(info["data"], "");
        // 3.25 knows the text only, 4.08 both.
        assert_eq!(info["authorized"], "false");
        assert!(info["server"].as_str().is_some_and(|server| !server.is_empty()), "{info}");
        let time = info["message_send_time"].as_u64().expect("a time");
        assert!(now().abs_diff(time) <= 5, "{info}");
    }
}

/// cometql 3.
#[test]
fn a_wrong_or_missing_key_leaves_an_anonymous_connection() {
    let server = Encke::start(&[]);
    let long = "k".repeat(600);
    let token = format!("{}.{}.{}", "e".repeat(20), "y".repeat(100), "J".repeat(43));
    let keys = ["", "undefined", "null", "0", "wrong", "a'b", "%27", "abc.def", &token, &long];
    let mut listener = Page::anonymous().open(server.http);
    listener.subscribe(&["web_wrong"]);
    for key in keys {
        for user in ["", "undefined", "null", "0", "7", "-7", "abc", "7x", "99999999999999999999"] {
            let page = Page { user: user.into(), ..Page::anonymous() };
            let page = Page { key: key.into(), ..page };
            let mut session = page.open(server.http);
            assert!(!session.is_authorized(), "{page:?}");
            assert_eq!(session.info["data"], "", "{page:?}");
            session.publish("web_wrong", "", "1");
            assert_eq!(listener.next()["user_id"], 0, "{page:?}");
        }
    }
}

/// cometql 3: what is not a number is developer 0.
#[test]
fn a_developer_that_is_no_number_is_let_in_all_the_same() {
    let server = Encke::start(&[]);
    for dev in ["", "0", "1", "15", "undefined", "-1", "abc", "99999999999999999999"] {
        let page = Page { dev: dev.into(), ..Page::anonymous() };
        let mut session = page.open(server.http);
        session.quiet();
    }
}

/// Without a configuration there is one tenant, whatever number a page was given.
#[test]
fn without_a_configuration_all_developers_are_one() {
    let server = Encke::start(&[]);
    let mut one = Page::anonymous().dev(1).open(server.http);
    let mut other = Page::old().dev(15).open(server.http);
    one.subscribe(&["web_a"]);
    other.publish("web_a", "", "1");
    assert_eq!(data_of(&one.next()), json!(1));
}

/// Tries a URL that lacks something: code and text of the one frame there is.
fn rejected(server: &Encke, target: &str) -> (u64, String) {
    let mut session = Session::upgrade(server.http, target);
    let frames = session.last_frames();
    let [frame] = &frames[..] else { panic!("{target}: {frames:?}") };
    assert_eq!((&frame["event"], &frame["pipe"]), (&json!("error"), &json!("sys")), "{frame}");
    let data = data_of(frame);
    assert_eq!(data["info"], "Closed due to error. See last message.", "{frame}");
    // With it both scripts stop asking once a second.
    assert_eq!(frame["error"], data["error_code"], "{frame}");
    (frame["error"].as_u64().expect("a number"), data["error"].as_str().expect("text").to_owned())
}

/// cometql 6.
#[test]
fn a_url_that_lacks_something_is_answered_by_one_fatal_frame() {
    let server = Encke::start(&[]);
    let none = "Error code 401(Invalid request, session ID not found)";
    let user = "Error code 401(Invalid request, the user ID can not be found)";
    let key = "Error code 406(Invalid request, no public key found [1])";
    let version = "Error code 418(Invalid request Not assigned client api version)";
    for (code, text, rest) in [
        (401, none, ""),
        (401, none, "nothing"),
        (401, user, "sesion="),
        (401, user, "sesion=undefined"),
        (406, key, "sesion=undefined&myid=undefined"),
        (406, key, "sesion=undefined&myid=7"),
        (418, version, "sesion=undefined&myid=7&devid=1"),
        (418, version, "sesion=undefined&myid=7&devid=1&uuid=abc&api=js"),
        (418, version, "sesion=undefined&myid=7&devid=1&v=&uuid=abc"),
        (418, version, "sesion=undefined&myid=7&devid=1&v=4&uuid=abc"),
        (418, version, "sesion=undefined&myid=7&devid=1&v=x.08&uuid=abc"),
        (418, version, "sesion=undefined&myid=7&devid=1&v=4.x&uuid=abc"),
    ] {
        let (seen, said) = rejected(&server, &format!("/ws/{rest}"));
        assert_eq!((seen, said.trim_end()), (code, text), "{rest}");
    }
    Page::anonymous().open(server.http).quiet();
}

/// A request that is no upgrade goes on as any other, whatever body it has.
#[test]
fn a_url_that_lacks_something_keeps_its_connection() {
    let server = Encke::start(&[]);
    let mut http = Http::connect(server.http);
    for (line, headers, body) in [
        ("GET /ws/", &[][..], ""),
        ("GET /ws/", &["Content-Length: 0"], ""),
        ("POST /ws/", &[], ""),
        ("POST /ws/", &[], "web_pipe2"),
    ] {
        http.send(request(line, headers, body.as_bytes()));
        let answer = http.response();
        assert_eq!((answer.status, answer.header("Connection")), (400, None), "{line} {headers:?}");
        assert_eq!(answer.json()["error"], 401, "{line} {headers:?}");
    }
}

/// cometql 25: header names in any case, as proxies and scripts outside browsers send them.
#[test]
fn header_names_may_be_in_any_case() {
    let server = Encke::start(&[]);
    for change in [str::to_ascii_lowercase, str::to_ascii_uppercase] {
        let mut http = Http::connect(server.http);
        let target = Page::anonymous().target();
        let mut text = format!("GET {target} HTTP/1.1\r\n{}: localhost\r\n", change("Host"));
        for line in UPGRADE {
            let (name, value) = line.split_once(": ").expect("a header");
            text += &format!("{}: {value}\r\n", change(name));
        }
        http.send(text + "\r\n");
        assert_eq!(http.head().status, 101);
        let mut session = Session::after(http, &target);
        assert_eq!(session.next()["event"], "serverInfo");
    }
}

#[test]
fn the_first_subprotocol_that_is_offered_is_agreed_to() {
    let server = Encke::start(&[]);
    let target = Page::anonymous().target();
    for (offered, agreed) in
        [(None, None), (Some("chat"), Some("chat")), (Some("mine, chat"), Some("mine"))]
    {
        let mut http = Http::connect(server.http);
        let header = offered.map(|offered| format!("Sec-WebSocket-Protocol: {offered}"));
        let headers: Vec<&str> = UPGRADE.into_iter().chain(header.as_deref()).collect();
        http.ask(&format!("GET {target}"), &headers);
        let head = http.head();
        assert_eq!(head.status, 101);
        assert_eq!(head.header("Sec-WebSocket-Protocol"), agreed);
        assert_eq!(head.header("Sec-WebSocket-Extensions"), None);
    }
}

/// The script sends what it listens to as soon as the socket is open, before it has read anything.
#[test]
fn commands_may_follow_the_request_at_once() {
    let server = Encke::start(&[]);
    let target = Page::anonymous().target();
    let commands = ["subscription\nweb_early", "pipe_count\nweb_early\n1234567890\n"];
    let frames: Vec<u8> = commands.iter().flat_map(|text| frame(0x81, text.as_bytes())).collect();
    let mut http = Http::connect(server.http);
    http.send([request(&format!("GET {target}"), &UPGRADE, b""), frames].concat());
    assert_eq!(http.head().status, 101);
    let mut session = Session::after(http, &target);
    assert_eq!(session.next()["event"], "serverInfo");
    assert_eq!(session.next()["data"], json!({"user_in_pipe": 1}));
}

/// cometql 15: of a browser's id 32 bytes are kept, and nothing behind it belongs to it.
#[test]
fn the_id_of_a_browser_ends_at_32_bytes_or_its_ampersand() {
    let server = Encke::start(&[]);
    let long = "0123456789abcdefghijklmnopqrstuvwxyz";
    for (uuid, kept) in [(long, &long[..32]), ("short", "short"), ("", "")] {
        let page = Page { uuid: uuid.into(), ..Page::anonymous() };
        let mut session = page.open(server.http);
        session.subscribe(&["track_ids"]);
        assert_eq!(session.members("track_ids"), [(0, kept.to_owned())]);
        session.close();
    }
}

/// cometql 29.
#[test]
fn info_is_json_for_whoever_watches_the_server() {
    let server = Encke::start(&[]);
    for path in ["/info", "/comet-server/info"] {
        let answer = get(server.http, path);
        assert_eq!(answer.status, 200, "{path}");
        let info = answer.json();
        assert_eq!(info["status"], "ok");
        assert!(info["node"].as_str().is_some_and(|node| !node.is_empty()), "{info}");
        assert_eq!(info.as_object().map(serde_json::Map::len), Some(2), "{info}");
    }
}

/// cometql 29.
#[test]
fn options_are_answered_for_pages_of_other_ports_and_unknown_posts_are_404() {
    let server = Encke::start(&[]);
    let origin = "Origin: http://127.0.0.1:3000";
    for path in ["/info", "/comet-server/info"] {
        let mut http = Http::connect(server.http);
        http.ask(&format!("OPTIONS {path}"), &[origin, "Access-Control-Request-Method: GET"]);
        let answer = http.response();
        assert!([200, 204].contains(&answer.status), "{answer:?}");
        let allowed = answer.header("Access-Control-Allow-Origin");
        assert!([Some("*"), Some("http://127.0.0.1:3000")].contains(&allowed), "{answer:?}");
        assert!(Http::connect(server.http).get(path, &[origin]).status == 200);
    }
    for path in ["/info", "/nothing", "/comet-server/", "/comet-server/nothing"] {
        let status = Http::connect(server.http).post(path, "x").status;
        assert!([404, 405].contains(&status), "{path}: {status}");
    }
    assert_eq!(Http::connect(server.http).post("/nothing", "x").status, 404);
}
