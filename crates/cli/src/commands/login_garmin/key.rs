//! The default way: a Personal API key.

use fitferry_app::config::{GARMINS_OWN_KEY, SecretKey};
use fitferry_app::error::CommandError;
use fitferry_core::ports::Clock as _;
use fitferry_garmin::Login;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use secrecy::{ExposeSecret as _, SecretString};

use super::import;
use crate::args::{self, KeyEnds, LoginGarminArgs};
use crate::commands::Context;
use crate::secrets::{self, Wanted};

pub(super) const KEY: Wanted = Wanted {
    name: "the Garmin API key",
    flag: "fitferry login garmin --api-key-stdin",
    variable: Some("FITFERRY_GARMIN__API_KEY"),
};

/// Where a person makes a key (dossier garmin.md §0.1).
pub const KEYS_PAGE: &str = "https://connect.garmin.com/app/settings/personalApiToken";

pub(super) async fn key(context: &Context, args: &LoginGarminArgs) -> Result<Login, CommandError> {
    let key = find_or_ask(context, args).await?;
    // Nobody is asked when a key ends that is none, or that tells it itself.
    let login = login(context, &key, None)?;
    let ends = match args.key_ends {
        Some(ends) => ends,
        None if login.ends().is_none() && secrets::has_terminal() => {
            let Some(ends) = ask_when_it_ends(context).await? else { return Ok(login) };
            ends
        }
        None => return Ok(login),
    };
    let ends = date(ends, fitferry_app::clock::SystemClock::default().now())?;
    self::login(context, &key, Some(ends))
}

fn login(context: &Context, key: &SecretString, ends: Option<Date>) -> Result<Login, CommandError> {
    Login::from_api_key(key.expose_secret(), ends, context.settings.domain).map_err(|error| {
        CommandError::usage(
            error.to_string(),
            format!("Copy the whole key from {KEYS_PAGE} and run `fitferry login garmin` again."),
        )
    })
}

/// From standard input, from where a key usually is, or from the person.
async fn find_or_ask(context: &Context, args: &LoginGarminArgs) -> Result<SecretString, CommandError> {
    if args.api_key_stdin {
        return secrets::line(&context.say, KEY).await;
    }
    if let Some((key, place)) = find(context)? {
        if let Some(place) = place {
            context.say.line(&format!("Taking the key from {place}."));
        }
        return Ok(key);
    }
    if secrets::has_terminal() {
        context.say.needed(&format!("Make a Personal API key at {KEYS_PAGE} and paste it here."));
    }
    secrets::ask_unseen(&context.say, KEY).await?.ok_or_else(|| KEY.missing())
}

/// Our variable, Garmin's own variable, Garmin's own file; with the place where it is not ours.
pub(super) fn find(context: &Context) -> Result<Option<(SecretString, Option<String>)>, CommandError> {
    if let Some(key) = context.settings.secret(SecretKey::GarminApiKey)? {
        return Ok(Some((key, None)));
    }
    if let Some(key) = context.environment.text(GARMINS_OWN_KEY).map(str::trim).filter(|key| !key.is_empty())
    {
        return Ok(Some((key.to_owned().into(), Some(GARMINS_OWN_KEY.to_owned()))));
    }
    if let Some(home) = context.environment.path("HOME") {
        let path = home.join(".config/garmin/connect-personal-api-key");
        if path.is_file() {
            let key = import::read_file(&path)?;
            return Ok(Some((key.into(), Some(path.display().to_string()))));
        }
    }
    Ok(None)
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
