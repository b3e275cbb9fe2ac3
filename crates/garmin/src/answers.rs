//! What an answer of Garmin's means, without a client and a socket: the client's own readers, by name.
//!
//! For whoever has an answer and no connection, as the tests of hostile input have. Nothing here decides
//! anything: the client calls the same functions.

use fitferry_core::activity::{GarminId, Listed};
use fitferry_core::ports::{Download, PortError};
use secrecy::SecretString;

use crate::reply::{End, Reply};
use crate::{detail, download, list};

/// An answer that has arrived as a whole.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    pub status: u16,
    pub content_type: Option<&'a str>,
    pub body: &'a [u8],
    /// A secret that the request was made with, which no error may repeat.
    pub hidden: &'a str,
}

impl Answer<'_> {
    fn reply(&self) -> Reply {
        Reply {
            status: self.status,
            content_type: self.content_type.map(str::to_owned),
            retry_after: None,
            is_challenge: false,
            cookies: Vec::new(),
            server_time: None,
            body: self.body.to_vec(),
            end: End::Whole,
            hidden: vec![SecretString::from(self.hidden)],
        }
    }
}

/// As the answer to a page of the list.
pub fn list(answer: &Answer<'_>) -> Result<Vec<Listed>, PortError> {
    list::read(&answer.reply())
}

/// As the answer to the question for one activity; `None`: there is none.
pub fn detail(id: GarminId, answer: &Answer<'_>) -> Result<Option<Listed>, PortError> {
    detail::read(id, &answer.reply())
}

/// As the answer to a download.
pub fn download(id: GarminId, answer: &Answer<'_>) -> Result<Download, PortError> {
    download::read(id, &answer.reply())
}
