//! The stored form of the head: one JSON document per athlete.
//!
//! Tolerant as a row is ([`crate::row`]). A head can always be worked out anew from the rows, so what is
//! not known here, as a pause for a new cause, is read as the nearest thing that is.

use std::collections::BTreeMap;

use fitferry_core::head::{Head, Link, Pause, PauseCause, Running, Sweep};
use fitferry_core::ledger::{Counts, StateName};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::account::StoredView;
use crate::text::{self, is_default};

pub(crate) fn write(head: &Head) -> Result<String, String> {
    serde_json::to_string(&StoredHead::from(head)).map_err(|error| error.to_string())
}

pub(crate) fn read(document: &str) -> Result<Head, String> {
    let stored: StoredHead = serde_json::from_str(document).map_err(|error| error.to_string())?;
    Ok(stored.into())
}

#[derive(Serialize, Deserialize)]
struct StoredHead {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<u64>,
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    next_due: Option<Timestamp>,
    /// By the key of the state.
    #[serde(default)]
    counts: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "is_default")]
    dirty: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    garmin_pause: Option<StoredPause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    strava_pause: Option<StoredPause>,
    #[serde(default, skip_serializing_if = "is_default")]
    garmin_rung: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    strava_rung: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    garmin_429_minutes: u32,
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    last_change: Option<Timestamp>,
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    since_kept: Option<Date>,
    #[serde(default)]
    sweep: StoredSweep,
    #[serde(default)]
    link: StoredLink,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    budget: Option<StoredView>,
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    bearer_due: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vault: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    moved_to: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredPause {
    cause: String,
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    #[serde(default)]
    what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<u64>,
}

#[derive(Default, Serialize, Deserialize)]
struct StoredSweep {
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    last_complete: Option<Timestamp>,
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    last_full: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    running: Option<StoredRunning>,
}

#[derive(Serialize, Deserialize)]
struct StoredRunning {
    #[serde(with = "text")]
    started: Timestamp,
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    back_to: Option<Date>,
    #[serde(default, skip_serializing_if = "is_default")]
    full: bool,
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    reached: Option<Date>,
}

#[derive(Default, Serialize, Deserialize)]
struct StoredLink {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on: Option<bool>,
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    looked: Option<Timestamp>,
}

// ---------------------------------------------------------------------------------------- writing

