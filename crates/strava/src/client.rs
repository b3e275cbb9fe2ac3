//! The client: a login that stays good, and the door that the engine knows.
//!
//! Each call is one attempt. What happens inside it beyond that is the rule *Tokens*: a token is renewed
//! before a request when it is about to end, and after a 401, which replays the request once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fitferry_core::activity::UploadId;
use fitferry_core::budget::{Kind, Purpose, View};
use fitferry_core::ports::{
    Answer, Destination, Failure, Lease, Look, PortError, Processing, SecretName, SendError, Sent, Service,
    Sight, StoreError, Upload, Vault, Window,
};
use fitferry_core::tokens::{no_login, renew};
use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use url::Url;

use crate::answer::Seen;
use crate::connection::Connection;
use crate::fault::{Unauthorized, down, unauthorized};
use crate::list::{PAGES_MAX, Pages, page_url};
use crate::login::{self, Athlete, Login, Pair};
use crate::token::{self, Grant};
use crate::upload::{self, Verdict};
use crate::wire::{AthleteAnswer, UploadAnswer};

/// Less than this left: the token is renewed. Earlier is a no-op at Strava (dossier strava.md §1.5).
const MARGIN: SignedDuration = SignedDuration::from_mins(45);
/// After an early renewal that failed or changed nothing, the token endpoint is left alone for so long.
const EARLY_AGAIN: Duration = Duration::from_secs(5 * 60);

/// Strava, as [`Destination`].
pub struct StravaClient {
    connection: Connection,
    vault: Arc<dyn Vault>,
    lease: Arc<dyn Lease>,
    purpose: Purpose,
    /// Monotonic moment before which no early renewal is tried.
    early_from: Mutex<Duration>,
}

impl StravaClient {
    pub fn new(
        connection: Connection,
        vault: Arc<dyn Vault>,
        lease: Arc<dyn Lease>,
        purpose: Purpose,
    ) -> StravaClient {
        StravaClient { connection, vault, lease, purpose, early_from: Mutex::default() }
    }

    /// Who is signed in: a probe of the credentials by one read.
    pub async fn athlete(&self) -> Result<Answer<Option<Athlete>>, Failure> {
        let mut login = self.login().await?;
        let seen = self.get(&mut login, &self.connection.endpoints.api(&["athlete"])).await?;
        let answer: AthleteAnswer = seen.object().map_err(|unread| seen.failure(seen.unread(unread)))?;
        Ok(seen.answer(answer.athlete()))
    }

    /// The login with a token that is good for a while, or at least still good.
    async fn login(&self) -> Result<Login, Failure> {
        let Some((secret, _)) = self.vault.get(SecretName::StravaLogin).await? else {
            return Err(no_login(Service::Strava));
        };
        let login = login::read(&secret)?;
        let left = self.left(&login);
        if left >= MARGIN || left.is_positive() && !self.early_is_due() {
            return Ok(login);
        }
        match self.renew(None).await {
            Ok(renewed) => {
                if self.left(&renewed) < MARGIN {
                    self.put_early_off();
                }
                Ok(renewed)
            }
            Err(failure) if left.is_positive() && passes(&failure.error) => {
                let until = login.expires_at();
                tracing::warn!(error = %failure.error, %until, "the token was not renewed early; it is used while it lasts");
                self.put_early_off();
                Ok(login)
            }
            Err(failure) => Err(failure),
        }
    }

    fn left(&self, login: &Login) -> SignedDuration {
        login.expires_at().duration_since(self.connection.service_now(login))
    }

