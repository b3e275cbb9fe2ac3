//! One turn of a backfill: read on in Garmin's list, look at Strava, carry.
//!
//! A turn is a tick like every other, with its lease, its intents and its head; it only takes up other rows. It
//! ends after a few seconds, so that whoever waits for the lease gets it between two uploads. What a turn hands
//! to the next one is a [`Course`], which is lost with the process and loses nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::cursor::{Cursor, Span};
use super::look::{Part, Walk};
use super::next::{Eyes, Slice, in_turn, next_step, sent_window};
use super::{Halt, Tick, require_logins};
use crate::activity::{GarminId, Listed};
use crate::budget::Account;
use crate::head::Running;
use crate::ledger::{Cause, Row, SkipReason, State};
use crate::moment::{earlier, later};
use crate::planted::{self, Fault};
use crate::ports::{Answer, Download, Failure, Fence, Service, Version};
use crate::rules::Decision;
use crate::timing::Timing;

/// How long a turn goes on before others may have the lease.
const TURN: Duration = Duration::from_secs(10);
/// For how long rows are kept from the everyday tick: until a slice has gone, which takes two quarters of an hour, or
/// the process has died.
const HELD: SignedDuration = SignedDuration::from_mins(45);
/// What Strava took longer ago than this and a look does not show will be shown by none; a later tick asks for it.
const SHOWN_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// What started since then is the everyday tick's, a backfill or not.
const NEW: SignedDuration = SignedDuration::from_hours(72);
/// So many looks are kept from turn to turn; without limits a history would pile them up.
const LOOKS: usize = 3;
/// How often a part of Garmin's list that shifts is read again in one turn.
const SHIFTS_MAX: u32 = 3;

/// What a backfill knows between two of its turns.
#[derive(Debug)]
pub(super) struct Course {
    span: Span,
    cursor: Cursor,
    pub(super) slice: Slice,
    /// Sent, looked for, and not shown.
    strays: BTreeSet<GarminId>,
    /// The first day of the slice.
    slice_from: Date,
    eyes: Eyes,
    /// The lease of the last turn.
    fence: Option<Fence>,
    /// A file that was downloaded before its turn.
    pub(super) ahead: Option<(GarminId, Answer<Download>)>,
    /// What was met without the lease, for the next turn to book.
    pub(super) met: Option<Failure>,
    pub(super) may_fetch_ahead: bool,
    /// How many of those that were wanted are not any more.
    pub(super) dealt: u64,
    /// The windows hold no more before this moment, by Strava's clock.
    pub(super) spent_until: Option<Timestamp>,
    pub(super) is_over: bool,
    /// When this turn gives way to the everyday tick, on the monotonic clock.
    pub(super) gives_way: Duration,
}

impl Course {
    pub(super) fn over(span: Span) -> Course {
        Course {
            span,
            cursor: Cursor::over(span),
            slice: Slice::default(),
            strays: BTreeSet::new(),
            slice_from: span.from,
            eyes: Eyes::default(),
            fence: None,
            ahead: None,
            met: None,
            may_fetch_ahead: false,
            dealt: 0,
            spent_until: None,
            is_over: false,
            gives_way: Duration::MAX,
        }
    }

    /// What the everyday tick leaves to this one.
    pub(super) fn leaves(&self, now: Timestamp) -> Span {
        let new = jiff::tz::Offset::UTC.to_datetime(earlier(now, NEW)).date();
        Span { from: self.slice_from, to: self.span.to.min(new) }
    }

    /// The everyday tick beside us has worked: that was ourselves, and nobody else came between.
    pub(super) fn ticked(&mut self, fence: Option<Fence>) {
        if let Some(fence) = fence {
            self.follow(fence);
        }
    }

    /// *Fresh eyes*: what an earlier turn saw counts only if nobody else has worked since. Another run may have
    /// sent what that look does not show.
    fn follow(&mut self, fence: Fence) {
        let is_next = self.fence.is_some_and(|last| last.0 + 1 == fence.0);
        if !is_next && !planted::has(Fault::EyesOutliveTheLease) {
            self.eyes = Eyes::default();
        }
        self.fence = Some(fence);
    }

    /// Whether something of the slice has not gone.
    pub(super) fn left(&self) -> u64 {
        self.slice.wanted.len().try_into().unwrap_or(u64::MAX)
    }

    /// How far it has come, to see whether a turn brought it on.
    pub(super) fn place(&self) -> (Cursor, u64, usize, usize) {
        (self.cursor.clone(), self.dealt, self.slice.wanted.len(), self.eyes.0.len())
    }
}

