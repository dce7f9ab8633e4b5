//! Who is let in, and where to: the path and the headers of a request decide its tenant and dialect.
//!
//! | path | is |
//! |---|---|
//! | `/` | the chat page |
//! | `/channels…` | the native dialect |
//! | `/ws/sesion=…`, `/comet-server/ws/…` | CometServerApi.js |
//! | `/info` | whether the server is well |
//! | `/users/ID` | every device of a user |
//! | `/stats`, `/metrics` | the server in numbers |
//! | `/dashboard`, `/dashboard/events` | the server in pictures, and what they are drawn from |
//! | `/CometServerApi.js`, `/CometServerApi.mjs` | the browser's client, open to all |
//! | an echo path | a WebSocket echo endpoint, open to all |
//! | `/TENANT/channels…`, `/TENANT/users/ID` | the same of another tenant |

use std::rc::Rc;

use super::pages::{Page, Script};
use super::settings::{Settings, Tenant};
use crate::dialects::comet_js::connect::{self, Hello, Rejection};
use crate::dialects::native::{self, Refusal, USER_BYTES_MAX};
use crate::hub::access::{self, Action, Claims, Denied, Pattern, Standing};
use crate::hub::message::TenantId;
use crate::hub::names::ChannelName;
use crate::hub::rules::Rule;
use crate::proto::http1::{Head, Method};
use crate::proto::{claims, jwt, url};

/// First segments of paths that are, or will be, routes: no tenant can have such a name.
pub const RESERVED_NAMES: [&str; 17] = [
    "channels",
    "app",
    "apps",
    "ws",
    "stats",
    "metrics",
    "info",
    "pub",
    "sub",
    "ev",
    "lp",
    "connection",
    "api",
    "emulation",
    "users",
    "dashboard",
    "comet-server",
];

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// A page, which holds no secret and no number itself; whoever has it already is told so.
    Page {
        page: Page,
        is_known: bool,
    },
    Stats,
    Metrics,
    DashboardEvents,
    /// The browser's client; the same.
    Script {
        script: Script,
        is_known: bool,
    },
    Native(native::Request),
    Echo {
        is_reversed: bool,
    },
    /// Somebody who wants to listen as CometServerApi.js does.
    Comet(Box<Hello>),
    /// A command of such a client.
    CometPost(Box<Hello>),
    /// Such an address, but a broken one.
    CometRejected(Rejection),
    /// Whether the server is well.
    Info,
    /// OPTIONS, answered with what is allowed there.
    Options(&'static str),
}

/// A request that was let in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    pub tenant: TenantId,
    pub standing: Standing,
    pub route: Route,
    /// The page's origin, to be named in the answer.
    pub origin: Option<Box<str>>,
}

/// Why a request was not let in, and to whom the answer may be shown.
pub(crate) struct Rejected {
    pub refusal: Refusal,
    pub origin: Option<Box<str>>,
}

/// Lets a request in or says why not.
pub(crate) fn admit(
    head: &Head<'_>,
    settings: &Settings,
    unix_second: u64,
) -> Result<Admitted, Rejected> {
    if let Some(echo) = settings.echoes.iter().find(|echo| echo.path.as_bytes() == head.path) {
        let route = Route::Echo { is_reversed: echo.is_reversed };
        let (tenant, standing) = (TenantId(0), Standing::Anonymous);
        return Ok(Admitted { tenant, standing, route, origin: None });
    }
    if let Some(script) = Script::at(head.path) {
        return admit_script(head, script, settings)
            .map_err(|refusal| Rejected { refusal, origin: None });
    }
    let (tenant, path) = tenant_of(head.path, settings);
    let names_max = settings.limits.channels_per_session_max;
    let comet = connect::is_path(path).then(|| connect::parse(path, names_max));
    let tenant = match &comet {
        Some(Ok(hello)) if tenant == TenantId(0) => tenant_of_dev_id(hello.dev_id, settings),
        _ => Some(tenant),
    };
    let comet = if tenant.is_some() { comet } else { Some(Err(Rejection::NO_DEV_ID)) };
    let tenant = tenant.unwrap_or_default();
    let owner = &settings.tenants[usize::from(tenant.0)];
    let origin = check_origin(head, owner, settings)
        .map_err(|refusal| Rejected { refusal, origin: None })?;
    let reject = |refusal| Rejected { refusal, origin: origin.clone() };
    let route = match comet {
        Some(comet) => of_comet(head, comet).map_err(reject)?,
        None => find(head, path, settings).map_err(reject)?,
    };
    if tenant != TenantId(0) && is_of_the_whole(&route) {
        return Err(reject(nothing_here()));
    }
    let standing = standing(head, owner, unix_second).map_err(reject)?;
    check_access(&standing, &owner.rules, &route).map_err(reject)?;
    Ok(Admitted { tenant, standing, route, origin })
}

