//! The world before the first tick, and the plan of everything that is going to happen in it.

use fitferry_core::engine::Since;
use fitferry_core::ports::{SecretName, Service, Version};
use fitferry_sandbox::strava::LimitBody;
use fitferry_sandbox::{Fault, Route, What, When};
use jiff::{SignedDuration, Timestamp};

use super::{Life, Recording};
use crate::dice::{Dice, days, hours, mins, secs};
use crate::events::Event;
use crate::plan::{Mode, Plan, Story};
use crate::scene::State;

/// Sets the stage.
pub(crate) fn prepare(state: &mut State) {
    services(state);
    sign_in(state);
    let plan = state.plan.clone();
    let mut life = std::mem::replace(&mut state.life, Life::new(plan.seed));
    life.elapsed_max_s = plan.elapsed_max_s();
    life.absences = absences(&mut life.dice, &plan);
    backlog(state, &mut life, &plan);
    recordings(state, &mut life, &plan);
    if plan.story == Story::OldWatch {
        old_watch(state, &mut life, &plan);
    }
    incidents(state, &mut life.dice, &plan);
    state.life = life;
    state.schedule(plan.end(), Event::Heal);
}

/// The same without anything in it.
pub(crate) fn prepare_calm(state: &mut State) {
    services(state);
    sign_in(state);
}

fn services(state: &mut State) {
    let plan = &state.plan;
    let strava = &mut state.world.strava;
    strava.settings.limit_body = LimitBody::Any;
    strava.settings.duplicates = plan.duplicates;
    strava.settings.tell = plan.tell;
    strava.settings.short_pages = plan.short_pages;
    strava.settings.hide_starts = plan.hide_starts;
    for app in strava.apps.values_mut() {
        app.limits = plan.limits;
    }
    state.world.garmin.empty_page_is_204 = plan.seed.is_multiple_of(3);
}

/// A person has signed in to both services just before.
fn sign_in(state: &mut State) {
    for service in [Service::Garmin, Service::Strava] {
        let secret = crate::login::signed_in(state, service);
        let name = match service {
            Service::Garmin => SecretName::GarminLogin,
            Service::Strava => SecretName::StravaLogin,
        };
        let kept = state.replace(state.person(), name, Version::ABSENT, &secret);
        kept.expect("the vault was empty");
    }
}

/// What was there before: nearly all of it on Garmin, some of it on Strava too.
fn backlog(state: &mut State, life: &mut Life, plan: &Plan) {
    let mut start = plan.begin - days(1);
    for _ in 0..plan.backlog {
        start -= life.dice.span(hours(4), hours(48));
        let recording = life.recording(start, plan.settings.since == Since::All);
        let is_there = life.dice.chance(300);
        let id = super::happen::arrive(state, life, recording, start + hours(2));
        if is_there {
            super::happen::copy(state, life, id, false);
        }
    }
}

/// What is going to be recorded, and when each of it reaches Garmin.
fn recordings(state: &mut State, life: &mut Life, plan: &Plan) {
    let span = days(plan.days).as_secs();
    let count = plan.per_hundred_days * plan.days.cast_unsigned() / 100 + 1;
    let apart = SignedDuration::from_secs(span / i64::try_from(count).unwrap_or(1).max(1));
    let longest = secs(plan.elapsed_max_s().cast_signed());
    let least = longest + mins(30);
    let mut bulk = plan.begin;
    let mut start = plan.begin - days(1);
    let allows_no_start = plan.settings.since == Since::All;
    loop {
        // Now and then a second one follows at once, as a warm-up is followed by a race.
        let pause = life.dice.span(SignedDuration::ZERO, apart + apart);
        start += if life.dice.chance(80) { least } else { least.max(pause) };
        let recording = life.recording(start, allows_no_start);
        let end = start + longest;
        if end >= plan.end() {
            return;
        }
        while bulk < end {
            bulk += life.dice.span(days(1), days(9));
        }
        let second = life.dice.chance(20).then(|| life.second_watch(&recording));
        let mut arrives = sync(&mut life.dice, end, bulk);
        if let Some((from, to)) = plan.gap() {
            if from <= end && start < to {
                continue;
            }
            let is_late = from - hours(70) < start && start < from - hours(40) && life.dice.chance(300);
            arrives = if is_late { from + hours(30) } else { end + secs(60) };
        }
        if let Some(second) = second {
            let later = sync(&mut life.dice, end, bulk);
            schedule(state, plan, later, second);
        }
        schedule(state, plan, arrives, recording);
    }
}

