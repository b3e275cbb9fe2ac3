//! Makes FIT files: whole activities with a plausible track, heart rate and laps.
//!
//! Written with `rustyfit`'s encoder, as a watch of today would: file id, start event, records, laps, session,
//! activity. A seed shapes the track and the heart rate; the same spec gives the same bytes.

use std::io::Cursor;

use embedded_io_adapters::std::FromStd;
use jiff::{SignedDuration, Timestamp};
use rustyfit::profile::mesgdef;
use rustyfit::profile::typedef::{
    self, DateTime, Event, EventType, File, Intensity, LapTrigger, LocalDateTime, Manufacturer,
    SessionTrigger, Sport, SubSport,
};
use rustyfit::proto::{FIT, Message};
use rustyfit::{Encoder, semconv};

use crate::rng::Rng;

/// A sport, as a watch writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Run,
    TrailRun,
    TrackRun,
    TreadmillRun,
    Ride,
    Walk,
}

impl Kind {
    fn fit(self) -> (Sport, SubSport) {
        match self {
            Kind::Run => (Sport::RUNNING, SubSport::GENERIC),
            Kind::TrailRun => (Sport::RUNNING, SubSport::TRAIL),
            Kind::TrackRun => (Sport::RUNNING, SubSport::TRACK),
            Kind::TreadmillRun => (Sport::RUNNING, SubSport::TREADMILL),
            Kind::Ride => (Sport::CYCLING, SubSport::ROAD),
            Kind::Walk => (Sport::WALKING, SubSport::GENERIC),
        }
    }
}

/// What the file says.
#[derive(Clone, Copy, Debug)]
pub struct GenerateSpec {
    pub kind: Kind,
    /// Whole seconds count.
    pub start: Timestamp,
    pub elapsed_s: f64,
    pub distance_m: f64,
    pub seed: u64,
}

impl GenerateSpec {
    /// A run of that length at an easy pace.
    pub fn run(start: Timestamp, distance_m: f64, seed: u64) -> GenerateSpec {
        GenerateSpec { kind: Kind::Run, start, elapsed_s: (distance_m * 0.36).round(), distance_m, seed }
    }
}

/// A record every so many seconds, as with "smart recording".
const RECORD_EVERY_S: i64 = 5;
const LAP_M: f64 = 1000.0;

/// The file of an activity.
pub fn run(spec: &GenerateSpec) -> Vec<u8> {
    file(spec, RECORD_EVERY_S, LAP_M)
}