/// A page of any site may load the script: it holds no secret, and what it then asks for is looked at.
fn admit_script(head: &Head<'_>, script: Script, settings: &Settings) -> Result<Admitted, Refusal> {
    let tenant = TenantId(0);
    if settings.tenants[usize::from(tenant.0)].publish_key.is_none() {
        check_this_machine(head)?;
    }
    let route = match head.method {
        Method::Get | Method::Head => {
            Route::Script { script, is_known: script.is_among(head.list("If-None-Match")) }
        }
        Method::Options => Route::Options(native::READ_METHODS),
        _ => return Err(native::method_not_allowed(native::READ_METHODS)),
    };
    Ok(Admitted { tenant, standing: Standing::Anonymous, route, origin: None })
}

fn tenant_of<'a>(path: &'a [u8], settings: &Settings) -> (TenantId, &'a [u8]) {
    let first = path.get(1..).unwrap_or_default();
    let first = first.split(|&byte| byte == b'/').next().unwrap_or_default();
    let named = |tenant: &Tenant| {
        !tenant.name.is_empty() && tenant.name.as_bytes() == first && !tenant.is_removed
    };
    match settings.tenants.iter().position(named) {
        Some(index) => (TenantId(index as u16), &path[1 + first.len()..]),
        None => (TenantId(0), path),
    }
}

/// Whose a dev_id is: its owner's, else the first tenant's, if that has none of its own.
fn tenant_of_dev_id(dev_id: u32, settings: &Settings) -> Option<TenantId> {
    let owns = |tenant: &Tenant| tenant.dev_id == Some(dev_id) && !tenant.is_removed;
    match settings.tenants.iter().position(owns) {
        Some(index) => Some(TenantId(index as u16)),
        None => settings.tenants[0].dev_id.is_none().then_some(TenantId(0)),
    }
}

fn of_comet(head: &Head<'_>, comet: Result<Hello, Rejection>) -> Result<Route, Refusal> {
    match (head.method, comet) {
        (Method::Options, _) => Ok(Route::Options(COMET_METHODS)),
        (Method::Get | Method::Head, Ok(hello)) => Ok(Route::Comet(Box::new(hello))),
        (Method::Post, Ok(hello)) if hello.session.is_some() => {
            Ok(Route::CometPost(Box::new(hello)))
        }
        (Method::Get | Method::Head | Method::Post, Err(rejection)) => {
            Ok(Route::CometRejected(rejection))
        }
        // As CppComet has it, whose client knows no other answer.
        (Method::Post, Ok(_)) => Err(nothing_here()),
        _ => Err(native::method_not_allowed(COMET_METHODS)),
    }
}

/// What may be asked of a CometServerApi address.
const COMET_METHODS: &str = "GET, HEAD, POST, OPTIONS";

