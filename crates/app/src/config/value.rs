//! What may stand behind a key: text in, a checked value or a sentence out.
//!
//! A value comes from TOML, where lists and numbers have their own form, or as a word from the
//! environment and the command line. Both end in [`Raw`], and [`read`] is the one place that judges.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use fitferry_core::engine::Hold;
use fitferry_garmin::Domain;
use jiff::civil::Date;
use jiff::{SignedDuration, Span, SpanRelativeTo};
use url::{Host, Url};

use super::keys::Kind;

/// A value as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Raw {
    /// A string of TOML.
    Text(String),
    /// From the environment or the command line, where everything is a word.
    Word(String),
    List(Vec<String>),
    Integer(String),
    Date(Date),
    /// Something else of TOML, by its name.
    Other(&'static str),
}

/// A value that is in force.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Domain(Domain),
    ClientId(String),
    Port(u16),
    Types(Vec<String>),
    Since(Since),
    Duration { length: SignedDuration, written: String },
    Hold(Hold, String),
    StoreUrl(StoreUrl, String),
    Vault(VaultKind, String),
    Endpoint(Url),
}

/// `[sync] since`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    All,
    Date(Date),
}

/// `[store] url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// A file on this machine; as written relative to the data folder, in force absolute.
    Sqlite(PathBuf),
    /// A table in the cloud.
    Dynamodb(String),
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreUrl::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            StoreUrl::Dynamodb(table) => write!(f, "dynamodb:{table}"),
        }
    }
}

/// `[store] vault`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VaultKind {
    /// The store itself.
    #[default]
    Store,
    /// One JSON secret `PREFIX/ATHLETE`.
    SecretsManager(String),
}

impl fmt::Display for VaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VaultKind::Store => f.write_str("store"),
            VaultKind::SecretsManager(prefix) => write!(f, "secretsmanager:{prefix}"),
        }
    }
}

impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<StoreUrl, String> {
        match read(Kind::StoreUrl, &Raw::Word(text.to_owned()))? {
            Value::StoreUrl(url, _) => Ok(url),
            _ => Err("not a store".to_owned()),
        }
    }
}

impl FromStr for VaultKind {
    type Err = String;

    fn from_str(text: &str) -> Result<VaultKind, String> {
        match read(Kind::Vault, &Raw::Word(text.to_owned()))? {
            Value::Vault(kind, _) => Ok(kind),
            _ => Err("not a vault".to_owned()),
        }
    }
}

impl Value {
    /// As a person would write it.
    pub(super) fn shown(&self) -> String {
        match self {
            Value::Types(types) => types.join(", "),
            Value::Port(port) => port.to_string(),
            other => match other.json() {
                serde_json::Value::String(text) => text,
                json => json.to_string(),
            },
        }
    }

    pub(super) fn json(&self) -> serde_json::Value {
        match self {
            Value::Domain(domain) => domain.name().into(),
            Value::ClientId(text) => text.as_str().into(),
            Value::Port(port) => (*port).into(),
            Value::Types(types) => types.clone().into(),
            Value::Since(Since::All) => "all".into(),
            Value::Since(Since::Date(date)) => date.to_string().into(),
            Value::Duration { written, .. }
            | Value::Hold(_, written)
            | Value::StoreUrl(_, written)
            | Value::Vault(_, written) => written.as_str().into(),
            Value::Endpoint(url) => url.as_str().trim_end_matches('/').into(),
        }
    }
}

