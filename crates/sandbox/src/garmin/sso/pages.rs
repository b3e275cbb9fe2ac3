//! What the sign-in host shows: pages for people, with the titles, fields and script variables that Garmin's have
//! (dossier garmin.md §2.1, §2.3, §3.1).

use std::collections::BTreeSet;

use serde_json::Value;

use super::{MfaMethod, Sso};
use crate::page::{escape, page};

const ACCENT: &str = "#0b6bab";

/// Where the codes are shown that this sandbox has sent, since nobody gets its mails.
pub(super) const CODES_PATH: &str = "/sandbox/codes";

impl Sso {
    /// Who may sign in here, for the person before the page.
    pub(super) fn hint(&self) -> String {
        const WHERE: &str = "This is the sandbox's Garmin, not the real one.";
        let mut users: Vec<_> = self.users.iter().collect();
        if let [(email, user)] = users[..] {
            let (email, password) = (escape(email), escape(&user.password));
            return format!(
                "<p><small>{WHERE} It knows <b>{email}</b> with the password <b>{password}</b>.</small></p>\n"
            );
        }
        // The plain ones first.
        users.sort_by_key(|(_, user)| user.in_words() != "signs in");
        let passwords: BTreeSet<&str> = users.iter().map(|(_, user)| user.password.as_str()).collect();
        let all_have = match passwords.iter().next() {
            Some(password) if passwords.len() == 1 => {
                format!(", all with the password <b>{}</b>", escape(password))
            }
            _ => String::new(),
        };
        let rows: String = users
            .iter()
            .map(|(email, user)| {
                let password = match all_have.is_empty() {
                    true => format!(" with <b>{}</b>", escape(&user.password)),
                    false => String::new(),
                };
                format!("<li><b>{}</b>{password}: {}</li>\n", escape(email), user.in_words())
            })
            .collect();
        format!(
            "<p><small>{WHERE}</small></p>\n<details><summary>Its accounts{all_have}</summary>\n\
             <ul class=\"small\">\n{rows}</ul>\n</details>\n"
        )
    }

    /// A page with the code of each account that has one.
    pub(super) fn codes(&self, now: jiff::Timestamp) -> String {
        let rows: String = self
            .users
            .iter()
            .filter_map(|(email, user)| Some((email, user.code(now)?)))
            .map(|(email, code)| format!("<li>{}: <b>{code}</b></li>\n", escape(email)))
            .collect();
        page("Codes (sandbox)", ACCENT, "", &format!("<h1>Codes of this sandbox</h1>\n<ul>\n{rows}</ul>\n"))
    }
}

/// A script with these variables. Slashes are escaped, as on Garmin's pages.
fn variables(of: &[(&str, &str)]) -> String {
    let lines: String = of.iter().map(|(name, value)| format!("var {name} = {};\n", quoted(value))).collect();
    format!("<script>\n{lines}</script>\n")
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('/', "\\/").replace('<', "\\u003c")
}

// ------------------------------------------------------------------------------ the embedded page

/// What a sign-in form says.
#[derive(Default)]
pub(super) struct SignIn<'a> {
    pub(super) email: &'a str,
    pub(super) wants_captcha: bool,
    pub(super) error: Option<&'a str>,
}

pub(super) fn sign_in(form: &SignIn<'_>, csrf: &str, hint: &str) -> String {
    let (status, result) = if form.error.is_some() { ("FAIL", "error") } else { ("", "") };
    let error = form.error.map_or_else(String::new, |error| {
        format!("<div id=\"status\" class=\"error\" role=\"alert\">{}</div>\n", escape(error))
    });
    let captcha = if form.wants_captcha { CAPTCHA } else { "" };
    let body = format!(
        "<h1>Sign in to Garmin</h1>\n{hint}{error}<form method=\"post\" id=\"login-form\">\n\
         <input type=\"hidden\" name=\"_csrf\" value=\"{csrf}\">\n<input type=\"hidden\" name=\"embed\" value=\"true\">\n\
         <label class=\"field\">Email\n<input type=\"text\" inputmode=\"email\" autocomplete=\"username\" \
         name=\"username\" id=\"username\" value=\"{email}\" required autofocus></label>\n\
         <label class=\"field\">Password\n<input type=\"password\" autocomplete=\"current-password\" \
         name=\"password\" id=\"password\" required></label>\n{captcha}\
         <button type=\"submit\" id=\"login-btn-signin\" class=\"main\">Sign In</button>\n</form>\n",
        email = escape(form.email),
    );
    let head = variables(&[("status", status), ("result", result)]);
    page("GARMIN Authentication Application", ACCENT, &head, &body)
}

