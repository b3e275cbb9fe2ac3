//! The vault: secrets as they are given, each with a version that is never used twice.
//!
//! A secret that is removed leaves its counter behind, so that a writer that read it before cannot bring
//! it back.

use async_trait::async_trait;
use fitferry_core::ports::{PutError, SecretName, StoreError, Vault, Version};
use rusqlite::{OptionalExtension, Transaction, params};
use secrecy::{ExposeSecret, SecretString};

use super::error::Fault;
use super::ledger::{next_version, version_of};
use super::{AthleteStore, locked};
use crate::secret::Secret;

#[async_trait]
impl Vault for AthleteStore {
    async fn get(&self, name: SecretName) -> Result<Option<Secret>, StoreError> {
        if name == SecretName::GarminBearer
            && let Some(read_with_the_head) = locked(&self.bearer).clone()
        {
            return Ok(read_with_the_head);
        }
        self.get_fresh(name).await
    }

    async fn get_fresh(&self, name: SecretName) -> Result<Option<Secret>, StoreError> {
        let found = self.store.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT value, version FROM secret WHERE athlete = ?1 AND name = ?2")?;
            let found = statement
                .query_row(params![self.athlete, name.key()], |found| {
                    Ok(secret_of(found.get(0)?, found.get(1)?))
                })
                .optional()?;
            Ok(found.flatten())
        })?;
        self.remember(name, found.as_ref());
        Ok(found)
    }

    async fn replace(
        &self,
        name: SecretName,
        expected: Version,
        new: &SecretString,
    ) -> Result<Version, PutError> {
        let put = self.store.write(|transaction| {
            let (value_is_there, stored) = counter(transaction, &self.athlete, name)?;
            let next = match expected {
                // Whoever believes that there is none may be right although one was removed.
                Version::ABSENT if !value_is_there => Some(Version(stored.0 + 1)),
                expected if value_is_there => next_version(Some(stored.0.cast_signed()), expected),
                _ => None,
            };
            if let Some(next) = next {
                write(transaction, &self.athlete, name, next, Some(new))?;
            }
            Ok(next)
        })?;
        match put {
            Some(version) => {
                self.remember(name, Some(&(new.clone(), version)));
                Ok(version)
            }
            None => Err(PutError::Conflict),
        }
    }

    async fn remove(&self, name: SecretName) -> Result<(), StoreError> {
        let removed = self.store.write(|transaction| {
            let (value_is_there, stored) = counter(transaction, &self.athlete, name)?;
            if value_is_there {
                write(transaction, &self.athlete, name, Version(stored.0 + 1), None)?;
            }
            Ok(value_is_there)
        })?;
        self.remember(name, None);
        if removed {
            self.forget_on_disk();
        }
        Ok(())
    }
}

impl AthleteStore {
    fn remember(&self, name: SecretName, secret: Option<&Secret>) {
        if name == SecretName::GarminBearer {
            *locked(&self.bearer) = Some(secret.cloned());
        }
    }

    /// The write-ahead log still has the pages from before. Another process that reads at this moment
    /// hinders the emptying; then the log is emptied when the last process closes it.
    fn forget_on_disk(&self) {
        let connection = locked(&self.store.0.connection);
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).ok();
    }
}

/// A secret, of which a removed one has left only the version.
pub(super) fn secret_of(value: Option<String>, version: Option<i64>) -> Option<Secret> {
    Some((SecretString::from(value?), version_of(version?)))
}

/// Whether there is a value, and how often the item has been written.
fn counter(transaction: &Transaction, athlete: &str, name: SecretName) -> Result<(bool, Version), Fault> {
    let found: Option<(bool, i64)> = transaction
        .prepare_cached("SELECT value IS NOT NULL, version FROM secret WHERE athlete = ?1 AND name = ?2")?
        .query_row(params![athlete, name.key()], |found| Ok((found.get(0)?, found.get(1)?)))
        .optional()?;
    let (value_is_there, version) = found.unwrap_or((false, 0));
    Ok((value_is_there, version_of(version)))
}

fn write(
    transaction: &Transaction,
    athlete: &str,
    name: SecretName,
    version: Version,
    value: Option<&SecretString>,
) -> Result<(), Fault> {
    transaction
        .prepare_cached(
            "INSERT INTO secret (athlete, name, version, value) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (athlete, name) DO UPDATE SET version = ?3, value = ?4",
        )?
        .execute(params![
            athlete,
            name.key(),
            version.0.cast_signed(),
            value.map(ExposeSecret::expose_secret)
        ])?;
    Ok(())
}
