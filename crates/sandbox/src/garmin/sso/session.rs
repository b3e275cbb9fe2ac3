//! A visit to the sign-in host: what its cookies stand for.

use jiff::Timestamp;

use crate::message::{Reply, Request};

/// What the page gave, by the value of the cookie `SESSION`.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// When the page was loaded.
    pub(super) since: Timestamp,
    /// The whole URL of the page, which what follows must name as its `Referer`.
    pub(super) page: String,
    /// The browser, by its own word.
    pub(super) agent: String,
    /// The parameters that the page was opened with.
    pub(super) client: String,
    pub(super) service: String,
    /// The hidden field of the forms; made anew with each page.
    pub(super) csrf: String,
    /// The password was right and a code is waited for.
    pub(super) pending: Option<Pending>,
}

#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) email: String,
    pub(super) since: Timestamp,
    pub(super) wrong: u32,
}

/// The value of a cookie.
pub(super) fn cookie<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let cookies = request.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case("cookie"));
    cookies
        .flat_map(|(_, value)| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// Loopback has no TLS, so the cookies lack the `Secure` that Garmin's have.
pub(super) fn set_cookie(reply: Reply, name: &str, value: &str) -> Reply {
    reply.with_header("Set-Cookie", &format!("{name}={value}; Path=/; HttpOnly"))
}

/// Where this host is, by the request's own word: `http://127.0.0.1:PORT`.
pub(super) fn origin(request: &Request) -> String {
    format!("http://{}", request.header("host").unwrap_or_default())
}

/// The URL that was asked for.
pub(super) fn full_url(request: &Request) -> String {
    let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
    format!("{}{}{query}", origin(request), request.path)
}
