//! `fitferry init`: from nothing to a working setup, and again without harm.

use std::fs;

use fitferry_sandbox::{Fault, Options, Route, What, When, garmin, strava};
use jiff::SignedDuration;
use serde_json::json;

use crate::home::{Home, add_run, list, world};
use crate::login::consent;
use crate::terminal::Terminal;

#[test]
fn somebody_at_a_terminal_gets_from_nothing_to_a_first_run_on_strava() {
    let mut world = world();
    let ids: Vec<u64> = (0..12).map(|day| add_run(&mut world, "Morning Run", f64::from(day) + 0.5)).collect();
    for id in &ids[2..4] {
        world.garmin.activities.get_mut(id).expect("it was added").private = true;
    }
    let mut home = Home::new(world, Options::default());
    home.unset("FITFERRY_SYNC__SINCE");
    let mut terminal = Terminal::start(&home, &["init"]);
    terminal.answer("garmin.cn for China? [garmin.com]:", "");
    terminal.answer("Which one? [key]:", "");
    terminal.answer_unseen("Garmin API key (not shown):", "not-the-key");
    terminal.answer("or nothing if you do not know:", "");
    terminal.answer("Try again? [Y/n]", "");
    terminal.answer("Which one? [key]:", "key");
    terminal.answer_unseen("Garmin API key (not shown):", garmin::API_KEY);
    terminal.answer("or nothing if you do not know:", "365");
    terminal.answer("Its client id:", &strava::CLIENT_ID.to_string());
    terminal.answer_unseen("Client secret (not shown):", strava::CLIENT_SECRET);
    let shown = terminal.until("Paste it here:");
    let url = shown.lines().map(str::trim).find(|line| line.starts_with("http")).expect("an address");
    terminal.line(&consent(url, |form| form));

    // The real last ten, with the word that the next question wants.
    let shown = terminal.answer("* for all [running]:", "");
    assert_eq!(shown.matches("Morning Run").count(), 10, "{shown}");
    assert_eq!(shown.matches("running (private on Garmin)").count(), 2, "{shown}");
    terminal.answer("or all? [", "");
    let shown = terminal.answer("Is that what you want? [Y/n]", "no");
    // The first day is today's, west of everybody.
    assert!(shown.matches("skipped: started before").count() >= 8, "{shown}");
    terminal.answer("* for all [running]:", "running,walking");
    terminal.answer("or all? [", "yesterday");
    terminal.until("That will not do");
    terminal.answer("or all? [", "all");
    let shown = terminal.answer("Is that what you want? [Y/n]", "y");
    assert_eq!(shown.matches("would be uploaded").count(), 11, "{shown}");
    assert!(shown.contains("2 older ones would be uploaded"), "{shown}");
    for id in &ids[2..4] {
        assert!(shown.contains(&id.to_string()), "the private ones can be named: {shown}");
    }
    assert!(shown.contains("in Strava's privacy settings"), "{shown}");
    let shown = terminal.answer("Which one? [cron]:", "");
    assert!(shown.contains("Garmin's own link to Strava is off"), "{shown}");
    let shown = terminal.answer("config.toml? [Y/n]", "");
    assert!(shown.contains("*/5 * * * * FITFERRY_HOME="), "{shown}");
    let (exit, screen) = terminal.end();
    assert_eq!(exit, Some(0), "{screen}");
    for secret in [garmin::API_KEY, strava::CLIENT_SECRET, "not-the-key"] {
        assert!(!screen.contains(secret), "{screen}");
    }

    let text = fs::read_to_string(home.path().join("config.toml")).expect("it was written");
    for line in ["types = [\"running\", \"walking\"]", "since = \"all\"", "# hold ="] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(text.contains(&format!("client_id = \"{}\"", strava::CLIENT_ID)), "{text}");
    assert_eq!(home.run(&["doctor"]).exit, Some(0));
    let ticks = home.sync_until_settled();
    assert_eq!(ticks.iter().map(|tick| list(tick, "published").len()).sum::<usize>(), 12);

    // Again: what is there is said, and Enter keeps all of it.
    let mut terminal = Terminal::start(&home, &["init"]);
    terminal.until("Signed in to Garmin already.");
    terminal.until("Signed in to Strava already.");
    terminal.answer("* for all [running,walking]:", "");
    terminal.answer("or all? [all]:", "");
    let shown = terminal.answer("Is that what you want? [Y/n]", "");
    assert_eq!(shown.matches("uploaded").count(), 10, "{shown}");
    terminal.answer("Which one? [cron]:", "later");
    let (exit, screen) = terminal.end();
    assert_eq!(exit, Some(0), "{screen}");
    assert!(screen.contains("stays as it is."), "{screen}");
    assert_eq!(fs::read_to_string(home.path().join("config.toml")).expect("it is there"), text);
}

