//! The sandbox's JSON against recorded answers: it may say less than the services, never something else.

use fitferry_sandbox::garmin::{GarminActivity, Keys};
use fitferry_sandbox::{Request, Service};
use serde_json::Value;

use crate::asked::{ALL, Asked, a_run, run_at, shared};

/// Keys that the services added after some of the recordings (dossier strava.md §3.2, garmin.md §6.2).
const NEWER: &[&str] = &["device_name", "laps", "hide_from_home", "trimmable", "hasImages"];

#[test]
fn strava_answers_have_the_keys_and_kinds_of_the_recorded_ones() {
    let mut asked = Asked::new();
    let token = asked.strava_token(ALL);
    let posted = asked.upload(&token, "garmin-1", "fit", &a_run());
    check(&posted.body_json(), "strava/upload-post-201-processing.json");
    asked.now += jiff::SignedDuration::from_secs(2);
    let ready = asked.poll(&token, &posted);
    check(&ready, "strava/upload-poll-ready.json");
    let second = asked.processed(&token, "garmin-1", "fit", &a_run());
    check(&second, "strava/upload-dup-poll-error-duplicate.json");
    let list = asked.strava(&token, "/athlete/activities").body_json();
    check(&list, "strava/activities-list-date-range.json");
    let detail = asked.strava(&token, &format!("/activities/{}", ready["activity_id"])).body_json();
    check(&detail, "strava/activity-detailed-run.json");
    check(&asked.strava("nobody", "/athlete").body_json(), "strava/error-401-authorization.json");
    let refresh = asked.world.strava.grant(12_345, 2_000_001).unwrap().refresh_token.clone();
    check(&asked.refresh(&refresh).body_json(), "strava/token-refresh-ok.json");
}

#[test]
fn garmin_answers_have_the_keys_and_kinds_of_the_recorded_ones() {
    let mut asked = Asked::new();
    let run = GarminActivity::recorded("Morning Run", "running", &run_at("2026-11-22T06:10:00Z", 1));
    let id = asked.world.garmin.add(run.clone());
    let bearer = asked.world.garmin_bearer(asked.now);
    let get = |asked: &mut Asked, path: &str| {
        asked.ask(Service::GarminPersonal, &Request::get(path).with_bearer(&bearer)).body_json()
    };
    let list = "/activitylist-service/activities/search/activities";
    check(&get(&mut asked, list), "garmin/activity-list-page1-limit2.json");
    let one = format!("/activity-service/activity/{id}");
    check(&get(&mut asked, &one), "garmin/activity-single-trail-run.json");
    check(&get(&mut asked, "/activity-service/activity/1"), "garmin/activity-404-not-found.json");
    asked.world.garmin.add(GarminActivity { id, keys: Keys::Null, ..run });
    check(&get(&mut asked, list), "garmin/activity-list-2021-exporter.json");
    let bearer = asked.world.garmin_login("APP", asked.now).access_token;
    let app = |path: &str| Request::get(path).with_bearer(&bearer);
    let profile = asked.ask(Service::GarminApi, &app("/userprofile-service/socialProfile"));
    check(&profile.body_json(), "garmin/social-profile.json");
    let types = asked.ask(Service::GarminApi, &app("/activity-service/activity/activityTypes")).body_json();
    check(&types, "garmin/activity-types-table.json");
    assert_eq!(types.as_array().unwrap().len(), 152);
}

/// Every key of ours is a key of theirs, and holds the same kind of thing, where both hold anything.
fn check(ours: &Value, recorded: &str) {
    let Some(shared) = shared() else { return };
    let text = std::fs::read(shared.join("recorded").join(recorded)).unwrap();
    let theirs: Value = serde_json::from_slice(&text).unwrap();
    compare(ours, &theirs["response"]["json"], recorded);
}

fn compare(ours: &Value, theirs: &Value, place: &str) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (key, value) in ours.iter().filter(|(key, _)| !NEWER.contains(&key.as_str())) {
                let recorded = theirs.get(key);
                compare(
                    value,
                    recorded.unwrap_or_else(|| panic!("{place} has no {key}")),
                    &format!("{place} {key}"),
                );
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            if let Some(first) = theirs.first() {
                ours.iter().for_each(|item| compare(item, first, place));
            }
        }
        (Value::Null, _) | (_, Value::Null) => {}
        _ => assert_eq!(kind(ours), kind(theirs), "{place}: {ours} against {theirs}"),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
