//! Signing in with a password, against the sandbox's sign-in host.

use std::sync::Arc;
use std::time::Duration;

use fitferry_core::ports::{Clock, Source};
use fitferry_core::timing::Timing;
use fitferry_garmin::sso::{
    self, Account, Answered, CodeMethod, CodeWanted, CoolDowns, Credentials, SsoError, SsoHost, Step, Trouble,
};
use fitferry_garmin::{Domain, GarminClient};
use fitferry_sandbox::garmin::sso::{
    Block, BlockForm, EMAIL, Mfa, PASSWORD, SsoUser, Standing, Tried, cloudflare,
};
use fitferry_sandbox::{Fault, Route, Service, What, When};
use jiff::SignedDuration;
use secrecy::SecretString;

use crate::fakes::{FakeLease, Stage, Story, newest, noon};
use crate::server::Reply;
use crate::town::Town;

const PAGE: &str = "GET /mobile/sso/en_US/sign-in 200";

#[tokio::test]
async fn a_password_becomes_a_login_and_listing_never_asks_the_sign_in_host_again() {
    let town = Town::new();
    let ticket = town.ticket().await;
    let login = town.redeem(&ticket).await.unwrap();
    let proven = town.prove(login).await.unwrap();
    assert_eq!((proven.login.kind(), proven.account.as_deref()), ("connect", Some("sample-user")));
    assert_eq!(proven.login.ends(), Some(town.clock.now() + SignedDuration::from_secs(2_591_999)));
    let at_the_door = [PAGE, "POST /mobile/api/login 200"];
    assert_eq!(town.asked(Service::GarminSso), at_the_door);

    fitferry_garmin::login::store(&*town.vault, &proven).await.unwrap();
    let client = GarminClient::new(
        town.http.clone(),
        town.endpoints.clone(),
        town.vault.clone(),
        Arc::new(FakeLease::free(Story::default())),
        town.clock.clone(),
        town.meter.clone(),
        SignedDuration::ZERO,
    );
    // The second time its tokens have to be renewed.
    for days in [0, 20] {
        town.clock.0.shift(SignedDuration::from_hours(24 * days));
        client.list(newest()).await.unwrap();
    }
    assert_eq!(town.asked(Service::GarminSso), at_the_door);
    assert_eq!(town.asked(Service::GarminAuth).len(), 2);
}

