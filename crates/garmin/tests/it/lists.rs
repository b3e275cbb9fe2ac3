//! The list and the single activity: what is asked, and what each answer means.

use fitferry_core::activity::{GarminId, Listed};
use fitferry_core::ports::{Page, Source};
use jiff::SignedDuration;
use jiff::civil::date;

use crate::fakes::{Stage, jwt, key_login, kind, newest, noon};
use crate::server::{Reply, Seen};

#[tokio::test]
async fn a_page_is_asked_for_with_its_dates() {
    let stage = answering(Reply::json(200, "[]")).await;
    let page = Page { start: 40, limit: 20, from: Some(date(2026, 1, 2)), to: Some(date(2026, 11, 23)) };
    stage.client.list(page).await.unwrap();
    stage.client.list(newest()).await.unwrap();
    let queries: Vec<String> = stage.server.seen().iter().map(|seen| seen.query.clone()).collect();
    assert_eq!(
        queries,
        ["", "start=40&limit=20&startDate=2026-01-02&endDate=2026-11-23", "start=0&limit=20"]
    );
}

#[tokio::test]
async fn one_odd_item_does_not_hide_the_others() {
    let body = r#"[{"activityId":1,"distance":"far"},{"activityName":"no id"},null,{"activityId":"2"},[3]]"#;
    let stage = answering(Reply::json(200, body)).await;
    let answer = stage.client.list(newest()).await.unwrap();
    assert_eq!(answer.value, [Listed::bare(GarminId(1)), Listed::bare(GarminId(2))]);
    assert_eq!(answer.server_time, Some(noon()));
}

/// The catalogue for the list (dossier garmin.md §9); a page is never partial.
#[tokio::test]
async fn the_answers_to_a_list_are_told_apart() {
    let cases = [
        (Reply::json(200, "[]"), "ok"),
        (Reply::json(200, ""), "ok"),
        (Reply::empty(204), "ok"),
        (Reply::json(200, "null"), "ok"),
        (Reply::json(200, r#"[{"activityId":1}"#), "refused 200"),
        (Reply::json(200, r#"[{"activityId":1}]"#).cut(), "down 200"),
        (Reply::json(200, r#"{"activities":[]}"#), "refused 200"),
        (Reply::json(200, r#"[{"id":1}]"#), "refused 200"),
        (Reply::html(200), "refused 200"),
        (Reply::json(200, "<html>"), "refused 200"),
        (Reply::empty(301).with_header("location", "https://connect.garmin.com/"), "refused 301"),
        (Reply::json(400, r#"{"message":"bad limit"}"#), "refused 400"),
        (Reply::empty(401), "refused 401"),
        (Reply::empty(402), "refused 402"),
        (Reply::json(403, r#"{"message":"HTTP 403 Forbidden","error":"ForbiddenException"}"#), "refused 403"),
        (Reply::html(403), "refused 403"),
        (Reply::json(404, "{}"), "refused 404"),
        (Reply::html(408), "down 408"),
        (Reply::empty(427), "refused 427"),
        (Reply::empty(429), "limited"),
        (Reply::html(429).with_header("retry-after", "14"), "limited 14"),
        (Reply::json(500, r#"{"message":null,"error":"NullPointerException"}"#), "down 500"),
        (Reply::html(502), "down 502"),
        (Reply::html(503).with_header("retry-after", "60"), "down 503"),
        (Reply::html(504), "down 504"),
        (Reply::empty(520), "down 520"),
    ];
    for (reply, expected) in cases {
        let shown = format!("{reply:?}");
        let stage = answering(reply).await;
        let outcome = stage.client.list(newest()).await;
        assert_eq!(kind(&outcome), expected, "{shown}");
        if let Err(failure) = outcome {
            assert_eq!(failure.server_time, Some(noon()), "{shown}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_repeats_the_bearer_is_quoted_without_it() {
    let stage = Stage::new(Some(&key_login()), |seen| {
        let said = format!("<p>no access for {}</p>", seen.header("authorization"));
        if seen.is_token_call() { token() } else { Reply::new(403, "text/html", said) }
    })
    .await;
    let told = stage.client.list(newest()).await.unwrap_err().to_string();
    assert!(told.contains("403, text/html: <p>no access for Bearer [hidden]</p>"), "{told}");
}

#[tokio::test]
async fn nobody_listening_is_an_outage() {
    let mut stage = answering(Reply::json(200, "[]")).await;
    stage.endpoints.personal = url::Url::parse("http://127.0.0.1:1/").unwrap();
    let client = fitferry_garmin::GarminClient::new(
        stage.http.clone(),
        stage.endpoints.clone(),
        stage.vault.clone(),
        stage.lease.clone(),
        stage.clock.clone(),
        stage.meter.clone(),
        SignedDuration::ZERO,
    );
    assert_eq!(kind(&client.list(newest()).await), "down");
}

#[tokio::test]
async fn one_activity_is_there_or_not() {
    let id = GarminId(20_000_000_001);
    let stage = answering(Reply::json(404, r#"{"message":"HTTP 404 Not Found"}"#)).await;
    assert_eq!(stage.client.activity(id).await.unwrap().value, None);
    let path = "/personal/activity-service/activity/20000000001";
    assert_eq!(stage.server.seen()[1].path, path);
    let stage = answering(Reply::json(200, r#"{"activityId":20000000001,"summaryDTO":7}"#)).await;
    assert_eq!(stage.client.activity(id).await.unwrap().value, Some(Listed::bare(id)));
    for body in ["[]", "7", "", r#"{"activityId":5}"#] {
        let stage = answering(Reply::json(200, body)).await;
        assert_eq!(kind(&stage.client.activity(id).await), "refused 200", "{body}");
    }
}

async fn answering(reply: Reply) -> Stage {
    Stage::new(
        Some(&key_login()),
        move |seen: &Seen| {
            if seen.is_token_call() { token() } else { reply.clone() }
        },
    )
    .await
}

fn token() -> Reply {
    Reply::new(200, "text/plain", jwt(noon() + SignedDuration::from_hours(24), "a"))
}
