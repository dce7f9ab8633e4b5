//! The pages that the server brings along, each one file, and a policy that lets them load nothing else.

use super::Server;
use super::respond::{Reply, Response};
use super::socket::Socket;

/// The chat.
pub(super) const CHAT: &str = include_str!("../web/chat.html");
/// The server in pictures.
pub(super) const DASHBOARD: &str = include_str!("../web/dashboard.html");

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
            status: 200,
            content_type: "text/html; charset=utf-8",
            headers: Vec::new(),
            body: page.into_bytes().into(),
        };
        let response = response
            .with("Content-Security-Policy", policy.into_bytes())
            .with("X-Content-Type-Options", &b"nosniff"[..])
            .with("Referrer-Policy", &b"no-referrer"[..]);
        self.respond(slot, reply, response);
    }
}
