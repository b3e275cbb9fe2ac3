//! Answers that were recorded from Strava, served again: each is read, and what matters in it is right.
//!
//! The recordings are not part of the repository: they lie in the folder `recorded/strava` of
//! `FITFERRY_SHARED`, or of `shared` beside the repository. Without them there is nothing to read, and the
//! tests say so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use fitferry_core::activity::{Found, UploadId};
use fitferry_core::ports::{Destination, Failure, Look};
use fitferry_strava::login::{App, Scopes};
use fitferry_strava::oauth::{Granted, exchange_code};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::bench::{Bench, login_text, name, new_pair, send_name, window};
use crate::server::{Reply, Request};

/// What the client makes of each recording that is known here.
const KNOWN: &[(&str, &str)] = &[
    (
        "activities-list-date-range",
        "1961422138 Central Park with L | 18058932742.tcx | upload 2097849306 | \
         2018-11-12T22:12:47Z 2018-11-12 | 3201 s, 3194 s, 8449.8 m | Run\n\
         1972463847 Central Park with L | 18177667835.tcx | upload 2109231946 | \
         2018-11-18T16:30:45Z 2018-11-18 | 3150 s, 3150 s, 9681.1 m | Run\n\
         1990081217 Regular Loop #NYRRVirtualRacing | 18360154371.tcx | upload 2127579116 | \
         2018-11-28T20:11:32Z 2018-11-28 | 4626 s, 4496 s, 13994.6 m | Run",
    ),
    (
        "activity-created-manual",
        "16185205521 strava-ruby-client activity | - | upload - | 2025-10-18T23:04:26Z 2025-10-18 | \
         1234 s, 1234 s, 1000 m | Run",
    ),
    (
        "activity-detailed-2013-stravalib",
        "99895560 Lunch Rover Shuffle-Walk-Yog | 620D5DDD-B836-4F6B-8760-F905B8C2895F | upload 109244893 | \
         2013-12-12T19:36:41Z 2013-12-12 | 3140 s, 2892 s, 5781.1 m | Run",
    ),
    (
        "activity-detailed-run",
        "1946417534 TCS NYC Marathon 2018 | 17900304917.tcx | upload 2082412856 | \
         2018-11-04T14:53:46Z 2018-11-04 | 13333 s, 13085 s, 42268.1 m | Run",
    ),
    ("athlete-stats", "Ok(None)"),
    ("error-401-authorization", "misconfigured"),
    ("error-404-empty-body", "Unknown"),
    ("error-429-rate-limit", "limited until 2018-11-26T00:00:00Z"),
    ("token-authorization-code-ok", "Sample Athlete (2000001) until 2018-11-23T02:29:59Z SANITIZED"),
    ("token-error-invalid-client", "misconfigured"),
    ("token-refresh-ok", "athlete unknown until 2018-11-23T02:29:59Z SANITIZED"),
    (
        "upload-dup-poll-error-duplicate",
        r#"Duplicate { of: Some(StravaId(8319193780)), text: "17611540601.tcx duplicate of activity 8319193780" }"#,
    ),
    ("upload-dup-poll-processing", "Pending"),
    ("upload-dup-post-201", "Accepted(UploadId(8919699501))"),
    ("upload-poll-ready", "Ready(StravaId(8319193780))"),
    ("upload-poll-still-processing", "Pending"),
    ("upload-post-201-processing", "Accepted(UploadId(8919698041))"),
];

