//! *Lease*: one run at a time; a write under an old lease is refused.

use std::sync::Arc;

use fitferry_core::engine::report::Trouble;
use fitferry_core::ledger::State;
use fitferry_core::ports::Lease as _;
use fitferry_sandbox::Route;
use jiff::{SignedDuration, Timestamp};

use crate::runner::Runner;

#[tokio::test]
async fn while_another_run_holds_the_lease_nothing_is_asked_for_and_nothing_written() {
    let runner = Runner::new().await;
    let id = runner.run_ago(2);
    let other = runner.store.athlete("me");
    other.take(Timestamp::MAX).await.unwrap().unwrap();
    let (mark, writes) = (runner.mark(), runner.store.writes());
    let report = runner.tick().await;
    assert_eq!(report.trouble, Some(Trouble::Busy));
    assert_eq!(runner.mark(), mark);
    assert_eq!(runner.store.writes(), writes);
    other.release().await.unwrap();
    runner.tick().await;
    assert!(matches!(runner.state(id).await, State::Published { .. }));
}

#[tokio::test]
async fn an_idle_tick_needs_no_lease() {
    let runner = Runner::new().await;
    runner.tick().await;
    runner.wait(SignedDuration::from_mins(1));
    let other = runner.store.athlete("me");
    other.take(Timestamp::MAX).await.unwrap().unwrap();
    assert_eq!(runner.tick().await.trouble, None);
}

#[tokio::test]
async fn two_athletes_do_not_exclude_each_other() {
    let runner = Runner::new().await;
    let id = runner.run_ago(2);
    let anna = Arc::new(runner.store.athlete("anna"));
    anna.take(Timestamp::MAX).await.unwrap().unwrap();
    let mark = runner.mark();
    runner.tick().await;
    assert_eq!(runner.asked(mark, Route::StravaUpload), 1);
    assert!(matches!(runner.state(id).await, State::Published { .. }));
}
