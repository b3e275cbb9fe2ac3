//! What a bearer says about itself.
//!
//! Nobody but Garmin can verify the signature, so nothing here is trusted beyond one question: when does
//! the bearer end, and which app and domain is it for (dossier garmin.md §4.2).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::lenient::{lenient, object, whole};

/// The claims that are used, where they can be read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Claims {
    #[serde(deserialize_with = "whole")]
    exp: Option<i64>,
    #[serde(deserialize_with = "whole")]
    iat: Option<i64>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) iss: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) client_id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Header {
    #[serde(deserialize_with = "lenient")]
    alg: Option<String>,
}

/// Why a text is no bearer to work with; fits after "the access token".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoJwt {
    #[error("is not a JSON web token")]
    Shape,
    #[error("is not signed (`alg` is none)")]
    Unsigned,
    #[error("does not say when it ends (`exp` is not a number)")]
    Endless,
}

impl Claims {
    /// The claims of anything that looks like a token; empty for an opaque one.
    pub(crate) fn of(token: &str) -> Claims {
        parts(token).and_then(|[_, claims, _]| decoded(claims)).unwrap_or_default()
    }

    /// The claims and the end of a proper token.
    pub(crate) fn strict(token: &str) -> Result<(Claims, Timestamp), NoJwt> {
        let [header, claims, _] = parts(token).ok_or(NoJwt::Shape)?;
        let header: Header = decoded(header).ok_or(NoJwt::Shape)?;
        if header.alg.is_none_or(|alg| alg.eq_ignore_ascii_case("none")) {
            return Err(NoJwt::Unsigned);
        }
        let claims: Claims = decoded(claims).ok_or(NoJwt::Shape)?;
        let exp = claims.exp().ok_or(NoJwt::Endless)?;
        Ok((claims, exp))
    }

    pub(crate) fn exp(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.exp?).ok()
    }

    pub(crate) fn iat(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.iat?).ok()
    }
}

fn parts(token: &str) -> Option<[&str; 3]> {
    let mut parts = token.split('.');
    let three = [parts.next()?, parts.next()?, parts.next()?];
    (parts.next().is_none() && three[..2].iter().all(|part| !part.is_empty())).then_some(three)
}

fn decoded<T: DeserializeOwned>(part: &str) -> Option<T> {
    let bytes = URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
    object(serde_json::from_slice(&bytes).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_is_unsigned_or_endless_is_told_apart() {
        let cases = [
            (r#"{"alg":"RS256"}"#, r#"{"exp":1764000000,"iss":"https://diauth.garmin.cn"}"#, None),
            (r#"{"alg":"RS256"}"#, r#"{"exp":1764000000.5}"#, None),
            (r#"{"alg":"none"}"#, r#"{"exp":1764000000}"#, Some(NoJwt::Unsigned)),
            (r#"{"alg":"None"}"#, r#"{"exp":1764000000}"#, Some(NoJwt::Unsigned)),
            (r#"{"typ":"JWT"}"#, r#"{"exp":1764000000}"#, Some(NoJwt::Unsigned)),
            (r#"{"alg":"RS256"}"#, r#"{"exp":"tomorrow"}"#, Some(NoJwt::Endless)),
            (r#"{"alg":"RS256"}"#, r#"{"exp":1e300}"#, Some(NoJwt::Endless)),
            (r#"{"alg":"RS256"}"#, r"[]", Some(NoJwt::Shape)),
            (r"{", r#"{"exp":1764000000}"#, Some(NoJwt::Shape)),
        ];
        for (header, claims, expected) in cases {
            let token = format!("{}.{}.sig", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
            assert_eq!(Claims::strict(&token).err(), expected, "{header} {claims}");
        }
        for token in ["", "a.b", "opaque", "a.b.c.d", "..", "ä.ö.ü"] {
            assert_eq!(Claims::strict(token).err(), Some(NoJwt::Shape), "{token}");
        }
    }
}
