//! *Tokens*: how a login whose tokens rotate is renewed without being lost.
//!
//! Both services hand out a new refresh token and end the old one at once. So a renewal is made by one
//! run at a time (it holds the lease), of the newest pair (the vault is read again under the lease), and
//! the new pair is durable before anything else happens. The pair before, and one that a run without a
//! lease kept aside, are each tried once before the login counts as ended.
//!
//! Not here: how a pair is exchanged (the clients), where it is kept (the store).

use std::future::Future;

use jiff::SignedDuration;
use secrecy::SecretString;

use crate::moment::later;
use crate::planted::{self, Fault};
use crate::ports::{
    Clock, Failure, Fence, Lease, PortError, PutError, SecretName, Service, StoreError, Vault,
};

/// The pairs of tokens that a login holds.
#[derive(Clone, Debug)]
pub struct Pairs<P> {
    pub current: P,
    /// The pair before the current one.
    pub before: Option<P>,
    /// A pair that was read from an answer by a run that found the vault changed.
    pub aside: Option<P>,
}

impl<P> Pairs<P> {
    pub fn new(current: P) -> Pairs<P> {
        Pairs { current, before: None, aside: None }
    }
}

/// A login that is kept in the vault and whose pairs rotate.
pub trait RotatingLogin: Clone + Send + Sync {
    type Pair: Clone + Send + Sync;
    const NAME: SecretName;
    const SERVICE: Service;

    /// Reads the stored form; the error says what is wrong with it.
    fn read(secret: &SecretString) -> Result<Self, String>;
    fn write(&self) -> SecretString;
    fn pairs(&self) -> &Pairs<Self::Pair>;
    fn pairs_mut(&mut self) -> &mut Pairs<Self::Pair>;
}

/// How long a run without a deadline takes the lease for.
const LEASE: SignedDuration = SignedDuration::from_mins(2);

/// Holds the lease for one renewal, where the run does not hold it already.
pub struct Held<'a> {
    lease: &'a dyn Lease,
    ours: bool,
}

impl<'a> Held<'a> {
    /// `Busy` where another run has the lease.
    pub async fn take(lease: &'a dyn Lease, clock: &dyn Clock) -> Result<Held<'a>, Failure> {
        if lease.held().is_some() {
            return Ok(Held { lease, ours: false });
        }
        let until = later(clock.now(), LEASE);
        let fence: Option<Fence> = lease.take(until).await?;
        match fence {
            Some(_) => Ok(Held { lease, ours: true }),
            None => Err(PortError::Busy.into()),
        }
    }

    pub async fn release(self) -> Result<(), StoreError> {
        if self.ours { self.lease.release().await } else { Ok(()) }
    }
}

/// Renews a login and returns it with the pair in force.
///
/// `usable`: whether the login that the vault has by now will do, because another run renewed it.
/// `exchange`: one request to the token endpoint; `LoginNeeded` where the endpoint refuses the pair.
pub async fn renew<L, U, X, F>(
    vault: &dyn Vault,
    lease: &dyn Lease,
    clock: &dyn Clock,
    usable: U,
    exchange: X,
) -> Result<L, Failure>
where
    L: RotatingLogin,
    U: Fn(&L) -> bool,
    X: Fn(L, L::Pair) -> F,
    F: Future<Output = Result<L::Pair, Failure>>,
{
    let held = Held::take(lease, clock).await?;
    let outcome = renew_under_lease(vault, &usable, &exchange).await;
    held.release().await?;
    outcome
}

async fn renew_under_lease<L, U, X, F>(vault: &dyn Vault, usable: &U, exchange: &X) -> Result<L, Failure>
where
    L: RotatingLogin,
    U: Fn(&L) -> bool,
    X: Fn(L, L::Pair) -> F,
    F: Future<Output = Result<L::Pair, Failure>>,
{
    let (login, version) = load::<L>(vault).await?;
    if usable(&login) {
        return Ok(login);
    }
    // A store that cannot be written must be noticed before the service ends the old pair.
    let version = match vault.replace(L::NAME, version, &login.write()).await {
        Ok(version) => version,
        Err(PutError::Conflict) => {
            // A run that has lost its lease may have left a pair that is good.
            let (login, _) = load::<L>(vault).await?;
            return if usable(&login) { Ok(login) } else { Err(PortError::Busy.into()) };
        }
        Err(PutError::Store(error)) => return Err(error.into()),
    };
    let mut refusal = None;
    for candidate in candidates(login.pairs()) {
        match exchange(login.clone(), candidate.clone()).await {
            Ok(new) => return keep(vault, login, candidate, new, version).await,
            Err(failure) if matches!(failure.error, PortError::LoginNeeded { .. }) => {
                refusal.get_or_insert(failure);
            }
            Err(failure) => return Err(failure),
        }
    }
    // What the service refused may not be the login any more: who signs in does not wait for a run that sleeps.
    let (newer, newest) = load::<L>(vault).await?;
    if newest != version {
        return if usable(&newer) { Ok(newer) } else { Err(PortError::Busy.into()) };
    }
    Err(refusal.unwrap_or_else(|| no_login(L::SERVICE)))
}

/// Reads the login that the vault has now.
pub async fn load<L: RotatingLogin>(vault: &dyn Vault) -> Result<(L, crate::ports::Version), Failure> {
    let Some((secret, version)) = vault.get_fresh(L::NAME).await? else {
        return Err(no_login(L::SERVICE));
    };
    let login = L::read(&secret).map_err(|why| {
        Failure::from(PortError::LoginNeeded {
            service: L::SERVICE,
            why: format!("the stored login is unreadable ({why})"),
        })
    })?;
    Ok((login, version))
}

/// The failure of a client that finds no login in the vault.
pub fn no_login(service: Service) -> Failure {
    PortError::LoginNeeded { service, why: "nobody is signed in".to_owned() }.into()
}

/// The current pair first; each of the others once.
fn candidates<P: Clone>(pairs: &Pairs<P>) -> Vec<P> {
    std::iter::once(&pairs.current).chain(&pairs.aside).chain(&pairs.before).cloned().collect()
}

/// Makes a pair that was read from an answer durable. On a conflict it is kept aside in what the other
/// run wrote, and the other run's pair is used.
async fn keep<L: RotatingLogin>(
    vault: &dyn Vault,
    mut login: L,
    used: L::Pair,
    new: L::Pair,
    version: crate::ports::Version,
) -> Result<L, Failure> {
    let pairs = login.pairs_mut();
    pairs.before = Some(used);
    pairs.current = new.clone();
    pairs.aside = None;
    if planted::has(Fault::PairUsedBeforeItIsKept) {
        return Ok(login);
    }
    match vault.replace(L::NAME, version, &login.write()).await {
        Ok(_) => return Ok(login),
        Err(PutError::Store(error)) => return Err(error.into()),
        Err(PutError::Conflict) => {}
    }
    loop {
        let (mut theirs, version) = load::<L>(vault).await?;
        theirs.pairs_mut().aside = Some(new.clone());
        match vault.replace(L::NAME, version, &theirs.write()).await {
            Ok(_) => return Ok(theirs),
            Err(PutError::Store(error)) => return Err(error.into()),
            // Bounded by the other writer, which is a person at `login`.
            Err(PutError::Conflict) => {}
        }
    }
}
