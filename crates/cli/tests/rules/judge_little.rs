//! *Judge little*: our parser is never the reason that a run is missing.

use fitferry_core::ledger::{RejectReason, State};
use fitferry_core::ports::{Lease as _, Ledger};
use fitferry_sandbox::Route;
use fitferry_sandbox::garmin::Parcel;
use fitferry_sandbox::generate;
use jiff::Timestamp;

use crate::runner::Runner;

#[tokio::test]
async fn a_damaged_file_goes_up_and_strava_judges() {
    let runner = Runner::new().await;
    let id = runner.activity_ago(2, |activity| {
        activity.file = generate::truncate(std::mem::take(&mut activity.file));
    });
    let mark = runner.mark();
    runner.tick().await;
    assert_eq!(runner.asked(mark, Route::StravaUpload), 1);
    let State::Rejected { reason: RejectReason::MalformedFile, detail } = runner.state(id).await else {
        panic!("{:?}", runner.state(id).await);
    };
    let detail = detail.unwrap_or_default();
    assert!(detail.contains("Strava:") && detail.contains("seen here:"), "both reasons: {detail}");
}

#[tokio::test]
async fn what_is_certain_is_rejected_here_and_force_sends_even_that() {
    let runner = Runner::new().await;
    let id = runner.activity_ago(2, |activity| activity.file = b"a shopping list".to_vec());
    let mark = runner.mark();
    runner.tick().await;
    assert!(matches!(runner.state(id).await, State::Rejected { reason: RejectReason::NotAnActivity, .. }));
    assert_eq!(runner.asked(mark, Route::StravaUpload), 0);

    let athlete = runner.store.athlete("me");
    let fence = athlete.take(Timestamp::MAX).await.unwrap().unwrap();
    let (mut row, version) = Ledger::get(&athlete, id).await.unwrap().unwrap();
    row.user_retries(true, runner.now()).unwrap();
    athlete.put(&row, version, fence).await.unwrap();
    let (mut head, version) = athlete.head().await.unwrap();
    head.next_due = None;
    athlete.put_head(version, &head, fence).await.unwrap();
    athlete.release().await.unwrap();
    runner.tick().await;
    assert_eq!(runner.asked(mark, Route::StravaUpload), 1);
    assert!(matches!(runner.state(id).await, State::Rejected { reason: RejectReason::RefusedByStrava, .. }));
}

#[tokio::test]
async fn an_entry_is_known_by_its_content_and_not_by_its_name() {
    let runner = Runner::new().await;
    let id =
        runner.activity_ago(2, |activity| activity.parcel = Parcel::ZipNamed("../../etc/passwd.TXT".into()));
    runner.tick().await;
    assert_eq!(runner.copies(id), 1);
}

#[tokio::test]
async fn a_file_that_comes_in_no_archive_crosses_too() {
    let runner = Runner::new().await;
    let id = runner.activity_ago(2, |activity| activity.parcel = Parcel::Raw);
    runner.tick().await;
    assert_eq!(runner.copies(id), 1);
}
