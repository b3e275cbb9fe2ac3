//! What is in force for one athlete, as plain data.

use std::path::{Path, PathBuf};

use fitferry_core::engine::Hold;
use fitferry_core::rules::{Rule, Rules};
use fitferry_core::timing::Timing;
use fitferry_garmin::Domain;
use jiff::SignedDuration;
use secrecy::SecretString;
use url::Url;

use super::environment::Environment;
use super::folders::Folders;
use super::keys::{KEYS, Kind, SecretKey};
use super::problem::{Origin, Place, Problem};
use super::resolve;
use super::value::{self, Raw, Since, StoreUrl, Value, VaultKind};
use crate::error::CommandError;

/// The configuration of one athlete, resolved.
#[derive(Clone, Debug)]
pub struct Settings {
    pub athlete: String,
    pub folders: Folders,
    /// The file that was read, or would be.
    pub file: PathBuf,
    pub file_exists: bool,
    pub domain: Domain,
    /// Only a default for `login`: what a login keeps is in the vault.
    pub client_id: Option<String>,
    pub redirect_port: u16,
    pub types: Vec<String>,
    pub rules: Vec<Rule>,
    /// `None`: the first tick keeps one in the store.
    pub since: Option<Since>,
    pub lookback: SignedDuration,
    pub sweep: SignedDuration,
    pub hold: Hold,
    pub every: SignedDuration,
    pub store: StoreUrl,
    /// Where the secrets live; `None`: nobody said, so the store knows.
    pub vault: Option<VaultKind>,
    pub timing: Timing,
    /// `[timing] settle` was written somewhere: `watch` keeps its own shorter one otherwise.
    pub settle_is_set: bool,
    pub endpoints: Endpoints,
    /// Right, but perhaps not what was meant.
    pub warnings: Vec<Problem>,
    /// Everything, with its origin, for `config show`.
    pub shown: Vec<Shown>,
    pub(super) environment: Environment,
}

/// Where the services are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    pub garmin_sso: Url,
    pub garmin_auth: Url,
    pub garmin_api: Url,
    pub garmin_personal: Url,
    pub strava_api: Url,
    pub strava_oauth: Url,
    /// Names of those that were written somewhere; the others follow `[garmin] domain`.
    pub set: Vec<&'static str>,
}

impl Endpoints {
    pub fn all(&self) -> [&Url; 6] {
        [
            &self.garmin_sso,
            &self.garmin_auth,
            &self.garmin_api,
            &self.garmin_personal,
            &self.strava_api,
            &self.strava_oauth,
        ]
    }

    /// Points one of them elsewhere: `variable` is its `FITFERRY_ENDPOINTS__…`, and `url` is judged as its
    /// value would be.
    pub fn point(&mut self, variable: &str, url: &str) -> Result<(), CommandError> {
        let place = Place::Variable(variable.to_owned());
        let wrong = |what: String| {
            CommandError::from_problems(&[Problem::new(place, what, format!("Correct `{variable}`"))])
        };
        let key = KEYS.iter().find(|key| key.kind == Kind::Endpoint && key.variable() == variable);
        let Some(key) = key else { return Err(wrong("unknown endpoint".to_owned())) };
        let url = match value::read(key.kind, &Raw::Word(url.to_owned())) {
            Ok(Value::Endpoint(url)) => url,
            Ok(_) => return Err(wrong("not an address".to_owned())),
            Err(what) => return Err(wrong(what)),
        };
        let endpoint = match key.name {
            "garmin_sso" => &mut self.garmin_sso,
            "garmin_auth" => &mut self.garmin_auth,
            "garmin_api" => &mut self.garmin_api,
            "garmin_personal" => &mut self.garmin_personal,
            "strava_api" => &mut self.strava_api,
            _ => &mut self.strava_oauth,
        };
        *endpoint = url;
        self.set.push(key.name);
        Ok(())
    }

    /// Whether no request would leave this machine.
    pub fn all_on_loopback(&self) -> bool {
        self.all().into_iter().all(super::value::is_loopback)
    }
}

/// One line of `config show`.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub key: String,
    /// For people; `None`: nothing is in force.
    pub text: Option<String>,
    pub json: serde_json::Value,
    pub origin: Origin,
}

impl Settings {
    /// What is in force where nothing is configured, everything under `home`: for the demo and for tests.
    pub fn defaults(home: &Path) -> Settings {
        resolve::defaults(Folders::under(home))
    }

    /// The same for another store, whose vault is as given or as the store knows.
    pub fn over(&self, store: StoreUrl, vault: Option<VaultKind>) -> Settings {
        Settings { store, vault, ..self.clone() }
    }

    /// As the engine takes them.
    pub fn core_rules(&self) -> Rules {
        Rules { types: self.types.clone(), rules: self.rules.clone() }
    }

    /// A secret that the environment holds.
    pub fn secret(&self, key: SecretKey) -> Result<Option<SecretString>, CommandError> {
        self.environment.secret(key).map_err(|problem| CommandError::from_problems(&[problem]))
    }

    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Creates the folder of a store in a file, for this person alone, where it does not exist.
    pub fn create_store_folder(&self, file: &Path) -> Result<(), CommandError> {
        let folder = file.parent().unwrap_or(&self.folders.data);
        super::create_private(folder).map_err(|error| CommandError::store_folder(folder, &error))
    }
}
