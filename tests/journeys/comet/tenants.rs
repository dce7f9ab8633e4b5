//! Two tenants by `dev_id`: the same names and numbers never meet.

use serde_json::json;

use super::{heard, publish, register, rows, run, send_to};
use crate::comet_page::{Page, Session};
use crate::http::Http;
use crate::mysql::{MySql, Reply};
use crate::reload::File;
use crate::server::Encke;

const TWO: &str = "cometql_password = \"one\"\ndev_id = 1\n\n\
                   [[tenant]]\nname = \"two\"\ncometql_password = \"two\"\ndev_id = 2\n";

fn start(name: &str) -> (File, Encke) {
    let file = File::new(name, TWO);
    let server = file.start();
    (file, server)
}

/// Back ends of 1 and 2.
fn back_ends(server: &Encke) -> [MySql; 2] {
    [("1", "one"), ("2", "two")].map(|(user, password)| {
        let mut client = MySql::connect(server.cometql.expect("a port"));
        assert_eq!(client.log_in(user, Some(password)), Reply::Ok);
        client
    })
}

fn open(server: &Encke, page: &Page) -> [Session; 2] {
    [1, 2].map(|dev| page.clone().dev(dev).open(server.http))
}

#[test]
fn messages_counts_members_and_logs_stay_with_their_tenant() {
    let (_file, server) = start("comet-pipes");
    let mut sql = back_ends(&server);
    let mut sessions = open(&server, &Page::anonymous());
    let pipes = ["web_a", "track_a", "news", "trust_a"];
    for session in &mut sessions {
        session.subscribe(&pipes);
        session.quiet();
    }
    for (at, dev) in [(0, 1), (1, 2)] {
        assert_eq!(sessions[at].count("web_a"), 1);
        assert_eq!(sessions[at].members("track_a").len(), 1);
        publish(&mut sql[at], "news", "", &format!("'sql {dev}'"));
        publish(&mut sql[at], "trust_a", "", &format!("'kept {dev}'"));
        let mut sender = Page::anonymous().dev(dev).open(server.http);
        let report = sender.publish("web_a", "", &dev.to_string());
        let report = crate::comet_page::data_of(&report);
        assert_eq!(report["number_messages"], 1);
        assert_eq!(heard(&sessions[at].next(), "news", ""), json!(format!("sql {dev}")));
        assert_eq!(heard(&sessions[at].next(), "trust_a", ""), json!(format!("kept {dev}")));
        assert_eq!(heard(&sessions[at].next(), "web_a", ""), json!(dev));
        let log = sender.log("trust_a");
        assert_eq!(log.len(), 1, "{log:?}");
        assert_eq!(log[0]["data"], format!("kept {dev}"));
        let counts = rows(&mut sql[at], "SELECT users FROM pipes WHERE name = 'web_a'");
        assert_eq!(counts, [["1"]]);
    }
    for session in &mut sessions {
        session.quiet();
    }
}

#[test]
fn users_keys_and_personal_messages_stay_with_their_tenant() {
    let (_file, server) = start("comet-users");
    let mut sql = back_ends(&server);
    register(&mut sql[0], 7, "first");
    register(&mut sql[1], 7, "second");
    let mut watchers = open(&server, &Page::anonymous());
    for watcher in &mut watchers {
        watcher.subscribe(&["user_status_7"]);
    }
    for (dev, key, expect) in
        [(1, "first", true), (1, "second", false), (2, "first", false), (2, "second", true)]
    {
        let session = Page::anonymous().dev(dev).of(7, key).open(server.http);
        assert_eq!(session.is_authorized(), expect, "{dev} {key}");
        session.close();
    }
    for watcher in &mut watchers {
        let events: Vec<_> =
            [watcher.next(), watcher.next()].map(|frame| frame["event"].clone()).into();
        assert_eq!(events, ["online", "offline"]);
        watcher.quiet();
    }
    // One is here, the other away: one hears it now, the other later.
    let mut here = Page::anonymous().dev(1).of(7, "first").authorized(server.http);
    assert_eq!(watchers[0].next()["event"], "online");
    send_to(&mut sql[1], 7, "", "for 7 of 2");
    here.quiet();
    send_to(&mut sql[0], 7, "", "for 7 of 1");
    assert_eq!(here.next()["data"], "for 7 of 1");
    let mut late = Page::anonymous().dev(2).of(7, "second").authorized(server.http);
    assert_eq!(late.next()["data"], "for 7 of 2");
    late.quiet();
    // Throwing one out leaves the other.
    run(&mut sql[0], "DELETE FROM users_auth WHERE id = 7");
    here.dropped();
    late.quiet();
    let times = sql.each_mut().map(|sql| rows(sql, "SELECT time FROM users_time WHERE id = 7"));
    assert_ne!(times[0], [["0"]]);
    assert_eq!(times[1], [["0"]]);
}

