//! *Budget*: the account of requests of one Strava app, per window.
//!
//! Strava counts in quarter hours of the clock and in UTC days (dossier strava.md §4.2), everything in
//! *overall*, everything but uploads in *read* as well. The account is charged before a request leaves
//! and corrected by every answer, so that it never lags behind what we know. Pure: time is an argument;
//! where the account is kept, and how the charge is made atomic, is the store's matter.

use jiff::Timestamp;

/// Whether a request counts as a read (dossier strava.md §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Everything but an upload: counts twice.
    Read,
    Upload,
}

/// Whose request it is: the history leaves a reserve for the everyday tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Everyday,
    Backfill,
}

impl Purpose {
    /// What this purpose leaves to the other one, in a quarter of an hour and in a day.
    fn reserve(self) -> (u32, u32) {
        match self {
            Purpose::Everyday => (0, 0),
            Purpose::Backfill => (RESERVE_15MIN, RESERVE_DAY),
        }
    }
}

/// What a backfill leaves for the everyday tick.
const RESERVE_15MIN: u32 = 5;
const RESERVE_DAY: u32 = 25;
/// What one look over a slice takes: a full page of 200, and one of fewer than 150, which is the last.
const LOOK_REQUESTS: u32 = 2;
/// Two such pages show all of a slice, with some that went before it.
const SLICE_MAX: u32 = 320;
/// No slice is begun for less, where waiting brings more.
const SLICE_MIN: u32 = 10;

/// Why, and until when, a request may not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    pub until: Timestamp,
    pub why: FullReason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FullReason {
    /// Our own count has reached the limit.
    Spent,
    /// Strava answered 429.
    Limited,
    /// The app is inactive.
    Inactive,
}

/// One pair of rate-limit headers, each part optional: a POST may answer `","` (dossier strava.md §4.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    pub used_15min: Option<u32>,
    pub used_day: Option<u32>,
    pub limit_15min: Option<u32>,
    pub limit_day: Option<u32>,
}

/// What the headers of one answer say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    pub overall: Quota,
    pub read: Quota,
}

/// Used and limit of one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauge {
    pub used: u32,
    pub limit: u32,
}

impl Gauge {
    /// What may still be used, but for a reserve.
    fn free(self, reserve: u32) -> u32 {
        self.limit.saturating_sub(self.used.saturating_add(reserve))
    }
}

/// The account as people see it, with windows that have ended shown as empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    pub at: Timestamp,
    pub overall_15min: Gauge,
    pub overall_day: Gauge,
    pub read_15min: Gauge,
    pub read_day: Gauge,
}

impl View {
    /// The same account seen at a later time.
    pub fn seen_at(self, now: Timestamp) -> View {
        let mut view = self;
        if quarter_start(now) > quarter_start(self.at) {
            view.overall_15min.used = 0;
            view.read_15min.used = 0;
        }
        if day_start(now) > day_start(self.at) {
            view.overall_day.used = 0;
            view.read_day.used = 0;
        }
        view.at = now.max(self.at);
        view
    }

    /// Until when one more request would be answered 429, as far as the account knows; `None`: it may be made.
    pub fn spent_until(&self, kind: Kind, purpose: Purpose, now: Timestamp) -> Option<Timestamp> {
        let (reserve_15min, reserve_day) = purpose.reserve();
        let spent = |gauge: Gauge, reserve: u32| gauge.free(reserve) == 0;
        let reads = kind == Kind::Read;
        if spent(self.overall_day, reserve_day) || reads && spent(self.read_day, reserve_day) {
            return Some(next_day(now));
        }
        (spent(self.overall_15min, reserve_15min) || reads && spent(self.read_15min, reserve_15min))
            .then(|| next_quarter(now))
    }
}

impl View {
    /// How many uploads may be made now.
    pub fn uploads(&self, purpose: Purpose, now: Timestamp) -> u32 {
        let view = self.seen_at(now);
        let (reserve_15min, reserve_day) = purpose.reserve();
        view.overall_15min.free(reserve_15min).min(view.overall_day.free(reserve_day))
    }

