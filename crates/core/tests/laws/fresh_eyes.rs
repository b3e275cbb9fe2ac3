//! *Fresh eyes*: what a tick does next, and that nothing goes up without a look of its own.
//!
//! Seconds count from now, which is 06:00 by Strava's clock as well, and 10 000 s on the monotonic one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use expect_test::expect;
use fitferry_core::activity::{FileKind, Found, GarminId, Listed, Sha256, StravaId, UploadId};
use fitferry_core::engine::next::{Eyes, Facts, Seen, Step, joined, next_step, window_of, windows};
use fitferry_core::head::{Head, Pause, PauseCause};
use fitferry_core::ledger::{Cause, DuplicateClaim, FileFacts, Row};
use fitferry_core::ports::{Service, Window};
use fitferry_core::timing::Timing;
use jiff::Timestamp;
use proptest::prelude::*;

use crate::given::{DAY, HOUR, MINUTE, at, secs, shown, started, timing, without_start};

#[test]
fn a_window_reaches_two_days_to_either_side_and_begins_a_day_ago_at_the_latest() {
    let cases = [
        (-30 * DAY, (-32 * DAY, -28 * DAY)),
        (-HOUR, (-2 * DAY - HOUR, 2 * DAY - HOUR)),
        (DAY, (-DAY, 3 * DAY)),
        (DAY + 1, (-DAY, 3 * DAY + 1)),
        (400 * DAY, (-DAY, 402 * DAY)),
    ];
    for (start, (after, before)) in cases {
        assert_eq!(window_of(&started(1, start), at(0)), Some(span(after, before)), "{start}");
    }
    // A day ago by Strava's clock, not by ours.
    assert_eq!(window_of(&started(1, 0), at(-5 * DAY)), Some(span(-6 * DAY, 2 * DAY)));
}

#[test]
fn one_without_a_start_is_downloaded_first_and_looked_for_around_the_files_start_or_among_the_new() {
    let row = without_start();
    assert_eq!(window_of(&row, at(0)), None);
    assert_eq!(Scene::of([row]).next(), Some(Step::Carry(GarminId(1))), "the file is read to know");
    let with_file = |start: Option<i64>| {
        let mut row = without_start();
        row.downloaded(file_that_starts(start.map(at)), at(0));
        row
    };
    assert_eq!(window_of(&with_file(Some(-9 * DAY)), at(0)), Some(span(-11 * DAY, -7 * DAY)));
    let among_the_new = span(-2 * DAY, 2 * DAY + HOUR);
    assert_eq!(window_of(&with_file(None), at(0)), Some(among_the_new));
    let mut in_doubt = without_start();
    in_doubt.upload_starts(at(20), at(0)).unwrap();
    assert_eq!(window_of(&in_doubt, at(0)), Some(among_the_new));
    assert_eq!(Scene::of([with_file(None)]).next(), Some(Step::Find(among_the_new)));
}

/// Found by the simulation: the window moved on with the clock, no look ever covered it, and one after the other used
/// up the day's requests.
#[test]
fn a_look_for_what_has_no_start_serves_although_time_goes_on() {
    let mut row = without_start();
    row.downloaded(file_that_starts(None), at(0));
    let asked = window_of(&row, at(5)).unwrap();
    let needed = |later: i64| window_of(&row, at(later)).unwrap();
    assert!([5, 6, 900, HOUR - 1].into_iter().all(|later| asked.covers(&needed(later))));
    assert!(!asked.covers(&needed(HOUR)), "what is new by then is looked for anew");
    for now in [-1, 0, 1, HOUR - 1] {
        let window = window_of(&row, at(now)).unwrap();
        assert!(window.covers(&span(now - 2 * DAY, now + 2 * DAY)), "{now}");
    }
}

#[test]
fn windows_are_split_where_no_start_follows_for_more_than_seven_days() {
    let windows =
        |starts: &[i64]| Scene::of((1..).zip(starts).map(|(id, start)| started(id, *start))).windows();
    let (old, mid) = (-40 * DAY, -33 * DAY);
    assert_eq!(windows(&[old, mid]), [span(-42 * DAY, -31 * DAY)], "seven days are no gap");
    assert_eq!(windows(&[old, mid + 1]), [span(-42 * DAY, -38 * DAY), span(-35 * DAY + 1, -31 * DAY + 1)]);
    // A chain is one window, up to sixty days, and the order of the rows does not matter.
    let chain: Vec<i64> = [3, 0, 5, 1, 4, 2].map(|week| -40 * DAY + week * 7 * DAY).to_vec();
    assert_eq!(windows(&chain), [span(-42 * DAY, -3 * DAY)]);
    assert_eq!(windows(&[]), []);
}

