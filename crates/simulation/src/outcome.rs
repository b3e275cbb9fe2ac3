//! What a seed came to.

use std::fmt;

use crate::plan::Mode;

/// Something that must never happen, and happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub law: Law,
    pub what: String,
}

/// The seven things that never happen, and the rules of the engine that keep them so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Law {
    NothingLost,
    NothingDoubled,
    NoTokenLost,
    NoLimitBroken,
    NoSecretShown,
    TheFileIsTheFile,
    HandsOff,
    /// *Intent*, *Lease*, *Head*, *Blame*, *Far enough back*, *Garmin's own link*: what the engine promises on the way.
    FreshEyes,
    Intent,
    Lease,
    Head,
    Blame,
    FarEnoughBack,
    GarminsOwnLink,
    /// A row took a step that the state machine does not have.
    Ledger,
    /// A store answered otherwise than the model of it.
    Store,
    /// A stretch that was skipped as idle was none.
    Idle,
}

impl Law {
    pub fn name(self) -> &'static str {
        match self {
            Law::NothingLost => "nothing lost",
            Law::NothingDoubled => "nothing doubled",
            Law::NoTokenLost => "no token lost",
            Law::NoLimitBroken => "no limit broken",
            Law::NoSecretShown => "no secret shown",
            Law::TheFileIsTheFile => "the file is the file",
            Law::HandsOff => "hands off",
            Law::FreshEyes => "Fresh eyes",
            Law::Intent => "Intent",
            Law::Lease => "Lease",
            Law::Head => "Head",
            Law::Blame => "Blame",
            Law::FarEnoughBack => "Far enough back",
            Law::GarminsOwnLink => "Garmin's own link",
            Law::Ledger => "the ledger",
            Law::Store => "the store",
            Law::Idle => "an idle stretch",
        }
    }
}

impl Violation {
    pub(crate) fn new(law: Law, what: impl Into<String>) -> Violation {
        Violation { law, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.law.name(), self.what)
    }
}

macro_rules! stats {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What was counted.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Stats { $($(#[$doc])* pub $name: u64,)* }

        impl std::ops::AddAssign for Stats {
            fn add_assign(&mut self, other: Stats) {
                $(self.$name += other.$name;)*
            }
        }

        impl Stats {
            /// Each count with its name.
            pub fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }
    };
}

stats! {
    ticks,
    /// Histories that a person set off, and of them those that came to their end.
    histories,
    histories_done,
    /// Those that had nothing to do.
    idle_ticks,
    /// Those that were made to show that nothing comes of a stretch that was skipped.
    stretches,
    garmin_requests,
    strava_requests,
    token_requests,
    /// Places in a run at which something might have befallen it.
    points,
    activities,
    published,
    skipped,
    rejected,
    uploads_received,
    crashes,
    freezes,
    stops,
    lost_answers,
    /// Answers 429 of Strava's own.
    limited_answers,
    rotations,
    /// Logins lost in the moment between the service's rotation and its answer.
    logins_lost_in_the_moment,
    sign_ins,
    /// Copies that Garmin's link or a person added to what we had sent.
    copies_by_others,
    looks_of_two_runs,
}

/// One seed, played to its end or to the first violation.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub seed: u64,
    pub mode: Mode,
    pub days: i64,
    pub stats: Stats,
    pub violation: Option<Violation>,
    /// The history, where it was asked for.
    pub history: Vec<String>,
}
