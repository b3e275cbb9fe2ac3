//! A client with everything around it: the scripted server and the fakes.

use std::sync::Arc;
use std::time::Duration;

use fitferry_core::activity::{FileKind, GarminId};
use fitferry_core::budget::Purpose;
use fitferry_core::ports::{Clock, Failure, Meter, PortError, SendError, Upload, Window};
use fitferry_strava::{Connection, Endpoints, StravaClient};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use url::Url;

use crate::fakes::{MemoryBudget, MemoryLease, MemoryVault, StillClock};
use crate::server::{Reply, Request, Server};

/// When all tests begin.
pub(crate) const NOW: &str = "2026-11-23T06:07:00Z";
pub(crate) const ACCESS: &str = "access-token-of-the-test";
pub(crate) const REFRESH: &str = "refresh-token-of-the-test";
pub(crate) const SECRET: &str = "client-secret-of-the-test";
pub(crate) const CLIENT_ID: &str = "12345";

pub(crate) const TOKEN_VOID: &str = r#"{"message":"Authorization Error","errors":[{"resource":"Athlete","field":"access_token","code":"invalid"}]}"#;
pub(crate) const INACTIVE: &str =
    r#"{"message":"Forbidden","errors":[{"resource":"Application","field":"Status","code":"Inactive"}]}"#;
pub(crate) const CREDENTIALS: &str =
    r#"{"message":"Authorization Error","errors":[{"resource":"Application","field":"","code":"invalid"}]}"#;
pub(crate) const REFRESH_DEAD: &str = r#"{"message":"Bad Request","errors":[{"resource":"RefreshToken","field":"refresh_token","code":"invalid"}]}"#;
pub(crate) const NO_WRITE: &str = r#"{"message":"Authorization Error","errors":[{"resource":"AccessToken","field":"activity:write_permission","code":"missing"}]}"#;
pub(crate) const TAKEN: &str = r#"{"id":55,"id_str":"55","external_id":null,"error":null,"status":"Your activity is still being processed.","activity_id":null}"#;

pub(crate) struct Bench {
    pub(crate) server: Server,
    pub(crate) client: StravaClient,
    pub(crate) connection: Connection,
    pub(crate) vault: Arc<MemoryVault>,
    pub(crate) budget: Arc<MemoryBudget>,
    pub(crate) lease: Arc<MemoryLease>,
    pub(crate) clock: Arc<StillClock>,
    pub(crate) meter: Arc<Meter>,
}

