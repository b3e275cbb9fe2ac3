//! What is true of a head that becomes durable: it never sends the next tick to sleep over work, and it never
//! claims to have seen what it has not (*Head*, *Far enough back*).

use fitferry_core::head::{Head, PauseCause};
use fitferry_core::ports::{Fence, Service};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::dice::{days, secs};
use crate::outcome::{Law, Violation};
use crate::scene::{State, name};

pub(crate) fn head_written(state: &mut State, who: usize, before: &Head, fence: Fence) {
    super::tokens::nothing_before_durable(state, who);
    if fence < state.store.newest_fence {
        state.violate(Violation::new(Law::Lease, "a run that has lost its lease writes the head"));
    }
    let head = state.store.head.clone();
    state.tell(|| {
        format!("{} writes the head: due {:?}, bearer {:?}", name(who), head.next_due, head.bearer_due)
    });
    for service in [Service::Garmin, Service::Strava] {
        let pause = head.pause(service);
        if pause == before.pause(service) {
            continue;
        }
        let Some(pause) = pause else { continue };
        super::shows_no_secret(state, &pause.what);
        let until = pause.until.map_or("a login".to_owned(), |until| until.to_string());
        state.tell(|| format!("{service} is left alone until {until} ({:?}, {})", pause.cause, pause.what));
        match (service, pause.cause) {
            (_, PauseCause::LoginNeeded) => super::tokens::login_is_over(state, who, service),
            (Service::Garmin, PauseCause::Limit) => {
                let skew = state.slots.get(who).map(|slot| slot.skew).unwrap_or_default();
                let until = pause.until.map_or(Timestamp::MAX, |until| until - skew);
                let now = state.now;
                state.oracle.garmin_limited_until = Some((now, until));
            }
            _ => {}
        }
    }
    state.oracle.sweeps_are_split |=
        head.sweep.running.as_ref().is_some_and(|running| running.reached.is_some());
    if let Some(slot) = state.slots.get(who)
        && head.fingerprint.is_some()
        && !slot.tick.newest_page.is_empty()
    {
        // A look that broke off has shown a page of which the fingerprint says nothing.
        let is_of_this_page = head.fingerprint != before.fingerprint
            || !slot.tick.listing_failed && slot.tick.newest_page == state.oracle.page_known;
        if is_of_this_page {
            state.garmin_changes_known = slot.tick.garmin_changes;
            state.oracle.page_known.clone_from(&slot.tick.newest_page);
        }
    }
    if head.fingerprint != before.fingerprint {
        knows_its_page(state, who);
    }
    if head.dirty {
        return;
    }
    if head.counts != state.store.counts {
        let what = format!("its counts are {:?}, and the ledger's {:?}", head.counts, state.store.counts);
        state.violate(Violation::new(Law::Head, what));
    }
    if head.sweep.last_complete != before.sweep.last_complete
        && let Some(started) = head.sweep.last_complete
    {
        sweep_saw_everything(state, who, before, &head, started);
    }
}

/// The fingerprint is set only when all of the newest page is in the ledger.
fn knows_its_page(state: &mut State, who: usize) {
    let Some(slot) = state.slots.get(who) else { return };
    let missing = slot.tick.newest_page.iter().find(|id| !state.store.rows.contains_key(id)).copied();
    if let Some(id) = missing {
        let what =
            format!("{} keeps the fingerprint of a page of which {id} is not in the ledger", name(who));
        state.violate(Violation::new(Law::Head, what));
        return;
    }
    // Pages overlap by five: as much may go away between two of them, and nothing is passed over.
    let tick = &slot.tick;
    let Some(listing) = tick.listing.as_ref().filter(|_| tick.shifts <= 5) else { return };
    let is_there = |id: &&u64| {
        state.life.facts.get(id).is_some_and(|fact| fact.deleted.is_none() && fact.arrived < tick.began)
    };
    let passed_over = listing
        .iter()
        .take(tick.look_reached.saturating_sub(5))
        .filter(is_there)
        .find(|id| !state.store.rows.contains_key(&fitferry_core::activity::GarminId(**id)));
    if let Some(id) = passed_over.copied() {
        let what = format!("{} has read past {id}, which is not in the ledger", name(who));
        state.violate(Violation::new(Law::FarEnoughBack, what));
    }
}

/// A complete sweep has seen all that was there when it began, as far back as it says.
fn sweep_saw_everything(state: &mut State, who: usize, before: &Head, head: &Head, started: Timestamp) {
    let Some(slot) = state.slots.get(who) else { return };
    let began = started - slot.skew;
    let is_full = head.sweep.last_full == Some(started);
    let settings = &state.plan.settings;
    // min(today − lookback, last complete sweep − 2 days) − 1 day; before the first one, and once a week, all.
    let far = before.sweep.last_complete.map(|last| {
        let far = (started - settings.lookback).min(last - days(2)) - days(1);
        jiff::tz::Offset::UTC.to_datetime(far).date()
    });
    let since = super::end::first_day(state);
    let from: Option<Date> = match (is_full, far) {
        (true, _) | (_, None) => since,
        (false, Some(far)) => Some(since.map_or(far, |since| since.max(far))),
    };
    let facts = &state.life.facts;
    let missed = state.world.garmin.activities.values().find(|activity| {
        let Some(fact) = facts.get(&activity.id) else { return false };
        let day = activity.start_local().map(|local| local.date());
        let in_reach = match (from, day) {
            (None, Some(_)) => true,
            // What has no date lies in no span of days: only a sweep without any shows it.
            (None, None) => before.sweep.running.is_none(),
            (Some(_), None) => false,
            (Some(from), Some(day)) => day >= from,
        };
        // One that was deleted meanwhile need not have been seen.
        in_reach
            && fact.arrived < began
            && fact.deleted.is_none()
            && !state.store.rows.contains_key(&fitferry_core::activity::GarminId(activity.id))
    });
    if let Some(missed) = missed {
        let (id, start) = (missed.id, missed.start);
        let what = format!("the sweep of {started} is complete and has not seen {id}, which began {start:?}");
        state.violate(Violation::new(Law::FarEnoughBack, what));
    }
}

/// *Head*: whatever ended, a row that may be touched is not slept over.
pub(crate) fn nothing_sleeps(state: &mut State, runner: usize) {
    let is_alone = state.slots.iter().enumerate().all(|(other, slot)| other == runner || !slot.running);
    let head = &state.store.head;
    let Some(due) = head.next_due.filter(|_| is_alone && state.violation.is_none()) else { return };
    let wall = state.wall(runner);
    let moment = |row: &fitferry_core::ledger::Row| {
        let own = row.not_before.unwrap_or(Timestamp::MIN);
        row.needs().iter().try_fold(own, |moment, service| match head.paused(*service, wall) {
            Some(pause) => pause.until.map(|until| until.max(moment)),
            None => Some(moment),
        })
    };
    // A pause may have ended between the writing and now.
    let slack: SignedDuration = secs(120);
    let slept_over = state.store.open().find_map(|(row, _)| {
        let moment = moment(row)?;
        (moment.max(wall) + slack < due).then(|| (row.id(), moment))
    });
    if let Some((id, moment)) = slept_over {
        let what = format!("{id} may be touched at {moment}, and the next tick with work is at {due}");
        state.violate(Violation::new(Law::Head, what));
    }
}
