//! `fitferry activities`: the ledger as a table, newest first.

use std::sync::Arc;

use fitferry_app::clock::SystemClock;
use fitferry_app::document;
use fitferry_app::error::CommandError;
use fitferry_app::store::Store;
use fitferry_core::head::Head;
use fitferry_core::ledger::{Row, Shown, StateName};
use fitferry_core::ports::{Clock as _, Filter};
use serde_json::json;

use super::Context;
use crate::args::ActivitiesArgs;
use crate::tables;

pub async fn run(context: &Context, args: &ActivitiesArgs) -> Result<u8, CommandError> {
    let clock = Arc::new(SystemClock::default());
    let now = clock.now();
    let (head, rows) = match Store::open_for_reading(&context.settings, clock).await? {
        None => (Head::default(), Vec::new()),
        Some(store) => {
            let (head, _) = store.ledger.head().await?;
            let filter = Filter { state: kept(args.state), since: args.since, limit: args.limit };
            let rows = match args.state {
                // What waits is worked out, so the limit counts after that.
                Some(shown) if kept(Some(shown)).is_none() || shown_may_differ(shown) => {
                    let all = store.ledger.list(&Filter { state: None, limit: None, ..filter }).await?;
                    let mut rows: Vec<Row> =
                        all.into_iter().filter(|row| row.shown(&head, now) == shown).collect();
                    rows.truncate(
                        args.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX),
                    );
                    rows
                }
                _ => store.ledger.list(&filter).await?,
            };
            (head, rows)
        }
    };
    if context.json {
        let activities: Vec<_> = rows.iter().map(|row| document::activity(row, &head, now)).collect();
        context.out.json(&json!({ "activities": activities }))?;
    } else if rows.is_empty() {
        context.say.line("No activities here yet. Run `fitferry sync`.");
    } else {
        context.out.text(&tables::lives(&rows, &head, now, context.width()))?;
    }
    Ok(0)
}

/// The state in the store behind a state as shown; `None` for what is only shown.
fn kept(shown: Option<Shown>) -> Option<StateName> {
    shown.and_then(|shown| StateName::from_key(shown.key()))
}

/// Rows that are wanted or on their way are shown as waiting while their moment is ahead.
fn shown_may_differ(shown: Shown) -> bool {
    matches!(shown, Shown::Wanted | Shown::Submitting | Shown::Waiting)
}
