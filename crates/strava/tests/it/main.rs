//! The client against a scripted Strava on loopback, and its reading against answers that were recorded
//! from Strava.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod accounts;
mod bench;
mod confirms;
mod fakes;
mod hostile;
mod importing;
mod logins;
mod looks;
mod recorded;
mod server;
mod signing_in;
mod tokens;
mod uploads;
