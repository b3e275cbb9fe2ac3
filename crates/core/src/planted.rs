//! Faults that a simulation plants in the engine, to prove that it would find them.
//!
//! Only with the feature `planted`, which no binary is built with; without it every question is answered *no* by
//! a constant and leaves nothing behind. Even with it, no fault is in force until the thread says so.

/// One fault; the place that it spoils asks for it by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// *Doubt*: the first look that shows nothing settles it.
    FirstEmptyLookSettles,
    /// An upload that Strava has taken is sent again once it has been waited for.
    SubmittedIsSentAgain,
    /// *Far enough back*: the look-back counts from today, however long nobody looked.
    LookBackFromToday,
    /// Pages of Garmin's list do not overlap.
    PagesWithoutOverlap,
    /// A list that shifted while it was swept counts as swept.
    ShiftedSweepCounts,
    /// *Same activity*: the start alone decides.
    SameByStartAlone,
    /// *Head*: the head is written only at the end of a tick.
    HeadIsNotTouched,
    /// The fingerprint of a page is kept although a later page failed.
    FingerprintTooEarly,
    /// *Blame*: a download that killed the last run does not count.
    UnfinishedDownloadsForgotten,
    /// What a service fails at time and again keeps its turn.
    FailuresKeepTheirTurn,
    /// *Garmin's own link*: nothing is held for it.
    NothingIsHeld,
    /// *Blame*: whatever pause comes last is the one that holds.
    LimitIsReplaced,
    /// *Tokens*: the new pair is used, and written with the next renewal.
    PairUsedBeforeItIsKept,
    /// *Fresh eyes*: what a backfill saw counts although another run has had the lease since.
    EyesOutliveTheLease,
    /// *Fresh eyes*: a backfill sends what it took up after the look that shows it.
    EarlierLooksUnread,
    /// *Blame*: a backfill reads on in Garmin's list while Garmin is left alone.
    PausesUnheeded,
    /// *Blame*: a file that a backfill has downloaded before its turn counts as one that killed it.
    FileAheadCountsAgainst,
}

#[cfg(feature = "planted")]
mod switch {
    use std::cell::Cell;

    use super::Fault;

    thread_local! {
        static IN_FORCE: Cell<Option<Fault>> = const { Cell::new(None) };
    }

    /// Plants a fault for everything that this thread polls from here on; `None` takes it out again.
    pub fn plant(fault: Option<Fault>) {
        IN_FORCE.set(fault);
    }

    pub(crate) fn has(fault: Fault) -> bool {
        IN_FORCE.get() == Some(fault)
    }
}

#[cfg(not(feature = "planted"))]
mod switch {
    pub(crate) const fn has(_: super::Fault) -> bool {
        false
    }
}

pub(crate) use switch::has;
#[cfg(feature = "planted")]
pub use switch::plant;
