//! Garmin's sign-in host: the JSON flows of app and web, the embedded page, codes, and how it keeps robots out
//! (dossier garmin.md §2, §3).
//!
//! Every flow begins with a page, which gives a session; whoever posts without one is taken for a robot. All of
//! them end with a ticket for the service that was named ([`Tokens::issue_ticket`](super::Tokens::issue_ticket)), which is good once, for a
//! minute, for that service.
//!
//! Where the dossier is silent this host is strict: it wants the headers that a browser sends, ends a session
//! after a few wrong codes, and locks an account after a few wrong passwords.
//!
//! Not here: what becomes of a ticket (`tokens`), misfortunes on demand (`faults`).

mod cast;
mod desk;
mod embedded;
mod json;
mod pages;
mod session;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::message::Reply;
use crate::rng::{Rng, mix};
pub(super) use desk::Desk;
use session::Session;

/// The e-mail address of the account that [`Sso::default`] comes with.
pub const EMAIL: &str = "sample@garmin.example";

/// The password of that account.
pub const PASSWORD: &str = "sandbox-garmin-password";

/// The sign-in host's share of the world.
#[derive(Clone, Debug)]
pub struct Sso {
    users: BTreeMap<String, SsoUser>,
    sessions: BTreeMap<String, Session>,
    /// Browsers that are signed in, by their `CASTGC`: they get tickets without a password.
    signed_in: BTreeMap<String, String>,
    /// The 302 between a code and the page with the ticket, by its `logintoken`: account and service.
    login_tokens: BTreeMap<String, (String, String)>,
    /// Passwords that come sooner than this after the page are a robot's (dossier garmin.md §2.1: wait 2–5 s).
    pub least_pause: SignedDuration,
    /// How long a code is waited for (dossier garmin.md §2.1, *Step 3*: a few minutes; one service uses ten).
    pub code_lifetime: SignedDuration,
    /// Wrong codes in a row that end a session. How many Garmin allows is not known.
    pub wrong_codes_max: u32,
    /// Wrong passwords in a row that lock an account; `None`: any number is let through.
    pub locks_after: Option<u32>,
}

/// An account, and what has been tried on it.
#[derive(Clone, Debug)]
pub struct SsoUser {
    pub athlete: u64,
    pub password: String,
    /// The code that is asked for after the password.
    pub mfa: Option<Mfa>,
    pub standing: Standing,
    /// A person has to be seen before the password counts.
    pub wants_captcha: bool,
    /// The account is blocked for signing in, whoever tries.
    pub block: Option<Block>,
    /// The embedded page ends in text and not in a redirect, as some accounts saw it (dossier garmin.md §3.1).
    pub sees_ticket_as_text: bool,
    pub tried: Tried,
    wrong_in_a_row: u32,
    /// The last code that was sent, and when.
    sent: Option<(String, Timestamp)>,
}

/// A second factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mfa {
    pub method: MfaMethod,
    /// Where the code goes, masked as Garmin masks it; empty for an app.
    pub sent_to: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MfaMethod {
    Email,
    Sms,
    /// A code of the person's authenticator, new every half minute; nothing is sent.
    App,
}

/// Whether an account may be signed in to; each is a key of Garmin's own table of messages (dossier §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Good,
    Locked,
    Disabled,
    Problem,
    PasswordResetNeeded,
}

/// Signing in is refused for a while; each try begins the while anew (dossier garmin.md §2.6, last rows).
#[derive(Clone, Debug)]
pub struct Block {
    pub until: Timestamp,
    pub lasts: SignedDuration,
    pub status: u16,
    pub retry_after: Option<u32>,
    pub form: BlockForm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockForm {
    /// A page of Cloudflare's with that status.
    Html,
    /// `{"error":{"status-code":"429"}}` with that status.
    Json,
    /// The same with status 200.
    JsonWithin200,
}

/// What has been tried on an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    pub passwords: u32,
    pub wrong_passwords: u32,
    pub captchas: u32,
    pub blocked: u32,
    pub codes_sent: u32,
    pub codes: u32,
    pub wrong_codes: u32,
    pub tickets: u32,
}

impl Default for Sso {
    /// One account without a second factor.
    fn default() -> Sso {
        let mut sso = Sso {
            users: BTreeMap::new(),
            sessions: BTreeMap::new(),
            signed_in: BTreeMap::new(),
            login_tokens: BTreeMap::new(),
            least_pause: SignedDuration::ZERO,
            code_lifetime: SignedDuration::from_mins(10),
            wrong_codes_max: 5,
            locks_after: Some(5),
        };
        sso.add(EMAIL, SsoUser::new(super::ATHLETE, PASSWORD));
        sso
    }
}

