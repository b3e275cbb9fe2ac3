//! `backfill`: the history, once, oldest first, with few requests, and stopped at any moment.

use std::collections::BTreeSet;
use std::process::Child;
use std::time::Duration;

use fitferry_sandbox::strava::{Duplicates, Upload};
use fitferry_sandbox::{Fault, Options, Route, What, When, World};
use jiff::SignedDuration;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::home::{Home, add_run, list, world};

const BACKFILL: [&str; 4] = ["backfill", "--since", "2020-01-01", "--json"];

/// A run every other day, the newest a week ago; their ids, oldest first.
fn history(world: &mut World, runs: u32) -> Vec<u64> {
    (0..runs).map(|nth| add_run(world, &format!("Run {nth}"), 7.0 + 2.0 * f64::from(runs - nth))).collect()
}

/// A home where nothing is late because a machine is busy: there the order would be another one.
fn home_of(world: World) -> Home {
    let mut home = Home::signed_in(world, Options::default());
    home.set("FITFERRY_TIMING__SEND_WITHIN", "30s");
    home.set("FITFERRY_TIMING__UPLOAD_TIMEOUT", "60s");
    home
}

/// What Strava has received, in the order in which it came.
fn received(home: &Home) -> Vec<u64> {
    home.world().strava.uploads.values().filter_map(garmin_id).collect()
}

fn garmin_id(upload: &Upload) -> Option<u64> {
    upload.external_id.strip_prefix("garmin-")?.split('.').next()?.parse().ok()
}

/// The ids in some of the lists of a document.
fn told(document: &Value, lists: &[&str]) -> BTreeSet<u64> {
    lists.iter().flat_map(|key| list(document, key)).filter_map(|entry| entry["garmin_id"].as_u64()).collect()
}

fn ended_by(child: Child, signal: Signal) -> (Option<i32>, Value) {
    let pid = i32::try_from(child.id()).expect("a process id");
    kill(Pid::from_raw(pid), signal).expect("it is still there");
    let ran = child.wait_with_output().expect("it ends");
    (ran.status.code(), serde_json::from_slice(&ran.stdout).unwrap_or_default())
}

fn wait_until(mut is_so: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never came to that");
}

#[test]
fn it_crosses_once_and_oldest_first_with_one_look_for_each_slice() {
    let mut world = world();
    let runs = history(&mut world, 450);
    let home = home_of(world);
    let mark = home.mark();
    let ran = home.run(&BACKFILL);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    let document = ran.json();
    assert_eq!(document["remaining"], 0);
    assert!(document["days"].is_number());
    assert_eq!(document["listed"], runs.len());
    assert_eq!(told(&document, &["published", "submitted"]), runs.iter().copied().collect());
    assert_eq!(received(&home), runs, "the oldest goes first, and nothing twice");
    // Three slices with two pages a look, one look at the end, and the look for Garmin's own link.
    let (_, strava) = home.requests_since(mark);
    assert!(strava <= runs.len() + 12, "{strava} requests for {} runs", runs.len());
    home.sync_until_settled();
    assert_eq!(received(&home).len(), runs.len());
    assert!(home.world().doubles().is_empty());
}

#[test]
fn stopped_between_two_steps_it_says_what_is_left_and_goes_on_there() {
    let mut world = world();
    let runs = history(&mut world, 60);
    let home = home_of(world);
    for (signal, exit, until) in [(Signal::SIGINT, Some(130), 10), (Signal::SIGTERM, Some(0), 30)] {
        let child = home.start(&BACKFILL);
        wait_until(|| received(&home).len() >= until);
        let (ended, document) = ended_by(child, signal);
        assert_eq!(ended, exit);
        let left = runs.len() - received(&home).len();
        assert_eq!(document["remaining"], left, "{document:#}");
        assert_eq!(document.get("error").is_some(), exit != Some(0));
    }
    let ran = home.run(&BACKFILL);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    assert_eq!(received(&home), runs, "what is done is not asked for again");
}

#[test]
fn killed_at_any_moment_it_goes_on_where_it_was() {
    let mut world = world();
    world.strava.settings.duplicates = Duplicates::NONE;
    let runs = history(&mut world, 40);
    let home = Home::signed_in(world, Options::default());
    for kills in 1..=8 {
        let mark = home.mark();
        let mut child = home.start(&BACKFILL);
        wait_until(|| home.mark() >= mark + 5 * kills || matches!(child.try_wait(), Ok(Some(_))));
        let _ = child.kill();
        child.wait().expect("it is over");
    }
    // What was in flight is in doubt, and settled by the everyday sync.
    let ran = home.run(&BACKFILL);
    assert!(ran.exit.is_some(), "{ran:?}");
    home.sync_until_settled();
    assert_eq!(received(&home).into_iter().collect::<BTreeSet<_>>(), runs.iter().copied().collect());
    assert!(home.world().doubles().is_empty());
}

#[test]
fn the_everyday_sync_goes_on_between_two_uploads() {
    let mut world = world();
    let runs = history(&mut world, 120);
    let mut home = home_of(world);
    home.set("FITFERRY_SYNC__EVERY", "200ms");
    home.set("FITFERRY_TIMING__GARMIN_SPACING", "50ms");
    let child = home.start(&BACKFILL);
    wait_until(|| received(&home).len() >= 5);
    let fresh = add_run(&mut home.world(), "Today", 0.1);
    wait_until(|| received(&home).contains(&fresh));
    let before = received(&home).len();
    assert!(before < runs.len(), "it came after all {before} of the history");
    let ran = child.wait_with_output().expect("it ends");
    assert_eq!(ran.status.code(), Some(0));
    assert_eq!(received(&home).len(), runs.len() + 1);
    home.sync_until_settled();
    assert!(home.world().doubles().is_empty());
}

