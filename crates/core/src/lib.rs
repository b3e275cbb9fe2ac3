//! What an activity is, which ones cross, what happens to each, and what to do next.
//!
//! The one idea: everything that could be argued about is a pure function here, and the one `async`
//! function, [`engine::tick`], does nothing but ask for the next step, do it through a port and record
//! what happened. There is no clock, no randomness and no I/O of its own in this crate; time arrives as
//! an argument or through the [`ports::Clock`] port.
//!
//! Start reading at [`activity`], then [`rules`], [`ledger`], [`matching`], [`budget`], [`engine`] and
//! [`ports`]. The two services' protocols live in `fitferry-garmin` and `fitferry-strava`, durable
//! things in `fitferry-store`.

pub mod activity;
pub mod budget;
pub mod engine;
pub mod head;
pub mod ledger;
pub mod matching;
pub mod moment;
pub mod plain;
pub mod planted;
pub mod ports;
pub mod rules;
pub mod sport;
pub mod timing;
pub mod tokens;
