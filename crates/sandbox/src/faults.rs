//! What may go wrong between a client and the services, on demand.
//!
//! A fault names the requests that it hits ([`Route`]), when ([`When`]) and what happens then ([`What`]). Whether
//! the request still took effect is the point of most of them, so it is part of the name.
//!
//! Not here: what the services themselves refuse (limits, tokens, bad files), and what one activity's download
//! gives (`garmin::Parcel`).

use std::time::Duration;

use jiff::Timestamp;

use crate::message::{Framing, Reply};
use crate::rng::Rng;
use crate::routes::Route;

/// One arranged misfortune.
#[derive(Clone, Debug)]
pub struct Fault {
    pub route: Route,
    pub when: When,
    pub what: What,
}

/// Which of the requests on the route are hit, counted from the moment the fault was set.
#[derive(Clone, Debug)]
pub enum When {
    /// Only the n-th; the first is 1.
    Nth(u32),
    /// The next n.
    Next(u32),
    Always,
    /// All before that moment.
    Until(Timestamp),
    /// All from the first moment on, before the second.
    Between(Timestamp, Timestamp),
    /// By the world's dice.
    Percent(u8),
}

/// What happens to a request that is hit.
#[derive(Clone, Debug)]
pub enum What {
    /// Answered with this status by something in front of the service: HTML for 5xx, as a CDN does, JSON else. No effect.
    Status(u16),
    /// The service does its work, the answer is replaced by this status.
    StatusAfterEffect(u16),
    /// Answered with exactly this. No effect.
    Answer(Reply),
    /// 429, with `Retry-After` in seconds where there is one. No effect.
    TooManyRequests { retry_after: Option<u32> },
    /// A web page where data was promised, with this status, 200 included. No effect.
    Html(u16),
    /// A redirect. No effect.
    Redirect { status: u16, location: String },
    /// The connection ends before the service has seen the request.
    DropBefore,
    /// The service does its work and the connection ends without an answer.
    DropAfter,
    /// The answer's body takes this long to arrive.
    SlowBody(Duration),
    /// The service does its work; half of the body arrives, properly ended.
    HalfBody,
    /// The service does its work; half of the body arrives, then the connection ends.
    CutBody,
    /// What only a real connection can do wrong.
    Wire(Wire),
}

/// Trouble of the connection itself. Only sockets show it: without them, an effect stays an effect and all else
/// is a connection that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// The connection is reset (RST) before the service has seen the request.
    ResetBefore,
    /// The service does its work, then the connection is reset.
    ResetAfter,
    /// The request is read and nobody ever answers. No effect.
    SilenceBefore,
    /// The service does its work and no answer ever comes.
    SilenceAfter,
    /// The service does its work; half of the body arrives, then nothing more, and the connection stays.
    SilentBody,
    /// The service does its work; `Content-Length` is wrong by so many bytes, then the connection ends.
    Length(i64),
    /// The service does its work; what comes back is no HTTP.
    Garbage,
    /// The service does its work; after the body come so many bytes of blanks.
    Blanks(usize),
    /// The service does its work; the body says that it is gzip and unpacks to so many bytes of blanks.
    Bomb(usize),
}

impl Wire {
    /// Whether the service has seen the request.
    pub fn has_effect(self) -> bool {
        !matches!(self, Wire::ResetBefore | Wire::SilenceBefore)
    }
}

/// The faults that are set, with how often each route was asked since.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    armed: Vec<Armed>,
}

#[derive(Clone, Debug)]
struct Armed {
    fault: Fault,
    seen: u32,
}

impl Faults {
    pub fn push(&mut self, fault: Fault) {
        self.armed.push(Armed { fault, seen: 0 });
    }

    pub fn clear(&mut self) {
        self.armed.clear();
    }

    /// The first fault that hits this request. Every fault on the route counts the request, hit or not.
    pub(crate) fn strike(&mut self, route: Route, now: Timestamp, rng: &mut Rng) -> Option<What> {
        let mut struck = None;
        for armed in &mut self.armed {
            if !armed.fault.route.covers(route) {
                continue;
            }
            armed.seen += 1;
            let hits = match armed.fault.when {
                When::Nth(n) => armed.seen == n,
                When::Next(n) => armed.seen <= n,
                When::Always => true,
                When::Until(end) => now < end,
                When::Between(from, end) => from <= now && now < end,
                When::Percent(percent) => rng.chance(percent),
            };
            if hits && struck.is_none() {
                struck = Some(armed.fault.what.clone());
            }
        }
        struck
    }
}

/// The answer of something in front of a service.
pub(crate) fn gateway(status: u16) -> Reply {
    if status < 500 {
        let body = serde_json::json!({"message": format!("HTTP {status}"), "error": "GatewayException"});
        return Reply::json(status, "application/json", &body);
    }
    Reply::html(
        status,
        &format!(
            "<html>\r\n<head><title>{status} Bad Gateway</title></head>\r\n<body>\r\n<center><h1>{status} Bad \
             Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
        ),
    )
}

/// What a login page or a bot check looks like to a client that expects data.
pub(crate) fn web_page(status: u16) -> Reply {
    Reply::html(
        status,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><title>Sign In</title></head>\
         <body><h1>Sign in to continue</h1></body></html>",
    )
}

pub(crate) fn too_many(retry_after: Option<u32>) -> Reply {
    let reply =
        Reply { framing: Framing::Sized, ..Reply::html(429, "<html><body>Too Many Requests</body></html>") };
    match retry_after {
        Some(seconds) => reply.with_header("Retry-After", &seconds.to_string()),
        None => reply,
    }
}
