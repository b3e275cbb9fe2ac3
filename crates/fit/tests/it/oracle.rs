//! Real files, and what Garmin's own SDK reads in them.
//!
//! The files are not part of the repository: they lie in the folder `fit` of `FITFERRY_SHARED`, or of
//! `shared` beside the repository. Without them there is nothing to compare, and the test says so.

use std::fs;
use std::path::PathBuf;

use fitferry_fit::{Look, is_fit, look};
use jiff::Timestamp;
use serde_json::Value;

/// Half of the last digit that FIT stores.
const TOLERANCE_S: f64 = 0.0005;
const TOLERANCE_M: f64 = 0.005;

#[test]
fn real_files_read_as_the_sdk_reads_them() {
    let folder = shared().join("fit");
    let Ok(manifest) = fs::read_to_string(folder.join("manifest.json")) else {
        println!("not compared: no real files in {}", folder.display());
        return;
    };
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let entries = manifest["files"].as_array().unwrap();
    let mut differences = Vec::new();
    for entry in entries {
        let name = entry["file"].as_str().unwrap();
        let bytes = fs::read(folder.join(name)).unwrap();
        let seen = look(&bytes);
        differences.extend(compare(entry, &bytes, &seen).into_iter().map(|what| format!("{name}: {what}")));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    println!("{} files compared", entries.len());
}

/// What differs, by field. Damaged files are held to the same values: the SDK reads as far as it can, too.
fn compare(entry: &Value, bytes: &[u8], seen: &Look) -> Vec<String> {
    let structure = &entry["structure"];
    let first = &entry["first_session"];
    let sessions = entry["sessions"].as_array().unwrap();
    let total = |field: &str| -> Option<f64> {
        let parts: Vec<f64> = sessions.iter().filter_map(|session| session[field].as_f64()).collect();
        (!parts.is_empty()).then(|| parts.iter().sum())
    };
    // Only for activities: in other files it is other messages that have dates.
    let has_time = entry["first_record_utc"].is_string() || first["start_time_utc"].is_string();

    let mut differences = Vec::new();
    let mut check = |same: bool, what: &str| {
        if !same {
            differences.push(format!("{what}: {seen:?}"));
        }
    };
    check(is_fit(bytes) == entry["file_type"].is_string(), "is_fit");
    check(seen.damage.is_none() == structure["valid"].as_bool().unwrap(), "damage and structure");
    check(seen.damage.is_some() == (entry["category"] == "corrupt"), "damage and category");
    check(
        seen.file_type.map(|file_type| file_type.to_string()).as_deref() == entry["file_type"].as_str(),
        "type",
    );
    check(u64::from(seen.sessions) == entry["session_count"].as_u64().unwrap(), "sessions");
    check(seen.sport.as_deref() == first["sport"].as_str(), "sport");
    check(seen.sub_sport.as_deref() == first["sub_sport"].as_str(), "sub_sport");
    check(seen.start == timestamp(&first["start_time_utc"]), "start");
    check(near(seen.elapsed_s, first["total_elapsed_time_s"].as_f64(), TOLERANCE_S), "elapsed_s");
    check(near(seen.distance_m, first["total_distance_m"].as_f64(), TOLERANCE_M), "distance_m");
    check(near(seen.total_elapsed_s, total("total_elapsed_time"), TOLERANCE_S), "total_elapsed_s");
    check(near(seen.total_distance_m, total("total_distance"), TOLERANCE_M), "total_distance_m");
    check(seen.has_time == has_time || entry["file_type"] != "activity", "has_time");
    differences
}

fn near(seen: Option<f64>, expected: Option<f64>, tolerance: f64) -> bool {
    match (seen, expected) {
        (Some(seen), Some(expected)) => (seen - expected).abs() <= tolerance,
        (seen, expected) => seen == expected,
    }
}

fn timestamp(value: &Value) -> Option<Timestamp> {
    value.as_str().map(|text| text.parse().unwrap())
}

fn shared() -> PathBuf {
    match std::env::var_os("FITFERRY_SHARED") {
        Some(folder) => folder.into(),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    }
}
