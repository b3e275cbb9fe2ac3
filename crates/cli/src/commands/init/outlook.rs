//! What would become of the newest activities, which of them are private, and whether *Garmin's own link* is on.

use std::collections::BTreeMap;

use fitferry_app::App;
use fitferry_app::document;
use fitferry_app::error::CommandError;
use fitferry_core::activity::GarminId;
use fitferry_core::engine::report::{Report, Would, WouldAction};
use fitferry_core::ledger::Row;
use fitferry_garmin::Recent;
use serde_json::{Value, json};

use super::Talk;
use crate::commands::Context;
use crate::commands::sync::{Narrator, tell_notes};
use crate::tables;

/// So many are shown.
const NEWEST: u32 = 10;

/// The newest ones, shown with Garmin's own words for them to somebody who chooses; none where Garmin cannot be
/// asked, which the look that follows tells.
pub(super) async fn newest(talk: &Talk<'_>, app: &App) -> Vec<Recent> {
    match app.recent(NEWEST).await {
        Ok(recent) => {
            if talk.asks && !recent.is_empty() {
                talk.say("The newest on Garmin, each with its type key:");
                talk.say(&tables::newest(&recent, talk.context.width()));
            }
            recent
        }
        Err(error) => {
            tracing::debug!("{error}");
            Vec::new()
        }
    }
}

/// Looks, and shows; that a service cannot be asked now is no reason to write nothing.
pub(super) async fn show(context: &Context, app: &App, newest: &[Recent]) -> Result<Report, CommandError> {
    let narrator = Narrator::new(context);
    let report = app.preview(&narrator).await;
    narrator.done();
    tell_notes(context, &report);
    if !context.json && !context.quiet {
        let known = known(app, newest).await?;
        context.out.text(&tables::outlook(newest, &report, &known, context.width()))?;
    }
    tell_more(context, &report, newest);
    if !has_uploads(&report) && !report.would.is_empty() && report.trouble.is_none() {
        context.say.line("Of what is on Garmin now, nothing would be uploaded.");
    }
    tell_private(context, &report, newest);
    Ok(report)
}

/// Those of them that the ledger has.
async fn known(app: &App, newest: &[Recent]) -> Result<BTreeMap<GarminId, Row>, CommandError> {
    let mut rows = BTreeMap::new();
    for recent in newest {
        if let Some((row, _)) = app.store.ledger.get(recent.listed.id).await? {
            rows.insert(recent.listed.id, row);
        }
    }
    Ok(rows)
}

/// Whether anything would cross.
pub(super) fn has_uploads(report: &Report) -> bool {
    uploads(report).next().is_some()
}

fn uploads(report: &Report) -> impl Iterator<Item = &Would> {
    report.would.iter().filter(|would| would.action == WouldAction::Upload)
}

fn tell_more(context: &Context, report: &Report, newest: &[Recent]) {
    let is_shown = |would: &&Would| newest.iter().any(|recent| recent.listed.id == would.row.id());
    let older = uploads(report).filter(|would| !is_shown(would)).count();
    let oldest = uploads(report).find_map(|would| would.row.activity.day());
    if let Some(oldest) = oldest.filter(|_| older > 0) {
        context
            .say
            .line(&format!("Beside these, {older} older ones would be uploaded, the first of {oldest}."));
    }
}

/// A file does not say who may see it, so Strava decides.
fn tell_private(context: &Context, report: &Report, newest: &[Recent]) {
    let is_private =
        |would: &&Would| newest.iter().any(|recent| recent.is_private && recent.listed.id == would.row.id());
    let private: Vec<String> =
        uploads(report).filter(is_private).map(|would| would.row.id().to_string()).collect();
    if private.is_empty() {
        return;
    }
    let (these, them) =
        if private.len() == 1 { ("One of these is", "it") } else { ("Some of these are", "them") };
    context.say.warning(&format!(
        "{these} private on Garmin, which a file does not say: Strava shows an upload to whoever your default \
         visibility there lets see activities. Look at it in Strava's privacy settings \
         before the first `fitferry sync`; or leave {them} on Garmin: `fitferry skip {}`",
        private.join(" "),
    ));
}

/// *Garmin's own link*, and how to switch it off; `None`: nobody knows.
pub(super) async fn link(talk: &Talk<'_>, app: &App) -> Option<bool> {
    let say = &talk.context.say;
    talk.head("Garmin's own link to Strava");
    match app.garmins_own_link().await {
        Ok(true) => {
            say.warning(
                "Garmin's own link to Strava is on: it copies every activity by itself, whatever is chosen here. \
                 Switch it off at https://connect.garmin.com/app/settings/accountInformation, under Connected apps, \
                 or leave it on: new activities are then held 30 minutes to let it go first.",
            );
            Some(true)
        }
        Ok(false) => {
            say.line("Garmin's own link to Strava is off, by what came to Strava in the last 60 days.");
            Some(false)
        }
        Err(error) => {
            say.line(&format!(
                "Whether Garmin's own link to Strava is on could not be seen ({error}); `fitferry doctor` looks again."
            ));
            None
        }
    }
}

/// The newest ones for programs.
pub(super) async fn document(app: &App, report: &Report, newest: &[Recent]) -> Result<Value, CommandError> {
    let known = known(app, newest).await?;
    let entry = |recent: &Recent| {
        let id = recent.listed.id;
        let would = report.would.iter().find(|would| would.row.id() == id);
        let (action, state) = match (would.map(|would| &would.action), known.get(&id)) {
            (Some(WouldAction::Upload), _) => (Some("upload"), None),
            (Some(WouldAction::Skip), _) => (Some("skip"), None),
            (Some(WouldAction::AlreadyThere), _) => (Some("already_there"), None),
            (None, Some(row)) => (None, Some(row.shown(&report.head, report.finished).key())),
            (None, None) => (None, None),
        };
        let mut entry = document::base(&tables::row_of(recent, report.finished));
        document::insert(&mut entry, "private", json!(recent.is_private));
        document::insert(&mut entry, "action", json!(action));
        document::insert(&mut entry, "state", json!(state));
        entry
    };
    Ok(newest.iter().map(entry).collect())
}
