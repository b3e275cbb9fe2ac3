//! Consent, codes and tokens of Strava.

use fitferry_sandbox::strava::{ATHLETE, CLIENT_ID, Rotation, StravaAthlete};
use fitferry_sandbox::{Reply, Request, Service};
use jiff::SignedDuration;
use url::Url;

use crate::asked::{ALL, Asked, is_fault};

#[test]
fn a_rotated_refresh_token_ends_at_once_and_both_access_tokens_live_on() {
    let mut asked = Asked::new();
    let first_access = asked.strava_token(ALL);
    let first = refresh_token(&asked);
    asked.pass(SignedDuration::from_hours(5));
    let minted = asked.refresh(&first).body_json();
    let second = minted["refresh_token"].as_str().unwrap();
    assert_ne!(second, first);
    assert!(is_fault(&asked.refresh(&first), 400, "RefreshToken", "refresh_token", "invalid"));
    assert_eq!(asked.strava(&first_access, "/athlete").status, 200);
    assert_eq!(asked.strava(minted["access_token"].as_str().unwrap(), "/athlete").status, 200);
    asked.pass(SignedDuration::from_hours(1));
    assert!(is_fault(&asked.strava(&first_access, "/athlete"), 401, "Athlete", "access_token", "invalid"));
}

#[test]
fn more_than_an_hour_before_its_end_the_same_access_token_comes_back() {
    let mut asked = Asked::new();
    let access = asked.strava_token(ALL);
    let refresh = refresh_token(&asked);
    asked.pass(SignedDuration::from_secs(5 * 3600 - 1));
    let same = asked.refresh(&refresh).body_json();
    assert_eq!(same["access_token"], access.as_str());
    assert_eq!(same["refresh_token"], refresh.as_str());
    assert_eq!(same["expires_in"], 3601);
    assert!(same.get("athlete").is_none());
    asked.pass(SignedDuration::from_secs(1));
    assert_ne!(asked.refresh(&refresh).body_json()["access_token"], access.as_str());
}

#[test]
fn rotation_has_two_other_settings() {
    for (rotation, changes) in [(Rotation::Always, true), (Rotation::Never, false)] {
        let mut asked = Asked::new();
        asked.world.strava.settings.rotation = rotation;
        asked.strava_token(ALL);
        let refresh = refresh_token(&asked);
        let hours = if changes { 0 } else { 6 };
        asked.pass(SignedDuration::from_hours(hours));
        assert_eq!(asked.refresh(&refresh).body_json()["refresh_token"] != refresh.as_str(), changes);
    }
}

#[test]
fn the_token_endpoint_tells_a_wrong_app_from_a_dead_grant() {
    let mut asked = Asked::new();
    let request = |id, secret| {
        Request::form(
            "/api/v3/oauth/token",
            &[("client_id", id), ("client_secret", secret), ("grant_type", "x")],
        )
    };
    let unknown = asked.ask(Service::Strava, &request("1", "x"));
    assert!(is_fault(&unknown, 400, "Application", "client_id", "invalid"));
    assert!(unknown.header("x-ratelimit-limit").is_none());
    assert!(is_fault(&asked.ask(Service::Strava, &request("12345", "x")), 401, "Application", "", "invalid"));
    let used = asked.token_request(&[("grant_type", "authorization_code"), ("code", "gone")]);
    assert!(is_fault(&used, 400, "AuthorizationCode", "code", "invalid"));
}

#[test]
fn a_code_is_good_once() {
    let mut asked = Asked::new();
    let code =
        query(&authorize(&mut asked, &[("decision", "authorize"), ("granted", "read")]), "code").unwrap();
    let fields = [("grant_type", "authorization_code"), ("code", code.as_str())];
    let first = asked.token_request(&fields);
    assert_eq!(first.body_json()["athlete"]["id"], ATHLETE);
    assert_eq!(asked.token_request(&fields).status, 400);
}

#[test]
fn the_person_may_untick_boxes_or_cancel() {
    let mut asked = Asked::new();
    let page = asked.ask(Service::Strava, &Request::get(&format!("/oauth/authorize?{ASKED}")));
    let page = String::from_utf8(page.body).unwrap();
    assert_eq!(page.matches("checked").count(), 3);
    assert!(page.contains("<form method=\"post\""));

    let fields = [("decision", "authorize"), ("granted", "read"), ("granted", "activity:write")];
    let allowed = authorize(&mut asked, &fields);
    assert_eq!(query(&allowed, "scope").as_deref(), Some("read,activity:write"));
    assert_eq!(query(&allowed, "state").as_deref(), Some("s&1"));
    let more_than_asked = [("decision", "authorize"), ("granted", "profile:write")];
    assert_eq!(query(&authorize(&mut asked, &more_than_asked), "scope").as_deref(), Some(""));
    let denied = authorize(&mut asked, &[("decision", "cancel")]);
    assert_eq!((query(&denied, "error").as_deref(), query(&denied, "code")), (Some("access_denied"), None));
}

#[test]
fn consent_is_asked_for_again_only_where_something_is_new_or_forced() {
    let mut asked = Asked::new();
    asked.strava_token(ALL);
    let get = |asked: &mut Asked, more: &str| {
        asked.ask(Service::Strava, &Request::get(&format!("/oauth/authorize?{ASKED}{more}"))).status
    };
    assert_eq!(get(&mut asked, ""), 302);
    assert_eq!(get(&mut asked, "&approval_prompt=force"), 200);
    asked.world.strava.revoke(CLIENT_ID, ATHLETE);
    assert_eq!(get(&mut asked, ""), 200);
}

