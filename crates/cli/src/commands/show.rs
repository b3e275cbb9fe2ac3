//! `fitferry show`: one activity, its life, its file, both links.

use std::sync::Arc;

use fitferry_app::clock::SystemClock;
use fitferry_app::document;
use fitferry_app::error::CommandError;
use fitferry_app::store::Store;
use fitferry_core::activity::GarminId;
use fitferry_core::ledger::State;
use fitferry_core::ports::Clock as _;

use super::Context;
use crate::args::ShowArgs;
use crate::tables;

pub async fn run(context: &Context, args: &ShowArgs) -> Result<u8, CommandError> {
    let clock = Arc::new(SystemClock::default());
    let now = clock.now();
    let store = Store::open_for_reading(&context.settings, clock).await?;
    let ledger = store.ok_or_else(|| not_known(args.id))?.ledger;
    let (head, _) = ledger.head().await?;
    let (row, _) = ledger.get(args.id).await?.ok_or_else(|| not_known(args.id))?;
    if context.json {
        let mut life = document::life(&row, &head, now);
        document::insert(&mut life, "garmin_url", garmin_url(row.id()).into());
        if let State::Published { strava, .. } = row.state {
            document::insert(&mut life, "strava_url", strava_url(strava.0).into());
        }
        context.out.json(&life)?;
    } else {
        context.out.text(&tables::life(&row, &head, now))?;
    }
    Ok(0)
}

pub fn not_known(id: GarminId) -> CommandError {
    CommandError::usage(
        format!("no activity {id} in the ledger"),
        "Run `fitferry activities` to see the ones that are there, or `fitferry sync` to look for new ones.",
    )
}

pub fn garmin_url(id: GarminId) -> String {
    format!("https://connect.garmin.com/modern/activity/{id}")
}

pub fn strava_url(id: u64) -> String {
    format!("https://www.strava.com/activities/{id}")
}
