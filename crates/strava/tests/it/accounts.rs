//! The budget: charged before each request, corrected by each answer, obeyed (invariant 4).

use std::collections::BTreeSet;

use fitferry_core::activity::UploadId;
use fitferry_core::budget::{Full, FullReason, Kind, Purpose};
use fitferry_core::ports::{AppId, Destination, Requests};
use fitferry_strava::Endpoints;

use crate::bench::{Bench, CLIENT_ID, TAKEN, in_minutes, login_text, name, now, send_name, window};
use crate::server::{Reply, Server};

#[tokio::test]
async fn every_request_is_charged_before_and_corrected_after_by_the_services_time() {
    let server = Server::start(|request| {
        let reply = match request.method.as_str() {
            // As Strava answers a POST: the read headers are empty.
            "POST" => Reply::json(201, TAKEN).with("X-ReadRateLimit-Usage", ","),
            _ => Reply::json(200, "[]").with("X-ReadRateLimit-Usage", "8,90"),
        };
        reply
            .with("X-RateLimit-Limit", "400,4000")
            .with("X-RateLimit-Usage", "9,152")
            .with("X-ReadRateLimit-Limit", "200,2000")
            .with("Date", "Mon, 23 Nov 2026 06:08:00 GMT")
    })
    .await;
    let endpoints = Endpoints { api: server.base.clone(), oauth: server.base.clone() };
    let bench = Bench::over(server, endpoints, &login_text(300), Purpose::Backfill);
    bench.client.find(window(), &BTreeSet::new()).await.unwrap();
    let answer = bench.client.upload(&bench.an_upload()).await.unwrap();

    let app = AppId(CLIENT_ID.to_owned());
    assert_eq!(
        *bench.budget.charges.lock().unwrap(),
        [
            (app.clone(), Kind::Read, Purpose::Backfill, now()),
            // By what the first answer told of the service's clock.
            (app, Kind::Upload, Purpose::Backfill, in_minutes(1)),
        ]
    );
    let corrections = bench.budget.corrections.lock().unwrap();
    assert_eq!(corrections.len(), 2);
    assert_eq!(corrections[1].1, in_minutes(1));
    assert_eq!((corrections[1].0.read.used_15min, corrections[1].0.read.limit_15min), (None, Some(200)));
    let usage = answer.usage.unwrap();
    assert_eq!((usage.overall_day.used, usage.overall_day.limit), (153, 4000), "the larger of both counts");
    assert_eq!((usage.read_15min.used, usage.read_15min.limit), (8, 200));
}

#[tokio::test]
async fn what_the_account_refuses_is_not_asked() {
    let until = in_minutes(8);
    let table = [
        (FullReason::Spent, "budget full until 2026-11-23T06:15:00Z"),
        (FullReason::Limited, "limited until 2026-11-23T06:15:00Z"),
        (FullReason::Inactive, "inactive until 2026-11-23T06:15:00Z"),
    ];
    for (why, expected) in table {
        let bench = Bench::new(|_| Reply::json(200, "[]")).await;
        *bench.budget.full.lock().unwrap() = Some(Full { until, why });
        let failure = bench.client.find(window(), &BTreeSet::new()).await.unwrap_err();
        assert_eq!(name(&failure.error), expected);
        let failure = bench.client.confirm(UploadId(1)).await.unwrap_err();
        assert_eq!(name(&failure.error), expected);
        let error = bench.client.upload(&bench.an_upload()).await.unwrap_err();
        assert_eq!(send_name(&error), format!("not taken: {expected}"));
        assert!(bench.server.requests().is_empty());
        assert_eq!(bench.meter.read(), Requests::default());
    }
}

#[tokio::test]
async fn pages_stop_where_the_budget_ends() {
    let full_page =
        format!("[{}]", (1..=200).map(|id| format!("{{\"id\":{id}}}")).collect::<Vec<_>>().join(","));
    let bench = Bench::new(move |_| {
        Reply::json(200, &full_page)
            .with("X-ReadRateLimit-Usage", "100,100")
            .with("X-RateLimit-Usage", "100,100")
    })
    .await;
    let failure = bench.client.find(window(), &BTreeSet::new()).await.unwrap_err();
    assert_eq!(name(&failure.error), "budget full until 2026-11-23T06:15:00Z");
    assert_eq!(bench.server.requests().len(), 1);
}

#[tokio::test]
async fn the_account_is_shown_without_a_request_and_is_nobodys_without_a_login() {
    let bench = Bench::new(|_| Reply::HangUp).await;
    assert_eq!(bench.client.budget(now()).await.unwrap().unwrap().overall_day.limit, 2000);
    assert!(bench.server.requests().is_empty());
    bench.vault.set("{}");
    assert_eq!(bench.client.budget(now()).await.unwrap(), None);
}
