//! The contract on DynamoDB, and what is its own: what an idle tick asks, lost answers, refusals.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use fitferry_store::dynamodb::{self, DynamoAthlete, DynamoStore};

use crate::cloud::{TestClock, Wire, aws_over, config, fresh_name};
use crate::contract::{self, at};

/// A new table for each promise; every run reaches it anew, as a process would.
pub(crate) struct InATable {
    pub(crate) table: String,
    pub(crate) wire: Wire,
    pub(crate) clock: Arc<TestClock>,
}

impl InATable {
    pub(crate) fn store(&self) -> DynamoStore {
        DynamoStore::new(&aws_over(&self.wire, &self.clock), &self.table)
    }
}

impl contract::Store for InATable {
    type Run = DynamoAthlete;
    type Account = DynamoStore;

    async fn run(&self, athlete: &str) -> DynamoAthlete {
        self.store().athlete(athlete)
    }

    async fn budget(&self) -> DynamoStore {
        self.store()
    }

    async fn outlast_leases(&self) {
        self.clock.set(at("9000-01-01T00:00:00Z"));
    }
}

pub(crate) async fn in_a_table() -> InATable {
    let (table, wire, clock) = (fresh_name(), Wire::new(), TestClock::new());
    let client = Client::new(&config(&wire));
    dynamodb::definition(&table).send_with(&client).await.unwrap();
    wire.asked();
    InATable { table, wire, clock }
}

#[tokio::test]
async fn a_table_keeps_the_ledgers_promises() {
    contract::ledger(in_a_table).await;
}

#[tokio::test]
async fn a_table_keeps_the_vaults_promises() {
    contract::vault(in_a_table).await;
}

#[tokio::test]
async fn a_table_keeps_the_budgets_promises() {
    contract::budget(in_a_table).await;
}

#[tokio::test]
async fn a_table_keeps_the_leases_promises() {
    contract::lease(in_a_table).await;
}
