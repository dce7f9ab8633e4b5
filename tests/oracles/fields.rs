//! Values of header fields: extensions, media types, addresses; and tokens.

use std::net::IpAddr;

use encke::proto::accept;
use encke::proto::forwarded::address;
use encke::proto::permessage_deflate::{Agreed, agree};

pub fn check(input: &[u8]) {
    check_offers(input);
    check_accept(input);
    if let Some(address) = address(input) {
        check_address(address);
    }
    #[cfg(feature = "jwt")]
    check_token(input);
}

/// A list on several lines is one list (RFC 9110 §5.3).
fn check_offers(input: &[u8]) {
    let whole = agree([input]);
    if let Ok(Some(agreed)) = whole {
        assert!((9..=15).contains(&agreed.window_bits()));
        let mut answer = Vec::new();
        agreed.write(&mut answer);
        let again = agree([&answer[..]]).map(|own| own.map(Agreed::window_bits));
        assert_eq!(again, Ok(Some(agreed.window_bits())), "the answer is an offer, too");
    }
    assert_eq!(agree([b"".as_slice(), input]), whole);
    if !input.contains(&b'"') && !input.contains(&b'\\') {
        let lines = agree(input.split(|&byte| byte == b','));
        assert_eq!(lines, whole, "{}", input.escape_ascii());
    }
}

fn check_accept(input: &[u8]) {
    let named = accept::names(input, "text/event-stream");
    let lower = input.to_ascii_lowercase();
    let is_there = lower.windows(17).any(|part| part == b"text/event-stream");
    assert!(!named || is_there, "{}", input.escape_ascii());
    let twice = [input, b", ", input].concat();
    assert_eq!(accept::names(&twice, "text/event-stream"), named, "{}", input.escape_ascii());
}

/// In all forms in which proxies write it.
fn check_address(found: IpAddr) {
    assert_eq!(found, found.to_canonical());
    let host = match found {
        IpAddr::V4(_) => found.to_string(),
        IpAddr::V6(_) => format!("[{found}]"),
    };
    for text in [found.to_string(), host.clone(), format!("{host}:4711"), format!(" {host} ")] {
        assert_eq!(address(text.as_bytes()), Some(found), "{text}");
    }
}

/// No text is a token by itself, and no token of one secret is one of another.
#[cfg(feature = "jwt")]
fn check_token(input: &[u8]) {
    use encke::proto::jwt::{Error, comet_user, sign, verify};
    assert!(verify(input, b"a secret that nobody knows").is_err(), "{}", input.escape_ascii());
    let text = String::from_utf8_lossy(input);
    let token = sign(&text, input);
    let verified = verify(token.as_bytes(), input);
    let is_object =
        serde_json::from_slice::<serde_json::Map<_, serde_json::Value>>(text.as_bytes());
    if is_object.is_err() || token.len() > 4_096 {
        assert_eq!(verified, Err(Error::Malformed));
    } else {
        assert!(matches!(verified, Ok(_) | Err(Error::Claim)), "{text}: {verified:?}");
    }
    let other = [input, b"x"].concat();
    if verified.is_ok() {
        assert_eq!(verify(token.as_bytes(), &other), Err(Error::Signature));
    }
    assert_eq!(comet_user(token.as_bytes(), "another", 7, 0), None);
}
