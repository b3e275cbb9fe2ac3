//! The tables, and how a file comes from any schema that ever shipped to the current one.
//!
//! The number of a schema is `PRAGMA user_version`; 0 is a file that has none. A step is SQL that takes a
//! file from one number to the next; all steps that are missing run in one transaction, after a copy of the
//! file was made. A shipped step is never changed: `tests/it/schemas/` keeps what each of them made.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::error::Fault;
use super::files;

/// "fitf": tells our files from those of other programs.
const APPLICATION_ID: i64 = 0x6669_7466;

/// Step n makes schema n + 1 out of schema n.
const STEPS: &[&str] = &[
    // Times are text of fixed width, so that their order as text is their order in time.
    "
    CREATE TABLE athlete (
        name         TEXT PRIMARY KEY,
        fence        INTEGER NOT NULL DEFAULT 0,  -- the newest lease's number
        head         TEXT,                        -- JSON
        head_version INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE activity (
        athlete    TEXT NOT NULL,
        id         INTEGER NOT NULL,              -- Garmin's
        version    INTEGER NOT NULL,
        state      TEXT NOT NULL,
        start      TEXT,                          -- UTC
        day        TEXT,                          -- on the runner's calendar
        first_seen TEXT NOT NULL,                 -- UTC
        row        TEXT NOT NULL,                 -- JSON, of which the columns before are a part
        PRIMARY KEY (athlete, id)
    ) STRICT;

    CREATE INDEX activity_by_start ON activity (athlete, coalesce(start, first_seen), id);

    CREATE INDEX activity_open ON activity (athlete, coalesce(start, first_seen), id)
        WHERE state IN ('wanted', 'submitting', 'submitted');

    CREATE TABLE secret (
        athlete TEXT NOT NULL,
        name    TEXT NOT NULL,
        version INTEGER NOT NULL,                 -- goes on counting when the value is removed
        value   TEXT,
        PRIMARY KEY (athlete, name)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE budget (
        app     TEXT PRIMARY KEY,                 -- Strava's client id
        account TEXT NOT NULL                     -- JSON
    ) STRICT, WITHOUT ROWID;
    ",
];

/// How often within [`super::BUSY_TIMEOUT`] a new file is tried to be set up while others do the same.
const TRIES: u32 = 500;

/// Brings the file to the current schema; where it has it, nothing is written.
pub(super) fn ensure(connection: &mut Connection, path: Option<&Path>) -> Result<(), Fault> {
    bring_to(connection, path, STEPS)
}

/// Makes sure that a file which must not be written has the current schema.
pub(super) fn check(connection: &Connection) -> Result<(), Fault> {
    let known = number_of(STEPS);
    match found(connection)? {
        0 => Err(Fault::Empty),
        found if found < known => Err(Fault::Older { found, known }),
        found if found > known => Err(Fault::Newer { found, known }),
        _ => Ok(()),
    }
}

fn bring_to(connection: &mut Connection, path: Option<&Path>, steps: &[&str]) -> Result<(), Fault> {
    let known = number_of(steps);
    let mut tries = 0;
    loop {
        match found(connection)? {
            found if found == known => return Ok(()),
            found if found > known => return Err(Fault::Newer { found, known }),
            0 => {}
            _ => break,
        }
        // The file remembers its journal. A file system without shared memory stays with the one that SQLite
        // has by default, which is as safe.
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Ok(()) => break,
            // SQLite does not wait here for another process, which creates the same store.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && tries < TRIES => {
                tries += 1;
                std::thread::sleep(super::BUSY_TIMEOUT / TRIES);
            }
            Err(error) => return Err(error.into()),
        }
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    step_by_step(&transaction, path, steps)?;
    transaction.commit()?;
    Ok(())
}

fn step_by_step(transaction: &Transaction, path: Option<&Path>, steps: &[&str]) -> Result<(), Fault> {
    let known = number_of(steps);
    // Read again: another process may have done it while this one waited for its turn.
    let from = match found(transaction)? {
        from if from == known => return Ok(()),
        found if found > known => return Err(Fault::Newer { found, known }),
        from => from,
    };
    if let Some(path) = path.filter(|_| from > 0) {
        // Others cannot write while this transaction lasts: the copy is what the steps begin with.
        files::copy_before_migration(path, from)?;
    }
    for step in steps.iter().skip(usize::try_from(from).unwrap_or(usize::MAX)) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", known)?;
    Ok(())
}

/// The number of the file's schema; 0 for a file without anything in it.
fn found(connection: &Connection) -> Result<u32, Fault> {
    // One statement, so that another process which creates the store meanwhile is seen wholly or not at all.
    let (schema, application, has_tables): (i64, i64, bool) = connection.query_row(
        "SELECT user_version, application_id, EXISTS (SELECT 1 FROM sqlite_schema)
         FROM pragma_user_version, pragma_application_id",
        [],
        |found| Ok((found.get(0)?, found.get(1)?, found.get(2)?)),
    )?;
    match u32::try_from(schema) {
        Ok(0) if application == 0 && !has_tables => Ok(0),
        Ok(schema) if schema > 0 && application == APPLICATION_ID => Ok(schema),
        _ => Err(Fault::Foreign),
    }
}

fn number_of(steps: &[&str]) -> u32 {
    u32::try_from(steps.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const NEXT: &str = "ALTER TABLE budget ADD COLUMN colour TEXT; UPDATE budget SET colour = 'blue';";

    #[test]
    fn a_migration_keeps_what_is_there_and_leaves_a_copy_from_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = first_schema_with_one_budget(&folder);
        let mut connection = Connection::open(&path).unwrap();
        assert!(bring_to(&mut connection, Some(&path), &[STEPS[0], NEXT]).is_ok());
        assert_eq!(text(&connection, "SELECT app || colour FROM budget"), "7blue");
        assert_eq!(number(&connection), 2);

        let copy = files::beside(&path, ".schema-1.bak");
        assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!files::beside(&path, ".schema-1.bak.new").exists());
        let before = Connection::open(&copy).unwrap();
        assert_eq!(text(&before, "SELECT app FROM budget"), "7");
        assert_eq!(number(&before), 1);
        assert!(ensure(&mut Connection::open(&copy).unwrap(), Some(&copy)).is_ok());
    }

    #[test]
    fn a_migration_that_fails_changes_nothing_and_can_be_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = first_schema_with_one_budget(&folder);
        let mut connection = Connection::open(&path).unwrap();
        let broken = "ALTER TABLE budget ADD COLUMN colour TEXT; SELECT nonsense;";
        for _ in 0..2 {
            assert!(bring_to(&mut connection, Some(&path), &[STEPS[0], broken]).is_err());
            assert_eq!(number(&connection), 1);
        }
        assert!(bring_to(&mut connection, Some(&path), &[STEPS[0], NEXT]).is_ok());
        assert_eq!(text(&connection, "SELECT app || colour FROM budget"), "7blue");
    }

    #[test]
    fn of_two_processes_that_migrate_the_second_finds_it_done() {
        let folder = tempfile::tempdir().unwrap();
        let path = first_schema_with_one_budget(&folder);
        let steps = [STEPS[0], NEXT];
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut connection = Connection::open(&path).unwrap();
                    connection.busy_timeout(super::super::BUSY_TIMEOUT).unwrap();
                    assert!(bring_to(&mut connection, Some(&path), &steps).is_ok());
                });
            }
        });
    }

    #[test]
    fn a_schema_that_is_current_needs_no_copy() {
        let folder = tempfile::tempdir().unwrap();
        let path = first_schema_with_one_budget(&folder);
        assert!(bring_to(&mut Connection::open(&path).unwrap(), Some(&path), &STEPS[..1]).is_ok());
        assert!(!files::beside(&path, ".schema-1.bak").exists());
    }

    #[test]
    fn an_older_schema_is_told_where_the_file_may_not_be_written() {
        let connection = Connection::open_in_memory().unwrap();
        assert!(matches!(check(&connection), Err(Fault::Empty)));
        connection.execute_batch("PRAGMA application_id = 1718187110; PRAGMA user_version = 99").unwrap();
        assert!(matches!(check(&connection), Err(Fault::Newer { found: 99, .. })));
    }

    fn first_schema_with_one_budget(folder: &tempfile::TempDir) -> std::path::PathBuf {
        let path = folder.path().join("fitferry.db");
        let mut connection = Connection::open(&path).unwrap();
        assert!(bring_to(&mut connection, Some(&path), &STEPS[..1]).is_ok());
        connection.execute("INSERT INTO budget VALUES ('7', '{}')", []).unwrap();
        path
    }

    fn text(connection: &Connection, query: &str) -> String {
        connection.query_row(query, [], |found| found.get(0)).unwrap()
    }

    fn number(connection: &Connection) -> u32 {
        found(connection).ok().unwrap()
    }
}
