//! The driver: whoever is due next goes on, and time jumps to that moment.
//!
//! A run is a future that is polled by hand, by one thread, only when its moment has come; a run that dies is a
//! future that is dropped. So the order of everything is decided by the seed alone.

mod history;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fitferry_core::engine::backfill;
use fitferry_core::engine::report::Report;
use fitferry_core::engine::{self, Deaf, Run, Settings};
use fitferry_core::ports::Service;
use jiff::{SignedDuration, Timestamp};

use crate::dice::{days, ms, secs};
use crate::events::{Event, InFlight};
use crate::life;
use crate::oracle;
use crate::outcome::{Law, Outcome, Violation};
use crate::plan::{Plan, Story};
use crate::planted::Planted;
use crate::process::Process;
use crate::scene::{Fate, Point, Scene, State, TickFacts, name};

/// How long a world is given to settle once faults have stopped.
const SETTLES_WITHIN: SignedDuration = days(14);

/// Far more than any seed takes.
const STEPS_MAX: u64 = 3_000_000;

type Going = Pin<Box<dyn Future<Output = Ended>>>;

/// How a run ended.
enum Ended {
    Tick(Box<Report>),
    History(backfill::Span, backfill::End),
}

struct Runner {
    process: Option<Arc<Process>>,
    going: Option<Going>,
    /// No run begins before.
    not_before: Timestamp,
    /// A person sets a history off again, which died or was stopped.
    again_at: Option<Timestamp>,
    /// The stretch of which a tick has shown that nothing comes of it.
    shown: Option<Stretch>,
    /// The tick that runs stands for a stretch that is skipped.
    stands_for_many: bool,
}

/// A stretch without changes: so many writes of the head, so many changes of Garmin's list.
type Stretch = (u64, u64);

enum Next {
    Event,
    Poll(usize),
    Start { runner: usize, stands_for_many: bool },
}

pub(crate) struct Drive {
    scene: Arc<Scene>,
    settings: Arc<Settings>,
    runners: Vec<Runner>,
    planted: Option<Planted>,
    horizon: Timestamp,
}

impl Drive {
    pub(crate) fn new(plan: Plan, planted: Option<Planted>, traces: bool) -> Drive {
        let settings = Arc::new(plan.settings.clone());
        let horizon = plan.end() + SETTLES_WITHIN;
        let runner = |begin| Runner {
            process: None,
            going: None,
            not_before: begin,
            again_at: None,
            shown: None,
            stands_for_many: false,
        };
        let runners = plan.runners.iter().map(|_| runner(plan.begin)).collect();
        Drive { scene: Arc::new(Scene::new(plan, planted, traces)), settings, runners, planted, horizon }
    }

    /// Plays to the end, or to the first violation.
    pub(crate) fn play(mut self) -> Outcome {
        let mut steps = 0_u64;
        while let Some((at, next)) = self.next() {
            let mut state = self.scene.lock();
            steps += 1;
            if steps > STEPS_MAX {
                state.violate(Violation::new(Law::NothingLost, "time goes on and nothing comes to an end"));
                drop(state);
                break;
            }
            state.now = state.now.max(at);
            match next {
                Next::Event => {
                    if let Some(event) = state.events.pop() {
                        life::happen(&mut state, event);
                        state.settle_world();
                    }
                    drop(state);
                }
                Next::Poll(runner) => {
                    let slot = &mut state.slots[runner];
                    slot.wake = None;
                    slot.dead |= slot.killed_at.is_some_and(|killed_at| killed_at <= at);
                    drop(state);
                    self.poll(runner);
                }
                Next::Start { runner, stands_for_many } => {
                    drop(state);
                    self.start(runner, stands_for_many);
                }
            }
            let state = self.scene.lock();
            let rests = state.slots.iter().all(|slot| !slot.running);
            if state.violation.is_some() || state.healed && rests && oracle::end::is_settled(&state) {
                break;
            }
        }
        self.end()
    }

