//! The bearer in force, and how the next one is come by (rule *Tokens*).
//!
//! It is kept apart from the login, so that an idle tick reads it and no login. It is renewed well before
//! it ends, by one run at a time, of the newest login there is; if that fails for a reason that may pass,
//! the old one serves on while it lasts. All its times are the service's, and `skew` leads to ours.
//!
//! Not here: the token endpoints (`exchange`), rotation made durable (`fitferry_core::tokens`).

use fitferry_core::moment::{earlier, later};
use fitferry_core::ports::{Clock, Failure, Lease, PortError, PutError, SecretName, Vault, Version};
use fitferry_core::tokens::{self, Held};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::endpoints::{Domain, Endpoints};
use crate::exchange::{self, Issued};
use crate::login::{ConnectLogin, Login, Pair, PersonalLogin, time};
use crate::transport::Transport;

/// A long-lived bearer is renewed with this much left; Garmin's own client does so (dossier §0.1).
const MARGIN: SignedDuration = SignedDuration::from_mins(60);
/// A lifetime up to this is a short one, whose margin is a quarter of it, and 15 minutes at most.
const SHORT_LIFE: SignedDuration = SignedDuration::from_hours(2);
const SHORT_MARGIN_MAX: SignedDuration = SignedDuration::from_mins(15);
/// When an early renewal that failed is tried again.
const TRY_AGAIN: SignedDuration = SignedDuration::from_mins(5);

/// Which of the two APIs a bearer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tier {
    Personal,
    Connect,
}

impl Tier {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Tier::Personal => "personal",
            Tier::Connect => "connect",
        }
    }
}

/// A bearer as the vault keeps it. Its `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Bearer {
    pub(crate) tier: Tier,
    pub(crate) domain: Domain,
    pub(crate) token: SecretString,
    pub(crate) exp: Timestamp,
    pub(crate) renew_at: Timestamp,
    /// How far the service's clock was ahead of ours when it was issued.
    pub(crate) skew: SignedDuration,
    /// The login that it was issued for.
    pub(crate) of: String,
    /// When that login ends, where it is known: an idle tick can tell it without reading the login.
    pub(crate) login_ends: Option<Timestamp>,
}

/// When a bearer that lasts from `issued` to `exp` is renewed; without `issued` it counts as long-lived.
pub(crate) fn renew_at(issued: Option<Timestamp>, exp: Timestamp) -> Timestamp {
    let life = issued.map(|issued| exp.duration_since(issued)).filter(|life| *life <= SHORT_LIFE);
    let margin = life.map_or(MARGIN, |life| (life / 4).clamp(SignedDuration::ZERO, SHORT_MARGIN_MAX));
    earlier(exp, margin)
}

impl Bearer {
    pub(crate) fn of_key(login: &PersonalLogin, issued: Issued) -> Bearer {
        let login = Login::Personal(login.clone());
        Bearer {
            tier: Tier::Personal,
            domain: login.domain(),
            token: issued.token,
            exp: issued.exp,
            renew_at: issued.renew_at,
            skew: issued.skew,
            of: login.fingerprint(),
            login_ends: login.ends(),
        }
    }

    pub(crate) fn of_pair(login: &ConnectLogin, skew: SignedDuration) -> Bearer {
        let pair = &login.pairs.current;
        Bearer {
            tier: Tier::Connect,
            domain: login.domain,
            token: pair.access.clone(),
            exp: pair.exp,
            renew_at: pair.renew_at,
            skew,
            of: Login::Connect(Box::new(login.clone())).fingerprint(),
            login_ends: pair.refresh_ends,
        }
    }

    /// When it wants to be renewed, on our clock.
    pub(crate) fn due(&self) -> Timestamp {
        earlier(self.renew_at, self.skew)
    }

    fn is_fresh(&self, clock: &dyn Clock) -> bool {
        clock.now() < self.due()
    }

    fn lasts(&self, clock: &dyn Clock) -> bool {
        clock.now() < earlier(self.exp, self.skew)
    }

    fn is(&self, token: &SecretString) -> bool {
        self.token.expose_secret() == token.expose_secret()
    }

