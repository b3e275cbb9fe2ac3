//! What an answer of Strava's means, without a client and a socket: the client's own readers, by name.
//!
//! For whoever has an answer and no connection, as the tests of hostile input have. Nothing here decides
//! anything: the client calls the same functions.

use bytes::Bytes;
use fitferry_core::activity::{Found, StravaId};
use fitferry_core::budget::Reading;
use fitferry_core::ports::{PortError, Processing, Sent};
use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;

use crate::answer::Seen;
use crate::fault::{self, Moment};
use crate::list::Pages;
use crate::text;
use crate::upload::{self, Verdict};
use crate::wire::UploadAnswer;

/// An answer that has arrived as a whole.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// From 100 to 999.
    pub status: u16,
    pub content_type: Option<&'a str>,
    pub body: &'a [u8],
    /// A secret that the request was made with, which no error may repeat.
    pub hidden: &'a str,
}

/// What an answer to an upload says.
#[derive(Debug)]
pub enum Meaning {
    Sent(Sent),
    NotTaken(PortError),
    /// It may have arrived (*Doubt*).
    InDoubt(PortError),
    /// The access token is void.
    TokenVoid,
}

impl Answer<'_> {
    fn seen(&self) -> Seen {
        let mut seen = Seen {
            status: StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK),
            reading: Reading::default(),
            server_time: None,
            retry_after: None,
            content_type: self.content_type.map(str::to_owned),
            body: Ok(Bytes::copy_from_slice(self.body)),
            usage: None,
        };
        seen.hide(&[self.hidden]);
        seen
    }
}

fn moment() -> Moment {
    Moment { at: Timestamp::UNIX_EPOCH, pause_inactive: SignedDuration::from_hours(24) }
}

/// As the answer to one page of a look, and whether it is the last one.
pub fn page(answer: &Answer<'_>) -> Result<(Vec<Found>, bool), PortError> {
    let seen = answer.seen();
    if !seen.status.is_success() {
        return Err(fault::refusal(&seen, &seen.reading, moment()));
    }
    let mut pages = Pages::default();
    let last = pages.take(&seen)?;
    Ok((pages.into_found(), last))
}

/// As the answer to an upload.
pub fn upload(answer: &Answer<'_>) -> Meaning {
    match upload::judge(&answer.seen(), moment()) {
        Verdict::Sent(sent) => Meaning::Sent(sent),
        Verdict::NotTaken(error) => Meaning::NotTaken(error),
        Verdict::InDoubt(error) => Meaning::InDoubt(error),
        Verdict::Token => Meaning::TokenVoid,
    }
}

/// As the answer to the question what became of an upload.
pub fn processing(answer: &Answer<'_>) -> Result<Processing, PortError> {
    let seen = answer.seen();
    if !seen.status.is_success() {
        return Err(fault::refusal(&seen, &seen.reading, moment()));
    }
    let answer: UploadAnswer = seen.object().map_err(|unread| seen.unread(unread))?;
    Ok(upload::processing(&answer))
}

/// As the refusal of a token endpoint.
pub fn token_refusal(answer: &Answer<'_>) -> PortError {
    fault::token_refusal(&answer.seen(), moment())
}

/// What people are shown of an error text: one line of at most 200 characters.
pub fn words(text: &str) -> String {
    text::clean(text)
}

/// Whether an error text says *duplicate*, and of what.
pub fn duplicate(text: &str) -> Option<Option<StravaId>> {
    text::duplicate(text).map(|duplicate| duplicate.of)
}
