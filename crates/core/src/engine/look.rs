//! *Far enough back*: reading Garmin's list so that nothing is missed.
//!
//! The list is ordered by start, not by arrival, has no "changed since", and shifts while it is read. So
//! each tick looks at the newest page and goes on only while it meets unknown ids; a sweep every few
//! hours reads the whole look-back; and no offset is trusted: pages overlap and ids are de-duplicated.

use std::collections::BTreeSet;

use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use super::report::Note;
use super::{Halt, Hold, LINK_HOLD, Progress, Settings, Tick};
use crate::activity::{GarminId, Listed};
use crate::head::{Head, Running};
use crate::ledger::{Row, State};
use crate::moment::{earlier, later};
use crate::planted::{self, Fault};
use crate::ports::{Page, Service, Version};
use crate::rules::Decision;

pub(super) const LOOK_PAGE: u32 = 20;
pub(super) const SWEEP_PAGE: u32 = 40;
/// Pages overlap by this much: one that went away between two requests shifts the next page.
const OVERLAP: u32 = 5;
/// A look goes no further than this; the sweep does.
pub(super) const LOOK_PAGES_MAX: u32 = 25;
/// A sweep of more pages than this never ends: Garmin repeats itself.
pub(super) const SWEEP_PAGES_MAX: u32 = 5_000;
/// How often a sweep starts over when the list shifts under it, within one tick.
const SWEEP_TRIES: u32 = 3;
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A walk over pages: which ids it saw, and which of them the ledger does not know.
#[derive(Debug, Default)]
pub(super) struct Walk {
    seen: BTreeSet<GarminId>,
    pub(super) unknown: Vec<Listed>,
    /// Those that it knows, where somebody wants them.
    pub(super) known: Vec<Listed>,
    keeps_known: bool,
    /// Ids of the newest page of this walk.
    first_page: Vec<GarminId>,
    /// The oldest day seen.
    oldest: Option<Date>,
    pages: u32,
}

impl Walk {
    pub(super) fn that_keeps_known() -> Walk {
        Walk { keeps_known: true, ..Walk::default() }
    }

    /// The next page, `limit` long, of a span of days.
    pub(super) fn next(&self, limit: u32, from: Option<Date>, to: Option<Date>) -> Page {
        let overlap = if planted::has(Fault::PagesWithoutOverlap) { 0 } else { OVERLAP };
        Page { start: self.pages * (limit - overlap), limit, from, to }
    }

    /// The ones of a page that this walk has not seen.
    pub(super) fn fresh(&mut self, page: Vec<Listed>) -> Vec<Listed> {
        if self.pages == 0 {
            self.first_page = page.iter().map(|listed| listed.id).collect();
        }
        self.pages += 1;
        let fresh: Vec<Listed> = page.into_iter().filter(|listed| self.seen.insert(listed.id)).collect();
        let oldest = fresh.iter().filter_map(Listed::day).min();
        self.oldest = match (self.oldest, oldest) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        fresh
    }

    pub(super) fn pages(&self) -> u32 {
        self.pages
    }

    pub(super) fn seen(&self) -> usize {
        self.seen.len()
    }
}

/// Whether a page lies wholly before the start date.
pub(super) fn wholly_before(page: &[Listed], since: Option<Date>) -> bool {
    since.is_some_and(|since| page.iter().all(|listed| listed.day().is_some_and(|day| day < since)))
}

