//! From the bytes of a download to the original file in it.
//!
//! Garmin sends a streaming ZIP whose entry names changed over the years; now and then there are several
//! entries, none, or no ZIP at all (dossier garmin.md §7). The whole body is here before it is opened, the
//! activity is found by content, and a name is used for one thing only: to choose between two activities.
//! No name ever becomes a path.
//!
//! What comes out is byte for byte what went in. Only the certain is objected to (*Judge little*).

use std::io::{Cursor, Read};

use fitferry_core::activity::{FileKind, GarminId, Sha256, Summary};
use fitferry_core::ledger::RejectReason;
use fitferry_core::ports::{Download, Original};
use sha2::Digest;
use zip::ZipArchive;
use zip::result::ZipError;

use crate::content;
use crate::summary::{self, Seen};

const ENTRIES_MAX: usize = 64;
const ENTRY_BYTES_MAX: usize = 64 * 1024 * 1024;
const ALL_BYTES_MAX: usize = 128 * 1024 * 1024;
/// No FIT, GPX or TCX of more than `RATIO_FROM_BYTES` shrinks this far.
const RATIO_MAX: u64 = 200;
const RATIO_FROM_BYTES: usize = 1024 * 1024;

/// Looks for the activity in what Garmin answered to a download.
pub fn unpack(id: GarminId, body: &[u8]) -> Download {
    if !content::is_zip(body) {
        return match content::kind(body) {
            Some(_) => chosen(id, vec![File { name: Vec::new(), bytes: body.to_vec() }]),
            None => Download::Broken("neither a ZIP archive nor an activity file".to_owned()),
        };
    }
    match files(body) {
        Ok(files) => chosen(id, files),
        Err(Trouble::Broken(why)) => Download::Broken(why),
        Err(Trouble::Unfit(reason, detail)) => Download::Unfit { reason, detail },
    }
}

// ----------------------------------------------------------------------------------- the archive

struct File {
    name: Vec<u8>,
    bytes: Vec<u8>,
}

enum Trouble {
    Broken(String),
    Unfit(RejectReason, String),
}

fn too_large(detail: String) -> Trouble {
    Trouble::Unfit(RejectReason::TooLarge, detail)
}

impl From<ZipError> for Trouble {
    fn from(error: ZipError) -> Trouble {
        Trouble::Broken(format!("the archive is damaged ({error})"))
    }
}

fn files(body: &[u8]) -> Result<Vec<File>, Trouble> {
    let mut archive = ZipArchive::new(Cursor::new(body))?;
    if archive.len() > ENTRIES_MAX {
        return Err(too_large(format!("the archive has {} entries", archive.len())));
    }
    // The library shows one of them only, and perhaps not the right one.
    if archive.has_duplicate_names() {
        let detail = "two files of one name in the archive".to_owned();
        return Err(Trouble::Unfit(RejectReason::SeveralFiles, detail));
    }
    let mut files = Vec::new();
    let mut left = ALL_BYTES_MAX;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        if entry.is_dir() && entry.size() == 0 {
            continue;
        }
        let packed = entry.compressed_size();
        let name = entry.name_raw().to_vec();
        let bytes = inflate(&mut entry, packed, left.min(ENTRY_BYTES_MAX))?;
        left -= bytes.len();
        files.push(File { name, bytes });
    }
    Ok(files)
}

/// Reads an entry to its end, where its checksum is compared, or until it grows too large; what it says of
/// its own size is not believed.
fn inflate(entry: &mut impl Read, packed: u64, bytes_max: usize) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let count = entry.read(&mut chunk).map_err(ZipError::Io)?;
        if count == 0 {
            return Ok(bytes);
        }
        bytes.extend_from_slice(&chunk[..count]);
        if bytes.len() > bytes_max {
            return Err(too_large(format!("unpacked, the file has more than {} MB", bytes_max >> 20)));
        }
        let allowed = packed.saturating_mul(RATIO_MAX);
        if bytes.len() > RATIO_FROM_BYTES && u64::try_from(bytes.len()).is_ok_and(|len| len > allowed) {
            return Err(too_large(format!("the file unpacks to more than {RATIO_MAX} times its size")));
        }
    }
}

