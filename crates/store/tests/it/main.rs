//! The store from outside: the contract of the ports on every store, and what is SQLite's own.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod cloud;
mod contract;
mod dynamodb;
mod environment;
mod files;
mod idle;
mod moto;
mod processes;
mod refusals;
mod schemas;
mod secretsmanager;
mod sqlite;
