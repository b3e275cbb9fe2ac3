//! *Same activity*: each number at its edge and just beyond, and every way in which a name is written.

use expect_test::expect;
use fitferry_core::activity::{Distance, Found, GarminId, elapsed_from_number, elapsed_of, external_id};
use fitferry_core::ledger::Row;
use fitferry_core::matching::{Same, is_ours, named, near_miss, same};
use jiff::SignedDuration;
use jiff::civil::date;
use proptest::prelude::*;

use crate::given::{DAY, HOUR, MINUTE, at, secs, shown, started, wanted};

#[test]
fn starts_may_be_120_s_apart() {
    for (apart, is_same) in [(0, true), (120, true), (-120, true), (121, false), (-121, false), (HOUR, false)]
    {
        let found = Found { start: Some(at(apart)), ..shown() };
        assert_eq!(same(&wanted(), &found), is_same.then_some(Same::Time), "{apart} s");
    }
}

#[test]
fn elapsed_times_may_be_60_s_or_5_percent_apart_whichever_is_more() {
    // Ours, the difference that is allowed.
    for (ours, allowed) in [(1, 60), (10 * MINUTE, 60), (20 * MINUTE, 60), (HOUR, 180), (10 * HOUR, 1800)] {
        for (apart, is_same) in
            [(0, true), (allowed, true), (-allowed, true), (allowed + 1, false), (-allowed - 1, false)]
        {
            let found = Found { elapsed: Some(secs(ours + apart)), ..shown() };
            let is = same(&lasting(ours), &found);
            assert_eq!(is, is_same.then_some(Same::Time), "{ours} s and {apart} s");
        }
    }
}

#[test]
fn what_is_not_known_never_matches_by_time() {
    let mut no_elapsed = wanted();
    no_elapsed.activity.elapsed = None;
    let mut no_start = wanted();
    no_start.activity.start = None;
    let cases = [
        ("our elapsed time", no_elapsed, shown()),
        ("our start", no_start, shown()),
        ("their start", wanted(), Found { start: None, ..shown() }),
        ("their elapsed time", wanted(), Found { elapsed: None, ..shown() }),
    ];
    for (unknown, row, found) in cases {
        assert_eq!(same(&row, &found), None, "{unknown}");
        let ours = Found { external_id: Some(external_id(row.id())), ..found };
        assert_eq!(same(&row, &ours), Some(Same::OurExternalId), "{unknown}, but named");
    }
}

#[test]
fn moving_time_stands_in_only_where_elapsed_time_is_absent() {
    let hour = Some(secs(HOUR));
    let moving = Found { elapsed: None, moving: hour, ..shown() };
    assert_eq!(same(&wanted(), &moving), Some(Same::Time));
    let longer = Found { elapsed: Some(secs(2 * HOUR)), moving: hour, ..shown() };
    assert_eq!(same(&wanted(), &longer), None);
}

#[test]
fn a_hidden_start_wants_the_day_and_one_percent_of_time_and_of_distance() {
    // Shares are of the larger one; ours are 3600 s and 10 km.
    let cases = [
        (3600, Some(10_000.0), true),
        (3636, Some(10_000.0), true),
        (3637, Some(10_000.0), false),
        (3564, Some(10_000.0), true),
        (3563, Some(10_000.0), false),
        (3600, Some(10_101.0), true),
        (3600, Some(10_102.0), false),
        (3600, Some(9_900.0), true),
        (3600, Some(9_899.0), false),
        (3600, None, false),
    ];
    for (elapsed, meters, is_same) in cases {
        let found = hidden(elapsed, meters);
        let is = same(&wanted(), &found);
        assert_eq!(is, is_same.then_some(Same::HiddenStart), "{elapsed} s, {meters:?} m");
        // Whatever start it pretends to have: a hidden one says nothing.
        assert_eq!(same(&wanted(), &Found { start: Some(at(-20_000)), ..found.clone() }), is);
        for day in [None, Some(date(2026, 11, 17)), Some(date(2026, 11, 19))] {
            assert_eq!(same(&wanted(), &Found { local_date: day, ..found.clone() }), None);
        }
    }
    let mut no_distance = wanted();
    no_distance.activity.distance = None;
    assert_eq!(same(&no_distance, &hidden(3600, Some(10_000.0))), None);
}

