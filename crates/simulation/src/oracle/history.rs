//! What is true of a history, beside all that is true of every tick.

use fitferry_core::activity::GarminId;
use fitferry_core::engine::backfill::{End, Span};
use fitferry_core::ledger::{Cause, Row, SkipReason, State as RowState};
use jiff::Timestamp;

use crate::dice::hours;
use crate::outcome::{Law, Violation};
use crate::scene::{State, name};

pub(crate) fn is_one(state: &State, who: usize) -> bool {
    state.plan.runners.get(who).is_some_and(|runner| runner.history.is_some())
}

/// A history wants what a rule or a date skipped, and what a person skipped it leaves alone.
pub(super) fn may_wake(state: &State, who: usize, before: Option<&RowState>) -> bool {
    let by_rule = |before: &RowState| match before {
        RowState::Skipped { reason, .. } => *reason != SkipReason::ByHand,
        _ => false,
    };
    is_one(state, who) && before.is_some_and(by_rule)
}

/// What is old when a history takes it up is not waited for with what is new (*Garmin's own link*).
pub(super) fn row_written(state: &mut State, who: usize, row: &Row) {
    if !is_one(state, who) {
        return;
    }
    if matches!(row.state, RowState::Submitting { .. }) {
        state.slots[who].tick.intended = Some(state.now);
    }
    if row.state != RowState::Wanted {
        return;
    }
    let new = state.wall(who) - hours(72);
    if row.start().is_some_and(|start| start < new)
        && let Some(fact) = state.life.fact_mut(row.id())
    {
        fact.of_history = true;
    }
}

/// *Fresh eyes*: where another run has had the lease, nothing that was seen before counts.
pub(super) fn lease_taken(state: &mut State, who: usize) {
    let histories: Vec<usize> =
        (0..state.slots.len()).filter(|slot| *slot != who && is_one(state, *slot)).collect();
    for slot in histories {
        let now = state.now;
        for look in &mut state.slots[slot].tick.looks {
            look.lost.get_or_insert(now);
        }
    }
}

/// A history that says it is done has carried, or given to the everyday tick, all that was there when it began.
pub(crate) fn over(state: &mut State, who: usize, span: Span, began: Timestamp, end: &End) {
    if end.trouble.is_some() {
        return;
    }
    state.stats.histories_done += 1;
    let left_over = state.world.garmin.activities.values().find_map(|activity| {
        let day = activity.start_local()?.date();
        let fact = state.life.facts.get(&activity.id)?;
        let is_in_it = span.from <= day && day <= span.to && fact.arrived < began && fact.deleted.is_none();
        if !is_in_it {
            return None;
        }
        let why = match state.store.rows.get(&GarminId(activity.id)).map(|(row, _)| (row, &row.state)) {
            None => "is not in the ledger",
            // What is new is the everyday tick's, and so is what a service fails at time and again, and what a
            // person has sent again meanwhile.
            Some((row, RowState::Wanted))
                if matches!(row.cause, None | Some(Cause::Budget))
                    && row.put_offs < 3
                    && !row.by_hand
                    && row.start().is_some_and(|start| start < began - hours(73)) =>
            {
                "waits"
            }
            Some((_, RowState::Skipped { reason: SkipReason::BeforeStart, .. }))
                if super::end::is_of_wanted_type(&state.plan.settings.rules.types, &activity.type_key) =>
            {
                "is skipped for its date"
            }
            Some(_) => return None,
        };
        Some(format!("{} is done with its history, and {} {why}", name(who), activity.id))
    });
    // What waits for a moment of its own is left, and told so.
    let waiting = state
        .store
        .open()
        .filter(|(row, _)| matches!(row.state, RowState::Wanted | RowState::Submitting { .. }))
        .filter(|(row, _)| row.day().is_some_and(|day| span.from <= day && day <= span.to))
        .count();
    if end.left.is_none_or(|left| left > waiting as u64) {
        let left = end.left;
        let what = format!("{} says that {left:?} of its history are left, and {waiting} wait", name(who));
        state.violate(Violation::new(Law::NothingLost, what));
    }
    if let Some(what) = left_over {
        state.violate(Violation::new(Law::NothingLost, what));
    }
}
