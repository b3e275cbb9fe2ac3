//! Looking at Strava: before an upload (*Fresh eyes*), after one without an answer (*Doubt*), and for what
//! has become of the ones that it took.

use std::collections::{BTreeMap, BTreeSet};

use super::next::{Seen, joined, window_of};
use super::report::Note;
use super::{Halt, Progress, Tick};
use crate::activity::{Found, GarminId, StravaId, UploadId};
use crate::ledger::{Row, State};
use crate::matching::{self, Same};
use crate::planted::{self, Fault};
use crate::ports::{Answer, Destination, Failure, Look, PortError, Processing, Service, Sight, Window};

/// One or two uploads are asked for singly; more with one list call.
const SINGLY_MAX: usize = 2;
/// Of those that a list did not show, this many are asked for singly in one round.
const SINGLY_AFTER_LIST_MAX: usize = 10;
/// A window is halved at most this often; more activities than that in a few hours is not a runner.
const HALVINGS_MAX: u32 = 8;

/// A complete look over a window, in halves where it shows too much at once. It is complete or it is an
/// error, whatever the halves before the failing one showed.
pub(super) async fn look_over(
    destination: &dyn Destination,
    window: Window,
) -> Result<Answer<Sight>, Failure> {
    look_until(destination, window, &BTreeSet::new()).await
}

/// The same, which may end once all of these uploads have shown.
async fn look_until(
    destination: &dyn Destination,
    window: Window,
    uploads: &BTreeSet<UploadId>,
) -> Result<Answer<Sight>, Failure> {
    let mut whole =
        Answer { value: Sight { found: Vec::new(), sees_private: true }, usage: None, server_time: None };
    let mut parts = vec![(window, 0)];
    while let Some((part, halvings)) = parts.pop() {
        let answer = destination.find(part, uploads).await?;
        whole.usage = answer.usage.or(whole.usage);
        whole.server_time = answer.server_time.or(whole.server_time);
        match answer.value {
            Look::Complete(sight) => {
                whole.value.found.extend(sight.found);
                whole.value.sees_private &= sight.sees_private;
            }
            Look::TooWide if halvings < HALVINGS_MAX => {
                parts.extend(part.halves().map(|half| (half, halvings + 1)));
            }
            Look::TooWide => {
                let what = "the list of activities does not end".to_owned();
                return Err(PortError::Refused { service: Service::Strava, status: None, what }.into());
            }
        }
    }
    Ok(whole)
}

