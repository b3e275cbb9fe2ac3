//! Both logins: those that are there and good stay, the others are made, by the flags or as the person wants.

use std::path::PathBuf;

use fitferry_app::clock::SystemClock;
use fitferry_app::config::SecretKey;
use fitferry_app::error::{CommandError, Kind};
use fitferry_app::status;
use fitferry_app::store::Store;
use fitferry_core::ports::Clock as _;

use super::{TRIES, Talk};
use crate::args::{InitArgs, LoginGarminArgs, LoginStravaArgs};
use crate::commands::{Context, login_garmin, login_strava};
use crate::secrets::{self, Wanted};

/// Which logins are to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needed {
    pub(super) garmin: bool,
    strava: bool,
}

/// Those that are missing or have ended, and those that a flag brings something for.
pub(super) async fn needed(context: &Context, args: &InitArgs) -> Result<Needed, CommandError> {
    let clock = std::sync::Arc::new(SystemClock::default());
    let now = clock.now();
    let store = Store::open_for_reading(&context.settings, clock).await?;
    let status = status::read(&context.settings, store.as_ref(), now).await?;
    // A key in the environment is good for this run only: what runs by itself later may not have it.
    let is_kept = match &store {
        Some(store) => store.vault.get(fitferry_core::ports::SecretName::GarminLogin).await?.is_some(),
        None => false,
    };
    let has_garmin = is_kept && status.garmin.is_some_and(|login| login.ok);
    Ok(Needed {
        garmin: !has_garmin || has_garmin_flag(args),
        strava: !status.strava.is_some_and(|login| login.ok)
            || args.client_secret_stdin
            || args.refresh_token_stdin
            || args.no_browser,
    })
}

fn has_garmin_flag(args: &InitArgs) -> bool {
    args.api_key_stdin
        || args.browser
        || args.ticket.is_some()
        || args.email.is_some()
        || args.password_stdin
        || args.mfa_code.is_some()
        || args.import.is_some()
}

pub(super) async fn sign_in(
    talk: &Talk<'_>,
    context: &Context,
    args: &InitArgs,
    needed: Needed,
) -> Result<(), CommandError> {
    let (garmin, strava) = (garmin_flags(args), strava_flags(args));
    if !secrets::has_terminal() {
        return unattended(context, needed, &garmin, &strava).await;
    }
    if needed.garmin {
        again(talk, async || {
            let args =
                if has_garmin_flag(args) { garmin.clone() } else { way(talk, context, &garmin).await? };
            login_garmin::sign_in(context, &args).await.map(drop)
        })
        .await?;
    } else {
        context.say.line("Signed in to Garmin already.");
    }
    talk.head("Strava");
    if needed.strava {
        again(talk, async || login_strava::sign_in(context, &strava).await.map(drop)).await
    } else {
        context.say.line("Signed in to Strava already.");
        Ok(())
    }
}

/// Where nobody can be asked: all answers first, and only then a request.
async fn unattended(
    context: &Context,
    needed: Needed,
    garmin: &LoginGarminArgs,
    strava: &LoginStravaArgs,
) -> Result<(), CommandError> {
    let mut missing = Vec::new();
    if needed.garmin {
        missing.extend(login_garmin::missing(context, garmin)?);
    }
    if needed.strava {
        missing.extend(login_strava::missing(context, strava).await?);
    }
    if let Some(error) = Wanted::all_missing(&missing) {
        return Err(error);
    }
    let for_garmin = match needed.garmin {
        true => Some(login_garmin::gather(context, garmin).await?),
        false => None,
    };
    let for_strava = match needed.strava {
        true => Some(login_strava::gather(context, strava).await?),
        false => None,
    };
    match for_garmin {
        Some(given) => login_garmin::sign_in_with(context, given).await.map(drop)?,
        None => context.say.line("Signed in to Garmin already."),
    }
    match for_strava {
        Some(given) => login_strava::sign_in_with(context, strava, given).await.map(drop),
        None => {
            context.say.line("Signed in to Strava already.");
            Ok(())
        }
    }
}

