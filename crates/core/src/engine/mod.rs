//! One tick: look at Garmin, decide, look at Strava, send what is new, see it settled.
//!
//! [`tick`] turns the handle: ask [`next::next_step`] what to do, do it through a port, make what
//! happened durable, ask again. It follows the rules of the engine by name: *Head* and *Lease* here,
//! *Far enough back* in `look`, *Fresh eyes* in `next`, *Intent* and *Judge little* in `carry`, *Doubt*
//! in `settle` and `ledger`, *Blame* and *Time* in `blame`.

mod ahead;
pub mod backfill;
mod blame;
mod carry;
mod close;
mod cursor;
mod history;
mod look;
pub mod next;
pub mod preview;
pub mod report;
mod settle;
pub mod survey;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::activity::GarminId;
use crate::head::{Head, PauseCause};
use crate::ledger::{Row, State, StateName};
use crate::moment::later;
use crate::planted::{self, Fault};
use crate::ports::{
    Failure, Fence, Original, PortError, Ports, PutError, Requests, SecretName, Service, Source, StoreError,
    Version,
};
use crate::rules::Rules;
use crate::timing::Timing;
use cursor::Span;
use history::Course;
use next::{Eyes, Facts, Step, next_step};
use report::{Note, Report};

/// `[sync] since`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// The first tick with both logins keeps the date.
    Unset,
    All,
    Day(Date),
}

/// `[sync] hold`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// 30 minutes while *Garmin's own link* is on, else none.
    Auto,
    For(SignedDuration),
}

/// What the configuration says to the engine.
#[derive(Clone, Debug)]
pub struct Settings {
    pub rules: Rules,
    pub since: Since,
    pub lookback: SignedDuration,
    pub sweep: SignedDuration,
    pub hold: Hold,
    pub timing: Timing,
}

/// What one run is told.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// Monotonic moment at which the run must be over.
    pub deadline: Option<Duration>,
    /// Set by a signal: the run ends between two steps.
    pub stop: &'a AtomicBool,
    pub observer: &'a dyn Observer,
}

