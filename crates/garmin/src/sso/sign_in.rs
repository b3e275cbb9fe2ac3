//! The password, as the phone app sends it: the page first, then the password, then a code where one is wanted
//! (dossier garmin.md §2.1).
//!
//! One try, no retry: every request that is blocked begins the block anew. The cookies of the visit are its own
//! and end with it.

use std::fmt;
use std::time::Duration;

use fitferry_core::ports::{Clock, Meter};
use jiff::SignedDuration;
use reqwest::RequestBuilder;
use reqwest::cookie::{CookieStore as _, Jar};
use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, COOKIE, ORIGIN, REFERER, USER_AGENT};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use super::answer;
use super::error::SsoError;
use super::host::{App, SsoHost};
use super::ticket::Ticket;
use crate::import::ImportError;
use crate::reply::Reply;
use crate::transport::{Counted, Outgoing, Pace, Transport};

/// The browser inside Garmin's app for the iPhone.
const AGENT: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like \
                     Gecko) Mobile/15E148";
const CLIENT: &str = "GCM_IOS_DARK";
const TIMEOUT: Duration = Duration::from_secs(30);
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// How many codes a person may try.
pub const CODE_TRIES: u32 = 3;

/// What signing in takes from outside. `http` follows no redirects and keeps no cookies.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    pub http: &'a reqwest::Client,
    pub clock: &'a dyn Clock,
    pub meter: &'a Meter,
}

/// An e-mail address and its password.
#[derive(Clone, Debug)]
pub struct Credentials {
    email: String,
    password: SecretString,
}

impl Credentials {
    /// White space around the address is cut, the password is taken as it is.
    pub fn new(email: &str, password: SecretString) -> Result<Credentials, ImportError> {
        let email = email.trim();
        if email.is_empty() || email.contains(char::is_control) {
            return Err(ImportError("the e-mail address is empty or has odd characters in it".to_owned()));
        }
        if password.expose_secret().is_empty() {
            return Err(ImportError("the password is empty".to_owned()));
        }
        Ok(Credentials { email: email.to_owned(), password })
    }

    pub fn email(&self) -> &str {
        &self.email
    }
}

/// How far signing in has come.
#[derive(Debug)]
pub enum Step<'a> {
    Ticket(Ticket),
    Code(Box<CodeWanted<'a>>),
}

/// How long a person takes between page and password: two to five seconds, by a die of 256 sides
/// (dossier garmin.md §2.1, *Step 2*).
pub fn pause(die: u8) -> Duration {
    Duration::from_millis(2_000 + 3_000 * u64::from(die) / 255)
}

/// Tries a password, once. `pause` lies between the page and the password: see [`pause`].
pub async fn sign_in<'a>(
    means: Means<'a>,
    host: &SsoHost,
    credentials: &Credentials,
    pause: Duration,
) -> Result<Step<'a>, SsoError> {
    let visit = Visit::open(means, host).await?;
    means.clock.sleep(pause).await;
    let body = json!({
        "username": credentials.email,
        "password": credentials.password.expose_secret(),
        "rememberMe": true,
        "captchaToken": "",
    });
    let reply = visit.post("/mobile/api/login", &body, &credentials.password).await?;
    match answer::login(&reply, &visit.service)? {
        answer::Login::Ticket(ticket) => Ok(Step::Ticket(ticket)),
        answer::Login::Code(wanted) => {
            Ok(Step::Code(Box::new(CodeWanted { visit, wanted, tries_left: CODE_TRIES })))
        }
    }
}

/// The password was right, and Garmin wants a code.
pub struct CodeWanted<'a> {
    visit: Visit<'a>,
    wanted: answer::Wanted,
    tries_left: u32,
}

/// How a person gets at a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeMethod {
    Email,
    Sms,
    /// An authenticator; nothing was sent.
    App,
    /// By its name at Garmin.
    Other(String),
}

/// What became of a code.
#[derive(Debug)]
pub enum Answered {
    Ticket(Ticket),
    /// Another may be tried, so many times.
    Wrong {
        tries_left: u32,
    },
}

