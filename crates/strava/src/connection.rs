//! How requests leave: where to, charged to the budget before and corrected by every answer after.
//!
//! One request, one answer. Renewing a token and replaying after a 401 are the client's (`client`).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fitferry_core::budget::{Full, FullReason, Kind, Purpose};
use fitferry_core::moment::later;
use fitferry_core::ports::{
    Budget, Clock, Failure, Meter, PortError, Service, TOKEN_NEEDS, time_for_request,
};
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{ACCEPT, USER_AGENT};
use reqwest::{Client, RequestBuilder};
use url::Url;

use crate::answer::{Seen, said};
use crate::fault::{self, Moment};
use crate::login::Login;

/// Where Strava is. Two settings, since only the API moves in 2027 (dossier strava.md §7).
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// `https://www.strava.com/api/v3`, or a base without that prefix.
    pub api: Url,
    /// `https://www.strava.com/oauth`
    pub oauth: Url,
}

impl Endpoints {
    pub(crate) fn api(&self, path: &[&str]) -> Url {
        joined(&self.api, path)
    }

    pub(crate) fn token(&self) -> Url {
        joined(&self.oauth, &["token"])
    }

    pub(crate) fn revoke(&self) -> Url {
        joined(&self.oauth, &["revoke"])
    }

    pub(crate) fn deauthorize(&self) -> Url {
        joined(&self.oauth, &["deauthorize"])
    }
}

