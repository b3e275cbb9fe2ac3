//! A token of another tool: proven before it replaces the login in force, and never lost on the way.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use fitferry_core::budget::Kind;
use fitferry_core::ports::{Failure, Vault as _};
use fitferry_strava::login::{App, Login, store, stored};
use fitferry_strava::oauth::import_refresh_token;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::bench::{
    Bench, CLIENT_ID, CREDENTIALS, NO_WRITE, REFRESH, REFRESH_DEAD, SECRET, login_json, name, new_pair,
};
use crate::fakes::MemoryVault;
use crate::server::{Reply, Request};

const GIVEN: &str = "of-another-tool";

#[tokio::test]
async fn another_tools_token_is_proven_by_a_listing_and_an_upload_without_a_file() {
    let bench = Bench::new(good).await;
    let login = import(&bench, GIVEN).await.unwrap();
    assert_eq!(login.athlete().unwrap().to_string(), "Sample (2000001)");
    assert!(login.sees_private() && login.scopes_assumed());
    assert_eq!(login.refresh_token().expose_secret(), "new-refresh-token");
    let requests = bench.server.requests();
    assert_eq!(requests[0].form()["refresh_token"], GIVEN);
    assert_eq!(requests[2].query()["per_page"], "1");
    assert_eq!(
        bench.server.calls(),
        [
            "POST /oauth/token",
            "GET /api/v3/athlete",
            "GET /api/v3/athlete/activities",
            "POST /api/v3/uploads"
        ]
    );
    assert_eq!(bench.budget.kinds(), [Kind::Read, Kind::Read, Kind::Upload]);
}

