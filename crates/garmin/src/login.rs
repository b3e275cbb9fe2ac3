//! What a person signed in with, as the vault keeps it.
//!
//! A login is a *Personal API* key, which does not change, or a pair of *Connect API* tokens, which rotates
//! at each renewal ([`fitferry_core::tokens`]). Beside it lies the bearer (`bearer`), so that an idle tick
//! reads no login.
//!
//! Not here: reading other tools' files (`import`), trying a new login and keeping it (`prove`).

use fitferry_core::ports::{SecretName, Service};
use fitferry_core::tokens::{Pairs, RotatingLogin};
use jiff::Timestamp;
use jiff::civil::Date;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::bearer::Tier;
use crate::endpoints::Domain;
use crate::import::{ImportError, Imported};
use crate::jwt::Claims;
pub use crate::prove::{Before, ProvenLogin, forget, keep, prove, store};

/// A login of either tier. Its `Debug` shows no secret.
#[derive(Clone, Debug)]
pub enum Login {
    Personal(PersonalLogin),
    Connect(Box<ConnectLogin>),
}

/// A Personal API key.
#[derive(Clone, Debug)]
pub struct PersonalLogin {
    pub(crate) domain: Domain,
    pub(crate) key: SecretString,
    /// As the person said; Garmin does not tell.
    pub(crate) ends: Option<Date>,
    pub(crate) proven_at: Option<Timestamp>,
}

/// Tokens of the Connect API.
#[derive(Clone, Debug)]
pub struct ConnectLogin {
    pub(crate) domain: Domain,
    /// The app that the tokens were made for, where they do not say it themselves.
    pub(crate) client_id: String,
    pub(crate) pairs: Pairs<Pair>,
    pub(crate) proven_at: Option<Timestamp>,
}

/// A bearer and what it is renewed with. All times are the service's.
#[derive(Clone, Debug)]
pub struct Pair {
    pub(crate) access: SecretString,
    pub(crate) refresh: SecretString,
    pub(crate) exp: Timestamp,
    pub(crate) renew_at: Timestamp,
    pub(crate) refresh_ends: Option<Timestamp>,
}

impl Login {
    /// From a Personal API key, with white space around it or not. Without `ends` the key itself is asked, should
    /// it be a token that tells.
    pub fn from_api_key(key: &str, ends: Option<Date>, domain: Domain) -> Result<Login, ImportError> {
        let key = key.trim();
        if key.is_empty() {
            return Err(ImportError("the API key is empty".to_owned()));
        }
        if !key.chars().all(|c| c.is_ascii_graphic()) {
            return Err(ImportError("the API key has white space or odd characters in it".to_owned()));
        }
        let told = || Some(jiff::tz::Offset::UTC.to_datetime(Claims::of(key).exp()?).date());
        let ends = ends.or_else(told);
        Ok(Login::Personal(PersonalLogin { domain, key: key.to_owned().into(), ends, proven_at: None }))
    }

    /// From python-garminconnect's `garmin_tokens.json`, whose own copy ends with our first renewal.
    pub fn from_tokens_file(text: &str) -> Result<Login, ImportError> {
        crate::import::tokens_file(text).map(|login| Login::Connect(Box::new(login)))
    }

    /// From another tool's file, or the key file of Garmin's own client; `domain` is for a key, which does not
    /// tell its own.
    pub fn from_file(text: &str, domain: Domain) -> Result<Imported, ImportError> {
        crate::import::any_file(text, domain)
    }

