//! The configuration: a file, and behind a zero byte the environment, `NAME=value` each before a zero byte.

use std::path::Path;

use fitferry_app::config::{self, Environment, Folders, Place, Problem, Report, Settings};
use serde_json::Value;

use crate::{Target, told};

pub(crate) const TARGET: Target = Target {
    name: "config",
    run,
    seeds,
    words: &[
        "[garmin]",
        "[strava]",
        "[sync]",
        "[store]",
        "[timing]",
        "[endpoints]",
        "[[rules]]",
        "[athletes.me]",
        "domain",
        "client_id",
        "redirect_port",
        "types",
        "since",
        "lookback",
        "sweep",
        "hold",
        "every",
        "url",
        "vault",
        "garmin_spacing",
        "doubt",
        "retry_base",
        "strava_api",
        "when",
        "skip",
        "type",
        "name",
        "min_distance_km",
        "= \"",
        "2026-11-01",
        "all",
        "30d",
        "sqlite:",
        "dynamodb:",
        "secretsmanager:",
        "http://127.0.0.1:1",
        "api_key",
        "FITFERRY_SYNC__TYPES=",
        "FITFERRY_TIMING__DOUBT=",
        "nan",
        "inf",
    ],
};

/// Nothing is read there.
const HOME: &str = "/nonexistent";

pub(super) fn examined(text: &str, environment: &Environment) -> Report {
    config::examine_text(Folders::under(Path::new(HOME)), text, environment)
}

fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split('\0');
    let file = parts.next().unwrap_or_default();
    // A secret may be in a file of its own; no input here opens one.
    let variables =
        parts.filter_map(|part| part.split_once('=')).filter(|(name, _)| !name.ends_with("_FILE"));
    let environment = Environment::of(variables);
    let report = examined(file, &environment);
    for problem in &report.problems {
        check_problem(problem, file);
    }
    let settings = report.settings.expect("a file that was read has settings, right or wrong");
    settings.warnings.iter().for_each(|warning| check_problem(warning, file));
    if report.problems.is_empty() {
        check(&settings);
    }
}

pub(super) fn check_problem(problem: &Problem, file: &str) {
    if let Place::Line { line, column, .. } = problem.place {
        assert!(line >= 1 && column >= 1, "{problem:?}");
        assert!(line <= file.lines().count().max(1) + 1, "{problem:?} of {file:?}");
    }
    assert!(!problem.message.is_empty() && !problem.help.is_empty(), "{problem:?}");
    told::plain(&problem.to_string(), 650);
    told::plain(&problem.help, 600);
}

/// What is in force can be written down, and says the same when it is read again.
fn check(settings: &Settings) {
    let again = examined(&written(settings), &Environment::default());
    assert!(again.problems.is_empty(), "{:?}", again.problems);
    let again = again.settings.expect("it was read before");
    let shown = |settings: &Settings| -> Vec<(String, Value)> {
        let secret = |key: &str| {
            ["api_key", "email", "password", "client_secret"].iter().any(|name| key.ends_with(name))
        };
        settings
            .shown
            .iter()
            .filter(|shown| !secret(&shown.key))
            .map(|shown| (shown.key.clone(), shown.json.clone()))
            .collect()
    };
    assert_eq!(shown(settings), shown(&again));
    assert_eq!(settings.timing, again.timing);
    assert_eq!(settings.endpoints.all(), again.endpoints.all());
}

/// The file that says what is in force.
pub(super) fn written(settings: &Settings) -> String {
    let mut file = toml::Table::new();
    let mut rules = toml::value::Array::new();
    for shown in &settings.shown {
        if shown.json.is_null() || shown.text.as_deref() == Some("********") {
            continue;
        }
        let value = toml::Value::try_from(&shown.json).expect("what is shown has a form in TOML");
        match shown.key.split_once('.') {
            Some(("rules", _)) => rules.push(value),
            Some((section, name)) => {
                let section = file.entry(section).or_insert_with(|| toml::Table::new().into());
                section.as_table_mut().expect("sections are tables").insert(name.to_owned(), value);
            }
            None => panic!("a key without a section: {}", shown.key),
        }
    }
    if !rules.is_empty() {
        file.insert("rules".to_owned(), rules.into());
    }
    toml::to_string(&file).expect("a table can be written")
}

fn seeds() -> Vec<Vec<u8>> {
    [
        "[garmin]\ndomain = \"garmin.cn\"\n[strava]\nclient_id = 12345\nredirect_port = 9321\n[sync]\ntypes = [\"running\", \"*\"]\nsince = 2026-11-01\nlookback = \"30d\"\nsweep = \"6h\"\nhold = \"auto\"\nevery = \"60s\"\n[store]\nurl = \"sqlite:fitferry.db\"\nvault = \"store\"\n",
        "[timing]\ngarmin_spacing = \"0s\"\nfirst_confirm = \"3s\"\nsettle = \"60s\"\nsend_within = \"20s\"\nupload_timeout = \"60s\"\ndoubt = \"15m\"\ndoubt_looks = \"2m\"\nretry_base = \"2m\"\n[endpoints]\nstrava_api = \"http://127.0.0.1:8080/api/v3\"\n",
        "[[rules]]\nwhen = { type = \"trail_running\", name = \"(?i)warm.?up\", min_distance_km = 3 }\nskip = \"warm-ups stay on Garmin\"\n",
        "[athletes.anna]\nsync = { types = [\"*\"] }\n[athletes.me.sync]\nsince = \"all\"\n",
        "[sync]\ntypes = []\0FITFERRY_SYNC__TYPES=running, walking\0FITFERRY_TIMING__DOUBT=9999999d\0FITFERRY_SYNC__SINCE=1989-01-01\0",
        "[garmin]\napi_key = \"x\"\n[sink]\nevrey = 1\n",
        "[store]\nurl = \"dynamodb:table\"\nvault = \"secretsmanager:a/b\"\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
