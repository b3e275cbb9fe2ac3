//! *Intent*: `Submitting` is durable before the request leaves.

use std::sync::{Arc, Mutex};

use fitferry_core::ledger::{State, StateName};
use fitferry_core::ports::Ledger as _;
use fitferry_sandbox::{Phase, Route};

use crate::runner::Runner;

#[tokio::test]
async fn when_the_upload_arrives_the_ledger_says_that_it_may_have() {
    let runner = Runner::new().await;
    runner.tick().await;
    let id = runner.run_ago(3);
    let seen: Arc<Mutex<Vec<StateName>>> = Arc::default();
    let (store, states) = (runner.store.clone(), seen.clone());
    runner.at_each_request(move |event| {
        if event.request.route == Route::StravaUpload && event.phase == Phase::Before {
            // The hook is called within the sandbox's own runtime.
            let (store, states) = (store.clone(), states.clone());
            let look = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let found = runtime.block_on(store.athlete("me").open()).unwrap();
                states.lock().unwrap().extend(found.iter().map(|(row, _)| row.state.name()));
            });
            look.join().unwrap();
        }
    });
    runner.tick().await;
    assert_eq!(*seen.lock().unwrap(), [StateName::Submitting]);
    assert!(matches!(runner.state(id).await, State::Published { .. }));
}
