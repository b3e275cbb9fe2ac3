//! The sandbox, seen from outside. Most of it without sockets: the world answers requests at moments that a test
//! chooses.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod asked;
mod duplicates;
mod faults;
mod garmin;
mod http;
mod limits;
mod listing;
mod oauth;
mod recorded;
mod skins;
mod sso;
mod worlds;