    /// How many uploads of a history the windows hold, beside the look that comes first; or when they hold more.
    ///
    /// It is for this quarter of an hour and the next: a look lasts half an hour (*Fresh eyes*).
    pub fn slice(&self, now: Timestamp) -> Result<u32, Timestamp> {
        let view = self.seen_at(now);
        let (day, quarter) = view.slice_by_window();
        let (whole_day, whole_quarter) = view.unused().slice_by_window();
        if day < SLICE_MIN.min(whole_day).max(1) {
            return Err(next_day(now));
        }
        if quarter < SLICE_MIN.min(whole_quarter).max(1) {
            return Err(next_quarter(now));
        }
        Ok(day.min(quarter + whole_quarter).min(SLICE_MAX))
    }

    fn slice_by_window(&self) -> (u32, u32) {
        let (reserve_15min, reserve_day) = Purpose::Backfill.reserve();
        let slice = |overall: u32, read: u32| {
            if read < LOOK_REQUESTS { 0 } else { overall.saturating_sub(LOOK_REQUESTS) }
        };
        (
            slice(self.overall_day.free(reserve_day), self.read_day.free(reserve_day)),
            slice(self.overall_15min.free(reserve_15min), self.read_15min.free(reserve_15min)),
        )
    }

    /// The same limits, with nothing used.
    fn unused(&self) -> View {
        let unused = |gauge: Gauge| Gauge { used: 0, ..gauge };
        View {
            at: self.at,
            overall_15min: unused(self.overall_15min),
            overall_day: unused(self.overall_day),
            read_15min: unused(self.read_15min),
            read_day: unused(self.read_day),
        }
    }

    /// When the last of so many uploads of a history will have gone, as far as the windows allow; an upload
    /// itself taking no time. `None`: the limits leave nothing to a history.
    pub fn last_upload(&self, uploads: u64, now: Timestamp) -> Option<Timestamp> {
        /// Longer than any history takes.
        const WINDOWS_MAX: u32 = 1_000_000;
        let (mut view, mut now, mut left, mut slice) = (self.seen_at(now), now, uploads, 0);
        for _ in 0..WINDOWS_MAX {
            if left == 0 {
                return Some(now);
            }
            if slice == 0 {
                match view.slice(now) {
                    Ok(holds) => {
                        slice = left.min(u64::from(holds));
                        view.use_up(Kind::Read, LOOK_REQUESTS);
                    }
                    Err(until) => {
                        now = until;
                        view = view.seen_at(now);
                        continue;
                    }
                }
            }
            if let Some(until) = view.spent_until(Kind::Upload, Purpose::Backfill, now) {
                now = until;
                view = view.seen_at(now);
                continue;
            }
            let most = u32::try_from(slice).unwrap_or(u32::MAX);
            let sent = view.uploads(Purpose::Backfill, now).min(most);
            view.use_up(Kind::Upload, sent);
            left -= u64::from(sent);
            slice -= u64::from(sent);
        }
        None
    }

    fn use_up(&mut self, kind: Kind, requests: u32) {
        let mut gauges = vec![&mut self.overall_15min, &mut self.overall_day];
        if kind == Kind::Read {
            gauges.extend([&mut self.read_15min, &mut self.read_day]);
        }
        for gauge in gauges {
            gauge.used = gauge.used.saturating_add(requests);
        }
    }
}

/// The account that a store keeps for one app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Service time of the last charge or correction: it names the windows that the counts belong to.
    pub at: Timestamp,
    pub overall_15min: Gauge,
    pub overall_day: Gauge,
    pub read_15min: Gauge,
    pub read_day: Gauge,
    /// The end of a 429's pause.
    pub limited_until: Option<Timestamp>,
    /// The end of an inactive app's pause.
    pub inactive_until: Option<Timestamp>,
}

impl Account {
    /// A new app, with the limits of a new app (dossier strava.md §4.1) until headers tell others.
    pub fn new(at: Timestamp) -> Account {
        Account {
            at,
            overall_15min: Gauge { used: 0, limit: 200 },
            overall_day: Gauge { used: 0, limit: 2_000 },
            read_15min: Gauge { used: 0, limit: 100 },
            read_day: Gauge { used: 0, limit: 1_000 },
            limited_until: None,
            inactive_until: None,
        }
    }

