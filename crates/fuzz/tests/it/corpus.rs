use std::fs;
use std::path::PathBuf;

use fitferry_fuzz::{TARGETS, Target, corpus};

/// Small enough to be read by people who ask what it was.
const FILE_BYTES_MAX: u64 = 8 * 1024;

pub(crate) fn kept(target: &Target) -> Vec<Vec<u8>> {
    let Ok(folder) = fs::read_dir(corpus(target)) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn every_kept_input_and_every_seed_keeps_every_promise() {
    let mut played = Vec::new();
    for target in TARGETS {
        let inputs = [kept(target), (target.seeds)(), vec![Vec::new()]].concat();
        inputs.iter().for_each(|input| (target.run)(input));
        played.push(format!("{} {}", inputs.len(), target.name));
    }
    println!("played: {}", played.join(", "));
}

#[test]
fn the_corpus_is_small_and_each_target_has_one() {
    for target in TARGETS {
        let folder = fs::read_dir(corpus(target)).unwrap_or_else(|error| panic!("{}: {error}", target.name));
        let mut files = 0;
        for entry in folder {
            let entry = entry.unwrap();
            assert!(entry.metadata().unwrap().len() <= FILE_BYTES_MAX, "{}", entry.path().display());
            files += 1;
        }
        assert!((1..=120).contains(&files), "{} has {files} files", target.name);
    }
}