impl CodeWanted<'_> {
    pub fn method(&self) -> CodeMethod {
        match self.wanted.method.to_lowercase().as_str() {
            "email" => CodeMethod::Email,
            "sms" | "phone" => CodeMethod::Sms,
            "totp" => CodeMethod::App,
            _ => CodeMethod::Other(self.wanted.method.clone()),
        }
    }

    /// Where the code was sent, masked as Garmin masks it.
    pub fn sent_to(&self) -> Option<&str> {
        self.wanted.sent_to.as_deref()
    }

    pub fn tries_left(&self) -> u32 {
        self.tries_left
    }

    /// Tries a code, with white space in it or not; an empty one is none and costs no try. After a failure of
    /// the network the same code may be tried again. `Err(WrongCode)` once no try is left.
    pub async fn answer(&mut self, code: &SecretString) -> Result<Answered, SsoError> {
        let code: String = code.expose_secret().split_whitespace().collect();
        if self.tries_left == 0 {
            return Err(SsoError::WrongCode);
        }
        if code.is_empty() {
            return Ok(Answered::Wrong { tries_left: self.tries_left });
        }
        let body = json!({
            "mfaMethod": self.wanted.method,
            "mfaVerificationCode": code,
            "rememberMyBrowser": true,
            "reconsentList": [],
            "mfaSetup": false,
        });
        let reply = self.visit.post("/mobile/api/mfa/verifyCode", &body, &code.into()).await?;
        match answer::code(&reply, &self.visit.service)? {
            answer::Code::Ticket(ticket) => Ok(Answered::Ticket(ticket)),
            answer::Code::Wrong => {
                self.tries_left -= 1;
                if self.tries_left == 0 {
                    Err(SsoError::WrongCode)
                } else {
                    Ok(Answered::Wrong { tries_left: self.tries_left })
                }
            }
        }
    }
}

impl fmt::Debug for CodeWanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeWanted")
            .field("method", &self.wanted.method)
            .field("sent_to", &self.wanted.sent_to)
            .field("tries_left", &self.tries_left)
            .finish_non_exhaustive()
    }
}

/// A visit to the sign-in host: its page and its cookies.
struct Visit<'a> {
    means: Means<'a>,
    host: SsoHost,
    page: Url,
    service: String,
    jar: Jar,
    /// The pauses of a visit are a person's and not a program's.
    pace: Pace,
}

impl<'a> Visit<'a> {
    /// Loads the page: without its cookies a password is answered 429.
    async fn open(means: Means<'a>, host: &SsoHost) -> Result<Visit<'a>, SsoError> {
        let service = host.app_service(App::Ios);
        let mut page = host.at("/mobile/sso/en_US/sign-in");
        page.query_pairs_mut().append_pair("clientId", CLIENT).append_pair("service", &service);
        let visit = Visit {
            means,
            host: host.clone(),
            page,
            service,
            jar: Jar::default(),
            pace: Pace::new(SignedDuration::ZERO),
        };
        let request = means
            .http
            .get(visit.page.clone())
            .header(ACCEPT, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
        let reply = visit.send(request, &visit.page, Vec::new()).await?;
        answer::page(&reply)?;
        Ok(visit)
    }

    /// Posts as the script of the page does.
    async fn post(&self, path: &str, body: &Value, secret: &SecretString) -> Result<Reply, SsoError> {
        let mut url = self.host.at(path);
        url.query_pairs_mut()
            .append_pair("clientId", CLIENT)
            .append_pair("locale", "en-US")
            .append_pair("service", &self.service);
        let request = self
            .means
            .http
            .post(url.clone())
            .header(ACCEPT, "application/json, text/plain, */*")
            .header(CONTENT_TYPE, "application/json")
            .header(ORIGIN, self.host.origin())
            .header(REFERER, self.page.as_str())
            .body(body.to_string());
        self.send(request, &url, vec![secret.clone()]).await
    }

    async fn send(
        &self,
        request: RequestBuilder,
        url: &Url,
        hidden: Vec<SecretString>,
    ) -> Result<Reply, SsoError> {
        let Means { http, clock, meter } = self.means;
        let mut request = request.header(USER_AGENT, AGENT).header(ACCEPT_LANGUAGE, "en-US,en;q=0.9");
        if let Some(cookies) = self.jar.cookies(url) {
            request = request.header(COOKIE, cookies);
        }
        let outgoing =
            Outgoing { request, counted: Counted::Data, timeout: TIMEOUT, body_bytes_max: BYTES_MAX, hidden };
        let transport = Transport { http, clock, meter, pace: &self.pace };
        let reply = transport.send(outgoing).await?;
        self.jar.set_cookies(&mut reply.cookies.iter(), url);
        Ok(reply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_takes_two_to_five_seconds() {
        assert_eq!((pause(0), pause(255)), (Duration::from_secs(2), Duration::from_secs(5)));
        assert!(pause(128) > Duration::from_secs(3));
    }

    #[test]
    fn empty_credentials_are_none_and_none_shows_its_password() {
        let credentials = |email, password: &str| Credentials::new(email, password.to_owned().into());
        assert!(credentials(" ", "x").is_err());
        assert!(credentials("a\nb", "x").is_err());
        assert!(credentials("a@example.org", "").is_err());
        let good = credentials(" a@example.org ", " with blanks ").unwrap();
        assert_eq!(good.email(), "a@example.org");
        assert_eq!(good.password.expose_secret(), " with blanks ");
        assert!(!format!("{good:?}").contains("blanks"));
    }
}
