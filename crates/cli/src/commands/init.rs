//! `fitferry init`: asks its way to a working setup.
//!
//! The configuration is put together first and lies beside the old one while it is tried: the logins and the look
//! at what would cross go by it. It takes the old one's place at the end, once the person has seen what it does.

use std::path::Path;

use fitferry_app::App;
use fitferry_app::config::starter::{self, Choices};
use fitferry_app::config::{self, Asked, SecretKey, Settings, Since};
use fitferry_app::document;
use fitferry_app::error::{CommandError, Kind};
use fitferry_app::outcome::Outcome;
use fitferry_core::engine::report::Report;
use fitferry_core::ports::Clock as _;
use fitferry_core::ports::SecretName;
use jiff::ToSpan as _;
use serde_json::json;

use super::sync::{Narrator, tell_notes};
use super::{Context, login_garmin, login_strava};
use crate::args::{InitArgs, LoginGarminArgs, LoginStravaArgs};
use crate::secrets::{self, Wanted};
use crate::tables;

/// How often a question is asked that got an answer of no use.
const TRIES: u32 = 3;

pub async fn run(context: &Context, args: &InitArgs) -> Result<u8, CommandError> {
    let choices = choose(context, args).await?;
    let path = context.settings.file.clone();
    let there = context.settings.file_exists.then(|| std::fs::read_to_string(&path)).transpose();
    let there = there.map_err(|error| CommandError::io(format!("cannot read {}", path.display()), &error))?;
    let athlete = Some(context.settings.athlete.as_str()).filter(|athlete| *athlete != "me");
    let text = starter::compose(there.as_deref(), &choices, athlete).map_err(|why| unusable(&path, &why))?;
    let tried = context.over(in_force(context, &text)?);

    sign_in(&tried, args).await?;
    let app = App::open(tried.settings.clone()).await?;
    context.stop_with(&app.clock);
    let report = preview(&tried, &app).await?;
    let is_new = there.as_deref() != Some(&text);
    let writes = is_new && agrees(context, args, &path).await?;
    if writes {
        starter::write(&path, &text)
            .map_err(|error| CommandError::io(format!("cannot write {}", path.display()), &error))?;
        context.say.line(&format!("Written: {}", path.display()));
    } else if !is_new {
        context.say.line(&format!("{} stays as it is.", path.display()));
    }
    context
        .say
        .line("Next: `fitferry sync` carries over what is shown above, `fitferry watch` goes on with it");

    let outcome = Outcome::of(&report, false);
    if context.json {
        let mut document = document::sync(&report, &app.settings.athlete, outcome.error.as_ref());
        document["config"] = json!({ "path": path.display().to_string(), "written": writes });
        context.out.json(&document)?;
    }
    if let Some(error) = &outcome.error {
        context.say.error(error);
    }
    Ok(outcome.exit)
}

// --------------------------------------------------------------------------------------- choices

async fn choose(context: &Context, args: &InitArgs) -> Result<Choices, CommandError> {
    let settings = &context.settings;
    let asks = secrets::has_terminal() && !args.yes;
    let types = match &args.types {
        Some(types) => Some(types.clone()),
        None if asks => {
            let now = settings.types.join(",");
            let question = format!(
                "Which activities cross? Garmin's type keys with commas between, as running,cycling; * for all \
                 [{now}]:"
            );
            ask(context, &question, config::types).await?.or_else(|| Some(settings.types.clone()))
        }
        None => None,
    };
    let since = match &args.since {
        Some(since) => Some(since.clone()),
        None if asks => {
            let now = match settings.since {
                Some(Since::All) => "all".to_owned(),
                Some(Since::Date(day)) => day.to_string(),
                None => today(),
            };
            let question = format!("From which day on, as 2026-11-01, or all? [{now}]:");
            ask(context, &question, config::since).await?.or(Some(now))
        }
        None => None,
    };
    Ok(Choices { domain: args.domain.clone(), client_id: args.client_id.clone(), types, since })
}

/// The day that the first tick would keep: nowhere is it earlier.
fn today() -> String {
    let now = fitferry_app::clock::SystemClock::default().now();
    let west = now.checked_sub(12.hours()).unwrap_or(now);
    jiff::tz::Offset::UTC.to_datetime(west).date().to_string()
}

