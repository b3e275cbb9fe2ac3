//! Tokens that rotate: no pair that was read from an answer is ever lost.

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use fitferry_core::ports::{PortError, SecretName, Source};
use jiff::SignedDuration;

use crate::fakes::{Stage, jwt, kind, newest, noon, token_login};
use crate::server::{Reply, Seen};

const LIST: &str = "GET /api/activitylist-service/activities/search/activities";
const TOKEN: &str = "POST /auth/di-oauth2-service/oauth/token";

#[tokio::test]
async fn a_new_pair_is_durable_before_it_is_used() {
    let stage = Stage::new(Some(&ended()), garmin("r-1")).await;
    stage.client.list(newest()).await.unwrap();
    let story = [
        "take",
        // That the vault can be written is tried before Garmin ends the old pair.
        "keep garmin_login",
        TOKEN,
        "keep garmin_login",
        "keep garmin_bearer",
        "release",
        LIST,
    ];
    assert_eq!(stage.story.take(), story);
    let login = stage.vault.read(SecretName::GarminLogin).unwrap();
    assert!(login.contains("r-2") && login.contains("r-1"), "the pair before is kept too");
    let requests = stage.server.seen();
    assert_eq!(requests[0].body, "grant_type=refresh_token&client_id=APP&refresh_token=r-1");
    // `APP:` in base64: the app's name and an empty secret.
    assert_eq!(requests[0].header("authorization"), "Basic QVBQOg==");
    assert_eq!(requests[0].header("cache-control"), "no-cache");
    for request in &requests {
        assert_eq!(request.header("user-agent"), "GCM-Android-5.23");
        assert_eq!(request.header("x-app-ver"), "10861");
    }
    assert_eq!(requests[1].header("accept"), "application/json");
}

#[tokio::test]
async fn an_access_token_that_lasts_is_used_without_renewing_it() {
    let login = token_login(SignedDuration::from_hours(5), "r-1");
    let stage = Stage::new(Some(&login), garmin("r-1")).await;
    stage.client.list(newest()).await.unwrap();
    assert_eq!(stage.story.take(), ["take", "keep garmin_bearer", "release", LIST]);
    assert_eq!(stage.client.bearer_due(), Some(noon() + SignedDuration::from_hours(4)));
}

#[tokio::test]
async fn no_token_is_risked_while_the_vault_cannot_be_written() {
    let stage = Stage::new(Some(&ended()), garmin("r-1")).await;
    stage.vault.full.store(true, Ordering::Relaxed);
    assert_eq!(kind(&stage.client.list(newest()).await), "store");
    assert_eq!(stage.server.seen().len(), 0);
}

#[tokio::test]
async fn the_pair_before_is_tried_once_before_the_login_counts_as_ended() {
    // This Garmin takes the first refresh token again and again, and never one that it has handed out.
    let stage = Stage::new(Some(&ended()), garmin("r-1")).await;
    stage.client.list(newest()).await.unwrap();
    stage.clock.advance(SignedDuration::from_hours(48));
    stage.story.take();
    stage.client.list(newest()).await.unwrap();
    let tokens = stage.story.take().iter().filter(|line| *line == TOKEN).count();
    assert_eq!(tokens, 2);

    let stage = Stage::new(Some(&ended()), |_| invalid_grant("Invalid refresh token: x")).await;
    assert_eq!(kind(&stage.client.list(newest()).await), "login needed");
    assert_eq!(stage.meter.read().tokens, 1);
}

#[tokio::test]
async fn a_401_renews_the_pair_and_replays_once() {
    let login = token_login(SignedDuration::from_hours(5), "r-1");
    let imported = format!("Bearer {}", jwt(noon() + SignedDuration::from_hours(5), "imported"));
    let answer = garmin("r-1");
    let stage = Stage::new(Some(&login), move |seen| {
        if seen.header("authorization") == imported { Reply::empty(401) } else { answer(seen) }
    })
    .await;
    stage.client.list(newest()).await.unwrap();
    let story = stage.story.take();
    assert_eq!(story[..4], ["take", "keep garmin_bearer", "release", LIST]);
    assert_eq!(story[4..6], ["take", "keep garmin_login"]);
    assert_eq!(story[6..], [TOKEN, "keep garmin_login", "keep garmin_bearer", "release", LIST]);
}

