//! The commands, one file each, and what they all need.

pub mod activities;
pub mod aws;
pub mod backfill;
pub mod completions;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod init;
pub mod login;
pub mod login_garmin;
pub mod login_strava;
pub mod logout;
pub mod show;
pub mod status;
pub mod store;
pub mod sync;
pub mod watch;
pub mod word;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fitferry_app::clock::{Signal, SystemClock};
use fitferry_app::config::{Asked, Environment, Settings};
use fitferry_app::error::CommandError;
use fitferry_core::ports::Clock as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{AwsAction, Command, Global, LoginService, StoreAction};
use crate::output::{Out, Say};

/// The columns of a terminal that nobody has made wider.
const WIDTH: u16 = 80;

/// What every command is given.
pub struct Context {
    /// The defaults for the commands that need no configuration.
    pub settings: Settings,
    pub asked: Asked,
    pub environment: Environment,
    pub json: bool,
    pub quiet: bool,
    pub out: Out,
    pub say: Say,
    /// Told of a signal, where a command ends by itself.
    stops: Arc<Mutex<Option<Arc<SystemClock>>>>,
}

impl Context {
    pub fn new(global: &Global) -> Context {
        Context {
            settings: Settings::defaults(Path::new(".")),
            asked: Asked {
                config: global.config.clone(),
                store: global.store.clone(),
                athlete: global.athlete.clone(),
            },
            environment: Environment::of_process(),
            json: global.json,
            quiet: global.quiet,
            out: Out::default(),
            say: Say::new(global.quiet),
            stops: Arc::default(),
        }
    }

    /// The same under another configuration; its document is the first one's to print.
    pub fn over(&self, settings: Settings) -> Context {
        Context {
            settings,
            asked: self.asked.clone(),
            environment: self.environment.clone(),
            json: self.json,
            quiet: self.quiet,
            out: Out::default(),
            say: Say::new(self.quiet),
            stops: self.stops.clone(),
        }
    }

    /// How wide a table may be.
    pub fn width(&self) -> u16 {
        WIDTH
    }

    /// From here on the first signal only tells `clock`, whose owner ends between two steps; a second one
    /// ends the command at once.
    pub fn stop_with(&self, clock: &Arc<SystemClock>) {
        if let Ok(mut stops) = self.stops.lock() {
            *stops = Some(clock.clone());
        }
    }

    /// Waits for Ctrl-C or SIGTERM.
    pub async fn stopped(&self) {
        let clock = Arc::new(SystemClock::default());
        self.stop_with(&clock);
        while clock.stopped_by().is_none() {
            clock.sleep(Duration::from_secs(3600)).await;
        }
    }

    /// A file that may grow no further is an error of the write that meets the limit, and not the death of
    /// the process: whoever listens to this signal is not killed by it.
    fn outlive_file_limits() {
        // Without it the limit still ends the run, and nothing is lost.
        drop(signal(SignalKind::from_raw(nix::sys::signal::Signal::SIGXFSZ as i32)));
    }

    /// Returns once a signal has come that no command takes care of.
    async fn interrupted(&self) -> Result<(), CommandError> {
        let listen =
            |kind| signal(kind).map_err(|error| CommandError::io("cannot listen to signals", &error));
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut terminate = listen(SignalKind::terminate())?;
        loop {
            let signal = tokio::select! {
                _ = interrupt.recv() => Signal::Interrupt,
                _ = terminate.recv() => Signal::Terminate,
            };
            let clock = self.stops.lock().ok().and_then(|stops| stops.clone());
            match clock {
                Some(clock) if clock.stopped_by().is_none() => clock.end(signal),
                _ => return Ok(()),
            }
        }
    }
}

/// Whether a command acts by the configuration; the others must work where it is wrong.
pub fn needs_settings(command: &Command) -> bool {
    match command {
        Command::Demo(_) | Command::Doctor(_) | Command::Config(_) | Command::Completions(_) => false,
        Command::Login(_)
        | Command::Init(_)
        | Command::Logout(_)
        | Command::Sync(_)
        | Command::Watch(_)
        | Command::Backfill(_)
        | Command::Status(_)
        | Command::Activities(_)
        | Command::Show(_)
        | Command::Retry(_)
        | Command::Skip(_)
        | Command::Aws(_)
        | Command::Store(_) => true,
    }
}

/// Runs a command, or is interrupted.
pub async fn run(context: &Context, command: &Command) -> Result<u8, CommandError> {
    Context::outlive_file_limits();
    tokio::select! {
        outcome = dispatch(context, command) => outcome,
        interrupted = context.interrupted() => Err(interrupted.err().unwrap_or_else(CommandError::interrupted)),
    }
}

async fn dispatch(context: &Context, command: &Command) -> Result<u8, CommandError> {
    match command {
        Command::Demo(args) => demo::run(context, args).await,
        Command::Login(args) => match &args.service {
            LoginService::Garmin(args) => login_garmin::run(context, args).await,
            LoginService::Strava(args) => login_strava::run(context, args).await,
        },
        Command::Init(args) => init::run(context, args).await,
        Command::Logout(args) => logout::run(context, args.service).await,
        Command::Sync(args) => sync::run(context, args).await,
        Command::Watch(args) => watch::run(context, args).await,
        Command::Backfill(args) => backfill::run(context, args).await,
        Command::Status(_) => status::run(context).await,
        Command::Activities(args) => activities::run(context, args).await,
        Command::Show(args) => show::run(context, args).await,
        Command::Retry(args) => word::retry(context, args).await,
        Command::Skip(args) => word::skip(context, args).await,
        Command::Aws(args) => match &args.action {
            AwsAction::PushCredentials(args) => aws::push_credentials(context, args).await,
        },
        Command::Store(args) => match &args.action {
            StoreAction::Copy(args) => store::copy(context, args).await,
        },
        Command::Doctor(_) => doctor::run(context).await,
        Command::Config(args) => config::run(context, args.action),
        Command::Completions(args) => completions::run(context, args),
    }
}
