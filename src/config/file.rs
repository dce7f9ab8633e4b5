//! The configuration file: TOML 1.1, every key known, every error with its line.
//!
//! ```text
//! http = "0.0.0.0:80"            options: what a flag says, in TOML
//! publish_key = "…"              the first tenant's keys stand at the top
//! [limits]  [history]            numbers
//! [[tls]]                        certificates and their keys
//! [[rule]]                       the first tenant's channel rules
//! [[tenant]]  [[tenant.rule]]    further tenants
//! ```

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Config;
use super::bounds::{self, Bound};
use super::options::{self, CHOICES, Choice};
use crate::cli::nearest;
use crate::hub::names::ChannelName;
use crate::server::route::RESERVED_NAMES;
use crate::server::settings::{Rule, Tenant, Who};

/// What `--example-config` prints.
pub(crate) const EXAMPLE: Option<&str> = Some(include_str!("example.toml"));

/// Tenants of one file.
const TENANTS_MAX: usize = 1_000;
/// Longest name of a tenant, in bytes.
const TENANT_NAME_BYTES_MAX: usize = 64;
/// Messages that a rule may keep for each channel.
const RULE_HISTORY_MAX: u64 = 1_000_000;

/// Options that are on or off, which in a file is true or false.
const SWITCHES: [&str; 1] = ["deflate"];
/// Options that may also be a number.
const NUMBERS: [&str; 1] = ["memory"];
/// Keys at the top besides options and the first tenant's.
const SECTIONS: [&str; 4] = ["limits", "history", "tls", "tenant"];
/// Keys that every tenant has; `name` is of further ones alone.
const TENANT_KEYS: [&str; 5] =
    ["publish_key", "token_secret", "cometql_password", "dev_id", "rule"];
const TLS_KEYS: [&str; 2] = ["cert", "key"];
const RULE_KEYS: [&str; 7] =
    ["channels", "subscribe", "publish", "presence", "history", "events", "json"];

type Key<'a> = Spanned<std::borrow::Cow<'a, str>>;
type Value<'a> = Spanned<DeValue<'a>>;

/// Reads a file into a configuration that is not complete yet.
pub(crate) fn read(path: &Path) -> Result<Config, String> {
    let name = path.display().to_string();
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {name}: {error}"))?;
    let mut config = parse(&name, &text)?;
    config.file = Some(path.to_owned());
    Ok(config)
}

/// Reads the text of a file called `name`.
pub(crate) fn parse(name: &str, text: &str) -> Result<Config, String> {
    let source = Source { name, text };
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(text.len(), |span| span.start);
        source.error(at, error.message().trim_end().replace('\n', "; "))
    })?;
    let mut config = Config::empty();
    source.top(table.get_ref(), &mut config)?;
    Ok(config)
}

/// A file's name and text, to say where an error is.
#[derive(Clone, Copy)]
struct Source<'a> {
    name: &'a str,
    text: &'a str,
}

