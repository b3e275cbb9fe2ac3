//! No secret shown: every command at `-vv`, with secrets that can be told from everything else.

use std::path::Path;

use fitferry_sandbox::{Fault, Options, Route, What, When, garmin, strava};

use fitferry_sandbox::garmin::sso::{EMAIL, Mfa, PASSWORD};

use crate::home::{Home, add_run, world};

/// Keys and tokens that the program learns or is given in this story.
fn canaries(home: &Home) -> Vec<String> {
    let world = home.world();
    let mut canaries = vec![garmin::API_KEY.to_owned(), strava::CLIENT_SECRET.to_owned()];
    canaries.extend(world.strava.issued_tokens());
    canaries.extend(world.garmin.tokens.issued_bearers());
    canaries
}

#[test]
fn no_command_shows_a_secret_in_its_output_its_logs_or_a_file_outside_the_vault() {
    let mut world = world();
    let id = add_run(&mut world, "Morning Run", 1.0).to_string();
    let home = Home::new(world, Options::default());
    let mut shown: Vec<(String, String)> = Vec::new();
    let mut run = |home: &Home, arguments: &[&str], input: &str| {
        let mut all = arguments.to_vec();
        all.push("-vv");
        let ran = home.run_with(&all, input);
        assert_ne!(ran.exit, Some(101), "{ran:?}");
        shown.push((arguments.join(" "), ran.stdout + &ran.stderr));
    };

    // Wrong ones first: an error must not quote what it was given.
    let client_id = strava::CLIENT_ID.to_string();
    let import =
        ["login", "strava", "--client-id", &client_id, "--client-secret-stdin", "--refresh-token-stdin"];
    run(&home, &["login", "garmin", "--api-key-stdin"], "canary-wrong-api-key-1");
    run(&home, &import, "canary-wrong-secret-2\ncanary-wrong-refresh-3\n");
    let tokens = home.path().join("garmin_tokens.json");
    let broken = r#"{"di_token":"canary.wrong.token4","di_refresh_token":"canary-wrong-refresh-5"}"#;
    std::fs::write(&tokens, broken).expect("the folder is writable");
    run(&home, &["login", "garmin", "--import", tokens.to_str().expect("UTF-8")], "");
    let with_password = ["login", "garmin", "--email", EMAIL, "--password-stdin", "--mfa-code", "-"];
    run(&home, &with_password, "canary-wrong-password-6\n");
    home.world().garmin.sso.user(EMAIL).mfa = Some(Mfa::email());
    run(&home, &with_password, &format!("{PASSWORD}\ncanary-wrong-code-7\n"));
    home.world().garmin.sso.user(EMAIL).mfa = None;
    run(&home, &["login", "garmin", "--ticket", "-"], "ST-8-canarywrongticket-sso\n");
    run(&home, &["login", "garmin", "--ticket", "ST-9-canarywrongticket-cas"], "");
    run(&home, &with_password, PASSWORD);
    run(&home, &["doctor"], "");
    run(&home, &["logout", "garmin"], "");
    std::fs::remove_file(&tokens).expect("it was there");

    home.sign_in();
    for arguments in [
        &["sync", "--dry-run"] as &[&str],
        &["sync"],
        &["sync", "--json"],
        &["status"],
        &["status", "--json"],
        &["activities"],
        &["show", &id],
        &["retry", &id],
        &["skip", &id],
        &["config", "show"],
        &["config", "show", "--json"],
        &["config", "check"],
        &["config", "path"],
        &["completions", "bash"],
        &["doctor", "--json"],
        &["demo"],
    ] {
        run(&home, arguments, "");
    }
    // And when things go wrong, with tokens in the answers' neighbourhood.
    for what in [What::Status(503), What::Html(403), What::Status(401), What::CutBody] {
        add_run(&mut home.world(), "Another Run", 0.5);
        home.world().faults.push(Fault { route: Route::Any, when: When::Next(3), what });
        run(&home, &["sync"], "");
    }

    let before_logout = canaries(&home);
    run(&home, &["logout", "strava"], "");

    let mut canaries = before_logout;
    let wrong = [
        "wrong-api-key-1",
        "wrong-secret-2",
        "wrong-refresh-3",
        "wrong.token4",
        "wrong-refresh-5",
        "wrong-password-6",
        "wrong-code-7",
        "canarywrongticket",
        PASSWORD,
    ];
    canaries.extend(wrong.map(str::to_owned));
    assert!(canaries.len() >= 10, "the story made tokens: {canaries:?}");
    for (command, output) in &shown {
        for canary in &canaries {
            // The demo has the sandbox's own key and secret, which are no secrets, and prints neither.
            assert!(!output.contains(canary.as_str()), "`{command}` shows {canary}:\n{output}");
        }
    }
    for (path, content) in files(home.path()) {
        let is_vault = path.contains("fitferry.db") && !path.ends_with(".lock") && !path.ends_with(".tick");
        for canary in canaries.iter().filter(|_| !is_vault) {
            assert!(!content.contains(canary.as_str()), "{path} holds {canary}");
        }
    }
}

fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let content = std::fs::read(&path).expect("the file is readable");
            found.push((path.display().to_string(), String::from_utf8_lossy(&content).into_owned()));
        }
    }
    found
}
