//! What happens by itself, when its moment has come.

use fitferry_core::activity::GarminId;
use fitferry_core::ledger::State as RowState;
use fitferry_core::ports::{SecretName, Service, Version};
use fitferry_sandbox::strava::{self, Origin, PerWindow, StravaActivity};
use fitferry_sandbox::{Fault, When, garmin};
use jiff::{SignedDuration, Timestamp};

use super::{Curse, Fact, Life, Recording};
use crate::dice::{days, hours, mins, secs};
use crate::events::{Event, InFlight};
use crate::plan::Story;
use crate::scene::State;

pub(crate) fn happen(state: &mut State, event: Event) {
    let mut life = std::mem::replace(&mut state.life, Life::new(0));
    let in_life = in_life(state, &mut life, &event);
    state.life = life;
    if in_life {
        return;
    }
    match event {
        Event::SignIn(service) => sign_in(state, service),
        Event::Word => word(state),
        Event::Straggler(request) => straggler(state, request),
        Event::Heal => heal(state),
        Event::Stop(runner) if state.slots[runner].running && !state.healed => {
            state.slots[runner].stop.store(true, std::sync::atomic::Ordering::Relaxed);
            state.tell(|| format!("{} is told to stop", crate::scene::name(runner)));
        }
        _ => {}
    }
}

/// What is the athlete's life and needs no store. `false`: something else.
fn in_life(state: &mut State, life: &mut Life, event: &Event) -> bool {
    let now = state.now;
    match event {
        Event::Arrive(recording) => {
            let Recording { is_copied, .. } = **recording;
            let id = arrive(state, life, (**recording).clone(), now);
            if let Some(delay) = state.plan.link {
                let late = life.dice.chance(50);
                let delay = if late { life.dice.span(mins(20), hours(3)) } else { delay };
                state.schedule(now + delay, Event::Copy { garmin_id: id, by_link: true });
            }
            if is_copied {
                let after = life.dice.long_tail(secs(1), hours(6));
                state.schedule(now + after, Event::Copy { garmin_id: id, by_link: false });
            }
        }
        Event::Copy { garmin_id, by_link } => copy(state, life, *garmin_id, *by_link),
        Event::Rename => {
            if let Some(id) = a_recent(state, life) {
                let title = format!("Title {}", life.dice.between(1, 1_000_000));
                state.tell(|| format!("on Garmin, {id} becomes \"{title}\""));
                if let Some(activity) = state.world.garmin.activities.get_mut(&id) {
                    activity.name = Some(title);
                }
                state.garmin_changes += 1;
            }
        }
        Event::DeleteOnGarmin => {
            if let Some(id) = a_recent(state, life) {
                delete_on_garmin(state, life, id);
            }
        }
        Event::DeleteOnStrava => {
            let all: Vec<u64> = state.world.strava.of_athlete(strava::ATHLETE).map(|one| one.id).collect();
            let newest = all.len().min(6) as u64;
            if newest > 0 {
                let back = usize::try_from(life.dice.between(1, newest)).unwrap_or(1);
                let id = all[all.len() - back];
                state.tell(|| format!("on Strava, {id} is deleted"));
                state.world.strava.delete(id);
            }
        }
        Event::Revoke(service) => revoke(state, life, *service),
        Event::OthersUse => others_use(state, life),
        Event::AppActive(active) => {
            state.tell(|| format!("the Strava app is {}active", if *active { "" } else { "in" }));
            for app in state.world.strava.apps.values_mut() {
                app.active = *active;
            }
        }
        Event::Outage { route, until, what } => {
            state.tell(|| format!("until {until:.0}, {route:?}: {what:?}"));
            let when = When::Between(now, *until);
            state.world.faults.push(Fault { route: *route, when, what: what.clone() });
            state.garmin_changes += 1;
        }
        _ => return false,
    }
    true
}

