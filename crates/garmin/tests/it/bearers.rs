//! How a bearer is come by, kept, renewed and replayed: what both tiers have in common.

use std::sync::atomic::{AtomicUsize, Ordering};

use fitferry_core::ports::{PortError, SecretName, Source};
use jiff::SignedDuration;

use crate::fakes::{KEY, Stage, jwt, key_login, kind, newest, noon};
use crate::server::{Reply, Seen};

const LIST: &str = "GET /personal/activitylist-service/activities/search/activities";
const EXCHANGE: &str = "POST /personal/personalapitoken-service/personal-api/personal-api-key/token";

#[tokio::test]
async fn a_key_is_exchanged_once_and_the_bearer_is_kept() {
    let stage = Stage::new(Some(&key_login()), garmin).await;
    stage.client.list(newest()).await.unwrap();
    assert_eq!(stage.story.take(), ["take", EXCHANGE, "keep garmin_bearer", "release", LIST]);
    stage.client.list(newest()).await.unwrap();
    assert_eq!(stage.story.take(), [LIST], "an idle tick makes one request and takes no lease");
    let counted = stage.meter.read();
    assert_eq!((counted.tokens, counted.garmin, counted.strava), (1, 2, 0));
    assert_eq!(stage.client.bearer_due(), Some(noon() + SignedDuration::from_hours(23)));
    let requests = stage.server.seen();
    assert_eq!(requests[0].header("authorization"), format!("ApiKey {KEY}"));
    assert_eq!(requests[1].header("authorization"), format!("Bearer {}", day_token("a")));
    assert_eq!(requests[1].header("x-app-ver"), "", "Garmin's app's headers are the other tier's");
}

#[tokio::test]
async fn a_bearer_with_an_hour_left_is_renewed() {
    let stage = Stage::new(Some(&key_login()), garmin).await;
    stage.client.list(newest()).await.unwrap();
    stage.clock.advance(SignedDuration::from_hours(23) - SignedDuration::from_secs(1));
    stage.story.take();
    stage.client.list(newest()).await.unwrap();
    assert_eq!(stage.story.take(), [LIST]);
    stage.clock.advance(SignedDuration::from_secs(1));
    stage.client.list(newest()).await.unwrap();
    assert_eq!(stage.story.take().len(), 5);
}

#[tokio::test]
async fn the_end_of_a_bearer_is_read_against_the_service_s_clock() {
    // Garmin's clock is two hours ahead, so a bearer of 24 hours by ours ends in 22.
    let ahead = "Mon, 23 Nov 2026 14:00:00 GMT";
    let stage = Stage::new(Some(&key_login()), move |seen| garmin(seen).with_header("date", ahead)).await;
    stage.client.list(newest()).await.unwrap();
    assert_eq!(stage.client.bearer_due(), Some(noon() + SignedDuration::from_hours(21)));
}

#[tokio::test]
async fn an_early_renewal_that_fails_leaves_the_old_bearer_in_force() {
    for trouble in [Reply::empty(503), Reply::html(403), Reply::empty(429), Reply::json(200, "{}")] {
        let exchanges = AtomicUsize::new(0);
        let answer = move |seen: &Seen| {
            if seen.is_token_call() && exchanges.fetch_add(1, Ordering::Relaxed) > 0 {
                return trouble.clone();
            }
            garmin(seen)
        };
        let stage = Stage::new(Some(&key_login()), answer).await;
        stage.client.list(newest()).await.unwrap();
        stage.clock.advance(SignedDuration::from_hours(23));
        stage.story.take();
        stage.client.list(newest()).await.unwrap();
        assert_eq!(stage.story.take(), ["take", EXCHANGE, "keep garmin_bearer", "release", LIST]);
        let due = noon() + SignedDuration::from_hours(23) + SignedDuration::from_mins(5);
        assert_eq!(stage.client.bearer_due(), Some(due));
        stage.client.list(newest()).await.unwrap();
        assert_eq!(stage.story.take(), [LIST]);
        // Past its end nothing is left to use.
        stage.clock.advance(SignedDuration::from_hours(1));
        let outcome = stage.client.list(newest()).await;
        assert!(outcome.is_err() && kind(&outcome) != "login needed", "{}", kind(&outcome));
    }
}

