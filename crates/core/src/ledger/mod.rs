//! The life of one activity, as a state machine, and the row that the ledger keeps of it.
//!
//! [`State`] is what happened so far, [`Event`] is what the world did, and [`State::on`] is the only way
//! from one state to the next: pure, total, and the single place where "what if that happens then?" is
//! answered. There is no waiting state: a [`Row`] carries, beside its state, when it may be touched again
//! and why it waits, so that a row that waits never forgets what it waits for.
//!
//! `Submitting` exists for crashes (*Intent*). It is durable *before* the upload leaves, so a run that
//! finds one knows that an upload may or may not have arrived, and asks Strava first (*Doubt*). From
//! `Submitted` no arrow leads back: an upload that Strava has taken is never sent again.
//!
//! Not here: which activities are wanted (`rules`), what to do next (`engine`).

mod row;

use jiff::Timestamp;

use crate::activity::{StravaId, UploadId};

pub use row::{DownloadTrouble, DuplicateClaim, FileFacts, Moment, Row};

/// Where an activity is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// To be sent.
    Wanted,
    /// About to be sent, or sent without an answer. `attempt` counts the sends, `send_before` is when the
    /// request has left or never will.
    Submitting {
        attempt: u32,
        send_before: Timestamp,
    },
    /// Strava has taken it, at `since`.
    Submitted {
        upload: UploadId,
        since: Timestamp,
    },
    Published {
        strava: StravaId,
        how: How,
    },
    Skipped {
        reason: SkipReason,
        detail: Option<String>,
    },
    Rejected {
        reason: RejectReason,
        detail: Option<String>,
    },
}

impl State {
    /// How far an activity has come, for two ledgers that both know it: what is on Strava, or may be, is never
    /// forgotten for what is merely wanted.
    pub fn progress(&self) -> u8 {
        match self {
            State::Wanted => 0,
            State::Skipped { .. } | State::Rejected { .. } => 1,
            State::Submitting { .. } => 2,
            State::Submitted { .. } => 3,
            State::Published { .. } => 4,
        }
    }
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident => $key:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The word of the contract, in JSON, tables and the store.
            pub fn key(self) -> &'static str {
                match self { $($name::$variant => $key,)* }
            }

            pub fn from_key(key: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|value| value.key() == key)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.key())
            }
        }
    };
}

named! {
    /// How a published activity came to be on Strava.
    How {
        /// By our upload; also when found in doubt, by our own external id.
        Uploaded => "uploaded",
        AlreadyThere => "already_there",
        /// Strava said so, and named an activity that is the same.
        Duplicate => "duplicate",
    }
}

named! {
    SkipReason {
        Rule => "rule",
        ManualEntry => "manual_entry",
        NoFile => "no_file",
        MultisportChild => "multisport_child",
        BeforeStart => "before_start",
        ByHand => "by_hand",
    }
}

named! {
    RejectReason {
        /// Empty, or Strava refused what we saw damaged.
        MalformedFile => "malformed_file",
        /// Neither FIT, GPX nor TCX, or a FIT of another file type.
        NotAnActivity => "not_an_activity",
        SeveralFiles => "several_files",
        TooLarge => "too_large",
        RefusedByStrava => "refused_by_strava",
        OverlapsOther => "overlaps_other",
        DeletedOnStrava => "deleted_on_strava",
        UnknownOutcome => "unknown_outcome",
        GarminError => "garmin_error",
    }
}

named! {
    /// Why an open row waits.
    Cause {
        Processing => "processing",
        Hold => "hold",
        Budget => "budget",
        InDoubt => "in_doubt",
        StravaLimit => "strava_limit",
        StravaDown => "strava_down",
        StravaInactive => "strava_inactive",
        StravaError => "strava_error",
        GarminLimit => "garmin_limit",
        GarminDown => "garmin_down",
        GarminDownloadUnavailable => "garmin_download_unavailable",
    }
}

impl Cause {
    /// Whether a wait for this cause counts as a failure in the exit code (contract, *Exit codes*).
    pub fn is_failure(self) -> bool {
        !matches!(self, Cause::Processing | Cause::Hold | Cause::Budget)
    }
}

named! {
    /// A state without its details, as the store indexes it.
    StateName {
        Wanted => "wanted",
        Submitting => "submitting",
        Submitted => "submitted",
        Published => "published",
        Skipped => "skipped",
        Rejected => "rejected",
    }
}

named! {
    /// A state as people see it: an open row whose moment is ahead is *waiting*, unless Strava has it.
    Shown {
        Wanted => "wanted",
        Submitting => "submitting",
        Submitted => "submitted",
        Waiting => "waiting",
        Published => "published",
        Skipped => "skipped",
        Rejected => "rejected",
    }
}

impl State {
    pub fn name(&self) -> StateName {
        match self {
            State::Wanted => StateName::Wanted,
            State::Submitting { .. } => StateName::Submitting,
            State::Submitted { .. } => StateName::Submitted,
            State::Published { .. } => StateName::Published,
            State::Skipped { .. } => StateName::Skipped,
            State::Rejected { .. } => StateName::Rejected,
        }
    }

