//! What a tick means for whoever asked for it (contract, *Exit codes*).

use fitferry_core::engine::report::{Note, Report, Trouble};
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

/// What people want to know beside what became of each activity.
pub fn in_words(note: &Note) -> String {
    match note {
        Note::SinceKept(day) => format!(
            "No start date is configured: what starts on {day} or later crosses, nothing earlier. \
             Change it with `[sync] since`."
        ),
        Note::LinkOn => "Garmin's own link to Strava is on: it copies every activity, so new ones are held \
                         30 minutes to let it go first. Switch it off at \
                         https://connect.garmin.com/app/settings/accountInformation, under Connected apps, \
                         if fitferry is to choose what crosses."
            .to_owned(),
        Note::CopyByLink { ours, copy } => format!(
            "Garmin's own link delivered a second copy: https://www.strava.com/activities/{copy} is the \
             same as https://www.strava.com/activities/{ours}. Delete one of them on Strava."
        ),
        Note::Skew(service, skew) => format!(
            "This machine's clock is {} s {} {service}'s. Set it right: `timedatectl set-ntp true`.",
            skew.as_secs().abs(),
            if skew.is_positive() { "behind" } else { "ahead of" },
        ),
    }
}
