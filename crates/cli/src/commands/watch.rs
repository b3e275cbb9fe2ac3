//! `fitferry watch`: ticks until stopped, a lost network or a paused service included.

use fitferry_app::App;
use fitferry_app::document;
use fitferry_app::error::CommandError;
use fitferry_app::outcome::Outcome;
use fitferry_core::engine::report::{Report, Trouble};
use fitferry_core::ports::{Clock as _, PortError};
use jiff::SignedDuration;

use super::Context;
use super::sync::{Narrator, tell_notes};
use crate::args::WatchArgs;
use crate::tables;

/// A daemon has its next tick soon: it need not wait long for processing.
const SETTLE: SignedDuration = SignedDuration::from_secs(10);

pub async fn run(context: &Context, args: &WatchArgs) -> Result<u8, CommandError> {
    let app = App::open(context.settings.clone()).await?;
    context.stop_with(&app.clock);
    let every = args.every.unwrap_or(app.settings.every).unsigned_abs();
    context.say.line(&format!("Watching, every {} s. Ctrl-C ends it.", every.as_secs_f64()));
    let mut said: Option<String> = None;
    loop {
        let began = app.clock.monotonic();
        let narrator = Narrator::new(context);
        let report = app.tick(Some(SETTLE), &narrator).await;
        narrator.done();
        if let Some(signal) = app.clock.stopped_by() {
            if matches!(report.trouble, Some(Trouble::Interrupted) | None) {
                tell(context, &app, &report, &mut said)?;
            }
            return Ok(signal.exit_code());
        }
        if let Some(trouble @ Trouble::Port(PortError::Moved { .. })) = &report.trouble {
            // No later tick can do anything here.
            return Err(trouble.into());
        }
        tell(context, &app, &report, &mut said)?;
        let spent = app.clock.monotonic().saturating_sub(began);
        app.clock.sleep(every.saturating_sub(spent)).await;
        if let Some(signal) = app.clock.stopped_by() {
            return Ok(signal.exit_code());
        }
    }
}

/// A line for each tick that did something or met trouble; the same trouble is not told twice running.
fn tell(
    context: &Context,
    app: &App,
    report: &Report,
    said: &mut Option<String>,
) -> Result<(), CommandError> {
    tell_notes(context, report);
    let outcome = Outcome::of(report, false);
    if context.json {
        context.out.json_line(&document::sync(report, &app.settings.athlete, outcome.error.as_ref()))?;
    } else if !report.rows.is_empty() && !context.quiet {
        context.out.text(&tables::report(report, context.width()))?;
    }
    let trouble = outcome.error.as_ref().map(ToString::to_string);
    if let Some(error) = outcome.error.as_ref().filter(|_| trouble != *said) {
        context.say.error(error);
    }
    if trouble.is_none() && said.is_some() {
        context.say.line("All is well again.");
    }
    *said = trouble;
    Ok(())
}
