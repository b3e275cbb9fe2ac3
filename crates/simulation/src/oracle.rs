//! What must never happen, looked for in every step.
//!
//! The oracle knows the truth (`life`, the world) and sees every request that arrives and every write that becomes
//! durable. It is told nothing by the engine, and it shares no rule with it: where a law of the architecture has a
//! number in it, that number stands here again.

pub(crate) mod end;
pub(crate) mod head;
pub(crate) mod history;
pub(crate) mod limits;
pub(crate) mod rows;
pub(crate) mod tokens;
pub(crate) mod uploads;

use fitferry_core::activity::GarminId;
use jiff::{SignedDuration, Timestamp};

use crate::outcome::{Law, Violation};
use crate::scene::{State, name};

pub(crate) use head::head_written;
pub(crate) use rows::row_written;

/// What has to be remembered between two steps.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) tokens: tokens::Tokens,
    pub(crate) limits: limits::Limits,
    /// A sweep took more than one tick.
    pub(crate) sweeps_are_split: bool,
    /// The newest page of Garmin's list that the head's fingerprint is of.
    pub(crate) page_known: Vec<GarminId>,
    /// The history that had the lease last, and when it began; `None` where that was another run.
    last_lease: Option<(usize, Timestamp)>,
    activities_seen: usize,
    garmin_limited_until: Option<(Timestamp, Timestamp)>,
}

/// A look over Strava's list that was answered to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    after: i64,
    before: i64,
    /// When its first page was answered.
    began: Timestamp,
    /// Of a history: when another run took the lease, so that it counts no more.
    lost: Option<Timestamp>,
}

/// *Nothing doubled*: no two activities from our uploads of one of Garmin's.
pub(crate) fn after_settling(state: &mut State) {
    let activities = state.world.strava.activities.len();
    if activities == state.oracle.activities_seen {
        return;
    }
    state.oracle.activities_seen = activities;
    if let Some((id, both)) = state.world.doubles().into_iter().next() {
        let what = format!("{id} is on Strava as {both:?}, all by our uploads");
        state.violate(Violation::new(Law::NothingDoubled, what));
    }
}

/// A request arrives at one of Garmin's data hosts.
pub(crate) fn garmin_asked(state: &mut State, runner: usize) {
    tokens::nothing_before_durable(state, runner);
    let now = state.now;
    let tick = &mut state.slots[runner].tick;
    tick.garmin_requests += 1;
    if tick.garmin_limited_until.is_some_and(|until| now < until) {
        let what = format!("{} asks Garmin again in the tick that was answered 429", name(runner));
        state.violate(Violation::new(Law::NoLimitBroken, what));
        return;
    }
    let began = tick.began;
    if let Some((known_at, until)) = state.oracle.garmin_limited_until
        && began > known_at
        && now + SignedDuration::from_secs(2) < until
    {
        let what = format!("{} asks Garmin before the end of a 429's pause, {until}", name(runner));
        state.violate(Violation::new(Law::NoLimitBroken, what));
    }
}

/// A request arrives at Strava.
pub(crate) fn strava_asked(state: &mut State, runner: usize) {
    tokens::nothing_before_durable(state, runner);
    let mine = state.slots[runner].fence;
    let others = |(other, slot): (usize, &crate::scene::Slot)| {
        other != runner && slot.running && mine.is_some() && slot.fence == mine
    };
    if state.slots.iter().enumerate().any(others) {
        let what = format!("{} and another run have the same lease", name(runner));
        state.violate(Violation::new(Law::Lease, what));
    }
    let slot = &mut state.slots[runner];
    slot.tick.strava_requests += 1;
    let Some(fence) = slot.fence.filter(|_| slot.running) else { return };
    let (wall, newest) = (state.wall(runner), state.store.newest_fence);
    let lease = state.store.lease;
    // Whose lease has ended may be overtaken; whose has not, is alone.
    let is_overtaken = fence < newest;
    let ended = state.slots[runner].lease_until.is_none_or(|until| until <= wall);
    if is_overtaken && !ended && lease.is_some_and(|lease| lease.by < state.slots.len()) {
        let what = format!("{} and another run talk to Strava at once", name(runner));
        state.violate(Violation::new(Law::Lease, what));
    } else if is_overtaken {
        state.stats.looks_of_two_runs += 1;
    }
}

/// A look was answered to its last page.
pub(crate) fn looked(state: &mut State, runner: usize, (after, before): (i64, i64), began: Timestamp) {
    state.slots[runner].tick.looks.push(Look { after, before, began, lost: None });
}

/// The client has looked at the clock for the last time before an upload.
pub(crate) fn upload_checked(state: &mut State, runner: usize, id: GarminId) {
    let now = state.now;
    state.slots[runner].tick.checked = Some((id, now));
    let wall = state.wall(runner);
    let row = state.store.rows.get(&id).map(|(row, _)| &row.state);
    if let Some(fitferry_core::ledger::State::Submitting { send_before, .. }) = row
        && wall > *send_before + SignedDuration::from_secs(1)
    {
        let what = format!("{} starts an upload of {id} after {send_before}", name(runner));
        state.violate(Violation::new(Law::Intent, what));
    }
    if state.slots[runner].fence.is_none() {
        let what = format!("{} uploads {id} without a lease", name(runner));
        state.violate(Violation::new(Law::Lease, what));
    }
}

/// A new lease: whatever download is noted as begun has met its death.
pub(crate) fn lease_taken(state: &mut State, who: usize) {
    history::lease_taken(state, who);
    // A history gives the lease up and takes it again while it lives.
    let history = state.slots.get(who).and_then(|slot| slot.tick.history_began).map(|began| (who, began));
    let lives_on = history.is_some() && state.oracle.last_lease == history;
    state.oracle.last_lease = history;
    if lives_on {
        return;
    }
    let begun: Vec<GarminId> =
        state.store.open().filter(|(row, _)| row.download_begun.is_some()).map(|(row, _)| row.id()).collect();
    for id in begun {
        if let Some(fact) = state.life.fact_mut(id) {
            fact.deaths += 1;
        }
    }
}

/// The end of a tick, or of the process in it.
pub(crate) fn tick_over(state: &mut State, runner: usize) {
    tokens::nothing_before_durable(state, runner);
    head::nothing_sleeps(state, runner);
}

/// *No secret shown*: nothing that is kept for people looks like a token.
pub(crate) fn shows_no_secret(state: &mut State, text: &str) {
    /// Shorter than any token, and longer than any word, number or time.
    const LONGEST: usize = 31;
    let in_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut run = 0;
    for byte in text.bytes() {
        run = if in_token(byte) { run + 1 } else { 0 };
        if run > LONGEST {
            let what = format!("something like a token is kept for people: {text}");
            state.violate(Violation::new(Law::NoSecretShown, what));
            return;
        }
    }
}
