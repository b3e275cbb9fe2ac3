//! Consent, codes and tokens (dossier strava.md §1).
//!
//! One grant per app and athlete, with one live refresh token. The moment in which a new refresh token is made is
//! the moment in which the old one ends, whether or not the answer arrives.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{Refusal, Strava};
use crate::rng::Rng;

/// A token with this much left is handed out again; with less, a new one is made (dossier strava.md §1.5).
const STILL_GOOD: SignedDuration = SignedDuration::from_hours(1);

/// When the refresh token changes. Which it is, Strava leaves open (dossier strava.md §11 f).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// With each new access token.
    OnMint,
    Always,
    Never,
}

#[derive(Clone, Debug, Default)]
pub(super) struct OAuth {
    grants: BTreeMap<(u64, u64), Grant>,
    codes: BTreeMap<String, Code>,
}

/// What an athlete has allowed an app.
#[derive(Clone, Debug)]
pub struct Grant {
    pub scopes: BTreeSet<String>,
    pub refresh_token: String,
    access: Vec<Access>,
    /// How often the refresh token has changed.
    pub rotations: u32,
}

#[derive(Clone, Debug)]
struct Access {
    token: String,
    ends: Timestamp,
}

#[derive(Clone, Debug)]
struct Code {
    app: u64,
    athlete: u64,
    scopes: BTreeSet<String>,
    ends: Timestamp,
}

/// What a token request gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenPair {
    pub access_token: String,
    pub expires_at: Timestamp,
    pub refresh_token: String,
}

impl Strava {
    /// The person presses *Authorize* with these boxes ticked.
    pub fn issue_code(
        &mut self,
        app: u64,
        athlete: u64,
        scopes: &[&str],
        now: Timestamp,
        rng: &mut Rng,
    ) -> Result<String, Refusal> {
        if self.is_full(app, athlete) {
            return Err(Refusal::Capacity);
        }
        let code = rng.hex(40);
        let scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        let ends = now + self.settings.code_lifetime;
        self.oauth.codes.insert(code.clone(), Code { app, athlete, scopes, ends });
        Ok(code)
    }

    /// All tokens that are good, for tests that search for them where they must not be.
    pub fn issued_tokens(&self) -> Vec<String> {
        let grants = self.oauth.grants.values();
        grants
            .flat_map(|grant| {
                grant.access.iter().map(|access| &access.token).chain(std::iter::once(&grant.refresh_token))
            })
            .cloned()
            .collect()
    }

    /// A login that has already been made, for tests that begin after it.
    pub fn sign_in(
        &mut self,
        app: u64,
        athlete: u64,
        scopes: &[&str],
        now: Timestamp,
        rng: &mut Rng,
    ) -> Result<TokenPair, Refusal> {
        let code = self.issue_code(app, athlete, scopes, now, rng)?;
        self.exchange_code(app, &code, now, rng).map(|(pair, _)| pair)
    }

    /// Tokens for a code, which ends with the first try; and whose they are.
    pub fn exchange_code(
        &mut self,
        app: u64,
        code: &str,
        now: Timestamp,
        rng: &mut Rng,
    ) -> Result<(TokenPair, u64), Refusal> {
        let bad = Refusal::Bad("AuthorizationCode", "code", "invalid");
        let code =
            self.oauth.codes.remove(code).filter(|code| code.app == app && now < code.ends).ok_or(bad)?;
        let key = (app, code.athlete);
        let minted = self.mint(now, rng);
        let rotation = self.settings.rotation;
        let grant = self.oauth.grants.entry(key).or_insert_with(|| Grant {
            scopes: BTreeSet::new(),
            refresh_token: rng.hex(40),
            access: Vec::new(),
            rotations: 0,
        });
        // Another set of scopes needs a token of its own.
        let changed = grant.scopes != code.scopes;
        grant.scopes = code.scopes;
        let pair = grant.next_pair(minted, changed, rotation, now, rng);
        Ok((pair, code.athlete))
    }

