//! Strava's refusals: `{"message", "errors": [{"resource", "field", "code"}]}` (dossier strava.md §8), read
//! liberally, and what each of them means.
//!
//! Not here: what an answer to an upload means for its file (`upload`).

use fitferry_core::budget::{Reading, limited_until};
use fitferry_core::moment::later;
use fitferry_core::ports::{PortError, Service};
use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use serde_json::Value;

use crate::answer::Seen;
use crate::text;

/// One entry of `errors`; a missing part is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) resource: String,
    pub(crate) field: String,
    pub(crate) code: String,
}

/// A refusal. `errors` may be missing, empty, one object or a string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) entries: Vec<Entry>,
    /// `errors`, where it is words.
    pub(crate) words: String,
}

impl Fault {
    /// `None` where the body is no JSON object.
    pub(crate) fn read(body: &[u8]) -> Option<Fault> {
        let value: Value = serde_json::from_slice(body).ok()?;
        let object = value.as_object()?;
        let mut fault = Fault { message: string(object.get("message")), ..Fault::default() };
        let errors: &[Value] = match object.get("errors") {
            Some(Value::Array(list)) => list,
            Some(other) => std::slice::from_ref(other),
            None => &[],
        };
        for error in errors {
            match error {
                Value::Object(entry) => fault.entries.push(Entry {
                    resource: string(entry.get("resource")),
                    field: string(entry.get("field")),
                    code: string(entry.get("code")),
                }),
                Value::String(words) => {
                    fault.words = [fault.words.as_str(), words].join(" ").trim().to_owned();
                }
                _ => {}
            }
        }
        Some(fault)
    }

    pub(crate) fn names(&self, resource: &str) -> bool {
        self.entries.iter().any(|entry| same(&entry.resource, resource))
    }

    /// The client id or the secret is wrong (§8: 400 `client_id`, 401 with an empty field).
    pub(crate) fn blames_credentials(&self) -> bool {
        self.entries.iter().any(|entry| {
            same(&entry.resource, "Application")
                && ["", "client_id", "client_secret"].iter().any(|field| same(&entry.field, field))
        })
    }

    /// The owner's subscription has ended, or the app was not reactivated since (§7).
    pub(crate) fn says_inactive(&self) -> bool {
        self.entries.iter().any(|entry| {
            same(&entry.resource, "Application")
                && same(&entry.field, "Status")
                && same(&entry.code, "Inactive")
        })
    }

    fn says_limited(&self) -> bool {
        self.entries.iter().any(|entry| {
            same(&entry.code, "exceeded") && entry.field.to_ascii_lowercase().contains("rate limit")
        })
    }

    /// The scope that the person did not grant (§2.2), as `activity:write`.
    pub(crate) fn missing_scope(&self) -> Option<&str> {
        let entry = self
            .entries
            .iter()
            .find(|entry| same(&entry.resource, "AccessToken") && same(&entry.code, "missing"))?;
        Some(entry.field.strip_suffix("_permission").unwrap_or(&entry.field))
    }

    /// Every word of it, tags and all, for looking for what it says.
    pub(crate) fn words(&self) -> String {
        let entries = self.entries.iter().flat_map(|entry| [&entry.resource, &entry.field, &entry.code]);
        let words = [&self.message, &self.words].into_iter().chain(entries);
        words.map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let entries = self.entries.iter().map(|entry| {
            let parts = [entry.resource.as_str(), &entry.field, &entry.code];
            parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
        });
        let words = [self.message.clone(), self.words.clone()].into_iter().chain(entries);
        text::clean(&words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(": "))
    }
}

fn string(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().trim().to_owned()
}

fn same(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
}

/// How long pauses last that no header ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Service time of the answer.
    pub(crate) at: Timestamp,
    pub(crate) pause_inactive: SignedDuration,
}

/// What a 401 on a data call is about.
pub(crate) enum Unauthorized {
    /// The access token: renewed and tried again once.
    Token,
    /// Something that another token would not change.
    Other(PortError),
}

pub(crate) fn unauthorized(seen: &Seen) -> Unauthorized {
    let Some(fault) = seen.fault() else {
        return Unauthorized::Token;
    };
    if let Some(scope) = fault.missing_scope() {
        return Unauthorized::Other(scope_missing(scope));
    }
    if fault.names("Application") {
        return Unauthorized::Other(misconfigured(&fault));
    }
    Unauthorized::Token
}

