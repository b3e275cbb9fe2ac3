//! `fitferry retry` and `fitferry skip`: the user's word on one activity.

use fitferry_app::App;
use fitferry_app::document;
use fitferry_app::error::CommandError;
use fitferry_core::activity::GarminId;
use fitferry_core::ledger::{Row, State};
use fitferry_core::ports::{Clock as _, PortError};
use serde_json::json;

use super::Context;
use super::show::not_known;
use crate::args::{RetryArgs, SkipArgs};

/// What the user says.
#[derive(Clone, Copy)]
enum Word {
    Retry { force: bool },
    Skip,
}

pub async fn retry(context: &Context, args: &RetryArgs) -> Result<u8, CommandError> {
    say(context, &args.ids, Word::Retry { force: args.force }).await
}

pub async fn skip(context: &Context, args: &SkipArgs) -> Result<u8, CommandError> {
    say(context, &args.ids, Word::Skip).await
}

async fn say(context: &Context, ids: &[GarminId], word: Word) -> Result<u8, CommandError> {
    let app = App::open(context.settings.clone()).await?;
    // All are looked up before the first is changed: a mistyped number changes nothing.
    for id in ids {
        let (row, _) = app.store.ledger.get(*id).await?.ok_or_else(|| not_known(*id))?;
        apply(&mut row.clone(), word, app.clock.now())?;
    }
    let rows = app.under_lease(async |fence| write(&app, ids, word, fence).await).await?;
    let (head, _) = app.store.ledger.head().await?;
    let now = app.clock.now();
    if context.json {
        let activities: Vec<_> = rows.iter().map(|row| document::activity(row, &head, now)).collect();
        context.out.json(&json!({ "activities": activities }))?;
        return Ok(0);
    }
    for row in &rows {
        let name = row.activity.name.as_deref().unwrap_or("without a name");
        let becomes = match &row.state {
            State::Wanted => "will be sent by the next `fitferry sync`",
            State::Skipped { .. } => "stays on Garmin",
            _ if row.skip_noted => "will be skipped unless Strava turns out to have it",
            _ => "is looked after by the next `fitferry sync`",
        };
        context.say.line(&format!("{} ({name}) {becomes}.", row.id()));
    }
    Ok(0)
}

async fn write(
    app: &App,
    ids: &[GarminId],
    word: Word,
    fence: fitferry_core::ports::Fence,
) -> Result<Vec<Row>, CommandError> {
    let (mut head, version) = app.store.ledger.head().await?;
    if let Some(to) = head.moved_to {
        return Err(PortError::Moved { to }.into());
    }
    // First the head: whatever dies in between, the next tick looks at the rows.
    head.next_due = None;
    head.dirty = true;
    if matches!(word, Word::Retry { .. }) {
        head.clear_pauses();
        app.clear_budget_pauses().await?;
    }
    app.store.ledger.put_head(version, &head, fence).await?;
    let mut rows = Vec::new();
    for id in ids {
        let (mut row, version) = app.store.ledger.get(*id).await?.ok_or_else(|| not_known(*id))?;
        apply(&mut row, word, app.clock.now())?;
        app.store.ledger.put(&row, version, fence).await?;
        rows.push(row);
    }
    Ok(rows)
}

fn apply(row: &mut Row, word: Word, now: jiff::Timestamp) -> Result<(), CommandError> {
    let outcome = match word {
        Word::Retry { force } => row.user_retries(force, now),
        Word::Skip => row.user_skips(now),
    };
    outcome.map_err(|_| {
        let id = row.id();
        match &row.state {
            State::Published { strava, .. } => CommandError::usage(
                format!("activity {id} is on Strava already"),
                format!("Look at {}.", super::show::strava_url(strava.0)),
            ),
            _ => CommandError::usage(
                format!("activity {id} may be on its way to Strava: sending it again could double it"),
                "Run `fitferry sync` until it is settled, then say it again.",
            ),
        }
    })
}
