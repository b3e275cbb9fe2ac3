//! `fitferry doctor`: nothing wrong is nothing found, and each thing that is wrong is found with its cure.

#![expect(clippy::unwrap_used, reason = "a test tells by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use fitferry_sandbox::{Fault, Options, Route, What, When, garmin, strava};
use jiff::SignedDuration;
use serde_json::Value;

use crate::home::{Home, add_run, list, world};

/// The kinds of all findings, in order; the exit code goes with them.
fn kinds(home: &Home) -> Vec<String> {
    let ran = home.run(&["doctor", "--json"]);
    let document = ran.json();
    let findings = document["findings"].as_array().unwrap_or_else(|| panic!("{ran:?}"));
    assert_eq!(ran.exit, Some(i32::from(!findings.is_empty())), "{ran:?}");
    assert!(document.get("error").is_none(), "{document}");
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    for finding in findings {
        let help = text(finding, "help");
        assert!(!text(finding, "message").is_empty(), "{finding}");
        assert!(help.contains('`') || help.contains("https://"), "{finding}");
    }
    findings.iter().map(|finding| text(finding, "kind")).collect()
}

#[test]
fn a_desk_where_all_is_well_has_no_findings() {
    let home = Home::signed_in(world(), Options::default());
    home.sync(0);
    let mark = home.mark();
    let none: [&str; 0] = [];
    assert_eq!(kinds(&home), none);
    assert_eq!(home.requests_since(mark), (1, 1));
    let ran = home.run(&["doctor"]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (Some(0), "Nothing is wrong.\n"), "{ran:?}");
}

#[test]
fn a_newcomer_learns_of_both_logins() {
    let home = Home::new(world(), Options::default());
    assert_eq!(kinds(&home), ["login_missing", "login_missing"]);
    assert_eq!(home.mark(), 0, "a request was made");
}

#[test]
fn a_broken_configuration_is_a_finding_and_no_error() {
    let home = Home::new(world(), Options::default());
    fs::write(home.path().join("config.toml"), "[sync]\ntyps = [\"running\"]\nlookback = 3\n").unwrap();
    assert_eq!(kinds(&home), ["config", "config"]);
    let ran = home.run(&["doctor"]);
    assert!(ran.stdout.contains("typs") && ran.stdout.contains("types"), "{ran:?}");
}

