//! What a tick means for whoever asked for it (contract, *Exit codes*).

use fitferry_core::engine::report::{Report, Trouble};
use fitferry_core::ports::PortError;

use crate::error::CommandError;

/// What a tick means for the caller (contract, *Exit codes*).
pub struct Outcome {
    pub exit: u8,
    pub error: Option<CommandError>,
}

impl Outcome {
    pub fn of(report: &Report, busy_ok: bool) -> Outcome {
        match &report.trouble {
            Some(Trouble::Busy) if busy_ok => Outcome { exit: 0, error: None },
            Some(trouble) => {
                let error = CommandError::from(trouble);
                Outcome { exit: error.exit_code(), error: Some(error) }
            }
            // A dry run has no failures of its own: nothing was tried.
            None => Outcome { exit: u8::from(report.has_failures() && !report.dry_run), error: None },
        }
    }
}

impl From<&Trouble> for CommandError {
    fn from(trouble: &Trouble) -> CommandError {
        match trouble {
            Trouble::Interrupted => CommandError::interrupted(),
            Trouble::Busy => PortError::Busy.into(),
            Trouble::Port(error) => error.clone().into(),
        }
    }
}
