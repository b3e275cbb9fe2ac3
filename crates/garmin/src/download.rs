//! The answer to a download: about this activity, or about the service (*Blame*).

use std::time::Duration;

use fitferry_core::activity::GarminId;
use fitferry_core::ledger::RejectReason;
use fitferry_core::ports::{Download, PortError};

use crate::client::{Ask, Wants};
use crate::content;
use crate::reply::{End, Reply};
use crate::unpack::unpack;

/// Garmin's archives have 2 to 5 MB at most (dossier garmin.md §7).
const ARCHIVE_BYTES_MAX: usize = 64 * 1024 * 1024;

pub(crate) fn ask(id: GarminId) -> Ask {
    Ask {
        path: format!("/download-service/files/activity/{id}"),
        query: Vec::new(),
        wants: Wants::File,
        timeout: Duration::from_secs(120),
        body_bytes_max: ARCHIVE_BYTES_MAX,
    }
}

pub(crate) fn read(id: GarminId, reply: &Reply) -> Result<Download, PortError> {
    match reply.status {
        200..=299 => Ok(body(id, reply)),
        404 | 410 => Ok(Download::NoFile),
        // A server's bug about a file that is not there (dossier garmin.md §7).
        500 => Ok(Download::Unavailable(about(reply))),
        // In JSON Garmin speaks of the activity; a web page is a block on the way.
        400 | 403 if !reply.is_html() && reply.json().is_some() => Ok(Download::Unavailable(about(reply))),
        _ => Err(reply.failure()),
    }
}

fn about(reply: &Reply) -> String {
    match reply.message() {
        Some(message) => format!("Garmin answers {}: {message}", reply.status),
        None => format!("Garmin answers {}", reply.quoted()),
    }
}

fn body(id: GarminId, reply: &Reply) -> Download {
    match &reply.end {
        End::TooLong => {
            let detail = format!("the download has more than {} MB", ARCHIVE_BYTES_MAX / 1024 / 1024);
            return Download::Unfit { reason: RejectReason::TooLarge, detail };
        }
        End::Cut(how) => {
            let bytes = reply.body.len();
            return Download::Broken(format!("the download was cut after {bytes} bytes ({how})"));
        }
        End::Whole if reply.body.is_empty() => {
            return Download::Broken("the download is empty".to_owned());
        }
        End::Whole => {}
    }
    let recognised = content::is_zip(&reply.body) || content::kind(&reply.body).is_some();
    if !recognised && (reply.says_html() || content::is_web_page(&reply.body)) {
        // Garmin's list answered as it should a moment ago: this is about the file, which must end some day.
        return Download::Broken("a web page instead of a file".to_owned());
    }
    unpack(id, &reply.body)
}
