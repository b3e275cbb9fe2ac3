//! Garmin's sign-in host blocks whoever asks it too often, so nothing but a person's own `login` ever does.

use fitferry_sandbox::garmin::sso::{EMAIL, PASSWORD};
use fitferry_sandbox::{Fault, Options, Reply, Route, Service, What, When, garmin};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::home::{Home, add_run, world};

const PASSWORD_LOGIN: [&str; 7] =
    ["login", "garmin", "--email", EMAIL, "--password-stdin", "--mfa-code", "-"];

/// How many requests the sign-in host has had.
fn asked(home: &Home) -> usize {
    home.sandbox.log().iter().filter(|seen| seen.service == Service::GarminSso).count()
}

/// Everything that runs without a person, and what a person looks with.
fn everything_but_login(home: &Home) {
    for arguments in [
        &["sync"][..],
        &["sync", "--dry-run"],
        &["sync", "--json"],
        &["backfill", "--since", "2020-01-01", "--dry-run"],
        &["status"],
        &["activities"],
        &["doctor"],
        &["init", "--yes"],
        &["config", "check"],
    ] {
        let ran = home.run(arguments);
        assert!(ran.exit.is_some_and(|exit| exit != 101), "{arguments:?}: {ran:?}");
    }
    for arguments in [&["watch", "--every", "50ms", "-q"][..], &["backfill", "--since", "2020-01-01", "-q"]] {
        let mut child = home.start(arguments);
        let before = home.mark();
        // A few ticks, or an end by itself where the login has ended or nothing is left.
        for _ in 0..40 {
            if home.mark() > before + 3 || matches!(child.try_wait(), Ok(Some(_))) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        let _ = kill(Pid::from_raw(i32::try_from(child.id()).expect("a process number")), Signal::SIGTERM);
        child.wait_with_output().expect("it ends");
    }
}

#[test]
fn nothing_but_login_asks_garmins_sign_in_host_whatever_becomes_of_the_login() {
    let mut world = world();
    add_run(&mut world, "Morning Run", 1.0);
    let mut home = Home::signed_in(world, Options::default());
    // They are there for the taking, and are for `login` alone.
    home.set("FITFERRY_GARMIN__EMAIL", EMAIL);
    home.set("FITFERRY_GARMIN__PASSWORD", PASSWORD);
    everything_but_login(&home);
    assert_eq!(asked(&home), 0);

    // A key that has ended.
    home.world().garmin.tokens.revoke_key(garmin::API_KEY);
    home.world().garmin.tokens.revoke_bearers(garmin::ATHLETE);
    everything_but_login(&home);
    assert_eq!(asked(&home), 0);

    // Tokens of a password: renewed, refused, and refused by the data hosts alone.
    let login = home.run_with(&PASSWORD_LOGIN, PASSWORD);
    assert_eq!(login.exit, Some(0), "{login:?}");
    let by_login = asked(&home);
    assert_eq!(by_login, 2, "the page and the password");
    home.world().garmin.tokens.revoke_bearers(garmin::ATHLETE);
    everything_but_login(&home);
    home.world().garmin.tokens.no_bearer_is_active = true;
    everything_but_login(&home);
    home.world().garmin.tokens.no_bearer_is_active = false;
    home.world().garmin.tokens.revoke_bearers(garmin::ATHLETE);
    home.world().garmin.tokens.revoke_refresh_tokens(garmin::ATHLETE);
    everything_but_login(&home);
    let refusal = Reply::json(400, "application/json", &json!({"error": "invalid_grant"}));
    home.world().faults.push(Fault {
        route: Route::GarminDiToken,
        when: When::Always,
        what: What::Answer(refusal),
    });
    everything_but_login(&home);
    assert_eq!(home.sync(3)["error"]["kind"], "login_needed");
    home.run(&["logout", "garmin"]);
    everything_but_login(&home);
    assert_eq!(asked(&home), by_login);
}
