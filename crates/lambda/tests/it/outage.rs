//! *Blame*: an hour without Strava, at the rule's own pace and with the rules' own waits.

use std::sync::Arc;

use fitferry_sandbox::{Fault, Route, What, When};
use jiff::SignedDuration;

use crate::account::{Account, Setup, list, open};
use crate::cloud::Cloud;
use crate::function::Function;

pub fn strava_down_for_an_hour_loses_nothing_and_is_hardly_asked(cloud: &Arc<Cloud>) {
    let anna = Account::pushed(cloud, "outage", Setup { moves_time: true, ..Setup::default() });
    let mut runs = vec![anna.add_run("Before", 72)];
    let mut function = Function::start(&anna, &[]);
    assert_eq!(list(&function.tick().document, "published").len(), 1);

    let (begin, end) = (anna.now(), anna.now() + SignedDuration::from_hours(1));
    let what = What::Status(503);
    anna.world().faults.push(Fault { route: Route::AnyStravaApi, when: When::Between(begin, end), what });
    runs.extend([40, 20, 3].map(|hours| anna.add_run("During", hours)));
    let mark = anna.mark();
    while anna.now() < end {
        let document = function.tick().document;
        assert_eq!(document["error"]["kind"], "service_down", "{document:#}");
        assert!(list(&document, "rejected").is_empty(), "{document:#}");
        for entry in list(&document, "waiting") {
            assert_eq!(entry["attempt"], 0, "{document:#}");
        }
        assert_eq!(open(&document), 3, "{document:#}");
        anna.pass(SignedDuration::from_mins(1));
    }
    // After 1, 2, 5 and 15 minutes, then each quarter of an hour.
    let (_, strava) = anna.requests_since(mark);
    assert!((4..=9).contains(&strava), "Strava was asked {strava} times");

    for _ in 0..20 {
        anna.pass(SignedDuration::from_mins(1));
        if open(&function.tick().document) == 0 {
            break;
        }
    }
    anna.assert_arrived(&runs);
}
