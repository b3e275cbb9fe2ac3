//! A look over a window is complete or an error (rule *Fresh eyes*).

use std::collections::BTreeSet;

use fitferry_core::activity::{Distance, Found, StravaId, UploadId};
use fitferry_core::ports::{Destination, Look, Requests, Sight};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::bench::{Bench, TOKEN_VOID, login_json, name, new_pair, window};
use crate::server::{Reply, Request};

#[tokio::test]
async fn a_page_of_fewer_than_150_ends_the_window() {
    for (sizes, pages) in [
        (vec![0], 1),
        (vec![149], 1),
        (vec![200, 0], 2),
        // A short page of 150 or more is not the last one.
        (vec![150, 200, 151, 3], 4),
        (vec![200, 200, 200, 200, 149], 5),
    ] {
        let expected: usize = sizes.iter().sum();
        let bench = Bench::new(paged(sizes.clone())).await;
        let Look::Complete(sight) = look(&bench).await else { panic!("{sizes:?}") };
        assert_eq!(sight.found.len(), expected, "{sizes:?}");
        assert!(sight.sees_private);
        let requests = bench.server.requests();
        assert_eq!(requests.len(), pages, "{sizes:?}");
        for (index, request) in requests.iter().enumerate() {
            let query = request.query();
            assert_eq!(request.path(), "/api/v3/athlete/activities");
            assert_eq!(query["page"], (index + 1).to_string());
            assert_eq!(query["per_page"], "200");
            assert_eq!(query["after"], requests[0].query()["after"]);
            assert_eq!(query["before"], requests[0].query()["before"]);
            assert!(!request.target.contains("token"), "the token is in the header only");
        }
    }
}

#[tokio::test]
async fn more_than_five_pages_are_too_wide_and_a_sixth_is_not_read() {
    let bench = Bench::new(paged(vec![200, 200, 200, 200, 150, 7])).await;
    assert_eq!(look(&bench).await, Look::TooWide);
    assert_eq!(bench.server.requests().len(), 5);
    assert_eq!(bench.meter.read(), Requests { garmin: 0, strava: 5, tokens: 0 });
}

#[tokio::test]
async fn a_look_ends_when_it_has_shown_what_was_asked_for() {
    let bench = Bench::new(paged(vec![200, 200, 200])).await;
    let wanted: BTreeSet<_> = [UploadId(1_000_003), UploadId(1_000_250)].into();
    let answer = bench.client.find(window(), &wanted).await.unwrap();
    let Look::Complete(sight) = answer.value else { panic!() };
    assert_eq!(sight.found.len(), 400);
    assert_eq!(bench.server.requests().len(), 2);
}

#[tokio::test]
async fn an_item_that_two_pages_show_is_one() {
    let bench = Bench::new(|request: &Request| match request.query()["page"].as_str() {
        "1" => list(1..=200),
        _ => list(200..=210),
    })
    .await;
    let Look::Complete(sight) = look(&bench).await else { panic!() };
    assert_eq!(sight.found.len(), 210);
}

