//! The ledger: a row is a document, with what is searched by beside it in columns.

use std::collections::BTreeSet;

use async_trait::async_trait;
use fitferry_core::activity::GarminId;
use fitferry_core::head::Head;
use fitferry_core::ledger::{Counts, Row, StateName};
use fitferry_core::ports::{Fence, Filter, Ledger, PutError, SecretName, StoreError, Version};
use jiff::Timestamp;
use jiff::tz::Offset;
use rusqlite::{Connection, OptionalExtension, ToSql, Transaction, named_params, params};

use super::error::Fault;
use super::vault::secret_of;
use super::{AthleteStore, locked};
use crate::{head, row};

#[async_trait]
impl Ledger for AthleteStore {
    async fn head(&self) -> Result<(Head, Version), StoreError> {
        let (found, version, bearer) = self.store.read(|connection| {
            // Garmin's bearer lies beside the head, so that an idle tick needs this one statement.
            let mut statement = connection.prepare_cached(
                "SELECT athlete.head, athlete.head_version, secret.value, secret.version
                 FROM (SELECT :athlete AS name) AS asked
                 LEFT JOIN athlete USING (name)
                 LEFT JOIN secret ON secret.athlete = asked.name AND secret.name = :bearer",
            )?;
            let (document, version, value, secret_version) = statement.query_row(
                named_params! { ":athlete": self.athlete, ":bearer": SecretName::GarminBearer.key() },
                |found| {
                    let document: Option<String> = found.get(0)?;
                    let version: Option<i64> = found.get(1)?;
                    Ok((document, version, found.get(2)?, found.get(3)?))
                },
            )?;
            let read = match document {
                Some(document) => head::read(&document).map_err(|why| Fault::Unreadable {
                    what: format!("the head of {}", self.athlete),
                    why,
                })?,
                None => Head::default(),
            };
            Ok((read, version_of(version.unwrap_or(0)), secret_of(value, secret_version)))
        })?;
        *locked(&self.bearer) = Some(bearer);
        Ok((found, version))
    }

    async fn put_head(&self, expected: Version, head: &Head, fence: Fence) -> Result<Version, PutError> {
        let put = self.store.write(|transaction| {
            let document = head::write(head).map_err(Fault::Unwritable)?;
            if !self.fence_holds(transaction, fence)? {
                return Ok(None);
            }
            let version: Option<i64> = transaction
                .prepare_cached("SELECT head_version FROM athlete WHERE name = ?1")?
                .query_row([&self.athlete], |found| found.get(0))
                .optional()?;
            let Some(next) = next_version(version, expected) else { return Ok(None) };
            transaction
                .prepare_cached(
                    "INSERT INTO athlete (name, head, head_version) VALUES (?1, ?2, ?3)
                     ON CONFLICT (name) DO UPDATE SET head = ?2, head_version = ?3",
                )?
                .execute(params![self.athlete, document, next.0.cast_signed()])?;
            Ok(Some(next))
        })?;
        put.ok_or(PutError::Conflict)
    }

