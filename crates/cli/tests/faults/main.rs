//! Faults over real HTTP, on real disks and under real signals: the program against the sandbox, which breaks
//! what can break. Whatever happened, once it is over every activity is on Strava once, byte for byte.
//!
//! `cargo test -p fitferry --release --test faults` runs the same with the release binary, and
//! `FITFERRY_FAULTS=long` with more of everything.

#![expect(unreachable_pub, reason = "no other crate uses these tests: here `pub` is for the other modules")]

mod clock;
mod disk;
#[path = "../it/home.rs"]
#[expect(dead_code, reason = "the stories do more with it")]
mod home;
mod hostile;
mod matrix;
mod stage;
mod storm;
mod tls;
