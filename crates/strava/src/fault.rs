//! Strava's refusals: `{"message", "errors": [{"resource", "field", "code"}]}` (dossier strava.md §8), read
//! liberally, and what each of them means.
//!
//! Not here: what an answer to an upload means for its file (`upload`).

use fitferry_core::budget::{Reading, limited_until};
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
    fn missing_scope(&self) -> Option<&str> {
        let entry = self
            .entries
            .iter()
            .find(|entry| same(&entry.resource, "AccessToken") && same(&entry.code, "missing"))?;
        Some(entry.field.strip_suffix("_permission").unwrap_or(&entry.field))
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
        let until = moment.at.saturating_add(moment.pause_inactive).unwrap_or(Timestamp::MAX);
        return PortError::AppInactive { until: Some(until) };
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

fn scope_missing(scope: &str) -> PortError {
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
