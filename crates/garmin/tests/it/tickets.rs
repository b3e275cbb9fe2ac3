//! Tickets of any origin, made logins of by the sandbox's token endpoint.

use fitferry_core::ports::{Clock, PortError};
use fitferry_garmin::Domain;
use fitferry_garmin::sso::{SsoError, Ticket};
use fitferry_sandbox::{Fault, Route, Service, What, When};
use jiff::SignedDuration;

use crate::town::Town;

const IOS: &str = "https://mobile.integration.garmin.com/gcm/ios";
const ANDROID: &str = "https://mobile.integration.garmin.com/gcm/android";

#[tokio::test]
async fn a_ticket_is_taken_in_whatever_form_it_is_pasted() {
    let town = Town::new();
    let own = format!("{}/sso/embed", town.sandbox.url(Service::GarminSso));
    type Form = fn(&str, &str) -> String;
    let forms: [(&str, Form); 5] = [
        (&own, |ticket, service| format!("{service}?ticket={ticket}")),
        (&own, |ticket, _| ticket.to_owned()),
        (IOS, |ticket, _| format!("  {ticket}\n")),
        (ANDROID, |ticket, service| format!(r#"{{"serviceURL":"{service}","serviceTicketId":"{ticket}"}}"#)),
        (ANDROID, |ticket, service| format!("{service}?ticket={ticket}")),
    ];
    for (service, form) in forms {
        let pasted = form(&mint(&town, service), service);
        town.redeem(&Ticket::read(&pasted).unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn a_bare_ticket_is_tried_for_the_phone_apps_services_in_turn() {
    let town = Town::new();
    let bare = |town: &Town| Ticket::read(&mint(town, ANDROID)).unwrap();
    // CAS burns what was shown for another service.
    assert!(matches!(town.redeem(&bare(&town)).await, Err(SsoError::TicketRefused { .. })));
    town.sandbox.world().garmin.tokens.a_wrong_service_spares_the_ticket = true;
    town.redeem(&bare(&town)).await.unwrap();
}

#[tokio::test]
async fn a_ticket_that_is_used_old_or_for_another_service_is_refused() {
    let town = Town::new();
    let used = town.ticket().await;
    town.redeem(&used).await.unwrap();
    let old = town.ticket().await;
    town.clock.0.shift(SignedDuration::from_secs(60));
    let elsewhere = mint(&town, IOS);
    let elsewhere = Ticket::read(&format!("https://connect.garmin.com/app?ticket={elsewhere}")).unwrap();
    for ticket in [used, old, elsewhere] {
        let error = town.redeem(&ticket).await.unwrap_err();
        assert!(matches!(error, SsoError::TicketRefused { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("ST-"), "{error}");
    }
}

#[tokio::test]
async fn an_app_that_garmin_no_longer_takes_is_passed_over() {
    let town = Town::new();
    town.sandbox.world().garmin.tokens.client_ids.retain(|id| id == "GARMIN_CONNECT_MOBILE_IOS_DI");
    let ticket = town.ticket().await;
    let login = town.redeem(&ticket).await.unwrap();
    town.prove(login).await.unwrap();
    let asked = town.asked(Service::GarminAuth);
    assert_eq!(asked.iter().filter(|line| line.ends_with(" 401")).count(), 3, "{asked:?}");
}

#[tokio::test]
async fn what_says_nothing_about_the_ticket_leaves_it_for_another_try() {
    for (what, expected) in [
        (What::TooManyRequests { retry_after: Some(14) }, "limited"),
        (What::Status(503), "down"),
        (What::DropBefore, "down"),
        (What::Html(403), "refused"),
        (What::Html(200), "refused"),
    ] {
        let town = Town::new();
        let ticket = town.ticket().await;
        town.sandbox.world().faults.push(Fault { route: Route::GarminDiToken, when: When::Nth(1), what });
        let Err(SsoError::Failed(failure)) = town.redeem(&ticket).await else { panic!("{expected}") };
        let kind = match failure.error {
            PortError::Limited { .. } => "limited",
            PortError::Down { .. } => "down",
            PortError::Refused { .. } => "refused",
            other => panic!("{other:?}"),
        };
        assert_eq!(kind, expected);
        assert_eq!(town.asked(Service::GarminAuth).len(), 1, "one request and no more");
        town.redeem(&ticket).await.unwrap();
    }
}

#[tokio::test]
async fn the_tokens_of_a_ticket_are_renewed_like_any_others() {
    let town = Town::new();
    let ticket = town.ticket().await;
    let login = town.redeem(&ticket).await.unwrap();
    // Garmin's data hosts refuse the bearer, so that the trial has to renew it.
    town.sandbox.world().garmin.tokens.revoke_bearers(fitferry_sandbox::garmin::ATHLETE);
    let proven = town.prove(login).await.unwrap();
    assert_eq!(proven.account.as_deref(), Some("sample-user"));
    assert_eq!(town.asked(Service::GarminAuth).len(), 2);
}

#[tokio::test]
async fn a_ticket_of_china_makes_a_login_of_china_whatever_is_configured() {
    let town = Town::new();
    town.sandbox.world().garmin.tokens.region = fitferry_sandbox::garmin::Region::China;
    let service = "https://sso.garmin.cn/sso/embed";
    let ticket = Ticket::read(&format!("{service}?ticket={}", mint(&town, service))).unwrap();
    assert_eq!(town.redeem(&ticket).await.unwrap().domain(), Domain::Cn);
}

fn mint(town: &Town, service: &str) -> String {
    town.sandbox.world().garmin_ticket(service, town.clock.now())
}
