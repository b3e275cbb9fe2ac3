//! What arrived, for tests that count requests or stop the world at one of them.

use jiff::Timestamp;

use crate::routes::{Route, Service};

/// A request that was read completely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// 1 for the first.
    pub seq: usize,
    pub service: Service,
    pub route: Route,
    pub method: String,
    pub path: String,
    pub query: String,
    /// `None` while there is no answer, and where a fault dropped the request before it took effect.
    pub status: Option<u16>,
    pub at: Timestamp,
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Read completely; the world knows nothing of it.
    Before,
    /// The world has changed; no byte of the answer has left.
    After,
    /// The answer is with the socket to its last byte.
    Answered,
}

/// What a hook is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestEvent {
    pub phase: Phase,
    pub request: Seen,
}

/// Requests by sort, as `sync --json` counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Data calls of Garmin.
    pub garmin_api: usize,
    /// Data calls of Strava.
    pub strava_api: usize,
    /// Calls of the three token endpoints.
    pub tokens: usize,
    /// Pages, revocations, everything else.
    pub other: usize,
}

impl Counts {
    pub(super) fn of(log: &[Seen]) -> Counts {
        let mut counts = Counts::default();
        for seen in log {
            let counter = match seen.route {
                route if route.is_garmin_api() => &mut counts.garmin_api,
                route if route.is_strava_api() => &mut counts.strava_api,
                route if route.is_token() => &mut counts.tokens,
                _ => &mut counts.other,
            };
            *counter += 1;
        }
        counts
    }
}
