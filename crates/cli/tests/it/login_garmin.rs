//! Signing in to Garmin's Connect API: a password and its code, a ticket, another tool's files; and what Garmin
//! says no with.

#![expect(clippy::unwrap_used, reason = "a test tells by panicking")]

use std::io::Write as _;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use fitferry_sandbox::garmin::sso::{Block, BlockForm, EMAIL, Mfa, PASSWORD, SsoUser, Standing};
use fitferry_sandbox::garmin::{self, Region};
use fitferry_sandbox::{Fault, Options, Reply, Route, Service, What, When};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::home::{Home, Ran, add_run, list, world};

const PASSWORD_LOGIN: [&str; 8] =
    ["login", "garmin", "--email", EMAIL, "--password-stdin", "--mfa-code", "-", "--json"];

fn home() -> Home {
    Home::new(world(), Options::default())
}

fn user(home: &Home, change: impl FnOnce(&mut SsoUser)) {
    change(home.world().garmin.sso.user(EMAIL));
}

fn garmin_login(home: &Home) -> Value {
    home.run(&["status", "--json"]).json()["logins"]["garmin"].clone()
}

/// Ended with that exit code, that kind of error, and words of help.
fn refused(ran: &Ran, exit: i32, kind: &str) {
    assert_eq!(ran.exit, Some(exit), "{ran:?}");
    let document = ran.json();
    assert_eq!((&document["service"], &document["ok"]), (&json!("garmin"), &json!(false)), "{document}");
    assert_eq!(document["error"]["kind"], kind, "{document}");
    assert!(ran.stderr.contains("help:"), "{ran:?}");
}

#[test]
fn a_password_makes_a_login_that_syncs_and_renews_itself() {
    let mut world = world();
    add_run(&mut world, "Morning Run", 1.0);
    let home = Home::signed_in(world, Options::default());
    let ran = home.run_with(&PASSWORD_LOGIN, &format!("{PASSWORD}\n"));
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    let document = ran.json();
    assert_eq!((&document["service"], &document["ok"]), (&json!("garmin"), &json!(true)), "{document}");
    assert_eq!(document["athlete"], "me");
    assert!(!ran.stderr.contains(PASSWORD) && !ran.stdout.contains(PASSWORD), "{ran:?}");
    assert_eq!(garmin_login(&home)["kind"], "connect");
    let ticks = home.sync_until_settled();
    assert_eq!(ticks.iter().map(|tick| list(tick, "published").len()).sum::<usize>(), 1);
    home.world().garmin.tokens.revoke_bearers(garmin::ATHLETE);
    add_run(&mut home.world(), "Evening Run", 0.5);
    let ticks = home.sync_until_settled();
    assert_eq!(ticks.iter().map(|tick| list(tick, "published").len()).sum::<usize>(), 1);
}

#[test]
fn the_variables_alone_are_enough_where_there_is_no_key() {
    let mut home = home();
    home.set("FITFERRY_GARMIN__EMAIL", EMAIL);
    home.set("FITFERRY_GARMIN__PASSWORD", PASSWORD);
    let ran = home.run_with(&["login", "garmin", "--mfa-code", "-"], "");
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    let again = home.run(&["login", "garmin"]);
    assert_eq!(again.exit, Some(2), "{again:?}");
    assert!(again.stderr.contains("--mfa-code"), "{again:?}");
    home.set("FITFERRY_GARMIN__API_KEY", garmin::API_KEY);
    assert_eq!(home.run(&["login", "garmin"]).exit, Some(0), "a key comes first");
    assert_eq!(garmin_login(&home)["kind"], "personal");
}

