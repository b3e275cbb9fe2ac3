//! From a request to Strava's answer. For data calls: token, count, limit, subscription, permission, then the
//! thing itself; so a request that is refused has counted all the same (dossier strava.md §4.3).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::json::pair_json;
use super::list::ListQuery;
use super::refusal::JSON;
use super::{LimitBody, NewUpload, Refusal, Strava, Visibility};
use crate::message::{Fields, Reply, Request};
use crate::multipart;
use crate::rng::Rng;
use crate::routes::{Route, numbered, strava_api_path};

pub(super) const WRITE: &str = "activity:write_permission";
pub(super) const READ: &str = "activity:read_permission";

/// Which limits a request is charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Overall only.
    Upload,
    /// Overall and read, PUT and polls included.
    Read,
}

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    pub app: u64,
    pub athlete: u64,
}

impl Strava {
    /// Counts a request and lets it in, or not. The permission is checked by what it asks for.
    pub fn admit(
        &mut self,
        bearer: &str,
        class: Class,
        now: Timestamp,
        rng: &mut Rng,
    ) -> Result<Caller, Refusal> {
        let (id, athlete) = self.bearer(bearer, now).ok_or(Refusal::BadToken)?;
        let app = self.apps.get_mut(&id).ok_or(Refusal::BadToken)?;
        if app.usage.charge(class, &app.limits, now) {
            return Err(Refusal::Limited(match self.settings.limit_body {
                LimitBody::Any => match rng.below(3) {
                    0 => LimitBody::RateLimit,
                    1 => LimitBody::OverallRateLimit,
                    _ => LimitBody::OldStrings,
                },
                one => one,
            }));
        }
        if !app.active {
            return Err(Refusal::Inactive);
        }
        Ok(Caller { app: id, athlete })
    }

    /// Whether the caller's grant has this scope.
    pub fn has(&self, caller: Caller, scope: &str) -> bool {
        self.grant(caller.app, caller.athlete).is_some_and(|grant| grant.scopes.contains(scope))
    }

    pub(super) fn need(&self, caller: Caller, any: &[&str], permission: &'static str) -> Result<(), Refusal> {
        let allowed = any.iter().any(|scope| self.has(caller, scope));
        if allowed { Ok(()) } else { Err(Refusal::MissingScope(permission)) }
    }

    pub(crate) fn answer(&mut self, route: Route, request: &Request, now: Timestamp, rng: &mut Rng) -> Reply {
        match route {
            Route::StravaAuthorize => self.consent(request, now, rng),
            Route::StravaPage => Reply::empty(404),
            Route::StravaToken => self.token(request, now, rng).unwrap_or_else(|refusal| refusal.reply()),
            Route::StravaRevoke => self.revoke_token(request).unwrap_or_else(|refusal| refusal.reply()),
            Route::StravaDeauthorize => self.deauthorize(request, now, rng),
            _ => self.data(route, request, now, rng),
        }
    }

    fn data(&mut self, route: Route, request: &Request, now: Timestamp, rng: &mut Rng) -> Reply {
        let class = if route == Route::StravaUpload { Class::Upload } else { Class::Read };
        // Only the header counts; tokens in queries and forms are a thing of the past (dossier strava.md §1.8).
        let bearer = request.authorization("Bearer").unwrap_or_default();
        let app = self.bearer(bearer, now).map(|(app, _)| app);
        let answered = self
            .admit(bearer, class, now, rng)
            .and_then(|caller| self.data_of(caller, route, request, now, rng));
        let mut reply = answered.unwrap_or_else(|refusal| refusal.reply());
        // Recorded with a body and without one (dossier strava.md §8).
        if reply.status == 404 && rng.chance(50) {
            reply.body.clear();
        }
        match app.and_then(|app| self.apps.get(&app)) {
            Some(app) => app.usage.headers(reply, class, &app.limits, rng),
            None => reply,
        }
    }

