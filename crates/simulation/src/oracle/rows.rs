//! What is true of a row that becomes durable: the steps that a life may take, and whether its end is the truth.

use fitferry_core::activity::GarminId;
use fitferry_core::ledger::{RejectReason, Row, SkipReason, State as RowState, StateName};
use fitferry_core::ports::Fence;
use fitferry_sandbox::garmin::Parcel;
use fitferry_sandbox::strava::{self, Outcome};

use super::uploads::{ours_of, uploads_of};
use crate::life::Curse;
use crate::outcome::{Law, Violation};
use crate::scene::{State, name};

/// The attempts of a download before its activity ends.
const DOWNLOADS_MAX: u64 = 6;

pub(crate) fn row_written(state: &mut State, who: usize, row: &Row, before: Option<&RowState>, fence: Fence) {
    let id = row.id();
    super::tokens::nothing_before_durable(state, who);
    if fence < state.store.newest_fence {
        let what = format!("a run that has lost its lease writes {id}");
        state.violate(Violation::new(Law::Lease, what));
    }
    super::history::row_written(state, who, row);
    if before != Some(&row.state) {
        let line = row.history.last().map_or("", |moment| moment.event.as_str()).to_owned();
        let is_person = who == state.person();
        let may_wake = is_person || super::history::may_wake(state, who, before);
        let by = if is_person { '-' } else { name(who) };
        state.tell(|| format!("{by} {id} {} ({line})", row.state.name()));
        step_is_one_of_a_life(state, id, before, &row.state, may_wake);
        ends_in_truth(state, row);
    }
    for moment in row.history.iter().rev().take(2) {
        super::shows_no_secret(state, &moment.event);
    }
    blames_nobody_for_an_outage(state, row);
}

/// The arrows of the architecture's drawing, and no other.
fn step_is_one_of_a_life(
    state: &mut State,
    id: GarminId,
    before: Option<&RowState>,
    after: &RowState,
    may_wake: bool,
) {
    use StateName as S;
    let step = (before.map(RowState::name), after.name());
    let is_step = match step {
        (None, S::Wanted | S::Skipped) => true,
        (None, _) => false,
        (Some(S::Wanted), S::Submitting | S::Published | S::Skipped | S::Rejected) => true,
        (Some(S::Submitting), S::Wanted | S::Submitted | S::Published | S::Skipped | S::Rejected) => true,
        (Some(S::Submitted), S::Published | S::Rejected | S::Skipped) => true,
        (Some(S::Rejected | S::Skipped), S::Wanted | S::Skipped) => may_wake,
        (Some(a), b) => a == b && is_open(b),
    };
    if !is_step {
        let what = format!("{id} goes from {:?} to {:?}", step.0, step.1);
        state.violate(Violation::new(Law::Ledger, what));
    }
}

fn is_open(state: StateName) -> bool {
    matches!(state, StateName::Wanted | StateName::Submitting | StateName::Submitted)
}

/// *Blame*: only an answer about this very activity uses up its attempts.
fn blames_nobody_for_an_outage(state: &mut State, row: &Row) {
    let Some(fact) = state.life.fact(row.id()) else {
        let what = format!("a row of something that Garmin has not, {}", row.id());
        state.violate(Violation::new(Law::Ledger, what));
        return;
    };
    if u64::from(row.failed_downloads) > fact.bad_downloads + fact.deaths {
        let what = format!(
            "{} has {} failed downloads, of which {} were answered and {} ended with the process",
            row.id(),
            row.failed_downloads,
            fact.bad_downloads,
            fact.deaths
        );
        state.violate(Violation::new(Law::Blame, what));
    }
}

/// *Nothing lost*: an end that people see is what really became of it.
fn ends_in_truth(state: &mut State, row: &Row) {
    let id = row.id();
    let untrue = match &row.state {
        RowState::Wanted | RowState::Submitting { .. } | RowState::Submitted { .. } => None,
        RowState::Published { strava, .. } => untrue_publication(state, id, strava.0),
        RowState::Skipped { reason, .. } => untrue_skip(state, row, *reason),
        RowState::Rejected { reason, .. } => untrue_rejection(state, id, *reason),
    };
    if let Some(why) = untrue {
        let what = format!("{id} ends as {}, but {why}", shown(&row.state));
        state.violate(Violation::new(Law::NothingLost, what));
    }
}