    fn end(self) -> Outcome {
        // What still runs is not at its end; nothing may be read from it.
        drop(self.runners);
        let mut state = self.scene.lock();
        if state.violation.is_none() {
            oracle::end::check(&mut state);
        }
        Outcome {
            seed: state.plan.seed,
            mode: state.plan.mode,
            days: state.plan.days,
            stats: state.stats,
            violation: state.violation.clone(),
            history: state.history(),
        }
    }

    /// Who is due first; events before runs, and the first runner before the second.
    fn next(&mut self) -> Option<(Timestamp, Next)> {
        let state = self.scene.lock();
        let mut first: Option<(Timestamp, Next)> = state.events.next_at().map(|at| (at, Next::Event));
        for (index, runner) in self.runners.iter().enumerate() {
            let due = match state.slots[index].running {
                true => state.slots[index].goes_on_at().map(|at| (at, Next::Poll(index))),
                false => runner
                    .next_start(&state, index)
                    .map(|(at, stands_for_many)| (at, Next::Start { runner: index, stands_for_many })),
            };
            if let Some((at, next)) = due
                && first.as_ref().is_none_or(|(earliest, _)| at < *earliest)
            {
                first = Some((at, next));
            }
        }
        first.filter(|(at, _)| *at < self.horizon)
    }

    fn start(&mut self, index: usize, stands_for_many: bool) {
        let mut state = self.scene.lock();
        let runner = &mut self.runners[index];
        state.settle_world();
        let history = state.plan.runners[index].history.clone();
        match history {
            None => state.stats.ticks += 1,
            Some(_) => state.stats.histories += 1,
        }
        let skipped = runner.process.is_none();
        if skipped {
            state.process_ends(index);
        }
        let now = state.now;
        let met_another = state.runs_at_once() > 0;
        for slot in &mut state.slots {
            slot.tick.met_another = true;
        }
        let fates = match &history {
            _ if state.healed => (None, None),
            None => state.fates(),
            Some(_) => state.fates_of_a_history(),
        };
        let (garmin_changes, head_writes_before) = (state.garmin_changes, state.store.head_writes);
        let slot = &mut state.slots[index];
        slot.running = true;
        slot.dead = false;
        slot.wake = None;
        (slot.crash, slot.freeze) = fates;
        slot.tick = TickFacts {
            began: now,
            history_began: history.is_some().then_some(now),
            met_another,
            garmin_changes,
            garmin_changes_before: garmin_changes,
            head_writes_before,
            ..TickFacts::default()
        };
        let deadline = state.plan.runners[index].deadline;
        // Where a run has a deadline, somebody keeps it.
        state.slots[index].killed_at = deadline.map(|deadline| now + deadline + secs(2));
        let deadline = deadline.map(|deadline| state.monotonic() + deadline.unsigned_abs());
        drop(state);
        let process = runner
            .process
            .get_or_insert_with(|| Arc::new(Process::new(Arc::clone(&self.scene), index)))
            .clone();
        runner.stands_for_many = stands_for_many;
        let settings = Arc::clone(&self.settings);
        runner.going = Some(match history {
            None => tick(process, settings, deadline, self.planted),
            Some(plan) => history::run(process, settings, &plan, self.planted),
        });
        self.poll(index);
    }

    fn poll(&mut self, index: usize) {
        let runner = &mut self.runners[index];
        let is_dead = self.scene.lock().slots[index].dead;
        let Some(going) = &mut runner.going else { return };
        let polled = match is_dead {
            true => Poll::Pending,
            false => going.as_mut().poll(&mut Context::from_waker(Waker::noop())),
        };
        match polled {
            Poll::Ready(ended) => {
                runner.going = None;
                let mut state = self.scene.lock();
                match ended {
                    Ended::Tick(report) => runner.tick_ended(&mut state, index, &report),
                    Ended::History(span, end) => runner.history_ended(&mut state, index, span, &end),
                }
            }
            Poll::Pending => {
                let mut state = self.scene.lock();
                if state.slots[index].dead {
                    // What is dropped may look at the scene.
                    let gone = (runner.going.take(), runner.process.take());
                    runner.died(&mut state, index);
                    drop(state);
                    drop(gone);
                }
            }
        }
    }
}

