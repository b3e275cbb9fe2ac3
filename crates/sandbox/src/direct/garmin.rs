//! Garmin by calls: list, download, the two token endpoints.

use jiff::Timestamp;

use super::{Denial, Door, Heard};
use crate::garmin::{DiPair, GarminActivity, ListQuery, NotHandedOut, Parcel, Tier};
use crate::routes::Route;
use crate::world::World;

/// What a download hands out.
#[derive(Clone, Copy, Debug)]
pub struct HandedOut<'a> {
    /// The activity whose file it is: of a leg, the multisport activity.
    pub activity: &'a GarminActivity,
    pub parcel: &'a Parcel,
}

impl World {
    /// `GET activities/search/activities`
    pub fn garmin_list(
        &mut self,
        tier: Tier,
        bearer: &str,
        query: &ListQuery,
        now: Timestamp,
    ) -> Heard<Vec<&GarminActivity>> {
        let (heard_instead, left) = match self.garmin_door(Route::GarminList, now) {
            Ok(open) => open,
            Err(denial) => return Heard::new(Err(denial), now),
        };
        let page = self.garmin_athlete(tier, bearer, now).and_then(|athlete| {
            let bad = |bad: crate::garmin::BadQuery| Denial::Garmin { status: 400, message: bad.0 };
            self.garmin.list(athlete, query, now).map_err(bad)
        });
        let answer = match heard_instead {
            Some(denial) => Err(denial),
            None => page,
        };
        Heard { fault: left, ..Heard::new(answer, now) }
    }

    /// `GET download-service/files/activity/{id}`
    pub fn garmin_download(
        &mut self,
        tier: Tier,
        bearer: &str,
        id: u64,
        now: Timestamp,
    ) -> Heard<HandedOut<'_>> {
        let (heard_instead, left) = match self.garmin_door(Route::GarminDownload, now) {
            Ok(open) => open,
            Err(denial) => return Heard::new(Err(denial), now),
        };
        let handed_out = self.garmin_athlete(tier, bearer, now).and_then(|athlete| {
            let activity = self.garmin.handed_out(athlete, id, now).map_err(|why| match why {
                NotHandedOut::Missing => {
                    Denial::Garmin { status: 404, message: "HTTP 404 Not Found".to_owned() }
                }
                NotHandedOut::Foreign => {
                    Denial::Garmin { status: 403, message: "Only owner of activity allowed".to_owned() }
                }
            })?;
            Ok(HandedOut { activity, parcel: &activity.parcel })
        });
        let answer = match heard_instead {
            Some(denial) => Err(denial),
            None => handed_out,
        };
        Heard { fault: left, ..Heard::new(answer, now) }
    }

    /// The Personal API's token endpoint: a bearer for a key.
    pub fn garmin_key(&mut self, key: &str, now: Timestamp) -> Heard<String> {
        let (heard_instead, left) = match self.garmin_door(Route::GarminPersonalToken, now) {
            Ok(open) => open,
            Err(denial) => return Heard::new(Err(denial), now),
        };
        let bearer = self.garmin.tokens.exchange_key(key, now, &mut self.rng);
        let bearer =
            bearer.ok_or_else(|| Denial::Garmin { status: 401, message: "Invalid API key".to_owned() });
        let answer = heard_instead.map_or(bearer, Err);
        Heard { fault: left, ..Heard::new(answer, now) }
    }

    /// The apps' token endpoint: a pair for a refresh token, which ends with this.
    pub fn garmin_refresh(&mut self, refresh_token: &str, client_id: &str, now: Timestamp) -> Heard<DiPair> {
        let (heard_instead, left) = match self.garmin_door(Route::GarminDiToken, now) {
            Ok(open) => open,
            Err(denial) => return Heard::new(Err(denial), now),
        };
        let pair = self.garmin.tokens.refresh(refresh_token, client_id, now, &mut self.rng);
        let pair = pair.map_err(|message| Denial::Garmin { status: 400, message });
        let answer = heard_instead.map_or(pair, Err);
        Heard { fault: left, ..Heard::new(answer, now) }
    }

    /// Past whatever stands in front of Garmin, and past its limiter on the data hosts.
    fn garmin_door(
        &mut self,
        route: Route,
        now: Timestamp,
    ) -> Result<(Option<Denial>, Option<crate::What>), Denial> {
        let (heard_instead, left) = match self.door(route, now) {
            Door::Open { heard_instead, left } => (heard_instead, left),
            Door::Shut(denial) => return Err(denial),
        };
        if route.is_garmin_api()
            && let Some(limiter) = &mut self.garmin.limiter
            && let Err(seconds) = limiter.admit(now)
        {
            return Err(Denial::TooMany { retry_after: limiter.says_when.then_some(seconds) });
        }
        Ok((heard_instead, left))
    }

    fn garmin_athlete(&self, tier: Tier, bearer: &str, now: Timestamp) -> Result<u64, Denial> {
        let athlete = self.garmin.tokens.athlete(tier, bearer, now);
        athlete.ok_or_else(|| Denial::Garmin { status: 401, message: "Token is not active".to_owned() })
    }
}
