//! Several processes at one store: each second handle here is what another process would have.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fitferry_core::budget::{Kind, Purpose};
use fitferry_core::ports::{AppId, Budget, Lease, Ledger, PutError, Version};
use fitferry_store::SqliteStore;

use crate::contract::{noon, published, soon, wanted};

#[tokio::test]
async fn a_run_that_is_killed_frees_its_lease() {
    if let Some(path) = std::env::var_os("FITFERRY_TEST_HOLD_LEASE") {
        hold_the_lease(Path::new(&path)).await;
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fitferry.db");
    let store = SqliteStore::open(&path).unwrap();
    let run = store.athlete("anna");
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::a_run_that_is_killed_frees_its_lease", "--nocapture"])
        .env("FITFERRY_TEST_HOLD_LEASE", &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for_line(&mut other, "the lease is held");
    assert_eq!(run.take(soon()).await.unwrap(), None);
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(run.take(soon()).await.unwrap().unwrap().0, 2);
}

async fn hold_the_lease(path: &Path) {
    let store = SqliteStore::open(path).unwrap();
    let run = store.athlete("anna");
    run.take(soon()).await.unwrap().unwrap();
    let mut stdout = std::io::stdout();
    stdout.write_all(b"\nthe lease is held\n").unwrap();
    stdout.flush().unwrap();
    // Until it is killed: nobody writes a line.
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[tokio::test]
async fn a_child_process_does_not_keep_the_lease_of_its_parent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fitferry.db");
    let (first, second) = (SqliteStore::open(&path).unwrap(), SqliteStore::open(&path).unwrap());
    let run = first.athlete("anna");
    run.take(soon()).await.unwrap().unwrap();
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    drop(run);
    let taken = second.athlete("anna").take(soon()).await.unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(taken.is_some());
}

#[tokio::test]
async fn a_run_whose_lock_file_was_deleted_loses_to_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fitferry.db");
    let (first, second) = (SqliteStore::open(&path).unwrap(), SqliteStore::open(&path).unwrap());
    let (first, second) = (first.athlete("anna"), second.athlete("anna"));
    let old = first.take(soon()).await.unwrap().unwrap();
    let version = first.put(&wanted(1), Version::ABSENT, old).await.unwrap();
    std::fs::remove_file(folder.path().join("fitferry.db.anna.lock")).unwrap();

    let new = second.take(soon()).await.unwrap().unwrap();
    assert_eq!(first.put(&published(1), version, old).await, Err(PutError::Conflict));
    assert!(!first.renew(soon()).await.unwrap());
    assert_eq!(first.held(), None);
    second.put(&published(1), version, new).await.unwrap();
    assert_eq!(first.take(soon()).await.unwrap(), None);
}

#[test]
fn many_processes_may_create_one_store_at_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..20 {
        let path = folder.path().join(format!("{round}.db"));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(SqliteStore::open(&path).unwrap().athletes().unwrap(), [""; 0]));
            }
        });
    }
}

#[test]
fn charges_of_many_processes_never_exceed_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fitferry.db");
    let made: usize = std::thread::scope(|scope| {
        let processes: Vec<_> = (0..4).map(|_| scope.spawn(|| uploads_made(&path))).collect();
        processes.into_iter().map(|process| process.join().unwrap()).sum()
    });
    assert_eq!(made, 200);
}

fn uploads_made(path: &Path) -> usize {
    let store = SqliteStore::open(path).unwrap();
    let app = AppId("12345".to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut made = 0;
    while runtime.block_on(store.charge(&app, Kind::Upload, Purpose::Everyday, noon())).unwrap().is_ok() {
        made += 1;
    }
    made
}

fn wait_for_line(child: &mut Child, line: &str) {
    let stdout = BufReader::new(child.stdout.take().unwrap());
    assert!(stdout.lines().any(|read| read.unwrap() == line), "the other process ended without a word");
}
