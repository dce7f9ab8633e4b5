//! PROXY headers: the same from every beginning, and never a byte read beyond them.

use encke::proto::proxy_protocol::{HEADER_BYTES_MAX, Progress, parse};

pub fn check(input: &[u8]) {
    let whole = parse(input);
    for end in 0..input.len().min(HEADER_BYTES_MAX) {
        match (parse(&input[..end]), &whole) {
            (Ok(Progress::Missing(missing)), Ok(Progress::Complete { used, .. })) => {
                assert!(end < *used && missing > 0);
                assert!(end + missing <= *used, "{end} + {missing}: {}", input.escape_ascii());
            }
            (Ok(Progress::Missing(missing)), _) => assert!(missing > 0),
            (shown, _) => assert_eq!(shown, whole, "{end} of {}", input.escape_ascii()),
        }
    }
    match whole {
        Ok(Progress::Complete { used, .. }) => assert!(used <= input.len().min(HEADER_BYTES_MAX)),
        Ok(Progress::Missing(missing)) => {
            assert!(input.len() + missing <= HEADER_BYTES_MAX);
        }
        Err(error) => assert!(!error.explain().is_empty()),
    }
}
