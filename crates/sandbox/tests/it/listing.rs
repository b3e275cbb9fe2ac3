//! Strava's list and single activities.

use fitferry_sandbox::garmin::GarminActivity;
use fitferry_sandbox::strava::{ATHLETE, StravaActivity, Visibility};
use fitferry_sandbox::{Request, Service};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::asked::{ALL, Asked, is_fault, run_at};

#[test]
fn the_order_depends_on_the_filters() {
    let mut asked = Asked::new();
    asked.fill_strava(4);
    let token = asked.strava_token(ALL);
    let second = asked.now.as_second();
    let (after, before) = (second - 7 * 86_400, second);
    let mut starts = |query: &str| {
        let list = asked.strava(&token, &format!("/athlete/activities?{query}")).body_json();
        list.as_array()
            .unwrap()
            .iter()
            .map(|item| item["start_date"].as_str().unwrap()[8..10].to_owned())
            .collect()
    };
    let newest_first: Vec<String> = starts("");
    assert_eq!(newest_first, ["22", "21", "20", "19"]);
    assert_eq!(starts(&format!("after={after}")), ["19", "20", "21", "22"]);
    assert_eq!(starts(&format!("after={after}&before={before}")), newest_first);
    assert_eq!(starts(&format!("before={}", second - 2 * 86_400)), ["20", "19"]);
    assert_eq!(starts("page=2&per_page=3"), ["19"]);
    assert!(starts("page=3&per_page=3").is_empty());
}

#[test]
fn a_time_that_is_yet_to_come_is_refused() {
    let mut asked = Asked::new();
    let token = asked.strava_token(ALL);
    let milliseconds = asked.now.as_millisecond();
    let refused = asked.strava(&token, &format!("/athlete/activities?after={milliseconds}"));
    assert!(is_fault(&refused, 400, "Application", "after", "future"));
    assert_eq!(asked.strava(&token, "/athlete/activities?per_page=201").status, 400);
}

#[test]
fn short_pages_lose_nothing_and_hold_three_quarters() {
    let mut asked = Asked::new();
    asked.world.strava.settings.short_pages = true;
    asked.fill_strava(900);
    let token = asked.strava_token(ALL);
    let pages: Vec<Vec<Value>> = (1..)
        .map(|page| {
            let list =
                asked.strava(&token, &format!("/athlete/activities?per_page=200&page={page}")).body_json();
            list.as_array().unwrap().clone()
        })
        .take_while(|page| !page.is_empty())
        .collect();
    let (last, others) = pages.split_last().unwrap();
    assert!(others.iter().all(|page| (150..=200).contains(&page.len())));
    assert!(others.iter().any(|page| page.len() < 200), "no page was short");
    let mut ids: Vec<_> = pages.iter().flatten().map(|item| item["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 900, "and the last page has {}", last.len());
}

#[test]
fn only_you_is_hidden_without_the_scope_for_it() {
    let mut asked = Asked::new();
    asked.fill_strava(2);
    let hidden = *asked.world.strava.activities.keys().next().unwrap();
    asked.world.strava.activities.get_mut(&hidden).unwrap().visibility = Visibility::OnlyMe;
    let reader = asked.strava_token(&["read", "activity:read", "activity:write"]);
    assert_eq!(asked.strava(&reader, "/athlete/activities").body_json().as_array().unwrap().len(), 1);
    assert_eq!(asked.strava(&reader, &format!("/activities/{hidden}")).status, 404);
    let token = asked.strava_token(ALL);
    let list = asked.strava(&token, "/athlete/activities").body_json();
    assert_eq!((&list[0]["visibility"], &list[0]["private"]), (&json!("only_me"), &json!(true)));
}

#[test]
fn a_hidden_start_shows_midnight_and_a_second_of_the_local_day() {
    let mut asked = Asked::new();
    let start = "2026-11-22T23:30:00Z".parse().unwrap();
    let activity = StravaActivity::other(ATHLETE, "Run", "Run", start, 600.0);
    asked.world.strava.add(StravaActivity { start_hidden: true, ..activity });
    let token = asked.strava_token(ALL);
    let list = asked.strava(&token, "/athlete/activities").body_json();
    assert_eq!(list[0]["start_date_local"], "2026-11-23T00:00:01Z");
    assert_eq!(list[0]["start_date"], "2026-11-22T23:00:01Z");
}

#[test]
fn an_entry_by_hand_has_no_upload_and_whole_numbers_have_no_point() {
    let mut asked = Asked::new();
    let start = asked.now - SignedDuration::from_hours(3);
    let by_hand = StravaActivity {
        manual: true,
        has_gps: false,
        distance_m: 1000.0,
        ..StravaActivity::other(ATHLETE, "Swim", "Swim", start, 1800.0)
    };
    asked.world.strava.add(by_hand);
    let token = asked.strava_token(ALL);
    let item = asked.strava(&token, "/athlete/activities").body_json()[0].clone();
    assert_eq!((&item["upload_id"], item.get("upload_id_str")), (&Value::Null, None));
    assert!(item.get("workout_type").is_none());
    assert_eq!(item["start_latlng"], json!([]));
    assert_eq!(item["distance"].to_string(), "1000");
    assert_eq!(item["average_speed"].to_string(), "0.6");
}

#[test]
fn garmins_link_copies_what_garmin_has_under_a_number_of_its_own() {
    let mut asked = Asked::new();
    asked.world.garmin_link = Some(SignedDuration::from_mins(10));
    let run = GarminActivity::recorded("Morning Run", "running", &run_at("2026-11-23T06:10:00Z", 1));
    asked.world.garmin.add(run);
    let token = asked.strava_token(ALL);
    // 1800 s of running, a minute of arriving, ten of the link.
    asked.now = "2026-11-23T06:50:59Z".parse().unwrap();
    assert_eq!(asked.strava(&token, "/athlete/activities").body_json(), json!([]));
    asked.now = "2026-11-23T06:51:00Z".parse::<Timestamp>().unwrap();
    let list = asked.strava(&token, "/athlete/activities").body_json();
    let external_id = list[0]["external_id"].as_str().unwrap();
    assert!(external_id.starts_with("garmin_ping_") && external_id.len() == 24, "{external_id}");
    assert_eq!(list[0]["start_date"], "2026-11-23T06:10:00Z");
    assert!(asked.world.published(20_000_000_001).is_none(), "it is not ours");
}

#[test]
fn an_activity_is_changed_by_json_only() {
    let mut asked = Asked::new();
    asked.fill_strava(1);
    let id = *asked.world.strava.activities.keys().next().unwrap();
    let token = asked.strava_token(ALL);
    let mut put = |kind: &str, body: &str| {
        let request =
            Request { body: body.as_bytes().to_vec(), ..Request::new("PUT", &format!("/activities/{id}")) };
        asked.ask(Service::Strava, &request.with_bearer(&token).with_header("content-type", kind))
    };
    assert_eq!(put("text/plain", "{\"name\":\"x\"}").body_json()["name"], "Run");
    let changed =
        put("application/json", "{\"name\":\"x\",\"commute\":true,\"visibility\":\"only_me\"}").body_json();
    assert_eq!((&changed["name"], &changed["commute"]), (&json!("x"), &json!(true)));
    assert_eq!(changed["visibility"], "everyone");
    let wrong = put("application/json", "{\"sport_type\":\"run\"}");
    assert!(is_fault(&wrong, 400, "Activity", "sport_type", "invalid"));
}
