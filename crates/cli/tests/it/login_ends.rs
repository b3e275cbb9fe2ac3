//! How logins to Garmin end, and what is kept of them: cool-downs that double, warnings in time, tokens that were
//! refused, an account in China from its first day on.

#![expect(clippy::unwrap_used, reason = "a test tells by panicking")]

use fitferry_core::ports::{SecretName, Vault as _};
use fitferry_sandbox::garmin::sso::{EMAIL, PASSWORD};
use fitferry_sandbox::garmin::{self, Region};
use fitferry_sandbox::{Fault, Options, Reply, Route, What, When, strava};
use fitferry_store::SqliteStore;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::home::{Home, Ran, add_run, list, world};

const PASSWORD_LOGIN: [&str; 8] =
    ["login", "garmin", "--email", EMAIL, "--password-stdin", "--mfa-code", "-", "--json"];

/// What the vault keeps under a name.
fn kept(home: &Home, name: SecretName) -> Option<Value> {
    let store = SqliteStore::open(&home.store()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let secret = runtime.block_on(store.athlete("me").get(name)).unwrap();
    secret.map(|(secret, _)| serde_json::from_str(secret.expose_secret()).unwrap())
}

/// As if so much time had passed since the account was blocked.
fn wait(home: &Home, time: SignedDuration) {
    let store = SqliteStore::open(&home.store()).unwrap();
    let vault = store.athlete("me");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (secret, version) = vault.get(SecretName::GarminCoolDowns).await.unwrap().unwrap();
        let mut downs: Value = serde_json::from_str(secret.expose_secret()).unwrap();
        for down in downs["accounts"].as_object_mut().unwrap().values_mut() {
            down["until"] = json!(down["until"].as_i64().unwrap() - time.as_secs());
        }
        vault.replace(SecretName::GarminCoolDowns, version, &downs.to_string().into()).await.unwrap();
    });
}

fn is_refused(ran: &Ran, exit: i32, kind: &str) {
    assert_eq!(ran.exit, Some(exit), "{ran:?}");
    assert_eq!(ran.json()["error"]["kind"], kind, "{ran:?}");
}

fn published(home: &Home) -> usize {
    home.sync_until_settled().iter().map(|tick| list(tick, "published").len()).sum()
}

#[test]
fn a_cool_down_doubles_from_two_hours_to_a_day_and_a_second_call_explains_it() {
    let mut home = Home::new(world(), Options::default());
    home.set("FITFERRY_TIMING__RETRY_BASE", "2m");
    for hours in [2, 4, 8, 16, 24, 24] {
        let what = What::Html(429);
        home.world().faults.push(Fault { route: Route::GarminSsoLogin, when: When::Next(1), what });
        is_refused(&home.run_with(&PASSWORD_LOGIN, PASSWORD), 4, "limited");
        let downs = kept(&home, SecretName::GarminCoolDowns).unwrap();
        let until =
            downs["accounts"].as_object().unwrap().values().next().unwrap()["until"].as_i64().unwrap();
        let wait_s = until - Timestamp::now().as_second();
        assert!((hours * 3600 - 60..=hours * 3600 + 1).contains(&wait_s), "{hours} h, and it is {wait_s} s");

        let mark = home.mark();
        wait(&home, SignedDuration::from_hours(hours) - SignedDuration::from_mins(5));
        let again = home.run_with(&PASSWORD_LOGIN, PASSWORD);
        is_refused(&again, 4, "limited");
        assert!(again.stderr.contains("cooling down") && again.stderr.contains("--browser"), "{again:?}");
        assert_eq!(home.mark(), mark, "Garmin was asked");
        wait(&home, SignedDuration::from_mins(6));
    }
    assert_eq!(home.run_with(&PASSWORD_LOGIN, PASSWORD).exit, Some(0));
    assert_eq!(kept(&home, SecretName::GarminCoolDowns).unwrap()["accounts"], json!({}));
}

