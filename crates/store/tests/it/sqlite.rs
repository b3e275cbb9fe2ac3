//! The contract on a SQLite file and on a store in memory, and what SQLite stores have beside the ports.

use std::path::PathBuf;

use fitferry_core::ports::{Lease, SecretName, Vault, Version};
use fitferry_store::{AthleteStore, SqliteStore};
use tempfile::TempDir;

use crate::contract;

/// A new file for each promise; every run opens it anew, as a process would.
struct InAFile {
    _folder: TempDir,
    path: PathBuf,
}

impl InAFile {
    fn new() -> InAFile {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fitferry.db");
        InAFile { _folder: folder, path }
    }
}

impl contract::Store for InAFile {
    type Run = AthleteStore;
    type Account = SqliteStore;

    async fn run(&self, athlete: &str) -> AthleteStore {
        SqliteStore::open(&self.path).unwrap().athlete(athlete)
    }

    async fn budget(&self) -> SqliteStore {
        SqliteStore::open(&self.path).unwrap()
    }
}

/// A new store in memory for each promise.
struct InMemory(SqliteStore);

impl contract::Store for InMemory {
    type Run = AthleteStore;
    type Account = SqliteStore;

    async fn run(&self, athlete: &str) -> AthleteStore {
        self.0.athlete(athlete)
    }

    async fn budget(&self) -> SqliteStore {
        self.0.clone()
    }
}

async fn in_a_file() -> InAFile {
    InAFile::new()
}

async fn in_memory() -> InMemory {
    InMemory(SqliteStore::open_in_memory().unwrap())
}

#[tokio::test]
async fn a_file_keeps_the_ledgers_promises() {
    contract::ledger(in_a_file).await;
}

#[tokio::test]
async fn a_file_keeps_the_vaults_promises() {
    contract::vault(in_a_file).await;
}

#[tokio::test]
async fn a_file_keeps_the_budgets_promises() {
    contract::budget(in_a_file).await;
}

#[tokio::test]
async fn a_file_keeps_the_leases_promises() {
    contract::lease(in_a_file).await;
}

#[tokio::test]
async fn a_store_in_memory_keeps_the_ledgers_promises() {
    contract::ledger(in_memory).await;
}

#[tokio::test]
async fn a_store_in_memory_keeps_the_vaults_promises() {
    contract::vault(in_memory).await;
}

#[tokio::test]
async fn a_store_in_memory_keeps_the_budgets_promises() {
    contract::budget(in_memory).await;
}

#[tokio::test]
async fn a_store_in_memory_keeps_the_leases_promises() {
    contract::lease(in_memory).await;
}

#[tokio::test]
async fn everyone_of_whom_something_is_kept_is_known_by_name() {
    let InMemory(store) = in_memory().await;
    assert_eq!(store.athletes().unwrap(), [""; 0]);
    let (ben, anna) = (store.athlete("ben"), store.athlete("anna"));
    ben.take(contract::soon()).await.unwrap();
    for name in [SecretName::GarminLogin, SecretName::StravaLogin] {
        anna.replace(name, Version::ABSENT, &contract::secret("{}")).await.unwrap();
    }
    assert_eq!(store.athletes().unwrap(), ["anna", "ben"]);
    for name in SecretName::ALL {
        anna.remove(name).await.unwrap();
    }
    assert_eq!(store.athletes().unwrap(), ["ben"]);
}

#[tokio::test]
async fn a_heartbeat_is_kept_for_each_athlete_and_is_no_write() {
    let file = in_a_file().await;
    for store in [SqliteStore::open(&file.path).unwrap(), in_memory().await.0] {
        assert_eq!(store.last_heartbeat("anna").unwrap(), None);
        for moment in ["2026-11-23T12:00:00Z", "2026-11-23T12:01:00Z"] {
            store.touch_heartbeat("anna", contract::at(moment)).unwrap();
            assert_eq!(store.last_heartbeat("anna").unwrap(), Some(contract::at(moment)));
        }
        assert_eq!(store.last_heartbeat("ben").unwrap(), None);
        assert_eq!((store.reads(), store.writes()), (0, 0));
    }
}

#[tokio::test]
async fn a_sound_store_passes_its_check() {
    assert_eq!(in_memory().await.0.quick_check().unwrap(), [""; 0]);
}

#[tokio::test]
async fn neither_a_store_nor_an_athlete_shows_a_secret_to_a_log() {
    let InMemory(store) = in_memory().await;
    let anna = store.athlete("anna");
    anna.replace(SecretName::GarminBearer, Version::ABSENT, &contract::secret("hush")).await.unwrap();
    assert!(!format!("{store:?} {anna:?}").contains("hush"));
}