/// Tells the newest page from every other one: ids, names and types.
pub(super) fn fingerprint(page: &[Listed]) -> u64 {
    let mut hash = Sha256::new();
    for listed in page {
        hash.update(listed.id.0.to_be_bytes());
        for text in [&listed.name, &listed.type_key] {
            hash.update(text.as_deref().unwrap_or("\u{1}"));
            hash.update([0]);
        }
    }
    let digest = hash.finalize();
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// How a sweep of one part ended.
pub(super) enum Part {
    Complete,
    /// Half of the tick's time is over.
    Cut,
    /// The list shifted while it was read: what was seen is true, that it was all is not known.
    Shifted,
    Failed,
}

impl Tick<'_> {
    /// One page; `None` where Garmin did not answer well, which is booked on Garmin.
    async fn page(&mut self, page: Page) -> Result<Option<Vec<Listed>>, Halt> {
        match self.ports.source.list(page).await {
            Ok(answer) => Ok(Some(self.well(Service::Garmin, answer))),
            Err(failure) => {
                // A pause is a durable moment: the lease first, since taking it reads the head again.
                if let Err(halt) = self.take_lease().await {
                    self.trouble.insert(Service::Garmin, failure.error);
                    return Err(halt);
                }
                self.blame(Service::Garmin, failure)?;
                Ok(None)
            }
        }
    }

    /// The newest page, and older ones while they hold unknown ids.
    pub(super) async fn look(&mut self) -> Result<(), Halt> {
        let mut walk = Walk::default();
        let Some(newest) = self.page(walk.next(LOOK_PAGE, None, None)).await? else {
            return Ok(());
        };
        self.listed.extend(newest.iter().map(|listed| listed.id));
        let print = fingerprint(&newest);
        let forgiven = self.head.garmin_pause.is_none()
            && self.head.garmin_rung == 0
            && self.head.garmin_429_minutes == 0;
        if self.head.fingerprint == Some(print) && forgiven {
            return Ok(());
        }
        self.take_lease().await?;
        self.load_open().await?;
        let mut page = newest;
        let mut leaves_some = false;
        let cut = loop {
            let before = wholly_before(&page, self.since);
            let fresh = walk.fresh(page);
            let mut unknown = self.unknown(&fresh).await?;
            let all = unknown.len();
            unknown.retain(|listed| !self.leaves_out(listed));
            leaves_some |= unknown.len() < all;
            let more = !unknown.is_empty();
            walk.unknown.extend(unknown);
            if !more || before {
                break false;
            }
            if walk.pages() >= LOOK_PAGES_MAX || self.half_time_is_over() {
                break true;
            }
            self.renew_lease().await?;
            self.run.observer.hears(Progress::Listing { seen: walk.seen() });
            let Some(next) = self.page(walk.next(LOOK_PAGE, None, None)).await? else {
                // Nothing is put before the last page was read: the next look must meet the gap again.
                if planted::has(Fault::FingerprintTooEarly) {
                    self.head.fingerprint = Some(print);
                }
                return Ok(());
            };
            self.listed.extend(next.iter().map(|listed| listed.id));
            page = next;
        };
        if cut {
            // What lies between is the sweep's, which then goes all the way.
            self.head.sweep.last_complete = None;
            self.head.sweep.running = None;
        }
        self.add(walk.unknown).await?;
        // A fingerprint says that all of the page is in the ledger.
        if !leaves_some {
            self.head.fingerprint = Some(print);
        }
        Ok(())
    }

    /// Beside a backfill, where the ledger has never been complete: the history is the backfill's to take up, slice
    /// by slice. Where it was complete, what is unknown is new.
    fn leaves_out(&self, listed: &Listed) -> bool {
        self.head.sweep.last_complete.is_none()
            && self.leaves.zip(listed.day()).is_some_and(|(leaves, day)| leaves.contains(day))
    }

    /// The whole look-back, for what synced late and for what was missed.
    pub(super) async fn sweep(&mut self) -> Result<(), Halt> {
        let Some(mut running) = due_sweep(&self.head, self.settings, self.since, self.started) else {
            return Ok(());
        };
        let is_the_backfills = self.leaves.is_some() && self.head.sweep.last_complete.is_none();
        if is_the_backfills || self.head.paused(Service::Garmin, self.now()).is_some() {
            return Ok(());
        }
        self.load_open().await?;
        for attempt in 1..=SWEEP_TRIES {
            let mut walk = Walk::default();
            let part = self.walk_part(&mut walk, &running).await?;
            let oldest = walk.oldest;
            self.add(walk.unknown).await?;
            match part {
                Part::Complete => {
                    self.head.sweep.running = None;
                    self.head.sweep.last_complete = Some(running.started);
                    if running.full {
                        self.head.sweep.last_full = Some(running.started);
                        self.link_look_due = true;
                    }
                    return Ok(());
                }
                Part::Cut => {
                    running.reached = oldest.or(running.reached);
                    break;
                }
                Part::Shifted if attempt < SWEEP_TRIES => {}
                Part::Shifted | Part::Failed => break,
            }
        }
        self.head.sweep.running = Some(running);
        Ok(())
    }

    pub(super) async fn walk_part(&mut self, walk: &mut Walk, running: &Running) -> Result<Part, Halt> {
        let from = first_day_of(running);
        let cut = loop {
            let Some(page) = self.page(walk.next(SWEEP_PAGE, from, running.reached)).await? else {
                return Ok(Part::Failed);
            };
            self.listed.extend(page.iter().map(|listed| listed.id));
            let fresh = walk.fresh(page);
            // A short page is no proof of the end; one that shows nothing new is.
            if fresh.is_empty() || walk.pages() >= SWEEP_PAGES_MAX {
                break false;
            }
            let unknown = self.unknown(&fresh).await?;
            if walk.keeps_known {
                let unknown: BTreeSet<GarminId> = unknown.iter().map(|listed| listed.id).collect();
                walk.known.extend(fresh.into_iter().filter(|listed| !unknown.contains(&listed.id)));
            }
            walk.unknown.extend(unknown);
            self.run.observer.hears(Progress::Listing { seen: walk.seen() });
            if self.half_time_is_over() {
                break true;
            }
            self.renew_lease().await?;
            if self.run.stop.load(std::sync::atomic::Ordering::Relaxed) {
                return Ok(Part::Failed);
            }
        };
        // It counts only if the first page did not change meanwhile. A single page that is not full is one moment;
        // behind a full one there may have been more before the next was asked for.
        let pages_that_showed = walk.pages() - u32::from(!cut);
        let is_full = u32::try_from(walk.first_page.len()).is_ok_and(|items| items >= SWEEP_PAGE);
        if pages_that_showed > 1 || is_full {
            let again = Page { start: 0, limit: SWEEP_PAGE, from, to: running.reached };
            let Some(page) = self.page(again).await? else {
                return Ok(Part::Failed);
            };
            let shifted = page.iter().map(|listed| listed.id).ne(walk.first_page.iter().copied());
            if shifted && !planted::has(Fault::ShiftedSweepCounts) {
                return Ok(Part::Shifted);
            }
        }
        Ok(if cut { Part::Cut } else { Part::Complete })
    }

    /// Reading the list takes at most half of a tick's time.
    fn half_time_is_over(&self) -> bool {
        let Some(deadline) = self.run.deadline else { return false };
        let left = deadline.saturating_sub(self.ports.clock.monotonic());
        let spent = self.started.duration_until(self.now()).unsigned_abs();
        spent >= left
    }

    /// Which of these the ledger does not know. Of those it knows and that are still open, a new title or
    /// type is kept.
    async fn unknown(&mut self, listed: &[Listed]) -> Result<Vec<Listed>, Halt> {
        let ids: Vec<GarminId> = listed.iter().map(|listed| listed.id).collect();
        let known = self.ports.ledger.known(&ids).await?;
        for listed in listed.iter().filter(|listed| known.contains(&listed.id)) {
            if let Some(mut row) = self.row(listed.id)
                && row.refresh(listed)
            {
                self.keep_quietly(row).await?;
            }
        }
        Ok(listed.iter().filter(|listed| !known.contains(&listed.id)).cloned().collect())
    }

    /// Puts new ones, oldest first.
    async fn add(&mut self, mut unknown: Vec<Listed>) -> Result<(), Halt> {
        if unknown.is_empty() {
            return Ok(());
        }
        let now = self.now();
        unknown.sort_by_key(|listed| (listed.start.unwrap_or(Timestamp::MAX), listed.id));
        let rows = unknown.into_iter().map(|listed| self.first_sight(listed, now)).collect();
        self.add_rows(rows).await
    }

    /// What becomes of an activity that is seen for the first time.
    pub(super) fn first_sight(&self, listed: Listed, now: Timestamp) -> Row {
        let state = match self.settings.rules.decide(&listed, self.since) {
            Decision::Wanted => State::Wanted,
            Decision::Skipped { reason, detail } => State::Skipped { reason, detail },
        };
        let mut row = Row::seen(listed, state, now);
        self.hold(&mut row);
        row
    }

    /// Puts rows that are new, in this order.
    pub(super) async fn add_rows(&mut self, rows: Vec<Row>) -> Result<(), Halt> {
        let now = self.now();
        self.touch().await?;
        let fence = self.take_lease().await?;
        let added: BTreeSet<GarminId> = self.ports.ledger.add(&rows, fence).await?.into_iter().collect();
        for row in rows.into_iter().filter(|row| added.contains(&row.id())) {
            self.new += 1;
            self.head.counts.moved(None, row.state.name());
            self.head.last_change = Some(now);
            self.changed.insert(row.id(), row.clone());
            if row.state.is_open() {
                self.versions.insert(row.id(), Version::FIRST);
                self.open.insert(row.id(), row);
            }
        }
        Ok(())
    }

    /// *Garmin's own link*: while it is on, a new activity is held from its first sight on.
    pub(super) fn hold(&self, row: &mut Row) {
        let hold = match self.settings.hold {
            Hold::For(hold) => hold,
            Hold::Auto if self.head.link.on == Some(true) => LINK_HOLD,
            Hold::Auto => return,
        };
        self.hold_for(row, hold);
    }

    fn hold_for(&self, row: &mut Row, hold: SignedDuration) {
        if planted::has(Fault::NothingIsHeld) {
            return;
        }
        let until = later(row.first_seen, hold);
        if row.state == State::Wanted && row.sends == 0 && !row.by_hand && until > self.now() {
            row.hold(until);
        }
    }

    /// The link is on: said once, and what waits to go is held as if it had been known from the start.
    pub(super) async fn link_is_on(&mut self) -> Result<(), Halt> {
        if self.head.link.on == Some(true) {
            return Ok(());
        }
        // The head says so once they are held: killed in between, the next run sees it on Strava again.
        let hold = match self.settings.hold {
            Hold::For(hold) => hold,
            Hold::Auto => LINK_HOLD,
        };
        let rows: Vec<Row> = self.open.values().filter(|row| row.state == State::Wanted).cloned().collect();
        for mut row in rows {
            let before = row.not_before;
            self.hold_for(&mut row, hold);
            if row.not_before != before {
                self.keep(row).await?;
            }
        }
        self.head.link.on = Some(true);
        self.notes.push(Note::LinkOn);
        // And before the rows that show it are settled; else the first of these writes brings it along.
        if self.head_kept.dirty {
            let fence = self.take_lease().await?;
            self.write_head(fence).await?;
        }
        Ok(())
    }
}