#[test]
fn the_number_is_read_in_our_way_of_writing_and_in_other_tools() {
    let names = [
        "garmin-1.fit",
        "garmin-1",
        "garmin-1.gpx",
        "garmin-1.tcx",
        "garmin-1.fit.gz",
        "1.fit",
        "1.FIT",
        "1.gpx",
        "1.fit.gz",
        "1_ACTIVITY.fit",
        "garmin_1",
        "garmin_1.fit",
        "garmin:1",
        "garmin-1-original.fit.gz",
        "1-original.fit",
        " garmin-1.fit ",
    ];
    for name in names {
        assert_eq!(named(name), Some(GarminId(1)), "{name:?}");
        let found = Found { external_id: Some(name.to_owned()), start: Some(at(-9 * DAY)), ..shown() };
        let is_ours = name.trim().starts_with("garmin-1") && !name.contains("original");
        let how = if is_ours { Same::OurExternalId } else { Same::OtherExternalId };
        assert_eq!(same(&wanted(), &found), Some(how), "{name:?}, whatever the times say");
    }
}

#[test]
fn what_only_looks_like_a_name_is_none() {
    let names = [
        "",
        "1",
        " 1 ",
        "garmin_ping_1",
        "garmin_push_1",
        "garmin_ping_1.fit",
        "garmin-",
        "garmin-.fit",
        ".fit",
        "x1.fit",
        "1x.fit",
        "garmin-1x",
        "garmin--1.fit",
        "garmin-+1.fit",
        "-1.fit",
        "1.0.fit",
        "1.fit.zip",
        "strava-1.fit",
        "garmin-99999999999999999999999.fit",
        "١.fit",
        "é.fit",
        "🏃",
        "garmin-🏃.fit",
    ];
    for name in names {
        assert_eq!(named(name), None, "{name:?}");
    }
}

#[test]
fn another_ones_name_is_no_match_but_times_still_are() {
    let other = Found { external_id: Some("garmin-2.fit".to_owned()), ..shown() };
    assert_eq!(same(&wanted(), &other), Some(Same::Time), "one may answer for several of Garmin's");
    let far = Found { start: Some(at(HOUR)), ..other };
    assert_eq!(same(&wanted(), &far), None);
    assert!(is_ours("garmin-1.fit", GarminId(1)) && !is_ours("garmin-1.fit", GarminId(2)));
    assert!(!is_ours("garmin_1.fit", GarminId(1)), "another tool's");
}

#[test]
fn near_misses_are_whole_hours_apart_or_overlap() {
    let starts_lasting =
        |start: i64, elapsed: i64| Found { start: Some(at(start)), elapsed: Some(secs(elapsed)), ..shown() };
    let cases = [
        (starts_lasting(0, HOUR), "-"),
        (starts_lasting(HOUR, HOUR), "hours"),
        (starts_lasting(2 * HOUR + 120, HOUR + 60), "hours"),
        (starts_lasting(-2 * HOUR - 120, HOUR - 60), "hours"),
        (starts_lasting(2 * HOUR - 120, HOUR), "hours"),
        (starts_lasting(2 * HOUR + 121, HOUR), "-"),
        (starts_lasting(2 * HOUR, HOUR + 61), "-"),
        (starts_lasting(14 * HOUR, HOUR), "hours"),
        (starts_lasting(16 * HOUR, HOUR), "-"),
        (starts_lasting(30 * MINUTE, HOUR), "overlaps"),
        (starts_lasting(HOUR - 1, 10), "overlaps"),
        (starts_lasting(-10, 11), "overlaps"),
        (starts_lasting(-10, 10), "-"),
        (Found { start: None, ..shown() }, "-"),
        (Found { elapsed: None, ..shown() }, "-"),
        (Found { elapsed: None, moving: Some(secs(10)), ..shown() }, "overlaps"),
    ];
    for (found, kind) in cases {
        let miss = near_miss(&wanted(), &found).unwrap_or_else(|| "-".to_owned());
        assert!(miss.contains(kind), "{kind} expected of {found:?}: {miss}");
        assert!(miss == "-" || same(&wanted(), &found).is_none());
    }
    let overlap = near_miss(&wanted(), &starts_lasting(30 * MINUTE, HOUR)).unwrap();
    expect!["Strava activity 9 overlaps it in time"].assert_eq(&overlap);
}

