//! A new login: tried before it replaces the old one, then kept with its bearer.
//!
//! The caller holds the lease. Tokens that are renewed on the way are kept at once, since the old ones have
//! ended (*Tokens*); a login whose token endpoint has taken it has worked once.

use fitferry_core::moment::later;
use fitferry_core::ports::{
    Clock, Failure, Meter, PortError, PutError, SecretName, Service, StoreError, Vault, Version,
};
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::bearer::{Bearer, Tier};
use crate::client::{Ask, outage, send};
use crate::endpoints::Endpoints;
use crate::exchange;
use crate::login::{ConnectLogin, Login};
use crate::reply::Reply;
use crate::transport::{Pace, Transport};

/// A login that has worked, ready to be kept.
#[derive(Clone, Debug)]
pub struct ProvenLogin {
    pub login: Login,
    pub bearer: Bearer,
    /// Who it is, by Garmin's profile; `None` where that has no name.
    pub account: Option<String>,
}

/// Tries a new login with one request to Garmin.
///
/// `vault` is written only where the tokens had to be renewed for it: the new pair is then in the vault,
/// whatever becomes of the request after it.
pub async fn prove(
    http: &reqwest::Client,
    endpoints: &Endpoints,
    vault: &dyn Vault,
    login: Login,
    clock: &dyn Clock,
    meter: &Meter,
) -> Result<ProvenLogin, Failure> {
    let pace = Pace::new(SignedDuration::ZERO);
    let transport = Transport { http, clock, meter, pace: &pace };
    let login = login.proven(clock.now());
    match login {
        Login::Personal(key) => {
            let issued = exchange::key(transport, endpoints, &key).await?;
            let bearer = Bearer::of_key(&key, issued);
            let reply = send(transport, endpoints, &probe(Tier::Personal), &bearer).await?;
            Ok(ProvenLogin {
                account: account(&reply).map_err(|error| reply.fail(error))?,
                login: Login::Personal(key),
                bearer,
            })
        }
        Login::Connect(tokens) => {
            let trial = Trial { transport, endpoints, vault };
            trial.of_tokens(*tokens).await
        }
    }
}

struct Trial<'a> {
    transport: Transport<'a>,
    endpoints: &'a Endpoints,
    vault: &'a dyn Vault,
}

impl Trial<'_> {
    /// The access token as it is while it lasts, since renewing ends the copy of another tool.
    async fn of_tokens(&self, mut login: ConnectLogin) -> Result<ProvenLogin, Failure> {
        const LASTS: SignedDuration = SignedDuration::from_mins(15);
        let mut bearer = Bearer::of_pair(&login, SignedDuration::ZERO);
        let soon = later(self.transport.clock.now(), LASTS);
        let ask = probe(Tier::Connect);
        if bearer.exp > soon {
            let reply = send(self.transport, self.endpoints, &ask, &bearer).await?;
            if reply.status != 401 {
                bearer.skew = self.transport.skew(reply.server_time).unwrap_or_default();
                return Ok(ProvenLogin {
                    account: account(&reply).map_err(|error| reply.fail(error))?,
                    login: Login::Connect(Box::new(login)),
                    bearer,
                });
            }
        }
        let old = login.pairs.current.clone();
        // A vault that cannot be written must be noticed before Garmin ends the old pair.
        self.vault.remove(SecretName::GarminBearer).await?;
        let (new, skew) = exchange::refresh(self.transport, self.endpoints, &login, &old).await?;
        login.pairs.before = Some(old);
        login.pairs.current = new;
        bearer = Bearer::of_pair(&login, skew);
        let login = Login::Connect(Box::new(login));
        keep_login(self.vault, &login).await?;
        let reply = send(self.transport, self.endpoints, &ask, &bearer).await?;
        if reply.status == 401 && !reply.is_html() {
            // Known of some accounts: the token endpoint issues what the data hosts refuse for good, and another way
            // of signing in is the cure (dossier garmin.md §4.4).
            let why = format!("Garmin refuses what it has just issued for it ({})", reply.quoted());
            return Err(reply.fail(PortError::LoginNeeded { service: Service::Garmin, why }));
        }
        Ok(ProvenLogin { account: account(&reply).map_err(|error| reply.fail(error))?, login, bearer })
    }
}

