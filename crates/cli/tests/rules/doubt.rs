//! *Doubt*: an upload without an answer is settled by sight, or by time and two complete looks.

use fitferry_core::ledger::{How, RejectReason, State};
use fitferry_sandbox::strava::Duplicates;
use fitferry_sandbox::{Route, What, When};
use jiff::SignedDuration;

use crate::runner::Runner;

const QUARTER: SignedDuration = SignedDuration::from_mins(15);

#[tokio::test]
async fn an_answer_that_was_lost_is_settled_by_finding_our_external_id() {
    let runner = Runner::new().await;
    runner.world().strava.settings.duplicates = Duplicates::NONE;
    let id = runner.run_ago(3);
    runner.fault(Route::StravaUpload, When::Nth(1), What::DropAfter);
    let mark = runner.mark();
    runner.tick_for(SignedDuration::from_mins(10)).await;
    assert!(matches!(runner.state(id).await, State::Published { how: How::Uploaded, .. }));
    assert_eq!(runner.asked(mark, Route::StravaUpload), 1);
}

#[tokio::test]
async fn nothing_is_sent_again_before_the_quarter_of_an_hour_and_two_looks_after_it() {
    let runner = Runner::new().await;
    runner.world().strava.settings.duplicates = Duplicates::NONE;
    let id = runner.run_ago(3);
    runner.fault(Route::StravaUpload, When::Nth(1), What::DropBefore);
    let mark = runner.mark();
    runner.tick_for(QUARTER).await;
    assert_eq!(runner.asked(mark, Route::StravaUpload), 1, "too early");
    assert!(matches!(runner.state(id).await, State::Submitting { attempt: 1, .. }));
    // Looks are two minutes apart, and the doubt's quarter of an hour begins when the request has ended.
    assert!(runner.asked(mark, Route::StravaList) <= 10);
    runner.tick_for(SignedDuration::from_mins(6)).await;
    assert_eq!(runner.asked(mark, Route::StravaUpload), 2);
    assert_eq!(runner.copies(id), 1);
    assert_eq!(runner.row(id).await.counted_resends, 1);
}

#[tokio::test]
async fn after_two_counted_resends_nobody_will_know() {
    let runner = Runner::new().await;
    let id = runner.run_ago(3);
    runner.fault(Route::StravaUpload, When::Always, What::DropBefore);
    let mark = runner.mark();
    runner.tick_for(SignedDuration::from_hours(3)).await;
    assert_eq!(runner.asked(mark, Route::StravaUpload), 3);
    assert!(matches!(runner.state(id).await, State::Rejected { reason: RejectReason::UnknownOutcome, .. }));
}

#[tokio::test]
async fn a_resend_after_a_5xx_is_the_services_trouble() {
    let runner = Runner::new().await;
    let id = runner.run_ago(3);
    runner.fault(Route::StravaUpload, When::Next(3), What::Status(503));
    let mark = runner.mark();
    runner.tick_for(SignedDuration::from_hours(9)).await;
    assert!(matches!(runner.state(id).await, State::Published { .. }), "{:?}", runner.state(id).await);
    assert_eq!(runner.asked(mark, Route::StravaUpload), 4, "15 min, 1 h and 6 h apart");
    assert_eq!(runner.row(id).await.attempts(), 0);
}

#[tokio::test]
async fn without_sight_of_private_ones_nothing_is_sent_again() {
    let runner = Runner::with_scopes(&["read", "activity:read", "activity:write"]).await;
    let id = runner.run_ago(3);
    runner.fault(Route::StravaUpload, When::Nth(1), What::DropBefore);
    let mark = runner.mark();
    for _ in 0..52 {
        runner.tick().await;
        runner.wait(SignedDuration::from_mins(30));
    }
    assert_eq!(runner.asked(mark, Route::StravaUpload), 1);
    let State::Rejected { reason: RejectReason::UnknownOutcome, detail } = runner.state(id).await else {
        panic!("{:?}", runner.state(id).await);
    };
    assert!(detail.unwrap_or_default().contains("fitferry login strava"));
}
