//! What all fault stories have in common: homes in the same state, a program that must end by itself, and the
//! question whether everything is there once.

use std::process::Child;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use fitferry_sandbox::garmin::ATHLETE;
use fitferry_sandbox::strava::{self, Duplicates};
use fitferry_sandbox::{Options, World};
use jiff::SignedDuration;
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::home::{Home, Ran, world};

/// Whether there is time for more than `make test` gives.
pub fn long() -> bool {
    std::env::var("FITFERRY_FAULTS").is_ok_and(|value| value == "long")
}

/// As [`world`], on a Strava that detects no duplicate: nothing is single by its mercy.
pub fn merciless() -> World {
    let mut world = world();
    world.strava.settings.duplicates = Duplicates::NONE;
    world.strava.settings.processing = SignedDuration::from_millis(100);
    world
}

/// Even shorter waits than the stories have.
const TIMING: [(&str, &str); 7] = [
    ("FIRST_CONFIRM", "60ms"),
    ("SETTLE", "1s"),
    ("SEND_WITHIN", "300ms"),
    ("UPLOAD_TIMEOUT", "1500ms"),
    ("DOUBT", "500ms"),
    ("DOUBT_LOOKS", "100ms"),
    ("RETRY_BASE", "100ms"),
];

pub fn hurried(home: &mut Home) {
    for (key, value) in TIMING {
        home.set(&format!("FITFERRY_TIMING__{key}"), value);
    }
}

/// Signed in to Garmin with the app's tokens, which rotate.
pub fn signed_in_with_tokens(world: World) -> Home {
    let home = Home::signed_in(world, Options::default());
    let now = home.sandbox.clock().now();
    let pair = home.world().garmin_login("GARMIN_CONNECT_MOBILE_ANDROID_DI_2025Q2", now);
    let file = home.path().join("garmin_tokens.json");
    let tokens = json!({
        "di_token": pair.access_token, "di_refresh_token": pair.refresh_token,
        "di_client_id": "GARMIN_CONNECT_MOBILE_ANDROID_DI_2025Q2",
    });
    std::fs::write(&file, tokens.to_string()).expect("the folder is writable");
    let ran = home.run(&["login", "garmin", "--import", &file.display().to_string()]);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    home
}

/// Another home in the same state: the world as it is now, the store as it is now.
pub fn like(template: &Home, options: Options) -> Home {
    let world = template.world().clone();
    let mut home = Home::new(world, options);
    hurried(&mut home);
    for file in std::fs::read_dir(template.path()).expect("the folder is there") {
        let file = file.expect("the folder is there");
        if file.path().is_file() {
            std::fs::copy(file.path(), home.path().join(file.file_name())).expect("there is room");
        }
    }
    home
}

/// Runs it as it is started by another program: by a shell that limits it, or in a file system of its own.
pub fn under(home: &Home, by: &[&str], arguments: &[&str]) -> Ran {
    home.command_under(by, arguments).output().expect("the program starts").into()
}

/// The program must end by itself within this: the longest request is a download, with 120 s.
const ENDS_WITHIN: Duration = Duration::from_secs(160);

/// Runs it and looks on; also the most memory that it had, in KiB.
pub fn watched(home: &Home, arguments: &[&str]) -> (Ran, u64) {
    let mut child = home.start(arguments);
    let (mut peak, began) = (0, Instant::now());
    loop {
        peak = peak.max(peak_of(&child));
        if child.try_wait().expect("the child is ours").is_some() {
            break;
        }
        if began.elapsed() > ENDS_WITHIN {
            child.kill().expect("the child is ours");
            panic!("it did not end by itself: {:?}", child.wait_with_output());
        }
        thread::sleep(Duration::from_millis(5));
    }
    (child.wait_with_output().expect("the program has ended").into(), peak)
}

fn peak_of(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    // Until it has become the program, a child is a part of this process.
    let is_it = status.lines().next().is_some_and(|name| name.ends_with("\tfitferry"));
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).filter(|_| is_it);
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// What holds for every run, however bad its day was.
pub fn well_behaved(ran: &Ran, exits: &[i32]) -> Value {
    let exit = ran.exit.unwrap_or_else(|| panic!("it was killed: {ran:?}"));
    assert!(exits.contains(&exit), "exit code {exit}: {ran:?}");
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
    let document = ran.json();
    let errors = ran.stderr.lines().filter(|line| line.starts_with("error: ")).count();
    if matches!(exit, 0 | 1) {
        assert!(document.get("error").is_none(), "{ran:?}");
        assert_eq!(errors, 0, "{ran:?}");
    } else {
        for key in ["kind", "message", "help"] {
            let text = document["error"][key].as_str().unwrap_or_default();
            assert!(!text.is_empty() && !text.contains(char::is_control), "{key}: {ran:?}");
        }
        assert_eq!(errors, 1, "one error, one line: {ran:?}");
    }
    document
}

/// Ticks until nothing is open, signing in again where a login was lost in the moment between the service's
/// rotation and its answer; how often that was.
pub fn settled(home: &Home) -> usize {
    let mut lost = 0;
    for _ in 0..150 {
        let ran = home.run(&["sync", "--json"]);
        let document = well_behaved(&ran, &[0, 1, 3, 4]);
        if ran.exit == Some(3) {
            lost += 1;
            assert!(lost <= 2, "{ran:?}");
            sign_in_again(home, document["error"]["message"].as_str().unwrap_or_default());
            continue;
        }
        let open = document["open"].as_object().map(|open| open.values().filter_map(Value::as_u64).sum());
        if open == Some(0u64) && ran.exit == Some(0) {
            return lost;
        }
        thread::sleep(Duration::from_millis(120));
    }
    panic!("not settled: {:?}", home.run(&["sync", "--json"]));
}

fn sign_in_again(home: &Home, message: &str) {
    if message.contains("Garmin") {
        let login = ["login", "garmin", "--api-key-stdin"];
        let ran = home.run_with(&login, fitferry_sandbox::garmin::API_KEY);
        assert_eq!(ran.exit, Some(0), "{message}: {ran:?}");
    } else {
        home.sign_in();
    }
}

/// Every activity of Garmin's is on Strava once, with the bytes that Garmin has, and nothing else is.
pub fn everything_is_there_once(home: &Home, story: &str) {
    let world = home.world();
    let there: Vec<_> = world.strava.of_athlete(strava::ATHLETE).collect();
    let activities: Vec<_> =
        world.garmin.activities.values().filter(|activity| activity.owner == ATHLETE).collect();
    assert_eq!(there.len(), activities.len(), "{story}: {:?}", world.doubles());
    for activity in activities {
        let received = world.sha256_received(activity.id);
        assert_eq!(received, Some(sha256(&activity.file).as_str()), "{story}: {}", activity.id);
    }
}

fn sha256(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A story for each of these, a few at a time: they mostly wait.
pub fn each<T: Send>(cases: Vec<T>, at_a_time: usize, story: impl Fn(T) + Sync) {
    let next = Mutex::new(cases.into_iter());
    let story = &story;
    thread::scope(|scope| {
        let workers: Vec<_> = (0..at_a_time)
            .map(|_| {
                let next = &next;
                scope.spawn(move || {
                    loop {
                        let case = next.lock().expect("no story holds the lock").next();
                        let Some(case) = case else { return };
                        story(case);
                    }
                })
            })
            .collect();
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}