// ------------------------------------------------------------------------------------ the choice

/// A file that is a FIT, GPX or TCX.
struct Known {
    file: File,
    kind: FileKind,
    seen: Seen,
}

fn chosen(id: GarminId, files: Vec<File>) -> Download {
    if files.is_empty() {
        return Download::Broken("the archive is empty".to_owned());
    }
    let (mut activities, mut others, mut unknown, mut empty) = (vec![], vec![], vec![], vec![]);
    for file in files {
        match content::kind(&file.bytes) {
            _ if file.bytes.is_empty() => empty.push(file),
            None => unknown.push(file),
            Some(kind) => {
                let seen = summary::look(kind, &file.bytes);
                let group = if seen.other_type.is_none() { &mut activities } else { &mut others };
                group.push(Known { file, kind, seen });
            }
        }
    }
    match the_one(id, activities) {
        Ok(Some(activity)) => return original(activity, None),
        Ok(None) => {}
        Err(count) => {
            let detail = format!("{count} activity files, and their names do not tell which one is {id}");
            return Download::Unfit { reason: RejectReason::SeveralFiles, detail };
        }
    }
    if let Some(other) = first_by_name(id, others, |known| &known.file) {
        let of = other.seen.other_type.map(|of| of.to_string()).unwrap_or_default();
        let why = format!("a FIT file of type {of}, which is no activity");
        return original(other, Some((RejectReason::NotAnActivity, why)));
    }
    let (file, objection) = if let Some(file) = first_by_name(id, unknown, |file| file) {
        (file, (RejectReason::NotAnActivity, "the file is neither FIT nor GPX nor TCX".to_owned()))
    } else if let Some(file) = first_by_name(id, empty, |file| file) {
        (file, (RejectReason::MalformedFile, "the file in the archive is empty".to_owned()))
    } else {
        return Download::Broken("the archive is empty".to_owned());
    };
    let kind = kind_by_name(&file.name);
    let seen = Seen { summary: Summary::default(), damage: None, other_type: None };
    original(Known { file, kind, seen }, Some(objection))
}

/// The only activity, or the only one whose name bears the id. `Err` counts those to choose between.
fn the_one(id: GarminId, mut activities: Vec<Known>) -> Result<Option<Known>, usize> {
    if activities.iter().any(|known| bears(&known.file.name, id)) {
        activities.retain(|known| bears(&known.file.name, id));
    }
    activities.dedup_by(|a, b| a.file.bytes == b.file.bytes);
    match activities.len() {
        0 | 1 => Ok(activities.pop()),
        count => Err(count),
    }
}

fn first_by_name<T>(id: GarminId, mut files: Vec<T>, file: impl Fn(&T) -> &File) -> Option<T> {
    let at = files.iter().position(|item| bears(&file(item).name, id)).unwrap_or(0);
    (at < files.len()).then(|| files.swap_remove(at))
}

/// Whether the id stands in a name as a whole number.
fn bears(name: &[u8], id: GarminId) -> bool {
    let id = id.to_string();
    name.split(|byte| !byte.is_ascii_digit()).any(|number| number == id.as_bytes())
}

fn kind_by_name(name: &[u8]) -> FileKind {
    let extension = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default().to_ascii_lowercase();
    std::str::from_utf8(&extension).ok().and_then(FileKind::from_extension).unwrap_or(FileKind::Fit)
}

fn original(known: Known, objection: Option<(RejectReason, String)>) -> Download {
    let Known { file, kind, seen } = known;
    Download::File(Original {
        sha256: Sha256(sha2::Sha256::digest(&file.bytes).into()),
        bytes: file.bytes.into(),
        kind,
        summary: seen.summary,
        damage: seen.damage,
        objection,
    })
}
