//! Answers that were recorded from Garmin, each read as the client reads one of its shape.
//!
//! The recordings are not part of this repository. A folder beside it has them, or `FITFERRY_SHARED`
//! names it; without one there is nothing to check. A recording that [`READ`] does not know only has to be
//! readable.

use std::path::{Path, PathBuf};

use fitferry_core::activity::{GarminId, Listed};
use fitferry_core::ports::{Download, Source};
use fitferry_garmin::login::prove;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::fakes::{Stage, jwt, key_login, kind, newest, noon, token_login};
use crate::server::{Reply, Seen};

/// What the recordings say, in the words of [`read`].
const READ: &[(&str, &[&str])] = &[
    ("activity-404-not-found.json", &["no such activity", "no file"]),
    ("activity-delete-204.json", &["nothing"]),
    (
        "activity-list-2021-exporter.json",
        &[
            // Its `elapsedDuration` is in milliseconds (dossier garmin.md §6.2).
            "6609987243 \"Walk\" walking<17 2021-04-15T09:44:05Z on 2021-04-15 2702s 3385m",
            "6588349056 \"Bike-Walk-Bike\" multi_sport<17 2021-04-11T09:50:49Z on 2021-04-11 11183s 38351m",
            "6585943400 \"Run\" running<17 2021-04-11T05:48:33Z on 2021-04-11 4677s 7287m",
        ],
    ),
    ("activity-list-limit3.json", &[TRAIL_RUN, HIKE, PADDLING]),
    ("activity-list-page1-limit2.json", &[TRAIL_RUN, HIKE]),
    (
        "activity-multisport-parent.json",
        &["6588349056 \"Bike-Walk-Bike\" multi_sport<17 2021-04-11T09:50:49Z on 2021-04-11 11183s 38351m"],
    ),
    (
        "activity-single-emoji-name.json",
        &["2958378924 \"Sampleton 🏛 Pavillon\" running<17 2018-08-24T10:01:50Z on 2018-08-24 2147s 4146m"],
    ),
    (
        "activity-single-gpx-import-device-0.json",
        &[
            "995784118 \"Sampleton (Runkeeper)\" uncategorized<17 2015-12-27T12:05:44Z on 2015-12-27 3620s 9943m",
        ],
    ),
    (
        "activity-single-ski-2018.json",
        &[
            "2541953812 \"Sampleton Langlauf\" cross_country_skiing<4 2018-03-08T11:23:22Z on 2018-03-08 2627s 8225m",
        ],
    ),
    ("activity-single-trail-run.json", &[TRAIL_RUN]),
    ("activity-types-table.json", &["152 types, 151 of them with a parent"]),
    (
        "download-403-not-owner.json",
        &["refused 403", "Garmin answers 403: Only owner of activity allowed to access this operation"],
    ),
    (
        "fitness-stats-activities.json",
        &["21461718086", "21482825013", "21492483008", "21506095559", "21515597313", "21522899847"],
    ),
    ("oauth2-exchange-ok.json", &["a bearer until 2026-11-24T17:46:22Z, a login until 2026-12-23T11:59:59Z"]),
    ("social-profile.json", &["sample-user"]),
];

const TRAIL_RUN: &str =
    "21482825013 \"Sampleton - Base\" trail_running<1 2026-01-08T14:10:21Z on 2026-01-08 2225s 4261m";
const HIKE: &str =
    "21461718086 \"Sampleton Hiking\" hiking<17 2026-01-06T13:14:18Z on 2026-01-06 2349s 3362m";
const PADDLING: &str = "21419635589 \"Lakeside Stand Up Paddleboarding\" stand_up_paddleboarding_v2<228 \
                        2026-01-02T12:12:43Z on 2026-01-02 3227s 3196m";

#[tokio::test]
async fn every_recorded_answer_is_read() {
    let Some(shared) = shared() else { return };
    for path in files(&shared.join("recorded/garmin")) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let response = record.get("response").unwrap_or_else(|| panic!("{name} has no response"));
        let read = read(response).await;
        assert!(!read.is_empty(), "{name} gave nothing");
        if let Some((_, expected)) = READ.iter().find(|(of, _)| *of == name) {
            assert_eq!(read, *expected, "{name}");
        }
    }
}

/// What the client reads from an answer, by its shape.
async fn read(response: &Value) -> Vec<String> {
    let status = response["status"].as_u64().map_or(200, |status| status.try_into().unwrap());
    let body = &response["json"];
    let text = response["text"].as_str().map_or_else(|| body.to_string(), str::to_owned);
    let first = body.get(0).unwrap_or(&Value::Null);
    if status >= 400 {
        return refusal(Reply::json(status, text)).await;
    }
    if body.get("access_token").is_some() {
        return vec![tokens(Reply::json(status, text)).await];
    }
    if body.get("displayName").is_some() {
        return vec![profile(Reply::json(status, text)).await];
    }
    if first.get("typeKey").is_some() {
        return vec![types(body).await];
    }
    if first.get("activityId").is_some() {
        return list(Reply::json(status, text)).await.iter().map(shown).collect();
    }
    if let Some(id) = body.get("activityId").and_then(Value::as_u64) {
        let stage = answering(Reply::json(status, text)).await;
        let activity = stage.client.activity(GarminId(id)).await.unwrap().value;
        return activity.iter().map(shown).collect();
    }
    // No shape of ours: whatever it is, as a list it is told apart from one.
    let stage =
        answering(if text.is_empty() { Reply::empty(status) } else { Reply::json(status, text) }).await;
    let outcome = stage.client.list(newest()).await;
    let nothing = outcome.as_ref().is_ok_and(|answer| answer.value.is_empty());
    vec![if nothing { "nothing".to_owned() } else { kind(&outcome) }]
}

