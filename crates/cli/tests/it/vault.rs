//! *Tokens*: many processes need a renewal at the same moment, over and over, and some of them are killed.
//!
//! Garmin ends a refresh token as soon as it hands out the next one. So whatever happens, one renewal a round takes
//! effect at most, and a login is lost only where the one that renews dies after Garmin has made the new tokens and
//! before it has kept them: a moment that nobody can close, and that is counted apart.

#![expect(clippy::unwrap_used, reason = "a test tells by panicking")]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fitferry_sandbox::garmin::ATHLETE;
use fitferry_sandbox::{Fault, Options, Phase, RequestEvent, Route, What, When};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::home::{Home, Ran, world};

const ROUNDS: usize = 200;
const PROCESSES: usize = 20;
const APP: &str = "GARMIN_CONNECT_MOBILE_ANDROID_DI_2025Q2";

/// Who is killed in a round, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stroke {
    Nobody,
    /// The one that renews, before Garmin hears of it.
    Asking,
    /// The one that renews, when Garmin has made the new tokens and has not answered.
    Rotated,
    /// The one that renews, as soon as the answer has left Garmin.
    Answered,
    /// The one that has renewed, with its first request after that.
    Renewed,
    /// One of them, any time.
    Anybody,
    /// All of them, as in a power cut, when the first one asks for something after the renewal.
    All,
}

impl Stroke {
    const ALL: [Stroke; 7] = [
        Stroke::Nobody,
        Stroke::Asking,
        Stroke::Rotated,
        Stroke::Answered,
        Stroke::Renewed,
        Stroke::Anybody,
        Stroke::All,
    ];

    fn is_at(self, event: &RequestEvent, has_renewed: bool) -> bool {
        let renews = event.request.route == Route::GarminDiToken;
        match self {
            Stroke::Nobody | Stroke::Anybody => false,
            Stroke::Asking => renews && event.phase == Phase::Before,
            Stroke::Rotated => renews && event.phase == Phase::After,
            Stroke::Answered => renews && event.phase == Phase::Answered,
            // Those that were late are refused with the old bearer; the first good answer is the new one's.
            Stroke::Renewed | Stroke::All => {
                let is_good = event.request.status == Some(200);
                !renews && has_renewed && event.phase == Phase::After && is_good
            }
        }
    }
}

/// The killer, which listens to the sandbox.
#[derive(Default)]
struct Killer(Mutex<State>);

#[derive(Default)]
struct State {
    stroke: Option<Stroke>,
    has_renewed: bool,
    lease: Option<u64>,
    /// The one that asks Garmin for new tokens.
    renewer: Option<i32>,
    pids: Vec<i32>,
    killed: usize,
    /// Somebody has been served with the new tokens, so they are kept.
    is_kept: bool,
}

impl Killer {
    fn hears(&self, event: &RequestEvent) {
        let mut state = self.0.lock().unwrap();
        let Some(stroke) = state.stroke else { return };
        if event.request.route == Route::GarminDiToken && event.phase == Phase::Before {
            // It holds the lease meanwhile, and nobody else does.
            state.renewer = state.lease.and_then(holder);
        }
        if stroke.is_at(event, state.has_renewed) {
            state.stroke = None;
            let victims = match stroke {
                Stroke::All => state.pids.clone(),
                _ => state.renewer.into_iter().collect(),
            };
            state.strike(&victims);
        }
        let is_good = event.phase == Phase::After && event.request.status == Some(200);
        if event.request.route == Route::GarminDiToken {
            state.has_renewed |= is_good;
        } else {
            state.is_kept |= is_good && state.has_renewed;
        }
    }
}

impl State {
    fn strike(&mut self, pids: &[i32]) {
        for pid in pids {
            // It may have ended by itself; its parent has not looked yet, so the number is still its own.
            if self.pids.contains(pid) && kill(Pid::from_raw(*pid), Signal::SIGKILL).is_ok() {
                self.killed += 1;
            }
        }
    }
}

/// The process that holds the lock on a file.
fn holder(inode: u64) -> Option<i32> {
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let of_file = format!(":{inode}");
    let line = locks.lines().find(|line| {
        !line.contains("->") && line.split_whitespace().nth(5).is_some_and(|file| file.ends_with(&of_file))
    })?;
    line.split_whitespace().nth(4)?.parse().ok()
}

fn lease_of(home: &Home) -> Option<u64> {
    let mut files = fs::read_dir(home.path()).unwrap().flatten().map(|file| file.path());
    let lock = files.find(|file| file.extension().is_some_and(|extension| extension == "lock"))?;
    Some(lock.metadata().unwrap().ino())
}