    fn early_is_due(&self) -> bool {
        self.connection.clock.monotonic() >= *self.early_from.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_early_off(&self) {
        let from = self.connection.clock.monotonic().saturating_add(EARLY_AGAIN);
        *self.early_from.lock().unwrap_or_else(PoisonError::into_inner) = from;
    }

    /// Renews the login. `void`: the access token that was answered 401; else the one in force will do if
    /// it is good beyond the margin by now.
    async fn renew(&self, void: Option<&str>) -> Result<Login, Failure> {
        let usable = |login: &Login| match void {
            Some(void) => login.access() != void && self.left(login).is_positive(),
            None => self.left(login) >= MARGIN,
        };
        let exchange = |login: Login, pair: Pair| async move {
            let (pair, _) = token::exchange(&self.connection, login.app(), &Grant::Refresh(&pair)).await?;
            Ok(pair)
        };
        let clock = self.connection.clock.as_ref();
        renew(self.vault.as_ref(), self.lease.as_ref(), clock, usable, exchange).await
    }

    /// One GET that is replayed once after a 401 about the token; an answer other than 2xx is a failure.
    async fn get(&self, login: &mut Login, url: &Url) -> Result<Seen, Failure> {
        let seen = self.get_any(login, url).await?;
        if seen.status.is_success() {
            return Ok(seen);
        }
        let error = self.connection.refusal(login, &seen).await;
        Err(seen.failure(error))
    }

    /// As [`Self::get`], with every answer.
    async fn get_any(&self, login: &mut Login, url: &Url) -> Result<Seen, Failure> {
        let seen = self.get_once(login, url).await?;
        if !token_is_void(&seen) {
            return Ok(seen);
        }
        let renewed = self.renew(Some(login.access())).await;
        *login = renewed.map_err(|failure| with_usage(failure, seen.usage))?;
        self.get_once(login, url).await
    }

    async fn get_once(&self, login: &Login, url: &Url) -> Result<Seen, Failure> {
        let request = self.connection.http.get(url.clone());
        self.connection.ask(login, self.purpose, Kind::Read, request).await
    }

    /// One upload with one token.
    async fn send(&self, login: &Login, upload: &Upload) -> Result<(Seen, Verdict), SendError> {
        self.connection.charge(login, Kind::Upload, self.purpose).await.map_err(SendError::NotTaken)?;
        let url = self.connection.endpoints.api(&["uploads"]);
        let form = upload::form(upload);
        // The last look at the clock before the request leaves (rule *Intent*).
        let now = self.connection.clock.monotonic();
        let Some(timeout) = upload::time_for(upload, now) else {
            return Err(SendError::NotTaken(PortError::OutOfTime.into()));
        };
        let request = self.connection.http.post(url).multipart(form).timeout(timeout);
        match self.connection.send(login, request).await {
            Ok(seen) => {
                let verdict = upload::judge(&seen, self.connection.moment(login, &seen));
                if let Verdict::NotTaken(error) = &verdict {
                    self.connection.keep_pause(login, error).await;
                }
                Ok((seen, verdict))
            }
            Err(lost) if lost.unsent => Err(SendError::NotTaken(down(None, lost.what).into())),
            Err(lost) => Err(SendError::InDoubt(down(None, lost.what).into())),
        }
    }
}

fn token_is_void(seen: &Seen) -> bool {
    seen.status == StatusCode::UNAUTHORIZED && matches!(unauthorized(seen), Unauthorized::Token)
}

/// What an early renewal may fail with while the old token lasts.
fn passes(error: &PortError) -> bool {
    matches!(error, PortError::Down { .. } | PortError::Limited { .. } | PortError::Refused { .. })
}

fn with_usage(failure: Failure, usage: Option<View>) -> Failure {
    Failure { usage: failure.usage.or(usage), ..failure }
}

#[async_trait]
impl Destination for StravaClient {
    async fn find(&self, window: Window, stop_at: &BTreeSet<UploadId>) -> Result<Answer<Look>, Failure> {
        let base = self.connection.endpoints.api(&["athlete", "activities"]);
        let mut login = self.login().await?;
        // One window for all pages, so that they are parts of one list.
        let service_now = self.connection.service_now(&login);
        let mut pages = Pages::default();
        let mut page = 1;
        loop {
            let url = page_url(base.clone(), window, page, service_now);
            let seen = self.get(&mut login, &url).await?;
            let last = pages.take(&seen).map_err(|error| seen.failure(error))?;
            if last || pages.shows(stop_at) {
                let sight = Sight { found: pages.into_found(), sees_private: login.sees_private() };
                return Ok(seen.answer(Look::Complete(sight)));
            }
            if page == PAGES_MAX {
                return Ok(seen.answer(Look::TooWide));
            }
            page += 1;
        }
    }

    async fn upload(&self, upload: &Upload) -> Result<Answer<Sent>, SendError> {
        let login = self.login().await.map_err(SendError::NotTaken)?;
        let (seen, verdict) = self.send(&login, upload).await?;
        let (seen, verdict) = match verdict {
            Verdict::Token => {
                let renewed = self.renew(Some(login.access())).await;
                let login =
                    renewed.map_err(|failure| SendError::NotTaken(with_usage(failure, seen.usage)))?;
                self.send(&login, upload).await?
            }
            verdict => (seen, verdict),
        };
        match verdict {
            Verdict::Sent(sent) => Ok(seen.answer(sent)),
            Verdict::NotTaken(error) => Err(SendError::NotTaken(seen.failure(error))),
            Verdict::InDoubt(error) => Err(SendError::InDoubt(seen.failure(error))),
            // Refused again with the token just issued: an outage (*Blame*).
            Verdict::Token => {
                let error = self.connection.refusal(&login, &seen).await;
                Err(SendError::NotTaken(seen.failure(error)))
            }
        }
    }

    async fn confirm(&self, upload: UploadId) -> Result<Answer<Processing>, Failure> {
        let url = self.connection.endpoints.api(&["uploads", &upload.to_string()]);
        let mut login = self.login().await?;
        let seen = self.get_any(&mut login, &url).await?;
        if seen.status == StatusCode::NOT_FOUND {
            return Ok(seen.answer(Processing::Unknown));
        }
        if !seen.status.is_success() {
            let error = self.connection.refusal(&login, &seen).await;
            return Err(seen.failure(error));
        }
        let answer: UploadAnswer = seen.object().map_err(|unread| seen.failure(seen.unread(unread)))?;
        Ok(seen.answer(upload::processing(&answer)))
    }

    async fn budget(&self, now: Timestamp) -> Result<Option<View>, StoreError> {
        let Some((secret, _)) = self.vault.get(SecretName::StravaLogin).await? else {
            return Ok(None);
        };
        // An unreadable login names no app.
        let Ok(login) = login::read(&secret) else {
            return Ok(None);
        };
        self.connection.budget.view(&login.app_id(), now).await.map(Some)
    }
}
