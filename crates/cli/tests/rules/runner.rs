//! One runner with a store in memory and a clock that stands still until somebody waits.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fitferry_core::activity::GarminId;
use fitferry_core::budget::Purpose;
use fitferry_core::engine::backfill::{Backfill, End, Span, backfill};
use fitferry_core::engine::report::Report;
use fitferry_core::engine::{self, Deaf, Hold, Run, Settings, Since};
use fitferry_core::ledger::{Row, State};
use fitferry_core::ports::{Clock, Destination, Ledger, Meter, Ports};
use fitferry_core::rules::Rules;
use fitferry_core::timing::Timing;
use fitferry_garmin::{Domain, Endpoints, GarminClient, Login};
use fitferry_sandbox::garmin::{self, GarminActivity};
use fitferry_sandbox::generate::GenerateSpec;
use fitferry_sandbox::{
    Clock as WorldClock, Fault, Options, RequestEvent, Route, Sandbox, Service, What, When, World, strava,
};
use fitferry_store::{AthleteStore, SqliteStore};
use fitferry_strava::login::App;
use fitferry_strava::{Connection, StravaClient, oauth};
use jiff::{SignedDuration, Timestamp};

/// A Wednesday at noon, far from a quarter hour's end.
pub const NOON: &str = "2026-11-18T12:01:00Z";

pub fn at(text: &str) -> Timestamp {
    text.parse().expect("a time in RFC 3339")
}

/// The engine's clock: the world's, or one that is wrong by a fixed span.
struct VirtualClock {
    world: WorldClock,
    wrong_by: SignedDuration,
    start: Timestamp,
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.world.now() + self.wrong_by
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(1_000) + self.start.duration_until(self.world.now()).unsigned_abs()
    }

    async fn sleep(&self, duration: Duration) {
        self.world.shift(SignedDuration::try_from(duration).expect("waits are short"));
    }
}

/// Nobody stops these.
static STOP: AtomicBool = AtomicBool::new(false);

type Hook = Box<dyn Fn(&RequestEvent) + Send + Sync>;

pub struct Runner {
    pub sandbox: Sandbox,
    pub store: SqliteStore,
    pub settings: Settings,
    clock: WorldClock,
    wrong_by: SignedDuration,
    hook: Arc<Mutex<Option<Hook>>>,
}

impl Runner {
    /// Signed in to both, nothing recorded, no tick yet.
    pub async fn new() -> Runner {
        Runner::with_scopes(&["read", "activity:read_all", "activity:write"]).await
    }

