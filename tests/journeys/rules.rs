//! Channel rules, tokens, users and tenants: for each a request that is allowed and one that is not.

use std::time::{SystemTime, UNIX_EPOCH};

use encke::engines::memory::{Keep, Limits};
use encke::hub::message::TenantId;
use encke::proto::jwt::sign;
use encke::server::settings::{Rule, Settings, Tenant, Who};
use serde_json::json;

use crate::http::{Http, Response, request};
use crate::server::Inside;
use crate::websocket::Ws;

const KEY: &str = "Authorization: Bearer key-of-the-first";

fn settings() -> Settings {
    let rule = |prefix: &str, who| Rule {
        prefix: prefix.into(),
        subscribe: Some(who),
        publish: Some(who),
        presence: Some(who),
        ..Rule::default()
    };
    let rules = vec![
        rule("free.", Who::Anyone),
        rule("room.", Who::Token),
        Rule { events: true, ..rule("room.loud.", Who::Token) },
        rule("closed.", Who::Nobody),
        Rule { json: true, ..rule("json.", Who::Anyone) },
        rule("private_", Who::Token),
    ];
    let first = Tenant {
        publish_key: Some("key-of-the-first".into()),
        token_secret: Some("secret-of-the-first".into()),
        rules,
        ..Tenant::default()
    };
    let shop = Tenant {
        name: "shop".into(),
        publish_key: Some("key-of-the-shop".into()),
        token_secret: Some("secret-of-the-shop".into()),
        dev_id: Some(7),
        ..Tenant::default()
    };
    Settings { tenants: vec![first, shop], ..Settings::default() }
}

fn second() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn token(claims: serde_json::Value) -> String {
    sign(&claims.to_string(), b"secret-of-the-first")
}

fn ask(server: &Inside, line: &str, headers: &[&str], body: &str) -> Response {
    let mut http = Http::connect(server.http);
    http.send(request(line, headers, body.as_bytes()));
    http.response()
}

fn status(server: &Inside, line: &str, headers: &[&str]) -> u16 {
    ask(server, line, headers, if line.starts_with("POST") { "x" } else { "" }).status
}

#[test]
fn every_rule_allows_some_and_refuses_others() {
    let server = Inside::start(settings());
    let claims = json!({"sub": "7", "exp": second() + 60, "channels": ["room.*", "private_7"],
        "publish": ["room.a"]});
    let mine = format!("Authorization: Bearer {}", token(claims.clone()));
    let mine = mine.as_str();
    let expired = format!("Authorization: Bearer {}", token(json!({"exp": second() - 1})));
    let forged = format!("Authorization: Bearer {}", sign(&claims.to_string(), b"guessed"));
    let early = format!("Authorization: Bearer {}", token(json!({"nbf": second() + 60})));
    let rows: [(u16, &str, &[&str]); 26] = [
        (200, "GET /channels/news", &[]),
        (401, "POST /channels/news", &[]),
        (200, "POST /channels/news", &[KEY]),
        (401, "GET /channels/news/presence", &[]),
        (200, "GET /channels/news/presence", &[KEY]),
        (200, "GET /channels/free.a", &[]),
        (200, "POST /channels/free.a", &[]),
        (200, "GET /channels/free.a/presence", &[]),
        (401, "GET /channels/room.a", &[]),
        (200, "GET /channels/room.a", &[mine]),
        (200, "GET /channels/room.b/presence", &[mine]),
        (200, "POST /channels/room.a", &[mine]),
        (403, "POST /channels/room.b", &[mine]),
        (403, "POST /channels/room.a,room.b", &[mine]),
        (401, "GET /channels/closed.a", &[mine]),
        (200, "GET /channels/closed.a", &[KEY]),
        (200, "GET /channels/private_7", &[mine]),
        (403, "GET /channels/private_8", &[mine]),
        (403, "GET /channels/presence-a", &[mine]),
        (401, "GET /channels", &[mine]),
        (200, "GET /channels", &[KEY]),
        (401, "GET /stats", &[mine]),
        (401, "DELETE /channels/free.a", &[]),
        (401, "GET /channels/free.a", &[&expired]),
        (401, "GET /channels/free.a", &[&forged]),
        (401, "GET /channels/free.a", &[&early]),
    ];
    for (expect, line, headers) in rows {
        assert_eq!(status(&server, line, headers), expect, "{line} {headers:?}");
    }
    let by_query = format!("GET /channels/room.a?token={}", token(claims));
    assert_eq!(status(&server, &by_query, &[]), 200);
    assert_eq!(status(&server, "GET /channels/room.a?token=nonsense", &[]), 401);
    assert_eq!(status(&server, "GET /channels/room.a?token=key-of-the-first", &[]), 401);
}

