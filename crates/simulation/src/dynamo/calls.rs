//! The calls: what is asked, what is done, what is answered.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::attribute::{Attribute, Item, only, read_item, write_item};
use super::expression::{Condition, Words};
use super::table::{Key, Table};

/// DynamoDB says no.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) message: String,
    /// What is in the answer beside them.
    pub(super) more: Map<String, Value>,
}

impl Refusal {
    pub(super) fn of(code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { code, message: message.into(), more: Map::new() }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Refusal {
        Refusal::of("ValidationException", message)
    }
}

const KEYS_MAX: usize = 100;
const TRANSACTION_MAX: usize = 100;
const FAILED: &str = "ConditionalCheckFailed";

impl Table {
    pub(super) fn answer(&mut self, action: &str, body: &Value) -> Result<Value, Refusal> {
        match action {
            "GetItem" => self.get_item(body),
            "BatchGetItem" => self.batch_get(body),
            "Query" => self.query(body),
            "PutItem" => self.put_item(body),
            "UpdateItem" => self.update_item(body),
            "TransactWriteItems" => self.transact(body),
            other => Err(Refusal::of("UnknownOperationException", format!("{other} is not played"))),
        }
    }

    fn get_item(&self, body: &Value) -> Result<Value, Refusal> {
        knows(body, &["TableName", "Key", "ConsistentRead"])?;
        self.is_meant(body)?;
        is_consistent(body)?;
        let key = self.key_alone(&read_item(&body["Key"])?)?;
        Ok(self.get(&key).map_or_else(|| json!({}), |item| json!({ "Item": write_item(item) })))
    }

    fn batch_get(&mut self, body: &Value) -> Result<Value, Refusal> {
        knows(body, &["RequestItems"])?;
        let tables = body["RequestItems"].as_object().filter(|tables| tables.len() == 1);
        let asked = tables.and_then(|tables| tables.get(&self.name)).ok_or_else(missing_table)?;
        knows(asked, &["Keys", "ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames"])?;
        is_consistent(asked)?;
        let words = Words::of(asked)?;
        let projected =
            text_of(asked, "ProjectionExpression").map(|text| words.projection(text)).transpose()?;
        words.all_used()?;
        let keys = asked["Keys"].as_array().filter(|keys| (1..=KEYS_MAX).contains(&keys.len()));
        let keys = keys.ok_or_else(|| Refusal::invalid("between 1 and 100 keys"))?;
        let read =
            keys.iter().map(|key| self.key_alone(&read_item(key)?)).collect::<Result<Vec<Key>, _>>()?;
        if read.iter().collect::<BTreeSet<_>>().len() < read.len() {
            return Err(Refusal::invalid("the list of keys contains duplicates"));
        }
        // Too much for one answer, or throttled.
        let served = match self.dice.chance(60) {
            true => usize::try_from(self.dice.between(0, read.len() as u64 - 1)).unwrap_or(0),
            false => read.len(),
        };
        self.moods.left_over += u64::from(served < read.len());
        let found = read[..served].iter().filter_map(|key| self.get(key));
        let found: Vec<Value> = found
            .map(|item| match &projected {
                Some(names) => write_item(&only(item, names)),
                None => write_item(item),
            })
            .collect();
        let mut unprocessed = Map::new();
        if served < read.len() {
            let mut left = asked.clone();
            left["Keys"] = Value::Array(keys[served..].to_vec());
            unprocessed.insert(self.name.clone(), left);
        }
        Ok(json!({ "Responses": { self.name.clone(): found }, "UnprocessedKeys": unprocessed }))
    }