/// Hears what a tick is about to do, for progress on long work.
pub trait Observer: Send + Sync {
    fn hears(&self, event: Progress<'_>);
}

/// What a tick is about to do.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    Listing {
        seen: usize,
    },
    Looking,
    Downloading(&'a Row),
    Uploading(&'a Row),
    Settling {
        left: usize,
    },
    Settled(&'a Row),
    /// Of a backfill: how it stands.
    History(&'a backfill::Standing),
    /// Of a backfill: one of its turns, or an everyday tick beside them, is over.
    TickOver {
        report: &'a Report,
        everyday: bool,
    },
}

/// An observer that hears nothing.
pub struct Deaf;

impl Observer for Deaf {
    fn hears(&self, _: Progress<'_>) {}
}

/// How long a run without a deadline takes the lease for; renewed between two steps.
const LEASE: SignedDuration = SignedDuration::from_mins(2);
/// A lease with a deadline ends this much after it.
const LEASE_AFTER_DEADLINE: SignedDuration = SignedDuration::from_secs(10);
/// Nothing new starts this close to the deadline.
const ACT_BEFORE_DEADLINE: Duration = Duration::from_secs(5);
/// While *Garmin's own link* is on, it gets this long to deliver first.
const LINK_HOLD: SignedDuration = SignedDuration::from_mins(30);

/// Why a tick stops at once.
#[derive(Debug)]
enum Halt {
    /// Another run is at work: the lease was not free, or a write met another's.
    Busy,
    Interrupted,
    Store(StoreError),
    /// A login is missing, or the like: nothing can be done.
    Port(PortError),
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Halt {
        Halt::Store(error)
    }
}

impl From<PortError> for Halt {
    fn from(error: PortError) -> Halt {
        match error {
            PortError::Busy => Halt::Busy,
            PortError::Store(error) => Halt::Store(error),
            error => Halt::Port(error),
        }
    }
}

impl From<PutError> for Halt {
    fn from(error: PutError) -> Halt {
        match error {
            PutError::Conflict => Halt::Busy,
            PutError::Store(error) => Halt::Store(error),
        }
    }
}

/// The state of one tick while it runs.
struct Tick<'a> {
    ports: Ports<'a>,
    settings: &'a Settings,
    run: Run<'a>,
    started: Timestamp,
    before: Requests,
    head: Head,
    /// As it was read last, to see whether it has to be written.
    head_kept: Head,
    head_version: Version,
    fence: Option<Fence>,
    lease_renewed: Duration,
    open: BTreeMap<GarminId, Row>,
    versions: BTreeMap<GarminId, Version>,
    open_loaded: bool,
    /// A run died between its rows and its head: the head's counts cannot be trusted.
    found_dirty: bool,
    eyes: Eyes,
    done: BTreeSet<GarminId>,
    /// Uploads that this tick has asked Strava for, one by one.
    asked: BTreeSet<GarminId>,
    changed: BTreeMap<GarminId, Row>,
    /// A file that was downloaded and waits for a look around its own start.
    in_hand: Option<(GarminId, Original)>,
    link_look_due: bool,
    last_upload: Option<Duration>,
    rounds: usize,
    /// What Garmin showed, however often.
    listed: BTreeSet<GarminId>,
    new: usize,
    notes: Vec<Note>,
    /// Services that answered well, and those that did not, in this tick.
    well: BTreeSet<Service>,
    trouble: BTreeMap<Service, PortError>,
    garmin_skew: SignedDuration,
    strava_skew: SignedDuration,
    since: Option<Date>,
    /// A turn of a backfill, which carries this and nothing else.
    history: Option<Course>,
    /// An everyday tick beside a backfill, which leaves this to it.
    leaves: Option<Span>,
}

/// Does one tick and tells what it did. Everything that can go wrong is in the report.
pub async fn tick(ports: Ports<'_>, settings: &Settings, run: Run<'_>) -> Report {
    let mut tick = Tick::new(ports, settings, run);
    let halt = tick.work().await.err();
    tick.close(halt).await
}

impl<'a> Tick<'a> {
    fn new(ports: Ports<'a>, settings: &'a Settings, run: Run<'a>) -> Tick<'a> {
        Tick {
            ports,
            settings,
            run,
            started: ports.clock.now(),
            before: ports.meter.read(),
            head: Head::default(),
            head_kept: Head::default(),
            head_version: Version::ABSENT,
            fence: None,
            lease_renewed: Duration::ZERO,
            open: BTreeMap::new(),
            versions: BTreeMap::new(),
            open_loaded: false,
            found_dirty: false,
            eyes: Eyes::default(),
            done: BTreeSet::new(),
            asked: BTreeSet::new(),
            changed: BTreeMap::new(),
            in_hand: None,
            link_look_due: false,
            last_upload: None,
            rounds: 0,
            listed: BTreeSet::new(),
            new: 0,
            notes: Vec::new(),
            well: BTreeSet::new(),
            trouble: BTreeMap::new(),
            garmin_skew: SignedDuration::ZERO,
            strava_skew: SignedDuration::ZERO,
            since: None,
            history: None,
            leaves: None,
        }
    }

    fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    fn strava_now(&self) -> Timestamp {
        later(self.now(), self.strava_skew)
    }

    async fn work(&mut self) -> Result<(), Halt> {
        self.begin().await?;
        if self.head.next_due.is_none_or(|due| due <= self.started) {
            // The lease comes before the look where something is due.
            self.take_lease().await?;
            if self.head.next_due.is_none_or(|due| due <= self.started) {
                require_logins(self.ports).await.map_err(|failure| Halt::from(failure.error))?;
                self.keep_since().await?;
            }
        }
        self.since = first_day(self.settings, &self.head, self.started);
        if self.head.paused(Service::Garmin, self.started).is_none() {
            self.look().await?;
            if self.fence.is_some() {
                self.sweep().await?;
            }
        }
        if self.fence.is_none() {
            return Ok(());
        }
        self.load_open().await?;
        self.note_unfinished_downloads().await?;
        while let Some(step) = next_step(&self.facts()) {
            if self.run.stop.load(Ordering::Relaxed) {
                return Err(Halt::Interrupted);
            }
            self.renew_lease().await?;
            self.step(step).await?;
        }
        Ok(())
    }

    /// Reads the head. Another key than the one that was refused is worth a try.
    async fn begin(&mut self) -> Result<(), Halt> {
        self.read_head().await?;
        if is_another_key(&self.head, self.ports.source) {
            self.take_lease().await?;
            self.head.set_pause(Service::Garmin, None);
        }
        Ok(())
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            now: self.now(),
            strava_now: self.strava_now(),
            monotonic: self.ports.clock.monotonic(),
            act_until: self.run.deadline.map(|deadline| deadline.saturating_sub(ACT_BEFORE_DEADLINE)),
            head: &self.head,
            open: &self.open,
            eyes: &self.eyes,
            done: &self.done,
            link_look_due: self.link_look_due,
            last_upload: self.last_upload,
            rounds: self.rounds,
            timing: &self.settings.timing,
            slice: self.history.as_ref().map(|course| &course.slice),
            leaves: self.leaves,
        }
    }

    async fn step(&mut self, step: Step) -> Result<(), Halt> {
        match step {
            Step::LookForLink(window) => self.look_for_link(window).await,
            Step::Find(window) => self.find(window).await.map(|_| ()),
            Step::Carry(id) => self.carry(id).await,
            Step::WaitUntil(moment) => {
                let left =
                    self.open.values().filter(|row| matches!(row.state, State::Submitted { .. })).count();
                self.run.observer.hears(Progress::Settling { left });
                let wait = moment.saturating_sub(self.ports.clock.monotonic());
                self.ports.clock.sleep(wait).await;
                Ok(())
            }
            Step::Confirm { ids, last } => self.confirm(&ids, last).await,
            Step::PutOff(ids) => self.put_off(&ids).await,
        }
    }

    // ------------------------------------------------------------------------------------ *Head*

    async fn read_head(&mut self) -> Result<(), Halt> {
        let (head, version) = self.ports.ledger.head().await?;
        self.found_dirty |= head.dirty;
        self.head_kept = head.clone();
        self.head = head;
        self.head_version = version;
        if let Some(to) = &self.head.moved_to {
            return Err(Halt::Port(PortError::Moved { to: to.clone() }));
        }
        Ok(())
    }

    /// The first write under a lease sets `next_due` to now, only the last one sets it forward: so
    /// whatever dies in between, the next tick is no idle one. `dirty` says that the counts may be behind.
    async fn touch(&mut self) -> Result<(), Halt> {
        let fence = self.take_lease().await?;
        let is_touched = self.head_kept.dirty && self.head_kept.next_due.is_none();
        if is_touched || planted::has(Fault::HeadIsNotTouched) {
            return Ok(());
        }
        self.head.dirty = true;
        self.head.next_due = None;
        self.write_head(fence).await
    }

    async fn write_head(&mut self, fence: Fence) -> Result<(), Halt> {
        self.head_version = self.ports.ledger.put_head(self.head_version, &self.head, fence).await?;
        self.head_kept = self.head.clone();
        Ok(())
    }

    /// The earliest moment at which something wants a look (*Head*).
    fn next_due(&self) -> Timestamp {
        let now = self.now();
        let after_pause = |moment: Timestamp, service: Service| match self.head.paused(service, now) {
            Some(pause) => pause.until.map(|until| until.max(moment)),
            None => Some(moment),
        };
        let sweep = match (&self.head.sweep.running, self.head.sweep.last_complete) {
            (None, Some(last)) => later(last, self.settings.sweep),
            _ => now,
        };
        let mut moments = vec![after_pause(sweep, Service::Garmin)];
        moments.extend(self.head.bearer_due.map(|due| after_pause(due, Service::Garmin)));
        if self.head.link.on.is_none() {
            moments.push(after_pause(now, Service::Strava));
        }
        for row in self.open.values() {
            let own = row.not_before.unwrap_or(now);
            let moment = row.needs().iter().try_fold(own, |moment, service| after_pause(moment, *service));
            moments.push(moment);
        }
        moments.into_iter().flatten().min().unwrap_or(Timestamp::MAX)
    }

    // ----------------------------------------------------------------------------------- *Lease*

    /// Taken before the first write or the first Strava request, never by an idle tick. The head is read
    /// again under it: another run may have worked since.
    async fn take_lease(&mut self) -> Result<Fence, Halt> {
        if let Some(fence) = self.fence {
            return Ok(fence);
        }
        let fence = self.ports.lease.take(self.lease_end()).await?.ok_or(Halt::Busy)?;
        self.fence = Some(fence);
        self.lease_renewed = self.ports.clock.monotonic();
        self.read_head().await?;
        Ok(fence)
    }

    fn lease_end(&self) -> Timestamp {
        let now = self.now();
        let span = match self.run.deadline {
            Some(deadline) => {
                let left = deadline.saturating_sub(self.ports.clock.monotonic());
                SignedDuration::try_from(left).unwrap_or(LEASE) + LEASE_AFTER_DEADLINE
            }
            None => LEASE,
        };
        later(now, span)
    }

    /// A run without a deadline renews between two steps.
    async fn renew_lease(&mut self) -> Result<(), Halt> {
        let monotonic = self.ports.clock.monotonic();
        if self.run.deadline.is_some()
            || monotonic.saturating_sub(self.lease_renewed) < Duration::from_secs(20)
        {
            return Ok(());
        }
        if !self.ports.lease.renew(self.lease_end()).await? {
            return Err(Halt::Busy);
        }
        self.lease_renewed = monotonic;
        Ok(())
    }

    /// Without a configured start date the first tick with both logins keeps the date at UTC − 12 h:
    /// nowhere on Earth is it earlier. Durable before any row is.
    async fn keep_since(&mut self) -> Result<(), Halt> {
        if self.settings.since != Since::Unset || self.head.since_kept.is_some() {
            return Ok(());
        }
        let day = earliest_today(self.started);
        self.head.since_kept = Some(day);
        self.head.dirty = true;
        self.head.next_due = None;
        let fence = self.take_lease().await?;
        self.write_head(fence).await?;
        self.notes.push(Note::SinceKept(day));
        Ok(())
    }

    // ------------------------------------------------------------------------------------ rows

    async fn load_open(&mut self) -> Result<(), Halt> {
        if self.open_loaded {
            return Ok(());
        }
        for (row, version) in self.ports.ledger.open().await? {
            self.versions.insert(row.id(), version);
            self.open.insert(row.id(), row);
        }
        self.open_loaded = true;
        Ok(())
    }

    /// Makes a row durable and tells of it. What is final leaves the open ones.
    async fn keep(&mut self, row: Row) -> Result<(), Halt> {
        self.changed.insert(row.id(), row.clone());
        self.head.last_change = Some(self.now());
        if !row.state.is_open() {
            self.run.observer.hears(Progress::Settled(&row));
        }
        self.keep_quietly(row).await
    }

    /// Makes a row durable; what changed in it is no change to anyone outside.
    async fn keep_quietly(&mut self, row: Row) -> Result<(), Halt> {
        let from = self.open.get(&row.id()).map(|old| old.state.name());
        self.put(row, from).await
    }

    /// `from`: the state that the ledger has it in.
    async fn put(&mut self, row: Row, from: Option<StateName>) -> Result<(), Halt> {
        let fence = self.take_lease().await?;
        self.touch().await?;
        let id = row.id();
        let expected = self.versions.get(&id).copied().unwrap_or(Version::ABSENT);
        let version = self.ports.ledger.put(&row, expected, fence).await?;
        self.head.counts.moved(from, row.state.name());
        self.versions.insert(id, version);
        if let Some(changed) = self.changed.get_mut(&id) {
            *changed = row.clone();
        }
        if row.state.is_open() {
            self.open.insert(id, row);
        } else {
            self.open.remove(&id);
        }
        Ok(())
    }

    fn row(&self, id: GarminId) -> Option<Row> {
        self.open.get(&id).cloned()
    }
}

/// A login that ended is paused until `login`, or until another secret comes from outside the vault.
fn is_another_key(head: &Head, source: &dyn Source) -> bool {
    let pause = head.pause(Service::Garmin);
    pause.is_some_and(|pause| pause.cause == PauseCause::LoginNeeded && pause.key != source.own_key())
}

/// Without both logins nothing is done; which one is missing, is said.
async fn require_logins(ports: Ports<'_>) -> Result<(), Failure> {
    for (name, service) in
        [(SecretName::GarminLogin, Service::Garmin), (SecretName::StravaLogin, Service::Strava)]
    {
        let brought = service == Service::Garmin && ports.source.own_key().is_some();
        if !brought && ports.vault.get(name).await?.is_none() {
            return Err(crate::tokens::no_login(service));
        }
    }
    Ok(())
}

/// The first day that crosses; `None` is no limit.
fn first_day(settings: &Settings, head: &Head, now: Timestamp) -> Option<Date> {
    match settings.since {
        Since::Day(day) => Some(day),
        Since::All => None,
        Since::Unset => Some(head.since_kept.unwrap_or_else(|| earliest_today(now))),
    }
}

/// The date at UTC − 12 h.
fn earliest_today(now: Timestamp) -> Date {
    let west = now.saturating_sub(SignedDuration::from_hours(12)).unwrap_or(now);
    jiff::tz::Offset::UTC.to_datetime(west).date()
}
