//! *Head*: one small item per athlete that says whether a tick has anything to do.
//!
//! An idle tick reads the head and nothing else of the store, however long the ledger is. Where ledger
//! and vault are one store, the bearers lie beside the head in the same read; that is the store's matter.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::budget::View;
use crate::ledger::{Cause, Counts};
use crate::ports::{PortError, Service};

/// What the head says. `Default` is the head of a store that has seen no tick.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Head {
    /// Hash of the newest page's ids, names and types; `None` until all of it is in the ledger.
    pub fingerprint: Option<u64>,
    /// The earliest moment at which something other than the newest page wants a look; `None` is now.
    pub next_due: Option<Timestamp>,
    pub counts: Counts,
    /// A run wrote rows and has not written the head since: its counts cannot be trusted.
    pub dirty: bool,
    pub garmin_pause: Option<Pause>,
    pub strava_pause: Option<Pause>,
    /// How far up the ladder of pauses each service is; back to 0 by a request that succeeds.
    pub garmin_rung: u32,
    pub strava_rung: u32,
    /// The least wait after a Garmin 429, in minutes: doubling to 15, halved by each good tick; 0 is none.
    pub garmin_429_minutes: u32,
    pub last_change: Option<Timestamp>,
    /// The start date that the first tick kept, where the configuration names none.
    pub since_kept: Option<Date>,
    pub sweep: Sweep,
    pub link: Link,
    pub budget: Option<View>,
    /// When Garmin's bearer wants to be renewed; `None` where there is none yet.
    pub bearer_due: Option<Timestamp>,
    /// Where the secrets live, as `[store] vault` writes it; `None`: in the store itself.
    pub vault: Option<String>,
    /// The store that logins or ledger moved to: from here nothing is carried any more, since two stores for
    /// one athlete could double an activity (*Doubt*).
    pub moved_to: Option<String>,
}

/// A service that is not asked for a while (*Blame*).
#[derive(Clone, Debug, PartialEq)]
pub struct Pause {
    pub cause: PauseCause,
    /// `None`: until `login`.
    pub until: Option<Timestamp>,
    /// What was seen, for people.
    pub what: String,
    /// Tells the key from outside the vault that it was seen with: another one ends the pause.
    pub key: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseCause {
    /// A login ended, or a scope is missing.
    LoginNeeded,
    /// The app's client id or secret is wrong.
    Misconfigured,
    /// 429.
    Limit,
    /// Our own account is spent.
    Budget,
    /// 5xx, no network.
    Down,
    /// A refusal that the protocol does not know.
    Error,
    /// 403 Application/Status/Inactive.
    Inactive,
}

impl Pause {
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }

    /// The error that began it, as far as it is kept.
    pub fn as_error(&self, service: Service) -> PortError {
        let what = self.what.clone();
        match self.cause {
            PauseCause::LoginNeeded => PortError::LoginNeeded { service, why: what },
            PauseCause::Misconfigured => PortError::Misconfigured { service, what },
            PauseCause::Limit => PortError::Limited { service, until: self.until, retry_after: None },
            PauseCause::Budget => PortError::BudgetFull { until: self.until.unwrap_or(Timestamp::MAX) },
            PauseCause::Down => PortError::Down { service, status: None, what },
            PauseCause::Error => PortError::Refused { service, status: None, what },
            PauseCause::Inactive => PortError::AppInactive { until: self.until },
        }
    }

    /// As rows that wait for the service show it.
    pub fn shown_as(&self, service: Service) -> Cause {
        match (service, self.cause) {
            (Service::Garmin, PauseCause::Limit | PauseCause::Budget) => Cause::GarminLimit,
            (Service::Garmin, _) => Cause::GarminDown,
            (Service::Strava, PauseCause::Limit) => Cause::StravaLimit,
            (Service::Strava, PauseCause::Budget) => Cause::Budget,
            (Service::Strava, PauseCause::Down) => Cause::StravaDown,
            (Service::Strava, PauseCause::Inactive) => Cause::StravaInactive,
            (Service::Strava, _) => Cause::StravaError,
        }
    }
}

/// How far back the list has been read (*Far enough back*).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sweep {
    pub last_complete: Option<Timestamp>,
    /// The last complete one that went all the way back to `since`.
    pub last_full: Option<Timestamp>,
    pub running: Option<Running>,
}

/// A sweep that a tick did not finish.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    pub started: Timestamp,
    /// `None`: to the end of the list.
    pub back_to: Option<Date>,
    pub full: bool,
    /// The oldest day seen; the next tick goes on there.
    pub reached: Option<Date>,
}

/// *Garmin's own link*.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// `None`: not looked yet.
    pub on: Option<bool>,
    /// The last look over 60 days.
    pub looked: Option<Timestamp>,
}

impl Head {
    pub fn pause(&self, service: Service) -> Option<&Pause> {
        match service {
            Service::Garmin => self.garmin_pause.as_ref(),
            Service::Strava => self.strava_pause.as_ref(),
        }
    }

    pub fn paused(&self, service: Service, now: Timestamp) -> Option<&Pause> {
        self.pause(service).filter(|pause| pause.holds(now))
    }

    pub fn set_pause(&mut self, service: Service, pause: Option<Pause>) {
        match service {
            Service::Garmin => self.garmin_pause = pause,
            Service::Strava => self.strava_pause = pause,
        }
    }

    /// `login`, `doctor` and `retry` clear all pauses but a 429's (*Blame*), and make the next tick look.
    pub fn clear_pauses(&mut self) {
        for service in [Service::Garmin, Service::Strava] {
            if self.pause(service).is_some_and(|pause| pause.cause != PauseCause::Limit) {
                self.set_pause(service, None);
            }
        }
        self.garmin_rung = 0;
        self.strava_rung = 0;
        self.next_due = None;
    }
}
