//! A world made of a folder of files, for `fitferry demo --fit-dir`.
//!
//! Garmin's list knows what the files say, and nothing of files that say nothing: those are listed as `other`,
//! without start and duration. Strava has no limits, and recognises the same bytes and the same external id.

use std::fs;
use std::io;
use std::path::Path;

use fitferry_fit::{FileType, Look};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use crate::garmin::GarminActivity;
use crate::strava::{Duplicates, Limits};
use crate::world::World;

impl World {
    /// Every file of the folder is an activity, in the order of the names. Folders inside are left out.
    ///
    /// `now` is when Garmin got the files.
    pub fn from_fit_dir(dir: &Path, now: Timestamp) -> io::Result<World> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_file() {
                paths.push(path);
            }
        }
        paths.sort();
        let mut world = World::empty(1);
        world.strava.settings.processing = SignedDuration::from_millis(500);
        world.strava.settings.duplicates = Duplicates::LIKELY;
        for app in world.strava.apps.values_mut() {
            app.limits = Limits::LIFTED;
        }
        for path in paths {
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let activity = activity(&name, fs::read(&path)?);
            world.garmin.add(GarminActivity { listed_from: Some(now), ..activity });
        }
        Ok(world)
    }
}

fn activity(name: &str, file: Vec<u8>) -> GarminActivity {
    let look = fitferry_fit::look(&file);
    let is_whole = look.damage.is_none() && look.file_type == Some(FileType::Activity);
    let bare = GarminActivity { file, utc_offset: Offset::UTC, ..GarminActivity::bare(name, "other") };
    if !is_whole {
        return bare;
    }
    let elapsed_s = look.total_elapsed_s.or(look.elapsed_s);
    GarminActivity {
        type_key: type_key(&look).to_owned(),
        start: look.start,
        duration_s: elapsed_s,
        elapsed_s,
        distance_m: look.total_distance_m.or(look.distance_m),
        ..bare
    }
}

/// Garmin's type for FIT's sport and sub-sport.
fn type_key(look: &Look) -> &'static str {
    let sport = look.sport.as_deref().unwrap_or_default();
    let sub_sport = look.sub_sport.as_deref().unwrap_or_default();
    match (sport, sub_sport) {
        ("running", "trail") => "trail_running",
        ("running", "track") => "track_running",
        ("running", "treadmill") => "treadmill_running",
        ("running", "street") => "street_running",
        ("running", "indoor_running") => "indoor_running",
        ("running", "virtual_activity") => "virtual_run",
        ("running", "ultra") => "ultra_run",
        ("running", _) => "running",
        ("cycling", "indoor_cycling" | "spin") => "indoor_cycling",
        ("cycling", "virtual_activity") => "virtual_ride",
        ("cycling", "road") => "road_biking",
        ("cycling", "mountain") => "mountain_biking",
        ("cycling", "downhill") => "downhill_biking",
        ("cycling", "gravel_cycling") => "gravel_cycling",
        ("cycling", "cyclocross") => "cyclocross",
        ("cycling", _) => "cycling",
        ("swimming", "lap_swimming") => "lap_swimming",
        ("swimming", "open_water") => "open_water_swimming",
        ("swimming", _) => "swimming",
        ("walking", "casual_walking") => "casual_walking",
        ("walking", "speed_walking") => "speed_walking",
        ("walking", _) => "walking",
        ("hiking", _) => "hiking",
        ("rowing", "indoor_rowing") | ("fitness_equipment", "indoor_rowing") => "indoor_rowing",
        ("rowing", _) => "rowing_v2",
        ("training" | "fitness_equipment", "strength_training") => "strength_training",
        ("training" | "fitness_equipment", "yoga") => "yoga",
        ("training" | "fitness_equipment", "pilates") => "pilates",
        ("training" | "fitness_equipment", "cardio_training") => "indoor_cardio",
        ("fitness_equipment", "elliptical") => "elliptical",
        ("fitness_equipment", "stair_climbing") => "stair_climbing",
        ("cross_country_skiing", "skate_skiing") => "skate_skiing_ws",
        ("cross_country_skiing", _) => "cross_country_skiing_ws",
        ("alpine_skiing", "backcountry") => "backcountry_skiing",
        ("alpine_skiing", _) => "resort_skiing",
        ("snowboarding", _) => "resort_snowboarding",
        ("snowshoeing", _) => "snow_shoe_ws",
        ("mountaineering", _) => "mountaineering",
        ("multisport", _) => "multi_sport",
        ("diving", _) => "diving",
        ("kayaking", _) => "kayaking_v2",
        ("paddling", _) => "paddling_v2",
        ("stand_up_paddleboarding", _) => "stand_up_paddleboarding_v2",
        ("surfing", _) => "surfing_v2",
        ("tennis", _) => "tennis_v2",
        ("golf", _) => "golf",
        ("inline_skating", _) => "inline_skating",
        ("ice_skating", _) => "skating_ws",
        _ => "other",
    }
}
