//! From a ticket to a login (dossier garmin.md §4.1).

use fitferry_core::tokens::Pairs;
use jiff::SignedDuration;

use super::error::SsoError;
use super::host::SsoHost;
use super::sign_in::Means;
use super::ticket::Ticket;
use crate::endpoints::Endpoints;
use crate::exchange::{self, Redeemed};
use crate::login::{ConnectLogin, Login};
use crate::transport::{Pace, Transport};

/// The apps that Garmin has known, the newest first; it was seen to take the first on 2026-09-01.
const CLIENT_IDS: [&str; 4] = [
    "GARMIN_CONNECT_MOBILE_ANDROID_DI_2025Q2",
    "GARMIN_CONNECT_MOBILE_ANDROID_DI_2024Q4",
    "GARMIN_CONNECT_MOBILE_ANDROID_DI",
    "GARMIN_CONNECT_MOBILE_IOS_DI",
];

/// Exchanges a ticket for tokens, at once: it ends within a minute.
///
/// `endpoints` and `host` are those of the configuration; a ticket that is for Garmin's other domain is exchanged
/// there. An app that Garmin refuses leaves the ticket whole, so the next one is tried; a 429, an outage or a web
/// page in place of an answer ends it, since they say nothing about the ticket.
///
/// The login has worked once with that; [`crate::login::prove`] shows that Garmin's data hosts take it too.
pub async fn redeem(
    means: Means<'_>,
    endpoints: &Endpoints,
    host: &SsoHost,
    ticket: &Ticket,
) -> Result<Login, SsoError> {
    let domain = ticket.domain().unwrap_or(host.domain());
    let pace = Pace::new(SignedDuration::ZERO);
    let transport = Transport { http: means.http, clock: means.clock, meter: means.meter, pace: &pace };
    let mut said = String::new();
    for service in ticket.services(&host.within(domain)) {
        for client_id in CLIENT_IDS {
            match exchange::ticket(transport, endpoints, domain, client_id, &service, ticket.secret()).await?
            {
                Redeemed::Pair(pair) => {
                    let login = ConnectLogin {
                        domain,
                        client_id: client_id.to_owned(),
                        pairs: Pairs::new(pair),
                        proven_at: None,
                    };
                    return Ok(Login::Connect(Box::new(login)));
                }
                Redeemed::Refused(why) => said = why,
            }
        }
    }
    Err(SsoError::TicketRefused { said })
}
