//! What the tests begin with: moments, spans, rows.

use fitferry_core::activity::{Distance, Found, GarminId, Listed, StravaId};
use fitferry_core::ledger::{Row, State};
use fitferry_core::timing::Timing;
use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};

/// 2026-11-18T06:00:00Z and so many seconds.
pub fn at(seconds: i64) -> Timestamp {
    moment("2026-11-18T06:00:00Z") + secs(seconds)
}

pub fn moment(text: &str) -> Timestamp {
    text.parse().expect("a moment")
}

pub const fn secs(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

pub const MINUTE: i64 = 60;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// A run of an hour and ten kilometres that is to be sent.
pub fn wanted() -> Row {
    started(1, 0)
}

/// The same with another number, begun so many seconds after six.
pub fn started(id: u64, seconds: i64) -> Row {
    let listed = Listed {
        start: Some(at(seconds)),
        local_date: Some(date(2026, 11, 18)),
        elapsed: Some(secs(HOUR)),
        distance: Distance::from_meters(10_000.0),
        ..Listed::bare(GarminId(id))
    };
    Row::seen(listed, State::Wanted, at(0))
}

/// One of which Garmin's list knows nothing but the number.
pub fn without_start() -> Row {
    Row::seen(Listed::bare(GarminId(1)), State::Wanted, at(0))
}

/// What Strava shows of the run of [`wanted`].
pub fn shown() -> Found {
    Found {
        id: StravaId(9),
        name: None,
        external_id: None,
        upload_id: None,
        start: Some(at(0)),
        start_hidden: false,
        local_date: Some(date(2026, 11, 18)),
        elapsed: Some(secs(HOUR)),
        moving: None,
        distance: Distance::from_meters(10_000.0),
        sport_type: None,
    }
}

pub fn timing() -> Timing {
    Timing::default()
}
