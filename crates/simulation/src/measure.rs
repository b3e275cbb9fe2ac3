//! How fast a history crosses, in virtual time: `backfill` under the limits of a new Strava app, and beside it the
//! loop that everybody writes first.
//!
//! The world is calm: nothing is lost, and nothing goes wrong. What is measured
//! is the account of requests, by the sandbox's own counting, and who comes in time.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fitferry_core::budget::{next_day, next_quarter};
use fitferry_core::engine::backfill::{Backfill, End, Span, backfill};
use fitferry_core::engine::{Observer, Progress, Run};
use fitferry_core::ports::Clock as _;
use fitferry_sandbox::World;
use fitferry_sandbox::direct::Denial;
use fitferry_sandbox::strava::{NewUpload, Refusal};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::dice::{days, hours, mins, secs};
use crate::events::Event;
use crate::life::{self, Life};
use crate::outcome::Violation;
use crate::plan::Plan;
use crate::process::Process;
use crate::scene::{Scene, State};
use crate::strava::History;

/// What a history came to.
#[derive(Clone, Debug)]
pub struct Measured {
    pub activities: u64,
    /// Uploads that Strava received, by its day; the first day and the last one are not whole.
    pub by_day: BTreeMap<Date, u64>,
    pub days: f64,
    /// Requests that count, and those that were answered 429.
    pub requests: u64,
    pub limited: u64,
    /// How late the everyday tick came at most, in its periods.
    pub late_periods: f64,
    /// Nothing lost, nothing doubled, nothing else against the laws.
    pub violation: Option<Violation>,
}

impl Measured {
    /// Uploads of the whole days.
    pub fn whole_days(&self) -> Vec<u64> {
        let counts: Vec<u64> = self.by_day.values().copied().collect();
        counts.get(1..counts.len().saturating_sub(1)).unwrap_or_default().to_vec()
    }

    pub fn requests_each(&self) -> f64 {
        as_f64(self.requests) / as_f64(self.by_day.values().sum::<u64>().max(1))
    }
}