    fn query(&mut self, body: &Value) -> Result<Value, Refusal> {
        knows(
            body,
            &[
                "TableName",
                "IndexName",
                "ConsistentRead",
                "ScanIndexForward",
                "KeyConditionExpression",
                "ProjectionExpression",
                "ExpressionAttributeNames",
                "ExpressionAttributeValues",
                "Limit",
                "ExclusiveStartKey",
            ],
        )?;
        self.is_meant(body)?;
        is_consistent(body)?;
        let words = Words::of(body)?;
        let condition = text_of(body, "KeyConditionExpression").unwrap_or_default();
        let partition = match words.partition(condition, &self.partition)? {
            Attribute::Text(partition) => partition,
            Attribute::Number(_) => return Err(Refusal::invalid("the key does not match the schema")),
        };
        let projected =
            text_of(body, "ProjectionExpression").map(|text| words.projection(text)).transpose()?;
        words.all_used()?;
        let index = text_of(body, "IndexName").and_then(|name| self.index(name));
        let index = index.ok_or_else(|| Refusal::invalid("the table does not have this index"))?;
        if let (Some(included), Some(names)) = (&index.includes, &projected) {
            let keys = [&self.partition, &self.range, &index.range];
            if let Some(other) = names.iter().find(|name| !included.contains(name) && !keys.contains(name)) {
                return Err(Refusal::invalid(format!("{other} is not in the index; fetching is not played")));
            }
        }
        let mut found = self.indexed(&partition, index);
        let is_ascending = body["ScanIndexForward"].as_bool().unwrap_or(true);
        if !is_ascending {
            found.reverse();
        }
        let index_key = index.range.clone();
        if let Some(after) = body.get("ExclusiveStartKey").filter(|key| !key.is_null()) {
            let after = read_item(after)?;
            let (_, range) = self.key_of(&after)?;
            let Some(Attribute::Text(place)) = after.get(&index_key) else {
                return Err(Refusal::invalid("the exclusive start key is invalid"));
            };
            let after = (place.clone(), range);
            found.retain(|(place, _)| if is_ascending { *place > after } else { *place < after });
        }
        let limit = match body.get("Limit").filter(|limit| !limit.is_null()) {
            Some(limit) => {
                let limit = limit.as_u64().filter(|limit| *limit > 0);
                limit.ok_or_else(|| Refusal::invalid("the limit must be at least 1"))?
            }
            None => u64::MAX,
        };
        let mut length = usize::try_from(limit).unwrap_or(usize::MAX);
        // An answer ends at a megabyte, wherever that is.
        if self.dice.chance(150) {
            length = length.min(usize::try_from(self.dice.between(1, 12)).unwrap_or(1));
        }
        let mut answer = Map::new();
        if found.len() >= length {
            found.truncate(length);
            self.moods.early_ends += 1;
            if let Some(((place, range), _)) = found.last() {
                let text = |text: &str| Attribute::Text(text.to_owned());
                let last = Item::from([
                    (self.partition.clone(), text(&partition)),
                    (self.range.clone(), text(range)),
                    (index_key, text(place)),
                ]);
                answer.insert("LastEvaluatedKey".to_owned(), write_item(&last));
            }
        }
        let items: Vec<Value> = found
            .iter()
            .map(|(_, item)| match &projected {
                Some(names) => write_item(&only(item, names)),
                None => write_item(item),
            })
            .collect();
        answer.insert("Count".to_owned(), json!(items.len()));
        answer.insert("Items".to_owned(), Value::Array(items));
        Ok(Value::Object(answer))
    }

    fn put_item(&mut self, body: &Value) -> Result<Value, Refusal> {
        knows(
            body,
            &[
                "TableName",
                "Item",
                "ConditionExpression",
                "ExpressionAttributeNames",
                "ExpressionAttributeValues",
                "ReturnValuesOnConditionCheckFailure",
            ],
        )?;
        let (item, condition) = self.put_of(body)?;
        let key = self.key_of(&item)?;
        self.check(body, &key, condition.as_ref())?;
        self.put(item)?;
        Ok(json!({}))
    }

    fn update_item(&mut self, body: &Value) -> Result<Value, Refusal> {
        knows(
            body,
            &[
                "TableName",
                "Key",
                "UpdateExpression",
                "ConditionExpression",
                "ExpressionAttributeNames",
                "ExpressionAttributeValues",
                "ReturnValues",
                "ReturnValuesOnConditionCheckFailure",
            ],
        )?;
        self.is_meant(body)?;
        let words = Words::of(body)?;
        let update = words.update(text_of(body, "UpdateExpression").unwrap_or_default())?;
        let condition = condition_of(body, &words)?;
        words.all_used()?;
        if update.paths().any(|path| *path == self.partition || *path == self.range) {
            return Err(Refusal::invalid("an attribute that is part of the key cannot be updated"));
        }
        let named = read_item(&body["Key"])?;
        let key = self.key_alone(&named)?;
        self.check(body, &key, condition.as_ref())?;
        let mut item = self.get(&key).cloned().unwrap_or(named);
        update.apply(&mut item)?;
        let answer = match text_of(body, "ReturnValues") {
            None | Some("NONE") => json!({}),
            Some("UPDATED_NEW") => {
                let names: Vec<String> = update.paths().cloned().collect();
                json!({ "Attributes": write_item(&only(&item, &names)) })
            }
            Some(other) => return Err(Refusal::invalid(format!("to return {other} is not played"))),
        };
        self.put(item)?;
        Ok(answer)
    }

    fn transact(&mut self, body: &Value) -> Result<Value, Refusal> {
        knows(body, &["TransactItems", "ClientRequestToken"])?;
        let parts = body["TransactItems"].as_array();
        let parts = parts.filter(|parts| (1..=TRANSACTION_MAX).contains(&parts.len()));
        let parts = parts.ok_or_else(|| Refusal::invalid("between 1 and 100 items"))?;
        let token = text_of(body, "ClientRequestToken");
        let token = token.ok_or_else(|| Refusal::invalid("a transaction without a token is not played"))?;
        if self.is_done(token, &body["TransactItems"])? {
            return Ok(json!({}));
        }
        let mut keys = BTreeSet::new();
        let (mut puts, mut reasons) = (Vec::new(), Vec::new());
        for part in parts {
            let (key, condition, put) = self.part(part)?;
            let holds =
                condition.is_none_or(|condition| condition.holds(self.get(&key).unwrap_or(&Item::new())));
            if !keys.insert(key) {
                return Err(Refusal::invalid("a transaction cannot include two operations on one item"));
            }
            reasons.push(json!({ "Code": if holds { "None" } else { FAILED } }));
            puts.extend(put);
        }
        if reasons.iter().any(|reason| reason["Code"] == FAILED) {
            return Err(canceled(reasons));
        }
        if self.dice.chance(6) {
            self.moods.conflicts += 1;
            reasons[0] = json!({ "Code": "TransactionConflict" });
            return Err(canceled(reasons));
        }
        for item in &puts {
            self.fits(item)?;
        }
        for item in puts {
            self.put(item)?;
        }
        self.note_done(token, &body["TransactItems"]);
        Ok(json!({}))
    }

