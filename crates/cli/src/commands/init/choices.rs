//! What a person chooses, each with what stands there now.

use fitferry_app::config::starter::Choices;
use fitferry_app::config::{self, Settings, Since};
use fitferry_app::error::CommandError;
use fitferry_core::ports::Clock as _;
use jiff::ToSpan as _;

use super::Talk;
use crate::args::InitArgs;

/// Where the account is; asked only before somebody signs in.
pub(super) async fn domain(talk: &Talk<'_>, settings: &Settings) -> Result<Option<String>, CommandError> {
    let now = settings.domain.name();
    let question = format!("Where is your account: garmin.com, or garmin.cn for China? [{now}]:");
    Ok(talk.ask(&question, config::domain).await?.filter(|chosen| chosen != now))
}

/// Types and start date, unless flags say them.
pub(super) async fn ask(
    talk: &Talk<'_>,
    args: &InitArgs,
    settings: &Settings,
    choices: &mut Choices,
) -> Result<(), CommandError> {
    if !talk.asks {
        return Ok(());
    }
    if args.types.is_none() {
        let now = settings.types.join(",");
        let question = format!(
            "\nWhich activities cross? Garmin's type keys with commas between, as running,cycling; * for all \
             [{now}]:"
        );
        choices.types = talk.ask(&question, config::types).await?.or_else(|| Some(settings.types.clone()));
    }
    if args.since.is_none() {
        let now = match settings.since {
            Some(Since::All) => "all".to_owned(),
            Some(Since::Date(day)) => day.to_string(),
            None => today(),
        };
        let question = format!("From which day on, as 2026-11-01, or all? [{now}]:");
        choices.since = talk.ask(&question, config::since).await?.or(Some(now));
    }
    Ok(())
}

/// The day that the first tick would keep: nowhere is it earlier.
fn today() -> String {
    let now = fitferry_app::clock::SystemClock::default().now();
    let west = now.checked_sub(12.hours()).unwrap_or(now);
    jiff::tz::Offset::UTC.to_datetime(west).date().to_string()
}
