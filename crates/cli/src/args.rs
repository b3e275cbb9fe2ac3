//! What a person can type: the commands and their flags.
//!
//! The help text is written here, as doc comments, and names only what exists. Values are checked as far
//! as that needs no file and no clock. Not here: what a command does (`commands`), what a flag overrides
//! (`config`).

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use fitferry_app::config;
use fitferry_app::config::{StoreUrl, VaultKind};
use fitferry_core::activity::GarminId;
use fitferry_core::ledger::Shown;
use jiff::SignedDuration;
use jiff::civil::Date;
use secrecy::SecretString;

/// Carries your activities from Garmin Connect to Strava: the original file, once
#[derive(Debug, Parser)]
#[command(name = "fitferry", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  fitferry demo                     see it work, without an account anywhere
  fitferry login garmin             sign in, once
  fitferry login strava
  fitferry sync                     carry over what is new";

/// Flags that stand before or after the command.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Read this configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Keep ledger and logins in this store, as `sqlite:FILE` or `dynamodb:TABLE`
    #[arg(long, global = true, value_name = "URL")]
    pub store: Option<String>,
    /// Act for this athlete
    #[arg(long, global = true, value_name = "NAME")]
    pub athlete: Option<String>,
    /// Print one JSON document on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more; twice for every step
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Demo(DemoArgs),
    Init(InitArgs),
    Login(LoginArgs),
    Logout(LogoutArgs),
    Sync(SyncArgs),
    Watch(WatchArgs),
    Backfill(BackfillArgs),
    Status(StatusArgs),
    Activities(ActivitiesArgs),
    Show(ShowArgs),
    Retry(RetryArgs),
    Skip(SkipArgs),
    Doctor(DoctorArgs),
    Aws(AwsArgs),
    Store(StoreArgs),
    Config(ConfigArgs),
    Completions(CompletionsArgs),
}

/// Show the whole journey against a Garmin and a Strava of its own
///
/// Starts both services on this machine, signs in, carries everything over and
/// shows the result. Nothing leaves this machine, and everything lies in a
/// temporary folder.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct DemoArgs {
    /// Use the activity files of this folder instead of made-up ones
    #[arg(long, value_name = "DIR")]
    pub fit_dir: Option<PathBuf>,
    /// Stay up until Ctrl-C, and print the settings that point fitferry there
    #[arg(long)]
    pub serve: bool,
}

/// Ask your way to a working setup
///
/// Signs in to both services, asks what crosses, shows what would cross and
/// writes the configuration. Every answer is also a flag. May run again: logins
/// that are there stay, and a file that is there keeps what is not chosen anew.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  fitferry init
  fitferry init --types running,walking --since 2026-11-01 --run cron --yes"
)]
pub struct InitArgs {
    /// Garmin type keys that cross, with commas between; * for all
    #[arg(long, value_name = "TYPES", value_parser = config::types)]
    pub types: Option<std::vec::Vec<String>>,
    /// Local start date, nothing earlier crosses; `all` for no limit
    #[arg(long, value_name = "DATE", value_parser = config::since)]
    pub since: Option<String>,
    /// garmin.com, or garmin.cn for accounts in China
    #[arg(long, value_name = "DOMAIN", value_parser = config::domain)]
    pub domain: Option<String>,
    /// Read Garmin's API key from standard input, first
    #[arg(long, group = "garmin_way")]
    pub api_key_stdin: bool,
    /// When the key ends: a date, or a number of days from today
    #[arg(long, value_name = "DATE", value_parser = key_ends,
        conflicts_with_all = ["browser", "ticket", "email", "import"])]
    pub key_ends: Option<KeyEnds>,
    /// Sign in to Garmin on its page, in a browser window that is opened for it
    #[arg(long, group = "garmin_way")]
    pub browser: bool,
    /// Take the ticket that Garmin's page ends with, `-` from standard input
    #[arg(long, value_name = "TICKET", group = "garmin_way")]
    pub ticket: Option<SecretString>,
    /// Sign in to Garmin with the password of this account
    #[arg(long, value_name = "ADDRESS", group = "garmin_way")]
    pub email: Option<String>,
    /// Read that password from standard input
    #[arg(long, conflicts_with_all = ["api_key_stdin", "key_ends", "browser", "ticket", "import"])]
    pub password_stdin: bool,
    /// Garmin's code, should it want one, `-` from standard input, last
    #[arg(long, value_name = "CODE",
        conflicts_with_all = ["api_key_stdin", "key_ends", "browser", "ticket", "import"])]
    pub mfa_code: Option<SecretString>,
    /// Take over the login to Garmin in another tool's file, or in its folder
    #[arg(long, value_name = "PATH", group = "garmin_way")]
    pub import: Option<PathBuf>,
    /// Number of the Strava API application
    #[arg(long, value_name = "ID", value_parser = config::client_id)]
    pub client_id: Option<String>,
    /// Read the application's secret from standard input
    #[arg(long)]
    pub client_secret_stdin: bool,
    /// Take over a refresh token of Strava's, read from standard input after the secret
    #[arg(long)]
    pub refresh_token_stdin: bool,
    /// Print Strava's address instead of opening it, and take the address that the browser ends at
    #[arg(long, conflicts_with = "refresh_token_stdin")]
    pub no_browser: bool,
    /// Show how to run it: by cron, as a service of this machine, on AWS, or later
    #[arg(long, value_name = "WAY")]
    pub run: Option<Way>,
    /// Ask nothing but what is needed to sign in
    #[arg(long)]
    pub yes: bool,
}

