//! The stage: the world, what is durable, the runners' places in time, and what is watched.
//!
//! All of it stands behind one lock that nobody holds while waiting, so the order of events is the driver's alone
//! (`drive`).

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fitferry_core::activity::GarminId;
use fitferry_core::ports::Fence;
use fitferry_sandbox::World;
use jiff::{SignedDuration, Timestamp};

use crate::dice::{Dice, Stream, ms};
use crate::events::{Event, Events, InFlight};
use crate::life::Life;
use crate::memory::Memory;
use crate::oracle::Oracle;
use crate::outcome::{Stats, Violation};
use crate::plan::Plan;
use crate::planted::{Memories, Planted};
use crate::store::Real;

pub(crate) struct Scene(Mutex<State>);

pub(crate) struct State {
    /// The true time, which is the services'.
    pub(crate) now: Timestamp,
    pub(crate) plan: Plan,
    pub(crate) world: World,
    pub(crate) life: Life,
    pub(crate) store: Memory,
    /// The store's own code, where a seed runs over it.
    pub(crate) real: Option<Real>,
    /// The lease of a person at the command line.
    pub(crate) person_fence: Option<Fence>,
    pub(crate) events: Events,
    pub(crate) slots: Vec<Slot>,
    pub(crate) oracle: Oracle,
    /// Delays and losses on the way.
    pub(crate) network: Dice,
    /// Crashes, freezes and signals.
    pub(crate) trouble: Dice,
    /// Changes with everything that Garmin's list may show differently, and with every outage that begins.
    pub(crate) garmin_changes: u64,
    /// As far as the head's fingerprint knows of them.
    pub(crate) garmin_changes_known: u64,
    /// Faults have stopped; what is left must settle.
    pub(crate) healed: bool,
    pub(crate) stats: Stats,
    pub(crate) violation: Option<Violation>,
    /// The fault that is planted, and what spoilt doors remember.
    pub(crate) planted: Option<Planted>,
    pub(crate) memories: Memories,
    pub(crate) trace: Option<Vec<String>>,
}

/// A place in a run at which something may befall it: before or after the effect of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    Store,
    /// The write of an intent.
    Intent,
    Vault,
    /// A request on its way to Garmin, and its answer on the way back.
    ToGarmin,
    FromGarmin,
    ToStrava,
    FromStrava,
    /// Between the last check of an upload and its first byte.
    Sending,
    /// An upload on its way.
    Uploading,
    Uploaded,
    ToToken,
    FromToken,
    /// Waiting on purpose.
    Sleep,
}

/// What befalls a run, at the n-th point of a kind; without a kind at the n-th of all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fate {
    pub(crate) kind: Option<Point>,
    pub(crate) left: u64,
}

impl Fate {
    fn strikes(&mut self, point: Point) -> bool {
        if self.kind.is_some_and(|kind| kind != point) {
            return false;
        }
        self.left = self.left.saturating_sub(1);
        self.left == 0
    }
}

/// One runner, as the stage sees it.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Our clock less the services'.
    pub(crate) skew: SignedDuration,
    pub(crate) running: bool,
    /// When the run goes on; `None` while it is being polled.
    pub(crate) wake: Option<Timestamp>,
    /// When the process is killed, whatever it does.
    pub(crate) killed_at: Option<Timestamp>,
    /// The process is gone, and only its future is still there.
    pub(crate) dead: bool,
    pub(crate) crash: Option<Fate>,
    pub(crate) freeze: Option<(Fate, SignedDuration)>,
    /// The lease that its process believes to have.
    pub(crate) fence: Option<Fence>,
    /// When that ends on its own clock, where leases end.
    pub(crate) lease_until: Option<Timestamp>,
    /// A request whose last byte may have left the machine when the process dies.
    pub(crate) in_flight: Option<InFlight>,
    /// Tells the process to end between two steps.
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) tick: TickFacts,
}

/// What the oracle knows of the tick that a runner is in.
#[derive(Debug, Default)]
pub(crate) struct TickFacts {
    pub(crate) began: Timestamp,
    /// When the history began of which this tick is a turn.
    pub(crate) history_began: Option<Timestamp>,
    pub(crate) looks: Vec<crate::oracle::Look>,
    pub(crate) garmin_requests: u32,
    pub(crate) strava_requests: u32,
    /// Garmin has answered 429 in this tick; until then it is left alone.
    pub(crate) garmin_limited_until: Option<Timestamp>,
    pub(crate) was_hit: bool,
    pub(crate) writes: u64,
    /// What Garmin's list had been through when it was read last.
    pub(crate) garmin_changes: u64,
    /// And when the tick began.
    pub(crate) garmin_changes_before: u64,
    pub(crate) head_writes_before: u64,
    /// Another runner was at work meanwhile.
    pub(crate) met_another: bool,
    /// The newest page that it read, for the head's fingerprint.
    pub(crate) newest_page: Vec<GarminId>,
    /// The last request for a page of Garmin's list has brought none.
    pub(crate) listing_failed: bool,
    pub(crate) freezes: u32,
    /// How often Garmin's list shifted while this tick read it, the list before that, and how much of it was read.
    pub(crate) shifts: u32,
    pub(crate) listing: Option<Vec<u64>>,
    pub(crate) look_reached: usize,
    /// Of a history: when its last intent was durable.
    pub(crate) intended: Option<Timestamp>,
    /// The upload that is being sent, and when the client looked at the clock last.
    pub(crate) checked: Option<(GarminId, Timestamp)>,
}