#[tokio::test]
async fn a_key_that_is_refused_ends_the_login_even_while_a_bearer_lasts() {
    let exchanges = AtomicUsize::new(0);
    let answer = move |seen: &Seen| {
        if seen.is_token_call() && exchanges.fetch_add(1, Ordering::Relaxed) > 0 {
            return Reply::new(401, "text/plain", format!("Invalid API key {KEY}"));
        }
        garmin(seen)
    };
    let stage = Stage::new(Some(&key_login()), answer).await;
    stage.client.list(newest()).await.unwrap();
    stage.clock.advance(SignedDuration::from_hours(23));
    let failure = stage.client.list(newest()).await.unwrap_err();
    let PortError::LoginNeeded { why, .. } = &failure.error else { panic!("{failure:?}") };
    assert!(why.contains("401") && !why.contains(KEY), "{why}");
}

#[tokio::test]
async fn a_401_renews_the_bearer_and_replays_the_request_once() {
    let stage = Stage::new(Some(&key_login()), revoked(&["a"])).await;
    stage.vault.put(SecretName::GarminBearer, &bearer_for(&key_login(), "a").await);
    stage.client.list(newest()).await.unwrap();
    assert_eq!(stage.story.take(), [LIST, "take", EXCHANGE, "keep garmin_bearer", "release", LIST]);
}

#[tokio::test]
async fn a_401_to_a_bearer_just_issued_is_an_outage() {
    let stage = Stage::new(Some(&key_login()), revoked(&["a", "b"])).await;
    stage.vault.put(SecretName::GarminBearer, &bearer_for(&key_login(), "a").await);
    assert_eq!(kind(&stage.client.list(newest()).await), "refused 401");
    assert_eq!(stage.story.take(), [LIST, "take", EXCHANGE, "keep garmin_bearer", "release", LIST]);
    // Where it was issued for this very request, not even once again.
    let stage = Stage::new(Some(&key_login()), revoked(&["a", "b"])).await;
    assert_eq!(kind(&stage.client.list(newest()).await), "refused 401");
    assert_eq!(stage.story.take(), ["take", EXCHANGE, "keep garmin_bearer", "release", LIST]);
}

#[tokio::test]
async fn what_another_run_has_renewed_is_used() {
    let stage = Stage::new(Some(&key_login()), revoked(&["a"])).await;
    stage.vault.put(SecretName::GarminBearer, &bearer_for(&key_login(), "a").await);
    stage.vault.freeze();
    stage.vault.put(SecretName::GarminBearer, &bearer_for(&key_login(), "c").await);
    stage.client.list(newest()).await.unwrap();
    assert_eq!(stage.story.take(), [LIST, "take", "release", LIST]);
    assert_eq!(stage.meter.read().tokens, 0);
}

#[tokio::test]
async fn without_the_lease_or_a_login_no_request_is_made() {
    let stage = Stage::new(Some(&key_login()), garmin).await;
    stage.lease.taken_by_another.store(true, Ordering::Relaxed);
    assert_eq!(kind(&stage.client.list(newest()).await), "busy");
    assert_eq!(stage.story.take(), [""; 0]);
    let stage = Stage::new(None, garmin).await;
    assert_eq!(kind(&stage.client.list(newest()).await), "login needed");
    assert_eq!(stage.story.take(), [""; 0]);
    let stage = Stage::new(Some(&key_login()), garmin).await;
    stage.vault.put(SecretName::GarminLogin, &"{}".to_owned().into());
    assert_eq!(kind(&stage.client.list(newest()).await), "login needed");
    assert_eq!(stage.server.seen().len(), 0);
}

#[tokio::test]
async fn a_damaged_bearer_is_got_again() {
    let stage = Stage::new(Some(&key_login()), garmin).await;
    stage.vault.put(SecretName::GarminBearer, &"{".to_owned().into());
    stage.client.list(newest()).await.unwrap();
    assert_eq!(stage.meter.read().tokens, 1);
}

#[tokio::test]
async fn a_key_from_outside_stands_above_the_vault() {
    let stage = Stage::new(None, garmin).await;
    let other =
        fitferry_garmin::Login::from_api_key("another-key", None, fitferry_garmin::Domain::Com).unwrap();
    stage.vault.put(SecretName::GarminBearer, &bearer_for(&other, "c").await);
    let Stage { client, story, server, .. } = stage;
    let client = client.with_key(key_login());
    client.list(newest()).await.unwrap();
    assert_eq!(story.take(), ["take", EXCHANGE, "keep garmin_bearer", "release", LIST]);
    assert_eq!(server.seen()[0].header("authorization"), format!("ApiKey {KEY}"));
}

