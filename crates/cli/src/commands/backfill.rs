//! `fitferry backfill`: the history, with a bar that is honest about the limits.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use fitferry_app::App;
use fitferry_app::document;
use fitferry_app::error::{CommandError, Kind};
use fitferry_app::outcome::Outcome;
use fitferry_app::total::{Settled, Total};
use fitferry_core::budget::{Account, View};
use fitferry_core::engine::backfill::{End, Span, Standing, Wait};
use fitferry_core::engine::report::{OpenCounts, Report, Trouble, Would, WouldAction};
use fitferry_core::engine::survey::Survey;
use fitferry_core::engine::{Observer, Progress};
use fitferry_core::head::Head;
use fitferry_core::ledger::State;
use fitferry_core::moment::later;
use fitferry_core::ports::{Clock as _, Requests};
use indicatif::ProgressBar;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Context;
use super::sync::{Narrator, tell_notes};
use crate::args::BackfillArgs;
use crate::output::{Say, thousands};
use crate::tables::{self, minute};

pub async fn run(context: &Context, args: &BackfillArgs) -> Result<u8, CommandError> {
    let app = App::open(context.settings.clone()).await?;
    context.stop_with(&app.clock);
    let span = span(args, app.clock.now())?;
    if args.dry_run { would(context, &app, span).await } else { carry(context, &app, span).await }
}

/// Up to the last day that it is today anywhere on Earth.
fn span(args: &BackfillArgs, now: Timestamp) -> Result<Span, CommandError> {
    let east = later(now, SignedDuration::from_hours(14));
    let today = jiff::tz::Offset::UTC.to_datetime(east).date();
    let to = args.until.map_or(today, |until| until.min(today));
    if args.since > to {
        let until = args.until.map_or("today".to_owned(), |until| until.to_string());
        let what = format!("nothing lies between {} and {until}", args.since);
        return Err(CommandError::new(Kind::Usage, what, "Give a first day that is not after the last one"));
    }
    Ok(Span { from: args.since, to })
}

// ------------------------------------------------------------------------------------------ what it would do

async fn would(context: &Context, app: &App, span: Span) -> Result<u8, CommandError> {
    let started = app.clock.now();
    let narrator = Narrator::new(context);
    let survey = app.survey(span, &narrator).await;
    narrator.done();
    let survey = survey?;
    let now = app.clock.now();
    let view = app.budget().await?.unwrap_or_else(|| Account::new(now).view(now));
    let uploads = survey.wanted - survey.there;
    let days = view.last_upload(uploads, now).map(|ends| days(now, ends));
    if context.json {
        let report = as_report(&survey, started, now, app.meter.read(), view);
        let mut document = document::sync(&report, &app.settings.athlete, None);
        document::insert(&mut document, "remaining", json!(uploads));
        document::insert(&mut document, "days", json!(days));
        context.out.json(&document)?;
    } else if !context.quiet {
        context.out.text(&foretold(&survey, span, uploads, days, &view))?;
    }
    Ok(0)
}

fn as_report(survey: &Survey, started: Timestamp, now: Timestamp, requests: Requests, view: View) -> Report {
    Report {
        started,
        finished: now,
        dry_run: true,
        worked: false,
        listed: usize::try_from(survey.listed).unwrap_or(usize::MAX),
        new: survey.would.len(),
        rows: Vec::new(),
        waiting: Vec::new(),
        would: survey.would.clone(),
        open: OpenCounts::default(),
        requests,
        budget: Some(view.seen_at(now)),
        notes: Vec::new(),
        trouble: None,
        fence: None,
        head: Head::default(),
    }
}

