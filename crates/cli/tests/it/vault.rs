//! *Tokens*: many processes need a renewal at the same moment, over and over, and some of them are killed.
//!
//! Garmin ends a refresh token as soon as it hands out the next one, and so may Strava. So whatever happens, one renewal a round takes
//! effect at most, and a login is lost only where the one that renews dies after Garmin has made the new tokens and
//! before it has kept them (or Strava has): a moment that nobody can close, and that is counted apart.

#![expect(clippy::unwrap_used, reason = "a test tells by panicking")]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fitferry_sandbox::garmin::ATHLETE;
use fitferry_sandbox::{Fault, Options, Phase, RequestEvent, Route, What, When, strava};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::home::{Home, Ran, add_run, world};

/// Of Garmin's tokens, and of Strava's.
const ROUNDS: [usize; 2] = [200, 60];
const PROCESSES: usize = 20;
const APP: &str = "GARMIN_CONNECT_MOBILE_ANDROID_DI_2025Q2";

/// Whose tokens are renewed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Side {
    #[default]
    Garmin,
    Strava,
}

impl Side {
    fn token_route(self) -> Route {
        match self {
            Side::Garmin => Route::GarminDiToken,
            Side::Strava => Route::StravaToken,
        }
    }

    fn is_served(self, route: Route) -> bool {
        match self {
            Side::Garmin => route.is_garmin_api(),
            Side::Strava => route.is_strava_api(),
        }
    }

    /// What every process needs is at its end.
    fn end_access(self, home: &Home) {
        let mut world = home.world();
        match self {
            Side::Garmin => world.garmin.tokens.revoke_bearers(ATHLETE),
            Side::Strava => world.strava.end_access_tokens(strava::CLIENT_ID, strava::ATHLETE),
        }
    }

    /// A command that asks this service, and changes nothing, so that each round is like the first.
    fn command(self) -> &'static [&'static str] {
        match self {
            Side::Garmin => &["sync", "--json", "--busy-ok", "-q"],
            Side::Strava => &["sync", "--dry-run", "--json", "--busy-ok", "-q"],
        }
    }

    fn sign_in(self, home: &Home) {
        match self {
            Side::Garmin => sign_in(home),
            Side::Strava => home.sign_in(),
        }
    }
}

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

    fn is_at(self, event: &RequestEvent, side: Side, has_renewed: bool) -> bool {
        let renews = event.request.route == side.token_route();
        match self {
            Stroke::Nobody | Stroke::Anybody => false,
            Stroke::Asking => renews && event.phase == Phase::Before,
            Stroke::Rotated => renews && event.phase == Phase::After,
            Stroke::Answered => renews && event.phase == Phase::Answered,
            // Those that were late are refused with the old bearer; the first good answer is the new one's.
            Stroke::Renewed | Stroke::All => {
                let is_good = event.request.status == Some(200);
                side.is_served(event.request.route) && has_renewed && event.phase == Phase::After && is_good
            }
        }
    }
}

/// The killer, which listens to the sandbox.
#[derive(Default)]
struct Killer(Mutex<State>);

