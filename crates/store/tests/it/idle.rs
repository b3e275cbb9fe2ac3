//! What an idle tick costs: one reading, and nothing written, neither by opening nor by the head.

use std::fs;
use std::path::Path;

use fitferry_core::ports::{Lease, Ledger, SecretName, Vault, Version};
use fitferry_store::SqliteStore;
use rusqlite::Connection;
use secrecy::ExposeSecret;

use crate::contract::{full_head, published, secret, soon, wanted};

#[tokio::test]
async fn an_idle_tick_reads_once_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fitferry.db");
    fill(&path).await;

    let store = SqliteStore::open(&path).unwrap();
    let run = store.athlete("anna");
    let (head, _) = run.head().await.unwrap();
    let (bearer, _) = Vault::get(&run, SecretName::GarminBearer).await.unwrap().unwrap();
    assert_eq!((head, bearer.expose_secret()), (full_head(), "bearer"));
    assert_eq!((store.reads(), store.writes()), (1, 0));
}

#[tokio::test]
async fn opening_and_reading_leave_every_file_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fitferry.db");
    fill(&path).await;
    let before = files_in(folder.path());
    let store = SqliteStore::open(&path).unwrap();
    let run = store.athlete("anna");
    run.head().await.unwrap();
    run.open().await.unwrap();
    drop((run, store));
    assert_eq!(files_in(folder.path()), before);
}

#[tokio::test]
async fn another_process_sees_no_change_by_opening_and_reading() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fitferry.db");
    fill(&path).await;
    let witness = Connection::open(&path).unwrap();
    let before = data_version(&witness);
    let store = SqliteStore::open(&path).unwrap();
    let run = store.athlete("anna");
    run.head().await.unwrap();
    assert_eq!(data_version(&witness), before);
    // And the witness would have seen one.
    run.take(soon()).await.unwrap();
    assert_ne!(data_version(&witness), before);
}

#[tokio::test]
async fn a_write_that_is_refused_leaves_the_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fitferry.db");
    fill(&path).await;
    let store = SqliteStore::open(&path).unwrap();
    let run = store.athlete("anna");
    let fence = run.take(soon()).await.unwrap().unwrap();
    let witness = Connection::open(&path).unwrap();
    let before = data_version(&witness);
    run.put(&wanted(1), Version::ABSENT, fence).await.unwrap_err();
    run.put_head(Version::ABSENT, &full_head(), fence).await.unwrap_err();
    run.add(&[wanted(1)], fence).await.unwrap();
    run.replace(SecretName::GarminBearer, Version::ABSENT, &secret("other")).await.unwrap_err();
    assert_eq!(data_version(&witness), before);
}

async fn fill(path: &Path) {
    let store = SqliteStore::open(path).unwrap();
    let run = store.athlete("anna");
    let fence = run.take(soon()).await.unwrap().unwrap();
    run.add(&[published(1), wanted(2)], fence).await.unwrap();
    run.put_head(Version::ABSENT, &full_head(), fence).await.unwrap();
    run.replace(SecretName::GarminBearer, Version::ABSENT, &secret("bearer")).await.unwrap();
}

fn data_version(witness: &Connection) -> i64 {
    witness.query_row("PRAGMA data_version", [], |found| found.get(0)).unwrap()
}

/// Name, time of the last change, and content of each file. Only while no store is open here.
fn files_in(folder: &Path) -> Vec<(std::ffi::OsString, std::time::SystemTime, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let changed = entry.metadata().unwrap().modified().unwrap();
            (entry.file_name(), changed, fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}