#[tokio::test]
async fn the_requests_are_the_phone_apps_to_the_letter() {
    let stage = Stage::new(None, |seen| match seen.method.as_str() {
        "GET" => Reply::new(200, "text/html;charset=UTF-8", "<html>")
            .with_header("set-cookie", "SESSION=abc; Path=/; Secure; HttpOnly")
            .with_header("set-cookie", "__cf_bm=def; path=/"),
        _ if seen.path.ends_with("/login") => Reply::json(
            200,
            r#"{"responseStatus":{"type":"MFA_REQUIRED"},
                "customerMfaInfo":{"email":"ab*****@example.com","mfaLastMethodUsed":"email"}}"#,
        )
        .with_header("set-cookie", "step=2"),
        _ => Reply::json(401, r#"{"responseStatus":{"type":"X","message":"codeEntryInvalid"}}"#),
    })
    .await;
    let means = sso::Means { http: &stage.http, clock: &*stage.clock, meter: &stage.meter };
    let host = SsoHost::new(&stage.server.url, Domain::Com);
    let credentials = Credentials::new("me@example.org", "pass \"word\"".to_owned().into()).unwrap();
    let Step::Code(mut wanted) =
        sso::sign_in(means, &host, &credentials, Duration::from_secs(3)).await.unwrap()
    else {
        panic!("a code is wanted");
    };
    wanted.answer(&"123456".to_owned().into()).await.unwrap();
    assert_eq!(stage.clock.slept(), [Duration::from_secs(3)]);

    let requests = stage.server.seen();
    let [page, login, code] = &requests[..] else { panic!("{requests:?}") };
    let service = "service=https%3A%2F%2Fmobile.integration.garmin.com%2Fgcm%2Fios";
    assert_eq!(page.path, "/mobile/sso/en_US/sign-in");
    assert_eq!(page.query, format!("clientId=GCM_IOS_DARK&{service}"));
    assert_eq!(page.header("accept"), "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
    assert_eq!(page.header("cookie"), "");
    for (post, path, body, cookies) in [
        (
            login,
            "/mobile/api/login",
            r#"{"captchaToken":"","password":"pass \"word\"","rememberMe":true,"username":"me@example.org"}"#,
            2,
        ),
        (
            code,
            "/mobile/api/mfa/verifyCode",
            r#"{"mfaMethod":"email","mfaSetup":false,"mfaVerificationCode":"123456","reconsentList":[],"rememberMyBrowser":true}"#,
            3,
        ),
    ] {
        assert_eq!(post.path, path);
        assert_eq!(post.query, format!("clientId=GCM_IOS_DARK&locale=en-US&{service}"));
        assert_eq!(post.header("accept"), "application/json, text/plain, */*");
        assert_eq!(post.header("content-type"), "application/json");
        assert_eq!(format!("{}/", post.header("origin")), stage.server.url.as_str());
        assert_eq!(post.header("referer"), format!("{}{}?{}", stage.server.url, &page.path[1..], page.query));
        assert_eq!(post.header("cookie").split("; ").count(), cookies, "{}", post.header("cookie"));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&post.body).unwrap().to_string(), body);
    }
    for request in &requests {
        let agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                     Mobile/15E148";
        assert_eq!(request.header("user-agent"), agent);
        assert_eq!(request.header("accept-language"), "en-US,en;q=0.9");
    }
}

#[tokio::test]
async fn a_code_may_be_wrong_twice() {
    for (mfa, method, sent_to) in [
        (Mfa::email(), CodeMethod::Email, Some("sa*****@garmin.example")),
        (Mfa::sms(), CodeMethod::Sms, Some("*******89")),
        (Mfa::app(), CodeMethod::App, None),
    ] {
        let town = Town::new();
        town.user(|user| user.mfa = Some(mfa));
        let mut wanted = code_wanted(&town).await;
        assert_eq!((wanted.method(), wanted.sent_to(), wanted.tries_left()), (method, sent_to, 3));
        for left in [2, 1] {
            let wrong = wanted.answer(&code("0000000")).await.unwrap();
            assert!(matches!(wrong, Answered::Wrong { tries_left } if tries_left == left));
        }
        let empty = wanted.answer(&code(" ")).await.unwrap();
        assert!(matches!(empty, Answered::Wrong { tries_left: 1 }), "no code is no try");
        let right = town.code();
        let (first, second) = right.split_at(3);
        let Answered::Ticket(ticket) = wanted.answer(&code(&format!(" {first} {second}\n"))).await.unwrap()
        else {
            panic!("the right code brings a ticket");
        };
        town.redeem(&ticket).await.unwrap();
    }
}

#[tokio::test]
async fn after_three_wrong_codes_nothing_more_is_sent() {
    let town = Town::new();
    town.user(|user| user.mfa = Some(Mfa::email()));
    let mut wanted = code_wanted(&town).await;
    for _ in 0..2 {
        wanted.answer(&code("x")).await.unwrap();
    }
    for _ in 0..2 {
        assert!(matches!(wanted.answer(&code("x")).await, Err(SsoError::WrongCode)));
    }
    assert_eq!(
        tried(&town),
        Tried { passwords: 1, codes_sent: 1, codes: 3, wrong_codes: 3, ..Tried::default() }
    );
}

#[tokio::test]
async fn a_code_that_comes_late_has_ended() {
    let town = Town::new();
    town.user(|user| user.mfa = Some(Mfa::email()));
    let mut wanted = code_wanted(&town).await;
    town.clock.0.shift(SignedDuration::from_mins(10));
    assert!(matches!(wanted.answer(&code(&town.code())).await, Err(SsoError::CodeEnded)));
}