    pub async fn with_scopes(scopes: &[&str]) -> Runner {
        let clock = WorldClock::standing(at(NOON));
        let hook: Arc<Mutex<Option<Hook>>> = Arc::default();
        let heard = hook.clone();
        let on_request: fitferry_sandbox::Hook = Arc::new(move |event: &RequestEvent| {
            if let Some(hook) = heard.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
                hook(event);
            }
        });
        let options = Options { clock: clock.clone(), on_request: Some(on_request) };
        let mut world = World::empty(3);
        world.strava.settings.processing = SignedDuration::from_secs(1);
        let sandbox = Sandbox::start(Arc::new(Mutex::new(world)), options).expect("the sandbox starts");
        let store = SqliteStore::open_in_memory().expect("a store in memory opens");
        let settings = Settings {
            rules: Rules { types: vec!["running".to_owned()], rules: Vec::new() },
            since: Since::All,
            lookback: SignedDuration::from_hours(30 * 24),
            sweep: SignedDuration::from_hours(6),
            hold: Hold::Auto,
            timing: Timing { garmin_spacing: SignedDuration::ZERO, ..Timing::default() },
        };
        let runner = Runner { sandbox, store, settings, clock, wrong_by: SignedDuration::ZERO, hook };
        runner.sign_in(scopes).await;
        runner
    }

    async fn sign_in(&self, scopes: &[&str]) {
        let athlete = self.store.athlete("me");
        let code = self.sandbox.consent(strava::CLIENT_ID, strava::ATHLETE, scopes);
        let app = App {
            client_id: strava::CLIENT_ID.to_string(),
            client_secret: strava::CLIENT_SECRET.to_owned().into(),
        };
        let granted = oauth::Granted {
            code: code.into(),
            scopes: fitferry_strava::login::Scopes::parse(&scopes.join(",")),
        };
        let (connection, _) = self.connection();
        let login = oauth::exchange_code(&connection, &app, &granted).await.expect("the code is good");
        fitferry_strava::login::store(&athlete, &login, false).await.expect("the vault works");
        let key = Login::from_api_key(garmin::API_KEY, None, Domain::Com).expect("a key");
        let (http, endpoints) = self.garmin();
        let (clock, meter) = (self.engine_clock(), Meter::default());
        let proven = fitferry_garmin::login::prove(&http, &endpoints, &athlete, key, &*clock, &meter);
        let proven = proven.await.expect("the key is good");
        fitferry_garmin::login::store(&athlete, &proven).await.expect("the vault works");
    }

    fn engine_clock(&self) -> Arc<VirtualClock> {
        Arc::new(VirtualClock { world: self.clock.clone(), wrong_by: self.wrong_by, start: at(NOON) })
    }

    fn http() -> reqwest::Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .build()
            .expect("an HTTP client")
    }

    fn garmin(&self) -> (reqwest::Client, Endpoints) {
        let url = |service| self.sandbox.url(service).parse().expect("an address");
        let endpoints = Endpoints {
            personal: url(Service::GarminPersonal),
            api: url(Service::GarminApi),
            auth: url(Service::GarminAuth),
        };
        (Runner::http(), endpoints)
    }

    fn connection(&self) -> (Connection, Arc<Meter>) {
        let meter = Arc::new(Meter::default());
        let strava = self.sandbox.url(Service::Strava);
        let endpoints = fitferry_strava::Endpoints {
            api: format!("{strava}/api/v3").parse().expect("an address"),
            oauth: format!("{strava}/oauth").parse().expect("an address"),
        };
        let connection = Connection::new(
            Runner::http(),
            endpoints,
            Arc::new(self.store.clone()),
            self.engine_clock(),
            meter.clone(),
            SignedDuration::from_hours(24),
        );
        (connection, meter)
    }

    /// One tick by a process of its own: nothing is kept but what the store has.
    pub async fn tick(&self) -> Report {
        self.tick_until(None).await
    }

    /// A tick that must be over after that long.
    pub async fn tick_until(&self, deadline: Option<Duration>) -> Report {
        let athlete = Arc::new(self.store.athlete("me"));
        self.tick_of(&athlete, deadline).await
    }

    pub async fn tick_of(&self, athlete: &Arc<AthleteStore>, deadline: Option<Duration>) -> Report {
        let monotonic = self.engine_clock().monotonic();
        let run =
            Run { deadline: deadline.map(|deadline| monotonic + deadline), stop: &STOP, observer: &Deaf };
        let tick =
            async |ports: Ports<'_>, _: &dyn Destination| engine::tick(ports, &self.settings, run).await;
        self.with_ports(athlete, tick).await
    }

    /// The whole of a history, by a process of its own.
    pub async fn backfill(&self, span: Span) -> End {
        let athlete = Arc::new(self.store.athlete("me"));
        let run = Run { deadline: None, stop: &STOP, observer: &Deaf };
        let every = SignedDuration::from_mins(1);
        let all = async |ports: Ports<'_>, destination: &dyn Destination| {
            let told = Backfill { destination, span, every };
            backfill(ports, &told, &self.settings, run).await
        };
        self.with_ports(&athlete, all).await
    }

    /// Everything wired for one process; the second way to Strava is charged as history.
    async fn with_ports<T>(
        &self,
        athlete: &Arc<AthleteStore>,
        work: impl AsyncFnOnce(Ports<'_>, &dyn Destination) -> T,
    ) -> T {
        let clock = self.engine_clock();
        let (connection, meter) = self.connection();
        let (http, endpoints) = self.garmin();
        let spacing = self.settings.timing.garmin_spacing;
        let source = GarminClient::new(
            http,
            endpoints,
            athlete.clone(),
            athlete.clone(),
            clock.clone(),
            meter.clone(),
            spacing,
        );
        let strava =
            |purpose| StravaClient::new(connection.clone(), athlete.clone(), athlete.clone(), purpose);
        let (destination, history) = (strava(Purpose::Everyday), strava(Purpose::Backfill));
        let ports = Ports {
            source: &source,
            destination: &destination,
            ledger: &**athlete,
            vault: &**athlete,
            lease: &**athlete,
            clock: &*clock,
            meter: &meter,
        };
        work(ports, &history).await
    }

    /// Ticks each minute for that long; the last report.
    pub async fn tick_for(&self, span: SignedDuration) -> Report {
        let end = self.now() + span;
        loop {
            let report = self.tick().await;
            if self.now() >= end {
                return report;
            }
            self.wait(SignedDuration::from_mins(1));
        }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn wait(&self, span: SignedDuration) {
        self.clock.shift(span);
    }

    /// From here on this machine's clock is ahead of the services' by that much.
    pub fn clock_is_ahead_by(&mut self, span: SignedDuration) {
        self.wrong_by = span;
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.sandbox.world()
    }

    pub fn fault(&self, route: Route, when: When, what: What) {
        self.world().faults.push(Fault { route, when, what });
    }

    /// Calls `hook` at every request, in the sandbox's thread.
    pub fn at_each_request(&self, hook: impl Fn(&RequestEvent) + Send + Sync + 'static) {
        *self.hook.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(hook));
    }

    /// A run that started so many hours ago.
    pub fn run_ago(&self, hours: i64) -> GarminId {
        let start = self.now() - SignedDuration::from_hours(hours);
        let mut world = self.world();
        let spec = GenerateSpec::run(start, 5_000.0, world.rng.draw());
        GarminId(world.garmin.add(GarminActivity::recorded("A Run", "running", &spec)))
    }

    /// The same, changed before it is there.
    pub fn activity_ago(&self, hours: i64, change: impl FnOnce(&mut GarminActivity)) -> GarminId {
        let start = self.now() - SignedDuration::from_hours(hours);
        let mut world = self.world();
        let spec = GenerateSpec::run(start, 5_000.0, world.rng.draw());
        let mut activity = GarminActivity::recorded("A Run", "running", &spec);
        change(&mut activity);
        GarminId(world.garmin.add(activity))
    }

    pub async fn row(&self, id: GarminId) -> Row {
        let athlete = self.store.athlete("me");
        let found = Ledger::get(&athlete, id).await.expect("the store works");
        found.unwrap_or_else(|| panic!("no row for {id}")).0
    }

    pub async fn state(&self, id: GarminId) -> State {
        self.row(id).await.state
    }

    pub fn mark(&self) -> usize {
        self.sandbox.log().len()
    }

    /// How many requests of this kind were made since.
    pub fn asked(&self, mark: usize, route: Route) -> usize {
        self.sandbox.log()[mark..].iter().filter(|seen| seen.route == route).count()
    }

    /// Activities on Strava that came from our uploads of this one.
    pub fn copies(&self, id: GarminId) -> usize {
        let ours = format!("garmin-{id}");
        let world = self.world();
        let stem = |external: &Option<String>| {
            external.as_deref().is_some_and(|external| external.trim_end_matches(".fit") == ours)
        };
        world.strava.of_athlete(strava::ATHLETE).filter(|activity| stem(&activity.external_id)).count()
    }
}
