//! *Far enough back*: what synced late and what was missed.

use std::time::Duration;

use fitferry_core::engine::Since;
use fitferry_core::engine::report::Note;
use fitferry_core::ledger::{SkipReason, State};
use fitferry_core::ports::Ledger as _;
use fitferry_sandbox::{Phase, Route};
use jiff::SignedDuration;
use jiff::civil::date;

use crate::runner::{NOON, Runner, at};

#[tokio::test]
async fn what_arrives_late_in_the_middle_of_the_list_is_found_by_the_sweep() {
    let runner = Runner::new().await;
    for hour in 1..=60 {
        runner.run_ago(hour * 20);
    }
    runner.tick().await;
    let late = runner.run_ago(20 * 24 + 5);
    runner.wait(SignedDuration::from_mins(1));
    let mark = runner.mark();
    runner.tick().await;
    assert_eq!(runner.asked(mark, Route::GarminList), 1, "the newest page says nothing of it");
    runner.wait(SignedDuration::from_hours(6));
    runner.tick().await;
    assert!(matches!(runner.state(late).await, State::Published { .. }));
}

#[tokio::test]
async fn a_page_that_shifts_while_it_is_read_hides_nothing() {
    let runner = Runner::new().await;
    let ids: Vec<_> = (1..=100).map(|hour| runner.run_ago(hour * 7)).collect();
    // One of the first page goes away between two requests of the sweep: everything below moves up.
    let gone = ids[3];
    let sandbox_world = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let lists = sandbox_world.clone();
    runner.at_each_request(move |event| {
        if event.request.route == Route::GarminList && event.phase == Phase::Answered {
            lists.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    });
    let watcher = async {
        while sandbox_world.load(std::sync::atomic::Ordering::SeqCst) < 8 {
            tokio::task::yield_now().await;
        }
        if let Some(activity) = runner.world().garmin.activities.get_mut(&gone.0) {
            activity.deleted = true;
        }
    };
    tokio::join!(runner.tick(), watcher);
    runner.tick_for(SignedDuration::from_mins(3)).await;
    for id in ids.iter().filter(|id| **id != gone) {
        assert!(matches!(runner.state(*id).await, State::Published { .. }), "{id}");
    }
}

/// Found by the simulation: a sweep whose second page was empty, since a whole trip had been deleted before it was
/// asked for, counted as complete.
#[tokio::test]
async fn a_list_that_gets_shorter_than_its_second_page_meanwhile_hides_nothing() {
    let runner = Runner::new().await;
    let cycling = |hours| runner.activity_ago(hours, |ride| "cycling".clone_into(&mut ride.type_key));
    let rides: Vec<_> = (1..=41).map(|index| cycling(index * 5)).collect();
    runner.tick().await;
    let late: Vec<_> = (1..=4).map(|index| cycling(300 + index * 5)).collect();
    runner.wait(SignedDuration::from_hours(6));
    let lists = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = lists.clone();
    runner.at_each_request(move |event| {
        if event.request.route == Route::GarminList && event.phase == Phase::Answered {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    });
    let athlete_deletes_a_trip = async {
        // After the newest page and the sweep's first one.
        while lists.load(std::sync::atomic::Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        for id in &rides[..10] {
            if let Some(activity) = runner.world().garmin.activities.get_mut(&id.0) {
                activity.deleted = true;
            }
        }
    };
    tokio::join!(runner.tick(), athlete_deletes_a_trip);
    for id in late {
        assert!(matches!(runner.state(id).await, State::Skipped { reason: SkipReason::Rule, .. }), "{id}");
    }
}

#[tokio::test]
async fn a_machine_that_was_off_all_summer_loses_nothing() {
    let runner = Runner::new().await;
    runner.tick().await;
    runner.wait(SignedDuration::from_hours(100 * 24));
    let ids: Vec<_> = (0..90).map(|day| runner.run_ago(day * 24 + 3)).collect();
    runner.tick_for(SignedDuration::from_hours(1)).await;
    for id in ids {
        assert_eq!(runner.copies(id), 1, "{id}");
    }
}

#[tokio::test]
async fn a_sweep_takes_half_of_a_ticks_time_and_goes_on_where_it_ended() {
    let mut runner = Runner::new().await;
    let ids: Vec<_> = (1..=300).map(|hour| runner.run_ago(hour * 24)).collect();
    // Two seconds a page: a whole sweep takes longer than half of fifty seconds.
    runner.settings.timing.garmin_spacing = SignedDuration::from_secs(4);
    runner.settings.rules.types = vec!["cycling".to_owned()];
    let mut ticks = 0;
    loop {
        runner.tick_until(Some(Duration::from_secs(50))).await;
        ticks += 1;
        let (head, _) = runner.store.athlete("me").head().await.unwrap();
        if head.sweep.last_complete.is_some() {
            break;
        }
        assert!(head.sweep.running.is_some() && ticks < 20);
        runner.wait(SignedDuration::from_secs(10));
    }
    assert!(ticks > 1, "it was too short to show anything");
    for id in ids {
        assert!(matches!(runner.state(id).await, State::Skipped { reason: SkipReason::Rule, .. }), "{id}");
    }
}

#[tokio::test]
async fn without_a_start_date_the_first_tick_keeps_the_earliest_today_on_earth() {
    let mut runner = Runner::new().await;
    runner.settings.since = Since::Unset;
    let old = runner.run_ago(40);
    let today = runner.run_ago(10);
    let report = runner.tick().await;
    assert!(report.notes.contains(&Note::SinceKept(date(2026, 11, 18))), "{:?}", report.notes);
    assert!(matches!(runner.state(old).await, State::Skipped { reason: SkipReason::BeforeStart, .. }));
    assert!(matches!(runner.state(today).await, State::Published { .. }));
    // It is kept: the next day it is still the same.
    runner.wait(SignedDuration::from_hours(30));
    let missed = runner.run_ago(31);
    runner.tick().await;
    assert!(runner.now() > at(NOON) && matches!(runner.state(missed).await, State::Published { .. }));
}
