//! Reading items: one, many by their keys, and an index page by page. Always strongly consistent.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemError;
use aws_sdk_dynamodb::operation::get_item::GetItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::query::QueryError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use fitferry_core::ports::StoreError;

use super::item::{Item, PK, key, text};
use super::{DynamoAthlete, DynamoStore};
use crate::aws::{Refusal, Tries};

/// DynamoDB takes no more keys in one request.
const KEYS: usize = 100;

impl Refusal for GetItemError {}
impl Refusal for BatchGetItemError {}
impl Refusal for QueryError {}
impl Refusal for UpdateItemError {}
impl Refusal for PutItemError {}

impl Refusal for TransactWriteItemsError {
    /// A transaction tells for each of its items why it was given up.
    fn may_pass(&self) -> bool {
        let reasons = self.reasons();
        !reasons.is_empty()
            && reasons.iter().all(|code| {
                matches!(*code, "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded")
            })
    }

    fn reasons(&self) -> Vec<&str> {
        let TransactWriteItemsError::TransactionCanceledException(canceled) = self else {
            return Vec::new();
        };
        let codes = canceled.cancellation_reasons().iter().filter_map(|reason| reason.code());
        codes.filter(|code| *code != "None").collect()
    }
}

impl DynamoStore {
    pub(super) async fn item(&self, partition: &str, range: &str) -> Result<Option<Item>, StoreError> {
        let request = || {
            self.client()
                .get_item()
                .table_name(self.table())
                .set_key(Some(key(partition, range)))
                .consistent_read(true)
                .send()
        };
        let answer = self.aws().ask(self.place(), request).await;
        Ok(answer.map_err(|refused| refused.told(self.place()))?.item)
    }
}

impl DynamoAthlete {
    pub(super) async fn item(&self, range: &str) -> Result<Option<Item>, StoreError> {
        self.store.item(&self.key, range).await
    }

    /// Those of these items that there are, in no order; of each only one attribute, or all.
    pub(super) async fn items(
        &self,
        ranges: BTreeSet<String>,
        only: Option<&str>,
    ) -> Result<Vec<Item>, StoreError> {
        let mut left: Vec<Item> = ranges.iter().map(|range| key(&self.key, range)).collect();
        let mut found = Vec::new();
        let mut tries = Tries::new(self.store.aws(), self.store.place());
        while !left.is_empty() {
            let asked = left.split_off(left.len().saturating_sub(KEYS));
            let asked_len = asked.len();
            let (items, undone) = self.some_of(asked, only).await?;
            // Some may be left over: too much for one answer, or throttled. Only if nothing came is it time
            // to wait.
            if undone.len() == asked_len {
                tries.again().await?;
            } else {
                tries = Tries::new(self.store.aws(), self.store.place());
            }
            left.extend(undone);
            found.extend(items);
        }
        Ok(found)
    }

    /// One request: what it brought, and the keys that it left over.
    async fn some_of(
        &self,
        keys: Vec<Item>,
        only: Option<&str>,
    ) -> Result<(Vec<Item>, Vec<Item>), StoreError> {
        let mut asked = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
        if let Some(only) = only {
            asked = asked.projection_expression("#only").expression_attribute_names("#only", only);
        }
        let asked = asked.build().map_err(|error| self.store.place().unwritable(&error.to_string()))?;
        let asked = HashMap::from([(self.store.table().to_owned(), asked)]);
        let client = self.store.client();
        let request = || client.batch_get_item().set_request_items(Some(asked.clone())).send();
        let answer = self.store.aws().ask(self.store.place(), request).await;
        let answer = answer.map_err(|refused| refused.told(self.store.place()))?;
        let found = answer.responses.and_then(|mut found| found.remove(self.store.table()));
        let undone = answer.unprocessed_keys.and_then(|mut undone| undone.remove(self.store.table()));
        Ok((found.unwrap_or_default(), undone.map(|undone| undone.keys).unwrap_or_default()))
    }

    /// An index of the athlete's items; of each beside its keys only one attribute, or all.
    pub(super) fn pages(
        &self,
        index: &'static str,
        only: Option<&'static str>,
        ascending: bool,
    ) -> Pages<'_> {
        Pages { athlete: self, index, only, ascending, length: None, next: Next::First }
    }
}

/// An index that is read page by page.
pub(super) struct Pages<'a> {
    athlete: &'a DynamoAthlete,
    index: &'static str,
    only: Option<&'static str>,
    ascending: bool,
    length: Option<i32>,
    next: Next,
}

enum Next {
    First,
    After(Item),
    None,
}

impl Pages<'_> {
    /// Pages no longer than this, where more would be read in vain.
    pub(super) fn of(self, length: usize) -> Self {
        Pages { length: i32::try_from(length).ok(), ..self }
    }

    /// The next page, which may be empty; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Item>>, StoreError> {
        let after = match &self.next {
            Next::First => None,
            Next::After(key) => Some(key.clone()),
            Next::None => return Ok(None),
        };
        let store = &self.athlete.store;
        let request = || {
            let mut query = store
                .client()
                .query()
                .table_name(store.table())
                .index_name(self.index)
                .consistent_read(true)
                .scan_index_forward(self.ascending)
                .key_condition_expression("#partition = :partition")
                .expression_attribute_names("#partition", PK)
                .expression_attribute_values(":partition", text(&self.athlete.key))
                .set_limit(self.length)
                .set_exclusive_start_key(after.clone());
            if let Some(only) = self.only {
                query = query
                    .projection_expression("#index, #only")
                    .expression_attribute_names("#index", self.index)
                    .expression_attribute_names("#only", only);
            }
            query.send()
        };
        let answer = store.aws().ask(store.place(), request).await;
        let answer = answer.map_err(|refused| refused.told(store.place()))?;
        self.next = answer.last_evaluated_key.map_or(Next::None, Next::After);
        Ok(Some(answer.items.unwrap_or_default()))
    }
}