    async fn get(&self, id: GarminId) -> Result<Option<(Row, Version)>, StoreError> {
        self.store.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT id, version, row FROM activity WHERE athlete = ?1 AND id = ?2")?;
            let stored = statement.query_row(params![self.athlete, column(id)], Stored::take).optional()?;
            stored.map(Stored::read).transpose()
        })
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<Row>, StoreError> {
        let state = filter.state.map(StateName::key);
        let since = filter.since.map(|date| date.to_string());
        // SQLite takes a negative limit as none.
        let limit = filter.limit.map_or(-1, i64::from);
        let mut statement = "SELECT id, version, row FROM activity WHERE athlete = :athlete".to_owned();
        let mut values: Vec<(&str, &dyn ToSql)> = vec![(":athlete", &self.athlete), (":limit", &limit)];
        if let Some(state) = &state {
            statement += " AND state = :state";
            values.push((":state", state));
        }
        if let Some(since) = &since {
            // A row without any date is listed by the day on which it was first seen.
            statement += " AND coalesce(day, substr(first_seen, 1, 10)) >= :since";
            values.push((":since", since));
        }
        statement += " ORDER BY coalesce(start, first_seen) DESC, id DESC LIMIT :limit";
        let found = self.store.read(|connection| rows(connection, &statement, &values))?;
        Ok(found.into_iter().map(|(row, _)| row).collect())
    }

    async fn known(&self, ids: &[GarminId]) -> Result<BTreeSet<GarminId>, StoreError> {
        // One parameter for all of them: the number of parameters is limited.
        let asked: Vec<i64> = ids.iter().map(|id| column(*id)).collect();
        self.store.read(|connection| {
            let asked =
                serde_json::to_string(&asked).map_err(|error| Fault::Unwritable(error.to_string()))?;
            let mut statement = connection.prepare_cached(
                "SELECT id FROM activity WHERE athlete = ?1 AND id IN (SELECT value FROM json_each(?2))",
            )?;
            let known = statement
                .query_map(params![self.athlete, asked], |found| Ok(id_of(found.get(0)?)))?
                .collect::<Result<_, _>>()?;
            Ok(known)
        })
    }

    async fn open(&self) -> Result<Vec<(Row, Version)>, StoreError> {
        self.store.read(|connection| rows(connection, OPEN, &[(":athlete", &self.athlete)]))
    }

    async fn put(&self, row: &Row, expected: Version, fence: Fence) -> Result<Version, PutError> {
        let put = self.store.write(|transaction| {
            let columns = Columns::of(row)?;
            if !self.fence_holds(transaction, fence)? {
                return Ok(None);
            }
            let version: Option<i64> = transaction
                .prepare_cached("SELECT version FROM activity WHERE athlete = ?1 AND id = ?2")?
                .query_row(params![self.athlete, columns.id], |found| found.get(0))
                .optional()?;
            let Some(next) = next_version(version, expected) else { return Ok(None) };
            columns.put(
                transaction,
                &self.athlete,
                next,
                "ON CONFLICT (athlete, id) DO UPDATE SET version = :version, state = :state, start = :start,
                 day = :day, first_seen = :first_seen, row = :row",
            )?;
            Ok(Some(next))
        })?;
        put.ok_or(PutError::Conflict)
    }

    async fn add(&self, rows: &[Row], fence: Fence) -> Result<Vec<GarminId>, PutError> {
        let added = self.store.write(|transaction| {
            if !self.fence_holds(transaction, fence)? {
                return Ok(None);
            }
            let mut added = Vec::new();
            for row in rows {
                let columns = Columns::of(row)?;
                let first = Version(Version::ABSENT.0 + 1);
                if columns.put(transaction, &self.athlete, first, "ON CONFLICT DO NOTHING")? > 0 {
                    added.push(row.id());
                }
            }
            Ok(Some(added))
        })?;
        added.ok_or(PutError::Conflict)
    }

    async fn count(&self) -> Result<Counts, StoreError> {
        self.store.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT state, count(*) FROM activity WHERE athlete = ?1 GROUP BY state")?;
            let mut found = statement.query([&self.athlete])?;
            let mut counts = Counts::default();
            while let Some(group) = found.next()? {
                let key: String = group.get(0)?;
                let count: i64 = group.get(1)?;
                let state = StateName::from_key(&key).ok_or_else(|| Fault::Unreadable {
                    what: format!("the state of {count} activities"),
                    why: format!("the state `{key}` is not known"),
                })?;
                counts.set(state, count.cast_unsigned());
            }
            Ok(counts)
        })
    }
}

/// The same words as the index has: SQLite uses a partial index only where it finds them again.
pub(super) const OPEN: &str = "SELECT id, version, row FROM activity
    WHERE athlete = :athlete AND state IN ('wanted', 'submitting', 'submitted')
    ORDER BY coalesce(start, first_seen), id";

impl AthleteStore {
    /// Whether no newer lease has been taken.
    fn fence_holds(&self, transaction: &Transaction, fence: Fence) -> Result<bool, Fault> {
        Ok(fence >= newest_fence(transaction, &self.athlete)?)
    }
}

/// The number of the newest lease that was taken.
pub(super) fn newest_fence(connection: &Connection, athlete: &str) -> Result<Fence, Fault> {
    let newest: Option<i64> = connection
        .prepare_cached("SELECT fence FROM athlete WHERE name = ?1")?
        .query_row([athlete], |found| found.get(0))
        .optional()?;
    Ok(Fence(newest.unwrap_or(0).cast_unsigned()))
}

/// The version after a write, or `None` where the item is not as the writer believed.
pub(super) fn next_version(stored: Option<i64>, expected: Version) -> Option<Version> {
    let stored = version_of(stored.unwrap_or(0));
    (stored == expected).then(|| Version(stored.0 + 1))
}

pub(super) fn version_of(column: i64) -> Version {
    Version(column.cast_unsigned())
}

/// SQLite's numbers have a sign; every id has its own all the same.
fn column(id: GarminId) -> i64 {
    id.0.cast_signed()
}

fn id_of(column: i64) -> GarminId {
    GarminId(column.cast_unsigned())
}

/// Text of fixed width, which sorts as time goes.
fn sortable(moment: Timestamp) -> String {
    format!("{moment:.9}")
}

/// A row as it lies in its table.
struct Columns {
    id: i64,
    state: &'static str,
    start: Option<String>,
    day: Option<String>,
    first_seen: String,
    document: String,
}

impl Columns {
    fn of(row: &Row) -> Result<Columns, Fault> {
        let day = row.day().or_else(|| row.start().map(|start| Offset::UTC.to_datetime(start).date()));
        Ok(Columns {
            id: column(row.id()),
            state: row.state.name().key(),
            start: row.start().map(sortable),
            day: day.map(|day| day.to_string()),
            first_seen: sortable(row.first_seen),
            document: row::write(row).map_err(Fault::Unwritable)?,
        })
    }

