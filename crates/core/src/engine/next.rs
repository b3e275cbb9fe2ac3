//! What a tick does next. Pure: it cannot fail and need not wait.
//!
//! The same rows, looks and time give the same step. The caller does one step, records what happened and
//! asks again, so that a decision never outlives the facts that it was made from, and "killed anywhere"
//! is the same case as "started again".

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::cursor::Span;
use crate::activity::{Found, GarminId, StravaId};
use crate::head::Head;
use crate::ledger::{Cause, Row, State};
use crate::moment::{earlier, later};
use crate::ports::{Service, Window};
use crate::timing::Timing;

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The look over 60 days for *Garmin's own link*.
    LookForLink(Window),
    /// A complete look over a window (*Fresh eyes*).
    Find(Window),
    /// Download, and upload what was looked for.
    Carry(GarminId),
    /// Nothing before this monotonic moment.
    WaitUntil(Duration),
    /// Ask what became of these uploads. `last`: nobody asks again in this tick.
    Confirm { ids: Vec<GarminId>, last: bool },
    /// These stay as they are until a later tick.
    PutOff(Vec<GarminId>),
}

/// One look of this run.
#[derive(Clone, Debug)]
pub struct Seen {
    pub window: Window,
    /// When the look began, by the wall clock and by the monotonic one: what it says is true of then.
    pub began: Timestamp,
    pub at: Duration,
    pub found: Vec<Found>,
    pub sees_private: bool,
}

/// *Fresh eyes*: the complete looks that this tick has made itself. A look of an earlier tick does not
/// count: between then and now Strava may have been down for a week and Garmin's own link may have
/// delivered.
#[derive(Clone, Debug, Default)]
pub struct Eyes(pub Vec<Seen>);

impl Eyes {
    /// The newest look that covers the window, if it is fresh enough for an upload to start now.
    pub fn cover(&self, window: &Window, monotonic: Duration) -> Option<&Seen> {
        let fresh = Timing::fresh().unsigned_abs();
        self.0
            .iter()
            .filter(|seen| monotonic.saturating_sub(seen.at) <= fresh)
            .filter(|seen| seen.window.covers(window))
            .max_by_key(|seen| seen.at)
    }

    /// An activity that any look of this tick showed.
    pub fn get(&self, id: StravaId) -> Option<&Found> {
        self.0.iter().rev().flat_map(|seen| &seen.found).find(|found| found.id == id)
    }
}

/// What the decision rests on.
#[derive(Debug)]
pub struct Facts<'a> {
    pub now: Timestamp,
    /// Strava's time, by which its windows are meant (*Time*).
    pub strava_now: Timestamp,
    pub monotonic: Duration,
    /// When this tick must be over, with what is needed to end it already taken off.
    pub act_until: Option<Duration>,
    pub head: &'a Head,
    pub open: &'a BTreeMap<GarminId, Row>,
    pub eyes: &'a Eyes,
    /// Rows that this tick has done what it can for.
    pub done: &'a BTreeSet<GarminId>,
    /// A weekly sweep was completed in this tick: the link is looked for again.
    pub link_look_due: bool,
    /// When the last upload of this tick was answered.
    pub last_upload: Option<Duration>,
    /// How many rounds of confirmation this tick has made.
    pub rounds: usize,
    pub timing: &'a Timing,
    /// A backfill's turn does nothing but this.
    pub slice: Option<&'a Slice>,
    /// The days that a backfill has not carried yet. Beside it, an everyday tick takes up nothing of them.
    pub leaves: Option<Span>,
}

/// What a backfill has in hand: no more than the windows of the budget hold.
#[derive(Clone, Debug, Default)]
pub struct Slice {
    /// To be sent; some may wait for something.
    pub wanted: BTreeSet<GarminId>,
    /// Sent, and shown by no look yet: the next slice's look covers them as well.
    pub sent: BTreeSet<GarminId>,
}

