//! The pages that the server brings along, each one file, and a policy that lets them load nothing else;
//! and the client that pages of other sites load. All of it is the same for everybody: browsers keep it and
//! ask each time whether it still is (RFC 9110 §13.1.2).

use std::borrow::Cow;
use std::sync::LazyLock;

use sha1::{Digest, Sha1};

use super::Server;
use super::respond::{Reply, Response};
use super::socket::Socket;

/// The pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// The chat.
    Chat,
    /// The server in pictures.
    Dashboard,
}

static CHAT: LazyLock<Served> = LazyLock::new(|| {
    Served::page(
        include_str!("../web/chat.html"),
        // SHA-256 of what stands between the tags: a journey says what it is.
        "LHqLFN06/ujGlO3XctogGErGe9nqgxdDuJ9zYeqkyAs=",
        "RHXveR92bZwQZRZQkC5hu98P1Xurd9yAaUiccqTGLUI=",
    )
});
static DASHBOARD: LazyLock<Served> = LazyLock::new(|| {
    Served::page(
        include_str!("../web/dashboard.html"),
        "5YplfHj2fUJI3P/jEgBQ8IHEUEIcv44A4d7/+Zg30DE=",
        "i1sLoTmUrvBHBoHMf/xEMwZhE0Zjy5wMjlTllZgTUJw=",
    )
});

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

static CLASSIC: LazyLock<Served> = LazyLock::new(|| Served::script(SOURCE, ""));
static MODULE: LazyLock<Served> = LazyLock::new(|| Served::script(SOURCE, MODULE_END));

/// What is sent, and what it is known by.
struct Served {
    text: Cow<'static, str>,
    etag: String,
    /// What a page may do; a script does what the page may that loads it.
    policy: String,
}

impl Served {
    /// A page whose one script and one style have these hashes (CSP 3 §2.3.1).
    fn page(html: &'static str, script_hash: &str, style_hash: &str) -> Served {
        let policy = format!(
            "default-src 'none'; script-src 'sha256-{script_hash}'; style-src 'sha256-{style_hash}'; \
             connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'"
        );
        Served { etag: tag_of(&[html, &policy]), text: html.into(), policy }
    }

    /// A script without indentation, and without the lines that are only comments.
    fn script(source: &str, end: &str) -> Served {
        let lines = source.lines().map(str::trim_start);
        let code = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
        let mut text: String = code.flat_map(|line| [line, "\n"]).collect();
        text.push_str(end);
        Served { etag: tag_of(&[&text]), text: text.into(), policy: String::new() }
    }

    /// Whether it is one of those that `If-None-Match` names.
    fn is_among<'a>(&self, mut known: impl Iterator<Item = &'a [u8]>) -> bool {
        let etag = self.etag.as_bytes();
        known.any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag)
    }
}

/// A strong entity tag.
fn tag_of(parts: &[&str]) -> String {
    let hash = Sha1::digest(parts.concat());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hash}\"")
}

impl Page {
    /// Whether the page is one of those that `If-None-Match` names.
    pub fn is_among<'a>(self, known: impl Iterator<Item = &'a [u8]>) -> bool {
        self.served().is_among(known)
    }

    fn served(self) -> &'static Served {
        match self {
            Page::Chat => &CHAT,
            Page::Dashboard => &DASHBOARD,
        }
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

    /// Whether the script is one of those that `If-None-Match` names.
    pub fn is_among<'a>(self, known: impl Iterator<Item = &'a [u8]>) -> bool {
        self.served().is_among(known)
    }

    fn served(self) -> &'static Served {
        match self {
            Script::Classic => &CLASSIC,
            Script::Module => &MODULE,
        }
    }
}

impl<S: Socket> Server<S> {
    /// Answers with a page, or that it is still the same.
    pub(super) fn show_page(&mut self, slot: u32, reply: &Reply, page: Page, is_known: bool) {
        let served = page.served();
        let mut response = keepable(served, "text/html; charset=utf-8", is_known)
            .with("Content-Security-Policy", served.policy.as_bytes())
            .with("Referrer-Policy", &b"no-referrer"[..]);
        if reply.origin.is_none() {
            // RFC 9110 §12.5.5: another origin is told that it may read it.
            response = response.with("Vary", &b"Origin"[..]);
        }
        self.respond(slot, reply, response);
    }

    /// Answers with the client.
    pub(super) fn show_script(&mut self, slot: u32, reply: &Reply, script: Script, is_known: bool) {
        let response = keepable(script.served(), "text/javascript; charset=utf-8", is_known)
            .with("Access-Control-Allow-Origin", &b"*"[..])
            .with("Cross-Origin-Resource-Policy", &b"cross-origin"[..]);
        self.respond(slot, reply, response);
    }
}

/// What may be kept, but not used again without asking.
fn keepable(
    served: &'static Served,
    content_type: &'static str,
    is_known: bool,
) -> Response<'static> {
    let mut response = match is_known {
        true => Response::empty(304),
        false => {
            Response { content_type, body: served.text.as_bytes().into(), ..Response::empty(200) }
        }
    };
    response.cache_control = b"no-cache";
    response.with("ETag", served.etag.as_bytes()).with("X-Content-Type-Options", &b"nosniff"[..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_sent_small_and_known_again() {
        for script in [Script::Classic, Script::Module] {
            let Served { text, etag, .. } = script.served();
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
