//! What the vault keeps in a simulation: logins and a bearer, in a text of their own.
//!
//! The clients' own forms are private to them. What matters here is the same as there: which tokens are kept, when
//! they end, and that the pairs rotate by the rule *Tokens* of the core.

use fitferry_core::ports::{AppId, SecretName, Service};
use fitferry_core::tokens::{Pairs, RotatingLogin};
use fitferry_sandbox::{garmin, strava};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};

use crate::plan::GarminLogin;
use crate::scene::State;

/// The app id of Garmin's own app that pairs are made for.
pub(crate) const GARMIN_CLIENT: &str = "GARMIN_CONNECT_MOBILE_ANDROID_DI_2025Q2";

/// A pair of tokens; times are the service's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) ends: Timestamp,
    /// The service's clock less ours when it was issued.
    pub(crate) skew: SignedDuration,
}

#[derive(Clone, Debug)]
pub(crate) struct StravaLogin {
    pub(crate) sees_private: bool,
    pub(crate) pairs: Pairs<Pair>,
}

/// A login with Garmin's own app.
#[derive(Clone, Debug)]
pub(crate) struct ConnectLogin {
    pub(crate) pairs: Pairs<Pair>,
}

/// Garmin's bearer, kept apart from the login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) token: String,
    pub(crate) ends: Timestamp,
    pub(crate) renew_at: Timestamp,
    pub(crate) skew: SignedDuration,
}

/// The only Strava app of these worlds.
pub(crate) fn app() -> AppId {
    AppId(strava::CLIENT_ID.to_string())
}

/// A person signs in: the services issue tokens, and this is what the vault gets.
pub(crate) fn signed_in(state: &mut State, service: Service) -> SecretString {
    let now = state.now;
    match service {
        Service::Strava => {
            let scopes: &[&str] = match state.plan.sees_private {
                true => &["read", "activity:read_all", "activity:write"],
                false => &["read", "activity:read", "activity:write"],
            };
            let pair = state.world.strava_login(scopes, now);
            let pair = Pair {
                access: pair.access_token,
                refresh: pair.refresh_token,
                ends: pair.expires_at,
                skew: -state.slots[0].skew,
            };
            StravaLogin { sees_private: state.plan.sees_private, pairs: Pairs::new(pair) }.write()
        }
        Service::Garmin => match state.plan.garmin_login {
            GarminLogin::Key => SecretString::from(format!("key {}", garmin::API_KEY)),
            GarminLogin::Pair => {
                let pair = state.world.garmin_login(GARMIN_CLIENT, now);
                let ends = now + SignedDuration::from_secs(pair.expires_in_s);
                let skew = -state.slots[0].skew;
                let pair = Pair { access: pair.access_token, refresh: pair.refresh_token, ends, skew };
                ConnectLogin { pairs: Pairs::new(pair) }.write()
            }
        },
    }
}

/// The Personal API key, where the login is one.
pub(crate) fn key_of(secret: &SecretString) -> Option<&str> {
    secret.expose_secret().strip_prefix("key ")
}

// ------------------------------------------------------------------------------------ as text

fn write_pair(text: &mut String, pair: Option<&Pair>) {
    use std::fmt::Write as _;
    let written = match pair {
        Some(Pair { access, refresh, ends, skew }) => {
            write!(text, " {access},{refresh},{},{}", ends.as_millisecond(), skew.as_millis())
        }
        None => write!(text, " -"),
    };
    written.expect("a String takes every text");
}

fn read_pair(text: &str) -> Option<Pair> {
    let mut fields = text.split(',');
    Some(Pair {
        access: fields.next()?.to_owned(),
        refresh: fields.next()?.to_owned(),
        ends: Timestamp::from_millisecond(fields.next()?.parse().ok()?).ok()?,
        skew: SignedDuration::from_millis(fields.next()?.parse().ok()?),
    })
}

fn write_pairs(head: &str, pairs: &Pairs<Pair>) -> SecretString {
    let mut text = head.to_owned();
    write_pair(&mut text, Some(&pairs.current));
    write_pair(&mut text, pairs.before.as_ref());
    write_pair(&mut text, pairs.aside.as_ref());
    text.into()
}

fn read_pairs<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Pairs<Pair>> {
    let current = read_pair(words.next()?)?;
    Some(Pairs { current, before: read_pair(words.next()?), aside: read_pair(words.next()?) })
}

impl RotatingLogin for StravaLogin {
    type Pair = Pair;
    const NAME: SecretName = SecretName::StravaLogin;
    const SERVICE: Service = Service::Strava;

    fn read(secret: &SecretString) -> Result<StravaLogin, String> {
        let mut words = secret.expose_secret().split(' ');
        let sees_private = words.next() == Some("strava+private");
        let pairs = read_pairs(words).ok_or("no pair of tokens")?;
        Ok(StravaLogin { sees_private, pairs })
    }

    fn write(&self) -> SecretString {
        write_pairs(if self.sees_private { "strava+private" } else { "strava" }, &self.pairs)
    }

    fn pairs(&self) -> &Pairs<Pair> {
        &self.pairs
    }

    fn pairs_mut(&mut self) -> &mut Pairs<Pair> {
        &mut self.pairs
    }
}

impl RotatingLogin for ConnectLogin {
    type Pair = Pair;
    const NAME: SecretName = SecretName::GarminLogin;
    const SERVICE: Service = Service::Garmin;

    fn read(secret: &SecretString) -> Result<ConnectLogin, String> {
        let words = secret.expose_secret().strip_prefix("pair ").ok_or("no pair of tokens")?;
        Ok(ConnectLogin { pairs: read_pairs(words.split(' ')).ok_or("no pair of tokens")? })
    }

    fn write(&self) -> SecretString {
        write_pairs("pair", &self.pairs)
    }

    fn pairs(&self) -> &Pairs<Pair> {
        &self.pairs
    }

    fn pairs_mut(&mut self) -> &mut Pairs<Pair> {
        &mut self.pairs
    }
}

impl Bearer {
    pub(crate) fn write(&self) -> SecretString {
        let Bearer { token, ends, renew_at, skew } = self;
        let (ends, renew_at) = (ends.as_millisecond(), renew_at.as_millisecond());
        SecretString::from(format!("{token} {ends} {renew_at} {}", skew.as_millis()))
    }

    pub(crate) fn read(secret: &SecretString) -> Option<Bearer> {
        let mut words = secret.expose_secret().split(' ');
        let token = words.next()?.to_owned();
        let mut moment = || Timestamp::from_millisecond(words.next()?.parse().ok()?).ok();
        let (ends, renew_at) = (moment()?, moment()?);
        Some(Bearer { token, ends, renew_at, skew: SignedDuration::from_millis(words.next()?.parse().ok()?) })
    }
}