fn foretold(survey: &Survey, span: Span, uploads: u64, days: Option<f64>, view: &View) -> String {
    let mut lines = vec![format!(
        "{} activities on Garmin from {} to {}: {} would be uploaded, {} {} on Strava already, {} not wanted, {} \
         known already.",
        thousands(survey.listed),
        span.from,
        span.to,
        thousands(uploads),
        thousands(survey.there),
        if survey.there == 1 { "is" } else { "are" },
        thousands(survey.skipped),
        thousands(survey.known),
    )];
    if survey.unlooked > 0 {
        lines.push(format!(
            "The request budget did not last to look for {} of them on Strava; what is there already will not be \
             sent again.",
            thousands(survey.unlooked)
        ));
    }
    let years = by_year(&survey.would);
    if years.len() > 1 {
        lines.push(String::new());
        lines.push("Year   upload  on Strava  not wanted".to_owned());
        for (year, [upload, there, skip]) in years {
            let row = [upload, there, skip].map(thousands);
            lines.push(format!("{year:<5}{:>8}{:>11}{:>12}", row[0], row[1], row[2]));
        }
        lines.push(String::new());
    }
    lines.push(match days {
        None => "The application's limits leave nothing to a history.".to_owned(),
        Some(_) if uploads == 0 => "Nothing to do.".to_owned(),
        Some(days) => format!(
            "It would take {}: Strava allows this application {} requests in 15 minutes and {} a day, and some of \
             them stay for what is new.",
            in_words(days),
            thousands(u64::from(view.overall_15min.limit)),
            thousands(u64::from(view.overall_day.limit)),
        ),
    });
    lines.join("\n")
}

/// What would become of the activities of each year: uploaded, there already, not wanted.
fn by_year(would: &[Would]) -> BTreeMap<i16, [u64; 3]> {
    let mut years: BTreeMap<i16, [u64; 3]> = BTreeMap::new();
    for would in would {
        let column = match would.action {
            WouldAction::Upload => 0,
            WouldAction::AlreadyThere => 1,
            WouldAction::Skip => 2,
        };
        let year = would.row.day().map_or(0, |day| day.year());
        years.entry(year).or_default()[column] += 1;
    }
    years
}

// --------------------------------------------------------------------------------------------- doing it

async fn carry(context: &Context, app: &App, span: Span) -> Result<u8, CommandError> {
    let started = app.clock.now();
    context.say.line(&format!(
        "Carrying {} to {}, oldest first. Ctrl-C stops it; run again, it goes on.",
        span.from, span.to
    ));
    let teller = Teller::new(context, started);
    let end = app.backfill(span, &teller).await;
    let (total, settled) = teller.done();
    let finished = app.clock.now();
    let Some(mut report) = total.report(finished, app.meter.read()) else {
        return match end.trouble {
            Some(trouble) => Err(CommandError::from(&trouble)),
            None => Ok(0),
        };
    };
    report.listed = end.listed.and_then(|listed| usize::try_from(listed).ok()).unwrap_or(report.listed);
    report.trouble.clone_from(&end.trouble);
    let mut outcome = Outcome::of(&report, false);
    if let (Some(Trouble::Interrupted), Some(signal)) = (&end.trouble, app.clock.stopped_by()) {
        outcome.exit = signal.exit_code();
        outcome.error = outcome.error.filter(|_| outcome.exit != 0);
    }
    tell_notes(context, &report);
    if context.json {
        let mut document = document::sync(&report, &app.settings.athlete, outcome.error.as_ref());
        document::insert(&mut document, "remaining", json!(end.left));
        document::insert(&mut document, "days", json!(days(started, finished)));
        context.out.json(&document)?;
    } else if !context.quiet {
        context.out.text(&told(&report, &end, settled, context.width()))?;
    }
    if let Some(error) = &outcome.error {
        context.say.error(error);
    }
    Ok(outcome.exit)
}