#[test]
fn only_rows_that_are_due_and_not_done_with_are_looked_for() {
    let mut held = started(1, -40 * DAY);
    held.hold(at(1));
    let due = started(2, -20 * DAY);
    let mut scene = Scene::of([held, due, started(3, -10 * DAY), submitted(4, -30 * DAY)]);
    scene.done.insert(GarminId(3));
    assert_eq!(scene.windows(), [span(-22 * DAY, -18 * DAY)]);
    let claimed = Row {
        duplicate: Some(DuplicateClaim { of: None, text: "duplicate".to_owned() }),
        ..submitted(4, -30 * DAY)
    };
    assert_eq!(Scene::of([claimed]).windows(), [span(-32 * DAY, -28 * DAY)], "Strava calls it a duplicate");
    assert_eq!(Scene::of([in_doubt(5, -30 * DAY)]).windows(), [span(-32 * DAY, -28 * DAY)]);
}

#[test]
fn a_look_covers_what_lies_wholly_inside_it_for_half_an_hour() {
    let wide = span(-10 * DAY, 2 * DAY);
    let cases = [
        (wide, 0, true),
        (wide, 30 * MINUTE, true),
        (wide, 30 * MINUTE + 1, false),
        (span(-10 * DAY + 1, 2 * DAY), 0, false),
        (span(-10 * DAY, 2 * DAY - 1), 0, false),
        (span(-11 * DAY, 3 * DAY), 0, true),
    ];
    for (looked, seconds_ago, covers) in cases {
        let eyes = Eyes(vec![look(looked, seconds_ago, Vec::new())]);
        assert_eq!(eyes.cover(&wide, NOW).is_some(), covers, "{looked:?}, {seconds_ago} s ago");
    }
    // Two halves make no whole.
    let halves = [span(-10 * DAY, -2 * DAY), span(-2 * DAY, 2 * DAY)];
    let eyes = Eyes(halves.map(|half| look(half, 0, Vec::new())).to_vec());
    assert!(eyes.cover(&wide, NOW).is_none());
    assert!(Eyes::default().cover(&wide, NOW).is_none());
}

#[test]
fn of_several_looks_the_newest_speaks() {
    let found = |id| Found { id: StravaId(id), ..shown() };
    let wide = span(-10 * DAY, 2 * DAY);
    let looks = [look(wide, 900, vec![found(1)]), look(wide, 60, vec![]), look(wide, 600, vec![found(2)])];
    let eyes = Eyes(looks.to_vec());
    assert_eq!(eyes.cover(&wide, NOW).map(|seen| seen.at), Some(NOW - Duration::from_secs(60)));
    assert_eq!(eyes.get(StravaId(1)).map(|found| found.id), Some(StravaId(1)), "what any of them showed");
    assert!(eyes.get(StravaId(3)).is_none());
}

#[test]
fn nothing_goes_up_without_a_look_of_this_tick_that_covers_it() {
    let scene = || Scene::of([started(1, -HOUR)]);
    let window = span(-2 * DAY - HOUR, 2 * DAY - HOUR);
    assert_eq!(scene().next(), Some(Step::Find(window)));
    assert_eq!(scene().having_looked(window, 0).next(), Some(Step::Carry(GarminId(1))));
    assert_eq!(scene().having_looked(window, 30 * MINUTE + 1).next(), Some(Step::Find(window)));
    assert_eq!(scene().having_looked(span(-30 * DAY, -2 * DAY), 0).next(), Some(Step::Find(window)));
}

#[test]
fn the_oldest_goes_first_and_what_has_no_start_last() {
    let rows = [started(1, -100), started(2, -5_000), started(3, -900), started(4, -5_000)];
    let mut scene = Scene::of(rows).having_looked_everywhere();
    scene.open.insert(GarminId(9), Row { activity: Listed::bare(GarminId(9)), ..without_start() });
    let mut order = Vec::new();
    while let Some(Step::Carry(id)) = scene.next() {
        order.push(id.0);
        scene.done.insert(id);
    }
    assert_eq!(order, [2, 4, 3, 1, 9]);
    assert_eq!(scene.next(), None);
}