/// The cheapest request of each tier (dossier garmin.md §0.1, §6.6).
fn probe(tier: Tier) -> Ask {
    Ask::json(match tier {
        Tier::Personal => "/userprofile-service/userprofile/settings",
        Tier::Connect => "/userprofile-service/socialProfile",
    })
}

fn account(reply: &Reply) -> Result<Option<String>, PortError> {
    if reply.status == 401 {
        return Err(outage(reply));
    }
    let profile = reply.data()?;
    let name = ["displayName", "fullName", "userName"].into_iter().find_map(|key| {
        profile.get(key).and_then(Value::as_str).map(str::trim).filter(|name| !name.is_empty())
    });
    Ok(name.map(str::to_owned))
}

/// Replaces the login in the vault, whatever is there, and its bearer.
pub async fn store(vault: &dyn Vault, proven: &ProvenLogin) -> Result<(), StoreError> {
    keep_login(vault, &proven.login).await?;
    replace(vault, SecretName::GarminBearer, &proven.bearer.write()).await
}

/// What was in the vault before a new login was kept.
#[derive(Debug)]
pub struct Before(Option<SecretString>);

/// Keeps a login before it is proven: one whose ticket is spent would be lost with an outage of Garmin's data
/// hosts. The token endpoint has taken it, so it has worked once.
pub async fn keep(vault: &dyn Vault, login: &Login) -> Result<Before, StoreError> {
    let before = Before::read(vault).await?;
    keep_login(vault, login).await?;
    Ok(before)
}

impl Before {
    /// Whether there was a login at all.
    pub fn was_there(&self) -> bool {
        self.0.is_some()
    }

    pub async fn read(vault: &dyn Vault) -> Result<Before, StoreError> {
        let there = vault.get_fresh(SecretName::GarminLogin).await?;
        Ok(Before(there.map(|(secret, _)| secret)))
    }

    /// The new login has proven bad; where it was not kept at all, nothing is written.
    pub async fn put_back(self, vault: &dyn Vault) -> Result<(), StoreError> {
        let Before(there) = Before::read(vault).await?;
        if there.as_ref().map(ExposeSecret::expose_secret) == self.0.as_ref().map(ExposeSecret::expose_secret)
        {
            return Ok(());
        }
        vault.remove(SecretName::GarminBearer).await?;
        match &self.0 {
            Some(secret) => replace(vault, SecretName::GarminLogin, secret).await,
            None => vault.remove(SecretName::GarminLogin).await,
        }
    }
}

/// Forgets key, tokens and bearer. The bearer goes first, as no crash may leave it without its login.
pub async fn forget(vault: &dyn Vault) -> Result<(), StoreError> {
    vault.remove(SecretName::GarminBearer).await?;
    vault.remove(SecretName::GarminLogin).await
}

/// The old bearer goes first: no crash leaves the bearer of one login beside another.
async fn keep_login(vault: &dyn Vault, login: &Login) -> Result<(), StoreError> {
    vault.remove(SecretName::GarminBearer).await?;
    replace(vault, SecretName::GarminLogin, &login.write()).await
}

async fn replace(vault: &dyn Vault, name: SecretName, new: &SecretString) -> Result<(), StoreError> {
    const TRIES: u32 = 20;
    for _ in 0..TRIES {
        let version = vault.get_fresh(name).await?.map_or(Version::ABSENT, |(_, version)| version);
        match vault.replace(name, version, new).await {
            Ok(_) => return Ok(()),
            Err(PutError::Conflict) => {}
            Err(PutError::Store(error)) => return Err(error),
        }
    }
    Err(StoreError {
        what: format!("another run keeps writing the login of {}", Service::Garmin),
        help: "Stop the other run and sign in again.".to_owned(),
    })
}