#[test]
fn the_end_of_a_login_is_told_from_fourteen_days_before() {
    let home = Home::signed_in(world(), Options::default());
    let told = || {
        let found = home.run(&["doctor", "--json"]).json();
        let found = list(&found, "findings").iter().any(|finding| finding["kind"] == "login_ends");
        (found, home.run(&["status"]).stderr.contains("Garmin's login ends in"))
    };
    for (days, is_told) in [("16", false), ("13", true)] {
        let login = ["login", "garmin", "--api-key-stdin", "--key-ends", days];
        assert_eq!(home.run_with(&login, garmin::API_KEY).exit, Some(0));
        assert_eq!(told(), (is_told, is_told), "{days} days");
    }
    // Tokens say it themselves.
    for (days, is_told) in [(16, false), (13, true)] {
        home.world().garmin.tokens.refresh_lifetime = SignedDuration::from_hours(days * 24);
        assert_eq!(home.run_with(&PASSWORD_LOGIN, PASSWORD).exit, Some(0));
        assert_eq!(told(), (is_told, is_told), "{days} days");
    }
}

#[test]
fn tokens_that_were_refused_are_kept_until_a_new_login_has_worked() {
    let mut world = world();
    add_run(&mut world, "Morning Run", 1.0);
    let home = Home::signed_in(world, Options::default());
    assert_eq!(home.run_with(&PASSWORD_LOGIN, PASSWORD).exit, Some(0));
    let before = kept(&home, SecretName::GarminLogin).unwrap();
    home.world().garmin.tokens.revoke_bearers(garmin::ATHLETE);
    let refusal = Reply::json(400, "application/json", &json!({"error": "invalid_grant"}));
    home.world().faults.push(Fault {
        route: Route::GarminDiToken,
        when: When::Always,
        what: What::Answer(refusal),
    });
    assert_eq!(home.sync(3)["error"]["kind"], "login_needed");
    is_refused(&home.run_with(&PASSWORD_LOGIN, "not-the-password"), 3, "login_refused");
    is_refused(
        &home.run_with(&["login", "garmin", "--api-key-stdin", "--json"], "not-a-key"),
        3,
        "login_refused",
    );
    let tokens = |login: &Value| login["current"]["refresh"].clone();
    assert_eq!(tokens(&kept(&home, SecretName::GarminLogin).unwrap()), tokens(&before));

    // It was Garmin's mistake: what was kept is good.
    home.world().faults.clear();
    home.run(&["doctor"]);
    assert_eq!(published(&home), 1);
    assert_eq!(home.run_with(&["login", "garmin", "--api-key-stdin"], garmin::API_KEY).exit, Some(0));
    let now = kept(&home, SecretName::GarminLogin).unwrap();
    assert_eq!((&now["tier"], tokens(&now)), (&json!("personal"), Value::Null));
}

#[test]
fn stravas_tokens_that_were_refused_are_kept_until_a_new_login_has_worked() {
    let mut world = world();
    add_run(&mut world, "Morning Run", 1.0);
    let home = Home::signed_in(world, Options::default());
    let before = kept(&home, SecretName::StravaLogin).unwrap();
    home.world().strava.end_access_tokens(strava::CLIENT_ID, strava::ATHLETE);
    let refusal = json!({"message": "Bad Request", "errors": [
        {"resource": "RefreshToken", "field": "refresh_token", "code": "invalid"}]});
    home.world().faults.push(Fault {
        route: Route::StravaToken,
        when: When::Always,
        what: What::Answer(Reply::json(400, "application/json", &refusal)),
    });
    assert_eq!(home.sync(3)["error"]["kind"], "login_needed");
    let import = ["login", "strava", "--client-secret-stdin", "--refresh-token-stdin", "--json"];
    let lines = |token: &str| format!("{}\n{token}\n", strava::CLIENT_SECRET);
    is_refused(&home.run_with(&import, &lines(&"0".repeat(40))), 3, "login_refused");
    let tokens = |login: &Value| login["current"]["refresh"].clone();
    assert_eq!(tokens(&kept(&home, SecretName::StravaLogin).unwrap()), tokens(&before));

    // It was Strava's mistake: what was kept is good.
    home.world().faults.clear();
    home.run(&["doctor"]);
    assert_eq!(published(&home), 1);
    let token = {
        let now = home.sandbox.clock().now();
        home.world().strava_login(&["read", "activity:read_all", "activity:write"], now).refresh_token
    };
    assert_eq!(home.run_with(&import, &lines(&token)).exit, Some(0));
    home.sync(0);
}

