//! Every fault at every kind of request of a tick, at its first and its second occurrence, and in the long run
//! three times in a row.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use fitferry_sandbox::garmin::ATHLETE;
use fitferry_sandbox::{Fault, Options, Reply, Route, What, When, Wire};
use jiff::SignedDuration;

use crate::home::{Home, add_run, list};
use crate::stage::{each, everything_is_there_once, like, long, merciless, settled, watched, well_behaved};

/// Bodies of this size are more than either client reads, lists and downloads.
const HUGE: usize = 80 << 20;
/// The most that a run may have had in memory: a download of 64 MiB twice over, and the program.
const PEAK_KIB_MAX: u64 = 260 << 10;

#[derive(Clone, Debug)]
struct Case {
    route: Route,
    when: When,
    what: What,
}

#[derive(Default)]
struct Count {
    cases: AtomicUsize,
    struck: AtomicUsize,
    logins_lost: AtomicUsize,
    peak_kib: AtomicU64,
}

struct Templates {
    key: Home,
    tokens: Home,
}

#[test]
fn every_fault_at_every_request_ends_with_every_activity_once() {
    let templates = Templates { key: template(false), tokens: template(true) };
    let count = Count::default();
    thread::scope(|scope| {
        // What ends by a timeout waits for nothing but that.
        let silent = scope.spawn(|| each(silent_cases(), 32, |case| story(&templates, &case, &count)));
        each(cases(), 10, |case| story(&templates, &case, &count));
        if let Err(panic) = silent.join() {
            std::panic::resume_unwind(panic);
        }
    });
    let of = |number: &AtomicUsize| number.load(Ordering::Relaxed);
    let (cases, struck) = (of(&count.cases), of(&count.struck));
    println!(
        "faults over HTTP: {cases} cases, {struck} struck; nothing lost, nothing doubled; {} logins lost between \
         rotation and answer; peak {} KiB",
        of(&count.logins_lost),
        count.peak_kib.load(Ordering::Relaxed),
    );
    assert!(cases >= 250 && struck * 10 >= cases * 9, "{struck} of {cases} cases met their request");
}

fn template(tokens: bool) -> Home {
    let mut world = merciless();
    for (name, days_ago) in [("One", 3.0), ("Two", 2.0)] {
        add_run(&mut world, name, days_ago);
    }
    let home = if tokens {
        crate::stage::signed_in_with_tokens(world)
    } else {
        Home::signed_in(world, Options::default())
    };
    // So that the first tick needs a bearer.
    home.world().garmin.tokens.revoke_bearers(ATHLETE);
    home
}

/// The requests of a tick. Tokens are asked for once.
const ROUTES: [Route; 8] = [
    Route::GarminPersonalToken,
    Route::GarminDiToken,
    Route::GarminList,
    Route::GarminDownload,
    Route::StravaToken,
    Route::StravaList,
    Route::StravaUpload,
    Route::StravaUploadStatus,
];

fn cases() -> Vec<Case> {
    let elsewhere = || "/elsewhere".to_owned();
    let deep = "[".repeat(100_000);
    let whats = [
        What::DropBefore,
        What::DropAfter,
        What::Wire(Wire::ResetBefore),
        What::Wire(Wire::ResetAfter),
        What::HalfBody,
        What::CutBody,
        What::SlowBody(std::time::Duration::from_millis(400)),
        What::Wire(Wire::Length(9)),
        What::Wire(Wire::Length(-9)),
        What::Wire(Wire::Garbage),
        What::Redirect { status: 302, location: elsewhere() },
        What::Redirect { status: 308, location: elsewhere() },
        What::Html(200),
        What::Html(503),
        What::Status(500),
        What::StatusAfterEffect(502),
        What::Answer(Reply::bytes(200, "application/json", deep.into_bytes())),
        What::Answer(Reply::bytes(200, "application/json", vec![0xff; 300])),
        What::Answer(Reply::bytes(200, "application/json", b"{\"id\":1e999,\"activityId\":NaN}".to_vec())),
    ];
    let huge = [What::Wire(Wire::Blanks(HUGE)), What::Wire(Wire::Bomb(2 * HUGE))];
    let mut cases = Vec::new();
    for route in ROUTES {
        let whens = if route.is_token() {
            vec![When::Nth(1)]
        } else {
            let thrice = if long() { vec![When::Next(3)] } else { Vec::new() };
            [vec![When::Nth(1), When::Nth(2)], thrice].concat()
        };
        for when in &whens {
            for what in &whats {
                cases.push(Case { route, when: when.clone(), what: what.clone() });
            }
        }
        cases.extend(huge.iter().map(|what| Case { route, when: When::Nth(1), what: what.clone() }));
    }
    cases
}