#[test]
fn somebody_who_waits_for_the_lease_gets_it() {
    let mut world = world();
    let runs = history(&mut world, 150);
    let mut home = home_of(world);
    home.set("FITFERRY_TIMING__GARMIN_SPACING", "100ms");
    let child = home.start(&BACKFILL);
    wait_until(|| received(&home).len() >= 3);
    // The newest has not been taken up yet: it is skipped before its turn comes.
    let last = runs[runs.len() - 1].to_string();
    wait_until(|| home.run(&["show", &last]).exit == Some(0));
    let skipped = home.run(&["skip", &last]);
    assert_eq!(skipped.exit, Some(0), "{skipped:?}");
    assert_eq!(child.wait_with_output().expect("it ends").status.code(), Some(0));
    assert_eq!(received(&home), runs[..runs.len() - 1]);
}

#[test]
fn what_was_skipped_is_reconsidered_unless_it_was_by_hand() {
    let mut world = world();
    let runs = history(&mut world, 6);
    let mut home = home_of(world);
    home.set("FITFERRY_SYNC__TYPES", "cycling");
    home.sync(0);
    assert_eq!(home.run(&["skip", &runs[2].to_string()]).exit, Some(0));
    home.set("FITFERRY_SYNC__TYPES", "running");
    home.sync(0);
    assert!(received(&home).is_empty(), "a sync does not reconsider");
    let ran = home.run(&BACKFILL);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    let wanted: Vec<u64> = runs.iter().copied().filter(|id| *id != runs[2]).collect();
    assert_eq!(received(&home), wanted);
}

#[test]
fn a_dry_run_says_how_many_and_how_long_and_writes_nothing() {
    let mut world = World::empty(7);
    world.strava.settings.processing = SignedDuration::from_millis(100);
    let runs = history(&mut world, 450);
    let home = home_of(world);
    let document = home.run(&[&BACKFILL[..], &["--dry-run"]].concat()).json();
    assert_eq!((&document["remaining"], &document["listed"]), (&runs.len().into(), &runs.len().into()));
    assert_eq!(list(&document, "would").len(), runs.len());
    // Some 190 in each quarter of an hour: the third one begins within half an hour, and ends within the hour.
    let days = document["days"].as_f64().expect("a number");
    assert!((0.01..0.05).contains(&days), "{days}");
    let text = home.run(&["backfill", "--since", "2020-01-01", "--dry-run"]);
    assert!(text.stdout.contains("450 would be uploaded"), "{text:?}");
    assert!(home.run(&["activities", "--json"]).json()["activities"].as_array().is_some_and(Vec::is_empty));
    assert!(
        !home.sandbox.log().iter().any(|seen| seen.route == Route::StravaUpload && seen.status == Some(201))
    );
}

#[test]
fn what_only_a_person_can_mend_ends_it() {
    let mut world = world();
    history(&mut world, 3);
    let home = home_of(world);
    home.world().strava.apps.values_mut().for_each(|app| app.active = false);
    let ran = home.run(&BACKFILL);
    assert_eq!(ran.exit, Some(4), "{ran:?}");
    assert_eq!(ran.json()["error"]["kind"], "app_inactive", "{ran:?}");
    assert!(ran.json()["remaining"].is_null(), "nobody has read the list: {ran:?}");
    let backwards = home.run(&["backfill", "--since", "2020-02-01", "--until", "2020-01-01"]);
    assert_eq!(backwards.exit, Some(2), "{backwards:?}");
}

#[test]
fn a_dry_run_asks_nobody_who_is_left_alone() {
    let mut world = world();
    history(&mut world, 3);
    let home = home_of(world);
    let limited = What::TooManyRequests { retry_after: Some(3600) };
    home.world().faults.push(Fault { route: Route::GarminList, when: When::Always, what: limited });
    assert_eq!(home.sync(4)["error"]["kind"], "limited");
    let mark = home.mark();
    let ran = home.run(&[&BACKFILL[..], &["--dry-run"]].concat());
    assert_eq!(ran.exit, Some(4), "{ran:?}");
    assert_eq!(ran.json()["error"]["kind"], "limited", "{ran:?}");
    assert_eq!(home.mark(), mark, "nothing was asked for");
}

#[test]
fn an_outage_is_waited_out_and_one_that_does_not_end_is_told() {
    let mut world = world();
    let runs = history(&mut world, 5);
    let mut home = Home::signed_in(world, Options::default());
    home.set("FITFERRY_TIMING__RETRY_BASE", "20ms");
    let down = Fault { route: Route::StravaList, when: When::Always, what: What::Status(503) };
    home.world().faults.push(down);
    // Six hours, at a six-thousandth of the usual length.
    let ran = home.run(&BACKFILL);
    assert_eq!(ran.exit, Some(4), "{ran:?}");
    assert_eq!(ran.json()["error"]["kind"], "service_down");
    home.world().faults.clear();
    let child = home.start(&BACKFILL);
    assert_eq!(child.wait_with_output().expect("it ends").status.code(), Some(0));
    home.sync_until_settled();
    assert_eq!(received(&home).into_iter().collect::<BTreeSet<_>>(), runs.into_iter().collect());
    assert!(home.world().doubles().is_empty());
}
