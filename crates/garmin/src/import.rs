//! Other tools' token files, and the key file of Garmin's own client (dossier garmin.md §5, *File formats*, §0.1).
//!
//! A file is known by what is in it and not by its name.

use fitferry_core::tokens::Pairs;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::bearer::renew_at;
use crate::endpoints::Domain;
use crate::jwt::Claims;
use crate::lenient::{lenient, object, whole};
use crate::login::{ConnectLogin, Login, Pair};

/// Why something is no login: a sentence fragment that quotes no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ImportError(pub(crate) String);

/// The names that logins have in the folders of other tools, the best first.
pub const FILE_NAMES: [&str; 3] = ["garmin_tokens.json", "native-oauth2.json", "connect-personal-api-key"];

/// A login that was in a file.
#[derive(Clone, Debug)]
pub struct Imported {
    pub login: Login,
    pub from: Tool,
}

/// Whose file it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// `garmin_tokens.json`
    PythonGarminconnect,
    /// `native-oauth2.json`
    PirateGarmin,
    /// `connect-personal-api-key` of Garmin's own client
    PersonalApi,
}

impl Tool {
    /// Whether the first renewal of the tokens here ends the tool's own copy (dossier garmin.md §5).
    pub fn loses_its_copy(self) -> bool {
        match self {
            Tool::PythonGarminconnect | Tool::PirateGarmin => true,
            Tool::PersonalApi => false,
        }
    }
}