/// Garmin's list shows it from here on.
pub(crate) fn arrive(state: &mut State, life: &mut Life, recording: Recording, at: Timestamp) -> u64 {
    let Recording { deed, activity, curse, start, decoy, .. } = recording;
    let sha256 = strava::sha256(&activity.file);
    let is_matchable =
        activity.start.is_some() && activity.elapsed_s.is_some() && activity.distance_m.is_some();
    let (type_key, elapsed_s) = (activity.type_key.clone(), activity.elapsed_s);
    let id = state.world.garmin.add(garmin::GarminActivity { listed_from: Some(at), ..activity });
    let fact = Fact {
        deed,
        curse,
        sha256: sha256.clone(),
        is_matchable,
        arrived: at,
        deleted: None,
        bad_downloads: 0,
        deaths: 0,
        refusals: 0,
        duplicates_told: 0,
        uploads_received: 0,
        told_to_skip: false,
        of_history: false,
    };
    life.deeds_by_file.insert(sha256, deed);
    life.facts.insert(id, fact);
    state.garmin_changes += 1;
    state.stats.activities += 1;
    let cursed = if curse == Curse::None { String::new() } else { format!(" ({curse:?})") };
    state.tell(|| format!("on Garmin: {id}, {type_key}, began {start:.0}, deed {deed}{cursed}"));
    if decoy {
        // Something else began in the same moment, as when a watch is stopped and started again at the door.
        let other = StravaActivity {
            distance_m: 700.0,
            ..StravaActivity::other(
                strava::ATHLETE,
                "To the door",
                "Run",
                start,
                elapsed_s.unwrap_or(900.0) / 3.0,
            )
        };
        state.world.strava.add(other);
    }
    id
}

fn delete_on_garmin(state: &mut State, life: &mut Life, id: u64) {
    let now = state.now;
    state.tell(|| format!("on Garmin, {id} is deleted"));
    if let Some(activity) = state.world.garmin.activities.get_mut(&id) {
        activity.deleted = true;
    }
    if let Some(fact) = life.facts.get_mut(&id) {
        fact.deleted = Some(now);
    }
    state.garmin_changes += 1;
}

/// One of the newest activities that Garmin shows.
fn a_recent(state: &State, life: &mut Life) -> Option<u64> {
    let recent: Vec<u64> = state
        .world
        .garmin
        .activities
        .values()
        .rev()
        .filter(|one| !one.deleted)
        .map(|one| one.id)
        .take(8)
        .collect();
    (!recent.is_empty()).then(|| life.dice.pick(&recent))
}

/// The same deed comes to Strava by another way.
pub(super) fn copy(state: &mut State, life: &mut Life, garmin_id: u64, by_link: bool) {
    let Some(activity) = state.world.garmin.activities.get(&garmin_id) else { return };
    let Some(fact) = life.facts.get(&garmin_id).filter(|fact| fact.deleted.is_none()) else { return };
    if by_link && (activity.manual || activity.parent.is_some()) {
        return;
    }
    let (Some(start), Some(elapsed), Some(distance)) =
        (activity.start, activity.elapsed_s, activity.distance_m)
    else {
        return;
    };
    let (deed, now) = (fact.deed, state.now);
    let had_ours = state.world.published(garmin_id).is_some();
    let lag = match state.plan.is_strict() {
        true => life.dice.long_tail(secs(1), mins(4)),
        false => life.dice.long_tail(secs(1), hours(6)),
    };
    let (external_id, origin, apart_s) = match by_link {
        true => (
            Some(format!("garmin_ping_{}", 400_000_000_000 + life.dice.between(0, 99_999_999_999))),
            Origin::GarminLink,
            0,
        ),
        false => {
            let id = match life.dice.between(0, 3) {
                0 => None,
                1 => Some(format!("{garmin_id}.fit")),
                2 => Some(format!("{garmin_id}_ACTIVITY.fit")),
                _ => Some(format!("{}.fit", start.strftime("%Y-%m-%d-%H-%M-%S"))),
            };
            (id, Origin::Other, i64::try_from(life.dice.between(0, 60)).unwrap_or(0) - 30)
        }
    };
    let sport = if activity.type_key.contains("running") { "Run" } else { "Ride" };
    let copy = StravaActivity {
        distance_m: distance * 1.003,
        external_id,
        origin,
        upload_id: Some(17_000_000_000 + life.dice.between(0, 99_999_999)),
        start_hidden: state.plan.hide_starts && life.dice.chance(300),
        created: now,
        listed_from: now + lag,
        detail_from: now,
        ..StravaActivity::other(
            strava::ATHLETE,
            activity.name.as_deref().unwrap_or("Activity"),
            sport,
            start + secs(apart_s),
            (elapsed * 1.004).round(),
        )
    };
    let id = state.world.strava.add(copy);
    life.deeds_by_hand.insert(id, deed);
    let by = if by_link { "Garmin's link" } else { "another tool" };
    state.tell(|| format!("on Strava: {id}, a copy of {garmin_id} by {by}, listed in {lag:#}"));
    if had_ours {
        state.stats.copies_by_others += 1;
    }
}