impl Tick<'_> {
    /// One turn. Whatever pauses a service ends it; the pause is in the head.
    pub(super) async fn take_turn(&mut self) -> Result<(), Halt> {
        self.begin().await?;
        let fence = self.take_lease().await?;
        require_logins(self.ports).await.map_err(|failure| Halt::from(failure.error))?;
        let Some(course) = &mut self.history else { return Ok(()) };
        self.since = Some(course.span.from);
        course.spent_until = None;
        course.follow(fence);
        let fresh = Timing::fresh().unsigned_abs();
        let monotonic = self.ports.clock.monotonic();
        course.eyes.0.retain(|seen| monotonic.saturating_sub(seen.at) <= fresh);
        let old = course.eyes.0.len().saturating_sub(LOOKS);
        course.eyes.0.drain(..old);
        self.eyes = std::mem::take(&mut course.eyes);
        self.load_open().await?;
        self.note_unfinished_downloads().await?;
        self.count_slice();
        let outcome = match self.history.as_mut().and_then(|course| course.met.take()) {
            Some(failure) => self.blame(Service::Garmin, failure),
            None => self.carry_slice().await,
        };
        // Whatever ended it: a download that waits in memory is none that killed us.
        let aside = if matches!(outcome, Ok(()) | Err(Halt::Interrupted)) {
            self.set_ahead_aside().await
        } else {
            Ok(())
        };
        if let Some(course) = &mut self.history {
            course.eyes = std::mem::take(&mut self.eyes);
        }
        outcome.and(aside)
    }

    async fn carry_slice(&mut self) -> Result<(), Halt> {
        let now = self.now();
        if [Service::Garmin, Service::Strava].iter().any(|service| self.head.paused(*service, now).is_some())
        {
            return Ok(());
        }
        if self.wants_more()
            && let Some(more) = self.room().await?
        {
            self.gather(more).await?;
        }
        let gives_way = self.history.as_ref().map_or(Duration::MAX, |course| course.gives_way);
        let ends = (self.ports.clock.monotonic() + TURN).min(gives_way);
        while let Some(step) = next_step(&self.facts()).filter(|_| !self.is_spent() && !self.is_at_the_end())
        {
            if self.run.stop.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(Halt::Interrupted);
            }
            self.renew_lease().await?;
            self.step(step).await?;
            self.count_slice();
            if self.ports.clock.monotonic() >= ends {
                return Ok(());
            }
        }
        let now = self.now();
        let is_paused = [Service::Garmin, Service::Strava]
            .iter()
            .any(|service| self.head.paused(*service, now).is_some());
        if !is_paused && !self.is_spent() && self.is_at_the_end() {
            self.last_look().await?;
        }
        Ok(())
    }

    fn is_spent(&self) -> bool {
        self.history.as_ref().is_some_and(|course| course.spent_until.is_some())
    }

    fn is_at_the_end(&self) -> bool {
        self.history
            .as_ref()
            .is_some_and(|course| course.cursor.window().is_none() && self.with_a_good_turn(course).is_none())
    }

    /// Who goes next. What a service fails at time and again is left to the everyday tick: it must not stop the rest.
    fn with_a_good_turn(&self, course: &Course) -> Option<GarminId> {
        let facts = self.facts();
        in_turn(&facts, &course.slice).first().filter(|row| row.turn() == 0).map(|row| row.id())
    }

    /// Nothing is in hand that a look covers already: the next look is for as many as the windows hold.
    fn wants_more(&self) -> bool {
        let Some(course) = &self.history else { return false };
        let facts = self.facts();
        match self.with_a_good_turn(course).and_then(|id| self.open.get(&id)) {
            None => true,
            Some(row) => super::next::window_of(row, facts.strava_now)
                .is_some_and(|window| self.eyes.cover(&window, facts.monotonic).is_none()),
        }
    }

    /// How many more to take in hand; `None`: the windows hold none now.
    async fn room(&mut self) -> Result<Option<usize>, Halt> {
        let now = self.strava_now();
        let view = self.ports.destination.budget(now).await?.unwrap_or_else(|| Account::new(now).view(now));
        let Some(course) = &self.history else { return Ok(None) };
        let in_hand = in_turn(&self.facts(), &course.slice).len();
        let slice = view.slice(now);
        match slice {
            Ok(slice) => Ok(Some(usize::try_from(slice).unwrap_or(usize::MAX).saturating_sub(in_hand))),
            Err(until) => {
                if let Some(course) = &mut self.history {
                    course.spent_until = Some(until);
                }
                Ok(None)
            }
        }
    }

    /// Takes up to so many that are wanted in hand, the oldest first.
    async fn gather(&mut self, more: usize) -> Result<(), Halt> {
        let mut left = more;
        let mut shifts = 0;
        while left > 0 {
            let Some((from, to)) = self.history.as_ref().and_then(|course| course.cursor.window()) else {
                return Ok(());
            };
            if self.run.stop.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(Halt::Interrupted);
            }
            self.renew_lease().await?;
            let part = Running { started: self.started, back_to: Some(from), full: false, reached: Some(to) };
            let mut walk = Walk::that_keeps_known();
            match self.walk_part(&mut walk, &part).await? {
                Part::Complete => {}
                Part::Shifted if shifts < SHIFTS_MAX => {
                    shifts += 1;
                    continue;
                }
                Part::Shifted | Part::Cut | Part::Failed => return Ok(()),
            }
            self.take_up(walk, (from, to), &mut left).await?;
        }
        Ok(())
    }

    /// Puts what a part of the list showed, as far as it is to be taken in hand.
    async fn take_up(&mut self, walk: Walk, (from, to): (Date, Date), left: &mut usize) -> Result<(), Halt> {
        let until = self.held_until();
        let seen = walk.unknown.len() + walk.known.len();
        let mut candidates = Vec::new();
        for listed in walk.unknown {
            if self.is_in_span(&listed) {
                let mut row = self.first_sight(listed, self.now());
                self.take_in_hand(&mut row, until);
                candidates.push(Candidate::New(row));
            }
        }
        for listed in walk.known {
            candidates.extend(self.known_candidate(listed, until).await?);
        }
        candidates.sort_by_key(|candidate| {
            let row = candidate.row();
            (row.start().unwrap_or(Timestamp::MAX), row.id())
        });
        let mut new = Vec::new();
        let mut stopped_at = None;
        for candidate in candidates {
            let counts = candidate.row().cause == Some(Cause::Budget);
            if counts && *left == 0 {
                stopped_at = Some(candidate.row().day().unwrap_or(from));
                break;
            }
            let id = candidate.row().id();
            match candidate {
                Candidate::New(row) => new.push(row),
                Candidate::Open(row) => self.keep_quietly(row).await?,
                Candidate::Skipped(row, version, was) => {
                    self.versions.insert(id, version);
                    self.changed.insert(id, row.clone());
                    self.head.last_change = Some(self.now());
                    self.put(row, Some(was)).await?;
                }
            }
            if counts && let Some(course) = &mut self.history {
                *left -= 1;
                if course.slice.wanted.is_empty() {
                    course.slice_from = from;
                }
                course.slice.wanted.insert(id);
            }
        }
        if !new.is_empty() {
            self.add_rows(new).await?;
        }
        if let Some(course) = &mut self.history {
            // What another run put in the meantime is not ours.
            course.slice.wanted.retain(|id| self.open.contains_key(id));
            match stopped_at {
                Some(day) => course.cursor.stop_at(day),
                None => course.cursor.has_read(to, seen),
            }
            if course.slice.wanted.is_empty() {
                course.slice_from = course.cursor.next();
            }
        }
        Ok(())
    }

    fn is_in_span(&self, listed: &Listed) -> bool {
        let Some(course) = &self.history else { return false };
        listed.day().is_none_or(|day| course.span.contains(day))
    }

    /// What the ledger knows is taken up where it is due, and where a rule or a date skipped it that holds no more.
    async fn known_candidate(&mut self, listed: Listed, until: Timestamp) -> Result<Option<Candidate>, Halt> {
        let id = listed.id;
        let is_in_hand = self.history.as_ref().is_some_and(|course| course.slice.wanted.contains(&id));
        if is_in_hand || !self.is_in_span(&listed) {
            return Ok(None);
        }
        if let Some(mut row) = self.row(id) {
            // Of a run that was stopped, or of an everyday tick: what is in doubt may have to be sent again.
            match (&row.state, &mut self.history) {
                (State::Submitted { .. }, Some(course)) => course.slice.sent.insert(id),
                (State::Submitting { .. }, Some(course)) => course.slice.wanted.insert(id),
                _ => false,
            };
            let is_free = row.is_due(self.now()) || row.cause == Some(Cause::Budget);
            if row.state != State::Wanted || !is_free {
                return Ok(None);
            }
            row.hold_for_history(until);
            return Ok(Some(Candidate::Open(row)));
        }
        let Some((mut row, version)) = self.ports.ledger.get(id).await? else { return Ok(None) };
        let is_by_rule = matches!(&row.state, State::Skipped { reason, .. } if *reason != SkipReason::ByHand);
        if !is_by_rule {
            return Ok(None);
        }
        row.refresh(&listed);
        if self.settings.rules.decide(&row.activity, self.since) != Decision::Wanted {
            return Ok(None);
        }
        let was = row.state.name();
        if row.history_wants(self.now()).is_err() {
            return Ok(None);
        }
        self.hold(&mut row);
        self.take_in_hand(&mut row, until);
        Ok(Some(Candidate::Skipped(row, version, was)))
    }

    /// *Garmin's own link* delivers what is new, and is not waited for with what is old.
    fn take_in_hand(&self, row: &mut Row, until: Timestamp) {
        let is_old = row.start().is_some_and(|start| start < earlier(self.now(), NEW));
        if row.state == State::Wanted && (is_old || row.not_before.is_none()) {
            row.hold_for_history(until);
        }
    }

    /// What has gone is not in hand any more.
    fn count_slice(&mut self) {
        let now = self.now();
        let Some(course) = &mut self.history else { return };
        for id in std::mem::take(&mut course.slice.wanted) {
            match self.open.get(&id).map(|row| &row.state) {
                // In doubt it is not done with either: it may have to be sent again.
                Some(State::Wanted | State::Submitting { .. }) => {
                    course.slice.wanted.insert(id);
                    continue;
                }
                Some(State::Submitted { .. }) => {
                    course.slice.sent.insert(id);
                }
                _ => {}
            }
            course.dealt += 1;
        }
        if course.slice.wanted.is_empty() {
            course.slice_from = course.cursor.next();
        }
        // Once its own moment has come, it is the everyday tick's.
        let is_kept = |id: &GarminId| {
            let row = self.open.get(id).filter(|row| matches!(row.state, State::Submitted { .. }));
            row.is_some_and(|row| row.not_before.is_some_and(|until| until > now))
        };
        let newest = self.eyes.0.last();
        let is_stray = |id: &GarminId| {
            self.open.get(id).zip(newest).is_some_and(|(row, seen)| match row.state {
                State::Submitted { since, .. } => {
                    let was_covered = row.start().is_some_and(|start| seen.window.contains(start));
                    was_covered && later(since, SHOWN_WITHIN) <= seen.began
                }
                _ => false,
            })
        };
        let (strays, sent) =
            std::mem::take(&mut course.slice.sent).into_iter().filter(is_kept).partition(is_stray);
        course.slice.sent = sent;
        course.strays.extend::<BTreeSet<GarminId>>(strays);
        course.strays.retain(is_kept);
    }

    /// Shows what the last slice has become; what it does not show is the next tick's.
    async fn last_look(&mut self) -> Result<(), Halt> {
        let Some(course) = &self.history else { return Ok(()) };
        if let Some(window) = sent_window(&self.open, &course.slice)
            && !self.find(window).await?
        {
            // Not now, but soon.
            return Ok(());
        }
        // What the look settled is done with, too.
        self.count_slice();
        if !self.is_at_the_end() {
            // It showed that something has to be sent again.
            return Ok(());
        }
        let Some(course) = &mut self.history else { return Ok(()) };
        course.is_over = true;
        let unsettled: Vec<GarminId> = course.slice.sent.iter().chain(&course.strays).copied().collect();
        for id in unsettled {
            if let Some(mut row) = self.row(id) {
                row.settles_alone();
                self.keep_quietly(row).await?;
            }
        }
        Ok(())
    }

    /// An upload of a backfill is confirmed by the look of the next slice.
    pub(super) fn settles_with_many(&self, row: &mut Row) {
        if self.history.is_some() {
            row.settles_with_many(self.held_until());
        }
    }

    fn held_until(&self) -> Timestamp {
        later(self.now(), self.settings.timing.scaled(HELD))
    }
}