    /// Inserts it; how many rows that changed.
    fn put(
        &self,
        transaction: &Transaction,
        athlete: &str,
        version: Version,
        on_conflict: &str,
    ) -> Result<usize, Fault> {
        let changed = transaction
            .prepare_cached(&format!(
                "INSERT INTO activity (athlete, id, version, state, start, day, first_seen, row)
                 VALUES (:athlete, :id, :version, :state, :start, :day, :first_seen, :row) {on_conflict}"
            ))?
            .execute(named_params! {
                ":athlete": athlete,
                ":id": self.id,
                ":version": version.0.cast_signed(),
                ":state": self.state,
                ":start": self.start,
                ":day": self.day,
                ":first_seen": self.first_seen,
                ":row": self.document,
            })?;
        Ok(changed)
    }
}

/// A row as it was found, not yet read.
struct Stored {
    id: GarminId,
    version: Version,
    document: String,
}

impl Stored {
    fn take(found: &rusqlite::Row<'_>) -> rusqlite::Result<Stored> {
        Ok(Stored { id: id_of(found.get(0)?), version: version_of(found.get(1)?), document: found.get(2)? })
    }

    fn read(self) -> Result<(Row, Version), Fault> {
        let row = row::read(&self.document)
            .map_err(|why| Fault::Unreadable { what: format!("activity {}", self.id), why })?;
        Ok((row, self.version))
    }
}

fn rows(
    connection: &Connection,
    statement: &str,
    values: &[(&str, &dyn ToSql)],
) -> Result<Vec<(Row, Version)>, Fault> {
    let mut statement = connection.prepare_cached(statement)?;
    let mut found = statement.query(values)?;
    let mut rows = Vec::new();
    while let Some(stored) = found.next()? {
        rows.push(Stored::take(stored)?.read()?);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use fitferry_core::activity::Listed;
    use fitferry_core::ledger::State;

    use super::*;
    use crate::SqliteStore;

    #[test]
    fn open_rows_are_found_through_their_own_index_and_need_no_sorting() {
        let store = SqliteStore::open_in_memory().unwrap();
        let plan = locked(&store.0.connection)
            .prepare(&format!("EXPLAIN QUERY PLAN {OPEN}"))
            .unwrap()
            .query_map(["anna"], |found| found.get::<_, String>(3))
            .unwrap()
            .collect::<Result<Vec<String>, _>>()
            .unwrap();
        assert_eq!(plan, ["SEARCH activity USING INDEX activity_open (athlete=?)"]);
    }

    #[tokio::test]
    async fn a_full_disk_is_told_and_what_was_kept_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("fitferry.db")).unwrap();
        let run = store.athlete("anna");
        let small = Row::seen(Listed::bare(GarminId(1)), State::Wanted, Timestamp::UNIX_EPOCH);
        let version = run.put(&small, Version::ABSENT, Fence(0)).await.unwrap();
        {
            let connection = locked(&store.0.connection);
            let pages: i64 = connection.query_row("PRAGMA page_count", [], |found| found.get(0)).unwrap();
            let limit = format!("PRAGMA max_page_count = {pages}");
            connection.query_row(&limit, [], |_| Ok(())).unwrap();
        }
        let mut large = small.clone();
        large.note(Timestamp::UNIX_EPOCH, "x".repeat(100_000));
        let Err(PutError::Store(error)) = run.put(&large, version, Fence(0)).await else {
            panic!("a full disk was not told")
        };
        assert!(error.what.starts_with("there is no room to write "), "{error:?}");
        assert!(error.help.starts_with("Free some space "), "{error:?}");
        assert_eq!(Ledger::get(&run, GarminId(1)).await.unwrap(), Some((small.clone(), version)));
        run.put(&small, version, Fence(0)).await.unwrap();
    }

    #[tokio::test]
    async fn a_store_that_another_program_keeps_to_itself_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fitferry.db");
        let store = SqliteStore::open(&path).unwrap();
        locked(&store.0.connection).busy_timeout(std::time::Duration::ZERO).unwrap();
        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let row = Row::seen(Listed::bare(GarminId(1)), State::Wanted, Timestamp::UNIX_EPOCH);
        let Err(PutError::Store(error)) = store.athlete("anna").put(&row, Version::ABSENT, Fence(0)).await
        else {
            panic!("a locked store was not told")
        };
        assert!(error.what.ends_with("fitferry.db is locked by another program"), "{error:?}");
        assert!(error.help.starts_with("Close the program that has "), "{error:?}");
    }

    #[tokio::test]
    async fn an_unreadable_row_is_told_with_its_id() {
        let store = SqliteStore::open_in_memory().unwrap();
        let run = store.athlete("anna");
        let row = Row::seen(Listed::bare(GarminId(77)), State::Wanted, Timestamp::UNIX_EPOCH);
        run.put(&row, Version::ABSENT, Fence(0)).await.unwrap();
        locked(&store.0.connection)
            .execute("UPDATE activity SET row = replace(row, 'wanted', 'dreamt')", [])
            .unwrap();
        let error = run.open().await.unwrap_err();
        assert_eq!(
            error.what,
            "activity 77 in the store in memory cannot be read: the state `dreamt` is not known"
        );
    }
}