impl Source<'_> {
    /// `encke.toml:3`.
    fn place(&self, at: usize) -> String {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        format!("{}:{line}", self.name)
    }

    fn error(&self, at: usize, what: impl Display) -> String {
        format!("{}: {what}", self.place(at))
    }

    /// What is wrong with the value of a key.
    fn wrong(&self, key: &str, value: &Value<'_>, what: impl Display) -> String {
        self.error(value.span().start, format!("{key}: {what}"))
    }

    fn top(&self, table: &DeTable<'_>, config: &mut Config) -> Result<(), String> {
        for (key, value) in in_order(table) {
            match key.get_ref().as_ref() {
                "limits" => self.numbers(key, value, &bounds::LIMITS, &mut config.limits)?,
                "history" => self.numbers(key, value, &bounds::HISTORY, &mut config.history)?,
                "tls" => self.certificates(value, config)?,
                // After everything of the first tenant is known.
                "tenant" => {}
                name => {
                    if let Some(choice) = CHOICES.iter().find(|choice| choice.key == name) {
                        self.choice(choice, value, config)?;
                    } else if !self.tenant_key(name, value, config.first())? {
                        return Err(self.unknown(key, &top_keys()));
                    }
                    if name == "rule" {
                        let place = self.place(key.span().start);
                        config.places.options.insert("rule", place);
                    }
                }
            }
        }
        bounds::settle_history(&mut config.history);
        match table.get("tenant") {
            Some(value) => self.tenants(value, config),
            None => Ok(()),
        }
    }

    fn choice(
        &self,
        choice: &'static Choice,
        value: &Value<'_>,
        config: &mut Config,
    ) -> Result<(), String> {
        let place = format!("{}: {}", self.place(value.span().start), choice.key);
        config.places.options.insert(choice.key, place);
        let Some(list) = value.get_ref().as_array().filter(|_| choice.repeats()) else {
            let number;
            let text = match choice.repeats() {
                true => self.text(choice.key, value, "\"…\" or [\"…\", \"…\"]")?,
                false if SWITCHES.contains(&choice.key) => match self.truth(choice.key, value)? {
                    true => "on",
                    false => "off",
                },
                false if NUMBERS.contains(&choice.key) && value.get_ref().is_integer() => {
                    number = self.number(choice.key, value, 0..=1 << 60, 1 << 28)?.to_string();
                    &number
                }
                false => self.text(choice.key, value, "\"…\"")?,
            };
            return (choice.apply)(config, text).map_err(|why| self.wrong(choice.key, value, why));
        };
        for value in list.iter() {
            let text = self.text(choice.key, value, "\"…\"")?;
            (choice.apply)(config, text).map_err(|why| self.wrong(choice.key, value, why))?;
        }
        Ok(())
    }

    fn numbers<T>(
        &self,
        section: &Key<'_>,
        value: &Value<'_>,
        rows: &[Bound<T>],
        into: &mut T,
    ) -> Result<(), String> {
        let name = section.get_ref();
        let Some(table) = value.get_ref().as_table() else {
            return Err(self.wrong(name, value, format!("this is a section: write [{name}]")));
        };
        for (key, value) in in_order(table) {
            let Some(row) = rows.iter().find(|row| row.key == key.get_ref().as_ref()) else {
                let keys: Vec<&str> = rows.iter().map(|row| row.key).collect();
                return Err(self.unknown(key, &keys));
            };
            let label = format!("{name}.{}", row.key);
            let number = self.number(&label, value, row.least..=row.most, (row.get)(into))?;
            (row.set)(into, number);
        }
        Ok(())
    }

    /// What `--tls-cert` and `--tls-key` say, a table for each pair.
    fn certificates(&self, value: &Value<'_>, config: &mut Config) -> Result<(), String> {
        let Some(list) = value.get_ref().as_array() else {
            return Err(self.wrong("tls", value, "every certificate begins with [[tls]]"));
        };
        for value in list.iter() {
            let at = value.span().start;
            let Some(table) = value.get_ref().as_table() else {
                return Err(self.wrong("tls", value, "every certificate begins with [[tls]]"));
            };
            if let Some((key, _)) =
                in_order(table).into_iter().find(|(key, _)| !TLS_KEYS.contains(&&**key.get_ref()))
            {
                return Err(self.unknown(key, &TLS_KEYS));
            }
            let file = |key: &str| {
                let Some(value) = table.get(key) else {
                    let what = format!("this certificate has no {key}: add {key} = \"FILE\"");
                    return Err(self.error(at, what));
                };
                let name = self.text(key, value, "\"FILE\"")?;
                options::file_name(name).map_err(|why| self.wrong(key, value, why))
            };
            config.tls_certs.push(file("cert")?);
            config.tls_keys.push(file("key")?);
            let place = format!("{}: tls", self.place(at));
            config.places.options.entry("tls_cert").or_insert(place);
        }
        Ok(())
    }

    fn tenants(&self, value: &Value<'_>, config: &mut Config) -> Result<(), String> {
        let Some(list) = value.get_ref().as_array() else {
            return Err(self.wrong("tenant", value, "every tenant begins with [[tenant]]"));
        };
        if list.len() >= TENANTS_MAX {
            return Err(self.wrong("tenant", value, format!("at most {TENANTS_MAX} tenants")));
        }
        for value in list.iter() {
            let Some(table) = value.get_ref().as_table() else {
                return Err(self.wrong("tenant", value, "every tenant begins with [[tenant]]"));
            };
            let tenant = self.tenant(value, table, &config.tenants)?;
            config.places.tenants.push(self.place(value.span().start));
            config.tenants.push(tenant);
        }
        Ok(())
    }

    fn tenant(
        &self,
        at: &Value<'_>,
        table: &DeTable<'_>,
        others: &[Tenant],
    ) -> Result<Tenant, String> {
        let mut tenant = Tenant::default();
        let Some(name) = table.get("name") else {
            return Err(self.error(
                at.span().start,
                "this tenant has no name: add name = \"shop\", and its URLs are /shop/channels/…",
            ));
        };
        tenant.name = self.tenant_name(name, others)?;
        for (key, value) in in_order(table) {
            let known = key.get_ref().as_ref();
            if known != "name" && !self.tenant_key(known, value, &mut tenant)? {
                let keys: Vec<&str> = TENANT_KEYS.into_iter().chain(["name"]).collect();
                return Err(self.unknown(key, &keys));
            }
        }
        if let Some(number) = tenant.dev_id
            && let Some(other) = others.iter().find(|other| other.dev_id == Some(number))
        {
            let value = table.get("dev_id").unwrap_or(at);
            let what = format!("{number} is {} already: choose another", owner(other));
            return Err(self.wrong("dev_id", value, what));
        }
        if tenant.cometql_password.is_some() && tenant.dev_id.is_none() {
            let value = table.get("cometql_password").unwrap_or(at);
            let what = "back ends log in to a further tenant by its number: add dev_id = 16";
            return Err(self.wrong("cometql_password", value, what));
        }
        Ok(tenant)
    }

    fn tenant_name(&self, value: &Value<'_>, others: &[Tenant]) -> Result<Box<str>, String> {
        let name = self.text("name", value, "\"shop\"")?;
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        let wrong = |what: String| Err(self.wrong("name", value, what));
        if name.is_empty() || name.len() > TENANT_NAME_BYTES_MAX || !name.bytes().all(is_fine) {
            return wrong(format!(
                "{name:?} is no part of a URL: a name has 1-{TENANT_NAME_BYTES_MAX} of \
                 A-Z a-z 0-9 _ -"
            ));
        }
        if RESERVED_NAMES.contains(&name) {
            return wrong(format!(
                "/{name} is a path of the server itself: choose another name, like \"{name}1\""
            ));
        }
        if others.iter().any(|other| *other.name == *name) {
            return wrong(format!("there is a tenant {name:?} already: choose another name"));
        }
        Ok(name.into())
    }

    /// Keys that stand at the top for the first tenant and under `[[tenant]]` for others; false if it is
    /// none of them.
    fn tenant_key(
        &self,
        key: &str,
        value: &Value<'_>,
        tenant: &mut Tenant,
    ) -> Result<bool, String> {
        let set = match key {
            "publish_key" => options::set_publish_key,
            "token_secret" => options::set_token_secret,
            "cometql_password" => options::set_cometql_password,
            "dev_id" => {
                let number = self.number("dev_id", value, 0..=u64::from(u32::MAX), 15)?;
                tenant.dev_id = Some(number as u32);
                return Ok(true);
            }
            "rule" => {
                tenant.rules = self.rules(value)?;
                return Ok(true);
            }
            _ => return Ok(false),
        };
        let text = self.text(key, value, "\"…\"")?;
        set(tenant, text).map_err(|why| self.wrong(key, value, why))?;
        Ok(true)
    }

    fn rules(&self, value: &Value<'_>) -> Result<Vec<Rule>, String> {
        let Some(list) = value.get_ref().as_array() else {
            return Err(self.wrong("rule", value, "every rule begins with [[rule]]"));
        };
        let mut rules: Vec<Rule> = Vec::new();
        for value in list.iter() {
            let Some(table) = value.get_ref().as_table() else {
                return Err(self.wrong("rule", value, "every rule begins with [[rule]]"));
            };
            let rule = self.rule(value, table)?;
            if rules.iter().any(|other| other.prefix == rule.prefix) {
                let what =
                    format!("there is a rule for \"{}*\" already: make one of both", rule.prefix);
                return Err(self.error(value.span().start, what));
            }
            rules.push(rule);
        }
        Ok(rules)
    }

    fn rule(&self, at: &Value<'_>, table: &DeTable<'_>) -> Result<Rule, String> {
        let Some(channels) = table.get("channels") else {
            return Err(self.error(
                at.span().start,
                "this rule does not say for which channels: add channels = \"news*\" or \"*\"",
            ));
        };
        let mut rule = Rule {
            prefix: self.prefix(channels)?,
            subscribe: None,
            publish: None,
            presence: None,
            history: None,
            events: false,
            json: false,
        };
        for (key, value) in in_order(table) {
            let name = key.get_ref().as_ref();
            match name {
                "channels" => {}
                "subscribe" => rule.subscribe = Some(self.who(name, value)?),
                "publish" => rule.publish = Some(self.who(name, value)?),
                "presence" => rule.presence = Some(self.who(name, value)?),
                "history" => {
                    let number = self.number(name, value, 0..=RULE_HISTORY_MAX, 100)?;
                    rule.history = Some(number as usize);
                }
                "events" => rule.events = self.truth(name, value)?,
                "json" => rule.json = self.truth(name, value)?,
                _ => return Err(self.unknown(key, &RULE_KEYS)),
            }
        }
        Ok(rule)
    }

    fn prefix(&self, value: &Value<'_>) -> Result<Box<str>, String> {
        let text = self.text("channels", value, "\"news*\"")?;
        let Some(prefix) = text.strip_suffix('*') else {
            let what = format!("a rule is for a prefix: write \"{text}*\", or \"*\" for all");
            return Err(self.wrong("channels", value, what));
        };
        if !prefix.is_empty()
            && let Err(error) = ChannelName::new(prefix.as_bytes())
        {
            return Err(self.wrong("channels", value, format!("{text:?}: {error}")));
        }
        Ok(prefix.into())
    }

    fn who(&self, key: &str, value: &Value<'_>) -> Result<Who, String> {
        match value.get_ref().as_str() {
            Some("anyone") => Ok(Who::Anyone),
            Some("token") => Ok(Who::Token),
            Some("nobody") => Ok(Who::Nobody),
            _ => {
                let shown = shown(value);
                let what = format!("{shown} is nobody: write \"anyone\", \"token\" or \"nobody\"");
                Err(self.wrong(key, value, what))
            }
        }
    }

    fn text<'v>(&self, key: &str, value: &'v Value<'_>, sample: &str) -> Result<&'v str, String> {
        value.get_ref().as_str().ok_or_else(|| {
            self.wrong(
                key,
                value,
                format!("{} is not a text: write {key} = {sample}", shown(value)),
            )
        })
    }

    fn truth(&self, key: &str, value: &Value<'_>) -> Result<bool, String> {
        value.get_ref().as_bool().ok_or_else(|| {
            self.wrong(
                key,
                value,
                format!("{} is not true or false: write {key} = true", shown(value)),
            )
        })
    }

    fn number(
        &self,
        label: &str,
        value: &Value<'_>,
        range: RangeInclusive<u64>,
        sample: u64,
    ) -> Result<u64, String> {
        let Some(integer) = value.get_ref().as_integer() else {
            let what = format!("{} is not a whole number: write one like {sample}", shown(value));
            return Err(self.wrong(label, value, what));
        };
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            let what =
                format!("{} is out of range: write a number from {least} to {most}", shown(value));
            self.wrong(label, value, what)
        })
    }

    fn unknown(&self, key: &Key<'_>, known: &[&str]) -> String {
        let name = key.get_ref();
        let what = match (nearest(name, known), home_of(name)) {
            (Some(near), _) => format!("unknown key {name:?}; did you mean {near:?}?"),
            (None, Some(home)) => format!("{name:?} does not belong here, but {home}"),
            (None, None) => {
                format!("unknown key {name:?}; encke --example-config shows every key there is")
            }
        };
        self.error(key.span().start, what)
    }
}

