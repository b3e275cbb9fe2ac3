//! A person's `fitferry backfill`, beside the ticks: set off at some moments, and again where it died.

use std::sync::Arc;

use fitferry_core::engine::backfill::{Backfill, End, Span, backfill};
use fitferry_core::engine::report::Trouble;
use fitferry_core::engine::{Observer, Progress, Run, Settings};
use fitferry_core::ports::Clock as _;
use jiff::{SignedDuration, Timestamp};

use super::{Ended, Going, Runner};
use crate::dice::{days, ms, secs};
use crate::oracle;
use crate::plan::HistoryPlan;
use crate::planted::Planted;
use crate::process::Process;
use crate::scene::{Fate, State, TickFacts, name};
use crate::strava::History;

/// All of a history, through the doors of a process.
pub(super) fn run(
    process: Arc<Process>,
    settings: Arc<Settings>,
    plan: &HistoryPlan,
    planted: Option<Planted>,
) -> Going {
    let (from, every) = (plan.from, plan.every);
    Box::pin(async move {
        let today = jiff::tz::Offset::UTC.to_datetime(process.now()).date();
        let span = Span { from, to: today };
        let turns = Turns(Arc::clone(&process));
        let run = Run { deadline: None, stop: &process.stop, observer: &turns };
        let destination = History(&process);
        let told = Backfill { destination: &destination, span, every };
        let end = match planted.map(|planted| planted.doors(&process)) {
            Some(doors) => backfill(doors.ports(), &told, &settings, run).await,
            None => backfill(process.ports(), &told, &settings, run).await,
        };
        Ended::History(span, end)
    })
}

/// Tells the oracle where one tick of a history ends and the next begins.
struct Turns(Arc<Process>);

impl Observer for Turns {
    fn hears(&self, event: Progress<'_>) {
        if let Progress::TickOver { report, .. } = event {
            let mut state = self.0.state();
            let index = self.0.runner;
            oracle::tick_over(&mut state, index);
            if let Some(trouble) = &report.trouble {
                let trouble = format!("{trouble:?}");
                oracle::shows_no_secret(&mut state, &trouble);
                state.tell(|| format!("{} ends a turn: {trouble}", name(index)));
            }
            state.next_turn(index);
        }
    }
}

impl Runner {
    /// When the person sets it off next, if ever.
    pub(super) fn next_history(&self, state: &State, plan: &HistoryPlan) -> Option<Timestamp> {
        let planned = plan.begins.iter().copied().find(|begin| *begin >= self.not_before);
        let mut at = self.again_at.into_iter().chain(planned).min()?.max(state.now);
        for (from, to) in &state.life.absences {
            if *from <= at && at < *to {
                at = *to;
            }
        }
        Some(at)
    }

    pub(super) fn history_ended(&mut self, state: &mut State, index: usize, span: Span, end: &End) {
        let now = state.now;
        state.tell(|| format!("{} ends its history: {end:?}", name(index)));
        oracle::tick_over(state, index);
        let began = state.slots[index].tick.history_began.unwrap_or(now);
        oracle::history::over(state, index, span, began, end);
        state.slots[index].rest();
        state.slots[index].tick = TickFacts::default();
        self.not_before = now + ms(1);
        self.process = None;
        state.process_ends(index);
        self.again_at = None;
        if matches!(end.trouble, Some(Trouble::Interrupted)) {
            state.stats.stops += 1;
            self.set_off_again(state, index);
        }
    }

    /// One that died or was stopped goes on where it was.
    pub(super) fn set_off_again(&mut self, state: &State, index: usize) {
        self.again_at = state.plan.runners[index].history.as_ref().map(|plan| state.now + plan.again);
    }
}

impl State {
    /// One tick of a history is over, and what was seen in it may count for the next.
    fn next_turn(&mut self, index: usize) {
        let now = self.now;
        let (garmin_changes, head_writes_before) = (self.garmin_changes, self.store.head_writes);
        let slot = &mut self.slots[index];
        let last = std::mem::take(&mut slot.tick);
        slot.tick = TickFacts {
            began: now,
            history_began: last.history_began,
            looks: last.looks,
            // Whoever is limited is so in the next turn, too, whether or not it was booked.
            garmin_limited_until: last.garmin_limited_until,
            met_another: true,
            garmin_changes,
            garmin_changes_before: garmin_changes,
            head_writes_before,
            ..TickFacts::default()
        };
    }

    /// What is going to befall a history: it runs for long, and may die late in it.
    pub(super) fn fates_of_a_history(&mut self) -> (Option<Fate>, Option<(Fate, SignedDuration)>) {
        let rates = self.plan.rates;
        let fate = |state: &mut State| match state.trouble.chance(400) {
            true => state.fate(),
            false => {
                let bits = state.trouble.between(4, 13);
                Fate { kind: None, left: 1 + state.trouble.between(0, 1 << bits) }
            }
        };
        let crash = self.trouble.chance((rates.crash * 10).min(800)).then(|| fate(self));
        let freeze = self.trouble.chance((rates.freeze * 20).min(500)).then(|| {
            let fate = fate(self);
            (fate, self.trouble.long_tail(secs(1), days(2)))
        });
        (crash, freeze)
    }
}
