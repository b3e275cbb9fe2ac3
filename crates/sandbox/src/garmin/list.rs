//! Garmin's list: which activities a request sees, in which order (dossier garmin.md §6.1).

use std::cmp::Reverse;

use jiff::Timestamp;
use jiff::civil::Date;

use super::{Garmin, GarminActivity, parent_key};
use crate::message::Fields;

/// A request to the list, understood.
#[derive(Clone, Debug)]
pub struct ListQuery {
    pub start: u64,
    pub limit: u64,
    /// Inclusive, against the local start date.
    pub from: Option<Date>,
    /// Inclusive, against the local start date.
    pub to: Option<Date>,
    pub type_key: Option<String>,
    pub sub_type_key: Option<String>,
    pub oldest_first: bool,
    /// Legs of multisport activities are left out unless the request says `excludeChildren=false`.
    pub with_legs: bool,
}

/// A request that the service refuses with 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadQuery(pub String);

impl Default for ListQuery {
    fn default() -> ListQuery {
        ListQuery {
            start: 0,
            limit: 20,
            from: None,
            to: None,
            type_key: None,
            sub_type_key: None,
            oldest_first: false,
            with_legs: false,
        }
    }
}

impl ListQuery {
    pub(super) fn read(fields: &Fields) -> Result<ListQuery, BadQuery> {
        let mut query = ListQuery::default();
        for (name, value) in &fields.0 {
            let bad = || BadQuery(format!("Invalid value for {name}: {value}"));
            match name.as_str() {
                "start" => query.start = value.parse().map_err(|_| bad())?,
                "limit" => query.limit = value.parse().map_err(|_| bad())?,
                "startDate" => query.from = Some(value.parse().map_err(|_| bad())?),
                "endDate" => query.to = Some(value.parse().map_err(|_| bad())?),
                "activityType" => query.type_key = Some(value.clone()),
                "activitySubType" => query.sub_type_key = Some(value.clone()),
                "excludeChildren" => query.with_legs = !value.parse::<bool>().map_err(|_| bad())?,
                // The default of the apps; others exist and are not modelled.
                "sortBy" if value == "startLocal" => {}
                "sortOrder" if value == "asc" => query.oldest_first = true,
                "sortOrder" if value == "desc" => query.oldest_first = false,
                "sortBy" | "sortOrder" => return Err(bad()),
                // Unknown parameters are ignored, as by most services.
                _ => {}
            }
        }
        Ok(query)
    }
}

impl Garmin {
    /// The page that the request asks for.
    pub fn list(
        &self,
        athlete: u64,
        query: &ListQuery,
        now: Timestamp,
    ) -> Result<Vec<&GarminActivity>, BadQuery> {
        if query.limit == 0 || query.limit > self.list_limit_max {
            return Err(BadQuery(format!("limit must be between 1 and {}", self.list_limit_max)));
        }
        let mut found: Vec<&GarminActivity> = self
            .activities
            .values()
            .filter(|activity| activity.owner == athlete && activity.is_listed(now) && query.sees(activity))
            .collect();
        // By local time, as the list does: around a change of the clocks that is not the order in which things began.
        // What has no time comes last.
        let newest_first = |activity: &&GarminActivity| Reverse((activity.order(), activity.id));
        let skip = usize::try_from(query.start).unwrap_or(usize::MAX);
        let take = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let end = skip.saturating_add(take);
        if !query.oldest_first && end < found.len() {
            // What lies beyond the page need not be in order.
            found.select_nth_unstable_by_key(end, newest_first);
            found.truncate(end);
        }
        found.sort_unstable_by_key(newest_first);
        if query.oldest_first {
            found.reverse();
        }
        Ok(found.into_iter().skip(skip).take(take).collect())
    }
}

impl ListQuery {
    fn sees(&self, activity: &GarminActivity) -> bool {
        if activity.parent.is_some() && !self.with_legs {
            return false;
        }
        if let Some(wanted) = &self.sub_type_key
            && activity.type_key != *wanted
        {
            return false;
        }
        if let Some(wanted) = &self.type_key
            && activity.type_key != *wanted
            && parent_key(&activity.type_key) != Some(wanted)
        {
            return false;
        }
        if self.from.is_none() && self.to.is_none() {
            return true;
        }
        // What has no date lies in no span of dates.
        let Some(date) = activity.start_local().map(|local| local.date()) else { return false };
        self.from.is_none_or(|from| from <= date) && self.to.is_none_or(|to| date <= to)
    }
}
