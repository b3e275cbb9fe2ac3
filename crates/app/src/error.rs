//! What went wrong, for the two readers of the command: a person and a script.
//!
//! The only place where errors become text and exit codes. Every error says what to do now, and names a
//! command, a key or an address for it; a test walks every kind. Not here: printing (`output`).

use std::fmt;
use std::io;
use std::path::Path;

use fitferry_core::ports::{Failure, PortError, PutError, Service, StoreError};
use fitferry_strava::login::StoreLoginError;

use crate::config::Problem;

/// What kind of error it is; decides the exit code (contract, *Exit codes*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Usage,
    Config,
    /// A file, a folder or a socket of this machine.
    File,
    PortInUse,
    /// A wrong client id or secret.
    Misconfigured,
    Moved,
    Store,
    LoginNeeded,
    /// The service did not take the login.
    LoginRefused,
    /// The person denied, or unticked what is needed.
    LoginDenied,
    /// Nobody answered in the browser.
    LoginTimeout,
    Busy,
    ServiceDown,
    ServiceRefused,
    Limited,
    AppInactive,
    Budget,
    Interrupted,
}

impl Kind {
    /// Every kind there is, for the tests that walk over them.
    pub const ALL: [Kind; 18] = [
        Kind::Usage,
        Kind::Config,
        Kind::File,
        Kind::PortInUse,
        Kind::Misconfigured,
        Kind::Moved,
        Kind::Store,
        Kind::LoginNeeded,
        Kind::LoginRefused,
        Kind::LoginDenied,
        Kind::LoginTimeout,
        Kind::Busy,
        Kind::ServiceDown,
        Kind::ServiceRefused,
        Kind::Limited,
        Kind::AppInactive,
        Kind::Budget,
        Kind::Interrupted,
    ];

    /// The word of `"error":{"kind"}`; scripts rely on it.
    pub fn key(self) -> &'static str {
        match self {
            Kind::Usage => "usage",
            Kind::Config => "config",
            Kind::File => "file",
            Kind::PortInUse => "port_in_use",
            Kind::Misconfigured => "misconfigured",
            Kind::Moved => "moved",
            Kind::Store => "store",
            Kind::LoginNeeded => "login_needed",
            Kind::LoginRefused => "login_refused",
            Kind::LoginDenied => "login_denied",
            Kind::LoginTimeout => "login_timeout",
            Kind::Busy => "busy",
            Kind::ServiceDown => "service_down",
            Kind::ServiceRefused => "service_refused",
            Kind::Limited => "limited",
            Kind::AppInactive => "app_inactive",
            Kind::Budget => "budget",
            Kind::Interrupted => "interrupted",
        }
    }

    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Usage
            | Kind::Config
            | Kind::File
            | Kind::PortInUse
            | Kind::Misconfigured
            | Kind::Moved
            | Kind::Store => 2,
            Kind::LoginNeeded | Kind::LoginRefused | Kind::LoginDenied | Kind::LoginTimeout => 3,
            Kind::ServiceDown | Kind::ServiceRefused | Kind::Limited | Kind::AppInactive | Kind::Budget => 4,
            Kind::Busy => 5,
            Kind::Interrupted => 130,
        }
    }
}

/// An error of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandError {
    kind: Kind,
    /// A lower-case fragment that fits after `error:`.
    message: String,
    causes: Vec<String>,
    /// What to do now.
    help: String,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CommandError {}

impl CommandError {
    pub fn new(kind: Kind, message: impl Into<String>, help: impl Into<String>) -> CommandError {
        CommandError { kind, message: message.into(), causes: Vec::new(), help: help.into() }
    }

    /// What was typed, or asked for, cannot be done.
    pub fn usage(message: impl Into<String>, help: impl Into<String>) -> CommandError {
        CommandError::new(Kind::Usage, message, help)
    }

    pub fn interrupted() -> CommandError {
        CommandError::new(
            Kind::Interrupted,
            "interrupted",
            "Nothing is lost: `fitferry sync` goes on where this ended.",
        )
    }

    /// This machine does not let us; `what` is a fragment as "cannot make a temporary folder".
    pub fn io(what: impl Into<String>, error: &io::Error) -> CommandError {
        CommandError::new(
            Kind::File,
            what,
            "Check that the folder exists, is writable and has room; `FITFERRY_HOME` chooses another for \
             everything of fitferry's.",
        )
        .caused_by(error.to_string())
    }

