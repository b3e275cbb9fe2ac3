//! What the function answers to beside the rule.

use std::sync::Arc;

use serde_json::json;

use crate::account::{Account, Setup, list};
use crate::cloud::Cloud;
use crate::function::Function;
use crate::recorder::Call;

pub fn status_answers_from_the_table_alone(cloud: &Arc<Cloud>) {
    let anna = Account::pushed(cloud, "status", Setup::default());
    anna.add_run("A Run", 5);
    let mut function = Function::start(&anna, &[]);
    function.tick();
    let mark = anna.mark();
    let tick = function.invoke(anna.of_this_athlete(json!({"command": "status"})));
    let document = tick.document;
    assert_eq!(document["athlete"], "status");
    assert_eq!(document["counts"]["published"], 1, "{document:#}");
    for service in ["garmin", "strava"] {
        assert_eq!(document["logins"][service]["ok"], true, "{document:#}");
    }
    assert_eq!(document["logins"]["strava"]["app"], anna.client_id().to_string(), "{document:#}");
    assert!(anna.seen_since(mark).is_empty(), "neither service is asked");
    assert!(!tick.calls.iter().any(Call::is_write), "{:?}", tick.calls);
}

pub fn a_dry_run_says_what_would_cross_and_writes_nothing(cloud: &Arc<Cloud>) {
    let anna = Account::pushed(cloud, "dry", Setup::default());
    let run = anna.add_run("A Run", 5);
    let mut function = Function::start(&anna, &[]);
    let before = anna.rows();
    let tick = function.invoke(anna.of_this_athlete(json!({"command": "sync", "dry_run": true})));
    assert_eq!(tick.document["dry_run"], true);
    let would = list(&tick.document, "would");
    assert_eq!(
        (would.len(), &would[0]["garmin_id"], &would[0]["action"]),
        (1, &json!(run), &json!("upload"))
    );
    assert_eq!(anna.world().uploads_received(), 0);
    let without_tokens = |rows: Vec<serde_json::Value>| -> Vec<serde_json::Value> {
        let is_kept =
            |row: &serde_json::Value| row["sk"]["S"].as_str().is_some_and(|key| key.starts_with("activity#"));
        rows.into_iter().filter(is_kept).collect()
    };
    assert_eq!(without_tokens(anna.rows()), without_tokens(before));
    // And then the word is taken back.
    let tick = function.tick();
    assert_eq!(list(&tick.document, "published").len(), 1, "{:#}", tick.document);
}

pub fn the_command_sync_is_a_tick(cloud: &Arc<Cloud>) {
    let anna = Account::pushed(cloud, "by-hand", Setup::default());
    let run = anna.add_run("A Run", 5);
    let tick = Function::start(&anna, &[]).invoke(anna.of_this_athlete(json!({"command": "sync"})));
    assert_eq!(list(&tick.document, "published")[0]["garmin_id"], run, "{:#}", tick.document);
    anna.assert_arrived(&[run]);
}

pub fn what_cannot_be_meant_is_an_error_of_kind_usage(cloud: &Arc<Cloud>) {
    let anna = Account::pushed(cloud, "usage", Setup::default());
    let mut function = Function::start(&anna, &[]);
    let mark = anna.mark();
    for event in [
        json!({"command": "retry"}),
        json!({"command": ""}),
        json!({"command": 7}),
        json!({"command": "sync", "athlete": "Not/A Name"}),
        json!({"athlete": "../me"}),
        json!({"athlete": 7}),
        json!({"command": "sync", "dry_run": "perhaps"}),
        json!([]),
        json!("sync"),
        json!(null),
    ] {
        let tick = function.invoke(event.clone());
        assert_eq!(tick.document["error"]["kind"], "usage", "{event}: {:#}", tick.document);
        assert!(tick.document["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
        assert!(tick.calls.is_empty(), "{event}");
    }
    assert!(anna.seen_since(mark).is_empty());
}
