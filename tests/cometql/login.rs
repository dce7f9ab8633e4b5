//! Logging in: every way that works, and every way that must not.

use crate::client::{
    Client, LOCKED, OPEN, Reply, TWO_TENANTS, greeting_nonce, packet, packets, response,
};
use sha1::Sha1;
use sha2::{Digest, Sha256};

const OK: Reply = Reply::Ok { affected: 0, id: 0 };
const NATIVE: &str = "mysql_native_password";
const SHA2: &str = "caching_sha2_password";

// The proofs once more, from the text of the specification and not from the server's source.

fn native(password: &str, nonce: &[u8]) -> Vec<u8> {
    let once = Sha1::digest(password);
    let twice = Sha1::digest(once);
    let mask = Sha1::digest([nonce, &twice[..]].concat());
    once.iter().zip(mask).map(|(a, b)| a ^ b).collect()
}

fn caching_sha2(password: &str, nonce: &[u8]) -> Vec<u8> {
    let once = Sha256::digest(password);
    let twice = Sha256::digest(once);
    let mask = Sha256::digest([&twice[..], nonce].concat());
    once.iter().zip(mask).map(|(a, b)| a ^ b).collect()
}

/// Plugin and nonce of an AuthSwitchRequest, which must be packet `sequence`.
fn read_switch(client: &mut Client, sequence: u8) -> (String, Vec<u8>) {
    let packets = client.packets();
    let [(number, payload)] = &packets[..] else { panic!("not one packet: {packets:?}") };
    assert_eq!((*number, payload[0]), (sequence, 0xfe));
    let name_end = payload.iter().position(|&byte| byte == 0).expect("a name");
    let (nonce, end) = payload[name_end + 1..].split_at(20);
    assert_eq!(end, [0]);
    assert!(!nonce.contains(&0) && !nonce.contains(&b'$'));
    (String::from_utf8(payload[1..name_end].to_vec()).unwrap(), nonce.to_vec())
}

fn connect(accounts: &'static [encke::cometql::Account<'static>]) -> (Client, Vec<u8>) {
    let mut client = Client::connect(accounts);
    let (sequence, greeting) = client.packets().remove(0);
    assert_eq!(sequence, 0);
    let nonce = greeting_nonce(&greeting);
    (client, nonce)
}

fn assert_refused(client: &mut Client, sequence: u8, user: &str, with: &str) {
    let reply = client.reply(sequence);
    let text = format!(
        "[16] Authentication failure: Access denied for user '{user}' (using password: {with})"
    );
    assert_eq!(reply.error(), (1045, "28000", &*text));
    assert!(client.closed && !client.session.is_authenticated());
    assert_eq!(client.session.failed_login(), Some(user));
}

#[test]
fn the_native_password_lets_in() {
    for plugin in [None, Some(NATIVE)] {
        for user in ["root", "0", "15", "anybody", ""] {
            let (mut client, nonce) = connect(LOCKED);
            assert!(!client.session.is_authenticated());
            let proof = native("secret", &nonce);
            client.send(&packet(1, &response(user, &proof, Some("CometQL_v1"), plugin)));
            assert_eq!(client.reply(2), OK);
            assert!(client.session.is_authenticated() && client.session.failed_login().is_none());
            assert_eq!(client.query("SELECT DATABASE()").values(), [["CometQL_v1"]]);
        }
    }
}

#[test]
fn a_wrong_native_password_does_not() {
    let (_, nonce) = connect(LOCKED);
    let mut almost = native("secret", &nonce);
    almost[19] ^= 1;
    let other_nonce = native("secret", &[1; 20]);
    for (proof, with) in [
        (native("Secret", &nonce), "YES"),
        (native("", &nonce), "YES"),
        (other_nonce, "YES"),
        (almost, "YES"),
        (native("secret", &nonce)[..19].to_vec(), "YES"),
        ([native("secret", &nonce), vec![0]].concat(), "YES"),
        (b"secret".to_vec(), "YES"),
        (vec![0; 20], "YES"),
        (vec![], "NO"),
    ] {
        let (mut client, same_nonce) = connect(LOCKED);
        assert_eq!(same_nonce, nonce, "the random bytes of this test repeat");
        client.send(&packet(1, &response("root", &proof, None, Some(NATIVE))));
        assert_refused(&mut client, 2, "root", with);
    }
}