    /// `personal` or `connect`.
    pub fn kind(&self) -> &'static str {
        self.tier().name()
    }

    /// Whether each renewal ends the copy before it; a key does not.
    pub fn rotates(&self) -> bool {
        matches!(self, Login::Connect(_))
    }

    pub fn domain(&self) -> Domain {
        match self {
            Login::Personal(login) => login.domain,
            Login::Connect(login) => login.domain,
        }
    }

    /// When a person must sign in again, where that is known. A key's day counts from 00:00 UTC.
    pub fn ends(&self) -> Option<Timestamp> {
        match self {
            Login::Personal(login) => {
                let start = login.ends?.to_datetime(jiff::civil::Time::midnight());
                jiff::tz::Offset::UTC.to_timestamp(start).ok()
            }
            Login::Connect(login) => login.pairs.current.refresh_ends,
        }
    }

    /// When it was last signed in with.
    pub fn proven_at(&self) -> Option<Timestamp> {
        match self {
            Login::Personal(login) => login.proven_at,
            Login::Connect(login) => login.proven_at,
        }
    }

    /// Reads what [`Login::write`] wrote; the error says what is wrong and quotes nothing.
    pub fn read(secret: &SecretString) -> Result<Login, String> {
        let document: Document = serde_json::from_str(secret.expose_secret())
            .map_err(|error| format!("{:?} at column {}", error.classify(), error.column()))?;
        document.login()
    }

    pub fn write(&self) -> SecretString {
        serde_json::to_string(&Document::of(self)).expect("strings and numbers make JSON").into()
    }

    pub(crate) fn tier(&self) -> Tier {
        match self {
            Login::Personal(_) => Tier::Personal,
            Login::Connect(_) => Tier::Connect,
        }
    }

    pub(crate) fn proven(mut self, at: Timestamp) -> Login {
        match &mut self {
            Login::Personal(login) => login.proven_at = Some(at),
            Login::Connect(login) => login.proven_at = Some(at),
        }
        self
    }

    /// Names the login without telling it, and stays the same while tokens rotate.
    pub(crate) fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update(part);
            hash.update([0]);
        };
        add(self.kind());
        add(self.domain().name());
        match self {
            Login::Personal(login) => add(login.key.expose_secret()),
            Login::Connect(login) => {
                add(&login.client_id);
                add(&login.proven_at.map(|at| at.to_string()).unwrap_or_default());
            }
        }
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl RotatingLogin for ConnectLogin {
    type Pair = Pair;
    const NAME: SecretName = SecretName::GarminLogin;
    const SERVICE: Service = Service::Garmin;

    fn read(secret: &SecretString) -> Result<ConnectLogin, String> {
        match Login::read(secret)? {
            Login::Connect(login) => Ok(*login),
            Login::Personal(_) => Err("it is a key and has no tokens".to_owned()),
        }
    }

    fn write(&self) -> SecretString {
        Login::Connect(Box::new(self.clone())).write()
    }

    fn pairs(&self) -> &Pairs<Pair> {
        &self.pairs
    }

    fn pairs_mut(&mut self) -> &mut Pairs<Pair> {
        &mut self.pairs
    }
}

// ------------------------------------------------------------------------------- the stored form

/// Times are seconds since 1970.
#[derive(Serialize, Deserialize)]
#[serde(tag = "tier", rename_all = "lowercase")]
enum Document {
    Personal {
        domain: String,
        key: String,
        ends: Option<String>,
        proven_at: Option<i64>,
    },
    Connect {
        domain: String,
        client_id: String,
        current: Box<StoredPair>,
        before: Option<Box<StoredPair>>,
        aside: Option<Box<StoredPair>>,
        proven_at: Option<i64>,
    },
}

#[derive(Serialize, Deserialize)]
struct StoredPair {
    access: String,
    refresh: String,
    exp: i64,
    renew_at: i64,
    refresh_ends: Option<i64>,
}

impl Document {
    fn of(login: &Login) -> Document {
        let domain = login.domain().name().to_owned();
        match login {
            Login::Personal(login) => Document::Personal {
                domain,
                key: login.key.expose_secret().to_owned(),
                ends: login.ends.map(|date| date.to_string()),
                proven_at: login.proven_at.map(Timestamp::as_second),
            },
            Login::Connect(login) => Document::Connect {
                domain,
                client_id: login.client_id.clone(),
                current: Box::new(StoredPair::of(&login.pairs.current)),
                before: login.pairs.before.as_ref().map(StoredPair::of).map(Box::new),
                aside: login.pairs.aside.as_ref().map(StoredPair::of).map(Box::new),
                proven_at: login.proven_at.map(Timestamp::as_second),
            },
        }
    }

    fn login(self) -> Result<Login, String> {
        Ok(match self {
            Document::Personal { domain, key, ends, proven_at } => Login::Personal(PersonalLogin {
                domain: read_domain(&domain)?,
                key: key.into(),
                ends: ends.and_then(|date| date.parse().ok()),
                proven_at: optional_time(proven_at)?,
            }),
            Document::Connect { domain, client_id, current, before, aside, proven_at } => {
                Login::Connect(Box::new(ConnectLogin {
                    domain: read_domain(&domain)?,
                    client_id,
                    pairs: Pairs {
                        current: current.pair()?,
                        before: before.map(|pair| pair.pair()).transpose()?,
                        aside: aside.map(|pair| pair.pair()).transpose()?,
                    },
                    proven_at: optional_time(proven_at)?,
                }))
            }
        })
    }
}

