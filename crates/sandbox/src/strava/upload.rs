//! The life of an upload: taken, processed, and then an activity, a duplicate, an error or nothing
//! (dossier strava.md §2).
//!
//! Duplicates are looked for when the upload is processed, not when it arrives, so that of two that are on
//! their way at once the second to be processed is the duplicate.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::files::{self, Facts};
use super::routes::{self, Caller};
use super::{Grammar, Origin, Refusal, Strava, StravaActivity, Tell};
use crate::rng::Rng;
use crate::world::whole_seconds;

/// What a client sends.
#[derive(Clone, Debug, Default)]
pub struct NewUpload {
    pub filename: String,
    pub data_type: String,
    pub bytes: Vec<u8>,
    pub external_id: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub sport_type: Option<String>,
    pub trainer: bool,
    pub commute: bool,
}

/// What Strava keeps of it.
#[derive(Clone, Debug)]
pub struct Upload {
    pub id: u64,
    pub athlete: u64,
    pub received: Timestamp,
    /// As it is stored: with the extension.
    pub external_id: String,
    pub request: NewUpload,
    pub bytes_received: usize,
    /// Of the file as it was sent.
    pub sha256: String,
    /// Of what was in it, where it was compressed.
    content_sha256: String,
    /// When processing ends; `None`: never.
    pub ready_at: Option<Timestamp>,
    list_lag: SignedDuration,
    end: PlannedEnd,
    pub outcome: Outcome,
}

/// Where an upload stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Processing,
    Activity(u64),
    /// The activity that was there before, and the words.
    Duplicate {
        of: u64,
        error: String,
    },
    Failed {
        error: String,
    },
    /// Thrown away by Strava itself, with no error.
    Discarded,
}

