//! One request: spaced, counted, sent, its body read up to a limit.
//!
//! Not here: what an answer means (`reply`), what is asked (`client`, `exchange`).

use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fitferry_core::ports::{Clock, Failure, Meter, PortError, Service, TOKEN_NEEDS, time_for_request};
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER, SET_COOKIE};
use reqwest::{RequestBuilder, Response};
use secrecy::SecretString;

use crate::reply::{End, Reply};

/// The least time between the beginnings of two requests.
#[derive(Debug)]
pub(crate) struct Pace {
    spacing: Duration,
    /// When the last one began, on the monotonic clock.
    last: Mutex<Option<Duration>>,
}

impl Pace {
    pub(crate) fn new(spacing: SignedDuration) -> Pace {
        Pace { spacing: spacing.try_into().unwrap_or_default(), last: Mutex::new(None) }
    }

    async fn wait(&self, clock: &dyn Clock) {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = last {
            let wait = (last + self.spacing).saturating_sub(clock.monotonic());
            if !wait.is_zero() {
                clock.sleep(wait).await;
            }
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock.monotonic());
    }
}

/// How a request is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counted {
    Data,
    Token,
}

/// A request, ready to go.
pub(crate) struct Outgoing {
    pub(crate) request: RequestBuilder,
    pub(crate) counted: Counted,
    /// From the first byte out to the last byte in.
    pub(crate) timeout: Duration,
    pub(crate) body_bytes_max: usize,
    /// Secrets that it is made with.
    pub(crate) hidden: Vec<SecretString>,
}

/// What a request needs, borrowed from the client or from a login in the making.
#[derive(Clone, Copy)]
pub(crate) struct Transport<'a> {
    pub(crate) http: &'a reqwest::Client,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) meter: &'a Meter,
    pub(crate) pace: &'a Pace,
}

impl Transport<'_> {
    /// `Down` where no answer came, `OutOfTime` where the deadline did not leave it the time; any answer at
    /// all is a [`Reply`].
    pub(crate) async fn send(&self, outgoing: Outgoing) -> Result<Reply, Failure> {
        let Outgoing { request, counted, timeout: usual, body_bytes_max, hidden } = outgoing;
        self.pace.wait(self.clock).await;
        let needs = match counted {
            Counted::Data => Duration::ZERO,
            Counted::Token => TOKEN_NEEDS,
        };
        let timeout = time_for_request(self.clock, usual, needs).ok_or(PortError::OutOfTime)?;
        let ends = self.clock.monotonic().saturating_add(timeout);
        let out_of_time = || timeout < usual && self.clock.monotonic() >= ends;
        match counted {
            Counted::Data => self.meter.garmin(),
            Counted::Token => self.meter.token(),
        }
        let response = match request.timeout(timeout).send().await {
            Ok(response) => response,
            Err(_) if out_of_time() => return Err(PortError::OutOfTime.into()),
            Err(error) => return Err(no_answer(error)),
        };
        let status = response.status().as_u16();
        let content_type = text(response.headers(), &CONTENT_TYPE);
        let server_time = text(response.headers(), &DATE).and_then(|date| http_date(&date));
        let now = server_time.unwrap_or_else(|| self.clock.now());
        let retry_after = text(response.headers(), &RETRY_AFTER).and_then(|wait| delay(&wait, now));
        let is_challenge = response.headers().contains_key("cf-mitigated");
        let cookies = response.headers().get_all(SET_COOKIE).iter().cloned().collect();
        let (body, end) = read(response, body_bytes_max).await;
        if matches!(end, End::Cut(_)) && out_of_time() {
            return Err(PortError::OutOfTime.into());
        }
        tracing::debug!(status, bytes = body.len(), ?counted, "Garmin answered");
        Ok(Reply { status, content_type, retry_after, is_challenge, cookies, server_time, body, end, hidden })
    }

    /// How far the service's clock is ahead of ours, by its answer.
    pub(crate) fn skew(&self, server_time: Option<Timestamp>) -> Option<SignedDuration> {
        server_time.map(|theirs| theirs.duration_since(self.clock.now()))
    }
}

async fn read(mut response: Response, bytes_max: usize) -> (Vec<u8>, End) {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > bytes_max => return (body, End::TooLong),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return (body, End::Whole),
            Err(error) => return (body, End::Cut(causes(error))),
        }
    }
}

fn no_answer(error: reqwest::Error) -> Failure {
    let service = Service::Garmin;
    // What cannot be sent at all, as a stored token with a line break in it, is no outage.
    if error.is_builder() {
        return PortError::Refused { service, status: None, what: causes(error) }.into();
    }
    PortError::Down { service, status: None, what: causes(error) }.into()
}

/// The error and what caused it, without the URL.
fn causes(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(|value| value.trim().to_owned())
}

fn http_date(text: &str) -> Option<Timestamp> {
    let parser = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true);
    parser.parse_timestamp(text).ok()
}

/// `Retry-After`, in seconds or as a date.
fn delay(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    http_date(text).map(|moment| moment.duration_since(now).try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "2026-11-23T06:00:00Z".parse().unwrap();
        let cases = [
            ("14", Some(14)),
            ("0", Some(0)),
            ("Mon, 23 Nov 2026 06:02:00 GMT", Some(120)),
            ("Fri, 23 Nov 2026 06:02:00 GMT", Some(120)),
            ("Mon, 23 Nov 2026 05:00:00 GMT", Some(0)),
            ("soon", None),
            ("-3", None),
        ];
        for (text, expected) in cases {
            assert_eq!(delay(text, now), expected.map(Duration::from_secs), "{text}");
        }
    }
}