fn find(head: &Head<'_>, path: &[u8], settings: &Settings) -> Result<Route, Refusal> {
    let is_read = matches!(head.method, Method::Get | Method::Head);
    let read_only = |route| match head.method {
        Method::Options => Ok(Route::Options(native::READ_METHODS)),
        _ if is_read => Ok(route),
        _ => Err(native::method_not_allowed(native::READ_METHODS)),
    };
    let page =
        |page: Page| Route::Page { page, is_known: page.is_among(head.list("If-None-Match")) };
    match path {
        b"/" => read_only(page(Page::Chat)),
        b"/info" | b"/comet-server/info" => read_only(Route::Info),
        b"/stats" => read_only(Route::Stats),
        b"/metrics" => read_only(Route::Metrics),
        b"/dashboard" => read_only(page(Page::Dashboard)),
        b"/dashboard/events" => read_only(Route::DashboardEvents),
        b"*" => Ok(Route::Options(native::CHANNEL_METHODS)),
        _ if path.starts_with(b"/users/") => match head.method {
            Method::Options => Ok(Route::Options(native::USER_METHODS)),
            _ => native::parse_user(head, &path[b"/users".len()..]).map(Route::Native),
        },
        _ => match path.strip_prefix(b"/channels") {
            Some(below) if below.is_empty() || below.starts_with(b"/") => {
                if head.method == Method::Options {
                    return Ok(Route::Options(native::CHANNEL_METHODS));
                }
                let channels_max = settings.limits.channels_per_request_max;
                native::parse(head, below, channels_max).map(Route::Native)
            }
            _ => Err(match url::percent_decode(path) {
                Ok(_) => nothing_here(),
                Err(error) => error.into(),
            }),
        },
    }
}

/// Whether it is asked of the server itself, not of a tenant.
fn is_of_the_whole(route: &Route) -> bool {
    let dashboard = matches!(route, Route::Page { page: Page::Dashboard, .. });
    dashboard || matches!(route, Route::Stats | Route::Metrics | Route::DashboardEvents)
}

fn nothing_here() -> Refusal {
    Refusal::new(404, "there is nothing here; channels are at /channels/NAME")
}

fn check_access(standing: &Standing, rules: &[Rule], route: &Route) -> Result<(), Refusal> {
    use native::Request;
    let one = |action, name: &str| access::may(standing, rules, action, Some(name));
    let all = |action, names: &[ChannelName]| names.iter().try_for_each(|name| one(action, name));
    let administer = || access::may(standing, rules, Action::Administer, None);
    let verdict = match route {
        // A browser that opens a page cannot show a key: the page asks for it.
        Route::Page { .. } | Route::Options(_) => Ok(()),
        // Let in before.
        Route::Script { .. } | Route::Echo { .. } => Ok(()),
        // What each may do is decided when it is known.
        Route::Comet(_) | Route::CometPost(_) | Route::CometRejected(_) | Route::Info => Ok(()),
        Route::Stats | Route::Metrics | Route::DashboardEvents => administer(),
        Route::Native(Request::List | Request::PublishToUser(_)) => administer(),
        Route::Native(Request::Publish(publish)) => all(Action::Publish, &publish.channels),
        Route::Native(Request::Subscribe(wish)) => all(Action::Subscribe, &wish.channels),
        Route::Native(Request::History { channels, .. }) => all(Action::Subscribe, channels),
        Route::Native(Request::Presence(name)) => one(Action::Presence, name),
        Route::Native(Request::Delete(name)) => one(Action::Administer, name),
    };
    verdict.map_err(denied)
}

/// What the request shows of itself: the publish key, a token, or nothing.
fn standing(head: &Head<'_>, tenant: &Tenant, unix_second: u64) -> Result<Standing, Refusal> {
    let bearer = bearer(head);
    if let (Some(key), Some(given)) = (&tenant.publish_key, bearer)
        && access::same_secret(key.as_bytes(), given)
    {
        return Ok(Standing::Key);
    }
    // A browser can put a token nowhere else when it opens a WebSocket or an EventSource.
    let from_query = native::token(head)?;
    let token = bearer.or(from_query.as_deref());
    Ok(match (token, &tenant.token_secret) {
        (Some(token), Some(secret)) => match jwt::verify(token, secret.as_bytes()) {
            Ok(claims) if is_good_now(&claims, unix_second) => Standing::Token(claims_of(claims)),
            _ => Standing::Wrong,
        },
        (Some(_), None) if tenant.publish_key.is_some() => Standing::Wrong,
        _ if tenant.publish_key.is_none() => Standing::Open,
        _ => Standing::Anonymous,
    })
}

