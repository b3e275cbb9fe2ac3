//! Garmin Connect: athletes, their activities with files, the ways in, and how it refuses.
//!
//! Two hosts serve the same data: the Personal API and the apps' API (dossier garmin.md §0). They differ in the
//! bearer that they accept and in a few paths that only the apps' host has.
//!
//! Signing in with a password or a browser is the third host's matter (`sso`).

mod activity;
mod archive;
mod download;
mod json;
mod list;
mod routes;
pub mod sso;
mod tokens;
mod types;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

pub use activity::{Durations, GarminActivity, Keys};
pub use archive::{Entry, archive};
pub(crate) use download::NotHandedOut;
pub use download::Parcel;
pub use list::{BadQuery, ListQuery};
use sso::Sso;
pub use tokens::{DiPair, Tier, Tokens};
pub use types::{numbers as type_numbers, parent_key};

/// The account that [`Garmin::default`] comes with.
pub const ATHLETE: u64 = 1_000_001;

/// The Personal API key that [`Garmin::default`] comes with.
pub const API_KEY: &str = "sandbox-garmin-personal-api-key";

/// One of Garmin's two separate worlds of accounts (dossier garmin.md §1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Region {
    /// `garmin.com`
    #[default]
    World,
    /// `garmin.cn`
    China,
}

impl Region {
    pub fn domain(self) -> &'static str {
        match self {
            Region::World => "garmin.com",
            Region::China => "garmin.cn",
        }
    }
}

/// Garmin's half of the world.
#[derive(Clone, Debug)]
pub struct Garmin {
    pub athletes: BTreeMap<u64, GarminAthlete>,
    pub activities: BTreeMap<u64, GarminActivity>,
    pub tokens: Tokens,
    /// Who may sign in, and how.
    pub sso: Sso,
    /// Requests to the data hosts that are let through; `None`: all.
    pub limiter: Option<Limiter>,
    /// The largest `limit` that a list request may name.
    pub list_limit_max: u64,
    /// A page beyond the last is answered 204 and not with an empty array (dossier garmin.md §6: 204 is "no data").
    pub empty_page_is_204: bool,
    /// Where the next activity gets its number from.
    pub next_id: u64,
}

#[derive(Clone, Debug)]
pub struct GarminAthlete {
    pub display_name: String,
    pub full_name: String,
    /// IANA name, as the profile gives it.
    pub time_zone: String,
}

/// So many requests per window of that length; windows begin with their first request.
#[derive(Clone, Debug)]
pub struct Limiter {
    pub requests: u32,
    pub window: SignedDuration,
    /// Whether the 429 says how long to wait (the Personal API does, dossier garmin.md §0.1).
    pub says_when: bool,
    started: Option<Timestamp>,
    used: u32,
}

impl Limiter {
    pub fn new(requests: u32, window: SignedDuration) -> Limiter {
        Limiter { requests, window, says_when: true, started: None, used: 0 }
    }

    /// `Err` holds the seconds to wait. Refused requests count as well.
    pub(crate) fn admit(&mut self, now: Timestamp) -> Result<(), u32> {
        let started = match self.started {
            Some(started) if now < started + self.window => started,
            _ => {
                self.used = 0;
                now
            }
        };
        self.started = Some(started);
        self.used += 1;
        if self.used <= self.requests {
            return Ok(());
        }
        let left = (started + self.window).duration_since(now).as_secs() + 1;
        Err(u32::try_from(left).unwrap_or(u32::MAX))
    }
}

impl Default for Garmin {
    /// One athlete, one API key, no activity, no limits.
    fn default() -> Garmin {
        let athlete = GarminAthlete {
            display_name: "sample-user".to_owned(),
            full_name: "Sample Athlete".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
        };
        let mut tokens = Tokens::default();
        tokens.add_key(API_KEY, ATHLETE);
        Garmin {
            athletes: BTreeMap::from([(ATHLETE, athlete)]),
            activities: BTreeMap::new(),
            tokens,
            sso: Sso::default(),
            limiter: None,
            list_limit_max: 1000,
            empty_page_is_204: false,
            // Above 2^34, where real numbers are: nothing may keep them in 32 bits (dossier garmin.md §6.2).
            next_id: 20_000_000_001,
        }
    }
}

impl Garmin {
    /// Takes an activity in. An id of 0 is replaced by the next free one; the id that it has is returned.
    pub fn add(&mut self, mut activity: GarminActivity) -> u64 {
        if activity.id == 0 {
            activity.id = self.next_id;
        }
        self.next_id = self.next_id.max(activity.id + 1);
        let id = activity.id;
        self.activities.insert(id, activity);
        id
    }
}
