//! An answer of Garmin's, and what a bad one means.
//!
//! The engine does three things about a service: it waits as long as it is told (`Limited`), it tries
//! again soon (`Down`), or it tries again and a person should look (`Refused`); so there are three
//! failures here, whatever the twenty rows of the catalogue say (dossier garmin.md §9). What is about the
//! login or about one activity is for `exchange` and `download` to say.

use std::fmt::Write as _;
use std::time::Duration;

use fitferry_core::plain::steers;
use fitferry_core::ports::{Failure, PortError, Service};
use jiff::Timestamp;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::content;

/// How a body ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Whole,
    /// The connection broke or the time ran out; says how.
    Cut(String),
    /// It is longer than what was allowed for it.
    TooLong,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    /// Something in front of the service wants to see a browser (`cf-mitigated`, dossier garmin.md §9).
    pub(crate) is_challenge: bool,
    /// What `Set-Cookie` said; only signing in has a use for it.
    pub(crate) cookies: Vec<HeaderValue>,
    /// The service's `Date`.
    pub(crate) server_time: Option<Timestamp>,
    pub(crate) body: Vec<u8>,
    pub(crate) end: End,
    /// What the request was made with: never quoted, should the answer repeat it.
    pub(crate) hidden: Vec<SecretString>,
}

impl Reply {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A login page, a challenge or an outage page, and not what was asked for.
    pub(crate) fn is_html(&self) -> bool {
        self.says_html() || content::begins_like_markup(&self.body)
    }

    /// A web page by its content type.
    pub(crate) fn says_html(&self) -> bool {
        let of = self.content_type.as_deref().unwrap_or_default().to_ascii_lowercase();
        of.starts_with("text/html") || of.starts_with("application/xhtml+xml")
    }

    /// The body, where it is a JSON object or array.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok().filter(|value: &Value| value.is_object() || value.is_array())
    }

    /// The JSON of a good answer; `Null` for an empty body, which means "no data" (dossier garmin.md §0.1).
    pub(crate) fn data(&self) -> Result<Value, PortError> {
        if !self.is_success() {
            return Err(self.failure());
        }
        match &self.end {
            End::Whole => {}
            End::Cut(how) => return Err(self.down(format!("the answer was cut short ({how})"))),
            End::TooLong => return Err(self.refused("the answer is too long")),
        }
        if self.body.trim_ascii().is_empty() {
            return Ok(Value::Null);
        }
        if self.is_html() {
            return Err(self.refused("a web page instead of data"));
        }
        serde_json::from_slice(&self.body).map_err(|_| self.refused("what should be JSON cannot be read"))
    }

    /// What any answer but a good one says about the service.
    pub(crate) fn failure(&self) -> PortError {
        match self.status {
            429 => {
                PortError::Limited { service: Service::Garmin, until: None, retry_after: self.retry_after }
            }
            408 | 500..=599 => self.down(self.quoted()),
            _ => self.refusal(self.quoted()),
        }
    }

    pub(crate) fn refused(&self, why: &str) -> PortError {
        self.refusal(format!("{why}: {}", self.quoted()))
    }

    /// As [`Reply::refused`], for a body that may hold tokens under any name.
    pub(crate) fn refused_unquoted(&self, why: &str) -> PortError {
        self.refusal(format!("{why}: {}", self.head()))
    }

    fn refusal(&self, what: String) -> PortError {
        PortError::Refused { service: Service::Garmin, status: Some(self.status), what }
    }

    pub(crate) fn down(&self, what: String) -> PortError {
        PortError::Down { service: Service::Garmin, status: Some(self.status), what }
    }

    /// The error with what came with it.
    pub(crate) fn fail(&self, error: PortError) -> Failure {
        Failure { error, usage: None, server_time: self.server_time }
    }

    fn head(&self) -> String {
        let mut text = format!("HTTP {}", self.status);
        if let Some(of) = &self.content_type {
            let _ = write!(text, ", {}", clean(of, 60));
        }
        text
    }

    /// Status, content type and the beginning of the body.
    pub(crate) fn quoted(&self) -> String {
        let body = self.excerpt(&String::from_utf8_lossy(&self.body[..self.body.len().min(4096)]));
        if body.is_empty() { format!("{}, no body", self.head()) } else { format!("{}: {body}", self.head()) }
    }

    /// What the answer says in words, where it does (dossier garmin.md §9, last line).
    pub(crate) fn message(&self) -> Option<String> {
        let value = self.json()?;
        let text = ["message", "content", "error_description", "error"]
            .into_iter()
            .find_map(|key| value.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty()))
            .or_else(|| value.pointer("/detailedImportResult/failures/0/messages/0/content")?.as_str())?;
        Some(self.excerpt(text)).filter(|text| !text.is_empty())
    }

    pub(crate) fn excerpt(&self, text: &str) -> String {
        const QUOTED_CHARS: usize = 200;
        let mut text = text.to_owned();
        for secret in &self.hidden {
            let secret = secret.expose_secret();
            if !secret.is_empty() {
                text = text.replace(secret, HIDDEN);
            }
        }
        clean(&without_tokens(&text), QUOTED_CHARS)
    }
}

