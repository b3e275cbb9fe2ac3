//! What went wrong with the store, for people: what, and what to do now.

use std::io;
use std::path::Path;

use fitferry_core::ports::StoreError;
use rusqlite::ErrorCode;

/// What stops the work on a store.
pub(super) enum Fault {
    Sqlite(rusqlite::Error),
    Io {
        /// As in "cannot {doing}".
        doing: String,
        error: io::Error,
    },
    /// A stored document that cannot be read.
    Unreadable {
        what: String,
        why: String,
    },
    /// A document that cannot be put into its stored form.
    Unwritable(String),
    /// The file has a schema that only a newer program knows.
    Newer {
        found: u32,
        known: u32,
    },
    /// The file has an older schema and may not be written.
    Older {
        found: u32,
        known: u32,
    },
    /// Some other program's database.
    Foreign,
    /// Nothing is in it, and nothing may be put there.
    Empty,
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Fault {
        Fault::Sqlite(error)
    }
}

/// Puts a fault into words. `path` is `None` for a store in memory.
pub(super) fn told(path: Option<&Path>, fault: Fault) -> StoreError {
    let store = path.map_or_else(|| "the store in memory".to_owned(), |path| path.display().to_string());
    let (what, help) = match fault {
        Fault::Sqlite(error) => return sqlite(&store, &error),
        Fault::Io { doing, error } => return io(&store, &doing, &error),
        Fault::Unreadable { what, why } => (
            format!("{what} in {store} cannot be read: {why}"),
            format!("Update fitferry, or put an earlier copy of {store} in its place."),
        ),
        Fault::Unwritable(why) => (
            format!("{store} cannot take what it is given: {why}"),
            "Run `fitferry doctor` and report what it prints.".to_owned(),
        ),
        Fault::Newer { found, known } => (
            format!("{store} was written by a newer fitferry (schema {found}, known here up to {known})"),
            "Update fitferry, or name another file with `[store] url`.".to_owned(),
        ),
        Fault::Older { found, known } => (
            format!(
                "{store} was written by an older fitferry (schema {found}, wanted {known}) and is read-only"
            ),
            format!("Make {store} and its folder writable, so that its schema can be brought up to date."),
        ),
        Fault::Foreign => (
            format!("{store} is the database of another program"),
            "Name another file with `[store] url`.".to_owned(),
        ),
        Fault::Empty => (
            format!("{store} is empty"),
            "Run `fitferry init`, or name the right file with `[store] url`.".to_owned(),
        ),
    };
    StoreError { what, help }
}

fn sqlite(store: &str, error: &rusqlite::Error) -> StoreError {
    let code = error.sqlite_error_code();
    let (what, help) = match code {
        Some(ErrorCode::NotADatabase) => (
            format!("{store} is not a database of fitferry"),
            format!("Move {store} away, or name another file with `[store] url`."),
        ),
        Some(ErrorCode::DatabaseCorrupt) => (
            format!("{store} is damaged ({error})"),
            format!(
                "Put an earlier copy of {store} in its place, or move it away and run `fitferry init`: \
                 what is on Strava is found there again."
            ),
        ),
        Some(ErrorCode::DiskFull) => (
            format!("there is no room to write {store}"),
            format!("Free some space on the disk of {store} and run the command again."),
        ),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => (
            format!("{store} cannot be written ({error})"),
            format!("Make {store} and its folder writable for the user who runs fitferry."),
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            format!("{store} is locked by another program"),
            format!("Close the program that has {store} open and run the command again."),
        ),
        Some(ErrorCode::CannotOpen) => (
            format!("{store} cannot be opened ({error})"),
            format!("Give the user who runs fitferry the right to read and write {store} and its folder."),
        ),
        Some(
            ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed | ErrorCode::NoLargeFileSupport,
        ) => (
            format!("{store} cannot be read or written ({error})"),
            format!("Check the disk of {store}, or move the store to a local one with `[store] url`."),
        ),
        _ => (
            format!("{store} cannot be used ({error})"),
            "Run `fitferry doctor` and report what it prints.".to_owned(),
        ),
    };
    StoreError { what, help }
}

fn io(store: &str, doing: &str, error: &io::Error) -> StoreError {
    let help = match error.kind() {
        io::ErrorKind::NotFound => {
            "Run `fitferry init`, or name the right file with `[store] url`.".to_owned()
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            format!("Make {store} and its folder writable for the user who runs fitferry.")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("Free some space on the disk of {store} and run the command again.")
        }
        io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => {
            "Name a file, not a folder, with `[store] url`.".to_owned()
        }
        _ => format!("Check the disk of {store}, or move the store to a local one with `[store] url`."),
    };
    StoreError { what: format!("cannot {doing}: {error}"), help }
}