const CAPTCHA: &str = "<label><input type=\"checkbox\" name=\"captcha\" value=\"person\" id=\"captcha\" required>\
    <span>I am a person</span></label>\n";

pub(super) fn code(method: MfaMethod, sent_to: &str, csrf: &str, error: Option<&str>) -> String {
    let head = variables(&[
        ("customerGuid", "00000000-0000-4000-8000-000000000001"),
        ("mfaMethod", method.name()),
        ("locale", ""),
        ("clientId", ""),
        ("codeSentTo", sent_to),
    ]);
    let error = error.map_or_else(String::new, |error| {
        format!("<div id=\"status\" class=\"error\" role=\"alert\">{}</div>\n", escape(error))
    });
    let whence = match method {
        MfaMethod::App => "Open your authenticator app.".to_owned(),
        MfaMethod::Email | MfaMethod::Sms => format!("A code was sent to {}.", escape(sent_to)),
    };
    let body = format!(
        "<h1>Enter your security code</h1>\n<p>{whence} {CODES}</p>\n{error}<form method=\"post\" id=\"mfa-form\">\n\
         <input type=\"hidden\" name=\"_csrf\" value=\"{csrf}\">\n<input type=\"hidden\" name=\"embed\" value=\"true\">\n\
         <input type=\"hidden\" name=\"fromPage\" value=\"setupEnterMfaCode\">\n\
         <label class=\"field\">Code\n<input type=\"text\" inputmode=\"numeric\" autocomplete=\"one-time-code\" \
         name=\"mfa-code\" id=\"mfa-code\" maxlength=\"6\" required autofocus></label>\n\
         <button type=\"submit\" id=\"mfa-verification-code-submit\" class=\"main\">Next</button>\n</form>\n",
    );
    page("Enter MFA code for login", ACCENT, &head, &body)
}

const CODES: &str = "<small>Nobody gets this sandbox's mails: <a href=\"/sandbox/codes\" target=\"_blank\">its codes\
    </a> are on a page of their own.</small>";

pub(super) struct Success<'a> {
    pub(super) service: &'a str,
    pub(super) ticket: &'a str,
    /// The page around this one, as it named itself.
    pub(super) parent: &'a str,
    pub(super) redirects: bool,
    pub(super) is_consumed: bool,
}

/// Branches as the recorded page does: the address that was asked for, else a message to the page around.
pub(super) fn success(of: &Success<'_>) -> String {
    let response = format!("{}?ticket={}", of.service, of.ticket);
    let head = variables(&[
        ("service_url", of.service),
        ("parent_url", of.parent),
        ("response_url", &response),
        ("consumeServiceTicket", if of.is_consumed { "true" } else { "false" }),
        ("redirectAfterAccountLoginUrl", if of.redirects { of.service } else { "" }),
    ]);
    let script = format!(
        "<script>\n\
         if (redirectAfterAccountLoginUrl !== \"\") {{\n  top.location.href = response_url;\n}} else if \
         (consumeServiceTicket === \"false\" && parent !== window) {{\n  parent.postMessage(JSON.stringify({{status: \
         \"SUCCESS\", successDetails: \"Login Successful\", serviceTicket: {}, serviceUrl: service_url}}), \
         parent_url);\n}}\n</script>\n",
        quoted(of.ticket)
    );
    page("Success", ACCENT, &head, &format!("<p>Success</p>\n{script}"))
}

/// What some accounts see in place of being sent on (dossier garmin.md §3.1, variant W).
pub(super) fn ticket_as_text(service: &str, ticket: &str) -> String {
    let text = format!("<p>{{serviceUrl: '{}', serviceTicket: '{ticket}'}}</p>\n", escape(service));
    page("Success", ACCENT, "", &text)
}

pub(super) fn landing(has_ticket: bool) -> String {
    let body = if has_ticket {
        "<p>You are signed in. The address of this page ends in your ticket.</p>\n"
    } else {
        "<h1>An error occurred</h1>\n<p>The parameter clientId must be specified.</p>\n"
    };
    page("GAuth Embedded Version", ACCENT, "", body)
}