/// Judges a value; the error is a fragment that says what was expected.
pub(super) fn read(kind: Kind, raw: &Raw) -> Result<Value, String> {
    match kind {
        Kind::Domain => domain(raw),
        Kind::ClientId => client_id(raw),
        Kind::Port => port(raw),
        Kind::Types => types(raw),
        Kind::Since => since(raw),
        Kind::Duration | Kind::Wait => {
            let written = text(raw, DURATION)?;
            let length = duration(written)?;
            if kind == Kind::Duration && length.is_zero() {
                return Err(format!("expected more than nothing, got {}", quoted(written)));
            }
            Ok(Value::Duration { length, written: written.to_owned() })
        }
        Kind::Hold => match text(raw, "`auto` or a duration as \"30m\"")? {
            "auto" => Ok(Value::Hold(Hold::Auto, "auto".to_owned())),
            written => Ok(Value::Hold(Hold::For(duration(written)?), written.to_owned())),
        },
        Kind::StoreUrl => store_url(raw),
        Kind::Vault => vault(raw),
        Kind::Endpoint => endpoint(raw),
    }
}

const DURATION: &str = "a duration as \"90s\", \"2h\" or \"30d\"";

/// `"90s"`, `"2h"`, `"30d"`; a day counts as 24 hours.
pub(super) fn duration(written: &str) -> Result<SignedDuration, String> {
    let wrong = || format!("expected {DURATION}, got {}", quoted(written));
    let span: Span = written.trim().parse().map_err(|_| wrong())?;
    // Months and years have no fixed length and are refused here.
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    if length.is_negative() {
        return Err(wrong());
    }
    Ok(length)
}

fn domain(raw: &Raw) -> Result<Value, String> {
    let expected = "\"garmin.com\" or \"garmin.cn\"";
    match text(raw, expected)? {
        "garmin.com" => Ok(Value::Domain(Domain::Com)),
        "garmin.cn" => Ok(Value::Domain(Domain::Cn)),
        written => Err(format!("expected {expected}, got {}", quoted(written))),
    }
}

fn client_id(raw: &Raw) -> Result<Value, String> {
    let expected = "the number of the API application, as \"12345\"";
    let written = match raw {
        Raw::Integer(digits) => digits.as_str(),
        raw => text(raw, expected)?,
    };
    // Never quoted back: what stands here by mistake is the secret.
    let number = (1..=20).contains(&written.len()) && written.bytes().all(|byte| byte.is_ascii_digit());
    if number { Ok(Value::ClientId(written.to_owned())) } else { Err(format!("expected {expected}")) }
}

fn port(raw: &Raw) -> Result<Value, String> {
    let expected = "a port from 1 to 65535";
    let (Raw::Integer(written) | Raw::Word(written)) = raw else {
        return Err(format!("expected {expected}, got {}", described(raw)));
    };
    match written.parse() {
        Ok(port) if port > 0 => Ok(Value::Port(port)),
        _ => Err(format!("expected {expected}, got {}", quoted(written))),
    }
}

fn types(raw: &Raw) -> Result<Value, String> {
    let words = match raw {
        Raw::List(words) => words.clone(),
        Raw::Word(written) => written.split(',').map(str::to_owned).collect(),
        raw => return Err(format!("expected a list as [\"running\"], got {}", described(raw))),
    };
    let words: Vec<String> = words.iter().map(|word| word.trim().to_owned()).collect();
    if words.iter().any(|word| word.is_empty() || word.contains(char::is_whitespace)) {
        return Err(
            "expected Garmin type keys as `trail_running`, one of them is empty or has a blank".into()
        );
    }
    Ok(Value::Types(words))
}

fn since(raw: &Raw) -> Result<Value, String> {
    let expected = "a date as \"2026-11-01\", or \"all\"";
    if let Raw::Date(date) = raw {
        return Ok(Value::Since(Since::Date(*date)));
    }
    match text(raw, expected)? {
        "all" => Ok(Value::Since(Since::All)),
        // A date alone: a moment would raise the question of its zone.
        written if written.len() == "2026-11-01".len() => written
            .parse()
            .map(|date| Value::Since(Since::Date(date)))
            .map_err(|_| format!("expected {expected}, got {}", quoted(written))),
        written => Err(format!("expected {expected}, got {}", quoted(written))),
    }
}

