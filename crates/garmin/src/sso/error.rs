//! Why there is no ticket, by what a person does about it.

use std::fmt;
use std::time::Duration;

use fitferry_core::ports::Failure;

/// Why signing in came to nothing. Quotes no secret.
#[derive(Debug, thiserror::Error)]
pub enum SsoError {
    #[error("Garmin refuses the e-mail address or the password")]
    WrongPassword,
    /// Only a browser can show one.
    #[error("Garmin wants to see a person first (captcha)")]
    Captcha,
    #[error("Garmin lets nobody in to this account: {0}")]
    Account(Trouble),
    /// All tries are used up.
    #[error("Garmin refuses the code")]
    WrongCode,
    #[error("the code has ended before it was entered")]
    CodeEnded,
    /// The visit was over before it led to a ticket.
    #[error("Garmin has ended the visit")]
    VisitEnded,
    /// Robots are kept out, or this account is; asking again begins the block anew (dossier garmin.md §2.6).
    #[error("Garmin blocks signing in with a password (HTTP {status})")]
    Blocked { status: u16, retry_after: Option<Duration> },
    /// Used, at its end, or made for another service; the token endpoint does not say which.
    #[error("Garmin does not take the ticket ({said})")]
    TicketRefused { said: String },
    /// Not reachable, or an answer that the protocol does not know.
    #[error(transparent)]
    Failed(Box<Failure>),
}

impl From<Failure> for SsoError {
    fn from(failure: Failure) -> SsoError {
        SsoError::Failed(Box::new(failure))
    }
}

/// What is wrong with an account, by Garmin's own table of messages (dossier garmin.md §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Locked,
    TooManyTries,
    Disabled,
    PasswordReset,
    Problem,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Trouble::Locked => "it is locked",
            Trouble::TooManyTries => "there were too many tries",
            Trouble::Disabled => "it is disabled",
            Trouble::PasswordReset => "its password must be reset",
            Trouble::Problem => "it has a problem that Garmin does not name",
        })
    }
}
