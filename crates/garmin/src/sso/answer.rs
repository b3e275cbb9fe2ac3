//! What the sign-in host says to the phone app (dossier garmin.md §2.1). Pure: an answer in, its meaning out.

use fitferry_core::ports::PortError;
use serde::Deserialize;
use serde_json::Value;

use super::error::{SsoError, Trouble};
use super::ticket::Ticket;
use crate::lenient::{lenient, object};
use crate::reply::{End, Reply};

/// A code is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// As Garmin names it, and wants it back.
    pub(super) method: String,
    /// Masked by Garmin; `None` where nothing was sent or it is not told.
    pub(super) sent_to: Option<String>,
}

/// A good answer to a password.
#[derive(Debug)]
pub(super) enum Login {
    Ticket(Ticket),
    Code(Wanted),
}

/// A good answer to a code, or one after which another may be tried.
#[derive(Debug)]
pub(super) enum Code {
    Ticket(Ticket),
    Wrong,
}

/// The page is only wanted for its cookies.
pub(super) fn page(reply: &Reply) -> Result<(), SsoError> {
    not_blocked(reply)?;
    if reply.status == 200 { whole(reply) } else { Err(failed(reply)) }
}

/// `service`: the one that was signed in for.
pub(super) fn login(reply: &Reply, service: &str) -> Result<Login, SsoError> {
    let (envelope, status) = read(reply)?;
    match status.kind() {
        "SUCCESSFUL" => envelope.ticket(reply, service).map(Login::Ticket),
        "MFA_REQUIRED" => Ok(Login::Code(envelope.wanted())),
        _ => Err(refusal(&status, reply)),
    }
}

