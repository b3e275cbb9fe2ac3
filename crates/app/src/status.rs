//! What is known of one athlete without asking the services.

use std::collections::BTreeMap;

use fitferry_core::head::{Head, PauseCause};
use fitferry_core::ledger::{Row, Shown, StateName};
use fitferry_core::ports::{Ledger, SecretName, Service};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::config::{SecretKey, Settings};
use crate::document;
use crate::error::CommandError;
use crate::store::Store;

/// A login's end is told this long before.
const WARN_BEFORE: SignedDuration = SignedDuration::from_hours(14 * 24);

/// What is known without asking anybody.
#[derive(Debug, Default)]
pub struct Status {
    pub head: Head,
    pub garmin: Option<Garmin>,
    pub strava: Option<Strava>,
    pub last_tick: Option<Timestamp>,
    pub counts: BTreeMap<Shown, u64>,
}

#[derive(Debug)]
pub struct Garmin {
    pub kind: &'static str,
    pub ok: bool,
    pub ends: Option<Timestamp>,
}

impl Garmin {
    /// When it ends, for a sentence that begins with the login, and what to do about it; `None`: not soon.
    pub fn ends_soon(&self, now: Timestamp) -> Option<(String, &'static str)> {
        let left = self.ends?.duration_since(now);
        if left >= WARN_BEFORE {
            return None;
        }
        let when = match left.as_hours().div_euclid(24) {
            ..0 => "has ended".to_owned(),
            0 => "ends within a day".to_owned(),
            1 => "ends in 1 day".to_owned(),
            days => format!("ends in {days} days"),
        };
        let cure = match (self.kind, left.is_negative()) {
            ("personal", _) => "Make a new key, then run `fitferry login garmin`.",
            // Each renewal begins the weeks anew, so nothing has been renewed for long.
            (_, false) => "Let `fitferry sync` run, which renews it.",
            (_, true) => "Run `fitferry login garmin` again.",
        };
        Some((when, cure))
    }
}

#[derive(Debug)]
pub struct Strava {
    pub ok: bool,
    pub scopes: Vec<String>,
    pub app: String,
    pub athlete: Option<String>,
}

/// Reads it from the store; `None`: there is no store yet.
pub async fn read(
    settings: &Settings,
    store: Option<&Store>,
    now: Timestamp,
) -> Result<Status, CommandError> {
    let mut status =
        Status { counts: Shown::ALL.iter().map(|shown| (*shown, 0)).collect(), ..Status::default() };
    if let Some(store) = store {
        let vault = &*store.vault;
        (status.head, _) = store.ledger.head().await?;
        #[cfg(feature = "desk")]
        {
            status.last_tick = store.last_tick()?;
        }
        let login_needed = |service: Service| {
            status.head.pause(service).is_some_and(|pause| pause.cause == PauseCause::LoginNeeded)
        };
        if let Some((secret, _)) = vault.get(SecretName::GarminLogin).await? {
            let login = fitferry_garmin::Login::read(&secret).ok();
            status.garmin = Some(Garmin {
                kind: login.as_ref().map_or("unreadable", fitferry_garmin::Login::kind),
                ok: login.is_some() && !login_needed(Service::Garmin),
                ends: login.and_then(|login| login.ends()),
            });
        }
        let strava = fitferry_strava::login::stored(vault).await;
        if let Ok(Some(login)) = &strava {
            status.strava = Some(Strava {
                ok: !login_needed(Service::Strava) && login.scopes().has("activity:write"),
                scopes: login.scopes().iter().map(str::to_owned).collect(),
                app: login.app().client_id.clone(),
                athlete: login.athlete().map(ToString::to_string),
            });
        }
        status.counts = counts(&*store.ledger, &status.head, now).await?;
        if let Ok(Some(login)) = &strava {
            // The head's copy is the last tick's, and other athletes may share the application.
            status.head.budget = Some(store.budget.view(&login.app_id(), now).await?);
        }
    }
    if settings.secret(SecretKey::GarminApiKey)?.is_some() {
        status.garmin = Some(Garmin { kind: "personal", ok: true, ends: None });
    }
    Ok(status)
}

/// Final states by the head, open ones by their rows: an open row may wait. A head that a run left behind
/// when it died does not count.
async fn counts(
    ledger: &dyn Ledger,
    head: &Head,
    now: Timestamp,
) -> Result<BTreeMap<Shown, u64>, CommandError> {
    let kept = if head.dirty { ledger.count().await? } else { head.counts };
    let mut counts: BTreeMap<Shown, u64> = Shown::ALL.iter().map(|shown| (*shown, 0)).collect();
    for (state, shown) in [
        (StateName::Published, Shown::Published),
        (StateName::Skipped, Shown::Skipped),
        (StateName::Rejected, Shown::Rejected),
    ] {
        counts.insert(shown, kept.get(state));
    }
    let open: Vec<Row> = ledger.open().await?.into_iter().map(|(row, _)| row).collect();
    for row in &open {
        *counts.entry(row.shown(head, now)).or_default() += 1;
    }
    Ok(counts)
}

/// `status --json`.
pub fn to_json(status: &Status, athlete: &str, now: Timestamp) -> Value {
    let time = |moment: Option<Timestamp>| json!(moment.map(|moment| moment.to_string()));
    let counts: BTreeMap<&str, u64> =
        status.counts.iter().map(|(shown, count)| (shown.key(), *count)).collect();
    json!({
        "athlete": athlete,
        "logins": {
            "garmin": {
                "kind": status.garmin.as_ref().map(|garmin| garmin.kind),
                "ok": status.garmin.as_ref().is_some_and(|garmin| garmin.ok),
                "ends": time(status.garmin.as_ref().and_then(|garmin| garmin.ends)),
            },
            "strava": {
                "ok": status.strava.as_ref().is_some_and(|strava| strava.ok),
                "scopes": status.strava.as_ref().map(|strava| strava.scopes.clone()).unwrap_or_default(),
                "app": status.strava.as_ref().map(|strava| strava.app.clone()),
            },
        },
        "last_tick": time(status.last_tick),
        "last_change": time(status.head.last_change),
        "last_sweep": time(status.head.sweep.last_complete),
        "garmin_link": status.head.link.on,
        "counts": counts,
        "budget": document::budget(status.head.budget.map(|view| view.seen_at(now))),
        "next_due": time(status.head.next_due),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_login_is_told_from_fourteen_days_before_with_the_cure_of_its_kind() {
        let now: Timestamp = "2026-11-23T06:00:00Z".parse().unwrap();
        let told = |kind, hours| {
            let ends = Some(now + SignedDuration::from_hours(hours));
            Garmin { kind, ok: true, ends }.ends_soon(now)
        };
        assert_eq!(told("personal", 14 * 24), None);
        for (hours, when) in [
            (13 * 24, "ends in 13 days"),
            (47, "ends in 1 day"),
            (23, "ends within a day"),
            (-1, "has ended"),
        ] {
            let (told, cure) = told("personal", hours).unwrap();
            assert_eq!(told, when);
            assert!(cure.contains("new key"), "{cure}");
        }
        // A key cannot be renewed, tokens can while they last.
        assert!(told("connect", 24).unwrap().1.contains("`fitferry sync`"));
        assert!(told("connect", -24).unwrap().1.contains("`fitferry login garmin`"));
        assert_eq!(Garmin { kind: "personal", ok: true, ends: None }.ends_soon(now), None);
    }
}
