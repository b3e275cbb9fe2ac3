//! The table: its items by their keys, its indexes as the store defines them, and its moods.

use std::collections::{BTreeMap, VecDeque};

use aws_sdk_dynamodb::types::{KeySchemaElement, KeyType, ProjectionType};
use fitferry_store::dynamodb::definition;
use serde_json::Value;

use super::attribute::{Attribute, Item, only};
use super::calls::Refusal;
use crate::dice::Dice;

/// The largest item, names and values together.
const ITEM_MAX: usize = 400 * 1024;
/// How many transactions are remembered by their tokens.
const TOKENS: usize = 64;

pub(super) type Key = (String, String);

#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) partition: String,
    pub(super) range: String,
    indexes: BTreeMap<String, Index>,
    items: BTreeMap<Key, Item>,
    /// Transactions that were done, by their tokens, with what they were.
    done: VecDeque<(String, Value)>,
    pub(super) dice: Dice,
    pub(super) moods: Moods,
}

/// An index over the items of one partition; who lacks its key is not in it.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) range: String,
    /// What is in it beside the keys; `None`: everything.
    pub(super) includes: Option<Vec<String>>,
}

/// What the table has done on its own account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moods {
    pub(crate) busy: u64,
    pub(crate) lost: u64,
    pub(crate) conflicts: u64,
    pub(crate) left_over: u64,
    pub(crate) early_ends: u64,
}

impl Table {
    /// Empty, and of the store's own definition.
    pub(super) fn new(name: &str, dice: Dice) -> Table {
        let defined = definition(name);
        let (partition, range) = keys(defined.get_key_schema().as_deref().unwrap_or_default());
        let indexes = defined.get_local_secondary_indexes().iter().flatten().map(|index| {
            let projection = index.projection();
            let is_all = projection.and_then(|one| one.projection_type()) == Some(&ProjectionType::All);
            let named = projection.map(|one| one.non_key_attributes().to_vec()).unwrap_or_default();
            let (_, range) = keys(index.key_schema());
            (index.index_name().to_owned(), Index { range, includes: (!is_all).then_some(named) })
        });
        Table {
            name: name.to_owned(),
            partition,
            range,
            indexes: indexes.collect(),
            items: BTreeMap::new(),
            done: VecDeque::new(),
            dice,
            moods: Moods::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.get(name)
    }

    /// The key that an item, or what names one, has.
    pub(super) fn key_of(&self, item: &Item) -> Result<Key, Refusal> {
        match (item.get(&self.partition), item.get(&self.range)) {
            (Some(Attribute::Text(partition)), Some(Attribute::Text(range)))
                if !partition.is_empty() && !range.is_empty() =>
            {
                Ok((partition.clone(), range.clone()))
            }
            _ => Err(Refusal::invalid("the key does not match the schema")),
        }
    }

    /// The key, of which there is nothing else.
    pub(super) fn key_alone(&self, key: &Item) -> Result<Key, Refusal> {
        match key.len() {
            2 => self.key_of(key),
            _ => Err(Refusal::invalid("the number of conditions on the keys is invalid")),
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Item> {
        self.items.get(key)
    }

    pub(super) fn put(&mut self, item: Item) -> Result<(), Refusal> {
        let key = self.key_of(&item)?;
        self.fits(&item)?;
        self.items.insert(key, item);
        Ok(())
    }

    /// Whether the table takes such an item.
    pub(super) fn fits(&self, item: &Item) -> Result<(), Refusal> {
        let size: usize = item.iter().map(|(name, value)| name.len() + value.size()).sum();
        if size > ITEM_MAX {
            return Err(Refusal::invalid("the item's size has exceeded the maximum allowed size"));
        }
        for index in self.indexes.values() {
            if !matches!(item.get(&index.range), None | Some(Attribute::Text(_))) {
                return Err(Refusal::invalid("the type of an index's key does not match the schema"));
            }
        }
        Ok(())
    }

    /// What an index shows of a partition, by its key, and of items with one key by theirs.
    pub(super) fn indexed<'a>(&'a self, partition: &str, index: &'a Index) -> Vec<((String, String), Item)> {
        let from = (partition.to_owned(), String::new());
        let mut found: Vec<((String, String), Item)> = self
            .items
            .range(from..)
            .take_while(|((other, _), _)| other == partition)
            .filter_map(|((_, range), item)| match item.get(&index.range) {
                Some(Attribute::Text(place)) => {
                    Some(((place.clone(), range.clone()), self.shown(item, index)))
                }
                _ => None,
            })
            .collect();
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        found
    }

    fn shown(&self, item: &Item, index: &Index) -> Item {
        match &index.includes {
            None => item.clone(),
            Some(named) => {
                let keys = [&self.partition, &self.range, &index.range];
                let names: Vec<String> = keys.into_iter().chain(named).cloned().collect();
                only(item, &names)
            }
        }
    }

    /// Whether a transaction with this token was done already; one token for two is an error.
    pub(super) fn is_done(&self, token: &str, transaction: &Value) -> Result<bool, Refusal> {
        match self.done.iter().find(|(known, _)| known == token) {
            None => Ok(false),
            Some((_, before)) if before == transaction => Ok(true),
            Some(_) => Err(Refusal::of("IdempotentParameterMismatchException", "a token was used before")),
        }
    }

    pub(super) fn note_done(&mut self, token: &str, transaction: &Value) {
        if self.done.len() >= TOKENS {
            self.done.pop_front();
        }
        self.done.push_back((token.to_owned(), transaction.clone()));
    }
}

/// Names of the partition's and the range's attribute.
fn keys(schema: &[KeySchemaElement]) -> (String, String) {
    let named = |kind: &KeyType| {
        let found = schema.iter().find(|one| one.key_type() == kind);
        found.map(|one| one.attribute_name().to_owned()).unwrap_or_default()
    };
    (named(&KeyType::Hash), named(&KeyType::Range))
}
