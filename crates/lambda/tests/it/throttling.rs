//! The table refuses calls as too fast.

use std::sync::Arc;

use jiff::SignedDuration;

use crate::account::{Account, Setup, open};
use crate::cloud::Cloud;
use crate::function::{Ended, Function};
use crate::recorder::Phase;
use crate::steps::Blow;

pub fn a_throttled_table_delays_a_run_and_loses_nothing(cloud: &Arc<Cloud>) {
    let anna = Account::pushed(cloud, "throttled", Setup { moves_time: true, ..Setup::default() });
    let runs = [anna.add_run("One", 30), anna.add_run("Two", 5)];
    // Every third call, whichever it is.
    anna.steps.set_trap(Blow::Throttle, |steps| {
        steps.last().is_some_and(|step| step.calls(Phase::Before))
            && steps.iter().filter(|step| step.calls(Phase::Before)).count().is_multiple_of(3)
    });
    settle(&anna);
    anna.assert_arrived(&runs);

    // For ten minutes, all of them.
    let more = anna.add_run("Three", 2);
    let end = anna.now() + SignedDuration::from_mins(10);
    anna.steps.set_trap(Blow::Throttle, |steps| steps.last().is_some_and(|step| step.calls(Phase::Before)));
    let mark = anna.mark();
    while anna.now() < end {
        let mut function = Function::start(&anna, &[]);
        function.put(anna.event());
        let ended = function.finish();
        assert!(matches!(ended, Ended::Answered(_) | Ended::Failed(_)), "{ended:?}");
        anna.pass(SignedDuration::from_mins(5));
    }
    assert_eq!(anna.requests_since(mark).1, 0, "Strava is asked for nothing without the head");
    anna.steps.take_trap_away();
    settle(&anna);
    anna.assert_arrived(&[runs[0], runs[1], more]);
}

fn settle(anna: &Account) {
    let mut function = Function::start(anna, &[]);
    for _ in 0..30 {
        let document = function.tick().document;
        if document.get("error").is_none() && open(&document) == 0 {
            return;
        }
        anna.pass(SignedDuration::from_mins(1));
    }
    panic!("not settled after half an hour");
}
