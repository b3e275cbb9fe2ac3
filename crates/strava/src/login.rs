//! What a login to Strava keeps: the app's id and secret, the athlete, the scopes, the tokens.
//!
//! Its stored form is private to this crate; the vault keeps it as one text. Renewal is
//! [`fitferry_core::tokens::renew`]'s, signing in is [`crate::oauth`]'s.

use std::collections::BTreeSet;
use std::fmt;

use fitferry_core::ports::{
    AppId, Failure, PortError, PutError, SecretName, Service, StoreError, Vault, Version,
};
use fitferry_core::tokens::{Pairs, RotatingLogin};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// An app that was registered at Strava. Each user brings one (dossier strava.md §7).
#[derive(Clone, Debug)]
pub struct App {
    pub client_id: String,
    pub client_secret: SecretString,
}

/// Whose login it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Athlete {
    pub id: u64,
    /// First and last name, else the user name.
    pub name: Option<String>,
}

impl fmt::Display for Athlete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} ({})", self.id),
            None => write!(f, "athlete {}", self.id),
        }
    }
}

/// What the person has granted (dossier strava.md §1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<String>);

/// Whether what was granted will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    Enough,
    /// It will do; the text says what will not work, and the cure.
    Short(String),
    /// Nothing could be uploaded; the text says so, and the cure.
    Useless(String),
}

impl Scopes {
    /// Reads a list with commas or blanks between.
    pub fn parse(list: &str) -> Scopes {
        let scopes = list.split([',', ' ', '+']).map(str::trim).filter(|scope| !scope.is_empty());
        Scopes(scopes.map(str::to_owned).collect())
    }

    pub fn has(&self, scope: &str) -> bool {
        self.0.contains(scope)
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The person can untick any box on Strava's page (dossier strava.md §1.3).
    pub fn grant(&self) -> Grant {
        const CURE: &str = "run `fitferry login strava` again and leave every box ticked";
        if !self.has("activity:write") {
            return Grant::Useless(format!(
                "the box for uploading activities (activity:write) was not ticked, so nothing could be \
                 uploaded; {CURE}"
            ));
        }
        if self.has("activity:read_all") {
            return Grant::Enough;
        }
        if self.has("activity:read") {
            return Grant::Short(format!(
                "the box for private activities (activity:read_all) was not ticked: fitferry does not see \
                 activities that are visible to you only, so it may upload one that is there already, and an \
                 upload whose answer is lost is never sent again; {CURE}"
            ));
        }
        Grant::Short(format!(
            "the boxes for viewing activities (activity:read_all) were not ticked: Strava may refuse to list \
             activities, and without the list nothing is uploaded; {CURE}"
        ))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().collect::<Vec<_>>().join(","))
    }
}

/// One access token with its refresh token.
#[derive(Clone, Debug)]
pub struct Pair {
    pub(crate) access: SecretString,
    pub(crate) refresh: SecretString,
    /// Service time.
    pub(crate) expires_at: Timestamp,
    /// By how much the service's clock was ahead of ours when the pair was issued.
    pub(crate) skew: SignedDuration,
}

/// A login, as the vault keeps it. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Login {
    pub(crate) app: App,
    pub(crate) athlete: Option<Athlete>,
    pub(crate) scopes: Scopes,
    pub(crate) scopes_assumed: bool,
    pub(crate) pairs: Pairs<Pair>,
    /// Another login that has not proven good yet: its tokens have been traded and must not be lost, this
    /// one is in force (`import`).
    pub(crate) incoming: Option<Box<Login>>,
}

impl Login {
    pub fn app(&self) -> &App {
        &self.app
    }

    /// What the account of requests belongs to.
    pub fn app_id(&self) -> AppId {
        AppId(self.app.client_id.clone())
    }

    /// `None` where Strava did not say whose login it is.
    pub fn athlete(&self) -> Option<&Athlete> {
        self.athlete.as_ref()
    }

    pub fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// An imported token does not say what it was granted; its scopes are what worked, and
    /// `activity:read_all` with the listing (see [`crate::oauth::import_refresh_token`]).
    pub fn scopes_assumed(&self) -> bool {
        self.scopes_assumed
    }

    /// Whether a look shows activities that are visible to their owner only (*Doubt*).
    pub fn sees_private(&self) -> bool {
        self.scopes.has("activity:read_all")
    }

    /// When the access token ends, in service time.
    pub fn expires_at(&self) -> Timestamp {
        self.pairs.current.expires_at
    }

    /// By how much the service's clock was ahead of ours when the tokens were issued.
    pub fn skew(&self) -> SignedDuration {
        self.pairs.current.skew
    }

    /// The token that `login --print-refresh-token` shows.
    pub fn refresh_token(&self) -> &SecretString {
        &self.pairs.current.refresh
    }

    pub(crate) fn access(&self) -> &str {
        self.pairs.current.access.expose_secret()
    }
}

impl RotatingLogin for Login {
    type Pair = Pair;
    const NAME: SecretName = SecretName::StravaLogin;
    const SERVICE: Service = Service::Strava;

    fn read(secret: &SecretString) -> Result<Login, String> {
        // serde's own text may quote what it read.
        let stored: Stored = serde_json::from_str(secret.expose_secret())
            .map_err(|error| format!("line {}, column {}", error.line(), error.column()))?;
        stored.read()
    }

