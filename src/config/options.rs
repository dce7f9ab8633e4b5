//! The options that a flag, a variable and a line of the file set alike: one table.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::{Config, HttpOrigin, memory};
use crate::proto::deflate;
use crate::reactor::listener::Address;
use crate::server::clients::Trusted;
use crate::server::settings::{Echo, Tenant};

/// One option.
pub(crate) struct Choice {
    /// `--publish-key`.
    pub flag: &'static str,
    /// `ENCKE_PUBLISH_KEY`.
    pub variable: &'static str,
    /// `publish_key`.
    pub key: &'static str,
    /// Reads one value into the configuration, or says what is wrong with it.
    pub apply: fn(&mut Config, &str) -> Result<(), String>,
    /// A list: takes what a weaker source said out again.
    pub clear: Option<fn(&mut Config)>,
}

impl Choice {
    /// A list, that is: its flag is repeatable, its variable has spaces, its key an array.
    pub fn repeats(&self) -> bool {
        self.clear.is_some()
    }
}

pub(crate) const CHOICES: [Choice; 15] = [
    Choice {
        flag: "--http",
        variable: "ENCKE_HTTP",
        key: "http",
        apply: |config, value| address(value).map(|address| config.http.push(address)),
        clear: Some(|config| config.http.clear()),
    },
    Choice {
        flag: "--https",
        variable: "ENCKE_HTTPS",
        key: "https",
        apply: |config, value| address(value).map(|address| config.https.push(address)),
        clear: Some(|config| config.https.clear()),
    },
    Choice {
        flag: "--tls-cert",
        variable: "ENCKE_TLS_CERT",
        key: "tls_cert",
        apply: |config, value| file_name(value).map(|name| config.tls_certs.push(name)),
        clear: Some(|config| config.tls_certs.clear()),
    },
    Choice {
        flag: "--tls-key",
        variable: "ENCKE_TLS_KEY",
        key: "tls_key",
        apply: |config, value| file_name(value).map(|name| config.tls_keys.push(name)),
        clear: Some(|config| config.tls_keys.clear()),
    },
    Choice {
        flag: "--cometql",
        variable: "ENCKE_COMETQL",
        key: "cometql",
        apply: set_cometql,
        clear: None,
    },
    Choice {
        flag: "--cometql-password",
        variable: "ENCKE_COMETQL_PASSWORD",
        key: "cometql_password",
        apply: |config, value| set_cometql_password(config.first(), value),
        clear: None,
    },
    Choice {
        flag: "--publish-key",
        variable: "ENCKE_PUBLISH_KEY",
        key: "publish_key",
        apply: |config, value| set_publish_key(config.first(), value),
        clear: None,
    },
    Choice {
        flag: "--token-secret",
        variable: "ENCKE_TOKEN_SECRET",
        key: "token_secret",
        apply: |config, value| set_token_secret(config.first(), value),
        clear: None,
    },
    Choice {
        flag: "--origin",
        variable: "ENCKE_ORIGIN",
        key: "origin",
        apply: |config, value| HttpOrigin::parse(value).map(|origin| config.origins.push(origin)),
        clear: Some(|config| config.origins.clear()),
    },
    Choice {
        flag: "--proxy-protocol",
        variable: "ENCKE_PROXY_PROTOCOL",
        key: "proxy_protocol",
        apply: |config, value| address(value).map(|address| config.proxied.push(address)),
        clear: Some(|config| config.proxied.clear()),
    },
    Choice {
        flag: "--trusted-proxy",
        variable: "ENCKE_TRUSTED_PROXY",
        key: "trusted_proxy",
        apply: |config, value| config.trusted.add(value),
        clear: Some(|config| config.trusted = Trusted::default()),
    },
    Choice {
        flag: "--echo",
        variable: "ENCKE_ECHO",
        key: "echo",
        apply: |config, value| add_echo(config, value, false),
        clear: Some(|config| config.echoes.retain(|echo| echo.is_reversed)),
    },
    Choice {
        flag: "--echo-reverse",
        variable: "ENCKE_ECHO_REVERSE",
        key: "echo_reverse",
        apply: |config, value| add_echo(config, value, true),
        clear: Some(|config| config.echoes.retain(|echo| !echo.is_reversed)),
    },
    Choice {
        flag: "--deflate",
        variable: "ENCKE_DEFLATE",
        key: "deflate",
        apply: set_deflate,
        clear: None,
    },
    Choice {
        flag: "--memory",
        variable: "ENCKE_MEMORY",
        key: "memory",
        apply: memory::set,
        clear: None,
    },
];

/// Shortest token secret: HS256 wants one as long as its hash (RFC 7518 §3.2).
pub(crate) const TOKEN_SECRET_BYTES_MIN: usize = 32;

pub(crate) fn set_publish_key(tenant: &mut Tenant, value: &str) -> Result<(), String> {
    tenant.publish_key = Some(secret(value)?);
    Ok(())
}

pub(crate) fn set_cometql_password(tenant: &mut Tenant, value: &str) -> Result<(), String> {
    tenant.cometql_password = Some(secret(value)?);
    Ok(())
}

pub(crate) fn set_token_secret(tenant: &mut Tenant, value: &str) -> Result<(), String> {
    let secret = secret(value)?;
    if secret.len() < TOKEN_SECRET_BYTES_MIN {
        return Err(format!(
            "{} bytes are too few, HS256 needs {TOKEN_SECRET_BYTES_MIN}: \
             openssl rand -base64 32 makes a good one",
            secret.len()
        ));
    }
    tenant.token_secret = Some(secret);
    Ok(())
}

fn set_cometql(config: &mut Config, value: &str) -> Result<(), String> {
    config.cometql = Some(match value {
        "off" => None,
        _ => Some(address(value)?),
    });
    Ok(())
}

fn set_deflate(config: &mut Config, value: &str) -> Result<(), String> {
    config.deflate = match value {
        "on" if deflate::IS_PRESENT => true,
        "on" => return Err("this build of encke compresses nothing (feature deflate)".to_owned()),
        "off" => false,
        _ => return Err(format!("{value:?} is neither on nor off")),
    };
    Ok(())
}

pub(crate) fn address(value: &str) -> Result<Address, String> {
    if let Some(path) = value.strip_prefix("unix:") {
        return match path {
            "" => Err("after unix: comes the path of a socket".to_owned()),
            _ => Ok(Address::Unix(PathBuf::from(path))),
        };
    }
    // "localhost" is what people write; other names would need a resolver.
    let numeric = value.replacen("localhost:", "127.0.0.1:", 1);
    let address: Result<SocketAddr, _> = numeric.parse();
    address.map(Address::Tcp).map_err(|_| {
        format!("{value:?} is not an address like 127.0.0.1:8080, [::1]:8080 or unix:PATH")
    })
}

pub(crate) fn file_name(value: &str) -> Result<PathBuf, String> {
    match value {
        "" => Err("a file has a name".to_owned()),
        name => Ok(PathBuf::from(name)),
    }
}

fn secret(value: &str) -> Result<Box<str>, String> {
    match value.trim() {
        "" => Err("a secret cannot be empty".to_owned()),
        trimmed => Ok(trimmed.into()),
    }
}

fn add_echo(config: &mut Config, path: &str, is_reversed: bool) -> Result<(), String> {
    if !path.starts_with('/') || path.contains(['?', '#', ' ']) {
        return Err(format!("{path:?} is not a path like /echo"));
    }
    config.echoes.push(Echo { path: path.into(), is_reversed });
    Ok(())
}
