//! Strava: apps, athletes, grants, uploads, activities, and the account of requests.
//!
//! What Strava does not publish is a setting ([`Settings`]); the defaults are the ones that the dossier thinks
//! likely. Nothing here happens by itself: [`Strava::settle`] brings uploads to their end as far as `now` allows.
//!
//! Not here: Garmin's own link, which writes into both halves of the world (`world`).

mod activity;
mod consent;
mod files;
mod json;
mod limits;
mod list;
mod oauth;
mod refusal;
mod routes;
mod upload;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

pub use activity::{Origin, StravaActivity, Visibility};
pub use files::Facts;
pub use json::Standing;
pub use limits::{Limits, PerWindow, Usage};
pub use list::ListQuery;
pub use oauth::{Grant, Rotation, TokenPair};
pub use refusal::Refusal;
pub use routes::{Caller, Class};
pub use upload::sha256;
pub use upload::{NewUpload, Outcome, Plan, PlanFor, PlannedEnd, Upload};

/// The app that [`Strava::default`] comes with.
pub const CLIENT_ID: u64 = 12_345;

/// Its secret.
pub const CLIENT_SECRET: &str = "5a5dbecafe0123456789abcdef5a5dbecafe0123";

/// The athlete that [`Strava::default`] comes with.
pub const ATHLETE: u64 = 2_000_001;

/// Strava's half of the world.
#[derive(Clone, Debug)]
pub struct Strava {
    pub apps: BTreeMap<u64, App>,
    pub athletes: BTreeMap<u64, StravaAthlete>,
    pub uploads: BTreeMap<u64, Upload>,
    pub activities: BTreeMap<u64, StravaActivity>,
    pub settings: Settings,
    /// What becomes of certain uploads, other than the usual. The first that fits counts.
    pub plans: Vec<Plan>,
    /// Who is signed in where the consent page opens.
    pub browser: u64,
    oauth: oauth::OAuth,
    next_upload: u64,
    next_activity: u64,
}

/// An app as its owner registered it.
#[derive(Clone, Debug)]
pub struct App {
    pub name: String,
    pub secret: String,
    /// False: the owner has no subscription; data calls answer 403, OAuth goes on (dossier strava.md §7).
    pub active: bool,
    /// How many athletes may be connected.
    pub capacity: u32,
    pub limits: Limits,
    pub usage: Usage,
    /// Beside `localhost` and `127.0.0.1`, which are always allowed (dossier strava.md §1.2).
    pub callback_domain: String,
}

#[derive(Clone, Debug)]
pub struct StravaAthlete {
    pub username: String,
    pub firstname: String,
    pub lastname: String,
    pub default_visibility: Visibility,
    /// Strava takes it from the place; here it is the athlete's.
    pub utc_offset_s: i32,
    /// As in `(GMT+01:00) Europe/Berlin`.
    pub timezone: String,
}

/// Which earlier activities make an upload a duplicate (dossier strava.md §2.4: unpublished).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duplicates {
    pub same_bytes: bool,
    pub same_external_id: bool,
    pub overlap: bool,
}

impl Duplicates {
    pub const NONE: Duplicates = Duplicates { same_bytes: false, same_external_id: false, overlap: false };
    pub const LIKELY: Duplicates = Duplicates { same_bytes: true, same_external_id: true, overlap: false };
    pub const ALL: Duplicates = Duplicates { same_bytes: true, same_external_id: true, overlap: true };
}

/// The words in which a duplicate is told (dossier strava.md §2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// `… duplicate of activity 8319193780`
    Plain,
    /// `… duplicate of <a href='/activities/99' target='_blank'>TITLE</a>`
    Link,
    /// One of the two, by the world's dice.
    Either,
}

/// When a duplicate of something that is there already is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tell {
    AtPoll,
    /// The answer to the upload is 201 and has the error already.
    AtPost201,
    /// The upload is answered 400 in the shape of an upload.
    AtPost400,
}

/// The body of a 429 (dossier strava.md §4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitBody {
    RateLimit,
    OverallRateLimit,
    /// `errors` is a string.
    OldStrings,
    Any,
}

