//! One athlete's engine with everything wired: clients, store, clock.
//!
//! Not here: what a command or a function does with it, how the engine decides (`fitferry-core`).

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use fitferry_core::budget::{Purpose, View};
use fitferry_core::engine::backfill::{self, Backfill, Span};
use fitferry_core::engine::survey::{Survey, survey};
use fitferry_core::engine::{
    self, Observer, Progress, Run, Settings as EngineSettings, Since, report::Report,
};
use fitferry_core::moment::later;
use fitferry_core::ports::{Clock as _, Destination as _, Fence, Meter, PortError, Ports};
use fitferry_garmin::sso::{self, Means, SsoError, SsoHost, Ticket};
use fitferry_garmin::{GarminClient, Recent};
use fitferry_strava::{Connection, StravaClient};
use jiff::SignedDuration;

use crate::clock::SystemClock;
use crate::config::{self, Settings};
use crate::error::CommandError;
use crate::http;
use crate::store::Store;

/// How long an app that Strava calls inactive is left alone.
const INACTIVE: SignedDuration = SignedDuration::from_hours(24);

/// How long a person waits for another run to end (rule *Lease*).
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// For how long the lease is taken by what is no tick.
const LEASE: SignedDuration = SignedDuration::from_mins(2);

/// Everything that is needed to act for one athlete.
pub struct App {
    pub settings: Settings,
    pub store: Store,
    pub clock: Arc<SystemClock>,
    pub meter: Arc<Meter>,
    pub connection: Connection,
    pub garmin: GarminClient,
    pub strava: StravaClient,
    pub(crate) http: reqwest::Client,
}

impl App {
    /// Builds the clients over a store that is open, with the vault's secrets alone; makes no request.
    pub fn over(settings: Settings, store: Store, clock: Arc<SystemClock>) -> Result<App, CommandError> {
        let meter = Arc::new(Meter::default());
        let http = http::client(&settings)?;
        let connection = Connection::new(
            http.clone(),
            fitferry_strava::Endpoints {
                api: settings.endpoints.strava_api.clone(),
                oauth: settings.endpoints.strava_oauth.clone(),
            },
            store.budget.clone(),
            clock.clone(),
            meter.clone(),
            settings.timing.scaled(INACTIVE),
        );
        let garmin = GarminClient::new(
            http.clone(),
            garmin_endpoints(&settings),
            store.vault.clone(),
            store.lease.clone(),
            clock.clone(),
            meter.clone(),
            settings.timing.garmin_spacing,
        );
        let strava = StravaClient::new(
            connection.clone(),
            store.vault.clone(),
            store.lease.clone(),
            Purpose::Everyday,
        );
        Ok(App { settings, store, clock, meter, connection, garmin, strava, http })
    }

    fn ports(&self) -> Ports<'_> {
        Ports {
            source: &self.garmin,
            destination: &self.strava,
            ledger: &*self.store.ledger,
            vault: &*self.store.vault,
            lease: &*self.store.lease,
            clock: &*self.clock,
            meter: &self.meter,
        }
    }

    /// One tick. `settle`: how long it goes on looking, where the configuration says nothing else.
    pub async fn tick(&self, settle: Option<SignedDuration>, observer: &dyn Observer) -> Report {
        let mut settings = self.engine_settings();
        if let Some(settle) = settle.filter(|_| !self.settings.settle_is_set) {
            settings.timing.settle = settle;
        }
        let report = engine::tick(self.ports(), &settings, self.run(observer)).await;
        #[cfg(feature = "desk")]
        self.store.beat(self.clock.now());
        report
    }

    /// Strava, for the history: the everyday tick's reserve of requests stays (rule *Budget*).
    fn history(&self) -> StravaClient {
        StravaClient::new(
            self.connection.clone(),
            self.store.vault.clone(),
            self.store.lease.clone(),
            Purpose::Backfill,
        )
    }

    /// The history, and the everyday tick with it, until it has gone or a signal comes.
    pub async fn backfill(&self, span: Span, observer: &dyn Observer) -> backfill::End {
        let destination = self.history();
        let told = Backfill { destination: &destination, span, every: self.settings.every };
        let beats = Beats { app: self, observer };
        backfill::backfill(self.ports(), &told, &self.engine_settings(), self.run(&beats)).await
    }

    /// What a backfill would do: no write, but the requests that only read.
    pub async fn survey(&self, span: Span, observer: &dyn Observer) -> Result<Survey, CommandError> {
        let destination = self.history();
        let settings = self.engine_settings();
        let survey = survey(self.ports(), &settings, span, self.run(observer), Some(&destination)).await;
        survey.map_err(|trouble| CommandError::from(&trouble))
    }

    /// The account of requests of the Strava app that is signed in.
    pub async fn budget(&self) -> Result<Option<View>, CommandError> {
        Ok(self.strava.budget(self.clock.now()).await?)
    }

    pub async fn preview(&self, observer: &dyn Observer) -> Report {
        engine::preview::preview(self.ports(), &self.engine_settings(), self.run(observer)).await
    }

    /// The newest activities on Garmin, the newest first.
    pub async fn recent(&self, limit: u32) -> Result<Vec<Recent>, CommandError> {
        Ok(self.garmin.recent(limit).await.map_err(|failure| failure.error)?.value)
    }

    /// Whether *Garmin's own link* is on: as the head has it, else by a look at Strava.
    pub async fn garmins_own_link(&self) -> Result<bool, CommandError> {
        let (head, _) = self.store.ledger.head().await?;
        match head.link.on {
            Some(on) => Ok(on),
            None => Ok(engine::preview::garmins_own_link(&self.strava, self.clock.now())
                .await
                .map_err(|failure| failure.error)?),
        }
    }

    fn run<'a>(&'a self, observer: &'a dyn Observer) -> Run<'a> {
        Run { deadline: self.clock.deadline(), stop: self.stop(), observer }
    }

    /// Set by a signal: what runs ends between two steps.
    pub fn stop(&self) -> &AtomicBool {
        self.clock.stop()
    }

    fn engine_settings(&self) -> EngineSettings {
        EngineSettings {
            rules: self.settings.core_rules(),
            since: match self.settings.since {
                None => Since::Unset,
                Some(config::Since::All) => Since::All,
                Some(config::Since::Date(day)) => Since::Day(day),
            },
            lookback: self.settings.lookback,
            sweep: self.settings.sweep,
            hold: self.settings.hold,
            timing: self.settings.timing.clone(),
        }
    }
}

