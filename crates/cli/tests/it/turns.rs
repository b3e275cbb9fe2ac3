//! *Lease*: two runs at the same moment.

use std::process::Child;

use fitferry_sandbox::{Fault, Options, Route, What, When};

use crate::home::{Home, Ran, add_run, list, world};

#[test]
fn of_two_runs_at_once_one_works_and_the_other_leaves_with_5() {
    let (first, second, home) = two_at_once(&["sync", "--json"]);
    assert_eq!(first.exit, Some(0), "{first:?}");
    assert_eq!(second.exit, Some(5), "{second:?}");
    assert_eq!(second.json()["error"]["kind"], "busy");
    assert_eq!(list(&first.json(), "published").len(), 2);
    assert!(home.world().doubles().is_empty());
}

#[test]
fn for_cron_another_run_at_work_is_success() {
    let (_, second, _) = two_at_once(&["sync", "--json", "--busy-ok"]);
    assert_eq!(second.exit, Some(0), "{second:?}");
    assert!(second.json().get("error").is_none());
}

/// The second starts while the first has an upload under way, which the sandbox answers slowly.
fn two_at_once(second: &[&str]) -> (Ran, Ran, Home) {
    let mut world = world();
    add_run(&mut world, "One", 2.0);
    add_run(&mut world, "Two", 1.0);
    let home = Home::signed_in(world, Options::default());
    let slow = What::SlowBody(std::time::Duration::from_millis(1500));
    home.world().faults.push(Fault { route: Route::StravaUpload, when: When::Nth(1), what: slow });
    let mark = home.mark();
    let first: Child = home.start(&["sync", "--json"]);
    while !home.sandbox.log()[mark..].iter().any(|seen| seen.route == Route::StravaUpload) {
        std::thread::yield_now();
    }
    let second = home.run(second);
    let first = first.wait_with_output().expect("the first run ends").into();
    (first, second, home)
}
