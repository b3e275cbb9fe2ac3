//! One rule and one activity, in fields between zero bytes: type, pattern, kilometres, why; then the
//! activity's type, name and metres.

use fitferry_app::config::Environment;
use fitferry_core::activity::{Distance, GarminId, Listed};
use fitferry_core::ledger::SkipReason;
use fitferry_core::rules::{Decision, Rules};
use regex::Regex;

use super::config::{check_problem, examined};
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "rules",
    run,
    seeds,
    words: &[
        "running",
        "trail_running",
        "cycling",
        "*",
        "(?i)",
        ".*",
        "\\p{L}",
        "[^a]",
        "{1000}",
        "(a|b)+",
        "nan",
        "inf",
        "1e308",
        "-0",
        "3.5",
    ],
};

fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut fields = text.split('\0');
    let mut field = || fields.next().filter(|field| !field.is_empty());
    let (key, pattern, km, why) = (field(), field(), field(), field());
    let (of, name, meters) = (field(), field(), field());

    let mut when = toml::Table::new();
    key.iter().for_each(|key| drop(when.insert("type".to_owned(), (*key).into())));
    pattern.iter().for_each(|pattern| drop(when.insert("name".to_owned(), (*pattern).into())));
    let km: Option<f64> = km.and_then(|km| km.parse().ok());
    km.iter().for_each(|km| drop(when.insert("min_distance_km".to_owned(), (*km).into())));
    let mut rule = toml::Table::new();
    rule.insert("when".to_owned(), when.into());
    why.iter().for_each(|why| drop(rule.insert("skip".to_owned(), (*why).into())));
    let rules = toml::Value::Array(vec![rule.into()]);
    let file = toml::to_string(&toml::Table::from_iter([("rules".to_owned(), rules)]))
        .expect("a table can be written");

    let report = examined(&file, &Environment::default());
    report.problems.iter().for_each(|problem| check_problem(problem, &file));
    let settings = report.settings.expect("a file that was read has settings, right or wrong");
    if !report.problems.is_empty() {
        return;
    }
    let [rule] = settings.rules.as_slice() else {
        panic!("one rule was written, {:?} were read", settings.rules)
    };
    assert_eq!(rule.type_key.as_deref(), key.map(str::trim));
    assert_eq!(rule.name.as_ref().map(Regex::as_str), pattern);
    assert_eq!(rule.min_distance_km, km);
    assert_eq!(Some(rule.skip.as_str()), why.map(str::trim));

    let listed = Listed {
        name: name.map(str::to_owned),
        type_key: of.map(str::to_owned),
        distance: meters.and_then(|meters| meters.parse().ok()).and_then(Distance::from_meters),
        ..Listed::bare(GarminId(7))
    };
    let skip = rule.skip.clone();
    let rules = Rules { types: vec!["*".to_owned()], rules: settings.rules };
    let by_name = pattern.is_none_or(|pattern| {
        Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(listed.name.as_deref().unwrap_or_default()))
    });
    let by_distance = km.is_none_or(|km| listed.distance.is_some_and(|distance| distance.km() >= km));
    match rules.decide(&listed, None) {
        Decision::Skipped { reason, detail } => {
            assert_eq!((reason, detail), (SkipReason::Rule, Some(skip)));
            assert!(by_name && by_distance, "a rule that does not match decided");
        }
        Decision::Wanted => {
            assert!(key.is_some() || !by_name || !by_distance, "a rule that matches was passed over")
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let long = "a".repeat(33);
    [
        ["trail_running", "(?i)warm.?up", "3", "warm-ups stay on Garmin", "trail_running", "Warm up", "5000"],
        ["", "^$", "", "nameless", "running", "", ""],
        ["*", "", "0.5", "all", "cycling", "Ride", "499.9"],
        ["running", "(a|b)*{50}", "nan", "why", "running", &long, "NaN"],
    ]
    .map(|fields| fields.join("\0").into_bytes())
    .to_vec()
}