    fn data_of(
        &mut self,
        caller: Caller,
        route: Route,
        request: &Request,
        now: Timestamp,
        rng: &mut Rng,
    ) -> Result<Reply, Refusal> {
        let path = strava_api_path(&request.path);
        match route {
            Route::StravaUpload => {
                self.need(caller, &["activity:write"], WRITE)?;
                let id = self.upload(caller, read_upload(request)?, now, rng)?;
                let upload = self.uploads.get(&id).ok_or(Refusal::NotFound("Upload"))?;
                Ok(Reply::json(201, JSON, &self.upload_json(upload, true)))
            }
            Route::StravaUploadStatus => {
                let id = numbered(path, "/uploads/").unwrap_or(0);
                let upload = self.upload_status(caller, id)?;
                Ok(Reply::json(200, JSON, &self.upload_json(upload, false)))
            }
            Route::StravaList => {
                let page = self.list(caller, ListQuery::read(&request.query_fields())?, now)?;
                let items: Value = page.into_iter().map(|activity| self.summary(activity)).collect();
                Ok(Reply::json(200, JSON, &items))
            }
            Route::StravaAthlete => Ok(Reply::json(200, JSON, &self.athlete_json(caller.athlete))),
            Route::StravaActivity => {
                self.need(caller, &["activity:read", "activity:read_all"], READ)?;
                let id = self.visible(caller, path, now)?;
                Ok(Reply::json(200, JSON, &self.detailed(&self.activities[&id])))
            }
            Route::StravaUpdate => self.update(caller, path, request, now),
            _ => Err(Refusal::NotFound("Path")),
        }
    }

    /// The activity of the path, if the caller may know that it exists.
    fn visible(&self, caller: Caller, path: &str, now: Timestamp) -> Result<u64, Refusal> {
        let id = numbered(path, "/activities/").unwrap_or(0);
        let sees_all = self.has(caller, "activity:read_all");
        self.of_athlete(caller.athlete)
            .find(|activity| activity.id == id && activity.detail_from <= now)
            .filter(|activity| sees_all || activity.visibility != Visibility::OnlyMe)
            .map(|activity| activity.id)
            .ok_or(Refusal::NotFound("Activity"))
    }

    /// JSON only, and only the listed fields (dossier strava.md §3.4).
    fn update(
        &mut self,
        caller: Caller,
        path: &str,
        request: &Request,
        now: Timestamp,
    ) -> Result<Reply, Refusal> {
        self.need(caller, &["activity:write"], WRITE)?;
        let id = self.visible(caller, path, now)?;
        let is_json = request.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
        let body: Value =
            if is_json { serde_json::from_slice(&request.body).unwrap_or_default() } else { json!({}) };
        let sport = body["sport_type"].as_str();
        if sport.is_some_and(|sport| !super::json::SPORT_TYPES.contains(&sport)) {
            return Err(Refusal::Bad("Activity", "sport_type", "invalid"));
        }
        let activity = self.activities.get_mut(&id).ok_or(Refusal::NotFound("Activity"))?;
        let text = |key: &str| body[key].as_str().map(str::to_owned);
        activity.name = text("name").unwrap_or_else(|| activity.name.clone());
        activity.description = text("description").or_else(|| activity.description.clone());
        activity.sport_type = text("sport_type").unwrap_or_else(|| activity.sport_type.clone());
        if let Some(gear) = text("gear_id") {
            activity.gear_id = (gear != "none").then_some(gear);
        }
        for (key, flag) in [
            ("commute", &mut activity.commute),
            ("trainer", &mut activity.trainer),
            ("hide_from_home", &mut activity.hide_from_home),
        ] {
            *flag = body[key].as_bool().unwrap_or(*flag);
        }
        Ok(Reply::json(200, JSON, &self.detailed(&self.activities[&id])))
    }

