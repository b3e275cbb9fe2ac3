//! The ledger: a row is an item with its document, and with what it is found by beside it.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{ConditionCheck, Put, TransactWriteItem};
use fitferry_core::activity::GarminId;
use fitferry_core::head::Head;
use fitferry_core::ledger::{Counts, Row, StateName};
use fitferry_core::ports::{Fence, Filter, Ledger, PutError, SecretName, StoreError, Version};

use super::DynamoAthlete;
use super::item::{
    FENCE, HEAD, HEAD_ITEM, HEAD_VERSION, Item, LEASE_RUN, OPEN, PK, ROW, SK, START, STATE, VERSION,
    activity, id_of, key, number, text, text_in, version_in,
};
use super::lease::IS_OURS;
use super::place::Placed;
use super::vault::Slot;
use crate::aws::Refused;
use crate::{head, row};

/// How many rows one transaction puts, beside its look at the lease; DynamoDB takes a hundred items.
const CHUNK: usize = 50;
/// How often a chunk is put together anew because one of its rows was there after all.
const CHUNK_TRIES: u32 = 3;

#[async_trait]
impl Ledger for DynamoAthlete {
    async fn head(&self) -> Result<(Head, Version), StoreError> {
        let item = self.item(HEAD_ITEM).await?.unwrap_or_default();
        let bearer = Slot::of(SecretName::GarminBearer).secret(&item);
        self.remember(SecretName::GarminBearer, bearer.as_ref());
        let found = match text_in(&item, HEAD) {
            Some(document) => head::read(document)
                .map_err(|why| self.unreadable(&format!("the head of {}", self.name()), &why))?,
            None => Head::default(),
        };
        Ok((found, version_in(&item, HEAD_VERSION)))
    }

    async fn put_head(&self, expected: Version, head: &Head, fence: Fence) -> Result<Version, PutError> {
        let document = head::write(head).map_err(|why| self.store.place().unwritable(&why))?;
        let next = Version(expected.0 + 1);
        let request = || {
            let update = self
                .ours(fence)
                .update_expression("SET #head = :head, #version = :next")
                .expression_attribute_names("#head", HEAD)
                .expression_attribute_names("#version", HEAD_VERSION)
                .expression_attribute_values(":head", text(&document))
                .expression_attribute_values(":next", number(next.0));
            match expected {
                Version::ABSENT => {
                    update.condition_expression(format!("{IS_OURS} AND attribute_not_exists(#version)"))
                }
                Version(expected) => update
                    .condition_expression(format!("{IS_OURS} AND #version = :expected"))
                    .expression_attribute_values(":expected", number(expected)),
            }
        };
        match self.send_update(request).await? {
            Ok(_) => Ok(next),
            // Ours already: it was written, and the answer was lost.
            Err(there)
                if version_in(&there, HEAD_VERSION) == next
                    && text_in(&there, HEAD) == Some(&document)
                    && text_in(&there, LEASE_RUN) == Some(&self.run) =>
            {
                Ok(next)
            }
            Err(_) => Err(PutError::Conflict),
        }
    }

    async fn get(&self, id: GarminId) -> Result<Option<(Row, Version)>, StoreError> {
        let item = self.item(&activity(id)).await?;
        item.map(|item| self.row(&item)).transpose()
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<Row>, StoreError> {
        let limit = filter.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let ids = self.ids_by_start(filter, limit.unwrap_or(usize::MAX)).await?;
        let keys = ids.iter().map(|id| activity(*id)).collect();
        let mut found: HashMap<GarminId, Row> = HashMap::new();
        for item in self.items(keys, None).await? {
            let (row, _) = self.row(&item)?;
            found.insert(row.id(), row);
        }
        let is_asked_for = |row: &Row| filter.state.is_none_or(|state| row.state.name() == state);
        Ok(ids.iter().filter_map(|id| found.remove(id)).filter(is_asked_for).collect())
    }

    async fn known(&self, ids: &[GarminId]) -> Result<BTreeSet<GarminId>, StoreError> {
        let keys: BTreeSet<String> = ids.iter().map(|id| activity(*id)).collect();
        let items = self.items(keys, Some(SK)).await?;
        Ok(items.iter().filter_map(|item| id_of(text_in(item, SK)?)).collect())
    }

    async fn open(&self) -> Result<Vec<(Row, Version)>, StoreError> {
        let mut pages = self.pages(OPEN, None, true);
        let mut open = Vec::new();
        while let Some(items) = pages.next().await? {
            for item in items {
                open.push(self.row(&item)?);
            }
        }
        Ok(open)
    }

    async fn put(&self, row: &Row, expected: Version, fence: Fence) -> Result<Version, PutError> {
        let next = Version(expected.0 + 1);
        let put = self.put_of(row, expected, next)?;
        match self.write(fence, vec![put]).await? {
            Ok(()) => Ok(next),
            Err(_) => Err(PutError::Conflict),
        }
    }

    async fn add(&self, rows: &[Row], fence: Fence) -> Result<Vec<GarminId>, PutError> {
        let mut added = Vec::new();
        for chunk in rows.chunks(CHUNK) {
            added.extend(self.add_chunk(chunk, fence).await?);
        }
        Ok(added)
    }

    async fn count(&self) -> Result<Counts, StoreError> {
        let mut pages = self.pages(START, Some(STATE), true);
        let mut counts = Counts::default();
        while let Some(items) = pages.next().await? {
            for item in items {
                let state = self.state_of(&item)?;
                counts.set(state, counts.get(state) + 1);
            }
        }
        Ok(counts)
    }
}

/// Which condition of a transaction did not hold.
enum Met {
    /// The lease is another run's.
    Lease,
    /// A row is not as the writer believed.
    Row,
}

impl DynamoAthlete {
    /// Puts those of a chunk that are absent, in one transaction.
    async fn add_chunk(&self, chunk: &[Row], fence: Fence) -> Result<Vec<GarminId>, PutError> {
        for _ in 0..CHUNK_TRIES {
            let ids: Vec<GarminId> = chunk.iter().map(Row::id).collect();
            let mut there = self.known(&ids).await?;
            let absent: Vec<&Row> = chunk.iter().filter(|row| there.insert(row.id())).collect();
            let puts = absent
                .iter()
                .map(|row| self.put_of(row, Version::ABSENT, Version::FIRST))
                .collect::<Result<Vec<_>, _>>()?;
            match self.write(fence, puts).await? {
                Ok(()) => return Ok(absent.iter().map(|row| row.id()).collect()),
                Err(Met::Lease) => return Err(PutError::Conflict),
                // Somebody put one in between, which only a run without the lease could have done.
                Err(Met::Row) => {}
            }
        }
        Err(PutError::Conflict)
    }

