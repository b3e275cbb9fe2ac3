//! Garmin Connect: two API tiers behind one client, the list, the download.
//!
//! The *Personal API* (a key that a person makes, exchanged for a bearer each day) and the *Connect API*
//! (tokens that rotate) have the same paths and shapes for everything that fitferry needs; they differ in
//! host, headers and in how a bearer is come by (dossier garmin.md §0). So [`GarminClient`] is one client
//! that asks `bearer` for a bearer before each request, and everything after that is common.
//!
//! A request is one attempt. The client spaces its requests, renews its bearer and replays a request once
//! after a 401; it never waits out a limit or tries again, which are the engine's to decide.
//!
//! Start reading at [`GarminClient`], then `bearer`, `exchange`, `list`, `unpack`; how a person signs in is in
//! [`sso`].
//!
//! Not here: which pages are read and what is sent on (`fitferry-core`), what is inside a FIT file
//! (`fitferry-fit`), where logins are kept (`fitferry-store`).

pub mod answers;
mod bearer;
mod client;
mod content;
mod detail;
mod download;
mod endpoints;
mod exchange;
mod import;
mod jwt;
mod lenient;
mod list;
pub mod login;
mod prove;
mod reply;
pub mod sso;
mod summary;
mod transport;
mod unpack;

pub use bearer::Bearer;
pub use client::GarminClient;
pub use endpoints::{Domain, Endpoints};
pub use import::{FILE_NAMES, ImportError, Imported, Tool};
pub use list::Recent;
pub use login::Login;
pub use unpack::unpack;