/// Keeps the heartbeat of a run of many ticks.
struct Beats<'a> {
    app: &'a App,
    observer: &'a dyn Observer,
}

impl Observer for Beats<'_> {
    fn hears(&self, event: Progress<'_>) {
        #[cfg(feature = "desk")]
        if matches!(event, Progress::TickOver { .. }) {
            self.app.store.beat(self.app.clock.now());
        }
        self.observer.hears(event);
    }
}

pub fn garmin_endpoints(settings: &Settings) -> fitferry_garmin::Endpoints {
    fitferry_garmin::Endpoints {
        personal: settings.endpoints.garmin_personal.clone(),
        api: settings.endpoints.garmin_api.clone(),
        auth: settings.endpoints.garmin_auth.clone(),
    }
}

/// What a login and the user's word need beside a tick.
impl App {
    /// Takes the lease, waiting for another run to end; `Busy` where it does not.
    async fn wait_for_lease(&self) -> Result<Fence, CommandError> {
        let give_up = self.clock.monotonic() + PATIENCE;
        loop {
            let until = later(self.clock.now(), LEASE);
            if let Some(fence) = self.store.lease.take(until).await? {
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
        self.store.lease.release().await?;
        outcome
    }

    /// Ends the pauses of the Strava app that is signed in, but a 429's.
    pub async fn clear_budget_pauses(&self) -> Result<(), CommandError> {
        // An unreadable login has no app whose pauses could be found; signing in makes a new one.
        if let Ok(Some(login)) = fitferry_strava::login::stored(&*self.store.vault).await {
            self.store.budget.clear(&login.app_id()).await?;
        }
        Ok(())
    }

    /// A new login starts with a clean slate: no pause but a 429's, and the next tick looks. The lease is
    /// held.
    pub async fn clear_pauses(&self, fence: Fence) -> Result<(), CommandError> {
        let (mut head, version) = self.store.ledger.head().await?;
        head.clear_pauses();
        self.store.ledger.put_head(version, &head, fence).await?;
        self.clear_budget_pauses().await
    }

    /// What signing in to Garmin takes.
    pub fn garmin_means(&self) -> Means<'_> {
        Means { http: &self.http, clock: &*self.clock, meter: &self.meter }
    }

    pub fn garmin_sso(&self) -> SsoHost {
        SsoHost::new(&self.settings.endpoints.garmin_sso, self.settings.domain)
    }

    /// Makes a login of a ticket, which is spent with that.
    pub async fn redeem_garmin(&self, ticket: &Ticket) -> Result<fitferry_garmin::Login, SsoError> {
        let endpoints = garmin_endpoints(&self.settings);
        sso::redeem(self.garmin_means(), &endpoints, &self.garmin_sso(), ticket).await
    }

    /// Tries a login to Garmin with one request.
    pub async fn prove_garmin(
        &self,
        login: fitferry_garmin::Login,
    ) -> Result<fitferry_garmin::login::ProvenLogin, CommandError> {
        let endpoints = garmin_endpoints(&self.settings);
        let proven = fitferry_garmin::login::prove(
            &self.http,
            &endpoints,
            &*self.store.vault,
            login,
            &*self.clock,
            &self.meter,
        );
        Ok(proven.await?)
    }
}
