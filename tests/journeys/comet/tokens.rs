//! Tokens instead of keys, signed with the password of CometQL and the developer's number behind
//! it. They are made here, apart from the server's own hands.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{heard, register, run};
use crate::comet_page::{Page, now};
use crate::mysql::{MySql, Reply};
use crate::server::{Encke, eventually};

fn start() -> Encke {
    Encke::start(&["--cometql-password", "geheim"])
}

/// A back end of developer 1, whose number is part of what tokens are signed with.
fn back_end(server: &Encke) -> MySql {
    let mut client = MySql::connect(server.cometql.expect("a port"));
    assert_eq!(client.log_in("1", Some("geheim")), Reply::Ok);
    client
}

fn sign(header: &Value, claims: &Value, secret: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

pub fn token(claims: &Value, secret: &str) -> String {
    sign(&json!({"alg": "HS256", "typ": "JWT"}), claims, secret)
}

fn good(user: u32) -> Value {
    json!({"user_id": user, "exp": now() + 60})
}

/// cometql 5.
#[test]
fn a_good_token_authorises_both_generations() {
    let server = start();
    let token = token(&good(7), "geheim1");
    for page in [Page::anonymous(), Page::old()] {
        let mut session = page.of(7, &token).authorized(server.http);
        assert!(session.info["data"].is_string(), "{}", session.info);
        session.subscribe(&["private_a"]);
        super::publish(&mut back_end(&server), "private_a", "", "'x'");
        assert_eq!(heard(&session.next(), "private_a", ""), "x");
        session.publish("webauth_a", "", "1");
    }
}

/// cometql 5.
#[test]
fn every_other_token_leaves_an_anonymous_connection() {
    let server = start();
    let exp = now() + 60;
    let hs256 = json!({"alg": "HS256", "typ": "JWT"});
    let right = token(&good(7), "geheim1");
    let (signed, signature) = right.rsplit_once('.').expect("a signature");
    let (head, payload) = signed.split_once('.').expect("claims");
    let rows: Vec<(&str, String)> = vec![
        ("exp is missing", token(&json!({"user_id": 7}), "geheim1")),
        ("exp is over", token(&json!({"user_id": 7, "exp": now() - 1}), "geheim1")),
        ("exp is text", token(&json!({"user_id": 7, "exp": exp.to_string()}), "geheim1")),
        ("exp is null", token(&json!({"user_id": 7, "exp": null}), "geheim1")),
        ("user_id is text", token(&json!({"user_id": "7", "exp": exp}), "geheim1")),
        ("user_id is missing", token(&json!({"exp": exp}), "geheim1")),
        ("user_id is another", token(&good(8), "geheim1")),
        ("user_id is 0", token(&good(0), "geheim1")),
        ("user_id is in a list", token(&json!({"user_id": [7], "exp": exp}), "geheim1")),
        ("user_id is named sub", token(&json!({"sub": 7, "exp": exp}), "geheim1")),
        ("the password alone", token(&good(7), "geheim")),
        ("another developer", token(&good(7), "geheim2")),
        ("another password", token(&good(7), "guessed1")),
        ("no secret", token(&good(7), "")),
        ("the number alone", token(&good(7), "1")),
        ("alg is none", sign(&json!({"alg": "none"}), &good(7), "geheim1")),
        ("alg is none, no signature", {
            let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
            format!("{header}.{payload}.")
        }),
        ("alg is another", sign(&json!({"alg": "HS512"}), &good(7), "geheim1")),
        ("alg is missing", sign(&json!({"typ": "JWT"}), &good(7), "geheim1")),
        ("alg in lower case", sign(&json!({"alg": "hs256"}), &good(7), "geheim1")),
        ("no signature", format!("{signed}.")),
        ("two parts", signed.to_owned()),
        ("four parts", format!("{right}.{signature}")),
        ("a signature of nothing", format!("{head}.{payload}.{}", "A".repeat(43))),
        ("claims that are none", sign(&hs256, &json!("claims"), "geheim1")),
        ("not base64", format!("{head}.{payload}$.{signature}")),
        ("a letter more", format!("{right}A")),
    ];
    for (name, token) in rows {
        for page in [Page::anonymous(), Page::old()] {
            let session = page.of(7, &token).open(server.http);
            assert!(!session.is_authorized(), "{name}: {}", session.info);
            assert_eq!(session.info["data"], "", "{name}");
        }
    }
    for user in ["0", "-7", "8", "undefined", "7.5"] {
        let page = Page { user: user.into(), ..Page::anonymous().of(7, &right) };
        assert!(!page.open(server.http).is_authorized(), "{user}");
    }
    Page::anonymous().of(7, &right).authorized(server.http);
}

/// cometql 5: the developer's number in the URL is part of the secret.
#[test]
fn a_token_is_good_for_its_developer_alone() {
    let server = start();
    for dev in [0, 1, 15] {
        let token = token(&good(7), &format!("geheim{dev}"));
        for other in [0, 1, 15] {
            let session = Page::anonymous().dev(other).of(7, &token).open(server.http);
            assert_eq!(session.is_authorized(), dev == other, "{dev} {other}");
        }
    }
}

/// cometql 5: up to 600 bytes, as CppComet takes them.
#[test]
fn a_token_of_600_bytes_is_good() {
    let server = start();
    let mut claims = good(7);
    claims["padding"] = "p".repeat(330).into();
    let long = token(&claims, "geheim1");
    assert!((520..=600).contains(&long.len()), "{}", long.len());
    Page::anonymous().of(7, &long).authorized(server.http);
}

/// Whoever has set no password has no secret that a token could be signed with.
#[test]
fn without_a_password_no_token_is_good() {
    let server = Encke::start(&[]);
    for secret in ["1", "", "password1", "0", "None1"] {
        let session = Page::anonymous().of(7, token(&good(7), secret)).open(server.http);
        assert!(!session.is_authorized(), "{secret:?}");
    }
}

/// cometql 5: the connection stays, the next one is nobody's.
#[test]
fn a_token_whose_time_is_over_does_not_let_its_user_in_again() {
    let server = start();
    let token = token(&json!({"user_id": 7, "exp": now() + 2}), "geheim1");
    let page = Page::anonymous().of(7, &token);
    let _first = page.authorized(server.http);
    eventually("its time is over", || (!page.open(server.http).is_authorized()).then_some(()));
}

/// cometql 22, and 5.
#[test]
fn a_revoked_token_drops_its_user_and_is_good_no_more() {
    let server = start();
    let mut sql = back_end(&server);
    register(&mut sql, 7, "key7");
    register(&mut sql, 8, "key8");
    let revoked = token(&good(7), "geheim1");
    let page = Page::anonymous().of(7, &revoked);
    let mut devices =
        [page.authorized(server.http), Page::old().of(7, "key7").authorized(server.http)];
    let mut other = Page::anonymous().of(8, "key8").authorized(server.http);
    run(&mut sql, &format!("INSERT INTO revoked_tokens (token) VALUES ('{revoked}')"));
    for device in &mut devices {
        device.dropped();
    }
    other.quiet();
    assert!(!page.open(server.http).is_authorized(), "the token");
    assert!(!Page::anonymous().of(7, "key7").open(server.http).is_authorized(), "its user's key");
    // Another token of the same user is another matter.
    let mut claims = good(7);
    claims["n"] = 1.into();
    Page::anonymous().of(7, token(&claims, "geheim1")).authorized(server.http);
    run(&mut sql, &format!("DELETE FROM revoked_tokens WHERE token = '{revoked}'"));
    page.authorized(server.http);
}

/// Words that are no token may be revoked and harm nobody.
#[test]
fn revoking_nonsense_drops_nobody() {
    let server = start();
    let mut sql = back_end(&server);
    let mut session = Page::anonymous().of(7, token(&good(7), "geheim1")).authorized(server.http);
    let forged = token(&good(7), "guessed1");
    for nonsense in ["nonsense", "a.b.c", &forged] {
        let sql = sql.query(format!("INSERT INTO revoked_tokens (token) VALUES ('{nonsense}')"));
        assert_eq!(sql, Reply::Ok, "{nonsense}");
        session.quiet();
    }
}

/// cometql 20: a user who came by token has its messages and its presence like any other.
#[test]
fn a_user_by_token_is_a_user() {
    let server = start();
    let mut sql = back_end(&server);
    super::send_to(&mut sql, 7, "x", "while away");
    let mut watcher = Page::anonymous().open(server.http);
    watcher.subscribe(&["user_status_7"]);
    let page = Page::anonymous().of(7, token(&good(7), "geheim1"));
    let mut session = page.authorized(server.http);
    assert_eq!(heard(&session.next(), "msg", "x"), "while away");
    assert_eq!(heard(&watcher.next(), "user_status_7", "online"), "online");
    session.close();
    assert_eq!(heard(&watcher.next(), "user_status_7", "offline"), "offline");
    run(&mut sql, "INSERT INTO users_auth (id, hash) VALUES (7, 'key7')");
    let _by_token = page.authorized(server.http);
    let _by_key = Page::anonymous().of(7, "key7").authorized(server.http);
}

/// cometql 22.
#[test]
fn a_user_by_token_is_thrown_out_like_any_other() {
    let server = start();
    let mut sql = back_end(&server);
    let mut session = Page::anonymous().of(7, token(&good(7), "geheim1")).authorized(server.http);
    run(&mut sql, "DELETE FROM users_auth WHERE id = 7");
    session.dropped();
}