/// Somebody at a terminal may mistype.
async fn again(
    talk: &Talk<'_>,
    attempt: impl AsyncFn() -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let mut tries = 1;
    loop {
        let Err(error) = attempt().await else { return Ok(()) };
        let is_theirs = matches!(
            error.kind(),
            Kind::LoginRefused
                | Kind::LoginDenied
                | Kind::LoginTimeout
                | Kind::Misconfigured
                | Kind::File
                | Kind::Usage
        );
        if !talk.asks || !is_theirs || tries == TRIES {
            return Err(error);
        }
        talk.context.say.error(&error);
        if !talk.agrees("\nTry again?").await? {
            return Err(error);
        }
        tries += 1;
    }
}

/// How somebody wants to sign in to Garmin.
async fn way(
    talk: &Talk<'_>,
    context: &Context,
    flags: &LoginGarminArgs,
) -> Result<LoginGarminArgs, CommandError> {
    let no_key = login_garmin::missing(context, flags)?.is_empty();
    if !talk.asks || no_key {
        return Ok(flags.clone());
    }
    talk.say(
        "How do you sign in to Garmin?\n  \
         key       with a Personal API key, which Garmin makes for you on a page of its own: the best way\n  \
         browser   on Garmin's page, in a window that is opened for it\n  \
         password  with e-mail address and password, which Garmin often blocks\n  \
         import    with the login of python-garminconnect, pirate-garmin or Garmin's own client",
    );
    let word = |answer: &str| match answer.to_lowercase().as_str() {
        word @ ("key" | "browser" | "password" | "import") => Ok(word.to_owned()),
        _ => Err("answer key, browser, password or import".to_owned()),
    };
    let chosen = talk.ask("Which one? [key]:", word).await?;
    let mut args = flags.clone();
    match chosen.as_deref() {
        Some("browser") => args.browser = true,
        Some("password") => {
            let at = |answer: &str| match answer.contains('@') {
                true => Ok(answer.to_owned()),
                false => Err("an e-mail address has an @".to_owned()),
            };
            let known = context.settings.secret(SecretKey::GarminEmail)?;
            if known.is_none() {
                args.email = talk.ask("E-mail address of the Garmin account:", at).await?;
            }
            // Without an address it is still the password's way, which asks for one.
            args.password_stdin = args.email.is_none();
        }
        Some("import") => {
            const USUAL: &str = "~/.garminconnect";
            let question = format!("Which file, or which folder? [{USUAL}]:");
            let path = talk.ask(&question, |answer| Ok(answer.to_owned())).await?;
            args.import = Some(at_home(context, path.as_deref().unwrap_or(USUAL)));
        }
        _ => {}
    }
    Ok(args)
}

/// What a shell would have made of `~`.
fn at_home(context: &Context, path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), context.environment.path("HOME")) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

fn garmin_flags(args: &InitArgs) -> LoginGarminArgs {
    LoginGarminArgs {
        api_key_stdin: args.api_key_stdin,
        key_ends: args.key_ends,
        browser: args.browser,
        ticket: args.ticket.clone(),
        email: args.email.clone(),
        password_stdin: args.password_stdin,
        mfa_code: args.mfa_code.clone(),
        import: args.import.clone(),
    }
}

fn strava_flags(args: &InitArgs) -> LoginStravaArgs {
    LoginStravaArgs {
        client_id: args.client_id.clone(),
        client_secret_stdin: args.client_secret_stdin,
        no_browser: args.no_browser,
        refresh_token_stdin: args.refresh_token_stdin,
        print_refresh_token: false,
        yes: false,
    }
}

/// The application that is signed in to Strava.
pub(super) async fn application(context: &Context) -> Result<Option<String>, CommandError> {
    let clock = std::sync::Arc::new(SystemClock::default());
    let Some(store) = Store::open_for_reading(&context.settings, clock).await? else { return Ok(None) };
    let login = fitferry_strava::login::stored(&*store.vault).await.ok().flatten();
    Ok(login.map(|login| login.app().client_id.clone()))
}
