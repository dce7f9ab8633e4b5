//! What a client accepts: RFC 9110 §12.4.2 (weights) and §12.5.1 (Accept).
//!
//! ```text
//! Accept: text/html;level=1, text/event-stream;q=0.8, */*;q=0.1
//!         range   parameters  range            weight
//! ```
//! Left out: ranges with a `*` (nobody who writes `*/*` waits for an endless answer), and parameters
//! other than `q`.
//!
//! ```
//! use encke::proto::accept::names;
//! assert!(names(b"application/json;q=0.5, text/event-stream", "text/event-stream"));
//! assert!(!names(b"text/event-stream;q=0, */*", "text/event-stream"));
//! ```

/// Whether `media` is named in this field value, and not with the weight 0, which means "not this".
pub fn names(value: &[u8], media: &str) -> bool {
    value.split(|&byte| byte == b',').any(|member| {
        let mut parts = member.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let is_media =
            parts.next().is_some_and(|range| range.eq_ignore_ascii_case(media.as_bytes()));
        is_media && !parts.any(is_weight_of_nothing)
    })
}

/// `q=0`, `q=0.000`: `weight` of RFC 9110 §12.4.2 with nothing but zeros.
fn is_weight_of_nothing(parameter: &[u8]) -> bool {
    let [b'q' | b'Q', b'=', b'0', rest @ ..] = parameter else { return false };
    match rest {
        [] => true,
        [b'.', digits @ ..] => digits.iter().all(|&digit| digit == b'0'),
        _ => false,
    }
}