pub(super) fn code(reply: &Reply, service: &str) -> Result<Code, SsoError> {
    let (envelope, status) = read(reply)?;
    let is_wrong = || {
        // How a wrong code is answered is not recorded; `codeEntryInvalid` is in Garmin's table of messages.
        let words = status.words();
        let has_one_of = |of: &[&str]| of.iter().any(|word| words.contains(word));
        has_one_of(&["code", "mfa"]) && has_one_of(&["invalid", "wrong", "incorrect", "fail"])
    };
    match status.kind() {
        "SUCCESSFUL" => envelope.ticket(reply, service).map(Code::Ticket),
        "MFA_REQUIRED" => Ok(Code::Wrong),
        _ => match refusal(&status, reply) {
            SsoError::Failed(_) if is_wrong() => Ok(Code::Wrong),
            refusal => Err(refusal),
        },
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Envelope {
    #[serde(deserialize_with = "lenient")]
    service_ticket_id: Option<String>,
    #[serde(rename = "serviceURL", deserialize_with = "lenient")]
    service_url: Option<String>,
    #[serde(deserialize_with = "lenient")]
    response_status: Option<Status>,
    #[serde(deserialize_with = "lenient")]
    customer_mfa_info: Option<MfaInfo>,
    #[serde(deserialize_with = "lenient")]
    error: Option<Value>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Status {
    #[serde(rename = "type", deserialize_with = "lenient")]
    kind: Option<String>,
    #[serde(deserialize_with = "lenient")]
    message: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MfaInfo {
    #[serde(deserialize_with = "lenient")]
    email: Option<String>,
    #[serde(deserialize_with = "lenient")]
    phone_number: Option<String>,
    #[serde(deserialize_with = "lenient")]
    mfa_last_method_used: Option<String>,
}

impl Status {
    fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or_default()
    }

    /// Type and message in lower case.
    fn words(&self) -> String {
        format!("{} {}", self.kind(), self.message.as_deref().unwrap_or_default()).to_lowercase()
    }
}

impl Envelope {
    fn ticket(self, reply: &Reply, service: &str) -> Result<Ticket, SsoError> {
        let service =
            self.service_url.filter(|url| !url.trim().is_empty()).unwrap_or_else(|| service.to_owned());
        let ticket = self.service_ticket_id.and_then(|ticket| Ticket::of(&ticket, service));
        ticket.ok_or_else(|| unexpected(reply, "signed in, but without a ticket"))
    }

    fn wanted(self) -> Wanted {
        let info = self.customer_mfa_info.unwrap_or_default();
        let method = info.mfa_last_method_used.filter(|method| !method.trim().is_empty());
        let method = method.unwrap_or_else(|| "email".to_owned());
        let sent_to = match method.to_lowercase().as_str() {
            "email" => info.email,
            "sms" | "phone" => info.phone_number,
            _ => None,
        };
        Wanted { method, sent_to: sent_to.filter(|text| !text.trim().is_empty()) }
    }
}

/// The envelope of an answer that is none of a robot's.
fn read(reply: &Reply) -> Result<(Envelope, Status), SsoError> {
    let envelope: Option<Envelope> = reply.json().and_then(object);
    let told = envelope.as_ref().and_then(|envelope| envelope.error.as_ref()).and_then(status_code);
    if let Some(status @ (403 | 427 | 429)) = told {
        return Err(SsoError::Blocked { status, retry_after: reply.retry_after });
    }
    match envelope {
        Some(mut envelope) if envelope.response_status.is_some() => {
            let status = envelope.response_status.take().unwrap_or_default();
            // A limit is one whatever it comes in.
            if matches!(reply.status, 427 | 429) { Err(blocked(reply)) } else { Ok((envelope, status)) }
        }
        _ => {
            not_blocked(reply)?;
            Err(failed(reply))
        }
    }
}

/// `{"error":{"status-code":"429"}}`, the code as text or as a number.
fn status_code(error: &Value) -> Option<u16> {
    match error.get("status-code")? {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_u64()?.try_into().ok(),
        _ => None,
    }
}

fn not_blocked(reply: &Reply) -> Result<(), SsoError> {
    if matches!(reply.status, 403 | 427 | 429) || reply.is_challenge { Err(blocked(reply)) } else { Ok(()) }
}

fn blocked(reply: &Reply) -> SsoError {
    SsoError::Blocked { status: reply.status, retry_after: reply.retry_after }
}

/// What a refusal means, by its type or by its message; a type that nobody knows is told as it is.
fn refusal(status: &Status, reply: &Reply) -> SsoError {
    let words = status.words();
    let has = |word: &str| words.contains(word);
    if has("invalid_username_password") || has("invalidusernameorpassword") {
        SsoError::WrongPassword
    } else if has("captcha") {
        SsoError::Captcha
    } else if has("locked") {
        SsoError::Account(Trouble::Locked)
    } else if has("maxlogins") {
        SsoError::Account(Trouble::TooManyTries)
    } else if has("disabled") {
        SsoError::Account(Trouble::Disabled)
    } else if has("resetpassword") || has("password_reset") {
        SsoError::Account(Trouble::PasswordReset)
    } else if has("codeentryexpired") || has("code_expired") {
        SsoError::CodeEnded
    } else if has("sessionhasexpired") || has("session_expired") {
        SsoError::VisitEnded
    } else if has("accountproblem") || has("generalloginproblem") || has("account_problem") {
        SsoError::Account(Trouble::Problem)
    } else {
        let message = status.message.as_deref().unwrap_or_default();
        unexpected(reply, format!("{} {message}", status.kind()).trim())
    }
}

/// An answer without an envelope, which may hold anything: an outage, or what nobody knows.
fn failed(reply: &Reply) -> SsoError {
    if let Err(cut) = whole(reply) {
        return cut;
    }
    let failure = match reply.failure() {
        down @ PortError::Down { .. } => down,
        _ => reply.refused_unquoted("the sign-in host said what the app does not know"),
    };
    reply.fail(failure).into()
}

fn whole(reply: &Reply) -> Result<(), SsoError> {
    match &reply.end {
        End::Whole => Ok(()),
        End::Cut(how) => Err(reply.fail(reply.down(format!("the answer was cut short ({how})"))).into()),
        End::TooLong => Err(reply.fail(reply.refused_unquoted("the answer is too long")).into()),
    }
}

/// `what` is Garmin's own word, or ours, and holds no secret.
fn unexpected(reply: &Reply, what: &str) -> SsoError {
    reply.fail(reply.refused_unquoted(&reply.excerpt(what))).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    const SERVICE: &str = "https://mobile.integration.garmin.com/gcm/ios";

    fn reply(status: u16, content_type: &str, body: &str) -> Reply {
        Reply {
            status,
            content_type: Some(content_type.to_owned()),
            retry_after: None,
            is_challenge: false,
            cookies: Vec::new(),
            server_time: None,
            body: body.as_bytes().to_vec(),
            end: End::Whole,
            hidden: vec!["pass-word".to_owned().into()],
        }
    }

    fn said(kind: &str, message: &str) -> String {
        format!(r#"{{"serviceTicketId":null,"responseStatus":{{"type":"{kind}","message":"{message}"}}}}"#)
    }

    #[test]
    fn a_recorded_success_is_a_ticket_for_the_service_that_it_names() {
        let body = r#"{"serviceURL":"https://mobile.integration.garmin.com/gcm/android",
            "serviceTicketId":"ST-012345-AbCdEfGhIjKlMnOpQrSt-sso",
            "responseStatus":{"type":"SUCCESSFUL","message":"","httpStatus":"OK"},"responseReason":null,
            "customerMfaInfo":null,"consentTypeList":null,"captchaAlreadyPassed":false,"samlResponse":null,
            "authType":"CAS"}"#;
        let host = super::super::SsoHost::of_garmin(crate::Domain::Com);
        let Ok(Login::Ticket(ticket)) = login(&reply(200, "application/json", body), SERVICE) else {
            panic!("it is a ticket");
        };
        assert_eq!(ticket.services(&host), ["https://mobile.integration.garmin.com/gcm/android"]);
        let without = body.replace("\"https://mobile.integration.garmin.com/gcm/android\"", "null");
        let Ok(Code::Ticket(ticket)) = code(&reply(200, "application/json", &without), SERVICE) else {
            panic!("it is a ticket");
        };
        assert_eq!(ticket.services(&host), [SERVICE]);
    }

    #[test]
    fn a_recorded_wish_for_a_code_tells_where_it_was_sent() {
        let body = |info: &str| {
            format!(r#"{{"responseStatus":{{"type":"MFA_REQUIRED"}},"customerMfaInfo":{info}}}"#)
        };
        let cases = [
            (
                r#"{"email":"ab*****@example.com","phoneNumber":null,"mfaLastMethodUsed":"email"}"#,
                ("email", Some("ab*****@example.com")),
            ),
            (r#"{"email":"ab*@x","phoneNumber":"***89","mfaLastMethodUsed":"sms"}"#, ("sms", Some("***89"))),
            (
                r#"{"email":"ab*@x","phoneNumber":"***89","mfaLastMethodUsed":"phone"}"#,
                ("phone", Some("***89")),
            ),
            (r#"{"email":"ab*@x","mfaLastMethodUsed":"totp"}"#, ("totp", None)),
            (r#"{"mfaLastMethodUsed":null,"email":" "}"#, ("email", None)),
            ("null", ("email", None)),
            ("7", ("email", None)),
        ];
        for (info, (method, sent_to)) in cases {
            let Ok(Login::Code(wanted)) = login(&reply(200, "application/json", &body(info)), SERVICE) else {
                panic!("{info}: a code is wanted");
            };
            assert_eq!((wanted.method.as_str(), wanted.sent_to.as_deref()), (method, sent_to), "{info}");
        }
    }

    #[test]
    fn every_refusal_of_a_password_is_told_apart() {
        let json = |status, body: &str| (status, "application/json", body.to_owned());
        let html = |status| (status, "text/html", "<html>Just a moment</html>".to_owned());
        let answers = [
            json(401, &said("INVALID_USERNAME_PASSWORD", "generalLoginInvalidUsernameOrPassword")),
            json(200, &said("CAPTCHA_REQUIRED", "")),
            json(403, &said("NEED_CAPTCHA", "")),
            json(403, &said("X", "generalLoginAccountLocked")),
            json(200, &said("X", "generalLoginMobileAccountLocked")),
            json(200, &said("X", "generalValidationMaxLogins")),
            json(200, &said("X", "generalLoginAccountDisabled")),
            json(200, &said("X", "generalLoginPermanentMFARequiredResetPassword")),
            json(200, &said("X", "generalLoginAccountProblem")),
            json(401, &said("X", "generalLoginYourSessionHasExpired")),
            json(200, &said("A_NEW_TYPE", "with pass-word in it")),
            json(200, &said("SUCCESSFUL", "")),
            json(429, &said("SUCCESSFUL", "")),
            json(200, r#"{"error":{"status-code":"429"}}"#),
            json(500, r#"{"error":{"status-code":427}}"#),
            json(400, r#"{"error":{"status-code":"400"}}"#),
            json(200, "[]"),
            html(429),
            html(427),
            html(403),
            html(200),
            html(302),
            html(503),
        ];
        let lines: String = answers
            .iter()
            .map(|(status, kind, body)| {
                format!("{status} {}\n", login(&reply(*status, kind, body), SERVICE).unwrap_err())
            })
            .collect();
        expect![[r#"
            401 Garmin refuses the e-mail address or the password
            200 Garmin wants to see a person first (captcha)
            403 Garmin wants to see a person first (captcha)
            403 Garmin lets nobody in to this account: it is locked
            200 Garmin lets nobody in to this account: it is locked
            200 Garmin lets nobody in to this account: there were too many tries
            200 Garmin lets nobody in to this account: it is disabled
            200 Garmin lets nobody in to this account: its password must be reset
            200 Garmin lets nobody in to this account: it has a problem that Garmin does not name
            401 Garmin has ended the visit
            200 Garmin answered something unexpected: A_NEW_TYPE with [hidden] in it: HTTP 200, application/json
            200 Garmin answered something unexpected: signed in, but without a ticket: HTTP 200, application/json
            429 Garmin blocks signing in with a password (HTTP 429)
            200 Garmin blocks signing in with a password (HTTP 429)
            500 Garmin blocks signing in with a password (HTTP 427)
            400 Garmin answered something unexpected: the sign-in host said what the app does not know: HTTP 400, application/json
            200 Garmin answered something unexpected: the sign-in host said what the app does not know: HTTP 200, application/json
            429 Garmin blocks signing in with a password (HTTP 429)
            427 Garmin blocks signing in with a password (HTTP 427)
            403 Garmin blocks signing in with a password (HTTP 403)
            200 Garmin answered something unexpected: the sign-in host said what the app does not know: HTTP 200, text/html
            302 Garmin answered something unexpected: the sign-in host said what the app does not know: HTTP 302, text/html
            503 Garmin is not reachable: HTTP 503, text/html: <html>Just a moment</html>
        "#]]
        .assert_eq(&lines);
    }

    #[test]
    fn a_wrong_code_leaves_the_visit_whole_and_everything_else_ends_it() {
        let json =
            |status, kind, message| code(&reply(status, "application/json", &said(kind, message)), SERVICE);
        for (kind, message) in
            [("X", "codeEntryInvalid"), ("INVALID_MFA_CODE", ""), ("MFA_REQUIRED", ""), ("MFA_FAILED", "")]
        {
            assert!(matches!(json(401, kind, message), Ok(Code::Wrong)), "{kind} {message}");
        }
        assert!(matches!(json(200, "X", "codeEntryExpired"), Err(SsoError::CodeEnded)));
        assert!(matches!(json(401, "X", "generalLoginYourSessionHasExpired"), Err(SsoError::VisitEnded)));
        assert!(matches!(json(200, "X", "generalLoginAccountLocked"), Err(SsoError::Account(_))));
        assert!(matches!(json(200, "A_NEW_TYPE", ""), Err(SsoError::Failed(_))));
        assert!(matches!(json(427, "MFA_REQUIRED", ""), Err(SsoError::Blocked { status: 427, .. })));
    }

    #[test]
    fn a_page_is_good_unless_something_stands_in_front_of_it() {
        assert!(page(&reply(200, "text/html", "<html>")).is_ok());
        let challenge = Reply { is_challenge: true, ..reply(200, "text/html", "<html>") };
        assert!(matches!(page(&challenge), Err(SsoError::Blocked { status: 200, .. })));
        for (status, blocks) in
            [(429, true), (427, true), (403, true), (302, false), (404, false), (502, false)]
        {
            let outcome = page(&reply(status, "text/html", "<html>"));
            assert_eq!(matches!(outcome, Err(SsoError::Blocked { .. })), blocks, "{status}");
            assert!(outcome.is_err());
        }
        let cut = Reply { end: End::Cut("x".to_owned()), ..reply(200, "text/html", "<html>") };
        assert!(page(&cut).is_err());
    }
}
