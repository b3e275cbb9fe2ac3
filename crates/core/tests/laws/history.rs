//! What a backfill's turn does next, and what an everyday tick beside it leaves alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fitferry_core::activity::{GarminId, UploadId};
use fitferry_core::engine::backfill::Span;
use fitferry_core::engine::next::{Eyes, Facts, Seen, Slice, Step, next_step};
use fitferry_core::head::Head;
use fitferry_core::ledger::Row;
use fitferry_core::ports::Window;
use fitferry_core::timing::Timing;
use jiff::civil::date;

use crate::given::{DAY, HOUR, at, started};

const NOW: Duration = Duration::from_secs(100_000);

struct Scene {
    open: BTreeMap<GarminId, Row>,
    slice: Option<Slice>,
    leaves: Option<Span>,
    eyes: Eyes,
}

impl Scene {
    fn of(rows: impl IntoIterator<Item = Row>) -> Scene {
        Scene {
            open: rows.into_iter().map(|row| (row.id(), row)).collect(),
            slice: None,
            leaves: None,
            eyes: Eyes::default(),
        }
    }

    fn slice(mut self, wanted: &[u64], sent: &[u64]) -> Scene {
        let ids = |ids: &[u64]| ids.iter().copied().map(GarminId).collect();
        self.slice = Some(Slice { wanted: ids(wanted), sent: ids(sent) });
        self
    }

    fn having_looked(mut self, window: Window) -> Scene {
        self.eyes.0.push(Seen { window, began: at(0), at: NOW, found: Vec::new(), sees_private: true });
        self
    }

    fn next(&self) -> Option<Step> {
        let mut head = Head::default();
        head.link.on = Some(false);
        next_step(&Facts {
            now: at(0),
            strava_now: at(0),
            monotonic: NOW,
            act_until: None,
            head: &head,
            open: &self.open,
            eyes: &self.eyes,
            done: &BTreeSet::new(),
            link_look_due: false,
            last_upload: None,
            rounds: 0,
            timing: &Timing::default(),
            slice: self.slice.as_ref(),
            leaves: self.leaves,
        })
    }
}

/// In a backfill's hand.
fn held(id: u64, start: i64) -> Row {
    let mut row = started(id, start);
    row.hold_for_history(at(1_800));
    row
}

/// Sent by a backfill, and shown by no look yet.
fn sent(id: u64, start: i64) -> Row {
    let mut row = started(id, start);
    row.upload_starts(at(20), at(-80)).unwrap();
    row.accepted(UploadId(id), at(-79)).unwrap();
    row.settles_with_many(at(1_800));
    row
}

#[test]
fn one_look_serves_what_is_about_to_go_and_what_went_before_however_far_apart_it_lies() {
    let rows = [sent(1, -400 * DAY), sent(2, -300 * DAY), held(3, -200 * DAY), held(4, -50 * DAY)];
    let scene = Scene::of(rows).slice(&[3, 4], &[1, 2]);
    let window = Window { after: at(-400 * DAY - HOUR), before: at(-50 * DAY + 2 * DAY) };
    assert_eq!(scene.next(), Some(Step::Find(window)));
    assert_eq!(scene.having_looked(window).next(), Some(Step::Carry(GarminId(3))), "the oldest goes first");
}

#[test]
fn a_look_that_would_grow_beyond_a_thousand_days_serves_only_what_is_about_to_go() {
    let scene = Scene::of([sent(1, -3_000 * DAY), held(2, -50 * DAY)]).slice(&[2], &[1]);
    assert_eq!(scene.next(), Some(Step::Find(Window { after: at(-52 * DAY), before: at(-48 * DAY) })));
}

#[test]
fn a_turn_touches_nothing_but_its_slice_and_asks_after_no_upload() {
    assert_eq!(Scene::of([started(1, -HOUR), sent(2, -DAY)]).slice(&[], &[2]).next(), None);
}

#[test]
fn what_is_in_a_backfills_hand_waits_for_everybody_else() {
    assert_eq!(Scene::of([held(1, -DAY), sent(2, -DAY)]).next(), None);
}

#[test]
fn an_everyday_tick_beside_a_backfill_takes_up_nothing_of_its_days() {
    let mut scene = Scene::of([started(1, -HOUR)]);
    assert!(scene.next().is_some());
    scene.leaves = Some(Span { from: date(2016, 1, 1), to: date(2026, 11, 18) });
    assert_eq!(scene.next(), None);
    scene.leaves = Some(Span { from: date(2016, 1, 1), to: date(2026, 11, 17) });
    assert!(scene.next().is_some());
}