/// A history with more gaps than a tick has requests would look for ever and carry nothing.
#[test]
fn each_window_is_looked_over_just_before_what_lies_in_it_goes() {
    let rows = [started(1, -HOUR), started(2, -60 * DAY), started(3, -30 * DAY), started(4, -29 * DAY)];
    let mut scene = Scene::of(rows);
    let mut steps = Vec::new();
    while let Some(step) = scene.next() {
        match step {
            Step::Find(window) => {
                steps.push(format!("look from {} d ago", window.after.duration_until(at(0)).as_hours() / 24));
                scene = scene.having_looked(window, 0);
            }
            Step::Carry(id) => {
                steps.push(format!("carry {id}"));
                scene.done.insert(id);
            }
            other => panic!("{other:?}"),
        }
    }
    expect!["look from 62 d ago, carry 2, look from 32 d ago, carry 3, carry 4, look from 2 d ago, carry 1"]
        .assert_eq(&steps.join(", "));
}

#[test]
fn what_is_in_doubt_is_looked_for_before_anything_goes() {
    let mut scene = Scene::of([started(1, -60 * DAY), in_doubt(2, -HOUR), in_doubt(3, -30 * DAY)]);
    let mut looks = Vec::new();
    while let Some(Step::Find(window)) = scene.next() {
        looks.push(window.after.duration_until(at(0)).as_hours() / 24);
        scene = scene.having_looked(window, 0);
    }
    assert_eq!(looks, [32, 2, 62]);
    assert_eq!(scene.next(), Some(Step::Carry(GarminId(1))));
}

#[test]
fn while_garmin_is_paused_strava_is_looked_at_all_the_same() {
    let mut scene = Scene::of([started(1, -60 * DAY), started(2, -HOUR)]);
    let pause = Pause { cause: PauseCause::Down, until: None, what: String::new(), key: None };
    scene.head.set_pause(Service::Garmin, Some(pause));
    for days in [62, 2] {
        let Some(Step::Find(window)) = scene.next() else { panic!("{:?}", scene.next()) };
        assert_eq!(window.after.duration_until(at(0)).as_hours() / 24, days);
        scene = scene.having_looked(window, 0);
    }
    assert_eq!(scene.next(), None);
}

#[test]
fn the_look_for_garmins_own_link_comes_before_everything_and_serves_for_what_is_new() {
    let mut scene = Scene::of([started(1, -HOUR)]);
    scene.head.link.on = None;
    let Some(Step::LookForLink(window)) = scene.next() else { panic!("{:?}", scene.next()) };
    assert_eq!(window.after, at(-60 * DAY));
    scene.head.link.on = Some(false);
    let looked = scene.having_looked(window, 0);
    assert_eq!(looked.next(), Some(Step::Carry(GarminId(1))), "one look is enough");
    let mut weekly = Scene::of([]);
    weekly.link_look_due = true;
    assert_eq!(weekly.next(), Some(Step::LookForLink(window)));
}

#[test]
fn while_one_service_is_paused_what_needs_only_the_other_goes_on() {
    let rows = || [started(1, -HOUR), submitted(2, -HOUR)];
    let paused = |service: Service, until: Option<i64>| {
        let mut scene = Scene::of(rows()).having_looked_everywhere();
        let pause = Pause { cause: PauseCause::Down, until: until.map(at), what: String::new(), key: None };
        scene.head.set_pause(service, Some(pause));
        scene.next()
    };
    let confirm = Some(Step::Confirm { ids: vec![GarminId(2)], last: true });
    assert_eq!(paused(Service::Garmin, Some(60)), confirm);
    assert_eq!(paused(Service::Garmin, None), confirm, "a login that ended");
    assert_eq!(paused(Service::Garmin, Some(0)), Some(Step::Carry(GarminId(1))), "it is over");
    assert_eq!(paused(Service::Strava, Some(1)), None);
    assert_eq!(paused(Service::Strava, None), None);
    assert_eq!(paused(Service::Strava, Some(0)), Some(Step::Carry(GarminId(1))));
}

#[test]
fn out_of_time_nothing_begins() {
    for link in [None, Some(false)] {
        let mut scene = Scene::of([started(1, -HOUR), submitted(2, -HOUR)]);
        scene.head.link.on = link;
        scene.act_until = Some(NOW + Duration::from_millis(1));
        assert!(scene.next().is_some());
        scene.act_until = Some(NOW);
        assert_eq!(scene.next(), None);
    }
}

