//! The short run, on any toolchain: the kept corpus, and a fixed number of mutations of it and of the seeds.
//!
//! proptest draws the mutations, always the same ones, and makes a failing one small. The long run, guided by
//! coverage, is `cargo xtask fuzz`.

#![expect(clippy::unwrap_used, reason = "a test tells by panicking")]

mod corpus;
mod names;
mod short;