impl StoredPair {
    fn of(pair: &Pair) -> StoredPair {
        StoredPair {
            access: pair.access.expose_secret().to_owned(),
            refresh: pair.refresh.expose_secret().to_owned(),
            exp: pair.exp.as_second(),
            renew_at: pair.renew_at.as_second(),
            refresh_ends: pair.refresh_ends.map(Timestamp::as_second),
        }
    }

    fn pair(self) -> Result<Pair, String> {
        Ok(Pair {
            access: self.access.into(),
            refresh: self.refresh.into(),
            exp: time(self.exp)?,
            renew_at: time(self.renew_at)?,
            refresh_ends: optional_time(self.refresh_ends)?,
        })
    }
}

fn read_domain(name: &str) -> Result<Domain, String> {
    Domain::from_name(name).ok_or_else(|| "its domain is unknown".to_owned())
}

pub(crate) fn time(second: i64) -> Result<Timestamp, String> {
    Timestamp::from_second(second).map_err(|_| "a time in it is out of range".to_owned())
}

fn optional_time(second: Option<i64>) -> Result<Option<Timestamp>, String> {
    second.map(time).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_reads_back_what_it_wrote_and_shows_no_secret() {
        let pair = |n: i64| Pair {
            access: format!("access-{n}").into(),
            refresh: format!("refresh-{n}").into(),
            exp: Timestamp::from_second(1_764_000_000 + n).unwrap(),
            renew_at: Timestamp::from_second(1_763_000_000 + n).unwrap(),
            refresh_ends: None,
        };
        let connect = Login::Connect(Box::new(ConnectLogin {
            domain: Domain::Cn,
            client_id: "APP".to_owned(),
            pairs: Pairs { current: pair(1), before: Some(pair(2)), aside: Some(pair(3)) },
            proven_at: Timestamp::from_second(1_700_000_000).ok(),
        }));
        let ends = "2027-02-01".parse().ok();
        let personal = Login::from_api_key(" the-secret-key\n", ends, Domain::Com).unwrap();
        assert_eq!(personal.ends().unwrap().to_string(), "2027-02-01T00:00:00Z");
        for login in [connect, personal] {
            let written = login.write();
            let again = Login::read(&written).unwrap();
            assert_eq!(again.write().expose_secret(), written.expose_secret());
            assert_eq!(again.fingerprint(), login.fingerprint());
            let shown = format!("{login:?}");
            assert!(!shown.contains("access-") && !shown.contains("refresh-1"), "{shown}");
            assert!(!shown.contains("secret-key"), "{shown}");
        }
    }

    #[test]
    fn a_damaged_document_is_told_without_its_content() {
        for text in ["", "{", "[]", r#"{"tier":"personal","key":"KEY-1"}"#, r#"{"tier":"x"}"#] {
            let why = Login::read(&text.to_owned().into()).unwrap_err();
            assert!(!why.contains("KEY-1"), "{why}");
        }
    }

    #[test]
    fn a_key_that_is_a_token_tells_when_it_ends_unless_the_person_says_it() {
        use base64::Engine;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let key = format!("{}.{}.x", part(r#"{"alg":"RS256"}"#), part(r#"{"exp":1801526400}"#));
        let ends = |said: Option<&str>| {
            let login = Login::from_api_key(&key, said.map(|day| day.parse().unwrap()), Domain::Com).unwrap();
            login.ends().unwrap().to_string()
        };
        assert_eq!(ends(None), "2027-02-02T00:00:00Z");
        assert_eq!(ends(Some("2027-01-01")), "2027-01-01T00:00:00Z");
        assert!(Login::from_api_key("opaque", None, Domain::Com).unwrap().ends().is_none());
    }

    #[test]
    fn an_api_key_is_one_word() {
        for key in ["", "  ", "two words", "line\nbreak", "käse"] {
            assert!(Login::from_api_key(key, None, Domain::Com).is_err(), "{key}");
        }
    }
}
