//! Strava's JSON, read as it really arrives: everything may be missing, null, or of another type
//! (dossier strava.md §3.2). Private to this crate.

use fitferry_core::activity::{Distance, Found, StravaId, UploadId, elapsed_from_number};
use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::login::Athlete;

/// A field that has another type than expected counts as missing.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

/// Ids are 64 bit, as a number or as digits.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let number = match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_u64(),
        Value::String(digits) => digits.trim().parse().ok(),
        _ => None,
    };
    Ok(number.filter(|id| *id > 0))
}

/// One item of `GET /athlete/activities`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SummaryActivity {
    #[serde(deserialize_with = "id")]
    id: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    external_id: Option<String>,
    #[serde(deserialize_with = "id")]
    upload_id: Option<u64>,
    #[serde(deserialize_with = "id")]
    upload_id_str: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    start_date: Option<String>,
    #[serde(deserialize_with = "lenient")]
    start_date_local: Option<String>,
    #[serde(deserialize_with = "lenient")]
    elapsed_time: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    moving_time: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    distance: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    sport_type: Option<String>,
    #[serde(deserialize_with = "lenient", rename = "type")]
    activity_type: Option<String>,
}

impl SummaryActivity {
    /// `None` for what is no object: serde would take a list for one, field by field.
    pub(crate) fn read(item: Value) -> Option<SummaryActivity> {
        item.is_object().then(|| serde_json::from_value(item).ok())?
    }

    /// `None` without a usable id.
    pub(crate) fn found(self) -> Option<Found> {
        let id = StravaId(self.id?);
        let local = self.start_date_local.as_deref().and_then(wall_time);
        // A hidden start is told as one second after midnight (§3.1).
        let start_hidden = local.is_some_and(|local| local.time() == Time::constant(0, 0, 1, 0));
        let start = self.start_date.as_deref().and_then(utc).filter(|_| !start_hidden);
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        Some(Found {
            id,
            name: some(self.name),
            external_id: some(self.external_id),
            upload_id: self.upload_id.or(self.upload_id_str).map(UploadId),
            start,
            start_hidden,
            local_date: local.map(DateTime::date),
            elapsed: self.elapsed_time.and_then(elapsed_from_number),
            moving: self.moving_time.and_then(elapsed_from_number),
            distance: self.distance.and_then(Distance::from_meters),
            sport_type: some(self.sport_type).or_else(|| some(self.activity_type)),
        })
    }
}

/// Local times end with a `Z` that does not mean UTC (§3.2).
fn wall_time(text: &str) -> Option<DateTime> {
    text.get(..19)?.parse().ok()
}

fn utc(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        let wall = (text.len() == 19).then(|| wall_time(text))??;
        jiff::tz::Offset::UTC.to_timestamp(wall).ok()
    })
}

/// The answer to an upload and to the question what became of it (§2.2, §2.3).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct UploadAnswer {
    #[serde(deserialize_with = "id")]
    id: Option<u64>,
    #[serde(deserialize_with = "id")]
    id_str: Option<u64>,
    error: Value,
    #[serde(deserialize_with = "lenient")]
    status: Option<String>,
    #[serde(deserialize_with = "id")]
    activity_id: Option<u64>,
}

impl UploadAnswer {
    pub(crate) fn id(&self) -> Option<UploadId> {
        self.id.or(self.id_str).map(UploadId)
    }

    pub(crate) fn activity(&self) -> Option<StravaId> {
        self.activity_id.map(StravaId)
    }

    /// `None` where there is no error; one that is no text is told as it is.
    pub(crate) fn error(&self) -> Option<String> {
        let text = match &self.error {
            Value::Null | Value::Bool(false) => return None,
            Value::String(text) => text.trim().to_owned(),
            Value::Array(list) if list.is_empty() => return None,
            Value::Object(object) if object.is_empty() => return None,
            other => other.to_string(),
        };
        (!text.is_empty()).then_some(text)
    }

    /// Lower case and trimmed, for comparing.
    pub(crate) fn status(&self) -> String {
        self.status.as_deref().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// As Strava wrote it.
    pub(crate) fn status_text(&self) -> &str {
        self.status.as_deref().unwrap_or_default()
    }
}

/// The answer of the token endpoint (§1.4, §1.5).
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct TokenAnswer {
    #[serde(deserialize_with = "lenient")]
    pub(crate) access_token: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) refresh_token: Option<String>,
    #[serde(deserialize_with = "lenient")]
    expires_at: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    expires_in: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    athlete: Option<Map<String, Value>>,
}

impl TokenAnswer {
    /// With the code grant only.
    pub(crate) fn athlete(&self) -> Option<Athlete> {
        let athlete = Value::Object(self.athlete.clone()?);
        serde_json::from_value::<AthleteAnswer>(athlete).ok()?.athlete()
    }

    /// In service time; `now` is the service's.
    pub(crate) fn expires_at(&self, now: Timestamp) -> Option<Timestamp> {
        let seconds = |number: f64| jiff::SignedDuration::try_from_secs_f64(number).ok();
        let at = self.expires_at.filter(|at| *at > 0.0).and_then(seconds);
        let absolute = at.and_then(|at| Timestamp::UNIX_EPOCH.checked_add(at).ok());
        absolute.or_else(|| now.checked_add(seconds(self.expires_in?)?).ok())
    }
}

/// `GET /athlete`, and what the code grant tells of the athlete.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AthleteAnswer {
    #[serde(deserialize_with = "id")]
    id: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    firstname: Option<String>,
    #[serde(deserialize_with = "lenient")]
    lastname: Option<String>,
    #[serde(deserialize_with = "lenient")]
    username: Option<String>,
}

impl AthleteAnswer {
    /// `None` without a usable id.
    pub(crate) fn athlete(self) -> Option<Athlete> {
        let full = [self.firstname, self.lastname].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let name = Some(full.trim().to_owned()).filter(|name| !name.is_empty()).or(self.username);
        Some(Athlete { id: self.id?, name: name.filter(|name| !name.trim().is_empty()) })
    }
}
