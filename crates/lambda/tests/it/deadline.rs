//! A tick ends before Lambda ends it: what is left goes on with the next one.

use std::sync::Arc;
use std::time::Duration;

use crate::account::{Account, Setup, list, open};
use crate::cloud::Cloud;
use crate::function::Function;

pub fn ten_runs_in_eight_seconds_a_tick_arrive_over_several_ticks(cloud: &Arc<Cloud>) {
    let anna = Account::pushed(cloud, "deadline", Setup::default());
    let runs: Vec<u64> = (1..=10).map(|day| anna.add_run("A Run", 24 * day)).collect();
    // Garmin is asked so slowly that ten downloads alone take ten seconds.
    let mut function = Function::start(&anna, &[("FITFERRY_TIMING__GARMIN_SPACING", "1s")]);
    let mut published = Vec::new();
    while published.iter().sum::<usize>() < runs.len() {
        assert!(published.len() < 20, "no end in sight: {published:?}");
        // An answer after its time would be none: Lambda kills the process, and so does the suite.
        let tick = function.invoke_for(anna.event(), Duration::from_secs(8));
        assert!(list(&tick.document, "rejected").is_empty(), "{:#}", tick.document);
        published.push(list(&tick.document, "published").len());
        let is_last = published.iter().sum::<usize>() == runs.len();
        assert_eq!(open(&tick.document) == 0, is_last, "{:#}", tick.document);
    }
    assert!(published.len() >= 3, "{published:?}");
    anna.assert_arrived(&runs);
}
