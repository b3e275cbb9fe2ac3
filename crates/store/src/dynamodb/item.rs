//! Items and their attributes: names, keys, and how a value is read.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use fitferry_core::activity::GarminId;
use fitferry_core::ports::{SecretName, Version};

pub(super) const PK: &str = "pk";
pub(super) const SK: &str = "sk";
/// The index of open rows, and its key.
pub(super) const OPEN: &str = "open";
/// The index of all rows, and its key.
pub(super) const START: &str = "start";

pub(super) const HEAD: &str = "head";
pub(super) const HEAD_VERSION: &str = "head_version";
pub(super) const FENCE: &str = "fence";
pub(super) const LEASE_RUN: &str = "lease_run";
pub(super) const LEASE_UNTIL: &str = "lease_until";
pub(super) const BEARER: &str = "bearer";
pub(super) const BEARER_VERSION: &str = "bearer_version";
pub(super) const ROW: &str = "row";
pub(super) const STATE: &str = "state";
pub(super) const VALUE: &str = "value";
pub(super) const ACCOUNT: &str = "account";
pub(super) const VERSION: &str = "version";

/// The range key of the head, lease and bearer.
pub(super) const HEAD_ITEM: &str = "head";
/// The range key of an app's account.
pub(super) const BUDGET_ITEM: &str = "budget";

pub(super) type Item = HashMap<String, AttributeValue>;

const ACTIVITY: &str = "activity#";

pub(super) fn activity(id: GarminId) -> String {
    format!("{ACTIVITY}{:020}", id.0)
}

/// The activity that a range key names.
pub(super) fn id_of(range_key: &str) -> Option<GarminId> {
    range_key.strip_prefix(ACTIVITY)?.parse().ok().map(GarminId)
}

pub(super) fn secret(name: SecretName) -> String {
    format!("secret#{}", name.key())
}

pub(super) fn key(partition: &str, range: &str) -> Item {
    HashMap::from([(PK.to_owned(), text(partition)), (SK.to_owned(), text(range))])
}

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

pub(super) fn text_in<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

pub(super) fn number_in(item: &Item, name: &str) -> Option<u64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

pub(super) fn version_in(item: &Item, name: &str) -> Version {
    number_in(item, name).map_or(Version::ABSENT, Version)
}
