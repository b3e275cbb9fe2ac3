//! The vault: each secret an item of its own, but Garmin's bearer, which lies beside the head.
//!
//! A secret that is removed leaves its counter behind, so that a writer that read it before cannot bring it
//! back.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::ReturnValue;
use fitferry_core::ports::{PutError, SecretName, StoreError, Vault, Version};
use secrecy::{ExposeSecret, SecretString};

use super::item::{
    self, BEARER, BEARER_VERSION, HEAD_ITEM, Item, VALUE, VERSION, number, text, text_in, version_in,
};
use super::{DynamoAthlete, locked};
use crate::secret::Secret;

#[async_trait]
impl Vault for DynamoAthlete {
    async fn get(&self, name: SecretName) -> Result<Option<Secret>, StoreError> {
        if name == SecretName::GarminBearer
            && let Some(read_with_the_head) = locked(&self.bearer).clone()
        {
            return Ok(read_with_the_head);
        }
        self.get_fresh(name).await
    }

    async fn get_fresh(&self, name: SecretName) -> Result<Option<Secret>, StoreError> {
        let slot = Slot::of(name);
        let item = self.item(&slot.item).await?;
        let found = item.as_ref().and_then(|item| slot.secret(item));
        self.remember(name, found.as_ref());
        Ok(found)
    }

    async fn replace(
        &self,
        name: SecretName,
        expected: Version,
        new: &SecretString,
    ) -> Result<Version, PutError> {
        let slot = Slot::of(name);
        let request = || {
            let update = self
                .update(&slot.item)
                .update_expression("SET #value = :value, #version = if_not_exists(#version, :none) + :one")
                .expression_attribute_names("#value", slot.value)
                .expression_attribute_names("#version", slot.version)
                .expression_attribute_values(":value", text(new.expose_secret()))
                .expression_attribute_values(":none", number(0))
                .expression_attribute_values(":one", number(1))
                .return_values(ReturnValue::UpdatedNew);
            match expected {
                // Whoever believes that there is none may be right although one was removed.
                Version::ABSENT => update.condition_expression("attribute_not_exists(#value)"),
                Version(expected) => update
                    .condition_expression("attribute_exists(#value) AND #version = :expected")
                    .expression_attribute_values(":expected", number(expected)),
            }
        };
        let version = match self.send_update(request).await? {
            Ok(written) => version_in(&written, slot.version),
            // Ours already: it was written, and the answer was lost.
            Err(there) if slot.holds(&there, expected, new) => version_in(&there, slot.version),
            Err(_) => return Err(PutError::Conflict),
        };
        self.remember(name, Some(&(new.clone(), version)));
        Ok(version)
    }

    async fn remove(&self, name: SecretName) -> Result<(), StoreError> {
        let slot = Slot::of(name);
        let request = || {
            self.update(&slot.item)
                .update_expression("SET #version = #version + :one REMOVE #value")
                .condition_expression("attribute_exists(#value)")
                .expression_attribute_names("#value", slot.value)
                .expression_attribute_names("#version", slot.version)
                .expression_attribute_values(":one", number(1))
        };
        // Refused: there is none.
        self.send_update(request).await?.ok();
        self.remember(name, None);
        Ok(())
    }
}

impl DynamoAthlete {
    /// Keeps Garmin's bearer as it was seen last.
    pub(super) fn remember(&self, name: SecretName, secret: Option<&Secret>) {
        if name == SecretName::GarminBearer {
            *locked(&self.bearer) = Some(secret.cloned());
        }
    }
}

/// Where a secret lies.
pub(super) struct Slot {
    item: String,
    value: &'static str,
    version: &'static str,
}

impl Slot {
    pub(super) fn of(name: SecretName) -> Slot {
        match name {
            SecretName::GarminBearer => {
                Slot { item: HEAD_ITEM.to_owned(), value: BEARER, version: BEARER_VERSION }
            }
            SecretName::GarminLogin | SecretName::StravaLogin | SecretName::GarminCoolDowns => {
                Slot { item: item::secret(name), value: VALUE, version: VERSION }
            }
        }
    }

    /// The secret in its item, of which a removed one has left only the version.
    pub(super) fn secret(&self, item: &Item) -> Option<Secret> {
        let value = text_in(item, self.value)?;
        Some((SecretString::from(value), version_in(item, self.version)))
    }

    /// Whether the item is as a writer of `new` over `expected` left it.
    fn holds(&self, item: &Item, expected: Version, new: &SecretString) -> bool {
        self.secret(item).is_some_and(|(value, version)| {
            value.expose_secret() == new.expose_secret()
                && (expected == Version::ABSENT || version == Version(expected.0 + 1))
        })
    }
}
