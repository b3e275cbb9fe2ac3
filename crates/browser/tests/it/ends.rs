//! Every other end; nothing is left of the browser after any of them.

use std::time::Duration;

use fitferry_browser::{BrowserError, Launch, Outcome, find};

use crate::hand::{Hand, profile, with_hand};
use crate::program::program;
use crate::stage::{DEADLINE, Stage};

#[tokio::test]
async fn a_person_who_closes_the_window_is_believed() {
    let stage = Stage::new();
    let outcome = with_hand(stage.watch(&stage.page, DEADLINE), async {
        let mut hand = Hand::on_page(&stage.arguments(), "/sso/signin").await;
        hand.close_window().await;
    })
    .await;
    assert!(matches!(outcome.unwrap(), Outcome::Closed));
    stage.nothing_is_left();
}

#[tokio::test]
async fn nobody_is_waited_for_longer_than_allowed() {
    let stage = Stage::new();
    let outcome = stage.watch(&stage.page, Duration::from_millis(300)).await;
    assert!(matches!(outcome.unwrap(), Outcome::TimedOut));
    stage.nothing_is_left();
}

#[tokio::test]
async fn whoever_stops_waiting_ends_the_browser_too() {
    let stage = Stage::new();
    let arguments = stage.arguments();
    tokio::select! {
        outcome = stage.watch(&stage.page, DEADLINE) => panic!("{outcome:?}"),
        _ = Hand::on_page(&arguments, "/sso/signin") => {}
    }
    stage.nothing_is_left();
}

#[tokio::test]
async fn a_program_that_is_no_browser_is_told_with_its_last_words_and_ended() {
    let mut stage = Stage::new();
    let folder = tempfile::tempdir().unwrap();
    for (name, script, why) in [
        ("ends", "echo 'no screen here' >&2; exit 3", "it ended at once (exit status: 3): no screen here"),
        // One that leaves another process behind.
        ("hangs", "sleep 600 & echo hm >&2; sleep 600", "it does not say where it listens"),
    ] {
        let arguments = stage.arguments();
        let script = format!("printf '%s\\n' \"$@\" > '{}'\n{script}", arguments.display());
        stage.launch = Launch::new(program(folder.path(), name, &script));
        stage.launch.start_within = Duration::from_millis(500);
        let error = stage.watch(&stage.page, DEADLINE).await.unwrap_err();
        assert!(matches!(error, BrowserError::CannotStart { .. }));
        assert!(error.to_string().contains(why), "{error}");
        stage.nothing_is_left();
        std::fs::remove_file(arguments).unwrap();
    }
    stage.launch = Launch::new(folder.path().join("gone"));
    let error = stage.watch(&stage.page, DEADLINE).await.unwrap_err();
    assert!(matches!(error, BrowserError::CannotStart { .. }), "{error}");
}

#[tokio::test]
async fn the_browser_sees_none_of_our_secrets() {
    let mut stage = Stage::new();
    let folder = tempfile::tempdir().unwrap();
    let arguments = stage.arguments();
    // The variable that cargo sets stands for a secret.
    let script =
        format!("echo \"name=$CARGO_PKG_NAME\" >&2; printf '%s\\n' \"$@\" > '{}'", arguments.display());
    stage.launch = Launch::new(program(folder.path(), "tells", &script));
    for (hidden, expected) in
        [(vec![], "name=fitferry-browser"), (vec!["CARGO_PKG_NAME".to_owned()], "name=")]
    {
        stage.launch.hidden_variables = hidden;
        let error = stage.watch(&stage.page, DEADLINE).await.unwrap_err();
        assert!(error.to_string().ends_with(expected), "{error}");
    }
    let told = std::fs::read_to_string(&arguments).unwrap();
    assert!(!told.contains("/sso/"), "the page is not in the process list: {told}");
    let _ = profile(&arguments).await;
}

#[test]
fn without_any_browser_there_is_a_sentence() {
    let error = find(|_| None).unwrap_err();
    assert!(matches!(error, BrowserError::NoBrowser { .. }) || cfg!(target_os = "macos"));
}