fn schedule(state: &mut State, plan: &Plan, at: Timestamp, recording: Recording) {
    state.schedule(at.clamp(plan.begin, plan.end() - secs(1)), Event::Arrive(Box::new(recording)));
}

/// Dozens of old recordings arrive at once, far behind the newest page.
fn old_watch(state: &mut State, life: &mut Life, plan: &Plan) {
    let at = plan.begin + life.dice.span(hours(12), days(6));
    // Recordings of what was done without the usual watch.
    let mut start = plan.begin - days(50);
    for _ in 0..life.dice.between(42, 70) {
        start -= life.dice.span(hours(7), hours(20));
        if !life.is_busy(start) {
            let recording = life.recording(start, false);
            schedule(state, plan, at, recording);
        }
    }
}

/// When a watch brings a recording to Garmin.
fn sync(dice: &mut Dice, end: Timestamp, bulk: Timestamp) -> Timestamp {
    match dice.between(0, 19) {
        0..=12 => end + dice.span(secs(30), mins(10)),
        13..=15 => end + dice.span(mins(10), hours(12)),
        16..=18 => bulk + dice.span(secs(0), secs(40)),
        _ => end + dice.long_tail(days(1), days(40)),
    }
}

/// When nobody runs anything: holidays, a machine that is off.
fn absences(dice: &mut Dice, plan: &Plan) -> Vec<(Timestamp, Timestamp)> {
    if let Some((from, to)) = plan.gap() {
        return vec![(from + hours(1), to - hours(1))];
    }
    let count = dice.pick(&[0, 0, 1, 2]);
    let whole = days(plan.days);
    (0..count)
        .map(|_| {
            let from = plan.begin + dice.span(hours(1), whole);
            let away = if dice.chance(400) {
                dice.span(days(2), days(7))
            } else {
                dice.long_tail(hours(6), whole * 2 / 3 + hours(7))
            };
            (from, from + away)
        })
        .collect()
}

/// Everything that may come between.
fn incidents(state: &mut State, dice: &mut Dice, plan: &Plan) {
    let is_rough = plan.rates.crash + plan.rates.lost_after > 0;
    let often = |state: &mut State, dice: &mut Dice, every: SignedDuration, event: &dyn Fn() -> Event| {
        let mut at = plan.begin + dice.span(SignedDuration::ZERO, every * 2);
        while at < plan.end() {
            state.schedule(at, event());
            at += dice.span(hours(1), every * 2);
        }
    };
    often(state, dice, days(5), &|| Event::Rename);
    often(state, dice, days(8), &|| Event::DeleteOnGarmin);
    often(state, dice, days(12), &|| Event::DeleteOnStrava);
    if dice.chance(500) {
        often(state, dice, days(8), &|| Event::Word);
    }
    if dice.chance(150) {
        often(state, dice, hours(20), &|| Event::OthersUse);
    }
    match plan.story {
        Story::NewLogins => {
            for service in [Service::Garmin, Service::Strava] {
                often(state, dice, hours(8), &|| Event::SignIn(service));
            }
        }
        Story::CrowdedApp => often(state, dice, hours(3), &|| Event::OthersUse),
        Story::None | Story::OldWatch | Story::Gap => {}
    }
    if !is_rough {
        return;
    }
    if dice.chance(40) {
        let from = plan.begin + dice.span(hours(1), days(plan.days));
        state.schedule(from, Event::AppActive(false));
        state.schedule(from + dice.long_tail(hours(2), days(5)), Event::AppActive(true));
    }
    for service in [Service::Garmin, Service::Strava] {
        if dice.chance(60) {
            let at = plan.begin + dice.span(hours(1), days(plan.days));
            state.schedule(at, Event::Revoke(service));
        }
    }
    outages(state, dice, plan);
    for runner in 0..plan.runners.len() {
        if plan.rates.stop > 0 {
            often(state, dice, days(4), &|| Event::Stop(runner));
        }
    }
    small_faults(state, dice, plan.mode);
}

