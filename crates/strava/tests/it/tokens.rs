//! A login stays good, and no rotated token is lost (rule *Tokens*, invariant 3).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fitferry_core::activity::UploadId;
use fitferry_core::ports::{Destination, PortError, Requests};
use serde_json::json;

use crate::bench::{
    ACCESS, Bench, CREDENTIALS, REFRESH, REFRESH_DEAD, SECRET, TOKEN_VOID, login_json, login_text, name,
    new_pair, window,
};
use crate::fakes::MemoryVault;
use crate::server::{Reply, Request};

#[tokio::test]
async fn a_token_is_renewed_with_45_minutes_left_and_not_before() {
    for (left, tokens) in [(300, 0), (46, 0), (45, 0), (44, 1), (1, 1), (0, 1), (-500, 1)] {
        let bench = Bench::with(&login_text(left), renewing).await;
        look(&bench).await.unwrap();
        assert_eq!(bench.meter.read(), Requests { garmin: 0, strava: 1, tokens }, "{left} min left");
        let expected = if tokens == 0 { ACCESS } else { "new-access-token" };
        let last = bench.server.requests().pop().unwrap();
        assert_eq!(last.header("authorization"), format!("Bearer {expected}"), "{left} min left");
    }
}

#[tokio::test]
async fn a_refresh_is_a_form_without_a_bearer_and_costs_no_quota() {
    let bench = Bench::with(&login_text(10), renewing).await;
    look(&bench).await.unwrap();
    let refresh = &bench.server.requests()[0];
    assert_eq!((refresh.method.as_str(), refresh.target.as_str()), ("POST", "/oauth/token"));
    assert_eq!(refresh.header("authorization"), "");
    let form: Vec<_> = refresh.form().into_iter().collect();
    let expected = [
        ("client_id", "12345"),
        ("client_secret", SECRET),
        ("grant_type", "refresh_token"),
        ("refresh_token", REFRESH),
    ];
    assert_eq!(form, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert_eq!(bench.budget.charges.lock().unwrap().len(), 1, "the look's");
}

#[tokio::test]
async fn the_new_pair_is_durable_before_it_is_used_and_the_old_one_is_kept_beside_it() {
    let bench = Bench::with(&login_text(10), renewing).await;
    look(&bench).await.unwrap();
    let stored = bench.stored();
    assert_eq!(stored["current"]["access"], "new-access-token");
    assert_eq!(stored["current"]["refresh"], "new-refresh-token");
    assert_eq!(stored["before"]["refresh"], REFRESH);
    assert_eq!(stored["athlete"]["id"], 2_000_001);
    assert_eq!(stored["client_secret"], SECRET);
}

#[tokio::test]
async fn a_login_that_nobody_can_write_is_not_renewed() {
    let bench = Bench::with(&login_text(10), renewing).await;
    bench.vault.unwritable.store(true, Ordering::Relaxed);
    let failure = look(&bench).await.unwrap_err();
    assert_eq!(name(&failure), "store");
    assert!(bench.server.requests().is_empty(), "the old pair still works");
}

#[tokio::test]
async fn a_run_that_finds_the_vault_changed_uses_what_is_there() {
    let bench = Bench::with(&login_text(10), renewing).await;
    let mut theirs = login_json(300);
    theirs["current"]["access"] = json!("their-access-token");
    *bench.vault.others.lock().unwrap() = vec![theirs.to_string()];
    look(&bench).await.unwrap();
    let requests = bench.server.requests();
    assert_eq!(requests[0].header("authorization"), "Bearer their-access-token", "nothing was renewed");
}

#[tokio::test]
async fn a_pair_that_was_read_while_another_run_wrote_is_kept_aside() {
    let hand = Arc::new(OnceLock::<Arc<MemoryVault>>::new());
    let vault = hand.clone();
    let mut theirs = login_json(300);
    theirs["current"]["access"] = json!("their-access-token");
    let bench = Bench::with(&login_text(10), move |request: &Request| {
        if request.is_token() {
            vault.get().unwrap().set(&theirs.to_string());
        }
        renewing(request)
    })
    .await;
    hand.set(bench.vault.clone()).ok().unwrap();
    look(&bench).await.unwrap();
    assert_eq!(bench.stored()["current"]["access"], "their-access-token");
    assert_eq!(bench.stored()["aside"]["refresh"], "new-refresh-token");
    assert_eq!(bench.server.requests()[1].header("authorization"), "Bearer their-access-token");
}

#[tokio::test]
async fn an_early_renewal_that_fails_leaves_the_old_token_in_use_while_it_lasts() {
    let replies = [
        Reply::html(503, "<html>"),
        Reply::HangUp,
        Reply::Cut { status: 200, body: b"{\"access".to_vec() },
        Reply::json(429, "{}"),
        Reply::html(200, "<html>Welcome</html>"),
        Reply::json(200, "{}"),
        Reply::html(302, ""),
    ];
    for reply in replies {
        let script = move |request: &Request| match request.is_token() {
            true => reply.clone(),
            false => Reply::json(200, "[]"),
        };
        let bench = Bench::with(&login_text(20), script.clone()).await;
        look(&bench).await.unwrap();
        look(&bench).await.unwrap();
        assert_eq!(bench.meter.read().tokens, 1, "a token endpoint in trouble is left alone for a while");
        bench.clock.advance(Duration::from_secs(6 * 60));
        look(&bench).await.unwrap();
        assert_eq!(bench.meter.read(), Requests { garmin: 0, strava: 3, tokens: 2 });
        assert_eq!(bench.stored()["current"]["refresh"], REFRESH);

        let bench = Bench::with(&login_text(0), script).await;
        assert!(look(&bench).await.is_err(), "an ended token is not used");
        assert_eq!(bench.meter.read(), Requests { garmin: 0, strava: 0, tokens: 1 });
    }
}

#[tokio::test]
async fn the_token_endpoints_word_ends_a_login_and_the_apps_trouble_does_not() {
    let table = [
        (Reply::json(400, REFRESH_DEAD), "login needed"),
        (Reply::json(401, CREDENTIALS), "misconfigured"),
        (
            Reply::json(
                400,
                r#"{"errors":[{"resource":"Application","field":"client_id","code":"invalid"}]}"#,
            ),
            "misconfigured",
        ),
    ];
    for (reply, expected) in table {
        let bench = Bench::with(&login_text(10), move |_| reply.clone()).await;
        let before = bench.stored();
        assert_eq!(name(&look(&bench).await.unwrap_err()), expected);
        assert_eq!(bench.stored(), before, "nothing is deleted");
    }
}

#[tokio::test]
async fn the_pairs_before_and_aside_are_tried_once_before_a_login_has_ended() {
    let mut login = login_json(10);
    for (slot, refresh) in [("before", "older-refresh-token"), ("aside", "aside-refresh-token")] {
        login[slot] = json!({"access": "a", "refresh": refresh, "expires_at": 1, "skew_s": 0});
    }
    let bench = Bench::with(&login.to_string(), |request: &Request| {
        match (request.is_token(), request.form().get("refresh_token").map(String::as_str)) {
            (false, _) => Reply::json(200, "[]"),
            (true, Some("older-refresh-token")) => new_pair("new"),
            (true, _) => Reply::json(400, REFRESH_DEAD),
        }
    })
    .await;
    look(&bench).await.unwrap();
    let tried: Vec<_> =
        bench.server.requests().iter().filter_map(|r| r.form().get("refresh_token").cloned()).collect();
    assert_eq!(tried, [REFRESH, "aside-refresh-token", "older-refresh-token"]);
    assert_eq!(bench.stored()["current"]["refresh"], "new-refresh-token");
    assert_eq!(bench.stored()["before"]["refresh"], "older-refresh-token");
}

#[tokio::test]
async fn where_another_run_holds_the_lease_this_one_leaves() {
    let bench = Bench::with(&login_text(10), renewing).await;
    bench.lease.taken_by_another.store(true, Ordering::Relaxed);
    assert_eq!(name(&look(&bench).await.unwrap_err()), "busy");
    assert!(bench.server.requests().is_empty());
}

#[tokio::test]
async fn a_token_that_another_run_renewed_meanwhile_is_used_without_a_refresh() {
    let turn = AtomicU32::new(0);
    let hand = Arc::new(OnceLock::<Arc<MemoryVault>>::new());
    let vault = hand.clone();
    let bench = Bench::new(move |request: &Request| {
        assert!(!request.is_token());
        if turn.fetch_add(1, Ordering::Relaxed) > 0 {
            assert_eq!(request.header("authorization"), "Bearer their-access-token");
            return Reply::json(200, "[]");
        }
        let mut theirs = login_json(300);
        theirs["current"]["access"] = json!("their-access-token");
        vault.get().unwrap().set(&theirs.to_string());
        Reply::json(401, TOKEN_VOID)
    })
    .await;
    hand.set(bench.vault.clone()).ok().unwrap();
    look(&bench).await.unwrap();
    assert_eq!(bench.meter.read(), Requests { garmin: 0, strava: 2, tokens: 0 });
}

#[tokio::test]
async fn the_same_pair_again_is_as_good_as_a_new_one() {
    // With more than an hour left Strava hands out what it has (dossier strava.md §1.5).
    let bench = Bench::new(|request: &Request| {
        if !request.is_token() {
            return Reply::json(401, TOKEN_VOID);
        }
        let body = json!({"access_token": ACCESS, "refresh_token": REFRESH, "expires_in": 18_000});
        Reply::json(200, &body.to_string())
    })
    .await;
    assert_eq!(name(&look(&bench).await.unwrap_err()), "down 401");
    assert_eq!(bench.server.requests().len(), 3);
    assert_eq!(bench.stored()["current"]["refresh"], REFRESH);
}

#[tokio::test]
async fn what_a_refresh_leaves_out_is_as_it_was() {
    let bodies = [
        json!({"access_token": "new-access-token", "expires_in": 21_600}),
        json!({"refresh_token": "new-refresh-token", "expires_at": 1}),
        json!({"access_token": "new-access-token", "refresh_token": "new-refresh-token"}),
    ];
    let mut kept = Vec::new();
    for body in bodies {
        let text = body.to_string();
        let bench = Bench::with(&login_text(20), move |request: &Request| match request.is_token() {
            true => Reply::json(200, &text),
            false => Reply::json(200, "[]"),
        })
        .await;
        look(&bench).await.unwrap();
        let current = bench.stored()["current"].clone();
        let left = current["expires_at"].as_i64().unwrap() - crate::bench::now().as_second();
        kept.push(format!("{} {} {}", current["access"], current["refresh"], left / 60));
    }
    assert_eq!(
        kept,
        [
            format!("\"new-access-token\" \"{REFRESH}\" 360"),
            format!("\"{ACCESS}\" \"new-refresh-token\" 20"),
            "\"new-access-token\" \"new-refresh-token\" 60".to_owned(),
        ]
    );
}

#[tokio::test]
async fn time_left_is_told_by_the_services_clock() {
    // Our clock is an hour slow; the login knows, from when its tokens were issued.
    let mut login = login_json(90);
    login["current"]["skew_s"] = json!(3600);
    let bench = Bench::with(&login.to_string(), renewing).await;
    look(&bench).await.unwrap();
    assert_eq!(bench.meter.read().tokens, 1);

    // A `Date` that this process has seen says more.
    let bench = Bench::with(&login_text(90), |request: &Request| {
        let reply = if request.is_token() { new_pair("new") } else { Reply::json(200, "[]") };
        reply.with("Date", "Mon, 23 Nov 2026 07:07:00 GMT")
    })
    .await;
    look(&bench).await.unwrap();
    assert_eq!(bench.meter.read().tokens, 0);
    look(&bench).await.unwrap();
    assert_eq!(bench.meter.read().tokens, 1);
    assert_eq!(bench.stored()["current"]["skew_s"], 3600);
}

#[tokio::test]
async fn without_a_login_or_with_an_unreadable_one_a_person_must_sign_in() {
    for text in ["", "{}", "not JSON", r#"{"client_id": "the-secret-is-here", "client_secret": 7}"#] {
        let bench = Bench::with(text, renewing).await;
        let error = look(&bench).await.unwrap_err();
        assert_eq!(name(&error), "login needed");
        assert!(!error.to_string().contains("the-secret-is-here"));
        assert!(bench.server.requests().is_empty());
    }
}

#[tokio::test]
async fn no_secret_is_in_an_error_though_the_answer_repeats_it() {
    let echo = |request: &Request| {
        let words = format!("{} {:?}", request.header("authorization"), request.form());
        match request.is_token() {
            true => Reply::json(400, &json!({"message": words}).to_string()),
            false => Reply::json(404, &json!({"message": words}).to_string()),
        }
    };
    for left in [300, 0] {
        let bench = Bench::with(&login_text(left), echo).await;
        let failure = bench.client.confirm(UploadId(1)).await;
        let looked = look(&bench).await;
        let shown = format!("{failure:?} {looked:?} {looked:#?}");
        for secret in [ACCESS, REFRESH, SECRET] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

async fn look(bench: &Bench) -> Result<(), PortError> {
    bench.client.find(window(), &BTreeSet::new()).await.map(drop).map_err(|failure| failure.error)
}

/// An empty list, and a new pair for whoever asks.
fn renewing(request: &Request) -> Reply {
    if request.is_token() { new_pair("new") } else { Reply::json(200, "[]") }
}