#[test]
fn what_is_missing_without_a_terminal_ends_with_2_and_nothing_is_tried() {
    let home = home();
    for (arguments, input, named) in [
        (&["login", "garmin", "--email", EMAIL, "--password-stdin"][..], "pass\n", "--mfa-code"),
        (&["login", "garmin", "--email", EMAIL, "--mfa-code", "-"], "", "FITFERRY_GARMIN__PASSWORD"),
        (&["login", "garmin", "--password-stdin", "--mfa-code", "-"], "pass\n", "FITFERRY_GARMIN__EMAIL"),
        (
            &["login", "garmin", "--email", EMAIL, "--password-stdin", "--mfa-code", "-"],
            "",
            "--password-stdin",
        ),
        (&["login", "garmin", "--email", " ", "--password-stdin", "--mfa-code", "-"], "pass\n", "--email"),
        (&["login", "garmin", "--ticket", "-"], "", "--ticket"),
        (&["login", "garmin", "--ticket", "-"], "https://sso.garmin.com/sso/embed\n", "ST-"),
        (&["login", "garmin", "--ticket", "-", "--browser"], "", "--browser"),
        (&["login", "garmin", "--import", "/nowhere"], "", "--import"),
    ] {
        let ran = home.run_with(arguments, input);
        assert_eq!(ran.exit, Some(2), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(named), "{arguments:?}: {ran:?}");
    }
    assert_eq!(home.mark(), 0, "a request was made");
}

#[test]
fn a_wrong_code_may_be_tried_again_until_the_third() {
    for (wrong_ones, exit) in [(0, 0), (2, 0), (3, 3)] {
        let home = home();
        user(&home, |user| user.mfa = Some(Mfa::email()));
        let mut child = home.command(&PASSWORD_LOGIN).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{PASSWORD}").unwrap();
        let code = sent_code(&home, &mut child);
        let wrong = if code == "000000" { "000001" } else { "000000" };
        for _ in 0..wrong_ones {
            writeln!(stdin, "{wrong}").unwrap();
        }
        // Whoever has used up the tries reads no more.
        let _ = writeln!(stdin, " {} {} ", &code[..3], &code[3..]);
        drop(stdin);
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.exit, Some(exit), "{wrong_ones}: {ran:?}");
        assert!(ran.stderr.contains("sa*****@garmin.example"), "{ran:?}");
        assert_eq!(home.world().garmin.sso.user(EMAIL).tried.wrong_codes, wrong_ones);
        if exit == 3 {
            assert_eq!(ran.json()["error"]["kind"], "login_refused");
            assert_eq!(garmin_login(&home)["ok"], false);
        }
    }
}

