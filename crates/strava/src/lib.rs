//! Strava: the client behind the engine's [`Destination`](fitferry_core::ports::Destination), and the
//! protocol of signing in.
//!
//! Everything that an answer may mean is judged by pure functions (`fault`, `upload`, `list`, `text`,
//! `headers`); [`StravaClient`] asks, once, and reports. Facts about Strava are in the protocol dossier
//! (`strava.md`), whose sections the comments name. Waiting, repeating and deciding are the engine's,
//! whether a named duplicate is the same activity too.

mod answer;
pub mod answers;
mod client;
mod connection;
mod fault;
mod headers;
mod import;
mod list;
pub mod login;
pub mod oauth;
mod revoke;
mod text;
mod token;
mod upload;
mod wire;

pub use client::StravaClient;
pub use connection::{Connection, Endpoints};
