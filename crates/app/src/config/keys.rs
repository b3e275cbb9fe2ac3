//! Every key of the configuration, once: name, kind, default and meaning.
//!
//! The file, the environment, `config show` and `config check` all read this table, so that none of them
//! can know a key that another does not. Not here: `[[rules]]`, which is a list (`rules`).

use std::cmp::Ordering;

/// What may stand behind a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Domain,
    ClientId,
    Port,
    Types,
    Since,
    /// Longer than nothing.
    Duration,
    /// As `Duration`, and `0s` too.
    Wait,
    Hold,
    StoreUrl,
    Vault,
    Endpoint,
}

/// One key of the configuration.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub section: &'static str,
    pub name: &'static str,
    pub kind: Kind,
    /// As it would be written in the environment; `None`: nothing is in force.
    pub default: Option<&'static str>,
    pub doc: &'static str,
}

impl Key {
    /// As people write it: `sync.types`.
    pub(super) fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    pub(super) fn variable(&self) -> String {
        variable(self.section, self.name)
    }
}

const fn key(
    section: &'static str,
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    doc: &'static str,
) -> Key {
    Key { section, name, kind, default, doc }
}

#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    key("garmin", "domain", Kind::Domain, Some("garmin.com"), "garmin.com, or garmin.cn for accounts in China"),
    key("strava", "client_id", Kind::ClientId, None, "number of the API application, for `fitferry login strava`"),
    key("strava", "redirect_port", Kind::Port, Some("9321"), "where the browser brings Strava's answer"),
    key("sync", "types", Kind::Types, Some("running"), "Garmin type keys that cross; a parent means all its children, * means all"),
    key("sync", "since", Kind::Since, None, "local start date; nothing earlier crosses; all for no limit"),
    key("sync", "lookback", Kind::Duration, Some("30d"), "how late a watch may sync and still be noticed"),
    key("sync", "sweep", Kind::Duration, Some("6h"), "how often the whole look-back is read"),
    key("sync", "hold", Kind::Hold, Some("auto"), "wait before uploading: auto, or a duration"),
    key("sync", "every", Kind::Duration, Some("60s"), "how often `fitferry watch` looks"),
    key("store", "url", Kind::StoreUrl, Some("sqlite:fitferry.db"), "where ledger and logins are kept"),
    key("store", "vault", Kind::Vault, Some("store"), "where the secrets live"),
    key("timing", "garmin_spacing", Kind::Wait, Some("2s"), "between two requests to Garmin"),
    key("timing", "first_confirm", Kind::Duration, Some("3s"), "from the upload to the first look"),
    key("timing", "settle", Kind::Wait, Some("60s"), "how long a tick looks for what it uploaded"),
    key("timing", "send_within", Kind::Duration, Some("20s"), "from the intent to the first byte"),
    key("timing", "upload_timeout", Kind::Duration, Some("60s"), "how long an upload may take"),
    key("timing", "doubt", Kind::Wait, Some("15m"), "how long an upload without an answer stays in doubt"),
    key("timing", "doubt_looks", Kind::Wait, Some("2m"), "between two looks for an upload in doubt"),
    key("timing", "retry_base", Kind::Duration, Some("2m"), "all ladders and pauses scale with it"),
    key("endpoints", "garmin_sso", Kind::Endpoint, Some("https://sso.garmin.com"), "Garmin's sign-in page"),
    key("endpoints", "garmin_auth", Kind::Endpoint, Some("https://diauth.garmin.com"), "Garmin's token endpoint"),
    key("endpoints", "garmin_api", Kind::Endpoint, Some("https://connectapi.garmin.com"), "Garmin's Connect API"),
    key("endpoints", "garmin_personal", Kind::Endpoint, Some("https://personal.connectapi.garmin.com"), "Garmin's Personal API"),
    key("endpoints", "strava_api", Kind::Endpoint, Some("https://www.strava.com/api/v3"), "Strava's API"),
    key("endpoints", "strava_oauth", Kind::Endpoint, Some("https://www.strava.com/oauth"), "Strava's sign-in page and token endpoint"),
];

