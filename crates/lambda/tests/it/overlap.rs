//! *Lease*: EventBridge may call twice at once.

use std::sync::Arc;
use std::time::Duration;

use fitferry_sandbox::{Fault, Route, What, When};

use crate::account::{Account, Setup, list};
use crate::cloud::Cloud;
use crate::function::Function;

pub fn of_two_invocations_at_once_one_works_and_the_other_says_busy(cloud: &Arc<Cloud>) {
    let anna = Account::pushed(cloud, "overlap", Setup::default());
    let runs = [anna.add_run("One", 30), anna.add_run("Two", 5)];
    let slow = What::SlowBody(Duration::from_millis(2500));
    anna.world().faults.push(Fault { route: Route::StravaUpload, when: When::Nth(1), what: slow });
    let (mut first, mut second) = (Function::start(&anna, &[]), Function::start(&anna, &[]));
    let mark = anna.mark();
    first.put(anna.event());
    while !anna.seen_since(mark).iter().any(|seen| seen.route == Route::StravaUpload) {
        std::thread::yield_now();
    }
    // The first has an upload under way.
    let mark = anna.mark();
    let other = second.tick();
    assert_eq!(other.document["error"]["kind"], "busy", "{:#}", other.document);
    assert!(
        anna.seen_since(mark).iter().all(|seen| !seen.route.is_strava_api()),
        "it asks Strava for nothing"
    );
    assert!(other.calls.iter().filter(|call| call.is_write() && call.status == Some(200)).count() == 0);
    let worked = first.answered();
    assert!(worked.document.get("error").is_none(), "{:#}", worked.document);
    assert_eq!(list(&worked.document, "published").len(), 2, "{:#}", worked.document);
    anna.assert_arrived(&runs);
}