    fn token(&mut self, request: &Request, now: Timestamp, rng: &mut Rng) -> Result<Reply, Refusal> {
        let fields = token_fields(request);
        let field = |name: &str| fields.get(name).unwrap_or_default();
        let app = self.check_app(field("client_id"), field("client_secret"))?;
        let (pair, athlete) = match field("grant_type") {
            "authorization_code" => {
                let (pair, athlete) = self.exchange_code(app, field("code"), now, rng)?;
                (pair, Some(athlete))
            }
            "refresh_token" => (self.refresh(app, field("refresh_token"), now, rng)?, None),
            _ => return Err(Refusal::Bad("Application", "grant_type", "invalid")),
        };
        let mut body = pair_json(&pair, now);
        // Only the code grant tells whose tokens they are, and neither has rate headers.
        if let Some(athlete) = athlete {
            body["athlete"] = self.athlete_json(athlete);
        }
        Ok(Reply::json(200, JSON, &body))
    }

    pub(crate) fn check_app(&self, client_id: &str, secret: &str) -> Result<u64, Refusal> {
        let id = client_id.parse().unwrap_or(0);
        let app = self.apps.get(&id).ok_or(Refusal::Bad("Application", "client_id", "invalid"))?;
        if app.secret == secret { Ok(id) } else { Err(Refusal::BadSecret) }
    }

    /// `POST /oauth/revoke` (dossier strava.md §1.6): empty 200, also for a token that nobody knows.
    fn revoke_token(&mut self, request: &Request) -> Result<Reply, Refusal> {
        let (user, password) = request.basic().unwrap_or_default();
        let Ok(app) = self.check_app(&user, &password) else {
            return Ok(Reply::json(401, JSON, &json!({"message": "Authorization Error", "errors": []})));
        };
        let fields = request.form_fields();
        let token = fields.get("token").ok_or(Refusal::Bad("Application", "token", "missing"))?;
        if let Some(athlete) = self.holder(app, token) {
            self.revoke(app, athlete);
        }
        Ok(Reply::empty(200))
    }

    /// The older way, which counts as a request and takes the token from the form too.
    fn deauthorize(&mut self, request: &Request, now: Timestamp, rng: &mut Rng) -> Reply {
        let fields = request.form_fields();
        let in_form = fields.get("access_token").map(str::to_owned);
        let token = request.authorization("Bearer").map(str::to_owned).or(in_form).unwrap_or_default();
        match self.admit(&token, Class::Read, now, rng) {
            // An app without a subscription may still be left.
            Err(refusal) if refusal != Refusal::Inactive => refusal.reply(),
            _ => {
                let Some((id, athlete)) = self.bearer(&token, now) else { return Refusal::BadToken.reply() };
                self.revoke(id, athlete);
                let reply = Reply::json(200, JSON, &json!({"access_token": token}));
                match self.apps.get(&id) {
                    Some(app) => app.usage.headers(reply, Class::Read, &app.limits, rng),
                    None => reply,
                }
            }
        }
    }
}

/// Form, multipart and query are accepted (dossier strava.md §1.4).
fn token_fields(request: &Request) -> Fields {
    let kind = request.header("content-type").unwrap_or_default();
    match multipart::parse(kind, &request.body) {
        Some(parts) => Fields(parts.into_iter().map(|part| (part.name.clone(), part.text())).collect()),
        None => request.form_fields(),
    }
}

fn read_upload(request: &Request) -> Result<NewUpload, Refusal> {
    let kind = request.header("content-type").unwrap_or_default();
    let parts = multipart::parse(kind, &request.body).ok_or(Refusal::Bad("Upload", "file", "missing"))?;
    let mut upload = NewUpload::default();
    let mut has_file = false;
    for part in parts {
        match part.name.as_str() {
            "file" => {
                let Some(filename) = part.filename else { continue };
                has_file = true;
                upload.filename = filename;
                upload.bytes = part.content;
            }
            "data_type" => upload.data_type = part.text(),
            "external_id" => upload.external_id = Some(part.text()),
            "name" => upload.name = Some(part.text()),
            "description" => upload.description = Some(part.text()),
            "sport_type" => upload.sport_type = Some(part.text()),
            "trainer" => upload.trainer = part.text() == "1",
            "commute" => upload.commute = part.text() == "1",
            _ => {}
        }
    }
    if !has_file {
        return Err(Refusal::Bad("Upload", "file", "missing"));
    }
    Ok(upload)
}