    /// Charges one request, or says until when it must not be made.
    pub fn charge(&mut self, kind: Kind, purpose: Purpose, now: Timestamp) -> Result<(), Full> {
        self.roll(now);
        for (pause, why) in
            [(self.inactive_until, FullReason::Inactive), (self.limited_until, FullReason::Limited)]
        {
            if let Some(until) = pause.filter(|until| *until > now) {
                return Err(Full { until, why });
            }
        }
        if let Some(until) = self.view(now).spent_until(kind, purpose, now) {
            return Err(Full { until, why: FullReason::Spent });
        }
        let reads = kind == Kind::Read;
        for gauge in self.gauges(reads) {
            gauge.used = gauge.used.saturating_add(1);
        }
        Ok(())
    }

    /// Corrects to the larger of the own count and the header. An answer from a window that has ended is
    /// too late to say anything about the one in force; limits it may still tell.
    pub fn correct(&mut self, reading: &Reading, at: Timestamp) {
        self.roll(at);
        let same_quarter = quarter_start(at) == quarter_start(self.at);
        let same_day = day_start(at) == day_start(self.at);
        let apply = |gauge: &mut Gauge, used: Option<u32>, limit: Option<u32>, current: bool| {
            if let Some(limit) = limit {
                gauge.limit = limit;
            }
            if let Some(used) = used.filter(|_| current) {
                gauge.used = gauge.used.max(used);
            }
        };
        let Reading { overall, read } = reading;
        apply(&mut self.overall_15min, overall.used_15min, overall.limit_15min, same_quarter);
        apply(&mut self.overall_day, overall.used_day, overall.limit_day, same_day);
        apply(&mut self.read_15min, read.used_15min, read.limit_15min, same_quarter);
        apply(&mut self.read_day, read.used_day, read.limit_day, same_day);
    }

    /// Keeps a pause; an own count that is spent needs none, since the account says it itself.
    pub fn pause(&mut self, full: Full) {
        match full.why {
            FullReason::Spent => {}
            FullReason::Limited => self.limited_until = self.limited_until.max(Some(full.until)),
            FullReason::Inactive => self.inactive_until = Some(full.until),
        }
    }

    /// Ends all pauses but a 429's (*Blame*).
    pub fn clear(&mut self) {
        self.inactive_until = None;
    }

    pub fn view(&self, now: Timestamp) -> View {
        View {
            at: self.at,
            overall_15min: self.overall_15min,
            overall_day: self.overall_day,
            read_15min: self.read_15min,
            read_day: self.read_day,
        }
        .seen_at(now)
    }

    /// Empties the windows that have ended. A clock that went back keeps the later windows: counting too
    /// much is the safe side.
    fn roll(&mut self, now: Timestamp) {
        let rolled = self.view(now);
        self.overall_15min = rolled.overall_15min;
        self.overall_day = rolled.overall_day;
        self.read_15min = rolled.read_15min;
        self.read_day = rolled.read_day;
        self.at = rolled.at;
    }

    fn gauges(&mut self, reads: bool) -> impl Iterator<Item = &mut Gauge> {
        let read = [&mut self.read_15min, &mut self.read_day];
        [&mut self.overall_15min, &mut self.overall_day]
            .into_iter()
            .chain(read.into_iter().filter(move |_| reads))
    }
}

/// When a 429 ends: at midnight UTC if a day's limit is reached, else with the quarter hour.
pub fn limited_until(reading: &Reading, at: Timestamp) -> Timestamp {
    let day_spent =
        [reading.overall, reading.read].iter().any(|quota| match (quota.used_day, quota.limit_day) {
            (Some(used), Some(limit)) => used >= limit,
            _ => false,
        });
    if day_spent { next_day(at) } else { next_quarter(at) }
}

const QUARTER_S: i64 = 15 * 60;

fn quarter_start(moment: Timestamp) -> i64 {
    moment.as_second().div_euclid(QUARTER_S)
}

fn day_start(moment: Timestamp) -> i64 {
    moment.as_second().div_euclid(86_400)
}

/// The next quarter hour of the clock.
pub fn next_quarter(moment: Timestamp) -> Timestamp {
    let second = (quarter_start(moment) + 1).saturating_mul(QUARTER_S);
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}