#[test]
fn a_duration_of_more_than_seven_days_was_counted_in_milliseconds() {
    let cases = [
        (3600.0, Some(3_600_000)),
        (0.5, Some(500)),
        (604_800.0, Some(604_800_000)),
        (604_801.0, Some(604_801)),
        (604_800_000.0, Some(604_800_000)),
        // Longer in milliseconds too, and shorter than any clock tells.
        (604_801_000.0, None),
        (1.8e9, None),
        (1e-300, None),
        (3_600_000.0, Some(3_600_000)),
        (0.0, None),
        (-0.0, None),
        (-1.0, None),
        (f64::NAN, None),
        (f64::INFINITY, None),
        (f64::NEG_INFINITY, None),
        (f64::MAX, None),
    ];
    for (number, milliseconds) in cases {
        let read = elapsed_from_number(number).map(|elapsed| elapsed.as_millis());
        assert_eq!(read, milliseconds, "{number}");
    }
}

#[test]
fn elapsed_comes_before_duration_and_duration_before_moving_time() {
    let cases = [
        ((Some(3700.0), Some(3600.0), Some(3500.0)), Some(3700)),
        ((None, Some(3600.0), Some(3500.0)), Some(3600)),
        ((Some(0.0), None, Some(3500.0)), Some(3500)),
        ((Some(f64::NAN), Some(-1.0), None), None),
        // In milliseconds, told by what stands beside it, however short.
        ((Some(300_000.0), Some(300.0), None), Some(300)),
        ((Some(330_000.0), None, Some(300.0)), Some(330)),
    ];
    for ((elapsed, duration, moving), seconds) in cases {
        let read = elapsed_of(elapsed, duration, moving).map(|elapsed| elapsed.as_secs());
        assert_eq!(read, seconds, "{elapsed:?} {duration:?} {moving:?}");
    }
}

proptest! {
    #[test]
    fn any_text_may_stand_in_an_external_id(text in prop_oneof![".{0,40}", ALMOST_A_NAME]) {
        match named(&text) {
            Some(id) => prop_assert!(text.contains(&id.to_string())),
            None => prop_assert!(!is_ours(&text, GarminId(1))),
        }
    }

    #[test]
    fn our_own_name_is_read_back_whatever_the_number(id: u64, extension in "(\\.fit|\\.gpx|\\.tcx|)(\\.gz|)") {
        let name = external_id(GarminId(id)) + &extension;
        prop_assert_eq!(named(&name), Some(GarminId(id)));
        prop_assert!(is_ours(&name, GarminId(id)));
    }

    /// Whatever two services report, matching has an answer, and a near miss is no match.
    #[test]
    fn no_numbers_make_matching_fail(
        start in -3_000_000_000_i64..3_000_000_000,
        elapsed in prop::option::of(1..i64::MAX),
        meters: f64,
        start_hidden: bool,
    ) {
        let found = Found {
            start: at(0).checked_add(secs(start)).ok(),
            elapsed: elapsed.map(SignedDuration::from_secs),
            distance: Distance::from_meters(meters),
            start_hidden,
            ..shown()
        };
        let matched = same(&wanted(), &found);
        let missed = near_miss(&wanted(), &found);
        prop_assert!(matched.is_none() || missed.is_none());
    }
}

// ------------------------------------------------------------------------------------- helpers

/// No leading zero, which would be read as the same number.
const ALMOST_A_NAME: &str =
    "(garmin[-_:]|garmin_(ping|push)_|x|)(1|[1-9][0-9]{0,24}|)(_ACTIVITY|-original|)(\\.fit|\\.gpx|)(\\.gz|)";

fn lasting(seconds: i64) -> Row {
    let mut row = started(1, 0);
    row.activity.elapsed = Some(secs(seconds));
    row
}

/// One whose start Strava hides: it reports one second after midnight.
fn hidden(elapsed: i64, meters: Option<f64>) -> Found {
    Found {
        start: None,
        start_hidden: true,
        elapsed: Some(secs(elapsed)),
        distance: meters.and_then(Distance::from_meters),
        ..shown()
    }
}
