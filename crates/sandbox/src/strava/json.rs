//! Strava's JSON, key by key as recorded (dossier strava.md §2.2, §2.3, §3.2).

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Outcome, Strava, StravaActivity, TokenPair, Upload, Visibility};
use crate::world::whole_seconds;

pub(super) const SPORT_TYPES: &[&str] = &[
    "AlpineSki",
    "BackcountrySki",
    "Badminton",
    "Basketball",
    "Canoeing",
    "Cricket",
    "Crossfit",
    "Dance",
    "EBikeRide",
    "Elliptical",
    "EMountainBikeRide",
    "Golf",
    "GravelRide",
    "Handcycle",
    "HighIntensityIntervalTraining",
    "Hike",
    "IceSkate",
    "InlineSkate",
    "Kayaking",
    "Kitesurf",
    "MountainBikeRide",
    "NordicSki",
    "Padel",
    "PhysicalTherapy",
    "Pickleball",
    "Pilates",
    "Racquetball",
    "Ride",
    "RockClimbing",
    "RollerSki",
    "Rowing",
    "Run",
    "Sail",
    "Skateboard",
    "Snowboard",
    "Snowshoe",
    "Soccer",
    "Squash",
    "StairStepper",
    "StandUpPaddling",
    "Surfing",
    "Swim",
    "TableTennis",
    "Tennis",
    "TrailRun",
    "Velomobile",
    "VirtualRide",
    "VirtualRow",
    "VirtualRun",
    "Volleyball",
    "Walk",
    "WeightTraining",
    "Wheelchair",
    "Windsurf",
    "Workout",
    "Yoga",
];

/// Where an upload stands, as its answer tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing<'a> {
    pub upload: u64,
    pub status: &'static str,
    pub error: Option<&'a str>,
    pub activity: Option<u64>,
}

impl Strava {
    /// Where an upload stands, in Strava's words.
    pub(crate) fn standing<'a>(&'a self, upload: &'a Upload) -> Standing<'a> {
        const ERROR: &str = "There was an error processing your activity.";
        const DELETED: &str = "The created activity has been deleted.";
        let is_gone = |id: &u64| self.activities.get(id).is_none_or(|activity| activity.deleted);
        let (status, error, activity) = match &upload.outcome {
            Outcome::Processing => ("Your activity is still being processed.", None, None),
            Outcome::Activity(id) if is_gone(id) => (DELETED, None, None),
            Outcome::Activity(id) => ("Your activity is ready.", None, Some(*id)),
            Outcome::Duplicate { error, .. } | Outcome::Failed { error } => {
                (ERROR, Some(error.as_str()), None)
            }
            Outcome::Discarded => (DELETED, None, None),
        };
        Standing { upload: upload.id, status, error, activity }
    }

    /// The answer to an upload, and to a poll.
    pub(super) fn upload_json(&self, upload: &Upload, at_post: bool) -> Value {
        let Standing { status, error, activity, .. } = self.standing(upload);
        let shows_external_id = match &upload.outcome {
            Outcome::Activity(_) => true,
            Outcome::Duplicate { .. } => self.settings.external_id_in_duplicate,
            _ => at_post && self.settings.external_id_at_post,
        };
        json!({
            "id": upload.id,
            "id_str": upload.id.to_string(),
            "external_id": shows_external_id.then_some(&upload.external_id),
            "error": error,
            "status": status,
            "activity_id": activity,
        })
    }