/// What runs fitferry again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Way {
    Cron,
    Service,
    Aws,
    Later,
}

/// Sign in to Garmin or to Strava
#[derive(Debug, Args)]
pub struct LoginArgs {
    #[command(subcommand)]
    pub service: LoginService,
}

#[derive(Debug, Subcommand)]
pub enum LoginService {
    Garmin(LoginGarminArgs),
    Strava(LoginStravaArgs),
}

/// Sign in to Garmin, by default with a Personal API key
///
/// Make one at https://connect.garmin.com/app/settings/personalApiToken
///
/// It is taken from FITFERRY_GARMIN__API_KEY (or the file that
/// FITFERRY_GARMIN__API_KEY_FILE names), from Garmin's own
/// GARMIN_PERSONAL_API_KEY or key file, and else asked for.
///
/// Where Garmin gives no key, sign in on its own page with --browser. A password
/// is tried once; after a block by Garmin not again for hours.
#[derive(Clone, Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  fitferry login garmin
  fitferry login garmin --api-key-stdin --key-ends 2027-10-31 < key.txt
  fitferry login garmin --browser
  fitferry login garmin --ticket -
  fitferry login garmin --email me@example.org
  fitferry login garmin --import ~/.garminconnect"
)]
pub struct LoginGarminArgs {
    /// Read the key from standard input
    #[arg(long, group = "way")]
    pub api_key_stdin: bool,
    /// When the key ends: a date, or a number of days from today
    #[arg(long, value_name = "DATE", value_parser = key_ends,
        conflicts_with_all = ["browser", "ticket", "email", "import"])]
    pub key_ends: Option<KeyEnds>,
    /// Sign in on Garmin's page, in a browser window that is opened for it
    #[arg(long, group = "way")]
    pub browser: bool,
    /// Take the ticket that Garmin's page ends with: its address, its text or the ticket alone, `-` from
    /// standard input
    #[arg(long, value_name = "TICKET", group = "way")]
    pub ticket: Option<SecretString>,
    /// Sign in with the password of this account
    #[arg(long, value_name = "ADDRESS", group = "way")]
    pub email: Option<String>,
    /// Read the password from standard input
    #[arg(long, conflicts_with_all = ["api_key_stdin", "key_ends", "browser", "ticket", "import"])]
    pub password_stdin: bool,
    /// Garmin's code, should it want one, `-` from standard input after the password
    #[arg(long, value_name = "CODE",
        conflicts_with_all = ["api_key_stdin", "key_ends", "browser", "ticket", "import"])]
    pub mfa_code: Option<SecretString>,
    /// Take over the login in another tool's file, or in its folder
    #[arg(long, value_name = "PATH", group = "way")]
    pub import: Option<PathBuf>,
}

/// When a person says that a key ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyEnds {
    On(Date),
    InDays(u16),
}