    pub(crate) fn write(&self) -> SecretString {
        let document = Document {
            tier: self.tier,
            domain: self.domain.name().to_owned(),
            token: self.token.expose_secret().to_owned(),
            exp: self.exp.as_second(),
            renew_at: self.renew_at.as_second(),
            skew_s: self.skew.as_secs(),
            of: self.of.clone(),
            login_ends: self.login_ends.map(Timestamp::as_second),
        };
        serde_json::to_string(&document).expect("strings and numbers make JSON").into()
    }

    /// `None` for what cannot be read: a bearer is got anew.
    fn read(secret: &SecretString) -> Option<Bearer> {
        let document: Document = serde_json::from_str(secret.expose_secret()).ok()?;
        Some(Bearer {
            tier: document.tier,
            domain: Domain::from_name(&document.domain)?,
            token: document.token.into(),
            exp: time(document.exp).ok()?,
            renew_at: time(document.renew_at).ok()?,
            skew: SignedDuration::from_secs(document.skew_s),
            of: document.of,
            login_ends: document.login_ends.and_then(|seconds| time(seconds).ok()),
        })
    }
}

/// The stored form. Times are seconds since 1970.
#[derive(Serialize, Deserialize)]
struct Document {
    tier: Tier,
    domain: String,
    token: String,
    exp: i64,
    renew_at: i64,
    skew_s: i64,
    of: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    login_ends: Option<i64>,
}

/// A bearer, and whether it comes straight from the token endpoint.
pub(crate) struct Ready {
    pub(crate) bearer: Bearer,
    pub(crate) just_issued: bool,
}

/// Where bearers are kept and how they are renewed.
#[derive(Clone, Copy)]
pub(crate) struct Bearers<'a> {
    pub(crate) transport: Transport<'a>,
    pub(crate) endpoints: &'a Endpoints,
    pub(crate) vault: &'a dyn Vault,
    pub(crate) lease: &'a dyn Lease,
    /// A key from outside the vault, which stands above the login in it.
    pub(crate) given: Option<&'a Login>,
}