#[test]
fn mistakes_are_shown_on_the_page_and_not_sent_to_the_address() {
    let mut asked = Asked::new();
    let mut get =
        |query: &str| asked.ask(Service::Strava, &Request::get(&format!("/oauth/authorize?{query}")));
    assert!(is_fault(&get("x=1"), 400, "Application", "client_id", "missing"));
    assert!(is_fault(&get("client_id=7"), 400, "Application", "client_id", "invalid"));
    let foreign =
        get("client_id=12345&redirect_uri=http%3A%2F%2Fexample.org%2F&response_type=code&scope=read");
    assert!(is_fault(&foreign, 400, "Application", "redirect_uri", "invalid"));
}

#[test]
fn an_app_takes_no_more_athletes_than_it_may() {
    let mut asked = Asked::new();
    asked.strava_token(ALL);
    let other = StravaAthlete { firstname: "Other".into(), ..asked.world.strava.athletes[&ATHLETE].clone() };
    asked.world.strava.athletes.insert(7, other);
    asked.world.strava.browser = 7;
    let full = asked.ask(Service::Strava, &Request::get(&format!("/oauth/authorize?{ASKED}")));
    assert_eq!(full.status, 403);
    assert!(String::from_utf8(full.body).unwrap().contains("Limit of connected athletes exceeded"));
}

#[test]
fn an_app_without_subscription_keeps_its_tokens_and_gets_no_data() {
    let mut asked = Asked::new();
    let token = asked.strava_token(ALL);
    asked.world.strava.apps.get_mut(&CLIENT_ID).unwrap().active = false;
    assert!(is_fault(&asked.strava(&token, "/athlete"), 403, "Application", "Status", "Inactive"));
    assert_eq!(asked.upload(&token, "garmin-1", "fit", b"x").status, 403);
    let refresh = refresh_token(&asked);
    assert_eq!(asked.refresh(&refresh).status, 200);
}

#[test]
fn revoking_one_token_ends_its_sibling_and_unknown_tokens_are_no_error() {
    let mut asked = Asked::new();
    let token = asked.strava_token(ALL);
    let refresh = refresh_token(&asked);
    let mut revoke = |fields: &[(&str, &str)], basic: &str| {
        let request = Request::form("/oauth/revoke", fields).with_header("authorization", basic);
        asked.ask(Service::Strava, &request)
    };
    let basic = basic(fitferry_sandbox::strava::CLIENT_SECRET);
    assert_eq!(revoke(&[("token", "unknown")], &basic).status, 200);
    assert_eq!(revoke(&[], &basic).status, 400);
    assert_eq!(revoke(&[("token", &refresh)], "Basic eDp5").status, 401);
    let revoked = revoke(&[("token", &refresh)], &basic);
    assert_eq!((revoked.status, revoked.body.len()), (200, 0));
    assert_eq!(asked.strava(&token, "/athlete").status, 401);
}

#[test]
fn deauthorizing_answers_with_the_token_and_counts() {
    let mut asked = Asked::new();
    let token = asked.strava_token(ALL);
    let request = Request::form("/oauth/deauthorize", &[]).with_bearer(&token);
    let left = asked.ask(Service::Strava, &request);
    assert_eq!(left.body_json()["access_token"], token.as_str());
    assert_eq!(left.header("X-RateLimit-Usage"), Some("1,1"));
    assert_eq!(asked.ask(Service::Strava, &request).status, 401);
}

#[test]
fn permissions_and_the_place_of_the_token_are_checked() {
    let mut asked = Asked::new();
    let reader = asked.strava_token(&["read", "activity:read"]);
    let refused = asked.upload(&reader, "garmin-1", "fit", b"x");
    assert!(is_fault(&refused, 401, "AccessToken", "activity:write_permission", "missing"));
    let poll = asked.strava(&reader, "/uploads/1");
    assert!(is_fault(&poll, 401, "AccessToken", "activity:write_permission", "missing"));
    let in_query = Request::get(&format!("/api/v3/athlete?access_token={reader}"));
    assert_eq!(asked.ask(Service::Strava, &in_query).status, 401);
    let writer = asked.strava_token(&["activity:write"]);
    let list = asked.strava(&writer, "/athlete/activities");
    assert!(is_fault(&list, 401, "AccessToken", "activity:read_permission", "missing"));
    // A login is proven for writing by an upload without a file.
    let empty = Request::new("POST", "/api/v3/uploads").with_bearer(&writer);
    assert_eq!(asked.ask(Service::Strava, &empty).status, 400);
}

const ASKED: &str = "client_id=12345&redirect_uri=http%3A%2F%2F127.0.0.1%3A9321%2F&response_type=code\
    &scope=read,activity:read_all,activity:write&state=s%261";

fn authorize(asked: &mut Asked, decision: &[(&str, &str)]) -> Reply {
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(ASKED.as_bytes()).into_owned().collect();
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    asked.ask(Service::Strava, &Request::form("/oauth/authorize", &[&fields[..], decision].concat()))
}

fn query(reply: &Reply, name: &str) -> Option<String> {
    let target = Url::parse(reply.header("location").unwrap()).unwrap();
    target.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn refresh_token(asked: &Asked) -> String {
    asked.world.strava.grant(CLIENT_ID, ATHLETE).unwrap().refresh_token.clone()
}

fn basic(secret: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("12345:{secret}")))
}
