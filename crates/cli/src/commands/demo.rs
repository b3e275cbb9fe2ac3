//! `fitferry demo`: the whole journey against the sandbox, in a temporary folder.
//!
//! Everything but the two services is the real thing: the logins enter through the login code, the engine
//! ticks as in `sync`, the ledger is a SQLite file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use fitferry_app::App;
use fitferry_app::config::{self, Settings};
use fitferry_app::document;
use fitferry_app::error::CommandError;
use fitferry_core::activity::GarminId;
use fitferry_core::engine::report::{OpenCounts, Report};
use fitferry_core::ledger::{Row, State};
use fitferry_core::ports::{Clock as _, Filter, Requests};
use fitferry_sandbox::{Options, Sandbox, World, garmin, strava};
use fitferry_strava::login::{App as StravaApp, Scopes};
use fitferry_strava::oauth;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::Context;
use super::sync::{Narrator, tell_notes};
use crate::args::DemoArgs;
use crate::tables;

/// More ticks than this are not a story any more.
const TICKS_MAX: usize = 30;

pub async fn run(context: &Context, args: &DemoArgs) -> Result<u8, CommandError> {
    let home = tempfile::Builder::new()
        .prefix("fitferry-demo-")
        .tempdir()
        .map_err(|error| CommandError::io("cannot make a temporary folder", &error))?;
    let now = fitferry_app::clock::SystemClock::default().now();
    let world = match &args.fit_dir {
        None => World::demo(now, 7),
        Some(dir) => World::from_fit_dir(dir, now).map_err(|error| {
            CommandError::usage(
                format!("cannot read the folder {}: {error}", dir.display()),
                "Name a folder with activity files: `fitferry demo --fit-dir DIR`.",
            )
        })?,
    };
    let sandbox = Sandbox::start(Arc::new(Mutex::new(world)), Options::default())
        .map_err(|error| CommandError::io("cannot start the sandbox on 127.0.0.1", &error))?;
    if args.serve {
        sandbox.world().garmin.sso.add_cast(now);
        return serve(context, &sandbox).await;
    }
    context.say.line("A Garmin and a Strava of our own, on this machine; nothing leaves it.");
    let app = App::open(settings(home.path(), &sandbox, args.fit_dir.is_some())?).await?;
    sign_in(&app, &sandbox).await?;
    let story = Story::tell(context, &app).await?;
    story.show(context, &app, &sandbox).await
}

/// The settings of the demo: those of a newcomer, pointed at the sandbox, without the waits.
fn settings(home: &Path, sandbox: &Sandbox, is_folder: bool) -> Result<Settings, CommandError> {
    let mut settings = Settings::defaults(home);
    for (name, url) in sandbox.env() {
        settings.endpoints.point(&name, &url)?;
    }
    settings.since = Some(config::Since::All);
    if is_folder {
        settings.types = vec!["*".to_owned()];
    }
    settings.timing.garmin_spacing = SignedDuration::ZERO;
    settings.timing.first_confirm = SignedDuration::from_secs(1);
    settings.timing.retry_base = SignedDuration::from_secs(2);
    Ok(settings)
}

/// Through the code of `login`, with the person's part at Strava's page played by the world itself.
async fn sign_in(app: &App, sandbox: &Sandbox) -> Result<(), CommandError> {
    let key = fitferry_garmin::Login::from_api_key(garmin::API_KEY, None, app.settings.domain)
        .map_err(|error| CommandError::usage(error.to_string(), "Report this: `fitferry demo` is broken."))?;
    let proven = app.prove_garmin(key).await?;
    fitferry_garmin::login::store(&*app.store.vault, &proven).await?;

    let scopes = ["read", "activity:read_all", "activity:write"];
    let code = sandbox.consent(strava::CLIENT_ID, strava::ATHLETE, &scopes);
    let app_login = StravaApp {
        client_id: strava::CLIENT_ID.to_string(),
        client_secret: strava::CLIENT_SECRET.to_owned().into(),
    };
    let granted = oauth::Granted { code: code.into(), scopes: Scopes::parse(&scopes.join(",")) };
    let login = oauth::exchange_code(&app.connection, &app_login, &granted).await?;
    fitferry_strava::login::store(&*app.store.vault, &login, false).await?;
    Ok(())
}

/// Until Ctrl-C, with the settings for another terminal.
async fn serve(context: &Context, sandbox: &Sandbox) -> Result<u8, CommandError> {
    let lines: Vec<String> =
        sandbox.env().into_iter().map(|(name, value)| format!("export {name}={value}")).collect();
    if context.json {
        let env: BTreeMap<String, String> = sandbox.env().into_iter().collect();
        context.out.json(&json!({
            "env": env,
            "garmin_api_key": garmin::API_KEY,
            "garmin_email": garmin::sso::EMAIL,
            "garmin_password": garmin::sso::PASSWORD,
            "strava_client_id": strava::CLIENT_ID.to_string(),
            "strava_client_secret": strava::CLIENT_SECRET,
        }))?;
    } else {
        context.out.text(&lines.join("\n"))?;
        context.say.line(&format!(
            "\nIn another terminal, paste these lines and `export FITFERRY_HOME=$(mktemp -d)`, which keeps your own \
             setup out\nof it. Then try `fitferry init`, or each step by itself:\n\n  \
             fitferry login garmin      key {}\n  \
             \x20                          or with --browser or --email: {}, password {};\n  \
             \x20                          the sign-in page lists more accounts, which want a code or are blocked;\n  \
             \x20                          codes are shown at {}/sandbox/codes\n  \
             fitferry login strava      client id {}, secret {}\n\n\
             Ctrl-C ends it.",
            garmin::API_KEY,
            garmin::sso::EMAIL,
            garmin::sso::PASSWORD,
            sandbox.url(fitferry_sandbox::Service::GarminSso),
            strava::CLIENT_ID,
            strava::CLIENT_SECRET,
        ));
    }
    context.stopped().await;
    Ok(0)
}

