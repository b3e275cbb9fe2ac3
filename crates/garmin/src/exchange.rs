//! The two token endpoints, and what their answers say about a login.
//!
//! Only here is a login found to have ended (*Blame*): an HTML page is a block of the network and not a
//! word about the key, and an answer that cannot be read is an outage.

use std::time::Duration;

use fitferry_core::moment::later;
use fitferry_core::ports::{Failure, PortError, Service};
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::bearer::renew_at;
use crate::client::with_native_headers;
use crate::endpoints::{Domain, Endpoints, below};
use crate::jwt::Claims;
use crate::lenient::{lenient, object, whole};
use crate::login::{ConnectLogin, Pair, PersonalLogin};
use crate::reply::{End, Reply};
use crate::transport::{Counted, Outgoing, Transport};

const TOKEN_TIMEOUT: Duration = Duration::from_secs(30);
const TOKEN_BYTES_MAX: usize = 1024 * 1024;
/// A bearer that does not say when it ends is renewed within the hour.
const UNTOLD_LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// A bearer fresh from its endpoint.
pub(crate) struct Issued {
    pub(crate) token: SecretString,
    pub(crate) exp: Timestamp,
    pub(crate) renew_at: Timestamp,
    pub(crate) skew: SignedDuration,
}

/// Exchanges a Personal API key for a bearer (dossier garmin.md §0.1, *Token exchange*).
pub(crate) async fn key(
    transport: Transport<'_>,
    endpoints: &Endpoints,
    login: &PersonalLogin,
) -> Result<Issued, Failure> {
    const PATH: &str = "/personalapitoken-service/personal-api/personal-api-key/token";
    let url = below(&endpoints.within(login.domain).personal, PATH);
    let mut request = transport.http.post(url).header(ACCEPT, "*/*");
    if let Ok(mut value) = HeaderValue::from_str(&format!("ApiKey {}", login.key.expose_secret())) {
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let reply = transport
        .send(Outgoing {
            request,
            counted: Counted::Token,
            timeout: TOKEN_TIMEOUT,
            body_bytes_max: TOKEN_BYTES_MAX,
            hidden: vec![login.key.clone()],
        })
        .await?;
    match reply.status {
        400 | 401 | 403 if !reply.is_html() => Err(login_needed(
            &reply,
            "Garmin refuses the Personal API key: it is wrong, has ended or was deleted",
        )),
        _ => {
            let body = good_body(&reply).map_err(|error| reply.fail(error))?;
            let token = std::str::from_utf8(body.trim_ascii()).unwrap_or_default();
            // It comes from Garmin's own endpoint, whose client looks at nothing but the end.
            let claims = Claims::of(token);
            let exp = claims.exp().ok_or_else(|| {
                reply.fail(reply.refused_unquoted("the answer to the key is no token that says when it ends"))
            })?;
            Ok(Issued {
                token: token.to_owned().into(),
                exp,
                renew_at: renew_at(claims.iat().or(reply.server_time), exp),
                skew: transport.skew(reply.server_time).unwrap_or_default(),
            })
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenAnswer {
    #[serde(deserialize_with = "lenient")]
    access_token: Option<String>,
    #[serde(deserialize_with = "lenient")]
    refresh_token: Option<String>,
    #[serde(deserialize_with = "whole")]
    expires_in: Option<i64>,
    #[serde(deserialize_with = "whole")]
    refresh_token_expires_in: Option<i64>,
}

/// The token endpoint of the Connect API.
const DI_PATH: &str = "/di-oauth2-service/oauth/token";

/// Exchanges a refresh token for a new pair, which ends the old one at once (dossier garmin.md §4.3).
///
/// An answer is read as far as it can be: refusing one that lacks something would lose the new pair.
pub(crate) async fn refresh(
    transport: Transport<'_>,
    endpoints: &Endpoints,
    login: &ConnectLogin,
    pair: &Pair,
) -> Result<(Pair, SignedDuration), Failure> {
    let url = below(&endpoints.within(login.domain).auth, DI_PATH);
    let client_id =
        Claims::of(pair.access.expose_secret()).client_id.unwrap_or_else(|| login.client_id.clone());
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", &client_id),
        ("refresh_token", pair.refresh.expose_secret()),
    ];
    let hidden = vec![pair.refresh.clone(), pair.access.clone()];
    let reply = ask(transport, url, "application/json", &client_id, &form, hidden).await?;
    if matches!(reply.status, 400 | 401) && is_refusal(&reply) {
        return Err(login_needed(&reply, refusal(&reply, login.domain)));
    }
    Ok((read_pair(transport, &reply, Some(pair))?, transport.skew(reply.server_time).unwrap_or_default()))
}

/// What the token endpoint makes of a ticket.
pub(crate) enum Redeemed {
    Pair(Pair),
    /// Not with this app, not for this service, or not any more: the endpoint does not say which (dossier
    /// garmin.md §4.4), so it is quoted.
    Refused(String),
}

/// Exchanges a ticket of the sign-in host for a first pair (dossier garmin.md §4.1).
pub(crate) async fn ticket(
    transport: Transport<'_>,
    endpoints: &Endpoints,
    domain: Domain,
    client_id: &str,
    service: &str,
    ticket: &SecretString,
) -> Result<Redeemed, Failure> {
    /// The same in China.
    const GRANT: &str = "https://connectapi.garmin.com/di-oauth2-service/oauth/grant/service_ticket";
    let url = below(&endpoints.within(domain).auth, DI_PATH);
    let form = [
        ("client_id", client_id),
        ("service_ticket", ticket.expose_secret()),
        ("grant_type", GRANT),
        ("service_url", service),
    ];
    let accept = "application/json,text/html;q=0.9,*/*;q=0.8";
    let reply = ask(transport, url, accept, client_id, &form, vec![ticket.clone()]).await?;
    match reply.status {
        // A web page is a block of the network and says nothing about the ticket.
        400..=407 | 409..=426 | 428 | 430..=499 if !reply.is_html() => {
            Ok(Redeemed::Refused(reply.message().unwrap_or_else(|| reply.quoted())))
        }
        _ => read_pair(transport, &reply, None).map(Redeemed::Pair),
    }
}

/// One request to the token endpoint of the Connect API, as its own apps make it.
async fn ask(
    transport: Transport<'_>,
    url: Url,
    accept: &'static str,
    client_id: &str,
    form: &[(&str, &str)],
    hidden: Vec<SecretString>,
) -> Result<Reply, Failure> {
    let request = with_native_headers(transport.http.post(url))
        .basic_auth(client_id, Some(""))
        .header(ACCEPT, accept)
        .header(CACHE_CONTROL, "no-cache")
        .form(form);
    let (counted, timeout, body_bytes_max) = (Counted::Token, TOKEN_TIMEOUT, TOKEN_BYTES_MAX);
    transport.send(Outgoing { request, counted, timeout, body_bytes_max, hidden }).await
}

/// The pair of a good answer; `old` is the one that it follows.
#[expect(clippy::result_large_err, reason = "it is what the ports return")]
fn read_pair(transport: Transport<'_>, reply: &Reply, old: Option<&Pair>) -> Result<Pair, Failure> {
    good_body(reply).map_err(|error| reply.fail(error))?;
    let lacks =
        |what: &str| reply.fail(reply.refused_unquoted(&format!("the token endpoint gave no {what}")));
    let answer = reply.json().and_then(object::<TokenAnswer>).unwrap_or_default();
    let present = |token: &String| !token.trim().is_empty();
    let access = answer.access_token.filter(present).ok_or_else(|| lacks("access token"))?;
    let now = reply.server_time.unwrap_or_else(|| transport.clock.now());
    let after = |seconds: i64| now.saturating_add(SignedDuration::from_secs(seconds.max(0))).ok();
    let claimed = Claims::of(&access);
    let exp = [claimed.exp(), answer.expires_in.and_then(after)].into_iter().flatten().min();
    let exp = exp.unwrap_or_else(|| later(now, UNTOLD_LIFETIME));
    let rotated = answer.refresh_token.filter(present);
    Ok(Pair {
        renew_at: renew_at(Some(now), exp),
        exp,
        refresh_ends: match (&rotated, answer.refresh_token_expires_in) {
            (_, Some(seconds)) => after(seconds),
            (None, None) => old.and_then(|old| old.refresh_ends),
            (Some(token), None) => Claims::of(token).exp(),
        },
        access: access.into(),
        refresh: match (rotated, old) {
            (Some(token), _) => token.into(),
            (None, Some(old)) => old.refresh.clone(),
            // A login that ends with its first bearer is none.
            (None, None) => return Err(lacks("refresh token")),
        },
    })
}

/// The body of a good answer; it may hold tokens, so nothing of it is quoted.
fn good_body(reply: &Reply) -> Result<&[u8], PortError> {
    if !reply.is_success() {
        return Err(reply.failure());
    }
    match &reply.end {
        End::Whole if reply.is_html() => Err(reply.refused("a web page instead of a token")),
        End::Whole => Ok(&reply.body),
        End::TooLong => Err(reply.refused_unquoted("the answer is too long for a token")),
        End::Cut(how) => Err(reply.down(format!("the token was cut short ({how})"))),
    }
}

/// OAuth's words for "these tokens, or this app, not any more"; anything else may be an outage.
fn is_refusal(reply: &Reply) -> bool {
    const WORDS: [&str; 4] = ["invalid_grant", "invalid_token", "invalid_client", "unauthorized_client"];
    let value = reply.json();
    let word = value.as_ref().and_then(|value| value.get("error")?.as_str());
    word.is_some_and(|word| WORDS.contains(&word))
}

/// An account of the other domain gives itself away in the description (dossier garmin.md §4.4).
fn refusal(reply: &Reply, domain: Domain) -> &'static str {
    let elsewhere = reply.message().is_some_and(|text| text.contains("User doesn't exist in DB"));
    match (elsewhere, domain) {
        (true, Domain::Com) => {
            "Garmin does not know this account; one of China needs `domain = \"garmin.cn\"`"
        }
        (true, Domain::Cn) => {
            "Garmin does not know this account; one from outside China needs `domain = \"garmin.com\"`"
        }
        (false, _) => "Garmin refuses the refresh token: it has ended, or another tool has used it",
    }
}

fn login_needed(reply: &Reply, why: &str) -> Failure {
    let said = reply.message().unwrap_or_else(|| reply.quoted());
    reply.fail(PortError::LoginNeeded { service: Service::Garmin, why: format!("{why} ({said})") })
}