#[tokio::test]
async fn a_page_that_fails_is_an_error_and_never_a_partial_look() {
    let table = [
        (Reply::HangUp, "down -"),
        (Reply::Cut { status: 200, body: b"[{\"id\":1}".to_vec() }, "down 200"),
        (Reply::json(200, "[{\"id\":1},"), "down 200"),
        (Reply::json(200, ""), "down 200"),
        (Reply::html(200, "<html>Sign in</html>"), "refused 200"),
        (Reply::json(200, r#"{"message":"odd"}"#), "refused 200"),
        (Reply::json(200, r#"[{"name":"no id"},[7],null]"#), "refused 200"),
        (Reply::html(502, "<h1>Bad Gateway</h1>"), "down 502"),
        (Reply::json(408, ""), "down 408"),
        (Reply::json(302, "").with("Location", "/"), "refused 302"),
        (Reply::json(404, ""), "refused 404"),
        (
            Reply::json(400, r#"{"errors":[{"resource":"Application","field":"after","code":"future"}]}"#),
            "refused 400",
        ),
        (Reply::json(429, "{}"), "limited until 2026-11-23T06:15:00Z"),
    ];
    for (reply, expected) in table {
        let second = reply.clone();
        let bench = Bench::new(move |request: &Request| match request.query()["page"].as_str() {
            "1" => list(1..=200),
            _ => second.clone(),
        })
        .await;
        let failure = bench.client.find(window(), &BTreeSet::new()).await.unwrap_err();
        assert_eq!(name(&failure.error), expected, "{reply:?}");
        assert_eq!(bench.server.requests().len(), 2, "{reply:?}");
    }
}

#[tokio::test]
async fn a_401_between_two_pages_renews_the_token_and_goes_on() {
    let bench = Bench::new(|request: &Request| {
        if request.is_token() {
            return new_pair("new");
        }
        match (request.query()["page"].as_str(), request.header("authorization")) {
            ("1", _) => list(1..=200),
            (_, "Bearer new-access-token") => list(201..=205),
            _ => Reply::json(401, TOKEN_VOID),
        }
    })
    .await;
    let Look::Complete(sight) = look(&bench).await else { panic!() };
    assert_eq!(sight.found.len(), 205);
    assert_eq!(bench.server.requests().len(), 4);
}

#[tokio::test]
async fn without_the_scope_a_look_says_that_it_does_not_see_everything() {
    let mut login = login_json(300);
    login["scopes"] = json!(["activity:read", "activity:write"]);
    let bench = Bench::with(&login.to_string(), paged(vec![3])).await;
    let Look::Complete(Sight { sees_private, .. }) = look(&bench).await else { panic!() };
    assert!(!sees_private);
}

#[tokio::test]
async fn fields_of_every_kind_are_read_and_what_cannot_be_read_is_missing() {
    let item = |item: Value| async move {
        let body = json!([item]).to_string();
        let bench = Bench::new(move |_| Reply::json(200, &body)).await;
        let Look::Complete(sight) = look(&bench).await else { panic!() };
        sight.found[0].clone()
    };
    let full = item(json!({
        "resource_state": 2, "id": 16_185_205_521_u64, "name": "Run", "distance": 13_994.6,
        "moving_time": 4496, "elapsed_time": 4626, "type": "Run", "sport_type": "TrailRun",
        "start_date": "2018-11-28T20:11:32Z", "start_date_local": "2018-11-28T15:11:32Z",
        "utc_offset": -18000.0, "start_latlng": [], "upload_id": 8_919_698_041_u64,
        "upload_id_str": "8919698041", "external_id": "garmin-1.fit", "future_field": {"a": [1]},
    }))
    .await;
    let expected = Found {
        id: StravaId(16_185_205_521),
        name: Some("Run".to_owned()),
        external_id: Some("garmin-1.fit".to_owned()),
        upload_id: Some(UploadId(8_919_698_041)),
        start: Some("2018-11-28T20:11:32Z".parse().unwrap()),
        start_hidden: false,
        local_date: Some("2018-11-28".parse().unwrap()),
        elapsed: Some(SignedDuration::from_secs(4626)),
        moving: Some(SignedDuration::from_secs(4496)),
        distance: Distance::from_meters(13_994.6),
        sport_type: Some("TrailRun".to_owned()),
    };
    assert_eq!(full, expected);

    let bare = Found {
        id: StravaId(7),
        name: None,
        external_id: None,
        upload_id: None,
        start: None,
        start_hidden: false,
        local_date: None,
        elapsed: None,
        moving: None,
        distance: None,
        sport_type: None,
    };
    assert_eq!(item(json!({"id": 7})).await, bare);
    let odd = json!({
        "id": "7", "name": 5, "external_id": "", "upload_id": null, "start_date": "yesterday",
        "start_date_local": "2018-13-99T99:00:00Z", "elapsed_time": 0, "moving_time": "long",
        "distance": -1, "sport_type": null, "type": [],
    });
    assert_eq!(item(odd).await, bare);

    let ints = item(json!({
        "id": 7, "distance": 1000, "elapsed_time": 60.5, "type": "SomethingNew", "upload_id_str": "9",
    }))
    .await;
    let expected = Found {
        distance: Distance::from_meters(1000.0),
        elapsed: Some(SignedDuration::from_millis(60_500)),
        sport_type: Some("SomethingNew".to_owned()),
        upload_id: Some(UploadId(9)),
        ..bare.clone()
    };
    assert_eq!(ints, expected);

    let hidden = item(json!({
        "id": 7, "start_date": "2026-11-20T00:00:01Z", "start_date_local": "2026-11-20T00:00:01Z",
    }))
    .await;
    let expected = Found { start_hidden: true, local_date: Some("2026-11-20".parse().unwrap()), ..bare };
    assert_eq!(hidden, expected);
}

#[tokio::test]
async fn an_item_without_an_id_is_stepped_over_while_others_have_one() {
    let bench = Bench::new(|_| Reply::json(200, r#"[{"id":1},{"id":-5},{"id":1.5},{},"x",{"id":2}]"#)).await;
    let Look::Complete(sight) = look(&bench).await else { panic!() };
    let ids: Vec<_> = sight.found.iter().map(|found| found.id.0).collect();
    assert_eq!(ids, [1, 2]);
}

async fn look(bench: &Bench) -> Look {
    bench.client.find(window(), &BTreeSet::new()).await.unwrap().value
}

/// Pages of these sizes, then empty ones.
fn paged(sizes: Vec<usize>) -> impl Fn(&Request) -> Reply + Send + Sync + 'static {
    move |request| {
        let page: usize = request.query()["page"].parse().unwrap();
        let before: usize = sizes[..(page - 1).min(sizes.len())].iter().sum();
        let size = sizes.get(page - 1).copied().unwrap_or_default();
        list(before + 1..=before + size)
    }
}

/// Activities with these ids, and uploads a million above.
fn list(ids: impl Iterator<Item = usize>) -> Reply {
    let items: Vec<_> = ids.map(|id| json!({"id": id, "upload_id": 1_000_000 + id})).collect();
    Reply::json(200, &Value::Array(items).to_string())
}
