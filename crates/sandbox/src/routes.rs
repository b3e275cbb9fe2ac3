//! Which request is which: the services, and the kinds of request that tests and logs speak of.

/// One of the hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// `sso.garmin.com`: pages and flows for signing in.
    GarminSso,
    /// `diauth.garmin.com`
    GarminAuth,
    /// `connectapi.garmin.com`
    GarminApi,
    /// `personal.connectapi.garmin.com`
    GarminPersonal,
    /// `www.strava.com`: pages, OAuth and API.
    Strava,
}

/// A kind of request. The last five stand for several, in faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// A page of the sign-in host, which begins a visit or goes on with it.
    GarminSsoPage,
    /// E-mail address and password, as JSON or as a form.
    GarminSsoLogin,
    /// The code after them.
    GarminSsoCode,
    /// A path of the sign-in host that is none of these.
    GarminSsoOther,
    /// API key to bearer.
    GarminPersonalToken,
    /// Ticket or refresh token to bearer.
    GarminDiToken,
    GarminList,
    GarminDownload,
    GarminActivity,
    GarminSettings,
    GarminProfile,
    GarminTypes,
    /// A path of Garmin's that is not modelled.
    GarminOther,
    /// The consent page, shown and answered.
    StravaAuthorize,
    /// What browsers ask for by themselves.
    StravaPage,
    StravaToken,
    StravaRevoke,
    StravaDeauthorize,
    StravaUpload,
    StravaUploadStatus,
    StravaList,
    StravaAthlete,
    StravaActivity,
    StravaUpdate,
    /// A path of Strava's that is not modelled.
    StravaOther,
    /// Everything at the sign-in host.
    AnyGarminSso,
    /// All data calls of Garmin, without tokens.
    AnyGarminApi,
    /// All data calls of Strava, without pages and OAuth.
    AnyStravaApi,
    /// The three token endpoints.
    AnyToken,
    Any,
}

impl Route {
    pub(crate) fn of(service: Service, method: &str, path: &str) -> Route {
        match service {
            Service::GarminSso => sign_in(method, path),
            Service::GarminAuth | Service::GarminApi | Service::GarminPersonal => {
                garmin(service, method, path)
            }
            Service::Strava => strava(method, path),
        }
    }

    pub fn is_garmin_sso(self) -> bool {
        use Route as R;
        matches!(self, R::GarminSsoPage | R::GarminSsoLogin | R::GarminSsoCode | R::GarminSsoOther)
    }

    pub fn is_garmin_api(self) -> bool {
        use Route as R;
        matches!(
            self,
            R::GarminList
                | R::GarminDownload
                | R::GarminActivity
                | R::GarminSettings
                | R::GarminProfile
                | R::GarminTypes
                | R::GarminOther
        )
    }

    pub fn is_strava_api(self) -> bool {
        use Route as R;
        matches!(
            self,
            R::StravaUpload
                | R::StravaUploadStatus
                | R::StravaList
                | R::StravaAthlete
                | R::StravaActivity
                | R::StravaUpdate
                | R::StravaOther
        )
    }

    pub fn is_token(self) -> bool {
        matches!(self, Route::GarminPersonalToken | Route::GarminDiToken | Route::StravaToken)
    }

    pub(crate) fn covers(self, other: Route) -> bool {
        match self {
            Route::Any => true,
            Route::AnyGarminSso => other.is_garmin_sso(),
            Route::AnyGarminApi => other.is_garmin_api(),
            Route::AnyStravaApi => other.is_strava_api(),
            Route::AnyToken => other.is_token(),
            one => one == other,
        }
    }
}

fn sign_in(method: &str, path: &str) -> Route {
    match (method, path) {
        ("POST", "/mobile/api/login" | "/portal/api/login" | "/sso/signin") => Route::GarminSsoLogin,
        (
            "POST",
            "/mobile/api/mfa/verifyCode" | "/portal/api/mfa/verifyCode" | "/sso/verifyMFA/loginEnterMfaCode",
        ) => Route::GarminSsoCode,
        ("GET", path) if ["/sso/", "/mobile/sso/", "/portal/sso/"].iter().any(|of| path.starts_with(of)) => {
            Route::GarminSsoPage
        }
        _ => Route::GarminSsoOther,
    }
}

fn garmin(service: Service, method: &str, path: &str) -> Route {
    match (service, method, path) {
        (
            Service::GarminPersonal,
            "POST",
            "/personalapitoken-service/personal-api/personal-api-key/token",
        ) => Route::GarminPersonalToken,
        (Service::GarminAuth, "POST", "/di-oauth2-service/oauth/token") => Route::GarminDiToken,
        (Service::GarminAuth, ..) => Route::GarminOther,
        (_, "GET", "/activitylist-service/activities/search/activities") => Route::GarminList,
        (_, "GET", "/userprofile-service/userprofile/settings") => Route::GarminSettings,
        (_, "GET", "/userprofile-service/socialProfile") => Route::GarminProfile,
        (_, "GET", "/activity-service/activity/activityTypes") => Route::GarminTypes,
        (_, "GET", path) if numbered(path, "/activity-service/activity/").is_some() => Route::GarminActivity,
        (_, "GET", path) if numbered(path, "/download-service/files/activity/").is_some() => {
            Route::GarminDownload
        }
        _ => Route::GarminOther,
    }
}

fn strava(method: &str, path: &str) -> Route {
    match (method, path) {
        ("GET" | "POST", "/oauth/authorize" | "/oauth/mobile/authorize") => return Route::StravaAuthorize,
        ("GET", "/favicon.ico") => return Route::StravaPage,
        ("POST", "/oauth/token" | "/api/v3/oauth/token") => return Route::StravaToken,
        ("POST", "/oauth/revoke") => return Route::StravaRevoke,
        ("POST", "/oauth/deauthorize") => return Route::StravaDeauthorize,
        _ => {}
    }
    let path = strava_api_path(path);
    match (method, path) {
        ("POST", "/uploads") => Route::StravaUpload,
        ("GET", "/athlete/activities") => Route::StravaList,
        ("GET", "/athlete") => Route::StravaAthlete,
        ("GET", path) if numbered(path, "/uploads/").is_some() => Route::StravaUploadStatus,
        ("GET", path) if numbered(path, "/activities/").is_some() => Route::StravaActivity,
        ("PUT", path) if numbered(path, "/activities/").is_some() => Route::StravaUpdate,
        _ => Route::StravaOther,
    }
}

/// The path below the API's prefix. Without one it is the host that opens in 2027 (dossier strava.md §7).
pub(crate) fn strava_api_path(path: &str) -> &str {
    path.strip_prefix("/api/v3").filter(|rest| rest.starts_with('/')).unwrap_or(path)
}

/// The id at the end of a path.
pub(crate) fn numbered(path: &str, prefix: &str) -> Option<u64> {
    path.strip_prefix(prefix)?.parse().ok()
}
