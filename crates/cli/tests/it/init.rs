//! `fitferry init`: from nothing to a working setup, and again without harm.

use fitferry_sandbox::{Options, garmin, strava};

use crate::home::{Home, add_run, list, world};

#[test]
fn a_newcomer_ends_with_logins_a_file_and_a_look_at_what_would_cross() {
    let mut world = world();
    add_run(&mut world, "Morning Run", 1.0);
    let home = Home::new(world, Options::default());
    let refresh = {
        let now = home.sandbox.clock().now();
        home.world().strava_login(&["read", "activity:read_all", "activity:write"], now).refresh_token
    };
    let id = strava::CLIENT_ID.to_string();
    let init = [
        "init",
        "--types",
        "running,walking",
        "--since",
        "all",
        "--api-key-stdin",
        "--client-id",
        &id,
        "--client-secret-stdin",
        "--refresh-token-stdin",
        "--json",
    ];
    let lines = format!("{}\n{}\n{refresh}\n", garmin::API_KEY, strava::CLIENT_SECRET);
    let ran = home.run_with(&init, &lines);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    let document = ran.json();
    assert_eq!(document["config"]["written"], true, "{document}");
    assert_eq!(list(&document, "would").len(), 1, "{document}");
    let file = home.path().join("config.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("types = [\"running\", \"walking\"]") && text.contains("# hold ="), "{text}");
    assert!(!text.contains(strava::CLIENT_SECRET) && !text.contains(garmin::API_KEY), "{text}");
    assert_eq!(home.run(&["config", "check"]).exit, Some(0));

    // Again, with everything there and nothing chosen.
    let again = home.run(&["init", "--json"]);
    assert_eq!(again.exit, Some(0), "{again:?}");
    assert_eq!(again.json()["config"]["written"], false);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);

    // One thing anew; what somebody has written there stays.
    std::fs::write(&file, format!("# by hand\n{text}")).unwrap();
    let changed = home.run(&["init", "--types", "cycling"]);
    assert_eq!(changed.exit, Some(0), "{changed:?}");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("# by hand\n") && text.contains("types = [\"cycling\"]"), "{text}");
    assert_eq!(home.sync_until_settled().iter().map(|tick| list(tick, "published").len()).sum::<usize>(), 0);
}

#[test]
fn what_is_wrong_or_missing_ends_with_2_and_leaves_no_file() {
    let home = Home::new(world(), Options::default());
    for arguments in [
        &["init"][..],
        &["init", "--types", ""],
        &["init", "--since", "soon"],
        &["init", "--domain", "garmin.org"],
    ] {
        let ran = home.run(arguments);
        assert_eq!(ran.exit, Some(2), "{arguments:?}: {ran:?}");
    }
    assert!(!home.path().join("config.toml").exists());
    assert_eq!(home.mark(), 0, "a request was made");
}
