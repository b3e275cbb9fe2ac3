//! Garmin's bearers: JSON web tokens whose signature nobody outside Garmin can check.
//!
//! The signature here is made up; a client reads `exp`, `client_id` and `iss` and nothing else
//! (dossier garmin.md §0.1, §4.2).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

pub(crate) fn encode(claims: &Value, signature: &str) -> String {
    let header = json!({"alg": "RS256", "kid": "di-oauth-signer", "typ": "JWT"});
    let part = |value: &Value| BASE64.encode(value.to_string());
    format!("{}.{}.{}", part(&header), part(claims), BASE64.encode(signature))
}
