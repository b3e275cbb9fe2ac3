//! What a look into a file tells: for matching where the list says nothing, and for people.

use fitferry_core::activity::{Distance, FileKind, Summary, elapsed_from_number};
use fitferry_fit::{FileType, Look};
use jiff::Timestamp;

use crate::content;

/// What a file says about itself.
pub(crate) struct Seen {
    pub(crate) summary: Summary,
    pub(crate) damage: Option<String>,
    /// The kind of FIT file that it is, where that is known not to be an activity.
    pub(crate) other_type: Option<FileType>,
}

pub(crate) fn look(kind: FileKind, bytes: &[u8]) -> Seen {
    match kind {
        FileKind::Fit => of_fit(fitferry_fit::look(bytes)),
        FileKind::Gpx => of_xml(gpx_start(&content::head(bytes))),
        FileKind::Tcx => of_xml(tcx_start(&content::head(bytes))),
    }
}

fn of_fit(look: Look) -> Seen {
    Seen {
        damage: look.damage.map(|damage| damage.to_string()),
        other_type: look.file_type.filter(|of| *of != FileType::Activity),
        summary: Summary {
            start: look.start,
            elapsed: look.elapsed_s.and_then(elapsed_from_number),
            distance: look.distance_m.and_then(Distance::from_meters),
            sport: look.sport,
            sessions: look.sessions,
        },
    }
}

fn of_xml(start: Option<Timestamp>) -> Seen {
    Seen { summary: Summary { start, ..Summary::default() }, damage: None, other_type: None }
}

/// The time of the first track point; the one in `metadata` is that of the file.
fn gpx_start(text: &str) -> Option<Timestamp> {
    let track = &text[text.find("<trkpt")?..];
    element(track, "time")
}

/// A TCX activity's id is its start.
fn tcx_start(text: &str) -> Option<Timestamp> {
    element(text, "Id")
}

fn element(text: &str, name: &str) -> Option<Timestamp> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once('<')?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_of_a_gpx_is_that_of_its_first_point() {
        let start = "2026-01-08T14:10:21Z".parse().ok();
        let gpx = "<gpx><metadata><time>2020-01-01T00:00:00Z</time></metadata><trk><trkseg>\
                   <trkpt lat='1' lon='2'><ele>3</ele><time> 2026-01-08T14:10:21.000Z </time></trkpt>";
        assert_eq!(look(FileKind::Gpx, gpx.as_bytes()).summary.start, start);
        let tcx = "<TrainingCenterDatabase><Activities><Activity><Id>2026-01-08T14:10:21.000Z</Id>";
        assert_eq!(look(FileKind::Tcx, tcx.as_bytes()).summary.start, start);
        for none in ["<gpx><time>2020-01-01T00:00:00Z</time></gpx>", "<gpx><trkpt><time>soon</time>", "<gpx>"]
        {
            assert_eq!(look(FileKind::Gpx, none.as_bytes()).summary.start, None, "{none}");
        }
    }
}
