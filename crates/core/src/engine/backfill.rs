//! The history at full speed: `fitferry backfill`.
//!
//! Strava's windows are the limit, so everything is built round them (*Budget*). A *slice* is what the windows
//! hold at the moment. One look is made before it goes; the same look shows what became of the slice before. Turns
//! of a few seconds carry it, with the lease given up in between; every `[sync] every` an everyday tick comes
//! between two of them, and while the windows are full there is nothing else. All of it can be killed at any
//! moment: what a backfill knows beyond the ledger is only how far it has read.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

pub use super::cursor::Span;
use super::history::Course;
use super::report::{Report, Trouble};
use super::survey::{Met, Surveyor};
use super::{Progress, Run, Settings, Tick};
use crate::budget::{Account, View};
use crate::moment::{earlier, later};
use crate::planted::{self, Fault};
use crate::ports::{Destination, Failure, PortError, Ports, Service};

/// What a backfill is told.
#[derive(Clone, Copy)]
pub struct Backfill<'a> {
    /// Where the history goes: the same place as everything, charged as history (*Budget*).
    pub destination: &'a dyn Destination,
    pub span: Span,
    /// How often the everyday tick comes.
    pub every: SignedDuration,
}

/// How a backfill stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How many of the wanted ones are done with.
    pub done: u64,
    /// How many there are left; `None`: Garmin's list has not been read through yet.
    pub left: Option<u64>,
    /// Nothing goes before this moment, by our clock.
    pub waits: Option<(Timestamp, Wait)>,
    /// When the last one will have gone, as far as the windows allow it.
    pub ends: Option<Timestamp>,
}

/// What a backfill waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The windows of the budget are used up, but for the everyday tick's reserve.
    Budget,
    Service(Service),
    /// Another run holds the lease.
    Busy,
}

/// How a backfill ended.
#[derive(Clone, Debug)]
pub struct End {
    pub done: u64,
    /// How many of the wanted ones have not gone; `None`: it ended before Garmin's list was read through.
    pub left: Option<u64>,
    /// Activities of the span on Garmin's list, where it has been read through.
    pub listed: Option<u64>,
    /// Why it ended before all had gone.
    pub trouble: Option<Trouble>,
}

/// So long the lease is left alone between two turns: whoever waits for it looks for it more often.
const GAP: Duration = Duration::from_millis(250);
/// So long after another run held the lease it is tried again.
const BUSY: Duration = Duration::from_secs(2);
/// So long another run may hold the lease.
const BUSY_MAX: Duration = Duration::from_secs(10 * 60);
/// So long a service may be down or refuse before it is given up for today; all is kept for the next run.
const OUTAGE_MAX: SignedDuration = SignedDuration::from_hours(6);
/// A turn that came to nothing is not repeated at once.
const NOTHING: Duration = Duration::from_secs(15);

/// Carries a span of days. Ends when all of it has gone, when it is told to stop, and where only a person can help;
/// limits it waits for, and a service that is down for some hours.
pub async fn backfill(ports: Ports<'_>, backfill: &Backfill<'_>, settings: &Settings, run: Run<'_>) -> End {
    // What it uploaded it does not wait for (contract, *What one sync does*).
    let mut settings = settings.clone();
    settings.timing.settle = SignedDuration::ZERO;
    let mut drive = Drive {
        ports,
        backfill,
        settings: &settings,
        run,
        course: Course::over(backfill.span),
        surveyor: Some(Surveyor::over(backfill.span)),
        wanted: None,
        listed: None,
        ticked: None,
        busy_since: None,
        outage_since: None,
        view: None,
        skew: SignedDuration::ZERO,
    };
    let trouble = drive.run().await.err();
    let Standing { done, left, .. } = drive.standing(None);
    End { done, left, listed: drive.listed, trouble }
}

struct Drive<'a> {
    ports: Ports<'a>,
    backfill: &'a Backfill<'a>,
    settings: &'a Settings,
    run: Run<'a>,
    course: Course,
    /// Reads Garmin's list through before all else.
    surveyor: Option<Surveyor>,
    /// How many there were to carry.
    wanted: Option<u64>,
    listed: Option<u64>,
    /// When the last everyday tick began.
    ticked: Option<Duration>,
    busy_since: Option<Duration>,
    outage_since: Option<Duration>,
    /// The account of requests, as last seen.
    view: Option<View>,
    /// Strava's clock less ours.
    skew: SignedDuration,
}

