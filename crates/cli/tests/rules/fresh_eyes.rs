//! *Fresh eyes*: no upload without a complete look of the same tick.

use fitferry_core::engine::Hold;
use fitferry_core::ledger::{How, State};
use fitferry_sandbox::strava::{self, StravaActivity};
use fitferry_sandbox::{Route, What, When};
use jiff::SignedDuration;

use crate::runner::Runner;

#[tokio::test]
async fn what_was_put_on_strava_while_it_waited_is_found_and_not_sent() {
    let mut runner = Runner::new().await;
    runner.settings.hold = Hold::For(SignedDuration::from_hours(2));
    let id = runner.run_ago(3);
    runner.tick().await;
    assert_eq!(runner.state(id).await, State::Wanted);
    // Somebody uploads it by hand meanwhile.
    let (start, elapsed_s) = {
        let world = runner.world();
        let activity = &world.garmin.activities[&id.0];
        (activity.start.unwrap(), activity.elapsed_s.unwrap())
    };
    let by_hand = StravaActivity::other(strava::ATHLETE, "By hand", "Run", start, elapsed_s);
    runner.world().strava.add(by_hand);
    runner.wait(SignedDuration::from_hours(2));
    let mark = runner.mark();
    runner.tick().await;
    assert!(matches!(runner.state(id).await, State::Published { how: How::AlreadyThere, .. }));
    assert_eq!(runner.asked(mark, Route::StravaUpload), 0);
    assert_eq!(runner.asked(mark, Route::GarminDownload), 0);
}

#[tokio::test]
async fn a_look_that_failed_is_not_read_as_absence() {
    let runner = Runner::new().await;
    runner.tick().await;
    let id = runner.run_ago(3);
    runner.fault(Route::StravaList, When::Nth(1), What::CutBody);
    let mark = runner.mark();
    runner.tick().await;
    assert_eq!(runner.asked(mark, Route::StravaUpload), 0);
    assert_eq!(runner.state(id).await, State::Wanted);
    runner.tick_for(SignedDuration::from_mins(3)).await;
    assert_eq!(runner.copies(id), 1);
}

#[tokio::test]
async fn a_short_page_that_is_not_the_last_does_not_end_a_look() {
    let runner = Runner::new().await;
    runner.tick().await;
    runner.world().strava.settings.short_pages = true;
    let id = runner.run_ago(30);
    {
        let (start, elapsed_s) = {
            let world = runner.world();
            let activity = &world.garmin.activities[&id.0];
            (activity.start.unwrap(), activity.elapsed_s.unwrap())
        };
        let mut world = runner.world();
        // So many others around it that it shows on a later page, whichever way the list is ordered.
        for minute in 1..=220_i64 {
            for sign in [-1, 1] {
                let start = start + SignedDuration::from_mins(sign * 3 * minute);
                world.strava.add(StravaActivity::other(strava::ATHLETE, "Other", "Walk", start, 60.0));
            }
        }
        world.strava.add(StravaActivity::other(strava::ATHLETE, "By hand", "Run", start, elapsed_s));
    }
    runner.tick().await;
    assert!(matches!(runner.state(id).await, State::Published { how: How::AlreadyThere, .. }));
}
