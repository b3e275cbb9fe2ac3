//! The configuration file: TOML with every key's place remembered.
//!
//! Reads on after a mistake, so that `config check` can name them all at once. Secrets found in the file
//! are refused and never repeated, which is why no line of the file is ever quoted. Not here: which layer
//! wins (`resolve`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{self, Key, SECTIONS, SecretKey};
use super::problem::{Place, Problem};
use super::rules::{self, PlacedRule};
use super::value::{self, Raw, Value};

/// What the file says.
#[derive(Debug, Default)]
pub(super) struct FileConfig {
    pub common: Sections,
    pub athletes: BTreeMap<String, Sections>,
    pub problems: Vec<Problem>,
    /// Right, but perhaps not what was meant.
    pub warnings: Vec<Problem>,
}

/// The sections, for everyone or for one athlete.
#[derive(Debug, Default)]
pub(super) struct Sections {
    pub settings: Vec<Setting>,
    /// `None`: the file has no `[[rules]]` here.
    pub rules: Option<Vec<PlacedRule>>,
}

#[derive(Debug)]
pub(super) struct Setting {
    pub key: &'static Key,
    pub value: Value,
    pub place: Place,
}

/// Reads the text of a file; `path` is only named.
pub(super) fn read(path: &Path, text: &str) -> FileConfig {
    let mut reader = Reader { file: path.to_owned(), text, config: FileConfig::default() };
    match DeTable::parse(text) {
        Ok(table) => reader.root(table.get_ref()),
        Err(error) => {
            let place = match error.span() {
                Some(span) => reader.place(span.start),
                None => Place::File(path.to_owned()),
            };
            let message = error.message().lines().next().unwrap_or("not TOML").to_owned();
            let help =
                "Correct the line, as https://toml.io/en/v1.0.0 writes it, then run `fitferry config check`";
            reader.config.problems.push(Problem::new(place, message, help));
        }
    }
    reader.config
}

/// Walks the tree and collects what it finds.
pub(super) struct Reader<'t> {
    file: PathBuf,
    text: &'t str,
    config: FileConfig,
}

type Entry<'a, 't> = (&'a Spanned<std::borrow::Cow<'t, str>>, &'a Spanned<DeValue<'t>>);

