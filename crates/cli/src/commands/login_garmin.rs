//! `fitferry login garmin`: a Personal API key, or another tool's token file.

use std::path::Path;

use fitferry_app::App;
use fitferry_app::config::{GARMINS_OWN_KEY, SecretKey};
use fitferry_app::error::{CommandError, Kind};
use fitferry_core::ports::{Clock as _, SecretName, Service};
use fitferry_garmin::Login;
use fitferry_garmin::login::ProvenLogin;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use secrecy::{ExposeSecret as _, SecretString};

use super::Context;
use super::login::{Outcome, finish};
use crate::args::{self, KeyEnds, LoginGarminArgs};
use crate::secrets::{self, Wanted};

const KEY: Wanted = Wanted {
    name: "the Garmin API key",
    flag: "fitferry login garmin --api-key-stdin",
    variable: Some("FITFERRY_GARMIN__API_KEY"),
};

/// Where a person makes a key (dossier garmin.md §0.1).
const KEYS_PAGE: &str = "https://connect.garmin.com/app/settings/personalApiToken";

/// A file with a key or tokens is longer than this only by mistake.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

pub async fn run(context: &Context, args: &LoginGarminArgs) -> Result<u8, CommandError> {
    let outcome = sign_in(context, args).await;
    finish(context, Service::Garmin, outcome)
}

async fn sign_in(context: &Context, args: &LoginGarminArgs) -> Result<Outcome, CommandError> {
    let login = match &args.import {
        Some(path) => import(context, path)?,
        None => key(context, args).await?,
    };
    let app = App::open(context.settings.clone()).await?;
    let proven = app.under_lease(async |fence| {
        // Tokens that have been renewed are kept, whoever presses Ctrl-C meanwhile.
        context.stop_with(&app.clock);
        let proven = keep(&app, login).await?;
        app.clear_pauses(fence).await?;
        Ok(proven)
    });
    let ProvenLogin { login, account, .. } = proven.await?;
    let ends = login.ends().map(|ends| format!("; it ends on {}", day(ends))).unwrap_or_default();
    let who = account.as_ref().map(|account| format!(" as {account}")).unwrap_or_default();
    context.say.line(&format!("Signed in to Garmin{who}{ends}."));
    let has_strava = app.store.vault.get(SecretName::StravaLogin).await?.is_some();
    let next = if has_strava { next_look(&app).await? } else { "Next: `fitferry login strava`".to_owned() };
    context.say.line(&next);
    Ok(Outcome { account, document: serde_json::Map::new() })
}

/// What follows once both logins are there: another store may be the one that carries.
pub async fn next_look(app: &App) -> Result<String, CommandError> {
    let (head, _) = app.store.ledger.head().await?;
    Ok(match head.moved_to {
        None => "Next: `fitferry sync --dry-run` shows what would cross".to_owned(),
        Some(to) => format!("Next: `fitferry aws push-credentials --to {to}`, since that carries now"),
    })
}

async fn keep(app: &App, login: Login) -> Result<ProvenLogin, CommandError> {
    let proven = app.prove_garmin(login).await.map_err(refused)?;
    fitferry_garmin::login::store(&*app.store.vault, &proven).await?;
    Ok(proven)
}

/// "Sign in" is no help to somebody who just tried.
fn refused(error: CommandError) -> CommandError {
    if error.kind() != Kind::LoginNeeded {
        return error;
    }
    CommandError::new(
        Kind::LoginRefused,
        "Garmin refused this login",
        format!("Make a new key at {KEYS_PAGE} and run `fitferry login garmin` with it."),
    )
    .caused_by(error.to_string())
}

// ------------------------------------------------------------------------------------------- key

async fn key(context: &Context, args: &LoginGarminArgs) -> Result<Login, CommandError> {
    let key = find_key(context, args).await?;
    let ends = match args.key_ends {
        Some(ends) => Some(ends),
        None if secrets::has_terminal() => ask_when_it_ends(context).await?,
        None => None,
    };
    let ends = ends.map(|ends| date(ends, fitferry_app::clock::SystemClock::default().now())).transpose()?;
    Login::from_api_key(key.expose_secret(), ends, context.settings.domain).map_err(|error| {
        CommandError::usage(
            error.to_string(),
            format!("Copy the whole key from {KEYS_PAGE} and run `fitferry login garmin` again."),
        )
    })
}

