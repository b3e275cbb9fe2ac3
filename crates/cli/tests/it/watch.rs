//! `watch`: ticks until stopped, a service that is down included.

use std::io::{BufRead as _, BufReader};
use std::process::Child;

use fitferry_sandbox::{Fault, Options, Route, What, When};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::home::{Home, add_run, list, world};

#[test]
fn it_says_a_line_a_tick_goes_on_through_an_outage_and_ends_with_0_after_sigterm() {
    let mut world = world();
    add_run(&mut world, "One", 2.0);
    let home = Home::signed_in(world, Options::default());
    let mut child = home.start(&["watch", "--every", "100ms", "--json"]);
    let mut ticks = BufReader::new(child.stdout.take().expect("standard output is piped")).lines();
    let mut next = || -> Value {
        let line = ticks.next().expect("it goes on").expect("UTF-8");
        serde_json::from_str(&line).expect("one document a line")
    };
    assert_eq!(list(&next(), "published").len(), 1);
    assert!(next().get("error").is_none());

    let down = Fault { route: Route::GarminList, when: When::Always, what: What::Status(503) };
    home.world().faults.push(down);
    while next()["error"]["kind"] != "service_down" {}
    home.world().faults.clear();
    add_run(&mut home.world(), "Two", 1.0);
    while list(&next(), "published").is_empty() {}

    assert_eq!(ended_by(child, Signal::SIGTERM), Some(0));
    assert!(home.world().doubles().is_empty());
}

#[test]
fn after_ctrl_c_it_ends_with_130() {
    let home = Home::signed_in(world(), Options::default());
    let mark = home.mark();
    let child = home.start(&["watch", "--every", "1h"]);
    while home.mark() == mark {
        std::thread::yield_now();
    }
    assert_eq!(ended_by(child, Signal::SIGINT), Some(130));
}

fn ended_by(child: Child, signal: Signal) -> Option<i32> {
    let pid = i32::try_from(child.id()).expect("a process id");
    kill(Pid::from_raw(pid), signal).expect("it is still there");
    child.wait_with_output().expect("it ends").status.code()
}
