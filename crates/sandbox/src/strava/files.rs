//! What Strava makes of a file: facts, or the words in which it refuses (dossier strava.md §2.1, §2.4).

use std::io::Read;

use flate2::read::MultiGzDecoder;
use jiff::Timestamp;
use rustyfit::proto::Value;
use rustyfit::{Decoder, DecoderEvent, StreamingIterator};

/// The words are Strava's where they are known.
const IMPROPER: &str = "Improperly formatted data.";
const NO_TIME: &str = "Time information is missing from file.";
/// For an empty file the wording is unknown; a client may not depend on it.
const EMPTY: &str = "The uploaded file contains no data.";

/// No honest activity is larger.
const UNPACKED_BYTES_MAX: u64 = 100_000_000;

/// The kinds that an upload may name.
pub(super) const DATA_TYPES: &[&str] = &["fit", "fit.gz", "tcx", "tcx.gz", "gpx", "gpx.gz"];

/// What a file says about its activity.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// `None` where the file has times but no beginning.
    pub start: Option<Timestamp>,
    pub elapsed_s: Option<f64>,
    pub distance_m: Option<f64>,
    pub sport_type: String,
    pub has_gps: bool,
}

/// The content of what was sent: unpacked if its type ends in `.gz`.
pub(super) fn unpack(bytes: &[u8], data_type: &str) -> Result<Vec<u8>, &'static str> {
    if !data_type.ends_with(".gz") {
        return Ok(bytes.to_vec());
    }
    let mut content = Vec::new();
    MultiGzDecoder::new(bytes).take(UNPACKED_BYTES_MAX).read_to_end(&mut content).map_err(|_| IMPROPER)?;
    Ok(content)
}

pub(super) fn judge(content: &[u8], data_type: &str) -> Result<Facts, &'static str> {
    if content.is_empty() {
        return Err(EMPTY);
    }
    match data_type.trim_end_matches(".gz") {
        "fit" => fit(content),
        "gpx" => xml(content, "<gpx", "time"),
        "tcx" => xml(content, "<TrainingCenterDatabase", "Time"),
        _ => Err(IMPROPER),
    }
}

fn fit(content: &[u8]) -> Result<Facts, &'static str> {
    let look = fitferry_fit::look(content);
    if look.damage.is_some() {
        return Err(IMPROPER);
    }
    match look.file_type {
        Some(fitferry_fit::FileType::Activity) => {}
        Some(fitferry_fit::FileType::Other(_)) => return Err(IMPROPER),
        // A FIT without file_id is told as missing time (dossier strava.md §2.1).
        None => return Err(NO_TIME),
    }
    if !look.has_time && !has_relative_time(content) {
        return Err(NO_TIME);
    }
    let sport = look.sport.as_deref().unwrap_or_default();
    let sub_sport = look.sub_sport.as_deref().unwrap_or_default();
    Ok(Facts {
        start: look.start,
        elapsed_s: look.total_elapsed_s.or(look.elapsed_s),
        distance_m: look.total_distance_m.or(look.distance_m),
        sport_type: sport_type(sport, sub_sport).to_owned(),
        has_gps: !matches!(sub_sport, "treadmill" | "indoor_cycling" | "lap_swimming" | "strength_training"),
    })
}

/// Whether any message of a whole file has a time of any kind. Watches that did not know the date counted from the
/// moment they were switched on; `Look` takes that for no date, and it is still no file without times.
fn has_relative_time(content: &[u8]) -> bool {
    // In every message that has it, field 253 is the time; all bits set is FIT's "invalid".
    const TIMESTAMP: u8 = 253;
    let mut decoder = Decoder::builder().checksum(false).expand_components(false).build();
    let mut stream = decoder.stream(content);
    while let Some(Ok(event)) = stream.next() {
        if let DecoderEvent::Message(message) = event
            && message.fields.iter().any(|field| {
                field.num == TIMESTAMP && matches!(field.value, Value::Uint32(raw) if raw != u32::MAX)
            })
        {
            return true;
        }
    }
    false
}

/// Enough of a look to tell an activity from something else: the root and the first and last time.
fn xml(content: &[u8], root: &str, tag: &str) -> Result<Facts, &'static str> {
    let text = std::str::from_utf8(content).map_err(|_| IMPROPER)?;
    if !text.contains(root) {
        return Err(IMPROPER);
    }
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    let times: Vec<Timestamp> = text
        .split(&open)
        .skip(1)
        .filter_map(|rest| rest.split_once(&close))
        .filter_map(|(time, _)| time.trim().parse().ok())
        .collect();
    let (Some(first), Some(last)) = (times.first(), times.last()) else { return Err(NO_TIME) };
    Ok(Facts {
        start: Some(*first),
        elapsed_s: Some(last.duration_since(*first).as_secs_f64()),
        distance_m: None,
        sport_type: "Ride".to_owned(),
        has_gps: true,
    })
}

/// Strava's name for FIT's sport and sub-sport.
fn sport_type(sport: &str, sub_sport: &str) -> &'static str {
    match (sport, sub_sport) {
        ("running", "trail") => "TrailRun",
        ("running", "virtual_activity") => "VirtualRun",
        ("running", _) => "Run",
        ("cycling", "mountain" | "downhill") => "MountainBikeRide",
        ("cycling", "gravel_cycling") => "GravelRide",
        ("cycling", "virtual_activity") => "VirtualRide",
        ("cycling", _) => "Ride",
        ("swimming", _) => "Swim",
        ("walking", _) => "Walk",
        ("hiking", _) => "Hike",
        ("rowing", _) => "Rowing",
        ("cross_country_skiing", _) => "NordicSki",
        ("alpine_skiing", _) => "AlpineSki",
        ("snowboarding", _) => "Snowboard",
        ("training" | "fitness_equipment", "strength_training") => "WeightTraining",
        ("training" | "fitness_equipment", "yoga") => "Yoga",
        _ => "Workout",
    }
}
