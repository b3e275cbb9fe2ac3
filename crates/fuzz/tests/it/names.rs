use std::collections::BTreeSet;

use fitferry_fuzz::{TARGETS, find};

#[test]
fn every_target_is_found_by_its_name_and_begins_from_something() {
    let names: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names.len(), TARGETS.len());
    for target in TARGETS {
        assert!(find(target.name).is_some());
        assert!((target.seeds)().len() >= 4, "{}", target.name);
        assert!(target.words.iter().all(|word| !word.is_empty()), "{}", target.name);
    }
}
