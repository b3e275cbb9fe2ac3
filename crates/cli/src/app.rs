//! One athlete's engine with everything wired: clients, store, clock.
//!
//! Not here: what a command does with it (`commands`), how the engine decides (`fitferry-core`).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use fitferry_core::engine::{self, Observer, Run, Settings as EngineSettings, Since, report::Report};
use fitferry_core::ports::{Meter, Ports};
use fitferry_garmin::GarminClient;
use fitferry_store::{AthleteStore, SqliteStore};
use fitferry_strava::{Connection, StravaClient};
use jiff::SignedDuration;
use secrecy::ExposeSecret as _;

use crate::clock::SystemClock;
use crate::config::{self, SecretKey, Settings};
use crate::error::CommandError;
use crate::http;

/// How long an app that Strava calls inactive is left alone.
const INACTIVE: SignedDuration = SignedDuration::from_hours(24);

/// Everything that a command needs to act for one athlete.
pub struct App {
    pub settings: Settings,
    pub store: SqliteStore,
    pub athlete: Arc<AthleteStore>,
    pub clock: Arc<SystemClock>,
    pub meter: Arc<Meter>,
    pub connection: Connection,
    pub garmin: GarminClient,
    pub strava: StravaClient,
}

impl App {
    /// Opens the store and builds the clients; makes no request.
    pub fn open(settings: Settings) -> Result<App, CommandError> {
        settings.create_store_folder()?;
        let store = SqliteStore::open(&settings.store)?;
        App::over(settings, store)
    }

    pub fn over(settings: Settings, store: SqliteStore) -> Result<App, CommandError> {
        let athlete = Arc::new(store.athlete(&settings.athlete));
        let clock = Arc::new(SystemClock::default());
        let meter = Arc::new(Meter::default());
        let client = http::client(&settings)?;
        let connection = Connection::new(
            client.clone(),
            fitferry_strava::Endpoints {
                api: settings.endpoints.strava_api.clone(),
                oauth: settings.endpoints.strava_oauth.clone(),
            },
            Arc::new(store.clone()),
            clock.clone(),
            meter.clone(),
            settings.timing.scaled(INACTIVE),
        );
        let mut garmin = GarminClient::new(
            client,
            garmin_endpoints(&settings),
            athlete.clone(),
            athlete.clone(),
            clock.clone(),
            meter.clone(),
            settings.timing.garmin_spacing,
        );
        // A key in the environment stands above the vault's.
        if let Some(key) = settings.secret(SecretKey::GarminApiKey)? {
            let login = fitferry_garmin::Login::from_api_key(key.expose_secret(), None, settings.domain)
                .map_err(|error| {
                    CommandError::usage(error.to_string(), "Check `FITFERRY_GARMIN__API_KEY`.")
                })?;
            garmin = garmin.with_key(login);
        }
        let strava = StravaClient::new(
            connection.clone(),
            athlete.clone(),
            athlete.clone(),
            fitferry_core::budget::Purpose::Everyday,
        );
        Ok(App { settings, store, athlete, clock, meter, connection, garmin, strava })
    }

    fn ports(&self) -> Ports<'_> {
        Ports {
            source: &self.garmin,
            destination: &self.strava,
            ledger: &*self.athlete,
            vault: &*self.athlete,
            lease: &*self.athlete,
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
        self.beat();
        report
    }

    pub async fn preview(&self, observer: &dyn Observer) -> Report {
        engine::preview::preview(self.ports(), &self.engine_settings(), self.run(observer)).await
    }

    fn run<'a>(&'a self, observer: &'a dyn Observer) -> Run<'a> {
        Run { deadline: None, stop: self.stop(), observer }
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

    /// The heartbeat is a file's time: an idle tick writes nothing to the store. That it cannot be left is
    /// no reason for a tick to fail.
    fn beat(&self) {
        use fitferry_core::ports::Clock as _;
        if let Err(error) = self.store.touch_heartbeat(&self.settings.athlete, self.clock.now()) {
            tracing::warn!("{error}");
        }
    }
}

pub fn garmin_endpoints(settings: &Settings) -> fitferry_garmin::Endpoints {
    fitferry_garmin::Endpoints {
        personal: settings.endpoints.garmin_personal.clone(),
        api: settings.endpoints.garmin_api.clone(),
        auth: settings.endpoints.garmin_auth.clone(),
    }
}

/// Opens the store for a command that only reads; `None` where there is none yet.
pub fn open_for_reading(path: &Path) -> Result<Option<SqliteStore>, CommandError> {
    if path.try_exists().unwrap_or(true) { Ok(Some(SqliteStore::open_for_reading(path)?)) } else { Ok(None) }
}
