//! The doors: everything that the engine may touch, and nothing else.
//!
//! A port makes **one attempt** and reports. Waiting, repeating and deciding belong to the engine; the
//! one exception is the rule *Tokens*: a client refreshes its token and replays a request once after a
//! 401, since only it knows that the 401 was about the token.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use secrecy::SecretString;

use crate::activity::{FileKind, Found, GarminId, Listed, Sha256, StravaId, Summary, UploadId};
use crate::budget::{Full, Kind, Purpose, Reading, View};
use crate::head::Head;
use crate::ledger::{Counts, RejectReason, Row, StateName};

/// One of the two services that an activity crosses between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    Garmin,
    Strava,
}

impl Service {
    /// As it is written in commands: `login garmin`.
    pub fn key(self) -> &'static str {
        match self {
            Service::Garmin => "garmin",
            Service::Strava => "strava",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Service::Garmin => "Garmin",
            Service::Strava => "Strava",
        })
    }
}

/// A value, and what came with it.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    pub value: T,
    /// Strava's account of requests after this answer; `None` from Garmin.
    pub usage: Option<View>,
    /// The service's `Date` (rule *Time*).
    pub server_time: Option<Timestamp>,
}

/// Why a request did not bring what was asked for, by what the engine does about it (rule *Blame*).
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PortError {
    /// The token endpoint refused the login, a scope is missing, or there is no login at all.
    #[error("{service} needs a login: {why}")]
    LoginNeeded { service: Service, why: String },
    /// The client id or secret is wrong: a matter of configuration, not of signing in again.
    #[error("{service} refuses the app's credentials: {what}")]
    Misconfigured { service: Service, what: String },
    /// 429. `retry_after` as the service gave it; `until` where the service's windows tell it.
    #[error("{service} limits us (429){}", until_text(*until))]
    Limited { service: Service, until: Option<Timestamp>, retry_after: Option<Duration> },
    /// 403 Application/Status/Inactive (dossier strava.md §7).
    #[error("the Strava application is inactive (403 Application/Status/Inactive)")]
    AppInactive { until: Option<Timestamp> },
    /// Our own account says that the request would be answered 429; it was not made.
    #[error("the request budget of the Strava application is used up until {until}")]
    BudgetFull { until: Timestamp },
    /// 5xx, no network, a cut or unreadable answer.
    #[error("{service} is not reachable: {what}")]
    Down { service: Service, status: Option<u16>, what: String },
    /// Any other refusal: a 3xx, another 4xx, HTML where JSON was promised.
    #[error("{service} answered something unexpected: {what}")]
    Refused { service: Service, status: Option<u16>, what: String },
    /// The moment before which a request may begin has passed; nobody's trouble.
    #[error("no time was left to begin the request")]
    OutOfTime,
    /// Logins or ledger of this athlete moved to another store, which alone may carry now.
    #[error("this athlete moved to {to}")]
    Moved { to: String },
    /// Another run holds the lease that a token refresh needs.
    #[error("another run of fitferry is at work")]
    Busy,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PortError {
    /// What was seen, without the frame that says which service it was.
    pub fn detail(&self) -> String {
        match self {
            PortError::LoginNeeded { why, .. } => why.clone(),
            PortError::Misconfigured { what, .. }
            | PortError::Down { what, .. }
            | PortError::Refused { what, .. } => what.clone(),
            PortError::Limited { .. }
            | PortError::AppInactive { .. }
            | PortError::BudgetFull { .. }
            | PortError::OutOfTime
            | PortError::Moved { .. }
            | PortError::Busy
            | PortError::Store(_) => self.to_string(),
        }
    }
}

fn until_text(until: Option<Timestamp>) -> String {
    until.map(|until| format!(" until {until}")).unwrap_or_default()
}

/// An error, and what came with it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    #[source]
    pub error: PortError,
    pub usage: Option<View>,
    pub server_time: Option<Timestamp>,
}

impl From<PortError> for Failure {
    fn from(error: PortError) -> Failure {
        Failure { error, usage: None, server_time: None }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        PortError::Store(error).into()
    }
}

// ---------------------------------------------------------------------------------------- Garmin

/// Which part of Garmin's list, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Offset of the first one, 0 is the newest.
    pub start: u32,
    pub limit: u32,
    /// First and last local start date, both included; `None` is no limit.
    pub from: Option<Date>,
    pub to: Option<Date>,
}

/// Where activities come from: Garmin in life.
#[async_trait]
pub trait Source: Send + Sync {
    /// One page of the list: one request, and an error rather than a partial page.
    async fn list(&self, page: Page) -> Result<Answer<Vec<Listed>>, Failure>;

    /// The original file, unzipped and looked into. What is about this very activity is a value, what is
    /// about the service is an error.
    async fn download(&self, id: GarminId) -> Result<Answer<Download>, Failure>;