/// Sign in to Strava in the browser
///
/// Needs an API application of your own, with `localhost` as its authorization
/// callback domain: https://www.strava.com/settings/api
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  fitferry login strava
  fitferry login strava --client-id 12345 --client-secret-stdin < secret.txt
  fitferry login strava --no-browser
  fitferry login strava --print-refresh-token"
)]
pub struct LoginStravaArgs {
    /// Number of the API application
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// Read the application's secret from standard input
    #[arg(long)]
    pub client_secret_stdin: bool,
    /// Print the address instead, and take the address that the browser ends at
    #[arg(long, conflicts_with = "refresh_token_stdin")]
    pub no_browser: bool,
    /// Take over a refresh token, read from standard input after the secret
    #[arg(long)]
    pub refresh_token_stdin: bool,
    /// Print the refresh token and nothing else
    #[arg(long, conflicts_with = "json")]
    pub print_refresh_token: bool,
    /// Replace the login even if it is another athlete's
    #[arg(long)]
    pub yes: bool,
}

/// Forget a login
///
/// The login is gone from here also when the service cannot be reached. Strava
/// is told that the application's access ends.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct LogoutArgs {
    #[arg(value_name = "SERVICE")]
    pub service: LogoutService,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogoutService {
    Garmin,
    Strava,
}

/// Carry over what is new
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fitferry sync --dry-run           what would cross
  fitferry sync
  */5 * * * * fitferry sync -q --busy-ok        as a crontab line")]
pub struct SyncArgs {
    /// Show what would happen, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// End well if another run is at work
    #[arg(long)]
    pub busy_ok: bool,
}

/// Sync again and again until stopped
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// How often [default: `[sync] every`, 60s]
    #[arg(long, value_name = "DURATION", value_parser = every)]
    pub every: Option<SignedDuration>,
}

/// Carry the history over, as fast as Strava's limits allow
///
/// Oldest first, and the everyday sync goes on meanwhile. Strava takes about
/// 1,950 a day: it waits at the limits by itself, and may be stopped at any
/// moment; run it again, and it goes on where it was.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  fitferry backfill --since 2016-01-01 --dry-run      how many, and how long
  fitferry backfill --since 2016-01-01
  fitferry backfill --since 2024-01-01 --until 2024-12-31"
)]
pub struct BackfillArgs {
    /// From this day on; stands above the configured start date
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub since: Date,
    /// Up to this day [default: today]
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub until: Option<Date>,
    /// Show how many would go and how long it would take, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Show logins, counts and what is due, without a request
#[derive(Debug, Args)]
pub struct StatusArgs {}

/// List the activities, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fitferry activities --state waiting
  fitferry activities --since 2026-11-01 --json")]
pub struct ActivitiesArgs {
    /// Only those in this state: wanted, submitting, submitted, waiting, published, skipped or rejected
    #[arg(long, value_name = "STATE", value_parser = state)]
    pub state: Option<Shown>,
    /// Only those that started on this day or later
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub since: Option<Date>,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

/// Show one activity: its life, its file, both links
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Garmin's number of the activity, as in its address
    #[arg(value_name = "GARMIN_ID", value_parser = garmin_id)]
    pub id: GarminId,
}

/// Try activities again that were rejected or skipped, or wait
#[derive(Debug, Args)]
pub struct RetryArgs {
    /// Upload a rejected file as it is
    #[arg(long)]
    pub force: bool,
    /// Garmin's numbers of the activities
    #[arg(value_name = "GARMIN_ID", value_parser = garmin_id, required = true)]
    pub ids: Vec<GarminId>,
}

/// Leave activities on Garmin
#[derive(Debug, Args)]
pub struct SkipArgs {
    /// Garmin's numbers of the activities
    #[arg(value_name = "GARMIN_ID", value_parser = garmin_id, required = true)]
    pub ids: Vec<GarminId>,
}

/// Check everything, and say what to do about it
///
/// Configuration, files and who may read them, both logins, clocks, limits and
/// the ledger. Asks each service once. Ends with 1 where something was found.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct DoctorArgs {}

/// Hand over to the function on AWS
#[derive(Debug, Args)]
pub struct AwsArgs {
    #[command(subcommand)]
    pub action: AwsAction,
}

#[derive(Debug, Subcommand)]
pub enum AwsAction {
    PushCredentials(PushCredentialsArgs),
}

/// Move the logins of this machine to the cloud
///
/// From then on the cloud carries: `sync` and `watch` on this machine leave,
/// since two that use one login end it for each other. What is there already
/// and not here stays there. A login made here later is moved by another push.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  fitferry aws push-credentials --to dynamodb:fitferry
  fitferry aws push-credentials --to dynamodb:fitferry --vault secretsmanager:fitferry --yes"
)]
pub struct PushCredentialsArgs {
    /// The table, as `dynamodb:TABLE`
    #[arg(long, value_name = "URL", value_parser = store_url)]
    pub to: StoreUrl,
    /// Where the secrets live there: `store`, or `secretsmanager:PREFIX` [default: as the table says]
    #[arg(long, value_name = "VAULT", value_parser = vault_kind)]
    pub vault: Option<VaultKind>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// Move the ledger to another store
#[derive(Debug, Args)]
pub struct StoreArgs {
    #[command(subcommand)]
    pub action: StoreAction,
}

#[derive(Debug, Subcommand)]
pub enum StoreAction {
    Copy(StoreCopyArgs),
}

/// Copy the ledger to another store, which carries on with it
///
/// The first store becomes read-only. Where both know an activity, the one
/// that came further counts. Copying back is the way back. Logins stay where
/// they are: move them with `fitferry aws push-credentials`, or sign in anew.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  fitferry store copy sqlite:fitferry.db dynamodb:fitferry
  fitferry store copy dynamodb:fitferry sqlite:fitferry.db"
)]
pub struct StoreCopyArgs {
    /// The store that has the ledger, as `sqlite:FILE` or `dynamodb:TABLE`
    #[arg(value_name = "FROM", value_parser = store_url)]
    pub from: StoreUrl,
    /// The store that it goes to
    #[arg(value_name = "TO", value_parser = store_url)]
    pub to: StoreUrl,
}