/// Sections that are tables of keys. Beside them there are `rules` and `athletes`.
pub(super) const SECTIONS: &[&str] = &["garmin", "strava", "sync", "store", "timing", "endpoints"];

/// A secret that may come from the environment, and never from the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretKey {
    GarminApiKey,
    GarminEmail,
    GarminPassword,
    StravaClientSecret,
}

impl SecretKey {
    pub const ALL: [SecretKey; 4] = [
        SecretKey::GarminApiKey,
        SecretKey::GarminEmail,
        SecretKey::GarminPassword,
        SecretKey::StravaClientSecret,
    ];

    pub fn section(self) -> &'static str {
        match self {
            SecretKey::GarminApiKey | SecretKey::GarminEmail | SecretKey::GarminPassword => "garmin",
            SecretKey::StravaClientSecret => "strava",
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            SecretKey::GarminApiKey => "api_key",
            SecretKey::GarminEmail => "email",
            SecretKey::GarminPassword => "password",
            SecretKey::StravaClientSecret => "client_secret",
        }
    }

    pub fn variable(self) -> String {
        variable(self.section(), self.name())
    }

    /// Names a file that holds the secret.
    pub fn file_variable(self) -> String {
        format!("{}_FILE", self.variable())
    }

    pub fn find(section: &str, name: &str) -> Option<SecretKey> {
        SecretKey::ALL.into_iter().find(|secret| secret.section() == section && secret.name() == name)
    }
}

/// The environment variable of a key.
pub(super) fn variable(section: &str, name: &str) -> String {
    format!("FITFERRY_{}__{}", section.to_ascii_uppercase(), name.to_ascii_uppercase())
}

pub(super) fn find(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.section == section && key.name == name)
}

/// The key that somebody probably meant: the same name in another section, else the most similar one.
pub(super) fn nearest(section: &str, name: &str) -> &'static Key {
    let score = |key: &Key| {
        if key.name == name {
            return 3.0;
        }
        // A name that is a little off counts for more than the right section.
        similarity(key.name, name) + if key.section == section { 0.2 } else { 0.0 }
    };
    KEYS.iter()
        .max_by(|a, b| score(a).partial_cmp(&score(b)).unwrap_or(Ordering::Equal))
        .expect("the table is not empty")
}

/// Of what was written only as much counts as could be meant; the file may hold megabytes in its place.
fn similarity(known: &str, given: &str) -> f64 {
    const CHARS_MAX: usize = 64;
    let end = given.char_indices().nth(CHARS_MAX).map_or(given.len(), |(end, _)| end);
    strsim::jaro_winkler(known, &given[..end])
}

/// The one of `known` that is most similar to `given`.
pub(super) fn most_similar<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> &'a str {
    known
        .into_iter()
        .max_by(|a, b| {
            let score = |word: &str| similarity(word, given);
            score(a).partial_cmp(&score(b)).unwrap_or(Ordering::Equal)
        })
        .expect("something is known")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_in_a_section_and_stands_once() {
        for (index, key) in KEYS.iter().enumerate() {
            assert!(SECTIONS.contains(&key.section), "{}", key.path());
            assert_eq!(KEYS.iter().position(|other| other.path() == key.path()), Some(index));
            assert!(SecretKey::find(key.section, key.name).is_none());
        }
    }

    #[test]
    fn the_nearest_key_is_the_one_that_was_meant() {
        let nearest = |section, name| nearest(section, name).path();
        assert_eq!(nearest("sync", "typs"), "sync.types");
        assert_eq!(nearest("sync", "redirect_port"), "strava.redirect_port");
        assert_eq!(nearest("timing", "upload_timout"), "timing.upload_timeout");
        assert_eq!(nearest("garmin", "client"), "strava.client_id");
    }
}
