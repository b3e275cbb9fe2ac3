//! What people read and say: `status`, `activities`, `show`, `retry`, `skip`, rules and athletes.

use fitferry_sandbox::Options;
use fitferry_sandbox::garmin::Parcel;
use serde_json::{Value, json};

use crate::home::{Home, add_run, list, world};

/// Two runs and a file that is no activity, carried over.
fn told() -> (Home, u64, u64) {
    let mut world = world();
    let fine = add_run(&mut world, "Morning Run", 2.0);
    let bad = add_run(&mut world, "Shopping list", 1.0);
    if let Some(activity) = world.garmin.activities.get_mut(&bad) {
        activity.file = b"milk, bread".to_vec();
        activity.parcel = Parcel::Zip;
    }
    let home = Home::signed_in(world, Options::default());
    let ran = home.run(&["sync", "--json"]);
    assert_eq!(ran.exit, Some(1), "a rejection is a failure of this tick: {ran:?}");
    assert!(ran.json().get("error").is_none());
    (home, fine, bad)
}

#[test]
fn status_activities_and_show_agree_and_make_no_request() {
    let (home, fine, bad) = told();
    let mark = home.mark();
    let status = home.run(&["status", "--json"]).json();
    assert_eq!(status["counts"]["published"], 1, "{status:#}");
    assert_eq!(status["counts"]["rejected"], 1);
    assert_eq!(status["counts"]["waiting"], 0);
    assert_eq!(status["logins"]["garmin"], json!({"kind": "personal", "ok": true, "ends": null}));
    assert_eq!(status["logins"]["strava"]["ok"], true);
    assert_eq!(status["garmin_link"], false);
    assert!(status["last_tick"].is_string() && status["next_due"].is_string());

    let all = home.run(&["activities", "--json"]).json();
    let ids: Vec<&Value> = list(&all, "activities").iter().map(|entry| &entry["garmin_id"]).collect();
    assert_eq!(ids, [&json!(bad), &json!(fine)], "newest first");
    let rejected = home.run(&["activities", "--state", "rejected", "--json"]).json();
    assert_eq!(list(&rejected, "activities").len(), 1);
    assert_eq!(list(&rejected, "activities")[0]["reason"], "not_an_activity");
    let one = home.run(&["activities", "--limit", "1", "--json"]).json();
    assert_eq!(list(&one, "activities").len(), 1);

    let shown = home.run(&["show", &fine.to_string(), "--json"]).json();
    assert_eq!(shown["state"], "published");
    assert_eq!(shown["file"]["kind"], "fit");
    assert_eq!(shown["file"]["sha256"].as_str(), home.world().sha256_received(fine));
    assert!(list(&shown, "history").len() >= 4, "{shown:#}");
    for table in [&["status"] as &[&str], &["activities"]] {
        let ran = home.run(table);
        assert!(ran.stdout.lines().all(|line| line.chars().count() <= 80), "{}", ran.stdout);
    }
    assert_eq!(home.mark(), mark, "nothing was asked for");
}

#[test]
fn retry_starts_anew_force_sends_what_was_rejected_here_and_skip_leaves_it() {
    let (home, fine, bad) = told();
    let bad = bad.to_string();
    assert_eq!(home.run(&["retry", &fine.to_string()]).exit, Some(2), "it is on Strava");
    assert_eq!(home.run(&["retry", "77"]).exit, Some(2), "nobody knows it");

    assert_eq!(home.run(&["retry", &bad]).exit, Some(0));
    let again = home.sync(1);
    assert_eq!(list(&again, "rejected")[0]["reason"], "not_an_activity");

    assert_eq!(home.run(&["retry", "--force", &bad]).exit, Some(0));
    let forced = home.sync(1);
    assert_eq!(list(&forced, "rejected")[0]["reason"], "refused_by_strava", "{forced:#}");

    assert_eq!(home.run(&["skip", &bad]).exit, Some(0));
    let shown = home.run(&["show", &bad, "--json"]).json();
    assert_eq!((&shown["state"], &shown["reason"]), (&json!("skipped"), &json!("by_hand")));
}

