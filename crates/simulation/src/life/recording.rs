//! Recordings of every kind: whole, damaged, of other sports, without a file, served late.

use fitferry_sandbox::garmin::{Durations, Entry, GarminActivity, Parcel};
use fitferry_sandbox::generate::{self, GenerateSpec, Kind};
use jiff::{SignedDuration, Timestamp};

use super::{Curse, Life, Recording};
use crate::dice::{hours, mins, secs};

/// Garmin's types, the first ones more often.
const TYPES: [(&str, Kind); 10] = [
    ("running", Kind::Run),
    ("running", Kind::Run),
    ("running", Kind::Run),
    ("trail_running", Kind::TrailRun),
    ("treadmill_running", Kind::TreadmillRun),
    ("track_running", Kind::TrackRun),
    ("cycling", Kind::Ride),
    ("road_biking", Kind::Ride),
    ("walking", Kind::Walk),
    ("strength_training", Kind::Walk),
];

impl Life {
    /// A recording that began then.
    pub(super) fn recording(&mut self, start: Timestamp, allows_no_start: bool) -> Recording {
        let deed = self.new_deed();
        let elapsed_s = self.dice.between(400, self.elapsed_max_s);
        self.recording_of(deed, start, elapsed_s, allows_no_start)
    }

    /// The same deed, recorded by a second watch.
    pub(super) fn second_watch(&mut self, first: &Recording) -> Recording {
        let start = first.start + secs(i64::try_from(self.dice.between(0, 60)).unwrap_or(0));
        let elapsed_s = first.activity.elapsed_s.unwrap_or(1800.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of an activity")]
        let elapsed_s = (elapsed_s as u64).saturating_sub(self.dice.between(0, 8));
        let mut second = self.recording_of(first.deed, start, elapsed_s, false);
        second.activity.type_key.clone_from(&first.activity.type_key);
        second.decoy = false;
        second.is_copied = false;
        second
    }

    fn recording_of(
        &mut self,
        deed: u64,
        start: Timestamp,
        elapsed_s: u64,
        allows_no_start: bool,
    ) -> Recording {
        let start = Timestamp::from_second(start.as_second()).unwrap_or(start);
        self.starts.insert(start);
        let (type_key, kind) = self.dice.pick(&TYPES);
        #[expect(clippy::cast_precision_loss, reason = "seconds of an activity")]
        let elapsed = elapsed_s as f64;
        // Metres in a hundred seconds.
        let speed = u32::try_from(self.dice.between(220, 440)).unwrap_or(300);
        let spec = GenerateSpec {
            kind,
            start,
            elapsed_s: elapsed,
            distance_m: (elapsed * f64::from(speed) / 100.0).round(),
            seed: self.dice.draw(),
        };
        let name = format!("{type_key} {deed}");
        let mut activity = GarminActivity {
            start: Some(start),
            duration_s: Some(elapsed),
            elapsed_s: Some(elapsed),
            distance_m: Some(spec.distance_m),
            ..GarminActivity::bare(&name, type_key)
        };
        let mut curse = Curse::None;
        match self.dice.between(0, 199) {
            0..=3 => activity.file = generate::truncate(generate::sketch(&spec)),
            4..=5 => activity.file = format!("deed {deed}: notes of the day").into_bytes(),
            6..=7 => {}
            8..=19 => activity.file = gpx(start, elapsed_s),
            20..=21 => {
                let other = GenerateSpec { start: start - hours(50), ..spec };
                let entry = |name: &str, content| Entry { name: name.to_owned(), content };
                let entries =
                    vec![entry("a.fit", generate::sketch(&spec)), entry("b.fit", generate::sketch(&other))];
                activity.parcel = Parcel::ZipOf(entries);
                activity.file = generate::sketch(&spec);
            }
            22..=23 => curse = Curse::Poison,
            24..=25 => {
                let for_good = self.dice.chance(120);
                let until = start + self.dice.long_tail(hours(3), hours(40));
                curse = Curse::Silent((!for_good).then_some(until));
            }
            26..=31 => {
                activity.manual = true;
                activity.parcel = Parcel::NotFound;
            }
            32..=34 => activity.parcel = Parcel::WrongCrc,
            35..=36 => activity.parcel = Parcel::CutZip,
            37..=38 => activity.parcel = Parcel::NotFound,
            39 => activity.parcel = Parcel::Gone,
            40 => activity.parcel = Parcel::NullPointer,
            41 => activity.parcel = Parcel::Forbidden,
            42 => activity.parcel = Parcel::Html,
            43 => activity.parcel = Parcel::EmptyZip,
            44 => activity.parcel = Parcel::EmptyBody,
            45..=48 => activity.parcel = Parcel::Raw,
            49..=52 => activity.elapsed_s = None,
            53..=55 => activity.durations = Durations::ElapsedInMilliseconds,
            56..=57 if allows_no_start => activity.start = None,
            58..=59 => activity.name = None,
            _ => {}
        }
        if activity.file.is_empty() && !(activity.manual || matches!(activity.parcel, Parcel::ZipOf(_))) {
            // An empty file in its archive is one of the kinds; all others have one.
            let is_empty_kind = curse == Curse::None
                && matches!(activity.parcel, Parcel::Zip)
                && activity.elapsed_s.is_some()
                && self.dice.chance(8);
            if !is_empty_kind {
                activity.file = generate::sketch(&spec);
            }
        }
        if self.dice.chance(50) {
            // Garmin often lists before it serves.
            let late = self.dice.long_tail(mins(1), hours(60));
            activity.served_from = Some(start + SignedDuration::from_secs(elapsed_s.cast_signed()) + late);
        }
        Recording {
            deed,
            activity,
            curse,
            start,
            decoy: self.dice.chance(40),
            is_copied: self.dice.chance(70),
        }
    }
}

/// A run of an hour, whole and served at once.
pub(super) fn usual(deed: u64, start: Timestamp) -> Recording {
    let spec = GenerateSpec { kind: Kind::Run, start, elapsed_s: 3_600.0, distance_m: 10_000.0, seed: deed };
    let activity = GarminActivity {
        start: Some(start),
        duration_s: Some(spec.elapsed_s),
        elapsed_s: Some(spec.elapsed_s),
        distance_m: Some(spec.distance_m),
        file: generate::sketch(&spec),
        ..GarminActivity::bare(&format!("Run {deed}"), "running")
    };
    Recording { deed, activity, curse: Curse::None, start, decoy: false, is_copied: false }
}

/// The least that a GPX file has.
fn gpx(start: Timestamp, elapsed_s: u64) -> Vec<u8> {
    let end = start + SignedDuration::from_secs(elapsed_s.cast_signed());
    let point = |time: Timestamp| format!("<trkpt lat=\"48.1\" lon=\"11.5\"><time>{time}</time></trkpt>");
    format!("<gpx version=\"1.1\"><trk><trkseg>{}{}</trkseg></trk></gpx>", point(start), point(end))
        .into_bytes()
}
