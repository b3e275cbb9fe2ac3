//! *Tokens*: Strava's refresh token changes with its use; none is lost by us.

use std::os::unix::process::ExitStatusExt as _;
use std::sync::Arc;

use fitferry_sandbox::{Route, World, strava};
use jiff::SignedDuration;

use crate::account::{self, Account, Setup, list};
use crate::cloud::Cloud;
use crate::function::{Ended, Function};
use crate::recorder::Phase;
use crate::steps::{Blow, Step};

/// Strava's tokens live so short that each tick that asks for anything must renew first.
pub fn short_lived() -> World {
    let mut world = account::world();
    world.strava.settings.token_lifetime = SignedDuration::from_mins(30);
    world
}

pub fn rotations(anna: &Account) -> u32 {
    anna.world().strava.grant(anna.client_id(), strava::ATHLETE).expect("a grant").rotations
}

pub fn a_rotated_strava_token_is_in_the_table_before_it_is_used(cloud: &Arc<Cloud>) {
    let anna = Account::pushed(cloud, "rotation", Setup { world: Some(short_lived()), ..Setup::default() });
    let mut runs = Vec::new();
    // Three processes, each with the pair that the one before has left in the table.
    for hours in [30, 20, 10] {
        runs.push(anna.add_run("A Run", hours));
        let (mark, before) = (anna.steps.mark(), rotations(&anna));
        let tick = Function::start(&anna, &[]).tick();
        assert_eq!(list(&tick.document, "published").len(), 1, "{:#}", tick.document);
        assert!(rotations(&anna) > before, "it renews");
        assert_kept_before_use(&anna.steps.since(mark));
    }
    anna.assert_arrived(&runs);
}

/// Between the rotation and the first use of the new pair there is a write that moto has answered.
pub fn assert_kept_before_use(steps: &[Step]) {
    let position = |what: &dyn Fn(&Step) -> bool| steps.iter().position(what);
    let rotated = position(&|step| step.has_taken_effect(Route::StravaToken)).expect("it renews");
    let used = position(&Step::uses_strava).expect("it uses the new pair");
    assert!(rotated < used);
    let is_kept = steps[rotated..used].iter().any(|step| step.writes(Phase::After));
    assert!(is_kept, "the pair is used before it is durable: {:#?}", &steps[rotated..used]);
}

pub fn a_tick_killed_after_the_rotation_leaves_a_login_that_works(cloud: &Arc<Cloud>) {
    let setup = Setup { world: Some(short_lived()), moves_time: true, ..Setup::default() };
    let anna = Account::pushed(cloud, "rotation-killed", setup);
    let run = anna.add_run("A Run", 10);
    let mut function = Function::start(&anna, &[]);
    // The new pair has been written; no further byte leaves the process.
    anna.steps.set_trap(Blow::Kill, |steps| {
        let rotated = steps.iter().position(|step| step.has_taken_effect(Route::StravaToken));
        rotated.is_some_and(|at| steps[at..].iter().any(|step| step.writes(Phase::After)))
    });
    function.put(anna.event());
    let ended = function.finish();
    assert!(matches!(ended, Ended::Died(status) if status.signal() == Some(9)), "{ended:?}");
    anna.steps.take_trap_away();
    // Its lease ends by time.
    anna.pass(SignedDuration::from_secs(75));
    let tick = Function::start(&anna, &[]).tick();
    assert_eq!(list(&tick.document, "published").len(), 1, "{:#}", tick.document);
    anna.assert_arrived(&[run]);
}