    fn write(&self) -> SecretString {
        let text = serde_json::to_string(&Stored::of(self)).expect("strings and numbers are always JSON");
        text.into()
    }

    fn pairs(&self) -> &Pairs<Pair> {
        &self.pairs
    }

    fn pairs_mut(&mut self) -> &mut Pairs<Pair> {
        &mut self.pairs
    }
}

/// The login that the vault has, without a request. `None`: nobody is signed in; an unreadable one is a
/// `LoginNeeded`.
pub async fn stored(vault: &dyn Vault) -> Result<Option<Login>, Failure> {
    let Some((secret, _)) = vault.get(SecretName::StravaLogin).await? else {
        return Ok(None);
    };
    read(&secret).map(Some).map_err(Failure::from)
}

pub(crate) fn read(secret: &SecretString) -> Result<Login, PortError> {
    Login::read(secret).map_err(|why| PortError::LoginNeeded {
        service: Service::Strava,
        why: format!("the stored login is unreadable ({why})"),
    })
}

/// Why a new login was not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreLoginError {
    #[error("the login here is {stored}'s, the new one is {new}'s")]
    OtherAthlete { stored: Athlete, new: Athlete },
    /// Another run wrote each time.
    #[error("another run of fitferry is at work")]
    Busy,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How often a new login is written over what another run wrote in between.
const STORE_TRIES: u32 = 5;

/// Keeps a login that has worked, in whatever state the one before it is; another athlete's is replaced
/// only with `replace_other`.
pub async fn store(vault: &dyn Vault, login: &Login, replace_other: bool) -> Result<(), StoreLoginError> {
    for _ in 0..STORE_TRIES {
        let there = vault.get_fresh(SecretName::StravaLogin).await?;
        let expected = there.as_ref().map_or(Version::ABSENT, |(_, version)| *version);
        let before = there.and_then(|(secret, _)| Login::read(&secret).ok()).and_then(|login| login.athlete);
        if let (Some(stored), Some(new)) = (before, &login.athlete)
            && stored.id != new.id
            && !replace_other
        {
            return Err(StoreLoginError::OtherAthlete { stored, new: new.clone() });
        }
        match vault.replace(SecretName::StravaLogin, expected, &login.write()).await {
            Ok(_) => return Ok(()),
            Err(PutError::Conflict) => {}
            Err(PutError::Store(error)) => return Err(error.into()),
        }
    }
    Err(StoreLoginError::Busy)
}

/// Forgets the login, and the one that had not proven good yet.
pub async fn forget(vault: &dyn Vault) -> Result<(), StoreError> {
    vault.remove(SecretName::StravaLogin).await
}

// ------------------------------------------------------------------------------- the stored form

#[derive(Serialize, Deserialize)]
struct Stored {
    client_id: String,
    client_secret: String,
    athlete: Option<StoredAthlete>,
    #[serde(default)]
    scopes: BTreeSet<String>,
    #[serde(default)]
    scopes_assumed: bool,
    current: StoredPair,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<StoredPair>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aside: Option<StoredPair>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    incoming: Option<Box<Stored>>,
}

#[derive(Serialize, Deserialize)]
struct StoredAthlete {
    id: u64,
    name: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredPair {
    access: String,
    refresh: String,
    /// Epoch seconds, service time.
    expires_at: i64,
    #[serde(default)]
    skew_s: i64,
}

impl Stored {
    fn of(login: &Login) -> Stored {
        Stored {
            client_id: login.app.client_id.clone(),
            client_secret: login.app.client_secret.expose_secret().to_owned(),
            athlete: login.athlete.clone().map(|Athlete { id, name }| StoredAthlete { id, name }),
            scopes: login.scopes.0.clone(),
            scopes_assumed: login.scopes_assumed,
            current: StoredPair::of(&login.pairs.current),
            before: login.pairs.before.as_ref().map(StoredPair::of),
            aside: login.pairs.aside.as_ref().map(StoredPair::of),
            incoming: login.incoming.as_ref().map(|incoming| Box::new(Stored::of(incoming))),
        }
    }

    fn read(self) -> Result<Login, String> {
        Ok(Login {
            app: App { client_id: self.client_id, client_secret: self.client_secret.into() },
            athlete: self.athlete.map(|StoredAthlete { id, name }| Athlete { id, name }),
            scopes: Scopes(self.scopes),
            scopes_assumed: self.scopes_assumed,
            pairs: Pairs {
                current: self.current.read()?,
                before: self.before.map(StoredPair::read).transpose()?,
                aside: self.aside.map(StoredPair::read).transpose()?,
            },
            // What is wrong with it is no reason to lose the login in force.
            incoming: self.incoming.and_then(|incoming| incoming.read().ok()).map(Box::new),
        })
    }
}

impl StoredPair {
    fn of(pair: &Pair) -> StoredPair {
        StoredPair {
            access: pair.access.expose_secret().to_owned(),
            refresh: pair.refresh.expose_secret().to_owned(),
            expires_at: pair.expires_at.as_second(),
            skew_s: pair.skew.as_secs(),
        }
    }

    fn read(self) -> Result<Pair, String> {
        Ok(Pair {
            access: self.access.into(),
            refresh: self.refresh.into(),
            expires_at: Timestamp::from_second(self.expires_at)
                .map_err(|_| "expires_at is no time".to_owned())?,
            skew: SignedDuration::from_secs(self.skew_s),
        })
    }
}
