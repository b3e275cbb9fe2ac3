//! Attributes as DynamoDB's JSON has them: text and numbers, which is all that the store writes.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::calls::Refusal;

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attribute {
    Text(String),
    Number(i128),
}

pub(super) type Item = BTreeMap<String, Attribute>;

impl Attribute {
    pub(super) fn read(value: &Value) -> Result<Attribute, Refusal> {
        let unknown = || Refusal::invalid(format!("an attribute like {value} is not played"));
        let object = value.as_object().filter(|object| object.len() == 1).ok_or_else(unknown)?;
        match object.iter().next() {
            Some((kind, Value::String(text))) if kind == "S" => Ok(Attribute::Text(text.clone())),
            Some((kind, Value::String(text))) if kind == "N" => {
                text.parse().map(Attribute::Number).map_err(|_| unknown())
            }
            _ => Err(unknown()),
        }
    }

    pub(super) fn write(&self) -> Value {
        match self {
            Attribute::Text(text) => json!({ "S": text }),
            Attribute::Number(number) => json!({ "N": number.to_string() }),
        }
    }

    /// Which is less; `None` for values of two kinds, which no comparison holds for.
    pub(super) fn order(&self, other: &Attribute) -> Option<Ordering> {
        match (self, other) {
            // Text is compared byte by byte.
            (Attribute::Text(one), Attribute::Text(other)) => Some(one.as_bytes().cmp(other.as_bytes())),
            (Attribute::Number(one), Attribute::Number(other)) => Some(one.cmp(other)),
            _ => None,
        }
    }

    pub(super) fn size(&self) -> usize {
        match self {
            Attribute::Text(text) => text.len(),
            Attribute::Number(_) => 21,
        }
    }
}

pub(super) fn read_item(value: &Value) -> Result<Item, Refusal> {
    let object =
        value.as_object().ok_or_else(|| Refusal::invalid(format!("{value} is no set of attributes")))?;
    object.iter().map(|(name, value)| Ok((name.clone(), Attribute::read(value)?))).collect()
}

pub(super) fn write_item(item: &Item) -> Value {
    Value::Object(item.iter().map(|(name, value)| (name.clone(), value.write())).collect::<Map<_, _>>())
}

/// Those attributes that are named, as far as there are such.
pub(super) fn only(item: &Item, names: &[String]) -> Item {
    names.iter().filter_map(|name| Some((name.clone(), item.get(name)?.clone()))).collect()
}
