//! *No limit broken*: no request that our own account should have stopped, and none while a 429 holds.

use fitferry_core::budget::{Full, FullReason};
use fitferry_sandbox::direct::Denial;
use fitferry_sandbox::strava::Refusal;
use jiff::Timestamp;

use crate::dice::secs;
use crate::outcome::{Law, Violation};
use crate::scene::{State, name};

#[derive(Debug, Default)]
pub(crate) struct Limits {
    /// The end of a 429 that is kept with the account.
    limited_until: Option<Timestamp>,
}

/// The account let a request through, by the service's clock as the run knows it.
pub(crate) fn charged(state: &mut State, runner: usize, service_now: Timestamp) {
    let Some(until) = state.oracle.limits.limited_until else { return };
    if service_now < until {
        let what = format!("{} asks Strava before the end of a 429, {until}", name(runner));
        state.violate(Violation::new(Law::NoLimitBroken, what));
    }
}

/// A 429, or an inactive app, is kept with the account.
pub(crate) fn paused(state: &mut State, full: Full) {
    if full.why == FullReason::Limited {
        let limits = &mut state.oracle.limits;
        limits.limited_until = limits.limited_until.max(Some(full.until));
    }
}

/// Strava has answered. Its own 429 is our doing, unless another tool uses the app too.
pub(crate) fn answered(state: &mut State, runner: usize, denial: Option<&Denial>) {
    if !matches!(denial, Some(Denial::Strava(Refusal::Limited(_)))) {
        return;
    }
    state.stats.limited_answers += 1;
    if state.life.others_used {
        return;
    }
    // At the end of a window a request may be charged to one and arrive in the next.
    let in_quarter = state.now.as_second().rem_euclid(900);
    let edge = secs(10).as_secs();
    if in_quarter < edge || in_quarter > 900 - edge {
        return;
    }
    let what = format!("{} is answered 429 for requests of its own", name(runner));
    state.violate(Violation::new(Law::NoLimitBroken, what));
}