/// What Strava may do one way or the other.
#[derive(Clone, Debug)]
pub struct Settings {
    /// From the upload to "ready".
    pub processing: SignedDuration,
    /// From "ready" to the first list that shows it.
    pub list_lag: SignedDuration,
    /// From "ready" to the first GET or PUT that is not 404.
    pub detail_lag: SignedDuration,
    pub duplicates: Duplicates,
    pub grammar: Grammar,
    pub tell: Tell,
    /// Whether the 201 shows the external id; recordings have null (dossier strava.md §2.2).
    pub external_id_at_post: bool,
    /// Whether a duplicate's answer shows it: null in 2023, filled in 2026 (dossier strava.md §2.3).
    pub external_id_in_duplicate: bool,
    pub rotation: Rotation,
    pub limit_body: LimitBody,
    /// Pages that are not the last may be short, down to three quarters (dossier strava.md §3.1).
    pub short_pages: bool,
    /// Activities that arrive hide their start time.
    pub hide_starts: bool,
    /// Keep the bytes of every upload, and not only their hash.
    pub keep_bytes: bool,
    pub code_lifetime: SignedDuration,
    pub token_lifetime: SignedDuration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            processing: SignedDuration::from_secs(2),
            list_lag: SignedDuration::ZERO,
            detail_lag: SignedDuration::ZERO,
            duplicates: Duplicates::LIKELY,
            grammar: Grammar::Either,
            tell: Tell::AtPoll,
            external_id_at_post: false,
            external_id_in_duplicate: false,
            rotation: Rotation::OnMint,
            limit_body: LimitBody::Any,
            short_pages: false,
            hide_starts: false,
            keep_bytes: false,
            code_lifetime: SignedDuration::from_mins(10),
            token_lifetime: SignedDuration::from_hours(6),
        }
    }
}

impl Default for Strava {
    /// One active app with the limits of a new one, one athlete, no grant, no activity.
    fn default() -> Strava {
        let app = App {
            name: "My own sync".to_owned(),
            secret: CLIENT_SECRET.to_owned(),
            active: true,
            capacity: 1,
            limits: Limits::NEW_APP,
            usage: Usage::default(),
            callback_domain: "localhost".to_owned(),
        };
        let athlete = StravaAthlete {
            username: "sample_athlete".to_owned(),
            firstname: "Sample".to_owned(),
            lastname: "Athlete".to_owned(),
            default_visibility: Visibility::Everyone,
            utc_offset_s: 3600,
            timezone: "(GMT+01:00) Europe/Berlin".to_owned(),
        };
        Strava {
            apps: BTreeMap::from([(CLIENT_ID, app)]),
            athletes: BTreeMap::from([(ATHLETE, athlete)]),
            uploads: BTreeMap::new(),
            activities: BTreeMap::new(),
            settings: Settings::default(),
            plans: Vec::new(),
            browser: ATHLETE,
            oauth: oauth::OAuth::default(),
            // Both passed 2^32 years ago (dossier strava.md §1.8).
            next_upload: 17_400_000_001,
            next_activity: 16_300_000_001,
        }
    }
}

impl Strava {
    /// Puts an activity there, as another way than an upload does. An id of 0 is replaced; the id is returned.
    pub fn add(&mut self, mut activity: StravaActivity) -> u64 {
        if activity.id == 0 {
            activity.id = self.next_activity;
        }
        self.next_activity = self.next_activity.max(activity.id + 1);
        let id = activity.id;
        self.activities.insert(id, activity);
        id
    }

    /// What its owner does on the web page. Later uploads are no duplicates of it.
    pub fn delete(&mut self, id: u64) {
        if let Some(activity) = self.activities.get_mut(&id) {
            activity.deleted = true;
        }
    }

    /// The activities of an athlete that are not deleted, listed already or not, by id.
    pub fn of_athlete(&self, athlete: u64) -> impl Iterator<Item = &StravaActivity> {
        self.activities.values().filter(move |activity| activity.athlete == athlete && !activity.deleted)
    }

    /// Brings to their end all uploads whose time has come.
    pub fn settle(&mut self, now: Timestamp, rng: &mut crate::rng::Rng) {
        while let Some((_, id)) = self.next_due(now) {
            self.process(id, rng);
        }
    }

    /// The upload that ends next, and when.
    pub(crate) fn next_due(&self, now: Timestamp) -> Option<(Timestamp, u64)> {
        let waiting = self.uploads.values().filter(|upload| upload.outcome == Outcome::Processing);
        waiting.filter_map(|upload| Some((upload.ready_at?, upload.id))).filter(|(at, _)| *at <= now).min()
    }
}
