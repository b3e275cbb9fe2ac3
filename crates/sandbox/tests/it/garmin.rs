//! Garmin's lists, downloads and tokens.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use fitferry_sandbox::garmin::{API_KEY, ATHLETE, Durations, Entry, GarminActivity, Keys, Limiter, Parcel};
use fitferry_sandbox::{Reply, Request, Service};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::asked::{Asked, a_run, run_at};

const LIST: &str = "/activitylist-service/activities/search/activities";
const APP: &str = "GARMIN_CONNECT_MOBILE_ANDROID_DI_2025Q2";

#[test]
fn a_key_becomes_a_bearer_of_a_day_as_bare_text() {
    let mut asked = Asked::new();
    let answer = personal_token(&mut asked, API_KEY);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain;charset=UTF-8")));
    let bearer = String::from_utf8(answer.body).unwrap().trim().to_owned();
    let claims = URL_SAFE_NO_PAD.decode(bearer.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["exp"].as_i64().unwrap(), asked.now.as_second() + 86_400);
    let settings = "/userprofile-service/userprofile/settings";
    assert_eq!(get(&mut asked, &bearer, settings).body_json()["displayName"], "sample-user");
    assert_eq!(get(&mut asked, &bearer, "/userprofile-service/socialProfile").status, 404);
    asked.world.garmin.tokens.revoke_bearers(ATHLETE);
    let revoked = get(&mut asked, &bearer, settings);
    assert_eq!(revoked.status, 401);
    assert_eq!(
        revoked.header("www-authenticate"),
        Some("Bearer error=\"invalid_token\", error_description=\"Token is not active\"")
    );
    assert_eq!(personal_token(&mut asked, API_KEY).status, 200, "the key itself lives on");
    asked.world.garmin.tokens.revoke_key(API_KEY);
    assert_eq!(personal_token(&mut asked, API_KEY).status, 401);
}

#[test]
fn a_refreshed_token_ends_the_one_before_at_once() {
    let mut asked = Asked::new();
    let first = asked.world.garmin_login(APP, asked.now);
    let refresh = |token: &str| {
        vec![("grant_type", "refresh_token"), ("client_id", APP), ("refresh_token", token)]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect::<Vec<_>>()
    };
    let second = di(&mut asked, &refresh(&first.refresh_token)).body_json();
    assert_eq!(
        (&second["expires_in"], &second["refresh_token_expires_in"]),
        (&json!(86_399), &json!(2_591_999))
    );
    let refused = di(&mut asked, &refresh(&first.refresh_token));
    assert_eq!((refused.status, &refused.body_json()["error"]), (400, &json!("invalid_grant")));
    let bearer = second["access_token"].as_str().unwrap();
    let profile = Request::get("/userprofile-service/socialProfile").with_bearer(bearer);
    assert_eq!(asked.ask(Service::GarminApi, &profile).body_json()["displayName"], "sample-user");
    assert_eq!(asked.ask(Service::GarminPersonal, &profile).status, 401, "each host has its own bearers");
}

