//! Requests per app: two limits, two windows each (dossier strava.md §4).
//!
//! The windows are fixed: quarters of the clock's hour, days of UTC. Every request counts, also one that is
//! refused, so that a storm of retries burns the day.

use jiff::Timestamp;

use super::Class;
use crate::message::Reply;
use crate::rng::Rng;

/// A number for the quarter of an hour and one for the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerWindow {
    pub quarter: u32,
    pub day: u32,
}

/// What an app may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub overall: PerWindow,
    /// All but uploads.
    pub read: PerWindow,
}

impl Limits {
    pub const NEW_APP: Limits = Limits {
        overall: PerWindow { quarter: 200, day: 2000 },
        read: PerWindow { quarter: 100, day: 1000 },
    };
    pub const UPGRADED: Limits = Limits {
        overall: PerWindow { quarter: 400, day: 4000 },
        read: PerWindow { quarter: 200, day: 2000 },
    };
    /// So high that no test meets them.
    pub const LIFTED: Limits = Limits {
        overall: PerWindow { quarter: 1_000_000, day: 1_000_000 },
        read: PerWindow { quarter: 1_000_000, day: 1_000_000 },
    };
}

/// What an app has done in the windows that are running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    quarter_number: i64,
    day_number: i64,
    overall: (u32, u32),
    read: (u32, u32),
}

impl Usage {
    /// Counts a request, and says whether it is over a limit.
    pub(super) fn charge(&mut self, class: Class, limits: &Limits, now: Timestamp) -> bool {
        self.turn(now);
        self.overall = (self.overall.0 + 1, self.overall.1 + 1);
        let over = |used: (u32, u32), limit: PerWindow| used.0 > limit.quarter || used.1 > limit.day;
        if class == Class::Upload {
            return over(self.overall, limits.overall);
        }
        self.read = (self.read.0 + 1, self.read.1 + 1);
        over(self.overall, limits.overall) || over(self.read, limits.read)
    }

    /// What has been used at that moment: overall, read.
    pub fn at(mut self, now: Timestamp) -> (PerWindow, PerWindow) {
        self.turn(now);
        let per_window = |(quarter, day)| PerWindow { quarter, day };
        (per_window(self.overall), per_window(self.read))
    }

    /// As though other tools had used the app.
    pub fn set(&mut self, overall: PerWindow, read: PerWindow, now: Timestamp) {
        self.turn(now);
        self.overall = (overall.quarter, overall.day);
        self.read = (read.quarter, read.day);
    }

    fn turn(&mut self, now: Timestamp) {
        let second = now.as_second();
        let (quarter, day) = (second.div_euclid(15 * 60), second.div_euclid(24 * 3600));
        if quarter != self.quarter_number {
            self.quarter_number = quarter;
            (self.overall.0, self.read.0) = (0, 0);
        }
        if day != self.day_number {
            self.day_number = day;
            (self.overall.1, self.read.1) = (0, 0);
        }
    }

    /// The four headers. On uploads the read usage is empty (dossier strava.md §4.4); some answers lack the read
    /// pair altogether, and the spelling varies.
    pub(super) fn headers(&self, reply: Reply, class: Class, limits: &Limits, rng: &mut Rng) -> Reply {
        let pair = |window: PerWindow| format!("{},{}", window.quarter, window.day);
        let used = |(quarter, day): (u32, u32)| format!("{quarter},{day}");
        let lower = rng.chance(50);
        let name = |name: &str| if lower { name.to_ascii_lowercase() } else { name.to_owned() };
        let bare = matches!(reply.status, 401 | 404);
        let reply = reply
            .with_header(&name("X-RateLimit-Limit"), &pair(limits.overall))
            .with_header(&name("X-RateLimit-Usage"), &used(self.overall));
        if bare {
            return reply;
        }
        let read = if class == Class::Upload { ",".to_owned() } else { used(self.read) };
        reply
            .with_header(&name("X-ReadRateLimit-Limit"), &pair(limits.read))
            .with_header(&name("X-ReadRateLimit-Usage"), &read)
    }
}