/// From standard input, our variable, Garmin's own variable, Garmin's own file, or the person.
async fn find_key(context: &Context, args: &LoginGarminArgs) -> Result<SecretString, CommandError> {
    if args.api_key_stdin {
        return secrets::line(&context.say, KEY).await;
    }
    if let Some(key) = context.settings.secret(SecretKey::GarminApiKey)? {
        return Ok(key);
    }
    if let Some(key) = context.environment.text(GARMINS_OWN_KEY).map(str::trim).filter(|key| !key.is_empty())
    {
        context.say.line(&format!("Taking the key from {GARMINS_OWN_KEY}."));
        return Ok(key.to_owned().into());
    }
    if let Some(home) = context.environment.path("HOME") {
        let path = home.join(".config/garmin/connect-personal-api-key");
        if path.is_file() {
            context.say.line(&format!("Taking the key from {}.", path.display()));
            return read_file(&path).map(SecretString::from);
        }
    }
    if secrets::has_terminal() {
        context.say.needed(&format!("Make a Personal API key at {KEYS_PAGE} and paste it here."));
    }
    secrets::ask_unseen(&context.say, KEY).await?.ok_or_else(|| KEY.missing())
}

async fn ask_when_it_ends(context: &Context) -> Result<Option<KeyEnds>, CommandError> {
    const TRIES: u32 = 3;
    for _ in 0..TRIES {
        let question = "When does it end? A number of days, a date, or nothing if you do not know:";
        let Some(answer) = secrets::ask(&context.say, question).await? else { return Ok(None) };
        match args::parse_key_ends(&answer) {
            Ok(ends) => return Ok(Some(ends)),
            Err(what) => context.say.needed(&format!("That is {what}.")),
        }
    }
    Ok(None)
}

fn date(ends: KeyEnds, now: Timestamp) -> Result<Date, CommandError> {
    let today = jiff::tz::Offset::UTC.to_datetime(now).date();
    let ends = match ends {
        KeyEnds::On(date) => date,
        KeyEnds::InDays(days) => today.saturating_add(i32::from(days).days()),
    };
    if ends < today {
        return Err(CommandError::usage(
            format!("a key that ended on {ends} cannot be used"),
            format!("Make a new one at {KEYS_PAGE}, or correct `--key-ends`."),
        ));
    }
    Ok(ends)
}

fn day(moment: Timestamp) -> Date {
    jiff::tz::Offset::UTC.to_datetime(moment).date()
}

// ---------------------------------------------------------------------------------------- import

fn import(context: &Context, path: &Path) -> Result<Login, CommandError> {
    let path = if path.is_dir() { path.join("garmin_tokens.json") } else { path.to_owned() };
    let login =
        Login::from_tokens_file(&read_file(&path)?).map_err(|error| unusable(&path, &error.to_string()))?;
    context.say.warning(
        "these tokens change with each renewal, so the tool that this login comes from is signed out by the \
         first one",
    );
    Ok(login)
}

fn read_file(path: &Path) -> Result<String, CommandError> {
    use std::io::Read as _;
    let read = std::fs::File::open(path).and_then(|file| {
        let mut text = String::new();
        file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
        Ok(text)
    });
    read.map_err(|error| unusable(path, &error.to_string()))
}

fn unusable(path: &Path, why: &str) -> CommandError {
    CommandError::new(
        Kind::File,
        format!("cannot use {}", path.display()),
        "Name a readable `garmin_tokens.json` with `fitferry login garmin --import PATH`, or sign in with a \
         key: `fitferry login garmin`",
    )
    .caused_by(why)
}

/// For the walk over all kinds of error.
#[cfg(test)]
pub fn every_error() -> Vec<CommandError> {
    vec![
        KEY.missing(),
        unusable(Path::new("/x"), "gone"),
        refused(CommandError::from(fitferry_core::tokens::no_login(Service::Garmin))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_count_from_today_and_a_key_that_has_ended_is_refused() {
        let now: Timestamp = "2026-11-23T06:00:00Z".parse().unwrap();
        assert_eq!(date(KeyEnds::InDays(30), now).unwrap(), jiff::civil::date(2026, 12, 23));
        let on = jiff::civil::date(2027, 1, 1);
        assert_eq!(date(KeyEnds::On(on), now).unwrap(), on);
        let past = date(KeyEnds::On(jiff::civil::date(2026, 11, 22)), now).unwrap_err();
        assert_eq!(past.exit_code(), 2);
    }
}
