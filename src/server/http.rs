//! Connections between and inside HTTP requests.

use super::answers::Ask;
use super::clients::CROWDED;
use super::conn::{Flags, Format, Phase};
use super::deadlines::{MOMENT_SECONDS, Tick};
use super::disconnect::Disconnect;
use super::lobby::{begins_to_stay, wants_events};
use super::pace::TOO_FAST;
use super::respond::{Reply, Response, options};
use super::route::{self, Admitted, Route};
use super::socket::Socket;
use super::{Server, stats, wire};
use crate::dialects::ECHO;
use crate::dialects::native::{self, Publish, PublishToUser, Refusal, Request};
use crate::hub::access::Standing;
use crate::hub::command::{Command, NewPersonal};
use crate::hub::delivery::Transport;
use crate::hub::message::{Data, TenantId};
use crate::hub::names::ChannelName;
use crate::proto::http1::{self, Body, Head, HeaderSpace, Version};
use crate::proto::permessage_deflate::Agreed;
use crate::proto::ws_handshake::{self, Answer};
use crate::proto::{chunked, prometheus};

/// A request that waits for its body.
pub(crate) struct BodyUnderWay {
    reply: Reply,
    tenant: TenantId,
    /// What to do once it is there. Where nobody wants it, it is read to get past it.
    route: Route,
    coding: Coding,
    data: Vec<u8>,
}

impl BodyUnderWay {
    /// Memory that its sender makes it keep.
    pub fn bytes_kept(&self) -> usize {
        self.data.capacity()
    }
}

/// What an upgrade that was answered agreed on.
#[derive(Clone, Copy)]
pub(super) struct Shaken {
    /// As a format has it.
    window_bits: u8,
}

enum Coding {
    /// Bytes left.
    Length(u64),
    Chunked(chunked::Decoder),
}

/// A body that nobody wants is read up to here; beyond it the connection ends.
const UNWANTED_BODY_BYTES_MAX: usize = 64 * 1024;

impl<S: Socket> Server<S> {
    /// Uses bytes of a request; returns how many. 0: the rest of the head is not there yet.
    // Apart, as its room for headers is a large frame, which no WebSocket message is to pay for.
    #[inline(never)]
    pub(super) fn on_http_bytes(&mut self, slot: u32, bytes: &mut [u8]) -> usize {
        let input = self.connections.get(slot).input;
        if let Some(index) = input
            && let Some(body) = self.inputs.get_mut(index).body.take()
        {
            self.drop_input_if_empty(slot);
            return self.on_body_bytes(slot, body, bytes);
        }
        let mut space = HeaderSpace::new();
        match http1::parse_head(bytes, &mut space, &self.settings.limits.http()) {
            Ok(Some((head, used))) => {
                self.metrics.requests += 1;
                if wire::is_on() {
                    self.wire_request(slot, &bytes[..used]);
                }
                self.on_request(slot, &head);
                used
            }
            Ok(None) => {
                self.expect_rest_of_head(slot);
                0
            }
            Err(error) => {
                if wire::is_on() {
                    self.wire_request(slot, bytes);
                }
                let refusal = Refusal::new(error.status(), error.explain());
                self.refuse(slot, &Reply::last(), refusal);
                bytes.len()
            }
        }
    }

    /// A head has so long from its first byte, however many more come one by one.
    fn expect_rest_of_head(&mut self, slot: u32) {
        let deadline = Tick::after(self.now, self.settings.limits.head_seconds);
        let conn = self.connections.get_mut(slot);
        if !conn.flags.has(Flags::IN_HEAD) {
            conn.flags.set(Flags::IN_HEAD);
            conn.deadline = deadline;
        }
    }