/// `domain` is only for a key, which does not tell its own.
pub(crate) fn any_file(text: &str, domain: Domain) -> Result<Imported, ImportError> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if !text.starts_with(['{', '[']) {
        let login = Login::from_api_key(text, None, domain).map_err(|_| {
            ImportError("the file holds neither JSON nor a Personal API key, which is one word".to_owned())
        })?;
        return Ok(Imported { login, from: Tool::PersonalApi });
    }
    let value: Value = serde_json::from_str(text)
        .map_err(|error| ImportError(format!("the file is damaged (at line {})", error.line())))?;
    let has = |key: &str| value.get(key).is_some();
    let connect = |login, from| Ok(Imported { login: Login::Connect(Box::new(login)), from });
    if has("di_token") || has("di_refresh_token") {
        connect(tokens_file(text)?, Tool::PythonGarminconnect)
    } else if has("di") {
        connect(pirate_file(value)?, Tool::PirateGarmin)
    } else if has("fingerprint") && has("access_token") {
        Err(ImportError(
            "it holds only a bearer of Garmin's own client, which ends within a day; the key is in \
             `connect-personal-api-key` beside it"
                .to_owned(),
        ))
    } else if has("oauth_token") || has("refresh_token") || value.is_array() {
        Err(ImportError(
            "it looks like one of garth, whose tokens Garmin does not renew for others; sign in anew"
                .to_owned(),
        ))
    } else {
        Err(ImportError("it is no token file of a tool that fitferry knows".to_owned()))
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PirateFile {
    #[serde(deserialize_with = "lenient")]
    service_url: Option<String>,
    #[serde(deserialize_with = "lenient")]
    di: Option<PirateLogin>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PirateLogin {
    #[serde(deserialize_with = "lenient")]
    client_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    token: Option<PirateToken>,
}

/// Moments are seconds since 1970.
#[derive(Default, Deserialize)]
#[serde(default)]
struct PirateToken {
    #[serde(deserialize_with = "lenient")]
    access_token: Option<String>,
    #[serde(deserialize_with = "lenient")]
    refresh_token: Option<String>,
    #[serde(deserialize_with = "whole")]
    refresh_token_expires_at: Option<i64>,
}

/// pirate-garmin's `native-oauth2.json`; its second family of tokens (`it`) is for nothing that fitferry does.
fn pirate_file(value: Value) -> Result<ConnectLogin, ImportError> {
    let file: PirateFile = object(value).unwrap_or_default();
    let login = file.di.unwrap_or_default();
    let token = login.token.unwrap_or_default();
    let known = Known {
        access: present(token.access_token, "di.token.access_token")?,
        refresh: present(token.refresh_token, "di.token.refresh_token")?,
        client_id: login.client_id,
        refresh_ends: token.refresh_token_expires_at.and_then(|second| Timestamp::from_second(second).ok()),
        issuer: file.service_url,
    };
    known.login("di.token.access_token", "di.clientId")
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokensFile {
    #[serde(deserialize_with = "lenient")]
    di_token: Option<String>,
    #[serde(deserialize_with = "lenient")]
    di_refresh_token: Option<String>,
    #[serde(deserialize_with = "lenient")]
    di_client_id: Option<String>,
}

/// python-garminconnect's `garmin_tokens.json`: the end of the bearer and the domain are in the bearer.
pub(crate) fn tokens_file(text: &str) -> Result<ConnectLogin, ImportError> {
    let value: Option<Value> = serde_json::from_str(text.trim_start_matches('\u{feff}')).ok();
    let file: TokensFile = value
        .and_then(object)
        .ok_or_else(|| ImportError("the token file is not the JSON object that was expected".to_owned()))?;
    let known = Known {
        access: present(file.di_token, "di_token")?,
        refresh: present(file.di_refresh_token, "di_refresh_token")?,
        client_id: file.di_client_id,
        refresh_ends: None,
        issuer: None,
    };
    known.login("di_token", "di_client_id")
}

/// What a file says of a login; the rest is in its access token, which is believed first.
struct Known {
    access: String,
    refresh: String,
    client_id: Option<String>,
    refresh_ends: Option<Timestamp>,
    /// An address of the domain that the tokens are from.
    issuer: Option<String>,
}

impl Known {
    /// The names are those of the fields, for the person who has the file.
    fn login(self, access_name: &str, client_name: &str) -> Result<ConnectLogin, ImportError> {
        let (claims, exp) = Claims::strict(&self.access)
            .map_err(|why| ImportError(format!("the access token (`{access_name}`) {why}")))?;
        let client_id = claims
            .client_id
            .clone()
            .or(self.client_id)
            .filter(|id| !id.trim().is_empty())
            .ok_or_else(|| ImportError(format!("neither the token nor `{client_name}` names the app")))?;
        let pair = Pair {
            renew_at: renew_at(claims.iat(), exp),
            exp,
            refresh_ends: self.refresh_ends.or_else(|| Claims::of(&self.refresh).exp()),
            access: self.access.into(),
            refresh: self.refresh.into(),
        };
        Ok(ConnectLogin {
            domain: domain(claims.iss.as_deref().or(self.issuer.as_deref())),
            client_id,
            pairs: Pairs::new(pair),
            proven_at: None,
        })
    }
}

fn present(token: Option<String>, name: &str) -> Result<String, ImportError> {
    token
        .map(|token| token.trim().to_owned())
        .filter(|token| !token.is_empty())
        .ok_or_else(|| ImportError(format!("the token file has no `{name}`")))
}

/// The issuer is `https://diauth.garmin.com` or `.cn` (dossier garmin.md §4.2).
fn domain(issuer: Option<&str>) -> Domain {
    let host = issuer.and_then(|issuer| url::Url::parse(issuer).ok());
    match host.as_ref().and_then(url::Url::host_str) {
        Some(host) if host == "garmin.cn" || host.ends_with(".garmin.cn") => Domain::Cn,
        _ => Domain::Com,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    fn jwt(claims: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#), URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn a_tokens_file_tells_domain_app_and_end() {
        let token = jwt(r#"{"exp":1764000000,"iss":"https://diauth.garmin.cn","client_id":"APP_IN_TOKEN"}"#);
        let text = format!(
            r#"{{"di_token":"{token}","di_refresh_token":" r-1 ","di_client_id":"APP_IN_FILE","new":[1]}}"#
        );
        let login = tokens_file(&text).unwrap();
        assert_eq!(login.domain, Domain::Cn);
        assert_eq!(login.client_id, "APP_IN_TOKEN");
        assert_eq!(login.pairs.current.exp.as_second(), 1_764_000_000);
        assert_eq!(login.pairs.current.refresh_ends, None);
    }

    #[test]
    fn a_file_is_known_by_what_is_in_it() {
        let token = jwt(r#"{"exp":1764000000,"client_id":"APP_IN_TOKEN"}"#);
        let nameless = jwt(r#"{"exp":1764000000}"#);
        let pirate = |access: &str| {
            format!(
                r#"{{"createdAt":"2026-11-01T00:00:00Z","loginClientId":"GCM_ANDROID_DARK",
                "serviceUrl":"https://mobile.integration.garmin.cn/gcm/android",
                "di":{{"clientId":"APP_IN_FILE","token":{{"token_type":"Bearer","access_token":"{access}",
                "refresh_token":"r-1","expires_at":1764000000,"refresh_token_expires_at":1766000000.5}}}},
                "it":{{"clientId":"X","token":{{"access_token":"y"}}}}}}"#
            )
        };
        let python = format!(r#"{{"di_token":"{token}","di_refresh_token":"r-1","di_client_id":"X"}}"#);
        for (text, tool, client_id) in [
            (pirate(&nameless), Tool::PirateGarmin, "APP_IN_FILE"),
            (pirate(&token), Tool::PirateGarmin, "APP_IN_TOKEN"),
            (python, Tool::PythonGarminconnect, "APP_IN_TOKEN"),
        ] {
            let Imported { login: Login::Connect(login), from } = any_file(&text, Domain::Com).unwrap()
            else {
                panic!("it is a login with tokens");
            };
            assert_eq!((from, login.client_id.as_str()), (tool, client_id));
            assert_eq!(login.pairs.current.exp.as_second(), 1_764_000_000);
            let is_pirate = tool == Tool::PirateGarmin;
            assert_eq!(login.domain == Domain::Cn, is_pirate, "the service tells the domain");
            assert_eq!(login.pairs.current.refresh_ends.is_some(), is_pirate);
            assert!(from.loses_its_copy());
        }
        let key = any_file("\u{feff} a-personal-key\n", Domain::Cn).unwrap();
        assert_eq!(
            (key.from, key.login.kind(), key.login.domain()),
            (Tool::PersonalApi, "personal", Domain::Cn)
        );
        assert!(!key.from.loses_its_copy());
    }

    #[test]
    fn a_file_that_is_no_login_says_what_it_is() {
        let cases = [
            ("", "the file holds neither JSON nor a Personal API key, which is one word"),
            ("two words", "the file holds neither JSON nor a Personal API key, which is one word"),
            ("{", "the file is damaged (at line 1)"),
            (r#"{"di":7}"#, "the token file has no `di.token.access_token`"),
            (
                r#"{"di":{"token":{"access_token":"a.b.c"}}}"#,
                "the token file has no `di.token.refresh_token`",
            ),
            (
                r#"{"fingerprint":"x","access_token":"y","expires_at":1764000000.0}"#,
                "it holds only a bearer of Garmin's own client, which ends within a day; the key is in \
                 `connect-personal-api-key` beside it",
            ),
            (
                r#"{"oauth_token":"x","oauth_token_secret":"y","domain":"garmin.com"}"#,
                "it looks like one of garth, whose tokens Garmin does not renew for others; sign in anew",
            ),
            (r#"{"some":"thing"}"#, "it is no token file of a tool that fitferry knows"),
        ];
        for (text, expected) in cases {
            assert_eq!(any_file(text, Domain::Com).unwrap_err().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_tokens_file_is_told() {
        let endless = jwt(r#"{"exp":"x"}"#);
        let nameless = jwt(r#"{"exp":1764000000}"#);
        let cases = [
            ("oops".to_owned(), "the token file is not the JSON object that was expected"),
            ("[1]".to_owned(), "the token file is not the JSON object that was expected"),
            ("{}".to_owned(), "the token file has no `di_token`"),
            (r#"{"di_token":"a.b.c"}"#.to_owned(), "the token file has no `di_refresh_token`"),
            (
                r#"{"di_token":"opaque","di_refresh_token":"r"}"#.to_owned(),
                "the access token (`di_token`) is not a JSON web token",
            ),
            (
                format!(r#"{{"di_token":"{endless}","di_refresh_token":"r"}}"#),
                "the access token (`di_token`) does not say when it ends (`exp` is not a number)",
            ),
            (
                format!(r#"{{"di_token":"{nameless}","di_refresh_token":"r"}}"#),
                "neither the token nor `di_client_id` names the app",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(tokens_file(&text).unwrap_err().to_string(), expected);
        }
    }
}
