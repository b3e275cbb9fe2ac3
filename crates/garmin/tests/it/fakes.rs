//! Ports in memory, which write down what happens in one story with the server.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fitferry_core::ports::{
    Clock, Failure, Fence, Lease, Meter, Page, PortError, PutError, SecretName, StoreError, Vault, Version,
};
use fitferry_garmin::{Domain, Endpoints, GarminClient, Login};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use crate::server::{Reply, Seen, Server};

/// What happened, in order.
#[derive(Clone, Default)]
pub(crate) struct Story(Arc<Mutex<Vec<String>>>);

impl Story {
    pub(crate) fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    /// What happened since the last time this was asked.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

pub(crate) struct FakeClock {
    now: Mutex<Timestamp>,
    slept: Mutex<Vec<Duration>>,
}

pub(crate) fn noon() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

impl FakeClock {
    pub(crate) fn advance(&self, by: SignedDuration) {
        let mut now = self.now.lock().unwrap();
        *now = now.checked_add(by).unwrap();
    }

    pub(crate) fn slept(&self) -> Vec<Duration> {
        self.slept.lock().unwrap().clone()
    }
}

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::try_from(self.now().duration_since(noon())).unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        self.slept.lock().unwrap().push(duration);
        self.advance(duration.try_into().unwrap());
    }
}

/// `get` answers from what was there when it was frozen, as a process does that has read with the head.
pub(crate) struct FakeVault {
    story: Story,
    items: Mutex<BTreeMap<SecretName, (String, Version)>>,
    frozen: Mutex<Option<BTreeMap<SecretName, (String, Version)>>>,
    pub(crate) full: AtomicBool,
}

impl FakeVault {
    pub(crate) fn empty(story: Story) -> FakeVault {
        FakeVault { story, items: Mutex::default(), frozen: Mutex::default(), full: AtomicBool::new(false) }
    }

    pub(crate) fn put(&self, name: SecretName, secret: &SecretString) {
        let version = self.version(name);
        let item = (secret.expose_secret().to_owned(), Version(version.0 + 1));
        self.items.lock().unwrap().insert(name, item);
    }

    pub(crate) fn read(&self, name: SecretName) -> Option<String> {
        self.items.lock().unwrap().get(&name).map(|(text, _)| text.clone())
    }

    pub(crate) fn freeze(&self) {
        let items = self.items.lock().unwrap().clone();
        *self.frozen.lock().unwrap() = Some(items);
    }

    fn version(&self, name: SecretName) -> Version {
        self.items.lock().unwrap().get(&name).map_or(Version::ABSENT, |(_, version)| *version)
    }

    fn writable(&self) -> Result<(), StoreError> {
        if self.full.load(Ordering::Relaxed) {
            return Err(StoreError { what: "disk full".to_owned(), help: "Make room.".to_owned() });
        }
        Ok(())
    }
}

#[async_trait]
impl Vault for FakeVault {
    async fn get(&self, name: SecretName) -> Result<Option<(SecretString, Version)>, StoreError> {
        let frozen = self.frozen.lock().unwrap().clone();
        let items = frozen.unwrap_or_else(|| self.items.lock().unwrap().clone());
        Ok(items.get(&name).map(|(text, version)| (text.clone().into(), *version)))
    }

    async fn get_fresh(&self, name: SecretName) -> Result<Option<(SecretString, Version)>, StoreError> {
        let items = self.items.lock().unwrap();
        Ok(items.get(&name).map(|(text, version)| (text.clone().into(), *version)))
    }

    async fn replace(
        &self,
        name: SecretName,
        expected: Version,
        new: &SecretString,
    ) -> Result<Version, PutError> {
        self.writable()?;
        if self.version(name) != expected {
            return Err(PutError::Conflict);
        }
        self.story.add(format!("keep {}", name.key()));
        self.put(name, new);
        Ok(self.version(name))
    }

    async fn remove(&self, name: SecretName) -> Result<(), StoreError> {
        self.writable()?;
        self.items.lock().unwrap().remove(&name);
        Ok(())
    }
}

pub(crate) struct FakeLease {
    story: Story,
    held: AtomicBool,
    pub(crate) taken_by_another: AtomicBool,
}

impl FakeLease {
    pub(crate) fn free(story: Story) -> FakeLease {
        FakeLease { story, held: AtomicBool::new(false), taken_by_another: AtomicBool::new(false) }
    }
}

