//! The embedded page, `/sso/signin`: forms, and a ticket in a script of the last page (dossier garmin.md §2.3, §3.1).

use super::desk::{CodeVerdict, Desk, Verdict};
use super::pages;
use super::session::{origin, set_cookie};
use super::{MfaMethod, Standing};
use crate::message::{Fields, Reply, Request};

pub(super) const CODE_PATH: &str = "/sso/verifyMFA/loginEnterMfaCode";

/// Where the page leads in the end. Loading it does not use a ticket up.
pub(super) fn landing(request: &Request) -> Reply {
    let has_ticket = request.query_fields().get("ticket").is_some();
    Reply::html(200, &pages::landing(has_ticket))
}

pub(super) fn sign_in_page(desk: &mut Desk<'_>, request: &Request) -> Reply {
    let query = request.query_fields();
    let service = match service(&query, request) {
        Ok(service) => service,
        Err(refused) => return refused,
    };
    if let Some(email) = desk.signed_in(request) {
        return success(desk, &query, &email, &service);
    }
    let id = desk.open(request, "gauth-widget", &service);
    form(desk, &id, 200, &pages::SignIn::default())
}

/// A foreign service gets no ticket (dossier garmin.md §3.1: only Garmin's own are accepted).
///
/// Garmin's own is this host here: a browser that is sent on must not leave the sandbox.
fn service(query: &Fields, request: &Request) -> Result<String, Reply> {
    let own = format!("{}/sso/embed", origin(request));
    let is_widget = query.get("id") == Some("gauth-widget") && query.get("embedWidget") == Some("true");
    match query.get("service") {
        Some(service) if is_widget && service == own => Ok(own),
        _ => Err(Reply::html(400, "<h1>An error occurred: the service is not allowed</h1>")),
    }
}

pub(super) fn password(desk: &mut Desk<'_>, request: &Request) -> Reply {
    let fields = request.form_fields();
    let id = match visit(desk, request, &fields) {
        Ok(id) => id,
        Err(refused) => return refused,
    };
    if desk.is_too_quick(&id) {
        return super::cloudflare(429);
    }
    let field = |name: &str| fields.get(name).unwrap_or_default();
    let email = field("username");
    let is_person = field("captcha") == "person";
    match desk.judge(email, field("password"), is_person) {
        Verdict::Blocked(reply) => reply,
        Verdict::CaptchaWanted => {
            form(desk, &id, 200, &pages::SignIn { email, wants_captcha: true, error: None })
        }
        Verdict::WrongPassword => {
            let error = Some("Invalid sign in. (Passwords are case sensitive.)");
            form(desk, &id, 401, &pages::SignIn { email, wants_captcha: is_person, error })
        }
        Verdict::Barred(standing) => Reply::html(200, &pages::barred(barred(standing))),
        Verdict::CodeWanted => {
            desk.wait_for_code(&id, email);
            Reply::redirect(302, &format!("{CODE_PATH}?{}", request.query))
        }
        Verdict::In => {
            let service = desk.session(&id).service.clone();
            success(desk, &request.query_fields(), email, &service)
        }
    }
}

/// The visit of a posted form, whose hidden field must be that of the last page.
fn visit(desk: &mut Desk<'_>, request: &Request, fields: &Fields) -> Result<String, Reply> {
    let refused = || Reply::html(403, "<h1>Invalid CSRF token</h1>");
    let id = desk.visit(request).ok_or_else(refused)?;
    let is_last = fields.get("_csrf") == Some(&desk.session(&id).csrf);
    if is_last && fields.get("embed") == Some("true") { Ok(id) } else { Err(refused()) }
}

/// The sign-in form, with a hidden field of its own.
fn form(desk: &mut Desk<'_>, id: &str, status: u16, page: &pages::SignIn<'_>) -> Reply {
    desk.session(id).csrf = desk.rng.hex(100);
    let csrf = desk.session(id).csrf.clone();
    let html = pages::sign_in(page, &csrf, &desk.sso.hint());
    let reply = set_cookie(Reply::html(status, &html), "SESSION", id);
    set_cookie(reply, "__VCAP_ID__", &desk.rng.hex(32))
}

// ---------------------------------------------------------------------------------------- codes

pub(super) fn code_page(desk: &mut Desk<'_>, request: &Request) -> Reply {
    let known = super::session::cookie(request, "SESSION").map(str::to_owned);
    let id = known.filter(|id| desk.sso.sessions.get(id).is_some_and(|session| session.pending.is_some()));
    match id {
        Some(id) => code_form(desk, &id, request, 200, None),
        None => Reply::html(403, "<h1>Your session has expired</h1>"),
    }
}

