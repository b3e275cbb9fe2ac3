//! Both services as one world: what happens by itself in it, and what a test may ask about it afterwards.
//!
//! The world is a value. It does no I/O and has no clock: every question brings `now`, and what should have
//! happened by then happens first ([`World::settle`]), in the order of its due times. The same seed and the same
//! questions give the same answers.
//!
//! Not here: sockets (`server`), worlds with something in them (`demo`, `folder`).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::faults::{self, Faults, What};
use crate::garmin::{self, DiPair, Garmin};
use crate::message::{Reply, Request, http_date};
use crate::rng::Rng;
use crate::routes::{Route, Service};
use crate::strava::{self, Origin, Strava, StravaActivity, TokenPair};

/// A Garmin and a Strava.
#[derive(Clone, Debug)]
pub struct World {
    pub garmin: Garmin,
    pub strava: Strava,
    pub faults: Faults,
    /// Garmin's own link to Strava: how long after Garmin has an activity it is on Strava; `None`: off.
    pub garmin_link: Option<SignedDuration>,
    pub rng: Rng,
}

/// An answer, and what may happen to it on its way.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub reply: Reply,
    /// The fault that is left to whoever carries the answer; `None` once it is dealt with.
    pub fault: Option<What>,
}

impl World {
    /// One athlete on both sides, nothing recorded yet.
    pub fn empty(seed: u64) -> World {
        World {
            garmin: Garmin::default(),
            strava: Strava::default(),
            faults: Faults::default(),
            garmin_link: None,
            rng: Rng::new(seed),
        }
    }

    /// A Strava login that has already been made: the first athlete's, with the first app.
    ///
    /// # Panics
    /// If the app has no room for the athlete.
    pub fn strava_login(&mut self, scopes: &[&str], now: Timestamp) -> TokenPair {
        let pair = self.strava.sign_in(strava::CLIENT_ID, strava::ATHLETE, scopes, now, &mut self.rng);
        pair.expect("the app has room for its first athlete")
    }

    /// A bearer for Garmin's Personal API, as the first key gives it.
    ///
    /// # Panics
    /// If that key has been revoked.
    pub fn garmin_bearer(&mut self, now: Timestamp) -> String {
        let bearer = self.garmin.tokens.exchange_key(garmin::API_KEY, now, &mut self.rng);
        bearer.expect("the first key is good until a test revokes it")
    }

    /// A login with Garmin's app that has already been made.
    pub fn garmin_login(&mut self, client_id: &str, now: Timestamp) -> DiPair {
        self.garmin.tokens.pair(garmin::ATHLETE, client_id, now, &mut self.rng)
    }

    /// A ticket as Garmin's sign-in page gives it.
    pub fn garmin_ticket(&mut self, service_url: &str, now: Timestamp) -> String {
        self.garmin.tokens.issue_ticket(garmin::ATHLETE, service_url, now, &mut self.rng)
    }

    /// Answers a request as the service would at that moment, faults included.
    ///
    /// Some faults concern the carrier and not the service; they come back in [`Outcome::fault`]: a dropped
    /// connection, before or after, a slow body and a cut one, and all of [`crate::Wire`].
    pub fn answer(&mut self, service: Service, request: &Request, now: Timestamp) -> Outcome {
        self.settle(now);
        let route = Route::of(service, &request.method, &request.path);
        let fault = self.faults.strike(route, now, &mut self.rng);
        let (reply, left) = match fault {
            None => (self.serve(service, route, request, now), None),
            Some(What::DropBefore) => (Reply::empty(0), Some(What::DropBefore)),
            Some(left @ What::Wire(wire)) if !wire.has_effect() => (Reply::empty(0), Some(left)),
            Some(left @ (What::DropAfter | What::SlowBody(_) | What::CutBody | What::Wire(_))) => {
                (self.serve(service, route, request, now), Some(left))
            }
            Some(What::StatusAfterEffect(status)) => {
                self.serve(service, route, request, now);
                (faults::gateway(status), None)
            }
            Some(What::HalfBody) => {
                let mut reply = self.serve(service, route, request, now);
                reply.body.truncate(reply.body.len() / 2);
                (reply, None)
            }
            Some(without_effect) => {
                self.count_refused(route, request, now);
                (instead(without_effect), None)
            }
        };
        Outcome { reply: reply.with_header("Date", &http_date(now)), fault: left }
    }

    fn serve(&mut self, service: Service, route: Route, request: &Request, now: Timestamp) -> Reply {
        match service {
            Service::Strava => self.strava.answer(route, request, now, &mut self.rng),
            _ => self.garmin.answer(service, route, request, now, &mut self.rng),
        }
    }

    /// A request that something in front of Strava refuses has cost quota all the same (dossier strava.md §8).
    fn count_refused(&mut self, route: Route, request: &Request, now: Timestamp) {
        if route.is_strava_api() {
            let class = match route {
                Route::StravaUpload => strava::Class::Upload,
                _ => strava::Class::Read,
            };
            let bearer = request.authorization("Bearer").unwrap_or_default();
            // Only the count matters; what the service would have said is never heard.
            let _ = self.strava.admit(bearer, class, now, &mut self.rng);
        }
    }

