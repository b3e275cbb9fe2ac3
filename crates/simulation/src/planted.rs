//! Faults that are planted to prove that the simulation would find them.
//!
//! A fault in what the engine does is a switch in the core (`fitferry_core::planted`), asked for at the very line.
//! A fault in what a door promises is a door that does otherwise: here, or where the door is.

mod doors;

use std::collections::BTreeMap;

use fitferry_core::activity::GarminId;
use fitferry_core::ledger::Row;
use fitferry_core::planted::{Fault, plant};
use fitferry_core::ports::{Sight, Window};

macro_rules! planted {
    ($($(#[doc = $doc:literal])* $name:ident $(= $fault:ident)?,)*) => {
        /// One fault. The first are doors', the others the engine's.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Planted {
            $($(#[doc = $doc])* $name,)*
        }

        impl Planted {
            pub const ALL: &'static [Planted] = &[$(Planted::$name,)*];

            /// As it is named on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Planted::$name => stringify!($name),)* }
            }

            /// What is wrong, in a sentence.
            pub fn about(self) -> &'static str {
                match self { $(Planted::$name => concat!($($doc),*).trim_ascii(),)* }
            }

            fn in_the_engine(self) -> Option<Fault> {
                match self { $(Planted::$name => planted!(@fault $($fault)?),)* }
            }
        }
    };
    (@fault) => { None };
    (@fault $fault:ident) => { Some(Fault::$fault) };
}

planted! {
    /// The intent is not written: `Submitting` is kept in memory only.
    IntentNotWritten,
    /// The request of an upload leaves although `send_before` has passed.
    SentTooLate,
    /// A lease is given to everybody who asks.
    LeaseForEverybody,
    /// Writes under an old fence are taken.
    LeaseWithoutFence,
    /// A look ends with its first page.
    FirstPageIsAll,
    /// A look that failed counts as one that showed nothing.
    FailedLookIsEmpty,
    /// A look of an earlier tick is trusted.
    OldLooksTrusted,
    /// What Strava calls a duplicate counts as refused.
    DuplicateIsFailure,
    /// An upload without an answer counts as not sent.
    LostUploadIsNotSent,
    /// Garmin being down counts against the activity whose file was asked for.
    OutageOnActivity,
    /// A broken archive's content is taken as far as it goes.
    BrokenArchivePassed,
    /// The head, with its fingerprint, is durable before the rows that it speaks of.
    HeadBeforeRows,
    /// The budget counts overall requests and not the reads.
    ReadWindowIgnored,
    /// The pause of a 429 is not kept.
    LimitNotObeyed,
    /// The vault is written without a look at the version.
    VaultWithoutVersions,
    /// The new pair of tokens is used before it is saved.
    PairUsedBeforeItIsKept = PairUsedBeforeItIsKept,
    /// The vault is not read again before a renewal.
    VaultNotReadAgain,
    /// The first look that shows nothing settles a doubt.
    FirstEmptyLookSettles = FirstEmptyLookSettles,
    /// An upload that Strava has taken is sent again after a wait.
    SubmittedIsSentAgain = SubmittedIsSentAgain,
    /// The look-back counts from today after an absence.
    LookBackFromToday = LookBackFromToday,
    /// Pages of Garmin's list do not overlap.
    PagesWithoutOverlap = PagesWithoutOverlap,
    /// A sweep during which the list shifted counts.
    ShiftedSweepCounts = ShiftedSweepCounts,
    /// Two activities are matched by their start alone.
    SameByStartAlone = SameByStartAlone,
    /// The head is not marked before the first row is written.
    HeadIsNotTouched = HeadIsNotTouched,
    /// The fingerprint of the newest page is kept although an older page failed.
    FingerprintTooEarly = FingerprintTooEarly,
    /// A download that killed the last run does not count.
    UnfinishedDownloadsForgotten = UnfinishedDownloadsForgotten,
    /// What a service fails at time and again keeps its turn.
    FailuresKeepTheirTurn = FailuresKeepTheirTurn,
    /// Nothing is held for Garmin's own link.
    NothingIsHeld = NothingIsHeld,
    /// A later, shorter pause replaces that of a 429.
    LimitIsReplaced = LimitIsReplaced,
    /// What a backfill saw counts although another run has had the lease since.
    EyesOutliveTheLease = EyesOutliveTheLease,
    /// A backfill sends what it took up after the look that shows it.
    EarlierLooksUnread = EarlierLooksUnread,
    /// A backfill reads on in Garmin's list while Garmin is left alone.
    PausesUnheeded = PausesUnheeded,
    /// A file that a backfill has downloaded before its turn counts as one that killed it.
    FileAheadCountsAgainst = FileAheadCountsAgainst,
}

impl Planted {
    /// It shows only where a person carries the past over.
    pub fn is_of_histories(self) -> bool {
        matches!(
            self,
            Planted::EyesOutliveTheLease
                | Planted::EarlierLooksUnread
                | Planted::PausesUnheeded
                | Planted::FileAheadCountsAgainst
        )
    }

    pub fn from_name(name: &str) -> Option<Planted> {
        Planted::ALL.iter().copied().find(|planted| planted.name().eq_ignore_ascii_case(name))
    }
}

/// Does something with a fault in force.
pub(crate) fn in_force<T>(planted: Option<Planted>, work: impl FnOnce() -> T) -> T {
    plant(planted.and_then(Planted::in_the_engine));
    let done = work();
    plant(None);
    done
}

/// What spoilt doors remember.
#[derive(Debug, Default)]
pub(crate) struct Memories {
    /// Rows that were not written, by the version that the engine believes in.
    unwritten: BTreeMap<GarminId, Row>,
    looks: Vec<(Window, Sight)>,
    /// Rows that wait until the head is durable.
    late_rows: Vec<Row>,
}