async fn list(reply: Reply) -> Vec<Listed> {
    answering(reply).await.client.list(newest()).await.unwrap().value
}

/// An error to the request for an activity, and to that for its file.
async fn refusal(reply: Reply) -> Vec<String> {
    let stage = answering(reply).await;
    let activity = stage.client.activity(GarminId(1)).await;
    let missing = activity.as_ref().is_ok_and(|answer| answer.value.is_none());
    let activity = if missing { "no such activity".to_owned() } else { kind(&activity) };
    let file = match stage.client.download(GarminId(1)).await.map(|answer| answer.value) {
        Ok(Download::NoFile) => "no file".to_owned(),
        Ok(Download::Unavailable(text)) => text,
        other => format!("{other:?}"),
    };
    vec![activity, file]
}

async fn tokens(reply: Reply) -> String {
    let login = token_login(SignedDuration::ZERO, "r-1");
    let stage = Stage::new(
        None,
        move |seen| {
            if seen.is_token_call() { reply.clone() } else { Reply::json(200, "{}") }
        },
    )
    .await;
    let proven = prove(&stage.http, &stage.endpoints, &*stage.vault, login, &*stage.clock, &stage.meter)
        .await
        .unwrap();
    fitferry_garmin::login::store(&*stage.vault, &proven).await.unwrap();
    stage.client.list(newest()).await.unwrap_err();
    let due = stage.client.bearer_due().unwrap();
    let ends = proven.login.ends().unwrap();
    format!("a bearer until {}, a login until {ends}", due + SignedDuration::from_hours(1))
}

async fn profile(reply: Reply) -> String {
    let stage = answering(reply).await;
    let login = token_login(SignedDuration::from_hours(9), "r-1");
    let proven = prove(&stage.http, &stage.endpoints, &*stage.vault, login, &*stage.clock, &stage.meter)
        .await
        .unwrap();
    proven.account.unwrap_or_default()
}

/// Each type of the table, as the type of an activity.
async fn types(table: &Value) -> String {
    let rows = table.as_array().unwrap();
    let items: Vec<Value> = rows
        .iter()
        .enumerate()
        .map(|(index, row)| json!({"activityId": index + 1, "activityType": row}))
        .collect();
    let listed = list(Reply::json(200, Value::from(items).to_string())).await;
    for (listed, row) in listed.iter().zip(rows) {
        assert_eq!(listed.type_key.as_deref(), row["typeKey"].as_str());
        assert_eq!(listed.parent_type_id.map(u64::from), row["parentTypeId"].as_u64());
    }
    let with_parent = listed.iter().filter(|listed| listed.parent_type_id.is_some_and(|id| id > 0)).count();
    format!("{} types, {with_parent} of them with a parent", listed.len())
}

async fn answering(reply: Reply) -> Stage {
    Stage::new(Some(&key_login()), move |seen: &Seen| {
        let token = jwt(noon() + SignedDuration::from_hours(24), "a");
        if seen.is_token_call() { Reply::new(200, "text/plain", token) } else { reply.clone() }
    })
    .await
}

/// Number, name, type and parent type, start, local day, duration, distance; what is unknown is left out.
fn shown(listed: &Listed) -> String {
    let mut words = vec![listed.id.to_string()];
    words.extend(listed.name.as_ref().map(|name| format!("{name:?}")));
    let parent = listed.parent_type_id.map(|id| format!("<{id}")).unwrap_or_default();
    words.extend(listed.type_key.as_ref().map(|key| format!("{key}{parent}")));
    words.extend(listed.start.map(|start| start.to_string()));
    words.extend(listed.local_date.map(|date| format!("on {date}")));
    words.extend(listed.elapsed.map(|elapsed| format!("{}s", elapsed.as_secs())));
    words.extend(listed.distance.map(|distance| format!("{}m", distance.meters().floor())));
    words.extend(listed.manual.then(|| "manual".to_owned()));
    words.extend(listed.parent.map(|parent| format!("leg of {parent}")));
    words.join(" ")
}

/// The folder with recordings, where there is one.
#[expect(clippy::print_stdout, reason = "it is told why nothing was checked")]
pub(crate) fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("FITFERRY_SHARED").map_or_else(beside, PathBuf::from);
    if !shared.join("recorded/garmin").is_dir() {
        println!("no recordings at {}", shared.display());
        return None;
    }
    Some(shared)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}
