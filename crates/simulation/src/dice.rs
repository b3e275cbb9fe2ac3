//! The dice of a simulation. One seed, and a stream of its own for each purpose, so that a change of one thing
//! leaves the others as they were.

use fitferry_sandbox::rng::{Rng, mix};
use jiff::SignedDuration;

/// What a stream is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    Plan = 1,
    World,
    Life,
    Network,
    Trouble,
    Table,
    History,
}

/// A stream of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Dice(Rng);

impl Dice {
    pub(crate) fn new(seed: u64, stream: Stream) -> Dice {
        Dice(Rng::new(mix(mix(seed) ^ (stream as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))))
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.0.draw()
    }

    /// A number in `low..=high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.below(high.saturating_sub(low) + 1)
    }

    /// True in so many of a thousand cases.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        per_mille > 0 && self.0.below(1000) < per_mille
    }

    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        let index = self.0.below(choices.len() as u64);
        choices[usize::try_from(index).unwrap_or(0)]
    }

    /// In `low..=high`, to the millisecond.
    pub(crate) fn span(&mut self, low: SignedDuration, high: SignedDuration) -> SignedDuration {
        ms(self.between(millis(low), millis(high)))
    }

    /// In `low..=high`, each power of two as likely as the next: short ones are common, long ones happen.
    pub(crate) fn long_tail(&mut self, low: SignedDuration, high: SignedDuration) -> SignedDuration {
        let (low, high) = (millis(low).max(1), millis(high).max(1));
        let doublings = (high / low).max(1).ilog2();
        let from = low << self.between(0, u64::from(doublings));
        ms(self.between(from, (from * 2).min(high).max(from)))
    }
}

fn millis(span: SignedDuration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(0)
}

pub(crate) fn ms(milliseconds: u64) -> SignedDuration {
    SignedDuration::from_millis(i64::try_from(milliseconds).unwrap_or(i64::MAX))
}

pub(crate) const fn secs(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

pub(crate) const fn mins(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

pub(crate) const fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

pub(crate) const fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}
