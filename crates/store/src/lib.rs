//! Ledger, vault, budget and lease, durable: what fitferry must not forget.
//!
//! Two stores. [`SqliteStore`] is one file on one machine, [`dynamodb::DynamoStore`] is one table on AWS; each
//! keeps the budget of every app, and hands out one run's door to one athlete: ledger, vault and lease
//! ([`AthleteStore`], [`dynamodb::DynamoAthlete`]). [`secretsmanager::SecretsManagerVault`] is a vault apart
//! from the table. A store promises what `fitferry-core`'s ports say and decides nothing;
//! `tests/it/contract.rs` holds the promises, written against the ports, so that every store runs the same
//! ones.
//!
//! The stored form (`row`, `head`, `account`) is private to this crate and converted by hand, so that
//! no change of a core type changes a file by accident.
//!
//! Not here: when to write what (`fitferry-core`'s engine), what a secret says (the clients).

mod account;
#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "aws")]
pub mod dynamodb;
mod head;
mod row;
mod secret;
#[cfg(feature = "aws")]
pub mod secretsmanager;
#[cfg(feature = "sqlite")]
mod sqlite;
mod text;

#[cfg(feature = "sqlite")]
pub use sqlite::{AthleteStore, SqliteStore};
