//! *SQLite*: everything in one file on one machine.
//!
//! One connection, and plain blocking calls inside the async functions: each takes well under a
//! millisecond, on a runtime with one thread that has nothing else to do meanwhile. A read is one
//! statement, a write is one immediate transaction whose conditions are checked before anything is
//! changed; so a conflict leaves nothing behind, and two processes never interleave.
//!
//! The parts: [`files`] (paths, modes, the copy before a migration), [`schema`] (tables and their versions),
//! [`error`] (what went wrong, for people), and one file for each port.

mod budget;
mod error;
mod files;
mod heartbeat;
mod lease;
mod ledger;
mod schema;
mod vault;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fitferry_core::ports::StoreError;
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use self::error::{Fault, told};
use self::files::Access;
use crate::secret::Secret;

/// How long a statement waits for another process to finish its own.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A store in one SQLite file. Cheap to clone; the clones share one connection.
///
/// It is the budget of all apps itself, and hands out the rest for each athlete.
#[derive(Clone)]
pub struct SqliteStore(Arc<Inner>);

struct Inner {
    connection: Mutex<Connection>,
    place: Place,
    modes_hold: bool,
    reads: AtomicU64,
    writes: AtomicU64,
}

/// Where the store and what lies beside it are.
enum Place {
    /// The real path, so that whoever opens the file through a link meets the same locks.
    File(PathBuf),
    Memory(Beside),
}

/// What lies beside a store that has no file: the athletes whose lease is taken, and the heartbeats.
#[derive(Default)]
struct Beside {
    taken: Arc<Mutex<BTreeSet<String>>>,
    ticks: Mutex<BTreeMap<String, Timestamp>>,
}

/// One run's door to one athlete: ledger, vault and lease.
///
/// Two of them, even of one athlete and in one process, are two runs and exclude each other through the
/// lease. It is given up when the last owner of this value drops it.
pub struct AthleteStore {
    store: SqliteStore,
    athlete: String,
    /// Garmin's bearer as the last reading of the head found it; `None` where the head was not read.
    bearer: Mutex<Option<Option<Secret>>>,
    held: Mutex<Option<lease::Held>>,
}

impl SqliteStore {
    /// Opens the store, and creates it where there is none: the file for its owner alone before SQLite
    /// sees it, and missing folders likewise. A store of an older schema is migrated, after a copy was
    /// made. Where the schema is current, nothing is written.
    pub fn open(path: &Path) -> Result<SqliteStore, StoreError> {
        let path = files::create(path)?;
        SqliteStore::open_at(path, Access::Write)
    }

    /// Opens a store for commands that only read. Creates none; and where the file or its folder cannot
    /// be written, as on a read-only medium, it is opened all the same.
    pub fn open_for_reading(path: &Path) -> Result<SqliteStore, StoreError> {
        let (path, access) = files::find(path)?;
        SqliteStore::open_at(path, access)
    }

    /// A store that ends with the process, with a lease that its handles take from each other.
    pub fn open_in_memory() -> Result<SqliteStore, StoreError> {
        let place = Place::Memory(Beside::default());
        let opened = Connection::open_in_memory().map_err(Fault::from).and_then(|mut connection| {
            set_up(&connection)?;
            schema::ensure(&mut connection, None)?;
            Ok(connection)
        });
        match opened {
            Ok(connection) => Ok(SqliteStore::new(connection, place, true)),
            Err(fault) => Err(told(None, fault)),
        }
    }

    fn open_at(path: PathBuf, access: Access) -> Result<SqliteStore, StoreError> {
        let modes_hold = match access {
            Access::Write => files::tighten(&path),
            Access::Read => files::modes_hold(&path),
        };
        let opened = connect(&path, access).and_then(|mut connection| {
            match access {
                Access::Write => schema::ensure(&mut connection, Some(&path))?,
                Access::Read => schema::check(&connection)?,
            }
            Ok(connection)
        });
        match opened {
            Ok(connection) => Ok(SqliteStore::new(connection, Place::File(path), modes_hold)),
            Err(fault) => Err(told(Some(&path), fault)),
        }
    }