    fn on_request(&mut self, slot: u32, head: &Head<'_>) {
        self.connections.get_mut(slot).flags.clear(Flags::IN_HEAD);
        self.note_client(slot, head);
        self.log_request(slot, head);
        let admitted = match route::admit(head, &self.settings, self.now.unix_second) {
            Ok(admitted) => admitted,
            Err(rejected) => return self.reject(slot, head, rejected),
        };
        if self.is_draining {
            let refusal = Refusal::new(503, "the server is shutting down");
            return self.refuse(slot, &Reply::last(), refusal);
        }
        let conn = self.connections.get_mut(slot);
        if conn.phase == Phase::Lobby || self.is_no_memory_for(&admitted.route) {
            let is_stream = wants_events(&admitted.route, head);
            return self.send_away(slot, Reply::to(head, admitted.origin), is_stream);
        }
        let conn = self.connections.get_mut(slot);
        conn.tenant = admitted.tenant;
        conn.flags.clear(Flags::HAS_KEY);
        if admitted.standing == Standing::Key {
            conn.flags.set(Flags::HAS_KEY);
        }
        let too_much = if !self.may_ask(slot, takes_connection(&admitted.route)) {
            Some(CROWDED)
        } else if wants_body(&admitted.route) && !self.may_speak(slot) {
            Some(TOO_FAST)
        } else {
            None
        };
        if let Some(explain) = too_much {
            let mut reply = Reply::to(head, admitted.origin);
            reply.keep_alive &= head.body.is_empty();
            return self.refuse(slot, &reply, Refusal::new(429, explain));
        }
        match head.body {
            Body::None | Body::Length(0) => self.on_bodiless(slot, head, admitted),
            Body::Length(length) => self.on_body(slot, head, admitted, Coding::Length(length)),
            Body::Chunked => {
                let coding = Coding::Chunked(chunked::Decoder::new());
                self.on_body(slot, head, admitted, coding);
            }
        }
    }

    fn is_no_memory_for(&mut self, route: &Route) -> bool {
        let is_short = self.ceiling.is_short() && begins_to_stay(route);
        self.metrics.shed.refused += u64::from(is_short);
        is_short
    }

    fn on_bodiless(&mut self, slot: u32, head: &Head<'_>, admitted: Admitted) {
        let (reply, standing) = (Reply::to(head, admitted.origin), admitted.standing);
        match admitted.route {
            ref route if wants_body(route) && head.body == Body::None => {
                // RFC 9110 §15.5.12: without a length nobody knows whether the body got lost.
                let refusal = Refusal::new(411, "a publish says how long its body is");
                self.refuse(slot, &reply, refusal);
            }
            Route::Native(Request::Subscribe(wish)) => {
                if wish.transport == Transport::WebSocket {
                    return self.upgrade(slot, head, &reply, wish, &standing);
                }
                self.subscribe_over_http(slot, reply, wish, &standing);
            }
            Route::Echo { is_reversed } => self.upgrade_to_echo(slot, head, &reply, is_reversed),
            Route::Comet(hello) => self.on_comet_request(slot, head, reply, *hello),
            Route::CometRejected(rejection) => self.reject_comet(slot, head, reply, &rejection),
            route => self.answer(slot, reply, admitted.tenant, route, &[]),
        }
    }

    fn on_body(&mut self, slot: u32, head: &Head<'_>, admitted: Admitted, coding: Coding) {
        let (reply, route) = (Reply::to(head, admitted.origin), admitted.route);
        if becomes_something_else(&route) {
            // Odd but legal elsewhere; here the connection becomes something else.
            let refusal = Refusal::new(400, "this request cannot have a body");
            return self.refuse(slot, &last(reply), refusal);
        }
        let bytes_max = self.body_bytes_max(&route);
        if matches!(coding, Coding::Length(length) if length > bytes_max as u64) {
            return self.refuse(slot, &last(reply), too_large(bytes_max));
        }
        if head.expects_continue {
            self.out(slot).extend_from_slice(http1::CONTINUE);
        }
        let deadline = Tick::after(self.now, self.settings.limits.body_seconds);
        self.connections.get_mut(slot).deadline = deadline;
        let (tenant, data) = (admitted.tenant, Vec::new());
        let body = BodyUnderWay { reply, tenant, route, coding, data };
        self.on_body_bytes(slot, Box::new(body), &[]);
    }

    fn body_bytes_max(&self, route: &Route) -> usize {
        match wants_body(route) {
            true => self.settings.limits.message_bytes_max,
            false => UNWANTED_BODY_BYTES_MAX,
        }
    }