/// The sweep that is due, as a new one or as what is left of one that a tick did not finish.
///
/// Before the first complete one, and once a week, it goes back to `since`.
pub(super) fn due_sweep(
    head: &Head,
    settings: &Settings,
    since: Option<Date>,
    now: Timestamp,
) -> Option<Running> {
    let due =
        |last: Option<Timestamp>, every: SignedDuration| last.is_none_or(|last| later(last, every) <= now);
    let sweep = &head.sweep;
    if sweep.running.is_some() {
        return sweep.running.clone();
    }
    if !due(sweep.last_complete, settings.sweep) {
        return None;
    }
    let full = sweep.last_complete.is_none() || due(sweep.last_full, WEEK);
    let back_to = if full {
        since
    } else {
        let far = far_enough_back(now, settings.lookback, sweep.last_complete);
        Some(since.map_or(far, |since| far.max(since)))
    };
    Some(Running { started: now, back_to, full, reached: None })
}

/// A first day is always named beside a last one.
pub(super) fn first_day_of(running: &Running) -> Option<Date> {
    running.back_to.or(running.reached.map(|_| date(1970, 1, 1)))
}

/// min(today − lookback, last complete sweep − 2 days) − 1 day.
fn far_enough_back(now: Timestamp, lookback: SignedDuration, last_complete: Option<Timestamp>) -> Date {
    let lookback = earlier(now, lookback);
    let last_complete = last_complete.filter(|_| !planted::has(Fault::LookBackFromToday));
    let missed = last_complete.map_or(lookback, |last| earlier(last, DAY + DAY));
    jiff::tz::Offset::UTC.to_datetime(earlier(lookback.min(missed), DAY)).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summer_away_makes_the_sweep_go_back_further_than_the_look_back() {
        let now: Timestamp = "2026-09-30T12:00:00Z".parse().unwrap();
        let month = SignedDuration::from_hours(30 * 24);
        let yesterday: Timestamp = "2026-09-29T12:00:00Z".parse().unwrap();
        assert_eq!(far_enough_back(now, month, Some(yesterday)), date(2026, 8, 30));
        let june: Timestamp = "2026-06-15T12:00:00Z".parse().unwrap();
        assert_eq!(far_enough_back(now, month, Some(june)), date(2026, 6, 12));
    }

    #[test]
    fn pages_overlap_and_nothing_is_seen_twice() {
        let mut walk = Walk::default();
        assert_eq!(walk.next(20, None, None).start, 0);
        let page = |ids: std::ops::Range<u64>| ids.map(|id| Listed::bare(GarminId(id))).collect::<Vec<_>>();
        assert_eq!(walk.fresh(page(100..120)).len(), 20);
        assert_eq!(walk.next(20, None, None).start, 15);
        assert_eq!(walk.fresh(page(115..135)).len(), 15);
    }
}
