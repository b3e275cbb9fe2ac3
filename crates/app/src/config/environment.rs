//! What the environment says: `FITFERRY_<SECTION>__<KEY>`, the secrets, and a few plain variables.
//!
//! The variables are read once, at the start, into [`Environment`], so that everything below can be
//! tested without touching the process. An empty variable counts as not set, as in most tools.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

use super::file::{Setting, unknown_type};
use super::keys::{self, KEYS, SecretKey};
use super::problem::{Place, Problem};
use super::value::{self, Raw, Value};

const PREFIX: &str = "FITFERRY_";

/// The variables that this program looks at. Its `Debug` shows names only: values may be secrets.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

impl Environment {
    /// The process's own. Also Garmin's variable for its key, and where a person's home is.
    pub fn of_process() -> Environment {
        let ours = |name: &str| {
            name.starts_with(PREFIX)
                || [GARMINS_OWN_KEY, "HOME", "BROWSER", "DISPLAY", "WAYLAND_DISPLAY"].contains(&name)
        };
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| name.into_string().ok().map(|name| (name, value)))
            .filter(|(name, value)| ours(name) && !value.is_empty())
            .collect();
        Environment { variables }
    }

    /// Of variables that are named here, whatever the process has.
    pub fn of<'a>(variables: impl Iterator<Item = (&'a str, &'a str)>) -> Environment {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), OsString::from(value));
        Environment { variables: variables.filter(|(_, value)| !value.is_empty()).map(owned).collect() }
    }

    /// Without the secrets that may stand in it: where they come from the vault alone.
    pub fn without_secrets(mut self) -> Environment {
        self.variables.retain(|name, _| !is_secret(name) && name != GARMINS_OWN_KEY);
        self
    }

    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.variables.get(name).map(PathBuf::from)
    }

    /// `None` also where the value is not Unicode.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.variables.get(name).and_then(|value| value.to_str())
    }

    pub fn has(&self, name: &str) -> bool {
        self.variables.contains_key(name)
    }

    /// Where a secret would be taken from: the variable itself, or the one that names a file.
    pub fn secret_variable(&self, key: SecretKey) -> Option<String> {
        [key.variable(), key.file_variable()].into_iter().find(|name| self.has(name))
    }

    /// A secret, from its variable or the file that `…_FILE` names; white space around is cut.
    pub fn secret(&self, key: SecretKey) -> Result<Option<SecretString>, Problem> {
        let (direct, file) = (key.variable(), key.file_variable());
        let place = |name: &str| Place::Variable(name.to_owned());
        if self.has(&direct) && self.has(&file) {
            return Err(Problem::new(
                place(&file),
                format!("{direct} is set too"),
                format!("Keep one of `{direct}` and `{file}`"),
            ));
        }
        if self.has(&direct) {
            let help = format!("Set `{direct}` to the secret itself, or `{file}` to the path of a file");
            return match self.text(&direct).map(str::trim) {
                Some(text) if !text.is_empty() => Ok(Some(text.into())),
                Some(_) => Err(Problem::new(place(&direct), "is blank", help)),
                None => Err(Problem::new(place(&direct), "is not Unicode text", help)),
            };
        }
        let Some(path) = self.path(&file) else { return Ok(None) };
        let help = format!("Let `{file}` name a readable file that holds the secret and nothing else");
        match std::fs::read_to_string(&path) {
            Ok(text) if !text.trim().is_empty() => Ok(Some(text.trim().into())),
            Ok(_) => Err(Problem::new(place(&file), format!("{} is empty", path.display()), help)),
            Err(error) => {
                Err(Problem::new(place(&file), format!("cannot read {}: {error}", path.display()), help))
            }
        }
    }
}

/// The variable that Garmin's own client reads the Personal API key from (dossier garmin.md §0.1).
pub const GARMINS_OWN_KEY: &str = "GARMIN_PERSONAL_API_KEY";

/// The values that the environment sets, and what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct FromEnvironment {
    pub settings: Vec<Setting>,
    pub problems: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

pub(super) fn read(environment: &Environment) -> FromEnvironment {
    let mut found = FromEnvironment::default();
    for name in environment.variables.keys() {
        let Some((section, key)) = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once("__")) else {
            continue;
        };
        let place = Place::Variable(name.clone());
        if is_secret(name) {
            continue;
        }
        let key = keys::find(&section.to_ascii_lowercase(), &key.to_ascii_lowercase())
            .filter(|key| key.variable() == *name);
        let Some(key) = key else {
            found.problems.push(unknown(name, place));
            continue;
        };
        let Some(text) = environment.text(name) else {
            found.problems.push(Problem::new(place, "is not Unicode text", format!("Correct `{name}`")));
            continue;
        };
        match value::read(key.kind, &Raw::Word(text.to_owned())) {
            Ok(value) => {
                if let Value::Types(types) = &value {
                    found.warnings.extend(types.iter().filter_map(|word| unknown_type(word, &place)));
                }
                found.settings.push(Setting { key, value, place });
            }
            Err(what) => {
                found.problems.push(Problem::new(place, what, format!("Correct `{name}`: {}", key.doc)));
            }
        }
    }
    found
}

fn is_secret(name: &str) -> bool {
    SecretKey::ALL.into_iter().any(|secret| secret.variable() == *name || secret.file_variable() == *name)
}

fn unknown(name: &str, place: Place) -> Problem {
    let mut known: Vec<String> = KEYS.iter().map(keys::Key::variable).collect();
    for secret in SecretKey::ALL {
        known.extend([secret.variable(), secret.file_variable()]);
    }
    let nearest = keys::most_similar(name, known.iter().map(String::as_str));
    Problem::new(place, "unknown variable", format!("The nearest known variable is `{nearest}`"))
}
