//! `fitferry doctor`: what is wrong with a desk, each finding with its cure.
//!
//! Looks at configuration, files, store and head, and asks each service once, where no pause forbids it. Ends
//! the pauses that somebody who asks has waited for long enough, all but a 429's (*Blame*). Changes nothing else but
//! what every command does: the store's file is kept from others, and a token that has ended is renewed. A configuration that cannot be used ends the examination, since nothing else is known then.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fitferry_core::budget::{Kind, Purpose};
use fitferry_core::engine::report::Note;
use fitferry_core::head::{Pause, PauseCause};
use fitferry_core::ports::{Answer, Clock as _, Failure, Page, PortError, Service, Source as _};
use fitferry_strava::login::Grant;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::app::App;
use crate::config::{self, Asked, Environment, Problem, Report, SecretKey, Settings, StoreUrl};
use crate::error::CommandError;
use crate::outcome;
use crate::status::{self, Status};
use crate::store::Store;

/// A clock that is further off is told, as ticks tell it.
const SKEW_TOLD: SignedDuration = SignedDuration::from_secs(30);

/// A machine that has not ticked for so long has stopped.
const SILENT: SignedDuration = SignedDuration::from_hours(48);

/// Read, write or enter by anybody but the owner.
const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A word that scripts may rely on.
    pub kind: &'static str,
    /// A sentence.
    pub message: String,
    /// What to do now.
    pub help: String,
}

impl Finding {
    fn new(kind: &'static str, message: impl Into<String>, help: impl Into<String>) -> Finding {
        Finding { kind, message: message.into(), help: help.into() }
    }

    /// What a service or the store answered with.
    fn of(error: &CommandError) -> Finding {
        let words: Vec<String> =
            std::iter::once(error.to_string()).chain(error.causes().iter().cloned()).collect();
        Finding::new(error.kind().key(), sentence(&words.join(": ")), error.help())
    }

    fn of_problem(problem: &Problem) -> Finding {
        Finding::new("config", sentence(&problem.to_string()), &problem.help)
    }

    pub fn to_json(&self) -> Value {
        json!({ "kind": self.kind, "message": self.message, "help": self.help })
    }
}

/// Looks at everything. `Err` only where it could not even begin.
pub async fn examine(asked: &Asked, environment: &Environment) -> Result<Vec<Finding>, CommandError> {
    let Report { settings, problems } = config::examine(asked, environment)?;
    let mut findings: Vec<Finding> = problems.iter().map(Finding::of_problem).collect();
    let Some(settings) = settings.filter(|_| problems.is_empty()) else { return Ok(findings) };
    findings.extend(settings.warnings.iter().map(Finding::of_problem));
    files(&settings, nix::unistd::geteuid().as_raw(), &mut findings);
    if let Err(error) = store(&settings, &mut findings).await {
        findings.push(Finding::of(&error));
    }
    Ok(findings)
}

// ----------------------------------------------------------------------------------------- files

fn files(settings: &Settings, uid: u32, findings: &mut Vec<Finding>) {
    let mut secret: Vec<PathBuf> = Vec::new();
    if let StoreUrl::Sqlite(path) = &settings.store {
        secret.extend(["", "-wal", "-shm"].map(|suffix| {
            let mut name = path.clone().into_os_string();
            name.push(suffix);
            PathBuf::from(name)
        }));
    }
    for key in SecretKey::ALL {
        secret.extend(settings.environment().path(&key.file_variable()));
    }
    for file in secret {
        let Ok(metadata) = file.metadata() else { continue };
        if metadata.mode() & OTHERS != 0 {
            findings.push(Finding::new(
                "file_mode",
                format!("Others on this machine may read {} (mode {:o}).", file.display(), metadata.mode() & 0o777),
                format!(
                    "Run `chmod 600 {}`; if somebody else may have looked, make new logins with `fitferry login`.",
                    file.display()
                ),
            ));
        }
        owned(&file, &metadata, uid, findings);
    }
    let folders = [settings.file.parent().map(Path::to_owned), Some(settings.folders.data.clone())];
    let mut seen: Vec<PathBuf> = Vec::new();
    for place in folders.into_iter().flatten().chain([settings.file.clone()]) {
        let Ok(metadata) = place.metadata() else { continue };
        if seen.contains(&place) {
            continue;
        }
        if metadata.mode() & OTHERS_WRITE != 0 && metadata.mode() & STICKY == 0 {
            findings.push(Finding::new(
                "file_mode",
                format!("Others on this machine may change {}.", place.display()),
                format!("Run `chmod go-w {}`", place.display()),
            ));
        }
        owned(&place, &metadata, uid, findings);
        seen.push(place);
    }
}

