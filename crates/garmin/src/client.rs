//! [`GarminClient`]: a request with a bearer, replayed once after a 401.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fitferry_core::activity::{GarminId, Listed};
use fitferry_core::ports::{Answer, Clock, Download, Failure, Lease, Meter, Page, PortError, Source, Vault};
use jiff::{SignedDuration, Timestamp};
use reqwest::RequestBuilder;
use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE, USER_AGENT};
use secrecy::ExposeSecret;
use url::Url;

use crate::bearer::{Bearer, Bearers, Ready, Tier};
use crate::endpoints::{Endpoints, below};
use crate::list::Recent;
use crate::login::Login;
use crate::reply::Reply;
use crate::transport::{Counted, Outgoing, Pace, Transport};
use crate::{detail, download, list};

/// Garmin Connect, with the login that the vault has.
pub struct GarminClient {
    http: reqwest::Client,
    endpoints: Endpoints,
    vault: Arc<dyn Vault>,
    lease: Arc<dyn Lease>,
    clock: Arc<dyn Clock>,
    meter: Arc<Meter>,
    pace: Pace,
    given: Option<Login>,
    /// The bearer of the last request.
    known: Mutex<Option<Bearer>>,
}

impl GarminClient {
    /// `http` follows no redirects and keeps no cookies (dossier garmin.md §4.6); `endpoints` are those of
    /// the configuration, and a login of the other domain moves the hosts among them that are Garmin's.
    pub fn new(
        http: reqwest::Client,
        endpoints: Endpoints,
        vault: Arc<dyn Vault>,
        lease: Arc<dyn Lease>,
        clock: Arc<dyn Clock>,
        meter: Arc<Meter>,
        spacing: SignedDuration,
    ) -> GarminClient {
        let pace = Pace::new(spacing);
        let known = Mutex::new(None);
        GarminClient { http, endpoints, vault, lease, clock, meter, pace, given: None, known }
    }

    /// Signs in with a key from outside the vault, as one from the environment; bearers that were issued
    /// for another login are not used. A rotating login must be in the vault.
    pub fn with_key(mut self, login: Login) -> GarminClient {
        self.given = Some(login).filter(|login| login.tier() == Tier::Personal);
        self
    }

    /// One activity, as the list would show it; `None` where Garmin has none of that number.
    pub async fn activity(&self, id: GarminId) -> Result<Answer<Option<Listed>>, Failure> {
        let reply = self.request(&detail::ask(id)).await?;
        answer(&reply, detail::read(id, &reply))
    }

    /// The newest activities, with what only a person wants to know of them.
    pub async fn recent(&self, limit: u32) -> Result<Answer<Vec<Recent>>, Failure> {
        let reply = self.request(&list::ask(Page { start: 0, limit, from: None, to: None })).await?;
        answer(&reply, list::recent(&reply))
    }

    /// When a person must sign in again, as far as the bearer of the last request tells.
    pub fn login_ends(&self) -> Option<Timestamp> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.login_ends
    }

    async fn request(&self, ask: &Ask) -> Result<Reply, Failure> {
        let bearers = self.bearers();
        let Ready { bearer, just_issued } = bearers.get().await?;
        let reply = self.send(ask, &bearer).await?;
        if reply.status != 401 {
            return Ok(reply);
        }
        if just_issued {
            return Err(reply.fail(outage(&reply)));
        }
        let bearer = bearers.renew(Some(&bearer.token)).await?.bearer;
        match self.send(ask, &bearer).await? {
            reply if reply.status == 401 => Err(reply.fail(outage(&reply))),
            reply => Ok(reply),
        }
    }

    async fn send(&self, ask: &Ask, bearer: &Bearer) -> Result<Reply, Failure> {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(bearer.clone());
        send(self.transport(), &self.endpoints, ask, bearer).await
    }

    fn transport(&self) -> Transport<'_> {
        Transport { http: &self.http, clock: &*self.clock, meter: &self.meter, pace: &self.pace }
    }

    fn bearers(&self) -> Bearers<'_> {
        Bearers {
            transport: self.transport(),
            endpoints: &self.endpoints,
            vault: &*self.vault,
            lease: &*self.lease,
            given: self.given.as_ref(),
        }
    }
}