/// What an answer other than 2xx to a data call means, where it is not about what was asked for.
pub(crate) fn refusal(seen: &Seen, reading: &Reading, moment: Moment) -> PortError {
    let status = seen.status;
    let fault = seen.fault().unwrap_or_default();
    if status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::FORBIDDEN && fault.says_limited() {
        return PortError::Limited {
            service: Service::Strava,
            until: Some(limited_until(reading, moment.at)),
            retry_after: seen.retry_after,
        };
    }
    if status.is_client_error() && fault.says_inactive() {
        let until = later(moment.at, moment.pause_inactive);
        return PortError::AppInactive { until: Some(until) };
    }
    if let Some(scope) = fault.missing_scope().filter(|_| status.is_client_error()) {
        return scope_missing(scope);
    }
    if status == StatusCode::UNAUTHORIZED {
        return match unauthorized(seen) {
            Unauthorized::Other(error) => error,
            // The token had been issued just before: an outage, not the end of the login (*Blame*).
            Unauthorized::Token => {
                down(Some(status), "it refuses the token that it has just issued".to_owned())
            }
        };
    }
    if status == StatusCode::REQUEST_TIMEOUT || status.is_server_error() {
        return down(Some(status), seen.told());
    }
    if status == StatusCode::BAD_REQUEST && fault.blames_credentials() {
        return misconfigured(&fault);
    }
    if status.is_redirection() {
        return refused(Some(status), format!("{} (a redirect, which is not followed)", seen.told()));
    }
    refused(Some(status), seen.told())
}

/// A scope that was not granted, with what it costs and the cure.
pub(crate) fn scope_missing(scope: &str) -> PortError {
    let lost = match scope {
        "activity:write" => "nothing can be uploaded",
        "activity:read" | "activity:read_all" => "nobody can see what is on Strava already",
        _ => "Strava refuses the request",
    };
    let scope = text::clean(scope);
    let why = format!(
        "the scope {scope} was not granted, so {lost}; \
         run `fitferry login strava` and leave every box ticked"
    );
    PortError::LoginNeeded { service: Service::Strava, why }
}

fn misconfigured(fault: &Fault) -> PortError {
    PortError::Misconfigured { service: Service::Strava, what: fault.text() }
}

pub(crate) fn down(status: Option<StatusCode>, what: String) -> PortError {
    PortError::Down { service: Service::Strava, status: status.map(|status| status.as_u16()), what }
}

pub(crate) fn refused(status: Option<StatusCode>, what: String) -> PortError {
    PortError::Refused { service: Service::Strava, status: status.map(|status| status.as_u16()), what }
}

fn login_needed(why: String) -> PortError {
    PortError::LoginNeeded { service: Service::Strava, why }
}