fn owned(path: &Path, metadata: &Metadata, uid: u32, findings: &mut Vec<Finding>) {
    // Root may do everything everywhere; what it creates then belongs to root.
    if metadata.uid() != uid {
        findings.push(Finding::new(
            "file_owner",
            format!("{} belongs to user {}, and this is user {uid}.", path.display(), metadata.uid()),
            format!("Run fitferry as that user, or give the file over: `chown {uid} {}`", path.display()),
        ));
    }
}

// ----------------------------------------------------------------------------------------- store

async fn store(settings: &Settings, findings: &mut Vec<Finding>) -> Result<(), CommandError> {
    let clock = std::sync::Arc::new(crate::clock::SystemClock::default());
    let now = clock.now();
    let store = Store::open_for_reading(settings, clock).await?;
    if let Some(store) = &store {
        integrity(settings, store, findings)?;
    }
    let status = status::read(settings, store.as_ref(), now).await?;
    if let Some(elsewhere) = &status.head.moved_to {
        // Nothing is carried from here any more, so nothing can be wrong with it.
        findings.push(Finding::new(
            "moved",
            format!("The logins moved to {elsewhere}, which carries now; this machine does not."),
            format!("Run `fitferry --store {elsewhere} doctor` to look there."),
        ));
        return Ok(());
    }
    known(&status, now, findings);
    drop(store);
    if status.garmin.is_some() || status.strava.is_some() {
        // Opened for writing, since a token that has ended is renewed.
        let app = App::open(settings.clone()).await?;
        end_pauses(&app, &status).await?;
        ask(&app, &status, now, findings).await;
    }
    Ok(())
}

fn integrity(settings: &Settings, store: &Store, findings: &mut Vec<Finding>) -> Result<(), CommandError> {
    let (damage, modes_hold) = store.examine()?;
    findings.extend(told_of_store(settings, damage.first(), modes_hold));
    Ok(())
}

fn told_of_store(settings: &Settings, damage: Option<&String>, modes_hold: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(first) = damage {
        findings.push(Finding::new(
            "store_damaged",
            format!("The store {} is damaged: {first}.", settings.store),
            "Stop fitferry, keep a copy of the file, and put back the last good copy, or sign in anew over an empty \
             one: what is on Strava is found there by its external id. `fitferry config show` shows where it is.",
        ));
    }
    if !modes_hold {
        findings.push(Finding::new(
            "file_mode",
            format!(
                "The file system of {} cannot keep others from reading the logins in it.",
                settings.store
            ),
            "Put the store where files have modes, with `[store] url`, and move the file there.",
        ));
    }
    findings
}

/// What the head and the logins say by themselves.
fn known(status: &Status, now: Timestamp, findings: &mut Vec<Finding>) {
    let mut is_newcomer = status.garmin.is_none() && status.strava.is_none();
    for (service, is_there, ok) in [
        (
            Service::Garmin,
            status.garmin.is_some(),
            status.garmin.as_ref().is_some_and(|login| login.kind != "unreadable"),
        ),
        (Service::Strava, status.strava.is_some(), true),
    ] {
        let login = format!("Run `fitferry login {}`", service.key());
        if !is_there {
            // Said once.
            let more = if std::mem::take(&mut is_newcomer) {
                ", or `fitferry init`, which leads through everything"
            } else {
                ""
            };
            let login = format!("{login}{more}");
            findings.push(Finding::new("login_missing", format!("Nobody is signed in to {service}."), login));
        } else if !ok {
            findings.push(Finding::new(
                "login_unreadable",
                format!("The login to {service} cannot be read."),
                login,
            ));
        }
    }
    if let Some((when, cure)) = status.garmin.as_ref().and_then(|login| login.ends_soon(now)) {
        findings.push(Finding::new("login_ends", format!("The login to Garmin {when}."), cure));
    }
    if let Some(strava) = &status.strava {
        let scopes = fitferry_strava::login::Scopes::parse(&strava.scopes.join(","));
        if let Grant::Short(what) | Grant::Useless(what) = scopes.grant() {
            let (what, cure) = what.rsplit_once("; ").unwrap_or((&what, "run `fitferry login strava` again"));
            findings.push(Finding::new("scope", sentence(what), sentence(cure)));
        }
    }
    if status.head.link.on == Some(true) {
        findings.push(link_is_on());
    }
    let spent =
        status.head.budget.and_then(|view| view.seen_at(now).spent_until(Kind::Read, Purpose::Everyday, now));
    if let Some(until) = spent {
        findings.push(Finding::new(
            "budget",
            format!("The limits of the Strava application are used up until {until}."),
            "Wait: the next `fitferry sync` after that goes on. https://www.strava.com/settings/api shows who uses it.",
        ));
    }
    if let Some(last) = status.last_tick
        && now.duration_since(last) > SILENT
    {
        findings.push(Finding::new(
            "no_tick",
            format!("The last tick was {} days ago, on {last}.", now.duration_since(last).as_hours() / 24),
            "Let `fitferry watch` run, or call `fitferry sync` from cron; `fitferry sync` now shows whether it works.",
        ));
    }
}

