//! Answers of Strava: a page of activities; an upload, what became of it, a refused token.

use fitferry_core::activity::{Found, StravaId};
use fitferry_core::ports::{Processing, Sent};
use fitferry_strava::answers::{self, Answer, Meaning};
use serde_json::Value;

use super::{check_distance, check_elapsed, seed};
use crate::{Target, told};

pub(crate) const LIST: Target = Target {
    name: "strava_list",
    run: list,
    seeds: list_seeds,
    words: &[
        "id",
        "name",
        "external_id",
        "upload_id",
        "upload_id_str",
        "start_date",
        "start_date_local",
        "elapsed_time",
        "moving_time",
        "distance",
        "sport_type",
        "T00:00:01Z",
        "NaN",
        "1e308",
        "-1",
        "18446744073709551615",
        "errors",
        "resource",
        "field",
        "code",
        "message",
        "s3cr3tb3ar3r0f0n3p3rs0n1234567890",
    ],
};

pub(crate) const UPLOAD: Target = Target {
    name: "strava_upload",
    run: upload,
    seeds: upload_seeds,
    words: &[
        "id",
        "id_str",
        "error",
        "status",
        "activity_id",
        "duplicate of activity ",
        "duplicate of <a href='/activities/",
        "There was an error processing your activity.",
        "The created activity has been deleted.",
        "errors",
        "resource",
        "field",
        "code",
        "message",
        "Application",
        "Status",
        "Inactive",
        "AccessToken",
        "activity:write_permission",
        "missing",
        "Rate Limit",
        "exceeded",
        "RefreshToken",
        "&lt;a href=&#39;",
        "s3cr3tb3ar3r0f0n3p3rs0n1234567890",
    ],
};

const STATUSES: &[u16] = &[200, 201, 200, 204, 302, 400, 401, 402, 403, 404, 413, 422, 429, 500, 503];
const TYPES: &[Option<&str>] = &[Some("application/json; charset=utf-8"), None, Some("text/html")];

fn of(data: &[u8]) -> Answer<'_> {
    let (status, content_type, body) = super::answer(STATUSES, TYPES, data);
    Answer { status, content_type, body, hidden: told::SECRET }
}

