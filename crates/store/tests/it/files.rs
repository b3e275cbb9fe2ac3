//! The files of a store: who may read them, and what is said where they cannot be used.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use fitferry_core::ports::{Fence, Lease, Ledger, PutError, SecretName, StoreError, Vault, Version};
use fitferry_store::SqliteStore;

use crate::contract::{full_head, secret, soon, wanted};

#[tokio::test]
async fn nobody_but_the_owner_may_read_anything_of_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data").join("deep").join("fitferry.db");
    let store = SqliteStore::open(&path).unwrap();
    let run = store.athlete("anna");
    run.take(soon()).await.unwrap().unwrap();
    store.touch_heartbeat("anna", soon()).unwrap();
    assert!(store.modes_hold());
    assert_eq!(store.path().unwrap(), path.canonicalize().unwrap());
    let mut names = Vec::new();
    for entry in fs::read_dir(path.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(mode(&entry.path()), 0o600, "{:?}", entry.path());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(
        names,
        [
            "fitferry.db",
            "fitferry.db-shm",
            "fitferry.db-wal",
            "fitferry.db.anna.lock",
            "fitferry.db.anna.tick"
        ]
    );
    for made in ["data", "data/deep"] {
        assert_eq!(mode(&folder.path().join(made)), 0o700);
    }
}

#[test]
fn a_store_that_others_may_read_is_closed_to_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fitferry.db");
    drop(SqliteStore::open(&path).unwrap());
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let reading = SqliteStore::open_for_reading(&path).unwrap();
    assert!(reading.modes_hold());
    assert_eq!(mode(&path), 0o600);
}

#[tokio::test]
async fn whoever_comes_through_a_link_meets_the_same_lease() {
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("fitferry.db"), folder.path().join("link.db"));
    let store = SqliteStore::open(&path).unwrap();
    symlink(&path, &link).unwrap();
    let other = SqliteStore::open(&link).unwrap();
    let run = store.athlete("anna");
    run.take(soon()).await.unwrap().unwrap();
    assert_eq!(other.athlete("anna").take(soon()).await.unwrap(), None);
}

#[tokio::test]
async fn a_store_may_have_any_name() {
    let folder = tempfile::tempdir().unwrap();
    for name in [":memory:", "file:a.db?mode=memory", "what? #1 100%.db", "ünë.db"] {
        let path = folder.path().join(name);
        SqliteStore::open(&path).unwrap().athlete("anna").take(soon()).await.unwrap().unwrap();
        let read = SqliteStore::open_for_reading(&path).unwrap();
        assert_eq!(read.athletes().unwrap(), ["anna"], "{name}");
        assert!(path.metadata().unwrap().len() > 0, "{name}");
    }
}

#[tokio::test]
async fn a_removed_secret_is_nowhere_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("fitferry.db")).unwrap();
    let run = store.athlete("anna");
    let hush = format!("hush-{}", "0123456789".repeat(600));
    for name in SecretName::ALL {
        run.replace(name, Version::ABSENT, &secret(&hush)).await.unwrap();
    }
    for name in SecretName::ALL {
        run.remove(name).await.unwrap();
    }
    assert!(!is_anywhere(folder.path(), "0123456789"), "it waits for the last process to close the store");
}

#[test]
fn reading_creates_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fitferry.db");
    let error = SqliteStore::open_for_reading(&path).unwrap_err();
    told(&error, &path, "cannot open the store", "`fitferry init`");
    assert!(!path.exists());

    fs::write(&path, "").unwrap();
    assert!(SqliteStore::open(&path).is_ok(), "a file that was only just created is no store yet");
}