    pub fn caused_by(mut self, cause: impl Into<String>) -> CommandError {
        self.causes.push(cause.into());
        self
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    pub fn help(&self) -> &str {
        &self.help
    }

    pub fn exit_code(&self) -> u8 {
        self.kind.exit_code()
    }

    /// `"error"` of a JSON document.
    pub fn to_json(&self) -> serde_json::Value {
        let message: Vec<&str> =
            std::iter::once(&self.message).chain(&self.causes).map(String::as_str).collect();
        serde_json::json!({ "kind": self.kind.key(), "message": message.join(": "), "help": self.help })
    }

    /// The first of several; there is at least one.
    pub fn from_problems(problems: &[Problem]) -> CommandError {
        let Some(first) = problems.first() else {
            return CommandError::new(
                Kind::Config,
                "the configuration cannot be used",
                "Run `fitferry config check`.",
            );
        };
        let help = match problems.len() - 1 {
            0 => first.help.clone(),
            1 => format!("{}\n      1 more like this: `fitferry config check` shows both", first.help),
            more => format!("{}\n      {more} more like this: `fitferry config check` shows all", first.help),
        };
        CommandError::new(Kind::Config, first.to_string(), help)
    }

    pub fn no_home() -> CommandError {
        CommandError::new(
            Kind::Config,
            "no home folder is known, so there is no place for configuration and data",
            "Set `FITFERRY_HOME` to a folder for them, or `HOME`.",
        )
    }

    pub fn store_folder(folder: &Path, error: &io::Error) -> CommandError {
        CommandError::new(
            Kind::Store,
            format!("cannot create the folder {}", folder.display()),
            "Make it writable, or choose another place with `[store] url`, `--store` or `FITFERRY_HOME`.",
        )
        .caused_by(error.to_string())
    }
}

impl From<PortError> for CommandError {
    fn from(error: PortError) -> CommandError {
        let message = error.to_string();
        let (kind, help) = match error {
            PortError::LoginNeeded { service, .. } => {
                (Kind::LoginNeeded, format!("Run `fitferry login {}`", service.key()))
            }
            PortError::Misconfigured { service: Service::Strava, .. } => (
                Kind::Misconfigured,
                "Compare client id and secret with https://www.strava.com/settings/api, then run \
                 `fitferry login strava` with the right ones; `FITFERRY_STRAVA__CLIENT_SECRET` and \
                 `[strava] client_id` are where they may come from."
                    .to_owned(),
            ),
            PortError::Misconfigured { service: Service::Garmin, .. } => {
                (Kind::Misconfigured, "Run `fitferry login garmin` with a new login.".to_owned())
            }
            PortError::Limited { service, .. } => (
                Kind::Limited,
                format!(
                    "Wait: the next `fitferry sync` asks {service} again as soon as it may. Other tools that \
                     use the same login or application count too."
                ),
            ),
            PortError::AppInactive { .. } => (
                Kind::AppInactive,
                "Strava serves an application only while its owner has a subscription. Subscribe, press the \
                 button that reactivates the application at https://www.strava.com/settings/api (it does not \
                 happen by itself), then run `fitferry login strava`; without that `fitferry sync` asks \
                 Strava again a day later."
                    .to_owned(),
            ),
            PortError::BudgetFull { .. } => (
                Kind::Budget,
                "Wait: the next `fitferry sync` after that goes on. `fitferry status` shows what is left; \
                 https://www.strava.com/settings/api shows the application's limits."
                    .to_owned(),
            ),
            PortError::Down { service, .. } => (
                Kind::ServiceDown,
                format!(
                    "The next `fitferry sync` tries again; {} tells whether {service} has trouble.",
                    status_page(service)
                ),
            ),
            PortError::Refused { service, .. } => (
                Kind::ServiceRefused,
                format!(
                    "The next `fitferry sync` tries again. If it stays, `fitferry sync -vv` shows more, and \
                     {} tells whether {service} has trouble.",
                    status_page(service)
                ),
            ),
            PortError::OutOfTime => (
                Kind::ServiceDown,
                "The next `fitferry sync` begins anew; `[timing] send_within` says how long it may take."
                    .to_owned(),
            ),
            PortError::Moved { to } => (
                Kind::Moved,
                format!(
                    "It is carried from there now: `fitferry --store {to} status` shows it, and two stores for \
                     one athlete could double an activity. `fitferry store copy {to} STORE` brings it back."
                ),
            ),
            PortError::Busy => return CommandError::busy(),
            PortError::Store(error) => return error.into(),
        };
        CommandError::new(kind, message, help)
    }
}

fn status_page(service: Service) -> &'static str {
    match service {
        Service::Garmin => "https://connect.garmin.com/status",
        Service::Strava => "https://status.strava.com",
    }
}

impl CommandError {
    pub fn busy() -> CommandError {
        CommandError::new(
            Kind::Busy,
            "another run of fitferry is at work for this athlete",
            "Wait until it ends; from cron, `fitferry sync --busy-ok` takes that as success.",
        )
    }
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> CommandError {
        failure.error.into()
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> CommandError {
        let help = format!(
            "{} `[store] url` says where the store is, and `fitferry config show` shows it.",
            error.help.trim()
        );
        CommandError::new(Kind::Store, format!("the store: {}", error.what), help.trim_start())
    }
}

impl From<PutError> for CommandError {
    fn from(error: PutError) -> CommandError {
        match error {
            PutError::Conflict => CommandError::busy(),
            PutError::Store(error) => error.into(),
        }
    }
}

impl From<StoreLoginError> for CommandError {
    fn from(error: StoreLoginError) -> CommandError {
        let message = error.to_string();
        match error {
            StoreLoginError::OtherAthlete { .. } => CommandError::usage(
                message,
                "Sign in as the same athlete, or replace the login with `fitferry login strava --yes`; for \
                 several athletes side by side, give each a name with `--athlete`.",
            ),
            StoreLoginError::Busy => CommandError::busy(),
            StoreLoginError::Store(error) => error.into(),
        }
    }
}
