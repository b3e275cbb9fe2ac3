//! *Blame*: trouble with a service is never booked on an activity.

use fitferry_core::engine::report::Trouble;
use fitferry_core::ledger::{Cause, RejectReason, SkipReason, State};
use fitferry_core::ports::{Ledger as _, PortError};
use fitferry_sandbox::garmin::Parcel;
use fitferry_sandbox::{Route, What, When};
use jiff::SignedDuration;

use crate::runner::Runner;

#[tokio::test]
async fn an_hour_of_503_from_strava_uses_no_attempt() {
    an_hour_of_503(Route::AnyStravaApi).await;
}

#[tokio::test]
async fn an_hour_of_503_from_garmin_uses_no_attempt() {
    an_hour_of_503(Route::AnyGarminApi).await;
}

async fn an_hour_of_503(route: Route) {
    let runner = Runner::new().await;
    runner.tick().await;
    let ids: Vec<_> = (1..=3).map(|hour| runner.run_ago(hour)).collect();
    let end = runner.now() + SignedDuration::from_hours(1);
    runner.fault(route, When::Until(end), What::Status(503));
    let mark = runner.mark();
    runner.tick_for(SignedDuration::from_mins(59)).await;
    assert!(runner.asked(mark, Route::GarminList) <= 70);
    let asked = runner.sandbox.log()[mark..].iter().filter(|seen| seen.status == Some(503)).count();
    assert!((4..=10).contains(&asked), "1, 2, 5, 15 min apart: {asked}");
    runner.tick_for(SignedDuration::from_mins(31)).await;
    for id in ids {
        let row = runner.row(id).await;
        assert!(matches!(row.state, State::Published { .. }), "{row:?}");
        assert_eq!(row.attempts(), 0);
    }
}

#[tokio::test]
async fn a_file_that_is_never_served_is_asked_for_six_times_in_two_days() {
    let runner = Runner::new().await;
    runner.tick().await;
    let never = runner.activity_ago(2, |activity| activity.parcel = Parcel::NotFound);
    let broken = runner.activity_ago(3, |activity| activity.parcel = Parcel::NullPointer);
    let fine = runner.run_ago(1);
    let mark = runner.mark();
    runner.tick().await;
    let row = runner.row(never).await;
    assert_eq!((row.cause, row.attempts()), (Some(Cause::GarminDownloadUnavailable), 1));
    assert!(matches!(runner.state(fine).await, State::Published { .. }), "it does not stop the others");
    for _ in 0..34 {
        runner.wait(SignedDuration::from_hours(1));
        runner.tick().await;
    }
    assert!(matches!(runner.state(never).await, State::Skipped { reason: SkipReason::NoFile, .. }));
    assert!(matches!(runner.state(broken).await, State::Rejected { reason: RejectReason::GarminError, .. }));
    assert_eq!(runner.asked(mark, Route::GarminDownload), 1 + 6 + 6);
}

#[tokio::test]
async fn a_web_page_instead_of_one_file_stops_nobody_and_ends_some_day() {
    let runner = Runner::new().await;
    runner.tick().await;
    let page = runner.activity_ago(9, |activity| activity.parcel = Parcel::Html);
    let younger: Vec<_> = (1..=3).map(|hour| runner.run_ago(hour)).collect();
    runner.tick().await;
    for id in younger {
        assert!(matches!(runner.state(id).await, State::Published { .. }), "{id}");
    }
    for _ in 0..34 {
        runner.wait(SignedDuration::from_hours(1));
        runner.tick().await;
    }
    assert!(matches!(runner.state(page).await, State::Rejected { reason: RejectReason::GarminError, .. }));
}

#[tokio::test]
async fn what_the_service_fails_at_time_and_again_does_not_stop_the_others() {
    let runner = Runner::new().await;
    runner.tick().await;
    let oldest = runner.run_ago(9);
    let younger = runner.run_ago(1);
    // Every other download is answered 502: the oldest one's, as long as it goes first.
    let mark = runner.mark();
    for _ in 0..3 {
        runner.fault(Route::GarminDownload, When::Nth(1), What::Status(502));
        runner.tick().await;
        runner.wait(SignedDuration::from_mins(16));
    }
    assert_eq!(runner.asked(mark, Route::GarminDownload), 3);
    runner.fault(Route::GarminDownload, When::Nth(2), What::Status(502));
    runner.tick().await;
    assert!(matches!(runner.state(younger).await, State::Published { .. }));
    let row = runner.row(oldest).await;
    assert_eq!((row.state.clone(), row.attempts()), (State::Wanted, 0));
}

#[tokio::test]
async fn a_file_that_is_served_later_crosses_then() {
    let runner = Runner::new().await;
    let later = runner.now() + SignedDuration::from_mins(5);
    let id = runner.activity_ago(1, |activity| activity.served_from = Some(later));
    runner.tick_for(SignedDuration::from_mins(15)).await;
    assert!(matches!(runner.state(id).await, State::Published { .. }));
}

#[tokio::test]
async fn a_fault_of_transport_is_tried_three_times_at_once() {
    let runner = Runner::new().await;
    runner.tick().await;
    runner.activity_ago(1, |activity| activity.parcel = Parcel::WrongCrc);
    let mark = runner.mark();
    runner.tick().await;
    assert_eq!(runner.asked(mark, Route::GarminDownload), 3);
}

#[tokio::test]
async fn after_garmins_429_the_next_ticks_wait_longer_and_longer() {
    let runner = Runner::new().await;
    runner.tick().await;
    runner.fault(Route::GarminList, When::Next(5), What::TooManyRequests { retry_after: Some(14) });
    let mark = runner.mark();
    let report = runner.tick().await;
    assert!(matches!(report.trouble, Some(Trouble::Port(PortError::Limited { .. }))), "{:?}", report.trouble);
    assert_eq!(runner.asked(mark, Route::GarminList), 1, "never a request within the same tick");
    // 1, 2, 4, 8, 15 minutes.
    runner.tick_for(SignedDuration::from_mins(28)).await;
    assert_eq!(runner.asked(mark, Route::GarminList), 5);
    runner.tick_for(SignedDuration::from_mins(5)).await;
    let (head, _) = runner.store.athlete("me").head().await.unwrap();
    assert!(head.garmin_429_minutes < 15, "halved by each good tick");
}

#[tokio::test]
async fn an_inactive_app_is_left_alone_for_a_day_and_nothing_is_lost() {
    let runner = Runner::new().await;
    let id = runner.run_ago(1);
    for app in runner.world().strava.apps.values_mut() {
        app.active = false;
    }
    let report = runner.tick().await;
    assert!(
        matches!(report.trouble, Some(Trouble::Port(PortError::AppInactive { .. }))),
        "{:?}",
        report.trouble
    );
    let mark = runner.mark();
    runner.tick_for(SignedDuration::from_hours(1)).await;
    assert_eq!(runner.asked(mark, Route::StravaList), 0);
    for app in runner.world().strava.apps.values_mut() {
        app.active = true;
    }
    runner.wait(SignedDuration::from_hours(24));
    runner.tick().await;
    assert_eq!(runner.copies(id), 1);
}

#[tokio::test]
async fn html_where_a_list_was_promised_is_no_list() {
    let runner = Runner::new().await;
    let id = runner.run_ago(1);
    runner.fault(Route::GarminList, When::Nth(1), What::Html(200));
    let report = runner.tick().await;
    assert!(matches!(report.trouble, Some(Trouble::Port(PortError::Refused { .. }))), "{:?}", report.trouble);
    runner.tick_for(SignedDuration::from_mins(2)).await;
    assert_eq!(runner.copies(id), 1);
}
