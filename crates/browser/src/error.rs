//! Why there is no browser to watch.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    /// `looked_for` names the programs, or the one that the environment names.
    #[error("there is no browser here that can be watched ({looked_for})")]
    NoBrowser { looked_for: String },
    #[error("the browser {} cannot be started: {why}", program.display())]
    CannotStart { program: PathBuf, why: String },
    /// It runs, but does not understand what it is told.
    #[error("the browser does not do as it is told: {0}")]
    Unruly(String),
}
