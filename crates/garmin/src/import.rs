//! Other tools' token files (dossier garmin.md §5, *File formats*).

use fitferry_core::tokens::Pairs;
use serde::Deserialize;
use serde_json::Value;

use crate::bearer::renew_at;
use crate::endpoints::Domain;
use crate::jwt::Claims;
use crate::lenient::{lenient, object};
use crate::login::{ConnectLogin, Pair};

/// Why something is no login: a sentence fragment that quotes no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ImportError(pub(crate) String);

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
    let access = present(file.di_token, "di_token")?;
    let refresh = present(file.di_refresh_token, "di_refresh_token")?;
    let (claims, exp) =
        Claims::strict(&access).map_err(|why| ImportError(format!("the access token (`di_token`) {why}")))?;
    let client_id = claims
        .client_id
        .clone()
        .or(file.di_client_id)
        .filter(|id| !id.trim().is_empty())
        .ok_or_else(|| ImportError("neither the token nor `di_client_id` names the app".to_owned()))?;
    let pair = Pair {
        renew_at: renew_at(claims.iat(), exp),
        exp,
        refresh_ends: Claims::of(&refresh).exp(),
        access: access.into(),
        refresh: refresh.into(),
    };
    Ok(ConnectLogin {
        domain: domain(claims.iss.as_deref()),
        client_id,
        pairs: Pairs::new(pair),
        proven_at: None,
    })
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