#[test]
fn a_websocket_publishes_what_its_token_allows() {
    let server = Inside::start(settings());
    let claims = json!({"channels": ["room.*"], "publish": ["room.a"]});
    let target = format!("/channels/room.a?format=json&token={}", token(claims));
    let mut ws = Ws::connect(server.http, &target);
    ws.text(r#"{"data":"mine"}"#);
    assert_eq!(ws.read_json()["data"], "mine");
    ws.text(r#"{"channel":"room.b","data":"not mine"}"#);
    assert_eq!(ws.read_json()["event"], "encke:error");
    ws.text(r#"{"channel":"free.a","data":"everybody's"}"#);
    ws.text(r#"{"data":"again"}"#);
    assert_eq!(ws.read_json()["data"], "again");
}

#[test]
fn every_device_of_a_user_is_reached_and_named_once() {
    let server = Inside::start(settings());
    let user = |sub: &str| token(json!({"sub": sub, "channels": ["room.*"]}));
    let target = |sub: &str, query: &str| format!("/channels/room.a?{query}&token={}", user(sub));
    let mut raw = Ws::connect(server.http, &target("7", "x=1"));
    let mut json = Ws::connect(server.http, &target("7", "format=json"));
    let mut other = Ws::connect(server.http, &target("8", "format=json"));
    let mut poll = Http::connect(server.http);
    poll.ask(&format!("GET {}", target("7", "transport=poll")), &[]);
    let here = crate::server::eventually("four subscribers", || {
        let answer = ask(&server, "GET /channels/room.a/presence", &[KEY], "").json();
        (answer["count"] == 4).then_some(answer)
    });
    assert_eq!(here["users"], json!(["7", "8"]));

    assert_eq!(status(&server, "POST /users/7", &[]), 401);
    assert_eq!(status(&server, "GET /users/7", &[KEY]), 405);
    assert_eq!(status(&server, "POST /users/", &[KEY]), 404);
    let sent = ask(&server, "POST /users/7?event=note", &[KEY], "for you");
    assert_eq!(sent.json(), json!({"devices": 3}));
    assert_eq!(raw.read_text(), "for you");
    assert_eq!(json.read_json(), json!({"event": "note", "data": "for you"}));
    assert_eq!(poll.response().json(), json!([{"event": "note", "data": "for you"}]));
    ask(&server, "POST /channels/room.a", &[KEY], "for all");
    assert_eq!(other.read_json()["data"], "for all", "the message was not for user 8");
    let nobody = ask(&server, "POST /users/nobody", &[KEY], "hello?");
    assert_eq!(nobody.json(), json!({"devices": 0}));
}

#[test]
fn joins_and_leaves_are_told_where_a_rule_says_so() {
    let server = Inside::start(settings());
    let connect = |sub: &str| {
        let token = token(json!({"sub": sub, "channels": ["room.*"]}));
        Ws::connect(server.http, &format!("/channels/room.loud.a,room.b?format=json&token={token}"))
    };
    let mut one = connect("1");
    let told = |ws: &mut Ws| {
        let message = ws.read_json();
        assert_eq!(message["channel"], "room.loud.a");
        (message["event"].clone(), message["data"]["user"].clone())
    };
    assert_eq!(told(&mut one), (json!("encke:join"), json!("1")));
    let two = connect("2");
    let again = connect("2");
    assert_eq!(told(&mut one), (json!("encke:join"), json!("2")));
    drop(two);
    drop(again);
    assert_eq!(told(&mut one), (json!("encke:leave"), json!("2")));
    ask(&server, "POST /channels/room.b", &[KEY], "quiet");
    assert_eq!(one.read_json()["data"], "quiet", "the second connection of user 2 said nothing");
}

#[test]
fn a_stream_ends_with_its_token() {
    let server = Inside::start(settings());
    let short = || token(json!({"exp": second() + 2, "channels": ["room.*"]}));
    let mut ws = Ws::connect(server.http, &format!("/channels/room.a?token={}", short()));
    let mut sse = Http::connect(server.http);
    sse.ask(&format!("GET /channels/room.a?transport=sse&token={}", short()), &[]);
    let mut poll = Http::connect(server.http);
    poll.ask(&format!("GET /channels/room.a?transport=poll&token={}", short()), &[]);
    assert_eq!(sse.head().status, 200);
    assert_eq!(ws.closed(), (4401, "token expired".to_owned()));
    assert_eq!(poll.response().status, 401);
    let rest = String::from_utf8(sse.rest()).unwrap();
    assert!(rest.contains("event: encke:error\ndata: {\"error\":\"token expired\"}"), "{rest}");
}

#[test]
fn json_is_passed_on_as_json_where_a_rule_says_so() {
    let server = Inside::start(settings());
    let mut ws = Ws::connect(server.http, "/channels/json.a,free.a?format=json");
    for (channel, body, expect) in [
        ("json.a", "{\"n\":\n1}", json!({"n": 1})),
        ("json.a", "not json", json!("not json")),
        ("free.a", "{\"n\":1}", json!("{\"n\":1}")),
    ] {
        assert_eq!(ask(&server, &format!("POST /channels/{channel}"), &[], body).status, 200);
        assert_eq!(ws.read_json()["data"], expect);
    }
    let mut raw = Ws::connect(server.http, "/channels/json.a");
    ask(&server, "POST /channels/json.a", &[], "[1, 2]");
    assert_eq!(raw.read_text(), "[1, 2]");
}

#[test]
fn history_follows_its_rule() {
    let keep = |messages_max| Keep { messages_max, ..Keep::DEFAULT };
    let limits = Limits {
        keep_by_prefix: vec![
            (TenantId(0), "free.".into(), keep(2)),
            (TenantId(0), "free.none".into(), Keep::TAIL),
        ],
        ..Limits::default()
    };
    let server = Inside::keeping(settings(), limits);
    let first = ask(&server, "POST /channels/free.none", &[], "0").json()["id"].clone();
    for body in ["1", "2", "3"] {
        ask(&server, "POST /channels/free.a,free.none", &[], body);
    }
    let kept = |target: &str| {
        let list = ask(&server, &format!("GET /channels/{target}"), &[], "").json();
        list.as_array().unwrap().iter().map(|message| message["data"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(kept("free.a"), ["2", "3"]);
    assert_eq!(kept("free.none"), [] as [&str; 0], "never listed");
    let since = format!("free.none?since={}", first.as_str().unwrap());
    assert_eq!(kept(&since), ["1", "2", "3"], "but good to resume from");
}

#[test]
fn tenants_do_not_see_count_or_reach_one_another() {
    let server = Inside::start(settings());
    let shop_key = "Authorization: Bearer key-of-the-shop";
    let mut first = Ws::connect(server.http, "/channels/news?format=json");
    let mut shop = Ws::connect(server.http, "/shop/channels/news?format=json");
    for (line, headers, expect) in [
        ("POST /channels/news", [KEY], 200),
        ("POST /channels/news", [shop_key], 401),
        ("POST /shop/channels/news", [KEY], 401),
        ("POST /shop/channels/news", [shop_key], 200),
        ("GET /shop/channels", [KEY], 401),
        ("GET /shop/stats", [shop_key], 404),
        ("POST /shop/users/7", [KEY], 401),
        ("DELETE /shop/channels/news", [KEY], 401),
        ("GET /shop/channels/news/presence", [KEY], 401),
        ("GET /other/channels/news", [KEY], 404),
    ] {
        assert_eq!(status(&server, line, &headers), expect, "{line} {headers:?}");
    }
    let counted = ask(&server, "POST /shop/channels/news", &[shop_key], "for the shop");
    assert_eq!(counted.json()["subscribers"], 1);
    let counted = ask(&server, "POST /channels/news", &[KEY], "for the first");
    assert_eq!(counted.json()["subscribers"], 1);
    assert_eq!(first.read_json()["data"], "x");
    assert_eq!(first.read_json()["data"], "for the first");
    assert_eq!(shop.read_json()["data"], "x");
    assert_eq!(shop.read_json()["data"], "for the shop");
    let kept = ask(&server, "GET /shop/channels/news", &[], "").json();
    assert_eq!(kept.as_array().unwrap().len(), 2);
    let theirs = sign(r#"{"sub":"7"}"#, b"secret-of-the-shop");
    let theirs = format!("Authorization: Bearer {theirs}");
    assert_eq!(status(&server, "GET /channels/news", &[&theirs]), 401);
    assert_eq!(status(&server, "GET /shop/channels/news", &[&theirs]), 200);
    let list = ask(&server, "GET /shop/channels", &[shop_key], "").json();
    assert_eq!(list, json!({"channels": [{"channel": "news", "subscribers": 1}]}));
}
