//! The JSON documents of the contract, from what the engine reports.
//!
//! Not here: printing (`output`), tables for people (`tables`).

use fitferry_core::activity::GarminId;
use fitferry_core::budget::{Gauge, View};
use fitferry_core::engine::report::{Report, WouldAction};
use fitferry_core::head::Head;
use fitferry_core::ledger::{Cause, Row, State};
use fitferry_core::ports::Requests;
use fitferry_core::sport;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::error::CommandError;

/// `sync --json`. `error` is what the exit code stands for.
pub fn sync(report: &Report, athlete: &str, error: Option<&CommandError>) -> Value {
    let mut document = json!({
        "athlete": athlete,
        "started_at": report.started.to_string(),
        "finished_at": report.finished.to_string(),
        "dry_run": report.dry_run,
        "listed": report.listed,
        "new": report.new,
        "published": [], "skipped": [], "submitted": [], "waiting": [], "rejected": [],
        "open": {
            "wanted": report.open.wanted,
            "submitting": report.open.submitting,
            "submitted": report.open.submitted,
            "waiting": report.open.waiting,
        },
        "requests": requests(report.requests),
        "budget": budget(report.budget),
    });
    for row in &report.rows {
        let waits = report.waiting.iter().find(|(id, _, _)| *id == row.id());
        if let Some((list, entry)) = listed(row, &report.head, report.finished, waits) {
            push(&mut document, list, entry);
        }
    }
    if report.dry_run {
        let would = report.would.iter().map(|would| {
            let mut entry = base(&would.row);
            let (action, reason) = match (&would.action, &would.row.state) {
                (WouldAction::Skip, State::Skipped { reason, detail }) => {
                    insert(&mut entry, "detail", json!(detail));
                    ("skip", Some(reason.key()))
                }
                (WouldAction::Skip, _) => ("skip", None),
                (WouldAction::Upload, _) => ("upload", None),
                (WouldAction::AlreadyThere, _) => ("already_there", None),
            };
            insert(&mut entry, "action", json!(action));
            insert(&mut entry, "reason", json!(reason));
            entry
        });
        document["would"] = would.collect();
    }
    if let Some(error) = error {
        document["error"] = error.to_json();
    }
    document
}

/// In which of the lists a row stands, and its entry there; a row that is merely wanted stands in none.
pub fn listed(
    row: &Row,
    head: &Head,
    now: Timestamp,
    waits: Option<&(GarminId, Option<Timestamp>, Cause)>,
) -> Option<(&'static str, Value)> {
    let mut entry = base(row);
    let list = match &row.state {
        State::Published { strava, how } => {
            insert(&mut entry, "strava_id", json!(strava.0));
            insert(&mut entry, "how", json!(how.key()));
            "published"
        }
        State::Skipped { reason, detail } => {
            insert(&mut entry, "reason", json!(reason.key()));
            insert(&mut entry, "detail", json!(detail));
            "skipped"
        }
        State::Rejected { reason, detail } => {
            insert(&mut entry, "reason", json!(reason.key()));
            insert(&mut entry, "detail", json!(detail));
            "rejected"
        }
        State::Submitted { upload, .. } => {
            let waits = row.waits(head, now);
            insert(&mut entry, "upload_id", json!(upload.0));
            insert(
                &mut entry,
                "until",
                json!(waits.and_then(|(until, _)| until).map(|until| until.to_string())),
            );
            insert(&mut entry, "cause", json!(waits.map_or(Cause::Processing, |(_, cause)| cause).key()));
            "submitted"
        }
        State::Wanted | State::Submitting { .. } => {
            let (_, until, cause) = waits?;
            insert(&mut entry, "until", json!(until.map(|until| until.to_string())));
            insert(&mut entry, "cause", json!(cause.key()));
            insert(&mut entry, "attempt", json!(row.attempts()));
            "waiting"
        }
    };
    Some((list, entry))
}

pub fn push(document: &mut Value, list: &str, entry: Value) {
    if let Some(list) = document.get_mut(list).and_then(Value::as_array_mut) {
        list.push(entry);
    }
}

/// What every entry says of its activity.
pub fn base(row: &Row) -> Value {
    json!({
        "garmin_id": row.id().0,
        "name": row.activity.name,
        "start": row.start().map(|start| start.to_string()),
        "sport": sport::strava_sport(&row.activity),
    })
}

/// One of `activities`, which `show` extends.
pub fn activity(row: &Row, head: &Head, now: Timestamp) -> Value {
    let waits = row.waits(head, now);
    let (strava_id, how) = match &row.state {
        State::Published { strava, how } => (Some(strava.0), Some(how.key())),
        _ => (None, None),
    };
    let (reason, detail) = match &row.state {
        State::Skipped { reason, detail } => (Some(reason.key()), detail.as_deref()),
        State::Rejected { reason, detail } => (Some(reason.key()), detail.as_deref()),
        _ => (None, None),
    };
    let mut entry = base(row);
    insert(&mut entry, "state", json!(row.shown(head, now).key()));
    insert(
        &mut entry,
        "not_before",
        json!(waits.and_then(|(until, _)| until).map(|until| until.to_string())),
    );
    insert(&mut entry, "cause", json!(waits.map(|(_, cause)| cause.key())));
    insert(&mut entry, "reason", json!(reason));
    insert(&mut entry, "detail", json!(detail));
    insert(&mut entry, "strava_id", json!(strava_id));
    insert(&mut entry, "how", json!(how));
    insert(&mut entry, "attempt", json!(row.attempts()));
    entry
}

/// `show`.
pub fn life(row: &Row, head: &Head, now: Timestamp) -> Value {
    let mut entry = activity(row, head, now);
    let history: Vec<Value> = row
        .history
        .iter()
        .map(|moment| json!({ "at": moment.at.to_string(), "event": moment.event }))
        .collect();
    insert(&mut entry, "history", json!(history));
    insert(&mut entry, "file", file(row));
    entry
}

/// What is known of the file; null before it was read.
pub fn file(row: &Row) -> Value {
    row.file.as_ref().map_or(Value::Null, |file| {
        json!({ "sha256": file.sha256.to_string(), "bytes": file.bytes, "kind": file.kind.extension() })
    })
}

pub fn requests(requests: Requests) -> Value {
    json!({ "garmin": requests.garmin, "strava": requests.strava, "tokens": requests.tokens })
}

pub fn budget(view: Option<View>) -> Value {
    let gauge = |gauge: Gauge| json!({ "used": gauge.used, "limit": gauge.limit });
    view.map_or(Value::Null, |view| {
        json!({ "strava": {
            "overall_15min": gauge(view.overall_15min),
            "overall_day": gauge(view.overall_day),
            "read_15min": gauge(view.read_15min),
            "read_day": gauge(view.read_day),
        }})
    })
}

pub fn insert(entry: &mut Value, key: &str, value: Value) {
    entry.as_object_mut().unwrap_or(&mut Map::new()).insert(key.to_owned(), value);
}