/// Small counts.
fn as_f64(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Some years of a keen runner: three activities in two days.
const APART: SignedDuration = hours(16);
/// While it runs, life goes on.
const NEW_EVERY: SignedDuration = hours(22);
/// In the middle of the morning, so that the first day is no whole one.
const BEGIN: &str = "2026-11-18T09:07:00Z";
const PERIOD: SignedDuration = mins(1);
/// Longer than any of them takes.
const DAYS: i64 = 400;

/// `backfill` of so many activities, by the real engine.
pub fn measure_backfill(activities: u64) -> Measured {
    let begin: Timestamp = BEGIN.parse().expect("a moment");
    let plan = Plan::calm(begin, DAYS);
    let settings = plan.settings.clone();
    let mut first = begin;
    let scene = Arc::new(Scene::calm(plan, |state| {
        first = history(state, activities);
        let mut at = begin + hours(3);
        while at < begin + days(30) {
            let recording = state.life.usual(at - hours(1));
            state.schedule(at, Event::Arrive(Box::new(recording)));
            at += NEW_EVERY;
        }
    }));
    let process = Arc::new(Process::new(Arc::clone(&scene), 0));
    scene.lock().slots[0].running = true;
    let watcher = Arc::new(Watcher { process: Arc::clone(&process), ticks: Mutex::default() });
    let today = |moment: Timestamp| jiff::tz::Offset::UTC.to_datetime(moment).date();
    let span = Span { from: today(first), to: today(begin) };
    let mut run: Pin<Box<dyn Future<Output = End>>> = Box::pin({
        let (process, watcher) = (Arc::clone(&process), Arc::clone(&watcher));
        async move {
            let destination = History(&process);
            let told = Backfill { destination: &destination, span, every: PERIOD };
            let run = Run { deadline: None, stop: &process.stop, observer: &*watcher };
            backfill(process.ports(), &told, &settings, run).await
        }
    });
    let end = play(&scene, &mut run);
    drop(run);
    let mut state = scene.lock();
    let took = begin.duration_until(state.now);
    if end.left != Some(0) || end.trouble.is_some() {
        state.violate(Violation::new(crate::Law::NothingLost, format!("it ended with {end:?}")));
    }
    // Of the whole history: each received once.
    let lost =
        state.life.facts.values().filter(|fact| fact.arrived <= begin && fact.uploads_received != 1).count();
    if lost > 0 {
        state.violate(Violation::new(
            crate::Law::NothingDoubled,
            format!("{lost} were not received exactly once"),
        ));
    }
    Measured {
        activities,
        by_day: by_day(&state.world),
        days: took.as_secs_f64() / 86_400.0,
        requests: state.stats.strava_requests,
        limited: state.stats.limited_answers,
        late_periods: watcher.latest(),
        violation: state.violation.clone(),
    }
}

/// Puts so many activities on Garmin, before the beginning; when the first of them began.
fn history(state: &mut State, activities: u64) -> Timestamp {
    let begin = state.plan.begin;
    let mut life = std::mem::replace(&mut state.life, Life::new(1));
    let mut start = begin - days(4);
    for _ in 0..activities {
        start -= APART;
        let recording = life.usual(start);
        life::arrive(state, &mut life, recording, start + hours(1));
    }
    state.life = life;
    start
}

/// Time jumps to whatever is due next.
fn play<T>(scene: &Scene, run: &mut Pin<Box<dyn Future<Output = T>>>) -> T {
    loop {
        if let Poll::Ready(done) = run.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
        let mut state = scene.lock();
        let wake = state.slots[0].wake.expect("a run that waits has a moment");
        while let Some(at) = state.events.next_at().filter(|at| *at <= wake) {
            state.now = state.now.max(at);
            if let Some(event) = state.events.pop() {
                life::happen(&mut state, event);
                state.settle_world();
            }
        }
        state.now = state.now.max(wake);
        state.slots[0].wake = None;
    }
}

fn by_day(world: &World) -> BTreeMap<Date, u64> {
    let mut by_day = BTreeMap::new();
    for upload in world.strava.uploads.values() {
        *by_day.entry(jiff::tz::Offset::UTC.to_datetime(upload.received).date()).or_default() += 1;
    }
    by_day
}

/// Notes when everyday ticks end.
struct Watcher {
    process: Arc<Process>,
    ticks: Mutex<Vec<Duration>>,
}

impl Observer for Watcher {
    fn hears(&self, event: Progress<'_>) {
        if let Progress::TickOver { everyday: true, .. } = event {
            self.ticks.lock().unwrap_or_else(PoisonError::into_inner).push(self.process.monotonic());
        }
    }
}

impl Watcher {
    /// How much longer than a period the longest time between two of them was, in periods.
    fn latest(&self) -> f64 {
        let ticks = self.ticks.lock().unwrap_or_else(PoisonError::into_inner);
        let longest = ticks.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap_or_default();
        longest.as_secs_f64() / PERIOD.as_secs_f64() - 1.0
    }
}

// ------------------------------------------------------------------------------------------ the naive loop

/// What an upload and a look at it take here.
const UPLOAD: SignedDuration = secs(1);
const POLL: SignedDuration = secs(2);

/// The same history by a loop: upload, ask until it is ready, go on; after a 429 wait for the next quarter of an hour,
/// after two of them in a row for the next day.
pub fn measure_naive(activities: u64) -> Measured {
    let begin: Timestamp = BEGIN.parse().expect("a moment");
    let scene = Scene::calm(Plan::calm(begin, DAYS), |state| {
        history(state, activities);
    });
    let mut state = scene.lock();
    let mut files: Vec<(Timestamp, u64, Vec<u8>)> = state
        .world
        .garmin
        .activities
        .values()
        .filter_map(|activity| Some((activity.start?, activity.id, activity.file.clone())))
        .collect();
    files.sort();
    let mut now = begin;
    let mut bearer = (String::new(), begin);
    let (mut requests, mut limited) = (0, 0);
    let mut is_limited_again = false;
    for (_, id, file) in files {
        let mut upload = None;
        loop {
            if bearer.1 - now < mins(10) {
                let login = state.world.strava_login(&["read", "activity:read_all", "activity:write"], now);
                bearer = (login.access_token, login.expires_at);
            }
            state.world.settle(now);
            requests += 1;
            let answer = match upload {
                None => {
                    let external_id = format!("garmin-{id}");
                    let new = NewUpload {
                        filename: format!("{external_id}.fit"),
                        data_type: "fit".to_owned(),
                        bytes: file.clone(),
                        external_id: Some(external_id.clone()),
                        ..NewUpload::default()
                    };
                    state.plan_upload(&external_id);
                    state
                        .world
                        .strava_upload(&bearer.0, new, now)
                        .answer
                        .map(|standing| (standing.upload, false))
                }
                Some(upload) => {
                    let heard = state.world.strava_upload_status(&bearer.0, upload, now);
                    let ended = |standing: &fitferry_sandbox::strava::Standing<'_>| {
                        !standing.status.contains("still being processed")
                    };
                    heard.answer.map(|standing| (standing.upload, ended(&standing)))
                }
            };
            match answer {
                Ok((_, true)) => break,
                Ok((taken, false)) => {
                    now += if upload.is_none() { UPLOAD + POLL } else { POLL };
                    upload = Some(taken);
                    is_limited_again = false;
                }
                Err(Denial::Strava(Refusal::Limited(_))) => {
                    limited += 1;
                    now = if is_limited_again { next_day(now) } else { next_quarter(now) };
                    is_limited_again = !is_limited_again;
                }
                // An upload that Strava threw away.
                Err(_) => break,
            }
        }
    }
    state.world.strava.plans.clear();
    Measured {
        activities,
        by_day: by_day(&state.world),
        days: begin.duration_until(now).as_secs_f64() / 86_400.0,
        requests,
        limited,
        late_periods: 0.0,
        violation: state.violation.clone(),
    }
}
