//! What CloudWatch gets to see.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;

use crate::account::{Account, KEY_DAYS, Setup, list};
use crate::cloud::Cloud;
use crate::function::Function;

pub fn an_idle_tick_writes_one_line_and_once_an_hour_a_second_with_the_metrics(cloud: &Arc<Cloud>) {
    let anna = Account::pushed(cloud, "logs", Setup { moves_time: true, ..Setup::default() });
    anna.add_run("A Run", 5);
    let mut function = Function::start(&anna, &[]);
    assert_eq!(list(&function.tick().document, "published").len(), 1);
    // Two hours and a half, within which no sweep is due.
    let mut with_metrics = Vec::new();
    for minute in 1..=150 {
        anna.pass(SignedDuration::from_mins(1));
        let tick = function.tick();
        assert_eq!(tick.document["requests"]["garmin"], 1, "{:#}", tick.document);
        let (metrics, lines): (Vec<&Value>, Vec<&Value>) =
            tick.log.iter().partition(|line| line.get("_aws").is_some());
        assert_eq!(lines.len(), 1, "minute {minute}: {:#?}", tick.log);
        assert!(metrics.len() <= 1, "minute {minute}: {:#?}", tick.log);
        for line in metrics {
            assert_metrics(line, &anna);
            with_metrics.push(minute);
        }
    }
    assert!((2..=3).contains(&with_metrics.len()), "{with_metrics:?}");
    assert!(with_metrics.windows(2).all(|pair| (55..=65).contains(&(pair[1] - pair[0]))), "{with_metrics:?}");
}

/// CloudWatch's embedded metric format.
fn assert_metrics(line: &Value, anna: &Account) {
    assert!(line["_aws"]["Timestamp"].as_i64().is_some_and(|ms| ms / 60_000 > 0), "{line:#}");
    let directives = list(&line["_aws"], "CloudWatchMetrics");
    assert_eq!(directives.len(), 1, "{line:#}");
    assert_eq!(directives[0]["Namespace"], "fitferry");
    let metrics = list(&directives[0], "Metrics");
    assert!((1..=8).contains(&metrics.len()), "{line:#}");
    let mut names = Vec::new();
    for metric in metrics {
        let name = metric["Name"].as_str().expect("a metric has a name");
        let value = &line[name];
        let is_number =
            value.is_number() || value.as_array().is_some_and(|all| all.iter().all(Value::is_number));
        assert!(is_number, "{name}: {line:#}");
        names.push(name);
    }
    assert!(names.contains(&"LoginDaysLeft"), "{line:#}");
    let days = line["LoginDaysLeft"].as_i64().expect("whole days");
    assert!((KEY_DAYS - 2..=KEY_DAYS).contains(&days), "{line:#}");
    let dimensions = directives[0]["Dimensions"].to_string().to_lowercase();
    assert!(!dimensions.contains("athlete"), "{line:#}");
    assert!(!line.to_string().contains(&format!("\"{}\"", anna.athlete())), "{line:#}");
}

pub fn every_line_of_every_process_is_json(cloud: &Arc<Cloud>) {
    let mut lines = 0;
    for (name, log) in cloud.all_logs() {
        // A process that was killed may have been in the middle of a line.
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        for line in whole.lines() {
            let value: Result<Value, _> = serde_json::from_str(line);
            assert!(value.is_ok_and(|value| value.is_object()), "{name}: {line}");
            lines += 1;
        }
    }
    assert!(lines > 100, "only {lines} lines were written");
}
