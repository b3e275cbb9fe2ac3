//! `fitferry init`: asks its way to a working setup.
//!
//! Both logins, what crosses, *Garmin's own link*, the way to run it. The configuration is put together beside the old
//! one and takes its place at the end, once the person has seen what it does. Where nobody sits at a terminal, each
//! answer is a flag, and what is missing is told before anything is asked of a service.

mod choices;
mod logins;
mod outlook;
mod running;

use std::path::PathBuf;

use fitferry_app::App;
use fitferry_app::config::starter::{self, Choices};
use fitferry_app::config::{self, Asked, Settings};
use fitferry_app::document;
use fitferry_app::error::{CommandError, Kind};
use fitferry_app::outcome::Outcome;
use serde_json::json;

use super::Context;
use crate::args::InitArgs;
use crate::secrets;

/// How often a question is asked that got an answer of no use.
const TRIES: u32 = 3;

pub async fn run(context: &Context, args: &InitArgs) -> Result<u8, CommandError> {
    let talk = Talk { context, asks: secrets::has_terminal() && !args.yes };
    talk.say(
        "fitferry carries your activities from Garmin Connect to Strava. It asks a few questions; Enter takes what \
         stands in brackets, and Ctrl-C leaves the configuration as it is.",
    );
    let mut draft = Draft::open(context, args)?;
    let mut tried = draft.in_force()?;

    talk.head("Garmin");
    let needed = logins::needed(&tried, args).await?;
    if needed.garmin && args.domain.is_none() {
        draft.choices.domain = choices::domain(&talk, &tried.settings).await?;
        tried = draft.in_force()?;
    }
    logins::sign_in(&talk, &tried, args, needed).await?;
    if draft.choices.client_id.is_none() && tried.settings.client_id.is_none() {
        draft.choices.client_id = logins::application(&tried).await?;
    }

    talk.head("What crosses");
    let mut app = App::open(tried.settings.clone()).await?;
    let seen = outlook::newest(&talk, &app).await;
    let report = loop {
        choices::ask(&talk, args, &tried.settings, &mut draft.choices).await?;
        tried = draft.in_force()?;
        app = App::open(tried.settings.clone()).await?;
        context.stop_with(&app.clock);
        let report = outlook::show(&tried, &app, &seen).await?;
        if report.trouble.is_some() || talk.agrees("\nIs that what you want?").await? {
            break report;
        }
    };

    let link = outlook::link(&talk, &app).await;
    running::show(&talk, args.run, &tried.settings).await?;
    let written = draft.write(&talk).await?;
    let next = if outlook::has_uploads(&report) {
        "carries over what is shown above"
    } else {
        "carries over what is new from now on"
    };
    context.say.line(&format!("Next: `fitferry sync` {next}; `fitferry doctor` checks everything."));

    let outcome = Outcome::of(&report, false);
    if context.json {
        let mut document = document::sync(&report, &app.settings.athlete, outcome.error.as_ref());
        document["config"] = json!({ "path": draft.path.display().to_string(), "written": written });
        document["recent"] = outlook::document(&app, &report, &seen).await?;
        document["garmin_link"] = json!(link);
        context.out.json(&document)?;
    }
    if let Some(error) = &outcome.error {
        context.say.error(error);
    }
    Ok(outcome.exit)
}

/// The conversation, where somebody is there to have one.
struct Talk<'a> {
    context: &'a Context,
    /// Whether a person is asked what has a default.
    asks: bool,
}

