//! The JSON flows: the app's under `/mobile`, the web's under `/portal` (dossier garmin.md §2.1, §2.2).

use serde_json::{Value, json};

use super::desk::{CodeVerdict, Desk, Verdict};
use super::pages;
use super::session::{origin, set_cookie};
use super::{Mfa, MfaMethod, Standing, cloudflare};
use crate::garmin::Region;
use crate::message::{Reply, Request};

const JSON: &str = "application/json";

/// Which app opens a page, by its client id, and where its tickets are good.
fn service_is_of(flow: &str, client: &str, service: &str, region: Region) -> bool {
    let domain = region.domain();
    let of: &[&str] = match (flow, client) {
        ("mobile", "GCM_IOS_DARK") => &["mobile.integration.{domain}/gcm/ios"],
        ("mobile", "GCM_ANDROID_DARK") => &["mobile.integration.{domain}/gcm/android"],
        ("portal", "GarminConnect") => &["connect.{domain}/app", "connect.{domain}/modern"],
        _ => &[],
    };
    of.iter().any(|known| format!("https://{}", known.replace("{domain}", domain)) == service)
}

/// `None` for a path that is none of these flows'.
pub(super) fn answer(desk: &mut Desk<'_>, request: &Request) -> Option<Reply> {
    let mut parts = request.path.split('/').skip(1);
    let flow = parts.next().filter(|flow| matches!(*flow, "mobile" | "portal"))?;
    let rest: Vec<&str> = parts.collect();
    Some(match (request.method.as_str(), rest.as_slice()) {
        ("GET", ["sso", locale, "sign-in"]) if is_locale(locale) => sign_in_page(desk, flow, request),
        ("POST", ["api", "login"]) => login(desk, flow, request),
        ("POST", ["api", "mfa", "verifyCode"]) => verify_code(desk, flow, request),
        _ => return None,
    })
}

/// `en`, `en_US`, `en-US`.
fn is_locale(text: &str) -> bool {
    let (language, country) = text.split_once(['_', '-']).unwrap_or((text, "US"));
    let are = |text: &str, kind: fn(&char) -> bool| text.len() == 2 && text.chars().all(|c| kind(&c));
    are(language, char::is_ascii_lowercase) && are(country, char::is_ascii_uppercase)
}

fn sign_in_page(desk: &mut Desk<'_>, flow: &str, request: &Request) -> Reply {
    let header = |name: &str| request.header(name).unwrap_or_default();
    if !header("user-agent").starts_with("Mozilla/5.0") || !header("accept").contains("text/html") {
        return cloudflare(403);
    }
    let query = request.query_fields();
    let field = |name: &str| query.get(name).unwrap_or_default();
    let (client, service) = (field("clientId"), field("service"));
    if !service_is_of(flow, client, service, desk.tokens.region) {
        return Reply::html(
            400,
            "<h1>An error occurred: the parameter clientId or service is not valid</h1>",
        );
    }
    let id = desk.open(request, client, service);
    let nonce = desk.session(&id).csrf.clone();
    let page = Reply::html(200, &pages::app_page(flow, client, service, &nonce, &desk.sso.hint()));
    let page = set_cookie(page, "SESSION", &id);
    // What Cloudflare sets in front of it; nobody looks at these again.
    ["__VCAP_ID__", "__cf_bm", "__cflb", "_cfuvid"]
        .into_iter()
        .fold(page, |page, name| set_cookie(page, name, &desk.rng.hex(32)))
}

/// The visit of a posted request; whoever does not look like the page's own script is taken for a robot.
fn visit(desk: &Desk<'_>, flow: &str, request: &Request) -> Result<String, Reply> {
    let robot = || cloudflare(429);
    let id = desk.visit(request).ok_or_else(robot)?;
    let header = |name: &str| request.header(name).unwrap_or_default();
    let session = desk.sso.sessions.get(&id).ok_or_else(robot)?;
    let is_script = header("origin") == origin(request)
        && header("content-type").split(';').next().is_some_and(|kind| kind.trim() == JSON)
        && header("accept").contains(JSON)
        && session.page.starts_with(&format!("{}/{flow}/", origin(request)));
    if !is_script {
        return Err(robot());
    }
    let query = request.query_fields();
    let is_same = |name: &str, value: &str| query.get(name) == Some(value);
    let is_whole = is_same("clientId", &session.client)
        && is_same("service", &session.service)
        && query.get("locale").is_some_and(is_locale);
    if is_whole { Ok(id) } else { Err(bad_request()) }
}

