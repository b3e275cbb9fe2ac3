//! What only a desk has: a store in a file, a heartbeat beside it, secrets in the environment.

use std::sync::Arc;

use fitferry_core::ports::Clock;
use fitferry_store::SqliteStore;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;

use crate::app::App;
use crate::clock::SystemClock;
use crate::config::{SecretKey, Settings, StoreUrl, VaultKind};
use crate::error::{CommandError, Kind};
use crate::store::Store;

/// Where a machine leaves its heartbeat.
#[derive(Clone)]
pub(crate) struct Machine {
    store: SqliteStore,
    athlete: String,
}

impl Store {
    /// Opens the store, and creates it where it is a file that does not exist.
    pub async fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Store, CommandError> {
        match &settings.store {
            StoreUrl::Sqlite(path) => {
                settings.create_store_folder(path)?;
                Store::on_this_machine(&SqliteStore::open(path)?, settings)
            }
            StoreUrl::Dynamodb(table) => {
                Store::in_the_cloud(&fitferry_store::aws::connect(clock).await?, table, settings).await
            }
        }
    }

    /// Opens the store for a command that only reads; `None` where there is none yet.
    pub async fn open_for_reading(
        settings: &Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Store>, CommandError> {
        match &settings.store {
            StoreUrl::Sqlite(path) if path.try_exists().unwrap_or(true) => {
                Store::on_this_machine(&SqliteStore::open_for_reading(path)?, settings).map(Some)
            }
            StoreUrl::Sqlite(_) => Ok(None),
            StoreUrl::Dynamodb(_) => Store::open(settings, clock).await.map(Some),
        }
    }

    /// The store is a file on this machine.
    pub fn on_this_machine(store: &SqliteStore, settings: &Settings) -> Result<Store, CommandError> {
        if let Some(vault @ VaultKind::SecretsManager(_)) = &settings.vault {
            return Err(CommandError::new(
                Kind::Config,
                format!("a store on this machine keeps its secrets itself, and not in {vault}"),
                "Remove `[store] vault`, or name the store in the cloud with `--store dynamodb:TABLE`.",
            ));
        }
        let door = Arc::new(store.athlete(&settings.athlete));
        Ok(Store {
            ledger: door.clone(),
            vault: door.clone(),
            lease: door,
            budget: Arc::new(store.clone()),
            machine: Some(Machine { store: store.clone(), athlete: settings.athlete.clone() }),
        })
    }

    /// The heartbeat is a file's time: an idle tick writes nothing to the store. That it cannot be left is
    /// no reason for a tick to fail.
    pub(crate) fn beat(&self, now: Timestamp) {
        if let Some(Machine { store, athlete }) = &self.machine
            && let Err(error) = store.touch_heartbeat(athlete, now)
        {
            tracing::warn!("{error}");
        }
    }

    /// What is wrong with the store's file, as SQLite says it, and whether others are kept from reading it.
    pub(crate) fn examine(&self) -> Result<(Vec<String>, bool), CommandError> {
        let Some(Machine { store, .. }) = &self.machine else { return Ok((Vec::new(), true)) };
        Ok((store.quick_check()?, store.modes_hold()))
    }

    /// When the last tick was, where the machine keeps a heartbeat.
    pub(crate) fn last_tick(&self) -> Result<Option<Timestamp>, CommandError> {
        let Some(Machine { store, athlete }) = &self.machine else { return Ok(None) };
        Ok(store.last_heartbeat(athlete)?)
    }
}

impl App {
    /// Opens the store and builds the clients; makes no request to the services.
    pub async fn open(settings: Settings) -> Result<App, CommandError> {
        let clock = Arc::new(SystemClock::default());
        let store = Store::open(&settings, clock.clone()).await?;
        let app = App::over(settings, store, clock)?;
        // A key in the environment stands above the vault's.
        let Some(key) = app.settings.secret(SecretKey::GarminApiKey)? else { return Ok(app) };
        let login = fitferry_garmin::Login::from_api_key(key.expose_secret(), None, app.settings.domain)
            .map_err(|error| CommandError::usage(error.to_string(), "Check `FITFERRY_GARMIN__API_KEY`."))?;
        Ok(App { garmin: app.garmin.with_key(login), ..app })
    }
}
