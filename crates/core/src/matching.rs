//! *Same activity*: is this Garmin activity that Strava activity?
//!
//! Three ways, in this order: the external id names it; both starts and both elapsed times agree; Strava
//! hides the start, and date, time and distance agree. What is not known never matches; a start that only
//! the file tells is not good enough for the second way, since devices with a wrong clock write it.

use jiff::SignedDuration;

use crate::activity::{Distance, Found, GarminId};
use crate::ledger::Row;
use crate::planted::{self, Fault};

/// Two starts this far apart may be the same.
const START_WITHIN: SignedDuration = SignedDuration::from_secs(120);
/// Two elapsed times may differ by the larger of these two.
const ELAPSED_WITHIN: SignedDuration = SignedDuration::from_secs(60);
const ELAPSED_SHARE: f64 = 0.05;
/// Where the start is hidden, elapsed time and distance may differ by this share.
const HIDDEN_SHARE: f64 = 0.01;

/// How two activities are known to be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Same {
    /// By an external id of our own uploads, `garmin-<id>`.
    OurExternalId,
    /// By another tool's mark of the same Garmin id.
    OtherExternalId,
    /// By start and elapsed time.
    Time,
    /// By date, elapsed time and distance, where Strava hides the start.
    HiddenStart,
}

/// Whether `found` is the activity of `row`, and how that is known.
pub fn same(row: &Row, found: &Found) -> Option<Same> {
    if let Some(external_id) = found.external_id.as_deref()
        && named(external_id) == Some(row.id())
    {
        let ours = is_ours(external_id, row.id());
        return Some(if ours { Same::OurExternalId } else { Same::OtherExternalId });
    }
    let elapsed = row.elapsed()?;
    let theirs = found.elapsed.or(found.moving)?;
    let apart = (elapsed - theirs).abs();
    if found.start_hidden {
        let same_day = row.day().is_some() && row.day() == found.local_date;
        let close = share(elapsed.as_secs_f64(), theirs.as_secs_f64()) <= HIDDEN_SHARE;
        let distances = row.activity.distance.map(Distance::meters).zip(found.distance.map(Distance::meters));
        let as_far = distances.is_some_and(|(ours, theirs)| share(ours, theirs) <= HIDDEN_SHARE);
        return (same_day && close && as_far).then_some(Same::HiddenStart);
    }
    let starts_apart = row.activity.start?.duration_until(found.start?).abs();
    let within = ELAPSED_WITHIN.as_secs_f64().max(elapsed.as_secs_f64() * ELAPSED_SHARE);
    let lasts_as_long = apart.as_secs_f64() <= within || planted::has(Fault::SameByStartAlone);
    (starts_apart <= START_WITHIN && lasts_as_long).then_some(Same::Time)
}

/// A near miss is shown to people and never acted upon: starts whole hours apart, or an overlap.
pub fn near_miss(row: &Row, found: &Found) -> Option<String> {
    if same(row, found).is_some() {
        return None;
    }
    let (start, elapsed) = (row.start()?, row.elapsed()?);
    let (their_start, theirs) = (found.start?, found.elapsed.or(found.moving)?);
    let apart = start.duration_until(their_start).abs();
    let beside_the_hour = SignedDuration::from_secs(apart.as_secs() % 3600);
    let near_an_hour =
        beside_the_hour <= START_WITHIN || beside_the_hour >= SignedDuration::from_secs(3600) - START_WITHIN;
    if apart >= SignedDuration::from_mins(58)
        && apart <= SignedDuration::from_hours(15)
        && near_an_hour
        && (elapsed - theirs).abs() <= ELAPSED_WITHIN
    {
        return Some(format!("Strava activity {} lasted as long and started whole hours apart", found.id));
    }
    let end = start.saturating_add(elapsed).ok()?;
    let their_end = their_start.saturating_add(theirs).ok()?;
    (start < their_end && their_start < end)
        .then(|| format!("Strava activity {} overlaps it in time", found.id))
}

/// The difference as a share of the larger one.
fn share(a: f64, b: f64) -> f64 {
    let larger = a.max(b);
    if larger == 0.0 { 0.0 } else { (a - b).abs() / larger }
}

/// The Garmin id that an external id names, in our way of writing or another tool's.
///
/// A bare number counts only as a file name: alone it could be anything.
pub fn named(external_id: &str) -> Option<GarminId> {
    let mut rest = external_id.trim();
    let mut is_file = false;
    while let Some(stem) = strip_suffix_ignoring_case(rest, &[".gz", ".fit", ".gpx", ".tcx"]) {
        rest = stem;
        is_file = true;
    }
    let mut marked = false;
    for suffix in ["_ACTIVITY", "-original"] {
        if let Some(stem) = rest.strip_suffix(suffix) {
            rest = stem;
            marked = true;
        }
    }
    for prefix in ["garmin-", "garmin_", "garmin:"] {
        if let Some(number) = rest.strip_prefix(prefix) {
            rest = number;
            marked = true;
            break;
        }
    }
    let digits = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (is_file || marked)).then(|| rest.parse().ok().map(GarminId)).flatten()
}

/// Whether an external id is the one that our own upload of this activity bears.
pub fn is_ours(external_id: &str, id: GarminId) -> bool {
    let mut rest = external_id.trim();
    while let Some(stem) = strip_suffix_ignoring_case(rest, &[".gz", ".fit", ".gpx", ".tcx"]) {
        rest = stem;
    }
    rest == crate::activity::external_id(id)
}

