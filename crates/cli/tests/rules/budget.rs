//! *Budget*: the request that would be answered 429 is not made.

use fitferry_core::engine::backfill::Span;
use fitferry_core::engine::report::Trouble;
use fitferry_core::ledger::State;
use fitferry_core::ports::PortError;
use fitferry_sandbox::Route;
use fitferry_sandbox::strava::PerWindow;
use jiff::SignedDuration;
use jiff::civil::date;

use crate::runner::Runner;

#[tokio::test]
async fn a_window_that_is_used_up_is_waited_out_without_a_429() {
    let runner = Runner::new().await;
    for app in runner.world().strava.apps.values_mut() {
        app.limits.overall = PerWindow { quarter: 12, day: 2_000 };
    }
    let ids: Vec<_> = (1..=20).map(|hour| runner.run_ago(hour * 5)).collect();
    let report = runner.tick().await;
    assert!(
        matches!(
            report.trouble,
            Some(Trouble::Port(PortError::BudgetFull { .. } | PortError::Limited { .. }))
        ),
        "{:?}",
        report.trouble
    );
    runner.tick_for(SignedDuration::from_hours(2)).await;
    for id in ids {
        assert!(matches!(runner.state(id).await, State::Published { .. }), "{id}");
    }
    let refused = runner.sandbox.log().iter().filter(|seen| seen.status == Some(429)).count();
    assert_eq!(refused, 0);
}

#[tokio::test]
async fn a_429_that_comes_all_the_same_is_obeyed() {
    let runner = Runner::new().await;
    let id = runner.run_ago(1);
    // Another tool has used up the app's quarter of an hour.
    for app in runner.world().strava.apps.values_mut() {
        app.limits.read = PerWindow { quarter: 0, day: 1_000 };
    }
    runner.tick().await;
    let mark = runner.mark();
    runner.tick_for(SignedDuration::from_mins(5)).await;
    assert_eq!(runner.asked(mark, Route::StravaList), 0);
    for app in runner.world().strava.apps.values_mut() {
        app.limits.read = PerWindow { quarter: 100, day: 1_000 };
    }
    runner.tick_for(SignedDuration::from_mins(15)).await;
    assert_eq!(runner.copies(id), 1);
}

#[tokio::test]
async fn a_history_waits_for_the_windows_by_itself_and_meets_no_429() {
    let runner = Runner::new().await;
    for app in runner.world().strava.apps.values_mut() {
        app.limits.overall = PerWindow { quarter: 30, day: 2_000 };
    }
    let ids: Vec<_> = (1..=60).map(|day| runner.run_ago(day * 24 + 96)).collect();
    let began = runner.now();
    let span = Span { from: date(2026, 1, 1), to: date(2026, 11, 18) };
    let end = runner.backfill(span).await;
    assert_eq!((end.trouble, end.left, end.done), (None, Some(0), 60));
    assert!(began.duration_until(runner.now()) >= SignedDuration::from_mins(29), "sixty need three quarters");
    let log = runner.sandbox.log();
    let mut by_quarter = std::collections::BTreeMap::<i64, usize>::new();
    for seen in log.iter().filter(|seen| seen.route.is_strava_api()) {
        assert_ne!(seen.status, Some(429));
        *by_quarter.entry(seen.at.as_second() / 900).or_default() += 1;
    }
    assert!(by_quarter.values().all(|requests| *requests <= 30), "{by_quarter:?}");
    runner.tick_for(SignedDuration::from_hours(1)).await;
    for id in ids {
        assert!(matches!(runner.state(id).await, State::Published { .. }), "{id}");
        assert_eq!(runner.copies(id), 1);
    }
}