/// These end when a request's time is over: 30 s, or 120 s for a download, which only the long run waits for.
fn silent_cases() -> Vec<Case> {
    let whats = [
        What::Wire(Wire::SilenceBefore),
        What::Wire(Wire::SilenceAfter),
        What::Wire(Wire::SilentBody),
        What::SlowBody(std::time::Duration::from_secs(900)),
    ];
    let routes = ROUTES.into_iter().filter(|route| long() || *route != Route::GarminDownload);
    routes
        .flat_map(|route| {
            whats.iter().map(move |what| Case { route, when: When::Nth(1), what: what.clone() })
        })
        .collect()
}

fn story(templates: &Templates, case: &Case, count: &Count) {
    let template = if case.route == Route::GarminDiToken { &templates.tokens } else { &templates.key };
    let home = like(template, Options::default());
    if case.route == Route::StravaToken {
        // Strava's access tokens are good for six hours.
        home.sandbox.clock().shift(SignedDuration::from_hours(7));
    }
    home.world().faults.push(Fault { route: case.route, when: case.when.clone(), what: case.what.clone() });
    let exits: &[i32] = if case.route.is_token() { &[0, 1, 3, 4] } else { &[0, 1, 4] };
    for name in [None, Some("Three")] {
        if let Some(name) = name {
            add_run(&mut home.world(), name, 1.0);
        }
        let (ran, peak) = watched(&home, &["sync", "--json"]);
        well_behaved(&ran, exits);
        assert!(peak <= PEAK_KIB_MAX, "{case:?}: {peak} KiB");
        count.peak_kib.fetch_max(peak, Ordering::Relaxed);
    }
    let asked = home.sandbox.log().iter().filter(|seen| seen.route == case.route).count();
    let nth = if matches!(case.when, When::Nth(2)) { 2 } else { 1 };
    count.struck.fetch_add(usize::from(asked >= nth), Ordering::Relaxed);
    home.world().faults.clear();
    let lost = settled(&home);
    assert!(lost == 0 || case.route.is_token(), "{case:?}: a login was lost");
    if case.route == Route::GarminDownload && matches!(case.what, What::Wire(Wire::Blanks(_) | Wire::Bomb(_)))
    {
        // No transport makes a file of 64 MB out of a small one: it was told as too large, and waits for a word.
        by_word(&home);
    }
    count.logins_lost.fetch_add(lost, Ordering::Relaxed);
    everything_is_there_once(&home, &format!("{case:?}"));
    assert!(home.sandbox.log().iter().all(|seen| seen.path != "/elsewhere"), "a redirect was followed");
    count.cases.fetch_add(1, Ordering::Relaxed);
}

/// The user's word on what was rejected.
fn by_word(home: &Home) {
    let rejected = home.run(&["activities", "--state", "rejected", "--json"]).json();
    let [only] = list(&rejected, "activities") else { panic!("one was too large: {rejected:#}") };
    assert_eq!(only["reason"], "too_large");
    let ran = home.run(&["retry", &only["garmin_id"].to_string(), "--json"]);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    assert_eq!(settled(home), 0);
}