impl Talk<'_> {
    /// Said only to somebody who is asked.
    fn say(&self, text: &str) {
        if self.asks {
            self.context.say.line(text);
        }
    }

    fn head(&self, title: &str) {
        self.say(&format!("\n{title}\n{}", "-".repeat(title.chars().count())));
    }

    /// `None`: nobody is asked, or no answer was of use.
    async fn ask<T>(
        &self,
        question: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, CommandError> {
        if !self.asks {
            return Ok(None);
        }
        for _ in 0..TRIES {
            let Some(answer) = secrets::ask(&self.context.say, question).await? else { return Ok(None) };
            match read(&answer) {
                Ok(answer) => return Ok(Some(answer)),
                Err(what) => self.context.say.needed(&format!("That will not do: {what}.")),
            }
        }
        Ok(None)
    }

    /// Enter is yes, and so is nobody.
    async fn agrees(&self, question: &str) -> Result<bool, CommandError> {
        let answer = self
            .ask(&format!("{question} [Y/n]"), |answer| match answer.to_lowercase().as_str() {
                "y" | "yes" => Ok(true),
                "n" | "no" => Ok(false),
                _ => Err("answer y or n".to_owned()),
            })
            .await?;
        Ok(answer.unwrap_or(true))
    }
}

/// The configuration as it would be.
struct Draft<'a> {
    context: &'a Context,
    path: PathBuf,
    /// What the file has now.
    there: Option<String>,
    choices: Choices,
}

impl<'a> Draft<'a> {
    fn open(context: &'a Context, args: &InitArgs) -> Result<Draft<'a>, CommandError> {
        let path = context.settings.file.clone();
        let there = read(context)?;
        let choices = Choices {
            domain: args.domain.clone(),
            client_id: args.client_id.clone(),
            types: args.types.clone(),
            since: args.since.clone(),
        };
        Ok(Draft { context, path, there, choices })
    }

    fn text(&self) -> Result<String, CommandError> {
        let athlete = Some(self.context.settings.athlete.as_str()).filter(|athlete| *athlete != "me");
        starter::compose(self.there.as_deref(), &self.choices, athlete).map_err(|why| self.unusable(&why))
    }

    /// What it means, with all that stands above it.
    fn in_force(&self) -> Result<Context, CommandError> {
        Ok(self.context.over(settings_of(self.context, &self.text()?)?))
    }

    /// Puts it in its place, and says what changes; whether it was written.
    async fn write(&self, talk: &Talk<'_>) -> Result<bool, CommandError> {
        let (say, path) = (&self.context.say, self.path.display());
        let text = self.text()?;
        let question = match &self.there {
            Some(there) if *there == text => {
                say.line(&format!("{path} stays as it is."));
                return Ok(false);
            }
            Some(there) => {
                say.line(&format!("In {path}, with everything else as it is:"));
                for change in starter::changes(there, &text) {
                    say.line(&format!("  {change}"));
                }
                "Change it?".to_owned()
            }
            None => format!("Write the configuration to {path}?"),
        };
        if !talk.agrees(&question).await? {
            say.line("Nothing was written; the logins are kept.");
            return Ok(false);
        }
        // Minutes have passed, in which somebody may have opened the file in an editor.
        if read(self.context)? != self.there {
            return Err(self.unusable("it has changed while this ran"));
        }
        starter::write(&self.path, &text)
            .map_err(|error| CommandError::io(format!("cannot write {path}"), &error))?;
        say.line(&format!("Written: {path}"));
        Ok(true)
    }

    fn unusable(&self, why: &str) -> CommandError {
        CommandError::new(
            Kind::Config,
            format!("cannot change {}", self.path.display()),
            "Correct it, with the help of `fitferry config check`, and run `fitferry init` again.",
        )
        .caused_by(why)
    }
}

fn read(context: &Context) -> Result<Option<String>, CommandError> {
    let path = &context.settings.file;
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CommandError::io(format!("cannot read {}", path.display()), &error)),
    }
}

fn settings_of(context: &Context, text: &str) -> Result<Settings, CommandError> {
    use std::io::Write as _;
    let failed = |error: std::io::Error| CommandError::io("cannot try the configuration", &error);
    let mut draft = tempfile::NamedTempFile::new().map_err(failed)?;
    draft.write_all(text.as_bytes()).map_err(failed)?;
    let asked = Asked { config: Some(draft.path().to_owned()), ..context.asked.clone() };
    let mut settings = config::load(&asked, &context.environment)?;
    settings.file.clone_from(&context.settings.file);
    Ok(settings)
}