/// The least that a whole activity has, with two records and one lap: for worlds with many of them.
pub fn sketch(spec: &GenerateSpec) -> Vec<u8> {
    file(spec, crate::world::whole_seconds(spec.elapsed_s).max(1), spec.distance_m.max(LAP_M))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "FIT's fields are small; the spec is ours and stays within them"
)]
#[expect(clippy::cast_sign_loss, reason = "no quantity here is negative")]
fn file(spec: &GenerateSpec, record_every_s: i64, lap_m: f64) -> Vec<u8> {
    let mut rng = Rng::new(spec.seed);
    let (sport, sub_sport) = spec.kind.fit();
    let at = |seconds: f64| moment(spec.start + SignedDuration::from_millis((seconds * 1000.0) as i64));
    let end = at(spec.elapsed_s);
    let centimetres = |metres: f64| (metres * 100.0).round() as u32;
    let milliseconds = |seconds: f64| (seconds * 1000.0).round() as u32;
    let speed = if spec.elapsed_s > 0.0 { spec.distance_m / spec.elapsed_s } else { 0.0 };
    let speed_mm_s = (speed * 1000.0).round() as u16;

    let mut file_id = mesgdef::FileId::new();
    file_id.r#type = File::ACTIVITY;
    file_id.manufacturer = Manufacturer::GARMIN;
    file_id.product = typedef::GarminProduct::FR965.0;
    file_id.serial_number = 3_400_000_000;
    file_id.time_created = at(0.0);
    let mut messages = vec![Message::from(file_id), event(at(0.0), EventType::START)];

    let track = Track::new(spec, &mut rng);
    let mut beats = 118.0 + rng.unit() * 10.0;
    let mut seconds = 0;
    while (seconds as f64) <= spec.elapsed_s {
        let share = if spec.elapsed_s > 0.0 { seconds as f64 / spec.elapsed_s } else { 0.0 };
        beats += (150.0 - beats) * 0.02 + rng.unit() * 4.0 - 2.0;
        let mut record = mesgdef::Record::new();
        record.timestamp = at(seconds as f64);
        record.distance = centimetres(spec.distance_m * share);
        record.speed = speed_mm_s;
        record.heart_rate = beats as u8;
        if let Some((lat, long)) = track.position(share) {
            record.position_lat = lat;
            record.position_long = long;
            // Scale 5, offset 500.
            record.altitude = ((520.0 + 20.0 * (share * 12.0).sin() + 500.0) * 5.0) as u16;
        }
        messages.push(record.into());
        seconds += record_every_s;
    }
    messages.push(event(end, EventType::STOP_ALL));

    let laps = (spec.distance_m / lap_m).ceil().max(1.0) as u16;
    for index in 0..laps {
        let from_m = f64::from(index) * lap_m;
        let length_m = (spec.distance_m - from_m).clamp(0.0, lap_m);
        let share = if spec.distance_m > 0.0 { length_m / spec.distance_m } else { 1.0 };
        let begin_s = if spec.distance_m > 0.0 { spec.elapsed_s * from_m / spec.distance_m } else { 0.0 };
        let length_s = spec.elapsed_s * share;
        let mut lap = mesgdef::Lap::new();
        lap.message_index = typedef::MessageIndex(index);
        lap.timestamp = at(begin_s + length_s);
        lap.start_time = at(begin_s);
        lap.event = Event::LAP;
        lap.event_type = EventType::STOP;
        lap.total_elapsed_time = milliseconds(length_s);
        lap.total_timer_time = milliseconds(length_s);
        lap.total_distance = centimetres(length_m);
        lap.avg_speed = speed_mm_s;
        lap.sport = sport;
        lap.intensity = Intensity::ACTIVE;
        lap.lap_trigger = if index + 1 == laps { LapTrigger::SESSION_END } else { LapTrigger::DISTANCE };
        messages.push(lap.into());
    }

    let mut session = mesgdef::Session::new();
    session.message_index = typedef::MessageIndex(0);
    session.timestamp = end;
    session.start_time = at(0.0);
    session.event = Event::SESSION;
    session.event_type = EventType::STOP;
    session.trigger = SessionTrigger::ACTIVITY_END;
    session.sport = sport;
    session.sub_sport = sub_sport;
    session.total_elapsed_time = milliseconds(spec.elapsed_s);
    session.total_timer_time = milliseconds(spec.elapsed_s);
    session.total_distance = centimetres(spec.distance_m);
    session.avg_speed = speed_mm_s;
    session.avg_heart_rate = 142;
    session.first_lap_index = 0;
    session.num_laps = laps;
    messages.push(session.into());

    let mut activity = mesgdef::Activity::new();
    activity.timestamp = end;
    activity.total_timer_time = milliseconds(spec.elapsed_s);
    activity.num_sessions = 1;
    activity.event = Event::ACTIVITY;
    activity.event_type = EventType::STOP;
    activity.local_timestamp = LocalDateTime(end.0 + 3600);
    messages.push(activity.into());

    let mut file = Cursor::new(Vec::new());
    let mut fit = FIT { messages, ..FIT::default() };
    Encoder::new()
        .encode(FromStd::new(&mut file), &mut fit)
        .expect("messages made here are valid, and a Vec takes every byte");
    file.into_inner()
}

/// The file without its last third, as when a watch's battery ends or a transfer breaks.
pub fn truncate(mut file: Vec<u8>) -> Vec<u8> {
    file.truncate(file.len() * 2 / 3);
    file
}

fn event(at: DateTime, event_type: EventType) -> Message {
    let mut event = mesgdef::Event::new();
    event.timestamp = at;
    event.event = Event::TIMER;
    event.event_type = event_type;
    event.data = 0;
    event.into()
}

fn moment(at: Timestamp) -> DateTime {
    DateTime::from_unix_timestamp(at.as_second())
}

/// A loop on the ground, out and back to the door; none indoors.
struct Track {
    is_outside: bool,
    lat: f64,
    long: f64,
    radius_deg: f64,
    wobble: f64,
}

impl Track {
    fn new(spec: &GenerateSpec, rng: &mut Rng) -> Track {
        let laps = if spec.kind == Kind::TrackRun { (spec.distance_m / 400.0).max(1.0) } else { 1.0 };
        Track {
            is_outside: spec.kind != Kind::TreadmillRun,
            lat: 48.1 + rng.unit() * 0.1,
            long: 11.5 + rng.unit() * 0.1,
            // A degree of latitude is 111 km.
            radius_deg: spec.distance_m / laps / (2.0 * std::f64::consts::PI) / 111_000.0,
            wobble: rng.unit() * 6.0,
        }
    }

    /// In semicircles, after this share of the way.
    fn position(&self, share: f64) -> Option<(i32, i32)> {
        if !self.is_outside {
            return None;
        }
        let angle = share * 2.0 * std::f64::consts::PI;
        let radius = self.radius_deg * (1.0 + 0.15 * (3.0 * angle + self.wobble).sin());
        let lat = self.lat + radius * angle.sin();
        let long = self.long + radius * angle.cos() / self.lat.to_radians().cos();
        Some((semconv::to_semicircles(lat)?, semconv::to_semicircles(long)?))
    }
}
