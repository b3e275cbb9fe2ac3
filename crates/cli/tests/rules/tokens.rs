//! *Tokens*: renewed once, by the run that holds the lease.

use fitferry_core::engine::report::Trouble;
use fitferry_core::ledger::State;
use fitferry_core::ports::{Ledger as _, PortError, Service};
use fitferry_sandbox::Route;
use jiff::SignedDuration;

use crate::runner::Runner;

#[tokio::test]
async fn the_bearer_is_renewed_once_when_its_hour_comes_and_the_tick_is_idle_again() {
    let runner = Runner::new().await;
    runner.tick().await;
    let mark = runner.mark();
    runner.wait(SignedDuration::from_hours(23) + SignedDuration::from_mins(1));
    runner.tick().await;
    assert_eq!(runner.asked(mark, Route::GarminPersonalToken), 1);
    runner.tick_for(SignedDuration::from_hours(2)).await;
    assert_eq!(runner.asked(mark, Route::GarminPersonalToken), 1);
}

#[tokio::test]
async fn a_key_that_garmin_refuses_ends_the_login_until_another_is_there() {
    let runner = Runner::new().await;
    runner.tick().await;
    runner.world().garmin.tokens.revoke_key(fitferry_sandbox::garmin::API_KEY);
    runner.world().garmin.tokens.revoke_bearers(fitferry_sandbox::garmin::ATHLETE);
    let needed = |report: &fitferry_core::engine::report::Report| {
        matches!(
            &report.trouble,
            Some(Trouble::Port(PortError::LoginNeeded { service: Service::Garmin, .. }))
        )
    };
    assert!(needed(&runner.tick().await));
    let mark = runner.mark();
    assert!(needed(&runner.tick_for(SignedDuration::from_hours(3)).await), "said by every tick");
    assert_eq!(runner.mark(), mark, "and nothing is asked for");
}

#[tokio::test]
async fn strava_rotates_and_the_new_pair_is_used() {
    let runner = Runner::new().await;
    runner.tick().await;
    for _ in 0..4 {
        runner.wait(SignedDuration::from_hours(7));
        let id = runner.run_ago(1);
        runner.tick().await;
        assert!(matches!(runner.state(id).await, State::Published { .. }));
    }
    let (head, _) = runner.store.athlete("me").head().await.unwrap();
    assert_eq!(head.strava_pause, None);
}
