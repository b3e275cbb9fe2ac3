//! Faults: whom they hit, and what is left of the request.

use fitferry_sandbox::{Fault, Reply, Request, Route, Service, What, When, World};
use jiff::SignedDuration;

use crate::asked::{ALL, Asked, a_run};

#[test]
fn a_fault_hits_the_requests_that_it_names() {
    let hits = |when: When| {
        let mut asked = Asked::new();
        let token = asked.strava_token(ALL);
        asked.world.faults.push(Fault { route: Route::StravaAthlete, when, what: What::Status(503) });
        [1, 2, 3, 4].map(|_| {
            asked.pass(SignedDuration::from_secs(1));
            asked.strava(&token, "/athlete/activities");
            asked.strava(&token, "/athlete").status == 503
        })
    };
    let now = Asked::new().now;
    let second = |n| now + SignedDuration::from_secs(n);
    assert_eq!(hits(When::Nth(2)), [false, true, false, false]);
    assert_eq!(hits(When::Next(2)), [true, true, false, false]);
    assert_eq!(hits(When::Always), [true; 4]);
    assert_eq!(hits(When::Until(second(2))), [true, false, false, false]);
    assert_eq!(hits(When::Between(second(2), second(4))), [false, true, true, false]);
    assert_eq!(hits(When::Percent(0)), [false; 4]);
    assert_eq!(hits(When::Percent(100)), [true; 4]);
}

#[test]
fn a_status_comes_without_or_with_the_effect() {
    for (what, uploads) in [(What::Status(502), 0), (What::StatusAfterEffect(502), 1)] {
        let mut asked = Asked::new();
        let token = asked.strava_token(ALL);
        asked.world.faults.push(Fault { route: Route::StravaUpload, when: When::Always, what });
        let answer = asked.upload(&token, "garmin-1", "fit", &a_run());
        assert_eq!((answer.status, answer.header("content-type")), (502, Some("text/html; charset=utf-8")));
        assert_eq!(asked.world.uploads_received(), uploads);
        // Either way Strava has counted it.
        asked.world.faults.clear();
        assert_eq!(asked.strava(&token, "/athlete").header("x-ratelimit-usage"), Some("2,2"));
    }
}

#[test]
fn the_other_answers_are_as_named() {
    let answer = |what| {
        let mut asked = Asked::new();
        asked.world.faults.push(Fault { route: Route::Any, when: When::Always, what });
        asked.ask(Service::GarminApi, &Request::get("/anything"))
    };
    assert_eq!(answer(What::TooManyRequests { retry_after: Some(14) }).header("retry-after"), Some("14"));
    assert_eq!(answer(What::TooManyRequests { retry_after: None }).header("retry-after"), None);
    assert!(answer(What::Html(200)).body.starts_with(b"<!DOCTYPE html>"));
    assert_eq!(answer(What::Html(403)).status, 403);
    let moved = answer(What::Redirect { status: 307, location: "https://elsewhere.example/".into() });
    assert_eq!((moved.status, moved.header("location")), (307, Some("https://elsewhere.example/")));
    assert_eq!(answer(What::Answer(Reply::empty(418))).status, 418);
    assert_eq!(answer(What::Status(403)).body_json()["message"], "HTTP 403");
}

#[test]
fn groups_of_routes_cover_their_members() {
    let hit = |route: Route, service, request: &Request| {
        let mut world = World::empty(1);
        world.faults.push(Fault { route, when: When::Always, what: What::Status(503) });
        world.answer(service, request, Asked::new().now).reply.status == 503
    };
    let token = Request::form("/oauth/token", &[]);
    assert!(hit(Route::AnyToken, Service::Strava, &token));
    assert!(!hit(Route::AnyStravaApi, Service::Strava, &token));
    assert!(hit(Route::AnyStravaApi, Service::Strava, &Request::get("/athlete")));
    assert!(hit(
        Route::AnyGarminApi,
        Service::GarminPersonal,
        &Request::get("/download-service/files/activity/1")
    ));
    assert!(!hit(Route::AnyGarminApi, Service::Strava, &Request::get("/athlete")));
}
