//! `fitferry sync`: one tick, or what one would do.

use fitferry_app::App;
use fitferry_app::document;
use fitferry_app::error::CommandError;
use fitferry_app::outcome::{self, Outcome};
use fitferry_core::engine::report::Report;
use fitferry_core::engine::{Observer, Progress};
use indicatif::ProgressBar;

use super::Context;
use crate::args::SyncArgs;
use crate::tables;

pub async fn run(context: &Context, args: &SyncArgs) -> Result<u8, CommandError> {
    let app = App::open(context.settings.clone()).await?;
    context.stop_with(&app.clock);
    let narrator = Narrator::new(context);
    let report = if args.dry_run { app.preview(&narrator).await } else { app.tick(None, &narrator).await };
    narrator.done();
    tell_notes(context, &report);
    let outcome = Outcome::of(&report, args.busy_ok);
    if context.json {
        context.out.json(&document::sync(&report, &app.settings.athlete, outcome.error.as_ref()))?;
    } else if !context.quiet {
        context.out.text(&tables::report(&report, context.width()))?;
    }
    if let Some(error) = &outcome.error {
        context.say.error(error);
    }
    Ok(outcome.exit)
}

/// What people want to know beside what became of each activity; to standard error, with `--json` as well.
pub fn tell_notes(context: &Context, report: &Report) {
    for note in &report.notes {
        context.say.line(&outcome::in_words(note));
    }
}

/// Tells a person at a terminal what goes on, once it takes longer than a moment.
pub struct Narrator {
    bar: Option<ProgressBar>,
}

impl Narrator {
    pub fn new(context: &Context) -> Narrator {
        Narrator { bar: context.say.spinner() }
    }

    pub fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Narrator {
    fn hears(&self, event: Progress<'_>) {
        let name = |row: &fitferry_core::ledger::Row| {
            row.activity.name.clone().unwrap_or_else(|| format!("activity {}", row.id()))
        };
        let text = match event {
            Progress::Listing { seen } => format!("reading Garmin's list, {seen} activities so far"),
            Progress::Looking => "looking at what Strava has".to_owned(),
            Progress::Downloading(row) => format!("downloading {}", name(row)),
            Progress::Uploading(row) => format!("uploading {}", name(row)),
            Progress::Settling { left } => format!("waiting for Strava to process {left}"),
            Progress::Settled(row) => format!("{}: {}", name(row), row.state.name()),
            // A backfill's, which tells of them itself.
            Progress::History(_) | Progress::TickOver { .. } => return,
        };
        tracing::debug!("{text}");
        if let Some(bar) = &self.bar {
            bar.set_message(text);
        }
    }
}