/// Two days on either side of an activity (*Fresh eyes*).
const MARGIN: SignedDuration = SignedDuration::from_hours(48);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// Windows are split where nothing wanted starts for longer than this.
const GAP: SignedDuration = SignedDuration::from_hours(7 * 24);
/// And split where one grows longer than this: the look over it must fit into what may be asked in a quarter of an
/// hour, or it would begin anew for ever.
const WINDOW_MAX: SignedDuration = SignedDuration::from_hours(60 * 24);
/// How far back the look for Garmin's own link goes.
const LINK_LOOK: SignedDuration = SignedDuration::from_hours(60 * 24);
/// The look of a slice is one window, unless that grows longer than this.
const SLICE_WINDOW_MAX: SignedDuration = SignedDuration::from_hours(1_000 * 24);
/// A window never begins later than this before the service's now.
const LATEST_BEGIN: SignedDuration = SignedDuration::from_hours(24);

/// The next step, or `None` when the tick has done what it can.
pub fn next_step(facts: &Facts<'_>) -> Option<Step> {
    let out_of_time = facts.act_until.is_some_and(|end| facts.monotonic >= end);
    // Everything from here on talks to Strava.
    if out_of_time || facts.head.paused(Service::Strava, facts.now).is_some() {
        return None;
    }
    if facts.head.link.on.is_none() || facts.link_look_due {
        return Some(Step::LookForLink(link_window(facts.strava_now)));
    }
    let garmin_paused = facts.head.paused(Service::Garmin, facts.now).is_some();
    if let Some(slice) = facts.slice {
        let row = in_turn(facts, slice).into_iter().next().filter(|_| !garmin_paused)?;
        return Some(match unseen(facts, row) {
            Some(window) => Step::Find(slice_window(facts, slice, window)),
            None => Step::Carry(row.id()),
        });
    }
    let mut wanted: Vec<&Row> = due(facts).filter(|row| row.state == State::Wanted).collect();
    wanted.sort_by_key(|row| order(row));
    let next = wanted.first().copied().filter(|_| !garmin_paused);
    if let Some(window) = next_look(facts, next) {
        return Some(Step::Find(window));
    }
    if let Some(row) = next {
        return Some(Step::Carry(row.id()));
    }
    confirmation(facts)
}

/// Rows that may be touched now and that this tick has not finished with.
fn due<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = &'a Row> {
    let is_left = |row: &Row| {
        row.state == State::Wanted
            && facts.leaves.zip(row.day()).is_some_and(|(leaves, day)| leaves.contains(day))
    };
    let is_due = move |row: &&Row| row.is_due(facts.now) && !facts.done.contains(&row.id()) && !is_left(row);
    facts.open.values().filter(is_due)
}

/// The oldest goes first; what a service fails at time and again goes last.
fn order(row: &Row) -> (u32, Timestamp, GarminId) {
    (row.turn(), row.start().unwrap_or(Timestamp::MAX), row.id())
}

/// What a backfill may send now, in its order. What waits for the backfill itself does not wait in its turn.
pub fn in_turn<'a>(facts: &'a Facts<'_>, slice: &Slice) -> Vec<&'a Row> {
    let mut rows: Vec<&Row> = slice
        .wanted
        .iter()
        .filter_map(|id| facts.open.get(id))
        .filter(|row| row.state == State::Wanted && !facts.done.contains(&row.id()))
        .filter(|row| row.is_due(facts.now) || row.cause == Some(Cause::Budget))
        .collect();
    rows.sort_by_key(|row| order(row));
    rows
}

/// One window for a whole slice: for what is about to go (*Fresh eyes*) and for what went with the last one, so
/// that one look serves both.
fn slice_window(facts: &Facts<'_>, slice: &Slice, own: Window) -> Window {
    let hull = |window: Window, other: Window| Window {
        after: window.after.min(other.after),
        before: window.before.max(other.before),
    };
    let fits = |window: &Window| window.after.duration_until(window.before) <= SLICE_WINDOW_MAX;
    let mut whole = own;
    let with_start = |row: &&&Row| row.start().is_some();
    for row in in_turn(facts, slice).iter().filter(with_start) {
        if let Some(window) = window_of(row, facts.strava_now) {
            whole = Some(hull(whole, window)).filter(fits).unwrap_or(whole);
        }
    }
    let sent = sent_window(facts.open, slice);
    sent.map(|sent| hull(whole, sent)).filter(fits).unwrap_or(whole)
}

