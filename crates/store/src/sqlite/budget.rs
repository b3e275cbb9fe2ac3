//! The budget: one account for each app, changed by `fitferry-core`'s arithmetic within one transaction.

use async_trait::async_trait;
use fitferry_core::budget::{Account, Full, Kind, Purpose, Reading, View};
use fitferry_core::ports::{AppId, Budget, StoreError};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::SqliteStore;
use super::error::Fault;
use crate::account;

#[async_trait]
impl Budget for SqliteStore {
    async fn charge(
        &self,
        app: &AppId,
        kind: Kind,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Result<(), Full>, StoreError> {
        self.change(app, now, |account| account.charge(kind, purpose, now))
    }

    async fn correct(&self, app: &AppId, reading: &Reading, at: Timestamp) -> Result<View, StoreError> {
        self.change(app, at, |account| {
            account.correct(reading, at);
            account.view(at)
        })
    }

    async fn pause(&self, app: &AppId, full: Full) -> Result<(), StoreError> {
        // An account of which nothing is known yet begins before any window that matters.
        self.change(app, Timestamp::UNIX_EPOCH, |account| account.pause(full))
    }

    async fn clear(&self, app: &AppId) -> Result<(), StoreError> {
        self.change(app, Timestamp::UNIX_EPOCH, Account::clear)
    }

    async fn view(&self, app: &AppId, now: Timestamp) -> Result<View, StoreError> {
        self.read(|connection| {
            let account = load(connection, app)?.unwrap_or_else(|| Account::new(now));
            Ok(account.view(now))
        })
    }
}

impl SqliteStore {
    /// Reads, changes and writes the account, with nobody in between.
    fn change<T>(
        &self,
        app: &AppId,
        begins: Timestamp,
        work: impl FnOnce(&mut Account) -> T,
    ) -> Result<T, StoreError> {
        self.write(|transaction| {
            let before = load(transaction, app)?.unwrap_or_else(|| Account::new(begins));
            let mut account = before.clone();
            let outcome = work(&mut account);
            if account != before {
                let document = account::write(&account).map_err(Fault::Unwritable)?;
                transaction
                    .prepare_cached(
                        "INSERT INTO budget (app, account) VALUES (?1, ?2)
                         ON CONFLICT (app) DO UPDATE SET account = ?2",
                    )?
                    .execute(params![app.0, document])?;
            }
            Ok(outcome)
        })
    }
}

fn load(connection: &Connection, app: &AppId) -> Result<Option<Account>, Fault> {
    let document: Option<String> = connection
        .prepare_cached("SELECT account FROM budget WHERE app = ?1")?
        .query_row([&app.0], |found| found.get(0))
        .optional()?;
    document
        .map(|document| {
            account::read(&document)
                .map_err(|why| Fault::Unreadable { what: format!("the budget of app {}", app.0), why })
        })
        .transpose()
}