/// The form for the code; it is the page that the code must come from.
fn code_form(desk: &mut Desk<'_>, id: &str, request: &Request, status: u16, error: Option<&str>) -> Reply {
    let csrf = desk.rng.hex(100);
    let session = desk.session(id);
    session.csrf.clone_from(&csrf);
    session.page = super::session::full_url(request);
    let email = session.pending.as_ref().map(|pending| pending.email.clone()).unwrap_or_default();
    let mfa = desk.sso.user(&email).mfa.clone();
    let method = mfa.as_ref().map_or(MfaMethod::Email, |mfa| mfa.method);
    let sent_to = mfa.map(|mfa| mfa.sent_to).unwrap_or_default();
    Reply::html(status, &pages::code(method, &sent_to, &csrf, error))
}

pub(super) fn code(desk: &mut Desk<'_>, request: &Request) -> Reply {
    let fields = request.form_fields();
    let id = match visit(desk, request, &fields) {
        Ok(id) => id,
        Err(refused) => return refused,
    };
    if fields.get("fromPage") != Some("setupEnterMfaCode") {
        return Reply::html(400, "<h1>Bad Request</h1>");
    }
    match desk.judge_code(&id, fields.get("mfa-code").unwrap_or_default()) {
        CodeVerdict::Right(email) => {
            let token = desk.rng.alphanumeric(10);
            let service = desk.session(&id).service.clone();
            desk.sso.login_tokens.insert(token.clone(), (email, service.clone()));
            let query = request.query_fields();
            let mut next = url::form_urlencoded::Serializer::new(String::new());
            next.append_pair("logintoken", &token).append_pair("service", &service);
            next.append_pair("locale", "en").append_pair("embed", "true");
            for name in ["source", "redirectAfterAccountLoginUrl", "embedWidget", "consumeServiceTicket"] {
                if let Some(value) = query.get(name) {
                    next.append_pair(name, value);
                }
            }
            Reply::redirect(302, &format!("/sso/login?{}", next.finish()))
        }
        CodeVerdict::Wrong => code_form(desk, &id, request, 401, Some("Invalid code. Try again.")),
        CodeVerdict::Expired => Reply::html(401, &pages::barred("Your code has expired")),
        CodeVerdict::SessionEnded => Reply::html(401, &pages::barred("Your session has expired")),
    }
}

/// Asks for the code to be sent (dossier garmin.md §2.3).
pub(super) fn send_code(desk: &mut Desk<'_>, request: &Request) -> Reply {
    let sent = desk.visit(request).is_some_and(|id| desk.send_again(&id));
    Reply::empty(if sent { 200 } else { 403 })
}

pub(super) fn after_code(desk: &mut Desk<'_>, request: &Request) -> Reply {
    let query = request.query_fields();
    let token = query.get("logintoken").unwrap_or_default();
    match desk.sso.login_tokens.remove(token) {
        Some((email, service)) if query.get("service") == Some(&service) => {
            success(desk, &query, &email, &service)
        }
        _ => Reply::html(403, "<h1>Your session has expired</h1>"),
    }
}

// -------------------------------------------------------------------------------------- the end

/// The page whose script holds the ticket, and takes the browser on where it was asked to.
fn success(desk: &mut Desk<'_>, query: &Fields, email: &str, service: &str) -> Reply {
    let ticket = desk.ticket(email, service);
    let field = |name: &str| query.get(name).unwrap_or_default();
    let html = if desk.sso.user(email).sees_ticket_as_text {
        pages::ticket_as_text(service, &ticket)
    } else {
        pages::success(&pages::Success {
            service,
            ticket: &ticket,
            parent: field("source"),
            redirects: !field("redirectAfterAccountLoginUrl").is_empty(),
            is_consumed: field("consumeServiceTicket") != "false",
        })
    };
    let reply = set_cookie(Reply::html(200, &html), "CASTGC", &desk.sign_in_browser(email));
    set_cookie(reply, "GARMIN-SSO", "1")
}

/// Titles as clients look for them (dossier garmin.md §2.3, *other titles*).
fn barred(standing: Standing) -> &'static str {
    match standing {
        Standing::Good | Standing::Problem => "Account error",
        Standing::Locked => "Account locked",
        Standing::Disabled => "Unable to sign in",
        Standing::PasswordResetNeeded => "Account error: reset your password",
    }
}
