//! JSON Web Tokens (RFC 7519) in the compact form (RFC 7515 §3.1), signed with HMAC SHA-256.
//!
//! ```text
//! base64url({"alg":"HS256"…}) . base64url({"sub":"7","exp":1795254266…}) . base64url(signature)
//! └────────────────── what is signed ──────────────────────────────────┘
//! ```
//! Limits: 4 KB a token, 64 patterns a list. Left out: every other algorithm — `none` and mix-ups of
//! algorithms are why tokens get forged — and encryption.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::claims::Claims;

/// Longest token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 4096;
/// Longest CometQL token, in bytes.
pub const COMET_TOKEN_BYTES_MAX: usize = 600;
/// Most patterns in one claim.
pub const PATTERNS_MAX: usize = 64;

/// Why a token is not good. Clients are not told which: they only learn that it is not.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Error {
    /// Not three parts of base64url, or not JSON inside, or too long.
    Malformed,
    /// Signed otherwise than with HS256, or with extensions that must be understood (`crit`).
    Algorithm,
    /// The signature is another one.
    Signature,
    /// A claim that encke knows has a value that it does not understand.
    Claim,
}

/// Checks the signature and reads the claims. Whether they hold now, the caller decides.
///
/// ```
/// use encke::proto::jwt::{sign, verify};
/// let token = sign(r#"{"sub":"7","channels":["news.*"]}"#, b"secret");
/// let claims = verify(token.as_bytes(), b"secret").unwrap();
/// assert_eq!(claims.sub.as_deref(), Some("7"));
/// assert!(verify(token.as_bytes(), b"another").is_err());
/// ```
pub fn verify(token: &[u8], secret: &[u8]) -> Result<Claims, Error> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Error::Malformed);
    }
    let mut parts = token.split(|&byte| byte == b'.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Error::Malformed);
    };
    let fields = json_of(header)?;
    if fields.get("alg") != Some(&Value::from("HS256")) || fields.get("crit").is_some() {
        return Err(Error::Algorithm);
    }
    let signed = &token[..header.len() + 1 + payload.len()];
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Error::Malformed)?;
    // In constant time.
    mac(signed, secret).verify_slice(&signature).map_err(|_| Error::Signature)?;
    claims_of(&json_of(payload)?)
}

/// The user that a CometQL token is of, if it is good now. It is signed with the password of the tenant's
/// back ends and the decimal dev_id behind it, has at most 600 bytes, says `user_id` as a number and until
/// when it is good.
///
/// ```
/// use encke::proto::jwt::{comet_user, sign};
/// let token = sign(r#"{"user_id":7,"exp":2000}"#, b"password15");
/// assert_eq!(comet_user(token.as_bytes(), "password", 15, 1999), Some(7));
/// assert_eq!(comet_user(token.as_bytes(), "password", 15, 2000), None);
/// assert_eq!(comet_user(token.as_bytes(), "password", 1, 1999), None);
/// ```
pub fn comet_user(token: &[u8], password: &str, dev_id: u32, unix_second: u64) -> Option<u32> {
    if token.len() > COMET_TOKEN_BYTES_MAX {
        return None;
    }
    let claims = verify(token, format!("{password}{dev_id}").as_bytes()).ok()?;
    let is_good = claims.exp? > unix_second && claims.nbf.is_none_or(|nbf| nbf <= unix_second);
    let user = claims.user_id.filter(|user| (1..=1 << 31).contains(user))?;
    u32::try_from(user).ok().filter(|_| is_good)
}

/// Makes a token of claims that are JSON: for tests, and for whoever issues tokens in Rust.
pub fn sign(claims: &str, secret: &[u8]) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let signature = mac(signed.as_bytes(), secret).finalize().into_bytes();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn mac(signed: &[u8], secret: &[u8]) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.chain_update(signed)
}

fn json_of(part: &[u8]) -> Result<Value, Error> {
    let text = URL_SAFE_NO_PAD.decode(part).map_err(|_| Error::Malformed)?;
    let value: Value = serde_json::from_slice(&text).map_err(|_| Error::Malformed)?;
    if value.is_object() { Ok(value) } else { Err(Error::Malformed) }
}

fn claims_of(payload: &Value) -> Result<Claims, Error> {
    Ok(Claims {
        sub: match payload.get("sub") {
            None => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(_) => return Err(Error::Claim),
        },
        user_id: payload.get("user_id").and_then(Value::as_u64),
        exp: moment(payload, "exp")?,
        nbf: moment(payload, "nbf")?,
        channels: patterns(payload, "channels")?,
        publish: patterns(payload, "publish")?,
    })
}

/// §2, NumericDate: seconds, possibly with a fraction.
fn moment(payload: &Value, name: &str) -> Result<Option<u64>, Error> {
    match payload.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => {
            let seconds = number.as_u64().or_else(|| {
                number.as_f64().filter(|seconds| *seconds >= 0.0).map(|seconds| seconds as u64)
            });
            seconds.map(Some).ok_or(Error::Claim)
        }
        Some(_) => Err(Error::Claim),
    }
}

fn patterns(payload: &Value, name: &str) -> Result<Vec<String>, Error> {
    let Some(value) = payload.get(name) else { return Ok(Vec::new()) };
    let list = value.as_array().filter(|list| list.len() <= PATTERNS_MAX).ok_or(Error::Claim)?;
    let pattern = |value: &Value| value.as_str().map(str::to_owned).ok_or(Error::Claim);
    list.iter().map(pattern).collect()
}
