//! `fitferry logout`: forgets a login, and gives Strava's grant back.
//!
//! What is to be forgotten is forgotten whatever the service says; where it could not be told, the person learns
//! where to do it by hand.

use fitferry_app::App;
use fitferry_app::config::{GARMINS_OWN_KEY, SecretKey};
use fitferry_app::error::CommandError;
use fitferry_core::ports::{SecretName, Service};
use fitferry_garmin::Login;
use serde_json::json;

use super::Context;
use super::login_garmin::KEYS_PAGE;
use crate::args::LogoutService;

/// Where an athlete sees who has access (dossier strava.md §1.6).
const STRAVA_APPS_PAGE: &str = "https://www.strava.com/settings/apps";

/// What became of a login.
struct Gone {
    /// Whether there was one.
    was_there: bool,
    /// Whether the service has taken it back; `None` where it cannot, or there was none.
    revoked: Option<bool>,
}

pub async fn run(context: &Context, service: LogoutService) -> Result<u8, CommandError> {
    let app = App::open(context.settings.clone()).await?;
    let (service, gone) = match service {
        LogoutService::Garmin => (Service::Garmin, garmin(context, &app).await?),
        LogoutService::Strava => (Service::Strava, strava(context, &app).await?),
    };
    if !gone.was_there {
        context.say.line(&format!("Nobody was signed in to {service} here."));
    }
    if context.json {
        context.out.json(&json!({
            "service": service.key(),
            "ok": true,
            "athlete": context.settings.athlete,
            "was_signed_in": gone.was_there,
            "revoked": gone.revoked,
        }))?;
    }
    Ok(0)
}

async fn garmin(context: &Context, app: &App) -> Result<Gone, CommandError> {
    let vault = &*app.store.vault;
    let there = app
        .under_lease(async |_| {
            context.stop_with(&app.clock);
            let there = vault.get_fresh(SecretName::GarminLogin).await?;
            fitferry_garmin::login::forget(vault).await?;
            Ok(there)
        })
        .await?;
    if let Some((secret, _)) = &there {
        context.say.line("Signed out of Garmin: nothing of the login is kept here.");
        match Login::read(secret) {
            Ok(login) if login.rotates() => context.say.line(
                "Garmin takes no tokens back, and nobody has them any more; they end by themselves within weeks.",
            ),
            _ => context.say.line(&format!("If the key is for nothing else, delete it at {KEYS_PAGE}")),
        }
    }
    let from_outside = match context.settings.environment().secret_variable(SecretKey::GarminApiKey) {
        Some(variable) => Some(variable),
        None => context.environment.has(GARMINS_OWN_KEY).then(|| GARMINS_OWN_KEY.to_owned()),
    };
    if let Some(variable) = from_outside {
        context.say.warning(&format!("{variable} is set, and a key in the environment is used all the same"));
    }
    Ok(Gone { was_there: there.is_some(), revoked: None })
}

async fn strava(context: &Context, app: &App) -> Result<Gone, CommandError> {
    let vault = &*app.store.vault;
    let (was_there, revoked) = app
        .under_lease(async |_| {
            // What Strava has taken back is forgotten here too, whoever presses Ctrl-C meanwhile.
            context.stop_with(&app.clock);
            let was_there = vault.get_fresh(SecretName::StravaLogin).await?.is_some();
            let revoked = match fitferry_strava::login::stored(vault).await {
                Ok(None) => None,
                Ok(Some(login)) => Some(
                    fitferry_strava::oauth::revoke(&app.connection, &login)
                        .await
                        .map_err(|failure| failure.error.to_string()),
                ),
                Err(unreadable) => Some(Err(unreadable.error.to_string())),
            };
            fitferry_strava::login::forget(vault).await?;
            Ok((was_there, revoked))
        })
        .await?;
    match &revoked {
        None => {}
        Some(Ok(())) => {
            context.say.line(
                "Signed out of Strava: it has ended the application's access, and nothing is kept here.",
            );
        }
        Some(Err(why)) => {
            context.say.line("Signed out of Strava: nothing of the login is kept here.");
            context.say.warning(&format!(
                "Strava could not be told ({why}), so the application may still have access; revoke it at \
                 {STRAVA_APPS_PAGE}"
            ));
        }
    }
    Ok(Gone { was_there, revoked: revoked.map(|outcome| outcome.is_ok()) })
}