#[derive(Default)]
struct State {
    side: Side,
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
        let token_route = state.side.token_route();
        if event.request.route == token_route && event.phase == Phase::Before {
            // It holds the lease meanwhile, and nobody else does.
            state.renewer = state.lease.and_then(holder);
        }
        if stroke.is_at(event, state.side, state.has_renewed) {
            state.stroke = None;
            let victims = match stroke {
                Stroke::All => state.pids.clone(),
                _ => state.renewer.into_iter().collect(),
            };
            state.strike(&victims);
        }
        let is_good = event.phase == Phase::After && event.request.status == Some(200);
        if event.request.route == token_route {
            state.has_renewed |= is_good;
        } else if state.side.is_served(event.request.route) {
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
    prove(Side::Garmin, ROUNDS[0]);
}

#[test]
fn stravas_tokens_are_renewed_by_one_of_twenty_as_well() {
    prove(Side::Strava, ROUNDS[1]);
}

fn prove(side: Side, rounds: usize) {
    let killer = Arc::new(Killer::default());
    let hook = killer.clone();
    let options = Options {
        on_request: Some(Arc::new(move |event: &RequestEvent| hook.hears(event))),
        ..Options::default()
    };
    let mut world = world();
    if side == Side::Strava {
        world.strava.settings.rotation = strava::Rotation::Always;
        add_run(&mut world, "Morning Run", 1.0);
    }
    let home = Home::signed_in(world, options);
    side.sign_in(&home);
    assert_eq!(settled(&home, side).exit, Some(0));
    let (mut struck, mut lost, mut renewed) = (0, 0, 0);
    for round in 0..rounds {
        let stroke = Stroke::ALL[round % Stroke::ALL.len()];
        let mark = home.mark();
        let processes = one_round(&home, &killer, side, stroke, round);
        let state = std::mem::take(&mut *killer.0.lock().unwrap());
        struck += usize::from(state.killed > 0);
        let renewals: Vec<Option<u16>> = home.sandbox.log()[mark..]
            .iter()
            .filter(|seen| seen.route == side.token_route())
            .map(|seen| seen.status)
            .collect();
        let effective = renewals.iter().filter(|status| **status == Some(200)).count();
        renewed += effective;
        assert!(effective <= 1, "round {round}, {stroke:?}: {renewals:?}");
        if stroke == Stroke::Nobody {
            assert_eq!(renewals, [Some(200)], "round {round}");
            // A dry run that meets the one that renews leaves, as a tick with `--busy-ok` does with 0.
            let is_well = |ran: &Ran| matches!(ran.exit, Some(0)) || ran.json()["error"]["kind"] == "busy";
            let failed: Vec<&Ran> = processes.iter().filter(|ran| !is_well(ran)).collect();
            assert!(failed.is_empty(), "round {round}: {failed:?}");
        }

        home.world().faults.clear();
        side.end_access(&home);
        let after = settled(&home, side);
        if after.exit == Some(0) {
            continue;
        }
        let in_the_moment = state.killed > 0 && state.has_renewed && !state.is_kept;
        assert!(in_the_moment, "round {round}, {stroke:?}: a login was lost: {after:?}");
        lost += 1;
        side.sign_in(&home);
    }
    #[expect(clippy::print_stderr, reason = "the figures of the proof, for `--nocapture`")]
    {
        eprintln!(
            "{side:?}: {rounds} rounds of {PROCESSES} processes, {renewed} renewals, somebody killed in {struck}, \
             {lost} logins lost in the moment that is nobody's, 0 outside it"
        );
    }
    let strokes = rounds - rounds.div_ceil(Stroke::ALL.len());
    assert!(struck >= strokes * 3 / 4, "somebody was killed in {struck} rounds only");
    let moments = rounds.div_ceil(Stroke::ALL.len()) * 3;
    assert!(lost <= moments, "{lost} logins were lost, and the moment was hit {moments} times at most");
}

/// How a tick ends at last: with 0, or without a login. New tokens that were kept and never used until they were
/// revoked look like an outage to the first tick that tries them.
fn settled(home: &Home, side: Side) -> Ran {
    const TRIES: usize = 100;
    for _ in 0..TRIES {
        let ran = home.run(side.command());
        if ran.exit == Some(0) || ran.json()["error"]["kind"] == "login_needed" {
            return ran;
        }
        assert_eq!(ran.exit, Some(4), "{ran:?}");
        thread::sleep(Duration::from_millis(20));
    }
    panic!("{:?}", home.run(side.command()));
}

/// All of them at once; how they ended.
fn one_round(home: &Home, killer: &Killer, side: Side, stroke: Stroke, round: usize) -> Vec<Ran> {
    side.end_access(home);
    if stroke == Stroke::Asking {
        // What has been read takes effect although its sender is dead, unless the line was cut before.
        home.world().faults.push(Fault {
            route: side.token_route(),
            when: When::Next(1),
            what: What::DropBefore,
        });
    }
    *killer.0.lock().unwrap() =
        State { side, stroke: Some(stroke), lease: lease_of(home), ..State::default() };
    let children: Vec<Child> = (0..PROCESSES)
        .map(|_| {
            // Nobody may ask before the killer knows whose number is whose.
            let mut state = killer.0.lock().unwrap();
            let child = home.start(side.command());
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
