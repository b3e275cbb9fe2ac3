//! What both logins share, and what the user's word needs too: the lease, the pauses, a first request.

use std::time::Duration;

use fitferry_core::moment::later;
use fitferry_core::ports::{Budget as _, Clock as _, Fence, Lease as _, Ledger as _, PortError, Service};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::Context;
use crate::app::{App, garmin_endpoints};
use crate::error::CommandError;
use crate::http;

/// How long a person waits for another run to end (rule *Lease*).
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// For how long the lease is taken.
const LEASE: SignedDuration = SignedDuration::from_mins(2);

impl App {
    /// Takes the lease, waiting for another run to end; `Busy` where it does not.
    async fn wait_for_lease(&self) -> Result<Fence, CommandError> {
        let give_up = self.clock.monotonic() + PATIENCE;
        loop {
            let until = later(self.clock.now(), LEASE);
            if let Some(fence) = self.athlete.take(until).await? {
                return Ok(fence);
            }
            if self.clock.stopped_by().is_some() {
                return Err(CommandError::interrupted());
            }
            if self.clock.monotonic() >= give_up {
                return Err(PortError::Busy.into());
            }
            self.clock.sleep(LOOK_AGAIN).await;
        }
    }

    /// Does something under the lease, waited for, and gives it up again whatever came of it.
    pub async fn under_lease<T>(
        &self,
        work: impl AsyncFnOnce(Fence) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let fence = self.wait_for_lease().await?;
        let outcome = work(fence).await;
        self.athlete.release().await?;
        outcome
    }

    /// Ends the pauses of the Strava app that is signed in, but a 429's.
    pub async fn clear_budget_pauses(&self) -> Result<(), CommandError> {
        // An unreadable login has no app whose pauses could be found; signing in makes a new one.
        if let Ok(Some(login)) = fitferry_strava::login::stored(&*self.athlete).await {
            self.store.clear(&login.app_id()).await?;
        }
        Ok(())
    }

    /// A new login starts with a clean slate: no pause but a 429's, and the next tick looks. The lease is
    /// held.
    pub async fn clear_pauses(&self, fence: Fence) -> Result<(), CommandError> {
        let (mut head, version) = self.athlete.head().await?;
        head.clear_pauses();
        self.athlete.put_head(version, &head, fence).await?;
        self.clear_budget_pauses().await
    }

    /// Tries a login to Garmin with one request.
    pub async fn prove_garmin(
        &self,
        login: fitferry_garmin::Login,
    ) -> Result<fitferry_garmin::login::ProvenLogin, CommandError> {
        let client = http::client(&self.settings)?;
        let endpoints = garmin_endpoints(&self.settings);
        let proven = fitferry_garmin::login::prove(
            &client,
            &endpoints,
            &*self.athlete,
            login,
            &*self.clock,
            &self.meter,
        );
        Ok(proven.await?)
    }
}

/// A login that succeeded.
pub struct Outcome {
    /// Who it is at the service, where it says so.
    pub account: Option<String>,
    /// More for the document.
    pub document: Map<String, Value>,
}

/// Prints the one document of `login --json`, whatever the outcome.
pub fn finish(
    context: &Context,
    service: Service,
    outcome: Result<Outcome, CommandError>,
) -> Result<u8, CommandError> {
    if !context.json {
        return outcome.map(|_| 0);
    }
    let mut document = json!({
        "service": service.key(),
        "ok": outcome.is_ok(),
        "athlete": context.settings.athlete,
    });
    let (exit, more) = match outcome {
        Ok(Outcome { account, document }) => {
            let account = Map::from_iter([("account".to_owned(), json!(account))]);
            (0, account.into_iter().chain(document).collect::<Map<_, _>>())
        }
        Err(error) => {
            context.say.error(&error);
            (error.exit_code(), Map::from_iter([("error".to_owned(), error.to_json())]))
        }
    };
    for (key, value) in more {
        document[key] = value;
    }
    context.out.json(&document)?;
    Ok(exit)
}