pub(super) fn shown(state: &RowState) -> String {
    match state {
        RowState::Published { how, .. } => format!("published ({how})"),
        RowState::Skipped { reason, .. } => format!("skipped ({reason})"),
        RowState::Rejected { reason, .. } => format!("rejected ({reason})"),
        open => open.name().to_string(),
    }
}

fn untrue_publication(state: &State, id: GarminId, strava: u64) -> Option<String> {
    let Some(there) = state.world.strava.activities.get(&strava) else {
        return Some(format!("Strava never had {strava}"));
    };
    let deed = state.life.fact(id).map(|fact| fact.deed);
    let theirs = state.life.deed_of(there);
    // Two of one day that are as long and as far cannot be told apart where the start is hidden.
    (theirs != deed && !there.start_hidden)
        .then(|| format!("{strava} is another activity ({:?})", there.origin))
}

fn untrue_skip(state: &State, row: &Row, reason: SkipReason) -> Option<String> {
    let fact = state.life.fact(row.id())?;
    let activity = state.world.garmin.activities.get(&row.id().0)?;
    let settings = &state.plan.settings;
    let is_true = match reason {
        SkipReason::ManualEntry => activity.manual,
        SkipReason::MultisportChild => activity.parent.is_some(),
        SkipReason::ByHand => fact.told_to_skip,
        SkipReason::NoFile => fact.bad_downloads + fact.deaths >= DOWNLOADS_MAX,
        SkipReason::BeforeStart => super::end::is_before_start(state, activity),
        SkipReason::Rule => !super::end::is_of_wanted_type(&settings.rules.types, &activity.type_key),
    };
    (!is_true).then(|| "that is not so".to_owned())
}

/// Whether what came to Strava by another way shows plainly what this activity shows.
fn other_is_plain(state: &State, id: GarminId, deed: u64) -> bool {
    let by_others = |one: &&strava::StravaActivity| !matches!(one.origin, strava::Origin::Upload(_));
    let mut same = state
        .world
        .strava
        .of_athlete(strava::ATHLETE)
        .filter(by_others)
        .filter(|one| state.life.deed_of(one) == Some(deed));
    same.any(|one| super::uploads::may_be_recognised(state, id, one))
}

fn untrue_rejection(state: &State, id: GarminId, reason: RejectReason) -> Option<String> {
    let fact = state.life.fact(id)?;
    let activity = state.world.garmin.activities.get(&id.0)?;
    let outcome = |is: fn(&Outcome) -> bool| uploads_of(state, id).any(|upload| is(&upload.outcome));
    // What Strava has already is not refused.
    let failed =
        |outcome: &Outcome| matches!(outcome, Outcome::Failed { error } if !error.contains("duplicate"));
    let is_true = match reason {
        RejectReason::MalformedFile => activity.file.is_empty() || fact.refusals > 0 || outcome(failed),
        RejectReason::RefusedByStrava => fact.refusals > 0 || outcome(failed),
        RejectReason::NotAnActivity => {
            !activity.file.starts_with(b"<gpx") && !fitferry_fit::is_fit(&activity.file)
        }
        RejectReason::SeveralFiles => matches!(activity.parcel, Parcel::ZipOf(_)),
        RejectReason::TooLarge => false,
        RejectReason::OverlapsOther => {
            let is_duplicate = |outcome: &Outcome| match outcome {
                Outcome::Duplicate { .. } => true,
                Outcome::Failed { error } => error.contains("duplicate"),
                _ => false,
            };
            let told = fact.duplicates_told > 0 || outcome(is_duplicate);
            // In a strict world Strava names nothing but the same deed, which may be told by two watches that agree
            // on little.
            told && (!state.plan.is_strict() || !other_is_plain(state, id, fact.deed))
        }
        RejectReason::DeletedOnStrava => {
            outcome(|outcome| matches!(outcome, Outcome::Discarded))
                || state
                    .world
                    .strava
                    .activities
                    .values()
                    .any(|one| one.deleted && one.garmin_id() == Some(id.0))
        }
        // In a wild world Strava may take weeks; in a strict one it has shown what it got by then.
        RejectReason::UnknownOutcome => !state.plan.is_strict() || ours_of(state, id).next().is_none(),
        RejectReason::GarminError => {
            fact.bad_downloads + fact.deaths >= DOWNLOADS_MAX || fact.curse == Curse::Poison
        }
    };
    (!is_true).then(|| "that is not so".to_owned())
}