    /// Tells apart the keys that it may bring itself, so that the vault need not hold a login; `None`: it
    /// brings none.
    fn own_key(&self) -> Option<u64> {
        None
    }

    /// When the bearer wants to be renewed, as far as this process knows; no request.
    fn bearer_due(&self) -> Option<Timestamp>;
}

/// What a download brought.
#[derive(Clone, Debug, PartialEq)]
pub enum Download {
    File(Original),
    /// 404 or 410: Garmin has no file, or does not serve it yet.
    NoFile,
    /// 500, or 400/403 with a JSON body: about this activity, and perhaps only for now.
    Unavailable(String),
    /// A fault of transport: wrong ZIP CRC; a body that is cut, empty, or neither a ZIP nor an original.
    Broken(String),
    /// Nothing in it that could be sent, and asking again would not change that (*Judge little*).
    Unfit {
        reason: RejectReason,
        detail: String,
    },
}

/// An original file, byte for byte as Garmin handed it out.
#[derive(Clone, PartialEq)]
pub struct Original {
    pub bytes: FileBytes,
    pub kind: FileKind,
    pub sha256: Sha256,
    pub summary: Summary,
    /// Damage seen inside the file: told, never a reason not to send it (*Judge little*).
    pub damage: Option<String>,
    /// Why it is not sent unless the user insists: an empty file, no activity.
    pub objection: Option<(RejectReason, String)>,
}

impl fmt::Debug for Original {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Original")
            .field("bytes", &self.bytes.len())
            .field("kind", &self.kind)
            .field("sha256", &self.sha256)
            .field("summary", &self.summary)
            .field("damage", &self.damage)
            .field("objection", &self.objection)
            .finish()
    }
}

/// The bytes of a file, cheap to clone.
pub type FileBytes = std::sync::Arc<[u8]>;

// ---------------------------------------------------------------------------------------- Strava

/// A span of start times to look over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub after: Timestamp,
    pub before: Timestamp,
}

impl Window {
    /// Whether all of `other` lies within this one.
    pub fn covers(&self, other: &Window) -> bool {
        self.after <= other.after && other.before <= self.before
    }

    /// Whether a moment lies within this one.
    pub fn contains(&self, moment: Timestamp) -> bool {
        self.after <= moment && moment <= self.before
    }

    /// The older and the newer half; they meet in the middle.
    pub fn halves(&self) -> [Window; 2] {
        let half = self.after.duration_until(self.before) / 2;
        let middle = self.after.saturating_add(half).unwrap_or(self.before);
        [Window { after: self.after, before: middle }, Window { after: middle, before: self.before }]
    }
}

/// What a complete look over a window showed.
#[derive(Clone, Debug, PartialEq)]
pub struct Sight {
    pub found: Vec<Found>,
    /// With `activity:read_all`; without it no look proves absence (*Doubt*).
    pub sees_private: bool,
}

/// The outcome of a look.
#[derive(Clone, Debug, PartialEq)]
pub enum Look {
    /// Everything in the window; or, where the look was told what to stop at, all of that.
    Complete(Sight),
    /// More pages than a look may read; nothing is said about absence. Halve the window.
    TooWide,
}

/// One upload. The request starts before `start_before` on the monotonic clock or not at all (*Intent*).
#[derive(Clone, Debug)]
pub struct Upload {
    pub id: GarminId,
    pub kind: FileKind,
    pub bytes: FileBytes,
    /// Garmin's title.
    pub name: Option<String>,
    /// Monotonic moment before which the first byte leaves.
    pub start_before: Duration,
    /// Total time of the request at most.
    pub timeout: Duration,
    /// Monotonic end of the run, where it has one: the timeout is cut to end 1 s before it.
    pub deadline: Option<Duration>,
}

/// An upload that Strava answered about this file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    Accepted(UploadId),
    /// Strava says that it has it; `of` where it names the activity. `upload` where it gave one.
    Duplicate {
        of: Option<StravaId>,
        text: String,
    },
    /// 400, 413, 422, or an error told at once: about this file.
    Refused(String),
}

/// An upload that Strava did not answer about this file.
#[derive(Clone, Debug)]
pub enum SendError {
    /// No byte of the body left us, or the answer says that nothing was taken.
    NotTaken(Failure),
    /// It may have arrived (*Doubt*).
    InDoubt(Failure),
}

/// What became of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Processing {
    Pending,
    Ready(StravaId),
    Duplicate {
        of: Option<StravaId>,
        text: String,
    },
    Failed(String),
    /// The created activity has been deleted.
    Deleted,
    /// Strava does not know the upload id; counts as pending.
    Unknown,
}