#[test]
fn a_ticket_is_good_once_for_its_service_for_a_minute() {
    let service = "https://sso.garmin.com/sso/embed";
    let exchange = |ticket: &str, service: &str, app: &str| {
        [
            ("grant_type", "https://connectapi.garmin.com/di-oauth2-service/oauth/grant/service_ticket"),
            ("client_id", app),
            ("service_ticket", ticket),
            ("service_url", service),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let issue = |asked: &mut Asked| asked.world.garmin_ticket(service, asked.now);
    let mut asked = Asked::new();
    let ticket = issue(&mut asked);
    assert!(ticket.starts_with("ST-") && ticket.ends_with("-cas"), "{ticket}");
    assert!(di(&mut asked, &exchange(&ticket, service, "UNKNOWN_APP")).status >= 400);
    assert_eq!(di(&mut asked, &exchange(&ticket, service, APP)).status, 200, "a refused app leaves it whole");
    assert!(di(&mut asked, &exchange(&ticket, service, APP)).status >= 400);
    let elsewhere = issue(&mut asked);
    assert!(di(&mut asked, &exchange(&elsewhere, "https://connect.garmin.com/app", APP)).status >= 400);
    let late = issue(&mut asked);
    asked.pass(SignedDuration::from_secs(60));
    assert!(di(&mut asked, &exchange(&late, service, APP)).status >= 400);
}

#[test]
fn the_app_must_name_itself_twice_and_alike() {
    let mut asked = Asked::new();
    let form = [("grant_type", "refresh_token"), ("client_id", APP), ("refresh_token", "x")];
    let request = Request::form("/di-oauth2-service/oauth/token", &form);
    let basic = |user: &str| format!("Basic {}", STANDARD.encode(user));
    let other = request.clone().with_header("authorization", &basic("OTHER:"));
    assert_eq!(asked.ask(Service::GarminAuth, &other).status, 401);
    let with_password = request.with_header("authorization", &basic(&format!("{APP}:secret")));
    assert_eq!(asked.ask(Service::GarminAuth, &with_password).status, 401);
}

#[test]
fn the_list_is_newest_first_by_local_time_and_filtered_by_local_date() {
    let mut asked = Asked::new();
    for (day, hour) in [(20, "23:30"), (22, "06:10"), (21, "08:00")] {
        let spec = run_at(&format!("2026-11-{day}T{hour}:00Z"), day);
        asked.world.garmin.add(GarminActivity::recorded("Run", "running", &spec));
    }
    let bearer = bearer(&mut asked);
    let mut starts = |query: &str| -> Vec<String> {
        let list = get(&mut asked, &bearer, &format!("{LIST}?{query}")).body_json();
        list.as_array()
            .unwrap()
            .iter()
            .map(|item| item["startTimeLocal"].as_str().unwrap().to_owned())
            .collect()
    };
    // The offset is one hour, so 23:30 is past midnight.
    let all = ["2026-11-22 07:10:00", "2026-11-21 09:00:00", "2026-11-21 00:30:00"];
    assert_eq!(starts("start=0&limit=20"), all);
    assert_eq!(starts("start=1&limit=1"), all[1..2]);
    assert_eq!(starts("startDate=2026-11-21&endDate=2026-11-21"), all[1..]);
    assert_eq!(starts("sortBy=startLocal&sortOrder=asc&limit=1"), all[2..]);
    assert!(starts("start=3&limit=20").is_empty());
    assert!(starts("activityType=cycling").is_empty());
    assert_eq!(starts("activityType=running&activitySubType=running").len(), 3);
}

#[test]
fn too_large_a_page_is_refused() {
    let mut asked = Asked::new();
    let bearer = bearer(&mut asked);
    for query in ["limit=1001", "limit=0", "limit=x", "sortOrder=up", "startDate=yesterday"] {
        let refused = get(&mut asked, &bearer, &format!("{LIST}?{query}"));
        assert_eq!(refused.status, 400, "{query}");
        assert!(refused.body_json()["message"].is_string());
    }
    assert_eq!(get(&mut asked, &bearer, &format!("{LIST}?limit=1000")).status, 200);
}

#[test]
fn a_late_watch_puts_its_activity_in_the_middle() {
    let mut asked = Asked::new();
    let add = |asked: &mut Asked, start: &str, listed_from: Option<&str>| {
        let activity = GarminActivity::recorded("Run", "running", &run_at(start, 1));
        let listed_from = listed_from.map(|from| from.parse().unwrap());
        asked.world.garmin.add(GarminActivity { listed_from, ..activity })
    };
    let early = add(&mut asked, "2026-11-20T06:00:00Z", None);
    let recent = add(&mut asked, "2026-11-22T06:00:00Z", None);
    let late = add(&mut asked, "2026-11-21T06:00:00Z", Some("2026-11-23T07:00:00Z"));
    let bearer = bearer(&mut asked);
    assert_eq!(ids(&get(&mut asked, &bearer, LIST)), [recent, early]);
    assert_eq!(get(&mut asked, &bearer, &format!("/download-service/files/activity/{late}")).status, 404);
    asked.pass(SignedDuration::from_hours(1));
    assert_eq!(ids(&get(&mut asked, &bearer, LIST)), [recent, late, early]);
}

#[test]
fn an_item_is_of_today_or_of_2021() {
    let mut asked = Asked::new();
    let today = GarminActivity::recorded("Run", "trail_running", &run_at("2026-11-22T06:10:00Z", 1));
    let nameless = GarminActivity { name: None, ..today.clone() };
    let old =
        GarminActivity { keys: Keys::Null, durations: Durations::ElapsedInMilliseconds, ..today.clone() };
    for activity in [today, nameless, old] {
        asked.world.garmin.add(activity);
    }
    let bearer = bearer(&mut asked);
    let list = get(&mut asked, &bearer, LIST).body_json();
    let (old, nameless, today) = (&list[0], &list[1], &list[2]);
    assert_eq!(today["startTimeGMT"], "2026-11-22 06:10:00");
    assert_eq!(today["beginTimestamp"], 1_795_327_800_000_i64);
    assert_eq!(
        today["activityType"],
        json!({"typeId": 6, "typeKey": "trail_running", "parentTypeId": 1, "isHidden": false, "restricted": false,
            "trimmable": true})
    );
    assert_eq!((&today["elapsedDuration"], &today["manualActivity"]), (&json!(1800.0), &json!(false)));
    assert!(today.get("description").is_none() && today.get("parentId").is_none());
    assert!(nameless.get("activityName").is_none());
    assert_eq!((old.get("description"), old.get("parentId")), (Some(&Value::Null), Some(&Value::Null)));
    assert_eq!(old["elapsedDuration"], 1_800_000.0);
}

#[test]
fn a_multisport_activity_hides_its_legs_and_they_download_the_whole() {
    let mut asked = Asked::new();
    let run = GarminActivity::recorded("Tri", "multi_sport", &run_at("2026-11-22T06:10:00Z", 1));
    let parent = asked.world.garmin.add(GarminActivity { legs: vec![20_000_000_002], ..run });
    let leg = GarminActivity::bare("Tri - Run", "running");
    let start = Some("2026-11-22T06:20:00Z".parse().unwrap());
    let leg = asked.world.garmin.add(GarminActivity { parent: Some(parent), start, ..leg });
    let bearer = bearer(&mut asked);
    let listed = get(&mut asked, &bearer, LIST);
    assert_eq!(ids(&listed), [parent]);
    assert_eq!(
        (&listed.body_json()[0]["parent"], &listed.body_json()[0]["beginTimestamp"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(ids(&get(&mut asked, &bearer, &format!("{LIST}?excludeChildren=false"))), [leg, parent]);
    let detail = get(&mut asked, &bearer, &format!("/activity-service/activity/{parent}")).body_json();
    assert_eq!(detail["metadataDTO"]["childIds"], json!([leg]));
    let download = get(&mut asked, &bearer, &format!("/download-service/files/activity/{leg}"));
    assert_eq!(unzip(&download.body)[0].content, a_run());
}

#[test]
fn a_download_comes_in_all_its_shapes() {
    let names = |parcel| match download(parcel, a_run()) {
        reply if reply.status == 200 && reply.body.starts_with(b"PK") => {
            unzip(&reply.body).into_iter().map(|entry| (entry.name, entry.content.len())).collect()
        }
        reply => vec![(
            format!("{} {}", reply.status, reply.header("content-type").unwrap_or("-")),
            reply.body.len(),
        )],
    };
    let size = a_run().len();
    let one = |name: &str, size| vec![(name.to_owned(), size)];
    assert_eq!(names(Parcel::Zip), one("20000000001_ACTIVITY.fit", size));
    assert_eq!(names(Parcel::ZipNamed("Übung.FIT".into())), one("Übung.FIT", size));
    assert_eq!(names(Parcel::EmptyZip), []);
    let entries = ["a.fit", "b.fit"].map(|name| Entry { name: name.into(), content: Vec::new() }).to_vec();
    assert_eq!(names(Parcel::ZipOf(entries)), [("a.fit".to_owned(), 0), ("b.fit".to_owned(), 0)]);
    assert_eq!(names(Parcel::Raw), one("200 application/octet-stream", size));
    assert_eq!(names(Parcel::EmptyBody), one("200 application/x-zip-compressed", 0));
    let status = |parcel| download(parcel, a_run()).status;
    assert_eq!(
        [Parcel::NotFound, Parcel::Gone, Parcel::NullPointer, Parcel::Forbidden].map(status),
        [404, 410, 500, 403]
    );
    assert!(download(Parcel::Html, a_run()).body.starts_with(b"<!DOCTYPE html>"));
    let gpx = download(Parcel::Zip, b"<?xml version=\"1.0\"?><gpx/>".to_vec());
    assert_eq!(unzip(&gpx.body)[0].name, "20000000001.gpx");
    let cut = download(Parcel::CutZip, a_run());
    assert!(zip::ZipArchive::new(std::io::Cursor::new(cut.body)).is_err());
}

#[test]
fn a_file_may_be_listed_before_it_is_served() {
    let mut asked = Asked::new();
    let run = GarminActivity::recorded("Run", "running", &run_at("2026-11-22T06:10:00Z", 1));
    let served_from = Some(asked.now + SignedDuration::from_mins(5));
    let id = asked.world.garmin.add(GarminActivity { served_from, ..run });
    let bearer = bearer(&mut asked);
    let path = format!("/download-service/files/activity/{id}");
    assert_eq!(get(&mut asked, &bearer, &path).status, 404);
    asked.pass(SignedDuration::from_mins(5));
    assert_eq!(get(&mut asked, &bearer, &path).status, 200);
}

#[test]
fn too_many_requests_are_refused_and_said_when_to_come_back() {
    let mut asked = Asked::new();
    asked.world.garmin.limiter = Some(Limiter::new(2, SignedDuration::from_secs(60)));
    let bearer = bearer(&mut asked);
    let mut statuses = || [1, 2, 3].map(|_| get(&mut asked, &bearer, LIST).status);
    assert_eq!(statuses(), [200, 200, 429]);
    let refused = get(&mut asked, &bearer, LIST);
    assert_eq!(refused.header("retry-after"), Some("61"));
    asked.pass(SignedDuration::from_secs(60));
    assert_eq!(get(&mut asked, &bearer, LIST).status, 200);
}

fn personal_token(asked: &mut Asked, key: &str) -> Reply {
    let path = "/personalapitoken-service/personal-api/personal-api-key/token";
    let request = Request::new("POST", path).with_header("Authorization", &format!("ApiKey {key}"));
    asked.ask(Service::GarminPersonal, &request)
}

fn bearer(asked: &mut Asked) -> String {
    asked.world.garmin_bearer(asked.now)
}

fn get(asked: &mut Asked, bearer: &str, path: &str) -> Reply {
    asked.ask(Service::GarminPersonal, &Request::get(path).with_bearer(bearer))
}

fn di(asked: &mut Asked, fields: &[(String, String)]) -> Reply {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let app = fields.iter().find(|(name, _)| *name == "client_id").unwrap().1;
    let basic = format!("Basic {}", STANDARD.encode(format!("{app}:")));
    let request =
        Request::form("/di-oauth2-service/oauth/token", &fields).with_header("authorization", &basic);
    asked.ask(Service::GarminAuth, &request)
}

fn download(parcel: Parcel, file: Vec<u8>) -> Reply {
    let mut asked = Asked::new();
    let run = GarminActivity::recorded("Run", "running", &run_at("2026-11-22T06:10:00Z", 1));
    let id = asked.world.garmin.add(GarminActivity { parcel, file, ..run });
    let bearer = bearer(&mut asked);
    get(&mut asked, &bearer, &format!("/download-service/files/activity/{id}"))
}

fn ids(reply: &Reply) -> Vec<u64> {
    reply.body_json().as_array().unwrap().iter().map(|item| item["activityId"].as_u64().unwrap()).collect()
}

fn unzip(bytes: &[u8]) -> Vec<Entry> {
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    (0..zip.len())
        .map(|index| {
            let mut file = zip.by_index(index).unwrap();
            let mut content = Vec::new();
            std::io::copy(&mut file, &mut content).unwrap();
            Entry { name: file.name().unwrap().into_owned(), content }
        })
        .collect()
}
