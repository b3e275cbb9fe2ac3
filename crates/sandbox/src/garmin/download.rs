//! What `GET /download-service/files/activity/{id}` gives (dossier garmin.md §7, §9).

use jiff::Timestamp;
use serde_json::json;

use super::json::{api_error, not_found};
use super::{Entry, Garmin, GarminActivity, archive};
use crate::faults;
use crate::message::Reply;

/// What arrives when an activity's original is asked for.
#[derive(Clone, Debug, Default)]
pub enum Parcel {
    /// A ZIP with the file, named as today's are: `<id>_ACTIVITY.fit`, `<id>.gpx`, `<id>.tcx`.
    #[default]
    Zip,
    /// A ZIP with the file under this name.
    ZipNamed(String),
    /// A ZIP with exactly these entries.
    ZipOf(Vec<Entry>),
    /// A ZIP without entries.
    EmptyZip,
    /// A ZIP whose checksum does not fit its content.
    WrongCrc,
    /// The first part of a ZIP, sent as though it were all.
    CutZip,
    /// The file itself, in no archive.
    Raw,
    /// 200 without a byte.
    EmptyBody,
    /// 404: there is no file.
    NotFound,
    /// 410, as in 2018.
    Gone,
    /// 500 with a `NullPointerException`, the older way to have no file.
    NullPointer,
    /// 403 with Garmin's JSON.
    Forbidden,
    /// 200 with a web page.
    Html,
}

/// Why a download gives nothing, whatever the parcel.
pub(crate) enum NotHandedOut {
    /// There is none of that id, or it is not served yet.
    Missing,
    /// It is somebody else's.
    Foreign,
}

impl Garmin {
    /// What is handed out to this athlete for that id: the activity whose file it is, and how it is sent.
    pub(crate) fn handed_out(
        &self,
        athlete: u64,
        id: u64,
        now: Timestamp,
    ) -> Result<&GarminActivity, NotHandedOut> {
        let listed = |activity: &&GarminActivity| activity.is_listed(now);
        let asked = self.activities.get(&id).filter(listed).ok_or(NotHandedOut::Missing)?;
        if asked.owner != athlete {
            return Err(NotHandedOut::Foreign);
        }
        if asked.served_from.is_some_and(|from| now < from) {
            return Err(NotHandedOut::Missing);
        }
        // A leg's download is the whole multisport file (dossier garmin.md §6.4).
        Ok(asked.parent.and_then(|parent| self.activities.get(&parent)).unwrap_or(asked))
    }

    /// The answer to a download by this athlete.
    pub fn download(&self, athlete: u64, id: u64, now: Timestamp) -> Reply {
        let activity = match self.handed_out(athlete, id, now) {
            Ok(activity) => activity,
            Err(NotHandedOut::Missing) => return not_found(),
            Err(NotHandedOut::Foreign) => return forbidden(),
        };
        let file = || activity.file.clone();
        let usual = || Entry { name: usual_name(activity.id, &activity.file), content: file() };
        match &activity.parcel {
            Parcel::Zip => zip(id, archive(&[usual()], 0)),
            Parcel::ZipNamed(name) => zip(id, archive(&[Entry { name: name.clone(), content: file() }], 0)),
            Parcel::ZipOf(entries) => zip(id, archive(entries, 0)),
            Parcel::EmptyZip => zip(id, archive(&[], 0)),
            Parcel::WrongCrc => zip(id, archive(&[usual()], 0x5a5a_5a5a)),
            Parcel::CutZip => {
                let mut bytes = archive(&[usual()], 0);
                bytes.truncate(bytes.len() * 2 / 3);
                zip(id, bytes)
            }
            Parcel::Raw => Reply::bytes(200, "application/octet-stream", file()),
            Parcel::EmptyBody => zip(id, Vec::new()),
            Parcel::NotFound => not_found(),
            Parcel::Gone => api_error(410, "HTTP 410 Gone", "GoneException"),
            Parcel::NullPointer => {
                let body = json!({"message": null, "error": "NullPointerException"});
                Reply::json(500, super::json::JSON, &body)
            }
            Parcel::Forbidden => forbidden(),
            Parcel::Html => faults::web_page(200),
        }
    }
}

fn zip(id: u64, bytes: Vec<u8>) -> Reply {
    Reply::bytes(200, "application/x-zip-compressed", bytes)
        .with_header("Content-Disposition", &format!("attachment; filename=\"{id}.zip\""))
}

fn forbidden() -> Reply {
    api_error(403, "Only owner of activity allowed to access this operation", "UnauthorizedException")
}

/// Entry names by content (dossier garmin.md §7): imports keep their kind.
pub(crate) fn usual_name(id: u64, file: &[u8]) -> String {
    let head = String::from_utf8_lossy(&file[..file.len().min(1000)]).into_owned();
    if head.contains("<gpx") {
        format!("{id}.gpx")
    } else if head.contains("<TrainingCenterDatabase") {
        format!("{id}.tcx")
    } else {
        format!("{id}_ACTIVITY.fit")
    }
}
