//! One activity as Garmin keeps it: what its list says, and what its download gives.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use super::Parcel;
use crate::generate::{self, GenerateSpec};
use crate::world::whole_seconds;

/// How an activity's JSON treats what it does not know (dossier garmin.md §6.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keys {
    /// 2026: the key is absent.
    #[default]
    Absent,
    /// 2021: the key is there with `null`.
    Null,
}

/// The unit of `elapsedDuration`: old payloads had milliseconds (dossier garmin.md §6.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durations {
    #[default]
    Seconds,
    ElapsedInMilliseconds,
}

#[derive(Clone, Debug)]
pub struct GarminActivity {
    /// 0 stands for "the next free one" until it is added.
    pub id: u64,
    pub owner: u64,
    pub name: Option<String>,
    pub type_key: String,
    /// `None` only where the list cannot know it, as for a file that nobody can read.
    pub start: Option<Timestamp>,
    pub utc_offset: Offset,
    pub duration_s: Option<f64>,
    pub elapsed_s: Option<f64>,
    pub distance_m: Option<f64>,
    /// Typed in by hand: there is no file.
    pub manual: bool,
    /// The multisport activity of which this is a leg.
    pub parent: Option<u64>,
    /// The legs, where this is a multisport activity.
    pub legs: Vec<u64>,
    /// Visible to its owner only.
    pub private: bool,
    pub keys: Keys,
    pub durations: Durations,
    /// The original file, byte for byte.
    pub file: Vec<u8>,
    /// What a download gives.
    pub parcel: Parcel,
    /// When the list shows it: later than its end where a watch synced late. `None`: always.
    pub listed_from: Option<Timestamp>,
    /// Until then its download is answered 404. `None`: always served.
    pub served_from: Option<Timestamp>,
    pub deleted: bool,
    /// Whether Garmin's own link has copied it to Strava.
    pub linked: bool,
}

impl GarminActivity {
    /// An activity with a whole FIT file that agrees with the list.
    pub fn recorded(name: &str, type_key: &str, spec: &GenerateSpec) -> GarminActivity {
        GarminActivity {
            start: Some(spec.start),
            duration_s: Some(spec.elapsed_s),
            elapsed_s: Some(spec.elapsed_s),
            distance_m: Some(spec.distance_m),
            file: generate::run(spec),
            ..GarminActivity::bare(name, type_key)
        }
    }

    /// An activity that was typed in.
    pub fn manual(name: &str, type_key: &str, start: Timestamp, elapsed_s: f64) -> GarminActivity {
        GarminActivity {
            start: Some(start),
            duration_s: Some(elapsed_s),
            elapsed_s: Some(elapsed_s),
            manual: true,
            parcel: Parcel::NotFound,
            ..GarminActivity::bare(name, type_key)
        }
    }

    /// A name and a type; everything else unknown, no file content.
    pub fn bare(name: &str, type_key: &str) -> GarminActivity {
        GarminActivity {
            id: 0,
            owner: super::ATHLETE,
            name: Some(name.to_owned()),
            type_key: type_key.to_owned(),
            start: None,
            utc_offset: Offset::constant(1),
            duration_s: None,
            elapsed_s: None,
            distance_m: None,
            manual: false,
            parent: None,
            legs: Vec::new(),
            private: false,
            keys: Keys::Absent,
            durations: Durations::Seconds,
            file: Vec::new(),
            parcel: Parcel::Zip,
            listed_from: None,
            served_from: None,
            deleted: false,
            linked: false,
        }
    }

    /// The wall time at its start.
    pub fn start_local(&self) -> Option<DateTime> {
        self.start.map(|start| self.utc_offset.to_datetime(start))
    }

    /// Sorts as the wall times at the starts do.
    pub(crate) fn order(&self) -> Option<(i64, i32)> {
        let start = self.start?;
        Some((start.as_second() + i64::from(self.utc_offset.seconds()), start.subsec_nanosecond()))
    }

    pub(crate) fn is_listed(&self, now: Timestamp) -> bool {
        !self.deleted && self.listed_from.is_none_or(|from| from <= now)
    }

    /// When Garmin had it: the moment of the list, else a minute after its end.
    pub(crate) fn arrived(&self) -> Option<Timestamp> {
        let end = || {
            self.start.map(|start| {
                start + SignedDuration::from_secs(whole_seconds(self.elapsed_s.unwrap_or(0.0)) + 60)
            })
        };
        self.listed_from.or_else(end)
    }
}