#[tokio::test]
async fn an_answer_that_lacks_something_still_gives_a_pair() {
    let cases = [
        // No refresh token: the old one stays (dossier garmin.md §4.3).
        (
            format!(r#"{{"access_token":"{}"}}"#, jwt(noon() + SignedDuration::from_hours(4), "n")),
            "r-1",
            3 * 60,
        ),
        // An access token that only the answer tells the end of.
        (r#"{"access_token":"opaque","refresh_token":"r-9","expires_in":"14400"}"#.to_owned(), "r-9", 3 * 60),
        // Nothing tells the end: it is renewed within the hour.
        (r#"{"access_token":"opaque","refresh_token":"r-9","expires_in":null}"#.to_owned(), "r-9", 45),
    ];
    for (body, refresh, due_min) in cases {
        let stage = Stage::new(Some(&ended()), move |seen| {
            if seen.is_token_call() { Reply::json(200, body.clone()) } else { Reply::json(200, "[]") }
        })
        .await;
        stage.client.list(newest()).await.unwrap();
        let login = stage.vault.read(SecretName::GarminLogin).unwrap();
        assert!(login.contains(&format!(r#""refresh":"{refresh}""#)), "{login}");
        assert_eq!(stage.client.bearer_due(), Some(noon() + SignedDuration::from_mins(due_min)));
    }
}

/// What the token endpoint says about a pair (dossier garmin.md §4.4, §9).
#[tokio::test]
async fn the_answers_to_a_refresh_token_are_told_apart() {
    let cases = [
        (invalid_grant("Invalid refresh token: r-1"), "login needed"),
        (Reply::json(401, r#"{"error":"invalid_client"}"#), "login needed"),
        (Reply::json(400, r#"{"error":"invalid_request"}"#), "refused 400"),
        (Reply::empty(401), "refused 401"),
        (Reply::html(400), "refused 400"),
        (Reply::html(403), "refused 403"),
        (Reply::empty(307).with_header("location", "/elsewhere"), "refused 307"),
        (Reply::empty(429).with_header("retry-after", "Mon, 23 Nov 2026 12:01:30 GMT"), "limited 90"),
        (Reply::empty(429), "limited"),
        (Reply::html(503), "down 503"),
        (Reply::json(200, r#"{"refresh_token":"r-2"}"#), "refused 200"),
        (Reply::json(200, "[]"), "refused 200"),
        (Reply::html(200), "refused 200"),
        (Reply::json(200, r#"{"access_token":"a"#).cut(), "down 200"),
    ];
    for (reply, expected) in cases {
        let shown = format!("{reply:?}");
        let stage = Stage::new(Some(&ended()), move |_| reply.clone()).await;
        let outcome = stage.client.list(newest()).await;
        assert_eq!(kind(&outcome), expected, "{shown}");
        let failure = outcome.unwrap_err();
        assert!(!failure.to_string().contains("r-1"), "{failure}");
        assert_eq!(failure.server_time, Some(noon()), "{shown}");
        let login = stage.vault.read(SecretName::GarminLogin).unwrap();
        assert!(login.contains("r-1"), "the old pair stays");
    }
}

#[tokio::test]
async fn an_account_of_the_other_domain_is_told_so() {
    let stage =
        Stage::new(Some(&ended()), |_| invalid_grant("User doesn't exist in DB for GarminGUID: 0-0")).await;
    let failure = stage.client.list(newest()).await.unwrap_err();
    let PortError::LoginNeeded { why, .. } = &failure.error else { panic!("{failure:?}") };
    assert!(why.contains("garmin.cn"), "{why}");
}

/// A login whose access token has ended.
fn ended() -> fitferry_garmin::Login {
    token_login(SignedDuration::from_secs(-60), "r-1")
}

fn invalid_grant(description: &str) -> Reply {
    Reply::json(400, format!(r#"{{"error":"invalid_grant","error_description":"{description}"}}"#))
}

/// Takes one refresh token only, and hands out `r-2` with two days, `r-3` with three and so on.
fn garmin(takes: &'static str) -> impl Fn(&Seen) -> Reply + Send + Sync {
    let issued = Mutex::new(1);
    move |seen| {
        if !seen.is_token_call() {
            return Reply::json(200, "[]");
        }
        if !seen.body.ends_with(&format!("refresh_token={takes}")) {
            return invalid_grant("Invalid refresh token");
        }
        let mut number = issued.lock().unwrap();
        *number += 1;
        let token = jwt(noon() + SignedDuration::from_hours(24 * i64::from(*number)), &number.to_string());
        let body = format!(
            r#"{{"access_token":"{token}","refresh_token":"r-{number}","refresh_token_expires_in":2591999}}"#
        );
        Reply::json(200, body)
    }
}
