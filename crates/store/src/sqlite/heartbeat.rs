//! The heartbeat: when an athlete's last tick was, as the time of a file beside the store, so that an idle
//! tick tells that it was there without writing to the store.

use std::io;
use std::path::Path;
use std::time::SystemTime;

use fitferry_core::ports::StoreError;
use jiff::Timestamp;

use super::error::Fault;
use super::{Place, SqliteStore, files, locked};

impl SqliteStore {
    /// Notes that a tick of this athlete took place at `now`.
    pub fn touch_heartbeat(&self, athlete: &str, now: Timestamp) -> Result<(), StoreError> {
        match &self.0.place {
            Place::File(path) => {
                let file = files::of_athlete(path, athlete, "tick");
                touch(&file, now).map_err(|error| {
                    self.told(Fault::Io { doing: format!("touch {}", file.display()), error })
                })
            }
            Place::Memory(beside) => {
                locked(&beside.ticks).insert(athlete.to_owned(), now);
                Ok(())
            }
        }
    }

    /// When the last tick took place, as exactly as the file system keeps it; `None` where none did.
    pub fn last_heartbeat(&self, athlete: &str) -> Result<Option<Timestamp>, StoreError> {
        match &self.0.place {
            Place::File(path) => {
                let file = files::of_athlete(path, athlete, "tick");
                match file.metadata().and_then(|metadata| metadata.modified()) {
                    Ok(time) => Ok(Timestamp::try_from(time).ok()),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(error) => {
                        Err(self.told(Fault::Io { doing: format!("look at {}", file.display()), error }))
                    }
                }
            }
            Place::Memory(beside) => Ok(locked(&beside.ticks).get(athlete).copied()),
        }
    }
}

fn touch(file: &Path, now: Timestamp) -> io::Result<()> {
    let time = SystemTime::try_from(now).map_err(io::Error::other)?;
    files::open_own(file)?.set_modified(time)
}
