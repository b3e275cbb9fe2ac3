//! *Blame*: trouble with a service pauses the service and uses up no activity's attempts. And *Time*:
//! how far our clock and a service's are apart.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::report::Note;
use super::{Halt, Tick};
use crate::head::{Pause, PauseCause};
use crate::moment::{earlier, later};
use crate::planted::{self, Fault};
use crate::ports::{Answer, Failure, PortError, Service};

/// A skew that is told.
const SKEW_TOLD: SignedDuration = SignedDuration::from_secs(30);
const INACTIVE: SignedDuration = SignedDuration::from_hours(24);
/// A `Retry-After` of next century is a mistake; nobody can clear the pause of a 429.
const RETRY_AFTER_MAX: SignedDuration = SignedDuration::from_hours(24);
/// A pause that has ended before it begins would let the tick ask again at once, and again.
const PAUSE_MIN: SignedDuration = SignedDuration::from_secs(1);
/// The least wait after a Garmin 429 doubles up to this.
const LIMITED_MINUTES_MAX: u32 = 15;

impl Tick<'_> {
    /// Notes a good answer and what came with it.
    pub(super) fn well<T>(&mut self, service: Service, answer: Answer<T>) -> T {
        self.well.insert(service);
        self.trouble.remove(&service);
        self.read_time(service, answer.server_time);
        answer.value
    }

    /// Books a failure on the service; what no pause can mend ends the tick.
    pub(super) fn blame(&mut self, service: Service, failure: Failure) -> Result<(), Halt> {
        self.read_time(service, failure.server_time);
        let error = failure.error;
        // A client may be told of the other service only through its login; the error names it.
        let service = match &error {
            PortError::LoginNeeded { service, .. }
            | PortError::Misconfigured { service, .. }
            | PortError::Limited { service, .. }
            | PortError::Down { service, .. }
            | PortError::Refused { service, .. } => *service,
            PortError::AppInactive { .. } | PortError::BudgetFull { .. } => Service::Strava,
            // The row goes on in the next tick. A list that could not be read is work left all the same.
            PortError::OutOfTime => {
                if service == Service::Garmin {
                    self.trouble.insert(service, error);
                }
                return Ok(());
            }
            PortError::Moved { .. } => return Err(Halt::Port(error)),
            PortError::Busy => return Err(Halt::Busy),
            PortError::Store(error) => return Err(Halt::Store(error.clone())),
        };
        if let (Some(course), PortError::BudgetFull { until }) = (&mut self.history, &error) {
            // What is left is the everyday tick's: the history waits, and Strava is not paused.
            course.spent_until = Some(*until);
            return Ok(());
        }
        let pause = self.pause_for(service, &error);
        // A 429 that another run met meanwhile holds as long as it said.
        if self.limit_of(service).is_none_or(|limit| pause.until.is_none_or(|until| until > limit)) {
            self.head.set_pause(service, Some(pause));
        }
        self.trouble.insert(service, error);
        Ok(())
    }

    /// The end of a 429's pause that holds.
    fn limit_of(&self, service: Service) -> Option<Timestamp> {
        let pause =
            self.head.paused(service, self.now()).filter(|_| !planted::has(Fault::LimitIsReplaced))?;
        pause.until.filter(|_| pause.cause == PauseCause::Limit)
    }

    fn pause_for(&mut self, service: Service, error: &PortError) -> Pause {
        let now = self.now();
        let timing = &self.settings.timing;
        let after = |wait: SignedDuration| Some(later(now, wait));
        // Windows end by Strava's clock; a pause ends by ours (*Time*).
        let ahead = self.strava_skew;
        let on_our_clock = |moment: Timestamp| earlier(moment, ahead).max(later(now, PAUSE_MIN));
        let rung = match service {
            Service::Garmin => &mut self.head.garmin_rung,
            Service::Strava => &mut self.head.strava_rung,
        };
        let mut next_rung = || {
            let wait = timing.pause(*rung);
            *rung += 1;
            wait
        };
        let (cause, until) = match error {
            PortError::LoginNeeded { .. } => (PauseCause::LoginNeeded, None),
            PortError::Misconfigured { .. } => (PauseCause::Misconfigured, None),
            PortError::Limited { service: Service::Garmin, until, retry_after } => {
                let minutes = (self.head.garmin_429_minutes * 2).clamp(1, LIMITED_MINUTES_MAX);
                self.head.garmin_429_minutes = minutes;
                let least = timing.scaled(SignedDuration::from_mins(i64::from(minutes)));
                let asked = retry_after.map(to_signed).unwrap_or_default().min(RETRY_AFTER_MAX);
                (PauseCause::Limit, after(least.max(asked)).max(*until))
            }
            PortError::Limited { service: Service::Strava, until, .. } => {
                let until = until.unwrap_or_else(|| crate::budget::next_quarter(later(now, ahead)));
                (PauseCause::Limit, Some(on_our_clock(until)))
            }
            PortError::AppInactive { until } => {
                (PauseCause::Inactive, until.map(on_our_clock).or_else(|| after(timing.scaled(INACTIVE))))
            }
            PortError::BudgetFull { until } => (PauseCause::Budget, Some(on_our_clock(*until))),
            PortError::Down { .. } => (PauseCause::Down, after(next_rung())),
            PortError::Refused { .. }
            | PortError::OutOfTime
            | PortError::Moved { .. }
            | PortError::Busy
            | PortError::Store(_) => (PauseCause::Error, after(next_rung())),
        };
        let key = self.ports.source.own_key().filter(|_| service == Service::Garmin);
        Pause { cause, until, what: error.detail(), key }
    }

    /// A service's time is kept for its windows; a skew that matters is told once.
    pub(super) fn read_time(&mut self, service: Service, server_time: Option<Timestamp>) {
        let Some(server_time) = server_time else { return };
        let skew = self.now().duration_until(server_time);
        let kept = match service {
            Service::Garmin => &mut self.garmin_skew,
            Service::Strava => &mut self.strava_skew,
        };
        // `Date` counts whole seconds: less than two is no skew.
        *kept = if skew.abs() < SignedDuration::from_secs(2) { SignedDuration::ZERO } else { skew };
        let told = self.notes.iter().any(|note| matches!(note, Note::Skew(of, _) if *of == service));
        if skew.abs() > SKEW_TOLD && !told {
            self.notes.push(Note::Skew(service, skew));
        }
    }

    /// At the end of a tick: a service that answered well and gave no trouble starts afresh on its ladder.
    pub(super) fn keep_what_services_did(&mut self) {
        for service in [Service::Garmin, Service::Strava] {
            if !self.well.contains(&service) || self.trouble.contains_key(&service) {
                continue;
            }
            // What answered well before another run was answered 429 says nothing against that.
            if self.limit_of(service).is_none() {
                self.head.set_pause(service, None);
            }
            match service {
                Service::Garmin => {
                    self.head.garmin_rung = 0;
                    self.head.garmin_429_minutes /= 2;
                }
                Service::Strava => self.head.strava_rung = 0,
            }
        }
    }
}

fn to_signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
