//! Every schema that ever shipped is brought to the current one; a newer one is refused.
//!
//! `schemas/N.sql` is a store as the first program with schema N left it. A change of the schema adds a
//! file here, and changes none.

use std::path::Path;

use fitferry_core::activity::{GarminId, StravaId, UploadId};
use fitferry_core::budget::{Kind, Purpose};
use fitferry_core::head::Head;
use fitferry_core::ledger::{Cause, State, StateName};
use fitferry_core::ports::{AppId, Budget, Lease, Ledger, SecretName, Vault, Version};
use fitferry_store::SqliteStore;
use rusqlite::Connection;
use secrecy::ExposeSecret;

use crate::contract::{at, full_head, noon, secret, soon};

const SHIPPED: &[&str] = &[include_str!("schemas/1.sql")];

#[tokio::test]
async fn a_store_of_every_shipped_schema_is_read_with_all_that_is_in_it() {
    for shipped in SHIPPED {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fitferry.db");
        lay(&path, shipped);
        let store = SqliteStore::open(&path).unwrap();
        let run = store.athlete("anna");

        // What heads have learnt since the fixture was shipped is not in it.
        let head = Head { vault: None, moved_to: None, ..full_head() };
        assert_eq!(run.head().await.unwrap(), (head, Version(1)));
        let counts = run.count().await.unwrap();
        let counted: Vec<u64> = StateName::ALL.iter().map(|state| counts.get(*state)).collect();
        assert_eq!(counted, [3, 2, 1, 3, 6, 9]);
        let (submitted, version) = Ledger::get(&run, GarminId(3)).await.unwrap().unwrap();
        assert_eq!(submitted.state, State::Submitted { upload: UploadId(u64::MAX), since: noon() });
        assert_eq!(version, Version(1));
        let (full, _) = Ledger::get(&run, GarminId(u64::MAX)).await.unwrap().unwrap();
        assert_eq!(full.activity.name.as_deref(), Some("Lauf 🏃 \"früh\""));
        assert_eq!(full.activity.start, Some(at("2026-11-23T06:00:00.123456789Z")));
        assert_eq!(full.cause, Some(Cause::InDoubt));
        assert_eq!(full.duplicate.unwrap().of, Some(StravaId(8)));

        let (bearer, _) = Vault::get(&run, SecretName::GarminBearer).await.unwrap().unwrap();
        assert_eq!(bearer.expose_secret(), "the garmin_bearer");
        assert!(Vault::get(&run, SecretName::StravaLogin).await.unwrap().is_none());
        let next = run.replace(SecretName::StravaLogin, Version::ABSENT, &secret("{}")).await.unwrap();
        assert_eq!(next, Version(3), "the version of a removed secret was used again");

        let app = AppId("12345".to_owned());
        store.charge(&app, Kind::Read, Purpose::Everyday, noon()).await.unwrap().unwrap();
        assert_eq!(store.view(&app, noon()).await.unwrap().read_day.used, 2);
        assert_eq!(run.take(soon()).await.unwrap().unwrap().0, 2);
    }
}

#[test]
fn a_store_of_the_current_schema_is_not_migrated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fitferry.db");
    lay(&path, SHIPPED.last().unwrap());
    let before = std::fs::read(&path).unwrap();
    drop(SqliteStore::open(&path).unwrap());
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a copy was made for nothing");
}

#[test]
fn a_new_store_has_the_tables_of_the_last_shipped_schema() {
    let folder = tempfile::tempdir().unwrap();
    let (new, shipped) = (folder.path().join("new.db"), folder.path().join("shipped.db"));
    drop(SqliteStore::open(&new).unwrap());
    lay(&shipped, SHIPPED.last().unwrap());
    assert_eq!(tables(&new), tables(&shipped));
}

#[test]
fn a_newer_schema_is_refused_with_its_cure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fitferry.db");
    lay(&path, SHIPPED.last().unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 4_711).unwrap();
    let before = std::fs::read(&path).unwrap();
    for opened in [SqliteStore::open(&path), SqliteStore::open_for_reading(&path)] {
        let error = opened.unwrap_err();
        assert!(error.what.contains("a newer fitferry (schema 4711,"), "{error:?}");
        assert!(error.what.contains(path.to_str().unwrap()), "{error:?}");
        assert!(error.help.starts_with("Update fitferry"), "{error:?}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn another_programs_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("tables", "CREATE TABLE track (id INTEGER)"),
        ("version", "CREATE TABLE track (id INTEGER); PRAGMA user_version = 1"),
        ("application", "PRAGMA application_id = 77; PRAGMA user_version = 1"),
    ] {
        let path = folder.path().join(name);
        lay(&path, content);
        let before = std::fs::read(&path).unwrap();
        let error = SqliteStore::open(&path).unwrap_err();
        assert!(error.what.ends_with("is the database of another program"), "{error:?}");
        assert!(error.help.contains("`[store] url`"), "{error:?}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}

fn lay(path: &Path, content: &str) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("PRAGMA synchronous = OFF").unwrap();
    connection.execute_batch(content).unwrap();
}

/// Tables and indexes as they were declared, whatever the white space.
fn tables(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut statement =
        connection.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
    let declared = statement.query_map([], |found| found.get::<_, String>(0)).unwrap();
    declared.map(|sql| sql.unwrap().split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}