#[tokio::test]
async fn a_code_whose_request_never_arrived_may_be_sent_again() {
    let town = Town::new();
    town.user(|user| user.mfa = Some(Mfa::email()));
    let mut wanted = code_wanted(&town).await;
    let fault = Fault { route: Route::GarminSsoCode, when: When::Nth(1), what: What::DropBefore };
    town.sandbox.world().faults.push(fault);
    let right = code(&town.code());
    assert!(matches!(wanted.answer(&right).await, Err(SsoError::Failed(_))));
    assert!(matches!(wanted.answer(&right).await, Ok(Answered::Ticket(_))));
}

#[tokio::test]
async fn each_refusal_is_told_apart_after_one_try() {
    let standing = |standing| move |user: &mut SsoUser| user.standing = standing;
    type Change = Box<dyn FnOnce(&mut SsoUser)>;
    let cases: [(Change, &str); 6] = [
        (Box::new(|user| user.password = "another".to_owned()), "wrong password"),
        (Box::new(|user| user.wants_captcha = true), "captcha"),
        (Box::new(standing(Standing::Locked)), "account Locked"),
        (Box::new(standing(Standing::Disabled)), "account Disabled"),
        (Box::new(standing(Standing::Problem)), "account Problem"),
        (Box::new(standing(Standing::PasswordResetNeeded)), "account PasswordReset"),
    ];
    for (change, expected) in cases {
        let town = Town::new();
        town.user(change);
        assert_eq!(kind(town.sign_in(PASSWORD).await), expected);
        assert_eq!(tried(&town).passwords, 1);
        assert_eq!(town.asked(Service::GarminSso).len(), 2);
    }
}

#[tokio::test]
async fn a_password_follows_a_pause_or_counts_as_a_robots() {
    let town = Town::new();
    town.sandbox.world().garmin.sso.least_pause = SignedDuration::from_secs(2);
    let credentials = Credentials::new(EMAIL, PASSWORD.to_owned().into()).unwrap();
    let hasty = sso::sign_in(town.means(), &town.host, &credentials, Duration::ZERO).await;
    assert_eq!(kind(hasty), "blocked 429");
    assert!(matches!(town.sign_in(PASSWORD).await, Ok(Step::Ticket(_))));
}

#[tokio::test]
async fn a_page_that_is_blocked_costs_no_password() {
    for (what, expected) in [
        (What::TooManyRequests { retry_after: Some(14) }, "blocked 429 for 14 s"),
        (What::Html(427), "blocked 427"),
        (What::Answer(cloudflare(403)), "blocked 403"),
        (What::Status(503), "failed"),
        (What::Redirect { status: 302, location: "https://elsewhere.example/".to_owned() }, "failed"),
        (What::DropBefore, "failed"),
        (What::CutBody, "failed"),
    ] {
        let town = Town::new();
        town.sandbox.world().faults.push(Fault { route: Route::GarminSsoPage, when: When::Always, what });
        assert_eq!(kind(town.sign_in(PASSWORD).await), expected);
        assert_eq!(tried(&town), Tried::default());
        assert_eq!(town.asked(Service::GarminSso).len(), 1);
    }
}

