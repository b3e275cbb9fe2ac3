//! One HTTP answer, read to its end: status, headers that matter, body.
//!
//! A body that is cut is not an error here: what it means depends on what was asked (rule *Doubt*).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fitferry_core::budget::{Reading, View};
use fitferry_core::ports::{Answer, Failure, PortError};
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::fault::{Fault, down, refused};
use crate::{headers, text};

/// More than any list of 200 activities by far; what is longer is no answer of Strava's.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What is shorter is no token, and would be found anywhere.
const SECRET_BYTES_MIN: usize = 8;

/// An answer as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) status: StatusCode,
    pub(crate) reading: Reading,
    pub(crate) server_time: Option<Timestamp>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) content_type: Option<String>,
    /// The error says how the body was cut.
    pub(crate) body: Result<Bytes, String>,
    /// The account after this answer, once it has been corrected.
    pub(crate) usage: Option<View>,
}

/// Why a body is not what was promised.
pub(crate) enum Unread {
    /// The connection, or the text, ends too early: trouble on the way.
    Cut(String),
    /// It is complete, and something else.
    Odd(String),
}

impl Seen {
    /// Reads the answer to its end.
    pub(crate) async fn read(mut response: Response) -> Seen {
        let headers = response.headers();
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut seen = Seen {
            status: response.status(),
            reading: headers::reading(headers),
            server_time: headers::server_time(headers),
            retry_after: text(RETRY_AFTER)
                .and_then(|value| value.trim().parse().ok())
                .map(Duration::from_secs),
            content_type: text(CONTENT_TYPE),
            body: Ok(Bytes::new()),
            usage: None,
        };
        seen.body = body(&mut response).await;
        seen
    }

    #[cfg(test)]
    pub(crate) fn of(status: u16, body: &str) -> Seen {
        Seen {
            status: StatusCode::from_u16(status).unwrap(),
            reading: Reading::default(),
            server_time: None,
            retry_after: None,
            content_type: None,
            body: Ok(Bytes::copy_from_slice(body.as_bytes())),
            usage: None,
        }
    }

    /// Replaces secrets that a proxy or a debugging page repeats, before anything is quoted.
    pub(crate) fn hide(&mut self, secrets: &[&str]) {
        let Ok(body) = &mut self.body else {
            return;
        };
        for secret in secrets.iter().filter(|secret| secret.len() >= SECRET_BYTES_MIN) {
            if body.windows(secret.len()).any(|part| part == secret.as_bytes()) {
                *body = String::from_utf8_lossy(body).replace(secret, "***").into();
            }
        }
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        Fault::read(self.body.as_ref().ok()?)
    }

    /// The body as text, empty where it was cut.
    pub(crate) fn text(&self) -> String {
        self.body.as_ref().map(|body| String::from_utf8_lossy(body).into_owned()).unwrap_or_default()
    }

    pub(crate) fn says(&self, words: &str) -> bool {
        self.text().to_ascii_lowercase().contains(words)
    }

    /// For people: what it said, or else what it is.
    pub(crate) fn told(&self) -> String {
        let words = match (&self.body, self.fault()) {
            (Err(cut), _) => cut.clone(),
            (Ok(_), Some(fault)) if !fault.text().is_empty() => fault.text(),
            (Ok(body), _) => text::clean(&String::from_utf8_lossy(body)),
        };
        let words = if words.is_empty() { "an empty answer".to_owned() } else { words };
        format!("{}: {words}", self.status.as_u16())
    }

    /// Reads the body as JSON of a known shape.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Unread> {
        let body = self.body.as_ref().map_err(|cut| Unread::Cut(cut.clone()))?;
        serde_json::from_slice(body).map_err(|error| {
            if error.is_eof() {
                return Unread::Cut("the answer ends too early".to_owned());
            }
            let kind = self.content_type.as_deref().unwrap_or("no content type");
            let words = text::clean(&String::from_utf8_lossy(body));
            Unread::Odd(text::clean(&format!("{} with {kind}: {words}", self.status.as_u16())))
        })
    }

    /// As [`Self::json`], of an object: serde would take a list for one, field by field.
    pub(crate) fn object<T: DeserializeOwned>(&self) -> Result<T, Unread> {
        let object: Map<String, Value> = self.json()?;
        serde_json::from_value(Value::Object(object)).map_err(|error| Unread::Odd(error.to_string()))
    }

    pub(crate) fn unread(&self, unread: Unread) -> PortError {
        match unread {
            Unread::Cut(what) => down(Some(self.status), what),
            Unread::Odd(what) => refused(Some(self.status), what),
        }
    }

    pub(crate) fn answer<T>(&self, value: T) -> Answer<T> {
        Answer { value, usage: self.usage, server_time: self.server_time }
    }

    pub(crate) fn failure(&self, error: PortError) -> Failure {
        Failure { error, usage: self.usage, server_time: self.server_time }
    }
}

async fn body(response: &mut Response) -> Result<Bytes, String> {
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body.freeze()),
            Ok(Some(chunk)) if body.len() + chunk.len() <= BODY_BYTES_MAX => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Err("the answer is longer than any of Strava's".to_owned()),
            Err(error) => return Err(format!("the answer is cut ({})", said(&error))),
        }
    }
}

/// The last cause of a failed request; reqwest's own text, which names the URL, is left out.
pub(crate) fn said(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause = std::error::Error::source(error);
    let mut last = None;
    while let Some(error) = cause {
        last = Some(error);
        cause = error.source();
    }
    last.map_or_else(|| "the request failed".to_owned(), |error| text::clean(&error.to_string()))
}
