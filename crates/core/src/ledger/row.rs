//! The row: a state, and beside it everything that decides what may happen next and when.
//!
//! Each method is a fact that the engine met. It takes a step of the state machine, or it says when the row
//! may be touched again and why it waits: the bookkeeping of *Doubt* and *Blame*.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::{Cause, Event, How, Refused, RejectReason, Shown, State};
use crate::activity::{FileKind, GarminId, Listed, Sha256, StravaId, UploadId};
use crate::head::Head;
use crate::moment::later;
use crate::planted::{self, Fault};
use crate::ports::Service;
use crate::timing::Timing;

/// What is kept of the file that was sent or judged.
#[derive(Clone, Debug, PartialEq)]
pub struct FileFacts {
    pub sha256: Sha256,
    pub bytes: u64,
    pub kind: FileKind,
    /// Damage seen inside it (*Judge little*).
    pub damage: Option<String>,
    /// What the file itself says, for matching where the list says nothing.
    pub start: Option<Timestamp>,
    pub elapsed: Option<SignedDuration>,
}

/// One line of a life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    pub at: Timestamp,
    pub event: String,
}

/// The longest history that a row keeps; the first lines and the last ones survive.
const HISTORY_MAX: usize = 60;

/// Strava's claim that it has an activity already, while no look has shown which one it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateClaim {
    /// The activity that it names; it may not be listed yet.
    pub of: Option<StravaId>,
    pub text: String,
}

/// Everything that the ledger keeps of one activity.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// As Garmin's list showed it last.
    pub activity: Listed,
    pub state: State,
    /// When it may be touched again; `None` is now.
    pub not_before: Option<Timestamp>,
    pub cause: Option<Cause>,
    pub first_seen: Timestamp,
    /// A download that began and did not end: if this is set when a tick begins, it killed the last one.
    pub download_begun: Option<Timestamp>,
    pub failed_downloads: u32,
    /// How often a service failed at this one. That uses up no attempt (*Blame*), but from some point on the
    /// others go first.
    pub put_offs: u32,
    pub sends: u32,
    /// Re-sends that used up an attempt, and those after a 5xx, which did not.
    pub counted_resends: u32,
    pub resends_after_5xx: u32,
    /// The answer to the last send was a 5xx.
    pub last_send_5xx: bool,
    /// Of the complete looks that count, the first that did not show it (*Doubt*).
    pub first_absent: Option<Timestamp>,
    /// Strava said "duplicate", and it is not yet known of what: looked for again after `doubt`.
    pub duplicate: Option<DuplicateClaim>,
    /// How often a tick ended without seeing the upload settled.
    pub confirms: u32,
    pub file: Option<FileFacts>,
    /// `retry --force`: send even what was rejected here.
    pub force: bool,
    /// The user said `retry`: nothing holds it back.
    pub by_hand: bool,
    /// `skip` of a row in doubt: applied when the doubt is settled.
    pub skip_noted: bool,
    pub history: Vec<Moment>,
}

/// Uploads that Strava does not settle within this time end as `unknown_outcome`.
const OUTCOME_WITHIN: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Without `activity:read_all` no look proves absence; a doubt ends after this time, unsent.
const DOUBT_WITHOUT_SIGHT: SignedDuration = SignedDuration::from_hours(24);
const COUNTED_RESENDS_MAX: u32 = 2;
/// A service may be down; if it fails this often at the same activity, that one goes last.
const PUT_OFFS_IN_TURN: u32 = 3;

/// Trouble with one download that is about this very activity (*Blame*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownloadTrouble {
    /// 404 or 410.
    NoFile,
    /// Anything else about this file.
    Other,
}

impl Row {
    /// A row for an activity that is seen for the first time.
    pub fn seen(activity: Listed, state: State, now: Timestamp) -> Row {
        let event = match &state {
            State::Skipped { reason, detail } => {
                format!("skipped: {reason}{}", detail.as_ref().map(|d| format!(" ({d})")).unwrap_or_default())
            }
            _ => "seen on Garmin".to_owned(),
        };
        Row {
            activity,
            state,
            not_before: None,
            cause: None,
            first_seen: now,
            download_begun: None,
            failed_downloads: 0,
            put_offs: 0,
            sends: 0,
            counted_resends: 0,
            resends_after_5xx: 0,
            last_send_5xx: false,
            first_absent: None,
            duplicate: None,
            confirms: 0,
            file: None,
            force: false,
            by_hand: false,
            skip_noted: false,
            history: vec![Moment { at: now, event }],
        }
    }

