//! A configuration as TOML, as it is in force: secrets masked, every number named.

use std::fmt::Write;

use super::bounds::{self, Bound};
use super::memory::Memory;
use super::{Config, HttpOrigin};
use crate::engines::memory;
use crate::proto::json;
use crate::server::settings::{Rule, Settings, Tenant, Who};

/// What stands for a secret.
const MASK: &str = "\"****\"";

/// The whole configuration; `settings` are those in force, which this machine may have lowered.
pub(crate) fn toml(config: &Config, settings: &Settings) -> String {
    let mut out = String::new();
    options(&mut out, config);
    ceiling(&mut out, config.memory, settings.memory);
    tenant_keys(&mut out, &config.tenants[0]);
    numbers(&mut out, "limits", &bounds::LIMITS, &settings.limits);
    numbers::<memory::Limits>(&mut out, "history", &bounds::HISTORY, &config.history);
    for rule in &config.tenants[0].rules {
        one_rule(&mut out, "rule", rule);
    }
    for tenant in &config.tenants[1..] {
        line(&mut out, format_args!("\n[[tenant]]"));
        line(&mut out, format_args!("name = {}", text(&tenant.name)));
        tenant_keys(&mut out, tenant);
        for rule in &tenant.rules {
            one_rule(&mut out, "tenant.rule", rule);
        }
    }
    out
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("a String takes everything");
}

fn options(out: &mut String, config: &Config) {
    let http = config.http.iter().map(|address| text(&address.to_string()));
    line(out, format_args!("http = [{}]", join(http)));
    let https = config.https.iter().map(|address| text(&address.to_string()));
    line(out, format_args!("https = [{}]", join(https)));
    for (key, files) in [("tls_cert", &config.tls_certs), ("tls_key", &config.tls_keys)] {
        let files = files.iter().map(|path| text(&path.display().to_string()));
        line(out, format_args!("{key} = [{}]", join(files)));
    }
    let cometql = match &config.cometql {
        Some(Some(address)) => address.to_string(),
        _ => "off".to_owned(),
    };
    line(out, format_args!("cometql = {}", text(&cometql)));
    let origins = config.origins.iter().map(|origin| match origin {
        HttpOrigin::Any => text("*"),
        HttpOrigin::One(origin) => text(origin),
    });
    line(out, format_args!("origin = [{}]", join(origins)));
    let proxied = config.proxied.iter().map(|address| text(&address.to_string()));
    line(out, format_args!("proxy_protocol = [{}]", join(proxied)));
    let trusted = config.trusted.texts().iter().map(|one| text(one));
    line(out, format_args!("trusted_proxy = [{}]", join(trusted)));
    for (key, is_reversed) in [("echo", false), ("echo_reverse", true)] {
        let echoes = config.echoes.iter().filter(|echo| echo.is_reversed == is_reversed);
        line(out, format_args!("{key} = [{}]", join(echoes.map(|echo| text(&echo.path)))));
    }
    line(out, format_args!("deflate = {}", config.deflate));
}

fn ceiling(out: &mut String, said: Memory, in_force: Option<usize>) {
    match (said, in_force) {
        (Memory::Off, _) | (_, None) => line(out, format_args!("memory = \"off\"")),
        (Memory::Bytes(_), Some(bytes)) => line(out, format_args!("memory = {bytes}")),
        (Memory::Half, Some(bytes)) => {
            line(out, format_args!("# memory: {bytes}, half of what there is"));
        }
    }
}

fn tenant_keys(out: &mut String, tenant: &Tenant) {
    let secrets = [
        ("publish_key", &tenant.publish_key),
        ("token_secret", &tenant.token_secret),
        ("cometql_password", &tenant.cometql_password),
    ];
    for (key, secret) in secrets {
        match secret {
            Some(_) => line(out, format_args!("{key} = {MASK}")),
            None => line(out, format_args!("# {key}: none")),
        }
    }
    match tenant.dev_id {
        Some(number) => line(out, format_args!("dev_id = {number}")),
        None => line(out, format_args!("# dev_id: none")),
    }
}

fn numbers<T>(out: &mut String, section: &str, rows: &[Bound<T>], from: &T) {
    line(out, format_args!("\n[{section}]"));
    for row in rows {
        line(out, format_args!("{} = {}", row.key, (row.get)(from)));
    }
}

fn one_rule(out: &mut String, section: &str, rule: &Rule) {
    line(out, format_args!("\n[[{section}]]"));
    line(out, format_args!("channels = {}", text(&format!("{}*", rule.prefix))));
    let whos =
        [("subscribe", rule.subscribe), ("publish", rule.publish), ("presence", rule.presence)];
    for (key, who) in whos {
        let word = match who {
            Some(Who::Anyone) => "anyone",
            Some(Who::Token) => "token",
            Some(Who::Nobody) => "nobody",
            None => continue,
        };
        line(out, format_args!("{key} = \"{word}\""));
    }
    if let Some(history) = rule.history {
        line(out, format_args!("history = {history}"));
    }
    line(out, format_args!("events = {}", rule.events));
    line(out, format_args!("json = {}", rule.json));
}

fn join(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

/// A TOML basic string: JSON's, but that DEL must be escaped too.
fn text(value: &str) -> String {
    let mut quoted = Vec::new();
    json::write_string(&mut quoted, value);
    String::from_utf8_lossy(&quoted).replace('\u{7f}', "\\u007F")
}