fn store_url(text: &str) -> Result<StoreUrl, String> {
    text.parse()
}

fn vault_kind(text: &str) -> Result<VaultKind, String> {
    text.parse()
}

/// Where the configuration is, what is in force, whether it is right
#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    pub action: ConfigAction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum ConfigAction {
    /// Print where the file is
    Path,
    /// Show what is in force, and where each value comes from
    Show,
    /// Say whether the configuration is right, and what to change
    Check,
}

/// Print the completions of a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fitferry completions bash > ~/.local/share/bash-completion/completions/fitferry
  fitferry completions fish > ~/.config/fish/completions/fitferry.fish")]
pub struct CompletionsArgs {
    pub shell: clap_complete::Shell,
}

/// Reads the command line.
pub fn parse(argv: &[OsString]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(argv)
}

/// Whether `--json` was asked for, also where the rest of the line cannot be read.
pub fn wants_json(argv: &[OsString]) -> bool {
    argv.iter().skip(1).take_while(|word| *word != OsStr::new("--")).any(|word| word == OsStr::new("--json"))
}

/// The colour that was asked for, also where the rest of the line cannot be read.
pub fn wanted_color(argv: &[OsString]) -> Color {
    let words: Vec<&str> = argv.iter().filter_map(|word| word.to_str()).collect();
    let given = words.iter().enumerate().rev().find_map(|(index, word)| match *word {
        "--color" => words.get(index + 1).copied(),
        word => word.strip_prefix("--color="),
    });
    given.and_then(|word| Color::from_str(word, false).ok()).unwrap_or_default()
}

fn garmin_id(text: &str) -> Result<GarminId, String> {
    match text.parse() {
        Ok(id) if id > 0 => Ok(GarminId(id)),
        _ => Err("not a number as in https://connect.garmin.com/modern/activity/NUMBER".to_owned()),
    }
}

fn state(text: &str) -> Result<Shown, String> {
    Shown::from_key(text).ok_or_else(|| {
        let known: Vec<&str> = Shown::ALL.iter().map(|state| state.key()).collect();
        format!("known are {}", known.join(", "))
    })
}

fn date(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| "not a date as 2026-11-01".to_owned())
}

fn key_ends(text: &str) -> Result<KeyEnds, String> {
    match (text.parse(), text.parse()) {
        (Ok(days), _) => Ok(KeyEnds::InDays(days)),
        (_, Ok(date)) => Ok(KeyEnds::On(date)),
        _ => Err("neither a date as 2027-10-31 nor a number of days".to_owned()),
    }
}

/// How a person writes when a key ends; also asked for at a terminal.
pub fn parse_key_ends(text: &str) -> Result<KeyEnds, String> {
    key_ends(text.trim())
}

fn every(text: &str) -> Result<SignedDuration, String> {
    config::every(text)
}

#[cfg(test)]
mod tests;