    fn on_body_bytes(&mut self, slot: u32, mut body: Box<BodyUnderWay>, bytes: &[u8]) -> usize {
        let bytes_max = self.body_bytes_max(&body.route);
        let (used, is_done) = match &mut body.coding {
            Coding::Length(left) => {
                let used = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                body.data.extend_from_slice(&bytes[..used]);
                *left -= used as u64;
                (used, *left == 0)
            }
            Coding::Chunked(decoder) => match decoder.decode(bytes, &mut body.data, bytes_max) {
                Ok(progress) => progress,
                Err(error) => {
                    let refusal = match error.status() {
                        413 => too_large(bytes_max),
                        status => Refusal::new(status, error.explain()),
                    };
                    self.refuse(slot, &last(body.reply), refusal);
                    return bytes.len();
                }
            },
        };
        if used > 0 && wire::is_on() {
            let is_chunked = matches!(body.coding, Coding::Chunked(_));
            self.wire_body(slot, &bytes[..used], is_chunked);
        }
        if !is_done {
            self.input(slot).body = Some(body);
            self.weigh(slot);
            return used;
        }
        self.answer(slot, body.reply, body.tenant, body.route, &body.data);
        used
    }

    /// Answers in one piece whatever does not become an endless response.
    fn answer(&mut self, slot: u32, reply: Reply, tenant: TenantId, route: Route, body: &[u8]) {
        let (command, ask) = match route {
            Route::CometPost(hello) => return self.on_comet_post(slot, reply, *hello, body),
            Route::Info => return self.show_info(slot, &reply),
            Route::Page { page, is_known } => {
                return self.show_page(slot, &reply, page, is_known);
            }
            Route::Script { script, is_known } => {
                return self.show_script(slot, &reply, script, is_known);
            }
            Route::DashboardEvents => return self.watch(slot, &reply),
            Route::Stats => return self.show_stats(slot, &reply),
            Route::Metrics => return self.show_metrics(slot, &reply),
            Route::Options(allow) => return self.respond(slot, &reply, options(&reply, allow)),
            Route::Native(Request::History { channels, start }) => {
                let ask = Ask::History { reply, start };
                (Command::MessagesAfter { tenant, channels, start }, ask)
            }
            Route::Native(Request::Presence(channel)) => {
                let ask = Ask::Presence { reply, channel: channel.clone() };
                (Command::Presence { tenant, channel }, ask)
            }
            Route::Native(Request::Delete(channel)) => {
                let had_subscribers = self.hub.count(tenant, &channel) > 0;
                let ask = Ask::Delete { reply, had_subscribers };
                (Command::Kick { tenant, channel }, ask)
            }
            Route::Native(Request::List) => {
                let list = self.hub.list(tenant, LISTED_CHANNELS_MAX);
                let channels: Vec<ChannelName> =
                    list.iter().map(|(name, _)| name.clone()).collect();
                (Command::Counts { tenant, channels }, Ask::List { reply, list })
            }
            Route::Native(Request::Publish(Publish { channels, event, idempotency_key })) => {
                let messages = native::messages(&channels, &event, &Data::new(body));
                let by = self.by(slot);
                let command = Command::Publish { tenant, messages, by, idempotency_key };
                (command, Ask::Publish { reply, channels })
            }
            Route::Native(Request::PublishToUser(PublishToUser { user, event })) => {
                let devices = self.inbox.devices(tenant, &user).len();
                let messages = vec![NewPersonal { user, event, data: Data::new(body) }];
                let command = Command::DeliverToUsers { tenant, messages, waits: false };
                (command, Ask::ToUser { reply, devices })
            }
            Route::CometRejected(rejection) => {
                return self.answer_rejection(slot, &reply, &rejection);
            }
            // The callers have taken these.
            Route::Native(Request::Subscribe(_)) | Route::Echo { .. } | Route::Comet(_) => return,
        };
        self.ask(slot, ask, command);
    }

    fn show_stats(&mut self, slot: u32, reply: &Reply) {
        let mut body = stats::json(&self.view());
        body.push(b'\n');
        self.respond(slot, reply, Response::json(200, body));
    }

    /// What monitoring of CppComet asks for.
    fn show_info(&mut self, slot: u32, reply: &Reply) {
        let mut response = Response::json(200, &b"{\"status\":\"ok\",\"node\":\"encke\"}\n"[..]);
        if reply.origin.is_none() {
            response = response.with("Access-Control-Allow-Origin", &b"*"[..]);
        }
        self.respond(slot, reply, response);
    }

