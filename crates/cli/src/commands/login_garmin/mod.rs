//! `fitferry login garmin`: which way somebody signs in, and what all ways have in common.
//!
//! A key and another tool's tokens are tried before they replace the login that is there. A ticket is spent by
//! redeeming it, so what came of it is in the vault first and is tried then. The person's part, which may take
//! minutes, comes before the lease.

mod browser;
mod cool_down;
mod import;
mod key;
mod password;
mod refusal;
mod ticket;

use fitferry_app::App;
use fitferry_app::config::SecretKey;
use fitferry_app::error::{CommandError, Kind};
use fitferry_core::ports::{SecretName, Service};
use fitferry_garmin::Login;
use fitferry_garmin::login::ProvenLogin;
use fitferry_garmin::sso::Ticket;
use jiff::Timestamp;
use jiff::civil::Date;

use super::Context;
use super::login::{Outcome, finish};
use crate::args::LoginGarminArgs;
use crate::secrets::Wanted;

pub use key::KEYS_PAGE;
#[cfg(test)]
pub use refusal::every_error;

pub async fn run(context: &Context, args: &LoginGarminArgs) -> Result<u8, CommandError> {
    let outcome = match sign_in(context, args).await {
        Ok((app, outcome)) => tell_next(context, &app).await.map(|()| outcome),
        Err(error) => Err(error),
    };
    finish(context, Service::Garmin, outcome)
}

/// What a person has given; nothing has been asked of Garmin yet.
pub enum Given {
    /// A key, or another tool's tokens.
    Login(Login),
    /// The person signs in on Garmin's page.
    Browser,
    Ticket(Ticket),
    Password(password::Given),
}

pub async fn sign_in(context: &Context, args: &LoginGarminArgs) -> Result<(App, Outcome), CommandError> {
    sign_in_with(context, gather(context, args).await?).await
}

/// Reads and asks for all that signing in this way takes.
pub async fn gather(context: &Context, args: &LoginGarminArgs) -> Result<Given, CommandError> {
    Ok(if let Some(path) = &args.import {
        Given::Login(import::read(context, path)?)
    } else if args.browser {
        Given::Browser
    } else if let Some(given) = &args.ticket {
        Given::Ticket(ticket::given(context, given).await?)
    } else if is_with_password(context, args)? {
        Given::Password(password::ask(context, args).await?)
    } else {
        Given::Login(key::key(context, args).await?)
    })
}

pub async fn sign_in_with(context: &Context, given: Given) -> Result<(App, Outcome), CommandError> {
    let app = App::open(context.settings.clone()).await?;
    let proven = match given {
        Given::Login(login) => try_first(context, &app, login).await?,
        Given::Browser => {
            let ticket = browser::ticket(context, &app).await?;
            spend(context, &app, &ticket).await?
        }
        Given::Ticket(ticket) => spend(context, &app, &ticket).await?,
        Given::Password(given) => {
            let ticket = password::ticket(context, &app, given).await?;
            spend(context, &app, &ticket).await?
        }
    };
    let outcome = tell(context, proven);
    Ok((app, outcome))
}

/// What [`gather`] would have to ask a person for.
pub fn missing(context: &Context, args: &LoginGarminArgs) -> Result<Vec<Wanted>, CommandError> {
    if args.import.is_some() || args.browser || args.ticket.is_some() || args.api_key_stdin {
        return Ok(Vec::new());
    }
    if is_with_password(context, args)? {
        return password::missing(context, args);
    }
    Ok(if key::find(context)?.is_some() { Vec::new() } else { vec![key::KEY] })
}

/// Asked for, or all that there is: both variables and no key anywhere.
fn is_with_password(context: &Context, args: &LoginGarminArgs) -> Result<bool, CommandError> {
    if args.email.is_some() || args.password_stdin || args.mfa_code.is_some() {
        return Ok(true);
    }
    let has = |secret| Ok::<bool, CommandError>(context.settings.secret(secret)?.is_some());
    Ok(!args.api_key_stdin
        && has(SecretKey::GarminEmail)?
        && has(SecretKey::GarminPassword)?
        && key::find(context)?.is_none())
}

fn tell(context: &Context, proven: ProvenLogin) -> Outcome {
    let ProvenLogin { login, account, .. } = proven;
    let ends = login.ends().map(|ends| format!("; it ends on {}", day(ends))).unwrap_or_default();
    let who = account.as_ref().map(|account| format!(" as {account}")).unwrap_or_default();
    context.say.line(&format!("Signed in to Garmin{who}{ends}."));
    Outcome { account, document: serde_json::Map::new() }
}

async fn tell_next(context: &Context, app: &App) -> Result<(), CommandError> {
    let has_strava = app.store.vault.get(SecretName::StravaLogin).await?.is_some();
    let next = if has_strava { next_look(app).await? } else { "Next: `fitferry login strava`".to_owned() };
    context.say.line(&next);
    Ok(())
}

/// What follows once both logins are there: another store may be the one that carries.
pub async fn next_look(app: &App) -> Result<String, CommandError> {
    let (head, _) = app.store.ledger.head().await?;
    Ok(match head.moved_to {
        None => "Next: `fitferry sync --dry-run` shows what would cross".to_owned(),
        Some(to) => format!("Next: `fitferry aws push-credentials --to {to}`, since that carries now"),
    })
}

/// Keeps a login once it has worked.
async fn try_first(context: &Context, app: &App, login: Login) -> Result<ProvenLogin, CommandError> {
    app.under_lease(async |fence| {
        // Tokens that have been renewed are kept, whoever presses Ctrl-C meanwhile.
        context.stop_with(&app.clock);
        let vault = &*app.store.vault;
        let before = fitferry_garmin::login::Before::read(vault).await?;
        let proven = match app.prove_garmin(login).await {
            Ok(proven) => proven,
            Err(error) => {
                // Tokens that had to be renewed are in the vault already.
                if error.kind() == Kind::LoginNeeded {
                    before.put_back(vault).await?;
                }
                return Err(refusal::of_key(error));
            }
        };
        fitferry_garmin::login::store(vault, &proven).await?;
        app.clear_pauses(fence).await?;
        Ok(proven)
    })
    .await
}

/// Spends a ticket. What came of it is kept before it is tried, and stays where Garmin only cannot be reached.
async fn spend(context: &Context, app: &App, ticket: &Ticket) -> Result<ProvenLogin, CommandError> {
    app.under_lease(async |fence| {
        context.stop_with(&app.clock);
        let vault = &*app.store.vault;
        let login = app.redeem_garmin(ticket).await.map_err(|error| refusal::of_sign_in(&error))?;
        let before = fitferry_garmin::login::keep(vault, &login).await?;
        match app.prove_garmin(login).await {
            Ok(proven) => {
                fitferry_garmin::login::store(vault, &proven).await?;
                app.clear_pauses(fence).await?;
                Ok(proven)
            }
            Err(error) if error.kind() == Kind::LoginNeeded => {
                let has_one_before = before.was_there();
                before.put_back(vault).await?;
                Err(refusal::of_tokens(&error, has_one_before))
            }
            Err(error) => {
                app.clear_pauses(fence).await?;
                Err(refusal::but_kept(&error))
            }
        }
    })
    .await
}

fn day(moment: Timestamp) -> Date {
    jiff::tz::Offset::UTC.to_datetime(moment).date()
}
