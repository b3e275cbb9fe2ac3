//! *Garmin's own link*: noticed, told once, and waited for.

use fitferry_core::engine::Since;
use fitferry_core::engine::backfill::Span;
use fitferry_core::engine::report::Note;
use fitferry_core::ledger::{Cause, How, State};
use fitferry_sandbox::Route;
use jiff::SignedDuration;
use jiff::civil::date;

use crate::runner::Runner;

#[tokio::test]
async fn while_it_is_on_a_new_activity_is_held_and_its_copy_is_found() {
    let runner = Runner::new().await;
    runner.world().garmin_link = Some(SignedDuration::from_mins(10));
    let before = runner.run_ago(5);
    let report = runner.tick().await;
    assert!(report.notes.contains(&Note::LinkOn), "{:?}", report.notes);
    assert!(matches!(runner.state(before).await, State::Published { how: How::AlreadyThere, .. }));

    let now = runner.now();
    let id = runner.activity_ago(1, |activity| activity.listed_from = Some(now));
    let mark = runner.mark();
    let report = runner.tick().await;
    assert!(!report.notes.contains(&Note::LinkOn), "told once");
    assert_eq!(runner.row(id).await.cause, Some(Cause::Hold));
    runner.tick_for(SignedDuration::from_mins(31)).await;
    assert!(matches!(runner.state(id).await, State::Published { how: How::AlreadyThere, .. }));
    assert_eq!(runner.asked(mark, Route::StravaUpload), 0);
}

#[tokio::test]
async fn a_copy_that_it_delivers_after_ours_is_reported_and_left_alone() {
    let runner = Runner::new().await;
    let now = runner.now();
    let id = runner.activity_ago(1, |activity| activity.listed_from = Some(now));
    runner.tick().await;
    assert_eq!(runner.copies(id), 1);
    runner.world().garmin_link = Some(SignedDuration::from_mins(40));
    runner.wait(SignedDuration::from_hours(1));
    runner.run_ago(0);
    let report = runner.tick().await;
    assert!(report.notes.iter().any(|note| matches!(note, Note::CopyByLink { .. })), "{:?}", report.notes);
}

#[tokio::test]
async fn a_history_does_not_wait_for_it_since_it_delivers_only_what_is_new() {
    let mut runner = Runner::new().await;
    runner.settings.since = Since::Day(date(2026, 11, 18));
    runner.world().garmin_link = Some(SignedDuration::from_mins(10));
    let ids: Vec<_> = (10..20).map(|day| runner.run_ago(day * 24)).collect();
    runner.run_ago(5);
    let report = runner.tick().await;
    assert_eq!(report.head.link.on, Some(true));
    let began = runner.now();
    let end = runner.backfill(Span { from: date(2026, 1, 1), to: date(2026, 11, 18) }).await;
    assert_eq!((end.trouble, end.left), (None, Some(0)));
    assert!(began.duration_until(runner.now()) < SignedDuration::from_mins(5));
    for id in ids {
        assert!(matches!(runner.state(id).await, State::Published { .. } | State::Submitted { .. }), "{id}");
    }
}