fn list(data: &[u8]) {
    let answer = of(data);
    match answers::page(&answer) {
        Ok((found, last)) => {
            found.iter().for_each(check);
            if contains(answer.body, told::SECRET.as_bytes()) {
                // Then it was another body that was read.
                return;
            }
            let Ok(Value::Array(items)) = serde_json::from_slice(answer.body) else {
                panic!("a list was read from what is none")
            };
            assert_eq!(last, items.len() < 150);
            let ids: std::collections::BTreeSet<u64> =
                items.iter().filter_map(|item| item["id"].as_u64()).filter(|id| *id > 0).collect();
            let seen = found.iter().map(|found| found.id.0).collect();
            assert!(ids.is_subset(&seen), "an activity with an id is not seen");
        }
        Err(error) => told::error(&error),
    }
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

fn check(found: &Found) {
    assert!(found.id.0 > 0 && found.upload_id.is_none_or(|upload| upload.0 > 0));
    assert!(!(found.start_hidden && found.start.is_some()), "a hidden start is shown");
    found.distance.iter().for_each(|distance| check_distance(*distance));
    found.elapsed.iter().chain(&found.moving).for_each(|elapsed| check_elapsed(*elapsed));
    for text in [&found.name, &found.external_id, &found.sport_type].into_iter().flatten() {
        assert!(!text.is_empty());
    }
}

fn upload(data: &[u8]) {
    let answer = of(data);
    match answers::upload(&answer) {
        Meaning::Sent(Sent::Accepted(upload)) => {
            assert!(upload.0 > 0 && (200..300).contains(&answer.status));
        }
        Meaning::Sent(Sent::Duplicate { of, text }) => duplicate(of, &text),
        Meaning::Sent(Sent::Refused(text)) => {
            told::discreet(&text, 300);
            assert!(answer.status < 500, "trouble of Strava's was booked on the file");
        }
        Meaning::NotTaken(error) => {
            // A 5xx may come after the effect (*Doubt*).
            assert!((300..500).contains(&answer.status), "{}", answer.status);
            told::error(&error);
        }
        Meaning::InDoubt(error) => told::error(&error),
        Meaning::TokenVoid => assert_eq!(answer.status, 401),
    }
    match answers::processing(&answer) {
        Ok(Processing::Ready(activity)) => assert!(activity.0 > 0),
        Ok(Processing::Duplicate { of, text }) => duplicate(of, &text),
        Ok(Processing::Failed(text)) => told::discreet(&text, 300),
        Ok(_) => {}
        Err(error) => told::error(&error),
    }
    told::error(&answers::token_refusal(&answer));
}

fn duplicate(of: Option<StravaId>, text: &str) {
    told::discreet(text, 300);
    assert!(of.is_none_or(|id| id.0 > 0));
}

fn list_seeds() -> Vec<Vec<u8>> {
    let item = r#"{"id":987,"name":"Morning Run","external_id":"garmin-20000000001.fit","upload_id":55,"upload_id_str":"55","start_date":"2026-11-20T06:00:00Z","start_date_local":"2026-11-20T07:00:00Z","elapsed_time":1800,"moving_time":1700,"distance":5000.2,"sport_type":"Run","type":"Run"}"#;
    vec![
        seed(0, 0, format!("[{item}]")),
        seed(0, 0, format!("[{}{item}]", format!("{item},").repeat(149))),
        seed(
            0,
            0,
            r#"[{"id":"9","start_date_local":"2026-11-20T00:00:01Z","distance":-1,"elapsed_time":1e300}]"#,
        ),
        seed(0, 0, "[]"),
        seed(
            12,
            0,
            r#"{"message":"Rate Limit Exceeded","errors":[{"resource":"Application","field":"rate limit","code":"exceeded"}]}"#,
        ),
        seed(13, 2, "<html><body><h1>502</h1></body></html>"),
        seed(6, 0, format!(r#"{{"message":"bad {}"}}"#, told::SECRET)),
    ]
}

fn upload_seeds() -> Vec<Vec<u8>> {
    vec![
        seed(
            1,
            0,
            r#"{"id":55,"id_str":"55","external_id":"garmin-1.fit","error":null,"status":"Your activity is still being processed.","activity_id":null}"#,
        ),
        seed(0, 0, r#"{"id":55,"error":null,"status":"Your activity is ready.","activity_id":987}"#),
        seed(
            1,
            0,
            r#"{"id":55,"error":"garmin-1.fit duplicate of <a href='/activities/987' target='_blank'>Run</a>","status":"There was an error processing your activity.","activity_id":null}"#,
        ),
        seed(
            5,
            0,
            r#"{"message":"Bad Request","errors":[{"resource":"Upload","field":"data","code":"empty"}]}"#,
        ),
        seed(
            8,
            0,
            r#"{"message":"Forbidden","errors":[{"resource":"Application","field":"Status","code":"Inactive"}]}"#,
        ),
        seed(
            6,
            0,
            r#"{"message":"Authorization Error","errors":[{"resource":"AccessToken","field":"activity:write_permission","code":"missing"}]}"#,
        ),
        seed(11, 2, "<html><p>x duplicate of &lt;a href=&#39;/activities/9&#39;&gt;R</p></html>"),
        seed(13, 2, format!("<html>{}</html>", told::SECRET)),
        seed(
            5,
            0,
            r#"{"message":"Bad Request","errors":[{"resource":"RefreshToken","field":"refresh_token","code":"invalid"}]}"#,
        ),
        seed(0, 0, r#"{"id":0,"error":[1,[2]],"status":7,"activity_id":-1}"#),
    ]
}
