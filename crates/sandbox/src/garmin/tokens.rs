//! Garmin's keys, tickets and tokens (dossier garmin.md §0.1, §3.2, §4).
//!
//! A refresh token ends in the moment in which its successor is made, whether or not the answer arrives.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Region;
use super::json::guid;
use crate::jwt;
use crate::rng::Rng;

/// Which of the two data hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    Personal,
    Connect,
}

/// What Garmin has handed out.
#[derive(Clone, Debug)]
pub struct Tokens {
    keys: BTreeMap<String, Key>,
    bearers: BTreeMap<String, Bearer>,
    refresh: BTreeMap<String, Refresh>,
    tickets: BTreeMap<String, Ticket>,
    /// The app ids that the token endpoint takes; each ends in a year and quarter or in nothing.
    pub client_ids: BTreeSet<String>,
    pub personal_lifetime: SignedDuration,
    pub access_lifetime: SignedDuration,
    pub refresh_lifetime: SignedDuration,
    pub ticket_lifetime: SignedDuration,
    /// Whose hosts these are.
    pub region: Region,
    /// Athletes whose accounts are in the other region: they cannot sign in here, and tokens that they got
    /// all the same cannot be refreshed (dossier garmin.md §1, the issue of 2026-04-26).
    pub elsewhere: BTreeSet<u64>,
    /// A ticket that was shown for another service than its own stays good for its own. CAS burns it, and so it
    /// is here unless a test says otherwise.
    pub a_wrong_service_spares_the_ticket: bool,
    /// The data hosts take no bearer at all, however fresh (dossier garmin.md §4.4, the 401 of June 2026).
    pub no_bearer_is_active: bool,
}

#[derive(Clone, Debug)]
struct Key {
    athlete: u64,
    ends: Option<Timestamp>,
}

#[derive(Clone, Debug)]
struct Bearer {
    athlete: u64,
    tier: Tier,
    ends: Timestamp,
}

#[derive(Clone, Debug)]
struct Refresh {
    athlete: u64,
    client_id: String,
    ends: Timestamp,
}

#[derive(Clone, Debug)]
struct Ticket {
    athlete: u64,
    service_url: String,
    ends: Timestamp,
}

/// What the token endpoint hands out.
#[derive(Clone, Debug)]
pub struct DiPair {
    pub access_token: String,
    pub refresh_token: String,
    pub expires_in_s: i64,
    pub refresh_expires_in_s: i64,
}

impl Default for Tokens {
    fn default() -> Tokens {
        let ids = ["ANDROID_DI_2025Q2", "ANDROID_DI_2024Q4", "ANDROID_DI", "IOS_DI"];
        Tokens {
            keys: BTreeMap::new(),
            bearers: BTreeMap::new(),
            refresh: BTreeMap::new(),
            tickets: BTreeMap::new(),
            client_ids: ids.iter().map(|id| format!("GARMIN_CONNECT_MOBILE_{id}")).collect(),
            personal_lifetime: SignedDuration::from_hours(24),
            access_lifetime: SignedDuration::from_secs(86_399),
            refresh_lifetime: SignedDuration::from_secs(2_591_999),
            ticket_lifetime: SignedDuration::from_secs(60),
            region: Region::World,
            elsewhere: BTreeSet::new(),
            a_wrong_service_spares_the_ticket: false,
            no_bearer_is_active: false,
        }
    }
}

impl Tokens {
    pub fn add_key(&mut self, key: &str, athlete: u64) {
        self.keys.insert(key.to_owned(), Key { athlete, ends: None });
    }

    /// Keys end after 30 to 365 days.
    pub fn end_key(&mut self, key: &str, ends: Timestamp) {
        if let Some(key) = self.keys.get_mut(key) {
            key.ends = Some(ends);
        }
    }

    /// What the owner does on Garmin's page.
    pub fn revoke_key(&mut self, key: &str) {
        self.keys.remove(key);
    }

    /// All bearers that are good, for tests that search for them where they must not be.
    pub fn issued_bearers(&self) -> Vec<String> {
        self.bearers.keys().cloned().collect()
    }

    /// Bearers of this athlete end before their time.
    pub fn revoke_bearers(&mut self, athlete: u64) {
        self.bearers.retain(|_, bearer| bearer.athlete != athlete);
    }

    /// Refresh tokens of this athlete end; bearers live on.
    pub fn revoke_refresh_tokens(&mut self, athlete: u64) {
        self.refresh.retain(|_, refresh| refresh.athlete != athlete);
    }

    /// The bearer for an API key; `None` for a key that is unknown or at its end.
    pub fn exchange_key(&mut self, key: &str, now: Timestamp, rng: &mut Rng) -> Option<String> {
        let athlete = self.keys.get(key).filter(|key| key.ends.is_none_or(|ends| now < ends))?.athlete;
        let ends = now + self.personal_lifetime;
        let claims = json!({"iss": "https://personal.connectapi.garmin.com", "garmin_guid": guid(athlete)});
        Some(self.bearer(Bearer { athlete, tier: Tier::Personal, ends }, claims, now, rng))
    }