/// Where activities go: Strava in life.
///
/// Every request is charged to the budget before it leaves and the budget is corrected by every answer.
#[async_trait]
pub trait Destination: Send + Sync {
    /// All activities that start within the window, complete or an error. `stop_at`: end as soon as all of
    /// these uploads were shown; empty for a look that must be complete.
    async fn find(&self, window: Window, stop_at: &BTreeSet<UploadId>) -> Result<Answer<Look>, Failure>;

    /// Sends the file as it is.
    async fn upload(&self, upload: &Upload) -> Result<Answer<Sent>, SendError>;

    /// Asks what became of one upload.
    async fn confirm(&self, upload: UploadId) -> Result<Answer<Processing>, Failure>;

    /// The account of requests of the app that is signed in, without a request; `None` without a login.
    async fn budget(&self, now: Timestamp) -> Result<Option<View>, StoreError>;
}

// ---------------------------------------------------------------------------------------- store

/// A store that cannot be read or written: disk full, read-only, locked, damaged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct StoreError {
    pub what: String,
    /// What to do now: one imperative sentence.
    pub help: String,
}

/// A conditional write that did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// Somebody else wrote in between, or our lease has passed to another run.
    #[error("another run of fitferry is at work")]
    Conflict,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Counts the writes of one item; a write names the version that it replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u64);

impl Version {
    /// The item does not exist yet.
    pub const ABSENT: Version = Version(0);
    /// The first version of a row; rows are never removed.
    pub const FIRST: Version = Version(1);
}

/// The number of a lease; grows with every taking, so that a write under an old one is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence(pub u64);

/// Which rows a listing shows, newest start first.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// As it is kept; what is *shown* as waiting is worked out from the open rows.
    pub state: Option<StateName>,
    /// Local start date.
    pub since: Option<Date>,
    pub limit: Option<u32>,
}

/// The life of every activity, and the head. One athlete's.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// One read; the default head and [`Version::ABSENT`] where there is none.
    async fn head(&self) -> Result<(Head, Version), StoreError>;
    async fn put_head(&self, expected: Version, head: &Head, fence: Fence) -> Result<Version, PutError>;
    async fn get(&self, id: GarminId) -> Result<Option<(Row, Version)>, StoreError>;
    async fn list(&self, filter: &Filter) -> Result<Vec<Row>, StoreError>;
    /// Which of these have a row.
    async fn known(&self, ids: &[GarminId]) -> Result<BTreeSet<GarminId>, StoreError>;
    /// All open rows, through an index.
    async fn open(&self) -> Result<Vec<(Row, Version)>, StoreError>;
    async fn put(&self, row: &Row, expected: Version, fence: Fence) -> Result<Version, PutError>;
    /// Puts those that are absent, each at [`Version::FIRST`]; returns the ones that it put. All or none, as
    /// far as the store can put them at once; a store that cannot puts them in chunks, in the order given,
    /// each chunk all or none, and an error may come after some of them.
    ///
    /// That is safe where the oldest start comes first, as `engine/look.rs` gives them: what was not put is
    /// then newer than what was, so the next look meets it before a page without an unknown id ends the look,
    /// and neither the fingerprint nor the sweep's progress is kept until all of it is in. (A row without a
    /// start comes last, wherever the list shows it: there the sweep finds it.)
    async fn add(&self, rows: &[Row], fence: Fence) -> Result<Vec<GarminId>, PutError>;
    /// Counts every row: only for a head whose own counts cannot be trusted.
    async fn count(&self) -> Result<Counts, StoreError>;
}

/// What is kept in the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretName {
    /// Tier, domain, key or tokens.
    GarminLogin,
    /// The bearer in force, apart from the login, so that an idle tick reads it with the head.
    GarminBearer,
    /// Client id and secret, athlete, scopes, tokens.
    StravaLogin,
    /// Until when no password is tried at Garmin. It names accounts, if only by their hashes.
    GarminCoolDowns,
}

impl SecretName {
    pub const ALL: [SecretName; 4] = [
        SecretName::GarminLogin,
        SecretName::GarminBearer,
        SecretName::StravaLogin,
        SecretName::GarminCoolDowns,
    ];

    pub fn key(self) -> &'static str {
        match self {
            SecretName::GarminLogin => "garmin_login",
            SecretName::GarminBearer => "garmin_bearer",
            SecretName::StravaLogin => "strava_login",
            SecretName::GarminCoolDowns => "garmin_cool_downs",
        }
    }
}

/// All secrets of one athlete.
#[async_trait]
pub trait Vault: Send + Sync {
    /// May be answered from what this process read with the head.
    async fn get(&self, name: SecretName) -> Result<Option<(SecretString, Version)>, StoreError>;
    /// Reads again: another process may have refreshed (*Tokens*).
    async fn get_fresh(&self, name: SecretName) -> Result<Option<(SecretString, Version)>, StoreError>;
    /// Knows the version and no fence: a pair read from an answer is kept even by a run that has lost its
    /// lease.
    async fn replace(
        &self,
        name: SecretName,
        expected: Version,
        new: &SecretString,
    ) -> Result<Version, PutError>;
    async fn remove(&self, name: SecretName) -> Result<(), StoreError>;
}