impl Tick<'_> {
    /// A complete look over a window, and what follows from it. `false`: it failed, which is booked on
    /// Strava; an incomplete look is never read as absence.
    pub(super) async fn find(&mut self, window: Window) -> Result<bool, Halt> {
        self.run.observer.hears(Progress::Looking);
        let (began, at) = (self.now(), self.ports.clock.monotonic());
        let sight = match look_over(self.ports.destination, window).await {
            Ok(answer) => self.well(Service::Strava, answer),
            Err(failure) => {
                self.blame(Service::Strava, failure)?;
                return Ok(false);
            }
        };
        let Sight { found, sees_private } = sight;
        self.eyes.0.push(Seen { window, began, at, found, sees_private });
        self.read_look().await?;
        Ok(true)
    }

    /// *Garmin's own link*: is it on?
    pub(super) async fn look_for_link(&mut self, window: Window) -> Result<(), Halt> {
        if !self.find(window).await? {
            return Ok(());
        }
        self.link_look_due = false;
        self.head.link.looked = Some(self.now());
        let delivered =
            self.eyes.0.last().is_some_and(|seen| seen.found.iter().any(Found::by_garmins_own_link));
        if !delivered {
            self.head.link.on = Some(false);
        }
        Ok(())
    }

    /// What the newest look means for every open row: what it shows, it shows of any; what it does not show, it
    /// says only of those that it covers.
    async fn read_look(&mut self) -> Result<(), Halt> {
        let Some(seen) = self.eyes.0.last().cloned() else { return Ok(()) };
        if seen.found.iter().any(Found::by_garmins_own_link) {
            self.link_is_on().await?;
        }
        self.report_copies(&seen.found);
        let strava_now = self.strava_now();
        let rows: Vec<Row> = self.open.values().cloned().collect();
        for mut row in rows {
            let is_covered = window_of(&row, strava_now).is_some_and(|window| seen.window.covers(&window));
            let now = self.now();
            let due = row.is_due(now);
            if let Some(claim) = row.duplicate.clone().filter(|_| due)
                && claim.of.is_some_and(|of| self.eyes.get(of).is_some())
            {
                self.decide_claim(row, claim).await?;
                continue;
            }
            if let Some((found, ours)) = best_match(&row, &seen.found) {
                let outcome = row.found(found.id, ours, now);
                self.settle_row(row, outcome).await?;
            } else if !is_covered {
                continue;
            } else if due && (row.duplicate.is_some() || matches!(row.state, State::Submitting { .. })) {
                let outcome = row.looked_in_vain(seen.sees_private, seen.began, &self.settings.timing);
                self.settle_row(row, outcome).await?;
            } else {
                self.note_near_misses(row, &seen.found).await?;
            }
        }
        Ok(())
    }

    /// A look may be older than the row: a history takes up what an earlier one showed.
    pub(super) fn shown_already(&self, row: &Row) -> Option<(StravaId, bool)> {
        if planted::has(Fault::EarlierLooksUnread) {
            return None;
        }
        let mut looks = self.eyes.0.iter().rev();
        looks.find_map(|seen| best_match(row, &seen.found)).map(|(found, ours)| (found.id, ours))
    }

    /// A near miss is kept for `show`, and not acted upon (*Same activity*).
    async fn note_near_misses(&mut self, mut row: Row, found: &[Found]) -> Result<(), Halt> {
        let misses: Vec<String> = found
            .iter()
            .filter_map(|found| matching::near_miss(&row, found))
            .filter(|miss| !row.history.iter().any(|moment| moment.event == *miss))
            .collect();
        if row.state != State::Wanted || misses.is_empty() {
            return Ok(());
        }
        let now = self.now();
        for miss in misses {
            row.note(now, miss);
        }
        self.keep_quietly(row).await
    }

    /// A copy that Garmin's own link delivered after ours is reported, and left alone (*Hands off*).
    fn report_copies(&mut self, found: &[Found]) {
        let ours = |found: &&Found| {
            found.external_id.as_deref().is_some_and(|external_id| {
                matching::named(external_id).is_some_and(|id| matching::is_ours(external_id, id))
            })
        };
        for copy in found.iter().filter(|found| found.by_garmins_own_link()) {
            let twin = found.iter().filter(ours).find(|ours| {
                let apart = ours.start.zip(copy.start).map(|(a, b)| a.duration_until(b).abs().as_secs());
                apart.is_some_and(|seconds| seconds <= 120)
            });
            if let Some(twin) = twin {
                let note = Note::CopyByLink { ours: twin.id, copy: copy.id };
                if !self.notes.contains(&note) {
                    self.notes.push(note);
                }
            }
        }
    }

    /// Asks what became of uploads: one or two singly, more with one list call for each stretch of time,
    /// and singly only what did not show.
    pub(super) async fn confirm(&mut self, ids: &[GarminId], last: bool) -> Result<(), Halt> {
        self.rounds += 1;
        self.run.observer.hears(Progress::Settling { left: ids.len() });
        let mut singly: Vec<GarminId> = Vec::new();
        for (window, group) in self.stretches(ids) {
            if group.len() <= SINGLY_MAX {
                singly.extend(group.keys());
                continue;
            }
            let uploads: BTreeSet<UploadId> = group.values().copied().collect();
            let found = match look_until(self.ports.destination, window, &uploads).await {
                Ok(answer) => self.well(Service::Strava, answer).found,
                Err(failure) => return self.blame(Service::Strava, failure),
            };
            for (id, upload) in group {
                let Some(mut row) = self.row(id) else { continue };
                let shown = found.iter().find(|found| {
                    found.upload_id == Some(upload)
                        || found
                            .external_id
                            .as_deref()
                            .is_some_and(|external| matching::is_ours(external, id))
                });
                match shown {
                    Some(found) => {
                        let outcome = row.ready(found.id, self.now());
                        self.settle_row(row, outcome).await?;
                    }
                    None if last => singly.push(id),
                    None => {}
                }
            }
            singly.truncate(SINGLY_AFTER_LIST_MAX);
        }
        let asked = singly.clone();
        for id in singly {
            let Some(row) = self.row(id) else { continue };
            let State::Submitted { upload, .. } = row.state else { continue };
            match self.ports.destination.confirm(upload).await {
                Ok(answer) => {
                    self.asked.insert(id);
                    let processing = self.well(Service::Strava, answer);
                    self.processed(row, processing).await?;
                }
                Err(failure) => return self.blame(Service::Strava, failure),
            }
        }
        if last { self.look_for_silent(&asked).await } else { Ok(()) }
    }

    /// An upload that an earlier tick did not see settled is asked for by its id, then looked for in the
    /// list: Strava may have forgotten the id and show the activity.
    async fn look_for_silent(&mut self, asked: &[GarminId]) -> Result<(), Halt> {
        let is_silent = |id: &GarminId| self.open.get(id).is_some_and(|row| row.confirms > 0);
        let silent: Vec<GarminId> = asked.iter().copied().filter(is_silent).collect();
        for (window, _) in self.stretches(&silent) {
            if self.eyes.cover(&window, self.ports.clock.monotonic()).is_none() && !self.find(window).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn processed(&mut self, mut row: Row, processing: Processing) -> Result<(), Halt> {
        let now = self.now();
        let outcome = match processing {
            // An upload id that Strava does not know counts as processing.
            Processing::Pending | Processing::Unknown => return Ok(()),
            Processing::Ready(strava) => row.ready(strava, now),
            Processing::Duplicate { of, text } => return self.duplicate(row, of, text).await,
            Processing::Failed(text) => row.refused(&text, now),
            Processing::Deleted => row.deleted_there(now),
        };
        self.settle_row(row, outcome).await
    }

    /// Submitted rows by stretch of time, so that one list call shows many.
    fn stretches(&self, ids: &[GarminId]) -> Vec<(Window, BTreeMap<GarminId, UploadId>)> {
        let strava_now = self.strava_now();
        let spans: Vec<(GarminId, UploadId, Window)> = ids
            .iter()
            .filter_map(|id| {
                let row = self.open.get(id)?;
                let State::Submitted { upload, .. } = row.state else { return None };
                Some((*id, upload, window_of(row, strava_now)?))
            })
            .collect();
        let windows = joined(spans.iter().map(|(_, _, window)| *window).collect());
        windows
            .into_iter()
            .map(|window| {
                let inside = |span: &&(GarminId, UploadId, Window)| window.covers(&span.2);
                (window, spans.iter().filter(inside).map(|(id, upload, _)| (*id, *upload)).collect())
            })
            .collect()
    }

    /// What the tick itself did not see settled is left to later ones.
    pub(super) async fn put_off(&mut self, ids: &[GarminId]) -> Result<(), Halt> {
        for id in ids {
            let Some(mut row) = self.row(*id) else { continue };
            let (now, timing) = (self.now(), &self.settings.timing);
            let outcome = if self.asked.contains(id) {
                row.still_processing(now, timing)
            } else {
                row.not_asked_for(now, timing);
                Ok(())
            };
            self.done.insert(*id);
            self.settle_row(row, outcome).await?;
        }
        Ok(())
    }
}

/// The activity of a look that is the row's, our own upload before any other, and whether it is that.
fn best_match<'a>(row: &Row, found: &'a [Found]) -> Option<(&'a Found, bool)> {
    let is_duplicate_of_unnamed = row.duplicate.as_ref().is_some_and(|claim| claim.of.is_none());
    if let State::Submitted { upload, .. } = row.state
        && !is_duplicate_of_unnamed
    {
        // A submitted row is not settled by a look-alike: Strava has our file and will say what became of it.
        return found
            .iter()
            .find(|found| {
                found.upload_id == Some(upload)
                    || found.external_id.as_deref().is_some_and(|id| matching::is_ours(id, row.id()))
            })
            .map(|found| (found, true));
    }
    let matches = || found.iter().filter_map(|found| Some((found, matching::same(row, found)?)));
    matches()
        .find(|(_, same)| *same == Same::OurExternalId)
        .or_else(|| matches().next())
        .map(|(found, same)| (found, same == Same::OurExternalId))
}
