//! A history under the limits of a new Strava app, in virtual time.

use fitferry_simulation::{measure_backfill, measure_naive};

#[test]
fn a_history_crosses_at_1950_a_day_without_a_429_and_the_everyday_tick_comes_in_time() {
    let measured = measure_backfill(5_000);
    assert_eq!(measured.violation, None);
    let days = measured.whole_days();
    assert!(!days.is_empty() && days.iter().all(|uploads| *uploads >= 1_950), "{:?}", measured.by_day);
    assert_eq!(measured.limited, 0);
    assert!(measured.requests_each() <= 1.02, "{}", measured.requests_each());
    assert!(measured.late_periods <= 2.0, "{}", measured.late_periods);
    // The loop that everybody writes first, in the same world.
    let naive = measure_naive(1_000);
    assert!(naive.requests_each() > 2.0 * measured.requests_each());
    assert!(naive.limited > 0);
}
