//! *Intent* and *Doubt*: SIGKILL at points that are chosen by event, on a Strava that detects nothing.

use std::os::unix::process::ExitStatusExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fitferry_sandbox::strava::Duplicates;
use fitferry_sandbox::{Route, World};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::account::{self, Account, Setup, open};
use crate::cloud::Cloud;
use crate::function::{Ended, Function};
use crate::recorder::Phase;
use crate::steps::{Blow, Step};

/// Two uploads of one file are two activities, and what was uploaded is listed late.
fn world() -> World {
    let mut world = account::world();
    world.strava.settings.duplicates = Duplicates::NONE;
    world.strava.settings.processing = SignedDuration::from_secs(5);
    world.strava.settings.list_lag = SignedDuration::from_mins(3);
    world
}

pub fn a_tick_killed_between_an_upload_and_its_record_makes_no_double(cloud: &Arc<Cloud>) {
    // Strava has the file, and the process has not read the answer.
    killed_once(cloud, "killed-unanswered", |steps| steps.iter().any(uploads));
    // The record has left the process, and nobody has taken it.
    killed_once(cloud, "killed-unrecorded", |steps| {
        steps
            .iter()
            .position(uploads)
            .is_some_and(|at| steps[at..].iter().any(|step| step.writes(Phase::Before)))
    });
    // The record is in the table, and the process has not been told.
    killed_once(cloud, "killed-recorded", |steps| {
        steps
            .iter()
            .position(uploads)
            .is_some_and(|at| steps[at..].iter().any(|step| step.writes(Phase::After)))
    });
}

fn uploads(step: &Step) -> bool {
    step.has_taken_effect(Route::StravaUpload)
}

/// Whatever the point: killed there, then called each minute, it ends with both runs on Strava, once.
fn killed_once(cloud: &Arc<Cloud>, athlete: &str, when: impl Fn(&[Step]) -> bool + Send + Sync + 'static) {
    assert!(story(cloud, athlete, when), "{athlete}: the point never came");
}

pub fn killed_at_any_call_to_aws_it_ends_with_both_runs_once(cloud: &Arc<Cloud>) {
    let calls = calls_of_a_whole_tick(cloud);
    assert!(calls >= 10, "a tick with two runs makes more than {calls} calls");
    let killed = AtomicUsize::new(0);
    let next = AtomicUsize::new(0);
    // Every call once, in turn before and after moto has seen it.
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let nth = next.fetch_add(1, Ordering::SeqCst) + 1;
                    if nth > calls {
                        return;
                    }
                    let so_far = if nth.is_multiple_of(2) { Phase::Before } else { Phase::After };
                    let when = move |steps: &[Step]| {
                        steps.iter().filter(|step| step.calls(so_far)).count() == nth
                            && steps.last().is_some_and(|step| step.calls(so_far))
                    };
                    if story(cloud, &format!("killed-at-call-{nth}"), when) {
                        killed.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    let killed = killed.into_inner();
    assert!(killed + 2 >= calls, "only {killed} of {calls} points came");
}

fn calls_of_a_whole_tick(cloud: &Arc<Cloud>) -> usize {
    let anna = two_runs(cloud, "killed-never").0;
    Function::start(&anna, &[]).tick().calls.len()
}

fn two_runs(cloud: &Arc<Cloud>, athlete: &str) -> (Account, [u64; 2]) {
    let anna =
        Account::pushed(cloud, athlete, Setup { world: Some(world()), moves_time: true, ..Setup::default() });
    let runs = [anna.add_run("One", 30), anna.add_run("Two", 5)];
    (anna, runs)
}

/// Whether the process was killed; it may have ended before the point came.
fn story(cloud: &Arc<Cloud>, athlete: &str, when: impl Fn(&[Step]) -> bool + Send + Sync + 'static) -> bool {
    let (anna, runs) = two_runs(cloud, athlete);
    let mut function = Function::start(&anna, &[]);
    anna.steps.set_trap(Blow::Kill, when);
    function.put(anna.event());
    let is_killed = match function.finish() {
        Ended::Died(status) => status.signal() == Some(9),
        Ended::Answered(_) => false,
        other => panic!("{athlete}: {other:?}"),
    };
    anna.steps.take_trap_away();
    drop(function);
    let mut function = Function::start(&anna, &[]);
    let mut hour = Vec::new();
    for _ in 0..60 {
        anna.pass(SignedDuration::from_mins(1));
        let document = function.tick().document;
        if document.get("error").is_none() && open(&document) == 0 {
            anna.assert_arrived(&runs);
            return is_killed;
        }
        hour.push(document);
    }
    panic!("{athlete} (killed: {is_killed}): not settled after an hour\n{}", told(&anna, &runs, &hour));
}

/// What there was to see of an hour that did not end well, without what the vault holds.
fn told(anna: &Account, runs: &[u64], hour: &[Value]) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut before = None;
    for (document, minute) in hour.iter().zip(1..) {
        let now = (&document["error"], &document["open"]);
        if before != Some(now) {
            said.push(format!("from minute {minute}: error {}, open {}", now.0, now.1));
        }
        before = Some(now);
    }
    said.extend(hour.last().map(|document| format!("the last one: {document:#}")));
    said.extend(runs.iter().map(|run| format!("the row of {run}: {:#}", json!(anna.row(*run)))));
    said.join("\n")
}
