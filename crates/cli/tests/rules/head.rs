//! *Head*: an idle tick is one request and one read; whatever dies, the next tick is no idle one.

use std::sync::Arc;
use std::time::Duration;

use fitferry_core::ledger::State;
use fitferry_core::ports::Ledger as _;
use fitferry_sandbox::{Route, Service};
use jiff::SignedDuration;

use crate::runner::Runner;

#[tokio::test]
async fn an_idle_tick_reads_the_head_once_and_writes_nothing() {
    let runner = Runner::new().await;
    runner.run_ago(5);
    runner.tick().await;
    runner.wait(SignedDuration::from_mins(1));
    let (mark, reads, writes) = (runner.mark(), runner.store.reads(), runner.store.writes());
    let report = runner.tick().await;
    assert_eq!(report.trouble, None);
    assert_eq!(
        runner.sandbox.log()[mark..].iter().map(|seen| seen.service).collect::<Vec<_>>(),
        [Service::GarminPersonal]
    );
    assert_eq!(runner.store.reads() - reads, 1);
    assert_eq!(runner.store.writes() - writes, 0);
}

#[tokio::test]
async fn a_tick_that_died_is_followed_by_one_that_looks_at_everything() {
    let runner = Runner::new().await;
    runner.tick().await;
    let id = runner.run_ago(2);
    // The tick is dropped while its upload is under way, as by a power cut.
    let asked = Arc::new(tokio::sync::Notify::new());
    let notify = asked.clone();
    runner.at_each_request(move |event| {
        if event.request.route == Route::StravaUpload {
            notify.notify_one();
        }
    });
    tokio::select! {
        _ = runner.tick() => panic!("the tick ends before its upload"),
        () = asked.notified() => {}
    }
    runner.at_each_request(|_| {});
    let (head, _) = runner.store.athlete("me").head().await.unwrap();
    assert_eq!(head.next_due, None, "due at once");
    assert!(head.dirty);
    runner.tick_for(SignedDuration::from_mins(40)).await;
    assert!(matches!(runner.state(id).await, State::Published { .. }));
    assert_eq!(runner.copies(id), 1);
    let (head, _) = runner.store.athlete("me").head().await.unwrap();
    assert_eq!(head.counts, runner.store.athlete("me").count().await.unwrap(), "counted anew");
}

#[tokio::test]
async fn nothing_new_begins_close_to_the_deadline() {
    let runner = Runner::new().await;
    runner.tick().await;
    let id = runner.run_ago(2);
    let mark = runner.mark();
    let report = runner.tick_until(Some(Duration::from_secs(4))).await;
    assert_eq!(runner.asked(mark, Route::StravaUpload), 0);
    assert_eq!(report.open.total(), 1);
    runner.tick().await;
    assert!(matches!(runner.state(id).await, State::Published { .. }));
}