/// Nothing more can be done on this page.
pub(super) fn barred(title: &str) -> String {
    page(title, ACCENT, "", &format!("<h1>{}</h1>\n", escape(title)))
}

// -------------------------------------------------------------------------------- the JSON flows

/// The page of the app or the web, whose script posts JSON. Where the service is not on this host, as the app's
/// is not, the script tells the address and does not go there: a sandbox sends nobody to the real Garmin.
pub(super) fn app_page(flow: &str, client: &str, service: &str, nonce: &str, hint: &str) -> String {
    let head = variables(&[("flow", flow), ("clientId", client), ("service", service), ("nonce", nonce)]);
    let body = format!(
        "<h1>Sign in to Garmin</h1>\n{hint}<div id=\"status\" class=\"error\" role=\"alert\" hidden></div>\n\
         <form id=\"login-form\">\n\
         <label class=\"field\">Email\n<input type=\"text\" inputmode=\"email\" autocomplete=\"username\" name=\"email\" \
         id=\"email\" required autofocus></label>\n\
         <label class=\"field\">Password\n<input type=\"password\" autocomplete=\"current-password\" name=\"password\" \
         id=\"password\" required></label>\n\
         <label id=\"captcha-field\" hidden><input type=\"checkbox\" id=\"captcha\"><span>I am a person</span></label>\n\
         <button type=\"submit\" class=\"main\" id=\"sign-in\">Sign In</button>\n</form>\n\
         <form id=\"mfa-form\" hidden>\n<p><span id=\"sent-to\"></span> {CODES}</p>\n\
         <label class=\"field\">Code\n<input type=\"text\" inputmode=\"numeric\" autocomplete=\"one-time-code\" \
         name=\"code\" id=\"code\" maxlength=\"6\" required></label>\n\
         <button type=\"submit\" class=\"main\" id=\"verify\">Next</button>\n</form>\n\
         <p id=\"done\" hidden></p>\n<script>{APP_SCRIPT}</script>\n",
    );
    page("Garmin SSO Portal", ACCENT, &head, &body)
}

const APP_SCRIPT: &str = r#"
const at = (id) => document.getElementById(id);
let method = "email";

async function ask(path, body) {
  const query = new URLSearchParams({clientId, locale: "en-US", service});
  const answer = await fetch(`/${flow}/api/${path}?${query}`, {
    method: "POST",
    headers: {"Content-Type": "application/json", "Accept": "application/json, text/plain, */*"},
    body: JSON.stringify(body),
  });
  return answer.json().catch(() => ({responseStatus: {type: "HTTP " + answer.status, message: ""}}));
}

function say(text) {
  at("status").textContent = text;
  at("status").hidden = false;
}

function next(answer) {
  const {type, message} = answer.responseStatus ?? {type: "BLOCKED", message: JSON.stringify(answer.error)};
  at("status").hidden = true;
  if (type === "SUCCESSFUL") {
    const target = new URL(answer.serviceURL);
    target.searchParams.set("ticket", answer.serviceTicketId);
    if (target.origin === location.origin) {
      location.assign(target);
      return;
    }
    at("login-form").hidden = at("mfa-form").hidden = true;
    at("done").textContent = "Signed in. A browser would go on to " + target;
    at("done").hidden = false;
  } else if (type === "MFA_REQUIRED") {
    method = answer.customerMfaInfo.mfaLastMethodUsed;
    const to = answer.customerMfaInfo.email ?? answer.customerMfaInfo.phoneNumber;
    at("sent-to").textContent = to ? "A code was sent to " + to + "." : "Open your authenticator app.";
    at("login-form").hidden = true;
    at("mfa-form").hidden = false;
    at("code").focus();
  } else {
    if (type === "CAPTCHA_REQUIRED") {
      at("captcha-field").hidden = false;
      at("captcha").required = true;
    }
    say(type + (message ? ": " + message : ""));
  }
}

at("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  next(await ask("login", {
    username: at("email").value,
    password: at("password").value,
    rememberMe: true,
    captchaToken: at("captcha").checked ? nonce : "",
  }));
});

at("mfa-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  next(await ask("mfa/verifyCode", {
    mfaMethod: method,
    mfaVerificationCode: at("code").value,
    rememberMyBrowser: true,
    reconsentList: [],
    mfaSetup: false,
  }));
});
"#;