fn link_is_on() -> Finding {
    Finding::new(
        "garmin_link",
        "Garmin's own link to Strava is on: it copies every activity, whatever is chosen here.",
        "Switch it off at https://connect.garmin.com/app/settings/accountInformation, under Connected apps, or \
         leave it on: new activities are then held 30 minutes to let it go first.",
    )
}

// -------------------------------------------------------------------------------------- services

/// A service, a login or an application may be well again by now; the next tick sees.
async fn end_pauses(app: &App, status: &Status) -> Result<(), CommandError> {
    let is_ended = |pause: Option<&Pause>| pause.is_some_and(|pause| pause.cause != PauseCause::Limit);
    if ![Service::Garmin, Service::Strava].into_iter().any(|service| is_ended(status.head.pause(service))) {
        return app.clear_budget_pauses().await;
    }
    match app.under_lease(async |fence| app.clear_pauses(fence).await).await {
        // Whoever is at work sees for itself.
        Err(error) if error.kind() == crate::error::Kind::Busy => Ok(()),
        outcome => outcome,
    }
}

/// One request to each service that is signed in to, and a look for *Garmin's own link* where none was taken yet.
async fn ask(app: &App, status: &Status, now: Timestamp, findings: &mut Vec<Finding>) {
    if status.garmin.is_some() && !is_limited(app, status, Service::Garmin, now, findings) {
        let newest = Page { start: 0, limit: 1, from: None, to: None };
        let before = app.clock.now();
        let answer = app.garmin.list(newest).await;
        heard(Service::Garmin, before, answer, findings);
    }
    if status.strava.is_some() && !is_limited(app, status, Service::Strava, now, findings) {
        let before = app.clock.now();
        let answer = app.strava.athlete().await;
        let is_well = answer.is_ok();
        heard(Service::Strava, before, answer, findings);
        if is_well && status.head.link.on.is_none() && app.garmins_own_link().await.unwrap_or(false) {
            findings.push(link_is_on());
        }
    }
}

/// A 429 is obeyed here too.
fn is_limited(
    app: &App,
    status: &Status,
    service: Service,
    now: Timestamp,
    findings: &mut Vec<Finding>,
) -> bool {
    let pause = status.head.paused(service, now).filter(|pause| {
        // A key from outside the vault may be another one since.
        let is_same_key = pause.key.is_none() || pause.key == app.garmin.own_key();
        pause.cause == PauseCause::Limit && is_same_key
    });
    let Some(pause) = pause else { return false };
    findings.push(Finding::of(&pause.as_error(service).into()));
    true
}

fn heard<T>(
    service: Service,
    before: Timestamp,
    answer: Result<Answer<T>, Failure>,
    findings: &mut Vec<Finding>,
) {
    let server_time = match answer {
        Ok(answer) => answer.server_time,
        Err(failure) => {
            // Another run is renewing the login at this moment, and it is well; a spent budget is told already.
            if !matches!(failure.error, PortError::Busy | PortError::BudgetFull { .. }) {
                findings.push(Finding::of(&failure.error.into()));
            }
            failure.server_time
        }
    };
    let skew = server_time.map(|theirs| theirs.duration_since(before)).unwrap_or_default();
    if skew.abs() > SKEW_TOLD {
        let words = outcome::in_words(&Note::Skew(service, skew));
        let (what, cure) = words.split_once(". ").unwrap_or((&words, "Run `timedatectl set-ntp true`"));
        findings.push(Finding::new("clock", format!("{what}."), cure));
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let text: String =
        chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default();
    if text.ends_with(['.', '`']) { text } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_somebody_else_are_found_with_both_names() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::defaults(folder.path());
        let StoreUrl::Sqlite(store) = &settings.store else { panic!("a desk's store is a file") };
        std::fs::create_dir_all(store.parent().unwrap()).unwrap();
        std::fs::write(store, "").unwrap();
        let uid = store.metadata().unwrap().uid();
        let owners = |uid: u32| {
            let mut findings = Vec::new();
            files(&settings, uid, &mut findings);
            findings.retain(|finding| finding.kind == "file_owner");
            findings
        };
        assert_eq!(owners(uid), []);
        let found = owners(uid + 1);
        assert!(found[0].message.contains(&format!("belongs to user {uid}, and this is user {}", uid + 1)));
        assert!(found[0].help.contains(&format!("chown {}", uid + 1)), "{found:?}");
    }

    #[test]
    fn a_file_system_without_modes_is_a_finding_and_nothing_more() {
        let settings = Settings::defaults(Path::new("/x"));
        assert_eq!(told_of_store(&settings, None, true), []);
        let found = told_of_store(&settings, None, false);
        assert_eq!((found.len(), found[0].kind), (1, "file_mode"));
        assert!(found[0].help.contains("`[store] url`"), "{found:?}");
    }
}
