//! A tick as EventBridge triggers it: cold, late, without a login, without a configuration.

use std::sync::Arc;

use fitferry_sandbox::strava;
use jiff::SignedDuration;
use serde_json::json;

use crate::account::{Account, ME, Setup, list, open};
use crate::cloud::Cloud;
use crate::function::{Ended, Function};

pub fn a_cold_tick_carries_two_new_runs_bit_for_bit(cloud: &Arc<Cloud>) {
    let anna = Account::pushed(cloud, ME, Setup::default());
    let runs = [anna.add_run("Morning Run", 30), anna.add_run("Evening Run", 5)];
    let event = anna.event();
    assert!(event.get("athlete").is_none(), "the rule's event comes as it is");
    let tick = Function::start(&anna, &[]).invoke(event);
    assert_eq!(tick.document["athlete"], ME);
    assert_eq!(tick.document["new"], 2, "{:#}", tick.document);
    assert_eq!(open(&tick.document), 0, "{:#}", tick.document);
    let published: Vec<_> =
        list(&tick.document, "published").iter().map(|entry| &entry["garmin_id"]).collect();
    assert_eq!(published, runs.iter().map(|id| json!(id)).collect::<Vec<_>>().iter().collect::<Vec<_>>());
    assert!(tick.document.get("error").is_none(), "{:#}", tick.document);
    anna.assert_arrived(&runs);
    let world = anna.world();
    let activity = world.published(runs[0]).expect("it has arrived");
    assert_eq!(activity.athlete, strava::ATHLETE);
}

pub fn an_event_older_than_90_seconds_asks_for_nothing_at_all(cloud: &Arc<Cloud>) {
    let anna = Account::pushed(cloud, "late", Setup::default());
    anna.add_run("Morning Run", 5);
    let mut function = Function::start(&anna, &[]);
    let mark = anna.mark();
    let old = anna.event_of(anna.now() - SignedDuration::from_secs(95));
    let tick = function.invoke(old);
    assert_eq!(tick.document, json!({"stale": true}));
    assert!(function.door().calls().is_empty(), "not even at the start: {:?}", function.door().calls());
    assert!(anna.seen_since(mark).is_empty());
    // One that is late by less is not old.
    let tick = function.invoke(anna.event_of(anna.now() - SignedDuration::from_secs(60)));
    assert_eq!(list(&tick.document, "published").len(), 1, "{:#}", tick.document);
}

pub fn without_logins_a_tick_says_what_to_do_and_does_not_fail(cloud: &Arc<Cloud>) {
    let anna = Account::new(cloud, "newcomer", Setup::default());
    let mark = anna.mark();
    let tick = Function::start(&anna, &[]).tick();
    assert_eq!(tick.document["error"]["kind"], "login_needed", "{:#}", tick.document);
    let help = tick.document["error"]["help"].as_str().expect("an error has its cure");
    assert!(help.contains("login"), "{help}");
    assert!(anna.seen_since(mark).is_empty(), "nobody is asked without a login");
}

pub fn a_configuration_that_cannot_be_used_fails_and_names_the_key(cloud: &Arc<Cloud>) {
    let anna = Account::new(cloud, "misconfigured", Setup::default());
    let mut function = Function::spawn(&anna, &[("FITFERRY_SYNC__LOOKBAK", "30d")]);
    function.put(anna.event());
    let Ended::Failed(error) = function.finish() else { panic!("it works with an unknown key") };
    assert!(error.to_string().contains("FITFERRY_SYNC__LOOKBAK"), "{error:#}");
    assert!(function.door().calls().is_empty());
}
