//! The sandbox's Garmin, and a person at its door.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fitferry_core::ports::{Clock, Failure, Meter};
use fitferry_garmin::login::{ProvenLogin, prove};
use fitferry_garmin::sso::{self, Credentials, Means, SsoError, SsoHost, Step, Ticket};
use fitferry_garmin::{Domain, Endpoints, Login};
use fitferry_sandbox::garmin::Region;
use fitferry_sandbox::garmin::sso::{EMAIL, PASSWORD, SsoUser};
use fitferry_sandbox::{Options, Sandbox, Service, World};
use jiff::Timestamp;
use url::Url;

use crate::fakes::{FakeVault, Story, http, noon};

/// Both ends live in the same time, which moves when somebody sleeps.
pub(crate) struct SharedClock(pub(crate) fitferry_sandbox::Clock);

#[async_trait]
impl Clock for SharedClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        Duration::try_from(self.now().duration_since(noon())).unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.shift(duration.try_into().unwrap());
    }
}

pub(crate) struct Town {
    pub(crate) sandbox: Sandbox,
    pub(crate) http: reqwest::Client,
    pub(crate) clock: Arc<SharedClock>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) endpoints: Endpoints,
    pub(crate) host: SsoHost,
    pub(crate) vault: Arc<FakeVault>,
}

impl Town {
    pub(crate) fn new() -> Town {
        Town::of(Domain::Com)
    }

    pub(crate) fn of(domain: Domain) -> Town {
        let mut world = World::empty(1);
        if domain == Domain::Cn {
            world.garmin.tokens.region = Region::China;
        }
        let clock = fitferry_sandbox::Clock::standing(noon());
        let options = Options { clock: clock.clone(), ..Options::default() };
        let sandbox = Sandbox::start(Arc::new(Mutex::new(world)), options).unwrap();
        let url = |service| Url::parse(&sandbox.url(service)).unwrap();
        let endpoints = Endpoints {
            personal: url(Service::GarminPersonal),
            api: url(Service::GarminApi),
            auth: url(Service::GarminAuth),
        };
        let host = SsoHost::new(&url(Service::GarminSso), domain);
        Town {
            sandbox,
            http: http(),
            clock: Arc::new(SharedClock(clock)),
            meter: Arc::default(),
            endpoints,
            host,
            vault: Arc::new(FakeVault::empty(Story::default())),
        }
    }

    pub(crate) fn means(&self) -> Means<'_> {
        Means { http: &self.http, clock: &*self.clock, meter: &self.meter }
    }

    /// Changes the account.
    pub(crate) fn user(&self, change: impl FnOnce(&mut SsoUser)) {
        change(self.sandbox.world().garmin.sso.user(EMAIL));
    }

    /// The code that the person reads now.
    pub(crate) fn code(&self) -> String {
        self.sandbox.world().garmin.sso.code(EMAIL, self.clock.now()).unwrap()
    }

    pub(crate) async fn sign_in(&self, password: &str) -> Result<Step<'_>, SsoError> {
        let credentials = Credentials::new(EMAIL, password.to_owned().into()).unwrap();
        sso::sign_in(self.means(), &self.host, &credentials, sso::pause(0)).await
    }

    pub(crate) async fn ticket(&self) -> Ticket {
        match self.sign_in(PASSWORD).await.unwrap() {
            Step::Ticket(ticket) => ticket,
            Step::Code(wanted) => panic!("{wanted:?}"),
        }
    }

    pub(crate) async fn redeem(&self, ticket: &Ticket) -> Result<Login, SsoError> {
        sso::redeem(self.means(), &self.endpoints, &self.host, ticket).await
    }

    pub(crate) async fn prove(&self, login: Login) -> Result<ProvenLogin, Failure> {
        prove(&self.http, &self.endpoints, &*self.vault, login, &*self.clock, &self.meter).await
    }

    /// What one host was asked, as `POST /path 200`.
    pub(crate) fn asked(&self, service: Service) -> Vec<String> {
        let log = self.sandbox.log();
        let of_host = log.iter().filter(|seen| seen.service == service);
        of_host
            .map(|seen| format!("{} {} {}", seen.method, seen.path, seen.status.unwrap_or_default()))
            .collect()
    }
}