fn store_url(raw: &Raw) -> Result<Value, String> {
    let expected = "\"sqlite:FILE\" or \"dynamodb:TABLE\"";
    let written = text(raw, expected)?;
    let path = match written.split_once(':') {
        Some(("sqlite", path)) => path.strip_prefix("//").unwrap_or(path),
        Some(("dynamodb", table)) if is_table(table) => {
            return Ok(Value::StoreUrl(StoreUrl::Dynamodb(table.to_owned()), written.to_owned()));
        }
        Some(("dynamodb", _)) => {
            return Err(format!("expected {expected} with the name of a table, got {}", quoted(written)));
        }
        _ => return Err(format!("expected {expected}, got {}", quoted(written))),
    };
    // `:memory:` would forget every intent, `?` would be a parameter to SQLite.
    if path.is_empty() || path.ends_with('/') || path.starts_with(':') || path.contains(['?', '\0']) {
        return Err(format!("expected {expected} with the name of a file, got {}", quoted(written)));
    }
    Ok(Value::StoreUrl(StoreUrl::Sqlite(PathBuf::from(path)), written.to_owned()))
}

/// What DynamoDB takes as the name of a table.
fn is_table(name: &str) -> bool {
    (3..=255).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn vault(raw: &Raw) -> Result<Value, String> {
    let expected = "\"store\" or \"secretsmanager:PREFIX\"";
    let written = text(raw, expected)?;
    let kind = match written.split_once(':') {
        None if written == "store" => VaultKind::Store,
        Some(("secretsmanager", prefix)) if is_secret_prefix(prefix) => {
            VaultKind::SecretsManager(prefix.to_owned())
        }
        _ => return Err(format!("expected {expected}, got {}", quoted(written))),
    };
    Ok(Value::Vault(kind, written.to_owned()))
}

/// What may stand before `/ATHLETE` in the name of a secret of Secrets Manager.
fn is_secret_prefix(prefix: &str) -> bool {
    (1..=400).contains(&prefix.len())
        && !prefix.ends_with('/')
        && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte))
}

fn endpoint(raw: &Raw) -> Result<Value, String> {
    let expected = "an address as \"https://host/path\"";
    let written = text(raw, expected)?;
    let url = Url::parse(written).map_err(|_| format!("expected {expected}, got {}", quoted(written)))?;
    if url.username() != "" || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("expected {expected}, without user, `?` or `#`"));
    }
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => Ok(Value::Endpoint(url)),
        ("http", Some(_)) if is_loopback(&url) => Ok(Value::Endpoint(url)),
        ("http", Some(host)) => Err(format!(
            "plain http goes to this machine only, and {host} is another: tokens would cross the network in the clear"
        )),
        _ => Err(format!("expected {expected}, got {}", quoted(written))),
    }
}

/// Whether an address stays on this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn text<'a>(raw: &'a Raw, expected: &str) -> Result<&'a str, String> {
    match raw {
        Raw::Text(text) | Raw::Word(text) => Ok(text.trim()),
        raw => Err(format!("expected {expected}, got {}", described(raw))),
    }
}

fn described(raw: &Raw) -> String {
    match raw {
        Raw::Text(text) | Raw::Word(text) => quoted(text),
        Raw::List(_) => "a list".to_owned(),
        Raw::Integer(digits) => digits.clone(),
        Raw::Date(date) => date.to_string(),
        Raw::Other(name) => format!("a value of type {name}"),
    }
}