/// One tick of the real engine, through the doors of a process.
fn tick(
    process: Arc<Process>,
    settings: Arc<Settings>,
    deadline: Option<Duration>,
    planted: Option<Planted>,
) -> Going {
    Box::pin(async move {
        let run = Run { deadline, stop: &process.stop, observer: &Deaf };
        Ended::Tick(Box::new(match planted.map(|planted| planted.doors(&process)) {
            Some(doors) => engine::tick(doors.ports(), &settings, run).await,
            None => engine::tick(process.ports(), &settings, run).await,
        }))
    })
}

impl Runner {
    /// When the next tick begins, and whether it stands for a stretch that is skipped.
    ///
    /// Where nothing is due and nothing has changed, every tick would come to nothing: one is made, at the end of
    /// the stretch, and the others are skipped.
    fn next_start(&self, state: &State, index: usize) -> Option<(Timestamp, bool)> {
        let plan = &state.plan.runners[index];
        if let Some(history) = &plan.history {
            return self.next_history(state, history).map(|at| (at, false));
        }
        let grid = |at: Timestamp| slot_from(state.plan.begin + plan.phase, plan.period, at);
        let first = grid(self.not_before.max(state.now));
        let mut next = (first, false);
        if let Some(due) = state.idle_until(index) {
            let due = grid(due.min(state.plan.end() + SETTLES_WITHIN + SETTLES_WITHIN));
            let last_idle = due - plan.period;
            if last_idle > first && self.shown != Some(state.stretch()) {
                // A pause that only a login ends is a stretch without an end.
                let is_endless = due > state.plan.end() + SETTLES_WITHIN;
                next = (if is_endless { first + plan.period } else { last_idle }, true);
            } else if due > first {
                next = (due, false);
            }
        }
        for (from, to) in &state.life.absences {
            if *from <= next.0 && next.0 < *to {
                next = (grid(*to), false);
            }
        }
        Some(next)
    }

    fn tick_ended(&mut self, state: &mut State, index: usize, report: &Report) {
        let now = state.now;
        oracle::tick_over(state, index);
        let slot = &mut state.slots[index];
        slot.rest();
        let tick = std::mem::take(&mut slot.tick);
        self.not_before = now + ms(1);
        let wrote = tick.writes;
        let came_to_nothing = wrote == 0 && tick.strava_requests == 0 && tick.garmin_requests <= 1;
        state.stats.idle_ticks += u64::from(came_to_nothing);
        let is_of_this_head = tick.head_writes_before == state.store.head_writes;
        let looked = tick.garmin_requests == 1 && !tick.was_hit && report.trouble.is_none();
        if came_to_nothing && looked && is_of_this_head {
            state.garmin_changes_known = tick.garmin_changes;
        }
        if self.stands_for_many {
            state.stats.stretches += 1;
            self.shown = Some(state.stretch());
            let is_same = state.garmin_changes == tick.garmin_changes_before;
            if !came_to_nothing && is_same && !tick.was_hit && !tick.met_another {
                let what = format!(
                    "{} makes {} and {} requests and {wrote} writes in a stretch without work or change",
                    name(index),
                    tick.garmin_requests,
                    tick.strava_requests
                );
                state.violate(Violation::new(Law::Idle, what));
            }
        }
        if let Some(trouble) = &report.trouble {
            let trouble = format!("{trouble:?}");
            oracle::shows_no_secret(state, &trouble);
            state.tell(|| format!("{} ends its tick: {trouble}", name(index)));
        }
        let process = self.process.as_ref();
        let was_stopped = process.is_some_and(|process| process.stop.load(Ordering::Relaxed));
        state.stats.stops += u64::from(was_stopped);
        if !state.plan.runners[index].is_daemon || was_stopped {
            self.process = None;
            state.process_ends(index);
        }
    }