    /// A ticket as the sign-in page makes it, for this service only.
    pub fn issue_ticket(&mut self, athlete: u64, service_url: &str, now: Timestamp, rng: &mut Rng) -> String {
        let kind = if service_url.ends_with("/sso/embed") { "cas" } else { "sso" };
        let ticket = format!("ST-{:06}-{}-{kind}", rng.below(1_000_000), rng.alphanumeric(20));
        let ends = now + self.ticket_lifetime;
        self.tickets.insert(ticket.clone(), Ticket { athlete, service_url: service_url.to_owned(), ends });
        ticket
    }

    /// Tokens for a ticket. An app id that is not accepted leaves the ticket whole; any other refusal burns it
    /// (dossier garmin.md §3.2).
    pub fn exchange_ticket(
        &mut self,
        ticket: &str,
        service_url: &str,
        client_id: &str,
        now: Timestamp,
        rng: &mut Rng,
    ) -> Result<DiPair, &'static str> {
        if !self.client_ids.contains(client_id) {
            return Err("Client is not allowed to use this grant");
        }
        let known = self.tickets.remove(ticket).ok_or("Service ticket is not recognized")?;
        if known.ends <= now {
            return Err("Service ticket is not recognized");
        }
        if known.service_url != service_url {
            if self.a_wrong_service_spares_the_ticket {
                self.tickets.insert(ticket.to_owned(), known);
            }
            return Err("Service ticket does not match supplied service");
        }
        Ok(self.pair(known.athlete, client_id, now, rng))
    }

    /// Whether this refresh token is good, for tests that ask what a login is still worth.
    pub fn takes(&self, refresh_token: &str, now: Timestamp) -> bool {
        self.refresh.get(refresh_token).is_some_and(|refresh| now < refresh.ends)
    }

    /// Whether this athlete has any refresh token that is good.
    pub fn has_refresh_token(&self, athlete: u64, now: Timestamp) -> bool {
        self.refresh.values().any(|refresh| refresh.athlete == athlete && now < refresh.ends)
    }

    /// Tokens for a refresh token, which ends with this.
    pub fn refresh(
        &mut self,
        refresh_token: &str,
        client_id: &str,
        now: Timestamp,
        rng: &mut Rng,
    ) -> Result<DiPair, String> {
        let refused = || format!("Invalid refresh token: {refresh_token}");
        let old = self.refresh.get(refresh_token).ok_or_else(refused)?.clone();
        if old.ends <= now || old.client_id != client_id {
            return Err(refused());
        }
        if self.elsewhere.contains(&old.athlete) {
            return Err(format!("User doesn't exist in DB for GarminGUID: {}", guid(old.athlete)));
        }
        self.refresh.remove(refresh_token);
        Ok(self.pair(old.athlete, client_id, now, rng))
    }

    /// A login that has already been made, for tests that begin after it.
    pub fn pair(&mut self, athlete: u64, client_id: &str, now: Timestamp, rng: &mut Rng) -> DiPair {
        let ends = now + self.access_lifetime;
        let claims = json!({
            "iss": format!("https://diauth.{}", self.region.domain()),
            "client_id": client_id,
            "garmin_guid": guid(athlete),
            "scope": ["CONNECT_READ", "CONNECT_WRITE"],
        });
        let access_token = self.bearer(Bearer { athlete, tier: Tier::Connect, ends }, claims, now, rng);
        let refresh_token = rng.hex(64);
        let ends = now + self.refresh_lifetime;
        self.refresh
            .insert(refresh_token.clone(), Refresh { athlete, client_id: client_id.to_owned(), ends });
        DiPair {
            access_token,
            refresh_token,
            expires_in_s: self.access_lifetime.as_secs(),
            refresh_expires_in_s: self.refresh_lifetime.as_secs(),
        }
    }

    /// Whose bearer this is on that host; `None` where it answers 401.
    pub fn athlete(&self, tier: Tier, bearer: &str, now: Timestamp) -> Option<u64> {
        let known = self.bearers.get(bearer)?;
        (!self.no_bearer_is_active && known.tier == tier && now < known.ends).then_some(known.athlete)
    }

    fn bearer(
        &mut self,
        bearer: Bearer,
        mut claims: serde_json::Value,
        now: Timestamp,
        rng: &mut Rng,
    ) -> String {
        claims["iat"] = json!(now.as_second());
        claims["exp"] = json!(bearer.ends.as_second());
        claims["jti"] = json!(rng.hex(32));
        let token = jwt::encode(&claims, &rng.hex(64));
        self.bearers.insert(token.clone(), bearer);
        token
    }
}