    /// Open rows are those that a tick may still have to touch.
    pub fn is_open(&self) -> bool {
        matches!(self, State::Wanted | State::Submitting { .. } | State::Submitted { .. })
    }
}

/// What the world did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The intent: durable before the request leaves.
    UploadStarts {
        attempt: u32,
        send_before: Timestamp,
    },
    /// Strava has taken it for processing.
    UploadAccepted {
        upload: UploadId,
        at: Timestamp,
    },
    /// No byte of the body left, or the answer says that nothing was taken.
    NotTaken,
    /// Strava refused this file, at once or in processing.
    FileRefused {
        reason: RejectReason,
        detail: String,
    },
    /// Nothing in it that could be sent.
    FileUnfit {
        reason: RejectReason,
        detail: String,
    },
    /// A look showed it.
    FoundOnStrava {
        strava: StravaId,
        how: How,
    },
    /// Strava says ready.
    ProcessingReady {
        strava: StravaId,
    },
    /// Strava says duplicate and names another activity, or none that a later look could find.
    OverlapsOther {
        detail: String,
    },
    /// Time and two complete looks say that the upload never arrived.
    DoubtSettledAbsent,
    /// Nobody will ever know what became of it.
    OutcomeUnknown {
        detail: String,
    },
    /// The created activity has been deleted on Strava.
    DeletedThere,
    /// Garmin never served the file.
    DownloadGivenUp {
        no_file: bool,
        detail: String,
    },
    UserSkips,
    UserRetries,
    /// A backfill, which goes further back or by other rules than those that skipped it.
    HistoryWants,
}

/// An event that does not fit the state; nothing changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} does not apply to an activity that is {}", state.name())]
pub struct Refused {
    pub state: State,
    pub event: Event,
}

impl State {
    /// The next state. Total: what does not fit is refused and changes nothing.
    pub fn on(&self, event: Event) -> Result<State, Refused> {
        use {Event as E, State as S};
        let reject = |reason, detail: String| S::Rejected { reason, detail: Some(detail) };
        Ok(match (self, event) {
            // Final is final, until the user's word, and what the user skipped is.
            (S::Skipped { reason, .. }, E::HistoryWants) if *reason != SkipReason::ByHand => S::Wanted,
            (S::Rejected { .. } | S::Skipped { .. }, E::UserRetries) => S::Wanted,
            (S::Rejected { .. } | S::Skipped { .. }, E::UserSkips) => {
                S::Skipped { reason: SkipReason::ByHand, detail: None }
            }
            (S::Published { .. } | S::Rejected { .. } | S::Skipped { .. }, event) => {
                return Err(Refused { state: self.clone(), event });
            }
            // Whatever we believed, Strava having it settles the matter.
            (_, E::FoundOnStrava { strava, how }) => S::Published { strava, how },

            (S::Wanted, E::UploadStarts { attempt, send_before }) => S::Submitting { attempt, send_before },
            (S::Wanted, E::FileUnfit { reason, detail }) => reject(reason, detail),
            (S::Wanted, E::DownloadGivenUp { no_file: true, detail }) => {
                S::Skipped { reason: SkipReason::NoFile, detail: Some(detail) }
            }
            (S::Wanted, E::DownloadGivenUp { no_file: false, detail }) => {
                reject(RejectReason::GarminError, detail)
            }
            (S::Wanted, E::UserSkips) => S::Skipped { reason: SkipReason::ByHand, detail: None },
            (S::Wanted, E::UserRetries) => S::Wanted,

            (S::Submitting { .. }, E::UploadAccepted { upload, at }) => S::Submitted { upload, since: at },
            (S::Submitting { .. }, E::NotTaken | E::DoubtSettledAbsent) => S::Wanted,

            // An upload that Strava has taken is never sent again: no arrow leads back from here.
            (S::Submitted { .. }, E::ProcessingReady { strava }) => {
                S::Published { strava, how: How::Uploaded }
            }
            (S::Submitted { .. }, E::DeletedThere) => {
                reject(RejectReason::DeletedOnStrava, "the activity was deleted on Strava".to_owned())
            }

            (S::Submitting { .. } | S::Submitted { .. }, E::FileRefused { reason, detail }) => {
                reject(reason, detail)
            }
            (S::Submitting { .. } | S::Submitted { .. }, E::OverlapsOther { detail }) => {
                reject(RejectReason::OverlapsOther, detail)
            }
            (S::Submitting { .. } | S::Submitted { .. }, E::OutcomeUnknown { detail }) => {
                reject(RejectReason::UnknownOutcome, detail)
            }
            (state, event) => return Err(Refused { state: state.clone(), event }),
        })
    }
}

/// Rows by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; 6]);

impl Counts {
    pub fn get(&self, state: StateName) -> u64 {
        self.0[state as usize]
    }

    pub fn set(&mut self, state: StateName, count: u64) {
        self.0[state as usize] = count;
    }

    /// A row came from one state, or from nowhere, to another.
    pub fn moved(&mut self, from: Option<StateName>, to: StateName) {
        if let Some(from) = from {
            self.0[from as usize] = self.0[from as usize].saturating_sub(1);
        }
        self.0[to as usize] += 1;
    }
}