/// A table's keys as they stand in the file.
fn in_order<'t, 'a>(table: &'t DeTable<'a>) -> Vec<(&'t Key<'a>, &'t Value<'a>)> {
    let mut pairs: Vec<_> = table.iter().collect();
    pairs.sort_by_key(|(key, _)| key.span().start);
    pairs
}

fn top_keys() -> Vec<&'static str> {
    let options = CHOICES.iter().map(|choice| choice.key);
    options.chain(["dev_id", "rule"]).chain(SECTIONS).collect()
}

/// Where a key that stands in the wrong place belongs.
fn home_of(key: &str) -> Option<&'static str> {
    let is_row = |keys: &[&str]| keys.contains(&key);
    if bounds::LIMITS.iter().any(|bound| bound.key == key) {
        return Some("under [limits]");
    }
    if bounds::HISTORY.iter().any(|bound| bound.key == key) {
        return Some("under [history]");
    }
    if is_row(&RULE_KEYS) {
        return Some("under [[rule]]");
    }
    if is_row(&TLS_KEYS) {
        return Some("under [[tls]]");
    }
    if key == "name" {
        return Some("under [[tenant]]: the first tenant has no name");
    }
    is_row(&top_keys()).then_some("at the top, before the first [section]")
}

fn owner(tenant: &Tenant) -> String {
    match &*tenant.name {
        "" => "the first tenant's".to_owned(),
        name => format!("tenant {name:?}'s"),
    }
}

/// A value in few words. Texts are shown only where they are no secrets: in the caller's hands.
fn shown(value: &Value<'_>) -> String {
    match value.get_ref() {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(moment) => moment.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

#[cfg(test)]
mod tests;