fn sent_code(home: &Home, child: &mut Child) -> String {
    loop {
        let now = home.sandbox.clock().now();
        if let Some(code) = home.world().garmin.sso.code(EMAIL, now) {
            return code;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended without asking for a code");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_code_may_stand_on_the_command_line_with_a_warning() {
    let home = home();
    user(&home, |user| user.mfa = Some(Mfa::app()));
    let code = home.world().garmin.sso.code(EMAIL, home.sandbox.clock().now()).unwrap();
    let login = ["login", "garmin", "--email", EMAIL, "--password-stdin", "--mfa-code", &code, "--json"];
    let ran = home.run_with(&login, PASSWORD);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("warning:") && !ran.stderr.contains(&code), "{ran:?}");

    let wrong = ["login", "garmin", "--email", EMAIL, "--password-stdin", "--mfa-code", "x", "--json"];
    refused(&home.run_with(&wrong, PASSWORD), 3, "login_refused");
    let none = home.run_with(&PASSWORD_LOGIN, PASSWORD);
    refused(&none, 3, "login_timeout");
}

#[test]
fn each_refusal_says_what_to_do_and_leaves_the_login_that_is_there() {
    let home = Home::signed_in(world(), Options::default());
    let wrong = home.run_with(&PASSWORD_LOGIN, "not-the-password\n");
    refused(&wrong, 3, "login_refused");
    assert!(!wrong.stderr.contains("not-the-password"), "{wrong:?}");
    for (standing, captcha, named) in [
        (Standing::Good, true, "--browser"),
        (Standing::Locked, false, "locked"),
        (Standing::Disabled, false, "disabled"),
        (Standing::Problem, false, "problem"),
        (Standing::PasswordResetNeeded, false, "reset"),
    ] {
        user(&home, |user| {
            user.standing = standing;
            user.wants_captcha = captcha;
        });
        let ran = home.run_with(&PASSWORD_LOGIN, PASSWORD);
        refused(&ran, 3, "login_refused");
        assert!(ran.stderr.contains(named), "{named}: {ran:?}");
    }
    let passwords = home.world().garmin.sso.user(EMAIL).tried.passwords;
    assert_eq!(passwords, 6, "each was tried once");
    assert_eq!(garmin_login(&home), json!({"kind": "personal", "ok": true, "ends": null}));
}

#[test]
fn a_block_cools_the_password_of_that_account_down_and_nothing_else() {
    for (status, form) in [(429, BlockForm::JsonWithin200), (427, BlockForm::Json), (403, BlockForm::Html)] {
        let mut home = home();
        home.set("FITFERRY_TIMING__RETRY_BASE", "250ms");
        {
            let mut world = home.world();
            let other = SsoUser::new(garmin::ATHLETE, PASSWORD);
            world.garmin.sso.add("other@garmin.example", other);
            let lasts = SignedDuration::from_mins(1);
            let until = jiff::Timestamp::now() + lasts;
            let block = Block { until, lasts, status, retry_after: None, form };
            world.garmin.sso.user(EMAIL).block = Some(block);
        }
        let ran = home.run_with(&PASSWORD_LOGIN, PASSWORD);
        refused(&ran, 4, "limited");
        assert!(ran.stderr.contains("--browser") && ran.stderr.contains(&status.to_string()), "{ran:?}");

        user(&home, |user| user.block = None);
        let mark = home.mark();
        let again = home.run_with(&PASSWORD_LOGIN, PASSWORD);
        refused(&again, 4, "limited");
        assert!(again.stderr.contains("cooling down"), "{again:?}");
        let shouted = EMAIL.to_uppercase();
        let mut same = PASSWORD_LOGIN;
        same[3] = &shouted;
        refused(&home.run_with(&same, PASSWORD), 4, "limited");
        assert_eq!(home.mark(), mark, "Garmin was asked");

        same[3] = "other@garmin.example";
        assert_eq!(home.run_with(&same, PASSWORD).exit, Some(0));
        let key = home.run_with(&["login", "garmin", "--api-key-stdin"], garmin::API_KEY);
        assert_eq!(key.exit, Some(0), "{key:?}");
        refused(&home.run_with(&PASSWORD_LOGIN, PASSWORD), 4, "limited");
    }
}

#[test]
fn the_cool_down_ends_by_itself_and_a_success_forgets_it() {
    let mut home = home();
    // Two hours are then less than a second.
    home.set("FITFERRY_TIMING__RETRY_BASE", "10ms");
    home.world().faults.push(Fault {
        route: Route::GarminSsoLogin,
        when: When::Next(1),
        what: What::Html(429),
    });
    refused(&home.run_with(&PASSWORD_LOGIN, PASSWORD), 4, "limited");
    let ran = loop {
        let ran = home.run_with(&PASSWORD_LOGIN, PASSWORD);
        if ran.exit != Some(4) {
            break ran;
        }
        assert!(ran.stderr.contains("cooling down"), "{ran:?}");
        thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    assert_eq!(home.run_with(&PASSWORD_LOGIN, PASSWORD).exit, Some(0));
}

#[test]
fn a_ticket_comes_as_an_address_an_answer_or_alone() {
    let home = home();
    let embed = format!("{}/sso/embed", home.sandbox.url(Service::GarminSso));
    let app = |system: &str| format!("https://mobile.integration.garmin.com/gcm/{system}");
    let fresh = |service: &str| {
        let now = home.sandbox.clock().now();
        home.world().garmin_ticket(service, now)
    };
    let login = ["login", "garmin", "--ticket", "-", "--json"];
    let as_json = |service: &str| {
        format!("{{\n  \"serviceTicketId\": \"{}\",\n  \"serviceURL\": \"{service}\"\n}}\n", fresh(service))
    };
    for pasted in [
        format!("  {embed}?ticket={}  \n", fresh(&embed)),
        format!(
            "<html>\n<script>var url = \"{}\\/sso\\/embed?ticket={}\";</script>\n",
            embed.trim_end_matches("/sso/embed").replace('/', "\\/"),
            fresh(&embed)
        ),
        as_json(&app("android")),
        as_json(&app("ios")),
        fresh(&embed),
        fresh(&app("ios")),
    ] {
        let ran = home.run_with(&login, &pasted);
        assert_eq!(ran.exit, Some(0), "{pasted}: {ran:?}");
        assert_eq!(garmin_login(&home)["kind"], "connect");
    }
    let ticket = fresh(&embed);
    let ran = home.run(&["login", "garmin", "--ticket", &ticket]);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("warning:") && !ran.stderr.contains(&ticket), "{ran:?}");
    refused(&home.run_with(&login, &ticket), 3, "login_refused");
}

#[test]
fn a_ticket_that_is_too_old_or_for_something_else_is_refused() {
    let home = Home::signed_in(world(), Options::default());
    let embed = format!("{}/sso/embed", home.sandbox.url(Service::GarminSso));
    let login = ["login", "garmin", "--ticket", "-", "--json"];
    let long_ago = home.sandbox.clock().now() - SignedDuration::from_mins(2);
    let old = home.world().garmin_ticket(&embed, long_ago);
    let ran = home.run_with(&login, &old);
    refused(&ran, 3, "login_refused");
    assert!(ran.stderr.contains("a minute"), "{ran:?}");
    let now = home.sandbox.clock().now();
    let other = home.world().garmin_ticket("https://connect.garmin.com/modern/", now);
    refused(&home.run_with(&login, &format!("{embed}?ticket={other}\n")), 3, "login_refused");
    assert_eq!(garmin_login(&home)["kind"], "personal", "the login before is in force");
    let down = Fault { route: Route::GarminDiToken, when: When::Always, what: What::Status(503) };
    home.world().faults.push(down);
    let good = home.world().garmin_ticket(&embed, now);
    refused(&home.run_with(&login, &good), 4, "service_down");
}

#[test]
fn a_login_whose_ticket_is_spent_outlives_an_outage_of_garmins_data() {
    let mut world = world();
    add_run(&mut world, "Morning Run", 1.0);
    let home = Home::signed_in(world, Options::default());
    let embed = format!("{}/sso/embed", home.sandbox.url(Service::GarminSso));
    let login = ["login", "garmin", "--ticket", "-", "--json"];
    home.world().faults.push(Fault {
        route: Route::GarminProfile,
        when: When::Next(1),
        what: What::Status(503),
    });
    let ticket = home.world().garmin_ticket(&embed, home.sandbox.clock().now());
    let ran = home.run_with(&login, &ticket);
    refused(&ran, 4, "service_down");
    assert!(ran.stderr.contains("is kept"), "{ran:?}");
    assert_eq!(garmin_login(&home)["kind"], "connect");
    let ticks = home.sync_until_settled();
    assert_eq!(ticks.iter().map(|tick| list(tick, "published").len()).sum::<usize>(), 1);
}

#[test]
fn a_login_that_garmin_takes_back_at_once_gives_way_to_the_one_before() {
    // Its data hosts refuse the bearer, and its token endpoint a renewal, or the renewed bearer is refused as well.
    for is_renewed in [false, true] {
        let home = Home::signed_in(world(), Options::default());
        let embed = format!("{}/sso/embed", home.sandbox.url(Service::GarminSso));
        home.world().garmin.tokens.no_bearer_is_active = true;
        if !is_renewed {
            let refusal = Reply::json(400, "application/json", &json!({"error": "invalid_grant"}));
            // The first is the ticket's.
            let what = What::Answer(refusal);
            home.world().faults.push(Fault { route: Route::GarminDiToken, when: When::Nth(2), what });
        }
        let ticket = home.world().garmin_ticket(&embed, home.sandbox.clock().now());
        let login = ["login", "garmin", "--ticket", "-", "--json"];
        let ran = home.run_with(&login, &ticket);
        refused(&ran, 3, "login_refused");
        assert!(ran.stderr.contains("the one before it is in force again"), "{ran:?}");
        assert_eq!(garmin_login(&home)["kind"], "personal", "{is_renewed}");

        // Where there was none, none is said to be back.
        assert_eq!(home.run(&["logout", "garmin"]).exit, Some(0));
        let ticket = home.world().garmin_ticket(&embed, home.sandbox.clock().now());
        home.world().faults.clear();
        let ran = home.run_with(&login, &ticket);
        refused(&ran, 3, "login_refused");
        assert!(!ran.stderr.contains("in force again"), "{ran:?}");
        assert_eq!(garmin_login(&home)["kind"], Value::Null);
        home.world().garmin.tokens.no_bearer_is_active = false;
        home.sign_in();
        home.sync(0);
    }
}

#[test]
fn another_tools_folder_will_do_and_what_is_no_login_is_named() {
    let home = home();
    let folder = home.path().join("tool");
    std::fs::create_dir(&folder).unwrap();
    let import = ["login", "garmin", "--import", folder.to_str().unwrap(), "--json"];
    let empty = home.run(&import);
    refused(&empty, 2, "file");
    assert!(empty.stderr.contains("garmin_tokens.json"), "{empty:?}");

    let now = home.sandbox.clock().now();
    let app = "GARMIN_CONNECT_MOBILE_ANDROID_DI_2025Q2";
    let pair = home.world().garmin_login(app, now);
    let native = json!({
        "serviceUrl": "https://mobile.integration.garmin.com/gcm/android",
        "di": {"clientId": app, "token": {
            "access_token": pair.access_token, "refresh_token": pair.refresh_token,
        }},
    });
    std::fs::write(folder.join("native-oauth2.json"), native.to_string()).unwrap();
    let taken = home.run(&import);
    assert_eq!(taken.exit, Some(0), "{taken:?}");
    assert!(taken.stderr.contains("signed out"), "{taken:?}");
    assert_eq!(garmin_login(&home)["kind"], "connect");

    std::fs::write(folder.join("garmin_tokens.json"), "{\"di_token\":").unwrap();
    refused(&home.run(&import), 2, "file");
    std::fs::remove_file(folder.join("garmin_tokens.json")).unwrap();
    std::fs::remove_file(folder.join("native-oauth2.json")).unwrap();
    std::fs::write(folder.join("connect-personal-api-key"), format!("{}\n", garmin::API_KEY)).unwrap();
    let key = home.run(&import);
    assert_eq!(key.exit, Some(0), "{key:?}");
    assert!(!key.stderr.contains("signed out"), "{key:?}");
    assert_eq!(garmin_login(&home)["kind"], "personal");
}

#[test]
fn an_account_in_china_signs_in_to_chinas_services() {
    let mut home = home();
    home.world().garmin.tokens.region = Region::China;
    refused(&home.run_with(&PASSWORD_LOGIN, PASSWORD), 4, "service_refused");
    home.set("FITFERRY_GARMIN__DOMAIN", "garmin.cn");
    let ran = home.run_with(&PASSWORD_LOGIN, PASSWORD);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    let now = home.sandbox.clock().now();
    let ticket = home.world().garmin_ticket("https://mobile.integration.garmin.cn/gcm/ios", now);
    let ran = home.run_with(&["login", "garmin", "--ticket", "-"], &ticket);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
}
