//! *No token lost by us*: what a service has issued is durable before anything else happens.
//!
//! The moment between the service's rotation and the write that follows belongs to nobody: a process may die in it
//! and an answer may be lost. Such logins are counted. Every other end of a login must be the athlete's own doing,
//! or its time.

use std::collections::BTreeMap;

use fitferry_core::ports::{SecretName, Service, Version};
use fitferry_sandbox::{garmin, strava};
use secrecy::{ExposeSecret as _, SecretString};

use crate::outcome::{Law, Violation};
use crate::plan::GarminLogin;
use crate::scene::{State, name};

/// What is on the way from the services to the vault.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    rotations: BTreeMap<Service, Rotation>,
    revoked: BTreeMap<Service, bool>,
    /// Logins that may have ended in the moment that belongs to nobody.
    in_the_moment: BTreeMap<Service, bool>,
}

/// A rotation whose new token is not durable yet.
#[derive(Debug)]
struct Rotation {
    by: Option<usize>,
    token: Option<String>,
}

impl Tokens {
    pub(crate) fn revoked(&mut self, service: Service) {
        self.revoked.insert(service, true);
    }

    pub(crate) fn is_revoked(&self, service: Service) -> bool {
        self.revoked.get(&service).copied().unwrap_or(false)
    }

    pub(crate) fn signed_in(&mut self, service: Service) {
        self.revoked.remove(&service);
        self.in_the_moment.remove(&service);
        self.rotations.remove(&service);
    }
}

/// A service has ended the old refresh token. `by`: the runner that waits for the answer, where one does.
pub(crate) fn rotated(state: &mut State, service: Service, by: Option<usize>) {
    state.stats.rotations += 1;
    let by_whom = by.map_or('-', name);
    state.tell(|| format!("{by_whom} {service} has issued a new refresh token"));
    state.oracle.tokens.rotations.insert(service, Rotation { by, token: None });
    if by.is_none() {
        state.oracle.tokens.in_the_moment.insert(service, true);
    }
}

/// The client has read the new token from the answer.
pub(crate) fn heard(state: &mut State, service: Service, token: &str) {
    if let Some(rotation) = state.oracle.tokens.rotations.get_mut(&service) {
        rotation.token = Some(token.to_owned());
    }
}

/// Something became durable in the vault.
pub(crate) fn secret_written(state: &mut State, name: SecretName, secret: &SecretString) {
    let service = match name {
        SecretName::GarminLogin => Service::Garmin,
        SecretName::StravaLogin => Service::Strava,
        SecretName::GarminBearer | SecretName::GarminCoolDowns => return,
    };
    let rotations = &mut state.oracle.tokens.rotations;
    let kept = rotations.get(&service).is_some_and(|rotation| {
        rotation.token.as_ref().is_some_and(|token| secret.expose_secret().contains(token.as_str()))
    });
    if kept {
        rotations.remove(&service);
    }
}

/// A login is written over the one that its writer has read, and over no other: that would end a login which somebody
/// has just made.
pub(crate) fn was_read(state: &mut State, who: usize, secret: SecretName, there: Version, expected: Version) {
    let is_login = matches!(secret, SecretName::GarminLogin | SecretName::StravaLogin);
    if is_login && there != expected {
        let what = format!("{} writes {} over a newer one, which it has not read", name(who), secret.key());
        state.violate(Violation::new(Law::NoTokenLost, what));
    }
}

/// Whoever has read a new token does nothing else before it is durable.
pub(crate) fn nothing_before_durable(state: &mut State, runner: usize) {
    let rotations = &state.oracle.tokens.rotations;
    let pending =
        rotations.iter().find(|(_, rotation)| rotation.by == Some(runner) && rotation.token.is_some());
    if let Some((service, _)) = pending {
        let what =
            format!("{} goes on although the token that it got from {service} is not durable", name(runner));
        state.violate(Violation::new(Law::NoTokenLost, what));
    }
}

/// A process has ended, or an answer to it was lost: a new token that it waited for, or held, is gone.
pub(crate) fn process_over(state: &mut State, runner: usize) {
    let tokens = &mut state.oracle.tokens;
    let lost: Vec<Service> = tokens
        .rotations
        .iter()
        .filter(|(_, rotation)| rotation.by == Some(runner))
        .map(|(service, _)| *service)
        .collect();
    for service in lost {
        tokens.rotations.remove(&service);
        tokens.in_the_moment.insert(service, true);
    }
}

/// A run says that a login has ended: is it so, and why?
pub(crate) fn login_is_over(state: &mut State, who: usize, service: Service) {
    let now = state.now;
    let soon = state.life.dice.long_tail(crate::dice::mins(10), crate::dice::days(2));
    state.schedule(now + soon, crate::events::Event::SignIn(service));
    let vault = vault(state, service);
    let is_good = match service {
        Service::Garmin => match state.plan.garmin_login {
            GarminLogin::Key => !state.oracle.tokens.is_revoked(service),
            GarminLogin::Pair => words(&vault).any(|word| state.world.garmin.tokens.takes(word, now)),
        },
        Service::Strava => {
            let grant = state.world.strava.grant(strava::CLIENT_ID, strava::ATHLETE);
            grant.is_some_and(|grant| vault.contains(&grant.refresh_token))
        }
    };
    let tokens = &state.oracle.tokens;
    let in_the_moment = tokens.in_the_moment.get(&service).copied().unwrap_or(false)
        || tokens.rotations.contains_key(&service);
    let own_end = match service {
        Service::Garmin => !state.world.garmin.tokens.has_refresh_token(garmin::ATHLETE, now),
        Service::Strava => state.world.strava.grant(strava::CLIENT_ID, strava::ATHLETE).is_none(),
    };
    if is_good {
        // Another run may have written it just now.
        let what = format!("{} calls {service}'s login over, and the vault has a good token", name(who));
        state.violate(Violation::new(Law::NoTokenLost, what));
    } else if in_the_moment {
        state.stats.logins_lost_in_the_moment += 1;
        state.tell(|| format!("{service}'s login was lost in the moment that belongs to nobody"));
    } else if !own_end && !tokens.is_revoked(service) {
        let what = format!("{service}'s login is over, and nobody but us can have lost it");
        state.violate(Violation::new(Law::NoTokenLost, what));
    }
}

/// Everything that the vault keeps of a login.
fn vault(state: &State, service: Service) -> String {
    let name = match service {
        Service::Garmin => SecretName::GarminLogin,
        Service::Strava => SecretName::StravaLogin,
    };
    let secret = state.store.secret(name);
    secret.map(|(secret, _)| secret.expose_secret().to_owned()).unwrap_or_default()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', ','])
}
