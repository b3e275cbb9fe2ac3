//! The list of activities: what is asked, and its items read with a loose hand.
//!
//! One odd item must not hide the others, and one odd field must not hide the item (dossier garmin.md
//! §6.2: every field but the id is optional).

use fitferry_core::activity::{Distance, GarminId, Listed, elapsed_of};
use fitferry_core::ports::{Page, PortError};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use serde::Deserialize;
use serde_json::Value;

use crate::client::Ask;
use crate::lenient::{lenient, object, whole};
use crate::reply::Reply;

/// Asks for one page; legs of multisport activities are not left out, since each is told as skipped.
pub(crate) fn ask(page: Page) -> Ask {
    let mut ask = Ask::json("/activitylist-service/activities/search/activities");
    ask.query = vec![("start", page.start.to_string()), ("limit", page.limit.to_string())];
    let dates = [("startDate", page.from), ("endDate", page.to)];
    ask.query.extend(dates.iter().filter_map(|&(name, date)| Some((name, date?.to_string()))));
    ask
}

/// What the list says of an activity, and what only a person wants to know of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Recent {
    pub listed: Listed,
    /// Nobody but its owner sees it on Garmin (dossier garmin.md §6.2, `privacy`).
    pub is_private: bool,
}

pub(crate) fn read(reply: &Reply) -> Result<Vec<Listed>, PortError> {
    Ok(recent(reply)?.into_iter().map(|recent| recent.listed).collect())
}

pub(crate) fn recent(reply: &Reply) -> Result<Vec<Recent>, PortError> {
    let items = match reply.data()? {
        Value::Null => return Ok(Vec::new()),
        Value::Array(items) => items,
        _ => return Err(reply.refused("the list is no list")),
    };
    let all = items.len();
    let listed: Vec<Recent> = items.into_iter().filter_map(item).collect();
    if listed.is_empty() && all > 0 {
        return Err(reply.refused("nothing in the list has a usable id"));
    }
    if listed.len() < all {
        tracing::warn!(
            odd = all - listed.len(),
            "items of Garmin's list have no usable id and are passed over"
        );
    }
    Ok(listed)
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Item {
    #[serde(deserialize_with = "whole")]
    activity_id: Option<i64>,
    #[serde(deserialize_with = "lenient")]
    activity_name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    activity_type: Option<ActivityType>,
    #[serde(rename = "startTimeGMT", deserialize_with = "lenient")]
    start_time_gmt: Option<String>,
    #[serde(deserialize_with = "lenient")]
    start_time_local: Option<String>,
    #[serde(deserialize_with = "whole")]
    begin_timestamp: Option<i64>,
    #[serde(deserialize_with = "lenient")]
    elapsed_duration: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    duration: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    moving_duration: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    distance: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    manual_activity: Option<bool>,
    #[serde(deserialize_with = "whole")]
    parent_id: Option<i64>,
    #[serde(deserialize_with = "lenient")]
    privacy: Option<Privacy>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Privacy {
    #[serde(deserialize_with = "lenient")]
    type_key: Option<String>,
}

/// Garmin's type object, in the list and in the single activity.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ActivityType {
    #[serde(deserialize_with = "lenient")]
    pub(crate) type_key: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) parent_type_id: Option<u32>,
}

/// `None` where it has no usable id.
fn item(value: Value) -> Option<Recent> {
    let item: Item = object(value)?;
    let id = id(item.activity_id)?;
    let of = item.activity_type.unwrap_or_default();
    let is_private = item.privacy.and_then(|privacy| privacy.type_key).is_some_and(|key| key == "private");
    let listed = Listed {
        id,
        name: text(item.activity_name),
        type_key: text(of.type_key),
        parent_type_id: of.parent_type_id,
        start: item
            .start_time_gmt
            .and_then(|text| moment(&text))
            .or_else(|| Timestamp::from_millisecond(item.begin_timestamp?).ok()),
        local_date: item.start_time_local.and_then(|text| day(&text)),
        elapsed: elapsed_of(item.elapsed_duration, item.duration, item.moving_duration),
        distance: item.distance.and_then(Distance::from_meters),
        manual: item.manual_activity.unwrap_or(false),
        parent: self::id(item.parent_id),
    };
    Some(Recent { listed, is_private })
}

/// A number of an activity; 0 is how "none" is written where there must be a number.
pub(crate) fn id(number: Option<i64>) -> Option<GarminId> {
    number.and_then(|number| u64::try_from(number).ok()).filter(|number| *number > 0).map(GarminId)
}

/// A text with something in it.
pub(crate) fn text(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// `2026-01-08 14:10:21` in the list, `2026-01-08T14:10:21.0` in the single activity; UTC either way.
pub(crate) fn moment(text: &str) -> Option<Timestamp> {
    Offset::UTC.to_timestamp(wall_time(text)?).ok()
}

/// The day of a time on the runner's wall.
pub(crate) fn day(text: &str) -> Option<Date> {
    wall_time(text).map(DateTime::date)
}

fn wall_time(text: &str) -> Option<DateTime> {
    text.trim().trim_end_matches(['Z', 'z']).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_item_is_read_whatever_its_fields_look_like() {
        let odd = json!({
            "activityId": 20_000_000_001_u64, "activityName": "  ", "activityType": "running",
            "startTimeGMT": 5, "startTimeLocal": "yesterday", "beginTimestamp": 1_767_881_421_000_i64,
            "elapsedDuration": "long", "duration": 0, "movingDuration": 2216, "distance": -1,
            "manualActivity": "no", "parentId": 0, "new": {"x": [1]},
        });
        let listed = item(odd).unwrap().listed;
        let expected = Listed {
            start: "2026-01-08T14:10:21Z".parse().ok(),
            elapsed: elapsed_of(None, None, Some(2216.0)),
            ..Listed::bare(GarminId(20_000_000_001))
        };
        assert_eq!(listed, expected);
        let bare = |is_private| Some(Recent { listed: Listed::bare(GarminId(7)), is_private });
        assert_eq!(item(json!({"activityId": 7})), bare(false));
        for (privacy, is_private) in [
            (json!({"typeId": 2, "typeKey": "private"}), true),
            (json!({"typeId": 1, "typeKey": "public"}), false),
            (json!({"typeId": 3, "typeKey": "subscribers"}), false),
            (json!(null), false),
            (json!("private"), false),
        ] {
            assert_eq!(item(json!({"activityId": 7, "privacy": privacy})), bare(is_private), "{privacy}");
        }
        for unusable in
            [json!({}), json!({"activityId": null}), json!({"activityId": 0}), json!(7), json!([7])]
        {
            assert_eq!(item(unusable.clone()), None, "{unusable}");
        }
    }

    #[test]
    fn times_are_read_in_both_spellings() {
        let start = Some("2026-01-08T14:10:21Z".parse().unwrap());
        for text in
            ["2026-01-08 14:10:21", "2026-01-08T14:10:21.0", "2026-01-08T14:10:21Z", " 2026-01-08 14:10:21 "]
        {
            assert_eq!(moment(text), start, "{text}");
            assert_eq!(day(text), start.map(|_| jiff::civil::date(2026, 1, 8)), "{text}");
        }
        for text in ["", "2026-13-08 14:10:21", "0000-00-00 00:00:00"] {
            assert_eq!(moment(text), None, "{text}");
        }
    }
}