#[async_trait]
impl Lease for FakeLease {
    async fn take(&self, _until: Timestamp) -> Result<Option<Fence>, StoreError> {
        if self.taken_by_another.load(Ordering::Relaxed) {
            return Ok(None);
        }
        self.story.add("take");
        self.held.store(true, Ordering::Relaxed);
        Ok(Some(Fence(1)))
    }

    async fn renew(&self, _until: Timestamp) -> Result<bool, StoreError> {
        Ok(self.held().is_some())
    }

    async fn release(&self) -> Result<(), StoreError> {
        self.story.add("release");
        self.held.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn held(&self) -> Option<Fence> {
        self.held.load(Ordering::Relaxed).then_some(Fence(1))
    }
}

/// A client, its ports and the Garmin that it talks to.
pub(crate) struct Stage {
    pub(crate) story: Story,
    pub(crate) server: Server,
    pub(crate) endpoints: Endpoints,
    pub(crate) http: reqwest::Client,
    pub(crate) vault: Arc<FakeVault>,
    pub(crate) lease: Arc<FakeLease>,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) client: GarminClient,
}

impl Stage {
    pub(crate) async fn new(
        login: Option<&Login>,
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Stage {
        Stage::spaced(SignedDuration::ZERO, login, answer).await
    }

    pub(crate) async fn spaced(
        spacing: SignedDuration,
        login: Option<&Login>,
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Stage {
        let story = Story::default();
        let clock = Arc::new(FakeClock { now: Mutex::new(noon()), slept: Mutex::default() });
        let server = Server::start(story.clone(), clock.clone(), answer).await;
        let vault = Arc::new(FakeVault::empty(story.clone()));
        if let Some(login) = login {
            vault.put(SecretName::GarminLogin, &login.write());
        }
        let lease = Arc::new(FakeLease::free(story.clone()));
        let meter = Arc::new(Meter::default());
        let http = http();
        let at = |path: &str| server.url.join(path).unwrap();
        let endpoints = Endpoints { personal: at("personal"), api: at("api"), auth: at("auth") };
        let client = GarminClient::new(
            http.clone(),
            endpoints.clone(),
            vault.clone(),
            lease.clone(),
            clock.clone(),
            meter.clone(),
            spacing,
        );
        Stage { story, server, endpoints, http, vault, lease, clock, meter, client }
    }
}

pub(crate) fn http() -> reqwest::Client {
    // The provider is one for the process; all tests install the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

pub(crate) const KEY: &str = "the-personal-api-key";

pub(crate) fn key_login() -> Login {
    Login::from_api_key(KEY, None, Domain::Com).unwrap()
}

/// A login with tokens of the Connect API; the access token lasts for `life` from noon on.
pub(crate) fn token_login(life: SignedDuration, refresh: &str) -> Login {
    let access = jwt(noon() + life, "imported");
    let file = format!(r#"{{"di_token":"{access}","di_refresh_token":"{refresh}","di_client_id":"APP"}}"#);
    Login::from_tokens_file(&file).unwrap()
}

/// A token that ends at `exp`; `mark` makes it differ from others.
pub(crate) fn jwt(exp: Timestamp, mark: &str) -> String {
    use base64::Engine;
    let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let claims = format!(r#"{{"exp":{},"mark":"{mark}"}}"#, exp.as_second());
    format!("{}.{}.{}", part(r#"{"alg":"RS256"}"#), part(&claims), part(mark))
}

pub(crate) fn newest() -> Page {
    Page { start: 0, limit: 20, from: None, to: None }
}

/// One word for what went wrong, with the status where there is one.
pub(crate) fn kind<T>(outcome: &Result<T, Failure>) -> String {
    let with = |word: &str, status: Option<u16>| match status {
        Some(status) => format!("{word} {status}"),
        None => word.to_owned(),
    };
    match outcome.as_ref().map_err(|failure| &failure.error) {
        Ok(_) => "ok".to_owned(),
        Err(PortError::LoginNeeded { .. }) => "login needed".to_owned(),
        Err(PortError::Limited { retry_after, .. }) => {
            retry_after.map_or_else(|| "limited".to_owned(), |wait| format!("limited {}", wait.as_secs()))
        }
        Err(PortError::Down { status, .. }) => with("down", *status),
        Err(PortError::Refused { status, .. }) => with("refused", *status),
        Err(PortError::Busy) => "busy".to_owned(),
        Err(PortError::Store(_)) => "store".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}
