//! The second skin: the world asked by calls, for simulations that make millions of requests.
//!
//! A call stands for one request that has arrived, at `now`. It goes the way of [`World::answer`]: what is due
//! happens first, a fault may strike, then token, count, limit and permission, then the thing itself. What comes
//! back is what an answer *means*, with borrowed values in place of JSON. Time on the way, lost answers and
//! everything that a client makes of it belong to the caller.
//!
//! Here: the calls that a sync makes. Not here: consent pages, tickets, profiles; those have only the HTTP skin.

mod garmin;
mod strava;

use jiff::Timestamp;

use crate::faults::What;
use crate::routes::Route;
use crate::strava::{PerWindow, Refusal};
use crate::world::World;

pub use garmin::HandedOut;
pub use strava::Shown;

/// What can be heard of a request.
#[derive(Debug)]
pub struct Heard<T> {
    pub answer: Result<T, Denial>,
    /// `Date`, which counts whole seconds.
    pub date: Timestamp,
    /// Strava's account of requests after this one, where the answer has the headers.
    pub rates: Option<Rates>,
    /// The fault that is left to whoever carries the answer, as in [`crate::Outcome`].
    pub fault: Option<What>,
}

/// An answer that is not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The connection ended before the service saw the request.
    Unseen,
    /// Garmin in its own JSON, or a 401 without a body.
    Garmin {
        status: u16,
        message: String,
    },
    /// Strava in its own JSON.
    Strava(Refusal),
    /// Something in front of the service, with this status and a body of its own.
    Gateway(u16),
    /// 429 by something in front of the service, with `Retry-After` in seconds where there is one.
    TooMany {
        retry_after: Option<u32>,
    },
    /// A web page with this status, 200 included.
    WebPage(u16),
    Redirect(u16),
    /// The service did its work; half of the answer arrived, properly ended.
    Half,
}

/// The rate-limit headers of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    pub overall_limit: PerWindow,
    pub overall_used: PerWindow,
    /// Absent on 401 and 404.
    pub read_limit: Option<PerWindow>,
    /// Empty on uploads as well.
    pub read_used: Option<PerWindow>,
}

/// What becomes of a request at the door.
enum Door {
    /// The service does its work. The denial, where there is one, is what is heard instead of its answer.
    Open { heard_instead: Option<Denial>, left: Option<What> },
    /// Nothing is done.
    Shut(Denial),
}

impl World {
    fn door(&mut self, route: Route, now: Timestamp) -> Door {
        self.settle(now);
        let open = |heard_instead, left| Door::Open { heard_instead, left };
        match self.faults.strike(route, now, &mut self.rng) {
            None => open(None, None),
            Some(left @ (What::DropAfter | What::SlowBody(_) | What::CutBody)) => open(None, Some(left)),
            Some(What::Wire(wire)) if wire.has_effect() => open(None, Some(What::DropAfter)),
            Some(What::Wire(_)) => Door::Shut(Denial::Unseen),
            Some(What::StatusAfterEffect(status)) => open(Some(Denial::Gateway(status)), None),
            Some(What::HalfBody) => open(Some(Denial::Half), None),
            Some(What::DropBefore) => Door::Shut(Denial::Unseen),
            Some(What::Status(status)) => Door::Shut(Denial::Gateway(status)),
            Some(What::Answer(reply)) => Door::Shut(Denial::Gateway(reply.status)),
            Some(What::TooManyRequests { retry_after }) => Door::Shut(Denial::TooMany { retry_after }),
            Some(What::Html(status)) => Door::Shut(Denial::WebPage(status)),
            Some(What::Redirect { status, .. }) => Door::Shut(Denial::Redirect(status)),
        }
    }
}

impl<T> Heard<T> {
    fn new(answer: Result<T, Denial>, now: Timestamp) -> Heard<T> {
        let date = Timestamp::from_second(now.as_second()).unwrap_or(now);
        Heard { answer, date, rates: None, fault: None }
    }

    /// The same with another answer.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Heard<U> {
        let Heard { answer, date, rates, fault } = self;
        Heard { answer: answer.map(change), date, rates, fault }
    }
}
