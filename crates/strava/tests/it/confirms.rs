//! What became of one upload, and the probe of the credentials.

use fitferry_core::activity::{StravaId, UploadId};
use fitferry_core::budget::Kind;
use fitferry_core::ports::{Destination, Processing};

use crate::bench::{Bench, CREDENTIALS, INACTIVE, TOKEN_VOID, name, new_pair};
use crate::server::Reply;

#[tokio::test]
async fn one_read_tells_what_became_of_an_upload() {
    let bench = Bench::new(|_| {
        Reply::json(200, r#"{"id":55,"status":"Your activity is ready.","activity_id":987,"error":null}"#)
            .with("x-ratelimit-usage", "3,4")
            .with("Date", "Mon, 23 Nov 2026 06:07:01 GMT")
    })
    .await;
    let answer = bench.client.confirm(UploadId(55)).await.unwrap();
    assert_eq!(answer.value, Processing::Ready(StravaId(987)));
    assert_eq!(answer.usage.unwrap().overall_day.used, 4);
    assert_eq!(answer.server_time, Some("2026-11-23T06:07:01Z".parse().unwrap()));
    assert_eq!(bench.server.calls(), ["GET /api/v3/uploads/55"]);
    assert_eq!(bench.budget.kinds(), [Kind::Read], "a confirmation counts as a read");
}

#[tokio::test]
async fn an_upload_that_strava_does_not_know_is_a_value() {
    for reply in [Reply::json(404, ""), Reply::json(404, r#"{"message":"Resource Not Found"}"#)] {
        let bench = Bench::new(move |_| reply.clone()).await;
        assert_eq!(bench.client.confirm(UploadId(1)).await.unwrap().value, Processing::Unknown);
    }
}

#[tokio::test]
async fn what_is_no_answer_is_a_failure() {
    let table = [
        (Reply::HangUp, "down -"),
        (Reply::Cut { status: 200, body: b"{\"id\":5".to_vec() }, "down 200"),
        (Reply::html(200, "<html>"), "refused 200"),
        (Reply::json(200, "[55]"), "refused 200"),
        (Reply::html(503, "<html>"), "down 503"),
        (Reply::json(403, INACTIVE), "inactive until 2026-11-24T06:07:00Z"),
        (Reply::json(401, CREDENTIALS), "misconfigured"),
        (Reply::json(410, ""), "refused 410"),
        (Reply::html(301, "").with("Location", "/elsewhere"), "refused 301"),
    ];
    for (reply, expected) in table {
        let script = reply.clone();
        let bench = Bench::new(move |_| script.clone()).await;
        let failure = bench.client.confirm(UploadId(1)).await.unwrap_err();
        assert_eq!(name(&failure.error), expected, "{reply:?}");
        assert_eq!(bench.server.requests().len(), 1, "{reply:?}");
    }
}

#[tokio::test]
async fn a_401_twice_is_an_outage_and_no_end_of_the_login() {
    let bench =
        Bench::new(|request| if request.is_token() { new_pair("new") } else { Reply::json(401, TOKEN_VOID) })
            .await;
    let failure = bench.client.confirm(UploadId(1)).await.unwrap_err();
    assert_eq!(name(&failure.error), "down 401");
    assert_eq!(bench.server.requests().len(), 3);
    assert_eq!(bench.stored()["current"]["access"], "new-access-token", "the new pair is kept");
}

#[tokio::test]
async fn the_probe_tells_who_is_signed_in() {
    let bench = Bench::new(|_| {
        Reply::json(200, r#"{"id":2000001,"username":"u","firstname":"Sample","lastname":"Athlete"}"#)
    })
    .await;
    let athlete = bench.client.athlete().await.unwrap().value.unwrap();
    assert_eq!(athlete.to_string(), "Sample Athlete (2000001)");
    assert_eq!(bench.server.calls(), ["GET /api/v3/athlete"]);
}