const HIDDEN: &str = "[hidden]";

/// How a ticket begins (dossier garmin.md §2).
pub(crate) const TICKET: &str = "ST-";

/// One line of at most `chars_max` characters, without control characters.
fn clean(text: &str, chars_max: usize) -> String {
    let words = text.split(|c: char| c.is_whitespace() || steers(c)).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Masks what looks like a token: a JSON web token, a ticket of the sign-in host, or 40 and more characters without a break. A UUID,
/// which helps Garmin's support, has 36.
fn without_tokens(text: &str) -> String {
    const LONG: usize = 40;
    let in_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let run = rest.find(|c| !in_token(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(run);
        if word.starts_with("eyJ") || word.starts_with(TICKET) {
            let token = after.find(|c: char| !in_token(c) && c != '.').unwrap_or(after.len());
            shown.push_str(HIDDEN);
            rest = &after[token..];
            continue;
        }
        shown.push_str(if word.len() >= LONG { HIDDEN } else { word });
        let between = after.find(in_token).unwrap_or(after.len());
        shown.push_str(&after[..between]);
        rest = &after[between..];
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, content_type: &str, body: &str) -> Reply {
        Reply {
            status,
            content_type: Some(content_type.to_owned()),
            retry_after: None,
            is_challenge: false,
            cookies: Vec::new(),
            server_time: None,
            body: body.as_bytes().to_vec(),
            end: End::Whole,
            hidden: vec!["the-key".to_owned().into()],
        }
    }

    #[test]
    fn a_quotation_is_one_short_line_without_secrets() {
        let body = format!(
            "no\r\n such\tkey\u{7}: the-key, eyJhbGciOi.eyJleHAi.c2ln, \"ST-1-Ab-sso\" {} {}",
            "r".repeat(40),
            "word ".repeat(99)
        );
        let quoted = reply(403, "text/plain", &body).quoted();
        assert!(quoted.starts_with(
            "HTTP 403, text/plain: no such key : [hidden], [hidden], \"[hidden]\" [hidden] word"
        ));
        assert!(quoted.ends_with('…') && quoted.chars().count() < 240, "{quoted}");
        assert_eq!(reply(502, "text/html", "").quoted(), "HTTP 502, text/html, no body");
    }

    #[test]
    fn the_message_of_an_error_body_is_found() {
        let cases = [
            (r#"{"message":"HTTP 404 Not Found","error":"NotFoundException"}"#, Some("HTTP 404 Not Found")),
            (r#"{"message":null,"error":"NullPointerException"}"#, Some("NullPointerException")),
            (r#"{"content":"no"}"#, Some("no")),
            (
                r#"{"detailedImportResult":{"failures":[{"messages":[{"content":"bad file"}]}]}}"#,
                Some("bad file"),
            ),
            (r#"{"message":7}"#, None),
            ("[]", None),
            ("oops", None),
        ];
        for (body, expected) in cases {
            assert_eq!(reply(500, "application/json", body).message().as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn what_should_be_json_is_never_read_from_a_web_page() {
        for (content_type, body) in [
            ("text/html; charset=UTF-8", "{}"),
            ("TEXT/HTML", "[]"),
            ("application/json", "<!DOCTYPE html><html></html>"),
            ("application/json", "\u{feff} <html>"),
            ("application/json", "[1,"),
        ] {
            let failure = reply(200, content_type, body).data().unwrap_err();
            assert!(matches!(failure, PortError::Refused { .. }), "{content_type} {body}");
        }
        assert_eq!(reply(200, "application/json", " \n").data().unwrap(), Value::Null);
        assert_eq!(reply(204, "application/json", "").data().unwrap(), Value::Null);
    }
}
