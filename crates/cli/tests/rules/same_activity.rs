//! *Same activity*: what a duplicate answer means. The numbers are tested beside the core.

use fitferry_core::ledger::{How, RejectReason, State};
use fitferry_sandbox::strava::{self, Duplicates, Plan, PlanFor, PlannedEnd, StravaActivity, Tell};
use fitferry_sandbox::{Route, What, When};
use jiff::SignedDuration;

use crate::runner::Runner;

/// The next upload ends with this error text.
fn ends_with(runner: &Runner, error: &str) {
    let end = PlannedEnd::Error(error.to_owned());
    runner.world().strava.plans.push(Plan { who: PlanFor::Every, processing: None, list_lag: None, end });
}

#[tokio::test]
async fn a_duplicate_of_another_activity_is_rejected_and_names_it() {
    let runner = Runner::new().await;
    let id = runner.run_ago(5);
    let start = runner.world().garmin.activities[&id.0].start.unwrap() + SignedDuration::from_mins(10);
    let other = StravaActivity::other(strava::ATHLETE, "A phone's recording", "Run", start, 4000.0);
    let other = runner.world().strava.add(other);
    ends_with(
        &runner,
        &format!("garmin-{id}.fit duplicate of <a href='/activities/{other}' target='_blank'>x</a>"),
    );
    runner.tick().await;
    let State::Rejected { reason: RejectReason::OverlapsOther, detail } = runner.state(id).await else {
        panic!("{:?}", runner.state(id).await);
    };
    assert!(detail.unwrap_or_default().contains(&other.to_string()));
}

#[tokio::test]
async fn a_duplicate_of_the_same_activity_is_published() {
    let runner = Runner::new().await;
    {
        let mut world = runner.world();
        world.strava.settings.duplicates = Duplicates::LIKELY;
        world.strava.settings.tell = Tell::AtPost400;
        // Shown only later: the look before the upload misses it.
        world.strava.settings.list_lag = SignedDuration::from_mins(3);
    }
    let id = runner.run_ago(5);
    // Another copy of this program, with a ledger of its own, sent it a moment ago.
    let (start, elapsed_s, file) = {
        let world = runner.world();
        let activity = &world.garmin.activities[&id.0];
        (activity.start.unwrap(), activity.elapsed_s.unwrap(), activity.file.clone())
    };
    let now = runner.now();
    runner.world().strava.add(StravaActivity {
        external_id: Some(format!("garmin-{id}.fit")),
        sha256: Some(strava::sha256(&file)),
        upload_id: Some(17_300_000_000),
        listed_from: now + SignedDuration::from_mins(3),
        ..StravaActivity::other(strava::ATHLETE, "A Run", "Run", start, elapsed_s)
    });
    runner.tick().await;
    assert!(matches!(runner.state(id).await, State::Submitting { .. }), "not listed yet: looked for again");
    runner.tick_for(SignedDuration::from_mins(20)).await;
    assert!(matches!(runner.state(id).await, State::Published { how: How::Duplicate, .. }));
    assert_eq!(runner.copies(id), 1);
}

#[tokio::test]
async fn a_duplicate_that_names_nothing_is_looked_for_again_and_then_rejected() {
    let runner = Runner::new().await;
    let id = runner.run_ago(5);
    ends_with(&runner, "garmin.fit duplicate of something");
    runner.tick().await;
    assert!(matches!(runner.state(id).await, State::Submitted { .. }));
    runner.tick_for(SignedDuration::from_mins(17)).await;
    assert!(matches!(runner.state(id).await, State::Rejected { reason: RejectReason::OverlapsOther, .. }));
}

#[tokio::test]
async fn a_duplicate_that_names_nothing_is_published_where_the_later_look_shows_it() {
    let runner = Runner::new().await;
    let id = runner.run_ago(5);
    ends_with(&runner, "garmin.fit duplicate of something");
    runner.tick().await;
    let (start, elapsed_s) = {
        let world = runner.world();
        let activity = &world.garmin.activities[&id.0];
        (activity.start.unwrap(), activity.elapsed_s.unwrap())
    };
    let phone = StravaActivity::other(strava::ATHLETE, "A phone's recording", "Run", start, elapsed_s);
    runner.world().strava.add(phone);
    runner.tick_for(SignedDuration::from_mins(17)).await;
    assert!(matches!(runner.state(id).await, State::Published { how: How::Duplicate, .. }));
}

#[tokio::test]
async fn an_upload_whose_number_strava_has_forgotten_is_found_in_the_list() {
    let runner = Runner::new().await;
    let id = runner.run_ago(5);
    runner.fault(Route::StravaUploadStatus, When::Always, What::Status(404));
    runner.tick().await;
    assert!(matches!(runner.state(id).await, State::Submitted { .. }));
    runner.tick_for(SignedDuration::from_mins(3)).await;
    assert!(matches!(runner.state(id).await, State::Published { how: How::Uploaded, .. }));
    assert_eq!(runner.copies(id), 1);
}
