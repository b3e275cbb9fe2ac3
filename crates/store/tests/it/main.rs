//! The store from outside: the contract of the ports on every store, and what is SQLite's own.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod contract;
mod files;
mod idle;
mod processes;
mod schemas;
mod sqlite;
