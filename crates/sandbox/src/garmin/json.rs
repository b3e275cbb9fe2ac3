//! Garmin's JSON, key by key as recorded (dossier garmin.md §6.2, §6.3, §6.6).
//!
//! A list item has what a client may use and a little more; the thirty figures about training effects are left
//! out.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Durations, Garmin, GarminActivity, Keys, types};
use crate::message::Reply;

pub(super) const JSON: &str = "application/json;charset=UTF-8";

pub(super) fn api_error(status: u16, message: &str, error: &str) -> Reply {
    Reply::json(status, JSON, &json!({"message": message, "error": error}))
}

pub(super) fn not_found() -> Reply {
    api_error(404, "HTTP 404 Not Found", "NotFoundException")
}

/// The list's form of a moment: a space, no zone.
fn listed_time(moment: jiff::civil::DateTime) -> String {
    moment.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The detail's form of a moment.
fn detailed_time(moment: jiff::civil::DateTime) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S.0").to_string()
}

fn gmt(moment: Timestamp) -> jiff::civil::DateTime {
    jiff::tz::Offset::UTC.to_datetime(moment)
}

fn privacy(activity: &GarminActivity) -> Value {
    match activity.private {
        true => json!({"typeId": 2, "typeKey": "private"}),
        false => json!({"typeId": 1, "typeKey": "public"}),
    }
}

fn event_type() -> Value {
    json!({"typeId": 9, "typeKey": "uncategorized", "sortOrder": 10})
}

impl Garmin {
    pub(super) fn list_item(&self, activity: &GarminActivity) -> Value {
        let mut item = Map::new();
        let mut put = |key: &str, value: Option<Value>| match (value, activity.keys) {
            (Some(value), _) => drop(item.insert(key.to_owned(), value)),
            (None, Keys::Null) => drop(item.insert(key.to_owned(), Value::Null)),
            (None, Keys::Absent) => {}
        };
        let is_multisport = !activity.legs.is_empty();
        let elapsed = activity.elapsed_s.map(|elapsed| match activity.durations {
            Durations::Seconds => elapsed,
            Durations::ElapsedInMilliseconds => elapsed * 1000.0,
        });
        let speed = match (activity.distance_m, activity.duration_s) {
            (Some(distance), Some(duration)) if duration > 0.0 => Some(distance / duration),
            _ => None,
        };
        put("activityId", Some(json!(activity.id)));
        put("activityName", activity.name.as_ref().map(|name| json!(name)));
        put("description", None);
        put("startTimeLocal", activity.start_local().map(|local| json!(listed_time(local))));
        put("startTimeGMT", activity.start.map(|start| json!(listed_time(gmt(start)))));
        put("activityType", Some(types::describe(&activity.type_key)));
        put("eventType", Some(event_type()));
        put("comments", None);
        put("parentId", activity.parent.map(|parent| json!(parent)));
        put("distance", activity.distance_m.map(|distance| json!(distance)));
        put("duration", activity.duration_s.map(|duration| json!(duration)));
        put("elapsedDuration", elapsed.map(|elapsed| json!(elapsed)));
        put("movingDuration", activity.duration_s.filter(|_| !is_multisport).map(|duration| json!(duration)));
        put("averageSpeed", speed.map(|speed| json!(speed)));
        put("hasPolyline", Some(json!(!activity.manual)));
        put("hasImages", Some(json!(false)));
        put("ownerId", Some(json!(activity.owner)));
        if let Some(owner) = self.athletes.get(&activity.owner) {
            put("ownerDisplayName", Some(json!(owner.display_name)));
            put("ownerFullName", Some(json!(owner.full_name)));
        }
        put("averageHR", (!activity.manual).then(|| json!(142.0)));
        put("maxHR", (!activity.manual).then(|| json!(162.0)));
        put("userRoles", Some(json!(["SCOPE_CONNECT_READ", "ROLE_CONNECTUSER"])));
        put("privacy", Some(privacy(activity)));
        put("userPro", Some(json!(false)));
        put("timeZoneId", Some(json!(124)));
        // A multisport parent has none, in either style (dossier garmin.md §6.4).
        let begin = activity.start.filter(|_| !is_multisport).map(|start| json!(start.as_millisecond()));
        put("beginTimestamp", if is_multisport { Some(Value::Null) } else { begin });
        put("workoutId", None);
        put("deviceId", (!activity.manual).then(|| json!(3_400_000_000_u64)));
        put("manufacturer", (!activity.manual).then(|| json!("GARMIN")));
        put("lapCount", (!activity.manual).then(|| json!(activity.legs.len().max(1))));
        for (key, value) in [
            ("purposeful", false),
            ("manualActivity", activity.manual),
            ("pr", false),
            ("favorite", false),
            ("elevationCorrected", false),
            ("parent", is_multisport),
        ] {
            put(key, Some(json!(value)));
        }
        Value::Object(item)
    }