#[tokio::test]
async fn requests_are_spaced_and_the_first_one_is_not_delayed() {
    let spacing = SignedDuration::from_secs(2);
    let stage = Stage::spaced(spacing, Some(&key_login()), garmin).await;
    stage.client.list(newest()).await.unwrap();
    stage.clock.advance(SignedDuration::from_millis(500));
    stage.client.list(newest()).await.unwrap();
    stage.clock.advance(SignedDuration::from_secs(2));
    stage.client.list(newest()).await.unwrap();
    let slept: Vec<u128> = stage.clock.slept().iter().map(std::time::Duration::as_millis).collect();
    assert_eq!(slept, [2000, 1500]);
}

/// What the token endpoint says about a key (dossier garmin.md §0.1, §9).
#[tokio::test]
async fn the_answers_to_a_key_are_told_apart() {
    let jwt_without_end = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln";
    let cases = [
        (Reply::new(400, "text/plain", "bad"), "login needed"),
        (Reply::new(401, "text/plain", ""), "login needed"),
        (Reply::json(403, r#"{"message":"no"}"#), "login needed"),
        (Reply::html(401), "refused 401"),
        (Reply::html(403), "refused 403"),
        (Reply::empty(404), "refused 404"),
        (Reply::empty(302).with_header("location", "https://sso.garmin.com/"), "refused 302"),
        (Reply::empty(429).with_header("retry-after", "14"), "limited 14"),
        (Reply::html(502), "down 502"),
        (Reply::empty(408), "down 408"),
        (Reply::json(200, r#"{"token":"x"}"#), "refused 200"),
        (Reply::html(200), "refused 200"),
        (Reply::empty(200), "refused 200"),
        (Reply::new(200, "text/plain", jwt_without_end), "refused 200"),
        (Reply::new(200, "text/plain", "opaque").cut(), "down 200"),
    ];
    for (reply, expected) in cases {
        let shown = format!("{reply:?}");
        let stage = Stage::new(Some(&key_login()), move |_| reply.clone()).await;
        let outcome = stage.client.list(newest()).await;
        assert_eq!(kind(&outcome), expected, "{shown}");
        let told = outcome.unwrap_err().to_string();
        assert!(!told.contains(jwt_without_end) && !told.contains("opaque"), "{told}");
        assert_eq!(stage.vault.read(SecretName::GarminBearer), None);
    }
}

/// A bearer document as the client writes it, with the token `mark`.
async fn bearer_for(login: &fitferry_garmin::Login, mark: &'static str) -> secrecy::SecretString {
    let exchange = move |seen: &Seen| {
        if seen.is_token_call() { Reply::new(200, "text/plain", day_token(mark)) } else { garmin(seen) }
    };
    let stage = Stage::new(Some(login), exchange).await;
    stage.client.list(newest()).await.unwrap();
    stage.vault.read(SecretName::GarminBearer).unwrap().into()
}

/// A bearer of 24 hours from noon on.
fn day_token(mark: &str) -> String {
    jwt(noon() + SignedDuration::from_hours(24), mark)
}

/// Takes every key and every bearer; nothing is in the list.
fn garmin(seen: &Seen) -> Reply {
    if seen.is_token_call() {
        return Reply::new(200, "text/plain;charset=UTF-8", format!(" {}\n", day_token("a")));
    }
    Reply::json(200, "[]")
}

/// Hands out the bearer `b` and refuses those named.
fn revoked(marks: &[&str]) -> impl Fn(&Seen) -> Reply + Send + Sync + use<> {
    let refused: Vec<String> = marks.iter().map(|mark| format!("Bearer {}", day_token(mark))).collect();
    move |seen| {
        if seen.is_token_call() {
            return Reply::new(200, "text/plain", day_token("b"));
        }
        if refused.iter().any(|bearer| bearer == seen.header("authorization")) {
            let why = r#"Bearer error="invalid_token", error_description="Token is not active""#;
            return Reply::empty(401).with_header("www-authenticate", why);
        }
        Reply::json(200, "[]")
    }
}