/// What becomes of certain uploads.
#[derive(Clone, Debug)]
pub struct Plan {
    pub who: PlanFor,
    /// Instead of the world's processing time.
    pub processing: Option<SignedDuration>,
    /// Instead of the world's lag.
    pub list_lag: Option<SignedDuration>,
    pub end: PlannedEnd,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanFor {
    Every,
    /// The n-th upload that the world receives; the first is 1.
    Nth(usize),
    /// As the client sends it.
    ExternalId(String),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PlannedEnd {
    /// What the file deserves.
    #[default]
    Natural,
    /// Never ready.
    Pending,
    Error(String),
    /// `The created activity has been deleted.` without an activity (dossier strava.md §2.3).
    Discarded,
}

impl Strava {
    /// Takes a file. `Ok` holds the upload's id.
    pub fn upload(
        &mut self,
        caller: Caller,
        request: NewUpload,
        now: Timestamp,
        rng: &mut Rng,
    ) -> Result<u64, Refusal> {
        self.need(caller, &["activity:write"], routes::WRITE)?;
        let data_type = request.data_type.to_ascii_lowercase();
        if !files::DATA_TYPES.contains(&data_type.as_str()) {
            return Err(Refusal::Bad("Upload", "data_type", "invalid"));
        }
        let given = request.external_id.as_deref().filter(|id| !id.is_empty()).unwrap_or(&request.filename);
        let external_id = with_extension(given, &data_type);
        let content = files::unpack(&request.bytes, &data_type).unwrap_or_default();
        let plan = self.plan(&request).cloned();
        let (processing, list_lag, end) = match plan {
            None => (self.settings.processing, self.settings.list_lag, PlannedEnd::Natural),
            Some(plan) => (
                plan.processing.unwrap_or(self.settings.processing),
                plan.list_lag.unwrap_or(self.settings.list_lag),
                plan.end,
            ),
        };
        let id = self.next_upload;
        self.next_upload += 1 + rng.below(9);
        let mut upload = Upload {
            id,
            athlete: caller.athlete,
            received: now,
            external_id,
            bytes_received: request.bytes.len(),
            sha256: sha256(&request.bytes),
            content_sha256: sha256(&content),
            ready_at: (end != PlannedEnd::Pending).then(|| now + processing),
            list_lag,
            end,
            outcome: Outcome::Processing,
            request: NewUpload { data_type, ..request },
        };
        if self.settings.tell != Tell::AtPoll
            && let Some(of) = self.duplicate_of(&upload, &self.judge(&upload))
        {
            let error = self.duplicate_words(&upload, of, rng);
            if self.settings.tell == Tell::AtPost400 {
                let external_id = self.settings.external_id_in_duplicate.then_some(upload.external_id);
                return Err(Refusal::UploadError { external_id, error });
            }
            upload.outcome = Outcome::Duplicate { of, error };
        }
        self.uploads.insert(id, upload);
        Ok(id)
    }

    /// An upload of the caller, for a poll.
    pub fn upload_status(&self, caller: Caller, id: u64) -> Result<&Upload, Refusal> {
        self.need(caller, &["activity:write"], routes::WRITE)?;
        let upload = self.uploads.get(&id).filter(|upload| upload.athlete == caller.athlete);
        upload.ok_or(Refusal::NotFound("Upload"))
    }

    /// Ends one upload. Its time is its own `ready_at`, not the moment at which somebody asks.
    pub(super) fn process(&mut self, id: u64, rng: &mut Rng) {
        let Some(mut upload) = self.uploads.get(&id).cloned() else { return };
        let at = upload.ready_at.unwrap_or(upload.received);
        let judged = self.judge(&upload);
        upload.outcome = match (&upload.end, judged) {
            (PlannedEnd::Error(error), _) => Outcome::Failed { error: error.clone() },
            (PlannedEnd::Discarded, _) => Outcome::Discarded,
            (_, Err(error)) => Outcome::Failed { error: error.to_owned() },
            (_, Ok(facts)) => match self.duplicate_of(&upload, &Ok(facts.clone())) {
                Some(of) => Outcome::Duplicate { of, error: self.duplicate_words(&upload, of, rng) },
                None => {
                    let activity = self.activity_of(&upload, facts, at);
                    Outcome::Activity(self.add(activity))
                }
            },
        };
        if !self.settings.keep_bytes {
            upload.request.bytes = Vec::new();
        }
        self.uploads.insert(id, upload);
    }

    fn judge(&self, upload: &Upload) -> Result<Facts, &'static str> {
        let content = files::unpack(&upload.request.bytes, &upload.request.data_type)?;
        files::judge(&content, &upload.request.data_type)
    }

    fn plan(&self, request: &NewUpload) -> Option<&Plan> {
        let number = self.uploads.len() + 1;
        self.plans.iter().find(|plan| match &plan.who {
            PlanFor::Every => true,
            PlanFor::Nth(n) => *n == number,
            PlanFor::ExternalId(id) => request.external_id.as_ref() == Some(id),
        })
    }

    fn duplicate_of(&self, upload: &Upload, facts: &Result<Facts, &'static str>) -> Option<u64> {
        let policy = self.settings.duplicates;
        let span = facts.as_ref().ok().and_then(|facts| {
            let start = facts.start?;
            Some((start, start + SignedDuration::from_secs(whole_seconds(facts.elapsed_s.unwrap_or(0.0)))))
        });
        let is_same = |activity: &&StravaActivity| {
            let content = self.content_of(activity);
            (policy.same_bytes && content == Some(&upload.content_sha256))
                || (policy.same_external_id && activity.external_id.as_ref() == Some(&upload.external_id))
                || (policy.overlap
                    && span.is_some_and(|(start, end)| activity.start < end && start < activity.end()))
        };
        self.of_athlete(upload.athlete).find(is_same).map(|activity| activity.id)
    }

    fn content_of<'a>(&'a self, activity: &'a StravaActivity) -> Option<&'a String> {
        match activity.origin {
            Origin::Upload(id) => self.uploads.get(&id).map(|upload| &upload.content_sha256),
            Origin::GarminLink | Origin::Other => activity.sha256.as_ref(),
        }
    }

    fn duplicate_words(&self, upload: &Upload, of: u64, rng: &mut Rng) -> String {
        let name = &upload.external_id;
        let link = match self.settings.grammar {
            Grammar::Plain => false,
            Grammar::Link => true,
            Grammar::Either => rng.chance(50),
        };
        if !link {
            return format!("{name} duplicate of activity {of}");
        }
        let title = self.activities.get(&of).map_or("", |activity| activity.name.as_str());
        format!("{name} duplicate of <a href='/activities/{of}' target='_blank'>{title}</a>")
    }

    fn activity_of(&self, upload: &Upload, facts: Facts, at: Timestamp) -> StravaActivity {
        let request = &upload.request;
        let athlete = self.athletes.get(&upload.athlete);
        let start = facts.start.unwrap_or(upload.received);
        let elapsed_s = facts.elapsed_s.unwrap_or(0.0);
        let known = |sport: &&String| super::json::SPORT_TYPES.contains(&sport.as_str());
        let sport_type = request.sport_type.as_ref().filter(known).cloned().unwrap_or(facts.sport_type);
        let offset_s = athlete.map_or(0, |athlete| athlete.utc_offset_s);
        let name = request.name.clone().filter(|name| !name.is_empty());
        StravaActivity {
            name: name.unwrap_or_else(|| generated_name(start, offset_s, &sport_type)),
            description: request.description.clone(),
            distance_m: facts.distance_m.unwrap_or(0.0),
            external_id: Some(upload.external_id.clone()),
            origin: Origin::Upload(upload.id),
            upload_id: Some(upload.id),
            visibility: athlete.map_or(super::Visibility::Everyone, |athlete| athlete.default_visibility),
            start_hidden: self.settings.hide_starts,
            trainer: request.trainer || !facts.has_gps,
            commute: request.commute,
            has_gps: facts.has_gps,
            device_name: Some("Garmin Forerunner 965".to_owned()),
            sha256: Some(upload.sha256.clone()),
            created: at,
            listed_from: at + upload.list_lag,
            detail_from: at + self.settings.detail_lag,
            ..StravaActivity::other(upload.athlete, "", &sport_type, start, elapsed_s)
        }
    }
}

/// The stored form of an external id: the extension is appended unless it is there (dossier strava.md §2.5).
fn with_extension(external_id: &str, data_type: &str) -> String {
    let extension = format!(".{}", data_type.trim_end_matches(".gz"));
    let bare = external_id.strip_suffix(".gz").unwrap_or(external_id);
    if bare.ends_with(&extension) { bare.to_owned() } else { format!("{bare}{extension}") }
}

/// "Morning Run": the time of day and the sport.
fn generated_name(start: Timestamp, utc_offset_s: i32, sport_type: &str) -> String {
    let local = start + SignedDuration::from_secs(i64::from(utc_offset_s));
    let time_of_day = match jiff::tz::Offset::UTC.to_datetime(local).hour() {
        4..=10 => "Morning",
        11..=13 => "Lunch",
        14..=16 => "Afternoon",
        17..=20 => "Evening",
        _ => "Night",
    };
    format!("{time_of_day} {sport_type}")
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