    pub(super) fn detail(&self, activity: &GarminActivity) -> Value {
        let leg_types: Vec<_> = activity
            .legs
            .iter()
            .filter_map(|leg| self.activities.get(leg))
            .map(|leg| leg.type_key.as_str())
            .collect();
        let (format_id, format_key) = if activity.file.starts_with(b"<") { (2, "gpx") } else { (7, "fit") };
        let arrived = activity.arrived().map(|arrived| detailed_time(gmt(arrived)));
        let mut detail = json!({
            "activityId": activity.id,
            "activityUUID": {"uuid": format!("00000000-0000-4000-8000-{:012x}", activity.id)},
            "activityName": activity.name,
            "userProfileId": activity.owner,
            "isMultiSportParent": !activity.legs.is_empty(),
            "activityTypeDTO": types::describe(&activity.type_key),
            "eventTypeDTO": event_type(),
            "accessControlRuleDTO": privacy(activity),
            "timeZoneUnitDTO": {"unitId": 124, "unitKey": "Europe/Berlin", "factor": 0.0, "timeZone": "Europe/Berlin"},
            "metadataDTO": {
                "isOriginal": true,
                "fileFormat": if activity.manual { Value::Null } else {
                    json!({"formatId": format_id, "formatKey": format_key})
                },
                "uploadedDate": arrived,
                "lastUpdateDate": arrived,
                "childIds": activity.legs,
                "childActivityTypes": leg_types,
                "activityImages": [],
                "manufacturer": if activity.manual { Value::Null } else { json!("GARMIN") },
                "manualActivity": activity.manual,
                "favorite": false,
                "personalRecord": false,
                "trimmed": false,
                "elevationCorrected": false,
            },
            "summaryDTO": {
                "startTimeLocal": activity.start_local().map(detailed_time),
                "startTimeGMT": activity.start.map(|start| detailed_time(gmt(start))),
                "distance": activity.distance_m,
                "duration": activity.duration_s,
                "movingDuration": activity.duration_s,
                "elapsedDuration": activity.elapsed_s,
            },
        });
        if let Some(parent) = activity.parent {
            detail["parentId"] = json!(parent);
        }
        detail
    }

    pub(super) fn profile(&self, athlete: u64) -> Value {
        let known = self.athletes.get(&athlete);
        let display_name = known.map(|athlete| athlete.display_name.as_str());
        let full_name = known.map(|athlete| athlete.full_name.as_str());
        json!({
            "id": athlete,
            "profileId": athlete,
            "garminGUID": guid(athlete),
            "displayName": display_name,
            "fullName": full_name,
            "userName": display_name,
            "location": "Sampleton",
            "primaryActivity": null,
            "favoriteActivityTypes": [],
            "profileVisibility": "private",
            "activityStartVisibility": "private",
            "userRoles": ["SCOPE_CONNECT_READ", "SCOPE_CONNECT_WRITE", "ROLE_CONNECTUSER"],
            "userPro": false,
        })
    }

    pub(super) fn settings(&self, athlete: u64) -> Value {
        let known = self.athletes.get(&athlete);
        json!({
            "displayName": known.map(|athlete| athlete.display_name.as_str()),
            "preferredLocale": "en",
            "measurementSystem": "metric",
            "timeZone": known.map(|athlete| athlete.time_zone.as_str()),
        })
    }
}

/// The identifier that Garmin's tokens carry for a user.
pub(super) fn guid(athlete: u64) -> String {
    format!("00000000-0000-4000-8000-{athlete:012}")
}
