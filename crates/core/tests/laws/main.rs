//! The laws of the pure core: tables at their edges, and properties over everything that may happen.
//!
//! Every module bears the name of the rule of the architecture page that it holds the code to. What a tick
//! does with these numbers is tested with the real clients, in `cli/tests/rules`.

#![expect(unreachable_pub, reason = "no other crate uses these tests: here `pub` is for the other modules")]
#![expect(clippy::unwrap_used, reason = "a test tells by panicking")]

mod blame;
mod budget;
mod doubt;
mod fresh_eyes;
mod given;
mod history;
mod ledger;
mod same_activity;
mod tokens;