#[test]
fn records_stay_with_their_tenant() {
    let (_file, server) = start("comet-records");
    let mut sql = back_ends(&server);
    let mut sessions = open(&server, &Page::anonymous());
    run(&mut sql[0], "INSERT INTO users_data (id, data) VALUES (7, 'of the first')");
    run(&mut sql[0], "INSERT INTO pipes_settings (name, length) VALUES ('web_a', 9)");
    for (sql, session) in sql.iter_mut().zip(&mut sessions) {
        publish(sql, "web_a", "", "'x'");
        session.quiet();
    }
    assert_eq!(sessions.each_mut().map(|session| session.user_data(7)), ["of the first", ""]);
    assert_eq!(sessions.each_mut().map(|session| session.log("web_a").len()), [1, 0]);
}

#[cfg(feature = "jwt")]
#[test]
fn tokens_and_their_revocation_stay_with_their_tenant() {
    let (_file, server) = start("comet-tokens");
    let mut sql = back_ends(&server);
    let exp = crate::comet_page::now() + 60;
    let claims = json!({"user_id": 7, "exp": exp});
    let tokens = ["one1", "two2"].map(|secret| super::tokens::token(&claims, secret));
    let open = |dev, token: &str| Page::anonymous().dev(dev).of(7, token).open(server.http);
    let mut first = open(1, &tokens[0]);
    let mut second = open(2, &tokens[1]);
    assert!(first.is_authorized() && second.is_authorized());
    assert!(!open(1, &tokens[1]).is_authorized() && !open(2, &tokens[0]).is_authorized());
    for secret in ["one2", "two1"] {
        let token = super::tokens::token(&claims, secret);
        assert!(!open(1, &token).is_authorized() && !open(2, &token).is_authorized(), "{secret}");
    }
    let revoke = |token| format!("INSERT INTO revoked_tokens (token) VALUES ('{token}')");
    run(&mut sql[0], &revoke(&tokens[1]));
    second.quiet();
    assert!(open(2, &tokens[1]).is_authorized());
    run(&mut sql[1], &revoke(&tokens[1]));
    second.dropped();
    first.quiet();
}

/// A back end that asks for the other's database stays where its password let it in.
#[test]
fn no_back_end_switches_to_another_tenant() {
    let (_file, server) = start("comet-switch");
    let mut sql = back_ends(&server);
    let mut sessions = open(&server, &Page::anonymous());
    for session in &mut sessions {
        session.subscribe(&["news"]);
    }
    let [first, _] = &mut sql;
    assert_eq!(first.command(0x02, b"db_1"), Reply::Ok, "its own");
    for switch in ["db_2", "db_3", "db_0", "db_x"] {
        // Refused or not: nothing of it reaches the other.
        first.command(0x02, switch.as_bytes());
        first.query(format!("USE {switch}"));
        first.query("INSERT INTO pipes_messages (name, event, message) VALUES ('news', '', 'x')");
        sessions[1].quiet();
    }
    first.query(
        "cometqlcluster_v1 set dev_id=2; INSERT INTO pipes_messages (name, event, message) VALUES \
         ('news', '', 'x')",
    );
    sessions[1].quiet();
}

/// A number that is no tenant's belongs to none of them.
#[test]
fn a_developer_that_nobody_is_meets_nobody() {
    let (_file, server) = start("comet-stranger");
    let mut sessions = open(&server, &Page::anonymous());
    for session in &mut sessions {
        session.subscribe(&["web_a"]);
    }
    for dev in ["0", "3", "15", "undefined"] {
        let page = Page { dev: dev.into(), ..Page::anonymous() };
        let mut stranger = Session::try_upgrade(server.http, &page.target(), &[]);
        for session in stranger.iter_mut() {
            // Turned away with a frame, or alone.
            let _ = session.try_send(&crate::websocket::frame(0x81, b"web_pipe2\nweb_a\n\n*\n1"));
        }
    }
    for session in &mut sessions {
        session.quiet();
        assert_eq!(session.count("web_a"), 1);
    }
}

/// cometql 22: a tenant that is taken away ends its pages, and they may come back.
#[test]
fn a_tenant_that_is_removed_drops_its_pages_without_a_close_frame() {
    let (file, server) = start("comet-removed");
    let [mut stays, mut goes] = open(&server, &Page::anonymous());
    file.write(TWO.split("[[tenant]]").next().expect("the first"));
    server.signal("HUP");
    goes.dropped();
    stays.quiet();
}

/// The URLs of a tenant and its developer number are the same tenant.
#[test]
fn channel_urls_of_a_tenant_reach_its_pages() {
    let (_file, server) = start("comet-urls");
    let mut sessions = open(&server, &Page::anonymous());
    for session in &mut sessions {
        session.subscribe(&["web_a"]);
    }
    let mut http = Http::connect(server.http);
    for (at, target) in ["/channels/web_a", "/two/channels/web_a"].into_iter().enumerate() {
        assert_eq!(http.post(target, target).json()["subscribers"], 1);
        assert_eq!(sessions[at].next()["data"], target);
        assert_eq!(http.post(target, "again").status, 200);
        assert_eq!(sessions[at].next()["data"], "again");
    }
    for session in &mut sessions {
        session.quiet();
    }
}
