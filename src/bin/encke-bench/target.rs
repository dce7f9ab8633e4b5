//! Whom to load: a URL, resolved; and whether that is one's own machine.

use std::net::{SocketAddr, ToSocketAddrs};

/// A server.
#[derive(Clone, Debug)]
pub struct Target {
    /// As it was written.
    pub url: String,
    pub address: SocketAddr,
    /// `Host:` of every request.
    pub host: String,
    /// `None` where the URL has no path but `/`.
    pub path: Option<String>,
    pub is_ws: bool,
}

/// Reads `ws://HOST:PORT/PATH` or `http://…`.
pub fn parse(url: &str) -> Result<Target, String> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| bad(url))?;
    let is_ws = match scheme {
        "ws" => true,
        "http" => false,
        "wss" | "https" => {
            return Err(format!("{url}: TLS is not measured; give a ws:// or http:// address"));
        }
        _ => return Err(bad(url)),
    };
    let slash = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(slash);
    let is_text = url.bytes().all(|byte| byte.is_ascii_graphic());
    if host.is_empty() || host.contains('@') || !is_text {
        return Err(bad(url));
    }
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let with_port = if has_port { host.to_owned() } else { format!("{host}:80") };
    let address = with_port
        .to_socket_addrs()
        .map_err(|error| format!("cannot find {host}: {error}"))?
        .next()
        .ok_or_else(|| format!("cannot find {host}: it has no address"))?;
    let path = match path {
        "" | "/" => None,
        query if query.starts_with('?') => Some(format!("/{query}")),
        path => Some(path.to_owned()),
    };
    Ok(Target { url: url.to_owned(), address, host: host.to_owned(), path, is_ws })
}

fn bad(url: &str) -> String {
    format!("{url:?} is not an address such as ws://127.0.0.1:8080/path or http://127.0.0.1:8080")
}

/// Refuses machines that may be somebody else's.
pub fn check_own(target: &Target, is_owned: bool) -> Result<(), String> {
    if target.address.ip().is_loopback() || is_owned {
        return Ok(());
    }
    Err(format!(
        "{} is {}, which is not this machine; --i-own-this-server if you may load it",
        target.url,
        target.address.ip()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let target = parse("ws://127.0.0.1:8080/a?b=c").unwrap();
        assert_eq!(target.address, SocketAddr::from(([127, 0, 0, 1], 8080)));
        assert_eq!(target.path.as_deref(), Some("/a?b=c"));
        assert!(target.is_ws);
        assert_eq!(parse("http://127.0.0.1/").unwrap().path, None);
        assert_eq!(parse("http://127.0.0.1").unwrap().address.port(), 80);
        assert_eq!(parse("http://[::1]:7").unwrap().address.port(), 7);
    }

    #[test]
    fn others_are_refused() {
        for url in ["", "127.0.0.1:80", "ftp://127.0.0.1", "ws://", "ws://a@b", "ws://a b"] {
            assert!(parse(url).unwrap_err().contains("is not an address"), "{url}");
        }
        assert!(parse("wss://127.0.0.1").unwrap_err().contains("TLS"));
        let foreign = parse("ws://192.0.2.1:80").unwrap();
        assert!(check_own(&foreign, false).unwrap_err().contains("--i-own-this-server"));
        assert!(check_own(&foreign, true).is_ok());
    }
}
