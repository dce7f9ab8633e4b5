//! The pages that the server brings along, each one file, and a policy that lets them load nothing else;
//! and the client that pages of other sites load.

use std::sync::LazyLock;

use sha1::{Digest, Sha1};

use super::Server;
use super::respond::{Reply, Response};
use super::socket::Socket;

/// The chat.
pub(super) const CHAT: &str = include_str!("../web/chat.html");
/// The server in pictures.
pub(super) const DASHBOARD: &str = include_str!("../web/dashboard.html");

/// The client of CometServerApi pages: one source, in the two forms that browsers know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    /// For `<script src>`; makes the globals.
    Classic,
    /// For `import`; makes the same globals and exports them.
    Module,
}

const SOURCE: &str = include_str!("../web/comet_server_api.js");
/// A module alone can say where it came from, and only a module may export.
const MODULE_END: &str = "\
window.cometServerApi.home = import.meta.url;
export const { CometServer } = window;
export default cometApi;
";

static CLASSIC: LazyLock<Served> = LazyLock::new(|| Served::new(SOURCE, ""));
static MODULE: LazyLock<Served> = LazyLock::new(|| Served::new(SOURCE, MODULE_END));

/// A script as it is sent: without indentation, and without the lines that are only comments.
struct Served {
    text: String,
    etag: String,
}

impl Served {
    fn new(source: &str, end: &str) -> Served {
        let lines = source.lines().map(str::trim_start);
        let code = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
        let mut text: String = code.flat_map(|line| [line, "\n"]).collect();
        text.push_str(end);
        let hash: String = Sha1::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
        Served { text, etag: format!("\"{hash}\"") }
    }
}

impl Script {
    /// The script at this path.
    pub fn at(path: &[u8]) -> Option<Script> {
        match path {
            b"/CometServerApi.js" => Some(Script::Classic),
            b"/CometServerApi.mjs" => Some(Script::Module),
            _ => None,
        }
    }

    /// Whether the script is one of those that `If-None-Match` names (RFC 9110 §13.1.2).
    pub fn is_among<'a>(self, mut known: impl Iterator<Item = &'a [u8]>) -> bool {
        let etag = self.served().etag.as_bytes();
        known.any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag)
    }

    fn served(self) -> &'static Served {
        match self {
            Script::Classic => &CLASSIC,
            Script::Module => &MODULE,
        }
    }
}

impl<S: Socket> Server<S> {
    /// Answers with a page. Its one `<script>` and its one `<style>` get this answer's nonce.
    pub(super) fn show_page(&mut self, slot: u32, reply: &Reply, page: &str) {
        let mut bytes = [0; 15];
        self.random.fill(&mut bytes);
        let nonce: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let page = page
            .replace("<script>", &format!("<script nonce=\"{nonce}\">"))
            .replace("<style>", &format!("<style nonce=\"{nonce}\">"));
        let policy = format!(
            "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; \
             connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'"
        );
        let response = Response {
            content_type: "text/html; charset=utf-8",
            body: page.into_bytes().into(),
            ..Response::empty(200)
        };
        let response = response
            .with("Content-Security-Policy", policy.into_bytes())
            .with("X-Content-Type-Options", &b"nosniff"[..])
            .with("Referrer-Policy", &b"no-referrer"[..]);
        self.respond(slot, reply, response);
    }

    /// Answers with the client. Browsers keep it and ask each time whether it is still the same.
    pub(super) fn show_script(&mut self, slot: u32, reply: &Reply, script: Script, is_known: bool) {
        let mut response = match is_known {
            true => Response::empty(304),
            false => Response {
                content_type: "text/javascript; charset=utf-8",
                body: script.served().text.as_bytes().into(),
                ..Response::empty(200)
            },
        };
        response.cache_control = b"no-cache";
        let response = response
            .with("ETag", script.served().etag.as_bytes())
            .with("Access-Control-Allow-Origin", &b"*"[..])
            .with("Cross-Origin-Resource-Policy", &b"cross-origin"[..])
            .with("X-Content-Type-Options", &b"nosniff"[..]);
        self.respond(slot, reply, response);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_sent_small_and_known_again() {
        for script in [Script::Classic, Script::Module] {
            let Served { text, etag } = script.served();
            assert!(text.len() < 12 * 1024, "{} bytes", text.len());
            let is_comment = |line: &str| line.starts_with("//") || line.starts_with(' ');
            assert_eq!(text.lines().find(|line| is_comment(line)), None);
            let weak = format!("W/{etag}");
            assert!(script.is_among([&b"\"x\""[..], weak.as_bytes()].into_iter()));
            assert!(script.is_among([&b"*"[..]].into_iter()));
            assert!(!script.is_among([&b"\"x\""[..]].into_iter()));
        }
        assert_ne!(CLASSIC.etag, MODULE.etag);
    }
}
