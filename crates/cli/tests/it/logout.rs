//! Signing out: forgotten here, and taken back where the service can.

use fitferry_sandbox::{Fault, Options, Route, What, When, garmin, strava};
use serde_json::{Value, json};

use crate::home::{Home, add_run, list, world};

fn logins(home: &Home) -> (Value, Value) {
    let status = home.run(&["status", "--json"]).json();
    (status["logins"]["garmin"]["kind"].clone(), status["logins"]["strava"]["app"].clone())
}

fn asked(home: &Home, mark: usize) -> Vec<Route> {
    home.sandbox.log()[mark..].iter().map(|seen| seen.route).collect()
}

/// Whether Strava still serves a token that it has issued.
fn has_access(home: &Home) -> bool {
    !home.world().strava.issued_tokens().is_empty()
}

#[test]
fn strava_takes_the_grant_back_and_a_second_login_works() {
    let mut world = world();
    add_run(&mut world, "Morning Run", 1.0);
    let home = Home::signed_in(world, Options::default());
    assert!(has_access(&home));
    let mark = home.mark();
    let ran = home.run(&["logout", "strava", "--json"]);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    let told =
        json!({"service": "strava", "ok": true, "athlete": "me", "was_signed_in": true, "revoked": true});
    assert_eq!(ran.json(), told);
    assert!(asked(&home, mark).iter().all(|route| *route == Route::StravaRevoke));
    assert!(!has_access(&home), "Strava still knows the tokens");
    assert_eq!(logins(&home), (json!("personal"), Value::Null));
    let needed = home.sync(3);
    assert_eq!(needed["error"]["kind"], "login_needed", "{needed}");

    let again = home.run(&["logout", "strava", "--json"]);
    assert_eq!((again.exit, &again.json()["was_signed_in"]), (Some(0), &json!(false)), "{again:?}");
    home.sign_in();
    let ticks = home.sync_until_settled();
    assert_eq!(ticks.iter().map(|tick| list(tick, "published").len()).sum::<usize>(), 1);
}

#[test]
fn where_the_new_way_is_closed_the_old_one_is_gone() {
    let home = Home::signed_in(world(), Options::default());
    home.world().faults.push(Fault {
        route: Route::StravaRevoke,
        when: When::Always,
        what: What::Status(404),
    });
    let mark = home.mark();
    let ran = home.run(&["logout", "strava", "--json"]);
    assert_eq!((ran.exit, &ran.json()["revoked"]), (Some(0), &json!(true)), "{ran:?}");
    assert_eq!(asked(&home, mark), [Route::StravaRevoke, Route::StravaDeauthorize]);
    assert!(!has_access(&home));
}

#[test]
fn what_strava_cannot_be_told_is_forgotten_all_the_same() {
    let home = Home::signed_in(world(), Options::default());
    home.world().faults.push(Fault { route: Route::Any, when: When::Always, what: What::DropBefore });
    let ran = home.run(&["logout", "strava", "--json"]);
    assert_eq!((ran.exit, &ran.json()["revoked"]), (Some(0), &json!(false)), "{ran:?}");
    assert!(ran.stderr.contains("https://www.strava.com/settings/apps"), "{ran:?}");
    assert_eq!(logins(&home).1, Value::Null);
    home.world().faults.clear();
    home.sign_in();
    assert_eq!(logins(&home).1, strava::CLIENT_ID.to_string());
}

#[test]
fn garmins_key_and_its_bearer_are_forgotten_without_a_request() {
    let mut home = Home::signed_in(world(), Options::default());
    home.sync(0);
    let mark = home.mark();
    let ran = home.run(&["logout", "garmin", "--json"]);
    assert_eq!((ran.exit, &ran.json()["revoked"]), (Some(0), &Value::Null), "{ran:?}");
    assert!(ran.stderr.contains("https://connect.garmin.com/app/settings/personalApiToken"), "{ran:?}");
    assert_eq!(home.sync(3)["error"]["kind"], "login_needed");
    assert_eq!(home.mark(), mark, "a request was made");
    let store = String::from_utf8_lossy(&std::fs::read(home.store()).expect("it is there")).into_owned();
    assert!(!store.contains(garmin::API_KEY), "the key is still in the file");
    home.sign_in();
    home.sync(0);

    home.set("FITFERRY_GARMIN__API_KEY", garmin::API_KEY);
    let warned = home.run(&["logout", "garmin"]);
    assert!(warned.stderr.contains("FITFERRY_GARMIN__API_KEY is set"), "{warned:?}");
}
