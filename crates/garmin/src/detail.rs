//! One activity by its number, read into the same facts as an item of the list (dossier garmin.md §6.3).

use fitferry_core::activity::{Distance, GarminId, Listed, elapsed_of};
use fitferry_core::ports::PortError;
use serde::Deserialize;

use crate::client::Ask;
use crate::lenient::{lenient, object, whole};
use crate::list::{self, ActivityType};
use crate::reply::Reply;

pub(crate) fn ask(id: GarminId) -> Ask {
    Ask::json(format!("/activity-service/activity/{id}"))
}

/// `None` for 404 and 410.
pub(crate) fn read(id: GarminId, reply: &Reply) -> Result<Option<Listed>, PortError> {
    if matches!(reply.status, 404 | 410) {
        return Ok(None);
    }
    let detail: Detail = object(reply.data()?).ok_or_else(|| reply.refused("the activity is no object"))?;
    if list::id(detail.activity_id) != Some(id) {
        return Err(reply.refused("it is not the activity that was asked for"));
    }
    Ok(Some(detail.listed(id)))
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Detail {
    #[serde(deserialize_with = "whole")]
    activity_id: Option<i64>,
    #[serde(deserialize_with = "lenient")]
    activity_name: Option<String>,
    #[serde(rename = "activityTypeDTO", deserialize_with = "lenient")]
    activity_type: Option<ActivityType>,
    #[serde(rename = "metadataDTO", deserialize_with = "lenient")]
    metadata: Option<Metadata>,
    #[serde(rename = "summaryDTO", deserialize_with = "lenient")]
    summary: Option<Summary>,
    #[serde(deserialize_with = "whole")]
    parent_id: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    #[serde(deserialize_with = "lenient")]
    manual_activity: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Summary {
    #[serde(rename = "startTimeGMT", deserialize_with = "lenient")]
    start_time_gmt: Option<String>,
    #[serde(deserialize_with = "lenient")]
    start_time_local: Option<String>,
    #[serde(deserialize_with = "lenient")]
    elapsed_duration: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    duration: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    moving_duration: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    distance: Option<f64>,
}

impl Detail {
    fn listed(self, id: GarminId) -> Listed {
        let of = self.activity_type.unwrap_or_default();
        let summary = self.summary.unwrap_or_default();
        Listed {
            id,
            name: list::text(self.activity_name),
            type_key: list::text(of.type_key),
            parent_type_id: of.parent_type_id,
            start: summary.start_time_gmt.and_then(|text| list::moment(&text)),
            local_date: summary.start_time_local.and_then(|text| list::day(&text)),
            elapsed: elapsed_of(summary.elapsed_duration, summary.duration, summary.moving_duration),
            distance: summary.distance.and_then(Distance::from_meters),
            manual: self.metadata.and_then(|metadata| metadata.manual_activity).unwrap_or(false),
            parent: list::id(self.parent_id),
        }
    }
}
