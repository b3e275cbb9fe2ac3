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

#[cfg(test)]
mod tests {
    use fitferry_core::activity::Listed;
    use fitferry_core::ledger::State;

    use super::*;

    fn placed(at: &str, id: u64) -> Placed {
        let at = at.parse().unwrap();
        let listed = Listed { start: Some(at), ..Listed::bare(GarminId(id)) };
        Placed::of(&Row::seen(listed, State::Wanted, Timestamp::UNIX_EPOCH))
    }

    #[test]
    fn places_sort_by_start_and_then_by_id() {
        let places = [
            placed("1999-12-31T23:59:59Z", 7),
            placed("2026-11-23T06:00:00Z", 9),
            placed("2026-11-23T06:00:00Z", 10),
            placed("2026-11-23T06:00:00Z", u64::MAX),
            placed("2026-11-23T06:00:00.000000001Z", 1),
            placed("2026-11-23T06:00:00.5Z", 1),
        ];
        let written = places.map(|place| place.to_string());
        assert!(written.is_sorted(), "{written:?}");
        assert_eq!(written.each_ref().map(|text| Placed::read(text)), places.map(Some));
    }

    #[test]
    fn what_is_no_place_is_not_read_as_one() {
        for text in ["", "2026-11-23T06:00:00Z", "2026-11-23T06:00:00Z 1", "yesterday 1 2026-11-23"] {
            assert_eq!(Placed::read(text), None, "{text}");
        }
    }
}
