//! A row's place among the others, as text that sorts: when it started, which one it is, on which day.
//!
//! It is the key of both indexes, so that a listing can be cut to a length and to days before any document
//! is read.

use std::fmt;

use fitferry_core::activity::GarminId;
use fitferry_core::ledger::Row;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// The start; where there is none, the first sight.
    at: Timestamp,
    pub(super) id: GarminId,
    /// The day by the runner's calendar, else by UTC.
    pub(super) day: Date,
}

impl Placed {
    pub(super) fn of(row: &Row) -> Placed {
        let at = row.start().unwrap_or(row.first_seen);
        let day = row.day().unwrap_or_else(|| Offset::UTC.to_datetime(at).date());
        Placed { at, id: row.id(), day }
    }

    pub(super) fn read(text: &str) -> Option<Placed> {
        let mut parts = text.split(' ');
        let at = parts.next()?.parse().ok()?;
        let id = parts.next()?.parse().ok().map(GarminId)?;
        let day = parts.next()?.parse().ok()?;
        Some(Placed { at, id, day })
    }
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.9} {:020} {}", self.at, self.id.0, self.day)
    }
}
