//! Which activities cross. Pure: an activity in, a decision out.
//!
//! What is certain comes first (no file, a leg of something larger, before the start date), then the
//! user's rules in their order, then `types`. Not here: what the user said about one activity by hand,
//! which stands above all of this (`ledger`).

use jiff::civil::Date;
use regex::Regex;

use crate::activity::Listed;
use crate::ledger::SkipReason;
use crate::sport;

/// `[sync] types`, `since` and `[[rules]]`.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Garmin type keys; a parent means all its children, `*` means all.
    pub types: Vec<String>,
    /// The first match decides; where none matches, `types` does.
    pub rules: Vec<Rule>,
}

/// One of `[[rules]]`. What is not given matches everything.
#[derive(Clone, Debug)]
pub struct Rule {
    pub type_key: Option<String>,
    pub name: Option<Regex>,
    pub min_distance_km: Option<f64>,
    /// Why the ones that match stay on Garmin.
    pub skip: String,
}

/// What becomes of an activity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Wanted,
    Skipped { reason: SkipReason, detail: Option<String> },
}

impl Rule {
    fn matches(&self, activity: &Listed) -> bool {
        let type_fits =
            self.type_key.as_deref().is_none_or(|key| key == "*" || sport::is_of_type(activity, key));
        let name_fits =
            self.name.as_ref().is_none_or(|name| name.is_match(activity.name.as_deref().unwrap_or_default()));
        // A distance that is not known is no distance: a rule about long ones does not match it.
        let distance_fits = self
            .min_distance_km
            .is_none_or(|km| activity.distance.is_some_and(|distance| distance.km() >= km));
        type_fits && name_fits && distance_fits
    }
}

impl Rules {
    /// `since`: the first local start date that crosses; `None` is no limit.
    pub fn decide(&self, activity: &Listed, since: Option<Date>) -> Decision {
        let skip = |reason, detail: Option<String>| Decision::Skipped { reason, detail };
        if let Some(parent) = activity.parent {
            return skip(
                SkipReason::MultisportChild,
                Some(format!("part of the multisport activity {parent}")),
            );
        }
        if activity.manual {
            return skip(
                SkipReason::ManualEntry,
                Some("typed in by hand, Garmin has no file of it".to_owned()),
            );
        }
        if let (Some(day), Some(since)) = (activity.day(), since)
            && day < since
        {
            return skip(SkipReason::BeforeStart, Some(format!("started before {since}")));
        }
        if let Some(rule) = self.rules.iter().find(|rule| rule.matches(activity)) {
            return skip(SkipReason::Rule, Some(rule.skip.clone()));
        }
        if self.types.iter().any(|wanted| wanted == "*" || sport::is_of_type(activity, wanted)) {
            return Decision::Wanted;
        }
        let key = activity.type_key.as_deref().unwrap_or("an unknown type");
        skip(SkipReason::Rule, Some(format!("only {} crosses, this is {key}", self.types.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::{Distance, GarminId};
    use expect_test::{Expect, expect};

    #[test]
    fn what_is_certain_comes_before_rules_and_rules_before_types() {
        let rules = Rules {
            types: vec!["running".to_owned(), "hiking".to_owned()],
            rules: vec![Rule {
                type_key: Some("trail_running".to_owned()),
                name: Some(Regex::new("(?i)warm.?up").unwrap()),
                min_distance_km: Some(3.0),
                skip: "warm-ups stay on Garmin".to_owned(),
            }],
        };
        let check = |listed: Listed, expected: Expect| {
            let since = jiff::civil::date(2026, 11, 1);
            expected.assert_eq(&format!("{:?}", rules.decide(&listed, Some(since))));
        };
        let run = |key: &str, name: &str, km: f64| Listed {
            type_key: Some(key.to_owned()),
            name: Some(name.to_owned()),
            distance: Distance::from_meters(km * 1000.0),
            local_date: Some(jiff::civil::date(2026, 11, 20)),
            ..Listed::bare(GarminId(7))
        };
        check(run("running", "Morning Run", 5.0), expect!["Wanted"]);
        check(run("track_running", "Morning Run", 5.0), expect!["Wanted"]);
        check(
            run("cycling", "Ride", 5.0),
            expect![[
                r#"Skipped { reason: Rule, detail: Some("only running, hiking crosses, this is cycling") }"#
            ]],
        );
        check(
            run("trail_running", "WARM UP", 3.0),
            expect![[r#"Skipped { reason: Rule, detail: Some("warm-ups stay on Garmin") }"#]],
        );
        check(run("trail_running", "warm-up", 2.9), expect!["Wanted"]);
        check(Listed { distance: None, ..run("trail_running", "warm-up", 0.0) }, expect!["Wanted"]);
        check(run("running", "warm-up", 9.0), expect!["Wanted"]);
        check(
            Listed { manual: true, ..run("running", "By hand", 5.0) },
            expect![[
                r#"Skipped { reason: ManualEntry, detail: Some("typed in by hand, Garmin has no file of it") }"#
            ]],
        );
        check(
            Listed { parent: Some(GarminId(1)), ..run("running", "Leg", 5.0) },
            expect![[
                r#"Skipped { reason: MultisportChild, detail: Some("part of the multisport activity 1") }"#
            ]],
        );
        check(
            Listed { local_date: Some(jiff::civil::date(2026, 10, 31)), ..run("running", "Old", 5.0) },
            expect![[r#"Skipped { reason: BeforeStart, detail: Some("started before 2026-11-01") }"#]],
        );
        check(
            Listed { local_date: Some(jiff::civil::date(2026, 11, 1)), ..run("running", "First day", 5.0) },
            expect!["Wanted"],
        );
    }

    #[test]
    fn a_star_means_everything_even_what_has_no_type() {
        let rules = Rules { types: vec!["*".to_owned()], rules: Vec::new() };
        assert_eq!(rules.decide(&Listed::bare(GarminId(1)), None), Decision::Wanted);
    }
}
