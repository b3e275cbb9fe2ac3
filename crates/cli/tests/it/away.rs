//! *Far enough back* and *Blame*: a long absence, and services that are down.

use fitferry_sandbox::{Fault, Options, Route, What, When};

use crate::home::{Home, add_run, list, world};

#[test]
fn after_sixty_days_without_a_login_everything_crosses_at_the_next_sync() {
    let mut world = world();
    add_run(&mut world, "Before", 61.0);
    let home = Home::signed_in(world, Options::default());
    home.sync_until_settled();
    {
        let mut world = home.world();
        for day in 0..40 {
            add_run(&mut world, "While away", f64::from(day).mul_add(1.4, 0.3));
        }
        // The login ended meanwhile.
        world.garmin.tokens.revoke_bearers(fitferry_sandbox::garmin::ATHLETE);
    }
    let document = home.sync(0);
    assert_eq!(document["new"], 40, "{document:#}");
    home.sync_until_settled();
    let world = home.world();
    assert_eq!(world.strava.of_athlete(fitferry_sandbox::strava::ATHLETE).count(), 41);
    assert!(world.doubles().is_empty());
}

#[test]
fn while_strava_is_down_nothing_is_rejected_and_no_attempt_is_used() {
    outage(Route::AnyStravaApi);
}

#[test]
fn while_garmin_is_down_nothing_is_rejected_and_no_attempt_is_used() {
    outage(Route::AnyGarminApi);
}

/// An hour of 503, in scaled time: the pauses are 600 times shorter than a user's.
fn outage(route: Route) {
    let mut world = world();
    add_run(&mut world, "Before", 3.0);
    let home = Home::signed_in(world, Options::default());
    home.sync_until_settled();
    {
        let mut world = home.world();
        for day in 0..3 {
            add_run(&mut world, "During", f64::from(day).mul_add(0.5, 0.2));
        }
        world.faults.push(Fault { route, when: When::Always, what: What::Status(503) });
    }
    let end = std::time::Instant::now() + std::time::Duration::from_secs(6);
    let mut ticks = 0;
    while std::time::Instant::now() < end {
        let ran = home.run(&["sync", "--json"]);
        let document = ran.json();
        ticks += 1;
        // Between two pauses a tick may find nothing that it may ask for; it says so all the same.
        assert_eq!(ran.exit, Some(4), "{document:#}");
        assert!(list(&document, "rejected").is_empty(), "{document:#}");
        for entry in list(&document, "waiting") {
            assert_eq!(entry["attempt"], 0, "{document:#}");
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(ticks > 10);
    home.world().faults.clear();
    home.sync_until_settled();
    let activities = home.run(&["activities", "--json"]).json();
    for entry in list(&activities, "activities") {
        assert_eq!((&entry["state"], &entry["attempt"]), (&"published".into(), &0.into()), "{entry:#}");
    }
    assert_eq!(list(&activities, "activities").len(), 4);
}
