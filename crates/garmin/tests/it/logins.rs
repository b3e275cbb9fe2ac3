//! A new login: tried, then kept; and what is kept when the trial ends badly.

use std::sync::atomic::Ordering;

use fitferry_core::ports::{Failure, SecretName};
use fitferry_garmin::Login;
use fitferry_garmin::login::{ProvenLogin, prove, store};
use jiff::SignedDuration;
use secrecy::ExposeSecret;

use crate::fakes::{Stage, jwt, key_login, kind, noon, token_login};
use crate::server::{Reply, Seen};

const SETTINGS: &str = "GET /personal/userprofile-service/userprofile/settings";
const PROFILE: &str = "GET /api/userprofile-service/socialProfile";
const TOKEN: &str = "POST /auth/di-oauth2-service/oauth/token";

#[tokio::test]
async fn a_key_is_proven_by_its_exchange_and_one_request() {
    let stage = Stage::new(None, garmin).await;
    let proven = trial(&stage, key_login()).await.unwrap();
    assert_eq!(stage.story.take()[1..], [SETTINGS]);
    assert_eq!(proven.account.as_deref(), Some("sample-user"));
    assert_eq!(proven.login.proven_at(), Some(noon()));
    assert_eq!(stage.vault.read(SecretName::GarminLogin), None, "nothing is kept before it has worked");

    stage.vault.put(SecretName::GarminLogin, &"rubbish".to_owned().into());
    stage.vault.put(SecretName::GarminBearer, &"rubbish".to_owned().into());
    store(&*stage.vault, &proven).await.unwrap();
    assert_eq!(stage.story.take(), ["keep garmin_login", "keep garmin_bearer"]);
    use fitferry_core::ports::Source;
    stage.client.list(crate::fakes::newest()).await.unwrap();
    assert_eq!(stage.meter.read().tokens, 1, "the bearer of the trial is used");
}

#[tokio::test]
async fn imported_tokens_are_used_as_they_are_while_they_last() {
    let stage = Stage::new(None, garmin).await;
    let proven = trial(&stage, token_login(SignedDuration::from_mins(20), "r-1")).await.unwrap();
    assert_eq!(stage.story.take(), [PROFILE]);
    assert_eq!(proven.login.kind(), "connect");
    assert_eq!(proven.account.as_deref(), Some("sample-user"));
}

#[tokio::test]
async fn imported_tokens_that_end_soon_are_renewed_and_kept_at_once() {
    let stage = Stage::new(None, garmin).await;
    let proven = trial(&stage, token_login(SignedDuration::from_mins(14), "r-1")).await.unwrap();
    assert_eq!(stage.story.take(), [TOKEN, "keep garmin_login", PROFILE]);
    store(&*stage.vault, &proven).await.unwrap();
    assert!(stage.vault.read(SecretName::GarminLogin).unwrap().contains("r-2"));
    let ends = proven.login.ends().unwrap();
    assert_eq!(ends, noon() + SignedDuration::from_secs(2_591_999));
}

#[tokio::test]
async fn a_renewed_pair_is_in_the_vault_whatever_becomes_of_the_trial() {
    for (reply, expected) in [
        (Reply::empty(401), "login needed"),
        (Reply::html(401), "refused 401"),
        (Reply::empty(503), "down 503"),
        (Reply::html(200), "refused 200"),
    ] {
        let stage =
            Stage::new(None, move |seen| if seen.is_token_call() { garmin(seen) } else { reply.clone() })
                .await;
        let outcome = trial(&stage, token_login(SignedDuration::ZERO, "r-1")).await;
        assert_eq!(kind(&outcome), expected);
        let kept = stage.vault.read(SecretName::GarminLogin).unwrap();
        assert!(kept.contains("r-2"), "{kept}");
        assert_eq!(stage.vault.read(SecretName::GarminBearer), None);
    }
}

#[tokio::test]
async fn a_login_that_does_not_work_replaces_nothing() {
    let stage = Stage::new(Some(&key_login()), |seen| {
        let refused = r#"{"error":"invalid_grant","error_description":"Invalid refresh token"}"#;
        if seen.is_token_call() { Reply::json(400, refused) } else { Reply::empty(401) }
    })
    .await;
    for login in [token_login(SignedDuration::from_hours(9), "r-1"), key_login()] {
        assert_eq!(kind(&trial(&stage, login).await), "login needed");
    }
    let kept = stage.vault.read(SecretName::GarminLogin).unwrap();
    assert_eq!(kept, key_login().write().expose_secret());
}

#[tokio::test]
async fn imported_tokens_are_not_spent_where_they_could_not_be_kept() {
    let stage = Stage::new(None, garmin).await;
    stage.vault.full.store(true, Ordering::Relaxed);
    assert_eq!(kind(&trial(&stage, token_login(SignedDuration::ZERO, "r-1")).await), "store");
    assert_eq!(stage.server.seen().len(), 0);
}

#[tokio::test]
async fn an_account_without_a_name_is_one_all_the_same() {
    let stage =
        Stage::new(None, |seen| if seen.is_token_call() { garmin(seen) } else { Reply::empty(204) }).await;
    assert_eq!(trial(&stage, key_login()).await.unwrap().account, None);
}

async fn trial(stage: &Stage, login: Login) -> Result<ProvenLogin, Failure> {
    prove(&stage.http, &stage.endpoints, &*stage.vault, login, &*stage.clock, &stage.meter).await
}

fn garmin(seen: &Seen) -> Reply {
    let token = jwt(noon() + SignedDuration::from_hours(24), "new");
    match seen.path.as_str() {
        path if path.ends_with("/personal-api-key/token") => Reply::new(200, "text/plain", token),
        path if path.ends_with("/oauth/token") => Reply::json(
            200,
            format!(
                r#"{{"access_token":"{token}","refresh_token":"r-2","refresh_token_expires_in":2591999}}"#
            ),
        ),
        path if path.contains("/userprofile-service/") => {
            Reply::json(200, r#"{"displayName":"sample-user","timeZone":"Europe/Paris"}"#)
        }
        _ => Reply::json(200, "[]"),
    }
}
