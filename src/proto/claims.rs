//! What a token says (RFC 7519 §4), in builds that can read one and in those that cannot.

/// The claims that encke knows.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct Claims {
    /// Who it is about (RFC 7519 §4.1.2); a number is taken as its text.
    pub sub: Option<String>,
    /// The number of a CometQL user, if it is given as a whole number.
    pub user_id: Option<u64>,
    /// From when on it is over (§4.1.4), in Unix seconds.
    pub exp: Option<u64>,
    /// From when on it is good (§4.1.5), in Unix seconds.
    pub nbf: Option<u64>,
    /// Channels, or prefixes with a `*`, that may be listened to.
    pub channels: Vec<String>,
    /// The same for publishing.
    pub publish: Vec<String>,
}