    /// One item of a transaction: whose it is, on what condition, and what is put.
    fn part(&self, part: &Value) -> Result<(Key, Option<Condition>, Option<Item>), Refusal> {
        let part = part.as_object().filter(|part| part.len() == 1).and_then(|part| part.iter().next());
        match part {
            Some((kind, check)) if kind == "ConditionCheck" => {
                knows(
                    check,
                    &[
                        "TableName",
                        "Key",
                        "ConditionExpression",
                        "ExpressionAttributeNames",
                        "ExpressionAttributeValues",
                    ],
                )?;
                self.is_meant(check)?;
                let words = Words::of(check)?;
                let condition = condition_of(check, &words)?;
                words.all_used()?;
                let condition = condition.ok_or_else(|| Refusal::invalid("a check needs a condition"))?;
                Ok((self.key_alone(&read_item(&check["Key"])?)?, Some(condition), None))
            }
            Some((kind, put)) if kind == "Put" => {
                knows(
                    put,
                    &[
                        "TableName",
                        "Item",
                        "ConditionExpression",
                        "ExpressionAttributeNames",
                        "ExpressionAttributeValues",
                    ],
                )?;
                let (item, condition) = self.put_of(put)?;
                Ok((self.key_of(&item)?, condition, Some(item)))
            }
            other => Err(Refusal::invalid(format!("{other:?} in a transaction is not played"))),
        }
    }

    fn put_of(&self, put: &Value) -> Result<(Item, Option<Condition>), Refusal> {
        self.is_meant(put)?;
        let words = Words::of(put)?;
        let condition = condition_of(put, &words)?;
        words.all_used()?;
        Ok((read_item(&put["Item"])?, condition))
    }

    fn is_meant(&self, body: &Value) -> Result<(), Refusal> {
        if body["TableName"] == *self.name { Ok(()) } else { Err(missing_table()) }
    }

    /// Whether the condition of a single write holds.
    fn check(&self, body: &Value, key: &Key, condition: Option<&Condition>) -> Result<(), Refusal> {
        let there = self.get(key);
        let nothing = Item::new();
        if condition.is_none_or(|condition| condition.holds(there.unwrap_or(&nothing))) {
            return Ok(());
        }
        let mut refusal = Refusal::of("ConditionalCheckFailedException", "The conditional request failed");
        match (text_of(body, "ReturnValuesOnConditionCheckFailure"), there) {
            (Some("ALL_OLD"), Some(there)) => {
                refusal.more.insert("Item".to_owned(), write_item(there));
            }
            (None | Some("NONE" | "ALL_OLD"), _) => {}
            (Some(other), _) => return Err(Refusal::invalid(format!("to return {other} is not played"))),
        }
        Err(refusal)
    }
}

fn condition_of(body: &Value, words: &Words) -> Result<Option<Condition>, Refusal> {
    text_of(body, "ConditionExpression").map(|text| words.condition(text)).transpose()
}

fn text_of<'a>(body: &'a Value, name: &str) -> Option<&'a str> {
    body.get(name)?.as_str()
}

/// No parameter is passed over in silence.
fn knows(body: &Value, names: &[&str]) -> Result<(), Refusal> {
    let unknown = body.as_object().and_then(|body| body.keys().find(|name| !names.contains(&name.as_str())));
    match unknown {
        None if body.is_object() => Ok(()),
        None => Err(Refusal::invalid("an object is missing")),
        Some(name) => Err(Refusal::invalid(format!("the parameter {name} is not played"))),
    }
}

fn is_consistent(body: &Value) -> Result<(), Refusal> {
    match body["ConsistentRead"].as_bool() {
        Some(true) => Ok(()),
        _ => Err(Refusal::invalid("a read that is not strongly consistent is not played")),
    }
}

fn missing_table() -> Refusal {
    Refusal::of("ResourceNotFoundException", "Requested resource not found")
}

fn canceled(reasons: Vec<Value>) -> Refusal {
    let mut refusal = Refusal::of("TransactionCanceledException", "Transaction cancelled");
    refusal.more.insert("CancellationReasons".to_owned(), Value::Array(reasons));
    refusal
}
