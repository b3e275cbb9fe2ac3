//! What is true at the moment in which a file arrives at Strava.

use fitferry_core::activity::GarminId;
use fitferry_core::ledger::State as RowState;
use fitferry_sandbox::direct::Denial;
use fitferry_sandbox::strava::{self, NewUpload, Origin, Refusal, Visibility};
use jiff::{SignedDuration, Timestamp};

use crate::dice::{hours, mins, secs};
use crate::outcome::{Law, Violation};
use crate::scene::{State, name};
use crate::strava::Taken;

/// Two days on either side of an activity.
const MARGIN: SignedDuration = hours(48);
/// A look is trusted so long; a request may then take its time.
const FRESH: SignedDuration = mins(30);

pub(crate) fn arrives(state: &mut State, runner: usize, new: &NewUpload) {
    let external_id = new.external_id.as_deref().unwrap_or_default();
    let id = external_id.strip_prefix("garmin-").and_then(|id| id.parse().ok()).map(GarminId);
    let Some((id, fact)) = id.and_then(|id| Some((id, state.life.fact(id)?.clone()))) else {
        let what = format!("an upload of something that Garmin has not: {external_id}");
        state.violate(Violation::new(Law::TheFileIsTheFile, what));
        return;
    };
    let sha256 = strava::sha256(&new.bytes);
    if sha256 != fact.sha256 {
        let what = format!("{id} goes up with other bytes than Garmin handed out");
        state.violate(Violation::new(Law::TheFileIsTheFile, what));
    }
    let is_straggler = !state.slots[runner].running || state.slots[runner].tick.checked.is_none();
    is_intended(state, runner, id, is_straggler);
    if !is_straggler {
        eyes_are_fresh(state, runner, id);
        the_link_had_its_time(state, runner, id);
    }
}

/// *Intent*: the row that is durable says that it may be on its way.
fn is_intended(state: &mut State, runner: usize, id: GarminId, is_straggler: bool) {
    // Wild processes are frozen for so long that others have gone on meanwhile; and so has the world when the
    // request of a dead process arrives.
    let may_be_late = is_straggler || !state.plan.is_strict() && state.slots[runner].tick.freezes > 0;
    let row = state.store.rows.get(&id).map(|(row, _)| row);
    let intended = row.is_some_and(|row| matches!(row.state, RowState::Submitting { .. }));
    if !intended && !may_be_late {
        let now = row.map_or("no row at all".to_owned(), |row| row.state.name().to_string());
        let what = format!("{} uploads {id} while the ledger says {now}", name(runner));
        state.violate(Violation::new(Law::Intent, what));
    }
}

/// *Fresh eyes*: a complete look of the same tick covers it, and showed nothing that is the same.
fn eyes_are_fresh(state: &mut State, runner: usize, id: GarminId) {
    let Some(fact) = state.life.fact(id).cloned() else { return };
    let listed = state.world.garmin.activities.get(&id.0);
    let has_start = listed.is_some_and(|activity| activity.start.is_some());
    let row_start = state.store.rows.get(&id).and_then(|(row, _)| row.start());
    let checked = state.slots[runner].tick.checked.map_or(state.now, |(_, at)| at);
    // What has no start anywhere is looked for among what is new.
    let (from, to) = row_start.map_or((checked, checked - MARGIN), |start| (start, start));
    let (from, to) = ((from - MARGIN + mins(2)).as_second(), (to + MARGIN - mins(2)).as_second());
    // A wide window is looked over in parts.
    let mut looks = state.slots[runner].tick.looks.clone();
    looks.retain(|look| checked.duration_since(look.began) <= FRESH + mins(1));
    // Under an intent that is durable the look before it counts.
    let intended = state.slots[runner].tick.intended;
    looks.retain(|look| look.lost.is_none_or(|lost| intended.is_some_and(|intended| intended < lost)));
    looks.sort_by_key(|look| look.after);
    let reached = looks
        .iter()
        .fold(from, |reached, look| if look.after <= reached { reached.max(look.before) } else { reached });
    if reached < to {
        let what = format!(
            "{} uploads {id}, which began {row_start:?}, without a look over it in this tick: {looks:?}",
            name(runner)
        );
        state.violate(Violation::new(Law::FreshEyes, what));
        return;
    }
    let visible = |one: &&strava::StravaActivity| {
        let ours = one.garmin_id() == Some(id.0);
        let same = ours || fact.is_matchable && has_start && state.life.deed_of(one) == Some(fact.deed);
        let shown = state.world.strava.shown_start(one).as_second();
        let over_it = looks.iter().filter(|look| look.after < shown && shown < look.before);
        same && over_it.map(|look| look.began).max().is_some_and(|began| one.listed_from <= began)
            && (state.plan.sees_private || one.visibility != Visibility::OnlyMe)
            && may_be_recognised(state, id, one)
    };
    let seen = state.world.strava.of_athlete(strava::ATHLETE).find(visible).map(|one| one.id);
    if let Some(seen) = seen {
        let what = format!("{} uploads {id} although a look of its tick showed {seen}", name(runner));
        state.violate(Violation::new(Law::NothingDoubled, what));
    }
}

