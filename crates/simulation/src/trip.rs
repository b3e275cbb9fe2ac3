//! The way of a request: how long it takes, there and back, and whether it gets lost.

use jiff::SignedDuration;

use crate::dice::{ms, secs};
use crate::scene::State;

/// A request's way, there and back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trip {
    pub(crate) there: SignedDuration,
    pub(crate) back: SignedDuration,
    /// What is left of the timeout when nothing came.
    pub(crate) patience: SignedDuration,
    pub(crate) is_lost_before: bool,
    pub(crate) is_lost_after: bool,
}

impl State {
    /// How a request fares on its way. It arrives before its timeout or not at all.
    pub(crate) fn trip(&mut self, runner: usize, timeout: SignedDuration) -> Trip {
        let rates = self.plan.rates;
        let is_slow = self.network.chance(rates.slow);
        let slowest = timeout - secs(1);
        let quick = |state: &mut State| ms(state.network.between(20, 120));
        let there = if is_slow { self.network.long_tail(ms(200), slowest / 2) } else { quick(self) };
        let back = if is_slow { self.network.long_tail(ms(200), slowest / 2) } else { quick(self) };
        let is_lost_before = self.network.chance(rates.lost_before);
        let is_lost_after = self.network.chance(rates.lost_after);
        if is_lost_before || is_lost_after {
            self.slots[runner].tick.was_hit = true;
        }
        let patience = if self.network.chance(500) { (timeout - there).max(ms(1)) } else { ms(50) };
        let back = if is_lost_after { patience } else { back };
        Trip { there, back, patience, is_lost_before, is_lost_after }
    }
}
