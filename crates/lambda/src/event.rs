//! What an event asks for. Pure.

use fitferry_app::error::CommandError;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

/// A scheduled event older than this is not worth a tick: the next one is on its way.
const STALE: SignedDuration = SignedDuration::from_secs(90);

/// An event, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `None`: the athlete of the configuration, `me` unless it says otherwise.
    pub athlete: Option<String>,
    pub what: What,
    /// When the schedule was due, where the event says so.
    pub due: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Tick,
    Preview,
    Status,
    /// Delivered too late: nothing is done.
    Stale,
}

/// Reads an event: EventBridge's scheduled one as it comes, a rule's constant input, or a command.
pub fn read(event: &Value, now: Timestamp) -> Result<Asked, CommandError> {
    let Some(fields) = event.as_object() else {
        return Err(unknown("an event is a JSON object"));
    };
    let athlete = match fields.get("athlete") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name.clone()),
        Some(_) => return Err(unknown("`athlete` is a name")),
    };
    let dry_run = match fields.get("dry_run") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(dry_run)) => *dry_run,
        Some(_) => return Err(unknown("`dry_run` is true or false")),
    };
    let (what, due) = match fields.get("command") {
        None => scheduled(fields, now),
        Some(Value::String(command)) => match (command.as_str(), dry_run) {
            ("sync", false) => (What::Tick, None),
            ("sync", true) => (What::Preview, None),
            ("status", _) => (What::Status, None),
            (other, _) => return Err(unknown(&format!("there is no command {other:?} here"))),
        },
        Some(_) => return Err(unknown("`command` is a word")),
    };
    Ok(Asked { athlete, what, due })
}

/// Without a time that can be read the event counts as fresh: a tick too many does nothing.
fn scheduled(fields: &Map<String, Value>, now: Timestamp) -> (What, Option<Timestamp>) {
    let due = fields.get("time").and_then(Value::as_str).and_then(|time| time.parse().ok());
    let is_stale = due.is_some_and(|due: Timestamp| now.duration_since(due) > STALE);
    (if is_stale { What::Stale } else { What::Tick }, due)
}

fn unknown(what: &str) -> CommandError {
    CommandError::usage(
        what,
        "Send `{\"command\":\"status\"}`, `{\"command\":\"sync\"}` or \
         `{\"command\":\"sync\",\"dry_run\":true}`, with `\"athlete\":\"NAME\"` for another than `me`; what \
         `fitferry --store dynamodb:TABLE` does needs no event.",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn noon() -> Timestamp {
        "2026-11-25T12:00:00Z".parse().unwrap()
    }

    fn what(event: &Value) -> What {
        read(event, noon()).unwrap().what
    }

    #[test]
    fn the_scheduled_event_is_a_tick_until_it_is_90_seconds_old() {
        let event = |time: &str| {
            json!({
                "version": "0", "id": "x", "detail-type": "Scheduled Event", "source": "aws.events",
                "account": "123456789012", "time": time, "region": "eu-central-1", "resources": [], "detail": {}
            })
        };
        assert_eq!(what(&event("2026-11-25T12:00:00Z")), What::Tick);
        assert_eq!(what(&event("2026-11-25T11:58:30Z")), What::Tick);
        assert_eq!(what(&event("2026-11-25T11:58:29Z")), What::Stale);
        assert_eq!(what(&event("2026-11-25T13:00:00Z")), What::Tick, "a clock that is behind");
        assert_eq!(what(&event("soon")), What::Tick);
    }

    #[test]
    fn commands_are_those_of_the_contract() {
        assert_eq!(what(&json!({"command": "status"})), What::Status);
        assert_eq!(what(&json!({"command": "sync"})), What::Tick);
        assert_eq!(what(&json!({"command": "sync", "dry_run": true})), What::Preview);
        assert_eq!(what(&json!({"command": "sync", "dry_run": false})), What::Tick);
        assert_eq!(what(&json!({"athlete": "anna"})), What::Tick);
        assert_eq!(
            read(&json!({"command": "sync", "athlete": "anna"}), noon()).unwrap().athlete.as_deref(),
            Some("anna")
        );
    }

    #[test]
    fn what_cannot_be_done_here_is_an_error_and_no_tick() {
        for event in [
            json!({"command": "backfill"}),
            json!({"command": 7}),
            json!({"command": "sync", "dry_run": "yes"}),
            json!({"athlete": 7}),
            json!([]),
            json!("sync"),
            Value::Null,
        ] {
            let error = read(&event, noon()).unwrap_err();
            assert_eq!(error.kind(), fitferry_app::error::Kind::Usage, "{event}");
        }
    }
}