/// A Strava app, by its client id: what a budget belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AppId(pub String);

/// The account of requests per Strava app, shared by all athletes of a store.
#[async_trait]
pub trait Budget: Send + Sync {
    /// One atomic add before each request; `Err(Full)` means that the request must not be made.
    async fn charge(
        &self,
        app: &AppId,
        kind: Kind,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Result<(), Full>, StoreError>;
    /// Corrects to the larger of the own count and the header, and returns the account.
    async fn correct(&self, app: &AppId, reading: &Reading, at: Timestamp) -> Result<View, StoreError>;
    /// Keeps a 429's or an inactive app's pause with the account.
    async fn pause(&self, app: &AppId, full: Full) -> Result<(), StoreError>;
    /// Ends all pauses but a 429's.
    async fn clear(&self, app: &AppId) -> Result<(), StoreError>;
    async fn view(&self, app: &AppId, now: Timestamp) -> Result<View, StoreError>;
}

/// The right to write and to talk to Strava, for one run at a time.
#[async_trait]
pub trait Lease: Send + Sync {
    /// `None`: another run has it. Taken again by the run that holds it: the same fence.
    async fn take(&self, until: Timestamp) -> Result<Option<Fence>, StoreError>;
    /// `false`: it is lost.
    async fn renew(&self, until: Timestamp) -> Result<bool, StoreError>;
    async fn release(&self) -> Result<(), StoreError>;
    /// The fence of this run, where it holds the lease.
    fn held(&self) -> Option<Fence>;
}

/// Time, as the machine gives it.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The wall clock; it may jump.
    fn now(&self) -> Timestamp;
    /// Never goes back and counts the time that a laptop sleeps.
    fn monotonic(&self) -> Duration;
    async fn sleep(&self, duration: Duration);
    /// The monotonic moment at which this process must have answered, where somebody set one: no request
    /// is pending then.
    fn deadline(&self) -> Option<Duration> {
        None
    }
}

/// A request ends this much before the deadline, so that what it brought can still be kept.
const BEFORE_DEADLINE: Duration = Duration::from_secs(1);

/// A token is not asked for with less time left than this: a pair that the service has rotated and nobody
/// reads is lost (*Tokens*).
pub const TOKEN_NEEDS: Duration = Duration::from_secs(3);

/// How long a request may take, given the time that it would be given without a deadline; `None`: too little
/// is left to begin it. `needs`: what it takes in any case to be worth beginning.
pub fn time_for_request(clock: &dyn Clock, timeout: Duration, needs: Duration) -> Option<Duration> {
    let Some(deadline) = clock.deadline() else { return Some(timeout) };
    let left = deadline.saturating_sub(clock.monotonic()).saturating_sub(BEFORE_DEADLINE);
    (left >= needs && !left.is_zero()).then(|| timeout.min(left))
}

/// Counts the requests of one run, by where they go.
#[derive(Debug, Default)]
pub struct Meter {
    garmin: AtomicU32,
    strava: AtomicU32,
    tokens: AtomicU32,
}

impl Meter {
    pub fn garmin(&self) {
        self.garmin.fetch_add(1, Ordering::Relaxed);
    }

    pub fn strava(&self) {
        self.strava.fetch_add(1, Ordering::Relaxed);
    }

    pub fn token(&self) {
        self.tokens.fetch_add(1, Ordering::Relaxed);
    }

    pub fn read(&self) -> Requests {
        Requests {
            garmin: self.garmin.load(Ordering::Relaxed),
            strava: self.strava.load(Ordering::Relaxed),
            tokens: self.tokens.load(Ordering::Relaxed),
        }
    }
}

/// Requests made; those to token endpoints are counted apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    pub garmin: u32,
    pub strava: u32,
    pub tokens: u32,
}

impl std::ops::Sub for Requests {
    type Output = Requests;

    fn sub(self, earlier: Requests) -> Requests {
        Requests {
            garmin: self.garmin - earlier.garmin,
            strava: self.strava - earlier.strava,
            tokens: self.tokens - earlier.tokens,
        }
    }
}

/// Everything that the engine may touch: no globals.
#[derive(Clone, Copy)]
pub struct Ports<'a> {
    pub source: &'a dyn Source,
    pub destination: &'a dyn Destination,
    pub ledger: &'a dyn Ledger,
    pub vault: &'a dyn Vault,
    pub lease: &'a dyn Lease,
    pub clock: &'a dyn Clock,
    pub meter: &'a Meter,
}