#[test]
fn somebody_who_says_no_keeps_the_file_that_is_there() {
    let home = Home::signed_in(world(), Options::default());
    let file = home.path().join("config.toml");
    let mine = "# mine\n[sync]\ntypes = [\"cycling\"] # rides\n";
    fs::write(&file, mine).expect("the folder is writable");
    let mut terminal =
        Terminal::start(&home, &["init", "--types", "running", "--since", "2026-01-01", "--run", "later"]);
    terminal.answer("Is that what you want? [Y/n]", "y");
    let shown = terminal.answer("Change it? [Y/n]", "n");
    assert!(shown.contains("sync.types = [\"running\"]    (was [\"cycling\"])"), "{shown}");
    let (exit, screen) = terminal.end();
    assert_eq!(exit, Some(0), "{screen}");
    assert!(screen.contains("Nothing was written"), "{screen}");
    assert_eq!(fs::read_to_string(&file).expect("it is there"), mine);
}

fn refresh_token(home: &Home) -> String {
    let now = home.sandbox.clock().now();
    home.world().strava_login(&["read", "activity:read_all", "activity:write"], now).refresh_token
}

#[test]
fn a_newcomer_without_a_terminal_gives_every_answer_as_a_flag() {
    let mut world = world();
    let id = add_run(&mut world, "Morning Run", 1.0);
    world.garmin.activities.get_mut(&id).expect("it was added").private = true;
    let home = Home::new(world, Options::default());
    let refresh = refresh_token(&home);
    let client = strava::CLIENT_ID.to_string();
    let init = [
        "init",
        "--domain",
        "garmin.com",
        "--types",
        "running,walking",
        "--since",
        "all",
        "--api-key-stdin",
        "--key-ends",
        "365",
        "--client-id",
        &client,
        "--client-secret-stdin",
        "--refresh-token-stdin",
        "--run",
        "service",
        "--json",
    ];
    let lines = format!("{}\n{}\n{refresh}\n", garmin::API_KEY, strava::CLIENT_SECRET);
    let ran = home.run_with(&init, &lines);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    let document = ran.json();
    assert_eq!(document["config"]["written"], true, "{document}");
    assert_eq!(list(&document, "would").len(), 1, "{document}");
    let recent = &list(&document, "recent")[0];
    assert_eq!((&recent["garmin_id"], &recent["private"]), (&json!(id), &json!(true)), "{document}");
    assert!(
        ran.stderr.contains(&format!("fitferry skip {id}")) && ran.stderr.contains("systemctl"),
        "{ran:?}"
    );
    let file = home.path().join("config.toml");
    let text = fs::read_to_string(&file).expect("it was written");
    assert!(text.contains("types = [\"running\", \"walking\"]") && text.contains("# hold ="), "{text}");
    assert!(!text.contains(strava::CLIENT_SECRET) && !text.contains(garmin::API_KEY), "{text}");
    assert_eq!(home.run(&["config", "check"]).exit, Some(0));

    // Again, with everything there and nothing chosen.
    let again = home.run(&["init", "--json"]);
    assert_eq!(again.exit, Some(0), "{again:?}");
    assert_eq!(again.json()["config"]["written"], false);
    assert_eq!(fs::read_to_string(&file).expect("it is there"), text);

    // One thing anew; what somebody has written there stays, and what changes is said.
    fs::write(&file, format!("# by hand\n{text}")).expect("it is writable");
    let changed = home.run(&["init", "--types", "cycling"]);
    assert_eq!(changed.exit, Some(0), "{changed:?}");
    assert!(
        changed.stderr.contains("sync.types = [\"cycling\"]    (was [\"running\", \"walking\"])"),
        "{changed:?}"
    );
    let text = fs::read_to_string(&file).expect("it is there");
    assert!(text.starts_with("# by hand\n") && text.contains("types = [\"cycling\"]"), "{text}");
    assert_eq!(home.sync_until_settled().iter().map(|tick| list(tick, "published").len()).sum::<usize>(), 0);
}