#[test]
fn what_is_no_store_is_told_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fitferry.db");
    for content in ["not a database, but long enough to have a header: ".repeat(100), "short".to_owned()] {
        fs::write(&path, &content).unwrap();
        for opened in [SqliteStore::open(&path), SqliteStore::open_for_reading(&path)] {
            told(&opened.unwrap_err(), &path, "is not a database of fitferry", "away");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    let error = SqliteStore::open(folder.path()).unwrap_err();
    told(&error, folder.path(), "cannot open the store", "Name a file, not a folder");
    let error = SqliteStore::open(&path.join("below.db")).unwrap_err();
    told(&error, &path, "cannot create", "Name a file, not a folder");
}

#[tokio::test]
async fn a_damaged_store_is_told_with_its_cure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fitferry.db");
    {
        let store = SqliteStore::open(&path).unwrap();
        let run = store.athlete("anna");
        let fence = run.take(soon()).await.unwrap().unwrap();
        run.put_head(Version::ABSENT, &full_head(), fence).await.unwrap();
        run.add(&(0..500).map(wanted).collect::<Vec<_>>(), fence).await.unwrap();
    }
    let mut bytes = fs::read(&path).unwrap();
    // All but the first page, which holds the schema: it opens, and cannot be read.
    bytes[4096..].fill(0x5a);
    fs::write(&path, bytes).unwrap();
    let store = SqliteStore::open(&path).unwrap();
    let run = store.athlete("anna");
    for error in [run.head().await.unwrap_err(), run.open().await.unwrap_err()] {
        told(&error, &path, "is damaged", "earlier copy");
    }
    let fence = Fence(1);
    let Err(PutError::Store(error)) = run.put(&wanted(1), Version(1), fence).await else {
        panic!("a write into a damaged store was not refused")
    };
    told(&error, &path, "is damaged", "earlier copy");
    // The check says where.
    assert!(!store.quick_check().unwrap().is_empty());
}

#[tokio::test]
async fn a_store_on_a_read_only_medium_can_be_read_and_says_why_it_is_not_written() {
    if let Some(path) = std::env::var_os("FITFERRY_TEST_READ_ONLY") {
        read_only(Path::new(&path)).await;
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("what? #1.db");
    {
        let store = SqliteStore::open(&path).unwrap();
        let run = store.athlete("anna");
        let fence = run.take(soon()).await.unwrap().unwrap();
        run.add(&[wanted(1)], fence).await.unwrap();
        run.put_head(Version::ABSENT, &full_head(), fence).await.unwrap();
    }
    fs::remove_file(folder.path().join("what? #1.db.anna.lock")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o555)).unwrap();
    if folder.path().metadata().unwrap().uid() == 0 {
        // Nothing is read-only to root: somebody else reads.
        as_nobody("files::a_store_on_a_read_only_medium_can_be_read_and_says_why_it_is_not_written", &path);
    } else {
        read_only(&path).await;
    }
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
}

async fn read_only(path: &Path) {
    told(&SqliteStore::open(path).unwrap_err(), path, "cannot be written", "writable");
    let store = SqliteStore::open_for_reading(path).unwrap();
    assert!(!store.modes_hold());
    let run = store.athlete("anna");
    assert_eq!(run.head().await.unwrap(), (full_head(), Version(1)));
    assert_eq!(run.open().await.unwrap(), [(wanted(1), Version(1))]);
    told(&run.take(soon()).await.unwrap_err(), path, "cannot lock", "writable");
    let fence = Fence(1);
    let Err(PutError::Store(error)) = run.put(&wanted(2), Version::ABSENT, fence).await else {
        panic!("a read-only store was written")
    };
    told(&error, path, "cannot be written", "writable");
}

/// Runs one test of this binary, with the path in its environment, as a user who owns nothing.
fn as_nobody(test: &str, path: &Path) {
    const NOBODY: u32 = 65_534;
    let reachable = tempfile::tempdir().unwrap();
    fs::set_permissions(reachable.path(), Permissions::from_mode(0o755)).unwrap();
    let binary = reachable.path().join("it");
    fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    let output = Command::new(&binary)
        .args(["--exact", test])
        .env("FITFERRY_TEST_READ_ONLY", path)
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}");
}

/// An error names the file, and what to do.
fn told(error: &StoreError, path: &Path, what: &str, help: &str) {
    assert!(error.what.contains(what), "{error:?}");
    assert!(error.what.contains(path.file_name().unwrap().to_str().unwrap()), "{error:?}");
    assert!(error.help.contains(help) && error.help.ends_with('.'), "{error:?}");
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

/// Only where no store in the folder is used afterwards: to close a database's file ends SQLite's locks on
/// it.
fn is_anywhere(folder: &Path, text: &str) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}