/// The next midnight UTC.
pub fn next_day(moment: Timestamp) -> Timestamp {
    let second = (day_start(moment) + 1).saturating_mul(86_400);
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn charged(account: &mut Account, kind: Kind, count: u32, now: Timestamp) {
        for _ in 0..count {
            account.charge(kind, Purpose::Everyday, now).unwrap();
        }
    }

    #[test]
    fn windows_end_with_the_quarter_of_an_hour_and_the_utc_day() {
        let now = at("2026-11-18T12:14:59Z");
        let mut account = Account::new(now);
        charged(&mut account, Kind::Read, 100, now);
        let full = account.charge(Kind::Read, Purpose::Everyday, now).unwrap_err();
        assert_eq!(full, Full { until: at("2026-11-18T12:15:00Z"), why: FullReason::Spent });
        account.charge(Kind::Upload, Purpose::Everyday, now).unwrap();
        account.charge(Kind::Read, Purpose::Everyday, full.until).unwrap();
        let view = account.view(full.until);
        assert_eq!((view.overall_15min.used, view.overall_day.used, view.read_day.used), (1, 102, 101));
        assert_eq!(account.view(at("2026-11-19T00:00:00Z")).overall_day.used, 0);
    }

    #[test]
    fn the_days_limit_is_waited_out_until_midnight() {
        let now = at("2026-11-18T12:01:00Z");
        let mut account = Account::new(now);
        account.overall_day.used = 2_000;
        let full = account.charge(Kind::Upload, Purpose::Everyday, now).unwrap_err();
        assert_eq!(full.until, at("2026-11-19T00:00:00Z"));
    }

    #[test]
    fn an_answer_corrects_upwards_and_a_late_one_not_at_all() {
        let now = at("2026-11-18T12:16:00Z");
        let mut account = Account::new(now);
        charged(&mut account, Kind::Read, 3, now);
        let reading = |used: u32| Reading {
            overall: Quota {
                used_15min: Some(used),
                used_day: Some(used),
                limit_15min: Some(400),
                limit_day: None,
            },
            read: Quota::default(),
        };
        account.correct(&reading(2), now);
        assert_eq!(account.view(now).overall_15min, Gauge { used: 3, limit: 400 }, "the own count is larger");
        account.correct(&reading(50), now);
        assert_eq!(account.view(now).overall_15min.used, 50);
        account.correct(&reading(199), at("2026-11-18T12:14:59Z"));
        assert_eq!(account.view(now).overall_15min.used, 50, "of a window that has ended");
        assert_eq!(account.view(now).read_15min.used, 3, "empty headers say nothing");
    }

    #[test]
    fn a_backfill_leaves_the_reserve_of_the_everyday_tick() {
        let now = at("2026-11-18T12:01:00Z");
        let mut account = Account::new(now);
        charged(&mut account, Kind::Upload, 195, now);
        account.charge(Kind::Upload, Purpose::Backfill, now).unwrap_err();
        charged(&mut account, Kind::Upload, 5, now);
        account.charge(Kind::Upload, Purpose::Everyday, now).unwrap_err();
    }

    #[test]
    fn pauses_hold_and_only_a_429s_survives_a_login() {
        let now = at("2026-11-18T12:01:00Z");
        let mut account = Account::new(now);
        let until = at("2026-11-18T12:15:00Z");
        account.pause(Full { until, why: FullReason::Inactive });
        account.pause(Full { until, why: FullReason::Limited });
        let why = |account: &mut Account| {
            account.charge(Kind::Read, Purpose::Everyday, now).map_err(|full| full.why)
        };
        assert_eq!(why(&mut account), Err(FullReason::Inactive));
        account.clear();
        assert_eq!(why(&mut account), Err(FullReason::Limited));
        account.charge(Kind::Read, Purpose::Everyday, until).unwrap();
    }

    #[test]
    fn a_clock_that_goes_back_opens_no_window_twice() {
        let now = at("2026-11-18T12:16:00Z");
        let mut account = Account::new(now);
        charged(&mut account, Kind::Read, 100, now);
        account.charge(Kind::Read, Purpose::Everyday, at("2026-11-18T11:00:00Z")).unwrap_err();
    }

    #[test]
    fn a_429_ends_with_the_quarter_or_with_the_day_whose_limit_is_reached() {
        let now = at("2026-11-18T12:01:00Z");
        let reading = |used_day| Reading {
            overall: Quota { used_day: Some(used_day), limit_day: Some(2_000), ..Quota::default() },
            read: Quota::default(),
        };
        assert_eq!(limited_until(&reading(1_999), now), at("2026-11-18T12:15:00Z"));
        assert_eq!(limited_until(&reading(2_000), now), at("2026-11-19T00:00:00Z"));
    }
}
