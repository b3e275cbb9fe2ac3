//! Strava by calls: list, upload, status, refresh.

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::{Denial, Door, Heard, Rates};
use crate::routes::Route;
use crate::strava::{Caller, Class, ListQuery, NewUpload, Refusal, Standing, StravaActivity, TokenPair};
use crate::world::World;

/// An item of the list.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    pub activity: &'a StravaActivity,
    /// What the list says of its start, the truth or midnight and a second, in UTC and on the wall.
    pub start: Timestamp,
    pub local: DateTime,
}

impl World {
    /// `GET /athlete/activities`
    pub fn strava_list(&mut self, bearer: &str, query: ListQuery, now: Timestamp) -> Heard<Vec<Shown<'_>>> {
        let entry = self.strava_door(Route::StravaList, bearer, Class::Read, now);
        self.told(entry, bearer, Class::Read, now, |world, caller| {
            let page = world.strava.list(caller, query, now).map_err(Denial::Strava)?;
            Ok(page
                .into_iter()
                .map(|activity| {
                    let start = world.strava.shown_start(activity);
                    let local = world.strava.offset(activity.athlete).to_datetime(start);
                    Shown { activity, start, local }
                })
                .collect())
        })
    }

    /// `POST /uploads`
    pub fn strava_upload(&mut self, bearer: &str, upload: NewUpload, now: Timestamp) -> Heard<Standing<'_>> {
        let mut entry = self.strava_door(Route::StravaUpload, bearer, Class::Upload, now);
        let mut id = 0;
        if let Ok(Entry { caller: Ok(caller), .. }) = &entry {
            match self.strava.upload(*caller, upload, now, &mut self.rng) {
                Ok(taken) => id = taken,
                Err(refusal) => {
                    if let Ok(entry) = &mut entry {
                        entry.caller = Err(Denial::Strava(refusal));
                    }
                }
            }
        }
        self.told(entry, bearer, Class::Upload, now, |world, _| {
            let upload = world.strava.uploads.get(&id);
            let upload = upload.ok_or(Denial::Strava(Refusal::NotFound("Upload")))?;
            Ok(world.strava.standing(upload))
        })
    }

    /// `GET /uploads/{id}`
    pub fn strava_upload_status(&mut self, bearer: &str, id: u64, now: Timestamp) -> Heard<Standing<'_>> {
        let entry = self.strava_door(Route::StravaUploadStatus, bearer, Class::Read, now);
        self.told(entry, bearer, Class::Read, now, |world, caller| {
            let upload = world.strava.upload_status(caller, id).map_err(Denial::Strava)?;
            Ok(world.strava.standing(upload))
        })
    }

    /// `POST /oauth/token` with a refresh token. It costs no quota and has no rate-limit headers.
    pub fn strava_refresh(
        &mut self,
        client_id: &str,
        client_secret: &str,
        refresh_token: &str,
        now: Timestamp,
    ) -> Heard<TokenPair> {
        let (heard_instead, left) = match self.door(Route::StravaToken, now) {
            Door::Open { heard_instead, left } => (heard_instead, left),
            Door::Shut(denial) => return Heard::new(Err(denial), now),
        };
        let pair = self.strava.check_app(client_id, client_secret);
        let pair = pair.and_then(|app| self.strava.refresh(app, refresh_token, now, &mut self.rng));
        let answer = heard_instead.map_or(pair.map_err(Denial::Strava), Err);
        Heard { fault: left, ..Heard::new(answer, now) }
    }

    /// Past whatever stands in front of Strava, counted, and let in or not.
    fn strava_door(
        &mut self,
        route: Route,
        bearer: &str,
        class: Class,
        now: Timestamp,
    ) -> Result<Entry, Denial> {
        let door = self.door(route, now);
        if let Door::Shut(Denial::Unseen) = door {
            return Err(Denial::Unseen);
        }
        // A request that something in front of Strava refuses has cost quota all the same (dossier strava.md §8).
        let caller = self.strava.admit(bearer, class, now, &mut self.rng);
        match door {
            Door::Shut(denial) => Err(denial),
            Door::Open { heard_instead, left } => {
                Ok(Entry { caller: caller.map_err(Denial::Strava), heard_instead, left })
            }
        }
    }

    fn told<'a, T>(
        &'a self,
        entry: Result<Entry, Denial>,
        bearer: &str,
        class: Class,
        now: Timestamp,
        tell: impl FnOnce(&'a World, Caller) -> Result<T, Denial>,
    ) -> Heard<T> {
        let Entry { caller, heard_instead, left } = match entry {
            Ok(entry) => entry,
            // What stands in front of Strava has no headers of Strava's.
            Err(denial) => return Heard::new(Err(denial), now),
        };
        let told = caller.and_then(|caller| tell(self, caller));
        if let Some(denial @ Denial::Gateway(_)) = heard_instead {
            return Heard { fault: left, ..Heard::new(Err(denial), now) };
        }
        let rates = self.rates(bearer, class, &told, now);
        Heard { rates, fault: left, ..Heard::new(heard_instead.map_or(told, Err), now) }
    }

    /// The headers, as far as such an answer has them (dossier strava.md §4.4).
    fn rates<T>(
        &self,
        bearer: &str,
        class: Class,
        answer: &Result<T, Denial>,
        now: Timestamp,
    ) -> Option<Rates> {
        let (id, _) = self.strava.bearer(bearer, now)?;
        let app = self.strava.apps.get(&id)?;
        let (overall_used, read_used) = app.usage.at(now);
        let is_bare = matches!(
            answer,
            Err(Denial::Strava(Refusal::BadToken | Refusal::MissingScope(_) | Refusal::NotFound(_)))
        );
        Some(Rates {
            overall_limit: app.limits.overall,
            overall_used,
            read_limit: (!is_bare).then_some(app.limits.read),
            read_used: (!is_bare && class == Class::Read).then_some(read_used),
        })
    }
}

/// A request that the service itself deals with.
struct Entry {
    caller: Result<Caller, Denial>,
    heard_instead: Option<Denial>,
    left: Option<crate::What>,
}
