//! The pieces of `login strava`: the page, the answer, the code.

use fitferry_core::ports::{PortError, Requests};
use fitferry_strava::login::{App, Login, Scopes};
use fitferry_strava::oauth::{AnswerError, Granted, SCOPES, authorize_url, exchange_code, parse_answer};
use secrecy::ExposeSecret;
use serde_json::json;
use url::Url;

use crate::bench::{Bench, CLIENT_ID, CREDENTIALS, SECRET, in_minutes, name, new_pair};
use crate::server::{Reply, Request};

#[test]
fn the_page_is_asked_for_with_every_parameter_and_no_secret() {
    let base = Url::parse("https://www.strava.com/oauth").unwrap();
    let url = authorize_url(&base, CLIENT_ID, "http://localhost:9321", SCOPES, "st&te", false);
    assert_eq!(
        url.as_str(),
        "https://www.strava.com/oauth/authorize?client_id=12345&redirect_uri=http%3A%2F%2Flocalhost%3A9321\
         &response_type=code&approval_prompt=auto&scope=read%2Cactivity%3Aread_all%2Cactivity%3Awrite\
         &state=st%26te"
    );
    let forced = authorize_url(&base, CLIENT_ID, "http://localhost:9321", SCOPES, "s", true);
    assert!(forced.as_str().contains("approval_prompt=force"));
}

#[test]
fn the_browsers_answer_is_read_whole_or_as_a_query() {
    for answer in [
        "http://localhost:9321/?state=s&code=abc&scope=read,activity:write,activity:read_all",
        "http://localhost:9321?state=s&code=abc&scope=read%2Cactivity%3Awrite%2Cactivity%3Aread_all#_=_",
        "/?state=s&code=abc&scope=read,activity:write,activity:read_all",
        " state=s&code=abc&scope=read,activity:write,activity:read_all\n",
    ] {
        let granted = parse_answer(answer, "s").unwrap();
        assert_eq!(granted.code.expose_secret(), "abc");
        assert_eq!(granted.scopes.to_string(), "activity:read_all,activity:write,read");
        assert!(!format!("{granted:?}").contains("abc"));
    }
    assert_eq!(parse_answer("state=s&code=abc", "s").unwrap().scopes, Scopes::default());
}

#[test]
fn an_answer_that_is_no_grant_says_why() {
    let table = [
        ("state=s&error=access_denied", AnswerError::Denied),
        ("error=access_denied", AnswerError::Denied),
        ("state=s&error=server%20%3Cb%3Eerror", AnswerError::Other("server error".to_owned())),
        ("state=other&code=abc&scope=read", AnswerError::WrongState),
        ("state=other&error=access_denied", AnswerError::WrongState),
        ("code=abc&scope=read", AnswerError::WrongState),
        ("", AnswerError::WrongState),
        ("state=s&scope=read", AnswerError::NoCode),
        ("state=s&code=&scope=read", AnswerError::NoCode),
    ];
    for (answer, expected) in table {
        assert_eq!(parse_answer(answer, "s").unwrap_err(), expected, "{answer}");
    }
}

#[tokio::test]
async fn a_code_is_traded_for_a_login() {
    let bench = Bench::new(|request: &Request| {
        assert!(request.is_token());
        let athlete =
            json!({"id": 2_000_001, "username": "sample", "firstname": "Sample", "lastname": "Athlete"});
        let body = json!({
            "token_type": "Bearer", "access_token": "new-access-token", "refresh_token": "new-refresh-token",
            "expires_at": in_minutes(360).as_second(), "expires_in": 21_600, "athlete": athlete,
        });
        Reply::json(200, &body.to_string())
    })
    .await;
    let login = exchange(&bench).await.unwrap();
    assert_eq!(login.athlete().unwrap().to_string(), "Sample Athlete (2000001)");
    assert_eq!(login.expires_at(), in_minutes(360));
    assert_eq!(login.refresh_token().expose_secret(), "new-refresh-token");
    assert_eq!(login.scopes().to_string(), "activity:write,read");
    let form = bench.server.requests()[0].form();
    assert_eq!(form["grant_type"], "authorization_code");
    assert_eq!((form["code"].as_str(), form["client_secret"].as_str()), ("the-code", SECRET));
    assert_eq!(bench.meter.read(), Requests { garmin: 0, strava: 0, tokens: 1 });
}

#[tokio::test]
async fn a_login_whose_athlete_is_not_told_asks_and_is_a_login_without_an_answer_too() {
    for (reply, expected) in [(Reply::json(200, r#"{"id":7}"#), Some(7)), (Reply::html(503, ""), None)] {
        let bench = Bench::new(move |request: &Request| match request.is_token() {
            true => new_pair("new"),
            false => reply.clone(),
        })
        .await;
        let login = exchange(&bench).await.unwrap();
        assert_eq!(login.athlete().map(|athlete| athlete.id), expected);
        assert_eq!(bench.server.calls(), ["POST /oauth/token", "GET /api/v3/athlete"]);
    }
}

#[tokio::test]
async fn a_code_that_is_refused_says_what_to_do() {
    let table = [
        (
            Reply::json(
                400,
                r#"{"errors":[{"resource":"AuthorizationCode","field":"code","code":"invalid"}]}"#,
            ),
            "login needed",
            "expired or was used",
        ),
        (
            Reply::json(400, r#"{"errors":[{"resource":"RequestToken","field":"code","code":"invalid"}]}"#),
            "login needed",
            "expired or was used",
        ),
        (Reply::json(401, CREDENTIALS), "misconfigured", "Application"),
        (Reply::html(403, "<p>Limit of connected athletes exceeded</p>"), "login needed", "athlete capacity"),
        (Reply::html(502, "<p>Bad Gateway</p>"), "down 502", "Bad Gateway"),
        (Reply::HangUp, "down -", ""),
        (Reply::json(200, r#"{"access_token":"only-an-access-token"}"#), "refused 200", "without tokens"),
        (Reply::json(200, r#"["access_token"]"#), "refused 200", "no JSON"),
    ];
    for (reply, expected, words) in table {
        let bench = Bench::new(move |_| reply.clone()).await;
        let error = exchange(&bench).await.unwrap_err();
        assert_eq!(name(&error), expected);
        assert!(error.to_string().contains(words), "{error}");
        assert!(!error.to_string().contains("only-an-access-token"), "{error}");
    }
}

fn app() -> App {
    App { client_id: CLIENT_ID.to_owned(), client_secret: SECRET.to_owned().into() }
}

async fn exchange(bench: &Bench) -> Result<Login, PortError> {
    let scopes = Scopes::parse("read,activity:write");
    let granted = Granted { code: "the-code".to_owned().into(), scopes };
    exchange_code(&bench.connection, &app(), &granted).await.map_err(|failure| failure.error)
}