#[tokio::test]
async fn the_new_pair_is_in_the_vault_before_the_first_request_that_proves_it() {
    let another_app = changed(|text| text["client_id"] = json!("999"));
    let another_athlete = changed(|text| text["athlete"]["id"] = json!(7));
    for before in [None, Some("rubbish".to_owned()), Some(another_app), Some(another_athlete)] {
        let vault: Arc<OnceLock<Arc<MemoryVault>>> = Arc::default();
        let (seen, own) = (Arc::<OnceLock<String>>::default(), before.clone());
        let (looks_into, notes) = (vault.clone(), seen.clone());
        let bench = Bench::with(before.as_deref().unwrap_or_default(), move |request: &Request| {
            if !request.is_token() {
                notes.get_or_init(|| looks_into.get().unwrap().text().unwrap_or_default());
            }
            good(request)
        })
        .await;
        assert!(vault.set(bench.vault.clone()).is_ok());
        if before.is_none() {
            bench.vault.remove(fitferry_core::ports::SecretName::StravaLogin).await.unwrap();
        }
        import(&bench, GIVEN).await.unwrap();
        let kept: Value = serde_json::from_str(seen.get().unwrap()).unwrap();
        match own.and_then(|own| serde_json::from_str::<Value>(&own).ok()) {
            None => assert_eq!(kept["current"]["refresh"], "new-refresh-token", "{before:?}"),
            Some(own) => {
                assert_eq!(kept["current"], own["current"], "the old login is in force: {before:?}");
                assert_eq!(kept["incoming"]["current"]["refresh"], "new-refresh-token", "{before:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_probe_that_fails_leaves_the_old_login_in_force_and_the_new_pair_beside_it() {
    let no_read = NO_WRITE.replace("write", "read");
    let table = [
        (Reply::json(401, &no_read), Reply::HangUp, "login needed", 2),
        (Reply::html(503, ""), Reply::HangUp, "down 503", 2),
        (Reply::HangUp, Reply::HangUp, "down -", 2),
        (Reply::json(200, "[]"), Reply::json(401, NO_WRITE), "login needed", 3),
        (Reply::json(200, "[]"), Reply::json(401, ""), "login needed", 3),
        (Reply::json(200, "[]"), Reply::json(401, CREDENTIALS), "misconfigured", 3),
        (Reply::json(200, "[]"), Reply::json(429, ""), "limited until 2026-11-23T06:15:00Z", 3),
        (Reply::json(200, "[]"), Reply::json(201, r#"{"id":1}"#), "refused 201", 3),
    ];
    for (list, upload, expected, probes) in table {
        let there = changed(|text| text["athlete"]["id"] = json!(7));
        let bench = Bench::with(&there, move |request: &Request| match request.path() {
            "/api/v3/athlete/activities" => list.clone(),
            "/api/v3/uploads" => upload.clone(),
            _ => good(request),
        })
        .await;
        assert_eq!(name(&import(&bench, GIVEN).await.unwrap_err().error), expected);
        assert_eq!(bench.meter.read().strava, probes, "{expected}");
        let kept = bench.stored();
        assert_eq!(kept["incoming"]["current"]["refresh"], "new-refresh-token", "{expected}");
        assert_eq!(kept["incoming"]["athlete"]["id"], 2_000_001, "{expected}");
        assert_eq!(without(kept, "incoming").to_string(), there, "{expected}");
    }
}

#[tokio::test]
async fn a_token_whose_first_import_was_cut_short_goes_on_from_what_it_was_traded_for() {
    // Strava takes each token once.
    let traded = |request: &Request| match (request.is_token(), request.form().get("refresh_token")) {
        (true, Some(token)) if token == GIVEN => new_pair("second"),
        (true, Some(token)) if token == "second-refresh-token" => new_pair("third"),
        (true, _) => Reply::json(400, REFRESH_DEAD),
        (false, _) => Reply::html(503, ""),
    };
    let other = changed(|text| text["athlete"]["id"] = json!(7));
    for there in ["rubbish", other.as_str()] {
        let bench = Bench::with(there, traded).await;
        assert_eq!(name(&import(&bench, GIVEN).await.unwrap_err().error), "down 503");

        let again =
            Bench::with(&bench.vault.text().unwrap(), move |request: &Request| match request.is_token() {
                true if request.form()["refresh_token"] == GIVEN => Reply::json(400, REFRESH_DEAD),
                true => traded(request),
                false => good(request),
            })
            .await;
        let login = import(&again, GIVEN).await.unwrap();
        assert_eq!(login.refresh_token().expose_secret(), "third-refresh-token");
        assert!(store(&*again.vault, &login, false).await.is_err() == (there == other));
        store(&*again.vault, &login, true).await.unwrap();
        assert_eq!(again.stored()["current"]["refresh"], "third-refresh-token");
        assert_eq!(again.stored().get("incoming"), None);
    }
}

#[tokio::test]
async fn a_pair_of_the_login_in_force_is_its_renewal() {
    // By its token, before anybody has said whose it is; or by the athlete, whose one grant it is.
    for (given, aside) in [(REFRESH, None), (GIVEN, Some(REFRESH))] {
        let bench = Bench::new(move |request: &Request| match request.path() {
            "/oauth/token" => new_pair("new"),
            "/api/v3/athlete" if given == REFRESH => Reply::html(503, ""),
            "/api/v3/athlete" => good(request),
            _ => Reply::html(503, ""),
        })
        .await;
        assert_eq!(name(&import(&bench, given).await.unwrap_err().error), "down 503");
        let kept = bench.stored();
        assert_eq!(kept["current"]["refresh"], "new-refresh-token");
        assert_eq!(kept["before"]["refresh"], given);
        assert_eq!(kept["aside"]["refresh"].as_str(), aside);
        assert_eq!((kept.get("incoming"), &kept["scopes"]), (None, &login_json(0)["scopes"]));
    }
}

#[tokio::test]
async fn whose_token_it_is_may_stay_untold_but_not_beside_somebodys_login() {
    let other = changed(|text| text["athlete"]["id"] = json!(7));
    for (there, expected) in [("rubbish", None), (other.as_str(), Some("down 503"))] {
        let bench = Bench::with(there, |request: &Request| match request.path() {
            "/api/v3/athlete" => Reply::html(503, ""),
            _ => good(request),
        })
        .await;
        let error = import(&bench, GIVEN).await.err().map(|failure| name(&failure.error));
        assert_eq!(error.as_deref(), expected);
    }
}

#[tokio::test]
async fn what_another_run_writes_meanwhile_is_kept_too() {
    let theirs = changed(|text| {
        text["athlete"]["id"] = json!(7);
        text["current"]["refresh"] = json!("of-another-run");
    });
    let vault: Arc<OnceLock<Arc<MemoryVault>>> = Arc::default();
    let (reached, writes) = (vault.clone(), theirs.clone());
    let bench = Bench::with(&theirs, move |request: &Request| {
        if request.is_token() {
            reached.get().unwrap().others.lock().unwrap().push(writes.clone());
        }
        good(request)
    })
    .await;
    assert!(vault.set(bench.vault.clone()).is_ok());
    import(&bench, GIVEN).await.unwrap();
    assert_eq!(bench.stored()["current"]["refresh"], "of-another-run");
    assert_eq!(bench.stored()["incoming"]["current"]["refresh"], "new-refresh-token");
}

#[tokio::test]
async fn a_token_that_is_refused_is_no_login_and_changes_nothing() {
    let bench = Bench::new(|_| Reply::json(400, REFRESH_DEAD)).await;
    let before = bench.vault.text();
    assert_eq!(name(&import(&bench, GIVEN).await.unwrap_err().error), "login needed");
    assert_eq!(bench.vault.text(), before);
    bench.vault.remove(fitferry_core::ports::SecretName::StravaLogin).await.unwrap();
    assert_eq!(name(&import(&bench, GIVEN).await.unwrap_err().error), "login needed");
    assert!(stored(&*bench.vault).await.unwrap().is_none());
}

#[tokio::test]
async fn a_vault_that_cannot_be_written_is_noticed_before_the_token_is_spent() {
    let bench = Bench::new(good).await;
    bench.vault.unwritable.store(true, Ordering::Relaxed);
    assert_eq!(name(&import(&bench, GIVEN).await.unwrap_err().error), "store");
    assert_eq!(bench.server.calls(), [""; 0]);
}

/// Strava, with everything granted.
fn good(request: &Request) -> Reply {
    match (request.method.as_str(), request.path()) {
        ("POST", "/oauth/token") => new_pair("new"),
        ("GET", "/api/v3/athlete/activities") => Reply::json(200, "[]"),
        ("POST", "/api/v3/uploads") => Reply::json(400, r#"{"message":"Bad Request","errors":[]}"#),
        ("GET", "/api/v3/athlete") => Reply::json(200, r#"{"id":2000001,"firstname":"Sample"}"#),
        other => panic!("{other:?}"),
    }
}

/// A stored login that differs from the usual one.
fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut text = login_json(300);
    change(&mut text);
    text.to_string()
}

fn without(mut text: Value, key: &str) -> Value {
    text.as_object_mut().unwrap().remove(key);
    text
}

async fn import(bench: &Bench, token: &str) -> Result<Login, Failure> {
    let app = App { client_id: CLIENT_ID.to_owned(), client_secret: SECRET.to_owned().into() };
    import_refresh_token(&bench.connection, &*bench.vault, &app, token.to_owned().into()).await
}