#[test]
fn logout_leaves_neither_tokens_nor_bearer_in_the_file() {
    let home = Home::signed_in(world(), Options::default());
    assert_eq!(home.run_with(&PASSWORD_LOGIN, PASSWORD).exit, Some(0));
    home.sync(0);
    let login = kept(&home, SecretName::GarminLogin).unwrap();
    let mut secrets = home.world().garmin.tokens.issued_bearers();
    secrets.push(login["current"]["refresh"].as_str().unwrap().to_owned());
    let ran = home.run(&["logout", "garmin"]);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    assert_eq!(kept(&home, SecretName::GarminLogin), None);
    for suffix in ["", "-wal"] {
        let path = format!("{}{suffix}", home.store().display());
        let content = std::fs::read(path).unwrap_or_default();
        let content = String::from_utf8_lossy(&content);
        for secret in &secrets {
            assert!(!content.contains(secret.as_str()), "a token is left in the file{suffix}");
        }
    }
    assert_eq!(home.sync(3)["error"]["kind"], "login_needed");
    assert_eq!(home.run_with(&PASSWORD_LOGIN, PASSWORD).exit, Some(0));
    home.sync(0);
}

#[test]
fn an_account_in_china_is_set_up_syncs_and_renews_itself_there() {
    let mut world = world();
    world.garmin.tokens.region = Region::China;
    add_run(&mut world, "Morning Run", 1.0);
    let home = Home::new(world, Options::default());
    let now = home.sandbox.clock().now();
    let refresh =
        home.world().strava_login(&["read", "activity:read_all", "activity:write"], now).refresh_token;
    let client = fitferry_sandbox::strava::CLIENT_ID.to_string();
    let init = [
        "init",
        "--domain",
        "garmin.cn",
        "--email",
        EMAIL,
        "--password-stdin",
        "--mfa-code",
        "-",
        "--client-id",
        &client,
        "--client-secret-stdin",
        "--refresh-token-stdin",
    ];
    let lines = format!("{PASSWORD}\n{}\n{refresh}\n", fitferry_sandbox::strava::CLIENT_SECRET);
    let ran = home.run_with(&init, &lines);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    let text = std::fs::read_to_string(home.path().join("config.toml")).unwrap();
    assert!(text.contains("domain = \"garmin.cn\""), "{text}");
    assert_eq!(kept(&home, SecretName::GarminLogin).unwrap()["domain"], "garmin.cn");
    assert_eq!(published(&home), 1);
    home.world().garmin.tokens.revoke_bearers(garmin::ATHLETE);
    add_run(&mut home.world(), "Evening Run", 0.5);
    assert_eq!(published(&home), 1);
    let sso = home.sandbox.log().into_iter().filter(|seen| seen.route.is_garmin_sso());
    assert!(sso.into_iter().all(|seen| seen.query.contains("garmin.cn")), "the services are China's");
    // A tool's file tells its domain by itself.
    let app = "GARMIN_CONNECT_MOBILE_ANDROID_DI_2025Q2";
    let pair = home.world().garmin_login(app, now);
    let file = home.path().join("garmin_tokens.json");
    let tokens = json!({
        "di_token": pair.access_token, "di_refresh_token": pair.refresh_token, "di_client_id": app,
    });
    std::fs::write(&file, tokens.to_string()).unwrap();
    let ran = home.run(&["login", "garmin", "--import", file.to_str().unwrap()]);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    assert_eq!(kept(&home, SecretName::GarminLogin).unwrap()["domain"], "garmin.cn");
}