#[async_trait]
impl Source for GarminClient {
    async fn list(&self, page: Page) -> Result<Answer<Vec<Listed>>, Failure> {
        let reply = self.request(&list::ask(page)).await?;
        answer(&reply, list::read(&reply))
    }

    async fn download(&self, id: GarminId) -> Result<Answer<Download>, Failure> {
        let reply = self.request(&download::ask(id)).await?;
        answer(&reply, download::read(id, &reply))
    }

    fn own_key(&self) -> Option<u64> {
        let fingerprint = self.given.as_ref()?.fingerprint();
        u64::from_str_radix(fingerprint.get(..15)?, 16).ok()
    }

    fn bearer_due(&self) -> Option<Timestamp> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Bearer::due)
    }
}

#[expect(clippy::result_large_err, reason = "it is what the ports return")]
fn answer<T>(reply: &Reply, read: Result<T, PortError>) -> Result<Answer<T>, Failure> {
    match read {
        Ok(value) => Ok(Answer { value, usage: None, server_time: reply.server_time }),
        Err(error) => Err(reply.fail(error)),
    }
}

/// A login has ended only when its token endpoint says so (*Blame*): Garmin's data hosts were seen to
/// refuse what its token endpoint had just issued (dossier garmin.md §4.4).
pub(crate) fn outage(reply: &Reply) -> PortError {
    reply.refused("Garmin refuses a bearer that it has just issued")
}

/// What is asked of a data host.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) path: String,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) wants: Wants,
    pub(crate) timeout: Duration,
    pub(crate) body_bytes_max: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    Json,
    File,
}

impl Ask {
    /// A request for JSON.
    pub(crate) fn json(path: impl Into<String>) -> Ask {
        Ask {
            path: path.into(),
            query: Vec::new(),
            wants: Wants::Json,
            timeout: Duration::from_secs(30),
            body_bytes_max: 16 * 1024 * 1024,
        }
    }
}

/// One request to the data host of the bearer's tier.
pub(crate) async fn send(
    transport: Transport<'_>,
    endpoints: &Endpoints,
    ask: &Ask,
    bearer: &Bearer,
) -> Result<Reply, Failure> {
    let endpoints = endpoints.within(bearer.domain);
    let url: Url = match bearer.tier {
        Tier::Personal => below(&endpoints.personal, &ask.path),
        Tier::Connect => below(&endpoints.api, &ask.path),
    };
    let request = transport.http.get(url).bearer_auth(bearer.token.expose_secret());
    let request = if ask.query.is_empty() { request } else { request.query(&ask.query) };
    let request = match bearer.tier {
        Tier::Personal => request,
        Tier::Connect => with_native_headers(request),
    };
    let request = request.header(ACCEPT, accept(ask.wants, bearer.tier));
    transport
        .send(Outgoing {
            request,
            counted: Counted::Data,
            timeout: ask.timeout,
            body_bytes_max: ask.body_bytes_max,
            hidden: vec![bearer.token.clone()],
        })
        .await
}

/// What each tier's own client accepts (dossier garmin.md §0.1, §7).
fn accept(wants: Wants, tier: Tier) -> &'static str {
    match (wants, tier) {
        (Wants::Json, _) => "application/json",
        (Wants::File, Tier::Personal) => {
            "application/zip, application/x-zip-compressed, application/octet-stream"
        }
        (Wants::File, Tier::Connect) => "*/*",
    }
}

/// The headers of Garmin's own app, which the Connect API is made for; which of them matter is unknown
/// (dossier garmin.md §4.5).
pub(crate) fn with_native_headers(request: RequestBuilder) -> RequestBuilder {
    request
        .header(USER_AGENT, "GCM-Android-5.23")
        .header(
            "X-Garmin-User-Agent",
            "com.garmin.android.apps.connectmobile/5.23; ; Google/sdk_gphone64_arm64/google; Android/33; Dalvik/2.1.0",
        )
        .header("X-Garmin-Paired-App-Version", "10861")
        .header("X-Garmin-Client-Platform", "Android")
        .header("X-App-Ver", "10861")
        .header("X-Lang", "en")
        .header("X-GCExperience", "GC5")
        .header(ACCEPT_LANGUAGE, "en-US,en;q=0.9")
}
