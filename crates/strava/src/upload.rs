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

/// A request that the run's end would cut shorter is not begun (rule *Intent*).
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
    // A timeout that is configured shorter than that is somebody's wish.
    (now < upload.start_before && timeout >= TIMEOUT_MIN.min(upload.timeout)).then_some(timeout)
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
    let answer: UploadAnswer = match seen.object() {
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
    if fault.names("Application") || fault.missing_scope().is_some() {
        return Verdict::NotTaken(fault::refusal(seen, &seen.reading, moment));
    }
    let answer: UploadAnswer = seen.object().unwrap_or_default();
    let words = answer.error().or_else(|| {
        // A status beside an error says nothing that the error does not.
        let status = answer.status_text();
        (!status.is_empty()).then(|| status.to_owned())
    });
    Verdict::Sent(match words {
        Some(words) => refused_file(&words),
        None if fault.text().is_empty() => refused_by_page(seen),
        None => match text::duplicate(&fault.words()) {
            Some(Duplicate { of }) => Sent::Duplicate { of, text: fault.text() },
            None => Sent::Refused(fault.text()),
        },
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

#[cfg(test)]
mod tests {
    use fitferry_core::activity::{FileKind, GarminId, StravaId, UploadId};
    use jiff::{SignedDuration, Timestamp};

    use super::*;

    fn verdict(status: u16, body: &str) -> String {
        let moment = Moment { at: Timestamp::UNIX_EPOCH, pause_inactive: SignedDuration::from_hours(24) };
        match judge(&Seen::of(status, body), moment) {
            Verdict::Sent(Sent::Accepted(UploadId(id))) => format!("accepted {id}"),
            Verdict::Sent(Sent::Duplicate { of, .. }) => {
                format!("duplicate {}", of.map_or("-".to_owned(), |StravaId(id)| id.to_string()))
            }
            Verdict::Sent(Sent::Refused(text)) => format!("refused: {text}"),
            Verdict::NotTaken(error) => format!("not taken: {}", name(&error)),
            Verdict::InDoubt(error) => format!("in doubt: {}", name(&error)),
            Verdict::Token => "token".to_owned(),
        }
    }

    fn name(error: &PortError) -> &'static str {
        match error {
            PortError::LoginNeeded { .. } => "login",
            PortError::Misconfigured { .. } => "config",
            PortError::Limited { .. } => "limited",
            PortError::AppInactive { .. } => "inactive",
            PortError::Down { .. } => "down",
            PortError::Refused { .. } => "refused",
            _ => "else",
        }
    }

    #[test]
    fn the_table_of_doubt() {
        let table = [
            // Taken, or refused in the same breath.
            (
                201,
                r#"{"id":8919698041,"error":null,"status":"Your activity is still being processed.","activity_id":null}"#,
                "accepted 8919698041",
            ),
            (200, r#"{"id_str":"7"}"#, "accepted 7"),
            (201, r#"{"id":7,"activity_id":9,"status":"Your activity is ready."}"#, "accepted 7"),
            (201, r#"{"id":7,"error":"a.fit duplicate of activity 9"}"#, "duplicate 9"),
            (201, r#"{"id":7,"error":"duplicate"}"#, "duplicate -"),
            (201, r#"{"id":7,"error":"Improperly formatted data."}"#, "refused: Improperly formatted data."),
            (201, r#"{"id":7,"error":"  "}"#, "accepted 7"),
            (201, r#"{"id":7,"error":{"text":"odd"}}"#, r#"refused: {"text":"odd"}"#),
            (201, "", "in doubt: down"),
            (201, r#"{"id":8919"#, "in doubt: down"),
            (201, "{}", "in doubt: refused"),
            (201, r#"{"id":0}"#, "in doubt: refused"),
            (201, "[7]", "in doubt: refused"),
            (200, "<html>Welcome</html>", "in doubt: refused"),
            (204, "", "in doubt: down"),
            // About this file.
            (
                400,
                r#"{"error":"The file is empty.","status":"There was an error processing your activity."}"#,
                "refused: The file is empty.",
            ),
            (
                400,
                r#"{"status":"There was an error processing your activity."}"#,
                "refused: There was an error processing your activity.",
            ),
            (
                400,
                r#"{"message":"Bad Request","errors":[{"resource":"Upload","field":"file","code":"empty"}]}"#,
                "refused: Bad Request: Upload/file/empty",
            ),
            (400, r#"{"message":"x duplicate of <a href='/activities/9'>T</a>"}"#, "duplicate 9"),
            (400, r#"{"error":"x duplicate of <a href=\"/activities/9\">T</a>"}"#, "duplicate 9"),
            (400, "<p>x duplicate of <a href='/activities/9'>T</a></p>", "duplicate 9"),
            (400, "<html><h1>Bad file</h1></html>", "refused: 400: Bad file"),
            (400, "", "refused: 400: an empty answer"),
            (400, r#"{"message":"Bad Requ"#, "in doubt: down"),
            (413, "<html>Too large</html>", "refused: 413: Too large"),
            (422, r#"{"message":"Unprocessable"}"#, "refused: Unprocessable"),
            // Not about this file, and not taken.
            (
                400,
                r#"{"errors":[{"resource":"Application","field":"client_id","code":"invalid"}]}"#,
                "not taken: config",
            ),
            (
                400,
                r#"{"errors":[{"resource":"Application","field":"else","code":"invalid"}]}"#,
                "not taken: refused",
            ),
            (
                400,
                r#"{"errors":[{"resource":"AccessToken","field":"activity:write_permission","code":"missing"}]}"#,
                "not taken: login",
            ),
            (
                401,
                r#"{"errors":[{"resource":"AccessToken","field":"activity:write_permission","code":"missing"}]}"#,
                "not taken: login",
            ),
            (
                401,
                r#"{"errors":[{"resource":"Application","field":"","code":"invalid"}]}"#,
                "not taken: config",
            ),
            (401, r#"{"errors":[{"resource":"Athlete","field":"access_token","code":"invalid"}]}"#, "token"),
            (401, "", "token"),
            (
                403,
                r#"{"errors":[{"resource":"Application","field":"Status","code":"Inactive"}]}"#,
                "not taken: inactive",
            ),
            (403, "", "not taken: refused"),
            (404, "", "not taken: refused"),
            (405, "", "not taken: refused"),
            (409, "duplicate of activity 5", "not taken: refused"),
            (429, "", "not taken: limited"),
            (301, "", "not taken: refused"),
            (302, "<html>", "not taken: refused"),
            (307, "", "not taken: refused"),
            // It may have arrived.
            (408, "", "in doubt: down"),
            (500, "", "in doubt: down"),
            (502, "<html>Bad Gateway</html>", "in doubt: down"),
            (503, r#"{"message":"busy"}"#, "in doubt: down"),
            (504, "", "in doubt: down"),
            (599, "", "in doubt: down"),
            (600, "", "in doubt: refused"),
        ];
        for (status, body, expected) in table {
            assert_eq!(verdict(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn what_became_of_an_upload_is_read_in_the_order_error_activity_status() {
        let state = |body: &str| processing(&Seen::of(200, body).object().ok().unwrap());
        let failed = |text: &str| Processing::Failed(text.to_owned());
        let table = [
            (
                r#"{"status":"Your activity is still being processed.","error":null,"activity_id":null}"#,
                Processing::Pending,
            ),
            (
                r#"{"status":"Your activity is ready.","error":null,"activity_id":9}"#,
                Processing::Ready(StravaId(9)),
            ),
            (
                r#"{"status":"The created activity has been deleted.","error":null,"activity_id":null}"#,
                Processing::Deleted,
            ),
            (r#"{"status":"  THE CREATED ACTIVITY HAS BEEN DELETED"}"#, Processing::Deleted),
            (
                r#"{"status":"There was an error processing your activity.","error":"Time information is missing from file."}"#,
                failed("Time information is missing from file."),
            ),
            (
                r#"{"status":"There was an error processing your activity.","error":"<b>Improperly</b> formatted data."}"#,
                failed("Improperly formatted data."),
            ),
            (
                r#"{"status":"There was an error processing your activity."}"#,
                failed("There was an error processing your activity."),
            ),
            (r#"{"status":"Your activity is ready.","activity_id":9,"error":"broken"}"#, failed("broken")),
            (r#"{"status":"Your activity is ready."}"#, Processing::Pending),
            (r#"{"status":"Something new"}"#, Processing::Pending),
            (r#"{"status":7,"activity_id":"9"}"#, Processing::Ready(StravaId(9))),
            ("{}", Processing::Pending),
            (
                r#"{"error":"17611540601.tcx duplicate of activity 8319193780","activity_id":5}"#,
                Processing::Duplicate {
                    of: Some(StravaId(8_319_193_780)),
                    text: "17611540601.tcx duplicate of activity 8319193780".to_owned(),
                },
            ),
            (
                r#"{"error":"garmin-1.fit duplicate of <a href='/activities/99' target='_blank'>Run 5</a>"}"#,
                Processing::Duplicate {
                    of: Some(StravaId(99)),
                    text: "garmin-1.fit duplicate of Run 5".to_owned(),
                },
            ),
        ];
        for (body, expected) in table {
            assert_eq!(state(body), expected, "{body}");
        }
    }

    #[test]
    fn a_request_starts_in_time_and_ends_before_the_run_does_or_is_not_begun() {
        let seconds = Duration::from_secs;
        let upload = |deadline: Option<u64>| Upload {
            id: GarminId(1),
            kind: FileKind::Fit,
            bytes: Vec::new().into(),
            name: None,
            start_before: seconds(120),
            timeout: seconds(60),
            deadline: deadline.map(seconds),
        };
        let table = [
            (100, None, Some(60)),
            (119, None, Some(60)),
            (120, None, None),
            (121, None, None),
            (100, Some(500), Some(60)),
            (100, Some(140), Some(39)),
            (100, Some(103), Some(2)),
            (100, Some(102), None),
            (100, Some(100), None),
            (100, Some(99), None),
        ];
        for (now, deadline, expected) in table {
            assert_eq!(
                time_for(&upload(deadline), seconds(now)),
                expected.map(seconds),
                "{now} {deadline:?}"
            );
        }
    }
}
