//! Which layer wins.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use fitferry_core::engine::Hold;
use fitferry_core::timing::Timing;
use fitferry_garmin::Domain;
use jiff::SignedDuration;
use url::Url;

use super::Asked;
use super::environment::{self, Environment};
use super::file::{self, ATHLETE_HELP, FileConfig, Sections, is_athlete};
use super::folders::Folders;
use super::keys::{self, KEYS, Key, SecretKey};
use super::problem::{Origin, Place, Problem};
use super::rules::PlacedRule;
use super::settings::{Endpoints, Settings, Shown};
use super::value::{self, Raw, StoreUrl, Value};

/// Everything that was found out about a configuration.
#[derive(Debug)]
pub struct Report {
    /// What is in force as far as it could be read; `None` where the file could not.
    pub settings: Option<Settings>,
    pub problems: Vec<Problem>,
}

pub(super) fn examine(
    asked: &Asked,
    environment: &Environment,
    folders: Folders,
    path: &Path,
    named_by: Option<Place>,
) -> Report {
    let mut problems = Vec::new();
    let file = match std::fs::read_to_string(path) {
        Ok(text) => Some(file::read(path, &text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && named_by.is_none() => {
            Some(FileConfig::default())
        }
        Err(error) => {
            let place = named_by.unwrap_or_else(|| Place::File(path.to_owned()));
            problems.push(Problem::new(
                place,
                format!("cannot read {}: {error}", path.display()),
                "Name a readable file with `--config FILE`; `fitferry config path` tells which one is read",
            ));
            None
        }
    };
    let mut report = settle(asked, environment, folders, path, file, problems);
    if let Some(settings) = &mut report.settings {
        settings.file_exists = path.exists();
    }
    report
}

/// As [`examine`], of a file whose text is here.
pub(super) fn examine_text(
    asked: &Asked,
    environment: &Environment,
    folders: Folders,
    path: &Path,
    text: &str,
) -> Report {
    settle(asked, environment, folders, path, Some(file::read(path, text)), Vec::new())
}

/// `file`: `None` where there is one and it cannot be read.
fn settle(
    asked: &Asked,
    environment: &Environment,
    folders: Folders,
    path: &Path,
    mut file: Option<FileConfig>,
    mut problems: Vec<Problem>,
) -> Report {
    if let Some(file) = &mut file {
        problems.append(&mut file.problems);
    }
    let mut from_environment = environment::read(environment);
    problems.append(&mut from_environment.problems);
    for secret in SecretKey::ALL {
        problems.extend(environment.secret(secret).err());
    }
    let athlete = athlete(asked, environment, &mut problems);
    let flags = flags(asked, &mut problems);

    let readable = file.is_some();
    let FileConfig { common, mut athletes, mut warnings, .. } = file.unwrap_or_default();
    warnings.append(&mut from_environment.warnings);
    let own = athletes.remove(&athlete).unwrap_or_default();

    let mut layers = Layers::default();
    let rules =
        own.rules.clone().map(|rules| (rules, true)).or(common.rules.clone().map(|rules| (rules, false)));
    layers.add(common, Origin::File);
    layers.add(own, Origin::Athlete);
    for setting in from_environment.settings {
        layers.set(setting.key, setting.value, Origin::Variable(setting.key.variable()));
    }
    for (key, value, flag) in flags {
        layers.set(key, value, Origin::Flag(flag));
    }
    let settings = readable.then(|| {
        let mut settings = layers.settings(athlete, folders, environment.clone());
        settings.warnings = warnings;
        path.clone_into(&mut settings.file);
        settings.shown = layers.shown(&settings, rules.as_ref());
        settings.rules =
            rules.map(|(rules, _)| rules.into_iter().map(|placed| placed.rule).collect()).unwrap_or_default();
        settings
    });
    Report { settings, problems }
}

pub(super) fn defaults(folders: Folders) -> Settings {
    Layers::default().settings(DEFAULT_ATHLETE.to_owned(), folders, Environment::default())
}

const DEFAULT_ATHLETE: &str = "me";

fn athlete(asked: &Asked, environment: &Environment, problems: &mut Vec<Problem>) -> String {
    let (name, place) = match (&asked.athlete, environment.text("FITFERRY_ATHLETE")) {
        (Some(name), _) => (name.clone(), Place::Flag("--athlete")),
        (None, Some(name)) => (name.to_owned(), Place::Variable("FITFERRY_ATHLETE".to_owned())),
        (None, None) => return DEFAULT_ATHLETE.to_owned(),
    };
    if !is_athlete(&name) {
        problems.push(Problem::new(place, format!("{name:?} cannot be an athlete's name"), ATHLETE_HELP));
    }
    name
}

type FromFlag = (&'static Key, Value, &'static str);

fn flags(asked: &Asked, problems: &mut Vec<Problem>) -> Vec<FromFlag> {
    let Some(url) = &asked.store else { return Vec::new() };
    let key = keys::find("store", "url").expect("the table has it");
    match value::read(key.kind, &Raw::Word(url.clone())) {
        Ok(value) => vec![(key, value, "--store")],
        Err(what) => {
            let help = "Write `--store sqlite:FILE` or `--store dynamodb:TABLE`";
            problems.push(Problem::new(Place::Flag("--store"), what, help));
            Vec::new()
        }
    }
}

/// The winning value of each key that is not at its default.
#[derive(Default)]
struct Layers {
    set: BTreeMap<(&'static str, &'static str), (Value, Origin)>,
}

impl Layers {
    fn add(&mut self, sections: Sections, origin: impl Fn(Place) -> Origin) {
        for setting in sections.settings {
            self.set(setting.key, setting.value, origin(setting.place));
        }
    }

    fn set(&mut self, key: &'static Key, value: Value, origin: Origin) {
        self.set.insert((key.section, key.name), (value, origin));
    }

    fn is_set(&self, section: &'static str, name: &'static str) -> bool {
        self.set.contains_key(&(section, name))
    }

    fn get(&self, section: &'static str, name: &'static str) -> Option<Value> {
        match self.set.get(&(section, name)) {
            Some((value, _)) => Some(value.clone()),
            None => keys::find(section, name).and_then(default),
        }
    }

    fn duration(&self, section: &'static str, name: &'static str) -> SignedDuration {
        match self.get(section, name) {
            Some(Value::Duration { length, .. }) => length,
            _ => unreachable!("{section}.{name} is a duration and has a default"),
        }
    }

    fn settings(&self, athlete: String, folders: Folders, environment: Environment) -> Settings {
        let timing = |name| self.duration("timing", name);
        let domain = match self.get("garmin", "domain") {
            Some(Value::Domain(domain)) => domain,
            _ => Domain::default(),
        };
        Settings {
            athlete,
            file: folders.config_file.clone(),
            file_exists: false,
            domain,
            client_id: match self.get("strava", "client_id") {
                Some(Value::ClientId(id)) => Some(id),
                _ => None,
            },
            redirect_port: match self.get("strava", "redirect_port") {
                Some(Value::Port(port)) => port,
                _ => unreachable!("strava.redirect_port is a port and has a default"),
            },
            types: match self.get("sync", "types") {
                Some(Value::Types(types)) => types,
                _ => unreachable!("sync.types is a list and has a default"),
            },
            rules: Vec::new(),
            since: match self.get("sync", "since") {
                Some(Value::Since(since)) => Some(since),
                _ => None,
            },
            lookback: self.duration("sync", "lookback"),
            sweep: self.duration("sync", "sweep"),
            hold: match self.get("sync", "hold") {
                Some(Value::Hold(hold, _)) => hold,
                _ => Hold::Auto,
            },
            every: self.duration("sync", "every"),
            store: match self.get("store", "url") {
                Some(Value::StoreUrl(StoreUrl::Sqlite(path), _)) => StoreUrl::Sqlite(folders.data.join(path)),
                Some(Value::StoreUrl(table, _)) => table,
                _ => unreachable!("store.url is a store and has a default"),
            },
            vault: match self.get("store", "vault") {
                Some(Value::Vault(kind, _)) if self.is_set("store", "vault") => Some(kind),
                _ => None,
            },
            timing: Timing {
                garmin_spacing: timing("garmin_spacing"),
                first_confirm: timing("first_confirm"),
                settle: timing("settle"),
                send_within: timing("send_within"),
                upload_timeout: timing("upload_timeout"),
                doubt: timing("doubt"),
                doubt_looks: timing("doubt_looks"),
                retry_base: timing("retry_base"),
            },
            settle_is_set: self.is_set("timing", "settle"),
            endpoints: self.endpoints(domain),
            warnings: Vec::new(),
            shown: Vec::new(),
            folders,
            environment,
        }
    }

    fn endpoints(&self, domain: Domain) -> Endpoints {
        let endpoint = |name: &'static str| match self.get("endpoints", name) {
            Some(Value::Endpoint(url)) if self.is_set("endpoints", name) => url,
            Some(Value::Endpoint(url)) => in_domain(url, domain),
            _ => unreachable!("endpoints.{name} is an address and has a default"),
        };
        Endpoints {
            garmin_sso: endpoint("garmin_sso"),
            garmin_auth: endpoint("garmin_auth"),
            garmin_api: endpoint("garmin_api"),
            garmin_personal: endpoint("garmin_personal"),
            strava_api: endpoint("strava_api"),
            strava_oauth: endpoint("strava_oauth"),
            set: KEYS
                .iter()
                .filter(|key| key.section == "endpoints" && self.is_set(key.section, key.name))
                .map(|key| key.name)
                .collect(),
        }
    }

    fn shown(&self, settings: &Settings, rules: Option<&(Vec<PlacedRule>, bool)>) -> Vec<Shown> {
        let mut shown: Vec<Shown> = Vec::new();
        for key in KEYS {
            let (value, origin) = match self.set.get(&(key.section, key.name)) {
                Some((value, origin)) => (Some(value.clone()), origin.clone()),
                None => (default(key), Origin::Default),
            };
            let value = match value {
                Some(Value::Endpoint(url)) if origin == Origin::Default => {
                    Some(Value::Endpoint(in_domain(url, settings.domain)))
                }
                value => value,
            };
            shown.push(Shown {
                key: key.path(),
                text: value.as_ref().map(Value::shown),
                json: value.as_ref().map_or(serde_json::Value::Null, Value::json),
                origin,
            });
        }
        for secret in SecretKey::ALL {
            let Some(variable) = settings.environment().secret_variable(secret) else { continue };
            shown.push(Shown {
                key: format!("{}.{}", secret.section(), secret.name()),
                text: Some(MASKED.to_owned()),
                json: MASKED.into(),
                origin: Origin::Variable(variable),
            });
        }
        if let Some((rules, of_athlete)) = rules {
            shown.extend(
                rules.iter().enumerate().map(|(index, placed)| show_rule(index, placed, *of_athlete)),
            );
        }
        shown
    }
}

const MASKED: &str = "********";

fn show_rule(index: usize, PlacedRule { rule, place }: &PlacedRule, of_athlete: bool) -> Shown {
    let name = rule.name.as_ref().map(regex::Regex::as_str);
    let mut when = serde_json::Map::new();
    let mut words = Vec::new();
    if let Some(key) = &rule.type_key {
        when.insert("type".to_owned(), key.as_str().into());
        words.push(key.clone());
    }
    if let Some(name) = name {
        when.insert("name".to_owned(), name.into());
        words.push(format!("name ~ {name}"));
    }
    if let Some(km) = rule.min_distance_km {
        when.insert("min_distance_km".to_owned(), km.into());
        words.push(format!("from {km} km"));
    }
    Shown {
        key: format!("rules.{index}"),
        text: Some(format!("{}: skip, {}", words.join(", "), rule.skip)),
        json: serde_json::json!({ "when": when, "skip": rule.skip }),
        origin: if of_athlete { Origin::Athlete(place.clone()) } else { Origin::File(place.clone()) },
    }
}

fn default(key: &Key) -> Option<Value> {
    let text = key.default?;
    Some(value::read(key.kind, &Raw::Word(text.to_owned())).expect("defaults are checked by a test"))
}

/// Garmin's hosts for accounts in China have the other ending (dossier garmin.md §1).
fn in_domain(mut url: Url, domain: Domain) -> Url {
    let host = url.host_str().and_then(|host| host.strip_suffix("garmin.com")).map(str::to_owned);
    if let (Domain::Cn, Some(front)) = (domain, host) {
        url.set_host(Some(&format!("{front}garmin.cn"))).expect("a host with another ending is a host");
    }
    url
}
