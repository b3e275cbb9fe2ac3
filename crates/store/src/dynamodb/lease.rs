//! The lease: a number that grows with every taking, who holds it, and until when, on the item `head`.
//!
//! Nobody has to be there to give up a lease whose end has passed: the next run takes it, under a greater
//! number. The end is read against the clocks of the two runs; if they differ, the number still refuses what
//! the first one writes.

use async_trait::async_trait;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use fitferry_core::ports::{Fence, Lease, StoreError};
use jiff::Timestamp;

use super::item::{FENCE, HEAD_ITEM, Item, LEASE_RUN, LEASE_UNTIL, PK, SK, number, number_in, text, text_in};
use super::{DynamoAthlete, locked};
use crate::aws::Refused;

#[async_trait]
impl Lease for DynamoAthlete {
    async fn take(&self, until: Timestamp) -> Result<Option<Fence>, StoreError> {
        if self.renew(until).await? {
            return Ok(self.held());
        }
        let fence = match self.take_anew(until).await? {
            Ok(taken) => number_in(&taken, FENCE).map(Fence),
            // Ours already: it was taken, and the answer was lost.
            Err(there) if text_in(&there, LEASE_RUN) == Some(&self.run) => {
                number_in(&there, FENCE).map(Fence)
            }
            Err(_) => return Ok(None),
        };
        let Some(fence) = fence else {
            return Err(self.store.place().unreadable("the lease", "it has no number"));
        };
        *locked(&self.held) = Some(fence);
        Ok(Some(fence))
    }

    async fn renew(&self, until: Timestamp) -> Result<bool, StoreError> {
        let Some(fence) = self.held() else { return Ok(false) };
        let request = || {
            self.ours(fence)
                .update_expression("SET #until = :until")
                .expression_attribute_names("#until", LEASE_UNTIL)
                .expression_attribute_values(":until", number(until.as_millisecond()))
        };
        let renewed = self.update_head_item(request).await?.is_ok();
        if !renewed {
            *locked(&self.held) = None;
        }
        Ok(renewed)
    }

    async fn release(&self) -> Result<(), StoreError> {
        let Some(fence) = locked(&self.held).take() else { return Ok(()) };
        let request = || {
            self.ours(fence)
                .update_expression("REMOVE #run, #until")
                .expression_attribute_names("#until", LEASE_UNTIL)
        };
        // Refused: it is another run's by now, and stays so.
        self.update_head_item(request).await?.ok();
        Ok(())
    }

    fn held(&self) -> Option<Fence> {
        *locked(&self.held)
    }
}

/// Holds while the lease is this run's under this number; with [`DynamoAthlete::run`] and the fence as values.
pub(super) const IS_OURS: &str = "#fence = :fence AND #run = :run";

impl DynamoAthlete {
    /// Takes a lease that is free or over; the item as it is where it is neither.
    async fn take_anew(&self, until: Timestamp) -> Result<Result<Item, Item>, StoreError> {
        let now = self.store.aws().clock().now();
        let request = || {
            self.head_item()
                .update_expression(
                    "SET #fence = if_not_exists(#fence, :none) + :one, #run = :run, #until = :until",
                )
                .condition_expression("attribute_not_exists(#run) OR #until <= :now")
                .expression_attribute_names("#fence", FENCE)
                .expression_attribute_names("#run", LEASE_RUN)
                .expression_attribute_names("#until", LEASE_UNTIL)
                .expression_attribute_values(":none", number(0))
                .expression_attribute_values(":one", number(1))
                .expression_attribute_values(":run", text(&self.run))
                .expression_attribute_values(":until", number(until.as_millisecond()))
                .expression_attribute_values(":now", number(now.as_millisecond()))
                .return_values(ReturnValue::UpdatedNew)
        };
        self.update_head_item(request).await
    }

    /// An update of the item `head` on the condition that the lease is ours.
    pub(super) fn ours(&self, fence: Fence) -> UpdateItemFluentBuilder {
        self.head_item()
            .condition_expression(IS_OURS)
            .expression_attribute_names("#fence", FENCE)
            .expression_attribute_names("#run", LEASE_RUN)
            .expression_attribute_values(":fence", number(fence.0))
            .expression_attribute_values(":run", text(&self.run))
    }

    fn head_item(&self) -> UpdateItemFluentBuilder {
        self.update(HEAD_ITEM)
    }

    /// An update of one of the athlete's items, which tells what is there where its condition fails.
    pub(super) fn update(&self, range: &str) -> UpdateItemFluentBuilder {
        self.store
            .client()
            .update_item()
            .table_name(self.store.table())
            .key(PK, text(&self.key))
            .key(SK, text(range))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    async fn update_head_item(
        &self,
        request: impl Fn() -> UpdateItemFluentBuilder,
    ) -> Result<Result<Item, Item>, StoreError> {
        self.send_update(request).await
    }

    /// Sends it; `Ok`: what was asked back of the item, `Err`: the item as it is, since the condition failed.
    pub(super) async fn send_update(
        &self,
        request: impl Fn() -> UpdateItemFluentBuilder,
    ) -> Result<Result<Item, Item>, StoreError> {
        let answer = self.store.aws().ask(self.store.place(), || request().send()).await;
        match answer {
            Ok(UpdateItemOutput { attributes, .. }) => Ok(Ok(attributes.unwrap_or_default())),
            Err(Refused::By(UpdateItemError::ConditionalCheckFailedException(failed))) => {
                Ok(Err(failed.item.unwrap_or_default()))
            }
            Err(refused) => Err(refused.told(self.store.place())),
        }
    }
}