#[test]
fn uploads_are_asked_about_3_8_18_and_38_s_after_the_last_one_and_then_put_off() {
    expect![[r"
        +0 s  WaitUntil +3 s
        +3 s  Confirm [1, 2]
        +3 s  WaitUntil +8 s
        +8 s  Confirm [1, 2]
        +8 s  WaitUntil +18 s
        +18 s  Confirm [1, 2]
        +18 s  WaitUntil +38 s
        +38 s  Confirm [1, 2], the last
        +38 s  PutOff [1, 2]
    "]]
    .assert_eq(&confirmations(None, timing()));
}

#[test]
fn a_deadline_or_a_short_settle_ends_the_questions_sooner() {
    expect![[r"
        +0 s  WaitUntil +3 s
        +3 s  Confirm [1, 2]
        +3 s  WaitUntil +8 s
        +8 s  Confirm [1, 2], the last
        +8 s  PutOff [1, 2]
    "]]
    .assert_eq(&confirmations(Some(18), timing()));
    let watch = Timing { settle: secs(10), ..timing() };
    assert_eq!(confirmations(None, watch), confirmations(Some(18), timing()));
    let backfill = Timing { settle: secs(0), ..timing() };
    expect![[r"
        +0 s  PutOff [1, 2]
    "]]
    .assert_eq(&confirmations(None, backfill));
}

#[test]
fn what_an_earlier_tick_left_is_asked_about_once_and_at_once() {
    let mut scene = Scene::of([submitted(1, -HOUR), submitted(2, -2 * HOUR)]);
    let ids = vec![GarminId(2), GarminId(1)];
    assert_eq!(scene.next(), Some(Step::Confirm { ids: ids.clone(), last: true }));
    scene.rounds = 1;
    assert_eq!(scene.next(), Some(Step::PutOff(ids)));
    let mut later = submitted(1, -HOUR);
    later.still_processing(at(0), &timing()).unwrap();
    assert_eq!(Scene::of([later]).next(), None, "its moment is ahead");
}

#[test]
fn a_row_in_doubt_is_never_carried() {
    let scene = Scene::of([in_doubt(1, -HOUR)]);
    assert!(matches!(scene.next(), Some(Step::Find(_))));
    assert_eq!(scene.having_looked_everywhere().next(), None);
}

proptest! {
    /// Every span is looked over, no window covers what another does, and each ends where a gap begins.
    #[test]
    fn joined_windows_cover_every_span_once(starts in prop::collection::vec(-200 * DAY..0, 0..30)) {
        let mut starts = starts;
        let spans: Vec<Window> = starts.iter().map(|s| span(s - 2 * DAY, s + 2 * DAY)).collect();
        let windows = joined(spans.clone());
        for span in &spans {
            let covering = windows.iter().filter(|w| w.after <= span.after && span.before <= w.before);
            prop_assert_eq!(covering.count(), 1);
        }
        starts.sort_unstable();
        let gaps = starts.windows(2).filter(|pair| pair[1] - pair[0] > 7 * DAY).count();
        prop_assert_eq!(windows.len(), if starts.is_empty() { 0 } else { gaps + 1 });
        prop_assert!(windows.windows(2).all(|pair| pair[0].before < pair[1].after));
    }

    /// Whatever is open: an upload only ever follows a fresh look over its own window, and doing what
    /// [`next_step`] says comes to an end.
    #[test]
    fn every_tick_ends_and_carries_nothing_unseen(rows in any_rows(), garmin_paused: bool) {
        let mut scene = Scene::of(rows);
        if garmin_paused {
            let pause = Pause { cause: PauseCause::Down, until: None, what: String::new(), key: None };
            scene.head.set_pause(Service::Garmin, Some(pause));
        }
        let mut steps = 0;
        while let Some(step) = scene.next() {
            steps += 1;
            prop_assert!(steps < 500, "it does not end: {:?}", step);
            match step {
                Step::Find(window) => scene = scene.having_looked(window, 0),
                Step::Carry(id) => {
                    prop_assert!(!garmin_paused);
                    let window = window_of(&scene.open[&id], at(0)).expect("every row has a start");
                    prop_assert!(scene.eyes.cover(&window, scene.monotonic).is_some());
                    scene.open.insert(id, submitted(id.0, -HOUR));
                    scene.last_upload = Some(scene.monotonic);
                    scene.rounds = 0;
                }
                Step::WaitUntil(moment) => {
                    prop_assert!(moment > scene.monotonic);
                    scene.monotonic = moment;
                }
                Step::Confirm { .. } => scene.rounds += 1,
                Step::PutOff(ids) => scene.done.extend(ids),
                Step::LookForLink(_) => prop_assert!(false, "the link is known"),
            }
        }
    }
}

// ------------------------------------------------------------------------------------- helpers

const NOW: Duration = Duration::from_secs(10_000);

/// Everything that a decision rests on, to be changed by a test.
struct Scene {
    head: Head,
    open: BTreeMap<GarminId, Row>,
    eyes: Eyes,
    done: BTreeSet<GarminId>,
    link_look_due: bool,
    monotonic: Duration,
    act_until: Option<Duration>,
    last_upload: Option<Duration>,
    rounds: usize,
    timing: Timing,
}

impl Scene {
    fn of(rows: impl IntoIterator<Item = Row>) -> Scene {
        let mut head = Head::default();
        head.link.on = Some(false);
        Scene {
            head,
            open: rows.into_iter().map(|row| (row.id(), row)).collect(),
            eyes: Eyes::default(),
            done: BTreeSet::new(),
            link_look_due: false,
            monotonic: NOW,
            act_until: None,
            last_upload: None,
            rounds: 0,
            timing: timing(),
        }
    }

    fn having_looked(mut self, window: Window, seconds_ago: i64) -> Scene {
        self.eyes.0.push(look(window, seconds_ago, Vec::new()));
        self
    }

    fn having_looked_everywhere(self) -> Scene {
        self.having_looked(span(-1_000 * DAY, 1_000 * DAY), 0)
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            now: at(0),
            strava_now: at(0),
            monotonic: self.monotonic,
            act_until: self.act_until,
            head: &self.head,
            open: &self.open,
            eyes: &self.eyes,
            done: &self.done,
            link_look_due: self.link_look_due,
            last_upload: self.last_upload,
            rounds: self.rounds,
            slice: None,
            leaves: None,
            timing: &self.timing,
        }
    }

    fn next(&self) -> Option<Step> {
        next_step(&self.facts())
    }

    fn windows(&self) -> Vec<Window> {
        windows(&self.facts())
    }
}

/// The steps after two uploads that Strava does not get done with, in seconds since the last one.
fn confirmations(act_until: Option<u64>, timing: Timing) -> String {
    let mut scene = Scene::of([submitted(1, -2 * HOUR), submitted(2, -HOUR)]);
    scene.last_upload = Some(NOW);
    scene.act_until = act_until.map(|seconds| NOW + Duration::from_secs(seconds));
    scene.timing = timing;
    let mut told = String::new();
    let since = |moment: Duration| format!("+{} s", (moment - NOW).as_secs());
    let numbers = |ids: &[GarminId]| format!("{:?}", ids.iter().map(|id| id.0).collect::<Vec<_>>());
    while let Some(step) = scene.next() {
        told += &format!("{}  ", since(scene.monotonic));
        told += &match step {
            Step::WaitUntil(moment) => {
                scene.monotonic = moment;
                format!("WaitUntil {}", since(moment))
            }
            Step::Confirm { ids, last } => {
                scene.rounds += 1;
                format!("Confirm {}{}", numbers(&ids), if last { ", the last" } else { "" })
            }
            Step::PutOff(ids) => {
                scene.done.extend(&ids);
                format!("PutOff {}", numbers(&ids))
            }
            other => panic!("{other:?}"),
        };
        told += "\n";
    }
    told
}

fn span(after: i64, before: i64) -> Window {
    Window { after: at(after), before: at(before) }
}

fn look(window: Window, seconds_ago: i64, found: Vec<Found>) -> Seen {
    let at_monotonic = NOW - secs(seconds_ago).unsigned_abs();
    Seen { window, began: at(-seconds_ago), at: at_monotonic, found, sees_private: true }
}

fn in_doubt(id: u64, start: i64) -> Row {
    let mut row = started(id, start);
    row.upload_starts(at(-60), at(-80)).unwrap();
    row
}

fn submitted(id: u64, start: i64) -> Row {
    let mut row = in_doubt(id, start);
    row.accepted(UploadId(id), at(-79)).unwrap();
    assert_eq!((&row.cause, row.state.is_open()), (&Some(Cause::Processing), true));
    row
}

fn file_that_starts(start: Option<Timestamp>) -> FileFacts {
    FileFacts { sha256: Sha256([0; 32]), bytes: 1, kind: FileKind::Fit, damage: None, start, elapsed: None }
}

/// Rows with a start, in every open state.
fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (1..50_u64, -100 * DAY..5 * DAY, 0..4).prop_map(|(id, start, state)| match state {
        0 => submitted(id, start),
        1 => in_doubt(id, start),
        2 => {
            let mut row = started(id, start);
            row.hold(at(60));
            row
        }
        _ => started(id, start),
    });
    prop::collection::vec(row, 0..12)
}