fn revoke(state: &mut State, life: &mut Life, service: Service) {
    state.tell(|| format!("the athlete lets nobody into {service} any more"));
    match service {
        Service::Garmin => {
            state.world.garmin.tokens.revoke_refresh_tokens(garmin::ATHLETE);
            state.world.garmin.tokens.revoke_bearers(garmin::ATHLETE);
            state.world.garmin.tokens.revoke_key(garmin::API_KEY);
        }
        Service::Strava => state.world.strava.revoke(strava::CLIENT_ID, strava::ATHLETE),
    }
    state.oracle.tokens.revoked(service);
    state.garmin_changes += 1;
    let away = life.dice.long_tail(mins(30), days(3));
    state.schedule(state.now + away, Event::SignIn(service));
}

/// Another tool uses up some of the app's requests, now and then all of them.
fn others_use(state: &mut State, life: &mut Life) {
    let now = state.now;
    let uses_all = life.dice.chance(if state.plan.story == Story::CrowdedApp { 600 } else { 150 });
    for app in state.world.strava.apps.values_mut() {
        let (overall, read) = app.usage.at(now);
        let more = if uses_all { app.limits.read.quarter } else { app.limits.read.quarter / 3 };
        let used = |window: PerWindow| PerWindow { quarter: window.quarter + more, day: window.day + more };
        app.usage.set(used(overall), used(read), now);
    }
    life.others_used = true;
    state.tell(|| "another tool uses the Strava app".to_owned());
}

/// `fitferry login`: under the lease, with a clean slate.
fn sign_in(state: &mut State, service: Service) {
    let person = state.person();
    let now = state.now;
    let Some(fence) = state.take(person, now, now + mins(2)) else {
        state.schedule(now + secs(30), Event::SignIn(service));
        return;
    };
    if service == Service::Garmin {
        state.world.garmin.tokens.add_key(garmin::API_KEY, garmin::ATHLETE);
    }
    let secret = crate::login::signed_in(state, service);
    let name = match service {
        Service::Garmin => SecretName::GarminLogin,
        Service::Strava => SecretName::StravaLogin,
    };
    let version = state.secret(person, name).map_or(Version::ABSENT, |(_, version)| version);
    let kept = state.replace(person, name, version, &secret);
    if service == Service::Garmin {
        state.remove_secret(person, SecretName::GarminBearer);
    }
    let (mut head, version) = state.head(person);
    head.clear_pauses();
    let written = state.put_head(person, version, &head, fence);
    state.clear_account(person, &crate::login::app());
    state.release(person);
    state.oracle.tokens.signed_in(service);
    state.stats.sign_ins += 1;
    state.garmin_changes += 1;
    debug_assert!(kept.is_ok() && written.is_ok(), "nobody else writes under this lease");
    state.tell(|| format!("a person signs in to {service}"));
}