    fn new(connection: Connection, place: Place, modes_hold: bool) -> SqliteStore {
        SqliteStore(Arc::new(Inner {
            connection: Mutex::new(connection),
            place,
            modes_hold,
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
        }))
    }

    /// A door to one athlete, for one run. The athlete need not be known yet.
    pub fn athlete(&self, name: &str) -> AthleteStore {
        AthleteStore {
            store: self.clone(),
            athlete: name.to_owned(),
            bearer: Mutex::new(None),
            held: Mutex::new(None),
        }
    }

    /// Everyone of whom something is kept, by name.
    pub fn athletes(&self) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT name FROM athlete UNION SELECT athlete FROM secret WHERE value IS NOT NULL ORDER BY 1",
            )?;
            let names = statement.query_map([], |found| found.get(0))?.collect::<Result<_, _>>()?;
            Ok(names)
        })
    }

    /// The file; `None` for a store in memory.
    pub fn path(&self) -> Option<&Path> {
        match &self.0.place {
            Place::File(path) => Some(path),
            Place::Memory(_) => None,
        }
    }

    /// Whether the file system keeps the store from the eyes of others. If not, the store works and
    /// `doctor` tells.
    pub fn modes_hold(&self) -> bool {
        self.0.modes_hold
    }

    /// Looks through the whole file for damage; what it finds, as SQLite says it. Empty: none.
    pub fn quick_check(&self) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare("PRAGMA quick_check(20)")?;
            let mut lines =
                statement.query_map([], |found| found.get(0))?.collect::<Result<Vec<String>, _>>()?;
            lines.retain(|line| line != "ok");
            Ok(lines)
        })
    }

    /// How often this store was read since it was opened.
    pub fn reads(&self) -> u64 {
        self.0.reads.load(Ordering::Relaxed)
    }

    /// How many transactions for writing this store began since it was opened.
    pub fn writes(&self) -> u64 {
        self.0.writes.load(Ordering::Relaxed)
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.0.reads.fetch_add(1, Ordering::Relaxed);
        work(&locked(&self.0.connection)).map_err(|fault| self.told(fault))
    }

    /// One immediate transaction: kept if the work succeeds, undone if not.
    fn write<T>(&self, work: impl FnOnce(&Transaction) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.0.writes.fetch_add(1, Ordering::Relaxed);
        let mut connection = locked(&self.0.connection);
        let transact = || -> Result<T, Fault> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        transact().map_err(|fault| self.told(fault))
    }

    fn told(&self, fault: Fault) -> StoreError {
        told(self.path(), fault)
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path()).finish_non_exhaustive()
    }
}

impl AthleteStore {
    pub fn name(&self) -> &str {
        &self.athlete
    }

    pub fn store(&self) -> &SqliteStore {
        &self.store
    }
}

impl fmt::Debug for AthleteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AthleteStore")
            .field("store", &self.store)
            .field("athlete", &self.athlete)
            .finish_non_exhaustive()
    }
}

/// Opens a file that exists. No flag for names that are URIs where the name is a person's: a file may be
/// called anything.
fn connect(path: &Path, access: Access) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match access {
        Access::Write => Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_READ_WRITE)?,
        Access::Read if files::is_at_rest(path) => Connection::open_with_flags(
            files::immutable_uri(path),
            flags | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
        )?,
        Access::Read => Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_READ_ONLY)?,
    };
    set_up(&connection)?;
    Ok(connection)
}

/// What a connection forgets when it closes; nothing here writes.
fn set_up(connection: &Connection) -> Result<(), Fault> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    if cfg!(target_os = "macos") {
        connection.pragma_update(None, "fullfsync", true)?;
        connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    }
    // What is removed or replaced is overwritten: there are secrets among it.
    connection.pragma_update(None, "secure_delete", true)?;
    // A file from elsewhere may not bring its own functions and views to run.
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(())
}

/// A panic elsewhere leaves no half-done work behind: what a transaction did not commit is undone.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
