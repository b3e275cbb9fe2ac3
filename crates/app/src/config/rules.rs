//! `[[rules]]`: which activities stay on Garmin although their type crosses, and why.
//!
//! Only reads and checks; what a rule decides is `fitferry_core::rules`.

use fitferry_core::rules::Rule;
use regex::Regex;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::file::Reader;
use super::keys::most_similar;
use super::problem::Place;

/// A rule, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct PlacedRule {
    pub rule: Rule,
    pub place: Place,
}

const SHAPE: &str = "Write it as `when = { type = \"running\" }` and `skip = \"why\"` under `[[rules]]`";

pub(super) fn read(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>) -> Vec<PlacedRule> {
    let place = reader.place(value.span().start);
    let Some(items) = value.get_ref().as_array() else {
        reader.problem(place, "`rules` is a list, each rule under its own [[rules]]", SHAPE);
        return Vec::new();
    };
    items
        .iter()
        .filter_map(|item| {
            let place = reader.place(item.span().start);
            let table = reader.table("[[rules]]", item)?;
            let rule = rule(reader, table, &place)?;
            Some(PlacedRule { rule, place })
        })
        .collect()
}

fn rule(reader: &mut Reader<'_>, table: &DeTable<'_>, place: &Place) -> Option<Rule> {
    let mut rule = Rule { type_key: None, name: None, min_distance_km: None, skip: String::new() };
    let (mut has_when, mut sound) = (false, true);
    for (name, value) in table {
        match name.get_ref().as_ref() {
            "when" => {
                has_when = true;
                sound &= when(reader, value, &mut rule);
            }
            "skip" => match value.get_ref().as_str().map(str::trim) {
                Some(why) if !why.is_empty() => rule.skip = why.to_owned(),
                _ => {
                    let place = reader.place(value.span().start);
                    reader.problem(place, "`skip`: expected a text that says why", SHAPE);
                    sound = false;
                }
            },
            unknown => {
                let place = reader.place(name.span().start);
                sound = unknown_key(reader, place, unknown, "[[rules]]", &["when", "skip"]);
            }
        }
    }
    if sound && !has_when {
        reader.problem(place.clone(), "this rule has no `when`, so it would decide everything", SHAPE);
        return None;
    }
    if sound && rule.skip.is_empty() {
        reader.problem(place.clone(), "this rule has no `skip`, so it decides nothing", SHAPE);
        return None;
    }
    sound.then_some(rule)
}

fn when(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>, rule: &mut Rule) -> bool {
    let Some(table) = reader.table("`when`", value) else { return false };
    let mut sound = true;
    for (name, value) in table {
        let place = reader.place(value.span().start);
        let (value, name_at) = (value.get_ref(), name.span().start);
        match name.get_ref().as_ref() {
            "type" => match value.as_str().map(str::trim) {
                Some(key) if !key.is_empty() => {
                    reader.warn_of_unknown_types(std::iter::once(key), &place);
                    rule.type_key = Some(key.to_owned());
                }
                _ => {
                    reader.problem(
                        place,
                        "`type`: expected one of Garmin's type keys, as \"running\"",
                        SHAPE,
                    );
                    sound = false;
                }
            },
            "name" => match value.as_str().map(Regex::new) {
                Some(Ok(pattern)) => rule.name = Some(pattern),
                Some(Err(error)) => {
                    let text = error.to_string();
                    let why =
                        text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                    let help = "Correct `name`, whose syntax is https://docs.rs/regex/latest/regex/#syntax";
                    reader.problem(place, format!("`name` is no regular expression: {why}"), help);
                    sound = false;
                }
                None => {
                    reader.problem(place, "`name`: expected a regular expression as text", SHAPE);
                    sound = false;
                }
            },
            "min_distance_km" => match number(value).filter(|km| km.is_finite() && *km >= 0.0) {
                Some(km) => rule.min_distance_km = Some(km),
                None => {
                    let help = "Write `min_distance_km` as 3 or 3.5";
                    reader.problem(place, "`min_distance_km`: expected kilometres as a number", help);
                    sound = false;
                }
            },
            unknown => {
                let place = reader.place(name_at);
                sound = unknown_key(reader, place, unknown, "`when`", &["type", "name", "min_distance_km"]);
            }
        }
    }
    if sound && table.is_empty() {
        let place = reader.place(value.span().start);
        reader.problem(place, "`when` is empty, so the rule would decide everything", SHAPE);
        return false;
    }
    sound
}

fn unknown_key(reader: &mut Reader<'_>, place: Place, name: &str, within: &str, known: &[&str]) -> bool {
    let nearest = most_similar(name, known.iter().copied());
    reader.problem(
        place,
        format!("unknown key `{name}` in {within}"),
        format!("The nearest known key is `{nearest}`; known are `{}`", known.join("`, `")),
    );
    false
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok(),
        DeValue::Float(number) => number.as_str().parse().ok(),
        _ => None,
    }
}
