//! SIGKILL at moments that nobody chose: the points chosen by event are in `it/kill.rs`.
//!
//! The seed is printed with a failure and decides the moments; what the machine does between them it does not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use fitferry_sandbox::rng::Rng;
use fitferry_sandbox::{Options, garmin};

use crate::home::{Home, add_run};
use crate::stage::{each, everything_is_there_once, like, long, merciless, settled};

const STORMS: u64 = 8;

/// Longer than a tick takes, so that some live.
const LONGEST_LIFE_US: u64 = 170_000;

#[test]
fn storms_of_kills_at_any_moment_lose_nothing_and_double_nothing() {
    let rounds: u64 = if long() { 150 } else { 30 };
    let seed = std::env::var("FITFERRY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1_u64);
    let template = Home::signed_in(merciless(), Options::default());
    let (killed, lived) = (AtomicUsize::new(0), AtomicUsize::new(0));
    each((0..STORMS).collect(), 4, |storm| {
        let mut rng = Rng::new(seed * 1_000 + storm);
        let home = like(&template, Options::default());
        for round in 0..rounds {
            // Each newer than the last: what comes late is a sweep's to find, six hours later.
            if rng.chance(60) {
                #[expect(clippy::cast_precision_loss, reason = "a few rounds")]
                let days_ago = 20.0 - round as f64 / 10.0;
                add_run(&mut home.world(), &format!("Run {round}"), days_ago);
            }
            if rng.chance(10) {
                home.world().garmin.tokens.revoke_bearers(garmin::ATHLETE);
            }
            let mut child = home.start(&["sync", "--json", "-q"]);
            thread::sleep(Duration::from_micros(rng.draw() % LONGEST_LIFE_US));
            child.kill().expect("the child is ours");
            let ended = child.wait().expect("the child is ours");
            let counter = if ended.code().is_none() { &killed } else { &lived };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        assert_eq!(settled(&home), 0, "seed {seed}, storm {storm}: a login was lost");
        everything_is_there_once(&home, &format!("seed {seed}, storm {storm}"));
    });
    let (killed, lived) = (killed.into_inner(), lived.into_inner());
    println!(
        "storms, seed {seed}: {killed} runs killed, {lived} ended before; nothing lost, nothing doubled"
    );
    assert!(killed >= 60, "only {killed} runs were killed");
}
