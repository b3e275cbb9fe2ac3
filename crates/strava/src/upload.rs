//! One upload: what is sent, how long it may take, and what the answer says about the file (rule *Doubt*).
//!
//! The one idea: an answer is about this file, or says that nothing was taken, or leaves doubt; whatever
//! is not surely one of the first two is the third. Not here: tokens and the budget (`client`).

use std::time::Duration;

use bytes::Bytes;
use fitferry_core::activity::external_id;
use fitferry_core::ports::{PortError, Processing, Sent, Upload};
use reqwest::multipart::{Form, Part};
use reqwest::{Body, StatusCode};

use crate::answer::{Seen, Unread};
use crate::fault::{self, Moment, down, refused};
use crate::text::{self, Duplicate};
use crate::wire::UploadAnswer;

/// A request that may not take as long is not begun (rule *Intent*).
const TIMEOUT_MIN: Duration = Duration::from_secs(2);
/// Between the end of a request and the end of the run.
const BEFORE_DEADLINE: Duration = Duration::from_secs(1);

/// How long the request may take if it starts at `now`; `None`: it must not start.
pub(crate) fn time_for(upload: &Upload, now: Duration) -> Option<Duration> {
    let left = match upload.deadline {
        Some(deadline) => deadline.checked_sub(now)?.checked_sub(BEFORE_DEADLINE)?,
        None => Duration::MAX,
    };
    let timeout = upload.timeout.min(left);
    (now < upload.start_before && timeout >= TIMEOUT_MIN).then_some(timeout)
}

/// The fields and the file, byte for byte (dossier strava.md §2.1).
pub(crate) fn form(upload: &Upload) -> Form {
    let extension = upload.kind.extension();
    let external_id = external_id(upload.id);
    let bytes = Bytes::from_owner(upload.bytes.clone());
    // With its length known, the request carries a `Content-Length`.
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let file =
        Part::stream_with_length(Body::from(bytes), length).file_name(format!("{external_id}.{extension}"));
    let mut form = Form::new().text("data_type", extension).text("external_id", external_id);
    if let Some(name) = &upload.name {
        form = form.text("name", name.clone());
    }
    form.part("file", file)
}

/// What an answer to an upload says.
#[derive(Debug)]
pub(crate) enum Verdict {
    Sent(Sent),
    NotTaken(PortError),
    InDoubt(PortError),
    /// The access token is void: renewed, and sent once more.
    Token,
}

/// Judges an answer to an upload.
pub(crate) fn judge(seen: &Seen, moment: Moment) -> Verdict {
    let status = seen.status;
    match status {
        _ if status.is_success() => taken(seen),
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
            about_the_file(seen, moment)
        }
        StatusCode::REQUEST_TIMEOUT => Verdict::InDoubt(down(Some(status), seen.told())),
        StatusCode::UNAUTHORIZED => match fault::unauthorized(seen) {
            fault::Unauthorized::Token => Verdict::Token,
            fault::Unauthorized::Other(_) => Verdict::NotTaken(fault::refusal(seen, &seen.reading, moment)),
        },
        _ if status.is_client_error() || status.is_redirection() => {
            Verdict::NotTaken(fault::refusal(seen, &seen.reading, moment))
        }
        _ if status.is_server_error() => Verdict::InDoubt(down(Some(status), seen.told())),
        _ => Verdict::InDoubt(refused(Some(status), seen.told())),
    }
}

fn taken(seen: &Seen) -> Verdict {
    let answer: UploadAnswer = match seen.json() {
        Ok(answer) => answer,
        Err(unread) => return Verdict::InDoubt(seen.unread(unread)),
    };
    if let Some(error) = answer.error() {
        return Verdict::Sent(refused_file(&error));
    }
    match answer.id() {
        Some(upload) => Verdict::Sent(Sent::Accepted(upload)),
        None => Verdict::InDoubt(refused(Some(seen.status), "an upload without an id".to_owned())),
    }
}

/// 400, 413, 422: in the shape of a fault, of an upload, or a page (§2.2).
fn about_the_file(seen: &Seen, moment: Moment) -> Verdict {
    let Some(fault) = seen.fault() else {
        return match seen.json::<serde_json::Value>() {
            Err(Unread::Cut(what)) if !seen.text().is_empty() || seen.body.is_err() => {
                Verdict::InDoubt(down(Some(seen.status), what))
            }
            _ => Verdict::Sent(refused_by_page(seen)),
        };
    };
    if fault.names("Application") {
        return Verdict::NotTaken(fault::refusal(seen, &seen.reading, moment));
    }
    let answer: UploadAnswer = seen.json().unwrap_or_default();
    let words = answer.error().or_else(|| {
        // A status beside an error says nothing that the error does not.
        let status = answer.status_text();
        (!status.is_empty()).then(|| status.to_owned())
    });
    Verdict::Sent(match words {
        Some(words) => refused_file(&words),
        None if fault.text().is_empty() => refused_by_page(seen),
        None => refused_file(&[fault.message.as_str(), &fault.words, &fault.text()].join(" ")),
    })
}

fn refused_file(error: &str) -> Sent {
    match text::duplicate(error) {
        Some(Duplicate { of }) => Sent::Duplicate { of, text: text::clean(error) },
        None => Sent::Refused(text::clean(error)),
    }
}

fn refused_by_page(seen: &Seen) -> Sent {
    match text::duplicate_in_page(&seen.text()) {
        Some(Duplicate { of }) => Sent::Duplicate { of, text: text::clean(&seen.text()) },
        None => Sent::Refused(seen.told()),
    }
}

/// What became of an upload, in the order of §2.3: no error does not mean success.
pub(crate) fn processing(answer: &UploadAnswer) -> Processing {
    if let Some(error) = answer.error() {
        return match text::duplicate(&error) {
            Some(Duplicate { of }) => Processing::Duplicate { of, text: text::clean(&error) },
            None => Processing::Failed(text::clean(&error)),
        };
    }
    if let Some(activity) = answer.activity() {
        return Processing::Ready(activity);
    }
    let status = answer.status();
    if status.contains("deleted") {
        Processing::Deleted
    } else if status.contains("error processing") {
        Processing::Failed(text::clean(answer.status_text()))
    } else {
        Processing::Pending
    }
}
