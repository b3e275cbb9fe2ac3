//! The files of a store: where they are, who may read them, and the copy before a migration.
//!
//! SQLite gives its `-wal` and `-shm` files the mode of the database, so the database has its mode before
//! SQLite opens it. An existing database is never opened here: to close it would end the locks that SQLite
//! holds on it in this process (POSIX locks belong to the process). A file system that knows no modes is told of ([`modes_hold`]), not refused.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use fitferry_core::ports::StoreError;
use nix::unistd::{AccessFlags, access};
use rusqlite::{Connection, OpenFlags};

use super::error::{Fault, told};

/// What may be done with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// The file's owner alone.
const OWNER_ONLY: u32 = 0o600;
const OTHERS: u32 = 0o077;

/// Sees to it that there is a file, and returns its real path.
pub(super) fn create(path: &Path) -> Result<PathBuf, StoreError> {
    let folder = folder_of(path);
    if !folder.exists() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| failed(path, format!("create the folder {}", folder.display()), error))?;
    }
    let is_new = match OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path) {
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(failed(path, format!("create the store {}", path.display()), error)),
    };
    let real = real_path(path)?;
    if is_new {
        // The name is as durable as what will be in the file; file systems that cannot, need not.
        File::open(folder_of(&real)).and_then(|folder| folder.sync_all()).ok();
    }
    Ok(real)
}

/// Finds a file that is there, and what may be done with it.
pub(super) fn find(path: &Path) -> Result<(PathBuf, Access), StoreError> {
    let real = real_path(path)?;
    let can = |path: &Path, right| access(path, right).is_ok();
    if !can(&real, AccessFlags::R_OK) {
        let error = io::ErrorKind::PermissionDenied.into();
        return Err(failed(path, format!("open the store {}", path.display()), error));
    }
    let writable = can(&real, AccessFlags::W_OK) && can(folder_of(&real), AccessFlags::W_OK);
    Ok((real, if writable { Access::Write } else { Access::Read }))
}

/// Opens a file of ours beside the store, for its owner alone, and creates it where it is missing.
pub(super) fn open_own(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(OWNER_ONLY).open(path)
}

/// A file beside the store: its name and a suffix.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// A file beside the store that belongs to one athlete.
pub(super) fn of_athlete(path: &Path, athlete: &str, kind: &str) -> PathBuf {
    beside(path, &format!(".{}.{kind}", in_a_file_name(athlete)))
}

/// A name as part of a file's name: whatever could mean something else is written in hexadecimal.
fn in_a_file_name(name: &str) -> String {
    escaped(name.as_bytes(), b"-_.@")
}

/// Takes the rights of others away from the store and what SQLite keeps beside it; whether that holds.
pub(super) fn tighten(path: &Path) -> bool {
    for file in own_files(path).filter(|file| !is_own(file)) {
        // Some other owner's file, or a file system without modes: told, not refused.
        std::fs::set_permissions(file, Permissions::from_mode(OWNER_ONLY)).ok();
    }
    modes_hold(path)
}

/// Whether others are kept from reading the store.
pub(super) fn modes_hold(path: &Path) -> bool {
    own_files(path).all(|file| is_own(&file))
}

fn own_files(path: &Path) -> impl Iterator<Item = PathBuf> {
    ["", "-wal", "-shm"].into_iter().map(|suffix| beside(path, suffix))
}

/// A missing file shows nothing to anybody.
fn is_own(file: &Path) -> bool {
    file.metadata().map_or(true, |metadata| metadata.permissions().mode() & OTHERS == 0)
}

/// Whether nobody has the store open, nor left it in the middle of something: all of it is in the one file.
pub(super) fn is_at_rest(path: &Path) -> bool {
    !beside(path, "-wal").exists()
}

/// The name by which SQLite reads a file that nobody changes, without making any file beside it.
pub(super) fn immutable_uri(path: &Path) -> String {
    format!("file:{}?immutable=1", escaped(path.as_os_str().as_bytes(), b"/-_."))
}

fn escaped(bytes: &[u8], plain: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || plain.contains(byte) {
            text.push(char::from(*byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// Copies the store as it is now, beside it, readable by the owner alone, and durable.
pub(super) fn copy_before_migration(path: &Path, schema: u32) -> Result<PathBuf, Fault> {
    let copy = beside(path, &format!(".schema-{schema}.bak"));
    let draft = beside(path, &format!(".schema-{schema}.bak.new"));
    let failed = |error| Fault::Io { doing: format!("copy the store to {}", copy.display()), error };
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    // `VACUUM INTO` writes into an empty file that is there, and so keeps its mode.
    let file = open_own(&draft).map_err(failed)?;
    let source = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    source.busy_timeout(super::BUSY_TIMEOUT)?;
    source.execute("VACUUM INTO ?1", [as_text(&draft)?])?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&draft, &copy).map_err(failed)?;
    File::open(folder_of(&copy)).and_then(|folder| folder.sync_all()).ok();
    Ok(copy)
}

fn as_text(path: &Path) -> Result<&str, Fault> {
    path.to_str().ok_or_else(|| Fault::Io {
        doing: format!("copy the store to {}", path.display()),
        error: io::Error::new(io::ErrorKind::InvalidFilename, "the name is not UTF-8"),
    })
}

fn real_path(path: &Path) -> Result<PathBuf, StoreError> {
    let doing = || format!("open the store {}", path.display());
    let real = path.canonicalize().map_err(|error| failed(path, doing(), error))?;
    if real.is_dir() {
        return Err(failed(path, doing(), io::ErrorKind::IsADirectory.into()));
    }
    Ok(real)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn failed(path: &Path, doing: String, error: io::Error) -> StoreError {
    told(Some(path), Fault::Io { doing, error })
}