#[test]
fn a_dry_run_tells_what_would_happen_and_keeps_nothing() {
    let mut world = world();
    let run = add_run(&mut world, "Morning Run", 2.0);
    let ride = add_run(&mut world, "Commute", 1.0);
    if let Some(activity) = world.garmin.activities.get_mut(&ride) {
        activity.type_key = "cycling".to_owned();
    }
    let home = Home::signed_in(world, Options::default());
    let document = {
        let ran = home.run(&["sync", "--dry-run", "--json"]);
        assert_eq!(ran.exit, Some(0), "{ran:?}");
        ran.json()
    };
    assert_eq!(document["dry_run"], true);
    let would: Vec<(&Value, &Value, &Value)> = list(&document, "would")
        .iter()
        .map(|entry| (&entry["garmin_id"], &entry["action"], &entry["reason"]))
        .collect();
    let expected =
        [(&json!(run), &json!("upload"), &Value::Null), (&json!(ride), &json!("skip"), &json!("rule"))];
    assert_eq!(would, expected, "{document:#}");
    assert!(list(&document, "published").is_empty() && list(&document, "skipped").is_empty());
    assert_eq!(home.world().uploads_received(), 0);
    assert!(list(&home.run(&["activities", "--json"]).json(), "activities").is_empty());
}

#[test]
fn rules_and_athletes_come_from_the_file() {
    let mut world = world();
    add_run(&mut world, "Warm-up", 3.0);
    add_run(&mut world, "Morning Run", 2.0);
    let home = Home::signed_in(world, Options::default());
    let config = "[sync]\ntypes = [\"cycling\"]\n\n[[rules]]\nwhen = { name = \"(?i)warm.?up\" }\n\
                  skip = \"warm-ups stay\"\n\n[athletes.me]\nsync = { types = [\"running\"] }\n";
    std::fs::write(home.path().join("config.toml"), config).expect("the folder is writable");
    let document = home.sync(0);
    assert_eq!(list(&document, "published")[0]["name"], "Morning Run", "{document:#}");
    assert_eq!(list(&document, "skipped")[0]["detail"], "warm-ups stay");
    let anna = home.run(&["sync", "--json", "--athlete", "anna"]);
    assert_eq!(anna.exit, Some(3), "anna is not signed in: {anna:?}");

    std::fs::write(home.path().join("config.toml"), "[sync]\ntipes = [\"running\"]\n").expect("writable");
    let ran = home.run(&["sync", "--json"]);
    assert_eq!(ran.exit, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("config.toml:2") && ran.stderr.contains("types"), "{ran:?}");
    assert_eq!(ran.json()["error"]["kind"], "config");
}

#[test]
fn a_key_in_the_environment_is_a_login_to_garmin_and_another_one_ends_a_refusal() {
    let mut world = world();
    let id = add_run(&mut world, "Morning Run", 1.0);
    let mut home = Home::signed_in(world, Options::default());
    home.set("FITFERRY_GARMIN__API_KEY", "a-key-that-has-ended");
    assert_eq!(home.sync(3)["error"]["kind"], "login_needed");
    let mark = home.mark();
    assert_eq!(home.sync(3)["error"]["kind"], "login_needed");
    assert_eq!(home.mark(), mark, "a key that was refused is not tried again");
    home.set("FITFERRY_GARMIN__API_KEY", fitferry_sandbox::garmin::API_KEY);
    for command in [
        &["sync", "--dry-run", "--json"] as &[&str],
        &["backfill", "--since", "2020-01-01", "--dry-run", "--json"],
    ] {
        let ran = home.run(command);
        assert_eq!((ran.exit, list(&ran.json(), "would").len()), (Some(0), 1), "{ran:?}");
    }
    assert_eq!(list(&home.sync(0), "published")[0]["garmin_id"], id);
}
