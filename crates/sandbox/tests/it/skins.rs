//! The two skins are of one world: what a request over HTTP changes, counts and is told, a call changes, counts
//! and is told as well.

use fitferry_sandbox::direct::Denial;
use fitferry_sandbox::garmin::{self, GarminActivity, Tier};
use fitferry_sandbox::strava::{ListQuery, NewUpload, Refusal};
use fitferry_sandbox::{Fault, Request, Route, Service, What, When, World};
use jiff::SignedDuration;
use serde_json::Value;

use crate::asked::{ALL, Asked, a_run, run_at};

/// The same world twice, at the same moment.
fn twice(prepare: impl FnOnce(&mut Asked)) -> (Asked, Asked) {
    let mut first = Asked::new();
    prepare(&mut first);
    let second = Asked { world: first.world.clone(), now: first.now };
    (first, second)
}

fn garmin_list(asked: &mut Asked, bearer: &str) -> Value {
    let path = "/activitylist-service/activities/search/activities?start=1&limit=3&startDate=2026-11-01";
    asked.ask(Service::GarminPersonal, &Request::get(path).with_bearer(bearer)).body_json()
}

fn query() -> garmin::ListQuery {
    garmin::ListQuery { start: 1, limit: 3, from: "2026-11-01".parse().ok(), ..garmin::ListQuery::default() }
}

#[test]
fn both_skins_show_the_same_page_of_garmins_list() {
    let mut bearer = String::new();
    let (mut http, mut direct) = twice(|asked| {
        bearer = asked.world.garmin_bearer(asked.now);
        for start in ["2026-10-30T08:00:00Z", "2026-11-20T08:00:00Z", "2026-11-22T06:10:00Z"] {
            let run = GarminActivity::recorded("Run", "running", &run_at(start, 1));
            asked.world.garmin.add(run);
        }
        asked.world.garmin.add(GarminActivity::bare("No time", "running"));
    });
    let over_http: Vec<u64> = garmin_list(&mut http, &bearer)
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["activityId"].as_u64().unwrap())
        .collect();
    let heard = direct.world.garmin_list(Tier::Personal, &bearer, &query(), direct.now);
    let called: Vec<u64> = heard.answer.unwrap().iter().map(|activity| activity.id).collect();
    assert_eq!(called, over_http);
    assert_eq!(called.len(), 1);
    let refused = direct.world.garmin_list(Tier::Connect, &bearer, &query(), direct.now);
    assert!(matches!(refused.answer, Err(Denial::Garmin { status: 401, .. })));
}

#[test]
fn an_upload_by_call_is_processed_counted_and_told_as_one_over_http() {
    let mut token = String::new();
    let (mut http, mut direct) = twice(|asked| token = asked.strava_token(ALL));
    let posted = http.upload(&token, "garmin-7", "fit", &a_run());
    let new = NewUpload {
        filename: "garmin-7.fit".to_owned(),
        data_type: "fit".to_owned(),
        bytes: a_run(),
        external_id: Some("garmin-7".to_owned()),
        ..NewUpload::default()
    };
    let heard = direct.world.strava_upload(&token, new, direct.now);
    let (upload, status) = heard.answer.map(|standing| (standing.upload, standing.status)).unwrap();
    assert_eq!(posted.body_json()["id"].as_u64(), Some(upload));
    assert_eq!(posted.body_json()["status"].as_str(), Some(status));
    let usage = posted.header("X-RateLimit-Usage").unwrap();
    let used = heard.rates.unwrap().overall_used;
    assert_eq!(usage, format!("{},{}", used.quarter, used.day));
    assert_eq!(heard.rates.unwrap().read_used, None);

    http.pass(SignedDuration::from_secs(5));
    direct.pass(SignedDuration::from_secs(5));
    let polled = http.poll(&token, &posted);
    let heard = direct.world.strava_upload_status(&token, upload, direct.now);
    assert_eq!(polled["activity_id"].as_u64(), heard.answer.unwrap().activity);
    let listed = http.strava(&token, "/athlete/activities");
    let heard = direct.world.strava_list(&token, ListQuery::default(), direct.now);
    let shown = &heard.answer.unwrap()[0];
    assert_eq!(listed.body_json()[0]["id"].as_u64(), Some(shown.activity.id));
    assert_eq!(listed.body_json()[0]["start_date"].as_str(), Some(shown.start.to_string().as_str()));
    let read = heard.rates.unwrap().read_used.unwrap();
    assert_eq!(
        listed.header("X-ReadRateLimit-Usage"),
        Some(format!("{},{}", read.quarter, read.day).as_str())
    );
    assert!(direct.world.published(7).is_some() && http.world.published(7).is_some());
}

#[test]
fn a_refresh_token_ends_with_the_call_as_it_ends_with_the_request() {
    let mut refresh_token = String::new();
    let (mut http, mut direct) = twice(|asked| {
        refresh_token = asked.world.strava_login(ALL, asked.now).refresh_token;
        asked.pass(SignedDuration::from_hours(7));
    });
    let over_http = http.refresh(&refresh_token).body_json();
    let secret = fitferry_sandbox::strava::CLIENT_SECRET;
    let refresh =
        |world: &mut World| world.strava_refresh("12345", secret, &refresh_token, direct.now).answer;
    let called = refresh(&mut direct.world).unwrap();
    assert_eq!(over_http["refresh_token"].as_str(), Some(called.refresh_token.as_str()));
    assert_eq!(over_http["expires_at"].as_i64(), Some(called.expires_at.as_second()));
    let again = refresh(&mut direct.world);
    assert_eq!(again, Err(Denial::Strava(Refusal::Bad("RefreshToken", "refresh_token", "invalid"))));
    assert_eq!(http.refresh(&refresh_token).status, 400);
}

#[test]
fn faults_strike_calls_as_they_strike_requests_and_refused_ones_count() {
    let mut token = String::new();
    let (mut http, mut direct) = twice(|asked| {
        token = asked.strava_token(ALL);
        let fault = |when, what| Fault { route: Route::StravaList, when, what };
        asked.world.faults.push(fault(When::Nth(1), What::Status(503)));
        asked.world.faults.push(fault(When::Nth(2), What::StatusAfterEffect(502)));
        asked.world.faults.push(fault(When::Nth(3), What::Html(403)));
    });
    let expected = [
        (503, Some(Denial::Gateway(503))),
        (502, Some(Denial::Gateway(502))),
        (403, Some(Denial::WebPage(403))),
        (200, None),
    ];
    for (status, denial) in expected {
        let reply = http.strava(&token, "/athlete/activities");
        let heard = direct.world.strava_list(&token, ListQuery::default(), direct.now);
        assert_eq!((reply.status, heard.answer.err()), (status, denial));
    }
    let used = |world: &World, now| world.strava.apps[&12_345].usage.at(now);
    assert_eq!(used(&http.world, http.now), used(&direct.world, direct.now));
    assert_eq!(used(&direct.world, direct.now).1.quarter, 4, "all have counted");
}
