//! Strava's login: renewed before it ends, and once more after a 401 (*Tokens*).

use std::time::Duration;

use fitferry_core::budget::Reading;
use fitferry_core::ports::{Clock as _, Failure, PortError, SecretName, Service, Vault as _};
use fitferry_core::tokens::{RotatingLogin as _, no_login, renew};
use fitferry_sandbox::What;
use fitferry_sandbox::direct::{Denial, Heard};
use fitferry_sandbox::strava::{self, Refusal};
use jiff::SignedDuration;

use super::{TIMEOUT, down, refusal, refused};
use crate::dice::mins;
use crate::events::InFlight;
use crate::login::{Pair, StravaLogin};
use crate::oracle;
use crate::process::Process;
use crate::scene::{Point, State};

/// Less than this left: the token is renewed.
const MARGIN: SignedDuration = mins(45);
/// After an early renewal that failed or changed nothing, the token endpoint is left alone for so long.
const EARLY_AGAIN: Duration = Duration::from_secs(5 * 60);

impl Process {
    /// The login with a token that is good for a while, or at least still good.
    pub(super) async fn login(&self) -> Result<StravaLogin, Failure> {
        let Some((secret, _)) = self.get(SecretName::StravaLogin).await? else {
            return Err(no_login(Service::Strava));
        };
        let login = StravaLogin::read(&secret)
            .map_err(|why| Failure::from(PortError::LoginNeeded { service: Service::Strava, why }))?;
        let left = self.left(&login);
        let early_is_due = self.monotonic() >= self.client().early_from;
        if left >= MARGIN || left.is_positive() && !early_is_due {
            return Ok(login);
        }
        match self.renew_login(None).await {
            Ok(renewed) => {
                if self.left(&renewed) < MARGIN {
                    self.put_early_off();
                }
                Ok(renewed)
            }
            Err(failure) if left.is_positive() && passes(&failure.error) => {
                self.put_early_off();
                Ok(login)
            }
            Err(failure) => Err(failure),
        }
    }

    fn put_early_off(&self) {
        let from = self.monotonic().saturating_add(EARLY_AGAIN);
        self.client().early_from = from;
    }

    /// Renews the login. `void`: the access token that was answered 401.
    pub(super) async fn renew_login(&self, void: Option<&str>) -> Result<StravaLogin, Failure> {
        let usable = |login: &StravaLogin| match void {
            Some(void) => login.pairs.current.access != void && self.left(login).is_positive(),
            None => self.left(login) >= MARGIN,
        };
        let exchange = |_: StravaLogin, pair: Pair| self.exchange(pair);
        renew(self, self, self, usable, exchange).await
    }

    async fn exchange(&self, pair: Pair) -> Result<Pair, Failure> {
        self.meter.token();
        let trip = self.state().trip(self.runner, TIMEOUT);
        self.state().slots[self.runner].in_flight =
            Some(InFlight::StravaRefresh { refresh_token: pair.refresh.clone() });
        self.pass(Point::ToToken, trip.there).await;
        self.state().slots[self.runner].in_flight = None;
        if trip.is_lost_before {
            self.pass(Point::FromToken, trip.patience).await;
            return Err(down(None, "no answer in time").into());
        }
        let heard = {
            let mut state = self.state();
            state.stats.token_requests += 1;
            refresh_arrives(&mut state, Some(self.runner), &pair.refresh)
        };
        let Heard { answer, date, fault, .. } = heard;
        self.pass(Point::FromToken, trip.back).await;
        if trip.is_lost_after || matches!(fault, Some(What::DropAfter)) || answer == Err(Denial::Unseen) {
            let mut state = self.state();
            state.stats.lost_answers += 1;
            state.slots[self.runner].tick.was_hit = true;
            return Err(down(None, "the connection ended without an answer").into());
        }
        let skew = date.duration_since(self.now());
        self.client().strava_skew = Some(skew);
        let error = match answer {
            Ok(_) if matches!(fault, Some(What::CutBody)) => down(Some(200), "the answer was cut"),
            Ok(new) => {
                oracle::tokens::heard(&mut self.state(), Service::Strava, &new.refresh_token);
                let (access, refresh) = (new.access_token, new.refresh_token);
                return Ok(Pair { access, refresh, ends: new.expires_at, skew });
            }
            Err(Denial::Strava(Refusal::Bad("RefreshToken", ..))) => PortError::LoginNeeded {
                service: Service::Strava,
                why: "Strava no longer accepts the refresh token".to_owned(),
            },
            Err(Denial::Gateway(status @ (400 | 401))) => refused(Some(status), "it is not known why"),
            Err(denial) => {
                self.state().slots[self.runner].tick.was_hit = true;
                refusal(&denial, &Reading::default(), date)
            }
        };
        Err(Failure { error, usage: None, server_time: Some(date) })
    }
}

/// Strava makes a new pair, whoever hears of it: `by` is the runner that waits for the answer.
pub(crate) fn refresh_arrives(
    state: &mut State,
    by: Option<usize>,
    refresh_token: &str,
) -> Heard<strava::TokenPair> {
    let now = state.now;
    let rotations = |state: &State| {
        state.world.strava.grant(strava::CLIENT_ID, strava::ATHLETE).map_or(0, |grant| grant.rotations)
    };
    let before = rotations(state);
    let client_id = strava::CLIENT_ID.to_string();
    let heard = state.world.strava_refresh(&client_id, strava::CLIENT_SECRET, refresh_token, now);
    if rotations(state) > before {
        oracle::tokens::rotated(state, Service::Strava, by);
    }
    heard
}

/// What an early renewal may fail with while the old token lasts.
fn passes(error: &PortError) -> bool {
    matches!(error, PortError::Down { .. } | PortError::Limited { .. } | PortError::Refused { .. })
}