/// A base with or without a path or a slash at its end, and the segments of a path.
pub(crate) fn joined(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    url.set_query(None);
    url.set_fragment(None);
    // A base that cannot have a path fails when the request is built.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

/// The total time of a request that is not an upload.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// A request that times out this close to the deadline was cut by it.
const NEAR_DEADLINE: Duration = Duration::from_secs(2);

/// Everything that a request to Strava needs but a login.
#[derive(Clone)]
pub struct Connection {
    pub(crate) http: Client,
    pub(crate) endpoints: Endpoints,
    pub(crate) budget: Arc<dyn Budget>,
    pub(crate) clock: Arc<dyn Clock>,
    meter: Arc<Meter>,
    pause_inactive: SignedDuration,
    /// Service's clock less ours, by the last `Date` that this process saw (rule *Time*).
    skew: Arc<Mutex<Option<SignedDuration>>>,
}

/// A request that brought no answer.
pub(crate) struct Lost {
    /// No byte of the body left us.
    pub(crate) unsent: bool,
    /// The deadline did not leave it the time that it would have had.
    pub(crate) out_of_time: bool,
    pub(crate) what: String,
}

impl Lost {
    /// Of a request that only reads: nothing can be in doubt.
    pub(crate) fn failure(self) -> Failure {
        if self.out_of_time {
            return PortError::OutOfTime.into();
        }
        fault::down(None, self.what).into()
    }
}

impl Connection {
    /// `http` must follow no redirects and keep no cookies. `pause_inactive`: how long an app that Strava
    /// calls inactive is left alone (24 h, scaled).
    pub fn new(
        http: Client,
        endpoints: Endpoints,
        budget: Arc<dyn Budget>,
        clock: Arc<dyn Clock>,
        meter: Arc<Meter>,
        pause_inactive: SignedDuration,
    ) -> Connection {
        Connection { http, endpoints, budget, clock, meter, pause_inactive, skew: Arc::default() }
    }

    /// The service's clock, as far as this process, else the login, knows.
    pub(crate) fn service_now(&self, login: &Login) -> Timestamp {
        let skew = *self.skew.lock().unwrap_or_else(PoisonError::into_inner);
        later(self.clock.now(), skew.unwrap_or(login.skew()))
    }

    /// Notes the service's clock; returns by how much it is ahead.
    pub(crate) fn note_time(&self, seen: &Seen) -> Option<SignedDuration> {
        let ahead = seen.server_time?.duration_since(self.clock.now());
        *self.skew.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead);
        Some(ahead)
    }

    /// Charges one request, or says why it must not be made.
    pub(crate) async fn charge(&self, login: &Login, kind: Kind, purpose: Purpose) -> Result<(), Failure> {
        let service_now = self.service_now(login);
        let charged = self.budget.charge(&login.app_id(), kind, purpose, service_now).await?;
        charged.map_err(|Full { until, why }| {
            let error = match why {
                FullReason::Spent => PortError::BudgetFull { until },
                FullReason::Limited => {
                    PortError::Limited { service: Service::Strava, until: Some(until), retry_after: None }
                }
                FullReason::Inactive => PortError::AppInactive { until: Some(until) },
            };
            // The moment is the service's, and this is how its clock stands to ours.
            Failure { server_time: Some(service_now), ..error.into() }
        })
    }

    /// One charged GET or the like, with the account corrected by its answer. A lost one is `Down`.
    pub(crate) async fn ask(
        &self,
        login: &Login,
        purpose: Purpose,
        kind: Kind,
        request: RequestBuilder,
    ) -> Result<Seen, Failure> {
        self.charge(login, kind, purpose).await?;
        let timed = self.timed(request, Duration::ZERO)?;
        self.send(login, timed).await.map_err(Lost::failure)
    }

    /// Gives a request that only reads its time, which ends before the deadline.
    fn timed(&self, request: RequestBuilder, needs: Duration) -> Result<RequestBuilder, PortError> {
        let timeout = time_for_request(&*self.clock, READ_TIMEOUT, needs).ok_or(PortError::OutOfTime)?;
        Ok(request.timeout(timeout))
    }

    /// One request to the API that has been charged.
    pub(crate) async fn send(&self, login: &Login, request: RequestBuilder) -> Result<Seen, Lost> {
        // The token goes into the header and nowhere else (dossier strava.md §1.8).
        let request = request.bearer_auth(login.access());
        let mut seen = self.transmit(request, Meter::strava).await?;
        seen.hide(&[login.access()]);
        self.note_time(&seen);
        let at = seen.server_time.unwrap_or_else(|| self.service_now(login));
        match self.budget.correct(&login.app_id(), &seen.reading, at).await {
            Ok(view) => seen.usage = Some(view),
            // The answer is worth more than the account: an accepted upload must not be lost to it.
            Err(error) => tracing::warn!(%error, "the account of requests was not corrected"),
        }
        Ok(seen)
    }

    /// One request to the token endpoint, which costs no quota (dossier strava.md §1.4).
    pub(crate) async fn ask_token(&self, form: &[(&str, &str)]) -> Result<Seen, Failure> {
        self.ask_oauth(self.http.post(self.endpoints.token()).form(form)).await
    }

    /// The same at another of the endpoints beside it.
    pub(crate) async fn ask_oauth(&self, request: RequestBuilder) -> Result<Seen, Failure> {
        let request = self.timed(request, TOKEN_NEEDS)?;
        self.transmit(request, Meter::token).await.map_err(Lost::failure)
    }

    async fn transmit(&self, request: RequestBuilder, count: fn(&Meter)) -> Result<Seen, Lost> {
        let request = request
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("fitferry/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Lost { unsent: true, out_of_time: false, what: said(&error) })?;
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        count(&self.meter);
        match self.http.execute(request).await {
            Ok(response) => {
                let seen = Seen::read(response).await;
                tracing::debug!(%method, path, status = seen.status.as_u16(), "answered");
                Ok(seen)
            }
            Err(error) => {
                let what = said(&error);
                tracing::debug!(%method, path, what, "no answer");
                let near = |deadline| deadline <= self.clock.monotonic().saturating_add(NEAR_DEADLINE);
                Err(Lost {
                    unsent: error.is_connect() || error.is_builder(),
                    out_of_time: error.is_timeout() && self.clock.deadline().is_some_and(near),
                    what,
                })
            }
        }
    }

    /// What a refusal means; the pauses that it asks for are kept with the account.
    pub(crate) async fn refusal(&self, login: &Login, seen: &Seen) -> PortError {
        let error = fault::refusal(seen, &seen.reading, self.moment(login, seen));
        self.keep_pause(login, &error).await;
        error
    }

    pub(crate) fn moment(&self, login: &Login, seen: &Seen) -> Moment {
        self.moment_at(seen.server_time.unwrap_or_else(|| self.service_now(login)))
    }

    pub(crate) fn moment_at(&self, at: Timestamp) -> Moment {
        Moment { at, pause_inactive: self.pause_inactive }
    }

    /// Keeps with the account what pauses the whole app.
    pub(crate) async fn keep_pause(&self, login: &Login, error: &PortError) {
        let (until, why) = match error {
            PortError::Limited { until: Some(until), .. } => (*until, FullReason::Limited),
            PortError::AppInactive { until: Some(until) } => (*until, FullReason::Inactive),
            _ => return,
        };
        if let Err(error) = self.budget.pause(&login.app_id(), Full { until, why }).await {
            tracing::warn!(%error, "the pause of the Strava app was not kept");
        }
    }
}
