//! *Budget*: the account of one Strava app. What it grants would never be answered 429, and what it
//! refuses it grants again at the moment that it names.

use fitferry_core::budget::Kind::{Read, Upload};
use fitferry_core::budget::Purpose::{Backfill, Everyday};
use fitferry_core::budget::{
    Account, Full, FullReason, Gauge, Kind, Purpose, Quota, Reading, limited_until, next_day, next_quarter,
};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;

use crate::given::{moment, secs};

#[test]
fn windows_end_with_the_quarter_of_the_clock_and_with_the_day_in_utc() {
    let cases = [
        ("2026-11-18T12:00:00Z", "2026-11-18T12:15:00Z", "2026-11-19T00:00:00Z"),
        ("2026-11-18T12:14:59.999Z", "2026-11-18T12:15:00Z", "2026-11-19T00:00:00Z"),
        ("2026-11-18T12:15:00Z", "2026-11-18T12:30:00Z", "2026-11-19T00:00:00Z"),
        ("2026-11-18T23:59:59Z", "2026-11-19T00:00:00Z", "2026-11-19T00:00:00Z"),
        ("2026-12-31T23:45:00+01:00", "2026-12-31T23:00:00Z", "2027-01-01T00:00:00Z"),
        ("2028-02-28T23:50:00Z", "2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
    ];
    for (now, quarter, day) in cases {
        assert_eq!(next_quarter(moment(now)), moment(quarter), "{now}");
        assert_eq!(next_day(moment(now)), moment(day), "{now}");
    }
}

#[test]
fn the_last_request_of_each_limit_is_granted_and_the_next_one_names_the_end_of_its_window() {
    let quarter = "2026-11-18T12:15:00Z";
    let midnight = "2026-11-19T00:00:00Z";
    // overall and read in 15 minutes, overall and read in the day: used; what a read and an upload get.
    let cases = [
        ([199, 99, 1999, 999], None, None),
        ([0, 100, 0, 0], Some(quarter), None),
        ([200, 0, 0, 0], Some(quarter), Some(quarter)),
        ([0, 0, 0, 1000], Some(midnight), None),
        ([0, 0, 2000, 0], Some(midnight), Some(midnight)),
        ([200, 100, 2000, 1000], Some(midnight), Some(midnight)),
        ([0, 100, 2000, 0], Some(midnight), Some(midnight)),
    ];
    for (used, read, upload) in cases {
        for (kind, until) in [(Read, read), (Upload, upload)] {
            let granted = having_used(used).charge(kind, Everyday, noon());
            assert_eq!(granted, spent_until(until), "{kind:?} after {used:?}");
        }
    }
}

#[test]
fn a_read_counts_twice_and_an_upload_once_and_a_refusal_not_at_all() {
    let mut account = Account::new(noon());
    account.charge(Read, Everyday, noon()).unwrap();
    account.charge(Upload, Everyday, noon()).unwrap();
    assert_eq!(used(&account, noon()), [2, 1, 2, 1]);
    let mut full = having_used([200, 100, 300, 200]);
    full.charge(Read, Everyday, noon()).unwrap_err();
    full.charge(Upload, Everyday, noon()).unwrap_err();
    assert_eq!(used(&full, noon()), [200, 100, 300, 200]);
}

#[test]
fn the_history_leaves_5_in_15_minutes_and_25_a_day_to_the_everyday_tick() {
    let quarter = Some("2026-11-18T12:15:00Z");
    let midnight = Some("2026-11-19T00:00:00Z");
    let cases = [
        ([194, 94, 1974, 974], Read, None),
        ([194, 94, 1974, 974], Upload, None),
        ([195, 0, 195, 0], Upload, quarter),
        ([95, 95, 95, 95], Read, quarter),
        ([95, 95, 95, 95], Upload, None),
        ([0, 0, 1975, 0], Upload, midnight),
        ([0, 0, 975, 975], Read, midnight),
        ([0, 0, 975, 975], Upload, None),
    ];
    for (used, kind, until) in cases {
        let mut account = having_used(used);
        assert_eq!(account.clone().charge(kind, Backfill, noon()), spent_until(until), "{kind:?}, {used:?}");
        account.charge(kind, Everyday, noon()).unwrap();
    }
    let mut tiny = Account { overall_15min: Gauge { used: 0, limit: 3 }, ..Account::new(noon()) };
    tiny.charge(Upload, Backfill, noon()).unwrap_err();
}

#[test]
fn an_answer_corrects_to_the_larger_of_the_own_count_and_the_header() {
    for (own, header, is) in [(3, 2, 3), (3, 3, 3), (3, 50, 50), (3, 5_000_000, 5_000_000)] {
        let mut account = having_used([own; 4]);
        account.correct(&headers([header; 4]), noon());
        assert_eq!(used(&account, noon()), [is; 4]);
    }
    let mut account = having_used([1, 2, 3, 4]);
    account.correct(&Reading::default(), noon());
    assert_eq!(used(&account, noon()), [1, 2, 3, 4], "empty headers say nothing");
    account.correct(&headers([10, 0, 30, 0]), noon());
    assert_eq!(used(&account, noon()), [10, 2, 30, 4], "each window by itself");
}

#[test]
fn a_late_answer_says_nothing_of_the_window_in_force() {
    let now = moment("2026-11-19T00:00:01Z");
    let cases = [
        // of yesterday: neither window; of today's last quarter: the day's counts only.
        (now, "2026-11-18T23:59:59Z", [1, 1, 1, 1]),
        (moment("2026-11-19T00:15:01Z"), "2026-11-19T00:14:59Z", [1, 1, 90, 90]),
        (now, "2026-11-19T00:00:00Z", [90, 90, 90, 90]),
    ];
    for (now, answered, is) in cases {
        let mut account = Account::new(now);
        account.charge(Read, Everyday, now).unwrap();
        account.correct(&headers([90; 4]), moment(answered));
        assert_eq!(used(&account, now), is, "answered {answered}");
    }
}

#[test]
fn an_answer_from_the_next_window_opens_it() {
    let mut account = having_used([200, 100, 500, 400]);
    let next = moment("2026-11-18T12:15:00Z");
    account.correct(&headers([1, 1, 501, 401]), next);
    assert_eq!(used(&account, next), [1, 1, 501, 401]);
    account.charge(Read, Everyday, next).unwrap();
}

#[test]
fn limits_are_learned_from_headers_even_from_late_ones() {
    let limits = |limit_15min, limit_day| Quota { limit_15min, limit_day, ..Quota::default() };
    let mut account = having_used([200, 100, 200, 100]);
    let reading = Reading { overall: limits(Some(600), None), read: limits(Some(300), Some(3000)) };
    account.correct(&reading, moment("2026-11-18T11:00:00Z"));
    let view = account.view(noon());
    let learned = [view.overall_15min, view.read_15min, view.overall_day, view.read_day].map(|it| it.limit);
    assert_eq!(learned, [600, 300, 2000, 3000]);
    account.charge(Read, Everyday, noon()).unwrap();
    account.correct(&Reading { overall: limits(Some(10), None), read: Quota::default() }, noon());
    account.charge(Upload, Everyday, noon()).unwrap_err();
}

#[test]
fn a_pause_holds_until_its_end_and_login_ends_all_but_a_429s() {
    let until = moment("2026-11-18T12:15:00Z");
    let later = moment("2026-11-19T12:01:00Z");
    let inactive = Full { until: later, why: FullReason::Inactive };
    let limited = Full { until, why: FullReason::Limited };
    let mut account = Account::new(noon());
    account.pause(inactive);
    account.pause(limited);
    for purpose in [Everyday, Backfill] {
        assert_eq!(account.charge(Upload, purpose, noon()), Err(inactive));
    }
    account.clear();
    assert_eq!(account.charge(Upload, Everyday, noon()), Err(limited));
    assert_eq!(account.charge(Upload, Everyday, until - secs(1)), Err(limited));
    account.charge(Upload, Everyday, until).unwrap();
}

#[test]
fn of_two_429s_the_later_end_counts_and_an_own_count_that_is_spent_is_no_pause() {
    let (early, late) = (moment("2026-11-18T12:15:00Z"), moment("2026-11-19T00:00:00Z"));
    for order in [[early, late], [late, early]] {
        let mut account = Account::new(noon());
        for until in order {
            account.pause(Full { until, why: FullReason::Limited });
        }
        account.pause(Full { until: moment("2027-01-01T00:00:00Z"), why: FullReason::Spent });
        assert_eq!(account.charge(Read, Everyday, early).unwrap_err().until, late);
        account.charge(Read, Everyday, late).unwrap();
    }
}

#[test]
fn a_429_ends_with_the_day_where_a_days_limit_is_reached_else_with_the_quarter() {
    let quota = |used_15min, used_day| Quota {
        used_15min: Some(used_15min),
        used_day: Some(used_day),
        limit_15min: Some(100),
        limit_day: Some(1000),
    };
    let none = Quota::default();
    let no_limit = Quota { limit_day: None, ..quota(100, 5000) };
    let (quarter, midnight) = ("2026-11-18T12:15:00Z", "2026-11-19T00:00:00Z");
    let cases = [
        (quota(100, 999), none, quarter),
        (quota(100, 1000), none, midnight),
        (none, quota(0, 1000), midnight),
        (quota(0, 1), quota(0, 1001), midnight),
        (none, none, quarter),
        (no_limit, none, quarter),
    ];
    for (overall, read, until) in cases {
        assert_eq!(limited_until(&Reading { overall, read }, noon()), moment(until), "{overall:?} {read:?}");
    }
}

#[test]
fn a_clock_that_goes_back_opens_no_window_twice() {
    let mut account = having_used([200, 100, 2000, 1000]);
    for back in ["2026-11-18T11:59:00Z", "2026-11-17T12:00:00Z", "2020-01-01T00:00:00Z"] {
        account.charge(Upload, Everyday, moment(back)).unwrap_err();
        account.correct(&headers([0; 4]), moment(back));
        assert_eq!(account.at, noon(), "the later windows stay in force");
        assert_eq!(used(&account, moment(back)), [200, 100, 2000, 1000]);
    }
}

proptest! {
    /// Counted by somebody who knows nothing but the clock: no window ever gets more than its limit, and a
    /// backfill leaves its reserve.
    #[test]
    fn no_window_ever_gets_more_than_its_limit(requests in any_requests(2_500)) {
        let mut account = Account::new(noon());
        let mut now = noon();
        let mut granted: Vec<(Kind, Purpose, Timestamp)> = Vec::new();
        for (pause, kind, purpose) in requests {
            now += secs(pause);
            if account.charge(kind, purpose, now).is_ok() {
                granted.push((kind, purpose, now));
            }
        }
        let windows: [(End, usize, usize, usize); 2] =
            [(next_quarter, 200, 100, 5), (next_day, 2000, 1000, 25)];
        for (end, overall, read, reserve) in windows {
            for window in granted.chunk_by(|a, b| end(a.2) == end(b.2)) {
                let reads = window.iter().filter(|(kind, ..)| *kind == Read).count();
                prop_assert!(window.len() <= overall && reads <= read);
                if let Some(last) = window.iter().rposition(|(_, purpose, _)| *purpose == Backfill) {
                    prop_assert!(last < overall - reserve);
                }
            }
        }
    }

    /// What is refused is granted at the moment that the refusal names.
    #[test]
    fn a_refusal_names_the_moment_of_the_next_grant(requests in any_requests(400)) {
        let mut account = having_used([150, 60, 1_800, 800]);
        let mut now = noon();
        for (pause, kind, purpose) in requests {
            now += secs(pause % 10);
            if let Err(full) = account.charge(kind, purpose, now) {
                prop_assert!(full.until > now);
                prop_assert!(account.clone().charge(kind, purpose, full.until - secs(1)).is_err());
                // A day's end is a quarter's end too, and a quarter may end into a day that is spent.
                let mut later = account.clone();
                if let Err(still) = later.charge(kind, purpose, full.until) {
                    prop_assert_eq!(still.until, next_day(full.until));
                }
            }
        }
    }

    /// Corrections only ever count more within a window.
    #[test]
    fn no_answer_makes_a_window_emptier(own in any_counts(), header in any_counts(), late in 0..2_000_i64) {
        let mut account = having_used(own);
        account.correct(&headers(header), noon() - secs(late));
        let after = used(&account, noon());
        for window in 0..4 {
            prop_assert!(after[window] == own[window] || after[window] == own[window].max(header[window]));
        }
    }
}

// ------------------------------------------------------------------------------------- helpers

// ------------------------------------------------------------------------------------------- a history's slices

proptest! {
    /// What a slice is said to hold is granted, with its look, in this quarter of an hour and the next.
    #[test]
    fn a_slice_with_its_look_is_granted_within_two_quarters(used in prop::array::uniform4(0..2_100_u32)) {
        let mut account = having_used(used);
        let mut now = noon();
        // A quarter of an hour may begin on a day that is spent.
        while let Err(until) = account.view(now).slice(now) {
            prop_assert!(until > now);
            now = until;
        }
        let slice = account.view(now).slice(now).unwrap();
        prop_assert!(slice > 0);
        let until = next_quarter(next_quarter(now));
        for kind in [Read, Read].into_iter().chain((0..slice).map(|_| Upload)) {
            while let Err(full) = account.charge(kind, Backfill, now) {
                now = full.until;
            }
        }
        prop_assert!(now < until, "{now}");
    }

    /// The estimate is what comes of it where nobody else asks and nothing takes time.
    #[test]
    fn the_estimate_of_a_history_is_what_the_account_grants(
        used in prop::array::uniform4(0..2_100_u32), uploads in 0..9_000_u64,
    ) {
        let mut account = having_used(used);
        let estimate = account.view(noon()).last_upload(uploads, noon());
        let (mut now, mut left) = (noon(), uploads);
        while left > 0 {
            match account.view(now).slice(now) {
                Err(until) => now = until,
                Ok(slice) => {
                    let sent = left.min(slice.into());
                    for kind in [Read, Read].into_iter().chain((0..sent).map(|_| Upload)) {
                        while let Err(full) = account.charge(kind, Backfill, now) {
                            now = full.until;
                        }
                    }
                    left -= sent;
                }
            }
        }
        prop_assert_eq!(estimate, Some(now));
    }
}

#[test]
fn a_day_of_a_new_app_holds_1950_uploads_of_a_history_and_limits_below_the_reserve_none() {
    let midnight = moment("2026-11-18T00:00:00Z");
    let view = Account::new(midnight).view(midnight);
    assert!(view.last_upload(1_950, midnight).unwrap() < moment("2026-11-19T00:00:00Z"));
    assert!(view.last_upload(1_976, midnight).unwrap() >= moment("2026-11-19T00:00:00Z"));
    let mut tiny = Account::new(midnight);
    tiny.overall_15min.limit = 7;
    assert_eq!(tiny.view(midnight).last_upload(1, midnight), None);
}

#[test]
fn a_history_leaves_its_reserve_to_the_everyday_tick() {
    let view = having_used([190, 0, 190, 0]).view(noon());
    assert_eq!((view.uploads(Everyday, noon()), view.uploads(Backfill, noon())), (10, 5));
    assert_eq!(view.slice(noon()), Err(moment("2026-11-18T12:15:00Z")), "three and a look are not worth it");
    let day = having_used([0, 0, 1_970, 0]).view(noon());
    assert_eq!(day.slice(noon()), Err(moment("2026-11-19T00:00:00Z")));
}

fn noon() -> Timestamp {
    moment("2026-11-18T12:01:00Z")
}

/// Overall and read in 15 minutes, overall and read in the day.
fn having_used([overall_15min, read_15min, overall_day, read_day]: [u32; 4]) -> Account {
    let mut account = Account::new(noon());
    account.overall_15min.used = overall_15min;
    account.read_15min.used = read_15min;
    account.overall_day.used = overall_day;
    account.read_day.used = read_day;
    account
}

fn used(account: &Account, now: Timestamp) -> [u32; 4] {
    let view = account.view(now);
    [view.overall_15min, view.read_15min, view.overall_day, view.read_day].map(|gauge| gauge.used)
}

fn headers([overall_15min, read_15min, overall_day, read_day]: [u32; 4]) -> Reading {
    let quota = |quarter, day| Quota { used_15min: Some(quarter), used_day: Some(day), ..Quota::default() };
    Reading { overall: quota(overall_15min, overall_day), read: quota(read_15min, read_day) }
}

fn spent_until(until: Option<&str>) -> Result<(), Full> {
    until.map_or(Ok(()), |until| Err(Full { until: moment(until), why: FullReason::Spent }))
}

/// The end of the window that a moment lies in, which names the window.
type End = fn(Timestamp) -> Timestamp;

fn any_counts() -> impl Strategy<Value = [u32; 4]> {
    prop::array::uniform4(0..300_u32)
}

fn any_requests(most: usize) -> impl Strategy<Value = Vec<(i64, Kind, Purpose)>> {
    let pause = prop_oneof![50 => 0..3_i64, 1 => 0..1_200_i64];
    prop::collection::vec((pause, select(vec![Read, Upload]), select(vec![Everyday, Backfill])), 0..most)
}