#[test]
fn caching_sha2_is_switched_to_and_takes_the_fast_way() {
    let (mut client, greeted) = connect(LOCKED);
    client.send(&packet(1, &response("root", &[9; 32], Some("CometQL_v1"), Some(SHA2))));
    let (plugin, nonce) = read_switch(&mut client, 2);
    assert_eq!(plugin, SHA2);
    assert_ne!(nonce, greeted, "the nonce is fresh");
    assert!(!client.session.is_authenticated());
    client.send(&packet(3, &caching_sha2("secret", &nonce)));
    let written = client.packets();
    assert_eq!(written[0], (4, vec![1, 3]));
    assert_eq!(written[1], (5, vec![0, 0, 0, 2, 0, 0, 0]));
    assert_eq!(written.len(), 2);
    assert_eq!(client.query("SELECT DATABASE()").values(), [["CometQL_v1"]]);
}

#[test]
fn a_wrong_caching_sha2_proof_is_refused_and_full_authentication_never_asked_for() {
    for (proof, with) in [(vec![7; 32], "YES"), (vec![], "NO"), (vec![0], "NO"), (vec![2], "YES")] {
        let (mut client, _) = connect(LOCKED);
        client.send(&packet(1, &response("root", b"", None, Some(SHA2))));
        read_switch(&mut client, 2);
        client.send(&packet(3, &proof));
        assert_refused(&mut client, 4, "root", with);
    }
    let (mut client, greeted) = connect(LOCKED);
    client.send(&packet(1, &response("root", b"", None, Some(SHA2))));
    read_switch(&mut client, 2);
    client.send(&packet(3, &caching_sha2("secret", &greeted)));
    assert_refused(&mut client, 4, "root", "YES");
}

#[test]
fn any_other_plugin_is_switched_to_native() {
    for plugin in ["sha256_password", "client_ed25519", "dialog", "x"] {
        let (mut client, _) = connect(LOCKED);
        client.send(&packet(1, &response("root", b"whatever", None, Some(plugin))));
        let (plugin, nonce) = read_switch(&mut client, 2);
        assert_eq!(plugin, NATIVE);
        client.send(&packet(3, &native("secret", &nonce)));
        assert_eq!(client.reply(4), OK);
    }
    let (mut client, greeted) = connect(LOCKED);
    client.send(&packet(1, &response("root", b"", None, Some("dialog"))));
    read_switch(&mut client, 2);
    client.send(&packet(3, &native("secret", &greeted)));
    assert_refused(&mut client, 4, "root", "YES");
}

#[test]
fn without_a_password_anybody_may_come_in() {
    for proof in [&b""[..], b"x", &[5; 20]] {
        for plugin in [None, Some(NATIVE)] {
            let (mut client, _) = connect(OPEN);
            client.send(&packet(1, &response("who", proof, None, plugin)));
            assert_eq!(client.reply(2), OK);
        }
    }
    for (proof, is_shown) in [(&b""[..], false), (&[0], false), (&[5; 32], true), (b"x", true)] {
        let (mut client, _) = connect(OPEN);
        client.send(&packet(1, &response("who", b"", None, Some(SHA2))));
        read_switch(&mut client, 2);
        client.send(&packet(3, proof));
        let written = client.packets();
        assert_eq!(written.len(), 1 + usize::from(is_shown), "{proof:?}");
        assert!(client.session.is_authenticated());
    }
}

#[test]
fn the_database_is_checked_after_the_password() {
    for database in ["CometQL_v1", "cometql_v1", "db_0", "db_15", ""] {
        let (mut client, _) = connect(OPEN);
        client.send(&packet(1, &response("root", b"", Some(database), None)));
        assert_eq!(client.reply(2), OK, "{database}");
    }
    for database in ["mysql", "db_x", "db_", "db_-1", "db_99999999999", "db_1 "] {
        let (mut client, _) = connect(OPEN);
        client.send(&packet(1, &response("root", b"", Some(database), None)));
        let reply = client.reply(2);
        let (number, state, text) = reply.error();
        assert_eq!((number, state), (1049, "42000"), "{database}");
        assert!(text.starts_with("[15] Select database failure"), "{text}");
        assert!(client.closed && client.session.failed_login().is_none());
    }
    let (mut client, _) = connect(LOCKED);
    client.send(&packet(1, &response("root", b"", Some("mysql"), None)));
    assert_refused(&mut client, 2, "root", "NO");
}

