//! What the vault keeps of a login, and when a new one replaces it.

use std::sync::atomic::Ordering;

use fitferry_core::tokens::RotatingLogin;
use fitferry_strava::login::{self, Grant, Login, Scopes, StoreLoginError};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::bench::{ACCESS, REFRESH, SECRET, in_minutes, login_json};
use crate::fakes::MemoryVault;

#[test]
fn a_stored_login_reads_back_as_written() {
    let mut text = login_json(300);
    text["before"] = json!({"access": "b", "refresh": "bb", "expires_at": 1_700_000_000, "skew_s": -7});
    text["aside"] = json!({"access": "c", "refresh": "cc", "expires_at": 1_800_000_000, "skew_s": 0});
    let written = read(&text).write();
    assert_eq!(serde_json::from_str::<Value>(written.expose_secret()).unwrap(), text);
}

#[test]
fn a_login_tells_what_status_shows_and_shows_no_secret() {
    let login = read(&login_json(300));
    assert_eq!(login.athlete().unwrap().to_string(), "Sample Athlete (2000001)");
    assert_eq!(login.app_id().0, "12345");
    assert_eq!(login.scopes().to_string(), "activity:read_all,activity:write,read");
    assert_eq!(login.expires_at(), in_minutes(300));
    assert_eq!(login.refresh_token().expose_secret(), REFRESH);
    assert!(login.sees_private() && !login.scopes_assumed());
    let shown = format!("{login:?} {login:#?}");
    for secret in [ACCESS, REFRESH, SECRET] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn boxes_that_were_not_ticked_are_told_with_what_will_not_work() {
    assert_eq!(Scopes::parse("read,activity:write,activity:read_all").grant(), Grant::Enough);
    assert_eq!(Scopes::parse("read activity:write activity:read_all").grant(), Grant::Enough);
    let short = |list: &str| match Scopes::parse(list).grant() {
        Grant::Short(text) | Grant::Useless(text) => text,
        Grant::Enough => panic!("{list}"),
    };
    assert!(matches!(Scopes::parse("activity:write,activity:read").grant(), Grant::Short(_)));
    assert!(matches!(Scopes::parse("activity:write,read").grant(), Grant::Short(_)));
    assert!(matches!(Scopes::parse("read,activity:read_all").grant(), Grant::Useless(_)));
    assert!(matches!(Scopes::parse("").grant(), Grant::Useless(_)));
    for list in ["activity:write,activity:read", "activity:write", "read"] {
        assert!(short(list).contains("fitferry login strava"), "{list}");
    }
}

#[tokio::test]
async fn a_login_replaces_the_athletes_own_and_whatever_is_unreadable() {
    let new = read(&login_json(300));
    for vault in [MemoryVault::default(), MemoryVault::holding("rubbish"), holding_athlete(2_000_001)] {
        login::store(&vault, &new, false).await.unwrap();
        assert_eq!(vault.text().unwrap(), new.write().expose_secret());
    }
    let nobody = MemoryVault::default();
    assert!(login::stored(&nobody).await.unwrap().is_none());
    login::store(&nobody, &new, false).await.unwrap();
    assert_eq!(login::stored(&nobody).await.unwrap().unwrap().athlete(), new.athlete());
}

#[tokio::test]
async fn another_athletes_login_is_replaced_only_where_that_is_meant() {
    let new = read(&login_json(300));
    let vault = holding_athlete(7);
    let before = vault.text();
    let error = login::store(&vault, &new, false).await.unwrap_err();
    assert!(matches!(error, StoreLoginError::OtherAthlete { .. }));
    assert_eq!(
        error.to_string(),
        "the login here is Sample Athlete (7)'s, the new one is Sample Athlete (2000001)'s"
    );
    assert_eq!(vault.text(), before);
    login::store(&vault, &new, true).await.unwrap();
    assert_eq!(vault.text().unwrap(), new.write().expose_secret());
}

#[tokio::test]
async fn a_login_is_kept_though_other_runs_write_meanwhile() {
    let new = read(&login_json(300));
    let vault = MemoryVault::holding("rubbish");
    *vault.others.lock().unwrap() = vec!["2".to_owned(), "1".to_owned()];
    login::store(&vault, &new, false).await.unwrap();
    assert_eq!(vault.text().unwrap(), new.write().expose_secret());

    *vault.others.lock().unwrap() = vec!["again".to_owned(); 100];
    assert_eq!(login::store(&vault, &new, false).await, Err(StoreLoginError::Busy));

    vault.unwritable.store(true, Ordering::Relaxed);
    assert!(matches!(login::store(&vault, &new, false).await, Err(StoreLoginError::Store(_))));
}

fn read(text: &Value) -> Login {
    Login::read(&SecretString::from(text.to_string())).unwrap()
}

fn holding_athlete(id: u64) -> MemoryVault {
    let mut text = login_json(1);
    text["athlete"]["id"] = json!(id);
    MemoryVault::holding(&text.to_string())
}
