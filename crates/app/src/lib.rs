//! One athlete's engine, wired: what the command and the function have in common.
//!
//! The configuration, the store that it names, the clients over one HTTP client, the clock, and what a run
//! tells: errors with their exit codes, the JSON documents of the contract. Everything that decides about
//! activities is in `fitferry-core`. Not here: what a person types and reads (`cli`), how Lambda calls
//! (`lambda`).

pub mod app;
pub mod clock;
pub mod config;
#[cfg(feature = "desk")]
mod desk;
#[cfg(feature = "desk")]
pub mod doctor;
pub mod document;
pub mod error;
pub mod http;
pub mod outcome;
pub mod status;
pub mod store;
pub mod total;

pub use app::App;