impl Sso {
    pub fn add(&mut self, email: &str, user: SsoUser) {
        self.users.insert(key(email), user);
    }

    /// # Panics
    /// If there is no such account.
    pub fn user(&mut self, email: &str) -> &mut SsoUser {
        self.users.get_mut(&key(email)).expect("the test has added this account")
    }

    /// The code that the person would read now, in the mail, on the phone or in the app; `None` where none was
    /// sent.
    pub fn code(&self, email: &str, now: Timestamp) -> Option<String> {
        self.users.get(&key(email))?.code(now)
    }
}

/// E-mail addresses are told apart without regard to case.
fn key(email: &str) -> String {
    email.trim().to_lowercase()
}

impl SsoUser {
    pub fn new(athlete: u64, password: &str) -> SsoUser {
        SsoUser {
            athlete,
            password: password.to_owned(),
            mfa: None,
            standing: Standing::Good,
            wants_captcha: false,
            block: None,
            sees_ticket_as_text: false,
            tried: Tried::default(),
            wrong_in_a_row: 0,
            sent: None,
        }
    }

    fn code(&self, now: Timestamp) -> Option<String> {
        match self.mfa.as_ref()?.method {
            MfaMethod::App => Some(self.app_code(now.as_second().div_euclid(APP_CODE_S))),
            MfaMethod::Email | MfaMethod::Sms => self.sent.as_ref().map(|(code, _)| code.clone()),
        }
    }

    fn app_code(&self, step: i64) -> String {
        format!("{:06}", mix(step.unsigned_abs() ^ self.athlete.rotate_left(32)) % 1_000_000)
    }

    /// Sends a new code, which ends the one before.
    fn send_code(&mut self, now: Timestamp, rng: &mut Rng) {
        let Some(mfa) = &self.mfa else { return };
        if mfa.method != MfaMethod::App {
            self.tried.codes_sent += 1;
            self.sent = Some((format!("{:06}", rng.below(1_000_000)), now));
        }
    }

    /// Whether this is the code. One that was sent is good once; an app's also for the half minute after.
    fn takes(&mut self, code: &str, now: Timestamp) -> bool {
        match self.mfa.as_ref().map(|mfa| mfa.method) {
            None => false,
            Some(MfaMethod::App) => {
                let step = now.as_second().div_euclid(APP_CODE_S);
                [step, step - 1].into_iter().any(|step| self.app_code(step) == code)
            }
            Some(MfaMethod::Email | MfaMethod::Sms) => {
                let is_it = self.sent.as_ref().is_some_and(|(sent, _)| sent == code);
                if is_it {
                    self.sent = None;
                }
                is_it
            }
        }
    }
}

/// How long an authenticator shows one code, in seconds.
const APP_CODE_S: i64 = 30;

impl Mfa {
    pub fn email() -> Mfa {
        Mfa { method: MfaMethod::Email, sent_to: "sa*****@garmin.example".to_owned() }
    }

    pub fn sms() -> Mfa {
        Mfa { method: MfaMethod::Sms, sent_to: "*******89".to_owned() }
    }

    pub fn app() -> Mfa {
        Mfa { method: MfaMethod::App, sent_to: String::new() }
    }
}

impl MfaMethod {
    /// As `mfaMethod` names it (dossier garmin.md §2.1, §2.4).
    fn name(self) -> &'static str {
        match self {
            MfaMethod::Email => "email",
            MfaMethod::Sms => "sms",
            MfaMethod::App => "totp",
        }
    }
}

/// Cloudflare's page in front of the sign-in host: for 403 a challenge, for 429 and 427 a limit.
pub fn cloudflare(status: u16) -> Reply {
    let (title, text) = match status {
        429 | 427 => ("Access denied", "You are being rate limited"),
        _ => ("Just a moment...", "Performing security verification"),
    };
    let page = format!(
        "<!DOCTYPE html><html lang=\"en-US\"><head><title>{title}</title></head><body><h1>sso.garmin.com</h1>\
         <p>{text}</p><div>Ray ID: <code>8f00ba5eba11ca5e</code></div></body></html>"
    );
    let reply = Reply::html(status, &page);
    if status == 403 { reply.with_header("cf-mitigated", "challenge") } else { reply }
}
