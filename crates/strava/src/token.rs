//! The token endpoint: a code or a refresh token for a pair of tokens (dossier strava.md §1.4, §1.5).
//!
//! Once Strava has answered a refresh, the old refresh token may be void: whatever of the answer can be
//! used is kept. Not here: who may refresh when ([`fitferry_core::tokens`]).

use fitferry_core::moment::later;
use fitferry_core::ports::{Failure, PortError};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use crate::answer::{Seen, Unread};
use crate::connection::Connection;
use crate::fault::{self, down, refused};
use crate::login::{App, Pair};
use crate::wire::TokenAnswer;

/// An answer that does not say when its token ends: Strava's last six hours, one is sure.
const LIFE_UNKNOWN: SignedDuration = SignedDuration::from_hours(1);

/// What is traded for a pair.
pub(crate) enum Grant<'a> {
    Code(&'a SecretString),
    Refresh(&'a Pair),
}

/// One request to the token endpoint.
pub(crate) async fn exchange(
    connection: &Connection,
    app: &App,
    grant: &Grant<'_>,
) -> Result<(Pair, TokenAnswer), Failure> {
    let (kind, field, secret) = match grant {
        Grant::Code(code) => ("authorization_code", "code", *code),
        Grant::Refresh(pair) => ("refresh_token", "refresh_token", &pair.refresh),
    };
    let (client_secret, secret) = (app.client_secret.expose_secret(), secret.expose_secret());
    let form = [
        ("client_id", app.client_id.as_str()),
        ("client_secret", client_secret),
        ("grant_type", kind),
        (field, secret),
    ];
    // A pair that is handed out again is in a 2xx answer, which is never quoted.
    let seen = connection.ask_token(&form).await?;
    let ahead = connection.note_time(&seen);
    let now = seen.server_time.unwrap_or_else(|| connection.clock.now());
    if !seen.status.is_success() {
        let mut hidden = seen.clone();
        hidden.hide(&[client_secret, secret]);
        return Err(seen.failure(fault::token_refusal(&hidden, connection.moment_at(now))));
    }
    let answer: TokenAnswer = seen.object().map_err(|unread| seen.failure(unreadable(&seen, &unread)))?;
    let pair = pair(&answer, grant, now, ahead.unwrap_or_default());
    let pair =
        pair.ok_or_else(|| seen.failure(refused(Some(seen.status), "an answer without tokens".into())))?;
    Ok((pair, answer))
}

fn unreadable(seen: &Seen, unread: &Unread) -> PortError {
    match unread {
        Unread::Cut(what) => down(Some(seen.status), what.clone()),
        Unread::Odd(_) => refused(Some(seen.status), "the token endpoint answers no JSON".to_owned()),
    }
}

/// What is missing in the answer to a refresh is as it was before.
fn pair(answer: &TokenAnswer, grant: &Grant<'_>, now: Timestamp, skew: SignedDuration) -> Option<Pair> {
    let some =
        |token: &Option<String>| token.clone().filter(|token| !token.is_empty()).map(SecretString::from);
    let (access, refresh) = (some(&answer.access_token), some(&answer.refresh_token));
    let old = match grant {
        Grant::Code(_) => None,
        Grant::Refresh(pair) => Some(*pair),
    };
    if access.is_none() && refresh.is_none() {
        return None;
    }
    let sure = || later(now, LIFE_UNKNOWN);
    let expires_at = match (&access, old) {
        (None, Some(old)) => old.expires_at,
        _ => answer.expires_at(now).unwrap_or_else(sure),
    };
    Some(Pair {
        access: access.or_else(|| old.map(|old| old.access.clone()))?,
        refresh: refresh.or_else(|| old.map(|old| old.refresh.clone()))?,
        expires_at,
        skew,
    })
}
