//! From a request to Garmin's answer: bearer, limit, path, in that order.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::json::{JSON, api_error, not_found};
use super::tokens::{DiPair, Tier};
use super::{Garmin, ListQuery, sso, types};
use crate::faults;
use crate::message::{Reply, Request};
use crate::rng::Rng;
use crate::routes::{Route, Service, numbered};

const TICKET_GRANT: &str = "https://connectapi.garmin.com/di-oauth2-service/oauth/grant/service_ticket";

impl Garmin {
    pub(crate) fn answer(
        &mut self,
        service: Service,
        route: Route,
        request: &Request,
        now: Timestamp,
        rng: &mut Rng,
    ) -> Reply {
        match (service, route) {
            (Service::GarminSso, _) => {
                let Garmin { sso, tokens, .. } = self;
                sso::Desk { sso, tokens, now, rng }.answer(request)
            }
            (Service::GarminPersonal, Route::GarminPersonalToken) => self.personal_token(request, now, rng),
            (Service::GarminAuth, Route::GarminDiToken) => self.di_token(request, now, rng),
            (Service::GarminPersonal, _) => self.data(Tier::Personal, route, request, now),
            (Service::GarminApi, _) => self.data(Tier::Connect, route, request, now),
            _ => not_found(),
        }
    }

    fn personal_token(&mut self, request: &Request, now: Timestamp, rng: &mut Rng) -> Reply {
        let key = request.authorization("ApiKey").unwrap_or_default();
        match self.tokens.exchange_key(key, now, rng) {
            // The bare token as text, with white space around it (dossier garmin.md §0.1).
            Some(jwt) => Reply::bytes(200, "text/plain;charset=UTF-8", format!("{jwt}\n").into_bytes()),
            None => Reply::bytes(401, "text/plain;charset=UTF-8", b"Invalid API key".to_vec()),
        }
    }

    fn di_token(&mut self, request: &Request, now: Timestamp, rng: &mut Rng) -> Reply {
        let form = request.form_fields();
        let field = |name: &str| form.get(name).unwrap_or_default();
        let client_id = field("client_id");
        // The user of HTTP Basic is the app, its password is empty (dossier garmin.md §4.1).
        if request.basic() != Some((client_id.to_owned(), String::new())) || client_id.is_empty() {
            return oauth_error(401, "invalid_client", "Bad client credentials");
        }
        let pair = match field("grant_type") {
            "refresh_token" => self
                .tokens
                .refresh(field("refresh_token"), client_id, now, rng)
                .map_err(|why| oauth_error(400, "invalid_grant", &why)),
            TICKET_GRANT => self
                .tokens
                .exchange_ticket(field("service_ticket"), field("service_url"), client_id, now, rng)
                .map_err(|why| oauth_error(401, "invalid_grant", why)),
            _ => Err(oauth_error(400, "unsupported_grant_type", "Unsupported grant type")),
        };
        match pair {
            Ok(pair) => Reply::json(200, JSON, &pair_json(&pair, rng)),
            Err(refused) => refused,
        }
    }

    fn data(&mut self, tier: Tier, route: Route, request: &Request, now: Timestamp) -> Reply {
        if let Some(limiter) = &mut self.limiter
            && let Err(seconds) = limiter.admit(now)
        {
            return faults::too_many(limiter.says_when.then_some(seconds));
        }
        let bearer = request.authorization("Bearer").unwrap_or_default();
        let Some(athlete) = self.tokens.athlete(tier, bearer, now) else {
            return Reply::empty(401).with_header(
                "www-authenticate",
                "Bearer error=\"invalid_token\", error_description=\"Token is not active\"",
            );
        };
        match route {
            Route::GarminList => self.list_page(athlete, request, now),
            Route::GarminDownload => match numbered(&request.path, "/download-service/files/activity/") {
                Some(id) => self.download(athlete, id, now),
                None => not_found(),
            },
            Route::GarminActivity => self.one(athlete, &request.path, now),
            Route::GarminSettings => Reply::json(200, JSON, &self.settings(athlete)),
            // Nothing else is documented for the Personal API (dossier garmin.md §0.1).
            Route::GarminProfile if tier == Tier::Connect => Reply::json(200, JSON, &self.profile(athlete)),
            Route::GarminTypes if tier == Tier::Connect => Reply::json(200, JSON, &types::table()),
            _ => not_found(),
        }
    }

    fn list_page(&self, athlete: u64, request: &Request, now: Timestamp) -> Reply {
        let page = ListQuery::read(&request.query_fields()).and_then(|query| self.list(athlete, &query, now));
        match page {
            Ok(page) if page.is_empty() && self.empty_page_is_204 => Reply::empty(204),
            Ok(page) => {
                let items: Value = page.into_iter().map(|activity| self.list_item(activity)).collect();
                Reply::json(200, JSON, &items)
            }
            Err(bad) => api_error(400, &bad.0, "BadRequestException"),
        }
    }

    fn one(&self, athlete: u64, path: &str, now: Timestamp) -> Reply {
        let id = numbered(path, "/activity-service/activity/");
        match id.and_then(|id| self.activities.get(&id)).filter(|activity| activity.is_listed(now)) {
            None => not_found(),
            Some(activity) if activity.owner != athlete => {
                api_error(403, "HTTP 403 Forbidden", "ForbiddenException")
            }
            Some(activity) => Reply::json(200, JSON, &self.detail(activity)),
        }
    }
}

fn oauth_error(status: u16, error: &str, description: &str) -> Reply {
    Reply::json(status, JSON, &json!({"error": error, "error_description": description}))
}

fn pair_json(pair: &DiPair, rng: &mut Rng) -> Value {
    json!({
        "scope": "CONNECT_READ CONNECT_WRITE",
        "jti": rng.hex(32),
        "access_token": pair.access_token,
        "token_type": "Bearer",
        "refresh_token": pair.refresh_token,
        "expires_in": pair.expires_in_s,
        "refresh_token_expires_in": pair.refresh_expires_in_s,
    })
}