#[test]
fn what_runs_by_itself_names_whole_paths_wherever_init_was_called() {
    let home = Home::signed_in(world(), Options::default());
    fs::write(home.path().join("mine.toml"), "").expect("the folder is writable");
    for way in ["cron", "service"] {
        let mut command = home.command(&["init", "--yes", "--run", way, "--config", "mine.toml"]);
        command.current_dir(home.path()).env("FITFERRY_HOME", ".");
        let ran: crate::home::Ran = command.output().expect("the program starts").into();
        assert_eq!(ran.exit, Some(0), "{ran:?}");
        for whole in [
            format!("FITFERRY_HOME={}", home.path().display()),
            format!("--config {}", home.path().join("mine.toml").display()),
        ] {
            assert!(ran.stderr.contains(&whole), "{whole} in {ran:?}");
        }
    }
}

#[test]
fn garmins_own_link_is_looked_for_and_how_to_switch_it_off_is_said() {
    let mut world = world();
    world.garmin_link = Some(SignedDuration::from_secs(1));
    add_run(&mut world, "Morning Run", 1.0);
    let home = Home::signed_in(world, Options::default());
    let ran = home.run(&["init", "--json"]);
    assert_eq!((ran.exit, &ran.json()["garmin_link"]), (Some(0), &json!(true)), "{ran:?}");
    assert!(ran.stderr.contains("Switch it off at https://connect.garmin.com/"), "{ran:?}");
}

#[test]
fn all_that_is_missing_without_a_terminal_is_named_at_once_and_nothing_is_asked_of_a_service() {
    let home = Home::new(world(), Options::default());
    let client = strava::CLIENT_ID.to_string();
    let nothing: &[&str] =
        &["--api-key-stdin", "FITFERRY_GARMIN__API_KEY", "--client-id", "--client-secret-stdin"];
    for (arguments, input, named) in [
        (&["init"][..], "", nothing),
        (&["init", "--yes"], "", nothing),
        (&["init", "--api-key-stdin"], garmin::API_KEY, &["--client-id", "--client-secret-stdin"]),
        (&["init", "--client-id", &client], "", &["--api-key-stdin", "FITFERRY_STRAVA__CLIENT_SECRET"]),
        (
            &["init", "--email", "a@example.org", "--client-id", &client, "--client-secret-stdin"],
            "",
            &["--password-stdin", "--mfa-code"],
        ),
        (
            &["init", "--api-key-stdin", "--client-id", &client, "--client-secret-stdin"],
            garmin::API_KEY,
            &["the client secret", "--client-secret-stdin"],
        ),
        (
            &[
                "init",
                "--api-key-stdin",
                "--client-id",
                &client,
                "--client-secret-stdin",
                "--refresh-token-stdin",
            ],
            "the-key\nthe-secret\n",
            &["the refresh token"],
        ),
        (&["init", "--types", ""], "", &["types"]),
        (&["init", "--since", "soon"], "", &["since"]),
        (&["init", "--domain", "garmin.org"], "", &["domain"]),
        (&["init", "--run", "somehow"], "", &["run"]),
        (&["init", "--api-key-stdin", "--browser"], "", &["--browser"]),
    ] {
        let ran = home.run_with(arguments, input);
        assert_eq!(ran.exit, Some(2), "{arguments:?}: {ran:?}");
        for flag in named {
            assert!(ran.stderr.contains(flag), "{arguments:?}, {flag}: {ran:?}");
        }
    }
    assert!(!home.path().join("config.toml").exists());
    assert_eq!(home.mark(), 0, "a request was made");
}

#[test]
fn a_login_that_has_ended_is_made_anew_and_a_service_that_is_down_stops_no_file() {
    let home = Home::signed_in(world(), Options::default());
    home.world().garmin.tokens.revoke_key(garmin::API_KEY);
    home.world().garmin.tokens.revoke_bearers(garmin::ATHLETE);
    home.sync(3);
    let ended = home.run(&["init"]);
    assert_eq!(ended.exit, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("--api-key-stdin"), "{ended:?}");
    home.world().garmin.tokens.add_key(garmin::API_KEY, garmin::ATHLETE);
    let anew = home.run_with(&["init", "--api-key-stdin"], garmin::API_KEY);
    assert_eq!(anew.exit, Some(0), "{anew:?}");

    add_run(&mut home.world(), "Morning Run", 1.0);
    home.world().faults.push(Fault {
        route: Route::AnyStravaApi,
        when: When::Always,
        what: What::Status(503),
    });
    let down = home.run(&["init", "--since", "2026-01-01", "--json"]);
    assert_eq!(down.exit, Some(4), "{down:?}");
    assert_eq!(down.json()["config"]["written"], true);
}
