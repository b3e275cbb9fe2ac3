//! Stories of the real binary against the sandbox over HTTP: standard output's JSON, exit codes, and what
//! the sandbox saw.

#![expect(unreachable_pub, reason = "no other crate uses these tests: here `pub` is for the other modules")]

mod away;
mod demo;
mod home;
mod idle;
mod kill;
mod login;
mod moved;
mod secrets;
mod turns;
mod watch;
mod word;
