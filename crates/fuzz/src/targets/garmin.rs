//! Answers of Garmin: the list, one activity, a download.

use fitferry_core::activity::Listed;
use fitferry_core::ports::Download;
use fitferry_core::rules::Rules;
use fitferry_garmin::answers::{self, Answer};
use serde_json::Value;

use super::{ID, check_distance, check_elapsed, check_summary, seed};
use crate::{Target, told};

pub(crate) const LIST: Target = Target {
    name: "garmin_list",
    run: list,
    seeds: list_seeds,
    words: &[
        "activityId",
        "activityName",
        "activityType",
        "typeKey",
        "parentTypeId",
        "startTimeGMT",
        "startTimeLocal",
        "beginTimestamp",
        "elapsedDuration",
        "duration",
        "movingDuration",
        "distance",
        "manualActivity",
        "parentId",
        "NaN",
        "-1e999",
        "1e308",
        "18446744073709551615",
        "1989-12-31 00:00:00",
        "2106-02-07 06:28:16",
        "[[[[[[[[",
        "{\"a\":{\"a\":{\"a\":",
        "null",
        "s3cr3tb3ar3r0f0n3p3rs0n1234567890",
    ],
};

pub(crate) const DOWNLOAD: Target = Target {
    name: "garmin_download",
    run: download,
    seeds: download_seeds,
    words: &[
        "message",
        "error",
        "PK\u{3}\u{4}",
        "<html>",
        ".FIT",
        "s3cr3tb3ar3r0f0n3p3rs0n1234567890",
        "eyJ",
        "ST-",
    ],
};

const STATUSES: &[u16] = &[200, 200, 200, 204, 301, 400, 401, 403, 404, 410, 429, 500, 502];
const TYPES: &[Option<&str>] =
    &[Some("application/json"), None, Some("text/html; charset=utf-8"), Some("application/x-zip")];

fn of(data: &[u8]) -> Answer<'_> {
    let (status, content_type, body) = super::answer(STATUSES, TYPES, data);
    Answer { status, content_type, body, hidden: told::SECRET }
}

fn list(data: &[u8]) {
    let answer = of(data);
    match answers::list(&answer) {
        Ok(listed) => {
            listed.iter().for_each(check);
            if let Some(all) = with_ids(answer.body) {
                assert_eq!(listed.len(), all, "an item with an id is not in the list");
            }
        }
        Err(error) => told::error(&error),
    }
    match answers::detail(ID, &answer) {
        Ok(listed) => listed.iter().for_each(check),
        Err(error) => told::error(&error),
    }
}

fn check(listed: &Listed) {
    assert!(listed.id.0 > 0);
    assert!(listed.parent.is_none_or(|parent| parent.0 > 0));
    for text in [&listed.name, &listed.type_key].into_iter().flatten() {
        assert!(!text.trim().is_empty());
    }
    listed.distance.iter().for_each(|distance| check_distance(*distance));
    listed.elapsed.iter().for_each(|elapsed| check_elapsed(*elapsed));
    // Whatever it is, the rules have a word on it.
    let rules = Rules { types: vec!["running".to_owned()], rules: Vec::new() };
    let _ = rules.decide(listed, Some(jiff::civil::date(2026, 11, 1)));
}

/// How many items a list has whose id nobody can misread.
fn with_ids(body: &[u8]) -> Option<usize> {
    let Ok(Value::Array(items)) = serde_json::from_slice(body) else { return None };
    let has_id = |item: &&Value| item.is_object() && item["activityId"].as_i64().is_some_and(|id| id > 0);
    let count = items.iter().filter(has_id).count();
    (count == items.len()).then_some(count)
}

fn download(data: &[u8]) {
    match answers::download(ID, &of(data)) {
        Ok(Download::File(original)) => check_summary(&original.summary),
        Ok(Download::NoFile) => {}
        Ok(Download::Unavailable(why) | Download::Broken(why)) => told::discreet(&why, 400),
        Ok(Download::Unfit { detail, .. }) => told::plain(&detail, 400),
        Err(error) => told::error(&error),
    }
}

fn list_seeds() -> Vec<Vec<u8>> {
    let item = r#"{"activityId":20000000001,"activityName":"Morning Run","activityType":{"typeKey":"trail_running","parentTypeId":1},"startTimeGMT":"2026-11-20 06:00:00","startTimeLocal":"2026-11-20 07:00:00","beginTimestamp":1795154400000,"elapsedDuration":1800.5,"duration":1790.0,"movingDuration":1700,"distance":5000.25,"manualActivity":false,"parentId":null}"#;
    vec![
        seed(0, 0, format!("[{item},{item}]")),
        seed(0, 0, item),
        seed(0, 0, "[]"),
        seed(0, 0, ""),
        seed(
            0,
            0,
            r#"[{"activityId":"7","distance":-1,"elapsedDuration":1e300,"startTimeGMT":"1989-12-31 00:00:00"}]"#,
        ),
        seed(10, 2, "<html><body>Too Many Requests</body></html>"),
        seed(7, 0, format!(r#"{{"message":"token {} is bad","error":"x"}}"#, told::SECRET)),
        seed(0, 0, "[".repeat(300)),
        seed(12, 2, "<html>\u{1b}[2J<title>502</title></html>"),
    ]
}

fn download_seeds() -> Vec<Vec<u8>> {
    vec![
        seed(0, 3, super::archive::a_fit(1_500.0)),
        seed(5, 0, r#"{"message":"no file for this activity"}"#),
        seed(7, 2, "<html><body>blocked</body></html>"),
        seed(11, 0, r#"{"message":"NullPointerException","error":"InternalServerErrorException"}"#),
        seed(8, 0, ""),
        seed(0, 2, "<!DOCTYPE html><html><title>Sign In</title></html>"),
        seed(
            7,
            0,
            format!(
                r#"{{"detailedImportResult":{{"failures":[{{"messages":[{{"content":"{}"}}]}}]}}}}"#,
                told::SECRET
            ),
        ),
    ]
}
