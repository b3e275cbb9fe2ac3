//! *Time*: windows and ends are read against the services' clocks.

use fitferry_core::engine::report::{Note, Trouble};
use fitferry_core::ledger::State;
use fitferry_core::ports::PortError;
use fitferry_sandbox::strava::PerWindow;
use jiff::SignedDuration;

use crate::runner::Runner;

#[tokio::test]
async fn a_clock_that_is_ahead_by_hours_is_told_and_changes_nothing() {
    off_by(SignedDuration::from_hours(5)).await;
}

#[tokio::test]
async fn a_clock_that_is_behind_by_hours_is_told_and_changes_nothing() {
    off_by(SignedDuration::from_hours(-5)).await;
}

async fn off_by(span: SignedDuration) {
    let mut runner = Runner::new().await;
    runner.clock_is_ahead_by(span);
    let id = runner.run_ago(1);
    let report = runner.tick().await;
    assert!(report.notes.iter().any(|note| matches!(note, Note::Skew(..))), "{:?}", report.notes);
    assert!(
        matches!(runner.state(id).await, State::Published { .. }),
        "{:?} {:?}",
        report.trouble,
        runner.state(id).await
    );
    for _ in 0..3 {
        runner.wait(SignedDuration::from_hours(7));
        let id = runner.run_ago(1);
        let report = runner.tick().await;
        assert!(matches!(runner.state(id).await, State::Published { .. }), "{:?}", report.trouble);
    }
}

/// Found by the simulation: the pause ended on our clock before it began, so the tick asked the account again,
/// and again, as fast as it could.
#[tokio::test]
async fn a_window_that_is_used_up_is_waited_out_by_a_machine_whose_clock_is_ahead() {
    let ahead = SignedDuration::from_hours(3);
    let mut runner = Runner::new().await;
    runner.clock_is_ahead_by(ahead);
    for app in runner.world().strava.apps.values_mut() {
        app.limits.overall = PerWindow { quarter: 6, day: 2_000 };
    }
    let ids: Vec<_> = (1..=8).map(|hour| runner.run_ago(hour * 5)).collect();
    let report = runner.tick().await;
    assert!(
        matches!(report.trouble, Some(Trouble::Port(PortError::BudgetFull { .. }))),
        "{:?}",
        report.trouble
    );
    // On our clock the pause ends when the quarter of an hour does on Strava's.
    let until = report.head.strava_pause.expect("it is paused").until.expect("until the quarter ends");
    let left = runner.now().duration_until(until - ahead);
    assert!(left.is_positive() && left <= SignedDuration::from_mins(15), "{left:#}");
    runner.tick_for(SignedDuration::from_hours(2)).await;
    for id in ids {
        assert!(matches!(runner.state(id).await, State::Published { .. }), "{id}");
    }
    assert_eq!(runner.sandbox.log().iter().filter(|seen| seen.status == Some(429)).count(), 0);
}
