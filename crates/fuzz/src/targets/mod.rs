//! The readers, one module each.

pub(crate) mod archive;
pub(crate) mod config;
pub(crate) mod fit;
pub(crate) mod garmin;
pub(crate) mod rules;
pub(crate) mod strava;
pub(crate) mod words;

use fitferry_core::activity::{Distance, Summary};
use jiff::{SignedDuration, Timestamp};

/// The number that every download here is for.
const ID: fitferry_core::activity::GarminId = fitferry_core::activity::GarminId(20_000_000_001);

/// The first byte chooses among a few statuses, the second among content types; the rest is the body.
fn answer<'a>(
    statuses: &[u16],
    types: &[Option<&'a str>],
    data: &'a [u8],
) -> (u16, Option<&'a str>, &'a [u8]) {
    let pick = |index: usize, of: usize| usize::from(data.get(index).copied().unwrap_or(0)) % of;
    (statuses[pick(0, statuses.len())], types[pick(1, types.len())], data.get(2..).unwrap_or_default())
}

/// As [`answer`] reads it: status and content type by their places in the lists.
fn seed(status: u8, content_type: u8, body: impl AsRef<[u8]>) -> Vec<u8> {
    [&[status, content_type], body.as_ref()].concat()
}

fn check_summary(summary: &Summary) {
    summary.start.iter().for_each(|start| check_fit_time(*start));
    summary.elapsed.iter().for_each(|elapsed| check_elapsed(*elapsed));
    summary.distance.iter().for_each(|distance| check_distance(*distance));
    summary.sport.iter().for_each(|sport| crate::told::plain(sport, 40));
}

/// Any moment that a calendar has; FIT's own are checked where FIT is read.
fn check_fit_time(start: Timestamp) {
    assert!(start >= Timestamp::MIN && start <= Timestamp::MAX, "{start}");
}

fn check_elapsed(elapsed: SignedDuration) {
    assert!(elapsed.is_positive() && elapsed <= SignedDuration::from_hours(24 * 7), "{elapsed}");
}

fn check_distance(distance: Distance) {
    assert!(distance.meters().is_finite() && distance.meters() >= 0.0, "{distance:?}");
}