impl Drive<'_> {
    async fn run(&mut self) -> Result<(), Trouble> {
        loop {
            self.go_on()?;
            // What was met without the lease is booked first: until then nobody asks Garmin again.
            let is_booked = self.course.met.is_none();
            if is_booked && self.everyday_is_due() {
                let report = self.everyday().await;
                self.run.observer.hears(Progress::TickOver { report: &report, everyday: true });
                self.bears(&report, None)?;
                if let Some((until, wait)) = self.read(&report)? {
                    self.wait(until, wait).await;
                    continue;
                }
            }
            if is_booked && self.survey().await? {
                continue;
            }
            let before = self.course.place();
            let report = self.turn().await;
            self.run.observer.hears(Progress::TickOver { report: &report, everyday: false });
            self.bears(&report, Some(self.course.place() != before))?;
            if let Some((until, wait)) = self.read(&report)? {
                self.wait(until, wait).await;
            } else if self.course.is_over {
                return Ok(());
            } else {
                self.tell(None);
                let came_to_nothing = self.course.place() == before && report.rows.is_empty();
                self.sleep(if came_to_nothing { NOTHING } else { GAP }).await;
            }
        }
    }

    fn go_on(&self) -> Result<(), Trouble> {
        if self.run.stop.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(Trouble::Interrupted);
        }
        Ok(())
    }

    fn every(&self) -> Duration {
        self.backfill.every.unsigned_abs()
    }

    fn everyday_is_due(&self) -> bool {
        let now = self.ports.clock.monotonic();
        self.ticked.is_none_or(|ticked| now.saturating_sub(ticked) >= self.every())
    }

    /// The everyday tick goes on, and leaves to us what is ours.
    async fn everyday(&mut self) -> Report {
        self.ticked = Some(self.ports.clock.monotonic());
        let mut tick = Tick::new(self.ports, self.settings, self.run);
        tick.leaves = Some(self.course.leaves(self.ports.clock.now()));
        let halt = tick.work().await.err();
        let garmin = tick.trouble.get(&Service::Garmin).cloned();
        let report = tick.close(halt).await;
        if matches!(report.trouble, Some(Trouble::Busy)) {
            // Another run's lease, or its write, kept it out of the head: the next turn books it.
            self.course.met = garmin.map(Failure::from);
        }
        self.course.ticked(report.fence);
        report
    }

    async fn turn(&mut self) -> Report {
        self.course.gives_way = self.ticked.unwrap_or_default() + self.every();
        let ports = Ports { destination: self.backfill.destination, ..self.ports };
        let mut tick = Tick::new(ports, self.settings, self.run);
        let nothing = Course::over(self.backfill.span);
        tick.history = Some(std::mem::replace(&mut self.course, nothing));
        let halt = tick.take_turn().await.err();
        self.skew = tick.strava_skew;
        if let Some(course) = tick.history.take() {
            self.course = course;
        }
        tick.close(halt).await
    }

    /// Reads on to see how many there are. `false`: it knows, or has no answer; then the turn that follows books
    /// what was met.
    async fn survey(&mut self) -> Result<bool, Trouble> {
        let Some(surveyor) = &mut self.surveyor else { return Ok(false) };
        // Who has a pause from another run leaves Garmin alone, too.
        let head = self.ports.ledger.head().await.map(|(head, _)| head);
        let is_paused = head.is_ok_and(|head| head.paused(Service::Garmin, self.ports.clock.now()).is_some());
        if is_paused && !planted::has(Fault::PausesUnheeded) {
            return Ok(false);
        }
        match surveyor.step(self.ports, self.settings, self.run, None).await {
            Ok(()) => {}
            Err(Met::Interrupted) => return Err(Trouble::Interrupted),
            Err(Met::Failed(failure)) => {
                self.course.met = Some(failure);
                return Ok(false);
            }
        }
        if surveyor.is_done() {
            self.wanted = Some(self.course.dealt + surveyor.survey.wanted);
            self.listed = Some(surveyor.survey.listed);
            self.surveyor = None;
        }
        Ok(true)
    }

    /// Until when nothing can be done, by what a tick met; an error where waiting does not help.
    fn read(&mut self, report: &Report) -> Result<Option<(Timestamp, Wait)>, Trouble> {
        self.view = report.budget.or(self.view);
        let now = self.ports.clock.now();
        match &report.trouble {
            Some(Trouble::Interrupted) => return Err(Trouble::Interrupted),
            Some(Trouble::Busy) => return self.another_is_at_work(now).map(Some),
            Some(Trouble::Port(error)) if only_a_person_helps(error) => {
                return Err(Trouble::Port(error.clone()));
            }
            _ => self.busy_since = None,
        }
        let pauses = [Service::Garmin, Service::Strava].into_iter().filter_map(|service| {
            let until = report.head.paused(service, now)?.until?;
            let is_budget = report.head.paused(service, now)?.cause == crate::head::PauseCause::Budget;
            Some((until, if is_budget { Wait::Budget } else { Wait::Service(service) }))
        });
        let spent = self.course.spent_until.map(|until| (earlier(until, self.skew), Wait::Budget));
        let wait = pauses.chain(spent).max_by_key(|(until, _)| *until).filter(|(until, _)| *until > now);
        Ok(wait)
    }

    /// An outage ends by itself, or it does not. `goes_on`: whether a turn brought the history on; `None`: it was an
    /// everyday tick, which may do well while nothing of the history can be downloaded.
    fn bears(&mut self, report: &Report, goes_on: Option<bool>) -> Result<(), Trouble> {
        let outage = report.trouble.as_ref().filter(|trouble| {
            matches!(trouble, Trouble::Port(PortError::Down { .. } | PortError::Refused { .. }))
        });
        let Some(trouble) = outage.filter(|_| goes_on != Some(true)) else {
            if goes_on.is_some() {
                self.outage_since = None;
            }
            return Ok(());
        };
        let monotonic = self.ports.clock.monotonic();
        let since = *self.outage_since.get_or_insert(monotonic);
        let most = self.settings.timing.scaled(OUTAGE_MAX).unsigned_abs();
        if monotonic.saturating_sub(since) > most { Err(trouble.clone()) } else { Ok(()) }
    }

    fn another_is_at_work(&mut self, now: Timestamp) -> Result<(Timestamp, Wait), Trouble> {
        let monotonic = self.ports.clock.monotonic();
        let since = *self.busy_since.get_or_insert(monotonic);
        if monotonic.saturating_sub(since) > BUSY_MAX {
            return Err(Trouble::Busy);
        }
        Ok((later(now, SignedDuration::try_from(BUSY).unwrap_or_default()), Wait::Busy))
    }

    /// Waits for a moment, or until the everyday tick is due.
    async fn wait(&mut self, until: Timestamp, wait: Wait) {
        self.tell(Some((until, wait)));
        let span = self.ports.clock.now().duration_until(until).max(SignedDuration::ZERO).unsigned_abs();
        let ticked = self.ticked.unwrap_or_default() + self.every();
        let to_tick = ticked.saturating_sub(self.ports.clock.monotonic());
        self.sleep(span.min(to_tick)).await;
    }

    async fn sleep(&self, span: Duration) {
        if self.go_on().is_ok() {
            self.ports.clock.sleep(span.max(Duration::from_millis(1))).await;
        }
    }

    fn tell(&self, waits: Option<(Timestamp, Wait)>) {
        self.run.observer.hears(Progress::History(&self.standing(waits)));
    }

    fn standing(&self, waits: Option<(Timestamp, Wait)>) -> Standing {
        let done = self.course.dealt;
        let now = later(self.ports.clock.now(), self.skew);
        let left = match self.wanted {
            // What of it others have carried meanwhile is not left either.
            Some(_) if self.course.is_over => Some(self.course.left()),
            wanted => wanted.map(|wanted| wanted.saturating_sub(done).max(self.course.left())),
        };
        let view = self.view.unwrap_or_else(|| Account::new(now).view(now));
        let ends = left.and_then(|left| view.last_upload(left, now)).map(|ends| earlier(ends, self.skew));
        Standing { done, left, waits, ends }
    }
}

/// A login, an app, a store: no window and no outage, which end by themselves.
fn only_a_person_helps(error: &PortError) -> bool {
    match error {
        PortError::LoginNeeded { .. }
        | PortError::Misconfigured { .. }
        | PortError::AppInactive { .. }
        | PortError::Moved { .. }
        | PortError::Store(_) => true,
        PortError::Limited { .. }
        | PortError::BudgetFull { .. }
        | PortError::Down { .. }
        | PortError::Refused { .. }
        | PortError::OutOfTime
        | PortError::Busy => false,
    }
}
