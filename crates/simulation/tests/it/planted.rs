//! The proof that the proof bites: every fault that is planted is found, in strict worlds, where nothing covers it up.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use fitferry_simulation::{Mode, Options, Planted, play, replay};

/// Within how many seeds each fault has to be found (docs/reliability.md tells which seed it is today).
const SEEDS: &[(Planted, u64)] = &[
    (Planted::IntentNotWritten, 20),
    (Planted::SentTooLate, 600),
    (Planted::LeaseForEverybody, 20),
    (Planted::LeaseWithoutFence, 500),
    (Planted::FirstPageIsAll, 20),
    (Planted::FailedLookIsEmpty, 20),
    (Planted::OldLooksTrusted, 20),
    (Planted::DuplicateIsFailure, 20),
    (Planted::LostUploadIsNotSent, 40),
    (Planted::OutageOnActivity, 20),
    (Planted::BrokenArchivePassed, 20),
    (Planted::HeadBeforeRows, 20),
    (Planted::ReadWindowIgnored, 300),
    (Planted::LimitNotObeyed, 600),
    (Planted::VaultWithoutVersions, 1_000),
    (Planted::PairUsedBeforeItIsKept, 20),
    (Planted::VaultNotReadAgain, 20),
    (Planted::FirstEmptyLookSettles, 100),
    (Planted::SubmittedIsSentAgain, 20),
    (Planted::LookBackFromToday, 1_100),
    (Planted::PagesWithoutOverlap, 200),
    (Planted::ShiftedSweepCounts, 2_500),
    (Planted::SameByStartAlone, 20),
    (Planted::HeadIsNotTouched, 20),
    (Planted::FingerprintTooEarly, 20),
    (Planted::UnfinishedDownloadsForgotten, 100),
    (Planted::FailuresKeepTheirTurn, 300),
    (Planted::NothingIsHeld, 20),
    (Planted::LimitIsReplaced, 200),
    (Planted::EyesOutliveTheLease, 100),
    (Planted::EarlierLooksUnread, 2_000),
    (Planted::PausesUnheeded, 1_200),
    (Planted::FileAheadCountsAgainst, 20),
];

/// A life in which nothing covers a fault up; one of a history's shows only where there is one.
fn strict(seed: u64, histories: bool, planted: Option<Planted>) -> Options {
    Options { seed, mode: Some(Mode::Strict), days: Some(14), histories, planted, ..Options::default() }
}

/// Does all of the work on all cores.
fn on_all_cores(count: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(index) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|next| *next < count)
                {
                    work(index);
                }
            });
        }
    });
}

#[test]
fn every_planted_fault_is_found_and_the_same_seeds_are_clean_without_it() {
    for planted in Planted::ALL {
        let times = SEEDS.iter().filter(|(listed, _)| listed == planted).count();
        assert_eq!(times, 1, "{} has to be in the table", planted.name());
    }
    let last: Mutex<BTreeMap<bool, u64>> = Mutex::default();
    // Those that take longest go first.
    let mut rarest_first = SEEDS.to_vec();
    rarest_first.sort_by_key(|(_, seeds)| std::cmp::Reverse(*seeds));
    on_all_cores(rarest_first.len(), |index| {
        let (planted, seeds) = rarest_first[index];
        let histories = planted.is_of_histories();
        let finds = |seed: &u64| play(&strict(*seed, histories, Some(planted))).violation.is_some();
        let Some(seed) = (0..seeds).find(finds) else {
            panic!("{} is not found in {seeds} seeds: {}", planted.name(), planted.about());
        };
        let mut last = last.lock().unwrap();
        let last = last.entry(histories).or_default();
        *last = seed.max(*last);
    });
    for (histories, last) in last.into_inner().unwrap() {
        on_all_cores(usize::try_from(last).unwrap() + 1, |seed| {
            let options = strict(seed as u64, histories, None);
            if let Some(violation) = play(&options).violation {
                panic!("{}\nseed {seed} without a fault: {violation}", replay(&options).history.join("\n"));
            }
        });
    }
}

#[test]
fn a_planted_fault_is_found_by_the_same_seed_again_with_its_history() {
    let options = strict(0, false, Some(Planted::IntentNotWritten));
    let (first, again) = (play(&options), replay(&options));
    assert!(first.violation.is_some());
    assert_eq!(first.violation, again.violation);
    let told = again.history.last().unwrap();
    assert!(told.contains("VIOLATION") && told.contains("Intent"), "{told}");
}
