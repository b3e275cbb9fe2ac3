//! Leaving: the athlete's grant to the app is given back (dossier strava.md §1.6).

use std::iter;

use fitferry_core::budget::{Kind, Purpose};
use fitferry_core::ports::{Failure, PortError};
use secrecy::{ExposeSecret as _, SecretString};

use crate::connection::Connection;
use crate::fault::refused;
use crate::login::Login;

/// Revokes every token that a login holds: the pairs in force, before and aside, and those of a login that has
/// not proven good yet.
///
/// One token takes its siblings along, but Strava says yes to a dead one too, and which of them lives is known
/// to nobody here. Where the endpoint of today does not do it, the older one is asked.
pub async fn revoke(connection: &Connection, login: &Login) -> Result<(), Failure> {
    let mut outcome = Ok(());
    for login in iter::once(login).chain(login.incoming.as_deref()) {
        let one = match revoke_all(connection, login).await {
            // Nobody is there.
            Err(failure) if matches!(failure.error, PortError::Down { status: None, .. }) => Err(failure),
            Err(failure) => deauthorize(connection, login).await.map_err(|_| failure),
            Ok(()) => Ok(()),
        };
        outcome = outcome.and(one);
    }
    outcome
}

async fn revoke_all(connection: &Connection, login: &Login) -> Result<(), Failure> {
    let pairs = iter::once(&login.pairs.current).chain(&login.pairs.before).chain(&login.pairs.aside);
    let mut tokens: Vec<&SecretString> = pairs.map(|pair| &pair.refresh).collect();
    tokens.dedup_by(|one, other| one.expose_secret() == other.expose_secret());
    for token in tokens {
        let secret = login.app.client_secret.expose_secret();
        let request = connection
            .http
            .post(connection.endpoints.revoke())
            .basic_auth(&login.app.client_id, Some(secret))
            .form(&[("token", token.expose_secret()), ("token_type_hint", "refresh_token")]);
        let seen = connection.ask_oauth(request).await?;
        if !seen.status.is_success() {
            let what = "the application's access could not be revoked".to_owned();
            return Err(seen.failure(refused(Some(seen.status), what)));
        }
    }
    Ok(())
}

/// With the access token, which has to be good still; supported until June 2027.
async fn deauthorize(connection: &Connection, login: &Login) -> Result<(), Failure> {
    let request = connection.http.post(connection.endpoints.deauthorize());
    let seen = connection.ask(login, Purpose::Everyday, Kind::Read, request).await?;
    if seen.status.is_success() { Ok(()) } else { Err(seen.failure(connection.refusal(login, &seen).await)) }
}
