//! Logs, to standard error: warnings, more with `-v` and `-vv`, errors only with `-q`.
//!
//! Only our own crates say more: what libraries log at these levels may hold headers and addresses.

use std::io::IsTerminal as _;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::{Color, Global};

pub fn start(global: &Global) {
    let (ours, others) = match (global.quiet, global.verbose) {
        (true, _) => (LevelFilter::ERROR, LevelFilter::ERROR),
        (false, 0) => (LevelFilter::WARN, LevelFilter::WARN),
        (false, 1) => (LevelFilter::INFO, LevelFilter::WARN),
        (false, _) => (LevelFilter::DEBUG, LevelFilter::WARN),
    };
    // A target counts for all that begin with it: `fitferry_core`, `fitferry_strava` …
    let levels = Targets::new().with_default(others).with_target("fitferry", ours);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(has_color(global.color))
        .with_target(global.verbose > 1);
    // Only a second call could fail, and it would change nothing.
    let _ = tracing_subscriber::registry().with(levels).with(layer).try_init();
}

fn has_color(color: Color) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
        }
    }
}
