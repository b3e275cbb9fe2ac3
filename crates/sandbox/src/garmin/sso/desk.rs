//! Who may come in: sessions, passwords, codes, tickets, alike for all flows.

use jiff::Timestamp;
use serde_json::json;

use super::session::{Pending, Session, cookie, full_url};
use super::{BlockForm, SsoUser, Standing, cloudflare, key};
use super::{Sso, embedded, json, pages};
use crate::garmin::tokens::Tokens;
use crate::message::{Reply, Request};
use crate::rng::Rng;

/// One request at the sign-in host.
pub(in crate::garmin) struct Desk<'a> {
    pub(in crate::garmin) sso: &'a mut Sso,
    pub(in crate::garmin) tokens: &'a mut Tokens,
    pub(in crate::garmin) now: Timestamp,
    pub(in crate::garmin) rng: &'a mut Rng,
}

/// What is said to e-mail address and password.
pub(super) enum Verdict {
    Blocked(Reply),
    CaptchaWanted,
    WrongPassword,
    Barred(Standing),
    CodeWanted,
    In,
}

/// What is said to a code.
pub(super) enum CodeVerdict {
    /// With the account.
    Right(String),
    Wrong,
    Expired,
    /// Nothing is waited for, or too many codes were wrong.
    SessionEnded,
}