impl Reader<'_> {
    fn root(&mut self, table: &DeTable<'_>) {
        let mut common = Sections::default();
        for (name, value) in table {
            if name.get_ref() == "athletes" {
                self.athletes(value);
            } else {
                self.section((name, value), &mut common, "");
            }
        }
        self.config.common = common;
    }

    fn athletes(&mut self, value: &Spanned<DeValue<'_>>) {
        let Some(athletes) = self.table("[athletes]", value) else { return };
        for (name, value) in athletes {
            let place = self.place(name.span().start);
            let name = name.get_ref().as_ref();
            if !is_athlete(name) {
                self.problem(place, format!("`{name}` cannot be an athlete's name"), ATHLETE_HELP);
                continue;
            }
            let Some(table) = self.table(&format!("[athletes.{name}]"), value) else { continue };
            let mut sections = Sections::default();
            let prefix = format!("athletes.{name}.");
            for entry in table {
                self.section(entry, &mut sections, &prefix);
            }
            self.config.athletes.insert(name.to_owned(), sections);
        }
    }

    fn section(&mut self, (name, value): Entry<'_, '_>, into: &mut Sections, prefix: &str) {
        let place = self.place(name.span().start);
        let section = name.get_ref().as_ref();
        if section == "rules" {
            into.rules = Some(rules::read(self, value));
            return;
        }
        if !SECTIONS.contains(&section) {
            let (what, help) = unknown_section(section, prefix);
            self.problem(place, what, help);
            return;
        }
        let Some(table) = self.table(&format!("[{prefix}{section}]"), value) else { return };
        for entry in table {
            if let Some(setting) = self.setting(section, entry, prefix) {
                into.settings.push(setting);
            }
        }
    }

    fn setting(&mut self, section: &str, (name, value): Entry<'_, '_>, prefix: &str) -> Option<Setting> {
        let place = self.place(name.span().start);
        let name = name.get_ref().as_ref();
        if let Some((message, help)) = secret_in_file(section, name) {
            self.problem(place, message, help);
            return None;
        }
        let Some(key) = keys::find(section, name) else {
            let nearest = keys::nearest(section, name);
            self.problem(
                place,
                format!("unknown key `{name}` in [{prefix}{section}]"),
                format!("The nearest known key is `{}` in `[{prefix}{}]`", nearest.name, nearest.section),
            );
            return None;
        };
        match value::read(key.kind, &raw(value.get_ref())) {
            Ok(value) => {
                if let Value::Types(types) = &value {
                    self.warn_of_unknown_types(types.iter().map(String::as_str), &place);
                }
                Some(Setting { key, value, place })
            }
            Err(what) => {
                let place = self.place(value.span().start);
                let help = format!("Correct `{name}` in `[{prefix}{section}]`: {}", key.doc);
                self.problem(place, format!("`{name}`: {what}"), help);
                None
            }
        }
    }

    pub(super) fn table<'a, 't>(
        &mut self,
        name: &str,
        value: &'a Spanned<DeValue<'t>>,
    ) -> Option<&'a DeTable<'t>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            let place = self.place(value.span().start);
            let found = value.get_ref().type_str();
            self.problem(place, format!("{name}: expected a table, got a value of type {found}"), CHECK_HELP);
        }
        table
    }

    pub(super) fn problem(&mut self, place: Place, message: impl Into<String>, help: impl Into<String>) {
        self.config.problems.push(Problem::new(place, message, help));
    }

    pub(super) fn warn_of_unknown_types<'a>(&mut self, types: impl Iterator<Item = &'a str>, place: &Place) {
        self.config.warnings.extend(types.filter_map(|word| unknown_type(word, place)));
    }

    /// The line and column of a byte of the file.
    pub(super) fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place::Line {
            file: self.file.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

const CHECK_HELP: &str = "Write it as a table of keys; `fitferry config show` lists all keys";

pub(super) const ATHLETE_HELP: &str =
    "Choose 1 to 32 of the characters a-z, 0-9 and `-` for `--athlete` and `[athletes.NAME]`";

/// Whether a name may be an athlete's.
pub fn is_athlete(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// A warning where Garmin's type key is not in the table; new ones appear regularly.
pub(super) fn unknown_type(word: &str, place: &Place) -> Option<Problem> {
    if word == "*" || fitferry_core::sport::is_known(word) {
        return None;
    }
    let nearest = keys::most_similar(word, fitferry_core::sport::keys());
    Some(Problem::new(
        place.clone(),
        format!("`{word}` is not among the activity types known of Garmin"),
        format!("If it is not a new type, write `{nearest}`, which is the nearest known one"),
    ))
}

fn unknown_section(name: &str, prefix: &str) -> (String, String) {
    // A key that stands above the first section header.
    if let Some(key) = keys::KEYS.iter().find(|key| key.name == name) {
        return (
            format!("unknown section `{name}`"),
            format!("The nearest known key is `{name}` in `[{prefix}{}]`", key.section),
        );
    }
    if let Some(secret) = SecretKey::ALL.into_iter().find(|secret| secret.name() == name) {
        return secret_refused(secret);
    }
    let others: &[&str] = if prefix.is_empty() { &["rules", "athletes"] } else { &["rules"] };
    let nearest = keys::most_similar(name, SECTIONS.iter().chain(others).copied());
    (
        format!("unknown section [{prefix}{name}]"),
        format!("The nearest known section is `[{prefix}{nearest}]`"),
    )
}

fn secret_in_file(section: &str, name: &str) -> Option<(String, String)> {
    let known = SecretKey::ALL.into_iter().find(|secret| secret.name() == name);
    if let Some(secret) = SecretKey::find(section, name).or(known) {
        return Some(secret_refused(secret));
    }
    // Tokens by whatever name they have elsewhere.
    const TOKENS: [&str; 6] =
        ["access_token", "refresh_token", "token", "secret", "client_secret_file", "api_key_file"];
    let token = TOKENS.contains(&name);
    token.then(|| {
        secret_refused(if section == "garmin" {
            SecretKey::GarminApiKey
        } else {
            SecretKey::StravaClientSecret
        })
    })
}

fn secret_refused(secret: SecretKey) -> (String, String) {
    (
        format!("`{}` is a secret and does not belong in the file", secret.name()),
        format!(
            "Take it out of the file and run `fitferry login {}`, or set `{}`",
            secret.section(),
            secret.variable()
        ),
    )
}

pub(super) fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Raw::Integer(number.as_str().to_owned()),
        DeValue::Integer(_) => Raw::Other("integer"),
        DeValue::Array(items) => items
            .iter()
            .map(|item| item.get_ref().as_str().map(str::to_owned))
            .collect::<Option<Vec<String>>>()
            .map_or(Raw::Other("array of something else than strings"), Raw::List),
        DeValue::Datetime(moment) => match (moment.date, moment.time) {
            (Some(_), None) => moment.to_string().parse().map_or(Raw::Other("date"), Raw::Date),
            _ => Raw::Other("moment"),
        },
        other => Raw::Other(other.type_str()),
    }
}
