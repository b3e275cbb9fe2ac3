//! The ways in which Strava says no, and the bodies that go with them (dossier strava.md §1.7, §8).

use serde_json::{Value, json};

use super::LimitBody;
use crate::message::Reply;

pub(super) const JSON: &str = "application/json; charset=utf-8";

/// An answer that is not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 401: token unknown, ended or revoked.
    BadToken,
    /// 401: the grant lacks this permission.
    MissingScope(&'static str),
    /// 403: the app's owner has no subscription.
    Inactive,
    /// 429
    Limited(LimitBody),
    /// 403 on the consent page.
    Capacity,
    /// 404 about this kind of thing.
    NotFound(&'static str),
    /// 401: wrong secret.
    BadSecret,
    /// 400 with resource, field and code.
    Bad(&'static str, &'static str, &'static str),
    /// 400 in the shape of an upload.
    UploadError { external_id: Option<String>, error: String },
}

impl Refusal {
    pub fn reply(&self) -> Reply {
        let fault = |status, message, resource, field, code| {
            let errors = json!([{"resource": resource, "field": field, "code": code}]);
            Reply::json(status, JSON, &json!({"message": message, "errors": errors}))
        };
        match self {
            Refusal::BadToken => fault(401, "Authorization Error", "Athlete", "access_token", "invalid"),
            Refusal::MissingScope(field) => {
                fault(401, "Authorization Error", "AccessToken", field, "missing")
            }
            Refusal::Inactive => fault(403, "Forbidden", "Application", "Status", "Inactive"),
            Refusal::Limited(LimitBody::OldStrings) => {
                let body =
                    json!({"errors": "Rate Limit Exceeded", "status": 429, "message": "Too Many Requests"});
                Reply::json(429, JSON, &body)
            }
            Refusal::Limited(LimitBody::OverallRateLimit) => {
                fault(429, "Rate Limit Exceeded", "Application", "overall rate limit", "exceeded")
            }
            Refusal::Limited(LimitBody::RateLimit | LimitBody::Any) => {
                fault(429, "Rate Limit Exceeded", "Application", "rate limit", "exceeded")
            }
            Refusal::Capacity => fault(
                403,
                "Limit of connected athletes exceeded",
                "Application",
                "connected_athletes",
                "exceeded",
            ),
            Refusal::NotFound(what) => fault(404, "Resource Not Found", what, "", "not found"),
            Refusal::BadSecret => fault(401, "Authorization Error", "Application", "", "invalid"),
            Refusal::Bad(resource, field, code) => fault(400, "Bad Request", resource, field, code),
            Refusal::UploadError { external_id, error } => {
                let body = json!({
                    "id": Value::Null,
                    "id_str": Value::Null,
                    "external_id": external_id,
                    "error": error,
                    "status": "There was an error processing your activity.",
                    "activity_id": Value::Null,
                });
                Reply::json(400, JSON, &body)
            }
        }
    }
}
