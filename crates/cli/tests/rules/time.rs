//! *Time*: windows and ends are read against the services' clocks.

use fitferry_core::engine::report::Note;
use fitferry_core::ledger::State;
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