#[test]
fn a_tenant_is_its_dev_id_and_password_together() {
    for (user, password, database, expect) in [
        ("1", "one", "db_1", 0),
        ("2", "two", "CometQL_v1", 0),
        ("1", "two", "CometQL_v1", 1045),
        ("2", "one", "CometQL_v1", 1045),
        ("3", "one", "CometQL_v1", 1045),
        ("root", "one", "CometQL_v1", 1045),
        ("1", "one", "db_2", 1049),
        ("1", "one", "db_0", 1049),
    ] {
        let (mut client, nonce) = connect(TWO_TENANTS);
        client.send(&packet(1, &response(user, &native(password, &nonce), Some(database), None)));
        match client.reply(2) {
            Reply::Error { number, .. } => {
                assert_eq!(number, expect, "{user} {password} {database}")
            }
            other => assert_eq!((other, expect), (OK, 0), "{user} {password} {database}"),
        }
    }
}

/// PHP's persistent connections (`p:`) do this before each use; node's `changeUser` too.
#[test]
fn change_user() {
    let (mut client, nonce) = connect(TWO_TENANTS);
    client.send(&packet(1, &response("1", &native("one", &nonce), None, None)));
    assert_eq!(client.reply(2), OK);
    let command = b"\x112\0\x14aaaaaaaaaaaaaaaaaaaaCometQL_v1\0\x2d\0mysql_native_password\0";
    client.send(&packet(0, command));
    let (plugin, nonce) = read_switch(&mut client, 1);
    assert_eq!(plugin, NATIVE);
    assert!(!client.session.is_authenticated());
    client.send(&packet(2, &native("two", &nonce)));
    assert_eq!(client.reply(3), OK);
    assert_eq!(client.query("SELECT USER(), DATABASE()").values(), [["2@%", "CometQL_v1"]]);
    assert_eq!(client.query("USE db_1").error().0, 1049);

    client.send(&packet(0, b"\x111\0\0\0\x2d\0caching_sha2_password\0"));
    let (plugin, nonce) = read_switch(&mut client, 1);
    assert_eq!(plugin, SHA2);
    client.send(&packet(2, &caching_sha2("one", &nonce)));
    assert_eq!(client.packets().len(), 2);
    assert_eq!(client.query("SELECT USER(), DATABASE()").values(), [["1@%", "NULL"]]);

    client.send(&packet(0, b"\x112\0\0"));
    let (_, nonce) = read_switch(&mut client, 1);
    client.send(&packet(2, &native("wrong", &nonce)));
    assert_refused(&mut client, 3, "2", "YES");

    let mut client = Client::open();
    assert_eq!(client.command(b"\x11someone\0\0\0\x2d\0mysql_native_password\0"), OK);
    assert_eq!(client.query("SELECT USER()").values(), [["someone@%"]]);
}

#[test]
fn a_response_that_cannot_be_read_is_a_bad_handshake() {
    for payload in [
        &b""[..],
        b"\x85",
        b"\x85\xa2\x12\x00",
        // What a client from before 4.1 sends, and a request for TLS, which was not offered.
        b"\x05\x24\x00\x00\x00root\0secret\0",
        b"\x05\xae\x0f\x00\x00\x00\x00\x01\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    ] {
        let (mut client, _) = connect(OPEN);
        client.send(&packet(1, payload));
        let reply = client.reply(2);
        let (number, state, _) = reply.error();
        assert_eq!((number, state), (1043, "08S01"), "{payload:?}");
        assert!(client.closed);
    }
}

