//! `GET /athlete/activities`: which activities, in which order, on which page (dossier strava.md §3.1).

use std::cmp::Reverse;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::{Caller, Refusal, Strava, StravaActivity, Visibility};
use crate::message::Fields;
use crate::rng::mix;

const PER_PAGE_MAX: u64 = 200;

/// A request to the list, understood. Times are epoch seconds.
#[derive(Clone, Copy, Debug)]
pub struct ListQuery {
    pub before: Option<i64>,
    pub after: Option<i64>,
    /// The first is 1.
    pub page: u64,
    pub per_page: u64,
}

impl Default for ListQuery {
    fn default() -> ListQuery {
        ListQuery { before: None, after: None, page: 1, per_page: 30 }
    }
}

impl ListQuery {
    pub(super) fn read(fields: &Fields) -> Result<ListQuery, Refusal> {
        fn number<N: std::str::FromStr>(text: &str, name: &'static str) -> Result<N, Refusal> {
            text.parse().map_err(|_| Refusal::Bad("Application", name, "invalid"))
        }
        let mut query = ListQuery::default();
        for (name, value) in &fields.0 {
            match name.as_str() {
                "before" => query.before = Some(number(value, "before")?),
                "after" => query.after = Some(number(value, "after")?),
                "page" => query.page = number(value, "page")?,
                "per_page" => query.per_page = number(value, "per_page")?,
                _ => {}
            }
        }
        Ok(query)
    }
}

impl Strava {
    /// One page of the caller's activities.
    pub fn list(
        &self,
        caller: Caller,
        query: ListQuery,
        now: Timestamp,
    ) -> Result<Vec<&StravaActivity>, Refusal> {
        self.need(caller, &["activity:read", "activity:read_all"], super::routes::READ)?;
        if query.page == 0 {
            return Err(Refusal::Bad("Application", "page", "invalid"));
        }
        if query.per_page == 0 || query.per_page > PER_PAGE_MAX {
            return Err(Refusal::Bad("Application", "per_page", "invalid"));
        }
        if query.after.is_some_and(|after| after > now.as_second()) {
            return Err(Refusal::Bad("Application", "after", "future"));
        }
        let sees_all = self.has(caller, "activity:read_all");
        let offset = self.offset(caller.athlete);
        let mut found: Vec<(Timestamp, &StravaActivity)> = self
            .of_athlete(caller.athlete)
            .filter(|activity| activity.listed_from <= now)
            .filter(|activity| sees_all || activity.visibility != Visibility::OnlyMe)
            .map(|activity| (shown_start_at(activity, offset), activity))
            .filter(|(start, _)| query.after.is_none_or(|after| start.as_second() > after))
            .filter(|(start, _)| query.before.is_none_or(|before| start.as_second() < before))
            .collect();
        // Oldest first with `after` alone; with `before`, or with neither, newest first.
        let is_newest_first = query.after.is_none() || query.before.is_some();
        let (skip, take) = self.page_bounds(query);
        let end = skip.saturating_add(take);
        let oldest_first = |(start, activity): &(Timestamp, &StravaActivity)| (*start, activity.id);
        let newest_first = |one: &(Timestamp, &StravaActivity)| Reverse(oldest_first(one));
        // What lies beyond the page need not be in order.
        if end < found.len() {
            match is_newest_first {
                true => found.select_nth_unstable_by_key(end, newest_first),
                false => found.select_nth_unstable_by_key(end, oldest_first),
            };
            found.truncate(end);
        }
        match is_newest_first {
            true => found.sort_unstable_by_key(newest_first),
            false => found.sort_unstable_by_key(oldest_first),
        }
        Ok(found.into_iter().map(|(_, activity)| activity).skip(skip).take(take).collect())
    }

    /// What the list says about the start: the truth, or midnight and a second of the local day.
    pub fn shown_start(&self, activity: &StravaActivity) -> Timestamp {
        shown_start_at(activity, self.offset(activity.athlete))
    }

    pub(crate) fn offset(&self, athlete: u64) -> Offset {
        let seconds = self.athletes.get(&athlete).map_or(0, |athlete| athlete.utc_offset_s);
        Offset::from_seconds(seconds).unwrap_or(Offset::UTC)
    }

    /// How many to leave out and how many to give. Short pages lose nothing: the next one begins where they end.
    fn page_bounds(&self, query: ListQuery) -> (usize, usize) {
        let size = |page: u64| match self.settings.short_pages {
            true => query.per_page - mix(page) % (query.per_page / 4 + 1),
            false => query.per_page,
        };
        // Pages beyond that are empty in any world; without a bound a client's page number would set the work.
        let page = query.page.min(10_000);
        let skip: u64 = (1..page).map(size).sum();
        let whole = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        (whole(skip), whole(size(page)))
    }
}

fn shown_start_at(activity: &StravaActivity, offset: Offset) -> Timestamp {
    if !activity.start_hidden {
        return activity.start;
    }
    let local = offset.to_datetime(activity.start);
    let hidden = DateTime::from_parts(local.date(), jiff::civil::time(0, 0, 1, 0));
    offset.to_timestamp(hidden).unwrap_or(activity.start)
}