/// What the ticks did.
struct Story {
    ticks: Vec<Report>,
}

impl Story {
    /// Ticks until nothing is open, and once more to show that then nothing is done.
    async fn tell(context: &Context, app: &App) -> Result<Story, CommandError> {
        let mut ticks: Vec<Report> = Vec::new();
        while ticks.len() < TICKS_MAX {
            let before = ticks.iter().map(|report| report.open.total()).next_back();
            let narrator = Narrator::new(context);
            let report = app.tick(None, &narrator).await;
            narrator.done();
            tell_notes(context, &report);
            if let Some(trouble) = &report.trouble {
                return Err(CommandError::from(trouble));
            }
            let wait = app.clock.now().duration_until(report.head.next_due.unwrap_or(report.finished));
            ticks.push(report);
            if before == Some(0) {
                break;
            }
            if ticks.last().is_some_and(|report| report.open.total() > 0) {
                app.clock.sleep(wait.max(SignedDuration::ZERO).unsigned_abs()).await;
            }
        }
        Ok(Story { ticks })
    }

    async fn show(&self, context: &Context, app: &App, sandbox: &Sandbox) -> Result<u8, CommandError> {
        let mut rows = app.store.ledger.list(&Filter::default()).await?;
        rows.reverse();
        let Some(last) = self.ticks.last() else { return Ok(0) };
        if context.json {
            context.out.json(&self.document(app, &rows, last, sandbox))?;
            return Ok(0);
        }
        context.out.text(&tables::lives(&rows, &last.head, last.finished, context.width()))?;
        let count = |wanted: fn(&State) -> bool| rows.iter().filter(|row| wanted(&row.state)).count();
        let published = count(|state| matches!(state, State::Published { .. }));
        let skipped = count(|state| matches!(state, State::Skipped { .. }));
        let rejected = count(|state| matches!(state, State::Rejected { .. }));
        let same = rows.iter().filter(|row| arrived(row, sandbox)).count();
        context.out.text(&format!(
            "\n{published} on Strava ({same} sent by us, each the same to the byte), {skipped} skipped, \
             {rejected} rejected."
        ))?;
        let first = self.ticks.first().map(|report| report.requests).unwrap_or_default();
        context.out.text(&format!(
            "First tick: {}.\nLast tick, with nothing new: {}.",
            in_words(first),
            in_words(last.requests),
        ))?;
        context
            .say
            .line("\nNext: `fitferry login garmin`, `fitferry login strava`, `fitferry sync --dry-run`.");
        Ok(0)
    }

    fn document(&self, app: &App, rows: &[Row], last: &Report, sandbox: &Sandbox) -> Value {
        let mut total = last.clone();
        total.rows = rows.to_vec();
        total.waiting = rows
            .iter()
            .filter_map(|row| {
                row.waits(&last.head, last.finished).map(|(until, cause)| (row.id(), until, cause))
            })
            .collect();
        total.started = self.ticks.first().map_or(last.started, |report| report.started);
        total.listed = self.ticks.iter().map(|report| report.listed).max().unwrap_or_default();
        total.new = self.ticks.iter().map(|report| report.new).sum();
        total.open = OpenCounts::of(rows.iter(), &last.head, last.finished);
        total.requests = self.ticks.iter().fold(Requests::default(), |sum, report| Requests {
            garmin: sum.garmin + report.requests.garmin,
            strava: sum.strava + report.requests.strava,
            tokens: sum.tokens + report.requests.tokens,
        });
        let mut document = document::sync(&total, &app.settings.athlete, None);
        let by_id: BTreeMap<u64, &Row> = rows.iter().map(|row| (row.id().0, row)).collect();
        for list in ["published", "skipped", "submitted", "waiting", "rejected"] {
            for entry in document[list].as_array_mut().into_iter().flatten() {
                let Some(row) = entry["garmin_id"].as_u64().and_then(|id| by_id.get(&id)) else { continue };
                document::insert(entry, "file", document::file(row));
                if list == "published" {
                    let received = sandbox.world().sha256_received(row.id().0).map(str::to_owned);
                    document::insert(entry, "sha256_received", json!(received));
                }
            }
        }
        document["ticks"] = self
            .ticks
            .iter()
            .map(|report| json!({ "requests": document::requests(report.requests) }))
            .collect();
        document
    }
}

/// Whether Strava received this activity from us, byte for byte.
fn arrived(row: &Row, sandbox: &Sandbox) -> bool {
    let GarminId(id) = row.id();
    let sent = row.file.as_ref().map(|file| file.sha256.to_string());
    matches!(row.state, State::Published { .. })
        && sent.is_some()
        && sandbox.world().sha256_received(id) == sent.as_deref()
}

fn in_words(requests: Requests) -> String {
    let plural = if requests.garmin == 1 { "" } else { "s" };
    format!("{} request{plural} to Garmin, {} to Strava", requests.garmin, requests.strava)
}