fn told(report: &Report, end: &End, settled: Settled, width: u16) -> String {
    let submitted = report.rows.iter().filter(|row| matches!(row.state, State::Submitted { .. })).count();
    let rejected = report.rejected().count();
    let parts = [
        (settled.uploaded, "uploaded"),
        (
            u64::try_from(submitted).unwrap_or(u64::MAX),
            "sent and being processed, which the next sync looks after",
        ),
        (settled.there, "on Strava already"),
        (u64::try_from(rejected).unwrap_or(u64::MAX), "rejected"),
        (settled.skipped, "not wanted"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", thousands(*count)))
        .collect();
    let mut text = if parts.is_empty() { "Nothing new".to_owned() } else { parts.join(", ") } + ".";
    let is_told = |state: &State| {
        !matches!(state, State::Submitted { .. } | State::Published { .. } | State::Skipped { .. })
    };
    let rows: Vec<_> = report.rows.iter().filter(|row| is_told(&row.state)).cloned().collect();
    let failed: Vec<_> =
        rows.into_iter().filter(|row| row.cause != Some(fitferry_core::ledger::Cause::Budget)).collect();
    if !failed.is_empty() {
        text += "\n\n";
        text += &tables::lives(&failed, &report.head, report.finished, width);
    }
    match end.left {
        Some(0) => {}
        Some(left) if end.trouble.is_none() => {
            text += &format!("\n{} left, which the next sync goes on with at its time.", thousands(left));
        }
        Some(left) => text += &format!("\n{} left. Run it again, and it goes on there.", thousands(left)),
        None => {
            text += "\nIt ended before Garmin's list was read through. Run it again, and it goes on there."
        }
    }
    text
}

/// Days from one moment to another, to a hundredth.
fn days(from: Timestamp, to: Timestamp) -> f64 {
    let days = from.duration_until(to).as_secs_f64() / 86_400.0;
    (days * 100.0).round() / 100.0
}

fn in_words(days: f64) -> String {
    match days {
        days if days < 0.02 => "less than half an hour".to_owned(),
        days if days < 1.0 => format!("about {:.1} hours", days * 24.0),
        days => format!("about {days:.1} days"),
    }
}

// ------------------------------------------------------------------------------------------ telling of it

/// Keeps the bar, and adds up what the ticks did.
struct Teller<'a> {
    say: &'a Say,
    bar: Option<ProgressBar>,
    began: Instant,
    total: Mutex<Total>,
    /// Without a terminal, waits are told in lines, and not often.
    last_line: Mutex<Option<Instant>>,
}

const LINE_EVERY: Duration = Duration::from_secs(3600);

impl<'a> Teller<'a> {
    fn new(context: &'a Context, started: Timestamp) -> Teller<'a> {
        Teller {
            say: &context.say,
            bar: context.say.bar(),
            began: Instant::now(),
            total: Mutex::new(Total::new(started, context.json)),
            last_line: Mutex::new(None),
        }
    }

    fn done(self) -> (Total, Settled) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let total = self.total.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let settled = total.settled;
        (total, settled)
    }

    fn stands(&self, standing: &Standing) {
        let text = self.in_words(standing);
        tracing::debug!(done = standing.done, left = standing.left, "{text}");
        if let Some(bar) = &self.bar {
            if let Some(left) = standing.left {
                Say::measure(bar, standing.done + left);
            }
            bar.set_position(standing.done);
            bar.set_message(text);
        } else if matches!(standing.waits, Some((_, Wait::Budget | Wait::Service(_))))
            && let Ok(mut last) = self.last_line.lock()
            && last.is_none_or(|last| last.elapsed() >= LINE_EVERY)
        {
            *last = Some(Instant::now());
            let left = standing.left.map_or(String::new(), |left| format!(", {} left", thousands(left)));
            self.say.line(&format!("{} done{left}; {text}", thousands(standing.done)));
        }
    }

    /// The rate, what it waits for, and when it will be over.
    fn in_words(&self, standing: &Standing) -> String {
        let mut parts = Vec::new();
        let hours = self.began.elapsed().as_secs_f64() / 3600.0;
        if standing.done > 0 && hours > 0.0 {
            #[expect(clippy::cast_precision_loss, reason = "nobody carries 2^52 activities")]
            let rate = standing.done as f64 / hours;
            parts.push(format!("{rate:.0}/h"));
        }
        if let Some((until, wait)) = standing.waits {
            parts.push(match wait {
                Wait::Budget => format!("next window {}", minute(until)),
                Wait::Service(service) => format!("{service} is left alone until {}", minute(until)),
                Wait::Busy => "another run of fitferry is at work".to_owned(),
            });
        }
        if let Some(ends) = standing.ends.filter(|_| standing.left != Some(0)) {
            parts.push(format!("done about {}", minute(ends)));
        }
        parts.join(", ")
    }
}

impl Observer for Teller<'_> {
    fn hears(&self, event: Progress<'_>) {
        match event {
            Progress::History(standing) => self.stands(standing),
            Progress::TickOver { report, .. } => {
                if let Ok(mut total) = self.total.lock() {
                    total.add(report);
                }
            }
            Progress::Listing { seen } => {
                if let Some(bar) = &self.bar {
                    bar.set_message(format!("reading Garmin's list, {seen} activities so far"));
                }
            }
            _ => {}
        }
    }
}