impl Bench {
    /// A login that is good for five hours.
    pub(crate) async fn new(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Bench {
        Bench::with(&login_text(300), script).await
    }

    pub(crate) async fn with(
        login: &str,
        script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Bench {
        Bench::at("/api/v3", login, script).await
    }

    pub(crate) async fn at(
        prefix: &str,
        login: &str,
        script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Bench {
        let server = Server::start(script).await;
        let endpoints =
            Endpoints { api: server.base.join(prefix).unwrap(), oauth: server.base.join("/oauth").unwrap() };
        Bench::over(server, endpoints, login, Purpose::Everyday)
    }

    pub(crate) fn over(server: Server, endpoints: Endpoints, login: &str, purpose: Purpose) -> Bench {
        let vault = Arc::new(MemoryVault::holding(login));
        let budget = Arc::new(MemoryBudget::new(now()));
        let lease = Arc::new(MemoryLease::default());
        let clock = Arc::new(StillClock::at(now()));
        let meter = Arc::new(Meter::default());
        let connection = Connection::new(
            http(),
            endpoints,
            budget.clone(),
            clock.clone(),
            meter.clone(),
            SignedDuration::from_hours(24),
        );
        let client = StravaClient::new(connection.clone(), vault.clone(), lease.clone(), purpose);
        Bench { server, client, connection, vault, budget, lease, clock, meter }
    }

    /// The upload of ten bytes that most tests make.
    pub(crate) fn an_upload(&self) -> Upload {
        let now = self.clock.monotonic();
        Upload {
            id: GarminId(20_000_000_001),
            kind: FileKind::Fit,
            bytes: b"0123456789".to_vec().into(),
            name: Some("Morning Run".to_owned()),
            start_before: now + Duration::from_secs(20),
            timeout: Duration::from_secs(60),
            deadline: None,
        }
    }

    pub(crate) fn stored(&self) -> Value {
        serde_json::from_str(&self.vault.text().unwrap()).unwrap()
    }
}

pub(crate) fn now() -> Timestamp {
    NOW.parse().unwrap()
}

pub(crate) fn in_minutes(minutes: i64) -> Timestamp {
    now().checked_add(SignedDuration::from_mins(minutes)).unwrap()
}

/// The stored form of a login: a change here is a change of what lies in people's stores.
pub(crate) fn login_text(minutes_left: i64) -> String {
    login_json(minutes_left).to_string()
}

pub(crate) fn login_json(minutes_left: i64) -> Value {
    json!({
        "client_id": CLIENT_ID,
        "client_secret": SECRET,
        "athlete": {"id": 2_000_001, "name": "Sample Athlete"},
        "scopes": ["activity:read_all", "activity:write", "read"],
        "scopes_assumed": false,
        "current": {
            "access": ACCESS,
            "refresh": REFRESH,
            "expires_at": in_minutes(minutes_left).as_second(),
            "skew_s": 0,
        },
    })
}

/// An answer of the token endpoint with a pair that is good for six hours.
pub(crate) fn new_pair(name: &str) -> Reply {
    let expires_at = in_minutes(360).as_second();
    let body = json!({
        "token_type": "Bearer",
        "access_token": format!("{name}-access-token"),
        "refresh_token": format!("{name}-refresh-token"),
        "expires_at": expires_at,
        "expires_in": 21_600,
    });
    Reply::json(200, &body.to_string())
}

pub(crate) fn window() -> Window {
    Window { after: "2026-11-18T00:00:00Z".parse().unwrap(), before: "2026-11-24T00:00:00Z".parse().unwrap() }
}

pub(crate) fn http() -> reqwest::Client {
    // The second one to come finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

/// An address where nothing listens, as long as the socket lives.
pub(crate) fn nowhere() -> (TcpSocket, Url) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let url = Url::parse(&format!("http://{}", socket.local_addr().unwrap())).unwrap();
    (socket, url)
}

/// An error in one word, with its status.
pub(crate) fn name(error: &PortError) -> String {
    match error {
        PortError::LoginNeeded { .. } => "login needed".to_owned(),
        PortError::Moved { .. } => "moved".to_owned(),
        PortError::Misconfigured { .. } => "misconfigured".to_owned(),
        PortError::Limited { until, .. } => {
            format!("limited until {}", until.map_or("?".to_owned(), |until| until.to_string()))
        }
        PortError::AppInactive { until } => {
            format!("inactive until {}", until.map_or("?".to_owned(), |until| until.to_string()))
        }
        PortError::BudgetFull { until } => format!("budget full until {until}"),
        PortError::Down { status, .. } => {
            format!("down {}", status.map_or("-".to_owned(), |status| status.to_string()))
        }
        PortError::Refused { status, .. } => {
            format!("refused {}", status.map_or("-".to_owned(), |status| status.to_string()))
        }
        PortError::OutOfTime => "out of time".to_owned(),
        PortError::Busy => "busy".to_owned(),
        PortError::Store(_) => "store".to_owned(),
    }
}

/// The same of an upload.
pub(crate) fn send_name(error: &SendError) -> String {
    match error {
        SendError::NotTaken(failure) => format!("not taken: {}", name(&failure.error)),
        SendError::InDoubt(failure) => format!("in doubt: {}", name(&failure.error)),
    }
}

pub(crate) fn failure(error: &SendError) -> &Failure {
    match error {
        SendError::NotTaken(failure) | SendError::InDoubt(failure) => failure,
    }
}
