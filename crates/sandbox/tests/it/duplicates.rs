//! What becomes of an upload.

use std::io::Write;

use fitferry_sandbox::generate;
use fitferry_sandbox::strava::{
    ATHLETE, Duplicates, Grammar, Plan, PlanFor, PlannedEnd, StravaActivity, Tell,
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::asked::{ALL, Asked, a_run, run_at};

#[test]
fn an_upload_is_pending_then_ready_then_listed_then_shown() {
    let mut asked = Asked::new();
    asked.world.strava.settings.list_lag = SignedDuration::from_secs(10);
    asked.world.strava.settings.detail_lag = SignedDuration::from_secs(20);
    let token = asked.strava_token(ALL);
    let posted = asked.upload(&token, "garmin-20000000001", "fit", &a_run());
    let pending = json!({
        "id": posted.body_json()["id"], "id_str": posted.body_json()["id_str"], "external_id": null, "error": null,
        "status": "Your activity is still being processed.", "activity_id": null,
    });
    assert_eq!(posted.body_json(), pending);
    asked.pass(SignedDuration::from_secs(1));
    assert_eq!(asked.poll(&token, &posted), pending);
    asked.pass(SignedDuration::from_secs(1));
    let ready = asked.poll(&token, &posted);
    assert_eq!(ready["status"], "Your activity is ready.");
    assert_eq!(ready["external_id"], "garmin-20000000001.fit");
    let activity = format!("/activities/{}", ready["activity_id"]);
    assert_eq!(asked.strava(&token, "/athlete/activities").body_json(), json!([]));
    asked.pass(SignedDuration::from_secs(10));
    assert_eq!(asked.strava(&token, "/athlete/activities").body_json()[0]["id"], ready["activity_id"]);
    assert_eq!(asked.strava(&token, &activity).status, 404);
    asked.pass(SignedDuration::from_secs(10));
    assert_eq!(asked.strava(&token, &activity).body_json()["name"], "Morning Run");
}

#[test]
fn bad_files_are_refused_in_stravas_words() {
    let mut asked = Asked::new();
    let token = asked.strava_token(ALL);
    let improper = "Improperly formatted data.";
    let no_time = "Time information is missing from file.";
    let gpx = "<?xml version=\"1.0\"?><gpx><trk><trkpt><time>2026-11-22T06:10:00Z</time></trkpt></trk></gpx>";
    for (data_type, file, error) in [
        ("fit", generate::truncate(a_run()), Some(improper)),
        ("fit", b"not a FIT file at all".to_vec(), Some(improper)),
        ("fit.gz", b"not gzip".to_vec(), Some(improper)),
        ("fit.gz", gzip(&a_run()), None),
        ("gpx", gpx.as_bytes().to_vec(), None),
        ("gpx", b"<gpx></gpx>".to_vec(), Some(no_time)),
        ("tcx", gpx.as_bytes().to_vec(), Some(improper)),
    ] {
        asked.world.strava.settings.duplicates = Duplicates::NONE;
        let polled = asked.processed(&token, "garmin-1", data_type, &file);
        assert_eq!(polled["error"].as_str(), error, "{data_type}");
    }
    let empty = asked.processed(&token, "garmin-2", "fit", b"");
    assert_eq!(empty["status"], "There was an error processing your activity.");
    assert_eq!(asked.upload(&token, "garmin-3", "docx", b"x").status, 400);
}

#[test]
fn four_policies_say_what_a_duplicate_is() {
    let same_start = run_at("2026-11-22T06:15:00Z", 2);
    let cases: [(&str, Vec<u8>, [bool; 4]); 3] = [
        // External id, file, and whether it is a duplicate by: none, bytes, external id, overlap.
        ("garmin-2", a_run(), [false, true, false, true]),
        ("garmin-1", generate::run(&run_at("2026-11-20T06:10:00Z", 3)), [false, false, true, false]),
        ("garmin-3", generate::run(&same_start), [false, false, false, true]),
    ];
    let policies = [
        Duplicates::NONE,
        Duplicates { same_bytes: true, ..Duplicates::NONE },
        Duplicates { same_external_id: true, ..Duplicates::NONE },
        Duplicates { overlap: true, ..Duplicates::NONE },
    ];
    for (external_id, file, expected) in cases {
        for (policy, expected) in policies.iter().zip(expected) {
            let mut asked = Asked::new();
            asked.world.strava.settings.duplicates = *policy;
            let token = asked.strava_token(ALL);
            asked.processed(&token, "garmin-1", "fit", &a_run());
            let second = asked.processed(&token, external_id, "fit", &file);
            assert_eq!(is_duplicate(&second), expected, "{external_id} under {policy:?}");
        }
    }
}

#[test]
fn of_two_that_are_processed_at_once_the_second_is_the_duplicate() {
    let mut asked = Asked::new();
    let token = asked.strava_token(ALL);
    let posts = [1, 2].map(|_| asked.upload(&token, "garmin-1", "fit", &a_run()));
    asked.pass(SignedDuration::from_secs(5));
    let polled = posts.map(|posted| asked.poll(&token, &posted));
    assert_eq!(polled.each_ref().map(is_duplicate), [false, true]);
    let first = polled[0]["activity_id"].as_u64().unwrap();
    assert!(polled[1]["error"].as_str().unwrap().contains(&first.to_string()));
    assert!(asked.world.doubles().is_empty());
}

#[test]
fn without_recognition_two_uploads_are_a_double_and_the_world_says_so() {
    let mut asked = Asked::new();
    asked.world.strava.settings.duplicates = Duplicates::NONE;
    let token = asked.strava_token(ALL);
    asked.processed(&token, "garmin-20000000001", "fit", &a_run());
    asked.processed(&token, "garmin-20000000001", "fit", &a_run());
    assert_eq!(asked.world.doubles()[&20_000_000_001].len(), 2);
    assert_eq!(asked.world.uploads_received(), 2);
}

#[test]
fn a_duplicate_is_told_in_two_grammars_and_at_three_moments() {
    let told = |grammar, tell| {
        let mut asked = Asked::new();
        asked.world.strava.settings.grammar = grammar;
        asked.world.strava.settings.tell = tell;
        let token = asked.strava_token(ALL);
        let first = asked.processed(&token, "garmin-1", "fit", &a_run())["activity_id"].as_u64().unwrap();
        let posted = asked.upload(&token, "garmin-1", "fit", &a_run());
        let error = posted.body_json()["error"].as_str().map(|text| text.replace(&first.to_string(), "ID"));
        (posted.status, error)
    };
    assert_eq!(told(Grammar::Plain, Tell::AtPoll), (201, None));
    let plain = Some("garmin-1.fit duplicate of activity ID".to_owned());
    assert_eq!(told(Grammar::Plain, Tell::AtPost201), (201, plain));
    let link =
        "garmin-1.fit duplicate of <a href='/activities/ID' target='_blank'>Morning Run</a>".to_owned();
    assert_eq!(told(Grammar::Link, Tell::AtPost400), (400, Some(link)));
}

#[test]
fn what_was_deleted_may_be_sent_again() {
    let mut asked = Asked::new();
    let token = asked.strava_token(ALL);
    let posted = asked.upload(&token, "garmin-1", "fit", &a_run());
    asked.pass(SignedDuration::from_secs(5));
    let id = asked.poll(&token, &posted)["activity_id"].as_u64().unwrap();
    asked.world.strava.delete(id);
    let gone = asked.poll(&token, &posted);
    assert_eq!(gone["status"], "The created activity has been deleted.");
    assert_eq!((&gone["error"], &gone["activity_id"]), (&Value::Null, &Value::Null));
    assert!(!is_duplicate(&asked.processed(&token, "garmin-1", "fit", &a_run())));
}

#[test]
fn plans_make_certain_uploads_end_otherwise() {
    let mut asked = Asked::new();
    let plan = |who, end| Plan { who, processing: None, list_lag: None, end };
    asked.world.strava.plans = vec![
        plan(PlanFor::ExternalId("garmin-9".into()), PlannedEnd::Pending),
        plan(PlanFor::Nth(2), PlannedEnd::Discarded),
        plan(PlanFor::Nth(3), PlannedEnd::Error("Sorry.".into())),
    ];
    let token = asked.strava_token(ALL);
    asked.upload(&token, "garmin-9", "fit", &a_run());
    let posted = asked.upload(&token, "garmin-2", "fit", &a_run());
    asked.pass(SignedDuration::from_hours(1));
    let polled = asked.poll(&token, &posted);
    assert_eq!(
        (&polled["status"], &polled["error"]),
        (&json!("The created activity has been deleted."), &Value::Null)
    );
    assert_eq!(asked.processed(&token, "garmin-3", "fit", &a_run())["error"], "Sorry.");
    let pending = asked.world.strava.uploads.values().next().unwrap().id;
    let status = asked.strava(&token, &format!("/uploads/{pending}")).body_json();
    assert_eq!(status["status"], "Your activity is still being processed.");
    assert_eq!(asked.strava(&token, "/uploads/1").status, 404);
}

#[test]
fn the_received_bytes_are_remembered_by_their_hash() {
    let mut asked = Asked::new();
    let token = asked.strava_token(ALL);
    asked.processed(&token, "garmin-1", "fit", &generate::truncate(a_run()));
    let received = asked.world.sha256_received(1).unwrap().to_owned();
    asked.processed(&token, "garmin-1", "fit", &a_run());
    assert_ne!(asked.world.sha256_received(1).unwrap(), received);
    assert_eq!(asked.world.published(1).unwrap().sha256.as_deref(), asked.world.sha256_received(1));
}

#[test]
fn an_activity_of_another_athlete_is_no_duplicate() {
    let mut asked = Asked::new();
    asked.world.strava.settings.duplicates = Duplicates::ALL;
    let start = "2026-11-22T06:10:00Z".parse().unwrap();
    asked.world.strava.add(StravaActivity::other(ATHLETE + 1, "Run", "Run", start, 1800.0));
    let token = asked.strava_token(ALL);
    assert!(!is_duplicate(&asked.processed(&token, "garmin-1", "fit", &a_run())));
}

fn is_duplicate(polled: &Value) -> bool {
    polled["error"].as_str().is_some_and(|error| error.contains("duplicate of"))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
