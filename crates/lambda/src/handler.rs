//! One invocation.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fitferry_app::clock::SystemClock;
use fitferry_app::error::CommandError;
use fitferry_app::outcome::{Outcome, in_words};
use fitferry_app::{App, document, status};
use fitferry_core::engine::Deaf;
use fitferry_core::engine::report::Report;
use fitferry_core::ledger::State;
use fitferry_core::ports::Clock as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::athletes::Athletes;
use crate::event::{self, What};
use crate::metrics;

/// The next tick is a minute away: this one need not wait long for processing.
const SETTLE: SignedDuration = SignedDuration::from_secs(10);

/// How long it may take to hand over the answer.
const ANSWER: Duration = Duration::from_millis(300);

/// What lives as long as the process.
#[derive(Default)]
pub struct Handler {
    athletes: Athletes,
    clock: Arc<SystemClock>,
    /// When the tick before this one was due.
    before: Mutex<Option<Timestamp>>,
}

impl Handler {
    /// Answers an event. `deadline_ms`: when Lambda ends the invocation, in milliseconds since 1970.
    ///
    /// Fails only for an unusable configuration; everything else is in the answer.
    pub async fn handle(&self, event: &Value, deadline_ms: u64) -> Result<Value, lambda_runtime::Error> {
        let now = self.clock.now();
        let asked = match event::read(event, now) {
            Ok(asked) => asked,
            Err(error) => return Ok(refused(&error)),
        };
        if asked.what == What::Stale {
            let due = asked.due.map(|due| due.to_string());
            tracing::info!(due, "an event that came too late: nothing done");
            return Ok(json!({ "stale": true }));
        }
        if let Some(name) = asked.athlete.as_deref().filter(|name| !fitferry_app::config::is_athlete(name)) {
            return Ok(refused(&no_athlete(name)));
        }
        self.clock.set_deadline(self.until(deadline_ms, now));
        let app = self.athletes.get(asked.athlete.as_deref(), &self.clock).await.map_err(|error| {
            tracing::error!(error = error.to_string(), causes = ?error.causes(), help = error.help(), "unusable");
            lambda_runtime::Error::from(error.to_string())
        })?;
        match asked.what {
            What::Status => Ok(self.status(&app).await),
            What::Preview => Ok(answer(&app, &app.preview(&Deaf).await)),
            What::Tick | What::Stale => Ok(self.tick(&app, asked.due.unwrap_or(now)).await),
        }
    }

    async fn tick(&self, app: &App, due: Timestamp) -> Value {
        let began = self.clock.monotonic();
        let report = app.tick(Some(SETTLE), &Deaf).await;
        let document = answer(app, &report);
        tell(app, &report, &document, self.clock.monotonic().saturating_sub(began));
        let before = self.before.lock().unwrap_or_else(PoisonError::into_inner).replace(due);
        if report.worked || metrics::hour_has_turned(before, due) {
            let is_troubled = document.get("error").is_some();
            print(&metrics::line(&report, is_troubled, app.garmin.login_ends(), self.clock.now()));
        }
        document
    }

    async fn status(&self, app: &App) -> Value {
        let now = self.clock.now();
        match status::read(&app.settings, Some(&app.store), now).await {
            Ok(status) => status::to_json(&status, &app.settings.athlete, now),
            Err(error) => refused(&error),
        }
    }

    /// Lambda's deadline on our monotonic clock, a little early, so that the answer still gets out.
    fn until(&self, deadline_ms: u64, now: Timestamp) -> Option<Duration> {
        let deadline = Timestamp::from_millisecond(i64::try_from(deadline_ms).ok()?).ok()?;
        let left = Duration::try_from(deadline.duration_since(now)).unwrap_or_default();
        Some(self.clock.monotonic().saturating_add(left.saturating_sub(ANSWER)))
    }
}

fn answer(app: &App, report: &Report) -> Value {
    let outcome = Outcome::of(report, false);
    document::sync(report, &app.settings.athlete, outcome.error.as_ref())
}

fn refused(error: &CommandError) -> Value {
    tracing::warn!(error = error.to_string(), help = error.help(), "refused");
    json!({ "error": error.to_json() })
}

fn no_athlete(name: &str) -> CommandError {
    CommandError::usage(
        format!("{name:?} cannot be an athlete's name"),
        "A name has lower-case letters, digits and `-`, at most 32, as in `--athlete anna`.",
    )
}

/// One line for every tick; one more for each thing that people want to know.
fn tell(app: &App, report: &Report, document: &Value, took: Duration) {
    for note in &report.notes {
        tracing::warn!(athlete = app.settings.athlete, "{}", in_words(note));
    }
    for row in &report.rows {
        let (id, name) = (row.id().0, row.activity.name.as_deref().unwrap_or_default());
        match &row.state {
            State::Published { strava, how } => {
                tracing::info!(garmin_id = id, name, strava_id = strava.0, how = how.key(), "published");
            }
            State::Rejected { reason, detail } => {
                tracing::warn!(garmin_id = id, name, reason = reason.key(), detail, "rejected");
            }
            _ => {}
        }
    }
    let count = |list: &str| document[list].as_array().map_or(0, Vec::len);
    let error = &document["error"];
    tracing::info!(
        athlete = app.settings.athlete,
        listed = report.listed,
        new = report.new,
        published = count("published"),
        skipped = count("skipped"),
        rejected = count("rejected"),
        open = report.open.total(),
        garmin = report.requests.garmin,
        strava = report.requests.strava,
        tokens = report.requests.tokens,
        took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        error = error["kind"].as_str(),
        why = error["message"].as_str(),
        "tick"
    );
}

/// CloudWatch counts a line that is nothing but this document.
#[expect(clippy::print_stdout, reason = "a metric is a line of its own form, and not a log event")]
fn print(line: &Value) {
    println!("{line}");
}
