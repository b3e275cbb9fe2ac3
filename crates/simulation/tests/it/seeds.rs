//! Seeds: in each of them nothing that must never happen does, and everything comes to its end.

use fitferry_simulation::{Options, Stats, StoreKind, play, replay};

/// Plays seeds on all cores; panics with the history of the first that fails.
fn play_all(seeds: std::ops::Range<u64>, options: Options) -> Stats {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let mut total = Stats::default();
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..jobs)
            .map(|job| {
                let seeds = seeds.clone();
                scope.spawn(move || {
                    let mut stats = Stats::default();
                    for seed in seeds.filter(|seed| seed % jobs == job) {
                        let outcome = play(&Options { seed, ..options });
                        if let Some(violation) = outcome.violation {
                            let history = replay(&Options { seed, ..options }).history.join("\n");
                            panic!("{history}\nseed {seed}: {violation}");
                        }
                        stats += outcome.stats;
                    }
                    stats
                })
            })
            .collect();
        for part in parts {
            total += part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    total
}

#[test]
fn a_thousand_lives_pass_and_nothing_is_lost_doubled_or_shown() {
    let stats = play_all(0..1_000, Options::default());
    // What is claimed of them was really met.
    for (what, count) in [
        ("published", stats.published),
        ("crashes", stats.crashes),
        ("lost answers", stats.lost_answers),
        ("frozen processes", stats.freezes),
        ("rotations", stats.rotations),
        ("logins lost in the moment", stats.logins_lost_in_the_moment),
        ("idle stretches", stats.stretches),
        ("copies by others", stats.copies_by_others),
    ] {
        assert!(count > 100, "{what}: {count}");
    }
}

#[test]
fn over_the_stores_own_code_each_answer_is_the_models_and_nothing_is_lost_either() {
    let stats = play_all(0..60, Options { store: StoreKind::Sqlite, ..Options::default() });
    assert!(stats.published > 100);
}

/// AWS's SDK, not built for speed here, makes these lives slow; a few days of each will do.
#[test]
fn over_dynamodb_with_its_conditions_lost_answers_and_busy_moments_it_is_the_same() {
    let over = |store| Options { store, days: Some(4), ..Options::default() };
    let stats = play_all(0..20, over(StoreKind::DynamoDb));
    assert!(stats.published > 40);
    let of = |seed, store| play(&Options { seed, ..over(store) }).stats;
    // The same life, event by event, where the maps have leases that end, as the table has.
    let same = (0..5).filter(|seed| of(*seed, StoreKind::Memory) == of(*seed, StoreKind::DynamoDb));
    assert!(same.count() >= 2);
}
