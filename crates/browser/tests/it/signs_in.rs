//! A person signs in, and the ticket is caught wherever it goes by.

use fitferry_browser::{Moment, Outcome, Watch};
use fitferry_garmin::sso::{Ticket, browser};
use fitferry_sandbox::garmin::sso::{EMAIL, Mfa, PASSWORD};
use serde_json::json;

use crate::hand::{Hand, with_hand};
use crate::stage::{DEADLINE, Stage};

const APP_PAGE: &str = "/mobile/sso/en_US/sign-in?clientId=GCM_ANDROID_DARK\
    &service=https%3A%2F%2Fmobile.integration.garmin.com%2Fgcm%2Fandroid";

#[tokio::test]
async fn the_embedded_page_shows_its_ticket_in_a_script() {
    let stage = Stage::new();
    let outcome = with_hand(stage.watch(&stage.page, DEADLINE), async {
        let mut hand = Hand::on_page(&stage.arguments(), "/sso/signin").await;
        sign_in(&mut hand, "#username", "#login-btn-signin").await;
    })
    .await;
    caught(&stage, outcome.unwrap()).await;
    assert_eq!(stage.asked(), ["GET /sso/signin", "POST /sso/signin"], "the page was not let go on");
}

#[tokio::test]
async fn a_wrong_password_and_a_code_are_between_the_person_and_the_page() {
    let stage = Stage::new();
    stage.user(|user| user.mfa = Some(Mfa::email()));
    let outcome = with_hand(stage.watch(&stage.page, DEADLINE), async {
        let mut hand = Hand::on_page(&stage.arguments(), "/sso/signin").await;
        hand.write("#username", EMAIL).await;
        hand.write("#password", "wrong").await;
        hand.press("#login-btn-signin").await;
        hand.until("document.querySelector('#status') !== null").await;
        sign_in(&mut hand, "#username", "#login-btn-signin").await;
        hand.until("document.querySelector('#mfa-code') !== null").await;
        let code = stage.sandbox.world().garmin.sso.code(EMAIL, stage.sandbox.clock().now()).unwrap();
        hand.write("#mfa-code", &code).await;
        hand.press("#mfa-verification-code-submit").await;
    })
    .await;
    caught(&stage, outcome.unwrap()).await;
    let last = stage.asked().pop().unwrap();
    assert!(last.starts_with("GET /sso/login"), "{last}");
}

#[tokio::test]
async fn a_ticket_in_the_address_is_caught_before_it_leaves() {
    let stage = Stage::new();
    // As if the script's ticket had escaped: only addresses are watched.
    let watches: Vec<Watch> = browser::watches(&stage.host)
        .into_iter()
        .filter(|watch| watch.moment == browser::Moment::Request)
        .map(|watch| Watch { pattern: watch.pattern, moment: Moment::Request })
        .collect();
    let outcome = with_hand(stage.watch_for(&stage.page, &watches, DEADLINE), async {
        let mut hand = Hand::on_page(&stage.arguments(), "/sso/signin").await;
        sign_in(&mut hand, "#username", "#login-btn-signin").await;
    })
    .await;
    caught(&stage, outcome.unwrap()).await;
    assert_eq!(stage.asked(), ["GET /sso/signin", "POST /sso/signin"], "no request with the ticket has left");
}

#[tokio::test]
async fn a_ticket_that_is_only_text_on_the_page_is_caught() {
    let stage = Stage::new();
    stage.user(|user| user.sees_ticket_as_text = true);
    let outcome = with_hand(stage.watch(&stage.page, DEADLINE), async {
        let mut hand = Hand::on_page(&stage.arguments(), "/sso/signin").await;
        sign_in(&mut hand, "#username", "#login-btn-signin").await;
    })
    .await;
    caught(&stage, outcome.unwrap()).await;
}

#[tokio::test]
async fn the_apps_page_shows_its_ticket_in_json() {
    let stage = Stage::new();
    stage.user(|user| {
        user.mfa = Some(Mfa::app());
        user.wants_captcha = true;
    });
    let page = format!("{}{APP_PAGE}", stage.sandbox.url(fitferry_sandbox::Service::GarminSso));
    let outcome = with_hand(stage.watch(&page, DEADLINE), async {
        let mut hand = Hand::on_page(&stage.arguments(), "/mobile/sso").await;
        sign_in(&mut hand, "#email", "#sign-in").await;
        hand.press("#captcha").await;
        hand.press("#sign-in").await;
        hand.until("document.querySelector('#code').offsetParent !== null").await;
        let code = stage.sandbox.world().garmin.sso.code(EMAIL, stage.sandbox.clock().now()).unwrap();
        hand.write("#code", &code).await;
        hand.press("#verify").await;
    })
    .await;
    caught(&stage, outcome.unwrap()).await;
    assert_eq!(stage.asked().pop().unwrap(), "POST /mobile/api/mfa/verifyCode");
}

#[tokio::test]
async fn the_sandboxs_pages_fit_a_phone_and_tell_light_from_dark() {
    let stage = Stage::new();
    let app_page = format!("{}{APP_PAGE}", stage.sandbox.url(fitferry_sandbox::Service::GarminSso));
    for (page, part) in [(stage.page.clone(), "/sso/signin"), (app_page, "/mobile/sso")] {
        let outcome = with_hand(stage.watch(&page, DEADLINE), async {
            let mut hand = Hand::on_page(&stage.arguments(), part).await;
            hand.until("document.readyState === 'complete' && document.querySelector('h1') !== null").await;
            let session = hand.session();
            let phone = json!({"width": 375, "height": 667, "deviceScaleFactor": 1, "mobile": true});
            hand.ask_in(&session, "Emulation.setDeviceMetricsOverride", phone).await;
            hand.until("innerWidth === 375").await;
            let width = hand.value("document.documentElement.scrollWidth").await;
            assert_eq!(width, 375, "{part}: nothing sticks out");
            let mut backs = Vec::new();
            for scheme in ["light", "dark"] {
                let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
                hand.ask_in(&session, "Emulation.setEmulatedMedia", features).await;
                backs.push(hand.value("getComputedStyle(document.body).backgroundColor").await);
            }
            assert_ne!(backs[0], backs[1]);
            hand.close_window().await;
        })
        .await;
        assert!(matches!(outcome.unwrap(), Outcome::Closed));
        // The next browser must not be taken for this one.
        std::fs::remove_file(stage.arguments()).unwrap();
    }
}

async fn sign_in(hand: &mut Hand, email_field: &str, button: &str) {
    hand.write(email_field, EMAIL).await;
    hand.write("#password", PASSWORD).await;
    hand.press(button).await;
}

/// The ticket is good, and so nobody has used it; and nothing is left of the browser.
async fn caught(stage: &Stage, outcome: Outcome<Ticket>) {
    let Outcome::Caught(ticket) = outcome else { panic!("{outcome:?}") };
    stage.redeem(&ticket).await.unwrap();
    stage.nothing_is_left();
}
