//! The house as drawn in docs/architecture.md: which crate may import which, and rooms that stay small.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Crate by crate, which of ours it may import. Dependencies of tests are not looked at.
const ARROWS: &[(&str, &[&str])] = &[
    ("fitferry-browser", &[]),
    ("fitferry-core", &[]),
    ("fitferry-fit", &[]),
    ("fitferry-garmin", &["fitferry-core", "fitferry-fit"]),
    ("fitferry-strava", &["fitferry-core"]),
    ("fitferry-store", &["fitferry-core"]),
    ("fitferry-sandbox", &["fitferry-core", "fitferry-fit"]),
    ("fitferry-app", &["fitferry-core", "fitferry-garmin", "fitferry-store", "fitferry-strava"]),
    (
        "fitferry",
        &[
            "fitferry-app",
            "fitferry-browser",
            "fitferry-core",
            "fitferry-garmin",
            "fitferry-sandbox",
            "fitferry-store",
            "fitferry-strava",
        ],
    ),
    ("fitferry-simulation", &["fitferry-core", "fitferry-fit", "fitferry-sandbox", "fitferry-store"]),
    (
        "fitferry-fuzz",
        &[
            "fitferry-app",
            "fitferry-core",
            "fitferry-fit",
            "fitferry-garmin",
            "fitferry-sandbox",
            "fitferry-strava",
        ],
    ),
    ("fitferry-lambda", &["fitferry-app", "fitferry-core", "fitferry-store"]),
    ("fitferry-xtask", &["fitferry-core", "fitferry-sandbox", "fitferry-simulation", "fitferry-store"]),
];

/// What would let a clock, randomness or I/O into the core.
const NOT_IN_CORE: &[&str] = &["tokio", "reqwest", "rusqlite", "rand", "getrandom", "nix", "serde"];

/// Lines of a source file; stories outside `src` may be longer.
const LINES_MAX: usize = 600;

/// Everything that is not as it should be; each finding is a line for people.
pub(crate) fn check() -> Result<(), Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut findings = arrows(&root);
    findings.extend(long_files(&root));
    if findings.is_empty() { Ok(()) } else { Err(findings) }
}

fn arrows(root: &Path) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root)
        .output()
        .expect("cargo runs, since it runs this");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut findings = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(may) = allowed.get(name) else {
            findings.push(format!("{name} is not in the drawing of the house"));
            continue;
        };
        let imports: BTreeSet<&str> = package["dependencies"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|dependency| dependency["kind"].is_null())
            .filter_map(|dependency| dependency["name"].as_str())
            .collect();
        for import in imports {
            let ours = import == "fitferry" || import.starts_with("fitferry-");
            if ours && !may.contains(&import) {
                findings.push(format!("{name} imports {import}: no such arrow"));
            }
            if name == "fitferry-core" && NOT_IN_CORE.contains(&import) {
                findings.push(format!("{name} imports {import}: the core is pure"));
            }
        }
    }
    findings
}

fn long_files(root: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for folder in ["crates", "xtask"] {
        walk(&root.join(folder), &mut files);
    }
    let too_long = |path: &PathBuf| {
        let lines = fs::read_to_string(path).map(|text| text.lines().count()).unwrap_or_default();
        (lines > LINES_MAX).then(|| format!("{}: {lines} lines, at most {LINES_MAX}", path.display()))
    };
    files.iter().filter_map(too_long).collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("tests") {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_house_is_as_it_is_drawn() {
        assert_eq!(super::check(), Ok(()));
    }
}
