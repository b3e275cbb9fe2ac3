//! A refresh token of another tool, taken over: traded, made durable, proven.
//!
//! The trade may end the token that was handed in, so what came of it is in the vault before any request
//! that proves it (*Tokens*), and handing in the same token again goes on from there. The login in force
//! is left alone until the new one has worked, unless both are the same grant.
//!
//! The caller holds the lease, and keeps what has proven good with [`crate::login::store`].

use fitferry_core::budget::{Kind, Purpose};
use fitferry_core::ports::{Failure, PortError, PutError, SecretName, StoreError, Vault, Version};
use fitferry_core::tokens::{Pairs, RotatingLogin as _};
use jiff::{SignedDuration, Timestamp};
use reqwest::{StatusCode, multipart};
use secrecy::{ExposeSecret as _, SecretString};

use crate::connection::Connection;
use crate::fault;
use crate::login::{App, Login, Pair, Scopes};
use crate::oauth::who;
use crate::token::{self, Grant};

/// Takes over a refresh token: refreshes once, then proves reading by a listing and writing by an upload
/// without a file, which is answered 400 where it is allowed and 401 where it is not.
///
/// A token does not say what it was granted, and no request tells `activity:read` from
/// `activity:read_all`. Where the listing works the login counts as having `activity:read_all`, which is
/// what tools that upload ask for: else no doubt about an upload would ever be settled by absence. Such
/// scopes are marked as assumed ([`Login::scopes_assumed`]).
///
/// `Err`: if anything was rotated, it is in the vault.
pub async fn import_refresh_token(
    connection: &Connection,
    vault: &dyn Vault,
    app: &App,
    refresh: SecretString,
) -> Result<Login, Failure> {
    let given = Pair {
        access: String::new().into(),
        refresh,
        expires_at: Timestamp::UNIX_EPOCH,
        skew: SignedDuration::ZERO,
    };
    let successor = look(vault, app, &given).await?;
    let traded = match (token::exchange(connection, app, &Grant::Refresh(&given)).await, &successor) {
        (Err(Failure { error: PortError::LoginNeeded { .. }, .. }), Some(successor)) => {
            token::exchange(connection, app, &Grant::Refresh(successor)).await
        }
        (traded, _) => traded,
    };
    let (current, answer) = traded?;
    let mut login = Login {
        app: app.clone(),
        athlete: answer.athlete(),
        scopes: Scopes::default(),
        scopes_assumed: true,
        pairs: Pairs { current, before: Some(given), aside: None },
        incoming: None,
    };
    let kept = keep(vault, &login).await?;
    if login.athlete.is_none() {
        login.athlete = match who(connection, &login).await {
            Ok(athlete) => athlete,
            // Whose it is, is good to know; what proves the token are the listing and the upload. But nobody's
            // login is replaced by that of somebody unknown.
            Err(Failure { error: PortError::Refused { .. } | PortError::Down { .. }, .. })
                if kept.incoming.is_none() || kept.athlete.is_none() =>
            {
                None
            }
            Err(failure) => return Err(failure),
        };
        // Now it may turn out to be the grant of the login in force.
        keep(vault, &login).await?;
    }
    login.scopes = prove(connection, &login).await?;
    Ok(login)
}

/// Tries that the vault can be written, before Strava ends the token; returns the pair that an earlier
/// import, which did not get to its end, has traded this token for.
async fn look(vault: &dyn Vault, app: &App, given: &Pair) -> Result<Option<Pair>, Failure> {
    let Some((secret, version)) = vault.get_fresh(SecretName::StravaLogin).await? else {
        vault.remove(SecretName::StravaLogin).await?;
        return Ok(None);
    };
    match vault.replace(SecretName::StravaLogin, version, &secret).await {
        Ok(_) => {}
        Err(PutError::Conflict) => return Err(PortError::Busy.into()),
        Err(PutError::Store(error)) => return Err(error.into()),
    }
    let Ok(stored) = Login::read(&secret) else { return Ok(None) };
    let logins = stored.incoming.as_deref().into_iter().chain([&stored]);
    let mut of_app = logins.filter(|login| login.app.client_id == app.client_id);
    let successor =
        of_app.find(|login| login.pairs.before.as_ref().is_some_and(|before| same(before, given)));
    Ok(successor.map(|login| login.pairs.current.clone()))
}