#[tokio::test]
async fn after_a_block_the_account_cools_down_until_a_success() {
    let town = Town::new();
    let lasts = SignedDuration::from_hours(3);
    let block = Block {
        until: noon() + lasts,
        lasts,
        status: 429,
        retry_after: None,
        form: BlockForm::JsonWithin200,
    };
    town.user(|user| user.block = Some(block));
    let account = Account::of(Domain::Com, EMAIL);
    let mut kept = CoolDowns::default().write();
    let mut hours_waited = Vec::new();
    loop {
        let mut downs = CoolDowns::read(&kept);
        assert_eq!(downs.until(&account, town.clock.now()), None);
        match town.sign_in(PASSWORD).await {
            Err(SsoError::Blocked { retry_after, .. }) => {
                let until = downs.blocked(&account, town.clock.now(), retry_after, &Timing::default());
                let wait = until.duration_since(town.clock.now());
                hours_waited.push(wait.as_hours());
                town.clock.0.shift(wait);
            }
            Ok(Step::Ticket(_)) => downs.succeeded(&account),
            other => panic!("{other:?}"),
        }
        kept = downs.write();
        if CoolDowns::read(&kept) == CoolDowns::default() {
            break;
        }
    }
    // The try after two hours began Garmin's three anew; the doubled wait outlasts them.
    assert_eq!(hours_waited, [2, 4]);
}

#[tokio::test]
async fn in_china_the_same_way_leads_to_a_login_of_china() {
    let town = Town::of(Domain::Cn);
    let ticket = town.ticket().await;
    let login = town.redeem(&ticket).await.unwrap();
    assert_eq!(login.domain(), Domain::Cn);
    town.prove(login).await.unwrap();
    let query = town.sandbox.log()[0].query.clone();
    assert!(query.contains("mobile.integration.garmin.cn%2Fgcm%2Fios"), "{query}");
    // Outside China nobody knows the account.
    let abroad = Town::new();
    abroad.sandbox.world().garmin.tokens.elsewhere.insert(fitferry_sandbox::garmin::ATHLETE);
    assert_eq!(kind(abroad.sign_in(PASSWORD).await), "wrong password");
}

#[tokio::test]
async fn no_refusal_shows_password_or_code() {
    let secret = "planted-secret";
    let town = Town::new();
    town.user(|user| user.mfa = Some(Mfa::email()));
    let mut shown = Vec::new();
    shown.push(format!("{:?}", town.sign_in(secret).await.map(|_| ())));
    let mut wanted = code_wanted(&town).await;
    shown.push(format!("{wanted:?} {:?}", wanted.answer(&code(secret)).await));
    let echo = format!(r#"{{"responseStatus":{{"type":"{secret}","message":"{secret}"}}}}"#);
    for route in [Route::GarminSsoLogin, Route::GarminSsoCode] {
        let echo = fitferry_sandbox::Reply::bytes(400, "application/json", echo.clone().into_bytes());
        town.sandbox.world().faults.push(Fault { route, when: When::Always, what: What::Answer(echo) });
    }
    let error = town.sign_in(secret).await.unwrap_err();
    shown.push(format!("{error} {error:?}"));
    let error = wanted.answer(&code(secret)).await.unwrap_err();
    shown.push(format!("{error} {error:?}"));
    for text in shown {
        assert!(!text.contains(secret), "{text}");
    }
}

async fn code_wanted(town: &Town) -> Box<CodeWanted<'_>> {
    match town.sign_in(PASSWORD).await.unwrap() {
        Step::Code(wanted) => wanted,
        Step::Ticket(ticket) => panic!("{ticket:?}"),
    }
}

fn code(text: &str) -> SecretString {
    text.to_owned().into()
}

fn tried(town: &Town) -> Tried {
    town.sandbox.world().garmin.sso.user(EMAIL).tried
}

fn kind<T>(outcome: Result<T, SsoError>) -> String {
    match outcome.err() {
        None => "ok".to_owned(),
        Some(SsoError::WrongPassword) => "wrong password".to_owned(),
        Some(SsoError::Captcha) => "captcha".to_owned(),
        Some(SsoError::Account(trouble)) => {
            assert_ne!(trouble, Trouble::TooManyTries);
            format!("account {trouble:?}")
        }
        Some(SsoError::Blocked { status, retry_after }) => {
            let wait = retry_after.map(|wait| format!(" for {} s", wait.as_secs())).unwrap_or_default();
            format!("blocked {status}{wait}")
        }
        Some(SsoError::Failed(_)) => "failed".to_owned(),
        Some(other) => format!("{other:?}"),
    }
}