impl Bearers<'_> {
    /// The bearer in the vault, or a new one where that wants to be renewed.
    pub(crate) async fn get(&self) -> Result<Ready, Failure> {
        let stored = self.vault.get(SecretName::GarminBearer).await?;
        let bearer =
            stored.and_then(|(secret, _)| Bearer::read(&secret)).filter(|bearer| self.is_ours(bearer));
        match bearer {
            Some(bearer) if bearer.is_fresh(self.transport.clock) => Ok(Ready { bearer, just_issued: false }),
            Some(_) => self.renew(None).await,
            // Without any login nobody need wait for another run's lease to be told so.
            None if self.given.is_none() && self.vault.get(SecretName::GarminLogin).await?.is_none() => {
                Err(tokens::no_login(fitferry_core::ports::Service::Garmin))
            }
            None => self.renew(None).await,
        }
    }

    /// A bearer other than `refused`, under the lease.
    pub(crate) async fn renew(&self, refused: Option<&SecretString>) -> Result<Ready, Failure> {
        let held = Held::take(self.lease, self.transport.clock).await?;
        let outcome = self.renew_under_lease(refused).await;
        held.release().await?;
        outcome
    }

    async fn renew_under_lease(&self, refused: Option<&SecretString>) -> Result<Ready, Failure> {
        let login = self.login().await?;
        let mark = login.fingerprint();
        let (stored, version) = match self.vault.get_fresh(SecretName::GarminBearer).await? {
            Some((secret, version)) => (Bearer::read(&secret), version),
            None => (None, Version::ABSENT),
        };
        let stored = stored.filter(|old| old.of == mark && !refused.is_some_and(|token| old.is(token)));
        // Another run has renewed it meanwhile.
        if let Some(bearer) = &stored
            && bearer.is_fresh(self.transport.clock)
        {
            return Ok(Ready { bearer: bearer.clone(), just_issued: false });
        }
        match self.issue(&login, refused).await {
            Ok(ready) => {
                self.keep(&ready.bearer, version).await?;
                Ok(ready)
            }
            Err(failure) => {
                let old = stored.filter(|old| may_pass(&failure) && old.lasts(self.transport.clock));
                let Some(mut old) = old else {
                    return Err(failure);
                };
                tracing::warn!(%failure, "Garmin's bearer could not be renewed early; the old one still lasts");
                let now = later(self.transport.clock.now(), old.skew);
                old.renew_at = later(now, TRY_AGAIN).min(old.exp);
                self.keep(&old, version).await?;
                Ok(Ready { bearer: old, just_issued: false })
            }
        }
    }

    async fn issue(&self, login: &Login, refused: Option<&SecretString>) -> Result<Ready, Failure> {
        let transport = self.transport;
        match login {
            Login::Personal(login) => {
                let issued = exchange::key(transport, self.endpoints, login).await?;
                Ok(Ready { bearer: Bearer::of_key(login, issued), just_issued: true })
            }
            Login::Connect(before) => {
                let endpoints = self.endpoints;
                let skew = std::sync::Mutex::new(SignedDuration::ZERO);
                let usable = |login: &ConnectLogin| {
                    let bearer = Bearer::of_pair(login, SignedDuration::ZERO);
                    bearer.is_fresh(transport.clock) && !refused.is_some_and(|token| bearer.is(token))
                };
                let note = &skew;
                let exchange = |login: ConnectLogin, pair: Pair| async move {
                    let (new, ahead) = exchange::refresh(transport, endpoints, &login, &pair).await?;
                    *note.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = ahead;
                    Ok(new)
                };
                let renewed: ConnectLogin =
                    tokens::renew(self.vault, self.lease, transport.clock, usable, exchange).await?;
                let skew = *skew.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                let bearer = Bearer::of_pair(&renewed, skew);
                let just_issued = !bearer.is(&before.pairs.current.access);
                Ok(Ready { bearer, just_issued })
            }
        }
    }

    async fn login(&self) -> Result<Login, Failure> {
        if let Some(login) = self.given {
            return Ok(login.clone());
        }
        let service = fitferry_core::ports::Service::Garmin;
        let Some((secret, _)) = self.vault.get_fresh(SecretName::GarminLogin).await? else {
            return Err(tokens::no_login(service));
        };
        Login::read(&secret).map_err(|why| {
            PortError::LoginNeeded { service, why: format!("the stored login is unreadable ({why})") }.into()
        })
    }

    /// A bearer can always be got again, so one that another run has just written stays.
    async fn keep(&self, bearer: &Bearer, version: Version) -> Result<(), Failure> {
        match self.vault.replace(SecretName::GarminBearer, version, &bearer.write()).await {
            Ok(_) | Err(PutError::Conflict) => Ok(()),
            Err(PutError::Store(error)) => Err(error.into()),
        }
    }

    fn is_ours(&self, bearer: &Bearer) -> bool {
        self.given.is_none_or(|login| login.fingerprint() == bearer.of)
    }
}

/// Whether a renewal that failed so may succeed later.
fn may_pass(failure: &Failure) -> bool {
    matches!(failure.error, PortError::Down { .. } | PortError::Refused { .. } | PortError::Limited { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_is_renewed_with_an_hour_left_and_a_short_one_with_a_quarter() {
        let issued: Timestamp = "2026-11-23T06:00:00Z".parse().unwrap();
        let cases = [(24 * 60, 23 * 60), (4 * 60, 3 * 60), (121, 61), (120, 105), (60, 45), (20, 15), (0, 0)];
        for (life, due) in cases {
            let exp = issued + SignedDuration::from_mins(life);
            assert_eq!(renew_at(Some(issued), exp), issued + SignedDuration::from_mins(due), "{life}");
        }
        assert_eq!(renew_at(None, issued), issued - MARGIN);
    }

    #[test]
    fn a_bearer_reads_back_what_it_wrote_and_shows_no_secret() {
        let issued: Timestamp = "2026-11-23T06:00:00Z".parse().unwrap();
        let bearer = Bearer {
            tier: Tier::Connect,
            domain: Domain::Cn,
            token: "secret-token".to_owned().into(),
            exp: issued,
            renew_at: issued - MARGIN,
            skew: SignedDuration::from_secs(-42),
            of: "mark".to_owned(),
            login_ends: Some(Timestamp::UNIX_EPOCH),
        };
        let again = Bearer::read(&bearer.write()).unwrap();
        assert_eq!(format!("{again:?}"), format!("{bearer:?}"));
        assert!(again.is(&bearer.token));
        assert!(!format!("{bearer:?}").contains("secret-token"));
        assert!(Bearer::read(&"{}".to_owned().into()).is_none());
    }
}