async fn ask<T>(
    context: &Context,
    question: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, CommandError> {
    for _ in 0..TRIES {
        let Some(answer) = secrets::ask(&context.say, question).await? else { return Ok(None) };
        match read(&answer) {
            Ok(answer) => return Ok(Some(answer)),
            Err(what) => context.say.needed(&format!("That will not do: {what}.")),
        }
    }
    Ok(None)
}

/// What the new text means, with all that stands above it.
fn in_force(context: &Context, text: &str) -> Result<Settings, CommandError> {
    use std::io::Write as _;
    let failed = |error: std::io::Error| CommandError::io("cannot try the configuration", &error);
    let mut draft = tempfile::NamedTempFile::new().map_err(failed)?;
    draft.write_all(text.as_bytes()).map_err(failed)?;
    let asked = Asked { config: Some(draft.path().to_owned()), ..context.asked.clone() };
    let mut settings = config::load(&asked, &context.environment)?;
    settings.file.clone_from(&context.settings.file);
    Ok(settings)
}

async fn agrees(context: &Context, args: &InitArgs, path: &Path) -> Result<bool, CommandError> {
    if args.yes || !secrets::has_terminal() {
        return Ok(true);
    }
    let question = format!("Write this to {}? [Y/n]", path.display());
    let answer = secrets::ask(&context.say, &question).await?.unwrap_or_default();
    Ok(["", "y", "yes"].contains(&answer.to_lowercase().as_str()))
}

// ---------------------------------------------------------------------------------------- logins

/// Signs in where nobody is, or where a flag brings something to sign in with.
async fn sign_in(context: &Context, args: &InitArgs) -> Result<(), CommandError> {
    let app = App::open(context.settings.clone()).await?;
    let vault = &*app.store.vault;
    let brings_key = context.settings.secret(SecretKey::GarminApiKey)?.is_some();
    let has_garmin = vault.get(SecretName::GarminLogin).await?.is_some() || brings_key;
    let has_strava = vault.get(SecretName::StravaLogin).await?.is_some();
    drop(app);
    let (to_garmin, to_strava) = (
        !has_garmin || args.api_key_stdin || args.browser,
        !has_strava || args.client_secret_stdin || args.refresh_token_stdin,
    );
    if !secrets::has_terminal() {
        let mut missing = Vec::new();
        if to_garmin && !args.browser && !args.api_key_stdin {
            missing.extend(login_garmin::missing(context)?);
        }
        if to_strava {
            missing.extend(login_strava::missing(
                context,
                args.client_id.as_deref(),
                args.client_secret_stdin,
            )?);
        }
        // Before the first request: half a setup helps nobody.
        if let Some(error) = Wanted::all_missing(&missing) {
            return Err(error);
        }
    }
    if to_garmin {
        let login = LoginGarminArgs {
            api_key_stdin: args.api_key_stdin,
            key_ends: args.key_ends,
            browser: args.browser,
            ticket: None,
            email: None,
            password_stdin: false,
            mfa_code: None,
            import: None,
        };
        login_garmin::sign_in(context, &login).await?;
    } else {
        context.say.line("Signed in to Garmin already.");
    }
    if to_strava {
        let login = LoginStravaArgs {
            client_id: args.client_id.clone(),
            client_secret_stdin: args.client_secret_stdin,
            no_browser: args.no_browser,
            refresh_token_stdin: args.refresh_token_stdin,
            print_refresh_token: false,
            yes: false,
        };
        login_strava::sign_in_and_print(context, &login).await?;
    } else {
        context.say.line("Signed in to Strava already.");
    }
    Ok(())
}

// --------------------------------------------------------------------------------------- preview

/// Shows what would cross; that a service cannot be asked now is no reason to write nothing.
async fn preview(context: &Context, app: &App) -> Result<Report, CommandError> {
    let narrator = Narrator::new(context);
    let report = app.preview(&narrator).await;
    narrator.done();
    tell_notes(context, &report);
    if !context.json && !context.quiet {
        context.out.text(&tables::report(&report, context.width()))?;
    }
    Ok(report)
}

fn unusable(path: &Path, why: &str) -> CommandError {
    CommandError::new(
        Kind::Config,
        format!("cannot change {}", path.display()),
        "Correct it, with the help of `fitferry config check`, and run `fitferry init` again.",
    )
    .caused_by(why)
}

/// For the walk over all kinds of error.
#[cfg(test)]
pub fn every_error() -> Vec<CommandError> {
    vec![unusable(Path::new("/x"), "no table")]
}
