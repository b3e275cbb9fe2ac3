//! The same seed gives the same life, event by event.

use fitferry_simulation::{Options, play, replay};

#[test]
fn a_seed_replays_exactly_with_and_without_its_history() {
    for seed in [3, 4, 17, 40] {
        let first = replay(&Options { seed, ..Options::default() });
        let again = replay(&Options { seed, ..Options::default() });
        assert!(first.history.len() > 50, "seed {seed}");
        assert_eq!(first.history, again.history, "seed {seed}");
        let silent = play(&Options { seed, ..Options::default() });
        assert_eq!((silent.stats, silent.violation), (first.stats, first.violation), "seed {seed}");
    }
}