    pub fn id(&self) -> GarminId {
        self.activity.id
    }

    /// The start by the list, else by the file.
    pub fn start(&self) -> Option<Timestamp> {
        self.activity.start.or_else(|| self.file.as_ref().and_then(|file| file.start))
    }

    pub fn elapsed(&self) -> Option<SignedDuration> {
        self.activity.elapsed.or_else(|| self.file.as_ref().and_then(|file| file.elapsed))
    }

    /// How many attempts the activity has used up.
    pub fn attempts(&self) -> u32 {
        self.failed_downloads + self.counted_resends
    }

    pub fn is_due(&self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|moment| moment <= now)
    }

    /// Its turn among the wanted ones: 0 is the usual one. What a service fails at time and again must not stop
    /// the others, and of several such each gets its turn.
    pub fn turn(&self) -> u32 {
        if self.put_offs >= PUT_OFFS_IN_TURN && !planted::has(Fault::FailuresKeepTheirTurn) {
            self.put_offs
        } else {
            0
        }
    }

    /// The services that the next step of this row needs.
    pub fn needs(&self) -> &'static [Service] {
        match self.state {
            State::Wanted => &[Service::Garmin, Service::Strava],
            State::Submitting { .. } | State::Submitted { .. } => &[Service::Strava],
            State::Published { .. } | State::Skipped { .. } | State::Rejected { .. } => &[],
        }
    }

    /// When the row may be touched again and why not now: the later of its own moment and the pauses of
    /// the services that it needs. `None` where nothing holds it. The moment is `None` for a pause that
    /// only a login ends.
    pub fn waits(&self, head: &Head, now: Timestamp) -> Option<(Option<Timestamp>, Cause)> {
        let own = self
            .not_before
            .filter(|moment| *moment > now)
            .map(|moment| (Some(moment), self.cause.unwrap_or(Cause::Processing)));
        let pauses = self.needs().iter().filter_map(|service| {
            head.paused(*service, now).map(|pause| (pause.until, pause.shown_as(*service)))
        });
        own.into_iter().chain(pauses).max_by_key(|(until, _)| until.unwrap_or(Timestamp::MAX))
    }

    /// The state as people see it.
    pub fn shown(&self, head: &Head, now: Timestamp) -> Shown {
        match self.state {
            State::Wanted | State::Submitting { .. } if self.waits(head, now).is_some() => Shown::Waiting,
            State::Wanted => Shown::Wanted,
            State::Submitting { .. } => Shown::Submitting,
            State::Submitted { .. } => Shown::Submitted,
            State::Published { .. } => Shown::Published,
            State::Skipped { .. } => Shown::Skipped,
            State::Rejected { .. } => Shown::Rejected,
        }
    }

    /// Adds a line to the history.
    pub fn note(&mut self, at: Timestamp, event: impl Into<String>) {
        if self.history.len() >= HISTORY_MAX {
            self.history.remove(HISTORY_MAX / 2);
        }
        self.history.push(Moment { at, event: event.into() });
    }

    /// Takes one step of the state machine; the row waits for nothing any more.
    fn on(&mut self, event: Event, now: Timestamp, line: impl Into<String>) -> Result<(), Refused> {
        self.state = self.state.on(event)?;
        self.not_before = None;
        self.cause = None;
        self.note(now, line);
        // Whichever way a doubt ends without the activity on Strava, the user's word stands.
        if self.skip_noted && matches!(self.state, State::Rejected { .. }) {
            return self.on(Event::UserSkips, now, "skipped by hand");
        }
        Ok(())
    }

    fn wait(&mut self, until: Timestamp, cause: Cause) {
        self.not_before = Some(until);
        self.cause = Some(cause);
    }

    /// Held back after first sight (*Garmin's own link*).
    pub fn hold(&mut self, until: Timestamp) {
        self.wait(until, Cause::Hold);
    }

    /// Kept for a backfill, which has it in hand: the everyday tick takes it only if the backfill does not.
    pub fn hold_for_history(&mut self, until: Timestamp) {
        self.wait(until, Cause::Budget);
    }

    /// The next look of a backfill shows many uploads at once: until then nobody asks for this one.
    pub fn settles_with_many(&mut self, until: Timestamp) {
        if matches!(self.state, State::Submitted { .. }) {
            self.wait(until, Cause::Processing);
        }
    }

    /// No look of a backfill will show it any more: the next tick asks.
    pub fn settles_alone(&mut self) {
        if matches!(self.state, State::Submitted { .. }) {
            self.not_before = None;
        }
    }

    /// A backfill wants what was skipped by a rule or a date.
    pub fn history_wants(&mut self, now: Timestamp) -> Result<(), Refused> {
        self.on(Event::HistoryWants, now, "wanted by a backfill")
    }

    // ------------------------------------------------------------------------- download (*Blame*)

    /// Noted before the request: a file that kills us must not stop the others.
    pub fn download_begins(&mut self, now: Timestamp) {
        self.download_begun = Some(now);
    }

    /// The file is in memory and its turn has not come: nothing is being downloaded.
    pub fn download_set_aside(&mut self) {
        self.download_begun = None;
    }

    /// The download ended without an answer about this activity: the service's trouble, no attempt used.
    pub fn download_put_off(&mut self) {
        self.download_begun = None;
        self.put_offs = self.put_offs.saturating_add(1);
    }

    /// An answer about this very activity uses up its attempts: again after 2, 10, 60 min, 6 h, 24 h.
    pub fn download_failed(
        &mut self,
        trouble: DownloadTrouble,
        what: &str,
        now: Timestamp,
        timing: &Timing,
    ) -> Result<(), Refused> {
        self.download_begun = None;
        if self.failed_downloads >= Timing::DOWNLOAD_RUNGS {
            let no_file = trouble == DownloadTrouble::NoFile;
            let event = Event::DownloadGivenUp { no_file, detail: what.to_owned() };
            return self.on(event, now, format!("given up: {what}"));
        }
        let until = later(now, timing.ladder(self.failed_downloads));
        self.failed_downloads += 1;
        self.wait(until, Cause::GarminDownloadUnavailable);
        self.note(now, format!("download failed ({}): {what}", self.failed_downloads));
        Ok(())
    }

    /// The file was read.
    pub fn downloaded(&mut self, facts: FileFacts, now: Timestamp) {
        self.download_begun = None;
        let damage = facts.damage.as_ref().map(|damage| format!("; {damage}")).unwrap_or_default();
        self.note(now, format!("downloaded, {} bytes{damage}", facts.bytes));
        self.file = Some(facts);
    }

    /// Rejected here, which is only for the certain (*Judge little*).
    pub fn unfit(&mut self, reason: RejectReason, detail: String, now: Timestamp) -> Result<(), Refused> {
        self.download_begun = None;
        let line = format!("not sent: {detail}");
        self.on(Event::FileUnfit { reason, detail }, now, line)
    }

    // ---------------------------------------------------------------- upload (*Intent*, *Doubt*)

    /// The intent. It must be durable before the request leaves.
    pub fn upload_starts(&mut self, send_before: Timestamp, now: Timestamp) -> Result<(), Refused> {
        let attempt = self.sends + 1;
        self.on(Event::UploadStarts { attempt, send_before }, now, format!("upload {attempt} starts"))?;
        self.sends = attempt;
        self.last_send_5xx = false;
        self.first_absent = None;
        self.duplicate = None;
        Ok(())
    }

    pub fn accepted(&mut self, upload: UploadId, now: Timestamp) -> Result<(), Refused> {
        self.on(Event::UploadAccepted { upload, at: now }, now, format!("taken by Strava, upload {upload}"))?;
        self.cause = Some(Cause::Processing);
        Ok(())
    }

    /// Nothing was taken: as if it had not been tried.
    pub fn not_taken(&mut self, why: &str, now: Timestamp) -> Result<(), Refused> {
        self.on(Event::NotTaken, now, format!("not sent: {why}"))?;
        self.sends = self.sends.saturating_sub(1);
        self.put_offs = self.put_offs.saturating_add(1);
        if self.skip_noted {
            self.on(Event::UserSkips, now, "skipped by hand")?;
        }
        Ok(())
    }

    /// The answer was lost or says nothing: from here on only Strava or time settles it.
    pub fn in_doubt(&mut self, server_error: bool, what: &str, now: Timestamp, timing: &Timing) {
        self.last_send_5xx = server_error;
        self.wait(self.next_doubt_look(now, timing), Cause::InDoubt);
        self.note(now, format!("in doubt: {what}"));
    }

    /// Refused by Strava. Where we saw damage, the row says both.
    pub fn refused(&mut self, text: &str, now: Timestamp) -> Result<(), Refused> {
        let damage = self.file.as_ref().and_then(|file| file.damage.as_deref());
        let (reason, detail) = match damage {
            Some(damage) => (RejectReason::MalformedFile, format!("Strava: {text}; seen here: {damage}")),
            None => (RejectReason::RefusedByStrava, format!("Strava: {text}")),
        };
        let line = format!("refused. {detail}");
        self.on(Event::FileRefused { reason, detail }, now, line)
    }

    /// When the earliest settlement by time is possible: the request has ended for certain, and Strava has
    /// had `doubt` to show what it got.
    fn ripe(&self, timing: &Timing) -> Timestamp {
        match self.state {
            State::Submitting { send_before, .. } => later(send_before, timing.upload_timeout + timing.doubt),
            _ => Timestamp::MAX,
        }
    }

    /// At most every `doubt_looks`, and again as soon as it may be settled.
    fn next_doubt_look(&self, now: Timestamp, timing: &Timing) -> Timestamp {
        let next = later(now, timing.doubt_looks);
        let ripe = self.ripe(timing);
        if now < ripe { next.min(ripe) } else { next }
    }

    /// A complete look at `now` did not show a row in doubt (*Doubt*).
    pub fn looked_in_vain(
        &mut self,
        sees_private: bool,
        now: Timestamp,
        timing: &Timing,
    ) -> Result<(), Refused> {
        if let Some(claim) = &self.duplicate {
            let detail = format!("Strava: {}; no look shows which activity it means", claim.text);
            return self.overlaps_other(detail, now);
        }
        let State::Submitting { send_before, .. } = self.state else {
            return Ok(());
        };
        if !sees_private {
            if now >= later(send_before, timing.scaled(DOUBT_WITHOUT_SIGHT)) {
                let detail = "without the scope activity:read_all nobody can tell whether the upload \
                              arrived; look on Strava, then run `fitferry retry` or `fitferry skip`, \
                              and `fitferry login strava` to grant the scope";
                return self.end_unknown(detail, now);
            }
            let wait = if now < self.ripe(timing) { timing.doubt_looks } else { timing.ladder(2) };
            self.wait(later(now, wait), Cause::InDoubt);
            return Ok(());
        }
        if planted::has(Fault::FirstEmptyLookSettles) {
            return self.absent(now, timing);
        }
        if now < self.ripe(timing) {
            self.wait(self.next_doubt_look(now, timing), Cause::InDoubt);
            return Ok(());
        }
        let Some(first) = self.first_absent else {
            self.first_absent = Some(now);
            self.wait(later(now, timing.doubt_looks), Cause::InDoubt);
            self.note(now, "not on Strava at a first look");
            return Ok(());
        };
        let second_from = later(first, timing.doubt_looks);
        if now < second_from {
            self.wait(second_from, Cause::InDoubt);
            return Ok(());
        }
        self.absent(now, timing)
    }

    /// The doubt is settled: the upload never arrived.
    fn absent(&mut self, now: Timestamp, timing: &Timing) -> Result<(), Refused> {
        let State::Submitting { send_before, .. } = self.state else {
            return Ok(());
        };
        if self.start().is_none() {
            // Nothing but the external id could find it, and only among the last two days.
            return self.end_unknown("sent without an answer, and it has no start by which to find it", now);
        }
        if !self.last_send_5xx && self.counted_resends >= COUNTED_RESENDS_MAX {
            return self
                .end_unknown("sent three times, each time without an answer or a trace on Strava", now);
        }
        self.on(Event::DoubtSettledAbsent, now, "not on Strava at two looks: to be sent again")?;
        if self.last_send_5xx {
            // The service's trouble, not counted.
            let until = later(send_before, timing.resend_after_5xx(self.resends_after_5xx));
            self.resends_after_5xx += 1;
            self.wait(until, Cause::StravaDown);
        } else {
            self.counted_resends += 1;
        }
        self.first_absent = None;
        if self.skip_noted {
            self.on(Event::UserSkips, now, "skipped by hand")?;
        }
        Ok(())
    }

    fn end_unknown(&mut self, detail: &str, now: Timestamp) -> Result<(), Refused> {
        let detail = detail.to_owned();
        let line = format!("given up: {detail}");
        self.on(Event::OutcomeUnknown { detail }, now, line)
    }

    // ------------------------------------------------------------------------------ settling

    /// A look showed it. `ours`: by our own external id.
    pub fn found(&mut self, strava: StravaId, ours: bool, now: Timestamp) -> Result<(), Refused> {
        let how = if self.duplicate.is_some() {
            How::Duplicate
        } else if matches!(self.state, State::Submitted { .. }) || ours && self.sends > 0 {
            How::Uploaded
        } else {
            How::AlreadyThere
        };
        self.on(Event::FoundOnStrava { strava, how }, now, format!("on Strava as {strava} ({how})"))
    }

    pub fn ready(&mut self, strava: StravaId, now: Timestamp) -> Result<(), Refused> {
        self.on(Event::ProcessingReady { strava }, now, format!("on Strava as {strava}"))
    }

    /// Strava says duplicate and names an activity that is the same.
    pub fn duplicate_of(&mut self, strava: StravaId, now: Timestamp) -> Result<(), Refused> {
        let event = Event::FoundOnStrava { strava, how: How::Duplicate };
        self.on(event, now, format!("Strava has it already, as {strava}"))
    }

    /// Strava says duplicate and means another activity.
    pub fn overlaps_other(&mut self, detail: String, now: Timestamp) -> Result<(), Refused> {
        let line = format!("refused. {detail}");
        self.on(Event::OverlapsOther { detail }, now, line)
    }

    /// Strava says duplicate, of something that no look has shown: looked for again after `doubt`.
    pub fn duplicate_unseen(&mut self, claim: DuplicateClaim, now: Timestamp, timing: &Timing) {
        if self.duplicate.as_ref() != Some(&claim) {
            self.note(now, format!("Strava: {}", claim.text));
        }
        self.duplicate = Some(claim);
        self.wait(later(now, timing.doubt), Cause::InDoubt);
    }

    pub fn deleted_there(&mut self, now: Timestamp) -> Result<(), Refused> {
        self.on(Event::DeletedThere, now, "deleted on Strava")
    }

    /// The tick ends without having seen the upload settled: asked again after 2, 10, 60 min, 6 h, daily;
    /// after seven days nobody will know.
    pub fn still_processing(&mut self, now: Timestamp, timing: &Timing) -> Result<(), Refused> {
        let State::Submitted { since, .. } = self.state else {
            return Ok(());
        };
        if now >= later(since, timing.scaled(OUTCOME_WITHIN)) {
            return self.end_unknown("Strava took the upload and never said what became of it", now);
        }
        self.wait(later(now, timing.ladder(self.confirms)), Cause::Processing);
        self.confirms += 1;
        if planted::has(Fault::SubmittedIsSentAgain) {
            self.state = State::Wanted;
        }
        Ok(())
    }

    /// The tick ends without having asked for the upload, since there were many: nothing is known, and a later one
    /// asks.
    pub fn not_asked_for(&mut self, now: Timestamp, timing: &Timing) {
        if matches!(self.state, State::Submitted { .. }) {
            self.wait(later(now, timing.ladder(self.confirms)), Cause::Processing);
        }
    }

    // ------------------------------------------------------------------------- the user's word

    /// `fitferry skip`. Of a row in doubt it is noted, and applied when the doubt is settled.
    pub fn user_skips(&mut self, now: Timestamp) -> Result<(), Refused> {
        if matches!(self.state, State::Submitting { .. }) {
            self.skip_noted = true;
            self.note(now, "to be skipped, by hand, unless Strava has it");
            return Ok(());
        }
        self.on(Event::UserSkips, now, "skipped by hand")
    }

    /// `fitferry retry`: starts anew. The old upload id stays in the history.
    pub fn user_retries(&mut self, force: bool, now: Timestamp) -> Result<(), Refused> {
        self.on(
            Event::UserRetries,
            now,
            if force { "to be sent by hand, as it is" } else { "to be sent, by hand" },
        )?;
        self.failed_downloads = 0;
        self.put_offs = 0;
        self.counted_resends = 0;
        self.resends_after_5xx = 0;
        self.last_send_5xx = false;
        self.first_absent = None;
        self.duplicate = None;
        self.download_begun = None;
        self.confirms = 0;
        self.sends = 0;
        self.force = force;
        self.by_hand = true;
        self.skip_noted = false;
        Ok(())
    }

    /// What Garmin's list says of it by now: a new title goes up with it. `true` where something changed.
    pub fn refresh(&mut self, listed: &Listed) -> bool {
        let changed = self.activity != *listed;
        if changed {
            self.activity = listed.clone();
        }
        changed
    }

    /// The day on the runner's calendar.
    pub fn day(&self) -> Option<Date> {
        self.activity.day()
    }
}
