//! The lease: a lock of the operating system on one file per athlete, and a number in the store.
//!
//! The kernel frees the lock when the process dies, however it dies, so nothing is ever left to be cleaned
//! up, and the file stays for good: to delete it would let two runs hold two locks. The number, the fence,
//! grows with every taking; a write under an older one is refused even where the lock did not hold, as on
//! a file system that only claims to have locks.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use fitferry_core::ports::{Fence, Lease, StoreError};
use jiff::Timestamp;

use super::error::Fault;
use super::ledger::newest_fence;
use super::{AthleteStore, Place, files, locked};

/// A lease that a run holds, until it is dropped.
pub(super) struct Held {
    fence: Fence,
    _lock: Lock,
}

/// What keeps others out; dropping it lets them in.
enum Lock {
    File(File),
    Memory { taken: Arc<Mutex<BTreeSet<String>>>, athlete: String },
}

impl Drop for Lock {
    fn drop(&mut self) {
        match self {
            // Said, and not left to the closing: a child process that is just being started may have a copy
            // of the open file for a moment, and with it the lock.
            Lock::File(file) => {
                file.unlock().ok();
            }
            Lock::Memory { taken, athlete } => {
                locked(taken).remove(athlete);
            }
        }
    }
}

#[async_trait]
impl Lease for AthleteStore {
    /// The lock lasts as long as the process: it has no end that `until` could set.
    async fn take(&self, _until: Timestamp) -> Result<Option<Fence>, StoreError> {
        let mut held = locked(&self.held);
        if let Some(held) = held.as_ref() {
            return Ok(Some(held.fence));
        }
        let Some(lock) = self.lock()? else { return Ok(None) };
        let fence = self.store.write(|transaction| {
            let fence: i64 = transaction
                .prepare_cached(
                    "INSERT INTO athlete (name, fence) VALUES (?1, 1)
                     ON CONFLICT (name) DO UPDATE SET fence = fence + 1 RETURNING fence",
                )?
                .query_row([&self.athlete], |found| found.get(0))?;
            Ok(Fence(fence.cast_unsigned()))
        })?;
        *held = Some(Held { fence, _lock: lock });
        Ok(Some(fence))
    }

    async fn renew(&self, _until: Timestamp) -> Result<bool, StoreError> {
        let mut held = locked(&self.held);
        let Some(fence) = held.as_ref().map(|held| held.fence) else { return Ok(false) };
        let newest = self.store.read(|connection| newest_fence(connection, &self.athlete))?;
        if newest > fence {
            *held = None;
        }
        Ok(newest <= fence)
    }

    async fn release(&self) -> Result<(), StoreError> {
        *locked(&self.held) = None;
        Ok(())
    }

    fn held(&self) -> Option<Fence> {
        locked(&self.held).as_ref().map(|held| held.fence)
    }
}

impl AthleteStore {
    /// Takes what keeps others out; `None` where another run has it.
    fn lock(&self) -> Result<Option<Lock>, StoreError> {
        match &self.store.0.place {
            Place::File(path) => {
                let file = files::of_athlete(path, &self.athlete, "lock");
                let lock = lock_file(&file).map_err(|error| {
                    let doing = format!("lock {}", file.display());
                    self.store.told(Fault::Io { doing, error })
                })?;
                Ok(lock.map(Lock::File))
            }
            Place::Memory(beside) => {
                let is_free = locked(&beside.taken).insert(self.athlete.clone());
                Ok(is_free.then(|| Lock::Memory {
                    taken: Arc::clone(&beside.taken),
                    athlete: self.athlete.clone(),
                }))
            }
        }
    }
}

/// How often a file that was deleted between opening and locking it is opened again.
const TRIES: u32 = 5;

/// A file is locked for whoever opened it, and the standard library hands no open file to a child process.
fn lock_file(path: &Path) -> io::Result<Option<File>> {
    for _ in 0..TRIES {
        let file = files::open_own(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // A lock on a file that has lost its name keeps nobody out.
        if is_still_there(&file, path)? {
            return Ok(Some(file));
        }
    }
    Err(io::Error::other("something deletes the file again and again"))
}

fn is_still_there(file: &File, path: &Path) -> io::Result<bool> {
    let locked = file.metadata()?;
    match path.metadata() {
        Ok(named) => Ok((named.dev(), named.ino()) == (locked.dev(), locked.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