impl Scene {
    pub(crate) fn new(plan: Plan, planted: Option<Planted>, traces: bool) -> Scene {
        let mut state = State::empty(plan, planted, traces);
        crate::life::prepare(&mut state);
        Scene(Mutex::new(state))
    }

    /// One in which nothing happens but what the caller puts into it.
    pub(crate) fn calm(plan: Plan, put: impl FnOnce(&mut State)) -> Scene {
        let mut state = State::empty(plan, None, false);
        crate::life::prepare_calm(&mut state);
        put(&mut state);
        Scene(Mutex::new(state))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn empty(plan: Plan, planted: Option<Planted>, traces: bool) -> State {
        let seed = plan.seed;
        let slots = plan.runners.iter().map(|runner| Slot::new(runner.skew)).collect();
        State {
            now: plan.begin,
            world: World::empty(Dice::new(seed, Stream::World).draw()),
            life: Life::new(seed),
            store: Memory::new(plan.lease, planted),
            real: Real::open(plan.store, seed, plan.runners.len()),
            person_fence: None,
            events: Events::default(),
            slots,
            oracle: Oracle::default(),
            network: Dice::new(seed, Stream::Network),
            trouble: Dice::new(seed, Stream::Trouble),
            garmin_changes: 0,
            garmin_changes_known: 0,
            healed: false,
            stats: Stats::default(),
            violation: None,
            planted,
            memories: Memories::default(),
            trace: traces.then(Vec::new),
            plan,
        }
    }
}

impl Slot {
    fn new(skew: SignedDuration) -> Slot {
        Slot {
            skew,
            running: false,
            wake: None,
            killed_at: None,
            dead: false,
            crash: None,
            freeze: None,
            fence: None,
            lease_until: None,
            in_flight: None,
            stop: Arc::default(),
            tick: TickFacts::default(),
        }
    }
}

impl Slot {
    /// A run has ended.
    pub(crate) fn rest(&mut self) {
        self.running = false;
        self.wake = None;
        self.crash = None;
        self.freeze = None;
        self.in_flight = None;
    }

    /// When something happens to the run: it goes on, or it is killed.
    pub(crate) fn goes_on_at(&self) -> Option<Timestamp> {
        let wake = self.wake?;
        Some(self.killed_at.map_or(wake, |killed_at| wake.min(killed_at)))
    }
}

/// Whether a run goes on at a point, and when.
pub(crate) enum Going {
    On,
    /// `None`: never, since it is dead.
    Later(Option<Timestamp>),
}

impl State {
    /// Who is running at this moment.
    pub(crate) fn runs_at_once(&self) -> usize {
        self.slots.iter().filter(|slot| slot.running).count()
    }

    /// The time on a runner's wall.
    pub(crate) fn wall(&self, runner: usize) -> Timestamp {
        self.now + self.slots[runner].skew
    }

    /// Counts the time that a machine sleeps.
    pub(crate) fn monotonic(&self) -> Duration {
        Duration::from_secs(1000) + self.plan.begin.duration_until(self.now).unsigned_abs()
    }

    /// A run arrives at a point, beyond which it gets after `span`, if nothing befalls it.
    pub(crate) fn arrive(&mut self, runner: usize, point: Point, span: SignedDuration) -> Going {
        self.stats.points += 1;
        let now = self.now;
        let slot = &mut self.slots[runner];
        if slot.crash.as_mut().is_some_and(|fate| fate.strikes(point)) {
            slot.dead = true;
            slot.crash = None;
            slot.tick.was_hit = true;
            return Going::Later(None);
        }
        let mut span = span;
        if let Some((fate, frozen)) = &mut slot.freeze
            && fate.strikes(point)
        {
            let frozen = *frozen;
            let is_leaving = matches!(point, Point::Sending | Point::Uploading);
            let is_bounded = self.plan.mode == crate::plan::Mode::Strict && is_leaving;
            let frozen = if is_bounded { frozen.min(crate::plan::FROZEN_MAX) } else { frozen };
            slot.freeze = None;
            slot.tick.was_hit = true;
            slot.tick.freezes += 1;
            span += frozen;
            self.stats.freezes += 1;
            self.tell(|| format!("{} is frozen for {frozen:#} ({point:?})", name(runner)));
        }
        if span.is_zero() {
            return Going::On;
        }
        Going::Later(Some(now + span))
    }

    /// How long a write or a read of the store takes. It matters only where two runs may meet.
    pub(crate) fn store_span(&mut self) -> SignedDuration {
        if self.runs_at_once() > 1 { ms(self.network.between(1, 15)) } else { SignedDuration::ZERO }
    }

    /// Notes what is wrong, once: the rest may only follow from it.
    pub(crate) fn violate(&mut self, what: Violation) {
        if self.violation.is_none() {
            self.tell(|| format!("VIOLATION: {what}"));
            self.violation = Some(what);
        }
    }

    /// Adds a line to the history, if somebody wants to read it.
    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.trace {
            lines.push(format!("{:.3}  {}", self.now, line()));
        }
    }

    pub(crate) fn history(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }

    pub(crate) fn schedule(&mut self, at: Timestamp, event: Event) {
        self.events.push(at, event);
    }

    /// Brings the world to this moment and looks at what happened in it meanwhile.
    pub(crate) fn settle_world(&mut self) {
        self.world.settle(self.now);
        crate::oracle::after_settling(self);
    }
}

/// Runners are A, B …
pub(crate) fn name(runner: usize) -> char {
    char::from(b'A' + u8::try_from(runner.min(25)).unwrap_or(0))
}