/// Something on a part of Garmin's list that is to be put.
enum Candidate {
    New(Row),
    /// It is open and due.
    Open(Row),
    /// It was skipped, in that version and state.
    Skipped(Row, Version, crate::ledger::StateName),
}

impl Candidate {
    fn row(&self) -> &Row {
        match self {
            Candidate::New(row) | Candidate::Open(row) | Candidate::Skipped(row, ..) => row,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::engine::next::Seen;
    use crate::ports::Window;

    fn course_that_has_looked() -> Course {
        let mut course = Course::over(Span { from: date(2020, 1, 1), to: date(2026, 11, 18) });
        course.follow(Fence(5));
        let window = Window { after: Timestamp::UNIX_EPOCH, before: Timestamp::MAX };
        let (at, found) = (Duration::ZERO, Vec::new());
        course.eyes.0.push(Seen { window, began: Timestamp::UNIX_EPOCH, at, found, sees_private: true });
        course
    }

    #[test]
    fn what_a_turn_saw_counts_for_the_next_one_unless_another_run_had_the_lease_in_between() {
        let mut course = course_that_has_looked();
        course.ticked(None);
        course.ticked(Some(Fence(6)));
        course.follow(Fence(7));
        assert_eq!(course.eyes.0.len(), 1, "the everyday tick beside it was its own");
        course.follow(Fence(9));
        assert!(course.eyes.0.is_empty(), "somebody had the eighth");
    }
}