/// The span in which everything began that was sent and that no look has shown yet.
pub fn sent_window(open: &BTreeMap<GarminId, Row>, slice: &Slice) -> Option<Window> {
    let starts: Vec<Timestamp> =
        slice.sent.iter().filter_map(|id| open.get(id)).filter_map(Row::start).collect();
    let (first, last) = (starts.iter().min()?, starts.iter().max()?);
    Some(Window { after: earlier(*first, HOUR), before: later(*last, HOUR) })
}

/// Confirmation looks are few: at fixed moments after the last upload of this tick, or once at once for
/// what an earlier tick left.
fn confirmation(facts: &Facts<'_>) -> Option<Step> {
    let mut pending: Vec<&Row> =
        due(facts).filter(|row| matches!(row.state, State::Submitted { .. })).collect();
    pending.sort_by_key(|row| (row.start(), row.id()));
    let ids: Vec<GarminId> = pending.iter().map(|row| row.id()).collect();
    if ids.is_empty() {
        return None;
    }
    let looks: Vec<Duration> = match facts.last_upload {
        Some(last) => facts.timing.looks().iter().map(|wait| last + wait.unsigned_abs()).collect(),
        None => vec![facts.monotonic],
    };
    let looks: Vec<Duration> =
        looks.into_iter().filter(|at| facts.act_until.is_none_or(|end| *at < end)).collect();
    match looks.get(facts.rounds) {
        None => Some(Step::PutOff(ids)),
        Some(at) if *at > facts.monotonic => Some(Step::WaitUntil(*at)),
        Some(_) => Some(Step::Confirm { ids, last: facts.rounds + 1 == looks.len() }),
    }
}

/// The span that a look for this row must cover; `None` where the file must be read first to know.
pub fn window_of(row: &Row, strava_now: Timestamp) -> Option<Window> {
    match row.start() {
        Some(start) => Some(around(start, start, strava_now)),
        // Without any start it is looked for by its external id, among what is new.
        None if row.file.is_some() || row.state != State::Wanted => {
            let hour = hour_of(strava_now);
            Some(Window { after: earlier(hour, MARGIN), before: later(hour, HOUR + MARGIN) })
        }
        None => None,
    }
}

/// When the hour began: a window around a moment that moves on would be covered by no look, however new.
fn hour_of(moment: Timestamp) -> Timestamp {
    let into = SignedDuration::from_secs(moment.as_second().rem_euclid(HOUR.as_secs()));
    let second = Timestamp::from_second(moment.as_second()).unwrap_or(moment);
    earlier(second, into)
}

/// *Fresh eyes*: the windows that have to be looked over before the due rows may go on.
pub fn windows(facts: &Facts<'_>) -> Vec<Window> {
    joined(due(facts).filter_map(|row| unseen(facts, row)).collect())
}

/// The window to look over now: for what is in doubt, then for what is about to go. The other ones wait for
/// their turn: a history with more gaps than a tick has requests would look for ever and carry nothing.
fn next_look(facts: &Facts<'_>, next: Option<&Row>) -> Option<Window> {
    let windows = windows(facts);
    let around = |row: &Row| {
        let span = unseen(facts, row)?;
        windows.iter().copied().find(|window| window.covers(&span))
    };
    let in_doubt = due(facts).filter(|row| row.state != State::Wanted).filter_map(around);
    in_doubt.min_by_key(|window| window.after).or_else(|| match next {
        Some(row) => around(row),
        None => windows.first().copied(),
    })
}

/// The span that has to be looked over for this row, where no look of this tick covers it.
fn unseen(facts: &Facts<'_>, row: &Row) -> Option<Window> {
    let window = window_of(row, facts.strava_now).filter(|_| needs_look(row))?;
    facts.eyes.cover(&window, facts.monotonic).is_none().then_some(window)
}

/// A wanted row is looked for before it goes; a row in doubt, and one of which Strava claims a
/// duplicate, to settle it.
fn needs_look(row: &Row) -> bool {
    match row.state {
        State::Wanted | State::Submitting { .. } => true,
        State::Submitted { .. } => row.duplicate.is_some(),
        State::Published { .. } | State::Skipped { .. } | State::Rejected { .. } => false,
    }
}