fn is_good_now(claims: &claims::Claims, unix_second: u64) -> bool {
    claims.exp.is_none_or(|exp| unix_second < exp)
        && claims.nbf.is_none_or(|nbf| nbf <= unix_second)
}

fn claims_of(claims: claims::Claims) -> Rc<Claims> {
    let patterns = |list: Vec<String>| list.into_iter().map(|text| Pattern(text.into())).collect();
    let user = claims.sub.filter(|user| !user.is_empty() && user.len() <= USER_BYTES_MAX);
    Rc::new(Claims {
        user: user.map(Into::into),
        expires: claims.exp,
        channels: patterns(claims.channels),
        publish: patterns(claims.publish),
    })
}

/// The answer to somebody who may not.
pub(crate) fn denied(why: Denied) -> Refusal {
    match why {
        Denied::NeedsKey => {
            Refusal::new(401, "this needs the publish key, as Authorization: Bearer KEY")
        }
        Denied::NeedsToken => {
            Refusal::new(401, "this needs a token, as Authorization: Bearer TOKEN or ?token=")
        }
        Denied::Wrong => Refusal::new(401, "the key or token given is not good, or not any more"),
        Denied::Forbidden => Refusal::new(403, "this channel is not open to this kind of client"),
    }
}

fn bearer<'a>(head: &Head<'a>) -> Option<&'a [u8]> {
    let value = head.header("Authorization")?;
    let scheme = value.get(..7)?;
    // Another scheme than Bearer is a wrong key, not an absent one.
    Some(if scheme.eq_ignore_ascii_case(b"bearer ") { value[7..].trim_ascii() } else { b"" })
}

/// The page's origin, if the request comes from a page and the page may use the server.
fn check_origin(
    head: &Head<'_>,
    tenant: &Tenant,
    settings: &Settings,
) -> Result<Option<Box<str>>, Refusal> {
    if tenant.publish_key.is_none() {
        check_this_machine(head)?;
    }
    let Some(origin) = head.header("Origin") else { return Ok(None) };
    let Ok(origin) = std::str::from_utf8(origin) else {
        return Err(Refusal::new(403, "this origin may not use the server"));
    };
    let host = authority(origin);
    let is_own = host.is_some() && host.map(str::as_bytes) == head.host;
    let is_listed = settings.origins.any
        || settings.origins.listed.iter().any(|listed| listed.eq_ignore_ascii_case(origin));
    let is_allowed = match &tenant.publish_key {
        None => host.is_some_and(|host| is_loopback(host.as_bytes())),
        Some(_) => is_own || is_listed,
    };
    match is_allowed {
        true => Ok(Some(origin.into())),
        false => Err(Refusal::new(
            403,
            match tenant.publish_key {
                None => OPEN_ONLY_HERE,
                Some(_) => "this page's origin may not use the server; allow it with --origin",
            },
        )),
    }
}

const OPEN_ONLY_HERE: &str = "without a key this server is open, but only for programs and pages of \
    this machine: start it with --publish-key KEY to serve others";

/// Headers that a proxy adds: behind one, "from this machine" means nothing.
const PROXY_HEADERS: [&str; 7] = [
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Real-IP",
    "Via",
];

fn check_this_machine(head: &Head<'_>) -> Result<(), Refusal> {
    let is_proxied = PROXY_HEADERS.iter().any(|name| head.header(name).is_some());
    // HTTP/1.0 may come without a Host; a browser, which is what a foreign name would trick, may not.
    let is_here = head.host.is_none_or(is_loopback);
    if is_proxied || !is_here { Err(Refusal::new(403, OPEN_ONLY_HERE)) } else { Ok(()) }
}

