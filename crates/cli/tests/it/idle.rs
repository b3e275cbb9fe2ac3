//! *Head*: what an idle tick and a tick with one new run cost, counted at the sandbox.

use std::path::Path;

use fitferry_core::activity::{GarminId, Listed};
use fitferry_core::ledger::{Row, SkipReason, State};
use fitferry_core::ports::{Lease as _, Ledger as _};
use fitferry_sandbox::{Options, Route};
use fitferry_store::SqliteStore;
use jiff::Timestamp;

use crate::home::{Home, add_run, list, world};

#[test]
fn an_idle_tick_is_one_request_to_garmin_and_no_write() {
    let mut world = world();
    for day in 1..=25 {
        add_run(&mut world, "Morning Run", f64::from(day));
    }
    let home = Home::signed_in(world, Options::default());
    home.sync_until_settled();
    an_idle_tick_costs_one_request(&home);
}

#[test]
fn an_idle_tick_costs_the_same_with_ten_thousand_rows() {
    let mut world = world();
    add_run(&mut world, "Morning Run", 1.0);
    let home = Home::signed_in(world, Options::default());
    home.sync_until_settled();
    fill(&home.store(), 10_000);
    an_idle_tick_costs_one_request(&home);
    a_new_run_costs_little(&home);
}

#[test]
fn a_new_run_costs_two_lists_one_download_one_look_one_upload_and_few_confirmations() {
    let mut world = world();
    for day in 2..=30 {
        add_run(&mut world, "Morning Run", f64::from(day));
    }
    let home = Home::signed_in(world, Options::default());
    home.sync_until_settled();
    a_new_run_costs_little(&home);
}

fn an_idle_tick_costs_one_request(home: &Home) {
    let before = state_of(&home.store());
    let mark = home.mark();
    let document = home.sync(0);
    assert_eq!(home.requests_since(mark), (1, 0), "{document:#}");
    assert_eq!(home.sandbox.log().len() - mark, 1, "nothing else was asked for");
    assert_eq!(document["requests"], serde_json::json!({"garmin": 1, "strava": 0, "tokens": 0}));
    assert_eq!(document["new"], 0);
    assert_eq!(state_of(&home.store()), before, "an idle tick writes nothing");
}

fn a_new_run_costs_little(home: &Home) {
    let id = add_run(&mut home.world(), "Today's run", 0.2);
    let mark = home.mark();
    let document = home.sync(0);
    assert_eq!(list(&document, "published")[0]["garmin_id"], id, "{document:#}");
    assert_eq!(list(&document, "published")[0]["how"], "uploaded");
    let log = home.sandbox.log();
    let count = |wanted: Route| log[mark..].iter().filter(|seen| seen.route == wanted).count();
    assert!(count(Route::GarminList) <= 2, "{log:#?}");
    assert_eq!(count(Route::GarminDownload), 1);
    assert_eq!(count(Route::StravaList), 1);
    assert_eq!(count(Route::StravaUpload), 1);
    assert!(count(Route::StravaUploadStatus) <= 2);
    let (garmin, strava) = home.requests_since(mark);
    assert_eq!(document["requests"]["garmin"], garmin);
    assert_eq!(document["requests"]["strava"], strava);
}

/// What the store's files hold, byte for byte, and when they were written to.
fn state_of(store: &Path) -> Vec<(Vec<u8>, std::time::SystemTime)> {
    ["", "-wal"]
        .iter()
        .filter_map(|suffix| {
            let path = format!("{}{suffix}", store.display());
            let modified = std::fs::metadata(&path).ok()?.modified().ok()?;
            Some((std::fs::read(path).ok()?, modified))
        })
        .collect()
}

/// Rows of years gone by.
fn fill(path: &Path, count: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let store = SqliteStore::open(path).expect("the store opens");
    let athlete = store.athlete("me");
    let rows: Vec<Row> = (1..=count)
        .map(|id| {
            let state = State::Skipped { reason: SkipReason::BeforeStart, detail: None };
            Row::seen(Listed::bare(GarminId(id)), state, Timestamp::UNIX_EPOCH)
        })
        .collect();
    runtime.block_on(async {
        let fence =
            athlete.take(Timestamp::MAX).await.expect("the store works").expect("nobody has the lease");
        athlete.add(&rows, fence).await.expect("the rows are put");
        athlete.release().await.expect("the lease is given up");
    });
}