/// Joins spans that lie no further apart than the gap that splits windows, up to the longest window.
pub fn joined(mut spans: Vec<Window>) -> Vec<Window> {
    spans.sort_by_key(|span| (span.after, span.before));
    let mut windows: Vec<Window> = Vec::new();
    for span in spans {
        match windows.last_mut() {
            // Each span already carries its margins: two starts a gap apart are that much closer here.
            Some(window)
                if span.after <= later(window.before, GAP - MARGIN - MARGIN)
                    && span.before <= later(window.after, WINDOW_MAX) =>
            {
                window.before = window.before.max(span.before);
            }
            _ => windows.push(span),
        }
    }
    windows
}

fn around(first: Timestamp, last: Timestamp, strava_now: Timestamp) -> Window {
    let after = earlier(first, MARGIN).min(earlier(strava_now, LATEST_BEGIN));
    Window { after, before: later(last, MARGIN) }
}

pub(super) fn link_window(strava_now: Timestamp) -> Window {
    // It reaches far enough ahead to serve as the look for what is about to go as well.
    Window { after: earlier(strava_now, LINK_LOOK), before: later(strava_now, MARGIN + LATEST_BEGIN) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::{Listed, UploadId};

    const DAY: i64 = 86_400;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    fn row(id: u64, start_s: i64, state: State) -> Row {
        Row::seen(Listed { start: Some(at(start_s)), ..Listed::bare(GarminId(id)) }, state, at(0))
    }

    /// Everything that a decision rests on, to be changed by a test.
    struct Scene {
        head: Head,
        open: BTreeMap<GarminId, Row>,
        eyes: Eyes,
        monotonic: u64,
        act_until: Option<u64>,
        last_upload: Option<u64>,
        rounds: usize,
    }

    impl Scene {
        fn of(rows: impl IntoIterator<Item = Row>) -> Scene {
            let mut head = Head::default();
            head.link.on = Some(false);
            Scene {
                head,
                open: rows.into_iter().map(|row| (row.id(), row)).collect(),
                eyes: Eyes::default(),
                monotonic: 10_000,
                act_until: None,
                last_upload: None,
                rounds: 0,
            }
        }

        fn having_looked(mut self, seconds_ago: u64) -> Scene {
            self.eyes.0.push(Seen {
                window: Window { after: at(-100 * DAY), before: at(100 * DAY) },
                began: at(0),
                at: Duration::from_secs(self.monotonic - seconds_ago),
                found: Vec::new(),
                sees_private: true,
            });
            self
        }

        fn facts(&self, ask: impl FnOnce(&Facts<'_>)) {
            let (done, timing) = (BTreeSet::new(), Timing::default());
            ask(&Facts {
                now: at(0),
                strava_now: at(0),
                monotonic: Duration::from_secs(self.monotonic),
                act_until: self.act_until.map(Duration::from_secs),
                head: &self.head,
                open: &self.open,
                eyes: &self.eyes,
                done: &done,
                link_look_due: false,
                last_upload: self.last_upload.map(Duration::from_secs),
                rounds: self.rounds,
                timing: &timing,
                slice: None,
                leaves: None,
            });
        }

        fn next(&self) -> Option<Step> {
            let mut step = None;
            self.facts(|facts| step = next_step(facts));
            step
        }

        fn windows(&self) -> Vec<Window> {
            let mut found = Vec::new();
            self.facts(|facts| found = windows(facts));
            found
        }
    }

    #[test]
    fn windows_reach_two_days_to_either_side_and_are_split_where_nothing_starts_for_a_week() {
        let scene = |starts: &[i64]| {
            Scene::of((1..).zip(starts).map(|(id, start)| row(id, *start, State::Wanted))).windows()
        };
        let one = Window { after: at(-22 * DAY), before: at(-11 * DAY) };
        assert_eq!(scene(&[-20 * DAY, -13 * DAY]), [one], "seven days are no gap");
        let two = scene(&[-20 * DAY, -13 * DAY + 1]);
        assert_eq!(two.len(), 2);
        assert_eq!(two[0], Window { after: at(-22 * DAY), before: at(-18 * DAY) });
        let future = scene(&[400 * DAY]);
        assert_eq!(future[0].after, at(-DAY), "never later than the service's now less a day");
    }

    /// Found by the simulation: thousands of runs without a gap made one window, whose look needed more requests
    /// than a quarter of an hour has, and began anew in the next one.
    #[test]
    fn a_long_dense_history_is_looked_at_in_windows_of_sixty_days() {
        let rows = (1..=1_000).map(|day| row(day, -i64::try_from(day).unwrap() * DAY, State::Wanted));
        let windows = Scene::of(rows).windows();
        assert_eq!(windows.len(), 18);
        for window in windows {
            assert!(window.after.duration_until(window.before) <= SignedDuration::from_hours(60 * 24));
        }
    }

    #[test]
    fn nothing_goes_up_without_a_look_and_a_look_lasts_half_an_hour() {
        let wanted = || Scene::of([row(1, -3600, State::Wanted)]);
        assert!(matches!(wanted().next(), Some(Step::Find(_))));
        assert_eq!(wanted().having_looked(30 * 60).next(), Some(Step::Carry(GarminId(1))));
        assert!(matches!(wanted().having_looked(30 * 60 + 1).next(), Some(Step::Find(_))));
    }

    #[test]
    fn the_look_for_the_link_comes_first_and_the_oldest_goes_first() {
        let rows =
            || [row(1, -100, State::Wanted), row(2, -5_000, State::Wanted), row(3, -900, State::Wanted)];
        let mut scene = Scene::of(rows());
        scene.head.link.on = None;
        assert!(matches!(scene.next(), Some(Step::LookForLink(_))));
        assert_eq!(Scene::of(rows()).having_looked(0).next(), Some(Step::Carry(GarminId(2))));
    }

    #[test]
    fn what_a_service_fails_at_three_times_goes_last() {
        let first_after = |put_offs| {
            let oldest = Row { put_offs, ..row(1, -5_000, State::Wanted) };
            Scene::of([oldest, row(2, -100, State::Wanted)]).having_looked(0).next()
        };
        assert_eq!(first_after(2), Some(Step::Carry(GarminId(1))));
        assert_eq!(first_after(3), Some(Step::Carry(GarminId(2))));
    }

    /// Found by the simulation: two that a service failed at, of which the older one was never answered, and the
    /// younger one never asked for.
    #[test]
    fn of_several_that_a_service_fails_at_each_gets_its_turn() {
        let first_after = |older, younger| {
            let older = Row { put_offs: older, ..row(1, -5_000, State::Wanted) };
            let younger = Row { put_offs: younger, ..row(2, -100, State::Wanted) };
            Scene::of([older, younger]).having_looked(0).next()
        };
        assert_eq!(first_after(4, 3), Some(Step::Carry(GarminId(2))));
        assert_eq!(first_after(4, 4), Some(Step::Carry(GarminId(1))));
        assert_eq!(first_after(4, 5), Some(Step::Carry(GarminId(1))));
    }

    #[test]
    fn without_time_or_strava_there_is_nothing_to_do() {
        let mut late = Scene::of([row(1, -3600, State::Wanted)]);
        late.act_until = Some(10_000);
        assert_eq!(late.next(), None);
        let mut paused = Scene::of([row(1, -3600, State::Wanted)]);
        let pause = crate::head::Pause {
            cause: crate::head::PauseCause::Down,
            until: Some(at(60)),
            what: String::new(),
            key: None,
        };
        paused.head.set_pause(Service::Strava, Some(pause));
        assert_eq!(paused.next(), None);
    }

    #[test]
    fn uploads_are_asked_about_3_8_18_and_38_seconds_after_the_last_and_then_put_off() {
        let submitted = State::Submitted { upload: UploadId(5), since: at(0) };
        let mut scene = Scene::of([row(1, -3600, submitted)]);
        scene.last_upload = Some(10_000);
        assert_eq!(scene.next(), Some(Step::WaitUntil(Duration::from_secs(10_003))));
        scene.monotonic = 10_003;
        let ids = vec![GarminId(1)];
        assert_eq!(scene.next(), Some(Step::Confirm { ids: ids.clone(), last: false }));
        scene.rounds = 3;
        assert_eq!(scene.next(), Some(Step::WaitUntil(Duration::from_secs(10_038))));
        scene.monotonic = 10_038;
        assert_eq!(scene.next(), Some(Step::Confirm { ids: ids.clone(), last: true }));
        scene.rounds = 4;
        assert_eq!(scene.next(), Some(Step::PutOff(ids.clone())));
        // What an earlier tick left is asked about once, at once.
        scene.last_upload = None;
        scene.rounds = 0;
        assert_eq!(scene.next(), Some(Step::Confirm { ids, last: true }));
    }
}