    /// Tokens for a refresh token.
    pub fn refresh(
        &mut self,
        app: u64,
        refresh_token: &str,
        now: Timestamp,
        rng: &mut Rng,
    ) -> Result<TokenPair, Refusal> {
        let minted = self.mint(now, rng);
        let rotation = self.settings.rotation;
        let mut grants = self.oauth.grants.iter_mut().filter(|((owner, _), _)| *owner == app);
        let grant = grants.find(|(_, grant)| grant.refresh_token == refresh_token).map(|(_, grant)| grant);
        let grant = grant.ok_or(Refusal::Bad("RefreshToken", "refresh_token", "invalid"))?;
        Ok(grant.next_pair(minted, false, rotation, now, rng))
    }

    /// What the athlete does on Strava's settings page, or the app with `deauthorize`.
    pub fn revoke(&mut self, app: u64, athlete: u64) {
        self.oauth.grants.remove(&(app, athlete));
    }

    /// All access tokens of a grant are at their end, as they are after six hours; the refresh token lives on.
    pub fn end_access_tokens(&mut self, app: u64, athlete: u64) {
        if let Some(grant) = self.oauth.grants.get_mut(&(app, athlete)) {
            grant.access.clear();
        }
    }

    pub fn grant(&self, app: u64, athlete: u64) -> Option<&Grant> {
        self.oauth.grants.get(&(app, athlete))
    }

    /// App and athlete of an access token that is alive.
    pub(crate) fn bearer(&self, token: &str, now: Timestamp) -> Option<(u64, u64)> {
        // The newest are the ones that are used.
        let alive = |grant: &Grant| {
            grant.access.iter().rev().any(|access| now < access.ends && access.token == token)
        };
        self.oauth.grants.iter().find(|(_, grant)| alive(grant)).map(|(key, _)| *key)
    }

    /// Athlete of any token of this app, ended or not.
    pub(super) fn holder(&self, app: u64, token: &str) -> Option<u64> {
        let has = |grant: &Grant| {
            grant.refresh_token == token || grant.access.iter().any(|access| access.token == token)
        };
        let mut grants = self.oauth.grants.iter().filter(|((owner, _), _)| *owner == app);
        grants.find(|(_, grant)| has(grant)).map(|((_, athlete), _)| *athlete)
    }

    pub(super) fn is_full(&self, app: u64, athlete: u64) -> bool {
        let connected = self.oauth.grants.keys().filter(|(owner, other)| *owner == app && *other != athlete);
        let capacity = self.apps.get(&app).map_or(0, |app| app.capacity);
        connected.count() >= usize::try_from(capacity).unwrap_or(usize::MAX)
    }

    fn mint(&self, now: Timestamp, rng: &mut Rng) -> Access {
        Access { token: rng.hex(40), ends: now + self.settings.token_lifetime }
    }
}

impl Grant {
    fn next_pair(
        &mut self,
        minted: Access,
        forced: bool,
        rotation: Rotation,
        now: Timestamp,
        rng: &mut Rng,
    ) -> TokenPair {
        let newest = self.access.iter().max_by_key(|access| access.ends);
        let good = newest.filter(|access| !forced && access.ends.duration_since(now) > STILL_GOOD).cloned();
        let is_new = good.is_none();
        let access = good.unwrap_or_else(|| {
            // The old one stays valid until its own end.
            self.access.push(minted.clone());
            minted
        });
        let first = self.access.len() == 1 && self.rotations == 0 && is_new;
        let rotates = match rotation {
            Rotation::Never => false,
            Rotation::OnMint => is_new && !first,
            Rotation::Always => !first,
        };
        if rotates {
            self.refresh_token = rng.hex(40);
            self.rotations += 1;
        }
        TokenPair {
            access_token: access.token,
            expires_at: access.ends,
            refresh_token: self.refresh_token.clone(),
        }
    }
}
