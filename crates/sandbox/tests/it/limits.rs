//! The account of requests.

use fitferry_sandbox::strava::{CLIENT_ID, LimitBody, Limits, PerWindow, Usage};
use fitferry_sandbox::{Reply, Request, Service};
use jiff::{SignedDuration, Timestamp};

use crate::asked::{ALL, Asked, a_run, is_fault};

#[test]
fn refused_requests_count_and_the_quarter_of_the_hour_sets_back() {
    let mut asked = limited(5, 3);
    let token = asked.strava_token(ALL);
    for _ in 0..3 {
        assert_eq!(asked.strava(&token, "/athlete").status, 200);
    }
    for _ in 0..4 {
        let refused = asked.strava(&token, "/athlete");
        assert!(is_fault(&refused, 429, "Application", "rate limit", "exceeded"));
        assert!(refused.header("retry-after").is_none());
    }
    let refused = asked.strava(&token, "/athlete");
    assert_eq!(usage(&refused), ("8,8", "8,8"));
    asked.now = at("2026-11-23T06:14:59Z");
    assert_eq!(asked.strava(&token, "/athlete").status, 429);
    asked.now = at("2026-11-23T06:15:00Z");
    let fresh = asked.strava(&token, "/athlete");
    assert_eq!((fresh.status, usage(&fresh)), (200, ("1,10", "1,10")));
}

#[test]
fn the_day_ends_at_midnight_of_utc() {
    let mut asked = limited(5, 5);
    let token = asked.strava_token(ALL);
    let full = PerWindow { quarter: 0, day: 2000 };
    let app = asked.world.strava.apps.get_mut(&CLIENT_ID).unwrap();
    app.usage.set(full, full, asked.now);
    assert_eq!(asked.strava(&token, "/athlete").status, 429);
    asked.now = at("2026-11-24T00:00:00Z");
    // The token was made at six and has ended by then.
    let token = asked.strava_token(ALL);
    assert_eq!(usage(&asked.strava(&token, "/athlete")), ("1,1", "1,1"));
}

#[test]
fn uploads_are_charged_overall_only_and_polls_to_both() {
    let mut asked = Asked::new();
    let token = asked.strava_token(ALL);
    let posted = asked.upload(&token, "garmin-1", "fit", &a_run());
    assert_eq!(usage(&posted), ("1,1", ","));
    let id = posted.body_json()["id"].as_u64().unwrap();
    assert_eq!(usage(&asked.strava(&token, &format!("/uploads/{id}"))), ("2,2", "1,1"));
    let put = Request::new("PUT", "/api/v3/activities/1").with_bearer(&token);
    assert_eq!(asked.ask(Service::Strava, &put).status, 404);
    assert_eq!(usage(&asked.strava(&token, "/athlete")), ("4,4", "3,3"));
}

#[test]
fn what_is_said_on_429_differs() {
    for (body, says) in [
        (LimitBody::OverallRateLimit, "\"field\":\"overall rate limit\""),
        (LimitBody::OldStrings, "\"errors\":\"Rate Limit Exceeded\""),
    ] {
        let mut asked = limited(0, 0);
        asked.world.strava.settings.limit_body = body;
        let token = asked.strava_token(ALL);
        let refused = asked.strava(&token, "/athlete");
        assert!(String::from_utf8(refused.body).unwrap().contains(says));
    }
}

#[test]
fn an_unknown_token_counts_for_no_app() {
    let mut asked = Asked::new();
    let refused = asked.strava("nobody", "/athlete");
    assert_eq!((refused.status, refused.header("x-ratelimit-usage")), (401, None));
    let unused = PerWindow { quarter: 0, day: 0 };
    assert_eq!(used(&asked), (unused, unused));
}

fn limited(quarter: u32, read_quarter: u32) -> Asked {
    let mut asked = Asked::new();
    asked.world.strava.settings.limit_body = LimitBody::RateLimit;
    let limits = Limits {
        overall: PerWindow { quarter, day: 2000 },
        read: PerWindow { quarter: read_quarter, day: 1000 },
    };
    asked.world.strava.apps.get_mut(&CLIENT_ID).unwrap().limits = limits;
    asked
}

fn usage(reply: &Reply) -> (&str, &str) {
    let header = |name| reply.header(name).unwrap_or("absent");
    (header("x-ratelimit-usage"), header("x-readratelimit-usage"))
}

fn used(asked: &Asked) -> (PerWindow, PerWindow) {
    let usage: Usage = asked.world.strava.apps[&CLIENT_ID].usage;
    usage.at(asked.now + SignedDuration::ZERO)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}