    /// One transaction: the lease is this run's, and every row is as the writer believes.
    async fn write(&self, fence: Fence, puts: Vec<Put>) -> Result<Result<(), Met>, StoreError> {
        let lease = ConditionCheck::builder()
            .table_name(self.store.table())
            .set_key(Some(key(&self.key, HEAD_ITEM)))
            .condition_expression(IS_OURS)
            .expression_attribute_names("#fence", FENCE)
            .expression_attribute_names("#run", LEASE_RUN)
            .expression_attribute_values(":fence", number(fence.0))
            .expression_attribute_values(":run", text(&self.run))
            .build()
            .map_err(|error| self.store.place().unwritable(&error.to_string()))?;
        let mut items = vec![TransactWriteItem::builder().condition_check(lease).build()];
        items.extend(puts.into_iter().map(|put| TransactWriteItem::builder().put(put).build()));
        let client = self.store.client();
        let request = || client.transact_write_items().set_transact_items(Some(items.clone())).send();
        match self.store.aws().ask(self.store.place(), request).await {
            Ok(_) => Ok(Ok(())),
            Err(Refused::By(TransactWriteItemsError::TransactionCanceledException(canceled)))
                if canceled.cancellation_reasons().iter().any(|reason| reason.code() == Some(FAILED)) =>
            {
                let reasons = canceled.cancellation_reasons();
                let is_lease = reasons.first().is_some_and(|reason| reason.code() == Some(FAILED));
                Ok(Err(if is_lease { Met::Lease } else { Met::Row }))
            }
            Err(refused) => Err(refused.told(self.store.place())),
        }
    }

    /// The row as it is put, over what the writer read.
    fn put_of(&self, row: &Row, expected: Version, next: Version) -> Result<Put, StoreError> {
        let document = row::write(row).map_err(|why| self.store.place().unwritable(&why))?;
        let placed = Placed::of(row).to_string();
        let mut item = key(&self.key, &activity(row.id()));
        item.insert(ROW.to_owned(), text(document));
        item.insert(VERSION.to_owned(), number(next.0));
        item.insert(STATE.to_owned(), text(row.state.name().key()));
        if row.state.is_open() {
            item.insert(OPEN.to_owned(), text(&placed));
        }
        item.insert(START.to_owned(), text(placed));
        let put = Put::builder().table_name(self.store.table()).set_item(Some(item));
        let put = match expected {
            Version::ABSENT => {
                put.condition_expression("attribute_not_exists(#key)").expression_attribute_names("#key", PK)
            }
            Version(expected) => put
                .condition_expression("#version = :expected")
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":expected", number(expected)),
        };
        put.build().map_err(|error| self.store.place().unwritable(&error.to_string()))
    }

    /// The ids of what a listing shows, newest start first, without reading a document.
    async fn ids_by_start(&self, filter: &Filter, limit: usize) -> Result<Vec<GarminId>, StoreError> {
        let mut pages = self.pages(START, Some(STATE), false);
        if filter.state.is_none() && filter.since.is_none() {
            pages = pages.of(limit);
        }
        let mut ids = Vec::new();
        while ids.len() < limit
            && let Some(items) = pages.next().await?
        {
            for item in &items {
                let place = text_in(item, START).and_then(Placed::read);
                let Some(placed) = place else {
                    return Err(self.unreadable("a row's place in the list", "it is not one of fitferry's"));
                };
                let since = filter.since.is_none_or(|since| placed.day >= since);
                let state = match filter.state {
                    Some(state) => self.state_of(item)? == state,
                    None => true,
                };
                if since && state && ids.len() < limit {
                    ids.push(placed.id);
                }
            }
        }
        Ok(ids)
    }

    fn state_of(&self, item: &Item) -> Result<StateName, StoreError> {
        let key = text_in(item, STATE).unwrap_or_default();
        StateName::from_key(key).ok_or_else(|| {
            self.unreadable("the state of an activity", &format!("the state `{key}` is not known"))
        })
    }

    fn row(&self, item: &Item) -> Result<(Row, Version), StoreError> {
        let range = text_in(item, SK).unwrap_or_default();
        let read = row::read(text_in(item, ROW).unwrap_or_default()).map_err(|why| {
            let id = id_of(range).map_or_else(|| range.to_owned(), |id| id.to_string());
            self.unreadable(&format!("activity {id}"), &why)
        })?;
        Ok((read, version_in(item, VERSION)))
    }

    pub(super) fn unreadable(&self, what: &str, why: &str) -> StoreError {
        self.store.place().unreadable(what, why)
    }
}

/// How a transaction says that a condition of it did not hold.
const FAILED: &str = "ConditionalCheckFailed";