fn strip_suffix_ignoring_case<'a>(text: &'a str, suffixes: &[&str]) -> Option<&'a str> {
    suffixes.iter().find_map(|suffix| {
        let at = text.len().checked_sub(suffix.len())?;
        (text.is_char_boundary(at) && text[at..].eq_ignore_ascii_case(suffix)).then(|| &text[..at])
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::activity::{Listed, StravaId};
    use crate::ledger::State;

    fn row(elapsed_s: Option<i64>) -> Row {
        let listed = Listed {
            start: Some(at(0)),
            local_date: Some(jiff::civil::date(2026, 11, 18)),
            elapsed: elapsed_s.map(SignedDuration::from_secs),
            distance: Distance::from_meters(10_000.0),
            ..Listed::bare(GarminId(77))
        };
        Row::seen(listed, State::Wanted, at(0))
    }

    fn found(start_s: i64, elapsed_s: Option<i64>) -> Found {
        Found {
            id: StravaId(1),
            name: None,
            external_id: None,
            upload_id: None,
            start: Some(at(start_s)),
            start_hidden: false,
            local_date: Some(jiff::civil::date(2026, 11, 18)),
            elapsed: elapsed_s.map(SignedDuration::from_secs),
            moving: None,
            distance: Distance::from_meters(10_000.0),
            sport_type: None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    #[test]
    fn starts_within_120_s_and_elapsed_within_60_s_or_5_percent_are_the_same() {
        let hour = row(Some(3600));
        let cases = [
            (0, 3600, true),
            (120, 3600, true),
            (-120, 3600, true),
            (121, 3600, false),
            (0, 3780, true),
            (0, 3781, false),
            (0, 3420, true),
            (0, 3419, false),
        ];
        for (start, elapsed, is_same) in cases {
            assert_eq!(
                same(&hour, &found(start, Some(elapsed))).is_some(),
                is_same,
                "{start} s, {elapsed} s"
            );
        }
        let short = row(Some(300));
        assert_eq!(same(&short, &found(0, Some(360))), Some(Same::Time));
        assert_eq!(same(&short, &found(0, Some(361))), None);
    }

    #[test]
    fn what_is_not_known_never_matches_by_time() {
        assert_eq!(same(&row(None), &found(0, Some(3600))), None);
        assert_eq!(same(&row(Some(3600)), &found(0, None)), None);
        let moving = Found { moving: Some(SignedDuration::from_secs(3590)), ..found(0, None) };
        assert_eq!(same(&row(Some(3600)), &moving), Some(Same::Time), "moving time stands in");
        let mut unknown = row(Some(3600));
        unknown.activity.start = None;
        assert_eq!(same(&unknown, &found(0, Some(3600))), None);
    }

    #[test]
    fn a_hidden_start_wants_the_day_and_one_percent_of_time_and_distance() {
        let hidden = |elapsed_s: i64, meters: f64| Found {
            start: None,
            start_hidden: true,
            distance: Distance::from_meters(meters),
            ..found(0, Some(elapsed_s))
        };
        let row = row(Some(3600));
        assert_eq!(same(&row, &hidden(3636, 10_100.0)), Some(Same::HiddenStart));
        assert_eq!(same(&row, &hidden(3640, 10_000.0)), None);
        assert_eq!(same(&row, &hidden(3600, 10_200.0)), None);
        let other_day = Found { local_date: Some(jiff::civil::date(2026, 11, 19)), ..hidden(3600, 10_000.0) };
        assert_eq!(same(&row, &other_day), None);
        let no_distance = Found { distance: None, ..hidden(3600, 10_000.0) };
        assert_eq!(same(&row, &no_distance), None);
    }

    #[test]
    fn an_external_id_names_it_in_our_way_of_writing_or_another_tools() {
        let names = [
            "garmin-77",
            "garmin-77.fit",
            "garmin-77.fit.gz",
            "77.fit",
            "77_ACTIVITY.fit",
            "77.FIT",
            "garmin_77",
            "garmin:77",
            "garmin-77-original.fit",
            "77_ACTIVITY",
            "77.tcx",
        ];
        for name in names {
            assert_eq!(named(name), Some(GarminId(77)), "{name}");
        }
        for name in ["77", "garmin_ping_77", "garmin_push_77", "garmin-", ".fit", "x77.fit", "garmin-77x", ""]
        {
            assert_eq!(named(name), None, "{name}");
        }
        assert!(is_ours("garmin-77.fit", GarminId(77)) && !is_ours("77.fit", GarminId(77)));
        let by_id = Found { external_id: Some("garmin-77.fit".to_owned()), ..found(99_999, None) };
        assert_eq!(same(&row(None), &by_id), Some(Same::OurExternalId), "whatever the times say");
    }

    #[test]
    fn near_misses_are_told_and_are_no_matches() {
        let hour = row(Some(3600));
        assert!(near_miss(&hour, &found(7200, Some(3600))).unwrap().contains("whole hours"));
        assert!(near_miss(&hour, &found(1800, Some(900))).unwrap().contains("overlaps"));
        assert_eq!(near_miss(&hour, &found(40_000, Some(900))), None);
        assert_eq!(near_miss(&hour, &found(0, Some(3600))), None, "that one matches");
    }
}
