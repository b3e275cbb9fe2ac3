//! The worlds that come with something in them, and the files that are made for them.

use fitferry_fit::FileType;
use fitferry_sandbox::World;
use fitferry_sandbox::garmin::Parcel;
use fitferry_sandbox::generate::{self, GenerateSpec, Kind};
use fitferry_sandbox::strava::Origin;
use jiff::SignedDuration;
use serde_json::Value;

use crate::asked::{ALL, Asked, is_fault, shared};

#[test]
fn a_generated_file_is_whole_and_says_what_was_asked() {
    let kinds = [
        (Kind::Run, "running", "generic"),
        (Kind::TrailRun, "running", "trail"),
        (Kind::TrackRun, "running", "track"),
        (Kind::TreadmillRun, "running", "treadmill"),
        (Kind::Ride, "cycling", "road"),
        (Kind::Walk, "walking", "generic"),
    ];
    for (seed, (kind, sport, sub_sport)) in (1..).zip(kinds) {
        let start = "2026-11-22T06:10:00Z".parse().unwrap();
        let spec = GenerateSpec { kind, start, elapsed_s: 2712.0, distance_m: 8034.5, seed };
        let file = generate::run(&spec);
        let look = fitferry_fit::look(&file);
        assert_eq!(look.damage, None);
        assert_eq!(look.file_type, Some(FileType::Activity));
        assert_eq!((look.sport.as_deref(), look.sub_sport.as_deref()), (Some(sport), Some(sub_sport)));
        assert_eq!((look.start, look.elapsed_s, look.distance_m), (Some(start), Some(2712.0), Some(8034.5)));
        assert_eq!((look.sessions, look.has_time), (1, true));
        assert_eq!(generate::run(&spec), file, "the same spec gives the same bytes");
        assert!(fitferry_fit::look(&generate::truncate(file)).damage.is_some());
    }
}

#[test]
fn the_demo_has_one_of_everything() {
    let mut asked = Asked::new();
    asked.world = World::demo(asked.now, 7);
    let activities: Vec<_> = asked.world.garmin.activities.values().cloned().collect();
    assert!(activities.len() >= 6);
    assert!(activities.iter().all(|activity| activity.start.is_some_and(|start| start < asked.now)));
    let manual = activities.iter().filter(|activity| activity.manual);
    assert!(
        manual.clone().count() == 1
            && manual.clone().all(|activity| matches!(activity.parcel, Parcel::NotFound))
    );
    assert!(activities.iter().any(|activity| activity.type_key == "road_biking"));
    let token = asked.strava_token(ALL);
    let mut refused = 0;
    for activity in activities.iter().filter(|activity| !activity.manual) {
        let polled = asked.processed(&token, &format!("garmin-{}", activity.id), "fit", &activity.file);
        refused += usize::from(polled["error"] == "Improperly formatted data.");
        assert!(polled["error"].is_null() || polled["activity_id"].is_null());
    }
    assert_eq!(refused, 1);
    let there = asked.world.strava.activities.values().filter(|activity| activity.origin == Origin::Other);
    let there: Vec<_> = there.collect();
    assert_eq!(there.len(), 1);
    let near =
        |start: jiff::Timestamp| there[0].start.duration_since(start).abs() < SignedDuration::from_secs(10);
    assert_eq!(activities.iter().filter(|activity| activity.start.is_some_and(near)).count(), 1);
}

#[test]
fn the_demo_is_the_same_for_the_same_seed() {
    let now = Asked::new().now;
    let files =
        |seed| World::demo(now, seed).garmin.activities.into_values().map(|one| one.file).collect::<Vec<_>>();
    assert_eq!(files(3), files(3));
    assert_ne!(files(3), files(4));
}

#[test]
fn a_folder_of_real_files_becomes_a_world_that_judges_them_rightly() {
    let Some(shared) = shared() else { return };
    let manifest = std::fs::read(shared.join("fit/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let mut asked = Asked::new();
    asked.world = World::from_fit_dir(&shared.join("fit/files"), asked.now).unwrap();
    let token = asked.strava_token(ALL);
    let mut rows: Vec<_> = manifest["files"].as_array().unwrap().iter().collect();
    rows.sort_by_key(|row| row["file"].as_str().unwrap());
    let activities: Vec<_> = asked.world.garmin.activities.values().cloned().collect();
    assert_eq!(activities.len(), rows.len());
    let mut wrong = Vec::new();
    for (row, activity) in rows.iter().zip(&activities) {
        let file = row["file"].as_str().unwrap();
        assert_eq!(format!("files/{}.fit", activity.name.as_deref().unwrap()), file, "names are in order");
        let is_activity = row["file_type"] == "activity" && row["structure"]["valid"] == true;
        let polled = asked.processed(&token, &format!("garmin-{}", activity.id), "fit", &activity.file);
        if polled["activity_id"].is_u64() != is_activity {
            wrong.push(format!("{file}: {}", polled["error"]));
        }
        if !is_activity {
            assert_eq!((activity.type_key.as_str(), activity.start), ("other", None), "{file}");
        }
        let sha256 = row["sha256"].as_str();
        assert_eq!(asked.world.sha256_received(activity.id), sha256, "{file}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(asked.strava(&token, "/athlete").status, 200, "the limits are lifted");
}

#[test]
fn types_come_from_what_the_files_say() {
    let Some(shared) = shared() else { return };
    let world = World::from_fit_dir(&shared.join("fit/files"), Asked::new().now).unwrap();
    let key = |prefix: &str| {
        let mut all = world.garmin.activities.values();
        all.find(|one| one.name.as_deref().is_some_and(|name| name.starts_with(prefix)))
            .unwrap()
            .type_key
            .clone()
    };
    for (prefix, expected) in [
        ("run-trail", "trail_running"),
        ("run-outdoor--d066f1e5", "running"),
        ("ride-indoor--0abea884", "indoor_cycling"),
        ("ride-virtual", "virtual_ride"),
        ("ride-outdoor--bc45563e", "gravel_cycling"),
        ("swim-pool--b4c9c21b", "lap_swimming"),
        ("strength--4b388913", "strength_training"),
        ("nonactivity-course", "other"),
    ] {
        assert_eq!(key(prefix), expected, "{prefix}");
    }
}

#[test]
fn a_token_of_another_seed_opens_nothing() {
    let mut asked = Asked::new();
    let token = asked.strava_token(ALL);
    asked.world = World::empty(2);
    assert!(is_fault(&asked.strava(&token, "/athlete"), 401, "Athlete", "access_token", "invalid"));
}
