//! One activity as Strava keeps it.

use jiff::{SignedDuration, Timestamp};

/// Who may see an activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    Everyone,
    FollowersOnly,
    OnlyMe,
}

/// How an activity came to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Through `POST /uploads`.
    Upload(u64),
    /// Through Garmin's own link.
    GarminLink,
    /// By hand, or by another tool.
    Other,
}

#[derive(Clone, Debug)]
pub struct StravaActivity {
    /// 0 stands for "the next free one" until it is added.
    pub id: u64,
    pub athlete: u64,
    pub name: String,
    pub description: Option<String>,
    pub sport_type: String,
    pub start: Timestamp,
    pub elapsed_s: f64,
    pub moving_s: f64,
    pub distance_m: f64,
    /// As it is stored, with the extension.
    pub external_id: Option<String>,
    pub origin: Origin,
    /// The upload that it shows; `None` for manual entries.
    pub upload_id: Option<u64>,
    pub visibility: Visibility,
    /// Shows midnight and a second for its start (dossier strava.md §3.1).
    pub start_hidden: bool,
    pub manual: bool,
    pub trainer: bool,
    pub commute: bool,
    pub hide_from_home: bool,
    pub gear_id: Option<String>,
    pub has_gps: bool,
    pub device_name: Option<String>,
    /// SHA-256 of the file that arrived, in hexadecimal; of the file as sent, compressed or not.
    pub sha256: Option<String>,
    /// When it came into being.
    pub created: Timestamp,
    /// The first moment at which the list shows it.
    pub listed_from: Timestamp,
    /// The first moment at which it can be asked for by its id.
    pub detail_from: Timestamp,
    pub deleted: bool,
}

impl StravaActivity {
    /// Something that came by another way than an upload of the app.
    pub fn other(
        athlete: u64,
        name: &str,
        sport_type: &str,
        start: Timestamp,
        elapsed_s: f64,
    ) -> StravaActivity {
        StravaActivity {
            id: 0,
            athlete,
            name: name.to_owned(),
            description: None,
            sport_type: sport_type.to_owned(),
            start,
            elapsed_s,
            moving_s: elapsed_s,
            distance_m: 0.0,
            external_id: None,
            origin: Origin::Other,
            upload_id: None,
            visibility: Visibility::Everyone,
            start_hidden: false,
            manual: false,
            trainer: false,
            commute: false,
            hide_from_home: false,
            gear_id: None,
            has_gps: true,
            device_name: None,
            sha256: None,
            created: start,
            listed_from: start,
            detail_from: start,
            deleted: false,
        }
    }

    pub fn end(&self) -> Timestamp {
        self.start + SignedDuration::from_secs(crate::world::whole_seconds(self.elapsed_s))
    }

    /// The Garmin activity that an upload under the name `garmin-<id>` speaks of.
    pub fn garmin_id(&self) -> Option<u64> {
        if !matches!(self.origin, Origin::Upload(_)) {
            return None;
        }
        let id = self.external_id.as_deref()?.strip_prefix("garmin-")?;
        id.split('.').next()?.parse().ok()
    }
}