fn login(desk: &mut Desk<'_>, flow: &str, request: &Request) -> Reply {
    let id = match visit(desk, flow, request) {
        Ok(id) => id,
        Err(reply) => return reply,
    };
    if desk.is_too_quick(&id) {
        return cloudflare(429);
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let (Some(email), Some(password), Some(captcha)) =
        (body["username"].as_str(), body["password"].as_str(), body["captchaToken"].as_str())
    else {
        return bad_request();
    };
    let is_person = captcha == desk.session(&id).csrf;
    match desk.judge(email, password, is_person) {
        Verdict::Blocked(reply) => reply,
        Verdict::CaptchaWanted => refusal(200, "CAPTCHA_REQUIRED", "", "OK"),
        Verdict::WrongPassword => {
            refusal(401, "INVALID_USERNAME_PASSWORD", "generalLoginInvalidUsernameOrPassword", "UNAUTHORIZED")
        }
        Verdict::Barred(standing) => {
            let (kind, message) = barred(standing);
            refusal(403, kind, message, "FORBIDDEN")
        }
        Verdict::CodeWanted => {
            desk.wait_for_code(&id, email);
            let mfa = desk.sso.user(email).mfa.clone();
            code_wanted(mfa.as_ref())
        }
        Verdict::In => {
            let mut answer = success(desk, &id, email);
            answer.0["customerMfaInfo"] = Value::Null;
            answer.0["consentTypeList"] = Value::Null;
            answer.0["captchaAlreadyPassed"] = json!(is_person);
            answer.reply()
        }
    }
}

fn verify_code(desk: &mut Desk<'_>, flow: &str, request: &Request) -> Reply {
    let id = match visit(desk, flow, request) {
        Ok(id) => id,
        Err(reply) => return reply,
    };
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let (Some(method), Some(code)) = (body["mfaMethod"].as_str(), body["mfaVerificationCode"].as_str())
    else {
        return bad_request();
    };
    let pending = desk.session(&id).pending.as_ref().map(|pending| pending.email.clone());
    let asked_for = pending.and_then(|email| desk.sso.user(&email).mfa.clone());
    if asked_for.is_some_and(|mfa| mfa.method.name() != method) {
        return bad_request();
    }
    match desk.judge_code(&id, code) {
        CodeVerdict::Right(email) => success(desk, &id, &email).reply(),
        CodeVerdict::Wrong => refusal(401, "INVALID_MFA_CODE", "codeEntryInvalid", "UNAUTHORIZED"),
        CodeVerdict::Expired => refusal(401, "MFA_CODE_EXPIRED", "codeEntryExpired", "UNAUTHORIZED"),
        CodeVerdict::SessionEnded => {
            refusal(401, "SESSION_EXPIRED", "generalLoginYourSessionHasExpired", "UNAUTHORIZED")
        }
    }
}

/// The answer with the ticket, and the cookies of somebody who is signed in.
struct Success(Value, String);

impl Success {
    fn reply(self) -> Reply {
        let reply = set_cookie(Reply::json(200, JSON, &self.0), "CASTGC", &self.1);
        let reply = set_cookie(reply, "GARMIN-SSO", "1");
        set_cookie(reply, "GMN_TRACKABLE", "1")
    }
}

fn success(desk: &mut Desk<'_>, id: &str, email: &str) -> Success {
    let service = desk.session(id).service.clone();
    let ticket = desk.ticket(email, &service);
    let body = json!({
        "serviceURL": service,
        "serviceTicketId": ticket,
        "responseStatus": {"type": "SUCCESSFUL", "message": "", "httpStatus": "OK"},
        "responseReason": null,
        "samlResponse": null,
        "authType": "CAS",
    });
    Success(body, desk.sign_in_browser(email))
}

fn code_wanted(mfa: Option<&Mfa>) -> Reply {
    let sent_to = |method| mfa.filter(|mfa| mfa.method == method).map(|mfa| mfa.sent_to.as_str());
    let mut body = envelope("MFA_REQUIRED", "", "OK");
    body["customerMfaInfo"] = json!({
        "email": sent_to(MfaMethod::Email),
        "phoneNumber": sent_to(MfaMethod::Sms),
        "mfaLastMethodUsed": mfa.map(|mfa| mfa.method.name()),
        "defaultMfaMethod": null,
        "mfaUISetting": {"allowPhoneOption": true, "allowAddEmailAddress": false, "chooseDifferentWayShown": false},
    });
    body["consentTypeList"] = json!([]);
    Reply::json(200, JSON, &body)
}

fn envelope(kind: &str, message: &str, http_status: &str) -> Value {
    json!({
        "serviceURL": null,
        "serviceTicketId": null,
        "responseStatus": {"type": kind, "message": message, "httpStatus": http_status},
        "responseReason": null,
        "customerMfaInfo": null,
        "consentTypeList": null,
        "captchaAlreadyPassed": false,
        "samlResponse": null,
        "authType": null,
    })
}

fn refusal(status: u16, kind: &str, message: &str, http_status: &str) -> Reply {
    Reply::json(status, JSON, &envelope(kind, message, http_status))
}

/// Type and message of an account that nobody is let in to. The messages are Garmin's; the types are a guess.
fn barred(standing: Standing) -> (&'static str, &'static str) {
    match standing {
        Standing::Good | Standing::Problem => ("ACCOUNT_PROBLEM", "generalLoginAccountProblem"),
        Standing::Locked => ("ACCOUNT_LOCKED", "generalLoginAccountLocked"),
        Standing::Disabled => ("ACCOUNT_DISABLED", "generalLoginAccountDisabled"),
        Standing::PasswordResetNeeded => {
            ("PASSWORD_RESET_REQUIRED", "generalLoginPermanentMFARequiredResetPassword")
        }
    }
}

fn bad_request() -> Reply {
    Reply::json(400, JSON, &json!({"error": {"status-code": "400"}}))
}