#[test]
fn of_twenty_processes_one_renews_and_no_login_is_lost_but_in_the_one_moment_that_is_nobodys() {
    let killer = Arc::new(Killer::default());
    let hook = killer.clone();
    let options = Options {
        on_request: Some(Arc::new(move |event: &RequestEvent| hook.hears(event))),
        ..Options::default()
    };
    let home = Home::signed_in(world(), options);
    sign_in(&home);
    home.sync(0);
    let (mut struck, mut lost) = (0, 0);
    for round in 0..ROUNDS {
        let stroke = Stroke::ALL[round % Stroke::ALL.len()];
        let mark = home.mark();
        let processes = one_round(&home, &killer, stroke, round);
        let state = std::mem::take(&mut *killer.0.lock().unwrap());
        struck += usize::from(state.killed > 0);
        let renewals: Vec<Option<u16>> = home.sandbox.log()[mark..]
            .iter()
            .filter(|seen| seen.route == Route::GarminDiToken)
            .map(|seen| seen.status)
            .collect();
        let effective = renewals.iter().filter(|status| **status == Some(200)).count();
        assert!(effective <= 1, "round {round}, {stroke:?}: {renewals:?}");
        if stroke == Stroke::Nobody {
            assert_eq!(renewals, [Some(200)], "round {round}");
            let failed: Vec<&Ran> = processes.iter().filter(|ran| ran.exit != Some(0)).collect();
            assert!(failed.is_empty(), "round {round}: {failed:?}");
        }

        home.world().faults.clear();
        home.world().garmin.tokens.revoke_bearers(ATHLETE);
        let after = settled(&home);
        if after.exit == Some(0) {
            continue;
        }
        let in_the_moment = state.killed > 0 && state.has_renewed && !state.is_kept;
        assert!(in_the_moment, "round {round}, {stroke:?}: a login was lost: {after:?}");
        lost += 1;
        sign_in(&home);
    }
    let strokes = ROUNDS - ROUNDS.div_ceil(Stroke::ALL.len());
    assert!(struck >= strokes * 3 / 4, "somebody was killed in {struck} rounds only");
    let moments = ROUNDS.div_ceil(Stroke::ALL.len()) * 3;
    assert!(lost <= moments, "{lost} logins were lost, and the moment was hit {moments} times at most");
}

/// How a tick ends at last: with 0, or without a login. New tokens that were kept and never used until they were
/// revoked look like an outage to the first tick that tries them.
fn settled(home: &Home) -> Ran {
    const TRIES: usize = 100;
    for _ in 0..TRIES {
        let ran = home.run(&["sync", "--json"]);
        if ran.exit == Some(0) || ran.json()["error"]["kind"] == "login_needed" {
            return ran;
        }
        assert_eq!(ran.exit, Some(4), "{ran:?}");
        thread::sleep(Duration::from_millis(20));
    }
    panic!("{:?}", home.run(&["sync", "--json"]));
}

/// All of them at once; how they ended.
fn one_round(home: &Home, killer: &Killer, stroke: Stroke, round: usize) -> Vec<Ran> {
    {
        let mut world = home.world();
        world.garmin.tokens.revoke_bearers(ATHLETE);
        if stroke == Stroke::Asking {
            // What has been read takes effect although its sender is dead, unless the line was cut before.
            world.faults.push(Fault {
                route: Route::GarminDiToken,
                when: When::Next(1),
                what: What::DropBefore,
            });
        }
    }
    *killer.0.lock().unwrap() = State { stroke: Some(stroke), lease: lease_of(home), ..State::default() };
    let children: Vec<Child> = (0..PROCESSES)
        .map(|_| {
            // Nobody may ask before the killer knows whose number is whose.
            let mut state = killer.0.lock().unwrap();
            let child = home.start(&["sync", "--json", "--busy-ok", "-q"]);
            state.pids.push(i32::try_from(child.id()).unwrap());
            child
        })
        .collect();
    if stroke == Stroke::Anybody {
        thread::sleep(Duration::from_millis(u64::try_from(round * 7 % 120).unwrap()));
        let mut state = killer.0.lock().unwrap();
        let victim = state.pids[round % PROCESSES];
        state.strike(&[victim]);
    }
    children
        .into_iter()
        .map(|child| {
            let ran = Ran::from(child.wait_with_output().unwrap());
            assert_ne!(ran.exit, Some(101), "{ran:?}");
            ran
        })
        .collect()
}

/// With tokens that rotate.
fn sign_in(home: &Home) {
    let pair = home.world().garmin_login(APP, home.sandbox.clock().now());
    let file = home.path().join("garmin_tokens.json");
    let tokens = json!({
        "di_token": pair.access_token, "di_refresh_token": pair.refresh_token, "di_client_id": APP,
    });
    fs::write(&file, tokens.to_string()).unwrap();
    let ran = home.run(&["login", "garmin", "--import", file.to_str().unwrap()]);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
}