fn outages(state: &mut State, dice: &mut Dice, plan: &Plan) {
    let mut at = plan.begin + dice.span(SignedDuration::ZERO, days(5));
    while at < plan.end() {
        let route = dice.pick(&[
            Route::AnyGarminApi,
            Route::AnyStravaApi,
            Route::AnyToken,
            Route::StravaUpload,
            Route::GarminDownload,
            Route::StravaList,
            Route::Any,
        ]);
        let what = match dice.between(0, 5) {
            0..=2 => What::Status(dice.pick(&[502, 503, 504])),
            3 => What::DropBefore,
            4 => What::Html(dice.pick(&[200, 403, 503])),
            _ => What::TooManyRequests { retry_after: dice.pick(&[None, Some(90), Some(3600)]) },
        };
        let until = at + dice.long_tail(mins(1), days(1));
        state.schedule(at, Event::Outage { route, until, what });
        at += dice.span(hours(2), days(8));
    }
}

/// Faults that strike single requests now and then, one in a hundred or so.
fn small_faults(state: &mut State, dice: &mut Dice, mode: Mode) {
    let faults = [
        (Route::AnyGarminApi, What::Status(503)),
        (Route::AnyGarminApi, What::Status(401)),
        (Route::AnyGarminApi, What::Html(200)),
        (Route::AnyGarminApi, What::Html(403)),
        (Route::AnyGarminApi, What::TooManyRequests { retry_after: Some(120) }),
        (Route::AnyGarminApi, What::TooManyRequests { retry_after: None }),
        (Route::AnyGarminApi, What::CutBody),
        (Route::AnyGarminApi, What::HalfBody),
        (Route::GarminDownload, What::Status(500)),
        (Route::GarminDownload, What::Status(403)),
        (Route::GarminDownload, What::HalfBody),
        (Route::AnyToken, What::Status(503)),
        (Route::AnyToken, What::DropAfter),
        (Route::AnyToken, What::StatusAfterEffect(502)),
        (Route::AnyToken, What::HalfBody),
        (Route::AnyStravaApi, What::Status(503)),
        (Route::AnyStravaApi, What::Status(401)),
        (Route::AnyStravaApi, What::Html(200)),
        (
            Route::AnyStravaApi,
            What::Redirect { status: 302, location: "https://www.strava.com/login".into() },
        ),
        (Route::AnyStravaApi, What::TooManyRequests { retry_after: None }),
        (Route::AnyStravaApi, What::CutBody),
        (Route::StravaList, What::HalfBody),
        (Route::StravaUpload, What::Status(500)),
        (Route::StravaUpload, What::Status(408)),
        (Route::StravaUpload, What::Status(422)),
        (Route::StravaUpload, What::StatusAfterEffect(500)),
        (Route::StravaUpload, What::StatusAfterEffect(503)),
        (Route::StravaUpload, What::HalfBody),
        (Route::StravaUpload, What::DropAfter),
        (Route::StravaUploadStatus, What::Status(404)),
    ];
    let chance = if mode == Mode::Strict { 160 } else { 200 };
    for (route, what) in faults {
        if dice.chance(chance) {
            let percent = u8::try_from(dice.between(1, 4)).unwrap_or(1);
            state.world.faults.push(Fault { route, when: When::Percent(percent), what });
        }
    }
}