    fn died(&mut self, state: &mut State, index: usize) {
        let now = state.now;
        state.stats.crashes += 1;
        state.tell(|| format!("{} dies", name(index)));
        let in_flight = state.slots[index].in_flight.take();
        if let Some(request) = in_flight
            && state.trouble.chance(500)
        {
            let soon = match request {
                InFlight::Upload { .. } => state.trouble.long_tail(ms(10), secs(20)),
                _ => state.trouble.span(ms(10), ms(300)),
            };
            state.schedule(now + soon, Event::Straggler(request));
        }
        oracle::tokens::process_over(state, index);
        state.slots[index].running = false;
        state.slots[index].wake = None;
        state.process_ends(index);
        oracle::head::nothing_sleeps(state, index);
        self.not_before = now + ms(1);
        self.set_off_again(state, index);
    }
}

/// The first moment of a grid that is not before `at`.
fn slot_from(origin: Timestamp, period: SignedDuration, at: Timestamp) -> Timestamp {
    let period = period.as_millis().max(1);
    let since = at.duration_since(origin).as_millis();
    let slots = since.div_euclid(period) + i128::from(since.rem_euclid(period) > 0);
    let offset = i64::try_from(slots * period).unwrap_or(i64::MAX);
    origin.saturating_add(SignedDuration::from_millis(offset)).unwrap_or(Timestamp::MAX)
}

impl State {
    fn stretch(&self) -> Stretch {
        (self.store.head_writes, self.garmin_changes)
    }

    /// Until when a tick of this runner comes to nothing, by what the head says and by what Garmin shows; `None`
    /// where there may be something to do. In true time.
    fn idle_until(&self, runner: usize) -> Option<Timestamp> {
        let head = &self.store.head;
        let due = head.next_due.filter(|_| !head.dirty && self.store.lease.is_none())?;
        let wall = self.wall(runner);
        let due = match head.paused(Service::Garmin, wall) {
            // Nobody asks for the list.
            Some(pause) => pause.until.map_or(due, |until| due.min(until)),
            None => {
                // After trouble, a good tick changes the head.
                let is_calm =
                    head.garmin_pause.is_none() && head.garmin_rung == 0 && head.garmin_429_minutes == 0;
                (is_calm && self.garmin_changes_known == self.garmin_changes).then_some(due)?
            }
        };
        let due = match head.paused(Service::Strava, wall) {
            Some(pause) => pause.until.map_or(due, |until| due.min(until)),
            None => due,
        };
        Some(due.saturating_sub(self.slots[runner].skew).unwrap_or(due))
    }

    /// What is going to befall the tick that begins, if it gets so far.
    fn fates(&mut self) -> (Option<Fate>, Option<(Fate, SignedDuration)>) {
        let rates = self.plan.rates;
        let crash = self.trouble.chance(rates.crash).then(|| match self.plan.story {
            Story::CrowdedApp => Fate { kind: Some(Point::Store), left: 1 + self.trouble.between(0, 24) },
            _ => self.fate(),
        });
        let freeze = self.trouble.chance(rates.freeze).then(|| {
            let fate = match self.plan.story {
                Story::NewLogins => Fate { kind: Some(Point::FromToken), left: 1 },
                _ => self.fate(),
            };
            (fate, self.trouble.long_tail(secs(1), days(2)))
        });
        (crash, freeze)
    }

    fn fate(&mut self) -> Fate {
        let dice = &mut self.trouble;
        let points = [
            Point::Intent,
            Point::Vault,
            Point::Sending,
            Point::Uploading,
            Point::Uploaded,
            Point::ToToken,
            Point::FromToken,
            Point::FromGarmin,
            Point::FromStrava,
            Point::Sleep,
        ];
        match dice.between(0, 9) {
            // Early points are more likely than late ones, and late ones happen.
            0..=3 => {
                let bits = dice.between(0, 8);
                Fate { kind: None, left: 1 + dice.between(0, 1 << bits) }
            }
            4 => Fate { kind: Some(Point::Store), left: 1 + dice.between(0, 40) },
            _ => {
                let kind = dice.pick(&points);
                Fate { kind: Some(kind), left: dice.between(1, 4) }
            }
        }
    }
}
