//! Carrying one activity over: download, judge little, write the intent, upload, write the answer.

use futures_util::future::join;

use super::ahead::fetch_ahead;
use super::next::window_of;
use super::{Halt, Progress, Tick};
use crate::activity::{GarminId, StravaId};
use crate::budget::{Kind, Purpose};
use crate::ledger::{DownloadTrouble, DuplicateClaim, FileFacts, Row};
use crate::matching;
use crate::moment::later;
use crate::planted::{self, Fault};
use crate::ports::{Answer, Download, Failure, Original, PortError, SendError, Sent, Service, Upload};

/// A broken transport is tried this often at once (*Blame*).
const BROKEN_AT_ONCE: u32 = 3;

impl Tick<'_> {
    pub(super) async fn carry(&mut self, id: GarminId) -> Result<(), Halt> {
        if let Some(mut row) = self.row(id)
            && let Some((strava, ours)) = self.shown_already(&row)
        {
            let outcome = row.found(strava, ours, self.now());
            return self.settle_row(row, outcome).await;
        }
        if self.budget_is_spent().await? {
            return Ok(());
        }
        let Some(original) = self.original(id).await? else {
            return Ok(());
        };
        let Some(row) = self.row(id) else { return Ok(()) };
        let window = window_of(&row, self.strava_now());
        let covered =
            window.is_some_and(|window| self.eyes.cover(&window, self.ports.clock.monotonic()).is_some());
        if !covered {
            // The list knew no start: now that the file told one, Strava is looked at around it.
            self.in_hand = Some((id, original));
            return Ok(());
        }
        self.send(row, original).await
    }

    /// *Budget*: what could not be sent need not be downloaded.
    async fn budget_is_spent(&mut self) -> Result<bool, Halt> {
        let now = self.strava_now();
        let Some(view) = self.ports.destination.budget(now).await? else {
            return Ok(false);
        };
        let purpose = if self.history.is_some() { Purpose::Backfill } else { Purpose::Everyday };
        let Some(until) = view.spent_until(Kind::Upload, purpose, now) else {
            // One more behind this one?
            if let Some(course) = &mut self.history {
                course.may_fetch_ahead = view.uploads(Purpose::Backfill, now) > 1;
            }
            return Ok(false);
        };
        self.blame(Service::Strava, PortError::BudgetFull { until }.into())?;
        Ok(true)
    }

    /// The original of a row, from this tick's hand or from Garmin; `None` where the row waits or has
    /// ended, or Garmin is paused.
    async fn original(&mut self, id: GarminId) -> Result<Option<Original>, Halt> {
        if let Some((_, original)) = self.in_hand.take_if(|(held, _)| *held == id) {
            return Ok(Some(original));
        }
        let Some(row) = self.row(id) else { return Ok(None) };
        let mut ahead = self.take_ahead(id);
        if ahead.is_none() {
            self.download_begins(row).await?;
        }
        let mut broken = 0;
        let download = loop {
            let Some(row) = self.row(id) else { return Ok(None) };
            self.run.observer.hears(Progress::Downloading(&row));
            let answer = match ahead.take() {
                Some(answer) => Ok(answer),
                None => self.ports.source.download(id).await,
            };
            match answer {
                Ok(answer) => match self.well(Service::Garmin, answer) {
                    Download::Broken(_) if broken + 1 < BROKEN_AT_ONCE => broken += 1,
                    download => break download,
                },
                Err(failure) => {
                    self.put_download_off(row, failure).await?;
                    return Ok(None);
                }
            }
        };
        let Some(mut row) = self.row(id) else { return Ok(None) };
        let now = self.now();
        let timing = &self.settings.timing;
        let outcome = match download {
            Download::File(original) => return self.judge(row, original).await,
            Download::NoFile => {
                row.download_failed(DownloadTrouble::NoFile, "Garmin has no file of it (yet)", now, timing)
            }
            Download::Unavailable(what) | Download::Broken(what) => {
                row.download_failed(DownloadTrouble::Other, &what, now, timing)
            }
            Download::Unfit { reason, detail } => row.unfit(reason, detail, now),
        };
        self.settle_row(row, outcome).await?;
        Ok(None)
    }

    /// Noted before the request leaves.
    pub(super) async fn download_begins(&mut self, mut row: Row) -> Result<(), Halt> {
        row.download_begins(self.now());
        self.keep_quietly(row).await
    }

    /// Garmin's trouble, and not this activity's.
    pub(super) async fn put_download_off(&mut self, mut row: Row, failure: Failure) -> Result<(), Halt> {
        row.download_put_off();
        self.keep_quietly(row).await?;
        self.blame(Service::Garmin, failure)
    }

    /// *Judge little*: only the certain is rejected here, and `retry --force` sends even that.
    async fn judge(&mut self, mut row: Row, original: Original) -> Result<Option<Original>, Halt> {
        let now = self.now();
        row.downloaded(
            FileFacts {
                sha256: original.sha256,
                bytes: u64::try_from(original.bytes.len()).unwrap_or(u64::MAX),
                kind: original.kind,
                damage: original.damage.clone(),
                start: original.summary.start,
                elapsed: original.summary.elapsed,
            },
            now,
        );
        if let Some((reason, detail)) = original.objection.clone().filter(|_| !row.force) {
            let outcome = row.unfit(reason, detail, now);
            self.settle_row(row, outcome).await?;
            return Ok(None);
        }
        self.keep_quietly(row).await?;
        Ok(Some(original))
    }

    /// *Intent*: durable before the request leaves.
    async fn send(&mut self, mut row: Row, original: Original) -> Result<(), Halt> {
        let timing = &self.settings.timing;
        let now = self.now();
        let monotonic = self.ports.clock.monotonic();
        let send_before = later(now, timing.send_within);
        let upload = Upload {
            id: row.id(),
            kind: original.kind,
            bytes: original.bytes,
            name: row.activity.name.clone(),
            start_before: monotonic + timing.send_within.unsigned_abs(),
            timeout: timing.upload_timeout.unsigned_abs(),
            deadline: self.run.deadline,
        };
        let intent = row.upload_starts(send_before, now);
        self.settle_row(row, intent).await?;
        let ahead = self.begin_ahead().await?;
        let Some(row) = self.row(upload.id) else { return Ok(()) };
        self.run.observer.hears(Progress::Uploading(&row));
        let ports = self.ports;
        let (answer, fetched) =
            join(ports.destination.upload(&upload), fetch_ahead(ports.source, ahead)).await;
        self.last_upload = Some(self.ports.clock.monotonic());
        self.rounds = 0;
        // Strava's answer first: what it says is nowhere else.
        self.sent(row, answer).await?;
        self.keep_ahead(fetched).await
    }

    /// What Strava said to an upload.
    async fn sent(&mut self, mut row: Row, answer: Result<Answer<Sent>, SendError>) -> Result<(), Halt> {
        let now = self.now();
        match answer {
            Ok(answer) => match self.well(Service::Strava, answer) {
                Sent::Accepted(upload) => {
                    let outcome = row.accepted(upload, now);
                    self.settles_with_many(&mut row);
                    self.settle_row(row, outcome).await
                }
                Sent::Duplicate { of, text } => self.duplicate(row, of, text).await,
                Sent::Refused(text) => {
                    let outcome = row.refused(&text, now);
                    self.settle_row(row, outcome).await
                }
            },
            Err(SendError::NotTaken(failure)) => {
                let outcome = row.not_taken(&failure.to_string(), now);
                self.done.insert(row.id());
                self.settle_row(row, outcome).await?;
                self.blame(Service::Strava, failure)
            }
            Err(SendError::InDoubt(failure)) => {
                let server_error =
                    matches!(failure.error, PortError::Down { status: Some(status), .. } if status >= 500);
                row.in_doubt(server_error, &failure.to_string(), now, &self.settings.timing);
                self.keep(row).await?;
                self.blame(Service::Strava, failure)
            }
        }
    }

    /// Strava says duplicate: of the same activity, of another one, or of one that it does not show yet
    /// (*Same activity*).
    pub(super) async fn duplicate(
        &mut self,
        mut row: Row,
        of: Option<StravaId>,
        text: String,
    ) -> Result<(), Halt> {
        let id = row.id();
        let claim = DuplicateClaim { of, text };
        if of.is_some_and(|of| self.eyes.get(of).is_none())
            && let Some(window) = window_of(&row, self.strava_now())
        {
            // The look may settle the row by itself, as the duplicate that Strava calls it; if it fails, the
            // claim is looked into later.
            row.duplicate_unseen(claim.clone(), self.now(), &self.settings.timing);
            self.keep(row).await?;
            self.find(window).await?;
        }
        let Some(row) = self.row(id) else { return Ok(()) };
        self.decide_claim(row, claim).await
    }

    /// Decides a claim by what this tick has seen.
    pub(super) async fn decide_claim(&mut self, mut row: Row, claim: DuplicateClaim) -> Result<(), Halt> {
        let now = self.now();
        let outcome = match claim.of.and_then(|of| self.eyes.get(of)) {
            Some(found) if matching::same(&row, found).is_some() => row.duplicate_of(found.id, now),
            Some(found) => {
                let name = found.name.as_deref().unwrap_or("without a name");
                row.overlaps_other(
                    format!("Strava: {}; that is activity {} ({name})", claim.text, found.id),
                    now,
                )
            }
            None => {
                row.duplicate_unseen(claim, now, &self.settings.timing);
                Ok(())
            }
        };
        self.settle_row(row, outcome).await
    }

    /// Keeps a row after a transition. One that does not fit is a bug of ours; the row stays as it was and
    /// is left alone for this tick, so that it cannot stop the others.
    pub(super) async fn settle_row(
        &mut self,
        row: Row,
        outcome: Result<(), crate::ledger::Refused>,
    ) -> Result<(), Halt> {
        match outcome {
            Ok(()) => self.keep(row).await,
            Err(_) => {
                self.done.insert(row.id());
                Ok(())
            }
        }
    }

    /// A download that began and never ended killed the last run: it counts against this activity, so that
    /// a file that kills us does not stop the others (*Blame*).
    pub(super) async fn note_unfinished_downloads(&mut self) -> Result<(), Halt> {
        let rows: Vec<Row> = self.open.values().filter(|row| row.download_begun.is_some()).cloned().collect();
        for mut row in rows {
            if planted::has(Fault::UnfinishedDownloadsForgotten) {
                return Ok(());
            }
            let what = "the run ended in the middle of its download";
            let outcome =
                row.download_failed(DownloadTrouble::Other, what, self.now(), &self.settings.timing);
            self.settle_row(row, outcome).await?;
        }
        Ok(())
    }
}