/// HAProxy's `mysql-check user haproxy_check` logs in without a password and goes.
#[test]
fn the_user_of_health_checks_may_log_in_and_nothing_else() {
    // Its packets, as it sends them: PROTOCOL_41 and SECURE_CONNECTION alone, and COM_QUIT at once.
    let login = [&b"\0\x82\0\0\0\x80\0\x01\x21"[..], &[0; 23], b"haproxy_check\0\0"].concat();
    let (mut client, _) = connect(TWO_TENANTS);
    client.send(&[packet(1, &login), packet(0, b"\x01")].concat());
    assert_eq!(client.reply(2), OK);
    assert!(client.closed && client.session.failed_login().is_none());

    let (mut client, _) = connect(LOCKED);
    client.send(&packet(1, &response("haproxy_check", b"", Some("db_77"), Some(SHA2))));
    let (_, _) = read_switch(&mut client, 2);
    client.send(&packet(3, &[0]));
    assert_eq!(client.reply(4), OK);
    for command in [
        &b"\x03SELECT 1"[..],
        b"\x03INSERT INTO pipes_messages (name, event, message) VALUES ('abc', '', 'x')",
        b"\x16SELECT 1",
        b"\x17\x01\0\0\0\0\x01\0\0\0",
        b"\x02CometQL_v1",
        b"\x04pipes_messages\0\0",
        b"\x09",
        b"\x1b\0\0",
    ] {
        let reply = client.command(command);
        let (number, state, text) = reply.error();
        assert_eq!((number, state), (1044, "42000"), "{command:?}");
        assert!(text.starts_with("[403] Access denied"), "{text}");
    }
    assert!(client.asked.is_empty());
    assert_eq!(client.command(b"\x0e"), OK);

    let (mut client, nonce) = connect(LOCKED);
    client.send(&packet(1, &response("haproxy_check", &native("wrong", &nonce), None, None)));
    assert_refused(&mut client, 2, "haproxy_check", "YES");
    let (mut client, nonce) = connect(LOCKED);
    client.send(&packet(1, &response("haproxy_check", &native("secret", &nonce), None, None)));
    assert_eq!(client.reply(2), OK);
    assert_eq!(client.query("SELECT 1").values(), [["1"]], "with the password it is anybody");
    client.send(&packet(0, b"\x11haproxy_check\0\0\0\x2d\0mysql_native_password\0"));
    let (_, nonce) = read_switch(&mut client, 1);
    client.send(&packet(2, b""));
    assert_eq!(client.reply(3), OK);
    assert_eq!(client.query("SELECT 1").error().0, 1044);
    drop(nonce);
}

/// A name of any length or content must not break the error's packet or the log.
#[test]
fn a_strange_user_name_is_cut() {
    let (mut client, _) = connect(LOCKED);
    let name = "ü".repeat(3_000);
    client.send(&packet(1, &response(&name, b"", None, None)));
    assert_refused(&mut client, 2, &"ü".repeat(80), "NO");
}

#[test]
fn the_greeting_is_as_clients_want_it() {
    let client = Client::connect(OPEN);
    let greeting = packets(&client.out).remove(0).1;
    assert!(greeting.starts_with(b"\x0a5.7.99-encke-"));
    let end = greeting.iter().position(|&byte| byte == 0).unwrap();
    assert_eq!(greeting[end + 1..end + 5], [7, 0, 0, 0]);
    let low = u32::from(u16::from_le_bytes([greeting[end + 14], greeting[end + 15]]));
    let high = u32::from(u16::from_le_bytes([greeting[end + 19], greeting[end + 20]]));
    let offered = low | high << 16;
    for (name, bit, is_offered) in [
        ("CONNECT_WITH_DB", 0x8, true),
        ("COMPRESS", 0x20, false),
        ("LOCAL_FILES", 0x80, false),
        ("PROTOCOL_41", 0x200, true),
        ("SSL", 0x800, false),
        ("SECURE_CONNECTION", 0x8000, true),
        ("PLUGIN_AUTH", 0x8_0000, true),
        ("CONNECT_ATTRS", 0x10_0000, true),
        ("PLUGIN_AUTH_LENENC", 0x20_0000, true),
        ("MULTI_STATEMENTS", 0x1_0000, true),
        ("DEPRECATE_EOF", 0x100_0000, false),
    ] {
        assert_eq!(offered & bit != 0, is_offered, "{name}");
    }
    assert_eq!(greeting[end + 16..end + 19], [45, 2, 0]);
    assert!(greeting.ends_with(b"\0mysql_native_password\0"));
}