impl Desk<'_> {
    pub(in crate::garmin) fn answer(&mut self, request: &Request) -> Reply {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/sso/embed") => embedded::landing(request),
            ("GET", "/sso/signin") => embedded::sign_in_page(self, request),
            ("POST", "/sso/signin") => embedded::password(self, request),
            ("GET", embedded::CODE_PATH) => embedded::code_page(self, request),
            ("POST", embedded::CODE_PATH) => embedded::code(self, request),
            ("POST", "/sso/verifyMFA/mfaCode") => embedded::send_code(self, request),
            ("GET", "/sso/login") => embedded::after_code(self, request),
            ("GET", pages::CODES_PATH) => Reply::html(200, &self.sso.codes(self.now)),
            _ => json::answer(self, request).unwrap_or_else(|| Reply::html(404, "<h1>Not Found</h1>")),
        }
    }

    // ---------------------------------------------------------------------------------- sessions

    /// Opens a visit with the page that is asked for, and returns the value of its cookie.
    pub(super) fn open(&mut self, request: &Request, client: &str, service: &str) -> String {
        let id = format!("{}-{}", self.rng.hex(8), self.rng.hex(24));
        let session = Session {
            since: self.now,
            page: full_url(request),
            agent: request.header("user-agent").unwrap_or_default().to_owned(),
            client: client.to_owned(),
            service: service.to_owned(),
            csrf: self.rng.hex(100),
            pending: None,
        };
        self.sso.sessions.insert(id.clone(), session);
        id
    }

    /// The visit that a request goes on with: the cookie, the browser and the page that it comes from are those
    /// of the visit (dossier garmin.md §2.1: without cookies and `Referer` a password is answered 429).
    pub(super) fn visit(&self, request: &Request) -> Option<String> {
        let id = cookie(request, "SESSION")?;
        let session = self.sso.sessions.get(id)?;
        let comes_from_page = request.header("referer") == Some(&session.page);
        let is_same_browser = request.header("user-agent").unwrap_or_default() == session.agent;
        (comes_from_page && is_same_browser).then(|| id.to_owned())
    }

    pub(super) fn session(&mut self, id: &str) -> &mut Session {
        self.sso.sessions.get_mut(id).expect("`visit` has just found it, or `open` made it")
    }

    /// Whether a password comes sooner than a person types.
    pub(super) fn is_too_quick(&mut self, id: &str) -> bool {
        let since = self.session(id).since;
        self.now.duration_since(since) < self.sso.least_pause
    }

    // ---------------------------------------------------------------------------------- verdicts

    pub(super) fn judge(&mut self, email: &str, password: &str, is_person: bool) -> Verdict {
        let locks_after = self.sso.locks_after;
        let elsewhere = &self.tokens.elsewhere;
        let user = self.sso.users.get_mut(&key(email)).filter(|user| !elsewhere.contains(&user.athlete));
        let Some(user) = user else { return Verdict::WrongPassword };
        user.tried.passwords += 1;
        if let Some(reply) = blocked(user, self.now) {
            return Verdict::Blocked(reply);
        }
        if user.wants_captcha && !is_person {
            user.tried.captchas += 1;
            return Verdict::CaptchaWanted;
        }
        if user.standing != Standing::Good {
            return Verdict::Barred(user.standing);
        }
        if user.password != password {
            user.tried.wrong_passwords += 1;
            user.wrong_in_a_row += 1;
            if locks_after.is_some_and(|most| user.wrong_in_a_row >= most) {
                user.standing = Standing::Locked;
            }
            return Verdict::WrongPassword;
        }
        user.wrong_in_a_row = 0;
        if user.mfa.is_none() {
            return Verdict::In;
        }
        user.send_code(self.now, self.rng);
        Verdict::CodeWanted
    }

    /// From here on the visit waits for the code of this account.
    pub(super) fn wait_for_code(&mut self, id: &str, email: &str) {
        let since = self.now;
        self.session(id).pending = Some(Pending { email: key(email), since, wrong: 0 });
    }

    pub(super) fn judge_code(&mut self, id: &str, code: &str) -> CodeVerdict {
        let (now, lifetime, most) = (self.now, self.sso.code_lifetime, self.sso.wrong_codes_max);
        let Some(mut pending) = self.session(id).pending.take() else { return CodeVerdict::SessionEnded };
        let user = self.sso.users.get_mut(&pending.email).expect("accounts are never removed");
        user.tried.codes += 1;
        if now.duration_since(pending.since) >= lifetime {
            return CodeVerdict::Expired;
        }
        if user.takes(code, now) {
            return CodeVerdict::Right(pending.email);
        }
        user.tried.wrong_codes += 1;
        pending.wrong += 1;
        if pending.wrong < most {
            self.session(id).pending = Some(pending);
            return CodeVerdict::Wrong;
        }
        self.sso.sessions.remove(id);
        CodeVerdict::SessionEnded
    }

    /// Sends a new code for the visit that waits for one.
    pub(super) fn send_again(&mut self, id: &str) -> bool {
        let Some(email) = self.session(id).pending.as_ref().map(|pending| pending.email.clone()) else {
            return false;
        };
        let (now, rng) = (self.now, &mut *self.rng);
        self.sso.user(&email).send_code(now, rng);
        true
    }

    // ----------------------------------------------------------------------------------- tickets

    pub(super) fn ticket(&mut self, email: &str, service: &str) -> String {
        let user = self.sso.users.get_mut(&key(email)).expect("it has just signed in");
        user.tried.tickets += 1;
        self.tokens.issue_ticket(user.athlete, service, self.now, self.rng)
    }

    /// What the browser keeps, so that it need not show the password again: the value of `CASTGC`.
    pub(super) fn sign_in_browser(&mut self, email: &str) -> String {
        let id = format!("TGT-{}-{}-cas", self.rng.below(1_000_000), self.rng.alphanumeric(50));
        self.sso.signed_in.insert(id.clone(), key(email));
        id
    }

    /// Whom the browser is signed in as.
    pub(super) fn signed_in(&self, request: &Request) -> Option<String> {
        self.sso.signed_in.get(cookie(request, "CASTGC")?).cloned()
    }
}

/// The refusal of a blocked account, which begins its while anew; `None` where it is not blocked.
fn blocked(user: &mut SsoUser, now: Timestamp) -> Option<Reply> {
    let block = user.block.as_mut().filter(|block| now < block.until)?;
    block.until = now + block.lasts;
    user.tried.blocked += 1;
    let as_json = |status: u16, code: u16| {
        let body = json!({"error": {"status-code": code.to_string(), "request-id": "8f00ba5eba11ca5e"}});
        Reply::json(status, "application/json", &body)
    };
    let reply = match block.form {
        BlockForm::Html => cloudflare(block.status),
        BlockForm::Json => as_json(block.status, block.status),
        BlockForm::JsonWithin200 => as_json(200, block.status),
    };
    Some(match block.retry_after {
        Some(seconds) => reply.with_header("Retry-After", &seconds.to_string()),
        None => reply,
    })
}