    /// Lets happen what is due: uploads end, Garmin's link delivers.
    pub fn settle(&mut self, now: Timestamp) {
        loop {
            let upload = self.strava.next_due(now);
            let copy = self.next_copy(now);
            match (upload, copy) {
                (None, None) => return,
                (Some((at, _)), Some((copy_at, id))) if copy_at < at => self.deliver(id, copy_at),
                (None, Some((copy_at, id))) => self.deliver(id, copy_at),
                (Some((at, _)), _) => self.strava.settle(at, &mut self.rng),
            }
        }
    }

    /// The activity that Garmin's link brings over next, and when.
    fn next_copy(&self, now: Timestamp) -> Option<(Timestamp, u64)> {
        let delay = self.garmin_link?;
        let candidates = self.garmin.activities.values().filter(|activity| {
            !activity.linked && !activity.deleted && !activity.manual && activity.parent.is_none()
        });
        candidates
            .filter_map(|activity| Some((activity.arrived()? + delay, activity.id)))
            .filter(|(at, _)| *at <= now)
            .min()
    }

    /// The link's copy. Its external id is a number of twelve digits that has nothing to do with Garmin's id
    /// (dossier strava.md §2.5). Whether the link is stopped by what is there already is not known; here it is
    /// where Strava's policy sees an overlap.
    fn deliver(&mut self, id: u64, at: Timestamp) {
        let Some(activity) = self.garmin.activities.get_mut(&id) else { return };
        activity.linked = true;
        let Some(start) = activity.start else { return };
        let sport = strava_sport(&activity.type_key);
        let ping = 400_000_000_000 + self.rng.below(99_999_999_999);
        let athlete = self.strava.browser;
        let copy = StravaActivity {
            distance_m: activity.distance_m.unwrap_or(0.0),
            external_id: Some(format!("garmin_ping_{ping}")),
            origin: Origin::GarminLink,
            upload_id: Some(17_000_000_000 + self.rng.below(99_999_999)),
            sha256: Some(strava::sha256(&activity.file)),
            device_name: Some("Garmin Forerunner 965".to_owned()),
            created: at,
            listed_from: at,
            detail_from: at,
            ..StravaActivity::other(
                athlete,
                activity.name.as_deref().unwrap_or("Activity"),
                sport,
                start,
                activity.elapsed_s.unwrap_or(0.0),
            )
        };
        let overlaps = self.strava.settings.duplicates.overlap
            && self
                .strava
                .of_athlete(athlete)
                .any(|other| other.start < copy.end() && copy.start < other.end());
        if !overlaps {
            self.strava.add(copy);
        }
    }

    /// Garmin ids of which more than one activity came from our own uploads, with those activities. Deleted ones do
    /// not count.
    pub fn doubles(&self) -> BTreeMap<u64, Vec<u64>> {
        let mut by_garmin_id: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for activity in self.strava.activities.values().filter(|activity| !activity.deleted) {
            if let Some(id) = activity.garmin_id() {
                by_garmin_id.entry(id).or_default().push(activity.id);
            }
        }
        by_garmin_id.retain(|_, activities| activities.len() > 1);
        by_garmin_id
    }

    /// The Strava activity that came from our own upload of this Garmin activity and is still there.
    pub fn published(&self, garmin_id: u64) -> Option<&StravaActivity> {
        let mut there = self.strava.activities.values().filter(|activity| !activity.deleted);
        there.find(|activity| activity.garmin_id() == Some(garmin_id))
    }

    /// How many files Strava has taken.
    pub fn uploads_received(&self) -> usize {
        self.strava.uploads.len()
    }

    /// SHA-256 in hexadecimal of what Strava got for this Garmin activity, in its last upload.
    pub fn sha256_received(&self, garmin_id: u64) -> Option<&str> {
        let prefix = format!("garmin-{garmin_id}.");
        let mut uploads = self.strava.uploads.values().rev();
        uploads.find(|upload| upload.external_id.starts_with(&prefix)).map(|upload| upload.sha256.as_str())
    }
}

fn instead(fault: What) -> Reply {
    match fault {
        What::Status(status) => faults::gateway(status),
        What::Answer(reply) => reply,
        What::TooManyRequests { retry_after } => faults::too_many(retry_after),
        What::Redirect { status, location } => Reply::redirect(status, &location),
        What::Html(status) => faults::web_page(status),
        // The others have an effect and are dealt with before.
        _ => faults::gateway(500),
    }
}

/// The sport that the link gives its copy.
fn strava_sport(type_key: &str) -> &'static str {
    match (type_key, garmin::parent_key(type_key)) {
        ("trail_running", _) => "TrailRun",
        ("running", _) | (_, Some("running")) => "Run",
        ("cycling", _) | (_, Some("cycling")) => "Ride",
        ("hiking", _) => "Hike",
        ("walking", _) | (_, Some("walking")) => "Walk",
        ("swimming", _) | (_, Some("swimming")) => "Swim",
        _ => "Workout",
    }
}

/// Rounded to seconds.
#[expect(
    clippy::cast_possible_truncation,
    reason = "durations are far below 2^53 seconds, and `as` saturates"
)]
pub(crate) fn whole_seconds(duration_s: f64) -> i64 {
    duration_s.round() as i64
}
