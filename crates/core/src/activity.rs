//! An activity as either service shows it, with quantities that carry their unit.
//!
//! Not here: which activities cross (`rules`), what became of one (`ledger`), whether two are the same
//! (`matching`).

use std::fmt;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

/// Garmin's number for an activity. Never changes, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GarminId(pub u64);

/// Strava's number for an activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StravaId(pub u64);

/// Strava's number for an upload, known from the answer to the upload on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(pub u64);

macro_rules! shown_as_number {
    ($($id:ty),*) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
shown_as_number!(GarminId, StravaId, UploadId);

/// A distance. Build it with a unit, read it with a unit.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Distance {
    meters: f64,
}

impl Distance {
    /// `None` for NaN, infinity and negative numbers, all of which devices do send.
    pub fn from_meters(meters: f64) -> Option<Distance> {
        (meters.is_finite() && meters >= 0.0).then_some(Distance { meters })
    }

    pub fn meters(self) -> f64 {
        self.meters
    }

    pub fn km(self) -> f64 {
        self.meters / 1000.0
    }
}

/// Seven days: what claims to have lasted longer was counted in milliseconds (Garmin's payloads up to
/// 2021, dossier garmin.md §6.2).
const LONGEST_IN_SECONDS: f64 = 7.0 * 86_400.0;

/// Reads a duration that a service gives in seconds, or in milliseconds where it exceeds seven days.
///
/// `None` for NaN, infinity, negative numbers and zero: a zero is how both services say "not measured". And for
/// what is longer in either unit, since a look around it would go over years.
pub fn elapsed_from_number(number: f64) -> Option<SignedDuration> {
    if !number.is_finite() || number <= 0.0 {
        return None;
    }
    let seconds = if number > LONGEST_IN_SECONDS { number / 1000.0 } else { number };
    let elapsed = SignedDuration::try_from_secs_f64(seconds).ok()?;
    (seconds <= LONGEST_IN_SECONDS && elapsed.is_positive()).then_some(elapsed)
}

/// The elapsed time of an activity from what Garmin gives, in the order of preference: elapsed, duration,
/// moving. An elapsed number that is a thousand times the duration is in milliseconds too, however short.
pub fn elapsed_of(
    elapsed: Option<f64>,
    duration: Option<f64>,
    moving: Option<f64>,
) -> Option<SignedDuration> {
    let in_milliseconds = |number: f64| {
        let seconds = duration.or(moving).filter(|seconds| *seconds >= 1.0);
        seconds.is_some_and(|seconds| number / seconds >= 900.0)
    };
    let elapsed = elapsed.map(|number| if in_milliseconds(number) { number / 1000.0 } else { number });
    [elapsed, duration, moving].into_iter().flatten().find_map(elapsed_from_number)
}

/// One activity as Garmin's list shows it. Everything but the id may be missing.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub id: GarminId,
    pub name: Option<String>,
    /// Garmin's type key, as `trail_running`.
    pub type_key: Option<String>,
    /// Number of the parent type, as 1 for everything that is running; the table may lack new types.
    pub parent_type_id: Option<u32>,
    pub start: Option<Timestamp>,
    /// The day on the runner's own calendar, which is what dates in the configuration mean.
    pub local_date: Option<Date>,
    /// From the first to the last second, or the moving time where that is all there is.
    pub elapsed: Option<SignedDuration>,
    pub distance: Option<Distance>,
    /// Typed in by hand: there is no file.
    pub manual: bool,
    /// The multisport activity that this one is a leg of.
    pub parent: Option<GarminId>,
}

impl Listed {
    /// An activity of which nothing but the number is known.
    pub fn bare(id: GarminId) -> Listed {
        Listed {
            id,
            name: None,
            type_key: None,
            parent_type_id: None,
            start: None,
            local_date: None,
            elapsed: None,
            distance: None,
            manual: false,
            parent: None,
        }
    }

    /// The runner's calendar day, or the UTC day where the list gives only that.
    pub fn day(&self) -> Option<Date> {
        self.local_date.or_else(|| self.start.map(|start| jiff::tz::Offset::UTC.to_datetime(start).date()))
    }
}

/// One activity as Strava's list shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub id: StravaId,
    pub name: Option<String>,
    /// As Strava keeps it, extension and all.
    pub external_id: Option<String>,
    pub upload_id: Option<UploadId>,
    /// `None` where Strava hides it (see `start_hidden`) or where it cannot be read.
    pub start: Option<Timestamp>,
    /// The start was reported as one second after local midnight (dossier strava.md §3.1).
    pub start_hidden: bool,
    pub local_date: Option<Date>,
    pub elapsed: Option<SignedDuration>,
    pub moving: Option<SignedDuration>,
    pub distance: Option<Distance>,
    pub sport_type: Option<String>,
}

impl Found {
    /// Came through Garmin's own link (dossier strava.md §2.5).
    pub fn by_garmins_own_link(&self) -> bool {
        self.external_id
            .as_deref()
            .is_some_and(|id| id.starts_with("garmin_ping_") || id.starts_with("garmin_push_"))
    }
}

/// What kind of file an original is, by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    Fit,
    Gpx,
    Tcx,
}

impl FileKind {
    /// The extension, which is also Strava's `data_type`.
    pub fn extension(self) -> &'static str {
        match self {
            FileKind::Fit => "fit",
            FileKind::Gpx => "gpx",
            FileKind::Tcx => "tcx",
        }
    }

    pub fn from_extension(extension: &str) -> Option<FileKind> {
        [FileKind::Fit, FileKind::Gpx, FileKind::Tcx].into_iter().find(|kind| kind.extension() == extension)
    }
}

/// What a look into the file told, where it could be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    pub start: Option<Timestamp>,
    pub elapsed: Option<SignedDuration>,
    pub distance: Option<Distance>,
    /// FIT's name of the first session's sport, as `running`.
    pub sport: Option<String>,
    pub sessions: u32,
}

/// The hash of a file, which is how "the file is the file" is checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sha256(pub [u8; 32]);

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Sha256 {
    /// Reads 64 hexadecimal digits; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Sha256> {
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
        }
        Some(Sha256(bytes))
    }
}

/// The external id under which our upload of an activity is known on Strava (contract, `sync --json`).
/// With it the ledger can be rebuilt from Strava's list alone.
pub fn external_id(id: GarminId) -> String {
    format!("garmin-{id}")
}
