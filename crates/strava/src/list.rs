//! A look over a window of start times: `GET /athlete/activities`, page by page (dossier strava.md §3.1).
//!
//! The one idea: a look is complete or it is an error (rule *Fresh eyes*). A short page is no proof of the
//! end, so only one with fewer than 150 of 200 items ends a window.

use std::collections::{BTreeMap, BTreeSet};

use fitferry_core::activity::{Found, StravaId, UploadId};
use fitferry_core::ports::{PortError, Window};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use url::Url;

use crate::answer::Seen;
use crate::fault::refused;
use crate::wire::SummaryActivity;

const PAGE_ITEMS: usize = 200;
/// A page with fewer items is the last one.
const FULL_PAGE_ITEMS_MIN: usize = 150;
/// No look reads more.
pub(crate) const PAGES_MAX: u32 = 5;
/// `after` in the service's future is refused (§3.1), so it stays this far behind.
const AFTER_BEHIND: SignedDuration = SignedDuration::from_hours(24);

/// The URL of one page; `page` counts from 1.
pub(crate) fn page_url(mut url: Url, window: Window, page: u32, service_now: Timestamp) -> Url {
    // Both ends are exclusive, in whole seconds.
    let latest = service_now.as_second().saturating_sub(AFTER_BEHIND.as_secs());
    let after = window.after.as_second().saturating_sub(1).min(latest).max(0);
    let before = window.before.as_second().saturating_add(2).max(0);
    url.query_pairs_mut()
        .append_pair("after", &after.to_string())
        .append_pair("before", &before.to_string())
        .append_pair("per_page", &PAGE_ITEMS.to_string())
        .append_pair("page", &page.to_string());
    url
}

/// What the pages have shown so far.
#[derive(Default)]
pub(crate) struct Pages {
    found: BTreeMap<StravaId, Found>,
    uploads: BTreeSet<UploadId>,
}

impl Pages {
    /// Takes one page in; `true` where it is the last one.
    pub(crate) fn take(&mut self, seen: &Seen) -> Result<bool, PortError> {
        let items: Vec<Value> = seen.json().map_err(|unread| seen.unread(unread))?;
        let count = items.len();
        let mut unusable = 0;
        for item in items {
            match SummaryActivity::read(item).and_then(SummaryActivity::found) {
                Some(found) => {
                    self.uploads.extend(found.upload_id);
                    self.found.insert(found.id, found);
                }
                None => unusable += 1,
            }
        }
        if unusable > 0 {
            if unusable == count {
                return Err(refused(Some(seen.status), "a list of activities without ids".to_owned()));
            }
            tracing::warn!(unusable, "activities without an id in Strava's list");
        }
        Ok(count < FULL_PAGE_ITEMS_MIN)
    }

    /// Whether everything that the look was for has been seen.
    pub(crate) fn shows(&self, uploads: &BTreeSet<UploadId>) -> bool {
        !uploads.is_empty() && uploads.is_subset(&self.uploads)
    }

    pub(crate) fn into_found(self) -> Vec<Found> {
        self.found.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_asked_for_a_second_wider_and_never_after_the_services_yesterday() {
        let base = Url::parse("http://127.0.0.1/athlete/activities").unwrap();
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let window = Window { after: at("2026-11-20T00:00:00.5Z"), before: at("2026-11-24T00:00:00.5Z") };
        let query = |now| page_url(base.clone(), window, 3, at(now)).query().unwrap().to_owned();
        assert_eq!(query("2026-11-25T00:00:00Z"), "after=1795132799&before=1795478402&per_page=200&page=3");
        assert!(
            query("2026-11-20T12:00:00Z")
                .starts_with(&format!("after={}&", at("2026-11-19T12:00:00Z").as_second()))
        );
        let ancient = Window { after: Timestamp::MIN, before: Timestamp::MIN };
        assert!(
            page_url(base, ancient, 1, at("2026-11-20T12:00:00Z"))
                .query()
                .unwrap()
                .starts_with("after=0&before=0&")
        );
    }
}