impl From<&Head> for StoredHead {
    fn from(head: &Head) -> StoredHead {
        let Head {
            fingerprint,
            next_due,
            counts,
            dirty,
            garmin_pause,
            strava_pause,
            garmin_rung,
            strava_rung,
            garmin_429_minutes,
            last_change,
            since_kept,
            sweep,
            link,
            budget,
            bearer_due,
            vault,
            moved_to,
        } = head;
        StoredHead {
            fingerprint: *fingerprint,
            next_due: *next_due,
            counts: StateName::ALL
                .iter()
                .map(|state| (state.key().to_owned(), counts.get(*state)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            dirty: *dirty,
            garmin_pause: garmin_pause.as_ref().map(StoredPause::from),
            strava_pause: strava_pause.as_ref().map(StoredPause::from),
            garmin_rung: *garmin_rung,
            strava_rung: *strava_rung,
            garmin_429_minutes: *garmin_429_minutes,
            last_change: *last_change,
            since_kept: *since_kept,
            sweep: sweep.into(),
            link: StoredLink { on: link.on, looked: link.looked },
            budget: budget.map(StoredView::from),
            bearer_due: *bearer_due,
            vault: vault.clone(),
            moved_to: moved_to.clone(),
        }
    }
}

impl From<&Pause> for StoredPause {
    fn from(Pause { cause, until, what, key }: &Pause) -> StoredPause {
        StoredPause { cause: pause_key(*cause).to_owned(), until: *until, what: what.clone(), key: *key }
    }
}

impl From<&Sweep> for StoredSweep {
    fn from(Sweep { last_complete, last_full, running }: &Sweep) -> StoredSweep {
        StoredSweep {
            last_complete: *last_complete,
            last_full: *last_full,
            running: running.as_ref().map(|Running { started, back_to, full, reached }| StoredRunning {
                started: *started,
                back_to: *back_to,
                full: *full,
                reached: *reached,
            }),
        }
    }
}

fn pause_key(cause: PauseCause) -> &'static str {
    match cause {
        PauseCause::LoginNeeded => "login_needed",
        PauseCause::Misconfigured => "misconfigured",
        PauseCause::Limit => "limit",
        PauseCause::Budget => "budget",
        PauseCause::Down => "down",
        PauseCause::Error => "error",
        PauseCause::Inactive => "inactive",
    }
}

// ---------------------------------------------------------------------------------------- reading

impl From<StoredHead> for Head {
    fn from(stored: StoredHead) -> Head {
        let mut counts = Counts::default();
        for (key, count) in stored.counts {
            if let Some(state) = StateName::from_key(&key) {
                counts.set(state, count);
            }
        }
        Head {
            fingerprint: stored.fingerprint,
            next_due: stored.next_due,
            counts,
            dirty: stored.dirty,
            garmin_pause: stored.garmin_pause.map(Pause::from),
            strava_pause: stored.strava_pause.map(Pause::from),
            garmin_rung: stored.garmin_rung,
            strava_rung: stored.strava_rung,
            garmin_429_minutes: stored.garmin_429_minutes,
            last_change: stored.last_change,
            since_kept: stored.since_kept,
            sweep: stored.sweep.into(),
            link: Link { on: stored.link.on, looked: stored.link.looked },
            budget: stored.budget.map(Into::into),
            bearer_due: stored.bearer_due,
            vault: stored.vault,
            moved_to: stored.moved_to,
        }
    }
}

impl From<StoredPause> for Pause {
    fn from(stored: StoredPause) -> Pause {
        let cause = match stored.cause.as_str() {
            "login_needed" => PauseCause::LoginNeeded,
            "misconfigured" => PauseCause::Misconfigured,
            "limit" => PauseCause::Limit,
            "budget" => PauseCause::Budget,
            "down" => PauseCause::Down,
            "inactive" => PauseCause::Inactive,
            _ => PauseCause::Error,
        };
        Pause { cause, until: stored.until, what: stored.what, key: stored.key }
    }
}

impl From<StoredSweep> for Sweep {
    fn from(stored: StoredSweep) -> Sweep {
        Sweep {
            last_complete: stored.last_complete,
            last_full: stored.last_full,
            running: stored.running.map(|StoredRunning { started, back_to, full, reached }| Running {
                started,
                back_to,
                full,
                reached,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any};
    use proptest::{prop_assert_eq, proptest, sample};

    use super::*;
    use crate::account::tests::views;
    use crate::text::any::{date, maybe, timestamp, words};

    proptest! {
        #[test]
        fn any_head_reads_back_as_written(head in heads()) {
            prop_assert_eq!(read(&write(&head).unwrap()), Ok(head));
        }
    }

    #[test]
    fn a_document_without_anything_is_the_default_head() {
        assert_eq!(read("{}"), Ok(Head::default()));
    }

    #[test]
    fn a_head_of_a_newer_program_is_read_as_far_as_it_is_known() {
        let document = r#"{
            "colour": "blue",
            "counts": { "wanted": 3, "dreamt": 7 },
            "garmin_pause": { "cause": "full_moon", "what": "seen", "until": "2026-11-24T00:00:00Z" }
        }"#;
        let head = read(document).unwrap();
        assert_eq!(head.counts.get(StateName::Wanted), 3);
        let pause = head.garmin_pause.unwrap();
        assert_eq!((pause.cause, pause.what.as_str()), (PauseCause::Error, "seen"));
        assert!(pause.until.is_some());
    }

    #[test]
    fn an_ordinary_head_is_small() {
        let mut head =
            Head { fingerprint: Some(u64::MAX), next_due: Some(Timestamp::MAX), ..Head::default() };
        for state in StateName::ALL {
            head.counts.set(*state, 10_000);
        }
        assert!(write(&head).unwrap().len() < 1_000);
    }

    fn heads() -> impl Strategy<Value = Head> {
        let pauses = (maybe(pause()), maybe(pause()), any::<[u32; 3]>());
        let moments = [maybe(timestamp()), maybe(timestamp()), maybe(timestamp())];
        let places = [maybe(words()), maybe(words())];
        (
            (any::<Option<u64>>(), any::<[u64; 6]>(), any::<bool>(), places),
            pauses,
            moments,
            maybe(date()),
            sweep(),
            (any::<Option<bool>>(), maybe(timestamp())),
            maybe(views()),
        )
            .prop_map(|(first, pauses, moments, since_kept, sweep, (on, looked), budget)| {
                let (fingerprint, numbers, dirty, [vault, moved_to]) = first;
                let (garmin_pause, strava_pause, rungs) = pauses;
                let [garmin_rung, strava_rung, garmin_429_minutes] = rungs;
                let [next_due, last_change, bearer_due] = moments;
                let mut counts = Counts::default();
                for (state, count) in StateName::ALL.iter().zip(numbers) {
                    counts.set(*state, count);
                }
                Head {
                    fingerprint,
                    next_due,
                    counts,
                    dirty,
                    garmin_pause,
                    strava_pause,
                    garmin_rung,
                    strava_rung,
                    garmin_429_minutes,
                    last_change,
                    since_kept,
                    sweep,
                    link: Link { on, looked },
                    budget,
                    bearer_due,
                    vault,
                    moved_to,
                }
            })
    }

    fn pause() -> impl Strategy<Value = Pause> {
        let causes = sample::select(vec![
            PauseCause::LoginNeeded,
            PauseCause::Misconfigured,
            PauseCause::Limit,
            PauseCause::Budget,
            PauseCause::Down,
            PauseCause::Error,
            PauseCause::Inactive,
        ]);
        (causes, maybe(timestamp()), words(), maybe(any::<u64>()))
            .prop_map(|(cause, until, what, key)| Pause { cause, until, what, key })
    }

    fn sweep() -> impl Strategy<Value = Sweep> {
        let running = (timestamp(), maybe(date()), any::<bool>(), maybe(date()))
            .prop_map(|(started, back_to, full, reached)| Running { started, back_to, full, reached });
        (maybe(timestamp()), maybe(timestamp()), maybe(running))
            .prop_map(|(last_complete, last_full, running)| Sweep { last_complete, last_full, running })
    }
}