/// Whether `host[:port]` is localhost or a loopback literal.
fn is_loopback(authority: &[u8]) -> bool {
    let host = match authority.iter().rposition(|&byte| byte == b':') {
        Some(colon) if authority[colon + 1..].iter().all(u8::is_ascii_digit) => &authority[..colon],
        _ => authority,
    };
    if host.eq_ignore_ascii_case(b"localhost") || host == b"[::1]" {
        return true;
    }
    let host = std::str::from_utf8(host).unwrap_or_default();
    host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// The `host[:port]` of a serialised origin.
fn authority(origin: &str) -> Option<&str> {
    origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::http1::{HeaderSpace, Limits, parse_head};
    use crate::server::settings::{Echo, Origins};

    const LIMITS: Limits = Limits { head_bytes_max: 4096, target_bytes_max: 1024 };

    fn status(text: &str, settings: &Settings) -> Result<Admitted, u16> {
        let text = text.replace('\n', "\r\n") + "\r\n\r\n";
        let mut space = HeaderSpace::new();
        let (head, _) = parse_head(text.as_bytes(), &mut space, &LIMITS).unwrap().unwrap();
        admit(&head, settings, 1_000).map_err(|rejected| rejected.refusal.status)
    }

    fn keyed() -> Settings {
        let tenant = Tenant { publish_key: Some("secret".into()), ..Tenant::default() };
        let origins = Origins { any: false, listed: vec!["https://shop.example".into()] };
        Settings { tenants: vec![tenant], origins, ..Settings::default() }
    }

    #[test]
    fn without_a_key_only_this_machine_is_served() {
        let open = Settings::default();
        for good in [
            "GET / HTTP/1.1\nHost: localhost:8080",
            "GET / HTTP/1.1\nHost: 127.0.0.1",
            "GET / HTTP/1.1\nHost: 127.3.2.1:80",
            "GET / HTTP/1.1\nHost: [::1]:8080",
            "POST /channels/a HTTP/1.1\nHost: localhost\nOrigin: http://localhost:3000",
            "GET / HTTP/1.0",
        ] {
            assert!(status(good, &open).is_ok(), "{good}");
        }
        for bad in [
            "GET / HTTP/1.1\nHost: example.com",
            "GET / HTTP/1.1\nHost: localhost.example.com",
            "GET / HTTP/1.1\nHost: 10.0.0.1",
            "GET / HTTP/1.1\nHost: localhost\nOrigin: http://example.com",
            "GET / HTTP/1.1\nHost: localhost\nOrigin: null",
            "GET / HTTP/1.1\nHost: localhost\nX-Forwarded-For: 1.2.3.4",
            "GET / HTTP/1.1\nHost: localhost\nVia: 1.1 proxy",
            "GET / HTTP/1.1\nHost: localhost\nForwarded: for=1.2.3.4",
            "GET / HTTP/1.1\nHost: localhost\nX-Real-IP: 1.2.3.4",
        ] {
            assert_eq!(status(bad, &open), Err(403), "{bad}");
        }
    }

    #[test]
    fn with_a_key_origins_and_the_key_decide() {
        let keyed = keyed();
        for good in [
            "GET /channels/a HTTP/1.1\nHost: example.com",
            "GET /channels/a HTTP/1.1\nHost: example.com\nX-Forwarded-For: 1.2.3.4",
            "GET /channels/a HTTP/1.1\nHost: example.com\nOrigin: https://example.com",
            "GET /channels/a HTTP/1.1\nHost: example.com\nOrigin: https://shop.example",
            "POST /channels/a HTTP/1.1\nHost: example.com\nAuthorization: Bearer secret",
            "GET /stats HTTP/1.1\nHost: example.com\nAuthorization: bearer secret",
            "GET /metrics HTTP/1.1\nHost: example.com\nAuthorization: Bearer secret",
            "GET /dashboard HTTP/1.1\nHost: example.com",
            "GET /dashboard/events HTTP/1.1\nHost: example.com\nAuthorization: Bearer secret",
        ] {
            assert!(status(good, &keyed).is_ok(), "{good}");
        }
        for (expect, bad) in [
            (403, "GET /channels/a HTTP/1.1\nHost: example.com\nOrigin: https://evil.example"),
            (401, "POST /channels/a HTTP/1.1\nHost: example.com"),
            (401, "POST /channels/a HTTP/1.1\nHost: example.com\nAuthorization: Bearer wrong"),
            (401, "POST /channels/a HTTP/1.1\nHost: example.com\nAuthorization: Basic c2VjcmV0"),
            (401, "GET /channels/a/presence HTTP/1.1\nHost: example.com"),
            (401, "DELETE /channels/a HTTP/1.1\nHost: example.com"),
            (401, "GET /channels HTTP/1.1\nHost: example.com"),
            (401, "GET /stats HTTP/1.1\nHost: example.com"),
            (401, "GET /metrics HTTP/1.1\nHost: example.com"),
            (401, "GET /dashboard/events HTTP/1.1\nHost: example.com"),
            (403, "GET /channels/private_a HTTP/1.1\nHost: example.com"),
        ] {
            assert_eq!(status(bad, &keyed), Err(expect), "{bad}");
        }
    }

    #[test]
    fn a_tenant_has_its_own_urls() {
        let shop =
            Tenant { name: "shop".into(), publish_key: Some("k".into()), ..Tenant::default() };
        let settings = Settings { tenants: vec![Tenant::default(), shop], ..Settings::default() };
        let request = "GET /shop/channels/a HTTP/1.1\nHost: localhost";
        assert_eq!(status(request, &settings).unwrap().tenant, TenantId(1));
        let request = "GET /channels/shop HTTP/1.1\nHost: localhost";
        assert_eq!(status(request, &settings).unwrap().tenant, TenantId(0));
        assert_eq!(status("GET /shops/channels/a HTTP/1.1\nHost: localhost", &settings), Err(404));
        let key = "Authorization: Bearer k";
        for path in ["stats", "metrics", "dashboard", "dashboard/events"] {
            let request = format!("GET /shop/{path} HTTP/1.1\nHost: localhost\n{key}");
            assert_eq!(status(&request, &settings), Err(404), "{path} is of the whole server");
        }
        let mut settings = settings;
        settings.tenants[1].is_removed = true;
        assert_eq!(status("GET /shop/channels/a HTTP/1.1\nHost: localhost", &settings), Err(404));
    }

    #[test]
    fn echo_endpoints_are_open_to_all() {
        let echo = Echo { path: "/ws.php".into(), is_reversed: true };
        let settings = Settings { echoes: vec![echo], ..Settings::default() };
        let request = "GET /ws.php HTTP/1.1\nHost: example.com\nOrigin: https://evil.example";
        assert_eq!(status(request, &settings).unwrap().route, Route::Echo { is_reversed: true });
    }

    #[test]
    fn the_script_is_open_to_all_origins() {
        let request = "GET /CometServerApi.js HTTP/1.1\nOrigin: https://evil.example\nHost:";
        for settings in [Settings::default(), keyed()] {
            let route = status(&format!("{request} localhost"), &settings).unwrap().route;
            assert_eq!(route, Route::Script { script: Script::Classic, is_known: false });
            let post = "POST /CometServerApi.mjs HTTP/1.1\nHost: localhost";
            assert_eq!(status(post, &settings), Err(405));
        }
        assert!(status(&format!("{request} example.com"), &keyed()).is_ok());
        assert_eq!(status(&format!("{request} example.com"), &Settings::default()), Err(403));
    }

    #[test]
    fn wrong_methods_and_paths() {
        let open = Settings::default();
        for (expect, line) in [
            (405, "POST / HTTP/1.1"),
            (405, "PUT /channels/a HTTP/1.1"),
            (405, "POST /channels HTTP/1.1"),
            (405, "DELETE /stats HTTP/1.1"),
            (405, "POST /metrics HTTP/1.1"),
            (405, "POST /dashboard HTTP/1.1"),
            (404, "GET /dashboard/other HTTP/1.1"),
            (404, "GET /nothing HTTP/1.1"),
            (404, "GET /channelsx HTTP/1.1"),
            (404, "GET /channels/a/b HTTP/1.1"),
            (400, "GET /channels/a%zz HTTP/1.1"),
            (400, "GET /channels/a%20b HTTP/1.1"),
            (400, "DELETE /channels/a,b HTTP/1.1"),
        ] {
            assert_eq!(status(&format!("{line}\nHost: localhost"), &open), Err(expect), "{line}");
        }
    }
}