#[tokio::test]
async fn every_recorded_answer_is_read_as_what_it_is() {
    let Some(recordings) = recordings() else {
        println!("not read: no recordings in {}", shared().display());
        return;
    };
    let known: BTreeMap<_, _> = KNOWN.iter().copied().collect();
    let mut wrong = Vec::new();
    for recording in &recordings {
        let read = read(recording).await;
        println!("{}: {read}", recording.name);
        match known.get(recording.name.as_str()) {
            Some(expected) if *expected != read => {
                wrong.push(format!("{}: {read}\n    instead of {expected}", recording.name));
            }
            Some(_) => {}
            // One that came later: it only has to be read.
            None if read.starts_with('!') => wrong.push(format!("{}: {read}", recording.name)),
            None => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn the_recorded_headers_of_the_account_are_read() {
    let Some(recordings) = recordings() else {
        println!("not read: no recordings in {}", shared().display());
        return;
    };
    for recording in recordings {
        let fields: Vec<_> = ["x-ratelimit-usage", "x-ratelimit-limit", "x-readratelimit-usage"]
            .iter()
            .map(|name| recording.headers.get(*name).cloned())
            .collect();
        if recording.path.contains("/oauth/") {
            assert_eq!(fields, [None, None, None], "{}: the token endpoint sends none", recording.name);
            continue;
        }
        let reply = recording.reply();
        let bench = Bench::new(move |_| reply.clone()).await;
        // Of which kind the answer is does not matter to its headers.
        let _ = bench.client.confirm(UploadId(1)).await;
        let corrections = bench.budget.corrections.lock().unwrap();
        let (reading, _) = corrections[0];
        let number = |field: &Option<String>, index: usize| -> Option<u32> {
            field.as_ref()?.split(',').nth(index)?.parse().ok()
        };
        assert_eq!(reading.overall.used_15min, number(&fields[0], 0), "{}", recording.name);
        assert_eq!(reading.overall.used_day, number(&fields[0], 1), "{}", recording.name);
        assert_eq!(reading.overall.limit_15min, number(&fields[1], 0), "{}", recording.name);
        assert_eq!(reading.overall.limit_day, number(&fields[1], 1), "{}", recording.name);
        assert_eq!(reading.read.used_15min, number(&fields[2], 0), "{}", recording.name);
    }
}

struct Recording {
    name: String,
    method: String,
    path: String,
    status: u16,
    headers: BTreeMap<String, String>,
    json: Option<Value>,
    text: String,
}

impl Recording {
    fn reply(&self) -> Reply {
        let mut reply = Reply::json(self.status, &self.text);
        for (name, value) in &self.headers {
            if name == "date" || name.starts_with("x-") {
                reply = reply.with(name, value);
            }
        }
        reply
    }

    /// Its items, or itself as the only one.
    fn as_list(&self) -> Reply {
        match &self.json {
            Some(Value::Object(object)) => Reply::json(200, &json!([object]).to_string()),
            _ => self.reply(),
        }
    }
}

/// What the client makes of it; `!` before what it cannot read.
async fn read(recording: &Recording) -> String {
    let is = |tail: &str| recording.path.ends_with(tail);
    let failed = |failure: Failure| match recording.status {
        400.. => name(&failure.error),
        _ => format!("! {}", failure.error),
    };
    if is("/oauth/token") {
        return token(recording).await.unwrap_or_else(failed);
    }
    let reply = recording.reply();
    let last = recording.path.rsplit('/').next().unwrap();
    let is_one = recording.path.contains("/activities/") && (last == "{id}" || last.parse::<u64>().is_ok());
    let is_activity = (is("/activities") || is_one) && recording.status < 400;
    if is_activity {
        let list = recording.as_list();
        let bench = Bench::new(move |_| list.clone()).await;
        return match bench.client.find(window(), &BTreeSet::new()).await {
            Ok(answer) => match answer.value {
                Look::Complete(sight) => sight.found.iter().map(told).collect::<Vec<_>>().join("\n"),
                Look::TooWide => "! too wide".to_owned(),
            },
            Err(failure) => failed(failure),
        };
    }
    let bench = Bench::with(&login_text(300), move |request: &Request| match request.is_token() {
        true => new_pair("new"),
        false => reply.clone(),
    })
    .await;
    if recording.method == "POST" && is("/uploads") {
        return match bench.client.upload(&bench.an_upload()).await {
            Ok(answer) => format!("{:?}", answer.value),
            Err(error) if recording.status >= 400 => send_name(&error),
            Err(error) => format!("! {error:?}"),
        };
    }
    if recording.path.contains("/uploads/") || recording.status >= 400 {
        return match bench.client.confirm(UploadId(1)).await {
            Ok(answer) => format!("{:?}", answer.value),
            Err(failure) => failed(failure),
        };
    }
    if recording.json.as_ref().is_some_and(Value::is_object) {
        return match bench.client.athlete().await {
            Ok(answer) => format!("Ok({:?})", answer.value.map(|athlete| athlete.id)),
            Err(failure) => failed(failure),
        };
    }
    "not asked for by the client".to_owned()
}

async fn token(recording: &Recording) -> Result<String, Failure> {
    let reply = recording.reply();
    let bench = Bench::new(move |request: &Request| match request.is_token() {
        true => reply.clone(),
        false => Reply::json(503, ""),
    })
    .await;
    let app = App { client_id: "1".to_owned(), client_secret: "s".to_owned().into() };
    let granted = Granted { code: "c".to_owned().into(), scopes: Scopes::default() };
    let login = exchange_code(&bench.connection, &app, &granted).await?;
    let athlete = login.athlete().map_or("athlete unknown".to_owned(), ToString::to_string);
    Ok(format!("{athlete} until {} {}", login.expires_at(), login.refresh_token().expose_secret()))
}

fn told(found: &Found) -> String {
    let or = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    format!(
        "{} {} | {} | upload {} | {} {} | {} s, {} s, {} m | {}",
        found.id,
        or(found.name.clone()),
        or(found.external_id.clone()),
        or(found.upload_id.map(|id| id.to_string())),
        or(found.start.map(|start| start.to_string())),
        or(found.local_date.map(|date| date.to_string())),
        or(found.elapsed.map(|elapsed| elapsed.as_secs().to_string())),
        or(found.moving.map(|moving| moving.as_secs().to_string())),
        or(found.distance.map(|distance| distance.meters().to_string())),
        or(found.sport_type.clone()),
    )
}

/// `None`: there are none here.
fn recordings() -> Option<Vec<Recording>> {
    let files = fs::read_dir(shared().join("recorded/strava")).ok()?;
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    Some(paths.into_iter().map(|path| recording(&path)).collect())
}

fn recording(path: &std::path::Path) -> Recording {
    let whole: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let (request, response) = (&whole["request"], &whole["response"]);
    let url = request["url"].as_str().unwrap();
    let json = response.get("json").cloned();
    let text = json.as_ref().map(Value::to_string);
    Recording {
        name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
        method: request["method"].as_str().unwrap_or("GET").to_owned(),
        path: url.split('?').next().unwrap().to_owned(),
        // One recording was kept without its status.
        status: response["status"].as_u64().map_or(200, |status| status.try_into().unwrap()),
        headers: response["headers"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.to_ascii_lowercase(), value.as_str()?.to_owned())))
            .collect(),
        json,
        text: text.unwrap_or_else(|| response["text"].as_str().unwrap_or_default().to_owned()),
    }
}

fn shared() -> PathBuf {
    match std::env::var_os("FITFERRY_SHARED") {
        Some(folder) => folder.into(),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    }
}
