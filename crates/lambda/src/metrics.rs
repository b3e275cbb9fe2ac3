//! Metrics in CloudWatch's embedded format: a log line that is counted, no request of its own.
//!
//! At most eight, without a dimension, after ticks that worked and once an hour: each metric costs.

use fitferry_core::engine::report::Report;
use fitferry_core::ledger::State;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

/// The line of one tick.
pub fn line(report: &Report, is_troubled: bool, login_ends: Option<Timestamp>, now: Timestamp) -> Value {
    let count = |is: fn(&State) -> bool| report.rows.iter().filter(|row| is(&row.state)).count();
    let mut values = vec![
        ("Published", "Count", json!(count(|state| matches!(state, State::Published { .. })))),
        ("Skipped", "Count", json!(count(|state| matches!(state, State::Skipped { .. })))),
        ("Rejected", "Count", json!(count(|state| matches!(state, State::Rejected { .. })))),
        ("Open", "Count", json!(report.open.total())),
        ("Troubled", "Count", json!(u8::from(is_troubled))),
        ("GarminRequests", "Count", json!(report.requests.garmin)),
        ("StravaRequests", "Count", json!(report.requests.strava)),
    ];
    if let Some(ends) = login_ends {
        values.push(("LoginDaysLeft", "None", json!(days_left(ends, now))));
    }
    let metrics: Vec<Value> =
        values.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": now.as_millisecond(),
            "CloudWatchMetrics": [{ "Namespace": "fitferry", "Dimensions": [[]], "Metrics": metrics }],
        },
    });
    for (name, _, value) in values {
        line[name] = value;
    }
    line
}

/// Whole days, rounded down; negative once it has ended.
fn days_left(ends: Timestamp, now: Timestamp) -> i64 {
    ends.duration_since(now).as_hours().div_euclid(24)
}

/// Whether an hour has begun since the tick before. A cold process knows none: for it the first minute of
/// the hour counts, so that processes that never live for an hour tell all the same, and no two in a row.
pub fn hour_has_turned(before: Option<Timestamp>, due: Timestamp) -> bool {
    let before = before.unwrap_or_else(|| due.saturating_sub(1.minute()).unwrap_or(due));
    due.as_second().div_euclid(3600) > before.as_second().div_euclid(3600)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        format!("2026-11-25T{time}Z").parse().unwrap()
    }

    #[test]
    fn a_warm_process_tells_once_an_hour() {
        let mut before = Some(at("10:30:00"));
        let mut told = 0;
        for minute in 31..(31 + 240) {
            let due = at("10:00:00").checked_add(i64::from(minute).minutes()).unwrap();
            told += u32::from(hour_has_turned(before, due));
            before = Some(due);
        }
        assert_eq!(told, 4);
        assert!(hour_has_turned(Some(at("10:58:00")), at("11:03:00")), "a slower schedule");
        assert!(!hour_has_turned(Some(at("11:03:00")), at("10:59:00")), "a clock that was set back");
    }

    #[test]
    fn a_cold_process_tells_in_the_first_minute_of_the_hour() {
        assert!(hour_has_turned(None, at("11:00:00")));
        assert!(hour_has_turned(None, at("11:00:59")));
        assert!(!hour_has_turned(None, at("11:01:00")));
        assert!(!hour_has_turned(None, at("10:59:59")));
    }

    #[test]
    fn days_are_whole_and_go_below_zero() {
        let now = at("12:00:00");
        assert_eq!(days_left(now + jiff::SignedDuration::from_hours(14 * 24), now), 14);
        assert_eq!(days_left(now + jiff::SignedDuration::from_hours(14 * 24 - 1), now), 13);
        assert_eq!(days_left(now - jiff::SignedDuration::from_hours(1), now), -1);
    }
}