    /// An item of the list.
    pub(super) fn summary(&self, activity: &StravaActivity) -> Value {
        let start = self.shown_start(activity);
        let offset = self.offset(activity.athlete);
        let latlng = if activity.has_gps { json!([48.0, 11.0]) } else { json!([]) };
        let polyline = if activity.has_gps { "_p~iF~ps|U_ulLnnqC_mqNvxq`@" } else { "" };
        let (visibility, private) = match activity.visibility {
            Visibility::Everyone => ("everyone", false),
            Visibility::FollowersOnly => ("followers_only", false),
            Visibility::OnlyMe => ("only_me", true),
        };
        let speed = if activity.moving_s > 0.0 { activity.distance_m / activity.moving_s } else { 0.0 };
        let has_heartrate = !activity.manual;
        let mut item = Map::new();
        let mut put = |key: &str, value: Value| drop(item.insert(key.to_owned(), value));
        put("resource_state", json!(2));
        put("athlete", json!({"id": activity.athlete, "resource_state": 1}));
        put("name", json!(activity.name));
        put("distance", number(activity.distance_m));
        put("moving_time", json!(whole_seconds(activity.moving_s)));
        put("elapsed_time", json!(whole_seconds(activity.elapsed_s)));
        put("total_elevation_gain", number(if activity.has_gps { 87.6 } else { 0.0 }));
        put("type", json!(old_type(&activity.sport_type)));
        put("sport_type", json!(activity.sport_type));
        // Absent on a fifth of the recorded items.
        if !activity.manual && !activity.id.is_multiple_of(5) {
            put("workout_type", Value::Null);
        }
        put("id", json!(activity.id));
        put("start_date", json!(with_z(start)));
        // Local wall time with a misleading Z.
        put(
            "start_date_local",
            json!(format!("{}Z", offset.to_datetime(start).strftime("%Y-%m-%dT%H:%M:%S"))),
        );
        let athlete = self.athletes.get(&activity.athlete);
        put("timezone", json!(athlete.map(|athlete| athlete.timezone.as_str())));
        put("utc_offset", json!(f64::from(offset.seconds())));
        for key in ["location_city", "location_state", "location_country"] {
            put(key, Value::Null);
        }
        for key in ["achievement_count", "kudos_count", "comment_count"] {
            put(key, json!(0));
        }
        put("athlete_count", json!(1));
        put("photo_count", json!(0));
        let map =
            json!({"id": format!("a{}", activity.id), "summary_polyline": polyline, "resource_state": 2});
        put("map", map);
        put("trainer", json!(activity.trainer));
        put("commute", json!(activity.commute));
        put("manual", json!(activity.manual));
        put("private", json!(private));
        put("visibility", json!(visibility));
        put("flagged", json!(false));
        put("gear_id", json!(activity.gear_id));
        put("start_latlng", latlng.clone());
        put("end_latlng", latlng);
        put("average_speed", number(speed));
        put("max_speed", number(if activity.manual { 0.0 } else { (speed * 1.4).round() }));
        put("has_heartrate", json!(has_heartrate));
        if has_heartrate {
            put("average_heartrate", json!(142.3));
            put("max_heartrate", json!(171));
        }
        put("heartrate_opt_out", json!(false));
        put("display_hide_heartrate_option", json!(has_heartrate));
        put("upload_id", json!(activity.upload_id));
        if let Some(upload) = activity.upload_id {
            put("upload_id_str", json!(upload.to_string()));
        }
        put("external_id", json!(activity.external_id));
        if let Some(device) = &activity.device_name {
            put("device_name", json!(device));
        }
        put("from_accepted_tag", json!(false));
        put("pr_count", json!(0));
        put("total_photo_count", json!(0));
        put("has_kudoed", json!(false));
        Value::Object(item)
    }

    /// One activity in full, as far as it is modelled.
    pub(super) fn detailed(&self, activity: &StravaActivity) -> Value {
        let mut detail = self.summary(activity);
        detail["resource_state"] = json!(3);
        detail["description"] = json!(activity.description);
        detail["calories"] = json!(117.0);
        detail["perceived_exertion"] = Value::Null;
        detail["hide_from_home"] = json!(activity.hide_from_home);
        for key in ["segment_efforts", "best_efforts", "laps"] {
            detail[key] = json!([]);
        }
        detail
    }

    pub(super) fn athlete_json(&self, id: u64) -> Value {
        let athlete = self.athletes.get(&id);
        json!({
            "id": id,
            "username": athlete.map(|athlete| athlete.username.as_str()),
            "resource_state": 2,
            "firstname": athlete.map(|athlete| athlete.firstname.as_str()),
            "lastname": athlete.map(|athlete| athlete.lastname.as_str()),
            "city": "Sampleton",
            "state": "ST",
            "country": null,
            "sex": null,
            "premium": true,
            "summit": true,
            "created_at": "2017-11-28T19:05:35Z",
            "updated_at": "2026-11-19T01:44:15Z",
            "badge_type_id": 1,
            "profile_medium": "avatar/athlete/medium.png",
            "profile": "avatar/athlete/large.png",
            "friend": null,
            "follower": null,
        })
    }
}

pub(super) fn pair_json(pair: &TokenPair, now: Timestamp) -> Value {
    json!({
        "token_type": "Bearer",
        "access_token": pair.access_token,
        "expires_at": pair.expires_at.as_second(),
        "expires_in": pair.expires_at.as_second() - now.as_second(),
        "refresh_token": pair.refresh_token,
    })
}

fn with_z(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// One decimal, and an integer where there is nothing behind the point: both occur (dossier strava.md §3.2).
fn number(value: f64) -> Value {
    let rounded = (value * 10.0).round() / 10.0;
    if rounded.fract() == 0.0 { json!(whole_seconds(rounded)) } else { json!(rounded) }
}

/// The deprecated `type`, which knows fewer sports.
fn old_type(sport_type: &str) -> &str {
    match sport_type {
        "TrailRun" => "Run",
        "MountainBikeRide" | "GravelRide" => "Ride",
        other => other,
    }
}
