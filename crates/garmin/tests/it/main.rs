//! The client against a scripted Garmin on loopback, signing in against the sandbox's, its unpacking against archives made here, and its
//! reading against answers that were recorded from Garmin.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod archives;
mod bearers;
mod downloads;
mod fakes;
mod lists;
mod logins;
mod recorded;
mod rotation;
mod server;
mod sign_in;
mod tickets;
mod town;
mod unpacking;
