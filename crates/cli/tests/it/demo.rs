//! The demo, with made-up runs and with real files.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::home::{Ran, list, shared};

fn demo(arguments: &[&str]) -> Ran {
    Command::new(env!("CARGO_BIN_EXE_fitferry"))
        .arg("demo")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
        .into()
}

#[test]
fn the_demo_shows_every_end_that_an_activity_can_have() {
    let ran = demo(&["--json"]);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    let document = ran.json();
    let how = |how: &str| list(&document, "published").iter().filter(|entry| entry["how"] == how).count();
    assert!(how("uploaded") >= 3, "{document:#}");
    assert_eq!(how("already_there"), 1);
    for entry in list(&document, "published").iter().filter(|entry| entry["how"] == "uploaded") {
        assert_eq!(entry["sha256_received"], entry["file"]["sha256"], "{entry:#}");
    }
    let reasons: Vec<&Value> = list(&document, "skipped").iter().map(|entry| &entry["reason"]).collect();
    assert!(reasons.contains(&&Value::from("rule")) && reasons.contains(&&Value::from("manual_entry")));
    let rejected = list(&document, "rejected");
    assert_eq!(rejected.len(), 1);
    assert_eq!(rejected[0]["reason"], "malformed_file");
    let detail = rejected[0]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("Strava") && detail.contains("ends"), "both reasons: {detail}");
    let ticks = list(&document, "ticks");
    assert_eq!(ticks.last().map(|tick| &tick["requests"]["garmin"]), Some(&1.into()), "{document:#}");
    assert_eq!(ticks.last().map(|tick| &tick["requests"]["strava"]), Some(&0.into()));
}

#[test]
fn the_demos_table_fits_eighty_columns() {
    let ran = demo(&[]);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    for line in ran.stdout.lines() {
        assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
    }
    assert!(ran.stdout.contains("Morning Run"), "{}", ran.stdout);
}

#[test]
fn every_real_activity_file_crosses_byte_for_byte_and_every_other_one_ends_with_a_true_reason() {
    let Some(shared) = shared() else {
        println!("no folder of real files beside the checkout");
        return;
    };
    let folder = shared.join("fit/files");
    let ran = demo(&["--fit-dir", folder.to_str().expect("a path in UTF-8"), "--json"]);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    let document = ran.json();
    let mut ended: BTreeMap<String, (&str, &Value)> = BTreeMap::new();
    for state in ["published", "skipped", "submitted", "waiting", "rejected"] {
        for entry in list(&document, state) {
            ended.insert(entry["name"].as_str().unwrap_or_default().to_owned(), (state, entry));
        }
    }
    let manifest: Value = serde_json::from_slice(
        &std::fs::read(shared.join("fit/manifest.json")).expect("the manifest is there"),
    )
    .expect("the manifest is JSON");
    let files = list(&manifest, "files");
    assert_eq!(files.len(), ended.len());
    for file in files {
        let path = std::path::Path::new(file["file"].as_str().expect("a path"));
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        let (state, entry) = ended[name];
        let is_whole = file["structure"]["valid"] == true;
        if is_whole && file["file_type"] == "activity" {
            assert_eq!(state, "published", "{entry:#}");
            assert_eq!(entry["file"]["sha256"], file["sha256"], "{entry:#}");
            assert_eq!(entry["sha256_received"], file["sha256"], "{entry:#}");
        } else {
            assert!(state == "rejected" || state == "skipped", "{state} {entry:#}");
            let expected: &[&str] = match (is_whole, file["size"].as_u64()) {
                (true, _) => &["not_an_activity"],
                (false, _) => &["malformed_file", "not_an_activity"],
            };
            let reason = entry["reason"].as_str().unwrap_or_default();
            assert!(expected.contains(&reason), "{name}: {entry:#}");
        }
    }
}