    fn show_metrics(&mut self, slot: u32, reply: &Reply) {
        let body = stats::prometheus(&self.view());
        let mut response = Response::json(200, body);
        response.content_type = prometheus::CONTENT_TYPE;
        self.respond(slot, reply, response);
    }

    fn upgrade_to_echo(&mut self, slot: u32, head: &Head<'_>, reply: &Reply, is_reversed: bool) {
        let format = Format::new(ECHO, Transport::WebSocket, is_reversed.into());
        if let Some(shaken) = self.shake_hands(slot, head, reply, None) {
            self.become_websocket(slot, format, shaken);
        }
    }

    /// Answers an upgrade, unless it is to be refused: then it is.
    pub(super) fn shake_hands(
        &mut self,
        slot: u32,
        head: &Head<'_>,
        reply: &Reply,
        protocol: Option<&str>,
    ) -> Option<Shaken> {
        match ws_handshake::check(head) {
            Ok(handshake) => {
                let accept = ws_handshake::accept_key(&handshake.key);
                let deflate = handshake.deflate.filter(|_| self.settings.deflate);
                let answer = Answer { protocol, deflate };
                ws_handshake::write_response(self.out(slot), accept, answer);
                self.metrics.responses.add(101);
                Some(Shaken { window_bits: deflate.map_or(0, Agreed::window_bits) })
            }
            Err(error) => {
                let mut response = Response::error(error.status(), error.explain());
                for (name, value) in error.headers() {
                    response = response.with(name, value.as_bytes());
                }
                self.respond(slot, reply, response);
                None
            }
        }
    }

    pub(super) fn become_websocket(&mut self, slot: u32, format: Format, shaken: Shaken) {
        self.connections.get_mut(slot).format = format.with_window_bits(shaken.window_bits);
        self.set_phase(slot, Phase::WebSocket);
        let deadline = Tick::after(self.now, self.settings.limits.heartbeat_seconds);
        self.connections.get_mut(slot).deadline = deadline;
        self.log_begun(slot, 101);
    }

    /// Nothing came in time: an unfinished request is told so, a silent connection just ends. Words that
    /// answer nothing would be taken for the answer to a request that is on its way (RFC 9112 §9.2).
    pub(super) fn on_http_deadline(&mut self, slot: u32) {
        // What has arrived and is not read may be all that is missing.
        let is_kept_waiting = [Flags::ASKING, Flags::QUEUED, Flags::UNREAD];
        if self.connections.get(slot).flags.has_any(is_kept_waiting) || self.feed_is_full() {
            // It is not the client that lets somebody wait.
            self.connections.get_mut(slot).deadline = Tick::after(self.now, MOMENT_SECONDS);
            return;
        }
        let conn = self.connections.get(slot);
        match conn.input {
            Some(_) if conn.phase == Phase::Lobby => self.send_away(slot, Reply::last(), false),
            Some(_) => {
                let refusal = Refusal::new(408, "the rest of this request did not come in time");
                self.refuse(slot, &Reply::last(), refusal);
            }
            None => self.finish(slot, Disconnect::Finished),
        }
    }
}

/// Channels that `GET /channels` shows.
const LISTED_CHANNELS_MAX: usize = 10_000;

/// Whether a request is about its body.
fn wants_body(route: &Route) -> bool {
    matches!(
        route,
        Route::Native(Request::Publish(_) | Request::PublishToUser(_)) | Route::CometPost(_)
    )
}

/// Whether a connection is a subscriber's from now on, or an echo's, and nobody else's.
fn takes_connection(route: &Route) -> bool {
    match route {
        Route::Native(Request::Subscribe(wish)) => wish.transport != Transport::LongPoll,
        Route::Comet(hello) => !hello.transport_poll,
        Route::Echo { .. } | Route::DashboardEvents => true,
        _ => false,
    }
}

fn becomes_something_else(route: &Route) -> bool {
    matches!(route, Route::Native(Request::Subscribe(_)) | Route::Echo { .. } | Route::Comet(_))
}

pub(super) fn last(reply: Reply) -> Reply {
    Reply { keep_alive: false, version: Version::Http11, ..reply }
}

fn too_large(bytes_max: usize) -> Refusal {
    Refusal::new(413, format!("a body has at most {bytes_max} bytes here"))
}
