//! The end: faults have stopped, the world was given time, and everything must have come to its end.

use fitferry_core::activity::GarminId;
use fitferry_core::engine::Since;
use fitferry_core::ledger::State as RowState;
use fitferry_core::ports::Service;
use fitferry_sandbox::garmin::{self, GarminActivity};
use jiff::civil::Date;

use super::rows::shown;
use super::uploads::ours_of;
use crate::life::Curse;
use crate::outcome::{Law, Violation};
use crate::scene::State;

/// Whether there is nothing left to wait for.
pub(crate) fn is_settled(state: &State) -> bool {
    let head = &state.store.head;
    let has_logins = [Service::Garmin, Service::Strava]
        .into_iter()
        .all(|service| head.pause(service).is_none_or(|pause| pause.until.is_some()));
    let swept = head.sweep.last_complete.is_some() && head.sweep.running.is_none();
    has_logins && swept && open_rows(state).next().is_none() && unknown(state).next().is_none()
}

/// Open rows that may not stay so.
fn open_rows(state: &State) -> impl Iterator<Item = GarminId> {
    let may_stay = |id: GarminId| state.life.fact(id).is_some_and(|fact| fact.curse == Curse::Silent(None));
    state.store.open().map(|(row, _)| row.id()).filter(move |id| !may_stay(*id))
}

/// What Garmin shows, the start date allows, and the ledger has not.
fn unknown(state: &State) -> impl Iterator<Item = u64> {
    state
        .world
        .garmin
        .activities
        .values()
        .filter(|activity| !activity.deleted && !is_before_start(state, activity))
        // What has no date is shown only by a sweep without any, which takes one tick.
        .filter(|activity| activity.start.is_some() || !state.oracle.sweeps_are_split)
        .filter(|activity| !state.store.rows.contains_key(&GarminId(activity.id)))
        .map(|activity| activity.id)
}

/// The last look at everything.
pub(crate) fn check(state: &mut State) {
    let never = unknown(state).next();
    if let Some(id) = never {
        state.violate(Violation::new(Law::NothingLost, format!("{id} never came into the ledger")));
    }
    let open = open_rows(state).next();
    if let Some(id) = open {
        let row = state.store.rows.get(&id).map(|(row, _)| shown(&row.state)).unwrap_or_default();
        state.violate(Violation::new(Law::NothingLost, format!("{id} is still {row}")));
    }
    let wrong = state.store.rows.values().find_map(|(row, _)| told_otherwise(state, row));
    if let Some(what) = wrong {
        state.violate(Violation::new(Law::NothingLost, what));
    }
    for (row, _) in state.store.rows.values() {
        match row.state {
            RowState::Published { .. } => state.stats.published += 1,
            RowState::Skipped { .. } => state.stats.skipped += 1,
            RowState::Rejected { .. } => state.stats.rejected += 1,
            _ => {}
        }
    }
    super::after_settling(state);
    state.compare_all();
}

/// The ledger's account against the world's truth: what is on Strava by our upload is published as that.
fn told_otherwise(state: &State, row: &fitferry_core::ledger::Row) -> Option<String> {
    let id = row.id();
    let ours = ours_of(state, id).next()?;
    match &row.state {
        RowState::Published { .. } => None,
        // In a wild world Strava may show what a week had given up.
        _ if !state.plan.is_strict() => None,
        // A person's word after the fact.
        RowState::Skipped { .. } if state.life.fact(id).is_some_and(|fact| fact.told_to_skip) => None,
        other => Some(format!("{id} is on Strava as {} and ends as {}", ours.id, shown(other))),
    }
}

/// The first day that crosses, by the configuration or as it was kept.
pub(crate) fn first_day(state: &State) -> Option<Date> {
    match state.plan.settings.since {
        Since::All => None,
        Since::Day(day) => Some(day),
        Since::Unset => state.store.head.since_kept,
    }
}

pub(crate) fn is_before_start(state: &State, activity: &GarminActivity) -> bool {
    match (first_day(state), activity.start_local()) {
        (Some(first), Some(local)) => local.date() < first,
        // Without a date it lies in no span of days.
        (Some(_), None) => true,
        (None, _) => false,
    }
}

pub(crate) fn is_of_wanted_type(types: &[String], key: &str) -> bool {
    types.iter().any(|wanted| wanted == "*" || wanted == key || garmin::parent_key(key) == Some(wanted))
}
