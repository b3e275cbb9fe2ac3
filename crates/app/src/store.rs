//! The store that the configuration names: one athlete's ledger, vault and lease, and the budgets.

use std::sync::Arc;

use fitferry_core::ports::{Budget, Clock, Lease, Ledger, Vault};
use fitferry_store::SqliteStore;
use jiff::Timestamp;

use crate::config::{Settings, StoreUrl};
use crate::error::{CommandError, Kind};

/// Everything durable that one run for one athlete works with.
#[derive(Clone)]
pub struct Store {
    pub ledger: Arc<dyn Ledger>,
    pub vault: Arc<dyn Vault>,
    pub lease: Arc<dyn Lease>,
    pub budget: Arc<dyn Budget>,
    athlete: String,
    /// Where the store is a file, a machine's heartbeat lies beside it.
    machine: Option<SqliteStore>,
}

impl Store {
    /// Opens the store, and creates it where it is a file that does not exist.
    pub async fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Store, CommandError> {
        match &settings.store {
            StoreUrl::Sqlite(path) => {
                settings.create_store_folder(path)?;
                Ok(Store::on_this_machine(&SqliteStore::open(path)?, &settings.athlete))
            }
            StoreUrl::Dynamodb(table) => Store::in_the_cloud(table, settings, clock).await,
        }
    }

    /// Opens the store for a command that only reads; `None` where there is none yet.
    pub async fn open_for_reading(
        settings: &Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Store>, CommandError> {
        match &settings.store {
            StoreUrl::Sqlite(path) if path.try_exists().unwrap_or(true) => {
                Ok(Some(Store::on_this_machine(&SqliteStore::open_for_reading(path)?, &settings.athlete)))
            }
            StoreUrl::Sqlite(_) => Ok(None),
            StoreUrl::Dynamodb(table) => Store::in_the_cloud(table, settings, clock).await.map(Some),
        }
    }

    async fn in_the_cloud(
        table: &str,
        settings: &Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Store, CommandError> {
        Err(CommandError::new(Kind::Store, format!("{table} not yet"), ""))
    }

    pub fn on_this_machine(store: &SqliteStore, athlete: &str) -> Store {
        let door = Arc::new(store.athlete(athlete));
        Store {
            ledger: door.clone(),
            vault: door.clone(),
            lease: door,
            budget: Arc::new(store.clone()),
            athlete: athlete.to_owned(),
            machine: Some(store.clone()),
        }
    }

    /// The heartbeat is a file's time: an idle tick writes nothing to the store. That it cannot be left is
    /// no reason for a tick to fail.
    pub fn beat(&self, now: Timestamp) {
        let Some(machine) = &self.machine else { return };
        if let Err(error) = machine.touch_heartbeat(&self.athlete, now) {
            tracing::warn!("{error}");
        }
    }

    /// When the last tick was, where the machine keeps a heartbeat.
    pub fn last_tick(&self) -> Result<Option<Timestamp>, CommandError> {
        let Some(machine) = &self.machine else { return Ok(None) };
        Ok(machine.last_heartbeat(&self.athlete)?)
    }
}