/// A copy with a hidden start, or one of a second watch, is recognised by what the lists tell; beyond that nobody
/// promises anything (architecture, *Same activity*).
pub(super) fn may_be_recognised(state: &State, id: GarminId, one: &strava::StravaActivity) -> bool {
    if one.garmin_id() == Some(id.0) {
        return true;
    }
    let Some(activity) = state.world.garmin.activities.get(&id.0) else { return false };
    let (Some(start), Some(elapsed), Some(distance)) =
        (activity.start, activity.elapsed_s, activity.distance_m)
    else {
        return false;
    };
    if let Some(external_id) = &one.external_id
        && external_id.starts_with(&id.0.to_string())
    {
        return true;
    }
    let offset = jiff::tz::Offset::constant(1);
    // What really began a second after midnight looks as if its start were hidden.
    let looks_hidden = offset.to_datetime(one.start).time() == jiff::civil::time(0, 0, 1, 0);
    if one.start_hidden || looks_hidden {
        let day = |moment: Timestamp, offset: jiff::tz::Offset| offset.to_datetime(moment).date();
        return day(start, activity.utc_offset) == day(one.start, offset)
            && (one.elapsed_s - elapsed).abs() < elapsed * 0.009
            && (one.distance_m - distance).abs() < distance * 0.009;
    }
    one.start.duration_since(start).abs() < secs(119) && (one.elapsed_s - elapsed).abs() < 59.0
}

/// *Garmin's own link*: while it is known to be on, a new activity is held for it.
fn the_link_had_its_time(state: &mut State, runner: usize, id: GarminId) {
    use fitferry_core::engine::Hold;
    let Some((row, _)) = state.store.rows.get(&id) else { return };
    if state.life.fact(id).is_some_and(|fact| fact.of_history) {
        return;
    }
    let hold = match state.plan.settings.hold {
        Hold::For(hold) => hold,
        Hold::Auto if state.store.head.link.on == Some(true) => mins(30),
        Hold::Auto => return,
    };
    let until = row.first_seen + hold;
    // The other machine may be two seconds off.
    if row.sends <= 1 && !row.by_hand && state.wall(runner) + secs(5) < until {
        let what = format!("{} uploads {id} before the end of its hold, {until}", name(runner));
        state.violate(Violation::new(Law::GarminsOwnLink, what));
    }
}

/// Strava has taken it.
pub(crate) fn received(state: &mut State, external_id: &str) {
    state.stats.uploads_received += 1;
    if let Some(fact) = fact_of(state, external_id) {
        fact.uploads_received += 1;
    }
}

/// Strava, or something in front of it, says in its first answer that it will not have this file.
pub(crate) fn refused_at_once(state: &mut State, external_id: &str, answer: &Result<Taken, Denial>) {
    let refused = matches!(
        answer,
        Err(Denial::Gateway(400 | 413 | 422)
            | Denial::WebPage(400 | 413 | 422)
            | Denial::Strava(Refusal::Bad(..)))
    );
    let duplicate = matches!(answer, Err(Denial::Strava(Refusal::UploadError { .. })));
    if let Some(fact) = fact_of(state, external_id) {
        fact.refusals += u64::from(refused);
        fact.duplicates_told += u64::from(duplicate);
    }
}

fn fact_of<'a>(state: &'a mut State, external_id: &str) -> Option<&'a mut crate::life::Fact> {
    let id = external_id.strip_prefix("garmin-")?.parse().ok()?;
    state.life.fact_mut(GarminId(id))
}

/// The uploads of one activity that Strava has taken.
pub(crate) fn uploads_of(state: &State, id: GarminId) -> impl Iterator<Item = &strava::Upload> {
    let prefix = format!("garmin-{id}.");
    state.world.strava.uploads.values().filter(move |upload| upload.external_id.starts_with(&prefix))
}

/// Our activities of one of Garmin's that are there and not deleted.
pub(crate) fn ours_of(state: &State, id: GarminId) -> impl Iterator<Item = &strava::StravaActivity> {
    state
        .world
        .strava
        .of_athlete(strava::ATHLETE)
        .filter(move |one| matches!(one.origin, Origin::Upload(_)) && one.garmin_id() == Some(id.0))
}