/// What was got, short and on one line.
fn quoted(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 60;
    let mut short: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_know_days_of_24_hours_and_refuse_months() {
        assert_eq!(duration("90s"), Ok(SignedDuration::from_secs(90)));
        assert_eq!(duration("2h"), Ok(SignedDuration::from_hours(2)));
        assert_eq!(duration("30d"), Ok(SignedDuration::from_hours(720)));
        assert_eq!(duration("1w"), Ok(SignedDuration::from_hours(168)));
        assert_eq!(duration("250ms"), Ok(SignedDuration::from_millis(250)));
        for wrong in ["", "30", "1mo", "1y", "-2h", "soon"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(read(Kind::Duration, &word("0s")).is_err());
        assert!(read(Kind::Wait, &word("0s")).is_ok());
    }

    #[test]
    fn plain_http_goes_to_this_machine_only() {
        for good in [
            "https://www.strava.com/api/v3",
            "http://127.0.0.1:8080/api/v3",
            "http://127.8.8.8",
            "http://[::1]:80",
            "http://localhost:1",
        ] {
            assert!(read(Kind::Endpoint, &word(good)).is_ok(), "{good}");
        }
        for bad in [
            "http://www.strava.com",
            "http://localhost.example.com",
            "http://10.0.0.1",
            "http://0.0.0.0:80",
            "ftp://127.0.0.1",
            "www.strava.com",
            "https://me:pw@host",
            "https://host/?a=b",
        ] {
            assert!(read(Kind::Endpoint, &word(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn lists_from_the_environment_are_cut_at_commas_and_blanks() {
        assert_eq!(
            read(Kind::Types, &word(" running ,walking")),
            Ok(Value::Types(vec!["running".into(), "walking".into()]))
        );
        assert!(read(Kind::Types, &word("running,,walking")).is_err());
        assert!(read(Kind::Types, &Raw::Text("running".into())).is_err(), "in TOML a list is a list");
    }

    #[test]
    fn a_start_date_is_a_day_or_all() {
        let day = jiff::civil::date(2026, 11, 1);
        assert_eq!(read(Kind::Since, &word("2026-11-01")), Ok(Value::Since(Since::Date(day))));
        assert_eq!(read(Kind::Since, &Raw::Date(day)), Ok(Value::Since(Since::Date(day))));
        assert_eq!(read(Kind::Since, &word("all")), Ok(Value::Since(Since::All)));
        for wrong in ["2026-11-31", "2026-11-01T00:00:00Z", "yesterday", ""] {
            assert!(read(Kind::Since, &word(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_store_is_a_file_or_a_table() {
        let path = |url| match read(Kind::StoreUrl, &word(url)) {
            Ok(Value::StoreUrl(StoreUrl::Sqlite(path), _)) => Some(path),
            _ => None,
        };
        assert_eq!(path("sqlite:fitferry.db"), Some(PathBuf::from("fitferry.db")));
        assert_eq!(path("sqlite:/var/lib/f.db"), Some(PathBuf::from("/var/lib/f.db")));
        assert_eq!(path("sqlite:///var/lib/f.db"), Some(PathBuf::from("/var/lib/f.db")));
        for wrong in
            ["sqlite:", "sqlite::memory:", "fitferry.db", "dynamodb:t", "sqlite:a?mode=ro", "sqlite:d/"]
        {
            assert_eq!(path(wrong), None, "{wrong}");
        }
        assert_eq!("dynamodb:fitferry-2".parse(), Ok(StoreUrl::Dynamodb("fitferry-2".to_owned())));
        for wrong in ["dynamodb:", "dynamodb:a b", "dynamodb:t", "dynamodb:a/b"] {
            assert!(wrong.parse::<StoreUrl>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_secrets_are_in_the_store_or_below_a_prefix() {
        assert_eq!("store".parse(), Ok(VaultKind::Store));
        let prefixed = "secretsmanager:my/fitferry";
        assert_eq!(prefixed.parse(), Ok(VaultKind::SecretsManager("my/fitferry".to_owned())));
        assert_eq!(prefixed.parse::<VaultKind>().map(|kind| kind.to_string()), Ok(prefixed.to_owned()));
        for wrong in
            ["", "secretsmanager", "secretsmanager:", "secretsmanager:a/", "secretsmanager:a b", "keyring"]
        {
            assert!(wrong.parse::<VaultKind>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_in_place_of_the_client_id_is_not_repeated() {
        let secret = "0123456789abcdef0123456789abcdef01234567";
        let error = read(Kind::ClientId, &word(secret)).unwrap_err();
        assert!(!error.contains(secret), "{error}");
    }

    fn word(text: &str) -> Raw {
        Raw::Word(text.to_owned())
    }
}
