//! What one tick did, and what it means for the caller.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::activity::GarminId;
use crate::budget::View;
use crate::head::Head;
use crate::ledger::{Cause, Row, Shown, State};
use crate::ports::{Fence, PortError, Requests, Service};

/// Everything that `sync` tells.
#[derive(Clone, Debug)]
pub struct Report {
    pub started: Timestamp,
    pub finished: Timestamp,
    pub dry_run: bool,
    /// The lease was taken: it was no idle tick.
    pub worked: bool,
    /// Activities on the pages that were read, and how many of them were new.
    pub listed: usize,
    pub new: usize,
    /// Rows that this tick changed, as they are at its end, oldest first.
    pub rows: Vec<Row>,
    /// Rows that wait at the end of the tick, until when and why; only those that this tick changed or
    /// that a pause of this tick holds.
    pub waiting: Vec<(GarminId, Option<Timestamp>, Cause)>,
    /// Of a dry run: what would become of each.
    pub would: Vec<Would>,
    pub open: OpenCounts,
    pub requests: Requests,
    pub budget: Option<View>,
    pub notes: Vec<Note>,
    /// Why the tick could not do all that there was to do.
    pub trouble: Option<Trouble>,
    /// The lease that it worked under.
    pub fence: Option<Fence>,
    pub head: Head,
}

/// The open rows, each counted once (contract, `sync --json`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenCounts {
    pub wanted: u64,
    pub submitting: u64,
    pub submitted: u64,
    pub waiting: u64,
}

impl OpenCounts {
    pub fn of<'a>(rows: impl Iterator<Item = &'a Row>, head: &Head, now: Timestamp) -> OpenCounts {
        let mut counts = OpenCounts::default();
        for row in rows {
            match row.shown(head, now) {
                Shown::Wanted => counts.wanted += 1,
                Shown::Submitting => counts.submitting += 1,
                Shown::Submitted => counts.submitted += 1,
                Shown::Waiting => counts.waiting += 1,
                Shown::Published | Shown::Skipped | Shown::Rejected => {}
            }
        }
        counts
    }

    pub fn total(&self) -> u64 {
        self.wanted + self.submitting + self.submitted + self.waiting
    }
}

/// What a dry run says of one activity.
#[derive(Clone, Debug)]
pub struct Would {
    pub row: Row,
    pub action: WouldAction,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WouldAction {
    Upload,
    Skip,
    AlreadyThere,
}

/// Something that people want to know, and that is no failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// No start date is configured; this one was kept.
    SinceKept(Date),
    /// *Garmin's own link* is on, found just now.
    LinkOn,
    /// Garmin's own link delivered a copy of what we uploaded.
    CopyByLink { ours: crate::activity::StravaId, copy: crate::activity::StravaId },
    /// Our clock and a service's are apart by more than 30 s (*Time*).
    Skew(Service, SignedDuration),
}

/// Why a tick ended early or left work.
#[derive(Clone, Debug, PartialEq)]
pub enum Trouble {
    Interrupted,
    /// Another run is at work.
    Busy,
    /// A service, a login, an app, a budget or the store, by what was seen in this tick or, where a pause
    /// of an earlier one holds, in that.
    Port(PortError),
}

impl Report {
    pub fn rejected(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| matches!(row.state, State::Rejected { .. }))
    }

    /// Whether this tick rejected an activity, or made one wait because of a failure.
    pub fn has_failures(&self) -> bool {
        let submitted = self.rows.iter().filter(|row| matches!(row.state, State::Submitted { .. }));
        let mut causes =
            self.waiting.iter().map(|(_, _, cause)| *cause).chain(submitted.filter_map(|row| row.cause));
        self.rejected().next().is_some() || causes.any(Cause::is_failure)
    }

    /// Ids of the rows that this tick changed.
    pub fn changed(&self) -> BTreeSet<GarminId> {
        self.rows.iter().map(Row::id).collect()
    }
}