/// Makes a pair that was read from an answer durable, whatever another run writes meanwhile; returns what is
/// stored now.
async fn keep(vault: &dyn Vault, login: &Login) -> Result<Login, StoreError> {
    loop {
        let there = vault.get_fresh(SecretName::StravaLogin).await?;
        let version = there.as_ref().map_or(Version::ABSENT, |(_, version)| *version);
        let stored = there.and_then(|(secret, _)| Login::read(&secret).ok());
        let new = stored.map_or_else(|| login.clone(), |stored| beside(stored, login));
        match vault.replace(SecretName::StravaLogin, version, &new.write()).await {
            Ok(_) => return Ok(new),
            // Bounded by the other writer: a run whose lease has ended.
            Err(PutError::Conflict) => {}
            Err(PutError::Store(error)) => return Err(error),
        }
    }
}

/// The stored login with the new one beside it; of the same grant, with its pair, since an app has one live
/// refresh token for each athlete (dossier strava.md §1.5).
fn beside(mut stored: Login, new: &Login) -> Login {
    if !is_same_grant(&stored, new) {
        stored.incoming = Some(Box::new(new.clone()));
        return stored;
    }
    let Pairs { current, aside, .. } = std::mem::replace(&mut stored.pairs, new.pairs.clone());
    let is_known = [Some(&new.pairs.current), new.pairs.before.as_ref()]
        .into_iter()
        .flatten()
        .any(|pair| same(pair, &current));
    // Should they be two grants after all, the old one is not lost.
    stored.pairs.aside = if is_known { aside } else { Some(current) };
    stored.app = new.app.clone();
    stored.athlete = new.athlete.clone().or(stored.athlete);
    stored.incoming = stored.incoming.filter(|incoming| !is_same_grant(incoming, new));
    stored
}

fn is_same_grant(stored: &Login, new: &Login) -> bool {
    let is_athletes = match (&stored.athlete, &new.athlete) {
        (Some(one), Some(other)) => one.id == other.id,
        _ => false,
    };
    let Pairs { current, before, aside } = &stored.pairs;
    let mut ours = [Some(current), before.as_ref(), aside.as_ref()].into_iter().flatten();
    let theirs = [Some(&new.pairs.current), new.pairs.before.as_ref()];
    let shares_token = ours.any(|our| theirs.iter().flatten().any(|their| same(our, their)));
    stored.app.client_id == new.app.client_id && (is_athletes || shares_token)
}

fn same(one: &Pair, other: &Pair) -> bool {
    one.refresh.expose_secret() == other.refresh.expose_secret()
}

/// What the login may do, by trying it.
async fn prove(connection: &Connection, login: &Login) -> Result<Scopes, Failure> {
    let mut url = connection.endpoints.api(&["athlete", "activities"]);
    url.query_pairs_mut().append_pair("per_page", "1");
    let list = connection.ask(login, Purpose::Everyday, Kind::Read, connection.http.get(url)).await?;
    if !list.status.is_success() {
        return Err(list.failure(connection.refusal(login, &list).await));
    }
    let _: Vec<serde_json::Value> = list.json().map_err(|unread| list.failure(list.unread(unread)))?;

    let url = connection.endpoints.api(&["uploads"]);
    let nothing = multipart::Form::new().text("data_type", "fit");
    let request = connection.http.post(url).multipart(nothing);
    let upload = connection.ask(login, Purpose::Everyday, Kind::Upload, request).await?;
    let about_the_app = upload.fault().is_some_and(|fault| fault.names("Application"));
    if upload.status != StatusCode::BAD_REQUEST || about_the_app {
        let error = match upload.status {
            StatusCode::UNAUTHORIZED if !about_the_app => fault::scope_missing("activity:write"),
            status if status.is_success() => {
                fault::refused(Some(status), "an upload without a file was taken".to_owned())
            }
            _ => connection.refusal(login, &upload).await,
        };
        return Err(upload.failure(error));
    }
    Ok(Scopes::parse("read,activity:read,activity:read_all,activity:write"))
}