/// What a refusal of the token endpoint means (dossier strava.md §1.7).
///
/// Only an answer that names the token or the code ends a login: one that names the app is about the
/// configuration, and the tokens stay.
pub(crate) fn token_refusal(seen: &Seen, moment: Moment) -> PortError {
    let status = seen.status;
    let fault = seen.fault().unwrap_or_default();
    let asked_wrong = status == StatusCode::BAD_REQUEST || status == StatusCode::UNAUTHORIZED;
    if asked_wrong && fault.names("RefreshToken") {
        return login_needed(
            "Strava no longer accepts the refresh token; run `fitferry login strava`".to_owned(),
        );
    }
    if asked_wrong && (fault.names("AuthorizationCode") || fault.names("RequestToken")) {
        return login_needed(
            "Strava's code has expired or was used before; run `fitferry login strava` again".to_owned(),
        );
    }
    if status == StatusCode::FORBIDDEN && seen.says("limit of connected athletes exceeded") {
        return login_needed(
            "the Strava app has as many athletes as it may have; raise its athlete capacity at \
             https://www.strava.com/settings/api, or sign in with an app of your own"
                .to_owned(),
        );
    }
    if asked_wrong && fault.names("Application") && !fault.says_inactive() {
        return misconfigured(&fault);
    }
    if asked_wrong {
        return refused(Some(status), seen.told());
    }
    refusal(seen, &Reading::default(), moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: &str = "2026-11-23T06:07:00Z";

    fn moment() -> Moment {
        Moment { at: MOMENT.parse().unwrap(), pause_inactive: SignedDuration::from_hours(24) }
    }

    /// The error as the engine tells them apart, in one word and its status.
    fn kind(error: &PortError) -> String {
        match error {
            PortError::LoginNeeded { .. } => "login".to_owned(),
            PortError::Misconfigured { .. } => "config".to_owned(),
            PortError::Limited { until, .. } => format!("limited {}", until.unwrap()),
            PortError::AppInactive { until } => format!("inactive {}", until.unwrap()),
            PortError::Down { status, .. } => format!("down {}", status.unwrap()),
            PortError::Refused { status, .. } => format!("refused {}", status.unwrap()),
            other => panic!("{other:?}"),
        }
    }

    fn errors(resource: &str, field: &str, code: &str) -> String {
        let entry = serde_json::json!({"resource": resource, "field": field, "code": code});
        serde_json::json!({"message": "Words", "errors": [entry]}).to_string()
    }

    #[test]
    fn every_refusal_of_the_catalogue_is_told_apart() {
        let quarter = "limited 2026-11-23T06:15:00Z";
        let table = [
            (400, errors("Application", "client_id", "invalid"), "config"),
            (400, errors("Application", "client_id", "missing"), "config"),
            (400, errors("Application", "after", "future"), "refused 400"),
            (400, errors("Activity", "sport_type", "invalid"), "refused 400"),
            (401, errors("Athlete", "access_token", "invalid"), "down 401"),
            (401, errors("Application", "", "invalid"), "config"),
            (401, errors("AccessToken", "activity:write_permission", "missing"), "login"),
            (401, errors("AccessToken", "activity:read_permission", "missing"), "login"),
            (401, r#"{"message":"Authorization Error","errors":[]}"#.to_owned(), "down 401"),
            (401, String::new(), "down 401"),
            (403, errors("Application", "Status", "Inactive"), "inactive 2026-11-24T06:07:00Z"),
            // Without a message, as webhooks answer it.
            (
                403,
                r#"{"errors":[{"resource":"Application","field":"Status","code":"Inactive"}]}"#.to_owned(),
                "inactive 2026-11-24T06:07:00Z",
            ),
            (403, errors("Athlete", "", "forbidden"), "refused 403"),
            (403, errors("Application", "rate limit", "exceeded"), quarter),
            (404, errors("Activity", "", "not found"), "refused 404"),
            (404, String::new(), "refused 404"),
            (409, String::new(), "refused 409"),
            (413, String::new(), "refused 413"),
            (422, String::new(), "refused 422"),
            (429, errors("Application", "rate limit", "exceeded"), quarter),
            (429, errors("Application", "overall rate limit", "exceeded"), quarter),
            (429, errors("Application", "read rate limit", "exceeded"), quarter),
            (
                429,
                r#"{"errors":"Rate Limit Exceeded","status":429,"message":"Too Many Requests"}"#.to_owned(),
                quarter,
            ),
            (429, "<html>slow down</html>".to_owned(), quarter),
            (301, String::new(), "refused 301"),
            (307, String::new(), "refused 307"),
            (408, String::new(), "down 408"),
            (500, errors("Application", "Status", "Inactive"), "down 500"),
            (502, "<html><h1>Bad Gateway</h1></html>".to_owned(), "down 502"),
            (503, String::new(), "down 503"),
            (504, "{".to_owned(), "down 504"),
        ];
        for (status, body, expected) in table {
            let seen = Seen::of(status, &body);
            assert_eq!(kind(&refusal(&seen, &seen.reading, moment())), expected, "{status} {body}");
        }
    }

    #[test]
    fn every_refusal_of_the_token_endpoint_is_told_apart() {
        let table = [
            (400, errors("Application", "client_id", "invalid"), "config"),
            (400, errors("Application", "redirect_uri", "invalid"), "config"),
            (401, errors("Application", "", "invalid"), "config"),
            (400, errors("AuthorizationCode", "code", "invalid"), "login"),
            (400, errors("RequestToken", "code", "invalid"), "login"),
            (400, errors("RefreshToken", "refresh_token", "invalid"), "login"),
            (400, errors("RefreshToken", "code", "invalid"), "login"),
            (400, errors("Else", "", "invalid"), "refused 400"),
            (401, String::new(), "refused 401"),
            (403, "<p>Limit of connected athletes exceeded</p>".to_owned(), "login"),
            (403, r#"{"message":"Limit of connected athletes exceeded"}"#.to_owned(), "login"),
            (403, String::new(), "refused 403"),
            (404, "<html>".to_owned(), "refused 404"),
            (429, String::new(), "limited 2026-11-23T06:15:00Z"),
            (302, String::new(), "refused 302"),
            (500, String::new(), "down 500"),
            (503, "<html>".to_owned(), "down 503"),
        ];
        for (status, body, expected) in table {
            assert_eq!(kind(&token_refusal(&Seen::of(status, &body), moment())), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_spent_day_is_waited_for_until_midnight() {
        let mut seen = Seen::of(429, "");
        seen.reading.overall.used_day = Some(2001);
        seen.reading.overall.limit_day = Some(2000);
        assert_eq!(kind(&refusal(&seen, &seen.reading, moment())), "limited 2026-11-24T00:00:00Z");
    }

    #[test]
    fn errors_may_be_missing_an_object_or_words() {
        let entry = Entry { resource: "R".to_owned(), field: "f".to_owned(), code: "c".to_owned() };
        let of = |body: &str| Fault::read(body.as_bytes());
        let object = of(r#"{"message":"M","errors":{"resource":"R","field":"f","code":"c"}}"#).unwrap();
        assert_eq!(object.entries, [entry]);
        assert_eq!(object.text(), "M: R/f/c");
        assert_eq!(of(r#"{"errors":"Words"}"#).unwrap().text(), "Words");
        assert_eq!(of(r#"{"errors":[null,7,{"code":3}],"message":{}}"#).unwrap().text(), "");
        assert_eq!(of("{}").unwrap(), Fault::default());
        assert_eq!(of("[]"), None);
        assert_eq!(of("<html>"), None);
    }

    #[test]
    fn a_missing_scope_is_told_with_its_cure() {
        let seen = Seen::of(401, &errors("AccessToken", "activity:write_permission", "missing"));
        let PortError::LoginNeeded { why, .. } = refusal(&seen, &seen.reading, moment()) else { panic!() };
        assert_eq!(
            why,
            "the scope activity:write was not granted, so nothing can be uploaded; \
             run `fitferry login strava` and leave every box ticked"
        );
    }
}
