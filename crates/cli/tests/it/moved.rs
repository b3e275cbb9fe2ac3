//! A ledger that moves from one store to another: never do two of them carry.

use fitferry_sandbox::Options;

use crate::home::{Home, add_run, list, world};

const OLD: &str = "sqlite:fitferry.db";
const NEW: &str = "sqlite:new.db";

#[test]
fn a_ledger_that_moved_is_read_only_and_goes_on_where_it_went() {
    let mut world = world();
    let first = add_run(&mut world, "Morning Run", 3.0);
    let mut home = Home::signed_in(world, Options::default());
    assert_eq!(list(&home.sync(0), "published").len(), 1);

    let mark = home.mark();
    let moved = home.run(&["store", "copy", OLD, NEW, "--json"]);
    assert_eq!(moved.exit, Some(0), "{moved:?}");
    assert_eq!(moved.json()["added"], 1);
    let backfill = ["backfill", "--since", "2020-01-01", "--json", "--dry-run"];
    for command in [
        &["sync", "--json"] as &[&str],
        &["sync", "--dry-run", "--json"],
        &["watch", "--json"],
        &backfill[..4],
        &backfill,
    ] {
        let refused = home.run(command);
        assert_eq!(refused.exit, Some(2), "{command:?}: {refused:?}");
        let error = &refused.json()["error"];
        assert_eq!(error["kind"], "moved");
        assert!(error["help"].as_str().is_some_and(|help| help.contains("--store")), "{error}");
    }
    assert_eq!(home.run(&["retry", &first.to_string()]).exit, Some(2));
    assert_eq!(home.run(&["activities", "--json"]).exit, Some(0), "it can be read");
    assert_eq!(home.mark(), mark, "nothing was asked for");

    let new_run = add_run(&mut home.world(), "Evening Run", 0.5);
    home.set("FITFERRY_STORE__URL", NEW);
    home.sign_in();
    let tick = home.sync(0);
    let published = list(&tick, "published");
    assert_eq!(published.len(), 1, "the first one is known there: {tick:#}");
    assert_eq!(published[0]["garmin_id"], new_run);

    // And back: the old store carries again, and knows both.
    let back = home.run(&["store", "copy", NEW, OLD, "--json"]);
    assert_eq!(back.exit, Some(0), "{back:?}");
    assert_eq!((&back.json()["added"], &back.json()["left"]), (&1.into(), &1.into()));
    assert_eq!(home.run(&["sync"]).exit, Some(2));
    home.set("FITFERRY_STORE__URL", OLD);
    assert_eq!(list(&home.sync(0), "published").len(), 0);
    assert_eq!(home.world().strava.activities.len(), 2, "nothing doubled");
}

#[test]
fn a_copy_goes_from_one_store_that_is_there_to_another() {
    let home = Home::new(world(), Options::default());
    for (from, to) in [("sqlite:none.db", NEW), (OLD, OLD), ("fitferry.db", NEW)] {
        let refused = home.run(&["store", "copy", from, to]);
        assert_eq!(refused.exit, Some(2), "{from} {to}: {refused:?}");
    }
    assert!(!home.path().join("none.db").exists());
}

#[test]
fn logins_go_to_a_table_and_only_when_somebody_agreed() {
    let home = Home::signed_in(world(), Options::default());
    let push = |more: &[&str]| {
        let line: Vec<&str> = ["aws", "push-credentials", "--json"].iter().chain(more).copied().collect();
        let ran = home.run(&line);
        assert_eq!(ran.exit, Some(2), "{ran:?}");
        ran
    };
    push(&["--to", "dynamodb:fitferry"]);
    push(&["--to", NEW, "--yes"]);
    push(&["--to", "dynamodb:fitferry", "--vault", "keyring", "--yes"]);
    assert_eq!(home.run(&["sync", "--json"]).exit, Some(0), "the logins are still here");
}