/// `fitferry retry` or `fitferry skip` of some activity.
fn word(state: &mut State) {
    let person = state.person();
    let now = state.now;
    let ids: Vec<GarminId> = state.store.rows.keys().copied().collect();
    if ids.is_empty() {
        return;
    }
    let id = state.life.dice.pick(&ids);
    let wants = state.life.dice.chance(500);
    let Some(fence) = state.take(person, now, now + mins(2)) else { return };
    if let Some((mut row, version)) = state.get(person, id) {
        let told = match (&row.state, wants) {
            (RowState::Rejected { .. } | RowState::Skipped { .. }, true) => {
                row.user_retries(false, now).is_ok()
            }
            (RowState::Wanted | RowState::Submitting { .. }, false) => row.user_skips(now).is_ok(),
            _ => false,
        };
        if told {
            if let Some(fact) = state.life.fact_mut(id) {
                fact.told_to_skip = !wants;
            }
            // First the head: whatever dies in between, the next tick looks at the rows.
            let (mut head, head_version) = state.head(person);
            head.next_due = None;
            head.dirty = true;
            if wants {
                head.clear_pauses();
                state.clear_account(person, &crate::login::app());
            }
            let written = state.put_head(person, head_version, &head, fence);
            let kept = state.put(person, &row, version, fence);
            debug_assert!(kept.is_ok() && written.is_ok(), "nobody else writes under this lease");
            state.tell(|| format!("a person says {} {id}", if wants { "retry" } else { "skip" }));
        }
    }
    state.release(person);
}

/// A request arrives whose process is gone; nobody hears the answer.
fn straggler(state: &mut State, request: InFlight) {
    match request {
        InFlight::Upload { runner, bearer, new } => {
            state.tell(|| "an upload arrives whose process is gone".to_owned());
            crate::strava::upload_arrives(state, runner, &bearer, *new);
        }
        InFlight::StravaRefresh { refresh_token } => {
            crate::strava::refresh_arrives(state, None, &refresh_token);
        }
        InFlight::GarminRefresh { refresh_token, client_id } => {
            crate::garmin::refresh_arrives(state, None, &refresh_token, &client_id);
        }
    }
}

/// From here on nothing goes wrong any more. Curses stay, and what the files deserve.
fn heal(state: &mut State) {
    state.tell(|| "faults have stopped".to_owned());
    state.healed = true;
    state.life.absences.clear();
    state.world.faults.clear();
    for app in state.world.strava.apps.values_mut() {
        app.active = true;
    }
    for slot in &mut state.slots {
        slot.crash = None;
        slot.freeze = None;
    }
    state.plan.rates = crate::plan::Rates::default();
    state.garmin_changes += 1;
    for service in [Service::Garmin, Service::Strava] {
        if state.oracle.tokens.is_revoked(service) {
            let soon = SignedDuration::from_mins(5);
            state.schedule(state.now + soon, Event::SignIn(service));
        }
    }
}

/// Garmin's list shifts while a client reads it: between two pages something is deleted, or synced.
pub(crate) fn shift(state: &mut State, runner: usize, start: u64, in_look: bool) {
    let rate = state.plan.rates.shift;
    let mut life = std::mem::replace(&mut state.life, Life::new(0));
    if life.dice.chance(rate) {
        let query = garmin::ListQuery { limit: 1000, ..garmin::ListQuery::default() };
        let shown = state.world.garmin.list(garmin::ATHLETE, &query, state.now);
        let shown: Vec<u64> = shown.unwrap_or_default().iter().map(|activity| activity.id).collect();
        let before = usize::try_from(start).unwrap_or(0).min(shown.len()).max(1);
        let tick = &mut state.slots[runner].tick;
        tick.shifts += 1;
        if in_look {
            tick.listing.get_or_insert_with(|| shown.clone());
        }
        match life.dice.between(0, 3) {
            // A whole trip, with the newest of it.
            0 | 1 => {
                tick.shifts += 6;
                let count = usize::try_from(life.dice.between(6, 12)).unwrap_or(6);
                for id in shown.iter().take(count.min(before)) {
                    delete_on_garmin(state, &mut life, *id);
                }
            }
            2 => {
                let index = usize::try_from(life.dice.between(0, before as u64 - 1)).unwrap_or(0);
                if let Some(id) = shown.get(index) {
                    delete_on_garmin(state, &mut life, *id);
                }
            }
            _ => {
                let start = state.now - life.dice.long_tail(hours(3), days(30));
                if !life.is_busy(start) {
                    let recording = life.recording(start, false);
                    let now = state.now;
                    arrive(state, &mut life, recording, now);
                }
            }
        }
    }
    state.life = life;
}
