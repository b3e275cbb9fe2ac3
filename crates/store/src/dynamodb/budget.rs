//! The budget: one item for each app, changed by `fitferry-core`'s arithmetic on the condition that nobody
//! changed it meanwhile.
//!
//! What this process saw last it tries first, so that a charge that nobody disputes is one request. Where the
//! condition fails, the answer brings the account as it is.

use async_trait::async_trait;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use fitferry_core::budget::{Account, Full, Kind, Purpose, Reading, View};
use fitferry_core::ports::{AppId, Budget, StoreError, Version};
use jiff::Timestamp;

use super::item::{ACCOUNT, BUDGET_ITEM, Item, PK, VERSION, key, number, text, text_in, version_in};
use super::{DynamoStore, locked};
use crate::account;
use crate::aws::{Refused, Tries};

/// An account as it was seen last; `None` where there was none.
#[derive(Clone)]
pub(super) struct Known {
    account: Option<Account>,
    version: Version,
}

#[async_trait]
impl Budget for DynamoStore {
    async fn charge(
        &self,
        app: &AppId,
        kind: Kind,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Result<(), Full>, StoreError> {
        let charged = self.change(app, now, |account| account.charge(kind, purpose, now)).await?;
        match charged {
            (Ok(()), _) => Ok(Ok(())),
            // It may be open again for all that this process knows.
            (Err(_), Seen::Before) => {
                self.look(app).await?;
                let (charged, _) =
                    self.change(app, now, |account| account.charge(kind, purpose, now)).await?;
                Ok(charged)
            }
            (Err(full), Seen::Now) => Ok(Err(full)),
        }
    }

    async fn correct(&self, app: &AppId, reading: &Reading, at: Timestamp) -> Result<View, StoreError> {
        let work = |account: &mut Account| {
            account.correct(reading, at);
            account.view(at)
        };
        Ok(self.change(app, at, work).await?.0)
    }

    async fn pause(&self, app: &AppId, full: Full) -> Result<(), StoreError> {
        // An account of which nothing is known yet begins before any window that matters.
        self.change_surely(app, Timestamp::UNIX_EPOCH, |account| account.pause(full)).await
    }

    async fn clear(&self, app: &AppId) -> Result<(), StoreError> {
        self.change_surely(app, Timestamp::UNIX_EPOCH, Account::clear).await
    }

    async fn view(&self, app: &AppId, now: Timestamp) -> Result<View, StoreError> {
        let known = self.look(app).await?;
        Ok(known.account.unwrap_or_else(|| Account::new(now)).view(now))
    }
}

/// When the account was seen that an outcome comes from.
enum Seen {
    /// Before this call; nothing was written over it.
    Before,
    Now,
}

impl DynamoStore {
    /// A change that may have nothing to do, as far as this process knows: that is looked at first.
    async fn change_surely(
        &self,
        app: &AppId,
        begins: Timestamp,
        work: impl Fn(&mut Account),
    ) -> Result<(), StoreError> {
        self.look(app).await?;
        self.change(app, begins, work).await?;
        Ok(())
    }

    /// Changes the account, again over what is there where another process was faster.
    async fn change<T>(
        &self,
        app: &AppId,
        begins: Timestamp,
        work: impl Fn(&mut Account) -> T,
    ) -> Result<(T, Seen), StoreError> {
        let kept = locked(&self.0.accounts).get(app).cloned();
        let mut seen = if kept.is_some() { Seen::Before } else { Seen::Now };
        let mut known = match kept {
            Some(known) => known,
            None => self.look(app).await?,
        };
        let mut tries = Tries::of_a_race(self.aws(), self.place());
        loop {
            let before = known.account.clone().unwrap_or_else(|| Account::new(begins));
            let mut account = before.clone();
            let outcome = work(&mut account);
            if account == before {
                return Ok((outcome, seen));
            }
            match self.put_account(app, &account, known.version).await? {
                Ok(()) => return Ok((outcome, Seen::Now)),
                Err(there) => known = there,
            }
            seen = Seen::Now;
            tries.again().await?;
        }
    }

    /// Reads the account.
    async fn look(&self, app: &AppId) -> Result<Known, StoreError> {
        let item = self.item(&partition(app), BUDGET_ITEM).await?;
        self.keep(app, &item.unwrap_or_default())
    }

    /// Writes the account over the version that was read; else the account as it is.
    async fn put_account(
        &self,
        app: &AppId,
        account: &Account,
        expected: Version,
    ) -> Result<Result<(), Known>, StoreError> {
        let document = account::write(account).map_err(|why| self.place().unwritable(&why))?;
        let version = Version(expected.0 + 1);
        let mut item = key(&partition(app), BUDGET_ITEM);
        item.insert(ACCOUNT.to_owned(), text(document));
        item.insert(VERSION.to_owned(), number(version.0));
        let request = || {
            let put = self
                .client()
                .put_item()
                .table_name(self.table())
                .set_item(Some(item.clone()))
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            let put = match expected {
                Version::ABSENT => put
                    .condition_expression("attribute_not_exists(#key)")
                    .expression_attribute_names("#key", PK),
                Version(expected) => put
                    .condition_expression("#version = :expected")
                    .expression_attribute_names("#version", VERSION)
                    .expression_attribute_values(":expected", number(expected)),
            };
            put.send()
        };
        match self.aws().ask(self.place(), request).await {
            Ok(_) => {
                self.remember(app, Known { account: Some(account.clone()), version });
                Ok(Ok(()))
            }
            // It may be our own, whose answer was lost: then it counts twice, which is the safe side.
            Err(Refused::By(PutItemError::ConditionalCheckFailedException(failed))) => {
                Ok(Err(self.keep(app, &failed.item.unwrap_or_default())?))
            }
            Err(refused) => Err(refused.told(self.place())),
        }
    }

    fn keep(&self, app: &AppId, item: &Item) -> Result<Known, StoreError> {
        let account = text_in(item, ACCOUNT)
            .map(|document| {
                account::read(document)
                    .map_err(|why| self.place().unreadable(&format!("the budget of app {}", app.0), &why))
            })
            .transpose()?;
        let known = Known { account, version: version_in(item, VERSION) };
        self.remember(app, known.clone());
        Ok(known)
    }

    fn remember(&self, app: &AppId, known: Known) {
        locked(&self.0.accounts).insert(app.clone(), known);
    }
}

fn partition(app: &AppId) -> String {
    format!("app#{}", app.0)
}
