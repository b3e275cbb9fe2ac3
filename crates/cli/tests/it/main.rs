//! Stories of the real binary against the sandbox over HTTP: standard output's JSON, exit codes, and what
//! the sandbox saw.

#![expect(unreachable_pub, reason = "no other crate uses these tests: here `pub` is for the other modules")]

mod away;
mod backfill;
mod demo;
mod doctor;
#[path = "../../../browser/tests/it/hand.rs"]
#[expect(clippy::unwrap_used, reason = "a test tells by panicking")]
#[expect(dead_code, reason = "the browser's own tests do more with it")]
mod hand;
mod home;
mod idle;
mod init;
mod kill;
mod login;
mod login_at_terminal;
mod login_ends;
mod login_garmin;
mod login_in_browser;
mod logout;
mod moved;
#[path = "../../../browser/tests/it/program.rs"]
#[expect(clippy::unwrap_used, reason = "a test tells by panicking")]
mod program;
mod secrets;
mod sign_in_host;
mod terminal;
mod turns;
mod vault;
mod watch;
mod word;
