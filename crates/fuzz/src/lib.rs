//! Hostile input: for everything that comes from outside, what must hold whatever arrives.
//!
//! A [`Target`] is one function over bytes that panics where a promise is broken: not only "no panic", but
//! bounded sizes, finite numbers, texts fit for a terminal, nothing dropped, what goes in comes out. Its seeds
//! are made by code. Two machines run it: the tests of this crate, which play the kept corpus and a fixed
//! number of mutations on any toolchain; and libFuzzer, guided by coverage, through `cargo xtask fuzz`.
//!
//! Not here: answers over a real socket, which are the fault stories of the command.

pub mod told;

mod targets;

use std::path::{Path, PathBuf};

/// One reader of input from outside.
#[derive(Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    /// Panics where a promise is broken.
    pub run: fn(&[u8]),
    /// Inputs to begin from.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// What inputs of this kind are written with.
    pub words: &'static [&'static str],
}

pub const TARGETS: &[Target] = &[
    targets::archive::TARGET,
    targets::fit::TARGET,
    targets::garmin::LIST,
    targets::garmin::DOWNLOAD,
    targets::strava::LIST,
    targets::strava::UPLOAD,
    targets::words::TARGET,
    targets::config::TARGET,
    targets::rules::TARGET,
];

pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Where the kept inputs of a target lie.
pub fn corpus(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}