#[test]
fn files_that_others_may_read_or_change_are_found() {
    let mut home = Home::signed_in(world(), Options::default());
    fs::set_permissions(home.store(), PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(kinds(&home), ["file_mode"]);
    let none: [&str; 0] = [];
    assert_eq!(kinds(&home), none, "looking has cured it, as every command does");
    fs::set_permissions(home.path(), PermissionsExt::from_mode(0o777)).unwrap();
    assert_eq!(kinds(&home), ["file_mode"]);
    fs::set_permissions(home.path(), PermissionsExt::from_mode(0o700)).unwrap();
    let key = home.path().join("key");
    fs::write(&key, garmin::API_KEY).unwrap();
    fs::set_permissions(&key, PermissionsExt::from_mode(0o640)).unwrap();
    home.set("FITFERRY_GARMIN__API_KEY_FILE", key.to_str().unwrap());
    assert_eq!(kinds(&home), ["file_mode"]);
}

#[test]
fn a_clock_that_is_off_and_a_login_that_ends_are_found() {
    let home = Home::signed_in(world(), Options::default());
    let soon = ["login", "garmin", "--api-key-stdin", "--key-ends", "10"];
    assert_eq!(home.run_with(&soon, garmin::API_KEY).exit, Some(0));
    assert_eq!(kinds(&home), ["login_ends"]);
    home.sandbox.clock().shift(SignedDuration::from_mins(10));
    assert_eq!(kinds(&home), ["login_ends", "clock", "clock"]);
}

#[test]
fn what_the_services_say_is_found() {
    let home = Home::signed_in(world(), Options::default());
    for app in home.world().strava.apps.values_mut() {
        app.active = false;
    }
    assert_eq!(kinds(&home), ["app_inactive"]);
    for app in home.world().strava.apps.values_mut() {
        app.active = true;
    }
    home.sign_in();
    home.world().garmin.tokens.revoke_key(garmin::API_KEY);
    home.world().garmin.tokens.revoke_bearers(garmin::ATHLETE);
    assert_eq!(kinds(&home), ["login_needed"]);
    home.world().garmin.tokens.add_key(garmin::API_KEY, garmin::ATHLETE);
    home.world().faults.push(Fault { route: Route::Any, when: When::Always, what: What::DropBefore });
    assert_eq!(kinds(&home), ["service_down", "service_down"]);
}

#[test]
fn two_days_of_silence_are_found() {
    let home = Home::signed_in(world(), Options::default());
    home.sync(0);
    let mut files = fs::read_dir(home.path()).unwrap().flatten().map(|file| file.path());
    let tick = files.find(|file| file.extension().is_some_and(|extension| extension == "tick")).unwrap();
    let beat = |days: u64| {
        let moment = SystemTime::now() - Duration::from_secs(days * 86_400 + 60);
        fs::File::options().write(true).open(&tick).unwrap().set_modified(moment).unwrap();
    };
    beat(1);
    let none: [&str; 0] = [];
    assert_eq!(kinds(&home), none);
    beat(2);
    assert_eq!(kinds(&home), ["no_tick"]);
}

#[test]
fn limits_that_are_used_up_are_found_without_a_request() {
    let home = Home::signed_in(world(), Options::default());
    let used =
        home.run(&["status", "--json"]).json()["budget"]["strava"]["read_day"]["used"].as_u64().unwrap();
    // One more may be made.
    let limit = u32::try_from(used).unwrap() + 1;
    home.world().strava.apps.get_mut(&strava::CLIENT_ID).unwrap().limits.read.day = limit;
    assert_eq!(home.run(&["doctor"]).exit, Some(0));
    let mark = home.mark();
    assert_eq!(kinds(&home), ["budget"]);
    assert_eq!(home.requests_since(mark), (1, 0));
}

#[test]
fn garmins_own_link_is_found() {
    let mut world = world();
    world.garmin_link = Some(SignedDuration::from_secs(1));
    add_run(&mut world, "Morning Run", 1.0);
    let home = Home::signed_in(world, Options::default());
    home.run(&["sync", "--json"]);
    assert_eq!(home.run(&["status", "--json"]).json()["garmin_link"], true);
    assert_eq!(kinds(&home), ["garmin_link"]);
}

#[test]
fn garmins_own_link_is_looked_for_before_a_first_tick_has() {
    let mut world = world();
    world.garmin_link = Some(SignedDuration::from_secs(1));
    add_run(&mut world, "Morning Run", 1.0);
    let home = Home::signed_in(world, Options::default());
    assert_eq!(kinds(&home), ["garmin_link"]);
    assert_eq!(home.run(&["status", "--json"]).json()["garmin_link"], Value::Null, "the first tick keeps it");
}

#[test]
fn what_has_been_put_right_is_not_waited_for_any_more() {
    let mut world = world();
    add_run(&mut world, "Morning Run", 1.0);
    let mut home = Home::signed_in(world, Options::default());
    // An inactive application is left alone for a day.
    home.set("FITFERRY_TIMING__RETRY_BASE", "2m");
    let active = |home: &Home, active: bool| {
        home.world().strava.apps.values_mut().for_each(|app| app.active = active);
    };
    active(&home, false);
    assert_eq!(home.sync(4)["error"]["kind"], "app_inactive");
    active(&home, true);
    assert_eq!(home.sync(4)["error"]["kind"], "app_inactive", "it is not asked");
    let none: [&str; 0] = [];
    assert_eq!(kinds(&home), none);
    let ticks = home.sync_until_settled();
    assert_eq!(ticks.iter().map(|tick| list(tick, "published").len()).sum::<usize>(), 1);
}

#[test]
fn a_damaged_store_is_found() {
    let home = Home::signed_in(world(), Options::default());
    home.sync(0);
    // Whole pages in the middle are overwritten; the first one stays, or it would be no database.
    let mut bytes = fs::read(home.store()).unwrap();
    let page = 4096;
    assert!(bytes.len() > 3 * page);
    for byte in &mut bytes[2 * page..] {
        *byte = 0x5a;
    }
    fs::write(home.store(), bytes).unwrap();
    let found = kinds(&home);
    assert!(found.iter().any(|kind| kind.starts_with("store")), "{found:?}");
}
